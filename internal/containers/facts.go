package containers

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"keeper/internal/core"
)

// cgroupRoot returns where the unified hierarchy is mounted (cgroups(7)).
func cgroupRoot() string {
	for _, dir := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if _, err := os.Stat(filepath.Join(dir, "cgroup.subtree_control")); err == nil {
			return dir
		}
	}
	return ""
}

// Main returns the main process of the container whose conmon is given; it is not
// ok where that is no conmon of the account's, or the container has ended.
func (v View) Main(conmon int) (pid int, ok bool) {
	c, ok := v.monitor(conmon)
	if !ok {
		return 0, false
	}
	// What the runtime wrote when it made the container. conmon has another child at
	// the end, which cleans up.
	file := readPID(c.pidFile)
	if file != 0 && v.stat(file).parent == conmon {
		return file, true
	}
	for _, child := range v.children(conmon) {
		if st, ok := v.status(child); ok && !st.dead && (st.inside || inContainer(v.cgroup(child))) {
			return child, true
		}
	}
	return 0, false
}

// MainOf is Main for a conmon that must be in the service's cgroup: ids are used
// again.
func (v View) MainOf(unit string, conmon int) (pid int, ok bool) {
	if unitOf(v.cgroup(conmon)) != unit {
		return 0, false
	}
	return v.Main(conmon)
}

// monitored is what a conmon's command line says of its container.
type monitored struct{ id, pidFile string }

func (v View) monitor(conmon int) (monitored, bool) {
	p, ok := v.process(conmon, 0)
	if !ok {
		return monitored{}, false
	}
	args := v.arguments(conmon)
	c, ok := monitorOf(p, args)
	return monitored{id: c.ID, pidFile: after(args, "-p")}, ok
}

// children returns the children of the process (proc_pid_task(5), children: there
// since Linux 4.2, where the kernel was built so).
func (v View) children(pid int) []int {
	data, err := readAll(v.path(pid, filepath.Join("task", strconv.Itoa(pid), "children")))
	if err != nil {
		return nil
	}
	var list []int
	for _, word := range strings.Fields(string(data)) {
		if child, err := strconv.Atoi(word); err == nil && child > 0 {
			list = append(list, child)
		}
	}
	return list
}

// stat is the beginning of proc_pid_stat(5): zero if the process is gone.
type stat struct {
	name   string // whoever is in the container chose it
	state  byte
	parent int
}

func (v View) stat(pid int) stat {
	data, err := readAll(v.path(pid, "stat"))
	if err != nil {
		return stat{}
	}
	// pid (comm) state ppid …, where comm may hold anything.
	from, to := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')')
	if from < 0 || to < from {
		return stat{}
	}
	fields := bytes.Fields(data[to+1:])
	if len(fields) < 2 || len(fields[0]) != 1 {
		return stat{}
	}
	parent, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return stat{}
	}
	return stat{name: string(data[from+1 : to]), state: fields[0][0], parent: parent}
}

// inits are programs that start one other and pass signals on: Podman's own
// (podman run --init), and those that images bring.
var inits = []string{"podman-init", "catatonit", "docker-init", "tini", "dumb-init"}

// serving returns the process that does the container's work: the main process,
// or the only child of an init.
func (v View) serving(main int) int {
	if slices.Contains(inits, v.stat(main).name) {
		if children := v.children(main); len(children) == 1 {
			return children[0]
		}
	}
	return main
}

// ProcessCondition says whether the container's main process can do anything at
// all: frozen (podman pause), stopped (by a signal), unknown where it is traced or
// cannot be looked at; empty if nothing is wrong with it.
func (v View) ProcessCondition(conmon int) (core.Condition, string) {
	p, ok := v.find(conmon)
	if !ok {
		return core.ConditionUnknown, "the container's main process cannot be found"
	}
	c, detail, _ := v.look(p)
	return c, detail
}

// place is where to look at a container.
type place struct {
	conmon, main, serving int
	cgroup                string
}

func (v View) find(conmon int) (place, bool) {
	main, ok := v.Main(conmon)
	return place{conmon: conmon, main: main, serving: v.serving(main), cgroup: v.cgroup(main)}, ok
}

// look is ProcessCondition of that place; it reads two or three small files. It is
// not sure where the processes are not those that they were, or cannot be looked at.
func (v View) look(p place) (c core.Condition, detail string, sure bool) {
	pids, parents := []int{p.main}, []int{p.conmon}
	if p.serving != p.main {
		pids, parents = append(pids, p.serving), append(parents, p.main)
	}
	if v.frozen(p.cgroup) {
		return core.ConditionFrozen, "its processes are frozen (podman pause)", v.stat(p.main).parent == p.conmon
	}
	for i, pid := range pids {
		st := v.stat(pid)
		if st.parent != parents[i] {
			return core.ConditionUnknown, fmt.Sprintf("process %d has just ended", pid), false
		}
		switch st.state {
		case 'T':
			return core.ConditionStopped, fmt.Sprintf("process %d is stopped by a signal", pid), true
		case 't':
			return core.ConditionUnknown, fmt.Sprintf("process %d is held by a debugger", pid), true
		case 'Z', 'X', 0:
			return core.ConditionUnknown, fmt.Sprintf("process %d has just ended", pid), false
		}
	}
	return "", "", true
}

// Places remembers where to look at containers, for those that are looked at again
// and again. Its methods may be called by many at once.
type Places struct {
	View View

	mu    sync.Mutex
	known map[int]place // by conmon
}

// Condition is View.ProcessCondition.
func (p *Places) Condition(conmon int) (core.Condition, string) {
	p.mu.Lock()
	at, ok := p.known[conmon]
	p.mu.Unlock()
	if ok {
		if c, detail, sure := p.View.look(at); sure {
			return c, detail
		}
		p.mu.Lock()
		delete(p.known, conmon)
		p.mu.Unlock()
	}
	at, ok = p.View.find(conmon)
	if !ok {
		return core.ConditionUnknown, "the container's main process cannot be found"
	}
	c, detail, sure := p.View.look(at)
	// An init may not have started yet what does the work.
	if sure && (at.serving != at.main || !slices.Contains(inits, p.View.stat(at.main).name)) {
		p.mu.Lock()
		if p.known == nil {
			p.known = map[int]place{}
		}
		p.known[conmon] = at
		p.mu.Unlock()
	}
	return c, detail
}

// Keep forgets all other places.
func (p *Places) Keep(conmons map[int]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.DeleteFunc(p.known, func(conmon int, _ place) bool { return !conmons[conmon] })
}

// frozen reads cgroup.events: what is frozen with a cgroup above says so as well.
func (v View) frozen(cgroup string) bool {
	data, err := readAll(filepath.Join(v.CGroups, cgroup, "cgroup.events"))
	return err == nil && v.CGroups != "" && slices.Contains(strings.Split(string(data), "\n"), "frozen 1")
}

// Continue sends SIGCONT to each process of the container that is stopped by a
// signal.
func (v View) Continue(conmon int) error {
	main, ok := v.Main(conmon)
	if !ok {
		return errors.New("cannot continue the container: its main process cannot be found")
	}
	top := containerCGroup(v.cgroup(main))
	pids := []int{main}
	if child := v.serving(main); child != main {
		pids = append(pids, child)
	}
	if top != "" && v.CGroups != "" {
		pids = v.within(top)
	}
	var all error
	for _, pid := range pids {
		if err := v.resume(pid, top, conmon); err != nil {
			all = errors.Join(all, fmt.Errorf("cannot continue process %d: %w", pid, err))
		}
	}
	return all
}

// ContinueOf is Continue for a conmon that must be in the service's cgroup: ids are
// used again.
func (v View) ContinueOf(unit string, conmon int) error {
	if _, ok := v.MainOf(unit, conmon); !ok {
		return fmt.Errorf("cannot continue the container: process %d is no longer that of %s", conmon, unit)
	}
	return v.Continue(conmon)
}

// resume does so with one process, if it is stopped and still the container's.
func (v View) resume(pid int, top string, conmon int) error {
	if v.stat(pid).state != 'T' {
		return nil
	}
	fd, err := unix.PidfdOpen(pid, 0)
	switch {
	case errors.Is(err, unix.ESRCH):
		return nil
	case errors.Is(err, unix.ENOSYS):
		fd = -1 // before Linux 5.3
	case err != nil:
		return os.NewSyscallError("pidfd_open", err)
	default:
		defer func() { _ = unix.Close(fd) }()
	}
	// The id could have been another's by now; the descriptor stays who it is.
	if top != "" && containerCGroup(v.cgroup(pid)) != top {
		return nil
	}
	if main, ok := v.Main(conmon); top == "" && (!ok || pid != main && v.stat(pid).parent != main) {
		return nil
	}
	if fd < 0 {
		err = unix.Kill(pid, unix.SIGCONT)
	} else {
		err = unix.PidfdSendSignal(fd, unix.SIGCONT, nil, 0)
	}
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return os.NewSyscallError("kill", err)
}

// containerCGroup cuts the cgroup off below what Podman made for the container;
// empty if there is no such thing (--cgroups=disabled).
func containerCGroup(cgroup string) string {
	parts := strings.Split(cgroup, "/")
	for i, part := range parts {
		if part == ".." {
			return ""
		}
		if strings.HasPrefix(part, "libpod-") && inContainer(part) {
			return strings.Join(parts[:i+1], "/")
		}
	}
	return ""
}

// within returns the processes of the cgroup and of those below it. A container
// may have made as many as it likes: there is an end.
func (v View) within(cgroup string) []int {
	const most = 1000
	var pids []int
	seen := 0
	_ = filepath.WalkDir(filepath.Join(v.CGroups, cgroup), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil //nolint:nilerr // it is gone
		}
		if seen++; seen > most {
			return fs.SkipAll
		}
		data, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		if err != nil {
			return nil //nolint:nilerr // it is gone, or has threads alone
		}
		for line := range strings.Lines(string(data)) {
			if pid, err := strconv.Atoi(strings.TrimSpace(line)); err == nil && pid > 0 {
				pids = append(pids, pid)
			}
		}
		return nil
	})
	return pids
}
