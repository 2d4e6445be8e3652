package history

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"keeper/internal/core"
)

func someIncidents() core.Incidents {
	return core.Incidents{
		Open: []core.Incident{{ID: "20260301-120000", Kind: core.IncidentSession, Root: "session", Urgency: core.UrgencyCritical, Cause: "killed", Began: noon, Opened: noon,
			Hold: time.Minute, Symptoms: []core.Symptom{{Key: "db.service", Unit: "db.service", What: "down", From: noon}},
			Services: []core.Affected{{Name: "db.service", Outage: time.Second, Times: 1, Stretches: []core.Stretch{{Pulse: core.PulseDown, From: noon}}}},
			Told:     []core.Telling{{Kind: core.AlertOpened, At: noon}}}},
		Recent: map[string]core.Recent{"session": {Returns: 1, Last: noon}},
		Drill:  &core.Drill{ID: "d", Name: "kill", Began: noon},
	}
}

// whole is a state with something in each of its fields.
func whole() State {
	return State{
		Survivals: []core.Survival{{At: noon, Kind: core.LifeBooted, Cause: "the machine was rebooted", Clean: true, Outage: 3 * time.Second,
			Services: []core.Outage{{Name: "db.service", Outage: 2 * time.Second}}}},
		Survived:  51,
		Decisions: []core.Decision{{At: noon, What: "restart db", Reason: "it is ill", Kind: core.RestartUnits, Units: []string{"db.service"}}},
		Status:    json.RawMessage("{\n  \"version\": 1\n}"),
		Units: []core.Unit{{Name: "db.service", Kind: "container", Source: "/q/db.container", Active: "inactive", Sub: "dead", Result: "success",
			Since: noon, Restarts: 3, Invocation: "0001", Wanted: true, Stopped: true, After: []string{"stack-network.service"},
			Image: "docker.io/library/postgres:17", Ports: []string{"127.0.0.1:5432"}, Networks: []string{"stack"}}},
		Life: core.Life{Boot: "b-1", Started: time.Second}, Seen: noon.Add(time.Second),
		Ended: time.Minute, EndedAt: noon.Add(2 * time.Second), Shutdown: true,
		Began: &core.Began{Kind: core.LifeSame, Was: core.LifeRevived, Life: core.Life{Boot: "b-1", Started: time.Second}, At: noon, Cause: "killed",
			Clean: true, Down: []core.Down{{Name: "db.service", Left: time.Hour}}, Fresh: true, Ran: []string{"web.service"}, Stops: map[string]string{"db.service": "1"}, Owed: map[string]string{"a": "b"},
			With: map[string]string{"db.service": "net.service"}, Cares: map[string]core.Care{"db.service": {Restarts: []time.Time{noon}}},
			Incidents: someIncidents()},
		Owed:      map[string]string{"web.service": "systemd gave up on it: exit-code"},
		Cares:     map[string]core.Care{"db.service": {Restarts: []time.Time{noon}, GaveUp: noon}},
		Incidents: someIncidents(),
	}
}

// What the next daemon goes by must not get lost on the way.
func TestEveryFieldComesBack(t *testing.T) {
	t.Parallel()
	s, want := store(t), whole()
	for _, v := range []reflect.Value{reflect.ValueOf(want), reflect.ValueOf(*want.Began), reflect.ValueOf(want.Survivals[0])} {
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("%s.%s is not tried here", v.Type(), v.Type().Field(i).Name)
			}
		}
	}
	if err := s.Save(want); err != nil {
		t.Fatal(err)
	}
	got, err := s.Load(noon)
	var said, meant any
	if err == nil {
		err = json.Unmarshal(got.Status, &said)
	}
	if err := json.Unmarshal(want.Status, &meant); err != nil {
		t.Fatal(err)
	}
	got.Status, want.Status = nil, nil
	if err != nil || !reflect.DeepEqual(got, want) || !reflect.DeepEqual(said, meant) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
}

// lastRelease is a state.json of the first release: the boot and the end were
// fields of the top, and there was no life.
const lastRelease = `{
  "survivals": [
    {"at": "2026-03-01T11:00:00.5+01:00", "cause": "logind was told to stop the user", "outage": 7250000000,
     "services": [{"name": "django.service", "outage": 7250000000}, {"name": "redis.service", "outage": 1250000000}]}
  ],
  "decisions": [{"at": "2026-03-01T11:00:00Z", "what": "set linger", "reason": "logind is to know that the account lingers"}],
  "status": {"version": 1, "at": "2026-03-01T12:00:00Z", "user": "app", "uid": 1000, "units": []},
  "units": [
    {"name": "redis.service", "kind": "container", "source": "/home/app/.config/containers/systemd/redis.container",
     "active": "active", "sub": "running", "result": "success", "since": "2026-03-01T11:00:01Z", "restarts": 0, "invocation": "00ff"}
  ],
  "boot": "7c7d4d5e-0000-4000-8000-000000000000",
  "ended": 123456789
}
`

func TestTheLastReleaseIsRead(t *testing.T) {
	t.Parallel()
	s := store(t)
	put(t, s.statePath(), lastRelease)
	st, err := s.Load(noon)
	if err != nil {
		t.Fatal(err)
	}
	if len(st.Survivals) != 1 || st.Survivals[0].Outage != 7250*time.Millisecond || len(st.Survivals[0].Services) != 2 || len(st.Decisions) != 1 || len(st.Units) != 1 {
		t.Errorf("the history is lost: %+v", st)
	}
	if st.Ended != 123456789 || st.Life != (core.Life{}) || !st.Seen.IsZero() || st.Began != nil || st.Owed != nil || st.Shutdown {
		t.Errorf("something was made up: %+v", st)
	}
	// So nothing is claimed of what lies between it and this one.
	last := core.LastLife{Life: st.Life, Units: st.Units, Seen: st.Seen, Ended: st.Ended, EndedAt: st.EndedAt, Shutdown: st.Shutdown, Began: st.Began, Owed: st.Owed}
	b := core.WhatHappened(last, core.Now{Life: core.Life{Boot: "b", Started: time.Second}, At: noon, Mono: time.Hour})
	if b.Kind != core.LifeUnknown || b.Fresh || b.Down != nil {
		t.Errorf("got %+v", b)
	}
	if err := s.Save(st); err != nil {
		t.Fatal(err)
	}
	if again, err := s.Peek(); err != nil || len(again.Survivals) != 1 || again.Ended != st.Ended {
		t.Errorf("written anew: %+v, %v", again, err)
	}
}

// The power went while the file was written, or the disk was full: whatever is
// left of it is set aside, and no half of it is believed.
func TestCutShort(t *testing.T) {
	t.Parallel()
	full := store(t)
	if err := full.Save(whole()); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(full.statePath())
	if err != nil {
		t.Fatal(err)
	}
	end := len(data)
	for end > 0 && data[end-1] != '}' {
		end--
	}
	for _, content := range []string{lastRelease, string(data[:end])} {
		for n := 0; n < len(content)-1; n += 1 + len(content)/100 {
			s := store(t)
			put(t, s.statePath(), content[:n])
			st, err := s.Load(noon)
			if err == nil || !reflect.DeepEqual(st, State{}) {
				t.Fatalf("cut after %d of %d bytes: got %+v, %v", n, len(content), st, err)
			}
			if _, err := os.Lstat(s.statePath()); !os.IsNotExist(err) {
				t.Fatalf("cut after %d bytes: it was not set aside: %v", n, err)
			}
			if aside, _ := filepath.Glob(s.statePath() + ".damaged-*"); len(aside) != 1 {
				t.Fatalf("cut after %d bytes: set aside as %v", n, aside)
			}
			if err := s.Save(whole()); err != nil {
				t.Fatalf("cut after %d bytes: the next cannot be kept: %v", n, err)
			}
		}
	}
}
