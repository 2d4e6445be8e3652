package guard

import "testing"

func TestKill(t *testing.T) {
	testWants(t, []want{
		{"kill -9 -1", "session.processes"}, {"kill -KILL -1", "session.processes"}, {"kill -s KILL -- -1", "session.processes"}, {"kill -TERM -- -1", "session.processes"},
		{"kill -- -1", "session.processes"}, {"kill -SIGKILL -1", "session.processes"}, {"kill --signal 9 -1", "session.processes"}, {"kill -n 9 -1", "session.processes"},
		{"kill -1 -1", "session.processes"}, {"kill -sKILL -1", "session.processes"}, {"kill -9 4711 -1", "session.processes"}, {"kill -… -1", "session.processes?"},
		{"/bin/kill -9 -1", "session.processes"},
		{"kill 1", "stack.helpers"}, {"kill -9 1", "stack.helpers"}, {"kill -s TERM 1", "stack.helpers"},
		{"kill ‼", "stack.helpers"}, {"kill -9 ‼ ‼", "stack.helpers"}, {"kill -9 -- -‼", "stack.helpers"}, {"kill -HUP ‼", "stack.helpers?"},
		{"kill -1 4711", ""}, {"kill -HUP 1", ""}, {"kill -1", ""}, {"kill -9", ""}, {"kill", ""},
		{"kill 4711", ""}, {"kill -9 4711 4712", ""}, {"kill …", ""}, {"kill -9 …", ""}, {"kill -TERM -- -…", ""}, {"kill -0 -1", ""}, {"kill -0 ‼", ""},
		{"kill -l", ""}, {"kill -L", ""}, {"kill --help", ""}, {"kill %1", ""}, {"kill -CONT 1", ""}, {"kill -9 -4711", ""},
	})
}

func TestPkill(t *testing.T) {
	testWants(t, []want{
		{"pkill -u flowstate", "session.processes"}, {"pkill -9 -u flowstate", "session.processes"}, {"pkill -U 1000", "session.processes"}, {"pkill -KILL --euid flowstate", "session.processes"},
		{"pkill --uid=1000 --signal KILL", "session.processes"}, {"pkill -u …", "session.processes?"}, {"pkill -u root,flowstate", "session.processes"}, {"pkill --signal 9 -u flowstate", "session.processes"},
		{"pkill -G flowstate", "session.processes"}, {"pkill --inverse node", "session.processes"}, {"pkill -P 1", "stack.helpers"}, {"pkill .", "session.processes"}, {"pkill -f ''", "session.processes"},
		{"pkill -u flowstate conmon", "stack.helpers"},
		{"pkill conmon", "stack.helpers"}, {"pkill -9 conmon", "stack.helpers"}, {"pkill -x pasta", "stack.helpers"}, {"pkill pasta", "stack.helpers"}, {"pkill 'pasta|slirp'", "stack.helpers"},
		{"pkill aardvark", "stack.helpers"}, {"pkill -f aardvark-dns", "stack.helpers"}, {"pkill 'con?mon'", "stack.helpers"}, {"pkill '^con.*n$'", "stack.helpers"}, {"pkill -i CONMON", "stack.helpers"},
		{"pkill systemd", "stack.helpers"}, {"pkill -f 'systemd --user'", "stack.helpers"}, {"pkill dbus-broker-launch", "stack.helpers"}, {"pkill -x dbus-broker-lau", "stack.helpers"},
		{"pkill rootlessport", "stack.helpers"}, {"pkill podman", "stack.helpers"}, {"pkill postgres", "stack.helpers"}, {"pkill redis", "stack.helpers"}, {"pkill -f django", "stack.helpers"},
		{"pkill -f conmon.*postgres", "stack.helpers"}, {"pkill gunicorn", "stack.helpers"}, {"pkill -f python", "stack.helpers?"}, {"pkill -USR1 conmon", "stack.helpers"},
		{"pkill keeper", "keeper.stop"}, {"pkill -f 'keeper run'", "keeper.stop"}, {"pkill …", "stack.helpers?"}, {"pkill con…", "stack.helpers?"}, {"pkill ‼", "session.processes"},
		{"pkill -F /run/user/1000/containers/overlay-containers/x/userdata/pidfile", "stack.helpers"}, {"pkill -F postmaster.pid", "stack.helpers"},
		{"pkill -f /home/flowstate/.local", "stack.helpers"},

		{"pkill node", ""}, {"pkill -u flowstate node", ""}, {"pkill -f 'manage.py runserver'", ""}, {"pkill -f 'npm run dev'", ""}, {"pkill -9 -f vite", ""}, {"pkill -x node", ""},
		{"pkill -f 'python -m http.server'", ""}, {"pkill -u bob", ""}, {"pkill -u bob postgres", ""}, {"pkill -HUP postgres", ""}, {"pkill -HUP -x gunicorn", ""}, {"pkill -0 conmon", ""},
		{"pkill -P 4711", ""}, {"pkill -P …", ""}, {"pkill -t pts/3", ""}, {"pkill -F app.pid", ""}, {"pkill --help", ""}, {"pkill -f /home/flowstate/project/server.js", ""}, {"pkill -f myapp-…", ""},
		{"pkill -x post", ""}, {"pkill sleep", ""}, {"pkill -f '[v]ite'", ""}, {"pgrep conmon", ""}, {"pgrep -u flowstate", ""}, {"pidof conmon", ""},
	})
}

func TestKillall(t *testing.T) {
	testWants(t, []want{
		{"killall -u flowstate", "session.processes"}, {"killall -9 -u flowstate", "session.processes"}, {"killall --user=…", "session.processes?"},
		{"killall conmon", "stack.helpers"}, {"killall -9 pasta aardvark-dns", "stack.helpers"}, {"killall -r '^con'", "stack.helpers"}, {"killall -s KILL postgres", "stack.helpers"},
		{"killall /usr/bin/conmon", "stack.helpers"}, {"killall -I Conmon", "stack.helpers"}, {"killall keeper", "keeper.stop"}, {"killall -q -w systemd", "stack.helpers"}, {"killall …", "stack.helpers?"},
		{"killall -u flowstate conmon", "stack.helpers"}, {"killall5", "session.processes"}, {"killall5 -9", "session.processes"},
		{"skill -KILL -u flowstate", "session.processes"}, {"slay flowstate", "session.processes"}, {"slay -9 …", "session.processes?"}, {"skill -c conmon", "stack.helpers"},
		{"killall node", ""}, {"killall -u flowstate node", ""}, {"killall -u bob", ""}, {"killall -l", ""}, {"killall -HUP gunicorn", ""}, {"killall -0 conmon", ""}, {"killall post", ""},
		{"killall -V", ""}, {"killall", ""}, {"slay bob", ""}, {"killall -r '^nod'", ""},
	})
}

func TestPorts(t *testing.T) {
	testWants(t, []want{
		{"fuser -k 5432/tcp", "stack.port"}, {"fuser -k -n tcp 8000", "stack.port"}, {"fuser -k -9 8000/tcp", "stack.port"}, {"fuser -KILL -k 8000/tcp", "stack.port"}, {"fuser -vk 3000/tcp 8000/tcp", "stack.port"},
		{"fuser -k …/tcp", "stack.port?"}, {"fuser -k ‼/tcp", "stack.port"}, {"fuser -km /home", "session.processes"}, {"fuser -k -m /run", "session.processes"}, {"fuser -mk /", "session.processes"},
		{"fuser -km /home/flowstate/project", "session.processes"}, {"fuser -k /run/user/1000/bus", "stack.helpers"}, {"fuser -k /home/flowstate/.local/share/containers/storage/db.sql", "stack.helpers"},
		{"npx kill-port 8000", "stack.port"}, {"npx --yes kill-port@2 5432 3000", "stack.port"}, {"kill-port --port 3000,8000", "stack.port"}, {"kill-port …", "stack.port?"}, {"fkill :8000", "stack.port"},
		{"fkill conmon", "stack.helpers"}, {"npx fkill-cli -f :9000", "stack.port"}, {"killport 8000", "stack.port"},
		{"fuser 5432/tcp", ""}, {"fuser -v /home", ""}, {"fuser -k 3000/tcp", ""}, {"fuser -k -n tcp 3000", ""}, {"fuser -km /mnt/usb", ""}, {"fuser -k /tmp/x.lock", ""}, {"npx kill-port 3000", ""},
		{"npx vite", ""}, {"fkill node", ""}, {"fuser -k 80/tcp", ""}, {"fuser -k 54321/tcp", ""},
	})
}

// In a container there are its own processes, and no machine.
func TestInsideAContainer(t *testing.T) {
	for _, w := range []want{
		{"kill 1", "stack.helpers"}, {"kill -9 -1", "stack.helpers"}, {"pkill postgres", "stack.helpers"}, {"killall redis-server", "stack.helpers"},
		{"kill -HUP 1", ""}, {"pkill -HUP postgres", ""}, {"kill 55", ""}, {"pkill conmon", ""}, {"reboot", ""}, {"podman stop postgres", ""}, {"loginctl terminate-user flowstate", ""}, {"keeper pause", ""},
	} {
		c := testCall(w.line)
		c.place = place{kind: inContainer, name: "postgres", kept: true}
		if got := ids(judged(stackHost(), c)); got != w.rules {
			t.Errorf("in postgres: %s: %q, want %q", w.line, got, w.rules)
		}
		c.place = place{kind: inContainer, name: "test"}
		if got := ids(judged(stackHost(), c)); got != "" {
			t.Errorf("in test: %s: %q", w.line, got)
		}
	}
}

// On another host the same names are kept as here.
func TestElsewhere(t *testing.T) {
	for _, w := range []want{
		{"loginctl terminate-user deploy", "session.terminate"}, {"reboot", "machine.power"}, {"podman stop postgres", "stack.container"}, {"systemctl --user stop postgres", "stack.unit"},
		{"podman stop web", ""}, {"systemctl stop nginx", ""}, {"kill -9 -1", "session.processes"},
	} {
		c := testCall(w.line)
		c.place = place{kind: remote, name: "db1"}
		if got := ids(judged(stackHost(), c)); got != w.rules {
			t.Errorf("on db1: %s: %q, want %q", w.line, got, w.rules)
		}
	}
}
