package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"keeper/internal/control"
	"keeper/internal/core"
)

const (
	killManager = "systemctl kill --signal=KILL user@1000.service"
	// letGo takes the processes of PostgreSQL's container out of the user
	// manager's cgroup, as a container is that a session started: it outlives
	// the manager, with its volume open.
	letGo = `mkdir -p /sys/fs/cgroup/user.slice/user-1000.slice/old.scope
server=$(pgrep -o -x postgres)
for p in $(ps -o ppid= -p $server) $(pgrep -x postgres); do
	echo $p >/sys/fs/cgroup/user.slice/user-1000.slice/old.scope/cgroup.procs
done`
)

// TestRecover strikes what leaves Podman's runtime state stale or its books
// wrong. Root's part brings the user manager back; what is shown here is that
// the stack comes back with it. TestRecoverControl is the same without keeper.
func TestRecover(t *testing.T) {
	t.Parallel()
	h := testHost(t, Options{Name: "recover", Stack: true})
	r := receive(t, h)
	installRoot(t, h, rootHow(t))
	configure(t, h, alertsTo)
	await(t, 20*time.Second, "keeper has taken the settings", func(context.Context) bool { return len(status(t, h).Settings.Alerts.Channels) == 1 })
	back := func(t *testing.T, blow string) (said string) {
		t.Helper()
		ctx := within(t, 2*time.Minute)
		if err := h.WaitReady(ctx, time.Minute); err != nil {
			t.Fatal(err)
		}
		sh(t, h, "rm -f "+backoffFile)
		cursor := strings.TrimSpace(sh(t, h, "journalctl --sync; journalctl -n 0 --show-cursor | sed -n 's/^-- cursor: //p'"))
		writer := h.StartWriter(ctx)
		if err := writer.WaitAcked(ctx, 5); err != nil {
			t.Fatal(err)
		}
		outage := h.WatchReady(ctx, nil)
		begin := time.Now()
		sh(t, h, blow)
		at, err := outage.WaitBack(ctx, begin)
		if err != nil {
			t.Fatalf("%v\n%s", err, diagnosis(h))
		}
		outage.Stop()
		acked, _ := writer.Stop()
		lost, err := Lost(acked, must[map[string][]int64](t)(h.Ledger(ctx)))
		if err != nil || len(lost) > 0 {
			t.Errorf("acknowledged entries were lost: %v %v", lost, err)
		}
		wellAgain(t, h)
		t.Logf("back after %.2f s", at.Sub(begin).Seconds())
		return sh(t, h, "journalctl --sync; journalctl -t keeper --output=cat --after-cursor='"+cursor+"'")
	}

	t.Run("the user manager is killed", func(t *testing.T) {
		begin := time.Now()
		sh(t, h, "echo '{}' >/run/user/1000/containers/auth.json; chown 1000:1000 /run/user/1000/containers/auth.json")
		said := back(t, killManager)
		if !strings.Contains(said, "cleared Podman's runtime state") {
			t.Errorf("nothing was cleared:\n%s", said)
		}
		if out := sh(t, h, "cat /run/user/1000/containers/auth.json"); out != "{}\n" {
			t.Errorf("the registry log-ins became %q", out)
		}
		st := status(t, h)
		if len(st.Survivals) == 0 || st.Survivals[0].Kind != core.LifeRevived || st.Survivals[0].Clean || len(st.Survivals[0].Services) != len(Services) {
			t.Errorf("the account of it: %+v", st.Survivals)
		}
		// There was no last act: the daemon of the next life tells of it, once.
		told := r.told(t, closing, begin, "session", core.AlertOpened)
		if all := r.all(hookPath, begin); len(all) != 1 {
			t.Errorf("%d alerts for one blow:\n%s", len(all), r.tell(begin))
		}
		t.Logf("told after %.1f s", told[0].at.Sub(begin).Seconds())
	})
	t.Run("an old PostgreSQL still has its volume", func(t *testing.T) {
		said := back(t, letGo+"\n"+killManager)
		if !strings.Contains(said, "ending a process of an earlier life") {
			t.Errorf("the old one was not ended:\n%s", said)
		}
		if n := strings.TrimSpace(sh(t, h, "ps -eo args | grep -c '^postgres -c'")); n != "1" {
			t.Errorf("%s PostgreSQL servers run", n)
		}
	})
	t.Run("Podman's locks are gone", func(t *testing.T) {
		back(t, "rm -f /dev/shm/libpod_rootless_lock_1000\n"+killManager)
	})
	t.Run("the runtime directory is gone", func(t *testing.T) {
		back(t, killManager+"; umount -l /run/user/1000 || :")
	})
	t.Run("the state of keeper is cut short", func(t *testing.T) {
		back(t, "truncate -s 100 "+stateDir+"/state.json; echo '{' >"+stateDir+"/rearm.json\n"+killManager)
		if out := sh(t, h, "ls "+stateDir); !strings.Contains(out, "state.json.damaged-") {
			t.Errorf("the damaged file was not set aside:\n%s", out)
		}
	})
	t.Run("a container that belongs to nobody lives on, and nothing is cleared", func(t *testing.T) {
		sh(t, h, runOutside)
		before := strings.TrimSpace(sh(t, h, "pgrep -u 1000 -x sleep || pgrep -x sleep"))
		said := back(t, killManager)
		if !strings.Contains(said, "is left as it is") {
			t.Errorf("keeper said:\n%s", said)
		}
		if after := strings.TrimSpace(sh(t, h, "pgrep -u 1000 -x sleep || pgrep -x sleep")); after != before {
			t.Errorf("the container's process was %s and is %s", before, after)
		}
		sh(t, h, "systemctl kill --signal=KILL outside.service")
	})
	t.Run("nothing starts for a while, and then it could", func(t *testing.T) {
		back(t, "mv /usr/bin/podman /usr/bin/podman.away\n"+killManager+"\nsleep 15\nmv /usr/bin/podman.away /usr/bin/podman")
	})
}

// runOutside runs a container of the account outside its user manager, as one
// is that was started where no user bus was at hand.
var runOutside = fmt.Sprintf(`systemd-run --quiet --unit=outside --property=User=%s --property=Delegate=yes --setenv=XDG_RUNTIME_DIR=/run/user/%d \
	--setenv=HOME=/home/%[1]s --working-directory=/home/%[1]s \
	podman --cgroup-manager=cgroupfs run --rm --name outside --network none --entrypoint sleep docker.io/library/redis:8 1000
for i in $(seq 100); do pgrep -x sleep >/dev/null && exit 0; sleep 0.1; done; exit 1`, User, UID)

// wellAgain waits until keeper has nothing to complain about.
func wellAgain(t *testing.T, h *Host) {
	t.Helper()
	await(t, 30*time.Second, "keeper status says that all is well", func(ctx context.Context) bool {
		_, err := keeper(ctx, h, "status")
		return err == nil
	})
}

// TestRecoverControl: without keeper, root starts the user manager again at
// once, as revive would, and the stack stays down all the same.
func TestRecoverControl(t *testing.T) {
	t.Parallel()
	h := testHost(t, Options{Name: "norecover", Stack: true})
	sh(t, h, killManager)
	awaitDown(t, h)
	sh(t, h, "systemctl reset-failed user@1000; systemctl start user@1000")
	await(t, 30*time.Second, "systemd gives up on the stack", func(ctx context.Context) bool {
		out, _ := h.UserOutput(ctx, "systemctl", "--user", "is-failed", "stack-network.service")
		return strings.TrimSpace(out) == "failed"
	})
	if err := h.Ready(t.Context()); err == nil {
		t.Error("the stack is up without keeper: TestRecover proves nothing")
	}
}

// TestShutdown: the order of an end, the account of it, and the delay.
func TestShutdown(t *testing.T) {
	t.Parallel()
	h := testHost(t, Options{Name: "shutdown", Stack: true})
	install(t, h)
	t.Run("the delay is taken again when logind restarts", func(t *testing.T) {
		holds := func(ctx context.Context) bool {
			out, _ := h.Output(ctx, "systemd-inhibit", "--list", "--no-legend")
			return strings.Contains(out, "keeper") && strings.Contains(out, "delay")
		}
		await(t, 5*time.Second, "keeper holds a delay inhibitor", holds)
		old := strings.TrimSpace(sh(t, h, "systemctl show -P MainPID systemd-logind; systemctl restart systemd-logind"))
		await(t, 10*time.Second, "keeper holds a delay inhibitor of the new logind", func(ctx context.Context) bool {
			pid, _ := h.Output(ctx, "systemctl", "show", "-P", "MainPID", "systemd-logind")
			return strings.TrimSpace(pid) != old && holds(ctx)
		})
	})
	t.Run("a reboot is accounted for", func(t *testing.T) {
		ctx := within(t, 2*time.Minute)
		if err := h.Reboot(ctx); err != nil {
			t.Fatal(err)
		}
		s := survivedBoot(t, h, 1)
		// An application that had ended before the daemon was, and was seen to, is not
		// counted as away.
		if !s.Clean || len(s.Services) < len(Services)-1 || s.OutageMS <= 0 || s.OutageMS > 60_000 {
			t.Errorf("the account of the reboot: %+v", s)
		}
	})
	t.Run("a power cut is accounted for", func(t *testing.T) {
		ctx := within(t, 2*time.Minute)
		await(t, 30*time.Second, "the daemon has noted all of the stack since the boot", func(ctx context.Context) bool {
			for _, s := range Services {
				if !holds(ctx, h, `tr -d ' \n' <`+stateDir+`/state.json | grep -q '"name":"`+s+`.service","kind":"container","source":"[^"]*","active":"active"'`) {
					return false
				}
			}
			return true
		})
		if err := h.Cut(ctx); err != nil {
			t.Fatal(err)
		}
		s := survivedBoot(t, h, 2)
		if s.Clean || !strings.Contains(s.Cause, "without warning") || len(s.Services) != len(Services) {
			t.Errorf("the account of the power cut: %+v", s)
		}
	})
	t.Run("an application without an order stops before its stores", func(t *testing.T) {
		ctx := within(t, 2*time.Minute)
		// Only that it is After= makes systemd stop it first; here it may be the
		// last, and by this even must be.
		sh(t, h, `cd /home/`+User+`/.config/containers/systemd
sed -i '/^Requires=/d; /^After=/d' django.container
printf '[Unit]\nBefore=postgres.service redis.service minio.service\n' >/tmp/before
mkdir -p django.container.d; cp /tmp/before django.container.d/10-before.conf; chown -R `+User+` .`)
		if _, err := h.UserOutput(ctx, "systemctl", "--user", "daemon-reload"); err != nil {
			t.Fatal(err)
		}
		await(t, 10*time.Second, "doctor sees the gap", func(ctx context.Context) bool {
			out, err := keeper(ctx, h, "doctor")
			return err != nil && strings.Contains(out, "django is not ordered after postgres")
		})
		writer := h.StartWriter(ctx)
		if err := writer.WaitAcked(ctx, 5); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, _ = h.Output(ctx, "systemctl", "poweroff")
		if err := h.WaitOff(ctx); err != nil {
			t.Fatal(err)
		}
		took := time.Since(began)
		acked, _ := writer.Stop()
		// logind grants 5 s; what follows is systemd's own stopping.
		if took > 20*time.Second {
			t.Errorf("the machine was off after %v", took)
		}
		if err := h.PowerOn(ctx); err != nil {
			t.Fatal(err)
		}
		if err := h.WaitReady(ctx, time.Minute); err != nil {
			t.Fatal(err)
		}
		out := sh(t, h, "journalctl -b -1 --output=cat | grep -E 'stop django first|Stopped (django|postgres).service'")
		said := strings.Index(out, "stop django first")
		django, postgres := strings.Index(out, "Stopped django.service"), strings.Index(out, "Stopped postgres.service")
		if said < 0 || django < 0 || postgres < 0 || django > postgres {
			t.Errorf("the order of the end:\n%s", out)
		}
		lost, err := Lost(acked, must[map[string][]int64](t)(h.Ledger(ctx)))
		if err != nil || len(lost) > 0 {
			t.Errorf("acknowledged entries were lost: %v %v", lost, err)
		}
		t.Logf("off after %v", took)
	})
}

// survivedBoot waits until keeper has n boots to account for, and returns the
// last.
func survivedBoot(t *testing.T, h *Host, n int) control.Survival {
	t.Helper()
	var boots []control.Survival
	await(t, time.Minute, "keeper accounts for the boot", func(ctx context.Context) bool {
		out, _ := keeper(ctx, h, "status", "--json")
		var st control.Status
		if json.Unmarshal([]byte(out), &st) != nil {
			return false // the host is not up to it yet
		}
		boots = nil
		for _, s := range st.Survivals {
			if s.Kind == core.LifeBooted {
				boots = append(boots, s)
			}
		}
		// On disk, too: what follows may be a power cut.
		kept, _ := h.Output(ctx, "grep", "-c", `"kind": "booted"`, stateDir+"/state.json")
		return len(boots) == n && strings.TrimSpace(kept) >= fmt.Sprint(n)
	})
	return boots[0]
}
