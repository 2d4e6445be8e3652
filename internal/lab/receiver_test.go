package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"keeper/internal/core"
)

// What a receiver of alerts does to whoever calls it.
type manners string

const (
	// takes: it answers 200.
	takes manners = "takes"
	// fails: it answers 500.
	fails manners = "fails"
	// slow: it answers 200, after half a minute.
	slow manners = "slow"
	// closed: nobody listens.
	closed manners = "closed"
)

// slowness is longer than any channel of the tests waits.
const slowness = 30 * time.Second

// Where it listens on the host, and the paths that it takes in.
const (
	receiverAddr = "127.0.0.1:9099"
	hookPath     = "/hook"
	beatPath     = "/beat"
	managerPath  = "/manager/api/v2/alerts"
)

// receiver takes alerts on a host, on whose loopback it listens. It lives in the test,
// and so through whatever dies on the host; after a reboot it listens anew.
type receiver struct {
	h      *Host
	failed func(format string, args ...any)
	stop   context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex
	manners manners
	calls   []call
}

// call is one request, and what it was answered.
type call struct {
	at           time.Time
	path, key    string
	body         []byte
	alert        core.Alert // of hookPath
	status       int        // 0: whoever called did not wait for it
	answeredWith manners
}

// receive starts a receiver.
func receive(t *testing.T, h *Host) *receiver {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &receiver{h: h, failed: t.Errorf, stop: cancel, done: make(chan struct{}), manners: takes}
	go r.run(ctx)
	t.Cleanup(func() { cancel(); <-r.done })
	await(t, 10*time.Second, "the receiver listens", func(context.Context) bool { return r.listens() })
	return r
}

// listens says whether somebody does.
func (r *receiver) listens() bool {
	c, err := r.h.dial(context.Background(), "tcp", receiverAddr)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// run listens for as long as it is to, on the host's loopback of now.
func (r *receiver) run(ctx context.Context) {
	defer close(r.done)
	var server *http.Server
	leader := 0
	end := func() {
		if server != nil {
			_ = server.Close()
		}
		server, leader = nil, 0
	}
	defer end()
	for ctx.Err() == nil {
		now, err := r.h.leader()
		if err != nil || now != leader || r.is(closed) {
			end()
		}
		if server == nil && err == nil && !r.is(closed) {
			// At the begin of a boot there is no loopback yet.
			if l, err := r.h.listen(ctx, "tcp", receiverAddr); err == nil {
				server, leader = r.serve(l), now
			}
		}
		_ = pause(ctx, 20*time.Millisecond)
	}
}

func (r *receiver) serve(l net.Listener) *http.Server {
	s := &http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second}
	s.SetKeepAlivesEnabled(false)
	go func() { _ = s.Serve(l) }()
	return s
}

func (r *receiver) is(m manners) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.manners == m
}

// set says how it is from now on. It returns when that is so.
func (r *receiver) set(t *testing.T, m manners) {
	t.Helper()
	r.mu.Lock()
	r.manners = m
	r.mu.Unlock()
	await(t, 10*time.Second, "the receiver is "+string(m), func(context.Context) bool { return r.listens() == (m != closed) })
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	at := time.Now()
	body, err := io.ReadAll(io.LimitReader(req.Body, 1<<20))
	if err != nil {
		return // whoever called went away
	}
	c := call{at: at, path: req.URL.Path, key: req.Header.Get("Idempotency-Key"), body: body, status: http.StatusOK}
	r.mu.Lock()
	c.answeredWith = r.manners
	r.mu.Unlock()
	switch {
	case !slices.Contains([]string{hookPath, beatPath, managerPath}, c.path):
		c.status = http.StatusNotFound
	case c.answeredWith == fails:
		c.status = http.StatusInternalServerError
	case c.answeredWith == slow:
		if pause(req.Context(), slowness) != nil {
			c.status = 0
		}
	}
	if c.path == hookPath {
		if err := json.Unmarshal(body, &c.alert); err != nil {
			r.failed("the webhook got what is no JSON: %v: %s", err, body)
		}
		if c.alert.Key != c.key {
			r.failed("the Idempotency-Key is %q, and that of the alert %q", c.key, c.alert.Key)
		}
	}
	if c.status != 0 {
		w.WriteHeader(c.status)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, c)
}

// all are the calls of a path since then.
func (r *receiver) all(path string, since time.Time) []call {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []call
	for _, c := range r.calls {
		if c.path == path && c.at.After(since) {
			list = append(list, c)
		}
	}
	return list
}

// taken are the calls that were answered 200.
func (r *receiver) taken(path string, since time.Time) []call {
	return slices.DeleteFunc(r.all(path, since), func(c call) bool { return c.status != http.StatusOK })
}

// told waits until as many alerts about an incident of that root have arrived, of these
// kinds, and returns them.
func (r *receiver) told(t *testing.T, limit time.Duration, since time.Time, root string, kinds ...core.AlertKind) []call {
	t.Helper()
	var found []call
	defer func() {
		if t.Failed() {
			t.Logf("arrived:\n%s", r.tell(since))
		}
	}()
	await(t, limit, fmt.Sprintf("the alerts %v about %s arrive", kinds, root), func(context.Context) bool {
		found = r.about(since, root)
		return len(found) >= len(kinds)
	})
	for n, k := range kinds {
		if found[n].alert.Kind != k {
			t.Errorf("alert %d about %s is %s, want %s", n+1, root, found[n].alert.Kind, k)
		}
		if found[n].alert.Incident != found[0].alert.Incident {
			t.Errorf("one incident became two: %s and %s", found[0].alert.Incident, found[n].alert.Incident)
		}
	}
	return found
}

// about are the alerts that were taken about incidents of a root.
func (r *receiver) about(since time.Time, root string) []call {
	return slices.DeleteFunc(r.taken(hookPath, since), func(c call) bool { return c.alert.Root != root })
}

// once fails where an alert was taken twice.
func (r *receiver) once(t *testing.T) {
	t.Helper()
	for _, path := range []string{hookPath, managerPath} {
		times := map[string]int{}
		for _, c := range r.taken(path, time.Time{}) {
			times[c.key]++
		}
		for _, key := range slices.Sorted(maps.Keys(times)) {
			if times[key] != 1 {
				t.Errorf("the alert %s arrived %d times at %s:\n%s", key, times[key], path, r.tell(time.Time{}))
			}
		}
	}
}

// tell is what arrived, a line each.
func (r *receiver) tell(since time.Time) string {
	var b strings.Builder
	for _, c := range append(r.all(hookPath, since), r.all(managerPath, since)...) {
		fmt.Fprintf(&b, "%s %s %d (%s) %s %s %s: %s\n", c.at.Format("15:04:05.000"), c.path, c.status, c.answeredWith, c.key, c.alert.Root, c.alert.Kind, c.alert.Title)
	}
	return b.String()
}
