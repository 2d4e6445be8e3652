package app

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"keeper/internal/config"
	"keeper/internal/core"
	"keeper/internal/logind"
	"keeper/internal/paths"
	"keeper/internal/quadlet"
	"keeper/internal/units"
)

// examineStack looks at what the services' files and units say. Of h it goes by the units
// and the containers, which were looked at before. What cannot be asked is told by those
// findings that are about it, or said in StackFacts.
func examineStack(ctx context.Context, p paths.Paths, h core.Health) core.StackFacts {
	s := h.Stack
	s.Quadlets = p.Quadlets[1]
	s.UserUnits = filepath.Join(filepath.Dir(filepath.Dir(s.Quadlets)), "systemd", "user")
	if c, err := logind.Dial(ctx, ""); err == nil {
		// Where it cannot be had, nothing is held against it.
		s.ManagerStop, _ = c.StopLimit(ctx, uint32(h.UID))
		c.Close()
	}
	if c, err := units.Dial(ctx, p.Runtime); err == nil {
		s.RestartUnit, _ = c.EnabledFile(ctx, "podman-restart.service")
		c.Close()
	}
	readFiles(&s, config.FindQuadlets(p.Quadlets[:]...))
	return s
}

// examineFiles has keeper-adopt say of each Quadlet file what became of it, as Podman's own
// generator has it.
func examineFiles(ctx context.Context, p paths.Paths, a adopter, h *core.Health) {
	if _, err := os.Lstat(filepath.Join(p.Runtime, "systemd", "private")); err != nil {
		return // there is nothing to be loaded in
	}
	ctx, cancel := context.WithTimeout(ctx, core.DriftLimit)
	defer cancel()
	h.Stack.Files, h.Stack.Dropins, h.Stack.FilesErr = a.Files(ctx)
}

// Files says of each Quadlet file what became of it, and whether Quadlet reads drop-ins.
func (a adopter) Files(ctx context.Context) (list []core.QuadletFile, dropins bool, wrong string) {
	var answer struct {
		Version int                `json:"version"`
		Files   []core.QuadletFile `json:"files"`
		Dropins bool               `json:"dropins"`
	}
	if err := a.ask(ctx, &answer, &answer.Version, "adopt", "--check", "--json"); err != nil {
		return nil, false, err.Error()
	}
	list = answer.Files[:min(len(answer.Files), maxDrift)]
	for i := range list {
		f := &list[i]
		f.File, f.Unit, f.Why, f.Try = line(f.File), line(f.Unit), line(f.Why), line(f.Try)
	}
	return list, answer.Dropins, ""
}

// readFiles takes from the Quadlet files what systemd does not tell.
func readFiles(s *core.StackFacts, q config.Quadlets) {
	home, _ := os.UserHomeDir()
	for _, source := range q.Files {
		said := q.Said(source, home)
		said.Unit = line(said.Unit)
		for _, port := range said.Ports {
			port.Unit = said.Unit
			s.Ports = append(s.Ports, port)
		}
		for _, target := range said.Bare {
			// What runs is known with its volume's name.
			if !slices.ContainsFunc(s.Anonymous, func(v core.AnonymousVolume) bool { return v.Unit == said.Unit && v.Target == target }) {
				s.Anonymous = append(s.Anonymous, core.AnonymousVolume{Unit: said.Unit, Target: target})
			}
		}
		s.Exposed = append(s.Exposed, exposed(said.Unit, said.Variables, false)...)
		for _, file := range said.EnvFiles {
			// One that is the account's alone is where a password may be.
			if readable(file) {
				s.Exposed = append(s.Exposed, exposed(said.Unit, config.EnvVariables(file), true)...)
			}
		}
	}
}

// exposed are the variables that seem to hold passwords, by the file that they stand in.
// What they hold stays here.
func exposed(unit string, list []config.Variable, apart bool) []core.ExposedSecret {
	keys := map[string][]string{}
	for _, v := range list {
		if quadlet.LooksSecret(v.Name, v.Value) && !slices.Contains(keys[v.File], line(v.Name)) {
			keys[v.File] = append(keys[v.File], line(v.Name))
		}
	}
	var found []core.ExposedSecret
	for _, file := range slices.Sorted(maps.Keys(keys)) {
		found = append(found, core.ExposedSecret{Unit: unit, File: file, Keys: keys[file], Apart: apart, Readable: readable(file), Foreign: foreign(file)})
	}
	return found
}

// foreign says whether the file belongs to another account, root for example.
func foreign(file string) bool {
	var st unix.Stat_t
	return unix.Stat(file, &st) == nil && int(st.Uid) != os.Getuid()
}

// readable says whether every account can read the file: it and all directories on the
// way to it are open to others.
func readable(file string) bool {
	file, err := filepath.EvalSymlinks(file)
	if err != nil {
		return false
	}
	fi, err := os.Stat(file)
	if err != nil || fi.Mode().Perm()&0o004 == 0 {
		return false
	}
	for dir := filepath.Dir(file); ; dir = filepath.Dir(dir) {
		if fi, err := os.Stat(dir); err != nil || fi.Mode().Perm()&0o001 == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}
