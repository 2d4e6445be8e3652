package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"keeper/internal/containers"
	"keeper/internal/core"
	"keeper/internal/probe"
	"keeper/internal/units"
)

// delay is the engine's view of the delay inhibitor.
type delay struct {
	link *logindLink
	log  *slog.Logger

	mu   sync.Mutex
	held interface{ Release() error }
}

// Take is engine.Delay.
func (d *delay) Take(ctx context.Context) (time.Duration, error) {
	c, err := d.link.get()
	if err != nil {
		return 0, err
	}
	taken, err := c.TakeDelay(ctx, "services end in their order, and the end is noted")
	if err != nil {
		return 0, err
	}
	d.hold(taken)
	return taken.Grant, nil
}

// Release is engine.Delay.
func (d *delay) Release() { d.hold(nil) }

// hold takes the place of what is held, which is let go of.
func (d *delay) hold(next interface{ Release() error }) {
	d.mu.Lock()
	before := d.held
	d.held = next
	d.mu.Unlock()
	if before == nil {
		return
	}
	if err := before.Release(); err != nil {
		d.log.Error("cannot let go of the delay inhibitor", "error", err)
	}
}

// helpers is the engine's view of Podman's network helpers.
type helpers struct {
	view  containers.View
	units *unitsLink
}

// Dead is engine.Helpers.
func (h helpers) Dead() core.HelpersSeen {
	processes, err := h.view.Processes()
	return core.HelpersSeen{Dead: h.view.DeadHelpers(), Orphaned: err == nil && h.view.Orphaned(processes)}
}

// Mend is engine.Helpers. Podman sets its networks up again for all running
// containers, and starts what they need. It runs in a service of its own: what
// it leaves behind must not end with keeper.
func (h helpers) Mend(ctx context.Context) error {
	podman, err := exec.LookPath("podman")
	if err != nil {
		return fmt.Errorf("cannot mend the networks: %w", err)
	}
	c, err := h.units.get()
	if err != nil {
		return err
	}
	return c.RunTransient(ctx, "keeper-network-reload.service", "Podman sets up its networks again",
		[]string{podman, "network", "reload", "--all"})
}

// manager is the engine's view of the user manager as a process.
type manager struct{ view containers.View }

// Stopped is engine.Manager. The daemon's parent is the user manager.
func (m manager) Stopped() bool { return m.view.Stopped(os.Getppid()) }

// Continue is engine.Manager.
func (m manager) Continue() error {
	if err := syscall.Kill(os.Getppid(), syscall.SIGCONT); err != nil {
		return fmt.Errorf("cannot continue the user manager: %w", err)
	}
	return nil
}

// answers is engine.Answers.
type answers struct{}

func (answers) Ask(ctx context.Context, ports map[string][]string) map[string]time.Duration {
	var (
		wait sync.WaitGroup
		mu   sync.Mutex
		at   = map[string]time.Duration{}
	)
	for name, addresses := range ports {
		wait.Go(func() {
			for _, a := range addresses {
				if probe.TCP(ctx, a) != nil {
					return
				}
			}
			mu.Lock()
			defer mu.Unlock()
			at[name] = monotonic()
		})
	}
	wait.Wait()
	return at
}

// Start is engine.Units. What is not free to be started is left alone, see free.
func (l *unitsLink) Start(ctx context.Context, names []string) error {
	c, err := l.get()
	if err != nil {
		return err
	}
	all, free, refused := l.free(ctx, c, names)
	return errors.Join(refused, c.Start(ctx, withNeeds(free, all)))
}

// Restart is engine.Units. What runs has its volume and its container itself;
// what does not is started, if it is free to be. The volumes and networks that failed
// are forgiven and no more: to restart one would restart all that need it.
func (l *unitsLink) Restart(ctx context.Context, names []string, running bool) error {
	c, err := l.get()
	if err != nil {
		return err
	}
	all, free, refused := l.free(ctx, c, names)
	return errors.Join(refused, c.Restart(ctx, free, withNeeds(free, all)[len(free):], running))
}

// free returns all units, and of the named ones those that may be started: none
// whose volume is held by a process of an earlier life, nor one whose container
// runs without it, which the start would replace, nor one that would pull either
// in.
func (l *unitsLink) free(ctx context.Context, c *units.Conn, names []string) (all []core.Unit, free []string, err error) {
	if all, err = c.List(ctx); err != nil {
		return nil, nil, err
	}
	processes, err := l.view.Processes()
	if err != nil {
		return nil, nil, err
	}
	if len(processes) == 0 && idle(all) {
		// What lived when `keeper recover` looked may have died since.
		if err := clearStale(l.view, l.log); err != nil {
			l.log.Error("Podman may stumble over its old runtime state", "error", err)
		}
	}
	held := map[string]containers.Holder{}
	for _, h := range l.view.Holders(processes, all) {
		held[h.Unit] = h
	}
	outside := runsOutside(all, unkept(l.view, processes))
	var refused []error
	for _, name := range names {
		if unit, container := outside(name); container != "" {
			refused = append(refused, fmt.Errorf("%s is not started: the container %s runs without %s, which would replace it; to take it over: keeper adopt --apply %s",
				name, container, unit, container))
			continue
		}
		if h, ok := heldBy(name, all, held); ok {
			refused = append(refused, fmt.Errorf("%s is not started: process %d (%s) of an earlier life still has %s open; stop that first",
				name, h.PID, h.Name, h.Source))
			continue
		}
		free = append(free, name)
	}
	return all, free, errors.Join(refused...)
}

// runsOutside tells of a unit whether its container, or that of one that it
// needs, runs without it.
func runsOutside(all []core.Unit, unkept []core.Unkept) func(name string) (unit, container string) {
	units := map[string]core.Unit{}
	for _, u := range all {
		units[u.Name] = u
	}
	outside := core.Outside(units, unkept)
	return func(name string) (string, string) {
		for _, n := range append([]string{name}, units[name].Needs...) {
			if container, ok := outside[n]; ok {
				return n, container
			}
		}
		return "", ""
	}
}

// idle says that nothing of the units runs or is about to.
func idle(all []core.Unit) bool {
	for _, u := range all {
		if u.Job || u.IsService() && u.Active != "inactive" && u.Active != "failed" {
			return false
		}
	}
	return true
}

// heldBy returns what holds back the unit, or one that it needs or waits for.
func heldBy(name string, all []core.Unit, held map[string]containers.Holder) (containers.Holder, bool) {
	if h, ok := held[name]; ok {
		return h, true
	}
	for _, u := range all {
		if u.Name != name {
			continue
		}
		for _, a := range slices.Concat(u.After, u.Needs) {
			if h, ok := held[a]; ok {
				return h, true
			}
		}
	}
	return containers.Holder{}, false
}

// withNeeds adds what failed of the volumes and networks that the units are
// ordered after: their failures must be forgotten as well.
func withNeeds(names []string, all []core.Unit) []string {
	failed := map[string]bool{}
	for _, u := range all {
		if u.Active == "failed" && !u.IsService() {
			failed[u.Name] = true
		}
	}
	list := append([]string{}, names...)
	for _, u := range all {
		for _, name := range names {
			if u.Name != name {
				continue
			}
			for _, a := range u.After {
				if failed[a] {
					delete(failed, a)
					list = append(list, a)
				}
			}
		}
	}
	return list
}

// Stop is engine.Units.
func (l *unitsLink) Stop(ctx context.Context, names []string) error {
	c, err := l.get()
	if err != nil {
		return err
	}
	return c.Stop(ctx, names)
}
