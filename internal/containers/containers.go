// Package containers sees the account's containers as the kernel and the
// runtime directory show them, without asking Podman: it must work where
// Podman's own books are wrong, and before anything of the user starts.
package containers

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/sys/unix"
)

// Role says what a process is to a container.
type Role string

// The roles. Podman's network helpers have none: they are no reason to believe
// that a container lives.
const (
	Conmon  Role = "conmon"  // the monitor of a container
	Payload Role = "payload" // a process inside a container
	Pause   Role = "pause"   // what holds the account's user namespace open
)

// Process is a living process of one of the account's containers.
type Process struct {
	PID  int
	Name string // /proc/PID/comm
	Role Role
	// CGroup is its path in the unified hierarchy.
	CGroup string
	// Unit is the service of the user manager that it belongs to, if any: the one
	// whose cgroup it is in, or its conmon is.
	Unit string
	// Init says that it is the first process of its PID namespace.
	Init bool
	// Inside says that it is in a PID namespace below keeper's own.
	Inside bool
}

// View is where to look, for one account.
type View struct {
	// Proc is /proc.
	Proc string
	// CGroups is where the unified hierarchy is mounted, empty where there is none.
	CGroups string
	// Runtime is $XDG_RUNTIME_DIR, Storage where Podman keeps images and volumes.
	Runtime, Storage string
	UID              int
	// Subordinate are the account's ranges of subuid(5).
	Subordinate []Range
}

// Range is a range of user ids.
type Range struct{ First, Count uint64 }

func (r Range) has(uid uint64) bool { return uid >= r.First && uid-r.First < r.Count }

// Open returns the view of this process's own account. The ranges are read from
// /etc/subuid; where they are handed out by a directory service instead,
// cgroups alone tell what belongs to a container.
func Open(uid int, name, runtime, storage string) View {
	return View{Proc: "/proc", CGroups: cgroupRoot(), Runtime: runtime, Storage: storage, UID: uid, Subordinate: subordinate("/etc/subuid", uid, name)}
}

// subordinate reads subuid(5): lines of owner:first:count, the owner a name or
// an id.
func subordinate(file string, uid int, name string) []Range {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	var ranges []Range
	for line := range strings.Lines(string(data)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) != 3 || f[0] != name && f[0] != strconv.Itoa(uid) {
			continue
		}
		first, err1 := strconv.ParseUint(f[1], 10, 32)
		count, err2 := strconv.ParseUint(f[2], 10, 32)
		if err1 == nil && err2 == nil {
			ranges = append(ranges, Range{first, count})
		}
	}
	return ranges
}

// Processes returns what lives of the account's containers, by PID.
func (v View) Processes() ([]Process, error) {
	entries, err := os.ReadDir(v.Proc)
	if err != nil {
		return nil, fmt.Errorf("cannot look for living containers: %w", err)
	}
	pause := v.pausePID()
	var list []Process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		// A process that ends while it is looked at is not there.
		if p, ok := v.process(pid, pause); ok {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b Process) int { return cmp.Compare(a.PID, b.PID) })
	v.byMonitor(list)
	return list, nil
}

// byMonitor finds the service of each container that is in a scope of its own,
// as the first of a pod is, and all of a kube unit are: that of its conmon.
func (v View) byMonitor(list []Process) {
	var units map[string]string // by the id of the container
	for i, p := range list {
		id := scopeOf(p.CGroup)
		if p.Role != Payload || p.Unit != "" || id == "" {
			continue
		}
		if units == nil {
			units = map[string]string{}
			for _, c := range list {
				// That of an exec session has the session's id as -u, and its unit is
				// that of who called Podman. What calls itself conmon in a container
				// says nothing.
				if c.Role == Conmon && c.Unit != "" && !inContainer(c.CGroup) && v.argument(c.PID, "-u") == v.argument(c.PID, "-c") {
					units[v.argument(c.PID, "-c")] = c.Unit
				}
			}
		}
		list[i].Unit = units[id]
	}
}

// scopeOf returns the id of the container whose scope the cgroup is in.
func scopeOf(cgroup string) string {
	for part := range strings.SplitSeq(cgroup, "/") {
		if id, ok := strings.CutPrefix(part, "libpod-"); ok && strings.HasSuffix(id, ".scope") {
			return strings.TrimSuffix(id, ".scope")
		}
	}
	return ""
}

// argument returns what follows the flag in the command line of the process.
func (v View) argument(pid int, flag string) string {
	return after(v.arguments(pid), flag)
}

func (v View) process(pid, pause int) (Process, bool) {
	st, ok := v.status(pid)
	if !ok || st.dead {
		return Process{}, false
	}
	p := Process{PID: pid, Name: st.name, Init: st.init, Inside: st.inside, CGroup: v.cgroup(pid)}
	p.Unit = unitOf(p.CGroup)
	own := st.uid == uint64(v.UID)
	sub := slices.ContainsFunc(v.Subordinate, func(r Range) bool { return r.has(st.uid) })
	switch {
	case own && st.name == "conmon":
		p.Role = Conmon
	case own && pid == pause:
		p.Role = Pause
	case sub:
		p.Role = Payload
	case (own || v.inSlice(p.CGroup)) && inContainer(p.CGroup):
		p.Role = Payload
	default:
		return Process{}, false
	}
	return p, true
}

// inSlice says whether the cgroup is below the account's slice.
func (v View) inSlice(cgroup string) bool {
	return strings.Contains(cgroup, fmt.Sprintf("/user-%d.slice/", v.UID))
}

// inContainer knows the cgroups that Podman and Buildah make: libpod-ID.scope,
// and libpod-payload-ID below a service. That of conmon (libpod-conmon-ID.scope)
// is told by conmon itself.
func inContainer(cgroup string) bool {
	for part := range strings.SplitSeq(cgroup, "/") {
		if strings.HasPrefix(part, "libpod-conmon-") {
			continue
		}
		if strings.HasPrefix(part, "libpod-") || strings.HasPrefix(part, "buildah-") {
			return true
		}
	}
	return false
}

type status struct {
	name string
	uid  uint64
	init bool
	dead bool
	// inside: more than one PID namespace counts it.
	inside bool
}

// status reads /proc/PID/status (proc_pid_status(5)).
func (v View) status(pid int) (status, bool) {
	data, err := readAll(v.path(pid, "status"))
	if err != nil {
		return status{}, false
	}
	var st status
	known := false
	// Not a bufio.Scanner: a process with many groups has a line longer than it takes.
	for line := range bytes.Lines(data) {
		key, value, _ := strings.Cut(string(line), ":")
		fields := strings.Fields(value)
		if len(fields) == 0 {
			continue
		}
		switch key {
		case "Name":
			// Whoever is in the container chose it.
			st.name = printable(fields[0])
		case "State":
			st.dead = fields[0] == "Z" || fields[0] == "X"
		case "Uid":
			// The effective one: a set-uid program acts for another.
			if len(fields) > 1 {
				st.uid, err = strconv.ParseUint(fields[1], 10, 32)
				known = err == nil
			}
		case "NSpid":
			st.inside = len(fields) > 1
			st.init = st.inside && fields[len(fields)-1] == "1"
		}
	}
	return st, known
}

// printable keeps a name from moving the cursor of a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

func (v View) path(pid int, name string) string {
	return filepath.Join(v.Proc, strconv.Itoa(pid), name)
}

// cgroup returns the process's path in the unified hierarchy, or in systemd's
// own where there is no other (cgroups(7)).
func (v View) cgroup(pid int) string {
	data, err := readAll(v.path(pid, "cgroup"))
	if err != nil {
		return ""
	}
	legacy := ""
	for line := range strings.Lines(string(data)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(f) != 3:
		case f[0] == "0" && f[2] != "/":
			return f[2]
		case f[1] == "name=systemd":
			legacy = f[2]
		}
	}
	return legacy
}

func (v View) pausePID() int { return readPID(filepath.Join(v.Runtime, "libpod", "tmp", "pause.pid")) }

// readPID returns 0 where the file holds no process id.
func readPID(file string) int {
	data, err := readAll(file)
	if err != nil || len(data) > 64 {
		return 0
	}
	// aardvark-dns writes nothing but the number, pasta a newline after it.
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || pid < 1 {
		return 0
	}
	return pid
}

// Stopped says whether the process is stopped by a signal (State T).
func (v View) Stopped(pid int) bool {
	return v.stat(pid).state == 'T'
}

// readMost bounds what is read of one file of /proc; a command line may be long.
const readMost = 4 << 20

// readAll is os.ReadFile with half the system calls: some of this is asked of each
// service at each probe.
func readAll(path string) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer func() { _ = unix.Close(fd) }()
	data := make([]byte, 0, 4096)
	for len(data) < readMost {
		data = slices.Grow(data, 512)
		n, err := unix.Read(fd, data[len(data):cap(data)])
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return nil, &fs.PathError{Op: "read", Path: path, Err: err}
		case n == 0:
			return data, nil
		default:
			data = data[:len(data)+n]
		}
	}
	return nil, &fs.PathError{Op: "read", Path: path, Err: unix.EFBIG}
}

func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
