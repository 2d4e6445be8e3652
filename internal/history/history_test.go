package history

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"keeper/internal/core"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func store(t *testing.T) Store { return Store{Dir: filepath.Join(t.TempDir(), "keeper")} }

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// files returns what is below the store's directory, with its content.
func files(t *testing.T, s Store) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(s.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		found[d.Name()] = string(data)
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return found
}

func TestNothingYet(t *testing.T) {
	t.Parallel()
	s := store(t)
	if r, err := s.Rearms(); err != nil || len(r) != 0 {
		t.Errorf("Rearms: %v, %v", r, err)
	}
	for name, get := range map[string]func() (State, error){
		"Peek": s.Peek,
		"Load": func() (State, error) { return s.Load(noon) },
	} {
		if st, err := get(); err != nil || !reflect.DeepEqual(st, State{}) {
			t.Errorf("%s: %+v, %v", name, st, err)
		}
	}
	if err := s.Forgive(); err != nil {
		t.Errorf("Forgive: %v", err)
	}
	if _, err := os.Lstat(s.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("reading made %s", s.Dir)
	}
}

func TestStateComesBack(t *testing.T) {
	t.Parallel()
	s := store(t)
	want := State{
		Survivals: []core.Survival{{At: noon, Cause: "logind was told to stop the user", Outage: 3 * time.Second,
			Services: []core.Outage{{Name: "db.service", Outage: 2 * time.Second}}}},
		Decisions: []core.Decision{{At: noon, What: "set linger", Reason: "linger was off"}},
		Units:     []core.Unit{{Name: "db.service", Kind: "container", Active: "active", Since: noon, Restarts: 3}},
		Life:      core.Life{Boot: "b-1", Started: time.Second}, Ended: time.Minute,
	}
	if err := s.Save(want); err != nil {
		t.Fatal(err)
	}
	for name, get := range map[string]func() (State, error){
		"Peek": s.Peek,
		"Load": func() (State, error) { return s.Load(noon) },
	} {
		if got, err := get(); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, err, want)
		}
	}
	want.Status = json.RawMessage(`{"version":1}`)
	if err := s.Save(want); err != nil {
		t.Fatal(err)
	}
	got, err := s.Peek()
	var status struct{ Version int }
	if err == nil {
		err = json.Unmarshal(got.Status, &status)
	}
	if err != nil || status.Version != 1 {
		t.Errorf("the status came back as %s, %v", got.Status, err)
	}
	if info, err := os.Stat(s.statePath()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the state is readable by others: %v, %v", info.Mode(), err)
	}
}

func TestSaveIsBounded(t *testing.T) {
	t.Parallel()
	s := store(t)
	var st State
	for i := range 500 {
		at := noon.Add(time.Duration(i) * time.Second)
		st.Survivals = append(st.Survivals, core.Survival{At: at})
		st.Decisions = append(st.Decisions, core.Decision{At: at, What: fmt.Sprint(i)})
	}
	if err := s.Save(st); err != nil {
		t.Fatal(err)
	}
	got, err := s.Peek()
	if err != nil || len(got.Survivals) != maxSurvivals || len(got.Decisions) != maxDecisions {
		t.Fatalf("kept %d survivals and %d decisions, %v", len(got.Survivals), len(got.Decisions), err)
	}
	newest := noon.Add(499 * time.Second)
	if !got.Survivals[maxSurvivals-1].At.Equal(newest) || got.Decisions[maxDecisions-1].What != "499" {
		t.Error("the newest were not kept")
	}
	if len(st.Survivals) != 500 {
		t.Error("the caller's list was cut")
	}
}

func TestRearms(t *testing.T) {
	t.Parallel()
	s := store(t)
	const n = maxRearms + 7
	for i := range n {
		if err := s.AddRearm(core.Rearm{At: noon, Boot: "b-1", Mono: time.Duration(i), Done: true,
			Down: []core.Down{{Name: "db.service", Left: time.Duration(i)}}}); err != nil {
			t.Fatal(err)
		}
	}
	all, err := s.Rearms()
	if err != nil || len(all) != maxRearms {
		t.Fatalf("kept %d, %v; want %d", len(all), err, maxRearms)
	}
	if all[0].Mono != n-maxRearms || all[maxRearms-1].Mono != n-1 {
		t.Errorf("kept from %d to %d: want the newest, oldest first", all[0].Mono, all[maxRearms-1].Mono)
	}
	if d := all[0].Down; len(d) != 1 || d[0].Left != n-maxRearms {
		t.Errorf("what went down was not kept: %+v", d)
	}
	if err := s.Forgive(); err != nil {
		t.Fatal(err)
	}
	if all, err := s.Rearms(); err != nil || len(all) != 0 {
		t.Errorf("after Forgive: %v, %v", all, err)
	}
}

var damages = map[string]string{
	"cut":               `{"survivals": [{"at": "2026-03-01T`,
	"empty":             ``,
	"not JSON":          "\x00\x00\x00\x00",
	"the wrong type":    `"a string"`,
	"a time that isn't": `{"survivals": [{"at": "yesterday"}]}`,
	"rubbish behind":    `{"survivals": []}}`,
}

func TestDamagedState(t *testing.T) {
	t.Parallel()
	for name, content := range damages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := store(t)
			put(t, s.statePath(), content)
			before := files(t, s)
			if _, err := s.Peek(); err == nil || !strings.Contains(err.Error(), s.statePath()) {
				t.Errorf("Peek: %v, want an error that names the file", err)
			}
			if after := files(t, s); !reflect.DeepEqual(after, before) {
				t.Errorf("Peek changed %v into %v", before, after)
			}
			st, err := s.Load(noon)
			if err == nil || !strings.Contains(err.Error(), "set aside as") {
				t.Errorf("Load: %v, want an error that says what became of the file", err)
			}
			if !reflect.DeepEqual(st, State{}) {
				t.Errorf("Load returned part of a damaged history: %+v", st)
			}
			want := map[string]string{"state.json.damaged-20260301T120000": content}
			if after := files(t, s); !reflect.DeepEqual(after, want) {
				t.Errorf("there is %v, want %v", after, want)
			}
			if st, err := s.Load(noon); err != nil || !reflect.DeepEqual(st, State{}) {
				t.Errorf("Load again: %+v, %v", st, err)
			}
		})
	}
}

func TestDamagedRearms(t *testing.T) {
	t.Parallel()
	s := store(t)
	const content = `[{"at": "2026-03-01T12:00:00Z", "done": tr`
	put(t, s.rearmsPath(), content)
	if _, err := s.Rearms(); err == nil || !strings.Contains(err.Error(), s.rearmsPath()) {
		t.Errorf("Rearms: %v, want an error that names the file", err)
	}
	if got := files(t, s); len(got) != 1 {
		t.Errorf("reading changed the directory: %v", got)
	}
	// The new record is kept all the same, and the error is not swallowed.
	err := s.AddRearm(core.Rearm{At: noon, Done: true})
	if err == nil || !strings.Contains(err.Error(), "set aside as") {
		t.Errorf("AddRearm: %v", err)
	}
	if all, err := s.Rearms(); err != nil || len(all) != 1 || !all[0].At.Equal(noon) {
		t.Errorf("afterwards: %+v, %v", all, err)
	}
	if got := files(t, s)["rearm.json.damaged-20260301T120000"]; got != content {
		t.Errorf("the damaged file was not kept as it was: %q", got)
	}
}

// A directory where the file should be is set aside like any damage.
func TestDirectoryInTheWay(t *testing.T) {
	t.Parallel()
	s := store(t)
	put(t, filepath.Join(s.statePath(), "inside"), "x")
	if _, err := s.Load(noon); err == nil {
		t.Error("Load found nothing wrong")
	}
	if err := s.Save(State{Life: core.Life{Boot: "b-1"}}); err != nil {
		t.Fatal(err)
	}
	if st, err := s.Peek(); err != nil || st.Life.Boot != "b-1" {
		t.Errorf("afterwards: %+v, %v", st, err)
	}
}

// A status that is no JSON is refused, and the history before it stays.
func TestSaveOfRubbish(t *testing.T) {
	t.Parallel()
	s := store(t)
	if err := s.Save(State{Life: core.Life{Boot: "b-1"}}); err != nil {
		t.Fatal(err)
	}
	before := files(t, s)
	if err := s.Save(State{Life: core.Life{Boot: "b-2"}, Status: json.RawMessage(`{`)}); err == nil {
		t.Error("Save found nothing wrong")
	}
	if after := files(t, s); !reflect.DeepEqual(after, before) {
		t.Errorf("there was %v, now there is %v", before, after)
	}
}

func FuzzHistory(f *testing.F) {
	for _, content := range damages {
		f.Add([]byte(content), []byte(content))
	}
	f.Add([]byte(`{"survivals":[{"at":"2026-03-01T12:00:00Z","outage":3,"services":null}],"status":null,"ended":1}`),
		[]byte(`[null,{"at":"2026-03-01T12:00:00+23:59","mono":1,"down":[{}]}]`))
	f.Add([]byte(`null`), []byte(`null`))
	f.Fuzz(func(t *testing.T, state, rearms []byte) {
		s := store(t)
		put(t, s.statePath(), string(state))
		put(t, s.rearmsPath(), string(rearms))
		peeked, perr := s.Peek()
		loaded, lerr := s.Load(noon)
		if (perr == nil) != (lerr == nil) {
			t.Fatalf("Peek says %v, Load says %v", perr, lerr)
		}
		if perr == nil && !reflect.DeepEqual(peeked, loaded) {
			t.Fatalf("Peek returns %+v, Load %+v", peeked, loaded)
		}
		// What could be read can be kept, or the daemon could never save again.
		if err := s.Save(loaded); err != nil {
			t.Fatalf("%+v was read and cannot be written: %v", loaded, err)
		}
		if _, err := s.Load(noon); err != nil {
			t.Fatalf("cannot be read after it was written: %v", err)
		}
		before, _ := s.Rearms()
		_ = s.AddRearm(core.Rearm{At: noon, Boot: "fuzz"})
		after, err := s.Rearms()
		if err != nil || len(after) == 0 || after[len(after)-1].Boot != "fuzz" {
			t.Fatalf("a record added to %+v was lost: %+v, %v", before, after, err)
		}
		if len(after) > maxRearms {
			t.Fatalf("kept %d records", len(after))
		}
	})
}
