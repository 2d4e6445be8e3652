package report

import (
	"fmt"
	"io"
	"strings"
	"time"
)

const (
	mdLines    = 500
	mdServices = 100
)

// Markdown writes a report as a post-mortem.
func (r Report) Markdown(w io.Writer) error {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	list := func(title string, lines []string, none string) {
		if len(lines) == 0 && none == "" {
			return
		}
		line("\n## %s\n", title)
		for _, l := range lines {
			line("- %s", md(l))
		}
		if len(lines) == 0 {
			line("%s", none)
		}
	}
	line("# Incident %s: %s\n", md(r.ID), md(r.Cause))
	line("Written by keeper %s%s, %s.", md(r.Release), md(prefixed(" for ", r.who())), r.At.Format(time.RFC1123Z))
	line("\n## Summary\n\n%s.\n", md(r.Headline))
	line("- Since: %s", full(r.Began))
	line("- Until: %s", r.until())
	if r.Returns > 0 {
		line("- Before it: %s of the same within a day", count(r.Returns, "incident", "incidents"))
	}
	for _, f := range r.Figures {
		line("- %s%s: %s, %s", strings.ToUpper(f.Name[:1]), f.Name[1:], span(f.MS), f.Note)
	}
	r.mdImpact(line)
	list("Wrong still", r.Wrong, "")
	line("\n## Cause\n\n%s.", md(r.Cause))
	if c := r.Nearest; c != nil {
		line("\nThe last command that the journal has from before it, at %s (%s): %s", clock(c.At), offset(c.MS), md(c.said()))
	}
	if len(r.Symptoms) > 0 {
		line("")
	}
	for n, s := range r.Symptoms {
		if n == mdServices {
			line("- and %d more", len(r.Symptoms)-n)
			break
		}
		line("- %s: %s", clock(s.From), md(s.sentence()))
	}
	list("What held", r.Held, "Nothing that is known.")
	list("What did not hold", r.NotHeld, "Nothing that is known.")
	list("What is not known", r.Unknown, "")
	if len(r.ToDo) > 0 {
		line("\n## What to do\n")
		for _, l := range r.ToDo {
			line("    %s", l)
		}
	}
	r.mdOthers(line)
	r.mdTimeline(line)
	_, err := io.WriteString(w, b.String())
	return err
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

func (r Report) mdImpact(line func(string, ...any)) {
	line("\n## Impact\n")
	if len(r.Services) == 0 {
		line("No service was hit.")
		return
	}
	line("| Service | Not well for | Times | From | Until |\n|---|---|---|---|---|")
	for n, s := range r.Services {
		if n == mdServices {
			line("| and %d more | | | | |", len(r.Services)-n)
			break
		}
		until := clock(s.Back)
		if s.Back.IsZero() {
			until = string(s.pulse()) + " still"
		}
		line("| %s | %s | %d | %s | %s |", md(short(s.Name)), span(s.OutageMS), s.Times, clock(s.From), until)
	}
}

func (r Report) mdOthers(line func(string, ...any)) {
	if len(r.Commands) > 0 {
		line("\n## Commands in the journal\n")
		for _, c := range r.Commands {
			line("- %s (%s) %s", clock(c.At), offset(c.MS), md(c.said()))
		}
	}
	if len(r.Sessions) > 0 {
		line("\n## Sessions\n")
		for _, s := range r.Sessions {
			line("- %s", md(s.said()))
		}
	}
	if len(r.Alerts) > 0 {
		line("\n## Alerts\n")
		for _, a := range r.Alerts {
			line("- %s, %s (%s)", md(string(a.Kind)), clock(a.At), offset(a.MS))
			for _, l := range a.Results {
				line("  - %s (%s) %s", clock(l.At), offset(l.MS), md(l.said()))
			}
		}
	}
}

func (r Report) mdTimeline(line func(string, ...any)) {
	line("\n## Timeline\n")
	lines, cut := weightiest(r.Timeline, mdLines)
	if len(lines) == 0 {
		line("The history has nothing of it any more.")
		return
	}
	line("| # | Time | Since the begin | Kind | What |\n|---|---|---|---|---|")
	for _, l := range lines {
		kind := md(string(l.Kind))
		if l.Blow {
			kind = "**blow**"
		}
		line("| %d | %s | %s | %s | %s |", l.N, clock(l.At), offset(l.MS), kind, md(l.said()))
	}
	if cut += r.Cut; cut > 0 {
		line("\n%s left out.", count(cut, "line that weighs less is", "lines that weigh less are"))
	}
}

var mdEscapes = strings.NewReplacer(`\`, `\\`, "|", `\|`, "*", `\*`, "_", `\_`, "`", "\\`", "<", "&lt;", ">", "&gt;",
	"[", `\[`, "]", `\]`, "#", `\#`, "&", "&amp;", "~", `\~`, "$", `\$`, "://", `:\//`, "www.", `www\.`, "@", `\@`)

// md has text be text in Markdown, and no link of it.
func md(s string) string { return mdEscapes.Replace(s) }
