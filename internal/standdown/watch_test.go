package standdown

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"keeper/internal/core"
)

// watched runs Watch and gathers what it calls for.
type watched struct {
	t       *testing.T
	m       Marks
	changed chan struct{}
}

func watch(t *testing.T, m Marks) watched {
	t.Helper()
	w := watched{t: t, m: m, changed: make(chan struct{}, 1000)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Watch(ctx, func() { w.changed <- struct{}{} }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Watch returned %v, want that its context ended", err)
		}
	})
	w.hint("at first")
	return w
}

// hint waits for a call. Inotify is quick; the limit is for a busy machine.
func (w watched) hint(what string) {
	w.t.Helper()
	select {
	case <-w.changed:
	case <-time.After(20 * time.Second):
		w.t.Fatalf("%s: nobody was told", what)
	}
}

// after does something, and waits until a reader who looks at each call, and
// at no other time, knows of it.
func (w watched) after(what string, do func() error, want core.Cause) {
	w.t.Helper()
	if err := do(); err != nil {
		w.t.Fatal(err)
	}
	for {
		w.hint(what)
		if w.m.Read(w.t.Context(), noon).Cause == want {
			return
		}
	}
}

func TestWatchPause(t *testing.T) {
	t.Parallel()
	w := watch(t, marks(t, healthy()))
	for range 3 {
		w.after("pause", func() error { _, err := w.m.Pause(noon, 0, ""); return err }, core.CausePaused)
		w.after("pause replaced", func() error { _, err := w.m.Pause(noon, time.Hour, ""); return err }, core.CausePaused)
		w.after("resume", func() error { _, err := w.m.Resume(); return err }, "")
	}
}

func TestWatchMark(t *testing.T) {
	t.Parallel()
	m := marks(t, healthy())
	if err := os.MkdirAll(m.MarkDir, 0o755); err != nil {
		t.Fatal(err)
	}
	w := watch(t, m)
	for range 3 {
		w.after("mark", func() error { return os.WriteFile(m.MarkPath(), nil, 0o600) }, core.CauseMark)
		w.after("unmark", func() error { return os.Remove(m.MarkPath()) }, "")
	}
	moved := m.MarkPath() + ".off"
	w.after("mark", func() error { return os.WriteFile(m.MarkPath(), nil, 0o600) }, core.CauseMark)
	w.after("moved away", func() error { return os.Rename(m.MarkPath(), moved) }, "")
	w.after("moved back", func() error { return os.Rename(moved, m.MarkPath()) }, core.CauseMark)
}

// The directory of the marks is made by the administrator's first mark, and
// may go again with the last.
func TestWatchMarkDirectoryComesAndGoes(t *testing.T) {
	t.Parallel()
	m := marks(t, healthy())
	w := watch(t, m)
	keeper := filepath.Dir(m.MarkDir)
	etc := filepath.Dir(keeper)
	for range 3 {
		for _, dir := range []string{etc, keeper, m.MarkDir} {
			w.after("mkdir "+dir, func() error { return os.Mkdir(dir, 0o755) }, "")
		}
		w.after("mark", func() error { return os.WriteFile(m.MarkPath(), nil, 0o600) }, core.CauseMark)
		w.after("all removed", func() error { return os.RemoveAll(etc) }, "")
	}
}

// A file where the directory of the marks should be holds no marks, and is no
// reason not to wait for the directory.
func TestWatchFileInTheWay(t *testing.T) {
	t.Parallel()
	m := marks(t, healthy())
	for _, dir := range []string{m.MarkDir, filepath.Dir(m.MarkDir)} {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		put(t, dir, "")
		w := watch(t, m)
		w.after("removed", func() error { return os.Remove(dir) }, "")
		w.after("mkdir", func() error { return os.MkdirAll(m.MarkDir, 0o755) }, "")
		w.after("mark", func() error { return os.WriteFile(m.MarkPath(), nil, 0o600) }, core.CauseMark)
	}
}

// Whoever keeps the watch up calls it again, and that makes the directory.
func TestWatchEndsWithTheStateDirectory(t *testing.T) {
	t.Parallel()
	m := marks(t, healthy())
	first, ended := make(chan struct{}, 100), make(chan error, 1)
	go func() { ended <- m.Watch(t.Context(), func() { first <- struct{}{} }) }()
	<-first
	if err := os.Remove(m.StateDir); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err == nil || errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v, want an error that says so", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it goes on without the directory")
	}
	watch(t, m)
	if _, err := os.Stat(m.StateDir); err != nil {
		t.Error(err)
	}
}

// Another account's mark, and keeper's own files, call nobody.
func TestWatchIgnoresOthers(t *testing.T) {
	t.Parallel()
	m := marks(t, healthy())
	if err := os.MkdirAll(m.MarkDir, 0o755); err != nil {
		t.Fatal(err)
	}
	w := watch(t, m)
	put(t, m.MarkPath()+"1", "")
	put(t, filepath.Join(m.StateDir, "state.json"), "{}")
	// The others came before: this is the one call.
	w.after("pause", func() error { _, err := m.Pause(noon, 0, ""); return err }, core.CausePaused)
	select {
	case <-w.changed:
		t.Error("told of what does not matter")
	case <-time.After(100 * time.Millisecond):
	}
}

func TestWatchCannot(t *testing.T) {
	t.Parallel()
	m := marks(t, healthy())
	put(t, m.StateDir, "a file where the directory should be")
	if err := m.Watch(t.Context(), func() { t.Error("told of a change") }); err == nil {
		t.Error("Watch found nothing wrong")
	}
}
