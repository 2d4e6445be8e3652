package guard

import (
	"slices"
	"strings"
)

// sessions are the rules session.* and machine.power and machine.target: what ends a
// session, the user manager, the account or the machine.
func (j *judge) sessions(c *call) {
	if c.place.kind == inContainer {
		// A container has processes of its own, and neither sessions nor a machine.
		if c.place.kept {
			j.processes(c)
		}
		return
	}
	if open(c.name) {
		j.anyProgram(c)
		return
	}
	switch c.name {
	case "loginctl":
		j.loginctl(c)
	case "systemctl":
		j.systemctl(c)
	case "service", "invoke-rc.d":
		j.service(c)
	case "busctl", "gdbus", "dbus-send", "qdbus", "qdbus6", "qdbus-qt5":
		j.bus(c)
	case "shutdown", "reboot", "poweroff", "halt", "init", "telinit", "kexec", "pm-suspend", "pm-hibernate", "pm-suspend-hybrid", "rtcwake":
		j.power(c)
	case ">", ">>", "tee", "dd":
		j.kernel(c)
	case "userdel", "deluser", "usermod", "passwd", "chage", "homectl":
		j.account(c)
	default:
		j.processes(c)
	}
}

const loginctlTakes = "H host M machine p property P s signal kill-whom kill-who n lines o output json"

var loginctlDeadly = []string{"terminate-user", "terminate-session", "terminate-seat", "kill-user", "kill-session", "disable-linger"}

// loginctl ends others' sessions as well: where there is one stack, there may be two.
func (j *judge) loginctl(c *call) {
	o := parseLong(c.args, loginctlTakes, "")
	if o.has("h") || asksForHelp(o) {
		return
	}
	switch verb := o.word(0); verb {
	case "terminate-user", "terminate-session", "terminate-seat":
		j.find(c, "session.terminate", yes, "")
	case "kill-user", "kill-session":
		sig := o.value("s", "signal")
		if signalStrength(sig) != nothing || sig == "" {
			j.find(c, "session.kill", yes, "")
		}
	case "disable-linger":
		j.find(c, "session.linger", yes, "")
	default:
		if isAny(verb, loginctlDeadly...) != no {
			j.find(c, "guard.unknown", maybe, "what loginctl is to do cannot be known")
		}
	}
}

// account is about the account that keeps the stack being locked, expired or removed.
func (j *judge) account(c *call) {
	var who string
	var what bool
	switch c.name {
	case "userdel":
		o := parseLong(c.args, "R root P prefix", "")
		who, what = o.word(0), true
	case "deluser":
		// deluser USER GROUP takes the user out of the group.
		o := parseOptions(c.args, "conf backup-to", false)
		who, what = o.word(0), len(o.words) == 1
	case "usermod":
		o := parseLong(c.args, "c comment d home e expiredate f inactive g gid G groups l login p password R root P prefix s shell u uid v add-subuids V del-subuids w add-subgids W del-subgids Z selinux-user", "lock")
		who = o.word(0)
		what = o.has("L", "lock", "u", "uid", "l", "login", "V", "del-subuids", "W", "del-subgids") || expires(o, "e", "expiredate")
	case "passwd":
		o := parseLong(c.args, "n mindays x maxdays w warndays i inactive R root P prefix r repository", "lock")
		who, what = o.word(0), o.has("l", "lock")
		if who == "" {
			who = j.host.User
		}
	case "chage":
		o := parseLong(c.args, "d lastday E expiredate I inactive m mindays M maxdays R root P prefix W warndays", "")
		who, what = o.word(0), expires(o, "E", "expiredate")
	case "homectl":
		o := parseOptions(c.args, "H host M machine", false)
		verb := o.word(0)
		who, what = o.word(1), verb == "remove" || verb == "lock" || verb == "deactivate"
	}
	if what {
		j.find(c, "session.account", j.ours(who), "")
	}
}

// expires says that an account is given a day on which it ends: none, or -1, takes
// one away.
func expires(o options, names ...string) bool {
	if !o.has(names...) {
		return false
	}
	day := strings.TrimSpace(o.value(names...))
	return day != "" && day != "-1"
}

// anyProgram tries the words of a program that is not known with those that it may be:
// $X terminate-user flowstate, $PODMAN stop postgres. Programs that end something
// whatever their words are not tried: that would be all lines.
func (j *judge) anyProgram(c *call) {
	programs := []string{"loginctl", "systemctl", "busctl", "podman", "podman-compose", "keeper", "keeper-guard"}
	if slices.Contains(c.args, "-1") {
		programs = append(programs, "kill")
	}
	for _, p := range programs {
		if is(c.name, p) == no {
			continue
		}
		k, as := &judge{host: j.host}, *c
		as.name = p
		k.sessions(&as)
		k.stack(&as)
		k.keeperRules(&as)
		for _, f := range k.findings {
			if !f.Unsure {
				j.find(c, "guard.unknown", maybe, "if it is "+p+": "+f.ID)
				return
			}
		}
	}
}
