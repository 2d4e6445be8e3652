package guard

import (
	"slices"
	"strconv"
	"strings"
)

// taints says whether what a program prints may name what is kept: processes,
// containers, volumes or units. The walker asks it of what feeds the words of another
// program.
func (j *judge) taints(c *call) bool {
	if c.place.kind == inContainer && !c.place.kept {
		return false
	}
	switch c.name {
	case "podman", "podman-remote", "docker", "nerdctl":
		return j.listsContainers(c)
	case "podman-compose", "docker-compose":
		verb := parseOptions(c.args, composeTakes, true).word(0)
		return verb == "ps"
	case "crun", "runc":
		return slices.Contains(c.args, "list")
	case "pgrep", "pidof", "ps", "top":
		return j.listsProcesses(c)
	case "lsof", "fuser", "ss", "netstat":
		return j.listsListeners(c)
	case "systemctl":
		return j.listsUnits(c)
	case "loginctl":
		verb := parseOptions(c.args, loginctlTakes, false).word(0)
		return verb == "" || strings.HasPrefix(verb, "list") || strings.HasSuffix(verb, "status")
	case "systemd-cgls":
		return true
	case "cat", "head", "tail", "<":
		return slices.ContainsFunc(c.args, j.keepsPID)
	}
	return false
}

func (j *judge) listsContainers(c *call) bool {
	o := parseOptions(c.args, podmanTakes, true)
	group, verb, args := o.word(0), o.word(0), o.rest(1)
	switch group {
	case "compose":
		return parseOptions(args, composeTakes, true).word(0) == "ps"
	case "container", "pod", "volume", "network", "secret":
		verb = ""
		if len(args) > 0 {
			verb, args = args[0], args[1:]
		}
	}
	kept := j.host.Containers
	switch group {
	case "volume":
		kept = j.host.Volumes
	case "network":
		kept = j.host.Networks
	case "pod":
		kept = j.host.Pods
	}
	switch verb {
	case "ps", "ls", "list":
		l := parseOptions(args, "f filter format last n sort w watch", false)
		return j.filtered(filtersOf(l), kept) == yes
	case "inspect", "top", "stats", "port":
		l := parseOptions(args, "f format t type", false)
		return l.has("a", "all", "l", "latest") || slices.ContainsFunc(l.words, func(w string) bool {
			sure, _ := namedAny(w, kept...)
			return sure == yes || tainted(w)
		})
	}
	return false
}

// listsProcesses says whether the same words given to pkill or killall would be found.
func (j *judge) listsProcesses(c *call) bool {
	hits := func(strike func(k *judge)) bool {
		k := &judge{host: j.host}
		strike(k)
		return slices.ContainsFunc(k.findings, func(f Finding) bool { return !f.Unsure })
	}
	switch c.name {
	case "pgrep":
		return hits(func(k *judge) { k.pkill(c, pkillTakes) })
	case "pidof":
		return hits(func(k *judge) {
			for _, w := range parseOptions(c.args, "o omit-pid S separator", false).words {
				k.struck(c, matching{pattern: base(w), literal: true, exact: true}, deadly)
			}
		})
	case "top":
		return true
	}
	// ps with the processes that are meant lists no others.
	o := parseOptions(c.args, "C o format O p pid q quick-pid ppid t tty g group G Group s sid u user U User k sort cols columns width lines rows", false)
	if name := o.value("C"); name != "" {
		return hits(func(k *judge) {
			for _, n := range strings.Split(name, ",") {
				k.struck(c, matching{pattern: n, literal: true, exact: true}, deadly)
			}
		})
	}
	for _, n := range []string{"p", "pid", "q", "quick-pid", "ppid", "g", "s", "sid"} {
		if v, ok := o.flags[n]; ok && !tainted(v) && v != "1" {
			return false
		}
	}
	// Without -e, -A, -u, -x or the words of BSD it lists those of the terminal.
	return len(o.words) > 0 || o.has("e", "A", "u", "user", "U", "User", "x", "a", "d", "N", "G", "group", "Group")
}

// listsListeners says whether who listens on a port of the stack is among what is
// listed.
func (j *judge) listsListeners(c *call) bool {
	ports, all := []string{}, false
	switch c.name {
	case "lsof":
		o := parseOptions(c.args, "i u c p s d F g D S T", false)
		if name := o.value("c"); name != "" {
			k := &judge{host: j.host}
			k.struck(c, matching{pattern: "^" + name}, deadly)
			return len(k.findings) > 0
		}
		for _, i := range o.all["i"] {
			_, p, found := cutLast(i, ":")
			ports, all = append(ports, p), all || !found
		}
		all = all || o.has("u") && len(o.words) == 0 && !o.has("i")
		for _, w := range o.words {
			if strings.HasPrefix(w, ":") { // -i :8000, where -i stands at the end of others
				ports = append(ports, w[1:])
			}
			all = all || j.inStack(w)
		}
	case "fuser":
		o := parseOptions(c.args, "n namespace", false)
		for _, w := range o.words {
			p, _, found := cutLast(w, "/")
			if !found {
				p = w
			}
			ports, all = append(ports, p), all || j.inStack(w)
		}
	default:
		all = true
		for _, a := range c.args {
			if strings.HasPrefix(a, "-") {
				continue
			}
			for _, w := range strings.FieldsFunc(a, func(r rune) bool { return r == ' ' || r == ':' || r == '=' || r == '(' || r == ')' }) {
				if _, err := strconv.Atoi(w); err == nil {
					ports, all = append(ports, w), false
				}
			}
		}
	}
	return all || slices.ContainsFunc(ports, func(p string) bool {
		sure, _ := j.keptPort(p)
		return sure == yes
	})
}

// inStack says that a file is one of those that containers have open.
func (j *judge) inStack(file string) bool {
	return j.host.Runtime != "" && strings.HasPrefix(file+"/", j.host.Runtime+"/") ||
		strings.HasPrefix(file, j.host.Home+"/.local/share/containers")
}

func (j *judge) listsUnits(c *call) bool {
	o := parseLong(c.args, systemctlTakes, "")
	guarded := func(words []string) bool {
		hit := false
		for _, w := range words {
			j.unitIs(c, w, func(_ string, sure match, _ string) { hit = hit || sure == yes })
		}
		return hit
	}
	switch verb := o.word(0); verb {
	case "", "list-units", "list-unit-files", "list-dependencies", "list-sockets":
		if verb == "list-sockets" || len(o.words) < 2 {
			t := o.value("t", "type")
			return t == "" || !strings.Contains(t, "timer")
		}
		return guarded(o.rest(1))
	case "show", "status":
		return guarded(o.rest(1))
	}
	return false
}

// passes says whether grep and its kin, given a listing that taints, may let through a
// line about what is kept: podman ps | grep test- does not.
func (j *judge) passes(c *call) bool {
	switch c.name {
	case "grep", "egrep", "fgrep", "rg", "ag", "ack":
	default:
		return true
	}
	o := parseOptions(c.args, "e regexp f file m max-count A after-context B before-context C context d D color colour include exclude label", false)
	patterns := append(append([]string{}, o.all["e"]...), o.all["regexp"]...)
	if len(patterns) == 0 {
		patterns = o.words[:min(1, len(o.words))]
	}
	if o.has("v", "invert-match", "f", "file") || len(patterns) == 0 {
		return true
	}
	// Basic expressions have \| where extended ones have |.
	for _, p := range patterns {
		m := matching{pattern: strings.NewReplacer(`\|`, "|", `\(`, "(", `\)`, ")").Replace(p),
			literal: c.name == "fgrep" || o.has("F", "fixed-strings"), fold: o.has("i", "ignore-case")}
		test := m.test()
		for _, text := range j.lines() {
			if test(text) {
				return true
			}
		}
	}
	return false
}

// lines are what listings of the stack have in them.
func (j *judge) lines() []string {
	var list []string
	for _, p := range j.important(false) {
		list = append(list, p.name, p.line)
	}
	list = append(list, j.host.User, "Up 3 hours", "Exited (0) 5 minutes ago", "loaded active running", "LISTEN")
	for _, names := range [][]string{j.host.Volumes, j.host.Networks} {
		list = append(list, names...)
	}
	for _, p := range j.host.Ports {
		n := strconv.Itoa(p)
		list = append(list, "127.0.0.1:"+n+" 0.0.0.0:*", "0.0.0.0:"+n+"->"+n+"/tcp ", "*:"+n+" (LISTEN)")
	}
	return list
}
