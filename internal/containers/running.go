package containers

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Container is a container that runs, as its conmon shows it.
type Container struct {
	Name, ID string
	// Conmon is the process id of its monitor.
	Conmon int
	// Unit is the service that it belongs to, and comes back with; empty if there
	// is none.
	Unit string
	// Throwaway says that Podman removes it when it ends (podman run --rm).
	Throwaway bool
	// Terminal says that it has a terminal, or its input open (podman run -t, -i).
	Terminal bool
	// Since is when its monitor began.
	Since time.Time
}

// Running returns, by name, the containers that run, out of the account's
// processes. What only holds a pod together is left out.
func (v View) Running(processes []Process) []Container {
	pods := v.pods(processes)
	byID := map[string]Container{}
	podUnit := map[string]string{}
	now, up := time.Now(), v.uptime()
	for _, p := range processes {
		c, ok := v.container(p)
		if !ok {
			continue
		}
		if pod := pods[c.ID]; pod != "" && c.Unit != "" {
			podUnit[pod] = c.Unit
		}
		if up > 0 {
			c.Since = now.Add(v.startedAt(p.PID) - up)
		}
		// conmon forks once at its start; the later one stays.
		byID[c.ID] = c
	}
	var list []Container
	for id, c := range byID {
		if holdsPod.MatchString(c.Name) || v.isPause(id, processes) {
			continue
		}
		if c.Unit == "" {
			// A pod comes back whole, with the unit that runs it.
			c.Unit = podUnit[pods[id]]
		}
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b Container) int { return strings.Compare(a.Name+" "+a.ID, b.Name+" "+b.ID) })
	return list
}

var (
	// What Podman takes for an id and for a name (define.NameRegex).
	containerID   = regexp.MustCompile(`^[0-9a-f]{64}$`)
	containerName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)
	// holdsPod are the names of a pod's infra container and of a kube unit's
	// service container, unless somebody chose another.
	holdsPod = regexp.MustCompile(`^[0-9a-f]{12}-(infra|service)$`)
	podSlice = regexp.MustCompile(`libpod_pod_([0-9a-f]{64})(\.slice)?/`)
)

// container reads the command line of a conmon. Anything may call itself that,
// and say anything; what is not as Podman writes it is nobody's monitor.
func (v View) container(p Process) (Container, bool) {
	if p.Role != Conmon {
		return Container{}, false
	}
	args := v.arguments(p.PID)
	c, ok := monitorOf(p, args)
	if !ok {
		return Container{}, false
	}
	c.Unit = v.owner(p.CGroup)
	return c, true
}

// monitorOf does so with the command line, and leaves the service out.
func monitorOf(p Process, args []string) (Container, bool) {
	id, name := after(args, "-c"), after(args, "-n")
	// That of an exec session has the session's id as -u.
	if p.Role != Conmon || p.Inside || inContainer(p.CGroup) || id != after(args, "-u") || !containerID.MatchString(id) || !containerName.MatchString(name) || len(name) > 255 {
		return Container{}, false
	}
	c := Container{Name: name, ID: id, Conmon: p.PID}
	for i := 1; i < len(args); i++ {
		switch before := args[i-1]; {
		case before == "--exit-command-arg":
			// `podman container cleanup … --rm ID` is what conmon runs at the end.
			c.Throwaway = c.Throwaway || args[i] == "--rm"
		case before == "--runtime-arg", before == "--log-opt", before == "--log-tag":
		case args[i] == "-t", args[i] == "-i":
			c.Terminal = true
		}
	}
	return c, true
}

func (v View) arguments(pid int) []string {
	data, err := readAll(v.path(pid, "cmdline"))
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(data), "\x00"), "\x00")
}

// after returns what follows the flag.
func after(args []string, flag string) string {
	if i := slices.Index(args, flag); i >= 0 && i+1 < len(args) {
		return args[i+1]
	}
	return ""
}

// passing are services in which somebody's containers run, and which do not
// bring these back: Podman's API and its helpers, what keeper runs, what runs
// other people's commands, and transient services (systemd-run).
var passing = regexp.MustCompile(`^((podman|podman-restart|podman-auto-update|keeper|keeper-session|keeper-network-reload|keeper-adopt-.*|cron|crond|anacron|atd|ssh|sshd)|(ssh|sshd|getty|serial-getty|container-getty|container-shell)@.*|run-[rup][0-9a-f]+(-i[0-9]+)?)\.service$`)

// owner returns the service that keeps what is in the cgroup: one of the user
// manager's, or, where an administrator has one run as the account, the system's.
func (v View) owner(cgroup string) string {
	unit := unitOf(cgroup)
	system := unit == "" && strings.HasPrefix(cgroup, "/system.slice/")
	if system {
		for part := range strings.SplitSeq(cgroup, "/") {
			if strings.HasSuffix(part, ".service") {
				unit = part
				break
			}
		}
	}
	if unit == "" || passing.MatchString(unit) {
		return ""
	}
	// systemd-run --unit=NAME: the manager keeps the file of what is gone with it
	// at the next start (systemd.unit(5), "unit search path").
	dir := filepath.Join(v.Runtime, "systemd", "transient")
	if system {
		dir = "/run/systemd/transient"
	}
	if _, err := os.Lstat(filepath.Join(dir, unit)); err == nil {
		return ""
	}
	return unit
}

// pods returns the pod of each container that is in one. Podman puts these below
// a cgroup that is the pod's.
func (v View) pods(processes []Process) map[string]string {
	pods := map[string]string{}
	for _, p := range processes {
		if m := podSlice.FindStringSubmatch(p.CGroup); m != nil && p.Role == Payload {
			if id := scopeOf(p.CGroup); id != "" {
				pods[id] = m[1]
			}
		}
	}
	return pods
}

// isPause says whether all that runs in the container is what Podman puts into
// a pod's infra container: `catatonit -P`.
func (v View) isPause(id string, processes []Process) bool {
	for _, p := range processes {
		if p.Role == Payload && p.Init && p.Name == "catatonit" && scopeOf(p.CGroup) == id {
			args := v.arguments(p.PID)
			return len(args) == 2 && args[1] == "-P"
		}
	}
	return false
}

// clockTick is USER_HZ, which Linux shows to programs as 100 on every
// architecture that Podman runs on.
const clockTick = time.Second / 100

// startedAt returns when the process began, counted from the boot
// (proc_pid_stat(5), field 22).
func (v View) startedAt(pid int) time.Duration {
	data, err := readAll(v.path(pid, "stat"))
	if err != nil {
		return 0
	}
	// pid (comm) state …, where comm may hold anything.
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 20 {
		return 0
	}
	ticks, err := strconv.ParseInt(fields[19], 10, 64)
	if err != nil || ticks < 0 || ticks > 1<<40 {
		return 0
	}
	return time.Duration(ticks) * clockTick
}

// uptime is the time since the boot (proc_uptime(5)), 0 if it is not known.
func (v View) uptime() time.Duration {
	data, err := os.ReadFile(filepath.Join(v.Proc, "uptime"))
	if err != nil {
		return 0
	}
	word, _, _ := strings.Cut(string(data), " ")
	seconds, err := strconv.ParseFloat(word, 64)
	if err != nil || seconds < 0 || seconds > 1e10 {
		return 0
	}
	return time.Duration(seconds * float64(time.Second))
}
