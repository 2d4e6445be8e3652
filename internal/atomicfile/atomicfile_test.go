package atomicfile

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// childPath tells the test binary, run again, to be a writer whose disk is full.
const childPath = "KEEPER_TEST_FULL_DISK"

func TestMain(m *testing.M) {
	if path := os.Getenv(childPath); path != "" {
		writeOnFullDisk(path)
	}
	os.Exit(m.Run())
}

// sole fails the test if the directory holds anything but these names: a
// temporary file left behind at every failure fills a disk.
func sole(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("the directory holds %q, want %q", got, names)
	}
}

func content(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("%s holds %.40q, %v; want %q", path, got, err, want)
	}
}

func TestWrite(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	path := filepath.Join(dir, "file")
	for _, want := range []string{"one", "", "a longer one"} {
		if err := Write(path, []byte(want)); err != nil {
			t.Fatal(err)
		}
		content(t, path, want)
		sole(t, dir, "file")
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory is %v, %v; want 0700", info.Mode(), err)
	}
}

func TestMode(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	// One that somebody opened up is closed again.
	for _, before := range []os.FileMode{0, 0o644, 0o666} {
		if before != 0 {
			if err := os.Chmod(path, before); err != nil {
				t.Fatal(err)
			}
		}
		if err := Write(path, []byte("x")); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
			t.Errorf("after %v the mode is %v, %v; want 0600", before, info.Mode(), err)
		}
	}
}

func TestWriteJSON(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := WriteJSON(path, map[string]int{"a": 1}); err != nil {
		t.Fatal(err)
	}
	const want = "{\n  \"a\": 1\n}\n"
	content(t, path, want)
	if err := WriteJSON(path, make(chan int)); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want an error that names the file", err)
	}
	content(t, path, want)
	sole(t, dir, "file")
}

func TestDirectoryInTheWay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := Write(filepath.Join(path, "inside"), []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, []byte("y")); err == nil {
		t.Error("a directory was replaced by a file")
	}
	sole(t, dir, "file")
	content(t, filepath.Join(path, "inside"), "x")
}

func TestParentIsAFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := Write(filepath.Join(dir, "file"), []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := Write(filepath.Join(dir, "file", "below"), []byte("y")); err == nil {
		t.Error("wrote below a file")
	}
	content(t, filepath.Join(dir, "file"), "x")
	sole(t, dir, "file")
}

func TestDirectoryNotWritable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := Write(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	// Nobody may look inside, or the refusal would prove nothing.
	for d, mode := range map[string]os.FileMode{dir: 0o555, filepath.Dir(dir): 0o755} {
		if err := os.Chmod(d, mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700) }) // or it could not be removed
	err := asNobody(t, func() error {
		if _, err := os.Stat(path); err != nil {
			t.Skip("nobody cannot reach the directory of the tests: ", err)
		}
		return Write(path, []byte("new"))
	})
	if !errors.Is(err, os.ErrPermission) {
		t.Errorf("got %v, want that the directory may not be written to", err)
	}
	content(t, path, "old")
	sole(t, dir, "file")
}

// asNobody calls f without root's powers, for which no mode is a bar. Only this
// thread gives them up: the system call, unlike the function of package
// syscall, is the thread's own.
func asNobody(t *testing.T, f func() error) error {
	t.Helper()
	if os.Geteuid() != 0 {
		return f()
	}
	const keep = ^uintptr(0)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if _, _, e := syscall.RawSyscall(syscall.SYS_SETRESUID, keep, 65534, keep); e != 0 {
		t.Skip("cannot become nobody: ", e)
	}
	defer func() {
		if _, _, e := syscall.RawSyscall(syscall.SYS_SETRESUID, keep, 0, keep); e != 0 {
			panic(e) // nothing else may run on this thread
		}
	}()
	return f()
}

// writeOnFullDisk tries to write more than RLIMIT_FSIZE allows: to a program
// that ignores SIGXFSZ it looks like a disk that is full halfway through.
func writeOnFullDisk(path string) {
	signal.Ignore(syscall.SIGXFSZ)
	limit := syscall.Rlimit{Cur: 4096, Max: 4096}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		os.Exit(3)
	}
	if err := Write(path, bytes.Repeat([]byte("new"), 4096)); err == nil {
		os.Exit(4)
	}
	os.Exit(0)
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := Write(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childPath+"="+path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("the writer: %v (4 means that it saw no error) %s", err, out)
	}
	content(t, path, "old")
	sole(t, dir, "file")
}

// A reader finds one content or the other, whole.
func TestReaders(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	one, two := strings.Repeat("1", 100_000), strings.Repeat("2", 50_000)
	if err := Write(path, []byte(one)); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var readers sync.WaitGroup
	readers.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			if got, err := os.ReadFile(path); err != nil || (string(got) != one && string(got) != two) {
				t.Errorf("read %d bytes that nobody wrote, %v", len(got), err)
				return
			}
		}
	})
	for i := range 50 {
		if err := Write(path, []byte([]string{two, one}[i%2])); err != nil {
			t.Error(err)
		}
	}
	close(done)
	readers.Wait()
}

// Two writers at a time do not mix.
func TestWriters(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	var writers sync.WaitGroup
	for _, c := range []string{"1", "2", "3"} {
		writers.Go(func() {
			for range 20 {
				if err := Write(path, bytes.Repeat([]byte(c), 10_000)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	got, err := os.ReadFile(path)
	if err != nil || len(got) != 10_000 || len(bytes.Trim(got, string(got[:1]))) != 0 {
		t.Errorf("the file is a mixture: %d bytes, %v", len(got), err)
	}
	sole(t, dir, "file")
}

// TestHalves: a writer that is killed leaves half a file, and the next but one
// takes it away; never that of a writer who may still be at it.
func TestHalves(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old := time.Now().Add(-2 * halfAge)
	for name, at := range map[string]time.Time{
		".state.json.123": old, ".state.json.456": time.Now(), ".state.json.mine": old, ".other.json.123": old, "state.json.123": old,
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := Write(filepath.Join(dir, "state.json"), []byte("{}")); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	want := ".other.json.123 .state.json.456 .state.json.mine state.json state.json.123"
	if got := strings.Join(left, " "); err != nil || got != want {
		t.Errorf("left: %s\nwant: %s\n%v", got, want, err)
	}
}

// Replace gives the mode that is asked for, whatever the umask, makes no
// directory, and replaces a link instead of what it points to.
func TestReplace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	victim, path := filepath.Join(dir, "victim"), filepath.Join(dir, "file")
	if err := errors.Join(os.WriteFile(victim, []byte("precious"), 0o600), os.Symlink(victim, path)); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o666, 0o644, 0o600} {
		if err := Replace(path, []byte("new"), mode); err != nil {
			t.Fatal(err)
		}
		content(t, path, "new")
		if fi, err := os.Lstat(path); err != nil || fi.Mode() != mode {
			t.Errorf("the mode is %v, %v, want %v", fi.Mode(), err, mode)
		}
	}
	content(t, victim, "precious")
	if err := Replace(filepath.Join(dir, "none", "file"), nil, 0o600); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("in a directory that is not there: %v", err)
	}
	sole(t, dir, "file", "victim")
}
