// Package history keeps on disk what keeper did and why, so that it can be
// read without the daemon. Each file has one writer.
package history

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"keeper/internal/atomicfile"
	"keeper/internal/core"
)

// Store is the directory of the history.
type Store struct{ Dir string }

// How many of each are kept.
const (
	maxRearms    = 50
	maxSurvivals = 50
	maxDecisions = 100
)

// State is what the daemon keeps: state.json.
type State struct {
	Survivals []core.Survival `json:"survivals"`
	Decisions []core.Decision `json:"decisions"`
	// Survived is how many survivals there were, those that are not kept any more
	// included.
	Survived uint64 `json:"survived,omitempty"`
	// Status is the last status that the daemon knew, as it served it.
	Status json.RawMessage `json:"status,omitempty"`
	// Units are what it saw last, in the life Life, at the time Seen.
	Units []core.Unit `json:"units,omitempty"`
	Life  core.Life   `json:"life,omitzero"`
	Seen  time.Time   `json:"seen,omitzero"`
	// Ended and EndedAt are when the daemon was told to end, on CLOCK_MONOTONIC
	// and by the wall clock; zero while it runs. Shutdown says that the machine
	// was going down.
	Ended    time.Duration `json:"ended,omitempty"`
	EndedAt  time.Time     `json:"ended_at,omitzero"`
	Shutdown bool          `json:"shutdown,omitempty"`
	// Began is what the daemon found at its start, while not all of that is back,
	// and Owed what it is bringing back, with the reason.
	Began *core.Began       `json:"began,omitempty"`
	Owed  map[string]string `json:"owed,omitempty"`
	// Cares is what was done about ill services, and counts against their budgets.
	Cares map[string]core.Care `json:"cares,omitempty"`
	// Incidents are those that are open, and what is to be remembered of others.
	Incidents core.Incidents `json:"incidents,omitzero"`
}

func (s Store) rearmsPath() string { return filepath.Join(s.Dir, "rearm.json") }
func (s Store) statePath() string  { return filepath.Join(s.Dir, "state.json") }

// Rearms returns the records of `keeper rearm`, oldest first. A file that is
// missing is an empty history; one that cannot be read is an error.
func (s Store) Rearms() ([]core.Rearm, error) {
	var r []core.Rearm
	err := read(s.rearmsPath(), &r)
	return r, err
}

// AddRearm appends a record. A history that cannot be read is set aside first.
func (s Store) AddRearm(r core.Rearm) error {
	all, err := s.Rearms()
	if err != nil {
		err = setAside(s.rearmsPath(), err, r.At)
		all = nil
	}
	all = last(append(all, r), maxRearms)
	return errors.Join(err, atomicfile.WriteJSON(s.rearmsPath(), all))
}

// Forgive makes the rearms so far not count against the budget, by removing
// their records.
func (s Store) Forgive() error {
	err := os.Remove(s.rearmsPath())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// Load returns what the daemon kept. If it cannot be read, it is set aside and
// the history begins anew; the error says so.
func (s Store) Load(now time.Time) (State, error) {
	st, err := s.Peek()
	if err != nil {
		return State{}, setAside(s.statePath(), err, now)
	}
	return st, nil
}

// Peek returns what the daemon kept and changes nothing.
func (s Store) Peek() (State, error) {
	var st State
	err := read(s.statePath(), &st)
	return st, err
}

// Save replaces what the daemon keeps, bounded to the newest.
func (s Store) Save(st State) error {
	st.Survivals = last(st.Survivals, maxSurvivals)
	st.Decisions = last(st.Decisions, maxDecisions)
	return atomicfile.WriteJSON(s.statePath(), st)
}

func last[T any](list []T, n int) []T {
	if len(list) > n {
		return list[len(list)-n:]
	}
	return list
}

func read(path string, v any) error {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%s is damaged: %w", path, err)
	}
	return nil
}

// setAside renames a damaged file and returns the error with that added.
func setAside(path string, err error, now time.Time) error {
	to := fmt.Sprintf("%s.damaged-%s", path, now.UTC().Format("20060102T150405"))
	if rerr := os.Rename(path, to); rerr != nil {
		return errors.Join(err, rerr)
	}
	return fmt.Errorf("%w; it was set aside as %s and a new one begun", err, to)
}
