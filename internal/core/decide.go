package core

import (
	"fmt"
	"slices"
	"time"
)

// State is all that Decide knows.
type State struct {
	Linger      Linger
	LingerSince time.Time
	// LingerErr is why linger could not be set; Denied that polkit forbids it.
	LingerErr string
	Denied    bool

	LogindUp     bool
	ManagerUp    bool
	ManagerErr   string
	Armed        bool
	ShuttingDown bool
	StandDown    StandDown
	// standSeen says that the marks were looked at: before, nothing is set.
	standSeen bool

	Units    map[string]Unit
	Survival *Survival

	// Next is when Decide wants a Wake; zero means not at all.
	Next time.Time

	setting  bool // a SetLinger is under way
	looking  bool // a LookLinger is under way
	sets     []time.Time
	retryAt  time.Time
	lookAt   time.Time
	pending  []Down
	rearmed  Rearm
	returned map[string]time.Duration
}

const (
	// LookEvery is how often everything is looked at though nothing called for
	// it: a signal is a hint, and hints get lost.
	LookEvery = 5 * time.Minute
	// setBudget is how many times within setWindow linger is set without
	// pause. Somebody who keeps taking it away is not fought in a tight loop.
	setBudget = 5
	setWindow = time.Minute
	retryWait = 15 * time.Second
)

// Decide turns one event into a new state and the actions that follow from it.
func Decide(s State, e Event, now time.Time) (State, []Action) {
	d := decider{State: s, now: now}
	switch e := e.(type) {
	case LogindUp:
		d.logindUp(e)
	case LogindDown:
		d.LogindUp, d.setting, d.looking = false, false, false
		d.note("wait for logind", "logind cannot be reached: "+e.Err)
	case LingerHint:
		d.look()
	case LingerSeen:
		d.lingerSeen(e)
	case LingerSet:
		d.lingerSet(e)
	case StandDownSeen:
		d.standDownSeen(e.StandDown)
	case SessionRemoved, UserRemoved:
		// Linger goes without a signal of its own; it may have gone with these.
		d.look()
	case SessionNew, UserNew:
	case PrepareForShutdown:
		d.shutdown(e.Active)
	case UnitsSeen:
		d.unitsSeen(e)
	case UnitSeen:
		d.Units = cloneUnits(d.Units)
		d.Units[e.Unit.Name] = e.Unit
		d.account()
	case ManagerDown:
		d.ManagerUp, d.Armed, d.ManagerErr = false, false, e.Err
		d.note("wait for the user manager", "the user manager cannot be reached: "+e.Err)
	case Rearmed:
		d.rearm(e.Rearm)
	case Wake:
		d.wake()
	}
	d.schedule()
	return d.State, d.actions
}

// decider carries one run of Decide.
type decider struct {
	State
	now     time.Time
	actions []Action
}

func (d *decider) add(k Kind, what, reason string) {
	d.actions = append(d.actions, Action{Kind: k, What: what, Reason: reason})
}

func (d *decider) note(what, reason string) { d.add(Note, what, reason) }

func (d *decider) look() {
	if d.LogindUp && !d.looking {
		d.looking = true
		d.add(LookLinger, "look at linger", "something may have changed it")
	}
}

// logindUp looks first. Linger is then set even where it is on: that is how
// logind learns again that the user is to stay, and proof that polkit allows it.
func (d *decider) logindUp(e LogindUp) {
	d.LogindUp = true
	d.Linger, d.setting, d.looking = LingerUnknown, false, false
	if e.Restarted {
		d.note("look again", "logind restarted")
	}
	d.look()
}

func (d *decider) lingerSeen(e LingerSeen) {
	d.looking = false
	if e.Err != "" {
		d.LingerErr = e.Err
		d.retryAt = d.now.Add(retryWait)
		return
	}
	was := d.Linger
	d.setLinger(e.On)
	switch {
	case e.On && was == LingerUnknown:
		d.set("logind is to know that the account lingers, and whether polkit allows it")
	case e.On:
	case was == LingerUnknown:
		d.set("linger was off")
	case was == LingerOn:
		d.set("somebody took linger away")
	default:
		d.set("linger is still off")
	}
}

func (d *decider) setLinger(on bool) {
	to := LingerOff
	if on {
		to = LingerOn
	}
	if d.Linger != to {
		d.Linger, d.LingerSince = to, d.now
	}
}

// set sets linger unless something forbids it. What was forbidden is kept as a
// decision when linger is off, for then somebody will ask.
func (d *decider) set(reason string) {
	switch {
	case !d.standSeen || d.setting || !d.LogindUp:
		return
	case d.StandDown.InForce():
		if d.Linger == LingerOff {
			d.note("leave linger off", reason+", but keeper stands down: "+d.StandDown.Detail)
		}
		return
	case d.ShuttingDown:
		d.note("leave linger as it is", reason+", but the machine goes down")
		return
	}
	d.sets = slices.DeleteFunc(slices.Clone(d.sets), func(t time.Time) bool { return d.now.Sub(t) >= setWindow })
	if len(d.sets) >= setBudget {
		d.retryAt = d.sets[0].Add(setWindow)
		d.note("wait before setting linger again",
			fmt.Sprintf("%s, %d times within a minute; something takes it away again and again", reason, len(d.sets)+1))
		return
	}
	d.sets = append(d.sets, d.now)
	d.setting = true
	d.retryAt = time.Time{}
	d.add(SetLinger, "set linger", reason)
}

func (d *decider) lingerSet(e LingerSet) {
	d.setting = false
	d.LingerErr, d.Denied = e.Err, e.Denied
	if e.Err == "" {
		d.setLinger(true)
		return
	}
	d.retryAt = d.now.Add(retryWait)
	d.note("try to set linger again later", "it could not be set: "+e.Err)
}

func (d *decider) standDownSeen(s StandDown) {
	first := !d.standSeen
	was := d.StandDown
	d.StandDown, d.standSeen = s, true
	if s.Until.After(d.now) {
		d.retryAt = s.Until
	}
	switch {
	case s.InForce() && was.Cause != s.Cause:
		d.note("stand down", s.Detail)
	case !s.InForce() && was.InForce():
		d.note("stand up", "nothing forbids keeper to act any more: the cause was "+string(was.Cause))
		d.look()
	case first:
		d.look()
	}
}

func (d *decider) shutdown(active bool) {
	if d.ShuttingDown == active {
		return
	}
	d.ShuttingDown = active
	if active {
		d.note("leave everything as it is", "the machine goes down (PrepareForShutdown)")
		return
	}
	d.note("look again", "the shutdown was called off")
	d.look()
}

func (d *decider) unitsSeen(e UnitsSeen) {
	if e.Err != "" {
		d.ManagerErr = e.Err
		d.lookAt = d.now.Add(retryWait)
		return
	}
	d.ManagerUp, d.ManagerErr, d.Armed = true, "", e.Armed
	d.Units = make(map[string]Unit, len(e.Units))
	for _, u := range e.Units {
		d.Units[u.Name] = u
	}
	d.account()
}

func (d *decider) wake() {
	if !d.retryAt.IsZero() && !d.now.Before(d.retryAt) {
		d.retryAt = time.Time{}
		d.look()
	}
	if !d.lookAt.IsZero() && !d.now.Before(d.lookAt) {
		d.lookAt = time.Time{}
		d.look()
		d.add(LookUnits, "look at the units", "now and then, in case a signal got lost")
	}
}

// schedule sets the one timer.
func (d *decider) schedule() {
	if d.lookAt.IsZero() {
		d.lookAt = d.now.Add(LookEvery)
	}
	d.Next = d.lookAt
	if !d.retryAt.IsZero() && d.retryAt.Before(d.Next) {
		d.Next = d.retryAt
	}
}

func cloneUnits(m map[string]Unit) map[string]Unit {
	c := make(map[string]Unit, len(m)+1)
	for k, v := range m {
		c[k] = v
	}
	return c
}
