package drill

import (
	"strings"
	"testing"
	"time"

	"keeper/internal/control"
	"keeper/internal/core"
)

func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		drill  string
		change func(*control.Status)
		open   bool
		what   string // in the refusal; empty: none
		try    string
	}{
		"well":       {drill: "terminate-user"},
		"a service":  {drill: "container-kill"},
		"stood down": {drill: "keeper-kill", change: func(st *control.Status) { st.StandDown = &core.StandDown{Cause: core.CausePaused, Detail: "paused"} }, what: "stands down", try: "keeper resume"},
		"a drill": {drill: "keeper-kill", change: func(st *control.Status) { st.Drill = &control.Drill{Name: "pasta-kill", Began: time.Now()} },
			what: "pasta-kill is under way", try: "keeper drill list"},
		"a drill that is over": {drill: "keeper-kill", change: func(st *control.Status) { st.Drill = &control.Drill{Name: "pasta-kill", Ended: time.Now()} }},
		"an adoption":          {drill: "keeper-kill", change: func(st *control.Status) { st.Adoption = core.AdoptionUnderway }, what: "adoption", try: "keeper status"},
		"half an adoption":     {drill: "keeper-kill", change: func(st *control.Status) { st.Adoption = core.AdoptionInterrupted }, what: "adoption", try: "keeper adopt --undo"},
		"an incident": {drill: "keeper-kill", change: func(st *control.Status) { st.Incidents = []control.Incident{{ID: "i1", Cause: "the disk"}} },
			what: "i1 is open: the disk", try: "keeper incident i1"},
		"an incident that is mended": {drill: "keeper-kill", change: func(st *control.Status) {
			st.Incidents = []control.Incident{{ID: "i1", Mended: time.Now(), HoldMS: 60000}}
		}, what: "i1 is not over before", try: "keeper incident i1"},
		"linger": {drill: "keeper-kill", change: func(st *control.Status) { st.Linger.State = core.LingerOff }, what: "linger is off", try: "loginctl enable-linger alice"},
		"ill": {drill: "keeper-kill", change: func(st *control.Status) {
			st.Well, st.Problems = false, []control.Problem{{What: "redis is ill", Try: "look"}}
		}, what: "redis is ill", try: "look"},
		"ill, and nobody says why": {drill: "keeper-kill", change: func(st *control.Status) { st.Well = false }, what: "not well", try: "keeper status"},
		"owed":                     {drill: "keeper-kill", change: func(st *control.Status) { st.Owed = map[string]string{"web.service": "it died"} }, what: "bringing back", try: "keeper status --watch"},
		"held":                     {drill: "container-kill", change: func(st *control.Status) { st.Services[0].Desired = core.DesiredHeld }, what: "leave redis alone", try: "keeper resume redis"},
		"another is held":          {drill: "container-kill", change: func(st *control.Status) { st.Services[1].Desired = core.DesiredHeld }},
		"stopped":                  {drill: "container-kill", change: func(st *control.Status) { st.Services[0].Desired = core.DesiredStopped }, what: "not meant to run", try: "systemctl --user start redis"},
		"failing":                  {drill: "container-kill", change: func(st *control.Status) { st.Services[0].State = core.ServiceFailing }, what: "redis is failing", try: "keeper status"},
		"a pod":                    {drill: "container-kill", change: func(st *control.Status) { st.Units[0].Kind = "pod" }, what: "no single container", try: "keeper status"},
		"never thawed": {drill: "container-stop-signal", change: func(st *control.Status) { st.Services[0].Supervision.Thaw = -1 },
			what: "thaw", try: "keeper config show redis"},
		"not armed": {drill: "terminate-user", change: func(st *control.Status) { st.Rearm = control.Rearm{WhyNot: "polkit says no", Try: "ask root"} },
			what: "polkit says no", try: "ask root"},
		"not armed, and no matter": {drill: "keeper-kill", change: func(st *control.Status) { st.Rearm = control.Rearm{WhyNot: "polkit says no"} }},
		"no revive":                {drill: "user-exit", what: "without root's revive", try: "as root: sh deploy/install.sh --user alice"},
		"revive":                   {drill: "user-exit", change: func(st *control.Status) { st.Root = whole }},
		"no session":               {drill: "disable-linger", what: "without a session", try: "log in"},
		"a session":                {drill: "disable-linger", open: true},
		"a container without a unit": {drill: "terminate-user", change: func(st *control.Status) { st.Unkept = []core.Unkept{{Name: "byhand", Throwaway: true}} },
			what: "byhand runs without a unit", try: "keeper adopt byhand"},
		"a container without a unit under the armor": {drill: "terminate-user", change: func(st *control.Status) {
			st.Root, st.Unkept = whole, []core.Unkept{{Name: "byhand"}}
		}},
	} {
		d, ok := Find(tt.drill)
		if !ok {
			t.Fatalf("there is no %s", tt.drill)
		}
		st := well()
		if tt.change != nil {
			tt.change(&st)
		}
		got := d.Refusals(st, "redis.service", tt.open)
		switch {
		case tt.what == "" && len(got) > 0:
			t.Errorf("%s: refused: %+v", name, got)
		case tt.what == "":
		case len(got) != 1 || !strings.Contains(got[0].What, tt.what) || !strings.HasPrefix(got[0].Try, tt.try):
			t.Errorf("%s: %+v, want %q, %q", name, got, tt.what, tt.try)
		}
	}
}
