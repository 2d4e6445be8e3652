package guard

import (
	"slices"
	"strings"
)

// items are the words that xargs makes of what is fed to it, and whether there may be
// more that are not known.
func items(in input, delimiter string, lines bool) []string {
	switch {
	case !in.fed:
		return []string{holeWord}
	case delimiter != "":
		return strings.FieldsFunc(in.text, func(r rune) bool { return strings.ContainsRune(delimiter+"\n", r) })
	case lines:
		return strings.FieldsFunc(in.text, func(r rune) bool { return r == '\n' })
	}
	return strings.Fields(strings.NewReplacer(`"`, "", "'", "", `\`, "").Replace(in.text))
}

// xargs runs its words with what is fed to it after them, or in the place of -I's word
// (xargs(1)).
func (s *shell) xargs(c *call, in input) string {
	o := parseOptions(c.args, "I n P L s d a E max-args max-procs max-lines max-chars delimiter arg-file replace process-slot-var", true)
	if file := o.value("a", "arg-file"); file != "" {
		in = s.readFile(file)
	}
	delimiter := strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\0`, "\x00").Replace(o.value("d", "delimiter"))
	if o.has("0", "null") {
		delimiter = "\x00"
	}
	words := o.words
	if len(words) == 0 {
		words = []string{"echo"}
	}
	inner := s.child("xargs")
	inner.stdin = nil
	replace := o.value("I", "replace")
	if o.has("i") || o.has("replace") && replace == "" {
		replace = "{}"
	}
	if replace == "" {
		more := items(in, delimiter, false)
		if o.has("n", "max-args", "L", "max-lines") && len(more) > 1 {
			for _, item := range more[:min(len(more), most)] {
				inner.program(append(slices.Clone(words), item), input{}, nil)
			}
		}
		return inner.program(append(slices.Clone(words), more[:min(len(more), maxFields)]...), input{}, nil)
	}
	all := items(in, delimiter, true)
	for _, item := range all[:min(len(all), most)] {
		run := make([]string, len(words))
		for i, w := range words {
			run[i] = strings.ReplaceAll(w, replace, item)
		}
		inner.program(run, input{}, nil)
	}
	return holeWord
}

// parallel is GNU parallel: its words are shell text, once for each word after ::: or
// each line that is fed to it.
func (s *shell) parallel(c *call, in input) string {
	o := parseOptions(c.args, "j jobs P a arg-file S sshlogin colsep C delay timeout retries results joblog tmpdir workdir N n max-args", true)
	words := o.words
	all := []string{}
	if i := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, ":::") }); i >= 0 {
		for _, w := range words[i:] {
			if !strings.HasPrefix(w, ":::") {
				all = append(all, w)
			}
		}
		words = words[:i]
	} else {
		if file := o.value("a", "arg-file"); file != "" {
			in = s.readFile(file)
		}
		all = items(in, "", true)
	}
	inner := s.child("parallel")
	inner.stdin = nil
	text := strings.Join(words, " ")
	if text == "" {
		for _, item := range all[:min(len(all), most)] {
			inner.judgeText(item, input{}) // each line is a command
		}
		return holeWord
	}
	if !strings.Contains(text, "{") {
		text += " {}"
	}
	for _, item := range append(all[:min(len(all), most)], strings.Join(all[:min(len(all), most)], " ")) {
		inner.judgeText(strings.NewReplacer("{}", item, "{1}", item, "{2}", item, "{.}", item, "{/}", item, "{=}", item).Replace(text), input{})
	}
	return holeWord
}

// findExec runs what find(1) runs for what it finds: the program of -exec, -execdir,
// -ok, with {} as a path of which only the start and, by -name, the end is known.
func (s *shell) findExec(c *call) {
	starts, args, glob := findParts(c.args)
	for i := 0; i < len(args); i++ {
		switch args[i] {
		case "-exec", "-execdir", "-ok", "-okdir":
			end := i + 1
			for end < len(args) && args[end] != ";" && args[end] != "+" {
				end++
			}
			for _, start := range starts[:min(len(starts), most)] {
				s.execFound(args[i+1:end], start, glob)
			}
			i = end
		}
	}
}

// findParts are where find(1) starts, its expression, and the first name in that.
func findParts(args []string) (starts, expression []string, glob string) {
	for len(args) > 0 && (args[0] == "-H" || args[0] == "-L" || args[0] == "-P") {
		args = args[1:]
	}
	for len(args) > 0 && !strings.HasPrefix(args[0], "-") && args[0] != "(" && args[0] != "!" {
		starts = append(starts, args[0])
		args = args[1:]
	}
	if len(starts) == 0 {
		starts = []string{"."}
	}
	for i, a := range args {
		switch a {
		case "-name", "-iname", "-path", "-ipath", "-wholename":
			if i+1 < len(args) && glob == "" {
				glob = base(args[i+1])
			}
		}
	}
	return starts, args, glob
}

// foundIn is what find finds at a place: ** stands for directories below it.
func foundIn(start, glob string) string {
	if glob == "" {
		return start
	}
	return strings.TrimSuffix(start, "/") + "/**/" + glob
}

// found is what find prints.
func (s *shell) found(args []string) string {
	starts, expression, glob := findParts(args)
	end := "\n"
	if slices.Contains(expression, "-print0") {
		end = "\x00"
	}
	var out strings.Builder
	for _, start := range starts[:min(len(starts), most)] {
		if glob == "" {
			glob = "*"
		}
		out.WriteString(foundIn(start, glob) + end)
	}
	return out.String()
}

func (s *shell) execFound(words []string, start, glob string) {
	found := foundIn(start, glob)
	run := make([]string, len(words))
	for i, w := range words {
		run[i] = strings.ReplaceAll(w, "{}", found)
	}
	inner := s.child("find -exec")
	inner.stdin = nil
	inner.program(run, input{}, nil)
}

// gitRuns runs what git(1) runs: bisect run, rebase -x, submodule foreach, and an
// alias with an exclamation mark that is being set.
func (s *shell) gitRuns(c *call) {
	o := parseOptions(c.args, "C c git-dir work-tree namespace exec-path config-env", true)
	inner := s.child("git " + shown(o.word(0)))
	switch rest := o.rest(1); o.word(0) {
	case "bisect":
		if len(rest) > 1 && rest[0] == "run" {
			inner.program(rest[1:], input{}, nil)
		}
	case "rebase":
		o = parseOptions(rest, "x exec s strategy X strategy-option C onto", false)
		for _, text := range append(o.all["x"], o.all["exec"]...) {
			inner.judgeText(text, input{})
		}
	case "submodule":
		o = parseOptions(rest, "", true)
		if o.word(0) == "foreach" {
			o = parseOptions(o.rest(1), "", true)
			inner.judgeText(strings.Join(o.words, " "), input{})
		}
	case "config":
		for _, a := range rest {
			if text, ok := strings.CutPrefix(a, "!"); ok {
				inner.judgeText(text, input{})
			}
		}
	}
}

// container runs what podman exec, podman run and their kin run in a container. What
// they do to the container itself is for the rules.
func (s *shell) container(c *call, in input) {
	args := c.args
	switch c.name {
	case "kubectl", "oc":
		i := slices.Index(args, "--")
		if len(args) == 0 || args[0] != "exec" && !slices.Contains(args, "exec") || i < 0 {
			return
		}
		inner := s.child(c.name + " exec")
		inner.place = place{kind: inContainer, name: holeWord}
		inner.program(args[i+1:], in, nil)
		return
	case "podman-compose", "docker-compose":
		s.compose(c, args, in)
		return
	}
	o := parseOptions(args, podmanTakes, true)
	verb, rest := o.word(0), o.rest(1)
	if verb == "container" && len(rest) > 0 {
		verb, rest = rest[0], rest[1:]
	}
	switch verb {
	case "exec":
		o = parseOptions(rest, "e env env-file u user w workdir detach-keys cidfile preserve-fds preserve-fd", true)
		if o.has("l", "latest") {
			s.inContainer(c.name+" exec ", holeWord, o.words, o.value("w", "workdir"), in)
			break
		}
		s.inContainer(c.name+" exec ", o.word(0), o.rest(1), o.value("w", "workdir"), in)
	case "compose":
		s.compose(c, rest, in)
	case "unshare":
		o = parseOptions(rest, "", true)
		if len(o.words) > 0 {
			s.child("podman unshare").program(o.words, in, nil)
		}
	case "machine":
		if len(rest) > 1 && rest[0] == "ssh" {
			inner := s.child("podman machine ssh")
			inner.place = place{kind: remote}
			o = parseOptions(rest[1:], "username", true)
			inner.judgeText(strings.Join(o.words, " "), in)
			inner.judgeText(strings.Join(o.rest(1), " "), in)
		}
	case "cp":
		o = parseOptions(rest, "", false)
		name, inside, ok := strings.Cut(o.word(1), ":")
		if ok && slices.ContainsFunc(s.j.host.Mounts[name], func(m Mount) bool {
			return strings.HasPrefix(clean(inside)+"/", strings.TrimSuffix(m.Inside, "/")+"/")
		}) {
			s.j.find(c, "data.import", maybe, "it writes into the data of "+name)
		}
	case "run", "create":
		s.runContainer(c, rest, in)
	}
}

// inContainer runs a program in a container that there is.
func (s *shell) inContainer(how, name string, argv []string, dir string, in input) {
	inner := s.child(how + shown(name))
	inner.place = place{kind: inContainer, name: name, mounts: s.j.host.Mounts[name], kept: slices.Contains(s.j.host.Containers, name)}
	if inner.dir = ""; strings.HasPrefix(dir, "/") {
		inner.dir = clean(dir)
	}
	if len(argv) > 0 {
		inner.program(argv, in, nil)
	}
}

// compose is compose exec and compose run. A service is taken for a container of its
// name.
func (s *shell) compose(c *call, args []string, in input) {
	o := parseOptions(args, "f file p project-name project-directory profile env-file ansi parallel progress podman-path podman-args podman-run-args in-pod", true)
	rest := o.rest(1)
	switch o.word(0) {
	case "exec":
		o = parseOptions(rest, "e env u user w workdir index", true)
		s.inContainer("compose exec ", o.word(0), o.rest(1), o.value("w", "workdir"), in)
	case "run":
		o = parseOptions(rest, "e env u user w workdir name p publish v volume entrypoint l label", true)
		s.inContainer("compose run ", o.word(0), o.rest(1), o.value("w", "workdir"), in)
	}
}

// runFlags are the options of podman run without a value (podman-run(1)): they are
// fewer than those that have one.
func runFlag(name string) bool {
	switch name {
	case "d", "detach", "i", "interactive", "t", "tty", "q", "quiet", "P", "publish-all", "rm", "rmi", "init", "privileged", "read-only", "read-only-tmpfs",
		"replace", "no-healthcheck", "no-hosts", "no-hostname", "sig-proxy", "tls-verify", "http-proxy", "env-host", "passwd", "unsetenv-all", "oom-kill-disable",
		"disable-content-trust", "rootfs", "help":
		return true
	}
	return false
}

// runContainer runs the words of podman run after the image, where the container has
// what -v and --mount put there.
func (s *shell) runContainer(c *call, args []string, in input) {
	var mounts []Mount
	name, dir, entry := "", "", ""
	hostPID := false
	for len(args) > 0 {
		a := args[0]
		if a == "--" {
			args = args[1:]
			break
		}
		if len(a) < 2 || a[0] != '-' {
			break
		}
		args = args[1:]
		opt, value, joined := strings.Cut(strings.TrimLeft(a, "-"), "=")
		if !strings.HasPrefix(a, "--") {
			// -itv SOURCE:PLACE, and -vSOURCE:PLACE
			cluster := a[1:]
			for len(cluster) > 1 && runFlag(cluster[:1]) {
				cluster = cluster[1:]
			}
			opt, value, joined = cluster[:1], cluster[1:], len(cluster) > 1
		}
		if !joined && !runFlag(opt) && len(args) > 0 {
			value, args = args[0], args[1:]
		}
		switch opt {
		case "v", "volume":
			if source, inside, ok := strings.Cut(value, ":"); ok {
				inside, _, _ = strings.Cut(inside, ":")
				mounts = append(mounts, Mount{s.mountSource(source), clean(inside)})
			}
		case "mount":
			var m Mount
			for part := range strings.SplitSeq(value, ",") {
				switch key, v, _ := strings.Cut(part, "="); key {
				case "source", "src":
					m.Source = s.mountSource(v)
				case "destination", "dst", "target":
					m.Inside = clean(v)
				}
			}
			mounts = append(mounts, m)
		case "volumes-from":
			from, _, _ := strings.Cut(value, ":")
			mounts = append(mounts, s.j.host.Mounts[from]...)
		case "name":
			name = value
		case "pid":
			hostPID = value == "host"
		case "w", "workdir":
			dir = value
		case "entrypoint":
			entry = value
		}
	}
	if len(args) == 0 {
		return
	}
	argv := args[1:]
	switch image, _, _ := strings.Cut(base(args[0]), ":"); {
	case entry != "":
		argv = append(strings.Fields(entry), argv...)
	case image == "mc" || image == "aws-cli":
		// Images that are a program.
		argv = append([]string{strings.TrimSuffix(image, "-cli")}, argv...)
	}
	inner := s.child(c.name + " run " + shown(args[0]))
	inner.place = place{kind: inContainer, name: name, mounts: mounts}
	// One that has Podman's socket, or the processes of the host, is no other place.
	if hostPID || slices.ContainsFunc(mounts, func(m Mount) bool {
		return strings.HasSuffix(m.Source, "podman.sock") || strings.HasSuffix(m.Source, "docker.sock")
	}) {
		inner.place = place{}
	}
	if inner.dir = ""; strings.HasPrefix(dir, "/") {
		inner.dir = clean(dir)
	}
	if len(argv) > 0 {
		inner.program(argv, in, nil)
	}
}

// mountSource is a volume's name, or an absolute path.
func (s *shell) mountSource(source string) string {
	if strings.HasPrefix(source, ".") || strings.HasPrefix(source, "/") {
		return s.absolute(source)
	}
	return source
}
