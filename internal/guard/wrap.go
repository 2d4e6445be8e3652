package guard

import (
	"slices"
	"strings"
)

// prefix describes a program that runs its words, when its own options are taken off:
// which options have a value, and how many words come before the program. The names
// are those of the manual pages.
func prefix(name string) (takes string, words int, ok bool) {
	switch name {
	case "sudo":
		return "u user g group p prompt C close-from h host r role t type T command-timeout U other-user D chdir R chroot a auth-type c login-class", 0, true
	case "run0":
		return "u user g group unit slice nice D chdir setenv background property description slice-inherit", 0, true
	case "doas":
		return "u C a", 0, true
	case "pkexec":
		return "user", 0, true
	case "nice":
		return "n adjustment", 0, true
	case "ionice":
		return "c class n classdata p pid P pgid u uid", 0, true
	case "timeout":
		return "s signal k kill-after", 1, true
	case "stdbuf":
		return "i input o output e error", 0, true
	case "time", "gtime":
		return "f format o output", 0, true
	case "exec":
		return "a", 0, true
	case "nohup", "setsid", "builtin", "chronic", "unbuffer", "rlwrap", "catchsegv", "setarch", "linux64", "linux32", "caffeinate", "tini", "catatonit",
		"dumb-init", "proxychains", "proxychains4", "torsocks", "torify", "winpty", "busybox", "toybox", "bunx", "nocache", "eatmydata", "noglob", "nocorrect", "prime-run":
		return "", 0, true
	case "command":
		return "", 0, true
	case "npx":
		return "c call p package", 0, true
	case "chrt":
		return "p pid T sched-runtime P sched-period D sched-deadline", 1, true
	case "taskset":
		return "", 1, true
	case "numactl":
		return "i interleave m membind N cpunodebind C physcpubind p preferred l localalloc", 0, true
	case "prlimit":
		return "p pid o output", 0, true
	case "strace", "ltrace":
		return "e o p s u E a I O P S X b", 0, true
	case "valgrind", "perf":
		return "e o r C", 0, true
	case "fakeroot":
		return "l lib faked s i", 0, true
	case "dbus-run-session", "dbus-launch":
		return "config-file dbus-daemon", 0, true
	case "xvfb-run":
		return "n server-num s server-args e error-file f auth-file w wait p xauth-protocol", 0, true
	case "systemd-inhibit":
		return "what who why mode", 0, true
	case "systemd-cat":
		return "t identifier p priority stderr-priority level-prefix namespace", 0, true
	case "systemd-run":
		return "u unit p property description slice uid gid nice working-directory E setenv M machine H host on-active on-boot on-startup on-unit-active on-unit-inactive on-calendar timer-property path-property socket-property service-type", 0, true
	case "nsenter":
		return "t target S setuid G setgid", 0, true
	case "unshare":
		return "S setuid G setgid R root w wd map-user map-group map-users map-groups propagation setgroups", 0, true
	case "setpriv":
		return "reuid regid groups inh-caps ambient-caps bounding-set securebits pdeathsig selinux-label apparmor-profile", 0, true
	case "chroot":
		return "userspec groups", 1, true
	case "runcon":
		return "t type u user r role l range", 1, true
	case "cpulimit":
		return "l limit p pid e exe", 0, true
	case "sshpass":
		return "p f d P", 0, true
	case "gosu", "su-exec", "s6-setuidgid", "chpst", "setuidgid":
		return "", 1, true
	case "entr", "openvt":
		return "c s", 0, true
	case "dtach", "abduco":
		return "", 1, true
	case "cgexec":
		return "g", 0, true
	case "daemonize":
		return "a c e o p l u E", 0, true
	}
	return "", 0, false
}

// runners are programs with a verb that runs the words after it: uv run, poetry run.
func runner(name, verb string) (takes string, words int, ok bool) {
	switch name + " " + verb {
	case "uv run", "poetry run", "pipenv run", "pdm run", "rye run", "pixi run", "doppler run", "op run", "dotenv run", "conda run", "mamba run":
		return "with python p project directory env-file extra group n name f env", 0, true
	case "pnpm exec", "pnpm dlx", "npm exec", "yarn exec", "bundle exec", "mise exec", "mise x", "asdf exec", "buildah unshare", "podman unshare", "toolbox run", "flatpak-spawn run":
		return "c container", 0, true
	case "direnv exec", "aws-vault exec", "buildah run":
		return "", 1, true
	case "distrobox enter":
		return "n name a additional-flags", 1, true
	}
	return "", 0, false
}

// wrapped takes off a program that runs another one, and runs that. done is false for a
// program that is none of these; the rules are asked about it then.
func (s *shell) wrapped(c *call, in input) (out string, done bool) {
	if isShell(c.name) {
		return s.shell(c, in), true
	}
	if takes, words, ok := prefix(c.name); ok {
		return s.prefixed(c, takes, words, in), true
	}
	if len(c.args) > 1 {
		if takes, words, ok := runner(c.name, c.args[0]); ok {
			o := parseOptions(c.args[1:], takes, true)
			inner := s.child(c.name + " " + c.args[0])
			return inner.program(o.rest(words), in, nil), true
		}
	}
	switch c.name {
	case "env":
		return s.env(c, in), true
	case "su", "runuser", "sg":
		return s.su(c, in), true
	case "ssh", "autossh", "mosh", "dbclient":
		return s.ssh(c, in), true
	case "xargs":
		return s.xargs(c, in), true
	case "parallel":
		return s.parallel(c, in), true
	case "watch", "hyperfine":
		o := parseOptions(c.args, "n interval w warmup r runs m min-runs M max-runs p prepare q equexit", c.name == "watch")
		if c.name == "hyperfine" {
			for _, w := range append(o.all["prepare"], o.words...) {
				out = s.child(c.name).judgeText(w, in)
			}
			return out, true
		}
		if o.has("x", "exec") {
			return s.child("watch").program(o.words, in, nil), true
		}
		return s.child("watch").judgeText(strings.Join(o.words, " "), in), true
	case "flock":
		o := parseOptions(c.args, "w wait timeout E conflict-exit-code", true)
		rest := o.rest(1)
		if len(rest) > 1 && (rest[0] == "-c" || rest[0] == "--command") {
			return s.child("flock").judgeText(rest[1], in), true
		}
		return s.child("flock").program(rest, in, nil), true
	case "at", "batch":
		o := parseOptions(c.args, "f q t", false)
		if f := o.value("f"); f != "" {
			in = s.readFile(f)
		}
		if in.fed {
			s.child(c.name).judgeText(in.text, input{})
		}
		return "", true
	case "script":
		o := parseOptions(c.args, "c command E echo I log-in O log-out B log-io T log-timing m logging-format o output-limit", true)
		if text := o.value("c", "command"); text != "" {
			return s.child("script -c").judgeText(text, in), true
		}
		if rest := o.rest(1); len(rest) > 0 {
			if i := slices.Index(rest, "-c"); i >= 0 && i+1 < len(rest) {
				return s.child("script -c").judgeText(rest[i+1], in), true
			}
			return s.child("script").program(slices.DeleteFunc(slices.Clone(rest), func(w string) bool { return w == "--" }), in, nil), true
		}
		if in.fed {
			s.child("script").judgeText(in.text, input{})
		}
		return holeWord, true
	case "tmux", "screen":
		s.terminal(c)
		return holeWord, true
	case "find":
		s.findExec(c)
		return "", false
	case "fd", "fdfind":
		if i := slices.IndexFunc(c.args, func(a string) bool { return a == "-x" || a == "-X" || a == "--exec" || a == "--exec-batch" }); i >= 0 {
			s.execFound(c.args[i+1:], ".", "")
		}
		return "", false
	case "git":
		s.gitRuns(c)
		return "", false
	case "mc", "mcli":
		if o := parseOptions(c.args, "exec", false); o.word(0) == "find" && o.has("exec") {
			text := o.value("exec")
			s.child("mc find").judgeText(text, input{})
			if strings.Contains(text, " rm ") || strings.Contains(text, " rb ") {
				s.j.find(c, "data.bucket", yes, "every object that it finds")
			}
		}
		return "", false
	case "capsh":
		if i := slices.Index(c.args, "--"); i >= 0 {
			return s.child("capsh").program(append([]string{"bash"}, c.args[i+1:]...), in, nil), true
		}
		return holeWord, true
	case "bwrap", "firejail", "start-stop-daemon", "flatpak-spawn", "proot", "systemd-nspawn", "lxc", "lxc-attach", "incus", "crun", "runc":
		return "", s.suffixes(c, in)
	case "machinectl":
		return s.machinectl(c, in)
	case "ansible", "vagrant", "gcloud", "nix-shell", "nix", "pdsh", "clush":
		return s.remoteText(c)
	case "podman", "docker", "podman-remote", "nerdctl", "kubectl", "oc", "podman-compose", "docker-compose":
		s.container(c, in)
		return "", false
	}
	return "", false
}

// prefixed runs the words of a prefix.
func (s *shell) prefixed(c *call, takes string, words int, in input) string {
	o := parseOptions(c.args, takes, true)
	switch c.name {
	case "command":
		if o.has("v", "V") {
			return o.word(0) + "\n"
		}
	case "exec":
		if len(o.words) == 0 {
			return ""
		}
	case "perf":
		o = parseOptions(o.rest(1), takes, true) // after its verb: stat, record
	case "busybox", "toybox", "builtin":
		return s.program(o.rest(words), in, c.env)
	case "npx":
		if text := o.value("c", "call"); text != "" {
			return s.child("npx").judgeText(text, in)
		}
	case "entr":
		if text := o.value("s"); text != "" {
			return s.child("entr").judgeText(text, input{})
		}
		in = input{}
	}
	inner := s.child(c.name)
	rest := o.rest(words)
	if c.name == "chroot" && slices.ContainsFunc(c.place.mounts, func(m Mount) bool { return m.Source == "/" && m.Inside == clean(o.word(0)) }) {
		inner.place = place{} // the host, seen from inside a container
	}
	if c.name == "nsenter" || c.name == "unshare" || c.name == "chroot" || c.name == "sudo" || c.name == "doas" || c.name == "systemd-run" {
		// Without a program they run a shell.
		if len(rest) == 0 {
			if in.fed {
				return inner.judgeText(in.text, input{})
			}
			return holeWord
		}
	}
	// A shell gets the words with quotes around them (sudo(8)); one is taken for a line.
	if o.has("s", "shell", "i", "login") && c.name == "sudo" && len(rest) == 1 {
		return inner.judgeText(strings.Join(rest, " "), in)
	}
	if dir := o.value("D", "chdir", "working-directory"); dir != "" && (c.name == "sudo" || c.name == "systemd-run") {
		inner.cd("cd", []string{dir})
	}
	// sudo NAME=value program
	for c.name == "sudo" && len(rest) > 0 && isAssignment(rest[0]) {
		name, value, _ := strings.Cut(rest[0], "=")
		inner.vars[name] = text(value)
		rest = rest[1:]
	}
	if len(rest) == 0 {
		return holeWord
	}
	return inner.program(rest, in, c.env)
}

func isAssignment(word string) bool {
	name, _, ok := strings.Cut(word, "=")
	if !ok || name == "" {
		return false
	}
	for _, r := range name {
		if r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return false
		}
	}
	return true
}

// env is env(1): options, variables, a program. -S has all of that in one word.
func (s *shell) env(c *call, in input) string {
	inner := s.child("env")
	o := parseOptions(c.args, "u unset C chdir S split-string block-signal default-signal ignore-signal a argv0", true)
	if dir := o.value("C", "chdir"); dir != "" {
		inner.cd("cd", []string{dir})
	}
	rest := o.words
	for len(rest) > 0 && isAssignment(rest[0]) {
		name, value, _ := strings.Cut(rest[0], "=")
		inner.vars[name] = text(value)
		rest = rest[1:]
	}
	if split := o.value("S", "split-string"); split != "" {
		return inner.judgeText("env "+split+" "+Quote(rest), in)
	}
	if len(rest) == 0 {
		return holeWord
	}
	return inner.program(rest, in, nil)
}

// shell is bash and its kin: -c TEXT NAME WORD..., a script with its words, or what is
// fed to it.
func (s *shell) shell(c *call, in input) string {
	args := c.args
	inner := s.child(c.name)
	for len(args) > 0 {
		a := args[0]
		switch {
		case a == "--" || a == "-":
			args = args[1:]
		case a == "--command" || strings.HasPrefix(a, "--command="):
			text, joined := strings.CutPrefix(a, "--command=")
			if args = args[1:]; !joined && len(args) > 0 {
				text = args[0]
			}
			inner.through[len(inner.through)-1] = c.name + " -c"
			return inner.judgeText(text, in)
		case strings.HasPrefix(a, "--"):
			args = args[1:]
			if (a == "--rcfile" || a == "--init-file" || a == "--init-command") && len(args) > 0 {
				if text, ok := s.file(args[0]); ok && a != "--init-command" {
					inner.script_(text, args[0], nil, input{})
				}
				args = args[1:]
			}
			continue
		case len(a) > 1 && (a[0] == '-' || a[0] == '+') && !open(a):
			args = args[1:]
			if a == "-n" {
				return "" // it reads, and runs nothing
			}
			if a[0] == '-' && strings.ContainsRune(a, 'c') {
				// An option -o among them has its value before the text.
				for range strings.Count(a[1:], "o") {
					args = args[min(1, len(args)):]
				}
				for len(args) > 1 && (strings.HasPrefix(args[0], "-") || strings.HasPrefix(args[0], "+")) {
					args = args[1:]
				}
				if len(args) == 0 {
					return ""
				}
				inner.through[len(inner.through)-1] = c.name + " -c"
				inner.args = append([]string{}, args[min(2, len(args)):]...)
				if len(args) > 1 {
					inner.vars["0"] = text(args[1])
				}
				return inner.judgeText(args[0], in)
			}
			if strings.ContainsAny(a, "oO") && len(args) > 0 {
				args = args[1:]
			}
			if strings.ContainsRune(a, 's') {
				inner.args = append([]string{}, args...)
				args = nil
			}
			continue
		}
		break
	}
	if len(args) == 0 {
		if in.fed {
			return inner.judgeText(in.text, input{})
		}
		return holeWord
	}
	if text, ok := s.file(args[0]); ok {
		if strings.HasPrefix(args[0], "/dev/") {
			return inner.judgeText(text, input{})
		}
		return s.script_(text, args[0], args[1:], in)
	}
	return holeWord
}

// su is su, runuser and sg: -c TEXT, or a shell that reads what is fed to it.
func (s *shell) su(c *call, in input) string {
	inner := s.child(c.name)
	o := parseOptions(c.args, "c command session-command s shell g group G supp-group w whitelist-environment u user", false)
	if text := o.value("c", "command", "session-command"); text != "" {
		inner.through[len(inner.through)-1] = c.name + " -c"
		return inner.judgeText(text, in)
	}
	switch {
	case c.name == "runuser" && o.has("u", "user"):
		o = parseOptions(c.args, "u user g group G supp-group", true)
		return inner.program(o.words, in, nil)
	case c.name == "sg":
		if len(o.words) > 1 {
			return inner.judgeText(strings.Join(o.words[1:], " "), in)
		}
	case in.fed:
		return inner.judgeText(in.text, input{})
	}
	return holeWord
}

// ssh runs its words, joined by blanks, in a shell of another host (ssh(1)).
func (s *shell) ssh(c *call, in input) string {
	o := parseOptions(c.args, "b B c D E e F I i J L l m O o p P Q R S W w ssh", true)
	inner := s.child("ssh " + shown(o.word(0)))
	inner.place, inner.dir = place{kind: remote, name: o.word(0)}, s.j.host.Home
	rest := o.rest(1)
	if len(rest) > 0 && rest[0] == "--" {
		rest = rest[1:]
	}
	s.j.check(c)
	switch {
	case len(rest) > 0:
		return inner.judgeText(strings.Join(rest, " "), in)
	case in.fed:
		return inner.judgeText(in.text, input{})
	}
	return holeWord
}

// machinectl shell [USER@]NAME PROGRAM...
func (s *shell) machinectl(c *call, in input) (string, bool) {
	o := parseOptions(c.args, "uid E setenv M machine H host", true)
	if o.word(0) != "shell" {
		return "", false
	}
	o = parseOptions(o.rest(1), "uid E setenv M machine H host", true)
	inner := s.child("machinectl shell")
	if rest := o.rest(1); len(rest) > 0 {
		return inner.program(rest, in, nil), true
	}
	if in.fed {
		return inner.judgeText(in.text, input{}), true
	}
	return holeWord, true
}

// remoteText is programs with shell text in an option.
func (s *shell) remoteText(c *call) (string, bool) {
	inner := s.child(c.name)
	o := parseOptions(c.args, "a args m module-name c command i inventory run w u", false)
	text := ""
	switch c.name {
	case "ansible":
		if m := o.value("m", "module-name"); m == "" || m == "shell" || m == "command" || m == "raw" {
			text = o.value("a", "args")
		}
	case "nix":
		if i := slices.IndexFunc(c.args, func(a string) bool { return a == "-c" || a == "--command" }); i >= 0 {
			return inner.program(c.args[i+1:], input{}, nil), true
		}
		return "", false
	case "pdsh", "clush":
		text = strings.Join(o.words, " ")
	default:
		text = o.value("c", "command", "run")
	}
	if text == "" {
		return "", false
	}
	if c.name != "nix-shell" {
		inner.place = place{kind: remote}
	}
	return inner.judgeText(text, input{}), true
}

// suffixes is for programs with options that nobody can count: the first word that is
// a shell or a guarded program is taken for the program.
func (s *shell) suffixes(c *call, in input) bool {
	for i, a := range c.args {
		name := base(a)
		if isShell(name) || slices.Contains(guardedPrograms(), name) || name == "sudo" || name == "env" || name == "shutdown" || name == "reboot" || name == "poweroff" {
			s.child(c.name).program(c.args[i:], in, nil)
			return true
		}
	}
	return false
}
