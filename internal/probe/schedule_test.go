package probe

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"keeper/internal/core"
)

// services is a fake host: each unit answers as it is told to, after a while.
type services struct {
	mu       sync.Mutex
	says     map[string][]core.Condition // one after the other; the last one stays
	takes    map[string]time.Duration
	at       map[string][]time.Duration
	begun    time.Time
	now, top int
	inside   map[string]int
	twice    bool
	called   int // probes that were called off
}

func newServices() *services {
	return &services{says: map[string][]core.Condition{}, takes: map[string]time.Duration{}, at: map[string][]time.Duration{}, begun: time.Now(), inside: map[string]int{}}
}

func (s *services) probe(ctx context.Context, t core.Target, _ bool) core.Outcome {
	s.mu.Lock()
	s.at[t.Unit] = append(s.at[t.Unit], time.Since(s.begun))
	s.now++
	s.top = max(s.top, s.now)
	s.inside[t.Unit]++
	s.twice = s.twice || s.inside[t.Unit] > 1
	takes := s.takes[t.Unit]
	condition := core.ConditionReady
	if says := s.says[t.Unit]; len(says) > 0 {
		condition = says[0]
		if len(says) > 1 {
			s.says[t.Unit] = says[1:]
		}
	}
	s.mu.Unlock()
	timer := time.NewTimer(takes)
	defer timer.Stop()
	called := false
	select {
	case <-timer.C:
	case <-ctx.Done():
		called = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if called {
		s.called++
	}
	s.now--
	s.inside[t.Unit]--
	return core.Outcome{Condition: condition, Took: takes}
}

// count is how often a unit was probed.
func (s *services) count(unit string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.at[unit])
}

// run runs a scheduler within a bubble; the function returned ends it and returns
// what was delivered.
func (s *services) run(t *testing.T) (*Scheduler, func() []core.Probed) {
	t.Helper()
	sch := newScheduler(s.probe)
	ctx, cancel := context.WithCancel(t.Context())
	var got []core.Probed
	done := make(chan struct{})
	go func() {
		defer close(done)
		sch.Run(ctx, func(e core.Event) { got = append(got, e.(core.Probed)) })
	}()
	return sch, func() []core.Probed {
		cancel()
		<-done
		return got
	}
}

func plan(units ...string) []core.Target {
	var list []core.Target
	for _, u := range units {
		list = append(list, core.Target{Unit: u, Invocation: "1", MainPID: 1, Supervision: core.Supervision{
			Probe: core.ProbeRedis, Interval: 10 * time.Second, Timeout: 3 * time.Second, Failures: 3, Successes: 2,
		}})
	}
	return list
}

func conditions(list []core.Probed, unit, invocation string) []core.Condition {
	var got []core.Condition
	for _, p := range list {
		if p.Unit == unit && p.Invocation == invocation {
			got = append(got, p.Outcome.Condition)
		}
	}
	return got
}

// Core hears of what is not ready, of the first good ones after that, of a change, and
// of nothing else.
func TestDeliver(t *testing.T) {
	t.Parallel()
	const r, a, u, s, l = core.ConditionReady, core.ConditionAlive, core.ConditionUnknown, core.ConditionSilent, core.ConditionLoading
	for name, tt := range map[string]struct{ says, want []core.Condition }{
		"steady":       {[]core.Condition{r, r, r, r, r, r}, []core.Condition{r, r}},
		"silent":       {[]core.Condition{r, r, r, s, s, r, r, r}, []core.Condition{r, r, s, s, r, r}},
		"one slip":     {[]core.Condition{r, s, r, u, r, r, r, r}, []core.Condition{r, s, r, u, r, r}},
		"never well":   {[]core.Condition{l, l, l, l}, []core.Condition{l, l, l, l}},
		"ready, alive": {[]core.Condition{r, r, r, a, a, a, r, r, a}, []core.Condition{r, r, a, r, a}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				host := newServices()
				host.says["a"] = tt.says
				sch, end := host.run(t)
				sch.Set(plan("a"))
				for range 1000 {
					time.Sleep(time.Second)
					synctest.Wait()
					host.mu.Lock()
					n := len(host.at["a"])
					host.mu.Unlock()
					if n == len(tt.says) {
						break
					}
				}
				if last := sch.Last()["a"]; last.Outcome.Condition != tt.says[len(tt.says)-1] || last.At.IsZero() {
					t.Errorf("the last one is %v", last)
				}
				if got := conditions(end(), "a", "1"); !slices.Equal(got, tt.want) {
					t.Errorf("got %v, want %v", got, tt.want)
				}
			})
		})
	}
}

// Hundreds are probed evenly over the interval, each once in it.
func TestEven(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		host := newServices()
		var units []string
		for i := range 400 {
			units = append(units, fmt.Sprint(i))
			host.takes[fmt.Sprint(i)] = 3 * time.Millisecond
		}
		sch, end := host.run(t)
		sch.Set(plan(units...))
		time.Sleep(120*time.Second + time.Millisecond/2)
		if n := len(sch.Last()); n != 400 {
			t.Errorf("%d have a last outcome", n)
		}
		if got := end(); len(got) != 800 {
			t.Errorf("%d events, want 2 a service", len(got))
		}
		perSecond, moments := map[int]int{}, map[time.Duration]bool{}
		for unit, at := range host.at {
			if at[0] > firstWithin {
				t.Errorf("%s was probed first after %v", unit, at[0])
			}
			if len(at) < 12 || len(at) > 14 {
				t.Errorf("%s was probed %d times", unit, len(at))
			}
			for i, when := range at[1:] {
				if gap := when - at[i]; i > 0 && (gap < 7*time.Second || gap > 13*time.Second) || gap < 3700*time.Millisecond || gap > 17*time.Second {
					t.Errorf("%s: %v after the one before", unit, gap)
				}
				perSecond[int(when/time.Second)]++
				moments[when] = true
			}
		}
		for second := 20; second < 110; second++ {
			if n := perSecond[second]; n < 10 || n > 80 {
				t.Errorf("%d probes in second %d, want about 40", n, second)
			}
		}
		// Some at a time, so as not to wake up for each.
		if n := len(moments); n < 400 || n > 800 {
			t.Errorf("%d moments of 4800 probes", n)
		}
		if host.top > 32 {
			t.Errorf("%d at the same time", host.top)
		}
	})
}

// Those that hang keep nobody else waiting, and none is asked twice at a time.
func TestSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		host := newServices()
		var units []string
		for i := range 60 {
			units = append(units, fmt.Sprint("slow", i))
			host.takes[fmt.Sprint("slow", i)] = 25 * time.Second // longer than the interval
		}
		sch, end := host.run(t)
		sch.Set(plan(append(units, "fast")...))
		time.Sleep(100 * time.Second)
		end()
		for i, at := range host.at["fast"] {
			if i > 1 && at-host.at["fast"][i-1] > 13*time.Second {
				t.Errorf("fast had to wait: %v", host.at["fast"])
			}
		}
		if host.twice {
			t.Error("one was asked twice at a time")
		}
		if n := len(host.at["slow1"]); n != 4 {
			t.Errorf("slow1 was asked %d times, want 4", n)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		host := newServices()
		var units []string
		for i := range 400 {
			units = append(units, fmt.Sprint(i))
			host.takes[fmt.Sprint(i)] = 3 * time.Second
		}
		sch, end := host.run(t)
		sch.Set(plan(units...))
		time.Sleep(300 * time.Second)
		end()
		if host.top != maxRunning {
			t.Errorf("%d at the same time, want %d", host.top, maxRunning)
		}
		for unit, at := range host.at {
			if len(at) < 14 { // 400 of 3 s, 64 at a time, are 19 s
				t.Errorf("%s starved: %v", unit, at)
			}
		}
	})
}

func TestSet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		host := newServices()
		host.says["a"] = []core.Condition{core.ConditionReady, core.ConditionReady, core.ConditionReady}
		sch, end := host.run(t)
		none := plan("none")
		none[0].Probe = core.ProbeNone
		sch.Set(append(plan("a", "b"), none...))
		time.Sleep(35 * time.Second)
		before := host.count("a")

		// The same life, told from somewhere else: it goes on.
		again := plan("a", "b")
		again[0].MainPID, again[0].From = 2, map[string]string{"probe": "elsewhere"}
		sch.Set(again)
		time.Sleep(time.Second + time.Millisecond)
		if n := host.count("a") - before; n > 1 {
			t.Errorf("probed %d times at once", n)
		}
		if got := sch.Last(); len(got) != 2 || got["a"].Outcome.Condition != core.ConditionReady {
			t.Errorf("Last is %v", got)
		}

		// Another life, and another way to ask: each begins anew.
		before, beforeB := host.count("a"), host.count("b")
		other := plan("a", "b")
		other[0].Invocation = "2"
		other[1].Interval = 20 * time.Second
		sch.Set(other)
		if got := sch.Last(); len(got) != 0 {
			t.Errorf("Last is %v", got)
		}
		time.Sleep(firstWithin + time.Millisecond)
		if a, b := host.count("a")-before, host.count("b")-beforeB; a != 1 || b != 1 {
			t.Errorf("probed %d and %d times at once, want 1", a, b)
		}

		// Nothing: nobody is asked.
		time.Sleep(30 * time.Second)
		sch.Set(nil)
		before = host.count("a")
		time.Sleep(time.Minute)
		if host.count("a") != before || host.count("none") != 0 {
			t.Error("still probed")
		}
		got := end()
		for _, tt := range []struct {
			unit, invocation string
			want             int
		}{{"a", "1", 2}, {"a", "2", 2}, {"b", "1", 4}} {
			if n := len(conditions(got, tt.unit, tt.invocation)); n != tt.want {
				t.Errorf("%s in life %s: %d events, want %d", tt.unit, tt.invocation, n, tt.want)
			}
		}
	})
}

// What comes of a life that is over is dropped, and does not keep the next waiting.
func TestReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		host := newServices()
		host.says["a"] = []core.Condition{core.ConditionSilent, core.ConditionReady}
		host.takes["a"] = 20 * time.Second
		sch, end := host.run(t)
		sch.Set(plan("a"))
		time.Sleep(2 * time.Second) // it is being asked
		host.mu.Lock()
		host.takes["a"] = 0
		host.mu.Unlock()
		next := plan("a")
		next[0].Invocation = "2"
		sch.Set(next)
		time.Sleep(2 * time.Second)
		got := end()
		if len(got) != 1 || got[0].Invocation != "2" || got[0].Outcome.Condition != core.ConditionReady {
			t.Errorf("got %v", got)
		}
		if host.twice || host.called != 1 {
			t.Errorf("twice at a time: %v; called off: %d", host.twice, host.called)
		}
	})
}

// The end does not wait for slow services, and delivers nothing more.
func TestRunEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		host := newServices()
		host.says["a"], host.takes["a"] = []core.Condition{core.ConditionSilent}, time.Hour
		sch, end := host.run(t)
		sch.Set(plan("a"))
		time.Sleep(2 * time.Second)
		begun := time.Now()
		if got := end(); len(got) != 0 || time.Since(begun) != 0 || host.now != 0 {
			t.Errorf("%v, after %v, with %d running", got, time.Since(begun), host.now)
		}
	})
}

func TestAsk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		host := newServices()
		host.says["b"] = []core.Condition{core.ConditionLoading}
		host.takes["a"], host.takes["b"] = 2*time.Second, 3*time.Second
		sch := newScheduler(host.probe)
		begun := time.Now()
		got := sch.Ask(t.Context(), plan("a", "b"))
		if len(got) != 2 || got["a"].Condition != core.ConditionReady || got["b"].Condition != core.ConditionLoading {
			t.Errorf("got %v", got)
		}
		if took := time.Since(begun); took != 3*time.Second {
			t.Errorf("it took %v: not side by side", took)
		}
	})
	var p Prober
	if got := NewScheduler(&p).Ask(t.Context(), []core.Target{{Unit: "x", Supervision: core.Supervision{Probe: core.ProbeRedis, Address: "127.0.0.1:1"}}}); got["x"].Condition != core.ConditionRefused {
		t.Errorf("got %v", got)
	}
}

// What is about to answer is asked soon again, later and later; what has answered once
// and is silent then waits for its turn, as what has had its grace does.
func TestSoon(t *testing.T) {
	t.Parallel()
	const r, f, c, n = core.ConditionReady, core.ConditionRefused, core.ConditionRecovering, core.ConditionNotReady
	for name, tt := range map[string]struct {
		says  []core.Condition
		grace time.Duration
		hasty []bool // which of the gaps are shorter than the interval
	}{
		"it starts":       {[]core.Condition{f, f, f, r, r, r}, time.Minute, []bool{true, true, true, true, false}},
		"it gets ready":   {[]core.Condition{f, n, n, r, r, r}, time.Minute, []bool{true, true, true, true, false}},
		"it gets stuck":   {[]core.Condition{n, f, f, f}, time.Minute, []bool{true, false, false}},
		"it is not ready": {[]core.Condition{r, n, n, r}, time.Minute, []bool{false, false, false}},
		"it recovers":     {[]core.Condition{r, c, c, r, r, r}, 0, []bool{false, true, true, true, false}},
		"it hangs":        {[]core.Condition{r, f, f, f, f}, time.Minute, []bool{false, false, false, false}},
		"it is well soon": {[]core.Condition{r, f, r, r, r}, 0, []bool{false, false, true, false}},
		"without grace":   {[]core.Condition{f, f, f, f}, 0, []bool{false, false, false}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				host := newServices()
				host.says["a"] = tt.says
				sch, end := host.run(t)
				targets := plan("a")
				targets[0].Grace, targets[0].Successes = tt.grace, 2
				sch.Set(targets)
				for range 1000 {
					time.Sleep(100 * time.Millisecond)
					synctest.Wait()
				}
				end()
				at := host.at["a"]
				for i, hasty := range tt.hasty {
					if gap := at[i+1] - at[i]; (gap < 2*time.Second) != hasty {
						t.Errorf("gap %d is %v, want a short one: %v", i, gap, hasty)
					}
				}
			})
		})
	}
}
