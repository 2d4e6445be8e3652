package logind

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// watchLinger runs WatchLinger for the user "alice", waits for the first touch,
// and returns the touches and the end.
func watchLinger(t *testing.T, ctx context.Context, dir string) (touched chan struct{}, ended chan error) {
	t.Helper()
	touched, ended = make(chan struct{}, 100), make(chan error, 1)
	go func() { ended <- WatchFile(ctx, dir, "alice", func() { touched <- struct{}{} }) }()
	await(t, touched, "the first touch")
	return touched, ended
}

func await[T any](t *testing.T, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("%s did not come within %s", what, patience)
		panic("not reached")
	}
}

func create(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func TestWatchFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	touched, ended := watchLinger(t, ctx, dir)
	file := filepath.Join(dir, "alice")

	create(t, file)
	await(t, touched, "the touch for the file that came")
	remove(t, file)
	await(t, touched, "the touch for the file that went")

	// Events come in order: if those of others counted, they would be counted
	// before the last.
	for _, name := range []string{"bob", "alice2", ".alice", "alic"} {
		create(t, filepath.Join(dir, name))
		remove(t, filepath.Join(dir, name))
	}
	create(t, filepath.Join(dir, "bob"))
	if err := os.Rename(filepath.Join(dir, "bob"), file); err != nil {
		t.Fatal(err)
	}
	await(t, touched, "the touch for the file that was moved there")

	cancel()
	if err := await(t, ended, "the end"); !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	if n := len(touched); n != 0 {
		t.Errorf("%d touches too many: other files count", n)
	}
}

func TestWatchFileEndsWithItsDirectory(t *testing.T) {
	t.Parallel()
	for name, gone := range map[string]func(dir string) error{
		"removed": os.Remove,
		"renamed": func(dir string) error { return os.Rename(dir, dir+".old") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "linger")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			_, ended := watchLinger(t, t.Context(), dir)
			if err := gone(dir); err != nil {
				t.Fatal(err)
			}
			if err := await(t, ended, "the end"); err == nil || errors.Is(err, context.Canceled) {
				t.Errorf("ended with %v, want an error that says so", err)
			}
		})
	}
}

func TestWatchFileWithoutADirectory(t *testing.T) {
	t.Parallel()
	touched := false
	err := WatchFile(t.Context(), filepath.Join(t.TempDir(), "none"), "alice", func() { touched = true })
	if !errors.Is(err, os.ErrNotExist) || touched {
		t.Errorf("got %v, touched %v; want an error at once", err, touched)
	}
}
