package guard

import (
	"path"
	"strings"

	"mvdan.cc/sh/v3/expand"
)

// code judges the programs that a call hands to an interpreter: python -c, perl -e, awk,
// and what else runs text as commands.
func (j *judge) code(c *call) {
	w := codeWork{do: j, host: &j.host, spent: &j.codeSpent}
	w.call(c)
	j.said, j.saidBy = w.said, c
}

// printed returns what the program of a call prints that was read last, with marks for
// what cannot be known of it; it is "" where nothing of it is known. It may be fed to a
// shell.
func (j *judge) printed(c *call) string {
	if j.saidBy != c || holesOnly(j.said) {
		return ""
	}
	return j.said
}

// guessed judges a text that may be a shell line, and may be anything else.
func (j *judge) guessed(c *call, text, via string) {
	if f, err := parse(text); err == nil {
		before := j.current
		j.shellOf(c).child(via).stmts(f.Stmts, input{})
		j.current = before
	}
}

// exported is a variable that the line set before.
func (j *judge) exported(name string) (string, bool) {
	if j.current == nil {
		return "", false
	}
	v, ok := j.current.vars[name]
	return v.Str, ok && v.IsSet() && v.Kind == expand.String
}

// textOf is what stands in a file, or was written to it on the same line.
func (j *judge) textOf(c *call, name string) (string, bool) {
	return j.shellOf(c).file(name)
}

// sqlText judges SQL in a program's string.
func (j *judge) sqlText(c *call, text string) {
	s := newSQL(plainSQL)
	s.run(text)
	kept := s.found[:0]
	for _, f := range s.found {
		if f.rule != "guard.unknown" { // it need not be SQL
			kept = append(kept, f)
		}
	}
	s.found = kept
	j.sqlFound(c, s, "")
}

// codeWork is what reading the code of one call needs.
type codeWork struct {
	do    codeHands
	host  *Host
	spent *int
	said  string
}

// call finds the code of a call, and has it read.
func (w *codeWork) call(c *call) {
	name := c.name
	if strings.HasPrefix(name, "python") || strings.HasPrefix(name, "pypy") || strings.HasPrefix(name, "perl5") || strings.HasPrefix(name, "lua5") || strings.HasPrefix(name, "php8") || strings.HasPrefix(name, "ruby3") || strings.HasPrefix(name, "tclsh8") {
		name = strings.TrimRight(name, "0123456789.t")
	}
	switch name {
	case "python", "pypy", "ipython", "bpython":
		w.options(c, langPython, "c", "X W Q", "m")
	case "perl":
		w.options(c, langPerl, "e E", "I", "i M m F x C D d 0 l V")
	case "ruby":
		w.options(c, langRuby, "e", "r I C E", "i F x W 0 T K")
	case "node", "nodejs", "bun", "tsx", "ts-node", "deno":
		w.node(c)
	case "php":
		w.options(c, langPHP, "r R B E", "d c z", "")
	case "lua", "luajit", "texlua":
		w.options(c, langLua, "e", "l", "")
	case "Rscript", "R", "littler":
		w.options(c, langR, "e", "", "")
	case "awk", "gawk", "mawk", "nawk", "original-awk":
		w.awk(c)
	case "rails":
		w.runner(c)
	default:
		w.tools(c)
	}
}

// options finds the code of an interpreter among its options: those of one letter that
// take code, those that take a value in the next word as well, and those that take
// the rest of their own word. The first word is a file with the program, and with
// neither the program comes through standard input.
func (w *codeWork) options(c *call, lang codeLang, code, valued, rest string) {
	var text []string
	for i := 0; i < len(c.args); i++ {
		a := c.args[i]
		switch {
		case a == "-" || a == "/dev/stdin":
			w.stdin(c, lang, c.args[i+1:])
			return
		case a == "--":
			continue
		case strings.HasPrefix(a, "--"):
			if name, v, joined := strings.Cut(a[2:], "="); name == "eval" || name == "run" || name == "execute" {
				if !joined && i+1 < len(c.args) {
					i++
					v = c.args[i]
				}
				text = append(text, v)
			}
			continue
		case len(a) < 2 || a[0] != '-' || open(a[:2]):
			if len(text) > 0 {
				w.program(c, lang, strings.Join(text, "\n"), c.args[i:], false)
				return
			}
			w.file(c, lang, a, c.args[i+1:])
			return
		}
		for n := 1; n < len(a); n++ {
			letter := string(a[n])
			has := func(set string) bool { return strings.Contains(" "+set+" ", " "+letter+" ") }
			switch {
			case has(code) || has(valued):
				v := a[n+1:]
				if v == "" && i+1 < len(c.args) {
					i++
					v = c.args[i]
				}
				if has(code) {
					text = append(text, v)
				}
				if lang == langPython && has(code) { // what follows is the program's
					w.program(c, lang, v, c.args[min(i+1, len(c.args)):], false)
					return
				}
				n = len(a)
			case letter == "m" && lang == langPython:
				return
			case letter == "0" || letter == "l" || letter == "i" && n+1 < len(a) && a[n+1] != '.':
				for n+1 < len(a) && isDigit(a[n+1]) {
					n++
				}
			case has(rest):
				n = len(a)
			}
		}
	}
	if len(text) > 0 {
		w.program(c, lang, strings.Join(text, "\n"), nil, false)
		return
	}
	w.stdin(c, lang, nil)
}

// node finds the code of Node.js, Bun and Deno.
func (w *codeWork) node(c *call) {
	for i := 0; i < len(c.args); i++ {
		a := c.args[i]
		name, v, joined := strings.Cut(a, "=")
		switch {
		case c.name == "deno" && a == "eval", name == "-e", name == "--eval", name == "-p", name == "--print", name == "-pe", name == "-ep", c.name == "bun" && a == "exec":
			if !joined || !strings.HasPrefix(name, "--") {
				for i+1 < len(c.args) && c.name == "deno" && strings.HasPrefix(c.args[i+1], "-") {
					i++
				}
				if i+1 >= len(c.args) {
					return
				}
				i++
				v = c.args[i]
			}
			if a == "exec" {
				w.do.nested(c, v, c.name)
				return
			}
			w.program(c, langNode, v, c.args[i+1:], false)
			return
		case a == "-r" || a == "--require" || a == "--import" || a == "--loader" || a == "-C":
			i++
		case a == "-":
			w.stdin(c, langNode, c.args[i+1:])
			return
		case strings.HasPrefix(a, "-"), a == "run" && c.name != "node":
		case strings.Contains(path.Base(a), ".") || c.name == "node":
			w.file(c, langNode, a, c.args[i+1:])
			return
		default:
			return // a verb of bun or deno
		}
	}
	w.stdin(c, langNode, nil)
}

// runner is Rails' runner CODE. Django's shell is judged with the rest of manage.py.
func (w *codeWork) runner(c *call) {
	if len(c.args) > 1 && (c.args[0] == "runner" || c.args[0] == "r") {
		w.program(c, langRuby, c.args[1], c.args[2:], false)
	}
}

// stdin reads a program from standard input.
func (w *codeWork) stdin(c *call, lang codeLang, args []string) {
	if c.fed && c.stdin != "" {
		w.program(c, lang, c.stdin, args, true)
	}
}

// file reads a program that stands in a file of this host. What is not sure there is
// not asked about.
func (w *codeWork) file(c *call, lang codeLang, name string, args []string) {
	if text, ok := w.text(c, name); ok {
		script := *c
		script.script = true
		w.program(&script, lang, text, args, false)
	}
}

// text is what stands in a file.
func (w *codeWork) text(c *call, name string) (string, bool) {
	if name == "" || open(name) {
		return "", false
	}
	text, ok := w.do.textOf(c, name)
	if len(text) > maxCode {
		text = text[:maxCode]
	}
	return text, ok
}

// program reads one program. eaten says that it came through standard input itself.
func (w *codeWork) program(c *call, lang codeLang, text string, args []string, eaten bool) {
	if strings.TrimSpace(text) == "" || holesOnly(text) {
		return
	}
	if len(text) > maxCode {
		w.do.find(c, "guard.unreadable", maybe, "too much code")
		text = text[:maxCode]
	}
	r := &codeReader{
		do: w.do, host: w.host, c: c, lang: lang, args: args, work: w.spent,
		vars: map[string]codeValue{}, seen: map[string]bool{}, source: strings.ToLower(text),
	}
	if !eaten && c.fed {
		r.input = c.stdin
	}
	r.read(text)
	w.said = r.out.String()
}
