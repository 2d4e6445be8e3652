package adopt

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"keeper/internal/containers"
	"keeper/internal/core"
	"keeper/internal/podman"
	"keeper/internal/quadlet"
	"keeper/internal/units"
)

// fakeUnits is the user manager, in one life of the program.
type fakeUnits struct {
	w *world
	f *faults
}

// read makes units of the Quadlet files, as a reload does.
func (w *world) read() {
	for _, u := range w.units {
		u.there = false
	}
	d, _ := readDisk(append([]string{w.places().Quadlets}, w.places().Others...))
	for _, f := range d.files {
		base, ok := strings.CutSuffix(f.Name, ".container")
		if !ok || strings.Contains(f.Name, "/") {
			continue
		}
		name := base + ".service"
		u := w.units[name]
		if u == nil {
			u = &unit{Unit: core.Unit{Name: name, Kind: "container", Active: "inactive"}}
			w.units[name] = u
		}
		lines, err := quadlet.Parse(f.Content)
		if err != nil {
			continue
		}
		u.there, u.Source, u.container, u.requires, u.mounts, u.Mounts, u.Needs, u.OneShot = true, f.Path, makes(f), nil, nil, nil, nil, false
		for _, l := range lines {
			switch l.Key {
			case "Image":
				u.Image = l.Value
			case "Requires":
				u.requires = append(u.requires, l.Value)
				u.Needs = append(u.Needs, l.Value)
			case "Wants":
				u.Needs = append(u.Needs, l.Value)
			case "Type":
				u.OneShot = l.Value == "oneshot"
			case "Volume":
				source, target, _ := strings.Cut(l.Value, ":")
				target, _, _ = strings.Cut(target, ":")
				if v, ok := d.file(source); ok {
					source = makes(v)
				}
				if !strings.HasPrefix(source, "/") {
					u.mounts = append(u.mounts, mount{source, target})
					u.Mounts = append(u.Mounts, core.Mount{Source: source, Target: target})
				}
			}
		}
	}
}

// up starts a unit and what it requires.
func (w *world) up(name string) error {
	if l, ok := w.legacy[name]; ok {
		return w.legacyUp(l)
	}
	u := w.units[name]
	switch {
	case strings.HasSuffix(name, "-pod.service"):
		for id, state := range w.pods {
			if state == "running" {
				w.wrong("%s starts, and the old pod %s has its ports", name, id)
			}
		}
		w.podUnits[name] = true
		return nil
	case u == nil || !u.there:
		return fmt.Errorf("%s did not start: there is no such unit", name)
	case w.masked[name]:
		return fmt.Errorf("%s did not start: it is masked", name)
	case u.Active == "active":
		return nil
	}
	for _, r := range u.requires {
		if err := w.up(r); err != nil {
			return fmt.Errorf("%s did not start: its job dependency: %w", name, err)
		}
	}
	w.next++
	u.Invocation, u.began, u.Result = fmt.Sprint(w.next), time.Now(), "success"
	if w.fails[name] {
		u.Active, u.Result = "failed", "exit-code"
		return fmt.Errorf("%s did not start: its job failed", name)
	}
	if b := w.named(u.container); b != nil {
		// podman run --replace
		w.wrong("%s starts in place of the container %s, which is there", name, b.Name)
		w.remove(b, true)
	}
	b := &box{Container: podman.Container{
		Container: quadlet.Container{Unit: strings.TrimSuffix(name, ".service"), Name: u.container, Image: u.Image, Store: core.IsStore(u.Image)},
		ID:        fmt.Sprintf("%03d%s", w.next, strings.Repeat("e", 61)), SystemdUnit: name, AutoRemove: true,
	}, mounts: u.mounts}
	w.containers[b.ID] = b
	w.launch(b)
	u.Active = "active"
	return nil
}

func (w *world) legacyUp(l *legacy) error {
	if b := w.named(l.container); b != nil {
		if !b.Running {
			w.launch(b)
		}
	} else if l.anew != nil {
		b := *l.anew
		w.next++
		b.ID = fmt.Sprintf("%03d%s", w.next, strings.Repeat("d", 61))
		w.containers[b.ID] = &b
		w.launch(&b)
	} else {
		return errors.New("there is no container " + l.container)
	}
	l.active = true
	return nil
}

// down stops a unit, and those that require it.
func (w *world) down(name string) {
	if l, ok := w.legacy[name]; ok {
		if b := w.named(l.container); b != nil && l.active {
			w.halt(b)
			if l.anew != nil {
				w.remove(b, false)
			}
		}
		l.active = false
		return
	}
	delete(w.podUnits, name)
	u := w.units[name]
	if u == nil || u.Active != "active" {
		return
	}
	for _, o := range w.units {
		if slices.Contains(o.requires, name) {
			w.down(o.Name)
		}
	}
	u.Active = "inactive"
	for _, b := range w.containers {
		if b.SystemdUnit == name && b.AutoRemove {
			b.Running, b.holds = false, nil
			w.remove(b, true) // podman rm -v -f
		}
	}
}

// look is what a unit is like by now.
func (w *world) look(u *unit) core.Unit {
	if u.Active == "active" && w.dies[u.Name] && time.Since(u.began) > time.Second {
		w.down(u.Name)
		u.Active, u.Result = "failed", "exit-code"
	}
	return u.Unit
}

func (f fakeUnits) List(ctx context.Context) (list []core.Unit, err error) {
	err = f.f.call(ctx, "list units", func() error {
		for _, n := range slices.Sorted(maps.Keys(f.w.units)) {
			if u := f.w.units[n]; u.there {
				list = append(list, f.w.look(u))
			}
		}
		return nil
	})
	return list, err
}

func (f fakeUnits) Get(ctx context.Context, name string) (u core.Unit, ok bool, err error) {
	err = f.f.call(ctx, "get "+name, func() error {
		if there := f.w.units[name]; there != nil && there.there {
			u, ok = f.w.look(there), true
		}
		return nil
	})
	return u, ok, err
}

func (f fakeUnits) Loaded(ctx context.Context, name string) (l units.Loaded, err error) {
	err = f.f.call(ctx, "look at "+name, func() error {
		l = units.Loaded{State: "not-found", Active: "inactive", Stale: f.w.stale[name]}
		if u := f.w.units[name]; u != nil && (u.there || u.Active == "active") {
			l.State, l.Source, l.Active = "loaded", u.Source, f.w.look(u).Active
		}
		if f.w.podUnits[name] {
			l.State, l.Active = "loaded", "active"
		}
		if g, ok := f.w.legacy[name]; ok {
			l.State, l.Source, l.Fragment, l.Enabled = "loaded", "", g.path, "disabled"
			if g.enabled {
				l.Enabled = "enabled"
			}
			if g.active {
				l.Active = "active"
			}
		}
		if f.w.masked[name] {
			l.State = "masked"
		}
		return nil
	})
	return l, err
}

func (f fakeUnits) Command(ctx context.Context, name string) (argv []string, err error) {
	err = f.f.call(ctx, "command of "+name, func() error { argv = slices.Clone(f.w.commands[name]); return nil })
	return argv, err
}

func (f fakeUnits) Reload(ctx context.Context) error {
	return f.f.call(ctx, "reload", func() error { f.w.read(); return nil })
}

func (f fakeUnits) StartAndWait(ctx context.Context, name string) error {
	return f.f.call(ctx, "up "+name, func() error { return f.w.up(name) })
}

func (f fakeUnits) Stop(ctx context.Context, names []string) error {
	began := f.w.runs(names)
	return f.f.call(ctx, "down "+strings.Join(names, " "), func() error {
		for i, n := range names {
			if f.w.runOf(n) == began[i] { // what was started since is not what was to stop
				f.w.down(n)
			}
		}
		return nil
	})
}

func (w *world) runs(names []string) []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []int
	for _, n := range names {
		list = append(list, w.runOf(n))
	}
	return list
}

// runOf is which run of its container a unit has.
func (w *world) runOf(name string) int {
	for _, b := range w.containers {
		if l := w.legacy[name]; b.SystemdUnit == name || l != nil && l.container == b.Name {
			return b.run
		}
	}
	return 0
}

func (f fakeUnits) enable(ctx context.Context, doing string, names []string, enabled bool) error {
	return f.f.call(ctx, doing+" "+strings.Join(names, " "), func() error {
		for _, n := range names {
			l, ok := f.w.legacy[n]
			if !ok {
				return errors.New("there is no unit " + n)
			}
			l.enabled = enabled
		}
		return nil
	})
}

func (f fakeUnits) Enable(ctx context.Context, names []string) error {
	return f.enable(ctx, "enable", names, true)
}

func (f fakeUnits) Disable(ctx context.Context, names []string) error {
	return f.enable(ctx, "disable", names, false)
}

// RunTransient can exchange two directories, and repeat a podman run.
func (f fakeUnits) RunTransient(ctx context.Context, _, _ string, argv []string) error {
	doing := "run " + strings.Join(argv[1:], " ")
	if i := slices.Index(argv, "exchange"); i > 0 {
		doing = "exchange"
	}
	detached := false
	err := f.f.call(ctx, doing, func() error {
		if i := slices.Index(argv, "exchange"); i > 0 {
			return unix.Renameat2(unix.AT_FDCWD, argv[i+1], unix.AT_FDCWD, argv[i+2], unix.RENAME_EXCHANGE)
		}
		if !filepath.IsAbs(argv[0]) || len(argv) < 3 || argv[1] != "run" {
			return fmt.Errorf("%q cannot be run", argv)
		}
		detached = slices.Contains(argv, "-d") || slices.Contains(argv, "--detach")
		return f.w.again(argv)
	})
	if err == nil && strings.HasPrefix(doing, "run ") && !detached {
		// Such a command ends with the container.
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

// again is podman run, as far as the tests' command lines go.
func (w *world) again(argv []string) error {
	w.next++
	b := &box{Container: podman.Container{Container: quadlet.Container{Restart: "no"}, ID: fmt.Sprintf("%03d%s", w.next, strings.Repeat("c", 61)), CreateCommand: argv}}
	for i, a := range argv {
		if v, ok := strings.CutPrefix(a, "--volume="); ok {
			volume, target, _ := strings.Cut(v, ":")
			b.mounts = append(b.mounts, mount{volume, target})
		}
		if len(b.mounts) == 2 && b.mounts[0].target == b.mounts[1].target {
			return errors.New("two volumes at " + b.mounts[0].target)
		}
		switch a {
		case "--name":
			b.Name = argv[i+1]
		case "-v", "--volume":
			volume, target, named := strings.Cut(argv[i+1], ":")
			if !named {
				volume, target = fmt.Sprintf("anonymous-%d", w.next), volume
				w.volume(volume, true)
			}
			b.mounts = append(b.mounts, mount{volume, target})
		case "--rm":
			b.AutoRemove = true
		}
	}
	b.Image = argv[len(argv)-1]
	if w.named(b.Name) != nil {
		return errors.New("that name is in use")
	}
	w.containers[b.ID] = b
	w.launch(b)
	return nil
}

// fakeProcesses are the containers that run.
type fakeProcesses struct {
	w *world
	f *faults
}

func (p fakeProcesses) Processes() ([]containers.Process, error) {
	return nil, p.f.call(context.Background(), "list processes", func() error { return nil })
}

func (p fakeProcesses) Running([]containers.Process) []containers.Container {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	var list []containers.Container
	for id, unit := range p.w.owners {
		list = append(list, containers.Container{ID: id, Unit: unit})
	}
	return list
}

func (p fakeProcesses) Holders(_ []containers.Process, down []core.Unit) []containers.Holder {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	var list []containers.Holder
	for _, h := range p.w.holders(down) {
		words := strings.Fields(h)
		list = append(list, containers.Holder{Process: containers.Process{PID: 4711, Name: words[0]}, Unit: words[len(words)-1], Source: words[len(words)-2]})
	}
	return list
}
