package lab

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"keeper/internal/core"
)

// TestAdoptDaemon is about what the daemon does by itself with a container that
// has no unit.
func TestAdoptDaemon(t *testing.T) {
	t.Parallel()
	h := adoptHost(t, "unkept")
	ctx := within(t, 5*time.Minute)
	unkept := func(name string) bool {
		return slices.ContainsFunc(status(t, h).Unkept, func(u core.Unkept) bool { return u.Name == name })
	}
	run := func(t *testing.T, name, options string) time.Time {
		t.Helper()
		var out strings.Builder
		if err := h.Run(ctx, Exec{User: User, Login: true, Stdout: &out, Stderr: &out}, "bash", "-c", fmt.Sprintf("podman run -d --pull never --name %s %s %s %s", name, options, debian, lasting)); err != nil {
			t.Fatalf("%v: %s", err, out.String())
		}
		return time.Now()
	}

	t.Run("proposed", func(t *testing.T) {
		begin := run(t, "byhand", "")
		await(t, 2*time.Second, "the status has the container", func(context.Context) bool { return unkept("byhand") })
		t.Logf("in the status %s after it had started", time.Since(begin).Round(10*time.Millisecond))
		out, err := keeper(ctx, h, "status")
		if err == nil || !strings.Contains(out, "keeper adopt byhand") {
			t.Errorf("%v: the status does not say what to type: %s", err, out)
		}
		if _, err := adoptJSON(t, h, "byhand", "--apply"); err != nil {
			t.Fatal(err)
		}
		await(t, 5*time.Second, "the status has it no more", func(context.Context) bool { return !unkept("byhand") })
	})

	t.Run("auto", func(t *testing.T) {
		onHost(t, h, `mkdir -p .config/keeper; echo 'adopt = "auto"' >.config/keeper/keeper.toml; systemctl --user restart keeper; systemctl --user start podman.socket`)
		run(t, "later", "--restart=always")
		id := onHost(t, h, "podman inspect later --format '{{.Id}} {{.State.Pid}}'")
		file := ".config/containers/systemd/later.container"
		// It waits until it is half a minute old.
		await(t, time.Minute, "its unit is written", func(ctx context.Context) bool {
			_, err := h.UserOutput(ctx, "test", "-s", file)
			return err == nil
		})
		// What would need more than a file is refused.
		run(t, "holds", "--volume /data")
		await(t, time.Minute, "the status tells why there is no unit", func(ctx context.Context) bool {
			out, _ := keeper(ctx, h, "status")
			return strings.Contains(out, "anonymous volume")
		})
		if out, err := h.UserOutput(ctx, "test", "-e", ".config/containers/systemd/holds.container"); err == nil {
			t.Errorf("a unit was written that would lose the volume: %s", out)
		}
		if now := onHost(t, h, "podman inspect later --format '{{.Id}} {{.State.Pid}}'; systemctl --user is-active later || true"); now != id+"inactive\n" {
			t.Errorf("the container was touched: it was %s and is %s", id, now)
		}
		onHost(t, h, "podman exec later sh -c 'echo precious >/srv/upload'")
		// The next start is the founding blow's.
		terminated(t, h)
		await(t, 20*time.Second, "it is back, by its unit", func(context.Context) bool {
			return strings.TrimSpace(onHost(t, h, "systemctl --user is-active later || true")) == "active"
		})
		// What it has written since, outside any volume, is not gone with it.
		if out := onHost(t, h, "podman cp later-before-keeper:/srv/upload - | tar -xO; podman inspect later-before-keeper --format '{{.HostConfig.RestartPolicy.Name}}'"); out != "precious\nno\n" {
			t.Errorf("the old container: %q", out)
		}
		await(t, 20*time.Second, "both run, and nothing else", func(context.Context) bool {
			return onHost(t, h, "podman ps --format '{{.Names}}' 2>/dev/null | sort") == "byhand\nlater\n"
		})
	})

	t.Run("drift", func(t *testing.T) {
		onHost(t, h, `systemctl --user start podman.socket; podman network create other >/dev/null; podman network create own >/dev/null
			podman run -d --pull never --network own --name linked `+debian+` `+lasting)
		if _, err := adoptJSON(t, h, "linked", "--apply"); err != nil {
			t.Fatal(err)
		}
		onHost(t, h, "podman network connect other linked")
		if out, _ := keeper(ctx, h, "doctor"); !strings.Contains(out, "linked") || !strings.Contains(out, "other") {
			t.Errorf("the doctor does not tell: %s", out)
		}
		// What is in the unit and not yet in force.
		onHost(t, h, "sed -i 's/^ContainerName=.*/&\\nLabel=team=a/' .config/containers/systemd/linked.container; systemctl --user daemon-reload")
		if out := onHost(t, h, ".local/bin/keeper-adopt drift"); !strings.Contains(out, "linked.service, label: the unit says team=a, the container nothing") {
			t.Errorf("drift: %s", out)
		}
		// The daemon looks by itself, once all is up.
		onHost(t, h, "systemctl --user restart keeper")
		took := await(t, 90*time.Second, "the status tells", func(ctx context.Context) bool {
			out, _ := keeper(ctx, h, "status")
			return strings.Contains(out, "team=a")
		})
		t.Logf("in the status after %s", took.Round(time.Second))
	})

	t.Run("off", func(t *testing.T) {
		onHost(t, h, `echo 'adopt = "off"' >.config/keeper/keeper.toml; systemctl --user restart keeper`)
		run(t, "quiet", "")
		// As long as it may take where it is looked for.
		time.Sleep(3 * time.Second) // nothing can be awaited: it is that nothing is said
		if unkept("quiet") {
			t.Error("it is in the status though adopt is off")
		}
	})
}
