package history

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"keeper/internal/core"
)

// Whatever core takes as an event can be recorded: one that is forgotten here would be
// missing in a replay.
func TestEveryEventIsKnown(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../core/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if ok && f.Name.Name == "event" && f.Recv != nil {
				if id, ok := f.Recv.List[0].Type.(*ast.Ident); ok { // (d *decider) event is none
					found = append(found, id.Name)
				}
			}
		}
	}
	for _, name := range found {
		if _, known := eventTypes()[name]; !known {
			t.Errorf("core.%s is missing among the events", name)
		}
	}
	if len(found) != len(eventTypes()) || len(found) < 40 {
		t.Errorf("core has %d events, and %d are known", len(found), len(eventTypes()))
	}
}

// fill puts something into every exported field, however deep.
func fill(v reflect.Value, r *rand.Rand, depth int) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.String:
		v.SetString(string(rune('a' + r.IntN(26))))
	case reflect.Int, reflect.Int64:
		v.SetInt(r.Int64() >> r.IntN(64) & math.MaxInt64)
	case reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(1 + r.Uint64N(1000))
	case reflect.Slice:
		if depth > 0 {
			n := r.IntN(3) // none is not nil
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				fill(v.Index(i), r, depth-1)
			}
		}
	case reflect.Map:
		if depth > 0 {
			v.Set(reflect.MakeMap(v.Type()))
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(key, r, depth-1)
			fill(value, r, depth-1)
			v.SetMapIndex(key, value)
		}
	case reflect.Pointer:
		if depth > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), r, depth-1)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(noon.Add(time.Duration(r.IntN(1000)) * time.Second)))
			return
		}
		for i := range v.NumField() {
			if f := v.Type().Field(i); !f.IsExported() {
				panic(v.Type().String() + "." + f.Name + " cannot be recorded")
			}
			fill(v.Field(i), r, depth)
		}
	default:
		panic(v.Type().String() + " cannot be recorded")
	}
}

func TestEveryEventComesBack(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for _, e := range events {
		for depth := range 8 {
			v := reflect.New(reflect.TypeOf(e)).Elem()
			fill(v, r, depth)
			want := Recorded{At: noon, Event: v.Interface().(core.Event)}
			data, err := encodeEvent(want.At, want.Event)
			if err != nil {
				t.Fatal(err)
			}
			got, err := decodeEvent(data)
			if o, ok := want.Event.(core.SettingsSeen); ok { // where alerts go is nobody's business
				o.Settings.Alerts.Channels, o.Settings.Alerts.Heartbeat = nil, core.Heartbeat{}
				want.Event = o
			}
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%T at depth %d: %v\ngot  %+v\nwant %+v\n%s", e, depth, err, got, want, data)
			}
		}
	}
}

func TestRecording(t *testing.T) {
	t.Parallel()
	s := store(t)
	db := core.Unit{Name: "db.service", Kind: "container", Active: "active", Sub: "running", Wanted: true}
	gone := db
	gone.Active, gone.Sub, gone.Result = "failed", "failed", "start-limit-hit"
	life := []core.Event{core.Began{Kind: core.LifeSame}, core.LogindUp{}, core.StandDownSeen{}, core.LingerSeen{On: true}, core.LingerSet{},
		core.UnitsSeen{Units: []core.Unit{db}, Armed: true, First: true}, core.UnitSeen{Unit: gone}}
	rec, err := s.Record("20260301-120000")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range life {
		if err := rec.Add(noon, e); err != nil {
			t.Fatal(err)
		}
	}
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(s.Dir, "recordings", "20260301-120000.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	list, err := ReadRecording(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var what []string
	for _, d := range Replay(list) {
		what = append(what, d.What)
	}
	if !slices.Contains(what, "start db") {
		t.Errorf("the replay decided %q", what)
	}
	if _, err := ReadRecording(strings.NewReader(string(data) + `{"type":"Nonsense"}`)); err == nil {
		t.Error("an event that nobody knows was taken")
	}
}

func TestRecordingIsBounded(t *testing.T) {
	t.Parallel()
	s := store(t)
	for n := range mostRecordings + 5 {
		rec, err := s.Record("2026030" + string(rune('a'+n)))
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			big := core.ManagerDown{Err: strings.Repeat("x", 100_000)}
			for range 20 {
				if err := rec.Add(noon, big); err != nil {
					t.Fatal(err)
				}
			}
			info, err := os.Stat(filepath.Join(s.Dir, "recordings", "2026030a.jsonl"))
			if err != nil || info.Size() > recordingSize+1000 {
				t.Errorf("it is %d bytes long, %v", info.Size(), err)
			}
			f, _ := os.Open(filepath.Join(s.Dir, "recordings", "2026030a.jsonl"))
			if list, err := ReadRecording(f); err != nil || len(list) < 5 {
				t.Errorf("one that was cut: %d events, %v", len(list), err)
			}
			_ = f.Close()
		}
		_ = rec.Close()
	}
	files, err := os.ReadDir(filepath.Join(s.Dir, "recordings"))
	if err != nil || len(files) != mostRecordings {
		t.Errorf("%d recordings were kept, %v", len(files), err)
	}
	for _, id := range []string{"", "../x", "a/b", ".hidden"} {
		if _, err := s.Record(id); err == nil {
			t.Errorf("%q was taken as a name", id)
		}
	}
}

func FuzzRecording(f *testing.F) {
	for _, e := range events {
		data, err := encodeEvent(noon, e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(append(data, '\n'))
	}
	f.Add([]byte("{\"type\":\"begin\"}\n{\"type\":\"Un"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		list, _ := ReadRecording(bytes.NewReader(data))
		Replay(list)
	})
}

func TestRecordingGoesOn(t *testing.T) {
	t.Parallel()
	s := store(t)
	path := filepath.Join(s.Dir, "recordings", "x.jsonl")
	record := func(events ...core.Event) {
		t.Helper()
		r, err := s.Record("x")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if err := r.Add(noon, e); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	read := func() []Recorded {
		t.Helper()
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		list, err := ReadRecording(f)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	record(core.LingerHint{}, core.Wake{})
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()-10); err != nil { // the power went
		t.Fatal(err)
	}
	if list := read(); len(list) != 2 {
		t.Errorf("cut short: %+v", list)
	}
	record(core.ContainerHint{})
	list := read()
	if len(list) != 4 || list[2].Event != nil || list[3].Event != (core.ContainerHint{}) {
		t.Errorf("a later daemon: %+v", list)
	}
	big := core.ManagerDown{Err: strings.Repeat("x", recordingSize)}
	record(core.Wake{}, big, core.Wake{})
	cut := len(read())
	before, _ := os.Stat(path)
	record(core.Wake{})
	after, _ := os.Stat(path)
	if len(read()) != cut || cut != 6 || before.Size() != after.Size() {
		t.Errorf("one that was cut went on: %d and %d lines, %d and %d bytes", cut, len(read()), before.Size(), after.Size())
	}
	// In the middle of one daemon nobody knows what is missing.
	if _, err := ReadRecording(strings.NewReader("{\"type\":\"begin\"}\n{\"ty\n{\"type\":\"Wake\",\"event\":{}}\n")); err == nil {
		t.Error("a gap was passed over")
	}
	if _, err := ReadRecording(strings.NewReader(`{"type":"UnitSeen","event":{"Unit":{"Nme":"x"}}}`)); err == nil || !strings.Contains(err.Error(), "Nme") {
		t.Errorf("a field that nobody knows: %v", err)
	}
}
