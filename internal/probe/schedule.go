package probe

import (
	"context"
	"maps"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"time"

	"keeper/internal/core"
)

const (
	// maxRunning is how many probes wait for an answer at the same time. Most wait
	// for milliseconds; those of a host where everything hangs, for their timeout.
	maxRunning = 64
	// usualInterval is for a target that has none.
	usualInterval = 10 * time.Second
	// firstWithin is how soon a new life is probed first.
	firstWithin = time.Second
	// along is the part of its interval by which a probe may come early, to go along
	// with another that is due: to wake up for each costs more than the probes do.
	along = 40
	// aFew is how many go along at the most, lest they all come in one burst.
	aFew = 16
	// soonFirst is when a service that is about to answer is asked again.
	soonFirst = 250 * time.Millisecond
	// jitter is the part of the interval by which a probe comes early or late.
	jitter = 0.1
)

// Last is what the last probe of a service found.
type Last struct {
	Outcome core.Outcome
	At      time.Time
	Took    time.Duration
}

// Scheduler probes services, each at its interval. Make one with NewScheduler.
type Scheduler struct {
	// Made, if set before Run, is told of each probe that was made by the schedule.
	Made func(unit string, took time.Duration)

	// probe is Prober.probe.
	probe func(context.Context, core.Target, bool) core.Outcome

	changed chan struct{}
	mu      sync.Mutex
	epoch   time.Time
	plan    map[string]*entry // by unit
	entries []*entry          // the same, to be looked through
	made    int
	// running are the units a probe of which has not come back yet, be it one of an
	// earlier life.
	running map[string]bool
}

// entry is a target in the plan.
type entry struct {
	target core.Target
	// phase is where in its interval it is probed.
	phase time.Duration
	due   time.Time
	// good counts the Ready outcomes since the last one that was not.
	good int
	// born is when this life was first in the plan, alive and ready whether it was so
	// once, and soon counts the probes that did not wait for the interval.
	born         time.Time
	alive, ready bool
	soon         int
	// bad says that what came before the good ones was not.
	bad  bool
	last Last
	// stop ends the probe that runs.
	stop context.CancelFunc
}

// NewScheduler returns a scheduler that asks by the prober.
func NewScheduler(p *Prober) *Scheduler { return newScheduler(p.probe) }

func newScheduler(probe func(context.Context, core.Target, bool) core.Outcome) *Scheduler {
	return &Scheduler{
		probe: probe, changed: make(chan struct{}, 1), epoch: time.Now(),
		plan: map[string]*entry{}, running: map[string]bool{},
	}
}

// Set replaces the plan. A target that was there before, in the same life and watched
// over in the same way, goes on as it was; any other begins anew, and soon. What is
// still to come of one that is replaced is dropped.
func (s *Scheduler) Set(targets []core.Target) {
	s.mu.Lock()
	defer s.mu.Unlock()
	plan := make(map[string]*entry, len(targets))
	for _, t := range targets {
		if t.Probe == core.ProbeNone {
			continue
		}
		if t.Interval <= 0 {
			t.Interval = usualInterval
		}
		if e := s.plan[t.Unit]; e != nil && same(e.target, t) {
			e.target.MainPID, e.target.Container = t.MainPID, t.Container
			plan[t.Unit] = e
			continue
		}
		// Multiples of the golden ratio, without what is before the point, are spread
		// evenly however many there are.
		s.made++
		_, part := math.Modf(float64(s.made) * math.Phi)
		plan[t.Unit] = &entry{
			target: t, phase: time.Duration(part * float64(t.Interval)), born: time.Now(),
			due: time.Now().Add(rand.N(min(t.Interval, firstWithin))), //nolint:gosec // no secret
		}
	}
	for unit, e := range s.plan {
		if e != plan[unit] && e.stop != nil {
			e.stop()
		}
	}
	s.plan, s.entries = plan, slices.Collect(maps.Values(plan))
	s.wake()
}

// same says whether two targets are one life, watched over in the same way. Where a
// setting came from does not matter.
func same(a, b core.Target) bool {
	a.MainPID, a.Container, a.From = b.MainPID, b.Container, b.From
	return reflect.DeepEqual(a, b)
}

func (s *Scheduler) wake() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// result is what a probe brought.
type result struct {
	entry *entry
	out   core.Outcome
}

// Run probes until the context ends, and then returns when the last probe has.
// deliver is called with each core.Probed, one at a time.
func (s *Scheduler) Run(ctx context.Context, deliver func(core.Event)) {
	var wait sync.WaitGroup
	defer wait.Wait()
	results := make(chan result, maxRunning) // as many as there may be: nobody waits to hand one over
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		for _, e := range s.start(ctx, timer) {
			wait.Go(func() {
				defer e.cancel()
				results <- result{e.entry, s.probe(e.ctx, e.target, false)}
			})
		}
		select {
		case <-ctx.Done():
			return
		case <-s.changed:
		case <-timer.C:
		case r := <-results:
			if probed, ok := s.take(r, ctx.Err() != nil); ok {
				deliver(probed)
			}
		}
	}
}

// started is a probe that is to run now.
type started struct {
	entry  *entry
	target core.Target
	ctx    context.Context //nolint:containedctx // on its way to the goroutine
	cancel context.CancelFunc
}

// start picks what is due, as far as there is room, and sets the timer to what comes
// next. Hundreds of entries are looked through in microseconds: no heap is needed.
func (s *Scheduler) start(ctx context.Context, timer *time.Timer) []started {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	var list []started
	for len(s.running) < maxRunning {
		// Who waited longest comes first.
		var first *entry
		for _, e := range s.entries {
			if (first == nil || e.due.Before(first.due)) && !s.running[e.target.Unit] {
				first = e
			}
		}
		if first == nil {
			break // whatever comes back wakes us
		}
		early := time.Duration(0)
		if n := len(list); n > 0 && n < aFew {
			early = first.target.Interval / along
		}
		if wait := first.due.Sub(now); wait > early {
			timer.Reset(wait)
			break
		}
		s.running[first.target.Unit] = true
		one := started{entry: first, target: first.target}
		one.ctx, one.cancel = context.WithCancel(ctx)
		first.stop = one.cancel
		first.due = s.next(first, now)
		list = append(list, one)
	}
	return list
}

// next is when an entry that is probed now is due again: once in each interval, at
// its phase, but for the jitter, which does not add up.
func (s *Scheduler) next(e *entry, now time.Time) time.Time {
	every := e.target.Interval
	after := now.Sub(s.epoch) + every/2 - e.phase
	turn := after/every + 1
	if after < 0 {
		turn = 0 // its first turn of all is still to come
	}
	off := time.Duration((rand.Float64()*2 - 1) * jitter * float64(every)) //nolint:gosec // no secret
	return s.epoch.Add(turn*every + e.phase + off)
}

// hurry has an entry probed before its turn while something is about to change: after
// a start until it is ready, for as long as that may take and unless its failures
// count; while it says that it recovers; and until it has been well often enough. Later
// and later, for a recovery may take an hour, and each question may be a line in a log.
func (e *entry) hurry(now time.Time) {
	c := e.last.Outcome.Condition
	e.alive, e.ready = e.alive || c.Alive(), e.ready || c.Ready()
	starts := !e.ready && (c.Alive() || !e.alive) && now.Sub(e.born) < e.target.Grace
	e.bad = !c.Ready() || e.bad && e.good < e.target.Successes
	var wait time.Duration
	switch {
	case c.Ready() && e.bad:
		wait = time.Second
	case c.Recovering(), starts:
		wait = soonFirst << min(e.soon, 10)
		e.soon++
	default:
		e.soon = 0
		return
	}
	if at := now.Add(wait); at.Before(e.due) {
		e.due = at
	}
}

// take keeps a result, and says whether core is to know of it.
func (s *Scheduler) take(r result, ended bool) (core.Probed, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, t := r.entry, r.entry.target
	delete(s.running, t.Unit)
	e.stop = nil
	if s.plan[t.Unit] != e || ended {
		return core.Probed{}, false
	}
	if s.Made != nil {
		s.Made(t.Unit, r.out.Took)
	}
	before, now := e.last.Outcome.Condition, time.Now()
	e.last = Last{Outcome: r.out, At: now, Took: r.out.Took}
	defer e.hurry(now)
	if r.out.Condition.Ready() {
		e.good++
	} else {
		e.good = 0
	}
	if e.good > max(t.Successes, 1) && before == r.out.Condition {
		e.good = max(t.Successes, 1) // enough is enough
		return core.Probed{}, false
	}
	return core.Probed{Unit: t.Unit, Invocation: t.Invocation, Outcome: r.out}, true
}

// Ask probes all of them now, side by side, whatever the plan is and whatever runs
// of it. It goes deeper than the schedule where that costs the service something.
func (s *Scheduler) Ask(ctx context.Context, targets []core.Target) map[string]core.Outcome {
	var (
		wait     sync.WaitGroup
		mu       sync.Mutex
		outcomes = make(map[string]core.Outcome, len(targets))
		room     = make(chan struct{}, maxRunning)
	)
	for _, t := range targets {
		room <- struct{}{}
		wait.Go(func() {
			defer func() { <-room }()
			out := s.probe(ctx, t, true)
			mu.Lock()
			defer mu.Unlock()
			outcomes[t.Unit] = out
		})
	}
	wait.Wait()
	return outcomes
}

// Last returns what the last probes found, of the services that were probed in this
// life of theirs, by unit.
func (s *Scheduler) Last() map[string]Last {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string]Last, len(s.plan))
	for unit, e := range s.plan {
		if !e.last.At.IsZero() {
			all[unit] = e.last
		}
	}
	return all
}
