package logind

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

func TestSetLinger(t *testing.T) {
	t.Parallel()
	b := startBus(t)
	f := fakeLogind(t, b)
	type call struct {
		uid             uint32
		on, interactive bool
	}
	calls := make(chan call, 10)
	f.answer(func() {
		f.setLinger = func(uid uint32, on, interactive bool) *dbus.Error {
			calls <- call{uid, on, interactive}
			return nil
		}
	})
	c := b.dial(t)

	for _, on := range []bool{true, false} {
		if err := c.SetLinger(t.Context(), 1000, on); err != nil {
			t.Fatal(err)
		}
		if got, want := <-calls, (call{1000, on, false}); got != want {
			t.Errorf("logind was asked for %+v, want %+v", got, want)
		}
	}
	for _, tt := range []struct {
		name   string
		denied bool
	}{
		{"org.freedesktop.DBus.Error.AccessDenied", true},
		{"org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", true},
		{"org.freedesktop.DBus.Error.Failed", false},
		{"org.freedesktop.login1.NoSuchUser", false},
	} {
		f.answer(func() {
			f.setLinger = func(uint32, bool, bool) *dbus.Error { return dbus.NewError(tt.name, []any{"said logind"}) }
		})
		err := c.SetLinger(t.Context(), 1000, true)
		if err == nil || errors.Is(err, ErrDenied) != tt.denied {
			t.Errorf("%s: got %v, denied should be %v", tt.name, err, tt.denied)
		}
		if err != nil && !strings.Contains(err.Error(), "said logind") {
			t.Errorf("%s: %q does not say what logind said", tt.name, err)
		}
	}
}

func TestTerminateUser(t *testing.T) {
	t.Parallel()
	b := startBus(t)
	f := fakeLogind(t, b)
	c := b.dial(t)
	asked := make(chan uint32, 1)
	f.answer(func() { f.terminate = func(uid uint32) *dbus.Error { asked <- uid; return nil } })
	if err := c.TerminateUser(t.Context(), 1000); err != nil {
		t.Fatal(err)
	}
	if uid := <-asked; uid != 1000 {
		t.Errorf("logind was asked to stop user %d", uid)
	}
	f.answer(func() {
		f.terminate = func(uint32) *dbus.Error {
			return dbus.NewError("org.freedesktop.login1.NoSuchUser", []any{"said logind"})
		}
	})
	if err := c.TerminateUser(t.Context(), 1000); err == nil || !strings.Contains(err.Error(), "said logind") {
		t.Errorf("got %v, want what logind said", err)
	}
}

// A logind that does not answer costs CallTimeout and no more, for each call.
func TestCallsHaveADeadline(t *testing.T) {
	t.Parallel()
	b := startBus(t)
	f := fakeLogind(t, b)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	f.answer(func() {
		f.setLinger = func(uint32, bool, bool) *dbus.Error { <-release; return nil }
		f.terminate = func(uint32) *dbus.Error { <-release; return nil }
		f.getUser = func(uint32) (dbus.ObjectPath, *dbus.Error) { <-release; return "", nil }
	})
	c := b.dial(t)

	for name, ask := range map[string]func(context.Context) error{
		"SetLinger":     func(ctx context.Context) error { return c.SetLinger(ctx, 1000, true) },
		"TerminateUser": func(ctx context.Context) error { return c.TerminateUser(ctx, 1000) },
		"User":          func(ctx context.Context) error { _, err := c.User(ctx, 1000); return err },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun := time.Now()
			err := ask(context.Background())
			if took := time.Since(begun); took < CallTimeout-100*time.Millisecond || took > CallTimeout+5*time.Second {
				t.Errorf("it took %s, want about %s", took, CallTimeout)
			}
			if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrDenied) {
				t.Errorf("got %v, want a deadline that was exceeded", err)
			}
			// The caller's deadline holds where it is nearer.
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			begun = time.Now()
			if err := ask(ctx); err == nil || time.Since(begun) > CallTimeout {
				t.Errorf("with 50 ms to go: %v after %s", err, time.Since(begun))
			}
		})
	}
}

func TestUser(t *testing.T) {
	t.Parallel()
	b := startBus(t)
	f := fakeLogind(t, b)
	c := b.dial(t)
	session := func(id string) dbus.ObjectPath { return dbus.ObjectPath("/org/freedesktop/login1/session/" + id) }
	f.set(fakeUser, userIf, "State", "lingering")
	f.set(fakeUser, userIf, "Linger", true)
	f.set(fakeUser, userIf, "Sessions", []sessionRow{})

	u, err := c.User(t.Context(), 1000)
	if want := (User{State: "lingering", Linger: true}); err != nil || !reflect.DeepEqual(u, want) {
		t.Errorf("got %+v, %v; want %+v", u, err, want)
	}
	u, err = c.User(t.Context(), 4711)
	if err != nil || !reflect.DeepEqual(u, User{}) {
		t.Errorf("a user that logind does not know: got %+v, %v; want nothing", u, err)
	}

	rows := []sessionRow{}
	for _, s := range []struct{ id, class, state string }{
		{"c1", "manager", "active"}, {"3", "user", "active"}, {"c2", "manager-early", "active"},
		{"c4", "background-light", "active"}, {"5", "background", "online"}, {"6", "user-early", "opening"},
		{"7", "user", "closing"}, {"8", "background", "closing"}, {"c9", "manager", ""},
		{"stateless", "user", ""}, {"gone", "", ""}, {"none", "", ""}, {"mute", "", ""},
	} {
		rows = append(rows, sessionRow{s.id, session(s.id)})
		if s.class != "" {
			f.set(session(s.id), sessionIf, "Class", s.class)
		}
		if s.state != "" {
			f.set(session(s.id), sessionIf, "State", s.state)
		}
	}
	// What ended meanwhile is not open; what only fails to answer may be.
	f.fail(t, session("gone"), "org.freedesktop.DBus.Error.UnknownObject")
	f.fail(t, session("none"), "org.freedesktop.login1.NoSuchSession")
	f.fail(t, session("mute"), "org.freedesktop.DBus.Error.Failed")
	f.set(fakeUser, userIf, "State", "active")
	f.set(fakeUser, userIf, "Linger", false)
	f.set(fakeUser, userIf, "Sessions", rows)
	u, err = c.User(t.Context(), 1000)
	want := User{State: "active", Sessions: []string{"3", "5", "6", "stateless", "mute"}}
	if err != nil || !reflect.DeepEqual(u, want) {
		t.Errorf("got %+v, %v; want %+v", u, err, want)
	}

	// A property that has another type is an error and no zero value.
	f.set(fakeUser, userIf, "Linger", "yes")
	if u, err := c.User(t.Context(), 1000); err == nil {
		t.Errorf("Linger is a string: got %+v and no error", u)
	}
	f.answer(func() {
		f.getUser = func(uint32) (dbus.ObjectPath, *dbus.Error) {
			return "", dbus.NewError("org.freedesktop.DBus.Error.Failed", []any{"out of order"})
		}
	})
	if u, err := c.User(t.Context(), 1000); err == nil || !strings.Contains(err.Error(), "out of order") {
		t.Errorf("logind fails: got %+v, %v", u, err)
	}
}

func TestShutdownAndSystemState(t *testing.T) {
	t.Parallel()
	b := startBus(t)
	c := b.dial(t)
	// Nobody has the names yet.
	if _, err := c.PreparingForShutdown(t.Context()); err == nil {
		t.Error("PreparingForShutdown without a logind: no error")
	}
	if s, err := c.SystemState(t.Context()); err == nil || s != "" {
		t.Errorf("SystemState without a systemd: %q, %v", s, err)
	}
	l, p := fakeLogind(t, b), fakePID1(t, b)
	for _, going := range []bool{false, true} {
		l.set(objPath, managerIf, "PreparingForShutdown", going)
		if got, err := c.PreparingForShutdown(t.Context()); err != nil || got != going {
			t.Errorf("PreparingForShutdown: %v, %v; want %v", got, err, going)
		}
	}
	for _, state := range []string{"running", "degraded", "stopping"} {
		p.set(pid1Path, pid1Name+".Manager", "SystemState", state)
		if got, err := c.SystemState(t.Context()); err != nil || got != state {
			t.Errorf("SystemState: %q, %v; want %q", got, err, state)
		}
	}
}

// A bus that accepts and says nothing must not hold anybody up.
func TestDialToASilentBus(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan net.Conn, 1)
	go func() {
		if c, err := l.Accept(); err == nil {
			accepted <- c
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		select {
		case c := <-accepted:
			_ = c.Close()
		default:
			t.Error("nobody knocked")
		}
	})
	begun := time.Now()
	c, err := Dial(t.Context(), "unix:path="+path)
	if err == nil {
		c.Close()
		t.Fatal("no error")
	}
	if took := time.Since(begun); took < CallTimeout-100*time.Millisecond || took > CallTimeout+5*time.Second {
		t.Errorf("it took %s, want about %s", took, CallTimeout)
	}
}

func TestDialToNothing(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"unix:path=" + filepath.Join(t.TempDir(), "s"), "rubbish"} {
		begun := time.Now()
		c, err := Dial(t.Context(), address)
		if err == nil {
			c.Close()
			t.Fatalf("%s: no error", address)
		}
		if !strings.HasPrefix(err.Error(), "cannot reach the system bus: ") {
			t.Errorf("%s: %q does not say what could not be done", address, err)
		}
		if took := time.Since(begun); took >= CallTimeout {
			t.Errorf("%s: it took %s to find that out", address, took)
		}
	}
}
