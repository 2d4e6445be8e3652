package podman

import (
	"cmp"
	"context"
	"path"
	"slices"
	"strings"

	"github.com/containers/podman/v5/pkg/bindings/containers"
)

// Changes are what a container has written into its own layer, which goes with
// the container.
type Changes struct {
	Added, Changed, Deleted int
	// Paths are the first ten, sorted.
	Paths []string
	// Bytes are those of the whole layer, noise included.
	Bytes int64
}

// change is one line of podman diff: 0 for changed, 1 for added, 2 for deleted.
type change struct {
	path string
	kind int
}

// Changes looks at the writable layer of a container, without what is always
// there and never missed.
func (c *Client) Changes(ctx context.Context, id string) (Changes, error) {
	list, err := ask(ctx, c, "see what container "+short(id)+" has changed", c.limit, func(ctx context.Context) ([]change, error) {
		found, err := containers.Diff(ctx, id, nil)
		list := make([]change, len(found))
		for i, f := range found {
			list[i] = change{f.Path, int(f.Kind)}
		}
		return list, err
	})
	if err != nil {
		return Changes{}, err
	}
	d, err := c.inspect(ctx, id, true)
	if err != nil {
		return Changes{}, err
	}
	var mounted []string
	for _, m := range d.Mounts {
		mounted = append(mounted, m.Destination)
	}
	for target := range d.HostConfig.Tmpfs {
		mounted = append(mounted, target)
	}
	found := count(list, mounted)
	if d.SizeRw != nil {
		found.Bytes = *d.SizeRw
	}
	return found, nil
}

// count leaves the noise out. A directory is listed as changed whenever
// something in it is, so those count only for themselves where they were added
// or deleted.
func count(list []change, mounted []string) Changes {
	var out Changes
	slices.SortFunc(list, func(a, b change) int { return cmp.Compare(a.path, b.path) })
	// A container may have written a million files.
	parents := map[string]bool{}
	for _, c := range list {
		for dir := path.Dir(path.Clean("/" + c.path)); !parents[dir]; dir = path.Dir(dir) {
			parents[dir] = true
		}
	}
	for _, c := range list {
		c.path = path.Clean("/" + c.path)
		if noise(c.path, mounted) || c.kind == 0 && parents[c.path] || parentOfNoise(c.path, mounted) {
			continue
		}
		switch c.kind {
		case 1:
			out.Added++
		case 2:
			out.Deleted++
		default:
			out.Changed++
		}
		if len(out.Paths) < 10 {
			out.Paths = append(out.Paths, c.path)
		}
	}
	return out
}

// noisy are written by Podman, by every container, or for the moment.
var noisy = []string{"/run", "/var/run", "/tmp", "/var/tmp", "/dev", "/proc", "/sys", "/etc/hosts", "/etc/resolv.conf", "/etc/hostname", "/etc/mtab"}

func noise(p string, mounted []string) bool {
	for _, n := range slices.Concat(noisy, mounted) {
		n = path.Clean("/" + n)
		if p == n || strings.HasPrefix(p, n+"/") {
			return true
		}
	}
	return strings.HasSuffix(p, ".pyc") || strings.HasSuffix(p, "/__pycache__") || strings.Contains(p, "/__pycache__/")
}

// parentOfNoise says that something was mounted or written below a directory.
// Podman leaves its own /etc/hosts out of the list, and the changed /etc in.
func parentOfNoise(p string, mounted []string) bool {
	return p == "/" || slices.ContainsFunc(slices.Concat(noisy, mounted), func(m string) bool { return strings.HasPrefix(path.Clean("/"+m), p+"/") })
}
