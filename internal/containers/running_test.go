package containers

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// ids of 64 digits, by their first.
func id(first string) string { return first + strings.Repeat("0", 64-len(first)) }

// monitor puts a monitor there, with the command line that Podman 5.4 writes.
func (h *host) monitor(pid int, cgroup, id, session, name string, more ...string) {
	h.t.Helper()
	h.proc(pid, proc{name: "conmon", uid: uid, cgroup: cgroup})
	args := append([]string{"/usr/bin/conmon", "--api-version", "1", "-c", id, "-u", session, "-r", "/usr/bin/crun",
		"-b", "/home/app/.local/share/containers/storage/overlay-containers/" + id + "/userdata", "-p", "/run/user/1000/x/pidfile", "-n", name,
		"--exit-dir", "/run/user/1000/libpod/tmp/exits", "--exit-command", "/usr/bin/podman", "--exit-command-arg", "container",
		"--exit-command-arg", "cleanup", "--exit-command-arg", "--stopped-only"}, more...)
	args = append(args, "--exit-command-arg", id)
	h.write(h.view.path(pid, "cmdline"), strings.Join(args, "\x00")+"\x00")
}

// running returns what was found, as "name unit" and " rm", joined by commas.
func (h *host) running() string {
	h.t.Helper()
	processes, err := h.view.Processes()
	if err != nil {
		h.t.Fatal(err)
	}
	var words []string
	for _, c := range h.view.Running(processes) {
		word := strings.TrimSpace(c.Name + " " + c.Unit)
		if c.Throwaway {
			word += " rm"
		}
		if c.Terminal {
			word += " tty"
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

const (
	manager = "/user.slice/user-1000.slice/user@1000.service"
	byHand  = manager + "/user.slice/podman-122.scope"
)

func TestRunning(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fill func(h *host)
		want string
	}{
		"nothing": {func(*host) {}, ""},
		"from a login": {func(h *host) {
			h.monitor(10, byHand, id("a"), id("a"), "db")
			h.monitor(11, "/user.slice/user-1000.slice/session-3.scope", id("b"), id("b"), "web")
		}, "db, web"},
		"to be thrown away": {func(h *host) { h.monitor(10, byHand, id("a"), id("a"), "once", "--exit-command-arg", "--rm") }, "once rm"},
		"with a terminal":   {func(h *host) { h.monitor(10, byHand, id("a"), id("a"), "shell", "-t") }, "shell tty"},
		"with its input":    {func(h *host) { h.monitor(10, byHand, id("a"), id("a"), "shell", "-i") }, "shell tty"},
		"of other flags": {func(h *host) {
			h.monitor(10, byHand, id("a"), id("a"), "db", "--runtime-arg", "-t", "--log-tag", "-i", "--exit-command-arg", "-t")
		}, "db"},
		"of systemd-run --unit": {func(h *host) {
			h.monitor(10, manager+"/app.slice/mine.service", id("a"), id("a"), "db")
			h.run("systemd/transient/mine.service", "")
		}, "db"},
		"of a service that is called like keeper": {func(h *host) {
			h.monitor(10, manager+"/app.slice/keeper-web.service", id("a"), id("a"), "web")
		}, "web keeper-web.service"},
		"of a Quadlet": {func(h *host) { h.monitor(10, manager+"/app.slice/db.service/runtime", id("a"), id("a"), "systemd-db") }, "systemd-db db.service"},
		"of podman generate systemd": {func(h *host) {
			h.monitor(10, manager+"/app.slice/container-db.service", id("a"), id("a"), "db")
		}, "db container-db.service"},
		"of an instance": {func(h *host) {
			h.monitor(10, manager+"/app.slice/app-w.slice/w@1.service/runtime", id("a"), id("a"), "w-1")
		}, "w-1 w@1.service"},
		"of a system service": {func(h *host) { h.monitor(10, "/system.slice/db.service", id("a"), id("a"), "db") }, "db db.service"},
		"from what only passes": {func(h *host) {
			for i, cgroup := range []string{
				manager + "/app.slice/podman.service", manager + "/app.slice/podman-restart.service", manager + "/session.slice/keeper.service",
				"/system.slice/cron.service", "/system.slice/ssh.service", "/system.slice/system-container\\x2dshell.slice/container-shell@1.service",
				manager + "/app.slice/run-u12.service", manager + "/app.slice/run-p12-i34.service", manager + "/app.slice/run-r0a1b2c.service", "",
			} {
				h.monitor(10+i, cgroup, id(fmt.Sprint(i, "a")), id(fmt.Sprint(i, "a")), fmt.Sprint("c", i))
			}
		}, "c0, c1, c2, c3, c4, c5, c6, c7, c8, c9"},
		"by the API": {func(h *host) {
			h.monitor(10, manager+"/user.slice/libpod-conmon-"+id("a")+".scope", id("a"), id("a"), "db")
		}, "db"},
		"with an exec session": {func(h *host) {
			h.monitor(10, manager+"/app.slice/db.service/runtime", id("a"), id("a"), "db")
			h.monitor(11, byHand, id("a"), id("e"), "db", "--exit-command-arg", "--exec")
		}, "db db.service"},
		"while conmon forks": {func(h *host) {
			h.monitor(10, byHand, id("a"), id("a"), "db")
			h.monitor(11, byHand, id("a"), id("a"), "db")
		}, "db"},
		"what calls itself conmon in a container": {func(h *host) {
			h.monitor(10, manager+"/user.slice/libpod-"+id("c")+".scope", id("a"), id("a"), "fake")
			h.monitor(11, manager+"/app.slice/db.service/libpod-payload-"+id("c"), id("b"), id("b"), "fake")
			h.monitor(12, byHand, id("d"), id("d"), "fake")
			h.proc(12, proc{name: "conmon", uid: uid, nspid: "7", cgroup: byHand})
		}, ""},
		"what is somebody else's": {func(h *host) {
			h.monitor(10, byHand, id("a"), id("a"), "db")
			h.proc(10, proc{name: "conmon", uid: 1001, cgroup: byHand})
		}, ""},
		"what says nonsense": {func(h *host) {
			h.monitor(10, byHand, "a", "a", "db")
			h.monitor(11, byHand, id("a"), id("a"), "--all")
			h.monitor(12, byHand, id("b"), id("b"), "a\x1b[2J")
			h.monitor(13, byHand, id("c"), id("c"), strings.Repeat("x", 300))
			h.monitor(14, byHand, strings.ToUpper(id("d")), strings.ToUpper(id("d")), "db")
			h.proc(15, proc{name: "conmon", uid: uid, cgroup: byHand})
			h.proc(16, proc{name: "conmon", uid: uid, cgroup: byHand})
			h.write(h.view.path(16, "cmdline"), "conmon\x00-c")
			h.proc(17, proc{name: "conmon", uid: uid, cgroup: byHand, state: "Z"})
			h.write(h.view.path(17, "cmdline"), "")
		}, ""},
		"a pod made by hand": {func(h *host) {
			h.monitor(10, byHand, id("a"), id("a"), "0123456789ab-infra")
			h.monitor(11, byHand, id("b"), id("b"), "db")
			h.monitor(12, byHand, id("c"), id("c"), "mine")
			h.proc(20, proc{name: "catatonit", uid: uid, nspid: "1", cgroup: manager + "/user.slice/user-libpod_pod_" + id("f") + ".slice/libpod-" + id("c") + ".scope"})
			h.write(h.view.path(20, "cmdline"), "/catatonit\x00-P\x00")
		}, "db"},
		"a pod in a unit, with a container by hand": {func(h *host) {
			pod := manager + "/user.slice/user-libpod_pod_" + id("f") + ".slice/libpod-"
			h.monitor(10, manager+"/app.slice/web-pod.service", id("a"), id("a"), "0123456789ab-infra")
			h.proc(20, proc{name: "catatonit", uid: uid, nspid: "1", cgroup: pod + id("a") + ".scope"})
			h.monitor(11, byHand, id("b"), id("b"), "db")
			h.proc(21, proc{name: "postgres", uid: 100999, nspid: "1", cgroup: pod + id("b") + ".scope/container"})
			h.monitor(12, byHand, id("c"), id("c"), "alone")
			h.proc(22, proc{name: "sleep", uid: uid, nspid: "1", cgroup: manager + "/user.slice/libpod-" + id("c") + ".scope"})
		}, "alone, db web-pod.service"},
		"an init that is catatonit, but not the pause": {func(h *host) {
			h.monitor(10, byHand, id("a"), id("a"), "db")
			h.proc(20, proc{name: "catatonit", uid: uid, nspid: "1", cgroup: manager + "/user.slice/libpod-" + id("a") + ".scope"})
			h.write(h.view.path(20, "cmdline"), "/run/podman-init\x00--\x00postgres\x00")
		}, "db"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			tt.fill(h)
			if got := h.running(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestRunningSince(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.monitor(10, byHand, id("a"), id("a"), "db")
	since := func() time.Time {
		processes, err := h.view.Processes()
		if err != nil {
			t.Fatal(err)
		}
		return h.view.Running(processes)[0].Since
	}
	if got := since(); !got.IsZero() {
		t.Errorf("without /proc/uptime: %v", got)
	}
	h.write(filepath.Join(h.view.Proc, "uptime"), "1000.50 3000.00\n")
	h.write(h.view.path(10, "stat"), "10 (a b) c) S 1 "+strings.Repeat("0 ", 17)+"90050 0 0\n")
	if ago := time.Since(since()); ago < 100*time.Second-time.Millisecond || ago > 101*time.Second {
		t.Errorf("it began %v ago, want 100 s", ago)
	}
}

// Every step on the way to a container that runs is told, also after all was
// removed and made anew.
func TestWatch(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	touched := make(chan struct{}, 1000)
	ended := make(chan error, 1)
	go func() { ended <- h.view.Watch(t.Context(), func() { touched <- struct{}{} }) }()
	wait := func(what string) {
		t.Helper()
		select {
		case <-touched:
		case err := <-ended:
			t.Fatalf("%s: the watch ended: %v", what, err)
		case <-time.After(10 * time.Second):
			t.Fatalf("%s was not told", what)
		}
		for {
			select {
			case <-touched:
				continue
			case <-time.After(50 * time.Millisecond):
			}
			return
		}
	}
	wait("the begin")
	top := filepath.Join(h.view.Runtime, "containers")
	for range 2 {
		dir := filepath.Join(top, "overlay-containers", id("a"))
		h.mkdir(dir)
		wait("a container")
		h.mkdir(filepath.Join(dir, "userdata"))
		wait("its directory")
		h.run("containers/overlay-containers/"+id("a")+"/userdata/conmon.pid", "7")
		wait("its start")
		h.remove(filepath.Join(dir, "userdata", "conmon.pid"))
		wait("its end")
		h.run("libpod/tmp/exits/"+id("a"), "0")
		wait("its exit")
		h.remove(filepath.Join(h.view.Runtime, "libpod"))
		wait("the end of what tells of it")
		h.mkdir(filepath.Join(top, "vfs-containers", id("b"), "userdata"))
		wait("another driver's")
		h.remove(top)
		wait("the end of all")
	}
	h.remove(h.view.Runtime)
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "was removed") {
		t.Errorf("without a runtime directory: %v", err)
	}
}

func TestWatchIgnores(t *testing.T) {
	t.Parallel()
	v := View{Runtime: "/run/user/1000"}
	all := []string{"/run/user/1000/bus", "/run/user/1000/libpod/tmp/alive", "/run/user/1000/libpod/tmp/exits/x", "/run/user/1000/containers/networks", "/run/user/1000/containers/overlay-containers/x",
		"/run/user/1000/containers/overlay-containers/" + id("a") + "/healthcheck.log",
		"/run/user/1000/containers/overlay-containers/" + id("a") + "/userdata/hosts"}
	if i := slices.IndexFunc(all, v.tells); i >= 0 {
		t.Errorf("%s says nothing of containers", all[i])
	}
}
