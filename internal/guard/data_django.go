package guard

import "strings"

// djangoPython finds manage.py among what python is given: python -u X/manage.py VERB,
// python -m django VERB.
func (j *judge) djangoPython(c *call) {
	for i := 0; i < len(c.args); i++ {
		a := c.args[i]
		switch {
		case a == "-m" && i+1 < len(c.args):
			switch c.args[i+1] {
			case "django", "manage":
				j.django(c, c.args[i+2:])
			case "alembic", "flask", "awscli":
				in := *c
				in.name, in.args = strings.TrimSuffix(c.args[i+1], "cli"), c.args[i+2:]
				j.data(&in)
			}
			return
		case a == "-X" || a == "-W":
			i++
		case a == "-c" || a == "-":
			return
		case strings.HasPrefix(a, "-"):
		case strings.HasSuffix(a, "manage.py") || base(a) == "django-admin":
			j.django(c, c.args[i+1:])
			return
		default:
			return
		}
	}
}

// django judges manage.py VERB.
func (j *judge) django(c *call, args []string) {
	if len(args) == 0 || hasAny(args, "--help", "-h", "--version") {
		return
	}
	verb := args[0]
	if verb == "shell" || verb == "shell_plus" {
		j.djangoShell(c, args[1:])
		return
	}
	if verb == "dbshell" {
		j.djangoDB(c, args[1:])
		return
	}
	j.find(c, "guard.unknown", djangoUnknown(verb), "what manage.py is to do is not known")
	j.findAll(c, djangoVerb(args), yes)
}

func djangoUnknown(verb string) match {
	if onlyMarks(verb) {
		return maybe
	}
	return no
}

// djangoVerb says what a command of Django runs into, which call_command has in a
// program as well.
func djangoVerb(args []string) []sqlFinding {
	o := parseOptions(args, "settings pythonpath database v verbosity", false)
	one := func(rule string, sure match, detail string) []sqlFinding {
		return []sqlFinding{{rule, sure, detail}}
	}
	verb := o.word(0)
	switch verb {
	case "flush", "reset_db", "reset_schema", "drop_schema":
		return one("data.django", yes, verb)
	case "remove_stale_contenttypes":
		if o.has("noinput", "no-input") {
			return one("data.django", maybe, verb)
		}
	case "migrate":
		zero := is(o.word(2), "zero")
		if len(o.words) > 2 && zero != no && !o.has("plan", "check", "fake") {
			return one("data.django", zero, "migrate "+shown(o.word(1))+" zero")
		}
	case "dbrestore", "mediarestore":
		return one("data.import", yes, verb)
	}
	if open(verb) && !onlyMarks(verb) && isAny(verb, "flush", "reset_db") != no {
		return one("data.django", maybe, shown(verb))
	}
	return nil
}

// djangoDB is the client of the database, with what comes behind "--".
func (j *judge) djangoDB(c *call, args []string) {
	o := parseOptions(args, "settings pythonpath database", false)
	client := *c
	client.name, client.args = "psql", nil
	if o.after >= 0 {
		client.args = o.words[o.after:]
	}
	before := len(j.findings)
	j.psql(&client)
	for i := before; i < len(j.findings); i++ {
		if j.findings[i].Command == client.line() {
			j.findings[i].Command = c.line()
		}
	}
}

// djangoShell is a program of Python that has the models at hand.
func (j *judge) djangoShell(c *call, args []string) {
	o := parseOptions(args, "c command i interface settings pythonpath", false)
	code := c.stdin
	switch {
	case o.has("c", "command"):
		code = o.value("c", "command")
	case !c.fed:
		return
	}
	if onlyMarks(code) {
		j.find(c, "guard.unknown", maybe, "the program is not known")
		return
	}
	before := len(j.findings)
	// What any program of Python could do is looked for as in any program of Python.
	j.nested(c, "python3 -c '"+strings.ReplaceAll(code, "'", `'\''`)+"'", c.name)
	var found []sqlFinding
	for _, f := range djangoCode(code) {
		seen := false
		for _, other := range j.findings[before:] {
			seen = seen || other.ID == f.rule
		}
		if !seen {
			found = append(found, f)
		}
	}
	j.findAll(c, found, yes)
}

// djangoCode says what a program does through Django's models: rows that go by the
// table, statements of SQL, and commands of manage.py.
func djangoCode(code string) []sqlFinding {
	var found []sqlFinding
	squeezed := strings.Join(strings.Fields(strings.ReplaceAll(code, "\\\n", "")), "")
	whole, ends := false, strings.Contains(squeezed, ".delete()")
	for _, all := range [...]string{".objects", "._default_manager", "._base_manager"} {
		for _, filter := range [...]string{".all()", ".filter()", ".get_queryset()", ".order_by()", ".iterator()"} {
			whole = whole || strings.Contains(squeezed, all+filter)
			if strings.Contains(squeezed, all+filter+".delete()") || strings.Contains(squeezed, all+filter+"._raw_delete(") {
				found = append(found, sqlFinding{"data.django", yes, all[1:] + filter + ".delete()"})
			}
			if strings.Contains(squeezed, all+filter+".update(") {
				found = append(found, sqlFinding{"data.delete", yes, all[1:] + filter + ".update(...)"})
			}
		}
		if strings.Contains(squeezed, all+".update(") {
			found = append(found, sqlFinding{"data.delete", yes, all[1:] + ".update(...)"})
		}
	}
	if whole && ends && len(found) == 0 {
		found = append(found, sqlFinding{"data.django", maybe, "every row is read, and something deleted"})
	}
	for _, fn := range [...]string{"call_command(", "execute_from_command_line("} {
		for rest := code; ; {
			_, after, ok := strings.Cut(rest, fn)
			if !ok {
				break
			}
			rest = after
			call, _, _ := strings.Cut(after[:min(len(after), 500)], "\n")
			args := pyStrings(call)
			if len(args) > 1 && strings.HasPrefix(fn, "execute") {
				args = args[1:]
			}
			if found = append(found, djangoVerb(args)...); len(found) > 50 {
				return found
			}
		}
	}
	if strings.Contains(code, "execute") || strings.Contains(code, ".raw(") {
		for _, text := range pyStrings(code) {
			for _, f := range sqlRules(text) {
				if f.rule != "guard.unknown" {
					found = append(found, f)
				}
			}
		}
	}
	return found
}

// pyStrings are the strings of a program of Python, with marks for what an f-string
// puts in.
func pyStrings(code string) []string {
	var found []string
	for i := 0; i < len(code); i++ {
		switch {
		case code[i] == '#':
			if n := strings.IndexByte(code[i:], '\n'); n >= 0 {
				i += n
				continue
			}
			return found
		case code[i] != '\'' && code[i] != '"':
			continue
		}
		quote := code[i : i+1]
		if strings.HasPrefix(code[i:], strings.Repeat(quote, 3)) {
			quote = strings.Repeat(quote, 3)
		}
		format := i > 0 && strings.ContainsAny(code[max(0, i-2):i], "fF")
		i += len(quote)
		var text strings.Builder
		for i < len(code) && !strings.HasPrefix(code[i:], quote) {
			end := -1
			if format && code[i] == '{' {
				end = strings.IndexByte(code[i:], '}')
			}
			switch {
			case end > 0:
				text.WriteString(holeWord)
				i += end
			case code[i] == '\\' && i+1 < len(code):
				i++
				if code[i] == 'n' {
					text.WriteByte('\n')
				} else {
					text.WriteByte(code[i])
				}
			default:
				text.WriteByte(code[i])
			}
			i++
		}
		i += len(quote) - 1
		found = append(found, text.String())
	}
	return found
}

// wipes are the commands of other frameworks that empty or drop a database, each with
// the words that must be there.
var wipes = [...][]string{
	{"rails", "db:drop"}, {"rails", "db:reset"}, {"rails", "db:drop:all"}, {"rails", "db:migrate:reset"}, {"rails", "db:schema:load"},
	{"rails", "db:truncate_all"}, {"rails", "db:seed:replant"}, {"rails", "db:purge"}, {"rails", "db:structure:load"},
	{"alembic", "downgrade", "base"}, {"flask", "db", "downgrade", "base"},
	{"prisma", "migrate", "reset"}, {"prisma", "db", "push", "--force-reset"},
	{"artisan", "migrate:fresh"}, {"artisan", "migrate:reset"}, {"artisan", "migrate:refresh"}, {"artisan", "db:wipe"},
	{"sequelize", "db:drop"}, {"sequelize", "db:migrate:undo:all"}, {"typeorm", "schema:drop"}, {"knex", "migrate:rollback", "--all"},
	{"mix", "ecto.drop"}, {"mix", "ecto.reset"}, {"liquibase", "dropAll"}, {"liquibase", "drop-all"}, {"flyway", "clean"},
	{"dbmate", "drop"}, {"console", "doctrine:database:drop"}, {"console", "doctrine:schema:drop"}, {"migrate", "drop"},
	{"goose", "reset"}, {"sqlx", "database", "drop"}, {"sqlx", "database", "reset"}, {"diesel", "database", "reset"}, {"supabase", "db", "reset"},
}

// framework judges those, also through what starts them: npx prisma, php artisan.
func (j *judge) framework(c *call) {
	name, args := c.name, c.args
	switch name {
	case "npx", "bunx", "pnpx", "pnpm", "yarn", "bundle", "php", "coverage":
		args = skipWords(args, "exec", "run", "dlx", "-y", "--yes", "--", "-p", "--source=.")
		if len(args) == 0 {
			return
		}
		name, args = base(args[0]), args[1:]
	}
	switch name {
	case "rake":
		name = "rails"
	case "sequelize-cli":
		name = "sequelize"
	case "manage.py":
		j.django(c, args)
		return
	}
	for _, w := range wipes {
		if w[0] != name || len(args) < len(w)-1 || hasAny(args, "--help", "-h", "--sql", "--dry-run", "--pretend") {
			continue
		}
		sure := yes
		for _, want := range w[1:] {
			sure = min(sure, bestOf(args, want))
		}
		if sure == maybe && len(w) == 2 {
			sure = no // which of its many verbs is not known
		}
		j.find(c, "data.drop", sure, strings.Join(w, " "))
		if sure != no {
			return
		}
	}
}

// bestOf is the best match of the words with one that is wanted.
func bestOf(words []string, want string) match {
	best := no
	for _, w := range words {
		best = max(best, is(w, want))
	}
	return best
}

func skipWords(args []string, words ...string) []string {
	for len(args) > 0 && hasAny(args[:1], words...) {
		args = args[1:]
	}
	return args
}
