package guard

import (
	"path"
	"slices"
	"strings"
)

// power is what takes the machine down, apart from systemctl.
func (j *judge) power(c *call) {
	switch c.name {
	case "shutdown":
		// -c takes an earlier one back, -k only writes to everybody; -h is no help here.
		o := parseOptions(c.args, "t", false)
		if !o.has("c", "k", "show") && !asksForHelp(o) {
			j.find(c, "machine.power", unlessOption(c.args), "")
		}
	case "reboot", "poweroff", "halt":
		o := parseOptions(c.args, "", false)
		if !o.has("w", "wtmp-only") && !asksForHelp(o) {
			j.find(c, "machine.power", unlessOption(c.args), "")
		}
	case "init", "telinit":
		o := parseOptions(c.args, "t", false)
		j.find(c, "machine.power", isAny(o.word(0), "0", "6"), "")
		if !open(o.word(0)) {
			j.find(c, "machine.target", isAny(o.word(0), "1", "2", "3", "4", "5", "s", "S"), "")
		}
	case "kexec":
		o := parseOptions(c.args, "l load p load-panic t type command-line append initrd dtb reuse-cmdline", false)
		if o.has("e", "exec") {
			j.find(c, "machine.power", yes, "")
		}
	case "pm-suspend", "pm-hibernate", "pm-suspend-hybrid":
		if !asksForHelp(parseOptions(c.args, "", false)) {
			j.find(c, "machine.power", yes, "")
		}
	case "rtcwake":
		o := parseOptions(c.args, "A adjfile d device m mode s seconds t time date", false)
		if o.has("h", "V", "n", "dry-run", "list-modes") || asksForHelp(o) {
			return
		}
		switch mode := o.value("m", "mode"); mode {
		case "no", "on", "disable", "show":
		default: // without one it is a suspend
			sure := yes
			if open(mode) {
				sure = maybe
			}
			j.find(c, "machine.power", sure, "")
		}
	}
}

// unlessOption is yes, or maybe where a word of which nothing is known may be an option
// that makes it harmless.
func unlessOption(args []string) match {
	if slices.ContainsFunc(args, blank) {
		return maybe
	}
	return yes
}

// kernel is what is written to files of the kernel that end things.
func (j *judge) kernel(c *call) {
	var files []string
	switch c.name {
	case "tee":
		files = parseOptions(c.args, "output-error", false).words
	case "dd":
		for _, a := range c.args {
			if f, ok := strings.CutPrefix(a, "of="); ok {
				files = append(files, f)
			}
		}
	default:
		files = c.args[:min(1, len(c.args))]
	}
	for _, f := range files {
		if !strings.HasPrefix(f, "/") {
			f = c.dir + "/" + f
		}
		switch f = path.Clean(f); {
		case f == "/proc/sysrq-trigger":
			j.find(c, "machine.power", sysrq(c), "")
		case f == "/sys/power/state" || f == "/sys/power/disk":
			j.find(c, "machine.power", yes, "")
		case strings.HasPrefix(f, "/sys/fs/cgroup/"):
			j.cgroup(c, f)
		}
	}
}

// sysrq says whether the letter that is written does something to the machine. See
// https://docs.kernel.org/admin-guide/sysrq.html.
func sysrq(c *call) match {
	letter := strings.TrimSpace(c.stdin)
	switch {
	case letter == "" && c.fed:
		return no
	case letter != "" && !open(letter[:1]) && strings.ContainsAny(letter[:1], "0123456789dhklmpqstvwz"):
		return no
	}
	return yes
}

// cgroup is writing to cgroup.kill and cgroup.freeze, which end and stop all processes
// of a unit, a slice or a session.
func (j *judge) cgroup(c *call, file string) {
	dir, last := path.Split(file)
	if last != "cgroup.kill" && last != "cgroup.freeze" || strings.TrimSpace(c.stdin) == "0" {
		return
	}
	unit := path.Base(dir)
	if strings.HasSuffix(unit, ".service") && !open(unit) {
		j.unitIs(c, unit, func(id string, sure match, detail string) { j.find(c, id, sure, detail) })
		return
	}
	sure := yes
	if strings.HasSuffix(unit, ".scope") && prefixed(unit, "session-") == no {
		sure = maybe
	}
	j.find(c, "session.processes", sure, "every process of "+shown(unit))
}
