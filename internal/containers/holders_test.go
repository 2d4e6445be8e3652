package containers

import (
	"fmt"
	"strings"
	"testing"

	"keeper/internal/core"
)

func TestHolders(t *testing.T) {
	t.Parallel()
	mounts := func(m ...core.Mount) core.Unit { return core.Unit{Name: "db.service", Kind: "container", Mounts: m} }
	const (
		volume = "/home/alice/.local/share/containers/storage/volumes/pgdata/_data"
		target = "/var/lib/postgresql/data"
	)
	named := mounts(core.Mount{Source: "pgdata", Target: target})
	for name, tt := range map[string]struct {
		unit core.Unit
		line string
		want string // the source
	}{
		"its volume":                   {named, volume + " " + target + " rw,nosuid", "pgdata"},
		"on a file system of its own":  {named, "/containers/storage/volumes/pgdata/_data " + target + " rw", "pgdata"},
		"another volume":               {named, strings.Replace(volume, "pgdata", "other", 1) + " " + target + " rw", ""},
		"one whose name ends the same": {named, strings.Replace(volume, "pgdata", "old-pgdata", 1) + " " + target + " rw", ""},
		"elsewhere in the container":   {named, volume + " /backup rw", ""},
		"read only there":              {named, volume + " " + target + " ro,nosuid", ""},
		"read only for the new one":    {mounts(core.Mount{Source: "pgdata", Target: target, ReadOnly: true}), volume + " " + target + " rw", ""},
		"a path":                       {mounts(core.Mount{Source: "/srv/data", Target: "/data"}), "/srv/data /data rw", "/srv/data"},
		"a path below a mount":         {mounts(core.Mount{Source: "/srv/data", Target: "/data"}), "/data /data rw", "/srv/data"},
		"a path in a subvolume":        {mounts(core.Mount{Source: "/home/alice/data", Target: "/data"}), "/@home/alice/data /data rw", ""},
		"another path":                 {mounts(core.Mount{Source: "/srv/data", Target: "/data"}), "/srv/other /data rw", ""},
		"a path that ends alike":       {mounts(core.Mount{Source: "/srv/data", Target: "/data"}), "/srv/mydata /data rw", ""},
		"a whole file system":          {mounts(core.Mount{Source: "/srv/data", Target: "/data"}), "/ /data rw", ""},
		"with a blank":                 {mounts(core.Mount{Source: "/srv/my data", Target: "/my data"}), `/srv/my\040data /my\040data rw`, "/srv/my data"},
		"one of several":               {mounts(core.Mount{Source: "conf", Target: "/etc/x"}, core.Mount{Source: "pgdata", Target: target}), volume + " " + target + " rw", "pgdata"},
		"a unit without mounts":        {mounts(), volume + " " + target + " rw", ""},
	} {
		h := newHost(t)
		h.mounts("511", "/ / rw", "/x /dev/shm rw", tt.line)
		p := Process{PID: 511, Name: "postgres", Role: Payload, Init: true}
		got := h.view.Holders([]Process{p}, []core.Unit{{Name: "other.service"}, tt.unit})
		if tt.want == "" && len(got) != 0 || tt.want != "" && (len(got) != 1 || got[0] != Holder{Process: p, Unit: "db.service", Source: tt.want}) {
			t.Errorf("%s: got %+v, want %q", name, got, tt.want)
		}
	}
}

func TestHoldersOfWhom(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	units := []core.Unit{
		{Name: "db.service", Mounts: []core.Mount{{Source: "pgdata", Target: "/data"}}},
		{Name: "second.service", Mounts: []core.Mount{{Source: "pgdata", Target: "/data"}}},
	}
	var list []Process
	for pid, role := range map[int]Role{1: Payload, 2: Payload, 3: Conmon, 4: Pause, 5: Payload} {
		list = append(list, Process{PID: pid, Role: role})
		if pid != 5 { // that one has ended
			h.mounts(fmt.Sprint(pid), "/volumes/pgdata/_data /data rw")
		}
	}
	got := map[string]int{}
	for _, held := range h.view.Holders(list, units) {
		got[fmt.Sprint(held.PID, " ", held.Unit)]++
	}
	// conmon and the pause process are in the account's own mount namespace.
	for _, want := range []string{"1 db.service", "2 db.service", "1 second.service", "2 second.service"} {
		if got[want] != 1 {
			t.Errorf("%s: %d times", want, got[want])
		}
	}
	if len(got) != 4 {
		t.Errorf("got %v", got)
	}
}
