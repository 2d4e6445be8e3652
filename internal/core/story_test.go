package core

import (
	"slices"
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
		actions = withoutProbes(actions)
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

// withoutProbes drops what goes with each unit that comes or goes, and with each
// incident; TestPlan and the tales of incidents look at these.
func withoutProbes(actions []Action) []Action {
	return slices.DeleteFunc(slices.Clone(actions), func(a Action) bool {
		return a.Kind == SetProbes || a.Kind == SendAlert || a.Kind == LookCommands
	})
}

func spell(actions []Action) string {
	var words []string
	for _, a := range withoutProbes(actions) {
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
		{e: LogindUp{}, want: "take-delay | look-linger"},
		{e: StandDownSeen{}},
		{e: LingerSeen{On: true}, want: "set-linger"},
		{e: LingerSet{}},
	}
}

var paused = StandDown{Cause: CausePaused, Detail: "paused by hand"}

// tale is a story to be told from the start, or with all well (settled).
type tale struct {
	settled bool
	steps   []step
}

func tell(t *testing.T, tales map[string]tale) {
	t.Helper()
	t.Parallel()
	for name, tt := range tales {
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

// doze wakes when it is asked to until the time comes, and sees that nothing
// but the regular look at the user manager is done before; the next wake is to
// be at that time.
func (y *story) doze(until time.Time) {
	y.t.Helper()
	for y.s.Next.Before(until) {
		y.play(step{after: y.s.Next.Sub(y.now), e: Wake{}, want: "look-manager"}, step{e: ManagerSeen{}})
	}
	if !y.s.Next.Equal(until) {
		y.t.Fatalf("the next wake is at %v, want %v", y.s.Next, until)
	}
}
