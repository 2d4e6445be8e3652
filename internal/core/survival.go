package core

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Survival is a death of the user manager, or of the machine, that the stack
// came back from.
type Survival struct {
	At    time.Time `json:"at"`
	Kind  LifeKind  `json:"kind,omitempty"`
	Cause string    `json:"cause"`
	// Clean says that the end was announced.
	Clean bool `json:"clean,omitempty"`
	// Outage runs from the begin of the stop to the last service that is there
	// again. Across a boot it is told by the wall clock, and after an end that
	// was not clean from when the stack was last seen alive.
	Outage   time.Duration `json:"outage"`
	Services []Outage      `json:"services"`
}

// Outage is how long one service was away.
type Outage struct {
	Name   string        `json:"name"`
	Outage time.Duration `json:"outage"`
}

const (
	// askFirst is when a service that is active but does not answer yet is asked
	// again; the wait doubles each time.
	askFirst = 500 * time.Millisecond
	// askMost is how often it is asked. Then being active has to do: some ports
	// never answer, and some servers bar who only ever knocks.
	askMost = 9
)

// account sees which services are back. A service with ports is back when it
// answers, any other when it is active. When all are, the survival is whole.
func (d *decider) account() {
	if len(d.pending) == 0 {
		return
	}
	d.returned = maps.Clone(d.returned)
	d.forgetGone()
	ask := map[string][]string{}
	for _, p := range d.pending {
		u := d.Units[p.Name]
		if _, ok := d.returned[p.Name]; ok || u.Active != "active" || u.Entered <= p.Left {
			continue
		}
		if len(u.Ports) > 0 && d.asked < askMost {
			ask[p.Name] = u.Ports
			continue
		}
		d.returned[p.Name] = u.Entered
	}
	if len(ask) > 0 && !d.asking && d.askAt.IsZero() {
		d.asking = true
		d.actions = append(d.actions, Action{Kind: LookAnswers, What: "see who answers", Reason: "active is not yet there", Ports: ask})
	}
	if len(d.pending) > 0 && len(d.returned) == len(d.pending) {
		d.survived()
	}
}

// forgetGone drops what will not come back: a unit that was removed, one that
// somebody stopped, and one whose container somebody runs without it.
func (d *decider) forgetGone() {
	if !d.ManagerUp {
		return
	}
	outside := Outside(d.Units, d.Unkept)
	d.pending = slices.DeleteFunc(slices.Clone(d.pending), func(p Down) bool {
		u, there := d.Units[p.Name]
		if there && !u.Stopped && outside[p.Name] == "" {
			return false
		}
		delete(d.returned, p.Name)
		return true
	})
}

// answered takes in who answers, and has the others asked again.
func (d *decider) answered(e Answered) {
	d.asking = false
	d.returned = maps.Clone(d.returned)
	for _, p := range d.pending {
		if at, ok := e.At[p.Name]; ok && at > p.Left && d.Units[p.Name].Active == "active" {
			if _, known := d.returned[p.Name]; !known {
				d.returned[p.Name] = at
			}
		}
	}
	d.askAt = d.now.Add(askFirst << min(d.asked, askMost))
	d.asked++
	d.account()
	if len(d.pending) == 0 {
		d.askAt = time.Time{}
	}
}

func (d *decider) survived() {
	s := Survival{At: d.Began.At, Kind: d.Began.death(), Cause: d.Began.Cause, Clean: d.Began.Clean}
	first, last := d.pending[0].Left, d.returned[d.pending[0].Name]
	for _, p := range d.pending {
		back := d.returned[p.Name]
		s.Services = append(s.Services, Outage{Name: p.Name, Outage: back - p.Left})
		first, last = min(first, p.Left), max(last, back)
	}
	s.Outage = last - first
	slices.SortFunc(s.Services, func(a, b Outage) int { return strings.Compare(a.Name, b.Name) })
	d.Survival, d.pending = &s, nil
	d.note("count the stack as back", fmt.Sprintf("%s; all %d services are there again after %s",
		s.Cause, len(s.Services), s.Outage.Round(10*time.Millisecond)))
}

// Waiting returns the services that have not come back yet from the last
// death of the user manager.
func (s State) Waiting() []string {
	var names []string
	for _, p := range s.pending {
		if _, ok := s.returned[p.Name]; !ok {
			names = append(names, p.Name)
		}
	}
	return names
}

// TakenDown returns the services that a stop of the user manager took down: of
// those the daemon saw last, all that ran. The stop began at the given time.
func TakenDown(last []Unit, began time.Duration) []Down {
	var down []Down
	for _, u := range last {
		// The daemon may have seen the stop begin.
		if u.Runs() && !u.Stopped && u.Active != "inactive" && u.Active != "failed" {
			down = append(down, Down{Name: u.Name, Left: began})
		}
	}
	return down
}
