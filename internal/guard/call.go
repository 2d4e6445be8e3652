package guard

import (
	"path"
	"strings"
	"unicode/utf8"
)

// The two marks stand in a word for text that cannot be known: hole for anything,
// taint for what came of a guarded program, or of a listing of processes or
// containers, $(podman ps -q) say. They are runes of the private use area, which pass
// through the parser and the expansion like any letter.
const (
	hole  = '\uE000'
	taint = '\uE001'

	holeWord  = string(hole)
	taintWord = string(taint)
)

// open says that not all of a word is known.
func open(word string) bool { return strings.ContainsAny(word, holeWord+taintWord) }

// tainted says that a part of a word came of a guarded program.
func tainted(word string) bool { return strings.ContainsRune(word, taint) }

// match says whether a word is another.
type match int

const (
	no match = iota
	maybe
	yes
)

// is says whether a word is the one wanted. A word with marks in it may be, if what is
// known of it fits.
func is(word, want string) match {
	switch {
	case word == want:
		return yes
	case open(word) && fits(want, word):
		return maybe
	}
	return no
}

// isAny is the best of is over several.
func isAny(word string, want ...string) match {
	best := no
	for _, w := range want {
		best = max(best, is(word, w))
	}
	return best
}

// fits says that text can be had from a word by filling in its marks.
func fits(text, word string) bool {
	parts := strings.FieldsFunc(word, func(r rune) bool { return r == hole || r == taint })
	if len(parts) == 0 {
		return true
	}
	if first, _ := utf8.DecodeRuneInString(word); first != hole && first != taint {
		if !strings.HasPrefix(text, parts[0]) {
			return false
		}
		text, parts = text[len(parts[0]):], parts[1:]
	}
	end, _ := utf8.DecodeLastRuneInString(word)
	for i, part := range parts {
		if i == len(parts)-1 && end != hole && end != taint {
			return strings.HasSuffix(text, part)
		}
		at := strings.Index(text, part)
		if at < 0 {
			return false
		}
		text = text[at+len(part):]
	}
	return end == hole || end == taint || text == ""
}

// call is one program that a line would run, when all around it is taken off.
type call struct {
	// name is the base name of the program, without marks unless it cannot be known.
	name string
	args []string
	// stdin is the text that it reads, with marks for what is not known; fed says that
	// anything is fed to it at all.
	stdin string
	fed   bool
	// place is where it runs, dir the working directory there: absolute, or "" where it
	// is not known.
	place place
	dir   string
	// env are the variables that are set for it alone, and through what was taken off.
	env     map[string]string
	through []string
	// script says that it stands in a file that the line runs: what is not sure there
	// is not asked about.
	script bool
}

// place is where a program runs.
type place struct {
	kind placeKind
	// name is the host, or the container: "" or with marks if it is not known.
	name string
	// mounts are those of a container, and kept says that it is one of the stack's.
	mounts []Mount
	kept   bool
}

type placeKind int

const (
	here        placeKind = iota // this host
	remote                       // another host: ssh
	inContainer                  // podman exec, podman run
)

// String is what a person reads: "" for this host.
func (p place) String() string {
	switch p.kind {
	case remote:
		return "on " + shown(p.name)
	case inContainer:
		return "in " + shown(p.name)
	}
	return ""
}

// options are the words of a call, told apart.
type options struct {
	// flags has the value of each option by its name without dashes, "" for one that
	// has none. The last one counts.
	flags map[string]string
	// all has each value of an option that is given more than once.
	all map[string][]string
	// words are the rest.
	words []string
	// dashes says that "--" came before words[after].
	after int
}

// has says that one of the options was given.
func (o options) has(names ...string) bool {
	for _, n := range names {
		if _, ok := o.flags[n]; ok {
			return true
		}
	}
	return false
}

// value is that of the first of the options that was given.
func (o options) value(names ...string) string {
	for _, n := range names {
		if v, ok := o.flags[n]; ok {
			return v
		}
	}
	return ""
}

// word is the nth, or "".
func (o options) word(n int) string {
	if n < 0 || n >= len(o.words) {
		return ""
	}
	return o.words[n]
}

// rest is what comes after the first n words.
func (o options) rest(n int) []string { return o.words[min(n, len(o.words)):] }

// parseOptions tells options from words as getopt_long(3) does: --name=value, --name
// value, -xyz, -xvalue, "--". takes lists the options that have a value, by their
// names without dashes, separated by blanks. stop ends the options at the first word,
// as for programs that run another one.
func parseOptions(args []string, takes string, stop bool) options {
	o := options{flags: map[string]string{}, all: map[string][]string{}, after: -1}
	valued := map[string]bool{}
	for _, t := range strings.Fields(takes) {
		valued[t] = true
	}
	set := func(name, value string) {
		o.flags[name] = value
		o.all[name] = append(o.all[name], value)
	}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			o.after = len(o.words)
			o.words = append(o.words, args[i+1:]...)
			return o
		case strings.HasPrefix(arg, "--"):
			name, value, joined := strings.Cut(arg[2:], "=")
			if !joined && valued[name] && i+1 < len(args) {
				i++
				value = args[i]
			}
			set(name, value)
		case len(arg) > 1 && arg[0] == '-' && !strings.HasPrefix(arg[1:], holeWord) && !strings.HasPrefix(arg[1:], taintWord):
			for at := 1; at < len(arg); {
				_, size := utf8.DecodeRuneInString(arg[at:]) // 1 for what is no UTF-8
				name, rest := arg[at:at+size], arg[at+size:]
				at += size
				if !valued[name] {
					set(name, "")
					continue
				}
				if rest == "" && i+1 < len(args) {
					i++
					rest = args[i]
				}
				set(name, strings.TrimPrefix(rest, "="))
				break
			}
		default:
			o.words = append(o.words, arg)
			if stop {
				o.words = append(o.words, args[i+1:]...)
				return o
			}
		}
	}
	return o
}

// shown is a word for people: an ellipsis stands for marks.
func shown(word string) string {
	return strings.NewReplacer(holeWord, "…", taintWord, "…").Replace(word)
}

// line is the call as a person reads it.
func (c *call) line() string {
	words := make([]string, 0, 1+len(c.args))
	for _, w := range append([]string{c.name}, c.args...) {
		if w == "" || strings.ContainsAny(w, " \t\n'\"\\|&;<>()`*?[]{}#!$") {
			w = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		words = append(words, w)
	}
	return shown(strings.Join(words, " "))
}

// base is the last part of a program's path.
func base(program string) string {
	if program == "" {
		return ""
	}
	return path.Base(program)
}
