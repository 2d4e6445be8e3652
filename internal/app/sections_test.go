package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"keeper/internal/core"
)

func place(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestSections(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	place(t, in("a.container"), "[Container]\nImage=x\n[X-Keeper]\nProbe=redis\n")
	place(t, in("b.container"), "[X-Keeper]\nProbe=nonsense\n")
	place(t, in("c.container"), "[Container]\nImage=x\n")
	place(t, in("d.volume"), "[X-Keeper]\nProbe=redis\n")
	place(t, in("a.container.d/10-more.conf"), "[X-Keeper]\nPort=7000\n")
	seen := core.UnitsSeen{Armed: true}
	for _, name := range []string{"a", "b", "c", "gone"} {
		seen.Units = append(seen.Units, core.Unit{Name: name + ".service", Kind: "container", Source: in(name + ".container")})
	}
	seen.Units = append(seen.Units, core.Unit{Name: "d-volume.service", Kind: "volume", Source: in("d.volume")})
	s := &sections{roots: []string{dir}}
	got := s.fill(seen)
	if a := got.Sections["a.service"]; len(got.Sections) != 1 || a.Probe != core.ProbeRedis || a.Port != 7000 || a.From["port"] != in("a.container.d/10-more.conf")+":2" {
		t.Errorf("got %+v", got.Sections)
	}
	if errs := got.SectionErrs["b.service"]; len(got.SectionErrs) != 1 || len(errs) != 1 || !strings.HasPrefix(errs[0], in("b.container")+":2: Probe = nonsense: must be one of") {
		t.Errorf("got %q", got.SectionErrs)
	}
	if !got.Armed || len(got.Units) != 5 || seen.Sections != nil {
		t.Errorf("the rest is %+v", got)
	}

	// What did not change is not read again. A file that cannot be told apart shows it.
	fi, err := os.Stat(in("a.container"))
	if err != nil {
		t.Fatal(err)
	}
	inPlace(t, in("a.container"), "[Container]\nImage=x\n[X-Keeper]\nProbe=http \n", fi.ModTime())
	if got := s.fill(seen); got.Sections["a.service"].Probe != core.ProbeRedis {
		t.Errorf("it was read again: %+v", got)
	}
	// What did is, be it a drop-in alone; and what goes is forgotten.
	place(t, in("container.d/20-all.conf"), "[X-Keeper]\nPort=7001\nProbe=tcp\n")
	place(t, in("b.container"), "[X-Keeper]\nProbe=http\n")
	got = s.fill(seen)
	if a, b := got.Sections["a.service"], got.Sections["b.service"]; a.Port != 7001 || a.Probe != core.ProbeTCP || b.Probe != core.ProbeTCP || len(got.SectionErrs) != 0 {
		t.Errorf("got %+v, %q", got.Sections, got.SectionErrs)
	}
	seen.Units = seen.Units[:1]
	if got = s.fill(seen); len(got.Sections)+len(got.SectionErrs) != 1 || len(s.kept) != 1 {
		t.Errorf("got %+v", got)
	}

	if got := s.fill(core.UnitsSeen{Err: "no"}); got.Sections != nil || len(s.kept) != 1 {
		t.Errorf("a look that failed: got %+v, and kept %v", got, s.kept)
	}
	if got := (*sections)(nil).fill(seen); got.Sections != nil {
		t.Errorf("nobody read, and got %+v", got)
	}
}

// inPlace changes what is in a file, and nothing that stat(2) tells but for the
// time of the change of its inode.
func inPlace(t *testing.T, path, text string, at time.Time) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

// Nothing that lies about may make the daemon wait.
func TestSectionsOfAFIFO(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	source := filepath.Join(dir, "a.container")
	place(t, source, "")
	place(t, source+".d/x", "")
	if err := syscall.Mkfifo(source+".d/x.conf", 0o600); err != nil {
		t.Fatal(err)
	}
	s := &sections{roots: []string{dir}}
	got := s.fill(core.UnitsSeen{Units: []core.Unit{{Name: "a.service", Kind: "container", Source: source}}})
	if errs := got.SectionErrs["a.service"]; len(errs) != 1 || !strings.Contains(errs[0], "must be a regular file") {
		t.Errorf("got %q", errs)
	}
}

func BenchmarkSections(b *testing.B) {
	dir := b.TempDir()
	var seen core.UnitsSeen
	for i := range 400 {
		name := fmt.Sprintf("s%d", i)
		source := filepath.Join(dir, name+".container")
		place(b, source, "[Container]\nImage=x\n[X-Keeper]\nInterval=5s\n")
		seen.Units = append(seen.Units, core.Unit{Name: name + ".service", Kind: "container", Source: source})
	}
	s := &sections{roots: []string{dir}}
	s.fill(seen)
	for b.Loop() {
		if got := s.fill(seen); len(got.Sections) != 400 {
			b.Fatal(len(got.Sections))
		}
	}
}

// However the units are seen, what is said of them comes along.
func TestUnitsComeWithTheirSections(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	source := filepath.Join(dir, "db.container")
	place(t, source, "[X-Keeper]\nPort=7\n")
	m := startManager(t, filepath.Join(dir, "run"))
	m.with(func() { m.state = "running" })
	m.container("db.service", "active", "podman run postgres", map[string]any{"SourcePath": source})
	l := &unitsLink{runtime: m.runtime, read: &sections{}, log: slog.New(slog.DiscardHandler)}

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	seen := make(chan core.UnitsSeen, 1)
	var running sync.WaitGroup
	running.Go(func() {
		l.run(ctx, func(ev core.Event) {
			if e, is := ev.(core.UnitsSeen); is && e.Err == "" {
				select {
				case seen <- e:
				default:
				}
			}
		})
	})
	defer running.Wait()
	defer cancel()
	select {
	case e := <-seen:
		if e.Sections["db.service"].Port != 7 {
			t.Errorf("watched: got %+v of %+v", e.Sections, e.Units)
		}
	case <-ctx.Done():
		t.Fatal("no units were seen")
	}
	if e := l.Look(ctx); e.Err != "" || e.Sections["db.service"].Port != 7 {
		t.Errorf("looked at: got %+v, %s", e.Sections, e.Err)
	}
}
