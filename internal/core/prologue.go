package core

import (
	"maps"
	"slices"
)

// Prologue are events that bring a State from zero to about this one: what a daemon
// would see that starts now. A recording of what follows begins with them, so that it
// can be played through Decide.
func (s State) Prologue() []Event {
	if !s.begun {
		return nil
	}
	began := Began{Kind: LifeSame, Was: s.Began.death(), Life: s.Began.Life, At: s.Began.At, Cause: s.Began.Cause, Clean: s.Began.Clean,
		Down: s.pending, Stops: s.stops, With: s.with, Owed: s.Owed()}
	if s.lifeDue {
		began = s.Began
	}
	began.Cares, began.Incidents = s.Cares(), s.Incidents
	list := []Event{began, SettingsSeen{Settings: s.Settings, Errs: s.SettingsErrs}, AdoptionSeen{Adoption: s.Adoption}, HeldSeen{Held: s.Held}}
	if s.standSeen {
		list = append(list, StandDownSeen{StandDown: s.StandDown})
	}
	if s.LogindUp {
		list = append(list, LogindUp{ShuttingDown: s.ShuttingDown})
	} else if s.logindErr != "" {
		list = append(list, LogindDown{Err: s.logindErr})
	}
	if s.Linger != LingerUnknown {
		list = append(list, LingerSeen{On: s.Linger == LingerOn, Root: s.Root}, LingerSet{Err: s.SetErr, Denied: s.Denied})
	}
	for _, id := range slices.Sorted(maps.Keys(s.sessions)) {
		list = append(list, SessionSeen{Session: s.sessions[id]})
	}
	if s.Units != nil {
		seen := UnitsSeen{Armed: s.Armed, Starting: s.starting, First: true, Lost: s.Lost, Sections: s.Sections, SectionErrs: s.SectionErrs}
		for _, name := range slices.Sorted(maps.Keys(s.Units)) {
			seen.Units = append(seen.Units, s.Units[name])
		}
		list = append(list, seen)
	}
	if !s.ManagerUp && s.ManagerErr != "" {
		list = append(list, ManagerDown{Err: s.ManagerErr})
	}
	if s.seenContainers {
		list = append(list, ContainersSeen{Unkept: s.Unkept})
	}
	for _, name := range slices.Sorted(maps.Keys(s.watches)) {
		w := s.watches[name]
		if w.answered && !w.outcome.Condition.Alive() {
			list = append(list, Probed{Unit: name, Invocation: w.life, Outcome: Outcome{Condition: ConditionReady}})
		}
		for n := 0; w.outcome.Condition != "" && n < max(1, min(w.fails, 100)); n++ {
			list = append(list, Probed{Unit: name, Invocation: w.life, Outcome: w.outcome})
		}
	}
	return list
}
