package adopt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"keeper/internal/core"
)

// stopOlds stops the old containers, those first that need others, and gives the
// data of their anonymous volumes to named ones.
func (r *run) stopOlds(ctx context.Context) error {
	for g := len(r.j.Start) - 1; g >= -1; g-- {
		var group []*old
		for i := range r.j.Olds {
			if o := &r.j.Olds[i]; o.Group == g || g == -1 && o.Group >= len(r.j.Start) {
				group = append(group, o)
			}
		}
		if err := each(group, func(o *old) error { return r.stopOld(ctx, o) }); err != nil {
			return err
		}
	}
	for _, id := range r.j.Pods {
		// Its infra container has the ports.
		if err := r.Podman.StopPod(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// sideBySide is how many containers are stopped or started at once.
const sideBySide = 4

// each calls f for each, some side by side, and waits for all.
func each[T any](list []T, f func(T) error) error {
	errs := make([]error, len(list))
	slots := make(chan struct{}, sideBySide)
	var wait sync.WaitGroup
	for i, v := range list {
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			errs[i] = f(v)
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

func (r *run) stopOld(ctx context.Context, o *old) error {
	if !o.Ran {
		return r.exchangeOf(ctx, o)
	}
	vanishes := o.Gone || o.Legacy != ""
	if vanishes {
		// Its anonymous volumes are removed when it stops: the data leaves them before.
		// A running container does not notice, it has the directory itself.
		if err := r.exchangeOf(ctx, o); err != nil {
			return err
		}
	}
	if err := r.mark(o); err != nil {
		return err
	}
	r.Say("stopping %s", o.Name)
	if err := r.stop(ctx, o); err != nil {
		return err
	}
	if vanishes {
		return nil
	}
	return r.exchangeOf(ctx, o)
}

// mark writes down that a container is about to be told to stop.
func (r *run) mark(o *old) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.began[o.Unit] = time.Now()
	o.Ending = true
	return r.j.save()
}

// stop stops a container and makes sure that it did end, by itself.
func (r *run) stop(ctx context.Context, o *old) error {
	patience := o.patience()
	sctx, cancel := context.WithTimeout(ctx, patience+stopSlack)
	defer cancel()
	if o.Legacy != "" {
		if err := r.stopLegacy(sctx, o); err != nil {
			return err
		}
	} else {
		if err := r.Podman.SetRestart(sctx, o.ID, "no"); err != nil && !errors.Is(err, errUnsupported) {
			return err
		}
		if err := r.Podman.Stop(sctx, o.ID, patience); err != nil {
			return fmt.Errorf("cannot stop %s: %w", o.Name, err)
		}
	}
	st, err := r.Podman.State(sctx, o.ID)
	if errors.Is(err, errNoContainer) && (o.Gone || o.Legacy != "") {
		return nil
	}
	if err != nil {
		return err
	}
	const killed = 128 + int(syscall.SIGKILL)
	switch {
	case st.Running:
		return fmt.Errorf("%s still runs after it was stopped", o.Name)
	case o.Store && st.ExitCode == killed:
		return fmt.Errorf("%s did not end within %s and was killed: a data store is not taken over like that; stop it by hand, see: podman logs %s", o.Name, patience, o.Name)
	}
	return nil
}

// patience is how long it is given to end.
func (o old) patience() time.Duration {
	if o.Store {
		return max(o.Stop, storeStop)
	}
	return o.Stop
}

func (r *run) stopLegacy(ctx context.Context, o *old) error {
	l, err := r.Units.Loaded(ctx, o.Legacy)
	if err != nil {
		return err
	}
	r.mu.Lock()
	o.Enabled = l.Enabled == "enabled"
	err = r.j.save()
	r.mu.Unlock()
	if err != nil {
		return err
	}
	if l.Active == "active" || l.Active == "activating" {
		err = r.Units.Stop(ctx, []string{o.Legacy})
	} else {
		err = r.Podman.Stop(ctx, o.ID, o.Stop)
	}
	if err == nil && o.Enabled {
		err = r.Units.Disable(ctx, []string{o.Legacy})
	}
	return err
}

// exchangeOf gives the data of a container's anonymous volumes to named ones: the
// two directories change places, in one step of the kernel's. Nothing is copied,
// and at no moment is the data in neither.
func (r *run) exchangeOf(ctx context.Context, o *old) error {
	for _, m := range r.plan.Moves {
		if m.Container != o.Name {
			continue
		}
		info, ok, err := r.Podman.VolumeInfo(ctx, m.To)
		if err != nil || !ok {
			return errors.Join(fmt.Errorf("the volume %s is gone", m.To), err)
		}
		inode, err := inodeOf(m.Path)
		if err != nil {
			return fmt.Errorf("cannot find the data of %s: %w", o.Name, err)
		}
		r.mu.Lock()
		r.j.Moves = append(r.j.Moves, moved{m, m.Path, info.Mountpoint, inode})
		err = r.j.save()
		r.mu.Unlock()
		if err != nil {
			return err
		}
		r.Say("giving the data at %s of %s to the volume %s", m.Target, o.Name, m.To)
		if err := r.exchangeDirs(ctx, m.Path, info.Mountpoint); err != nil {
			return err
		}
		if now, err := inodeOf(info.Mountpoint); err != nil || now != inode {
			return errors.Join(fmt.Errorf("the data of %s did not arrive in the volume %s", o.Name, m.To), err)
		}
	}
	return nil
}

func inodeOf(path string) (uint64, error) {
	fi, err := os.Lstat(path)
	if err != nil {
		return 0, err
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok || !fi.IsDir() {
		return 0, fmt.Errorf("%s is no directory", path)
	}
	return st.Ino, nil
}

// exchangeDirs runs inside Podman's user namespace, whose ids the directories
// belong to, and in a unit of its own: the pause process that `podman unshare`
// may start must not be in keeper's cgroup.
func (a *Adopter) exchangeDirs(ctx context.Context, one, other string) error {
	program, err := exec.LookPath("podman")
	if err != nil {
		return fmt.Errorf("cannot exchange volumes: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	name := fmt.Sprintf("keeper-adopt-exchange-%d-%d.service", os.Getpid(), time.Now().UnixNano())
	argv := []string{program, "unshare", a.Places.Self, "exchange", one, other}
	if err := a.Units.RunTransient(ctx, name, "Exchange two volumes of Podman's", argv); err != nil {
		return fmt.Errorf("cannot give the data to a named volume: %w", err)
	}
	return nil
}

// rename puts the old containers aside.
func (r *run) rename(ctx context.Context) error {
	for i := range r.j.Olds {
		o := &r.j.Olds[i]
		if o.Legacy != "" && !o.Gone {
			_, err := r.Podman.State(ctx, o.ID)
			if err != nil && !errors.Is(err, errNoContainer) {
				return err
			}
			o.Gone = err != nil
		}
		if o.Gone && o.Ran {
			continue
		}
		if !o.Ran && o.Restart != "" && o.Restart != "no" {
			// It stays there, and podman-restart.service must not start it at boot.
			if err := r.Podman.SetRestart(ctx, o.ID, "no"); err != nil && !errors.Is(err, errUnsupported) {
				return err
			}
		}
		if err := r.Podman.Rename(ctx, o.ID, o.Aside); err != nil {
			return err
		}
	}
	return r.j.save()
}

// foreign makes sure that nobody has what the new units are going to mount, or
// their ports: a process that Podman does not know of, or one that did not end.
func (r *run) foreign(ctx context.Context) error {
	var down []core.Unit
	for _, g := range r.j.Start {
		for _, name := range g {
			u, ok, err := r.Units.Get(ctx, name)
			if err != nil {
				return err
			}
			if ok && (u.Active == "inactive" || u.Active == "failed") {
				down = append(down, u)
			}
		}
	}
	// What has just stopped is given a moment to be gone.
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := r.held(ctx, down)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("interrupted: %w", ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (r *run) held(ctx context.Context, down []core.Unit) error {
	processes, err := r.Processes.Processes()
	if err != nil {
		return err
	}
	for _, h := range r.Processes.Holders(processes, down) {
		return fmt.Errorf("%s (pid %d) has %s open, which %s is going to mount: two servers on one volume would ruin it", h.Name, h.PID, h.Source, h.Unit)
	}
	for _, u := range down {
		for _, address := range u.Ports {
			if bound(ctx, address) {
				return fmt.Errorf("the port %s, which %s is going to publish, is still bound; see: ss -ltnp", address, u.Name)
			}
		}
	}
	return nil
}

// bound says whether somebody listens at an address of this host.
func bound(ctx context.Context, address string) bool {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err == nil {
		_ = l.Close()
	}
	return errors.Is(err, syscall.EADDRINUSE)
}

// start starts the units, group by group. A unit that runs and was written anew
// is stopped first.
func (r *run) start(ctx context.Context) error {
	if len(r.j.Restart) > 0 {
		if err := r.Units.Stop(ctx, r.j.Restart); err != nil {
			return err
		}
	}
	for _, group := range r.j.Start {
		r.Say("starting %s", strings.ReplaceAll(strings.Join(group, ", "), ".service", ""))
		if err := each(group, func(name string) error { return r.startOne(ctx, name) }); err != nil {
			return err
		}
		r.result.Started = append(r.result.Started, group...)
	}
	return r.startAlong(ctx)
}

// startAlong starts what went down with the units that were stopped: by Requires=
// systemd stops whatever needs them, and does not start it again.
func (r *run) startAlong(ctx context.Context) error {
	for _, name := range r.j.Along {
		u, ok, err := r.Units.Get(ctx, name)
		if err != nil {
			return err
		}
		if !ok || u.Active == "active" || u.Active == "activating" {
			continue
		}
		r.Say("starting %s, which needs what was started anew", strings.TrimSuffix(name, ".service"))
		if err := r.startOne(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// startLimit is above any TimeoutStartSec that keeper writes.
const startLimit = time.Hour + time.Minute

func (a *Adopter) startOne(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if err := a.Units.StartAndWait(ctx, name); err != nil {
		return fmt.Errorf("%w; see: journalctl --user -u %s -n 30", err, name)
	}
	return nil
}

// prove waits until each new unit does what its container did, and stays up.
func (r *run) prove(ctx context.Context) error {
	var names []string
	for _, group := range append(slices.Clone(r.j.Start), r.j.Along) {
		for _, name := range group {
			if !strings.HasSuffix(name, "-pod.service") {
				names = append(names, name)
			}
		}
	}
	if len(names) == 0 {
		return nil
	}
	r.Say("waiting until all answer")
	r.result.Away = map[string]time.Duration{}
	lives := map[string]string{}
	err := each(names, func(name string) error {
		u, err := r.ready(ctx, name)
		if err != nil {
			return err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		lives[name] = u.Invocation
		if t, ok := r.began[name]; ok {
			r.result.Away[strings.TrimSuffix(name, ".service")] = time.Since(t)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return r.steady(ctx, lives)
}

// readyLimit is how long a unit that is up may take until it answers on its
// ports. A database that recovers takes its time.
const readyLimit = 2 * time.Minute

// ready waits until a unit is active, answers on its published ports, and its
// health check, if it has one, says that it is well.
func (a *Adopter) ready(ctx context.Context, name string) (core.Unit, error) {
	rctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	var why error
	for {
		u, ok, err := a.Units.Get(rctx, name)
		switch {
		case err != nil:
			why = because(rctx, why, err)
		case !ok:
			return u, fmt.Errorf("%s is no unit of Quadlet's any more", name)
		case u.Active == "failed" || u.Active == "inactive" && !u.OneShot || u.Restarts > 0:
			return u, fmt.Errorf("%s did not stay up (%s, %s); see: journalctl --user -u %s -n 30", name, u.Active, u.Result, name)
		case u.Active == "active" || u.OneShot:
			err := a.answers(rctx, u)
			if err == nil {
				return u, nil
			}
			why = because(rctx, why, err)
		default:
			why = fmt.Errorf("it is %s", u.Active)
		}
		select {
		case <-rctx.Done():
			if err := ctx.Err(); err != nil {
				return u, fmt.Errorf("interrupted: %w", err)
			}
			return u, fmt.Errorf("%s is not ready within %s: %w", name, readyLimit, why)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// because is why it is not ready: that the time is over is no reason.
func because(ctx context.Context, before, now error) error {
	if ctx.Err() != nil && before != nil {
		return before
	}
	return now
}

func (a *Adopter) answers(ctx context.Context, u core.Unit) error {
	for _, p := range u.Ports {
		if err := a.Answers(ctx, p); err != nil {
			return fmt.Errorf("nobody answers at %s: %w", p, err)
		}
	}
	return nil
}

// steady makes sure that the units still live the life that they were ready in.
func (r *run) steady(ctx context.Context, lives map[string]string) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("interrupted: %w", ctx.Err())
	case <-time.After(proof): // nothing can be awaited: it is that nothing happens
	}
	for name, life := range lives {
		u, _, err := r.Units.Get(ctx, name)
		if err != nil {
			return err
		}
		if !u.OneShot && (u.Invocation != life || u.Active != "active") {
			return fmt.Errorf("%s did not stay up (%s, %s); see: journalctl --user -u %s -n 30", name, u.Active, u.Result, name)
		}
	}
	return nil
}

// dropEmptied removes an anonymous volume whose data has moved, once the data
// was seen where it belongs.
func (a *Adopter) dropEmptied(ctx context.Context, m moved) error {
	if now, err := inodeOf(m.ToPath); err != nil || now != m.Inode {
		return fmt.Errorf("the volume %s is kept: the data is not where it should be, in %s", m.From, filepath.Dir(m.ToPath))
	}
	_, there, err := a.Podman.VolumeInfo(ctx, m.From)
	if err != nil || !there {
		return err
	}
	return a.Podman.RemoveVolume(ctx, m.From)
}
