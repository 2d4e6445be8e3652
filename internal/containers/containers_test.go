package containers

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestProcesses(t *testing.T) {
	t.Parallel()
	own := func(name, cgroup string) proc { return proc{name: name, uid: uid, cgroup: cgroup} }
	for name, tt := range map[string]struct {
		procs map[int]proc
		run   map[string]string
		want  string
	}{
		"nobody": {},
		"a stack": {procs: map[int]proc{
			500: own("systemd", "/user.slice/user-1000.slice/user@1000.service/init.scope"),
			510: own("conmon", slice+"/runtime"),
			511: {name: "postgres", uid: 100998, nspid: "1", cgroup: payload},
			512: {name: "postgres", uid: 100998, nspid: "27", cgroup: payload},
			520: own("catatonit", "/user.slice/user-1000.slice/user@1000.service/user.slice/podman-pause-1.scope"),
			530: own("pasta.avx2", "/user.slice/user-1000.slice/user@1000.service/user.slice/rootless-netns-1.scope"),
			531: own("aardvark-dns", "/user.slice/user-1000.slice/user@1000.service/user.slice/rootless-netns-1.scope"),
		}, run: map[string]string{"libpod/tmp/pause.pid": "520"}, want: "510 conmon, 511 payload, 512 payload, 520 pause"},
		"root in the container is the account itself": {procs: map[int]proc{
			511: {name: "redis-server", uid: uid, nspid: "1", cgroup: payload},
		}, want: "511 payload"},
		"containers with a scope of their own": {procs: map[int]proc{
			510: own("conmon", "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-conmon-0123.scope"),
			511: own("sh", "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-0123.scope/container"),
			512: own("sh", "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-0123.scope"),
			513: own("go", "/user.slice/user-1000.slice/session-3.scope/buildah-buildah0123"),
		}, want: "510 conmon, 511 payload, 512 payload, 513 payload"},
		// Something that conmon started, or that has its name in it.
		"in conmon's scope and no conmon": {procs: map[int]proc{
			511: own("podman", "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-conmon-0123.scope"),
		}},
		"by subordinate id alone": {procs: map[int]proc{
			99:  {name: "a", uid: 99999, cgroup: "/"},
			100: {name: "a", uid: 100000, cgroup: "/"},
			101: {name: "a", uid: 165535, cgroup: "/"},
			102: {name: "a", uid: 165536, cgroup: "/"},
			103: {name: "a", uid: 300009, cgroup: "/"},
			104: {name: "a", uid: 300010, cgroup: "/"},
		}, want: "100 payload, 101 payload, 103 payload"},
		// keep-id and --userns=host with ids that are nobody's: the slice tells.
		"a foreign id within the account's slice": {procs: map[int]proc{
			511: {name: "a", uid: 4711, cgroup: payload},
			512: {name: "a", uid: 4711, cgroup: slice},
		}, want: "511 payload"},
		"dead": {procs: map[int]proc{
			510: {name: "conmon", state: "Z", uid: uid, cgroup: slice},
			511: {name: "postgres", state: "X", uid: 100998, cgroup: payload},
			512: {name: "postgres", state: "D", uid: 100998, cgroup: payload},
			513: {name: "postgres", state: "T", uid: 100998, cgroup: payload},
			520: {name: "catatonit", state: "Z", uid: uid, cgroup: slice},
		}, run: map[string]string{"libpod/tmp/pause.pid": "520"}, want: "512 payload, 513 payload"},
		"other accounts": {procs: map[int]proc{
			510: {name: "conmon", uid: 1001, cgroup: "/user.slice/user-1001.slice/user@1001.service/db.service"},
			511: {name: "postgres", uid: 231072, cgroup: "/user.slice/user-1001.slice/user@1001.service/app.slice/db.service/libpod-payload-1"},
			512: {name: "postgres", uid: 1001, cgroup: "/user.slice/user-1001.slice/user@1001.service/app.slice/db.service/libpod-payload-1"},
			513: {name: "conmon", uid: 0, cgroup: "/machine.slice/libpod-conmon-1.scope"},
			514: {name: "postgres", uid: 0, cgroup: "/machine.slice/libpod-1.scope/container"},
			515: {name: "sh", uid: 10001, cgroup: "/user.slice/user-10001.slice/user@10001.service/app.slice/db.service/libpod-payload-1"},
			520: {name: "catatonit", uid: 1001, cgroup: "/"},
		}, run: map[string]string{"libpod/tmp/pause.pid": "520"}},
		"the account's own, of no container": {procs: map[int]proc{
			510: own("bash", "/user.slice/user-1000.slice/session-3.scope"),
			511: own("podman", "/user.slice/user-1000.slice/session-3.scope"),
			512: own("my-libpod-tool", "/user.slice/user-1000.slice/user@1000.service/app.slice/my-libpod-tool.service"),
			520: own("catatonit", slice),
		}},
		"no pause process": {procs: map[int]proc{1: own("a", "/")}, run: map[string]string{"libpod/tmp/pause.pid": "rubbish"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			for pid, p := range tt.procs {
				h.proc(pid, p)
			}
			for path, content := range tt.run {
				h.run(path, content)
			}
			if got := h.roles(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestProcessesTellAll(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.proc(511, proc{name: "postgres", uid: 100998, nspid: "1", cgroup: payload})
	h.proc(20, proc{name: "conmon", uid: uid, cgroup: slice + "/runtime"})
	h.proc(512, proc{name: "postgres", uid: 100998, nspid: "1\t2", cgroup: payload})
	list, err := h.view.Processes()
	want := []Process{
		{PID: 20, Name: "conmon", Role: Conmon, CGroup: slice + "/runtime", Unit: "db.service"},
		{PID: 511, Name: "postgres", Role: Payload, CGroup: payload, Unit: "db.service", Init: true, Inside: true},
		{PID: 512, Name: "postgres", Role: Payload, CGroup: payload, Unit: "db.service", Inside: true},
	}
	if err != nil || !reflect.DeepEqual(list, want) {
		t.Errorf("got  %+v, %v\nwant %+v", list, err, want)
	}
	// A /proc that is not there is no proof that nothing lives.
	h.view.Proc = filepath.Join(h.view.Proc, "none")
	if list, err := h.view.Processes(); err == nil {
		t.Errorf("without /proc: %v and no error", list)
	}
}

// Whoever may run a program may call it what he likes; and processes come and
// go while they are looked at.
func TestProcessesOfHostileContent(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	// The kernel escapes newlines of a name, and nothing else.
	h.proc(10, proc{name: `x\nUid:\t1000\t1000`, uid: 1001, cgroup: payload[:0] + "/"})
	h.proc(11, proc{name: "Uid: 1000 1000 1000 1000", uid: 1001, cgroup: "/"})
	h.proc(12, proc{name: "conmon", uid: 1001, cgroup: "/user.slice/user-1001.slice/user-1000.slice"})
	h.proc(13, proc{name: "", uid: uid, cgroup: slice})
	h.proc(14, proc{name: "conmon) S 1 (", uid: uid, cgroup: slice}) // its first word is what the kernel would show
	long := strings.Repeat("/libpod", 100000)
	h.proc(15, proc{name: "a", uid: uid, cgroup: long})
	status := func(pid int, content string) {
		h.write(filepath.Join(h.view.Proc, fmt.Sprint(pid), "status"), content)
	}
	status(20, "")
	status(21, "\x00\xff\n:::\n\n")
	status(22, "Name:\tconmon\nState:\tS (sleeping)\n")                               // no Uid: nobody knows whose it is
	status(23, "Name:\tconmon\nState:\tS (sleeping)\nUid:\t1000\n")                   // cut short
	status(24, "Name:\tconmon\nUid:\t1000\t-1\t1000\t1000\n")                         // no id
	status(25, "Name:\tconmon\nUid:\t1000\t99999999999999999999\t1000\t1000\n")       // too large
	status(26, "Name:\tconmon\nUid:\t0\t1000\t0\t0\n"+strings.Repeat("x", 1<<20))     // a line that is too long comes last
	h.mkdir(filepath.Join(h.view.Proc, "30"))                                         // it ended
	h.mkdir(filepath.Join(h.view.Proc, "31", "status"))                               // a directory
	h.write(filepath.Join(h.view.Proc, "12345678901234567890", "status"), "Name:\tx") // no PID
	h.write(filepath.Join(h.view.Proc, "acpi"), "")
	if got := h.roles(); got != "26 conmon" {
		t.Errorf("got %s, want 26 alone", got)
	}
}

// A name is shown on terminals and in the journal.
func TestProcessNamesArePrintable(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"postgres":      "postgres",
		"\x1b[2Jgone":   "?[2Jgone",
		"a\x07b\x7fc":   "a?b?c",
		"caf\u00e9":     "caf\u00e9",
		"\u202egnp.exe": "?gnp.exe", // a change of direction
		"\u009b31m":     "?31m",     // the same as ESC [
		"a\xffb":        "a\ufffdb",
	} {
		h := newHost(t)
		h.proc(7, proc{name: name, uid: uid, cgroup: payload})
		list, err := h.view.Processes()
		if err != nil || len(list) != 1 || list[0].Name != want {
			t.Errorf("%q: got %+v, %v; want %q", name, list, err, want)
		}
	}
}

func TestCGroupVersions(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ content, want string }{
		"unified":               {"0::/user.slice/a\n", "/user.slice/a"},
		"hybrid, in systemd's":  {"5:pids:/x\n1:name=systemd:/user.slice/a\n0::/\n", "/user.slice/a"},
		"hybrid, in the second": {"1:name=systemd:/old\n0::/user.slice/a\n", "/user.slice/a"},
		"version 1":             {"5:pids:/x\n1:name=systemd:/user.slice/a\n", "/user.slice/a"},
		"with colons in it":     {"0::/user.slice/a:b:c\n", "/user.slice/a:b:c"},
		"the root":              {"0::/\n", ""},
		"nothing":               {"", ""},
		"rubbish":               {"a\n::\n0:", ""},
	} {
		h := newHost(t)
		h.write(filepath.Join(h.view.Proc, "7", "cgroup"), tt.content)
		if got := h.view.cgroup(7); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

func TestSubordinate(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "subuid")
	for name, tt := range map[string]struct {
		content string
		want    []Range
	}{
		"by name":          {"bob:1:2\nalice:100000:65536\n", []Range{{100000, 65536}}},
		"by id":            {"1000:100000:65536\n", []Range{{100000, 65536}}},
		"two, and neither": {"alice:100000:65536\nal:1:1\n10:1:1\n1000:300000:10", []Range{{100000, 65536}, {300000, 10}}},
		"malformed":        {"alice\nalice:1\nalice:1:2:3\nalice:x:2\nalice:1:x\nalice:-1:2\nalice:99999999999:1\n\n:::\n", nil},
		"with blanks":      {"  alice:5:6 \r\n", []Range{{5, 6}}},
		"empty":            {"", nil},
	} {
		if err := os.WriteFile(file, []byte(tt.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := subordinate(file, uid, "alice"); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
	if got := subordinate(filepath.Join(t.TempDir(), "none"), uid, "alice"); got != nil {
		t.Errorf("without the file: %v", got)
	}
	// A range at the end of all ids.
	r := Range{First: 1<<32 - 2, Count: 1 << 31}
	if r.has(0) || r.has(1<<32-3) || !r.has(1<<32-1) {
		t.Error("a range that runs over")
	}
}

func TestStopped(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for i, tt := range []struct {
		stat string
		want bool
	}{
		{"7 (systemd) T 1 7 7 0", true},
		{"7 (systemd) S 1 7 7 0", false},
		{"7 (systemd) t 1 7 7 0", false}, // traced: a debugger's, not a signal's
		{"7 (a) T b) S 1 7 7 0", false},
		{"7 (a) S b) T 1 7 7 0", true},
		{"7 (systemd)", false},
		{"7 systemd T", false},
		{"", false},
		{")", false},
	} {
		h.write(filepath.Join(h.view.Proc, fmt.Sprint(i+1), "stat"), tt.stat)
		if got := h.view.Stopped(i + 1); got != tt.want {
			t.Errorf("%q: got %v, want %v", tt.stat, got, tt.want)
		}
	}
	if h.view.Stopped(4711) {
		t.Error("nobody is stopped")
	}
}

// This process is real, alive and of no container.
func TestOpen(t *testing.T) {
	t.Parallel()
	v := Open(os.Getuid(), "nobody-of-this-name", t.TempDir(), t.TempDir())
	list, err := v.Processes()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list {
		if p.PID == os.Getpid() {
			t.Errorf("this test is taken for %+v", p)
		}
	}
	if v.Stopped(os.Getpid()) || !v.lives(os.Getpid()) || v.lives(1<<30) {
		t.Error("this test runs, and nobody else has such a number")
	}
}

// The first container of a pod, and all of a kube unit, are in scopes of their
// own: they belong where their conmon does.
func TestProcessesInAScope(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	const manager = "/user.slice/user-1000.slice/user@1000.service"
	const pod = manager + "/app.slice/duo-pod.service"
	scope := func(id string) string {
		return manager + "/user.slice/user-libpod_pod_77.slice/libpod-" + id + ".scope/container"
	}
	h.proc(20, proc{name: "conmon", uid: uid, cgroup: pod})
	h.write(h.view.path(20, "cmdline"), "/usr/bin/conmon\x00--api-version\x001\x00-c\x00a1\x00-u\x00a1\x00")
	h.proc(21, proc{name: "catatonit", uid: uid, nspid: "1", cgroup: scope("a1")})
	// By hand: nobody's.
	h.proc(30, proc{name: "conmon", uid: uid, cgroup: manager + "/user.slice/libpod-conmon-b2.scope"})
	h.write(h.view.path(30, "cmdline"), "/usr/bin/conmon\x00-c\x00b2\x00")
	h.proc(31, proc{name: "redis", uid: 100998, nspid: "1", cgroup: scope("b2")})
	// An exec into it by a service, and a process of another container that calls
	// itself a conmon.
	h.proc(32, proc{name: "conmon", uid: uid, cgroup: manager + "/app.slice/check.service"})
	h.write(h.view.path(32, "cmdline"), "/usr/bin/conmon\x00-c\x00b2\x00-u\x00e5\x00")
	h.proc(33, proc{name: "conmon", uid: uid, cgroup: manager + "/app.slice/evil.service/libpod-payload-d4"})
	h.write(h.view.path(33, "cmdline"), "conmon\x00-c\x00b2\x00-u\x00b2\x00")
	// Its conmon is gone, or says nothing.
	h.proc(41, proc{name: "redis", uid: 100998, nspid: "1", cgroup: scope("c3")})
	h.proc(50, proc{name: "conmon", uid: uid, cgroup: manager + "/app.slice/other.service"})
	list, err := h.view.Processes()
	if err != nil {
		t.Fatal(err)
	}
	got := map[int]string{}
	for _, p := range list {
		got[p.PID] = p.Unit
	}
	want := map[int]string{20: "duo-pod.service", 21: "duo-pod.service", 30: "", 31: "", 32: "check.service", 33: "evil.service", 41: "", 50: "other.service"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}
