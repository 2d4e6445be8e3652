package dirwatch

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestDir(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	dir := filepath.Join(top, "a", "b")
	names := make(chan string, 100)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Dir(ctx, dir, func(name string) { names <- name }) }()
	wait := func(want string) {
		t.Helper()
		for {
			select {
			case got := <-names:
				if got == want {
					return
				}
			case err := <-ended:
				t.Fatalf("the watch ended: %v", err)
			case <-time.After(10 * time.Second):
				t.Fatalf("%q was not told", want)
			}
		}
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	wait("")
	for range 2 {
		do(os.Mkdir(filepath.Join(top, "a"), 0o700))
		wait("")
		do(os.Mkdir(dir, 0o700))
		wait("")
		file := filepath.Join(dir, "f")
		do(os.WriteFile(file, []byte("1"), 0o600))
		wait("f")
		do(os.WriteFile(file+"2", nil, 0o600))
		wait("f2")
		do(os.Rename(file+"2", file))
		wait("f")
		do(os.RemoveAll(filepath.Join(top, "a")))
		wait("")
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
}

// What happens beside a directory that is not there is nobody's matter.
func TestDirIgnores(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	names := make(chan string, 100)
	go func() { _ = Dir(t.Context(), filepath.Join(top, "a"), func(name string) { names <- name }) }()
	<-names
	if err := os.Mkdir(filepath.Join(top, "other"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(top, "a"), 0o700); err != nil {
		t.Fatal(err)
	}
	if got := <-names; got != "" {
		t.Errorf("told of %q", got)
	}
	select {
	case got := <-names:
		t.Errorf("told twice, of %q", got)
	case <-time.After(100 * time.Millisecond):
	}
}
