package core

import (
	"maps"
	"slices"
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
	// clings says that it makes what was wrong last, and is nothing wrong by itself: a
	// service that starts.
	clings bool
}

const (
	// downPatience is for what systemd or keeper may have mended in a moment.
	downPatience = 5 * time.Second
	// protectionPatience is for what keeper itself sets again.
	protectionPatience = 30 * time.Second
)

// The roots of incidents that are about no unit.
const (
	rootSession = "session"
	rootMachine = "machine"
	rootLinger  = "linger"
	rootArm     = "keeper-session.service"
	rootLogind  = "logind"
	rootManager = "user-manager"
)

// troubles are all that is wrong, by key.
func (d *decider) troubles() map[string]trouble {
	all := map[string]trouble{}
	var owed, outside map[string]string
	add := func(t trouble) {
		if t.since.IsZero() {
			t.since = d.now
		}
		all[t.key] = t
	}
	for name, u := range d.Units {
		if !u.Runs() || d.fine(name, u) {
			continue
		}
		if owed == nil { // for the first of them only, and mostly there is none
			owed, outside = d.OwedNow(), Outside(d.Units, d.Unkept)
		}
		if t, wrong := d.serviceTrouble(u, owed[name], outside[name]); wrong {
			add(t)
		}
	}
	for _, p := range d.pending {
		if _, back := d.returned[p.Name]; !back {
			if _, known := all[p.Name]; !known {
				add(trouble{key: p.Name, unit: p.Name, pulse: PulseDown, kind: IncidentService, clings: true, what: "it is not back yet"})
			}
		}
	}
	guard := func(root, what string, since time.Time) {
		add(trouble{key: root, what: what, since: since, kind: IncidentProtection, patience: protectionPatience})
	}
	if !d.StandDown.InForce() {
		if d.Linger == LingerOff {
			guard(rootLinger, "linger is off: the stack ends with the last session", d.LingerSince)
		}
		switch {
		case !d.ManagerUp && d.ManagerErr != "":
			guard(rootManager, "the user manager cannot be reached: "+d.ManagerErr, time.Time{})
		case d.ManagerUp && !d.starting && !d.Armed:
			guard(rootArm, "keeper-session.service is not active: the stack would not come back from terminate-user", time.Time{})
		}
		if !d.LogindUp && d.logindErr != "" {
			guard(rootLogind, "logind cannot be reached: "+d.logindErr, time.Time{})
		}
	}
	for _, f := range d.Lost {
		guard("lost "+f.Source, f.Source+" was deleted or emptied: its service will not start again", time.Time{})
	}
	return all
}

// fine says at a glance that nothing can be wrong with a service: most are, most of
// the time.
func (s State) fine(name string, u Unit) bool {
	w := s.watches[name]
	if u.Active != "active" || w == nil {
		return false
	}
	c := w.outcome.Condition
	return w.ill.IsZero() && w.fails == 0 && (c.Ready() || c == "" && w.spec.Probe == ProbeNone) && len(s.care(name).lives) < flaps
}

func (d *decider) serviceTrouble(u Unit, owed, outside string) (trouble, bool) {
	name := u.Name
	v := d.service(u, owed, outside, d.now)
	t := trouble{key: name, unit: name, what: string(v.State), cause: v.Cause, pulse: PulseIll, kind: IncidentService}
	if v.Why != "" {
		t.what += ": " + v.Why
	}
	if u.Active != "active" {
		t.pulse = PulseDown
	}
	w := d.watches[name]
	if w != nil && !w.ill.IsZero() && !w.found.IsZero() {
		t.since = w.found
	}
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
		t.clings = w == nil || w.ill.IsZero() && w.unready < w.spec.Failures && w.fails < w.spec.Failures
	case ServiceFrozen:
		t.clings = w == nil || w.ill.IsZero()
	case ServiceIll, ServiceFlapping, ServiceGaveUp:
	}
	// A person is at it: then it is his.
	t.clings = t.clings || v.Desired == DesiredHeld || d.StandDown.InForce() || d.adoptBusy() || d.starting
	return t, true
}

// judge opens, follows and closes incidents. What stops while the machine goes down is
// meant to, and nothing is known of services that were not looked at.
func (d *decider) judge() {
	d.judgeAt = time.Time{}
	if d.ShuttingDown || d.ending || !d.begun || !d.standSeen || d.Units == nil {
		return
	}
	d.openLife()
	troubles := d.troubles()
	brewing := map[string]time.Time{}
	for _, key := range causesFirst(troubles) {
		t := troubles[key]
		if at, known := d.brewing[key]; known && at.Before(t.since) {
			t.since = at
		}
		brewing[key] = t.since
		if d.lasts(t) || t.clings {
			continue
		}
		if due := t.since.Add(t.patience); d.now.Before(due) {
			d.judgeAt = earlier(d.judgeAt, due)
			continue
		}
		d.enter(t)
	}
	d.brewing = brewing
	for _, i := range slices.Clone(d.Incidents.Open) {
		d.follow(i, troubles)
	}
	d.judgeDrill()
}

// causesFirst are the keys of troubles, those first that are the cause of others.
func causesFirst(troubles map[string]trouble) []string {
	cause := map[string]bool{}
	for _, t := range troubles {
		cause[t.cause] = true
	}
	keys := slices.Sorted(maps.Keys(troubles))
	slices.SortStableFunc(keys, func(a, b string) int {
		switch {
		case cause[a] == cause[b]:
			return 0
		case cause[a]:
			return -1
		}
		return 1
	})
	return keys
}
