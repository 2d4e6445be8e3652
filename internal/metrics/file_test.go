package metrics

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"keeper/internal/core"
)

func TestFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := File{path: filepath.Join(dir, "keeper.prom")}
	s, at := example(), noon
	write := func() string {
		t.Helper()
		if err := f.write(s, at); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(f.path)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	first := write()
	got := parse(t, []byte(first), Plain)
	if got.types["keeper_survivals_total"] != "counter" || strings.Contains(first, "process_") {
		t.Errorf("node_exporter would not take it:\n%s", first)
	}
	if fi, err := os.Lstat(f.path); err != nil || fi.Mode() != 0o644 {
		t.Errorf("%v, %v: node_exporter could not read it", fi.Mode(), err)
	}

	// A probe more is no reason to write, nor is the time, until it is.
	s.Services = map[string]Service{"redis.service": {Probes: 1000, Took: time.Millisecond}}
	s.Process.CPU += time.Second
	at = at.Add(fileEvery - time.Second)
	if write() != first {
		t.Error("written, though nothing changed")
	}
	at = at.Add(time.Second)
	if later := write(); !strings.Contains(later, `keeper_service_probes_total{user="app",service="redis.service"} 1000`) {
		t.Error("not written after 5 minutes")
	}
	s.Status.Services[1].State = core.ServiceWell
	if write() == first {
		t.Error("not written, though a service is well again")
	}
	// Somebody removed it.
	if err := os.Remove(f.path); err != nil {
		t.Fatal(err)
	}
	write()

	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("%d files are left", len(entries))
	}
	if err := f.remove(); err != nil {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Error("it was not removed")
	}
}

// A reader finds the whole of a file, whenever it looks.
func TestFileIsWhole(t *testing.T) {
	t.Parallel()
	f := File{path: filepath.Join(t.TempDir(), "keeper.prom")}
	s := example()
	if err := f.write(s, noon); err != nil {
		t.Fatal(err)
	}
	var bodies [2]string
	for i := range bodies {
		s.Survived, s.Process = uint64(i), Process{}
		bodies[i] = string(Text(s, Plain))
	}
	stop := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		s := s
		for i := uint64(0); ; i++ {
			s.Survived = i % 2
			if err := f.write(s, noon); err != nil {
				ended <- err
				return
			}
			select {
			case <-stop:
				ended <- nil
				return
			default:
			}
		}
	}()
	for range 300 {
		data, err := os.ReadFile(f.path)
		if got := string(data); err != nil || got != bodies[0] && got != bodies[1] && !strings.Contains(got, "keeper_survivals_total{user=\"app\"} 51") {
			t.Fatalf("%v, a half: %s", err, got)
		}
	}
	close(stop)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestFileRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	victim, link := filepath.Join(dir, "victim"), filepath.Join(dir, "link.prom")
	if err := errors.Join(os.WriteFile(victim, []byte("precious"), 0o600), os.Symlink(victim, link),
		os.Symlink(filepath.Join(dir, "nowhere"), filepath.Join(dir, "loose.prom")), os.Mkdir(filepath.Join(dir, "dir.prom"), 0o700)); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		link:                                 "no regular file",
		filepath.Join(dir, "loose.prom"):     "no regular file",
		filepath.Join(dir, "dir.prom"):       "no regular file",
		filepath.Join(dir, "none", "k.prom"): "its directory must be there",
		filepath.Join(victim, "k.prom"):      "its directory must be there",
		filepath.Join(dir, "keeper.txt"):     "must be an absolute path that ends in .prom",
		"keeper.prom":                        "must be an absolute path",
	} {
		f := File{path: path}
		if err := f.write(example(), noon); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
		if err := f.remove(); err != nil {
			t.Error(err)
		}
	}
	if data, err := os.ReadFile(victim); err != nil || string(data) != "precious" {
		t.Errorf("the file behind the link is %q, %v", data, err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 4 {
		t.Errorf("%d files, want 4: what was refused left something", len(entries))
	}

	// What somebody put in its place is not removed.
	f := File{path: filepath.Join(dir, "keeper.prom")}
	if err := errors.Join(f.write(example(), noon), os.Rename(victim, f.path), f.remove()); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(f.path); err != nil || string(data) != "precious" {
		t.Errorf("somebody else's file is %q, %v", data, err)
	}
}

func TestKeepFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keeper.prom")
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		var broken atomic.Bool
		var told []string
		changed := make(chan struct{}, 1)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			KeepFile(ctx, path, func(context.Context) (Snapshot, error) {
				asked.Add(1)
				if broken.Load() {
					return Snapshot{}, errors.New("the main loop does not answer")
				}
				return example(), nil
			}, changed, func(err error) { told = append(told, err.Error()) })
		}()
		synctest.Wait()
		if _, err := os.Stat(path); err != nil || asked.Load() != 1 {
			t.Errorf("after the start: %v, asked %d times", err, asked.Load())
		}
		// A storm of changes is one write in 15 s.
		for range 150 {
			select {
			case changed <- struct{}{}:
			default:
			}
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		if asked.Load() > 2 {
			t.Errorf("asked %d times within 15s", asked.Load())
		}
		time.Sleep(fileGap)
		synctest.Wait()
		was := asked.Load()
		time.Sleep(fileEvery - time.Second)
		synctest.Wait()
		if asked.Load() > was+1 {
			t.Errorf("asked %d times though nothing changed", asked.Load()-was)
		}
		broken.Store(true)
		time.Sleep(3 * fileEvery)
		synctest.Wait()
		if len(told) != 1 || !strings.Contains(told[0], "does not answer") {
			t.Errorf("told %q, want the trouble once", told)
		}
		cancel()
		<-ended
		if _, err := os.Stat(path); err == nil {
			t.Error("it stays after the end")
		}
	})
}
