package drill

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"keeper/internal/control"
	"keeper/internal/core"
)

// town is a daemon that tests make say things.
type town struct {
	says  chan control.Status
	ends  chan error // ends the connection
	told  []core.Drill
	tells func(core.Drill) error
	conns atomic.Int32
	// is what whoever begins to watch hears at once, where it is set.
	is atomic.Pointer[control.Status]
}

func newTown() *town {
	return &town{says: make(chan control.Status), ends: make(chan error)}
}

func (w *town) Watch(ctx context.Context, seen func(control.Status) error) error {
	w.conns.Add(1)
	if is := w.is.Load(); is != nil {
		if err := seen(*is); err != nil {
			return err
		}
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-w.ends:
			return err
		case st := <-w.says:
			if err := seen(st); err != nil {
				return err
			}
		}
	}
}

func (w *town) Tell(_ context.Context, d core.Drill) error {
	if w.tells != nil {
		if err := w.tells(d); err != nil {
			return err
		}
	}
	w.told = append(w.told, d)
	return nil
}

// well is a status in which redis and web are so; change makes another of it.
func well(change ...func(*control.Status)) control.Status {
	st := control.Status{Version: 1, User: "alice", UID: 1000, Well: true,
		Daemon: control.Daemon{PID: 42}, Linger: control.Linger{State: core.LingerOn}, Rearm: control.Rearm{Armed: true}}
	for _, n := range []string{"redis.service", "web.service"} {
		st.Units = append(st.Units, core.Unit{Name: n, Kind: "container", Active: "active", Invocation: "1"})
		st.Services = append(st.Services, core.Service{Name: n, Desired: core.DesiredRun, State: core.ServiceWell})
	}
	for _, c := range change {
		c(&st)
	}
	return st
}

func redis(state core.ServiceState, active, life string) func(*control.Status) {
	return func(st *control.Status) {
		st.Services[0].State, st.Units[0].Active, st.Units[0].Invocation = state, active, life
		st.Well = state == core.ServiceWell
	}
}

func daemon(pid int) func(*control.Status) {
	return func(st *control.Status) { st.Daemon.PID = pid }
}

// play carries a drill out on a town, whose story is told from the blow on.
func play(t *testing.T, name, unit string, blow Blow, tells func(core.Drill) error, story func(w *town, cancel func())) (res Result, w *town, lines []string, err error) {
	t.Helper()
	d, ok := Find(name)
	if !ok {
		t.Fatalf("there is no %s", name)
	}
	w = newTown()
	w.tells = tells
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	struck := make(chan struct{})
	r := &Run{Drill: d, Target: Target{Unit: unit}, Daemon: w,
		Said:   func(m Moment) { lines = append(lines, m.What) },
		Strike: func(context.Context, Target) (Blow, error) { close(struck); return blow, nil },
	}
	go func() {
		w.says <- well()
		<-struck
		story(w, cancel)
	}()
	res, err = r.Do(ctx, well())
	return res, w, lines, err
}

func TestRun(t *testing.T) {
	t.Parallel()
	helperBack := time.Time{}
	for name, tt := range map[string]struct {
		drill, unit string
		blow        func() Blow
		story       func(w *town, cancel func())
		outcome     core.DrillOutcome
		outage      time.Duration
		expected    bool
		why         string
	}{
		"a service comes back": {drill: "container-kill", unit: "redis.service", story: func(w *town, _ func()) {
			time.Sleep(100 * time.Millisecond)
			w.says <- well(redis(core.ServiceDown, "activating", "1"))
			time.Sleep(2 * time.Second)
			w.says <- well(redis(core.ServiceStarting, "active", "2"))
			time.Sleep(time.Second)
			w.says <- well(redis(core.ServiceWell, "active", "2"))
		}, outcome: core.DrillBack, outage: 3100 * time.Millisecond, expected: true},
		"nobody saw it down": {drill: "container-kill", unit: "redis.service", story: func(w *town, _ func()) {
			time.Sleep(time.Second)
			w.says <- well(redis(core.ServiceWell, "active", "2"))
		}, outcome: core.DrillBack, outage: time.Second, expected: true},
		"it stays down": {drill: "container-kill", unit: "redis.service", story: func(w *town, _ func()) {
			w.says <- well(redis(core.ServiceDown, "failed", "1"))
		}, outcome: core.DrillFailed, outage: 2 * time.Minute, why: "redis did not come back"},
		"it dies again before all is still": {drill: "container-kill", unit: "redis.service", story: func(w *town, _ func()) {
			time.Sleep(time.Second)
			w.says <- well(redis(core.ServiceWell, "active", "2"))
			time.Sleep(time.Second)
			w.says <- well(redis(core.ServiceDown, "failed", "2"))
			time.Sleep(4 * time.Second)
			w.says <- well(redis(core.ServiceWell, "active", "3"))
		}, outcome: core.DrillBack, outage: 5 * time.Second, expected: true},
		"the blow did not fall": {drill: "container-kill", unit: "redis.service", story: func(*town, func()) {},
			outcome: core.DrillFailed, why: "does not answer"},
		"the blow hit nothing": {drill: "container-kill", unit: "redis.service", story: func(w *town, _ func()) { w.says <- well() },
			outcome: core.DrillFailed, why: "nothing shows that the blow fell"},
		"another daemon": {drill: "keeper-kill", story: func(w *town, _ func()) {
			w.ends <- control.ErrUnreachable
			time.Sleep(2 * time.Second)
			w.says <- well(daemon(43), func(st *control.Status) { st.Units, st.Services = nil, nil })
			w.says <- well(daemon(43), redis(core.ServiceStarting, "active", "1"))
			time.Sleep(time.Second)
			w.says <- well(daemon(43))
		}, outcome: core.DrillHeld, expected: true},
		"the same daemon": {drill: "keeper-kill", story: func(w *town, _ func()) { w.says <- well() },
			outcome: core.DrillFailed, why: "nothing shows"},
		"a service dies with the daemon": {drill: "keeper-kill", story: func(w *town, _ func()) {
			w.says <- well(daemon(43), redis(core.ServiceWell, "active", "2"))
		}, outcome: core.DrillBack},
		"the socket again": {drill: "keeper-socket-removed", story: func(w *town, _ func()) {
			for w.conns.Load() < 2 {
				time.Sleep(10 * time.Millisecond)
			}
			w.says <- well()
		}, outcome: core.DrillHeld, expected: true},
		"the helper again": {drill: "aardvark-kill", blow: func() Blow {
			helperBack = time.Now().Add(5 * time.Second)
			return Blow{Thing: "aardvark-dns", Mended: func() bool { return !time.Now().Before(helperBack) }}
		}, story: func(w *town, _ func()) {
			time.Sleep(time.Second)
			w.says <- well(func(st *control.Status) {
				st.Decisions = []core.Decision{{At: time.Now(), Kind: core.MendNetwork}}
			})
		}, outcome: core.DrillBack, outage: 5 * time.Second, expected: true},
		"the helper never again": {drill: "aardvark-kill", blow: func() Blow {
			return Blow{Thing: "aardvark-dns", Mended: func() bool { return false }}
		}, story: func(w *town, _ func()) { w.says <- well() }, outcome: core.DrillFailed, outage: 2 * time.Minute, why: "aardvark-dns did not"},
		"the whole stack": {drill: "terminate-user", story: func(w *town, _ func()) {
			w.ends <- control.ErrUnreachable
			time.Sleep(3 * time.Second)
			revived := func(st *control.Status) {
				st.Daemon.PID, st.Began = 43, core.LifeRevived
				for i := range st.Units {
					st.Units[i].Invocation = "2"
				}
			}
			w.says <- well(revived, redis(core.ServiceStarting, "active", "2"))
			time.Sleep(time.Second)
			w.says <- well(revived, func(st *control.Status) {
				st.Survivals = []control.Survival{{At: time.Now().Add(-4 * time.Second), OutageMS: 3500}}
			})
		}, outcome: core.DrillBack, outage: 4 * time.Second, expected: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var blow Blow
				if tt.blow != nil {
					blow = tt.blow()
				}
				res, w, lines, err := play(t, tt.drill, tt.unit, blow, nil, tt.story)
				if err != nil {
					t.Fatalf("%v\n%s", err, strings.Join(lines, "\n"))
				}
				d := res.Drill
				if off := (d.Outage - tt.outage).Abs(); tt.outage != 0 && off > 150*time.Millisecond {
					t.Errorf("away for %s, want %s", d.Outage, tt.outage)
				}
				if d.Outcome != tt.outcome || res.AsExpected() != tt.expected || !strings.Contains(d.Why, tt.why) {
					t.Errorf("%s, as expected: %v, %q\n%s", d.Outcome, res.AsExpected(), d.Why, strings.Join(lines, "\n"))
				}
				if d.Outcome == core.DrillHeld && d.Outage != 0 {
					t.Errorf("nothing was away, for %s", d.Outage)
				}
				if len(w.told) != 2 || !w.told[0].Ended.IsZero() || w.told[0].Until.Before(w.told[0].Began) || w.told[1] != d || d.Ended.IsZero() || w.told[0].ID != d.ID {
					t.Errorf("the daemon was told %+v", w.told)
				}
			})
		})
	}
}

// A drill that is not seen to its end takes its blow back.
func TestUndo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		undone := 0
		blow := Blow{Undo: func() error { undone++; return nil }}
		res, w, _, err := play(t, "container-stop-signal", "redis.service", blow, nil, func(w *town, cancel func()) {
			w.says <- well(redis(core.ServiceFrozen, "active", "1"))
			time.Sleep(time.Second)
			cancel()
		})
		if !errors.Is(err, ErrCut) || undone != 1 || res.Drill.Outcome != core.DrillUnknown || len(w.told) != 2 || w.told[1].Outcome != core.DrillUnknown {
			t.Errorf("%v, undone %d times, %+v", err, undone, w.told)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		undone := 0
		blow := Blow{Undo: func() error { undone++; return nil }}
		res, _, _, err := play(t, "container-stop-signal", "redis.service", blow, nil, func(w *town, _ func()) {
			w.says <- well(redis(core.ServiceFrozen, "active", "1"))
		})
		if err != nil || undone != 1 || res.Drill.Outcome != core.DrillFailed {
			t.Errorf("%v, undone %d times, %+v", err, undone, res.Drill)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		undone := 0
		blow := Blow{Undo: func() error { undone++; return nil }}
		res, _, _, err := play(t, "container-stop-signal", "redis.service", blow, nil, func(w *town, _ func()) {
			w.says <- well(redis(core.ServiceFrozen, "active", "1"))
			time.Sleep(time.Second)
			w.says <- well()
		})
		if err != nil || undone != 0 || res.Drill.Outcome != core.DrillBack {
			t.Errorf("%v, undone %d times, %+v", err, undone, res.Drill)
		}
	})
}

// Whose session goes with the stack says nothing of the end: the daemon sees it.
func TestSessionEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, w, _, err := play(t, "terminate-user", "", Blow{}, nil, func(_ *town, cancel func()) { cancel() })
		if !errors.Is(err, ErrCut) || len(w.told) != 1 {
			t.Errorf("%v, told %+v", err, w.told)
		}
	})
}

// The daemon that came back may have ended the drill itself: there is one result.
func TestEndedByTheDaemon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var id string
		res, _, _, err := play(t, "terminate-user", "", Blow{}, func(d core.Drill) error {
			if id == "" { // at its begin; at its end the story reads it
				id = d.ID
			}
			return nil
		}, func(w *town, _ func()) {
			time.Sleep(time.Second)
			st := well(daemon(43), func(st *control.Status) {
				st.Began = core.LifeRevived
				st.Units[0].Invocation = "2"
				st.Survivals = []control.Survival{{At: time.Now()}}
			})
			w.says <- st
			// It ended the drill since it said so last.
			st.Drill = &control.Drill{ID: id, Ended: time.Now(), Outcome: core.DrillBack, OutageMS: 777}
			w.is.Store(&st)
		})
		if err != nil || res.Drill.Outage != 777*time.Millisecond {
			t.Errorf("%v %+v", err, res.Drill)
		}
	})
}

// Nothing is struck that the daemon does not know of, and a strike that fails is told.
func TestNotStruck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, _ := Find("keeper-kill")
		w := newTown()
		w.tells = func(core.Drill) error { return control.ErrRefused }
		r := &Run{Drill: d, Daemon: w, Strike: func(context.Context, Target) (Blow, error) { t.Error("struck"); return Blow{}, nil }}
		if _, err := r.Do(t.Context(), well()); !errors.Is(err, control.ErrRefused) {
			t.Error(err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		d, _ := Find("keeper-kill")
		w := newTown()
		broken := errors.New("broken")
		r := &Run{Drill: d, Daemon: w, Strike: func(context.Context, Target) (Blow, error) { return Blow{}, broken }}
		go func() { w.says <- well() }()
		_, err := r.Do(t.Context(), well())
		if !errors.Is(err, broken) || len(w.told) != 2 || w.told[1].Outcome != core.DrillUnknown || !strings.Contains(w.told[1].Why, "broken") {
			t.Errorf("%v, told %+v", err, w.told)
		}
	})
}
