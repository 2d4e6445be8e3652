package containers

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tree lists what is below the runtime directory.
func (h *host) tree() string {
	h.t.Helper()
	var list []string
	err := filepath.WalkDir(h.view.Runtime, func(path string, d fs.DirEntry, err error) error {
		if err == nil && path != h.view.Runtime {
			name, _ := filepath.Rel(h.view.Runtime, path)
			if d.IsDir() {
				name += "/"
			}
			list = append(list, name)
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return strings.Join(list, " ")
}

// ownHost is one whose files belong to the account.
func ownHost(t *testing.T) *host {
	t.Helper()
	h := newHost(t)
	h.view.UID = os.Getuid()
	return h
}

// leftover is what a dead Podman leaves, and what is not Podman's.
func (h *host) leftover() {
	h.t.Helper()
	for _, path := range []string{
		"libpod/tmp/pause.pid", "libpod/tmp/alive", "libpod/tmp/persist/0123/exit", "crun/0123/status", "runc/x",
		"containers/overlay-containers/0123/userdata/conmon.pid", "containers/networks/aardvark-dns/aardvark.pid", "netns/netns-1",
		"systemd/private", "keeper/keeper.sock", "podman/podman.sock", "libpod-of-mine/x",
	} {
		h.run(path, "x")
	}
}

const notPodmans = "keeper/ keeper/keeper.sock libpod-of-mine/ libpod-of-mine/x podman/ podman/podman.sock systemd/ systemd/private"

func TestClear(t *testing.T) {
	t.Parallel()
	h := ownHost(t)
	if h.view.Leftover() {
		t.Error("there is something left over of nothing")
	}
	if err := h.view.Clear(); err != nil {
		t.Errorf("nothing to clear: %v", err)
	}
	h.leftover()
	if !h.view.Leftover() {
		t.Error("nothing is left over")
	}
	if err := h.view.Clear(); err != nil {
		t.Fatal(err)
	}
	if got := h.tree(); got != notPodmans {
		t.Errorf("left: %s\nwant: %s", got, notPodmans)
	}
	if h.view.Leftover() {
		t.Error("there is still something left over")
	}
}

// A user manager that is killed leaves a link for each scope, and they would
// pile up: a scope of Podman's has another name in each life.
func TestClearRemovesTheLinksOfScopes(t *testing.T) {
	t.Parallel()
	h := ownHost(t)
	h.leftover()
	units := filepath.Join(h.view.Runtime, "systemd", "units")
	if err := os.MkdirAll(units, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"podman-pause-4f8984fe.scope", "run-p332-i709000.scope", "rootless-netns-4eb2b5e5.scope", "dbus.service", "app-editor-7.scope"} {
		if err := os.Symlink("0123", filepath.Join(units, "invocation:"+name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(units, "invocation:run-file.scope"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.view.Clear(); err != nil {
		t.Fatal(err)
	}
	var left []string
	entries, err := os.ReadDir(units)
	for _, e := range entries {
		left = append(left, e.Name())
	}
	want := "invocation:app-editor-7.scope invocation:dbus.service invocation:run-file.scope"
	if got := strings.Join(left, " "); err != nil || got != want {
		t.Errorf("left: %s\nwant: %s\n%v", got, want, err)
	}
}

// While something is there that could not be cleared, there is something to
// clear: what Leftover goes by is the last to go.
func TestClearEndsWithWhatIsLookedFor(t *testing.T) {
	t.Parallel()
	h := ownHost(t)
	h.leftover()
	for _, name := range runtimeDirs {
		if !h.view.Leftover() {
			t.Errorf("nothing is left over, and %s is still to be cleared", name)
		}
		if err := os.RemoveAll(filepath.Join(h.view.Runtime, name)); err != nil {
			t.Fatal(err)
		}
	}
	if h.view.Leftover() {
		t.Error("there is still something left over")
	}
}

// Log-ins to registries were typed by a person, and live among what is Podman's.
func TestClearKeepsLogins(t *testing.T) {
	t.Parallel()
	h := ownHost(t)
	h.leftover()
	h.run("containers/auth.json", "secret")
	h.run("containers/networks/auth.json", "a directory further down it is nothing special")
	if err := h.view.Clear(); err != nil {
		t.Fatal(err)
	}
	if got, want := h.tree(), "containers/ containers/auth.json "+notPodmans; got != want {
		t.Errorf("left: %s\nwant: %s", got, want)
	}
	if data, err := os.ReadFile(filepath.Join(h.view.Runtime, "containers", "auth.json")); err != nil || string(data) != "secret" {
		t.Errorf("auth.json: %q, %v", data, err)
	}
	// Once more, with nothing but the log-ins there.
	if err := h.view.Clear(); err != nil {
		t.Error(err)
	}
}

func TestClearRefuses(t *testing.T) {
	t.Parallel()
	outside := func(t *testing.T) string {
		t.Helper()
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "precious"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	link := func(to, from string) {
		if err := os.Symlink(to, from); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		spoil func(h *host)
		says  string
	}{
		"a mount": {func(h *host) {
			h.mounts("self", "/ / rw", "/x "+filepath.Join(h.view.Runtime, "netns", "netns-1")+" rw")
		}, "netns/netns-1"},
		"a mount with a blank in its name": {func(h *host) {
			h.mounts("self", "/x "+filepath.Join(h.view.Runtime, "containers", `a\040b`)+" ro")
		}, "containers/a b"},
		"one of the directories is a mount": {func(h *host) {
			h.mounts("self", "/x "+filepath.Join(h.view.Runtime, "crun")+" rw")
		}, "mounted"},
		"no list of mounts": {func(h *host) {
			if err := os.Remove(filepath.Join(h.view.Proc, "self", "mountinfo")); err != nil {
				t.Fatal(err)
			}
		}, "mountinfo"},
		"the last of the directories is a file": {func(h *host) { h.replace(runtimeDirs[len(runtimeDirs)-1], func(path string) { h.write(path, "") }) }, "not a directory of the account"},
		"a foreign owner":                       {func(h *host) { h.view.UID++ }, "not a directory of the account"},
		"a file":                                {func(h *host) { h.replace("libpod", func(path string) { h.write(path, "") }) }, "not a directory of the account"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := ownHost(t)
			h.leftover()
			tt.spoil(h)
			before := h.tree()
			err := h.view.Clear()
			if err == nil || !strings.HasPrefix(err.Error(), "cannot clear Podman's runtime state: ") || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want it to say %q", err, tt.says)
			}
			if after := h.tree(); after != before {
				t.Errorf("before: %s\nafter:  %s", before, after)
			}
		})
	}
	t.Run("a link in place of a directory", func(t *testing.T) {
		t.Parallel()
		for _, name := range []string{"libpod", "containers"} {
			h := ownHost(t)
			h.leftover()
			dir := outside(t)
			h.replace(name, func(path string) { link(dir, path) })
			if err := h.view.Clear(); err == nil {
				t.Errorf("%s is a link: no error", name)
			}
			if _, err := os.Stat(filepath.Join(dir, "precious")); err != nil {
				t.Errorf("%s: it was followed: %v", name, err)
			}
		}
	})
	t.Run("links within are removed and not followed", func(t *testing.T) {
		t.Parallel()
		h := ownHost(t)
		h.leftover()
		dir := outside(t)
		link(dir, filepath.Join(h.view.Runtime, "libpod", "tmp", "link"))
		link(dir, filepath.Join(h.view.Runtime, "containers", "link"))
		if err := h.view.Clear(); err != nil {
			t.Fatal(err)
		}
		if got := h.tree(); got != notPodmans {
			t.Errorf("left: %s\nwant: %s", got, notPodmans)
		}
		if _, err := os.Stat(filepath.Join(dir, "precious")); err != nil {
			t.Errorf("it was followed: %v", err)
		}
	})
	t.Run("mounts beside it are nobody's business", func(t *testing.T) {
		t.Parallel()
		h := ownHost(t)
		h.leftover()
		h.mounts("self", "/ / rw", "/ "+h.view.Runtime+" rw", "/x "+filepath.Join(h.view.Runtime, "libpod-of-mine")+" rw", "/x "+h.view.Runtime+"/doc rw")
		if err := h.view.Clear(); err != nil {
			t.Error(err)
		}
	})
}

// replace puts something else where a directory of the runtime state was.
func (h *host) replace(name string, by func(path string)) {
	h.t.Helper()
	path := filepath.Join(h.view.Runtime, name)
	if err := os.RemoveAll(path); err != nil {
		h.t.Fatal(err)
	}
	by(path)
}

func TestParseMount(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]mount{
		"36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue": {"/mnt1", "/mnt2", true},
		"36 35 98:0 /mnt1 /mnt2 ro,noatime master:1 - ext3 /dev/root rw":                 {"/mnt1", "/mnt2", false},
		"36 35 98:0 /mnt1 /mnt2 rw - ext3 /dev/root ro":                                  {"/mnt1", "/mnt2", true},
		"36 35 98:0 /mnt1 /mnt2 rwx - ext3 /dev/root ro":                                 {"/mnt1", "/mnt2", false},
		`36 35 98:0 /a\040b\011c\012d\134e /f\040g rw - ext3 x rw`:                       {"/a b\tc\nd\\e", "/f g", true},
		`36 35 98:0 /a\134040b / rw - ext3 x rw`:                                         {`/a\040b`, "/", true}, // a backslash, and then 040
	} {
		if got, ok := parseMount(line); !ok || got != want {
			t.Errorf("%q: got %+v, %v; want %+v", line, got, ok, want)
		}
	}
	for _, line := range []string{"", "36 35 98:0 /mnt1 /mnt2", "\n"} {
		if got, ok := parseMount(line); ok {
			t.Errorf("%q: got %+v", line, got)
		}
	}
}

func TestDeadHelpers(t *testing.T) {
	t.Parallel()
	const (
		pasta    = "containers/networks/rootless-netns/rootless-netns-conn.pid"
		aardvark = "containers/networks/aardvark-dns/aardvark.pid"
		stack    = "containers/networks/aardvark-dns/stack"
	)
	alive := proc{name: "a", uid: uid, cgroup: "/"}
	both := map[string]string{pasta: "7\n", aardvark: "8", stack: ""}
	zombie, others := alive, alive
	zombie.state, others.uid = "Z", 1001
	for name, tt := range map[string]struct {
		run   map[string]string
		procs map[int]proc
		want  []string
	}{
		"no network at all":       {},
		"both live":               {both, map[int]proc{7: alive, 8: alive}, nil},
		"both dead":               {both, nil, []string{"pasta", "aardvark-dns"}},
		"pasta dead":              {both, map[int]proc{8: alive}, []string{"pasta"}},
		"aardvark-dns dead":       {both, map[int]proc{7: alive}, []string{"aardvark-dns"}},
		"zombies":                 {both, map[int]proc{7: zombie, 8: zombie}, []string{"pasta", "aardvark-dns"}},
		"their numbers used anew": {both, map[int]proc{7: others, 8: others}, []string{"pasta", "aardvark-dns"}},
		"nobody asks for names":   {map[string]string{pasta: "7\n", aardvark: "8"}, map[int]proc{7: alive}, nil},
		"a hidden file is no network": {map[string]string{aardvark: "8", "containers/networks/aardvark-dns/.lock": ""},
			nil, nil},
		"a network and no server yet": {map[string]string{stack: ""}, nil, nil},
		"rubbish":                     {map[string]string{pasta: "seven", aardvark: "-8", stack: ""}, nil, nil},
		"empty":                       {map[string]string{pasta: "", aardvark: "\n", stack: ""}, nil, nil},
		"nought":                      {map[string]string{pasta: "0", aardvark: "0", stack: ""}, nil, nil},
		"more than a number":          {map[string]string{pasta: "7 8", aardvark: strings.Repeat("8", 100), stack: ""}, nil, nil},
	} {
		h := newHost(t)
		for path, content := range tt.run {
			h.run(path, content)
		}
		for pid, p := range tt.procs {
			h.proc(pid, p)
		}
		// Without a container nobody needs them: they go with the last one, before
		// their traces do.
		if got := h.view.DeadHelpers(); got != nil {
			t.Errorf("%s, and no container lives: got %v", name, got)
		}
		h.proc(9, proc{name: "conmon", state: "Z", uid: uid, cgroup: slice})
		h.proc(10, proc{name: "postgres", uid: 100998, cgroup: payload})
		if got := h.view.DeadHelpers(); got != nil {
			t.Errorf("%s, and nobody watches the container: got %v", name, got)
		}
		h.proc(9, proc{name: "conmon", uid: uid, cgroup: slice})
		if got := h.view.DeadHelpers(); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}
