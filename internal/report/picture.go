package report

import (
	"cmp"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"keeper/internal/core"
)

// picture is the timeline as it is drawn: all places are in percent of its width.
type picture struct {
	From, To time.Time
	Ticks    []tick
	// Wide are the marks where there is room, Narrow on a phone; Lines is where a blow
	// hit.
	Wide, Narrow []mark
	Lines        []template.CSS
	Rows         []bars
	// Hidden is how many services are not drawn.
	Hidden int
}

type tick struct {
	At    template.CSS
	Label string
}

// mark is a blow or a decision, or several that are too near one another.
type mark struct {
	At    template.CSS
	Label string
	First int
	Blow  bool
	Title string

	percent float64
	count   int
}

type bars struct {
	Name, Label, Away string
	Bars              []bar
}

type bar struct {
	Pulse core.Pulse
	Style template.CSS
	Title string
	Text  string // in the bar, if it has room
}

const (
	// mostMarks are drawn. nearWide and nearNarrow are how close two may be, in percent,
	// on a wide page and on a phone: a mark has some 30 pixels.
	mostMarks  = 60
	nearWide   = 5.5
	nearNarrow = 11
	// roomy is the least width of a bar with text in it, in percent.
	roomy = 16
)

func (r Report) picture() picture {
	from, to := r.Began, r.end()
	for _, l := range r.Timeline { // what hit it may have been shortly before
		if l.Blow && l.At.Before(from) && from.Sub(l.At) < Before {
			from = l.At
		}
	}
	wide := max(to.Sub(from), 100*time.Millisecond)
	from, to = from.Add(-wide/20), to.Add(wide/12)
	wide = to.Sub(from)
	place := func(t time.Time) float64 {
		return min(100, max(0, 100*float64(t.Sub(from))/float64(wide)))
	}
	p := picture{From: from, To: to, Ticks: ticks(from, to, r.Began, place)}
	services := slices.Clone(r.Services)
	if len(services) > drawn {
		slices.SortStableFunc(services, func(a, b Service) int { return cmp.Compare(b.OutageMS, a.OutageMS) })
		p.Hidden, services = len(services)-drawn, services[:drawn]
	}
	slices.SortStableFunc(services, func(a, b Service) int { return a.From.Compare(b.From) }) // as they fell
	for _, s := range services {
		p.Rows = append(p.Rows, r.row(s, from, to, place))
	}
	all := r.marked(place)
	p.Wide, p.Narrow = cluster(all, nearWide), cluster(all, nearNarrow)
	for _, m := range p.Wide {
		if m.Blow {
			p.Lines = append(p.Lines, m.At)
		}
	}
	return p
}

// row draws a service. Where nothing is known of it, it was up: an incident tells of it
// from its first trouble on.
func (r Report) row(s Service, from, to time.Time, place func(time.Time) float64) bars {
	row := bars{Name: short(s.Name), Away: span(s.OutageMS)}
	var said []string
	for n, st := range s.Stretches {
		end := st.To
		if n == len(s.Stretches)-1 && st.Pulse != core.PulseUp && r.State == StateOpen {
			end = to // it lasts
		}
		a, z := place(st.From), place(end)
		if st.Pulse == core.PulseUp {
			continue // the track below is that
		}
		b := bar{Pulse: st.Pulse, Style: css("left:min(%.3f%%,calc(100%% - 2px));width:%.3f%%", a, z-a)}
		lasted := span(max(0, st.To.Sub(st.From).Milliseconds()))
		b.Title = fmt.Sprintf("%s %s for %s, from %s", row.Name, st.Pulse, lasted, clock(st.From))
		if z-a >= roomy {
			b.Text = fmt.Sprintf("%s %s", st.Pulse, lasted)
		}
		row.Bars = append(row.Bars, b)
		if len(said) < 10 {
			said = append(said, fmt.Sprintf("%s for %s from %s", st.Pulse, lasted, clock(st.From)))
		}
	}
	row.Label = fmt.Sprintf("%s was not well for %s: %s", row.Name, row.Away, strings.Join(said, "; "))
	return row
}

func css(format string, args ...any) template.CSS { return template.CSS(fmt.Sprintf(format, args...)) } //nolint:gosec // numbers alone go in

// marked are the blows first, then the decisions, as many as there is room for, in their
// order.
func (r Report) marked(place func(time.Time) float64) []mark {
	var list []mark
	for _, blow := range []bool{true, false} {
		for _, l := range r.Timeline {
			if l.Blow != blow || !blow && l.Kind != core.EntryDecision || len(list) >= mostMarks {
				continue
			}
			if at := place(l.At); at > 0 && at < 100 {
				list = append(list, mark{percent: at, First: l.N, count: 1, Blow: blow, Title: l.What})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b mark) int { return cmp.Compare(a.percent, b.percent) })
	return list
}

// cluster puts marks together that are too near.
func cluster(list []mark, near float64) []mark {
	var out []mark
	for _, m := range list {
		if n := len(out) - 1; n >= 0 && m.percent-out[n].percent < near {
			o := &out[n]
			if m.Blow && !o.Blow {
				o.First = m.First // it matters more
			}
			o.count++
			o.Blow = o.Blow || m.Blow
			o.Title += "; " + m.Title
			continue
		}
		out = append(out, m)
	}
	for n := range out {
		m := &out[n]
		// The first and the last stay within the picture.
		m.At = css("left:%.3f%%", min(98.5, max(1.5, m.percent)))
		m.Label = fmt.Sprint(m.First)
		if m.count > 1 {
			m.Label += "+"
		}
		m.Title = clean(m.Title)
	}
	return out
}

const day = 24 * time.Hour

// steps are the distances between ticks that people count in.
var steps = []time.Duration{
	10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute,
	10 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
	2 * day, 7 * day, 14 * day, 30 * day, 90 * day, 180 * day, 365 * day, 2 * 365 * day, 5 * 365 * day, 10 * 365 * day, 20 * 365 * day, 50 * 365 * day,
}

// ticks count from the begin: what people ask is how long after.
func ticks(from, to, begin time.Time, place func(time.Time) float64) []tick {
	step := steps[len(steps)-1]
	for _, s := range steps {
		if to.Sub(from)/s <= 6 {
			step = s
			break
		}
	}
	var list []tick
	for n := -6; n <= 12; n++ {
		at := begin.Add(time.Duration(n) * step)
		if at.Before(from) || at.After(to) {
			continue
		}
		label := "+" + core.Span(time.Duration(n)*step)
		switch {
		case n == 0 && step < time.Second:
			label = begin.Format(clockFmt)
		case n == 0:
			label = begin.Format(time.TimeOnly)
		case n < 0:
			label = "−" + core.Span(time.Duration(-n)*step)
		}
		if pct := place(at); pct < 94 { // its label needs room
			list = append(list, tick{At: css("left:%.3f%%", pct), Label: label})
		}
	}
	return list
}
