package control

import (
	"errors"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What another account says is not believed, and it is told nothing.
func TestStranger(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		own  int
		want string
	}{{0, "keeper status --all-users"}, {1000, "XDG_RUNTIME_DIR"}} {
		if got := stranger("/x", 1001, tt.own).Error(); !strings.Contains(got, "/x is uid 1001") || !strings.Contains(got, tt.want) {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
	if os.Getuid() != 0 {
		t.Skip("only root can listen as another")
	}
	path := socketPath(t)
	l := listenAs(t, path, 65534)
	heard := make(chan int, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		n, _ := c.Read(make([]byte, 100))
		heard <- n
	}()
	_, err := Get(t.Context(), path)
	if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "is uid 65534, and not uid 0") {
		t.Errorf("%v", err)
	}
	if n := <-heard; n > 0 {
		t.Errorf("it was told %d bytes", n)
	}
}

// listenAs listens with the credentials of another: this thread's alone, and only until
// it listens, which is when the kernel notes them (unix(7)).
func listenAs(t *testing.T, path string, uid int) net.Listener {
	t.Helper()
	l := listen(t, path)
	raw, err := l.(*net.UnixListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	keep := ^uintptr(0)
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, keep, uintptr(uid), keep); e != 0 {
		t.Fatal(e)
	}
	var lerr error
	err = raw.Control(func(fd uintptr) { lerr = unix.Listen(int(fd), 1) })
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, keep, 0, keep); e != 0 {
		panic(e) // this thread must not go on
	}
	if err = errors.Join(err, lerr); err != nil {
		t.Fatal(err)
	}
	return l
}
