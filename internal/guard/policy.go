package guard

import "time"

// Mode is what the guard does with its verdicts.
type Mode string

// The modes, from the strictest.
const (
	// Enforce is what it says.
	Enforce Mode = "enforce"
	// AskOnly asks where it would deny.
	AskOnly Mode = "ask"
	// Watch lets everything pass, and notes what it would have said.
	Watch Mode = "watch"
	// Off has no opinion.
	Off Mode = "off"
)

// Settings are one file's [guard].
type Settings struct {
	// Mode is "" where the file says nothing.
	Mode Mode
	// Rules has a decision for a rule by its id, or for a class: "stack".
	Rules map[string]Decision
	// Allow are commands that may pass; Deny and Ask such that may not.
	Allow, Ask, Deny []Pattern
	// Protect are paths that must stay, Keep names of containers and units.
	Protect, Keep []string
	// Overrides is false where no person may let a command pass: "never".
	NoOverrides bool
}

// Pattern is about commands, as they are when all around them is taken off.
type Pattern struct {
	// Words are matched one by one: * and ? as in a shell, and ** as the last word is
	// any number of words.
	Words []string
	// Reason and Safer are what is said; Name is how the rule is called: custom.NAME.
	Name, Reason, Safer string
}

// Policy is all settings. What Site says, User cannot weaken.
type Policy struct {
	Site, User Settings
	// Passes are the commands that a person let through.
	Passes []Pass
}

// Pass lets one command line through, once.
type Pass struct {
	Line    string    `json:"line"`
	Expires time.Time `json:"expires"`
	// By is who gave it.
	By string `json:"by"`
}
