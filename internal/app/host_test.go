package app

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keeper/internal/containers"
	"keeper/internal/core"
)

// lock is an inhibitor that knows how often it was released.
type lock struct {
	released atomic.Int32
	err      error
}

func (l *lock) Release() error {
	l.released.Add(1)
	return l.err
}

// However many are taken at a time, and released beside that: one is held at
// the most, and none twice released. One that is lost would delay every
// shutdown until the daemon ends.
func TestDelayIsHeldOnce(t *testing.T) {
	t.Parallel()
	d := &delay{log: slog.New(slog.DiscardHandler)}
	d.Release()
	locks := make([]*lock, 100)
	var all sync.WaitGroup
	for i := range locks {
		locks[i] = &lock{}
		all.Go(func() { d.hold(locks[i]) })
		if i%3 == 0 {
			all.Go(d.Release)
		}
	}
	all.Wait()
	held := 0
	for i, l := range locks {
		switch l.released.Load() {
		case 0:
			held++
		case 1:
		default:
			t.Errorf("lock %d was released %d times", i, l.released.Load())
		}
	}
	if held > 1 {
		t.Errorf("%d locks are held", held)
	}
	d.Release()
	d.Release()
	for i, l := range locks {
		if n := l.released.Load(); n != 1 {
			t.Errorf("lock %d was released %d times at the end", i, n)
		}
	}
}

func TestDelaySaysWhatItCannotRelease(t *testing.T) {
	t.Parallel()
	var said strings.Builder
	d := &delay{log: slog.New(slog.NewTextHandler(&said, nil))}
	d.hold(&lock{err: errors.New("bad descriptor")})
	d.Release()
	if !strings.Contains(said.String(), "bad descriptor") {
		t.Errorf("the log says %q", said.String())
	}
}

func unit(name, kind, active string, after ...string) core.Unit {
	return core.Unit{Name: name, Kind: kind, Active: active, After: after}
}

func TestHeldBy(t *testing.T) {
	t.Parallel()
	all := []core.Unit{
		unit("db.service", "container", "failed"),
		unit("web.service", "container", "failed", "db.service", "stack-network.service"),
		unit("cache.service", "container", "failed", "stack-network.service"),
		unit("stack-network.service", "network", "active"),
	}
	held := map[string]containers.Holder{"db.service": {Unit: "db.service", Source: "pgdata"}}
	all = append(all, core.Unit{Name: "worker.service", Kind: "container", Active: "failed", Needs: []string{"db.service"}})
	// To start web or worker would pull in db, or find it missing.
	for name, want := range map[string]bool{"db.service": true, "web.service": true, "worker.service": true, "cache.service": false, "gone.service": false} {
		if h, ok := heldBy(name, all, held); ok != want || ok && h.Source != "pgdata" {
			t.Errorf("%s: got %+v, %v; want %v", name, h, ok, want)
		}
	}
	if _, ok := heldBy("db.service", all, nil); ok {
		t.Error("held by nobody")
	}
}

func TestWithNeeds(t *testing.T) {
	t.Parallel()
	all := []core.Unit{
		unit("db.service", "container", "failed", "data-volume.service", "stack-network.service"),
		unit("web.service", "container", "failed", "db.service", "data-volume.service", "stack-network.service"),
		unit("data-volume.service", "volume", "failed"),
		unit("stack-network.service", "network", "active"),
		unit("other-volume.service", "volume", "failed"),
	}
	for _, tt := range []struct{ names, want []string }{
		// db is a service: it is owed or not, and that is not decided here.
		{[]string{"web.service"}, []string{"web.service", "data-volume.service"}},
		{[]string{"web.service", "db.service"}, []string{"web.service", "db.service", "data-volume.service"}},
		{[]string{"gone.service"}, []string{"gone.service"}},
		{nil, nil},
	} {
		before := slices.Clone(tt.names)
		if got := withNeeds(tt.names, all); !slices.Equal(got, tt.want) || !slices.Equal(tt.names, before) {
			t.Errorf("%v: got %v, want %v", tt.names, got, tt.want)
		}
	}
}

func TestIdle(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		unit core.Unit
		want bool
	}{
		{unit("a.service", "container", "inactive"), true},
		{unit("a.service", "container", "failed"), true},
		{unit("a.service", "container", "active"), false},
		{unit("a.service", "container", "activating"), false},
		{unit("a.service", "container", "deactivating"), false},
		{unit("a-volume.service", "volume", "active"), true},
		{core.Unit{Name: "a.service", Kind: "container", Active: "inactive", Job: true}, false},
		{core.Unit{Name: "a-volume.service", Kind: "volume", Active: "inactive", Job: true}, false},
	} {
		if got := idle([]core.Unit{tt.unit}); got != tt.want {
			t.Errorf("%+v: idle %v, want %v", tt.unit, got, tt.want)
		}
	}
	if !idle(nil) {
		t.Error("nothing is not idle")
	}
}

// A service answers when all its ports do.
func TestAnswers(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(io.Discard, c)
				_ = c.Close()
			}()
		}
	}()
	// tcpmux: unlike a port that was just given back, nobody is given that.
	const nobody = "127.0.0.1:1"
	somebody := l.Addr().String()
	before := monotonic()
	at := answers{}.Ask(t.Context(), map[string][]string{
		"one.service": {somebody}, "both.service": {somebody, somebody}, "half.service": {somebody, nobody}, "none.service": {nobody},
	})
	if len(at) != 2 {
		t.Errorf("got %v, want one and both", at)
	}
	for _, name := range []string{"one.service", "both.service"} {
		if got := at[name]; got < before || got > monotonic() {
			t.Errorf("%s answered at %v", name, got)
		}
	}
	if at := (answers{}).Ask(t.Context(), nil); len(at) != 0 {
		t.Errorf("nobody was asked: %v", at)
	}
}

// Without a connection nothing is done, and everybody is told why.
func TestHostWithoutAConnection(t *testing.T) {
	t.Parallel()
	l := &unitsLink{}
	for name, err := range map[string]error{
		"Start": l.Start(t.Context(), []string{"a.service"}),
		"Stop":  l.Stop(t.Context(), []string{"a.service"}),
	} {
		if !errors.Is(err, errNoManager) {
			t.Errorf("%s: %v", name, err)
		}
	}
	d := &delay{link: &logindLink{}}
	if grant, err := d.Take(t.Context()); grant != 0 || !errors.Is(err, errNoLogind) {
		t.Errorf("Take: %v, %v", grant, err)
	}
	d.Release()
}

// poll asks at once, and once more when the time is up.
func TestPoll(t *testing.T) {
	t.Parallel()
	asked := 0
	if !poll(t.Context(), time.Hour, func() bool { asked++; return true }) || asked != 1 {
		t.Errorf("asked %d times for what was true at once", asked)
	}
	asked = 0
	if poll(t.Context(), 0, func() bool { asked++; return false }) || asked == 0 {
		t.Errorf("asked %d times for what never came", asked)
	}
	asked = 0
	if !poll(t.Context(), time.Hour, func() bool { asked++; return asked == 3 }) {
		t.Error("gave up")
	}
}
