package report

import (
	"fmt"
	"io"
	"strings"
	"time"
)

const stamp = "2006-01-02 15:04:05.000 MST"

// Paint colours a text for a terminal: good, bad or plain ("").
type Paint func(mood, s string) string

// Text writes a report for a terminal.
func (r Report) Text(w io.Writer, paint Paint) error {
	var b strings.Builder
	mood := "good"
	if r.State == StateOpen {
		mood = "bad"
	}
	fmt.Fprintf(&b, "incident %s\n%s\n\n", r.ID, paint(mood, r.headline()))
	row := func(name, text string) { fmt.Fprintf(&b, "%-9s %s\n", name, text) }
	row("cause", r.Cause)
	row("began", r.Began.Local().Format(stamp))
	if r.Mended.IsZero() {
		row("until", "now")
	} else {
		row("until", r.Mended.Local().Format(stamp))
	}
	row("where", strings.Trim(r.User+" at "+r.Host, " at"))
	if r.Returns > 1 {
		row("returns", fmt.Sprintf("the same was wrong %d times before", r.Returns))
	}
	if len(r.Services) > 0 {
		b.WriteString("\nservices\n")
		for n, s := range r.Services {
			if n == 30 {
				fmt.Fprintf(&b, "  and %d more: --json\n", len(r.Services)-n)
				break
			}
			times := ""
			if s.Times > 1 {
				times = fmt.Sprintf(", %d times", s.Times)
			}
			fmt.Fprintf(&b, "  %-24s away for %s%s\n", short(s.Name), span(s.OutageMS), times)
		}
	}
	b.WriteString("\nfigures\n")
	for _, f := range r.Figures {
		fmt.Fprintf(&b, "  %-9s %10s  %s\n", f.Name, span(f.MS), f.Note)
	}
	list := func(title, mark string, lines []string) {
		if len(lines) == 0 {
			return
		}
		fmt.Fprintf(&b, "\n%s\n", title)
		for _, l := range lines {
			fmt.Fprintf(&b, "  %s %s\n", mark, l)
		}
	}
	list("what held", paint("good", "+"), r.Held)
	list("what did not hold", paint("bad", "-"), r.NotHeld)
	list("what is not known", "?", r.Unknown)
	list("to type", ">", r.ToDo)
	fmt.Fprintf(&b, "\ntimeline (since the begin; ! is a blow, * a decision)\n")
	for _, l := range r.Timeline {
		mark := " "
		switch {
		case l.Blow:
			mark = paint("bad", "!")
		case l.Kind == "decision":
			mark = "*"
		}
		why := ""
		if l.Why != "" {
			why = ": " + l.Why
		}
		fmt.Fprintf(&b, "  %s %12s %s %-8s %s%s\n", l.At.Local().Format("15:04:05.000"), offset(l.MS), mark, l.Kind, l.What, why)
	}
	if len(r.Timeline) == 0 {
		b.WriteString("  the history has nothing of it any more\n")
	}
	if r.Cut > 0 {
		fmt.Fprintf(&b, "  and %d more lines: keeper history --all\n", r.Cut)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Markdown writes a report as a post-mortem.
func (r Report) Markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# Incident %s\n\n%s\n\n", md(r.ID), md(r.headline()))
	fmt.Fprintf(&b, "Written by keeper %s for %s, %s.\n\n", md(r.Release), md(strings.Trim(r.User+" at "+r.Host, " at")), r.At.Local().Format(time.RFC1123Z))
	fmt.Fprintf(&b, "## Summary\n\n| | |\n|---|---|\n| Cause | %s |\n| Began | %s |\n", md(r.Cause), r.Began.Local().Format(stamp))
	if !r.Mended.IsZero() {
		fmt.Fprintf(&b, "| All well | %s |\n", r.Mended.Local().Format(stamp))
	}
	for _, f := range r.Figures {
		fmt.Fprintf(&b, "| %s%s | %s, %s |\n", strings.ToUpper(f.Name[:1]), f.Name[1:], span(f.MS), f.Note)
	}
	if len(r.Services) > 0 {
		b.WriteString("\n## Impact\n\n| Service | Away for | Times |\n|---|---|---|\n")
		for _, s := range r.Services {
			fmt.Fprintf(&b, "| %s | %s | %d |\n", md(short(s.Name)), span(s.OutageMS), s.Times)
		}
	}
	list := func(title string, lines []string, code bool) {
		if len(lines) == 0 {
			return
		}
		fmt.Fprintf(&b, "\n## %s\n\n", title)
		for _, l := range lines {
			if code {
				fmt.Fprintf(&b, "    %s\n", l)
			} else {
				fmt.Fprintf(&b, "- %s\n", md(l))
			}
		}
	}
	list("What held", r.Held, false)
	list("What did not hold", r.NotHeld, false)
	list("What is not known", r.Unknown, false)
	list("What to do", r.ToDo, true)
	b.WriteString("\n## Timeline\n\n| # | Time | Since the begin | | What |\n|---|---|---|---|---|\n")
	for _, l := range r.Timeline {
		kind := string(l.Kind)
		if l.Blow {
			kind = "**blow**"
		}
		why := ""
		if l.Why != "" {
			why = ": " + l.Why
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %s |\n", l.N, l.At.Local().Format("15:04:05.000"), offset(l.MS), kind, md(l.What+why))
	}
	if r.Cut > 0 {
		fmt.Fprintf(&b, "\n%d more lines are left out.\n", r.Cut)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// md has text be text in Markdown.
func md(s string) string {
	return strings.NewReplacer(`\`, `\\`, "|", `\|`, "*", `\*`, "_", `\_`, "`", "\\`", "<", "&lt;", ">", "&gt;", "[", `\[`, "]", `\]`, "#", `\#`, "&", "&amp;").Replace(s)
}
