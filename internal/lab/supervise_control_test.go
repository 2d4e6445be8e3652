package lab

import (
	"context"
	"strings"
	"testing"
	"time"
)

// What is struck with keeper and without: scripts for root.
const (
	// killLoop kills Django as often as systemd starts it, until it does so no more. A
	// machine that is busy does not start it five times in ten seconds, which is
	// what systemd gives up after: here it counts for longer.
	killLoop = `limit=$home/.config/systemd/user/django.service.d/10-limit.conf
mkdir -p ${limit%/*}; printf '[Unit]\nStartLimitIntervalSec=300\n' >$limit
account systemctl --user daemon-reload
for i in $(seq 200); do
	pkill -KILL -x gunicorn || :
	! journalctl --quiet --since=-60s USER_UNIT=django.service | grep -q 'repeated too quickly' || break
	sleep 0.05
done
rm $limit; account systemctl --user daemon-reload
journalctl --quiet --since=-60s USER_UNIT=django.service | grep -q 'repeated too quickly'`
	// breakPostgres leaves PostgreSQL unable to start, and ends it.
	breakPostgres = `d=$home/.local/share/containers/storage/volumes/postgres/_data/17
chmod 0 $d; pkill -KILL -o -x postgres`
	// keepDjango has Django outlive PostgreSQL. With Requires=, each try of systemd to
	// start PostgreSQL again takes Django down and up with it.
	keepDjango   = `sed -i 's/^Requires=/Wants=/' $home/.config/containers/systemd/django.container; account systemctl --user daemon-reload`
	mendPostgres = `chmod 700 $home/.local/share/containers/storage/volumes/postgres/_data/17`
	stopRedis    = "account systemctl --user stop redis"
	startRedis   = "account systemctl --user start redis"
)

// failedByLimit says that systemd has given up on the service.
func failedByLimit(ctx context.Context, h *Host, service string) bool {
	return holds(ctx, h, `test "$(account systemctl --user show --property=ActiveState --value `+service+`)" = failed`)
}

// TestSuperviseControl strikes, without keeper, what the other tests of supervision
// strike: all of it stays ill for longer than keeper needs.
func TestSuperviseControl(t *testing.T) {
	t.Parallel()
	h := testHost(t, Options{Name: "unwatched", Stack: true})
	runTestService(t, h, "deaf", "")
	well := func(t *testing.T) {
		t.Helper()
		if err := h.WaitReady(within(t, time.Minute), 30*time.Second); err != nil {
			t.Fatalf("%v\n%s", err, diagnosis(h))
		}
	}
	runTestService(t, h, "mute", "")
	all := []ailment{pausedContainer("mute"), hungServer("deaf")}
	for _, s := range Services {
		all = append(all, stoppedServer(s))
	}
	for _, a := range all {
		struck(t, h, a.strike)
	}
	if err := pause(t.Context(), notHelped); err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		t.Run(a.name, func(t *testing.T) {
			if !holds(t.Context(), h, a.ill) {
				t.Errorf("%s is well without keeper: the test of that proves nothing", a.service)
			}
		})
	}
	for _, a := range all {
		struck(t, h, a.undo)
	}
	well(t)
	t.Run("killed until systemd gives up", func(t *testing.T) {
		struck(t, h, killLoop)
		staysDown(t, h, "django")
		struck(t, h, "account systemctl --user reset-failed; account systemctl --user start django")
		well(t)
	})
	t.Run("somebody stopped Redis and started it again", func(t *testing.T) {
		struck(t, h, stopRedis)
		struck(t, h, startRedis)
		staysDown(t, h, "django")
		struck(t, h, "account systemctl --user start django")
		well(t)
	})
	t.Run("PostgreSQL could not start, and then it could", func(t *testing.T) {
		struck(t, h, keepDjango+"\n"+breakPostgres)
		await(t, 20*time.Second, "systemd gives up on postgres", func(ctx context.Context) bool { return failedByLimit(ctx, h, "postgres") })
		struck(t, h, mendPostgres)
		staysDown(t, h, "postgres")
	})
}

// staysDown watches that the service does not come back by itself.
func staysDown(t *testing.T, h *Host, service string) {
	t.Helper()
	if err := pause(t.Context(), notHelped); err != nil {
		t.Fatal(err)
	}
	if out, _ := h.UserOutput(t.Context(), "systemctl", "--user", "is-active", service); strings.TrimSpace(out) == "active" {
		t.Errorf("%s is back without keeper: the test of that proves nothing", service)
	}
}
