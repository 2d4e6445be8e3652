package core

import (
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"
)

// chance does one thing to a town, by chance.
func (w *town) chance(r *rand.Rand) string {
	name := pick(r, w.names...)
	h, bare := w.houses[name], short(name)
	up := h.unit.Active == "active"
	switch n := r.IntN(34); n {
	case 0, 1, 2:
		if up {
			w.dies(bare)
			return "dies"
		}
	case 3, 4, 5, 6:
		if !up && !h.unit.Stopped {
			h.stuck = false
			w.risen(bare)
			return "risen"
		}
	case 7:
		h.stuck = true
		w.goes(name, "failed", "failed")
		return "stuck"
	case 8, 9:
		h.stuck = false
		return "unstuck"
	case 10, 11, 12:
		h.says = pick(r, allConditions[2:]...)
		return "ails"
	case 13, 14, 15, 16:
		w.heals(bare)
		return "heals"
	case 17, 18:
		w.again()
		return "again"
	case 19, 20:
		back := map[string]time.Duration{}
		for _, n := range w.names {
			if chance(r, 80) {
				back[short(n)] = time.Duration(11+r.IntN(60)) * time.Second
			}
		}
		machine, announced := chance(r, 30), chance(r, 60)
		kind := LifeRevived
		if machine || chance(r, 10) {
			kind = LifeBooted
		}
		w.blow(machine, announced, kind, 10*time.Second, back)
		for _, n := range w.names {
			if _, ok := back[short(n)]; !ok {
				w.goes(n, pick(r, "failed", "inactive", "activating"), "dead")
			}
		}
		return "blow"
	case 21:
		w.tell(StandDownSeen{paused})
		return "pause"
	case 22, 23:
		w.tell(StandDownSeen{})
		return "resume"
	case 24:
		w.tell(HeldSeen{map[string]Hold{name: {At: w.now}}})
		return "hold"
	case 25:
		w.tell(HeldSeen{})
		return "unhold"
	case 26:
		w.linger = !w.linger
		w.tell(LingerHint{})
		return "linger"
	case 27:
		w.jump(time.Duration(r.IntN(10)-5) * time.Hour)
		return "jump"
	case 28:
		if up {
			w.tell(StopAsked{Name: name, Job: 1})
			w.goes(name, "inactive", "dead")
			return "stop"
		}
	case 29:
		w.tell(AdoptionSeen{Adoption: pick(r, AdoptionUnderway, AdoptionNone)})
		return "adopt"
	case 30:
		w.tell(PrepareForShutdown{Active: chance(r, 30)})
		return "shutdown"
	case 31:
		w.tell(DrillAsked{Drill{ID: "d", Name: "drill", Began: w.now, Until: w.now.Add(time.Duration(r.IntN(30)) * time.Minute), Ended: pick(r, time.Time{}, w.now)}})
		return "drill"
	case 32:
		w.tell(pick[Event](r, ManagerDown{Err: "gone"}, w.list(), LogindDown{Err: "gone"}, LogindUp{}))
		return "bus"
	case 33:
		e := w.list().(UnitsSeen)
		e.Lost = []LostFile{{Source: "a"}, {Source: "b"}}[:r.IntN(3)]
		w.tell(e)
		return "lost"
	}
	return ""
}

// mend makes everything well.
func (w *town) mend() {
	w.linger = true
	for _, h := range w.houses {
		h.stuck, h.says, h.tell = false, "", 3
	}
	for _, e := range []Event{PrepareForShutdown{}, StandDownSeen{}, HeldSeen{}, AdoptionSeen{}, LogindUp{}, w.list(), LingerHint{}} {
		w.tell(e)
	}
	for _, name := range w.names {
		w.risen(short(name))
	}
}

// However wild it was: each incident is told of once as open and once as closed, in
// that order, whatever daemon it was; and once all is well, none stays open.
func TestIncidentProperties(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	kinds := map[IncidentKind]int{}
	alerts := map[AlertKind]int{}
	for seed := range uint64(propertyRuns) {
		r := rand.New(rand.NewPCG(seed, 6))
		w := begin(t, stack...)
		type snap struct {
			s    State
			text string
		}
		var snaps []snap
		w.each = func() {
			if r.IntN(40) == 0 {
				snaps = append(snaps, snap{w.s, dump(w.s)})
			}
		}
		pace := pick(r, 20, 60, 200, 1200)
		w.step = pick(r, 10*time.Second, 10*time.Second, time.Minute)
		for range 50 {
			seen[w.chance(r)]++
			w.pass(time.Duration(r.IntN(pace)) * time.Second)
			if w.broken != "" {
				t.Fatalf("seed %d", seed)
			}
			if w.s.ending || chance(r, 2) {
				w.again()
			}
		}
		for _, one := range snaps {
			if dump(one.s) != one.text {
				t.Fatalf("seed %d: a state that was handed out was changed\n%s\n%s", seed, one.text, dump(one.s))
			}
		}
		w.each = nil
		w.mend()
		w.pass(10 * time.Minute)
		for _, i := range w.s.Incidents.Open {
			if i.Wrong() {
				t.Errorf("seed %d: %s is wrong still: %+v\n%+v", seed, i.ID, i, w.s.brewing)
			}
		}
		longest := w.now
		w.step = 10 * time.Minute
		for _, i := range w.s.Incidents.Open {
			if at := w.now.Add(i.Hold); at.After(longest) {
				longest = at
			}
		}
		w.pass(longest.Sub(w.now) + time.Second)
		if len(w.s.Incidents.Open) > 0 {
			t.Errorf("seed %d: open though all is well: %+v", seed, w.s.Incidents.Open)
		}
		for id, i := range w.all {
			kinds[i.Kind]++
			if w.opened[id] != 1 || w.closed[id] != 1 {
				t.Errorf("seed %d: %s was told of as opened %d times, as closed %d times", seed, id, w.opened[id], w.closed[id])
			}
			// What came of it by other ways must be the same.
			for n, told := range i.Told {
				a := alertOf(i, n)
				if before := w.byKey[a.Key]; before.Kind != told.Kind || before.Incident != id {
					t.Errorf("seed %d: %s is %+v", seed, a.Key, before)
				}
			}
		}
		for _, a := range w.alerts {
			alerts[a.Kind]++
		}
		if t.Failed() {
			t.Fatalf("seed %d:\n%s", seed, w.heard())
		}
		if w.s.judgeAt.Before(w.now) && !w.s.judgeAt.IsZero() {
			t.Errorf("seed %d: it was to be judged at %v", seed, w.s.judgeAt)
		}
	}
	for _, what := range []string{"dies", "risen", "stuck", "unstuck", "ails", "heals", "again", "blow", "pause", "resume", "hold", "unhold", "linger", "jump", "stop", "adopt", "shutdown", "drill", "bus", "lost"} {
		if seen[what] < 20 {
			t.Errorf("%q happened %d times", what, seen[what])
		}
	}
	for _, k := range []IncidentKind{IncidentSession, IncidentMachine, IncidentService, IncidentProtection} {
		if kinds[k] < 20 {
			t.Errorf("%d incidents of kind %s: the stories are too dull", kinds[k], k)
		}
	}
	t.Logf("%v %v", kinds, alerts)
	if alerts[AlertReminder] < 10 {
		t.Errorf("%v", alerts)
	}
}

// The same event on the same state leads to the same.
func TestJudgeIsAFunction(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 7))
		w := begin(t, stack...)
		for range 30 {
			w.chance(r)
			w.pass(time.Duration(r.IntN(100)) * time.Second)
			e := pick[Event](r, w.list(), Wake{}, ManagerEnds{Cause: "x"}, DrillAsked{Drill{ID: "d", Name: "n"}})
			at := w.now.Add(time.Duration(r.IntN(100)) * time.Hour)
			one, did := Decide(w.s, e, at)
			two, again := Decide(w.s, e, at)
			if !reflect.DeepEqual(one, two) || !reflect.DeepEqual(did, again) {
				t.Fatalf("seed %d: twice the same, and another outcome: %T", seed, e)
			}
		}
	}
}

// Nothing that is remembered grows without end.
func TestAMonthOfIncidents(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 8))
	w := begin(t, stack...)
	w.step = time.Minute
	sizes := func() map[string]int {
		m := map[string]int{"brewing": len(w.s.brewing), "wellSince": len(w.s.wellSince), "open": len(w.s.Incidents.Open), "closed": len(w.s.Incidents.Closed),
			"recent": len(w.s.Incidents.Recent), "used": len(w.s.Incidents.Used)}
		for _, list := range [][]Incident{w.s.Incidents.Open, w.s.Incidents.Closed} {
			for _, i := range list {
				m["symptoms"], m["told"] = max(m["symptoms"], len(i.Symptoms)), max(m["told"], len(i.Told))
				for _, a := range i.Services {
					m["stretches"] = max(m["stretches"], len(a.Stretches))
				}
			}
		}
		return m
	}
	most := map[string]int{}
	for end := w.now.Add(30 * 24 * time.Hour); w.now.Before(end); {
		if w.chance(r) == "jump" {
			end = end.Add(time.Hour)
		}
		w.pass(time.Duration(r.IntN(40)) * time.Minute)
		if w.s.ending {
			w.again()
		}
		for what, n := range sizes() {
			most[what] = max(most[what], n)
		}
		clear(w.all)
	}
	t.Logf("%v", most)
	for what, limit := range map[string]int{"brewing": 20, "wellSince": 20, "open": mostIncidents, "closed": mostClosed, "recent": 20, "used": mostUsed,
		"symptoms": 60, "told": 15, "stretches": sameStretches} {
		if most[what] > limit {
			t.Errorf("there were %d %s", most[what], what)
		}
	}
	if len(slices.Collect(maps.Keys(most))) < 9 {
		t.Errorf("not all was seen: %v", most)
	}
}
