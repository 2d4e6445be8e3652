package guard

import (
	"strconv"
	"strings"
)

// processes are the rules about signals: to everybody, to what containers run on, and
// to who listens on a port. In a kept container only its own processes are there.
func (j *judge) processes(c *call) {
	switch c.name {
	case "kill":
		j.kill(c)
	case "pkill":
		j.pkill(c, pkillTakes)
	case "killall":
		j.killall(c)
	case "killall5":
		if sig, _ := takeSignal(c.args); sig == "" || signalStrength(sig) != nothing {
			j.find(c, "session.processes", yes, "")
		}
	case "skill", "slay":
		j.slay(c)
	case "fuser":
		j.fuser(c)
	case "kill-port", "killport", "fkill":
		j.killPort(c, c.args)
	case "npx", "bunx", "pnpx":
		o := parseOptions(c.args, "p package c call", true)
		switch name, _, _ := strings.Cut(o.word(0), "@"); name {
		case "kill-port", "fkill-cli", "fkill":
			j.killPort(c, o.rest(1))
		}
	}
}

// kill judges kill(1), and the shell's: the first word with a dash is the signal, what
// comes after it is a process, or the group of one, or -1 for all.
func (j *judge) kill(c *call) {
	sig, pids, lists := killWords(c.args)
	s := deadly
	if sig != "" {
		s = signalStrength(sig)
	}
	if lists || s == nothing {
		return
	}
	sure := yes
	if s == whoKnows {
		sure = maybe
	}
	for _, pid := range pids {
		switch {
		case pid == "-1":
			if c.place.kind == inContainer {
				j.find(c, "stack.helpers", sure, "every process of the container")
			} else {
				j.find(c, "session.processes", sure, "")
			}
		case pid == "1" && s != gentle:
			j.find(c, "stack.helpers", sure, "process 1")
		case tainted(pid) && s == gentle:
			j.find(c, "stack.helpers", maybe, "")
		case tainted(pid):
			j.find(c, "stack.helpers", sure, "")
		}
	}
}

// killWords tells the words of kill(1) apart.
func killWords(args []string) (sig string, pids []string, lists bool) {
	given := false
	for i := 0; i < len(args); i++ {
		a := args[i]
		next := func() string {
			if i+1 < len(args) {
				i++
				return args[i]
			}
			return ""
		}
		switch {
		case a == "--":
			return sig, append(pids, args[i+1:]...), false
		case a == "-l" || a == "-L" || a == "-V" || a == "--list" || strings.HasPrefix(a, "--list=") || a == "--table" || a == "--help" || a == "--version":
			return "", nil, true
		case a == "-s" || a == "-n" || a == "--signal":
			sig, given = next(), true
		case strings.HasPrefix(a, "--signal="):
			sig, given = a[len("--signal="):], true
		case a == "-q" || a == "--queue" || a == "--timeout":
			next()
		case a == "-a" || a == "--all" || a == "-p" || a == "--pid" || a == "--verbose":
		case len(a) > 1 && a[0] == '-' && !given && len(pids) == 0:
			sig, given = strings.TrimPrefix(a[1:], "s"), true
			if isSignal(a[1:]) {
				sig = a[1:]
			}
		default:
			pids = append(pids, a)
		}
	}
	return sig, pids, false
}

const pkillTakes = "P parent g pgroup G group s session t terminal u euid U uid F pidfile r runstates O older signal d delimiter ns nslist q queue cgroup env"

// pkill judges by the pattern if there is one, and else by whose processes are meant.
func (j *judge) pkill(c *call, takes string) {
	short, args := takeSignal(c.args)
	o := parseLong(args, takes, "inverse full exact ignore-case")
	sig := o.value("signal")
	if !o.has("signal") {
		sig = short
	}
	s := deadly
	if o.has("signal") || short != "" {
		s = signalStrength(sig)
	}
	if s == nothing || o.has("h", "V") || asksForHelp(o) {
		return
	}
	whose, limited := j.whose(o, "u", "euid", "U", "uid")
	if limited && whose == no {
		return
	}
	if len(o.words) > 0 && !o.has("inverse") {
		if p := o.value("P", "parent"); o.has("t", "terminal") || p != "" && p != "1" && !tainted(p) {
			return
		}
		j.struck(c, matching{pattern: o.word(0), full: o.has("f", "full"), exact: o.has("x", "exact"), fold: o.has("i", "ignore-case")}, s)
		return
	}
	p := o.value("P", "parent")
	switch {
	case limited:
		j.find(c, "session.processes", whose, "")
	case o.has("inverse"):
		j.find(c, "session.processes", yes, "all but what matches")
	case o.has("G", "group"):
		j.find(c, "session.processes", is(o.value("G", "group"), j.host.User), "")
	case p == "1" || tainted(p):
		j.find(c, "stack.helpers", yes, "")
	case j.keepsPID(o.value("F", "pidfile")):
		j.find(c, "stack.helpers", yes, "")
	}
}

// whose says whether the processes of the account are meant by options that name
// users, and whether there is such an option at all.
func (j *judge) whose(o options, names ...string) (sure match, limited bool) {
	for _, n := range names {
		for _, list := range o.all[n] {
			limited = true
			for _, who := range strings.Split(list, ",") {
				sure = max(sure, j.ours(who), is(who, "root"), is(who, "0"))
			}
		}
	}
	return sure, limited
}

// killall takes the names of programs, or expressions with -r.
func (j *judge) killall(c *call) {
	short, args := takeSignal(c.args)
	o := parseLong(args, "s signal o older-than y younger-than u user n ns Z context", "regexp ignore-case")
	s := deadly
	if sig := o.value("s", "signal"); sig != "" {
		s = signalStrength(sig)
	} else if short != "" {
		s = signalStrength(short)
	}
	if s == nothing || o.has("l", "list", "V") || asksForHelp(o) {
		return
	}
	whose, limited := j.whose(o, "u", "user")
	switch {
	case limited && whose == no:
	case len(o.words) == 0 && limited:
		j.find(c, "session.processes", whose, "")
	default:
		for _, w := range o.words {
			expression := o.has("r", "regexp")
			if !expression {
				w = base(w)
			}
			j.struck(c, matching{pattern: w, literal: !expression, exact: !expression, fold: o.has("I", "ignore-case")}, s)
		}
	}
}

// slay is skill(1) and slay(1), which take users.
func (j *judge) slay(c *call) {
	sig, args := takeSignal(c.args)
	if sig != "" && signalStrength(sig) == nothing {
		return
	}
	o := parseOptions(args, "t tty u user p pid c command ns nslist", false)
	if o.has("l", "L", "n", "h", "V") || asksForHelp(o) {
		return
	}
	sure, limited := j.whose(o, "u", "user")
	if !limited {
		for _, w := range o.words {
			sure = max(sure, j.ours(w))
		}
	}
	j.find(c, "session.processes", sure, "")
	if name := o.value("c", "command"); name != "" {
		j.struck(c, matching{pattern: name, literal: true, exact: true}, deadly)
	}
}

// fuser -k ends who has a file open, or a port, or with -m anything of a file system.
func (j *judge) fuser(c *call) {
	sig, args := takeSignal(c.args)
	o := parseOptions(args, "n namespace", false)
	if !o.has("k", "kill") || sig != "" && signalStrength(sig) == nothing || o.has("V") || asksForHelp(o) {
		return
	}
	for _, w := range o.words {
		switch port, proto, slashed := cutLast(w, "/"); {
		case o.has("n", "namespace") && o.value("n", "namespace") != "file":
			j.port(c, w)
		case slashed && (proto == "tcp" || proto == "udp" || open(proto) && !strings.HasPrefix(w, "/")):
			j.port(c, port)
		case o.has("m", "M", "mount") || strings.HasPrefix(w, "/"):
			j.users(c, w, o.has("m", "mount", "c"))
		case blank(w):
			j.find(c, "stack.port", namedSure(w), "")
		}
	}
}

// users is ending all that have a file open, or, with whole, anything on its file
// system.
func (j *judge) users(c *call, file string, whole bool) {
	if !strings.HasPrefix(file, "/") {
		if whole && open(file) {
			j.find(c, "session.processes", maybe, "")
		}
		return
	}
	file = strings.TrimSuffix(file, "/")
	if file == "" {
		file = "/"
	}
	storage := j.host.Home + "/.local/share/containers"
	switch {
	case strings.HasPrefix(file+"/", storage+"/") || j.host.Runtime != "" && strings.HasPrefix(file+"/", j.host.Runtime+"/"):
		j.find(c, "stack.helpers", yes, "containers have it open")
	case whole && (j.holdsAccount(file) || strings.HasPrefix(file, j.host.Home+"/") || file == "/var" || file == "/usr"):
		j.find(c, "session.processes", yes, "everything of the account has that file system in use")
	}
}

// killPort is kill-port and its kin: 8000, :8000, --port 8000,8001; fkill takes names
// as well.
func (j *judge) killPort(c *call, args []string) {
	for _, a := range args {
		if _, value, ok := strings.Cut(a, "="); ok && strings.HasPrefix(a, "-") {
			a = value
		}
		for _, w := range strings.Split(a, ",") {
			w = strings.TrimPrefix(w, ":")
			_, err := strconv.Atoi(w)
			switch {
			case err == nil || open(w):
				j.port(c, w)
			case !strings.HasPrefix(w, "-") && w != "":
				j.struck(c, matching{pattern: w, literal: true, exact: true, fold: true}, deadly)
			}
		}
	}
}

// port is ending whoever listens on a port, or a list or range of them.
func (j *judge) port(c *call, word string) {
	sure, which := j.keptPort(word)
	detail := ""
	if which > 0 {
		detail = "port " + strconv.Itoa(which) + " is one of the stack's"
	}
	j.find(c, "stack.port", sure, detail)
}

func (j *judge) keptPort(word string) (match, int) {
	if blank(word) {
		return namedSure(word), 0
	}
	best, which := no, 0
	for _, w := range strings.Split(word, ",") {
		from, to, ranged := strings.Cut(w, "-")
		low, _ := strconv.Atoi(from)
		high, _ := strconv.Atoi(to)
		for _, p := range j.host.Ports {
			m := named(w, strconv.Itoa(p))
			if ranged && low > 0 && low <= p && p <= high {
				m = yes
			}
			if m > best {
				best, which = m, p
			}
		}
	}
	return best, which
}
