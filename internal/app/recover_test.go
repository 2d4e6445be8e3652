package app

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"keeper/internal/containers"
	"keeper/internal/core"
)

// patience bounds what is waited for and must come.
const patience = 20 * time.Second

// aftermath is a host on which the user manager starts up: a /proc and a runtime
// directory of the test's own, with real processes in it.
type aftermath struct {
	*userManager
	t    *testing.T
	r    recovery
	log  *logged
	proc string
}

// logged is what was said so far.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newAftermath(t *testing.T) *aftermath {
	t.Helper()
	// The name of a test's own directory may be too long for a socket.
	dir, err := os.MkdirTemp("", "keeper-app")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	a := &aftermath{t: t, log: &logged{}, proc: filepath.Join(dir, "proc"), userManager: startManager(t, filepath.Join(dir, "run"))}
	a.write(filepath.Join(a.proc, "self", "mountinfo"), "")
	a.write(filepath.Join(a.runtime, "libpod", "tmp", "alive"), "")
	a.r = recovery{
		standDown: func() core.StandDown { return core.StandDown{} },
		view:      containers.View{Proc: a.proc, Runtime: a.runtime, Storage: filepath.Join(dir, "storage"), UID: os.Getuid()},
		runtime:   a.runtime, log: slog.New(slog.NewTextHandler(a.log, nil)),
	}
	return a
}

func (a *aftermath) write(path, content string) {
	a.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		a.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// process starts a shell script, and has it stand in /proc, as the first of its
// container if so, until it ends. mount is what it has mounted and where.
func (a *aftermath) process(script, cgroup string, first bool, mount string) *exec.Cmd {
	a.t.Helper()
	cmd := exec.Command("/bin/sh", "-c", script+"\necho ready\nwhile :; do sleep 0.05; done")
	out, err := cmd.StdoutPipe()
	if err != nil {
		a.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 10)); err != nil { // its traps are set
		a.t.Fatal(err)
	}
	dir := filepath.Join(a.proc, fmt.Sprint(cmd.Process.Pid))
	nspid := fmt.Sprint(cmd.Process.Pid, " 2")
	if first {
		nspid = fmt.Sprint(cmd.Process.Pid, " 1")
	}
	a.write(filepath.Join(dir, "cgroup"), "0::"+cgroup+"\n")
	a.write(filepath.Join(dir, "mountinfo"), "30 21 8:1 "+mount+" rw shared:1 - ext4 /dev/sda1 rw\n")
	a.write(filepath.Join(dir, "status"), fmt.Sprintf("Name:\tpostgres\nState:\tS (sleeping)\nUid:\t%d\t%[1]d\t%[1]d\t%[1]d\nNSpid:\t%s\n", os.Getuid(), nspid))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // a signal ends it
		_ = os.RemoveAll(dir)
	}()
	a.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	return cmd
}

func (a *aftermath) lives(cmd *exec.Cmd) bool {
	_, err := os.Stat(filepath.Join(a.proc, fmt.Sprint(cmd.Process.Pid), "status"))
	return err == nil
}

func (a *aftermath) run() {
	a.t.Helper()
	if err := a.r.run(a.t.Context()); err != nil {
		a.t.Fatalf("%v\n%s", err, a.log)
	}
}

func (a *aftermath) cleared() bool { return !a.r.view.Leftover() }

const (
	ofOldLife = "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-0123.scope/container"
	pgdata    = "/volumes/pgdata/_data /data"
	podman    = "podman run --rm -v pgdata:/data docker.io/library/postgres:17"
)

// What holds the volume that a unit is going to mount at the same place is told
// to end; when nothing lives any more, the runtime state goes.
func TestRecoverEndsWhatHoldsAVolume(t *testing.T) {
	t.Parallel()
	a := newAftermath(t)
	a.container("db.service", "inactive", podman, nil)
	// Only the first process is told; the others end with it.
	server := a.process("", ofOldLife, true, pgdata)
	worker := a.process("trap 'exit 7' TERM", ofOldLife, false, pgdata)
	go func() { // as the kernel has it
		for a.lives(server) && t.Context().Err() == nil {
			time.Sleep(time.Millisecond)
		}
		_ = worker.Process.Kill()
	}()
	a.run()
	if a.lives(server) || a.lives(worker) || !a.cleared() {
		t.Errorf("the server lives: %v, the worker: %v, cleared: %v", a.lives(server), a.lives(worker), a.cleared())
	}
	if said := a.log.String(); strings.Count(said, "ending a process") != 1 || !strings.Contains(said, fmt.Sprint("pid=", server.Process.Pid)) || !strings.Contains(said, "signal=SIGTERM") {
		t.Errorf("the log says\n%s", said)
	}
	if got := a.ordered(); got != nil {
		t.Errorf("orders: %v", got)
	}
}

// PostgreSQL waits for its clients on SIGTERM, and not on SIGINT.
func TestRecoverHurriesWhoDoesNotEnd(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it waits for as long as a process may take")
	}
	if signal.Ignored(syscall.SIGINT) {
		// Tests in the background of a shell have it so, and the server would inherit
		// that; a handler, it does not.
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGINT)
		t.Cleanup(func() { signal.Stop(c) })
	}
	a := newAftermath(t)
	a.container("db.service", "inactive", podman, nil)
	server := a.process("trap : TERM", ofOldLife, true, pgdata)
	begun := time.Now()
	a.run()
	if took := time.Since(begun); a.lives(server) || !a.cleared() || took < politeWait || took > politeWait+hurryWait {
		t.Errorf("lives: %v, cleared: %v, after %v", a.lives(server), a.cleared(), took)
	}
	if said := a.log.String(); !strings.Contains(said, "signal=SIGINT") || strings.Contains(said, "SIGKILL") {
		t.Errorf("the log says\n%s", said)
	}
}

// What is left alone, and why.
func TestRecoverLeavesAlone(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(a *aftermath)
		mount  string // of the process
		cgroup string
		says   string
		orders []string
	}{
		"keeper stands down": {change: func(a *aftermath) {
			a.r.standDown = func() core.StandDown { return core.StandDown{Cause: core.CausePaused, Detail: "paused"} }
		},
			says: "are left alone, for keeper stands down", orders: []string{"StopUnit db.service"}},
		// Somebody types keeper recover.
		"the manager runs":          {change: func(a *aftermath) { a.with(func() { a.state = "running" }) }},
		"the manager is degraded":   {change: func(a *aftermath) { a.with(func() { a.state = "degraded" }) }},
		"the manager stops":         {change: func(a *aftermath) { a.with(func() { a.state = "stopping" }) }},
		"another volume":            {mount: "/volumes/other/_data /data"},
		"of a unit that runs":       {change: func(a *aftermath) { a.container("db.service", "active", podman, nil) }},
		"of another unit that runs": {change: func(a *aftermath) { a.container("web.service", "active", podman, nil) }, cgroup: "/user.slice/user-1000.slice/user@1000.service/app.slice/web.service/libpod-payload-1"},
		// A backup has the data of a store: it is nobody's twin and not ended, but
		// the store waits.
		"a store's volume at another place": {mount: "/volumes/pgdata/_data /backup", says: "holding back db.service", orders: []string{"StopUnit db.service"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAftermath(t)
			a.container("db.service", "inactive", podman, nil)
			if tt.change != nil {
				tt.change(a)
			}
			cgroup, mount := ofOldLife, pgdata
			if tt.cgroup != "" {
				cgroup = tt.cgroup
			}
			if tt.mount != "" {
				mount = tt.mount
			}
			p := a.process("", cgroup, true, mount)
			a.run()
			if !a.lives(p) || a.cleared() {
				t.Errorf("lives: %v, cleared: %v; want it to live, and its state to stay", a.lives(p), a.cleared())
			}
			said := a.log.String()
			if !strings.Contains(said, tt.says) || !strings.Contains(said, "left as it is") || strings.Contains(said, "ending a process") {
				t.Errorf("the log says\n%s", said)
			}
			if got := a.ordered(); !slices.Equal(got, tt.orders) {
				t.Errorf("orders: %v, want %v", got, tt.orders)
			}
		})
	}
}

// The manager is not asked where nothing lives: it may be busy with its start.
func TestRecoverClears(t *testing.T) {
	t.Parallel()
	a := newAftermath(t)
	a.r.runtime = "/none/of/this"
	a.run()
	if !a.cleared() || !strings.Contains(a.log.String(), "cleared Podman's runtime state") {
		t.Errorf("cleared: %v\n%s", a.cleared(), a.log)
	}
	before := a.log.String()
	a.run()
	if after := a.log.String(); after != before {
		t.Errorf("nothing to clear, and it says %s", after)
	}
	a.r.view.Proc = "/none/of/this"
	if err := a.r.run(t.Context()); err == nil {
		t.Error("without /proc nobody can say that nothing lives")
	}
}

// What dies together with the user manager is waited for.
func TestRecoverWaitsForTheDying(t *testing.T) {
	t.Parallel()
	var a *aftermath
	for range 5 { // a busy machine may kill too late
		a = newAftermath(t)
		dying := a.process("", ofOldLife, true, "/ /")
		go func() {
			time.Sleep(goneWait / 10)
			_ = dying.Process.Kill()
		}()
		a.run()
		if a.cleared() {
			return
		}
	}
	t.Errorf("not cleared:\n%s", a.log)
}

// All waits together end before `keeper recover` is ended, after 55 s.
func TestRecoverWaitsFit(t *testing.T) {
	t.Parallel()
	if all := goneWait + askWait + politeWait + hurryWait + killWait + cleanupWait; all > 50*time.Second {
		t.Errorf("it may wait for %v", all)
	}
}

// Who is told: the first process of each container, the others where it is not
// among the holders, and each of them once; by SIGKILL all.
func TestRecoverTellsWhom(t *testing.T) {
	t.Parallel()
	a := newAftermath(t)
	// Each writes down what it was told.
	dir := t.TempDir()
	var all []containers.Holder
	for i, p := range []struct {
		cgroup     string
		init, twin bool
	}{{"/a", true, true}, {"/a", false, true}, {"/b", false, true}, {"/b", false, true}, {"/c", true, false}} {
		file := filepath.Join(dir, fmt.Sprint(i))
		cmd := a.process("trap 'echo told >>"+file+"' TERM", p.cgroup, p.init, "/ /")
		h := containers.Holder{Process: containers.Process{PID: cmd.Process.Pid, CGroup: p.cgroup, Init: p.init}, Unit: "db.service", Source: "pgdata", Twin: p.twin}
		all = append(all, h, h) // it holds two
	}
	a.r.signal(all, syscall.SIGTERM)
	told := func(i int) bool {
		data, err := os.ReadFile(filepath.Join(dir, fmt.Sprint(i)))
		return err == nil && string(data) == "told\n"
	}
	for _, i := range []int{0, 2, 3} {
		if !poll(t.Context(), patience, func() bool { return told(i) }) {
			t.Errorf("process %d was not told once", i)
		}
	}
	if told(1) || told(4) || strings.Count(a.log.String(), "signal=SIGTERM") != 3 {
		t.Errorf("the log says\n%s", a.log)
	}
	a.r.signal(all, syscall.SIGKILL)
	if strings.Count(a.log.String(), "signal=SIGKILL") != 4 {
		t.Errorf("the log says\n%s", a.log)
	}
}

// A restart is about the services alone: a network that is restarted takes along all
// that need it.
func TestRestartOnAHost(t *testing.T) {
	t.Parallel()
	a := newAftermath(t)
	a.with(func() { a.state = "running" })
	a.container("web.service", "active", "podman run localhost/web", map[string]any{"After": []string{"stack-network.service"}})
	a.container("stack-network.service", "failed", "podman network create stack", map[string]any{"SourcePath": "/q/stack.network"})
	l := &unitsLink{runtime: a.runtime, view: a.r.view, log: a.r.log}
	stop := a.connect(l)
	defer stop()
	for running, member := range map[bool]string{true: "TryRestartUnit", false: "RestartUnit"} {
		a.with(func() { a.orders = nil })
		if err := l.Restart(t.Context(), []string{"web.service"}, running); err != nil {
			t.Fatal(err)
		}
		want := []string{"ResetFailedUnit web.service", "ResetFailedUnit stack-network.service", member + " web.service"}
		if got := a.ordered(); !slices.Equal(got, want) {
			t.Errorf("orders: %v, want %v", got, want)
		}
	}
}

// The daemon starts what is free, says what holds the rest, and begins however
// stale Podman's state is.
func TestStartOnAHost(t *testing.T) {
	t.Parallel()
	a := newAftermath(t)
	a.with(func() { a.state = "running" })
	a.container("db.service", "failed", podman, nil)
	a.container("web.service", "failed", "podman run localhost/web", map[string]any{"Wants": []string{"db.service"}})
	a.container("cache.service", "failed", "podman run redis", nil)
	holder := a.process("", ofOldLife, true, pgdata)
	l := &unitsLink{runtime: a.runtime, view: a.r.view, log: a.r.log}
	stop := a.connect(l)
	defer stop()
	err := l.Start(t.Context(), []string{"db.service", "web.service", "cache.service"})
	if err == nil || !strings.Contains(err.Error(), "db.service is not started: process "+fmt.Sprint(holder.Process.Pid)) || !strings.Contains(err.Error(), "web.service is not started") {
		t.Errorf("got %v", err)
	}
	if got := a.ordered(); !slices.Equal(got, []string{"ResetFailedUnit cache.service", "StartUnit cache.service"}) || a.cleared() {
		t.Errorf("orders: %v, cleared: %v", got, a.cleared())
	}

	// It is gone; the state that it left cannot be cleared, and that is no reason
	// to start nothing.
	_ = holder.Process.Kill()
	if !poll(t.Context(), patience, func() bool { return !a.lives(holder) }) {
		t.Fatal("the holder does not die")
	}
	a.write(filepath.Join(a.proc, "self", "mountinfo"), "30 21 8:1 / "+filepath.Join(a.runtime, "libpod")+" rw shared:1 - ext4 /dev/sda1 rw\n")
	if err := l.Start(t.Context(), []string{"db.service"}); err != nil || a.cleared() || !strings.Contains(a.log.String(), "may stumble over its old runtime state") {
		t.Errorf("got %v, cleared: %v\n%s", err, a.cleared(), a.log)
	}
	if got := a.ordered(); got[len(got)-1] != "StartUnit db.service" {
		t.Errorf("orders: %v", got)
	}
	a.write(filepath.Join(a.proc, "self", "mountinfo"), "")
	if err := l.Start(t.Context(), []string{"db.service"}); err != nil || !a.cleared() {
		t.Errorf("got %v, cleared: %v", err, a.cleared())
	}
}
