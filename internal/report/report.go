// Package report turns an incident and what the history has around it into what a person
// reads: text, Markdown, a page, JSON. It is pure: it reads no file and asks no clock.
// What it is given may say anything; it says nothing that it was not given.
package report

import (
	"time"

	"keeper/internal/core"
)

// Before and After are how far around an incident the history is of interest.
const (
	Before = 2 * time.Minute
	After  = time.Minute
)

// Facts are what a report needs beside the history.
type Facts struct {
	User, Host, Release string
	// Now is the time, in the zone in which all times are shown.
	Now time.Time
	// Seen is when the daemon was last heard of, if it does not answer: what is open
	// was so then, and may not be now.
	Seen time.Time
	// Damage is what of the history could not be read; More that there was more of it
	// than was read.
	Damage []string
	More   bool
}

// Version is that of the JSON form: it grows when a field changes its meaning or goes.
const Version = 1

// Report is all that there is to say of an incident. Its texts are of printable
// characters, on one line and of bounded length, whatever was in the history.
type Report struct {
	Version  int               `json:"version"`
	ID       string            `json:"id"`
	Kind     core.IncidentKind `json:"kind"`
	Urgency  core.Urgency      `json:"urgency"`
	Headline string            `json:"headline"`
	Cause    string            `json:"cause"`
	Root     string            `json:"root"`
	State    State             `json:"state"`
	Drill    string            `json:"drill,omitempty"`
	User     string            `json:"user,omitempty"`
	Host     string            `json:"host,omitempty"`
	Release  string            `json:"release,omitempty"`
	At       time.Time         `json:"at"`
	Began    time.Time         `json:"began"`
	Opened   time.Time         `json:"opened"`
	Mended   time.Time         `json:"mended,omitzero"`
	Closed   time.Time         `json:"closed,omitzero"`
	// Seen is set where the daemon does not answer: until when it is known to be open.
	Seen     time.Time `json:"seen,omitzero"`
	OutageMS int64     `json:"outage_ms"`
	HoldMS   int64     `json:"hold_ms"`
	Returns  int       `json:"returns,omitempty"`

	Services []Service `json:"services"`
	Symptoms []Symptom `json:"symptoms"`
	Omitted  int       `json:"omitted,omitempty"`
	Figures  []Figure  `json:"figures"`
	// Wrong is what is wrong still, ToDo what to type.
	Wrong   []string `json:"wrong,omitempty"`
	ToDo    []string `json:"to_do,omitempty"`
	Held    []string `json:"held"`
	NotHeld []string `json:"not_held"`
	Unknown []string `json:"unknown,omitempty"`
	// Nearest is the last command that the journal has from before it.
	Nearest  *Command  `json:"nearest_command,omitempty"`
	Alerts   []Alert   `json:"alerts,omitempty"`
	Commands []Command `json:"commands,omitempty"`
	Sessions []Session `json:"sessions,omitempty"`
	Timeline []Line    `json:"timeline"`
	// Cut is how many lines of the timeline are left out.
	Cut int `json:"cut,omitempty"`
}

// State is how an incident stands.
type State string

// The states of an incident.
const (
	StateOpen   State = "open"
	StateMended State = "mended" // all is well, and not yet for long enough
	StateOver   State = "over"
)

// Service is one that was hit.
type Service struct {
	Name     string `json:"name"`
	OutageMS int64  `json:"outage_ms"`
	Times    int    `json:"times"`
	// From is when it was first not up, Back since when it is up; zero: not yet.
	From      time.Time `json:"from,omitzero"`
	Back      time.Time `json:"back,omitzero"`
	Stretches []Stretch `json:"stretches"`
}

// Stretch is a time in which it was the same.
type Stretch struct {
	Pulse core.Pulse `json:"pulse"`
	From  time.Time  `json:"from"`
	To    time.Time  `json:"to"`
}

// Symptom is one thing that was wrong.
type Symptom struct {
	What  string    `json:"what"`
	Unit  string    `json:"unit,omitempty"`
	Cause string    `json:"cause,omitempty"`
	From  time.Time `json:"from"`
	To    time.Time `json:"to,omitzero"`
}

// Figure is a time and what it is the time of.
type Figure struct {
	Name string `json:"name"`
	MS   int64  `json:"ms"`
	Note string `json:"note,omitempty"`
}

// Line is one of the timeline.
type Line struct {
	// N is its number, which is also that of its mark.
	N    int            `json:"n"`
	At   time.Time      `json:"at"`
	MS   int64          `json:"ms"` // since the incident began
	Kind core.EntryKind `json:"kind"`
	What string         `json:"what"`
	Why  string         `json:"why,omitempty"`
	Unit string         `json:"unit,omitempty"`
	Blow bool           `json:"blow,omitempty"`
}

// Alert is one about the incident, and what became of it.
type Alert struct {
	N    int            `json:"n"`
	Kind core.AlertKind `json:"kind"`
	At   time.Time      `json:"at"`
	MS   int64          `json:"ms"`
	// Arrived is when the first channel took it, and Results the lines of the timeline
	// about it.
	Arrived time.Time `json:"arrived,omitzero"`
	Results []Line    `json:"results"`
}

// Command is one that the journal tells of.
type Command struct {
	Line   int       `json:"line"` // its number in the timeline; 0: it is not there
	At     time.Time `json:"at"`
	MS     int64     `json:"ms"`
	Source string    `json:"source"`
	User   string    `json:"user,omitempty"`
	Text   string    `json:"text"`
}

// Session is one that was opened or removed in that time.
type Session struct {
	Line    int       `json:"line"`
	ID      string    `json:"id"`
	User    string    `json:"user"`
	How     string    `json:"how,omitempty"`
	Opened  time.Time `json:"opened,omitzero"`
	Removed time.Time `json:"removed,omitzero"`
}

// New puts a report together.
func New(i core.Incident, entries []core.Entry, f Facts) Report {
	zone, until := f.Now.Location(), f.Now
	if !f.Seen.IsZero() && i.Open() {
		until = f.Seen
	}
	r := Report{
		Version: Version, ID: clean(i.ID), Kind: core.IncidentKind(clean(string(i.Kind))), Urgency: core.Urgency(clean(string(i.Urgency))),
		Cause: clean(i.Cause), Root: clean(i.Root), Drill: clean(i.Drill), User: clean(f.User), Host: clean(f.Host), Release: clean(f.Release),
		At: when(f.Now, zone), Began: when(i.Began, zone), Opened: when(i.Opened, zone), Mended: when(i.Mended, zone), Closed: when(i.Closed, zone),
		OutageMS: i.Outage(until).Milliseconds(), HoldMS: i.Hold.Milliseconds(), Returns: i.Returns, Omitted: i.Omitted,
		Services: []Service{}, Symptoms: []Symptom{}, Held: []string{}, NotHeld: []string{}, Timeline: []Line{}, State: StateOpen,
	}
	if r.Cause == "" {
		r.Cause = "the cause is not known"
	}
	switch {
	case !i.Open():
		r.State = StateOver
	case !i.Wrong():
		r.State = StateMended
	}
	if i.Open() {
		r.Seen = when(f.Seen, zone)
	}
	for _, s := range i.Services {
		r.Services = append(r.Services, service(s, r.end(), zone))
	}
	for _, s := range i.Symptoms {
		r.Symptoms = append(r.Symptoms, Symptom{What: clean(s.What), Unit: clean(s.Unit), Cause: clean(s.Cause), From: when(s.From, zone), To: when(s.To, zone)})
	}
	g := gather(i, entries, zone)
	r.Timeline, r.Cut, r.Commands, r.Sessions = g.lines, g.cut, g.commands, g.sessions
	r.alerts(i, g.results, zone)
	r.judge(i, g)
	for _, d := range f.Damage {
		r.Unknown = append(r.Unknown, "what the damaged part of the history said: "+clean(d))
	}
	if f.More {
		r.Unknown = append(r.Unknown, "what else happened: there was more in that time than is read for a report (keeper history --all)")
	}
	r.Headline = r.headline()
	return r
}

// end is where the picture of it ends.
func (r Report) end() time.Time {
	if !r.Mended.IsZero() {
		return r.Mended
	}
	end := r.At
	if !r.Seen.IsZero() {
		end = r.Seen
	}
	if end.Before(r.Began) { // a clock that was set back
		return r.Began
	}
	return end
}

func service(a core.Affected, end time.Time, zone *time.Location) Service {
	s := Service{Name: clean(a.Name), Times: a.Times, OutageMS: a.OutageBy(end).Milliseconds(), Stretches: []Stretch{}}
	for n, st := range a.Stretches {
		from, to := when(st.From, zone), end
		if n+1 < len(a.Stretches) {
			to = when(a.Stretches[n+1].From, zone)
		}
		if to.Before(from) {
			to = from
		}
		pulse := st.Pulse
		switch pulse {
		case core.PulseUp, core.PulseIll, core.PulseDown:
		default:
			pulse = core.PulseIll // it said something that nobody knows: not well, at any rate
		}
		if pulse != core.PulseUp && s.From.IsZero() {
			s.From = from
		}
		s.Stretches = append(s.Stretches, Stretch{Pulse: pulse, From: from, To: to})
	}
	if n := len(s.Stretches); n > 0 && s.Stretches[n-1].Pulse == core.PulseUp {
		s.Back = s.Stretches[n-1].From
	}
	return s
}

// pulse is how it is at the end.
func (s Service) pulse() core.Pulse {
	if n := len(s.Stretches); n > 0 {
		return s.Stretches[n-1].Pulse
	}
	return core.PulseUp
}
