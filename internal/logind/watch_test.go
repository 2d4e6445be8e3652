package logind

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/godbus/dbus/v5"

	"keeper/internal/core"
)

// watched is a Watch under way.
type watched struct {
	events chan core.Event
	ended  chan error
	// name is the unique name of its connection.
	name string
}

func watchBus(t *testing.T, ctx context.Context, b *bus) *watched {
	t.Helper()
	c := b.dial(t)
	w := &watched{events: make(chan core.Event, 2000), ended: make(chan error, 1), name: c.bus.Names()[0]}
	go func() { w.ended <- c.Watch(ctx, func(e core.Event) { w.events <- e }) }()
	return w
}

func (w *watched) expect(t *testing.T, want core.Event) {
	t.Helper()
	if got := await(t, w.events, fmt.Sprintf("%T", want)); got != want {
		t.Fatalf("got %#v, want %#v", got, want)
	}
}

// nothingElse sends a last signal from the true logind, and sees that nothing
// came before it.
func (w *watched) nothingElse(t *testing.T, f *fake) {
	t.Helper()
	f.emit(t, "SessionNew", "the last", dbus.ObjectPath("/last"))
	w.expect(t, core.SessionNew{ID: "the last"})
}

const somePath = dbus.ObjectPath("/org/freedesktop/login1/some")

func TestWatchDeliversInOrder(t *testing.T) {
	t.Parallel()
	b := startBus(t)
	f := fakeLogind(t, b)
	w := watchBus(t, t.Context(), b)
	w.expect(t, core.LogindUp{})

	// Far more than the channel of the connection holds.
	var want []core.Event
	for i := range 1000 {
		id, uid := fmt.Sprint(i), uint32(i)
		switch i % 6 {
		case 0:
			f.emit(t, "SessionNew", id, somePath)
			want = append(want, core.SessionNew{ID: id})
		case 1:
			f.emit(t, "SessionRemoved", id, somePath)
			want = append(want, core.SessionRemoved{ID: id})
		case 2:
			f.emit(t, "UserNew", uid, somePath)
			want = append(want, core.UserNew{UID: uid})
		case 3:
			f.emit(t, "UserRemoved", uid, somePath)
			want = append(want, core.UserRemoved{UID: uid})
		case 4:
			f.emit(t, "PrepareForShutdown", i%4 == 0)
			want = append(want, core.PrepareForShutdown{Active: i%4 == 0})
		case 5:
			f.emit(t, "PrepareForSleep", i%4 == 1)
			want = append(want, core.PrepareForSleep{Active: i%4 == 1})
		}
	}
	for i, e := range want {
		if got := await(t, w.events, fmt.Sprintf("signal %d", i)); !reflect.DeepEqual(got, e) {
			t.Fatalf("signal %d: got %#v, want %#v", i, got, e)
		}
	}
	w.nothingElse(t, f)
}

// A watcher that is slow to take events loses none of them.
func TestWatchWithASlowReader(t *testing.T) {
	t.Parallel()
	b := startBus(t)
	f := fakeLogind(t, b)
	c := b.dial(t)
	events := make(chan core.Event) // each waits until it is taken
	go func() { _ = c.Watch(t.Context(), func(e core.Event) { events <- e }) }()
	if e := await(t, events, "LogindUp"); e != (core.LogindUp{}) {
		t.Fatalf("got %#v", e)
	}
	for i := range 500 {
		f.emit(t, "UserNew", uint32(i), somePath)
	}
	routed(t, f.conn)
	// The connection answers meanwhile.
	if _, err := c.PreparingForShutdown(t.Context()); err != nil {
		t.Errorf("a call while signals wait: %v", err)
	}
	for i := range 500 {
		if e := await(t, events, "UserNew"); e != (core.UserNew{UID: uint32(i)}) {
			t.Fatalf("signal %d: got %#v", i, e)
		}
	}
}

func TestWatchIgnoresWhatIsMalformed(t *testing.T) {
	t.Parallel()
	b := startBus(t)
	f := fakeLogind(t, b)
	w := watchBus(t, t.Context(), b)
	w.expect(t, core.LogindUp{})

	f.emit(t, "PrepareForShutdown")
	f.emit(t, "PrepareForShutdown", "true")
	f.emit(t, "PrepareForShutdown", uint32(1))
	f.emit(t, "PrepareForShutdown", true, true)
	f.emit(t, "SessionNew", true, somePath)
	f.emit(t, "SessionNew", "3")
	f.emit(t, "SessionRemoved")
	f.emit(t, "UserNew", "1000", somePath)
	f.emit(t, "UserNew", []uint32{1000}, somePath)
	f.emit(t, "UserRemoved", uint32(1000))
	f.emit(t, "PrepareForSleep")
	f.emit(t, "PrepareForSleep", uint32(0))
	// Well formed, and not for keeper.
	f.emit(t, "SeatNew", "seat0", somePath)
	// Of another object, or another interface.
	for _, s := range []struct {
		path   dbus.ObjectPath
		member string
	}{{somePath, managerIf + ".PrepareForShutdown"}, {objPath, "org.example.Manager.PrepareForShutdown"}} {
		if err := f.conn.Emit(s.path, s.member, true); err != nil {
			t.Fatal(err)
		}
	}
	unicast(t, f.conn, w.name, somePath, managerIf, "PrepareForShutdown", true)
	unicast(t, f.conn, w.name, objPath, "org.example.Manager", "PrepareForShutdown", true)
	w.nothingElse(t, f)
}

func TestWatchBelievesLogindOnly(t *testing.T) {
	t.Parallel()
	b := startBus(t)
	f := fakeLogind(t, b)
	liar := b.peer(t)
	w := watchBus(t, t.Context(), b)
	w.expect(t, core.LogindUp{})

	// Control: what a peer sends to one connection alone does arrive there,
	// past all match rules; logind's own is delivered.
	unicast(t, f.conn, w.name, objPath, managerIf, "PrepareForShutdown", true)
	w.expect(t, core.PrepareForShutdown{Active: true})
	f.emit(t, "PrepareForShutdown", false)
	w.expect(t, core.PrepareForShutdown{Active: false})

	if err := liar.Emit(objPath, managerIf+".PrepareForShutdown", true); err != nil {
		t.Fatal(err)
	}
	unicast(t, liar, w.name, objPath, managerIf, "PrepareForShutdown", true)
	unicast(t, liar, w.name, objPath, managerIf, "UserRemoved", uint32(1000), somePath)
	// To make itself believed, a liar would have to change the owner.
	unicast(t, liar, w.name, "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameOwnerChanged",
		busName, f.conn.Names()[0], liar.Names()[0])
	unicast(t, liar, w.name, "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameOwnerChanged",
		busName, f.conn.Names()[0], "")
	unicast(t, liar, w.name, objPath, managerIf, "PrepareForShutdown", true)
	// Nor does it help to own other names.
	own(t, liar, "org.freedesktop.login2")
	if err := liar.Emit(objPath, managerIf+".PrepareForShutdown", true); err != nil {
		t.Fatal(err)
	}
	routed(t, liar)
	w.nothingElse(t, f)
}

func TestWatchFollowsTheOwner(t *testing.T) {
	t.Parallel()
	b := startBus(t)
	old := fakeLogind(t, b)
	w := watchBus(t, t.Context(), b)
	w.expect(t, core.LogindUp{})

	// logind goes, and comes back as another connection.
	if _, err := old.conn.ReleaseName(busName); err != nil {
		t.Fatal(err)
	}
	w.expect(t, core.LogindDown{Err: "logind left the bus"})
	forge := func(f *fake) {
		t.Helper()
		f.emit(t, "PrepareForShutdown", true)
		unicast(t, f.conn, w.name, objPath, managerIf, "PrepareForShutdown", true)
		routed(t, f.conn)
	}
	forge(old) // nobody is logind now
	second := fakeLogind(t, b)
	w.expect(t, core.LogindUp{Restarted: true})
	forge(old)
	w.nothingElse(t, second)

	// Another takes the name over with nothing between.
	third := fakeLogind(t, b)
	w.expect(t, core.LogindUp{Restarted: true})
	forge(second)
	w.nothingElse(t, third)

	// The connection of logind breaks off.
	if err := third.conn.Close(); err != nil {
		t.Fatal(err)
	}
	w.expect(t, core.LogindDown{Err: "logind left the bus"})
	own(t, old.conn, busName)
	w.expect(t, core.LogindUp{Restarted: true})
	w.nothingElse(t, old)
}

// A logind may be met that prepares for shutdown already; its signal is gone.
func TestWatchKnowsOfAShutdown(t *testing.T) {
	t.Parallel()
	b := startBus(t)
	f := fakeLogind(t, b)
	f.set(objPath, managerIf, "PreparingForShutdown", true)
	w := watchBus(t, t.Context(), b)
	w.expect(t, core.LogindUp{ShuttingDown: true})
	f.emit(t, "PrepareForShutdown", false)
	w.expect(t, core.PrepareForShutdown{Active: false})

	// Each that follows is asked anew; where one makes no sense, what was known
	// last holds.
	back := func(f *fake, going any, want bool) {
		t.Helper()
		if _, err := f.conn.ReleaseName(busName); err != nil {
			t.Fatal(err)
		}
		w.expect(t, core.LogindDown{Err: "logind left the bus"})
		f.set(objPath, managerIf, "PreparingForShutdown", going)
		own(t, f.conn, busName)
		w.expect(t, core.LogindUp{Restarted: true, ShuttingDown: want})
	}
	back(f, true, true)
	second := fakeLogind(t, b)
	w.expect(t, core.LogindUp{Restarted: true})
	back(second, true, true)
	back(second, "rubbish", true)
	back(second, false, false)
	back(second, "rubbish", false)
	// A signal is as good as the property.
	second.emit(t, "PrepareForShutdown", true)
	w.expect(t, core.PrepareForShutdown{Active: true})
	back(second, "rubbish", true)
	second.emit(t, "PrepareForShutdown", false)
	w.expect(t, core.PrepareForShutdown{Active: false})
	back(second, "rubbish", false)
	w.nothingElse(t, second)
}

func TestWatchBeginsWithoutLogind(t *testing.T) {
	t.Parallel()
	b := startBus(t)
	w := watchBus(t, t.Context(), b)
	w.expect(t, core.LogindDown{Err: "nobody on the bus is logind"})
	f := fakeLogind(t, b)
	w.expect(t, core.LogindUp{Restarted: true})
	w.nothingElse(t, f)
}

// Who comes to a logind that is about to end hears of it, though the signal
// was sent before.
func TestWatchBeginsWithinAShutdown(t *testing.T) {
	t.Parallel()
	b := startBus(t)
	f := fakeLogind(t, b)
	f.set(objPath, managerIf, "PreparingForShutdown", true)
	w := watchBus(t, t.Context(), b)
	w.expect(t, core.LogindUp{ShuttingDown: true})
	// logind restarts, and knows nothing of it any more.
	next := fakeLogind(t, b)
	w.expect(t, core.LogindUp{Restarted: true})
	w.nothingElse(t, next)
}

func TestWatchEnds(t *testing.T) {
	t.Parallel()
	t.Run("with the bus", func(t *testing.T) {
		t.Parallel()
		b := startBus(t)
		fakeLogind(t, b)
		w := watchBus(t, t.Context(), b)
		w.expect(t, core.LogindUp{})
		b.kill()
		if err := await(t, w.ended, "the end"); !errors.Is(err, ErrGone) {
			t.Errorf("ended with %v, want %v", err, ErrGone)
		}
	})
	t.Run("with its context", func(t *testing.T) {
		t.Parallel()
		b := startBus(t)
		fakeLogind(t, b)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		w := watchBus(t, ctx, b)
		w.expect(t, core.LogindUp{})
		cancel()
		if err := await(t, w.ended, "the end"); !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v, want %v", err, context.Canceled)
		}
	})
	t.Run("at once on a bus that is gone", func(t *testing.T) {
		t.Parallel()
		b := startBus(t)
		c := b.dial(t)
		b.kill()
		ended := make(chan error, 1)
		go func() { ended <- c.Watch(t.Context(), func(core.Event) {}) }()
		if err := await(t, ended, "the end"); err == nil || errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	})
}
