package core

import (
	"reflect"
	"slices"
	"testing"
	"time"
)

// listening is a service with a port that became active so long after the stop
// began.
func listening(name string, after time.Duration) Unit {
	return with(back(name, after), func(u *Unit) { u.Sub, u.Ports = "running", []string{"127.0.0.1:80"} })
}

func answer(name string, after time.Duration) Answered {
	return Answered{At: map[string]time.Duration{name: boot + after}}
}

func TestAnswers(t *testing.T) {
	begun := after(settled(), step{e: died("web.service", "db.service"), want: "note:count the stack back in"},
		step{e: list(with(listening("web.service", 0), func(u *Unit) { u.Active, u.Entered = "activating", 0 }), back("db.service", time.Second))})
	with := func(more ...step) []step { return after(append([]step{}, begun...), more...) }
	up := step{e: UnitSeen{listening("web.service", 2*time.Second)}, want: "look-answers", reason: "active is not yet there"}
	again := step{after: askFirst, e: Wake{}, want: "look-answers"}
	tell(t, map[string]tale{
		"active is not yet there": {steps: with(up,
			step{e: Answered{}},
			step{after: askFirst - 1, e: Wake{}},
			step{after: 1, e: Wake{}, want: "look-answers"},
			// Later and later.
			step{e: Answered{}},
			step{after: 2*askFirst - 1, e: Wake{}},
			step{after: 1, e: Wake{}, want: "look-answers"},
			step{e: answer("web.service", 9*time.Second), want: "note:count the stack as back", reason: "after 9s"},
			step{after: askFirst, e: Wake{}},
		)},
		"one question at a time": {steps: with(up,
			step{e: UnitSeen{listening("web.service", 2*time.Second)}},
			step{e: UnitSeen{back("db.service", time.Second)}},
			step{after: time.Minute, e: Wake{}, want: "look-manager"},
			step{e: Answered{}},
			step{e: UnitSeen{listening("web.service", 2*time.Second)}},
			again,
		)},
		"it goes down before it answers": {steps: with(up,
			step{e: UnitSeen{Unit{Name: "web.service", Kind: "container", Active: "activating", Sub: "auto-restart", Ports: []string{"127.0.0.1:80"}}}},
			// Who answers there now is somebody else.
			step{e: answer("web.service", 3*time.Second)},
			step{after: askFirst, e: Wake{}},
			step{e: UnitSeen{listening("web.service", 20*time.Second)}, want: "look-answers"},
			step{e: answer("web.service", 21*time.Second), want: "note:count the stack as back", reason: "after 21s"},
		)},
		"somebody stops it before it answers": {steps: with(up,
			step{e: StopAsked{Name: "web.service"}, want: "note:count the stack as back", reason: "all 1 services are there again after 1s"},
			step{e: answer("web.service", 3*time.Second)},
			step{after: askFirst, e: Wake{}},
		)},
		"its file is removed before it answers": {steps: with(up,
			step{e: list(back("db.service", time.Second)), want: "note:count the stack as back"},
			step{e: Answered{}},
		)},
		"an answer of others": {steps: with(up,
			step{e: answer("other.service", 3*time.Second)}, again,
		)},
		"an answer from before the death": {steps: with(up,
			step{e: answer("web.service", 0)}, again,
		)},
	})
}

func TestAnswersAreAskedOfThoseWhoAreMissing(t *testing.T) {
	t.Parallel()
	s := decide(State{}, died("a.service", "b.service", "c.service", "d.service"))
	s, actions := Decide(s, list(
		listening("a.service", time.Second),
		with(listening("b.service", 2*time.Second), func(u *Unit) { u.Ports = []string{"127.0.0.1:81", "[::1]:82"} }),
		listening("c.service", -time.Second), // still in its old life
		back("d.service", time.Second),       // without a port: active is all there is to see
	), noon)
	want := map[string][]string{"a.service": {"127.0.0.1:80"}, "b.service": {"127.0.0.1:81", "[::1]:82"}}
	actions = withoutProbes(actions)
	if len(actions) != 1 || actions[0].Kind != LookAnswers || !reflect.DeepEqual(actions[0].Ports, want) {
		t.Fatalf("got %+v, want to ask %v", actions, want)
	}
	if actions[0].Decided() {
		t.Error("asking is no decision")
	}
	if w := s.Waiting(); !slices.Equal(w, []string{"a.service", "b.service", "c.service"}) {
		t.Fatalf("waiting for %v", w)
	}
	s = decide(s, answer("a.service", 3*time.Second))
	s, actions = Decide(s, Wake{}, noon.Add(askFirst))
	if want := map[string][]string{"b.service": {"127.0.0.1:81", "[::1]:82"}}; len(actions) != 1 || !reflect.DeepEqual(actions[0].Ports, want) {
		t.Fatalf("got %+v, want to ask %v", actions, want)
	}
	// The first answer is what ended the outage.
	s = decide(s, Answered{At: map[string]time.Duration{"a.service": boot + time.Hour, "b.service": boot + 4*time.Second}},
		UnitSeen{back("c.service", 5*time.Second)})
	want2 := []Outage{{"a.service", 3 * time.Second}, {"b.service", 4 * time.Second}, {"c.service", 5 * time.Second}, {"d.service", time.Second}}
	if s.Survival == nil || !slices.Equal(s.Survival.Services, want2) || s.Survival.Outage != 5*time.Second {
		t.Errorf("got %+v, want %v", s.Survival, want2)
	}
}

// Somebody whose port never answers is asked later and later, and at last no
// more: some ports never do. That is no decision, and being active has to do.
func TestAnswersThatNeverCome(t *testing.T) {
	t.Parallel()
	y := newStory(t)
	y.play(after(settled(), step{e: died("web.service"), want: "note:count the stack back in"},
		step{e: list(listening("web.service", time.Second)), want: "look-answers"})...)
	asked := []time.Duration{0}
	see := func(e Event) {
		var actions []Action
		y.s, actions = Decide(y.s, e, y.now)
		for _, a := range actions {
			if a.Kind == LookAnswers {
				asked = append(asked, y.now.Sub(noon))
			}
			if a.Decided() && a.What != "count the stack as back" {
				t.Fatalf("decided: %+v", a)
			}
		}
	}
	answers := 0
	for y.now.Before(noon.Add(time.Hour)) {
		if answers < len(asked) {
			answers++
			see(Answered{})
			continue
		}
		y.now = y.s.Next
		see(Wake{})
	}
	want := []time.Duration{0}
	for i := range askMost - 1 {
		want = append(want, want[i]+askFirst<<i)
	}
	if !slices.Equal(asked, want) {
		t.Errorf("asked at %v, want %v", asked, want)
	}
	if len(y.s.Waiting()) != 0 || y.s.Survival == nil || y.s.Survival.Outage != time.Second {
		t.Errorf("waiting for %v, survival %+v; want it to count as back since it was active", y.s.Waiting(), y.s.Survival)
	}
}
