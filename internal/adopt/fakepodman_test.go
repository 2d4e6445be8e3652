package adopt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"keeper/internal/podman"
)

// fakePodman is Podman's service, in one life of the program.
type fakePodman struct {
	w *world
	f *faults
}

func none(what string) error { return fmt.Errorf("no %s: %w", what, podman.ErrNotFound) }

// find finds a container by id or name.
func (w *world) find(id string) (*box, error) {
	if b, ok := w.containers[id]; ok {
		return b, nil
	}
	if b := w.named(id); b != nil {
		return b, nil
	}
	return nil, none("container " + id)
}

// about does something to a container. It is called by its name in the log.
func (p fakePodman) about(ctx context.Context, doing, id string, do func(*box) error) error {
	p.w.mu.Lock()
	name := id
	if b, err := p.w.find(id); err == nil {
		name = b.Name
	}
	p.w.mu.Unlock()
	return p.f.call(ctx, doing+" "+name, func() error {
		b, err := p.w.find(id)
		if err != nil {
			return err
		}
		return do(b)
	})
}

func (p fakePodman) Survey(ctx context.Context) (podman.Survey, error) {
	s := p.w.survey
	err := p.f.call(ctx, "survey", func() error {
		for _, id := range slices.Sorted(maps.Keys(p.w.containers)) {
			c := p.w.containers[id].Container
			c.Unit = c.Name
			s.Containers = append(s.Containers, c)
		}
		for _, n := range slices.Sorted(maps.Keys(p.w.volumes)) {
			s.Volumes = append(s.Volumes, *p.w.volumes[n])
		}
		s.Secrets = slices.Sorted(maps.Keys(p.w.secrets))
		s.Images = maps.Clone(s.Images)
		return nil
	})
	return s, err
}

func (p fakePodman) Changes(ctx context.Context, id string) (c podman.Changes, err error) {
	err = p.about(ctx, "diff", id, func(b *box) error { c = p.w.changes[b.Name]; return nil })
	return c, err
}

func (p fakePodman) State(ctx context.Context, id string) (s podman.State, err error) {
	err = p.about(ctx, "inspect", id, func(b *box) error {
		s = podman.State{Name: b.Name, Status: b.State, Running: b.Running, ExitCode: b.ExitCode}
		return nil
	})
	return s, err
}

func (p fakePodman) Stop(ctx context.Context, id string, _ time.Duration) error {
	run := 0
	if b, err := p.w.find(id); err == nil {
		run = b.run
	}
	return p.about(ctx, "stop", id, func(b *box) error {
		if b.Running && b.run == run {
			p.w.halt(b)
		}
		return nil
	})
}

func (p fakePodman) Start(ctx context.Context, id string) error {
	return p.about(ctx, "start", id, func(b *box) error {
		if !b.Running {
			p.w.launch(b)
		}
		return nil
	})
}

func (p fakePodman) Rename(ctx context.Context, id, name string) error {
	return p.about(ctx, "rename", id, func(b *box) error {
		if p.w.named(name) != nil {
			return errors.New("that name is in use")
		}
		b.Name = name
		return nil
	})
}

func (p fakePodman) StopPod(ctx context.Context, id string) error {
	return p.f.call(ctx, "stop pod "+id, func() error {
		for _, b := range p.w.containers {
			if b.PodID == id && b.Running {
				return errors.New(b.Name + " runs in it")
			}
		}
		p.w.pods[id] = "exited"
		return nil
	})
}

func (p fakePodman) RemovePod(ctx context.Context, id string) error {
	return p.f.call(ctx, "remove pod "+id, func() error {
		for _, b := range p.w.containers {
			if b.PodID == id {
				return errors.New(b.Name + " is in it")
			}
		}
		delete(p.w.pods, id)
		return nil
	})
}

func (p fakePodman) Remove(ctx context.Context, id string) error {
	return p.about(ctx, "remove", id, func(b *box) error {
		if b.Running {
			return errors.New("it runs")
		}
		for _, o := range p.w.containers {
			if slices.Contains(o.deps, b.ID) {
				return errors.New(o.Name + " needs it")
			}
		}
		p.w.remove(b, false)
		return nil
	})
}

func (p fakePodman) SetRestart(ctx context.Context, id, policy string) error {
	return p.about(ctx, "update", id, func(b *box) error {
		if p.w.noRestart {
			return podman.ErrUnsupported
		}
		name, most, _ := strings.Cut(policy, ":")
		b.RestartPolicy = name
		b.RestartMost, _ = strconv.Atoi(most) // without a number there is none any more
		return nil
	})
}

func (p fakePodman) CreateVolume(ctx context.Context, name string, _ map[string]string) error {
	return p.f.call(ctx, "create volume "+name, func() error {
		if _, ok := p.w.volumes[name]; ok {
			return errors.New("there is one of that name")
		}
		p.w.volume(name, false)
		return nil
	})
}

func (p fakePodman) RemoveVolume(ctx context.Context, name string) error {
	return p.f.call(ctx, "remove volume "+name, func() error {
		if _, ok := p.w.volumes[name]; !ok {
			return none("volume " + name)
		}
		if u := p.w.user(name); u != "" {
			return errors.New(u + " uses it")
		}
		p.w.drop(name)
		return nil
	})
}

func (p fakePodman) VolumeInfo(ctx context.Context, name string) (v podman.Volume, ok bool, err error) {
	err = p.f.call(ctx, "inspect volume "+name, func() error {
		if there := p.w.volumes[name]; there != nil {
			v, ok = *there, true
		}
		return nil
	})
	return v, ok, err
}

func (p fakePodman) PrimeVolume(ctx context.Context, _, volume, _ string) error {
	return p.f.call(ctx, "prime volume "+volume, func() error {
		if p.w.volumes[volume] == nil {
			return none("volume " + volume)
		}
		p.w.put(filepath.Join(p.w.volumes[volume].Mountpoint, "FROM-IMAGE"), "")
		return nil
	})
}

func (p fakePodman) CreateSecret(ctx context.Context, name string, value io.Reader) error {
	return p.f.call(ctx, "create secret "+name, func() error {
		if _, ok := p.w.secrets[name]; ok {
			return errors.New("there is one of that name")
		}
		data, err := io.ReadAll(value)
		p.w.secrets[name] = string(data)
		return err
	})
}

func (p fakePodman) RemoveSecret(ctx context.Context, name string) error {
	return p.f.call(ctx, "remove secret "+name, func() error {
		if _, ok := p.w.secrets[name]; !ok {
			return none("secret " + name)
		}
		delete(p.w.secrets, name)
		return nil
	})
}
