// Package compile has the library of Podman's own generator read unit files
// (pkg/systemd/quadlet), as podman-system-generator(8) does on the host. It needs
// neither Podman nor its bindings.
package compile

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containers/podman/v5/pkg/systemd/parser"
	"github.com/containers/podman/v5/pkg/systemd/quadlet"
)

// File is a Quadlet file, or a drop-in of one (NAME.container.d/50-x.conf).
type File struct{ Name, Content string }

// Unit is what the generator makes of a file.
type Unit struct {
	// File is the name of the Quadlet file, Service that of the unit.
	File, Service string
	// Text is the whole unit, ExecStart the command line that starts it, as the
	// generator writes it: systemd has not expanded it yet.
	Text, ExecStart string
	// ExecStartPre is that of a pod.
	ExecStartPre string
}

// Problem is why a file makes no unit, or one that is not what it says.
type Problem struct {
	File string
	// Warning says that there is a unit all the same.
	Warning bool
	Text    string
}

// Compile reads the files of a directory together: they refer to one another.
func Compile(files []File) (units []Unit, problems []Problem) {
	parsed, problems := parse(files)
	info := infos(parsed)
	for _, u := range parsed {
		unit, warnings, err := convert(u, info)
		if warnings != nil {
			problems = append(problems, Problem{u.Filename, true, warnings.Error()})
		}
		if err != nil {
			problems = append(problems, Problem{File: u.Filename, Text: err.Error()})
			continue
		}
		out := Unit{File: u.Filename, Service: unit.Filename}
		if out.Text, err = unit.ToString(); err != nil {
			problems = append(problems, Problem{File: u.Filename, Text: err.Error()})
			continue
		}
		out.ExecStart, _ = unit.LookupLast(quadlet.ServiceGroup, "ExecStart")
		out.ExecStartPre, _ = unit.LookupLast(quadlet.ServiceGroup, "ExecStartPre")
		units = append(units, out)
	}
	slices.SortFunc(units, func(a, b Unit) int { return cmp.Compare(a.File, b.File) })
	slices.SortStableFunc(problems, func(a, b Problem) int { return cmp.Compare(a.File, b.File) })
	return units, problems
}

// parse reads the files, puts the drop-ins into what they belong to, and sorts
// them so that what others refer to comes first.
func parse(files []File) ([]*parser.UnitFile, []Problem) {
	var list []*parser.UnitFile
	var problems []Problem
	byName := map[string]*parser.UnitFile{}
	sorted := slices.SortedFunc(slices.Values(files), func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	for _, f := range sorted {
		if strings.Contains(f.Name, "/") {
			continue
		}
		u := parser.NewUnitFile()
		u.Filename = f.Name
		if _, ok := quadlet.SupportedExtensions[filepath.Ext(f.Name)]; !ok {
			problems = append(problems, Problem{File: f.Name, Text: "no kind of Quadlet file ends like this"})
			continue
		}
		if err := u.Parse(f.Content); err != nil {
			problems = append(problems, Problem{File: f.Name, Text: err.Error()})
			continue
		}
		byName[f.Name] = u
		list = append(list, u)
	}
	for _, f := range sorted {
		dir, _, ok := strings.Cut(f.Name, "/")
		u := byName[strings.TrimSuffix(dir, ".d")]
		if !ok || u == nil || !strings.HasSuffix(f.Name, ".conf") {
			continue
		}
		d := parser.NewUnitFile()
		if err := d.Parse(f.Content); err != nil {
			problems = append(problems, Problem{File: f.Name, Text: err.Error()})
			continue
		}
		u.Merge(d)
	}
	slices.SortStableFunc(list, func(a, b *parser.UnitFile) int {
		return cmp.Compare(quadlet.SupportedExtensions[filepath.Ext(a.Filename)], quadlet.SupportedExtensions[filepath.Ext(b.Filename)])
	})
	return list, problems
}

// infos names what each file makes, for those that refer to it.
func infos(list []*parser.UnitFile) map[string]*quadlet.UnitInfo {
	info := map[string]*quadlet.UnitInfo{}
	for _, u := range list {
		i := &quadlet.UnitInfo{}
		i.ServiceName, _ = quadlet.GetUnitServiceName(u) // a bad one is an error of the conversion
		switch filepath.Ext(u.Filename) {
		case ".container":
			i.ResourceName = quadlet.GetContainerResourceName(u)
		case ".build":
			i.ResourceName = quadlet.GetBuiltImageName(u)
		case ".artifact":
			i.ServiceName = quadlet.GetArtifactServiceName(u)
		case ".pod":
			i.ContainersToStart, i.ResourceName = []string{}, quadlet.GetPodResourceName(u)
		}
		info[u.Filename] = i
	}
	return info
}

// convert makes the unit of one file, for an account.
func convert(u *parser.UnitFile, info map[string]*quadlet.UnitInfo) (unit *parser.UnitFile, warnings, err error) {
	defer func() {
		// The library is made for a program that may die of a bad file.
		if r := recover(); r != nil {
			unit, err = nil, fmt.Errorf("the generator breaks down at it: %v", r)
		}
	}()
	switch filepath.Ext(u.Filename) {
	case ".container":
		return quadlet.ConvertContainer(u, info, true)
	case ".volume":
		return quadlet.ConvertVolume(u, info, true)
	case ".network":
		return quadlet.ConvertNetwork(u, info, true)
	case ".pod":
		return quadlet.ConvertPod(u, info, true)
	case ".build":
		return quadlet.ConvertBuild(u, info, true)
	case ".kube":
		unit, err = quadlet.ConvertKube(u, info, true)
	case ".image":
		unit, err = quadlet.ConvertImage(u, info, true)
	case ".artifact":
		unit, err = quadlet.ConvertArtifact(u, info, true)
	default:
		err = errors.New("no kind of Quadlet file ends like this")
	}
	return unit, nil, err
}
