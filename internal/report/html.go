package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"time"

	"keeper/internal/core"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"span": span, "short": short, "offset": offset,
	"clock": func(t time.Time) string { return t.Local().Format("15:04:05.000") },
	"full":  func(t time.Time) string { return t.Local().Format(stamp) },
}).Parse(pageText))

// HTML writes a report as one page that needs nothing else.
func (r Report) HTML(w io.Writer) error {
	return page.Execute(w, struct {
		Report
		Headline string
		Picture  picture
		Dense    bool
	}{r, r.headline(), r.picture(), len(r.Services) > 40})
}

// picture is the timeline as it is drawn: all places are in percent of its width.
type picture struct {
	Ticks []tick
	Marks []mark
	Rows  []bars
}

type tick struct {
	At    template.CSS
	Label string
}

// mark is a blow or a decision, or several that are too near one another.
type mark struct {
	At      template.CSS
	Label   string
	First   int
	Blow    bool
	Title   string
	percent float64
	last    int
	count   int
}

type bars struct {
	Name  string
	Label string
	Away  string
	Bars  []bar
}

type bar struct {
	Pulse core.Pulse
	Style template.CSS
	Title string
}

const (
	// mostMarks are drawn; near is how close two may be, in percent.
	mostMarks = 40
	near      = 3.2
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
	var p picture
	p.Ticks = ticks(from, to, r.Began, place)
	for _, s := range r.Services {
		row := bars{Name: short(s.Name), Label: short(s.Name) + ": away for " + span(s.OutageMS), Away: span(s.OutageMS)}
		at := from
		add := func(pulse core.Pulse, from, to time.Time) {
			a, z := place(from), place(to)
			if pulse == core.PulseUp && z <= a {
				return
			}
			row.Bars = append(row.Bars, bar{Pulse: pulse, Style: left(a) + width(z-a),
				Title: fmt.Sprintf("%s %s for %s, from %s", row.Name, pulse, span(to.Sub(from).Milliseconds()), from.Local().Format("15:04:05.000"))})
		}
		for _, st := range s.Stretches {
			if st.From.After(at) && (len(row.Bars) == 0) {
				add(core.PulseUp, at, st.From)
			}
			end := st.To
			if st.Pulse == core.PulseUp && end.Equal(r.end()) && r.State != StateOpen {
				end = to
			}
			add(st.Pulse, st.From, end)
			at = end
		}
		p.Rows = append(p.Rows, row)
	}
	p.Marks = r.marks(place)
	return p
}

// left and width are numbers, and nothing that anybody wrote.
func left(percent float64) template.CSS {
	return template.CSS(fmt.Sprintf("left:%.3f%%;", percent)) //nolint:gosec // a number
}

func width(percent float64) template.CSS {
	return template.CSS(fmt.Sprintf("width:%.3f%%", percent)) //nolint:gosec // a number
}

// marks are the blows first, then the decisions, as many as there is room for.
func (r Report) marks(place func(time.Time) float64) []mark {
	var list []mark
	for _, blow := range []bool{true, false} {
		for _, l := range r.Timeline {
			if l.Blow != blow || !blow && l.Kind != core.EntryDecision || len(list) >= mostMarks {
				continue
			}
			at := place(l.At)
			if at <= 0 || at >= 100 {
				continue
			}
			list = append(list, mark{percent: at, First: l.N, last: l.N, count: 1, Blow: blow, Title: l.What})
		}
	}
	slices.SortStableFunc(list, func(a, b mark) int { return int(1000 * (a.percent - b.percent)) })
	var out []mark
	for _, m := range list {
		if n := len(out) - 1; n >= 0 && m.percent-out[n].percent < near {
			out[n].last, out[n].count = max(out[n].last, m.last), out[n].count+1
			out[n].First = min(out[n].First, m.First)
			out[n].Blow = out[n].Blow || m.Blow
			out[n].Title += "; " + m.Title
			continue
		}
		out = append(out, m)
	}
	for n := range out {
		m := &out[n]
		m.At = left(m.percent)
		m.Label = fmt.Sprint(m.First)
		if m.count > 1 {
			m.Label += "…"
		}
		m.Title = clean(m.Title)
	}
	return out
}

// steps are the distances between ticks that people count in.
var steps = []time.Duration{
	10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute,
	10 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
	2 * 24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour, 365 * 24 * time.Hour,
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
		if n == 0 {
			label = at.Local().Format("15:04:05")
		} else if n < 0 {
			label = "−" + core.Span(time.Duration(-n)*step)
		}
		if pct := place(at); pct < 97 {
			list = append(list, tick{At: left(pct), Label: label})
		}
	}
	return list
}
