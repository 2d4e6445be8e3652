package app

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"keeper/internal/core"
)

// mendable is a mender with a home of its own.
func mendable(t *testing.T) (m mender, home string) {
	t.Helper()
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return mender{uid: os.Getuid(), own: []string{home}, self: "/bin/echo", env: os.Environ(), limit: 20 * time.Second, patience: time.Minute,
		told: func(string) {}, standsDown: func() bool { return false }}, home
}

func finding(id string, steps ...core.RepairStep) core.Finding {
	return core.Finding{ID: id, Severity: core.Warn, Repair: &core.Repair{What: "mend " + id, Steps: steps}}
}

func sh(script string) core.RepairStep { return core.RepairStep{Run: []string{"sh", "-c", script}} }

const ours = core.RepairMark + "\n[Service]\nRestart=always\n"

func TestRepairWrites(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		before func(t *testing.T, home, path string)
		path   string // below the home
		text   string
		want   string // part of the error
	}{
		"new":           {nil, ".config/containers/systemd/db.container.d/50-keeper.conf", ours, ""},
		"keeper's own":  {has(core.RepairMark + "\nold\n"), "a.conf", ours, ""},
		"the same":      {has(ours), "a.conf", ours, ""},
		"a person's":    {has("[Service]\n"), "a.conf", ours, "somebody else wrote it"},
		"nearly ours":   {has(core.RepairMark + " not\n"), "a.conf", ours, "somebody else wrote it"},
		"empty":         {has(""), "a.conf", ours, "somebody else wrote it"},
		"not marked":    {nil, "a.conf", "[Service]\n", "mistake in keeper"},
		"escapes in it": {nil, "a.conf", ours + "\x1b[2J", "mistake in keeper"},
		"a directory":   {func(t *testing.T, _, path string) { check(t, os.Mkdir(path, 0o700)) }, "a.conf", ours, "no file"},
		"a pipe":        {func(t *testing.T, _, path string) { check(t, syscall.Mkfifo(path, 0o600)) }, "a.conf", ours, "no file"},
		"a link": {func(t *testing.T, home, path string) {
			check(t, os.WriteFile(filepath.Join(home, "person"), []byte(core.RepairMark+"\n"), 0o600))
			check(t, os.Symlink(filepath.Join(home, "person"), path))
		}, "a.conf", ours, "symbolic link"},
		"a link within the home": {func(t *testing.T, home, _ string) {
			check(t, os.MkdirAll(filepath.Join(home, "dotfiles"), 0o700))
			check(t, os.Symlink(filepath.Join(home, "dotfiles"), filepath.Join(home, "systemd")))
		}, "systemd/d/a.conf", ours, ""},
		"a link out of it": {func(t *testing.T, home, _ string) {
			check(t, os.Symlink(t.TempDir(), filepath.Join(home, "systemd")))
		}, "systemd/a.conf", ours, "own directories"},
		"a link to nowhere": {func(t *testing.T, home, _ string) {
			check(t, os.Symlink(filepath.Join(home, "gone"), filepath.Join(home, "systemd")))
		}, "systemd/a.conf", ours, "no such file"},
		"out of the home":  {nil, "../a.conf", ours, "own directories"},
		"not clean":        {nil, "x/./a.conf", ours, "plain absolute path"},
		"in a file's path": {has(ours), "a.conf/b.conf", ours, "not a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, home := mendable(t)
			path := home + "/" + tt.path
			if strings.HasPrefix(tt.path, "..") {
				path = filepath.Join(home, tt.path)
			}
			if tt.before != nil {
				where := path
				if strings.HasPrefix(tt.path, "a.conf/") {
					where = filepath.Dir(path)
				}
				tt.before(t, home, where)
			}
			old, _ := readSmall(path) // a pipe would hold os.ReadFile up
			got := m.mend(t.Context(), []core.Finding{finding("a", core.RepairStep{Write: path, Text: tt.text}, sh("touch "+home+"/ran"))})[0]
			_, ran := os.Stat(filepath.Join(home, "ran"))
			now, err := readSmall(path)
			if tt.want == "" {
				if got.Error != "" || err != nil || string(now) != tt.text || ran != nil {
					t.Errorf("%q, %v, ran: %v; the file is %q", got.Error, err, ran, now)
				}
				if fi, err := os.Stat(path); err != nil || name == "new" && fi.Mode() != 0o644 {
					t.Errorf("%v, mode %v", err, fi.Mode())
				}
				return
			}
			if !strings.Contains(got.Error, tt.want) || string(now) != string(old) || ran == nil {
				t.Errorf("%q, want %q; the file was %q and is %q, the next step was done: %v", got.Error, tt.want, old, now, ran == nil)
			}
		})
	}
}

func has(text string) func(*testing.T, string, string) {
	return func(t *testing.T, _, path string) { check(t, os.WriteFile(path, []byte(text), 0o600)) }
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// What belongs to somebody else is left to him.
func TestRepairOfAnother(t *testing.T) {
	t.Parallel()
	m, home := mendable(t)
	m.uid++
	got := m.mend(t.Context(), []core.Finding{finding("a", core.RepairStep{Write: home + "/a.conf", Text: ours})})[0]
	if !strings.Contains(got.Error, "belongs to uid") {
		t.Errorf("%q", got.Error)
	}
}

func TestRepairCopies(t *testing.T) {
	t.Parallel()
	m, home := mendable(t)
	from, to := home+"/copy", home+"/units/db.container"
	check(t, os.WriteFile(from, []byte("[Container]\n"), 0o600))
	mend := func() string {
		return m.mend(t.Context(), []core.Finding{finding("lost", core.RepairStep{Write: to, Copy: from})})[0].Error
	}
	for _, before := range []string{"none", "empty"} {
		if before == "empty" {
			check(t, os.WriteFile(to, nil, 0o644))
		}
		if err := mend(); err != "" {
			t.Errorf("%s: %s", before, err)
		}
		data, err := os.ReadFile(to)
		if fi, serr := os.Stat(to); err != nil || serr != nil || string(data) != "[Container]\n" || fi.Mode() != 0o600 {
			t.Errorf("%s: %q, %v, %v", before, data, err, serr)
		}
	}
	if err := mend(); !strings.Contains(err, "something in it by now") {
		t.Errorf("a file that is there: %q", err)
	}
	check(t, os.Remove(from))
	check(t, os.Remove(to))
	if err := mend(); !strings.Contains(err, "cannot bring") {
		t.Errorf("no copy: %q", err)
	}
}

func TestRepairRuns(t *testing.T) {
	t.Parallel()
	m, home := mendable(t)
	m.limit = 300 * time.Millisecond
	m.self = home + "/keeper"
	check(t, os.WriteFile(m.self, []byte("#!/bin/sh\necho \"$@\" >"+home+"/keeper-ran\n"), 0o700))
	for name, tt := range map[string]struct {
		run  []string
		want []string
	}{
		"well":           {[]string{"true"}, nil},
		"keeper":         {[]string{"keeper", "recover"}, nil},
		"no shell":       {[]string{"test", "$(echo)", "=", "$(echo)"}, nil},
		"fails":          {[]string{"sh", "-c", "echo first; echo why \x1b[2Jso >&2; exit 3"}, []string{"exit status 3: first; why  [2Jso"}},
		"hangs":          {[]string{"sh", "-c", "sleep 1000 & sleep 1000"}, []string{"not done within 300ms"}},
		"floods":         {[]string{"sh", "-c", "yes; exit 1"}, []string{"not done within", "y; y"}},
		"no such one":    {[]string{"keeper-no-such-program"}, []string{"cannot run keeper-no-such-program"}},
		"leaves one":     {[]string{"sh", "-c", "sleep 3 & echo done"}, nil},
		"neither, no go": {nil, []string{"mistake in keeper"}},
	} {
		if name == "leaves one" {
			m.limit = 20 * time.Second
		} else {
			m.limit = 300 * time.Millisecond
		}
		got := m.mend(t.Context(), []core.Finding{finding("a", core.RepairStep{Run: tt.run})})[0].Error
		if tt.want == nil && got != "" {
			t.Errorf("%s: %s", name, got)
		}
		for _, w := range tt.want {
			if !strings.Contains(got, w) || strings.Contains(got, "\x1b") {
				t.Errorf("%s: %q, want %q", name, got, w)
			}
		}
	}
	if data, err := os.ReadFile(home + "/keeper-ran"); err != nil || string(data) != "recover\n" {
		t.Errorf("keeper's own program: %q, %v", data, err)
	}
}

// The first step that fails ends the repairs that have it, and no other; a shared step is
// done once.
func TestRepairsGoOn(t *testing.T) {
	t.Parallel()
	m, home := mendable(t)
	says := func(w string) core.RepairStep { return sh("echo " + w + " >>" + home + "/log") }
	bad := sh("false")
	got := m.mend(t.Context(), []core.Finding{
		finding("a", bad, says("reload"), says("a")),
		finding("b", says("b"), says("reload")),
		finding("c", bad),
	})
	if got[0].Error == "" || got[1].Error != "" || got[2].Error == "" || got[0].What != "mend a" || len(got[0].Steps) != 3 {
		t.Errorf("%+v", got)
	}
	if data, _ := os.ReadFile(home + "/log"); string(data) != "b\nreload\n" {
		t.Errorf("done: %q", data)
	}
}

func TestRepairStops(t *testing.T) {
	t.Parallel()
	m, home := mendable(t)
	list := []core.Finding{finding("a", sh("touch "+home+"/a"))}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := m.mend(ctx, list)[0].Error; got != context.Canceled.Error() {
		t.Errorf("interrupted: %q", got)
	}
	m.standsDown = func() bool { return true }
	list = append(list, finding("b", core.RepairStep{Write: home + "/b", Text: ours}))
	got := m.mend(t.Context(), list)
	if !strings.Contains(got[0].Error, "stands down") || got[1].Error != "" {
		t.Errorf("it stands down by now: %+v", got)
	}
	if _, err := os.Stat(home + "/a"); err == nil {
		t.Error("it was done")
	}
}

// A step that takes its time is told.
func TestRepairTells(t *testing.T) {
	t.Parallel()
	m, _ := mendable(t)
	heard := make(chan string, 1)
	m.patience, m.told = time.Millisecond, func(s string) { heard <- s }
	got := m.mend(t.Context(), []core.Finding{finding("a", core.RepairStep{Run: []string{"sleep", "0.5"}})})
	if got[0].Error != "" {
		t.Error(got[0].Error)
	}
	if s := <-heard; s != "sleep 0.5" {
		t.Errorf("heard %q", s)
	}
}
