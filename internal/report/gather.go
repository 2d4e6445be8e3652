package report

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"keeper/internal/core"
)

const (
	// mostLines bounds the timeline, mostOthers what is listed apart from it.
	mostLines  = 1000
	mostOthers = 200
)

// gathered is what the history has of an incident.
type gathered struct {
	lines    []Line
	cut      int
	commands []Command
	sessions []Session
	// results are the lines about alerts, by the number of the alert.
	results map[int][]Line
	// decisions are those since the begin.
	decisions []core.Entry
	// deaf is why the journal could not be read.
	deaf string
	// reborn is when keeper began in a new life.
	reborn time.Time
}

// weight says what is left out first where there is too much.
func weight(l Line) int {
	switch {
	case l.Blow, l.Kind == core.EntryIncident, l.Kind == core.EntryAlert, l.Kind == core.EntryDrill, l.Kind == core.EntryTrouble:
		return 0
	case l.Kind == core.EntryDecision, l.Kind == core.EntryCommand, l.Kind == core.EntrySession, l.Kind == core.EntryKeeper, l.Kind == core.EntrySignal, l.Kind == core.EntryGuard:
		return 1
	case l.Kind == core.EntryUnit:
		return 2
	}
	return 3
}

// weightiest returns so many lines at most in their order, and how many it left out.
func weightiest(lines []Line, most int) ([]Line, int) {
	if len(lines) <= most {
		return lines, 0
	}
	byWeight := slices.Clone(lines)
	slices.SortStableFunc(byWeight, func(a, b Line) int { return cmp.Compare(weight(a), weight(b)) })
	kept := byWeight[:most]
	slices.SortFunc(kept, func(a, b Line) int { return cmp.Compare(a.N, b.N) })
	return kept, len(lines) - most
}

// gather picks what belongs to an incident.
func gather(i core.Incident, entries []core.Entry, zone *time.Location) gathered {
	g := gathered{results: map[int][]Line{}}
	list := slices.Clone(entries)
	slices.SortStableFunc(list, func(a, b core.Entry) int { return a.At.Compare(b.At) })
	type key struct {
		at   int64
		what string
	}
	seen := map[key]bool{}
	sources := map[int]core.Entry{}
	var lines []Line
	for _, e := range list {
		if !belongs(i, e) {
			continue
		}
		l := Line{At: when(e.At, zone), Kind: core.EntryKind(clean(string(e.Kind))), What: clean(e.What), Why: clean(e.Why), Unit: clean(e.Unit), Blow: e.Blow}
		if !l.At.IsZero() {
			l.MS = l.At.Sub(i.Began).Milliseconds()
		}
		k := key{e.At.UnixNano(), l.What}
		if seen[k] {
			continue // the journal tells the same when it is asked again
		}
		seen[k] = true
		if e.Kind == core.EntryCommand && e.Command == nil {
			g.deaf = cmp.Or(l.Why, "no reason is known")
			continue
		}
		l.N = len(lines) + 1
		lines, sources[l.N] = append(lines, l), e
	}
	g.lines, g.cut = weightiest(lines, mostLines)
	for n := range g.lines {
		l := &g.lines[n]
		e := sources[l.N]
		l.N = n + 1
		g.sort(i, *l, e, zone)
	}
	return g
}

// belongs says whether an entry is of an incident: others may have been open in the same
// time, and have alerts of their own.
func belongs(i core.Incident, e core.Entry) bool {
	switch e.Kind {
	case core.EntryIncident:
		return e.Incident != nil && e.Incident.ID == i.ID && !strings.HasSuffix(e.What, "goes on")
	case core.EntryAlert:
		return strings.HasPrefix(e.What, "alert "+i.ID+"/")
	}
	return true
}

// sort puts a line where it is shown beside the timeline.
func (g *gathered) sort(i core.Incident, l Line, e core.Entry, zone *time.Location) {
	switch e.Kind {
	case core.EntrySession:
		g.session(l, e.Session, zone)
	case core.EntryCommand:
		if len(g.commands) < mostOthers {
			g.commands = append(g.commands, Command{Line: l.N, At: l.At, MS: l.MS, Source: clean(e.Command.Source), User: clean(e.Command.User), Text: clean(e.Command.Text)})
		}
	case core.EntryAlert:
		rest := strings.TrimPrefix(e.What, "alert "+i.ID+"/")
		number, _, _ := strings.Cut(rest, " ")
		if n, err := strconv.Atoi(number); err == nil {
			g.results[n] = append(g.results[n], l)
		}
	case core.EntryDecision:
		if !e.At.Before(i.Began.Add(-time.Second)) {
			g.decisions = append(g.decisions, e)
		}
	case core.EntryKeeper:
		if strings.Contains(e.What, "in a new life") && !e.At.Before(i.Began) && g.reborn.IsZero() {
			g.reborn = l.At
		}
	}
}

func (g *gathered) session(l Line, s *core.Session, zone *time.Location) {
	if s == nil {
		return
	}
	id, removed := clean(s.ID), strings.HasSuffix(l.What, "was removed")
	for n := range g.sessions {
		if k := &g.sessions[n]; k.ID == id {
			if removed {
				k.Removed = l.At
			}
			return
		}
	}
	if len(g.sessions) >= mostOthers {
		return
	}
	k := Session{Line: l.N, ID: id, User: clean(s.User), How: l.Why, Opened: when(s.Since, zone)}
	if removed {
		k.Removed = l.At
	} else if k.Opened.IsZero() {
		k.Opened = l.At
	}
	g.sessions = append(g.sessions, k)
}

// alerts says what became of each.
func (r *Report) alerts(i core.Incident, results map[int][]Line, zone *time.Location) {
	for n, t := range i.Told {
		if n >= mostOthers {
			break
		}
		a := Alert{N: n + 1, Kind: core.AlertKind(clean(string(t.Kind))), At: when(t.At, zone), MS: t.At.Sub(i.Began).Milliseconds(), Results: results[n+1]}
		if a.Results == nil {
			a.Results = []Line{}
		}
		for k := range a.Results {
			l := &a.Results[k]
			l.What = strings.TrimPrefix(l.What, "alert "+r.ID+"/"+strconv.Itoa(n+1)+" ")
			if strings.HasPrefix(l.What, "was sent to ") && a.Arrived.IsZero() {
				a.Arrived = l.At
			}
		}
		r.Alerts = append(r.Alerts, a)
	}
}
