package lab

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

// blow is one way to take the stack down. It is struck twice: on a host with
// keeper, where the stack must come back with nothing lost, and on a host with
// linger alone, where the same blow must leave it down. A blow that leaves the
// stack up without keeper would prove nothing.
type blow struct {
	name   string
	strike func(ctx context.Context, h *Host) error
	// prepare is done before, on both hosts.
	prepare func(ctx context.Context, h *Host) error
	// onlyKeeper is done before, on the host with keeper.
	onlyKeeper func(ctx context.Context, h *Host) error
	// after is done at the end, on both hosts.
	after func(ctx context.Context, h *Host) error
	// known: logind knows that it is to stop the user, and says UserRemoved.
	known bool
	// times and apart repeat the blow.
	times int
	apart time.Duration
}

// land strikes as often as the blow says, and returns when the last one fell.
func (b blow) land(ctx context.Context, h *Host) (time.Time, error) {
	for i := 1; ; i++ {
		at := time.Now()
		if err := b.strike(ctx, h); err != nil || i >= b.times {
			return at, err
		}
		if err := pause(ctx, b.apart); err != nil {
			return at, err
		}
	}
}

// asRoot and asUser strike by a command. What it exits with means nothing: the
// blow may well hit the command, too.
func asRoot(argv ...string) func(context.Context, *Host) error {
	return func(ctx context.Context, h *Host) error {
		_, _ = h.Output(ctx, argv...)
		return ctx.Err()
	}
}

func asUser(argv ...string) func(context.Context, *Host) error {
	return func(ctx context.Context, h *Host) error {
		_, _ = h.UserOutput(ctx, argv...)
		return ctx.Err()
	}
}

// sessions opens login sessions that last until the blow ends them.
func sessions(n int) func(context.Context, *Host) error {
	return func(ctx context.Context, h *Host) error {
		for range n {
			if _, err := h.OpenSession(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}

// leftBehind logs in and out and leaves a process in the session, which then
// reads closing for as long as that lives, and so does the user.
func leftBehind(ctx context.Context, h *Host) error {
	s, err := h.OpenSession(ctx)
	if err != nil {
		return err
	}
	if err := s.Type("setsid sleep 600 >/dev/null 2>&1 </dev/null &"); err != nil {
		return err
	}
	for {
		if _, err := h.Output(ctx, "pgrep", "-u", User, "-x", "sleep"); err == nil {
			return s.Close(ctx)
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// fromSession types the line in a login session of its own.
func fromSession(line string) func(context.Context, *Host) error {
	return func(ctx context.Context, h *Host) error {
		s, err := h.OpenSession(ctx)
		if err != nil {
			return err
		}
		return s.Type(line)
	}
}

func killKeeper(signal string) func(context.Context, *Host) error {
	return asUser("systemctl", "--user", "kill", "--signal="+signal, "keeper.service")
}

var terminate = asRoot("loginctl", "terminate-user", User)

var blows = []blow{
	{name: "terminate-user from a session", strike: fromSession("loginctl terminate-user " + User), known: true},
	{name: "terminate-user by root", strike: terminate, known: true},
	{name: "terminate-user by D-Bus", known: true, strike: asUser("busctl", "call", "org.freedesktop.login1", "/org/freedesktop/login1",
		"org.freedesktop.login1.Manager", "TerminateUser", "u", fmt.Sprint(UID))},
	{name: "terminate-user twice, half a second apart", strike: terminate, times: 2, apart: 500 * time.Millisecond, known: true},
	{name: "terminate-user three times in a row", strike: terminate, times: 3, apart: 500 * time.Millisecond, known: true},
	{name: "terminate-user twice, eight seconds apart", strike: terminate, times: 2, apart: 8 * time.Second, known: true},
	{name: "terminate-user with three sessions open", prepare: sessions(3), strike: terminate, known: true},
	{name: "terminate-user just after SIGKILL of keeper", onlyKeeper: killKeeper("KILL"), strike: terminate, known: true},
	{name: "terminate-user with keeper stopped by SIGSTOP", onlyKeeper: killKeeper("STOP"), strike: terminate, known: true},
	{name: "kill-user", strike: asUser("loginctl", "kill-user", User)},
	{name: "kill-user with a session open", prepare: sessions(1), strike: asUser("loginctl", "kill-user", User)},
	{name: "kill-user twice, half a second apart", strike: asUser("loginctl", "kill-user", User), times: 2, apart: 500 * time.Millisecond},
	{name: "systemctl --user exit, and a logout that left a process behind", prepare: leftBehind, strike: asUser("systemctl", "--user", "exit"),
		after: asRoot("pkill", "-KILL", "-u", User, "-x", "sleep")},
	{name: "systemctl --user exit", strike: asUser("systemctl", "--user", "exit")},
	{name: "root stops user@", strike: asRoot("systemctl", "stop", fmt.Sprintf("user@%d.service", UID))},
	{name: "disable-linger", strike: asUser("loginctl", "disable-linger", User), known: true},
	{name: "disable-linger, then terminate-user", known: true, strike: func(ctx context.Context, h *Host) error {
		if err := asRoot("loginctl", "disable-linger", User)(ctx, h); err != nil {
			return err
		}
		return terminate(ctx, h)
	}},
}

// TestSurvival strikes every blow on the host with keeper.
func TestSurvival(t *testing.T) {
	t.Parallel()
	h := testHost(t, Options{Name: "keeper", Stack: true})
	install(t, h)
	for _, b := range blows {
		t.Run(b.name, func(t *testing.T) { survives(t, h, b) })
	}
}

// TestControl strikes every blow on the host without.
func TestControl(t *testing.T) {
	t.Parallel()
	h := testHost(t, Options{Name: "control", Stack: true})
	for _, b := range blows {
		t.Run(b.name, func(t *testing.T) { staysDown(t, h, b) })
	}
}

func install(t *testing.T, h *Host) {
	t.Helper()
	if err := h.Install(t.Context(), InstallOptions{Binary: testKeeper(t)}, t.Output()); err != nil {
		t.Fatal(err)
	}
}

// keeper runs keeper on the host as the account.
func keeper(ctx context.Context, h *Host, args ...string) (string, error) {
	return h.UserOutput(ctx, append([]string{".local/bin/keeper"}, args...)...)
}

func survives(t *testing.T, h *Host, b blow) {
	ctx := within(t, 2*time.Minute)
	// Ten revivals in ten minutes are the budget; this suite needs more.
	if _, err := keeper(ctx, h, "resume"); err != nil {
		t.Fatal(err)
	}
	if err := h.WaitReady(ctx, 30*time.Second); err != nil {
		revive(t, h) // a test before this one left it down
	}
	for _, step := range []func(context.Context, *Host) error{b.prepare, b.onlyKeeper} {
		if step != nil {
			if err := step(ctx, h); err != nil {
				t.Fatal(err)
			}
		}
	}
	before := must[map[string]string](t)(h.Invocations(ctx))
	writer := h.StartWriter(ctx)
	if err := writer.WaitAcked(ctx, 5); err != nil {
		t.Fatal(err)
	}
	outage := h.WatchReady(ctx, nil)
	begin, err := b.land(ctx, h)
	if err != nil {
		t.Fatal(err)
	}
	back, err := outage.WaitBack(ctx, begin)
	if err != nil {
		t.Fatalf("%v\n%s", err, diagnosis(h))
	}
	if err := h.StaysUp(ctx, 3*time.Second); err != nil {
		t.Fatalf("%v\n%s", err, diagnosis(h))
	}
	outage.Stop()
	acked, failed := writer.Stop()
	after := must[map[string]string](t)(h.Invocations(ctx))
	for name, id := range before {
		if after[name] == id {
			t.Errorf("the blow did not land: %s still has invocation %s", name, id)
		}
	}
	lost, err := Lost(acked, must[map[string][]int64](t)(h.Ledger(ctx)))
	if err != nil || len(lost) > 0 {
		t.Errorf("acknowledged entries were lost: %v %v", lost, err)
	}
	await(t, 10*time.Second, "keeper status says that all is well", func(ctx context.Context) bool {
		_, err := keeper(ctx, h, "status")
		return err == nil
	})
	if b.after != nil {
		if err := b.after(ctx, h); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("back after %.2f s; %d entries acknowledged, %d requests failed, none lost", back.Sub(begin).Seconds(), len(acked), failed)
}

// downFor is how long the stack is watched to stay down where logind has no
// word for it: longer than any revival took.
const downFor = 8 * time.Second

func staysDown(t *testing.T, h *Host, b blow) {
	ctx := within(t, 2*time.Minute)
	if b.prepare != nil {
		if err := b.prepare(ctx, h); err != nil {
			t.Fatal(err)
		}
	}
	outage := h.WatchReady(ctx, nil)
	begin := time.Now()
	if _, err := b.land(ctx, h); err != nil {
		t.Fatal(err)
	}
	awaitDown(t, h)
	if b.known {
		if err := h.WaitUserForgotten(ctx); err != nil {
			t.Fatal(err)
		}
	} else {
		assertDownFor(t, h, downFor)
	}
	outage.Stop()
	if !outage.Landed(begin) {
		t.Error("/readyz answered all the time")
	}
	if err := h.Ready(ctx); err == nil {
		t.Error("the stack is up without keeper: the blow proves nothing")
	}
	if b.after != nil {
		if err := b.after(ctx, h); err != nil {
			t.Fatal(err)
		}
	}
	revive(t, h)
}

// awaitDown waits for the end of the user manager.
func awaitDown(t *testing.T, h *Host) {
	t.Helper()
	await(t, 30*time.Second, "the user manager ends", func(ctx context.Context) bool {
		return managerState(ctx, h) != "active" && managerState(ctx, h) != "deactivating"
	})
}

func managerState(ctx context.Context, h *Host) string {
	out, _ := h.Output(ctx, "systemctl", "show", "--value", "--property=ActiveState", fmt.Sprintf("user@%d.service", UID))
	return strings.TrimSpace(out)
}

// assertDownFor watches the user manager stay down.
func assertDownFor(t *testing.T, h *Host, d time.Duration) {
	t.Helper()
	ctx := within(t, d+30*time.Second)
	for end := time.Now().Add(d); time.Now().Before(end); {
		if s := managerState(ctx, h); s != "inactive" && s != "failed" {
			t.Fatalf("the user manager is %s again", s)
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
}

// revive brings the account back as root would, for the next test.
func revive(t *testing.T, h *Host) {
	t.Helper()
	ctx := within(t, time.Minute)
	manager := fmt.Sprintf("user@%d.service", UID)
	script := "systemctl reset-failed " + manager + " 2>/dev/null; loginctl disable-linger " + User + "; loginctl enable-linger " + User + "; systemctl start " + manager
	if _, err := h.Output(ctx, "sh", "-c", script); err != nil {
		t.Fatal(err)
	}
	if err := h.WaitReady(ctx, time.Minute); err != nil {
		t.Fatalf("%v\n%s", err, diagnosis(h))
	}
}

// diagnosis is what one would look at first.
func diagnosis(h *Host) string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, _ := h.Output(ctx, "sh", "-c", "loginctl user-status --no-pager --lines=0 "+User+" | head -6; journalctl --no-pager -n 60 -o short-precise | cut -c1-200")
	return out
}
