package drill

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"keeper/internal/control"
	"keeper/internal/core"
)

// Daemon is the daemon, as a drill needs it.
type Daemon interface {
	// Watch is control.Watch.
	Watch(ctx context.Context, seen func(control.Status) error) error
	// Tell is control.TellDrill.
	Tell(ctx context.Context, d core.Drill) error
}

// Moment is something that happened during a drill.
type Moment struct {
	At time.Time `json:"at"`
	// AfterMS is since the blow.
	AfterMS int64  `json:"after_ms"`
	What    string `json:"what"`
}

// Result is what came of a drill.
type Result struct {
	Drill    core.Drill
	Expected core.DrillOutcome
	// Services are those that were away, and what else was.
	Services []control.Outage
	Moments  []Moment
}

// AsExpected says whether it went as it must; to hold is better than to be back.
func (r Result) AsExpected() bool {
	return r.Drill.Outcome == r.Expected || r.Drill.Outcome == core.DrillHeld && r.Expected == core.DrillBack
}

// Run is a drill that is being carried out.
type Run struct {
	Drill  Drill
	Target Target
	Daemon Daemon
	// Said is called with each moment, Tick ten times a second with the time since the
	// blow and what is waited for; both may be nil.
	Said func(Moment)
	Tick func(after time.Duration, waits string)
	// Strike is Drill.Strike, if nil.
	Strike func(context.Context, Target) (Blow, error)
}

// ErrCut is returned where the person, or the end of his session, ended the command
// before the drill was over.
var ErrCut = errors.New("the drill was not watched to its end")

const (
	tick = 100 * time.Millisecond
	// again is the wait before each further try to reach a daemon that is away: what it
	// was away for is measured.
	again = 100 * time.Millisecond
	// tellLimit is how long the daemon has to take in that the drill is over.
	tellLimit = 10 * time.Second
)

// news is a status, or the news that the daemon does not answer.
type news struct {
	at     time.Time
	status control.Status
	err    error
}

// Do carries it out. The status is from just before.
func (r *Run) Do(ctx context.Context, was control.Status) (Result, error) {
	began := time.Now().Truncate(time.Millisecond)
	d := core.Drill{ID: began.UTC().Format("20060102-150405"), Name: r.Drill.Name, Service: r.Target.Unit,
		Began: began, Until: began.Add(r.Drill.Limit + time.Minute)}
	if r.Drill.EndsSession && r.Drill.Hits(was.Root) == ScopeNothing {
		d.Until = began.Add(2 * r.Drill.Watch) // nobody but the daemon is there to see the end
	}
	res := Result{Drill: d, Expected: r.Drill.Expected(was.Root)}
	if err := r.Daemon.Tell(ctx, d); err != nil {
		return res, err
	}
	lctx, stop := context.WithCancel(ctx)
	// The connection from before the blow ends with it where it is no proof.
	first, drop := context.WithCancel(lctx)
	heard := make(chan news, 64)
	var listener sync.WaitGroup
	listener.Go(func() { r.listen(lctx, first, heard) })
	defer listener.Wait()
	defer stop()
	defer drop()

	// Whoever strikes before he listens may miss what comes of it.
	select {
	case n := <-heard:
		if n.err != nil {
			return r.notStruck(ctx, res, n.err)
		}
		was = n.status
	case <-ctx.Done():
		return r.notStruck(ctx, res, ctx.Err())
	}
	struck := time.Now()
	strike := r.Strike
	if strike == nil {
		strike = r.Drill.Strike
	}
	blow, err := strike(ctx, r.Target)
	if err != nil && ctx.Err() == nil { // else the blow hit this command as well
		return r.notStruck(ctx, res, err)
	}
	if r.Drill.afresh {
		drop()
	}
	say := func(at time.Time, what string) {
		m := Moment{At: at, AfterMS: max(0, at.Sub(struck)).Milliseconds(), What: what}
		res.Moments = append(res.Moments, m)
		if r.Said != nil {
			r.Said(m)
		}
	}
	say(struck, "struck: "+r.Drill.What)
	w := newWatcher(r.Drill, r.Target.Unit, was, struck, blow, say)
	late, cutOff := r.follow(ctx, w, blow, heard, struck)
	return r.end(ctx, res, w, blow, late, cutOff)
}

func undo(b Blow) error {
	if b.Undo == nil {
		return nil
	}
	return b.Undo()
}

// listen passes on what the daemon says, over one connection after the other.
func (r *Run) listen(ctx, first context.Context, heard chan<- news) {
	pass := func(n news) error {
		n.at = time.Now()
		select {
		case heard <- n:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for conn := first; ; conn = ctx {
		err := r.Daemon.Watch(conn, func(st control.Status) error { return pass(news{status: st}) })
		if ctx.Err() != nil || pass(news{err: err}) != nil {
			return
		}
		select {
		case <-time.After(again):
		case <-ctx.Done():
			return
		}
	}
}

// follow watches until it is over, its time is up (late), or the context ends (cutOff).
func (r *Run) follow(ctx context.Context, w *watcher, blow Blow, heard <-chan news, struck time.Time) (late, cutOff bool) {
	ticks := time.NewTicker(tick)
	defer ticks.Stop()
	fresh := !r.Drill.afresh
	for {
		select {
		case <-ctx.Done():
			return false, true
		case n := <-heard:
			switch {
			case n.err != nil:
				if fresh {
					w.lost(n.at)
				}
				fresh = true
			case fresh:
				w.see(n.status, n.at)
			}
		case now := <-ticks.C:
			// No status tells of the helpers.
			if !w.mended && blow.Mended() {
				w.repaired(blow.Thing, now)
			}
			if r.Tick != nil {
				r.Tick(now.Sub(struck), w.waits())
			}
		}
		now := time.Now()
		if over := w.over(); !over.IsZero() && !now.Before(over) {
			return false, false
		}
		if now.Sub(struck) >= r.Drill.Limit {
			return true, false
		}
	}
}

// waits is what is waited for, for a person.
func (w *watcher) waits() string {
	if !w.still.IsZero() {
		return "all is as before; will it stay so?"
	}
	return w.wrong()
}

// notStruck ends a drill that never came to its blow.
func (r *Run) notStruck(ctx context.Context, res Result, why error) (Result, error) {
	res.Drill.Ended, res.Drill.Outcome, res.Drill.Why = time.Now(), core.DrillUnknown, "it was not struck: "+why.Error()
	return res, errors.Join(why, r.tell(ctx, res.Drill))
}

// end says what came of it, and tells the daemon.
func (r *Run) end(ctx context.Context, res Result, w *watcher, blow Blow, late, cutOff bool) (Result, error) {
	now := time.Now()
	d := &res.Drill
	var undone error
	if late || cutOff {
		if undone = undo(blow); undone == nil && blow.Undo != nil {
			w.told(now, "taken back")
		}
	}
	res.Services = w.outages()
	d.Ended = now
	if !cutOff {
		d.Outcome, d.Outage, d.Why = w.outcome(now, late)
		err := r.tell(ctx, *d)
		if err == nil {
			r.asKept(ctx, d)
		}
		return res, errors.Join(undone, err)
	}
	if r.Drill.EndsSession {
		// This session goes with the stack: whoever is alive at the end, the daemon, says
		// what came of it.
		return res, ErrCut
	}
	d.Outcome, d.Why = core.DrillUnknown, "somebody interrupted it"
	return res, errors.Join(ErrCut, undone, r.tell(ctx, *d))
}

// asKept makes d what the daemon keeps of it, now that it was told of the end. It may have
// ended the drill itself before, in a new life, and there is one result of a drill.
func (r *Run) asKept(ctx context.Context, d *core.Drill) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellLimit)
	defer cancel()
	_ = r.Daemon.Watch(ctx, func(st control.Status) error {
		if is := st.Drill; is != nil && is.ID == d.ID && !is.Ended.IsZero() {
			d.Outcome, d.Outage, d.Why = is.Outcome, time.Duration(is.OutageMS)*time.Millisecond, is.Why
		}
		return errEnough
	})
}

var errEnough = errors.New("one status is enough")

// tell tells the daemon of the end, also after the context has ended, and waits where it
// is just away.
func (r *Run) tell(ctx context.Context, d core.Drill) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellLimit)
	defer cancel()
	for {
		err := r.Daemon.Tell(ctx, d)
		if err == nil || !errors.Is(err, control.ErrUnreachable) {
			return err
		}
		select {
		case <-time.After(again):
		case <-ctx.Done():
			return fmt.Errorf("the daemon could not be told that the drill is over: %w", err)
		}
	}
}
