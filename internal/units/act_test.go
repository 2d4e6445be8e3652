package units

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// acts are the calls, in their order, that change something.
func (m *manager) acts() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(m.log), func(call string) bool {
		return !strings.HasPrefix(call, "Start") && !strings.HasPrefix(call, "Restart") && !strings.HasPrefix(call, "TryRestart") && !strings.HasPrefix(call, "Stop") && !strings.HasPrefix(call, "Reset")
	})
}

func TestLife(t *testing.T) {
	t.Parallel()
	m := startManager(t)
	m.started = 12_345_678
	c := dial(t, m)
	if got, err := c.Life(t.Context()); err != nil || got != 12345678*time.Microsecond {
		t.Errorf("got %v, %v", got, err)
	}
	m.with(func() { m.deny["Get"] = true })
	if got, err := c.Life(t.Context()); err == nil || got != 0 {
		t.Errorf("a manager that says no: %v, %v", got, err)
	}
}

// All start limits are forgotten before the first start: systemd pulls in what
// a unit needs, and that may have failed too.
func TestStart(t *testing.T) {
	t.Parallel()
	m := twoUnits(t)
	c := dial(t, m)
	if err := c.Start(t.Context(), []string{"redis.service", "postgres.service"}); err != nil {
		t.Fatal(err)
	}
	want := []string{"ResetFailedUnit redis.service", "ResetFailedUnit postgres.service", "StartUnit redis.service", "StartUnit postgres.service"}
	if got := m.acts(); !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	// What is not loaded has nothing to forget, and can be started all the same.
	if err := c.Start(t.Context(), []string{"new.service"}); err != nil || m.calls("StartUnit new.service") != 1 {
		t.Errorf("a unit that is not loaded yet: %v", err)
	}
	// One that cannot be started does not keep the others from it.
	m.with(func() { m.deny["StartUnit redis.service"], m.deny["ResetFailedUnit postgres.service"] = true, true })
	before := m.calls("StartUnit postgres.service")
	err := c.Start(t.Context(), []string{"redis.service", "postgres.service"})
	if err == nil || !strings.Contains(err.Error(), "cannot start redis.service: ") || !strings.Contains(err.Error(), "cannot reset postgres.service: ") {
		t.Errorf("got %v, want both named", err)
	}
	if m.calls("StartUnit postgres.service") != before+1 {
		t.Error("postgres was not started")
	}
	if err := c.Start(t.Context(), nil); err != nil {
		t.Errorf("nothing to start: %v", err)
	}
}

func TestRestart(t *testing.T) {
	t.Parallel()
	m := twoUnits(t)
	c := dial(t, m)
	both := []string{"redis.service", "postgres.service"}
	if err := c.Restart(t.Context(), both, []string{"stack-network.service"}, false); err != nil {
		t.Fatal(err)
	}
	want := []string{"ResetFailedUnit redis.service", "ResetFailedUnit postgres.service", "ResetFailedUnit stack-network.service", "RestartUnit redis.service", "RestartUnit postgres.service"}
	if got := m.acts(); !slices.Equal(got, want) || m.modes["redis.service"] != "replace" {
		t.Errorf("got  %v, %v\nwant %v", got, m.modes, want)
	}
	m.with(func() { m.deny["RestartUnit redis.service"] = true })
	before := m.calls("RestartUnit postgres.service")
	err := c.Restart(t.Context(), both, nil, false)
	if err == nil || !strings.Contains(err.Error(), "cannot restart redis.service: ") || m.calls("RestartUnit postgres.service") != before+1 {
		t.Errorf("got %v, want one named and the other restarted", err)
	}

	// That is what a restart is judged by, not what it had to forget.
	m.with(func() { m.deny["ResetFailedUnit postgres.service"] = true })
	if err := c.Restart(t.Context(), []string{"postgres.service"}, nil, false); err != nil {
		t.Errorf("it was restarted: %v", err)
	}
	if err := c.Restart(t.Context(), both, nil, false); err == nil || !strings.Contains(err.Error(), "cannot reset postgres.service: ") {
		t.Errorf("one was not restarted: %v", err)
	}

	// What somebody stopped meanwhile is not started, nor is its stop called off.
	before = len(m.acts())
	if err := c.Restart(t.Context(), []string{"redis.service"}, nil, true); err != nil {
		t.Fatal(err)
	}
	want = []string{"ResetFailedUnit redis.service", "TryRestartUnit redis.service"}
	if got := m.acts()[before:]; !slices.Equal(got, want) || m.modes["redis.service"] != "fail" {
		t.Errorf("of what runs: got %v, %v\nwant %v", got, m.modes, want)
	}
}

// The default target that systemctl isolate took down is up again afterwards, but
// what it wants is not started by that: a person may have stopped it.
func TestStartAfterAnIsolation(t *testing.T) {
	t.Parallel()
	m := twoUnits(t)
	c := dial(t, m)
	job := struct {
		ID   uint32
		Path dbus.ObjectPath
	}{900, "/org/freedesktop/systemd1/job/900"}
	for name, tt := range map[string]struct {
		target map[string]any
		names  []string
		want   string
	}{
		"down":                {map[string]any{"ActiveState": "inactive"}, []string{"redis.service"}, "StartUnit default.target ignore-dependencies"},
		"down and nothing to": {map[string]any{"ActiveState": "inactive"}, nil, ""},
		"up":                  {map[string]any{"ActiveState": "active"}, []string{"redis.service"}, "StartUnit redis.service replace"},
		"on its way":          {map[string]any{"ActiveState": "inactive", "Job": job}, []string{"redis.service"}, "StartUnit redis.service replace"},
	} {
		m.with(func() { m.target, m.log = tt.target, nil })
		if err := c.Start(t.Context(), tt.names); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		last := ""
		if acts := m.acts(); len(acts) > 0 {
			last = acts[len(acts)-1]
		}
		m.with(func() {
			if last != "" {
				last += " " + m.modes[strings.Fields(last)[1]]
			}
		})
		if last != tt.want {
			t.Errorf("%s: the last act is %q, want %q", name, last, tt.want)
		}
	}
	m.with(func() { m.target, m.deny["StartUnit default.target"] = map[string]any{"ActiveState": "inactive"}, true })
	if err := c.Start(t.Context(), []string{"redis.service"}); err == nil || !strings.Contains(err.Error(), "cannot start default.target: ") {
		t.Errorf("the target cannot be started: %v", err)
	}
}

// Start does not wait for the jobs: a database may take minutes.
func TestStartQueuesOnly(t *testing.T) {
	t.Parallel()
	m := twoUnits(t)
	m.results["redis.service"] = ""
	c := dial(t, m)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := c.Start(ctx, []string{"redis.service"}); err != nil {
		t.Error(err)
	}
}

func TestStop(t *testing.T) {
	t.Parallel()
	m := twoUnits(t)
	c := dial(t, m)
	if err := c.Stop(t.Context(), []string{"redis.service", "postgres.service"}); err != nil {
		t.Fatal(err)
	}
	if got, want := m.acts(), []string{"StopUnit redis.service", "StopUnit postgres.service"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if err := c.Stop(t.Context(), nil); err != nil {
		t.Errorf("nothing to stop: %v", err)
	}
	// One that cannot be stopped does not keep the others from it.
	m.with(func() { m.deny["StopUnit redis.service"] = true })
	err := c.Stop(t.Context(), []string{"redis.service", "postgres.service"})
	if err == nil || !strings.Contains(err.Error(), "cannot stop redis.service: ") || m.calls("StopUnit postgres.service") != 2 {
		t.Errorf("got %v", err)
	}
	// Somebody started it again meanwhile.
	m.with(func() { m.results["postgres.service"] = "canceled" })
	if err := c.Stop(t.Context(), []string{"postgres.service"}); err == nil || !strings.Contains(err.Error(), "postgres.service") || !strings.Contains(err.Error(), "canceled") {
		t.Errorf("a stop that was canceled: %v", err)
	}
}

// A container that ignores SIGTERM holds nobody up for longer than was said, nor
// the connection afterwards.
func TestStopWithoutAnEnd(t *testing.T) {
	t.Parallel()
	m := twoUnits(t)
	m.results["redis.service"] = ""
	c := dial(t, m)
	// Within this time the other has to be stopped, however busy the machine is.
	const limit = 3 * time.Second
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	begun := time.Now()
	err := c.Stop(ctx, []string{"redis.service", "postgres.service"})
	if err == nil || !strings.Contains(err.Error(), "redis.service") || strings.Contains(err.Error(), "postgres.service") || !strings.Contains(err.Error(), "in time") {
		t.Errorf("got %v, want redis.service alone to be late", err)
	}
	if took := time.Since(begun); took < limit-100*time.Millisecond || took > patience {
		t.Errorf("it took %v", took)
	}
	// The job ends at last, when nobody listens any more.
	m.signal(1, "/org/freedesktop/systemd1", managerIf, "JobRemoved", uint32(1),
		dbus.ObjectPath("/org/freedesktop/systemd1/job/1"), "redis.service", "done")
	for range 3 {
		if err := c.Stop(t.Context(), []string{"postgres.service"}); err != nil {
			t.Fatalf("the next stop: %v", err)
		}
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	m := twoUnits(t)
	m.results["redis.service"] = "" // nobody waits for it
	c := dial(t, m)
	if err := c.Cancel(t.Context(), "redis.service"); err != nil || m.calls("StopUnit redis.service") != 1 {
		t.Errorf("got %v", err)
	}
	m.with(func() { m.deny["StopUnit"] = true })
	if err := c.Cancel(t.Context(), "redis.service"); err == nil || !strings.Contains(err.Error(), "redis.service") {
		t.Errorf("a manager that says no: %v", err)
	}
}

// execLine is one of ExecStart as StartTransientUnit takes it: (sasb).
type execLine struct {
	Path   string
	Argv   []string
	Ignore bool
}

func TestRunTransient(t *testing.T) {
	t.Parallel()
	m := startManager(t)
	c := dial(t, m)
	argv := []string{"/usr/bin/podman", "network", "reload", "--all"}
	if err := c.RunTransient(t.Context(), "x.service", "a description", argv); err != nil {
		t.Fatal(err)
	}
	var name, mode string
	var props []struct {
		Name  string
		Value dbus.Variant
	}
	m.with(func() {
		if err := dbus.Store(m.transient[:3], &name, &mode, &props); err != nil {
			t.Error(err)
		}
	})
	got := map[string]dbus.Variant{}
	for _, p := range props {
		got[p.Name] = p.Value
	}
	var lines []execLine
	if err := got["ExecStart"].Store(&lines); err != nil || !reflect.DeepEqual(lines, []execLine{{argv[0], argv, false}}) {
		t.Errorf("ExecStart is %v, %v", lines, err)
	}
	for key, want := range map[string]string{
		"Description": "a description",
		"Type":        "oneshot",
		"KillMode":    "process", // a helper that the command started is to stay
		"CollectMode": "inactive-or-failed",
	} {
		if v := got[key].Value(); v != want {
			t.Errorf("%s is %v, want %s", key, v, want)
		}
	}
	if name != "x.service" || mode != "replace" {
		t.Errorf("name %q, mode %q", name, mode)
	}

	for _, result := range []string{"failed", "timeout", "canceled"} {
		m.with(func() { m.results["x.service"] = result })
		err := c.RunTransient(t.Context(), "x.service", "a description", argv)
		if err == nil || !strings.Contains(err.Error(), "a description") || !strings.Contains(err.Error(), result) || !strings.Contains(err.Error(), "x.service") {
			t.Errorf("%s: got %v, want it said, with where to look", result, err)
		}
	}
	m.with(func() { m.results["x.service"] = "" })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.RunTransient(ctx, "x.service", "a description", argv); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a command without an end: %v", err)
	}
	m.with(func() { m.deny["StartTransientUnit"] = true })
	if err := c.RunTransient(t.Context(), "x.service", "a description", argv); err == nil || !strings.Contains(err.Error(), "a description") {
		t.Errorf("a manager that says no: %v", err)
	}
}
