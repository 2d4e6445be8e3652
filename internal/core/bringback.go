package core

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// debt is a service that keeper owes a start: it ought to run, and systemd has
// given up on it.
type debt struct {
	reason string
	cause  string // the service that it went down with
	tries  int
	next   time.Time
	// paid: it was there again. The debt is kept for a while, because what fails
	// again at once is tried later and not anew.
	paid   bool
	paidAt time.Time
	// told: it was said that it is started, since it is owed.
	told bool
}

// forgotten says that a debt was paid, and long enough ago.
func (o debt) forgotten(now time.Time) bool { return o.paid && !now.Before(o.next.Add(LookEvery)) }

// startWaits are the waits before each further start of the same service; the
// last one holds for all that follow.
var startWaits = []time.Duration{
	0, 2 * time.Second, 5 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, time.Minute, time.Minute, 2 * time.Minute, 5 * time.Minute,
}

const (
	// startBudget is after how many starts that did not help keeper gives up on a
	// service that is down, and startSeldom how often it is tried all the same:
	// what is down can take no harm, and the disk may have room again at night.
	startBudget = 12
	startSeldom = time.Hour
)

// seeUnit notes what became of a service since it was seen last.
func (d *decider) seeUnit(u Unit) Unit {
	was, known := d.Units[u.Name]
	if life, ok := d.stops[u.Name]; ok && u.Invocation != life && (u.Active == "active" || u.Active == "activating") {
		// It was started since. The same life seen active is an old look, or the stop
		// is queued: stopUndone and goesOn say when it is not.
		d.unstop(u.Name)
	}
	_, u.Stopped = d.stops[u.Name]
	if o, ok := d.own[u.Name]; ok && u.Active == "active" && (u.Invocation != o.life || !u.Job && d.overslept(o)) {
		d.own = maps.Clone(d.own)
		delete(d.own, u.Name)
	}
	switch {
	case u.Stopped || !u.Runs():
	case u.Active == "failed":
		// systemd restarts what dies; failed is where it gave up. Where keeper was
		// away, only what systemd tried to restart is known to have died.
		gaveUp := known && was.Sub != "failed" || !known && u.Restarts > 0 && slices.Contains(d.Began.Ran, u.Name)
		if gaveUp && u.Sub == "failed" {
			d.owe(u, "systemd gave up on it: "+orNone(u.Result), "")
		}
	case u.Active == "inactive":
		if need := d.down(u.Needs); known && was.Active != "inactive" && was.Active != "failed" && need != "" {
			d.owe(u, "it went down with "+strings.TrimSuffix(need, ".service"), need)
		}
	}
	switch {
	case u.Stopped:
		d.cancel(u.Name)
	case u.Active == "active" && !u.Job && !d.stopsItself(u): // its stop may be queued
		d.settle(u.Name)
	}
	if _, stopped := d.stops[u.Name]; !stopped && u.Active == "active" {
		d.isBack(u.Name)
	}
	u.StoppedWith = d.with[u.Name]
	if u.Stopped && u.Active == "inactive" && was.Active != "inactive" {
		d.add(LookUnits, "look at the units", "one was stopped, and its file may go next")
	}
	return u
}

// down returns one of the services that has died: one that ended cleanly was
// stopped, and that was somebody's word.
func (d *decider) down(services []string) string {
	for _, name := range services {
		n, ok := d.Units[name]
		died := n.Active == "failed" || strings.HasPrefix(n.Sub, "auto-restart") ||
			n.Active != "active" && n.Result != "" && n.Result != "success"
		if ok && n.Runs() && !n.Stopped && died {
			return name
		}
	}
	return ""
}

// ownStop is a life that keeper is to end itself, and since when.
type ownStop struct {
	life string
	at   time.Time
	// restart: by a restart, of this unit or of one that it is restarted along with.
	// For that systemd makes no stop jobs. One that is heard of is a person's, and
	// takes the place of the restart.
	restart bool
}

// ownSure is how long after keeper had something stopped its job must be there:
// if it is not, it was called off.
const ownSure = time.Minute

func (d *decider) overslept(o ownStop) bool {
	return d.now.Sub(o.at) >= ownSure && !d.renewing && !d.stopping
}

// stopSelf notes the lives that keeper is about to end itself.
func (d *decider) stopSelf(names []string) {
	d.own = maps.Clone(d.own)
	if d.own == nil {
		d.own = map[string]ownStop{}
	}
	for _, name := range names {
		d.own[name] = ownStop{life: d.Units[name].Invocation, at: d.now}
	}
}

// stopsItself says whether keeper is to end this life of the unit. Its job may
// be heard of long after.
func (d *decider) stopsItself(u Unit) bool {
	o, ok := d.own[u.Name]
	return ok && o.life == u.Invocation
}

func orNone(result string) string {
	if result == "" {
		return "no reason is known"
	}
	return result
}

// stopAsked takes a stop job as somebody's word. What keeper stops itself, in a
// shutdown or to renew the runtime state, is none.
func (d *decider) stopAsked(e StopAsked) {
	u, ok := d.Units[e.Name]
	if !ok || d.ShuttingDown || d.stopsItself(u) && !d.own[e.Name].restart {
		return
	}
	if e.Isolated {
		// Nobody meant this service.
		if !u.Stopped {
			d.owe(u, "systemctl isolate stopped all that another target does not want", "")
		}
		return
	}
	if need := d.down(u.BoundTo); need != "" {
		// systemd stops what is bound to a unit when that dies.
		d.owe(u, "it was stopped with "+strings.TrimSuffix(need, ".service"), need)
		return
	}
	d.stops = maps.Clone(d.stops)
	if d.stops == nil {
		d.stops = map[string]string{}
	}
	d.stops[e.Name] = u.Invocation
	d.stoppedAlong(u, e.Job)
	u.Stopped, u.StoppedWith = true, d.with[e.Name]
	d.Units = cloneUnits(d.Units)
	d.Units[e.Name] = u
	d.cancel(e.Name)
	// What went down with it did not die after all.
	for name, o := range d.debts {
		if o.cause == e.Name {
			d.cancel(name)
		}
	}
	d.account()
}

// stopUndone takes a stop back that ended nothing: somebody wants it to run on.
func (d *decider) stopUndone(e StopUndone) {
	if life, ok := d.stops[e.Name]; !ok || life != e.Invocation {
		return
	}
	d.unstop(e.Name)
	if u, ok := d.Units[e.Name]; ok {
		u.Stopped, u.StoppedWith = false, ""
		d.Units = cloneUnits(d.Units)
		d.Units[e.Name] = u
		d.account()
	}
}

// goesOn takes back every stop of a unit that runs on in the life that it was to
// end, with no job: whoever called it off was not heard.
func (d *decider) goesOn(units []Unit) {
	for _, u := range units {
		if u.Active == "active" && !u.Job {
			d.stopUndone(StopUndone{Name: u.Name, Invocation: u.Invocation})
		}
	}
}

// notStopped is for lives that keeper was to end itself, and failed to.
func (d *decider) notStopped(units []string) {
	d.own = maps.Clone(d.own)
	for _, name := range units {
		u := d.Units[name]
		switch {
		case !d.stopsItself(u):
		case u.Active == "active" && !u.Job:
			delete(d.own, name)
			d.settle(name)
		case d.own[name].restart && !u.Job:
			delete(d.own, name) // it goes down by somebody else's hand
		}
	}
}

// owe notes that the unit is to be started; cause is the unit that it went down
// with, if any.
func (d *decider) owe(u Unit, reason, cause string) {
	if u.Runs() {
		d.oweFor(u.Name, reason, cause)
	}
}

func (d *decider) oweFor(name, reason, cause string) {
	o, ok := d.debts[name]
	switch {
	case ok && !o.paid:
		return
	case o.forgotten(d.now):
		o = debt{}
	}
	if o.paid && d.now.Sub(o.paidAt) >= wellHold {
		o.told = false // it was there for so long that this is another story
	}
	o.reason, o.cause, o.paid = reason, cause, false
	d.debts = maps.Clone(d.debts)
	if d.debts == nil {
		d.debts = map[string]debt{}
	}
	d.debts[name] = o
}

// settle: it is there again.
func (d *decider) settle(name string) {
	d.over("gave up " + name)
	if o, ok := d.debts[name]; ok && !o.paid {
		o.paid, o.paidAt = true, d.now
		if soon := d.now.Add(startWaits[len(startWaits)-1]); o.next.After(soon) {
			o.next = soon // it is not given up on any more
		}
		d.debts = maps.Clone(d.debts)
		d.debts[name] = o
	}
}

// cancel: somebody has said that it is not to run.
func (d *decider) cancel(name string) {
	if _, ok := d.debts[name]; ok {
		d.debts = maps.Clone(d.debts)
		delete(d.debts, name)
	}
}

// takeStock sees, once the user manager has finished its own start-up, what of
// the last life did not come back with it.
func (d *decider) takeStock() {
	if !d.recovering || !d.ManagerUp || d.starting || !d.begun {
		return
	}
	d.recovering = false
	for _, u := range d.Units {
		ran := slices.ContainsFunc(d.pending, func(p Down) bool { return p.Name == u.Name })
		// What ran in this life and is inactive now, somebody stopped.
		down := u.Active == "inactive" && u.Entered == 0 || u.Active == "failed"
		if down && !u.Job && !u.Stopped && (u.Wanted || ran) {
			d.owe(u, "it did not come back with the user manager", "")
		}
	}
}

// bringBack starts what is owed and due: all of it at once, for systemd knows
// the order.
func (d *decider) bringBack() {
	d.startAt = time.Time{}
	if len(d.debts) == 0 || d.startBusy || d.renewing || !d.mayAct() || d.starting || d.adoptBusy() {
		return
	}
	if d.looks() && !d.seenContainers {
		return // what runs without its unit is not to be replaced
	}
	outside := Outside(d.Units, d.Unkept)
	var due []string
	var reasons []string
	retry := true
	debts := maps.Clone(d.debts)
	for name, o := range debts {
		u, there := d.Units[name]
		_, stopped := d.stops[name]
		switch {
		case !there || !u.Runs() || stopped || o.forgotten(d.now) || outside[name] != "":
			delete(debts, name)
			continue
		case o.paid:
			continue
		case d.isHeld(name) && !d.stoppedItself(name):
			continue
		case u.Active != "inactive" && u.Active != "failed" || u.Job:
			continue // it is on its way, and settled when it is there
		case d.now.Before(o.next):
			d.startAt = earlier(d.startAt, o.next)
			continue
		case d.stoppedAmong(u.Needs) != "" || outsideAmong(outside, u.Needs) != "" || d.heldAmong(u.Needs, d.now) != "":
			continue // it would be started as well
		}
		retry = retry && o.told
		o.told = true
		o.tries++
		o.next = d.now.Add(startWaits[min(o.tries, len(startWaits)-1)])
		if o.tries >= startBudget {
			o.next = d.now.Add(startSeldom)
			d.noteTopic("gave up "+name, "give up on "+short(name), fmt.Sprintf(
				"%d starts did not bring it back (%s); it is tried once an hour from now on, and keeper restart %s starts afresh", startBudget, o.reason, short(name)))
		}
		debts[name] = o
		due = append(due, name)
		reasons = append(reasons, strings.TrimSuffix(name, ".service")+": "+o.reason)
	}
	d.debts = debts
	if len(due) == 0 {
		return
	}
	slices.Sort(due)
	slices.Sort(reasons)
	if len(due) == 1 {
		reasons[0] = debts[due[0]].reason // the action names it
	}
	d.startBusy = true
	d.actions = append(d.actions, Action{Kind: StartUnits, Units: due, Retry: retry,
		What: "start " + names(due), Reason: strings.Join(reasons, "; ")})
}

// stoppedAmong returns one of the services that somebody stopped.
func (s State) stoppedAmong(services []string) string {
	for _, name := range services {
		if _, ok := s.stops[name]; ok {
			return name
		}
	}
	return ""
}

// stoppedItself says that keeper owes the service what it took: it is down because
// keeper stopped it.
func (s State) stoppedItself(name string) bool {
	_, ok := s.own[name]
	return ok
}

// heldAmong returns one of the services that is down, and that keeper is to leave
// so.
func (s State) heldAmong(services []string, now time.Time) string {
	for _, name := range services {
		if _, held := s.held(name, now); held && s.Units[name].down() && !s.stoppedItself(name) {
			return name
		}
	}
	return ""
}

func names(units []string) string {
	short := make([]string, len(units))
	for i, u := range units {
		short[i] = strings.TrimSuffix(u, ".service")
	}
	return strings.Join(short, ", ")
}

// mayAct says whether anything but a person's word may change the stack.
func (d *decider) mayAct() bool {
	return d.ManagerUp && d.standSeen && !d.StandDown.InForce() && !d.ShuttingDown
}

func (d *decider) unitsStarted(e UnitsStarted) {
	d.startBusy = false
	if e.Err == "" {
		d.over("start")
		return
	}
	d.noteTopic("start", "try to start "+names(e.Units)+" again later", e.Err)
}

// Owed returns the services that keeper is bringing back, and why.
func (s State) Owed() map[string]string {
	m := make(map[string]string, len(s.debts))
	for name, o := range s.debts {
		if !o.paid {
			m[name] = o.reason
		}
	}
	return m
}

// OwedNow is Owed for a person: it says as well what a start waits for.
func (s State) OwedNow() map[string]string {
	m := s.Owed()
	outside := Outside(s.Units, s.Unkept)
	for name := range m {
		if need := s.stoppedAmong(s.Units[name].Needs); need != "" {
			m[name] += "; it waits, for it would start " + strings.TrimSuffix(need, ".service") + " as well, which somebody stopped"
		} else if need := outsideAmong(outside, s.Units[name].Needs); need != "" {
			m[name] += "; it waits, for it would start " + strings.TrimSuffix(need, ".service") + " as well, whose container runs without it"
		} else if s.adoptBusy() {
			m[name] += "; it waits for the adoption of containers that is under way"
		}
	}
	return m
}

// earlier returns the earlier of two times, a zero time being none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
