package core

import (
	"fmt"
	"slices"
	"time"
)

// supervise sees to the services that are ill: one is examined at a time, and
// one restarted at a time.
func (d *decider) supervise() {
	d.superviseAt = time.Time{}
	d.overdue()
	for _, name := range d.troubled() {
		w, u := d.watches[name], d.Units[name]
		if d.isHeld(name) || u.Job || u.Stopped || d.stopsItself(u) {
			continue
		}
		if w.outcome.Condition == ConditionStopped || w.outcome.Condition == ConditionFrozen {
			d.thaw(name, *w)
		} else if !w.ill.IsZero() {
			d.examine(name, *w)
		}
	}
	d.forgive()
}

// overdue ends what went on for too long: a restart that keeps others back, and
// an examination that nobody answers.
func (d *decider) overdue() {
	if !d.restartUntil.IsZero() && !d.now.Before(d.restartUntil) {
		for name, o := range d.own {
			if d.overslept(o) {
				d.notStopped([]string{name})
			}
		}
		d.restarting, d.restarted, d.restartUntil = "", nil, time.Time{}
	}
	if d.examining != "" && !d.now.Before(d.examineUntil) {
		if w := d.watches[d.examining]; w != nil {
			next := *w
			next.look = d.now.Add(w.spec.Interval)
			d.setWatch(d.examining, next) // the others first
		}
		d.examining = ""
	}
	d.superviseAt = earlier(d.superviseAt, d.restartUntil)
	if d.examining != "" {
		d.superviseAt = earlier(d.superviseAt, d.examineUntil)
	}
}

// mayRemedy says whether anything may be done about a service that is ill.
func (d *decider) mayRemedy() bool {
	return d.mayAct() && !d.starting && !d.renewing && !d.mending && !d.adoptBusy()
}

// troubled are the services that something may be done about, by name: what
// another ails from keeps that one back in any order.
func (s State) troubled() []string {
	var list []string
	for name, w := range s.watches {
		if !w.ill.IsZero() || w.outcome.Condition == ConditionStopped || w.outcome.Condition == ConditionFrozen {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// ailing says what is wrong with a service that others depend on, or returns
// nothing.
func (s State) ailing(name string, now time.Time) string {
	u, ok := s.Units[name]
	w := s.watches[name]
	switch {
	case !ok || !u.Runs():
		return ""
	case u.Stopped:
		return "somebody stopped it"
	case u.Active != "active":
		return "it is " + u.Active
	case w == nil || s.unproven(name, w.spec):
		return "" // it may be well, and answer elsewhere
	case !w.answered && !w.outcome.Condition.Known() && now.Sub(w.since) < wellHold:
		return "it was started just now" // and may be gone in a moment
	case !w.outcome.Condition.Known():
		return ""
	case !w.ill.IsZero(), w.fails > 0, !w.outcome.Condition.Alive():
		return said(w.outcome)
	case !w.outcome.Condition.Ready() && w.outcome.Condition != ConditionAuthRefused:
		return said(w.outcome)
	}
	return ""
}

// causeOf returns the dependency that explains why a service is not well: one
// that nothing it depends on in turn explains. Services that depend on one
// another explain nothing: each would wait for the other for ever.
func (s State) causeOf(name string, now time.Time) (cause, why string) {
	var seen []string
	for at := name; at != ""; {
		further := ""
		for _, dep := range s.depsOf(at) {
			if ails := s.ailing(dep, now); ails != "" && !slices.Contains(seen, dep) && !s.leadsTo(dep, name) {
				further, cause, why = dep, dep, ails
				seen = append(seen, dep)
				break
			}
		}
		at = further
	}
	return cause, why
}

// leadsTo says whether the one is, or depends on, the other.
func (s State) leadsTo(from, to string) bool {
	seen, rest := map[string]bool{}, []string{from}
	for len(rest) > 0 {
		at := rest[0]
		rest = rest[1:]
		if at == to {
			return true
		}
		if !seen[at] {
			seen[at] = true
			rest = append(rest, s.depsOf(at)...)
		}
	}
	return false
}

func (s State) depsOf(name string) []string {
	if w := s.watches[name]; w != nil {
		return w.deps
	}
	return s.Units[name].Needs
}

// examine has an ill service looked at once more, together with all that it
// depends on, if nothing speaks against a restart so far.
func (d *decider) examine(name string, w watch) {
	l := d.care(name)
	cause, why := d.causeOf(name, d.now)
	switch {
	case cause != "":
		if w.cause != cause {
			d.noteTopic("cause "+name, "leave "+short(name)+" to "+short(cause), short(cause)+" is the cause: "+why)
			w.cause = cause
			d.setWatch(name, w)
		}
		return
	case w.cause != "" && d.now.Before(w.look):
		// An examination found it; the dependency's own probes are to say so too.
		d.superviseAt = earlier(d.superviseAt, w.look)
		return
	case w.cause != "":
		// It shall have the time to recover by itself.
		d.over("cause " + name)
		d.over("ill " + name)
		w.cause, w.ill, w.fails = "", time.Time{}, 0
		w.look = d.now.Add(min(w.spec.Grace, wellHold)) // as after a start
		d.setWatch(name, w)
		return
	case w.spec.Restart != RestartIll:
		d.noteTopic("rule "+name, "leave "+short(name)+" as it is", "it is ill, and restart = \"never\"")
		return
	case d.unproven(name, w.spec):
		d.noteTopic("rule "+name, "leave "+short(name)+" as it is", "it is ill as far as keeper can tell, and never answered yet to what it is taken for ("+w.spec.asks()+"); set probe or port for it")
		return
	case d.heldAlong(name) != "":
		d.noteTopic("rule "+name, "leave "+short(name)+" as it is", "it is ill, and "+short(d.heldAlong(name))+", which somebody told keeper to leave alone, would be restarted along")
		return
	case !l.gaveUp.IsZero() || d.examining != "" || d.restarting != "" || !d.mayRemedy():
		return
	}
	at := later(l.next, w.look)
	if w.goods > 0 { // its probes are to tell of more, unless they are out of step
		at = later(at, w.well.Add(time.Duration(w.spec.Successes+1)*w.spec.Interval))
	}
	if d.now.Before(at) {
		d.superviseAt = earlier(d.superviseAt, at)
		return
	}
	targets := []Target{d.target(name)}
	for _, dep := range w.deps {
		if on := d.watches[dep]; on != nil && on.spec.Probe != ProbeNone {
			targets = append(targets, d.target(dep))
		}
	}
	limit := examineLimit(targets)
	d.examining, d.examinedLife, d.examineUntil = name, w.life, d.now.Add(limit+examineSpare)
	d.actions = append(d.actions, Action{Kind: Examine, Units: []string{name}, Targets: targets, Limit: limit,
		What: "examine " + short(name), Reason: "it is ill"})
}

// examineLimit leaves every probe its time.
func examineLimit(targets []Target) time.Duration {
	limit := 5 * time.Second
	for _, t := range targets {
		limit = max(limit, 2*t.Timeout+time.Second)
	}
	return limit
}

// examined decides on a restart by what was found just now.
func (d *decider) examined(e Examined) {
	if d.examining != e.Unit {
		return
	}
	d.examining = ""
	now := d.watches[e.Unit]
	if now == nil || now.life != d.examinedLife || now.ill.IsZero() || d.ShuttingDown {
		return // it went, or got well, meanwhile
	}
	w := *now
	w.look = d.now.Add(w.spec.Interval)
	d.setWatch(e.Unit, w)
	o, asked := e.Outcomes[e.Unit]
	if w.goods > 0 && !o.Condition.Alive() {
		return // it has answered meanwhile, and the prober counts from there
	}
	if asked {
		d.takeIn(e.Unit, w, o)
		w = *d.watches[e.Unit]
	}
	if len(e.DeadHelpers) > 0 {
		d.helperHint()
		return
	}
	if !asked || !o.Condition.Known() || o.Condition.Alive() || o.Condition == ConditionFrozen || o.Condition == ConditionStopped {
		return
	}
	for _, dep := range w.deps {
		found, ok := e.Outcomes[dep]
		if ok && found.Condition.Known() && !found.Condition.Ready() && found.Condition != ConditionAuthRefused && !d.leadsTo(dep, e.Unit) {
			d.noteTopic("cause "+e.Unit, "leave "+short(e.Unit)+" to "+short(dep), short(dep)+" is the cause: "+said(found))
			w.cause = dep
			d.setWatch(e.Unit, w)
			return
		}
	}
	u := d.Units[e.Unit]
	if cause, _ := d.causeOf(e.Unit, d.now); cause != "" || d.isHeld(e.Unit) || u.Job || u.Stopped || d.stopsItself(u) || d.heldAlong(e.Unit) != "" ||
		w.spec.Restart != RestartIll || d.unproven(e.Unit, w.spec) || !d.care(e.Unit).gaveUp.IsZero() || d.restarting != "" && d.restarting != e.Unit || !d.mayRemedy() {
		return // something came between
	}
	if w.fails < w.spec.Failures {
		return // it answered not long ago, and must fail as often again
	}
	if e.Strain != "" {
		d.noteTopic("strain "+e.Unit, "leave "+short(e.Unit)+" as it is", e.Strain+", and no service can answer in time")
		return
	}
	d.over("strain " + e.Unit)
	d.restart(u, w, said(o))
}

// restart restarts a service within its budget.
func (d *decider) restart(u Unit, w watch, why string) {
	l := d.care(u.Name)
	l.restarts = within(l.restarts, d.now, w.spec.Window)
	if len(l.restarts) >= w.spec.Restarts {
		l.gaveUp = d.now
		d.setCare(u.Name, l)
		d.note("give up on "+short(u.Name), fmt.Sprintf("it is ill (%s), and %d restarts within %s did not help; keeper restart %s starts afresh",
			why, len(l.restarts), Span(w.spec.Window), short(u.Name)))
		return
	}
	l.restarts = append(l.restarts, d.now)
	l.tries++
	l.next = d.now.Add(jitter(restartWaits[min(l.tries, len(restartWaits)-1)], u.Name, l.tries))
	d.setCare(u.Name, l)
	d.restarts(u.Name)
	d.actions = append(d.actions, Action{Kind: RestartUnits, Units: []string{u.Name}, Running: true, What: "restart " + short(u.Name),
		Reason: fmt.Sprintf("it is ill since %d probes: %s", w.fails, why)})
}

// restarts notes what a restart of the service ends, and keeps others back.
func (d *decider) restarts(name string) {
	d.restarting, d.restartUntil = name, d.now.Add(restartHold)
	d.restarted = append(d.dependants(name), name)
	d.stopSelf(d.restarted)
	for _, one := range d.restarted {
		o := d.own[one]
		o.restart = true
		d.own[one] = o // a copy since stopSelf
	}
}

// dependants are the services that systemd stops with the unit.
func (s State) dependants(name string) []string {
	var list []string
	for _, u := range s.Units {
		if slices.Contains(u.StopsWith, name) && u.Active == "active" {
			list = append(list, u.Name)
		}
	}
	slices.Sort(list)
	return list
}

// unproven says that keeper guessed what a service is, and that it never answered so
// far, in this life or an earlier one. It may listen elsewhere, or for the first time
// load a dump into its database (which then answers nobody outside): a restart would
// be the only harm that comes to it.
func (s State) unproven(name string, spec Supervision) bool {
	asks := spec.asks()
	return asks != "" && spec.guessed() && s.care(name).proved != asks
}

// heldAlong returns one of the services that a restart of this one would restart, and
// that keeper is to leave alone.
func (d *decider) heldAlong(name string) string {
	for _, other := range d.dependants(name) {
		if d.isHeld(other) {
			return other
		}
	}
	return ""
}

// notRestarted: the restart was not even queued, which is nothing that a service
// could be given up for. The wait before the next try stays.
func (d *decider) notRestarted(name string) {
	d.notStopped(d.restarted)
	if l := d.care(name); len(l.restarts) > 0 && l.restarts[len(l.restarts)-1].Equal(d.restartUntil.Add(-restartHold)) {
		l.restarts = l.restarts[:len(l.restarts)-1]
		d.setCare(name, l)
	}
	d.restarting, d.restarted, d.restartUntil = "", nil, time.Time{}
}

// later returns the later of two times, a zero time being the earliest.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
