package guard

import (
	"maps"
	"path"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// clean is a path without what leads nowhere: //, ., and .. .
func clean(p string) string {
	if p == "" {
		return ""
	}
	return path.Clean(p)
}

// newCall is a call in this shell.
func (s *shell) newCall(name string, args []string, in input) *call {
	return &call{name: name, args: args, stdin: in.text, fed: in.fed, place: s.place, dir: s.dir, through: s.through, script: s.script}
}

// call runs a simple command, and returns what it prints.
func (s *shell) call(x *syntax.CallExpr, in input) string {
	if len(x.Args) == 0 {
		for _, a := range x.Assigns {
			s.assign(a)
		}
		return ""
	}
	argv := s.fields(x.Args)
	if len(argv) == 0 {
		return ""
	}
	// NAME=value before a command is for that command alone; the words were expanded
	// without it.
	if len(x.Assigns) > 0 {
		before := maps.Clone(s.vars)
		env := map[string]string{}
		for _, a := range x.Assigns {
			s.assign(a)
			if a.Name != nil {
				env[a.Name.Value] = s.vars[a.Name.Value].Str
			}
		}
		out := s.program(argv, in, env)
		if !shellBuiltin(argv[0]) {
			s.vars = before
		}
		return out
	}
	return s.program(argv, in, nil)
}

func shellBuiltin(name string) bool {
	switch name {
	case "eval", "source", ".", "read", "cd", "set", "export", "mapfile", "readarray":
		return true
	}
	return false
}

// program runs a program with its words: a function or builtin of the shell, something
// that runs another program, or a program that the rules are asked about.
func (s *shell) program(argv []string, in input, env map[string]string) string {
	s.j.spend()
	for len(argv) > 0 && argv[0] == "" {
		argv = argv[1:]
	}
	if len(argv) == 0 {
		return ""
	}
	if !in.fed && s.stdin != nil {
		in = *s.stdin
	}
	name := argv[0]
	if alias, ok := s.aliases[name]; ok && !slices.Contains(s.calling, name) {
		c := s.child("alias " + name)
		c.calling = append(slices.Clip(c.calling), name)
		return c.judgeText(alias+" "+Quote(argv[1:]), in)
	}
	if body, ok := s.funcs[name]; ok && !slices.Contains(s.calling, name) {
		return s.runFunction(name, body, argv[1:], in)
	}
	if out, done := s.builtin(name, argv[1:], in); done {
		return out
	}
	if other, ok := s.j.links[s.absolute(name)]; ok && strings.Contains(name, "/") {
		if name = other; !strings.Contains(name, "/") {
			name = s.absolute(name)
		}
	}
	c := s.newCall(base(name), argv[1:], in)
	c.env = env
	s.j.current = s
	if strings.ContainsAny(c.name, "*?[") && c.name != "[" {
		c.name = globbed(c.name)
		for _, known := range []string{"bash", "sh", "dash", "zsh", "sudo", "env", "python3"} {
			if is(c.name, known) == maybe {
				c.name = known
				break
			}
		}
	}
	if c.name == "" || open(c.name) {
		s.unknown(c)
		return s.unknownOut(in)
	}
	if out, done := s.wrapped(c, in); done {
		return out
	}
	if strings.Contains(name, "/") && s.runFile(c, name, in) {
		return holeWord
	}
	s.j.check(c)
	return s.prints(c, in)
}

// globbed is the name of a program with marks in the place of globs: /usr/bin/log*.
func globbed(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		switch name[i] {
		case '*', '?':
			b.WriteRune(hole)
		case '[':
			if end := strings.IndexByte(name[i:], ']'); end > 0 {
				b.WriteRune(hole)
				i += end
				continue
			}
			b.WriteByte('[')
		default:
			b.WriteByte(name[i])
		}
	}
	return b.String()
}

// unknownOut is what a program prints of which nothing is known but what it reads.
func (s *shell) unknownOut(in input) string {
	if tainted(in.text) {
		return taintWord
	}
	return holeWord
}

// runFunction runs a function of the line.
func (s *shell) runFunction(name string, body *syntax.Stmt, args []string, in input) string {
	outerArgs, outerCalling, outerThrough := s.args, s.calling, s.through
	if s.depth++; s.depth > maxDepth {
		panic(failure("its functions are too deep in one another"))
	}
	s.args = append([]string{}, args...)
	s.calling = append(slices.Clip(s.calling), name)
	s.through = append(slices.Clip(s.through), "the function "+shown(name))
	out := s.stmt(body, in)
	s.args, s.calling, s.through = outerArgs, outerCalling, outerThrough
	s.depth--
	return out
}

// builtin does what changes the shell itself. done is false for everything else.
func (s *shell) builtin(name string, args []string, in input) (out string, done bool) {
	switch name {
	case ":", "true", "false", "shopt", "ulimit", "umask", "wait", "jobs", "bg", "fg", "hash", "return", "exit", "break", "continue", "test", "[", "getopts", "let", "history", "bind", "complete", "compgen", "disown":
		return "", true
	case "cd", "pushd", "popd":
		s.cd(name, args)
	case "eval":
		c := s.through
		s.through = append(slices.Clip(s.through), "eval")
		if s.depth++; s.depth > maxDepth {
			panic(failure("its shells are too deep in one another"))
		}
		out = s.judgeText(strings.Join(args, " "), in)
		s.depth--
		s.through = c
	case "source", ".":
		if len(args) == 0 {
			break
		}
		text, ok := s.file(args[0])
		if !ok || s.depth >= maxDepth-1 {
			break
		}
		c, script := s.through, s.script
		s.through, s.script = append(slices.Clip(s.through), name+" "+shown(args[0])), true
		s.depth++
		out = s.judgeText(text, in)
		s.depth--
		s.through, s.script = c, script
	case "export", "readonly", "declare", "typeset", "local":
		// Reached by way of a variable or of builtin; a clause of its own else.
		for _, a := range args {
			if name, value, ok := strings.Cut(a, "="); ok && syntax.ValidName(name) {
				s.set(name, text(value))
			}
		}
	case "unset":
		for _, a := range args {
			delete(s.vars, a)
			delete(s.funcs, a)
		}
	case "set":
		s.setArgs(args)
	case "shift":
		if len(s.args) > 0 {
			s.args = s.args[1:]
		}
	case "read":
		s.read(args, in)
	case "mapfile", "readarray":
		name := "MAPFILE"
		if o := parseOptions(args, "d n O s u C c", false); len(o.words) > 0 {
			name = o.words[0]
		}
		s.vars[name] = list(strings.Split(strings.TrimSuffix(feed(in), "\n"), "\n"))
	case "alias":
		for _, a := range args {
			if name, value, ok := strings.Cut(a, "="); ok {
				s.aliases[name] = value
				c := s.child("alias " + name)
				c.script = true
				c.judgeText(value, input{})
			}
		}
	case "unalias":
		for _, a := range args {
			delete(s.aliases, a)
		}
	case "trap":
		if o := parseOptions(args, "", true); len(o.words) > 0 {
			s.child("trap").judgeText(o.words[0], input{})
		}
	case "printf":
		// printf -v NAME sets a variable; the rest is seen where it prints.
		if len(args) > 2 && args[0] == "-v" {
			s.vars[args[1]] = text(s.format(args[2], args[3:]))
			return "", true
		}
		return "", false
	default:
		return "", false
	}
	return out, true
}

// feed is what is read, or a mark.
func feed(in input) string {
	if !in.fed {
		return holeWord
	}
	return in.text
}

func (s *shell) cd(name string, args []string) {
	o := parseOptions(args, "", false)
	to := o.word(0)
	switch {
	case name == "popd" || to == "-" || strings.HasPrefix(to, "+"):
		s.dir = ""
		return
	case to == "":
		to = s.j.host.Home
		if name == "pushd" {
			s.dir = ""
			return
		}
	}
	to = s.absolute(to)
	if open(to) || !strings.HasPrefix(to, "/") {
		s.dir = ""
		return
	}
	s.dir = to
}

// setArgs is set -- WORD...
func (s *shell) setArgs(args []string) {
	for i, a := range args {
		switch {
		case a == "--":
			s.args = append([]string{}, args[i+1:]...)
			return
		case a == "-o" || a == "+o":
			return
		case !strings.HasPrefix(a, "-") && !strings.HasPrefix(a, "+"):
			s.args = append([]string{}, args[i:]...)
			return
		}
	}
}

// read takes a line of what is fed to the shell.
func (s *shell) read(args []string, in input) {
	o := parseOptions(args, "a d i n N p t u", false)
	line := holeWord
	if in.fed {
		source := &in
		if s.stdin != nil && s.stdin.text == in.text {
			source = s.stdin
		}
		first, rest, more := strings.Cut(source.text, "\n")
		line = first
		if more {
			source.text = rest
		} else {
			source.text = ""
		}
	}
	words := strings.Fields(line)
	if name := o.value("a"); name != "" {
		s.vars[name] = list(words)
		return
	}
	names := o.words
	if len(names) == 0 {
		names = []string{"REPLY"}
	}
	for i, name := range names {
		value := ""
		switch {
		case i == len(names)-1 && i < len(words):
			value = strings.Join(words[i:], " ")
		case i < len(words):
			value = words[i]
		}
		if value == "" && open(line) {
			value = holeWord
		}
		s.vars[name] = text(value)
	}
}

// runFile judges a program that is a file of this host, or one that the line wrote:
// a script. It returns false if it is none that can be read.
func (s *shell) runFile(c *call, path string, in input) bool {
	for _, dir := range []string{"/usr/bin/", "/bin/", "/usr/sbin/", "/sbin/"} {
		if strings.HasPrefix(path, dir) {
			return false
		}
	}
	text, ok := s.file(path)
	if !ok || strings.ContainsRune(clip(text, 512), 0) {
		return false
	}
	shebang, _, _ := strings.Cut(text, "\n")
	interpreter := "sh"
	if strings.HasPrefix(shebang, "#!") {
		words := strings.Fields(shebang[2:])
		if len(words) > 0 && base(words[0]) == "env" {
			words = slices.DeleteFunc(words[1:], func(w string) bool { return strings.HasPrefix(w, "-") || strings.Contains(w, "=") })
		}
		if len(words) == 0 {
			return false
		}
		interpreter = base(words[0])
	}
	if !isShell(interpreter) {
		// python FILE: what reads code looks into it.
		inner := *c
		inner.name, inner.args = interpreter, append([]string{path}, c.args...)
		s.j.check(&inner)
		return false
	}
	s.script_(text, path, c.args, in)
	return true
}

// script_ runs the text of a script with its words.
func (s *shell) script_(text, path string, args []string, in input) string {
	if s.depth >= maxDepth-2 {
		return holeWord // scripts that run one another
	}
	inner := s.child(shown(path))
	inner.script = true
	inner.args = append([]string{}, args...)
	return inner.judgeText(text, in)
}

func isShell(name string) bool {
	switch name {
	case "sh", "bash", "dash", "zsh", "ksh", "ksh93", "mksh", "ash", "fish", "rbash", "lksh", "oksh", "yash", "pdksh":
		return true
	}
	return false
}

// guardedPrograms are those that a program with an unknown name may be.
func guardedPrograms() []string {
	return []string{
		"loginctl", "systemctl", "busctl", "podman", "docker", "keeper", "rm", "redis-cli", "psql", "git", "mc", "aws", "kill", "pkill", "killall",
		"userdel", "umount", "chmod", "mv", "find", "truncate", "podman-compose",
	}
}

// unknown looks at a program whose name is not known: would it be one that is guarded
// with these words? And it may be empty, or sudo: then the words are the program.
func (s *shell) unknown(c *call) {
	known := slices.ContainsFunc(c.args, func(a string) bool { return !open(a) })
	whole := strings.Trim(c.name, holeWord+taintWord) == ""
	candidates := guardedPrograms()
	if !whole {
		candidates = append(candidates, "shutdown", "reboot", "poweroff", "halt", "gdbus", "dbus-send", "init", "telinit", "kexec")
	} else if !known {
		return
	}
	outer := s.j.findings
	done := false
	defer func() {
		if !done { // the work was too much, in the middle of it
			s.j.findings = outer
		}
	}()
	var found []Finding
	trial := func(run func()) {
		s.j.findings = nil
		run()
		found = append(found, s.j.findings...)
	}
	for _, name := range candidates {
		if is(c.name, name) == no {
			continue
		}
		as := *c
		as.name = name
		trial(func() { s.j.spend(); s.j.rules(&as) })
	}
	if whole {
		trial(func() {
			inner := s.sub()
			inner.program(c.args, input{c.stdin, c.fed}, nil)
		})
	}
	s.j.findings, done = outer, true
	for _, f := range found {
		// What depends on two unknown things at once is not asked about.
		if f.Unsure && whole {
			continue
		}
		s.j.find(c, "guard.unknown", maybe, "it may be "+f.Command+", which is "+f.ID)
		return
	}
}
