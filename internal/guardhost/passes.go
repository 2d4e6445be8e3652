package guardhost

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"keeper/internal/atomicfile"
	"keeper/internal/core"
	"keeper/internal/guard"
)

// passesDir is where passes are, below the runtime directory: they do not outlive the
// session, and nobody else reads them.
const passesDir = "keeper/guard"

// Bounds of passes.
const (
	mostPasses  = 50
	mostPass    = 64 << 10 // of a command line
	longestPass = time.Hour
	passSuffix  = ".pass"
)

// ErrForbidden is that no person may let a command pass on this host.
var ErrForbidden = errors.New("the settings forbid that a person lets a command pass (overrides)")

// ErrNoPass is that there is no pass for a line, or not any more.
var ErrNoPass = errors.New("there is no pass for it, or somebody used it already")

func (a Account) passesDir() string { return filepath.Join(a.Paths.Runtime, passesDir) }

// passPath is the file of a line. Its name says nothing of it.
func (a Account) passPath(line string) string {
	sum := sha256.Sum256([]byte(line))
	return filepath.Join(a.passesDir(), hex.EncodeToString(sum[:])+passSuffix)
}

// Grant lets a line through once, within the time. by is who says so.
func (a Account) Grant(line string, within time.Duration, by string, now time.Time) error {
	switch p, _ := a.policy(now); {
	case p.Site.NoOverrides || p.User.NoOverrides:
		return errors.Join(ErrForbidden, a.notePass("refused", line, by, "no person may let a command pass", now))
	case strings.TrimSpace(line) == "" || len(line) > mostPass:
		return fmt.Errorf("cannot let it pass: a command must not be empty, nor longer than %d bytes", mostPass)
	case within <= 0 || within > longestPass:
		return fmt.Errorf("cannot let it pass: the time must not be longer than %s", core.Span(longestPass))
	}
	dir := a.passesDir()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("cannot let it pass: %w", err)
	}
	a.sweep(now)
	if list, err := os.ReadDir(dir); err != nil || len(list) >= mostPasses {
		return errors.Join(fmt.Errorf("cannot let it pass: there are %d others already", len(list)), err)
	}
	data, err := json.Marshal(guard.Pass{Line: line, Expires: now.Add(within), By: oneLine(by, mostShown)})
	if err == nil {
		err = atomicfile.Replace(a.passPath(line), data, 0o600)
	}
	if err != nil {
		return fmt.Errorf("cannot let it pass: %w", err)
	}
	if err := a.notePass("granted", line, by, "until "+now.Add(within).Format(time.TimeOnly), now); err != nil {
		return errors.Join(fmt.Errorf("cannot let it pass: %w", err), os.Remove(a.passPath(line)))
	}
	return nil
}

// passes are those that are good still.
func (a Account) passes(now time.Time) []guard.Pass {
	dir := a.passesDir()
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var list []guard.Pass
	for _, e := range entries[:min(len(entries), 2*mostPasses)] {
		if !strings.HasSuffix(e.Name(), passSuffix) {
			continue
		}
		if p, err := a.readPass(filepath.Join(dir, e.Name())); err == nil && now.Before(p.Expires) && p.Expires.Sub(now) <= longestPass {
			list = append(list, p)
		}
	}
	return list
}

// readPass reads a pass. One that somebody else could have written is none.
func (a Account) readPass(path string) (p guard.Pass, err error) {
	var st syscall.Stat_t
	if err := syscall.Lstat(path, &st); err != nil {
		return p, err
	}
	if st.Mode&syscall.S_IFMT != syscall.S_IFREG || int(st.Uid) != a.UID || st.Mode&0o077 != 0 {
		return p, fmt.Errorf("%s is not the account's alone", path)
	}
	text, err := readFile(path, 8*mostPass)
	if err == nil {
		err = json.Unmarshal([]byte(text), &p)
	}
	return p, err
}

// Use takes the pass of a line away, for the line is about to run. Of several processes
// that want it, one gets it, and the others ErrNoPass. After any error the line must not
// run: what passes without a trace is no exception but a hole.
func (a Account) Use(line, agent string, now time.Time) error {
	// Of several renames of a file one finds it.
	from := a.passPath(line)
	mine := filepath.Join(a.passesDir(), fmt.Sprintf(".used-%d-%s", os.Getpid(), filepath.Base(from)))
	err := os.Rename(from, mine)
	if missing(err) {
		return errors.Join(ErrNoPass, a.notePass("refused", line, agent, "it was used already", now))
	}
	if err != nil {
		return fmt.Errorf("cannot use a pass: %w", err)
	}
	p, err := a.readPass(mine)
	if rerr := os.Remove(mine); rerr != nil {
		return fmt.Errorf("cannot use a pass: %w", rerr)
	}
	if err != nil || p.Line != line || !now.Before(p.Expires) || p.Expires.Sub(now) > longestPass {
		return errors.Join(ErrNoPass, err, a.notePass("refused", line, agent, "it is good no more", now))
	}
	return a.notePass("used", line, agent, p.By+" let it pass", now)
}

// sweep removes what is good no more.
func (a Account) sweep(now time.Time) {
	entries, _ := os.ReadDir(a.passesDir())
	for _, e := range entries {
		path := filepath.Join(a.passesDir(), e.Name())
		if p, err := a.readPass(path); err != nil || !now.Before(p.Expires) {
			_ = os.Remove(path)
		}
	}
}

// notePass notes what became of a pass.
func (a Account) notePass(what, line, who, why string, now time.Time) error {
	j := core.Judged{Decision: what, Line: oneLine(line, mostLine)}
	return a.note(core.Entry{Kind: core.EntryGuard, Guard: &j, What: "a pass was " + what + ": " + oneLine(line, mostShown), Why: oneLine(join("; ", why, who), mostLine)}, now)
}
