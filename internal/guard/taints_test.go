package guard

import "testing"

func TestTaints(t *testing.T) {
	for line, want := range map[string]bool{
		"podman ps -q": true, "podman ps -aq": true, "docker ps -a --format '{{.ID}}'": true, "podman container ls -q": true, "podman ps -aq --filter status=exited": true,
		"podman ps -q --filter name=postgres": true, "podman ps -q -f name=post": true, "podman ps -q --filter name=test-": false, "podman ps -q --filter label=app=test": false, "podman ps -q --filter ancestor=postgres:17": true,
		"podman volume ls -q": true, "podman volume ls -q --filter name=test": false, "podman network ls -q": true, "podman pod ps -q": true, "podman secret ls -q": true,
		"podman inspect -f '{{.State.Pid}}' postgres": true, "podman inspect -f '{{.State.Pid}}' test": false, "podman top postgres hpid": true, "podman images -q": false, "podman run -d x": false, "docker compose ps -q": true,
		"podman-compose ps": true, "podman version": false, "podman": false,
		"pgrep conmon": true, "pgrep -f pasta": true, "pgrep -u flowstate": true, "pgrep node": false, "pgrep -f vite": false, "pgrep …": false, "pidof conmon": true, "pidof node": false, "pidof -s postgres": true,
		"ps aux": true, "ps -ef": true, "ps -eo pid,comm": true, "ps -u flowstate -o pid=": true, "ps": false, "ps -p 4711 -o comm=": false, "ps -o pid= --ppid …": false, "ps -C conmon -o pid=": true, "ps -C node -o pid=": false,
		"lsof -t -i:8000": true, "lsof -ti:8000": true, "lsof -ti :8000": true, "lsof -t -i tcp:5432": true, "lsof -tiTCP:8000 -sTCP:LISTEN": true, "lsof -ti:3000": false, "lsof -ti": true, "lsof -t /tmp/x": false,
		"lsof -t /run/user/1000/bus": true, "lsof -t -u flowstate": true, "lsof -c conmon -t": true, "lsof -c node -t": false,
		"fuser 8000/tcp": true, "fuser 3000/tcp": false, "fuser -n tcp 5432": true, "ss -ltnp": true, "ss -ltnp 'sport = :3000'": false, "ss -ltnp 'sport = :8000'": true, "netstat -tlnp": true,
		"systemctl --user list-units --plain": true, "systemctl --user": true, "systemctl --user list-units 'post*'": true, "systemctl --user list-units 'test-*'": false, "systemctl --user list-unit-files": true, "systemctl list-units -t timer": false,
		"systemctl --user show -p MainPID --value postgres": true, "systemctl --user show -p MainPID --value myapp": false, "systemctl show -p MainPID user@1000": true, "systemctl is-active postgres": false,
		"loginctl list-sessions --no-legend": true, "loginctl list-users": true, "loginctl show-user flowstate": false, "crun list -q": true,
		"cat /run/user/1000/containers/overlay-containers/x/userdata/conmon.pid": true, "cat app.pid": false, "head -1 /data/postmaster.pid": true, "cat /sys/fs/cgroup/user.slice/cgroup.procs": true,
		"echo 1": false, "git ls-files": false, "date": false,
	} {
		if got := (newJudge(stackHost(), Policy{})).taints(testCall(line)); got != want {
			t.Errorf("%s: %v", line, got)
		}
	}
	c := testCall("pgrep postgres")
	c.place = place{kind: inContainer, name: "test"}
	if (newJudge(stackHost(), Policy{})).taints(c) {
		t.Error("what runs in a container that is not kept taints")
	}
}

func TestPasses(t *testing.T) {
	for line, want := range map[string]bool{
		"grep conmon": true, "grep postgres": true, "grep -E 'pasta|node'": true, "grep -i CONMON": true, "grep -v node": true, "grep :8000": true, "grep ledger-": true, "grep Exited": true, "grep flowstate": true, "grep …": true,
		"grep node": false, "grep '[v]ite'": false, "grep -e vite -e webpack": false, "grep :3000": false, "grep test-": false, "fgrep a.b": false, `grep 'vite\|webpack'`: false, `grep 'vite\|conmon'`: true,
		"grep -f patterns": true, "awk '{print $1}'": true, "grep": true,
	} {
		if got := (newJudge(stackHost(), Policy{})).passes(testCall(line)); got != want {
			t.Errorf("%s: %v", line, got)
		}
	}
}
