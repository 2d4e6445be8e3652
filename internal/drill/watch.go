package drill

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"keeper/internal/control"
	"keeper/internal/core"
)

// watcher draws its conclusions from what is seen after a blow. It is pure: time comes
// with what was seen.
type watcher struct {
	drill  Drill
	unit   string
	was    control.Status
	struck time.Time
	// things are what is watched: the services that were well, and what the blow hit
	// beside them.
	things map[string]*thing
	told   func(at time.Time, what string)

	seen    control.Status
	any     bool // a status was seen since the blow
	gone    bool // the daemon does not answer
	hasFell bool
	// mended says that what was struck and is no service is there again.
	mended bool
	// still is since when all is as it should be at the end.
	still time.Time
}

// thing is one that may be away.
type thing struct {
	name    string
	life    string
	from    time.Time // zero where it is not away
	up      time.Time // when it was last seen not to be
	outage  time.Duration
	away    bool // it was, once
	service bool
}

func newWatcher(d Drill, unit string, was control.Status, struck time.Time, b Blow, told func(time.Time, string)) *watcher {
	w := &watcher{drill: d, unit: unit, was: was, struck: struck, told: told, things: map[string]*thing{}, mended: b.Mended == nil}
	for _, v := range was.Services {
		if v.Desired == core.DesiredRun && v.State == core.ServiceWell {
			w.things[v.Name] = &thing{name: short(v.Name), life: unitOf(was, v.Name).Invocation, service: true}
		}
	}
	if b.Mended != nil {
		w.things[b.Thing] = &thing{name: b.Thing}
		w.down(w.things[b.Thing], struck, "is dead")
	}
	return w
}

func short(unit string) string { return strings.TrimSuffix(unit, ".service") }

// see takes in a status.
func (w *watcher) see(st control.Status, at time.Time) {
	if w.gone {
		w.gone = false
		w.told(at, "the daemon answers again")
	}
	w.seen, w.any = st, true
	revived := st.Daemon.PID != w.was.Daemon.PID && st.Began == core.LifeRevived
	for _, name := range slices.Sorted(maps.Keys(w.things)) {
		if t := w.things[name]; t.service {
			w.service(t, serviceOf(st, name), unitOf(st, name), revived, at)
		}
	}
	if !w.hasFell && w.drill.fell(w.was, st, w.struck, w.unit) {
		w.hasFell = true
	}
	w.judge(at)
}

func (w *watcher) service(t *thing, v core.Service, u core.Unit, revived bool, at time.Time) {
	another := u.Invocation != "" && u.Invocation != t.life
	if another {
		t.life = u.Invocation
	}
	if !another && u.Active == "active" && v.State == core.ServiceStarting {
		return // it is in the same life: another daemon has not asked it yet
	}
	well := v.State == core.ServiceWell && u.Active == "active"
	// A probe or two that failed are no outage yet, as the status has it.
	ill := !well && v.State != core.ServiceFailing
	switch {
	case t.from.IsZero() && (ill || another):
		from := w.struck // it died after that, and nobody saw when
		if t.up.After(from) {
			from = t.up
		}
		if since := cmp.Or(v.Since, u.Since); !another && !revived && since.After(w.struck) && since.Before(at) {
			from = since
		}
		w.down(t, from, "is "+cmp.Or(string(v.State), "gone")+because(v.Why))
		if well {
			w.up(t, at)
		}
	case !t.from.IsZero() && well:
		w.up(t, at)
	}
	if t.from.IsZero() {
		t.up = at
	}
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return " (" + control.Line(why) + ")"
}

func (w *watcher) down(t *thing, from time.Time, what string) {
	t.from, t.away = from, true
	w.still = time.Time{}
	w.told(from, t.name+" "+what)
}

func (w *watcher) up(t *thing, at time.Time) {
	t.outage += max(0, at.Sub(t.from))
	t.from = time.Time{}
	w.told(at, fmt.Sprintf("%s is back, after %s", t.name, span(t.outage)))
}

// repaired says that what the blow hit, and that no status tells of, is there again.
func (w *watcher) repaired(name string, at time.Time) {
	w.mended = true
	w.up(w.things[name], at)
	w.judge(at)
}

// lost says that the daemon does not answer.
func (w *watcher) lost(at time.Time) {
	if !w.gone {
		w.told(at, "the daemon does not answer")
	}
	w.gone, w.still = true, time.Time{}
}

// judge sees whether all is as it should be at the end.
func (w *watcher) judge(at time.Time) {
	fine := w.hasFell && w.mended && !w.gone && w.any && w.seen.Well && len(w.seen.Owed) == 0 && len(w.seen.Waiting) == 0 && len(w.away()) == 0
	switch {
	case !fine:
		w.still = time.Time{}
	case w.still.IsZero():
		w.still = at
	}
}

// away are the names of what is away now.
func (w *watcher) away() []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(w.things)) {
		if !w.things[name].from.IsZero() {
			list = append(list, w.things[name].name)
		}
	}
	return list
}

// over says when it is, if nothing more happens; the zero time: not yet.
func (w *watcher) over() time.Time {
	if w.still.IsZero() {
		return time.Time{}
	}
	return w.still.Add(w.drill.Watch)
}

// outcome is what came of it by then. late: its time is up.
func (w *watcher) outcome(at time.Time, late bool) (o core.DrillOutcome, outage time.Duration, why string) {
	away := false
	for _, t := range w.things {
		d := t.outage
		if !t.from.IsZero() {
			d += max(0, at.Sub(t.from))
		}
		outage = max(outage, d)
		away = away || t.away
	}
	switch {
	case !late && away:
		return core.DrillBack, outage, "all was back by itself"
	case !late:
		return core.DrillHeld, 0, "nothing was away"
	}
	return core.DrillFailed, outage, w.wrong()
}

// wrong is what keeps it from being over.
func (w *watcher) wrong() string {
	switch away := w.away(); {
	case w.gone || !w.any:
		return "the daemon does not answer"
	case len(away) > 0:
		return strings.Join(away, ", ") + " did not come back in time"
	case !w.hasFell:
		return "nothing shows that the blow fell"
	case len(w.seen.Problems) > 0:
		return "all is not well: " + control.Line(w.seen.Problems[0].What)
	}
	return "not all was as before in time"
}

// outages are how long each was away, the longest first.
func (w *watcher) outages() []control.Outage {
	var list []control.Outage
	for name, t := range w.things {
		if t.away {
			list = append(list, control.Outage{Name: name, OutageMS: t.outage.Milliseconds()})
		}
	}
	slices.SortFunc(list, func(a, b control.Outage) int {
		return cmp.Or(cmp.Compare(b.OutageMS, a.OutageMS), strings.Compare(a.Name, b.Name))
	})
	return list
}

// span is a short time as a stop watch has it.
func span(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
