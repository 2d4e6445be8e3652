package core

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

var allConditions = []Condition{
	ConditionReady, ConditionAlive, ConditionAuthRefused, ConditionStarting, ConditionRecovering, ConditionLoading, ConditionStopping, ConditionBusy, ConditionNotReady,
	ConditionSilent, ConditionRefused, ConditionWrong, ConditionUnhealthy, ConditionStopped, ConditionFrozen, ConditionUnknown,
}

func randomOutcome(r *rand.Rand) Outcome {
	if chance(r, 60) {
		return Outcome{Condition: pick(r, ConditionSilent, ConditionSilent, ConditionSilent, ConditionStopped, ConditionFrozen, ConditionReady)}
	}
	return Outcome{Condition: pick(r, allConditions...), Detail: "random"}
}

func randomSpec(r *rand.Rand) Supervision {
	s := Supervision{Failures: 1 + r.IntN(3), Successes: 1 + r.IntN(3), Restarts: r.IntN(4), Grace: time.Duration(r.IntN(60)) * time.Second,
		Interval: time.Duration(1+r.IntN(20)) * time.Second, Thaw: time.Duration(r.IntN(90)-10) * time.Second, From: map[string]string{}}
	for _, key := range []string{"failures", "successes", "restarts", "grace", "interval", "thaw"} {
		if chance(r, 70) {
			s.From[key] = pick(r, "f:1", "f:2")
		}
	}
	if chance(r, 10) {
		s.Restart, s.From["restart"] = RestartNever, "f:1"
	}
	if chance(r, 20) {
		s.DependsOn, s.From["depends_on"] = []string{pick(r, randomNames...)}, "f:1"
	}
	if chance(r, 70) {
		s.Port, s.From["port"] = 4711, "f:1" // what is guessed is restarted only once it has answered
	}
	if chance(r, 5) {
		s.Probe, s.From["probe"] = ProbeNone, "f:1"
	}
	return s
}

// randomSupervised is an event of supervision.
func randomSupervised(r *rand.Rand, now time.Time, failed string) Event {
	name := pick(r, randomNames...)
	switch r.IntN(12) {
	case 0, 1, 2, 3, 4, 5:
		return Probed{Unit: name, Invocation: pick(r, "", "1", "1", "1", "2"), Outcome: randomOutcome(r)}
	case 6, 7:
		e := Examined{Unit: name, Outcomes: map[string]Outcome{}}
		for _, n := range randomNames {
			switch {
			case n == name && chance(r, 70):
				e.Outcomes[n] = Outcome{Condition: ConditionSilent}
			case n == name && chance(r, 70), chance(r, 20):
				e.Outcomes[n] = randomOutcome(r)
			}
		}
		if chance(r, 5) {
			e.DeadHelpers = []string{"pasta"}
		}
		return e
	case 8:
		return Remedied{Kind: pick(r, RestartUnits, ContinueUnit, ThawUnit), Units: []string{name}, Err: failed}
	case 9:
		return pick[Event](r, RestartAsked{name}, ResumeAsked{name})
	case 10:
		e := HeldSeen{Held: map[string]Hold{}}
		for _, n := range randomNames {
			if chance(r, 8) {
				h := Hold{At: now}
				if chance(r, 50) {
					h.Until = now.Add(time.Duration(r.IntN(200)-20) * time.Second)
				}
				e.Held[n] = h
			}
		}
		return e
	}
	return Wake{}
}

// warden is an onlooker like the ledger, who looks at what is done about ill
// services.
type warden struct {
	*ledger
	e    Event
	held map[string]Hold
	said map[string]Condition // by the last probe, of its present life
	// examined is until when an Examine is under way, restarted the service that
	// was restarted last, and until when others wait.
	examined, hold time.Time
	restarted      string
	restarts       map[string][]time.Time
}

func newWarden(l *ledger) *warden {
	return &warden{ledger: l, said: map[string]Condition{}, restarts: map[string][]time.Time{}}
}

func (w *warden) event(e Event) {
	w.e = e
	for name, u := range w.seen(e) {
		if was := w.units[name]; was.Invocation != u.Invocation || was.Active != "active" {
			delete(w.said, name)
		}
	}
	switch e := e.(type) {
	case Probed:
		if u := w.units[e.Unit]; u.Active == "active" && u.Invocation == e.Invocation && !w.goingDown {
			w.hears(e.Unit, e.Outcome.Condition)
		}
	case Examined:
		w.examined = time.Time{}
		if o, ok := e.Outcomes[e.Unit]; ok && o.Condition.Alive() {
			w.hears(e.Unit, o.Condition)
		}
	case Remedied:
		if e.Kind == RestartUnits && e.Err != "" && e.Units[0] == w.restarted {
			w.hold = time.Time{}
			if n := len(w.restarts[w.restarted]); n > 0 {
				w.restarts[w.restarted] = w.restarts[w.restarted][:n-1]
			}
		}
	case HeldSeen:
		w.held = e.Held
	case RestartAsked:
		delete(w.restarts, e.Unit)
	case ResumeAsked:
		delete(w.restarts, e.Unit)
	case Began:
		for name, c := range e.Cares {
			w.restarts[name] = slices.Clone(c.Restarts)
		}
	}
	w.ledger.event(e)
}

func (w *warden) hears(name string, c Condition) {
	w.said[name] = c
	if c.Alive() && name == w.restarted {
		w.hold = time.Time{}
	}
}

// seen are the units of the event.
func (w *warden) seen(e Event) map[string]Unit {
	m := map[string]Unit{}
	switch e := e.(type) {
	case UnitSeen:
		m[e.Unit.Name] = e.Unit
	case UnitsSeen:
		for _, u := range e.Units {
			m[u.Name] = u
		}
	}
	return m
}

func (w *warden) isHeld(name string, now time.Time) bool {
	h, ok := w.held[name]
	return ok && (h.Until.IsZero() || h.Until.After(now))
}

// mayRemedy is what holds for all that is done about a service by itself.
func (w *warden) mayRemedy(name string, now time.Time) string {
	life, stopped := w.stopped[name]
	switch {
	case w.mayAct() != "":
		return w.mayAct()
	case w.startingUp:
		return "the user manager is still starting up"
	case w.adoption == AdoptionUnderway:
		return "an adoption is under way"
	case w.isHeld(name, now):
		return "somebody said to leave it alone"
	case stopped && life == w.units[name].Invocation:
		return "somebody stopped it"
	case w.units[name].Active != "active" || w.units[name].Job:
		return "it is not up, or has a job"
	}
	return ""
}

// action returns what the action breaks, if anything. s is the state that
// followed.
func (w *warden) action(a Action, s State, now time.Time) string {
	switch a.Kind {
	case StartUnits:
		for _, name := range a.Units {
			for _, n := range append([]string{name}, w.units[name].Needs...) {
				if w.isHeld(n, now) && !s.stoppedItself(n) && w.units[n].down() && w.units[n].Name != "" {
					return n + " is to be left alone"
				}
			}
		}
	case Examine:
		if why := w.mayRemedy(a.Units[0], now); why != "" {
			return why
		}
		if now.Before(w.examined) {
			return "it is the second under way"
		}
		w.examined = now.Add(a.Limit + examineSpare)
		if a.Targets[0].Unit != a.Units[0] || a.Targets[0].Invocation != w.units[a.Units[0]].Invocation {
			return "it is for something else"
		}
	case ContinueUnit, ThawUnit:
		name := a.Units[0]
		if why := w.mayRemedy(name, now); why != "" {
			return why
		}
		if want := map[Kind]Condition{ContinueUnit: ConditionStopped, ThawUnit: ConditionFrozen}[a.Kind]; s.watches[name].outcome.Condition != want || s.watches[name].spec.Thaw < 0 {
			return "it is not so, or is to stay so"
		}
	case RestartUnits:
		return w.restart(a.Units[0], s, now)
	}
	return ""
}

func (w *warden) restart(name string, s State, now time.Time) string {
	if e, ok := w.e.(RestartAsked); ok && e.Unit == name {
		w.restarted, w.hold = name, now.Add(restartHold)
		if w.goingDown {
			return "the machine goes down"
		}
		return ""
	}
	if why := w.mayRemedy(name, now); why != "" {
		return why
	}
	e, ok := w.e.(Examined)
	o := e.Outcomes[name].Condition
	switch {
	case !ok || e.Unit != name:
		return "it was not examined"
	case !o.Known() || o.Alive() || o == ConditionFrozen || o == ConditionStopped:
		return "it was found " + string(o)
	case len(e.DeadHelpers) > 0:
		return "a helper is dead"
	case now.Before(w.hold):
		return w.restarted + " was restarted just before"
	}
	for other, u := range w.units {
		if slices.Contains(u.StopsWith, name) && u.Active == "active" && w.isHeld(other, now) {
			return other + " is to be left alone, and goes along"
		}
	}
	for _, dep := range s.watches[name].deps {
		u, there := w.units[dep]
		if !there || !u.Runs() || s.leadsTo(dep, name) {
			continue
		}
		life, stopped := w.stopped[dep]
		stopped = stopped && life == u.Invocation
		c := e.Outcomes[dep].Condition
		if stopped || u.Active != "active" || c.Known() && !c.Ready() && c != ConditionAuthRefused {
			return dep + " is the cause"
		}
		if c := w.said[dep]; c.Known() && !c.Alive() {
			return dep + " is the cause: " + string(c)
		}
	}
	spec := s.watches[name].spec
	w.restarts[name] = append(within(w.restarts[name], now, spec.Window), now)
	if len(w.restarts[name]) > spec.Restarts {
		return fmt.Sprintf("it is number %d of %d", len(w.restarts[name]), spec.Restarts)
	}
	w.restarted, w.hold = name, now.Add(restartHold)
	return ""
}

// night is a story that is mostly about ill services, and its onlooker.
type night struct {
	r         *rand.Rand
	s         State
	now       time.Time
	w         *warden
	pace, i   int
	examining string
	seen      map[string]int
}

func newNight(r *rand.Rand) *night {
	return &night{
		r: r, s: State{Linger: LingerUnknown}, now: noon, pace: pick(r, 500, 5_000, 20_000), seen: map[string]int{},
		w: newWarden(&ledger{running: map[Kind]int{}, stopped: map[string]string{}, units: map[string]Unit{}, own: map[string]string{}}),
	}
}

// event is the next of the story.
func (n *night) event() Event {
	r := n.r
	switch n.i {
	case 0:
		return LogindUp{}
	case 1:
		return StandDownSeen{}
	case 2:
		return SettingsSeen{Settings: Settings{Adopt: AdoptOff, Defaults: randomSpec(r)}}
	case 3:
		return Began{Kind: LifeSame}
	case 4:
		return randomUnits(r)
	}
	switch {
	case n.examining != "" && chance(r, 50):
		// Whom it is about is seldom told by chance.
		e := randomSupervised(r, n.now, "")
		if x, ok := e.(Examined); ok {
			x.Outcomes[n.examining], x.Unit = x.Outcomes[x.Unit], n.examining
			return x
		}
		return e
	case chance(r, 80):
		return randomSupervised(r, n.now, pick(r, "", "", "", "random failure"))
	case chance(r, 40):
		return randomUnits(r)
	case chance(r, 10):
		return SettingsSeen{Settings: Settings{Adopt: AdoptOff, Defaults: randomSpec(r)}}
	}
	e := randomEvent(r, n.now)
	if b, ok := e.(Began); ok && chance(r, 80) { // the next daemon goes on
		b.Incidents = n.s.Incidents
		return b
	}
	if x, ok := e.(PrepareForShutdown); ok && x.Active && chance(r, 80) {
		return Wake{} // little happens after it
	}
	return e
}

// tell tells the next event, and returns what was broken, if anything.
func (n *night) tell() string {
	n.now = n.now.Add(time.Duration(n.r.IntN(n.pace)) * time.Millisecond)
	e := n.event()
	before := ""
	if n.i%4 == 0 {
		before = dump(n.s)
	}
	next, actions := Decide(n.s, e, n.now)
	n.w.event(e)
	why := sound(next, n.now)
	for _, a := range actions {
		broken := n.w.ledger.action(a, n.now)
		if broken == "" {
			broken = n.w.action(a, next, n.now)
		}
		if broken != "" {
			why = string(a.Kind) + ", but " + broken
		}
		if a.Kind == Examine {
			n.examining = a.Units[0]
		}
		n.seen[string(a.Kind)]++
		if a.Kind == Note {
			what, _, _ := strings.Cut(a.What, " ")
			n.seen[what]++
		}
	}
	if before != "" && dump(n.s) != before {
		why = "the old state was changed"
	}
	next.Services(n.now)
	if why != "" {
		why = fmt.Sprintf("event %d, %T%+v at +%v: %s\nactions %+v\nbefore %s\nafter %s", n.i, e, e, n.now.Sub(noon), why, actions, dump(n.s), dump(next))
	}
	n.s = next
	n.i++
	return why
}

func TestSuperviseProperties(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	for seed := range uint64(propertyRuns) {
		n := newNight(rand.New(rand.NewPCG(seed, 3)))
		for range propertyEvents {
			if why := n.tell(); why != "" {
				t.Fatalf("seed %d, %s", seed, why)
			}
		}
		for what, times := range n.seen {
			seen[what] += times
		}
	}
	for _, what := range []string{string(Examine), string(RestartUnits), string(ContinueUnit), string(ThawUnit), string(SetProbes), string(StartUnits),
		"call", "count", "give", "leave", "watch", "start", "try"} {
		if seen[what] < 5 {
			t.Errorf("%q was decided %d times: the stories are too dull", what, seen[what])
		}
	}
}

// randomUnits is a list in which most are up, in their first life.
func randomUnits(r *rand.Rand) Event {
	e := UnitsSeen{Armed: true, Sections: map[string]Supervision{}}
	for _, n := range randomNames {
		u := randomUnit(r, n)
		if chance(r, 70) {
			u.Kind, u.Active, u.Sub, u.Invocation, u.Job, u.OneShot = "container", "active", "running", "1", false, false
		}
		if chance(r, 30) {
			u.StopsWith = u.Needs
		}
		e.Units = append(e.Units, u)
		if chance(r, 20) {
			e.Sections[n] = randomSpec(r)
		}
	}
	return e
}

// sound returns what is wrong with a state, whatever came before.
func sound(s State, now time.Time) string {
	switch {
	case s.Next.Before(now) || s.Next.Sub(now) > LookEvery:
		return fmt.Sprintf("the next wake is %v from now", s.Next.Sub(now))
	case s.restarting != "" && s.restartUntil.IsZero(), s.examining != "" && s.examineUntil.IsZero():
		return "it waits for ever"
	}
	for _, at := range []time.Time{s.superviseAt, s.restartUntil, s.examineUntil} {
		if !at.IsZero() && !at.After(now) && (at != s.examineUntil || s.examining != "") {
			return fmt.Sprintf("it is to be done %v from now, and was not", at.Sub(now))
		}
	}
	for _, list := range [][]Incident{s.Incidents.Open, s.Incidents.Closed} {
		for _, i := range list {
			if why := flaw(i); why != "" {
				return fmt.Sprintf("incident %s: %s: %+v", i.ID, why, i)
			}
		}
	}
	if !s.judgeAt.IsZero() && !s.judgeAt.After(now) {
		return fmt.Sprintf("it is to be judged %v from now, and was not", s.judgeAt.Sub(now))
	}
	for name, w := range s.watches {
		if u := s.Units[name]; !u.Runs() || u.Active != "active" || u.Invocation != w.life {
			return name + " is watched, and not up in that life"
		}
		if !w.ill.IsZero() && w.goods >= w.spec.Successes {
			return name + " is ill, and answers"
		}
	}
	for name, u := range s.Units {
		if u.Runs() && u.Active == "active" && s.watches[name] == nil {
			return name + " is up, and nobody watches it"
		}
	}
	return ""
}
