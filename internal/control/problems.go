package control

import (
	"fmt"
	"strings"

	"keeper/internal/core"
)

// Problems lists what is wrong, causes before symptoms, each with the command
// that helps.
func Problems(s Status) []Problem {
	list := []Problem{}
	add := func(what, try string) { list = append(list, Problem{What: what, Try: try}) }
	if s.StandDown != nil {
		add("keeper stands down: "+s.StandDown.Detail, standUp[s.StandDown.Cause])
	}
	if s.Linger.State != core.LingerOn {
		what := "linger is " + string(s.Linger.State) + ": the stack ends with the last session"
		if s.Linger.Error != "" {
			what += " (" + s.Linger.Error + ")"
		}
		add(what, "loginctl enable-linger "+s.User)
	}
	if !s.Rearm.Armed && s.StandDown == nil {
		add("the stack would not come back from terminate-user: "+s.Rearm.WhyNot, "systemctl --user enable --now keeper-session")
	}
	for _, u := range s.Units {
		if u.Active == "active" {
			continue
		}
		what := fmt.Sprintf("%s is %s", u.Name, u.Active)
		if u.Sub != "" && u.Sub != u.Active && u.Sub != "dead" {
			what += " (" + u.Sub + ")"
		}
		if u.Result != "" && u.Result != "success" {
			what += ": " + u.Result
		}
		add(what, tryUnit(u))
	}
	return list
}

var standUp = map[core.Cause]string{
	core.CausePaused: "keeper resume",
	core.CauseLocked: "keeper resume",
}

func tryUnit(u core.Unit) string {
	name := strings.TrimSuffix(u.Name, ".service")
	switch u.Active {
	case "failed":
		return "journalctl --user -u " + name + " -n 30; systemctl --user restart " + name
	case "inactive":
		return "systemctl --user start " + name
	}
	return "systemctl --user status " + name
}
