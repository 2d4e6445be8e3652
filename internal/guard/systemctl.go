package guard

import (
	"slices"
	"strings"
)

const systemctlTakes = "H host M machine C capsule t type state p property P s signal kill-whom kill-who kill-value what job-mode check-inhibitors " +
	"n lines o output root image image-policy legend preset-mode boot-loader-menu boot-loader-entry reboot-argument timestamp message drop-in when"

var systemctlDeadly = []string{"stop", "kill", "disable", "mask", "freeze", "clean", "exit", "isolate", "halt", "poweroff", "reboot", "soft-reboot",
	"kexec", "suspend", "hibernate", "hybrid-sleep", "suspend-then-hibernate", "sleep", "rescue", "emergency", "default", "switch-root"}

// systemctl ends units, the manager and the machine.
func (j *judge) systemctl(c *call) {
	o := parseLong(c.args, systemctlTakes, "user dry-run")
	if o.has("h") || asksForHelp(o) {
		return
	}
	verb, units := o.word(0), o.rest(1)
	if open(verb) {
		j.unknownVerb(c, verb, units)
		return
	}
	switch verb {
	case "halt", "poweroff", "reboot", "soft-reboot", "kexec", "suspend", "hibernate", "hybrid-sleep", "suspend-then-hibernate", "sleep",
		"rescue", "emergency", "default", "exit":
		if o.has("dry-run") || o.value("when") == "cancel" || o.value("when") == "show" {
			return
		}
	}
	m := manager{user: o.has("user"), signal: o.value("s", "signal"), isolate: o.value("job-mode") == "isolate"}
	m.run(j, c, verb, units)
}

// unknownVerb asks where systemctl may be told to stop something. Where all units are
// known and none is guarded, there is nothing to ask.
func (j *judge) unknownVerb(c *call, verb string, units []string) {
	if isAny(verb, systemctlDeadly...) == no {
		return
	}
	if blank(verb) && len(units) > 0 && systemctlReads(units[0]) {
		return // systemctl $OPTIONS status postgres
	}
	guarded := len(units) == 0
	for _, u := range units {
		guarded = guarded || slices.Contains(systemctlDeadly, u)
		j.unitIs(c, u, func(string, match, string) { guarded = true })
	}
	if guarded {
		j.find(c, "guard.unknown", maybe, "what systemctl is to do cannot be known")
	}
}

// systemctlReads says that a verb ends no kept service, whatever its units.
func systemctlReads(verb string) bool {
	switch verb {
	case "status", "show", "cat", "start", "restart", "reload", "enable", "is-active", "is-enabled", "is-failed", "daemon-reload", "reset-failed", "list-units", "list-unit-files", "list-timers":
		return true
	}
	return false
}

// manager is what systemd is told: by systemctl, or over the bus.
type manager struct {
	user    bool
	signal  string
	isolate bool
}

// run judges a verb of systemctl's, with its units.
func (m manager) run(j *judge, c *call, verb string, units []string) {
	switch verb {
	case "halt", "poweroff", "reboot", "soft-reboot", "kexec", "suspend", "hibernate", "hybrid-sleep", "suspend-then-hibernate", "sleep":
		j.find(c, "machine.power", yes, "")
	case "exit":
		if m.user {
			j.find(c, "session.manager", yes, "it ends the user manager")
		} else {
			j.find(c, "machine.power", yes, "")
		}
	case "rescue", "emergency", "default", "isolate", "switch-root":
		j.find(c, "machine.target", yes, "")
	case "start", "restart", "try-restart", "reload-or-restart", "try-reload-or-restart", "condrestart", "force-reload":
		if m.isolate {
			j.find(c, "machine.target", yes, "")
			return
		}
		for _, u := range units {
			m.start(j, c, verb, u)
		}
	case "stop", "disable", "mask", "freeze", "clean":
		for _, u := range units {
			j.unitIs(c, u, func(id string, sure match, detail string) { j.find(c, id, sure, detail) })
		}
	case "kill":
		m.kill(j, c, units)
	}
}

// kill is a signal to every process of a unit. A kept service may be told to read its
// settings anew.
func (m manager) kill(j *judge, c *call, units []string) {
	s := deadly
	if m.signal != "" {
		s = signalStrength(m.signal)
	}
	if s == nothing {
		return
	}
	for _, u := range units {
		j.unitIs(c, u, func(id string, sure match, detail string) {
			if id == "stack.unit" && s == gentle {
				return
			}
			if s == whoKnows {
				sure = min(sure, maybe)
			}
			j.find(c, id, sure, detail)
		})
	}
}

// start is what ends things by being started, or started anew.
func (m manager) start(j *judge, c *call, verb, unit string) {
	if blank(unit) {
		return // starting is harmless nearly always
	}
	unit = unitName(unit)
	switch strings.TrimSuffix(unit, ".target") {
	case "exit":
		id := "machine.power"
		if m.user {
			id = "session.manager"
		}
		j.find(c, id, yes, "")
		return
	case "poweroff", "reboot", "halt", "kexec", "soft-reboot", "shutdown", "ctrl-alt-del", "suspend", "hibernate", "hybrid-sleep",
		"suspend-then-hibernate", "sleep", "final", "umount", "runlevel0", "runlevel6":
		j.find(c, "machine.power", yes, "")
		return
	case "rescue", "emergency", "runlevel1":
		j.find(c, "machine.target", yes, "")
		return
	}
	switch strings.TrimPrefix(strings.TrimSuffix(unit, ".service"), "systemd-") {
	case "poweroff", "reboot", "halt", "kexec", "soft-reboot", "suspend", "hibernate", "hybrid-sleep", "suspend-then-hibernate":
		j.find(c, "machine.power", yes, "")
		return
	case "exit":
		j.find(c, "session.manager", yes, "")
		return
	}
	if verb == "start" {
		return
	}
	if sure := j.carries(unit); sure != no && !strings.HasSuffix(unit, ".target") {
		j.find(c, "session.manager", sure, shown(unit)+" carries the session")
	}
	if named(unit, "podman-restart.service") == yes {
		j.find(c, "stack.containers", yes, "podman-restart stops every container that is to be restarted always")
	}
}

// service is service(8): NAME before the verb.
func (j *judge) service(c *call) {
	o := parseOptions(c.args, "", true)
	name, verb := o.word(0), o.word(1)
	if name == "" || strings.HasPrefix(verb, "-") {
		return
	}
	if open(verb) {
		j.unknownVerb(c, verb, []string{name})
		return
	}
	manager{}.run(j, c, verb, []string{name})
}
