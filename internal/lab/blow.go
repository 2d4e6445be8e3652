package lab

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Mode is what stands behind the stack when a blow falls.
type Mode string

// The modes, each the one before and something more.
const (
	// ModeLinger has linger and nothing else: the control.
	ModeLinger Mode = "linger"
	// ModeUser has keeper as install.sh puts it in without root.
	ModeUser Mode = "user"
	// ModeRoot has root's part as well: the armor and the revive.
	ModeRoot Mode = "root"
)

// Modes are all modes, in the order of the table's columns.
var Modes = []Mode{ModeLinger, ModeUser, ModeRoot}

// Outcome is what became of the stack.
type Outcome string

// The outcomes.
const (
	// Stays: nothing was interrupted. The same processes, and no failed request.
	Stays Outcome = "stays"
	// Back: it went down, or a part of it, and came back by itself.
	Back Outcome = "back"
	// StaysDown: it stayed down until somebody came.
	StaysDown Outcome = "down"
	// Off: the machine went off in time, and the stack was back after the next boot.
	Off Outcome = "off"
	// Reboots: the machine rebooted in time, and the stack came back with it.
	Reboots Outcome = "reboots"
	// None: the blow cannot be struck there.
	None Outcome = "n/a"
)

// Step is a part of a blow.
type Step func(ctx context.Context, s *Scene) error

// Blow is one way to take a rootless stack down, and what must become of it.
// Each is struck on a host of each mode while a client writes to the ledger.
// No blow may lose an acknowledged entry, in any mode.
type Blow struct {
	// ID names the blow for good; Name is for people.
	ID, Group, Name string

	// Linger, User and Root are what must happen in these modes.
	Linger, User, Root Outcome
	// Why says why it stays down in a mode with keeper, and Says is what
	// `keeper status` or `keeper doctor` had to say about that before.
	Why, Says string

	// Prepare is done before, in every mode, and Arm in those with keeper. Undo
	// is done at the end, whatever came.
	Prepare, Arm, Undo Step
	// Strike is the blow. It fails if it did not fall where the outcome would not
	// show that. With Times it falls so
	// often, Apart from each other.
	Strike Step
	Times  int
	Apart  time.Duration

	// Hits are the lives that end where the outcome is Back: services, and
	// user@ for the user manager. If nil, all do; else no other may, save those
	// that May names.
	Hits, May []string
	// Probe looks at what the blow takes away and /readyz does not show.
	Probe Step
	// Quiet: there is no failed request, whatever the outcome.
	Quiet bool
	// Orderly: the stack is stopped in order and started anew, and nothing is
	// waited for. With keeper it may take 1.10 of the time of a plain stop and
	// start.
	Orderly bool
	// Tells is what `keeper status` says afterwards, where all is not well then.
	Tells string

	// Patience is what a stop of the stack has to wait for besides the usual.
	Patience time.Duration
	// Watch is how long the stack is watched where nothing seems to happen;
	// Limit is how long it may take to come back, and WellWithin how long after
	// that `keeper status` may take to say that all is well. Zero is the usual.
	Watch, Limit, WellWithin time.Duration

	// Quick: `make test` strikes it.
	Quick bool
	// Disk: it is struck on hosts whose /home is a small disk of its own.
	Disk bool
	// Clock: it sets the clock of the machine that the lab runs on, and is
	// struck only when that is asked for.
	Clock bool
}

// Want returns what must happen in the mode.
func (b Blow) Want(m Mode) Outcome {
	switch m {
	case ModeUser:
		return b.User
	case ModeRoot:
		return b.Root
	}
	return b.Linger
}

// Groups are the groups of the table, in its order.
var Groups = []string{"session", "user", "manager", "runtime", "keeper", "host", "combined"}

// Blows returns the table: every way to die that keeper is measured by.
func Blows() []Blow {
	return slices.Concat(sessionBlows(), userBlows(), managerBlows(), runtimeBlows(), keeperBlows(), hostBlows(), shutdownBlows(), combinedBlows())
}

// Pick returns the blows of the table with one of the ids and of one of the
// groups; an empty list takes all. A name that the table does not have is an
// error.
func Pick(table []Blow, ids, groups []string) ([]Blow, error) {
	for _, g := range groups {
		if !slices.Contains(Groups, g) {
			return nil, fmt.Errorf("there is no group %q; the groups are %s", g, strings.Join(Groups, ", "))
		}
	}
	for _, id := range ids {
		if !slices.ContainsFunc(table, func(b Blow) bool { return b.ID == id }) {
			return nil, fmt.Errorf("there is no blow %q; keeper-lab killmatrix --list names them", id)
		}
	}
	var picked []Blow
	for _, b := range table {
		if (len(ids) == 0 || slices.Contains(ids, b.ID)) && (len(groups) == 0 || slices.Contains(groups, b.Group)) {
			picked = append(picked, b)
		}
	}
	return picked, nil
}

// ParseModes returns the modes of that name, all of them for none.
func ParseModes(names []string) ([]Mode, error) {
	var modes []Mode
	for _, n := range names {
		if !slices.Contains(Modes, Mode(n)) {
			return nil, fmt.Errorf("there is no mode %q; the modes are linger, user and root", n)
		}
		modes = append(modes, Mode(n))
	}
	if len(modes) == 0 {
		return Modes, nil
	}
	return modes, nil
}

// Scene is one blow on one host, and what was set up for it.
type Scene struct {
	*Host
	Mode Mode
	// Want is what must become of the stack.
	Want Outcome
	// Binary is the keeper program that is installed.
	Binary string

	// sure: commands have to succeed, for the outcome shows that of one alone.
	sure     bool
	sessions []*Session
	undo     []func(context.Context) error
}

// land strikes as often as the blow says, and returns when the last one fell.
func (b Blow) land(ctx context.Context, s *Scene) (time.Time, error) {
	s.sure = b.Times > 1 && s.Want == Back
	for i := 1; ; i++ {
		at := time.Now()
		if err := b.Strike(ctx, s); err != nil || i >= b.Times {
			return at, err
		}
		if err := pause(ctx, b.Apart); err != nil {
			return at, err
		}
	}
}

// whole asks /readyz and, where the blow has one, the probe.
func (b Blow) whole(s *Scene) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := s.readyNow(ctx); err != nil || b.Probe == nil {
			return err
		}
		return b.Probe(ctx, s)
	}
}
