package guard

import (
	"slices"
	"strings"
)

// source are the rules about what was committed.
func (j *judge) source(c *call) {
	switch c.name {
	case "git":
		j.git(c, c.args)
	case "gh", "hub":
		j.github(c)
	}
}

// git looks at one command of git, after the options of git itself.
func (j *judge) git(c *call, args []string) {
	o := parseOptions(args, "C c git-dir work-tree namespace config-env super-prefix attr-source", true)
	if o.has("h", "help", "v", "version") || len(o.words) == 0 {
		return
	}
	command, rest := o.words[0], o.words[1:]
	for _, setting := range o.all["c"] {
		key, value, _ := strings.Cut(setting, "=")
		j.gitSetting(c, strings.ToLower(key), value, command, rest)
	}
	at := *c
	for _, dir := range o.all["C"] {
		at.dir = below(at.dir, dir)
	}
	if o.has("work-tree") {
		at.dir = below(at.dir, o.value("work-tree"))
	}
	if text, ok := j.gitAliases[command]; ok {
		j.gitAlias(c, text, command, rest)
	}
	switch command {
	case "config":
		j.gitConfig(rest)
	case "push", "send-pack":
		j.gitPush(c, rest)
	case "clean":
		j.gitClean(&at, rest)
	case "rm", "mv":
		j.gitMoves(&at, command, rest)
	case "rebase":
		r := parseOptions(rest, "x exec onto s strategy X strategy-option C", false)
		for _, text := range slices.Concat(r.all["x"], r.all["exec"]) {
			j.nested(c, text, "git rebase --exec")
		}
	case "bisect":
		if len(rest) > 1 && rest[0] == "run" {
			j.nested(c, shellText(rest[1:]), "git bisect run")
		}
	case "submodule":
		r := parseOptions(rest, "", true)
		if r.word(0) == "foreach" {
			if r = parseOptions(r.rest(1), "", true); len(r.words) > 0 {
				j.nested(c, strings.Join(r.words, " "), "git submodule foreach")
			}
		}
	case "filter-branch":
		for i, w := range rest {
			if strings.HasPrefix(w, "--") && strings.HasSuffix(w, "-filter") && i+1 < len(rest) {
				j.nested(c, rest[i+1], "git filter-branch")
			}
		}
	}
}

// below is a directory as seen from another one; "" if it cannot be known.
func below(dir, to string) string {
	switch {
	case strings.HasPrefix(to, "/"):
		return to
	case dir == "" || startsOpen(to):
		return ""
	}
	return dir + "/" + to
}

// gitSetting is git -c KEY=VALUE: some settings are programs, and an alias is a
// command.
func (j *judge) gitSetting(c *call, key, value, command string, rest []string) {
	switch {
	case key == "alias."+strings.ToLower(command):
		j.gitAlias(c, value, command, rest)
	case command == "push" && strings.HasPrefix(key, "remote.") && (strings.HasSuffix(key, ".push") && strings.HasPrefix(value, "+") || strings.HasSuffix(key, ".mirror") && value != "false"):
		j.find(c, "source.force-push", yes, shown(key+"="+value))
	case strings.HasPrefix(key, "pager."):
		j.nested(c, value, "git -c "+key)
	}
	switch key {
	case "core.sshcommand", "core.pager", "core.editor", "core.fsmonitor", "sequence.editor", "diff.external", "gpg.program", "core.gitproxy", "credential.helper":
		j.nested(c, strings.TrimPrefix(value, "!"), "git -c "+key)
	}
}

// gitAlias runs what an alias stands for: a command of git, or with ! one of the shell.
func (j *judge) gitAlias(c *call, value, command string, rest []string) {
	text, shell := strings.CutPrefix(value, "!")
	if !shell {
		text = "git " + value
	}
	j.nested(c, text+" "+shellText(rest), "git "+shown(command))
}

// gitConfig remembers an alias, for what comes after it in the line.
func (j *judge) gitConfig(args []string) {
	o := parseOptions(args, "f file blob type default comment", false)
	words := o.words
	if len(words) > 0 && words[0] == "set" {
		words = words[1:]
	}
	if len(words) < 2 {
		return
	}
	name, ok := strings.CutPrefix(strings.ToLower(words[0]), "alias.")
	if !ok || name == "" {
		return
	}
	if j.gitAliases == nil {
		j.gitAliases = map[string]string{}
	}
	j.gitAliases[name] = words[1]
}

// shellText makes words into text that a shell takes apart into the same words.
func shellText(words []string) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString("'" + strings.ReplaceAll(w, "'", `'\''`) + "'")
	}
	return b.String()
}

// gitPush is git-push(1). A lease refuses to overwrite what nobody here has seen.
func (j *judge) gitPush(c *call, args []string) {
	o := parseOptions(args, "o push-option receive-pack exec repo", false)
	dry := o.has("n") || given(o, "dry-run", 2)
	if dry || o.has("h", "help") {
		return
	}
	surest, detail := no, ""
	note := func(sure match, what string) {
		if sure > surest {
			surest, detail = sure, what
		}
	}
	if o.has("f") {
		note(yes, "-f")
	}
	for flag := range o.flags {
		// git takes the beginning of a long option that only one of them has.
		switch long := shown(flag); {
		case flag == "force" || len(flag) > 0 && strings.HasPrefix("mirror", flag):
			note(yes, "--"+flag)
		case len(flag) > 1 && strings.HasPrefix("delete", flag), len(flag) > 2 && strings.HasPrefix("prune", flag):
			note(maybe, "--"+flag)
		case open(flag) && isAny(flag, "force", "mirror", "delete", "prune") != no:
			note(maybe, "--"+long)
		}
	}
	if o.has("d") {
		note(maybe, "-d")
	}
	// git push $OPTS origin main: what comes before the remote is options, or nothing.
	if w := o.words; len(w) > 1 && w[0] == holeWord && (len(w) > 2 || w[1] == "origin" || w[1] == "upstream") {
		note(maybe, "the options are not known")
	}
	for _, ref := range o.words {
		switch {
		case strings.HasPrefix(ref, "+"):
			note(yes, "the + of "+shown(ref)+" forces")
		case strings.HasPrefix(ref, ":") && len(ref) > 1:
			note(maybe, shown(ref)+" removes it there")
		}
	}
	j.find(c, "source.force-push", surest, detail)
}

// gitClean is about what a repository does not know, where the home is one.
func (j *judge) gitClean(at *call, args []string) {
	o := parseOptions(args, "e exclude", false)
	if !o.has("f") && !given(o, "force", 1) || o.has("n", "i", "dry-run", "interactive") {
		return
	}
	h := j.harm(at)
	where := o.words
	if len(where) == 0 {
		where = []string{"."}
	}
	for _, w := range where {
		h.take(w, yes)
	}
	h.done()
}

// gitMoves is git rm and git mv, which take files of the work tree away.
func (j *judge) gitMoves(at *call, command string, args []string) {
	o := parseOptions(args, "pathspec-from-file", false)
	words := o.words
	if command == "mv" && len(words) > 0 {
		words = words[:len(words)-1]
	}
	if o.has("cached", "n", "dry-run") {
		return
	}
	h := j.harm(at)
	for _, w := range words {
		h.take(w, yes)
	}
	h.done()
}

// github is gh and hub: a repository is deleted, or a branch by the API.
func (j *judge) github(c *call) {
	if helps(c) || slices.Contains(c.args, "-h") {
		return
	}
	o := parseOptions(c.args, "R repo X method f raw-field F field H header q jq t template input hostname b branch s source", false)
	switch {
	case o.word(0) == "repo" && is(o.word(1), "delete") != no:
		j.find(c, "source.force-push", is(o.word(1), "delete"), "the repository is deleted")
	case o.word(0) == "delete" && c.name == "hub":
		j.find(c, "source.force-push", yes, "the repository is deleted")
	case o.word(0) == "repo" && o.word(1) == "sync" && o.has("force"):
		j.find(c, "source.force-push", maybe, "the branch is set to the other one's")
	case o.word(0) == "api":
		j.githubAPI(c, o)
	}
}

func (j *judge) githubAPI(c *call, o options) {
	method := strings.ToUpper(o.value("X", "method"))
	parts := splitPath(strings.TrimPrefix(o.word(1), "https://api.github.com"))
	if len(parts) < 3 || parts[0] != "repos" {
		return
	}
	refs := len(parts) > 5 && parts[3] == "git" && parts[4] == "refs"
	switch {
	case method == "DELETE" && len(parts) == 3:
		j.find(c, "source.force-push", yes, "the repository is deleted")
	case method == "DELETE" && refs:
		j.find(c, "source.force-push", maybe, "the branch is removed")
	case method == "PATCH" && refs:
		for _, f := range slices.Concat(o.all["f"], o.all["F"], o.all["field"], o.all["raw-field"]) {
			if f == "force=true" {
				j.find(c, "source.force-push", yes, f)
			}
		}
	}
}
