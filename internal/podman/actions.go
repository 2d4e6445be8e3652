package podman

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/containers/podman/v5/pkg/bindings/containers"
	"github.com/containers/podman/v5/pkg/bindings/secrets"
	"github.com/containers/podman/v5/pkg/bindings/volumes"
	"github.com/containers/podman/v5/pkg/domain/entities/reports"
	"github.com/containers/podman/v5/pkg/domain/entities/types"
	"github.com/containers/podman/v5/pkg/specgen"

	"keeper/internal/quadlet"
)

// State is what a container does at the moment.
type State struct {
	Name string
	// Status is running, exited, created, paused, ….
	Status    string
	Running   bool
	ExitCode  int
	OOMKilled bool
	// Health is starting, healthy, unhealthy, or empty without a health check.
	Health string
	PID    int
}

// State looks at a container.
func (c *Client) State(ctx context.Context, id string) (State, error) {
	d, err := c.inspect(ctx, id, false)
	if err != nil {
		return State{}, err
	}
	s := State{
		Name: d.Name, Status: d.State.Status, Running: d.State.Running, ExitCode: int(d.State.ExitCode),
		OOMKilled: d.State.OOMKilled, PID: d.State.Pid,
	}
	if d.State.Health != nil {
		s.Health = d.State.Health.Status
	}
	return s, nil
}

// Stop stops a container, and kills it after the timeout. One that does not run
// is no error.
func (c *Client) Stop(ctx context.Context, id string, timeout time.Duration) error {
	seconds := uint((max(timeout, 0) + time.Second - 1) / time.Second)
	return c.tell(ctx, "stop container "+short(id), timeout+c.limit, func(ctx context.Context) error {
		return containers.Stop(ctx, id, new(containers.StopOptions).WithTimeout(seconds))
	})
}

// Start starts a container. One that runs is no error.
func (c *Client) Start(ctx context.Context, id string) error {
	return c.tell(ctx, "start container "+short(id), c.limit, func(ctx context.Context) error {
		return containers.Start(ctx, id, nil)
	})
}

// Rename gives a container another name.
func (c *Client) Rename(ctx context.Context, id, newName string) error {
	return c.tell(ctx, fmt.Sprintf("rename container %s to %s", short(id), newName), c.limit, func(ctx context.Context) error {
		return containers.Rename(ctx, id, new(containers.RenameOptions).WithName(newName))
	})
}

// Remove removes a container that does not run. It never removes a volume, not
// even an anonymous one, and never what depends on the container.
func (c *Client) Remove(ctx context.Context, id string) error {
	return c.tell(ctx, "remove container "+short(id), c.limit, func(ctx context.Context) error {
		return removal(containers.Remove(ctx, id, new(containers.RemoveOptions).WithVolumes(false).WithForce(false)))
	})
}

// removal finds the error that the bindings leave in the report.
func removal(list []*reports.RmReport, err error) error {
	for _, r := range list {
		if err == nil && r != nil {
			err = r.Err
		}
	}
	return err
}

// restartUpdate is the first Podman whose update knows of restart policies;
// older ones take the question and do nothing.
var restartUpdate = quadlet.Version{Major: 5, Minor: 1}

// SetRestart changes the restart policy of a container: no, always,
// unless-stopped, on-failure, on-failure:5. The error of a Podman that cannot
// wraps ErrUnsupported.
func (c *Client) SetRestart(ctx context.Context, id, policy string) error {
	doing := fmt.Sprintf("set the restart policy of container %s to %s", short(id), policy)
	if c.version.Before(restartUpdate) {
		return &Error{
			Text: fmt.Sprintf("cannot %s: Podman %s does not change it, %s and later do", doing, c.release, restartUpdate), Err: ErrUnsupported,
		}
	}
	name, most, counted := strings.Cut(policy, ":")
	options := &types.ContainerUpdateOptions{NameOrID: id, RestartPolicy: &name}
	if counted {
		var n uint
		if _, err := fmt.Sscanf(most, "%d", &n); err != nil {
			return fmt.Errorf("cannot %s: %q is no number of restarts", doing, most)
		}
		options.RestartRetries = &n
	}
	err := c.tell(ctx, doing, c.limit, func(ctx context.Context) error {
		_, err := containers.Update(ctx, options)
		return err
	})
	if err != nil {
		return err
	}
	// What was asked for is not what was done until it can be read back.
	d, err := c.inspect(ctx, id, false)
	if err != nil {
		return err
	}
	if got := d.HostConfig.RestartPolicy.Name; got != name && (name != "" || got != "no") {
		return &Error{Text: fmt.Sprintf("cannot %s: Podman left it at %q", doing, got), Err: ErrUnsupported}
	}
	return nil
}

// CreateVolume makes a volume that is not there yet.
func (c *Client) CreateVolume(ctx context.Context, name string, labels map[string]string) error {
	return c.tell(ctx, "create volume "+name, c.limit, func(ctx context.Context) error {
		_, err := volumes.Create(ctx, types.VolumeCreateOptions{Name: name, Labels: labels}, nil)
		return err
	})
}

// RemoveVolume removes a volume that no container uses.
func (c *Client) RemoveVolume(ctx context.Context, name string) error {
	return c.tell(ctx, "remove volume "+name, c.limit, func(ctx context.Context) error {
		return volumes.Remove(ctx, name, new(volumes.RemoveOptions).WithForce(false))
	})
}

// VolumeInfo looks at a volume, if it is there. It does not tell who uses it.
func (c *Client) VolumeInfo(ctx context.Context, name string) (Volume, bool, error) {
	v, err := ask(ctx, c, "inspect volume "+name, c.limit, func(ctx context.Context) (*types.VolumeConfigResponse, error) {
		return volumes.Inspect(ctx, name, nil)
	})
	if errors.Is(err, ErrNotFound) {
		return Volume{}, false, nil
	}
	if err != nil {
		return Volume{}, false, err
	}
	if v.Name != name {
		return Volume{}, false, c.nonsense(fmt.Errorf("volume %q where %q was asked for", v.Name, name))
	}
	return new(facts).volume(&v.InspectVolumeData), true, nil
}

// Throwaway is the label of containers by which volumes are mounted for the first
// time; its value is the volume.
const Throwaway = "keeper.throwaway"

// fullIsSafe is the first Podman that never changes the owner of a volume with
// something in it (fixVolumePermissions: "Not empty, do nothing and unset
// NeedsChown"). None copies files into one.
var fullIsSafe = quadlet.Version{Major: 5, Minor: 1}

// PrimeVolume makes Podman believe that a new and empty volume was in use
// before: the first mount of a volume copies the files of the image into it and
// gives it to the container's user (NeedsCopyUp, NeedsChown), over whatever was
// put there meanwhile. A container of the same image and user is initialized,
// which mounts its volumes and runs nothing, and removed.
//
// It is Podman before 5.1 that needs this. From then on NeedsChown may stay set,
// where the image's directory is empty and the user is not root, and means
// nothing once there is something in the volume; nor does NeedsCopyUp, ever.
func (c *Client) PrimeVolume(ctx context.Context, containerID, volume, target string) (err error) {
	doing := fmt.Sprintf("mount volume %s for the first time", volume)
	d, err := c.inspect(ctx, containerID, false)
	if err != nil {
		return err
	}
	spec := specgen.NewSpecGenerator(d.Image, false)
	spec.User = d.Config.User
	spec.Volumes = []*specgen.NamedVolume{{Name: volume, Dest: target}}
	// Nothing of the image but its files: its other volumes would become
	// anonymous ones, its command is never run.
	spec.ImageVolumeMode = "ignore"
	spec.Entrypoint, spec.Command = []string{}, []string{"true"}
	spec.NetNS = specgen.Namespace{NSMode: specgen.NoNetwork}
	spec.HealthConfig = nil
	spec.Labels = map[string]string{Throwaway: volume}
	made, err := ask(ctx, c, doing, c.limit, func(ctx context.Context) (types.ContainerCreateResponse, error) {
		return containers.CreateWithSpec(ctx, spec, nil)
	})
	if err != nil {
		return err
	}
	defer func() {
		// It must go even where the caller does not wait any longer.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.limit)
		defer cancel()
		err = errors.Join(err, c.tell(ctx, "remove the container that mounted volume "+volume, c.limit, func(ctx context.Context) error {
			return removal(containers.Remove(ctx, made.ID, new(containers.RemoveOptions).WithForce(true).WithVolumes(false).WithTimeout(0)))
		}))
	}()
	err = c.tell(ctx, doing, c.limit, func(ctx context.Context) error {
		return containers.ContainerInit(ctx, made.ID, nil)
	})
	if err != nil {
		return err
	}
	v, ok, err := c.VolumeInfo(ctx, volume)
	switch {
	case err != nil:
		return err
	case !ok:
		return &Error{Text: fmt.Sprintf("cannot %s: it is gone", doing), Err: ErrNotFound}
	case v.NeedsChown && c.version.Before(fullIsSafe):
		return &Error{Text: fmt.Sprintf("cannot %s: Podman would still change its owner", doing), Err: ErrUnsupported}
	}
	return nil
}

// CreateSecret makes a secret of what it reads.
func (c *Client) CreateSecret(ctx context.Context, name string, value io.Reader) error {
	return c.tell(ctx, "create secret "+name, c.limit, func(ctx context.Context) error {
		_, err := secrets.Create(ctx, value, new(secrets.CreateOptions).WithName(name))
		return err
	})
}

// RemoveSecret removes a secret.
func (c *Client) RemoveSecret(ctx context.Context, name string) error {
	return c.tell(ctx, "remove secret "+name, c.limit, func(ctx context.Context) error {
		return secrets.Remove(ctx, name)
	})
}

// SecretExists says whether there is a secret of that name.
func (c *Client) SecretExists(ctx context.Context, name string) (bool, error) {
	return ask(ctx, c, "look for secret "+name, c.limit, func(ctx context.Context) (bool, error) {
		return secrets.Exists(ctx, name)
	})
}
