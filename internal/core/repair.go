package core

import "slices"

// Repair is what keeper doctor --fix does about a finding. Nothing of it needs root,
// ends a session, stops a service or touches a file that a person wrote: what is to
// change in a unit is said by a drop-in of keeper's own.
type Repair struct {
	// What says it in one line, for whoever is asked.
	What  string       `json:"what"`
	Steps []RepairStep `json:"steps"`
}

// RepairStep is one step: a file to write, or a command to run. Steps are done in order,
// and the first that fails ends the repair.
type RepairStep struct {
	// Write is the absolute path of a file to write with Text as its content, mode 0644.
	// A file that is there and is not keeper's by its first line (RepairMark) is left
	// alone, and the repair fails.
	Write string `json:"write,omitempty"`
	Text  string `json:"text,omitempty"`
	// Copy is a file of keeper's own that Write becomes a copy of, in place of Text: it
	// must not be there, or be empty.
	Copy string `json:"copy,omitempty"`
	// Run is a command and its arguments; no shell reads it.
	Run []string `json:"run,omitempty"`
}

// RepairMark is the first line of each file that a repair writes.
const RepairMark = "# Written by keeper doctor --fix; keeper may write it again."

// DropIn is the step that writes the lines to the drop-in NAME of the Quadlet file or
// unit at source, beside it: SOURCE.d/NAME (podman-systemd.unit(5), systemd.unit(5)).
// Each finding has a NAME of its own, such as 50-keeper-restart.conf.
func DropIn(source, name string, lines ...string) RepairStep {
	text := RepairMark + "\n"
	for _, l := range lines {
		text += l + "\n"
	}
	return RepairStep{Write: source + ".d/" + name, Text: text}
}

// Reload is the step after files of units were written.
func Reload() RepairStep { return RepairStep{Run: []string{"systemctl", "--user", "daemon-reload"}} }

// Merge puts the repairs of all findings into one list of steps in their order. A step
// that is there more than once, a reload for example, is done once, at its last place.
func Merge(list []Finding) []RepairStep {
	var all []RepairStep
	for _, f := range list {
		if f.Repair != nil {
			all = append(all, f.Repair.Steps...)
		}
	}
	var steps []RepairStep
	for n, s := range all {
		again := slices.ContainsFunc(all[n+1:], func(t RepairStep) bool {
			return t.Write == s.Write && t.Text == s.Text && t.Copy == s.Copy && slices.Equal(t.Run, s.Run)
		})
		if !again {
			steps = append(steps, s)
		}
	}
	return steps
}
