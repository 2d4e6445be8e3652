package core

import "time"

// EntryKind is what a line of the history is about.
type EntryKind string

// The kinds of entries.
const (
	EntryKeeper   EntryKind = "keeper"   // the daemon began or ended
	EntrySession  EntryKind = "session"  // a login session was opened or removed
	EntrySignal   EntryKind = "signal"   // of logind's and the user manager's: shutdown, sleep, gone, back
	EntryUnit     EntryKind = "unit"     // a unit entered another state
	EntryProbe    EntryKind = "probe"    // a probe found something else than before
	EntryDecision EntryKind = "decision" // keeper decided something
	EntryIncident EntryKind = "incident" // an incident was opened, changed or closed
	EntryAlert    EntryKind = "alert"    // an alert was sent, or could not be
	EntryCommand  EntryKind = "command"  // a command that the journal tells of
	EntryDrill    EntryKind = "drill"    // a drill began or ended
	EntryGuard    EntryKind = "guard"    // a verdict of the command guard
	EntryTrouble  EntryKind = "trouble"  // of the history itself: something could not be kept
)

// Entry is one line of the history. The zero value of a field says nothing.
type Entry struct {
	At   time.Time `json:"at"`
	Kind EntryKind `json:"kind"`
	// Unit is what it is about, Pulse how that is from now on.
	Unit  string `json:"unit,omitempty"`
	Pulse Pulse  `json:"pulse,omitempty"`
	// What is a line for a person, Why the reason.
	What string `json:"what"`
	Why  string `json:"why,omitempty"`
	// Blow says that it is something that hit the stack, and no consequence of it.
	Blow bool `json:"blow,omitempty"`
	// Action is that of a decision, and Units what it is about.
	Action Kind     `json:"action,omitempty"`
	Units  []string `json:"units,omitempty"`
	// Session and Command are given for such an entry, Incident and Drill whole at
	// each change of them: the last one counts.
	Session  *Session  `json:"session,omitempty"`
	Command  *Command  `json:"command,omitempty"`
	Incident *Incident `json:"incident,omitempty"`
	Drill    *Drill    `json:"drill,omitempty"`
	// Guard is what the command guard said of a command.
	Guard *Judged `json:"guard,omitempty"`
}

// Judged is a verdict of the command guard, or what became of a pass.
type Judged struct {
	// Decision is deny, ask or allow; or granted, used or refused of a pass.
	Decision string `json:"decision"`
	// Watched is what it would have been, were the guard not to watch only.
	Watched string `json:"watched,omitempty"`
	// Rule is the id of the rule that decided it.
	Rule string `json:"rule,omitempty"`
	// Line is the command line, without its secrets, Agent who wanted to run it, and
	// Dir where.
	Line  string `json:"line"`
	Agent string `json:"agent,omitempty"`
	Dir   string `json:"dir,omitempty"`
}
