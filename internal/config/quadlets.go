package config

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"keeper/internal/core"
)

// Extensions are those of the Quadlet files that a service comes of; of volumes,
// networks and images there is nothing to watch over.
var Extensions = []string{".container", ".pod", ".kube"}

// otherExtensions are those of the other Quadlet files.
var otherExtensions = []string{".volume", ".network", ".image", ".build"}

// mostDirs bounds how many directories are searched for Quadlet files.
const mostDirs = 1000

// Quadlets are the Quadlet files of an account.
type Quadlets struct {
	// Files are those that a service comes of. Of several with one name, it is the
	// first that was found, as for Podman.
	Files []string
	// Others are those that something else comes of: a volume, a network, an image.
	Others []string
	// Links are those of both that are symbolic links.
	Links []string
	// Dirs are the directories that were searched, Unread those that could not be.
	Dirs, Unread []string
	// dropins has the directories of drop-ins by their name, in the order in which
	// they were found.
	dropins map[string][]string
	seen    map[string]bool
}

// FindQuadlets searches the directories as Podman's user generator does
// (podman-systemd.unit(5), and pkg/systemd/quadlet/unitdirs.go): in their order,
// and through what is below them.
func FindQuadlets(roots ...string) Quadlets {
	q := Quadlets{dropins: map[string][]string{}, seen: map[string]bool{}}
	named := map[string]bool{}
	for _, root := range roots {
		q.search(root, filepath.Base(root) == "users", named)
	}
	return q
}

// search reads one directory and then those below it. Below users/, the
// directories named by a number are other accounts'.
func (q *Quadlets) search(dir string, users bool, named map[string]bool) {
	at, err := filepath.EvalSymlinks(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && q.seen[at]:
		return
	case err != nil || len(q.seen) >= mostDirs:
		q.Unread = append(q.Unread, dir)
		return
	}
	dir = at
	q.seen[dir] = true
	q.Dirs = append(q.Dirs, dir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		q.Unread = append(q.Unread, dir)
		return
	}
	var below []string
	for _, e := range entries {
		name, path := e.Name(), filepath.Join(dir, e.Name())
		switch {
		case strings.HasSuffix(name, ".d"):
			q.dropins[name] = append(q.dropins[name], path)
		case e.IsDir() || e.Type()&os.ModeSymlink != 0 && isDir(path):
			if !users || strings.Trim(name, "0123456789") != "" {
				below = append(below, path)
			}
		case named[name]:
		case slices.Contains(Extensions, filepath.Ext(name)):
			q.add(&q.Files, path, e, named)
		case slices.Contains(otherExtensions, filepath.Ext(name)):
			q.add(&q.Others, path, e, named)
		}
	}
	for _, path := range below {
		q.search(path, false, named)
	}
}

func (q *Quadlets) add(to *[]string, path string, e fs.DirEntry, named map[string]bool) {
	named[e.Name()] = true
	*to = append(*to, path)
	if e.Type()&os.ModeSymlink != 0 {
		q.Links = append(q.Links, path)
	}
}

func isDir(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.IsDir()
}

// UnitFiles returns a Quadlet file and its drop-ins, in the order in which they
// count.
func (q Quadlets) UnitFiles(source string) []string {
	conf := map[string]string{}
	for _, name := range dropinNames(filepath.Base(source)) {
		for _, dir := range q.dropins[name] {
			entries, err := os.ReadDir(dir)
			if err != nil {
				continue
			}
			for _, e := range entries {
				if _, seen := conf[e.Name()]; !seen && filepath.Ext(e.Name()) == ".conf" {
					conf[e.Name()] = filepath.Join(dir, e.Name())
				}
			}
		}
	}
	files := []string{source}
	for _, name := range slices.Sorted(maps.Keys(conf)) {
		files = append(files, conf[name])
	}
	return files
}

// dropinNames are the names of the directories with drop-ins of a Quadlet file,
// the nearest first (GetUnitDropinPaths of pkg/systemd/parser): of foo-a@b.container
// they are foo-a@b.container.d, foo-a@.container.d, foo-@.container.d,
// foo-.container.d and container.d.
func dropinNames(file string) []string {
	ext := filepath.Ext(file)
	base, instance, template := strings.Cut(strings.TrimSuffix(file, ext), "@")
	list := []string{file + ".d"}
	if instance != "" {
		list = append(list, base+"@"+ext+".d")
	}
	for i := strings.LastIndexByte(base, '-'); i >= 0; i = strings.LastIndexByte(base[:i], '-') {
		if template {
			list = append(list, base[:i+1]+"@"+ext+".d")
		}
		list = append(list, base[:i+1]+ext+".d")
	}
	return append(list, strings.TrimPrefix(ext, ".")+".d")
}

// Unit is a service as its Quadlet file has it.
type Unit struct {
	// Name is that of the service, with .service.
	Name   string
	Source string
	// Section is what [X-Keeper] says, if Mistakes are none.
	Section  core.Supervision
	Mistakes Mistakes
}

// Units reads all there are.
func (q Quadlets) Units() []Unit {
	list := make([]Unit, 0, len(q.Files))
	for _, source := range q.Files {
		files := q.UnitFiles(source)
		u := Unit{Name: serviceOf(files), Source: source}
		u.Section, u.Mistakes = ReadUnit(files...)
		list = append(list, u)
	}
	slices.SortStableFunc(list, func(a, b Unit) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// unitOf is the service of a Quadlet file that says nothing else.
func unitOf(file string) string {
	base := strings.TrimSuffix(file, filepath.Ext(file))
	if strings.HasSuffix(file, ".pod") {
		base += "-pod"
	}
	return base + ".service"
}

// serviceOf is the service of a Quadlet file with its drop-ins: ServiceName= may
// say another name.
func serviceOf(files []string) string {
	name := unitOf(filepath.Base(files[0]))
	group := map[string]string{".container": "Container", ".pod": "Pod", ".kube": "Kube"}[filepath.Ext(files[0])]
	for _, file := range files {
		data, _, err := loadUnit(file)
		if err != nil {
			continue
		}
		for _, l := range unitLines(string(data)) {
			if l.section == group && l.key == "ServiceName" && l.value != "" {
				name = l.value + ".service"
			}
		}
	}
	return name
}
