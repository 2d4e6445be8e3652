package core

import (
	"testing"
	"time"
)

func TestLinger(t *testing.T) {
	tell(t, map[string]tale{
		"linger is on at the start: logind is told all the same": {steps: []step{
			{e: LogindUp{}, want: "take-delay | look-linger"},
			{e: StandDownSeen{}},
			{e: LingerSeen{On: true}, want: "set-linger", reason: "polkit"},
			{e: LingerSet{}},
		}},
		"linger is off at the start": {steps: []step{
			{e: LogindUp{}, want: "take-delay | look-linger"},
			{e: StandDownSeen{}},
			{e: LingerSeen{}, want: "set-linger", reason: "linger was off"},
			{e: LingerSet{}},
		}},
		"the marks are seen before logind answers": {steps: []step{
			{e: StandDownSeen{}},
			{e: LogindUp{}, want: "take-delay | look-linger"},
			{e: LingerSeen{}, want: "set-linger"},
		}},
		"nothing is set before the marks were seen": {steps: []step{
			{e: LogindUp{}, want: "take-delay | look-linger"},
			{e: LingerSeen{}},
			{e: LingerHint{}, want: "look-linger"},
			{e: LingerSeen{}},
			{e: StandDownSeen{}, want: "look-linger"},
			{e: LingerSeen{}, want: "set-linger", reason: "linger is still off"},
		}},
		"linger is taken away": {settled: true, steps: []step{
			{e: LingerHint{}, want: "look-linger"},
			{e: StandDownSeen{}},
			{e: LingerSeen{}, want: "set-linger", reason: "somebody took linger away"},
			{e: LingerSet{}},
		}},
		// Root's armor kept the user manager up, and logind does not know.
		"linger is on, and logind believes the user to be leaving": {settled: true, steps: []step{
			{e: LingerHint{}, want: "look-linger"},
			{e: LingerSeen{On: true, Closing: true}, want: "set-linger", reason: "armor"},
			{e: LingerSet{}},
			{e: LingerHint{}, want: "look-linger"},
			{e: LingerSeen{On: true}},
		}},
		"logind forgot the user, whose manager runs": {settled: true, steps: []step{
			{e: LingerHint{}, want: "look-linger"},
			{e: LingerSeen{On: true, Unknown: true}, want: "set-linger", reason: "does not know the user"},
			{e: LingerSet{}},
		}},
		"a hint about nothing": {settled: true, steps: []step{
			{e: LingerHint{}, want: "look-linger"},
			{e: LingerSeen{On: true}},
		}},
		"what ends may have taken linger along": {settled: true, steps: []step{
			{e: SessionNew{ID: "3"}},
			{e: UserNew{UID: 1000}},
			{e: SessionRemoved{ID: "3"}, want: "look-linger"},
			{e: LingerSeen{On: true}},
			{e: UserRemoved{UID: 1000}, want: "look-linger"},
		}},
		"one look at a time": {settled: true, steps: []step{
			{e: LingerHint{}, want: "look-linger"},
			{e: LingerHint{}},
			{e: SessionRemoved{}},
			// The answer may be older than the hints: one look for all of them.
			{e: LingerSeen{On: true}, want: "look-linger"},
			{e: LingerSeen{On: true}},
			{e: LingerHint{}, want: "look-linger"},
		}},
		"logind answered, linger was removed, the answer arrived": {settled: true, steps: []step{
			{e: LingerHint{}, want: "look-linger"},
			{e: LingerHint{}},
			{e: LingerSeen{On: true}, want: "look-linger"},
			{e: LingerSeen{}, want: "set-linger"},
		}},
		"a hint during a look that fails": {settled: true, steps: []step{
			{e: LingerHint{}, want: "look-linger"},
			{e: LingerHint{}},
			{e: LingerSeen{Err: "timeout"}, want: "look-linger"},
			{e: LingerSeen{Err: "timeout"}},
			{after: retryWait, e: Wake{}, want: "look-linger"},
		}},
		// logind set it, somebody removed it, and the look was quicker than the
		// answer. Looking on while the set is under way would be a tight loop.
		"one set at a time": {settled: true, steps: []step{
			{e: LingerHint{}, want: "look-linger"},
			{e: LingerSeen{}, want: "set-linger"},
			{e: LingerHint{}, want: "look-linger"},
			{e: LingerHint{}},
			{e: LingerSeen{}},
			{e: LingerSet{}, want: "look-linger"},
			{e: LingerSeen{}, want: "set-linger", reason: "somebody took linger away"},
		}},
		"the set is quicker than the look": {settled: true, steps: []step{
			{e: LingerHint{}, want: "look-linger"},
			{e: LingerSeen{}, want: "set-linger"},
			{e: LingerHint{}, want: "look-linger"},
			{e: LingerHint{}},
			{e: LingerSet{}},
			{e: LingerSeen{On: true}, want: "look-linger"},
			{e: LingerSeen{}, want: "set-linger"},
		}},
		"a set that failed is tried again though linger is on": {steps: []step{
			{e: LogindUp{}, want: "take-delay | look-linger"},
			{e: StandDownSeen{}},
			{e: LingerSeen{On: true}, want: "set-linger"},
			{e: LingerSet{Err: "polkit is not there yet"}, want: "note:try to set linger again later"},
			{after: retryWait, e: Wake{}, want: "look-linger"},
			{e: LingerSeen{On: true}, want: "set-linger"},
			{e: LingerSet{}},
			{e: LingerHint{}, want: "look-linger"},
			{e: LingerSeen{On: true}},
		}},
		"told once the marks were seen": {steps: []step{
			{e: LogindUp{}, want: "take-delay | look-linger"},
			{e: LingerSeen{On: true}},
			{e: StandDownSeen{}, want: "look-linger"},
			{e: LingerSeen{On: true}, want: "set-linger", reason: "logind is to know"},
		}},
		"polkit says no, and may say yes later": {steps: []step{
			{e: LogindUp{}, want: "take-delay | look-linger"},
			{e: StandDownSeen{}},
			{e: LingerSeen{}, want: "set-linger"},
			{e: LingerSet{Err: "not authorized", Denied: true}, want: "note:try to set linger again later", reason: "not authorized"},
			{after: retryWait - 1, e: Wake{}},
			{after: 1, e: Wake{}, want: "look-linger"},
			{e: LingerSeen{}, want: "set-linger", reason: "linger is still off"},
			{e: LingerSet{}},
		}},
		"a look that failed is tried again": {settled: true, steps: []step{
			{e: LingerHint{}, want: "look-linger"},
			{e: LingerSeen{Err: "timeout"}},
			{after: retryWait, e: Wake{}, want: "look-linger"},
			{e: LingerSeen{}, want: "set-linger"},
		}},
	})
}

// Somebody takes linger away again and again. He is not fought in a tight loop.
func TestLingerBudget(t *testing.T) {
	t.Parallel()
	y := newStory(t)
	y.play(settled()...) // the first of the sets
	for range setBudget - 1 {
		y.play(
			step{after: time.Second, e: LingerHint{}, want: "look-linger"},
			step{e: LingerSeen{}, want: "set-linger"},
			step{e: LingerSet{}},
		)
	}
	y.play(
		step{after: time.Second, e: LingerHint{}, want: "look-linger"},
		step{e: LingerSeen{}, want: "note:wait before setting linger again", reason: "it was set 5 times within a minute"},
	)
	// Hints do not help, and it is said once.
	y.play(
		step{after: time.Second, e: LingerHint{}, want: "look-linger"},
		step{e: LingerSeen{}},
	)
	y.doze(noon.Add(setWindow)) // when the first set leaves the window
	y.play(
		step{after: y.s.Next.Sub(y.now), e: Wake{}, want: "look-linger | look-manager"},
		step{e: LingerSeen{}, want: "set-linger"},
		step{e: LingerSet{}},
		// One place was free, not five.
		step{e: LingerHint{}, want: "look-linger"},
		step{e: LingerSeen{}},
	)
	if !y.s.Next.After(y.now) {
		t.Fatalf("the next wake at %v is not ahead of %v: a tight loop", y.s.Next, y.now)
	}
}

func TestLingerState(t *testing.T) {
	t.Parallel()
	y := newStory(t)
	y.play(
		step{e: LogindUp{}, want: "take-delay | look-linger"},
		step{e: StandDownSeen{}},
		step{e: LingerSeen{}, want: "set-linger"},
		step{after: time.Second, e: LingerSet{Err: "no", Denied: true}, want: "note:try to set linger again later"},
	)
	if s := y.s; s.Linger != LingerOff || !s.LingerSince.Equal(noon) || s.SetErr != "no" || !s.Denied || !s.LogindUp {
		t.Errorf("after a denial: %+v", s)
	}
	y.play(
		step{after: retryWait, e: Wake{}, want: "look-linger"},
		step{e: LingerSeen{}, want: "set-linger"},
		step{after: time.Second, e: LingerSet{}},
	)
	if s := y.s; s.Linger != LingerOn || !s.LingerSince.Equal(y.now) || s.SetErr != "" || s.Denied {
		t.Errorf("after linger could be set: %+v", s)
	}
	since := y.s.LingerSince
	y.play(
		step{after: time.Second, e: LingerHint{}, want: "look-linger"},
		step{e: LingerSeen{On: true}},
	)
	if !y.s.LingerSince.Equal(since) {
		t.Errorf("linger did not change, but is now on since %v", y.s.LingerSince)
	}
	y.play(step{e: LogindUp{}, want: "take-delay | look-linger"})
	if y.s.Linger != LingerUnknown {
		t.Errorf("linger is %s with a logind that was not asked yet", y.s.Linger)
	}
}

func TestOneFailedLookIsForgotten(t *testing.T) {
	t.Parallel()
	y := newStory(t)
	y.play(settled()...)
	y.play(
		step{e: UnitsSeen{Armed: true}},
		step{e: LingerHint{}, want: "look-linger"},
		step{e: LingerSeen{Err: "timeout"}},
	)
	if why := y.s.WhyNotArmed(); why != "timeout" {
		t.Errorf("a look failed, and %q is why it is not armed", why)
	}
	y.play(
		step{after: retryWait, e: Wake{}, want: "look-linger"},
		step{e: LingerSeen{On: true}},
	)
	if why := y.s.WhyNotArmed(); why != "" {
		t.Errorf("all is well again, and yet: %s", why)
	}
}

// That it is on says nothing of whether keeper could set it: one more set does.
func TestLingerSetBySomebodyElseEndsTheTrouble(t *testing.T) {
	t.Parallel()
	y := newStory(t)
	y.play(
		step{e: UnitsSeen{Armed: true}},
		step{e: LogindUp{}, want: "take-delay | look-linger"},
		step{e: StandDownSeen{}},
		step{e: LingerSeen{}, want: "set-linger"},
		step{e: LingerSet{Err: "timeout"}, want: "note:try to set linger again later"},
		// loginctl enable-linger
		step{after: time.Second, e: LingerHint{}, want: "look-linger"},
		step{e: LingerSeen{On: true}},
		step{after: retryWait - time.Second, e: Wake{}, want: "look-linger"},
		step{e: LingerSeen{On: true}, want: "set-linger"},
		step{e: LingerSet{}},
	)
	if why := y.s.WhyNotArmed(); y.s.Linger != LingerOn || why != "" {
		t.Errorf("linger is %s, and yet: %s", y.s.Linger, why)
	}
}

// A set that fails again and again is tried later and later, up to LookEvery;
// neither hints nor looks that fail change that. One that succeeds ends it.
func TestBackoff(t *testing.T) {
	t.Parallel()
	y := newStory(t)
	y.play(
		step{e: LogindUp{}, want: "take-delay | look-linger"},
		step{e: StandDownSeen{}},
		step{e: LingerSeen{}, want: "set-linger"},
		step{e: LingerSet{Err: "no"}, want: "note:try to set linger again later"},
	)
	for _, wait := range []time.Duration{retryWait, 2 * retryWait, 4 * retryWait, 8 * retryWait, 16 * retryWait, LookEvery, LookEvery} {
		due := y.now.Add(wait)
		var sets []Action
		play := func(e Event) {
			var actions []Action
			y.s, actions = Decide(y.s, e, y.now)
			for _, a := range actions {
				if a.Kind == SetLinger {
					sets = append(sets, a)
				}
			}
		}
		for _, e := range []Event{LingerHint{}, LingerSeen{}, LingerHint{}, LingerSeen{Err: "timeout"}} {
			play(e)
		}
		for y.now.Before(due) {
			if len(sets) > 0 {
				t.Fatalf("%+v at %v, want it at %v", sets, y.now, due)
			}
			if y.now = y.s.Next; y.now.After(due) {
				t.Fatalf("woken at %v, want %v at the latest", y.now, due)
			}
			play(Wake{})
			play(LingerSeen{})
		}
		if len(sets) != 1 || !sets[0].Retry {
			t.Fatalf("after %v: %+v, want one retry", wait, sets)
		}
		y.play(step{e: LingerSet{Err: "no"}})
	}
	y.now = y.s.Next
	for y.s.SetErr != "" && y.now.Before(noon.Add(time.Hour)) {
		y.now = y.s.Next
		for _, e := range []Event{Wake{}, LingerSeen{}} {
			var actions []Action
			if y.s, actions = Decide(y.s, e, y.now); spell(actions) == "set-linger" {
				y.play(step{e: LingerSet{}})
			}
		}
	}
	y.play(
		step{e: LingerHint{}, want: "look-linger"},
		step{e: LingerSeen{}, want: "set-linger"},
		step{e: LingerSet{Err: "no"}, want: "note:try to set linger again later"},
	)
	if want := y.now.Add(retryWait); !y.s.Next.Equal(want) {
		t.Errorf("the next wake is at %v, want %v", y.s.Next, want)
	}
}
