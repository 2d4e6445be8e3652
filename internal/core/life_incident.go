package core

import (
	"slices"
	"time"
)

// managerEnds is the last that this daemon decides: the user manager stops, and all
// with it. What ran is down from now on, until a later daemon sees it back.
func (d *decider) managerEnds(e ManagerEnds) {
	if d.StandDown.InForce() || d.ending {
		return
	}
	d.ending = true
	i := Incident{Kind: IncidentSession, Root: rootSession, Urgency: UrgencyCritical, Cause: e.Cause, Began: d.now}
	if e.Machine {
		i.Kind, i.Root, i.Urgency = IncidentMachine, rootMachine, UrgencyWarning
	}
	if open, ok := d.openOf(i.Kind); ok {
		i = open // it dies again before it was counted as back
		i.Mended = time.Time{}
	}
	for _, name := range d.running() {
		if !lastsIn(i, name) {
			i = suffers(i, trouble{key: name, unit: name, what: "it was stopped with the user manager", pulse: PulseDown, since: d.now})
		}
	}
	switch {
	case len(i.Symptoms) == 0: // nothing ran
	case i.ID != "":
		d.setIncident(i)
	default:
		d.open(i)
	}
}

// running are the services that are up, or on their way, by name.
func (s State) running() []string {
	var names []string
	for name, u := range s.Units {
		if u.Runs() && !u.Stopped && (!u.down() || s.owes(name)) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// owes says whether keeper is bringing the service back.
func (s State) owes(name string) bool {
	o, ok := s.debts[name]
	return ok && !o.paid
}

func lastsIn(i Incident, key string) bool {
	return slices.ContainsFunc(i.Symptoms, func(s Symptom) bool { return s.Key == key && s.To.IsZero() })
}

// openOf returns the open incident of that kind.
func (s State) openOf(kind IncidentKind) (Incident, bool) {
	for _, i := range s.Incidents.Open {
		if i.Kind == kind {
			return i, true
		}
	}
	return Incident{}, false
}

// resume goes on with the incidents of the daemon before. An alert may not have left
// then: it is handed over again, and goes out once.
func (d *decider) resume(b Began) {
	d.Incidents = b.Incidents
	for _, list := range [][]Incident{b.Incidents.Closed, b.Incidents.Open} {
		for _, i := range list {
			for n, t := range i.Told {
				if d.now.Sub(t.At) < recentFor {
					d.send(i, n)
				}
			}
		}
	}
	d.lifeDue = (b.Kind == LifeRevived || b.Kind == LifeBooted) && len(b.Down) > 0
}

// openLife opens the incident of the death that this life began with, or goes on with
// the one that was opened when it was announced. Whoever made keeper stand down before
// knows of it.
func (d *decider) openLife() {
	if !d.lifeDue || !d.standSeen {
		return
	}
	d.lifeDue = false
	b := d.Began
	i := Incident{Kind: IncidentSession, Root: rootSession, Urgency: UrgencyCritical, Cause: b.Cause, Began: b.At}
	if b.Kind == LifeBooted {
		i.Kind, i.Root = IncidentMachine, rootMachine
		if b.Clean {
			i.Urgency = UrgencyWarning
		}
	}
	open, ok := d.openOf(i.Kind)
	switch {
	case ok:
		open.Cause = b.Cause
		if !open.Mended.IsZero() {
			open.Mended = time.Time{}
			open.Returns++
			open.Hold = d.hold(open.Returns)
		}
		i = open
	case d.StandDown.InForce():
		return
	}
	first := b.Down[0].Left
	for _, p := range b.Down {
		if !lastsIn(i, p.Name) {
			i = suffers(i, trouble{key: p.Name, unit: p.Name, what: "it went down: " + b.Cause, pulse: PulseDown, since: b.At.Add(p.Left - first)})
		}
	}
	if ok {
		d.setIncident(i)
		d.lookCommands(i.Began.Add(-looksBack))
		return
	}
	d.open(i)
}

// drillAsked begins a drill, or ends it.
func (d *decider) drillAsked(e DrillAsked) {
	now := d.Incidents.Drill
	switch {
	case e.Drill.Ended.IsZero():
		if now != nil && now.Ended.IsZero() {
			d.endDrill(*now, DrillUnknown, "another was begun")
		}
		d.Incidents.Drill = &e.Drill
	case now != nil && now.ID == e.Drill.ID && now.Ended.IsZero():
		d.Incidents.Drill = &e.Drill
	}
}

func (d *decider) endDrill(drill Drill, outcome DrillOutcome, why string) {
	drill.Ended, drill.Outcome, drill.Why = d.now, outcome, why
	d.Incidents.Drill = &drill
}

// judgeDrill ends a drill whose owner is not there any more to see its end: his session
// went with the stack, or his time is up.
func (d *decider) judgeDrill() {
	if d.Incidents.Drill == nil || !d.Incidents.Drill.Ended.IsZero() {
		return
	}
	drill := *d.Incidents.Drill
	var of *Incident
	for _, list := range [][]Incident{d.Incidents.Closed, d.Incidents.Open} {
		for n := range list {
			if list[n].Drill == drill.Name && !list[n].Began.Before(drill.Began.Add(-time.Second)) {
				of = &list[n]
			}
		}
	}
	late := !d.now.Before(drill.Until)
	switch {
	case of != nil && !of.Wrong() && (of.Kind != IncidentService || late):
		drill.Outage = of.Outage(d.now)
		d.endDrill(drill, DrillBack, "all was back by itself; see incident "+of.ID)
	case of != nil && late:
		drill.Outage = of.Outage(d.now)
		d.endDrill(drill, DrillFailed, "not all is back; see incident "+of.ID)
	case late:
		d.endDrill(drill, DrillUnknown, "nobody told of its end")
	default:
		d.judgeAt = earlier(d.judgeAt, drill.Until)
	}
}
