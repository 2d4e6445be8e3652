package config

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// Taken from what GetUnitDropinPaths of Podman 5.8 returns.
func TestDropinNames(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"a.container":           "a.container.d container.d",
		"foo-bar-baz.container": "foo-bar-baz.container.d foo-bar-.container.d foo-.container.d container.d",
		"foo-a@.container":      "foo-a@.container.d foo-@.container.d foo-.container.d container.d",
		"foo-a@b-c.container":   "foo-a@b-c.container.d foo-a@.container.d foo-@.container.d foo-.container.d container.d",
		"a.b.pod":               "a.b.pod.d pod.d",
	} {
		if got := strings.Join(dropinNames(file), " "); got != want {
			t.Errorf("%s: got %s, want %s", file, got, want)
		}
	}
}

func TestQuadlets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(names ...string) (list []string) {
		for _, name := range names {
			list = append(list, filepath.Join(dir, name))
		}
		return list
	}
	for _, name := range []string{
		"run/b.container", "home/a-x.container", "home/b.container", "home/stack/c.pod", "home/stack/d.volume", "home/note.txt", "home/a-x.container.d/e.container",
		"home/a-x.container.d/20.conf", "home/a-x.container.d/note", "home/stack/a-x.container.d/10.conf", "home/a-.container.d/20.conf", "home/a-.container.d/30.conf",
		"home/container.d/05.conf", "run/container.d/05.conf", "users/all.container", "users/1000/mine.container", "users/1001/theirs.container", "users/team/ours.container", "away/f.kube",
	} {
		place(t, filepath.Join(dir, name), "")
	}
	for at, to := range map[string]string{"home/link": "away", "home/stack/loop": "home", "home/dangling": "none"} {
		if err := os.Symlink(filepath.Join(dir, to), filepath.Join(dir, at)); err != nil {
			t.Fatal(err)
		}
	}
	q := FindQuadlets(in("run", "none", "home", "users", "users/1000")...)
	want := in("run/b.container", "home/a-x.container", "away/f.kube", "home/stack/c.pod", "users/all.container", "users/team/ours.container", "users/1000/mine.container")
	if !reflect.DeepEqual(q.Files, want) {
		t.Errorf("got  %q\nwant %q", q.Files, want)
	}
	// The nearest directory wins over the others, and the first over the later.
	if got, want := q.UnitFiles(in("home/a-x.container")[0]), in("home/a-x.container", "run/container.d/05.conf", "home/stack/a-x.container.d/10.conf", "home/a-x.container.d/20.conf", "home/a-.container.d/30.conf"); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := q.UnitFiles("/elsewhere/c.pod"); !slices.Equal(got, []string{"/elsewhere/c.pod"}) {
		t.Errorf("got %q", got)
	}
}

func TestUnits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	place(t, filepath.Join(dir, "web.container"), "[Container]\nServiceName=site\n[X-Keeper]\nPort=1\n")
	place(t, filepath.Join(dir, "db.container"), "[Pod]\nServiceName=no\n[X-Keeper]\nProt=1\n")
	place(t, filepath.Join(dir, "stack.pod"), "")
	got := FindQuadlets(dir).Units()
	var names []string
	for _, u := range got {
		names = append(names, u.Name)
	}
	if strings.Join(names, " ") != "db.service site.service stack-pod.service" || len(got[0].Mistakes) != 1 || got[1].Section.Port != 1 || got[2].Section.From != nil {
		t.Errorf("got %+v", got)
	}
}
