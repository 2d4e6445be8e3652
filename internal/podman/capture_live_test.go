//go:build live

package podman

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/containers/podman/v5/libpod/define"
)

// TestCapture writes the fixtures: go test -tags …,live -run TestCapture, with a
// Podman on which testdata/inspect/create.sh was run.
func TestCapture(t *testing.T) {
	c := live(t)
	all, err := c.collect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// This process has limits of its own, and those of the lab host count.
	for _, d := range all.Containers {
		for _, u := range d.HostConfig.Ulimits {
			if d.Name == "joined-main" && u.Name == "RLIMIT_NOFILE" {
				all.NoFile = u.Hard
			} else if d.Name == "joined-main" && u.Name == "RLIMIT_NPROC" {
				all.NProc = u.Hard
			}
		}
	}
	names := map[string]bool{}
	for _, d := range all.Containers {
		if !d.IsInfra {
			name, _, _ := strings.Cut(d.Name, "-")
			names[name] = true
		}
	}
	for name := range names {
		data, err := json.MarshalIndent(part(all, name), "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(fixtures, name+".json"), append(data, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// part is what belongs to one fixture, without the layers and the history of
// images, which nothing is made of.
func part(all *facts, name string) *facts {
	f := *all
	f.Containers, f.Images, f.Pods, f.Networks, f.Volumes, f.Names = nil, nil, nil, nil, nil, map[string]string{}
	ours := func(n string) bool { return n == name || strings.HasPrefix(n, name+"-") }
	infra := map[string]bool{}
	for _, p := range all.Pods {
		if ours(p.Name) {
			f.Pods = append(f.Pods, p)
			infra[p.InfraContainerID] = true
		}
	}
	images := map[string]bool{}
	for _, d := range all.Containers {
		if !ours(d.Name) && !infra[d.ID] {
			continue
		}
		d.GraphDriver = nil
		f.Containers = append(f.Containers, d)
		images[d.Image] = true
		if id, ok := all.Names[d.ImageName]; ok {
			f.Names[d.ImageName] = id
		}
	}
	for _, i := range all.Images {
		if images[i.ID] {
			i.GraphDriver, i.RootFS, i.History = nil, nil, nil
			f.Images = append(f.Images, i)
		}
	}
	for _, v := range all.Volumes {
		if slices.ContainsFunc(f.Containers, func(d *define.InspectContainerData) bool {
			return slices.ContainsFunc(d.Mounts, func(m define.InspectMount) bool { return m.Name == v.Name })
		}) {
			f.Volumes = append(f.Volumes, v)
		}
	}
	for _, n := range all.Networks {
		if slices.ContainsFunc(f.Containers, func(d *define.InspectContainerData) bool {
			_, ok := d.NetworkSettings.Networks[n.Name]
			return ok
		}) {
			f.Networks = append(f.Networks, n)
		}
	}
	return &f
}
