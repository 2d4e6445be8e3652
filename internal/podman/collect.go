package podman

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/containers/podman/v5/libpod/define"
	"github.com/containers/podman/v5/pkg/bindings/containers"
	"github.com/containers/podman/v5/pkg/bindings/images"
	"github.com/containers/podman/v5/pkg/bindings/network"
	"github.com/containers/podman/v5/pkg/bindings/pods"
	"github.com/containers/podman/v5/pkg/bindings/secrets"
	"github.com/containers/podman/v5/pkg/bindings/system"
	"github.com/containers/podman/v5/pkg/bindings/volumes"
	"github.com/containers/podman/v5/pkg/domain/entities/types"
	"github.com/containers/podman/v5/pkg/inspect"
	"golang.org/x/sys/unix"
)

// sideBySide is how many containers are looked at at once: Podman locks each by
// itself, and two cores have no use for more.
const sideBySide = 4

// Survey looks once at everything the account has, running or not.
func (c *Client) Survey(ctx context.Context) (Survey, error) {
	f, err := c.collect(ctx)
	if err != nil {
		return Survey{}, err
	}
	return survey(f), nil
}

func (c *Client) collect(ctx context.Context) (*facts, error) {
	f := &facts{Release: c.release, Names: map[string]string{}, NoFile: hardLimit(unix.RLIMIT_NOFILE), NProc: hardLimit(unix.RLIMIT_NPROC)}
	for _, part := range []func(context.Context, *facts) error{
		c.host, c.volumes, c.networks, c.pods, c.containers, c.images, c.secrets,
	} {
		if err := part(ctx, f); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// hardLimit is that of this process, as a container gets it that asks for none
// (container_internal_common.go: at most 1048576).
func hardLimit(resource int) int64 {
	var limit unix.Rlimit
	if err := unix.Getrlimit(resource, &limit); err != nil {
		return 0
	}
	return int64(min(limit.Max, 1<<20))
}

func (c *Client) host(ctx context.Context, f *facts) error {
	info, err := ask(ctx, c, "ask Podman about the host", c.limit, func(ctx context.Context) (*define.Info, error) {
		return system.Info(ctx, nil)
	})
	if err != nil {
		return err
	}
	if info.Host == nil || info.Store == nil {
		return c.nonsense(errors.New("a host without host"))
	}
	if info.Version.Version != "" {
		f.Release = info.Version.Version
	}
	f.CGroups, f.RunRoot, f.VolumePath = info.Host.CgroupsVersion, info.Store.RunRoot, info.Store.VolumePath
	f.Hostname, f.LogDriver, f.SELinux = info.Host.Hostname, info.Host.LogDriver, info.Host.Security.SELinuxEnabled
	f.Network = info.Host.RootlessNetworkCmd
	if info.Host.OCIRuntime != nil {
		f.Runtime = info.Host.OCIRuntime.Name
	}
	return nil
}

func (c *Client) volumes(ctx context.Context, f *facts) error {
	list, err := ask(ctx, c, "list the volumes", c.limit, func(ctx context.Context) ([]*types.VolumeListReport, error) {
		return volumes.List(ctx, nil)
	})
	for _, v := range list {
		if v != nil {
			f.Volumes = append(f.Volumes, &v.InspectVolumeData)
		}
	}
	return err
}

func (c *Client) networks(ctx context.Context, f *facts) error {
	list, err := ask(ctx, c, "list the networks", c.limit, func(ctx context.Context) ([]types.NetworkInspectReport, error) {
		found, err := network.List(ctx, nil)
		reports := make([]types.NetworkInspectReport, len(found))
		for i, n := range found {
			reports[i].Network = n
		}
		return reports, err
	})
	f.Networks = list
	return err
}

func (c *Client) pods(ctx context.Context, f *facts) error {
	list, err := ask(ctx, c, "list the pods", c.limit, func(ctx context.Context) ([]*types.ListPodsReport, error) {
		return pods.List(ctx, nil)
	})
	if err != nil {
		return err
	}
	for _, p := range list {
		if p == nil {
			continue
		}
		report, err := ask(ctx, c, "inspect pod "+p.Name, c.limit, func(ctx context.Context) (*types.PodInspectReport, error) {
			return pods.Inspect(ctx, p.Id, nil)
		})
		switch {
		case errors.Is(err, ErrNotFound): // removed in between
		case err != nil:
			return err
		case report.InspectPodData == nil:
			return c.nonsense(errors.New("a pod without anything"))
		default:
			f.Pods = append(f.Pods, report.InspectPodData)
		}
	}
	return nil
}

func (c *Client) containers(ctx context.Context, f *facts) error {
	list, err := ask(ctx, c, "list the containers", c.limit, func(ctx context.Context) ([]types.ListContainer, error) {
		return containers.List(ctx, new(containers.ListOptions).WithAll(true))
	})
	if err != nil {
		return err
	}
	var (
		found  = make([]*define.InspectContainerData, len(list))
		errs   = make([]error, len(list))
		places = make(chan struct{}, sideBySide)
		wait   sync.WaitGroup
	)
	for i, l := range list {
		places <- struct{}{}
		wait.Go(func() {
			found[i], errs[i] = c.inspect(ctx, l.ID, false)
			<-places
		})
	}
	wait.Wait()
	for i, l := range list {
		name := l.ID
		if len(l.Names) > 0 {
			name = l.Names[0]
		}
		var ours *Error
		switch err := errs[i]; {
		case err == nil:
			f.Containers = append(f.Containers, found[i])
		case errors.Is(err, ErrNotFound): // removed in between
		case ctx.Err() != nil, errors.As(err, &ours):
			return err
		default:
			// One that cannot be inspected must not hide the others.
			f.Broken = append(f.Broken, broken{ID: l.ID, Name: name, Image: l.Image, State: l.State, Why: err.Error()})
		}
	}
	return nil
}

func (c *Client) inspect(ctx context.Context, id string, size bool) (*define.InspectContainerData, error) {
	return ask(ctx, c, "inspect container "+short(id), c.limit, func(ctx context.Context) (*define.InspectContainerData, error) {
		d, err := containers.Inspect(ctx, id, new(containers.InspectOptions).WithSize(size))
		if err != nil {
			return nil, err
		}
		return d, whole(d)
	})
}

func (c *Client) images(ctx context.Context, f *facts) error {
	list, err := ask(ctx, c, "list the images", c.limit, func(ctx context.Context) ([]*types.ImageSummary, error) {
		return images.List(ctx, nil)
	})
	if err != nil {
		return err
	}
	for _, i := range list {
		if i == nil {
			continue
		}
		for _, tag := range slices.Concat(i.RepoTags, i.RepoDigests) {
			f.Names[tag] = strings.TrimPrefix(i.ID, "sha256:")
		}
	}
	wanted := map[string]bool{}
	for _, d := range f.Containers {
		wanted[d.Image] = d.Image != ""
		// A short name, or one with tag and digest, is resolved by Podman alone.
		if _, ok := f.Names[d.ImageName]; !ok && d.ImageName != "" && d.Rootfs == "" {
			id, ok, err := c.Image(ctx, d.ImageName)
			if err != nil {
				return err
			}
			if ok {
				f.Names[d.ImageName] = id
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(wanted)) {
		if !wanted[id] {
			continue
		}
		data, err := c.image(ctx, id)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		f.Images = append(f.Images, data)
	}
	return nil
}

func (c *Client) image(ctx context.Context, ref string) (*inspect.ImageData, error) {
	report, err := ask(ctx, c, "inspect image "+ref, c.limit, func(ctx context.Context) (*types.ImageInspectReport, error) {
		r, err := images.GetImage(ctx, ref, nil)
		if err == nil && (r.ImageData == nil || r.ID == "") {
			err = malformed{fmt.Errorf("an image without ID")}
		}
		return r, err
	})
	if err != nil {
		return nil, err
	}
	return report.ImageData, nil
}

// Image looks up which image a name stands for now.
func (c *Client) Image(ctx context.Context, ref string) (id string, ok bool, err error) {
	data, err := c.image(ctx, ref)
	if errors.Is(err, ErrNotFound) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	return strings.TrimPrefix(data.ID, "sha256:"), true, nil
}

func (c *Client) secrets(ctx context.Context, f *facts) error {
	list, err := ask(ctx, c, "list the secrets", c.limit, func(ctx context.Context) ([]*types.SecretInfoReport, error) {
		return secrets.List(ctx, nil)
	})
	for _, s := range list {
		if s != nil {
			f.Secrets = append(f.Secrets, s.Spec.Name)
		}
	}
	slices.Sort(f.Secrets)
	return err
}
