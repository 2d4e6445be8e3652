package lab

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"keeper/internal/control"
)

// status is keeper status --json.
func status(t *testing.T, h *Host) control.Status {
	t.Helper()
	out, _ := keeper(within(t, 10*time.Second), h, "status", "--json")
	var st control.Status
	if err := json.Unmarshal([]byte(out), &st); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return st
}

func lingers(ctx context.Context, h *Host) bool {
	out, _ := h.Output(ctx, "loginctl", "show-user", User, "--property=Linger", "--value")
	return strings.TrimSpace(out) == "yes"
}

// TestDaemon is about keeper run on a host where nothing dies but itself. No
// step of it may touch the stack.
func TestDaemon(t *testing.T) {
	t.Parallel()
	h := testHost(t, Options{Name: "daemon", Stack: true})
	install(t, h)
	ctx := t.Context()
	before := must[map[string]string](t)(h.Invocations(ctx))
	harmless := func(t *testing.T) {
		t.Helper()
		if err := h.Ready(ctx); err != nil {
			t.Error(err)
		}
		for name, id := range must[map[string]string](t)(h.Invocations(ctx)) {
			if before[name] != id {
				t.Errorf("%s was touched: its invocation was %s and is %s", name, before[name], id)
			}
		}
	}
	wellAgain := func(ctx context.Context) bool { _, err := keeper(ctx, h, "status"); return err == nil }

	t.Run("linger taken away with a session open", func(t *testing.T) {
		s := must[*Session](t)(h.OpenSession(ctx))
		for range 2 {
			if _, err := h.Output(ctx, "loginctl", "disable-linger", User); err != nil {
				t.Fatal(err)
			}
			took := await(t, time.Second, "linger is set again", func(ctx context.Context) bool { return lingers(ctx, h) })
			t.Logf("set again after at most %s", took.Round(time.Millisecond))
		}
		st := status(t, h)
		if len(st.Decisions) == 0 || st.Decisions[0].Reason != "somebody took linger away" {
			t.Errorf("the decision is not told: %+v", st.Decisions)
		}
		// Logout: with linger set again, nothing happens to the stack.
		if err := s.Close(within(t, 10*time.Second)); err != nil {
			t.Fatal(err)
		}
		await(t, 10*time.Second, "the session is removed", func(ctx context.Context) bool {
			_, err := h.Output(ctx, "loginctl", "show-session", s.ID)
			return err != nil
		})
		harmless(t)
	})

	t.Run("SIGKILL of keeper", func(t *testing.T) {
		pid := status(t, h).Daemon.PID
		if err := killKeeper("KILL")(ctx, &Scene{Host: h}); err != nil {
			t.Fatal(err)
		}
		await(t, 10*time.Second, "another keeper answers", func(ctx context.Context) bool {
			return wellAgain(ctx) && status(t, h).Daemon.PID != pid
		})
		harmless(t)
	})

	t.Run("keeper stopped", func(t *testing.T) {
		if _, err := h.UserOutput(ctx, "systemctl", "--user", "stop", "keeper"); err != nil {
			t.Fatal(err)
		}
		out, err := keeper(ctx, h, "status")
		if err == nil || !strings.Contains(err.Error(), "exit status 4") {
			t.Errorf("exit status: %v", err)
		}
		for _, want := range []string{"does not answer", "systemctl --user", "STALE", "postgres"} {
			if !strings.Contains(out, want) {
				t.Errorf("status with the daemon dead does not say %q:\n%s", want, out)
			}
		}
		if _, err := h.UserOutput(ctx, "systemctl", "--user", "start", "keeper"); err != nil {
			t.Fatal(err)
		}
		harmless(t)
	})

	t.Run("logind restarts", func(t *testing.T) {
		if _, err := h.Output(ctx, "systemctl", "restart", "systemd-logind"); err != nil {
			t.Fatal(err)
		}
		await(t, 10*time.Second, "keeper is well again", wellAgain)
		lingerIsKept(t, h)
		harmless(t)
	})

	t.Run("a forged PrepareForShutdown", func(t *testing.T) {
		if _, err := h.UserOutput(ctx, "busctl", "emit", "/org/freedesktop/login1", "org.freedesktop.login1.Manager", "PrepareForShutdown", "b", "true"); err != nil {
			t.Fatal(err)
		}
		// Had it been believed, linger would not be set again now.
		lingerIsKept(t, h)
		harmless(t)
	})

	t.Run("a unit that stops is seen", func(t *testing.T) {
		if _, err := h.UserOutput(ctx, "systemctl", "--user", "stop", "django"); err != nil {
			t.Fatal(err)
		}
		await(t, 2*time.Second, "status shows that somebody stopped django, and is no alarm", func(ctx context.Context) bool {
			out, err := keeper(ctx, h, "status")
			return err == nil && strings.Contains(out, "; somebody stopped django\n")
		})
		if _, err := h.UserOutput(ctx, "systemctl", "--user", "start", "django"); err != nil {
			t.Fatal(err)
		}
		await(t, 10*time.Second, "status shows that it answers", func(ctx context.Context) bool {
			out, err := keeper(ctx, h, "status")
			return err == nil && !strings.Contains(out, "somebody stopped")
		})
	})
}

// lingerIsKept takes linger away with a session open, which keeps the user
// manager from being stopped, and sees it set again.
func lingerIsKept(t *testing.T, h *Host) {
	t.Helper()
	s := must[*Session](t)(h.OpenSession(t.Context()))
	if _, err := h.Output(t.Context(), "loginctl", "disable-linger", User); err != nil {
		t.Fatal(err)
	}
	await(t, time.Second, "linger is set again", func(ctx context.Context) bool { return lingers(ctx, h) })
	if err := s.Close(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
}

// TestLogout has its control here: without keeper, a person who takes linger
// away and logs out takes the stack along, and nobody is told. The receiver is that of
// TestIncident.
func TestLogout(t *testing.T) {
	t.Parallel()
	h := testHost(t, Options{Name: "logout", Stack: true})
	r := receive(t, h)
	ctx := within(t, time.Minute)
	s := must[*Session](t)(h.OpenSession(ctx))
	if _, err := h.Output(ctx, "loginctl", "disable-linger", User); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	awaitDown(t, h)
	if err := h.WaitUserForgotten(ctx); err != nil {
		t.Fatal(err)
	}
	if err := h.Ready(ctx); err == nil {
		t.Error("the stack is up: TestDaemon's logout proves nothing")
	}
	if all := r.all(hookPath, time.Time{}); len(all) > 0 {
		t.Errorf("somebody told of it without keeper:\n%s", r.tell(time.Time{}))
	}
}
