package units

import (
	"fmt"
	"testing"

	"github.com/godbus/dbus/v5"

	"keeper/internal/core"
)

const systemd1 = dbus.ObjectPath("/org/freedesktop/systemd1")

// job queues a job and says so, as systemd does.
func (m *manager) job(id uint32, kind, unit string) {
	path := dbus.ObjectPath(fmt.Sprint("/org/freedesktop/systemd1/job/", id))
	if kind != "" {
		m.with(func() { m.jobs[path] = kind })
	}
	m.signal(1, systemd1, managerIf, "JobNew", id, path, unit)
}

// quiet sees that nothing was delivered for what was sent so far.
func (w *watched) quiet(t *testing.T, m *manager, what string) {
	t.Helper()
	m.changed(1, "postgres.service")
	e := await(t, w.events, "the look at postgres")
	if u, ok := e.(core.UnitSeen); !ok || u.Unit.Name != "postgres.service" {
		t.Fatalf("%s: got %#v", what, e)
	}
}

// With the default target go all that it wants, and nobody meant each of them.
func TestWatchTellsAnIsolation(t *testing.T) {
	t.Parallel()
	const stopJob = dbus.ObjectPath("/org/freedesktop/systemd1/job/900")
	job := struct {
		ID   uint32
		Path dbus.ObjectPath
	}{900, stopJob}
	for name, tt := range map[string]struct {
		before   string // the target when the watch begins
		target   map[string]any
		kind     string // of the target's job
		isolated bool
	}{
		"it is down":       {"active", map[string]any{"ActiveState": "inactive"}, "", true},
		"it is to be down": {"active", map[string]any{"ActiveState": "active", "Job": job}, "stop", true},
		// While the manager starts up, its target has a job as well.
		"during the start-up": {"inactive", map[string]any{"ActiveState": "inactive", "Job": job}, "start", false},
		"it never was up":     {"inactive", map[string]any{"ActiveState": "inactive"}, "", false},
		"it is up":            {"active", map[string]any{"ActiveState": "active"}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := twoUnits(t)
			m.with(func() { m.target = map[string]any{"ActiveState": tt.before} })
			w, _ := watching(t, t.Context(), m)
			m.with(func() { m.target, m.jobs[stopJob] = tt.target, tt.kind })
			m.job(1, "stop", "redis.service")
			if e := await(t, w.events, "the stop"); e != (core.StopAsked{Name: "redis.service", Isolated: tt.isolated, Job: 1}) {
				t.Errorf("got %#v, want isolated %v", e, tt.isolated)
			}
		})
	}
}

// keeper brings the target back with the first service that it starts, when the
// jobs of others may still be unread: they are part of the same.
func TestWatchRemembersAnIsolation(t *testing.T) {
	t.Parallel()
	m := twoUnits(t)
	w, _ := watching(t, t.Context(), m)
	m.with(func() {
		m.target = map[string]any{"ActiveState": "inactive"}
	})
	for i, name := range []string{"redis.service", "postgres.service"} {
		m.job(uint32(i+1), "stop", name)
		if e := await(t, w.events, name); e != (core.StopAsked{Name: name, Isolated: true, Job: uint32(i + 1)}) {
			t.Errorf("got %#v", e)
		}
		m.with(func() { m.target = map[string]any{"ActiveState": "active"} })
	}
}

func TestWatchHearsOfStops(t *testing.T) {
	t.Parallel()
	m := twoUnits(t)
	w, _ := watching(t, t.Context(), m)
	stop := func(what string, job uint32) {
		t.Helper()
		if e := await(t, w.events, what); e != (core.StopAsked{Name: "redis.service", Job: job}) {
			t.Fatalf("%s: got %#v, want that a stop was asked for", what, e)
		}
	}
	m.job(1, "stop", "redis.service")
	stop("a stop", 1)
	for i, kind := range []string{"start", "restart", "try-restart", "reload", "verify-active", "nop"} {
		m.job(uint32(10+i), kind, "redis.service")
		w.quiet(t, m, "a job of type "+kind)
	}
	m.job(20, "stop", "dbus.service")
	w.quiet(t, m, "a stop of what Quadlet did not make")
	m.job(21, "", "redis.service")
	w.quiet(t, m, "a job that is done before it could be asked")

	// A user manager that stops takes everything along: nobody asked for that.
	m.with(func() { m.state = "stopping" })
	m.job(22, "stop", "redis.service")
	w.quiet(t, m, "the manager stops")
	for _, state := range []string{"running", "degraded", "starting", "maintenance"} {
		m.with(func() { m.state = state })
		m.job(23, "stop", "redis.service")
		stop("with the manager "+state, 23)
	}
	// Signals that are not what they should be.
	for _, body := range [][]any{{}, {"1", "/job/1", "redis.service"}, {uint32(1), dbus.ObjectPath("/job/1")}} {
		m.signal(1, systemd1, managerIf, "JobNew", body...)
	}
	w.quiet(t, m, "malformed")
}

// The word comes before what follows from it, or a container that fails on its
// way down would be started again.
func TestWatchHearsOfAStopFirst(t *testing.T) {
	t.Parallel()
	m := twoUnits(t)
	w, _ := watching(t, t.Context(), m)
	for i := range 20 {
		m.put("redis.service", map[string]any{"ActiveState": "active"})
		m.job(uint32(100+i), "stop", "redis.service")
		m.put("redis.service", map[string]any{"ActiveState": "failed", "SubState": "failed"})
		m.changed(3, "redis.service")
		if e := await(t, w.events, "the stop"); e != (core.StopAsked{Name: "redis.service", Job: uint32(100 + i)}) {
			t.Fatalf("first came %#v", e)
		}
		if u := w.one(t, "redis.service"); u.Active != "failed" {
			t.Fatalf("then came %+v", u)
		}
		w.drain(t, m)
	}
}

// systemd stops what is bound to a unit when that dies, by a job like a person's.
// That it died is said first, though changes are gathered and jobs are not.
func TestWatchTellsOfADeathBeforeTheStopItCauses(t *testing.T) {
	t.Parallel()
	m := twoUnits(t)
	m.quadlet("web.service", "/x/web.container")
	m.put("web.service", map[string]any{"BindsTo": []string{"redis.service", "basic.target", "gone.service"}, "After": []string{"redis.service"}})
	m.put("redis.service", map[string]any{"After": []string{"postgres.service"}, "Wants": []string{"postgres.service"}})
	w, _ := watching(t, t.Context(), m)
	m.put("redis.service", map[string]any{"ActiveState": "failed", "SubState": "failed"})
	m.changed(1, "redis.service")
	m.job(1, "stop", "web.service")
	u := w.one(t, "redis.service")
	if u.Active != "failed" || fmt.Sprint(u.After, u.Needs) != "[postgres.service] [postgres.service]" {
		t.Errorf("first came %+v, want that it is dead, and its whole order", u)
	}
	// A look for the signal, on a slow machine, says it once more.
	for {
		e := await(t, w.events, "the stop")
		if u, ok := e.(core.UnitSeen); ok && u.Unit.Name == "redis.service" && u.Unit.Active == "failed" {
			continue
		}
		if e != (core.StopAsked{Name: "web.service", Job: 1}) {
			t.Errorf("then came %#v", e)
		}
		return
	}
}

// A job may be done before it can be asked what it was. What it leaves behind
// tells: a service that is down was stopped.
func TestWatchHearsOfQuickStops(t *testing.T) {
	t.Parallel()
	m := twoUnits(t)
	m.put("redis.service", map[string]any{"ActiveState": "active"})
	w, _ := watching(t, t.Context(), m)
	removed := func(id uint32, unit, result string) {
		path := dbus.ObjectPath(fmt.Sprint("/org/freedesktop/systemd1/job/", id))
		m.signal(1, systemd1, managerIf, "JobRemoved", id, path, unit, result)
	}
	id := uint32(100)
	stop := func(what string) {
		t.Helper()
		if e := await(t, w.events, what); e != (core.StopAsked{Name: "redis.service", Job: id}) {
			t.Fatalf("%s: got %#v, want that a stop was asked for", what, e)
		}
	}
	quick := func(active, result string) {
		id++
		m.job(id, "", "redis.service")
		m.put("redis.service", map[string]any{"ActiveState": active})
		removed(id, "redis.service", result)
	}
	for _, active := range []string{"inactive", "failed"} {
		quick(active, "done")
		stop("it is " + active)
		// The same job ends once.
		removed(id, "redis.service", "done")
		w.quiet(t, m, "the end of a job that is known")
	}
	quick("active", "done")
	w.quiet(t, m, "a start")
	for _, result := range []string{"canceled", "failed", "dependency", "skipped"} {
		quick("inactive", result)
		w.quiet(t, m, "a job that was "+result)
	}
	// Those that could be asked are known already, and need no guess.
	m.put("redis.service", map[string]any{"ActiveState": "inactive"})
	id++
	m.job(id, "start", "redis.service")
	removed(id, "redis.service", "done")
	w.quiet(t, m, "a start that could be asked")
	m.signal(1, systemd1, managerIf, "JobRemoved", "rubbish")
	w.quiet(t, m, "malformed")
	// A one-shot that is done is inactive, and nobody stopped it.
	m.with(func() { m.units[unitPath("redis.service")].service["Type"] = "oneshot" })
	quick("inactive", "done")
	w.quiet(t, m, "a one-shot")
	m.with(func() { m.units[unitPath("redis.service")].service["RemainAfterExit"] = true })
	quick("inactive", "done")
	stop("one that stays active when it is done")
	m.with(func() { m.state = "stopping" })
	quick("inactive", "done")
	w.quiet(t, m, "the manager stops")
}

// A stop that a start replaced before it ran has stopped nothing.
func TestWatchHearsOfStopsThatAreCanceled(t *testing.T) {
	t.Parallel()
	const other = dbus.ObjectPath("/org/freedesktop/systemd1/job/900")
	queued := struct {
		ID   uint32
		Path dbus.ObjectPath
	}{900, other}
	for name, tt := range map[string]struct {
		active, result, kind string // of the job that it has then, if any
		want                 bool
	}{
		"canceled":                  {"active", "canceled", "", true},
		"replaced by a start":       {"active", "canceled", "start", true},
		"replaced by a stop":        {"active", "canceled", "stop", false},
		"canceled while it stops":   {"deactivating", "canceled", "start", false},
		"canceled while it reloads": {"reloading", "canceled", "", true},
		"done":                      {"inactive", "done", "", false},
		"failed":                    {"active", "failed", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := twoUnits(t)
			m.put("redis.service", map[string]any{"InvocationID": []byte{0xab, 0xcd}})
			w, _ := watching(t, t.Context(), m)
			m.job(1, "stop", "redis.service")
			if e := await(t, w.events, "the stop"); e != (core.StopAsked{Name: "redis.service", Job: 1}) {
				t.Fatalf("got %#v", e)
			}
			props := map[string]any{"ActiveState": tt.active}
			if tt.kind != "" {
				props["Job"] = queued
				m.with(func() { m.jobs[other] = tt.kind })
			}
			m.put("redis.service", props)
			for range 2 { // the second is about a job that nobody knows
				m.signal(1, systemd1, managerIf, "JobRemoved", uint32(1), dbus.ObjectPath("/org/freedesktop/systemd1/job/1"), "redis.service", tt.result)
			}
			if tt.want {
				if e := await(t, w.events, "that it runs on"); e != (core.StopUndone{Name: "redis.service", Invocation: "abcd"}) {
					t.Errorf("got %#v", e)
				}
			}
			w.quiet(t, m, "nothing more")
		})
	}
}

// A stop that was queued before the watch began is heard of when it is canceled.
func TestWatchInheritsStops(t *testing.T) {
	t.Parallel()
	m := twoUnits(t)
	id, path := uint32(7), dbus.ObjectPath("/org/freedesktop/systemd1/job/7")
	m.with(func() { m.jobs[path] = "stop" })
	m.put("redis.service", map[string]any{"InvocationID": []byte{0xab, 0xcd}, "Job": struct {
		ID   uint32
		Path dbus.ObjectPath
	}{id, path}})
	w, first := watching(t, t.Context(), m)
	if !first.First {
		t.Error("the first look does not say so")
	}
	if e := await(t, w.events, "the stop"); e != (core.StopAsked{Name: "redis.service", Job: id}) {
		t.Errorf("got %#v", e)
	}
	m.put("redis.service", map[string]any{"Job": struct {
		ID   uint32
		Path dbus.ObjectPath
	}{0, "/"}})
	m.signal(1, systemd1, managerIf, "JobRemoved", id, path, "redis.service", "canceled")
	if e := await(t, w.events, "that it runs on"); e != (core.StopUndone{Name: "redis.service", Invocation: "abcd"}) {
		t.Errorf("got %#v", e)
	}
	m.signal(1, systemd1, managerIf, "UnitFilesChanged")
	if e, ok := await(t, w.events, "another look").(core.UnitsSeen); !ok || e.First {
		t.Errorf("got %#v", e)
	}
}

// drain takes what a burst that was torn apart delivers over again. One look goes
// through what changed in any order: only with the second is the first over.
func (w *watched) drain(t *testing.T, m *manager) {
	t.Helper()
	for range 2 {
		m.changed(1, "postgres.service")
		for last := ""; last != "postgres.service"; {
			u, ok := await(t, w.events, "the look at postgres").(core.UnitSeen)
			if !ok {
				t.Fatal("everything was looked at for a change of one")
			}
			last = u.Unit.Name
		}
	}
}

func TestWatchHearsOfScopes(t *testing.T) {
	t.Parallel()
	m := twoUnits(t)
	w, _ := watching(t, t.Context(), m)
	for _, name := range []string{"rootless-netns-1234.scope", "podman-pause-1.scope", "run-r1234.scope"} {
		m.signal(1, systemd1, managerIf, "UnitRemoved", name, unitPath(name))
		if e := await(t, w.events, "a hint"); e != (core.HelperHint{}) {
			t.Fatalf("%s: got %#v, want a hint", name, e)
		}
	}
	for _, name := range []string{"redis.service", "a.scope.service", "x.timer"} {
		m.signal(1, systemd1, managerIf, "UnitRemoved", name, unitPath(name))
	}
	m.signal(1, systemd1, managerIf, "UnitRemoved", "a.scope")
	m.signal(1, systemd1, managerIf, "UnitNew", "a.scope", unitPath("a.scope"))
	w.quiet(t, m, "no scope that ended")
}

// What did not come back with the manager is looked for when it has started,
// and not before.
func TestWatchHearsOfTheEndOfTheStart(t *testing.T) {
	t.Parallel()
	for state, want := range map[string]bool{"initializing": true, "starting": true, "running": false, "degraded": false, "stopping": false} {
		m := twoUnits(t)
		m.state = state
		if _, first := watching(t, t.Context(), m); first.Starting != want {
			t.Errorf("%s: starting is %v", state, first.Starting)
		}
	}
	m := twoUnits(t)
	m.state = "starting"
	w, _ := watching(t, t.Context(), m)
	m.with(func() { m.state = "running" })
	m.signal(1, systemd1, managerIf, "StartupFinished", uint64(0), uint64(0), uint64(0), uint64(0), uint64(1), uint64(1))
	if e := w.all(t); e.Starting {
		t.Errorf("the manager has started: %+v", e)
	}
}

// One unit alone does not tell the whole order: it is kept from the last look at
// all of them.
func TestWatchKeepsTheOrder(t *testing.T) {
	t.Parallel()
	m := twoUnits(t)
	m.quadlet("web.service", "/x/web.container")
	m.put("web.service", map[string]any{"After": []string{"redis.service", "basic.target"}, "Requires": []string{"redis.service", "basic.target"}})
	m.put("postgres.service", map[string]any{"PartOf": []string{"web.service"}})
	m.put("redis.service", map[string]any{"After": []string{"postgres.service", "basic.target"}, "BindsTo": []string{"postgres.service"}})
	w, first := watching(t, t.Context(), m)
	const want = "[postgres.service redis.service]"
	for _, u := range first.Units {
		if u.Name == "web.service" && fmt.Sprint(u.After) != want {
			t.Errorf("at first: %v, want %s", u.After, want)
		}
	}
	m.changed(1, "web.service")
	if u := w.one(t, "web.service"); fmt.Sprint(u.After) != want || fmt.Sprint(u.Needs) != want || fmt.Sprint(u.StopsWith) != want {
		t.Errorf("after a change: after %v, needs %v, stops with %v; want %s for all", u.After, u.Needs, u.StopsWith, want)
	}
}
