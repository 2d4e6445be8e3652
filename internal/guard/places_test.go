package guard

import (
	"testing"
)

func TestContainer(t *testing.T) {
	t.Parallel()
	kept := func(mounts ...Mount) func(*call) {
		return func(c *call) {
			c.dir, c.place = "", place{kind: inContainer, name: "postgres", kept: true, mounts: mounts}
		}
	}
	tell(t, []row{
		{"rm -rf /", "data.directory!"},
		{"rm -rf /*", "data.directory!"},
		{"rm -rf /var/lib/postgresql/data", "data.directory!"},
		{"rm -rf /var/lib/postgresql/data/*", "data.directory!"},
		{"rm -rf /var/lib/postgresql/data/base", "data.directory!"},
		{"rm -rf /var/lib/*", "data.directory!"},
		{"rm /var/lib/postgresql/data/postmaster.pid", "data.directory?"},
		{"find /var/lib/postgresql/data -delete", "data.directory!"},
		{"find / -delete", "data.directory!"},
		{"mv /var/lib/postgresql/data /tmp/x", "data.directory!"},
		{"truncate -s 0 /var/lib/postgresql/data/base/1/2", "data.directory?"},
		{"chmod -R 777 /var/lib/postgresql/data", "data.directory!"},
		{"chmod 700 /var/lib/postgresql/data", "none"},
		{"rm -rf /tmp/*", "none"},
		{"rm -rf /home/flowstate", "none"},
		{"rm -rf /etc", "none"},
		{"rm -rf $X", "none"},
		{"find /tmp -delete", "none"},
		{"cp a /var/lib/postgresql/data/x", "none"},
		{"rm /docker-entrypoint-initdb.d/x", "none"},
	}, kept(), files)
	tell(t, []row{
		{"rm -rf /d", "data.directory!"},
		{"rm -rf /var/lib/postgresql/data", "none"},
		{"rm -rf /d/$X", "data.directory!"},
	}, kept(Mount{Source: "pgdata", Inside: "/d"}), files)
	run := func(c *call) {
		c.dir, c.place = "/", place{kind: inContainer, name: "alpine", mounts: []Mount{
			{Source: "/home/flowstate", Inside: "/h"}, {Source: "pgdata", Inside: "/v"}, {Source: "scratch", Inside: "/s"},
			{Source: "/home/flowstate/.local/share/containers/storage/volumes", Inside: "/vol/"}, {Source: "/home/flowstate/app", Inside: "/app"},
		}}
	}
	tell(t, []row{
		{"rm -rf /h", "files.home! +"},
		{"rm -rf h/*", "files.home!"},
		{"rm -rf /h/.config", "files.quadlet! keeper.settings!"},
		{"rm -rf /h/app", "none"},
		{"rm -rf /v/*", "data.directory!"},
		{"rm -rf /vol/x", "files.storage!"},
		{"rm -rf /s /app /app/* /home /etc", "none"},
		{"rm -rf /", "data.directory! +"},
		{"tee /h/.config/containers/systemd/postgres.container", "files.quadlet-edit!"},
	}, run, files)
	tell(t, []row{
		{"rm -rf /", "files.home! +"},
		{"rm -rf ~", "files.home! +"},
		{"rm -rf /etc", "files.home!"},
		{"rm -rf /srv/app", "none"},
		{"dd if=x of=/dev/sda", "machine.disk!"},
	}, func(c *call) { c.dir, c.place = "", place{kind: remote, name: "db1"} }, files)
}
