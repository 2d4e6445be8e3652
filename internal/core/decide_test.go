package core

import (
	"testing"
	"time"
)

func TestHintsGetLost(t *testing.T) {
	tell(t, map[string]tale{
		"a lost signal costs five minutes and no more": {settled: true, steps: []step{
			{after: LookEvery - 1, e: Wake{}, want: "look-manager"},
			{after: 1, e: Wake{}, want: "look-linger | look-units", reason: "lost"},
			{e: Wake{}},
			{e: LingerSeen{}, want: "set-linger"},
			{e: LingerSet{}},
			{after: LookEvery, e: Wake{}, want: "look-linger | look-units | look-helpers | look-manager"},
		}},
		"a look at the units that failed is tried again": {settled: true, steps: []step{
			{e: UnitsSeen{Err: "timeout"}},
			{after: retryWait, e: Wake{}, want: "look-linger | look-units"},
		}},
		"a Quadlet file is lost": {settled: true, steps: []step{
			{e: UnitsSeen{Lost: []LostFile{{"/q/a", "/c/a"}}}, want: "note:leave /q/a to a person", reason: "/c/a"},
			{e: UnitsSeen{Lost: []LostFile{{"/q/a", "/c/a"}}}},
			{e: UnitsSeen{Lost: []LostFile{{"/q/a", "/c/a"}, {"/q/b", "/c/b"}}}, want: "note:leave /q/b to a person"},
			{e: UnitsSeen{Lost: []LostFile{{"/q/b", "/c/b"}}}},
			// It was put back, and lost again.
			{e: UnitsSeen{Lost: []LostFile{{"/q/a", "/c/a"}, {"/q/b", "/c/b"}}}, want: "note:leave /q/a to a person"},
		}},
		"the user manager goes": {settled: true, steps: []step{
			{e: UnitsSeen{Armed: true}},
			{e: ManagerDown{Err: "connection reset"}, want: "note:wait for the user manager", reason: "connection reset"},
		}},
	})
}

func TestDecideUnits(t *testing.T) {
	t.Parallel()
	y := newStory(t)
	y.play(
		step{e: UnitSeen{Unit{Name: "early.service", Active: "active"}}},
		step{e: UnitsSeen{Armed: true, Units: []Unit{{Name: "a.service", Active: "active"}, {Name: "b.service", Active: "failed"}}}},
	)
	if s := y.s; len(s.Units) != 2 || !s.Armed || !s.ManagerUp {
		t.Fatalf("the list did not replace what was known: %+v", s)
	}
	y.play(step{e: UnitSeen{Unit{Name: "b.service", Active: "active"}}})
	if s := y.s; len(s.Units) != 2 || s.Units["a.service"].Active != "active" || s.Units["b.service"].Active != "active" {
		t.Fatalf("one unit changed, and the units are %+v", s.Units)
	}
	y.play(step{e: UnitsSeen{Err: "timeout"}})
	if s := y.s; len(s.Units) != 2 || s.ManagerErr != "timeout" {
		t.Fatalf("a look that failed: %+v", s)
	}
	y.play(step{e: UnitsSeen{Armed: false, Units: []Unit{{Name: "a.service"}}}})
	if s := y.s; len(s.Units) != 1 || s.Armed || s.ManagerErr != "" {
		t.Fatalf("a unit that is gone is still there: %+v", s)
	}
	y.play(step{e: ManagerDown{Err: "gone"}, want: "note:wait for the user manager"})
	if s := y.s; s.ManagerUp || s.Armed || s.ManagerErr != "gone" || len(s.Units) != 1 {
		t.Fatalf("the last units known stay, but nothing is armed: %+v", s)
	}
}

func TestDecided(t *testing.T) {
	t.Parallel()
	for kind, want := range map[Kind]bool{
		Note: true, SetLinger: true, StartUnits: true, StopUnits: true, MendNetwork: true, WakeManager: true,
		LookLinger: false, LookUnits: false, LookAnswers: false, LookHelpers: false, LookManager: false,
		TakeDelay: false, ReleaseDelay: false,
	} {
		if got := (Action{Kind: kind}).Decided(); got != want {
			t.Errorf("Decided of %s is %v, want %v", kind, got, want)
		}
	}
	for _, kind := range []Kind{SetLinger, StartUnits, MendNetwork, WakeManager} {
		if (Action{Kind: kind, Retry: true}).Decided() {
			t.Errorf("%s: trying again is a decision", kind)
		}
	}
}

// The history holds 100 decisions, which are to say what happened for days.
func TestStandingTroubleDoesNotFlood(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		linger bool
		marks  StandDown
		set    LingerSet
		look   string
		down   bool
		hangs  bool
	}{
		"a set that never ends":          {hangs: true},
		"denied":                         {set: LingerSet{Err: "not authorized", Denied: true}},
		"denied with linger on":          {linger: true, set: LingerSet{Err: "not authorized", Denied: true}},
		"linger cannot be looked at":     {look: "timeout"},
		"paused":                         {marks: paused},
		"paused with linger on":          {linger: true, marks: paused},
		"the machine goes down for ever": {down: true},
		"the same with linger on":        {linger: true, down: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const day = 24 * time.Hour
			s, now, decided, looks := State{Linger: LingerUnknown}, noon, 0, 0
			queue := []Event{LogindUp{ShuttingDown: tt.down}}
			for now.Before(noon.Add(day)) && looks < int(day/retryWait+day/LookEvery)+10 {
				var e Event = Wake{}
				if len(queue) > 0 {
					e, queue = queue[0], queue[1:]
				} else {
					now = s.Next
				}
				var actions []Action
				s, actions = Decide(s, e, now)
				for _, a := range actions {
					if a.Decided() {
						decided++
					}
					switch a.Kind {
					case SetLinger:
						if !tt.hangs {
							queue = append(queue, tt.set, LingerHint{})
						}
					case LookLinger:
						looks++
						queue = append(queue, StandDownSeen{tt.marks}, LingerSeen{On: tt.linger, Err: tt.look})
					}
				}
			}
			if decided > 5 {
				t.Errorf("%d decisions in a day of one and the same trouble", decided)
			}
			if now.Before(noon.Add(day)) || looks < int(day/LookEvery)-1 {
				t.Errorf("%d looks until %v", looks, now)
			}
		})
	}
}
