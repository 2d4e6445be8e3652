package containers

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"keeper/internal/core"
)

var boxID = strings.Repeat("0123456789abcdef", 4)

const (
	boxService = "/user.slice/user-1000.slice/user@1000.service/app.slice/db.service"
	boxConmon  = 26
	boxMain    = 27
)

// child is a process with a parent and children.
func (h *host) child(pid, parent int, p proc, children ...int) {
	h.t.Helper()
	h.proc(pid, p)
	if p.state == "" {
		p.state = "S"
	}
	h.write(h.view.path(pid, "stat"), fmt.Sprintf("%d (%s) %s %d %d 0 -1\n", pid, p.name, p.state, parent, pid))
	h.write(h.view.path(pid, fmt.Sprintf("task/%d/children", pid)), strings.Trim(fmt.Sprint(children), "[]")+" ")
}

// box is a container with its conmon, as Quadlet starts it.
func (h *host) box(main proc, children ...int) {
	h.t.Helper()
	h.child(boxConmon, 1, proc{name: "conmon", uid: uid, cgroup: boxService + "/runtime"}, boxMain)
	h.write(h.view.path(boxConmon, "cmdline"), strings.Join([]string{"/usr/bin/conmon", "-c", boxID, "-u", boxID,
		"-p", filepath.Join(h.boxDir(), "userdata/pidfile"), "-n", "db", ""}, "\x00"))
	if main.cgroup == "" {
		main.cgroup = boxService + "/libpod-payload-" + boxID
	}
	main.uid, main.nspid = 100098, "1"
	h.child(boxMain, boxConmon, main, children...)
}

func (h *host) boxDir() string {
	return filepath.Join(h.view.Runtime, "containers/overlay-containers", boxID)
}

func TestMainProcess(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(h *host)
		want   int
	}{
		"as it is":              {func(*host) {}, boxMain},
		"told by Podman's file": {func(h *host) { h.write(h.boxDir()+"/userdata/pidfile", "27"); h.remove(h.view.path(boxConmon, "task")) }, boxMain},
		"an old file":           {func(h *host) { h.write(h.boxDir()+"/userdata/pidfile", "4711") }, boxMain},
		"of another's child": {func(h *host) {
			h.write(h.boxDir()+"/userdata/pidfile", "30")
			h.child(30, 1, proc{name: "x", uid: uid})
		}, boxMain},
		"neither file nor children": {func(h *host) { h.remove(h.view.path(boxConmon, "task")) }, 0},
		"with the one that cleans up": {func(h *host) {
			h.child(25, boxConmon, proc{name: "podman", uid: uid, cgroup: boxService + "/runtime"})
			h.write(h.view.path(boxConmon, fmt.Sprintf("task/%d/children", boxConmon)), "25 27 ")
		}, boxMain},
		"ended":               {func(h *host) { h.box(proc{name: "postgres", state: "Z"}) }, 0},
		"gone":                {func(h *host) { h.remove(filepath.Join(h.view.Proc, "27")) }, 0},
		"conmon gone":         {func(h *host) { h.remove(filepath.Join(h.view.Proc, "26")) }, 0},
		"no conmon":           {func(h *host) { h.proc(boxConmon, proc{name: "bash", uid: uid, cgroup: boxService}) }, 0},
		"another account's":   {func(h *host) { h.proc(boxConmon, proc{name: "conmon", uid: 1001, cgroup: boxService}) }, 0},
		"a conmon inside one": {func(h *host) { h.proc(boxConmon, proc{name: "conmon", uid: uid, cgroup: payload}) }, 0},
		"an exec's": {func(h *host) {
			h.write(h.view.path(boxConmon, "cmdline"), "/usr/bin/conmon\x00-c\x00"+boxID+"\x00-u\x00"+strings.Repeat("e", 64)+"\x00-n\x00db\x00")
		}, 0},
	} {
		h := newHost(t)
		h.box(proc{name: "postgres"})
		tt.change(h)
		if pid, ok := h.view.Main(boxConmon); pid != tt.want || ok != (tt.want != 0) {
			t.Errorf("%s: got %d, %v; want %d", name, pid, ok, tt.want)
		}
		if pid, ok := h.view.MainOf("db.service", boxConmon); pid != tt.want || ok != (tt.want != 0) {
			t.Errorf("%s: of its service: got %d, %v; want %d", name, pid, ok, tt.want)
		}
		if pid, ok := h.view.MainOf("other.service", boxConmon); ok {
			t.Errorf("%s: of another service: got %d", name, pid)
		}
	}
}

func TestProcessCondition(t *testing.T) {
	t.Parallel()
	events := func(h *host, text string) {
		h.write(filepath.Join(h.view.CGroups, boxService, "libpod-payload-"+boxID, "cgroup.events"), text)
	}
	for name, tt := range map[string]struct {
		change func(h *host)
		want   core.Condition
		detail string
	}{
		"well":            {func(h *host) { events(h, "populated 1\nfrozen 0\n") }, "", ""},
		"without cgroups": {func(h *host) { h.view.CGroups = "" }, "", ""},
		"frozen":          {func(h *host) { events(h, "populated 1\nfrozen 1\n") }, core.ConditionFrozen, "podman pause"},
		"frozen and stopped": {func(h *host) {
			h.box(proc{name: "postgres", state: "T"})
			events(h, "populated 1\nfrozen 1\n")
		}, core.ConditionFrozen, ""},
		"stopped":       {func(h *host) { h.box(proc{name: "a) T (b", state: "T"}) }, core.ConditionStopped, "27"},
		"traced":        {func(h *host) { h.box(proc{name: "postgres", state: "t"}) }, core.ConditionUnknown, "debugger"},
		"ended":         {func(h *host) { h.remove(filepath.Join(h.view.Proc, "27")) }, core.ConditionUnknown, "cannot be found"},
		"busy on disk":  {func(h *host) { h.box(proc{name: "postgres", state: "D"}) }, "", ""},
		"below an init": {func(h *host) { h.box(proc{name: "podman-init"}, 28); h.child(28, boxMain, proc{name: "x", state: "T"}) }, core.ConditionStopped, "28"},
		"an init that is stopped": {func(h *host) {
			h.box(proc{name: "podman-init", state: "T"}, 28)
			h.child(28, boxMain, proc{name: "x"})
		}, core.ConditionStopped, "27"},
		"one of two below an init":  {func(h *host) { h.box(proc{name: "tini"}, 28, 29); h.child(28, boxMain, proc{name: "x", state: "T"}) }, "", ""},
		"a child of the server's":   {func(h *host) { h.box(proc{name: "postgres"}, 28); h.child(28, boxMain, proc{name: "x", state: "T"}) }, "", ""},
		"its child has just ended":  {func(h *host) { h.box(proc{name: "tini"}, 28) }, core.ConditionUnknown, "28"},
		"a stat that is none":       {func(h *host) { h.write(h.view.path(boxMain, "stat"), "rubbish") }, core.ConditionUnknown, ""},
		"a stat without its parent": {func(h *host) { h.write(h.view.path(boxMain, "stat"), "27 (x) S") }, core.ConditionUnknown, ""},
	} {
		h := newHost(t)
		h.box(proc{name: "postgres"})
		tt.change(h)
		got, detail := h.view.ProcessCondition(boxConmon)
		if got != tt.want || !strings.Contains(detail, tt.detail) || (detail == "") != (got == "") {
			t.Errorf("%s: got %q, %q; want %q, %q", name, got, detail, tt.want, tt.detail)
		}
	}
}

// What is remembered of a container holds as long as its processes are the same.
func TestPlaces(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.box(proc{name: "postgres"})
	h.write(filepath.Join(h.view.CGroups, boxService, "libpod-payload-"+boxID, "cgroup.events"), "frozen 0\n")
	p := &Places{View: h.view}
	is := func(when string, want core.Condition) {
		t.Helper()
		if got, detail := p.Condition(boxConmon); got != want {
			t.Errorf("%s: %q, %s; want %q", when, got, detail, want)
		}
	}
	is("well", "")
	// Without its command line nobody would find it a second time.
	h.remove(h.view.path(boxConmon, "cmdline"))
	is("known", "")
	h.write(filepath.Join(h.view.CGroups, boxService, "libpod-payload-"+boxID, "cgroup.events"), "frozen 1\n")
	is("frozen", core.ConditionFrozen)
	h.remove(h.view.path(boxMain, "stat"))
	is("gone", core.ConditionUnknown)
	h.box(proc{name: "tini"})
	h.write(filepath.Join(h.view.CGroups, boxService, "libpod-payload-"+boxID, "cgroup.events"), "frozen 0\n")
	is("an init that has started nobody", "")
	h.box(proc{name: "tini"}, 28)
	h.child(28, boxMain, proc{name: "x", state: "T"})
	is("its child is stopped", core.ConditionStopped)
	p.Keep(map[int]bool{boxConmon: true})
	if len(p.known) != 1 {
		t.Errorf("%d places are known, want 1", len(p.known))
	}
	p.Keep(nil)
	if len(p.known) != 0 {
		t.Errorf("%d places are known of what is not looked at any more", len(p.known))
	}
}

// Real processes are stopped here, which a fake /proc says are the container's.
func TestContinue(t *testing.T) {
	t.Parallel()
	stopped := func() *exec.Cmd {
		cmd := exec.Command("sleep", "1000")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	real := View{Proc: "/proc"}
	is := func(cmd *exec.Cmd, want bool) bool {
		for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			if real.Stopped(cmd.Process.Pid) == want {
				return true
			}
		}
		return false
	}
	main, below, strange, running := stopped(), stopped(), stopped(), stopped()
	for _, cmd := range []*exec.Cmd{main, below, strange, running} {
		if !is(cmd, true) {
			t.Fatal("it does not stop")
		}
	}
	h := newHost(t)
	h.box(proc{name: "postgres"})
	group := boxService + "/libpod-payload-" + boxID
	in := proc{name: "sleep", uid: 100098, nspid: "1", state: "T", cgroup: group}
	h.child(main.Process.Pid, boxConmon, in)
	in.cgroup += "/init.scope"
	h.child(below.Process.Pid, main.Process.Pid, in)
	in.state = "S"
	h.child(running.Process.Pid, main.Process.Pid, in)
	in.state, in.cgroup = "T", boxService+"/libpod-payload-"+strings.Repeat("f", 64)
	h.child(strange.Process.Pid, 1, in)
	h.write(h.view.path(boxConmon, fmt.Sprintf("task/%d/children", boxConmon)), fmt.Sprint(main.Process.Pid))
	dir := filepath.Join(h.view.CGroups, group)
	h.write(filepath.Join(dir, "cgroup.procs"), fmt.Sprintf("%d\n%d\n0\nx\n", main.Process.Pid, strange.Process.Pid))
	h.write(filepath.Join(dir, "init.scope", "cgroup.procs"), fmt.Sprintf("%d\n%d\n", below.Process.Pid, running.Process.Pid))
	if err := h.view.Continue(boxConmon); err != nil {
		t.Fatal(err)
	}
	if !is(main, false) || !is(below, false) {
		t.Error("what was stopped does not go on")
	}
	if real.Stopped(strange.Process.Pid) != true || real.Stopped(running.Process.Pid) != true {
		t.Error("another's process, or one that is not stopped, was continued")
	}
	h.remove(filepath.Join(h.view.Proc, fmt.Sprint(boxConmon)))
	if err := h.view.Continue(boxConmon); err == nil {
		t.Error("nobody is there to go on")
	}
}

// --cgroups=disabled: the main process alone is known to be the container's.
func TestContinueWithoutACGroup(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	h := newHost(t)
	h.box(proc{name: "postgres"})
	h.child(cmd.Process.Pid, boxConmon, proc{name: "sleep", uid: 100098, nspid: "1", state: "T", cgroup: boxService})
	h.write(h.view.path(boxConmon, fmt.Sprintf("task/%d/children", boxConmon)), fmt.Sprint(cmd.Process.Pid))
	real := View{Proc: "/proc"}
	for !real.Stopped(cmd.Process.Pid) {
		time.Sleep(time.Millisecond)
	}
	if err := h.view.ContinueOf("other.service", boxConmon); err == nil || !real.Stopped(cmd.Process.Pid) {
		t.Errorf("the process id is another service's by now: %v", err)
	}
	if err := h.view.ContinueOf("db.service", boxConmon); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Second); real.Stopped(cmd.Process.Pid); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not go on")
		}
	}
}

func TestContainerCGroup(t *testing.T) {
	t.Parallel()
	for cgroup, want := range map[string]string{
		"/a/db.service/libpod-payload-1":         "/a/db.service/libpod-payload-1",
		"/a/db.service/libpod-payload-1/init/x":  "/a/db.service/libpod-payload-1",
		"/a/libpod_pod_1.slice/libpod-2.scope/c": "/a/libpod_pod_1.slice/libpod-2.scope",
		"/a/libpod-conmon-1.scope":               "",
		"/a/db.service":                          "",
		"/../../libpod-payload-1":                "",
		"":                                       "",
	} {
		if got := containerCGroup(cgroup); got != want {
			t.Errorf("%q: got %q, want %q", cgroup, got, want)
		}
	}
}

func TestPodmanHealth(t *testing.T) {
	t.Parallel()
	when := time.Date(2026, 11, 25, 2, 36, 42, 822516676, time.UTC)
	entry := func(output string) string {
		text, err := json.Marshal(map[string]any{"Start": "2026-11-25T02:36:42.7Z", "End": when.Format(time.RFC3339Nano), "ExitCode": 1, "Output": output})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for name, tt := range map[string]struct {
		text   string
		want   string
		failed bool
	}{
		"healthy":             {text: `{"Status":"healthy","FailingStreak":0,"Log":[` + entry("no") + "," + entry("PONG\n") + `]}`, want: "healthy 0 true PONG"},
		"unhealthy":           {text: `{"Status":"unhealthy","FailingStreak":7,"Log":[` + entry("a\nb\n\n") + `]}`, want: "unhealthy 7 true b"},
		"before the first":    {text: `{"Status":"starting","FailingStreak":0,"Log":null}`, want: "starting 0 false "},
		"nothing":             {text: `{}`, want: " 0 false "},
		"at the start":        {text: `{"Status":"reset","FailingStreak":0,"Log":null}`, want: " 0 false "},
		"hostile output":      {text: `{"Status":"healthy","Log":[` + entry("a\x1b[2J\u202eb") + `]}`, want: "healthy 0 true a?[2J?b"},
		"much output":         {text: `{"Status":"healthy","Log":[` + entry(strings.Repeat("x", 10_000)) + `]}`, want: "healthy 0 true " + strings.Repeat("x", outputMost) + "…"},
		"less than none":      {text: `{"Status":"healthy","FailingStreak":-1}`, want: "healthy 0 false "},
		"a time that is none": {text: `{"Status":"healthy","Log":[{"End":"then","Output":"x"}]}`, want: "healthy 0 false x"},
		"another state":       {text: `{"Status":"well\u001b[31m"}`, failed: true},
		"half written":        {text: `{"Status":"heal`, failed: true},
		"empty":               {text: "", failed: true},
		"of another shape":    {text: `[1]`, failed: true},
		"too much":            {text: `{"Status":"` + strings.Repeat("x", healthMost) + `"}`, failed: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			h.box(proc{name: "postgres"})
			h.write(h.boxDir()+"/healthcheck.log", tt.text)
			state, failing, last, output, err := h.view.PodmanHealth(boxConmon)
			if (err != nil) != tt.failed || err != nil && (len(err.Error()) > 500 || strings.Contains(err.Error(), "\x1b")) {
				t.Fatal(err)
			}
			if got := fmt.Sprint(state, " ", failing, " ", last.Equal(when), " ", output); !tt.failed && got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	for ago, want := range map[time.Duration]string{2 * time.Minute: "healthy", 3 * time.Minute: "stale"} {
		h := newHost(t)
		h.box(proc{name: "postgres"})
		at := func(d time.Duration) string { return time.Now().Add(-d).Format(time.RFC3339Nano) }
		h.write(h.boxDir()+"/healthcheck.log", fmt.Sprintf(`{"Status":"healthy","Log":[{"Start":%q,"End":%q},{"Start":%q,"End":%q}]}`,
			at(ago+30*time.Second), at(ago+30*time.Second), at(ago), at(ago)))
		if state, _, _, _, err := h.view.PodmanHealth(boxConmon); state != want || err != nil {
			t.Errorf("checked every 30s, and last %s ago: %s, %v; want %s", ago, state, err, want)
		}
	}
	h := newHost(t)
	h.box(proc{name: "postgres"})
	if _, _, _, _, err := h.view.PodmanHealth(boxConmon); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	h.mkdir(h.boxDir())
	if err := os.Symlink("/etc/passwd", h.boxDir()+"/healthcheck.log"); err != nil {
		t.Fatal(err)
	}
	if _, _, _, _, err := h.view.PodmanHealth(boxConmon); err == nil {
		t.Error("a link was followed")
	}
	h.write(h.view.path(boxConmon, "cmdline"), "conmon\x00-c\x00"+boxID+"\x00-u\x00"+boxID+"\x00-p\x00/etc/passwd\x00-n\x00db\x00")
	if _, _, _, _, err := h.view.PodmanHealth(boxConmon); err == nil || !strings.Contains(err.Error(), "does not say") {
		t.Errorf("conmon names another place: %v", err)
	}
	if _, _, _, _, err := h.view.PodmanHealth(4711); err == nil {
		t.Error("there is no such conmon")
	}
}
