// Package compose reads Compose files (compose-spec.io) into quadlet's model:
// what a careful administrator would have written for them. It reads the files
// it is given and those that they name, and nothing else: no network, no
// Podman. Nothing in a file is dropped in silence: what is not in the model is
// in its notes, one a field.
package compose

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"

	"keeper/internal/quadlet"
)

// Options says what to read.
type Options struct {
	// Files are the Compose files, in their order: at least one.
	Files []string
	// Project is its name; empty for Compose's own rule: COMPOSE_PROJECT_NAME,
	// else name: in the file, else the directory.
	Project string
	// Profiles are the profiles that are on; none for COMPOSE_PROFILES.
	Profiles []string
	// Env are the variables that the files may use, as KEY=VALUE. Those of the
	// .env beside the first file are added, as Compose does.
	Env []string
}

// Project is what was read.
type Project struct {
	Name string
	// Files are all files that were read, absolute: whoever looks for changes
	// looks at these.
	Files []string
	// Stack is the model, with the notes.
	Stack quadlet.Stack
	// Services are those that are on, by name.
	Services []Service
	// Off are the services that their profile leaves out.
	Off []string

	env map[string]string
}

// Variable is the value of a variable that a secret is made of
// (quadlet.Secret.Variable): it may be set in the .env beside the first file
// and nowhere else.
func (p Project) Variable(name string) (string, bool) {
	value, ok := p.env[name]
	return value, ok
}

// Service is one service and what became of it.
type Service struct {
	Name, Unit, Container string
	Profiles              []string
	// Secrets are the names of the podman secrets that it uses.
	Secrets []string
}

// deadline is how long a whole project may take. A file that is within bounds
// takes milliseconds; a disk that is gone may take for ever.
const deadline = 20 * time.Second

// Load reads a project.
func Load(ctx context.Context, o Options) (Project, error) {
	if len(o.Files) == 0 {
		return Project{}, errors.New("cannot read a Compose project: no file is named; name one, as in: --compose compose.yaml")
	}
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	type answer struct {
		p   Project
		err error
	}
	done := make(chan answer, 1) // buffered: a reader that is stuck in the kernel is left behind
	go func() {
		p, err := read(ctx, o)
		done <- answer{p, err}
	}()
	select {
	case a := <-done:
		return a.p, a.err
	case <-ctx.Done():
		return Project{}, fmt.Errorf("cannot read the Compose file %s: %w; is its file system reachable?", o.Files[0], ctx.Err())
	}
}

func read(ctx context.Context, o Options) (p Project, err error) {
	s := newScanner()
	// compose-go has panicked on hostile files before: that is an error like
	// any other, not the end of keeper.
	defer func() {
		if r := recover(); r != nil {
			p, err = Project{}, s.explain(fmt.Errorf("the reader of Compose files cannot cope with it (%v)", r))
		}
	}()
	files := make([]string, len(o.Files))
	for i, f := range o.Files {
		if f == "-" {
			return Project{}, errors.New("cannot read a Compose file from standard input: keeper compares units with their file later on; write it to a file and name that")
		}
		if files[i], err = filepath.Abs(f); err != nil {
			return Project{}, fmt.Errorf("cannot read the Compose file %s: %w", f, err)
		}
	}
	dir := filepath.Dir(files[0])
	configs := make([]types.ConfigFile, len(files))
	for i, f := range files {
		data, err := s.read(f)
		if err != nil {
			return Project{}, err
		}
		configs[i] = types.ConfigFile{Filename: f, Content: data}
	}
	env, err := s.environment(o.Env, dir)
	if err != nil {
		return Project{}, err
	}
	for _, f := range files {
		if err := s.scan(f, dir, env, true, 0); err != nil {
			return Project{}, err
		}
	}
	if err := s.affordable(env); err != nil {
		return Project{}, err
	}
	name, explicit, err := s.projectName(o, env, dir)
	if err != nil {
		return Project{}, err
	}
	profiles := o.Profiles
	if len(profiles) == 0 {
		for _, word := range strings.Split(env["COMPOSE_PROFILES"], ",") {
			if word = strings.TrimSpace(word); word != "" {
				profiles = append(profiles, word)
			}
		}
	}
	unset := &unset{}
	options := []func(*loader.Options){func(l *loader.Options) {
		l.Profiles = profiles
		// Files of variables and labels are read here, with bounds.
		l.SkipResolveEnvironment = true
		l.SkipResolveLabels = true
		l.SetProjectName(name, explicit)
		l.Interpolate.Substitute = unset.substitute
	}}
	details := types.ConfigDetails{WorkingDir: dir, ConfigFiles: configs, Environment: env}
	dict, err := loader.LoadModelWithContext(ctx, details, options...)
	if err != nil {
		return Project{}, s.explain(err)
	}
	// Names are checked by now; binding must not guess them anew.
	if named, ok := dict["name"].(string); ok {
		name = named
	}
	fields := lostFields(dict)
	options = append(options, func(l *loader.Options) { l.SetProjectName(name, true) })
	project, err := loader.ModelToProject(dict, loader.ToOptions(&details, options), details)
	if err != nil {
		return Project{}, s.explain(s.offByProfile(err, profiles))
	}
	if len(project.Services) == 0 {
		return Project{}, s.nothingOn(project)
	}
	m := &mapper{scanner: s, project: project, dir: dir, path: files[0], profiles: profiles, env: env}
	p, err = m.run(fields, unset)
	if err != nil {
		return Project{}, err
	}
	p.Files, p.env = s.order, env
	return p, nil
}

// projectName is Compose's own rule. What name: in the files says is for
// compose-go to find: it overrides what is not explicit.
func (s *scanner) projectName(o Options, env map[string]string, dir string) (string, bool, error) {
	name, where := o.Project, "the name given for the project"
	if name == "" {
		name, where = env["COMPOSE_PROJECT_NAME"], "COMPOSE_PROJECT_NAME"
	}
	if name != "" {
		if loader.NormalizeProjectName(name) != name {
			return "", false, fmt.Errorf("cannot read the Compose file %s: %s, %q, must consist of lower-case letters, digits, - and _ and begin with a letter or digit", s.order[0], where, name)
		}
		return name, true, nil
	}
	name = loader.NormalizeProjectName(filepath.Base(dir))
	if name == "" {
		name = "default" // a directory whose name has no letter in it
	}
	return name, false, nil
}
