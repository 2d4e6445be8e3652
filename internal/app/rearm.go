package app

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"keeper/internal/core"
	"keeper/internal/history"
	"keeper/internal/logind"
	"keeper/internal/paths"
	"keeper/internal/standdown"
	"keeper/internal/units"
)

// setTries is how often the last act tries to set linger, and setPause how long
// it waits in between.
const (
	setTries = 3
	setPause = 100 * time.Millisecond
)

// Rearm is the last act of the user manager: it decides whether the account is
// to come back, asks logind for it, and leaves a record. Every call has a
// deadline of its own; whatever fails, the stop goes on.
func Rearm(ctx context.Context, log *slog.Logger) error {
	p, err := paths.Of(os.Getuid())
	if err != nil {
		return err
	}
	r := rearmer{
		uid: uint32(os.Getuid()), paths: p, log: log, boot: bootID(),
		store: history.Store{Dir: p.State},
		marks: standdown.Marks{UID: uint32(os.Getuid()), StateDir: p.State, MarkDir: p.Marks},
	}
	bus, err := logind.Dial(ctx, "")
	if err == nil {
		defer bus.Close()
		r.bus = bus
	}
	facts, plan := r.plan(ctx)
	rec := core.Rearm{At: time.Now(), Boot: r.boot, Mono: monotonic(), Cause: plan.Cause, Reason: plan.Reason, Down: r.down}
	if plan.Act {
		err = r.carryOut(ctx, plan)
		rec.Done = err == nil
	}
	if err != nil {
		rec.Err = err.Error()
	}
	if rec.Done {
		log.Info("rearmed", "reason", rec.Reason)
	} else {
		log.Warn("not rearmed", "reason", rec.Reason) // the error is returned
	}
	if facts.ManagerState != "" && facts.ManagerState != "stopping" {
		return nil // nothing died, so there is nothing to keep
	}
	return errors.Join(err, r.store.AddRearm(rec))
}

// stopSpan is how long the stop of a user manager may have taken so far: the
// stop timeout of user@.service is two minutes.
const stopSpan = 3 * time.Minute

const (
	// blockedWait is how long is waited for what forbids a revival to change:
	// what killed the manager may have hit the sessions too, and they get a
	// moment to be gone.
	blockedWait = 3 * time.Second
	// holdMost bounds the hold, well below TimeoutStopSec of the unit.
	holdMost = 30 * time.Second
	// lookAgain is how often everything is asked anew meanwhile, the machine's
	// fate above all.
	lookAgain = 250 * time.Millisecond
)

// plan decides, and waits where the decision is to wait.
func (r *rearmer) plan(ctx context.Context) (core.RearmFacts, core.RearmPlan) {
	begin := time.Now()
	held := false
	for {
		facts := r.facts(ctx)
		plan := core.PlanRearm(facts)
		waited := time.Since(begin)
		switch {
		case plan.Blocked && waited < blockedWait:
		case plan.Act && plan.Hold > 0 && waited < holdMost:
			if !held {
				r.log.Info("hold the stop", "wait", plan.Hold, "reason", "another start so soon would hit the start limit of the user manager")
				held = true
			}
		default:
			return facts, plan
		}
		wait := lookAgain
		if plan.Hold > 0 {
			wait = min(wait, plan.Hold)
		}
		time.Sleep(wait)
	}
}

// rearmer is one run of `keeper rearm`.
type rearmer struct {
	uid   uint32
	paths paths.Paths
	log   *slog.Logger
	store history.Store
	marks standdown.Marks
	boot  string
	bus   *logind.Conn // nil if the system bus is out of reach
	down  []core.Down
}

// facts asks everybody at once: each moment here is outage.
func (r *rearmer) facts(ctx context.Context) core.RearmFacts {
	f := core.RearmFacts{Now: monotonic()}
	var wait sync.WaitGroup
	wait.Go(func() { f.StandDown = r.marks.Read(ctx, time.Now()) })
	var disabled bool
	wait.Go(func() { f.ManagerState, disabled = r.askManager(ctx) })
	var life logind.Manager
	if r.bus != nil {
		wait.Go(func() { life = r.askLogind(ctx, &f) })
	}
	earlier, err := r.store.Rearms()
	if err != nil {
		r.log.Warn("the earlier rearms cannot be counted", "error", err)
	}
	for _, e := range earlier {
		if e.Boot == r.boot && e.Done {
			f.Earlier = append(f.Earlier, e.Mono)
		}
	}
	wait.Wait()
	f.Started, f.FirstLife, f.Interval = life.Started, life.First, life.Interval
	f.Revive = rootInForce(life, r.uid, identity{uid: int(r.uid)}.user()).Revive
	if disabled && !f.StandDown.InForce() {
		f.StandDown = core.StandDown{Cause: core.CauseDisabled, Detail: units.Session + " is disabled"}
	}
	if r.down == nil {
		r.down = r.takenDown(life, f.Now)
	}
	if r.bus != nil {
		// Last: it is the one that must not be old.
		if f.SystemState, err = r.bus.SystemState(ctx); err != nil {
			r.log.Error("the system's state is unknown", "error", err)
		}
	}
	return f
}

// askManager asks the user's own manager for its state, and whether
// keeper-session.service was disabled.
func (r *rearmer) askManager(ctx context.Context) (state string, disabled bool) {
	m, err := units.Dial(ctx, r.paths.Runtime)
	if err != nil {
		r.log.Error("the user manager does not answer", "error", err)
		return "", false
	}
	defer m.Close()
	if state, err = m.State(ctx); err != nil {
		r.log.Error("the user manager does not answer", "error", err)
	}
	_, enabled, err := m.SessionUnit(ctx)
	return state, err == nil && !enabled
}

// askLogind fills in what logind says, and returns what PID 1 does.
func (r *rearmer) askLogind(ctx context.Context, f *core.RearmFacts) logind.Manager {
	u, err := r.bus.User(ctx, r.uid)
	f.UserKnown, f.UserState, f.Sessions = err == nil, u.State, u.Sessions
	if err == nil {
		f.PreparingForShutdown, err = r.bus.PreparingForShutdown(ctx)
	}
	if err != nil {
		f.UserKnown = false
		r.log.Error("logind does not answer", "error", err)
	}
	life, err := r.bus.Manager(ctx, r.uid)
	if err != nil {
		r.log.Warn("the start limit of the user manager is unknown", "error", err)
	}
	return life
}

// takenDown returns what ran when the stop began. The manager has forgotten
// its units by now; the daemon kept what it saw last, and when it had to end.
func (r *rearmer) takenDown(life logind.Manager, now time.Duration) []core.Down {
	kept, err := r.store.Peek()
	if err != nil || kept.Life.Boot != r.boot {
		return nil
	}
	began := life.Stopping
	if began == 0 {
		began = now
		if kept.Ended > 0 && now-kept.Ended < stopSpan {
			began = kept.Ended
		}
	}
	return core.TakenDown(kept.Units, began)
}

// carryOut does what the plan says. Telling logind to stop the user is harmless
// here, where the user manager stops already and no session is open; clearing
// linger would make logind see to it as well, but not within ten seconds of the
// last logout (UserStopDelaySec), and a death in between would leave linger off.
func (r *rearmer) carryOut(ctx context.Context, plan core.RearmPlan) error {
	if plan.Tell {
		if err := r.bus.TerminateUser(ctx, r.uid); err != nil {
			// It may have been heard all the same; what counts is what follows.
			r.log.Warn("logind did not hear that the user stops", "error", err)
		}
	}
	var all error
	for try := range setTries {
		if try > 0 {
			time.Sleep(setPause)
		}
		err := r.bus.SetLinger(ctx, r.uid, true)
		if err == nil {
			return nil
		}
		all = errors.Join(all, err)
		if errors.Is(err, logind.ErrDenied) {
			break
		}
	}
	return all
}

// monotonic is CLOCK_MONOTONIC, the clock of systemd's timestamps.
func monotonic() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// bootID tells one boot from another; empty if the kernel does not say.
func bootID() string {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}
