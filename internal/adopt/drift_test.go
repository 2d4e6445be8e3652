package adopt

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"keeper/internal/compose"
	"keeper/internal/quadlet"
)

// running is a container of a unit, and what makes it.
func running(w *world, name string, unit, made []string) *box {
	w.put(filepath.Join(w.places().Quadlets, name+".container"), "[Container]\nImage=localhost/"+name+"\nContainerName="+name+"\n")
	b := w.container(name, "localhost/"+name)
	b.SystemdUnit, b.CreateCommand = name+".service", made
	w.commands[name+".service"] = unit
	w.read()
	return b
}

func drifts(r DriftReport) string {
	var list []string
	for _, d := range r.Drift {
		list = append(list, fmt.Sprintf("%s/%s/%s: %q, %q", d.Unit, d.Against, d.Field, d.UnitSays, d.OtherSays))
	}
	return strings.Join(list, "\n")
}

func TestDriftOfContainers(t *testing.T) {
	t.Parallel()
	made := []string{"/usr/bin/podman", "run", "--name", "web", "--cidfile=/run/web.cid", "--replace", "--rm", "-d", "--memory=512m", "--cpus", "1.50", "--network", "inner:alias=w", "-e", "PASSWORD=hunter2", "-v", "data:/data", "localhost/web", "serve", "$HOME"}
	unit := []string{"/usr/bin/podman", "run", "--name=web", "--cidfile=/run/user/1000/web.cid", "--replace", "--rm", "--memory", "512m", "--cpus=1.50", "--net=inner:alias=w", "--env", "PASSWORD=hunter2", "--volume=data:/data", "localhost/web", "serve", "$$HOME"}
	for name, tt := range map[string]struct {
		set  func(w *world, b *box)
		want string
	}{
		"none": {func(*world, *box) {}, ""},
		"another image": {func(w *world, _ *box) { w.commands["web.service"][13] = "localhost/web:2" },
			`web.service/container/command: "localhost/web:2 serve $HOME", "localhost/web serve $HOME"`},
		"another password": {func(w *world, _ *box) { w.commands["web.service"][11] = "PASSWORD=hunter3" },
			`web.service/container/env: "PASSWORD", "PASSWORD"`},
		"one more option": {func(w *world, _ *box) { w.commands["web.service"][8] = "--privileged" },
			"web.service/container/cpus: \"\", \"1.50\"\nweb.service/container/privileged: \"true\", \"\""},
		"a file that is stale": {func(w *world, _ *box) { w.stale["web.service"] = true },
			`web.service/container/file: "the file was changed since systemd read it", ""`},
		"the same, in bytes": {func(_ *world, b *box) {
			b.Settings = []quadlet.Setting{{Flag: "memory", Value: "536870912b"}, {Flag: "cpus", Value: "1.5"}}
		}, ""},
		"podman update": {func(_ *world, b *box) { b.Settings = []quadlet.Setting{{Flag: "memory", Value: "1g"}} },
			`web.service/container/memory: "512m", "1g"`},
		"podman network connect": {func(_ *world, b *box) { b.Networks = []quadlet.NetworkUse{{Name: "inner"}, {Name: "outer"}} },
			`web.service/container/network: "inner", "outer"`},
		"it does not run":  {func(w *world, b *box) { w.commands["web.service"][13] = "x"; w.halt(b) }, ""},
		"no unit of ours":  {func(w *world, b *box) { w.commands["web.service"][13] = "x"; b.SystemdUnit = "other.service" }, ""},
		"the unit is gone": {func(w *world, _ *box) { w.commands["web.service"][13] = "x"; w.units["web.service"].there = false }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := running(w, "web", slices.Clone(unit), slices.Clone(made))
			tt.set(w, b)
			r := w.adopter(nil).Drift(t.Context())
			if got := drifts(r); got != tt.want || len(r.Errors) > 0 {
				t.Errorf("%s, %v; want %s", got, r.Errors, tt.want)
			}
			for _, d := range r.Drift {
				if d.Try == "" {
					t.Errorf("%s: it does not say what to do", d.Field)
				}
			}
			if data, _ := json.Marshal(r); strings.Contains(string(data), "hunter") {
				t.Errorf("a password: %s", data)
			}
		})
	}
}

// TestCanonical is about values that say the same.
func TestCanonical(t *testing.T) {
	t.Parallel()
	for _, same := range [][]string{
		{"512m", "536870912", "536870912b", "512M", "0.5g", "512MiB", "524288k", "512mb"}, {"1.50", "1.5"}, {"1t", "1024g"}, {"30s", "30S"}, {"", " "},
	} {
		for _, v := range same[1:] {
			if canonical(v) != canonical(same[0]) {
				t.Errorf("%s is %s, %s is %s", same[0], canonical(same[0]), v, canonical(v))
			}
		}
	}
	for _, other := range [][2]string{{"512m", "512g"}, {"1", "2"}, {"1m30s", "30s"}, {"", "0"}, {"m", "g"}} {
		if canonical(other[0]) == canonical(other[1]) {
			t.Errorf("%s is %s", other[0], other[1])
		}
	}
}

func TestDriftErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	running(w, "web", []string{"podman", "run", "x"}, []string{"podman", "run", "y"})
	running(w, "db", []string{"podman", "run", "x"}, []string{"podman", "run", "y"})
	for k, want := range map[int]int{1: 0, 2: 1, 3: 1, 4: 1, 5: 1} { // the survey; then two calls for each
		f := &faults{at: map[int]fault{k: before}}
		r := w.adopter(f).Drift(t.Context())
		if len(r.Drift) != want || len(r.Errors) != 1 || !strings.Contains(r.Errors[0], errInjected.Error()) {
			t.Errorf("call %d (%s) fails: %+v", k, f.hit, r)
		}
	}
}

// TestDriftOfCompose changes the Compose file that units were made of.
func TestDriftOfCompose(t *testing.T) {
	t.Parallel()
	const password = "      POSTGRES_PASSWORD: hunter2\n"
	original := strings.Replace(composeFile, "    restart: always\n    volumes", "    restart: always\n    environment:\n"+password+"    volumes", 1)
	for name, tt := range map[string]struct {
		set         func(t *testing.T, w *world, file string)
		want, wrong string
	}{
		"none": {func(*testing.T, *world, string) {}, "", ""},
		"image": {func(_ *testing.T, w *world, file string) {
			w.put(file, strings.Replace(original, "postgres:17", "postgres:18", 1))
		},
			`shop-db.service/compose/Image: "docker.io/library/postgres:17", "docker.io/library/postgres:18"`, ""},
		"password": {func(_ *testing.T, w *world, file string) {
			w.put(file, strings.Replace(original, "hunter2", "hunter3", 1))
		},
			`shop-db.service/compose/Environment: "POSTGRES_PASSWORD", "POSTGRES_PASSWORD"`, ""},
		"a new service": {func(_ *testing.T, w *world, file string) {
			w.put(file, strings.Replace(original, "volumes:\n  data", "  worker:\n    image: localhost/w\n    container_name: worker\nvolumes:\n  data", 1))
		}, `worker.service/compose/file: "", "there is no unit for it yet"`, ""},
		"gone":   {func(t *testing.T, _ *world, file string) { remove(t, file) }, "", "which cannot be read any more"},
		"broken": {func(_ *testing.T, w *world, file string) { w.put(file, "services: [") }, "", "which cannot be read any more"},
		"edited unit": {func(t *testing.T, w *world, file string) {
			unit := filepath.Join(w.places().Quadlets, unitFile(t, w, "db"))
			data, err := os.ReadFile(unit)
			if err != nil {
				t.Fatal(err)
			}
			w.put(unit, strings.Replace(string(data), "postgres:17", "postgres:16", 1))
			w.put(file, strings.Replace(original, "postgres:17", "postgres:18", 1))
		}, "", ""}, // the person has the last word
		"edited unit, and something new": {func(t *testing.T, w *world, file string) {
			unit := filepath.Join(w.places().Quadlets, unitFile(t, w, "db"))
			data, err := os.ReadFile(unit)
			if err != nil {
				t.Fatal(err)
			}
			w.put(unit, strings.Replace(string(data), "postgres:17", "postgres:16", 1))
			w.put(file, strings.Replace(original, "    volumes: [data", "    shm_size: 1gb\n    volumes: [data", 1))
		}, `shop-db.service/compose/ShmSize: "", "1073741824"`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for _, i := range []string{"docker.io/library/postgres:17", "localhost/ledger:latest"} {
				w.survey.Images[i] = "sha256:" + i
			}
			file := filepath.Join(w.dir, "shop", "compose.yaml")
			w.put(file, original)
			p := planOf(t, w, Request{Compose: compose.Options{Files: []string{file}}})
			for _, f := range p.Files {
				w.put(f.Path, f.Content)
			}
			tt.set(t, w, file)
			r := w.adopter(nil).Drift(t.Context())
			if got := drifts(r); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
			if (len(r.Errors) > 0) != (tt.wrong != "") || tt.wrong != "" && (!strings.Contains(r.Errors[0], tt.wrong) || !strings.Contains(r.Errors[0], file)) {
				t.Errorf("%v, want %q", r.Errors, tt.wrong)
			}
			if !slices.Contains(r.Watch, file) {
				t.Errorf("%s is not watched: %v", file, r.Watch)
			}
			if data, _ := json.Marshal(r); strings.Contains(string(data), "hunter") {
				t.Errorf("a password: %s", data)
			}
		})
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// unitFile is the name of the file of a service of the shop.
func unitFile(t *testing.T, w *world, service string) string {
	t.Helper()
	for name := range w.files() {
		if strings.HasSuffix(name, service+".container") {
			return filepath.Base(name)
		}
	}
	t.Fatalf("there is no unit of %s", service)
	return ""
}
