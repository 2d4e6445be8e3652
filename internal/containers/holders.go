package containers

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"keeper/internal/core"
)

// Holder is a process inside a container that has something open for writing
// that a unit's new container is going to have.
type Holder struct {
	Process
	// Unit is going to mount Source.
	Unit, Source string
	// Twin says that the process has it at the same place as Unit would: that is
	// the same server, or another of its kind.
	Twin bool
}

// Holders returns, of the processes, those that hold what one of the units that
// are down is going to mount for writing: two servers on one volume would ruin
// it. Elsewhere in its container only what a data store needs is looked for, for
// others share their files on purpose. What belongs to a unit that runs is
// nobody's leftover.
func (v View) Holders(processes []Process, units []core.Unit) []Holder {
	var down []core.Unit
	running := map[string]bool{}
	for _, u := range units {
		if u.Active == "inactive" || u.Active == "failed" {
			down = append(down, u)
		} else {
			running[u.Name] = true
		}
	}
	var held []Holder
	for _, p := range processes {
		if p.Role == Payload && !running[p.Unit] {
			held = append(held, v.holds(p, down)...)
		}
	}
	return held
}

// unitOf returns the service of the user manager that the cgroup belongs to.
func unitOf(cgroup string) string {
	_, below, _ := strings.Cut(cgroup, "/user@")
	_, below, _ = strings.Cut(below, "/")
	for part := range strings.SplitSeq(below, "/") {
		if strings.HasSuffix(part, ".service") {
			return part
		}
	}
	return ""
}

// mountsMost bounds what is read of the mounts of one process: more than the kernel lets
// there be (fs.mount-max) of any sensible length.
const mountsMost = 64 << 20

func (v View) holds(p Process, down []core.Unit) []Holder {
	f, err := os.Open(v.path(p.PID, "mountinfo"))
	if err != nil {
		return nil // it ended
	}
	defer f.Close()
	// Line by line: whoever is root in a container can mount without an end there.
	sc := bufio.NewScanner(io.LimitReader(f, mountsMost))
	sc.Buffer(nil, 1<<20)
	var held []Holder
	for sc.Scan() {
		m, ok := parseMount(sc.Text())
		if !ok || !m.writable {
			continue
		}
		for _, u := range down {
			for _, want := range u.Mounts {
				twin := want.Target == m.point
				if want.ReadOnly || !twin && !core.IsStore(u.Image) || !v.same(want.Source, p.PID, m) {
					continue
				}
				held = append(held, Holder{Process: p, Unit: u.Name, Source: want.Source, Twin: twin})
			}
		}
	}
	return held
}

// same says whether the mount of the process is of the source as a unit names
// it: a volume, or a path. Files are the same by device and inode; the account
// owns the containers' user namespaces, and so may look through their mounts.
func (v View) same(source string, pid int, m mount) bool {
	path := source
	if !filepath.IsAbs(source) {
		// A volume that is elsewhere, or not to be looked at, is told by its name.
		if strings.HasSuffix(m.root, "/volumes/"+source+"/_data") {
			return true
		}
		path = filepath.Join(v.Storage, "volumes", source, "_data")
	}
	a, aok := identity(path)
	b, bok := identity(filepath.Join(v.path(pid, "root"), m.point))
	return aok && bok && a == b
}

type fileID struct{ device, inode uint64 }

func identity(path string) (fileID, bool) {
	fi, err := os.Stat(path)
	if err != nil {
		return fileID{}, false
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return fileID{}, false
	}
	return fileID{device: uint64(st.Dev), inode: st.Ino}, true //nolint:unconvert // Dev is 32 bits wide on some architectures
}
