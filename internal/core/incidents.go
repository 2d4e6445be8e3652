package core

import (
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
	// looksBack is how long before an incident its cause is looked for.
	looksBack = 2 * time.Minute
	// lifeWindow is how long the death of the user manager explains what goes wrong.
	lifeWindow = 10 * time.Minute

	mostIncidents = 20 // that are open
	mostClosed    = 5  // that are kept for their alerts
	mostSymptoms  = 500
	mostStretches = 2000 // of all services of one
	mostRecent    = 100
)

// holdSteps is by how much longer all must be well, the more often it was not: who is
// told a hundred times a day does not listen any more.
var holdSteps = []time.Duration{1, 1, 15, 60, 360, 1440}

func (s State) hold(returns int) time.Duration {
	base := s.Settings.Alerts.Hold
	if base == 0 {
		base = incidentHold
	}
	return base * holdSteps[min(returns, len(holdSteps)-1)]
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
	for _, i := range d.Incidents.Open {
		n := slices.IndexFunc(i.Symptoms, func(s Symptom) bool { return s.Key == t.key && s.To.IsZero() })
		if n < 0 {
			continue
		}
		if t.cause != "" && i.Symptoms[n].Cause == "" {
			i.Symptoms = slices.Clone(i.Symptoms)
			i.Symptoms[n].Cause = t.cause
		}
		if t.unit != "" {
			i.Services = pulsed(i.Services, t.unit, t.pulse, d.now)
		}
		d.setIncident(i)
		return true
	}
	return false
}

// enter has a trouble join the incident that it belongs to, or opens one.
func (d *decider) enter(t trouble) {
	open := slices.Clone(d.Incidents.Open)
	slices.SortStableFunc(open, func(a, b Incident) int { // its own before all others
		return rank(b.Root == t.key || b.Root == t.cause) - rank(a.Root == t.key || a.Root == t.cause)
	})
	for _, i := range open {
		if !d.belongs(t, i) {
			continue
		}
		if i.Kind == IncidentService && i.Root != t.key && slices.Contains(d.depsOf(i.Root), t.key) {
			i.Root, i.Cause = t.key, short(t.key)+" is "+t.what
		}
		if !i.Mended.IsZero() {
			if d.now.Sub(i.Mended) >= d.hold(0) {
				i.Returns++
				i.Hold = d.hold(i.Returns)
			}
			i.Mended = time.Time{}
		}
		d.setIncident(suffers(i, t))
		return
	}
	root := t.key
	if u, ok := d.Units[t.cause]; ok && !u.Stopped {
		root = t.cause
	}
	i := Incident{Kind: t.kind, Root: root, Urgency: UrgencyCritical, Cause: t.what, Began: t.since}
	switch {
	case t.kind == IncidentProtection:
		i.Urgency = UrgencyWarning
	case root != t.key:
		i.Cause = fmt.Sprintf("%s is %s", short(t.key), t.what)
	default:
		i.Cause = short(t.key) + " is " + t.what
	}
	d.open(suffers(i, t))
}

func rank(first bool) int {
	if first {
		return 1
	}
	return 0
}

// belongs says whether a trouble is part of an incident: of its root, of what the
// incident hit and is not well for long, of what depends on that or is depended on by
// it; and of any, as long as nobody was told, for one blow hits many. What comes later
// is another, or nobody would be told of it.
func (d *decider) belongs(t trouble, i Incident) bool {
	if i.Kind == IncidentProtection || t.kind == IncidentProtection {
		return i.Root == t.key
	}
	if i.Root == t.key || i.Root == t.cause {
		return true
	}
	fresh := i.Wrong() || d.now.Sub(i.Mended) < d.hold(0)
	known := func(key string) bool {
		return slices.ContainsFunc(i.Symptoms, func(s Symptom) bool { return s.Key == key })
	}
	switch {
	case i.Kind != IncidentService:
		return fresh && d.now.Sub(i.Opened) < lifeWindow
	case fresh && (known(t.key) || t.cause != "" && known(t.cause)):
		return true
	case t.since.Sub(i.Began).Abs() < causeWindow && slices.Contains(d.depsOf(i.Root), t.key):
		return true
	}
	return len(i.Told) == 0
}

// suffers adds a symptom. If there are too many, one that is over makes room.
func suffers(i Incident, t trouble) Incident {
	i.Symptoms = slices.Clone(i.Symptoms)
	if len(i.Symptoms) >= mostSymptoms {
		i.Omitted++
		n := 1 + slices.IndexFunc(i.Symptoms[1:], func(s Symptom) bool { return !s.To.IsZero() })
		if n == 0 {
			return i
		}
		i.Symptoms = slices.Delete(i.Symptoms, n, n+1)
	}
	i.Symptoms = append(i.Symptoms, Symptom{Key: t.key, Unit: t.unit, What: t.what, From: t.since, Cause: t.cause})
	if t.since.Before(i.Began) {
		i.Began = t.since
	}
	if t.unit != "" {
		i.Services = pulsed(i.Services, t.unit, t.pulse, t.since)
	}
	return i
}

// pulsed notes how a service is from a time on.
func pulsed(list []Affected, name string, p Pulse, at time.Time) []Affected {
	n := slices.IndexFunc(list, func(a Affected) bool { return a.Name == name })
	if n < 0 {
		if p == PulseUp {
			return list
		}
		list = append(slices.Clone(list), Affected{Name: name})
		slices.SortFunc(list, func(a, b Affected) int { return strings.Compare(a.Name, b.Name) })
		n = slices.IndexFunc(list, func(a Affected) bool { return a.Name == name })
	}
	a := list[n]
	was := PulseUp
	if k := len(a.Stretches); k > 0 {
		was = a.Stretches[k-1].Pulse
		if at.Before(a.Stretches[k-1].From) {
			at = a.Stretches[k-1].From
		}
	}
	if was == p {
		return list
	}
	switch {
	case was == PulseUp:
		a.Times++
	case p == PulseUp:
		a.Outage = a.OutageBy(at)
	}
	a.Stretches = append(slices.Clone(a.Stretches), Stretch{Pulse: p, From: at})
	if k, most := len(a.Stretches), max(4, min(100, mostStretches/len(list))); k > most {
		a.Stretches = a.Stretches[k-most:]
	}
	list = slices.Clone(list)
	list[n] = a
	return list
}

// open opens an incident, unless too many are open: then the oldest takes in what this
// one has.
func (d *decider) open(i Incident) {
	if len(d.Incidents.Open) >= mostIncidents {
		first := d.Incidents.Open[0]
		first.Omitted += len(i.Symptoms)
		d.setIncident(first)
		return
	}
	i.ID, i.Opened = d.newID(i.Began), d.now
	if r, ok := d.Incidents.Recent[i.Root]; ok && d.now.Sub(r.Last).Abs() < recentFor {
		i.Returns = r.Returns + 1
	}
	i.Hold = d.hold(i.Returns)
	if drill := d.Incidents.Drill; drill != nil && drill.Ended.IsZero() && !i.Began.Before(drill.Began.Add(-time.Second)) {
		i.Drill = drill.Name
	}
	d.setIncident(i)
	d.lookCommands(i.Began.Add(-looksBack))
	d.tellDue(i)
}

// newID is one that no incident has that is still known.
func (d *decider) newID(began time.Time) string {
	id := began.UTC().Format("20060102-150405")
	taken := func(id string) bool {
		has := func(i Incident) bool { return i.ID == id }
		return slices.ContainsFunc(d.Incidents.Open, has) || slices.ContainsFunc(d.Incidents.Closed, has)
	}
	for n, try := 2, id; ; n++ {
		if !taken(try) {
			return try
		}
		try = fmt.Sprintf("%s-%d", id, n)
	}
}

func (d *decider) lookCommands(from time.Time) {
	from = later(from, d.commandsTo)
	d.commandsTo = d.now
	d.actions = append(d.actions, Action{Kind: LookCommands, What: "look into the journal", Reason: "it may tell who did it", From: from})
}

// follow ends the symptoms of an incident that are over, and the incident with them.
func (d *decider) follow(i Incident, troubles map[string]trouble) {
	changed, wrong := false, false
	for n, s := range i.Symptoms {
		if !s.To.IsZero() {
			continue
		}
		if _, lasts := troubles[s.Key]; lasts {
			wrong = true
			continue
		}
		if !changed {
			i.Symptoms, changed = slices.Clone(i.Symptoms), true
		}
		i.Symptoms[n].To = d.mendedAt(s.Key)
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
		d.lookCommands(i.Began.Add(-looksBack))
	}
	if changed {
		d.setIncident(i)
	}
	d.tellDue(i)
}

// mendedAt is when a service was well again. Where the daemon came later than that,
// the user manager tells.
func (d *decider) mendedAt(name string) time.Time {
	back, counted := d.returned[name]
	w := d.watches[name]
	if !counted || w != nil && w.late {
		return d.now
	}
	for _, p := range d.Began.Down {
		if at := d.Began.At.Add(back - p.Left); p.Name == name && at.Before(d.now) {
			return at
		}
	}
	return d.now
}

// tellDue tells a person of an incident when it is time, and closes it when that is.
func (d *decider) tellDue(i Incident) {
	if len(i.Told) == 0 {
		due := i.Opened
		if i.Kind == IncidentService {
			due = due.Add(tellAfter)
		}
		if d.now.Before(due) {
			d.judgeAt = earlier(d.judgeAt, due)
			return
		}
		i = d.tell(i, AlertOpened)
	}
	if i.Wrong() {
		first := d.Settings.Alerts.Remind
		if first == 0 {
			first = remindFirst
		}
		if first < 0 || d.StandDown.InForce() {
			return
		}
		due := i.Told[len(i.Told)-1].At.Add(first << min(len(i.Told)-1, 6))
		if d.now.Before(due) {
			d.judgeAt = earlier(d.judgeAt, due)
			return
		}
		d.tell(i, AlertReminder)
		return
	}
	if due := i.Mended.Add(i.Hold); d.now.Before(due) {
		d.judgeAt = earlier(d.judgeAt, due)
		return
	}
	i.Closed = d.now
	i = d.tell(i, AlertClosed)
	d.Incidents.Open = slices.DeleteFunc(slices.Clone(d.Incidents.Open), func(o Incident) bool { return o.ID == i.ID })
	d.Incidents.Closed = append(slices.Clone(d.Incidents.Closed), i)
	if n := len(d.Incidents.Closed); n > mostClosed {
		d.Incidents.Closed = d.Incidents.Closed[n-mostClosed:]
	}
	recent := maps.Clone(d.Incidents.Recent)
	if recent == nil {
		recent = map[string]Recent{}
	}
	for root, r := range recent {
		if d.now.Sub(r.Last).Abs() >= recentFor || len(recent) > mostRecent {
			delete(recent, root)
		}
	}
	recent[i.Root] = Recent{Returns: i.Returns, Last: d.now}
	d.Incidents.Recent = recent
}

// tell has a person told, and stores that.
func (d *decider) tell(i Incident, kind AlertKind) Incident {
	i.Told = append(slices.Clone(i.Told), Telling{Kind: kind, At: d.now})
	d.setIncident(i)
	d.send(i, len(i.Told)-1)
	return i
}
