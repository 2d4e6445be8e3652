package control

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"keeper/internal/core"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func socketPath(t *testing.T) string { return filepath.Join(t.TempDir(), "keeper", "keeper.sock") }

// serve answers on the socket until the test ends.
func serve(t *testing.T, l net.Listener, status func(ctx context.Context) (Status, error)) context.CancelFunc {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Server{UID: os.Getuid(), Status: status}.Serve(ctx, l) }()
	stop := func() {
		cancel()
		if err, ok := <-ended; ok {
			close(ended)
			if err != nil {
				t.Errorf("Serve returned %v, want nothing at the end of its context", err)
			}
		}
	}
	t.Cleanup(stop)
	return stop
}

func listen(t *testing.T, path string) net.Listener {
	t.Helper()
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func fine(context.Context) (Status, error) {
	return Status{Version: WireVersion, At: noon, User: "app", Well: true, Problems: []Problem{},
		Units: []core.Unit{{Name: "db.service", Active: "active"}}}, nil
}

func TestGet(t *testing.T) {
	path := socketPath(t)
	serve(t, listen(t, path), fine)
	want, _ := fine(t.Context())
	for range 3 {
		got, err := Get(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if !got.At.Equal(noon) || got.User != want.User || !got.Well || !reflect.DeepEqual(got.Units, want.Units) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestGetUnreachable(t *testing.T) {
	path := socketPath(t)
	check := func(what string) {
		t.Helper()
		if _, err := Get(t.Context(), path); !errors.Is(err, ErrUnreachable) {
			t.Errorf("%s: got %v, want ErrUnreachable", what, err)
		}
	}
	check("no directory")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	check("no socket")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	check("a file")
	stale(t, path)
	check("a socket without anybody behind it")
	stop := serve(t, listen(t, path), fine)
	stop()
	check("a daemon that has ended")
}

// stale leaves a socket behind as a daemon that was killed does.
func stale(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
}

func TestStatusError(t *testing.T) {
	path := socketPath(t)
	serve(t, listen(t, path), func(context.Context) (Status, error) {
		return Status{}, errors.New("the main loop does not answer")
	})
	_, err := Get(t.Context(), path)
	if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "503") || !strings.Contains(err.Error(), "the main loop does not answer") {
		t.Errorf("got %v, want ErrUnreachable with 503 and the daemon's own words", err)
	}
}

// A loop that is stuck must not make the client hang: Status is given an end.
func TestStatusHasDeadline(t *testing.T) {
	path := socketPath(t)
	left := make(chan time.Duration, 1)
	serve(t, listen(t, path), func(ctx context.Context) (Status, error) {
		d, _ := ctx.Deadline()
		left <- time.Until(d)
		return fine(ctx)
	})
	if _, err := Get(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if d := <-left; d <= 0 || d > 5*time.Second {
		t.Errorf("the main loop has %v to answer; the client waits for 5s", d)
	}
}

func TestGetRubbish(t *testing.T) {
	path := socketPath(t)
	l := listen(t, path)
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"version": "one"}`))
	}), ReadHeaderTimeout: 20 * time.Second}
	go func() { _ = srv.Serve(l) }()
	defer srv.Close()
	if _, err := Get(t.Context(), path); err == nil || errors.Is(err, ErrUnreachable) {
		t.Errorf("got %v, want that the answer cannot be read: somebody did answer", err)
	}
}

func TestUnknownPaths(t *testing.T) {
	path := socketPath(t)
	serve(t, listen(t, path), fine)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		}}}
	for _, tt := range []struct {
		method, path string
		want         int
	}{
		{http.MethodGet, "/v1/status", http.StatusOK},
		{http.MethodPost, "/v1/status", http.StatusMethodNotAllowed},
		{http.MethodGet, "/", http.StatusNotFound},
		{http.MethodGet, "/v2/status", http.StatusNotFound},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tt.method, "http://keeper"+tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != tt.want {
			t.Errorf("%s %s: %d, want %d", tt.method, tt.path, resp.StatusCode, tt.want)
		}
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	l := listen(t, path)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	answer := "x 1\n# EOF\n"
	go func() {
		ended <- Server{UID: os.Getuid(), Status: fine, Metrics: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if accept := r.Header.Get("Accept"); !strings.Contains(accept, "openmetrics") {
				t.Errorf("asked for %q", accept)
			}
			_, _ = w.Write([]byte(answer))
		})}.Serve(ctx, l)
	}()
	if got, err := Metrics(t.Context(), path); err != nil || string(got) != answer {
		t.Errorf("got %q, %v", got, err)
	}
	answer = strings.Repeat("x", maxAnswer+1)
	if got, err := Metrics(t.Context(), path); err == nil || got != nil || errors.Is(err, ErrUnreachable) {
		t.Errorf("an endless answer: %d bytes, %v", len(got), err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := Metrics(t.Context(), path); !errors.Is(err, ErrUnreachable) {
		t.Errorf("without the daemon: %v", err)
	}
}

// The mode is the socket's own: the mask of the process is as it was, for it
// holds for all that others write meanwhile.
func TestListenMode(t *testing.T) {
	for _, mask := range []int{0, 0o022, 0o077} {
		before := syscall.Umask(mask)
		path := socketPath(t)
		listen(t, path)
		after := syscall.Umask(before)
		for p, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
			if info, err := os.Stat(p); err != nil || info.Mode().Perm() != want {
				t.Errorf("umask %#o: %s: %v, %v, want %v", mask, p, info.Mode(), err, want)
			}
		}
		if after != mask {
			t.Errorf("Listen left the umask at %#o, want %#o", after, mask)
		}
	}
}

func TestListenReplaces(t *testing.T) {
	path := socketPath(t)
	stale(t, path)
	serve(t, listen(t, path), fine)
	if _, err := Get(t.Context(), path); err != nil {
		t.Errorf("over a stale socket: %v", err)
	}

	path = socketPath(t)
	if err := os.MkdirAll(filepath.Join(path, "inside"), 0o700); err != nil {
		t.Fatal(err)
	}
	if l, err := Listen(path); err == nil {
		l.Close()
		t.Error("a directory was replaced")
	}
}

func TestListenRefusesLiveSocket(t *testing.T) {
	path := socketPath(t)
	serve(t, listen(t, path), fine)
	l, err := Listen(path)
	if err == nil {
		l.Close()
		t.Fatal("took the socket of a daemon that lives")
	}
	if !strings.Contains(err.Error(), "another keeper") || !strings.Contains(err.Error(), path) {
		t.Errorf("%q does not say who has the socket", err)
	}
	if _, err := Get(t.Context(), path); err != nil {
		t.Errorf("the first daemon was hurt: %v", err)
	}
}

// open lets everybody connect, as the modes of Listen do not: what is tested
// is what holds if a mode is wrong one day.
func open(t *testing.T, path string) {
	t.Helper()
	for p := path; p != os.TempDir() && p != "/"; p = filepath.Dir(p) {
		if err := os.Chmod(p, 0o777); err != nil {
			t.Fatal(err)
		}
	}
}

func TestForeignPeer(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	path := socketPath(t)
	var asked atomic.Int32
	l := listen(t, path)
	open(t, path)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Server{UID: 4000, Status: func(ctx context.Context) (Status, error) {
			asked.Add(1)
			return fine(ctx)
		}}.Serve(ctx, l)
	}()
	for _, tt := range []struct {
		name string
		uid  int
		want bool
	}{
		{"nobody", 65534, false},
		{"another account", 4001, false},
		{"the account itself", 4000, true},
		{"root", 0, true},
	} {
		line, err := ask(t, tt.uid, path)
		if ok := strings.Contains(line, "200 OK"); ok != tt.want {
			t.Errorf("%s: answered %v (%q, %v), want %v", tt.name, ok, line, err, tt.want)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("the status was made %d times, want for the two who may ask", n)
	}
}

// ask connects as somebody, and returns the first words of the answer. Only
// this thread changes its user: the system call, unlike the function of
// package syscall, is the thread's own, and so is what SO_PEERCRED shows.
func ask(t *testing.T, uid int, path string) (string, error) {
	t.Helper()
	const keep = ^uintptr(0)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if _, _, e := syscall.RawSyscall(syscall.SYS_SETRESUID, keep, uintptr(uid), keep); e != 0 {
		t.Skip("cannot become somebody else: ", e)
	}
	c, err := net.Dial("unix", path)
	if _, _, e := syscall.RawSyscall(syscall.SYS_SETRESUID, keep, 0, keep); e != 0 {
		panic(e) // nothing else may run on this thread
	}
	if err != nil {
		t.Skipf("uid %d cannot reach the directory of the tests: %v", uid, err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	// It may be closed already, which the answer shows.
	_, _ = c.Write([]byte("GET /v1/status HTTP/1.1\r\nHost: keeper\r\nConnection: close\r\n\r\n"))
	buf := make([]byte, 64)
	n, err := c.Read(buf)
	return string(buf[:n]), err
}

// The wire is read by other programs: what is listed is a list, never null.
func TestWire(t *testing.T) {
	st := Status{Version: WireVersion, Units: []core.Unit{}, Problems: Problems(Status{Linger: Linger{State: core.LingerOn}, Rearm: Rearm{Armed: true}}),
		Survivals: Survivals(nil), Decisions: []core.Decision{}}
	data, err := json.Marshal(st)
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{`"units":[]`, `"problems":[]`, `"survivals":[]`, `"decisions":[]`, `"version":1`} {
		if !strings.Contains(string(data), field) {
			t.Errorf("%s is missing from %s", field, data)
		}
	}
	if strings.Contains(string(data), "stand_down") {
		t.Errorf("keeper does not stand down, and yet: %s", data)
	}
}

func TestSurvivals(t *testing.T) {
	list := []core.Survival{
		{At: noon, Cause: "first", Outage: 1500 * time.Millisecond},
		{At: noon.Add(time.Hour), Cause: "second", Outage: 2*time.Second + 999*time.Microsecond,
			Services: []core.Outage{{Name: "db.service", Outage: time.Second}}},
	}
	want := []Survival{
		{At: noon.Add(time.Hour), Cause: "second", OutageMS: 2000, Services: []Outage{{Name: "db.service", OutageMS: 1000}}},
		{At: noon, Cause: "first", OutageMS: 1500},
	}
	if got := Survivals(list); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v: newest first, in milliseconds", got, want)
	}
}
