package containers

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"keeper/internal/core"
)

// root puts a directory of this machine where the process has its mount point.
func (h *host) root(pid, point, dir string) {
	h.t.Helper()
	path := filepath.Join(h.view.Proc, pid, "root", point)
	h.mkdir(filepath.Dir(path))
	if err := os.Symlink(dir, path); err != nil {
		h.t.Fatal(err)
	}
}

// volume makes a volume of Podman's and returns where it is.
func (h *host) volume(name string) string {
	h.t.Helper()
	dir := filepath.Join(h.view.Storage, "volumes", name, "_data")
	h.mkdir(dir)
	return dir
}

const target = "/var/lib/postgresql/data"

// down is a service that is to have the mounts once it is started.
func down(image string, mounts ...core.Mount) core.Unit {
	return core.Unit{Name: "db.service", Kind: "container", Active: "inactive", Image: image, Mounts: mounts}
}

// What two names mean is told by the file, and not by how it is written.
func TestHolders(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "srv", "my data")
	other := filepath.Join(t.TempDir(), "srv", "my data")
	for _, dir := range []string{data, other} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	named := core.Mount{Source: "pgdata", Target: target}
	path := core.Mount{Source: data, Target: "/data"}
	readOnly := func(m core.Mount) core.Mount { m.ReadOnly = true; return m }
	for name, tt := range map[string]struct {
		unit core.Unit
		// line is one of mountinfo; there is what the process has at its point, a
		// volume if it is no path, and nothing where that cannot be looked at.
		line, there string
		want        string // the source
		elsewhere   bool   // at another place than that of the unit
	}{
		"its volume":                  {unit: down("", named), line: "/home/a/volumes/pgdata/_data " + target + " rw,nosuid", there: "pgdata", want: "pgdata"},
		"in a subvolume of its own":   {unit: down("", named), line: "/@/0123 " + target + " rw", there: "pgdata", want: "pgdata"},
		"that cannot be looked at":    {unit: down("", named), line: "/elsewhere/volumes/pgdata/_data " + target + " rw", want: "pgdata"},
		"another volume":              {unit: down("", named), line: "/home/a/volumes/other/_data " + target + " rw", there: "other"},
		"one whose name ends alike":   {unit: down("", named), line: "/home/a/volumes/old-pgdata/_data " + target + " rw", there: "old-pgdata"},
		"a path":                      {unit: down("", path), line: "/srv/my\\040data /data rw", there: data, want: data},
		"a path on another mount":     {unit: down("", path), line: "/my\\040data /data rw", there: data, want: data},
		"a path in a subvolume":       {unit: down("", path), line: "/@srv/my\\040data /data rw", there: data, want: data},
		"a whole file system":         {unit: down("", path), line: "/ /data rw", there: data, want: data},
		"a path by another name":      {unit: down("", core.Mount{Source: filepath.Join(data, "..", filepath.Base(data)), Target: "/data"}), line: "/x /data rw", there: data, want: filepath.Join(data, "..", filepath.Base(data))},
		"the same path of another fs": {unit: down("", path), line: data + " /data rw", there: other},
		"another path that ends so":   {unit: down("", path), line: "/data /data rw", there: other},
		"a path that is not there":    {unit: down("", core.Mount{Source: "/none/of/this", Target: "/data"}), line: "/none/of/this /data rw", there: data},
		"a path of one who ended":     {unit: down("", path), line: data + " /data rw"},
		"read only there":             {unit: down("", named), line: "/volumes/pgdata/_data " + target + " ro,nosuid", there: "pgdata"},
		"read only for the new one":   {unit: down("", readOnly(named)), line: "/volumes/pgdata/_data " + target + " rw", there: "pgdata"},
		"one of several":              {unit: down("", core.Mount{Source: "conf", Target: "/etc/x"}, named), line: "/volumes/pgdata/_data " + target + " rw", there: "pgdata", want: "pgdata"},
		"a unit without mounts":       {unit: down(""), line: "/volumes/pgdata/_data " + target + " rw", there: "pgdata"},
		// A web server and an application share files on purpose; two data stores
		// never do.
		"at another place":              {unit: down("localhost/web", named), line: "/volumes/pgdata/_data /backup rw", there: "pgdata"},
		"at another place, for a store": {unit: down("docker.io/library/postgres:17", named), line: "/volumes/pgdata/_data /backup rw", there: "pgdata", want: "pgdata", elsewhere: true},
		"the same, read only":           {unit: down("docker.io/library/postgres:17", named), line: "/volumes/pgdata/_data /backup ro", there: "pgdata"},
	} {
		h := newHost(t)
		h.view.Storage = filepath.Join(t.TempDir(), "storage")
		for _, v := range []string{"pgdata", "other", "old-pgdata", "conf"} {
			h.volume(v)
		}
		h.mounts("511", "/ / rw", "/x /dev/shm rw", tt.line)
		if tt.there != "" {
			dir := tt.there
			if !filepath.IsAbs(dir) {
				dir = h.volume(dir)
			}
			h.root("511", strings.Fields(tt.line)[1], dir)
		}
		p := Process{PID: 511, Name: "postgres", Role: Payload, Init: true}
		got := h.view.Holders([]Process{p}, []core.Unit{{Name: "other.service", Active: "inactive"}, tt.unit})
		var want []Holder
		if tt.want != "" {
			want = []Holder{{Process: p, Unit: "db.service", Source: tt.want, Twin: !tt.elsewhere}}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}

// Only what is down is going to mount anything, and only what belongs to no unit
// that runs is a leftover.
func TestHoldersOfWhom(t *testing.T) {
	t.Parallel()
	const below = "/user.slice/user-1000.slice/user@1000.service/app.slice/"
	processes := []Process{
		{PID: 1, Role: Payload, CGroup: below + "db.service/libpod-payload-1"},
		{PID: 2, Role: Payload, CGroup: below + "running.service/libpod-payload-2"},
		{PID: 3, Role: Payload, CGroup: "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-3.scope/container"},
		{PID: 4, Role: Payload, CGroup: "/system.slice/running.service/libpod-payload-4"}, // a namesake of the machine's own
		{PID: 5, Role: Payload}, // it has ended
		{PID: 6, Role: Conmon, CGroup: below + "db.service/runtime"}, // in the account's own mount namespace
		{PID: 7, Role: Pause},
	}
	for i, p := range processes {
		processes[i].Unit = unitOf(p.CGroup)
	}
	for active, want := range map[string]string{
		"inactive": "1 3 4", "failed": "1 3 4",
		// Its own processes hold what is its own; and what is starting is systemd's.
		"active": "", "activating": "", "deactivating": "", "reloading": "",
	} {
		h := newHost(t)
		for _, pid := range []string{"1", "2", "3", "4", "6", "7"} {
			h.mounts(pid, "/volumes/pgdata/_data /data rw")
		}
		mounts := []core.Mount{{Source: "pgdata", Target: "/data"}}
		units := []core.Unit{
			{Name: "db.service", Active: active, Mounts: mounts}, {Name: "second.service", Active: active, Mounts: mounts},
			{Name: "running.service", Active: "active", Mounts: mounts},
		}
		got := map[string][]string{}
		for _, held := range h.view.Holders(processes, units) {
			got[held.Unit] = append(got[held.Unit], string(rune('0'+held.PID)))
		}
		for _, unit := range []string{"db.service", "second.service"} {
			if pids := strings.Join(got[unit], " "); pids != want {
				t.Errorf("%s is %s: held by %s, want %s", unit, active, pids, want)
			}
		}
		if got["running.service"] != nil {
			t.Errorf("what runs is held by %v", got["running.service"])
		}
	}
}

func TestUnitOf(t *testing.T) {
	t.Parallel()
	for cgroup, want := range map[string]string{
		payload:            "db.service",
		slice:              "db.service",
		slice + "/runtime": "db.service",
		"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-0123.scope":            "",
		"/user.slice/user-1000.slice/user@1000.service/app.slice/app-web.slice/web@1.service/x": "web@1.service",
		"/user.slice/user-1000.slice/user@1000.service":                                         "",
		"/user.slice/user-1000.slice/session-3.scope":                                           "",
		"/system.slice/db.service":                                                              "",
		"/":                                                                                     "",
		"":                                                                                      "",
	} {
		if got := unitOf(cgroup); got != want {
			t.Errorf("%q: got %q, want %q", cgroup, got, want)
		}
	}
}
