package control

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keeper/internal/core"
)

func TestDrillIsTold(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s", "keeper.sock")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	var told []core.Drill
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- Server{UID: os.Getuid(), Drill: func(_ context.Context, d core.Drill) error {
			if d.Name == "refused" {
				return fmt.Errorf("%w: the machine goes down", ErrRefused)
			}
			told = append(told, d)
			return nil
		}}.Serve(ctx, l)
	}()
	defer func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	began := time.Date(2026, 1, 5, 17, 30, 2, 0, time.UTC)
	d := core.Drill{ID: "20260105-173002", Name: "container-kill", Service: "redis.service", Began: began, Until: began.Add(time.Minute)}
	over := d
	over.Ended, over.Outage, over.Outcome, over.Why = began.Add(9*time.Second), 2300*time.Millisecond, core.DrillBack, "all was back"
	for _, d := range []core.Drill{d, over} {
		if err := TellDrill(t.Context(), path, d); err != nil {
			t.Fatal(err)
		}
	}
	if len(told) != 2 || told[0] != d || told[1] != over {
		t.Errorf("told %+v", told)
	}
	refused := d
	refused.Name = "refused"
	if err := TellDrill(t.Context(), path, refused); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "goes down") {
		t.Error(err)
	}
	// What is no drill is not taken, and nothing else of it either.
	for what, spoil := range map[string]func(*core.Drill){
		"id":        func(d *core.Drill) { d.ID = "../x" },
		"name":      func(d *core.Drill) { d.Name = "a\nb" },
		"began":     func(d *core.Drill) { d.Began = time.Time{} },
		"outage_ms": func(d *core.Drill) { d.Outage = -time.Second },
		"service":   func(d *core.Drill) { d.Service = "a b" },
		"outcome":   func(d *core.Drill) { d.Outcome = "splendid" },
		"ended":     func(d *core.Drill) { d.Ended = began },
		"without":   func(d *core.Drill) { d.Outcome = core.DrillHeld },
		"too large": func(d *core.Drill) { d.Why = strings.Repeat("x", maxDrill) },
	} {
		bad := d
		spoil(&bad)
		if err := TellDrill(t.Context(), path, bad); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if len(told) != 2 {
		t.Errorf("told %+v", told[2:])
	}
	if err := TellDrill(t.Context(), path+"-", d); !errors.Is(err, ErrUnreachable) {
		t.Errorf("nobody there: %v", err)
	}
}

// A daemon that does not know drills says so.
func TestDrillOfAnOldDaemon(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s", "keeper.sock")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- Server{UID: os.Getuid()}.Serve(ctx, l) }()
	defer func() { cancel(); <-served }()
	if err := TellDrill(t.Context(), path, core.Drill{}); !errors.Is(err, ErrOld) {
		t.Error(err)
	}
}
