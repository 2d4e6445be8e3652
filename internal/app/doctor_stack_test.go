package app

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"keeper/internal/config"
	"keeper/internal/core"
)

func TestReadFiles(t *testing.T) {
	t.Parallel()
	// The test's own directory is not open to others, and is made so here.
	dir := t.TempDir()
	open := filepath.Join(dir, "open")
	for file, text := range map[string]string{
		"db.container":  "[Container]\nEnvironment=POSTGRES_PASSWORD=hunter2 POSTGRES_DB=x URL=postgres://a:hunter3@db/x\nVolume=/data\nVolume=/known\nPublishPort=5432:5432\nEnvironmentFile=shut.env\nEnvironmentFile=open.env\n",
		"web.container": "[Container]\nServiceName=a\x1bb\nPublishPort=80:80\n",
		"x.volume":      "[Volume]\n",
		"shut.env":      "API_TOKEN=hunter4\n",
		"open.env":      "API_TOKEN=hunter5\nNAME=x\n",
	} {
		file = filepath.Join(open, file)
		if err := os.MkdirAll(open, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// Whether others get there hangs from /tmp, too; below a home they mostly do not.
	others := readableTo(t, filepath.Join(open, "open.env"))
	s := core.StackFacts{Anonymous: []core.AnonymousVolume{{Unit: "db.service", Container: "db", Target: "/known", Volume: "f00"}}}
	readFiles(&s, config.FindQuadlets(open))
	if want := []core.AnonymousVolume{{Unit: "db.service", Container: "db", Target: "/known", Volume: "f00"}, {Unit: "db.service", Target: "/data"}}; !slices.Equal(s.Anonymous, want) {
		t.Errorf("got %+v, want %+v", s.Anonymous, want)
	}
	if len(s.Ports) != 2 || s.Ports[0].First != 5432 || s.Ports[1].Unit != "a b.service" {
		t.Errorf("got %+v", s.Ports)
	}
	want := []core.ExposedSecret{{Unit: "db.service", File: filepath.Join(open, "db.container"), Keys: []string{"POSTGRES_PASSWORD", "URL"}}}
	if others {
		want = append(want, core.ExposedSecret{Unit: "db.service", File: filepath.Join(open, "open.env"), Keys: []string{"API_TOKEN"}, Apart: true, Readable: true})
	}
	if !reflect.DeepEqual(s.Exposed, want) {
		t.Errorf("got %+v, want %+v", s.Exposed, want)
	}
	for _, f := range core.Diagnose(core.Health{Stack: s}) {
		if strings.Contains(f.What+f.Means+f.Fix, "hunter") {
			t.Errorf("a password: %+v", f)
		}
	}
}

// readableTo opens the file, and what the test made of the way to it, and says whether
// everybody gets there now.
func readableTo(t *testing.T, file string) bool {
	t.Helper()
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	temp := filepath.Clean(os.TempDir())
	for dir := filepath.Dir(file); dir != temp && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return readable(file)
}

func TestReadable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, link := filepath.Join(dir, "shut", "file"), filepath.Join(dir, "link")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	if !readableTo(t, file) {
		t.Skip("the directory for temporary files is not open to others")
	}
	if !readable(link) {
		t.Error("a link to it is not")
	}
	if foreign(file) || !foreign("/proc/1/stat") && os.Getuid() != 0 {
		t.Error("whose a file is")
	}
	if readable(filepath.Join(dir, "none")) {
		t.Error("what is not there is readable")
	}
	for path, mode := range map[string]os.FileMode{file: 0o640, filepath.Dir(file): 0o750} {
		fi, err := os.Stat(path)
		if err == nil {
			err = os.Chmod(path, mode)
		}
		if err != nil {
			t.Fatal(err)
		}
		if readable(file) || readable(link) {
			t.Errorf("readable with %s at %o", path, mode)
		}
		if err := os.Chmod(path, fi.Mode()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAdopterFiles(t *testing.T) {
	t.Parallel()
	a := says(t, `[ "$*" = "adopt --check --json" ] || exit 9
cat <<'X'
{"version":1,"dropins":true,"files":[{"file":"/q/a.container","service":"a.service","loaded":false,"why":"a\u001b[2Jb","try":"x","reload":true}]}
X
exit 3`)
	list, dropins, wrong := a.Files(t.Context())
	if want := []core.QuadletFile{{File: "/q/a.container", Unit: "a.service", Why: "a [2Jb", Try: "x", Reload: true}}; wrong != "" || !dropins || !slices.Equal(list, want) {
		t.Errorf("got %+v, %v, %q", list, dropins, wrong)
	}
	if list, _, wrong := says(t, "echo no >&2; exit 1").Files(t.Context()); list != nil || !strings.HasSuffix(wrong, ": no") {
		t.Errorf("got %+v, %q", list, wrong)
	}
}

func TestAdopterCompares(t *testing.T) {
	t.Parallel()
	a := says(t, `cat <<'X'
{"version":1,"anonymous":[{"unit":"db.service","container":"d\u0007b","target":"/data","volume":"f00"}],"policies":[{"container":"x","policy":"always","running":true}]}
X`)
	seen, got := a.compare(t.Context())
	if seen.Err != "" || !slices.Equal(got.Anonymous, []core.AnonymousVolume{{Unit: "db.service", Container: "d b", Target: "/data", Volume: "f00"}}) ||
		!slices.Equal(got.Policies, []core.RestartPolicy{{Container: "x", Policy: "always", Running: true}}) {
		t.Errorf("got %+v, %+v", seen, got)
	}
}
