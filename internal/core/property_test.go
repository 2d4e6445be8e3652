package core

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"
)

// runs and events of the random stories. A failure names its seed.
const (
	propertyRuns   = 50
	propertyEvents = 300
)

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

func chance(r *rand.Rand, percent int) bool { return r.IntN(100) < percent }

func randomStandDown(r *rand.Rand, now time.Time) StandDown {
	if chance(r, 75) {
		return StandDown{}
	}
	s := StandDown{Cause: pick(r, CauseMark, CauseRemoved, CauseExpired, CauseLocked, CausePaused), Detail: "random"}
	if s.Cause == CausePaused && chance(r, 50) {
		s.Until = now.Add(time.Duration(r.IntN(900)-60) * time.Second)
	}
	return s
}

func randomUnit(r *rand.Rand) Unit {
	return Unit{
		Name:    pick(r, "a.service", "b.service", "c.service", "d.service"),
		Kind:    pick(r, "container", "pod", "volume"),
		Active:  pick(r, "active", "active", "activating", "failed", "inactive"),
		Entered: time.Duration(r.IntN(300)) * time.Second,
	}
}

func randomEvent(r *rand.Rand, now time.Time) Event {
	failed := ""
	if chance(r, 20) {
		failed = "random failure"
	}
	switch r.IntN(20) {
	case 0:
		if chance(r, 30) {
			return LogindDown{Err: "random"}
		}
		return LogindUp{Restarted: chance(r, 50), ShuttingDown: chance(r, 10)}
	case 1, 2, 3:
		return LingerHint{}
	case 4, 5, 6, 7:
		return LingerSeen{On: chance(r, 40), Err: failed}
	case 8, 9:
		return LingerSet{Err: failed, Denied: failed != "" && chance(r, 50)}
	case 10, 11:
		return StandDownSeen{randomStandDown(r, now)}
	case 12:
		return pick[Event](r, SessionNew{}, SessionRemoved{}, UserNew{}, UserRemoved{})
	case 13:
		return PrepareForShutdown{Active: chance(r, 20)}
	case 14:
		e := UnitsSeen{Armed: chance(r, 80), Err: failed}
		for range r.IntN(4) {
			e.Units = append(e.Units, randomUnit(r))
		}
		return e
	case 15, 16:
		return UnitSeen{randomUnit(r)}
	case 17:
		return ManagerDown{Err: "random"}
	case 18:
		d := Began{Kind: pick(r, LifeUnknown, LifeSame, LifeRevived, LifeBooted), At: now, Cause: "random"}
		for _, n := range []string{"a.service", "b.service", "c.service"}[:r.IntN(4)] {
			d.Down = append(d.Down, Down{Name: n, Left: time.Duration(r.IntN(250)) * time.Second})
		}
		return d
	}
	return Wake{}
}

// dump shows all of a state, maps, slices and what it points to included, so
// that a field that is added one day is compared too.
func dump(s State) string {
	return fmt.Sprintf("%+v %+v", s, s.Survival)
}

// ledger is what an onlooker knows who sees only events and actions.
type ledger struct {
	logind, marksSeen, stoodDown, goingDown bool
	setting, looking                        bool
	sets                                    []time.Time
}

func (l *ledger) event(e Event) {
	switch e := e.(type) {
	case LogindUp:
		// What was asked of the logind before is answered all the same.
		l.logind, l.goingDown = true, e.ShuttingDown
	case LogindDown:
		l.logind = false
	case StandDownSeen:
		l.marksSeen, l.stoodDown = true, e.StandDown.InForce()
	case PrepareForShutdown:
		l.goingDown = e.Active
	case LingerSet:
		l.setting = false
	case LingerSeen:
		l.looking = false
	}
}

// action returns what the action breaks, if anything.
func (l *ledger) action(a Action, now time.Time) string {
	if a.What == "" || a.Reason == "" {
		return "it does not say what or why"
	}
	switch a.Kind {
	case SetLinger:
		switch {
		case l.stoodDown:
			return "keeper stands down"
		case l.goingDown:
			return "the machine goes down"
		case !l.marksSeen:
			return "the marks were not looked at yet"
		case !l.logind:
			return "there is no logind"
		case l.setting:
			return "linger is being set already"
		}
		l.setting = true
		l.sets = append(slices.DeleteFunc(l.sets, func(t time.Time) bool { return now.Sub(t) >= setWindow }), now)
		if len(l.sets) > setBudget {
			return fmt.Sprintf("it is the set number %d within %v", len(l.sets), setWindow)
		}
	case LookLinger:
		if l.looking || !l.logind {
			return "a look is under way, or there is nobody to ask"
		}
		l.looking = true
	}
	return ""
}

func TestDecideProperties(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	for seed := range uint64(propertyRuns) {
		r := rand.New(rand.NewPCG(seed, 1))
		s, now := State{Linger: LingerUnknown}, noon
		var l ledger
		pace := pick(r, 50, 2_000, 40_000) // a storm, a busy host, a quiet one
		if chance(r, 80) {
			// Most stories begin as the daemon does, or little would happen in them.
			for _, e := range []Event{LogindUp{}, StandDownSeen{}} {
				s, _ = Decide(s, e, now)
				l.event(e)
			}
			l.looking = true
		}
		for i := range propertyEvents {
			now = now.Add(time.Duration(r.IntN(pace)) * time.Millisecond)
			e := randomEvent(r, now)
			before := dump(s)
			next, actions := Decide(s, e, now)
			fail := func(why string) {
				t.Fatalf("seed %d, event %d, %T%+v at +%v: %s\nactions %+v\nbefore %s\nafter %s",
					seed, i, e, e, now.Sub(noon), why, actions, before, dump(next))
			}
			l.event(e)
			for _, a := range actions {
				if why := l.action(a, now); why != "" {
					fail(string(a.Kind) + ", but " + why)
				}
				seen[a.What]++
			}
			if next.Next.IsZero() || next.Next.Sub(now) > LookEvery {
				fail(fmt.Sprintf("the next wake is %v from now", next.Next.Sub(now)))
			}
			if dump(s) != before {
				fail("the old state was changed")
			}
			if i%4 != 0 { // the rest is slow to check
				s = next
				continue
			}
			// The same again, and another event, on the same old state: it must
			// not have changed, nor share anything with the state that followed.
			after := dump(next)
			again, same := Decide(s, e, now)
			if !reflect.DeepEqual(same, actions) || !reflect.DeepEqual(again, next) {
				fail("deciding twice gives two results")
			}
			Decide(s, randomEvent(r, now), now)
			Decide(next, randomEvent(r, now), now)
			if dump(s) != before {
				fail("the old state was changed")
			}
			if dump(next) != after {
				fail("the new state shares memory with another")
			}
			s = next
		}
	}
	// A generator that never gets to the point would prove nothing.
	for _, what := range []string{"set linger", "look at linger", "look at the units", "wait before setting linger again",
		"leave linger off", "leave linger as it is", "stand down", "stand up", "try to set linger again later",
		"wait for logind", "wait for the user manager", "count the stack as back"} {
		if seen[what] < 5 {
			t.Errorf("%q was decided %d times: the stories are too dull", what, seen[what])
		}
	}
}

// world is a logind that answers, and a person who plays with linger.
type world struct {
	linger  bool
	marks   StandDown
	answers []Event // not delivered yet
}

func (w *world) do(actions []Action) {
	for _, a := range actions {
		switch a.Kind {
		case SetLinger:
			w.linger = true
			w.answers = append(w.answers, LingerSet{}, LingerHint{})
		case LookLinger:
			w.answers = append(w.answers, StandDownSeen{w.marks}, LingerSeen{On: w.linger})
		case LookUnits:
			w.answers = append(w.answers, UnitsSeen{Armed: true})
		}
	}
}

// However wild the story was: with a logind that answers, and all hints lost,
// linger is on again after a periodic look or the longest retry, and the wait
// that the budget may add; it stays off if keeper is told to stand down.
func TestDecideRecovers(t *testing.T) {
	t.Parallel()
	for seed := range uint64(propertyRuns) {
		r := rand.New(rand.NewPCG(seed, 2))
		s, now := State{Linger: LingerUnknown}, noon
		for range propertyEvents {
			now = now.Add(time.Duration(r.IntN(20_000)) * time.Millisecond)
			s, _ = Decide(s, randomEvent(r, now), now)
		}
		w := &world{}
		if chance(r, 30) {
			w.marks = StandDown{Cause: CauseMark, Detail: "random"}
		}
		// What was under way when the story ended is answered, at last.
		w.answers = []Event{PrepareForShutdown{}, LogindUp{}, LingerSet{Err: "late"}, LingerSeen{Err: "late"}}
		wakes := 0
		for end := now.Add(LookEvery + setWindow + time.Second); now.Before(end); {
			var e Event = Wake{}
			if len(w.answers) > 0 {
				e, w.answers = w.answers[0], w.answers[1:]
			} else {
				now = now.Add(max(0, s.Next.Sub(now)))
				if wakes++; wakes > 1000 {
					t.Fatalf("seed %d: wakes in a tight loop", seed)
				}
			}
			var actions []Action
			s, actions = Decide(s, e, now)
			w.do(actions)
		}
		if want := !w.marks.InForce(); w.linger != want {
			t.Fatalf("seed %d: linger is %v after all that, want %v: %s", seed, w.linger, want, dump(s))
		}
	}
}
