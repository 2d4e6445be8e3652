package containers

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const uid = 1000

// host is a /proc and a runtime directory of the test's own.
type host struct {
	t    *testing.T
	view View
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{t: t, view: View{
		Proc: filepath.Join(t.TempDir(), "proc"), CGroups: filepath.Join(t.TempDir(), "cgroup"), Runtime: filepath.Join(t.TempDir(), "run"), UID: uid,
		Subordinate: []Range{{First: 100000, Count: 65536}, {First: 300000, Count: 10}},
	}}
	h.mkdir(h.view.Proc)
	h.mkdir(h.view.Runtime)
	h.mounts("self")
	return h
}

func (h *host) mkdir(path string) {
	h.t.Helper()
	if err := os.MkdirAll(path, 0o700); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) write(path, content string) {
	h.t.Helper()
	h.mkdir(filepath.Dir(path))
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// run puts a file below the runtime directory.
func (h *host) run(path, content string) {
	h.t.Helper()
	h.write(filepath.Join(h.view.Runtime, path), content)
}

// proc is what a fake process says of itself.
type proc struct {
	name   string
	state  string // S if empty
	uid    int
	nspid  string
	cgroup string
}

func (h *host) proc(pid int, p proc) {
	h.t.Helper()
	if p.state == "" {
		p.state = "S"
	}
	dir := filepath.Join(h.view.Proc, fmt.Sprint(pid))
	nspid := fmt.Sprint(pid)
	if p.nspid != "" {
		nspid += "\t" + p.nspid
	}
	h.write(filepath.Join(dir, "status"), fmt.Sprintf("Name:\t%s\nUmask:\t0022\nState:\t%s (so it is)\nTgid:\t%d\nPid:\t%d\nPPid:\t1\n"+
		"TracerPid:\t0\nUid:\t%d\t%d\t%d\t%d\nGid:\t0\t0\t0\t0\nFDSize:\t64\nGroups:\t \nNStgid:\t%s\nNSpid:\t%s\nThreads:\t1\n",
		p.name, p.state, pid, pid, 7, p.uid, 7, 7, nspid, nspid))
	h.write(filepath.Join(dir, "cgroup"), "0::"+p.cgroup+"\n")
	h.write(filepath.Join(dir, "stat"), fmt.Sprintf("%d (%s) %s 1 %d %d 0 -1\n", pid, p.name, p.state, pid, pid))
}

// mounts gives a process lines of mountinfo: root, point and options.
func (h *host) mounts(pid string, lines ...string) {
	h.t.Helper()
	var b strings.Builder
	for i, l := range lines {
		f := strings.SplitN(l, " ", 3)
		fmt.Fprintf(&b, "%d 21 8:1 %s %s %s shared:1 - ext4 /dev/sda1 rw\n", 30+i, f[0], f[1], f[2])
	}
	h.write(filepath.Join(h.view.Proc, pid, "mountinfo"), b.String())
}

// roles returns what was found, as "pid role" joined by commas.
func (h *host) roles() string {
	h.t.Helper()
	list, err := h.view.Processes()
	if err != nil {
		h.t.Fatal(err)
	}
	var words []string
	for _, p := range list {
		words = append(words, fmt.Sprintf("%d %s", p.PID, p.Role))
	}
	return strings.Join(words, ", ")
}

const (
	slice   = "/user.slice/user-1000.slice/user@1000.service/app.slice/db.service"
	payload = slice + "/libpod-payload-0123456789abcdef"
)

func (h *host) remove(path string) {
	h.t.Helper()
	if err := os.RemoveAll(path); err != nil {
		h.t.Fatal(err)
	}
}
