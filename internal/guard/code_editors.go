package guard

import "strings"

// vim runs commands of its command line: -c, --cmd, +command, and those of standard
// input in ex mode.
func (w *codeWork) vim(c *call) {
	var lines []string
	scripted := c.name == "ex"
	for i, a := range c.args {
		switch {
		case a == "--":
		case strings.HasPrefix(a, "+"):
			lines = append(lines, a[1:])
		case (a == "-c" || a == "--cmd") && i+1 < len(c.args):
			lines = append(lines, c.args[i+1])
		case strings.HasPrefix(a, "-c") && len(a) > 2:
			lines = append(lines, a[2:])
		case a == "-S" || a == "-s" || a == "-u":
			if i+1 < len(c.args) {
				if text, ok := w.text(c, c.args[i+1]); ok {
					lines = append(lines, strings.Split(text, "\n")...)
				}
			}
			scripted = scripted || a == "-s"
		case strings.HasPrefix(a, "-e") || strings.HasPrefix(a, "-E"):
			scripted = true
		}
	}
	if scripted {
		lines = append(lines, strings.Split(c.stdin, "\n")...)
	}
	for _, l := range lines {
		w.exLine(c, l)
	}
}

// exLine is one line of ex: !cmd, r !cmd, w !cmd, %!cmd, call system("cmd").
func (w *codeWork) exLine(c *call, line string) {
	line = strings.TrimSpace(line)
	if strings.Contains(line, "system(") || strings.Contains(line, "delete(") || strings.Contains(line, "systemlist(") || strings.Contains(line, "jobstart(") || strings.Contains(line, "job_start(") || strings.Contains(line, "os.execute(") {
		text := strings.NewReplacer("systemlist(", "system(", "jobstart(", "system(", "job_start(", "system(", "delete(", "unlink(").Replace(line)
		w.program(c, langPHP, text, nil, true)
	}
	for _, verb := range [...]string{"python3 ", "py3 ", "python ", "pythonx ", "pyx "} {
		if at := strings.Index(line, verb); at >= 0 && strings.Trim(line[:at], ": silent!") == "" {
			w.program(c, langPython, line[at+len(verb):], nil, true)
			return
		}
	}
	for _, verb := range [...]string{"terminal ", "term ", "ter "} {
		if rest, ok := strings.CutPrefix(strings.TrimLeft(line, ":"), verb); ok {
			w.line(c, rest)
			return
		}
	}
	at := strings.IndexByte(line, '!')
	for at >= 0 && strings.HasSuffix(line[:at], "silent") { // silent! is a word of its own
		next := strings.IndexByte(line[at+1:], '!')
		if next < 0 {
			return
		}
		at += 1 + next
	}
	if at < 0 {
		return
	}
	for _, word := range strings.FieldsFunc(line[:at], func(r rune) bool { return strings.ContainsRune(" :%.,$0123456789'<>|\"!+-/\\&~", r) }) {
		switch word {
		case "silent", "sil", "r", "re", "read", "w", "write", "exe", "exec", "execute", "normal", "norm", "g", "bufdo", "v", "noautocmd", "verbose":
		default:
			return // q!, wq!, or text with an exclamation mark
		}
	}
	if rest := strings.TrimSpace(strings.TrimRight(line[at+1:], "'\"")); rest != "" {
		w.line(c, rest)
	}
}

// ed runs !cmd, and r !cmd and w !cmd; so it does with a file of the name !cmd.
func (w *codeWork) ed(c *call) {
	for _, a := range c.args {
		if cmd, ok := strings.CutPrefix(a, "!"); ok {
			w.line(c, cmd)
		}
	}
	typing := false
	for l := range strings.SplitSeq(c.stdin, "\n") {
		l = strings.TrimSpace(l)
		switch {
		case typing:
			typing = l != "."
		case l == "a" || l == "i" || l == "c" || strings.HasSuffix(l, "a") && strings.Trim(l, "0123456789$.,a") == "":
			typing = true
		default:
			w.exLine(c, l)
		}
	}
}

// gdb runs shell and !, pipe, python, and calls functions in the program that it looks
// at.
func (w *codeWork) gdb(c *call) {
	var lines []string
	for _, name := range [...]string{"-ex", "--ex", "-iex", "--eval-command", "-eval-command", "-o", "--one-line", "-O"} {
		lines = append(lines, valuesOf(c.args, name)...)
	}
	for _, name := range [...]string{"-x", "--command", "-s", "--source"} {
		for _, file := range valuesOf(c.args, name) {
			if text, ok := w.text(c, file); ok {
				lines = append(lines, strings.Split(text, "\n")...)
			}
		}
	}
	lines = append(lines, strings.Split(c.stdin, "\n")...)
	for _, l := range lines {
		l = strings.TrimSpace(l)
		if cmd, ok := strings.CutPrefix(l, "!"); ok {
			w.line(c, cmd)
			continue
		}
		verb, rest, _ := strings.Cut(l, " ")
		switch verb {
		case "shell", "platform":
			w.line(c, strings.TrimPrefix(rest, "shell "))
		case "pipe", "|":
			if _, cmd, ok := strings.Cut(rest, "|"); ok {
				w.line(c, cmd)
			}
		case "python", "py", "python-interactive", "pi", "script":
			w.program(c, langPython, rest, nil, true)
		case "call", "print", "p", "expr", "compile", "expression", "set", "output":
			rest = strings.NewReplacer("(int)", "", "(void)", "", "(long)", "", "((int(*)(const char*))system)", "system").Replace(rest)
			w.program(c, langPHP, rest, nil, true)
		}
	}
}

// make runs recipes: those of standard input and of --eval are read.
func (w *codeWork) make(c *call) {
	for _, name := range [...]string{"--eval", "-E"} {
		for _, v := range valuesOf(c.args, name) {
			w.makefile(c, v)
		}
	}
	for _, name := range [...]string{"-f", "--file", "--makefile"} {
		for _, v := range valuesOf(c.args, name) {
			if v == "-" || v == "/dev/stdin" {
				w.makefile(c, c.stdin)
			}
		}
	}
}

// makefile goes through the text of one: recipes, and what $(shell ...) and != run.
func (w *codeWork) makefile(c *call, text string) {
	vars := map[string]string{}
	text = strings.ReplaceAll(text, "\\\n", " ")
	for l := range strings.SplitSeq(text, "\n") {
		for at := strings.Index(l, "$(shell "); at >= 0; at = strings.Index(l, "$(shell ") {
			end := strings.IndexByte(l[at:], ')')
			if end < 0 {
				end = len(l) - at
			}
			w.line(c, makeText(l[at+len("$(shell "):at+end], vars))
			l = l[:at] + holeWord + l[min(at+end+1, len(l)):]
		}
		if recipe, ok := strings.CutPrefix(l, "\t"); ok {
			w.line(c, makeText(strings.TrimLeft(recipe, "@-+ "), vars))
			continue
		}
		if name, cmd, ok := strings.Cut(l, "!="); ok && !strings.ContainsAny(name, ":#") {
			w.line(c, makeText(cmd, vars))
			continue
		}
		if name, value, ok := strings.Cut(l, "="); ok && len(vars) < 256 {
			if name = strings.Trim(name, " :?+"); name != "" && !strings.ContainsAny(name, ": #") {
				vars[name] = makeText(strings.TrimSpace(value), vars)
				continue
			}
		}
		if _, rest, ok := strings.Cut(l, ":"); ok {
			if _, recipe, ok := strings.Cut(rest, ";"); ok {
				w.line(c, makeText(strings.TrimLeft(recipe, " @-+"), vars))
			}
		}
	}
}

// makeText puts in the variables of make; $$ is the shell's own sign.
func makeText(s string, vars map[string]string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '$' || i+1 >= len(s):
			b.WriteByte(s[i])
		case s[i+1] == '$':
			b.WriteByte('$')
			i++
		case s[i+1] == '(' || s[i+1] == '{':
			end := strings.IndexByte(s[i:], closerOf(s[i+1]))
			if end < 0 {
				b.WriteString(holeWord)
				return b.String()
			}
			if v, ok := vars[s[i+2:i+end]]; ok {
				b.WriteString(v)
			} else {
				b.WriteString(holeWord)
			}
			i += end
		default:
			if v, ok := vars[s[i+1:i+2]]; ok {
				b.WriteString(v)
			} else {
				b.WriteString(holeWord)
			}
			i++
		}
		if b.Len() > maxCodeText {
			return holeWord
		}
	}
	return b.String()
}

// crontab takes a table from standard input or a file: what it runs, it runs later.
func (w *codeWork) crontab(c *call) {
	text := c.stdin
	o := parseOptions(c.args, "u", false)
	if o.has("l", "e", "r") {
		return
	}
	if name := o.word(0); name != "" && name != "-" {
		text, _ = w.text(c, name)
	}
	lines := 0
	for l := range strings.SplitSeq(text, "\n") {
		l = strings.TrimSpace(strings.TrimLeft(l, holeWord+taintWord)) // what was there before
		skip := 5
		if strings.HasPrefix(l, "@") {
			skip = 1
		}
		if l == "" || l[0] == '#' {
			continue
		}
		for ; skip > 0 && l != ""; skip-- {
			if field, _, _ := strings.Cut(l, "="); strings.IndexFunc(field, func(r rune) bool { return r == ' ' || r == '\t' }) < 0 && field != l && !strings.ContainsAny(field, "*/@") {
				l = "" // a variable
				break
			}
			l = strings.TrimLeft(l[lengthTo(l, " \t"):], " \t")
		}
		if lines++; l != "" && lines < 1000 {
			cmd, _, _ := strings.Cut(l, "%") // what follows is its standard input
			w.line(c, cmd)
		}
	}
}
