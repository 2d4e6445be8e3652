package logind

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"
)

// lock is logind's end of an inhibitor: a FIFO, and the lock is held until
// nobody has its other end open.
type lock struct{ end, sent *os.File }

// taken returns the lock that was handed out last. The reply carried a copy of
// its other end, so that the one here can go.
func taken(t *testing.T, locks <-chan lock) lock {
	t.Helper()
	l := <-locks
	if err := l.sent.Close(); err != nil {
		t.Fatal(err)
	}
	return l
}

// held says whether anybody holds the lock.
func (l lock) held(t *testing.T) bool {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(l.end.Fd()), Events: unix.POLLIN}}
	if _, err := unix.Poll(fds, 0); err != nil {
		t.Fatal(err)
	}
	return fds[0].Revents&unix.POLLHUP == 0
}

func (l lock) released(t *testing.T) bool {
	t.Helper()
	for end := time.Now().Add(patience); l.held(t); runtime.Gosched() {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// inhibits has the fake hand out locks, and returns them as they are taken.
func (f *fake) inhibits(t *testing.T, want [4]string) <-chan lock {
	t.Helper()
	locks := make(chan lock, 10)
	f.answer(func() {
		f.inhibit = func(what, who, why, mode string) (dbus.UnixFD, *dbus.Error) {
			if got := [4]string{what, who, why, mode}; got != want {
				t.Errorf("Inhibit was called with %q, want %q", got, want)
			}
			ours, theirs, err := os.Pipe()
			if err != nil {
				t.Error(err)
				return 0, dbus.NewError("org.freedesktop.DBus.Error.Failed", nil)
			}
			t.Cleanup(func() { _ = ours.Close() })
			fd := dbus.UnixFD(theirs.Fd())
			locks <- lock{ours, theirs}
			return fd, nil
		}
	})
	return locks
}

func TestDelay(t *testing.T) {
	t.Parallel()
	b := startBus(t)
	f := fakeLogind(t, b)
	c := b.dial(t)
	locks := f.inhibits(t, [4]string{"shutdown", "keeper", "a reason", "delay"})
	f.set(objPath, managerIf, "InhibitDelayMaxUSec", uint64(7_500_000))

	d, err := c.TakeDelay(t.Context(), "a reason")
	if err != nil {
		t.Fatal(err)
	}
	l := taken(t, locks)
	if d.Grant != 7500*time.Millisecond {
		t.Errorf("logind grants %v", d.Grant)
	}
	// The garbage collector must not think that nobody needs the file.
	for range 5 {
		runtime.GC()
	}
	if !l.held(t) {
		t.Fatal("the lock is not held")
	}
	// Nor must a program that keeper starts hold it.
	flags, err := unix.FcntlInt(d.file.Fd(), unix.F_GETFD, 0)
	if err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("the file outlives an exec: %v, %v", flags, err)
	}
	// A second one is another.
	second, err := c.TakeDelay(t.Context(), "a reason")
	if err != nil {
		t.Fatal(err)
	}
	l2 := taken(t, locks)
	if err := d.Release(); err != nil {
		t.Error(err)
	}
	if !l.released(t) {
		t.Error("the lock is held after its release")
	}
	if !l2.held(t) {
		t.Error("with the first lock the second was released")
	}
	// It outlives the connection it came by: it is a file.
	c.Close()
	if !l2.held(t) {
		t.Error("the lock went with the connection")
	}
	if err := second.Release(); err != nil || !l2.released(t) {
		t.Errorf("the second: %v", err)
	}
	if err := d.Release(); err == nil {
		t.Error("released twice, and nobody noticed")
	}
}

func TestDelayThatCannotBeHad(t *testing.T) {
	t.Parallel()
	b := startBus(t)
	f := fakeLogind(t, b)
	c := b.dial(t)
	for name, denied := range map[string]bool{
		"org.freedesktop.DBus.Error.AccessDenied":                     true,
		"org.freedesktop.DBus.Error.InteractiveAuthorizationRequired": true,
		// logind has begun to go down.
		"org.freedesktop.login1.OperationInProgress": false,
		"org.freedesktop.DBus.Error.LimitsExceeded":  false,
	} {
		f.answer(func() {
			f.inhibit = func(string, string, string, string) (dbus.UnixFD, *dbus.Error) {
				return 0, dbus.NewError(name, []any{"said logind"})
			}
		})
		d, err := c.TakeDelay(t.Context(), "a reason")
		if d != nil || err == nil || errors.Is(err, ErrDenied) != denied || !strings.Contains(err.Error(), "said logind") ||
			!strings.HasPrefix(err.Error(), "cannot take a delay inhibitor: ") {
			t.Errorf("%s: got %v, %v; denied should be %v", name, d, err, denied)
		}
	}
	// A lock whose worth nobody knows is given back.
	locks := f.inhibits(t, [4]string{"shutdown", "keeper", "a reason", "delay"})
	f.set(objPath, managerIf, "InhibitDelayMaxUSec", "rubbish")
	d, err := c.TakeDelay(t.Context(), "a reason")
	if d != nil || err == nil {
		t.Errorf("got %+v, %v", d, err)
	}
	if l := taken(t, locks); !l.released(t) {
		t.Error("an error was returned, and the lock is held")
	}
}
