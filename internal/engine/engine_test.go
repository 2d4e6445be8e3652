package engine

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"keeper/internal/core"
)

// The fakes have one field for each method; what is not set does what a
// healthy edge does.

type fakeLinger struct {
	set func(ctx context.Context) (denied bool, err error)
	see func(ctx context.Context) (bool, error)
}

func (f fakeLinger) SetLinger(ctx context.Context) (bool, error) { return f.set(ctx) }
func (f fakeLinger) Linger(ctx context.Context) core.LingerSeen {
	on, err := f.see(ctx)
	return core.LingerSeen{On: on, Err: text(err)}
}

type fakeMarks struct {
	read func(ctx context.Context, now time.Time) core.StandDown
}

func (f fakeMarks) Read(ctx context.Context, now time.Time) core.StandDown { return f.read(ctx, now) }

type fakeUnits struct {
	look        func(ctx context.Context) core.UnitsSeen
	start, stop func(ctx context.Context, names []string) error
	restart     func(ctx context.Context, names []string, running bool) error
}

func (f fakeUnits) Look(ctx context.Context) core.UnitsSeen { return f.look(ctx) }

func (f fakeUnits) Start(ctx context.Context, names []string) error { return f.start(ctx, names) }
func (f fakeUnits) Stop(ctx context.Context, names []string) error  { return f.stop(ctx, names) }
func (f fakeUnits) Restart(ctx context.Context, names []string, running bool) error {
	return f.restart(ctx, names, running)
}

// fakeProber is a prober and a thawer.
type fakeProber struct {
	strain          string
	set             func(targets []core.Target)
	ask             func(ctx context.Context, targets []core.Target) map[string]core.Outcome
	continued, thaw func(t core.Target) error
}

func (f fakeProber) Set(targets []core.Target) {
	if f.set != nil {
		f.set(targets)
	}
}
func (f fakeProber) Ask(ctx context.Context, targets []core.Target) map[string]core.Outcome {
	return f.ask(ctx, targets)
}
func (f fakeProber) Strain() string                                  { return f.strain }
func (f fakeProber) Continue(_ context.Context, t core.Target) error { return f.continued(t) }
func (f fakeProber) Thaw(_ context.Context, t core.Target) error     { return f.thaw(t) }

// quiet is every edge that these tests have no use for.
type quiet struct{}

func (quiet) Take(context.Context) (time.Duration, error)                       { return 5 * time.Second, nil }
func (quiet) Alert(core.Alert)                                                  {}
func (quiet) Commands(context.Context, time.Time) core.CommandsSeen             { return core.CommandsSeen{} }
func (quiet) Release()                                                          {}
func (quiet) Dead() core.HelpersSeen                                            { return core.HelpersSeen{} }
func (quiet) Renew(context.Context, []string) error                             { return nil }
func (quiet) Mend(context.Context) error                                        { return nil }
func (quiet) Stopped() bool                                                     { return false }
func (quiet) Continue() error                                                   { return nil }
func (quiet) Unkept() core.ContainersSeen                                       { return core.ContainersSeen{} }
func (quiet) Write(context.Context, []string) core.UnitsWritten                 { return core.UnitsWritten{} }
func (quiet) Drift(context.Context) core.DriftSeen                              { return core.DriftSeen{} }
func (quiet) Undo(context.Context) error                                        { return nil }
func (quiet) Adoption() core.Adoption                                           { return core.AdoptionNone }
func (quiet) Stamps(files map[string]string) map[string]string                  { return files }
func (quiet) Ask(context.Context, map[string][]string) map[string]time.Duration { return nil }

type fakeRecorder struct {
	record func(s core.State, decided []core.Decision)
}

func (f fakeRecorder) Record(_ core.Event, s core.State, decided []core.Decision) {
	f.record(s, decided)
}

// account is a logind with one account, and what was done to it.
type account struct {
	mu       sync.Mutex
	linger   bool
	sets     int
	running  int // edges that were called and did not return
	together int // the most sets that were under way at a time
	decided  []core.Decision
}

func (a *account) get(f func(a *account) int) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return f(a)
}

func (a *account) setTo(on bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.linger = on
}

func (a *account) lingers() bool { return a.get(func(a *account) int { return b2i(a.linger) }) == 1 }
func (a *account) setCount() int { return a.get(func(a *account) int { return a.sets }) }
func (a *account) busy() int     { return a.get(func(a *account) int { return a.running }) }

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// setLinger is the edge's. With hang it does what hang does first, and fails
// as it does.
func (a *account) setLinger(hang func(ctx context.Context) error) func(context.Context) (bool, error) {
	var now int
	return func(ctx context.Context) (bool, error) {
		a.mu.Lock()
		a.sets++
		a.running++
		now++
		a.together = max(a.together, now)
		a.mu.Unlock()
		var err error
		if hang != nil {
			err = hang(ctx)
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		now--
		a.running--
		if err == nil {
			a.linger = true
		}
		return false, err
	}
}

// house is an engine on healthy edges, to be changed before it runs.
func house() (*Engine, *account) {
	a := &account{linger: true}
	e := New()
	e.Prober = fakeProber{}
	e.Linger = fakeLinger{
		set: a.setLinger(nil),
		see: func(context.Context) (bool, error) { return a.lingers(), nil },
	}
	e.Marks = fakeMarks{func(context.Context, time.Time) core.StandDown { return core.StandDown{} }}
	e.Units = fakeUnits{look: func(context.Context) core.UnitsSeen { return core.UnitsSeen{Armed: true} }}
	e.Delay, e.Helpers, e.Manager, e.Answers = quiet{}, quiet{}, quiet{}, quiet{}
	e.Containers, e.Adopter, e.Files = quiet{}, quiet{}, quiet{}
	e.Alerter, e.Journal = quiet{}, quiet{}
	e.Recorder = fakeRecorder{func(_ core.State, decided []core.Decision) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.decided = append(a.decided, decided...)
	}}
	return e, a
}

// run runs the engine until the test ends, and sees that all of it does.
func run(t *testing.T, e *Engine, a *account) context.CancelFunc {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.Run(ctx)
		if n := a.busy(); n != 0 {
			t.Errorf("Run returned with %d workers still at it", n)
		}
	}()
	stop := func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

func untilEnd(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestSetsLingerAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, a := house()
		run(t, e, a)
		e.Deliver(t.Context(), core.LogindUp{})
		synctest.Wait()
		if n := a.setCount(); n != 1 {
			t.Fatalf("set %d times at the start, want once", n)
		}
		time.Sleep(time.Minute)
		a.setTo(false)
		removed := time.Now()
		e.Deliver(t.Context(), core.LingerHint{})
		for !a.lingers() && time.Since(removed) < time.Hour {
			time.Sleep(10 * time.Millisecond)
		}
		if took := time.Since(removed); took > time.Second {
			t.Fatalf("linger was off for %v, want less than a second", took)
		}
		synctest.Wait()
		last := a.decided[len(a.decided)-1]
		if last.What != "set linger" || !strings.Contains(last.Reason, "somebody took linger away") || last.At.Before(removed) {
			t.Errorf("decided %+v", last)
		}

		// And with the hint lost, at the next periodic look.
		a.setTo(false)
		time.Sleep(core.LookEvery)
		synctest.Wait()
		if !a.lingers() {
			t.Errorf("linger is off %v after it was removed and the hint lost", core.LookEvery)
		}
	})
}

func TestRecordsDecisionsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, a := house()
		states := 0
		record := e.Recorder.(fakeRecorder).record
		e.Recorder = fakeRecorder{func(s core.State, decided []core.Decision) {
			states++
			record(s, decided)
		}}
		run(t, e, a)
		e.Deliver(t.Context(), core.LogindUp{})
		e.Deliver(t.Context(), core.LogindDown{Err: "gone"})
		time.Sleep(time.Hour)
		synctest.Wait()
		if states < 10 {
			t.Errorf("the recorder was told of %d states in an hour", states)
		}
		for _, d := range a.decided {
			if strings.HasPrefix(d.What, "look at") || d.Reason == "" || d.At.IsZero() {
				t.Errorf("not a decision to keep: %+v", d)
			}
		}
	})
}

func TestPauseEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, a := house()
		a.linger = false
		start := time.Now()
		pause := core.StandDown{Cause: core.CausePaused, Detail: "for 90s", Until: start.Add(90 * time.Second)}
		e.Marks = fakeMarks{func(_ context.Context, now time.Time) core.StandDown {
			if now.Before(pause.Until) {
				return pause
			}
			return core.StandDown{}
		}}
		run(t, e, a)
		e.Deliver(t.Context(), core.LogindUp{})
		time.Sleep(89 * time.Second)
		if a.setCount() != 0 {
			t.Fatalf("linger was set during the pause")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if !a.lingers() {
			t.Errorf("linger is off a second after the pause ended")
		}
	})
}

// Somebody takes linger away whenever it is set.
func TestDoesNotFight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, a := house()
		healthy := e.Linger.(fakeLinger)
		e.Linger = fakeLinger{see: healthy.see, set: func(ctx context.Context) (bool, error) {
			defer a.setTo(false)
			return healthy.set(ctx)
		}}
		run(t, e, a)
		e.Deliver(t.Context(), core.LogindUp{})
		for range 600 {
			time.Sleep(time.Second)
			e.Deliver(t.Context(), core.LingerHint{})
		}
		if n := a.setCount(); n > 55 || n < 45 {
			t.Errorf("set %d times in ten minutes, want five a minute and no more", n)
		}
	})
}

func TestHangingSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, a := house()
		a.linger = false
		e.Linger = fakeLinger{see: e.Linger.(fakeLinger).see, set: a.setLinger(untilEnd)}
		run(t, e, a)
		e.Deliver(t.Context(), core.LogindUp{})
		start := time.Now()
		synctest.Wait()
		time.Sleep(actionTimeout - time.Millisecond)
		if n := a.busy(); n != 1 {
			t.Fatalf("%d sets under way, want the one that hangs", n)
		}
		time.Sleep(2 * time.Millisecond)
		if n := a.busy(); n != 0 {
			t.Fatalf("the edge still hangs after %v", time.Since(start))
		}
		for range 600 {
			time.Sleep(time.Second)
			e.Deliver(t.Context(), core.LingerHint{})
		}
		if n := a.get(func(a *account) int { return a.together }); n != 1 {
			t.Errorf("%d sets were under way at a time, want 1", n)
		}
		// It is tried later and later.
		if n := a.setCount(); n < 5 || n > 10 {
			t.Errorf("%d tries in ten minutes", n)
		}
	})
}

// An edge that does not even mind its context stops nothing but itself.
func TestDeafEdge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, a := house()
		a.linger = false
		release := make(chan struct{})
		e.Linger = fakeLinger{see: e.Linger.(fakeLinger).see, set: a.setLinger(func(context.Context) error {
			<-release
			return errors.New("too late")
		})}
		stop := run(t, e, a)
		e.Deliver(t.Context(), core.LogindUp{})
		for i := range 1000 {
			time.Sleep(time.Second)
			e.Deliver(t.Context(), core.LingerHint{})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			s, err := e.State(ctx)
			cancel()
			if err != nil || s.Linger != core.LingerOff {
				t.Fatalf("after %d seconds: linger %s, %v", i, s.Linger, err)
			}
		}
		if n := a.setCount(); n != 1 {
			t.Errorf("%d sets were begun behind one that never ends", n)
		}
		// Run waits for it, for it owns it.
		stopped := make(chan struct{})
		go func() {
			stop()
			close(stopped)
		}()
		time.Sleep(time.Hour)
		select {
		case <-stopped:
			t.Error("Run returned before its worker")
		default:
		}
		close(release)
		<-stopped
	})
}

func TestStateWhileEdgesHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, a := house()
		var hung atomic.Int32
		hang := func(ctx context.Context) error {
			hung.Add(1)
			return untilEnd(ctx)
		}
		e.Marks = fakeMarks{func(ctx context.Context, _ time.Time) core.StandDown {
			_ = hang(ctx)
			return core.StandDown{}
		}}
		e.Units = fakeUnits{look: func(ctx context.Context) core.UnitsSeen { return core.UnitsSeen{Err: hang(ctx).Error()} }}
		run(t, e, a)
		e.Deliver(t.Context(), core.LogindUp{})
		e.Deliver(t.Context(), core.UnitsSeen{Err: "look again soon"})
		time.Sleep(16 * time.Second)
		before := time.Now()
		s, err := e.State(t.Context())
		if err != nil || time.Since(before) != 0 || !s.LogindUp {
			t.Errorf("got %+v, %v after %v, want an answer at once", s, err, time.Since(before))
		}
		if n := hung.Load(); n < 2 {
			t.Errorf("%d edges hung, want both", n)
		}
	})
}

func TestStateWithoutLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := house()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := e.State(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "main loop") {
			t.Errorf("got %v, want the deadline, and who did not answer", err)
		}
	})
}

// The watchdog must starve when the loop is stuck, or it is worth nothing.
func TestAliveOnlyFromTheLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, a := house()
		fed := 0 // only the loop touches it, or the race detector speaks up
		e.Alive, e.AliveEvery = func() { fed++ }, time.Second
		stuck := make(chan struct{})
		record := e.Recorder.(fakeRecorder).record
		e.Recorder = fakeRecorder{func(s core.State, decided []core.Decision) {
			if s.ManagerErr == "stick" {
				<-stuck
			}
			record(s, decided)
		}}
		run(t, e, a)
		time.Sleep(10*time.Second + time.Millisecond)
		synctest.Wait()
		if fed != 10 {
			t.Fatalf("fed %d times in 10 seconds", fed)
		}
		e.Deliver(t.Context(), core.ManagerDown{Err: "stick"})
		time.Sleep(time.Minute)
		synctest.Wait()
		if fed != 10 {
			t.Fatalf("fed %d times more by somebody else than the loop", fed-10)
		}
		e.Deliver(t.Context(), core.UnitsSeen{})
		close(stuck)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if fed < 19 {
			t.Errorf("fed %d times in all, want it to go on with the loop", fed)
		}
	})
}

func TestNoWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, a := house()
		e.Alive = func() { t.Error("fed, though AliveEvery is 0") }
		run(t, e, a)
		time.Sleep(time.Hour)
	})
}

func TestRunEndsWithAllWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, a := house()
		a.linger = false
		slow := func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(3 * time.Second) // it has to tidy up
			return ctx.Err()
		}
		e.Linger = fakeLinger{see: e.Linger.(fakeLinger).see, set: a.setLinger(slow)}
		stop := run(t, e, a)
		e.Deliver(t.Context(), core.LogindUp{})
		synctest.Wait()
		if a.busy() != 1 {
			t.Fatal("no worker is under way")
		}
		before := time.Now()
		stop() // run checks that no worker is left
		if took := time.Since(before); took != 3*time.Second {
			t.Errorf("Run returned after %v, want as soon as its worker did", took)
		}
	})
}

func TestDeliverOnFullMailbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, a := house()
		for range mailboxSize {
			e.Deliver(t.Context(), core.SessionNew{})
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		before := time.Now()
		e.Deliver(ctx, core.SessionNew{})
		if took := time.Since(before); took != time.Second {
			t.Fatalf("Deliver returned after %v, want when its context ended", took)
		}
		// With a loop there is room again, and what waited is not lost.
		delivered := make(chan struct{})
		go func() {
			e.Deliver(t.Context(), core.ManagerDown{Err: "the last one"})
			close(delivered)
		}()
		synctest.Wait()
		run(t, e, a)
		<-delivered
		synctest.Wait()
		if s, err := e.State(t.Context()); err != nil || s.ManagerErr != "the last one" {
			t.Errorf("got %+v, %v", s, err)
		}
	})
}
