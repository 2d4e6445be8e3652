// Package agents knows the agents that the command guard stands before: what each
// says to a hook, what it wants to hear, and where its settings are. It computes:
// whoever calls it reads the input and writes the files.
//
// None of the agents can be run where this was written. What is said here of each is
// what its documentation says, and where that was silent, its source;
// docs/reference/guard-agents.md has both, and what is uncertain.
package agents

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Agent is one agent's contract.
type Agent struct {
	// Name is what keeper calls it, Title what its makers do.
	Name, Title string

	// event is the event before a tool is used, by the name in the settings.
	event string
	// flat says that an event has its hooks without groups around them.
	flat bool
	// comments says that the settings may have some.
	comments bool
	// asks says that a hook may have a person asked.
	asks bool
	// closed says that a hook that cannot be run, or is killed, is a refusal.
	closed bool

	// hook is the entry that goes into the settings.
	hook func(command string) any
	// say is what the agent reads as this decision: allow, ask or deny.
	say func(decision, reason string) any
	// hear is what the agent makes of an answer: whether it refuses, and why.
	hear func(stdout, stderr string, code int) (refused bool, reason string)
	// files are its files.
	files func(home string, getenv func(string) string, system bool) (Files, error)
	// send is what it sends for a command line.
	send func(line, dir string) any
	// loose says what a file of its settings opens wide.
	loose func(file string, text []byte) []string
}

// Files are where an agent looks.
type Files struct {
	// Settings is the file that the hook goes into.
	Settings string
	// Memory is the file of instructions that the agent always reads, "" if there is
	// none.
	Memory string
	// Watch are further files that Loose understands.
	Watch []string
	// Note says what a person has to do after the hook went in, or has to know.
	Note string
}

// All are the agents, in the order in which they are shown.
func All() []Agent { return []Agent{claude(), gemini(), copilot(), codex()} }

// Names are their names.
func Names() []string { return []string{"claude", "gemini", "copilot", "codex"} }

// Of returns the agent of a name.
func Of(name string) (Agent, bool) {
	switch name {
	case "claude":
		return claude(), true
	case "gemini":
		return gemini(), true
	case "copilot":
		return copilot(), true
	case "codex":
		return codex(), true
	}
	return Agent{}, false
}

// Program is the base name of the program that a hook runs.
const Program = "keeper-guard"

// TestSession is what Sample calls the session, so that a test is known for one.
const TestSession = "keeper-guard-test"

// Command is the command line of the hook, for the settings. Agents give it to a
// shell.
func (a Agent) Command(program string) (string, error) {
	if !filepath.IsAbs(program) || strings.ContainsFunc(program, unsafe) {
		return "", fmt.Errorf("cannot have %s run %q: a hook needs an absolute path without quotes, $, ` and \\, which every shell takes alike; put %s in another directory",
			a.Title, program, Program)
	}
	line := `"` + program + `" hook ` + a.Name
	if a.closed {
		return line, nil
	}
	// A program that is not there, or was killed, is an error that stops nothing: only
	// exit code 2 does, and for Codex only with a word on standard error.
	return line + ` || { echo "` + Program + ` did not judge this: see keeper doctor" >&2; exit 2; }`, nil
}

func unsafe(r rune) bool {
	return r < ' ' || r == 0x7f || strings.ContainsRune("\"'`$\\!", r)
}

// ours says that a hook's command line runs the guard for this agent.
func (a Agent) ours(command string) bool {
	_, rest, found := strings.Cut(command, Program)
	if !found {
		return false
	}
	fields := strings.Fields(strings.TrimLeft(rest, `"'`))
	return len(fields) > 1 && fields[0] == "hook" && fields[1] == a.Name
}

// Files are the agent's files of the account with this home, or with system those of
// root, for all accounts of the host.
func (a Agent) Files(home string, getenv func(string) string, system bool) (Files, error) {
	if !system && !filepath.IsAbs(home) {
		return Files{}, fmt.Errorf("cannot tell where %s has its settings: the home %q is no absolute path", a.Title, home)
	}
	return a.files(home, getenv, system)
}

// at is the directory that a variable names, or another one. Relative ones are not
// followed: what they mean depends on where the agent is started.
func at(getenv func(string) string, variable, otherwise string) string {
	if dir := getenv(variable); filepath.IsAbs(dir) {
		return filepath.Clean(dir)
	}
	return otherwise
}
