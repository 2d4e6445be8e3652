package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keeper/internal/core"
)

func TestChanges(t *testing.T) {
	t.Parallel()
	var c Changes
	c.Tell() // nobody is there
	told, stop, ok := c.Watch()
	if !ok {
		t.Fatal("the first watcher was turned away")
	}
	c.Tell()
	c.Tell() // nobody reads: it does not wait
	<-told
	select {
	case <-told:
		t.Error("told twice of what was told before it was looked at")
	default:
	}
	var stops []func()
	for range mostWatchers - 1 {
		_, stop, ok := c.Watch()
		if !ok {
			t.Fatal("turned away too early")
		}
		stops = append(stops, stop)
	}
	if _, _, ok := c.Watch(); ok {
		t.Errorf("more than %d watchers", mostWatchers)
	}
	stop()
	stop() // twice is no harm
	if _, _, ok := c.Watch(); !ok {
		t.Error("a place that was left is not free")
	}
	for _, stop := range stops {
		stop()
	}
}

// state is a daemon whose status can be changed.
type state struct {
	mu      sync.Mutex
	st      Status
	err     error
	asked   atomic.Int32
	changes Changes
}

func (s *state) status(context.Context) (Status, error) {
	s.asked.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.st
	st.At = time.Now()
	return st, s.err
}

func (s *state) set(change func(s *state)) {
	s.mu.Lock()
	change(s)
	s.mu.Unlock()
	s.changes.Tell()
}

// serving answers for the state, until the returned function is called.
func (s *state) serving(t *testing.T, path string) (stop func()) {
	t.Helper()
	l := listen(t, path)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Server{UID: os.Getuid(), Status: s.status, Changes: &s.changes}.Serve(ctx, l) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("Serve: %v", err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

// watching gathers the users' names of the statuses that come.
func watching(t *testing.T, path string) (seen <-chan string, ended <-chan error) {
	t.Helper()
	s, e := make(chan string, 1000), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		e <- Watch(ctx, path, func(st Status) error { s <- st.User; return nil })
	}()
	t.Cleanup(func() { cancel(); <-done })
	return s, e
}

func next(t *testing.T, seen <-chan string) string {
	t.Helper()
	select {
	case s := <-seen:
		return s
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came")
		return ""
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	s := &state{st: Status{User: "a"}}
	stop := s.serving(t, path)
	seen, ended := watching(t, path)
	if got := next(t, seen); got != "a" {
		t.Fatalf("at first came %q", got)
	}
	// What is not different is not told: the next that comes is c.
	s.set(func(*state) {})
	asked := s.asked.Load()
	for s.asked.Load() == asked {
		time.Sleep(time.Millisecond)
	}
	s.set(func(s *state) { s.st.User = "c" })
	if got := next(t, seen); got != "c" {
		t.Errorf("then came %q", got)
	}
	// A storm is gathered, and its end is told.
	begun := time.Now()
	for i := range 500 {
		s.set(func(s *state) { s.st.User = fmt.Sprint(i) })
	}
	n := 1
	for next(t, seen) != "499" {
		n++
	}
	if most := int(time.Since(begun)/watchGap) + 2; n > most {
		t.Errorf("%d statuses came in %s", n, time.Since(begun))
	}
	stop()
	if err := <-ended; !errors.Is(err, ErrUnreachable) {
		t.Errorf("at the end of the daemon: %v", err)
	}
}

// With nothing to tell, nobody is asked.
func TestWatchIsIdle(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	s := &state{st: Status{User: "a"}}
	s.serving(t, path)
	seen, _ := watching(t, path)
	next(t, seen)
	select {
	case got := <-seen:
		t.Errorf("%q came unasked", got)
	case <-time.After(3 * watchGap):
	}
	if n := s.asked.Load(); n != 1 {
		t.Errorf("the status was made %d times", n)
	}
}

// watchers is how many have a place.
func (s *state) watchers() int {
	s.changes.mu.Lock()
	defer s.changes.mu.Unlock()
	return len(s.changes.watchers)
}

// The limits of the server for short answers do not hold for a watch.
func TestWatchLasts(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for the limits of the server")
	}
	t.Parallel()
	path := socketPath(t)
	s := &state{st: Status{User: "a"}}
	s.serving(t, path)
	seen, ended := watching(t, path)
	next(t, seen)
	select {
	case err := <-ended:
		t.Fatalf("it ended by itself: %v", err)
	case <-time.After(11 * time.Second): // WriteTimeout, and ReadTimeout before
	}
	s.set(func(s *state) { s.st.User = "b" })
	if got := next(t, seen); got != "b" {
		t.Errorf("then came %q", got)
	}
}

func TestWatchFails(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	never := func(Status) error { t.Error("something was seen"); return nil }
	if err := Watch(t.Context(), path, never); !errors.Is(err, ErrUnreachable) {
		t.Errorf("without a daemon: %v", err)
	}
	s := &state{err: errors.New("the main loop does not answer")}
	stop := s.serving(t, path)
	if err := Watch(t.Context(), path, never); !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "the main loop does not answer") {
		t.Errorf("with a daemon that fails: %v", err)
	}
	s.set(func(s *state) { s.err = nil })
	enough := errors.New("enough")
	if err := Watch(t.Context(), path, func(Status) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("who had enough: %v", err)
	}
	// The server notices a little later that he is gone, and his place is free.
	for begun := time.Now(); s.watchers() > 0; time.Sleep(time.Millisecond) {
		if time.Since(begun) > 20*time.Second {
			t.Fatalf("%d watchers have places, and nobody watches", s.watchers())
		}
	}
	for range mostWatchers {
		seen, _ := watching(t, path)
		next(t, seen)
	}
	if err := Watch(t.Context(), path, never); err == nil || errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "16 others") {
		t.Errorf("one too many: %v", err)
	}
	stop()
	// A daemon from before there was a watch.
	serve(t, listen(t, path), fine)
	if err := Watch(t.Context(), path, never); !errors.Is(err, ErrOld) {
		t.Errorf("an old daemon: %v", err)
	}
}

// A watcher who does not read keeps nobody else from it, and loses its place.
func TestWatchSlowReader(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for the limit of a write")
	}
	t.Parallel()
	path := socketPath(t)
	big := make([]core.Decision, 2000) // more than a socket buffers
	for i := range big {
		big[i].Reason = strings.Repeat("x", 500)
	}
	s := &state{st: Status{User: "a", Decisions: big}}
	s.serving(t, path)
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET /v1/watch HTTP/1.1\r\nHost: keeper\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	for s.watchers() == 0 {
		time.Sleep(time.Millisecond)
	}
	seen, _ := watching(t, path)
	next(t, seen)
	s.set(func(s *state) { s.st.User = "b" })
	if got := next(t, seen); got != "b" {
		t.Errorf("then came %q", got)
	}
	for begun := time.Now(); s.watchers() != 1; time.Sleep(10 * time.Millisecond) {
		if time.Since(begun) > 4*watchWrite {
			t.Fatalf("%d watchers have places, want the one who reads", s.watchers())
		}
	}
}

// What the daemon had not finished saying is not taken for an answer.
func TestWatchCutShort(t *testing.T) {
	t.Parallel()
	one, err := json.Marshal(Status{User: "a"})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		body string
		want error // nil: another
	}{
		"in the midst of a line": {string(one) + "\n" + string(one[:10]), ErrUnreachable},
		"at the end of one":      {string(one) + "\n", ErrUnreachable},
		"rubbish":                {string(one) + "\nrubbish\n" + string(one) + "\n", nil},
		"a line without end":     {string(one) + "\n" + strings.Repeat("x", maxAnswer+1), ErrUnreachable},
	} {
		path := socketPath(t)
		l := listen(t, path)
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			_, _ = c.Read(make([]byte, 4096))
			_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n%s", tt.body)
		}()
		n := 0
		err := Watch(t.Context(), path, func(Status) error { n++; return nil })
		if n != 1 || err == nil || errors.Is(err, ErrUnreachable) != (tt.want != nil) {
			t.Errorf("%s: %d seen, %v", name, n, err)
		}
	}
}
