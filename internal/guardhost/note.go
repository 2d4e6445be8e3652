package guardhost

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unicode"

	"keeper/internal/core"
	"keeper/internal/guard"
	"keeper/internal/history"
	"keeper/internal/redact"
)

// mostLine bounds a command line in the history, mostShown in the line for a person.
const (
	mostLine  = 2000
	mostShown = 200
)

func (a Account) store() history.Store { return history.Store{Dir: a.Paths.State} }

// Note keeps what the guard said of a line that an agent wanted to run in dir: each
// verdict in the history, and in any case that it judged. What fails changes no verdict.
func (a Account) Note(v guard.Verdict, line, agent, dir string, now time.Time) error {
	err := a.stamp(agent, now)
	if v.Decision == guard.None {
		return err
	}
	j := core.Judged{Decision: v.Decision.String(), Line: oneLine(line, mostLine), Agent: agentName(agent), Dir: oneLine(dir, mostShown)}
	if v.Watched != guard.None {
		j.Watched = v.Watched.String()
	}
	e := core.Entry{Kind: core.EntryGuard, Guard: &j}
	what, shown := map[guard.Decision]string{guard.Deny: "refused", guard.Ask: "asked about", guard.Allow: "let through"}[v.Decision], line
	if len(v.Findings) > 0 {
		f := v.Findings[0]
		j.Rule, e.Why, shown = f.ID, f.Reason, f.Command
		if f.Settled != "" && v.Decision == guard.Allow {
			e.Why = f.Settled
		}
	}
	switch {
	case v.Watched != guard.None && v.Decision == guard.Allow:
		what = "only watches, and let through"
	case v.Passed != "":
		e.Why = v.Passed + " let it pass, once"
	case v.Failed != "":
		e.Why = join("; ", e.Why, v.Failed)
	}
	e.What = "the guard " + what + ": " + oneLine(shown, mostShown)
	e.Why = oneLine(join("; ", join(": ", j.Rule, e.Why), by(j)), mostLine)
	return errors.Join(err, a.note(e, now))
}

func join(sep string, parts ...string) string {
	var list []string
	for _, p := range parts {
		if p != "" {
			list = append(list, p)
		}
	}
	return strings.Join(list, sep)
}

// by is who wanted to run it, and where.
func by(j core.Judged) string {
	switch {
	case j.Agent != "" && j.Dir != "":
		return j.Agent + " in " + j.Dir
	case j.Dir != "":
		return "in " + j.Dir
	}
	return j.Agent
}

func (a Account) note(e core.Entry, now time.Time) error {
	e.At = now
	if err := a.store().Note(e); err != nil {
		return fmt.Errorf("the verdict is not in the history: %w", err)
	}
	return nil
}

// oneLine is a text as it is kept: on one line, without secrets, and not too long.
func oneLine(s string, most int) string {
	// First what nobody will see, then the secrets, then the rest: half of a secret is
	// none to redact.
	long := len(s) > 4*most
	if long {
		s = s[:4*most]
	}
	s = redact.String(strings.ToValidUTF8(s, "?"))
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, s)
	if long || len(s) > most {
		s = strings.ToValidUTF8(s[:min(len(s), most)], "") + "…"
	}
	return s
}

// agentName is that of an agent, as a file can have it.
func agentName(agent string) string {
	if agent == "" {
		return ""
	}
	if len(agent) > 32 || strings.Trim(agent, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || agent[0] == '-' {
		return "other"
	}
	return agent
}

// stampsDir has for each agent a file, whose time is when the guard last judged for it.
const stampsDir = "guard"

func (a Account) stamp(agent string, now time.Time) error {
	if agent = agentName(agent); agent == "" {
		return nil
	}
	path := filepath.Join(a.Paths.State, stampsDir, agent)
	at := []syscall.Timespec{syscall.NsecToTimespec(now.UnixNano()), syscall.NsecToTimespec(now.UnixNano())}
	err := syscall.UtimesNano(path, at)
	if missing(err) {
		if err = os.MkdirAll(filepath.Dir(path), 0o700); err == nil {
			if err = os.WriteFile(path, nil, 0o600); err == nil {
				err = syscall.UtimesNano(path, at)
			}
		}
	}
	if err != nil {
		return fmt.Errorf("cannot note in %s that the guard judged: %w", path, err)
	}
	return nil
}
