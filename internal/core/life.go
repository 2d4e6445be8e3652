package core

import (
	"fmt"
	"maps"
	"time"
)

// Life tells one life of the user manager from another.
type Life struct {
	// Boot is the boot it belongs to, Started when it began, on CLOCK_MONOTONIC.
	Boot    string        `json:"boot"`
	Started time.Duration `json:"started"`
}

// LifeKind says what lies between the last daemon and this one.
type LifeKind string

// What may have happened.
const (
	LifeUnknown LifeKind = "unknown" // nothing is known of an earlier one
	LifeSame    LifeKind = "same"    // keeper itself was restarted
	LifeRevived LifeKind = "revived" // the user manager died and came back
	LifeBooted  LifeKind = "booted"  // the machine did
)

// Began is what the daemon finds when it starts.
type Began struct {
	Kind LifeKind `json:"kind"`
	// Was is the Kind of what is still being counted back in, where the Kind is
	// LifeSame.
	Was  LifeKind  `json:"was,omitempty"`
	Life Life      `json:"life"`
	At   time.Time `json:"at"`
	// Cause is what took the last life, in words. Clean says that its end was
	// announced.
	Cause string `json:"cause,omitempty"`
	Clean bool   `json:"clean,omitempty"`
	// Down is what ran when it ended.
	Down []Down `json:"down,omitempty"`
	// Fresh says that this life is so young that what does not run has not come
	// back, and was not stopped by somebody.
	Fresh bool `json:"fresh,omitempty"`
	// Of the same life: what ran when it was seen last, what somebody had stopped,
	// with the life (Invocation) that it ended, and what keeper was bringing back,
	// with the reason.
	Ran   []string          `json:"ran,omitempty"`
	Stops map[string]string `json:"stops,omitempty"`
	Owed  map[string]string `json:"owed,omitempty"`
	// With are, of the Stops, those that came with the stop of another service.
	With map[string]string `json:"with,omitempty"`
	// Cares is what was done about ill services, in any life.
	Cares map[string]Care `json:"cares,omitempty"`
	// Incidents are those that the last daemon kept.
	Incidents Incidents `json:"incidents,omitzero"`
}

// LastLife is what the last daemon kept.
type LastLife struct {
	Life  Life
	Units []Unit
	// Seen is when the state was last known to be true, Ended when the daemon
	// was told to end: the second on both clocks, zero if it never was.
	Seen, EndedAt time.Time
	Ended         time.Duration
	// Shutdown says that logind had announced the end of the machine.
	Shutdown bool
	// Began is what the last daemon was still counting back in, and Owed what it
	// was bringing back.
	Began *Began
	Owed  map[string]string
	Cares map[string]Care

	Incidents Incidents
}

// Now is what is true when the daemon starts.
type Now struct {
	Life Life
	At   time.Time
	Mono time.Duration
	// Stopped is when user@UID.service last ceased to be active; zero if PID 1
	// does not know.
	Stopped time.Duration
	Rearms  []Rearm
}

// stopSpan is longer than the stop of a user manager takes: its limit is two
// minutes.
const stopSpan = 3 * time.Minute

// death is the kind of end that is counted back in.
func (b Began) death() LifeKind {
	if b.Kind == LifeSame {
		return b.Was
	}
	return b.Kind
}

// recent bounds how old a life may be that is taken for a new one where nothing
// is known of the last: keeper is then among the first things to start.
const recent = time.Minute

// WhatHappened compares what the last daemon kept with what is true now.
func WhatHappened(last LastLife, now Now) Began {
	b := Began{Life: now.Life, At: now.At, Cares: last.Cares, Incidents: last.Incidents}
	switch {
	case last.Life.Boot == "" || last.Life.Started == 0 || now.Life.Boot == "" || now.Life.Started == 0:
		b.Kind = LifeUnknown
		b.Fresh = now.Life.Started > 0 && now.Mono-now.Life.Started < recent
	case last.Life == now.Life:
		b.Kind, b.Owed, b.Stops = LifeSame, last.Owed, map[string]string{}
		for _, u := range last.Units {
			switch {
			case u.Stopped:
				b.Stops[u.Name] = u.Invocation
				if u.StoppedWith != "" {
					if b.With == nil {
						b.With = map[string]string{}
					}
					b.With[u.Name] = u.StoppedWith
				}
			case u.Active == "active":
				b.Ran = append(b.Ran, u.Name)
			}
		}
		if last.Began != nil {
			b.Cause, b.Clean, b.Down, b.At = last.Began.Cause, last.Began.Clean, last.Began.Down, last.Began.At
			b.Was = last.Began.death()
		}
	case last.Life.Boot == now.Life.Boot:
		revived(&b, last, now)
	default:
		booted(&b, last, now)
	}
	return b
}

func revived(b *Began, last LastLife, now Now) {
	b.Kind = LifeRevived
	b.Cause = "the user manager died without a last act, as SIGKILL has it"
	began := last.Ended
	for _, r := range now.Rearms {
		if r.Boot != now.Life.Boot || r.Mono < last.Life.Started || r.Mono > now.Life.Started {
			continue
		}
		b.Cause, b.Clean = r.Cause, true
		if began == 0 {
			began = r.Mono
		}
		if !r.Done {
			b.Cause += "; it was not keeper that brought it back"
		}
	}
	if now.Stopped > last.Life.Started {
		began = now.Stopped
	}
	if began == 0 {
		began = now.Life.Started
	}
	b.At = now.At.Add(began - now.Mono)
	b.Down = TakenDown(last.Units, began)
}

func booted(b *Began, last LastLife, now Now) {
	// That keeper was told to end says nothing: a person may have stopped it, days
	// before.
	b.Kind, b.Clean = LifeBooted, last.Shutdown
	left := last.EndedAt
	for _, r := range now.Rearms {
		if r.Boot == last.Life.Boot && r.Reason == MachineGoesDown {
			b.Clean = true
			// The daemon was told at the begin of the end, or long before.
			if r.At.Sub(left) > stopSpan {
				left = r.At
			}
		}
	}
	if b.Clean {
		b.Cause = "the machine was rebooted"
	} else {
		left = last.Seen
		b.Cause = "the machine went down without warning; it was last seen alive at " + last.Seen.Format(time.DateTime)
	}
	if left.IsZero() {
		left = last.Seen
	}
	// The clock may have been set meanwhile; nobody comes back before he left.
	gap := max(0, now.At.Sub(left))
	b.At = now.At.Add(-gap)
	for _, d := range TakenDown(last.Units, now.Mono-gap) {
		// What nothing starts at a boot is not missed after one.
		for _, u := range last.Units {
			if u.Name == d.Name && u.Wanted {
				b.Down = append(b.Down, d)
			}
		}
	}
}

// began takes over what happened before this daemon started.
func (d *decider) began(b Began) {
	d.Began = b
	d.begun = true
	switch b.Kind {
	case LifeRevived, LifeBooted:
		// What systemd does not start by itself is owed a start.
		d.recovering = true
		d.note("count the stack back in", fmt.Sprintf("%s; %d services ran", b.Cause, len(b.Down)))
	case LifeUnknown:
		d.recovering = b.Fresh
	case LifeSame:
		d.recovering = len(b.Down) > 0
		for name, reason := range b.Owed {
			d.oweFor(name, reason, "")
		}
		d.stops, d.with = maps.Clone(b.Stops), maps.Clone(b.With)
	}
	d.takeOver(b.Cares, b.Kind == LifeSame)
	d.resume(b)
	d.Began.Incidents = Incidents{} // they go on in the state
	d.pending = b.Down
	d.returned = map[string]time.Duration{}
	d.account()
}
