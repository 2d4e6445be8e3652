package lab

import (
	"context"
	"strings"
	"testing"
	"time"

	"keeper/internal/core"
)

// TestSuperviseHung strikes what systemd does not see: processes that are stopped,
// containers that are frozen, servers that answer no more. TestSuperviseControl
// shows that all of it stays so without keeper.
func TestSuperviseHung(t *testing.T) {
	t.Parallel()
	h := supervised(t, "hung", shortTimes)
	var before map[string]life
	goesOn := func(t *testing.T, a ailment) {
		t.Helper()
		allWell(t, h)
		before = lives(t, h, Services...)
		begin := time.Now()
		struck(t, h, a.strike)
		if !holds(t.Context(), h, a.ill) {
			t.Fatal("the blow did not fall")
		}
		await(t, notHelped, a.service+" goes on", func(ctx context.Context) bool { return !holds(ctx, h, a.ill) })
		took := time.Since(begin)
		allWell(t, h)
		unchanged(t, h, before)
		if !strings.Contains(said(t, h, begin), strings.TrimSuffix(a.service, ".service")) {
			t.Errorf("keeper says nothing of %s; its decisions:\n%s", a.service, said(t, h, begin))
		}
		t.Logf("goes on after %.1f s", took.Seconds())
	}
	for _, s := range Services {
		t.Run(stoppedServer(s).name, func(t *testing.T) { goesOn(t, stoppedServer(s)) })
	}
	t.Run(pausedContainer("redis").name, func(t *testing.T) { goesOn(t, pausedContainer("redis")) })

	runTestService(t, h, "deaf", "Probe=http\nLive=/\nFailures=2\nRestarts=2\nGrace=5s\n")
	allWell(t, h)
	deaf := hungServer("deaf")
	t.Run("a server that is held is left alone", func(t *testing.T) {
		if out, err := keeper(t.Context(), h, "pause", "deaf"); err != nil {
			t.Fatal(err, out)
		}
		if s := awaitService(t, h, 5*time.Second, "deaf", core.ServiceWell); s.Desired != core.DesiredHeld || s.Hold == nil {
			t.Errorf("held, it is shown as %+v", s)
		}
		struck(t, h, "touch $home/deaf/once\n"+deaf.strike)
		stays(t, h, notHelped, "deaf")
		if !holds(t.Context(), h, deaf.ill) {
			t.Error("it does not hang: that it was left alone proves nothing")
		}
		// resume is a fresh start, with the whole budget.
		if out, err := keeper(t.Context(), h, "resume", "deaf"); err != nil {
			t.Fatal(err, out)
		}
		await(t, 30*time.Second, "deaf answers", func(ctx context.Context) bool { return !holds(ctx, h, deaf.ill) })
		allWell(t, h)
	})
	t.Run("a server that hangs", func(t *testing.T) {
		if out, err := keeper(t.Context(), h, "resume", "deaf"); err != nil {
			t.Fatal(err, out)
		}
		before, was := lives(t, h, Services...), lifeOf(t, h, "deaf")
		begin := time.Now()
		struck(t, h, "touch $home/deaf/once\n"+deaf.strike)
		await(t, 30*time.Second, "deaf answers", func(ctx context.Context) bool { return !holds(ctx, h, deaf.ill) })
		took := time.Since(begin)
		allWell(t, h)
		is := lifeOf(t, h, "deaf")
		if is.invocation == was.invocation || is.restarts != was.restarts {
			t.Errorf("not restarted by keeper, or not only: %+v, and was %+v", is, was)
		}
		if s := service(t, h, "deaf"); s.Restarts != 1 || s.Budget != 2 {
			t.Errorf("%d restarts of %d are counted", s.Restarts, s.Budget)
		}
		stays(t, h, 5*time.Second, "deaf")
		unchanged(t, h, before)
		t.Logf("answers after %.1f s", took.Seconds())
	})
	t.Run("a server that no restart helps", func(t *testing.T) { gaveUp(t, h, deaf) })
}

// gaveUp strikes a service, which has had one restart of a budget of two, so that
// it hangs after each further one.
func gaveUp(t *testing.T, h *Host, deaf ailment) {
	t.Helper()
	begin := time.Now()
	struck(t, h, deaf.strike)
	s := awaitService(t, h, 4*time.Minute, "deaf", core.ServiceGaveUp)
	took := time.Since(begin)
	starts := struck(t, h, "journalctl --sync; journalctl --output=cat USER_UNIT=deaf.service --since=@"+unixTime(begin)+" | grep -c '^Started deaf' || :")
	if n := strings.TrimSpace(starts); s.Restarts != 2 || n != "1" {
		t.Errorf("%d restarts are counted, and %s more seen, of a budget of 2", s.Restarts, n)
	}
	stays(t, h, 10*time.Second, "deaf")
	if n := strings.Count(said(t, h, begin), "give up"); n != 1 {
		t.Errorf("said %d times:\n%s", n, said(t, h, begin))
	}
	if out, err := keeper(t.Context(), h, "status"); err == nil || !strings.Contains(out, "keeper restart deaf") {
		t.Errorf("keeper status (%v) does not tell the way back:\n%s", err, out)
	}
	struck(t, h, "touch $home/deaf/once")
	if out, err := keeper(t.Context(), h, "restart", "deaf"); err != nil {
		t.Fatal(err, out)
	}
	await(t, 10*time.Second, "deaf answers", func(ctx context.Context) bool { return !holds(ctx, h, deaf.ill) })
	allWell(t, h)
	t.Logf("gave up after %.1f s", took.Seconds())
}
