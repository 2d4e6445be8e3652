package adopt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"keeper/internal/podman"
	"keeper/internal/quadlet"
)

// Errors of the podman room that are no failures here.
var (
	errUnsupported = podman.ErrUnsupported
	errNoContainer = podman.ErrNotFound
)

// undo puts everything back that the journal names. It goes on whatever fails,
// and can be done again.
func (r *run) undo(ctx context.Context) error {
	j := r.j
	r.unstage()
	var units []string
	for _, g := range slices.Backward(j.Start) {
		units = append(units, g...)
	}
	var all error
	if len(j.Files) > 0 {
		if err := r.stopUnits(ctx, units); err != nil {
			all = errors.Join(all, err)
		}
		all = errors.Join(all, r.restoreFiles(), r.Units.Reload(ctx))
	}
	if all != nil {
		// With a new unit perhaps still on the volumes, nothing is started on them.
		return all
	}
	if all = errors.Join(r.removeNew(ctx), r.endOlds(ctx)); all != nil {
		return all
	}
	if all = r.exchangeBack(ctx); all != nil {
		return all
	}
	all = r.startOlds(ctx)
	if all == nil && len(j.Restart) > 0 {
		all = errors.Join(each(j.Restart, func(name string) error { return r.startOne(ctx, name) }), r.startAlong(ctx))
	}
	all = errors.Join(all, r.dropNew(ctx))
	if all == nil {
		all = j.remove()
	}
	return all
}

// unstage removes the files that wait beside their places.
func (a *Adopter) unstage() {
	for _, pattern := range []string{".*.keeper", "*/.*.keeper"} {
		left, err := filepath.Glob(filepath.Join(a.Places.Quadlets, pattern))
		if err != nil {
			continue // the pattern is a good one
		}
		for _, path := range left {
			if err := os.Remove(path); err != nil {
				a.Say("left over: %v", err)
			}
			if dir := filepath.Dir(path); strings.HasSuffix(dir, ".d") {
				_ = os.Remove(dir) // if it is empty now
			}
		}
	}
}

// stopUnits stops what was started, in order, and waits for it.
func (a *Adopter) stopUnits(ctx context.Context, names []string) error {
	var there []string
	for _, n := range names {
		l, err := a.Units.Loaded(ctx, n)
		if err != nil {
			return err
		}
		if l.State == "loaded" {
			there = append(there, n)
		}
	}
	if len(there) == 0 {
		return nil
	}
	return a.Units.Stop(ctx, there)
}

// restoreFiles puts the files back as they were. One that somebody edited
// meanwhile is that person's, and is left.
func (r *run) restoreFiles() error {
	var all error
	for _, f := range slices.Backward(r.j.Files) {
		now, err := readSmall(f.Path)
		switch {
		case errors.Is(err, fs.ErrNotExist) && !f.Existed:
			continue
		case err == nil && now == f.Before && f.Existed:
			continue
		case err == nil && now != f.After:
			all = errors.Join(all, fmt.Errorf("%s was edited meanwhile and is left: remove it, or put it back, by hand", f.Path))
			continue
		case f.Existed:
			if err = stageFile(f.Path, f.Before); err == nil {
				err = os.Rename(staged(f.Path), f.Path)
			}
		default:
			err = os.Remove(f.Path)
			// The daemon would take it for lost.
			_ = os.Remove(filepath.Join(r.Places.Copies, url.PathEscape(f.Path)))
			if dir := filepath.Dir(f.Path); strings.HasSuffix(dir, ".d") {
				_ = os.Remove(dir) // if it is empty now
			}
		}
		if err != nil {
			all = errors.Join(all, fmt.Errorf("cannot put %s back: %w", f.Path, err))
		}
	}
	return all
}

// removeNew removes the containers of units that did not do it themselves. Their
// volumes stay.
func (r *run) removeNew(ctx context.Context) error {
	if len(r.j.Files) == 0 {
		return nil
	}
	survey, err := r.Podman.Survey(ctx)
	if err != nil {
		return err
	}
	var all error
	for _, c := range survey.Containers {
		ours := slices.ContainsFunc(r.j.Start, func(g []string) bool { return slices.Contains(g, c.SystemdUnit) })
		isOld := slices.ContainsFunc(r.j.Olds, func(o old) bool { return o.ID == c.ID })
		restarted := slices.Contains(r.j.Restart, c.SystemdUnit)
		if !ours || isOld || restarted || c.SystemdUnit == "" {
			continue
		}
		if c.Running {
			all = errors.Join(all, r.Podman.Stop(ctx, c.ID, cmp.Or(c.StopTimeout, 10*time.Second)))
		}
		if err := r.Podman.Remove(ctx, c.ID); err != nil && !errors.Is(err, errNoContainer) {
			all = errors.Join(all, err)
		}
	}
	return all
}

// lastFirst are the old containers, those first that need others.
func (r *run) lastFirst() []old {
	list := slices.Clone(r.j.Olds)
	slices.SortStableFunc(list, func(a, b old) int { return cmp.Compare(b.Group, a.Group) })
	return list
}

// endOlds waits for the end of what was told to stop and still runs. It may have
// heard it or not; if it has, it is going to end at any moment, and whoever is
// started again must not be that one, nor may its data be in a volume that goes
// with it.
func (r *run) endOlds(ctx context.Context) error {
	var all error
	for _, o := range r.lastFirst() {
		if !o.Ran || !o.Ending {
			continue
		}
		st, err := r.Podman.State(ctx, o.ID)
		switch {
		case errors.Is(err, errNoContainer):
			err = nil
		case err != nil || !st.Running:
		case o.Legacy != "":
			err = r.Units.Stop(ctx, []string{o.Legacy})
		default:
			err = r.Podman.Stop(ctx, o.ID, o.patience())
		}
		all = errors.Join(all, err)
	}
	return all
}

// exchangeBack puts the data back into the anonymous volumes, where they still
// are. Where they went with their container, the data stays in the named one.
func (r *run) exchangeBack(ctx context.Context) error {
	var all error
	for _, m := range slices.Backward(r.j.Moves) {
		now, err := inodeOf(m.ToPath)
		if err != nil || now != m.Inode {
			continue // it never arrived, or is back already
		}
		if _, there, err := r.Podman.VolumeInfo(ctx, m.From); err != nil || !there {
			all = errors.Join(all, err)
			continue
		}
		r.Say("giving the data at %s back to %s", m.Target, m.Container)
		if err := r.exchangeDirs(ctx, m.ToPath, m.FromPath); err != nil {
			all = errors.Join(all, err)
		}
	}
	return all
}

// startOlds gives the old containers their names, and starts those that ran, in
// the order of what needs what.
func (r *run) startOlds(ctx context.Context) error {
	var all error
	for _, o := range slices.Backward(r.lastFirst()) {
		all = errors.Join(all, r.startOld(ctx, o))
	}
	return all
}

func (r *run) startOld(ctx context.Context, o old) error {
	st, err := r.Podman.State(ctx, o.ID)
	gone := errors.Is(err, errNoContainer)
	switch {
	case err != nil && !gone:
		return err
	case !gone && st.Name == o.Aside:
		if err := r.Podman.Rename(ctx, o.ID, o.Name); err != nil {
			return err
		}
	}
	if gone && !o.Gone && o.Legacy == "" {
		r.Say("%s was removed by somebody else", o.Name)
		return nil
	}
	if !gone && o.Restart != "" && o.Restart != "no" && o.Legacy == "" {
		if err := r.Podman.SetRestart(ctx, o.ID, o.Restart); err != nil && !errors.Is(err, errUnsupported) {
			return err
		}
	}
	if o.Enabled {
		if err := errors.Join(r.Units.Enable(ctx, []string{o.Legacy}), r.Units.Reload(ctx)); err != nil {
			return err
		}
	}
	if !o.Ran || !gone && st.Running {
		return nil
	}
	r.Say("starting %s again", o.Name)
	switch {
	case o.Legacy != "":
		err = r.Units.StartAndWait(ctx, o.Legacy)
	case gone:
		err = r.madeAnew(ctx, o)
	default:
		err = r.Podman.Start(ctx, o.ID)
	}
	if err != nil {
		return fmt.Errorf("cannot start %s again: %w", o.Name, err)
	}
	return nil
}

// madeAnew has a container that went with its stop run again, unless an earlier
// try has done so.
func (r *run) madeAnew(ctx context.Context, o old) error {
	st, err := r.Podman.State(ctx, o.Name)
	switch {
	case errors.Is(err, errNoContainer):
		return r.again(ctx, o)
	case err != nil || st.Running:
		return err
	}
	return r.Podman.Start(ctx, o.Name)
}

// again makes a container that was removed by its stop (--rm) once more, by the
// command line that it was made by. Its data is in a named volume by now.
func (r *run) again(ctx context.Context, o old) error {
	argv := slices.Clone(o.Command)
	if len(argv) < 3 {
		return errors.New("it was removed by its stop, and how it was made is not known; its volumes are there: podman volume ls")
	}
	i := slices.Index(argv, "run")
	if i < 0 {
		return fmt.Errorf("it was made by %q, which keeper cannot repeat", strings.Join(argv[:2], " "))
	}
	for _, m := range r.j.Moves {
		if m.Container != o.Name {
			continue
		}
		mount := m.To + ":" + m.Target
		explicit := false
		for k := i + 1; k < len(argv); k++ {
			if (argv[k-1] == "-v" || argv[k-1] == "--volume") && argv[k] == m.Target {
				argv[k], explicit = mount, true
			}
		}
		if !explicit {
			argv = slices.Insert(argv, i+1, "--volume="+mount)
		}
	}
	// One that was made in a terminal would end only with its container.
	argv = slices.Insert(argv, i+1, "--detach")
	if !filepath.IsAbs(argv[0]) {
		argv[0] = "/usr/bin/" + filepath.Base(argv[0])
	}
	name := fmt.Sprintf("keeper-adopt-again-%d.service", time.Now().UnixNano())
	return r.Units.RunTransient(ctx, name, "Run "+o.Name+" again", argv)
}

// dropNew removes the secrets and volumes that were made for the units. A volume
// that has somebody's data in it stays.
func (r *run) dropNew(ctx context.Context) error {
	all := r.dropThrowaways(ctx)
	for _, s := range r.j.Secrets {
		if err := r.Podman.RemoveSecret(ctx, s); err != nil && !errors.Is(err, podman.ErrNotFound) {
			all = errors.Join(all, err)
		}
	}
	for _, v := range r.j.Volumes {
		info, there, err := r.Podman.VolumeInfo(ctx, v)
		if err != nil || !there {
			all = errors.Join(all, err)
			continue
		}
		if why := r.holds(info); why != "" {
			r.Say("the volume %s stays: %s", v, why)
			continue
		}
		all = errors.Join(all, r.Podman.RemoveVolume(ctx, v))
	}
	return all
}

// dropThrowaways removes the containers by which volumes were mounted for the
// first time, where keeper died before it did so itself.
func (r *run) dropThrowaways(ctx context.Context) error {
	if len(r.j.Volumes) == 0 {
		return nil
	}
	survey, err := r.Podman.Survey(ctx)
	if err != nil {
		return err
	}
	var all error
	for _, c := range survey.Containers {
		for _, v := range r.j.Volumes {
			if !c.Running && slices.Contains(c.Settings, quadlet.Setting{Flag: "label", Value: podman.Throwaway + "=" + v}) {
				all = errors.Join(all, r.Podman.Remove(ctx, c.ID))
			}
		}
	}
	return all
}

// holds says why a volume that was made must not be removed, or nothing.
func (r *run) holds(v podman.Volume) string {
	if slices.Contains(r.j.Unsure, v.Name) {
		if list, err := os.ReadDir(v.Mountpoint); err != nil || len(list) > 0 {
			return "it is not sure that keeper made it"
		}
	}
	now, err := inodeOf(v.Mountpoint)
	if err != nil && len(r.j.Moves) > 0 {
		return err.Error()
	}
	for _, m := range r.j.Moves {
		if now == m.Inode {
			return "it has the data of " + m.Container
		}
	}
	return ""
}

// Interrupted says whether an adoption was interrupted.
func Interrupted(state string) (bool, error) {
	j, err := loadJournal(state)
	return j != nil, err
}

// Settle ends an adoption that was interrupted. Where all files are in place and
// the units come up, it goes on to the end; otherwise, or if back says so,
// everything is put back. forward says which.
func (a *Adopter) Settle(ctx context.Context, back bool) (forward bool, err error) {
	lctx, cancel := context.WithTimeout(ctx, lockLimit)
	defer cancel()
	release, err := lock(lctx, a.Places.State)
	if err != nil {
		return false, err
	}
	defer release()
	j, err := loadJournal(a.Places.State)
	if err != nil || j == nil {
		return false, err
	}
	r := &run{Adopter: a, j: j, began: map[string]time.Time{}}
	if j.Proved {
		return true, r.finish(ctx) // some of the old containers may be gone
	}
	if j.Complete && !back {
		err := r.resume(ctx)
		if err == nil {
			return true, r.finish(ctx)
		}
		a.Say("the units did not come up: %v", err)
	}
	ctx, done := context.WithTimeout(ctx, undoLimit)
	defer done()
	return false, r.undo(ctx)
}

// resume starts what the interrupted adoption would have started.
func (r *run) resume(ctx context.Context) error {
	if err := r.Units.Reload(ctx); err != nil {
		return err
	}
	if err := r.foreign(ctx); err != nil {
		return err
	}
	lives := map[string]string{}
	if err := r.start(ctx); err != nil {
		return err
	}
	for _, group := range r.j.Start {
		for _, name := range group {
			if strings.HasSuffix(name, "-pod.service") {
				continue
			}
			u, err := r.ready(ctx, name)
			if err != nil {
				return err
			}
			lives[name] = u.Invocation
		}
	}
	return r.steady(ctx, lives)
}
