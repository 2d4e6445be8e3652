package guard

import (
	"path"
	"strconv"
	"strings"
)

// named says whether a word means a name: it is it, or a glob that fits, or what is
// known of it fits. What came of a listing of what runs means all that fits.
func named(word, name string) match {
	switch {
	case name == anything:
		return maybe
	case word == name:
		return yes
	case strings.Contains(name, "*"):
		return instance(word, name)
	}
	marked := open(word)
	if !marked && !strings.ContainsAny(word, "*?[") {
		return no
	}
	glob := strings.NewReplacer(holeWord, "*", taintWord, "*").Replace(word)
	if ok, err := path.Match(glob, name); err != nil || !ok {
		return no
	}
	if marked && !tainted(word) {
		return maybe
	}
	return yes
}

// anything is among the names that a host keeps where not all of them could be read.
const anything = "*"

// instance says whether a word means an instance of a template, "job@*.service".
func instance(word, name string) match {
	if ok, err := path.Match(name, word); err == nil && ok && !open(word) {
		return yes
	}
	if one := named(word, strings.ReplaceAll(name, "*", "1")); one != no && (open(word) || strings.ContainsAny(word, "*?[")) {
		return one
	}
	return no
}

// namedAny is the best of named over several, and the name that it is best for.
func namedAny(word string, names ...string) (match, string) {
	best, which := no, ""
	for _, n := range names {
		if m := named(word, n); m > best {
			best, which = m, n
		}
	}
	return best, which
}

// parseLong is parseOptions for programs that take the beginning of a long option for
// it, as getopt_long(3) does where that is not ambiguous. more are options without a
// value that matter.
func parseLong(args []string, takes, more string) options {
	return parseOptions(fullNames(args, takes+" "+more), takes, false)
}

func fullNames(args []string, names string) []string {
	full := args
	for i, a := range args {
		if a == "--" {
			break
		}
		name, value, joined := strings.Cut(strings.TrimPrefix(a, "--"), "=")
		if !strings.HasPrefix(a, "--") || len(name) < 2 {
			continue
		}
		long := ""
		for _, n := range strings.Fields(names) {
			if n == name || strings.HasPrefix(n, name) && long == "" {
				long = n
			}
			if n == name {
				break
			}
		}
		if long == "" || long == name {
			continue
		}
		if &full[0] == &args[0] {
			full = append([]string{}, args...)
		}
		full[i] = "--" + long
		if joined {
			full[i] += "=" + value
		}
	}
	return full
}

// blank says that nothing of a word is known.
func blank(word string) bool {
	return word != "" && strings.Trim(word, holeWord+taintWord) == ""
}

// prefixed says whether a word begins with a text. A word whose beginning is not known
// may.
func prefixed(word, text string) match {
	known := word
	if at := strings.IndexAny(word, holeWord+taintWord); at >= 0 {
		known = word[:at]
	}
	switch {
	case strings.HasPrefix(known, text):
		return yes
	case open(word) && strings.HasPrefix(text, known):
		return maybe
	}
	return no
}

// strength is how much a signal does.
type strength int

const (
	nothing  strength = iota // 0, or one that a program ignores if it does not ask for it
	gentle                   // asks a service to read its settings anew, and ends what does not know it
	deadly                   // ends, or stops
	whoKnows                 // not known
)

// signalStrength is that of a signal by its name or number; none given is SIGTERM.
func signalStrength(sig string) strength {
	if open(sig) {
		return whoKnows
	}
	switch strings.TrimPrefix(strings.ToUpper(sig), "SIG") {
	case "0", "EXIT", "CONT", "18", "CHLD", "CLD", "17", "WINCH", "28", "URG", "23":
		return nothing
	case "HUP", "1", "USR1", "10", "USR2", "12":
		return gentle
	}
	return deadly
}

// isSignal says that a text is the name or number of a signal.
func isSignal(text string) bool {
	if n, err := strconv.Atoi(text); err == nil {
		return n >= 0 && n <= 64
	}
	switch s := strings.TrimPrefix(strings.ToUpper(text), "SIG"); s {
	case "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "IOT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
		"STKFLT", "CHLD", "CLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "POLL", "PWR", "SYS":
		return true
	default:
		return strings.HasPrefix(s, "RTMIN") || strings.HasPrefix(s, "RTMAX")
	}
}

// takeSignal takes -KILL, -SIGKILL or -9 out of the words of pkill(1) and its kin.
func takeSignal(args []string) (sig string, rest []string) {
	for i, a := range args {
		if a == "--" {
			break
		}
		if len(a) > 1 && a[0] == '-' && (isSignal(a[1:]) || blank(a[1:])) {
			return a[1:], append(append([]string{}, args[:i]...), args[i+1:]...)
		}
	}
	return "", args
}

// ours says whether a word means the account, by its name or number.
func (j *judge) ours(word string) match {
	return max(is(word, j.host.User), is(word, strconv.Itoa(j.host.UID)))
}

// hexish says that a word may be the id of a container, pod or volume.
func hexish(word string) bool {
	if len(word) < 4 || strings.Trim(word, "0123456789abcdef") != "" {
		return false
	}
	return len(word) >= 12 || strings.ContainsAny(word, "0123456789")
}

// boolText reads a boolean as the D-Bus tools do.
func boolText(word string) match {
	switch _, value, _ := cutLast(word, ":"); strings.ToLower(value) {
	case "true", "yes", "y", "on", "1", "t":
		return yes
	case "false", "no", "n", "off", "0", "f":
		return no
	}
	return maybe
}

// cutLast cuts at the last sep; without one all of it is after.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return "", s, false
}

// asksForHelp says that a program would only show how it is used.
func asksForHelp(o options) bool { return o.has("help", "version") }
