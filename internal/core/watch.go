package core

import (
	"fmt"
	"hash/fnv"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// watch is what is known of one life of a service by its probes. One that was
// stored is never changed: a new one takes its place.
type watch struct {
	life  string
	pid   int
	since time.Time // when this life was first seen up
	spec  Supervision
	deps  []string

	outcome  Outcome
	found    time.Time // when the present condition was first found
	late     bool      // it was not ready when it was first asked
	answered bool      // it has shown a sign of life
	fails    int       // probes without one, in a row
	goods    int       // probes with one, in a row
	unready  int       // signs of life that were not Ready, in a row
	ill      time.Time // since when; zero if it is not
	well     time.Time // since when it has shown nothing but signs of life
	cause    string    // the dependency that explains that it is ill
	look     time.Time // when it may be examined, if it is ill
	thaws    int       // tries to have it go on, in this life
	thawAt   time.Time
	thawing  bool
}

// care is what keeper did about a service, beyond one life of it.
type care struct {
	restarts []time.Time // within the window
	tries    int         // since it was last well for wellHold
	next     time.Time
	gaveUp   time.Time
	lives    []time.Time // when systemd restarted it, within flapWindow
	proved   string      // the question that it answered last
}

// Care is what of it outlives the daemon.
type Care struct {
	Restarts []time.Time `json:"restarts,omitempty"`
	GaveUp   time.Time   `json:"gave_up,omitzero"`
	Proved   string      `json:"proved,omitempty"`
}

const (
	// wellHold is how long a service must have been well before what was done
	// about it is over.
	wellHold = time.Minute
	// restartHold is how long a restart keeps others back, unless the service
	// shows a sign of life before: what ails all of them is no reason to restart
	// all of them.
	restartHold = time.Minute
	// flaps restarts by systemd within flapWindow are no life.
	flaps      = 5
	flapWindow = 10 * time.Minute
	flapsMost  = 20 // that are counted
	// thawMost bounds the wait between tries to have a service go on.
	thawMost = 10 * time.Minute
	// examineSpare is how long after its time an examination is waited for.
	examineSpare = 10 * time.Second
)

// restartWaits are the waits before each further restart of a service that did
// not help; the last holds for all that follow.
var restartWaits = []time.Duration{0, 10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute}

// jitter spreads what would happen at the same time by up to a tenth more. It is
// the same each time, for Decide is a function.
func jitter(wait time.Duration, name string, n int) time.Duration {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name + strconv.Itoa(n)))
	return wait + wait*time.Duration(h.Sum32()%100)/1000
}

// setWatch stores a watch.
func (d *decider) setWatch(name string, w watch) {
	d.watches = maps.Clone(d.watches)
	if d.watches == nil {
		d.watches = map[string]*watch{}
	}
	d.watches[name] = &w
}

func (d *decider) setCare(name string, l care) {
	d.cares = maps.Clone(d.cares)
	if d.cares == nil {
		d.cares = map[string]*care{}
	}
	d.cares[name] = &l
}

func (s State) care(name string) care {
	if l := s.cares[name]; l != nil {
		return *l
	}
	return care{}
}

// Held says whether a person told keeper to leave the service alone.
func (s State) held(name string, now time.Time) (Hold, bool) {
	h, ok := s.Held[name]
	return h, ok && (h.Until.IsZero() || h.Until.After(now))
}

// watchUnit follows a unit from life to life. respec says that how it is watched
// over may have changed.
func (d *decider) watchUnit(was, u Unit, respec bool) {
	w := d.watches[u.Name]
	up := u.Runs() && u.Active == "active"
	if u.Restarts > was.Restarts && was.Name != "" {
		l := d.care(u.Name)
		l.lives = append(within(l.lives, d.now, flapWindow), d.now)
		l.lives = l.lives[max(0, len(l.lives)-flapsMost):]
		d.setCare(u.Name, l)
	}
	switch {
	case !up && w == nil:
		return
	case !up:
		d.watches = maps.Clone(d.watches)
		delete(d.watches, u.Name)
		d.replan = true
		return
	case w != nil && w.life == u.Invocation && w.pid == u.MainPID && !respec:
		return
	}
	next := watch{life: u.Invocation, since: d.now}
	if w != nil && w.life == u.Invocation {
		next = *w
	}
	next.pid = u.MainPID
	if w == nil || w.life != u.Invocation || respec {
		next.spec = Supervise(u, d.Settings, d.Sections[u.Name])
		next.deps = Dependencies(u, next.spec)
		if w != nil && w.life == u.Invocation && w.pid == u.MainPID && slices.Equal(w.deps, next.deps) && reflect.DeepEqual(w.spec, next.spec) {
			return
		}
	}
	if w != nil && w.life == u.Invocation && !next.spec.same(w.spec) {
		// What was found by the settings before is no reason to restart it.
		d.overIll(u.Name)
		next.fails, next.goods, next.ill, next.cause, next.look = 0, 0, time.Time{}, "", time.Time{}
	}
	d.setWatch(u.Name, next)
	d.replan = d.replan || w == nil || w.life != next.life || w.pid != next.pid || !next.spec.same(w.spec)
}

// same says whether the settings are, wherever they came from.
func (s Supervision) same(other Supervision) bool {
	s.From, other.From = nil, nil
	return reflect.DeepEqual(s, other)
}

// overIll ends the topics of an illness: should the same come again, that is
// another one.
func (d *decider) overIll(name string) {
	for _, topic := range []string{"ill ", "cause ", "rule ", "unready ", "strain "} {
		d.over(topic + name)
	}
}

// rewatch goes through all units: the list of them, or the settings, are new.
func (d *decider) rewatch(was map[string]Unit) {
	for name := range d.watches {
		if _, ok := d.Units[name]; !ok {
			d.watches = maps.Clone(d.watches)
			delete(d.watches, name)
			d.replan = true
		}
	}
	for name, u := range d.Units {
		d.watchUnit(was[name], u, true)
	}
}

// sections are those that the list of units came with. A section with a mistake
// leaves what was in force.
func (d *decider) sections(e UnitsSeen) map[string]Supervision {
	sections := maps.Clone(e.Sections)
	for _, name := range slices.Sorted(maps.Keys(e.SectionErrs)) {
		if before, ok := d.Sections[name]; ok {
			if sections == nil {
				sections = map[string]Supervision{}
			}
			sections[name] = before
		} else {
			delete(sections, name)
		}
		d.noteTopic("section "+name, "go on with the settings of "+short(name)+" before", strings.Join(e.SectionErrs[name], "; "))
	}
	for name := range d.SectionErrs {
		if len(e.SectionErrs[name]) == 0 {
			d.over("section " + name)
		}
	}
	return sections
}

// target is what to probe of a service that is watched.
func (s State) target(name string) Target {
	w := s.watches[name]
	return Target{Unit: name, Invocation: w.life, MainPID: w.pid, Container: s.Units[name].Container, Supervision: w.spec}
}

// setProbes tells the prober what there is to probe, if that is something else
// than before.
func (d *decider) setProbes() {
	if !d.replan {
		return
	}
	d.replan = false
	targets := make([]Target, 0, len(d.watches))
	for name, w := range d.watches {
		if w.spec.Probe != ProbeNone {
			targets = append(targets, d.target(name))
		}
	}
	slices.SortFunc(targets, func(a, b Target) int { return strings.Compare(a.Unit, b.Unit) })
	// First: what follows is about what is probed.
	d.actions = slices.Insert(d.actions, 0, Action{Kind: SetProbes, Targets: targets, What: "probe the services", Reason: "one came or went, or the settings changed"})
}

// probed takes in what a probe found.
func (d *decider) probed(e Probed) {
	w := d.watches[e.Unit]
	if w == nil || w.life != e.Invocation || d.ShuttingDown {
		return // of a life that is over
	}
	d.takeIn(e.Unit, *w, e.Outcome)
}

func (d *decider) takeIn(name string, w watch, o Outcome) {
	w.late = w.late || w.found.IsZero() && !o.Condition.Ready()
	if o.Condition != w.outcome.Condition || w.found.IsZero() {
		w.found = d.now
	}
	w.outcome = o
	switch {
	case !o.Condition.Known():
		// It says nothing of the service: neither better nor worse.
	case o.Condition.Alive():
		w = d.signOfLife(name, w)
	default:
		w.goods, w.well, w.unready = 0, time.Time{}, 0
		if w.answered || d.now.Sub(w.since) >= w.spec.Grace || o.Condition == ConditionFrozen || o.Condition == ConditionStopped {
			w.fails++
		}
		if w.fails >= w.spec.Failures && w.ill.IsZero() {
			w.ill = d.now
			d.noteTopic("ill "+name, "call "+short(name)+" ill", fmt.Sprintf("%d probes in a row failed: %s", w.fails, said(o)))
		}
	}
	d.setWatch(name, w)
}

func (d *decider) signOfLife(name string, w watch) watch {
	if !w.answered {
		d.overIll(name) // of the life before
	}
	w.fails, w.answered, w.thaws, w.thawAt = 0, true, 0, time.Time{}
	w.goods++
	if l, asks := d.care(name), w.spec.asks(); asks != "" && l.proved != asks {
		l.proved = asks
		d.setCare(name, l)
	}
	if w.well.IsZero() {
		w.well = d.now
	}
	if d.restarting == name && !d.stopsItself(d.Units[name]) {
		d.restarting = ""
	}
	if w.outcome.Condition.Ready() {
		w.unready = 0
		d.over("unready " + name)
	} else {
		w.unready++
		if w.unready == w.spec.Failures {
			d.noteTopic("unready "+name, "leave "+short(name)+" as it is", "it lives, and is not ready: "+said(w.outcome))
		}
	}
	if !w.ill.IsZero() && w.goods >= w.spec.Successes {
		d.overIll(name)
		d.note("count "+short(name)+" as well again", fmt.Sprintf("%d probes in a row had an answer, after %s", w.goods, d.now.Sub(w.ill).Round(time.Second)))
		w.ill, w.cause, w.look = time.Time{}, "", time.Time{}
	}
	return w
}

// said is an outcome for a person.
func said(o Outcome) string {
	if o.Detail == "" {
		return string(o.Condition)
	}
	return string(o.Condition) + ": " + o.Detail
}

func short(unit string) string { return strings.TrimSuffix(unit, ".service") }

// within drops what is older than the window. What an earlier daemon kept is on the
// wall's clock: if that was set back meanwhile, it must not count for ever.
func within(times []time.Time, now time.Time, window time.Duration) []time.Time {
	return slices.DeleteFunc(slices.Clone(times), func(t time.Time) bool { return now.Sub(t).Abs() >= window })
}

// takeOver goes on with what an earlier daemon did. A service that it gave up on
// has a new chance in a new life of the user manager; what was spent of the
// budget is spent.
func (d *decider) takeOver(kept map[string]Care, same bool) {
	for name, k := range kept {
		l := care{restarts: k.Restarts, proved: k.Proved}
		if same {
			l.gaveUp = k.GaveUp
		}
		d.setCare(name, l)
	}
}

// Cares are what is to be kept of what keeper did about each service.
func (s State) Cares() map[string]Care {
	kept := map[string]Care{}
	for name, l := range s.cares {
		if len(l.restarts) > 0 || !l.gaveUp.IsZero() || l.proved != "" {
			kept[name] = Care{Restarts: l.restarts, GaveUp: l.gaveUp, Proved: l.proved}
		}
	}
	return kept
}
