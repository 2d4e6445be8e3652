package core

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// thaw has a service go on that somebody stopped by a signal, once it is ill, or
// froze (podman pause), once that was so for long enough.
func (d *decider) thaw(name string, w watch) {
	if w.spec.Thaw < 0 || w.thawing || !d.mayRemedy() {
		return
	}
	at := later(w.found.Add(w.spec.Thaw), w.thawAt)
	if w.outcome.Condition == ConditionStopped {
		// Nobody makes a copy of a volume that way, as people do with podman pause.
		if w.ill.IsZero() {
			return
		}
		at = later(w.ill, w.thawAt)
	}
	if d.now.Before(at) {
		d.superviseAt = earlier(d.superviseAt, at)
		return
	}
	a := Action{Kind: ContinueUnit, What: "continue " + short(name), Reason: "somebody stopped its process by a signal"}
	if w.outcome.Condition == ConditionFrozen {
		a = Action{Kind: ThawUnit, What: "unpause " + short(name), Reason: "somebody paused its container (podman pause)", Limit: time.Minute}
	}
	a.Units, a.Targets, a.Retry = []string{name}, []Target{d.target(name)}, w.thaws > 0
	a.Reason += fmt.Sprintf(", %s ago; keeper pause %s keeps it so", d.now.Sub(w.found).Round(time.Second), short(name))
	w.thawing = true
	w.thaws++
	d.setWatch(name, w)
	d.actions = append(d.actions, a)
}

// remedied is the outcome of whatever was done about a service.
func (d *decider) remedied(e Remedied) {
	for _, name := range e.Units {
		if e.Err != "" {
			d.noteTopic("remedy "+name, "try again later with "+short(name), e.Err)
		} else {
			d.over("remedy " + name)
		}
		w := d.watches[name]
		switch {
		case e.Kind == RestartUnits && e.Err != "" && d.restarting == name:
			d.notRestarted(name)
		case e.Kind != RestartUnits && w != nil && w.thawing:
			next := *w
			next.thawing = false
			if next.thaws == 0 {
				d.setWatch(name, next) // it has answered since: what comes is another story
				continue
			}
			wait := 2 * w.spec.Interval
			if e.Kind == ThawUnit {
				wait = max(wait, w.spec.Thaw)
			}
			next.thawAt = d.now.Add(min(min(wait, thawMost)<<min(w.thaws-1, 8), thawMost))
			d.setWatch(name, next)
		}
	}
}

// forgive ends what was done about services that have been well for long enough.
func (d *decider) forgive() {
	var names []string
	for name, l := range d.cares {
		if l.tries > 0 || !l.gaveUp.IsZero() {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		l, w := d.cares[name], d.watches[name]
		if w == nil || w.well.IsZero() || !w.ill.IsZero() {
			continue
		}
		if at := w.well.Add(wellHold); d.now.Before(at) {
			d.superviseAt = earlier(d.superviseAt, at)
			continue
		}
		next := *l
		if !next.gaveUp.IsZero() {
			d.note("watch over "+short(name)+" again", "it is well by itself")
		}
		next.tries, next.gaveUp, next.next = 0, time.Time{}, time.Time{}
		d.setCare(name, next)
	}
}

// restartAsked is a person's word: what was is forgotten, and the service is
// restarted, or started.
func (d *decider) restartAsked(e RestartAsked) {
	u, ok := d.Units[e.Unit]
	if !ok || !u.IsService() || d.ShuttingDown {
		return
	}
	d.startAfresh(e.Unit)
	d.unstop(e.Unit)
	u.Stopped, u.StoppedWith = false, ""
	d.Units = cloneUnits(d.Units)
	d.Units[e.Unit] = u
	if o, ok := d.debts[e.Unit]; ok {
		o.next = d.now.Add(startWaits[1]) // should the restart fail
		d.debts[e.Unit] = o               // a copy: it starts afresh
	}
	if w := d.watches[e.Unit]; w != nil {
		// What was found stays: should the restart fail, a prober of a service that is
		// well has nothing to tell.
		d.setWatch(e.Unit, watch{life: w.life, pid: w.pid, since: d.now, spec: w.spec, deps: w.deps, outcome: w.outcome, found: w.found})
	}
	d.restarts(e.Unit)
	d.actions = append(d.actions, Action{Kind: RestartUnits, Units: []string{e.Unit}, What: "restart " + short(e.Unit), Reason: "somebody asked for it (keeper restart)"})
}

// resumeAsked is a person's word that keeper may go on with the service.
func (d *decider) resumeAsked(e ResumeAsked) {
	if _, ok := d.Units[e.Unit]; ok {
		d.startAfresh(e.Unit)
		d.note("start afresh with "+short(e.Unit), "somebody asked for it (keeper resume)")
	}
}

// startAfresh forgets what was done about a service, so that it has its whole
// budget again.
func (d *decider) startAfresh(name string) {
	if proved := d.care(name).proved; proved != "" {
		d.setCare(name, care{proved: proved})
	} else {
		d.cares = maps.Clone(d.cares)
		delete(d.cares, name)
	}
	d.overIll(name)
	d.over("remedy " + name)
	d.over("gave up " + name)
	if o, ok := d.debts[name]; ok {
		o.tries, o.next = 0, d.now
		d.debts = maps.Clone(d.debts)
		d.debts[name] = o
	}
}

// heldSeen takes in what a person told keeper to leave alone.
func (d *decider) heldSeen(e HeldSeen) {
	was := d.State
	d.Held = e.Held
	for _, name := range slices.Sorted(maps.Keys(e.Held)) {
		if _, before := was.held(name, d.now); !before && d.isHeld(name) {
			d.note("leave "+short(name)+" alone", "somebody asked for it (keeper pause)"+because(e.Held[name].Reason))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(was.Held)) {
		if !d.isHeld(name) {
			d.note("watch over "+short(name)+" again", "it is no longer to be left alone")
		}
	}
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// nextHold is when the first of the holds ends.
func (d *decider) nextHold() time.Time {
	var at time.Time
	for _, h := range d.Held {
		if h.Until.After(d.now) {
			at = earlier(at, h.Until)
		}
	}
	return at
}
