package core

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

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
	was := s.Units
	switch e := e.(type) {
	case LogindUp:
		d.logindUp(e)
	case LogindDown:
		if d.LogindUp || d.logindErr != e.Err {
			d.note("wait for logind", e.Err)
		}
		d.LogindUp, d.logindErr = false, e.Err
	case LingerHint:
		d.look()
	case LingerSeen:
		d.lingerSeen(e)
	case LingerSet:
		d.lingerSet(e)
	case StandDownSeen:
		d.standDownSeen(e.StandDown)
	case SessionRemoved:
		d.sessions = maps.Clone(d.sessions)
		delete(d.sessions, e.ID)
		d.glance()
	case UserRemoved:
		// Linger goes without a signal of its own; it may have gone with these.
		d.glance()
	case SessionSeen:
		d.sessionSeen(e.Session)
	case SessionNew, UserNew:
	case PrepareForShutdown:
		d.shutdown(e.Active)
	case PrepareForSleep:
		if !e.Active {
			d.lookAt = d.now // signals may have been missed
		}
	case UnitsSeen:
		d.unitsSeen(e)
	case UnitSeen:
		was := d.Units[e.Unit.Name]
		u := d.seeUnit(e.Unit)
		d.Units = cloneUnits(d.Units)
		d.Units[u.Name] = u
		d.watchUnit(was, u, false)
		d.account()
	case StopAsked:
		d.stopAsked(e)
	case StopUndone:
		d.stopUndone(e)
	case UnitsStarted:
		d.unitsStarted(e)
	case UnitsStopped:
		d.unitsStopped(e)
	case Began:
		d.began(e)
	case Answered:
		d.answered(e)
	case HelperHint:
		d.helperHint()
	case HelpersSeen:
		d.helpersSeen(e)
	case RuntimeRenewed:
		d.runtimeRenewed(e)
	case NetworkMended:
		d.networkMended(e)
	case ManagerSeen:
		d.managerSeen(e)
	case ManagerWoken:
		if e.Err != "" {
			d.noteTopic("manager", "leave the user manager as it is", e.Err)
		}
		d.managerAt = d.now.Add(time.Second)
	case DelayTaken:
		d.delayTaken(e)
	case ManagerDown:
		if d.ManagerUp || d.ManagerErr != e.Err {
			d.note("wait for the user manager", e.Err)
		}
		d.ManagerUp, d.Armed, d.ManagerErr = false, false, e.Err
	case SettingsSeen:
		d.settingsSeen(e)
	case ContainerHint:
		d.containerHint()
	case ContainersSeen:
		d.containersSeen(e)
	case UnitsWritten:
		d.unitsWritten(e)
	case AdoptionHint:
		d.lookAdoption()
	case AdoptionSeen:
		d.adoptionSeen(e)
	case AdoptionUndone:
		d.adoptionUndone(e)
	case DriftSeen:
		d.driftSeen(e)
	case SourcesSeen:
		d.sourcesSeen(e)
	case Probed:
		d.probed(e)
	case Examined:
		d.examined(e)
	case Remedied:
		d.remedied(e)
	case RestartAsked:
		d.restartAsked(e)
	case ResumeAsked:
		d.resumeAsked(e)
	case HeldSeen:
		d.heldSeen(e)
	case ManagerEnds:
		d.managerEnds(e)
	case DrillAsked:
		d.drillAsked(e)
	case CommandsSeen: // for the history alone
	case Wake:
		d.wake()
	}
	d.takeStock()
	d.undoAdoption()
	d.bringBack()
	d.supervise()
	d.setProbes()
	d.judge(e)
	d.writeAt = time.Time{}
	d.propose()
	switch e := e.(type) { // nothing else changes what a comparison rests on
	case UnitsSeen:
		d.driftOf(was)
	case UnitSeen:
		if was == nil || d.drifted(was, e.Unit.Name) {
			d.driftHint()
		}
	}
	d.lookContainers()
	d.lookDrift()
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

// noteOnce makes a decision of a trouble that may go on for days only when it
// begins or changes.
func (d *decider) noteOnce(what, reason string) {
	if d.noted != what+reason {
		d.noted = what + reason
		d.note(what, reason)
	}
}

// over ends a topic: should the same trouble come back, that is another.
func (d *decider) over(topic string) {
	if _, ok := d.topics[topic]; ok {
		d.topics = maps.Clone(d.topics)
		delete(d.topics, topic)
	}
}

// noteTopic is noteOnce with a memory for each topic.
func (d *decider) noteTopic(topic, what, reason string) {
	if d.topics[topic] == reason {
		return
	}
	topics := map[string]string{topic: reason}
	for k, v := range d.topics {
		if k != topic {
			topics[k] = v
		}
	}
	d.topics = topics
	d.note(what, reason)
}

// look asks for linger's state. An answer that is already under way may be
// older than what called for this look, so then another follows it.
func (d *decider) look() {
	switch {
	case !d.LogindUp:
	case d.looking:
		d.lookAgain = true
	default:
		d.looking = true
		d.add(LookLinger, "look at linger", "something may have changed it")
	}
}

// mostSessions bounds what is remembered of the sessions of a machine.
const mostSessions = 200

func (d *decider) sessionSeen(s Session) {
	d.sessions = maps.Clone(d.sessions)
	if d.sessions == nil {
		d.sessions = map[string]Session{}
	}
	if len(d.sessions) >= mostSessions {
		oldest := s
		for _, other := range d.sessions {
			if other.Since.Before(oldest.Since) {
				oldest = other
			}
		}
		delete(d.sessions, oldest.ID)
	}
	d.sessions[s.ID] = s
}

// glance is a look for a weak reason: sessions of other people come and go all
// day. The marks are read only if linger turns out to be off.
func (d *decider) glance() {
	if d.LogindUp && !d.looking {
		d.looking = true
		d.actions = append(d.actions, Action{Kind: LookLinger, What: "glance at linger", Reason: "a session or a user was removed", Glance: true})
	}
}

// logindUp looks first. Linger is then set even where it is on: that is how
// logind learns again that the user is to stay, and proof that polkit allows it.
func (d *decider) logindUp(e LogindUp) {
	d.LogindUp = true
	d.Linger = LingerUnknown
	d.logins++
	d.setAfter = time.Time{} // it was another that failed
	d.owed = "logind is to know that the account lingers, and whether polkit allows it"
	// A shutdown that another logind announced went with it, or it still holds.
	if e.Restarted && d.ShuttingDown == e.ShuttingDown {
		d.note("look again", "logind restarted")
	}
	calledOff := d.ShuttingDown
	d.shutdown(e.ShuttingDown)
	if !d.ShuttingDown && !calledOff {
		// The one before went with the logind that held it.
		d.add(TakeDelay, "delay shutdowns", "so that their announcement is heard in time")
	}
	d.look()
}

func (d *decider) lingerSeen(e LingerSeen) {
	d.looking = false
	d.LookErr = e.Err
	if e.Err != "" {
		d.retryAt = d.now.Add(retryWait)
		d.lookOnce()
		return
	}
	was := d.Linger
	d.Root = e.Root
	d.lingerIs(e.On)
	switch {
	case e.Unknown:
		d.set("logind does not know the user, whose manager runs")
	case e.On && e.Closing:
		d.set("logind believes the user to be on the way out, and root's armor kept it up")
	case e.On && d.owed != "":
		d.set(d.owed)
	case e.On:
		d.noted = ""
	case was == LingerUnknown:
		d.set("linger was off")
	case was == LingerOn:
		d.set("somebody took linger away")
	default:
		d.set("linger is still off")
	}
	d.lookOnce()
}

// lookOnce makes up for a look that had to wait. A set is waited for: what is
// seen beside it would call for another look, and so on.
func (d *decider) lookOnce() {
	if d.lookAgain && !d.looking && !d.setting {
		d.lookAgain = false
		d.look()
	}
}

func (d *decider) lingerIs(on bool) {
	to := LingerOff
	if on {
		to = LingerOn
	}
	if d.Linger != to {
		d.Linger, d.LingerSince = to, d.now
	}
}

// set sets linger unless something forbids it.
func (d *decider) set(reason string) {
	switch {
	case d.setting:
		// Its success would say nothing of what was seen meanwhile.
		d.lookAgain = true
		return
	case !d.standSeen || !d.LogindUp:
		return
	case d.StandDown.InForce():
		if d.Linger == LingerOff {
			d.noteOnce("leave linger off", "it is off, but keeper stands down: "+d.StandDown.Detail)
		}
		return
	case d.StandDown.Unasked != "":
		d.noteOnce("leave linger as it is", "whether the account is locked or has expired cannot be asked: "+d.StandDown.Unasked)
		d.retryAt = d.now.Add(retryWait)
		return
	case d.ShuttingDown:
		d.noteOnce("leave linger as it is", "the machine goes down")
		return
	case d.now.Before(d.setAfter):
		d.retryAt = d.setAfter
		return
	}
	d.sets = slices.DeleteFunc(slices.Clone(d.sets), func(t time.Time) bool { return d.now.Sub(t) >= setWindow })
	if len(d.sets) >= setBudget {
		d.retryAt = d.sets[0].Add(setWindow)
		d.noteOnce("wait before setting linger again",
			fmt.Sprintf("it was set %d times within a minute; something takes it away again and again", len(d.sets)))
		return
	}
	d.sets = append(d.sets, d.now)
	d.setting, d.told = true, d.logins
	d.retryAt = time.Time{}
	if d.fails > 0 {
		// A retry is no new decision.
		d.actions = append(d.actions, Action{Kind: SetLinger, What: "set linger", Reason: reason, Retry: true})
		return
	}
	d.add(SetLinger, "set linger", reason)
}

func (d *decider) lingerSet(e LingerSet) {
	d.setting = false
	d.SetErr, d.Denied = e.Err, e.Denied
	if e.Err == "" {
		if d.fails > 0 {
			d.noted = "" // should it fail again, that is another trouble
		}
		d.fails, d.setAfter = 0, time.Time{}
		d.lingerIs(true)
		if d.told == d.logins {
			d.owed = ""
		}
	} else {
		d.fails++
		d.setAfter = d.now.Add(min(retryWait<<min(d.fails-1, 5), LookEvery))
		d.retryAt = d.setAfter
		if d.owed == "" {
			d.owed = "it could not be set before"
		}
		d.noteOnce("try to set linger again later", e.Err)
	}
	d.lookOnce()
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
		d.setAfter = time.Time{} // somebody is there, and waits
		d.note("stand up", "nothing forbids keeper to act any more: the cause was "+string(was.Cause))
		d.see()
		d.containerHint()
		d.driftHint()
	case first:
		d.see()
	}
}

// see has linger judged anew. A look that is under way will do: linger itself
// is not thought to have changed.
func (d *decider) see() {
	if !d.looking {
		d.look()
	}
}

func (d *decider) unitsSeen(e UnitsSeen) {
	if e.Err != "" {
		d.ManagerErr = e.Err
		d.lookAt = d.now.Add(retryWait)
		return
	}
	if !d.ManagerUp {
		d.driftHint()
	}
	d.ManagerUp, d.ManagerErr, d.Armed = true, "", e.Armed
	d.starting, d.Lost = e.Starting, e.Lost
	for topic := range d.topics {
		there := func(f LostFile) bool { return topic == lostTopic(f) }
		if strings.HasPrefix(topic, lostTopic(LostFile{})) && !slices.ContainsFunc(e.Lost, there) {
			d.over(topic)
		}
	}
	for _, f := range e.Lost {
		d.noteTopic(lostTopic(f), "leave "+f.Source+" to a person", "it was deleted or emptied; a copy is at "+f.Copy)
	}
	if e.First {
		d.goesOn(e.Units)
	}
	units := make(map[string]Unit, len(e.Units))
	for _, u := range e.Units {
		units[u.Name] = d.seeUnit(u)
	}
	for name, u := range units {
		// One that came later in the list may have brought it back.
		_, u.Stopped = d.stops[name]
		u.StoppedWith = d.with[name]
		units[name] = u
	}
	was := d.Units
	d.Units = units
	d.Sections, d.SectionErrs = d.sections(e), e.SectionErrs
	d.rewatch(was)
	d.missWritten()
	d.account()
}

func lostTopic(f LostFile) string { return "lost " + f.Source }

func (d *decider) wake() {
	if !d.retryAt.IsZero() && !d.now.Before(d.retryAt) {
		d.retryAt = time.Time{}
		d.look()
	}
	if !d.lookAt.IsZero() && !d.now.Before(d.lookAt) {
		d.lookAt = time.Time{}
		d.look()
		d.add(LookUnits, "look at the units", "now and then, in case a signal got lost")
		d.helperHint()
		if d.Settings.Adopt != "" {
			d.lookAdoption()
		}
		if d.looks() {
			d.containersAt = d.now
			d.lookSources()
		}
		if d.DelayErr != "" && d.LogindUp && !d.ShuttingDown {
			d.add(TakeDelay, "delay shutdowns", "it could not be had before")
		}
	}
	if !d.helpersAt.IsZero() && !d.now.Before(d.helpersAt) {
		d.helpersAt = time.Time{}
		d.add(LookHelpers, "look at Podman's network helpers", "one of them may have died")
	}
	if !d.now.Before(d.managerAt) {
		d.managerAt = d.now.Add(managerEvery)
		d.add(LookManager, "look at the user manager", "nothing tells of its being stopped by a signal")
	}
	if !d.askAt.IsZero() && !d.now.Before(d.askAt) {
		d.askAt = time.Time{}
		d.account()
	}
	if !d.adoptionAt.IsZero() && !d.now.Before(d.adoptionAt) {
		d.adoptionAt = time.Time{}
		d.lookAdoption()
	}
}

// schedule sets the one timer.
func (d *decider) schedule() {
	if d.lookAt.IsZero() {
		d.lookAt = d.now.Add(LookEvery)
	}
	if d.managerAt.IsZero() {
		d.managerAt = d.now.Add(managerEvery)
	}
	// The end of a pause is on the wall's clock alone, which may be set; the rest
	// is on the monotonic one as well. Each is compared with now, and none with
	// another.
	wait := LookEvery
	for _, t := range []time.Time{d.lookAt, d.retryAt, d.startAt, d.helpersAt, d.managerAt, d.askAt,
		d.containersAt, d.writeAt, d.adoptionAt, d.driftAt, d.superviseAt, d.judgeAt, d.nextHold()} {
		if !t.IsZero() {
			wait = min(wait, t.Sub(d.now))
		}
	}
	d.Next = d.now.Add(max(0, wait))
}

func cloneUnits(m map[string]Unit) map[string]Unit {
	if m == nil {
		return map[string]Unit{}
	}
	return maps.Clone(m)
}
