package adopt

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"keeper/internal/core"
	"keeper/internal/quadlet"
)

const goodUnit = "[Container]\nImage=localhost/x\n"

func TestExplain(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		file, text string
		set        func(w *world, path string)
		why, try   string
	}{
		"well":          {text: goodUnit},
		"misspelt":      {text: goodUnit + "\nPublihsPort=80:80\n", why: "[Container] has no key PublihsPort, line 4", try: "is it PublishPort=?"},
		"misspelt more": {text: goodUnit + "volume=x:/x\n", why: "[Container] has no key volume, line 3", try: "is it Volume=?"},
		"no such key":   {text: goodUnit + "Frobnicate=yes\n", why: "[Container] has no key Frobnicate", try: "remove it, or see podman-systemd.unit(5)"},
		"no image":      {text: "[Container]\nExec=x\n", why: "it does not say which image", try: "add Image=NAME"},
		"no network":    {text: goodUnit + "Network=inner.network\n", why: "it refers to inner.network, and there is no such file", try: "/inner.network"},
		"no volume":     {text: goodUnit + "Volume=data.volume:/x\n", why: "it refers to data.volume, and there is no such file", try: "/data.volume"},
		"no pod":        {text: goodUnit + "Pod=p.pod\n", why: "it refers to p.pod, and there is no such file", try: "/p.pod"},
		"broken line":   {text: goodUnit + "what is this\n", why: `it is no unit file: line 3 is neither a [Section] nor Key=value: "what is this"`, try: "mend that line"},
		"kill mode":     {text: goodUnit + "[Service]\nKillMode=process\n", why: "KillMode= may only be mixed or control-group", try: "remove KillMode="},
		"type":          {text: goodUnit + "[Service]\nType=forking\n", why: "Type= may only be notify or oneshot", try: "remove Type="},
		"nothing":       {text: "", why: ": ", try: ""},
		"masked":        {text: goodUnit, set: func(w *world, _ string) { w.masked["x.service"] = true }, why: "x.service is masked", try: "systemctl --user unmask x.service"},
		"not reloaded":  {text: goodUnit, set: func(w *world, _ string) { delete(w.units, "x.service") }, why: "systemd has not read it yet", try: "systemctl --user daemon-reload"},
		"stale":         {text: goodUnit, set: func(w *world, _ string) { w.stale["x.service"] = true }, why: "it was changed since systemd read it", try: "systemctl --user daemon-reload"},
		"shadowed": {text: goodUnit, set: func(w *world, _ string) {
			w.legacy["x.service"] = &legacy{path: "/home/a/.config/systemd/user/x.service"}
		}, why: "x.service is there already, as /home/a/.config/systemd/user/x.service", try: "remove or rename /home/a"},
		"made of another file": {text: goodUnit, set: func(w *world, _ string) { w.units["x.service"].Source = "/etc/containers/systemd/x.container" }, why: "x.service is made of /etc/containers/systemd/x.container instead", try: "give one of them another name"},
		"a link": {text: goodUnit, set: func(w *world, path string) {
			if os.Rename(path, w.dir+"/elsewhere") != nil || os.Symlink(w.dir+"/elsewhere", path) != nil {
				w.t.Error("no link")
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			path := filepath.Join(w.places().Quadlets, "x.container")
			w.put(path, tt.text)
			w.units["x.service"] = &unit{Unit: core.Unit{Name: "x.service", Active: "inactive", Source: path}, there: true}
			if tt.set != nil {
				tt.set(w, path)
			}
			list, err := w.adopter(nil).Explain(t.Context(), nil, quadlet.Version{Major: 5, Minor: 4})
			if err != nil || len(list) != 1 {
				t.Fatalf("%+v, %v", list, err)
			}
			e := list[0]
			if tt.why == "" && (e.Why != "" || !e.Loaded) || !strings.Contains(e.Why, strings.TrimPrefix(tt.why, ": ")) || !strings.Contains(e.Try, tt.try) || tt.why != "" && (e.Why == "" || e.Try == "") {
				t.Errorf("%+v, want %q, %q", e, tt.why, tt.try)
			}
			if tt.why != "" && e.Loaded && name != "stale" {
				t.Error("it is said to be loaded")
			}
			if e.Reload != (name == "stale" || name == "not reloaded") {
				t.Errorf("a reload is all: %v", e.Reload)
			}
		})
	}
}

// TestExplainNames has files of one name in two directories, one that is a link to
// /dev/null, and the same file twice.
func TestExplainNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := w.places().Quadlets
	for _, name := range []string{"x.container", "more/x.container", "y.container"} {
		w.put(filepath.Join(dir, name), goodUnit)
	}
	w.read()
	for link, to := range map[string]string{"off.container": os.DevNull, "more/y.container": filepath.Join(dir, "y.container")} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	list, err := w.adopter(nil).Explain(t.Context(), nil, quadlet.Version{})
	if err != nil {
		t.Fatal(err)
	}
	wrong := 0
	for _, e := range list {
		if e.Why == "" {
			continue
		}
		wrong++
		if e.Loaded || e.Reload || !strings.HasSuffix(e.File, "/more/x.container") || !strings.Contains(e.Why, "another file of that name, which goes before it: "+dir) || e.Try == "" {
			t.Errorf("got %+v", e)
		}
	}
	if wrong != 1 || len(list) != 3 {
		t.Errorf("got %+v", list)
	}
}

// TestExplainKinds has a Podman that is older than a kind of files.
func TestExplainKinds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(filepath.Join(w.places().Quadlets, "x.pod"), "[Pod]\n")
	a := w.adopter(nil)
	a.Places.Generator = generatorScript(t, w, "exit 0")
	for version, want := range map[quadlet.Version]string{{Major: 4, Minor: 9}: "files .pod need Podman 5.0, and this host has 4.9", {Major: 5}: "does not say why", {}: "does not say why"} {
		list, err := a.Explain(t.Context(), nil, version)
		if err != nil || len(list) != 1 || list[0].Loaded || !strings.Contains(list[0].Why, want) {
			t.Errorf("%s: got %+v, %v; want %q", version, list, err, want)
		}
	}
}

// TestExplainNewer has the host's own generator refuse a key that keeper's copy
// of a newer one takes.
func TestExplainNewer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(filepath.Join(w.places().Quadlets, "x.container"), goodUnit+"Memory=1g\n")
	a := w.adopter(nil)
	a.Places.Generator = generatorScript(t, w, `echo "quadlet-generator[42]: converting \"x.container\": unsupported key 'Memory' in group 'Container' in $QUADLET_UNIT_DIRS/x.container" >&2; exit 1`)
	list, err := a.Explain(t.Context(), []string{"x"}, quadlet.Version{Major: 5, Minor: 4})
	if err != nil || len(list) != 1 || list[0].Loaded || !strings.HasPrefix(list[0].Why, "Memory= in [Container], line 3 needs Podman 5.5; this host has 5.4") || list[0].Try != "say it with PodmanArgs= instead" {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestExplainUnreadable is about files that cannot be read. None holds it up.
func TestExplainUnreadable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	q := w.places().Quadlets
	w.put(filepath.Join(q, "big.container"), strings.Repeat("#\n", mostFile))
	if err := unix.Mkfifo(filepath.Join(q, "pipe.container"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("loop.container", filepath.Join(q, "loop.container")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/nowhere", filepath.Join(q, "dangling.container")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(q, "dir.container"), 0o700); err != nil {
		t.Fatal(err)
	}
	w.put(filepath.Join(q, "good.container"), goodUnit)
	w.read()
	list, err := w.adopter(nil).Explain(t.Context(), nil, quadlet.Version{})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, e := range list {
		got[filepath.Base(e.File)] = e.Why
	}
	for file, want := range map[string]string{
		"big.container": "larger than 1024 KiB", "pipe.container": "is no regular file", "loop.container": "too many levels of symbolic links",
		"dangling.container": "no such file", "good.container": "",
	} {
		if why, ok := got[file]; !ok || !strings.Contains(why, want) {
			t.Errorf("%s: %q, want %q", file, why, want)
		}
	}
	if len(got) != 5 {
		t.Errorf("%v", got)
	}
	if list, err := w.adopter(nil).Explain(t.Context(), []string{"good.service"}, quadlet.Version{}); err != nil || len(list) != 1 || !list[0].Loaded {
		t.Errorf("%+v, %v", list, err)
	}
	if list, err := w.adopter(nil).Explain(t.Context(), []string{"goood"}, quadlet.Version{}); err == nil || !strings.Contains(err.Error(), "there is no Quadlet file for goood in "+q) {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestLinkedDirectory is about a directory of units that is a link, as those have
// who keep such files in a repository.
func TestLinkedDirectory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(filepath.Join(w.dir, "dotfiles", "x.container"), goodUnit)
	if err := os.Symlink("dotfiles", w.places().Quadlets); err != nil {
		t.Fatal(err)
	}
	d, problems := readDisk([]string{w.places().Quadlets, filepath.Join(w.dir, "none")})
	if len(problems) > 0 || len(d.files) != 1 || d.files[0].Path != filepath.Join(w.places().Quadlets, "x.container") {
		t.Errorf("%+v, %v", d.files, problems)
	}
	w.units["x.service"] = &unit{Unit: core.Unit{Name: "x.service", Source: filepath.Join(w.dir, "dotfiles", "x.container")}, there: true}
	if list, err := w.adopter(nil).Explain(t.Context(), nil, quadlet.Version{}); err != nil || len(list) != 1 || !list[0].Loaded || list[0].Why != "" {
		t.Errorf("%+v, %v", list, err)
	}
}

// generatorScript writes a program that stands in for Podman's generator.
func generatorScript(t *testing.T, w *world, script string) string {
	t.Helper()
	path := filepath.Join(w.dir, "quadlet")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestGenerator(t *testing.T) {
	t.Parallel()
	const makes = `test "$1$2" = -dryrun-user || exit 9
for f in $QUADLET_UNIT_DIRS/*.container; do printf -- '---%s.service---\n[Service]\nExecStart=/bin/true\n\n' "$(basename "$f" .container)"; done
`
	for name, tt := range map[string]struct{ script, stop, fails string }{
		"content": {script: makes},
		"chatty":  {script: makes + `echo "quadlet-generator[7]: Loading source unit file $QUADLET_UNIT_DIRS/db.container" >&2`},
		"refuses": {
			script: `echo "quadlet-generator[7]: converting \"db.container\": unsupported key 'StopTimeout' in group 'Container' in $QUADLET_UNIT_DIRS/db.container" >&2; exit 1`,
			stop:   "this host's generator does not take it: unsupported key 'StopTimeout' in group 'Container' in db.container",
		},
		"silent":  {script: "exit 0", stop: "it makes no unit of it, and does not say why"},
		"rubbish": {script: "echo ---; echo ------; echo ---.service---; head -c 100000 /dev/zero; exit 3", stop: "it makes no unit of it"},
		"hangs":   {script: "sleep 600 & sleep 600", fails: "did not end within"},
		"missing": {fails: "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.container("db", "docker.io/library/postgres:17")
			a := w.adopter(nil)
			a.Places.Generator = filepath.Join(w.dir, "none")
			if tt.script != "" {
				a.Places.Generator = generatorScript(t, w, tt.script)
			}
			ctx := t.Context()
			if name == "hangs" {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 200*time.Millisecond)
				defer cancel()
			}
			begin := time.Now()
			p, err := a.Plan(ctx, Request{Names: []string{"db"}})
			_, err2 := a.Explain(ctx, nil, quadlet.Version{})
			if tt.fails != "" {
				for _, err := range []error{err, err2} {
					if err == nil || !strings.Contains(err.Error(), "cannot have the units checked") || !strings.Contains(err.Error(), tt.fails) && name != "hangs" {
						t.Errorf("it says %v", err)
					}
				}
				if took := time.Since(begin); took > 15*time.Second {
					t.Errorf("it took %s", took)
				}
				return
			}
			if err != nil || err2 != nil {
				t.Fatal(err, err2)
			}
			if tt.stop == "" && len(p.Stops()) > 0 {
				t.Errorf("it is stopped: %+v", p.Stops())
			}
			if tt.stop != "" {
				stopped(t, p, tt.stop)
			}
			if left, _ := filepath.Glob(filepath.Join(w.places().Scratch, "*")); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// TestNearest is about words that were meant.
func TestNearest(t *testing.T) {
	t.Parallel()
	words := quadlet.KnownKeys("Container")
	for word, want := range map[string]string{
		"Imgae": "Image", "environment": "Environment", "publish-port": "PublishPort", "HealthCommand": "HealthCmd", "Environmnt": "Environment", "Volumes": "Volume", "xyzzyxyzzy": "",
	} {
		if got := nearest(word, words); got != want {
			t.Errorf("%s is said to be %q, want %q", word, got, want)
		}
	}
}
