package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestHosts boots two side by side, runs commands in them, and sees that
// nothing is left when they end, in an orderly way or not.
func TestHosts(t *testing.T) {
	t.Parallel()
	a := testHost(t, Options{Name: "a"})
	b := testHost(t, Options{Name: "b", Suite: "bookworm"})
	ctx := within(t, time.Minute)

	t.Run("apart", func(t *testing.T) {
		if _, err := a.Output(ctx, "sh", "-c", "echo a >/etc/which; hostname"); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Output(ctx, "test", "!", "-e", "/etc/which"); err != nil {
			t.Error("the hosts share their root")
		}
		if _, err := Up(ctx, Options{Name: a.Name}); err == nil || !strings.Contains(err.Error(), "is there already") {
			t.Errorf("the same name twice: %v", err)
		}
	})
	for _, h := range []*Host{a, b} {
		t.Run("exec on "+h.Suite, func(t *testing.T) { runsCommands(ctx, t, h) })
		t.Run("a login is a session on "+h.Suite, func(t *testing.T) { opensSession(ctx, t, h) })
	}
	t.Run("down leaves nothing", func(t *testing.T) {
		if err := a.Down(); err != nil {
			t.Fatal(err)
		}
		assertNoTrace(t, a)
		if err := a.Down(); err != nil {
			t.Errorf("down a second time: %v", err)
		}
	})
	t.Run("a crash leaves nothing", func(t *testing.T) {
		s, err := readSpec(b.dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(s.Supervisor, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		await(t, 20*time.Second, "the janitor is done", func(context.Context) bool { return !exists(b.dir) })
		assertNoTrace(t, b)
	})
}

func runsCommands(ctx context.Context, t *testing.T, h *Host) {
	t.Helper()
	var exit *exec.ExitError
	if err := h.Run(ctx, Exec{}, "sh", "-c", "exit 7"); !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("exit status: %v", err)
	}
	var out, errs bytes.Buffer
	e := Exec{User: User, Login: true, Stdin: strings.NewReader("through\n"), Stdout: &out, Stderr: &errs}
	if err := h.Run(ctx, e, "sh", "-c", `cat; echo "a 'quoted' $1" >&2; id -un`, "x", "word $HOME ${HOME} $$"); err != nil {
		t.Fatal(err)
	}
	if out.String() != "through\n"+User+"\n" || errs.String() != "a 'quoted' word $HOME ${HOME} $$\n" {
		t.Errorf("out %q, err %q", out.String(), errs.String())
	}
	if _, err := h.start(ctx, Exec{User: "nobody"}, "true"); err == nil {
		t.Error("an account that no host has was taken")
	}
}

func opensSession(ctx context.Context, t *testing.T, h *Host) {
	t.Helper()
	s := must[*Session](t)(h.OpenSession(ctx))
	class, err := h.Output(ctx, "loginctl", "show-session", s.ID, "--property=Class", "--value")
	if err != nil || strings.TrimSpace(class) != "user" {
		t.Errorf("class %q %v", class, err)
	}
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	await(t, 10*time.Second, "the session is removed", func(ctx context.Context) bool {
		_, err := h.Output(ctx, "loginctl", "show-session", s.ID)
		return err != nil
	})
}

func assertNoTrace(t *testing.T, h *Host) {
	t.Helper()
	if exists(h.dir) {
		t.Errorf("%s is still there", h.dir)
	}
	if exists(h.cgroup) {
		t.Errorf("cgroup %s is still there", h.cgroup)
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil || strings.Contains(string(mounts), h.dir) {
		t.Errorf("mounts are left: %v", err)
	}
	procs, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range procs {
		if line, _ := os.ReadFile(p); strings.Contains(string(line), h.dir) {
			t.Errorf("a process is left: %s", strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
}

func TestCacheNeverTrustsAHalf(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	dir, err := cacheDir()
	if err != nil {
		t.Fatal(err)
	}
	c := &cache{dir: dir, say: t.Logf}
	boom := errors.New("boom")
	if _, err := c.ensure("thing", "1", func(dir string) error {
		return errors.Join(os.WriteFile(filepath.Join(dir, "half"), nil, 0o600), boom)
	}); !errors.Is(err, boom) {
		t.Fatalf("a build that failed: %v", err)
	}
	// What a build that was killed leaves.
	if err := os.MkdirAll(filepath.Join(dir, "thing-1.tmp", "half"), 0o700); err != nil {
		t.Fatal(err)
	}
	builds := 0
	for range 2 {
		got, err := c.ensure("thing", "1", func(dir string) error {
			builds++
			return os.WriteFile(filepath.Join(dir, "whole"), nil, 0o600)
		})
		if err != nil || exists(filepath.Join(got, "half")) || !exists(filepath.Join(got, "whole")) {
			t.Fatalf("%s: %v", got, err)
		}
	}
	if builds != 1 {
		t.Errorf("built %d times", builds)
	}
	if _, err := c.ensure("thing", "2", func(string) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if exists(filepath.Join(dir, "thing-1")) {
		t.Error("the artifact of old inputs stays for ever")
	}
}

func TestSuites(t *testing.T) {
	if r, err := findRelease(""); err != nil || r.suite != "trixie" || r.plain {
		t.Errorf("the default is %s: %v", r.suite, err)
	}
	if _, err := findRelease("sid"); err == nil || !strings.Contains(err.Error(), "trixie or bookworm") {
		t.Errorf("a suite that there is not: %v", err)
	}
}

func TestNamesOfHosts(t *testing.T) {
	for _, bad := range []string{"../x", "A", "-a", "a b", strings.Repeat("a", 41)} {
		if _, err := hostDir(bad); err == nil {
			t.Errorf("%q was taken as a name", bad)
		}
	}
}

func TestQuote(t *testing.T) {
	words := []string{"", "a b", "it's", "$HOME", "`x`", `\`, "\n", "*"}
	out, err := exec.Command("sh", "-c", "printf '<%s>' "+quote(words)).Output()
	want := ""
	for _, w := range words {
		want += fmt.Sprintf("<%s>", w)
	}
	if err != nil || string(out) != want {
		t.Errorf("got %q, want %q: %v", out, want, err)
	}
}

func TestLost(t *testing.T) {
	held := map[string][]int64{"postgres": {1, 2, 3}, "redis": {1, 3}, "minio": {1, 2}}
	lost, err := Lost([]int64{1, 2, 3}, held)
	if err != nil || fmt.Sprint(lost) != "map[minio:[3] redis:[2]]" {
		t.Errorf("%v %v", lost, err)
	}
	if _, err := Lost(nil, held); err == nil {
		t.Error("a check of nothing passed")
	}
}
