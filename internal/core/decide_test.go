package core

import (
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// step is one event after a wait, and the actions it must lead to: their kinds,
// and of a note what it says, joined by " | ".
type step struct {
	after time.Duration
	e     Event
	want  string
	// reason, if any, must be part of what the last action gives as its reason.
	reason string
}

// story plays events through Decide and keeps the clock.
type story struct {
	t   *testing.T
	s   State
	now time.Time
}

func newStory(t *testing.T) *story { return &story{t: t, s: State{Linger: LingerUnknown}, now: noon} }

func (y *story) play(steps ...step) {
	y.t.Helper()
	for i, st := range steps {
		y.now = y.now.Add(st.after)
		var actions []Action
		y.s, actions = Decide(y.s, st.e, y.now)
		if got := spell(actions); got != st.want {
			y.t.Fatalf("step %d, %T%+v: got %q, want %q", i, st.e, st.e, got, st.want)
		}
		if st.reason == "" {
			continue
		}
		if len(actions) == 0 || !strings.Contains(actions[len(actions)-1].Reason, st.reason) {
			y.t.Fatalf("step %d, %T: actions %+v give no reason like %q", i, st.e, actions, st.reason)
		}
	}
}

func spell(actions []Action) string {
	var words []string
	for _, a := range actions {
		w := string(a.Kind)
		if a.Kind == Note {
			w += ":" + a.What
		}
		words = append(words, w)
	}
	return strings.Join(words, " | ")
}

// settled is a daemon that has looked at everything, and the account lingers.
func settled() []step {
	return []step{
		{e: LogindUp{}, want: "look-linger"},
		{e: StandDownSeen{}},
		{e: LingerSeen{On: true}, want: "set-linger"},
		{e: LingerSet{}},
	}
}

var paused = StandDown{Cause: CausePaused, Detail: "paused by hand"}

func TestDecide(t *testing.T) {
	tests := map[string]struct {
		settled bool
		steps   []step
	}{
		"linger is on at the start: logind is told all the same": {steps: []step{
			{e: LogindUp{}, want: "look-linger"},
			{e: StandDownSeen{}},
			{e: LingerSeen{On: true}, want: "set-linger", reason: "polkit"},
			{e: LingerSet{}},
		}},
		"linger is off at the start": {steps: []step{
			{e: LogindUp{}, want: "look-linger"},
			{e: StandDownSeen{}},
			{e: LingerSeen{}, want: "set-linger", reason: "linger was off"},
			{e: LingerSet{}},
		}},
		"the marks are seen before logind answers": {steps: []step{
			{e: StandDownSeen{}},
			{e: LogindUp{}, want: "look-linger"},
			{e: LingerSeen{}, want: "set-linger"},
		}},
		"nothing is set before the marks were seen": {steps: []step{
			{e: LogindUp{}, want: "look-linger"},
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
			{e: LogindUp{}, want: "look-linger"},
			{e: StandDownSeen{}},
			{e: LingerSeen{On: true}, want: "set-linger"},
			{e: LingerSet{Err: "polkit is not there yet"}, want: "note:try to set linger again later"},
			{after: retryWait, e: Wake{}, want: "look-linger"},
			{e: LingerSeen{On: true}, want: "set-linger"},
			{e: LingerSet{}},
			{e: LingerHint{}, want: "look-linger"},
			{e: LingerSeen{On: true}},
		}},
		"told once keeper stands up": {steps: []step{
			{e: LogindUp{}, want: "look-linger"},
			{e: StandDownSeen{paused}, want: "note:stand down"},
			{e: LingerSeen{On: true}},
			{e: StandDownSeen{}, want: "note:stand up | look-linger"},
			{e: LingerSeen{On: true}, want: "set-linger", reason: "logind is to know"},
		}},
		"told once the shutdown is called off": {steps: []step{
			{e: LogindUp{ShuttingDown: true}, want: "note:leave everything as it is | look-linger"},
			{e: StandDownSeen{}},
			{e: LingerSeen{On: true}, want: "note:leave linger as it is"},
			{e: PrepareForShutdown{}, want: "note:look again | look-linger"},
			{e: LingerSeen{On: true}, want: "set-linger", reason: "logind is to know"},
		}},
		"told once the marks were seen": {steps: []step{
			{e: LogindUp{}, want: "look-linger"},
			{e: LingerSeen{On: true}},
			{e: StandDownSeen{}, want: "look-linger"},
			{e: LingerSeen{On: true}, want: "set-linger", reason: "logind is to know"},
		}},
		"stood down with linger on: nothing to say": {steps: []step{
			{e: LogindUp{}, want: "look-linger"},
			{e: StandDownSeen{paused}, want: "note:stand down", reason: "paused by hand"},
			{e: LingerSeen{On: true}},
		}},
		"stood down with linger off: left so, and said so": {steps: []step{
			{e: LogindUp{}, want: "look-linger"},
			{e: StandDownSeen{paused}, want: "note:stand down"},
			{e: LingerSeen{}, want: "note:leave linger off", reason: "paused by hand"},
			{after: LookEvery, e: Wake{}, want: "look-linger | look-units"},
			{e: LingerSeen{}},
		}},
		"linger taken away while stood down": {settled: true, steps: []step{
			{e: StandDownSeen{paused}, want: "note:stand down"},
			{e: LingerHint{}, want: "look-linger"},
			{e: StandDownSeen{paused}},
			{e: LingerSeen{}, want: "note:leave linger off", reason: "paused by hand"},
			{e: LingerHint{}, want: "look-linger"},
			{e: LingerSeen{On: true}},
			{e: LingerHint{}, want: "look-linger"},
			{e: LingerSeen{}, want: "note:leave linger off"},
		}},
		"another cause is another decision": {settled: true, steps: []step{
			{e: StandDownSeen{paused}, want: "note:stand down"},
			{e: StandDownSeen{StandDown{Cause: CausePaused, Detail: "longer"}}},
			{e: StandDownSeen{StandDown{Cause: CauseMark, Detail: "the mark"}}, want: "note:stand down", reason: "the mark"},
		}},
		"the stand-down is lifted": {settled: true, steps: []step{
			{e: StandDownSeen{paused}, want: "note:stand down"},
			{e: LingerHint{}, want: "look-linger"},
			{e: LingerSeen{}, want: "note:leave linger off"},
			{e: StandDownSeen{}, want: "note:stand up | look-linger"},
			{e: StandDownSeen{}},
			{e: LingerSeen{}, want: "set-linger", reason: "linger is still off"},
		}},
		"logind goes and comes back": {settled: true, steps: []step{
			{e: LogindDown{Err: "the bus went away"}, want: "note:wait for logind", reason: "the bus went away"},
			{e: LingerHint{}},
			{after: LookEvery, e: Wake{}, want: "look-units"},
			{e: LogindUp{Restarted: true}, want: "note:look again | look-linger"},
			{e: LingerSeen{On: true}, want: "set-linger", reason: "logind is to know"},
		}},
		"logind goes while it is asked": {settled: true, steps: []step{
			{e: LingerHint{}, want: "look-linger"},
			{e: LingerSeen{}, want: "set-linger"},
			{e: LingerHint{}, want: "look-linger"},
			{e: LogindDown{}, want: "note:wait for logind"},
			{e: LogindUp{}},
			{e: LingerSeen{Err: "the bus went away"}},
			{e: LingerSet{Err: "the bus went away"}, want: "note:try to set linger again later | look-linger"},
			{e: LingerSeen{}},
			{after: retryWait, e: Wake{}, want: "look-linger"},
			{e: LingerSeen{}, want: "set-linger"},
		}},
		"logind goes during a look, and is back before that fails": {settled: true, steps: []step{
			{e: LingerHint{}, want: "look-linger"},
			{e: LogindDown{}, want: "note:wait for logind"},
			{e: LogindUp{}},
			{e: LingerSeen{Err: "the bus went away"}, want: "look-linger"},
			{e: LingerSeen{}, want: "set-linger"},
		}},
		"a set of an earlier logind is under way: none runs beside it": {settled: true, steps: []step{
			{e: LingerHint{}, want: "look-linger"},
			{e: LingerSeen{}, want: "set-linger"}, // it hangs
			{e: LogindDown{}, want: "note:wait for logind"},
			{e: LogindUp{}, want: "look-linger"},
			{e: LingerSeen{}},
			{e: LingerHint{}, want: "look-linger"},
			{e: LingerSeen{}},
			{e: LingerSet{}, want: "look-linger"},
			// The one there was told nothing of it.
			{e: LingerSeen{On: true}, want: "set-linger", reason: "logind is to know"},
			{e: LingerSet{}},
			{e: LingerHint{}, want: "look-linger"},
			{e: LingerSeen{On: true}},
		}},
		"a new logind is not made to wait for what another refused": {steps: []step{
			{e: LogindUp{}, want: "look-linger"},
			{e: StandDownSeen{}},
			{e: LingerSeen{}, want: "set-linger"},
			{e: LingerSet{Err: "timeout"}, want: "note:try to set linger again later"},
			{e: LogindDown{}, want: "note:wait for logind"},
			{after: time.Second, e: LogindUp{Restarted: true}, want: "note:look again | look-linger"},
			{e: LingerSeen{}, want: "set-linger"},
		}},
		"a person who resumes is not made to wait": {steps: []step{
			{e: LogindUp{}, want: "look-linger"},
			{e: StandDownSeen{}},
			{e: LingerSeen{}, want: "set-linger"},
			{e: LingerSet{Err: "timeout"}, want: "note:try to set linger again later"},
			{e: StandDownSeen{StandDown{Cause: CausePaused, Detail: "for a day", Until: noon.Add(24 * time.Hour)}}, want: "note:stand down"},
			{after: time.Second, e: StandDownSeen{}, want: "note:stand up | look-linger"},
			{e: LingerSeen{}, want: "set-linger"},
		}},
		"a shutdown goes with the logind that announced it": {settled: true, steps: []step{
			{e: PrepareForShutdown{Active: true}, want: "note:leave everything as it is"},
			{e: LogindDown{Err: "logind left the bus"}, want: "note:wait for logind"},
			{e: LogindUp{Restarted: true}, want: "note:look again | look-linger"},
			{e: LingerSeen{On: true}, want: "set-linger"},
		}},
		"a shutdown that logind announces still": {settled: true, steps: []step{
			{e: PrepareForShutdown{Active: true}, want: "note:leave everything as it is"},
			{e: LogindDown{Err: "logind left the bus"}, want: "note:wait for logind"},
			{e: LogindUp{Restarted: true, ShuttingDown: true}, want: "note:look again | look-linger"},
			{e: LingerSeen{}, want: "note:leave linger as it is", reason: "the machine goes down"},
			{e: LingerHint{}, want: "look-linger"},
			{e: LingerSeen{}},
		}},
		"linger seen late, with logind gone": {settled: true, steps: []step{
			{e: LingerHint{}, want: "look-linger"},
			{e: LogindDown{}, want: "note:wait for logind"},
			{e: LingerSeen{}},
		}},
		"the machine goes down, and then not": {settled: true, steps: []step{
			{e: PrepareForShutdown{Active: false}},
			{e: PrepareForShutdown{Active: true}, want: "note:leave everything as it is"},
			{e: PrepareForShutdown{Active: true}},
			{e: LingerHint{}, want: "look-linger"},
			{e: LingerSeen{}, want: "note:leave linger as it is", reason: "the machine goes down"},
			{e: PrepareForShutdown{Active: false}, want: "note:look again | look-linger"},
			{e: LingerSeen{}, want: "set-linger"},
		}},
		"polkit says no, and may say yes later": {steps: []step{
			{e: LogindUp{}, want: "look-linger"},
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
		"a lost signal costs five minutes and no more": {settled: true, steps: []step{
			{after: LookEvery - 1, e: Wake{}},
			{after: 1, e: Wake{}, want: "look-linger | look-units", reason: "lost"},
			{e: Wake{}},
			{e: LingerSeen{}, want: "set-linger"},
			{e: LingerSet{}},
			{after: LookEvery, e: Wake{}, want: "look-linger | look-units"},
		}},
		"a look at the units that failed is tried again": {settled: true, steps: []step{
			{e: UnitsSeen{Err: "timeout"}},
			{after: retryWait, e: Wake{}, want: "look-linger | look-units"},
		}},
		"the user manager goes": {settled: true, steps: []step{
			{e: UnitsSeen{Armed: true}},
			{e: ManagerDown{Err: "connection reset"}, want: "note:wait for the user manager", reason: "connection reset"},
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			y := newStory(t)
			if tt.settled {
				y.play(settled()...)
			}
			y.play(tt.steps...)
		})
	}
}

// Somebody takes linger away again and again. He is not fought in a tight loop.
func TestDecideBudget(t *testing.T) {
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
	if want := noon.Add(setWindow); !y.s.Next.Equal(want) {
		t.Fatalf("the next wake is at %v, want %v: when the first set leaves the window", y.s.Next, want)
	}
	// Hints do not help, and it is said once.
	y.play(
		step{after: time.Second, e: LingerHint{}, want: "look-linger"},
		step{e: LingerSeen{}},
	)
	y.play(
		step{after: y.s.Next.Sub(y.now), e: Wake{}, want: "look-linger"},
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

func TestDecidePauseEnds(t *testing.T) {
	t.Parallel()
	until := noon.Add(2 * time.Minute)
	p := StandDown{Cause: CausePaused, Detail: "two minutes", Until: until}
	y := newStory(t)
	y.play(settled()...)
	y.play(
		step{e: StandDownSeen{p}, want: "note:stand down"},
		step{e: LingerHint{}, want: "look-linger"},
		step{e: LingerSeen{}, want: "note:leave linger off"},
	)
	if !y.s.Next.Equal(until) {
		t.Fatalf("the next wake is at %v, want the end of the pause, %v", y.s.Next, until)
	}
	y.play(
		step{after: time.Minute, e: Wake{}},
		step{after: time.Minute, e: Wake{}, want: "look-linger"},
		step{e: StandDownSeen{}, want: "note:stand up"},
		step{e: LingerSeen{}, want: "set-linger"},
	)

	// A pause far ahead does not keep the periodic look from its time.
	y = newStory(t)
	y.play(settled()...)
	p.Until = noon.Add(time.Hour)
	y.play(step{e: StandDownSeen{p}, want: "note:stand down"})
	if want := noon.Add(LookEvery); !y.s.Next.Equal(want) {
		t.Fatalf("the next wake is at %v, want %v", y.s.Next, want)
	}
}

func TestDecideState(t *testing.T) {
	t.Parallel()
	y := newStory(t)
	y.play(
		step{e: LogindUp{}, want: "look-linger"},
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
	y.play(step{e: LogindUp{}, want: "look-linger"})
	if y.s.Linger != LingerUnknown {
		t.Errorf("linger is %s with a logind that was not asked yet", y.s.Linger)
	}
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
	for kind, want := range map[Kind]bool{SetLinger: true, Note: true, LookLinger: false, LookUnits: false} {
		if got := (Action{Kind: kind}).Decided(); got != want {
			t.Errorf("Decided of %s is %v, want %v", kind, got, want)
		}
	}
	if (Action{Kind: SetLinger, Retry: true}).Decided() {
		t.Error("trying again is a decision")
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
		step{e: LogindUp{}, want: "look-linger"},
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
		step{e: LogindUp{}, want: "look-linger"},
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
