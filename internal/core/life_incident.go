package core

import (
	"iter"
	"maps"
	"slices"
	"time"
)

const (
	// justNow is how long before the end of the user manager what went down is part of it.
	justNow = 10 * time.Second
	// drillMost is how long a drill may take.
	drillMost = 24 * time.Hour
)

// managerEnds is the last that this daemon decides: the user manager stops, and all
// with it. What ran is down from now on, until a later daemon sees it back.
func (d *decider) managerEnds(e ManagerEnds) {
	if d.StandDown.InForce() || d.ending {
		return
	}
	d.ending = true
	i := Incident{Kind: IncidentSession, Root: rootSession, Urgency: UrgencyCritical, Cause: e.Cause, Began: d.now}
	if e.Machine || d.ShuttingDown {
		i.Kind, i.Root, i.Urgency = IncidentMachine, rootMachine, UrgencyWarning
	}
	if open, ok := d.openLifeOf(i.Kind); ok {
		i = open // it dies again before it was counted as back
	}
	hit := false
	for name, since := range d.running() {
		if !lastsIn(i, name) {
			i, _ = suffers(i, trouble{key: name, unit: name, what: "stopped with the user manager", pulse: PulseDown, since: since})
			hit = true
		}
	}
	switch {
	case !hit && (i.ID == "" || !i.Wrong()): // nothing ran
	case i.ID != "":
		i.Mended = time.Time{}
		d.setIncident(i)
	default:
		d.open(i)
	}
}

// running are the services that are up, or on their way, by name, and those that went
// down just now: with the others, and a moment before keeper was told.
func (d *decider) running() iter.Seq2[string, time.Time] {
	return func(yield func(string, time.Time) bool) {
		for _, name := range slices.Sorted(maps.Keys(d.Units)) {
			u, b := d.Units[name], d.brewing[name]
			since := d.now
			if u.down() {
				since = b.since
			}
			just := !b.since.IsZero() && !b.excused && d.now.Sub(b.since).Abs() < justNow
			if u.Runs() && !u.Stopped && (!u.down() || just) && !yield(name, since) {
				return
			}
		}
	}
}

// openLifeOf returns the open incident of that kind, or one of the other kind that is
// not mended: a user manager may die in a machine that goes down.
func (s State) openLifeOf(kind IncidentKind) (Incident, bool) {
	var other Incident
	for _, i := range s.Incidents.Open {
		switch {
		case i.Kind == kind:
			return i, true
		case (i.Kind == IncidentSession || i.Kind == IncidentMachine) && i.Wrong():
			other = i
		}
	}
	return other, other.ID != ""
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
	d.lifeDue = len(b.Down) > 0 && (b.Kind == LifeRevived || b.Kind == LifeBooted || b.Kind == LifeSame && !d.knowsLife(b.At))
}

// knowsLife says whether there is, or was, an incident of the death at that time. The
// daemon that was to open it may have died first.
func (s State) knowsLife(at time.Time) bool {
	is := func(i Incident) bool {
		return (i.Kind == IncidentSession || i.Kind == IncidentMachine) && (!i.Opened.Before(at) || at.Sub(i.Began) < stopSpan)
	}
	return slices.ContainsFunc(s.Incidents.Open, is) || slices.ContainsFunc(s.Incidents.Closed, is)
}

// openLife opens the incident of the death that this life began with, or goes on with
// the one that was opened when it was announced. Whoever made keeper stand down before
// knows of it.
func (d *decider) openLife() {
	if !d.lifeDue {
		return
	}
	d.lifeDue = false
	b := d.Began
	i := Incident{Kind: IncidentSession, Root: rootSession, Urgency: UrgencyCritical, Cause: b.Cause, Began: b.At}
	if b.death() == LifeBooted {
		i.Kind, i.Root = IncidentMachine, rootMachine
		if b.Clean {
			i.Urgency = UrgencyWarning
		}
	}
	open, ok := d.openLifeOf(i.Kind)
	switch {
	case ok:
		open.Cause, open.Mended = b.Cause, time.Time{}
		i = open
	case d.StandDown.InForce():
		return
	}
	first := b.Down[0].Left
	for _, p := range b.Down {
		first = min(first, p.Left)
	}
	for _, p := range b.Down {
		if !lastsIn(i, p.Name) {
			i, _ = suffers(i, trouble{key: p.Name, unit: p.Name, what: "down: " + b.Cause, pulse: PulseDown, since: b.At.Add(p.Left - first)})
		}
	}
	if ok {
		d.setIncident(i)
		d.lookCommands(i.Began.Add(-looksBack), true)
		return
	}
	d.open(i)
}

// drillAsked begins a drill, or ends it.
func (d *decider) drillAsked(e DrillAsked) {
	now := d.Incidents.Drill
	if most := d.now.Add(drillMost); e.Drill.Until.IsZero() || e.Drill.Until.After(most) {
		e.Drill.Until = most
	}
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

func (s State) drillOn() bool { return s.Incidents.Drill != nil && s.Incidents.Drill.Ended.IsZero() }

// judgeDrill ends a drill whose owner is not there any more to see its end: his session
// went with the stack, or his time is up.
func (d *decider) judgeDrill() {
	if !d.drillOn() {
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
