package history

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"keeper/internal/core"
)

// A recording holds the events of an incident, so that they can be played through
// core.Decide: an incident in the field becomes a unit test. It holds what events do:
// units, images, ports, settings, and the sessions and commands that were seen. No
// password is in these, for keeper has them in files and credentials alone; what alerts
// are sent by is left out, for Decide does not ask for it. What a probe runs in a
// container (exec) is in it as it was set.
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
	cut   bool
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

// eventTypes are their types by name, made when they are asked for: most programs that
// link this never do.
var eventTypes = sync.OnceValue(func() map[string]reflect.Type {
	m := map[string]reflect.Type{}
	for _, e := range events {
		m[reflect.TypeOf(e).Name()] = reflect.TypeOf(e)
	}
	return m
})

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
	if seen, ok := e.(core.SettingsSeen); ok {
		seen.Settings.Alerts.Channels, seen.Settings.Alerts.Heartbeat = nil, core.Heartbeat{}
		e = seen
	}
	data, err := json.Marshal(toWire(reflect.ValueOf(e)))
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
	if l.Type == typeBegin || l.Type == typeCut {
		r.cut = l.Type == typeCut
		return r, nil
	}
	t, known := eventTypes()[l.Type]
	if !known {
		return r, fmt.Errorf("%q is no event", l.Type)
	}
	v := reflect.New(t)
	var in any
	d := json.NewDecoder(bytes.NewReader(l.E))
	d.UseNumber() // a float has no room for all that an int64 says
	if err := d.Decode(&in); err != nil {
		return r, fmt.Errorf("%s: %w", l.Type, err)
	}
	if err := fromWire(v.Elem(), in); err != nil {
		return r, fmt.Errorf("%s: %w", l.Type, err)
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
	if id == "" || len(id) > 100 || strings.ContainsAny(id, "/\x00") || strings.HasPrefix(id, ".") {
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
	f, err := os.OpenFile(filepath.Join(dir, id+recordingSuffix), os.O_CREATE|os.O_APPEND|os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	r := &Recording{file: f}
	if err := r.resume(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if err := r.Add(time.Now(), nil); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return r, nil
}

// resume looks at what an earlier daemon left: its last line may be half written, or
// say that the recording was cut.
func (r *Recording) resume() error {
	info, err := r.file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("cannot use %s: %w", r.file.Name(), errNoFile)
	}
	r.size = info.Size()
	end := make([]byte, min(r.size, 100))
	if len(end) == 0 {
		return nil
	}
	if _, err := r.file.ReadAt(end, r.size-int64(len(end))); err != nil {
		return err
	}
	if end[len(end)-1] != '\n' {
		n, err := r.file.Write([]byte{'\n'})
		r.size += int64(n)
		return err
	}
	r.cut = bytes.Contains(end, []byte(`"type":"`+typeCut+`"`))
	return nil
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

// mostRecorded is how much of a recording is read.
const mostRecorded = 4 * recordingSize

// ReadRecording reads what Record wrote. A line that was cut short may be the last one
// of a daemon: after another there is no telling what is missing. With an error it
// returns what comes before.
func ReadRecording(from io.Reader) ([]Recorded, error) {
	var list []Recorded
	var torn error
	sc := bufio.NewScanner(io.LimitReader(from, mostRecorded))
	sc.Buffer(nil, mostRecorded)
	for n := 1; sc.Scan(); n++ {
		if len(bytes.TrimSpace(sc.Bytes())) == 0 {
			continue
		}
		r, err := decodeEvent(sc.Bytes())
		if err != nil {
			err = fmt.Errorf("line %d of the recording: %w", n, err)
			if json.Valid(sc.Bytes()) {
				return list, err
			}
			torn = cmp.Or(torn, err)
			continue
		}
		if torn != nil && (r.Event != nil || r.cut) {
			return list, torn
		}
		torn = nil
		if r.cut {
			return list, nil
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
