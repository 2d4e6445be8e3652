package guard

import "strings"

// runs is how a function takes the command that it runs.
type runs byte

const (
	runsNothing runs = iota
	runsLine         // system(line), subprocess.run(list), spawn(program, list)
	runsWords        // the same, and system(program, word, ...)
	runsExecl        // execl(path, argv0, word, ...)
	runsExecv        // execv(path, argv)
	runsSpawnl       // spawnl(mode, path, argv0, word, ...)
	runsSpawnv       // spawnv(mode, path, argv)
	runsCode         // eval(text)
	runsRemote       // exec_command(line) of an ssh library
)

// runner says how a function runs a command; sure says that it can be nothing else.
func (r *codeReader) runner(name, last string) (how runs, sure bool) {
	object := objectOf(name)
	if strings.HasPrefix(name, ".") {
		return runsNothing, false // a method of a text, of a pattern say
	}
	switch last {
	case "system", "system2", "pcntl_exec":
		return runsWords, true
	case "popen", "popen2", "popen3", "popen4", "popen2e", "capture2", "capture2e", "capture3", "pipeline", "create_subprocess_exec", "subprocess_exec", "IPC", "spawnSync", "execFile", "execFileSync", "execa", "execaSync":
		return runsWords, true
	case "Popen", "check_call", "check_output", "getoutput", "getstatusoutput", "create_subprocess_shell", "subprocess_shell", "shell_exec", "passthru", "proc_open", "execSync", "execaCommand", "execaCommandSync", "execCommand":
		return runsLine, true
	case "spawn", "spawnu", "forkpty":
		return runsWords, object != "gevent" && object != "eventlet"
	case "run", "call", "Run", "run_command", "local", "sudo", "output", "capture", "run_process":
		return runsLine, object == "subprocess" || object == "sp" || object == "invoke" || object == "cmd" || object == "anyio"
	case "Command":
		return runsWords, object == "Deno" || object == "sh" || object == "plumbum"
	case "exec":
		switch {
		case r.lang == langPython:
			return runsCode, object == "" || object == "builtins"
		case r.lang == langNode && object == "":
			return runsLine, true
		case r.lang == langPHP && object != "":
			return runsNothing, false
		}
		return runsWords, object == "" || object == "Kernel" || object == "child_process" || object == "cp"
	case "execute", "spawn_sync":
		if r.lang == langLua {
			return runsLine, object == "os"
		}
	case "$", "sh", "shell", "zx":
		if r.lang == langNode || r.lang == langRuby || last == "sh" && object == "" {
			return runsWords, false
		}
	case "execl", "execle", "execlp", "execlpe":
		return runsExecl, true
	case "execv", "execve", "execvp", "execvpe", "posix_spawn", "posix_spawnp":
		return runsExecv, true
	case "spawnl", "spawnle", "spawnlp", "spawnlpe":
		return runsSpawnl, true
	case "spawnv", "spawnve", "spawnvp", "spawnvpe":
		return runsSpawnv, true
	case "eval", "instance_eval", "class_eval", "module_eval", "Function", "runInThisContext", "runInNewContext", "loadstring", "load", "compile", "runsource":
		return runsCode, object == "" || object == "builtins" || object == "vm" || object == "Kernel" || last == "instance_eval"
	case "exec_command":
		return runsRemote, false
	case "open":
		if r.lang == langRuby && (object == "" || object == "Kernel" || object == "URI") {
			return runsNothing, false
		}
	}
	return runsNothing, false
}

// start does what a runner does, and returns what it returns.
func (r *codeReader) start(how runs, sure bool, args []codeValue, kw map[string]codeValue) codeValue {
	for len(args) > 0 && args[0].kind == vList && args[0].kw != nil && len(args[0].list) == 0 {
		kw, args = merged(kw, args[0].kw), args[1:] // the environment, or options
	}
	for i, a := range args {
		if i > 0 && a.kind == vList && a.kw != nil {
			kw = merged(kw, a.kw)
		}
	}
	if len(args) == 0 {
		for _, name := range [...]string{"args", "cmd", "command", "argv"} {
			if v, ok := kw[name]; ok {
				args = append(args, v)
			}
		}
	}
	if len(args) == 0 {
		return unknownValue
	}
	if how == runsSpawnl || how == runsSpawnv {
		args = args[1:]
		how = map[runs]runs{runsSpawnl: runsExecl, runsSpawnv: runsExecv}[how]
	}
	first, second := arg(args, 0), arg(args, 1)
	if v, ok := kw["args"]; ok && first.kind == vText && v.kind == vList {
		second = v
	}
	switch {
	case how == runsCode:
		r.code(first, sure)
	case how == runsRemote:
		return r.argv([]string{"ssh", holeWord, first.text()}, kw, sure)
	case first.kind == vList:
		if len(first.list) == 1 && strings.ContainsAny(first.list[0].text(), " \t\n") || len(first.list) > 0 && kw["shell"].s == "True" {
			return r.line1(first.list[0].text(), kw, sure)
		}
		return r.argv(words(first.list), kw, sure)
	case how == runsExecl && len(args) > 1:
		return r.argv(append([]string{first.text()}, words(args[2:])...), kw, sure)
	case how == runsExecv && second.kind == vList:
		return r.argv(append([]string{first.text()}, words(second.list[min(1, len(second.list)):])...), kw, sure)
	case second.kind == vList && (len(second.list) > 0 || second.kw == nil):
		return r.argv(append([]string{first.text()}, words(second.list)...), kw, sure)
	case how == runsWords && second.kind == vText && len(args) > 1 && second.s != "w" && second.s != "r":
		var all []codeValue
		for _, a := range args {
			if a.kind == vText {
				all = append(all, a)
			}
		}
		return r.argv(words(all), kw, sure)
	default:
		return r.line1(first.text(), kw, sure)
	}
	return unknownValue
}

func merged(a, b map[string]codeValue) map[string]codeValue {
	out := make(map[string]codeValue, len(a)+len(b))
	for k, v := range a {
		out[k] = v
	}
	for k, v := range b {
		out[k] = v
	}
	return out
}

// line1 runs a shell line.
func (r *codeReader) line1(text string, kw map[string]codeValue, sure bool) codeValue {
	r.loose = r.loose || sure && unknownStart(text)
	return r.shell(text, kw)
}

// argv runs a program.
func (r *codeReader) argv(list []string, kw map[string]codeValue, sure bool) codeValue {
	if len(list) == 0 {
		return unknownValue
	}
	r.loose = r.loose || sure && unknownStart(list[0])
	r.pipe = quoted(list)
	if text, ok := inputOf(kw); ok {
		r.feed(text)
	}
	if r.try("\x01" + strings.Join(list, "\x00")) {
		r.do.nestedArgs(r.there(kw), list, r.c.name)
	}
	return result(list[0])
}

// shell hands a shell line on.
func (r *codeReader) shell(text string, kw map[string]codeValue) codeValue {
	if holesOnly(text) {
		r.loose = true
		return unknownValue
	}
	r.pipe = text
	if in, ok := inputOf(kw); ok {
		r.feed(in)
	}
	if r.try(text) {
		r.do.nested(r.there(kw), text, r.c.name)
	}
	first, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	return result(first)
}

// unknownStart says that it cannot be known what a text runs.
func unknownStart(text string) bool {
	return strings.HasPrefix(text, holeWord) || strings.HasPrefix(text, taintWord)
}

// there is the call, in the directory that the program is started in.
func (r *codeReader) there(kw map[string]codeValue) *call {
	for _, name := range [...]string{"cwd", "chdir", "dir"} {
		if v, ok := kw[name]; ok {
			return inDir(r.c, v.text())
		}
	}
	return r.c
}

func inputOf(kw map[string]codeValue) (codeValue, bool) {
	for _, name := range [...]string{"input", "stdin_data", "stdin"} {
		if v, ok := kw[name]; ok && v.kind == vText && !holesOnly(v.s) {
			return v, true
		}
	}
	return codeValue{}, false
}

// feed writes a text to the program that was started last.
func (r *codeReader) feed(v codeValue) {
	if r.pipe == "" || v.kind != vText || holesOnly(v.s) {
		return
	}
	text := r.pipe + " <<'KEEPER-END'\n" + strings.TrimSuffix(v.s, "\n") + "\nKEEPER-END\n"
	if r.try(text) {
		r.do.nested(r.c, text, r.c.name)
	}
}

// try says that a text is to be handed on: it is new, and there were not too many.
func (r *codeReader) try(text string) bool {
	if r.seen[text] {
		return false
	}
	if r.tries++; r.tries > maxCodeTries {
		if r.tries == maxCodeTries+1 {
			r.do.find(r.c, "guard.unreadable", maybe, "too many commands in one program")
		}
		return false
	}
	r.seen[text] = true
	return true
}

// result is what a program printed: nobody knows, but it may be a list of what is
// guarded.
func result(program string) codeValue {
	switch base(program) {
	case "pgrep", "pidof", "ps", "podman", "docker", "loginctl", "systemctl", "lsof", "fuser", "ss":
		return codeValue{s: taintWord}
	}
	return unknownValue
}

// quoted are words as a shell line.
func quoted(list []string) string {
	out := make([]string, len(list))
	for i, w := range list {
		out[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
	}
	return strings.Join(out, " ")
}

// code reads a program that stands in a text of this one.
func (r *codeReader) code(v codeValue, sure bool) {
	switch {
	case v.kind == vText && !open(v.s):
		if r.try("\x02" + v.s) {
			quiet := r.muted
			r.muted = 0
			r.guarded(func() codeValue { r.read(v.s); return unknownValue })
			r.muted = quiet
		}
	case sure && v.kind == vText:
		r.loose = true
	}
}

// commandOf is the program that a name stands for, in libraries where each program is
// a function: sh.loginctl("terminate-user"), plumbum's cmd.loginctl["terminate-user"].
func (r *codeReader) commandOf(path string) string {
	first, last := path, lastName(path)
	if i := strings.IndexByte(path, '.'); i >= 0 {
		first = path[:i]
	}
	if first != "sh" && first != "plumbum" && first != "local" || r.lang != langPython {
		return ""
	}
	switch last {
	case first, "local", "cmd", "run", "bake", "FG", "BG", "Command", "which", "path", "env":
		return ""
	}
	return strings.ReplaceAll(last, "_", "-")
}

// ran runs a program of such a library, and returns its words.
func (r *codeReader) ran(program string, args []codeValue) []codeValue {
	list := []codeValue{textValue(program)}
	for _, a := range args {
		list = splice(list, a)
	}
	r.argv(words(list), nil, false)
	return list
}
