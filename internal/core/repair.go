package core

import (
	"slices"
	"strings"
	"unicode"
)

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
	// must not be there, or be empty. Mode 0600: it may have secrets in it.
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
		// A name with a line break in it must not become a line of its own.
		text += strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return ' '
			}
			return r
		}, l) + "\n"
	}
	return RepairStep{Write: source + ".d/" + name, Text: text}
}

// Reload is the step after files of units were written.
func Reload() RepairStep { return RepairStep{Run: []string{"systemctl", "--user", "daemon-reload"}} }

// Merge puts the repairs of all findings into one list of steps. A step that several of
// them have, a reload for example, is in it once: after all that comes before it in any of
// them, and before all that comes after it.
func Merge(list []Finding) []RepairStep {
	var queues [][]RepairStep
	for _, f := range list {
		if f.Repair == nil {
			continue
		}
		var q []RepairStep
		for n, s := range f.Repair.Steps {
			if !s.In(f.Repair.Steps[n+1:]) { // its last place
				q = append(q, s)
			}
		}
		if len(q) > 0 {
			queues = append(queues, q)
		}
	}
	var steps []RepairStep
	for len(queues) > 0 {
		next := queues[0][0] // where two want the opposite order of each other
		for _, q := range queues {
			// Nobody who wants it has something to do before.
			if !slices.ContainsFunc(queues, func(other []RepairStep) bool { return q[0].In(other[1:]) }) {
				next = q[0]
				break
			}
		}
		steps = append(steps, next)
		for n, q := range queues {
			queues[n] = slices.DeleteFunc(q, next.Same)
		}
		queues = slices.DeleteFunc(queues, func(q []RepairStep) bool { return len(q) == 0 })
	}
	return steps
}

// Same says whether the other does the very same.
func (s RepairStep) Same(t RepairStep) bool {
	return t.Write == s.Write && t.Text == s.Text && t.Copy == s.Copy && slices.Equal(t.Run, s.Run)
}

// In says whether the step is among these.
func (s RepairStep) In(steps []RepairStep) bool { return slices.ContainsFunc(steps, s.Same) }

// Starts says whether the repair may start something. Of commands that is believed unless
// it is known better.
func (r Repair) Starts() bool {
	return slices.ContainsFunc(r.Steps, func(s RepairStep) bool {
		if len(s.Run) == 0 {
			return false
		}
		if len(s.Run) < 3 || s.Run[0] != "systemctl" || s.Run[1] != "--user" || slices.Contains(s.Run, "--now") {
			return true
		}
		return !slices.Contains([]string{"daemon-reload", "enable", "reset-failed"}, s.Run[2])
	})
}

// Mendable parts the findings that have a repair into those that are to be mended now and
// those whose repair starts something, which waits until keeper no longer stands down.
func Mendable(list []Finding, standsDown bool) (now, later []Finding) {
	for _, f := range list {
		switch {
		case f.Repair == nil || len(f.Repair.Steps) == 0:
		case standsDown && f.Repair.Starts():
			later = append(later, f)
		default:
			now = append(now, f)
		}
	}
	return now, later
}
