package control

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"keeper/internal/core"
)

// InTrouble says whether the service is not as it ought to be. A probe or two
// that failed are not yet that; what a person stopped or told keeper to leave
// alone is as that person wants it.
func InTrouble(v core.Service) bool {
	if v.Desired == core.DesiredHeld {
		return false
	}
	switch v.State {
	case core.ServiceWell, core.ServiceStopped, core.ServiceFailing, "":
		return v.Condition == core.ConditionAuthRefused
	}
	return true
}

// InOrder returns the services causes before symptoms: what is in trouble by
// itself, each after what it depends on; what is blocked; all others, as they
// came.
func InOrder(s Status) []core.Service {
	o := ordering{index: make(map[string]int, len(s.Services)), deps: dependencies(s), in: s.Services}
	for i, v := range s.Services {
		o.index[v.Name] = i
	}
	o.seen = make([]bool, len(s.Services))
	for _, wanted := range []func(core.Service) bool{
		func(v core.Service) bool { return InTrouble(v) && v.State != core.ServiceBlocked },
		InTrouble,
		func(v core.Service) bool { return v.State != core.ServiceWell || v.Desired != core.DesiredRun },
		func(core.Service) bool { return true },
	} {
		for i, v := range s.Services {
			if wanted(v) {
				o.put(i)
			}
		}
	}
	return o.out
}

// dependencies are those of each service, by name.
func dependencies(s Status) map[string][]string {
	units := make(map[string]core.Unit, len(s.Units))
	for _, u := range s.Units {
		units[u.Name] = u
	}
	deps := make(map[string][]string, len(s.Services))
	for _, v := range s.Services {
		u := units[v.Name]
		u.Name = v.Name
		deps[v.Name] = core.Dependencies(u, v.Supervision)
		if v.Cause != "" {
			deps[v.Name] = append([]string{v.Cause}, deps[v.Name]...)
		}
	}
	return deps
}

// ordering is InOrder at work.
type ordering struct {
	in, out []core.Service
	index   map[string]int
	deps    map[string][]string
	seen    []bool
}

// put puts a service after those of its dependencies that may be why; a circle is
// cut where it was entered.
func (o *ordering) put(i int) {
	if o.seen[i] {
		return
	}
	o.seen[i] = true
	v := o.in[i]
	if InTrouble(v) {
		for _, name := range o.deps[v.Name] {
			if j, ok := o.index[name]; ok && (name == v.Cause || InTrouble(o.in[j])) {
				o.put(j)
			}
		}
	}
	o.out = append(o.out, v)
}

// ofServices are the problems of services: one for each that is in trouble, and
// one for each whose settings are not taken.
func ofServices(s Status) []Problem {
	var list []Problem
	for _, v := range s.Services {
		if n := len(v.SettingsErrors); n > 0 {
			list = append(list, Problem{What: fmt.Sprintf("the [X-Keeper] section of %s is not taken: %s%s", short(v.Name), Line(v.SettingsErrors[0]), more(n)),
				Try: "keeper config check"})
		}
	}
	units := make(map[string]core.Unit, len(s.Units))
	for _, u := range s.Units {
		units[u.Name] = u
	}
	outside := core.Outside(units, s.Unkept)
	blocking := map[string]bool{}
	for _, v := range s.Services {
		if v.State == core.ServiceBlocked && InTrouble(v) {
			blocking[v.Cause] = true
		}
	}
	for _, v := range InOrder(s) {
		switch {
		case outside[v.Name] != "": // it waits for its next start, and to start it now would replace what runs
		case InTrouble(v):
			list = append(list, ofService(s, v, units[v.Name]))
		case v.Desired == core.DesiredHeld && blocking[v.Name]:
			list = append(list, Problem{What: fmt.Sprintf("%s is %s%s and others need it; keeper was told to leave it alone", short(v.Name), v.State, since(v.Since)),
				Try: "keeper resume " + quote(short(v.Name))})
		case v.State == core.ServiceStopped && blocking[v.Name]:
			list = append(list, Problem{What: short(v.Name) + " was stopped" + since(v.Since) + ", and others need it",
				Try: "systemctl --user start " + quote(short(v.Name))})
		}
	}
	return list
}

// ofService is the problem of one that is in trouble.
func ofService(s Status, v core.Service, u core.Unit) Problem {
	name := short(v.Name)
	look := "journalctl --user -u " + quote(name) + " -n 50"
	say := func(state, then, try string) Problem {
		return Problem{What: name + " " + state + since(v.Since) + reason(v, u, s.Owed[v.Name]) + then, Try: try}
	}
	switch v.State {
	case core.ServiceGaveUp:
		after := "" // it may be starts that did not help
		switch {
		case v.Restarts == 1:
			after = " after 1 restart within " + core.Span(v.Supervision.Window)
		case v.Restarts > 1:
			after = fmt.Sprintf(" after %d restarts within %s", v.Restarts, core.Span(v.Supervision.Window))
			v.Why = strings.TrimPrefix(v.Why, fmt.Sprintf("%d restarts did not help; ", v.Restarts))
		}
		return Problem{What: "keeper gave up on " + name + after + reason(v, u, ""), Try: look + "; keeper restart " + quote(name)}
	case core.ServiceFlapping:
		up := ""
		if u.Active == "active" {
			up = "; it is up again" + since(v.Since)
		}
		return Problem{What: name + " dies again and again" + reason(v, u, s.Owed[v.Name]) + up, Try: look}
	case core.ServiceBlocked:
		what := name + " is blocked by " + short(v.Cause) + since(v.Since)
		if v.Cause == "" {
			what = name + " is blocked by what it depends on" + since(v.Since) + reason(v, u, "")
		}
		return Problem{What: what}
	case core.ServiceFrozen:
		return frozen(v, u)
	case core.ServiceIll:
		then := "; keeper restarts it when that can help" + at(v.Next, ", not before ")
		switch {
		case v.Condition.Ready():
			return say("is ill", fmt.Sprintf(", and is well after %d answers in a row", v.Supervision.Successes), "")
		case v.Supervision.Restart == core.RestartNever:
			return say("is ill", "; keeper does not restart it (restart = \"never\""+from(v, "restart")+")", look+"; keeper restart "+quote(name))
		case v.Unproven:
			return say("is ill, or is not what keeper takes it for", "; it never answered, and is not restarted until it has or somebody sets its probe or port", "keeper config show "+quote(name))
		case s.StandDown != nil:
			then = "; keeper stands down"
		}
		return say("is ill", then, look)
	case core.ServiceDown:
		then := at(v.Next, "; keeper starts it again, not before ")
		try := "systemctl --user start " + quote(name)
		switch u.Active {
		case "failed":
			try = look + "; keeper restart " + quote(name)
		case "activating", "deactivating":
			try = "systemctl --user status " + quote(name)
		}
		return whileAdopting(s, say("is down", then, try))
	case core.ServiceRestarting:
		return say("is being restarted by keeper", "", "")
	case core.ServiceStarting:
		return whileAdopting(s, say("is starting", "", "systemctl --user status "+quote(name)))
	case core.ServiceUnknown:
		return say("cannot be asked how it is", "; whether it is well is not known", "keeper config show "+quote(name))
	case core.ServiceRecovering:
		return say("is recovering", "; keeper lets it be", look)
	}
	if v.Condition == core.ConditionAuthRefused {
		return refuses(v)
	}
	if v.State == core.ServiceNotReady {
		return say("is not ready", "; keeper does not restart it for that", look)
	}
	return say("is "+string(v.State), "", look)
}

// frozen is the problem of one that was put to sleep.
func frozen(v core.Service, u core.Unit) Problem {
	container := u.Container
	if container == "" {
		container = "systemd-" + short(v.Name) // as Quadlet names it
	}
	what, try := "is paused (podman pause)", "podman unpause "+quote(container)
	if v.Condition == core.ConditionStopped {
		what, try = "does nothing: its main process is stopped by a signal", "podman kill --signal CONT "+quote(container)
	}
	what = short(v.Name) + " " + what + since(v.Since)
	switch {
	case v.Supervision.Thaw < 0:
		what += "; keeper leaves it so (thaw = \"never\"" + from(v, "thaw") + ")"
	case v.Condition == core.ConditionStopped:
		what += "; keeper continues it once that is certain"
	case !v.Next.IsZero():
		what += "; keeper unpauses it at " + v.Next.Local().Format(time.TimeOnly)
	default:
		what += "; keeper unpauses it after " + core.Span(v.Supervision.Thaw)
	}
	return Problem{What: what, Try: try}
}

// refuses is the problem of one that does not take keeper's password.
func refuses(v core.Service) Problem {
	setting := "set user, and credential or password_file"
	for _, s := range []struct{ key, value string }{{"credential", v.Supervision.Credential}, {"password_file", v.Supervision.PasswordFile}} {
		if s.value != "" {
			setting = fmt.Sprintf("mend %s = %q%s", s.key, Line(s.value), from(v, s.key))
			break
		}
	}
	return Problem{What: short(v.Name) + " answers, and refuses the credentials that keeper has" + after(": ", Line(v.Detail)) + "; " + setting + ", or set neither",
		Try: "keeper config show " + quote(short(v.Name))}
}

// reason is why the service is as it is, as far as anybody said.
func reason(v core.Service, u core.Unit, owed string) string {
	why := Line(v.Why)
	switch detail := Line(v.Detail); {
	case v.Condition.Ready() && (v.State == core.ServiceIll || v.State == core.ServiceGaveUp):
		why = "it answers again"
	case why == "":
		why = detail
	case detail != "" && !strings.Contains(why, detail) && v.State != core.ServiceDown:
		why += " (" + detail + ")"
	}
	if why == "" && v.State == core.ServiceDown && u.Result != "" && u.Result != "success" {
		why = u.Result
	}
	switch {
	case why == "" && owed == "" && v.State == core.ServiceDown && v.Desired == core.DesiredAny:
		why = "nothing starts it by itself"
	case owed == "":
	case why == "" || why == owed:
		why = "keeper is bringing it back: " + owed
	default:
		why += "; keeper is bringing it back: " + owed
	}
	return after(": ", why)
}

// from is where the value of a key was set, if a person set it.
func from(v core.Service, key string) string {
	if f := v.Supervision.From[key]; f != "" && f != core.FromDefault {
		return ", " + Line(f)
	}
	return ""
}

// more says how many there are beside the one that is told.
func more(n int) string {
	if n < 2 {
		return ""
	}
	return fmt.Sprintf(" (and %d more)", n-1)
}

func short(unit string) string { return strings.TrimSuffix(unit, ".service") }

func since(t time.Time) string { return at(t, " since ") }

func at(t time.Time, before string) string {
	if t.IsZero() {
		return ""
	}
	return before + t.Local().Format(time.DateTime)
}

func after(sep, s string) string {
	if s == "" {
		return ""
	}
	return sep + s
}

// maxLine bounds what is shown of words that came from elsewhere.
const maxLine = 300

// Line makes one bearable line of words that came from elsewhere: what is in
// them must not move anybody's cursor.
func Line(s string) string {
	out := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, " ")))
	if len(out) > maxLine {
		out = append(slices.Clip(out[:maxLine-1]), '…')
	}
	return strings.TrimSpace(string(out))
}
