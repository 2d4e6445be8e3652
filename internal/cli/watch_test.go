package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"keeper/internal/control"
	"keeper/internal/core"
	"keeper/internal/term"
)

func TestFrame(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		text          string
		width, height int
		want          string
	}{
		"it fits":                 {"a\nb\n", 10, 2, "\x1b[Ha\x1b[K\r\nb\x1b[K\x1b[J"},
		"nothing":                 {"", 10, 2, "\x1b[H\x1b[K\x1b[J"},
		"too wide":                {"abcdef\n", 4, 5, "\x1b[Habc\x1b[K\r\ndef\x1b[K\x1b[J"},
		"too high":                {"a\nb\nc\nd\n", 80, 3, "\x1b[Ha\x1b[K\r\nb\x1b[K\r\n\x1b[0m… 2 more lines; a taller window, or: keeper status\x1b[K\x1b[J"},
		"a window of one line":    {"a\nb\n", 20, 1, "\x1b[H\x1b[0m… 2 more lines; a t\x1b[K\x1b[J"},
		"of one column":           {"ab\n", 1, 5, "\x1b[Ha\x1b[K\r\nb\x1b[K\x1b[J"},
		"colours have no width":   {"\x1b[1;31mabc\x1b[0m\n", 4, 5, "\x1b[H\x1b[1;31mabc\x1b[0m\x1b[K\x1b[J"},
		"colours go on":           {"\x1b[1;31mabcd\x1b[0m\n", 4, 5, "\x1b[H\x1b[1;31mabc\x1b[K\r\nd\x1b[0m\x1b[K\x1b[J"},
		"letters, not bytes":      {"äöüß\n", 5, 5, "\x1b[Häöüß\x1b[K\x1b[J"},
		"what moves the cursor":   {"a\x1b]0;x\rb\x7f\n", 80, 5, "\x1b[Ha ]0;x b \x1b[K\x1b[J"},
		"a colour without an end": {"\x1b[1;3", 80, 5, "\x1b[H [1;3\x1b[K\x1b[J"},
	} {
		if got := frame(tt.text, tt.width, tt.height); got != tt.want {
			t.Errorf("%s:\ngot  %q\nwant %q", name, got, tt.want)
		}
	}
}

// window is a terminal that remembers what was written to it.
type window struct {
	mu   sync.Mutex
	seen bytes.Buffer
	news chan struct{}
}

func (w *window) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case w.news <- struct{}{}:
	default:
	}
	return w.seen.Write(p)
}

func (w *window) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen.String()
}

// until waits until it was shown, and returns all that was.
func (w *window) until(t *testing.T, what string) string {
	t.Helper()
	limit := time.After(20 * time.Second)
	for !strings.Contains(w.text(), what) {
		select {
		case <-w.news:
		case <-limit:
			t.Fatalf("%q was not shown, but %q", what, w.text())
		}
	}
	return w.text()
}

// pty is a window that is a real terminal, and what to write to it by.
func pty(t *testing.T, rows, cols uint16) (*window, *os.File) {
	t.Helper()
	master, tty := terminal(t)
	if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols}); err != nil {
		t.Fatal(err)
	}
	w := &window{news: make(chan struct{}, 1)}
	go func() { _, _ = io.Copy(w, master) }()
	return w, tty
}

// place makes an account that has no daemon yet, and returns where its socket is.
func place(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "keeper-cli") // short, for the socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for key, v := range map[string]string{"XDG_STATE_HOME": dir, "HOME": dir, "XDG_RUNTIME_DIR": dir, "NO_COLOR": "1", "TERM": "xterm"} {
		t.Setenv(key, v)
	}
	return filepath.Join(dir, "keeper", "keeper.sock")
}

// told is a daemon whose status is set by the test.
type told struct {
	asked   atomic.Int32
	changes control.Changes
	mu      sync.Mutex
	st      control.Status
}

func (d *told) set(change func(st *control.Status)) {
	d.mu.Lock()
	change(&d.st)
	d.mu.Unlock()
	d.changes.Tell()
}

func (d *told) serve(t *testing.T, socket string) (stop func()) {
	t.Helper()
	l, err := control.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- control.Server{UID: os.Getuid(), Changes: &d.changes, Status: func(context.Context) (control.Status, error) {
			d.asked.Add(1)
			d.mu.Lock()
			defer d.mu.Unlock()
			return d.st, nil
		}}.Serve(ctx, l)
	}()
	var once sync.Once
	stop = func() { once.Do(func() { cancel(); <-ended }) }
	t.Cleanup(stop)
	return stop
}

func newTold() *told {
	return &told{st: control.Status{Version: 1, At: time.Now(), User: "alice", UID: 1000, Well: true, Problems: []control.Problem{}, Linger: control.Linger{State: core.LingerOn},
		Daemon: control.Daemon{Release: "1", PID: 42, Since: time.Now()}, Rearm: control.Rearm{Armed: true}}}
}

// Not parallel: it sets the environment.
func TestStatusWatch(t *testing.T) {
	d := newTold()
	socket := place(t)
	stop := d.serve(t, socket)
	w, tty := pty(t, 40, 120)
	ctx, cancel := context.WithCancel(t.Context())
	code := make(chan int, 1)
	var talk bytes.Buffer
	go func() { code <- Main(ctx, []string{"status", "--watch"}, term.IO{Out: tty, Err: &talk}) }()

	seen := w.until(t, "all is well for alice")
	if !strings.HasPrefix(seen, enterScreen+cursorHome) || strings.Contains(seen, "\x1b[2J") {
		t.Errorf("it begins with %q", seen)
	}
	// Ages go on by themselves: the daemon is not asked.
	w.until(t, "pid 42, for 2s")
	if n := d.asked.Load(); n != 1 {
		t.Errorf("the daemon was asked %d times", n)
	}
	d.set(func(st *control.Status) { st.Well, st.Problems = false, []control.Problem{{What: "db is ill"}} })
	w.until(t, "! db is ill")
	stop()
	w.until(t, "The keeper daemon does not answer.")
	d.set(func(st *control.Status) { st.User = "bob" })
	d.serve(t, socket)
	w.until(t, "for bob")

	// A window that becomes smaller shows less, and says so.
	if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 4, Col: 120}); err != nil {
		t.Fatal(err)
	}
	w.until(t, "more lines; a taller window")

	cancel()
	if c := <-code; c != term.ExitOK {
		t.Errorf("exit code %d: %s", c, &talk)
	}
	if !strings.HasSuffix(w.until(t, leaveScreen), leaveScreen) {
		t.Errorf("it ends with %q", w.text()[len(w.text())-50:])
	}
}

// Whatever ends it, the terminal is as it was.
func TestStatusWatchSignals(t *testing.T) {
	d := newTold()
	socket := place(t)
	d.serve(t, socket)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		w, tty := pty(t, 40, 120)
		keeper := exec.CommandContext(t.Context(), "keeper", "status", "--watch")
		keeper.Stdout = tty
		if err := keeper.Start(); err != nil {
			t.Fatal(err)
		}
		_ = tty.Close()
		w.until(t, "all is well for alice")
		if sig == syscall.SIGINT {
			// ^Z and back.
			if err := keeper.Process.Signal(syscall.SIGTSTP); err != nil {
				t.Fatal(err)
			}
			for stat := ""; !strings.Contains(stat, ") T "); time.Sleep(time.Millisecond) {
				data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", keeper.Process.Pid))
				if err != nil {
					t.Fatal(err)
				}
				stat = string(data)
			}
			if seen := w.until(t, leaveScreen); !strings.HasSuffix(seen, leaveScreen) {
				t.Errorf("stopped, and yet: %q", seen)
			}
			if err := keeper.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			w.until(t, leaveScreen+enterScreen)
		}
		if err := keeper.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if err := keeper.Wait(); err != nil {
			t.Errorf("%s: %v", sig, err)
		}
		// It was entered once more after ^Z.
		for limit := time.After(20 * time.Second); strings.Count(w.text(), leaveScreen) != strings.Count(w.text(), enterScreen); {
			select {
			case <-w.news:
			case <-limit:
				t.Fatalf("%s: the screen was entered and not left: %q", sig, w.text())
			}
		}
	}
}

// A line of JSON for each change, and for the end of the daemon.
func TestStatusWatchJSON(t *testing.T) {
	d := newTold()
	socket := place(t)
	stop := d.serve(t, socket)
	r, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	code := make(chan int, 1)
	go func() {
		code <- Main(ctx, []string{"status", "--watch", "--json"}, term.IO{Out: out, Err: io.Discard})
		_ = out.Close()
	}()
	lines := json.NewDecoder(r)
	next := func(what string, ok func(st control.Status) bool) {
		t.Helper()
		_ = r.SetReadDeadline(time.Now().Add(20 * time.Second))
		var st control.Status
		if err := lines.Decode(&st); err != nil || !ok(st) {
			t.Fatalf("%s: %v, %+v", what, err, st)
		}
	}
	next("at first", func(st control.Status) bool { return st.User == "alice" && !st.Stale })
	d.set(func(st *control.Status) { st.User = "bob" })
	next("a change", func(st control.Status) bool { return st.User == "bob" })
	stop()
	next("no daemon", func(st control.Status) bool { return st.Stale && len(st.Problems) > 0 })
	d.serve(t, socket)
	next("again", func(st control.Status) bool { return st.User == "bob" && !st.Stale })
	cancel()
	if c := <-code; c != term.ExitOK {
		t.Errorf("exit code %d", c)
	}
	if rest, err := io.ReadAll(io.MultiReader(lines.Buffered(), r)); err != nil || strings.TrimSpace(string(rest)) != "" {
		t.Errorf("more came: %q, %v", rest, err)
	}
}

// Who cannot be followed, or written to, is an end.
func TestStatusWatchEnds(t *testing.T) {
	socket := place(t)
	l, err := control.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { // as it was before there was a watch
		ended <- control.Server{UID: os.Getuid(), Status: func(context.Context) (control.Status, error) { return control.Status{}, nil }}.Serve(ctx, l)
	}()
	var talk bytes.Buffer
	if code := Main(t.Context(), []string{"status", "--watch", "--json"}, term.IO{Out: io.Discard, Err: &talk}); code != term.ExitError || !strings.Contains(talk.String(), "older than this command") {
		t.Errorf("exit code %d: %s", code, &talk)
	}
	cancel()
	<-ended
	newTold().serve(t, socket)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	talk.Reset()
	if code := Main(t.Context(), []string{"status", "--watch", "--json"}, term.IO{Out: full, Err: &talk}); code != term.ExitError || !strings.Contains(talk.String(), "no space left") {
		t.Errorf("exit code %d: %s", code, &talk)
	}
	_, tty := pty(t, 24, 80)
	t.Setenv("TERM", "dumb")
	if code := Main(t.Context(), []string{"status", "--watch"}, term.IO{Out: tty, Err: io.Discard}); code != term.ExitUsage {
		t.Errorf("a terminal that cannot move its cursor: exit code %d", code)
	}
}

func TestRestartSees(t *testing.T) {
	t.Parallel()
	st := func(state core.ServiceState, invocation, active string) control.Status {
		return control.Status{Services: []core.Service{{Name: "db.service", State: state}},
			Units: []core.Unit{{Name: "db.service", Invocation: invocation, Active: active}}}
	}
	done := fmt.Errorf("%w", errDone)
	degraded := term.Exit{Code: term.ExitDegraded}
	for name, tt := range map[string]struct {
		before control.Status
		then   []control.Status
		want   error // nil: it waits on
	}{
		"nothing yet":                    {st(core.ServiceWell, "1", "active"), []control.Status{st(core.ServiceWell, "1", "active")}, nil},
		"a new life":                     {st(core.ServiceWell, "1", "active"), []control.Status{st(core.ServiceWell, "2", "active")}, done},
		"well without one":               {st(core.ServiceIll, "1", "active"), []control.Status{st(core.ServiceWell, "1", "active")}, nil},
		"a new life that is not ready":   {st(core.ServiceIll, "1", "active"), []control.Status{st(core.ServiceNotReady, "2", "active")}, nil},
		"given up as before":             {st(core.ServiceGaveUp, "1", "active"), []control.Status{st(core.ServiceGaveUp, "1", "active")}, nil},
		"given up again":                 {st(core.ServiceGaveUp, "1", "active"), []control.Status{st(core.ServiceRestarting, "1", "active"), st(core.ServiceGaveUp, "1", "active")}, degraded},
		"given up in a new life":         {st(core.ServiceGaveUp, "1", "active"), []control.Status{st(core.ServiceGaveUp, "2", "active")}, degraded},
		"stopped as before":              {st(core.ServiceStopped, "1", "inactive"), []control.Status{st(core.ServiceStopped, "1", "inactive")}, nil},
		"stopped meanwhile":              {st(core.ServiceIll, "1", "active"), []control.Status{st(core.ServiceStopped, "1", "inactive")}, degraded},
		"not to be asked as before":      {st(core.ServiceUnknown, "1", "active"), []control.Status{st(core.ServiceUnknown, "1", "active")}, nil},
		"not to be asked in a new life":  {st(core.ServiceUnknown, "1", "active"), []control.Status{st(core.ServiceUnknown, "2", "active")}, degraded},
		"failed as before":               {st(core.ServiceDown, "1", "failed"), []control.Status{st(core.ServiceDown, "1", "failed")}, nil},
		"failed in a new life":           {st(core.ServiceDown, "1", "failed"), []control.Status{st(core.ServiceDown, "2", "failed")}, degraded},
		"removed":                        {st(core.ServiceIll, "1", "active"), []control.Status{{}}, degraded},
		"between two lives, and then up": {st(core.ServiceIll, "1", "active"), []control.Status{st(core.ServiceDown, "1", "inactive"), st(core.ServiceStarting, "2", "active"), st(core.ServiceWell, "2", "active")}, done},
	} {
		r := newRestarts([]string{"db.service"}, tt.before, &teller{w: io.Discard}, time.Now())
		var err error
		for _, s := range tt.then {
			if err != nil {
				t.Errorf("%s: ended too early with %v", name, err)
			}
			err = r.see(s, time.Now())
		}
		var exit term.Exit
		switch {
		case tt.want == nil && err != nil, tt.want == done && !errors.Is(err, errDone),
			tt.want == error(degraded) && (!errors.As(err, &exit) || exit.Code != term.ExitDegraded):
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

// On a terminal there is one line that changes, and none left of it.
func TestTeller(t *testing.T) {
	var out bytes.Buffer
	tell := teller{w: &out, over: true}
	tell.say("db is starting")
	tell.say("db is starting")
	tell.say("db is well")
	tell.end()
	tell.end()
	if got, want := out.String(), "\rdb is starting\x1b[K\rdb is well\x1b[K\r\x1b[K"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
