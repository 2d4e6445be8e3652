package metrics

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"keeper/internal/control"
	"keeper/internal/core"
)

func fine(context.Context) (Snapshot, error) { return example(), nil }

func TestNegotiation(t *testing.T) {
	t.Parallel()
	const prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;escaping=allow-utf-8;q=0.2,*/*;q=0.1"
	for accept, want := range map[string]Format{
		"":                             Plain,
		"*/*":                          Plain,
		"text/html,*/*;q=0.8":          Plain,
		"application/openmetrics-text": OpenMetrics,
		"application/openmetrics-text; version=1.0.0; charset=utf-8": OpenMetrics,
		"Application/OpenMetrics-Text;q=0.1":                         OpenMetrics,
		"application/openmetrics-text;version=9.0.0":                 Plain,
		"application/openmetrics-text;q=0":                           Plain,
		"application/openmetrics-text;q=0.1,text/plain;q=0.2":        Plain,
		"application/openmetrics-text;q=nonsense":                    Plain,
		"application/openmetrics-text;q=NaN":                         Plain,
		"application/openmetrics-text;q=7":                           Plain,
		";;;,,\x00":                                                  Plain,
		prometheus:                                                   OpenMetrics,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		Handler(fine).ServeHTTP(w, r)
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != want.ContentType() {
			t.Errorf("%q: %d, %s; want %s", accept, w.Code, w.Header().Get("Content-Type"), want.ContentType())
		}
		if w.Body.String() != string(Text(example(), want)) {
			t.Errorf("%q: the body is of the other format", accept)
		}
	}
}

func TestSourceFails(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	Handler(func(ctx context.Context) (Snapshot, error) {
		if d, ok := ctx.Deadline(); !ok || time.Until(d) > sourceLimit {
			t.Error("the main loop has no time to answer by")
		}
		return Snapshot{}, errors.New("the main loop does not answer")
	}).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "does not answer") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestCheckListen(t *testing.T) {
	t.Parallel()
	for addr, ok := range map[string]bool{
		"127.0.0.1:9742": true, "127.9.9.9:1": true, "[::1]:9742": true, "[::ffff:127.0.0.1]:9742": true,
		"0.0.0.0:9742": false, ":9742": false, "[::]:9742": false, "192.0.2.1:9742": false, "localhost:9742": true, "localhost.evil:9742": false, "localhost": false, "localhost:0": false,
		"127.0.0.1": false, "127.0.0.1:0": false, "127.0.0.1:http": false, "127.0.0.1:99999": false, "": false, "unix:/x": false,
	} {
		if err := checkListen(addr); (err == nil) != ok {
			t.Errorf("%q: %v", addr, err)
		}
		if !ok {
			if err := Serve(t.Context(), addr, nil, func() {}); err == nil || !strings.Contains(err.Error(), "127.0.0.1:9742") {
				t.Errorf("%q was served, or without a way out: %v", addr, err)
			}
		}
	}
}

func TestServe(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := Serve(t.Context(), addr, Handler(fine), func() {}); err == nil || !strings.Contains(err.Error(), addr) || !strings.Contains(err.Error(), "in use; free the port") {
		t.Errorf("a port that is taken: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, l, Handler(fine)) }()

	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, tt := range []struct {
		method, path, host string
		want               int
	}{
		{http.MethodGet, "/metrics", "", http.StatusOK},
		{http.MethodGet, "/metrics", "localhost:1", http.StatusOK},
		{http.MethodGet, "/metrics", "[::1]:9", http.StatusOK},
		{http.MethodGet, "/metrics", "evil.example:80", http.StatusForbidden},
		{http.MethodGet, "/metrics", "192.0.2.1", http.StatusForbidden},
		{http.MethodPost, "/metrics", "", http.StatusMethodNotAllowed},
		{http.MethodGet, "/", "", http.StatusNotFound},
		{http.MethodGet, "/v1/status", "", http.StatusNotFound},
	} {
		r, err := http.NewRequestWithContext(t.Context(), tt.method, "http://"+addr+tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = tt.host
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != tt.want || (tt.want == http.StatusOK) != strings.Contains(string(body), "keeper_well") {
			t.Errorf("%s %s of %q: %s", tt.method, tt.path, tt.host, resp.Status)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("at the end of its context: %v", err)
	}
	if c, err := net.DialTimeout("tcp", addr, 5*time.Second); err == nil {
		c.Close()
		t.Error("it still listens")
	}
}

func TestServeNotLoopback(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := serve(t.Context(), l, Handler(fine)); err == nil || !strings.Contains(err.Error(), "no loopback") {
		t.Errorf("got %v", err)
	}
	if _, err := l.Accept(); err == nil {
		t.Error("it was left open")
	}
}

// Somebody who opens many connections gets some, and others can ask once they
// are gone.
func TestFew(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &few{Listener: l, free: make(chan struct{}, 1)}
	defer f.Close()
	accepted := make(chan net.Conn, 3)
	go func() {
		for {
			c, err := f.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		return c
	}
	dial()
	first := <-accepted
	if _, err := dial().Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second one was not closed: %v", err)
	}
	first.Close()
	first.Close() // twice gives room once
	dial()
	third := <-accepted
	if n := len(f.free); n != 1 {
		t.Errorf("%d are counted, want 1", n)
	}
	third.Close()
}

func TestCounts(t *testing.T) {
	t.Parallel()
	c := NewCounts()
	c.Probed("a", time.Second)
	c.Probed("a", 2*time.Second)
	c.Restarted("a", "b")
	c.Decided(core.Note)
	st := control.Status{Services: []core.Service{{Name: "a"}, {Name: "new"}}}
	s := c.Snapshot(st, 9)
	if a := s.Services["a"]; a.Probes != 2 || a.Took != 2*time.Second || a.Restarts != 1 || a.Began.IsZero() {
		t.Errorf("a is %+v", a)
	}
	if n := s.Services["new"]; n.Probes != 0 || n.Began.IsZero() {
		t.Errorf("what was never counted is %+v, want 0 since now", n)
	}
	if _, ok := s.Services["b"]; ok || s.Decisions[core.Note] != 1 || s.Survived != 9 {
		t.Errorf("got %+v", s)
	}
	// The snapshot is nobody else's.
	c.Probed("new", time.Second)
	c.Decided(core.Note)
	if s.Services["new"].Probes != 0 || s.Decisions[core.Note] != 1 {
		t.Error("a snapshot changed afterwards")
	}
	if again := c.Snapshot(st, 9); !again.Services["a"].Began.Equal(s.Services["a"].Began) || again.Services["new"].Probes != 1 || !again.Services["new"].Began.Equal(s.Services["new"].Began) {
		t.Errorf("what was counted was lost: %+v", again.Services)
	}
	if gone := c.Snapshot(control.Status{}, 9); len(gone.Services) != 0 || len(c.services) != 0 {
		t.Errorf("what is gone is kept: %v", c.services)
	}
}

func TestReadProcess(t *testing.T) {
	t.Parallel()
	p, err := ReadProcess()
	if err != nil {
		t.Fatal(err)
	}
	if p.CPU <= 0 || p.Resident < 1<<20 || p.Resident > 1<<34 || p.FDs < 3 || time.Since(p.Started) < 0 || time.Since(p.Started) > time.Hour {
		t.Errorf("got %+v", p)
	}
}
