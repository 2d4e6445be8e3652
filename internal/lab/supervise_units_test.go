package lab

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"keeper/internal/core"
)

// TestSuperviseUnits is about what systemd does to services, or no more, and what
// keeper makes of it.
func TestSuperviseUnits(t *testing.T) {
	t.Parallel()
	h := supervised(t, "units", shortTimes)

	t.Run("somebody stopped Redis", func(t *testing.T) {
		before := lives(t, h, "postgres", "minio")
		begin := time.Now()
		struck(t, h, stopRedis)
		awaitService(t, h, 5*time.Second, "redis", core.ServiceStopped)
		awaitService(t, h, 5*time.Second, "django", core.ServiceStopped)
		for time.Since(begin) < notHelped {
			for _, name := range []string{"redis", "django"} {
				if s := service(t, h, name); s.State != core.ServiceStopped {
					t.Fatalf("%s is shown as %+v", name, s)
				}
				if holds(t.Context(), h, "account systemctl --user is-active "+name) {
					t.Fatalf("%s was started again\n%s", name, said(t, h, begin))
				}
			}
			if err := pause(t.Context(), time.Second); err != nil {
				t.Fatal(err)
			}
		}
		started := time.Now()
		struck(t, h, startRedis)
		allWell(t, h)
		unchanged(t, h, before)
		t.Logf("django is back %.1f s after redis was started", time.Since(started).Seconds())
	})
	t.Run("PostgreSQL is restarted", func(t *testing.T) {
		before := lives(t, h, "redis", "minio")
		struck(t, h, "account systemctl --user restart postgres")
		allWell(t, h)
		unchanged(t, h, before)
		stays(t, h, 3*time.Second, Services...)
	})
	t.Run("a container is deleted", func(t *testing.T) {
		before, was := lives(t, h, "postgres", "redis"), lifeOf(t, h, "minio")
		begin := time.Now()
		struck(t, h, "account podman rm --force --time 0 minio")
		allWell(t, h)
		unchanged(t, h, before)
		if is := lifeOf(t, h, "minio"); is.invocation == was.invocation || is.restarts != "1" || service(t, h, "minio").Restarts != 0 {
			t.Errorf("systemd started it again, once, and nobody else did? It was %+v and is %+v:\n%s", was, is, said(t, h, begin))
		}
		stays(t, h, 3*time.Second, Services...)
	})
	for _, helper := range []string{"aardvark-dns", "pasta"} {
		t.Run(helper+" is killed", func(t *testing.T) {
			before := lives(t, h, Services...)
			begin := time.Now()
			killed := struck(t, h, "pgrep -u "+User+" -x "+helper+".*; pkill -KILL -u "+User+" -x "+helper+".*")
			await(t, 30*time.Second, helper+" runs again", func(ctx context.Context) bool {
				out, err := h.Output(ctx, "pgrep", "-u", User, "-x", helper+".*")
				return err == nil && !slices.ContainsFunc(strings.Fields(out), func(pid string) bool {
					return slices.Contains(strings.Fields(killed), pid)
				})
			})
			took := time.Since(begin)
			allWell(t, h)
			// The probes' failures would be believed by now.
			stays(t, h, 5*time.Second, Services...)
			unchanged(t, h, before)
			t.Logf("runs again after %.1f s; decisions:\n%s", took.Seconds(), said(t, h, begin))
		})
	}
	t.Run("settings are broken", func(t *testing.T) { brokenSettings(t, h) })
	// The last one: that it fell so often is shown for a while.
	t.Run("killed until systemd gives up", func(t *testing.T) {
		before := lives(t, h, "postgres", "redis", "minio")
		begin := time.Now()
		struck(t, h, killLoop)
		gone := time.Now()
		if err := h.WaitReady(within(t, time.Minute), time.Minute); err != nil {
			t.Fatalf("%v\n%s", err, said(t, h, begin))
		}
		back := time.Since(gone)
		awaitService(t, h, 10*time.Second, "django", core.ServiceWell, core.ServiceFlapping)
		unchanged(t, h, before)
		t.Logf("back after %.1f s; decisions:\n%s", back.Seconds(), said(t, h, begin))
	})
}

// brokenSettings breaks keeper.toml under a daemon that runs, and mends it.
func brokenSettings(t *testing.T, h *Host) {
	t.Helper()
	before := lives(t, h, Services...)
	probing := func() time.Duration { return service(t, h, "django").Supervision.Interval }
	configure(t, h, "[defaults]\ninterval = \"3s\"\nintervall = \"7s\"\n[service.redis]\nrestarts = -1\n")
	await(t, 10*time.Second, "keeper tells of the mistakes", func(context.Context) bool {
		said := strings.Join(status(t, h).Settings.Errors, "\n")
		return strings.Contains(said, "keeper.toml:3") && strings.Contains(said, "intervall") && strings.Contains(said, "keeper.toml:5")
	})
	if d := probing(); d != time.Second {
		t.Errorf("with a broken file services are asked every %v; it was every second", d)
	}
	if out, err := keeper(t.Context(), h, "status"); err == nil || !strings.Contains(out, "keeper.toml:3") {
		t.Errorf("keeper status (%v):\n%s", err, out)
	}
	if out, err := keeper(t.Context(), h, "config", "check"); err == nil || !strings.Contains(out, "keeper.toml:3") || !strings.Contains(out, "keeper.toml:5") {
		t.Errorf("keeper config check (%v):\n%s", err, out)
	}
	configure(t, h, strings.Replace(shortTimes, `interval = "1s"`, `interval = "2s"`, 1))
	await(t, 10*time.Second, "keeper takes the mended file", func(context.Context) bool { return probing() == 2*time.Second })
	allWell(t, h)
	unchanged(t, h, before)
}
