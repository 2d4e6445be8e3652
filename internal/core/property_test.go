package core

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// runs and events of the random stories. A failure names its seed.
const (
	propertyRuns   = 100
	propertyEvents = 300
)

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

func chance(r *rand.Rand, percent int) bool { return r.IntN(100) < percent }

func randomStandDown(r *rand.Rand, now time.Time) StandDown {
	if chance(r, 75) {
		return StandDown{}
	}
	s := StandDown{Cause: pick(r, CauseMark, CauseRemoved, CauseExpired, CauseLocked, CausePaused), Detail: "random"}
	if s.Cause == CausePaused && chance(r, 50) {
		s.Until = now.Add(time.Duration(r.IntN(900)-60) * time.Second)
	}
	return s
}

var randomNames = []string{"a.service", "b.service", "c.service", "d.service"}

func randomUnit(r *rand.Rand, name string) Unit {
	u := Unit{
		Name:    name,
		Kind:    pick(r, "container", "container", "pod", "volume"),
		Active:  pick(r, "active", "active", "activating", "deactivating", "failed", "failed", "inactive"),
		Entered: time.Duration(r.IntN(300)) * time.Second,
		Wanted:  chance(r, 70),
		Job:     chance(r, 15),
		Image:   pick(r, "postgres", "app"),

		Invocation: pick(r, "", "1", "1", "2"),
		Restarts:   pick[uint32](r, 0, 5),
		OneShot:    chance(r, 10),
		Container:  pick(r, name[:1], name[:1], name[:1], "a"),
		Stale:      chance(r, 5),
	}
	if u.Active == "failed" {
		u.Sub = "failed"
	}
	if chance(r, 40) {
		u.Ports = []string{"127.0.0.1:80"}
	}
	if chance(r, 60) {
		u.Networks = []string{"stack"}
	}
	if chance(r, 30) {
		u.After = []string{pick(r, randomNames...)}
	}
	if chance(r, 30) {
		u.Needs = []string{pick(r, randomNames...)}
	}
	if chance(r, 10) {
		u.BoundTo = []string{pick(r, randomNames...)}
	}
	return u
}

func randomBegan(r *rand.Rand, now time.Time) Began {
	d := Began{Kind: pick(r, LifeUnknown, LifeSame, LifeRevived, LifeBooted), At: now, Cause: "random", Fresh: chance(r, 50)}
	for _, n := range randomNames[:r.IntN(4)] {
		d.Down = append(d.Down, Down{Name: n, Left: time.Duration(r.IntN(250)) * time.Second})
	}
	if d.Kind == LifeSame {
		d.Was = pick(r, "", LifeRevived, LifeBooted)
		d.Ran = randomNames[2:]
		if chance(r, 50) {
			d.Stops = map[string]string{randomNames[0]: pick(r, "", "1", "2")}
		}
		d.Owed = map[string]string{pick(r, randomNames...): "random"}
	}
	return d
}

// randomEvent is one that may come at any time: what an edge answers comes
// though nobody asked, or late, or twice.
func randomEvent(r *rand.Rand, now time.Time) Event {
	failed := ""
	if chance(r, 20) {
		failed = "random failure"
	}
	if chance(r, 20) {
		return randomAdoption(r, now, failed)
	}
	if chance(r, 20) {
		return randomSupervised(r, now, failed)
	}
	switch r.IntN(31) {
	case 0:
		if chance(r, 30) {
			return LogindDown{Err: "random"}
		}
		return LogindUp{Restarted: chance(r, 50), ShuttingDown: chance(r, 10)}
	case 1, 2, 3:
		return LingerHint{}
	case 4, 5, 6:
		return LingerSeen{On: chance(r, 40), Closing: chance(r, 20), Root: Root{Armor: chance(r, 50)}, Err: failed}
	case 7, 8:
		return LingerSet{Err: failed, Denied: failed != "" && chance(r, 50)}
	case 9, 10:
		return StandDownSeen{randomStandDown(r, now)}
	case 11:
		return pick[Event](r, SessionNew{}, SessionRemoved{}, UserNew{}, UserRemoved{}, PrepareForSleep{Active: chance(r, 50)})
	case 12:
		return PrepareForShutdown{Active: chance(r, 20)}
	case 13, 14:
		e := UnitsSeen{Armed: chance(r, 80), Starting: chance(r, 20), First: chance(r, 20), Err: failed}
		for _, n := range randomNames {
			if chance(r, 80) {
				e.Units = append(e.Units, randomUnit(r, n))
			}
		}
		return e
	case 15, 16, 17, 18:
		return UnitSeen{randomUnit(r, pick(r, randomNames...))}
	case 19:
		if chance(r, 50) {
			return ManagerDown{Err: "random"}
		}
		return randomBegan(r, now)
	case 20:
		return StopAsked{Name: pick(r, append(randomNames, "other.service")...), Isolated: chance(r, 20)}
	case 21:
		return UnitsStarted{Units: randomNames[:1], Err: failed}
	case 22:
		return UnitsStopped{Units: randomNames[:1], Err: failed}
	case 23:
		return Answered{At: map[string]time.Duration{pick(r, randomNames...): time.Duration(r.IntN(300)) * time.Second}}
	case 24:
		return pick[Event](r, HelperHint{}, NetworkMended{Err: failed})
	case 25:
		return HelpersSeen{Dead: []string{"pasta", "aardvark-dns"}[:r.IntN(3)]}
	case 27:
		return StopUndone{Name: pick(r, randomNames...), Invocation: pick(r, "", "1", "2")}
	case 28:
		if chance(r, 5) {
			return ManagerEnds{Cause: "random", Machine: chance(r, 50)}
		}
		return pick[Event](r, CommandsSeen{}, SessionSeen{Session{ID: "1", Since: now}},
			DrillAsked{Drill{ID: pick(r, "1", "2"), Name: "random", Began: now, Until: now.Add(time.Duration(r.IntN(300)) * time.Second), Ended: pick(r, time.Time{}, now)}})
	case 26:
		return pick[Event](r, ManagerSeen{Stopped: chance(r, 60)}, ManagerWoken{Err: failed}, DelayTaken{Grant: 5 * time.Second, Err: failed})
	}
	return Wake{}
}

// dump shows all of a state, maps, slices and what it points to included, so
// that a field that is added one day is compared too.
func dump(s State) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%+v %+v", s, s.Survival)
	for _, name := range slices.Sorted(maps.Keys(s.watches)) {
		fmt.Fprintf(&b, " %s %+v", name, *s.watches[name])
	}
	for _, name := range slices.Sorted(maps.Keys(s.cares)) {
		fmt.Fprintf(&b, " %s %+v", name, *s.cares[name])
	}
	return b.String()
}

// ledger is what an onlooker knows who sees only events and actions.
type ledger struct {
	logind, marksSeen, stoodDown, goingDown bool
	setting, looking                        bool
	manager, startingUp                     bool
	// running counts what was begun and has not ended.
	running map[Kind]int
	// stopped are the units that somebody stopped and nobody started since, each
	// with the life that the stop ended.
	stopped map[string]string
	// own are the lives that keeper was to end itself.
	own    map[string]string
	units  map[string]Unit
	sets   []time.Time
	delays int // taken for this one event
	// adopt is the mode, undone that an adoption was, adoption how one stands.
	adopt    Adopt
	undone   bool
	adoption Adoption
	// looked and before: the first look saw one that was interrupted.
	looked, before bool
	unkept         []Unkept
}

func (l *ledger) event(e Event) {
	l.delays = 0
	switch e := e.(type) {
	case LogindUp:
		// What was asked of the logind before is answered all the same.
		l.logind, l.goingDown = true, e.ShuttingDown
	case LogindDown:
		l.logind = false
	case StandDownSeen:
		l.marksSeen, l.stoodDown = true, e.StandDown.InForce()
	case PrepareForShutdown:
		l.goingDown = e.Active
	case LingerSet:
		l.setting = false
	case LingerSeen:
		l.looking = false
	case ManagerDown:
		l.manager = false
	case Began:
		if e.Kind == LifeSame {
			l.stopped = map[string]string{}
			maps.Copy(l.stopped, e.Stops)
		}
	case UnitsStarted:
		l.running[StartUnits] = 0
	case SettingsSeen:
		if len(e.Errs) == 0 || l.adopt == "" {
			l.adopt = e.Settings.Adopt
		}
		if l.adopt == AdoptOff {
			l.unkept = nil
		}
	case ContainersSeen:
		l.running[LookContainers] = 0
		if l.adopt != AdoptOff && l.adopt != "" && e.Err == "" {
			l.unkept = e.Unkept
		}
	case UnitsWritten:
		l.running[WriteUnits] = 0
	case DriftSeen:
		l.running[LookDrift] = 0
	case SourcesSeen:
		l.running[LookSources] = 0
	case AdoptionSeen:
		if l.running[LookAdoption] = 0; !l.looked || e.Adoption != AdoptionInterrupted && !l.undone {
			l.looked, l.before = true, e.Adoption == AdoptionInterrupted && !l.looked
		}
		l.adoption = e.Adoption
	case AdoptionUndone:
		l.running[UndoAdoption] = 0
	case NetworkMended:
		l.running[MendNetwork] = 0
	case Answered:
		l.running[LookAnswers] = 0
	case RestartAsked:
		if u, ok := l.units[e.Unit]; ok && u.IsService() && !l.goingDown {
			delete(l.stopped, e.Unit)
		}
	case StopUndone:
		if life, ok := l.stopped[e.Name]; ok && life == e.Invocation {
			delete(l.stopped, e.Name)
		}
	case StopAsked:
		u, ok := l.units[e.Name]
		if life, own := l.own[e.Name]; own && life == u.Invocation {
			return // that stop was keeper's own, or may have been
		}
		if ok && !l.goingDown && !e.Isolated && !slices.ContainsFunc(u.BoundTo, l.died) {
			l.stopped[e.Name] = u.Invocation
		}
	case UnitSeen:
		l.unit(e.Unit)
	case UnitsSeen:
		if e.Err != "" {
			return
		}
		l.manager, l.startingUp = true, e.Starting
		for _, u := range e.Units {
			if life, ok := l.stopped[u.Name]; ok && e.First && life == u.Invocation && u.Active == "active" && !u.Job {
				delete(l.stopped, u.Name)
			}
		}
		there := map[string]Unit{}
		for _, u := range e.Units {
			l.unit(u)
			there[u.Name] = u
		}
		l.units = there
	}
}

func (l *ledger) unit(u Unit) {
	l.units[u.Name] = u
	if life, ok := l.stopped[u.Name]; ok && life != u.Invocation && (u.Active == "active" || u.Active == "activating") {
		delete(l.stopped, u.Name)
	}
}

// died says that the service is down, and that nobody stopped it.
func (l *ledger) died(name string) bool {
	u, ok := l.units[name]
	_, stopped := l.stopped[name]
	return ok && u.Runs() && !stopped && u.Active != "active"
}

// mayAct is what holds for all that changes the stack.
func (l *ledger) mayAct() string {
	switch {
	case l.stoodDown:
		return "keeper stands down"
	case !l.marksSeen:
		return "the marks were not looked at yet"
	case l.goingDown:
		return "the machine goes down"
	case !l.manager:
		return "there is no user manager"
	}
	return ""
}

// action returns what the action breaks, if anything.
func (l *ledger) action(a Action, now time.Time) string {
	if a.What == "" || a.Reason == "" {
		return "it does not say what or why"
	}
	switch a.Kind {
	case SetLinger:
		switch {
		case l.stoodDown:
			return "keeper stands down"
		case l.goingDown:
			return "the machine goes down"
		case !l.marksSeen:
			return "the marks were not looked at yet"
		case !l.logind:
			return "there is no logind"
		case l.setting:
			return "linger is being set already"
		}
		l.setting = true
		l.sets = append(slices.DeleteFunc(l.sets, func(t time.Time) bool { return now.Sub(t) >= setWindow }), now)
		if len(l.sets) > setBudget {
			return fmt.Sprintf("it is the set number %d within %v", len(l.sets), setWindow)
		}
	case LookLinger:
		if l.looking || !l.logind {
			return "a look is under way, or there is nobody to ask"
		}
		l.looking = true
	case StartUnits:
		if why := l.mayAct(); why != "" {
			return why
		}
		if l.startingUp {
			return "the user manager is still starting up"
		}
		if len(a.Units) == 0 {
			return "it starts nothing"
		}
		if l.adoption == AdoptionUnderway || l.running[UndoAdoption] > 0 {
			return "an adoption is under way"
		}
		outside := Outside(l.units, l.unkept)
		for _, name := range a.Units {
			if outside[name] != "" || outsideAmong(outside, l.units[name].Needs) != "" {
				return "it would replace a container that runs without " + name
			}
		}
		for _, name := range a.Units {
			if _, ok := l.stopped[name]; ok {
				return "somebody stopped " + name
			}
			if u, ok := l.units[name]; !ok || !u.Runs() {
				return "there is no such service: " + name
			}
			for _, need := range l.units[name].Needs {
				if _, ok := l.stopped[need]; ok {
					return "it would start " + need + ", which somebody stopped"
				}
			}
		}
	case MendNetwork:
		if why := l.mayAct(); why != "" {
			return why
		}
	case WakeManager:
		if l.stoodDown || !l.marksSeen {
			return "keeper stands down, or does not know"
		}
	case LookContainers, LookSources:
		if l.adopt == "" || l.adopt == AdoptOff || l.goingDown {
			return "nobody asked for it"
		}
	case WriteUnits:
		if why := l.mayAct(); why != "" {
			return why
		}
		if l.adopt != AdoptAuto || l.startingUp || l.adoption != AdoptionNone {
			return "it is not to be done, or not now"
		}
		for _, name := range a.Units {
			i := slices.IndexFunc(l.unkept, func(u Unkept) bool { return u.Name == name })
			if i < 0 || l.unkept[i].Throwaway || l.unkept[i].Terminal || now.Sub(l.unkept[i].Since) < writeSettle-containerSettle {
				return "it is not for " + name
			}
		}
	case UndoAdoption:
		if why := l.mayAct(); why != "" {
			return why
		}
		if l.undone || l.adoption != AdoptionInterrupted || !l.before {
			return "there is nothing to undo"
		}
		l.undone = true
	case LookDrift:
		if why := l.mayAct(); why != "" {
			return why
		}
		if l.adopt == "" || l.adopt == AdoptOff || l.startingUp || l.adoption == AdoptionUnderway {
			return "it is not to be done, or not now"
		}
	case StopUnits:
		if !l.goingDown {
			return "the machine does not go down"
		}
	case ReleaseDelay:
		if !l.goingDown {
			return "the delay is for the next shutdown"
		}
	case TakeDelay:
		if l.goingDown {
			return "there is nothing more to delay"
		}
		if l.delays++; l.delays > 1 {
			return "it is the second at once"
		}
	}
	switch a.Kind {
	case StopUnits, RenewRuntime, RestartUnits:
		for _, u := range l.units {
			if slices.Contains(a.Units, u.Name) || a.Kind == RestartUnits && slices.Contains(u.StopsWith, a.Units[0]) {
				l.own[u.Name] = u.Invocation
			}
		}
	}
	switch a.Kind {
	case StartUnits, MendNetwork, LookAnswers, LookContainers, WriteUnits, LookAdoption, UndoAdoption, LookDrift, LookSources:
		if l.running[a.Kind]++; l.running[a.Kind] > 1 {
			return "it is the second under way"
		}
	}
	return ""
}

func TestDecideProperties(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	for seed := range uint64(propertyRuns) {
		r := rand.New(rand.NewPCG(seed, 1))
		s, now := State{Linger: LingerUnknown}, noon
		l := newWarden(&ledger{running: map[Kind]int{}, stopped: map[string]string{}, own: map[string]string{}, units: map[string]Unit{}})
		pace := pick(r, 50, 2_000, 40_000) // a storm, a busy host, a quiet one
		if chance(r, 80) {
			// Most stories begin as the daemon does, or little would happen in them.
			for _, e := range []Event{LogindUp{}, StandDownSeen{}, SettingsSeen{Settings: Settings{Adopt: pick(r, AdoptPropose, AdoptAuto)}},
				AdoptionSeen{Adoption: pick(r, AdoptionNone, AdoptionInterrupted)}} {
				s, _ = Decide(s, e, now)
				l.event(e)
			}
			l.looking = true
			l.running[LookContainers] = 1
		}
		for i := range propertyEvents {
			now = now.Add(time.Duration(r.IntN(pace)) * time.Millisecond)
			e := randomEvent(r, now)
			closely := i%4 == 0 // that is slow
			before := ""
			if closely {
				before = dump(s)
			}
			next, actions := Decide(s, e, now)
			fail := func(why string) {
				t.Fatalf("seed %d, event %d, %T%+v at +%v: %s\nactions %+v\nbefore %s\nafter %s",
					seed, i, e, e, now.Sub(noon), why, actions, cmp.Or(before, dump(s)), dump(next))
			}
			l.event(e)
			for _, a := range actions {
				why := l.ledger.action(a, now)
				if why == "" {
					why = l.action(a, next, now)
				}
				if why != "" {
					fail(string(a.Kind) + ", but " + why)
				}
				seen[a.What]++
				seen[string(a.Kind)]++
			}
			if next.Next.IsZero() || next.Next.Sub(now) > LookEvery {
				fail(fmt.Sprintf("the next wake is %v from now", next.Next.Sub(now)))
			}
			if !closely {
				s = next
				continue
			}
			if dump(s) != before {
				fail("the old state was changed")
			}
			// The same again, and another event, on the same old state: it must
			// not have changed, nor share anything with the state that followed.
			after := dump(next)
			again, same := Decide(s, e, now)
			if !reflect.DeepEqual(same, actions) || !reflect.DeepEqual(again, next) {
				fail("deciding twice gives two results")
			}
			Decide(s, randomEvent(r, now), now)
			Decide(next, randomEvent(r, now), now)
			if dump(s) != before {
				fail("the old state was changed")
			}
			if dump(next) != after {
				fail("the new state shares memory with another")
			}
			s = next
		}
	}
	// A generator that never gets to the point would prove nothing.
	for _, what := range []string{"set linger", "look at linger", "look at the units", "wait before setting linger again",
		"leave linger off", "leave linger as it is", "stand down", "stand up", "try to set linger again later",
		"wait for logind", "wait for the user manager", "count the stack as back",
		"count the stack back in", "have Podman set up its networks again", "continue the user manager", "see who answers",
		"try to mend the networks again later", "delay shutdowns", "delay shutdowns again", "let the machine go down",
		string(LookContainers), string(WriteUnits), string(LookAdoption), string(UndoAdoption), string(LookDrift), string(LookSources),
		"take the new settings", "go on with the settings before", "start nothing for now", "try to write units again later",
		string(StartUnits), string(StopUnits), string(ReleaseDelay), "go without a delay of shutdowns"} {
		if seen[what] < 5 {
			t.Errorf("%q was decided %d times: the stories are too dull", what, seen[what])
		}
	}
}

// world is a logind and a user manager that answer.
type world struct {
	linger  bool
	marks   StandDown
	units   map[string]Unit
	answers []Event // not delivered yet
}

func (w *world) do(actions []Action) {
	for _, a := range actions {
		switch a.Kind {
		case SetLinger:
			w.linger = true
			w.answers = append(w.answers, LingerSet{}, LingerHint{})
		case LookLinger:
			w.answers = append(w.answers, StandDownSeen{w.marks}, LingerSeen{On: w.linger})
		case LookUnits:
			e := UnitsSeen{Armed: true}
			for _, u := range w.units {
				e.Units = append(e.Units, u)
			}
			w.answers = append(w.answers, e)
		case StartUnits:
			w.answers = append(w.answers, UnitsStarted{Units: a.Units})
			for _, name := range a.Units {
				u := w.units[name]
				u.Active, u.Sub, u.Entered, u.Invocation = "active", "running", time.Hour, "anew"
				w.units[name] = u
				w.answers = append(w.answers, UnitSeen{u})
			}
		case LookAnswers:
			at := map[string]time.Duration{}
			for name := range a.Ports {
				at[name] = time.Hour
			}
			w.answers = append(w.answers, Answered{At: at})
		case LookHelpers:
			w.answers = append(w.answers, HelpersSeen{})
		case LookManager:
			w.answers = append(w.answers, ManagerSeen{})
		case MendNetwork:
			w.answers = append(w.answers, NetworkMended{})
		case TakeDelay:
			w.answers = append(w.answers, DelayTaken{Grant: 5 * time.Second})
		case LookContainers:
			w.answers = append(w.answers, ContainersSeen{})
		case WriteUnits:
			w.answers = append(w.answers, UnitsWritten{})
		case LookAdoption:
			w.answers = append(w.answers, AdoptionSeen{})
		case UndoAdoption:
			w.answers = append(w.answers, AdoptionUndone{})
		case LookDrift:
			w.answers = append(w.answers, DriftSeen{})
		case LookSources:
			w.answers = append(w.answers, SourcesSeen{})
		}
	}
}

// However wild the story was: with a logind that answers, and all hints lost,
// linger is on again after a periodic look or the longest retry, and the wait
// that the budget may add; it stays off if keeper is told to stand down. What is
// owed is started by then, and who is there again is waited for no more.
func TestDecideRecovers(t *testing.T) {
	t.Parallel()
	for seed := range uint64(propertyRuns) {
		r := rand.New(rand.NewPCG(seed, 2))
		s, now := State{Linger: LingerUnknown}, noon
		for range propertyEvents {
			now = now.Add(time.Duration(r.IntN(20_000)) * time.Millisecond)
			s, _ = Decide(s, randomEvent(r, now), now)
		}
		w := &world{units: map[string]Unit{}}
		for name, u := range s.Units {
			// What has failed or stopped does not get up by itself.
			if u.Job = false; u.Active != "active" && u.Active != "inactive" {
				u.Active, u.Sub = "failed", "failed"
			}
			w.units[name] = u
		}
		if chance(r, 30) {
			w.marks = StandDown{Cause: CauseMark, Detail: "random"}
		}
		// What was under way when the story ended is answered, at last.
		w.answers = []Event{HeldSeen{}, PrepareForShutdown{}, LogindUp{}, LingerSet{Err: "late"}, LingerSeen{Err: "late"},
			UnitsStarted{Err: "late"}, UnitsStopped{Units: randomNames, Err: "late"}, NetworkMended{Err: "late"}, Answered{},
			ContainersSeen{Err: "late"}, UnitsWritten{Err: "late"}, AdoptionSeen{}, AdoptionUndone{Err: "late"}, DriftSeen{Err: "late"}}
		wakes := 0
		for end := now.Add(LookEvery + setWindow + time.Second); now.Before(end); {
			var e Event = Wake{}
			if len(w.answers) > 0 {
				e, w.answers = w.answers[0], w.answers[1:]
			} else {
				now = now.Add(max(0, s.Next.Sub(now)))
				if wakes++; wakes > 1000 {
					t.Fatalf("seed %d: wakes in a tight loop", seed)
				}
			}
			var actions []Action
			s, actions = Decide(s, e, now)
			w.do(actions)
		}
		if want := !w.marks.InForce(); w.linger != want {
			t.Fatalf("seed %d: linger is %v after all that, want %v: %s", seed, w.linger, want, dump(s))
		}
		for name, why := range s.Owed() {
			// What needs something that somebody stopped waits for that.
			if !w.marks.InForce() && s.stoppedAmong(s.Units[name].Needs) == "" {
				t.Errorf("seed %d: %s is owed still, for %q: %s", seed, name, why, dump(s))
			}
		}
		for _, name := range s.Waiting() {
			if u, there := w.units[name]; !there || u.Active == "active" && u.Entered == time.Hour {
				t.Errorf("seed %d: %s is waited for, and is %+v: %s", seed, name, u, dump(s))
			}
		}
	}
}
