package lab

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"keeper/internal/control"
	"keeper/internal/core"
)

// Supervision is tried with short times: what takes minutes in real life is a
// matter of seconds here.
const shortTimes = `[defaults]
interval = "1s"
timeout = "1s"
grace = "20s"
thaw = "2s"
`

// notHelped is how long a control is watched to stay ill: longer than keeper needs.
const notHelped = 10 * time.Second

// shellHelp has functions for the scripts that strike, as root.
var shellHelp = fmt.Sprintf(`account() { runuser -u %[1]s -- env XDG_RUNTIME_DIR=/run/user/%[2]d "$@"; }
server() { pgrep -o -P "$(account systemctl --user show --property=MainPID --value "$1")"; }
home=/home/%[1]s
`, User, UID)

// struck runs a script as root that has to succeed.
func struck(t *testing.T, h *Host, script string) string {
	t.Helper()
	return sh(t, h, shellHelp+script)
}

// holds says whether a script succeeds.
func holds(ctx context.Context, h *Host, script string) bool {
	_, err := h.Output(ctx, "sh", "-ec", shellHelp+script)
	return err == nil
}

// supervised boots a host with the stack and keeper, which goes by the settings.
func supervised(t *testing.T, name, settings string) *Host {
	t.Helper()
	h := testHost(t, Options{Name: name, Stack: true})
	install(t, h)
	configure(t, h, settings)
	await(t, 20*time.Second, "keeper has taken the settings, and all is well", func(ctx context.Context) bool {
		_, err := keeper(ctx, h, "status")
		return err == nil && service(t, h, "django").Supervision.Timeout == time.Second
	})
	return h
}

// configure writes keeper.toml, which keeper takes by itself.
func configure(t *testing.T, h *Host, settings string) {
	t.Helper()
	err := h.Run(within(t, 10*time.Second), Exec{User: User, Stdin: strings.NewReader(settings)}, "sh", "-ec",
		`mkdir -p .config/keeper; cat >.config/keeper/.new; mv .config/keeper/.new .config/keeper/keeper.toml`)
	if err != nil {
		t.Fatal(err)
	}
}

// service is how keeper has the service.
func service(t *testing.T, h *Host, name string) core.Service {
	t.Helper()
	return named(status(t, h), name)
}

func named(st control.Status, name string) core.Service {
	i := slices.IndexFunc(st.Services, func(s core.Service) bool { return s.Name == name+".service" })
	if i < 0 {
		return core.Service{}
	}
	return st.Services[i]
}

// awaitService waits until the service is in one of the states, and returns it.
func awaitService(t *testing.T, h *Host, limit time.Duration, name string, states ...core.ServiceState) core.Service {
	t.Helper()
	var s core.Service
	what := fmt.Sprintf("%s is %v", name, states)
	defer func() {
		if t.Failed() {
			t.Logf("%s is %+v\n%s", name, s, said(t, h, time.Now().Add(-limit)))
		}
	}()
	await(t, limit, what, func(context.Context) bool {
		s = service(t, h, name)
		return slices.Contains(states, s.State)
	})
	return s
}

// said are the decisions since then, oldest first, a line each.
func said(t *testing.T, h *Host, since time.Time) string {
	t.Helper()
	var lines []string
	for _, d := range status(t, h).Decisions {
		if d.At.After(since) {
			lines = append(lines, d.At.Format("15:04:05.0 ")+d.What+": "+d.Reason)
		}
	}
	slices.Reverse(lines)
	return strings.Join(lines, "\n")
}

// life is one life of a unit: it has another invocation after each start.
type life struct {
	invocation, active, result, restarts, server string
}

// lifeOf is the life that the unit is in.
func lifeOf(t *testing.T, h *Host, unit string) life {
	t.Helper()
	out := struck(t, h, `for p in InvocationID ActiveState Result NRestarts; do
	account systemctl --user show --value --property=$p `+unit+`
done
server `+unit+` || echo none`)
	f := strings.Fields(out)
	if len(f) != 5 {
		t.Fatalf("systemd says of %s: %q", unit, out)
	}
	return life{invocation: f[0], active: f[1], result: f[2], restarts: f[3], server: f[4]}
}

// lives are those of the units.
func lives(t *testing.T, h *Host, units ...string) map[string]life {
	t.Helper()
	all := map[string]life{}
	for _, u := range units {
		all[u] = lifeOf(t, h, u)
	}
	return all
}

// unchanged fails where one of the lives has ended.
func unchanged(t *testing.T, h *Host, before map[string]life) {
	t.Helper()
	for unit, was := range before {
		if is := lifeOf(t, h, unit); is != was {
			t.Errorf("%s was restarted: it was %+v and is %+v", unit, was, is)
		}
	}
}

// stays watches that the unit is in one life for so long.
func stays(t *testing.T, h *Host, d time.Duration, units ...string) {
	t.Helper()
	before := lives(t, h, units...)
	if err := pause(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	unchanged(t, h, before)
}

// allWell waits until keeper and the stack have nothing to complain about.
func allWell(t *testing.T, h *Host) {
	t.Helper()
	if err := h.WaitReady(within(t, time.Minute), time.Minute); err != nil {
		t.Fatalf("%v\n%s", err, diagnosis(h))
	}
	await(t, 30*time.Second, "keeper status says that all is well", func(ctx context.Context) bool {
		out, err := keeper(ctx, h, "status")
		if err != nil && ctx.Err() != nil {
			t.Log(out)
		}
		return err == nil
	})
}

// ailment is a way to be ill that systemd sees nothing of.
type ailment struct {
	// name is what the test is called, service what it is about.
	name, service string
	// strike makes it ill, ill succeeds while it is, undo ends it; all as root.
	strike, ill, undo string
}

// stoppedServer is SIGSTOP of a service's main process.
func stoppedServer(service string) ailment {
	return ailment{
		name: "the process of " + service + " is stopped", service: service,
		strike: "kill -STOP $(server " + service + ")",
		ill:    "grep -q '^State:.T' /proc/$(server " + service + ")/status",
		undo:   "kill -CONT $(server " + service + ")",
	}
}

// pausedContainer is podman pause.
func pausedContainer(service string) ailment {
	return ailment{
		name: "podman pause of " + service, service: service,
		strike: "account podman pause " + service,
		ill:    `test "$(account podman container inspect --format '{{.State.Paused}}' ` + service + `)" = true`,
		undo:   "account podman unpause " + service,
	}
}

// hungServer is the test service that answers no more, though its process runs.
func hungServer(name string) ailment {
	return ailment{
		name: name + " hangs", service: name,
		// It is waiting for one more connection, which it answers.
		strike: "touch $home/" + name + "/hang; curl -s -m 2 http://127.0.0.1:" + testPort(name) + " || :",
		ill:    "! curl -sf -m 2 http://127.0.0.1:" + testPort(name),
		undo:   "rm -f $home/" + name + "/hang; account systemctl --user restart " + name,
	}
}

// testPorts are those of the services that only tests have.
var testPorts = map[string]int{"deaf": 7001, "mute": 7002}

func testPort(name string) string { return fmt.Sprint(testPorts[name]) }

// runTestService starts a server that can be made to hang.
func runTestService(t *testing.T, h *Host, name, section string) {
	t.Helper()
	files := map[string]string{
		name + "/server.pl": hangServer,
		".config/containers/systemd/" + name + ".container": `[Unit]
Description=A server that can be made to hang
[Container]
ContainerName=` + name + `
Image=docker.io/library/debian:trixie-slim
Pull=never
PublishPort=127.0.0.1:` + testPort(name) + `:7000
Volume=%h/` + name + `:/srv
Exec=perl /srv/server.pl 7000
StopTimeout=2
[Service]
Restart=always
[Install]
WantedBy=default.target
[X-Keeper]
` + section,
	}
	ctx := within(t, time.Minute)
	for file, text := range files {
		err := h.Run(ctx, Exec{User: User, Stdin: strings.NewReader(text)}, "sh", "-ec", `mkdir -p "${1%/*}"; cat >"$1"`, "write", file)
		if err != nil {
			t.Fatal(err)
		}
	}
	// If the first start fails on a busy machine, systemd tries again.
	t.Log(struck(t, h, "account systemctl --user daemon-reload; account systemctl --user start "+name+" || journalctl --lines=30 USER_UNIT="+name+".service"))
	await(t, 20*time.Second, name+" answers", func(ctx context.Context) bool {
		return holds(ctx, h, "curl -sf -m 1 http://127.0.0.1:"+testPort(name))
	})
}
