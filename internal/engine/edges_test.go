package engine

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"keeper/internal/core"
)

// stack is a host with one service, with a fake for each edge; what was asked of
// it is in calls.
type stack struct {
	mu     sync.Mutex
	calls  []call
	active string
	// fail is what each call returns, hang those that never return by themselves.
	fail     map[string]error
	hang     map[string]bool
	orphaned bool
	dead     []string
	// frozen says that the user manager is stopped by a signal.
	frozen bool
	held   int // delays that were taken and not released
	unkept []core.Unkept

	adoption core.Adoption
}

type call struct {
	at   time.Time
	what string
}

func (s *stack) do(ctx context.Context, what string) error {
	s.mu.Lock()
	s.calls = append(s.calls, call{time.Now(), what})
	hang, err := s.hang[what], s.fail[what]
	s.mu.Unlock()
	if hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

func (s *stack) with(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// since returns the calls that were not returned before, when the clock has moved
// by d, and how long from now each came. What was delivered just before has its
// calls in it, whether the loop has come to it yet or not.
func (s *stack) since(d time.Duration) []string {
	begun := time.Now()
	time.Sleep(d)
	synctest.Wait()
	var calls []string
	s.with(func() {
		for _, c := range s.calls {
			calls = append(calls, fmt.Sprintf("%v %s", c.at.Sub(begun), c.what))
		}
		s.calls = nil
	})
	return calls
}

func (s *stack) Take(ctx context.Context) (time.Duration, error) {
	err := s.do(ctx, "take")
	if err == nil {
		s.with(func() { s.held = 1 })
	}
	return 5 * time.Second, err
}

func (s *stack) Release() {
	_ = s.do(context.Background(), "release")
	s.with(func() { s.held = 0 })
}

func (s *stack) Dead() core.HelpersSeen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return core.HelpersSeen{Dead: s.dead, Orphaned: s.orphaned}
}

func (s *stack) Renew(ctx context.Context, names []string) error {
	s.with(func() { s.orphaned = false })
	return s.do(ctx, fmt.Sprint("renew ", names))
}

func (s *stack) Mend(ctx context.Context) error { return s.do(ctx, "mend") }

func (s *stack) Stopped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.frozen
}

func (s *stack) Continue() error { return s.do(context.Background(), "continue") }

func (s *stack) Ask(ctx context.Context, ports map[string][]string) map[string]time.Duration {
	if s.do(ctx, fmt.Sprint("ask ", ports)) != nil {
		return nil
	}
	return map[string]time.Duration{"web.service": 9 * time.Second}
}

func (s *stack) Unkept() core.ContainersSeen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return core.ContainersSeen{Unkept: s.unkept}
}

func (s *stack) Write(ctx context.Context, names []string) core.UnitsWritten {
	return core.UnitsWritten{Err: text(s.do(ctx, fmt.Sprint("write ", names)))}
}

func (s *stack) Drift(ctx context.Context) core.DriftSeen {
	return core.DriftSeen{Err: text(s.do(ctx, "drift"))}
}

func (s *stack) Adoption() core.Adoption {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.adoption
}

func (s *stack) Stamps(files map[string]string) map[string]string { return files }

func (s *stack) Undo(ctx context.Context) error { return s.do(ctx, "undo") }

func (s *stack) units() fakeUnits {
	return fakeUnits{
		look:  func(context.Context) core.UnitsSeen { return core.UnitsSeen{Armed: true, Units: s.list()} },
		start: func(ctx context.Context, names []string) error { return s.do(ctx, fmt.Sprint("start ", names)) },
		stop:  func(ctx context.Context, names []string) error { return s.do(ctx, fmt.Sprint("stop ", names)) },
	}
}

// list is a store, and an application that nothing orders after it.
func (s *stack) list() []core.Unit {
	s.mu.Lock()
	defer s.mu.Unlock()
	return []core.Unit{
		{Name: "db.service", Kind: "container", Active: "active", Image: "postgres", Networks: []string{"stack"}},
		{Name: "web.service", Kind: "container", Active: s.active, Sub: s.active, Image: "web", Networks: []string{"stack"},
			Wanted: true, Entered: 5 * time.Second, Ports: []string{"127.0.0.1:80"}},
	}
}

func (s *stack) is(active string) core.UnitsSeen {
	s.with(func() { s.active = active })
	return core.UnitsSeen{Armed: true, Units: s.list()}
}

// standing is an engine that has looked at everything, on a stack that runs.
func standing(t *testing.T) (*Engine, *account, *stack) {
	t.Helper()
	e, a := house()
	s := &stack{active: "active", fail: map[string]error{}, hang: map[string]bool{}}
	e.Delay, e.Helpers, e.Manager, e.Answers, e.Units = s, s, s, s, s.units()
	e.Containers, e.Adopter, e.Files = s, s, s
	run(t, e, a)
	e.Deliver(t.Context(), core.LogindUp{})
	e.Deliver(t.Context(), s.is("active"))
	if got := s.since(0); s.held != 1 {
		t.Fatalf("no delay was taken: %v", got)
	}
	return e, a, s
}

func expect(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func TestStartsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _, s := standing(t)
		s.with(func() { s.fail["start [web.service]"] = errors.New("no") })
		e.Deliver(t.Context(), s.is("failed"))
		expect(t, "later and later", s.since(10*time.Second), "0s start [web.service]", "2s start [web.service]", "7s start [web.service]")
		e.Deliver(t.Context(), s.is("active"))
		expect(t, "it is there", s.since(time.Minute))
	})
}

// The outcome of what hangs comes when its time is up, and not before; nothing
// else waits for it.
func TestStartHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _, s := standing(t)
		s.with(func() { s.hang["start [web.service]"] = true })
		e.Deliver(t.Context(), s.is("failed"))
		expect(t, "one at a time", s.since(actionTimeout-1), "0s start [web.service]")
		if st, err := e.State(t.Context()); err != nil || len(st.Owed()) != 1 {
			t.Errorf("the loop is stuck: %v, %v", st.Owed(), err)
		}
		expect(t, "and again", s.since(time.Second), "1ns start [web.service]")
	})
}

func TestStopsFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _, s := standing(t)
		e.Deliver(t.Context(), core.PrepareForShutdown{Active: true})
		expect(t, "the machine goes down", s.since(time.Minute), "0s stop [web.service]", "0s release")
		if s.held != 0 {
			t.Error("the machine is held up")
		}
		e.Deliver(t.Context(), s.is("inactive"))
		expect(t, "nothing is started", s.since(time.Minute))
		e.Deliver(t.Context(), core.PrepareForShutdown{})
		got := s.since(time.Second)
		if len(got) != 2 || s.held != 1 {
			t.Errorf("called off: got %q, want a start and a delay", got)
		}
	})
}

// A stop that hangs is given up while logind still waits, and not later.
func TestStopHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _, s := standing(t)
		s.with(func() { s.hang["stop [web.service]"] = true })
		e.Deliver(t.Context(), core.PrepareForShutdown{Active: true})
		expect(t, "the machine goes down", s.since(time.Minute), "0s stop [web.service]", "4.5s release")
	})
}

func TestMends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _, s := standing(t)
		s.with(func() { s.dead = []string{"pasta"}; s.fail["mend"] = errors.New("no") })
		e.Deliver(t.Context(), core.HelperHint{})
		expect(t, "later and later", s.since(20*time.Second), "2s mend", "7s mend", "17s mend")
		s.with(func() { s.dead = nil })
		expect(t, "it lives", s.since(4*time.Minute))
	})
}

func TestContinues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, s := standing(t)
		s.with(func() { s.frozen = true })
		if got := s.since(31 * time.Second); len(got) < 1 || len(got) > 3 {
			t.Errorf("within 31 s: %q", got)
		}
		s.with(func() { s.frozen = false })
		expect(t, "it runs", s.since(4*time.Minute))
	})
}

func TestAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _, s := standing(t)
		const ask = "ask map[web.service:[127.0.0.1:80]]"
		s.with(func() { s.fail[ask] = errors.New("nobody") })
		e.Deliver(t.Context(), core.Began{Kind: core.LifeRevived, Cause: "killed", Down: []core.Down{{Name: "web.service", Left: 2 * time.Second}}})
		expect(t, "later and later", s.since(3400*time.Millisecond), "0s "+ask, "500ms "+ask, "1.5s "+ask)
		s.with(func() { s.fail = nil })
		expect(t, "it answers", s.since(time.Minute), "100ms "+ask)
		if st, err := e.State(t.Context()); err != nil || st.Survival == nil || st.Survival.Outage != 7*time.Second {
			t.Errorf("got %+v, %v, want an outage of 7s", st.Survival, err)
		}
	})
}

// Run ends with the worst of edges, and lets none of them behind.
func TestRunEndsWhileAllHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, a := house()
		s := &stack{active: "active", fail: map[string]error{}, hang: map[string]bool{"take": true, "start [web.service]": true, "mend": true}}
		e.Delay, e.Helpers, e.Manager, e.Answers, e.Units = s, s, s, s, s.units()
		stop := run(t, e, a)
		e.Deliver(t.Context(), core.LogindUp{})
		e.Deliver(t.Context(), s.is("active"))
		synctest.Wait() // the marks are read
		e.Deliver(t.Context(), s.is("failed"))
		s.with(func() { s.dead = []string{"pasta"} })
		e.Deliver(t.Context(), core.HelperHint{})
		time.Sleep(3 * time.Second)
		synctest.Wait()
		begun := time.Now()
		stop()
		if took := time.Since(begun); took != 0 {
			t.Errorf("Run returned after %v", took)
		}
		if len(s.calls) != 3 {
			t.Errorf("the calls were %v, want three that hang", s.calls)
		}
	})
}

// A container that was started by hand is seen well within two seconds, and gone
// from the state as quickly; nothing is looked at in between.
func TestSeesContainers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _, s := standing(t)
		e.Deliver(t.Context(), core.SettingsSeen{Settings: core.Settings{Adopt: core.AdoptPropose}})
		seen := func() int {
			st, err := e.State(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return len(st.UnkeptNow())
		}
		s.since(time.Minute)
		for _, want := range []int{1, 0} {
			s.with(func() {
				s.unkept = []core.Unkept{{Name: "db", ID: "1", Since: time.Now()}}[:want]
			})
			e.Deliver(t.Context(), core.ContainerHint{})
			if s.since(500 * time.Millisecond); seen() != want {
				t.Errorf("half a second later there are %d, want %d", seen(), want)
			}
			s.since(time.Minute)
		}
	})
}

// Units are written within the limit, or it is tried again later.
func TestWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _, s := standing(t)
		s.with(func() {
			s.unkept = []core.Unkept{{Name: "db", ID: "1", Since: time.Now().Add(-time.Hour)}}
			s.hang["write [db]"] = true
		})
		e.Deliver(t.Context(), core.SettingsSeen{Settings: core.Settings{Adopt: core.AdoptAuto}})
		expect(t, "one at a time, and later again", s.since(core.WriteLimit+time.Minute-1), "0s write [db]")
		expect(t, "and then", s.since(time.Second), "1ns write [db]")
	})
}

func TestComparesAndUndoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _, s := standing(t)
		e.Deliver(t.Context(), core.Began{Kind: core.LifeSame})
		e.Deliver(t.Context(), core.SettingsSeen{Settings: core.Settings{Adopt: core.AdoptPropose}})
		s.with(func() { s.adoption = core.AdoptionInterrupted })
		e.Deliver(t.Context(), core.AdoptionSeen{Adoption: core.AdoptionInterrupted})
		expect(t, "once each", s.since(4*time.Minute), "1s undo", "5s drift")
	})
}
