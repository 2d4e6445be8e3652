package dirwatch

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// watched is a watch under test.
type watched struct {
	t      *testing.T
	names  chan string
	ended  chan error
	cancel context.CancelFunc
}

func watch(t *testing.T, dir string) watched {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := watched{t, make(chan string, 100), make(chan error, 1), cancel}
	go func() { w.ended <- Dir(ctx, dir, func(name string) { w.names <- name }) }()
	return w
}

// next is what is told next; want is for whoever reads that nothing was.
func (w watched) next(want string) string {
	w.t.Helper()
	select {
	case got := <-w.names:
		return got
	case err := <-w.ended:
		w.t.Fatalf("the watch ended: %v", err)
	case <-time.After(10 * time.Second):
		w.t.Fatalf("%q was not told", want)
	}
	panic("not reached")
}

func (w watched) wait(want string) {
	w.t.Helper()
	for w.next(want) != want {
	}
}

// waitFor waits until dir, which was just made, is watched. A hint may be of what
// happened before, so a file is written at each: the last must tell of it.
func (w watched) waitFor(dir string) {
	w.t.Helper()
	for w.next("f") != "f" {
		w.do(os.WriteFile(filepath.Join(dir, "f"), []byte("1"), 0o600))
	}
}

func (w watched) do(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestDir(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	dir := filepath.Join(top, "a", "b")
	w := watch(t, dir)
	w.wait("")
	for range 2 {
		w.do(os.Mkdir(filepath.Join(top, "a"), 0o700))
		w.wait("")
		w.do(os.Mkdir(dir, 0o700))
		w.waitFor(dir)
		file := filepath.Join(dir, "f")
		w.do(os.WriteFile(file+"2", nil, 0o600))
		w.wait("f2")
		w.do(os.Rename(file+"2", file))
		w.wait("f")
		w.do(os.RemoveAll(filepath.Join(top, "a")))
		w.wait("")
	}
	w.cancel()
	if err := <-w.ended; !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
}

// A file where a directory should be, at whatever depth, is waited for to go.
func TestDirFileInTheWay(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"a", "a/b", "a/b/c"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			top := t.TempDir()
			inTheWay, dir := filepath.Join(top, "a"), filepath.Join(top, path)
			if err := os.WriteFile(inTheWay, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			w := watch(t, dir)
			w.wait("")
			w.do(os.Remove(inTheWay))
			w.wait("")
			w.do(os.MkdirAll(dir, 0o700))
			w.waitFor(dir)
		})
	}
}

// What happens beside a directory that is not there is nobody's matter.
func TestDirIgnores(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	w := watch(t, filepath.Join(top, "a"))
	w.wait("")
	w.do(os.Mkdir(filepath.Join(top, "other"), 0o700))
	w.do(os.Mkdir(filepath.Join(top, "a"), 0o700))
	if got := w.next(""); got != "" {
		t.Errorf("told of %q", got)
	}
	select {
	case got := <-w.names:
		t.Errorf("told twice, of %q", got)
	case <-time.After(100 * time.Millisecond):
	}
}
