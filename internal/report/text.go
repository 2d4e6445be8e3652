package report

import (
	"fmt"
	"io"
	"strings"

	"keeper/internal/core"
)

const (
	textLines    = 200
	textServices = 30
	textOthers   = 20
)

// Paint colours a text for a terminal: good, bad, dim or plain ("").
type Paint func(mood, s string) string

// Text writes a report for a terminal.
func (r Report) Text(w io.Writer, paint Paint) error {
	if paint == nil {
		paint = func(_, s string) string { return s }
	}
	t := &texter{r: r, paint: paint}
	t.head()
	t.services()
	t.list("what held", paint("good", "+"), r.Held)
	t.list("what did not hold", paint("bad", "-"), r.NotHeld)
	t.list("what is not known", "?", r.Unknown)
	t.figures()
	t.others()
	t.timeline()
	_, err := io.WriteString(w, t.String())
	return err
}

type texter struct {
	strings.Builder
	r     Report
	paint Paint
}

func (t *texter) line(format string, args ...any) { fmt.Fprintf(&t.Builder, format+"\n", args...) }

func (t *texter) list(title, mark string, lines []string) {
	if len(lines) == 0 {
		return
	}
	t.line("\n%s", title)
	for _, l := range lines {
		t.line("  %s %s", mark, l)
	}
}

func (t *texter) head() {
	r := t.r
	mood := "good"
	if r.State == StateOpen {
		mood = "bad"
	}
	t.line("%s", t.paint(mood, r.Headline))
	t.list("wrong still", t.paint("bad", "!"), r.Wrong)
	t.list("to type", ">", r.ToDo)
	t.line("")
	row := func(name, text string) { t.line("%-8s %s", name, text) }
	row("cause", r.Cause)
	if c := r.Nearest; c != nil {
		row("before", fmt.Sprintf("%s by %s at %s (%s): %s", c.User, c.Source, clock(c.At), offset(c.MS), c.Text))
	}
	row("since", full(r.Began))
	row("until", r.until())
	if who := r.who(); who != "" {
		row("account", who)
	}
	if r.Returns > 0 {
		row("returns", fmt.Sprintf("%s of the same within a day before it", count(r.Returns, "incident", "incidents")))
	}
}

// until says when it was over, or that it is not.
func (r Report) until() string {
	switch r.State {
	case StateOver:
		return fmt.Sprintf("%s; closed at %s, once all had been well for %s", full(r.Mended), clock(r.Closed), r.hold())
	case StateMended:
		return full(r.Mended) + "; not closed yet"
	}
	if !r.Seen.IsZero() {
		return "not known: the daemon does not answer, and was last heard of at " + full(r.Seen)
	}
	return "still going on at " + full(r.At)
}

func (r Report) who() string {
	switch {
	case r.User != "" && r.Host != "":
		return r.User + " at " + r.Host
	case r.Host != "":
		return r.Host
	}
	return r.User
}

func (t *texter) services() {
	if len(t.r.Services) == 0 {
		return
	}
	t.line("\nservices")
	wide := 8
	shown := t.r.Services[:min(textServices, len(t.r.Services))]
	for _, s := range shown {
		wide = min(32, max(wide, len([]rune(short(s.Name)))))
	}
	for _, s := range shown {
		times := ""
		if s.Times > 1 {
			times = fmt.Sprintf(", %d times", s.Times)
		}
		t.line("  %-*s  not well for %s%s, %s", wide, short(s.Name), span(s.OutageMS), times, s.fate())
	}
	if n := len(t.r.Services) - len(shown); n > 0 {
		t.line("  and %d more: keeper incident %s --json", n, t.r.ID)
	}
}

// fate is since when it is as it is.
func (s Service) fate() string {
	if s.pulse() != core.PulseUp {
		return string(s.pulse()) + " still"
	}
	if s.From.IsZero() {
		return "up"
	}
	return clock(s.From) + " until " + clock(s.Back)
}

func (t *texter) figures() {
	t.line("\nfigures")
	for _, f := range t.r.Figures {
		t.line("  %-10s %12s  %s", f.Name, span(f.MS), f.Note)
	}
}

// others are the commands, the sessions and the alerts.
func (t *texter) others() {
	more := func(n int) {
		if n > textOthers {
			t.line("  and %d more: keeper incident %s --json", n-textOthers, t.r.ID)
		}
	}
	if n := len(t.r.Commands); n > 0 {
		t.line("\ncommands that the journal tells of")
		for _, c := range t.r.Commands[:min(n, textOthers)] {
			t.line("  %s %10s  %s", clock(c.At), offset(c.MS), c.said())
		}
		more(n)
	}
	if n := len(t.r.Sessions); n > 0 {
		t.line("\nsessions that came or went")
		for _, s := range t.r.Sessions[:min(n, textOthers)] {
			t.line("  %s", s.said())
		}
		more(n)
	}
	if n := len(t.r.Alerts); n > 0 {
		t.line("\nalerts")
		for _, a := range t.r.Alerts[:min(n, textOthers)] {
			t.line("  %d. %s %s (%s)", a.N, a.Kind, clock(a.At), offset(a.MS))
			for _, l := range a.Results {
				t.line("     %s (%s) %s", clock(l.At), offset(l.MS), l.said())
			}
		}
		more(n)
	}
}

func (t *texter) timeline() {
	t.line("\ntimeline, since the begin (! is a blow, * a decision)")
	lines, cut := weightiest(t.r.Timeline, textLines)
	for _, l := range lines {
		mark := " "
		switch {
		case l.Blow:
			mark = t.paint("bad", "!")
		case l.Kind == core.EntryDecision:
			mark = "*"
		}
		t.line("  %s %12s %s %-8s %s", clock(l.At), offset(l.MS), mark, l.Kind, l.said())
	}
	if len(lines) == 0 {
		t.line("  the history has nothing of it any more")
	}
	if cut += t.r.Cut; cut > 0 {
		t.line("  and %s: keeper history --all", count(cut, "line that weighs less", "lines that weigh less"))
	}
}

// said is what happened, and why.
func (l Line) said() string {
	if l.Why == "" {
		return l.What
	}
	return l.What + ": " + l.Why
}

// said is who ran what.
func (c Command) said() string {
	switch {
	case c.User != "" && c.Source != "":
		return c.User + " by " + c.Source + ": " + c.Text
	case c.Source != "":
		return c.Source + ": " + c.Text
	}
	return c.Text
}

// said is who it was, how he came and when he went.
func (s Session) said() string {
	what := "session " + s.ID + " of " + s.User
	if s.How != "" {
		what += ", " + s.How
	}
	if !s.Opened.IsZero() {
		what += ", opened " + clock(s.Opened)
	}
	if !s.Removed.IsZero() {
		what += ", removed " + clock(s.Removed)
	}
	return what
}
