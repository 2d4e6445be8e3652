package control

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// losing watches a socket that is there, and returns what Lost says at the end.
func losing(t *testing.T, ctx context.Context) (path string, lost <-chan error) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "keeper")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "keeper.sock")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- Lost(ctx, path) }()
	return path, ended
}

func TestLost(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(path string) error{
		"removed":                      os.Remove,
		"renamed":                      func(path string) error { return os.Rename(path, path+".old") },
		"removed with its directory":   func(path string) error { return os.RemoveAll(filepath.Dir(path)) },
		"its directory was renamed":    func(path string) error { return os.Rename(filepath.Dir(path), filepath.Dir(path)+".old") },
		"removed before it is watched": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if lose == nil {
				path := filepath.Join(t.TempDir(), "keeper.sock")
				if err := within(t, func() error { return Lost(t.Context(), path) }); err != nil {
					t.Errorf("got %v", err)
				}
				return
			}
			path, lost := losing(t, t.Context())
			// Other files come and go.
			other := filepath.Join(filepath.Dir(path), "other")
			if err := errors.Join(os.WriteFile(other, nil, 0o600), os.Remove(other)); err != nil {
				t.Fatal(err)
			}
			if err := lose(path); err != nil {
				t.Fatal(err)
			}
			if err := within(t, func() error { return <-lost }); err != nil {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestLostEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	_, lost := losing(t, ctx)
	select {
	case err := <-lost:
		t.Fatalf("nothing was lost: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	cancel()
	if err := within(t, func() error { return <-lost }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestLostWithItsDirectoryBeforeItIsWatched(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "none", "keeper.sock")
	if err := within(t, func() error { return Lost(t.Context(), path) }); err != nil {
		t.Errorf("got %v", err)
	}
}

// within fails the test if f does not end.
func within(t *testing.T, f func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("nobody noticed")
		return nil
	}
}
