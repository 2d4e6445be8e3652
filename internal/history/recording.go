package history

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"keeper/internal/core"
)

// A recording holds the events of an incident, so that they can be played through
// core.Decide: an incident in the field becomes a unit test. It holds what events do:
// units, images, ports and settings, and no secrets, for no event has any.
const (
	recordingSize   = 1 << 20
	recordingSuffix = ".jsonl"
	mostRecordings  = 20
)

// Recorded is one line of a recording. Without an Event it is a begin: the state is
// that of a daemon that just started.
type Recorded struct {
	At    time.Time
	Event core.Event
}

// events are one of each that there is.
var events = []core.Event{
	core.LogindUp{}, core.LogindDown{}, core.LingerHint{}, core.LingerSeen{}, core.LingerSet{}, core.StandDownSeen{}, core.SessionNew{}, core.SessionRemoved{},
	core.UserNew{}, core.UserRemoved{}, core.PrepareForShutdown{}, core.PrepareForSleep{}, core.UnitsSeen{}, core.UnitSeen{}, core.ManagerDown{},
	core.StopAsked{}, core.StopUndone{}, core.UnitsStarted{}, core.UnitsStopped{}, core.Answered{}, core.HelperHint{}, core.HelpersSeen{},
	core.RuntimeRenewed{}, core.NetworkMended{}, core.ManagerWoken{}, core.ManagerSeen{}, core.DelayTaken{}, core.Wake{}, core.Began{},
	core.SettingsSeen{}, core.ContainerHint{}, core.ContainersSeen{}, core.UnitsWritten{}, core.AdoptionHint{}, core.AdoptionSeen{}, core.AdoptionUndone{},
	core.DriftSeen{}, core.SourcesSeen{}, core.Probed{}, core.Examined{}, core.Remedied{}, core.RestartAsked{}, core.ResumeAsked{}, core.HeldSeen{},
	core.SessionSeen{}, core.CommandsSeen{}, core.ManagerEnds{}, core.DrillAsked{},
}

var eventTypes = func() map[string]reflect.Type {
	m := map[string]reflect.Type{}
	for _, e := range events {
		m[reflect.TypeOf(e).Name()] = reflect.TypeOf(e)
	}
	return m
}()

// wireUnit is a unit with what no status shows and Decide needs.
type wireUnit struct {
	core.Unit
	Entered     time.Duration `json:"entered,omitempty"`
	Job         bool          `json:"job,omitempty"`
	BoundTo     []string      `json:"bound_to,omitempty"`
	StopsWith   []string      `json:"stops_with,omitempty"`
	StopLimit   time.Duration `json:"stop_limit,omitempty"`
	Inside      []uint16      `json:"inside,omitempty"`
	Mounts      []core.Mount  `json:"mounts,omitempty"`
	HealthCheck bool          `json:"health_check,omitempty"`
	MainPID     int           `json:"main_pid,omitempty"`
}

func toWire(u core.Unit) wireUnit {
	return wireUnit{u, u.Entered, u.Job, u.BoundTo, u.StopsWith, u.StopLimit, u.Inside, u.Mounts, u.HealthCheck, u.MainPID}
}

func (w wireUnit) unit() core.Unit {
	u := w.Unit
	u.Entered, u.Job, u.BoundTo, u.StopsWith, u.StopLimit = w.Entered, w.Job, w.BoundTo, w.StopsWith, w.StopLimit
	u.Inside, u.Mounts, u.HealthCheck, u.MainPID = w.Inside, w.Mounts, w.HealthCheck, w.MainPID
	return u
}

// wireUnits is a core.UnitsSeen whose units are whole.
type wireUnits struct {
	core.UnitsSeen
	Units []wireUnit `json:"Units"`
}

// line is Recorded as it is written.
type line struct {
	At   time.Time       `json:"at"`
	Type string          `json:"type"`
	E    json.RawMessage `json:"event,omitempty"`
}

const (
	typeBegin = "begin"
	typeCut   = "cut"
)

func encodeEvent(at time.Time, e core.Event) ([]byte, error) {
	if e == nil {
		return json.Marshal(line{At: at, Type: typeBegin})
	}
	var v any = e
	switch e := e.(type) {
	case core.UnitSeen:
		v = struct{ Unit wireUnit }{toWire(e.Unit)}
	case core.UnitsSeen:
		w := wireUnits{UnitsSeen: e}
		for _, u := range e.Units {
			w.Units = append(w.Units, toWire(u))
		}
		v = w
	}
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return json.Marshal(line{At: at, Type: reflect.TypeOf(e).Name(), E: data})
}

func decodeEvent(data []byte) (Recorded, error) {
	var l line
	if err := json.Unmarshal(data, &l); err != nil {
		return Recorded{}, err
	}
	r := Recorded{At: l.At}
	switch l.Type {
	case typeBegin:
		return r, nil
	case "UnitSeen":
		var w struct{ Unit wireUnit }
		err := json.Unmarshal(l.E, &w)
		r.Event = core.UnitSeen{Unit: w.Unit.unit()}
		return r, err
	case "UnitsSeen":
		var w wireUnits
		err := json.Unmarshal(l.E, &w)
		seen := w.UnitsSeen
		for _, u := range w.Units {
			seen.Units = append(seen.Units, u.unit())
		}
		r.Event = seen
		return r, err
	}
	t, known := eventTypes[l.Type]
	if !known {
		return r, fmt.Errorf("%q is no event", l.Type)
	}
	v := reflect.New(t)
	if err := json.Unmarshal(l.E, v.Interface()); err != nil {
		return r, err
	}
	r.Event, _ = v.Elem().Interface().(core.Event)
	return r, nil
}

// Recording is being written.
type Recording struct {
	file *os.File
	size int64
	cut  bool
}

// Record begins the recording of an incident, or goes on with it. The oldest ones go.
func (s Store) Record(id string) (*Recording, error) {
	if id == "" || strings.ContainsAny(id, "/\x00") || strings.HasPrefix(id, ".") {
		return nil, fmt.Errorf("%q is no name of an incident", id)
	}
	dir := filepath.Join(s.Dir, "recordings")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if files, err := os.ReadDir(dir); err == nil {
		var names []string
		for _, f := range files {
			if strings.HasSuffix(f.Name(), recordingSuffix) && f.Name() != id+recordingSuffix {
				names = append(names, f.Name())
			}
		}
		slices.Sort(names) // they begin with the time
		for len(names) >= mostRecordings {
			_ = os.Remove(filepath.Join(dir, names[0]))
			names = names[1:]
		}
	}
	f, err := os.OpenFile(filepath.Join(dir, id+recordingSuffix), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	r := &Recording{file: f}
	if info, err := f.Stat(); err == nil {
		r.size = info.Size()
	}
	if err := r.Add(time.Now(), nil); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return r, nil
}

// Add writes one event; nil is a begin. Past its size the recording is cut, which is no
// error.
func (r *Recording) Add(at time.Time, e core.Event) error {
	if r.cut {
		return nil
	}
	data, err := encodeEvent(at, e)
	if err != nil {
		return err
	}
	if r.size+int64(len(data)) > recordingSize {
		r.cut = true
		data, _ = json.Marshal(line{At: at, Type: typeCut})
	}
	n, err := r.file.Write(append(data, '\n'))
	r.size += int64(n)
	return err
}

// Close ends it.
func (r *Recording) Close() error { return r.file.Close() }

// ReadRecording reads what Record wrote. A line that was cut ends it.
func ReadRecording(from io.Reader) ([]Recorded, error) {
	var list []Recorded
	sc := bufio.NewScanner(from)
	sc.Buffer(nil, lineSize)
	for n := 1; sc.Scan(); n++ {
		r, err := decodeEvent(sc.Bytes())
		if err != nil {
			if strings.Contains(string(sc.Bytes()), `"type":"`+typeCut+`"`) {
				return list, nil
			}
			return list, fmt.Errorf("line %d of the recording: %w", n, err)
		}
		list = append(list, r)
	}
	return list, sc.Err()
}

// Replay plays a recording through core.Decide, and returns what was decided.
func Replay(list []Recorded) []core.Decision {
	var all []core.Decision
	s := core.State{Linger: core.LingerUnknown}
	for _, r := range list {
		if r.Event == nil {
			s = core.State{Linger: core.LingerUnknown}
			continue
		}
		var actions []core.Action
		s, actions = core.Decide(s, r.Event, r.At)
		for _, a := range actions {
			if a.Decided() {
				all = append(all, core.Decision{At: r.At, What: a.What, Reason: a.Reason, Kind: a.Kind, Units: a.Units})
			}
		}
	}
	return all
}
