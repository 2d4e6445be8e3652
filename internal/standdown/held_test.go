package standdown

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"keeper/internal/core"
)

func heldNow(t *testing.T, m Marks, now time.Time) map[string]core.Hold {
	t.Helper()
	held, err := m.Held(now)
	if err != nil {
		t.Fatal(err)
	}
	return held
}

func TestHold(t *testing.T) {
	t.Parallel()
	m := marks(t, healthy())
	if held := heldNow(t, m, noon); held == nil || len(held) != 0 {
		t.Fatalf("before any: %+v", held)
	}
	if was, err := m.Release("db.service"); was || err != nil {
		t.Errorf("released %v, %v", was, err)
	}
	if _, err := m.Hold("db.service", noon, 0, "a\x1b[2Jreason\n"+strings.Repeat("x", 500)); err != nil {
		t.Fatal(err)
	}
	// With or without its suffix it is the same service, and the last word holds.
	for _, d := range []time.Duration{time.Hour, 2 * time.Hour} {
		if _, err := m.Hold("web", noon, d, ""); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.Hold(`a\x2db@1.service`, noon, 0, ""); err != nil {
		t.Fatal(err)
	}
	held := heldNow(t, m, noon.Add(time.Hour))
	if len(held) != 3 {
		t.Fatalf("held are %+v", held)
	}
	db, web := held["db.service"], held["web.service"]
	if !db.At.Equal(noon) || !db.Until.IsZero() || !strings.HasPrefix(db.Reason, "a [2Jreason x") || len([]rune(db.Reason)) != maxReason {
		t.Errorf("db: %+v", db)
	}
	if !web.Until.Equal(noon.Add(2*time.Hour)) || web.Reason != "" {
		t.Errorf("web: %+v", web)
	}
	if _, ok := held[`a\x2db@1.service`]; !ok {
		t.Errorf("held are %+v", held)
	}
	// It is over at its end, and not before.
	if _, ok := heldNow(t, m, noon.Add(2*time.Hour-time.Nanosecond))["web.service"]; !ok {
		t.Error("over too early")
	}
	if _, ok := heldNow(t, m, noon.Add(2*time.Hour))["web.service"]; ok {
		t.Error("never over")
	}
	for _, name := range []string{"db", "web.service"} {
		if was, err := m.Release(name); !was || err != nil {
			t.Errorf("%s: %v, %v", name, was, err)
		}
	}
	if held := heldNow(t, m, noon); len(held) != 1 {
		t.Errorf("after release: %+v", held)
	}
	// A hold is no pause.
	if s := m.Read(t.Context(), noon); s.InForce() {
		t.Errorf("keeper stands down: %+v", s)
	}
}

func TestHoldNames(t *testing.T) {
	t.Parallel()
	m := marks(t, healthy())
	for _, name := range []string{"", ".service", ".", "..", "../pause", "a/b", ".db", "a b", "ü", "a\x00", strings.Repeat("x", 300)} {
		if _, err := m.Hold(name, noon, 0, ""); err == nil {
			t.Errorf("%q was held", name)
		}
		if was, err := m.Release(name); was || err == nil {
			t.Errorf("%q: released %v, %v", name, was, err)
		}
	}
	if _, err := os.Stat(m.StateDir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was written: %v", err)
	}
}

// Whatever lies there in a service's name, a person put it there: it counts.
func TestDamagedHolds(t *testing.T) {
	t.Parallel()
	m := marks(t, healthy())
	dir := m.heldDir()
	put(t, filepath.Join(dir, "empty.json"), "")
	put(t, filepath.Join(dir, "half.json"), `{"at": "2026-`)
	put(t, filepath.Join(dir, "null.json"), "null")
	put(t, filepath.Join(dir, "list.json"), "[]")
	put(t, filepath.Join(dir, "when.json"), `{"until": "2020-01-01T00:00:00Z"}`)
	put(t, filepath.Join(dir, "long.json"), `{"at": "2026-01-01T00:00:00Z", "reason": "`+strings.Repeat("x", 1<<20)+`"}`)
	put(t, filepath.Join(dir, "dir.json", "inside"), "")
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/nowhere", filepath.Join(dir, "link.json")); err != nil {
		t.Fatal(err)
	}
	// These are nothing of a service's.
	put(t, filepath.Join(dir, ".db.json.123"), "{}")
	put(t, filepath.Join(dir, "README"), "")
	put(t, filepath.Join(dir, "a b.json"), "{}")
	put(t, filepath.Join(dir, "x.service.json"), "{}")

	held := heldNow(t, m, noon)
	want := []string{"empty", "half", "null", "list", "when", "long", "dir", "fifo", "link"}
	for _, name := range want {
		h, ok := held[name+".service"]
		if !ok || !h.Until.IsZero() || !strings.Contains(h.Reason, name+".json") {
			t.Errorf("%s: %v, %+v", name, ok, h)
		}
	}
	if len(held) != len(want) {
		t.Errorf("held are %+v", held)
	}
	for _, name := range want {
		if was, err := m.Release(name); name != "dir" && (!was || err != nil) {
			t.Errorf("%s cannot be ended: %v, %v", name, was, err)
		}
	}
	// Where nothing can be seen, nothing is said to be free.
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "")
	if held, err := m.Held(noon); err == nil && len(held) > 0 {
		t.Errorf("a file in place of the directory: %+v", held)
	}
	if _, err := m.Hold("db", noon, 0, ""); err == nil {
		t.Error("held in a directory that is none")
	}
}

func TestWatchHeld(t *testing.T) {
	t.Parallel()
	m := marks(t, healthy())
	changed := make(chan struct{}, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.WatchHeld(ctx, func() { changed <- struct{}{} }) }()
	until := func(what string, want int) {
		t.Helper()
		for {
			select {
			case <-changed:
			case <-time.After(20 * time.Second):
				t.Fatalf("%s: nobody was told", what)
			}
			if len(heldNow(t, m, noon)) == want {
				return
			}
		}
	}
	until("at first", 0)
	for i, name := range []string{"db", "web"} {
		if _, err := m.Hold(name, noon, 0, ""); err != nil {
			t.Fatal(err)
		}
		until(name, i+1)
	}
	if _, err := m.Release("db"); err != nil {
		t.Fatal(err)
	}
	until("released", 1)
	if err := os.RemoveAll(m.heldDir()); err != nil {
		t.Fatal(err)
	}
	until("all gone", 0)
	if _, err := m.Hold("db", noon, 0, ""); err != nil {
		t.Fatal(err)
	}
	until("again", 1)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
}
