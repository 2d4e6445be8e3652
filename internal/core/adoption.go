package core

import "time"

// Adoption says how an adoption of containers stands that was begun.
type Adoption string

// Nobody adopts; somebody does; somebody did, and was interrupted half-way.
const (
	AdoptionNone        Adoption = ""
	AdoptionUnderway    Adoption = "underway"
	AdoptionInterrupted Adoption = "interrupted"
)

// adoptBusy says that keeper-adopt is at work, by keeper's hand or a person's, or
// about to be: it starts and stops units and containers, and nothing is to be
// done beside it.
func (s State) adoptBusy() bool {
	return s.Adoption == AdoptionUnderway || s.undo == undoUnsure || s.undo == undoDue || s.undo == undoRuns
}

func (d *decider) lookAdoption() {
	if !d.lookingAdoption {
		d.lookingAdoption = true
		d.add(LookAdoption, "look for an adoption", "one may have begun, ended or been interrupted")
	} else {
		d.adoptionAgain = true
	}
}

func (d *decider) adoptionSeen(e AdoptionSeen) {
	d.lookingAdoption, d.adoptionAt = false, time.Time{}
	was := d.Adoption
	d.Adoption = e.Adoption
	if d.Adoption != AdoptionNone {
		d.adoptionAt = d.now.Add(adoptionEvery)
	}
	switch {
	case d.undo == undoUnknown && d.Adoption == AdoptionInterrupted:
		d.undo, d.undoSince = undoUnsure, d.now
		d.adoptionAt = d.now.Add(adoptionSure)
	case d.undo == undoUnsure && d.Adoption == AdoptionInterrupted:
		if d.now.Sub(d.undoSince) >= adoptionSure {
			d.undo = undoDue
		} else {
			d.adoptionAt = d.undoSince.Add(adoptionSure)
		}
	case d.undo != undoRuns:
		d.undo = undoOver
	}
	switch {
	case d.Adoption == was:
	case d.Adoption == AdoptionUnderway:
		d.note("start nothing for now", "an adoption of containers is under way, and puts its units in force itself")
	case was == AdoptionUnderway && d.Adoption == AdoptionNone:
		d.containerHint()
	}
	if d.adoptionAgain {
		d.adoptionAgain = false
		d.lookAdoption()
	}
}

// undoStep says how far it is with the undoing of an adoption that was
// interrupted before this daemon: that is done once. One that is interrupted
// later is a person's matter, who is there and may mean to go on.
type undoStep int

const (
	undoUnknown undoStep = iota
	undoUnsure           // one is there; whoever is at it may be about to begin or end
	undoDue
	undoRuns
	undoOver
)

func (d *decider) undoAdoption() {
	if d.undo != undoDue || len(d.writing) > 0 || !d.mayAct() || d.starting || !d.begun {
		return
	}
	d.undo = undoRuns
	d.actions = append(d.actions, Action{Kind: UndoAdoption, Limit: UndoLimit,
		What: "end an adoption that was interrupted", Reason: "forward if all its units are there and come up, back to what was otherwise"})
}

func (d *decider) adoptionUndone(e AdoptionUndone) {
	d.undo = undoOver
	if e.Err != "" {
		d.note("leave the interrupted adoption to a person", e.Err)
	}
	d.lookAdoption()
	d.containerHint()
}
