package lab

import (
	"context"
	"strings"
	"testing"
	"time"

	"keeper/internal/core"
)

// picky runs by hand, and ends at once in a unit of Quadlet's: it looks at its
// cgroup.
const picky = `podman run -d --pull never --restart=always --cgroupns=host --name picky docker.io/library/debian:trixie-slim sh -c '
	grep -q libpod-payload /proc/self/cgroup && exit 3; trap "exit 0" TERM; while :; do sleep 0.1; done'`

// restartPolicies are those of the containers, by name.
func restartPolicies(t *testing.T, h *Host) string {
	t.Helper()
	return onHost(t, h, `podman inspect django minio picky postgres redis --format '{{.Name}} {{.HostConfig.RestartPolicy.Name}}'`)
}

// TestAdoptFails has one unit of several fail, and then has the adoption itself
// die in the middle: what ran before runs again, with nothing lost.
func TestAdoptFails(t *testing.T) {
	t.Parallel()
	h := adoptHost(t, "undo")
	startByHand(t, h)
	onHost(t, h, picky)
	acked := written(t, h)
	before, volumes, policies := containersOf(t, h), onHost(t, h, "podman volume ls -q | sort"), restartPolicies(t, h)
	unchanged := func(t *testing.T) {
		t.Helper()
		backWithAll(t, h, acked)
		await(t, 10*time.Second, "the old containers run again", func(context.Context) bool { return containersOf(t, h) == before })
		if now := onHost(t, h, "podman volume ls -q | sort"); now != volumes {
			t.Errorf("the volumes were\n%sand are\n%s", volumes, now)
		}
		if policies == "" {
		} else if now := restartPolicies(t, h); now != policies {
			t.Errorf("the restart policies were\n%sand are\n%s", policies, now)
		}
		if now := unitFiles(t, h); now != "" {
			t.Errorf("files are left: %s", now)
		}
		// The half of a write that a SIGKILL hit is swept away by a later one.
		if now := onHost(t, h, "ls -A -I '.adoption.json.*' .local/state/keeper .config/containers/systemd"); strings.Contains(now, "adoption.json") || strings.Contains(now, ".keeper") {
			t.Errorf("something is left: %s", now)
		}
	}

	t.Run("a unit that does not stay up", func(t *testing.T) {
		out, err := keeper(within(t, 4*time.Minute), h, "adopt", "--all", "--apply")
		if err == nil || !strings.Contains(out, "picky.service") || !strings.Contains(out, "everything is as it was before") {
			t.Errorf("%v: %s", err, out)
		}
		unchanged(t)
	})

	t.Run("a file that cannot be written", func(t *testing.T) {
		onHost(t, h, "mkdir -p .config/containers/systemd; chmod 500 .config/containers/systemd")
		out, err := keeper(within(t, time.Minute), h, "adopt", "redis", "--apply")
		if err == nil || !strings.Contains(out, "permission denied") || !strings.Contains(out, ".config/containers/systemd") {
			t.Errorf("%v: %s", err, out)
		}
		onHost(t, h, "chmod 700 .config/containers/systemd")
		unchanged(t)
	})

	t.Run("a full disk", func(t *testing.T) {
		dir := "/home/" + User + "/.config/containers/systemd"
		must[string](t)(h.Output(t.Context(), "sh", "-ec", "mount -t tmpfs -o size=64k,mode=700,uid=1000,gid=1000 full "+dir+"; head -c 64k /dev/zero >"+dir+"/ballast 2>/dev/null || true"))
		lives := onHost(t, h, "podman inspect redis django --format '{{.State.StartedAt}}'")
		out, err := keeper(within(t, time.Minute), h, "adopt", "redis", "django", "--apply")
		if err == nil || !strings.Contains(out, "disk is full") {
			t.Errorf("%v: %s", err, out)
		}
		if now := onHost(t, h, "podman inspect redis django --format '{{.State.StartedAt}}'"); now != lives {
			t.Error("containers were stopped for units that could not be written")
		}
		must[string](t)(h.Output(t.Context(), "umount", dir))
		unchanged(t)
	})

	onHost(t, h, "podman rm -f -t 0 picky")
	before, policies = containersOf(t, h), ""
	for _, c := range []struct {
		name, when string
		forward    bool
	}{
		{name: "killed while it stops the containers", when: `"olds":`},
		{name: "killed once the data has moved", when: `"moves":`},
		{name: "killed once the files are written", when: `"complete": true`, forward: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			more := written(t, h)
			acked = append(acked, more...)
			onHost(t, h, "systemctl --user start podman.socket")
			struck := onHost(t, h, `.local/bin/keeper adopt --all --apply >/dev/null 2>&1 & pid=$!
				while kill -0 $pid 2>/dev/null && ! grep -qE '`+c.when+`' .local/state/keeper/adoption.json 2>/dev/null; do sleep 0.01; done
				kill -KILL $pid; wait $pid || echo "status $?"; ls .local/state/keeper`)
			if !strings.Contains(struck, "status 137") || !strings.Contains(struck, "adoption.json") {
				t.Fatalf("the blow did not fall in the middle of it: %s", struck)
			}
			await(t, 10*time.Second, "the status tells that an adoption was interrupted", func(context.Context) bool {
				return status(t, h).Adoption == core.AdoptionInterrupted
			})
			// The founding blow on top of it, and nobody there to type anything.
			terminated(t, h)
			await(t, 2*time.Minute, "the adoption is settled", func(ctx context.Context) bool {
				_, err := h.UserOutput(ctx, "test", "!", "-e", ".local/state/keeper/adoption.json")
				return err == nil
			})
			backWithAll(t, h, acked)
			t.Logf("settled:\n%s", containersOf(t, h))
			if !c.forward {
				unchanged(t)
			} else if out := containersOf(t, h); strings.Contains(out, "before-keeper") || len(unitFiles(t, h)) == 0 {
				t.Errorf("it did not go on to the end: %s", out)
			}
		})
	}
}
