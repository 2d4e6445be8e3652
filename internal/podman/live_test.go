//go:build live

package podman

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/containers/podman/v5/pkg/bindings/containers"
	"github.com/containers/podman/v5/pkg/domain/entities/types"
	"github.com/containers/podman/v5/pkg/specgen"
)

// live connects to the Podman that KEEPER_PODMAN_SOCKET names: that of a lab host
// with the images of the demo stack. TestPodmanLive of internal/lab runs these
// tests there.
func live(t *testing.T) *Client {
	t.Helper()
	path := os.Getenv("KEEPER_PODMAN_SOCKET")
	if path == "" {
		t.Fatal("KEEPER_PODMAN_SOCKET names no socket")
	}
	c, err := Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// make creates a container for the length of a test.
func (c *Client) make(t *testing.T, spec *specgen.SpecGenerator) string {
	t.Helper()
	made, err := ask(t.Context(), c, "create", c.limit, func(ctx context.Context) (types.ContainerCreateResponse, error) {
		return containers.CreateWithSpec(ctx, spec, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.tell(context.Background(), "remove", c.limit, func(ctx context.Context) error {
			return removal(containers.Remove(ctx, made.ID, new(containers.RemoveOptions).WithForce(true).WithVolumes(true).WithTimeout(0)))
		})
	})
	return made.ID
}

func TestLiveSurvey(t *testing.T) {
	c := live(t)
	began := time.Now()
	s, err := c.Survey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d containers in %s", len(s.Containers), time.Since(began))
	if s.Release != c.Release() || s.Version != c.Version() || s.CGroups != "v2" {
		t.Errorf("%s, %s, %s", s.Release, s.Version, s.CGroups)
	}
}

func TestLiveLife(t *testing.T) {
	c, ctx := live(t), t.Context()
	spec := specgen.NewSpecGenerator("docker.io/library/debian:trixie-slim", false)
	spec.Name, spec.Command = "keeper-live", []string{"sh", "-c", "touch /kept /tmp/gone; mkdir -p /srv/__pycache__; exec sleep 1000"}
	spec.Env = map[string]string{"KEY": "va=lue"}
	spec.Volumes = []*specgen.NamedVolume{{Dest: "/anon"}}
	id := c.make(t, spec)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(c.Start(ctx, id))
	must(c.Start(ctx, id)) // once more is no error
	s, err := c.State(ctx, id)
	must(err)
	if !s.Running || s.PID == 0 || s.Status != stateRunning {
		t.Errorf("%+v", s)
	}
	// Until the shell has come that far.
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		found, err := c.Changes(ctx, id)
		must(err)
		if found.Added == 1 && found.Changed == 0 && found.Deleted == 0 && found.Paths[0] == "/kept" && found.Bytes >= 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v", found)
		}
	}
	must(c.SetRestart(ctx, id, "on-failure:3"))
	must(c.SetRestart(ctx, id, "no"))
	if err := c.SetRestart(ctx, id, "sometimes"); err == nil {
		t.Error("any policy will do")
	}
	if err := c.Remove(ctx, id); err == nil {
		t.Fatal("a running container was removed")
	}
	must(c.Stop(ctx, id, time.Second))
	must(c.Stop(ctx, id, time.Second))
	must(c.Rename(ctx, id, "keeper-live-old"))
	survey, err := c.Survey(ctx)
	must(err)
	var volume string
	for _, found := range survey.Containers {
		if found.ID == id && found.Name == "keeper-live-old" && len(found.Anonymous) == 1 {
			volume = found.Anonymous[0].Volume
		}
	}
	must(c.Remove(ctx, id))
	if _, err := c.State(ctx, id); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v", err)
	}
	v, ok, err := c.VolumeInfo(ctx, volume)
	must(err)
	if !ok || !v.Anonymous {
		t.Errorf("the anonymous volume %q went with its container", volume)
	}
	must(c.RemoveVolume(ctx, volume))
}

func TestLiveSecret(t *testing.T) {
	c, ctx := live(t), t.Context()
	const name = "keeper-live-secret"
	if err := c.CreateSecret(ctx, name, strings.NewReader("a\nb")); err != nil {
		t.Fatal(err)
	}
	if err := c.CreateSecret(ctx, name, strings.NewReader("c")); err == nil {
		t.Error("it was overwritten")
	}
	if ok, err := c.SecretExists(ctx, name); !ok || err != nil {
		t.Errorf("%v %v", ok, err)
	}
	if err := c.RemoveSecret(ctx, name); err != nil {
		t.Error(err)
	}
	if ok, err := c.SecretExists(ctx, name); ok || err != nil {
		t.Errorf("%v %v", ok, err)
	}
	if err := c.RemoveSecret(ctx, name); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v", err)
	}
}

func TestLivePrime(t *testing.T) {
	c, ctx := live(t), t.Context()
	for name, in := range map[string]struct{ image, user, target string }{
		"an empty directory": {"docker.io/library/postgres:17", "", "/var/lib/postgresql/data"},
		"with files":         {"docker.io/library/debian:trixie-slim", "1000", "/etc"},
		"root":               {"docker.io/library/debian:trixie-slim", "", "/nowhere"},
	} {
		spec := specgen.NewSpecGenerator(in.image, false)
		spec.Name, spec.User = "keeper-live-prime", in.user
		t.Run(name, func(t *testing.T) {
			id := c.make(t, spec)
			const volume = "keeper-live-volume"
			if err := c.CreateVolume(ctx, volume, map[string]string{"keeper": "test"}); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := c.RemoveVolume(context.Background(), volume); err != nil {
					t.Error(err)
				}
			})
			began := time.Now()
			if err := c.PrimeVolume(ctx, id, volume, in.target); err != nil {
				t.Fatal(err)
			}
			v, ok, err := c.VolumeInfo(ctx, volume)
			t.Logf("%v in %s: copy up %v, chown %v", ok, time.Since(began), v.NeedsCopyUp, v.NeedsChown)
			if err != nil || !ok {
				t.Error(ok, err)
			}
			s, err := c.Survey(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, left := range s.Volumes {
				if len(left.UsedBy) > 0 && left.Name == volume {
					t.Errorf("%s is still used by %v", volume, left.UsedBy)
				}
			}
		})
	}
}
