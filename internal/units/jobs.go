package units

import (
	"context"
	"fmt"
	"time"
)

// reloadLimit is how long a reload may take: it runs every generator.
const reloadLimit = 90 * time.Second

// Reload has the manager read all unit files again, and the generators run
// (Manager.Reload). It returns when that is done. Two at a time have corrupted
// what Quadlet generates: one writer, one reload.
func (c *Conn) Reload(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, reloadLimit)
	defer cancel()
	if err := c.sd.ReloadContext(ctx); err != nil {
		return fmt.Errorf("cannot reload the user manager: %w", err)
	}
	return nil
}

// StartAndWait forgets the failures of a unit, starts it and what it needs, and
// returns when it is up or has failed, or the context ends (Manager.StartUnit).
func (c *Conn) StartAndWait(ctx context.Context, name string) error {
	rctx, cancel := context.WithTimeout(ctx, CallTimeout)
	err := c.sd.ResetFailedUnitContext(rctx, name)
	cancel()
	if err != nil && !unitsOwn(err) {
		return fmt.Errorf("cannot reset %s: %w", name, err)
	}
	done := make(chan string, 1) // with room: a reader that left must not block the connection
	if _, err := c.sd.StartUnitContext(ctx, name, "replace", done); err != nil {
		return fmt.Errorf("cannot start %s: %w", name, err)
	}
	select {
	case result := <-done:
		if result != "done" {
			return fmt.Errorf("%s did not start: its job %s", name, result)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s did not start in time: %w", name, ctx.Err())
	}
}

// Disable takes the units' links out of the targets that start them
// (Manager.DisableUnitFiles), and Enable puts them in (Manager.EnableUnitFiles).
// A reload has to follow.
func (c *Conn) Disable(ctx context.Context, names []string) error {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	if _, err := c.sd.DisableUnitFilesContext(ctx, names, false); err != nil {
		return fmt.Errorf("cannot disable %v: %w", names, err)
	}
	return nil
}

// Enable is described with Disable.
func (c *Conn) Enable(ctx context.Context, names []string) error {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	if _, _, err := c.sd.EnableUnitFilesContext(ctx, names, false, false); err != nil {
		return fmt.Errorf("cannot enable %v: %w", names, err)
	}
	return nil
}

// Loaded is what the manager made of a unit's name.
type Loaded struct {
	// State is LoadState: loaded, not-found, bad-setting, masked, ….
	State string
	// Source is SourcePath, the Quadlet file; Fragment the unit file itself.
	Source, Fragment string
	Active           string
	// Enabled is UnitFileState.
	Enabled string
	// Stale says that a file of it changed since it was read.
	Stale bool
}

// Loaded looks at one unit, which need not exist.
func (c *Conn) Loaded(ctx context.Context, name string) (Loaded, error) {
	p, err := c.properties(ctx, name)
	if err != nil {
		return Loaded{}, err
	}
	stale, _ := p["NeedDaemonReload"].(bool)
	return Loaded{
		State: text(p, "LoadState"), Source: text(p, "SourcePath"), Fragment: text(p, "FragmentPath"),
		Active: text(p, "ActiveState"), Enabled: text(p, "UnitFileState"), Stale: stale,
	}, nil
}

// Command returns the command line that starts a service (ExecStart), after
// systemd expanded it.
func (c *Conn) Command(ctx context.Context, name string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	p, err := c.sd.GetUnitTypePropertyContext(ctx, name, "Service", "ExecStart")
	if err != nil {
		return nil, fmt.Errorf("cannot read how %s is started: %w", name, err)
	}
	lines, _ := p.Value.Value().([][]any)
	if len(lines) == 0 || len(lines[0]) < 2 {
		return nil, nil
	}
	argv, _ := lines[0][1].([]string)
	return argv, nil
}
