package guard

import "strings"

// tcl reads the scripts of expect and tclsh.
func (w *codeWork) tcl(c *call) {
	text := c.stdin
	var scripts []string
	if c.name == "expect" {
		scripts = valuesOf(c.args, "-c")
	}
	if len(scripts) == 0 {
		for _, a := range c.args {
			if strings.HasPrefix(a, "-") {
				continue
			}
			text, _ = w.text(c, a)
			break
		}
		scripts = []string{text}
	}
	t := tclReader{w: w, c: c}
	for _, s := range scripts {
		if len(s) <= maxCode {
			t.script(s, 0)
		}
	}
}

type tclReader struct {
	w    *codeWork
	c    *call
	pipe string // what was spawned last, and is sent to
	runs int
}

// script reads commands, one a line or between semicolons.
func (t *tclReader) script(s string, depth int) {
	if depth > 12 {
		return
	}
	if *t.w.spent += len(s); *t.w.spent > maxCodeWork {
		return
	}
	for i := 0; i < len(s); {
		words, next := t.words(s, i, depth)
		t.command(words, depth)
		i = max(next, i+1)
	}
}

// words reads one command, and returns where the next one starts.
func (t *tclReader) words(s string, i, depth int) ([]string, int) {
	var words []string
	var b strings.Builder
	started := false
	flush := func() {
		if started {
			words = append(words, b.String())
			b.Reset()
			started = false
		}
	}
	quoted := false
	for ; i < len(s); i++ {
		ch := s[i]
		switch {
		case ch == '\\' && i+1 < len(s):
			i++
			started = true
			switch s[i] {
			case 'n', 'r':
				b.WriteByte('\n')
			case 't':
				b.WriteByte('\t')
			case '\n':
				b.WriteByte(' ')
			default:
				b.WriteByte(s[i])
			}
		case ch == '"' && (quoted || !started):
			quoted, started = !quoted, true
		case ch == '[':
			end := balanced(s, i, '[', ']')
			t.script(s[i+1:end], depth+1)
			b.WriteString(holeWord)
			started = true
			i = end
		case ch == '$' && i+1 < len(s) && (isCodeName(s[i+1]) || s[i+1] == '{'):
			for i+1 < len(s) && (isCodeName(s[i+1]) || s[i+1] == '{' || s[i+1] == '}' || s[i+1] == ':') {
				i++
			}
			b.WriteString(holeWord)
			started = true
		case quoted:
			b.WriteByte(ch)
		case ch == '{' && !started:
			end := balanced(s, i, '{', '}')
			b.WriteString(s[i+1 : end])
			started = true
			i = end
		case ch == '\n' || ch == ';':
			flush()
			return words, i + 1
		case ch == ' ' || ch == '\t' || ch == '\r':
			flush()
		case ch == '#' && len(words) == 0 && !started:
			return nil, i + lengthTo(s[i:], "\n") + 1
		default:
			b.WriteByte(ch)
			started = true
		}
		if len(words) > 4*maxCodeList {
			break
		}
	}
	flush()
	return words, len(s)
}

// balanced is where a bracket closes, or the end.
func balanced(s string, i int, open, closer byte) int {
	depth := 0
	for n := i; n < len(s); n++ {
		switch s[n] {
		case '\\':
			n++
		case open:
			depth++
		case closer:
			if depth--; depth == 0 {
				return n
			}
		}
	}
	return len(s)
}

// command judges one command of Tcl.
func (t *tclReader) command(words []string, depth int) {
	if len(words) < 2 {
		return
	}
	if t.runs++; t.runs > maxCodeTries {
		return
	}
	rest := words[1:]
	for len(rest) > 0 && strings.HasPrefix(rest[0], "-") && len(rest[0]) > 1 && words[0] != "file" {
		rest = rest[1:]
	}
	if len(rest) == 0 {
		return
	}
	last := rest[len(rest)-1]
	switch words[0] {
	case "spawn", "exec", "overlay":
		t.pipe = quoted(rest)
		t.w.do.nestedArgs(t.c, rest, t.c.name)
		if line := strings.Join(rest, " "); strings.ContainsAny(line, "|") { // exec a | b
			t.w.line(t.c, line)
		}
	case "system":
		t.w.line(t.c, strings.Join(rest, " "))
	case "send":
		if t.pipe != "" {
			t.w.line(t.c, t.pipe+" <<'KEEPER-END'\n"+strings.TrimSuffix(last, "\n")+"\nKEEPER-END\n")
		}
	case "open":
		if cmd, ok := strings.CutPrefix(rest[0], "|"); ok {
			t.pipe = cmd
			t.w.line(t.c, cmd)
		} else if len(rest) > 1 && strings.HasPrefix(rest[1], "w") {
			t.w.do.nestedArgs(t.c, []string{">", rest[0]}, t.c.name)
		}
	case "file":
		if rest[0] == "delete" || rest[0] == "rename" {
			argv := append([]string{map[string]string{"delete": "rm", "rename": "mv"}[rest[0]]}, rest[1:]...)
			for i, a := range argv {
				if a == "-force" {
					argv[i] = "-rf"
				}
			}
			t.w.do.nestedArgs(t.c, argv, t.c.name)
		}
	case "eval", "if", "while", "for", "foreach", "catch", "proc", "expect", "interact", "after", "uplevel", "try", "then", "else", "expect_after":
		for _, w := range rest {
			if strings.ContainsAny(w, " \n;") {
				t.script(w, depth+1)
			}
		}
	}
}
