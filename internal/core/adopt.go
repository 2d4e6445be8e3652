package core

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Adopt says what the daemon does about containers without a unit.
type Adopt string

// The ways: say so, write the unit, or not even look.
const (
	AdoptPropose Adopt = "propose"
	AdoptAuto    Adopt = "auto"
	AdoptOff     Adopt = "off"
)

// Settings are what keeper.toml says.
type Settings struct {
	Adopt Adopt `json:"adopt,omitempty"`
	// Defaults are for every service, Services for one each, by the name of its
	// unit without .service.
	Defaults Supervision            `json:"defaults,omitzero"`
	Services map[string]Supervision `json:"services,omitempty"`
	Metrics  Metrics                `json:"metrics,omitzero"`
	Alerts   Alerts                 `json:"alerts,omitzero"`
	// From says where each of the other keys was set, as FILE:LINE.
	From map[string]string `json:"from,omitempty"`
}

// Metrics says where the metrics are to be had beside the socket.
type Metrics struct {
	// Listen is a loopback address and port, Textfile a file for node_exporter.
	Listen   string `json:"listen,omitempty"`
	Textfile string `json:"textfile,omitempty"`
}

// Unkept is a container that runs without a unit: it does not come back after
// what ends it.
type Unkept struct {
	Name  string    `json:"name"`
	ID    string    `json:"id"`
	Since time.Time `json:"since,omitzero"`
	// Throwaway says that Podman removes it when it ends (podman run --rm).
	Throwaway bool `json:"throwaway,omitempty"`
	// Terminal says that somebody may be at it: it was started with a terminal or
	// with its input open (podman run -it, toolbox, distrobox).
	Terminal bool `json:"terminal,omitempty"`
	// Unit is there for it all the same, in File, and in force from the next start
	// on: starting it now would replace the container that runs.
	Unit string `json:"unit,omitempty"`
	File string `json:"file,omitempty"`
	// Refused is why no unit was written, and Try what to type.
	Refused string `json:"refused,omitempty"`
	Try     string `json:"try,omitempty"`
}

type (
	// Written is a unit that keeper-adopt wrote.
	Written struct {
		Container string `json:"container"`
		Unit      string `json:"unit"`
		File      string `json:"file"`
	}
	// Refusal is one that it did not write, and why.
	Refusal struct {
		Container string `json:"container"`
		Reason    string `json:"reason"`
		Try       string `json:"try"`
	}
)

type (
	// SettingsSeen is what keeper.toml says now. Errs are the mistakes in it, each
	// a sentence; then Settings are the defaults.
	SettingsSeen struct {
		Settings Settings
		Errs     []string
	}
	// ContainerHint says that a container may have come or gone.
	ContainerHint struct{}
	// ContainersSeen is the answer to LookContainers: those that run and that no
	// unit owns, by name.
	ContainersSeen struct {
		Unkept []Unkept
		Err    string
	}
	// UnitsWritten is the outcome of WriteUnits.
	UnitsWritten struct {
		Written []Written
		Refused []Refusal
		Err     string
	}
	// AdoptionHint says that the journal of an adoption may have come or gone.
	AdoptionHint struct{}
	// AdoptionSeen is the answer to LookAdoption.
	AdoptionSeen struct{ Adoption Adoption }
	// AdoptionUndone is the outcome of UndoAdoption.
	AdoptionUndone struct{ Err string }
)

func (SettingsSeen) event()   {}
func (ContainerHint) event()  {}
func (ContainersSeen) event() {}
func (UnitsWritten) event()   {}
func (AdoptionHint) event()   {}
func (AdoptionSeen) event()   {}
func (AdoptionUndone) event() {}

const (
	// containerWait gathers what a start or an end makes of hints.
	containerWait = 300 * time.Millisecond
	// containerSettle is how long after a hint, and how old a container must be,
	// before nothing more is expected to change; containerAgain is when to look
	// again meanwhile.
	containerSettle = 3 * time.Second
	containerAgain  = time.Second
	// proposeGather is how long what is old enough to be noted waits for what is not
	// yet: a stack that is started is one decision, and not one for each container.
	proposeGather = 10 * time.Second
	// writeSettle is how old a container must be before a unit is written for it by
	// itself: what ends earlier was a task, and what writes outside its volumes has
	// mostly done so by then, which is a reason not to.
	writeSettle = 30 * time.Second
	// writeMost bounds how many units are asked for at a time, for they have to be
	// done within WriteLimit; the others follow.
	writeMost = 10
	// writtenSure is how long after a unit was written systemd must have it.
	writtenSure = 10 * time.Second
	// WriteLimit is how long keeper-adopt may take to write units, UndoLimit to end
	// an interrupted adoption, DriftLimit to compare.
	WriteLimit = time.Minute
	UndoLimit  = 5 * time.Minute
	DriftLimit = 30 * time.Second
	// adoptionEvery is how often an adoption that is under way is looked at:
	// nothing tells of its being killed.
	adoptionEvery = 5 * time.Second
	// adoptionSure is how long an adoption must have been seen to be interrupted
	// before it is undone.
	adoptionSure = time.Second
	// remembered bounds what is kept of containers that are gone.
	remembered = 256
)

// looks says whether containers without a unit are anybody's concern.
func (s State) looks() bool {
	return s.Settings.Adopt == AdoptPropose || s.Settings.Adopt == AdoptAuto
}

func (d *decider) settingsSeen(e SettingsSeen) {
	first := d.Settings.Adopt == ""
	was := d.Settings
	d.SettingsErrs = e.Errs
	if len(e.Errs) > 0 {
		d.noteTopic("settings", "go on with the settings before", strings.Join(e.Errs, "; "))
	} else {
		d.over("settings")
	}
	if len(e.Errs) == 0 || first {
		d.Settings = e.Settings
	}
	if reflect.DeepEqual(d.Settings, was) {
		return
	}
	if !first {
		why := "keeper.toml changed"
		if d.Settings.Adopt != was.Adopt {
			why = fmt.Sprintf("adopt is %q now, and was %q", d.Settings.Adopt, was.Adopt)
		}
		d.note("take the new settings", why)
	}
	d.rewatch(d.Units)
	// Somebody is there, who may have mended what stood in the way.
	d.refused, d.AdoptErr, d.writeFails, d.writeAfter = nil, "", 0, time.Time{}
	if d.looks() {
		d.containersAt = d.now
		d.driftHint()
		return
	}
	d.Unkept, d.containersAt, d.seenContainers = nil, time.Time{}, false
	d.forgetDrift()
}

func (d *decider) containerHint() {
	if d.looks() {
		d.containersAt = earlier(d.containersAt, d.now.Add(containerWait))
		d.containersUntil = d.now.Add(containerSettle)
	}
}

// lookContainers looks, if that is due. A hint that came since the last look
// began has a look of its own.
func (d *decider) lookContainers() {
	if d.containersAt.IsZero() || d.now.Before(d.containersAt) {
		return
	}
	switch {
	case !d.looks() || d.ShuttingDown:
		d.containersAt = time.Time{}
	case d.lookingContainers:
		d.containersAt = d.now.Add(containerWait)
	default:
		d.containersAt, d.lookingContainers = time.Time{}, true
		d.add(LookContainers, "look at the containers", "one may have come or gone")
	}
}

func (d *decider) containersSeen(e ContainersSeen) {
	d.lookingContainers = false
	if !d.looks() {
		return
	}
	d.seenContainers = true
	if e.Err != "" {
		d.noteTopic("containers", "go without a look at the containers", e.Err)
		return // the next look at everything looks again
	}
	d.over("containers")
	known := map[string]Unkept{}
	for _, u := range d.Unkept {
		known[u.ID] = u
	}
	d.Unkept = slices.Clone(e.Unkept)
	again := d.now.Before(d.containersUntil)
	for i, u := range d.Unkept {
		// When it began is measured anew each time, and differs a little.
		if was, ok := known[u.ID]; ok && u.Since.Sub(was.Since).Abs() < containerSettle {
			d.Unkept[i].Since = was.Since
		}
		again = again || !d.settled(d.Unkept[i])
	}
	if again {
		d.containersAt = earlier(d.containersAt, d.now.Add(containerAgain))
	}
}

// settled says that the container is old enough to be what it will be.
func (d *decider) settled(u Unkept) bool { return d.now.Sub(u.Since).Abs() >= containerSettle }

// propose notes, once for each, the containers that have no unit; adopt has
// units written for them, if that is wished.
func (d *decider) propose() {
	if !d.looks() || !d.standSeen || d.StandDown.InForce() || d.ShuttingDown {
		return
	}
	auto := d.Settings.Adopt == AdoptAuto
	var fresh, ready []Unkept
	owed := false // a container is there that is to have a unit
	young, oldest := false, time.Duration(0)
	for _, u := range d.UnkeptNow() {
		switch age := d.now.Sub(u.Since).Abs(); {
		case u.Throwaway || u.Unit != "" || u.Refused != "":
		case auto && !u.Terminal:
			if owed = true; age < writeSettle {
				d.writeAt = earlier(d.writeAt, d.now.Add(writeSettle-age))
			} else {
				ready = append(ready, u)
			}
		case d.proposed[u.ID]:
		case d.settled(u):
			fresh, oldest = append(fresh, u), max(oldest, age)
		default:
			young = true
		}
	}
	if !owed && len(d.writing) == 0 {
		d.AdoptErr, d.writeFails, d.writeAfter = "", 0, time.Time{}
		d.over("adopt")
	}
	d.adopt(ready)
	if len(fresh) > 0 && young && oldest < proposeGather {
		d.writeAt = earlier(d.writeAt, d.now.Add(proposeGather-oldest))
		return
	}
	if len(fresh) == 0 {
		return
	}
	d.proposed = maps.Clone(d.proposed)
	d.forget(func(id string) { delete(d.proposed, id) }, slices.Collect(maps.Keys(d.proposed)))
	if d.proposed == nil {
		d.proposed = map[string]bool{}
	}
	for _, u := range fresh {
		d.proposed[u.ID] = true
	}
	if len(fresh) == 1 {
		d.note(fresh[0].Name+" runs without a unit", "it would not come back; keeper adopt "+fresh[0].Name+" shows a unit for it")
		return
	}
	d.note(some(fresh)+" run without a unit", "they would not come back; keeper adopt --all shows units for them")
}

// forget drops what is known of containers that are gone, once there is much of
// it: one that comes back as it was is not to be told of anew.
func (d *decider) forget(drop func(id string), ids []string) {
	if len(ids) < remembered {
		return
	}
	for _, id := range ids {
		if !slices.ContainsFunc(d.Unkept, func(u Unkept) bool { return u.ID == id }) {
			drop(id)
		}
	}
}

// some names a few.
func some(list []Unkept) string {
	const most = 5
	var short []string
	for _, u := range list[:min(len(list), most)] {
		short = append(short, u.Name)
	}
	s := strings.Join(short, ", ")
	if len(list) > most {
		s += fmt.Sprintf(" and %d more", len(list)-most)
	}
	return s
}

// writeWait is the wait after keeper-adopt failed; it doubles, up to an hour.
const writeWait = time.Minute

func (d *decider) adopt(ready []Unkept) {
	if len(ready) == 0 || len(d.writing) > 0 || d.adoptBusy() || d.Adoption != AdoptionNone || !d.mayAct() || d.starting {
		return
	}
	if d.now.Before(d.writeAfter) {
		d.writeAt = earlier(d.writeAt, d.writeAfter)
		return
	}
	ready = ready[:min(len(ready), writeMost)]
	d.writing = map[string]string{}
	var containers []string
	for _, u := range ready {
		d.writing[u.Name] = u.ID
		containers = append(containers, u.Name)
	}
	d.actions = append(d.actions, Action{Kind: WriteUnits, Units: containers, Limit: WriteLimit, Retry: d.writeFails > 0,
		What: "write units for " + some(ready), Reason: `no unit owns what runs, and keeper.toml says adopt = "auto"`})
}

func (d *decider) unitsWritten(e UnitsWritten) {
	asked := d.writing
	d.writing = nil
	d.AdoptErr = e.Err
	if e.Err != "" {
		d.writeFails++
		d.writeAfter = d.now.Add(min(writeWait<<min(d.writeFails-1, 6), time.Hour))
		d.noteTopic("adopt", "try to write units again later", e.Err)
		return
	}
	d.over("adopt")
	d.writeFails, d.writeAfter = 0, time.Time{}
	d.written, d.refused = maps.Clone(d.written), maps.Clone(d.refused)
	if d.written == nil {
		d.written = map[string]writtenUnit{}
	}
	if d.refused == nil {
		d.refused = map[string]Refusal{}
	}
	d.forget(func(id string) { delete(d.written, id) }, slices.Collect(maps.Keys(d.written)))
	d.forget(func(id string) { delete(d.refused, id) }, slices.Collect(maps.Keys(d.refused)))
	for _, w := range e.Written {
		if id, ok := asked[w.Container]; ok {
			d.written[id] = writtenUnit{w, d.now}
		}
	}
	for name, id := range asked {
		r := Refusal{Container: name, Reason: "keeper-adopt did not say why", Try: "keeper adopt " + name}
		if i := slices.IndexFunc(e.Refused, func(r Refusal) bool { return r.Container == name }); i >= 0 {
			if e.Refused[i].Reason != "" {
				r = e.Refused[i]
			}
		} else if _, ok := d.written[id]; ok {
			continue
		}
		d.refused[id] = r
	}
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		if r, ok := d.refused[asked[name]]; ok {
			d.note("leave "+name+" without a unit", r.Reason)
		}
	}
	d.containersAt = earlier(d.containersAt, d.now.Add(containerWait))
}

// writtenUnit is a unit that was written, and when.
type writtenUnit struct {
	Written
	at time.Time
}

// missWritten sees which of the units that were written are not there: somebody
// removed them, or systemd did not take them. They are not written again.
func (d *decider) missWritten() {
	for _, u := range d.Unkept {
		w, ok := d.written[u.ID]
		if _, there := d.Units[w.Unit]; !ok || there || d.starting || d.now.Sub(w.at) < writtenSure {
			continue
		}
		d.written, d.refused = maps.Clone(d.written), maps.Clone(d.refused)
		delete(d.written, u.ID)
		if d.refused == nil {
			d.refused = map[string]Refusal{}
		}
		r := Refusal{Container: u.Name, Reason: w.Unit + " was written for it, and systemd does not have it: somebody removed " + w.File + ", or it was not taken", Try: "keeper adopt " + u.Name}
		d.refused[u.ID] = r
		d.note("leave "+u.Name+" without a unit", r.Reason)
	}
}
