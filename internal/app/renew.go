package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"keeper/internal/containers"
)

// Limits of a renewal, together below core.RenewLimit.
const (
	endWait    = 12 * time.Second // for a server to follow a signal
	helperWait = 3 * time.Second  // for Podman's helpers to be gone
)

// Renew is engine.Helpers. Podman knows nothing any more of the containers that
// run, so none of its commands can end them in order: their servers are told
// themselves, then the units are stopped, what Podman left goes, and the units
// are started again, whatever somebody says meanwhile: no container is to stay
// down by keeper's hand.
func (h helpers) Renew(ctx context.Context, names []string) error {
	c, err := h.units.get()
	if err != nil {
		return err
	}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		processes, err := h.view.Processes()
		if err != nil {
			return err
		}
		for _, p := range processes {
			// What was started by hand, nobody would start again.
			if p.Role == containers.Payload && !slices.Contains(names, p.Unit) {
				return fmt.Errorf("process %d (%s) belongs to a container without a unit; stop it, and: systemctl --user restart the services", p.PID, p.Name)
			}
		}
		var told []int
		for _, p := range processes {
			if p.Role == containers.Payload && p.Init {
				told = append(told, p.PID)
				_ = syscall.Kill(p.PID, signal) // it may be gone
			}
		}
		if gone(ctx, told, endWait) {
			break
		}
	}
	err = c.Stop(ctx, names)
	if err == nil {
		err = h.clear(ctx)
	}
	return errors.Join(err, h.units.Start(ctx, names))
}

// clear ends Podman's helpers and clears its runtime state, if nothing else of
// the containers lives.
func (h helpers) clear(ctx context.Context) error {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		pids, err := h.view.Helpers()
		if err != nil {
			return err
		}
		for _, pid := range pids {
			_ = syscall.Kill(pid, signal) // it may be gone
		}
		if gone(ctx, pids, helperWait) {
			break
		}
	}
	living, err := h.view.Processes()
	if err != nil {
		return err
	}
	if len(living) > 0 {
		return fmt.Errorf("the runtime state is left as it is: there lives %s", list(living))
	}
	return errors.Join(ctx.Err(), h.view.Clear())
}

// gone waits until none of the processes is there any more.
func gone(ctx context.Context, pids []int, limit time.Duration) bool {
	return poll(ctx, limit, func() bool {
		for _, pid := range pids {
			if syscall.Kill(pid, 0) == nil {
				return false
			}
		}
		return true
	})
}
