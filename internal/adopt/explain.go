package adopt

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"keeper/internal/podman/compile"
	"keeper/internal/quadlet"
)

// Explained is what became of a Quadlet file, in plain words.
type Explained struct {
	File    string `json:"file"`
	Service string `json:"service,omitempty"`
	// Loaded says that systemd has the unit, as the file stands now.
	Loaded bool `json:"loaded"`
	// Why says why not, or what is dubious; Try what to do.
	Why string `json:"why,omitempty"`
	Try string `json:"try,omitempty"`
	// Reload says that nothing is wrong but that systemd has not read the file yet.
	Reload bool `json:"reload,omitempty"`
}

const reload = "systemctl --user daemon-reload"

// Explain says of each Quadlet file on disk, or of those that are named, whether
// systemd has a unit of it, and why not. It needs no Podman service: version is
// that of the host, or zero where it is not known.
func (a *Adopter) Explain(ctx context.Context, names []string, version quadlet.Version) ([]Explained, error) {
	d, unreadable := readDisk(append([]string{a.Places.Quadlets}, a.Places.Others...))
	all := d.with(nil)
	compiled, problems := compile.Compile(all)
	var said dryRun
	if a.Places.Generator != "" {
		var err error
		if said, err = a.generator(ctx, all); err != nil {
			return nil, err
		}
	}
	var list []Explained
	for _, p := range unreadable {
		if !named(onDisk{Path: p.File, Name: filepath.Base(p.File)}, names) || isNull(p.File) {
			continue
		}
		list = append(list, Explained{File: p.File, Why: "it cannot be read: " + p.Text, Try: "ls -l " + p.File})
	}
	for _, f := range d.hidden {
		if first, ok := d.file(f.Name); ok && named(f, names) {
			list = append(list, Explained{File: f.Path, Service: quadlet.Service(f.Name),
				Why: "there is another file of that name, which goes before it: " + first.Path, Try: "give one of them another name"})
		}
	}
	for _, f := range d.files {
		if strings.Contains(f.Name, "/") || !named(f, names) {
			continue
		}
		e := Explained{File: f.Path, Service: quadlet.Service(f.Name)}
		for _, u := range compiled {
			if u.File == f.Name {
				e.Service = u.Service
			}
		}
		if err := a.explain(ctx, f, problems, said, version, &e); err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	if len(list) == 0 && len(names) > 0 {
		return nil, fmt.Errorf("there is no Quadlet file for %s in %s", strings.Join(names, ", "), a.Places.Quadlets)
	}
	return list, nil
}

func named(f onDisk, names []string) bool {
	base := strings.TrimSuffix(f.Name, filepath.Ext(f.Name))
	return len(names) == 0 || slices.ContainsFunc(names, func(n string) bool {
		return n == f.Name || n == base || n == f.Path || n == quadlet.Service(f.Name) || filepath.Base(n) == f.Name
	})
}

func (a *Adopter) explain(ctx context.Context, f onDisk, problems []compile.Problem, said dryRun, v quadlet.Version, e *Explained) error {
	l, err := a.Units.Loaded(ctx, e.Service)
	if err != nil {
		return err
	}
	e.Loaded = l.State == "loaded" && sameFile(l.Source, f.Path)
	// The host's generator has the last word; the library often says it better.
	complaint := ""
	for _, p := range problems {
		if p.File == f.Name && !p.Warning {
			complaint = p.Text
		}
	}
	if a.Places.Generator != "" {
		switch theirs := said.about(f.Name); {
		case said.made[e.Service]:
			complaint = ""
		case theirs != "":
			complaint = theirs
		case complaint == "":
			complaint = "this host's generator makes no unit of it, and does not say why"
			if since, known := kindSince[filepath.Ext(f.Name)]; known && v != (quadlet.Version{}) && v.Before(since) {
				e.Loaded = false
				e.Why, e.Try = fmt.Sprintf("files %s need Podman %s, and this host has %s, which passes over them", filepath.Ext(f.Name), since, v), "say it in another way, or upgrade Podman"
				return nil
			}
		}
	}
	switch {
	case complaint != "":
		e.Loaded = false
		e.Why, e.Try = plainly(complaint, f, v)
	case l.State == "loaded" && l.Source != "" && !sameFile(l.Source, f.Path):
		e.Why = fmt.Sprintf("%s is made of %s instead", e.Service, l.Source)
		e.Try = "give one of them another name"
	case l.State == "loaded" && l.Source == "":
		e.Why = fmt.Sprintf("%s is there already, as %s, which goes before what is generated", e.Service, l.Fragment)
		e.Try = "remove or rename " + l.Fragment
	case l.State == "masked":
		e.Why, e.Try = e.Service+" is masked", "systemctl --user unmask "+e.Service
	case l.State != "loaded":
		e.Why, e.Try, e.Reload = "systemd has not read it yet", reload, true
	case l.Stale:
		e.Why, e.Try, e.Reload = "it was changed since systemd read it", reload, true
	}
	return nil
}

// kindSince is since which Podman there are files of a kind (field facts; the release
// notes of each).
var kindSince = map[string]quadlet.Version{
	".image": {Major: 4, Minor: 8}, ".pod": {Major: 5}, ".build": {Major: 5, Minor: 2}, ".artifact": {Major: 5, Minor: 7},
}

// sameFile says whether two paths lead to one file: the generator names what a
// link leads to.
func sameFile(a, b string) bool {
	if a == b {
		return true
	}
	one, err1 := os.Stat(a)
	other, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(one, other)
}

var (
	unknownKey  = regexp.MustCompile(`unsupported key '([^']*)' in group '([^']*)'`)
	missingUnit = regexp.MustCompile(`requested Quadlet (?:unit|source|image|pod) '?([^' ]+)'? was not found|quadlet pod unit (\S+) does not exist`)
)

// plainly turns what a generator says into what a person can act on.
func plainly(complaint string, f onDisk, v quadlet.Version) (why, try string) {
	if m := unknownKey.FindStringSubmatch(complaint); m != nil {
		return unknown(m[1], strings.TrimPrefix(m[2], "X-"), f, v)
	}
	if m := missingUnit.FindStringSubmatch(complaint); m != nil {
		name := m[1] + m[2]
		return fmt.Sprintf("it refers to %s, and there is no such file", name), fmt.Sprintf("write %s, or name what is there without its ending", filepath.Join(filepath.Dir(f.Path), name))
	}
	switch {
	case strings.Contains(complaint, "no Image or Rootfs key specified"):
		return "it does not say which image: Image= is missing in [Container]", "add Image=NAME"
	case strings.Contains(complaint, "file contains line"), strings.Contains(complaint, "not a group"), strings.Contains(complaint, "parsing"):
		if _, err := quadlet.Parse(f.Content); err != nil {
			return "it is no unit file: " + err.Error(), "mend that line"
		}
	case strings.Contains(complaint, "invalid KillMode"):
		return "KillMode= may only be mixed or control-group for a container", "remove KillMode="
	case strings.Contains(complaint, "invalid service Type"):
		return "Type= may only be notify or oneshot for a container", "remove Type="
	case strings.Contains(complaint, "invalid port format"):
		return "a port is not of the form [[IP:]HOSTPORT:]PORT: " + complaint, "mend PublishPort= or ExposeHostPort="
	case strings.Contains(complaint, "source cannot be empty"):
		return "a Volume= begins with a colon: what is mounted is missing", "write Volume=WHAT:WHERE"
	}
	return complaint, "see podman-systemd.unit(5)"
}

// unknown explains a key that the generator does not take: a newer Podman's, or a
// misspelt one.
func unknown(key, section string, f onDisk, v quadlet.Version) (why, try string) {
	line := 0
	lines, _ := quadlet.Parse(f.Content)
	for _, l := range lines {
		if l.Key == key && l.Section == section {
			line = l.Number
		}
	}
	at := ""
	if line > 0 {
		at = fmt.Sprintf(", line %d", line)
	}
	if since, known := quadlet.KeySince(section, key); known && v != (quadlet.Version{}) && v.Before(since) {
		return fmt.Sprintf("%s= in [%s]%s needs Podman %s; this host has %s, and for one unknown key it drops the whole unit", key, section, at, since, v), "say it with PodmanArgs= instead"
	}
	why = fmt.Sprintf("[%s] has no key %s%s, and for one unknown key the whole unit is dropped", section, key, at)
	if near := nearest(key, quadlet.KnownKeys(section)); near != "" {
		return why, fmt.Sprintf("is it %s=?", near)
	}
	return why, "remove it, or see podman-systemd.unit(5)"
}

// nearest returns the word that is most like another, if one is like it at all.
func nearest(word string, words []string) string {
	best, distance := "", max(2, len(word)/3)+1
	for _, w := range words {
		if d := edits(strings.ToLower(word), strings.ToLower(w)); d < distance {
			best, distance = w, d
		}
	}
	return best
}

// edits is how many letters to change, add or leave out (Levenshtein).
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := before
			if a[i-1] != b[j-1] {
				cost++
			}
			before = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
