package core

import "time"

// Urgency is how bad an incident is.
type Urgency string

// The urgencies. UrgencyCritical: something does not do its work. UrgencyWarning:
// all does, and would not survive what keeper is there for.
const (
	UrgencyCritical Urgency = "critical"
	UrgencyWarning  Urgency = "warning"
)

// IncidentKind is what an incident is about.
type IncidentKind string

// The kinds. IncidentSession: the user manager died, and all with it.
// IncidentMachine: the machine went down. IncidentService: one or more services were
// not well. IncidentProtection: what makes the stack survive was not in force.
const (
	IncidentSession    IncidentKind = "session"
	IncidentMachine    IncidentKind = "machine"
	IncidentService    IncidentKind = "service"
	IncidentProtection IncidentKind = "protection"
)

// Incident is what happened from the first thing that was wrong until all was well
// again and stayed so for Hold. One that was handed out is never changed.
type Incident struct {
	// ID is when it began, in UTC, as 20260105-173002; with -2, -3, … where another
	// has that one already.
	ID   string       `json:"id"`
	Kind IncidentKind `json:"kind"`
	// Root is what it is about, and the same for the next of its kind: a unit, or
	// the name of what is not in force.
	Root    string  `json:"root"`
	Urgency Urgency `json:"urgency"`
	// Cause is why, a line for a person.
	Cause string `json:"cause"`
	// Began is when the first symptom did, Opened when it counted as an incident.
	Began  time.Time `json:"began"`
	Opened time.Time `json:"opened"`
	// Mended is since when all is well, Closed when that had held for long enough.
	// Zero: not yet.
	Mended time.Time `json:"mended,omitzero"`
	Closed time.Time `json:"closed,omitzero"`
	// Hold is how long all must be well. It grows with Returns, how many incidents of
	// its Root were closed within the last day, and came back.
	Hold    time.Duration `json:"hold"`
	Returns int           `json:"returns,omitempty"`
	// Drill is the name of the drill that it is part of.
	Drill string `json:"drill,omitempty"`
	// Symptoms are what was wrong, in the order in which it began; Omitted is how many
	// more there were.
	Symptoms []Symptom `json:"symptoms"`
	Omitted  int       `json:"omitted,omitempty"`
	// Services are those that were not well, by name.
	Services []Affected `json:"services,omitempty"`
	// Told are the alerts about it.
	Told []Telling `json:"told,omitempty"`
}

// Open says whether it is not closed.
func (i Incident) Open() bool { return i.Closed.IsZero() }

// Wrong says whether something is wrong still.
func (i Incident) Wrong() bool { return i.Mended.IsZero() }

// Outage is from its begin until all was well, or until now.
func (i Incident) Outage(now time.Time) time.Duration {
	if i.Wrong() {
		return max(0, now.Sub(i.Began))
	}
	return max(0, i.Mended.Sub(i.Began))
}

// Symptom is one thing that was wrong.
type Symptom struct {
	// Key tells it from others: a unit, or the name of what is not in force.
	Key  string    `json:"key"`
	Unit string    `json:"unit,omitempty"`
	What string    `json:"what"` // a line for a person
	From time.Time `json:"from"`
	To   time.Time `json:"to,omitzero"` // zero while it lasts
	// Cause is the unit that it comes from.
	Cause string `json:"cause,omitempty"`
}

// Pulse is how well a service does its work, in a word.
type Pulse string

// The three of them. PulseIll: its unit is active, and it is not well. PulseDown:
// its unit is not active.
const (
	PulseUp   Pulse = "up"
	PulseIll  Pulse = "ill"
	PulseDown Pulse = "down"
)

// Stretch is a time in which a service was the same all along; it ends where the
// next begins.
type Stretch struct {
	Pulse Pulse     `json:"pulse"`
	From  time.Time `json:"from"`
}

// Affected is a service that an incident hit.
type Affected struct {
	Name string `json:"name"`
	// Outage is how long it was not up, in all, what lasts still left out; Times how
	// often that was.
	Outage time.Duration `json:"outage"`
	Times  int           `json:"times"`
	// Stretches are the newest of them.
	Stretches []Stretch `json:"stretches"`
}

// OutageBy is Outage with what lasts still.
func (a Affected) OutageBy(now time.Time) time.Duration {
	if n := len(a.Stretches); n > 0 && a.Stretches[n-1].Pulse != PulseUp {
		return a.Outage + max(0, now.Sub(a.since()))
	}
	return a.Outage
}

// since is when it last ceased to be up.
func (a Affected) since() time.Time {
	at := time.Time{}
	for i := len(a.Stretches) - 1; i >= 0 && a.Stretches[i].Pulse != PulseUp; i-- {
		at = a.Stretches[i].From
	}
	return at
}

// AlertKind is what an alert is for.
type AlertKind string

// The kinds of alerts.
const (
	AlertOpened   AlertKind = "opened"
	AlertReminder AlertKind = "reminder"
	AlertClosed   AlertKind = "closed"
	AlertTest     AlertKind = "test" // keeper alert test
)

// Telling is an alert that is on its way, or arrived.
type Telling struct {
	Kind AlertKind `json:"kind"`
	At   time.Time `json:"at"`
}

// Alert is what a person is to be told.
type Alert struct {
	// Key is the same for the same alert, and never for another: the incident, a
	// slash, and the number of the telling from 1.
	Key      string       `json:"key"`
	Kind     AlertKind    `json:"kind"`
	At       time.Time    `json:"at"`
	Incident string       `json:"incident"`
	About    IncidentKind `json:"about"`
	Urgency  Urgency      `json:"urgency"`
	Drill    string       `json:"drill,omitempty"`
	// Title is a line; Text is more of them, with what to type.
	Title string `json:"title"`
	Text  string `json:"text"`
	// Began and Mended are the incident's, Outage in milliseconds what was between
	// them, or is so far.
	Began    time.Time `json:"began"`
	Mended   time.Time `json:"mended,omitzero"`
	OutageMS int64     `json:"outage_ms"`
	// Root is what it is about; Services are those that were hit.
	Root     string   `json:"root"`
	Services []string `json:"services,omitempty"`
	// User and Host are the account's and the machine's name, and are filled in by
	// whoever sends it.
	User string `json:"user,omitempty"`
	Host string `json:"host,omitempty"`
}

// Alerts are the settings of incidents and of who is told about them.
type Alerts struct {
	// Hold is how long all must be well before an incident is over; 0 means a minute.
	// Remind is when a person is told again of one that lasts, each time after twice
	// as long; 0 means four hours, a negative one never.
	Hold     time.Duration `json:"hold,omitempty"`
	Remind   time.Duration `json:"remind,omitempty"`
	Channels []Channel     `json:"channels,omitempty"` // by name
	// Heartbeat tells somebody else that all is well, for as long as it is.
	Heartbeat Heartbeat `json:"heartbeat,omitzero"`
}

// ChannelKind is how a channel tells people.
type ChannelKind string

// The kinds of channels. ChannelShoutrrr is whatever that library knows: ntfy, Slack,
// Telegram, e-mail, …
const (
	ChannelWebhook      ChannelKind = "webhook"
	ChannelCommand      ChannelKind = "command"
	ChannelAlertmanager ChannelKind = "alertmanager"
	ChannelShoutrrr     ChannelKind = "shoutrrr"
)

// Secret is where a text is that nobody else may read: Plain where it is none, a file,
// or the name of a systemd credential of keeper.service.
type Secret struct {
	Plain      string `json:"plain,omitempty"`
	File       string `json:"file,omitempty"`
	Credential string `json:"credential,omitempty"`
}

// IsZero says that there is none.
func (s Secret) IsZero() bool { return s == Secret{} }

// Channel is one way to tell people.
type Channel struct {
	Name string      `json:"name"`
	Kind ChannelKind `json:"kind"`
	// URL is where to. Plain may hold none that has a secret in it.
	URL Secret `json:"url,omitzero"`
	// Token goes along as Authorization: Bearer (webhook, alertmanager).
	Token   Secret   `json:"token,omitzero"`
	Command []string `json:"command,omitempty"`
	// Timeout bounds one try; 0 means ten seconds.
	Timeout time.Duration `json:"timeout,omitempty"`
	// Least is the urgency from which on it is told; empty means all.
	Least Urgency `json:"least,omitempty"`
	// From says where each key was set, as FILE:LINE.
	From map[string]string `json:"from,omitempty"`
}

// Heartbeat is a dead man's switch: a service that raises the alarm when it hears
// nothing any more.
type Heartbeat struct {
	URL Secret `json:"url,omitzero"`
	// Every is the time between two; 0 means a minute.
	Every time.Duration `json:"every,omitempty"`
}

// Incidents is what is kept of incidents beyond one daemon.
type Incidents struct {
	Open []Incident `json:"open,omitempty"`
	// Closed are the newest of those that were closed lately: their alerts may be on
	// their way still.
	Closed []Incident `json:"closed,omitempty"`
	// Recent is, by Root, how often it was wrong again, and when last.
	Recent map[string]Recent `json:"recent,omitempty"`
	// Used are the newest IDs: the clock may be set back, and none is given twice.
	Used []string `json:"used,omitempty"`
	// Drill is the one under way.
	Drill *Drill `json:"drill,omitempty"`
}

// Recent is how often the same was wrong again.
type Recent struct {
	Returns int       `json:"returns"`
	Last    time.Time `json:"last"`
}

// Drill is a blow that its owner strikes to see what comes of it.
type Drill struct {
	// ID is when it began, as that of an incident; Name the blow.
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Service string    `json:"service,omitempty"`
	Began   time.Time `json:"began"`
	// Until is when it counts as over at the latest.
	Until time.Time `json:"until"`
	// Ended is when all was as before. Outage is how long the service, or the worst
	// off, was away; none says that nothing was.
	Ended  time.Time     `json:"ended,omitzero"`
	Outage time.Duration `json:"outage"`
	// Outcome is held, back or failed, and Why a line about it.
	Outcome DrillOutcome `json:"outcome,omitempty"`
	Why     string       `json:"why,omitempty"`
}

// DrillOutcome is what came of a drill, in a word.
type DrillOutcome string

// What may come of a drill: nothing was away, what was away came back by itself, or it
// did not. DrillUnknown: nobody was there to see the end.
const (
	DrillHeld    DrillOutcome = "held"
	DrillBack    DrillOutcome = "back"
	DrillFailed  DrillOutcome = "failed"
	DrillUnknown DrillOutcome = "unknown"
)

type (
	// SessionSeen is what logind says of a session that is new, or was there when the
	// daemon started.
	SessionSeen struct{ Session Session }
	// CommandsSeen are what LookCommands found in the journal. Err is why there may be
	// more.
	CommandsSeen struct {
		Commands []Command
		Err      string
	}
	// ManagerEnds says that the user manager stops, and the daemon with it; Machine that
	// it is because the machine goes down.
	ManagerEnds struct {
		Cause   string
		Machine bool
	}
	// DrillAsked says that a person begins a drill, or, with Ended set, that it is over.
	DrillAsked struct{ Drill Drill }
)

func (SessionSeen) event()  {}
func (CommandsSeen) event() {}
func (ManagerEnds) event()  {}
func (DrillAsked) event()   {}

// Session is a login session (org.freedesktop.login1.Session).
type Session struct {
	ID    string `json:"id"`
	UID   uint32 `json:"uid"`
	User  string `json:"user"`
	Class string `json:"class,omitempty"`
	Type  string `json:"type,omitempty"`
	// Service is what opened it (sshd, login, su, …), Leader the process and Comm its
	// name, if that could be read.
	Service string    `json:"service,omitempty"`
	TTY     string    `json:"tty,omitempty"`
	Remote  string    `json:"remote,omitempty"` // the host it came from
	Leader  uint32    `json:"leader,omitempty"`
	Comm    string    `json:"comm,omitempty"`
	Since   time.Time `json:"since,omitzero"`
}

// Command is a line of the journal that may tell who did it.
type Command struct {
	At time.Time `json:"at"`
	// Source is the program that wrote it: sudo, systemd-logind, …
	Source string `json:"source"`
	User   string `json:"user,omitempty"`
	Text   string `json:"text"`
}
