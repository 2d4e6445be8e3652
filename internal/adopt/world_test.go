package adopt

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"keeper/internal/core"
	"keeper/internal/podman"
	"keeper/internal/quadlet"
)

// TestMain puts a podman on the PATH: exchanging volumes looks for one.
func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "keeper-adopt-*")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		if err := os.WriteFile(filepath.Join(dir, "podman"), []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
			panic(err)
		}
		os.Setenv("PATH", dir+":"+os.Getenv("PATH"))
		return m.Run()
	}())
}

// world is an account's Podman and user manager, in memory. The volumes are real
// directories, so that their inodes are. Whatever must never happen is written
// down when it does.
type world struct {
	t   *testing.T
	dir string

	mu         sync.Mutex
	survey     podman.Survey // without containers and volumes
	containers map[string]*box
	volumes    map[string]*podman.Volume
	secrets    map[string]string
	owners     map[string]string // id: the service that it runs in
	pods       map[string]string // id: state; the old ones
	podUnits   map[string]bool   // those that are active
	units      map[string]*unit
	legacy     map[string]*legacy
	changes    map[string]podman.Changes
	// Behaviours, by the name of a container or a service.
	killed    map[string]bool // does not end by itself
	fails     map[string]bool // does not start
	dies      map[string]bool // dies a second after its start
	noRestart bool            // a Podman that cannot change restart policies
	masked    map[string]bool
	commands  map[string][]string
	stale     map[string]bool
	foreign   []string // volumes that somebody unknown has open
	shared    string   // the names of two that share a volume
	starts    int
	never     []string // what must not happen and did
	next      int
}

// box is a container.
type box struct {
	podman.Container
	mounts []mount
	holds  []uint64
	deps   []string // IDs of containers that must not go before it
	run    int      // changes with every start
}

type mount struct{ volume, target string }

// unit is one that a Quadlet file makes.
type unit struct {
	core.Unit
	container string
	requires  []string
	mounts    []mount
	began     time.Time
	there     bool // its file is
}

// legacy is one that podman generate systemd wrote.
type legacy struct {
	path, container string
	enabled, active bool
	// anew is set for those that make their container anew.
	anew *box
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, dir: tempDir(t), containers: map[string]*box{}, volumes: map[string]*podman.Volume{}, secrets: map[string]string{},
		pods: map[string]string{}, podUnits: map[string]bool{}, units: map[string]*unit{}, legacy: map[string]*legacy{}, changes: map[string]podman.Changes{},
		killed: map[string]bool{}, fails: map[string]bool{}, dies: map[string]bool{}, masked: map[string]bool{}, commands: map[string][]string{}, stale: map[string]bool{},
	}
	w.survey = podman.Survey{Version: quadlet.Version{Major: 5, Minor: 4}, Release: "5.4.2", CGroups: "v2", Images: map[string]string{}}
	return w
}

// tempDir is in memory where that can be had: each step of an adoption is synced.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "keeper-adopt-*")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func (w *world) places() Places {
	at := func(name string) string { return filepath.Join(w.dir, name) }
	return Places{Quadlets: at("quadlets"), Others: []string{at("others")}, UserUnits: at("units"), State: at("state"), Scratch: at("scratch"), Self: "/usr/bin/keeper-adopt"}
}

// adopter is one life of the program, with what goes wrong in it.
func (w *world) adopter(f *faults) *Adopter {
	if f == nil {
		f = &faults{}
	}
	f.w = w
	return &Adopter{Podman: fakePodman{w, f}, Units: fakeUnits{w, f}, Processes: fakeProcesses{w, f}, Places: w.places(), Answers: f.answers, Say: func(string, ...any) {}}
}

// wrong notes what must never happen.
func (w *world) wrong(format string, args ...any) {
	w.never = append(w.never, fmt.Sprintf(format, args...))
}

// container adds one that runs. Volumes are NAME:TARGET, or :TARGET for an
// anonymous one.
func (w *world) container(name, image string, volumes ...string) *box {
	w.next++
	b := &box{Container: podman.Container{
		Container: quadlet.Container{Unit: name, Name: name, Image: image, Restart: "no", Source: quadlet.Source{Kind: quadlet.FromContainer, Name: name}, Store: core.IsStore(image)},
		ID:        fmt.Sprintf("%03d%s", w.next, strings.Repeat("f", 61)), ImageID: "sha256:" + image, CreateCommand: []string{"podman", "run", "-d", "--name", name, image},
	}}
	w.survey.Images[image] = b.ImageID
	for _, v := range volumes {
		volume, target, _ := strings.Cut(v, ":")
		use := quadlet.VolumeUse{Target: target}
		if volume == "" {
			w.next++
			volume = strings.Repeat(fmt.Sprintf("%04d", w.next), 16)
			v := w.volume(volume, true)
			b.Anonymous = append(b.Anonymous, podman.Anonymous{Volume: volume, Target: target, Driver: "local", Mountpoint: v.Mountpoint})
		} else {
			w.volume(volume, false)
			use.Unit = volume
		}
		b.Volumes = append(b.Volumes, use)
		b.mounts = append(b.mounts, mount{volume, target})
	}
	w.containers[b.ID] = b
	w.launch(b)
	for _, m := range b.mounts {
		w.put(filepath.Join(w.volumes[m.volume].Mountpoint, "DATA"), name+" "+m.target)
	}
	return b
}

// volume makes one, or returns the one that is there.
func (w *world) volume(name string, anonymous bool) *podman.Volume {
	if v, ok := w.volumes[name]; ok {
		return v
	}
	v := &podman.Volume{Volume: quadlet.Volume{Unit: name, Name: name, Source: quadlet.Source{Kind: quadlet.FromVolume, Name: name}}, Anonymous: anonymous, Driver: "local", Mountpoint: filepath.Join(w.dir, "volumes", name, "_data")}
	if err := os.MkdirAll(v.Mountpoint, 0o755); err != nil {
		w.t.Error(err)
	}
	w.volumes[name] = v
	return v
}

func (w *world) put(path, text string) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Error(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		w.t.Error(err)
	}
}

func (w *world) named(name string) *box {
	for _, b := range w.containers {
		if b.Name == name {
			return b
		}
	}
	return nil
}

// launch starts a container. Here it shows whether two have one volume.
func (w *world) launch(b *box) {
	w.starts++
	b.holds, b.run = nil, w.starts
	for _, m := range b.mounts {
		v := w.volume(m.volume, false)
		inode, err := inodeOf(v.Mountpoint)
		if err != nil {
			w.wrong("%s starts, and its volume %s has no directory: %v", b.Name, m.volume, err)
			continue
		}
		for _, o := range w.containers {
			if o != b && o.Running && slices.Contains(o.holds, inode) && !w.mates(b, o) {
				w.wrong("%s and %s run on one volume, %s", b.Name, o.Name, m.volume)
			}
		}
		b.holds = append(b.holds, inode)
		if list, err := os.ReadDir(v.Mountpoint); err == nil && len(list) == 0 {
			w.put(filepath.Join(v.Mountpoint, "FROM-IMAGE"), b.Image)
		}
	}
	b.Running, b.State = true, "running"
	if b.PodID != "" {
		if len(w.podUnits) > 0 {
			w.wrong("%s starts in the old pod, and the new one has its ports", b.Name)
		}
		w.pods[b.PodID] = "running"
	}
}

// mates says that two containers have a volume in common on purpose: db and backup,
// the old ones or the new ones.
func (w *world) mates(a, b *box) bool {
	return (a.SystemdUnit == "") == (b.SystemdUnit == "") && (w.shared == a.Name+" "+b.Name || w.shared == b.Name+" "+a.Name)
}

// halt stops a container; one that is to be removed then is.
func (w *world) halt(b *box) {
	b.Running, b.State, b.holds, b.ExitCode = false, "exited", nil, 0
	if w.killed[b.Name] {
		b.ExitCode = 137
	}
	if b.AutoRemove {
		w.remove(b, true)
	}
}

// remove removes a container, and its anonymous volumes where podman rm -v does.
func (w *world) remove(b *box, volumes bool) {
	delete(w.containers, b.ID)
	for _, m := range b.mounts {
		v := w.volumes[m.volume]
		if volumes && v != nil && v.Anonymous && w.user(m.volume) == "" {
			w.drop(m.volume)
		}
	}
}

func (w *world) user(volume string) string {
	for _, b := range w.containers {
		for _, m := range b.mounts {
			if m.volume == volume {
				return b.Name
			}
		}
	}
	return ""
}

// drop removes a volume with all that is in it.
func (w *world) drop(name string) {
	v := w.volumes[name]
	if _, err := os.Stat(filepath.Join(v.Mountpoint, "DATA")); err == nil {
		w.wrong("the volume %s was removed with somebody's data in it", name)
	}
	if err := os.RemoveAll(filepath.Dir(v.Mountpoint)); err != nil {
		w.t.Error(err)
	}
	delete(w.volumes, name)
}

// dataOf says which data a container has at a target.
func (w *world) dataOf(b *box, target string) string {
	for _, m := range b.mounts {
		if v := w.volumes[m.volume]; m.target == target && v != nil {
			data, err := os.ReadFile(filepath.Join(v.Mountpoint, "DATA"))
			if err == nil {
				return string(data)
			}
			return "nothing"
		}
	}
	return "no volume"
}

// picture is all that must be as it was after an adoption that failed: data by
// its inode, containers by their names.
func (w *world) picture() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var lines []string
	for _, b := range w.containers {
		l := fmt.Sprintf("container %s %s, running %v, restart %q %d", b.Name, b.ID[:3], b.Running, strings.TrimPrefix(b.RestartPolicy, "no"), b.RestartMost)
		for _, m := range b.mounts {
			inode, _ := inodeOf(w.volumes[m.volume].Mountpoint)
			l += fmt.Sprintf(", at %s %s in %s (%d)", m.target, w.dataOf(b, m.target), m.volume[:min(8, len(m.volume))], inode)
		}
		lines = append(lines, l)
	}
	for n, v := range w.volumes {
		lines = append(lines, fmt.Sprintf("volume %s, anonymous %v", n, v.Anonymous))
	}
	lines = append(lines, fmt.Sprintf("pods %v, units of pods %v", w.pods, w.podUnits))
	for n := range w.secrets {
		lines = append(lines, "secret "+n)
	}
	for n, l := range w.legacy {
		lines = append(lines, fmt.Sprintf("legacy %s, enabled %v, active %v", n, l.enabled, l.active))
	}
	for n, u := range w.units {
		if u.Active == "active" {
			lines = append(lines, "unit "+n+" runs")
		}
	}
	for path, text := range w.files() {
		lines = append(lines, fmt.Sprintf("file %s %q", path, text))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// files are those that units are made of, with their modes; and the directories
// of drop-ins.
func (w *world) files() map[string]string {
	m := map[string]string{}
	for _, dir := range []string{w.places().Quadlets, w.places().Others[0], w.places().UserUnits} {
		_ = filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
			if err != nil || path == dir {
				return nil //nolint:nilerr // it need not be there
			}
			name, _ := filepath.Rel(w.dir, path)
			if e.IsDir() {
				m[name] = "a directory"
				return nil
			}
			fi, err := e.Info()
			if err != nil {
				return err
			}
			data, err := os.ReadFile(path)
			m[name] = fi.Mode().String() + " " + string(data)
			return err
		})
	}
	return m
}

// interrupted says whether there is a journal.
func (w *world) interrupted() bool {
	_, err := os.Stat(filepath.Join(w.dir, "state", journalName))
	return err == nil
}

// sound checks that nothing happened that never must.
func (w *world) sound(t *testing.T, when string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.never {
		t.Errorf("%s: %s", when, n)
	}
	w.never = nil
}

func (w *world) holders(down []core.Unit) []string {
	var list []string
	for _, u := range down {
		if u.Active != "inactive" && u.Active != "failed" {
			continue
		}
		for _, m := range u.Mounts {
			if slices.Contains(w.foreign, m.Source) {
				list = append(list, "a stranger "+m.Source+" "+u.Name)
			}
			for _, id := range slices.Sorted(maps.Keys(w.containers)) {
				b := w.containers[id]
				v := w.volumes[m.Source]
				if v == nil || !b.Running {
					continue
				}
				if inode, err := inodeOf(v.Mountpoint); err == nil && slices.Contains(b.holds, inode) && b.SystemdUnit != u.Name {
					list = append(list, b.Name+" "+m.Source+" "+u.Name)
				}
			}
		}
	}
	return list
}

// generated adds a unit of podman generate systemd, enabled and active.
func (w *world) generated(name, container, exec string) *legacy {
	path := filepath.Join(w.places().UserUnits, name)
	w.put(path, "# "+name+"\n# autogenerated by Podman 4.9.4\n[Service]\n"+exec+"\n")
	l := &legacy{path: path, container: container, enabled: true, active: true}
	w.legacy[name] = l
	return l
}

// sharing gives a container the volumes of another (--volumes-from).
func (w *world) sharing(b, with *box) {
	b.deps, w.shared = append(b.deps, with.ID), b.Name+" "+with.Name
	b.Deps, b.Needs = append(b.Deps, with.Name), append(b.Needs, need(with.Name))
	b.mounts = slices.Clone(with.mounts)
	b.Volumes, b.Anonymous = slices.Clone(with.Volumes), slices.Clone(with.Anonymous)
	w.launch(b)
}

// password puts one into a container's environment, and the note about it.
func password(b *box, key, value string) {
	b.Settings = append(b.Settings, quadlet.Setting{Flag: "env", Value: key + "=" + value})
	b.Notes = append(b.Notes, quadlet.Note{Unit: b.Unit, Field: "env." + key, Level: quadlet.Hint, Text: "its environment has a password: " + key, Try: "--secrets"})
}

func need(unit string) quadlet.Need { return quadlet.Need{Unit: unit} }
