// Package report turns an incident and what the history has around it into what a person
// reads: text, Markdown, a page, JSON. It is pure: it reads no file and asks no clock.
// What it is given may say anything; it says nothing that it was not given.
package report

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

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
	Now                 time.Time
	// Damage is what of the history could not be read; More that there was more of it
	// than was read.
	Damage []string
	More   bool
}

// Version is that of the JSON form: it grows when a field changes its meaning or goes.
const Version = 1

// Report is all that there is to say of an incident.
type Report struct {
	Version  int               `json:"version"`
	ID       string            `json:"id"`
	Kind     core.IncidentKind `json:"kind"`
	Urgency  core.Urgency      `json:"urgency"`
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
	OutageMS int64             `json:"outage_ms"`
	HoldMS   int64             `json:"hold_ms"`
	Returns  int               `json:"returns,omitempty"`

	Services []Service `json:"services"`
	Symptoms []Symptom `json:"symptoms"`
	Omitted  int       `json:"omitted,omitempty"`
	Figures  []Figure  `json:"figures"`
	Held     []string  `json:"held"`
	NotHeld  []string  `json:"not_held"`
	ToDo     []string  `json:"to_do,omitempty"`
	Unknown  []string  `json:"unknown,omitempty"`
	Alerts   []Line    `json:"alerts,omitempty"`
	Commands []Line    `json:"commands,omitempty"`
	Sessions []Line    `json:"sessions,omitempty"`
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
	Name      string    `json:"name"`
	OutageMS  int64     `json:"outage_ms"`
	Times     int       `json:"times"`
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

// mostLines bounds a timeline.
const mostLines = 400

// New puts a report together.
func New(i core.Incident, entries []core.Entry, f Facts) Report {
	r := Report{
		Version: Version, ID: clean(i.ID), Kind: i.Kind, Urgency: i.Urgency, Cause: clean(i.Cause), Root: clean(i.Root), Drill: clean(i.Drill),
		User: clean(f.User), Host: clean(f.Host), Release: clean(f.Release), At: f.Now, Began: i.Began, Opened: i.Opened, Mended: i.Mended, Closed: i.Closed,
		OutageMS: i.Outage(f.Now).Milliseconds(), HoldMS: i.Hold.Milliseconds(), Returns: i.Returns, Omitted: i.Omitted,
		Services: []Service{}, Symptoms: []Symptom{}, Held: []string{}, NotHeld: []string{}, Timeline: []Line{}, State: StateOpen,
	}
	switch {
	case !i.Open():
		r.State = StateOver
	case !i.Wrong():
		r.State = StateMended
	}
	for _, s := range i.Services {
		r.Services = append(r.Services, service(s, r.end()))
	}
	for _, s := range i.Symptoms {
		r.Symptoms = append(r.Symptoms, Symptom{What: clean(s.What), Unit: clean(s.Unit), Cause: clean(s.Cause), From: s.From, To: s.To})
	}
	r.lines(i, entries)
	r.judge(i, entries)
	for _, d := range f.Damage {
		r.Unknown = append(r.Unknown, "the history is damaged: "+clean(d))
	}
	if f.More {
		r.Unknown = append(r.Unknown, "more happened in that time than is shown here: keeper history --all")
	}
	return r
}

// end is where the picture of it ends.
func (r Report) end() time.Time {
	if !r.Mended.IsZero() {
		return r.Mended
	}
	if r.At.Before(r.Began) { // a clock that was set back
		return r.Began
	}
	return r.At
}

func service(a core.Affected, end time.Time) Service {
	s := Service{Name: clean(a.Name), Times: a.Times, OutageMS: a.OutageBy(end).Milliseconds(), Stretches: []Stretch{}}
	for n, st := range a.Stretches {
		to := end
		if n+1 < len(a.Stretches) {
			to = a.Stretches[n+1].From
		}
		if to.Before(st.From) {
			to = st.From
		}
		s.Stretches = append(s.Stretches, Stretch{Pulse: st.Pulse, From: st.From, To: to})
	}
	return s
}

// lines are those of the timeline, in their order, and apart those of sessions, commands
// and alerts.
func (r *Report) lines(i core.Incident, entries []core.Entry) {
	list := slices.Clone(entries)
	slices.SortStableFunc(list, func(a, b core.Entry) int { return a.At.Compare(b.At) })
	seen := map[string]bool{}
	for _, e := range list {
		what := clean(e.What)
		if e.Kind == core.EntryIncident && (e.Incident == nil || e.Incident.ID != i.ID || strings.HasSuffix(what, "goes on")) {
			continue
		}
		if e.Kind == core.EntryAlert && !strings.Contains(what, "alert "+i.ID+"/") {
			continue
		}
		l := Line{At: e.At, MS: e.At.Sub(i.Began).Milliseconds(), Kind: e.Kind, What: what, Why: clean(e.Why), Unit: clean(e.Unit), Blow: e.Blow}
		if key := fmt.Sprint(l.At.UnixNano(), l.What); seen[key] {
			continue // the journal tells the same when it is asked again
		} else {
			seen[key] = true
		}
		l.N = len(r.Timeline) + 1
		if len(r.Timeline) >= mostLines && e.Kind != core.EntryIncident && !e.Blow {
			r.Cut++
			continue
		}
		r.Timeline = append(r.Timeline, l)
		switch e.Kind {
		case core.EntrySession:
			r.Sessions = append(r.Sessions, l)
		case core.EntryCommand:
			r.Commands = append(r.Commands, l)
		case core.EntryAlert:
			r.Alerts = append(r.Alerts, l)
		}
	}
}

// judge says what held and what did not, with the figures.
func (r *Report) judge(i core.Incident, entries []core.Entry) {
	figure := func(name string, d time.Duration, note string) {
		r.Figures = append(r.Figures, Figure{Name: name, MS: max(0, d).Milliseconds(), Note: note})
	}
	note := "from the begin until all was well"
	if i.Wrong() {
		note = "so far"
	}
	figure("outage", time.Duration(r.OutageMS)*time.Millisecond, note)
	figure("noticed", i.Opened.Sub(i.Began), "from the begin until it counted as an incident")
	r.acts(i, entries, figure)
	var away []Service
	for _, s := range r.Services {
		if s.OutageMS > 0 {
			away = append(away, s)
		}
		if n := len(s.Stretches); n > 0 && s.Stretches[n-1].Pulse != core.PulseUp && i.Wrong() {
			r.NotHeld = append(r.NotHeld, s.Name+" is "+string(s.Stretches[n-1].Pulse)+" still")
			r.ToDo = append(r.ToDo, "systemctl --user status "+short(s.Name))
		}
	}
	if len(away) > 0 {
		worst := slices.MaxFunc(away, func(a, b Service) int { return int(a.OutageMS - b.OutageMS) })
		r.NotHeld = append(r.NotHeld, fmt.Sprintf("%s not well, %s the longest: %s", count(len(away), "service was", "services were"), short(worst.Name), span(worst.OutageMS)))
	}
	if !i.Wrong() {
		r.Held = append(r.Held, "all was well again after "+span(r.OutageMS))
	}
	switch i.Kind {
	case core.IncidentSession:
		r.ToDo = append(r.ToDo, "keeper doctor   # with root's part in force, terminate-user ends sessions and leaves the stack running")
	case core.IncidentProtection:
		r.ToDo = append(r.ToDo, "keeper doctor")
	case core.IncidentMachine, core.IncidentService:
	}
	if i.Wrong() {
		r.ToDo = append(r.ToDo, "keeper status")
	}
	if len(r.Commands) == 0 {
		r.Unknown = append(r.Unknown, "who or what caused it: the journal tells of no command")
	}
	if i.Omitted > 0 {
		r.Unknown = append(r.Unknown, fmt.Sprintf("%d more symptoms were too many to keep", i.Omitted))
	}
}

// acts goes by what keeper did.
func (r *Report) acts(i core.Incident, entries []core.Entry, figure func(string, time.Duration, string)) {
	decided, sent, failed := time.Time{}, time.Time{}, ""
	did := map[string]bool{}
	for _, l := range r.Timeline {
		if l.At.Before(i.Began.Add(-time.Second)) {
			continue
		}
		switch l.Kind {
		case core.EntryDecision:
			if decided.IsZero() {
				decided = l.At
			}
		case core.EntryAlert:
			if strings.Contains(l.What, " was sent to ") && sent.IsZero() {
				sent = l.At
			}
			if strings.Contains(l.What, " could not be sent ") {
				failed = l.What + ": " + l.Why
			}
		case core.EntryKeeper:
			if strings.Contains(l.What, "in a new life") {
				did["the user manager came back, and keeper with it"] = true
			}
		}
	}
	for _, e := range entries {
		if e.At.Before(i.Began.Add(-time.Second)) || e.Kind != core.EntryDecision {
			continue
		}
		switch e.Action {
		case core.SetLinger, core.StartUnits, core.RestartUnits, core.ContinueUnit, core.ThawUnit, core.MendNetwork, core.RenewRuntime, core.WakeManager:
			did[clean(e.What)+": "+clean(e.Why)] = true
		}
		if strings.HasPrefix(e.What, "give up") {
			r.NotHeld = append(r.NotHeld, clean(e.What)+": "+clean(e.Why))
		}
	}
	const most = 8
	list := make([]string, 0, len(did))
	for d := range did {
		list = append(list, d)
	}
	slices.Sort(list)
	if len(list) > most {
		list = append(list[:most], fmt.Sprintf("and %d more decisions: see the timeline", len(list)-most))
	}
	r.Held = append(r.Held, list...)
	if !decided.IsZero() {
		figure("decided", decided.Sub(i.Began), "from the begin until keeper decided something")
	}
	if !sent.IsZero() {
		figure("told", sent.Sub(i.Began), "from the begin until the first alert had arrived")
		r.Held = append(r.Held, "the first alert arrived "+span(sent.Sub(i.Began).Milliseconds())+" after the begin")
	}
	if failed != "" {
		r.NotHeld = append(r.NotHeld, failed)
	}
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func short(unit string) string { return strings.TrimSuffix(unit, ".service") }

// span is a time as people say it.
func span(ms int64) string {
	d := time.Duration(ms) * time.Millisecond
	switch {
	case d < 10*time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d < 10*time.Minute:
		return d.Round(100 * time.Millisecond).String()
	}
	return core.Span(d.Round(time.Second))
}

// offset is a time since the begin, as the timeline has it.
func offset(ms int64) string {
	sign := "+"
	if ms < 0 {
		sign, ms = "-", -ms
	}
	d := time.Duration(ms) * time.Millisecond
	if d < time.Hour {
		return fmt.Sprintf("%s%d:%06.3f", sign, int(d.Minutes()), (d % time.Minute).Seconds())
	}
	return fmt.Sprintf("%s%d:%02d:%02d", sign, int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60)
}

// clean keeps what others wrote from moving a cursor, turning text around or filling a
// screen.
func clean(s string) string {
	const most = 500
	r := []rune(strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, s))
	if len(r) > most {
		r = append(r[:most], '…')
	}
	return string(r)
}

// headline is what it is and how it stands, in a line.
func (r Report) headline() string {
	drill := ""
	if r.Drill != "" {
		drill = "Drill " + r.Drill + ". "
	}
	switch r.State {
	case StateOver:
		return fmt.Sprintf("%sOver: %s. It lasted %s.", drill, r.Cause, span(r.OutageMS))
	case StateMended:
		return fmt.Sprintf("%sMended: %s. It lasted %s, and is over if all stays well for %s.", drill, r.Cause, span(r.OutageMS), span(r.HoldMS))
	}
	return fmt.Sprintf("%sStill going on, for %s: %s.", drill, span(r.OutageMS), r.Cause)
}
