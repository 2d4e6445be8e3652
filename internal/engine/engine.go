// Package engine is the one loop: events come in through a bounded mailbox,
// core.Decide turns each into actions, and workers carry those out. The loop
// never waits for anything but its mailbox and its one timer.
package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"keeper/internal/core"
)

// Linger sets and reads the account's linger. SetLinger reports with denied
// that polkit does not allow it.
type Linger interface {
	SetLinger(ctx context.Context) (denied bool, err error)
	Linger(ctx context.Context) core.LingerSeen
}

// Delay holds a delay inhibitor of logind's, one at a time. Take lets go of the
// one before.
type Delay interface {
	Take(ctx context.Context) (grant time.Duration, err error)
	Release()
}

// Marks reads what forbids keeper to act.
type Marks interface {
	Read(ctx context.Context, now time.Time) core.StandDown
}

// Units looks at every Quadlet-made unit, and starts, restarts and stops them.
// Start and Restart return when their jobs are queued, Stop when all are stopped.
// With running, Restart leaves alone what is not up any more, or about to be stopped.
type Units interface {
	Look(ctx context.Context) core.UnitsSeen
	Start(ctx context.Context, names []string) error
	Restart(ctx context.Context, names []string, running bool) error
	Stop(ctx context.Context, names []string) error
}

// Prober asks services how they are. Set takes the place of all that was to be
// probed, and must not block: the loop itself calls it, so that the last one
// counts. Ask asks at once, and returns what it has when the context ends.
type Prober interface {
	Set(targets []core.Target)
	Ask(ctx context.Context, targets []core.Target) map[string]core.Outcome
	// Strain is what the whole host waits for, in words, or empty.
	Strain() string
}

// Thawer has the processes of a container go on: Continue after a signal stopped
// them, Thaw after podman pause.
type Thawer interface {
	Continue(ctx context.Context, t core.Target) error
	Thaw(ctx context.Context, t core.Target) error
}

// Helpers are Podman's network helpers, and the runtime state that they are part
// of.
type Helpers interface {
	Dead() core.HelpersSeen
	Mend(ctx context.Context) error
	// Renew stops the units and clears the runtime state.
	Renew(ctx context.Context, names []string) error
}

// Manager is the process of the user manager.
type Manager interface {
	Stopped() bool
	Continue() error
}

// Answers asks services on their ports, and returns when each answered.
type Answers interface {
	Ask(ctx context.Context, ports map[string][]string) map[string]time.Duration
}

// Containers looks at the containers that run and that no unit owns.
type Containers interface {
	Unkept() core.ContainersSeen
}

// Adopter does what needs Podman. Write makes units for containers, in force from
// their next start; Drift compares what runs with its units; Undo puts back what
// an adoption left half-done.
type Adopter interface {
	Write(ctx context.Context, containers []string) core.UnitsWritten
	Drift(ctx context.Context) core.DriftSeen
	Undo(ctx context.Context) error
}

// Files are what others write: how an adoption stands, and what tells of a change
// of a file.
type Files interface {
	Adoption() core.Adoption
	Stamps(files map[string]string) map[string]string
}

// Recorder is told of every event, what was decided of it, and the new state. It must
// not block.
type Recorder interface {
	Record(e core.Event, s core.State, decided []core.Decision)
}

// Alerter has people told, whenever that can be done. It must not block: the loop
// itself calls it, so that alerts keep their order.
type Alerter interface {
	Alert(a core.Alert)
}

// Journal tells of commands that may have caused something.
type Journal interface {
	Commands(ctx context.Context, from time.Time) core.CommandsSeen
}

// Engine is the loop and what it needs.
type Engine struct {
	Linger   Linger
	Delay    Delay
	Marks    Marks
	Units    Units
	Helpers  Helpers
	Manager  Manager
	Answers  Answers
	Prober   Prober
	Thawer   Thawer
	Recorder Recorder
	Alerter  Alerter
	Journal  Journal

	Containers Containers
	Adopter    Adopter
	Files      Files

	// Alive is called from the loop every AliveEvery, if that is not 0: the
	// watchdog's food.
	Alive      func()
	AliveEvery time.Duration

	mailbox chan core.Event
	asks    chan chan core.State
}

// mailboxSize is far above what a burst of unit changes makes. A full mailbox
// makes its senders wait, never the loop.
const mailboxSize = 256

// actionTimeout ends what an edge failed to end by itself.
const actionTimeout = 10 * time.Second

// New returns an engine without edges; the caller fills them in.
func New() *Engine {
	return &Engine{mailbox: make(chan core.Event, mailboxSize), asks: make(chan chan core.State)}
}

// Deliver puts an event into the mailbox, waiting for room until the context
// ends.
func (e *Engine) Deliver(ctx context.Context, ev core.Event) {
	select {
	case e.mailbox <- ev:
	case <-ctx.Done():
	}
}

// State asks the loop for its state. Its maps must not be changed.
func (e *Engine) State(ctx context.Context) (core.State, error) {
	reply := make(chan core.State, 1)
	select {
	case e.asks <- reply:
	case <-ctx.Done():
		return core.State{}, errors.Join(errors.New("the main loop does not answer"), ctx.Err())
	}
	return <-reply, nil
}

// Run is the loop. It returns when the context ends and all its workers have.
func (e *Engine) Run(ctx context.Context) {
	var workers sync.WaitGroup
	defer workers.Wait()
	s := core.State{Linger: core.LingerUnknown}
	timer := time.NewTimer(core.LookEvery)
	defer timer.Stop()
	alive := make(<-chan time.Time)
	if e.AliveEvery > 0 {
		t := time.NewTicker(e.AliveEvery)
		defer t.Stop()
		alive = t.C
	}
	for {
		var ev core.Event
		select {
		case <-ctx.Done():
			return
		case reply := <-e.asks:
			reply <- s
			continue
		case <-alive:
			e.Alive()
			continue
		case <-timer.C:
			ev = core.Wake{}
		case ev = <-e.mailbox:
		}
		now := time.Now()
		var actions []core.Action
		s, actions = core.Decide(s, ev, now)
		var decided []core.Decision
		for _, a := range actions {
			if a.Decided() {
				decided = append(decided, core.Decision{At: now, What: a.What, Reason: a.Reason, Kind: a.Kind, Units: a.Units})
			}
			switch a.Kind {
			case core.Note, core.SendAlert:
			case core.SetProbes:
				e.Prober.Set(a.Targets)
			default:
				workers.Go(func() { e.act(ctx, a) })
			}
		}
		e.Recorder.Record(ev, s, decided)
		for _, a := range actions {
			if a.Kind == core.SendAlert { // once the recorder knows what it is about
				e.Alerter.Alert(*a.Alert)
			}
		}
		timer.Reset(max(0, s.Next.Sub(now)))
	}
}

// act carries one action out; its outcome is an event. Decide has at most one
// of each kind under way, so no order has to be kept here.
func (e *Engine) act(ctx context.Context, a core.Action) {
	limit := actionTimeout
	if a.Limit > 0 {
		limit = a.Limit
	}
	actx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	switch a.Kind {
	case core.SetLinger:
		denied, err := e.Linger.SetLinger(actx)
		e.Deliver(ctx, core.LingerSet{Err: text(err), Denied: denied})
	case core.LookLinger:
		seen := e.Linger.Linger(actx)
		if !a.Glance || seen.Err != "" || !seen.On {
			// Before the answer: whether linger may be set is decided on what the
			// marks say now, not on what they said before somebody took it away.
			e.Deliver(ctx, core.StandDownSeen{StandDown: e.Marks.Read(actx, time.Now())})
		}
		e.Deliver(ctx, seen)
	case core.LookUnits:
		e.Deliver(ctx, e.Units.Look(actx))
	case core.StartUnits:
		e.Deliver(ctx, core.UnitsStarted{Units: a.Units, Err: text(e.Units.Start(actx, a.Units))})
	case core.StopUnits:
		e.Deliver(ctx, core.UnitsStopped{Units: a.Units, Err: text(e.Units.Stop(actx, a.Units))})
	case core.RestartUnits:
		e.Deliver(ctx, core.Remedied{Kind: a.Kind, Units: a.Units, Err: text(e.Units.Restart(actx, a.Units, a.Running))})
	case core.Examine:
		seen := core.Examined{Unit: a.Units[0], Outcomes: e.Prober.Ask(actx, a.Targets)}
		seen.DeadHelpers, seen.Strain = e.Helpers.Dead().Dead, e.Prober.Strain()
		e.Deliver(ctx, seen)
	case core.ContinueUnit:
		e.Deliver(ctx, core.Remedied{Kind: a.Kind, Units: a.Units, Err: text(e.Thawer.Continue(actx, a.Targets[0]))})
	case core.ThawUnit:
		e.Deliver(ctx, core.Remedied{Kind: a.Kind, Units: a.Units, Err: text(e.Thawer.Thaw(actx, a.Targets[0]))})
	case core.LookAnswers:
		e.Deliver(ctx, core.Answered{At: e.Answers.Ask(actx, a.Ports)})
	case core.LookCommands:
		e.Deliver(ctx, e.Journal.Commands(actx, a.From))
	case core.LookHelpers:
		e.Deliver(ctx, e.Helpers.Dead())
	case core.RenewRuntime:
		e.Deliver(ctx, core.RuntimeRenewed{Units: a.Units, Err: text(e.Helpers.Renew(actx, a.Units))})
	case core.MendNetwork:
		e.Deliver(ctx, core.NetworkMended{Err: text(e.Helpers.Mend(actx))})
	case core.LookManager:
		e.Deliver(ctx, core.ManagerSeen{Stopped: e.Manager.Stopped()})
	case core.WakeManager:
		e.Deliver(ctx, core.ManagerWoken{Err: text(e.Manager.Continue())})
	case core.LookContainers:
		e.Deliver(ctx, e.Containers.Unkept())
	case core.WriteUnits:
		e.Deliver(ctx, e.Adopter.Write(actx, a.Units))
	case core.LookDrift:
		e.Deliver(ctx, e.Adopter.Drift(actx))
	case core.UndoAdoption:
		e.Deliver(ctx, core.AdoptionUndone{Err: text(e.Adopter.Undo(actx))})
	case core.LookAdoption:
		e.Deliver(ctx, core.AdoptionSeen{Adoption: e.Files.Adoption()})
	case core.LookSources:
		e.Deliver(ctx, core.SourcesSeen{Stamps: e.Files.Stamps(a.Files)})
	case core.TakeDelay:
		grant, err := e.Delay.Take(actx)
		e.Deliver(ctx, core.DelayTaken{Grant: grant, Err: text(err)})
	case core.ReleaseDelay:
		e.Delay.Release()
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
