package units

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"keeper/internal/core"
)

type watched struct {
	events chan core.Event
	ended  chan error
}

// watching starts a Watch; the first event, which is all units, is taken.
func watching(t *testing.T, ctx context.Context, m *manager) (*watched, core.UnitsSeen) {
	t.Helper()
	c := dial(t, m)
	w := &watched{events: make(chan core.Event, 1000), ended: make(chan error, 1)}
	go func() { w.ended <- c.Watch(ctx, func(e core.Event) { w.events <- e }) }()
	return w, w.all(t)
}

func await[T any](t *testing.T, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("%s did not come within %s", what, patience)
		panic("not reached")
	}
}

func (w *watched) all(t *testing.T) core.UnitsSeen {
	t.Helper()
	e, ok := await(t, w.events, "the look at all units").(core.UnitsSeen)
	if !ok || e.Err != "" {
		t.Fatalf("got %#v, want all units", e)
	}
	return e
}

func (w *watched) one(t *testing.T, name string) core.Unit {
	t.Helper()
	e := await(t, w.events, "the look at "+name)
	if u, ok := e.(core.UnitSeen); ok && u.Unit.Name == name {
		return u.Unit
	}
	t.Fatalf("got %#v, want %s", e, name)
	panic("not reached")
}

func twoUnits(t *testing.T) *manager {
	t.Helper()
	m := startManager(t)
	m.quadlet("redis.service", "/x/redis.container")
	m.quadlet("postgres.service", "/x/postgres.container")
	m.put(Session, map[string]any{"UnitFileState": "enabled"})
	return m
}

func TestWatch(t *testing.T) {
	t.Parallel()
	m := twoUnits(t)
	w, first := watching(t, t.Context(), m)
	if got := names(first.Units); got != "container redis.service, container postgres.service" || !first.Armed {
		t.Fatalf("first: %+v", first)
	}
	if m.calls("Subscribe") == 0 {
		t.Error("nobody subscribed: a real manager would send next to nothing")
	}

	// Only what changed is looked at, as it is now.
	fetched := m.calls("GetAll Unit postgres.service")
	m.put("redis.service", map[string]any{"ActiveState": "failed", "SubState": "failed"})
	m.changed(1, "redis.service")
	if u := w.one(t, "redis.service"); u.Active != "failed" {
		t.Errorf("redis is %+v", u)
	}
	if n := m.calls("GetAll Unit postgres.service") - fetched; n != 0 {
		t.Errorf("postgres was looked at %d times for a change of redis", n)
	}

	// Units that Quadlet did not make, the beginning of a reload, and other
	// signals are nothing to look at.
	lists := m.calls("ListUnitFilesByPatterns")
	m.changed(1, "dbus.service")
	m.signal(1, "/org/freedesktop/systemd1", managerIf, "Reloading", true)
	m.signal(1, "/org/freedesktop/systemd1", managerIf, "Reloading", "false")
	m.signal(1, "/org/freedesktop/systemd1", managerIf, "JobNew", uint32(1))
	m.changed(1, "postgres.service")
	w.one(t, "postgres.service")
	if n := m.calls("ListUnitFilesByPatterns") - lists; n != 0 {
		t.Errorf("everything was listed %d times for nothing", n)
	}

	// Two at a time, in any order.
	m.changed(1, "postgres.service")
	m.changed(1, "redis.service")
	got := map[string]bool{}
	for range 2 {
		if e, ok := await(t, w.events, "one of two").(core.UnitSeen); ok {
			got[e.Unit.Name] = true
		}
	}
	if len(got) != 2 {
		t.Errorf("of two that changed, %v came", got)
	}
}

// A start is a dozen signals and one look. The signals are sent in one piece;
// a busy machine may still tear them apart, so one burst of several has to be
// fetched a few times at the most. Without gathering, each would be fetched for
// every signal.
func TestWatchGathersABurst(t *testing.T) {
	t.Parallel()
	m := twoUnits(t)
	w, _ := watching(t, t.Context(), m)
	const burst, tries = 50, 5
	var seen []int
	for try := range tries {
		before := m.calls("GetAll Unit redis.service")
		m.put("redis.service", map[string]any{"SubState": fmt.Sprint("state ", try)})
		m.changed(burst, "redis.service")
		w.one(t, "redis.service")
		// If the burst was torn apart, more of it is still to come.
		w.drain(t, m)
		n := m.calls("GetAll Unit redis.service") - before
		if n <= burst/5 {
			return
		}
		seen = append(seen, n)
	}
	t.Errorf("bursts of %d signals were fetched %v times; want it done a few times at the most", burst, seen)
}

func TestWatchRelists(t *testing.T) {
	t.Parallel()
	m := twoUnits(t)
	w, _ := watching(t, t.Context(), m)

	// A reload brings a unit, which is watched from then on.
	m.quadlet("minio.service", "/x/minio.container")
	m.signal(1, "/org/freedesktop/systemd1", managerIf, "Reloading", false)
	if e := w.all(t); len(e.Units) != 3 {
		t.Errorf("after a reload: %s", names(e.Units))
	}
	m.changed(1, "minio.service")
	w.one(t, "minio.service")

	m.with(func() { m.files = m.files[:2] })
	m.signal(1, "/org/freedesktop/systemd1", managerIf, "UnitFilesChanged")
	if e := w.all(t); len(e.Units) != 2 {
		t.Errorf("after files changed: %s", names(e.Units))
	}

	// A unit that is no longer what it was.
	m.put("redis.service", map[string]any{"LoadState": "not-found"})
	m.changed(1, "redis.service")
	if e := w.all(t); names(e.Units) != "container postgres.service" {
		t.Errorf("after redis went: %s", names(e.Units))
	}

	// keeper-session.service decides on being armed.
	for _, active := range []string{"inactive", "active"} {
		m.put(Session, map[string]any{"ActiveState": active})
		m.changed(1, Session)
		if e := w.all(t); e.Armed != (active == "active") {
			t.Errorf("with %s %s: armed %v", Session, active, e.Armed)
		}
	}
}

func TestWatchEnds(t *testing.T) {
	t.Parallel()
	t.Run("with the manager", func(t *testing.T) {
		t.Parallel()
		m := twoUnits(t)
		w, _ := watching(t, t.Context(), m)
		m.close()
		if err := await(t, w.ended, "the end"); !errors.Is(err, ErrGone) {
			t.Errorf("ended with %v, want %v", err, ErrGone)
		}
	})
	t.Run("with its context", func(t *testing.T) {
		t.Parallel()
		m := twoUnits(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		w, _ := watching(t, ctx, m)
		cancel()
		if err := await(t, w.ended, "the end"); !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v, want %v", err, context.Canceled)
		}
	})
	t.Run("with a look that fails", func(t *testing.T) {
		t.Parallel()
		m := twoUnits(t)
		w, _ := watching(t, t.Context(), m)
		m.with(func() { m.deny["GetAll"] = true })
		m.changed(1, "redis.service")
		if err := await(t, w.ended, "the end"); err == nil || errors.Is(err, ErrGone) {
			t.Errorf("ended with %v, want what the manager said", err)
		}
	})
	t.Run("when the manager falls silent", func(t *testing.T) {
		t.Parallel()
		m := twoUnits(t)
		w, _ := watching(t, t.Context(), m)
		bounded(t, "the watch", func() error {
			m.with(func() { m.mute["GetAll"] = true })
			m.changed(1, "redis.service")
			return await(t, w.ended, "the end")
		})
	})
}
