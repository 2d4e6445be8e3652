package core

import (
	"fmt"
	"time"
)

// Guard is how the command guard stands, as keeper-guard status --json has it.
type Guard struct {
	// Mode is what the settings make of its verdicts: enforce, ask, watch or off.
	Mode   string         `json:"mode"`
	Agents []GuardedAgent `json:"agents"`
	// Refused is how many commands were refused or asked about in the last day, Last
	// the last of them.
	Refused int           `json:"refused"`
	Last    *GuardVerdict `json:"last,omitempty"`
	// Mistakes are in the settings, or in what the guard goes by.
	Mistakes []string `json:"mistakes,omitempty"`
}

// GuardedAgent is an agent, and whether the guard stands before it.
type GuardedAgent struct {
	Name  string     `json:"name"`
	Title string     `json:"title"`
	State GuardState `json:"state"`
	// Where is the file of settings that the hook is in, Why what is wrong.
	Where string `json:"where,omitempty"`
	Why   string `json:"why,omitempty"`
	// Judged is when the guard last judged for it.
	Judged time.Time `json:"judged,omitzero"`
	// Loose is what its settings open wide.
	Loose []string `json:"loose,omitempty"`
}

// GuardState is how the guard stands before an agent.
type GuardState string

// The states of the guard before an agent.
const (
	GuardOn     GuardState = "on"
	GuardBroken GuardState = "broken" // it is in the settings, and cannot work
	GuardOff    GuardState = "off"    // the agent is used here, and has no guard
	GuardAbsent GuardState = "absent" // nothing says that the agent is used here
)

// GuardVerdict is a command that was not let through.
type GuardVerdict struct {
	At      time.Time `json:"at"`
	Agent   string    `json:"agent"`
	Rule    string    `json:"rule"`
	Command string    `json:"command"`
}

// guard says whether the guard stands before each agent that is used here.
func (d *diagnosis) guard(h Health) {
	if h.Guard == nil {
		return
	}
	for _, m := range h.Guard.Mistakes {
		d.add("guard-settings", Warn, m, "the guard is as strict as without that", "mend the file; keeper config check looks at it")
	}
	for _, a := range h.Guard.Agents {
		switch a.State {
		case GuardOn:
			judged := "it was not asked yet"
			if !a.Judged.IsZero() {
				judged = "last asked " + a.Judged.Local().Format("2006-01-02 15:04:05")
			}
			if h.Guard.Mode == "watch" || h.Guard.Mode == "off" {
				d.add("guard", Warn, fmt.Sprintf("the guard before %s only watches (mode %s)", a.Title, h.Guard.Mode), "a deadly command is let through", `keeper.toml: [guard] mode = "enforce"`)
				break
			}
			d.add("guard", Good, fmt.Sprintf("the guard stands before %s; %s", a.Title, judged), "", "")
		case GuardBroken:
			d.add("guard", Bad, fmt.Sprintf("the guard before %s does not hold: %s", a.Title, a.Why), "what the agent runs is refused as a whole, or judged by nobody", "keeper guard install "+a.Name+" && keeper guard test "+a.Name)
		case GuardOff:
			d.add("guard", Warn, a.Title+" is used here, and no guard stands before it", "one command of its can end the stack or its data", "keeper guard install "+a.Name)
		}
		for _, l := range a.Loose {
			d.add("guard-loose", Warn, a.Title+": "+l, "what it may run without asking includes what ends a session", "narrow it in the agent's settings")
		}
	}
}
