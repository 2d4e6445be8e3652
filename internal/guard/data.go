package guard

import "strings"

// data judges what the programs do that speak to databases and object stores.
func (j *judge) data(c *call) {
	switch c.name {
	case "psql", "pgcli", "usql":
		j.psql(c)
	case "dropdb", "dropuser", "pg_dropcluster", "pg_restore", "pg_resetwal", "pg_resetxlog", "pg_rewind", "pg_upgrade",
		"pg_archivecleanup", "pg_checksums", "pg_ctl", "pg_ctlcluster", "pgbackrest", "wal-g":
		j.pgTool(c)
	case "mysql", "mariadb":
		j.mysql(c)
	case "mysqladmin", "mariadb-admin", "mysqlimport", "mariadb-import":
		j.mysqladmin(c)
	case "sqlite3", "sqlite":
		j.sqlite(c)
	case "redis-cli", "valkey-cli", "keydb-cli":
		j.redis(c)
	case "redis-benchmark", "valkey-benchmark":
		j.redisBenchmark(c)
	case "nc", "ncat", "netcat", "nc.openbsd", "nc.traditional", "telnet", "socat", "openssl", ">", ">>", "curl":
		j.redisRaw(c)
	case "mc", "mcli", "minio-client":
		j.mc(c)
	case "aws", "awslocal":
		j.aws(c)
	case "s3cmd", "s5cmd", "rclone", "gsutil", "restic", "borg":
		j.objectStores(c)
	case "manage.py", "django-admin", "django-admin.py":
		j.django(c, c.args)
	default:
		if strings.HasPrefix(c.name, "python") || strings.HasPrefix(c.name, "pypy") {
			j.djangoPython(c)
			return
		}
		j.framework(c)
	}
}

// findAll notes what a text runs into, each rule once: a maybe adds nothing to a yes.
// None is surer than most.
func (j *judge) findAll(c *call, found []sqlFinding, most match) {
	for i, f := range found {
		again := false
		for k, other := range found {
			again = again || other.rule == f.rule && (other.sure > f.sure || other.sure == f.sure && k < i)
		}
		if !again {
			j.find(c, f.rule, min(f.sure, most), f.detail)
		}
	}
}
