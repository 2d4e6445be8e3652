package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// adoptHost boots a host whose stack was started by hand in a login session:
// plain podman run, PostgreSQL on an anonymous volume. keeper is installed.
func adoptHost(t *testing.T, name string) *Host {
	t.Helper()
	h := testHost(t, Options{Name: name, Images: true})
	ctx := within(t, 3*time.Minute)
	if err := h.Linger(ctx); err != nil {
		t.Fatal(err)
	}
	if err := h.copyDemo(ctx, "/home/"+User+"/demo"); err != nil {
		t.Fatal(err)
	}
	install(t, h)
	must[string](t)(h.UserOutput(ctx, "systemctl", "--user", "start", "podman.socket"))
	return h
}

// startByHand starts the stack as somebody does who has no units.
func startByHand(t *testing.T, h *Host) {
	t.Helper()
	ctx := within(t, 3*time.Minute)
	var out strings.Builder
	if err := h.Run(ctx, Exec{User: User, Login: true, Stdout: &out, Stderr: &out}, "sh", "demo/run.sh"); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	if err := h.WaitReady(ctx, time.Minute); err != nil {
		t.Fatal(err)
	}
}

// written writes entries to the ledger and returns what was acknowledged.
func written(t *testing.T, h *Host) []int64 {
	t.Helper()
	w := h.StartWriter(t.Context())
	if err := w.WaitAcked(within(t, time.Minute), 20); err != nil {
		t.Fatal(err)
	}
	acked, _ := w.Stop()
	return acked
}

// noneLost checks that each store holds every acknowledged entry.
func noneLost(t *testing.T, h *Host, acked []int64) {
	t.Helper()
	held := must[map[string][]int64](t)(h.Ledger(within(t, time.Minute)))
	lost := must[map[string][]int64](t)(Lost(acked, held))
	for store, numbers := range lost {
		t.Errorf("%s lost %d of %d acknowledged entries: %v", store, len(numbers), len(acked), numbers)
	}
}

// terminated strikes the founding blow and waits for the next life of the user
// manager.
func terminated(t *testing.T, h *Host) {
	t.Helper()
	ctx := within(t, time.Minute)
	before := managerLife(ctx, h)
	must[string](t)(h.Output(ctx, "loginctl", "terminate-user", User))
	await(t, 40*time.Second, "another user manager", func(ctx context.Context) bool {
		id := managerLife(ctx, h)
		return id != "" && id != before
	})
	if err := h.WaitUserManager(ctx); err != nil {
		t.Fatal(err)
	}
}

func managerLife(ctx context.Context, h *Host) string {
	out, _ := h.Output(ctx, "systemctl", "show", "--value", "--property=InvocationID", fmt.Sprintf("user@%d.service", UID))
	return strings.TrimSpace(out)
}

// backWithAll waits until the stack answers, and looks for lost entries.
func backWithAll(t *testing.T, h *Host, acked []int64) {
	t.Helper()
	if err := h.WaitReady(within(t, time.Minute), time.Minute); err != nil {
		t.Fatalf("%v\n%s", err, diagnosis(h))
	}
	noneLost(t, h, acked)
}

// onHost runs a shell script as the account.
func onHost(t *testing.T, h *Host, script string) string {
	t.Helper()
	return must[string](t)(h.UserOutput(within(t, 3*time.Minute), "bash", "-ec", script))
}

// containersOf lists the account's containers: name, id, state.
func containersOf(t *testing.T, h *Host) string {
	t.Helper()
	return onHost(t, h, `podman ps -a --no-trunc --sort names --format '{{.Names}} {{.ID}} {{.State}}' 2>/dev/null`)
}

// unitFiles lists the Quadlet files with their check sums and times.
func unitFiles(t *testing.T, h *Host) string {
	t.Helper()
	return onHost(t, h, `cd .config/containers/systemd 2>/dev/null || exit 0; find . -type f -printf '%p %m %T@ ' -exec sh -c 'sha256sum <"$1"' - {} \; | sort`)
}

// adoption is what keeper adopt --json says.
type adoption struct {
	Items []struct{ Container, Unit, State, Do string }
	Files []struct{ Path, State string }
	Stops []struct{ Unit, Field, Text, Try, Accept string }
	Notes []struct{ Unit, Field, Level, Text string }

	Changed bool
	AwayMS  map[string]int64 `json:"away_ms"`
}

// adoptJSON runs keeper adopt --json; failing is for the caller to judge.
func adoptJSON(t *testing.T, h *Host, args ...string) (adoption, error) {
	t.Helper()
	out, err := keeper(within(t, 4*time.Minute), h, append([]string{"adopt", "--json"}, args...)...)
	var a adoption
	// What is said on stderr stands around it.
	from, to := strings.Index(out, "{\n"), strings.LastIndex(out, "}\n")
	if from >= 0 && to > from {
		if jerr := json.Unmarshal([]byte(out[from:to+1]), &a); jerr != nil {
			t.Fatalf("%v: %s", jerr, out)
		}
	}
	return a, err
}

// TestAdopt is the round trip: a stack that was started by hand is adopted, and
// what killed it before does not any more.
func TestAdopt(t *testing.T) {
	t.Parallel()
	h := adoptHost(t, "adopt")
	startByHand(t, h)
	acked := written(t, h)

	t.Run("control: without units the stack dies with its session", func(t *testing.T) {
		terminated(t, h)
		// Everything that is to come back by itself has been started by now.
		if up := onHost(t, h, "podman ps -q 2>/dev/null"); up != "" {
			t.Fatalf("containers came back without units: %s", up)
		}
		if err := h.Ready(within(t, 10*time.Second)); err == nil {
			t.Fatal("the stack answers")
		}
		onHost(t, h, "podman start postgres redis minio django; systemctl --user start podman.socket")
		backWithAll(t, h, acked)
	})

	t.Run("adopted", func(t *testing.T) {
		w := h.StartWriter(t.Context())
		if err := w.WaitAcked(within(t, time.Minute), 5); err != nil {
			t.Fatal(err)
		}
		a, err := adoptJSON(t, h, "--all", "--apply")
		if err != nil {
			t.Fatalf("%v: %+v", err, a.Stops)
		}
		t.Logf("away, in ms: %v", a.AwayMS)
		more, failed := w.Stop()
		acked = append(acked, more...)
		t.Logf("%d entries acknowledged, %d requests failed while the stack was taken over", len(more), failed)
		backWithAll(t, h, acked)
		for _, s := range Services {
			out := onHost(t, h, "podman inspect "+s+" --format '{{index .Config.Labels \"PODMAN_SYSTEMD_UNIT\"}}'")
			if strings.TrimSpace(out) != s+".service" {
				t.Errorf("%s is of the unit %q", s, out)
			}
		}
		// The anonymous volume is gone, and its data has a name.
		if out := onHost(t, h, "podman volume ls -q"); !strings.Contains(out, "postgres-data") || len(strings.Fields(out)) != 4 {
			t.Errorf("volumes: %s", out)
		}
		if out := containersOf(t, h); strings.Contains(out, "before-keeper") || len(strings.Fields(out)) != 12 {
			t.Errorf("containers: %s", out)
		}
	})

	t.Run("adopted twice", func(t *testing.T) {
		files, containers := unitFiles(t, h), containersOf(t, h)
		a, err := adoptJSON(t, h, "--all", "--apply")
		if err != nil || a.Changed {
			t.Errorf("%v, changed: %v", err, a.Changed)
		}
		if now := unitFiles(t, h); now != files {
			t.Errorf("files changed:\n%s\n%s", files, now)
		}
		if now := containersOf(t, h); now != containers {
			t.Errorf("containers changed:\n%s\n%s", containers, now)
		}
	})

	t.Run("terminate-user", func(t *testing.T) {
		terminated(t, h)
		backWithAll(t, h, acked)
		// And once more, now that each volume has been through a stop of its unit.
		more := written(t, h)
		onHost(t, h, "systemctl --user stop django postgres redis minio; systemctl --user start django")
		backWithAll(t, h, append(acked, more...))
	})
}

// TestAdoptCompose is the same by a Compose file of the same stack.
func TestAdoptCompose(t *testing.T) {
	t.Parallel()
	h := adoptHost(t, "compose")
	startByHand(t, h)
	acked := written(t, h)
	file := "/home/" + User + "/demo/compose/compose.yaml"

	a, err := adoptJSON(t, h, "--compose", file, "--apply")
	if err != nil {
		t.Fatalf("%v: %+v", err, a.Stops)
	}
	t.Logf("away, in ms: %v", a.AwayMS)
	backWithAll(t, h, acked)
	if out := onHost(t, h, "systemctl --user show --value -p TimeoutStartUSec postgres; cat .config/containers/systemd/postgres.container"); !strings.Contains(out, "Notify=healthy") {
		t.Errorf("nothing waits until PostgreSQL is healthy: %s", out)
	}
	terminated(t, h)
	backWithAll(t, h, acked)

	t.Run("again", func(t *testing.T) {
		files, containers := unitFiles(t, h), containersOf(t, h)
		onHost(t, h, "systemctl --user start podman.socket")
		if a, err := adoptJSON(t, h, "--compose", file, "--apply"); err != nil || a.Changed {
			t.Errorf("%v, changed: %v", err, a.Changed)
		}
		if unitFiles(t, h) != files || containersOf(t, h) != containers {
			t.Error("something changed")
		}
	})

	t.Run("the file changes", func(t *testing.T) {
		before := containersOf(t, h)
		onHost(t, h, `sed -i 's|^    container_name: redis|&\n    labels: {team: ledger}|' `+file)
		drift := onHost(t, h, ".local/bin/keeper-adopt drift")
		if !strings.Contains(drift, "redis.service, Label: the unit says nothing, the compose team=ledger") {
			t.Errorf("drift: %s", drift)
		}
		if out, _ := keeper(within(t, 30*time.Second), h, "doctor"); !strings.Contains(out, "redis") || !strings.Contains(out, "Label") {
			t.Errorf("the doctor does not tell: %s", out)
		}
		a, err := adoptJSON(t, h, "--compose", file, "--apply")
		if err != nil {
			t.Fatalf("%v: %+v", err, a.Stops)
		}
		backWithAll(t, h, acked)
		if out := onHost(t, h, "podman inspect redis --format '{{index .Config.Labels \"team\"}}'"); strings.TrimSpace(out) != "ledger" {
			t.Errorf("the container has the label %q", out)
		}
		for line := range strings.Lines(before) {
			if name := strings.Fields(line)[0]; (name == "postgres" || name == "minio") && !strings.Contains(containersOf(t, h), strings.TrimSpace(line)) {
				t.Errorf("%s was restarted, though nothing of it changed", name)
			}
		}
		if drift := onHost(t, h, ".local/bin/keeper-adopt drift"); drift != "" {
			t.Errorf("drift is left: %s", drift)
		}
	})
}
