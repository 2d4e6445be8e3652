package netns

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The program of the tests is the helper as well, a conmon in a user namespace of
// its own, and a server in a network namespace below that.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "sockets":
			exit(Serve(3))
		case "conmon":
			exit(conmon(os.Args[2]))
		case "server":
			exit(server(os.Args[2]))
		}
	}
	os.Exit(m.Run())
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// conmon starts the server, in a network namespace unless it is to have the
// host's, and passes on what it says.
func conmon(kind string) error {
	runtime.LockOSThread() // it is the thread whose death the server dies with
	cmd := exec.Command("/proc/self/exe", "server", kind)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if kind != "host" {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNET
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	fmt.Println(cmd.Process.Pid)
	if _, err := io.Copy(os.Stdout, out); err != nil {
		return err
	}
	return cmd.Wait()
}

// server says which port it has, and its name to whoever connects. One that is
// full takes nobody; one that is down has no network.
func server(kind string) error {
	if kind != "down" && kind != "host" {
		if err := loopbackUp(); err != nil {
			return err
		}
	}
	if kind == "full" {
		// A backlog of one that nobody empties: the third hears nothing.
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Port: 7000, Addr: loopback}), unix.Listen(fd, 0)); err != nil {
			return err
		}
		fmt.Println(7000)
		time.Sleep(time.Hour) // to wait for nothing at all is a deadlock to the runtime
	}
	address := "127.0.0.1:0"
	if kind == "down" {
		fmt.Println(7000)
		time.Sleep(time.Hour)
	}
	l, err := net.Listen("tcp4", address)
	if err != nil {
		return err
	}
	fmt.Println(l.Addr().(*net.TCPAddr).Port)
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		fmt.Fprintln(c, kind)
		_ = c.Close()
	}
}

// loopbackUp does what Podman's runtime does in a new network namespace.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr)
}

// box is a container of the tests'.
type box struct {
	key  Key
	main int
	port uint16
	cmd  *exec.Cmd
}

// host is an account's, with such containers.
type host struct {
	t     *testing.T
	mu    sync.Mutex
	boxes map[Key]box
	runs  atomic.Int32
	pool  *Pool
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{t: t, boxes: map[Key]box{}}
	h.pool = New(h.mainOf)
	find := h.pool.program
	h.pool.program = func() (string, error) { h.runs.Add(1); return find() }
	t.Cleanup(h.pool.Close)
	return h
}

func (h *host) mainOf(k Key) (int, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	b, ok := h.boxes[k]
	return b.main, ok
}

func (h *host) put(b box) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.boxes[b.key] = b
}

func (h *host) box(name, kind string) box {
	h.t.Helper()
	if _, err := exec.LookPath("nsenter"); err != nil {
		h.t.Skip("no nsenter here (make setup)")
	}
	cmd := exec.Command("/proc/self/exe", "conmon", kind)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		h.t.Skipf("no user namespaces here: %v", err)
	}
	h.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	lines := bufio.NewScanner(out)
	var said []int
	for len(said) < 2 && lines.Scan() {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			h.t.Fatalf("a container says %q", lines.Text())
		}
		said = append(said, n)
	}
	if len(said) < 2 {
		h.t.Skipf("no network namespaces here: %v", lines.Err())
	}
	b := box{key: Key{Conmon: cmd.Process.Pid, Unit: name + ".service", Invocation: "1"}, main: said[0], port: uint16(said[1]), cmd: cmd}
	h.put(b)
	return b
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// says returns what the container at the other end says it is.
func says(t *testing.T, p *Pool, b box) string {
	t.Helper()
	c, err := p.Dial(within(t, 10*time.Second), b.key, b.port)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	s, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(s))
}

func (h *host) have(k Key) int {
	h.pool.mu.Lock()
	defer h.pool.mu.Unlock()
	if s := h.pool.slots[k]; s != nil {
		return len(s.sockets)
	}
	return -1
}

func TestDial(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	a, b, own := h.box("a", "first"), h.box("b", "second"), h.box("own", "host")
	h.pool.Keep([]Key{a.key, b.key, own.key})
	for range 3 {
		for _, tt := range []struct {
			box  box
			want string
		}{{a, "first"}, {b, "second"}, {own, "host"}} {
			if got := says(t, h.pool, tt.box); got != tt.want {
				t.Errorf("%s: %q answers, want %q", tt.box.key.Unit, got, tt.want)
			}
		}
	}
	// Two user namespaces, one look at each; the host's own network needs none.
	if n := h.runs.Load(); n != 2 {
		t.Errorf("%d runs of the helper", n)
	}
	c, err := h.pool.Dial(within(t, 10*time.Second), a.key, a.port)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := c.RemoteAddr().String(); got != fmt.Sprintf("127.0.0.1:%d", a.port) {
		t.Errorf("connected to %s", got)
	}
}

// One run fills what is low, however many wait for it.
func TestDialsShareARun(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	b := h.box("a", "first")
	var all sync.WaitGroup
	for range 3 * shareMost {
		all.Go(func() {
			c, err := h.pool.Dial(within(t, 20*time.Second), b.key, b.port)
			if err != nil {
				t.Error(err)
				return
			}
			_ = c.Close()
		})
	}
	all.Wait()
	if n := h.runs.Load(); n < 3 || n > 8 {
		t.Errorf("%d runs for %d connections", n, 3*shareMost)
	}
}

func TestDialSaysWhatDialWould(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	b := h.box("a", "first")
	_, err := h.pool.Dial(within(t, 10*time.Second), b.key, 1)
	if !errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, ErrCannotAsk) {
		t.Errorf("nobody listens: %v", err)
	}
	full := h.box("full", "full")
	if c, err := h.pool.Dial(within(t, 20*time.Second), full.key, 1); err == nil { // fills the pool
		_ = c.Close()
	}
	var open []net.Conn
	defer func() {
		for _, c := range open {
			_ = c.Close()
		}
	}()
	for range 10 {
		c, err := h.pool.Dial(within(t, 300*time.Millisecond), full.key, full.port)
		if err == nil {
			open = append(open, c)
			continue
		}
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() || errors.Is(err, ErrCannotAsk) {
			t.Fatalf("nobody takes the connection: %v", err)
		}
		return
	}
	t.Error("a server that takes nobody took ten")
}

func TestDialThatCannotAsk(t *testing.T) {
	t.Parallel()
	t.Run("the network is down", func(t *testing.T) {
		t.Parallel()
		h := newHost(t)
		b := h.box("a", "down")
		if _, err := h.pool.Dial(within(t, 10*time.Second), b.key, b.port); !errors.Is(err, ErrCannotAsk) || !errors.Is(err, syscall.ENETUNREACH) {
			t.Error(err)
		}
	})
	t.Run("the container is gone", func(t *testing.T) {
		t.Parallel()
		h := newHost(t)
		gone, b := Key{Conmon: os.Getpid(), Unit: "gone.service"}, h.box("a", "first")
		h.pool.Keep([]Key{gone, b.key})
		_, err := h.pool.Dial(within(t, 10*time.Second), gone, 80)
		if !errors.Is(err, ErrCannotAsk) || !strings.Contains(err.Error(), "gone.service") || !strings.Contains(err.Error(), "is gone") {
			t.Error(err)
		}
		// That is no reason for the other.
		if h.have(b.key) == 0 || says(t, h.pool, b) != "first" || h.runs.Load() != 1 {
			t.Errorf("the other was not filled, %d runs", h.runs.Load())
		}
	})
	t.Run("its process is another's by now", func(t *testing.T) {
		t.Parallel()
		h := newHost(t)
		b := h.box("a", "first")
		asked := 0
		h.pool.main = func(Key) (int, bool) {
			if asked++; asked == 1 {
				return b.main, true
			}
			return os.Getpid(), true
		}
		if _, err := h.pool.Dial(within(t, 10*time.Second), b.key, b.port); !errors.Is(err, ErrCannotAsk) || h.runs.Load() != 0 {
			t.Errorf("%v, %d runs", err, h.runs.Load())
		}
	})
	t.Run("no nsenter", func(t *testing.T) {
		t.Parallel()
		h := newHost(t)
		b := h.box("a", "first")
		h.pool.program = func() (string, error) { h.runs.Add(1); return "/nonexistent/nsenter", nil }
		for range 3 {
			if _, err := h.pool.Dial(within(t, 10*time.Second), b.key, b.port); !errors.Is(err, ErrCannotAsk) || !strings.Contains(err.Error(), "/nonexistent/nsenter") {
				t.Error(err)
			}
		}
		if h.runs.Load() != 1 {
			t.Errorf("tried %d times at once", h.runs.Load())
		}
	})
	for name, tt := range map[string]struct{ script, want string }{
		"a helper that fails":       {"echo 'nsenter: no\tway' >&2; exit 1", "nsenter: no way"},
		"a helper that is silent":   {"exit 0", "ended too early"},
		"a helper that is killed":   {"kill -9 $$", "killed"},
		"a helper that speaks much": {"head -c 100000 /dev/zero | tr '\\0' x >&2; exit 1", "xxx"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			b := h.box("a", "first")
			program := filepath.Join(t.TempDir(), "nsenter")
			if err := os.WriteFile(program, []byte("#!/bin/sh\n"+tt.script+"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			h.pool.program = func() (string, error) { return program, nil }
			_, err := h.pool.Dial(within(t, 10*time.Second), b.key, b.port)
			if !errors.Is(err, ErrCannotAsk) || !strings.Contains(err.Error(), tt.want) || len(err.Error()) > 400 {
				t.Error(err)
			}
		})
	}
	t.Run("a helper that hangs", func(t *testing.T) {
		t.Parallel()
		h := newHost(t)
		b := h.box("a", "first")
		program := filepath.Join(t.TempDir(), "nsenter")
		if err := os.WriteFile(program, []byte("#!/bin/sh\nexec sleep 1000\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		h.pool.program = func() (string, error) { return program, nil }
		_, err := h.pool.Dial(within(t, 50*time.Millisecond), b.key, b.port)
		if !errors.Is(err, ErrCannotAsk) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("its lateness is taken for the server's: %v", err)
		}
		began := time.Now()
		h.pool.Close()
		if took := time.Since(began); took > runLimit-time.Second {
			t.Errorf("closing took %s", took)
		}
		if _, err := h.pool.Dial(within(t, time.Second), b.key, b.port); !errors.Is(err, ErrCannotAsk) {
			t.Errorf("after the end: %v", err)
		}
	})
}

func TestKeep(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	b := h.box("a", "first")
	says(t, h.pool, b)
	if n := h.have(b.key); n != shareMost-1 {
		t.Fatalf("%d sockets", n)
	}
	h.pool.Keep(nil)
	if n := h.have(b.key); n != -1 {
		t.Errorf("%d sockets are kept of what is not wanted", n)
	}
	// The next life is another.
	b.key.Invocation = "2"
	h.put(b)
	h.pool.Keep([]Key{b.key})
	if got := says(t, h.pool, b); got != "first" {
		t.Error(got)
	}
}

func TestShare(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		n     int
		limit uint64
		want  int
	}{
		{0, 1 << 20, 32}, {1, 1 << 20, 32}, {4, 1 << 20, 32}, {32, 1 << 20, 32}, {64, 1 << 20, 16}, {100, 524288, 10},
		{256, 524288, 4}, {400, 524288, 4}, {4, 1024, 32}, {100, 1024, 5}, {400, 1024, 1}, {4000, 1024, 1}, {3, 1<<64 - 1, 32},
	} {
		if got := share(tt.n, tt.limit); got != tt.want {
			t.Errorf("share(%d, %d) = %d, want %d", tt.n, tt.limit, got, tt.want)
		}
	}
}
