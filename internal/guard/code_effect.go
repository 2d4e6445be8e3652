package guard

import "strings"

// call is a function with its arguments: what it returns, and what it does.
func (r *codeReader) call(name string, recv codeValue, args []codeValue, kw map[string]codeValue) codeValue {
	last := lastName(name)
	if v, ok := r.fold(name, last, recv, args, kw); ok {
		return v
	}
	switch last {
	case "send", "public_send", "__send__", "partial", "submit", "register", "to_thread", "call_user_func", "dispatch":
		f := arg(args, 0)
		if f.kind == vText && f.known() && (r.lang == langRuby || r.lang == langPHP) {
			f = codeValue{kind: vName, s: f.s}
		}
		if f.kind == vName && len(args) > 0 {
			return r.call(f.s, codeValue{}, args[1:], kw)
		}
	}
	r.handed(args, kw)
	if r.mutes(name) > 0 {
		return r.prints(name, args)
	}
	if program := r.commandOf(name); program != "" {
		r.ran(program, append(append([]codeValue{}, recv.list...), args...))
		return unknownValue
	}
	if last == "call" && objectOf(name) != "subprocess" && r.mentions("redis") {
		r.clients(name, "execute_command", args) // and it may be another call
	}
	if last == "exec" && objectOf(name) != "" && name[0] != '.' && r.lang != langPython {
		r.query(arg(args, 0))
	}
	if how, sure := r.runner(name, last); how != runsNothing {
		return r.start(how, sure, args, kw)
	}
	if (last == "kill" || last == "terminate" || last == "send_signal") && recv.s != "os" && recv.s != "signal" && r.mentions("psutil") {
		r.ended = true
		return unknownValue
	}
	for _, a := range args {
		if a.known() && len(r.given) < maxCodeTries && r.muted == 0 {
			r.given = append(r.given, a.s)
		}
	}
	if r.writes(name, last, recv, args) || r.kills(name, last, args) || r.removes(name, last, recv, args, kw) || r.clients(name, last, args) {
		return unknownValue
	}
	return unknownValue
}

// handed looks for functions that are handed to somebody who calls them.
func (r *codeReader) handed(args []codeValue, kw map[string]codeValue) {
	look := func(v codeValue) {
		if v.kind != vName {
			return
		}
		if how, sure := r.runner(v.s, lastName(v.s)); how != runsNothing && sure {
			r.loose = true
		}
	}
	for _, a := range args {
		look(a)
	}
	look(kw["target"])
	look(kw["func"])
}

// mutes is 1 for a function that only says something.
func (r *codeReader) mutes(path string) int {
	last := lastName(path)
	switch last {
	case "print", "puts", "p", "pp", "echo", "printf", "say", "log", "debug", "info", "warn", "warning", "error", "critical", "exception", "fail", "die", "exit", "println", "console", "print_r", "var_dump", "error_log", "add_argument", "ArgumentParser", "cprint", "secho", "note", "assertEqual", "assert_equal", "assertIn", "warnings", "expect", "dumps", "loads", "stringify", "search", "findall", "match", "test", "startswith", "endsWith", "includes", "startsWith", "index", "find", "count", "grep", "preg_match":
		return 1
	}
	if r.lang == langR && (last == "cat" || last == "message" || last == "stop") {
		return 1
	}
	if strings.HasSuffix(last, "Error") || strings.HasSuffix(last, "Exception") || strings.HasSuffix(last, "Warning") {
		return 1
	}
	switch path {
	case "sys.stdout.write", "sys.stderr.write", "process.stdout.write", "process.stderr.write", "io.write", "re.compile", "re.sub", "STDERR", "STDOUT", "RegExp":
		return 1
	}
	return 0
}

// prints notes what a program says, which may be fed to a shell. Perl's, Ruby's and
// awk's print may also go to a program.
func (r *codeReader) prints(name string, args []codeValue) codeValue {
	switch lastName(name) {
	case "print", "puts", "p", "echo", "printf", "say", "log", "write", "println", "cat":
	default:
		return unknownValue
	}
	said := textOf(args)
	if lastName(name) == "printf" && len(args) > 0 {
		said = fillPercent(args[0].text(), codeValue{kind: vList, list: args[1:]})
	}
	if r.out.Len() < maxCodeText {
		r.out.WriteString(said + "\n")
	}
	if objectOf(name) != "" && objectOf(name) != "console" && !strings.HasPrefix(name, "sys.") && !strings.HasPrefix(name, "process.") {
		r.feed(textValue(said))
	}
	return textValue(said)
}

// writes is for what a program writes to one that it started.
func (r *codeReader) writes(name, last string, recv codeValue, args []codeValue) bool {
	switch last {
	case "communicate", "sendline", "write", "send", "end", "fwrite", "fputs", "fprintf", "writelines", "sendall":
		if recv.path || r.pipe == "" {
			return false
		}
		for _, a := range args {
			r.feed(a)
		}
		return true
	}
	// print $handle "text": the handle is the function here
	if r.lang == langPerl && r.muted > 0 && r.pipe != "" && !strings.Contains(name, ".") && (strings.ToUpper(name) == name || strings.HasPrefix(name, "$")) {
		for _, a := range args {
			r.feed(a)
		}
		return true
	}
	return false
}

// kills is for signals to processes, and for the machine's own calls.
func (r *codeReader) kills(name, last string, args []codeValue) bool {
	object := objectOf(name)
	switch last {
	case "chdir", "setwd":
		r.c = inDir(r.c, r.tilde(arg(args, 0).text()))
		return true
	case "kill", "posix_kill", "killpg":
	case "reboot":
		if strings.Contains(name, "libc") || strings.Contains(name, "CDLL") || strings.Contains(name, "C.") {
			r.do.find(r.c, "machine.power", yes, "reboot(2)")
		}
		return true
	default:
		return false
	}
	if object != "" && object != "os" && object != "process" && object != "Process" && object != "signal" && object != "posix" && object != "libc" && object != "Deno" && !strings.Contains(name, "CDLL") {
		return false
	}
	pids, sig := args, "TERM"
	if r.lang == langPerl || r.lang == langRuby {
		pids = args[min(1, len(args)):]
		sig = signalName(arg(args, 0))
	} else if len(args) > 1 {
		pids, sig = args[:1], signalName(args[1])
	}
	for _, p := range pids {
		t := p.text()
		if last == "killpg" && !open(t) {
			t = "-" + t
		}
		if sig != "0" && t != holeWord {
			r.argv([]string{"kill", "-" + sig, "--", t}, nil, false)
		}
	}
	return true
}

// signalName is the signal that a value stands for.
func signalName(v codeValue) string {
	s := v.text()
	if v.kind == vName {
		s = lastName(v.s)
	}
	s = strings.TrimPrefix(strings.TrimPrefix(s, "-"), "SIG")
	if open(s) || s == "" {
		return "TERM"
	}
	return s
}
