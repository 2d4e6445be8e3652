package app

import (
	"context"
	"fmt"
	"os/exec"
	"strings"

	"keeper/internal/core"
)

// thawer is engine.Thawer.
type thawer struct{ helpers }

// Continue is engine.Thawer.
func (h thawer) Continue(_ context.Context, t core.Target) error {
	if err := h.view.ContinueOf(t.Unit, t.MainPID); err != nil {
		return fmt.Errorf("cannot continue %s: %w", t.Container, err)
	}
	return nil
}

// Thaw is engine.Thawer. Podman itself has to do it, which has the state of the
// container in its books; in a unit of its own, because what it leaves running is
// to outlive keeper.
func (h thawer) Thaw(ctx context.Context, t core.Target) error {
	podman, err := exec.LookPath("podman")
	if err != nil {
		return fmt.Errorf("cannot unpause %s: %w", t.Container, err)
	}
	c, err := h.units.get()
	if err != nil {
		return err
	}
	name := strings.TrimSuffix(t.Unit, ".service")
	return c.RunTransient(ctx, "keeper-unpause-"+name+".service", "Podman unpauses "+t.Container, []string{podman, "unpause", "--", t.Container})
}
