package containers

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// What Podman, its network and crun keep below the runtime directory. All of it
// is made anew when Podman finds nothing there. containers holds something of
// the user's as well: the registry log-ins.
// libpod comes last: while it is there, there is something to clear.
var runtimeDirs = []string{"crun", "runc", "containers", "netns", "libpod"}

const logins = "auth.json"

// Leftover says whether there is a runtime state of Podman's at all.
func (v View) Leftover() bool {
	_, err := os.Lstat(filepath.Join(v.Runtime, "libpod", "tmp"))
	return err == nil
}

// Clear removes Podman's runtime state, so that the next Podman begins as after
// a boot. It is for whoever has seen that nothing of the containers lives
// (Processes). It removes nothing that is mounted, and follows no link.
func (v View) Clear() error {
	if err := v.noMounts(); err != nil {
		return err
	}
	// All is looked at before anything goes: half of a state is worse than all.
	var dirs []string
	for _, name := range runtimeDirs {
		dir := filepath.Join(v.Runtime, name)
		fi, err := os.Lstat(dir)
		if missing(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("cannot clear Podman's runtime state: %w", err)
		}
		if st, ok := fi.Sys().(*syscall.Stat_t); !fi.IsDir() || ok && int(st.Uid) != v.UID {
			return fmt.Errorf("cannot clear Podman's runtime state: %s is not a directory of the account", dir)
		}
		dirs = append(dirs, dir)
	}
	for _, dir := range dirs {
		if err := clearDir(dir, filepath.Base(dir) == "containers"); err != nil {
			return fmt.Errorf("cannot clear Podman's runtime state: %w", err)
		}
	}
	if err := v.clearScopes(); err != nil {
		return fmt.Errorf("cannot clear what is left of Podman's scopes: %w", err)
	}
	return nil
}

// clearScopes removes what a killed user manager left of the scopes that Podman
// made: a link for each, under a name that is never used again. Nobody else
// removes them while the runtime directory stays.
func (v View) clearScopes() error {
	dir := filepath.Join(v.Runtime, "systemd", "units")
	entries, err := os.ReadDir(dir)
	if missing(err) {
		return nil
	}
	for _, e := range entries {
		name, ok := strings.CutPrefix(e.Name(), "invocation:")
		if ok && e.Type() == fs.ModeSymlink && strings.HasSuffix(name, ".scope") && isPodmans(name) {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// isPodmans says whether a scope is named as Podman names its own: after
// itself, or by systemd-run.
func isPodmans(scope string) bool {
	return slices.ContainsFunc([]string{"podman-", "rootless-netns-", "libpod-", "run-"}, func(prefix string) bool {
		return strings.HasPrefix(scope, prefix)
	})
}

func clearDir(dir string, keepLogins bool) error {
	if !keepLogins {
		return os.RemoveAll(dir)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != logins {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	if rerr := os.Remove(dir); err == nil && rerr != nil && !errors.Is(rerr, syscall.ENOTEMPTY) && !errors.Is(rerr, fs.ErrExist) {
		return rerr
	}
	return err
}

// noMounts fails if anything is mounted in what is to be removed.
func (v View) noMounts() error {
	data, err := os.ReadFile(filepath.Join(v.Proc, "self", "mountinfo"))
	if err != nil {
		return fmt.Errorf("cannot clear Podman's runtime state: %w", err)
	}
	for line := range strings.Lines(string(data)) {
		m, ok := parseMount(line)
		if !ok {
			continue
		}
		for _, name := range runtimeDirs {
			if dir := filepath.Join(v.Runtime, name); m.point == dir || strings.HasPrefix(m.point, dir+"/") {
				return fmt.Errorf("cannot clear Podman's runtime state: something is mounted at %s", m.point)
			}
		}
	}
	return nil
}

// mount is a line of /proc/PID/mountinfo (proc_pid_mountinfo(5)).
type mount struct {
	root, point string
	writable    bool
}

func parseMount(line string) (mount, bool) {
	f := strings.Fields(line)
	if len(f) < 6 {
		return mount{}, false
	}
	return mount{root: unescape(f[3]), point: unescape(f[4]), writable: strings.HasPrefix(f[5]+",", "rw,")}, true
}

// unescape undoes the octal escapes of space, tab, newline and backslash.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// DeadHelpers names the network helpers that Podman believes to run for living
// containers and that do not: pasta (or slirp4netns), aardvark-dns. Podman
// starts them again when a container joins a network, and not before.
func (v View) DeadHelpers() []string {
	// What nobody needs any more is not missed.
	processes, err := v.Processes()
	if err != nil || !slices.ContainsFunc(processes, func(p Process) bool { return p.Role == Conmon }) {
		return nil
	}
	var dead []string
	networks := filepath.Join(v.Runtime, "containers", "networks")
	if pid := readPID(filepath.Join(networks, "rootless-netns", "rootless-netns-conn.pid")); pid != 0 && !v.lives(pid) {
		dead = append(dead, "pasta")
	}
	dns := filepath.Join(networks, "aardvark-dns")
	if pid := readPID(filepath.Join(dns, "aardvark.pid")); pid != 0 && !v.lives(pid) && v.resolves(dns) {
		dead = append(dead, "aardvark-dns")
	}
	return dead
}

// Orphaned says that the runtime state of Podman's that the living containers
// were started with is gone: somebody removed it, and Podman may have made a new
// one that knows nothing of them. Each conmon was told of a directory there
// (--persist-dir), which lasts as long as the container.
func (v View) Orphaned(processes []Process) bool {
	told, gone := 0, 0
	for _, p := range processes {
		if p.Role != Conmon {
			continue
		}
		dir := v.persistDir(p.PID)
		if dir == "" {
			continue
		}
		told++
		if _, err := os.Lstat(dir); missing(err) {
			gone++
		}
	}
	// One alone may be on its way out.
	return told > 0 && gone == told
}

func (v View) persistDir(pid int) string {
	if dir := v.argument(pid, "--persist-dir"); filepath.IsAbs(dir) {
		return dir
	}
	return ""
}

// Helpers returns the processes that Podman keeps for all containers of the
// account: the pause process, pasta, aardvark-dns.
func (v View) Helpers() ([]int, error) {
	entries, err := os.ReadDir(v.Proc)
	if err != nil {
		return nil, fmt.Errorf("cannot look for Podman's helpers: %w", err)
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		st, ok := v.status(pid)
		if !ok || st.dead || st.uid != uint64(v.UID) {
			continue
		}
		cgroup := v.cgroup(pid)
		if st.name == "aardvark-dns" || strings.Contains(cgroup, "/podman-pause-") || strings.Contains(cgroup, "/rootless-netns-") || pid == v.pausePID() {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// resolves says whether aardvark-dns has a network to answer for: a file each.
func (v View) resolves(dir string) bool {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, e := range entries {
		if e.Name() != "aardvark.pid" && !strings.HasPrefix(e.Name(), ".") {
			return true
		}
	}
	return false
}

func (v View) lives(pid int) bool {
	st, ok := v.status(pid)
	return ok && !st.dead && st.uid == uint64(v.UID)
}
