package core

import (
	"reflect"
	"slices"
	"testing"
	"time"
)

const boot = 1000 * time.Second // where on CLOCK_MONOTONIC the stop began

func died(names ...string) Began {
	r := Began{Kind: LifeRevived, At: noon, Cause: "logind was told to stop the user"}
	for _, n := range names {
		r.Down = append(r.Down, Down{Name: n, Left: boot})
	}
	return r
}

// back is a service that became active so long after the stop began.
func back(name string, after time.Duration) Unit {
	return Unit{Name: name, Kind: "container", Active: "active", Entered: boot + after}
}

func decide(s State, events ...Event) State {
	for _, e := range events {
		s, _ = Decide(s, e, noon)
	}
	return s
}

func permutations[T any](list []T) [][]T {
	if len(list) < 2 {
		return [][]T{slices.Clone(list)}
	}
	var all [][]T
	for i := range list {
		rest := slices.Delete(slices.Clone(list), i, i+1)
		for _, p := range permutations(rest) {
			all = append(all, append([]T{list[i]}, p...))
		}
	}
	return all
}

func TestSurvivalInAnyOrder(t *testing.T) {
	t.Parallel()
	// The record of the death comes first, last or between: the daemon reads
	// it while the units are starting.
	events := []Event{
		died("web.service", "db.service", "cache.service"),
		UnitSeen{back("db.service", 3*time.Second)},
		UnitSeen{back("cache.service", 2*time.Second)},
		UnitSeen{back("web.service", 7*time.Second)},
	}
	want := Survival{
		At: noon, Kind: LifeRevived, Cause: "logind was told to stop the user", Outage: 7 * time.Second,
		Services: []Outage{
			{Name: "cache.service", Outage: 2 * time.Second},
			{Name: "db.service", Outage: 3 * time.Second},
			{Name: "web.service", Outage: 7 * time.Second},
		},
	}
	for _, order := range permutations(events) {
		s := State{Linger: LingerUnknown}
		for i, e := range order {
			if s.Survival != nil {
				t.Fatalf("whole after %d of 4 events of %+v", i, order)
			}
			var actions []Action
			s, actions = Decide(s, e, noon)
			want := "note:count the stack as back"
			if _, ok := e.(Began); ok {
				want = "note:count the stack back in | " + want
			}
			if last := i == len(order)-1; last && spell(actions) != want {
				t.Fatalf("the last event led to %q, want %q", spell(actions), want)
			}
		}
		if s.Survival == nil || !reflect.DeepEqual(*s.Survival, want) {
			t.Fatalf("order %+v: got %+v, want %+v", order, s.Survival, want)
		}
		if w := s.Waiting(); len(w) != 0 {
			t.Fatalf("still waiting for %v", w)
		}
		// It is counted once.
		next, actions := Decide(s, UnitSeen{back("web.service", time.Hour)}, noon)
		if next.Survival != s.Survival || len(actions) != 0 {
			t.Fatalf("a later start led to %q and %+v", spell(actions), next.Survival)
		}
	}
}

func TestSurvivalStopsAtDifferentTimes(t *testing.T) {
	t.Parallel()
	r := Began{Kind: LifeRevived, At: noon, Down: []Down{
		{Name: "late.service", Left: boot + 2*time.Second},
		{Name: "first.service", Left: boot},
	}}
	s := decide(State{}, r, UnitsSeen{Units: []Unit{
		back("late.service", 5*time.Second), back("first.service", 4*time.Second)}})
	if s.Survival == nil || s.Survival.Outage != 5*time.Second {
		t.Fatalf("got %+v, want an outage from the first to leave to the last to be back", s.Survival)
	}
	if o := s.Survival.Services[1]; o.Name != "late.service" || o.Outage != 3*time.Second {
		t.Errorf("got %+v, want late.service to have been away for 3s of its own", o)
	}
}

func TestSurvivalWaits(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		unit Unit
		want bool // counts as back
	}{
		"back":                   {back("a.service", 1), true},
		"still the old life":     {back("a.service", -time.Second), false},
		"on the very moment":     {back("a.service", 0), false},
		"activating":             {Unit{Name: "a.service", Active: "activating", Entered: boot + 1}, false},
		"failed after it was up": {Unit{Name: "a.service", Active: "failed", Entered: boot + 1}, false},
		"never in this life":     {Unit{Name: "a.service", Active: "active"}, false},
	}
	for name, tt := range tests {
		s := decide(State{}, died("a.service"), UnitSeen{tt.unit})
		if got := s.Survival != nil; got != tt.want {
			t.Errorf("%s: counts as back: %v, want %v", name, got, tt.want)
		}
		if got := len(s.Waiting()) == 0; got != tt.want {
			t.Errorf("%s: still waiting for %v", name, s.Waiting())
		}
	}
}

func TestSurvivalRemembersWhoWasBack(t *testing.T) {
	t.Parallel()
	s := decide(State{}, died("a.service", "b.service"),
		UnitSeen{back("a.service", 2*time.Second)},
		// It fails and comes back again: the first return is what ended its outage.
		UnitSeen{Unit{Name: "a.service", Active: "failed"}},
	)
	if w := s.Waiting(); !slices.Equal(w, []string{"b.service"}) {
		t.Fatalf("waiting for %v, want b.service alone", w)
	}
	s = decide(s, UnitSeen{back("a.service", 9*time.Second)}, UnitSeen{back("b.service", 4*time.Second)})
	if s.Survival == nil || s.Survival.Outage != 4*time.Second {
		t.Fatalf("got %+v, want an outage of 4s", s.Survival)
	}
}

func TestSurvivalSecondDeath(t *testing.T) {
	t.Parallel()
	s := decide(State{}, died("a.service", "b.service"), UnitSeen{back("a.service", time.Second)})
	second := Began{Kind: LifeRevived, At: noon.Add(time.Minute), Cause: "again", Down: []Down{
		{Name: "a.service", Left: boot + time.Minute},
		{Name: "c.service", Left: boot + time.Minute},
	}}
	s = decide(s, second)
	if w := s.Waiting(); !slices.Equal(w, []string{"a.service", "c.service"}) {
		t.Fatalf("waiting for %v, want the services of the second death", w)
	}
	// b.service no longer counts, and a return before the second death neither.
	s = decide(s, UnitSeen{back("b.service", 2*time.Minute)}, UnitSeen{back("c.service", time.Minute+time.Second)})
	if s.Survival != nil {
		t.Fatalf("counted as back with a.service away: %+v", s.Survival)
	}
	s = decide(s, UnitSeen{back("a.service", time.Minute+3*time.Second)})
	if s.Survival == nil || s.Survival.Cause != "again" || s.Survival.Outage != 3*time.Second || len(s.Survival.Services) != 2 {
		t.Fatalf("got %+v, want the second death and it alone", s.Survival)
	}
	// A third, after the second is accounted for.
	third := Began{Kind: LifeRevived, At: noon.Add(time.Hour), Down: []Down{{Name: "a.service", Left: boot + time.Hour}}}
	before := s.Survival
	s = decide(s, third)
	if s.Survival != before || len(s.Waiting()) != 1 {
		t.Fatalf("a death is no survival yet: %+v", s.Survival)
	}
	s = decide(s, UnitSeen{back("a.service", time.Hour+time.Second)})
	if s.Survival == before || !s.Survival.At.Equal(third.At) {
		t.Fatalf("got %+v, want the third", s.Survival)
	}
}

// A unit that was removed meanwhile will not come back, and is not waited for;
// but only a manager that was looked at can say so.
func TestSurvivalOfRemovedUnits(t *testing.T) {
	t.Parallel()
	stopped := Unit{Name: "a.service", Kind: "container", Active: "inactive"}
	t.Run("one is removed", func(t *testing.T) {
		t.Parallel()
		s := decide(State{}, died("a.service", "b.service"))
		if w := s.Waiting(); !slices.Equal(w, []string{"a.service", "b.service"}) {
			t.Fatalf("before the first look: waiting for %v", w)
		}
		s = decide(s, UnitsSeen{Units: []Unit{stopped}})
		if w := s.Waiting(); s.Survival != nil || !slices.Equal(w, []string{"a.service"}) {
			t.Fatalf("waiting for %v, survival %+v; want a.service alone", w, s.Survival)
		}
		s = decide(s, UnitSeen{back("a.service", 3*time.Second)})
		want := []Outage{{Name: "a.service", Outage: 3 * time.Second}}
		if s.Survival == nil || !slices.Equal(s.Survival.Services, want) || s.Survival.Outage != 3*time.Second {
			t.Errorf("got %+v, want a.service and no other", s.Survival)
		}
	})
	t.Run("the last that was waited for is removed", func(t *testing.T) {
		t.Parallel()
		s := decide(State{}, died("a.service", "b.service"),
			UnitsSeen{Units: []Unit{back("a.service", time.Second), {Name: "b.service", Active: "activating"}}})
		if w := s.Waiting(); s.Survival != nil || !slices.Equal(w, []string{"b.service"}) {
			t.Fatalf("waiting for %v, survival %+v; want b.service alone", w, s.Survival)
		}
		s = decide(s, UnitsSeen{Units: []Unit{back("a.service", time.Second)}})
		if s.Survival == nil || len(s.Survival.Services) != 1 || s.Survival.Outage != time.Second || s.Waiting() != nil {
			t.Errorf("got %+v, waiting for %v; want a.service to be all of it", s.Survival, s.Waiting())
		}
	})
	t.Run("all are removed", func(t *testing.T) {
		t.Parallel()
		s := decide(State{}, died("a.service", "b.service"), UnitsSeen{})
		if s.Survival != nil || s.Waiting() != nil {
			t.Errorf("got %+v, waiting for %v; want neither", s.Survival, s.Waiting())
		}
		if s = decide(s, UnitSeen{back("a.service", time.Hour)}); s.Survival != nil {
			t.Errorf("made again later: %+v", s.Survival)
		}
	})
	t.Run("known before the record of the death", func(t *testing.T) {
		t.Parallel()
		s := decide(State{}, UnitsSeen{Units: []Unit{back("a.service", time.Second)}}, died("a.service", "b.service"))
		if s.Survival == nil || len(s.Survival.Services) != 1 {
			t.Errorf("got %+v, want a.service to be all of it", s.Survival)
		}
	})
	t.Run("the manager is away", func(t *testing.T) {
		t.Parallel()
		s := decide(State{}, UnitsSeen{}, ManagerDown{Err: "away"}, died("a.service"))
		if w := s.Waiting(); !slices.Equal(w, []string{"a.service"}) {
			t.Errorf("waiting for %v, want a.service", w)
		}
	})
	t.Run("one that was back is removed", func(t *testing.T) {
		t.Parallel()
		s := decide(State{}, died("a.service", "b.service"),
			UnitsSeen{Units: []Unit{back("a.service", time.Second), {Name: "b.service", Active: "activating"}}},
			UnitsSeen{Units: []Unit{{Name: "b.service", Active: "activating"}}})
		if w := s.Waiting(); s.Survival != nil || !slices.Equal(w, []string{"b.service"}) {
			t.Fatalf("waiting for %v, survival %+v; want b.service, which is not back", w, s.Survival)
		}
		s = decide(s, UnitSeen{back("b.service", 4*time.Second)})
		if s.Survival == nil || s.Survival.Outage != 4*time.Second {
			t.Errorf("got %+v, want an outage of 4s", s.Survival)
		}
	})
}

func TestSurvivalOfNothing(t *testing.T) {
	t.Parallel()
	s := decide(State{}, died(), UnitSeen{back("a.service", time.Second)})
	if s.Survival != nil || s.Waiting() != nil {
		t.Errorf("nothing fell: %+v", s.Survival)
	}
}

func TestTakenDown(t *testing.T) {
	t.Parallel()
	units := []Unit{
		{Name: "running.service", Kind: "container", Active: "active"},
		{Name: "starting.service", Kind: "container", Active: "activating"},
		{Name: "stopping.service", Kind: "pod", Active: "deactivating"},
		{Name: "reloading.service", Kind: "kube", Active: "reloading"},
		{Name: "stopped.service", Kind: "container", Active: "inactive"},
		{Name: "failed.service", Kind: "container", Active: "failed"},
		{Name: "data-volume.service", Kind: "volume", Active: "active"},
		{Name: "net-network.service", Kind: "network", Active: "active"},
		{Name: "app-image.service", Kind: "image", Active: "active"},
		{Name: "odd.service", Active: "active"},
		{Name: "backup.service", Kind: "container", Active: "activating", OneShot: true},
		{Name: "person.service", Kind: "container", Active: "deactivating", Stopped: true},
	}
	want := []Down{{"running.service", boot}, {"starting.service", boot}, {"stopping.service", boot}, {"reloading.service", boot}}
	if got := TakenDown(units, boot); !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := TakenDown(nil, boot); got != nil {
		t.Errorf("of nothing: %+v", got)
	}
}
