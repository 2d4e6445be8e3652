package app

import (
	"errors"
	"strings"
	"testing"
	"time"

	"keeper/internal/control"
	"keeper/internal/core"
)

// Two drills typed at once, or one that comes too late, are refused by the daemon itself.
func TestMayDrill(t *testing.T) {
	t.Parallel()
	now := time.Now()
	on := &core.Drill{ID: "1", Name: "pasta-kill", Began: now}
	over := &core.Drill{ID: "1", Name: "pasta-kill", Began: now, Ended: now}
	for name, tt := range map[string]struct {
		state core.State
		want  string // none: it may
	}{
		"well":                 {},
		"stood down":           {core.State{StandDown: core.StandDown{Cause: core.CausePaused, Detail: "paused"}}, "stands down: paused"},
		"the machine goes":     {core.State{ShuttingDown: true}, "goes down"},
		"an adoption":          {core.State{Adoption: core.AdoptionUnderway}, "adoption"},
		"another":              {core.State{Incidents: core.Incidents{Drill: on}}, "pasta-kill is under way"},
		"another that is over": {core.State{Incidents: core.Incidents{Drill: over}}, ""},
	} {
		err := mayDrill(tt.state, core.Drill{ID: "2", Name: "keeper-kill", Began: now})
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if !errors.Is(err, control.ErrRefused) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	if err := mayDrill(core.State{Incidents: core.Incidents{Drill: on}}, *on); err != nil {
		t.Errorf("told twice of the same: %v", err)
	}
	if drillOf(core.State{}) != nil || drillOf(core.State{Incidents: core.Incidents{Drill: on}}).Name != "pasta-kill" {
		t.Error("the status shows another drill")
	}
}
