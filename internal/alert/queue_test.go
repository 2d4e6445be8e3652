package alert

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"keeper/internal/core"
)

// receiver is somebody who is told, and may be in a bad mood.
type receiver struct {
	*httptest.Server
	mu    sync.Mutex
	got   []string // keys, of what was taken
	asked int
	mood  func(w http.ResponseWriter, r *http.Request) bool // true: it is taken
	news  chan struct{}
	auth  string
	body  []byte
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{news: make(chan struct{}, 10_000)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		mood := r.mood
		r.asked++
		r.auth, r.body = req.Header.Get("Authorization"), body
		r.mu.Unlock()
		if mood == nil || mood(w, req) {
			r.mu.Lock()
			r.got = append(r.got, req.Header.Get("Idempotency-Key"))
			r.mu.Unlock()
		}
		r.news <- struct{}{}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) setMood(f func(w http.ResponseWriter, r *http.Request) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mood = f
}

func answer(code int) func(w http.ResponseWriter, r *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(code); return false }
}

func (r *receiver) keys() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// await waits until the receiver was asked once more.
func (r *receiver) await(t *testing.T) {
	t.Helper()
	select {
	case <-r.news:
	case <-time.After(10 * time.Second):
		t.Fatal("nobody came")
	}
}

func (r *receiver) channel(name string) core.Channel {
	return core.Channel{Name: name, Kind: core.ChannelWebhook, URL: core.Secret{Plain: r.URL}}
}

// queueIn is one that runs until the test ends, or stop is called.
func queueIn(t *testing.T, dir string, channels ...core.Channel) (q *Queue, told func() []string, stop func()) {
	t.Helper()
	q, err := Open(dir, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var lines []string
	q.Told = func(e core.Entry) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, e.What)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { q.Run(ctx); close(done) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	q.Set(core.Alerts{Channels: channels})
	return q, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(lines)
	}, stop
}

func of(incident string, n int) core.Alert {
	return core.Alert{Key: fmt.Sprintf("%s/%d", incident, n), Incident: incident, Kind: core.AlertOpened, Urgency: core.UrgencyCritical, Title: "db is down", Text: "a text\n"}
}

func mustAdd(t *testing.T, q *Queue, alerts ...core.Alert) {
	t.Helper()
	for _, a := range alerts {
		if err := q.Add(a); err != nil {
			t.Fatal(err)
		}
	}
}

// empty waits until nothing waits any more.
func empty(t *testing.T, q *Queue) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); len(q.Waiting()) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still waiting: %+v", q.Waiting())
		}
	}
}

func TestSentOnce(t *testing.T) {
	t.Parallel()
	r, dir := newReceiver(t), t.TempDir()
	q, told, stop := queueIn(t, dir, r.channel("ops"))
	q.Host, q.User = "host", "user"
	mustAdd(t, q, of("a", 1), of("a", 1), of("a", 2))
	empty(t, q)
	stop()
	if got := r.keys(); !slices.Equal(got, []string{"a/1", "a/2"}) {
		t.Errorf("got %q", got)
	}
	if lines := told(); !slices.Equal(lines, []string{"alert a/1 was sent to ops", "alert a/2 was sent to ops"}) {
		t.Errorf("told %q", lines)
	}
	var body struct {
		Version    int
		Host, User string
		Title      string
	}
	if err := json.Unmarshal(r.body, &body); err != nil || body.Version != 1 || body.Host != "host" || body.User != "user" || body.Title != "db is down" {
		t.Errorf("the body is %s, %v", r.body, err)
	}
	// The daemon of the next life hands them over again.
	q, _, _ = queueIn(t, dir, r.channel("ops"))
	mustAdd(t, q, of("a", 1), of("a", 2), of("b", 1))
	empty(t, q)
	if got := r.keys(); !slices.Equal(got, []string{"a/1", "a/2", "b/1"}) {
		t.Errorf("in the next life: %q", got)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("left on disk: %v, %v", files, err)
	}
}

// A receiver that is not there, says 500, and comes back gets everything, in order, and
// nothing twice; nobody else waits for it.
func TestDownAndBack(t *testing.T) {
	t.Parallel()
	bad, good := newReceiver(t), newReceiver(t)
	bad.setMood(answer(500))
	q, told, _ := queueIn(t, t.TempDir(), bad.channel("bad"), good.channel("good"))
	mustAdd(t, q, of("a", 1), of("a", 2), of("b", 1))
	for range 3 {
		good.await(t)
	}
	bad.await(t)
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		if w := q.Waiting(); len(w) == 1 && w[0].Channel == "bad" && w[0].Count == 3 && strings.Contains(w[0].Err, "500") {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("waiting: %+v", q.Waiting())
		}
	}
	bad.setMood(nil)
	empty(t, q) // after a second, the first wait
	for _, r := range []*receiver{bad, good} {
		if got := r.keys(); !slices.Equal(got, []string{"a/1", "a/2", "b/1"}) {
			t.Errorf("got %q", got)
		}
	}
	if lines := told(); !slices.Contains(lines, "alert a/1 could not be sent to bad, and waits") || !slices.Contains(lines, "alert a/1 was sent to bad, at the 2. try") {
		t.Errorf("told %q", lines)
	}
}

// A channel that is back takes all that waited, of whatever incident, at once.
func TestBackForAll(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	r.setMood(answer(500))
	q, _, _ := queueIn(t, t.TempDir(), r.channel("ops"))
	mustAdd(t, q, of("a", 1), of("b", 1), of("c", 1))
	for range 2 { // at once, and a second later
		r.await(t)
	}
	r.setMood(nil)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for len(r.keys()) == 0 && ctx.Err() == nil {
		q.Flush(ctx)
	}
	empty(t, q)
	if got := r.keys(); !slices.Equal(got, []string{"a/1", "b/1", "c/1"}) {
		t.Errorf("got %q", got)
	}
}

// What waited when keeper ended is sent by the next one.
func TestAcrossTheEnd(t *testing.T) {
	t.Parallel()
	r, dir := newReceiver(t), t.TempDir()
	r.setMood(answer(500))
	q, _, stop := queueIn(t, dir, r.channel("ops"))
	mustAdd(t, q, of("a", 1))
	r.await(t)
	stop()
	r.setMood(nil)
	q, _, _ = queueIn(t, dir, r.channel("ops"))
	mustAdd(t, q, of("a", 1), of("a", 2))
	empty(t, q)
	if got := r.keys(); !slices.Equal(got, []string{"a/1", "a/2"}) {
		t.Errorf("got %q", got)
	}
}

// The last gasp does not wait for a channel's pause, nor for who is slow.
func TestFlush(t *testing.T) {
	t.Parallel()
	r, slow := newReceiver(t), newReceiver(t)
	r.setMood(answer(500))
	held := make(chan struct{})
	slow.setMood(func(http.ResponseWriter, *http.Request) bool { <-held; return true })
	defer close(held)
	q, _, _ := queueIn(t, t.TempDir(), r.channel("ops"), slow.channel("slow"))
	mustAdd(t, q, of("a", 1))
	r.await(t)
	r.setMood(nil)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	mustAdd(t, q, of("b", 1))
	q.Flush(ctx)
	if got := r.keys(); !slices.Equal(got, []string{"a/1", "b/1"}) {
		t.Errorf("got %q", got)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	r.setMood(func(w http.ResponseWriter, req *http.Request) bool {
		if req.Header.Get("Idempotency-Key") == "a/1" {
			w.WriteHeader(http.StatusBadRequest)
			return false
		}
		return true
	})
	q, _, _ := queueIn(t, t.TempDir(), r.channel("ops"))
	mustAdd(t, q, of("a", 1), of("a", 2), of("b", 1))
	r.await(t)
	r.await(t)
	for end := time.Now().Add(5 * time.Second); q.Waiting()[0].Count != 2; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waiting: %+v", q.Waiting())
		}
	}
	if got := r.keys(); !slices.Equal(got, []string{"b/1"}) {
		t.Errorf("what is not taken holds up others, or is overtaken: %q", got)
	}
	w := q.Waiting()
	if len(w) != 1 || w[0].Count != 2 || time.Until(w[0].Next) < 50*time.Minute {
		t.Errorf("waiting %+v", w)
	}
	// Somebody sets the channel right: it is tried at once.
	r.setMood(nil)
	c := r.channel("ops")
	c.Timeout = 3 * time.Second
	q.Set(core.Alerts{Channels: []core.Channel{c}})
	empty(t, q)
	if got := r.keys(); !slices.Equal(got, []string{"b/1", "a/1", "a/2"}) {
		t.Errorf("got %q", got)
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	r.setMood(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Retry-After", "100000000")
		w.WriteHeader(http.StatusTooManyRequests)
		return false
	})
	q, _, _ := queueIn(t, t.TempDir(), r.channel("ops"))
	mustAdd(t, q, of("a", 1))
	r.await(t)
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		if w := q.Waiting(); len(w) == 1 && w[0].Err != "" {
			if d := time.Until(w[0].Next); d < 50*time.Minute || d > maxRetryAfter {
				t.Errorf("the next try is in %v", d)
			}
			return
		}
		if time.Now().After(end) {
			t.Fatal("nothing waits")
		}
	}
}

func TestChannelsComeAndGo(t *testing.T) {
	t.Parallel()
	r, other := newReceiver(t), newReceiver(t)
	r.setMood(answer(500))
	warnings := other.channel("critical")
	warnings.Least = core.UrgencyCritical
	q, told, _ := queueIn(t, t.TempDir(), r.channel("gone"), warnings)
	warning := of("w", 1)
	warning.Urgency = core.UrgencyWarning
	mustAdd(t, q, of("a", 1), warning)
	r.await(t)
	other.await(t)
	q.Set(core.Alerts{Channels: []core.Channel{warnings, r.channel("new")}})
	empty(t, q)
	if got := other.keys(); !slices.Equal(got, []string{"a/1"}) {
		t.Errorf("got %q", got)
	}
	if lines := told(); !slices.Contains(lines, "alert a/1 does not go to gone") {
		t.Errorf("told %q", lines)
	}
}

// Before the settings are known, nothing is sent, and nothing lost.
func TestBeforeTheSettings(t *testing.T) {
	t.Parallel()
	r, dir := newReceiver(t), t.TempDir()
	first, err := Open(dir, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	mustAdd(t, first, of("a", 1)) // and it ends before it knew them
	q, _, _ := queueIn(t, dir, r.channel("ops"))
	empty(t, q)
	r.await(t)
	if got := r.keys(); !slices.Equal(got, []string{"a/1"}) {
		t.Errorf("got %q", got)
	}
}

func TestDamagedQueue(t *testing.T) {
	t.Parallel()
	r, dir := newReceiver(t), t.TempDir()
	for name, content := range map[string]string{"a_1.json": "{", sentName: "\x00\x00", "b_1.json": strings.Repeat("[", 1<<16)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	q, err := Open(dir, time.Now())
	if err == nil || !strings.Contains(err.Error(), "set aside") {
		t.Fatalf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { q.Run(ctx); close(done) }()
	defer func() { cancel(); <-done }()
	q.Set(core.Alerts{Channels: []core.Channel{r.channel("ops")}})
	mustAdd(t, q, of("c", 1))
	empty(t, q)
	if _, err := Open(dir, time.Now()); err != nil {
		t.Errorf("the next start complains again: %v", err)
	}
}

// A disk that takes nothing delays no alert.
func TestNowhereToKeep(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	dir := filepath.Join(t.TempDir(), "file", "alerts")
	if err := os.WriteFile(filepath.Dir(dir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	q, err := Open(filepath.Join(t.TempDir(), "none"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	q.dir = dir
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { q.Run(ctx); close(done) }()
	defer func() { cancel(); <-done }()
	q.Set(core.Alerts{Channels: []core.Channel{r.channel("ops")}})
	if err := q.Add(of("a", 1)); err == nil {
		t.Error("it says that it is on disk")
	}
	r.await(t)
	_ = q.Add(of("a", 1))
	empty(t, q)
	if got := r.keys(); !slices.Equal(got, []string{"a/1"}) {
		t.Errorf("got %q", got)
	}
}

func TestBounded(t *testing.T) {
	t.Parallel()
	q, told, _ := queueIn(t, t.TempDir(), core.Channel{Name: "ops", Kind: core.ChannelWebhook, URL: core.Secret{File: "/nonexistent"}})
	q.mu.Lock()
	for n := range most {
		q.items = append(q.items, &item{Alert: of(fmt.Sprint("i", n), 1), Added: time.Now(), To: map[string]*delivery{"ops": {}}})
	}
	q.items[5].Added = time.Now().Add(-2 * keepFor)
	q.mu.Unlock()
	mustAdd(t, q, of("new", 1))
	if w := q.Waiting(); len(w) != 1 || w[0].Count != most-1 {
		t.Errorf("waiting %+v", w)
	}
	if lines := told(); !slices.Contains(lines, "alert i0/1 was not sent to ops within 168h, and is dropped") {
		t.Errorf("told %q", lines)
	}
}

func TestHeartbeat(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	changes, asked := make(chan struct{}), make(chan bool)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		Beat(ctx, func() core.Heartbeat { return core.Heartbeat{URL: core.Secret{Plain: r.URL}, Every: time.Hour} },
			func(context.Context) bool { return <-asked }, func(error) {}, changes)
		close(done)
	}()
	asked <- true
	r.await(t)
	changes <- struct{}{}
	asked <- false // not well
	changes <- struct{}{}
	asked <- true
	r.await(t)
	cancel()
	<-done
	if r.asked != 2 {
		t.Errorf("it beat %d times", r.asked)
	}
}
