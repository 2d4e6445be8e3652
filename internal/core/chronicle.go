package core

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Chronicle is what the history is to say of one event: what it was, what of the state
// it changed, and what keeper decided.
func Chronicle(was, is State, e Event, decided []Decision, at time.Time) []Entry {
	c := chronicle{was: was, is: is, at: at}
	c.event(e)
	for _, d := range decided {
		c.add(Entry{Kind: EntryDecision, What: d.What, Why: d.Reason, Action: d.Kind, Units: d.Units, Unit: only(d.Units)})
	}
	_, began := e.(Began)
	c.incidents(began)
	if is.Incidents.Drill != was.Incidents.Drill && is.Incidents.Drill != nil {
		d := *is.Incidents.Drill
		if !began {
			what := "the drill " + d.Name + " begins"
			if !d.Ended.IsZero() {
				what = fmt.Sprintf("the drill %s ends: %s", d.Name, d.Outcome)
			}
			c.add(Entry{Kind: EntryDrill, Unit: d.Service, What: what, Why: d.Why, Drill: &d})
		}
	}
	return c.entries
}

type chronicle struct {
	was, is State
	at      time.Time
	entries []Entry
}

func (c *chronicle) add(e Entry) {
	if e.At.IsZero() {
		e.At = c.at
	}
	c.entries = append(c.entries, e)
}

func only(units []string) string {
	if len(units) == 1 {
		return units[0]
	}
	return ""
}

func (c *chronicle) event(e Event) {
	blow := func(what, why string) { c.add(Entry{Kind: EntrySignal, What: what, Why: why, Blow: true}) }
	switch e := e.(type) {
	case Began:
		what := "keeper began"
		switch e.Kind {
		case LifeRevived, LifeBooted:
			what += " in a new life: " + e.Cause
		case LifeSame:
			what += " again, in the same life of the user manager"
		case LifeUnknown:
		}
		c.add(Entry{Kind: EntryKeeper, What: what})
	case ManagerEnds:
		blow("the user manager stops, and keeper with it", e.Cause)
	case SessionSeen:
		s := e.Session
		// Those that were there before the daemon are no news.
		if _, known := c.was.sessions[s.ID]; !known && c.at.Sub(s.Since).Abs() < time.Minute {
			c.add(Entry{At: s.Since, Kind: EntrySession, What: "session " + s.ID + " of " + s.User + " was opened", Why: how(s), Session: &s})
		}
	case SessionRemoved:
		if s, known := c.was.sessions[e.ID]; known {
			c.add(Entry{Kind: EntrySession, What: "session " + s.ID + " of " + s.User + " was removed", Why: how(s), Session: &s})
		}
	case PrepareForShutdown:
		if e.Active {
			blow("the machine goes down", "logind announced it")
		} else if c.was.ShuttingDown {
			c.add(Entry{Kind: EntrySignal, What: "the shutdown was called off"})
		}
	case PrepareForSleep:
		if e.Active {
			c.add(Entry{Kind: EntrySignal, What: "the machine falls asleep"})
		} else {
			c.add(Entry{Kind: EntrySignal, What: "the machine woke up"})
		}
	case LogindDown:
		if c.was.LogindUp {
			blow("logind went away", e.Err)
		}
	case LogindUp:
		if !c.was.LogindUp {
			c.add(Entry{Kind: EntrySignal, What: "logind is there"})
		}
	case LingerSeen:
		if c.was.Linger == LingerOn && e.Err == "" && !e.On {
			blow("linger was taken away", "")
		}
	case ManagerDown:
		if c.was.ManagerUp {
			blow("the user manager does not answer any more", e.Err)
		}
	case ManagerSeen:
		if e.Stopped && !c.was.managerFroze {
			blow("the user manager was stopped by a signal", "")
		}
	case HelpersSeen:
		if dead := strings.Join(e.Dead, ", "); dead != "" && dead != c.was.deadHelpers {
			blow("a network helper of Podman's died: "+dead, "")
		}
		if e.Orphaned && !c.was.orphan {
			blow("Podman's runtime state was removed under running containers", "")
		}
	case StopAsked:
		c.add(Entry{Kind: EntryUnit, Unit: e.Name, What: "somebody asked for " + short(e.Name) + " to be stopped", Blow: true})
	case UnitsSeen, UnitSeen:
		c.units()
	case Probed, Examined:
		c.probes()
	case CommandsSeen:
		for _, k := range e.Commands {
			c.add(Entry{At: k.At, Kind: EntryCommand, What: k.Text, Why: cmp.Or(k.User, "somebody") + " by " + k.Source, Command: &k})
		}
		if e.Err != "" {
			c.add(Entry{Kind: EntryCommand, What: "who typed what cannot be told from the journal", Why: e.Err})
		}
	}
}

// how says how a session was opened.
func how(s Session) string {
	var parts []string
	if s.Service != "" {
		parts = append(parts, "by "+s.Service)
	}
	if s.Remote != "" {
		parts = append(parts, "from "+s.Remote)
	}
	if s.TTY != "" {
		parts = append(parts, "on "+s.TTY)
	}
	if s.Leader != 0 {
		parts = append(parts, fmt.Sprintf("process %d %s", s.Leader, s.Comm))
	}
	return strings.TrimSpace(strings.Join(parts, ", "))
}

// units says which units are otherwise than they were.
func (c *chronicle) units() {
	if c.was.Units == nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(c.is.Units)) {
		u, before := c.is.Units[name], c.was.Units[name]
		if u.Active == before.Active && (u.Sub == before.Sub || !u.Runs()) && u.Invocation == before.Invocation {
			continue
		}
		what := fmt.Sprintf("%s is %s", short(name), u.Active)
		if u.Sub != "" && u.Sub != u.Active {
			what += " (" + u.Sub + ")"
		}
		e := Entry{Kind: EntryUnit, Unit: name, What: what, Why: u.ended()}
		if u.Runs() {
			e.Pulse = c.pulse(name)
		}
		c.add(e)
	}
	for _, name := range slices.Sorted(maps.Keys(c.was.Units)) {
		if _, there := c.is.Units[name]; !there {
			c.add(Entry{Kind: EntryUnit, Unit: name, What: short(name) + " has no unit any more"})
		}
	}
}

// ended is how a unit ended that did not end well.
func (u Unit) ended() string {
	if u.Active == "active" || u.Result == "" || u.Result == "success" {
		return ""
	}
	return u.Result
}

// probes says which services were found otherwise than before.
func (c *chronicle) probes() {
	for _, name := range slices.Sorted(maps.Keys(c.is.watches)) {
		w, before := c.is.watches[name], c.was.watches[name]
		switch {
		case w == before:
		case before != nil && before.outcome.Condition == w.outcome.Condition:
		case w.outcome.Condition == "":
		default:
			c.add(Entry{Kind: EntryProbe, Unit: name, Pulse: c.pulse(name), What: short(name) + " is " + string(w.outcome.Condition), Why: w.outcome.Detail})
		}
	}
}

func (c *chronicle) pulse(name string) Pulse {
	w := c.is.watches[name]
	switch {
	case c.is.Units[name].Active != "active":
		return PulseDown
	case w != nil && w.outcome.Condition.Known() && !w.outcome.Condition.Ready():
		return PulseIll
	}
	return PulseUp
}

// incidents says which incidents are otherwise than they were. Those that a daemon takes
// over from the one before are no news.
func (c *chronicle) incidents(takenOver bool) {
	was := map[string]Incident{}
	for _, list := range [][]Incident{c.was.Incidents.Open, c.was.Incidents.Closed} {
		for _, i := range list {
			was[i.ID] = i
		}
	}
	if sameList(c.was.Incidents.Open, c.is.Incidents.Open) && sameList(c.was.Incidents.Closed, c.is.Incidents.Closed) {
		return
	}
	for _, list := range [][]Incident{c.is.Incidents.Closed, c.is.Incidents.Open} {
		for _, i := range list {
			before, known := was[i.ID]
			if known && (before.Closed.Equal(i.Closed) && !i.Open() || reflect.DeepEqual(before, i)) {
				continue
			}
			if takenOver && !known && i.Opened.Before(c.at) {
				continue
			}
			e := Entry{Kind: EntryIncident, Incident: &i, Unit: i.Root, Why: i.Cause}
			switch {
			case !i.Open():
				e.What = fmt.Sprintf("incident %s is over: all was well for %s", i.ID, Span(i.Hold))
			case !known:
				e.What = "incident " + i.ID + " is open"
			case !i.Wrong() && before.Wrong():
				e.What = fmt.Sprintf("incident %s is mended after %s", i.ID, told(i.Outage(c.at)))
			default:
				e.What = "incident " + i.ID + " goes on"
			}
			c.add(e)
		}
	}
}

// sameList says that a list was not stored anew.
func sameList(a, b []Incident) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}
