package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"keeper/internal/control"
	"keeper/internal/core"
	"keeper/internal/history"
)

// recording is a recorder on an empty directory.
func recording(t *testing.T, kept history.State) (*recorder, history.Store) {
	t.Helper()
	store := history.Store{Dir: t.TempDir()}
	r := newRecorder(store, kept, slog.New(slog.DiscardHandler),
		identity{uid: os.Getuid(), release: "1.2.3", since: time.Unix(1_700_000_000, 0)})
	r.life = thisLife
	return r, store
}

// thisLife is the life of the user manager that the recorder belongs to.
var thisLife = core.Life{Boot: "this-boot", Started: 20 * time.Second}

// wellState is a state with nothing wrong in it.
func wellState() core.State {
	return core.State{
		Linger: core.LingerOn, LogindUp: true, ManagerUp: true, Armed: true,
		Units: map[string]core.Unit{
			"redis.service":  {Name: "redis.service", Kind: "container", Active: "active", Sub: "running"},
			"django.service": {Name: "django.service", Kind: "container", Active: "active", Sub: "running"},
		},
	}
}

func decisions(from, to int) []core.Decision {
	var list []core.Decision
	for i := from; i < to; i++ {
		list = append(list, core.Decision{At: time.Unix(int64(i), 0), What: fmt.Sprint("decision ", i), Reason: "a test"})
	}
	return list
}

// Nobody saves, nobody reads, and Record still returns: in this bubble a
// Record that blocks is a deadlock, and fails the test.
func TestRecordDoesNotBlock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, _ := recording(t, history.State{})
		for i := range 1000 {
			r.Record(core.Wake{}, wellState(), decisions(i, i+1))
		}
	})
}

func TestDecisionsAreBounded(t *testing.T) {
	t.Parallel()
	r, store := recording(t, history.State{Decisions: decisions(0, 90)})
	r.Record(core.Wake{}, wellState(), decisions(90, 250))
	early := r.status(wellState(), time.Now())
	for i := 250; i < 300; i++ {
		r.Record(core.Wake{}, wellState(), decisions(i, i+1))
	}
	r.save()
	check := func(name string, got []core.Decision, newest int) {
		t.Helper()
		if len(got) != shownDecisions {
			t.Fatalf("%s: %d decisions, want %d", name, len(got), shownDecisions)
		}
		for i, d := range got {
			if want := fmt.Sprint("decision ", newest-i); d.What != want {
				t.Fatalf("%s: number %d is %q, want %q", name, i, d.What, want)
			}
		}
	}
	check("the status, newest first", r.status(wellState(), time.Now()).Decisions, 299)
	check("a status that was handed out before", early.Decisions, 249)
	kept, err := store.Peek()
	if err != nil {
		t.Fatal(err)
	}
	if n := len(kept.Decisions); n != shownDecisions || kept.Decisions[n-1].What != "decision 299" {
		t.Errorf("%d decisions are kept on disk", n)
	}
}

// writes counts how often state.json is replaced: each save is a new file.
type writes struct {
	t     *testing.T
	path  string
	links []os.FileInfo // hard links keep the old ones, so that no inode is used again
}

// look says whether the file is another than at the last look.
func (w *writes) look() bool {
	w.t.Helper()
	fi, err := os.Stat(w.path)
	if errors.Is(err, os.ErrNotExist) {
		return false
	}
	if err != nil {
		w.t.Fatal(err)
	}
	if n := len(w.links); n > 0 && os.SameFile(fi, w.links[n-1]) {
		return false
	}
	if err := os.Link(w.path, fmt.Sprintf("%s.%d", w.path, len(w.links))); err != nil {
		w.t.Fatal(err)
	}
	w.links = append(w.links, fi)
	return true
}

func TestRunSavesABurstOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, store := recording(t, history.State{Ended: time.Hour})
		file := &writes{t: t, path: filepath.Join(store.Dir, "state.json")}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan struct{})
		go func() { defer close(ended); r.run(ctx) }()

		for i := range 200 {
			r.Record(core.Wake{}, wellState(), decisions(i, i+1))
			if i%50 == 0 {
				synctest.Wait() // run has taken the first of the burst
			}
		}
		synctest.Wait()
		if file.look() {
			t.Error("saved before the burst could be over")
		}
		time.Sleep(saveDelay) // of the bubble, as all below
		synctest.Wait()
		if !file.look() {
			t.Fatal("not saved")
		}
		kept, err := store.Peek()
		if err != nil {
			t.Fatal(err)
		}
		if kept.Ended != 0 {
			t.Errorf("Ended is %s while the daemon runs", kept.Ended)
		}
		if n := len(kept.Decisions); n != shownDecisions || kept.Decisions[n-1].What != "decision 199" {
			t.Errorf("%d decisions are kept, the whole burst is not", n)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if file.look() {
			t.Error("saved again, for the same burst")
		}

		// The same state over again is nothing to save; a new one is.
		r.Record(core.Wake{}, wellState(), nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		if file.look() {
			t.Error("saved though nothing had changed")
		}
		worse := wellState()
		worse.Linger = core.LingerOff
		r.Record(core.Wake{}, worse, nil)
		time.Sleep(saveDelay)
		synctest.Wait()
		if !file.look() {
			t.Error("a change was not saved")
		}

		// At the end once more, whatever has changed.
		before := monotonic()
		cancel()
		<-ended
		if !file.look() {
			t.Fatal("not saved at the end")
		}
		if kept, err = store.Peek(); err != nil {
			t.Fatal(err)
		}
		if kept.Ended < before || kept.Ended > monotonic() {
			t.Errorf("Ended is %s, and it was %s", kept.Ended, before)
		}
		if kept.Life != thisLife || len(kept.Units) != 2 {
			t.Errorf("kept life %+v and %d units", kept.Life, len(kept.Units))
		}
		if !kept.EndedAt.Equal(time.Now()) {
			t.Errorf("EndedAt is %s, and it is %s", kept.EndedAt, time.Now())
		}
		var st control.Status
		if err := json.Unmarshal(kept.Status, &st); err != nil || st.Linger.State != core.LingerOff || st.At.IsZero() {
			t.Errorf("the status that is kept: %+v, %v", st, err)
		}
	})
}

// What the next daemon finds out about the past rests on this.
func TestKeepsWhatTheNextDaemonNeeds(t *testing.T) {
	t.Parallel()
	r, store := recording(t, history.State{})
	began := core.Began{Kind: core.LifeRevived, Life: thisLife, At: time.Unix(1_700_000_000, 0).UTC(), Cause: "killed",
		Down: []core.Down{{Name: "redis.service", Left: time.Minute}}}
	s := wellState()
	failed := s.Units["redis.service"]
	failed.Active, failed.Sub = "failed", "failed"
	for _, e := range []core.Event{core.StandDownSeen{}, began,
		core.UnitsSeen{Armed: true, Units: []core.Unit{s.Units["redis.service"], s.Units["django.service"]}},
		core.UnitSeen{Unit: failed}, core.StopAsked{Name: "django.service"}, core.PrepareForShutdown{Active: true}} {
		s, _ = core.Decide(s, e, time.Now())
	}
	r.Record(core.Wake{}, s, nil)
	before := time.Now()
	r.save()
	kept, err := store.Peek()
	if err != nil {
		t.Fatal(err)
	}
	if !kept.Shutdown || kept.Life != thisLife || kept.Seen.Before(before.Add(-time.Second)) || kept.Ended != 0 || !kept.EndedAt.IsZero() {
		t.Errorf("kept %+v", kept)
	}
	if kept.Began == nil || kept.Began.Cause != "killed" || len(kept.Began.Down) != 1 || len(kept.Owed) != 1 || kept.Owed["redis.service"] == "" {
		t.Errorf("what is being brought back: %+v, owed %v", kept.Began, kept.Owed)
	}
	if i := slices.IndexFunc(kept.Units, func(u core.Unit) bool { return u.Name == "django.service" }); i < 0 || !kept.Units[i].Stopped {
		t.Errorf("somebody stopped django: %+v", kept.Units)
	}

	// All is back: there is nothing more to count, and nothing is owed.
	back := s.Units["redis.service"]
	back.Active, back.Sub, back.Entered = "active", "running", time.Hour
	for _, e := range []core.Event{core.PrepareForShutdown{}, core.UnitSeen{Unit: back}} {
		s, _ = core.Decide(s, e, time.Now())
	}
	r.Record(core.Wake{}, s, nil)
	r.save()
	if kept, err = store.Peek(); err != nil || kept.Began != nil || len(kept.Owed) != 0 || kept.Shutdown || len(kept.Survivals) != 1 {
		t.Errorf("kept %+v, %v", kept, err)
	}
}

// A daemon that ends before it has seen the units knows nothing: what the last
// one kept stays as it is, with when and how that one ended.
func TestKeepsWhatTheLastDaemonKnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		before := history.State{
			Life: core.Life{Boot: "last-boot", Started: time.Second}, Seen: time.Unix(1_600_000_000, 0).UTC(), Shutdown: true,
			Ended: time.Minute, EndedAt: time.Unix(1_600_000_001, 0).UTC(), Owed: map[string]string{"a.service": "b"},
			Began: &core.Began{Kind: core.LifeRevived, Cause: "killed"}, Units: []core.Unit{{Name: "redis.service", Kind: "container", Active: "active"}},
		}
		r, store := recording(t, before)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); r.run(ctx) }()
		r.Record(core.Wake{}, core.State{LogindUp: true}, decisions(0, 1))
		time.Sleep(time.Minute)
		synctest.Wait()
		check := func(when string) {
			t.Helper()
			kept, err := store.Peek()
			if err != nil || len(kept.Decisions) != 1 {
				t.Fatalf("%s: %+v, %v", when, kept, err)
			}
			kept.Decisions, kept.Survivals, kept.Status = nil, nil, nil
			if !reflect.DeepEqual(kept, before) {
				t.Errorf("%s: got  %+v\nwant %+v", when, kept, before)
			}
		}
		check("while it runs")
		cancel()
		<-ended
		check("at its end")
	})
}

// While nothing changes, the state is written every few minutes all the same:
// after a power cut it tells when the machine was last seen alive.
func TestSaysNowAndThenThatItLives(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, store := recording(t, history.State{})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); r.run(ctx) }()
		defer func() { cancel(); <-ended }()
		for range 60 {
			r.Record(core.Wake{}, wellState(), nil)
			time.Sleep(time.Minute)
			synctest.Wait()
			if kept, err := store.Peek(); err != nil || time.Since(kept.Seen) > core.LookEvery+2*time.Minute {
				t.Fatalf("at %v it was last seen alive at %v, %v", time.Now(), kept.Seen, err)
			}
		}
	})
}

// The end does not wait for a burst to be over, and loses nothing of it.
func TestRunEndsWithinABurst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, store := recording(t, history.State{})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan struct{})
		go func() { defer close(ended); r.run(ctx) }()
		r.Record(core.Wake{}, wellState(), decisions(0, 1))
		synctest.Wait()
		r.Record(core.Wake{}, wellState(), decisions(1, 2))
		begun := time.Now()
		cancel()
		<-ended
		if took := time.Since(begun); took != 0 {
			t.Errorf("the end took %s", took)
		}
		kept, err := store.Peek()
		if err != nil || len(kept.Decisions) != 2 || kept.Ended == 0 {
			t.Errorf("kept %+v, %v", kept, err)
		}
	})
}

// What cannot be saved is tried again with the next change.
func TestSaveTriesAgain(t *testing.T) {
	t.Parallel()
	r, store := recording(t, history.State{})
	r.store.Dir = filepath.Join(store.Dir, "file", "below")
	if err := os.WriteFile(filepath.Join(store.Dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.Record(core.Wake{}, wellState(), nil)
	r.save()
	r.store = store
	r.save() // the same state
	if kept, err := store.Peek(); err != nil || len(kept.Units) != 2 {
		t.Errorf("kept %+v, %v", kept, err)
	}
}

func TestSurvivalsAreKeptOnce(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_700_000_000, 0)
	old := core.Survival{At: at.Add(-time.Hour), Cause: "an older one", Outage: 2 * time.Second}
	r, _ := recording(t, history.State{Survivals: []core.Survival{old}})
	s := wellState()
	s.Survival = &core.Survival{At: at, Cause: "logind was told to stop the user", Outage: 1500 * time.Millisecond,
		Services: []core.Outage{{Name: "redis.service", Outage: 1250 * time.Millisecond}}}
	for range 3 {
		r.Record(core.Wake{}, s, nil)
	}
	if n := r.survived(); n != 2 {
		t.Errorf("%d are counted, want the older one and this one", n)
	}
	got := r.status(s, time.Now()).Survivals
	if len(got) != 2 || !got[0].At.Equal(at) || got[0].OutageMS != 1500 || got[1].Cause != "an older one" {
		t.Fatalf("survivals, newest first: %+v", got)
	}
	if o := got[0].Services; len(o) != 1 || o[0] != (control.Outage{Name: "redis.service", OutageMS: 1250}) {
		t.Errorf("services: %+v", o)
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_100, 0)
	for _, tt := range []struct {
		name   string
		change func(*core.State)
		armed  bool
		// problems are parts of what is wrong, in order; each must be found.
		problems []string
	}{
		{"all is well", func(*core.State) {}, true, nil},
		{"linger is off", func(s *core.State) { s.Linger = core.LingerOff }, true, []string{"linger is off"}},
		{"linger is unknown", func(s *core.State) { s.Linger = core.LingerUnknown }, true, []string{"linger is unknown"}},
		{"not armed", func(s *core.State) { s.Armed = false }, false,
			[]string{"would not come back from terminate-user: keeper-session.service is not enabled and active"}},
		{"no manager", func(s *core.State) { s.ManagerUp, s.Armed, s.ManagerErr = false, false, "it is gone" }, false,
			[]string{"would not come back from terminate-user: it is gone"}},
		{"no logind", func(s *core.State) { s.LogindUp = false }, false, []string{"logind cannot be reached"}},
		{"denied", func(s *core.State) {
			s.Linger = core.LingerOff
			*s, _ = core.Decide(*s, core.LingerSet{Err: "polkit says no", Denied: true}, now)
		}, false,
			[]string{"linger is off: the stack ends with the last session (polkit says no)", "set-self-linger"}},
		{"paused", func(s *core.State) {
			s.StandDown = core.StandDown{Cause: core.CausePaused, Detail: "paused since noon"}
		}, false,
			[]string{"keeper stands down: paused since noon"}},
		{"a unit failed", func(s *core.State) {
			s.Units["redis.service"] = core.Unit{Name: "redis.service", Kind: "container", Active: "failed", Sub: "failed", Result: "exit-code"}
		}, true, []string{"redis.service is failed: exit-code"}},
		{"everything", func(s *core.State) {
			s.Linger, s.Armed = core.LingerOff, false
			s.Units["a.service"] = core.Unit{Name: "a.service", Active: "activating", Sub: "auto-restart"}
			s.Units["b.service"] = core.Unit{Name: "b.service", Active: "inactive", Sub: "dead"}
		}, false, []string{"linger is off", "would not come back", "a.service is activating (auto-restart)", "b.service is inactive"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, _ := recording(t, history.State{})
			s := wellState()
			tt.change(&s)
			st := r.status(s, now)
			if st.Well != (len(tt.problems) == 0) || len(st.Problems) != len(tt.problems) {
				t.Fatalf("well is %v, problems are %+v; want %q", st.Well, st.Problems, tt.problems)
			}
			for i, want := range tt.problems {
				if p := st.Problems[i]; !strings.Contains(p.What, want) {
					t.Errorf("problem %d is %q; want %q in it", i, p.What, want)
				} else if p.Try == "" && !strings.Contains(p.What, "stands down") && s.ManagerUp {
					// With no manager there is nothing that would help.
					t.Errorf("problem %d, %q, does not say what to type", i, p.What)
				}
			}
			if st.Rearm.Armed != tt.armed || (st.Rearm.WhyNot == "") != tt.armed {
				t.Errorf("armed is %v (%q), want %v", st.Rearm.Armed, st.Rearm.WhyNot, tt.armed)
			}
			if st.Rearm.Try != s.HowToArm() {
				t.Errorf("to arm it, type %q, want %q", st.Rearm.Try, s.HowToArm())
			}
			if (st.StandDown != nil) != s.StandDown.InForce() {
				t.Errorf("stand-down is %+v", st.StandDown)
			}
			for i := 1; i < len(st.Units); i++ {
				if st.Units[i-1].Name >= st.Units[i].Name {
					t.Errorf("%s before %s", st.Units[i-1].Name, st.Units[i].Name)
				}
			}
			if len(st.Units) != len(s.Units) || st.Stale || st.Version != control.WireVersion || !st.At.Equal(now) ||
				st.UID != os.Getuid() || st.Daemon.Release != "1.2.3" || st.Daemon.PID != os.Getpid() {
				t.Errorf("the rest: %+v", st)
			}
		})
	}
}

func TestStatusShowsWhatIsWaitedFor(t *testing.T) {
	t.Parallel()
	r, _ := recording(t, history.State{})
	now := time.Unix(1_700_000_100, 0)
	s, _ := core.Decide(wellState(), core.Began{Kind: core.LifeRevived, At: now, Down: []core.Down{
		{Name: "redis.service", Left: time.Second}, {Name: "gone.service", Left: time.Second}}}, now)
	if got := r.status(s, now).Waiting; len(got) != 1 || got[0] != "redis.service" {
		t.Errorf("waiting for %q, want redis.service alone", got)
	}
	s, _ = core.Decide(s, core.UnitSeen{Unit: core.Unit{Name: "redis.service", Kind: "container", Active: "active", Entered: 2 * time.Second}}, now)
	if st := r.status(s, now); len(st.Waiting) != 0 {
		t.Errorf("waiting for %q", st.Waiting)
	}
}

// Lists are never null: whoever reads the JSON may count on them.
func TestStatusOfNothing(t *testing.T) {
	t.Parallel()
	r, _ := recording(t, history.State{})
	data, err := json.Marshal(r.status(core.State{Linger: core.LingerUnknown}, time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range []string{"problems", "units", "survivals", "decisions"} {
		if !strings.Contains(string(data), fmt.Sprintf("%q:[", list)) {
			t.Errorf("%s is no list in %s", list, data)
		}
	}
}

func TestRecorderKnowsTheLastRearm(t *testing.T) {
	t.Parallel()
	store := history.Store{Dir: t.TempDir()}
	for i := range 3 {
		if err := store.AddRearm(core.Rearm{At: time.Unix(int64(i), 0), Reason: fmt.Sprint("rearm ", i)}); err != nil {
			t.Fatal(err)
		}
	}
	r := newRecorder(store, history.State{}, slog.New(slog.DiscardHandler), identity{})
	if last := r.status(wellState(), time.Now()).Rearm.Last; last == nil || last.Reason != "rearm 2" {
		t.Errorf("the last rearm is %+v", last)
	}
}

// first is what `ready` waits for.
func TestFirstLook(t *testing.T) {
	t.Parallel()
	r, _ := recording(t, history.State{})
	seen := func() bool {
		select {
		case <-r.first:
			return true
		default:
			return false
		}
	}
	r.Record(core.Wake{}, core.State{Linger: core.LingerUnknown, ManagerUp: true}, nil)
	r.Record(core.Wake{}, core.State{Linger: core.LingerOn}, nil)
	if seen() {
		t.Error("called it a first look though half of it was missing")
	}
	r.Record(core.Wake{}, wellState(), nil)
	r.Record(core.Wake{}, wellState(), nil)
	if !seen() {
		t.Error("linger and the units were seen, and it was no first look")
	}
}
