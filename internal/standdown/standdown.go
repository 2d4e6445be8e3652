// Package standdown reads what forbids keeper to act: the administrator's mark,
// the state of the account, and the pause. It needs no daemon, so that
// `keeper rearm` and a person can ask it at any time.
package standdown

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"

	"keeper/internal/atomicfile"
	"keeper/internal/core"
)

// Marks are the places to look at, for one account.
type Marks struct {
	UID uint32
	// StateDir holds the pause, MarkDir the administrator's marks.
	StateDir, MarkDir string
	// Run runs a program and returns its standard output; nil means to run it
	// for real.
	Run func(ctx context.Context, name string, args ...string) (string, error)
	// Outside runs chage(1) and passwd(1), which are set-uid, for one who has
	// NoNewPrivileges (the daemon), and returns what they print; with ErrNotAsked what they
	// printed the last time. Without it they are run as any other.
	Outside func(ctx context.Context, argv []string) (string, error)
}

// ErrNotAsked says that a program was not run.
var ErrNotAsked = errors.New("it cannot be asked now")

// pauseFile is pause.json.
type pauseFile struct {
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until,omitzero"`
	Reason string    `json:"reason,omitempty"`
}

func (m Marks) pausePath() string { return filepath.Join(m.StateDir, "pause.json") }

// MarkPath is the administrator's mark for the account.
func (m Marks) MarkPath() string {
	return filepath.Join(m.MarkDir, strconv.FormatUint(uint64(m.UID), 10))
}

// Read returns the strongest reason to stand down, or none. What cannot be
// read counts as a reason where a person put it there, and as none where only
// the system would know.
func (m Marks) Read(ctx context.Context, now time.Time) core.StandDown {
	if _, err := os.Lstat(m.MarkPath()); err == nil || !isNotExist(err) {
		return core.StandDown{Cause: core.CauseMark, Detail: "the administrator put the mark " + m.MarkPath() + " there"}
	}
	s := m.account(ctx, now)
	if s.InForce() {
		return s
	}
	p := m.pause(now)
	p.Unasked = s.Unasked
	return p
}

func (m Marks) pause(now time.Time) core.StandDown {
	data, err := os.ReadFile(m.pausePath())
	if isNotExist(err) {
		return core.StandDown{}
	}
	var p pauseFile
	if err == nil {
		err = json.Unmarshal(data, &p)
	}
	if err != nil {
		return core.StandDown{Cause: core.CausePaused,
			Detail: fmt.Sprintf("paused, until when cannot be read from %s (%v); to end it: keeper resume", m.pausePath(), err)}
	}
	s := core.StandDown{Cause: core.CausePaused, Until: p.Until,
		Detail: "paused since " + p.Since.Format(time.DateTime)}
	if !p.Until.IsZero() {
		if !now.Before(p.Until) {
			return core.StandDown{}
		}
		s.Detail += " until " + p.Until.Format(time.DateTime)
	}
	if p.Reason != "" {
		s.Detail += ": " + printable(p.Reason)
	}
	return s
}

// printable keeps what a person wrote from moving the cursor of another's
// terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}

// Pause makes keeper stand down for d, or until Resume if d is 0.
func (m Marks) Pause(now time.Time, d time.Duration, reason string) (core.StandDown, error) {
	p := pauseFile{Since: now.Truncate(time.Second), Reason: reason}
	if d > 0 {
		p.Until = now.Add(d).Truncate(time.Second)
	}
	if err := atomicfile.WriteJSON(m.pausePath(), p); err != nil {
		return core.StandDown{}, fmt.Errorf("cannot pause: %w", err)
	}
	return m.pause(now), nil
}

// Resume ends a pause. It returns false if there was none.
func (m Marks) Resume() (bool, error) {
	err := os.Remove(m.pausePath())
	if isNotExist(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("cannot resume: %w", err)
	}
	return true, nil
}

// isNotExist also holds where a parent is no directory.
func isNotExist(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}
