package guard

import "strings"

// sqlFinding is a rule that a text of SQL runs into.
type sqlFinding struct {
	rule   string
	sure   match
	detail string
}

// sqlRules says what the SQL in a program's string would do. A statement that is not
// known at all is a finding of guard.unknown, maybe.
func sqlRules(text string) []sqlFinding {
	s := newSQL(plainSQL)
	s.run(text)
	return s.found
}

// sqlText is what is known of one connection while its statements are read.
type sqlText struct {
	of    dialect
	found []sqlFinding
	// shells are commands for a shell: \! and COPY ... PROGRAM.
	shells []string
	// read reads the files of \i, or is nil.
	read func(name string) (string, bool)
	// body says that it is a block of PL/pgSQL, and depth how deep it is within others.
	body  bool
	depth int
	// files counts the files that were read.
	files int
	// rows says that the data of COPY ... FROM STDIN stands in the text.
	rows bool

	vars map[string]string
	// temps are the temporary tables made so far. True is for those that end with the
	// transaction.
	temps map[string]bool
	// functions has what those do that the text itself makes.
	functions map[string][]sqlFinding
	// begun is where the findings of the open transaction begin, or -1.
	begun int
	// branches says that psql may leave lines out: a ROLLBACK may be one of them.
	branches bool
}

func newSQL(of dialect) *sqlText {
	return &sqlText{of: of, vars: map[string]string{}, temps: map[string]bool{}, functions: map[string][]sqlFinding{}, begun: -1}
}

// sqlDepth bounds what stands within one another: DO in EXECUTE in DO, \i in \i; and
// sqlFiles the files that are read.
const (
	sqlDepth = 5
	sqlFiles = 20
)

func (s *sqlText) find(rule string, sure match, detail string) {
	if sure == no {
		return
	}
	for _, f := range s.found {
		if f.rule == rule && f.sure >= sure {
			return
		}
	}
	s.found = append(s.found, sqlFinding{rule, sure, detail})
}

// run reads a text statement by statement.
func (s *sqlText) run(text string) {
	lex := &sqlLexer{text: text, of: s.of, vars: s.vars}
	var t []sqlToken
	parens := 0
	// blocks counts BEGIN ... END in the definition of a function or trigger, whose
	// semicolons end no statement. psql counts just so.
	blocks := 0
	cases := 0
	for {
		tok := lex.next()
		switch {
		case tok.kind == sqlEnd:
			s.statement(t)
			return
		case tok.kind == sqlMeta:
			t, parens = s.meta(tok.text, t), 0
			continue
		case tok.kind == sqlBreak && (parens > 0 && s.of != mysqlSQL || blocks > 0):
			continue
		case tok.kind == sqlBreak:
			lex.rows = lex.rows || s.rows && copiesRows(t)
			s.statement(t)
			t, parens, cases = t[:0], 0, 0
			continue
		case s.body && s.separates(tok, t, &cases):
			s.statement(t)
			t, parens = t[:0], 0
			continue
		case tok.op("("):
			parens++
		case tok.op(")"):
			parens = max(parens-1, 0)
		case !s.body && defines(t):
			switch {
			case tok.is("begin"), blocks > 0 && tok.is("case"):
				blocks++
			case blocks > 0 && tok.is("end"):
				blocks--
			}
		}
		t = append(t, tok)
	}
}

// separates says that a keyword of PL/pgSQL has a statement before or behind it. In an
// expression, CASE WHEN x THEN y ELSE z END has none.
func (s *sqlText) separates(tok sqlToken, t []sqlToken, cases *int) bool {
	switch {
	case tok.is("case") && len(t) > 0:
		*cases++
	case tok.is("end") && *cases > 0:
		*cases--
	case *cases == 0:
		return tok.is("begin", "declare", "then", "loop", "else")
	}
	return false
}

// defines says that a statement makes a function, procedure, trigger or event.
func defines(t []sqlToken) bool {
	if len(t) == 0 || !t[0].is("create") {
		return false
	}
	for _, w := range t[1:min(len(t), 8)] {
		if w.is("function", "procedure", "trigger", "event") {
			return true
		}
	}
	return false
}

func copiesRows(t []sqlToken) bool {
	if len(t) == 0 || !t[0].is("copy") {
		return false
	}
	for i := range t {
		if t[i].is("from") && i+1 < len(t) && t[i+1].is("stdin") {
			return true
		}
	}
	return false
}

// within reads a text that stands in this one.
func (s *sqlText) within(text string, body bool) *sqlText {
	in := newSQL(s.of)
	in.depth, in.body, in.read, in.begun = s.depth+1, body, s.read, -1
	if s.of == psqlSQL {
		in.of = plainSQL // the server reads it, and not the client
	}
	for name, ends := range s.temps {
		in.temps[name] = ends
	}
	if in.depth > sqlDepth {
		in.find("guard.unknown", maybe, "SQL within SQL, too deep to follow")
		return in
	}
	in.run(text)
	return in
}

// take makes the findings of a text within this one those of this one.
func (s *sqlText) take(in *sqlText) {
	for _, f := range in.found {
		s.find(f.rule, f.sure, f.detail)
	}
	s.shells = append(s.shells, in.shells...)
}

// statement judges one.
func (s *sqlText) statement(t []sqlToken) {
	for len(t) > 1 && (t[0].op("(") || t[0].is("return", "query") || t[0].op("<")) {
		t = t[1:]
	}
	if len(t) == 0 {
		return
	}
	first := t[0]
	switch {
	case first.kind == sqlWord && open(first.text):
		s.unknownVerb(t)
	case first.is("explain", "describe", "desc", "analyze"):
		if t = explained(t); t != nil {
			s.statement(t)
		}
		return
	case first.is("prepare"):
		s.prepare(t)
		return
	case first.is("drop"):
		s.drop(t)
	case first.is("truncate"):
		s.truncate(t)
	case first.is("alter"):
		s.alter(t)
	case first.is("create"):
		if s.create(t) {
			return
		}
	case first.is("do"):
		s.do(t)
		return
	case first.is("execute") && len(t) > 1:
		if s.body || t[1].is("immediate") {
			s.execute(t[1:])
		}
	case first.is("copy"):
		s.program(t)
	case first.is("merge"):
		s.merge(t)
	case first.is("begin", "start", "commit", "end", "rollback", "abort", "discard"):
		s.transaction(t)
	case s.of == mysqlSQL:
		s.mysqlServer(t)
	}
	s.changes(t)
	s.calls(t)
}

// changes finds DELETE and UPDATE, as the statement itself or within WITH.
func (s *sqlText) changes(t []sqlToken) {
	seen := 0
	for i := range t {
		if !t[i].is("delete", "update") {
			continue
		}
		if begins := i == 0 || t[i-1].op("(") || t[i-1].op(")") && t[0].is("with"); !begins {
			continue
		}
		if seen++; seen > 200 { // each is read to its end
			s.find("data.delete", maybe, "too many DELETEs in one another to follow")
			return
		}
		if t[i].is("delete") {
			s.deleteRows(t[i:])
		} else {
			s.updateRows(t[i:])
		}
	}
}

// unknownVerb is about a statement whose first word is not known.
func (s *sqlText) unknownVerb(t []sqlToken) {
	verb := strings.ToUpper(t[0].text)
	if !onlyMarks(verb) {
		s.find("data.drop", min(is(verb, "DROP"), maybe), sqlBrief(t))
		s.find("data.truncate", min(is(verb, "TRUNCATE"), maybe), sqlBrief(t))
		s.find("data.delete", min(isAny(verb, "DELETE", "UPDATE"), maybe), sqlBrief(t))
		return
	}
	if len(t) > 1 && t[1].is("table", "database", "schema") {
		s.find("data.drop", maybe, sqlBrief(t))
		return
	}
	s.find("guard.unknown", maybe, "a statement of SQL that is not known")
	s.begun = -1 // it may be a COMMIT
}

// explained is the statement that EXPLAIN would run: only with ANALYZE it runs any.
func explained(t []sqlToken) []sqlToken {
	runs := false
	t = t[1:]
	if len(t) > 0 && t[0].op("(") {
		for i := 1; i < len(t); i++ {
			switch {
			case t[i].is("analyze", "analyse"):
				runs = i+1 >= len(t) || !t[i+1].is("false", "off") && t[i+1].text != "0"
			case t[i].op(")"):
				if runs {
					return t[i+1:]
				}
				return nil
			}
		}
		return nil
	}
	for len(t) > 0 && t[0].is("analyze", "analyse", "verbose") {
		runs = runs || !t[0].is("verbose")
		t = t[1:]
	}
	if runs {
		return t
	}
	return nil
}

// prepare looks at what is prepared, which is to be executed: PREPARE x (int) AS ...,
// and MySQL's PREPARE x FROM '...'.
func (s *sqlText) prepare(t []sqlToken) {
	for i := range t {
		switch {
		case t[i].is("as"):
			s.statement(t[i+1:])
			return
		case t[i].is("from") && s.of != psqlSQL:
			s.execute(t[i+1:])
			return
		}
	}
}

// transaction knows that ROLLBACK takes back what was done since BEGIN. MySQL commits
// at each statement that changes a table itself, so there it is left out.
func (s *sqlText) transaction(t []sqlToken) {
	if s.body {
		return
	}
	ends := func(all bool) {
		for name, withIt := range s.temps {
			if all || withIt {
				delete(s.temps, name)
			}
		}
	}
	switch {
	case t[0].is("begin", "start"):
		if s.begun < 0 && s.of != mysqlSQL {
			s.begun = len(s.found)
		}
	case t[0].is("commit", "end"):
		s.begun = -1
		ends(false)
	case t[0].is("discard"):
		ends(true)
	default:
		for _, w := range t[1:] {
			if w.is("to", "prepared") { // ROLLBACK TO SAVEPOINT, ROLLBACK PREPARED
				return
			}
		}
		if s.begun >= 0 && !s.branches {
			s.found = s.found[:s.begun]
		}
		s.begun = -1
		ends(true)
	}
}

// do looks into DO [LANGUAGE x] 'block'.
func (s *sqlText) do(t []sqlToken) {
	language := "plpgsql"
	for i := 1; i < len(t); i++ {
		if t[i].is("language") && i+1 < len(t) {
			language = strings.ToLower(t[i+1].text)
		}
	}
	for _, w := range t[1:] {
		if w.kind != sqlString {
			continue
		}
		if shell := languageShell(language, w.text); shell != "" {
			s.shells = append(s.shells, shell)
			continue
		}
		in := s.within(w.text, true)
		s.take(in)
		for _, f := range in.found {
			if f.rule == "guard.unknown" { // EXECUTE of a variable: what could be in it?
				s.strings(w.text)
				break
			}
		}
		return
	}
}

// strings judges each string of a text as if it were executed.
func (s *sqlText) strings(text string) {
	lex := &sqlLexer{text: text}
	for t := lex.next(); t.kind != sqlEnd; t = lex.next() {
		if t.kind == sqlString {
			s.take(s.within(sqlFormat(t.text), false))
		}
	}
}

// languageShell is the command that does what a block in a language outside of the
// database would do.
func languageShell(language, text string) string {
	quoted := "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
	switch {
	case strings.HasPrefix(language, "plpython"):
		return "python3 -c " + quoted
	case language == "plperlu":
		return "perl -e " + quoted
	case language == "plsh":
		return text
	}
	return ""
}

// execute looks at what a text would be that is put together from strings, in EXECUTE
// or for \gexec: all that is no string is unknown. What a comma parts is a statement of
// its own.
func (s *sqlText) execute(t []sqlToken) {
	var text strings.Builder
	known, parens := false, 0
	for i, w := range t {
		if parens == 0 && known && w.is("using", "into", "from", "where") {
			break
		}
		switch {
		case w.op("("):
			parens++
		case w.op(")"):
			parens--
		case w.op(",") && parens <= 0:
			text.WriteByte(';')
		case w.kind == sqlString:
			text.WriteString(sqlFormat(w.text))
			known = known || !onlyMarks(w.text)
		case w.kind == sqlWord && i+1 < len(t) && t[i+1].op("("): // format(...)
		case w.is("select", "as", "immediate"):
		case w.kind == sqlWord || w.kind == sqlQuoted:
			text.WriteString(holeWord)
		}
	}
	s.take(s.within(text.String(), false))
}

// sqlFormat puts marks for what format(3) of PostgreSQL fills in: %s, %I, %L, %1$I.
func sqlFormat(text string) string {
	var out strings.Builder
	for {
		before, after, found := strings.Cut(text, "%")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		n := strings.IndexAny(after, "sILd")
		if n < 0 || strings.Trim(after[:n], "0123456789$-*") != "" {
			out.WriteByte('%')
			text = after
			continue
		}
		out.WriteString(holeWord)
		text = after[n+1:]
	}
}

// sqlBrief is the beginning of a statement for people, without its values.
func sqlBrief(t []sqlToken) string {
	words := make([]string, 0, 5)
	for _, w := range t[:min(len(t), 5)] {
		text := w.text
		if w.kind == sqlString {
			text = "…"
		}
		words = append(words, text)
	}
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, shown(strings.Join(words, " ")))
	text = strings.NewReplacer(" . ", ".", " , ", ", ", " (", "(", " )", ")").Replace(text)
	if r := []rune(text); len(r) > 60 {
		text = string(r[:60]) + "…"
	}
	return strings.TrimSpace(text)
}
