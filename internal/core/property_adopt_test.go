package core

import (
	"math/rand/v2"
	"time"
)

// randomAdoption is an event about containers without a unit.
func randomAdoption(r *rand.Rand, now time.Time, failed string) Event {
	switch r.IntN(11) {
	case 0:
		e := SettingsSeen{Settings: Settings{Adopt: pick(r, AdoptPropose, AdoptAuto, AdoptAuto, AdoptOff)}}
		if failed != "" {
			e.Errs = []string{failed}
		}
		return e
	case 1, 2:
		return ContainerHint{}
	case 3, 4, 5, 6:
		e := ContainersSeen{Err: failed}
		for _, name := range []string{"a", "b", "c", "x", "y"} {
			if chance(r, 40) {
				e.Unkept = append(e.Unkept, Unkept{Name: name, ID: name + pick(r, "1", "2"), Since: now.Add(-time.Duration(r.IntN(60)) * time.Second), Throwaway: chance(r, 20), Terminal: chance(r, 10)})
			}
		}
		return e
	case 7:
		return UnitsWritten{Written: []Written{{Container: pick(r, "a", "x")}}, Refused: []Refusal{{Container: pick(r, "x", "y")}}, Err: failed}
	case 8:
		return pick[Event](r, AdoptionHint{}, AdoptionUndone{Err: failed}, AdoptionSeen{},
			AdoptionSeen{Adoption: pick(r, AdoptionNone, AdoptionUnderway, AdoptionInterrupted, AdoptionInterrupted)},
			AdoptionSeen{Adoption: pick(r, AdoptionNone, AdoptionInterrupted, AdoptionInterrupted)})
	case 9:
		return DriftSeen{Drift: []Drift{{Unit: "a.service"}}, Stamps: map[string]string{"/c": pick(r, "1", "2")}, Err: failed}
	}
	return SourcesSeen{Stamps: map[string]string{"/c": pick(r, "1", "2")}}
}
