package lab

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

var (
	userManager = fmt.Sprintf("user@%d.service", UID)
	runtimeDir  = fmt.Sprintf("user-runtime-dir@%d.service", UID)
	userSlice   = fmt.Sprintf("user-%d.slice", UID)
	backoffFile = fmt.Sprintf("/run/keeper/revive/%d", UID)
)

// rootHow is how these tests install.
func rootHow(t *testing.T) InstallOptions {
	return InstallOptions{Binary: testKeeper(t), System: true}
}

func installRoot(t *testing.T, h *Host, how InstallOptions) string {
	t.Helper()
	var out strings.Builder
	if err := h.Install(t.Context(), how, &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// sh runs a script as root, which must succeed.
func sh(t *testing.T, h *Host, script string) string {
	t.Helper()
	out, err := h.Output(within(t, 30*time.Second), "sh", "-ec", script)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestArmor: with root's part, terminate-user costs the sessions and nothing of
// the stack. TestKillTable shows what it costs without.
func TestArmor(t *testing.T) {
	t.Parallel()
	h := testHost(t, Options{Name: "armor", Stack: true})
	before := must[map[string]string](t)(h.Invocations(t.Context()))
	installRoot(t, h, rootHow(t))
	const line = "loginctl terminate-user " + User
	root := func(ctx context.Context, _ *Session) error {
		_, err := h.Output(ctx, "sh", "-c", line)
		return err
	}
	for _, c := range []struct {
		name   string
		strike func(context.Context, *Session) error
	}{
		{"by a session", func(_ context.Context, s *Session) error { return s.Type(line) }},
		{"by root", root},
		{"by D-Bus", func(ctx context.Context, _ *Session) error {
			_, err := h.UserOutput(ctx, "busctl", "call", "org.freedesktop.login1", "/org/freedesktop/login1",
				"org.freedesktop.login1.Manager", "TerminateUser", "u", fmt.Sprint(UID))
			return err
		}},
		{"twice in a row", func(ctx context.Context, s *Session) error {
			if err := root(ctx, s); err != nil {
				return err
			}
			if err := pause(ctx, 500*time.Millisecond); err != nil {
				return err
			}
			return root(ctx, s)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := within(t, time.Minute)
			s := must[*Session](t)(h.OpenSession(ctx))
			writer := h.StartWriter(ctx)
			if err := writer.WaitAcked(ctx, 5); err != nil {
				t.Fatal(err)
			}
			if err := c.strike(ctx, s); err != nil {
				t.Fatal(err)
			}
			await(t, 15*time.Second, "the blow lands: the session is gone", func(ctx context.Context) bool {
				_, err := h.Output(ctx, "loginctl", "show-session", s.ID)
				return err != nil
			})
			if err := h.StaysUp(ctx, 3*time.Second); err != nil {
				t.Fatalf("%v\n%s", err, diagnosis(h))
			}
			acked, failed := writer.Stop()
			lost, err := Lost(acked, must[map[string][]int64](t)(h.Ledger(ctx)))
			if err != nil || len(lost) > 0 || failed > 0 {
				t.Errorf("of %d requests %d failed; lost: %v %v", len(acked)+failed, failed, lost, err)
			}
			for name, id := range must[map[string]string](t)(h.Invocations(ctx)) {
				if before[name] != id {
					t.Errorf("%s was touched: its invocation was %s and is %s", name, before[name], id)
				}
			}
			// The next login.
			s = must[*Session](t)(h.OpenSession(ctx))
			if err := s.Close(ctx); err != nil {
				t.Error(err)
			}
			t.Logf("%d entries acknowledged, no request failed", len(acked))
		})
	}
	t.Run("stop and restart are refused", func(t *testing.T) {
		for _, verb := range []string{"stop", "restart"} {
			for _, unit := range []string{userManager, runtimeDir} {
				out, err := h.Output(t.Context(), "systemctl", verb, unit)
				if err == nil || !strings.Contains(out, "refuse") {
					t.Errorf("systemctl %s %s: %v %s", verb, unit, err, out)
				}
			}
		}
		if err := h.StaysUp(within(t, 20*time.Second), time.Second); err != nil {
			t.Error(err)
		}
	})
}

// TestRevive strikes what the kill table does not: all accounts at once, and,
// with the armor left out, what it would have kept away. The user manager comes
// back.
func TestRevive(t *testing.T) {
	t.Parallel()
	h := testHost(t, Options{Name: "revive", Stack: true})
	installRoot(t, h, rootHow(t))
	run := func(name, line string, session bool) {
		t.Run(name, func(t *testing.T) {
			ctx := within(t, 2*time.Minute)
			sh(t, h, "rm -f "+backoffFile)
			if err := h.WaitReady(ctx, 30*time.Second); err != nil {
				t.Fatalf("%v\n%s", err, diagnosis(h))
			}
			if session {
				must[*Session](t)(h.OpenSession(ctx))
			}
			writer := h.StartWriter(ctx)
			if err := writer.WaitAcked(ctx, 5); err != nil {
				t.Fatal(err)
			}
			before := invocation(ctx, h)
			// What it exits with means nothing: its own job may end as cancelled.
			_, _ = h.Output(ctx, "sh", "-c", line)
			took := awaitNewLife(t, h, before)
			if err := h.WaitReady(ctx, 30*time.Second); err != nil {
				t.Fatalf("%v\n%s", err, diagnosis(h))
			}
			if err := h.StaysUp(ctx, 2*time.Second); err != nil {
				t.Error(err)
			}
			acked, failed := writer.Stop()
			lost, err := Lost(acked, must[map[string][]int64](t)(h.Ledger(ctx)))
			if err != nil || len(lost) > 0 {
				t.Errorf("lost: %v %v", lost, err)
			}
			t.Logf("user manager back after %.2f s; %d entries acknowledged, %d requests failed, none lost", took.Seconds(), len(acked), failed)
		})
	}
	run("stop of user.slice", "systemctl stop user.slice", false)

	how := rootHow(t)
	how.NoArmor = true
	installRoot(t, h, how)
	run("without armor: root stops user@ with a session open", "systemctl stop "+userManager, true)
	run("without armor: root restarts user@", "systemctl restart "+userManager, false)
	run("without armor: root stops the runtime directory", "systemctl stop "+runtimeDir, false)
	run("without armor: terminate-user", "loginctl terminate-user "+User, true)

	installRoot(t, h, rootHow(t))
	if out, err := h.Output(t.Context(), "systemctl", "stop", userManager); err == nil || !strings.Contains(out, "refuse") {
		t.Errorf("the armor is not on again: %v %s", err, out)
	}
}

// invocation is the id of the user manager's life.
func invocation(ctx context.Context, h *Host) string {
	out, _ := h.Output(ctx, "systemctl", "show", "--value", "--property=InvocationID", userManager)
	return strings.TrimSpace(out)
}

// awaitNewLife waits until the user manager is active in a new life.
func awaitNewLife(t *testing.T, h *Host, before string) time.Duration {
	t.Helper()
	begin := time.Now()
	ctx := within(t, 40*time.Second)
	for managerState(ctx, h) != "active" || invocation(ctx, h) == before {
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			t.Fatalf("the user manager is not brought back\n%s", diagnosis(h))
		}
	}
	return time.Since(begin)
}
