package host

import (
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"keeper/internal/core"
)

// fake is a host in a directory. Its file systems and labels are said by path.
type fake struct {
	View
	t      *testing.T
	types  map[string]int64
	labels map[string]string
	env    map[string]string
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{t: t, types: map[string]int64{}, labels: map[string]string{}, env: map[string]string{}}
	root := t.TempDir()
	f.View = View{UID: 1000, User: "app", Env: func(name string) string { return f.env[name] }, root: root}
	f.statfs = func(path string) (unix.Statfs_t, error) {
		rel := "/" + strings.TrimPrefix(strings.TrimPrefix(path, root), "/")
		typ, ok := f.types[rel]
		if !ok {
			return unix.Statfs_t{}, unix.ENOENT
		}
		return unix.Statfs_t{Type: typ, Frsize: 4096, Blocks: 100, Bfree: 30, Bavail: 20, Files: 50, Ffree: 5}, nil
	}
	f.getxattr = func(path, name string) (string, error) {
		if v, ok := f.labels[name+" "+strings.TrimPrefix(path, root)]; ok {
			return v, nil
		}
		return "", unix.ENODATA
	}
	f.clock = func() (bool, error) { return false, unix.ENOSYS }
	return f
}

func (f *fake) dir(path string) {
	f.t.Helper()
	if err := os.MkdirAll(f.at(path), 0o755); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fake) file(path, text string) {
	f.t.Helper()
	f.dir(filepath.Dir(path))
	if err := os.WriteFile(f.at(path), []byte(text), 0o755); err != nil {
		f.t.Fatal(err)
	}
}

func TestCGroup(t *testing.T) {
	t.Parallel()
	const mount, manager = "/sys/fs/cgroup", "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service"
	f := newFake(t)
	if got := f.CGroup(); !reflect.DeepEqual(got, core.CGroupFacts{}) {
		t.Errorf("without one: %+v", got)
	}
	f.types[mount] = unix.CGROUP2_SUPER_MAGIC
	if got := f.CGroup(); got.Version != core.CGroup2 || got.Manager {
		t.Errorf("without a user manager: %+v", got)
	}
	f.file(mount+"/cgroup.controllers", "cpuset cpu io memory hugetlb pids rdma misc\n")
	f.file(manager+"/cgroup.controllers", "memory pids\n")
	want := core.CGroupFacts{Version: core.CGroup2, Manager: true, Delegated: []string{"memory", "pids"}, Offered: core.Controllers}
	if got := f.CGroup(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	f.types[mount] = unix.TMPFS_MAGIC
	if got := f.CGroup(); got.Version != core.CGroup1 {
		t.Errorf("v1: %+v", got)
	}
	f.types[mount+"/unified"] = unix.CGROUP2_SUPER_MAGIC
	if got := f.CGroup(); got.Version != core.CGroupHybrid {
		t.Errorf("hybrid: %+v", got)
	}
}

func TestRuntime(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	if got, want := f.Runtime(), (core.RuntimeFacts{Want: "/run/user/1000", Owner: -1, EnvOwner: -1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	f.dir("/run/user/1000")
	f.dir("/run/user/0")
	f.env["XDG_RUNTIME_DIR"] = "/run/user/0/"
	if got, want := f.Runtime(), (core.RuntimeFacts{Want: "/run/user/1000", There: true, Owner: os.Getuid(), Env: "/run/user/0", EnvOwner: os.Getuid()}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	f.env["XDG_RUNTIME_DIR"] = "\x1b[31mred"
	if got := f.Runtime(); got.Env != "?[31mred" || got.EnvOwner != -1 {
		t.Errorf("got %+v", got)
	}
}

func TestDisks(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.dir("/home/app")
	f.types["/home/app"] = unix.EXT4_SUPER_MAGIC
	got := f.Disks(Room{"/home/app/not/there", "a"}, Room{"/home/app", "b"}, Room{"/home/app", "b"})
	// Of 100 blocks 70 are used and 20 may be: 10 are kept for root.
	want := []core.Disk{{Path: "/home/app/not/there", What: "a and b", Free: 20 * 4096, Size: 90 * 4096, FreeInodes: 5, Inodes: 50}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	delete(f.types, "/home/app")
	if got := f.Disks(Room{"/home/app", "b"}); got != nil {
		t.Errorf("a file system that says nothing: %+v", got)
	}
}

func TestJournal(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	see := func(what string, want core.JournalFacts) {
		t.Helper()
		if got := f.Journal(); got != want {
			t.Errorf("%s: got %+v, want %+v", what, got, want)
		}
	}
	see("no journald", core.JournalFacts{})
	f.dir("/run/systemd/journal")
	see("no directory", core.JournalFacts{Known: true, Storage: "auto"})
	f.dir("/var/log/journal")
	see("a directory", core.JournalFacts{Known: true, Persistent: true, Storage: "auto"})
	f.file("/usr/lib/systemd/journald.conf", "[Journal]\nStorage=none\n")
	see("the distribution's", core.JournalFacts{Known: true, Storage: "none"})
	f.file("/etc/systemd/journald.conf", "[Journal]\n#Storage=volatile\n")
	see("the site's comes first", core.JournalFacts{Known: true, Persistent: true, Storage: "auto"})
	f.file("/usr/lib/systemd/journald.conf.d/10.conf", "[Journal]\nStorage=volatile\n")
	see("a drop-in", core.JournalFacts{Known: true, Storage: "volatile"})
	f.file("/etc/systemd/journald.conf.d/10.conf", "")
	see("which is masked", core.JournalFacts{Known: true, Persistent: true, Storage: "auto"})
	f.file("/etc/systemd/journald.conf.d/20.conf", "[Journal]\n Storage = persistent \n[Other]\nStorage=none\n")
	see("and another", core.JournalFacts{Known: true, Persistent: true, Storage: "persistent"})
}

func TestClock(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	if got := f.Clock(); got != (core.ClockFacts{}) {
		t.Errorf("a kernel that does not say: %+v", got)
	}
	synced := true
	f.clock = func() (bool, error) { return synced, nil }
	f.file("/proc/uptime", "61.50 100.00\n")
	if got, want := f.Clock(), (core.ClockFacts{Known: true, Synced: true, Up: 61500 * time.Millisecond}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	synced = false
	f.dir("/run/systemd/timesync")
	if got := f.Clock(); got.Synced || got.Service != "systemd-timesyncd" {
		t.Errorf("got %+v", got)
	}
	f.dir("/run/chrony")
	if got := f.Clock(); got.Service != "chronyd" {
		t.Errorf("got %+v", got)
	}
}

func TestPortFloorAndSELinux(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	if f.PortFloor() != 0 || f.Enforcing() || f.Label("/srv") != "" {
		t.Error("nothing is known, and something is said")
	}
	for text, want := range map[string]int{"1024\n": 1024, "0\n": 0, "-1\n": 0, "x": 0, "70000": 0} {
		f.file("/proc/sys/net/ipv4/ip_unprivileged_port_start", text)
		if got := f.PortFloor(); got != want {
			t.Errorf("%q: got %d", text, got)
		}
	}
	f.file("/sys/fs/selinux/enforce", "0")
	if f.Enforcing() {
		t.Error("permissive is not enforcing")
	}
	f.file("/sys/fs/selinux/enforce", "1")
	f.labels["security.selinux /srv"] = "unconfined_u:object_r:user_home_t:s0:c1,c2"
	if !f.Enforcing() || f.Label("/srv") != "user_home_t" {
		t.Errorf("got %q", f.Label("/srv"))
	}
	f.file("/run/file", "")
	l, err := net.Listen("unix", f.at("/run/sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f.labels["security.selinux /run/sock"] = "u:r:var_run_t:s0"
	if got := f.Label("/run/sock"); got != "" {
		t.Errorf("the label of a socket says nothing, and %q is told", got)
	}
}

// A FIFO, a directory and a file without end are no text, and hold nobody up.
func TestReadIsBounded(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.dir("/etc/dir")
	if err := syscall.Mkfifo(f.at("/etc/fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	f.file("/etc/large", "")
	if err := os.Truncate(f.at("/etc/large"), mostFile+1); err != nil {
		t.Fatal(err)
	}
	f.file("/etc/good", "x")
	for path, want := range map[string]bool{"/etc/dir": false, "/etc/fifo": false, "/etc/large": false, "/etc/none": false, "/etc/good": true} {
		if _, ok := f.read(path); ok != want {
			t.Errorf("%s: %v", path, ok)
		}
	}
}

func TestSubIDs(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.file("/usr/bin/newuidmap", "")
	f.file("/usr/bin/newgidmap", "")
	f.labels["security.capability /usr/bin/newgidmap"] = "\x01"
	f.file("/etc/subuid", "other:1:2\napp:100000:65536\n1000:200000:1\n")
	got := f.SubIDs(t.Context())
	if want := []string{"/usr/bin/newuidmap has neither the set-uid bit nor a file capability"}; !slices.Equal(got.Tools, want) {
		t.Errorf("got %q", got.Tools)
	}
	if want := (core.SubIDs{Known: true, From: "/etc/subuid", Own: []core.IDRange{{Owner: "app", Start: 100000, Count: 65536}, {Owner: "1000", Start: 200000, Count: 1}},
		Others: []core.IDRange{{Owner: "other", Start: 1, Count: 2}}}); !reflect.DeepEqual(got.Users, want) {
		t.Errorf("got %+v", got.Users)
	}
	if want := (core.SubIDs{Known: true, From: "/etc/subgid"}); !reflect.DeepEqual(got.Groups, want) {
		t.Errorf("without the file: %+v", got.Groups)
	}
	if err := os.Chmod(f.at("/usr/bin/newuidmap"), 0o755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	if got := f.SubIDs(t.Context()); got.Tools != nil {
		t.Errorf("got %q", got.Tools)
	}
	if err := os.Remove(f.at("/usr/bin/newuidmap")); err != nil {
		t.Fatal(err)
	}
	if got := f.SubIDs(t.Context()); len(got.Tools) != 1 || got.Tools[0] != "newuidmap is not in the PATH" {
		t.Errorf("got %q", got.Tools)
	}
}

func TestPodmanSettings(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	see := func(what string, want settings, mistakes int) {
		t.Helper()
		var wrong []string
		if got := f.settings("/home/app", "/home/app/.config", &wrong); got != want || len(wrong) != mistakes {
			t.Errorf("%s: got %+v %q, want %+v", what, got, wrong, want)
		}
	}
	see("no files", settings{}, 0)
	f.file("/usr/share/containers/storage.conf", "[storage]\nrootless_storage_path = \"/ignored\"\n")
	f.file("/etc/containers/storage.conf", "[storage]\ngraphroot = \"/var/lib/containers\"\nrunroot = \"/run/containers\"\nrootless_storage_path = \"/data/$USER/$UID\"\n")
	see("the site's", settings{graphRoot: "/data/app/1000"}, 0)
	f.file("/home/app/.config/containers/storage.conf", "[storage]\ngraphroot = \"$HOME/s/\"\nrunroot = \"$XDG_RUNTIME_DIR/c\"\n")
	f.env["XDG_RUNTIME_DIR"] = "/run/user/1000"
	see("the account's", settings{graphRoot: "/home/app/s", runRoot: "/run/user/1000/c"}, 0)
	f.file("/home/app/other.conf", "[storage]\ngraphroot = \"relative\"\n")
	f.env["CONTAINERS_STORAGE_CONF"] = "/home/app/other.conf"
	see("another file", settings{graphRoot: "/data/app/1000"}, 0)
	f.file("/etc/containers/containers.conf", "[engine]\ntmp_dir = \"/t1\"\ndatabase_backend = \"boltdb\"\n")
	f.file("/etc/containers/containers.conf.d/50.conf", "[engine]\ntmp_dir = \"/t2\"\n")
	f.file("/home/app/.config/containers/containers.conf.d/50.conf", "[engine]\ndatabase_backend = \"sqlite\"\n")
	see("the engine's", settings{graphRoot: "/data/app/1000", tmpDir: "/t2", database: "sqlite"}, 0)
	f.file("/home/app/.config/containers/containers.conf", "[engine]\n\x1b = secret\n")
	see("a broken one", settings{graphRoot: "/data/app/1000", tmpDir: "/t2", database: "sqlite"}, 1)
	f.file("/home/app/only.conf", "[containers]\npids_limit = 0\n")
	f.env["CONTAINERS_CONF"] = "/home/app/only.conf"
	see("one instead of all", settings{graphRoot: "/data/app/1000"}, 0)
}

// The program podman is a script, by way of PATH.
func TestPodman(t *testing.T) {
	f := newFake(t)
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	script := func(text string) {
		if err := os.WriteFile(filepath.Join(bin, "podman"), []byte("#!/bin/sh\n"+text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	ask := func() core.PodmanFacts { return f.Podman(t.Context(), "/home/app", "/home/app/.config", "/home/app/s") }
	f.dir("/home/app")
	f.types["/home/app"] = unix.NFS_SUPER_MAGIC
	if got := ask(); !got.Missing || !got.Known || got.GraphRoot != (core.Place{Path: "/home/app/s", Kind: core.KindNFS}) {
		t.Errorf("no program: %+v", got)
	}
	f.dir("/run/user/1000")
	script(`[ "$*" = --version ] && [ "$XDG_RUNTIME_DIR" = /run/user/1000 ] && echo podman version 5.4.2`)
	if got := ask(); got.Version != "5.4.2" || got.Err != "" || got.Database != "" {
		t.Errorf("got %+v", got)
	}
	f.file("/home/app/s/libpod/bolt_state.db", "")
	if got := ask(); got.Database != "boltdb" {
		t.Errorf("got %+v", got)
	}
	f.file("/home/app/s/db.sql", "")
	if got := ask(); got.Database != "sqlite" {
		t.Errorf("with both it takes SQLite: %+v", got)
	}
	script("echo 'no\x1b such' >&2; echo more >&2; exit 125")
	if got := ask(); got.Err != "no? such" || got.Version != "" {
		t.Errorf("got %+v", got)
	}
	script("echo hello")
	if got := ask(); got.Err != `it answers "hello"` {
		t.Errorf("got %+v", got)
	}
	script("while :; do echo 1234567890123456789012345678901234567890; done | head -c 1000000; exit 0")
	if got := ask(); len(got.Err) > 2*mostShown || got.Version != "" {
		t.Errorf("got %+v", got)
	}
}

func TestFamily(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]bool{
		"ID=\"ol\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"9.4\"\n": {true, false},
		"ID=ubuntu\nID_LIKE=debian\n":                         {false, true},
		"NAME=\"Debian GNU/Linux\"\nID=debian\n":              {false, true},
		"ID='rhel'":                                           {true, false},
		"PRETTY_NAME=debian\nVERSION_ID=rhel\n":               {false, false},
		"":                                                    {false, false},
	} {
		if r, d := family(text); r != want[0] || d != want[1] {
			t.Errorf("%q: %v, %v", text, r, d)
		}
	}
}

func TestParsers(t *testing.T) {
	t.Parallel()
	own, others := subIDs("app:1:2\n# app:3:4\nweb:5:6\n1000:7:8\napp:9\napp:x:1\napp:1:-1\napp:1:0\napp:4294967295:2\n:1:1\napp:4294967295:1", "app", 1000)
	if want := []core.IDRange{{Owner: "app", Start: 1, Count: 2}, {Owner: "1000", Start: 7, Count: 8}, {Owner: "app", Start: 4294967295, Count: 1}}; !slices.Equal(own, want) {
		t.Errorf("own: %v", own)
	}
	if want := []core.IDRange{{Owner: "web", Start: 5, Count: 6}}; !slices.Equal(others, want) {
		t.Errorf("others: %v", others)
	}
	if got := getSubIDs("0: app 100000 65536\n1: app 200000 1\nError fetching ranges\n"); !slices.Equal(got, []core.IDRange{{Owner: "app", Start: 100000, Count: 65536}, {Owner: "app", Start: 200000, Count: 1}}) {
		t.Errorf("getsubids: %v", got)
	}
	for text, want := range map[string]string{"": "files", "passwd: files\nsubid: sss # x\n": "sss", "subid:": "files", "#subid: sss": "files"} {
		if got := subIDSource(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
	for text, want := range map[string]string{"podman version 5.4.2\n": "5.4.2", "podman version 4.9.4-rhel\nx": "4.9.4-rhel", "docker version 1": "", "": ""} {
		if got := podmanVersion(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// fits says whether text of strangers is fit to be shown.
func fits(s string) bool {
	return len(s) <= mostShown+8 && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

func FuzzSubIDs(f *testing.F) {
	f.Add("app:100000:65536\n1000:1:1\nother:5:6\n")
	f.Add("0: app 100000 65536\n")
	f.Add("app:4294967295:4294967295\n\x1b:1:1\n")
	f.Fuzz(func(t *testing.T, text string) {
		own, others := subIDs(text, "app", 1000)
		for _, r := range own {
			if r.Owner != "app" && r.Owner != strconv.Itoa(1000) {
				t.Errorf("%+v is not the account's", r)
			}
		}
		for _, r := range slices.Concat(own, others, getSubIDs(text)) {
			if r.Count == 0 || r.End() > mostIDs || r.End() <= r.Start || !fits(r.Owner) {
				t.Errorf("%+v", r)
			}
		}
		if subIDSource(text) == "" {
			t.Error("ids are from nowhere")
		}
	})
}

func FuzzSystemFiles(f *testing.F) {
	f.Add("ID=debian\nID_LIKE=\"rhel fedora\"\n")
	f.Add("cpuset cpu io memory pids\n")
	f.Add("[Journal]\nStorage=none\n")
	f.Add("podman version 5.4.2\n")
	f.Add("system_u:object_r:container_file_t:s0")
	f.Fuzz(func(t *testing.T, text string) {
		family(text)
		if list := controllers(text); len(list) > len(core.Controllers) {
			t.Errorf("%q", list)
		}
		if s, ok := storageOf(text); ok != slices.Contains([]string{"auto", "none", "volatile", "persistent"}, s) {
			t.Errorf("%q %v", s, ok)
		}
		for _, s := range []string{podmanVersion(text), printable(labelType(text))} {
			if !fits(s) {
				t.Errorf("%q", s)
			}
		}
	})
}

func FuzzPodmanConfig(f *testing.F) {
	f.Add("[storage]\ngraphroot = \"/s\"\nrunroot = \"/r\"\nrootless_storage_path = \"/p\"\n")
	f.Add("[engine]\ntmp_dir = \"/t\"\ndatabase_backend = \"sqlite\"\n")
	f.Add("[storage\n")
	f.Fuzz(func(t *testing.T, text string) {
		_, err1 := parseStorage(text)
		_, err2 := parseEngine(text)
		for _, err := range []error{err1, err2} {
			if err != nil && !fits(printable(err.Error())) {
				t.Errorf("%q", err)
			}
		}
	})
}
