package core

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// house is a service in a world of incidents.
type house struct {
	unit  Unit
	needs []string
	life  int
	// says is what it answers while it is not well; stuck, that no start helps.
	says  Condition
	stuck bool
	tell  int // a good outcome is told so often still
}

// town is a stack with a user manager, a prober, a keeper that is restarted, and
// somebody who reads all alerts.
type town struct {
	t      *testing.T
	s      State
	now    time.Time
	houses map[string]*house
	names  []string
	alerts []Alert          // in the order in which they came, each once
	byKey  map[string]Alert // of all daemons
	mine   map[string]bool  // the keys that this daemon handed over
	looks  int
	linger bool
	step   time.Duration
	set    time.Duration // by how much the clock was set
	broken string
	// opened and closed count by incident; all are those that were ever seen, as they
	// were last.
	opened, closed map[string]int
	all            map[string]Incident
	// each is called after each event.
	each func()
}

func newTown(t *testing.T, names ...string) *town {
	w := &town{t: t, now: noon, houses: map[string]*house{}, byKey: map[string]Alert{}, opened: map[string]int{}, closed: map[string]int{}, all: map[string]Incident{}, linger: true}
	for _, n := range names {
		name, needs, _ := strings.Cut(n, ":")
		name += ".service"
		h := &house{life: 1, tell: 3, unit: Unit{Name: name, Kind: "container", Active: "active", Sub: "running", Invocation: "1", Wanted: true, Entered: time.Second}}
		if needs != "" {
			for _, need := range strings.Split(needs, ",") {
				h.needs = append(h.needs, need+".service")
			}
			h.unit.Needs = h.needs
		}
		w.houses[name] = h
		w.names = append(w.names, name)
	}
	slices.Sort(w.names)
	return w
}

// start starts a daemon.
func (w *town) start(b Began) {
	w.s, w.mine = State{Linger: LingerUnknown}, map[string]bool{}
	for _, h := range w.houses {
		h.tell = 3
	}
	supervised := Supervision{Port: 4711, From: map[string]string{"port": "f:1"}}
	w.tell(b)
	w.tell(SettingsSeen{Settings: Settings{Adopt: AdoptOff, Defaults: supervised}})
	w.tell(HeldSeen{})
	w.tell(StandDownSeen{})
	w.tell(LogindUp{})
	w.tell(w.list())
}

// begin is a town whose keeper has run for a while.
func begin(t *testing.T, names ...string) *town {
	w := newTown(t, names...)
	w.start(Began{Kind: LifeSame, At: w.now})
	w.pass(5 * time.Minute)
	return w
}

// again restarts the daemon within the same life.
func (w *town) again() {
	w.start(Began{Kind: LifeSame, At: w.now, Incidents: w.s.Incidents, Owed: w.s.Owed(), Cares: w.s.Cares(), Stops: w.s.stops})
}

func (w *town) list() Event {
	e := UnitsSeen{Armed: true}
	for _, name := range w.names {
		e.Units = append(e.Units, w.houses[name].unit)
	}
	return e
}

func (w *town) tell(e Event) {
	was := w.s
	var actions []Action
	w.s, actions = Decide(w.s, e, w.now)
	w.check(e, was, actions)
	for _, a := range actions {
		w.do(a)
	}
	if w.each != nil {
		w.each()
	}
}

func (w *town) do(a Action) {
	switch a.Kind {
	case SendAlert:
		w.alerted(*a.Alert)
	case LookCommands:
		w.looks++
	case Examine:
		e := Examined{Unit: a.Units[0], Outcomes: map[string]Outcome{}}
		for _, target := range a.Targets {
			e.Outcomes[target.Unit] = w.ask(target.Unit)
		}
		w.tell(e)
	case RestartUnits:
		w.tell(Remedied{Kind: a.Kind, Units: a.Units})
		w.goes(a.Units[0], "deactivating", "stop-sigterm")
		w.comes(a.Units[0])
	case ContinueUnit, ThawUnit:
		w.tell(Remedied{Kind: a.Kind, Units: a.Units})
	case StartUnits:
		for _, name := range a.Units {
			w.comes(name)
		}
		w.tell(UnitsStarted{Units: a.Units})
	case LookUnits:
		w.tell(w.list())
	case LookManager:
		w.tell(ManagerSeen{})
	case LookHelpers:
		w.tell(HelpersSeen{})
	case LookLinger:
		w.tell(LingerSeen{On: w.linger})
	case SetLinger:
		if !w.linger { // polkit does not let it
			w.tell(LingerSet{Err: "denied", Denied: true})
			return
		}
		w.tell(LingerSet{})
	}
}

// goes has a unit change its state; comes has it start.
func (w *town) goes(name, active, sub string) {
	h := w.houses[name]
	if h.unit.Active, h.unit.Sub = active, sub; active == "failed" {
		h.unit.Result = "exit-code"
	}
	w.tell(UnitSeen{h.unit})
}

func (w *town) comes(name string) {
	h := w.houses[name]
	h.life++
	h.unit.Invocation, h.unit.Active, h.unit.Sub, h.unit.Result = fmt.Sprint(h.life), "activating", "start", "success"
	w.tell(UnitSeen{h.unit})
	if h.stuck {
		w.goes(name, "failed", "failed")
		return
	}
	h.unit.Active, h.unit.Sub, h.unit.Entered, h.tell = "active", "running", w.mono(), 3
	w.tell(UnitSeen{h.unit})
}

// mono is what CLOCK_MONOTONIC says.
func (w *town) mono() time.Duration { return w.now.Sub(noon) - w.set + 24*time.Hour }

// dies has systemd wait before it restarts the service; risen is the restart.
func (w *town) dies(names ...string) {
	for _, name := range names {
		w.goes(name+".service", "activating", "auto-restart")
	}
}

func (w *town) risen(names ...string) {
	for _, name := range names {
		w.houses[name+".service"].unit.Restarts++
		w.comes(name + ".service")
	}
}

// hangs has a service answer nothing; heals has it answer again.
func (w *town) hangs(names ...string) {
	for _, name := range names {
		w.houses[name+".service"].says = ConditionSilent
	}
}

func (w *town) heals(names ...string) {
	for _, name := range names {
		w.houses[name+".service"].says = ""
	}
}

func (w *town) ask(name string) Outcome {
	h := w.houses[name]
	if h.says != "" {
		return Outcome{Condition: h.says, Detail: "no answer"}
	}
	for _, need := range h.needs {
		if n := w.houses[need]; n.unit.Active != "active" || !w.ask(need).Condition.Ready() {
			return Outcome{Condition: ConditionSilent, Detail: "it waits for " + need}
		}
	}
	return Outcome{Condition: ConditionReady}
}

func (w *town) probe(name string) {
	h := w.houses[name]
	if h.unit.Active != "active" {
		return
	}
	o := w.ask(name)
	if o.Condition.Ready() {
		if h.tell <= 0 {
			return
		}
		h.tell--
	} else {
		h.tell = 3
	}
	w.tell(Probed{Unit: name, Invocation: h.unit.Invocation, Outcome: o})
}

// pass lets time pass: wakes as they are due, and probes each step of ten seconds.
func (w *town) pass(d time.Duration) {
	step := cmp.Or(w.step, 10*time.Second)
	for end := w.now.Add(d); ; {
		next := w.now.Truncate(step).Add(step)
		if w.s.Next.Before(next) {
			next = w.s.Next
		}
		if next.After(end) {
			w.now = end
			return
		}
		w.now = next
		if !w.now.Before(w.s.Next) {
			w.tell(Wake{})
		}
		if w.now.Truncate(step).Equal(w.now) {
			for _, name := range w.names {
				w.probe(name)
			}
		}
	}
}

// jump sets the clock. The engine's timer is on the monotonic one, and goes on.
func (w *town) jump(d time.Duration) {
	w.now = w.now.Add(d)
	w.set += d
	w.tell(Wake{})
}

func (w *town) alerted(a Alert) {
	w.mine[a.Key] = true
	w.byKey[a.Key] = a
}

// check looks at what must hold after each event.
func (w *town) check(e Event, was State, actions []Action) {
	fail := func(format string, args ...any) {
		if w.broken == "" {
			w.broken = fmt.Sprintf("%T at +%v: %s", e, w.now.Sub(noon), fmt.Sprintf(format, args...))
			w.t.Errorf("%s", w.broken)
		}
	}
	for _, a := range actions {
		if a.Kind != SendAlert {
			continue
		}
		_, begun := e.(Began)
		if w.mine[a.Alert.Key] {
			fail("alert %s is handed over twice", a.Alert.Key)
		}
		if before, known := w.byKey[a.Alert.Key]; known {
			if !begun || before.Incident != a.Alert.Incident || before.Kind != a.Alert.Kind || !before.At.Equal(a.Alert.At) {
				fail("alert %s was another before", a.Alert.Key)
			}
			continue
		}
		w.alerts = append(w.alerts, *a.Alert)
		switch a.Alert.Kind {
		case AlertOpened:
			if w.opened[a.Alert.Incident]++; w.opened[a.Alert.Incident] > 1 {
				fail("%s is opened twice", a.Alert.Incident)
			}
		case AlertClosed:
			if w.closed[a.Alert.Incident]++; w.closed[a.Alert.Incident] > 1 || w.opened[a.Alert.Incident] != 1 {
				fail("%s is closed twice, or was not opened", a.Alert.Incident)
			}
		case AlertReminder:
			if w.opened[a.Alert.Incident] != 1 || w.closed[a.Alert.Incident] > 0 {
				fail("%s is not open, and somebody is reminded", a.Alert.Incident)
			}
		}
		if n := len([]rune(a.Alert.Title)); n > titleMost || n < 10 || strings.Contains(a.Alert.Title, "\n") {
			fail("the title has %d characters: %q", n, a.Alert.Title)
		}
	}
	if &was == &w.s || sameList(was.Incidents.Open, w.s.Incidents.Open) && sameList(was.Incidents.Closed, w.s.Incidents.Closed) {
		return
	}
	for _, list := range [][]Incident{w.s.Incidents.Open, w.s.Incidents.Closed} {
		for _, i := range list {
			if why := flaw(i); why != "" {
				fail("%s: %s: %+v", i.ID, why, i)
			}
			w.all[i.ID] = i
		}
	}
	if len(w.s.Incidents.Open) > mostIncidents+10 || len(w.s.Incidents.Closed) > mostClosed || len(w.s.Incidents.Recent) > mostRecent || len(w.s.Incidents.Used) > mostUsed {
		fail("there is no end to it")
	}
}

// flaw is what is wrong with an incident, whatever came before.
func flaw(i Incident) string {
	ordered := func(times ...time.Time) bool {
		last := time.Time{}
		for _, at := range times {
			if at.IsZero() {
				continue
			}
			if at.Before(last) {
				return false
			}
			last = at
		}
		return true
	}
	lasting := slices.ContainsFunc(i.Symptoms, func(s Symptom) bool { return s.To.IsZero() })
	switch {
	case len(i.Symptoms) == 0:
		return "it has no symptom"
	case i.ID == "" || i.Root == "" || i.Cause == "" || i.Hold <= 0:
		return "it has no ID, root, cause or hold"
	case !ordered(i.Began, i.Opened) || !ordered(i.Began, i.Mended, i.Closed):
		return "its times are out of order"
	case lasting == !i.Wrong():
		return "it is mended, and something lasts, or the other way round"
	case i.Open() != (len(i.Told) == 0 || i.Told[len(i.Told)-1].Kind != AlertClosed):
		return "it is closed, and that is not told, or the other way round"
	}
	for n, t := range i.Told {
		if (t.Kind == AlertOpened) != (n == 0) {
			return "it was not first told of as opened"
		}
	}
	for _, s := range i.Symptoms {
		if s.From.IsZero() || s.From.Before(i.Began) || !s.To.IsZero() && s.To.Before(s.From) || s.What == "" || s.Cause == s.Key {
			return "the symptom of " + s.Key
		}
	}
	if !slices.IsSortedFunc(i.Services, func(a, b Affected) int { return strings.Compare(a.Name, b.Name) }) {
		return "its services are in no order"
	}
	for _, a := range i.Services {
		if why := flawOf(a); why != "" {
			return a.Name + ": " + why
		}
		if lastsIn(i, a.Name) == (a.Stretches[len(a.Stretches)-1].Pulse == PulseUp) {
			return a.Name + " is up and suffers, or the other way round"
		}
	}
	return ""
}

func flawOf(a Affected) string {
	if len(a.Stretches) == 0 || a.Times == 0 {
		return "it was never hit"
	}
	sum, times := time.Duration(0), 0
	for n, s := range a.Stretches {
		if n == 0 {
			if s.Pulse != PulseUp {
				times++
			}
			continue
		}
		before := a.Stretches[n-1]
		switch {
		case s.From.Before(before.From):
			return "its stretches are out of order"
		case s.Pulse == before.Pulse:
			return "two stretches are the same"
		case before.Pulse == PulseUp:
			times++
		}
		if before.Pulse != PulseUp {
			sum += s.From.Sub(before.From)
		}
	}
	last := a.Stretches[len(a.Stretches)-1]
	if last.Pulse != PulseUp {
		sum -= last.From.Sub(a.since())
	}
	if times == a.Times && sum != a.Outage || times < a.Times && sum > a.Outage || times > a.Times {
		return fmt.Sprintf("it was away for %v, %d times, and that is said to be %v, %d times", sum, times, a.Outage, a.Times)
	}
	return ""
}

// list of the alerts, one a line.
func (w *town) heard() string {
	var b strings.Builder
	for _, a := range w.alerts {
		fmt.Fprintf(&b, "+%v %s %s: %s\n", a.At.Sub(noon).Round(time.Second), a.Kind, short(a.Root), a.Title)
	}
	return b.String()
}

// want compares the alerts, as "opened db | closed db".
func (w *town) want(want string) {
	w.t.Helper()
	var got []string
	for _, a := range w.alerts {
		got = append(got, string(a.Kind)+" "+short(a.Root))
	}
	if g := strings.Join(got, " | "); g != want {
		w.t.Errorf("got  %q\nwant %q\n%s", g, want, w.heard())
	}
}

// only is the only incident that there ever was.
func (w *town) only() Incident {
	w.t.Helper()
	if len(w.all) != 1 {
		w.t.Fatalf("there were %d incidents: %s\n%+v", len(w.all), w.heard(), w.all)
	}
	for _, i := range w.all {
		return i
	}
	return Incident{}
}

func (w *town) incident(root string) Incident {
	w.t.Helper()
	for _, id := range slices.Sorted(maps.Keys(w.all)) {
		if short(w.all[id].Root) == root {
			return w.all[id]
		}
	}
	w.t.Fatalf("there is no incident of %s: %+v", root, w.all)
	return Incident{}
}
