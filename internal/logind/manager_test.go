package logind

import (
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// execRow is one of Service.ExecStopPost: (sasbttttuii).
type execRow struct {
	Path                                   string
	Argv                                   []string
	Ignore                                 bool
	Started, StartedMono, Ended, EndedMono uint64
	PID                                    uint32
	Code, Status                           int32
}

// command is one of a unit as systemd shows it.
func command(argv ...string) execRow { return execRow{Path: argv[0], Argv: argv, Ignore: true} }

// revive is what root's part adds to user@UID.service.
var revive = command("/usr/bin/systemctl", "--no-block", "--job-mode=fail", "restart", "keeper-revive@1000.service")

// times gives user@1000.service its timestamps, in µs.
func times(p *fake, started, stopping, ended, interval uint64) {
	for name, v := range map[string]uint64{
		"InactiveExitTimestampMonotonic": started, "ActiveExitTimestampMonotonic": stopping,
		"InactiveEnterTimestampMonotonic": ended, "StartLimitIntervalUSec": interval,
	} {
		p.set(fakeUnit, pid1Name+".Unit", name, v)
	}
}

// root gives both units what root's part sets.
func root(p *fake, active string, refuse, refuseDir bool, post ...execRow) {
	if post == nil {
		post = []execRow{} // an array without rows has its type all the same
	}
	p.set(fakeUnit, pid1Name+".Unit", "ActiveState", active)
	p.set(fakeUnit, pid1Name+".Unit", "RefuseManualStop", refuse)
	p.set(fakeUnit, pid1Name+".Service", "ExecStopPost", post)
	p.set(fakeDir, pid1Name+".Unit", "RefuseManualStop", refuseDir)
}

func TestManager(t *testing.T) {
	t.Parallel()
	b := startBus(t)
	p := fakePID1(t, b)
	c := b.dial(t)
	root(p, "active", false, false)
	const s = time.Second
	for _, tt := range []struct {
		name                               string
		started, stopping, ended, interval uint64
		want                               Manager
	}{
		{"the first life", 5_000_000, 0, 0, 10_000_000, Manager{Started: 5 * s, First: true, Interval: 10 * s}},
		{"the first life, stopping", 5_000_000, 7_500_000, 0, 10_000_000,
			Manager{Started: 5 * s, Stopping: 7*s + s/2, First: true, Interval: 10 * s, Left: 7*s + s/2}},
		// Left outlives the life that it ended: it tells when the outage began.
		{"the second life", 20_000_000, 7_500_000, 9_000_000, 10_000_000,
			Manager{Started: 20 * s, Interval: 10 * s, Left: 7*s + s/2}},
		{"the second life, stopping", 20_000_000, 21_000_000, 9_000_000, 10_000_000,
			Manager{Started: 20 * s, Stopping: 21 * s, Interval: 10 * s, Left: 21 * s}},
		{"an interval without end", 5_000_000, 0, 0, 1<<64 - 1, Manager{Started: 5 * s, First: true, Interval: time.Hour}},
		{"no start limit", 5_000_000, 0, 0, 0, Manager{Started: 5 * s, First: true}},
	} {
		times(p, tt.started, tt.stopping, tt.ended, tt.interval)
		tt.want.Active = "active"
		if got, err := c.Manager(t.Context(), 1000); err != nil || got != tt.want {
			t.Errorf("%s: got %+v, %v; want %+v", tt.name, got, err, tt.want)
		}
	}
	if m, err := c.Manager(t.Context(), 4711); err == nil || !strings.Contains(err.Error(), "user@4711.service") {
		t.Errorf("a manager that is not loaded: %+v, %v", m, err)
	}
	p.set(fakeUnit, pid1Name+".Unit", "StartLimitIntervalUSec", "10s")
	if m, err := c.Manager(t.Context(), 1000); err == nil {
		t.Errorf("StartLimitIntervalUSec is a string: got %+v and no error", m)
	}
}

func TestStopLimit(t *testing.T) {
	t.Parallel()
	b := startBus(t)
	p := fakePID1(t, b)
	c := b.dial(t)
	for us, want := range map[uint64]time.Duration{120_000_000: 2 * time.Minute, 1<<64 - 1: 24 * time.Hour} {
		p.set(fakeUnit, pid1Name+".Service", "TimeoutStopUSec", us)
		if got, err := c.StopLimit(t.Context(), 1000); err != nil || got != want {
			t.Errorf("got %v, %v; want %v", got, err, want)
		}
	}
	if _, err := c.StopLimit(t.Context(), 4711); err == nil || !strings.Contains(err.Error(), "user@4711.service") {
		t.Errorf("a manager that is not loaded: %v", err)
	}
	p.set(fakeUnit, pid1Name+".Service", "TimeoutStopUSec", "2min")
	if _, err := c.StopLimit(t.Context(), 1000); err == nil {
		t.Error("it is a string, and no error")
	}
}

func TestManagerRootsPart(t *testing.T) {
	t.Parallel()
	b := startBus(t)
	p := fakePID1(t, b)
	c := b.dial(t)
	times(p, 5_000_000, 0, 0, 10_000_000)
	other := command("/usr/bin/logger", "the user manager", "ended")
	for name, tt := range map[string]struct {
		refuse, refuseDir bool
		post              []execRow
		armor, revive     bool
	}{
		"nothing":                {},
		"both":                   {true, true, []execRow{revive}, true, true},
		"revive alone":           {false, false, []execRow{revive}, false, true},
		"revive among others":    {false, false, []execRow{other, revive}, false, true},
		"somebody else's":        {false, false, []execRow{other}, false, false},
		"armor alone":            {true, true, nil, true, false},
		"half an armor is none":  {true, false, nil, false, false}, // field-facts 10: it does not hold on 257
		"the other half neither": {false, true, nil, false, false},
		"a command of no words":  {false, false, []execRow{{Argv: []string{}}}, false, false},
	} {
		root(p, "active", tt.refuse, tt.refuseDir, tt.post...)
		m, err := c.Manager(t.Context(), 1000)
		if err != nil || m.Armor != tt.armor || m.Revive != tt.revive {
			t.Errorf("%s: armor %v, revive %v, %v; want %v and %v", name, m.Armor, m.Revive, err, tt.armor, tt.revive)
		}
		if m.Started != 5*time.Second || m.Active != "active" {
			t.Errorf("%s: the rest got lost: %+v", name, m)
		}
	}
	// The drop-in is there and what it starts is not: PID 1 says so, and that is
	// no revive.
	for _, state := range []string{"not-found", "masked", "bad-setting", "error", ""} {
		root(p, "active", true, true, revive)
		p.set(fakeRevive, pid1Name+".Unit", "LoadState", state)
		if m, err := c.Manager(t.Context(), 1000); err != nil || m.Revive || !m.Armor {
			t.Errorf("keeper-revive@1000.service is %q: got %+v, %v; want no revive", state, m, err)
		}
	}
	p.set(fakeRevive, pid1Name+".Unit", "LoadState", "loaded")
	for _, active := range []string{"active", "deactivating", "failed"} {
		root(p, active, true, true, revive)
		if m, err := c.Manager(t.Context(), 1000); err != nil || m.Active != active || !m.Armor || !m.Revive {
			t.Errorf("%s: got %+v, %v", active, m, err)
		}
	}
}

// What cannot be had is an error: a caller must not take it for "no armor".
func TestManagerThatCannotTell(t *testing.T) {
	t.Parallel()
	b := startBus(t)
	p := fakePID1(t, b)
	c := b.dial(t)
	times(p, 5_000_000, 0, 0, 10_000_000)
	root(p, "active", true, true, revive)
	for _, unloadable := range []string{"user-runtime-dir@1000.service", "keeper-revive@1000.service"} {
		load := read(p, &p.loadUnit)
		p.answer(func() {
			p.loadUnit = func(name string) (dbus.ObjectPath, *dbus.Error) {
				if name == unloadable {
					return "", dbus.NewError("org.freedesktop.DBus.Error.AccessDenied", []any{"no"})
				}
				return load(name)
			}
		})
		if m, err := c.Manager(t.Context(), 1000); err == nil || !strings.Contains(err.Error(), unloadable) {
			t.Errorf("%s cannot be loaded: got %+v, %v", unloadable, m, err)
		}
		p.answer(func() { p.loadUnit = load })
	}
	// Nobody asks for what is not in force.
	p.answer(func() {
		p.loadUnit = func(name string) (dbus.ObjectPath, *dbus.Error) {
			return "", dbus.NewError("org.freedesktop.DBus.Error.AccessDenied", []any{"asked for " + name})
		}
	})
	root(p, "active", false, false)
	if m, err := c.Manager(t.Context(), 1000); err != nil || m.Armor || m.Revive {
		t.Errorf("without root's part: %+v, %v", m, err)
	}
	p.set(fakeUnit, pid1Name+".Service", "ExecStopPost", "rubbish")
	if m, err := c.Manager(t.Context(), 1000); err == nil {
		t.Errorf("ExecStopPost is a string: got %+v and no error", m)
	}
	root(p, "active", false, false)
	p.set(fakeUnit, pid1Name+".Unit", "RefuseManualStop", "yes")
	if m, err := c.Manager(t.Context(), 1000); err == nil {
		t.Errorf("RefuseManualStop is a string: got %+v and no error", m)
	}
}
