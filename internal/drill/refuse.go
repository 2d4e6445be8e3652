package drill

import (
	"fmt"
	"strings"
	"time"

	"keeper/internal/control"
	"keeper/internal/core"
	"keeper/internal/paths"
)

// Refusals are why the drill is not struck now, each with what to type; none where it
// may be. There is no way around them: a drill at a stack that is ill, or that nothing
// would bring back, is an outage.
func (d Drill) Refusals(st control.Status, unit string, sessionOpen bool) []control.Problem {
	var list []control.Problem
	no := func(try, format string, args ...any) {
		list = append(list, control.Problem{What: fmt.Sprintf(format, args...), Try: try})
	}
	if st.StandDown != nil {
		return []control.Problem{control.StoodDown(st)}
	}
	if r := st.Drill; r != nil && r.Ended.IsZero() {
		no("keeper drill list", "the drill %s is under way since %s", control.Line(r.Name), r.Began.Local().Format(time.TimeOnly))
	}
	switch st.Adoption {
	case core.AdoptionUnderway:
		no("keeper status", "an adoption of containers is under way")
	case core.AdoptionInterrupted:
		no("keeper adopt --undo", "an adoption of containers was interrupted half-way")
	}
	for _, i := range st.Incidents {
		if i.Mended.IsZero() {
			no("keeper incident "+i.ID, "incident %s is open: %s", i.ID, control.Line(i.Cause))
			continue
		}
		over := i.Mended.Add(time.Duration(i.HoldMS) * time.Millisecond)
		no("keeper incident "+i.ID, "incident %s is not over before %s: %s", i.ID, over.Local().Format(time.TimeOnly), control.Line(i.Cause))
	}
	if st.Linger.State != core.LingerOn {
		no("loginctl enable-linger "+st.User, "linger is %s", st.Linger.State)
	}
	if !st.Well {
		const most = 3
		for n, p := range st.Problems {
			if n == most {
				no("keeper status", "and %d more", len(st.Problems)-most)
				break
			}
			no(p.Try, "all is not well: %s", p.What)
		}
		if len(st.Problems) == 0 {
			no("keeper status", "all is not well")
		}
	}
	if n := len(st.Owed) + len(st.Waiting); n > 0 {
		no("keeper status --watch", "keeper is bringing back what is not there yet")
	}
	if d.Service {
		refuseService(d, st, unit, no)
	}
	d.refuseHost(st, sessionOpen, no)
	return list
}

// refuseService are the refusals that a service is the reason of.
func refuseService(d Drill, st control.Status, unit string, no func(try, format string, args ...any)) {
	v, name := serviceOf(st, unit), strings.TrimSuffix(unit, ".service")
	switch {
	case v.Desired == core.DesiredHeld:
		no("keeper resume "+name, "keeper is told to leave %s alone", name)
	case v.Desired != core.DesiredRun:
		no("systemctl --user start "+name, "%s is not meant to run just now", name)
	case v.State != core.ServiceWell:
		no("keeper status", "%s is %s", name, v.State)
	case unitOf(st, unit).Kind != "container":
		no("keeper status", "%s is no single container", name)
	case d.Name == stopSignal && v.Supervision.Thaw < 0:
		no("keeper config show "+name, "keeper is told to leave %s as it is when somebody stops it (thaw = \"never\")", name)
	}
}

// stopSignal is the drill that the setting thaw has a say in.
const stopSignal = "container-stop-signal"

// refuseHost are the refusals that the host is the reason of.
func (d Drill) refuseHost(st control.Status, sessionOpen bool, no func(try, format string, args ...any)) {
	install := "as root: sh " + paths.Installer() + " --user " + st.User
	stack := d.Hits(st.Root) == ScopeStack
	if d.Revive && !st.Root.Revive {
		no(install, "nothing brings the stack back from it without root's revive")
	}
	if (stack || d.EndsSession) && !st.Rearm.Armed {
		no(st.Rearm.Try, "the stack would not come back: %s", st.Rearm.WhyNot)
	}
	if d.Session && !sessionOpen {
		no("log in as "+st.User+", and type it there", "without a session open, logind ends the account the moment linger is off, and the stack with it")
	}
	if stack {
		for _, u := range st.Unkept {
			if u.Unit == "" {
				no("keeper adopt "+u.Name, "%s runs without a unit, and would not come back", u.Name)
			}
		}
	}
}
