// Package guard judges a shell command line before it runs: would it end a session,
// the machine, the stack or its data? It parses the line, takes off whatever wraps a
// program (pipes, sudo, bash -c, ssh, podman exec, ...), works out what can be known
// of its variables, and asks the rules about each program that is left.
//
// It computes, and does nothing else: what the host is like comes in as a Host.
package guard

import "time"

// Decision is what is to become of a command, from the mildest to the strictest.
type Decision int

// The decisions.
const (
	// None is no opinion: the command touches nothing that is guarded.
	None Decision = iota
	// Allow says that a rule would have stopped it, and settings or a person let it pass.
	Allow
	// Ask says that a person is to decide.
	Ask
	// Deny says that it must not run.
	Deny
)

var decisions = [...]string{"none", "allow", "ask", "deny"}

// String is the word for it: none, allow, ask or deny.
func (d Decision) String() string { return decisions[d] }

// MarshalText makes it that word in JSON.
func (d Decision) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// ParseDecision returns the decision of a word.
func ParseDecision(word string) (Decision, bool) {
	for d, w := range decisions {
		if w == word {
			return Decision(d), true
		}
	}
	return None, false
}

// Class is the family of a rule, and the first part of its id.
type Class string

// The classes.
const (
	Session Class = "session" // ends a session, the user manager or the account
	Machine Class = "machine" // ends the machine, or its disks
	Stack   Class = "stack"   // ends kept services, or what they run on
	Keeper  Class = "keeper"  // takes the protection away
	Files   Class = "files"   // takes away files that all of it rests on
	Data    Class = "data"    // takes away what the services keep
	Source  Class = "source"  // takes away what was committed
	Guard   Class = "guard"   // what the guard itself cannot know
	Custom  Class = "custom"  // of somebody's settings
)

// Rule is one thing that is guarded.
type Rule struct {
	// ID is CLASS.NAME.
	ID    string `json:"id"`
	Class Class  `json:"class"`
	// Decision is what becomes of a command that it is about, where the settings say
	// nothing else.
	Decision Decision `json:"decision"`
	// What says in a few words what it is about, Reason what would happen, Safer what
	// to do in its place.
	What   string `json:"what"`
	Reason string `json:"reason"`
	Safer  string `json:"safer"`
}

// Finding is a rule that a command ran into.
type Finding struct {
	Rule
	// Command is the program with its words, as it would run when all around it is
	// taken off; an ellipsis stands for what cannot be known.
	Command string `json:"command"`
	// Through is what was taken off, from the outside in.
	Through []string `json:"through,omitempty"`
	// Detail says what of it, of this host: "postgres is kept".
	Detail string `json:"detail,omitempty"`
	// Unsure says that it depends on something that cannot be known.
	Unsure bool `json:"unsure,omitempty"`
	// Settled says whose settings, or which person, changed the decision of the rule.
	Settled string `json:"settled,omitempty"`
}

// Verdict is what the guard says of a command line.
type Verdict struct {
	Decision Decision `json:"decision"`
	// Findings has the strictest first.
	Findings []Finding `json:"findings,omitempty"`
	// Watched is what it would have been, where the settings have the guard watch only.
	Watched Decision `json:"watched,omitempty"`
	// Passed is who let it through, once, where the decision is Allow by a pass.
	Passed string `json:"passed,omitempty"`
	// Failed says why the line could not be judged, and was looked through for
	// dangerous words instead.
	Failed string `json:"failed,omitempty"`
	// Steps are all programs that were found, for those who ask how it was read.
	Steps []Step `json:"-"`
}

// Step is one program that a line runs.
type Step struct {
	Command string   `json:"command"`
	Through []string `json:"through,omitempty"`
	// Place is "" for this host, or says where: "ssh db1", "in postgres".
	Place string `json:"place,omitempty"`
	// Rules are the ids that it ran into.
	Rules []string `json:"rules,omitempty"`
}

// Host is what the guard has to know of a host and its stack. All names are as the
// programs take them.
type Host struct {
	UID        int
	User, Home string
	// Dir is the working directory of the command, "" if it is not known.
	Dir string
	// Runtime is $XDG_RUNTIME_DIR.
	Runtime string

	// Units are the kept services, "postgres.service". In these and in Containers, a *
	// stands for the instance of a template: "job@*.service", "systemd-job_*".
	Units []string
	// Containers, Volumes, Networks and Pods are those that Quadlets make.
	Containers, Volumes, Networks, Pods []string
	// Ports are those that kept containers publish.
	Ports []int
	// Partial says that not all of that could be read: what is in none of the lists may
	// be kept all the same. Each of them has a "*" then.
	Partial bool
	// Mounts are what is mounted in a kept container, by its name.
	Mounts map[string][]Mount
	// Places are the files and directories that are guarded, absolute and clean.
	Places []Place

	// Read returns the text of a file of this host, or false: too big, none, or not
	// to be read. Nil is never.
	Read func(path string) (string, bool)
	// Resolve follows the symbolic links of an absolute path as far as it exists. Nil
	// leaves it as it is.
	Resolve func(path string) string
	// Now is the time by which passes expire.
	Now time.Time
}

// Mount is a place in a container.
type Mount struct {
	// Source is the name of a volume, or an absolute path of the host.
	Source string
	// Inside is where the container has it.
	Inside string
}

// Place is a file or directory that is guarded.
type Place struct {
	Path string
	// Rule is the id of the rule: files.quadlet, files.storage, files.runtime,
	// files.home, files.protected, keeper.files, keeper.hook.
	Rule string
	// Within says that everything below it is guarded too. Otherwise it is itself,
	// and what it would take along: its directories.
	Within bool
	// Written says that it may not be written to, and is not only not to be taken
	// away: Write, Edit, sed -i, a redirect.
	Written bool
	// What says what it is: "Quadlet of postgres.service".
	What string
}
