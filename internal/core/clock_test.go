package core

import (
	"testing"
	"time"
	"unsafe"
)

// jumped is what time.Now returns at the same moment after somebody has set the
// clock: another wall time, and the same monotonic reading. The time package has
// no way to make one, so this goes by its layout: wall is a flag, 33 bits of
// seconds and 30 of nanoseconds.
func jumped(t *testing.T, now time.Time, by time.Duration) time.Time {
	t.Helper()
	to := now
	wall := (*uint64)(unsafe.Pointer(&to))
	if *wall>>63 == 0 {
		t.Fatal("the time has no monotonic reading")
	}
	*wall += uint64(by/time.Second) << 30
	if to.Sub(now) != 0 || to.Round(0).Sub(now.Round(0)) != by {
		t.Fatalf("the layout of time.Time has changed: %v and %v", now, to)
	}
	return to
}

const day = 24 * time.Hour

// The clock jumps by a day: nothing is an outage, and nothing that is due waits
// for longer, or comes any sooner.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	for _, by := range []time.Duration{day, -day} {
		now := time.Now()
		s := State{Linger: LingerUnknown}
		see := func(e Event) []Action {
			var actions []Action
			s, actions = Decide(s, e, now)
			return actions
		}
		// Something of everything that waits: a pause that ends, a start and a set
		// to be tried again, an answer, helpers, the manager.
		for _, e := range []Event{
			StandDownSeen{}, LogindUp{}, LingerSeen{}, LingerSet{Err: "no"},
			died("web.service"), list(listening("web.service", time.Second), service("db", "active")), Answered{},
			UnitSeen{service("db", "failed")}, UnitsStarted{}, UnitSeen{service("db", "failed")}, HelperHint{},
		} {
			see(e)
		}
		now = jumped(t, now, by)
		if actions := see(SessionNew{}); len(actions) != 0 {
			t.Errorf("%v: the jump alone leads to %+v", by, actions)
		}
		begin := now
		seen, asked := map[Kind]time.Duration{}, 0
		for now.Sub(begin) < LookEvery {
			wait := s.Next.Sub(now)
			if wait > managerEvery || wait < 0 {
				t.Fatalf("%v: after %v, the next wake is %v from now", by, now.Sub(begin), wait)
			}
			now = now.Add(max(wait, time.Millisecond))
			for _, a := range see(Wake{}) {
				if _, ok := seen[a.Kind]; !ok {
					seen[a.Kind] = now.Sub(begin)
				}
				switch a.Kind {
				case LookAnswers:
					if asked++; asked < 3 { // or keeper would give up within the loop
						see(Answered{})
					}
				case LookManager:
					see(ManagerSeen{})
				}
			}
		}
		for kind, want := range map[Kind]time.Duration{
			LookAnswers: askFirst, LookHelpers: helperSettle, StartUnits: 2 * time.Second, LookLinger: retryWait, LookManager: managerEvery,
		} {
			if got, ok := seen[kind]; !ok || got != want {
				t.Errorf("%v: %s came after %v (%v), want %v", by, kind, got, ok, want)
			}
		}
		if s.Survival != nil {
			t.Errorf("%v: that was no outage: %+v", by, s.Survival)
		}
		see(answer("web.service", 3*time.Second))
		if s.Survival == nil || s.Survival.Outage != 3*time.Second {
			t.Errorf("%v: got %+v, want an outage of 3s", by, s.Survival)
		}
	}
}

// A pause ends by the clock on the wall, which a person meant; but nothing else
// waits for it where that clock is set back.
func TestClockJumpsWithinAPause(t *testing.T) {
	t.Parallel()
	now := time.Now()
	until := now.Add(10 * time.Second).Round(0) // as it is read from a file
	s := State{Linger: LingerUnknown}
	for _, e := range []Event{LogindUp{}, StandDownSeen{StandDown{Cause: CausePaused, Detail: "10s", Until: until}}, LingerSeen{On: true}} {
		s, _ = Decide(s, e, now)
	}
	wait := s.Next.Sub(now) // the engine's timer runs on through the jump
	now = jumped(t, now, -day)
	begin := now
	looked := time.Duration(0)
	for looked == 0 {
		if wait > LookEvery || wait < 0 {
			t.Fatalf("%v after the jump, the next wake is %v from now", now.Sub(begin), wait)
		}
		now = now.Add(max(wait, time.Millisecond))
		var actions []Action
		s, actions = Decide(s, Wake{}, now)
		for _, a := range actions {
			switch a.Kind {
			case LookLinger:
				looked = now.Sub(begin)
			case LookManager:
				s, _ = Decide(s, ManagerSeen{}, now)
			}
		}
		wait = s.Next.Sub(now)
	}
	if looked != LookEvery {
		t.Errorf("linger was looked at after %v, want %v", looked, LookEvery)
	}
	// And ahead: the pause is over at once.
	now = jumped(t, now, 2*day)
	s, _ = Decide(s, LingerSeen{On: true}, now)
	if wait := s.Next.Sub(now); wait > 0 {
		t.Errorf("the pause is over, and the next wake is %v from now", wait)
	}
}
