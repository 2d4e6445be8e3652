package units

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	sd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
)

// Life returns when this life of the user manager began, on CLOCK_MONOTONIC
// (UserspaceTimestampMonotonic).
func (c *Conn) Life(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	var v dbus.Variant
	err := c.manager().CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, managerIf, "UserspaceTimestampMonotonic").Store(&v)
	if err != nil {
		return 0, fmt.Errorf("cannot read when the user manager started: %w", err)
	}
	us, _ := v.Value().(uint64)
	return time.Duration(us) * time.Microsecond, nil
}

func (c *Conn) manager() dbus.BusObject {
	return c.sig.Object("org.freedesktop.systemd1", "/org/freedesktop/systemd1")
}

// defaultTarget is what the user manager starts up to.
const defaultTarget = "default.target"

// Start forgets the failures and start limits of the units and starts them, in
// their order (Manager.ResetFailedUnit, Manager.StartUnit). It returns when all
// the jobs are queued. A default target that is down is up again afterwards, by
// itself alone: what it wants is not keeper's to start.
func (c *Conn) Start(ctx context.Context, names []string) error {
	all := c.reset(ctx, names)
	for _, name := range names {
		all = errors.Join(all, c.start(ctx, name, "replace"))
	}
	if p, err := c.properties(ctx, defaultTarget); len(names) > 0 && err == nil && text(p, "ActiveState") == "inactive" {
		if job, _ := jobOf(p); job == 0 {
			all = errors.Join(all, c.start(ctx, defaultTarget, "ignore-dependencies"))
		}
	}
	return all
}

// Restart forgets the failures and start limits of the units, and of what they need
// besides, and restarts the units, in their order (Manager.RestartUnit); one that is
// down is started. systemd restarts along what a stop of theirs would stop. It
// returns when all the jobs are queued.
//
// With running, a unit that somebody stopped meanwhile stays so: one that is down is
// let be (Manager.TryRestartUnit), and one with a stop job keeps that ("fail").
func (c *Conn) Restart(ctx context.Context, names, needs []string, running bool) error {
	forgotten := c.reset(ctx, slices.Concat(names, needs))
	var all error
	restart, mode := c.sd.RestartUnitContext, "replace"
	if running {
		restart, mode = c.sd.TryRestartUnitContext, "fail"
	}
	for _, name := range names {
		cctx, cancel := context.WithTimeout(ctx, CallTimeout)
		if _, err := restart(cctx, name, mode, nil); err != nil {
			all = errors.Join(all, fmt.Errorf("cannot restart %s: %w", name, err))
		}
		cancel()
	}
	if all == nil {
		return nil // what was not forgotten does not matter then
	}
	return errors.Join(forgotten, all)
}

func (c *Conn) reset(ctx context.Context, names []string) error {
	var all error
	for _, name := range names {
		cctx, cancel := context.WithTimeout(ctx, CallTimeout)
		if err := c.sd.ResetFailedUnitContext(cctx, name); err != nil && !unitsOwn(err) {
			all = errors.Join(all, fmt.Errorf("cannot reset %s: %w", name, err))
		}
		cancel()
	}
	return all
}

func (c *Conn) start(ctx context.Context, name, mode string) error {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	if _, err := c.sd.StartUnitContext(ctx, name, mode, nil); err != nil {
		return fmt.Errorf("cannot start %s: %w", name, err)
	}
	return nil
}

// Stop stops the units side by side, and returns when all are stopped or the
// context ends (Manager.StopUnit).
func (c *Conn) Stop(ctx context.Context, names []string) error {
	var all error
	jobs := map[string]chan string{}
	for _, name := range names {
		done := make(chan string, 1) // with room: a reader that left must not block the connection
		if _, err := c.sd.StopUnitContext(ctx, name, "replace", done); err != nil {
			all = errors.Join(all, fmt.Errorf("cannot stop %s: %w", name, err))
			continue
		}
		jobs[name] = done
	}
	for name, done := range jobs {
		if err := stopped(ctx, done); err != nil {
			all = errors.Join(all, fmt.Errorf("%s %w", name, err))
		}
	}
	return all
}

// stopped waits for the result of a stop job.
func stopped(ctx context.Context, done <-chan string) error {
	var result string
	select {
	case result = <-done:
	case <-ctx.Done():
		select {
		case result = <-done:
		default:
			return errors.New("did not stop in time")
		}
	}
	if result != "done" {
		return fmt.Errorf("did not stop: its job was %s", result)
	}
	return nil
}

// Cancel takes back the start of a unit that is queued, by stopping what does
// not run yet.
func (c *Conn) Cancel(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	if _, err := c.sd.StopUnitContext(ctx, name, "replace", nil); err != nil {
		return fmt.Errorf("cannot hold back %s: %w", name, err)
	}
	return nil
}

// transientLimit is how long a command may take that runs in a unit of its own.
const transientLimit = 2 * time.Minute

// RunTransient runs a command in a service of its own and waits for its end
// (Manager.StartTransientUnit). What it starts does not end with keeper.
func (c *Conn) RunTransient(ctx context.Context, name, description string, argv []string) error {
	done := make(chan string, 1)
	props := []sd.Property{
		sd.PropDescription(description),
		sd.PropExecStart(argv, false),
		{Name: "CollectMode", Value: dbus.MakeVariant("inactive-or-failed")},
		{Name: "Type", Value: dbus.MakeVariant("oneshot")},
		// One that hangs would keep its name, and the next of the name from running.
		{Name: "TimeoutStartUSec", Value: dbus.MakeVariant(uint64(transientLimit / time.Microsecond))},
		// What it leaves running (a network helper) is to stay.
		{Name: "KillMode", Value: dbus.MakeVariant("process")},
	}
	if _, err := c.sd.StartTransientUnitContext(ctx, name, "replace", props, done); err != nil {
		return fmt.Errorf("cannot run %s: %w", description, err)
	}
	select {
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", description, ctx.Err())
	case result := <-done:
		if result != "done" {
			return fmt.Errorf("%s: %s; see: journalctl --user -u %s", description, result, name)
		}
		return nil
	}
}
