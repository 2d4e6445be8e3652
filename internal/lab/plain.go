package lab

import (
	"context"
	"maps"
	"path/filepath"
)

// What a host has besides where the demo stack is plain user services: the
// stores and the application's libraries from Debian.
var plainPackages = []string{
	"postgresql-15", "redis-server",
	"python3-django", "gunicorn", "python3-psycopg2", "python3-redis", "python3-boto3",
}

// plainOptions keep Debian from making a cluster of its own when it installs
// PostgreSQL.
var plainOptions = []string{
	`--setup-hook=mkdir -p "$1/etc/postgresql-common" && echo "create_main_cluster = false" >"$1/etc/postgresql-common/createcluster.conf"`,
	"--dpkgopt=force-confold",
}

// plainFiles give the application the world it has in its container: the names
// of the stores, and the secrets in /run/secrets.
var plainFiles = map[string]string{
	"/etc/hosts":                       "127.0.0.1 localhost postgres redis minio\n::1 localhost\n",
	"/etc/tmpfiles.d/lab-secrets.conf": "L /run/secrets - - - - /home/" + User + "/.config/ledger/secrets\n",
}

// plainSetup keeps Debian's own services out of the way of the account's.
var plainSetup = []string{"systemctl mask postgresql.service redis-server.service"}

// plainMinio is where the account has the program that Debian does not.
const plainMinio = "/home/" + User + "/.local/bin/minio"

// putMinio brings the program to a host whose stack is plain.
func (h *Host) putMinio(ctx context.Context, c *cache) error {
	dir, _, err := ensureMinio(ctx, c)
	if err != nil {
		return err
	}
	if _, err := h.UserOutput(ctx, "mkdir", "-p", filepath.Dir(plainMinio)); err != nil {
		return err
	}
	return h.copyFile(ctx, filepath.Join(dir, "minio"), plainMinio)
}

// merge returns what is in either, more before some.
func merge(some, more map[string]string) map[string]string {
	all := maps.Clone(some)
	maps.Copy(all, more)
	return all
}
