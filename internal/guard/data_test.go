package guard

import (
	"slices"
	"strings"
	"testing"
)

// dataRow is a call, and what it runs into: "data.drop" for yes, "data.drop?" for
// maybe, "" for nothing; several are separated by blanks.
type dataRow struct {
	line  string // words as in a shell, without escapes; ¿ is a hole
	stdin string // fed if it is not ""
	want  string
}

// dataWords splits a line at blanks outside of '...' and "...".
func dataWords(line string) []string {
	var words []string
	var word strings.Builder
	quote, in := rune(0), false
	for _, r := range strings.ReplaceAll(line, "¿", holeWord) {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, in = r, true
		case r == ' ':
			if in {
				words = append(words, word.String())
				word.Reset()
			}
			in = false
		default:
			word.WriteRune(r)
			in = true
		}
	}
	if in {
		words = append(words, word.String())
	}
	return words
}

func dataCall(line, stdin string) *call {
	words := dataWords(line)
	return &call{
		name: base(words[0]), args: words[1:], dir: "/srv/app",
		stdin: strings.ReplaceAll(stdin, "¿", holeWord), fed: stdin != "",
	}
}

var dataFiles = map[string]string{
	"/srv/app/clean.sql":   "CREATE TABLE t (a int);\nINSERT INTO t VALUES (1);\n",
	"/srv/app/drop.sql":    "-- a dump\nDROP TABLE IF EXISTS public.users;\nCREATE TABLE public.users (id int);\n",
	"/srv/app/dump.sql":    "SET x = 1;\nCOPY public.t (a, b) FROM stdin;\n1\tDROP TABLE users;\n2\tTRUNCATE t;\n\\.\n\nSELECT 1;\n",
	"/srv/app/fails.sql":   "COPY nothing FROM stdin;\nDROP TABLE users;\n",
	"/srv/app/loop.sql":    strings.Repeat("\\i loop.sql\n", 1000),
	"/srv/app/nested.sql":  "SELECT 1;\n\\ir drop.sql\n",
	"/srv/app/flush.lua":   "return redis.call('FLUSHALL')",
	"/srv/app/harmless.js": "x",
	"/data/in.sql":         "TRUNCATE a;",
}

func dataHost() Host {
	return Host{
		Containers: []string{"postgres", "redis"},
		Read:       func(path string) (string, bool) { t, ok := dataFiles[path]; return t, ok },
	}
}

// dataSays is what the rules of data say of a call.
func dataSays(c *call) (string, *judge) {
	j := newJudge(dataHost(), Policy{})
	j.data(c)
	var ids []string
	for _, f := range j.findings {
		id := f.ID
		if f.Unsure {
			id += "?"
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return strings.Join(ids, " "), j
}

func testData(t *testing.T, rows []dataRow) {
	t.Helper()
	for _, row := range rows {
		if got, _ := dataSays(dataCall(row.line, row.stdin)); got != row.want {
			t.Errorf("%s <<< %q\n got %q\nwant %q", row.line, row.stdin, got, row.want)
		}
	}
}

func TestDataSQLThroughPsql(t *testing.T) {
	testData(t, []dataRow{
		{line: `psql -c 'DROP TABLE users'`, want: "data.drop"},
		{line: `psql -c 'drop   table if exists users cascade;'`, want: "data.drop"},
		{line: `psql -U app -d app -c "DROP DATABASE app"`, want: "data.drop"},
		{line: `psql -c "DROP/* x /* y */ */DATABASE app"`, want: "data.drop"},
		{line: `psql --command='DROP SCHEMA public CASCADE'`, want: "data.drop"},
		{line: `psql --comm 'DROP SCHEMA public CASCADE'`, want: "data.drop"},
		{line: `psql -Atqc 'DROP ROLE app'`, want: "data.drop"},
		{line: `psql app -tc 'DROP OWNED BY app'`, want: "data.drop"},
		{line: `psql "-cDROP TABLE users"`, want: "data.drop"},
		{line: `psql -c 'DROP USER x'`, want: "data.drop"},
		{line: `psql -c 'DROP TABLESPACE x'`, want: "data.drop"},
		{line: `psql -c 'DROP USER MAPPING FOR x SERVER y'`, want: ""},
		{line: `psql -c 'DROP VIEW v'`, want: ""},
		{line: `psql -c 'DROP MATERIALIZED VIEW v'`, want: ""},
		{line: `psql -c 'DROP INDEX CONCURRENTLY i'`, want: ""},
		{line: `psql -c 'DROP FUNCTION f()'`, want: ""},
		{line: `psql -c 'DROP EXTENSION hstore'`, want: ""},
		{line: `psql -c 'DROP EXTENSION hstore CASCADE'`, want: "data.drop?"},
		{line: `psql -c 'DROP TYPE mood CASCADE'`, want: "data.drop?"},
		{line: `psql -c 'ALTER TABLE t DROP COLUMN a'`, want: "data.drop?"},
		{line: `psql -c 'ALTER TABLE t DROP a'`, want: "data.drop?"},
		{line: `psql -c 'ALTER TABLE t DROP IF EXISTS a'`, want: "data.drop?"},
		{line: `psql -c 'ALTER TABLE t DROP CONSTRAINT c'`, want: ""},
		{line: `psql -c 'ALTER TABLE t ALTER COLUMN a DROP DEFAULT'`, want: ""},
		{line: `psql -c 'ALTER TABLE t ALTER a DROP NOT NULL'`, want: ""},
		{line: `psql -c 'ALTER TABLE t ADD COLUMN a int'`, want: ""},
		{line: `psql -c 'ALTER TABLE t RENAME TO u'`, want: ""},
		{line: `psql -c 'TRUNCATE t'`, want: "data.truncate"},
		{line: `psql -c 'truncate table only t, u restart identity cascade'`, want: "data.truncate"},
		{line: `psql -c 'SELECT 1; TRUNCATE t'`, want: "data.truncate"},
		{line: `psql -c 'SELECT 1' -c 'TRUNCATE t'`, want: "data.truncate"},
		{line: `psql -c '¿'`, want: "guard.unknown?"},
		{line: `psql -c 'SELECT * FROM ¿'`, want: ""},
		{line: `psql -c '¿ TABLE users'`, want: "data.drop?"},
		{line: `psql -c 'DROP ¿'`, want: "data.drop?"},
		{line: `psql -c 'DROP TABLE ¿'`, want: "data.drop"},
		{line: `psql -c 'DR¿ TABLE x'`, want: "data.drop?"},
		{line: `psql -c 'SEL¿ 1'`, want: ""},
		{line: `psql -c 'TRUNCATE ¿'`, want: "data.truncate"},
		{line: `psql ¿ -c 'SELECT 1'`, want: ""},
		{line: `psql ¿`, want: ""},
		{line: `psql`, want: ""},
		{line: `psql -l`, want: ""},
		{line: `psql -lqt -U app`, want: ""},
		{line: `psql --list`, want: ""},
		{line: `psql --version`, want: ""},
		{line: `psql -c '\dt'`, want: ""},
		{line: `psql -c '\d+ users'`, want: ""},
		{line: `psql -c "SELECT * FROM log WHERE message = 'DROP TABLE users'"`, want: ""},
		{line: `psql -c "SELECT 'it''s; TRUNCATE t'"`, want: ""},
		{line: `psql -c 'SELECT 1 -- ; DROP TABLE users'`, want: ""},
		{line: `psql -c 'SELECT 1 /* ; DROP TABLE users */'`, want: ""},
		{line: `psql -c 'SELECT $$; DROP TABLE users;$$'`, want: ""},
		{line: `psql -c 'SELECT $a$ $$ ; DROP TABLE users; $a$'`, want: ""},
		{line: `psql -c 'SELECT "drop table" FROM t'`, want: ""},
		{line: `psql -c 'SELECT $1; DROP TABLE users'`, want: "data.drop"},
		{line: `psql -c 'SELECT truncate, delete FROM t'`, want: ""},
		{line: `psql -c "SELECT E'\'; DROP TABLE users; --'"`, want: ""},
		{line: `psql -c "SELECT '\'; DROP TABLE users; --'"`, want: "data.drop"},
		{line: `psql -c 'CREATE TABLE drop_me (id int)'`, want: ""},
		{line: `psql -c "INSERT INTO t VALUES ('x') ON CONFLICT DO UPDATE SET a = 1"`, want: ""},
		{line: `psql -c 'SELECT * FROM t FOR UPDATE'`, want: ""},
		{line: `psql -c 'VACUUM FULL ANALYZE t'`, want: ""},
		{line: `psql -c 'GRANT DELETE, TRUNCATE ON t TO app'`, want: ""},
		{line: `psql -c 'REVOKE DELETE ON t FROM app'`, want: ""},
		{line: `psql -c 'CREATE TEMP TABLE x AS SELECT 1; DROP TABLE x'`, want: ""},
		{line: `psql -c 'CREATE TEMPORARY TABLE IF NOT EXISTS x (a int); TRUNCATE x; DELETE FROM x; DROP TABLE IF EXISTS x'`, want: ""},
		{line: `psql -c 'CREATE TEMP TABLE x (a int)' -c 'DROP TABLE x'`, want: ""},
		{line: `psql -c 'CREATE TEMP TABLE x (a int); DROP TABLE x, y'`, want: "data.drop"},
		{line: `psql -c 'CREATE TEMP TABLE x (a int); DROP TABLE x; DROP TABLE x'`, want: "data.drop"},
		{line: `psql -c 'CREATE TEMP TABLE x (a int); DROP TABLE public.x'`, want: "data.drop"},
		{line: `psql -c 'BEGIN; CREATE TEMP TABLE x (a int); ROLLBACK; DROP TABLE x'`, want: "data.drop"},
		{line: `psql -c 'DROP TABLE pg_temp.x'`, want: ""},
		{line: `psql -c 'BEGIN; DELETE FROM t; ROLLBACK'`, want: ""},
		{line: `psql -c 'BEGIN; DELETE FROM t; ROLLBACK TO SAVEPOINT a; COMMIT'`, want: "data.delete"},
		{line: `psql -c 'BEGIN; DELETE FROM t; COMMIT; ROLLBACK'`, want: "data.delete"},
		{line: `psql -c 'BEGIN' -c 'DROP TABLE t' --command=COMMIT -c ROLLBACK`, want: "data.drop"},
		{line: `psql -c 'DELETE FROM t; ROLLBACK'`, want: "data.delete"},
		{line: `psql`, stdin: "BEGIN;\nDROP TABLE t;\n\\if false\nROLLBACK;\n\\endif\nCOMMIT;", want: "data.drop"},
		{line: `psql -c 'EXPLAIN DELETE FROM t'`, want: ""},
		{line: `psql -c 'EXPLAIN (COSTS OFF, VERBOSE) DELETE FROM t'`, want: ""},
		{line: `psql -c 'EXPLAIN ANALYZE DELETE FROM t'`, want: "data.delete"},
		{line: `psql -c 'EXPLAIN (BUFFERS, ANALYZE) DELETE FROM t'`, want: "data.delete"},
		{line: `psql -c 'EXPLAIN (ANALYZE false) DELETE FROM t'`, want: ""},
		{line: `psql -c 'PREPARE x AS DELETE FROM t; EXECUTE x'`, want: "data.delete"},
		{line: `psql -c "DO $$ BEGIN DROP TABLE users; END $$"`, want: "data.drop"},
		{line: `psql -c "DO 'BEGIN TRUNCATE users; END'"`, want: "data.truncate"},
		{line: `psql -c "DO LANGUAGE plpgsql $x$ DECLARE r record; BEGIN FOR r IN SELECT 1 LOOP EXECUTE 'DROP TABLE ' || quote_ident(r.t); END LOOP; END $x$"`, want: "data.drop"},
		{line: `psql -c "DO $$ BEGIN EXECUTE format('TRUNCATE %I', 'a'); END $$"`, want: "data.truncate"},
		{line: `psql -c "DO $$ DECLARE q text := 'DROP TABLE users'; BEGIN EXECUTE q; END $$"`, want: "data.drop guard.unknown?"},
		{line: `psql -c "DO $$ BEGIN IF true THEN DELETE FROM t; ELSE UPDATE t SET a = 1 WHERE b = 2; END IF; END $$"`, want: "data.delete"},
		{line: `psql -c "DO $$ BEGIN UPDATE t SET a = CASE WHEN b THEN 1 ELSE 2 END WHERE c = 3; END $$"`, want: ""},
		{line: `psql -c "DO $$ BEGIN RAISE NOTICE 'DROP TABLE users'; END $$"`, want: ""},
		{line: `psql -c "CREATE FUNCTION f() RETURNS void AS $$ DELETE FROM t $$ LANGUAGE sql"`, want: ""},
		{line: `psql -c "CREATE OR REPLACE FUNCTION f() RETURNS void AS $$ BEGIN DELETE FROM t; END $$ LANGUAGE plpgsql; SELECT f()"`, want: "data.delete"},
		{line: `psql -c "CREATE FUNCTION f() RETURNS void LANGUAGE sql BEGIN ATOMIC DELETE FROM t; SELECT 1; END; SELECT 2"`, want: ""},
		{line: `psql -c "CREATE RULE r AS ON DELETE TO t DO INSTEAD (DELETE FROM u; DELETE FROM v)"`, want: ""},
		{line: `psql -c "CREATE TRIGGER x BEFORE DELETE OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()"`, want: ""},
		{line: `psql -c "SELECT dblink_exec('dbname=x', 'DROP TABLE users')"`, want: "data.drop"},
	})
}

func TestDataDeleteAndUpdate(t *testing.T) {
	for where, want := range map[string]string{
		"":                                "data.delete",
		" WHERE true":                     "data.delete",
		" WHERE 1=1":                      "data.delete",
		" where ( 1 = 1 )":                "data.delete",
		" WHERE ((true)) OR id = 3":       "data.delete",
		" WHERE NOT false":                "data.delete",
		" WHERE 'a'='a'":                  "data.delete",
		" WHERE 1":                        "data.delete",
		" WHERE 2 > 1":                    "data.delete",
		" WHERE id = id":                  "data.delete",
		" WHERE true::bool":               "data.delete",
		" WHERE 1 IS NOT NULL":            "data.delete",
		" WHERE (1=1) IS TRUE":            "data.delete",
		" WHERE EXISTS (SELECT 1)":        "data.delete",
		" WHERE 1 IN (1, 2)":              "data.delete",
		" WHERE a = 1 OR 'x' <> 'y'":      "data.delete",
		" WHERE 1=1 AND true":             "data.delete",
		" RETURNING id":                   "data.delete",
		" USING u":                        "data.delete",
		" WHERE 1+1=2":                    "data.delete?",
		" WHERE length('a') = 1":          "data.delete?",
		" WHERE id IS NOT NULL":           "data.delete?",
		" WHERE id > 0":                   "data.delete?",
		" WHERE t.id >= 0":                "data.delete?",
		" WHERE 0 < id":                   "data.delete?",
		" WHERE name LIKE '%'":            "data.delete?",
		" WHERE id IN (SELECT id FROM t)": "data.delete?",
		" WHERE \uE000":                   "data.delete?",
		" WHERE id = 1":                   "",
		" WHERE id=\uE000":                "",
		" WHERE id = \uE000 RETURNING id": "",
		" WHERE id IN (1, 2, 3)":          "",
		" WHERE false":                    "",
		" WHERE 1=0":                      "",
		" WHERE 1=1 AND id = 4":           "",
		" WHERE NOT active":               "",
		" WHERE active":                   "",
		" WHERE id > 500":                 "",
		" WHERE deleted_at IS NOT NULL":   "",
		" WHERE a BETWEEN 1 AND 2":        "",
		" WHERE name LIKE 'a%'":           "",
		" WHERE created < now() - interval '90 days'":   "",
		" WHERE id IN (SELECT id FROM t WHERE x = 1)":   "",
		" WHERE id IN (SELECT t_id FROM u)":             "",
		" WHERE id = $1":                                "",
		" WHERE id = ?":                                 "",
		" WHERE a = CASE WHEN b OR c THEN 1 ELSE 2 END": "",
		" WHERE CURRENT OF c":                           "",
	} {
		for verb, text := range map[string]string{"DELETE": "DELETE FROM t", "UPDATE": "UPDATE t SET a = 1"} {
			if verb == "UPDATE" && strings.HasPrefix(where, " USING") {
				continue
			}
			if got, _ := dataSays(&call{name: "psql", args: []string{"-c", text + where}}); got != want {
				t.Errorf("%s%s: got %q, want %q", text, where, got, want)
			}
			within := "WITH x AS (" + text + where + " RETURNING *) SELECT count(*) FROM x"
			if strings.Contains(where, "RETURNING") {
				continue
			}
			if got, _ := dataSays(&call{name: "psql", args: []string{"-c", within}}); got != want {
				t.Errorf("%s: got %q, want %q", within, got, want)
			}
		}
	}
	testData(t, []dataRow{
		{line: `psql -c 'DELETE FROM ¿'`, want: "data.delete?"},
		{line: `psql -c 'DELETE FROM ONLY public."T"'`, want: "data.delete"},
		{line: `psql -c 'DELETE FROM t USING u WHERE t.a = u.a'`, want: ""},
		{line: `psql -c 'WITH old AS (SELECT id FROM t WHERE a = 1) DELETE FROM t'`, want: "data.delete"},
		{line: `psql -c 'WITH old AS (SELECT id FROM t WHERE a = 1) DELETE FROM t WHERE id IN (SELECT id FROM old)'`, want: ""},
		{line: `psql -c 'INSERT INTO a WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d'`, want: "data.delete"},
		{line: `psql -c 'UPDATE t AS x SET a = (SELECT b FROM u WHERE u.id = x.id)'`, want: "data.delete"},
		{line: `psql -c "MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE"`, want: "data.delete"},
		{line: `psql -c "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE"`, want: ""},
		{line: `psql -c "SELECT delete(a) FROM t"`, want: ""},
		{line: `mysql -e "DELETE FROM t LIMIT 10"`, want: "data.delete?"},
		{line: `mysql -e "DELETE a FROM a JOIN b ON a.x = b.x WHERE b.y = 1"`, want: ""},
	})
}

func TestDataServer(t *testing.T) {
	testData(t, []dataRow{
		{line: `psql -c 'ALTER SYSTEM SET fsync = off'`, want: "data.server"},
		{line: `psql -c 'alter system reset all'`, want: "data.server"},
		{line: `psql -c "ALTER SYSTEM SET work_mem = '64MB'"`, want: "data.server?"},
		{line: `psql -c 'SHOW fsync'`, want: ""},
		{line: `psql -c 'SET work_mem = 1'`, want: ""},
		{line: `psql -c 'SELECT pg_reload_conf()'`, want: ""},
		{line: `psql -c 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity'`, want: "data.server"},
		{line: `psql -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'app' AND pid <> pg_backend_pid()"`, want: "data.server"},
		{line: `psql -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'"`, want: "data.server?"},
		{line: `psql -c 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = 4711'`, want: ""},
		{line: `psql -c 'SELECT pg_terminate_backend(4711)'`, want: ""},
		{line: `psql -c 'SELECT pg_terminate_backend(¿)'`, want: ""},
		{line: `psql -c 'SELECT pg_cancel_backend(4711)'`, want: ""},
		{line: `psql -c "SELECT * FROM pg_stat_activity"`, want: ""},
		{line: `psql -c "SELECT pg_drop_replication_slot('x')"`, want: "data.server"},
		{line: `psql -c 'ALTER DATABASE app WITH ALLOW_CONNECTIONS false'`, want: "data.server"},
		{line: `psql -c 'ALTER DATABASE app CONNECTION LIMIT 0'`, want: "data.server"},
		{line: `psql -c 'ALTER DATABASE app SET timezone TO utc'`, want: ""},
		{line: `dropdb app`, want: "data.drop"},
		{line: `dropdb --if-exists -h db app`, want: "data.drop"},
		{line: `dropdb --help`, want: ""},
		{line: `dropuser app`, want: "data.drop"},
		{line: `createdb app`, want: ""},
		{line: `vacuumdb --all`, want: ""},
		{line: `pg_dump --clean app`, want: ""},
		{line: `pg_dumpall -c`, want: ""},
		{line: `pg_restore --clean -d app dump`, want: "data.import"},
		{line: `pg_restore -cC --dbname=app dump`, want: "data.import"},
		{line: `pg_restore --cle --db app dump`, want: "data.import"},
		{line: `pg_restore -c -f out.sql dump`, want: ""},
		{line: `pg_restore -d ledger dump`, want: "data.import"},
		{line: `pg_restore dump`, want: ""},
		{line: `pg_restore -l dump`, want: ""},
		{line: `pg_resetwal -f /var/lib/postgresql/data`, want: "data.server"},
		{line: `pg_resetwal -n /var/lib/postgresql/data`, want: ""},
		{line: `pg_resetwal --dry-run /var/lib/postgresql/data`, want: ""},
		{line: `pg_ctl stop -D /var/lib/postgresql/data -m immediate`, want: "data.server"},
		{line: `pg_ctl -D /var/lib/postgresql/data -m fast restart`, want: "data.server"},
		{line: `pg_ctl -D /var/lib/postgresql/data ¿`, want: "data.server?"},
		{line: `pg_ctl status`, want: ""},
		{line: `pg_ctl reload`, want: ""},
		{line: `pg_isready -h localhost`, want: ""},
		{line: `pgbackrest --stanza=main restore`, want: "data.import"},
		{line: `pgbackrest info`, want: ""},
	})
}

func TestDataFilesAndStdin(t *testing.T) {
	testData(t, []dataRow{
		{line: `psql -f clean.sql`, want: ""},
		{line: `psql --file=/srv/app/clean.sql`, want: ""},
		{line: `psql -f drop.sql`, want: "data.drop"},
		{line: `psql -f nested.sql`, want: "data.drop"},
		{line: `psql -f dump.sql`, want: ""},
		{line: `psql -f fails.sql`, want: "data.drop"},
		{line: `psql -f missing.sql`, want: "data.import?"},
		{line: `psql -f ¿`, want: "data.import?"},
		{line: `psql -f -`, stdin: "TRUNCATE t", want: "data.truncate"},
		{line: `psql -f loop.sql`, want: "guard.unknown?"},
		{line: `psql -c '\i drop.sql'`, want: "data.drop"},
		{line: `psql`, stdin: "¿", want: "data.import?"},
		{line: `psql`, stdin: "¿\n", want: "data.import?"},
		{line: `psql -c 'SELECT 1'`, stdin: "¿", want: ""},
		{line: `psql`, stdin: "SELECT 1;\n", want: ""},
		{line: `psql app`, stdin: "DROP TABLE users;\n", want: "data.drop"},
		{line: `psql app`, stdin: "drop\n  table\n users\n", want: "data.drop"},
		{line: `psql`, stdin: "DELETE FROM t WHERE id=¿;", want: ""},
		{line: `psql`, stdin: "COPY t FROM STDIN;\nDROP TABLE x;\n\\.\nSELECT 1;", want: ""},
		{line: `psql`, stdin: "COPY t FROM STDIN; DROP TABLE x;\n1\n\\.\nSELECT 1;", want: "data.drop"},
		{line: `psql`, stdin: "COPY t FROM STDIN;\n1\n\\.\nDROP TABLE x;", want: "data.drop"},
		{line: `psql`, stdin: "\\set verb DROP\n:verb TABLE users;", want: "data.drop"},
		{line: `psql -v verb=TRUNCATE`, stdin: ":verb users;", want: "data.truncate"},
		{line: `psql --set=id=3`, stdin: "DELETE FROM t WHERE id = :id;", want: ""},
		{line: `psql`, stdin: "DELETE FROM t WHERE id = :'id';", want: ""},
		{line: `psql`, stdin: "SELECT 'DROP TABLE ' || tablename || ';' FROM pg_tables \\gexec", want: "data.drop"},
		{line: `psql`, stdin: "SELECT format('TRUNCATE %I', tablename) FROM pg_tables\n\\gexec\n", want: "data.truncate"},
		{line: `psql`, stdin: "SELECT 'SELECT 1', 'DROP TABLE users' \\gexec", want: "data.drop"},
		{line: `psql`, stdin: "SELECT format('VACUUM %I', t) FROM x \\gexec", want: ""},
		{line: `psql`, stdin: "SELECT 'DROP TABLE ' || t FROM x;", want: ""},
		{line: `psql`, stdin: "SELECT ddl FROM x \\gexec", want: "guard.unknown?"},
		{line: `psql`, stdin: "SELECT 1 \\g\nDROP TABLE t \\g\n", want: "data.drop"},
	})
}

func TestDataShellsWithin(t *testing.T) {
	for _, row := range []struct{ line, stdin, want string }{
		{`psql -c '\! loginctl terminate-user flowstate'`, "", "loginctl terminate-user flowstate"},
		{`psql`, "SELECT 1;\n\\! rm -rf /srv/x\n", "rm -rf /srv/x"},
		{`psql -c "COPY t TO PROGRAM 'rm -rf /srv/x'"`, "", "rm -rf /srv/x"},
		{`psql -c "\copy t from program 'rm -rf /srv/x'"`, "", "rm -rf /srv/x"},
		{`psql`, "SELECT 1 \\g |rm -rf /srv/x\n", "rm -rf /srv/x"},
		{`psql`, "\\o |rm -rf /srv/x\n", "rm -rf /srv/x"},
		{`psql -o '|rm -rf /srv/x' -c 'SELECT 1'`, "", "rm -rf /srv/x"},
		{`psql`, "\\set x `rm -rf /srv/x`\n", "rm -rf /srv/x"},
		{`psql -c "DO LANGUAGE plpython3u $$ os.system('x') $$"`, "", "python3 -c"},
		{`mysql -e "\! rm -rf /srv/x"`, "", "rm -rf /srv/x"},
		{`sqlite3 a.db '.shell rm -rf /srv/x'`, "", "rm -rf /srv/x"},
		{`mc find x/y --exec 'rm -rf /srv/x'`, "", "rm -rf /srv/x"},
		{`python manage.py shell -c "import os"`, "", "python3 -c"},
	} {
		_, j := dataSays(dataCall(row.line, row.stdin))
		found := false
		for _, s := range j.steps {
			found = found || strings.Contains(s.Command, row.want)
		}
		if !found {
			t.Errorf("%s <<< %q: %v, without %q", row.line, row.stdin, j.steps, row.want)
		}
	}
}

func TestDataOtherDatabases(t *testing.T) {
	testData(t, []dataRow{
		{line: `mysql -uroot -psecret -e "DROP DATABASE app"`, want: "data.drop"},
		{line: `mysql --execute="TRUNCATE TABLE t" app`, want: "data.truncate"},
		{line: `mariadb app`, stdin: "/*!40000 DROP DATABASE app*/;", want: "data.drop"},
		{line: `mysql app`, stdin: "# DROP DATABASE app\nSELECT \"it's\";", want: ""},
		{line: `mysql app`, stdin: "SELECT 1\\G DROP TABLE t\\G", want: "data.drop"},
		{line: `mysql app`, stdin: "SELECT 'a\\'; DROP TABLE t; --';", want: ""},
		{line: `mysql app`, stdin: "DELIMITER //\nCREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW BEGIN DELETE FROM u; END//\nDELIMITER ;\nSELECT 1;", want: ""},
		{line: `mysql app`, stdin: "DELIMITER //\nDROP TABLE t//", want: "data.drop"},
		{line: `mysql -e "BEGIN; DROP TABLE t; ROLLBACK"`, want: "data.drop"},
		{line: `mysql -e "SHUTDOWN"`, want: "data.server"},
		{line: `mysql -e "SET GLOBAL innodb_flush_log_at_trx_commit = 0"`, want: "data.server"},
		{line: `mysql -e "SHOW TABLES"`, want: ""},
		{line: `mysql app`, stdin: "¿", want: "data.import?"},
		{line: `mysqladmin -uroot drop app`, want: "data.drop"},
		{line: `mysqladmin shutdown`, want: "data.server"},
		{line: `mysqladmin status`, want: ""},
		{line: `mysqldump app`, want: ""},
		{line: `sqlite3 app.db "DROP TABLE t"`, want: "data.drop"},
		{line: `sqlite3 -header app.db`, stdin: "DELETE FROM t;", want: "data.delete"},
		{line: `sqlite3 app.db .tables`, want: ""},
		{line: `sqlite3 app.db "SELECT 1"`, want: ""},
		{line: `sqlite3 -readonly app.db "DROP TABLE t"`, want: ""},
		{line: `sqlite3 :memory: "DROP TABLE t"`, want: ""},
		{line: `sqlite3 /tmp/x.db "DROP TABLE t"`, want: ""},
		{line: `sqlite3 app.db ".restore x"`, want: "data.import"},
	})
}

func TestDataInContainers(t *testing.T) {
	sql := []string{"-c", "DROP TABLE users"}
	kept := place{kind: inContainer, name: "postgres", kept: true}
	scratch := place{kind: inContainer, name: "try"}
	for _, row := range []struct {
		call call
		want string
	}{
		{call{name: "psql", args: sql, place: kept, through: []string{"podman exec postgres"}}, "data.drop"},
		{call{name: "psql", args: sql, place: scratch, through: []string{"podman exec try"}}, "data.drop?"},
		{call{name: "psql", args: sql, place: place{kind: inContainer, name: "3f2a"}, through: []string{"podman exec 3f2a"}}, "data.drop"},
		{call{name: "psql", args: sql, place: scratch, through: []string{"compose exec try"}}, "data.drop"},
		{call{name: "psql", args: append([]string{"-h", "db"}, sql...), place: scratch, through: []string{"podman exec try"}}, "data.drop"},
		{call{name: "psql", args: sql, place: scratch, through: []string{"podman run try"}}, "data.drop"},
		{call{name: "psql", args: sql, place: place{kind: inContainer, name: holeWord}, through: []string{"podman exec …"}}, "data.drop"},
		{call{name: "psql", args: sql, place: place{kind: remote, name: "db1"}}, "data.drop"},
		{call{name: "redis-cli", args: []string{"flushall"}, place: scratch, through: []string{"podman exec try"}}, "data.redis?"},
		{call{name: "redis-cli", args: []string{"-h", "redis", "flushall"}, place: scratch, through: []string{"podman exec try"}}, "data.redis"},
		{call{name: "psql", args: []string{"-f", "/in/in.sql"}, place: place{kind: inContainer, name: "postgres", kept: true, mounts: []Mount{{"/data", "/in"}}}}, "data.truncate"},
		{call{name: "psql", args: []string{"-f", "/in/in.sql"}, place: kept}, "data.import?"},
	} {
		if got, _ := dataSays(&row.call); got != row.want {
			t.Errorf("%s %v: got %q, want %q", row.call.line(), row.call.place, got, row.want)
		}
	}
}

func TestSQLRules(t *testing.T) {
	got := sqlRules("DROP TABLE a; DROP TABLE b; DELETE FROM c WHERE id = " + holeWord)
	want := []sqlFinding{{"data.drop", yes, "DROP TABLE a"}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func FuzzDataSQL(f *testing.F) {
	for _, text := range []string{"DROP TABLE a", "/* /*", "'", "$a$", "\\g |x", ":x :'y", "DO $$ EXECUTE 'DROP ' || x $$", "BEGIN; ROLLBACK", "MERGE INTO t ON", "CREATE FUNCTION f", holeWord, "DELIMITER", "DELIMITER \n", "WITH x AS (DELETE FROM", "E'\\x", "U&'"} {
		f.Add(text)
	}
	f.Fuzz(func(_ *testing.T, text string) {
		for _, of := range []dialect{plainSQL, psqlSQL, mysqlSQL, sqliteSQL} {
			s := newSQL(of)
			s.rows = true
			s.run(text)
		}
		var r redisText
		r.lines(text)
		r.lua(text)
		r.raw(text)
		pyStrings(text)
		djangoCode(text)
		for _, name := range []string{"psql", "mysql", "sqlite3", "redis-cli", "mc", "aws", "s3cmd", "manage.py", "python", "npx", "curl", "pg_ctl", "mysqladmin", ">"} {
			c := dataCall("x", text)
			c.name, c.args = name, strings.Fields(text)
			j := newJudge(dataHost(), Policy{})
			func() {
				defer func() {
					if r := recover(); r != nil {
						if _, ok := r.(failure); !ok {
							panic(r)
						}
					}
				}()
				j.data(c)
			}()
		}
	})
}
