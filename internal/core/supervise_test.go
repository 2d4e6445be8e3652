package core

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// svc is a service in its first life, with a probe that says nothing special.
func svc(name, active string) Unit {
	return life("1", with(service(name, active), func(u *Unit) { u.MainPID, u.Container = 7, name }))
}

// needing is one that needs others.
func needing(u Unit, names ...string) Unit {
	return with(u, func(u *Unit) {
		for _, n := range names {
			u.Needs = append(u.Needs, n+".service")
		}
	})
}

// goingWith is stopped when those are stopped (Requires).
func goingWith(u Unit, names ...string) Unit {
	u = needing(u, names...)
	u.StopsWith = slices.Clone(u.Needs)
	return u
}

func shows(name string, c Condition) Probed {
	return Probed{Unit: name + ".service", Invocation: "1", Outcome: Outcome{Condition: c}}
}

func in(id string, e Probed) Probed { e.Invocation = id; return e }

// tick is a probe at the usual interval.
func tick(name string, c Condition, want string) step {
	return step{after: 10 * time.Second, e: shows(name, c), want: want}
}

func examined(name string, outcomes ...any) Examined {
	e := Examined{Unit: name + ".service", Outcomes: map[string]Outcome{}}
	for i := 0; i < len(outcomes); i += 2 {
		e.Outcomes[outcomes[i].(string)+".service"] = Outcome{Condition: outcomes[i+1].(Condition)}
	}
	return e
}

// watching is a settled daemon, with services that have answered.
func watching(units ...Unit) []step {
	steps := append(settled(), step{e: list(units...)})
	for _, u := range units {
		if u.Active == "active" {
			steps = append(steps, step{e: Probed{Unit: u.Name, Invocation: u.Invocation, Outcome: Outcome{Condition: ConditionReady}}})
		}
	}
	return steps
}

// illNow is one that is ill, and under examination.
func illNow(name string) []step {
	return []step{
		tick(name, ConditionSilent, ""), tick(name, ConditionSilent, ""),
		tick(name, ConditionSilent, "note:call "+name+" ill | examine"),
	}
}

func chain(parts ...[]step) []step { return slices.Concat(parts...) }

func one(after time.Duration, e Event, want string) []step {
	return []step{{after: after, e: e, want: want}}
}

func TestWhenAServiceIsIll(t *testing.T) {
	web := svc("web", "active")
	unanswered := append(settled(), step{e: list(web)})
	tell(t, map[string]tale{
		"at the threshold, and not before": {steps: chain(watching(web), illNow("web"))},
		"a sign of life begins the count anew": {steps: chain(watching(web), []step{
			tick("web", ConditionSilent, ""), tick("web", ConditionRefused, ""), tick("web", ConditionBusy, ""),
			tick("web", ConditionSilent, ""), tick("web", ConditionSilent, ""), tick("web", ConditionSilent, "note:call web ill | examine"),
		})},
		"what could not be asked counts neither way": {steps: chain(watching(web), []step{
			tick("web", ConditionSilent, ""), tick("web", ConditionUnknown, ""), tick("web", ConditionSilent, ""),
			tick("web", ConditionUnknown, ""), tick("web", ConditionUnknown, ""), tick("web", ConditionUnknown, ""),
			tick("web", ConditionSilent, "note:call web ill | examine"),
		})},
		"within the grace nothing counts": {steps: chain(unanswered, []step{
			tick("web", ConditionRefused, ""), tick("web", ConditionRefused, ""), tick("web", ConditionRefused, ""),
			tick("web", ConditionRefused, ""), tick("web", ConditionRefused, ""),
			tick("web", ConditionRefused, ""), // a minute: the first that counts
			tick("web", ConditionRefused, ""), tick("web", ConditionRefused, "note:call web ill | examine"),
		})},
		"unless it has answered": {steps: chain(unanswered, one(time.Second, shows("web", ConditionStarting), ""), illNow("web"))},
		"what is at something is let be": {steps: chain(watching(web), []step{
			tick("web", ConditionStarting, ""), tick("web", ConditionLoading, ""), tick("web", ConditionRecovering, "note:leave web as it is"),
			tick("web", ConditionRecovering, ""), tick("web", ConditionNotReady, ""), tick("web", ConditionAuthRefused, ""),
			tick("web", ConditionStopping, ""), tick("web", ConditionBusy, ""), tick("web", ConditionReady, ""),
		})},
		"a probe of another life": {steps: chain(watching(web), []step{
			tick("web", ConditionSilent, ""), tick("web", ConditionSilent, ""), {e: in("0", shows("web", ConditionSilent))},
			{e: in("2", shows("web", ConditionSilent))}, {e: Probed{Unit: "gone.service", Outcome: Outcome{Condition: ConditionSilent}}},
		})},
		"another life begins anew": {steps: chain(watching(web), []step{
			tick("web", ConditionSilent, ""), tick("web", ConditionSilent, ""), {e: UnitSeen{life("2", web)}},
			{after: time.Second, e: in("2", shows("web", ConditionSilent))}, {after: time.Second, e: in("2", shows("web", ConditionSilent))},
		})},
		"well again": {steps: chain(watching(web), illNow("web"), one(0, examined("web", "web", ConditionAlive), ""), []step{
			tick("web", ConditionReady, "note:count web as well again"), tick("web", ConditionReady, ""),
		})},
		"well again before the examination ends": {steps: chain(watching(web), illNow("web"), []step{
			tick("web", ConditionReady, ""), tick("web", ConditionReady, "note:count web as well again"), {e: examined("web", "web", ConditionSilent)},
		})},
		"the same again is another illness": {steps: chain(watching(web), illNow("web"), one(0, examined("web", "web", ConditionAlive), ""),
			one(10*time.Second, shows("web", ConditionReady), "note:count web as well again"), illNow("web"))},
	})
}

func TestExamination(t *testing.T) {
	web := svc("web", "active")
	stack := []Unit{svc("db", "active"), needing(web, "db")}
	sick := chain(watching(stack...), illNow("web"))
	with := func(more ...[]step) tale { return tale{steps: chain(append([][]step{sick}, more...)...)} }
	restarted := one(time.Second, examined("web", "web", ConditionSilent, "db", ConditionReady), "restart-units")
	restarted[0].reason = "silent"
	again := one(10*time.Second, shows("web", ConditionSilent), "examine")
	tell(t, map[string]tale{
		"ill, and nothing explains it":      with(restarted),
		"it lives":                          with(one(0, examined("web", "web", ConditionNotReady), "")),
		"it recovers":                       with(one(0, examined("web", "web", ConditionRecovering), "")),
		"it could not be asked":             with(one(0, examined("web", "web", ConditionUnknown), ""), again),
		"nothing is known of it":            with(one(0, examined("web", "db", ConditionReady), ""), again),
		"no answer at all":                  with(one(0, Examined{Unit: "web.service"}, ""), again),
		"somebody else was examined":        with(one(0, examined("db", "db", ConditionSilent), ""), restarted),
		"it is frozen":                      with(one(0, examined("web", "web", ConditionFrozen), "")),
		"a dependency is ill":               with(one(0, examined("web", "web", ConditionSilent, "db", ConditionRecovering), "note:leave web to db")),
		"a dependency refuses credentials":  with(one(time.Second, examined("web", "web", ConditionSilent, "db", ConditionAuthRefused), "restart-units")),
		"a dependency could not be asked":   with(one(time.Second, examined("web", "web", ConditionSilent, "db", ConditionUnknown), "restart-units")),
		"the answer comes twice":            with(restarted, one(0, examined("web", "web", ConditionSilent), "")),
		"another life began":                with(one(0, UnitSeen{life("2", stack[1])}, ""), one(0, examined("web", "web", ConditionSilent), "")),
		"it went":                           with(one(0, UnitSeen{needing(svc("web", "deactivating"), "db")}, ""), one(0, examined("web", "web", ConditionSilent), "")),
		"somebody stopped it":               with(one(0, StopAsked{Name: "web.service"}, ""), one(0, examined("web", "web", ConditionSilent), "")),
		"somebody stopped what it needs":    with(one(0, StopAsked{Name: "db.service"}, "note:leave web to db"), one(0, examined("web", "web", ConditionSilent, "db", ConditionReady), "")),
		"it has a job":                      with(one(0, UnitSeen{busy(stack[1])}, ""), one(0, examined("web", "web", ConditionSilent), "")),
		"it is held":                        with(one(0, HeldSeen{map[string]Hold{"web.service": {At: noon}}}, "note:leave web alone"), one(0, examined("web", "web", ConditionSilent), "")),
		"keeper stands down":                with(one(0, StandDownSeen{paused}, "note:stand down"), one(0, examined("web", "web", ConditionSilent), "")),
		"the machine goes down":             with(one(0, PrepareForShutdown{Active: true}, "note:leave everything as it is | release-delay"), one(0, examined("web", "web", ConditionSilent), "")),
		"the user manager is away":          with(one(0, ManagerDown{"gone"}, "note:wait for the user manager"), one(0, examined("web", "web", ConditionSilent), "")),
		"the user manager starts":           with(one(0, starting(stack...), ""), one(0, examined("web", "web", ConditionSilent), "")),
		"an adoption is under way":          with(one(0, AdoptionSeen{AdoptionUnderway}, "note:start nothing for now"), one(0, examined("web", "web", ConditionSilent), "")),
		"the rule became never":             with(one(0, SettingsSeen{Settings: Settings{Defaults: Supervision{Restart: RestartNever, From: map[string]string{"restart": "f:1"}}}}, ""), one(0, examined("web", "web", ConditionSilent), "")),
		"the dependency fails meanwhile":    with(one(0, shows("db", ConditionSilent), "note:leave web to db"), one(0, examined("web", "web", ConditionSilent, "db", ConditionReady), "")),
		"the dependency dies meanwhile":     with(one(0, UnitSeen{svc("db", "activating")}, "note:leave web to db"), one(0, examined("web", "web", ConditionSilent), "")),
		"it answers meanwhile":              with(one(0, shows("web", ConditionReady), ""), one(0, examined("web", "web", ConditionSilent), ""), one(0, shows("web", ConditionReady), "note:count web as well again")),
		"it answers meanwhile, and fails":   with(one(0, shows("web", ConditionReady), ""), one(0, examined("web", "web", ConditionSilent), ""), one(0, shows("web", ConditionSilent), ""), one(10*time.Second, shows("web", ConditionSilent), "examine"), one(0, examined("web", "web", ConditionSilent), "restart-units")),
		"it lives, and fails once more":     with(one(0, examined("web", "web", ConditionBusy), ""), one(10*time.Second, shows("web", ConditionSilent), "examine"), one(0, examined("web", "web", ConditionSilent), "")),
		"nobody answers the examination":    with(one(17*time.Second-1, Wake{}, "look-manager"), one(1, Wake{}, ""), one(10*time.Second, Wake{}, "examine")),
		"the disks are at their end":        with(one(0, Examined{Unit: "web.service", Outcomes: examined("web", "web", ConditionSilent).Outcomes, Strain: "all waits for the disks"}, "note:leave web as it is"), one(10*time.Second, shows("web", ConditionSilent), "examine"), one(0, examined("web", "web", ConditionSilent), "restart-units")),
		"a network helper is dead":          with(one(0, Examined{Unit: "web.service", Outcomes: examined("web", "web", ConditionSilent).Outcomes, DeadHelpers: []string{"pasta"}}, ""), one(helperSettle, Wake{}, "look-helpers | look-manager")),
		"one examination at a time":         {steps: chain(watching(svc("a", "active"), svc("b", "active")), illNow("a"), []step{{e: shows("b", ConditionSilent)}, {e: shows("b", ConditionSilent)}, {e: shows("b", ConditionSilent), want: "note:call b ill"}, {e: examined("a", "a", ConditionUnknown), want: "examine"}})},
		"a dead helper is mended meanwhile": with(one(0, HelpersSeen{Dead: []string{"pasta"}}, ""), one(time.Second, HelpersSeen{Dead: []string{"pasta"}}, "mend-network"), one(0, examined("web", "web", ConditionSilent), "")),
	})
}

// An examination of one life says nothing of the next, however soon that is ill.
func TestExaminationOfAnotherLife(t *testing.T) {
	at := SettingsSeen{Settings: Settings{Defaults: Supervision{Failures: 1, From: map[string]string{"failures": "f:1"}}}}
	y := newStory(t)
	y.play(chain(settled(), one(0, at, ""), watching(svc("web", "active"))[4:], one(time.Second, shows("web", ConditionSilent), "note:call web ill | examine"))...)
	y.play(step{e: UnitSeen{life("2", svc("web", "active"))}}, step{e: in("2", shows("web", ConditionReady))},
		step{after: time.Second, e: in("2", shows("web", ConditionSilent)), want: "note:call web ill"},
		step{e: examined("web", "web", ConditionSilent), want: "examine"}, step{e: examined("web", "web", ConditionSilent), want: "restart-units"})
}

// What an examination finds out about a dependency holds until that one's own
// probes have had their turn.
func TestCauseByExamination(t *testing.T) {
	y := newStory(t)
	y.play(watching(svc("db", "active"), needing(svc("web", "active"), "db"))...)
	y.play(chain(illNow("web"), one(0, examined("web", "web", ConditionSilent, "db", ConditionSilent), "note:leave web to db"), one(9*time.Second, shows("web", ConditionSilent), ""))...)
	if w := y.s.watches["web.service"]; w.cause != "db.service" || w.ill.IsZero() {
		t.Errorf("it is forgotten: %+v", *w)
	}
	y.play(step{after: time.Second, e: Wake{}, want: "look-manager"})
	if w := y.s.watches["web.service"]; w.cause != "" || !w.ill.IsZero() {
		t.Errorf("it is held against db for ever: %+v", *w)
	}
}

// A dependency of which nothing is known yet may be gone in a moment, as one that
// systemd starts again and again: it is no reason to restart who needs it.
func TestDependencyStartedJustNow(t *testing.T) {
	y := newStory(t)
	y.play(watching(svc("db", "active"), needing(svc("web", "active"), "db"))...)
	y.play(step{e: UnitSeen{life("2", svc("db", "active"))}})
	y.play(tick("web", ConditionSilent, ""), tick("web", ConditionSilent, ""), tick("web", ConditionSilent, "note:call web ill | note:leave web to db"))
	y.play(step{e: in("2", shows("db", ConditionUnknown))}, tick("web", ConditionSilent, ""))
	// It cannot be asked at all, and that is no trouble of the service's.
	y.play(step{after: wellHold, e: shows("web", ConditionSilent)})
	y.play(tick("web", ConditionSilent, ""), tick("web", ConditionSilent, ""), tick("web", ConditionSilent, "note:call web ill"))
	y.play(step{after: 30 * time.Second, e: shows("web", ConditionSilent), want: "examine"}) // it had its time to recover
}

// What a service is examined with: itself, and what it depends on and is probed.
func TestExamineTargets(t *testing.T) {
	y := newStory(t)
	y.play(watching(svc("db", "active"), svc("off", "active"), svc("gone", "failed"), needing(svc("web", "active"), "db", "off", "gone", "volume"))...)
	y.play(step{e: SettingsSeen{Settings: Settings{Services: map[string]Supervision{
		"off": {Probe: ProbeNone, From: map[string]string{"probe": "f:1"}}, "web": {Timeout: 10 * time.Second, From: map[string]string{"timeout": "f:1"}}}}}})
	y.play(step{e: UnitSeen{svc("gone", "active")}}, step{e: shows("gone", ConditionReady)})
	y.play(illNow("web")[:2]...)
	_, actions := Decide(y.s, shows("web", ConditionSilent), y.now)
	a := actions[len(actions)-1]
	var names []string
	for _, target := range a.Targets {
		names = append(names, target.Unit+" "+target.Invocation+" "+target.Container)
	}
	if want := []string{"web.service 1 web", "db.service 1 db", "gone.service 1 gone"}; a.Kind != Examine || !slices.Equal(names, want) || a.Limit != 21*time.Second {
		t.Errorf("%s of %q within %v, want %q", a.Kind, names, a.Limit, want)
	}
}

// restartIt is what it takes until a service is restarted, and its new life.
func restartIt(from, to, name string) []step {
	probe := func(want string) step {
		return step{after: 10 * time.Second, e: in(from, shows(name, ConditionSilent)), want: want}
	}
	return []step{probe(""), probe(""), probe("note:call " + name + " ill | examine"),
		{e: examined(name, name, ConditionSilent), want: "restart-units"},
		{e: Remedied{Kind: RestartUnits, Units: []string{name + ".service"}}},
		{e: UnitSeen{life(from, svc(name, "deactivating"))}}, {e: UnitSeen{life(to, svc(name, "activating"))}}, {e: UnitSeen{life(to, svc(name, "active"))}},
	}
}

func TestBudget(t *testing.T) {
	ids := []string{"1", "2", "3", "4", "5", "6"}
	var spent []step
	for i := range 5 {
		spent = append(spent, restartIt(ids[i], ids[i+1], "web")...)
		spent = append(spent, step{after: 6 * time.Minute, e: in(ids[i+1], shows("web", ConditionReady))})
	}
	last := func(want string, steps ...step) []step {
		p := func(want string) step {
			return step{after: 10 * time.Second, e: in("6", shows("web", ConditionSilent)), want: want}
		}
		return append([]step{p(""), p(""), p("note:call web ill | examine"), {e: examined("web", "web", ConditionSilent), want: want}}, steps...)
	}
	gaveUp := chain(watching(svc("web", "active")), spent, last("note:give up on web"))
	quiet := []step{
		{after: 10 * time.Second, e: in("6", shows("web", ConditionSilent))},
		{after: 2 * time.Hour, e: in("6", shows("web", ConditionSilent))},
	}
	tell(t, map[string]tale{
		"given up, and said once": {steps: chain(gaveUp, quiet)},
		"somebody says to resume": {steps: chain(gaveUp, one(0, ResumeAsked{"web.service"}, "note:start afresh with web"), one(10*time.Second, in("6", shows("web", ConditionSilent)), "examine"), one(0, examined("web", "web", ConditionSilent), "restart-units"))},
		"somebody restarts it":    {steps: chain(gaveUp, one(0, RestartAsked{"web.service"}, "restart-units"))},
		"it gets well by itself": {steps: chain(gaveUp, []step{
			{after: 10 * time.Second, e: in("6", shows("web", ConditionReady))},
			{after: 10 * time.Second, e: in("6", shows("web", ConditionReady)), want: "note:count web as well again"},
			{after: 50*time.Second - 1, e: Wake{}, want: "look-linger | look-units | look-manager"},
			{after: 1, e: Wake{}, want: "note:watch over web again"},
		})},
		"not before it was well for a minute": {steps: chain(gaveUp, []step{
			{after: 10 * time.Second, e: in("6", shows("web", ConditionReady))},
			{after: 10 * time.Second, e: in("6", shows("web", ConditionReady)), want: "note:count web as well again"},
			{after: 30 * time.Second, e: in("6", shows("web", ConditionSilent))},
			{after: 30 * time.Second, e: in("6", shows("web", ConditionReady))},
		})},
		"the clock was set back since": {steps: chain(settled(), one(0, Began{Kind: LifeRevived, Cause: "killed", Cares: map[string]Care{"web.service": {Restarts: slices.Repeat([]time.Time{noon.AddDate(1, 0, 0)}, 5)}}}, "note:count the stack back in"),
			watching(svc("web", "active"))[4:], illNow("web"), one(0, examined("web", "web", ConditionSilent), "restart-units"))},
		"the window has passed": {steps: chain(watching(svc("web", "active")), spent, []step{
			{after: time.Hour, e: in("6", shows("web", ConditionReady))}}, last("restart-units"))},
		"a new daemon has not forgotten": {steps: chain(settled(), one(0, Began{Kind: LifeSame, Cares: map[string]Care{"web.service": {GaveUp: noon, Restarts: []time.Time{noon}}}}, ""),
			watching(svc("web", "active"))[4:], []step{tick("web", ConditionSilent, ""), tick("web", ConditionSilent, ""), tick("web", ConditionSilent, "note:call web ill"), tick("web", ConditionSilent, "")})},
		"in a new life of the user manager it has a chance": {steps: chain(settled(), one(0, Began{Kind: LifeRevived, Cause: "killed", Cares: map[string]Care{"web.service": {GaveUp: noon}}}, "note:count the stack back in"),
			watching(svc("web", "active"))[4:], illNow("web"))},
		"but what was spent is spent": {steps: chain(settled(), one(0, Began{Kind: LifeRevived, Cause: "killed", Cares: map[string]Care{"web.service": {Restarts: []time.Time{noon, noon, noon, noon, noon}}}}, "note:count the stack back in"),
			watching(svc("web", "active"))[4:], illNow("web"), one(0, examined("web", "web", ConditionSilent), "note:give up on web"))},
		"a restart that was not even queued costs nothing": {steps: chain(watching(svc("web", "active")), illNow("web"),
			one(0, examined("web", "web", ConditionSilent), "restart-units"),
			one(0, Remedied{Kind: RestartUnits, Units: []string{"web.service"}, Err: "the user manager is busy"}, "note:try again later with web"),
			one(10*time.Second, shows("web", ConditionSilent), ""), one(10*time.Second, shows("web", ConditionSilent), "examine"))},
	})
	y := newStory(t)
	y.play(gaveUp...)
	if kept := y.s.Cares()["web.service"]; len(kept.Restarts) != 5 || !kept.GaveUp.Equal(y.now) {
		t.Errorf("to be kept: %+v", kept)
	}
	y.play(step{e: RestartAsked{"web.service"}, want: "restart-units"})
	if kept := y.s.Cares(); len(kept) != 0 {
		t.Errorf("after a person's word: %+v", kept)
	}
	y = newStory(t)
	y.play(chain(watching(svc("web", "active")), illNow("web"), one(0, examined("web", "web", ConditionSilent), "restart-units"),
		one(0, Remedied{Kind: RestartUnits, Units: []string{"web.service"}, Err: "no"}, "note:try again later with web"))...)
	if kept := y.s.Cares(); len(kept) != 0 {
		t.Errorf("a restart that was not queued: %+v", kept)
	}
}

// Each further restart waits longer, by a tenth more at the most.
func TestWaitsBetweenRestarts(t *testing.T) {
	y := newStory(t)
	y.play(watching(svc("web", "active"))...)
	id, waits := 1, []time.Duration{10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute}
	for i, wait := range waits {
		from, to := string(rune('0'+id)), string(rune('1'+id))
		id++
		y.play(step{after: time.Hour, e: in(from, shows("web", ConditionReady))})
		y.s.cares = map[string]*care{"web.service": {tries: i}}
		y.play(restartIt(from, to, "web")...)
		got := y.s.cares["web.service"].next.Sub(y.s.cares["web.service"].restarts[0])
		if got < wait || got >= wait+wait/10 {
			t.Errorf("after %d restarts: %v, want %v and up to a tenth", i+1, got, wait)
		}
	}
	if jitter(time.Minute, "a", 1) == jitter(time.Minute, "b", 1) && jitter(time.Minute, "a", 2) == jitter(time.Minute, "b", 2) {
		t.Error("two services wait for the same time")
	}
}

func TestOneRestartAtATime(t *testing.T) {
	begin := chain(watching(svc("a", "active"), svc("b", "active")), illNow("a"),
		[]step{{e: shows("b", ConditionSilent)}, {e: shows("b", ConditionSilent)}, {e: shows("b", ConditionSilent), want: "note:call b ill"},
			{e: examined("a", "a", ConditionSilent), want: "restart-units"}, {e: Remedied{Kind: RestartUnits, Units: []string{"a.service"}}}})
	tell(t, map[string]tale{
		"another waits for a minute": {steps: chain(begin, one(restartHold-1, shows("b", ConditionSilent), ""), one(1, Wake{}, "look-manager | examine"))},
		"or for a sign of life": {steps: chain(begin, one(0, UnitSeen{life("2", svc("a", "active"))}, ""),
			one(time.Second, in("2", shows("a", ConditionStarting)), "examine"))},
		"in the new life":                          {steps: chain(begin, one(0, shows("a", ConditionBusy), ""))},
		"or until it could not be queued":          {steps: chain(begin, one(0, Remedied{Kind: RestartUnits, Units: []string{"a.service"}, Err: "no"}, "note:try again later with a | examine"))},
		"a failure of something else says nothing": {steps: chain(begin, one(0, Remedied{Kind: RestartUnits, Units: []string{"b.service"}, Err: "no"}, "note:try again later with b"))},
		"it is not examined while it goes down":    {steps: chain(begin, one(10*time.Second, shows("a", ConditionSilent), ""))},
		// Its job was canceled: the life goes on, and with it what was found.
		"a restart that never came": {steps: chain(begin, one(0, shows("b", ConditionReady), ""), one(0, shows("b", ConditionReady), "note:count b as well again"),
			one(restartHold-1, shows("a", ConditionSilent), ""), one(1, shows("a", ConditionSilent), "examine"))},
	})
}

// After a restart that was canceled a person's stop is a person's again.
func TestStopAfterACanceledRestart(t *testing.T) {
	web, db := goingWith(svc("web", "active"), "db"), svc("db", "active")
	steps := chain(watching(db, web), illNow("db"), one(0, examined("db", "db", ConditionSilent), "restart-units"))
	tell(t, map[string]tale{
		"in its course": {steps: chain(steps, one(0, StopAsked{Name: "web.service"}, ""), one(0, UnitSeen{goingWith(svc("web", "failed"), "db")}, ""))},
		"later": {steps: chain(steps, one(restartHold, Wake{}, "look-manager | examine"), one(0, StopAsked{Name: "web.service"}, ""),
			one(0, UnitSeen{goingWith(svc("web", "failed"), "db")}, ""))},
	})
}

func TestDependencies(t *testing.T) {
	db, web := svc("db", "active"), needing(svc("web", "active"), "db")
	both := func(want string) []step {
		return []step{tick("db", ConditionSilent, ""), {e: shows("web", ConditionSilent)}, tick("db", ConditionSilent, ""), {e: shows("web", ConditionSilent)},
			{after: 10 * time.Second, e: shows("web", ConditionSilent), want: want}}
	}
	tell(t, map[string]tale{
		"what depends on it waits": {steps: chain(watching(db, web), both("note:call web ill | note:leave web to db"),
			one(0, shows("db", ConditionSilent), "note:call db ill | examine"), one(0, examined("db", "db", ConditionSilent), "restart-units"),
			one(10*time.Second, shows("web", ConditionSilent), ""))},
		"and is looked at again when that is well": {steps: chain(watching(db, web), both("note:call web ill | note:leave web to db"),
			one(0, shows("db", ConditionReady), ""), []step{tick("web", ConditionSilent, ""), tick("web", ConditionSilent, ""), tick("web", ConditionSilent, "note:call web ill"),
				{after: 29 * time.Second, e: shows("web", ConditionSilent)}, {after: time.Second, e: shows("web", ConditionSilent), want: "examine"}})},
		"or gets well by itself": {steps: chain(watching(db, web), both("note:call web ill | note:leave web to db"),
			one(0, shows("db", ConditionReady), ""), []step{tick("web", ConditionReady, ""), tick("web", ConditionReady, "")})},
		"a chain": {steps: chain(watching(svc("a", "active"), needing(svc("b", "active"), "a"), needing(svc("c", "active"), "a", "b")), []step{
			{e: shows("a", ConditionRecovering)}, {e: shows("b", ConditionNotReady)},
			tick("c", ConditionSilent, ""), tick("c", ConditionSilent, ""), {e: shows("c", ConditionSilent), want: "note:call c ill | note:leave c to a", reason: "recovering"}})},
		// Each would wait for the other.
		"a circle": {steps: chain(watching(needing(svc("a", "active"), "b"), needing(svc("b", "active"), "a")), []step{
			{e: shows("b", ConditionSilent)}, {e: shows("b", ConditionSilent)}, {e: shows("b", ConditionSilent), want: "note:call b ill | examine"},
			{e: shows("a", ConditionSilent)}, {e: shows("a", ConditionSilent)}, {e: shows("a", ConditionSilent), want: "note:call a ill"},
			{e: examined("b", "b", ConditionSilent, "a", ConditionSilent), want: "restart-units"}})},
		"what it was told to depend on": {steps: chain(watching(svc("x", "active"), svc("y", "active")),
			one(0, UnitsSeen{Armed: true, Units: []Unit{svc("x", "active"), svc("y", "active")}, Sections: map[string]Supervision{"y.service": {DependsOn: []string{"x.service"}, From: map[string]string{"depends_on": "f:1"}}}}, ""),
			[]step{{e: shows("x", ConditionSilent)}, {e: shows("y", ConditionSilent)}, {e: shows("y", ConditionSilent)}, {e: shows("y", ConditionSilent), want: "note:call y ill | note:leave y to x"}})},
		"it is held":              {steps: chain(watching(db, web), one(0, HeldSeen{map[string]Hold{"db.service": {}}}, "note:leave db alone"), both("note:call web ill | note:leave web to db"))},
		"one that was stopped":    {steps: chain(watching(db, web), one(0, StopAsked{Name: "db.service"}, ""), one(0, UnitSeen{svc("db", "inactive")}, "look-units"), []step{tick("web", ConditionSilent, ""), tick("web", ConditionSilent, ""), tick("web", ConditionSilent, "note:call web ill | note:leave web to db")})},
		"one that is not probed":  {steps: chain(watching(needing(svc("web", "active"), "volume", "other")), illNow("web"))},
		"one of the same name":    {steps: chain(watching(needing(svc("web", "active"), "web")), illNow("web"))},
		"unknown explains naught": {steps: chain(watching(db, web), one(0, shows("db", ConditionUnknown), ""), illNow("web"))},
	})
}

// PostgreSQL is down for two minutes: Django is not restarted once, shown as
// blocked by it, and back by itself.
func TestPostgresDownForTwoMinutes(t *testing.T) {
	db, django := svc("postgres", "active"), needing(svc("django", "active"), "postgres")
	y := newStory(t)
	y.play(watching(db, django)...)
	down := one(10*time.Second, UnitSeen{svc("postgres", "activating")}, "")
	y.play(down...)
	y.play(tick("django", ConditionSilent, ""), tick("django", ConditionSilent, ""), tick("django", ConditionSilent, "note:call django ill | note:leave django to postgres"))
	for range 9 {
		y.play(tick("django", ConditionSilent, ""))
		if v := y.s.Services(y.now)[0]; v.State != ServiceBlocked || v.Cause != "postgres.service" || v.Why != "postgres: it is activating" {
			t.Fatalf("shown as %+v", v)
		}
	}
	y.play(step{e: UnitSeen{life("2", svc("postgres", "active"))}})
	y.play(step{after: time.Second, e: in("2", shows("postgres", ConditionRecovering))}, tick("django", ConditionSilent, ""), tick("django", ConditionSilent, ""),
		tick("django", ConditionSilent, "")) // said already, and not again each time that systemd tries
	y.play(step{e: in("2", shows("postgres", ConditionReady))}, step{after: time.Second, e: shows("django", ConditionReady)}, step{after: 10 * time.Second, e: shows("django", ConditionReady)})
	if v := y.s.Services(y.now)[0]; v.State != ServiceWell {
		t.Errorf("in the end: %+v", v)
	}
	y.doze(y.s.lookAt)
}

func TestRuleNever(t *testing.T) {
	never := SettingsSeen{Settings: Settings{Defaults: Supervision{Restart: RestartNever, From: map[string]string{"restart": "f:1"}}}}
	ill := []step{tick("web", ConditionSilent, ""), tick("web", ConditionSilent, ""), tick("web", ConditionSilent, "note:call web ill | note:leave web as it is"), tick("web", ConditionSilent, "")}
	well := []step{tick("web", ConditionReady, ""), tick("web", ConditionReady, "note:count web as well again")}
	tell(t, map[string]tale{
		"it is left":   {steps: chain(settled(), one(0, never, ""), watching(svc("web", "active"))[4:], ill, well, ill)},
		"a person may": {steps: chain(settled(), one(0, never, ""), watching(svc("web", "active"))[4:], ill, one(0, RestartAsked{"web.service"}, "restart-units"))},
	})
}

// Decide changes nothing of what it was given.
func TestSuperviseLeavesItsInput(t *testing.T) {
	y := newStory(t)
	stack := []Unit{svc("db", "active"), goingWith(svc("web", "active"), "db")}
	for _, st := range chain(watching(stack...), illNow("db"), one(0, examined("db", "db", ConditionSilent), "restart-units"), one(0, RestartAsked{"db.service"}, "restart-units"),
		one(0, HeldSeen{map[string]Hold{"db.service": {}}}, "note:leave db alone"), one(0, HeldSeen{}, "note:watch over db again")) {
		before := dump(y.s)
		y.now = y.now.Add(st.after)
		next, _ := Decide(y.s, st.e, y.now)
		if dump(y.s) != before {
			t.Fatalf("%T changed what it was given", st.e)
		}
		y.s = next
	}
	if !reflect.DeepEqual(y.s.restarted, []string{"web.service", "db.service"}) {
		t.Errorf("a restart of db ends %v", y.s.restarted)
	}
	if !strings.Contains(dump(y.s), "web.service") {
		t.Error("the state is not dumped")
	}
}

// What keeper guessed, and what never answered to that, is no reason for a restart.
func TestUnproven(t *testing.T) {
	db := with(svc("db", "active"), func(u *Unit) { u.Image = "postgres:17" })
	refused := func(want string) step { return tick("db", ConditionRefused, want) }
	mute := chain(settled(), one(0, list(db), ""), []step{{after: 5 * time.Minute, e: shows("db", ConditionRefused)}, refused(""), refused("note:call db ill | note:leave db as it is"), refused("")})
	mute[len(mute)-2].reason = "postgres at port 5432"
	answered := chain(mute, []step{tick("db", ConditionReady, ""), tick("db", ConditionReady, "note:count db as well again")}, illNow("db"))
	said := SettingsSeen{Settings: Settings{Services: map[string]Supervision{"db": {Probe: ProbePostgres, From: map[string]string{"probe": "f:1"}}}}}
	kept := Began{Kind: LifeSame, Cares: map[string]Care{"db.service": {Proved: "postgres at port 5432"}}}
	moved := SettingsSeen{Settings: Settings{Services: map[string]Supervision{"db": {Port: 6543, From: map[string]string{"port": "f:1"}}}}}
	tell(t, map[string]tale{
		"it never answered":                       {steps: mute},
		"it has answered":                         {steps: answered},
		"a person said what it is":                {steps: chain(settled(), one(0, said, ""), one(0, list(db), ""), []step{{after: 5 * time.Minute, e: shows("db", ConditionRefused)}, refused(""), refused("note:call db ill | examine")})},
		"a person said where it is":               {steps: chain(settled(), one(0, moved, ""), one(0, list(db), ""), []step{{after: 5 * time.Minute, e: shows("db", ConditionRefused)}, refused(""), refused("note:call db ill | examine")})},
		"it answered another daemon":              {steps: chain(settled(), one(0, kept, ""), one(0, list(db), ""), []step{{after: 5 * time.Minute, e: shows("db", ConditionRefused)}, refused(""), refused("note:call db ill | examine")})},
		"a person's word changes nothing of that": {steps: chain(watching(db), one(0, ResumeAsked{"db.service"}, "note:start afresh with db"), illNow("db"))},
	})
	y := newStory(t)
	y.play(chain(watching(db), one(0, RestartAsked{"db.service"}, "restart-units"))...)
	if kept := y.s.Cares()["db.service"]; kept.Proved != "postgres at port 5432" {
		t.Errorf("to be kept: %+v", kept)
	}
	if v := shown(t, "db", 0, mute); v.State != ServiceIll || !v.Unproven || !v.Next.IsZero() {
		t.Errorf("shown as %+v", v)
	}
}
