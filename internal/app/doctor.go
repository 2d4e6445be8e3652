package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"keeper/internal/containers"
	"keeper/internal/core"
	"keeper/internal/history"
	"keeper/internal/logind"
	"keeper/internal/paths"
	"keeper/internal/standdown"
	"keeper/internal/units"
)

// Examine looks at all that the survival of the stack rests on. It needs no
// daemon and changes nothing. What cannot be asked is a finding of its own.
func Examine(ctx context.Context) (core.Health, error) {
	uid := os.Getuid()
	p, err := paths.Of(uid)
	if err != nil {
		return core.Health{}, err
	}
	h := core.Health{UID: uid, User: identity{uid: uid}.user(), Installer: paths.Installer()}
	marks := standdown.Marks{UID: uint32(uid), StateDir: p.State, MarkDir: p.Marks}
	var wait sync.WaitGroup
	wait.Go(func() { h.StandDown = marks.Read(ctx, time.Now()) })
	wait.Go(func() { h.LogindErr = text(examineLogind(ctx, &h)) })
	wait.Go(func() { h.ManagerErr = text(examineManager(ctx, p, &h)) })
	wait.Go(func() { h.ContainersErr = text(examineContainers(openView(uid, p), &h)) })
	settings := readSettings(p)
	h.Settings, h.SettingsErrs, h.Adoption = settings.Settings, settings.Errs, files{p}.Adoption()
	wait.Go(func() { h.Guard = ExamineGuard(ctx) })
	wait.Go(func() { h.Host = examineHost(ctx, p) })
	wait.Go(func() { examineFiles(ctx, p, adopter{HelperProgram}, &h) })
	wait.Go(func() { examineDrift(ctx, p, settings.Settings, &h) })
	// A record that cannot be read counts for nothing, as it does in a rearm.
	rearms, _ := history.Store{Dir: p.State}.Rearms()
	now, boot := monotonic(), bootID()
	for _, r := range rearms {
		if r.Done && r.Boot == boot && now-r.Mono < core.RearmWindow {
			h.Rearms++
		}
	}
	wait.Wait()
	h.Stack = examineStack(ctx, p, h) // it goes by the units
	if h.Settings.Adopt == core.AdoptOff {
		h.Unkept = nil
	}
	return h, nil
}

// examineDrift has keeper-adopt compare what runs with its units. Without a user
// manager there is nothing to compare.
func examineDrift(ctx context.Context, p paths.Paths, s core.Settings, h *core.Health) {
	if _, err := os.Lstat(filepath.Join(p.Runtime, "systemd", "private")); err != nil || s.Adopt == core.AdoptOff {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, core.DriftLimit)
	defer cancel()
	seen, frail := adopter{HelperProgram}.compare(ctx)
	h.Drift, h.DriftErrs, h.HelperErr = seen.Drift, seen.Errs, seen.Err
	h.Stack.Anonymous, h.Stack.Policies = frail.Anonymous, frail.Policies
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func examineLogind(ctx context.Context, h *core.Health) error {
	c, err := logind.Dial(ctx, "")
	if err != nil {
		return err
	}
	defer c.Close()
	u, err := c.User(ctx, uint32(h.UID))
	if err != nil {
		return err
	}
	h.Linger, h.UserState, h.Sessions = u.Linger, u.State, u.Sessions
	var perr error
	h.MayLinger, perr = c.MayLinger(ctx)
	h.PolkitErr = text(perr)
	life, err := c.Manager(ctx, uint32(h.UID))
	if err != nil {
		return err
	}
	h.Root = rootInForce(life, uint32(h.UID), h.User)
	h.DelayHeld, h.DelayGrant, err = c.DelayHeld(ctx)
	return err
}

func examineManager(ctx context.Context, p paths.Paths, h *core.Health) error {
	c, err := units.Dial(ctx, p.Runtime)
	if err != nil {
		return err
	}
	defer c.Close()
	all, err := c.Survey(ctx)
	if err != nil {
		return err
	}
	h.Units, h.Early, h.Stack.Terms = all.Units, all.Early, all.Terms
	lost, lerr := (units.Copies{Dir: p.Copies}).Lost()
	h.Lost, h.LostErr = lost, text(lerr)
	if h.Session, err = c.OwnUnit(ctx, units.Session, true); err != nil {
		return err
	}
	if h.Daemon, err = c.OwnUnit(ctx, units.Daemon, false); err != nil {
		return err
	}
	h.Loose, err = c.Loose(ctx)
	return err
}

func examineContainers(v containers.View, h *core.Health) error {
	processes, err := v.Processes()
	if err != nil {
		return err
	}
	h.Unkept = unkept(v, processes)
	h.Living, h.Leftover, h.Dead = len(processes), v.Leftover(), v.DeadHelpers()
	_, err = os.Stat(fmt.Sprintf("/dev/shm/libpod_rootless_lock_%d", h.UID))
	h.Locks = err == nil
	for _, p := range processes {
		if id := session(p.CGroup); id != "" && p.Role != containers.Pause {
			h.InSession = append(h.InSession, core.SessionProcess{PID: p.PID, Name: p.Name, Session: id})
		}
	}
	return nil
}

// session returns the id of the login session whose scope the cgroup is in.
func session(cgroup string) string {
	for part := range strings.SplitSeq(cgroup, "/") {
		if id, ok := strings.CutPrefix(part, "session-"); ok && strings.HasSuffix(id, ".scope") {
			return strings.TrimSuffix(id, ".scope")
		}
	}
	return ""
}
