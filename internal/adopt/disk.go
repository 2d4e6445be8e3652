package adopt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"keeper/internal/podman/compile"
	"keeper/internal/quadlet"
)

// kinds are the endings of Quadlet files.
var kinds = []string{".container", ".pod", ".kube", ".network", ".volume", ".build", ".image", ".artifact"}

// onDisk is a Quadlet file that is there already, or a drop-in of one.
type onDisk struct {
	// Path is where it is, Name what the generator calls it: postgres.container,
	// or postgres.container.d/50-x.conf.
	Path, Name string
	Content    string
	Origin     quadlet.Origin
}

// disk is what there is in the directories that the generator reads.
type disk struct {
	files []onDisk
	// hidden are those that another file of the same name goes before.
	hidden []onDisk
}

// The bounds of what is read: far above what anybody has.
const (
	mostFile  = 1 << 20
	mostFiles = 10_000
)

// readDisk reads the directories. Of files of the same name the first counts, as
// it does for the generator. One that cannot be read is a problem of its own.
func readDisk(dirs []string) (disk, []compile.Problem) {
	var d disk
	var problems []compile.Problem
	seen := map[string]bool{}
	for _, dir := range dirs {
		paths, more := quadletFiles(dir)
		problems = append(problems, more...)
		for _, path := range paths {
			name, _ := quadletName(path)
			if seen[name] {
				if first, is := d.file(name); is && !strings.Contains(name, "/") && !sameFile(first.Path, path) {
					d.hidden = append(d.hidden, onDisk{Path: path, Name: name})
				}
				continue
			}
			content, err := readSmall(path)
			if err != nil {
				seen[name] = isNull(path)
				problems = append(problems, compile.Problem{File: path, Text: err.Error()})
				continue
			}
			seen[name] = true
			d.files = append(d.files, onDisk{Path: path, Name: name, Content: content, Origin: quadlet.ReadOrigin(content)})
		}
	}
	return d, problems
}

// quadletFiles returns the Quadlet files and drop-ins below the directory: those of one
// directory before those of the directories in it, as the generator takes them.
func quadletFiles(root string) (paths []string, problems []compile.Problem) {
	var order []string
	in, count := map[string][]string{}, 0
	// With a slash behind it, a directory that is a link is walked, too.
	err := filepath.WalkDir(root+"/", func(path string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			problems = append(problems, compile.Problem{File: path, Text: err.Error()})
			return nil
		case e.IsDir() && path != root+"/" && strings.HasPrefix(e.Name(), "."):
			return fs.SkipDir
		case e.IsDir():
			order = append(order, filepath.Clean(path))
			return nil
		}
		if _, ok := quadletName(path); !ok {
			return nil
		}
		if count == mostFiles {
			return fmt.Errorf("there are more than %d files in %s", mostFiles, root)
		}
		count++
		in[filepath.Dir(path)] = append(in[filepath.Dir(path)], path)
		return nil
	})
	if err != nil {
		problems = append(problems, compile.Problem{File: root, Text: err.Error()})
	}
	for _, dir := range order {
		paths = append(paths, in[dir]...)
	}
	return paths, problems
}

// isNull says that it is a link to /dev/null, by which somebody says that there is to be
// no such unit.
func isNull(path string) bool {
	to, err := filepath.EvalSymlinks(path)
	return err == nil && to == os.DevNull
}

// quadletName returns what the generator calls a file, if it reads it at all.
func quadletName(path string) (string, bool) {
	base := filepath.Base(path)
	if strings.HasPrefix(base, ".") {
		return "", false
	}
	parent := filepath.Base(filepath.Dir(path))
	if strings.HasSuffix(base, ".conf") && strings.HasSuffix(parent, ".d") && slices.Contains(kinds, filepath.Ext(strings.TrimSuffix(parent, ".d"))) {
		return parent + "/" + base, true
	}
	return base, slices.Contains(kinds, filepath.Ext(base))
}

// readSmall reads a regular file of a bounded size.
func readSmall(path string) (string, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !fi.Mode().IsRegular() {
		return "", fmt.Errorf("%s is no regular file", path)
	}
	if fi.Size() > mostFile {
		return "", fmt.Errorf("%s is larger than %d KiB, and so no unit file", path, mostFile>>10)
	}
	data, err := os.ReadFile(path)
	return string(data), err
}

// file returns the file of that name.
func (d disk) file(name string) (onDisk, bool) {
	for _, f := range d.files {
		if f.Name == name {
			return f, true
		}
	}
	return onDisk{}, false
}

// nameKeys are the keys that name what a file makes.
var nameKeys = map[string][2]string{
	"container": {"Container", "ContainerName"}, "pod": {"Pod", "PodName"},
	"volume": {"Volume", "VolumeName"}, "network": {"Network", "NetworkName"},
}

// makes returns the name of the container, volume, … that a file makes.
func makes(f onDisk) string {
	base, kind, _ := strings.Cut(f.Name, ".")
	if i := strings.LastIndexByte(f.Name, '.'); i >= 0 {
		base, kind = f.Name[:i], f.Name[i+1:]
	}
	key, ok := nameKeys[kind]
	if !ok {
		return ""
	}
	lines, err := quadlet.Parse(f.Content)
	if err != nil {
		return ""
	}
	name := "systemd-" + base
	for _, l := range lines {
		if l.Section == key[0] && l.Key == key[1] && l.Value != "" {
			name = strings.ReplaceAll(strings.Trim(l.Value, `"`), "%%", "%")
		}
	}
	return name
}

// unitOf returns the base name of the file of that kind that makes the thing.
func (d disk) unitOf(kind, thing string) (string, bool) {
	for _, f := range d.files {
		if base, ok := strings.CutSuffix(f.Name, "."+kind); ok && makes(f) == thing {
			return base, true
		}
	}
	return "", false
}

// with returns the files for the compiler, the given ones in place of those that
// are there.
func (d disk) with(files []quadlet.File) []compile.File {
	var list []compile.File
	for _, f := range files {
		list = append(list, compile.File{Name: f.Name, Content: f.Content})
	}
	for _, f := range d.files {
		if !slices.ContainsFunc(files, func(n quadlet.File) bool { return n.Name == f.Name }) {
			list = append(list, compile.File{Name: f.Name, Content: f.Content})
		}
	}
	return list
}
