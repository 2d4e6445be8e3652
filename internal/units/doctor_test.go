package units

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"keeper/internal/core"
)

func TestOwnUnit(t *testing.T) {
	t.Parallel()
	m := startManager(t)
	c := dial(t, m)
	dir := t.TempDir()
	program, text := filepath.Join(dir, "keeper"), filepath.Join(dir, "no-program")
	for path, mode := range map[string]os.FileMode{program: 0o755, text: 0o644} {
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	ordered := []string{"shutdown.target", "basic.target", "x.service"}
	whole := map[string]any{
		"ActiveState": "active", "UnitFileState": "enabled", "NeedDaemonReload": false,
		"Before": ordered, "Conflicts": []string{"shutdown.target"},
	}
	for name, tt := range map[string]struct {
		props map[string]any
		stop  []execRow // ExecStop
		want  core.OwnUnit
	}{
		"all well":           {nil, []execRow{commandLine(program + " rearm")}, core.OwnUnit{Active: true, Enabled: true, Ordered: true, Program: program}},
		"stopped":            {map[string]any{"ActiveState": "inactive"}, []execRow{commandLine(program)}, core.OwnUnit{Enabled: true, Ordered: true, Program: program}},
		"on its way down":    {map[string]any{"ActiveState": "deactivating"}, []execRow{commandLine(program)}, core.OwnUnit{Enabled: true, Ordered: true, Program: program}},
		"disabled":           {map[string]any{"UnitFileState": "disabled"}, []execRow{commandLine(program)}, core.OwnUnit{Active: true, Ordered: true, Program: program}},
		"masked":             {map[string]any{"UnitFileState": "masked"}, []execRow{commandLine(program)}, core.OwnUnit{Active: true, Ordered: true, Program: program}},
		"changed on disk":    {map[string]any{"NeedDaemonReload": true}, []execRow{commandLine(program)}, core.OwnUnit{Active: true, Enabled: true, Ordered: true, Stale: true, Program: program}},
		"not before basic":   {map[string]any{"Before": []string{"shutdown.target"}}, []execRow{commandLine(program)}, core.OwnUnit{Active: true, Enabled: true, Program: program}},
		"not before the end": {map[string]any{"Before": []string{"basic.target"}}, []execRow{commandLine(program)}, core.OwnUnit{Active: true, Enabled: true, Program: program}},
		"outlives the end":   {map[string]any{"Conflicts": []string{}}, []execRow{commandLine(program)}, core.OwnUnit{Active: true, Enabled: true, Program: program}},
		"its program went":   {nil, []execRow{commandLine(dir + "/gone rearm")}, core.OwnUnit{Active: true, Enabled: true, Ordered: true, Program: dir + "/gone", Missing: true}},
		"it is no program":   {nil, []execRow{commandLine(text)}, core.OwnUnit{Active: true, Enabled: true, Ordered: true, Program: text, Missing: true}},
		"a stop of nothing":  {nil, []execRow{}, core.OwnUnit{Active: true, Enabled: true, Ordered: true, Missing: true}},
	} {
		m.put(Session, whole)
		m.put(Session, tt.props)
		m.with(func() {
			m.units[unitPath(Session)].service = map[string]any{"ExecStop": tt.stop, "ExecStart": []execRow{commandLine("/bin/false start")}}
		})
		if got, err := c.OwnUnit(t.Context(), Session, true); err != nil || got != tt.want {
			t.Errorf("%s: got %+v, %v; want %+v", name, got, err, tt.want)
		}
	}
	m.put(Daemon, whole)
	m.with(func() {
		m.units[unitPath(Daemon)].service = map[string]any{"ExecStart": []execRow{commandLine(program + " run")}, "ExecStop": []execRow{}}
	})
	if got, err := c.OwnUnit(t.Context(), Daemon, false); err != nil || got.Program != program || got.Missing {
		t.Errorf("by its start: got %+v, %v", got, err)
	}
	if got, err := c.OwnUnit(t.Context(), "nothing.service", false); err != nil || got != (core.OwnUnit{Enabled: true, Missing: true}) {
		t.Errorf("not installed: got %+v, %v", got, err)
	}
	m.with(func() { m.deny["GetAll"] = true })
	if _, err := c.OwnUnit(t.Context(), Session, true); err == nil || !strings.Contains(err.Error(), Session) {
		t.Errorf("a manager that says no: %v", err)
	}
}

// With DefaultDependencies=no a service stops after keeper-session.service does.
func TestEarly(t *testing.T) {
	t.Parallel()
	m := startManager(t)
	c := dial(t, m)
	for name, after := range map[string][]string{
		"db.service": {"basic.target", "data-volume.service"}, "early.service": {"data-volume.service"}, "data-volume.service": {},
	} {
		m.quadlet(name, "/q/"+name+".container")
		m.put(name, map[string]any{"After": after})
	}
	m.put("data-volume.service", map[string]any{"SourcePath": "/q/data.volume"})
	m.with(func() { m.asked = map[string]int{} })
	if got, err := c.Survey(t.Context()); err != nil || len(got.Units) != 3 || got.Units[0].Name != "data-volume.service" || !slices.Equal(got.Early, []string{"early.service"}) {
		t.Errorf("got %+v, %v", got, err)
	}
	m.with(func() {
		n := 0
		for call, times := range m.asked {
			if strings.HasPrefix(call, "GetAll ") {
				n += times
			}
		}
		if n == 0 || n > 6 {
			t.Errorf("the manager was asked %d times about 3 units, and two times each will do: %v", n, m.asked)
		}
		m.deny["GetAll"] = true
	})
	if got, err := c.Survey(t.Context()); err == nil || got.Units != nil {
		t.Errorf("a manager that says no: %v, %v", got, err)
	}
}

func TestLoose(t *testing.T) {
	t.Parallel()
	m := startManager(t)
	c := dial(t, m)
	if got, err := c.Loose(t.Context()); err != nil || got != nil {
		t.Errorf("no scopes: %v, %v", got, err)
	}
	for name, before := range map[string][]string{
		"podman-pause-1.scope": {"basic.target"}, "podman-pause-2.scope": {"shutdown.target"}, "rootless-netns-3.scope": {},
		"libpod-conmon-4.scope": {}, "session-5.scope": {}, "my-podman-pause-6.scope": {},
	} {
		m.put(name, map[string]any{"Before": before})
		m.with(func() { m.scopes = append(m.scopes, name) })
	}
	got, err := c.Loose(t.Context())
	slices.Sort(got)
	if err != nil || !slices.Equal(got, []string{"podman-pause-2.scope", "rootless-netns-3.scope"}) {
		t.Errorf("got %v, %v", got, err)
	}
	for _, member := range []string{"GetAll", "ListUnitsByPatterns"} {
		m.with(func() { m.deny = map[string]bool{member: true} })
		if got, err := c.Loose(t.Context()); err == nil || got != nil {
			t.Errorf("%s is refused: %v, %v", member, got, err)
		}
	}
}
