package adopt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"keeper/internal/podman"
	"keeper/internal/quadlet"
)

// Result is what was done.
type Result struct {
	// Done says that the plan is in force. Otherwise everything is as it was, unless
	// Left says what is not.
	Done bool     `json:"done"`
	Left []string `json:"left,omitempty"`
	// Written are the files, Started the units.
	Written []string `json:"written,omitempty"`
	Started []string `json:"started,omitempty"`
	// Away is how long each container did not answer.
	Away map[string]time.Duration `json:"-"`
	// Kept are the old containers that were left there.
	Kept []string `json:"kept,omitempty"`
}

// Limits of what adoption waits for.
const (
	lockLimit = 5 * time.Second
	// undoLimit is for putting everything back, whatever the caller's context says.
	undoLimit = 5 * time.Minute
	// storeStop is what a data store is given to end.
	storeStop = 60 * time.Second
	// stopSlack is what a stop takes beyond what the container is given.
	stopSlack = 20 * time.Second
	// proof is how long a unit has to stay up before its old container goes.
	proof = 3 * time.Second
)

// Apply carries a plan out. If it fails, everything is put back; the error says
// what failed.
func (a *Adopter) Apply(ctx context.Context, p Plan) (Result, error) {
	if stops := p.Stops(); len(stops) > 0 {
		return Result{}, fmt.Errorf("nothing was changed: %s: %s", or(stops[0].Unit, "the plan"), stops[0].Text)
	}
	lctx, cancel := context.WithTimeout(ctx, lockLimit)
	defer cancel()
	release, err := lock(lctx, a.Places.State)
	if err != nil {
		return Result{}, err
	}
	defer release()
	if j, err := loadJournal(a.Places.State); err != nil || j != nil {
		return Result{}, errors.Join(err, errors.New("an adoption was interrupted: first type keeper adopt --undo"))
	}
	if !p.Changed() {
		return Result{Done: true}, nil
	}
	run := &run{Adopter: a, plan: p, j: &journal{Version: journalVersion, Started: time.Now(), KeepOld: p.request.KeepOld, path: filepath.Join(a.Places.State, journalName)}, began: map[string]time.Time{}}
	err = run.forward(ctx)
	if err == nil || run.j.Proved {
		return run.result, err
	}
	a.Say("putting everything back")
	uctx, done := context.WithTimeout(context.WithoutCancel(ctx), undoLimit)
	defer done()
	if uerr := run.undo(uctx); uerr != nil {
		return Result{Left: []string{uerr.Error()}}, fmt.Errorf("%w\nand not everything could be put back: %w\nthe journal of it is kept; try again: keeper adopt --undo", err, uerr)
	}
	return Result{}, fmt.Errorf("%w\neverything is as it was before", err)
}

// run is one plan being carried out.
type run struct {
	*Adopter
	plan   Plan
	j      *journal
	result Result
	// began is when each old container began to stop.
	began map[string]time.Time
	// mu is held for the journal, and for what is above, while containers are dealt
	// with side by side.
	mu sync.Mutex
}

// forward does one step after the other. Files come late: until they are there,
// nothing of the stack starts by itself, on no volume.
func (r *run) forward(ctx context.Context) error {
	if err := r.prepare(ctx); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{r.secrets, r.volumes, r.stage, r.stopOlds, r.rename, r.writeFiles, r.reload, r.foreign, r.start, r.prove} {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("interrupted: %w", err)
		}
		if err := step(ctx); err != nil {
			return err
		}
	}
	return r.finish(ctx)
}

// prepare writes down what there is, before anything is done.
func (r *run) prepare(ctx context.Context) error {
	groups := r.groups()
	for _, i := range r.plan.Items {
		if i.Do == Update {
			r.j.Restart = append(r.j.Restart, i.Unit+".service")
		}
		if i.old == nil || i.Do != Adopt && i.Do != Write || r.plan.request.Untouched {
			continue
		}
		c := i.old
		o := old{
			ID: c.ID, Name: c.Name, Aside: r.aside(c.Name), Ran: c.Running, Gone: c.AutoRemove, Restart: restartOf(c),
			Unit: i.Unit + ".service", Stop: c.StopTimeout, Store: i.model.Store, Ports: c.HostPorts, Group: groupOf(groups, i.Unit+".service"), Keep: i.Do == Write,
		}
		if i.legacy != "" {
			o.Legacy = filepath.Base(i.legacy)
		} else if o.Gone {
			// It may have passwords in it, and nothing else is made anew by it.
			o.Command = c.CreateCommand
		}
		r.j.Olds = append(r.j.Olds, o)
	}
	if len(r.j.Restart) > 0 {
		list, err := r.Units.List(ctx)
		if err != nil {
			return err
		}
		for _, u := range list {
			if u.Active == "active" && !slices.Contains(r.j.Restart, u.Name) && slices.ContainsFunc(u.Needs, func(n string) bool { return slices.Contains(r.j.Restart, n) }) {
				r.j.Along = append(r.j.Along, u.Name)
			}
		}
	}
	r.j.Start, r.j.Pods = groups, r.plan.pods
	return r.j.save()
}

// restartOf is the restart policy of a container, as podman update takes it.
func restartOf(c *podman.Container) string {
	if c.RestartPolicy == "on-failure" && c.RestartMost > 0 {
		return fmt.Sprintf("on-failure:%d", c.RestartMost)
	}
	return c.RestartPolicy
}

// aside is a name that nothing has.
func (r *run) aside(name string) string {
	return free(name+"-before-keeper", func(n string) bool {
		return slices.ContainsFunc(r.plan.names, func(o string) bool { return o == n })
	})
}

// groups are the units to start, each after the groups that it needs.
func (r *run) groups() [][]string {
	level := map[string]int{}
	var find func(unit string, depth int) int
	find = func(unit string, depth int) int {
		if l, ok := level[unit]; ok || depth > len(r.plan.Items) {
			return l
		}
		l := 0
		for _, i := range r.plan.Items {
			if i.Unit != unit {
				continue
			}
			for _, n := range i.model.Needs {
				if slices.ContainsFunc(r.plan.Items, func(o Item) bool { return o.Unit == n.Unit }) {
					l = max(l, find(n.Unit, depth+1)+1)
				}
			}
		}
		level[unit] = l
		return l
	}
	var groups [][]string
	if len(r.plan.stack.Pods) > 0 {
		var pods []string
		for _, p := range r.plan.stack.Pods {
			pods = append(pods, p.Unit+"-pod.service")
		}
		groups = append(groups, pods)
	}
	first := len(groups)
	for _, i := range r.plan.Items {
		if i.Do != Adopt && i.Do != Create && i.Do != Update {
			continue
		}
		l := first + find(i.Unit, 0)
		for len(groups) <= l {
			groups = append(groups, nil)
		}
		groups[l] = append(groups[l], i.Unit+".service")
	}
	return slices.DeleteFunc(groups, func(g []string) bool { return len(g) == 0 })
}

func groupOf(groups [][]string, unit string) int {
	return max(0, slices.IndexFunc(groups, func(g []string) bool { return slices.Contains(g, unit) }))
}

func (r *run) secrets(ctx context.Context) error {
	for _, s := range r.plan.Secrets {
		value, err := r.secretValue(s)
		if err != nil {
			return err
		}
		r.j.Secrets = append(r.j.Secrets, s.Name)
		if err := r.j.save(); err != nil {
			return err
		}
		if err := r.Podman.CreateSecret(ctx, s.Name, strings.NewReader(value)); err != nil {
			r.j.Secrets = r.j.Secrets[:len(r.j.Secrets)-1]
			return err
		}
	}
	return nil
}

// secretValue reads the value of a secret. It is never part of an error.
func (r *run) secretValue(s quadlet.Secret) (string, error) {
	if value, ok := r.plan.values[s.Name]; ok {
		return value, nil
	}
	switch {
	case s.File != "":
		value, err := readSmall(s.File)
		if err != nil {
			return "", fmt.Errorf("cannot make the secret %s: %w", s.Name, err)
		}
		return value, nil
	case s.Variable != "":
		return "", fmt.Errorf("cannot make the secret %s: the variable %s is not set", s.Name, s.Variable)
	}
	return "", fmt.Errorf("cannot make the secret %s: its value is not known", s.Name)
}

// volumes makes the volumes that data is to move into, and has Podman believe
// that they were in use before.
func (r *run) volumes(ctx context.Context) error {
	for _, m := range r.plan.Moves {
		r.j.Volumes, r.j.Unsure = append(r.j.Volumes, m.To), []string{m.To}
		if err := r.j.save(); err != nil {
			return err
		}
		if err := r.Podman.CreateVolume(ctx, m.To, nil); err != nil {
			return err
		}
		r.j.Unsure = nil
		if err := r.j.save(); err != nil {
			return err
		}
		if err := r.Podman.PrimeVolume(ctx, r.idOf(m.Container), m.To, m.Target); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) idOf(name string) string {
	for _, o := range r.j.Olds {
		if o.Name == name {
			return o.ID
		}
	}
	return name
}

// stage writes the files under other names: what is missing, a right or room on
// the disk, is missing before anything is stopped.
func (r *run) stage(context.Context) error {
	for _, f := range r.plan.Files {
		if f.State != New && f.State != Change {
			continue
		}
		if err := stageFile(f.Path, f.Content); err != nil {
			return fmt.Errorf("cannot write %s: %w", f.Path, err)
		}
	}
	return nil
}

func staged(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".keeper")
}

func stageFile(path, content string) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(staged(path), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) // an environment may have passwords
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		err = errors.Join(err, os.Remove(staged(path)))
	}
	return err
}

// writeFiles puts the files in their places, each in one step.
func (r *run) writeFiles(context.Context) error {
	for _, f := range r.plan.Files {
		if f.State != New && f.State != Change {
			continue
		}
		now, err := readSmall(f.Path)
		existed := err == nil
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("cannot write %s: %w", f.Path, err)
		}
		if existed != (f.State == Change) || existed && now != f.Old {
			return fmt.Errorf("%s has changed since it was looked at: it is left alone", f.Path)
		}
		r.j.Files = append(r.j.Files, written{f.Path, existed, f.Old, f.Content})
		if err := r.j.save(); err != nil {
			return err
		}
		if err := os.Rename(staged(f.Path), f.Path); err != nil {
			return fmt.Errorf("cannot write %s: %w", f.Path, err)
		}
		r.result.Written = append(r.result.Written, f.Path)
	}
	r.j.Complete = true
	return r.j.save()
}

func (r *run) reload(ctx context.Context) error {
	r.Say("reloading the user manager")
	if err := r.Units.Reload(ctx); err != nil {
		return err
	}
	for _, i := range r.plan.Items {
		if i.untouched() {
			continue
		}
		l, err := r.Units.Loaded(ctx, i.Unit+".service")
		if err != nil {
			return err
		}
		if l.State != "loaded" || !strings.HasSuffix(l.Source, ".container") {
			return fmt.Errorf("systemd did not load %s.service (%s): %s", i.Unit, l.State, or(l.Fragment, "no unit was generated"))
		}
	}
	return nil
}

// finishLimit is for removing what has stopped.
const finishLimit = 5 * time.Minute

// finish takes the old containers away, those first that need others. It is not
// left half done because somebody does not want to wait any longer.
func (r *run) finish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishLimit)
	defer cancel()
	r.j.Proved = true
	if err := r.j.save(); err != nil {
		r.j.Proved = false
		return err
	}
	var all error
	removed := map[string]bool{}
	for _, o := range r.lastFirst() {
		if r.j.KeepOld || o.Keep {
			if !o.Gone {
				r.result.Kept = append(r.result.Kept, o.Aside)
			}
			continue
		}
		if err := r.Podman.Remove(ctx, o.ID); err != nil && !errors.Is(err, errNoContainer) {
			all = errors.Join(all, err)
			continue
		}
		removed[o.Name] = true
	}
	for _, m := range r.j.Moves {
		if removed[m.Container] {
			// What is in it now is what Podman copied from the image.
			all = errors.Join(all, r.dropEmptied(ctx, m))
		}
	}
	for _, id := range r.j.Pods {
		if !r.j.KeepOld && all == nil {
			all = r.Podman.RemovePod(ctx, id)
		}
	}
	if all != nil {
		// The units are up and proved: what stays is in the way of nobody.
		r.Say("not everything could be cleared away: %v", all)
	}
	r.result.Done = true
	if err := r.j.remove(); err != nil {
		return fmt.Errorf("the units are in force, and no other adoption can begin: %w", err)
	}
	return nil
}
