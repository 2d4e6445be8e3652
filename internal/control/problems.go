package control

import (
	"fmt"
	"path/filepath"
	"strings"

	"keeper/internal/core"
)

// Problems lists what is wrong, causes before symptoms, each with the command
// that helps.
func Problems(s Status) []Problem {
	list := []Problem{}
	add := func(what, try string) { list = append(list, Problem{What: what, Try: try}) }
	if s.StandDown != nil {
		list = append(list, StoodDown(s))
	}
	if s.Linger.State != core.LingerOn {
		what := "linger is " + string(s.Linger.State) + ": the stack ends with the last session"
		if s.Linger.Error != "" {
			what += " (" + s.Linger.Error + ")"
		}
		add(what, "loginctl enable-linger "+s.User)
	}
	if !s.Rearm.Armed && s.StandDown == nil {
		add("the stack would not come back from terminate-user: "+s.Rearm.WhyNot, s.Rearm.Try)
	}
	for _, f := range s.Lost {
		dir, name := filepath.Split(f.Source)
		add(fmt.Sprintf("%s was deleted or emptied: its service will not start again", f.Source),
			fmt.Sprintf("cp %s %s && systemctl --user daemon-reload   # if %s is to go, instead: rm %s",
				quote(f.Copy), quote(dir+name), name, quote(f.Copy)))
	}
	if n := len(s.Settings.Errors); n > 0 {
		add("the settings are not taken, and those before stay in force: "+Line(s.Settings.Errors[0])+more(n), "keeper config check")
	}
	if s.Adoption == core.AdoptionInterrupted {
		add("an adoption of containers was interrupted half-way", "keeper adopt --undo")
	}
	for _, w := range s.Alerts {
		if w.Error != "" {
			add(fmt.Sprintf("%s does not take alerts, and %d wait: %s", w.Channel, w.Count, Line(w.Error)), "keeper alert test "+quote(w.Channel))
		}
	}
	list = append(list, withoutUnit(s)...)
	list = append(list, ofServices(s)...)
	for _, u := range UnitsInTrouble(s) {
		what := fmt.Sprintf("%s is %s", u.Name, u.Active)
		if u.Sub != "" && u.Sub != u.Active && u.Sub != "dead" {
			what += " (" + u.Sub + ")"
		}
		switch why, owed := s.Owed[u.Name]; {
		case u.Stopped:
			what += ": somebody stopped it"
		case owed:
			what += ", and keeper is bringing it back: " + why
		case u.Result != "" && u.Result != "success":
			what += ": " + u.Result
		}
		list = append(list, whileAdopting(s, Problem{What: what, Try: tryUnit(u)}))
	}
	return list
}

// whileAdopting is the problem of something that is down, as it is to be said
// during an adoption: to start anything beside that is not what anybody should
// type.
func whileAdopting(s Status, p Problem) Problem {
	if s.Adoption == core.AdoptionUnderway {
		return Problem{What: p.What + "; an adoption of containers is under way, and starts its units itself"}
	}
	return p
}

// UnitsInTrouble are the units that something is wrong with and that are not
// among the services.
func UnitsInTrouble(s Status) []core.Unit {
	units := make(map[string]core.Unit, len(s.Units))
	for _, u := range s.Units {
		units[u.Name] = u
	}
	services := make(map[string]core.Desired, len(s.Services))
	for _, v := range s.Services {
		services[v.Name] = v.Desired
	}
	outside := core.Outside(units, s.Unkept)
	var list []core.Unit
	for _, u := range s.Units {
		desired, service := services[u.Name]
		switch {
		case service && (desired != core.DesiredAny || u.Active != "failed"):
			// Its service says it; but one that nothing starts is as it ought to be there,
			// also where it failed.
		case u.Active == "active" || u.OneShot && u.Active != "failed": // well, or done, or at it
		case outside[u.Name] != "" || core.OnlyFor(u, units, outside):
			// It waits for its next start, and to start it now would replace what runs.
		default:
			list = append(list, u)
		}
	}
	return list
}

// withoutUnit are the problems of containers that no unit owns, those that are
// alike as one. What is thrown away when it ends is none, nor is what has a unit
// from the next start on.
func withoutUnit(s Status) []Problem {
	var list []Problem
	var names []string
	for _, u := range s.Unkept {
		switch {
		case u.Throwaway || u.Unit != "":
		case u.Refused != "":
			list = append(list, Problem{What: u.Name + " runs without a unit, and none was written: " + u.Refused, Try: u.Try})
		default:
			names = append(names, u.Name)
		}
	}
	switch {
	case len(names) == 1:
		list = append(list, Problem{What: names[0] + " runs without a unit: it does not come back after its session ends", Try: "keeper adopt " + names[0]})
	case len(names) > 1:
		const most = 5
		said := strings.Join(names[:min(len(names), most)], ", ")
		if n := len(names) - most; n > 0 {
			said += fmt.Sprintf(" and %d more", n)
		}
		list = append(list, Problem{What: said + " run without units: they do not come back after their session ends", Try: "keeper adopt --all"})
	}
	if s.AdoptError != "" {
		list = append(list, Problem{What: "no unit could be written: " + s.AdoptError, Try: "keeper adopt --all"})
	}
	return list
}

// quote makes one word of s for a shell.
func quote(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+=:,@%") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// StoodDown is the problem that keeper stands down, as it does.
func StoodDown(s Status) Problem {
	return Problem{What: "keeper stands down: " + s.StandDown.Detail, Try: standUp(*s.StandDown, s)}
}

func standUp(d core.StandDown, s Status) string {
	switch d.Cause {
	case core.CausePaused, core.CauseLocked:
		return "keeper resume"
	case core.CauseMark:
		return fmt.Sprintf("as root: rm /etc/keeper/stand-down/%d", s.UID)
	case core.CauseExpired:
		return "as root: chage -l " + s.User
	}
	return ""
}

func tryUnit(u core.Unit) string {
	name := quote(short(u.Name))
	switch u.Active {
	case "failed":
		return "journalctl --user -u " + name + " -n 30; systemctl --user restart " + name
	case "inactive":
		return "systemctl --user start " + name
	}
	return "systemctl --user status " + name
}
