package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"keeper/internal/core"
)

// supervised is standing, with a prober whose answers are of that condition, and
// what it is told to probe.
func supervised(t *testing.T, condition *core.Condition) (*Engine, *stack, *[]core.Target) {
	t.Helper()
	e, a := house()
	s := &stack{active: "active", fail: map[string]error{}, hang: map[string]bool{}}
	e.Delay, e.Helpers, e.Manager, e.Answers = s, s, s, s
	e.Containers, e.Adopter, e.Files = s, s, s
	u := s.units()
	u.restart = func(ctx context.Context, names []string, running bool) error {
		return s.do(ctx, fmt.Sprint("restart ", names, map[bool]string{true: " if it runs"}[running]))
	}
	e.Units = u
	var plan []core.Target
	p := fakeProber{
		set: func(targets []core.Target) { plan = targets },
		ask: func(ctx context.Context, targets []core.Target) map[string]core.Outcome {
			if s.do(ctx, "examine "+targets[0].Unit) != nil {
				return nil
			}
			return map[string]core.Outcome{targets[0].Unit: {Condition: *condition}}
		},
		continued: func(t core.Target) error { return s.do(context.Background(), "continue "+t.Unit) },
		thaw:      func(t core.Target) error { return s.do(context.Background(), "thaw "+t.Unit) },
	}
	e.Prober, e.Thawer = p, p
	run(t, e, a)
	e.Deliver(t.Context(), core.LogindUp{})
	e.Deliver(t.Context(), core.StandDownSeen{})
	e.Deliver(t.Context(), s.is("active"))
	s.since(0)
	return e, s, &plan
}

// fail has so many probes of the service in a row find that.
func fail(t *testing.T, e *Engine, unit string, n int, c core.Condition) {
	t.Helper()
	for range n {
		e.Deliver(t.Context(), core.Probed{Unit: unit, Outcome: core.Outcome{Condition: c}})
	}
}

func TestRestartsWhatIsIll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		found := core.ConditionSilent
		e, s, plan := supervised(t, &found)
		if len(*plan) != 2 || (*plan)[0].Unit != "db.service" || (*plan)[1].Unit != "web.service" {
			t.Fatalf("the plan is %+v", *plan)
		}
		fail(t, e, "web.service", 1, core.ConditionReady)
		fail(t, e, "web.service", 2, core.ConditionSilent)
		expect(t, "before it is certain", s.since(0))
		fail(t, e, "web.service", 1, core.ConditionSilent)
		expect(t, "ill", s.since(0), "0s examine web.service", "0s restart [web.service] if it runs")
	})
}

// What an examination finds decides.
func TestExaminationSpares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		found := core.ConditionReady
		e, s, _ := supervised(t, &found)
		fail(t, e, "web.service", 1, core.ConditionReady)
		fail(t, e, "web.service", 3, core.ConditionSilent)
		expect(t, "it answers", s.since(0), "0s examine web.service")
	})
}

// An examination that finds nobody who answers in time ends, and is made again.
func TestExaminationHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		found := core.ConditionSilent
		e, s, _ := supervised(t, &found)
		s.with(func() { s.hang["examine web.service"] = true })
		fail(t, e, "web.service", 1, core.ConditionReady)
		fail(t, e, "web.service", 3, core.ConditionSilent)
		got := s.since(30 * time.Second)
		s.with(func() { s.hang["examine web.service"] = false })
		if len(got) < 2 || got[0] != "0s examine web.service" {
			t.Errorf("it was examined %v", got)
		}
		again := s.since(30 * time.Second)
		if len(again) == 0 || !strings.HasSuffix(again[len(again)-1], "restart [web.service] if it runs") {
			t.Errorf("once it ends in time: %v", again)
		}
	})
}

func TestGoesOn(t *testing.T) {
	for condition, want := range map[core.Condition]struct {
		do    string
		after time.Duration // it is ill, or frozen
		again time.Duration
	}{
		core.ConditionStopped: {"continue web.service", 0, 20 * time.Second},
		core.ConditionFrozen:  {"thaw web.service", 5 * time.Minute, 5 * time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			e, s, _ := supervised(t, &condition)
			s.with(func() { s.fail[want.do] = errors.New("it will not") })
			fail(t, e, "web.service", 2, condition)
			expect(t, "at once", s.since(0))
			fail(t, e, "web.service", 1, condition)
			does := fmt.Sprint(want.after, " ", want.do)
			if got := s.since(want.after + want.again - 1); !slices.Contains(got, does) {
				t.Errorf("got %q, want %q", got, does)
			}
			if got := s.since(1); !slices.Contains(got, "1ns "+want.do) {
				t.Errorf("it failed, and was not tried again: %q", got)
			}
		})
	}
}

// A person's word.
func TestRestartAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		found := core.ConditionReady
		e, s, _ := supervised(t, &found)
		e.Deliver(t.Context(), core.RestartAsked{Unit: "web.service"})
		e.Deliver(t.Context(), core.RestartAsked{Unit: "nobody.service"})
		expect(t, "asked for", s.since(0), "0s restart [web.service]")
	})
}
