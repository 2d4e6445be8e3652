package core

import (
	"strings"
	"testing"
	"time"
)

// What somebody stopped is known by its name and by the life that was ended, and
// only a later life ends that: not a list that it is missing from, nor a look at
// how it was before.
func TestStopsAreKept(t *testing.T) {
	first := func(active string) Unit { return life("1", service("db", active)) }
	stopped := after(settled(), step{e: list(first("active"))},
		step{e: StopAsked{Name: "db.service"}}, step{e: UnitSeen{first("inactive")}, want: "look-units"})
	with := func(more ...step) []step { return after(append([]step{}, stopped...), more...) }
	tell(t, map[string]tale{
		"its file went, and came back": {steps: with(
			step{e: list()},
			step{e: list(first("inactive")), want: "look-units"},
			step{e: UnitSeen{first("failed")}},
		)},
		"an old look shows it failed": {steps: with(
			step{e: list(first("active"))},
			step{e: UnitSeen{first("failed")}},
		)},
		"it is started, and dies": {steps: with(
			step{e: UnitSeen{life("2", service("db", "activating"))}},
			step{e: UnitSeen{life("2", service("db", "active"))}},
			step{e: UnitSeen{life("2", service("db", "failed"))}, want: "start-units", reason: "systemd gave up"},
		)},
		// Its new life is seen when it is over already: whose word that was, nobody
		// can say.
		"it is started, and dies unseen": {steps: with(
			step{e: UnitSeen{life("2", service("db", "failed"))}},
		)},
		"stopped again in its next life": {steps: with(
			step{e: UnitSeen{life("2", service("db", "active"))}},
			step{e: StopAsked{Name: "db.service"}},
			step{e: list(life("2", service("db", "active")))},
			step{e: UnitSeen{life("2", service("db", "failed"))}},
		)},
		"a new daemon takes it over": {steps: after(settled(),
			step{e: Began{Kind: LifeSame, Stops: map[string]string{"db.service": "1"}, Ran: []string{"web.service"}}},
			step{e: list(first("inactive"), service("web", "active")), want: "look-units"},
			step{e: list(service("web", "active"))},
			step{e: list(first("failed"), service("web", "active"))},
			step{e: UnitSeen{life("2", service("db", "active"))}},
			step{e: UnitSeen{life("2", service("db", "failed"))}, want: "start-units"},
		)},
		// The stop is queued, and waits.
		"a new daemon takes it over before it is down": {steps: after(settled(),
			step{e: Began{Kind: LifeSame, Stops: map[string]string{"db.service": "1"}}},
			step{e: list(busy(first("active")))},
			step{e: UnitSeen{first("deactivating")}},
			step{e: UnitSeen{first("failed")}},
		)},
	})
}

// A stop job may be canceled before it runs, as by a start: nobody wants the unit
// to stay down any more.
func TestStopUndone(t *testing.T) {
	running := func(id string) Unit { return life(id, service("db", "active")) }
	died := step{e: UnitSeen{life("1", service("db", "failed"))}}
	brought := died
	brought.want, brought.reason = "start-units", "systemd gave up"
	asked := after(settled(), step{e: list(running("1"))}, step{e: StopAsked{Name: "db.service"}})
	with := func(more ...step) []step { return after(append([]step{}, asked...), more...) }
	undone := func(id string) step { return step{e: StopUndone{Name: "db.service", Invocation: id}} }
	tell(t, map[string]tale{
		"control":                  {steps: with(died)},
		"it dies later":            {steps: with(undone("1"), brought)},
		"asked once more":          {steps: with(undone("1"), step{e: StopAsked{Name: "db.service"}}, died)},
		"in a life that was over":  {steps: with(undone("2"), died)},
		"nobody asked":             {steps: after(settled(), step{e: list(running("1"))}, undone("1"), brought)},
		"a unit that nobody knows": {steps: with(step{e: StopUndone{Name: "gone.service"}}, died)},
	})
	s := decide(State{}, list(running("1")), StopAsked{Name: "db.service"}, StopUndone{Name: "db.service", Invocation: "1"})
	if s.Units["db.service"].Stopped {
		t.Error("it runs on, and is shown as stopped by somebody")
	}
}

// Whoever calls a stop off while nobody listens is not heard: what runs on in the
// first look after that, with no job, nobody wants down.
func TestStopUndoneUnheard(t *testing.T) {
	running := life("1", service("db", "active"))
	died := step{e: UnitSeen{life("1", service("db", "failed"))}}
	brought := died
	brought.want, brought.reason = "start-units", "systemd gave up"
	asked := after(settled(), step{e: list(running)}, step{e: StopAsked{Name: "db.service"}})
	with := func(more ...step) []step { return after(append([]step{}, asked...), more...) }
	first := func(u Unit) step {
		return step{e: UnitsSeen{Armed: true, First: true, Units: []Unit{u}}}
	}
	tell(t, map[string]tale{
		"called off while nobody listened": {steps: with(first(running), brought)},
		"queued while nobody listened":     {steps: with(first(busy(running)), died)},
		"it ended while nobody listened":   {steps: with(first(life("1", service("db", "failed"))), died)},
		"called off before a new daemon looked at it": {steps: after(settled(),
			step{e: Began{Kind: LifeSame, Stops: map[string]string{"db.service": "1"}}}, first(running), brought)},
	})
}

// What somebody stopped is not started for something that needs it.
func TestStopHoldsWhatNeedsIt(t *testing.T) {
	web := func(active string) Unit {
		return with(service("web", active), func(u *Unit) { u.Needs = []string{"db.service"} })
	}
	steps := after(settled(), step{e: list(service("db", "active"), web("active"))},
		step{e: UnitSeen{web("failed")}, want: "start-units", reason: "systemd gave up"},
		step{e: UnitsStarted{Units: []string{"web.service"}}},
		step{e: StopAsked{Name: "db.service"}},
		step{e: UnitSeen{service("db", "inactive")}, want: "look-units"},
		step{after: time.Minute, e: Wake{}, want: "look-manager"},
	)
	tell(t, map[string]tale{
		"it waits":                  {steps: steps},
		"until that is there again": {steps: after(steps, step{e: UnitSeen{life("2", service("db", "active"))}, want: "start-units"})},
	})
	s := decide(State{}, list(service("db", "active"), web("active")), UnitSeen{web("failed")}, StopAsked{Name: "db.service"})
	if got := s.OwedNow()["web.service"]; !strings.Contains(got, "it waits, for it would start db") {
		t.Errorf("owed: %q", got)
	}
}

// web is bound to the pod: systemd stops it when the pod dies.
func bound(active string) Unit {
	return with(service("web", active), func(u *Unit) {
		u.BoundTo, u.Needs = []string{"pod.service", "basic.target"}, []string{"data-volume.service", "pod.service"}
	})
}

func TestStopOfWhatIsBound(t *testing.T) {
	stack := after(settled(), step{e: list(service("pod", "active"), bound("active"))})
	with := func(more ...step) []step { return after(append([]step{}, stack...), more...) }
	tell(t, map[string]tale{
		"the pod died": {steps: with(
			step{e: UnitSeen{auto("pod")}},
			step{e: StopAsked{Name: "web.service"}},
			step{e: UnitSeen{bound("deactivating")}},
			step{e: UnitSeen{bound("inactive")}, want: "start-units", reason: "it was stopped with pod"},
		)},
		"the pod died for good": {steps: with(
			step{e: UnitSeen{service("pod", "failed")}, want: "start-units", reason: "systemd gave up"},
			step{e: StopAsked{Name: "web.service"}},
			step{e: UnitsStarted{Units: []string{"pod.service"}}},
			step{e: UnitSeen{bound("inactive")}, want: "start-units", reason: "it was stopped with pod"},
		)},
		"somebody stopped web alone": {steps: with(
			step{e: StopAsked{Name: "web.service"}},
			step{e: UnitSeen{bound("inactive")}, want: "look-units"},
			step{e: UnitSeen{auto("pod")}},
			step{e: UnitSeen{service("pod", "active")}},
		)},
		"somebody stopped the pod": {steps: with(
			step{e: StopAsked{Name: "pod.service"}},
			step{e: StopAsked{Name: "web.service"}},
			step{e: UnitSeen{service("pod", "inactive")}, want: "look-units"},
			step{e: UnitSeen{bound("inactive")}, want: "look-units"},
		)},
		"somebody stopped the pod, which says so last": {steps: with(
			step{e: StopAsked{Name: "web.service"}},
			step{e: StopAsked{Name: "pod.service"}},
			step{e: UnitSeen{bound("inactive")}, want: "look-units"},
			step{e: UnitSeen{service("pod", "inactive")}, want: "look-units"},
		)},
	})
}

// What needs another goes down with it, without a job that anybody could hear of.
func TestWentDownWithWhatItNeeds(t *testing.T) {
	stack := after(settled(), step{e: list(service("pod", "active"), bound("active"))})
	with := func(more ...step) []step { return after(append([]step{}, stack...), more...) }
	tell(t, map[string]tale{
		"the pod is down": {steps: with(
			step{e: UnitSeen{auto("pod")}},
			step{e: UnitSeen{bound("inactive")}, want: "start-units", reason: "it went down with pod"},
		)},
		"the pod is up": {steps: with(
			step{e: UnitSeen{bound("inactive")}},
		)},
		"somebody stopped the pod": {steps: with(
			step{e: StopAsked{Name: "pod.service"}},
			step{e: UnitSeen{service("pod", "inactive")}, want: "look-units"},
			step{e: UnitSeen{bound("inactive")}},
		)},
		"it was down before": {steps: after(settled(),
			step{e: list(service("pod", "active"), bound("inactive"))},
			step{e: UnitSeen{auto("pod")}},
			step{e: UnitSeen{bound("inactive")}},
		)},
		"nobody knows how it was before": {steps: after(settled(),
			step{e: list(auto("pod"), bound("inactive"))},
		)},
		"what is no service of the account's is not looked at": {steps: after(settled(),
			step{e: list(bound("active"))},
			step{e: UnitSeen{bound("inactive")}},
		)},
	})
}

// A backup runs to its end and is inactive then, or fails, and its timer starts
// it again. It is nothing to bring back.
func TestOneShots(t *testing.T) {
	once := func(active string) Unit {
		return with(service("backup", active), func(u *Unit) { u.OneShot, u.Needs, u.BoundTo = true, []string{"db.service"}, []string{"db.service"} })
	}
	stack := after(settled(), step{e: list(once("activating"), service("db", "active"))})
	with := func(more ...step) []step { return after(append([]step{}, stack...), more...) }
	tell(t, map[string]tale{
		"it is done":   {steps: with(step{e: UnitSeen{once("inactive")}})},
		"it failed":    {steps: with(step{e: UnitSeen{once("failed")}})},
		"isolated":     {steps: with(step{e: StopAsked{Name: "backup.service", Isolated: true}}, step{e: UnitSeen{once("inactive")}})},
		"with db":      {steps: with(step{e: UnitSeen{auto("db")}}, step{e: StopAsked{Name: "backup.service"}}, step{e: UnitSeen{once("inactive")}})},
		"with db, too": {steps: with(step{e: UnitSeen{auto("db")}}, step{e: UnitSeen{once("inactive")}})},
		"after a revival": {steps: after(settled(),
			step{e: Began{Kind: LifeRevived, Cause: "killed", Down: []Down{{"backup.service", boot}}}, want: "note:count the stack back in"},
			step{e: list(once("inactive"), service("db", "active"))},
		)},
		"failed while keeper was away": {steps: after(settled(),
			step{e: Began{Kind: LifeSame, Ran: []string{"backup.service"}}},
			step{e: list(life("2", Unit{Name: "backup.service", Kind: "container", Active: "failed", Sub: "failed", OneShot: true, Restarts: 3}))},
		)},
		"owed by a daemon that knew no better": {steps: after(settled(),
			step{e: Began{Kind: LifeSame, Owed: map[string]string{"backup.service": "a reason"}}},
			step{e: list(once("failed"))},
		)},
		"nothing waits for it": {steps: with(
			step{e: UnitSeen{auto("db")}},
			step{e: UnitSeen{once("inactive")}},
			step{e: UnitSeen{service("db", "active")}},
		)},
	})
}

// After a death, what ran in this life already and is inactive was stopped by
// somebody; failed is nobody's wish.
func TestTakeStockOfThisLife(t *testing.T) {
	ran := func(active string) Unit {
		return with(service("db", active), func(u *Unit) { u.Entered = boot + time.Second })
	}
	tell(t, map[string]tale{
		"inactive": {steps: after(settled(),
			step{e: died("db.service"), want: "note:count the stack back in"},
			step{e: list(ran("inactive"))},
		)},
		"failed": {steps: after(settled(),
			step{e: died("db.service"), want: "note:count the stack back in"},
			step{e: list(ran("failed")), want: "start-units"},
		)},
		"never up in this life": {steps: after(settled(),
			step{e: died("db.service"), want: "note:count the stack back in"},
			step{e: list(service("db", "inactive")), want: "start-units"},
		)},
	})
}

// Nor is one shown as owed while nothing can be started.
func TestOneShotsAreNotOwed(t *testing.T) {
	t.Parallel()
	once := func(active string) Unit { return with(service("backup", active), func(u *Unit) { u.OneShot = true }) }
	s := decide(State{}, StandDownSeen{paused}, list(once("activating")),
		StopAsked{Name: "backup.service", Isolated: true}, UnitSeen{once("failed")})
	if o := s.Owed(); len(o) != 0 {
		t.Errorf("owed: %v", o)
	}
}
