package adopt

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"keeper/internal/compose"
	"keeper/internal/core"
	"keeper/internal/podman"
	"keeper/internal/quadlet"
)

// Drift is a difference between a unit and what it stands for.
type Drift struct {
	Unit string `json:"unit"`
	// Against is container or compose: what the unit was held against.
	Against string `json:"against"`
	Field   string `json:"field"`
	// UnitSays and OtherSays are empty where one says nothing of it.
	UnitSays  string `json:"unit_says"`
	OtherSays string `json:"other_says"`
	Try       string `json:"try,omitempty"`
}

// DriftReport is all of it.
type DriftReport struct {
	Version int     `json:"version"`
	Drift   []Drift `json:"drift"`
	// Watch are the files that units were made of: if one changes, it is worth
	// looking again.
	Watch  []string `json:"watch"`
	Errors []string `json:"errors"`
	// Anonymous are the volumes without a name of what runs, Policies the containers
	// without a unit that Podman was told to keep running (for keeper doctor).
	Anonymous []core.AnonymousVolume `json:"anonymous,omitempty"`
	Policies  []core.RestartPolicy   `json:"policies,omitempty"`
}

// Drift holds the running containers against their units, and the units against
// the Compose files they were made of. What it could not look at is among the
// errors.
func (a *Adopter) Drift(ctx context.Context) DriftReport {
	out := DriftReport{Version: 1, Drift: []Drift{}, Watch: []string{}, Errors: []string{}}
	survey, err := a.Podman.Survey(ctx)
	if err != nil {
		out.Errors = append(out.Errors, err.Error())
		return out
	}
	for _, c := range survey.Containers {
		if !c.Running || c.SystemdUnit == "" || c.Infra {
			continue
		}
		list, err := a.ofContainer(ctx, c, networkNames(survey, c))
		if err != nil {
			out.Errors = append(out.Errors, err.Error())
		}
		out.Drift = append(out.Drift, list...)
	}
	out.Anonymous, out.Policies = a.frail(survey)
	d, _ := readDisk(append([]string{a.Places.Quadlets}, a.Places.Others...))
	a.ofCompose(ctx, d, quadlet.Host{Podman: survey.Version}, &out)
	slices.SortStableFunc(out.Drift, func(x, y Drift) int { return strings.Compare(x.Unit+x.Against+x.Field, y.Unit+y.Against+y.Field) })
	return out
}

// frail finds what goes with its container, and what runs by Podman's word alone. A
// container that is thrown away when it ends (--rm) is meant to go, unless a unit makes
// it anew.
func (a *Adopter) frail(survey podman.Survey) (volumes []core.AnonymousVolume, policies []core.RestartPolicy) {
	units, _ := legacyUnits(a.Places.UserUnits)
	for _, c := range survey.Containers {
		if c.SystemdUnit == "" && (c.AutoRemove || c.Infra) {
			continue
		}
		for _, v := range c.Anonymous {
			if c.Running {
				volumes = append(volumes, core.AnonymousVolume{Unit: c.SystemdUnit, Container: c.Name, Target: v.Target, Volume: v.Volume})
			}
		}
		if c.SystemdUnit == "" && units[c.Name] == "" && slices.Contains([]string{"always", "unless-stopped"}, c.RestartPolicy) {
			policies = append(policies, core.RestartPolicy{Container: c.Name, Policy: c.RestartPolicy, Running: c.Running})
		}
	}
	return volumes, policies
}

// ofContainer holds a container against the command line of its unit, which is
// how it would be made now, and against that by which it was made, for what has
// been changed while it ran (podman update, podman network connect).
func (a *Adopter) ofContainer(ctx context.Context, c podman.Container, networks []string) ([]Drift, error) {
	l, err := a.Units.Loaded(ctx, c.SystemdUnit)
	if err != nil || l.State != "loaded" || !strings.HasSuffix(l.Source, ".container") {
		return nil, err // not one of Quadlet's
	}
	restart := "systemctl --user restart " + strings.TrimSuffix(c.SystemdUnit, ".service")
	if l.Stale {
		return []Drift{{Unit: c.SystemdUnit, Against: "container", Field: "file", UnitSays: "the file was changed since systemd read it", Try: "systemctl --user daemon-reload; " + restart}}, nil
	}
	argv, err := a.Units.Command(ctx, c.SystemdUnit)
	if err != nil {
		return nil, err
	}
	// systemd takes $$ for $ only when it runs the command.
	for i := range argv {
		argv[i] = strings.ReplaceAll(argv[i], "$$", "$")
	}
	var list []Drift
	unit, made := options(argv), options(c.CreateCommand)
	for _, flag := range slices.Sorted(maps.Keys(merge(unit, made))) {
		if slices.Contains(ofEveryRun, flag) || slices.Equal(unit[flag], made[flag]) {
			continue
		}
		list = append(list, Drift{c.SystemdUnit, "container", flag, strings.Join(hide(flag, unit[flag]), " "), strings.Join(hide(flag, made[flag]), " "), restart})
	}
	return append(list, changedSince(c, networks, made)...), nil
}

// ofEveryRun are options that say nothing of what a container is like.
var ofEveryRun = []string{"cidfile", "d", "detach", "replace", "rm", "sdnotify"}

// hide leaves of variables whether they are the same, and not what they are.
func hide(flag string, values []string) []string {
	if flag != "env" {
		return values
	}
	var names []string
	for _, v := range values {
		name, _, _ := strings.Cut(v, "=")
		names = append(names, name)
	}
	return names
}

func merge(a, b map[string][]string) map[string][]string {
	m := maps.Clone(a)
	maps.Copy(m, b)
	return m
}

// alone are the options of podman run that have no value, as Quadlet writes them.
var alone = []string{"replace", "rm", "d", "detach", "init", "read-only", "read-only-tmpfs", "env-host", "http-proxy", "privileged", "tty", "interactive", "t", "i", "no-hosts", "no-healthcheck", "publish-all", "P"}

// options reads a command line of podman run; the image and what follows it are
// the option "command".
func options(argv []string) map[string][]string {
	m := map[string][]string{}
	i := slices.Index(argv, "run")
	if i < 0 {
		return m
	}
	for i++; i < len(argv); i++ {
		w := argv[i]
		if !strings.HasPrefix(w, "-") || w == "-" {
			m["command"] = argv[i:]
			break
		}
		name, value, joined := strings.Cut(strings.TrimLeft(w, "-"), "=")
		switch {
		case joined:
		case slices.Contains(alone, name):
			value = "true"
		case i+1 < len(argv):
			i++
			value = argv[i]
		}
		switch name {
		case "v":
			name = "volume"
		case "p":
			name = "publish"
		case "e":
			name = "env"
		case "net":
			name = "network"
		}
		m[name] = append(m[name], value)
	}
	return m
}

// updatable are the options that podman update changes.
var updatable = []string{"memory", "memory-swap", "memory-reservation", "cpus", "cpu-shares", "cpuset-cpus", "cpuset-mems", "pids-limit", "blkio-weight", "health-cmd", "health-interval", "health-retries", "health-timeout", "health-start-period"}

// changedSince tells what a container has that it was not made with.
func changedSince(c podman.Container, networks []string, made map[string][]string) []Drift {
	now := map[string]string{}
	for _, s := range c.Settings {
		now[s.Flag] = s.Value
	}
	var list []Drift
	for _, flag := range updatable {
		was := ""
		if v := made[flag]; len(v) > 0 {
			was = v[len(v)-1]
		}
		is, set := now[flag]
		if !set || canonical(is) == canonical(was) || flag == "memory-swap" && was == "" {
			continue // what is not set is Podman's or the image's own
		}
		list = append(list, Drift{c.SystemdUnit, "container", flag, was, is, "put it into the unit, or undo it: systemctl --user restart " + strings.TrimSuffix(c.SystemdUnit, ".service")})
	}
	var had []string
	for _, v := range append(slices.Clone(made["network"]), made["net"]...) {
		name, _, _ := strings.Cut(v, ":")
		had = append(had, strings.Split(name, ",")...)
	}
	for _, name := range networks {
		if len(had) > 0 && !slices.Contains(had, name) && len(made["pod"]) == 0 {
			list = append(list, Drift{c.SystemdUnit, "container", "network", strings.Join(had, " "), name, "add Network= to the unit, or type: podman network disconnect " + name + " " + c.Name})
		}
	}
	return list
}

// networkNames are the names of the networks that a container is on.
func networkNames(survey podman.Survey, c podman.Container) []string {
	var names []string
	for _, u := range c.Networks {
		if u.Name != "" {
			names = append(names, u.Name)
			continue
		}
		for _, n := range survey.Networks {
			if u.Unit == n.Unit {
				names = append(names, n.Name)
			}
		}
	}
	return names
}

// canonical makes 512m and 536870912 the same, and 1.50 and 1.5.
func canonical(v string) string {
	v = strings.ToLower(strings.TrimSpace(v))
	if f, err := strconv.ParseFloat(v, 64); err == nil {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	number := strings.TrimRight(v, "bkmgti")
	shift := map[string]int{"k": 10, "kb": 10, "kib": 10, "m": 20, "mb": 20, "mib": 20, "g": 30, "gb": 30, "gib": 30, "b": 0, "t": 40}
	if s, ok := shift[v[len(number):]]; ok {
		if f, err := strconv.ParseFloat(number, 64); err == nil {
			return strconv.FormatFloat(f*float64(int64(1)<<s), 'f', -1, 64)
		}
	}
	return v
}

// ofCompose holds the units that were made of Compose files against what those
// say now.
func (a *Adopter) ofCompose(ctx context.Context, d disk, host quadlet.Host, out *DriftReport) {
	type key struct{ path, project, profiles string }
	done := map[key]bool{}
	for _, f := range d.files {
		s := f.Origin.Source
		k := key{s.Path, s.Project, strings.Join(s.Profiles, ",")}
		if !f.Origin.Ours || s.Kind != quadlet.FromCompose || done[k] {
			continue
		}
		done[k] = true
		again := "keeper adopt --compose " + shellWord(s.Path) + " --diff"
		project, err := compose.Load(ctx, compose.Options{Files: []string{s.Path}, Project: s.Project, Profiles: s.Profiles, Env: os.Environ()})
		if err != nil {
			out.Watch = append(out.Watch, s.Path)
			out.Errors = append(out.Errors, fmt.Sprintf("units were made of %s, which cannot be read any more: %v", s.Path, err))
			continue
		}
		out.Watch = append(out.Watch, project.Files...)
		files, _ := quadlet.Render(project.Stack, host)
		for _, want := range files {
			have, ok := d.file(want.Name)
			switch {
			case !ok:
				out.Drift = append(out.Drift, Drift{quadlet.Service(want.Name), "compose", "file", "", "there is no unit for it yet", again})
			case !quadlet.Same(have.Content, want.Content):
				out.Drift = append(out.Drift, lines(have, want, again)...)
			}
		}
	}
}

// shellWord makes one word of a path for a shell.
func shellWord(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// lines tells which keys of a unit a Compose file says otherwise. Of a file that
// a person edited, only what the person did not write counts.
func lines(have onDisk, want quadlet.File, try string) []Drift {
	mine, err1 := quadlet.Parse(have.Content)
	theirs, err2 := quadlet.Parse(want.Content)
	if err1 != nil || err2 != nil {
		return nil // adopt --check tells
	}
	unit, wanted := byKey(mine), byKey(theirs)
	var list []Drift
	for _, key := range slices.Sorted(maps.Keys(merge(unit, wanted))) {
		if slices.Equal(unit[key], wanted[key]) || have.Origin.Edited && len(unit[key]) > 0 {
			continue
		}
		field := filepath.Base(key)
		u, w := unit[key], wanted[key]
		if field == "Environment" {
			u, w = hide("env", u), hide("env", w)
		}
		list = append(list, Drift{quadlet.Service(want.Name), "compose", field, strings.Join(u, " "), strings.Join(w, " "), try})
	}
	return list
}

func byKey(list []quadlet.Line) map[string][]string {
	m := map[string][]string{}
	for _, l := range list {
		m[l.Section+"/"+l.Key] = append(m[l.Section+"/"+l.Key], l.Value)
	}
	return m
}
