package containers

import (
	"os"
	"strings"

	"keeper/internal/core"
)

// Holder is a process inside a container that has a volume open for writing
// where a unit's new container would have it.
type Holder struct {
	Process
	// Unit would mount the same Source at the same place.
	Unit, Source string
}

// Holders returns, of the processes, those that hold what one of the units is
// going to mount writable at the same place in its container: two servers on
// one volume would ruin it.
func (v View) Holders(processes []Process, units []core.Unit) []Holder {
	var held []Holder
	for _, p := range processes {
		if p.Role != Payload {
			continue
		}
		data, err := os.ReadFile(v.path(p.PID, "mountinfo"))
		if err != nil {
			continue // it ended
		}
		for line := range strings.Lines(string(data)) {
			m, ok := parseMount(line)
			if !ok || !m.writable {
				continue
			}
			for _, u := range units {
				if src, ok := sameMount(u, m); ok {
					held = append(held, Holder{Process: p, Unit: u.Name, Source: src})
				}
			}
		}
	}
	return held
}

func sameMount(u core.Unit, m mount) (string, bool) {
	for _, want := range u.Mounts {
		if !want.ReadOnly && want.Target == m.point && sameSource(want.Source, m.root) {
			return want.Source, true
		}
	}
	return "", false
}

// sameSource compares the source of a mount as a unit names it, a volume or a
// path, with the root of a mount, which is a path within its file system.
func sameSource(source, root string) bool {
	if !strings.HasPrefix(source, "/") {
		return strings.HasSuffix(root, "/volumes/"+source+"/_data")
	}
	return root != "/" && (strings.HasSuffix(source, root) || strings.HasSuffix(root, source))
}
