package adopt

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/rogpeppe/go-internal/txtar"

	"keeper/internal/compose"
	"keeper/internal/podman"
	"keeper/internal/podman/compile"
	"keeper/internal/quadlet"
)

var update = flag.Bool("update", false, "write the golden files anew")

// versions are those of Oracle Linux 8, of the lab's hosts, and the newest that
// keeper knows. The golden files are of the second.
var (
	labVersion = quadlet.Version{Major: 5, Minor: 4}
	versions   = []quadlet.Version{{Major: 4, Minor: 9}, labVersion, {Major: 5, Minor: 8}}
)

// example is a container that a real Podman was asked about, or a Compose file,
// and where its units are kept.
type example struct {
	name, golden string
	stack        quadlet.Stack
}

func examples(t *testing.T) []example {
	t.Helper()
	var list []example
	dumps, err := filepath.Glob("../podman/testdata/inspect/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range dumps {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		stack, err := podman.ReadDump(data)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		base := strings.TrimSuffix(path, ".json")
		list = append(list, example{"inspect/" + filepath.Base(base), base + ".units", stack})
	}
	files, err := filepath.Glob("../compose/testdata/*/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		p, err := compose.Load(context.Background(), compose.Options{Files: []string{path}, Env: []string{"HOME=/home/flowstate", "FROM_CALLER=called"}})
		if err != nil {
			continue // an example of a mistake: compose's own tests have those
		}
		dir := filepath.Dir(path)
		list = append(list, example{"compose/" + filepath.Base(dir), filepath.Join(dir, "units.golden"), p.Stack})
	}
	return list
}

// here makes the text the same on every machine: a Compose file's directory is
// part of paths, and so of check sums.
func here(t *testing.T, s string) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	s = strings.ReplaceAll(s, dir, "/checkout")
	var out strings.Builder
	for line := range strings.Lines(s) {
		if strings.HasPrefix(line, "# keeper-sum: ") {
			line = "# keeper-sum: …\n"
		}
		if i := strings.Index(line, `"sum":"sha256:`); i > 0 {
			line = line[:i] + "\"sum\":\"…\"}\n"
		}
		out.WriteString(line)
	}
	return out.String()
}

func text(files []quadlet.File, notes []quadlet.Note) string {
	var a txtar.Archive
	for _, f := range files {
		a.Files = append(a.Files, txtar.File{Name: f.Name, Data: []byte(f.Content)})
	}
	var b strings.Builder
	for _, n := range notes {
		b.WriteString(string(n.Level) + ": " + n.Unit + ", " + n.Field + ": " + n.Text + "\n")
	}
	a.Comment = []byte(b.String())
	return string(txtar.Format(&a))
}

// TestGolden writes the units of all examples, for three versions of Podman, and
// has the library of the newest compile every one of them. Those of the lab's
// version are also compiled by its own generator (internal/lab).
func TestGolden(t *testing.T) {
	t.Parallel()
	list := examples(t)
	if len(list) < 40 {
		t.Errorf("only %d examples: the files may have been missed", len(list))
	}
	for _, e := range list {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			for _, v := range versions {
				files, notes := quadlet.Render(e.stack, quadlet.Host{Podman: v})
				compiles(t, v, files, notes)
				if v != labVersion {
					continue
				}
				got := here(t, text(files, notes))
				if *update {
					if err := os.WriteFile(e.golden, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(e.golden)
				if err != nil {
					t.Fatalf("%v (go test ./internal/adopt -update)", err)
				}
				if string(want) != got {
					t.Errorf("%s", diff.Diff(e.golden, want, "now", []byte(got)))
				}
			}
		})
	}
}

// compiles has the library read the files. What the writer itself says cannot be
// written is no fault of the files.
func compiles(t *testing.T, v quadlet.Version, files []quadlet.File, notes []quadlet.Note) {
	t.Helper()
	stopped := map[string]bool{}
	for _, n := range notes {
		if n.Level == quadlet.Stop {
			stopped[n.Unit] = true
		}
	}
	var sources []compile.File
	for _, f := range files {
		sources = append(sources, compile.File{Name: f.Name, Content: f.Content})
	}
	units, problems := compile.Compile(sources)
	for _, p := range problems {
		if !stopped[strings.TrimSuffix(p.File, filepath.Ext(p.File))] {
			t.Errorf("for Podman %s, the library on %s: %s", v, p.File, p.Text)
		}
	}
	if len(problems) == 0 && len(units) != len(files) {
		t.Errorf("for Podman %s, %d units of %d files", v, len(units), len(files))
	}
	for _, f := range files {
		lines, err := quadlet.Parse(f.Content)
		if err != nil {
			t.Errorf("keeper cannot read what it wrote: %s: %v", f.Name, err)
		}
		for _, l := range lines {
			if stopped[strings.TrimSuffix(f.Name, filepath.Ext(f.Name))] {
				break
			}
			if since, known := quadlet.KeySince(l.Section, l.Key); known && v.Before(since) {
				t.Errorf("%s has %s=, which Podman %s does not know", f.Name, l.Key, v)
			}
		}
	}
}
