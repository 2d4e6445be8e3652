package units

import (
	"strings"
	"testing"
	"time"

	"keeper/internal/core"
)

func TestTerms(t *testing.T) {
	t.Parallel()
	m := startManager(t)
	c := dial(t, m)
	for name, tt := range map[string]struct {
		unit, service map[string]any
		want          core.Terms
	}{
		"all": {
			map[string]any{"StartLimitBurst": uint32(5), "StartLimitIntervalUSec": uint64(10e6), "TriggeredBy": []string{"a.timer"}},
			map[string]any{"Restart": "always", "RestartUSec": uint64(100e3), "ExecStart": []execRow{commandLine("podman run --rm -d --stop-timeout 75 --name db image --stop-timeout 5")}},
			core.Terms{Restart: "always", RestartWait: 100 * time.Millisecond, StartLimit: 5, StartWindow: 10 * time.Second, Grace: 75 * time.Second, Triggered: true},
		},
		"joined": {nil, map[string]any{"Restart": "no", "ExecStart": []execRow{commandLine("podman --log-level error run --replace --stop-timeout=3 -- image")}},
			core.Terms{Restart: "no", Grace: 3 * time.Second}},
		"nothing said": {nil, map[string]any{"Restart": "no", "ExecStart": []execRow{commandLine("podman run -d image")}}, core.Terms{Restart: "no", Grace: 10 * time.Second}},
		"nonsense":     {nil, map[string]any{"ExecStart": []execRow{commandLine("podman run --stop-timeout x -d image")}}, core.Terms{Grace: 10 * time.Second}},
		"no end of it": {map[string]any{"StartLimitIntervalUSec": ^uint64(0)}, map[string]any{"ExecStart": []execRow{commandLine("podman pod start")}}, core.Terms{StartWindow: 24 * time.Hour}},
	} {
		unit := strings.ReplaceAll(name, " ", "-") + ".service"
		m.quadlet(unit, "/q/"+unit+".container")
		m.put(unit, tt.unit)
		m.with(func() { m.units[unitPath(unit)].service = tt.service })
		if got, err := c.Survey(t.Context()); err != nil || got.Terms[unit] != tt.want {
			t.Errorf("%s: got %+v, %v; want %+v", name, got.Terms[unit], err, tt.want)
		}
	}
	m.put("on.service", map[string]any{"UnitFileState": "enabled"})
	m.put("off.service", map[string]any{"UnitFileState": "disabled"})
	for unit, want := range map[string]bool{"on.service": true, "off.service": false, "none.service": false} {
		if got, err := c.EnabledFile(t.Context(), unit); err != nil || got != want {
			t.Errorf("%s is enabled: %v, %v", unit, got, err)
		}
	}
	m.with(func() { m.deny["GetAll"] = true })
	if _, err := c.EnabledFile(t.Context(), "on.service"); err == nil {
		t.Error("a manager that says no")
	}
}
