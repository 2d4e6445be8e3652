package core

import (
	"slices"
	"testing"
	"time"
)

// shown is how the service is shown once the story is told.
func shown(t *testing.T, name string, wait time.Duration, steps ...[]step) Service {
	t.Helper()
	y := newStory(t)
	y.play(slices.Concat(steps...)...)
	for _, v := range y.s.Services(y.now.Add(wait)) {
		if v.Name == name+".service" {
			return v
		}
	}
	t.Fatalf("%s is not shown", name)
	return Service{}
}

// Every state that a service can be in, what is said of it, and since when.
func TestServices(t *testing.T) {
	t.Parallel()
	since := noon.Add(-time.Hour)
	unit := func(name, active string) Unit {
		return with(svc(name, active), func(u *Unit) { u.Since = since })
	}
	web, db := unit("web", "active"), unit("db", "active")
	unanswered := append(settled(), step{e: list(web)})
	ill := illNow("web")
	restart := one(time.Second, examined("web", "web", ConditionSilent), "restart-units")
	flaps5 := func(active string) []step {
		var steps []step
		for i := range uint32(5) {
			u := with(unit("web", active), func(u *Unit) { u.Restarts = i + 1 })
			if active == "activating" {
				u.Sub = "auto-restart"
			}
			steps = append(steps, step{after: time.Second, e: UnitSeen{u}})
		}
		return steps
	}
	spent := map[string]Care{"web.service": {Restarts: []time.Time{noon, noon, noon, noon, noon}}}
	gaveUp := chain(settled(), one(0, Began{Kind: LifeSame, Cares: spent}, ""), watching(web)[4:], ill, one(0, examined("web", "web", ConditionSilent), "note:give up on web"))
	at := func(d time.Duration) time.Time { return noon.Add(d) }
	hold := one(0, HeldSeen{map[string]Hold{"web.service": {At: noon}}}, "note:leave web alone")
	failed := unit("web", "failed")
	none := SettingsSeen{Settings: Settings{Defaults: Supervision{Probe: ProbeNone, From: map[string]string{"probe": "f:1"}}}}
	for _, tt := range []struct {
		name    string
		steps   []step
		state   ServiceState
		desired Desired
		since   time.Time
		why     string
		cause   string
	}{
		{"well", watching(web), ServiceWell, DesiredRun, since, "", ""},
		{"well, as far as can be told", chain(watching(web), one(0, shows("web", ConditionAlive), "")), ServiceWell, DesiredRun, since, "", ""},
		{"not probed", chain(settled(), one(0, none, ""), one(0, list(web), "")), ServiceWell, DesiredRun, since, "", ""},
		{"not to be asked", chain(watching(web), one(0, shows("web", ConditionUnknown), "")), ServiceWell, DesiredRun, since, "unknown", ""},
		{"not to be asked for a minute", chain(watching(web), []step{{after: time.Second, e: shows("web", ConditionUnknown)}, {after: time.Minute, e: shows("web", ConditionUnknown)}}), ServiceUnknown, DesiredRun, at(time.Second), "unknown", ""},
		{"not to be asked yet", chain(unanswered, one(time.Second, shows("web", ConditionUnknown), "")), ServiceStarting, DesiredRun, since, "unknown", ""},
		{"never to be asked", chain(unanswered, []step{{after: time.Second, e: shows("web", ConditionUnknown)}, {after: time.Minute, e: shows("web", ConditionUnknown)}}), ServiceUnknown, DesiredRun, at(time.Second), "unknown", ""},
		{"stopped", chain(watching(web), one(0, StopAsked{Name: "web.service"}, ""), one(0, UnitSeen{unit("web", "inactive")}, "look-units")), ServiceStopped, DesiredStopped, since, "somebody stopped it", ""},
		{"stopped, and not started since", chain(settled(), one(0, list(with(unit("web", "inactive"), func(u *Unit) { u.Wanted = false })), "")), ServiceStopped, DesiredAny, since, "nothing starts it by itself", ""},
		{"not answered yet", unanswered, ServiceStarting, DesiredRun, since, "", ""},
		{"not answered in its grace", chain(unanswered, one(time.Second, shows("web", ConditionRefused), "")), ServiceStarting, DesiredRun, since, "refused", ""},
		{"activating", chain(settled(), one(0, list(unit("web", "activating")), "")), ServiceStarting, DesiredRun, since, "", ""},
		{"recovering", chain(watching(web), one(time.Second, shows("web", ConditionRecovering), "")), ServiceRecovering, DesiredRun, at(time.Second), "recovering", ""},
		{"failing", chain(watching(web), []step{tick("web", ConditionSilent, ""), tick("web", ConditionSilent, "")}), ServiceFailing, DesiredRun, at(10 * time.Second), "silent", ""},
		{"not ready", chain(watching(web), []step{tick("web", ConditionBusy, "")}), ServiceNotReady, DesiredRun, at(10 * time.Second), "busy", ""},
		{"blocked, and not ready", chain(watching(db, needing(web, "db")), []step{{after: time.Second, e: shows("db", ConditionRecovering)}, {after: time.Second, e: shows("web", ConditionNotReady)}}), ServiceBlocked, DesiredRun, at(2 * time.Second), "db: recovering", "db.service"},
		{"blocked, and ill", chain(watching(db, needing(web, "db")), ill, one(0, UnitSeen{unit("db", "activating")}, "note:leave web to db")), ServiceBlocked, DesiredRun, at(30 * time.Second), "db: it is activating", "db.service"},
		{"ill", chain(watching(web), ill), ServiceIll, DesiredRun, at(30 * time.Second), "silent", ""},
		{"frozen", chain(watching(web), []step{tick("web", ConditionFrozen, ""), tick("web", ConditionFrozen, "")}), ServiceFrozen, DesiredRun, at(10 * time.Second), "frozen", ""},
		{"stopped by a signal, and ill", chain(watching(web), []step{tick("web", ConditionStopped, ""), tick("web", ConditionStopped, ""), tick("web", ConditionStopped, "note:call web ill | continue-unit")}), ServiceFrozen, DesiredRun, at(10 * time.Second), "stopped", ""},
		{"restarting", chain(watching(web), ill, restart, one(0, UnitSeen{unit("web", "deactivating")}, "")), ServiceRestarting, DesiredRun, at(31 * time.Second), "", ""},
		{"restarted, and not answered", chain(watching(web), ill, restart, one(5*time.Second, UnitSeen{life("2", web)}, "")), ServiceRestarting, DesiredRun, at(36 * time.Second), "", ""},
		{"restarted, and failed at once", chain(watching(web), ill, restart, one(0, UnitSeen{failed}, "start-units")), ServiceDown, DesiredRun, since, "systemd gave up on it: exit-code", ""},
		{"flapping", chain(watching(web), flaps5("activating")), ServiceFlapping, DesiredRun, since, "systemd restarted it 5 times within 10m", ""},
		{"flapping, and up", chain(watching(web), flaps5("active")), ServiceFlapping, DesiredRun, since, "systemd restarted it 5 times within 10m", ""},
		{"it flapped once", chain(watching(web), flaps5("activating"), one(10*time.Minute, LingerSeen{On: true}, "")), ServiceDown, DesiredRun, since, "activating", ""},
		{"down", chain(settled(), one(0, list(failed), "")), ServiceDown, DesiredRun, since, "failed: exit-code", ""},
		{"down, and owed", chain(watching(web), one(0, UnitSeen{failed}, "start-units")), ServiceDown, DesiredRun, since, "systemd gave up on it: exit-code", ""},
		{"going down", chain(settled(), one(0, list(unit("web", "deactivating")), "")), ServiceDown, DesiredRun, since, "it is being stopped", ""},
		{"given up", gaveUp, ServiceGaveUp, DesiredRun, at(30 * time.Second), "5 restarts did not help; silent", ""},
		{"held", chain(watching(web), hold), ServiceWell, DesiredHeld, since, "", ""},
		{"held, and down", chain(watching(web), hold, one(0, UnitSeen{failed}, "")), ServiceDown, DesiredHeld, since, "systemd gave up on it: exit-code", ""},
		{"runs without its unit", chain(settled(), one(0, list(unit("web", "inactive")), ""), one(0, SettingsSeen{Settings: Settings{Adopt: AdoptPropose}}, "look-containers"), one(0, ContainersSeen{Unkept: []Unkept{{Name: "web", ID: "1", Since: noon}}}, "")),
			ServiceStopped, DesiredAny, since, "its container web runs without it, and is replaced at its next start", ""},
	} {
		v := shown(t, "web", 0, tt.steps)
		if v.State != tt.state || v.Desired != tt.desired || !v.Since.Equal(tt.since) || v.Why != tt.why || v.Cause != tt.cause {
			t.Errorf("%s: %s, wanted %s, since %v, %q by %q", tt.name, v.State, v.Desired, v.Since.Sub(noon), v.Why, v.Cause)
		}
		if v.Supervision.Interval == 0 || v.Kind != v.Supervision.Probe || v.Threshold != v.Supervision.Failures || v.Budget != v.Supervision.Restarts {
			t.Errorf("%s: what is in force: %+v", tt.name, v)
		}
	}

	v := shown(t, "web", 0, watching(web), ill, restart, one(0, shows("web", ConditionSilent), ""))
	if v.Failures != 5 || v.Threshold != 3 || v.Restarts != 1 || v.Budget != 5 || v.Condition != ConditionSilent || !v.Asked.Equal(at(10*time.Second)) {
		t.Errorf("failures and restarts: %+v", v)
	}
	if late := shown(t, "web", time.Hour, watching(web), ill, restart); late.Restarts != 0 {
		t.Errorf("an hour later: %+v", late)
	}
	if v := shown(t, "web", 0, gaveUp); v.Restarts != 5 {
		t.Errorf("given up: %+v", v)
	}
	if v := shown(t, "web", 0, watching(web), hold); v.Hold == nil || !v.Hold.At.Equal(noon) {
		t.Errorf("held: %+v", v)
	}
	if v := shown(t, "web", 0, watching(web), ill, one(0, examined("web", "web", ConditionUnknown), "")); !v.Next.Equal(at(40 * time.Second)) {
		t.Errorf("ill: next %v", v.Next)
	}
	if v := shown(t, "web", 0, watching(web), one(0, UnitSeen{failed}, "start-units")); !v.Next.Equal(at(startWaits[1])) {
		t.Errorf("owed: next %v", v.Next)
	}
}

// Only services that are to run on are shown, by name.
func TestServicesAreSorted(t *testing.T) {
	t.Parallel()
	s := decide(State{}, list(svc("c", "active"), svc("a", "active"), svc("b", "failed"),
		with(svc("data", "active"), func(u *Unit) { u.Kind = "volume" }), with(svc("backup", "active"), func(u *Unit) { u.OneShot = true })))
	var names []string
	for _, v := range s.Services(noon) {
		names = append(names, short(v.Name))
	}
	if want := []string{"a", "b", "c"}; !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
}
