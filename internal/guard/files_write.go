package guard

import (
	"path"
	"slices"
	"strings"
)

// writes are programs that put something into files.
func (j *judge) writes(c *call) {
	h := j.harm(c)
	defer h.done()
	nothing := c.fed && c.stdin == ""
	switch c.name {
	case ">", ">>":
		for _, w := range c.args {
			h.put(w, nothing && c.name == ">")
		}
	case "tee", "sponge":
		o := parseOptions(c.args, "", false)
		for _, w := range o.words {
			h.put(w, nothing && !o.has("a", "append"))
		}
	case "touch", "mkdir":
		for _, w := range parseOptions(c.args, "m mode d date r reference t", false).words {
			h.inside(w)
		}
	case "truncate":
		o := parseOptions(c.args, "s size r reference", false)
		for _, w := range o.words {
			if !helps(c) {
				h.empty(w)
			}
		}
	case "dd":
		h.dd()
	case "curl":
		o := parseOptions(c.args, "o output X request d data H header", false)
		for _, w := range slices.Concat(o.all["o"], o.all["output"]) {
			h.write(w)
		}
	case "wget":
		o := parseOptions(c.args, "O output-document o a P e U", false)
		for _, w := range slices.Concat(o.all["O"], o.all["output-document"]) {
			h.write(w)
		}
	case "patch":
		o := parseOptions(c.args, "p strip i input o output d directory F fuzz r reject-file B D V Y z", false)
		if !o.has("dry-run") {
			h.write(o.word(0))
			h.write(o.value("o", "output"))
		}
	default:
		h.copy()
	}
}

// put is a write, or the loss of what was there.
func (h *harm) put(word string, nothing bool) {
	if nothing {
		h.empty(word)
		return
	}
	h.write(word)
}

func (h *harm) dd() {
	from, to := "", ""
	for _, w := range h.c.args {
		if v, ok := strings.CutPrefix(w, "if="); ok {
			from = v
		}
		if v, ok := strings.CutPrefix(w, "of="); ok {
			to = v
		}
	}
	switch from {
	case "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom":
		h.empty(to)
	default:
		h.write(to)
	}
}

// copy is cp, install and ln: what is there under the new name is lost.
func (h *harm) copy() {
	takes := "S suffix t target-directory"
	if h.c.name == "install" {
		takes += " m mode o owner g group strip-program"
	}
	o := parseOptions(h.c.args, takes, false)
	switch {
	case h.c.name == "install" && (o.has("d") || given(o, "directory", 2)):
		return
	case h.c.name == "ln" && !o.has("f") && !given(o, "force", 1):
		// It fails where there is something. What it may make is a mask.
		h.masks(o)
		return
	case h.c.name == "link":
		return
	}
	from, to := h.copied(takes, h.c.args)
	for _, w := range to {
		// A copy of many files into a directory overwrites one of them if it is there.
		many := strings.ContainsAny(path.Base(w), "*?[")
		switch {
		case slices.Contains(from, "/dev/null"):
			h.write1(w, true, yes)
		case many:
			h.write1(w, false, maybe)
		default:
			h.write1(w, false, yes)
		}
	}
	if h.c.name == "ln" {
		h.masks(o)
	}
}

// masks is ln -s /dev/null .../UNIT, which is systemctl mask by hand.
func (h *harm) masks(o options) {
	if h.c.place.kind == inContainer || o.word(0) != "/dev/null" || len(o.words) < 2 {
		return
	}
	p, ok := parsePath(h.c.dir, o.words[1])
	if !ok || p.plain == "" || !strings.Contains(p.plain, "/systemd/") {
		return
	}
	if unit := path.Base(p.plain); slices.Contains(h.j.host.Units, unit) {
		h.hit("stack.unit", yes, "it masks "+unit)
	}
}

// edits are programs that change files in place.
func (j *judge) edits(c *call) {
	var files []string
	switch c.name {
	case "sed", "gsed":
		files = sedInPlace(c.args)
	case "perl", "ruby":
		files = perlInPlace(c.args)
	case "awk", "gawk":
		o := parseOptions(c.args, "i include v assign F field-separator f file e source l load", false)
		if !slices.Contains(o.all["i"], "inplace") && !slices.Contains(o.all["include"], "inplace") {
			return
		}
		files = o.words
	case "yq":
		o := parseOptions(c.args, "I indent o output-format p input-format", false)
		if !o.has("i", "inplace", "in-place") {
			return
		}
		files = o.words
	case "crudini":
		o := parseOptions(c.args, "", false)
		if !o.has("set", "del", "merge") {
			return
		}
		files = o.words[:min(1, len(o.words))]
	default:
		// -c and its kin have a value, which is no path; +CMD is none either.
		o := parseOptions(c.args, "c cmd S s u T", false)
		if o.has("R", "M", "version", "h", "help") {
			return
		}
		if c.name == "ed" || c.name == "ex" || c.name == "red" {
			o = parseOptions(c.args, "p c", false)
		}
		files = o.words
	}
	if len(files) == 0 {
		return
	}
	h := j.harm(c)
	for _, w := range files {
		h.write(w)
	}
	h.done()
}

// sedInPlace returns the files that sed changes. The suffix of -i has no blank before
// it: what comes after the letter is no option.
func sedInPlace(args []string) []string {
	clean := make([]string, 0, len(args))
	inPlace := false
	for i, a := range args {
		if a == "--" {
			clean = append(clean, args[i:]...)
			break
		}
		if len(a) > 1 && a[0] == '-' && a[1] != '-' {
			at := strings.IndexByte(a, 'i')
			// After e, f or l comes a value, and no more options.
			if value := strings.IndexAny(a, "efl"); at > 0 && (value < 0 || at < value) {
				inPlace, a = true, a[:at]+"i"
			}
		}
		clean = append(clean, a)
	}
	o := parseOptions(clean, "e expression f file l line-length", false)
	if !inPlace && !given(o, "in-place", 2) {
		return nil
	}
	if o.has("e", "f") || given(o, "expression", 1) || given(o, "file", 2) {
		return o.words
	}
	return o.rest(1)
}

// perlInPlace returns the files that perl or ruby change with -i: perlrun(1).
func perlInPlace(args []string) []string {
	inPlace, program := false, false
	for i := 0; i < len(args); i++ {
		a := args[i]
		if len(a) < 2 || a[0] != '-' || a == "--" {
			if a == "--" {
				i++
			}
			args = args[min(i, len(args)):]
			if !program && len(args) > 0 {
				args = args[1:]
			}
			if !inPlace {
				return nil
			}
			return args
		}
	letters:
		for k := 1; k < len(a); k++ {
			switch a[k] {
			case 'e', 'E':
				program = true
				if k == len(a)-1 {
					i++
				}
				break letters
			case 'i':
				inPlace = true
				break letters // a suffix
			case 'I', 'M', 'm', 'F', 'C', 'D', 'x', 'V', 'r', '-':
				break letters
			}
		}
	}
	return nil
}

// changesMode are chmod, chown and their kin.
func (j *judge) changesMode(c *call) {
	if helps(c) {
		return
	}
	var words []string
	rec, bare := no, true // bare: the first word is a mode or an owner
	switch c.name {
	case "setfacl":
		o := parseOptions(c.args, "m x M X modify remove set set-file modify-file remove-file restore", false)
		if o.has("test") {
			return
		}
		bare, words, rec = false, o.words, when(o.has("R", "recursive"))
	case "chcon":
		o := parseOptions(c.args, "t u r l type user role range reference", false)
		words, rec = o.words, when(o.has("R") || given(o, "recursive", 3))
		bare = !o.has("t", "u", "r", "l", "type", "user", "role", "range", "reference")
	default:
		ended := false
		for _, a := range c.args {
			switch {
			case ended || len(a) < 2 || a[0] != '-':
				words = append(words, a)
			case a == "--":
				ended = true
			case strings.HasPrefix(a, "--reference"):
				bare = false
			case strings.HasPrefix(a, "--"):
				if len(a) > 4 && strings.HasPrefix("--recursive", a) {
					rec = yes
				}
			case c.name == "chmod" && strings.Trim(a[1:], "rwxXstugo,=+-") == "", c.name == "chattr" && a != "-R" && a != "-V" && a != "-f":
				bare = false // chmod -w, chattr -i
			case strings.ContainsRune(a, 'R'):
				rec = yes
			}
		}
	}
	if bare && len(words) > 0 {
		words = words[1:]
	}
	h := j.harm(c)
	for _, w := range words {
		h.change(w, rec)
	}
	h.done()
}
