package guardcli

import (
	"fmt"
	"strings"
	"unicode"

	"keeper/internal/guard"
	"keeper/internal/redact"
)

// painter has colours where there is a terminal.
type painter bool

func (p painter) paint(code, s string) string {
	if !p {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p painter) decision(d guard.Decision) string {
	switch d {
	case guard.Deny:
		return p.paint("1;31", "refused")
	case guard.Ask:
		return p.paint("1;33", "a person is to be asked")
	case guard.Allow:
		return p.paint("32", "let through")
	}
	return p.paint("32", "no opinion: nothing guarded is in it")
}

// printable is text of somebody else's on one line.
func printable(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return '⏎'
		case r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, s)
	if runes := []rune(s); len(runes) > limit {
		return string(runes[:limit]) + "…"
	}
	return s
}

// brief is what check says, nothing where there is nothing to say.
func brief(j judged, colours bool) string {
	if j.verdict.Decision == guard.None {
		return ""
	}
	var b strings.Builder
	p := painter(colours)
	fmt.Fprintf(&b, "keeper guard: %s: %s\n", p.decision(j.verdict.Decision), printable(redact.String(j.line), 200))
	for _, f := range j.verdict.Findings {
		if f.Decision >= guard.Ask {
			finding(&b, p, f)
		}
	}
	tail(&b, j)
	return b.String()
}

// finding says what a rule found.
func finding(b *strings.Builder, p painter, f guard.Finding) {
	fmt.Fprintf(b, "  %s", p.paint("1", f.ID))
	if f.Detail != "" {
		fmt.Fprintf(b, "  %s", printable(f.Detail, 200))
	}
	if f.Unsure {
		b.WriteString("  (depends on what cannot be known)")
	}
	fmt.Fprintf(b, "\n    %s\n", f.Reason)
	if f.Safer != "" {
		fmt.Fprintf(b, "    instead: %s\n", f.Safer)
	}
	if f.Settled != "" {
		fmt.Fprintf(b, "    by rule %s; changed by %s\n", ruleDecision(f.ID), printable(f.Settled, 100))
	}
}

func ruleDecision(id string) string {
	if r, ok := guard.RuleOf(id); ok {
		return r.Decision.String()
	}
	return "of the settings"
}

func tail(b *strings.Builder, j judged) {
	if j.verdict.Failed != "" {
		fmt.Fprintf(b, "  it could not be judged: %s\n", printable(j.verdict.Failed, 200))
	}
	if j.verdict.Watched > guard.None {
		fmt.Fprintf(b, "  the settings have the guard hold back; it would have been: %s\n", j.verdict.Watched)
	}
	if j.verdict.Decision >= guard.Ask {
		fmt.Fprintf(b, "  a person lets it pass once by: keeper guard allow-once -- %s\n", printable(redact.String(guard.Quote([]string{j.line})), 300))
	}
}

// explained is how a line was read.
func explained(j judged, colours bool) string {
	var b strings.Builder
	p := painter(colours)
	fmt.Fprintf(&b, "%s\n\n", printable(redact.String(j.line), 1000))
	for i, s := range j.verdict.Steps {
		way := ""
		if len(s.Through) > 0 {
			way = strings.Join(s.Through, " › ") + " › "
		}
		fmt.Fprintf(&b, "  %d. %s%s", i+1, printable(way, 200), p.paint("1", printable(redact.String(s.Command), 300)))
		if s.Place != "" {
			fmt.Fprintf(&b, "  (%s)", printable(s.Place, 100))
		}
		if len(s.Rules) > 0 {
			fmt.Fprintf(&b, "  %s", p.paint("31", strings.Join(s.Rules, " ")))
		}
		b.WriteByte('\n')
	}
	if len(j.verdict.Steps) == 0 {
		b.WriteString("  no program is run by it\n")
	}
	fmt.Fprintf(&b, "\n%s\n", p.decision(j.verdict.Decision))
	for _, f := range j.verdict.Findings {
		finding(&b, p, f)
	}
	tail(&b, j)
	return b.String()
}

// ruleList is a line for each rule.
func ruleList(list []guard.Rule, colours bool) string {
	var b strings.Builder
	p := painter(colours)
	for _, r := range list {
		word := fmt.Sprintf("%-5s", r.Decision)
		switch r.Decision {
		case guard.Deny:
			word = p.paint("31", word)
		case guard.Ask:
			word = p.paint("33", word)
		}
		fmt.Fprintf(&b, "%s  %-20s  %s\n", word, r.ID, r.What)
	}
	return b.String()
}
