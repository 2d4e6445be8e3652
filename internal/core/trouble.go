package core

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// trouble is something that is wrong at this moment.
type trouble struct {
	key   string // a unit, or the name of what is not in force
	unit  string
	what  string
	cause string // the unit that it comes from
	pulse Pulse
	since time.Time
	kind  IncidentKind
	// patience is how long it must last to count.
	patience time.Duration
	// clings says that it makes what was wrong last, and is nothing wrong by itself, for
	// a long while at least: a service that starts.
	clings bool
	// excused says that it never counts, for a person is at it, or nothing is known yet.
	excused bool
}

// brew is since when something is wrong that may become an incident.
type brew struct {
	since   time.Time
	excused bool
	pulse   Pulse
	left    bool // there was no room for it, and that was counted
}

const (
	// downPatience is for what systemd or keeper may have mended in a moment.
	downPatience = 5 * time.Second
	// protectionPatience is for what keeper itself sets again.
	protectionPatience = 30 * time.Second
	// slowPatience is for what is about to be well, and then is not: a start that never
	// ends, a probe that fails every other time.
	slowPatience = 15 * time.Minute

	// Where so much is wrong, all of it is gone through once in judgeEvery: each of the
	// many events changes little.
	judgeMany  = 30
	judgeEvery = time.Second
)

// The roots of incidents that are about no unit.
const (
	rootSession = "session"
	rootMachine = "machine"
	rootLinger  = "linger"
	rootArm     = "keeper-session.service"
	rootLogind  = "logind"
	rootManager = "user-manager"
	rootLost    = "lost " // and the file
)

// troubles are all that is wrong, by key.
func (d *decider) troubles() map[string]trouble {
	all := map[string]trouble{}
	var owed, outside map[string]string
	for name := range d.Units {
		w := d.watches[name]
		if w != nil && d.fine(name, w) {
			continue
		}
		u := d.Units[name]
		if !u.Runs() {
			continue
		}
		if owed == nil { // for the first of them only, and mostly there is none
			owed, outside = d.OwedNow(), Outside(d.Units, d.Unkept)
		}
		if t, wrong := d.serviceTrouble(u, owed[name], outside[name]); wrong {
			all[name] = t
		}
	}
	for _, p := range d.pending {
		if _, back := d.returned[p.Name]; back {
			continue
		}
		if _, known := all[p.Name]; !known {
			all[p.Name] = trouble{key: p.Name, unit: p.Name, pulse: PulseDown, kind: IncidentService, clings: true, excused: d.leftToPeople(p.Name),
				what: "not back yet"}
		}
	}
	d.guards(all)
	return all
}

// guards adds what of the protection is not in force. What is not known yet, or left as
// it is while keeper stands down, goes on where it was wrong before.
func (d *decider) guards(all map[string]trouble) {
	guard := func(root, what string, since time.Time, sure bool) {
		all[root] = trouble{key: root, what: what, since: since, kind: IncidentProtection, patience: protectionPatience,
			excused: !sure || d.StandDown.InForce(), clings: !sure || d.StandDown.InForce()}
	}
	if d.Linger != LingerOn {
		guard(rootLinger, "linger is off: the stack ends with the last session", d.LingerSince, d.Linger == LingerOff)
	}
	if !d.ManagerUp {
		guard(rootManager, "the user manager cannot be reached: "+d.ManagerErr, time.Time{}, d.ManagerErr != "")
	}
	if !d.Armed {
		guard(rootArm, "keeper-session.service is not active: the stack would not come back from terminate-user", time.Time{}, d.ManagerUp && !d.starting)
	}
	if !d.LogindUp {
		guard(rootLogind, "logind cannot be reached: "+d.logindErr, time.Time{}, d.logindErr != "")
	}
	for _, f := range d.Lost {
		guard(rootLost+f.Source, f.Source+" was deleted or emptied: its service will not start again", time.Time{}, true)
	}
}

// fine says at a glance that nothing can be wrong with a service that is watched, and
// up therefore: most are, most of the time.
func (s State) fine(name string, w *watch) bool {
	c := w.outcome.Condition
	if !w.ill.IsZero() || w.fails > 0 || !c.Ready() && (c != "" || w.spec.Probe != ProbeNone) {
		return false
	}
	l := s.cares[name]
	return l == nil || len(l.lives) < flaps
}

// leftToPeople says that whatever the service is, it is a person's, or nobody can tell.
func (d *decider) leftToPeople(name string) bool {
	return d.isHeld(name) || d.StandDown.InForce() || d.adoptBusy() || d.starting
}

func (d *decider) serviceTrouble(u Unit, owed, outside string) (trouble, bool) {
	name := u.Name
	v := d.service(u, owed, outside, d.now)
	t := trouble{key: name, unit: name, cause: v.Cause, pulse: PulseIll, kind: IncidentService, excused: d.leftToPeople(name)}
	if u.Active != "active" {
		t.pulse = PulseDown
	}
	w := d.watches[name]
	if w != nil && !w.ill.IsZero() && !w.found.IsZero() {
		t.since = w.found
	}
	if o, ok := d.debts[name]; ok && !o.paid && t.cause == "" {
		t.cause = o.cause
	}
	unsure := w == nil || w.ill.IsZero() && w.unready < w.spec.Failures && w.fails < w.spec.Failures
	switch v.State {
	case ServiceWell, ServiceStopped:
		return t, false
	case ServiceStarting, ServiceRecovering, ServiceRestarting, ServiceFailing, ServiceUnknown:
		t.clings = true
	case ServiceNotReady:
		t.clings = w == nil || w.unready < w.spec.Failures
	case ServiceDown:
		t.clings = u.Job // somebody, or systemd, is at it
		t.patience = downPatience
	case ServiceBlocked:
		t.clings = unsure
		cause := d.Units[v.Cause]
		t.excused = t.excused || cause.Stopped || d.isHeld(v.Cause)
	case ServiceFrozen:
		t.clings = w == nil || w.ill.IsZero()
	case ServiceIll, ServiceFlapping, ServiceGaveUp:
	}
	t.what = inWords(v)
	t.clings = t.clings || t.excused
	return t, true
}

// givenUp is what keeper has done with a service that nothing helped.
const givenUp = "given up"

// inWords is how a service is, as it follows "it is".
func inWords(v Service) string {
	what, why := string(v.State), v.Why
	switch v.State {
	case ServiceNotReady:
		what = "not ready"
	case ServiceGaveUp:
		what = givenUp
	case ServiceUnknown:
		what = "not to be asked"
	case ServiceFailing:
		what = "failing its probes"
	case ServiceBlocked:
		what = "blocked by " + short(v.Cause)
		why = strings.TrimPrefix(why, short(v.Cause)+": ")
	case ServiceDown: // mostly the reason begins with how the unit is
		if why == "failed" || why == "inactive" {
			return what
		}
	}
	if why == "" {
		return what
	}
	return what + ": " + why
}

// idle says at little cost that an event changes nothing of what judge goes by.
func (d *decider) idle(e Event) bool {
	p, probed := e.(Probed)
	if !probed || d.lifeDue || len(d.brewing) > 0 || len(d.Incidents.Open) > 0 || d.drillOn() {
		return false
	}
	w := d.watches[p.Unit]
	return w == nil || d.fine(p.Unit, w)
}

// waits says that so much is wrong that this event may wait for its turn.
func (d *decider) waits(e Event) bool {
	if len(d.brewing) < judgeMany || d.judgedAt.After(d.now) || d.now.Sub(d.judgedAt) >= judgeEvery {
		return false
	}
	switch e.(type) {
	case Probed, UnitSeen, Examined, Remedied:
		d.judgeAt = earlier(d.judgeAt, d.judgedAt.Add(judgeEvery))
		return true
	}
	return false
}

// judge opens, follows and closes incidents. What stops while the machine goes down is
// meant to, and nothing is known of services that were not looked at.
func (d *decider) judge(e Event) {
	if d.ShuttingDown || d.ending || !d.begun || !d.standSeen {
		d.judgeAt = time.Time{}
		return
	}
	if d.idle(e) || d.waits(e) {
		return
	}
	d.judgeAt, d.judgedAt = time.Time{}, d.now
	d.openLife()
	if d.Units == nil {
		return
	}
	troubles := d.troubles()
	d.brew(troubles)
	for _, key := range causesFirst(troubles) {
		t := troubles[key]
		if d.lasts(t) || t.excused || d.brewing[key].left {
			continue
		}
		wait := t.patience
		if t.clings {
			wait = slowPatience
		}
		if due := t.since.Add(wait); d.now.Before(due) {
			d.judgeAt = earlier(d.judgeAt, due)
			continue
		}
		d.enter(t)
	}
	for _, i := range slices.Clone(d.Incidents.Open) {
		d.follow(i, troubles)
	}
	d.judgeDrill()
}

// brew notes since when each trouble is there. What was excused is new once it is not.
func (d *decider) brew(troubles map[string]trouble) {
	if len(troubles) == 0 && len(d.brewing) == 0 {
		return
	}
	brewing := make(map[string]brew, len(troubles))
	for key, t := range troubles {
		was, known := d.brewing[key]
		switch {
		case known && !was.excused && !t.excused:
			t.since = was.since
		case known && was.excused, t.since.IsZero():
			t.since = d.now
		}
		if t.since.After(d.now) {
			t.since = d.now // the clock was set back
		}
		troubles[key] = t
		brewing[key] = brew{since: t.since, excused: t.excused, pulse: t.pulse, left: was.left}
	}
	d.brewing = brewing
}

// causesFirst are the keys of troubles, those first that are the cause of others.
func causesFirst(troubles map[string]trouble) []string {
	cause := map[string]bool{}
	for _, t := range troubles {
		cause[t.cause] = true
	}
	keys := slices.Sorted(maps.Keys(troubles))
	slices.SortStableFunc(keys, func(a, b string) int { return rank(!cause[a]) - rank(!cause[b]) })
	return keys
}
