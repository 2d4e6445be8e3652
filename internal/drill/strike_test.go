package drill

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// sleeper runs a program of that name that does nothing, and returns its process.
func sleeper(t *testing.T, name string) *exec.Cmd {
	t.Helper()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip("no sleep here")
	}
	program := filepath.Join(t.TempDir(), name)
	data, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, data, 0o755); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(program, "600")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	return c
}

func state(t *testing.T, pid int) string {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(data), "State:\t")
	return after[:1]
}

// changed waits until a child is stopped or continued.
func changed(t *testing.T, pid int) unix.WaitStatus {
	t.Helper()
	var ws unix.WaitStatus
	for {
		if _, err := unix.Wait4(pid, &ws, unix.WUNTRACED|unix.WCONTINUED, nil); err == nil {
			return ws
		} else if err != unix.EINTR {
			t.Fatal(err)
		}
	}
}

func TestStrikeDaemon(t *testing.T) {
	t.Parallel()
	c := sleeper(t, "keeper")
	target := Target{Daemon: c.Process.Pid}
	b, err := stopDaemon(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	if ws := changed(t, c.Process.Pid); !ws.Stopped() {
		t.Fatalf("not stopped: %v", ws)
	}
	if err := b.Undo(); err != nil {
		t.Fatal(err)
	}
	if ws := changed(t, c.Process.Pid); !ws.Continued() {
		t.Fatalf("not continued: %v", ws)
	}
	if _, err := killDaemon(t.Context(), target); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	if got := c.ProcessState.String(); got != "signal: killed" {
		t.Errorf("it ended by %s", got)
	}
	if err := b.Undo(); err != nil {
		t.Errorf("who is gone needs no undoing: %v", err)
	}
	// kill(2) takes these for many processes.
	for _, pid := range []int{-1, 0, 1} {
		if _, err := killDaemon(t.Context(), Target{Daemon: pid}); err == nil {
			t.Errorf("%d was struck", pid)
		}
	}
}

func TestStrikeHelper(t *testing.T) {
	t.Parallel()
	runtime := t.TempDir()
	file := filepath.Join(runtime, aardvark.file)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	target := Here(os.Getuid(), "alice", runtime, t.TempDir())
	write := func(pid int) {
		t.Helper()
		if err := os.WriteFile(file, fmt.Appendln(nil, pid), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	strike := killHelper(aardvark)
	if _, err := strike(t.Context(), target); err == nil {
		t.Error("nobody was struck")
	}
	// Ids are used again: another program is none.
	other := sleeper(t, "innocent")
	write(other.Process.Pid)
	if _, err := strike(t.Context(), target); err == nil || state(t, other.Process.Pid) == "Z" {
		t.Errorf("%v, state %s", err, state(t, other.Process.Pid))
	}
	dns := sleeper(t, "aardvark-dns")
	write(dns.Process.Pid)
	b, err := strike(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	_ = dns.Wait()
	if b.Mended() {
		t.Error("the dead one counts")
	}
	write(sleeper(t, "aardvark-dns").Process.Pid)
	if !b.Mended() {
		t.Error("another one does not count")
	}
}

func TestStrikeService(t *testing.T) {
	t.Parallel()
	target := Here(os.Getuid(), "alice", t.TempDir(), t.TempDir())
	target.Unit = "nobody.service"
	for _, name := range []string{"container-kill", "conmon-kill", stopSignal} {
		d, _ := Find(name)
		if _, err := d.Strike(t.Context(), target); err == nil || !strings.Contains(err.Error(), "nobody.service cannot be found") {
			t.Errorf("%s: %v", name, err)
		}
	}
	d, _ := Find("reboot")
	if _, err := d.Strike(t.Context(), target); err == nil {
		t.Error("root's was struck")
	}
}
