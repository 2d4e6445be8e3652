package podman

import (
	"slices"
	"testing"

	"github.com/containers/podman/v5/libpod/define"

	"keeper/internal/quadlet"
)

// A container with no umask of its own is told as 0000, as is one that was given
// that: the command line tells them apart.
func TestUmask(t *testing.T) {
	t.Parallel()
	settings := func(umask string, argv ...string) []quadlet.Setting {
		d := &define.InspectContainerData{
			ID: "0123456789abcdef", Name: "x", State: &define.InspectContainerState{}, HostConfig: &define.InspectContainerHostConfig{},
			Config: &define.InspectContainerConfig{Umask: umask, StopTimeout: 10, CreateCommand: argv},
		}
		if err := whole(d); err != nil {
			t.Fatal(err)
		}
		return survey(&facts{Containers: []*define.InspectContainerData{d}}).Containers[0].Settings
	}
	for _, c := range []struct {
		umask, want string
		argv        []string
	}{
		{"0000", "0000", []string{"podman", "run", "--umask", "0000", "image"}},
		{"0000", "", nil},
		{"0022", "", []string{"podman", "run", "image"}},
		{"0077", "0077", nil},
	} {
		got := settings(c.umask, c.argv...)
		if has := slices.Contains(got, quadlet.Setting{Flag: "umask", Value: c.want}); has != (c.want != "") {
			t.Errorf("%s by %q: %v", c.umask, c.argv, got)
		}
	}
}
