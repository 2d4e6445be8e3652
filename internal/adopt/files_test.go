package adopt

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keeper/internal/quadlet"
)

// TestOthersUnits is about networks and volumes that somebody else's files make.
func TestOthersUnits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(filepath.Join(w.places().Others[0], "lan.network"), "[Network]\nNetworkName=inner\n")
	w.put(filepath.Join(w.places().Quadlets, "my-data.volume"), "[Volume]\nVolumeName=data\n")
	w.survey.Networks = []quadlet.Network{{Unit: "inner", Name: "inner"}, {Unit: "outer", Name: "outer"}}
	b := w.container("db", "docker.io/library/postgres:17", "data:/data", "more:/more")
	b.Networks = []quadlet.NetworkUse{{Unit: "inner"}, {Unit: "outer", Options: []string{"alias=d"}}}
	p := planOf(t, w, Request{Names: []string{"db"}})
	for _, want := range []string{"Network=lan.network\n", "Network=outer.network:alias=d\n", "Volume=my-data.volume:/data\n", "Volume=more.volume:/more\n"} {
		if !strings.Contains(p.file("db.container"), want) {
			t.Errorf("%s is not in\n%s", want, p.file("db.container"))
		}
	}
	if p.file("inner.network") != "" || p.file("data.volume") != "" || p.file("outer.network") == "" || p.file("more.volume") == "" {
		t.Errorf("%+v", p.Files)
	}
}

func TestFilesOfOthers(t *testing.T) {
	t.Parallel()
	build := func(t *testing.T, text string) (*world, Plan) {
		w := newWorld(t)
		b := w.container("db", "docker.io/library/postgres:17")
		b.Settings = []quadlet.Setting{{Flag: "env", Value: "A=1"}, {Flag: "env", Value: "B=2"}, {Flag: "memory", Value: "1g"}, {Flag: "shm-size", Value: "64m"}}
		w.survey.Version = quadlet.Version{Major: 5, Minor: 5}
		if text == "ours" {
			text = strings.Replace(planOf(t, w, Request{Names: []string{"db"}}).file("db.container"), "B=2", "B=3", 1)
			text = strings.Replace(text, "Memory=1g\n", "", 1)
			text = strings.Replace(text, "ShmSize=64m\n", "ShmSize=128m\n", 1)
		}
		w.put(filepath.Join(w.places().Quadlets, "db.container"), text)
		return w, planOf(t, w, Request{Names: []string{"db"}})
	}
	t.Run("something else", func(t *testing.T) {
		t.Parallel()
		_, p := build(t, "[Container]\nImage=x\nContainerName=another\n")
		stopped(t, p, "the name is taken: ")
		if p.file("db.container") != "" {
			t.Error("it is in the plan")
		}
	})
	for name, text := range map[string]string{"a person's": "[Container]\nImage=docker.io/library/postgres:17\nContainerName=db\nEnvironment=B=3\nShmSize=128m\n", "edited": "ours"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, p := build(t, text)
			if len(p.Files) != 1 || p.Files[0].State != New {
				t.Fatalf("%+v", p.Files)
			}
			drop := p.file("db.container.d/50-keeper.conf")
			for _, no := range []string{"Environment=B", "ShmSize", "ContainerName", "Image="} {
				if strings.Contains(drop, no) {
					t.Errorf("%s is in\n%s", no, drop)
				}
			}
			if !strings.Contains(drop, "[Container]\n") || !strings.Contains(drop, "Memory=1g\n") {
				t.Errorf("it adds\n%s", drop)
			}
			if n, ok := noteOf(p, "stays as it is; it says otherwise of "); !ok || !strings.Contains(n.Text, "ShmSize") || !strings.Contains(n.Text, "Environment") {
				t.Errorf("it does not say what is left: %+v", n)
			}
			before, _ := os.ReadFile(filepath.Join(w.places().Quadlets, "db.container"))
			if _, err := apply(t, w, nil, p); err != nil {
				t.Fatal(err)
			}
			if now, _ := os.ReadFile(filepath.Join(w.places().Quadlets, "db.container")); string(now) != string(before) {
				t.Error("it was overwritten")
			}
			if text := w.files()["quadlets/db.container.d/50-keeper.conf"]; !strings.HasPrefix(text, "-rw------- # Written by keeper") {
				t.Errorf("the drop-in is %q", text)
			}
		})
	}
	t.Run("rolled back", func(t *testing.T) {
		t.Parallel()
		w, _ := build(t, "ours")
		was := w.picture()
		for _, k := range []int{2, 4, 7} { // before and after the files are there
			p := planOf(t, w, Request{Names: []string{"db"}})
			if _, err := apply(t, w, &faults{at: map[int]fault{k: before}}, p); err == nil {
				t.Errorf("call %d does not fail", k)
			}
			if now := w.picture(); now != was {
				t.Errorf("call %d: %s", k, difference(was, now))
			}
		}
	})
	t.Run("without drop-ins", func(t *testing.T) {
		t.Parallel()
		w, _ := build(t, "ours")
		w.survey.Version = quadlet.Version{Major: 4, Minor: 9}
		p := planOf(t, w, Request{Names: []string{"db"}})
		if _, ok := noteOf(p, "drop-ins of Quadlet files need Podman 5.0"); !ok || len(p.Files) != 1 {
			t.Errorf("%+v", p.Files)
		}
	})
	t.Run("no unit file", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.container("db", "docker.io/library/postgres:17")
		w.put(filepath.Join(w.places().Quadlets, "db.container"), "[Container]\nrubbish\n")
		stopped(t, planOf(t, w, Request{Names: []string{"db"}}), "")
	})
}

// TestSecrets looks for a password everywhere.
func TestSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.secrets["db-postgres-password"] = "another's"
	db := w.container("db", "docker.io/library/postgres:17")
	db.CreateCommand = []string{"podman", "run", "-e", "POSTGRES_PASSWORD=hunter2", "docker.io/library/postgres:17"}
	password(db, "POSTGRES_PASSWORD", "hunter2")
	if p := planOf(t, w, Request{Names: []string{"db"}}); !strings.Contains(p.file("db.container"), "hunter2") || len(p.Secrets) > 0 {
		t.Error("without --secrets it is not as it was")
	}
	p := planOf(t, w, Request{Names: []string{"db"}, Secrets: true})
	if !strings.Contains(p.file("db.container"), "Secret=db-postgres-password-2,type=env,target=POSTGRES_PASSWORD\n") {
		t.Errorf("%s", p.file("db.container"))
	}
	data, err := json.Marshal(p)
	if err != nil || strings.Contains(string(data), "hunter2") {
		t.Errorf("the JSON has it: %v", err)
	}
	var journals []string
	f := &faults{every: func(string) error {
		text, _ := os.ReadFile(filepath.Join(w.dir, "state", journalName))
		journals = append(journals, string(text))
		return nil
	}}
	res, err := apply(t, w, f, p)
	if err != nil {
		t.Fatal(err)
	}
	if all := strings.Join(journals, ""); !strings.Contains(all, "db-postgres-password-2") || strings.Contains(all, "hunter2") {
		t.Error("the journal has it, or not what was made")
	}
	if all := fmt.Sprint(w.files(), res); strings.Contains(all, "hunter2") {
		t.Error("a file has it")
	}
	if w.secrets["db-postgres-password-2"] != "hunter2" || w.secrets["db-postgres-password"] != "another's" {
		t.Errorf("%v", w.secrets)
	}
}

// TestDropinOfAnAdministratorsFile goes where keeper may write.
func TestDropinOfAnAdministratorsFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.container("db", "docker.io/library/postgres:17")
	w.put(filepath.Join(w.places().Others[0], "db.container"), "[Container]\nImage=x\nContainerName=db\n")
	p := planOf(t, w, Request{Names: []string{"db"}})
	if len(p.Files) != 1 || p.Files[0].Path != filepath.Join(w.places().Quadlets, "db.container.d", "50-keeper.conf") {
		t.Errorf("%+v", p.Files)
	}
}

// TestEditedMeanwhile has a person write files while an adoption is under way.
func TestEditedMeanwhile(t *testing.T) {
	t.Parallel()
	const text = "[Container]\nImage=mine\n"
	setUp := func(t *testing.T) (*world, Plan, string) {
		w := newWorld(t)
		w.container("db", "docker.io/library/postgres:17", ":/data")
		return w, planOf(t, w, Request{Names: []string{"db"}}), filepath.Join(w.places().Quadlets, "db.container")
	}
	t.Run("before it is written", func(t *testing.T) {
		t.Parallel()
		w, p, path := setUp(t)
		w.put(path, text)
		was := w.picture()
		_, err := apply(t, w, nil, p)
		if err == nil || !strings.Contains(err.Error(), path+" has changed since it was looked at: it is left alone") {
			t.Errorf("it says %v", err)
		}
		if now := w.picture(); now != was || w.interrupted() {
			t.Error(difference(was, now))
		}
	})
	t.Run("after it was written", func(t *testing.T) {
		t.Parallel()
		w, p, path := setUp(t)
		was := w.picture()
		f := &faults{every: func(call string) error {
			if strings.HasPrefix(call, "up ") {
				w.put(path, text)
				return errInjected
			}
			return nil
		}}
		_, err := apply(t, w, f, p)
		if err == nil || !strings.Contains(err.Error(), path+" was edited meanwhile and is left") || !strings.Contains(err.Error(), "keeper adopt --undo") {
			t.Errorf("it says %v", err)
		}
		if now, err := os.ReadFile(path); err != nil || string(now) != text || !w.interrupted() {
			t.Errorf("%s, %v", now, err)
		}
		remove(t, path)
		if forward, err := settle(t, w, true); err != nil || forward {
			t.Errorf("%v, %v", forward, err)
		}
		if now := w.picture(); now != was || w.interrupted() {
			t.Error(difference(was, now))
		}
	})
}
