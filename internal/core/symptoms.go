package core

import (
	"slices"
	"strings"
	"time"
)

const (
	// mostSymptoms are kept of those that are over, mostSame of them of the same key.
	// What lasts is kept beside them, up to mostLasting in all.
	mostSymptoms  = 200
	mostSame      = 5
	mostLasting   = 1000
	mostStretches = 1000 // of all services of one incident
	sameStretches = 50   // of one service
)

// lastsIn says whether something is wrong still, as far as the incident knows.
func lastsIn(i Incident, key string) bool {
	return slices.ContainsFunc(i.Symptoms, func(s Symptom) bool { return s.Key == key && s.To.IsZero() })
}

// lastEnd is when something was over that was part of the incident; zero if it never
// was, or lasts.
func lastEnd(i Incident, key string) time.Time {
	if n, found := findService(i.Services, key); found { // these are never left out
		if s := i.Services[n].Stretches; s[len(s)-1].Pulse == PulseUp {
			return s[len(s)-1].From
		}
		return time.Time{}
	}
	for _, s := range slices.Backward(i.Symptoms) {
		if s.Key == key {
			return s.To
		}
	}
	return time.Time{}
}

// suffers adds a symptom, unless there is no room. Those that are over make room.
func suffers(i Incident, t trouble) (Incident, bool) {
	i.Symptoms = slices.Clone(i.Symptoms)
	over, same := 0, 0
	first, firstSame := -1, -1 // the oldest that is over, the root's first aside
	for n, s := range i.Symptoms {
		if s.To.IsZero() {
			continue
		}
		over++
		if n > 0 && first < 0 {
			first = n
		}
		if s.Key == t.key {
			if same++; same == 2 { // the first tells how it began
				firstSame = n
			}
		}
	}
	switch {
	case same >= mostSame:
		i.Symptoms = slices.Delete(i.Symptoms, firstSame, firstSame+1)
		i.Omitted++
	case first >= 0 && (over >= mostSymptoms || len(i.Symptoms) >= mostLasting):
		i.Symptoms = slices.Delete(i.Symptoms, first, first+1)
		i.Omitted++
	case len(i.Symptoms) >= mostLasting:
		i.Omitted++
		return i, false
	}
	from := later(t.since, lastEnd(i, t.key))
	i.Symptoms = append(i.Symptoms, Symptom{Key: t.key, Unit: t.unit, What: t.what, From: from, Cause: t.cause})
	if t.cause == t.key {
		i.Symptoms[len(i.Symptoms)-1].Cause = ""
	}
	if from.Before(i.Began) {
		i.Began = from
	}
	if t.unit != "" {
		i.Services = pulsed(i.Services, t.unit, t.pulse, from)
	}
	return i, true
}

// pulseOf is how a service is, as far as the incident knows.
func pulseOf(list []Affected, name string) Pulse {
	n, found := findService(list, name)
	if !found || len(list[n].Stretches) == 0 {
		return PulseUp
	}
	return list[n].Stretches[len(list[n].Stretches)-1].Pulse
}

func findService(list []Affected, name string) (int, bool) {
	return slices.BinarySearchFunc(list, name, func(a Affected, name string) int { return strings.Compare(a.Name, name) })
}

// pulsed notes how a service is from a time on.
func pulsed(list []Affected, name string, p Pulse, at time.Time) []Affected {
	was := pulseOf(list, name)
	if was == p {
		return list
	}
	n, found := findService(list, name)
	list = slices.Clone(list)
	if !found {
		list = slices.Insert(list, n, Affected{Name: name})
	}
	a := list[n]
	if k := len(a.Stretches); k > 0 && at.Before(a.Stretches[k-1].From) {
		at = a.Stretches[k-1].From
	}
	switch {
	case was == PulseUp:
		a.Times++
	case p == PulseUp:
		a.Outage = a.OutageBy(at)
	}
	a.Stretches = append(slices.Clone(a.Stretches), Stretch{Pulse: p, From: at})
	most := max(2, min(sameStretches, mostStretches/len(list)))
	for len(a.Stretches) > most {
		if a.Stretches[0].Pulse != PulseUp && a.Stretches[1].Pulse != PulseUp {
			a.Stretches[1].From = a.Stretches[0].From // or the outage would begin too late
		}
		a.Stretches = a.Stretches[1:]
	}
	list[n] = a
	return list
}

// bout is the longest that something was wrong, and since when it is, if it is.
type bout struct {
	usual time.Duration
	from  time.Time
}

func (s *bout) add(from, to time.Time) {
	if to.IsZero() {
		s.from = earlier(s.from, from)
	} else {
		s.usual = max(s.usual, to.Sub(from))
	}
}

// tooLong is when something that began after that time will have lasted for much longer
// than anything did before: a symptom, or a service being down, for one that flaps is
// not well all along. Zero if nothing did, or was mended before.
func (i Incident) tooLong(after time.Time) time.Time {
	var symptoms, downs bout
	for _, s := range i.Symptoms {
		symptoms.add(s.From, s.To)
	}
	for _, a := range i.Services {
		for n, s := range a.Stretches {
			switch {
			case s.Pulse != PulseDown:
			case n == len(a.Stretches)-1:
				downs.add(s.From, time.Time{})
			default:
				downs.add(s.From, a.Stretches[n+1].From)
			}
		}
	}
	at := time.Time{}
	for _, s := range []bout{symptoms, downs} {
		if s.usual > 0 && s.from.After(after) {
			at = earlier(at, s.from.Add(max(lastsLong, 2*s.usual)))
		}
	}
	return at
}
