package guard

import "testing"

func TestContainers(t *testing.T) {
	testWants(t, []want{
		{"podman stop postgres", "stack.container"}, {"podman stop -t 0 web postgres", "stack.container"}, {"podman container stop postgres", "stack.container"}, {"docker stop postgres", "stack.container"},
		{"podman --log-level debug stop postgres", "stack.container"}, {"podman --url ssh://db1/run/podman.sock rm -f redis", "stack.container"}, {"podman -c prod kill redis", "stack.container"},
		{"podman --remote stop postgres", "stack.container"}, {"podman-remote stop postgres", "stack.container"}, {"docker -H tcp://x rm -f minio", "stack.container"}, {"nerdctl -n k8s rm -f redis", "stack.container"},
		{"podman kill postgres", "stack.container"}, {"podman kill -s KILL postgres", "stack.container"}, {"podman kill --signal … postgres", "stack.container"}, {"podman rm -f postgres", "stack.container"}, {"podman rm -fv -t0 postgres", "stack.container"},
		{"podman pause postgres", "stack.container"}, {"podman rename postgres old", "stack.container"}, {"podman container checkpoint postgres", "stack.container"}, {"podman container clone --destroy postgres pg2", "stack.container"},
		{"podman run -d --replace --name postgres postgres:17", "stack.container"}, {"podman create --name=redis --replace redis:8", "stack.container"}, {"podman run --replace --name … x", "stack.container?"},
		{"podman rm -f …", "stack.container?"}, {"podman stop post…", "stack.container?"}, {"podman stop 3f2a9c1b7d4e", "stack.container?"}, {"podman rm -f 3f2a", "stack.container?"},
		{"podman stop -l", "stack.container?"}, {"podman rm -f --cidfile /run/user/1000/postgres.cid", "stack.container"}, {"podman rm -f ledgerpod-infra", "stack.container"},
		{"podman stop -a", "stack.containers"}, {"podman stop --all -t 3", "stack.containers"}, {"podman rm -fa", "stack.containers"}, {"podman kill --all", "stack.containers"}, {"podman pause -a", "stack.containers"},
		{"podman stop ‼", "stack.containers"}, {"docker rm -f ‼", "stack.containers"}, {"podman stop --filter status=running", "stack.containers"}, {"podman stop --filter name=post", "stack.containers"},
		{"podman rm -f --filter label=app=x", "stack.containers?"}, {"podman stop --filter name=test-", ""}, {"podman stop --filter label=PODMAN_SYSTEMD_UNIT=postgres.service", "stack.containers"},
		{"podman … postgres", "guard.unknown?"}, {"podman container …", "guard.unknown?"}, {"podman st… postgres", "guard.unknown?"}, {"podman lo… postgres", ""},

		{"podman", ""}, {"podman --help", ""}, {"podman stop --help", ""}, {"podman ps -a", ""}, {"podman ps -aq --filter name=postgres", ""}, {"podman logs -f postgres", ""}, {"podman inspect postgres", ""},
		{"podman restart postgres", ""}, {"podman restart -a", ""}, {"podman start postgres", ""}, {"podman stop web", ""}, {"podman rm -f test-x", ""}, {"podman rm -f postgres-test", ""}, {"podman kill -s HUP postgres", ""},
		{"podman kill --signal=SIGUSR1 postgres", ""}, {"podman run --rm --name test postgres:17", ""}, {"podman run -d --replace --name test postgres:17", ""}, {"podman run --name postgres postgres:17", ""},
		{"podman create --name x y", ""}, {"podman cp postgres:/etc/x .", ""}, {"podman exec postgres psql", ""}, {"podman unpause -a", ""}, {"podman update --memory 1g postgres", ""}, {"podman top postgres", ""},
		{"podman stats --no-stream", ""}, {"podman rename test postgres2", ""}, {"podman container checkpoint -R postgres", ""}, {"podman container exists postgres", ""}, {"podman init postgres", ""}, {"podman wait postgres", ""},
		{"podman build -t x .", ""}, {"podman pull postgres:17", ""}, {"podman generate systemd postgres", ""}, {"podman healthcheck run postgres", ""}, {"podman diff postgres", ""}, {"podman commit postgres x", ""},
		{"podman stop -t 10 web", ""}, {"podman rm face", ""}, {"docker context rm x", ""}, {"podman machine stop", ""}, {"podman auto-update --dry-run", ""},
		{"podman rm --cidfile /tmp/x.cid", ""},
	})
}

func TestPodmanObjects(t *testing.T) {
	testWants(t, []want{
		{"podman system reset", "stack.reset"}, {"podman system reset -f", "stack.reset"}, {"podman system migrate", "stack.reset"}, {"podman system renumber", "stack.reset"}, {"podman --root /x system reset --force", "stack.reset"},
		{"podman system check --repair", "stack.reset?"}, {"podman system prune", "stack.prune"}, {"podman system prune -af --volumes", "stack.prune"}, {"docker system prune -f", "stack.prune"}, {"podman system …", "guard.unknown?"},
		{"podman volume prune -f", "stack.prune"}, {"podman container prune", "stack.prune"}, {"podman pod prune", "stack.prune"}, {"podman network prune -f", "stack.prune"}, {"podman volume prune --filter label=test", "stack.prune?"},
		{"podman volume rm ledger-pgdata", "stack.volume"}, {"podman volume rm -f x ledger-redis", "stack.volume? stack.volume"}, {"podman volume remove ledger-pgdata", "stack.volume"}, {"podman volume rm ledger-pg", "stack.volume"},
		{"podman volume rm -a", "stack.volume"}, {"podman volume rm …", "stack.volume?"}, {"podman volume rm ‼", "stack.volume"}, {"docker volume rm other", "stack.volume?"}, {"podman volume import ledger-pgdata x.tar", "data.import"},
		{"podman network rm ledger", "stack.network"}, {"podman network rm -f ledger", "stack.network"}, {"podman network disconnect ledger postgres", "stack.network"}, {"podman network disconnect -f x postgres", "stack.network"},
		{"podman network rm …", "stack.network?"}, {"podman network rm ‼", "stack.network"}, {"podman pod rm -f ledgerpod", "stack.network"}, {"podman pod stop ledgerpod", "stack.network"}, {"podman pod rm -fa", "stack.containers"},
		{"podman pod create --replace --name ledgerpod", "stack.network"}, {"podman secret rm pg-password", "stack.secret"}, {"podman secret rm -a", "stack.secret"}, {"podman secret create --replace pg-password x", "stack.secret"},
		{"podman image prune -a", "stack.prune?"}, {"podman image prune -af", "stack.prune?"}, {"podman rmi -a", "stack.prune?"}, {"podman rmi -af", "stack.prune?"}, {"podman rmi -f docker.io/library/postgres:17", "stack.container?"},
		{"podman kube down x.yaml", "stack.containers?"}, {"podman play kube --down x.yaml", "stack.containers?"}, {"podman kube play --replace x.yaml", "stack.containers?"}, {"podman quadlet rm postgres.container", "files.quadlet"},

		{"podman system df", ""}, {"podman system info", ""}, {"podman system connection list", ""}, {"podman system prune --help", ""}, {"podman system service -t 0", ""}, {"podman system check", ""}, {"podman info", ""},
		{"podman volume ls", ""}, {"podman volume inspect ledger-pgdata", ""}, {"podman volume export ledger-pgdata -o x.tar", ""}, {"podman volume create x", ""}, {"podman volume exists x", ""}, {"podman volume", ""},
		{"podman network ls", ""}, {"podman network inspect ledger", ""}, {"podman network create x", ""}, {"podman network rm test-net", ""}, {"podman network connect ledger test", ""}, {"podman network disconnect ledger2 web", ""},
		{"podman network reload -a", ""}, {"podman pod ps", ""}, {"podman pod rm -f testpod", ""}, {"podman pod restart ledgerpod", ""}, {"podman pod kill -s HUP ledgerpod", ""}, {"podman secret ls", ""}, {"podman secret create new x", ""},
		{"podman image prune", ""}, {"podman image prune -f", ""}, {"podman rmi x", ""}, {"podman rmi …", ""}, {"podman rmi -f localhost/test", ""}, {"podman images", ""}, {"podman image ls", ""}, {"docker builder prune -f", ""},
		{"podman kube play x.yaml", ""}, {"podman kube generate postgres", ""}, {"podman quadlet list", ""}, {"podman quadlet rm test.container", ""},
	})
}

func TestCompose(t *testing.T) {
	testWants(t, []want{
		{"podman compose down -v", "stack.compose"}, {"docker compose down --volumes", "stack.compose"}, {"podman-compose down -v", "stack.compose"}, {"docker-compose -f x.yml -p ledger down -v --remove-orphans", "stack.compose"},
		{"docker compose --project-directory x --profile y --env-file z down -t 1 -v", "stack.compose"}, {"podman-compose -f a.yaml down --rmi all --volumes", "stack.compose"}, {"docker compose rm -fsv", "stack.compose"},
		{"docker compose down …", "stack.compose?"}, {"docker compose …", "guard.unknown?"}, {"docker compose stop postgres", "stack.container?"}, {"podman-compose kill redis", "stack.container?"}, {"docker compose rm -f postgres", "stack.container?"},
		{"docker compose down", ""}, {"docker compose down --remove-orphans", ""}, {"podman compose up -d", ""}, {"podman compose up -V", ""}, {"podman-compose ps", ""}, {"docker compose restart postgres", ""}, {"docker compose logs -f postgres", ""},
		{"docker compose stop web", ""}, {"docker compose kill -s HUP redis", ""}, {"docker compose config --volumes", ""}, {"docker compose --dry-run down -v", ""}, {"docker compose down --help", ""}, {"podman compose", ""}, {"docker compose exec -T postgres psql", ""},
		{"docker compose build --no-cache", ""}, {"docker compose run --rm web sh", ""}, {"docker compose -v", ""},
	})
}

func TestRuntimes(t *testing.T) {
	testWants(t, []want{
		{"crun kill postgres", "stack.helpers"}, {"crun delete -f 3f2a9c1b7d4e", "stack.helpers?"}, {"runc kill ‼ KILL", "stack.helpers"}, {"crun --root /run/user/1000/crun delete --regex '.*'", "stack.helpers"},
		{"crun list", ""}, {"crun state 3f2a9c1b7d4e", ""}, {"crun kill postgres 0", ""}, {"crun kill mine", ""}, {"crun --version", ""},
	})
}

func TestSockets(t *testing.T) {
	const (
		p = "curl --unix-socket /run/user/1000/podman/podman.sock "
		k = "curl --unix-socket /run/user/1000/keeper/keeper.sock "
	)
	testWants(t, []want{
		{p + "-X POST http://d/v5.0.0/libpod/containers/postgres/stop", "stack.socket"}, {p + "-XDELETE 'http://d/v5.0.0/libpod/containers/postgres?force=true'", "stack.socket"},
		{p + "-s --request POST http://d/libpod/volumes/prune", "stack.socket"}, {p + "-X POST d/v1.41/containers/redis/kill", "stack.socket"}, {p + "-d '' http://d/v4/libpod/containers/prune", "stack.socket"},
		{p + "-X DELETE http://d/volumes/ledger-pgdata", "stack.socket"}, {p + "-X DELETE http://d/volumes/x", "stack.socket?"}, {p + "-X DELETE http://d/secrets/x", "stack.socket"}, {p + "-X DELETE http://d/libpod/pods/ledgerpod", "stack.socket"},
		{p + "-X … http://d/libpod/containers/postgres", "stack.socket?"}, {p + "-X POST http://d/libpod/containers/…/stop", "stack.socket?"}, {p + "-X POST http://d/libpod/containers/‼/stop", "stack.socket"}, {p + "-X POST …", "stack.socket?"},
		{p + "-X POST http://d/libpod/networks/ledger/disconnect", "stack.socket"}, {p + "-X DELETE http://d/libpod/networks/ledger", "stack.socket"}, {p + "-X POST http://d/libpod/system/prune", "stack.socket"}, {p + "-X POST http://d/libpod/pods/ledgerpod/stop", "stack.socket"},
		{"curl -X POST http://localhost:8888/v5/libpod/containers/postgres/stop", "stack.socket"}, {"curl --unix-socket /var/run/docker.sock -X DELETE http://d/containers/postgres", "stack.socket"},
		{"curl --unix-socket … -X DELETE http://d/containers/postgres", "stack.socket?"},
		{"http DELETE http+unix://%2Frun%2Fuser%2F1000%2Fpodman%2Fpodman.sock/v5/libpod/containers/postgres", "stack.socket"}, {"xh --unix-socket /run/user/1000/podman/podman.sock post http://d/libpod/containers/postgres/stop", "stack.socket"},
		{k + "-X POST http://k/v1/services/postgres/pause", "keeper.socket"}, {k + "-d x http://k/v1/drill", "keeper.socket"}, {k + "-X … http://k/v1/drill", "keeper.socket?"}, {k + "--json '{}' http://k/v1/drill", "keeper.socket"},
		{k + "-T x http://k/v1/drill", "keeper.socket"},

		{p + "http://d/v5.0.0/libpod/containers/json", ""}, {p + "-X GET http://d/libpod/info", ""}, {p + "-I http://d/libpod/_ping", ""}, {p + "-G -d all=true http://d/libpod/containers/json", ""},
		{p + "-X POST http://d/libpod/containers/postgres/start", ""}, {p + "-X POST http://d/libpod/containers/postgres/restart", ""}, {p + "-X POST http://d/libpod/containers/web/stop", ""}, {p + "-X POST http://d/libpod/images/prune", ""},
		{p + "-X POST http://d/libpod/containers/postgres/exec", ""}, {p + "-X POST http://d/libpod/containers/create", ""}, {p + "-X DELETE http://d/libpod/containers/test", ""}, {p + "-X POST 'http://d/libpod/containers/postgres/kill?signal=HUP'", ""},
		{p + "-X DELETE http://d/libpod/images/x", ""}, {k + "http://k/v1/status", ""}, {k + "-s http://k/metrics", ""},
		{"curl -X POST http://localhost:8000/containers/postgres/stop", ""}, {"curl -X DELETE https://api.example.org/v1/volumes/ledger-pgdata", ""}, {"curl -d x http://localhost:8000/", ""}, {"http localhost:8000/livez", ""}, {"http POST localhost:8000/x a=b", ""},
	})
	raw := []struct {
		line, stdin string
		fed         bool
		rules       string
	}{
		{"nc -U /run/user/1000/podman/podman.sock", "POST /v5/libpod/containers/postgres/stop HTTP/1.1\r\nHost: d\r\n\r\n", true, "stack.socket"},
		{"nc -U /run/user/1000/podman/podman.sock", `DELETE /v5/libpod/volumes/ledger-pgdata HTTP/1.0\r\n\r\n`, true, "stack.socket"},
		{"socat - UNIX-CONNECT:/run/user/1000/podman/podman.sock", "POST /libpod/system/prune HTTP/1.0\n\n", true, "stack.socket"},
		{"socat - UNIX-CONNECT:/run/user/1000/keeper/keeper.sock", "POST /v1/services/postgres/pause HTTP/1.1\n\n", true, "keeper.socket"},
		{"socat - UNIX:/run/user/1000/keeper/keeper.sock", holeWord, true, "keeper.socket?"},
		{"nc -U /run/user/1000/podman/podman.sock", holeWord + "\n", true, "stack.socket?"},
		{"nc -U /run/user/1000/podman/podman.sock", "GET /libpod/info HTTP/1.1\nHost: d\n\n", true, ""},
		{"nc -U /run/user/1000/podman/podman.sock", "", false, ""},
		{"nc localhost 80", "DELETE /volumes/ledger-pgdata HTTP/1.0\n\n", true, ""},
	}
	for _, r := range raw {
		c := testCall(r.line)
		c.stdin, c.fed = r.stdin, r.fed
		if got := ids(judged(stackHost(), c)); got != r.rules {
			t.Errorf("%s < %q: %q, want %q", r.line, r.stdin, got, r.rules)
		}
	}
}
