package containers

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func (h *host) conmon(pid int, args ...string) {
	h.t.Helper()
	h.proc(pid, proc{name: "conmon", uid: uid, cgroup: slice + "/runtime"})
	h.write(h.view.path(pid, "cmdline"), strings.Join(append([]string{"/usr/bin/conmon"}, args...), "\x00")+"\x00")
}

// Each conmon was told of a directory that lasts as long as its container.
func TestOrphaned(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	orphaned := func() bool {
		list, err := h.view.Processes()
		if err != nil {
			t.Fatal(err)
		}
		return h.view.Orphaned(list)
	}
	dir := func(id string) string { return filepath.Join(h.view.Runtime, "libpod", "tmp", "persist", id) }
	if orphaned() {
		t.Error("orphaned without a container")
	}
	h.conmon(20, "--api-version", "1", "--persist-dir", dir("a"))
	h.conmon(21, "--persist-dir", dir("b"))
	// An older Podman tells nothing, and what is no path is none.
	h.conmon(22, "-c", "c")
	h.conmon(23, "--persist-dir")
	h.conmon(24, "--persist-dir", "relative")
	h.mkdir(dir("a"))
	h.mkdir(dir("b"))
	if orphaned() {
		t.Error("orphaned with all there")
	}
	if err := os.Remove(dir("a")); err != nil {
		t.Fatal(err)
	}
	if orphaned() {
		t.Error("orphaned, though one may be on its way out")
	}
	if err := os.RemoveAll(filepath.Join(h.view.Runtime, "libpod")); err != nil {
		t.Fatal(err)
	}
	if !orphaned() {
		t.Error("not orphaned with all gone")
	}
}

func TestPodmansHelpers(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	const below = "/user.slice/user-1000.slice/user@1000.service/"
	h.run("libpod/tmp/pause.pid", "30\n")
	h.proc(30, proc{name: "podman", uid: uid, cgroup: below + "app.slice/x.service"})
	h.proc(31, proc{name: "podman", uid: uid, cgroup: below + "user.slice/podman-pause-1a.scope"})
	h.proc(32, proc{name: "pasta.avx2", uid: uid, cgroup: below + "user.slice/rootless-netns-1a.scope"})
	h.proc(33, proc{name: "aardvark-dns", uid: uid, cgroup: below + "app.slice/run-p1-i2.scope"})
	h.proc(34, proc{name: "aardvark-dns", uid: 0, cgroup: "/system.slice"})
	h.proc(35, proc{name: "podman", uid: uid, cgroup: below + "app.slice/x.service"})
	h.proc(36, proc{name: "pasta.avx2", state: "Z", uid: uid, cgroup: below + "user.slice/rootless-netns-1a.scope"})
	got, err := h.view.Helpers()
	slices.Sort(got)
	if err != nil || !slices.Equal(got, []int{30, 31, 32, 33}) {
		t.Errorf("got %v, %v", got, err)
	}
}
