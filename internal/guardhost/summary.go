package guardhost

import (
	"os"
	"path/filepath"
	"slices"
	"time"

	"keeper/internal/core"
	"keeper/internal/guard"
)

// summaryFor is how far back a summary looks.
const summaryFor = 7 * 24 * time.Hour

// Summary is what status and doctor say of the guard.
type Summary struct {
	// Judged is when it last judged, the newest first.
	Judged []LastJudged `json:"judged,omitempty"`
	// Refused and Asked are how many commands were refused, and asked about, within the
	// last day; Passed how many it let through although a rule says otherwise.
	Refused int `json:"refused"`
	Asked   int `json:"asked"`
	Passed  int `json:"passed"`
	// Last is the last refusal within a week.
	Last *Refusal `json:"last,omitempty"`
	// Damage is what of the history could not be read.
	Damage []string `json:"damage,omitempty"`
}

// LastJudged is when the guard last judged for an agent.
type LastJudged struct {
	Agent string    `json:"agent"`
	At    time.Time `json:"at"`
}

// Refusal is a command that did not run.
type Refusal struct {
	At    time.Time `json:"at"`
	Rule  string    `json:"rule"`
	Line  string    `json:"line"`
	Agent string    `json:"agent,omitempty"`
}

// Summary looks at what was noted.
func (a Account) Summary(now time.Time) (Summary, error) {
	var s Summary
	entries, err := os.ReadDir(filepath.Join(a.Paths.State, stampsDir))
	if err != nil && !missing(err) {
		return s, err
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && agentName(e.Name()) == e.Name() && len(s.Judged) < 50 {
			s.Judged = append(s.Judged, LastJudged{e.Name(), info.ModTime()})
		}
	}
	slices.SortFunc(s.Judged, func(x, y LastJudged) int { return y.At.Compare(x.At) })
	s.Damage, err = a.store().Guarded(now.Add(-summaryFor), func(e core.Entry) bool {
		today := now.Sub(e.At) < 24*time.Hour
		switch g := e.Guard; g.Decision {
		case guard.Deny.String():
			if today {
				s.Refused++
			}
			if s.Last == nil || !e.At.Before(s.Last.At) {
				s.Last = &Refusal{At: e.At, Rule: g.Rule, Line: g.Line, Agent: g.Agent}
			}
		case guard.Ask.String():
			if today {
				s.Asked++
			}
		case guard.Allow.String():
			if today {
				s.Passed++
			}
		}
		return true
	})
	return s, err
}
