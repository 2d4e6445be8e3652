package core

import (
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"
)

// service is a container's unit that something starts by itself.
func service(name, active string) Unit {
	u := Unit{Name: name + ".service", Kind: "container", Active: active, Sub: active, Wanted: true}
	switch active {
	case "active":
		u.Sub, u.Entered = "running", time.Second
	case "inactive":
		u.Sub = "dead"
	case "failed":
		u.Result = "exit-code"
	}
	return u
}

// auto is a unit that systemd is going to restart.
func auto(name string) Unit {
	u := service(name, "activating")
	u.Sub = "auto-restart"
	return u
}

func with(u Unit, change func(*Unit)) Unit { change(&u); return u }

// life is another life of the unit than that of the others (InvocationID).
func life(id string, u Unit) Unit { return with(u, func(u *Unit) { u.Invocation = id }) }

// busy has a job queued.
func busy(u Unit) Unit { return with(u, func(u *Unit) { u.Job = true }) }

func list(units ...Unit) UnitsSeen { return UnitsSeen{Armed: true, Units: units} }

func starting(units ...Unit) UnitsSeen { return UnitsSeen{Armed: true, Starting: true, Units: units} }

// runs is a settled daemon with these services running.
func runs(names ...string) []step {
	var units []Unit
	for _, n := range names {
		units = append(units, service(n, "active"))
	}
	return append(settled(), step{e: list(units...)})
}

func after(first []step, more ...step) []step { return append(first, more...) }

func TestBringBack(t *testing.T) {
	gaveUp := UnitSeen{service("db", "failed")}
	revived := Began{Kind: LifeRevived, Cause: "killed", Down: []Down{{"db.service", boot}, {"web.service", boot}}}
	tell(t, map[string]tale{
		"systemd gave up": {steps: after(runs("db"),
			step{e: UnitSeen{auto("db")}},
			step{e: gaveUp, want: "start-units", reason: "systemd gave up on it: exit-code"},
			step{e: UnitsStarted{Units: []string{"db.service"}}},
			step{e: UnitSeen{service("db", "activating")}},
			step{e: UnitSeen{service("db", "active")}},
			step{after: LookEvery, e: Wake{}, want: "look-linger | look-units | look-manager"},
		)},
		"systemd gave up, and nobody knows why": {steps: after(runs("db"),
			step{e: UnitSeen{with(service("db", "failed"), func(u *Unit) { u.Result = "" })}, want: "start-units", reason: "no reason is known"},
		)},
		"systemd is still at it": {steps: after(runs("db"),
			step{e: UnitSeen{with(service("db", "failed"), func(u *Unit) { u.Sub = "failed-before-auto-restart" })}},
			step{e: UnitSeen{auto("db")}},
			step{e: UnitSeen{service("db", "active")}},
		)},
		"somebody stopped it, and it failed on the way": {steps: after(runs("db"),
			step{e: StopAsked{Name: "db.service"}},
			step{e: UnitSeen{service("db", "deactivating")}},
			step{e: gaveUp},
			step{after: LookEvery, e: Wake{}, want: "look-linger | look-units | look-manager"},
			step{e: list(service("db", "failed"))},
		)},
		// It waits for those that depend on it: the stop job is there, and the
		// unit still active.
		"somebody stopped it, and the stop has to wait": {steps: after(runs("db", "web"),
			step{e: StopAsked{Name: "web.service"}},
			step{e: StopAsked{Name: "db.service"}},
			step{e: UnitSeen{busy(service("db", "active"))}},
			step{e: UnitSeen{service("web", "failed")}},
			step{e: UnitSeen{service("db", "deactivating")}},
			step{e: gaveUp},
		)},
		"somebody stopped it, and it stopped": {steps: after(runs("db"),
			step{e: StopAsked{Name: "db.service"}},
			step{e: UnitSeen{service("db", "inactive")}, want: "look-units"},
			step{e: list(service("db", "inactive"))},
		)},
		"it ended by itself": {steps: after(runs("db"),
			step{e: UnitSeen{service("db", "inactive")}},
		)},
		// A look that began before the stop may end after it, and shows what was.
		"somebody stopped it, and an old look comes late": {steps: after(runs("db"),
			step{e: StopAsked{Name: "db.service"}},
			step{e: UnitSeen{busy(service("db", "active"))}},
			step{e: list(service("db", "active"))},
			step{e: UnitSeen{service("db", "deactivating")}},
			step{e: gaveUp},
		)},
		"somebody stopped it and started it again": {steps: after(runs("db"),
			step{e: StopAsked{Name: "db.service"}},
			step{e: UnitSeen{service("db", "failed")}},
			step{e: UnitSeen{life("2", service("db", "active"))}},
			step{e: UnitSeen{life("2", service("db", "failed"))}, want: "start-units"},
		)},
		"somebody stopped it and started it again, and it fails on its way": {steps: after(runs("db"),
			step{e: StopAsked{Name: "db.service"}},
			step{e: UnitSeen{service("db", "inactive")}, want: "look-units"},
			step{e: UnitSeen{life("2", service("db", "activating"))}},
			step{e: UnitSeen{life("2", service("db", "failed"))}, want: "start-units"},
		)},
		"somebody stops what keeper is bringing back": {steps: after(runs("db"),
			step{e: gaveUp, want: "start-units"},
			step{e: StopAsked{Name: "db.service"}},
			step{e: UnitsStarted{Units: []string{"db.service"}, Err: "canceled"}, want: "note:try to start db again later"},
			step{e: UnitSeen{service("db", "inactive")}, want: "look-units"},
			step{after: time.Hour, e: Wake{}, want: "look-linger | look-units | look-manager"},
		)},
		"a stop of what nobody knows": {steps: after(runs("db"), step{e: StopAsked{Name: "other.service"}})},
		"failed when it was first seen": {steps: after(settled(),
			// Nobody can say whether that is news.
			step{e: list(service("db", "failed"))},
			step{e: UnitSeen{service("db", "failed")}},
		)},
		"a volume is nothing that runs": {steps: after(settled(),
			step{e: list(with(service("data", "active"), func(u *Unit) { u.Kind = "volume" }))},
			step{e: UnitSeen{with(service("data", "failed"), func(u *Unit) { u.Kind = "volume" })}},
		)},

		"after a revival: what is not there once the manager has started": {steps: after(settled(),
			step{e: revived, want: "note:count the stack back in", reason: "killed; 2 services ran"},
			step{e: starting(service("db", "failed"), service("web", "inactive"))},
			step{e: UnitSeen{service("db", "failed")}},
			step{e: list(service("db", "failed"), service("web", "inactive")), want: "start-units",
				reason: "db: it did not come back with the user manager; web: it did not come back with the user manager"},
		)},
		"after a revival: what systemd does by itself": {steps: after(settled(),
			step{e: revived, want: "note:count the stack back in"},
			step{e: starting(service("db", "activating"), busy(service("web", "inactive")))},
			step{e: list(service("db", "activating"), busy(service("web", "inactive")))},
			step{e: UnitSeen{service("web", "activating")}},
			// It is known by now, and systemd gives up.
			step{e: UnitSeen{service("web", "failed")}, want: "start-units", reason: "systemd gave up"},
		)},
		"after a revival: what ran though nothing starts it": {steps: after(settled(),
			step{e: revived, want: "note:count the stack back in"},
			step{e: list(with(service("web", "inactive"), func(u *Unit) { u.Wanted = false }), service("db", "active")),
				want: "start-units", reason: "it did not come back"},
		)},
		"after a revival: what did not run and nothing starts": {steps: after(settled(),
			step{e: revived, want: "note:count the stack back in"},
			step{e: list(with(service("other", "inactive"), func(u *Unit) { u.Wanted = false }))},
		)},
		"after a revival: failed while the manager was starting": {steps: after(settled(),
			step{e: revived, want: "note:count the stack back in"},
			step{e: starting(service("db", "activating"), service("web", "active"))},
			step{e: UnitSeen{service("db", "failed")}},
			step{e: list(service("db", "failed"), service("web", "active")), want: "start-units", reason: "systemd gave up"},
		)},
		"the first look comes before the record of the death": {steps: after(settled(),
			step{e: list(service("db", "inactive"), service("web", "active"))},
			step{e: revived, want: "note:count the stack back in | start-units"},
		)},
		"the first daemon of a young life": {steps: after(settled(),
			step{e: Began{Kind: LifeUnknown, Fresh: true}},
			step{e: list(service("db", "inactive")), want: "start-units"},
		)},
		"the first daemon of an old one": {steps: after(settled(),
			step{e: Began{Kind: LifeUnknown}},
			step{e: list(service("db", "inactive"))},
		)},

		"restarted: what was stopped stays so, and debts are debts": {steps: after(settled(),
			step{e: Began{Kind: LifeSame, Stops: map[string]string{"db.service": ""}, Owed: map[string]string{"web.service": "a reason"}}},
			step{e: list(service("db", "failed"), service("web", "failed")), want: "start-units", reason: "a reason"},
			step{e: UnitSeen{service("db", "inactive")}, want: "look-units"},
			step{e: UnitSeen{service("db", "failed")}},
		)},
		"restarted while the stack was coming back": {steps: after(settled(),
			step{e: Began{Kind: LifeSame, Was: LifeRevived, Stops: map[string]string{"db.service": ""}, Down: []Down{{"db.service", boot}, {"web.service", boot}}}},
			step{e: list(service("db", "inactive"), service("web", "inactive")), want: "look-units | start-units", reason: "it did not come back"},
		)},
		"restarted, and all is as it was": {steps: after(settled(),
			step{e: Began{Kind: LifeSame}},
			step{e: list(service("db", "inactive"), service("web", "failed"))},
		)},

		"not while keeper stands down": {steps: after(runs("db"),
			step{e: StandDownSeen{paused}, want: "note:stand down"},
			step{e: gaveUp},
			step{after: LookEvery, e: Wake{}, want: "look-linger | look-units | look-manager"},
			step{e: StandDownSeen{}, want: "note:stand up | start-units"},
		)},
		"not while the machine goes down": {steps: after(runs("db"),
			step{e: PrepareForShutdown{Active: true}, want: "note:leave everything as it is | release-delay"},
			step{e: gaveUp},
			step{e: PrepareForShutdown{}, want: "note:look again | take-delay | look-linger | start-units"},
		)},
		"not before the marks were seen": {steps: []step{
			{e: list(service("db", "active"))},
			{e: gaveUp},
			{e: StandDownSeen{}, want: "start-units"},
		}},
		"not while the user manager is away": {steps: after(runs("db"),
			step{e: ManagerDown{Err: "gone"}, want: "note:wait for the user manager"},
			step{e: gaveUp},
			step{e: list(service("db", "failed")), want: "start-units"},
		)},
		"a unit that is gone is owed nothing": {steps: after(runs("db", "web"),
			step{e: StandDownSeen{paused}, want: "note:stand down"},
			step{e: gaveUp},
			step{e: list(service("web", "active"))},
			step{e: StandDownSeen{}, want: "note:stand up | look-linger"},
			step{e: list(service("web", "active"), service("db", "failed"))},
		)},
	})
}

// All that is owed is started with one call, under its whole name; the decision
// says it in short.
func TestBringBackNames(t *testing.T) {
	t.Parallel()
	y := newStory(t)
	y.play(after(settled(),
		step{e: Began{Kind: LifeRevived, Cause: "killed", Down: []Down{{"web.service", boot}, {"db.service", boot}}}, want: "note:count the stack back in"})...)
	var actions []Action
	y.s, actions = Decide(y.s, list(service("web", "inactive"), service("db", "failed"), service("cache", "active"), service("app.service", "inactive")), y.now)
	want := Action{Kind: StartUnits, Units: []string{"app.service.service", "db.service", "web.service"}, What: "start app.service, db, web",
		Reason: "app.service: it did not come back with the user manager; db: it did not come back with the user manager; web: it did not come back with the user manager"}
	actions = withoutProbes(actions)
	if len(actions) != 1 || !reflect.DeepEqual(actions[0], want) {
		t.Errorf("got  %+v\nwant %+v", actions, want)
	}
	if got := slices.Sorted(maps.Keys(y.s.Owed())); !slices.Equal(got, want.Units) {
		t.Errorf("owed: %v, want %v", got, want.Units)
	}
}

// bringing plays a service that systemd gives up on whenever it is started, and
// returns when keeper did so within the time, counted from now. Each start gets
// as far as the given states before it fails.
func bringing(y *story, span time.Duration, states ...string) (starts []time.Duration, decided int) {
	begin := y.now
	see := func(e Event) []Action {
		var actions []Action
		y.s, actions = Decide(y.s, e, y.now)
		for _, a := range actions {
			if a.Decided() {
				decided++
			}
		}
		return actions
	}
	queue := see(UnitSeen{service("db", "failed")})
	for y.now.Sub(begin) <= span {
		started := false
		for _, a := range queue {
			started = started || a.Kind == StartUnits
		}
		queue = nil
		if !started {
			y.now = y.s.Next
			queue = see(Wake{})
			continue
		}
		starts = append(starts, y.now.Sub(begin))
		for _, e := range []Event{UnitsStarted{Units: []string{"db.service"}}} {
			queue = append(queue, see(e)...)
		}
		for _, s := range append(states, "failed") {
			queue = append(queue, see(UnitSeen{service("db", s)})...)
		}
		if len(starts) > 1000 {
			y.t.Fatalf("started in a tight loop: %v", starts[:10])
		}
	}
	return starts, decided
}

// What fails again and again is started later and later, and is one decision,
// however far it gets each time.
func TestBringBackBackoff(t *testing.T) {
	t.Parallel()
	for name, states := range map[string][]string{
		"never gets there":             {"activating"},
		"is there, and fails at once":  {"activating", "active"},
		"fails before anybody sees it": {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			y := newStory(t)
			y.play(runs("db")...)
			starts, decided := bringing(y, 20*time.Minute, states...)
			want := []time.Duration{0, 2 * time.Second, 7 * time.Second, 22 * time.Second, 52 * time.Second, 112 * time.Second, 172 * time.Second, 232 * time.Second, 352 * time.Second, 652 * time.Second, 952 * time.Second}
			if !slices.Equal(starts, want) {
				t.Errorf("started after %v, want %v", starts, want)
			}
			if decided > 2 {
				t.Errorf("that were %d decisions", decided)
			}
		})
	}
}

// A service that has run for a while is a new case.
func TestBringBackForgets(t *testing.T) {
	t.Parallel()
	y := newStory(t)
	y.play(runs("db")...)
	bringing(y, 80*time.Second, "active") // tried often
	y.play(step{e: UnitSeen{service("db", "active")}})
	if o := y.s.Owed(); len(o) != 0 {
		t.Fatalf("it runs, and is owed: %v", o)
	}
	y.now = y.now.Add(time.Hour)
	starts, decided := bringing(y, 10*time.Second, "active")
	if want := []time.Duration{0, 2 * time.Second, 7 * time.Second}; !slices.Equal(starts, want) || decided == 0 {
		t.Errorf("an hour later: started after %v, with %d decisions; want %v and a decision", starts, decided, want)
	}

	// And so is one that somebody stopped and started in between.
	y = newStory(t)
	y.play(runs("db")...)
	bringing(y, 80*time.Second, "active")
	y.play(step{e: StopAsked{Name: "db.service"}}, step{e: UnitSeen{service("db", "inactive")}, want: "look-units"}, step{e: UnitSeen{life("2", service("db", "active"))}})
	if starts, _ := bringing(y, time.Second, "active"); len(starts) == 0 || starts[0] != 0 {
		t.Errorf("after a person's stop and start: started after %v, want at once", starts)
	}
}

// A start that hangs is not repeated beside itself; what else fails meanwhile
// is started when the answer came.
func TestBringBackOneAtATime(t *testing.T) {
	t.Parallel()
	y := newStory(t)
	y.play(after(runs("db", "web"),
		step{e: UnitSeen{service("db", "failed")}, want: "start-units"},
		step{e: UnitSeen{service("web", "failed")}},
		step{after: time.Minute, e: Wake{}, want: "look-manager"},
		step{e: UnitsStarted{Units: []string{"db.service"}, Err: "timeout"}, want: "note:try to start db again later | start-units", reason: "db: systemd gave up on it: exit-code; web: systemd gave up on it: exit-code"},
		// The same trouble is said once.
		step{e: UnitsStarted{Units: []string{"db.service", "web.service"}, Err: "timeout"}},
	)...)
	y.doze(y.now.Add(2 * time.Second)) // web's second try
	_, actions := Decide(y.s, Wake{}, y.now.Add(2*time.Second))
	if len(actions) != 1 || actions[0].What != "start web" || actions[0].Reason != "systemd gave up on it: exit-code" { // named once
		t.Errorf("%+v", actions)
	}
}

// A trouble that was over and comes back is said again.
func TestBringBackSaysItAgain(t *testing.T) {
	t.Parallel()
	y := newStory(t)
	y.play(after(runs("db"),
		step{e: UnitSeen{service("db", "failed")}, want: "start-units"},
		step{e: UnitsStarted{Units: []string{"db.service"}, Err: "held"}, want: "note:try to start db again later", reason: "held"},
		step{after: 2 * time.Second, e: Wake{}, want: "start-units"},
		step{e: UnitsStarted{Units: []string{"db.service"}}},
		step{e: UnitSeen{service("db", "active")}},
		step{after: 24 * time.Hour, e: UnitSeen{service("db", "failed")}, want: "start-units"},
		step{e: UnitsStarted{Units: []string{"db.service"}, Err: "held"}, want: "note:try to start db again later"},
	)...)
}

// What failed between two daemons of the same life, was running when the first
// saw it last, and was restarted by systemd in vain, is owed. What had failed
// before is not, nor what failed without a restart: a stop that somebody asked
// for may end in failed as well.
func TestFailedWhileKeeperWasAway(t *testing.T) {
	t.Parallel()
	failed := func(name string, restarts uint32) Unit {
		return Unit{Name: name, Kind: "container", Active: "failed", Sub: "failed", Result: "exit-code", Restarts: restarts}
	}
	s := decide(State{}, Began{Kind: LifeSame, Ran: []string{"db.service", "stopped.service"}},
		UnitsSeen{Units: []Unit{failed("db.service", 5), failed("stopped.service", 0), failed("old.service", 5)}})
	owed := s.Owed()
	if owed["db.service"] == "" || len(owed) != 1 {
		t.Errorf("owed: %v, want db.service alone", owed)
	}
}

// systemctl isolate stops each service by a job, as a person would, and means
// none of them.
func TestIsolatedServicesComeBack(t *testing.T) {
	t.Parallel()
	unit := func(active, sub string, job bool) UnitSeen {
		return UnitSeen{Unit{Name: "db.service", Kind: "container", Active: active, Sub: sub, Job: job}}
	}
	s := decide(State{}, StandDownSeen{}, UnitsSeen{Units: []Unit{unit("active", "running", false).Unit}},
		StopAsked{Name: "db.service", Isolated: true}, unit("active", "running", true), unit("deactivating", "stop", true))
	s, actions := Decide(s, unit("inactive", "dead", false), noon)
	if spell(actions) != "start-units" || s.Units["db.service"].Stopped {
		t.Errorf("got %q, stopped %v; want it to be started", spell(actions), s.Units["db.service"].Stopped)
	}
	// What a person had stopped before stays so.
	s = decide(State{}, StandDownSeen{}, UnitsSeen{Units: []Unit{unit("active", "running", false).Unit}},
		StopAsked{Name: "db.service"}, unit("inactive", "dead", false), StopAsked{Name: "db.service", Isolated: true})
	if len(s.Owed()) != 0 {
		t.Errorf("owed: %v", s.Owed())
	}
}
