package guard

import (
	"path"
	"strings"
)

// message is a method call on D-Bus.
type message struct {
	dest, object, iface, method string
	// args are the arguments as the tool takes them, signatures and counts among them.
	args []string
	user bool
}

// bus reads the method call that a tool makes, and judges it.
func (j *judge) bus(c *call) {
	var m message
	var ok bool
	switch c.name {
	case "busctl":
		m, ok = busctlMessage(c.args)
	case "gdbus":
		m, ok = gdbusMessage(c.args)
	case "dbus-send":
		m, ok = dbusSendMessage(c.args)
	default:
		m, ok = qdbusMessage(c.args)
	}
	if ok {
		j.message(c, m)
	}
}

func busctlMessage(args []string) (message, bool) {
	o := parseLong(args, "H host M machine C capsule address match size timeout json N limit-messages expect-reply auto-start "+
		"allow-interactive-authorization augment-creds watch-bind destination", "")
	if o.has("h") || asksForHelp(o) || is(o.word(0), "call") == no {
		return message{}, false
	}
	return message{o.word(1), o.word(2), o.word(3), o.word(4), o.rest(5), o.has("user")}, true
}

func gdbusMessage(args []string) (message, bool) {
	o := parseOptions(args, "a address d dest o object-path m method t timeout", false)
	if o.has("h") || asksForHelp(o) || is(o.word(0), "call") == no {
		return message{}, false
	}
	iface, method, _ := cutLast(o.value("m", "method"), ".")
	return message{o.value("d", "dest"), o.value("o", "object-path"), iface, method, o.rest(1), o.has("e", "session")}, true
}

func dbusSendMessage(args []string) (message, bool) {
	o := parseOptions(args, "", false)
	iface, method, _ := cutLast(o.word(1), ".")
	// A signal is obeyed by nobody. It is one without --type as well, but who leaves
	// that out meant a call, and makes it one the next time.
	call := o.has("print-reply") || o.value("type") != "signal"
	rest := o.rest(2)
	values := make([]string, len(rest))
	for i, a := range rest { // string:postgres.service, array:string:a,b
		_, values[i], _ = cutLast(a, ":")
	}
	return message{o.value("dest"), o.word(0), iface, method, values, !o.has("system")}, call
}

func qdbusMessage(args []string) (message, bool) {
	o := parseOptions(args, "bus", false)
	iface, method, _ := cutLast(o.word(2), ".")
	return message{o.word(0), o.word(1), iface, method, o.rest(3), !o.has("system")}, len(o.words) > 2
}

// The names of whom the messages are for. A unique name, ":1.7", may be anybody.
const (
	login1   = "org.freedesktop.login1"
	systemd1 = "org.freedesktop.systemd1"
)

// message judges a method call by its interface, or by whom it goes to.
func (j *judge) message(c *call, m message) {
	to := func(name string) match {
		if m.iface != "" {
			return prefixed(m.iface, name)
		}
		return is(m.dest, name)
	}
	if to(login1) != no {
		j.logind(c, m)
	}
	if to(systemd1) != no {
		j.systemd(c, m)
	}
}

var logindDeadly = []string{"TerminateUser", "TerminateSession", "TerminateSeat", "Terminate", "KillUser", "KillSession", "Kill", "ReleaseSession",
	"PowerOff", "PowerOffWithFlags", "Reboot", "RebootWithFlags", "Halt", "HaltWithFlags", "Suspend", "SuspendWithFlags", "Hibernate",
	"HibernateWithFlags", "HybridSleep", "HybridSleepWithFlags", "SuspendThenHibernate", "SuspendThenHibernateWithFlags", "Sleep", "ScheduleShutdown"}

func (j *judge) logind(c *call, m message) {
	if open(m.method) {
		if isAny(m.method, append([]string{"SetUserLinger"}, logindDeadly...)...) != no {
			j.find(c, "guard.unknown", maybe, "the method of logind cannot be known")
		}
		return
	}
	switch strings.TrimSuffix(m.method, "WithFlags") {
	case "TerminateUser", "TerminateSession", "TerminateSeat", "Terminate", "KillUser", "KillSession", "Kill", "ReleaseSession":
		j.find(c, "session.bus", yes, "")
	case "SetUserLinger":
		j.find(c, "session.linger", takesLinger(m.args), "")
	case "PowerOff", "Reboot", "Halt", "Suspend", "Hibernate", "HybridSleep", "SuspendThenHibernate", "Sleep", "ScheduleShutdown":
		j.find(c, "machine.power", yes, "")
	}
}

// takesLinger looks at the first boolean of SetUserLinger(uid, linger, interactive).
func takesLinger(args []string) match {
	if len(args) > 0 && strings.HasPrefix(args[0], "ub") {
		args = args[1:] // busctl's signature
	}
	if len(args) < 2 {
		return yes
	}
	switch boolText(args[1]) {
	case yes:
		return no
	case maybe:
		return maybe
	}
	return yes
}

// systemd judges what the manager, or the object of a unit, is told to do: it is
// systemctl's verbs by other names.
func (j *judge) systemd(c *call, m message) {
	if open(m.method) {
		if isAny(m.method, "StopUnit", "KillUnit", "Stop", "Kill", "Freeze", "FreezeUnit", "CleanUnit", "DisableUnitFiles", "MaskUnitFiles", "Exit", "PowerOff", "Reboot", "Halt", "KExec") != no {
			j.find(c, "guard.unknown", maybe, "the method of systemd cannot be known")
		}
		return
	}
	mgr := manager{user: m.user}
	args := m.args
	if c.name == "busctl" && len(args) > 0 {
		args = args[1:] // the signature
	}
	arg := func(n int) string {
		if n < len(args) {
			return gvariant(args[n])
		}
		return ""
	}
	units := []string{arg(0)}
	method := m.method
	if strings.HasSuffix(m.iface, ".Unit") || !strings.HasSuffix(m.object, "/systemd1") && strings.Contains(m.object, "/unit/") {
		// Stop(mode) of /org/freedesktop/systemd1/unit/postgres_2eservice.
		units = []string{unescape(path.Base(m.object), "_")}
		args = append(units, args...)
	}
	method = strings.TrimSuffix(strings.TrimSuffix(method, "WithFlags"), "Unit")
	switch method {
	case "Stop", "Freeze", "Clean":
		mgr.run(j, c, strings.ToLower(method), units)
	case "Kill", "QueueSignal":
		mgr.signal = arg(2)
		mgr.run(j, c, "kill", units)
	case "KillUnitSubgroup", "KillSubgroup":
		mgr.signal = arg(3)
		mgr.run(j, c, "kill", units)
	case "DisableUnitFiles", "DisableUnitFilesWithFlagsAndInstallInfo", "MaskUnitFiles":
		verb := "disable"
		if method == "MaskUnitFiles" {
			verb = "mask"
		}
		mgr.run(j, c, verb, unitList(args))
	case "Start", "StartUnitReplace", "Restart", "TryRestart", "ReloadOrRestart", "ReloadOrTryRestart":
		verb := "restart"
		if strings.HasPrefix(method, "Start") {
			verb = "start"
		}
		mgr.isolate = arg(1) == "isolate" || arg(2) == "isolate"
		mgr.run(j, c, verb, units)
	case "EnqueueUnitJob", "EnqueueJob":
		mgr.isolate = arg(2) == "isolate"
		mgr.run(j, c, arg(1), units)
	case "Exit":
		mgr.run(j, c, "exit", nil)
	case "Reboot", "PowerOff", "Halt", "KExec", "SoftReboot":
		j.find(c, "machine.power", yes, "")
	case "SwitchRoot":
		j.find(c, "machine.target", yes, "")
	}
}

// gvariant takes off what gdbus(1) has around a value: 'a', <'a'>, uint32 1.
func gvariant(word string) string {
	if i := strings.LastIndexByte(word, ' '); i >= 0 {
		word = word[i+1:]
	}
	return strings.Trim(word, `'"<>[](),`)
}

// unitList are the units in the arguments of a method that takes an array: words, or
// ['a', 'b'], or a,b. Counts and booleans are no units.
func unitList(args []string) []string {
	var units []string
	for _, a := range args {
		for _, u := range strings.Split(a, ",") {
			if u = gvariant(u); strings.Contains(u, ".") || open(u) {
				units = append(units, u)
			}
		}
	}
	return units
}
