package core

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// patient is a service in a world where services get ill.
type patient struct {
	unit  Unit
	needs []string
	// ill is how many restarts help; -1 means that none does.
	ill  int
	says Condition // while it is ill
	// The prober's memory: a good outcome is told so often still.
	tell     int
	restarts int
	life     int
	up       time.Time
}

// ward is a stack of them, with a user manager and a prober.
type ward struct {
	t        *testing.T
	s        State
	now      time.Time
	patients map[string]*patient
	seen     map[string]int
	restarts []string
}

func (w *ward) tell(e Event) {
	var actions []Action
	w.s, actions = Decide(w.s, e, w.now)
	if why := sound(w.s, w.now); why != "" {
		w.t.Fatalf("%T at +%v: %s", e, w.now.Sub(noon), why)
	}
	for _, a := range actions {
		w.seen[a.What]++
		switch a.Kind {
		case Examine:
			e := Examined{Unit: a.Units[0], Outcomes: map[string]Outcome{}}
			for _, target := range a.Targets {
				e.Outcomes[target.Unit] = w.ask(target.Unit)
			}
			w.tell(e)
		case RestartUnits:
			w.tell(Remedied{Kind: RestartUnits, Units: a.Units})
			w.restart(a.Units[0])
		case ContinueUnit, ThawUnit:
			if p := w.patients[a.Units[0]]; p.says == ConditionStopped || p.says == ConditionFrozen {
				p.ill, p.says = 0, ""
			}
			w.tell(Remedied{Kind: a.Kind, Units: a.Units})
		case LookUnits:
			w.tell(w.list())
		case LookManager:
			w.tell(ManagerSeen{})
		case LookHelpers:
			w.tell(HelpersSeen{})
		case LookLinger:
			w.tell(LingerSeen{On: true})
		}
	}
}

func (w *ward) list() Event {
	e := UnitsSeen{Armed: true}
	for _, name := range slices.Sorted(maps.Keys(w.patients)) {
		e.Units = append(e.Units, w.patients[name].unit)
	}
	return e
}

func (w *ward) restart(name string) {
	p := w.patients[name]
	w.restarts = append(w.restarts, name)
	p.restarts++
	if p.ill > 0 {
		p.ill--
	}
	p.life++
	for _, active := range []string{"deactivating", "activating", "active"} {
		p.unit.Active = active
		if active == "activating" {
			p.unit.Invocation = fmt.Sprint(p.life)
		}
		w.tell(UnitSeen{p.unit})
	}
	p.tell, p.up = 2, w.now
}

func (w *ward) ask(name string) Outcome {
	p := w.patients[name]
	switch {
	case p.ill != 0:
		return Outcome{Condition: p.says}
	case w.now.Sub(p.up) < 15*time.Second && p.life > 1:
		return Outcome{Condition: ConditionStarting}
	}
	for _, need := range p.needs {
		if !w.ask(need).Condition.Ready() {
			return Outcome{Condition: ConditionWrong, Detail: need}
		}
	}
	return Outcome{Condition: ConditionReady}
}

func (w *ward) probe(name string) {
	p, o := w.patients[name], w.ask(name)
	if o.Condition.Ready() {
		if p.tell--; p.tell < 0 {
			return
		}
	} else {
		p.tell = 2
	}
	w.tell(Probed{Unit: name, Invocation: p.unit.Invocation, Outcome: o})
}

// In the end everything is well that can be, and what cannot has been given up,
// once. What ails from another was not restarted for it.
func TestSuperviseHeals(t *testing.T) {
	t.Parallel()
	for seed := range uint64(propertyRuns / 2) {
		r := rand.New(rand.NewPCG(seed, 4))
		w := &ward{t: t, s: State{Linger: LingerUnknown}, now: noon, patients: map[string]*patient{}, seen: map[string]int{}}
		var names []string
		for i := range 2 + r.IntN(8) {
			name := fmt.Sprintf("%c.service", 'a'+i)
			p := &patient{unit: Unit{Name: name, Kind: "container", Active: "active", Invocation: "1", Wanted: true}, life: 1, tell: 2}
			if len(names) > 0 && chance(r, 60) {
				p.needs = []string{pick(r, names...)}
				p.unit.Needs = p.needs
			}
			names, w.patients[name] = append(names, name), p
		}
		for _, e := range []Event{LogindUp{}, StandDownSeen{}, LingerSet{}, Began{Kind: LifeSame}, w.list()} {
			w.tell(e)
		}
		sick := map[string]bool{}
		end := noon.Add(14 * time.Hour)
		var last time.Time
		for w.now.Before(end) {
			w.now = w.now.Add(time.Second)
			if name := pick(r, names...); w.now.Sub(noon) < 2*time.Hour && !sick[name] && chance(r, 1) && chance(r, 10) {
				sick[name] = true
				p := w.patients[name]
				p.ill, p.says = pick(r, 1, 2, 3, -1), pick(r, ConditionSilent, ConditionRefused, ConditionUnhealthy)
				if chance(r, 20) {
					p.ill, p.says = -1, pick(r, ConditionStopped, ConditionFrozen)
				}
			}
			was := len(w.restarts)
			for i, name := range names {
				if (w.now.Unix()+int64(i))%10 == 0 {
					w.probe(name)
				}
			}
			if !w.now.Before(w.s.Next) {
				w.tell(Wake{})
			}
			if len(w.restarts) > was {
				last = w.now
			}
		}
		if end.Sub(last) < 9*time.Hour {
			t.Errorf("seed %d: there was a restart %v before the end", seed, end.Sub(last))
		}
		for _, v := range w.s.Services(w.now) {
			p := w.patients[v.Name]
			want, gaveUp := ServiceWell, 0
			switch {
			case p.ill != 0 && w.hopeless(p.needs):
				want = ServiceBlocked // whether it was given up before that depends
				gaveUp = -1
			case p.ill != 0:
				want, gaveUp = ServiceGaveUp, 1
			case w.hopeless(p.needs):
				want = ServiceBlocked
			}
			if v.State != want || gaveUp >= 0 && w.seen["give up on "+short(v.Name)] != gaveUp {
				t.Errorf("seed %d: %s is %s (%s), want %s; given up %d times, want %d", seed, v.Name, v.State, v.Why, want, w.seen["give up on "+short(v.Name)], gaveUp)
			}
			if !sick[v.Name] && p.restarts > 0 {
				t.Errorf("seed %d: %s was restarted, and was never ill itself", seed, v.Name)
			}
			if p.restarts > 5 {
				t.Errorf("seed %d: %s was restarted %d times", seed, v.Name, p.restarts)
			}
		}
	}
}

func (w *ward) hopeless(names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return w.patients[n].ill != 0 || w.hopeless(w.patients[n].needs) })
}
