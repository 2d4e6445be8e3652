package report

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"keeper/internal/core"
)

const (
	stamp    = "2006-01-02 15:04:05.000 MST"
	clockFmt = "15:04:05.000"
	maxText  = 500 // characters of one text
)

// when is a time in a zone. One that no calendar has is none: JSON could not say it.
func when(t time.Time, zone *time.Location) time.Time {
	if y := t.Year(); t.IsZero() || y < 2 || y > 9998 {
		return time.Time{}
	}
	return t.In(zone)
}

func full(t time.Time) string {
	if t.IsZero() {
		return "at an unknown time"
	}
	return t.Format(stamp)
}

func clock(t time.Time) string {
	if t.IsZero() {
		return "no time"
	}
	return t.Format(clockFmt)
}

// span is a time as people say it.
func span(ms int64) string {
	const most = int64(1<<63-1) / int64(time.Millisecond)
	d := time.Duration(max(-most, min(most, ms))) * time.Millisecond
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 100*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days %d h", int(d.Hours())/24, int(d.Hours())%24)
}

func spanOf(d time.Duration) string { return span(max(0, d).Milliseconds()) }

// offset is a time since the begin, as the timeline has it.
func offset(ms int64) string {
	sign := "+"
	if ms < 0 {
		sign, ms = "-", -max(ms, -(1<<62))
	}
	s := ms / 1000
	switch {
	case s < 3600:
		return fmt.Sprintf("%s%d:%02d.%03d", sign, s/60, s%60, ms%1000)
	case s < 100*3600:
		return fmt.Sprintf("%s%d:%02d:%02d", sign, s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%s%d days", sign, s/86400)
}

// clean keeps what others wrote from moving a cursor, turning text around or filling a
// screen.
func clean(s string) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			r = ' '
		case !unicode.IsPrint(r):
			continue
		}
		if n++; n > maxText {
			b.WriteRune('…')
			break
		}
		b.WriteRune(r)
	}
	return strings.TrimSpace(b.String())
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func short(unit string) string { return strings.TrimSuffix(unit, ".service") }

// some names a few, and says how many more there are.
func some(names []string) string {
	const most = 4
	rest := 0
	if len(names) > most+1 {
		names, rest = names[:most], len(names)-most
	}
	switch {
	case rest > 0:
		return fmt.Sprintf("%s and %d more", strings.Join(names, ", "), rest)
	case len(names) > 1:
		return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
	}
	return strings.Join(names, "")
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func wasWere(n int) string {
	if n == 1 {
		return "was"
	}
	return "were"
}

// headline is what it is, whether it is over and what it cost, in a line.
func (r Report) headline() string {
	name := "INCIDENT " + r.ID
	if r.Drill != "" {
		name += " (drill " + r.Drill + ")"
	}
	switch r.State {
	case StateOver:
		return fmt.Sprintf("%s, over: %s — %s", name, r.Cause, r.toll())
	case StateMended:
		return fmt.Sprintf("%s, all well since %s, and over once that has held for %s: %s — %s", name, clock(r.Mended), r.hold(), r.Cause, r.toll())
	}
	if !r.Seen.IsZero() {
		return fmt.Sprintf("%s, OPEN when the daemon was last heard of, at %s: %s%s", name, full(r.Seen), r.Cause, r.wrongNow())
	}
	return fmt.Sprintf("%s, STILL GOING ON for %s: %s%s", name, span(r.OutageMS), r.Cause, r.wrongNow())
}

// hold is how long all must be well, as it is set.
func (r Report) hold() string {
	return core.Span((time.Duration(max(0, min(r.HoldMS, 1<<40))) * time.Millisecond).Round(time.Second))
}

// toll is what it cost.
func (r Report) toll() string {
	away := make([]string, 0, len(r.Services))
	times, worst := 1, int64(0)
	for _, s := range r.Services {
		away = append(away, short(s.Name))
		times, worst = max(times, s.Times), max(worst, s.OutageMS)
	}
	switch {
	case len(away) == 0:
		return "it lasted " + span(r.OutageMS) + ", and no service was hit"
	case times > 1:
		return fmt.Sprintf("%s %s not well, up to %d times and for %s in all, within %s", some(away), wasWere(len(away)), times, span(worst), span(r.OutageMS))
	case r.Kind == core.IncidentSession || r.Kind == core.IncidentMachine:
		return "the stack was away for " + span(r.OutageMS)
	}
	return fmt.Sprintf("%s %s not well for %s", some(away), wasWere(len(away)), span(r.OutageMS))
}

// wrongNow names the services that are not well.
func (r Report) wrongNow() string {
	var names []string
	for _, s := range r.Services {
		if s.pulse() != core.PulseUp {
			names = append(names, short(s.Name))
		}
	}
	if len(names) == 0 {
		return ""
	}
	verb := isAre(len(names))
	if !r.Seen.IsZero() {
		verb = wasWere(len(names))
	}
	return fmt.Sprintf(" — %s %s not well", some(names), verb)
}
