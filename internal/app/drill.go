package app

import (
	"context"
	"fmt"
	"time"

	"keeper/internal/control"
	"keeper/internal/core"
	"keeper/internal/engine"
)

// drillWord returns what takes in that a drill begins, or is over. What it answers, it
// answers when that is on disk: the next thing to be struck may be this daemon.
func drillWord(e *engine.Engine, rec *recorder) func(context.Context, core.Drill) error {
	return func(ctx context.Context, d core.Drill) error {
		s, err := e.State(ctx)
		if err != nil {
			return err
		}
		if d.Ended.IsZero() {
			if err := mayDrill(s, d); err != nil {
				return err
			}
		}
		e.Deliver(ctx, core.DrillAsked{Drill: d})
		// Whoever is answered after it was delivered is answered after it was decided.
		if _, err := e.State(ctx); err != nil {
			return err
		}
		rec.keep(ctx)
		return ctx.Err()
	}
}

// mayDrill is said again here though the command has looked at all of it: two may be
// typed at once.
func mayDrill(s core.State, d core.Drill) error {
	now := s.Incidents.Drill
	switch {
	case s.StandDown.InForce():
		return fmt.Errorf("%w: it stands down: %s", control.ErrRefused, s.StandDown.Detail)
	case s.ShuttingDown:
		return fmt.Errorf("%w: the machine goes down", control.ErrRefused)
	case s.Adoption == core.AdoptionUnderway:
		return fmt.Errorf("%w: an adoption of containers is under way", control.ErrRefused)
	case now != nil && now.Ended.IsZero() && now.ID != d.ID:
		return fmt.Errorf("%w: the drill %s is under way since %s", control.ErrRefused, now.Name, now.Began.Local().Format(time.TimeOnly))
	}
	return nil
}

// drillOf is the drill that a status shows.
func drillOf(s core.State) *control.Drill {
	if s.Incidents.Drill == nil {
		return nil
	}
	d := control.DrillOf(*s.Incidents.Drill)
	return &d
}
