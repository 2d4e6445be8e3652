package compose

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keeper/internal/quadlet"
)

var update = flag.Bool("update", false, "write the golden files anew")

// caller is the environment that golden files are made in.
var caller = []string{"PATH=/usr/bin", "HOME=/home/app", "FROM_SHELL=of the shell", "APP_SECRET=hush"}

func TestGolden(t *testing.T) {
	dirs, err := filepath.Glob("testdata/*/compose.yaml")
	if err != nil || len(dirs) < 22 {
		t.Fatalf("%d Compose files, want 22 at least: %v", len(dirs), err)
	}
	for _, file := range dirs {
		dir := filepath.Dir(file)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			o := options(t, dir)
			p, err := Load(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			got := render(t, dir, p)
			for range 3 { // no order of a map may shine through
				again, err := Load(t.Context(), o)
				if err != nil {
					t.Fatal(err)
				}
				if text := render(t, dir, again); text != got {
					t.Fatalf("read twice, it differs:\n%s\n---\n%s", got, text)
				}
			}
			golden := filepath.Join(dir, "model.golden")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("the model is not that of %s (go test -update writes it anew):\n%s", golden, got)
			}
			checkModel(t, p)
		})
	}
}

// options are those of a directory: compose.yaml, the files beside it that
// override it, and the profiles in a file of that name.
func options(t *testing.T, dir string) Options {
	t.Helper()
	o := Options{Files: []string{filepath.Join(dir, "compose.yaml")}, Env: caller}
	more, err := filepath.Glob(filepath.Join(dir, "compose.*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	o.Files = append(o.Files, more...)
	if data, err := os.ReadFile(filepath.Join(dir, "profiles")); err == nil {
		o.Profiles = strings.Fields(string(data))
	}
	return o
}

// checkModel checks what holds for every model.
func checkModel(t *testing.T, p Project) {
	t.Helper()
	units := map[string]bool{}
	for _, c := range p.Stack.Containers {
		if !unitName.MatchString(c.Unit) || units[c.Unit] {
			t.Errorf("the unit %q is not a name, or is there twice", c.Unit)
		}
		units[c.Unit] = true
		if c.Image == "" || c.Name == "" || c.Restart == "" {
			t.Errorf("%s: image %q, name %q, restart %q: none may be empty", c.Unit, c.Image, c.Name, c.Restart)
		}
	}
	networks, volumes, builds := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, n := range p.Stack.Networks {
		networks[n.Unit] = true
	}
	for _, v := range p.Stack.Volumes {
		volumes[v.Unit] = true
	}
	for _, b := range p.Stack.Builds {
		builds[b.Unit] = true
	}
	for _, c := range p.Stack.Containers {
		for _, n := range c.Needs {
			if !units[n.Unit] || n.Unit == c.Unit {
				t.Errorf("%s needs %s, which is not there", c.Unit, n.Unit)
			}
		}
		for _, n := range c.Networks {
			if (n.Unit == "") == (n.Name == "") || n.Unit != "" && !networks[n.Unit] {
				t.Errorf("%s: the network %+v is not there", c.Unit, n)
			}
		}
		for _, v := range c.Volumes {
			if (v.Unit == "") == (v.Source == "") || v.Unit != "" && !volumes[v.Unit] {
				t.Errorf("%s: the volume %+v is not there", c.Unit, v)
			}
		}
		if c.Build != "" && !builds[c.Build] {
			t.Errorf("%s: the build %s is not there", c.Unit, c.Build)
		}
	}
	for _, n := range p.Stack.Notes {
		if n.Text == "" || n.Field == "" || n.Level == "" {
			t.Errorf("a note says nothing: %+v", n)
		}
	}
}

// render writes a model down, for people to read.
func render(t *testing.T, dir string, p Project) string {
	t.Helper()
	abs, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("project %s", p.Name)
	for _, f := range p.Files {
		line("file %s", f)
	}
	for _, s := range p.Services {
		line("service %s: unit %s, container %s, profiles %q, secrets %q", s.Name, s.Unit, s.Container, s.Profiles, s.Secrets)
	}
	if len(p.Off) > 0 {
		line("off %q", p.Off)
	}
	settings := func(list []quadlet.Setting) {
		for _, s := range list {
			line("  %s %q", s.Flag, s.Value)
		}
	}
	source := func(s quadlet.Source) string {
		return fmt.Sprintf("%s %s %s project %s profiles %q", s.Kind, s.Path, s.Name, s.Project, s.Profiles)
	}
	for _, c := range p.Stack.Containers {
		line("\ncontainer %s, name %s, from %s", c.Unit, c.Name, source(c.Source))
		line("  image %s build %q", c.Image, c.Build)
		line("  restart %s most %d oneshot %v healthy %v pullnever %v store %v manual %v stop %s", c.Restart, c.RestartMost, c.OneShot, c.NotifyHealthy, c.PullNever, c.Store, c.Manual, c.StopTimeout)
		if c.Health != (quadlet.Health{}) {
			line("  health %+v", c.Health)
		}
		if c.Entrypoint != nil {
			line("  entrypoint %q", c.Entrypoint)
		}
		if c.Command != nil {
			line("  command %q", c.Command)
		}
		for _, n := range c.Needs {
			line("  needs %+v", n)
		}
		for _, n := range c.Networks {
			line("  network unit %q name %q options %q", n.Unit, n.Name, n.Options)
		}
		for _, v := range c.Volumes {
			line("  volume unit %q source %q target %q options %q", v.Unit, v.Source, v.Target, v.Options)
		}
		settings(c.Settings)
	}
	for _, n := range p.Stack.Networks {
		line("\nnetwork %s, name %s, from %s", n.Unit, n.Name, source(n.Source))
		settings(n.Settings)
	}
	for _, v := range p.Stack.Volumes {
		line("\nvolume %s, name %s, from %s", v.Unit, v.Name, source(v.Source))
		settings(v.Settings)
	}
	for _, u := range p.Stack.Builds {
		line("\nbuild %s, image %s, context %s, from %s", u.Unit, u.Image, u.Context, source(u.Source))
		settings(u.Settings)
	}
	for _, s := range p.Stack.Secrets {
		line("\nsecret %+v", s)
	}
	line("")
	for _, n := range p.Stack.Notes {
		line("%s %s %s: %s", n.Level, n.Unit, n.Field, n.Text)
		if n.Try != "" {
			line("    try: %s", n.Try)
		}
		if n.Accept != "" {
			line("    accept: %s", n.Accept)
		}
	}
	return strings.ReplaceAll(b.String(), abs, "$DIR")
}
