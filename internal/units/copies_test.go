package units

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"keeper/internal/core"
)

// quadlets is a directory of Quadlet files, and one of copies.
type quadlets struct {
	t      *testing.T
	dir    string
	copies Copies
}

func newQuadlets(t *testing.T) quadlets {
	t.Helper()
	return quadlets{t: t, dir: t.TempDir(), copies: Copies{Dir: filepath.Join(t.TempDir(), "quadlets")}}
}

func (q quadlets) source(name string) string { return filepath.Join(q.dir, name) }

func (q quadlets) write(name, content string) {
	q.t.Helper()
	if err := os.WriteFile(q.source(name), []byte(content), 0o600); err != nil {
		q.t.Fatal(err)
	}
}

func (q quadlets) remove(name string) {
	q.t.Helper()
	if err := os.Remove(q.source(name)); err != nil {
		q.t.Fatal(err)
	}
}

func (q quadlets) unit(name, active string) core.Unit {
	return core.Unit{Name: name + ".service", Kind: "container", Active: active, Source: q.source(name + ".container")}
}

// keep looks at the units, and returns the names of the files that are lost.
func (q quadlets) keep(units ...core.Unit) []string {
	q.t.Helper()
	lost, err := q.copies.Keep(units)
	if err != nil {
		q.t.Fatal(err)
	}
	again, err := q.copies.Lost()
	if err != nil || !slices.Equal(again, lost) {
		q.t.Errorf("Keep says %v, Lost says %v, %v", lost, again, err)
	}
	var names []string
	for _, f := range lost {
		names = append(names, filepath.Base(f.Source))
	}
	return names
}

func TestCopies(t *testing.T) {
	t.Parallel()
	q := newQuadlets(t)
	if lost := q.keep(); lost != nil {
		t.Errorf("lost of nothing: %v", lost)
	}
	q.write("db.container", "[Container]\nImage=first\n")
	q.write("web.container", "[Container]\nImage=web\n")
	if lost := q.keep(q.unit("db", "active"), q.unit("web", "active")); lost != nil {
		t.Errorf("lost: %v", lost)
	}
	// A change that the user manager has read.
	q.write("db.container", "[Container]\nImage=second\n")
	q.keep(q.unit("db", "active"), q.unit("web", "active"))
	q.remove("db.container")
	q.write("web.container", "")
	lost, err := q.copies.Keep([]core.Unit{q.unit("db", "active"), q.unit("web", "active")})
	if err != nil || len(lost) != 2 {
		t.Fatalf("got %v, %v; want both", lost, err)
	}
	for i, want := range []struct{ name, content string }{{"db.container", "second"}, {"web.container", "web"}} {
		data, err := os.ReadFile(lost[i].Copy)
		if err != nil || lost[i].Source != q.source(want.name) || !strings.Contains(string(data), want.content) {
			t.Errorf("%s: the copy holds %q, %v", want.name, data, err)
		}
		if fi, err := os.Stat(lost[i].Copy); err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("%s: the copy can be read by others: %v", want.name, err)
		}
	}
	// After a reload their units are gone; the files are lost all the same.
	if lost := q.keep(); len(lost) != 2 {
		t.Errorf("without units: %v", lost)
	}
	// A person puts one back.
	q.write("db.container", "[Container]\nImage=third\n")
	if lost := q.keep(q.unit("db", "active")); !slices.Equal(lost, []string{"web.container"}) {
		t.Errorf("one is back: lost %v", lost)
	}
}

func TestCopiesOfWhat(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(u *core.Unit)
		lost   bool
	}{
		"it runs":                          {func(*core.Unit) {}, true},
		"it fails":                         {func(u *core.Unit) { u.Active = "failed" }, false},
		"it starts":                        {func(u *core.Unit) { u.Active = "activating" }, false},
		"a volume":                         {func(u *core.Unit) { u.Kind = "volume" }, false},
		"the manager has read another":     {func(u *core.Unit) { u.Stale = true }, false},
		"stopped: its file may go as well": {func(u *core.Unit) { u.Active = "inactive" }, false},
	} {
		q := newQuadlets(t)
		q.write("db.container", "[Container]\n")
		u := q.unit("db", "active")
		tt.change(&u)
		q.keep(u)
		q.remove("db.container")
		if got := len(q.keep()) == 1; got != tt.lost {
			t.Errorf("%s: lost %v, want %v", name, got, tt.lost)
		}
	}
	// It ran, was stopped, and then its file was removed: that is on purpose. One
	// that fails is not.
	for active, want := range map[string]bool{"inactive": false, "failed": true} {
		q := newQuadlets(t)
		q.write("db.container", "[Container]\n")
		q.keep(q.unit("db", "active"))
		q.keep(q.unit("db", active))
		q.remove("db.container")
		if got := len(q.keep()) == 1; got != want {
			t.Errorf("after it was %s: lost %v, want %v", active, got, want)
		}
	}
}

// Whatever is in the directories, nothing is made up and nothing else is touched.
func TestCopiesOfHostileNames(t *testing.T) {
	t.Parallel()
	q := newQuadlets(t)
	for _, name := range []string{"a b.container", "per%cent.container", "new\nline.container", "...container", "'; rm -rf ~'.container"} {
		q.write(name, "[Container]\n")
		base := strings.TrimSuffix(name, ".container")
		q.keep(q.unit(base, "active"))
		q.remove(name)
	}
	if lost := q.keep(); len(lost) != 5 {
		t.Errorf("lost %q", lost)
	}
	// What is no copy of keeper's.
	for _, name := range []string{"README", "%zz", "relative.container", ".tmp-1234", "..%2F..%2Fetc"} {
		if err := os.WriteFile(filepath.Join(q.copies.Dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if lost := q.keep(); len(lost) != 5 {
		t.Errorf("lost %q", lost)
	}
	// No file, and one that cannot be a Quadlet file.
	if err := os.Mkdir(q.source("dir.container"), 0o700); err != nil {
		t.Fatal(err)
	}
	q.write("huge.container", strings.Repeat("#", sourceMost+1))
	q.keep(q.unit("dir", "active"), q.unit("huge", "active"), core.Unit{Name: "none.service", Kind: "container", Active: "active"})
	q.remove("huge.container")
	if lost := q.keep(); slices.Contains(lost, "huge.container") || slices.Contains(lost, "dir.container") {
		t.Errorf("lost %q", lost)
	}
}

// What cannot be kept is said, and does not keep the others from it.
func TestCopiesThatCannotBeKept(t *testing.T) {
	t.Parallel()
	q := newQuadlets(t)
	long := strings.Repeat("x", 200)
	q.write(long+".container", "[Container]\n")
	q.write("db.container", "[Container]\n")
	deep := q.unit(long, "active")
	deep.Source = q.dir + strings.Repeat("/.", 100) + "/" + long + ".container" // too long for the name of a file
	_, err := q.copies.Keep([]core.Unit{deep, q.unit("db", "active")})
	if err == nil || !strings.Contains(err.Error(), "cannot keep a copy of ") {
		t.Errorf("got %v", err)
	}
	q.remove("db.container")
	if lost, _ := q.copies.Lost(); len(lost) != 1 {
		t.Errorf("lost %v, want db alone", lost)
	}
	if err := os.RemoveAll(q.copies.Dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(q.copies.Dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := q.copies.Lost(); err == nil {
		t.Error("a file in the way of the directory: no error")
	}
}
