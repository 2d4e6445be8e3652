package core

import (
	"maps"
	"strings"
	"time"
)

// Drift is where what runs, or the Compose file that a unit came from, differs
// from the unit.
type Drift struct {
	Unit string `json:"unit"`
	// Against is "container" or "compose".
	Against   string `json:"against"`
	Field     string `json:"field"`
	UnitSays  string `json:"unit_says"`
	OtherSays string `json:"other_says"`
	Try       string `json:"try,omitempty"`
}

type (
	// DriftSeen is the answer to LookDrift. Stamps are the files that the answer
	// rests on, and what tells of a change of each. Errs are what could not be
	// compared; Err, that nothing could.
	DriftSeen struct {
		Drift  []Drift
		Stamps map[string]string
		Errs   []string
		Err    string
	}
	// SourcesSeen is the answer to LookSources: Stamps as they are now.
	SourcesSeen struct{ Stamps map[string]string }
)

func (DriftSeen) event()   {}
func (SourcesSeen) event() {}

const (
	// driftSettle is how long after a change units and containers are compared,
	// and driftGap how far apart at the least. The gap doubles while changes go
	// on, up to LookEvery.
	driftSettle = 5 * time.Second
	driftGap    = 10 * time.Second
)

// driftHint has what runs compared with its units, in a while.
func (d *decider) driftHint() {
	if !d.looks() {
		return
	}
	at := d.now.Add(driftSettle)
	if next := d.driftedAt.Add(d.driftGap); !d.driftedAt.IsZero() && at.Before(next) {
		at = next
	}
	d.driftAt = earlier(d.driftAt, at)
}

// driftOf sees whether anything changed of the units that a comparison rests on.
func (d *decider) driftOf(was map[string]Unit) {
	if was == nil && d.Units != nil {
		d.driftHint()
		return
	}
	for name := range d.Units {
		if d.drifted(was, name) {
			d.driftHint()
			return
		}
	}
	for name, old := range was {
		if _, there := d.Units[name]; !there && old.IsService() {
			d.driftHint()
			return
		}
	}
}

// drifted says whether something changed of a unit that is there.
func (d *decider) drifted(was map[string]Unit, name string) bool {
	u := d.Units[name]
	old, there := was[name]
	return u.IsService() && (!there || u.Invocation != old.Invocation && u.Active == "active" || u.Stale != old.Stale || u.Source != old.Source ||
		u.Active == "active" && old.Active != "active")
}

// lookDrift compares, if that is due and nothing is on the move.
func (d *decider) lookDrift() {
	if d.driftAt.IsZero() || d.now.Before(d.driftAt) {
		return
	}
	switch {
	case !d.looks() || d.ShuttingDown || d.StandDown.InForce() || !d.ManagerUp:
		d.driftAt = time.Time{} // the end of each is a hint
	case d.comparing || d.starting || !d.begun || !d.standSeen || d.adoptBusy() || len(d.writing) > 0 || d.startBusy || d.renewing:
		d.driftAt = d.now.Add(driftSettle)
	case !d.hasServices():
		d.driftAt = time.Time{}
		d.Drift, d.DriftErrs, d.stamps = nil, nil, nil
	default:
		switch {
		case d.driftedAt.IsZero() || d.now.Sub(d.driftedAt) >= 2*LookEvery:
			d.driftGap = driftGap
		default:
			d.driftGap = min(2*d.driftGap, LookEvery)
		}
		d.driftAt, d.driftedAt, d.comparing = time.Time{}, d.now, true
		d.actions = append(d.actions, Action{Kind: LookDrift, Limit: DriftLimit,
			What: "compare what runs with its units", Reason: "something of it changed"})
	}
}

func (s State) hasServices() bool {
	for _, u := range s.Units {
		if u.IsService() {
			return true
		}
	}
	return false
}

func (d *decider) driftSeen(e DriftSeen) {
	d.comparing = false
	if !d.looks() {
		return
	}
	if e.Err != "" {
		// What was found before may still hold.
		d.DriftErrs = []string{e.Err}
		return
	}
	d.Drift, d.DriftErrs, d.stamps = e.Drift, e.Errs, e.Stamps
}

// lookSources looks whether the files changed that the last comparison rests on.
// One look at a time: they may be on a file system that hangs.
func (d *decider) lookSources() {
	if len(d.stamps) > 0 && !d.ShuttingDown && !d.lookingSources {
		d.lookingSources = true
		d.actions = append(d.actions, Action{Kind: LookSources, Files: d.stamps,
			What: "look at the files that units came from", Reason: "now and then, for nothing tells of a change"})
	}
}

func (d *decider) sourcesSeen(e SourcesSeen) {
	d.lookingSources = false
	if d.looks() && len(d.stamps) > 0 && !maps.Equal(e.Stamps, d.stamps) {
		d.driftHint()
	}
}

func (d *decider) forgetDrift() {
	d.Drift, d.DriftErrs, d.stamps, d.driftAt = nil, nil, nil, time.Time{}
}

// String says it for a person.
func (f Drift) String() string {
	other := "the running container has "
	if f.Against == "compose" {
		other = "the Compose file has "
	}
	return strings.TrimSuffix(f.Unit, ".service") + ": " + f.Field + " is " + orNothing(f.UnitSays) + " in the unit, and " + other + orNothing(f.OtherSays)
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}
