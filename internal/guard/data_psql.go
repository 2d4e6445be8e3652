package guard

import (
	"path"
	"strings"
)

// meta does what a backslash command of psql does, as far as it matters here. t is the
// statement that is open; what is left of it is returned.
func (s *sqlText) meta(text string, t []sqlToken) []sqlToken {
	name, arg, _ := strings.Cut(text, " ")
	if name != "!" && name != "copy" {
		// "Within an argument, text that is enclosed in backquotes is taken as a command
		// line that is passed to the shell."
		for i, part := range strings.Split(arg, "`") {
			if i%2 == 1 {
				s.shells = append(s.shells, part)
			}
		}
	}
	if cmd, piped := strings.CutPrefix(sqlUnquote(arg), "|"); piped {
		s.shells = append(s.shells, cmd) // \g |cmd, \o |cmd, \w |cmd
	}
	switch name {
	case "!":
		s.shells = append(s.shells, arg)
	case "copy":
		lex := &sqlLexer{text: arg}
		var words []sqlToken
		for w := lex.next(); w.kind != sqlEnd; w = lex.next() {
			words = append(words, w)
		}
		s.program(words)
	case "i", "ir", "include", "include_relative", ".":
		s.include(sqlUnquote(arg))
	case "g", "gx", "gset", "gdesc", "watch", "crosstabview":
		s.statement(t)
		return t[:0]
	case "gexec":
		s.statement(t)
		s.execute(t)
		return t[:0]
	case "set", "prompt", "getenv":
		v, value, _ := strings.Cut(arg, " ")
		if value = sqlUnquote(strings.TrimSpace(value)); name != "set" || strings.Contains(value, "`") {
			value = holeWord
		}
		s.vars[v] = value
	case "if", "elif", "else", "endif":
		s.branches = true
	case "c", "connect":
		s.begun = -1
		clear(s.temps)
	case "r", "reset":
		if !s.branches {
			return t[:0]
		}
	default:
		if onlyMarks(name) {
			s.find("guard.unknown", maybe, "a command of psql that is not known")
		}
	}
	return t
}

// sqlUnquote takes the quotes off an argument of a backslash command.
func sqlUnquote(arg string) string {
	if len(arg) > 1 && (arg[0] == '\'' || arg[0] == '"') && arg[len(arg)-1] == arg[0] {
		return strings.ReplaceAll(arg[1:len(arg)-1], arg[:1]+arg[:1], arg[:1])
	}
	return arg
}

// include runs a file.
func (s *sqlText) include(name string) {
	if s.files++; s.depth >= sqlDepth || s.files > sqlFiles {
		s.find("guard.unknown", maybe, "too many files to follow")
		return
	}
	text, ok := "", false
	if s.read != nil {
		text, ok = s.read(name)
	}
	if !ok {
		s.find("data.import", maybe, "what is in "+sqlBrief([]sqlToken{{sqlWord, name}})+" is not known")
		return
	}
	rows := s.rows
	s.rows = true
	s.depth++
	s.run(text)
	s.depth--
	s.rows = rows
}

// dataFile reads a file as the program of a call would: what the line itself wrote, one
// of this host, or what is mounted from it.
func (j *judge) dataFile(c *call, name string) (string, bool) {
	if open(name) || name == "" {
		return "", false
	}
	if !path.IsAbs(name) {
		if c.dir == "" {
			return "", false
		}
		name = path.Join(c.dir, name)
	}
	name = path.Clean(name)
	if text, ok := j.written[name]; ok {
		return text, true
	}
	switch c.place.kind {
	case here:
		return j.file(name)
	case inContainer:
		for _, m := range c.place.mounts {
			if rest, ok := strings.CutPrefix(name, strings.TrimSuffix(m.Inside, "/")); ok && path.IsAbs(m.Source) && (rest == "" || rest[0] == '/') {
				return j.file(path.Join(m.Source, rest))
			}
		}
	}
	return "", false
}

// reach says how sure it is that a program speaks to a server of the stack. In podman
// exec of a container that somebody made to try things, it speaks to that container
// itself, unless its settings say otherwise: a person knows. With podman run it is not
// known whose network it has, and the name of a service of a Compose file is not that of
// its container.
func (j *judge) reach(c *call, host string) match {
	name := c.place.name
	switch {
	case c.script: // nobody is asked about what is not sure in a script
		return yes
	case c.place.kind != inContainer, c.place.kept, name == "", open(name), len(j.host.Containers) == 0:
		return yes
	case strings.Trim(name, "0123456789abcdef") == "" && strings.ContainsAny(name, "0123456789"):
		return yes // it may be an id, and whose is not known
	}
	switch {
	case host == "", host == "localhost", host == "127.0.0.1", host == "::1", strings.HasPrefix(host, "/"):
	default:
		return yes
	}
	for _, t := range c.through {
		if t == "podman exec "+name || t == "docker exec "+name {
			return maybe
		}
	}
	return yes
}

// longOptions writes long options as their short ones. getopt_long(3) takes any
// beginning that fits one option only: spec has "SHORTEST:NAME:LETTER" for each.
func longOptions(args []string, spec string) []string {
	out := make([]string, 0, len(args)+2)
	for i, arg := range args {
		if arg == "--" {
			return append(out, args[i:]...)
		}
		name, value, joined := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		letter := ""
		if strings.HasPrefix(arg, "--") {
			for _, s := range strings.Fields(spec) {
				shortest, rest, _ := strings.Cut(s, ":")
				full, l, _ := strings.Cut(rest, ":")
				if strings.HasPrefix(name, shortest) && strings.HasPrefix(full, name) {
					letter = l
				}
			}
		}
		switch {
		case letter == "":
			out = append(out, arg)
		case joined:
			out = append(out, "-"+letter, value)
		default:
			out = append(out, "-"+letter)
		}
	}
	return out
}

// sqlFound makes findings of what a text would do, to a server that is reached by host.
func (j *judge) sqlFound(c *call, s *sqlText, host string) {
	j.findAll(c, s.found, j.reach(c, host))
	for _, text := range s.shells {
		j.nested(c, text, c.name)
	}
}

// sqlInput judges what a client reads from its standard input.
func (j *judge) sqlInput(c *call, s *sqlText) {
	switch {
	case !c.fed:
	case onlyMarks(c.stdin) && c.place.kind == inContainer && !c.place.kept && !open(c.place.name):
		// Filling the database of a container that somebody made to try things.
	case onlyMarks(c.stdin):
		s.find("data.import", maybe, "what is fed to it is not known")
	default:
		s.rows = true
		s.run(c.stdin)
	}
}

func (j *judge) psql(c *call) {
	args := longOptions(c.args, "co:command:c fil:file:f set:set:v va:variable:v o:output:o li:list:l d:dbname:d"+
		" hos:host:h po:port:p use:username:U ve:version:V hel:help:? lo:log-file:L pse:pset:P"+
		" field-separator:field-separator:F record-separator:record-separator:R t:table-attr:T")
	o := parseOptions(args, "c d f L o F P R T h p U v", false)
	if o.has("l", "V", "?") {
		return
	}
	s := newSQL(psqlSQL)
	s.read = func(name string) (string, bool) { return j.dataFile(c, name) }
	for _, v := range o.all["v"] {
		name, value, _ := strings.Cut(v, "=")
		s.vars[name] = value
	}
	if cmd, piped := strings.CutPrefix(o.value("o"), "|"); piped {
		s.shells = append(s.shells, cmd)
	}
	// In which order -c and -f came is not known any more: a ROLLBACK may be too early.
	s.branches = o.has("c") && o.has("f")
	for _, text := range o.all["c"] {
		s.run(text)
	}
	for _, name := range o.all["f"] {
		if name == "-" || name == "/dev/stdin" {
			j.sqlInput(c, s)
			continue
		}
		s.include(name)
	}
	if !o.has("c", "f") {
		j.sqlInput(c, s)
	}
	j.sqlFound(c, s, o.value("h"))
}

// pgTool are the programs around PostgreSQL. Those that only read, or only make
// something, are not named.
func (j *judge) pgTool(c *call) {
	args := longOptions(c.args, "cl:clean:c d:dbname:d li:list:l dr:dry-run:n hos:host:h ver:version:V hel:help:?")
	o := parseOptions(args, "d D h p U n N t T I L F f j P S maintenance-db host port username file format jobs", false)
	if o.has("V", "?") {
		return
	}
	verb := o.word(0)
	switch c.name {
	case "dropdb", "dropuser", "pg_dropcluster":
		j.find(c, "data.drop", j.reach(c, o.value("h")), "")
	case "pg_restore":
		if o.has("d") && !o.has("l") {
			detail := ""
			if o.has("c") {
				detail = "it drops what is there before it restores"
			}
			j.find(c, "data.import", j.reach(c, o.value("h")), detail)
		}
	case "pg_resetwal", "pg_resetxlog":
		o = parseOptions(args, "D l m o O x c e", false)
		if !o.has("n") {
			j.find(c, "data.server", yes, "it throws away the log that a crash is recovered with")
		}
	case "pg_rewind", "pg_upgrade":
		if !hasAny(c.args, "-n", "--dry-run", "-c", "--check") {
			j.find(c, "data.server", yes, "it writes over the files of the database")
		}
	case "pg_archivecleanup":
		if !o.has("n") && len(o.words) > 0 {
			j.find(c, "data.server", maybe, "it removes the archive of the log")
		}
	case "pg_checksums":
		if hasAny(c.args, "-d", "--disable") {
			j.find(c, "data.server", maybe, "")
		}
	case "pg_ctl":
		verb = parseOptions(c.args, "D l m o p t c", false).word(0)
		j.find(c, "data.server", isAny(verb, "stop", "restart", "kill", "promote"), verb)
	case "pg_ctlcluster":
		j.find(c, "data.server", isAny(o.word(2), "stop", "restart", "promote"), o.word(2))
	case "pgbackrest":
		if hasAny(c.args, "restore") {
			j.find(c, "data.import", yes, "it writes over the files of the database")
		}
		if hasAny(c.args, "stanza-delete", "expire") {
			j.find(c, "data.drop", maybe, "the backups")
		}
	case "wal-g":
		j.find(c, "data.import", is(verb, "backup-fetch"), "")
		j.find(c, "data.drop", min(maybe, is(verb, "delete")), "the backups")
	}
}

// hasAny says that one of these is among the words.
func hasAny(words []string, wanted ...string) bool {
	for _, w := range words {
		for _, want := range wanted {
			if w == want {
				return true
			}
		}
	}
	return false
}

// mysql is the client of MySQL and MariaDB. The password of -pPASSWORD is taken off
// first: it would read like other options.
func (j *judge) mysql(c *call) {
	args := make([]string, 0, len(c.args))
	for _, a := range c.args {
		if !strings.HasPrefix(a, "-p") {
			args = append(args, a)
		}
	}
	args = longOptions(args, "ex:execute:e hos:host:h hel:help:? vers:version:V")
	o := parseOptions(args, "e u h P S D user port socket database defaults-file defaults-extra-file init-command", false)
	if o.has("V", "?") {
		return
	}
	s := newSQL(mysqlSQL)
	s.read = func(name string) (string, bool) { return j.dataFile(c, name) }
	for _, text := range append(o.all["init-command"], o.all["e"]...) {
		s.run(text)
	}
	if !o.has("e") {
		j.sqlInput(c, s)
	}
	j.sqlFound(c, s, o.value("h"))
}

func (j *judge) mysqladmin(c *call) {
	o := parseOptions(c.args, "u h P S user host port socket", false)
	for i, w := range o.words {
		switch w {
		case "drop":
			j.find(c, "data.drop", yes, o.word(i+1))
			return
		case "shutdown":
			j.find(c, "data.server", yes, w)
		case "kill", "stop-slave", "stop-replica":
			j.find(c, "data.server", maybe, w)
		case "create":
			return
		}
	}
	if c.name == "mysqlimport" && o.has("delete", "D") {
		j.find(c, "data.import", yes, "it empties the table before")
	}
}

// sqlite takes a file and statements, and has commands that begin with a dot.
func (j *judge) sqlite(c *call) {
	s := newSQL(sqliteSQL)
	s.read = func(name string) (string, bool) { return j.dataFile(c, name) }
	var words, texts []string
	for i := 0; i < len(c.args); i++ {
		a := c.args[i]
		option := strings.TrimPrefix(strings.TrimPrefix(a, "-"), "-")
		switch {
		case a == "" || a[0] != '-':
			words = append(words, a)
		case option == "cmd" && i+1 < len(c.args):
			i++
			texts = append(texts, c.args[i])
		case option == "init" && i+1 < len(c.args):
			i++
			s.include(c.args[i])
		case option == "separator" || option == "newline" || option == "nullvalue" || option == "vfs" || option == "mmap" || option == "maxsize":
			i++
		case option == "readonly" || option == "version" || option == "help":
			return
		}
	}
	texts = append(texts, words[min(1, len(words)):]...)
	if len(words) < 2 && c.fed {
		if onlyMarks(c.stdin) {
			s.find("data.import", maybe, "what is fed to it is not known")
		}
		texts = append(texts, c.stdin)
	}
	for _, text := range texts {
		s.sqliteText(text)
	}
	if len(words) == 0 || words[0] == ":memory:" || words[0] == "" || strings.HasPrefix(words[0], "/tmp/") {
		s.found = nil // its own, or nobody's
	}
	j.sqlFound(c, s, "")
}

// sqliteText runs a text whose lines may be dot commands.
func (s *sqlText) sqliteText(text string) {
	var sql strings.Builder
	for line := range strings.Lines(text) {
		name, arg, _ := strings.Cut(strings.TrimSpace(line), " ")
		arg = sqlUnquote(strings.TrimSpace(arg))
		switch name {
		case ".shell", ".system":
			s.shells = append(s.shells, arg)
		case ".read":
			if cmd, piped := strings.CutPrefix(arg, "|"); piped {
				s.shells = append(s.shells, cmd)
			} else {
				s.include(arg)
			}
		case ".restore":
			s.find("data.import", yes, "it replaces the whole database")
		default:
			if !strings.HasPrefix(name, ".") {
				sql.WriteString(line)
			}
		}
	}
	s.run(sql.String())
}
