package guard

import "strings"

// mentions says that one of some words stands anywhere in the program, in small
// letters.
func (r *codeReader) mentions(words ...string) bool {
	for _, w := range words {
		if strings.Contains(r.source, w) {
			return true
		}
	}
	return false
}

// clients is for libraries that speak to what is guarded.
func (r *codeReader) clients(name, last string, args []codeValue) bool {
	first := arg(args, 0)
	if strings.HasPrefix(name, ".") {
		return false // a method of a text
	}
	switch last {
	case "flushall", "flushdb", "flushAll", "flushDb", "flushDB":
		r.do.find(r.c, "data.redis", yes, last)
	case "shutdown":
		if object := strings.ToLower(objectOf(name)); strings.Contains(object, "redis") || r.mentions("redis") && (object == "r" || object == "client" || object == "conn" || object == "c") {
			r.do.find(r.c, "data.redis", yes, last)
		}
	case "config_set", "configSet":
		if r.mentions("redis", "valkey") {
			r.argv(append([]string{"redis-cli", "CONFIG", "SET"}, words(args)...), nil, false)
		}
	case "execute_command", "executeCommand", "sendCommand", "send_command", "config":
		if !r.mentions("redis", "valkey") {
			return false
		}
		if first.kind == vList {
			args = first.list
		}
		argv := []string{"redis-cli"}
		if last == "config" {
			argv = append(argv, "CONFIG")
		}
		r.argv(append(argv, words(args)...), nil, false)
	case "execute", "executemany", "executescript", "query", "raw", "exec_driver_sql", "prepare", "do", "unsafe", "pg_query", "pg_exec", "mysqli_query", "mysql_query", "$executeRawUnsafe", "$queryRawUnsafe", "$executeRaw", "$queryRaw", "sql", "simple_query", "async_exec", "exec_params", "text", "exec", "multi_query", "fetchrow", "fetchval", "execute_values", "exec_query", "select_all":
		r.query(first)
		if last == "pg_query" || last == "mysqli_query" {
			r.query(arg(args, 1))
		}
	case "delete_bucket", "remove_bucket", "deleteBucket", "removeBucket", "DeleteBucketCommand":
		r.do.find(r.c, "data.bucket", yes, last)
	case "remove_objects", "removeObjects", "delete_objects", "deleteObjects":
		if r.mentions("list_objects", "listobjects", "recursive") {
			r.do.find(r.c, "data.bucket", yes, last+" of all that is listed")
		}
	case "delete", "delete_all", "destroy_all", "_raw_delete", "deleteMany", "truncate_tables", "drop_all", "batch_delete!":
		return r.deletes(name, last, args)
	case "call_command":
		for _, f := range djangoVerb(words(args)) {
			r.do.find(r.c, f.rule, f.sure, "call_command "+f.detail)
		}
	case "execute_from_command_line":
		if first.kind == vList {
			r.argv(words(first.list), nil, false)
		}
	case "StopUnit", "KillUnit", "DisableUnitFiles", "MaskUnitFiles", "FreezeUnit", "RestartUnit", "StopUnitReplace", "TryRestartUnit":
		r.unit(last, first)
	case "stop", "kill", "remove", "pause", "prune", "restart", "down":
		return r.podman(name, last, args)
	default:
		return false
	}
	return true
}

// query is a text that goes to a database. What only SQLite keeps is none of the
// stack's.
func (r *codeReader) query(v codeValue) {
	switch {
	case v.kind != vText:
	case r.mentions("sqlite", ":memory:") && !r.mentions("psycopg", "asyncpg", "postgres", "mysql", "django", "pg8000"):
	case holesOnly(v.s):
		r.sql = true
	case len(v.s) > 3 && r.try("\x03"+v.s):
		r.do.sqlText(r.c, v.s)
	}
}

// deletes is for what removes every object, or every row.
func (r *codeReader) deletes(name, last string, args []codeValue) bool {
	buckets := r.mentions("boto", "bucket", "minio", "aws-sdk")
	switch {
	case buckets && (strings.HasSuffix(name, ".objects.all.delete") || strings.HasSuffix(name, ".objects.delete") || strings.HasSuffix(name, ".object_versions.delete") || strings.HasSuffix(name, ".object_versions.all.delete") || strings.HasSuffix(name, ".objects.batch_delete!")):
		r.do.find(r.c, "data.bucket", yes, "all objects of a bucket")
	case strings.HasSuffix(name, ".objects.all.delete"), strings.HasSuffix(name, ".objects.all._raw_delete"), strings.HasSuffix(name, ".query.delete") && len(args) == 0:
		r.do.find(r.c, "data.django", yes, "every row of a model")
	case (last == "delete_all" || last == "destroy_all") && strings.Count(name, ".") == 1 && name[0] >= 'A' && name[0] <= 'Z':
		r.do.find(r.c, "data.django", yes, "every row of a model")
	case last == "drop_all" && r.mentions("metadata", "db.drop_all"):
		r.do.find(r.c, "data.drop", yes, "every table")
	case last == "deleteMany" && (len(args) == 0 || args[0].kind == vList && len(args[0].kw) == 0 && len(args[0].list) == 0) && r.mentions("prisma"):
		r.do.find(r.c, "data.django", yes, "every row of a model")
	default:
		return false
	}
	return true
}

// unit is a method of systemd's manager that takes a unit.
func (r *codeReader) unit(method string, v codeValue) {
	if !r.mentions("systemd1", "dbus", "pystemd", "gio") {
		return
	}
	if v.kind == vList {
		v = v.nth(0)
	}
	argv := []string{"systemctl"}
	if r.mentions("sessionbus", "session_bus", "bustype.session", "session()", "user") {
		argv = append(argv, "--user")
	}
	verb := strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(method), "unitfiles"), "unit")
	r.argv(append(argv, verb, v.text()), nil, false)
}

// podman is for the libraries of Podman and Docker: client.volumes.prune(),
// client.containers.get("x").stop().
func (r *codeReader) podman(name, last string, args []codeValue) bool {
	if !r.mentions("podman", "docker") {
		return false
	}
	for _, kind := range [...]string{"container", "volume", "network", "pod", "image"} {
		_, rest, ok := strings.Cut(name, "."+kind+"s.")
		switch {
		case !ok:
		case last == "prune":
			r.argv([]string{"podman", kind, "prune", "-f"}, nil, false)
			return true
		case strings.HasPrefix(rest, "get."):
			verb := last
			if last == "remove" {
				verb = "rm"
			}
			r.argv([]string{"podman", kind, verb, orHole(r.got)}, nil, false)
			return true
		case last == "remove" && len(args) > 0:
			r.argv([]string{"podman", kind, "rm", args[0].text()}, nil, false)
			return true
		}
	}
	return false
}
