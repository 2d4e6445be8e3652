package app

import (
	"context"
	"log/slog"
	"time"

	"keeper/internal/core"
	"keeper/internal/logind"
	"keeper/internal/units"
)

const (
	// gaspAsk bounds the question why the daemon is to end, gaspMost the whole of its
	// last act: the stop of the stack waits for it, and TimeoutStopSec of
	// keeper.service is 5 s.
	gaspAsk  = 500 * time.Millisecond
	gaspMost = 2 * time.Second
)

// gasp is the last act of a daemon that was told to end: if the user manager stops, and
// the stack with it, that is noted, and an alert tries to leave before the end. What
// cannot leave is in the queue for the daemon of the next life.
type gasp struct {
	uid      uint32
	runtime  string
	log      *slog.Logger
	deliver  func(core.Event)
	recorded <-chan struct{}                // closed when the recorder has heard of the end
	keep     func(ctx context.Context)      // writes all that was left to be written
	flush    func(ctx context.Context)      // tries to send what waits
	why      func(context.Context) gaspFact // a test has its own
}

// gaspFact is why the daemon ends.
type gaspFact struct {
	stops   bool // the user manager does
	machine bool
	cause   string
}

func (g gasp) run(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, gaspMost)
	defer cancel()
	fact := g.why(ctx)
	if !fact.stops {
		return // only keeper ends
	}
	g.deliver(core.ManagerEnds{Cause: fact.cause, Machine: fact.machine})
	select {
	case <-g.recorded:
	case <-ctx.Done():
		g.log.Warn("the end was not noted in time")
		return
	}
	g.keep(ctx)
	g.flush(ctx)
}

// ask asks the user manager and PID 1. Whoever does not answer leaves that question
// open: then nothing is said.
func (g gasp) ask(ctx context.Context) gaspFact {
	ctx, cancel := context.WithTimeout(ctx, gaspAsk)
	defer cancel()
	m, err := units.Dial(ctx, g.runtime)
	if err != nil {
		return gaspFact{}
	}
	defer m.Close()
	state, err := m.State(ctx)
	if err != nil || state != "stopping" {
		return gaspFact{}
	}
	f := gaspFact{stops: true, cause: "the user manager was stopped"}
	bus, err := logind.Dial(ctx, "")
	if err != nil {
		return f
	}
	defer bus.Close()
	if state, err = bus.SystemState(ctx); err == nil && state == "stopping" {
		f.machine = true
	} else if going, err := bus.PreparingForShutdown(ctx); err == nil && going {
		f.machine = true
	}
	if f.machine {
		f.cause = core.MachineGoesDown
	} else if u, err := bus.User(ctx, g.uid); err == nil && u.State == "closing" {
		f.cause = "logind was told to stop the user"
	}
	return f
}
