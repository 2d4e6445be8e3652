package core

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	incidentHold = time.Minute
	remindFirst  = 4 * time.Hour
	// tellAfter is how long an incident of services gathers what belongs to it before
	// a person is told of it.
	tellAfter = 10 * time.Second
	// causeWindow is how long after its begin an incident may still turn out to be the
	// work of something that it depends on.
	causeWindow = 2 * time.Minute
	// recentFor is how long a person remembers that the same was wrong before.
	recentFor = 24 * time.Hour
	// looksBack is how long before an incident its cause is looked for, looksAgain how
	// long after a look what is not urgent waits for the next.
	looksBack  = 2 * time.Minute
	looksAgain = 10 * time.Minute

	mostIncidents = 20 // that are open
	mostClosed    = 20 // that are kept for their alerts
	mostRecent    = 100
	mostUsed      = 100
	// lastsLong is for what lasts longer than it used to.
	lastsLong  = 10 * time.Minute
	remindMost = 365 * 24 * time.Hour
	// roomAfter is how long one must be mended to make room for another.
	roomAfter = time.Hour
)

// holdSteps is by how much longer all must be well, the more often an incident was
// closed too early: who is told a hundred times a day does not listen any more.
var holdSteps = []time.Duration{1, 1, 15, 120, 1440}

func (s State) hold(returns int) time.Duration {
	base := s.Settings.Alerts.Hold
	if base <= 0 {
		base = incidentHold
	}
	return min(base, recentFor) * holdSteps[min(returns, len(holdSteps)-1)]
}

// setIncident stores an incident in place of the one with its ID.
func (d *decider) setIncident(i Incident) {
	d.Incidents.Open = slices.Clone(d.Incidents.Open)
	for n := range d.Incidents.Open {
		if d.Incidents.Open[n].ID == i.ID {
			d.Incidents.Open[n] = i
			return
		}
	}
	d.Incidents.Open = append(d.Incidents.Open, i)
}

// lasts follows a trouble that an incident has already, and says whether one does.
func (d *decider) lasts(t trouble) bool {
	found := false
	for _, i := range d.Incidents.Open {
		n := slices.IndexFunc(i.Symptoms, func(s Symptom) bool { return s.Key == t.key && s.To.IsZero() })
		if n < 0 {
			continue
		}
		found = true
		changed := false
		if t.cause != "" && i.Symptoms[n].Cause == "" && t.cause != i.Symptoms[n].Key {
			i.Symptoms = slices.Clone(i.Symptoms)
			i.Symptoms[n].Cause = t.cause
			changed = true
		}
		if t.unit != "" && pulseOf(i.Services, t.unit) != t.pulse {
			i.Services = pulsed(i.Services, t.unit, t.pulse, d.now)
			changed = true
		}
		if word, _, _ := strings.Cut(t.what, ":"); !t.clings && !strings.HasPrefix(i.Symptoms[n].What, word) {
			i.Symptoms = slices.Clone(i.Symptoms)
			i.Symptoms[n].What = t.what // what there is to say of it now
			if i.Root == t.key && word == givenUp {
				i.Cause = t.sentence() // now it is up to a person
			}
			changed = true
		}
		if changed {
			d.setIncident(i)
		}
	}
	return found
}

// enter has a trouble join the incident that it belongs to, or opens one.
func (d *decider) enter(t trouble) {
	open := slices.Clone(d.Incidents.Open)
	fit := func(i Incident) int { // that of its cause before its own, and its own before all others
		return 2*rank(explains(i, t.cause)) + rank(i.Root == t.key)
	}
	slices.SortStableFunc(open, func(a, b Incident) int { return fit(b) - fit(a) })
	for _, i := range open {
		if d.belongs(t, i) {
			d.join(t, i)
			return
		}
	}
	root := t.key
	if u, ok := d.Units[t.cause]; ok && !u.Stopped {
		root = t.cause
	}
	i := Incident{Kind: t.kind, Root: root, Urgency: UrgencyCritical, Cause: t.sentence(), Began: t.since}
	if t.kind == IncidentProtection {
		i.Urgency = UrgencyWarning
	}
	i, _ = suffers(i, t)
	d.open(i)
}

// join adds a trouble to an incident.
func (d *decider) join(t trouble, i Incident) {
	headed := slices.ContainsFunc(i.Symptoms, func(s Symptom) bool { return s.Key == i.Root })
	switch {
	case i.Kind != IncidentService:
	case i.Root == t.key && !headed, i.Root != t.key && slices.Contains(d.depsOf(i.Root), t.key):
		i.Root, i.Cause = t.key, t.sentence()
	}
	i.Mended = time.Time{}
	i, room := suffers(i, t)
	if !room {
		b := d.brewing[t.key]
		b.left = true
		d.brewing[t.key] = b // a copy of this run
	}
	d.setIncident(i)
}

// sentence is what is wrong, for a person.
func (t trouble) sentence() string {
	if t.unit == "" {
		return t.what
	}
	return short(t.key) + " is " + t.what
}

func rank(first bool) int {
	if first {
		return 1
	}
	return 0
}

// explains says that the incident is about that unit, and that it is not well still.
func explains(i Incident, cause string) bool {
	return cause != "" && (lastsIn(i, cause) || i.Root == cause && i.Wrong())
}

// belongs says whether a trouble is part of an incident: of its root, of what ails from
// what the incident is about, of what was part of it just before; and of any, as long
// as nobody was told, for one blow hits many. Anything else is another, or nobody would
// be told of it.
func (d *decider) belongs(t trouble, i Incident) bool {
	untold := len(i.Told) == 0
	if i.Kind == IncidentProtection || t.kind == IncidentProtection {
		lost := strings.HasPrefix(i.Root, rootLost) && strings.HasPrefix(t.key, rootLost)
		return i.Root == t.key || lost && untold
	}
	// Of a service that flaps nobody is told each time, nor of those that flap with it.
	// After the death of all of them each is on its own again.
	again := d.hold(0)
	if i.Kind == IncidentService {
		again = i.Hold
	}
	ended := lastEnd(i, t.key)
	switch {
	case explains(i, t.cause), !ended.IsZero() && d.now.Sub(ended) < again:
		return true
	case i.Kind != IncidentService:
		return false
	}
	return untold || i.Root == t.key || i.Root == t.cause || t.since.Sub(i.Began).Abs() < causeWindow && slices.Contains(d.depsOf(i.Root), t.key)
}

// open opens an incident. If too many are, one that is mended for long makes room, or it
// becomes part of one.
func (d *decider) open(i Incident) {
	if len(d.Incidents.Open) >= mostIncidents && !d.makeRoom() && d.takenIn(i) {
		return
	}
	i.ID, i.Opened = d.newID(i.Began), later(d.now, i.Began)
	if r, ok := d.Incidents.Recent[i.Root]; ok && d.now.Sub(r.Last).Abs() < recentFor {
		i.Returns = r.Returns + 1
	}
	i.Hold = d.hold(i.Returns)
	if drill := d.Incidents.Drill; drill != nil && !i.Began.Before(drill.Began.Add(-time.Second)) && (drill.Ended.IsZero() || !i.Began.After(drill.Ended)) {
		i.Drill = drill.Name
	}
	d.setIncident(i)
	d.lookCommands(i.Began.Add(-looksBack), true)
	d.tellDue(i, false)
}

// makeRoom closes the incident that is mended for longest.
func (d *decider) makeRoom() bool {
	var best Incident
	for _, i := range d.Incidents.Open {
		if !i.Wrong() && d.now.Sub(d.wellSince[i.ID]) >= roomAfter && len(i.Told) > 0 && (best.ID == "" || i.Mended.Before(best.Mended)) {
			best = i
		}
	}
	if best.ID != "" {
		d.close(best)
	}
	return best.ID != ""
}

// takenIn has the newest incident of its kind take in what this one has.
func (d *decider) takenIn(i Incident) bool {
	for _, other := range slices.Backward(d.Incidents.Open) {
		if other.Kind == i.Kind {
			s := i.Symptoms[0]
			t := trouble{key: s.Key, unit: s.Unit, what: s.What, cause: s.Cause, since: s.From}
			if s.Unit != "" {
				t.pulse = pulseOf(i.Services, s.Unit)
			}
			d.join(t, other)
			return true
		}
	}
	return false
}

// newID is one that no incident had that is still known.
func (d *decider) newID(began time.Time) string {
	id := began.UTC().Format("20060102-150405")
	try := id
	for n := 2; slices.Contains(d.Incidents.Used, try); n++ {
		try = fmt.Sprintf("%s-%d", id, n)
	}
	used := append(slices.Clone(d.Incidents.Used), try)
	d.Incidents.Used = used[max(0, len(used)-mostUsed):]
	return try
}

// lookCommands has the journal read. What is not urgent leaves that to a later look, if
// there was one just before.
func (d *decider) lookCommands(from time.Time, urgent bool) {
	if to := d.commandsTo; !to.After(d.now) {
		if !urgent && d.now.Sub(to) < looksAgain {
			return
		}
		from = later(from, to)
	}
	d.commandsTo = d.now
	d.actions = append(d.actions, Action{Kind: LookCommands, What: "look into the journal", Reason: "it may tell who did it", From: from})
}

// follow ends the symptoms of an incident that are over, and the incident with them.
func (d *decider) follow(i Incident, troubles map[string]trouble) {
	changed, wrong, brewing, quiet := false, false, false, true
	for n, s := range i.Symptoms {
		t, there := troubles[s.Key]
		brewing = brewing || there && !t.excused
		if !s.To.IsZero() {
			continue
		}
		if there {
			wrong, quiet = true, quiet && t.excused
			continue
		}
		if !changed {
			i.Symptoms, changed = slices.Clone(i.Symptoms), true
		}
		i.Symptoms[n].To = d.mendedAt(s)
		if s.Unit != "" {
			i.Services = pulsed(i.Services, s.Unit, PulseUp, i.Symptoms[n].To)
		}
	}
	if !wrong && i.Mended.IsZero() {
		i.Mended = i.Began
		for _, s := range i.Symptoms {
			i.Mended = later(i.Mended, s.To)
		}
		changed = true
		d.lookCommands(i.Began.Add(-looksBack), false)
	}
	if changed {
		d.setIncident(i)
	}
	d.wellFor(i)
	d.tellDue(i, wrong && quiet || !wrong && brewing)
}

// wellFor notes since when an incident is mended. Its own time is on a clock that may
// have been set since.
func (d *decider) wellFor(i Incident) {
	was, known := d.wellSince[i.ID]
	at := time.Time{}
	switch {
	case i.Wrong():
	case !known, was.After(d.now):
		at = i.Mended
		if known || at.After(d.now) {
			at = d.now
		}
	default:
		at = was
	}
	if known == !at.IsZero() && at.Equal(was) {
		return
	}
	d.wellSince = maps.Clone(d.wellSince)
	if at.IsZero() {
		delete(d.wellSince, i.ID)
		return
	}
	if d.wellSince == nil {
		d.wellSince = map[string]time.Time{}
	}
	d.wellSince[i.ID] = at
}

// mendedAt is since when what a symptom is about is well. Where the daemon came later
// than that, the user manager tells.
func (d *decider) mendedAt(s Symptom) time.Time {
	now := later(d.now, s.From)
	w := d.watches[s.Key]
	if w == nil {
		return now
	}
	fits := func(at time.Time) bool { return at.After(s.From) && at.Before(d.now) }
	if back, counted := d.returned[s.Key]; counted && !w.late && d.Units[s.Key].Entered <= back {
		for _, p := range d.Began.Down {
			if at := d.Began.At.Add(back - p.Left); p.Name == s.Key && fits(at) {
				return at
			}
		}
	}
	if w.outcome.Condition.Ready() && fits(w.found) {
		return w.found // that was certain only later
	}
	return now
}

// tellDue tells a person of an incident when it is time, and closes it when that is.
// waits says that it is left as it is for now: what is wrong is in a person's hands, or
// what was wrong may be about to be so again.
func (d *decider) tellDue(i Incident, waits bool) {
	if len(i.Told) == 0 {
		due := i.Opened
		if i.Kind == IncidentService || strings.HasPrefix(i.Root, rootLost) {
			due = due.Add(tellAfter)
		}
		if d.now.Before(due) && !i.Opened.After(d.now) {
			d.judgeAt = earlier(d.judgeAt, due)
			return
		}
		i = d.tell(i, AlertOpened)
	}
	due, ever := d.wellSince[i.ID].Add(i.Hold), true
	if i.Wrong() {
		due, ever = d.reminder(i)
	}
	switch {
	case waits || !ever:
	case d.now.Before(due):
		d.judgeAt = earlier(d.judgeAt, due)
	case i.Wrong():
		d.tell(i, AlertReminder)
	default:
		d.close(i)
	}
}

// reminder is when a person is told again of an incident: each time after twice as
// long. Of one that was mended in between, also once something lasts for much longer
// than it ever did; nobody was told of that.
func (d *decider) reminder(i Incident) (due time.Time, ever bool) {
	wait := d.Settings.Alerts.Remind
	if wait < 0 {
		return due, false
	}
	if wait == 0 {
		wait = remindFirst
	}
	last := i.Told[len(i.Told)-1].At
	if last.Sub(d.now) > recentFor {
		return d.now, true // the clock was far ahead then
	}
	for n := 1; n < len(i.Told) && wait < remindMost; n++ {
		wait *= 2
	}
	due = last.Add(min(wait, remindMost))
	due = earlier(due, i.tooLong(last))
	return due, true
}

// close closes an incident.
func (d *decider) close(i Incident) {
	i.Closed = later(d.now, i.Mended)
	i = d.tell(i, AlertClosed)
	d.lookCommands(i.Began.Add(-looksBack), false)
	d.Incidents.Open = slices.DeleteFunc(slices.Clone(d.Incidents.Open), func(o Incident) bool { return o.ID == i.ID })
	closed := slices.DeleteFunc(slices.Clone(d.Incidents.Closed), func(o Incident) bool { return d.now.Sub(o.Closed) >= recentFor })
	closed = append(closed, i)
	d.Incidents.Closed = closed[max(0, len(closed)-mostClosed):]
	d.wellSince = maps.Clone(d.wellSince)
	delete(d.wellSince, i.ID)
	if i.Drill == "" {
		d.remember(i)
	}
}

// remember notes that an incident of its root was over just now.
func (d *decider) remember(i Incident) {
	recent := map[string]Recent{i.Root: {Returns: i.Returns, Last: d.now}}
	roots := slices.SortedFunc(maps.Keys(d.Incidents.Recent), func(a, b string) int { // the newest first
		return cmp.Or(d.Incidents.Recent[b].Last.Compare(d.Incidents.Recent[a].Last), strings.Compare(a, b))
	})
	for _, root := range roots {
		if r := d.Incidents.Recent[root]; root != i.Root && len(recent) < mostRecent && d.now.Sub(r.Last).Abs() < recentFor {
			recent[root] = r
		}
	}
	d.Incidents.Recent = recent
}

// tell has a person told, and stores that.
func (d *decider) tell(i Incident, kind AlertKind) Incident {
	i.Told = append(slices.Clone(i.Told), Telling{Kind: kind, At: d.now})
	d.setIncident(i)
	d.send(i, len(i.Told)-1)
	return i
}
