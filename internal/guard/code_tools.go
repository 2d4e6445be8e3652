package guard

import "strings"

// tools looks for the shell lines that programs take which are no interpreters.
func (w *codeWork) tools(c *call) {
	switch c.name {
	case "tar", "gtar", "bsdtar":
		w.valued(c, "--to-command", "--use-compress-program", "-I", "--info-script", "--new-volume-script", "-F", "--rsh-command", "--rmt-command")
		for _, v := range valuesOf(c.args, "--checkpoint-action") {
			if cmd, ok := strings.CutPrefix(v, "exec="); ok {
				w.line(c, cmd)
			}
		}
	case "rsync":
		w.valued(c, "-e", "--rsh")
		for _, v := range valuesOf(c.args, "--rsync-path") {
			there := *c
			there.place = place{kind: remote, name: holeWord}
			w.line(&there, v)
		}
	case "ssh", "scp", "sftp", "ssh-copy-id":
		w.ssh(c)
	case "sed", "gsed":
		w.sed(c)
	case "vim", "vi", "nvim", "ex", "view", "vimdiff", "gvim":
		w.vim(c)
	case "ed", "red":
		w.ed(c)
	case "gdb", "lldb":
		w.gdb(c)
	case "make", "gmake":
		w.make(c)
	case "zip":
		w.valued(c, "-TT", "--unzip-command")
	case "crontab":
		w.crontab(c)
	case "expect", "tclsh", "wish":
		w.tcl(c)
	}
}

// line hands a shell line on.
func (w *codeWork) line(c *call, text string) {
	if !holesOnly(text) {
		w.do.nested(c, text, c.name)
	}
}

// valuesOf are the values of an option: --name=value, --name value, -xvalue, -x value.
func valuesOf(args []string, name string) []string {
	var out []string
	for i, a := range args {
		rest, ok := strings.CutPrefix(a, name)
		switch {
		case a == "--":
			return out
		case !ok:
		case rest == "" && i+1 < len(args):
			out = append(out, args[i+1])
		case rest != "" && (strings.HasPrefix(rest, "=") || !strings.HasPrefix(name, "--") && len(name) == 2):
			out = append(out, strings.TrimPrefix(rest, "="))
		}
	}
	return out
}

func (w *codeWork) valued(c *call, names ...string) {
	for _, n := range names {
		for _, v := range valuesOf(c.args, n) {
			w.line(c, v)
		}
	}
}

// ssh has options that run something here, before it goes anywhere.
func (w *codeWork) ssh(c *call) {
	for _, v := range valuesOf(c.args, "-o") {
		name, cmd, ok := strings.Cut(v, "=")
		if blank, after, cut := strings.Cut(v, " "); cut && (!ok || len(blank) < len(name)) {
			name, cmd = blank, after
		}
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "proxycommand", "localcommand", "knownhostscommand":
			w.line(c, strings.Trim(strings.TrimSpace(cmd), `"`))
		}
	}
	if c.name != "ssh" {
		w.valued(c, "-S")
	}
}

// sed has the e command and the e flag of s, which run what they find, and w, which
// writes a file.
func (w *codeWork) sed(c *call) {
	var scripts []string
	words := []string{}
	for i := 0; i < len(c.args); i++ {
		a := c.args[i]
		name, v, joined := strings.Cut(a, "=")
		switch {
		case a == "--sandbox":
			return
		case name == "--expression" || name == "--file":
			if !joined && i+1 < len(c.args) {
				i++
				v = c.args[i]
			}
		case strings.HasPrefix(a, "--") || len(a) < 2 || a[0] != '-':
			if a != "--" && !strings.HasPrefix(a, "--") {
				words = append(words, a)
			}
			continue
		default: // a cluster of letters, of which e and f take the rest, or the next word
			at := strings.IndexAny(a, "efl")
			if i2 := strings.IndexByte(a, 'i'); at < 0 || i2 >= 0 && i2 < at {
				continue
			}
			name = "-" + a[at:at+1]
			if v = a[at+1:]; v == "" && i+1 < len(c.args) {
				i++
				v = c.args[i]
			}
		}
		switch name {
		case "-e", "--expression":
			scripts = append(scripts, v)
		case "-f", "--file":
			if t, ok := w.text(c, v); ok {
				scripts = append(scripts, t)
			} else if v == "-" || v == "/dev/stdin" {
				scripts = append(scripts, c.stdin)
			} else {
				scripts = append(scripts, "")
			}
		}
	}
	if len(scripts) == 0 && len(words) > 0 {
		scripts = words[:1]
	}
	for _, s := range scripts {
		w.sedScript(c, s)
	}
}

// sedScript goes through the commands of one script.
func (w *codeWork) sedScript(c *call, s string) {
	l := &codeLexer{s: s}
	for tries := 0; l.i < len(s) && tries < 10000; tries++ {
		switch ch := s[l.i]; ch {
		case ' ', '\t', '\n', ';', '{', '}', ',', '!', '$', '~', '+':
			l.i++
		case '/':
			l.pass(1, '/')
			for l.at(0) == 'I' || l.at(0) == 'M' {
				l.i++
			}
		case '\\':
			if l.at(1) != 0 {
				l.pass(2, l.at(1))
			} else {
				l.i++
			}
		case '#', 'a', 'i', 'c', 'r', 'R', ':', 'b', 't', 'T', 'F', 'Q', 'q', 'l', 'L', 'v':
			end := "\n"
			if strings.IndexByte("btTFQqlL", ch) >= 0 {
				end = ";\n}"
			}
			l.i += lengthTo(s[l.i:], end)
		case 'e', 'w', 'W':
			n := lengthTo(s[l.i:], "\n")
			rest := strings.TrimSpace(s[l.i+1 : l.i+n])
			l.i += n
			if ch == 'e' {
				w.line(c, rest)
			} else if rest != "" {
				w.do.nestedArgs(c, []string{">", rest}, c.name)
			}
		case 's', 'y':
			w.sedReplace(c, l)
		default:
			l.i++
		}
	}
}

// sedReplace is s/pattern/text/flags.
func (w *codeWork) sedReplace(c *call, l *codeLexer) {
	swaps := l.s[l.i] == 's'
	d := l.at(1)
	if d == 0 {
		l.i++
		return
	}
	l.i += 2
	part := func() string {
		from := l.i
		for l.i < len(l.s) && l.s[l.i] != d {
			if l.s[l.i] == '\\' {
				l.i++
			}
			l.i++
		}
		l.i = min(l.i, len(l.s))
		text := l.s[from:l.i]
		l.i = min(l.i+1, len(l.s))
		return text
	}
	part()
	text := part()
	if !swaps {
		return
	}
	runsIt := false
	for l.i < len(l.s) && strings.IndexByte("gpiImMe0123456789", l.s[l.i]) >= 0 {
		runsIt = runsIt || l.s[l.i] == 'e'
		l.i++
	}
	if l.at(0) == 'w' {
		n := lengthTo(l.s[l.i:], "\n")
		if name := strings.TrimSpace(l.s[l.i+1 : l.i+n]); name != "" {
			w.do.nestedArgs(c, []string{">", name}, c.name)
		}
		l.i += n
	}
	if runsIt {
		w.line(c, sedText(text, d))
	}
}

// sedText is the text that s puts in: & and \1 are what was found.
func sedText(s string, d byte) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '&':
			b.WriteString(holeWord)
		case s[i] == '\\' && i+1 < len(s):
			i++
			switch {
			case isDigit(s[i]):
				b.WriteString(holeWord)
			case s[i] == 'n':
				b.WriteByte('\n')
			case s[i] == d || s[i] == '&' || s[i] == '\\':
				b.WriteByte(s[i])
			default:
				b.WriteByte(s[i])
			}
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// lengthTo is the length up to one of some signs, or to the end.
func lengthTo(s, signs string) int {
	if n := strings.IndexAny(s, signs); n >= 0 {
		return n
	}
	return len(s)
}
