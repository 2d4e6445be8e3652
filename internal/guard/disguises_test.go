package guard

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// Where the option, the verb or the program is written in a way that hides it.
func TestDisguises(t *testing.T) {
	testWants(t, []want{
		{"loginctl --sig 9 kill-user flowstate", "session.kill"}, {"systemctl --user --sig KILL kill postgres", "stack.unit"}, {"systemctl --mach=flowstate@ --us exit", "session.manager"},
		{"systemctl --dry reboot", ""}, {"passwd --loc flowstate", "session.account"}, {"usermod --exp=1 flowstate", "session.account"}, {"chage --exp 0 flowstate", "session.account"},
		{"pkill --sig KILL --eu flowstate", "session.processes"}, {"killall --us flowstate", "session.processes"}, {"podman-compose down --vol", "stack.compose"},
		{"curl --unix-s /run/user/1000/podman/podman.sock --req DELETE http://d/libpod/containers/postgres", "stack.socket"},
		{"busctl --time 5 call org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager TerminateUser u 1000", "session.bus"},
		{"… terminate-user flowstate", "guard.unknown?"}, {"…ctl terminate-user flowstate", "guard.unknown?"}, {"… stop postgres", "guard.unknown?"}, {"… system prune -af", "guard.unknown?"},
		{"… -9 -1", "guard.unknown?"}, {"… pause", "guard.unknown?"}, {"pod… rm -f postgres", "guard.unknown?"}, {"… --user stop keeper", "guard.unknown?"},
		{"… …", ""}, {"… build", ""}, {"… flowstate", ""}, {"… postgres", ""}, {"… run -d --name web x", ""}, {"… now", ""}, {"… stop web", ""}, {"my… stop postgres", ""},
		{"systemctl … reboot", "guard.unknown?"}, {"systemctl … stop postgres", "guard.unknown?"}, {"systemctl … status postgres", ""}, {"systemctl … restart postgres", ""},
		{"podman … ps -a", ""}, {"podman … rm postgres", "guard.unknown?"}, {"shutdown …", "machine.power?"}, {"shutdown -h …", "machine.power?"}, {"reboot …", "machine.power?"},
		{"docker compose down -…", "stack.compose?"}, {"docker compose down …", "stack.compose?"}, {"podman rm -f -f test", ""}, {"podman stop -t …  web", ""}, {"podman stop -f name=web", ""},
		{"systemctl --user restart ‼", ""}, {"systemctl --user stop 'user\\x2d1000.slice'", "stack.unit?"}, {"systemctl stop 'home-flowstate.mount'", "stack.unit"},
	})
	c := testCall("> sysrq-trigger")
	c.dir, c.stdin, c.fed = "/proc", "b", true
	if got := ids(judged(stackHost(), c)); got != "machine.power" {
		t.Errorf("sysrq-trigger in /proc: %q", got)
	}
}

// No words make the rules panic or take long.
func TestAnyWords(t *testing.T) {
	programs := strings.Fields("loginctl systemctl service busctl gdbus dbus-send qdbus shutdown reboot init kexec rtcwake > tee dd userdel deluser usermod passwd chage homectl " +
		"kill pkill killall killall5 skill slay fuser kill-port fkill npx podman docker nerdctl podman-compose crun curl http xh nc socat keeper keeper-guard keeper-adopt pgrep pidof ps lsof ss grep cat …")
	words := strings.Fields("-- - -1 -9 -a -f -v -u -s -n -k -m -t -H -M --signal --signal= --user --user= -X --unix-socket --filter --filter= --name --name= --replace -u… --…=x … ‼ a…b * [ ?[ [a- ( ( *) \\ '' ' ' / // /proc/sysrq-trigger " +
		"/sys/fs/cgroup/cgroup.kill stop kill rm pause system prune reset volume network container pod secret image compose down call postgres user@ .mount -.mount \\x2 \\x2dx.mount _2 / d/libpod/ ://? http://d/v/libpod/containers " +
		"org.freedesktop.login1 org.freedesktop.systemd1 org.freedesktop.systemd1.Unit /org/freedesktop/systemd1/unit/_ SetUserLinger StopUnit Stop Kill MaskUnitFiles ub ss [']) 5432/tcp /tcp 1-9 : = , \x00 \xff é")
	mark := strings.NewReplacer("…", holeWord, "‼", taintWord)
	r := rand.New(rand.NewPCG(1, 2))
	h := stackHost()
	for range 60_000 {
		c := &call{name: mark.Replace(programs[r.IntN(len(programs))])}
		for range r.IntN(7) {
			c.args = append(c.args, mark.Replace(words[r.IntN(len(words))]))
		}
		if r.IntN(2) == 0 {
			c.fed, c.stdin = true, mark.Replace(words[r.IntN(len(words))]+" "+words[r.IntN(len(words))]+" HTTP/1.1\n")
		}
		judged(h, c)
		judged(Host{}, c)
		j := newJudge(h, Policy{})
		j.taints(c)
		j.passes(c)
	}
	long := &call{name: "pkill", args: []string{"-f", strings.Repeat("(a*)*", 20_000)}}
	judged(h, long)
	judged(h, &call{name: "podman", args: []string{"stop", "--filter", "name=" + strings.Repeat("(a|b*)+", 60)}})
}

func BenchmarkRules(b *testing.B) {
	h := stackHost()
	for _, line := range []string{"ls -l", "systemctl --user status postgres", "podman ps -a", "pkill -f vite", "loginctl terminate-user flowstate"} {
		c := testCall(line)
		b.Run(line, func(b *testing.B) {
			for b.Loop() {
				judged(h, c)
			}
		})
	}
}
