package guard

import (
	"path"
	"strconv"
	"strings"
)

// unitIs says what a unit is, if stopping it is guarded: the rule, how sure it is, and
// why. A word of which nothing is known is asked about once.
func (j *judge) unitIs(_ *call, word string, found func(id string, sure match, detail string)) {
	if blank(word) {
		found("stack.unit", namedSure(word), "which unit cannot be known")
		return
	}
	unit := unitName(word)
	if sure, which := j.keptUnit(unit); sure != no {
		found("stack.unit", sure, which+" is kept")
	}
	if sure := j.carries(unit); sure != no {
		found("session.manager", sure, shown(unit)+" carries the session")
	}
	if sure := keepersUnit(unit); sure != no {
		found("keeper.stop", sure, "")
	}
	if sure, _ := namedAny(unit, "podman.socket", "podman.service"); sure != no {
		found("stack.socket", sure, "")
	}
	if named(unit, "podman-restart.service") == yes {
		found("stack.containers", yes, "podman-restart stops every container that is to be restarted always")
	}
	switch {
	case strings.HasSuffix(unit, ".mount") && !open(unit):
		if at := mountPoint(unit); j.holdsAccount(at) {
			found("stack.unit", yes, "the account lives on "+at)
		}
	case strings.HasSuffix(unit, ".slice") && j.carries(unit) == no:
		found("stack.unit", maybe, "what runs in "+shown(unit)+" cannot be known")
	case prefixed(unit, "libpod-") == yes && strings.HasSuffix(unit, ".scope"):
		found("stack.unit", maybe, "it is the scope of a container")
	}
}

func namedSure(word string) match {
	if tainted(word) {
		return yes
	}
	return maybe
}

var unitSuffixes = []string{".service", ".socket", ".target", ".slice", ".scope", ".timer", ".path", ".mount", ".automount", ".swap", ".device"}

// unitName is what systemctl makes of a word: without a suffix it is a service, a path
// is the mount of it, and a file of a unit is the unit.
func unitName(word string) string {
	suffixed := false
	for _, s := range unitSuffixes {
		suffixed = suffixed || strings.HasSuffix(word, s)
	}
	switch {
	case strings.HasPrefix(word, "/") && !suffixed:
		if path.Clean(word) == "/" {
			return "-.mount"
		}
		p := strings.Trim(path.Clean(word), "/")
		return strings.ReplaceAll(strings.ReplaceAll(p, "-", `\x2d`), "/", "-") + ".mount"
	case strings.Contains(word, "/"):
		word = path.Base(word)
	}
	if suffixed || strings.HasSuffix(word, "*") || strings.HasSuffix(word, holeWord) || strings.HasSuffix(word, taintWord) {
		return word
	}
	return word + ".service"
}

// keptUnit says whether a unit is kept, or made by a Quadlet that is.
func (j *judge) keptUnit(unit string) (match, string) {
	best, which := namedAny(unit, j.host.Units...)
	made := func(names []string, suffix string) {
		for _, n := range names {
			// The network of NAME.network is systemd-NAME if it says nothing else.
			n = strings.TrimPrefix(n, "systemd-") + suffix
			if m := named(unit, n); m > best {
				best, which = m, n
			}
		}
	}
	if best != yes {
		made(j.host.Networks, "-network.service")
		made(j.host.Volumes, "-volume.service")
		made(j.host.Pods, "-pod.service")
	}
	return best, which
}

// carries says whether the user manager, sessions or the bus end with a unit.
func (j *judge) carries(unit string) match {
	uid := strconv.Itoa(j.host.UID)
	best, _ := namedAny(unit, "dbus.service", "dbus.socket", "dbus-broker.service", "systemd-logind.service", "dbus-org.freedesktop.login1.service",
		"init.scope", "-.slice", "user.slice", "app.slice", "session.slice", "background.slice", "system.slice",
		"default.target", "basic.target", "multi-user.target", "graphical.target", "sysinit.target", "sockets.target",
		"user@"+uid+".service", "user-runtime-dir@"+uid+".service", "user-"+uid+".slice", "run-user-"+uid+".mount")
	switch {
	case prefixed(unit, "user@") == yes, prefixed(unit, "user-runtime-dir@") == yes,
		prefixed(unit, "run-user-") == yes && strings.HasSuffix(unit, ".mount"),
		prefixed(unit, "session-") == yes && strings.HasSuffix(unit, ".scope"),
		prefixed(unit, "user-") == yes && strings.HasSuffix(unit, ".slice"):
		return yes
	}
	return best
}

// keepersUnit says whether a unit is one of keeper's.
func keepersUnit(unit string) match {
	if prefixed(unit, "keeper.") == yes || prefixed(unit, "keeper-") == yes || prefixed(unit, "keeper@") == yes {
		return yes
	}
	return named(unit, "keeper.service")
}

// mountPoint is the path of a mount unit (systemd.unit(5), "String escaping").
func mountPoint(unit string) string {
	name := strings.TrimSuffix(unit, ".mount")
	if name == "-" {
		return "/"
	}
	return "/" + unescape(strings.ReplaceAll(name, "-", "/"), `\x`)
}

// unescape turns what follows each mark, two digits, into the character.
func unescape(s, mark string) string {
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(s, mark)
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		s = after
		if len(s) >= 2 {
			if n, err := strconv.ParseUint(s[:2], 16, 8); err == nil {
				b.WriteByte(byte(n))
				s = s[2:]
				continue
			}
		}
		b.WriteString(mark)
	}
}

// holdsAccount says whether the account's home or runtime directory is below a path.
func (j *judge) holdsAccount(at string) bool {
	for _, p := range []string{j.host.Home, j.host.Runtime} {
		if p != "" && (at == "/" || p == at || strings.HasPrefix(p, at+"/")) {
			return true
		}
	}
	return false
}
