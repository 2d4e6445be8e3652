package guard

import "strings"

// sqlName reads a name, "schema"."table", and returns it as PostgreSQL folds it, its
// last part for people, and how many tokens it has.
func sqlName(t []sqlToken) (name string, n int) {
	var out strings.Builder
	for n < len(t) && (t[n].kind == sqlWord || t[n].kind == sqlQuoted) {
		if t[n].kind == sqlWord {
			out.WriteString(strings.ToLower(t[n].text))
		} else {
			out.WriteString(t[n].text)
		}
		n++
		if n+1 >= len(t) || !t[n].op(".") {
			break
		}
		out.WriteByte('.')
		n++
	}
	return out.String(), n
}

// temporary says that a table is one of the session's own.
func (s *sqlText) temporary(name string) bool {
	_, made := s.temps[name]
	return made || strings.HasPrefix(name, "pg_temp.") || strings.HasPrefix(name, "temp.") && s.of == sqliteSQL
}

// skip goes past keywords: IF EXISTS, ONLY.
func skip(t []sqlToken, words ...string) []sqlToken {
	for len(t) > 0 && t[0].is(words...) {
		t = t[1:]
	}
	return t
}

// allTemporary says that a list of tables has only temporary ones, and returns them.
func (s *sqlText) allTemporary(t []sqlToken) ([]string, bool) {
	var names []string
	for {
		t = skip(t, "only")
		name, n := sqlName(t)
		if n == 0 || !s.temporary(name) {
			return nil, false
		}
		names = append(names, name)
		t = t[n:]
		for len(t) > 0 && t[0].op("*") {
			t = t[1:]
		}
		if len(t) == 0 || !t[0].op(",") {
			return names, true
		}
		t = t[1:]
	}
}

func (s *sqlText) drop(t []sqlToken) {
	if len(t) < 2 {
		return
	}
	kind, rest := t[1], t[2:]
	switch {
	case kind.kind == sqlWord && open(kind.text):
		s.find("data.drop", min(isAny(strings.ToUpper(kind.text), "TABLE", "DATABASE", "SCHEMA", "OWNED", "ROLE", "USER", "TABLESPACE"), maybe), sqlBrief(t))
	case kind.is("table"):
		if names, all := s.allTemporary(skip(rest, "if", "exists")); all {
			for _, name := range names {
				delete(s.temps, name) // a second DROP would hit a table of the same name
			}
			return
		}
		s.find("data.drop", yes, sqlBrief(t))
	case kind.is("user") && len(rest) > 0 && rest[0].is("mapping"):
	case kind.is("database", "schema", "owned", "role", "user", "group", "tablespace", "keyspace"):
		if kind.is("schema") && len(rest) > 0 {
			if _, all := s.allTemporary(skip(rest, "if", "exists")); all {
				return
			}
		}
		s.find("data.drop", yes, sqlBrief(t))
	case kind.is("type", "domain", "extension", "sequence", "collation"):
		// With CASCADE the columns go that are of that type.
		if t[len(t)-1].is("cascade") {
			s.find("data.drop", maybe, sqlBrief(t))
		}
	}
}

func (s *sqlText) truncate(t []sqlToken) {
	if len(t) > 1 && t[1].op("(") { // the function
		return
	}
	if _, all := s.allTemporary(skip(t[1:], "table")); !all {
		s.find("data.truncate", yes, sqlBrief(t))
	}
}

// serverSettings are those of ALTER SYSTEM and SET GLOBAL that decide on whether data
// is kept, or the server starts and can be reached.
const serverSettings = " fsync full_page_writes synchronous_commit wal_level wal_log_hints archive_mode archive_command" +
	" archive_library restore_command max_wal_senders max_connections shared_buffers shared_preload_libraries" +
	" listen_addresses port unix_socket_directories hba_file ident_file data_directory config_file ssl" +
	" zero_damaged_pages ignore_checksum_failure primary_conninfo max_worker_processes max_locks_per_transaction" +
	" max_prepared_transactions huge_pages password_encryption default_transaction_read_only autovacuum" +
	" read_only super_read_only innodb_flush_log_at_trx_commit sync_binlog offline_mode "

func (s *sqlText) alter(t []sqlToken) {
	if len(t) < 3 {
		return
	}
	switch {
	case t[1].is("system"):
		for i := 2; i < len(t); i++ {
			if t[i].is("set", "reset") {
				continue
			}
			name, _ := sqlName(t[i:])
			sure := maybe
			if strings.Contains(serverSettings, " "+name+" ") || t[i].is("all") {
				sure = yes
			}
			s.find("data.server", sure, sqlBrief(t))
			return
		}
	case t[1].is("table", "foreign"):
		s.alterTable(t)
	case t[1].is("database"):
		for i := 2; i+1 < len(t); i++ {
			switch {
			case t[i].is("allow_connections") && hasWord(t[i+1:], "false", "off", "0"),
				t[i].is("limit") && t[i+1].text == "0":
				s.find("data.server", yes, sqlBrief(t))
			case t[i].is("rename"):
				s.find("data.server", maybe, sqlBrief(t))
			}
		}
	case t[1].is("role", "user"):
		if hasWord(t[2:], "nologin") {
			s.find("data.server", maybe, sqlBrief(t))
		}
	}
}

func hasWord(t []sqlToken, words ...string) bool {
	for _, w := range t {
		if w.is(words...) {
			return true
		}
		for _, want := range words {
			if w.kind == sqlNumber && w.text == want {
				return true
			}
		}
	}
	return false
}

// alterTable looks for DROP [COLUMN] name, and for what MySQL does to partitions.
func (s *sqlText) alterTable(t []sqlToken) {
	if len(t) > 3 {
		if name, n := sqlName(skip(t[2:], "table", "if", "exists", "only")); n > 0 && s.temporary(name) {
			return
		}
	}
	for i := 3; i+1 < len(t); i++ {
		after := t[i+1]
		switch {
		case t[i].is("truncate") && after.is("partition"):
			s.find("data.truncate", yes, sqlBrief(t))
		case t[i].is("drop") && after.is("partition"), t[i].is("discard") && after.is("tablespace"):
			s.find("data.drop", yes, sqlBrief(t))
		case !t[i].is("drop"):
		case after.is("constraint", "default", "not", "identity", "expression", "index", "key", "primary", "foreign", "check"):
		case after.kind == sqlWord, after.kind == sqlQuoted:
			s.find("data.drop", maybe, sqlBrief(t)+": the column and what is in it")
		}
	}
}

// create notes temporary tables and what functions would do. It says whether that is
// all there is in the statement.
func (s *sqlText) create(t []sqlToken) bool {
	rest := t[1:]
	if replaces := len(rest) > 1 && rest[0].is("or") && rest[1].is("replace"); replaces {
		rest = rest[2:]
		if len(rest) > 0 && rest[0].is("table") { // MariaDB
			s.find("data.drop", yes, sqlBrief(t))
		}
	}
	rest = skip(rest, "local", "global")
	if len(rest) < 2 {
		return false
	}
	switch {
	case rest[0].is("temp", "temporary") && rest[1].is("table"):
		s.createTemp(rest[2:])
	case rest[0].is("function", "procedure"):
		name, n := sqlName(rest[1:])
		if n == 0 {
			return true
		}
		for _, w := range rest[1+n:] {
			if w.kind == sqlString && len(w.text) > 8 && len(s.functions[name]) < 50 {
				in := s.within(w.text, true)
				s.functions[name] = append(s.functions[name], in.found...)
			}
		}
		return true
	case rest[0].is("event"): // MySQL's, which run by themselves
		for i, w := range rest {
			if w.is("do") {
				s.statement(rest[i+1:])
				return true
			}
		}
	}
	return rest[0].is("rule", "trigger", "view", "policy", "constraint")
}

func (s *sqlText) createTemp(t []sqlToken) {
	name, n := sqlName(skip(t, "if", "not", "exists"))
	if n == 0 || open(name) {
		return
	}
	for i := range t {
		if t[i].is("commit") && i+1 < len(t) && t[i+1].is("drop") {
			if s.begun >= 0 {
				s.temps[name] = true
			}
			return
		}
	}
	s.temps[name] = false
}

// program is COPY ... PROGRAM 'command', which the server runs.
func (s *sqlText) program(t []sqlToken) {
	for i := range t {
		if t[i].is("program") && i+1 < len(t) && t[i+1].kind == sqlString {
			s.shells = append(s.shells, t[i+1].text)
		}
	}
}

// merge is about MERGE ... ON condition ... WHEN MATCHED THEN DELETE.
func (s *sqlText) merge(t []sqlToken) {
	on, deletes := -1, false
	for i := range t {
		switch {
		case t[i].is("on") && on < 0:
			on = i + 1
		case t[i].is("then") && i+1 < len(t) && t[i+1].is("delete", "update"):
			deletes = true
		}
	}
	if on < 0 || !deletes {
		return
	}
	end := on
	for end < len(t) && !t[end].is("when") {
		end++
	}
	s.find("data.delete", always(t[on:end], "", 0).match(), sqlBrief(t))
}

// mysqlServer are the statements of MySQL that end or change the server.
func (s *sqlText) mysqlServer(t []sqlToken) {
	second := sqlToken{}
	if len(t) > 1 {
		second = t[1]
	}
	switch {
	case t[0].is("shutdown", "restart") && len(t) == 1,
		t[0].is("reset") && second.is("master", "binary"):
		s.find("data.server", yes, sqlBrief(t))
	case t[0].is("reset", "stop") && second.is("slave", "replica", "group_replication"),
		t[0].is("purge"):
		s.find("data.server", maybe, sqlBrief(t))
	case t[0].is("source", "system") && len(t) > 1:
		words := make([]string, 0, len(t))
		for _, w := range t[1:] {
			words = append(words, w.text)
		}
		if t[0].is("system") {
			s.shells = append(s.shells, strings.Join(words, " "))
		} else {
			s.include(strings.Join(words, ""))
		}
	case t[0].is("set") && second.is("global", "persist"), t[0].is("set") && strings.HasPrefix(strings.ToLower(second.text), "@@global"):
		for _, w := range t[2:] {
			if w.kind == sqlWord && strings.Contains(serverSettings, " "+strings.ToLower(w.text)+" ") {
				s.find("data.server", yes, sqlBrief(t))
				return
			}
		}
	}
}

// calls are about functions that do something when they are called, and about those
// that the text itself made.
func (s *sqlText) calls(t []sqlToken) {
	seen := 0
	defining := t[0].is("create", "alter", "drop", "comment", "grant", "revoke")
	for i := 0; i+1 < len(t); i++ {
		if t[i].kind != sqlWord && t[i].kind != sqlQuoted || !t[i+1].op("(") || defining {
			continue
		}
		name := strings.ToLower(t[i].text)
		switch name {
		case "pg_terminate_backend", "dblink_exec", "dblink", "dblink_send_query", "query_to_xml":
			if seen++; seen > 50 { // each looks at what follows
				s.find("guard.unknown", maybe, "too many calls of "+name+" to follow")
				return
			}
		}
		for _, f := range s.functions[name] {
			s.find(f.rule, f.sure, f.detail)
		}
		args := t[i+2:]
		single := len(args) > 1 && (args[0].kind == sqlNumber || args[0].op("$") || args[0].unknown()) && args[1].op(")")
		switch name {
		case "pg_terminate_backend":
			if !single {
				s.find("data.server", terminates(t), "pg_terminate_backend of many")
			}
		case "pg_drop_replication_slot", "drop_chunks":
			s.find("data.server", yes, name)
		case "pg_promote":
			s.find("data.server", maybe, name)
		case "lo_unlink":
			if !single {
				s.find("data.delete", maybe, name+" of many")
			}
		case "dblink_exec", "dblink", "dblink_send_query", "query_to_xml":
			depth := 1
			for _, w := range args {
				switch {
				case w.op("("):
					depth++
				case w.op(")"):
					depth--
				case w.kind == sqlString && len(w.text) > 8:
					in := s.within(w.text, false)
					s.take(in)
				}
				if depth == 0 {
					break
				}
			}
		}
	}
}

// terminates says whether a condition of pg_stat_activity leaves more than a few.
func terminates(t []sqlToken) match {
	where := false
	sure := yes
	for i, w := range t {
		switch {
		case w.is("where"):
			where = true
		case !where:
		case w.is("pid") && i+1 < len(t) && (t[i+1].op("=") || t[i+1].is("in")):
			return no
		case w.is("state", "query", "query_start", "state_change", "xact_start", "backend_start", "application_name", "client_addr", "backend_type", "wait_event", "wait_event_type"):
			sure = maybe
		}
	}
	return sure
}
