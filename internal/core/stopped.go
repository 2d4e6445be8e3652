package core

import (
	"maps"
	"slices"
	"time"
)

// stopJob is the job by which somebody stopped a service, and when.
type stopJob struct {
	id uint32
	at time.Time
}

// alongSpan is how far apart the jobs of one stop are heard of at the most.
const alongSpan = 10 * time.Second

// stoppedAlong finds out whether a service was stopped with another one that it
// needs. In one transaction systemd numbers the job that was asked for first, and
// those that follow from it after; it tells of them in any order.
func (d *decider) stoppedAlong(u Unit, job uint32) {
	d.stopJobs = maps.Clone(d.stopJobs)
	if d.stopJobs == nil {
		d.stopJobs = map[string]stopJob{}
	}
	d.stopJobs[u.Name] = stopJob{id: job, at: d.now}
	for name := range d.stops {
		other, ok := d.Units[name]
		switch {
		case !ok || name == u.Name:
		case slices.Contains(u.StopsWith, name) && d.before(name, u.Name):
			d.setWith(u.Name, name)
		case slices.Contains(other.StopsWith, u.Name) && d.before(u.Name, name):
			d.setWith(name, u.Name)
			other.StoppedWith = d.with[name]
			d.Units = cloneUnits(d.Units)
			d.Units[name] = other
		}
	}
}

// before says whether the first was stopped right before the second.
func (d *decider) before(first, second string) bool {
	a, b := d.stopJobs[first], d.stopJobs[second]
	apart := b.at.Sub(a.at).Abs()
	return a.id != 0 && b.id != 0 && a.id < b.id && apart <= alongSpan
}

// setWith keeps the one that was stopped first of those that it was stopped with.
func (d *decider) setWith(name, cause string) {
	if was, ok := d.with[name]; ok && d.stopJobs[was].id <= d.stopJobs[cause].id {
		return
	}
	d.with = maps.Clone(d.with)
	if d.with == nil {
		d.with = map[string]string{}
	}
	d.with[name] = cause
}

// unstop takes back that somebody stopped the service.
func (d *decider) unstop(name string) {
	d.stops, d.stopJobs, d.with = maps.Clone(d.stops), maps.Clone(d.stopJobs), maps.Clone(d.with)
	delete(d.stops, name)
	delete(d.stopJobs, name)
	delete(d.with, name)
}

// isBack brings back what was stopped along with a service that somebody has
// started again.
func (d *decider) isBack(name string) {
	for other, cause := range d.with {
		if cause != name {
			continue
		}
		d.unstop(other)
		u := d.Units[other]
		if u.Stopped {
			u.Stopped, u.StoppedWith = false, ""
			d.Units = cloneUnits(d.Units)
			d.Units[other] = u
		}
		// A new daemon may not have seen it yet; bringBack knows what is to run.
		d.oweFor(other, "it was stopped with "+short(name)+", which is up again", "")
	}
}

func (d *decider) isHeld(name string) bool {
	_, held := d.held(name, d.now)
	return held
}
