package core

import (
	"testing"
	"time"
)

func TestHeld(t *testing.T) {
	hold := func(until time.Time) HeldSeen {
		return HeldSeen{map[string]Hold{"web.service": {At: noon, Until: until, Reason: "a migration"}}}
	}
	held := one(0, hold(time.Time{}), "note:leave web alone")
	held[0].reason = "a migration"
	quietly := []step{tick("web", ConditionSilent, ""), tick("web", ConditionSilent, ""), tick("web", ConditionSilent, "note:call web ill"), tick("web", ConditionSilent, "")}
	web := svc("web", "active")
	failed := svc("web", "failed")
	tell(t, map[string]tale{
		"it is left":             {steps: chain(watching(web), held, quietly)},
		"until it is let go":     {steps: chain(watching(web), held, quietly, one(0, HeldSeen{}, "note:watch over web again | examine"))},
		"until the time is up":   {steps: chain(watching(web), one(0, hold(noon.Add(time.Minute)), "note:leave web alone"), quietly, one(20*time.Second-1, Wake{}, "look-manager"), one(1, Wake{}, "examine"))},
		"the time was up before": {steps: chain(watching(web), one(0, hold(noon.Add(-time.Minute)), ""), illNow("web"))},
		"the same once more":     {steps: chain(watching(web), held, one(0, hold(time.Time{}), ""))},
		"it is not started":      {steps: chain(watching(web), held, one(0, UnitSeen{failed}, ""), one(0, HeldSeen{}, "note:watch over web again | start-units"))},
		"nor for another":        {steps: chain(watching(web, needing(svc("app", "active"), "web")), held, one(0, UnitSeen{svc("web", "inactive")}, ""), one(0, UnitSeen{needing(svc("app", "failed"), "web")}, ""), one(0, HeldSeen{}, "note:watch over web again | start-units"))},
		"nor restarted along": {steps: chain(watching(svc("db", "active"), goingWith(web, "db")), held, []step{
			tick("db", ConditionSilent, ""), tick("db", ConditionSilent, ""), tick("db", ConditionSilent, "note:call db ill | note:leave db as it is"), tick("db", ConditionSilent, ""),
			{e: HeldSeen{}, want: "note:watch over web again | examine"}})},
		"nor if the hold comes late": {steps: chain(watching(svc("db", "active"), goingWith(web, "db")), illNow("db"),
			one(0, hold(time.Time{}), "note:leave web alone | note:leave db as it is"), one(0, examined("db", "db", ConditionSilent), ""))},
		"it is not unpaused":     {steps: chain(watching(web), held, one(0, shows("web", ConditionFrozen), ""), one(5*time.Minute, shows("web", ConditionFrozen), ""))},
		"but a person's word is": {steps: chain(watching(web), held, one(0, RestartAsked{"web.service"}, "restart-units"))},
		"keeper owes what it took": {steps: chain(watching(web), held, one(0, HelpersSeen{Orphaned: true}, ""), one(time.Second, HelpersSeen{Orphaned: true}, "renew-runtime"),
			one(0, UnitSeen{svc("web", "inactive")}, ""), one(0, RuntimeRenewed{Units: []string{"web.service"}}, "start-units"))},
	})
}

func TestThaw(t *testing.T) {
	web := svc("web", "active")
	frozen := []step{
		{after: 10 * time.Second, e: shows("web", ConditionFrozen)}, tick("web", ConditionFrozen, ""), tick("web", ConditionFrozen, "note:call web ill"),
		{after: 280*time.Second - 1, e: shows("web", ConditionFrozen)}, {after: 1, e: shows("web", ConditionFrozen), want: "thaw-unit"},
	}
	halt := func() []step {
		return []step{{after: 10 * time.Second, e: shows("web", ConditionStopped)}, tick("web", ConditionStopped, ""), tick("web", ConditionStopped, "note:call web ill | continue-unit")}
	}
	done := func(kind Kind, err, want string) []step {
		return one(0, Remedied{Kind: kind, Units: []string{"web.service"}, Err: err}, want)
	}
	minute := func(want string) []step {
		return one(time.Minute, shows("web", ConditionStopped), want)
	}
	settings := SettingsSeen{Settings: Settings{Services: map[string]Supervision{"web": {Thaw: -1, From: map[string]string{"thaw": "f:1"}}}}}
	stopped := halt()
	stopped[len(stopped)-1].reason = "20s ago; keeper pause web keeps it so"
	well := []step{tick("web", ConditionReady, ""), tick("web", ConditionReady, "note:count web as well again")}
	silent3 := func(c Condition) []step {
		return []step{{e: shows("web", c)}, {e: shows("web", c)}, {e: shows("web", c), want: "note:call web ill"}}
	}
	soon := func(want string) []step { return one(20*time.Second, shows("web", ConditionStopped), want) }
	tell(t, map[string]tale{
		"paused":        {steps: chain(watching(web), frozen, done(ThawUnit, "", ""), well)},
		"stopped":       {steps: chain(watching(web), stopped, done(ContinueUnit, "", ""), well)},
		"by the timer":  {steps: chain(watching(web), one(0, shows("web", ConditionFrozen), ""), one(5*time.Minute-1, Wake{}, "look-manager"), one(1, Wake{}, "look-linger | look-units | thaw-unit"))},
		"one at a time": {steps: chain(watching(web), stopped, minute(""), minute(""))},
		"again and again, later and later": {steps: chain(watching(web), stopped, done(ContinueUnit, "no", "note:try again later with web"),
			soon("continue-unit"), done(ContinueUnit, "no", ""), soon(""), soon("continue-unit"), done(ContinueUnit, "", ""),
			soon(""), soon(""), soon(""), soon("continue-unit"))},
		"it went on, and is stopped anew":        {steps: chain(watching(web), stopped, done(ContinueUnit, "", ""), well, halt())},
		"not before it was so for long enough":   {steps: chain(watching(web), one(0, shows("web", ConditionFrozen), ""), one(290*time.Second, shows("web", ConditionReady), ""), one(10*time.Second, shows("web", ConditionFrozen), ""), one(290*time.Second, shows("web", ConditionFrozen), ""))},
		"a signal for a moment":                  {steps: chain(watching(web), one(0, shows("web", ConditionStopped), ""), one(10*time.Second, shows("web", ConditionStopped), ""), one(10*time.Second, shows("web", ConditionReady), ""), one(10*time.Second, shows("web", ConditionStopped), ""))},
		"it answers before the outcome is known": {steps: chain(watching(web), stopped, well[:1], done(ContinueUnit, "", ""), well[1:], halt())},
		"never": {steps: chain(settled(), one(0, settings, ""), watching(web)[4:], []step{{e: shows("web", ConditionFrozen)}, {after: time.Hour, e: shows("web", ConditionFrozen)},
			{e: shows("web", ConditionStopped), want: "note:call web ill"}, {after: time.Hour, e: shows("web", ConditionStopped)}})},
		"of another life":       {steps: chain(watching(web), stopped, one(0, UnitSeen{life("2", web)}, ""), done(ContinueUnit, "", ""), one(0, in("2", shows("web", ConditionStopped)), ""), one(time.Second, in("2", shows("web", ConditionStopped)), ""), one(time.Second, in("2", shows("web", ConditionStopped)), "continue-unit"))},
		"nobody asked":          {steps: chain(watching(web), done(ThawUnit, "", ""), done(ContinueUnit, "", ""))},
		"keeper stands down":    {steps: chain(watching(web), one(0, StandDownSeen{paused}, "note:stand down"), silent3(ConditionStopped), minute(""), one(0, StandDownSeen{}, "note:stand up | look-linger | continue-unit"))},
		"the manager starts":    {steps: chain(watching(web), one(0, starting(web), ""), silent3(ConditionStopped), minute(""), one(0, list(web), "continue-unit"))},
		"somebody stops it":     {steps: chain(watching(web), one(0, StopAsked{Name: "web.service"}, ""), silent3(ConditionStopped), minute(""))},
		"it is never restarted": {steps: chain(watching(web), stopped, done(ContinueUnit, "", ""), []step{tick("web", ConditionStopped, ""), {after: 9 * time.Second, e: shows("web", ConditionStopped)}})},
	})
}

func TestRestartAsked(t *testing.T) {
	web := svc("web", "active")
	ask := RestartAsked{"web.service"}
	want := one(0, ask, "restart-units")
	want[0].reason = "somebody asked for it"
	done := one(0, Remedied{Kind: RestartUnits, Units: []string{"web.service"}}, "")
	tell(t, map[string]tale{
		"well":             {steps: chain(watching(web), want, done, one(0, UnitSeen{life("2", web)}, ""))},
		"twice":            {steps: chain(watching(web), want, done, want)},
		"unknown":          {steps: chain(watching(web), one(0, RestartAsked{"gone.service"}, ""))},
		"a volume":         {steps: chain(watching(web, with(svc("data", "active"), func(u *Unit) { u.Kind = "volume" })), one(0, RestartAsked{"data.service"}, ""))},
		"in a shutdown":    {steps: chain(watching(web), one(0, PrepareForShutdown{Active: true}, "note:leave everything as it is | release-delay"), one(0, ask, ""))},
		"standing down":    {steps: chain(watching(web), one(0, StandDownSeen{paused}, "note:stand down"), want)},
		"while another is": {steps: chain(watching(web, svc("a", "active")), illNow("a"), one(0, examined("a", "a", ConditionSilent), "restart-units"), want)},
		"one that was stopped": {steps: chain(watching(web), one(0, StopAsked{Name: "web.service"}, ""), one(0, UnitSeen{svc("web", "inactive")}, "look-units"), want,
			one(0, UnitSeen{life("2", svc("web", "activating"))}, ""), one(0, UnitSeen{life("2", svc("web", "failed"))}, "start-units"))},
		"it gets ill in the old life": {steps: chain(watching(web), want, []step{tick("web", ConditionSilent, ""), tick("web", ConditionSilent, ""), tick("web", ConditionSilent, ""), tick("web", ConditionSilent, "")})},
		"of one that is down, and it could not be queued": {steps: chain(watching(web), one(0, UnitSeen{svc("web", "failed")}, "start-units"), one(0, UnitsStarted{Units: []string{"web.service"}}, ""), want,
			one(0, Remedied{Kind: RestartUnits, Units: []string{"web.service"}, Err: "busy"}, "note:try again later with web"), one(2*time.Second, Wake{}, "start-units"))},
		"an examination is under way": {steps: chain(watching(web), illNow("web"), want, one(0, examined("web", "web", ConditionSilent), ""))},
	})
	y := newStory(t)
	y.play(chain(watching(web), one(0, StopAsked{Name: "web.service"}, ""), want)...)
	if v := y.s.Services(y.now)[0]; v.State != ServiceRestarting {
		t.Errorf("shown as %+v", v)
	}
	y.play(step{e: Remedied{Kind: RestartUnits, Units: []string{"web.service"}, Err: "busy"}, want: "note:try again later with web"})
	if v := y.s.Services(y.now)[0]; v.State != ServiceWell {
		t.Errorf("it could not be restarted, and is shown as %+v", v)
	}
	if u := y.s.Units["web.service"]; u.Stopped {
		t.Error("it is shown as stopped still")
	}
}

// What is down is started twelve times, and then once an hour.
func TestStartBudget(t *testing.T) {
	y := newStory(t)
	y.play(watching(svc("db", "active"))...)
	y.play(step{e: UnitSeen{svc("db", "failed")}, want: "start-units"}, step{e: UnitsStarted{}})
	for n := 2; n < startBudget; n++ {
		wait := startWaits[min(n-1, len(startWaits)-1)]
		y.now = y.now.Add(wait)
		var actions []Action
		y.s, actions = Decide(y.s, UnitSeen{svc("db", "failed")}, y.now)
		if got := spell(actions); got != "start-units" {
			t.Fatalf("start %d after %v: %s", n, wait, got)
		}
		y.play(step{e: UnitsStarted{}})
	}
	y.play(step{after: 5 * time.Minute, e: UnitSeen{svc("db", "failed")}, want: "note:give up on db | start-units"}, step{e: UnitsStarted{}})
	if v := y.s.Services(y.now)[0]; v.State != ServiceGaveUp || !v.Next.Equal(y.now.Add(time.Hour)) {
		t.Errorf("shown as %+v", v)
	}
	y.play(step{after: time.Hour - 1, e: UnitSeen{svc("db", "failed")}}, step{after: 1, e: UnitSeen{svc("db", "failed")}, want: "start-units"}, step{e: UnitsStarted{}})
	resumed := *y
	resumed.play(step{e: ResumeAsked{"db.service"}, want: "note:start afresh with db | start-units"})
	soon := *y
	soon.play(step{e: UnitSeen{life("2", svc("db", "active"))}}, step{after: 6 * time.Minute, e: UnitSeen{life("2", svc("db", "failed"))}, want: "note:give up on db | start-units"})
	// It comes back, and dies again long after: another story.
	y.play(step{e: UnitSeen{life("2", svc("db", "active"))}}, step{after: 2 * time.Hour, e: UnitSeen{life("2", svc("db", "failed"))}, want: "start-units"})
	if o := y.s.debts["db.service"]; o.tries != 1 {
		t.Errorf("it is try %d", o.tries)
	}
}
