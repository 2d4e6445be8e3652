package core

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Survival is a death of the user manager that the stack came back from.
type Survival struct {
	At    time.Time `json:"at"`
	Cause string    `json:"cause"`
	// Outage runs from the begin of the stop to the last service that is
	// active again, as systemd saw them.
	Outage   time.Duration `json:"outage"`
	Services []Outage      `json:"services"`
}

// Outage is how long one service was away.
type Outage struct {
	Name   string        `json:"name"`
	Outage time.Duration `json:"outage"`
}

// rearm takes over what the last life left behind, to account for it.
func (d *decider) rearm(r Rearm) {
	if !r.Done || len(r.Down) == 0 {
		return
	}
	d.rearmed = r
	d.pending = slices.Clone(r.Down)
	d.returned = map[string]time.Duration{}
	d.account()
}

// account sees which services are back. When all are, the survival is whole.
func (d *decider) account() {
	if len(d.pending) == 0 {
		return
	}
	returned := make(map[string]time.Duration, len(d.pending))
	for k, v := range d.returned {
		returned[k] = v
	}
	d.returned = returned
	if d.ManagerUp {
		// A unit that was removed will not come back.
		d.pending = slices.DeleteFunc(slices.Clone(d.pending), func(p Down) bool {
			_, there := d.Units[p.Name]
			if !there {
				delete(returned, p.Name)
			}
			return !there
		})
		if len(d.pending) == 0 {
			return
		}
	}
	for _, p := range d.pending {
		u := d.Units[p.Name]
		if _, ok := returned[p.Name]; !ok && u.Active == "active" && u.Entered > p.Left {
			returned[p.Name] = u.Entered
		}
	}
	if len(returned) < len(d.pending) {
		return
	}
	s := Survival{At: d.rearmed.At, Cause: d.rearmed.Cause}
	first, last := d.pending[0].Left, time.Duration(0)
	for _, p := range d.pending {
		back := returned[p.Name]
		s.Services = append(s.Services, Outage{Name: p.Name, Outage: back - p.Left})
		first, last = min(first, p.Left), max(last, back)
	}
	s.Outage = last - first
	slices.SortFunc(s.Services, func(a, b Outage) int { return strings.Compare(a.Name, b.Name) })
	d.Survival, d.pending = &s, nil
	d.note("count the stack as back", fmt.Sprintf("%s; all %d services are active again after %s",
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
		if u.IsService() && u.Active != "inactive" && u.Active != "failed" {
			down = append(down, Down{Name: u.Name, Left: began})
		}
	}
	return down
}
