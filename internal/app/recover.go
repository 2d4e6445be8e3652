package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"keeper/internal/containers"
	"keeper/internal/core"
	"keeper/internal/paths"
	"keeper/internal/standdown"
	"keeper/internal/units"
)

// Limits of `keeper recover`, which holds up the user manager's start: together
// below the time that keeper-session.service has for it, and that below the
// start timeout of user@.service, 90 s.
const (
	// goneWait is for what dies together with the user manager to be gone, and
	// cleanupWait for a conmon to clean up after a container that was ended.
	goneWait    = time.Second
	cleanupWait = 5 * time.Second
	// askWait is for the user manager to answer.
	askWait = 15 * time.Second
	// politeWait is for a process to follow SIGTERM, hurryWait to follow SIGINT,
	// by which PostgreSQL no longer waits for its clients, and killWait to be
	// gone after SIGKILL.
	politeWait = 8 * time.Second
	hurryWait  = 15 * time.Second
	killWait   = 5 * time.Second
)

// Recover is the first act of the user manager, before anything of the user
// starts. It ends what still holds a volume that a unit is going to mount, and
// clears Podman's runtime state if that is of processes which all are dead.
func Recover(ctx context.Context, log *slog.Logger) error {
	uid := os.Getuid()
	p, err := paths.Of(uid)
	if err != nil {
		return err
	}
	marks := standdown.Marks{UID: uint32(uid), StateDir: p.State, MarkDir: p.Marks}
	r := recovery{view: openView(uid, p), runtime: p.Runtime, log: log}
	r.standDown = func() core.StandDown { return readInTime(ctx, marks) }
	return r.run(ctx)
}

// marksWait is how long the stand-down marks may take to be read: a home that
// hangs must not hang the start of the user manager.
const marksWait = 3 * time.Second

// readInTime returns what the marks say, or nothing if they cannot be read in
// time.
func readInTime(ctx context.Context, marks standdown.Marks) core.StandDown {
	read := make(chan core.StandDown, 1)
	go func() { read <- marks.Read(ctx, time.Now()) }()
	t := time.NewTimer(marksWait)
	defer t.Stop()
	select {
	case s := <-read:
		return s
	case <-t.C:
		return core.StandDown{}
	}
}

func (r recovery) run(ctx context.Context) error {
	processes, err := r.view.Processes()
	if err != nil {
		return err
	}
	if len(processes) > 0 {
		if processes, err = r.settle(ctx, goneWait); err != nil {
			return err
		}
	}
	if len(processes) > 0 {
		ended, err := r.freeVolumes(ctx, processes)
		if err != nil {
			r.log.Error("cannot tell whether a volume is still held", "error", err)
		}
		if ended {
			if processes, err = r.settle(ctx, cleanupWait); err != nil {
				return err
			}
		}
	}
	if len(processes) > 0 {
		r.log.Info("Podman's runtime state is left as it is", "reason", "of the account's containers there lives "+list(processes))
		return nil
	}
	return clearStale(r.view, r.log)
}

// clearStale clears Podman's runtime state, if there is any, for whoever has
// seen that nothing of the containers lives.
func clearStale(v containers.View, log *slog.Logger) error {
	if !v.Leftover() {
		return nil
	}
	if err := v.Clear(); err != nil {
		return err
	}
	log.Info("cleared Podman's runtime state", "reason", "it was left by processes that all are dead")
	return nil
}

// openView is the view of this process's account.
func openView(uid int, p paths.Paths) containers.View {
	name := os.Getenv("USER")
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		name = u.Username
	}
	return containers.Open(uid, name, p.Runtime, p.Storage)
}

type recovery struct {
	view    containers.View
	runtime string
	log     *slog.Logger
	// standDown is asked when somebody is to be ended. If it is in force nobody is,
	// and what would be a second server is held back all the same.
	standDown func() core.StandDown
}

// settle waits for what is dying to be dead, and returns what lives.
func (r recovery) settle(ctx context.Context, limit time.Duration) (living []containers.Process, err error) {
	poll(ctx, limit, func() bool {
		living, err = r.view.Processes()
		return err != nil || len(living) == 0
	})
	return living, err
}

// poll asks until the answer is yes or the time is up, and returns the answer.
func poll(ctx context.Context, limit time.Duration, yes func() bool) bool {
	end := time.Now().Add(limit)
	for {
		if yes() {
			return true
		}
		if ctx.Err() != nil || time.Now().After(end) {
			return false
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// freeVolumes ends the processes that hold what a unit is going to mount at the
// same place, and says whether it ended any. What it cannot or may not end has
// its units held back. It acts while the user manager starts up, and not when
// somebody runs it beside a stack that runs.
func (r recovery) freeVolumes(ctx context.Context, processes []containers.Process) (bool, error) {
	m, all, err := r.units(ctx)
	if err != nil {
		return false, err
	}
	defer m.Close()
	state, err := m.State(ctx)
	if err != nil {
		return false, err
	}
	if state != "starting" && state != "initializing" {
		return false, nil
	}
	holders := r.view.Holders(processes, all)
	if len(holders) == 0 {
		return false, nil
	}
	twins := slices.ContainsFunc(holders, func(h containers.Holder) bool { return h.Twin })
	if twins {
		if s := r.standDown(); s.InForce() {
			r.log.Warn("processes of an earlier life are left alone, for keeper stands down", "reason", s.Detail)
			twins = false
		} else {
			r.end(ctx, &holders, all)
		}
	}
	held := map[string]bool{}
	for _, h := range holders {
		if !held[h.Unit] {
			held[h.Unit] = true
			r.log.Error("holding back "+h.Unit, "reason", fmt.Sprintf("process %d (%s) of an earlier life has %s open", h.PID, h.Name, h.Source))
			if err := m.Cancel(ctx, h.Unit); err != nil {
				return twins, err
			}
		}
	}
	return twins, nil
}

// end ends the twins among the holders; holders is what is left.
func (r recovery) end(ctx context.Context, holders *[]containers.Holder, all []core.Unit) {
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGTERM, politeWait}, {syscall.SIGINT, hurryWait}, {syscall.SIGKILL, killWait}} {
		r.signal(*holders, step.signal)
		if r.gone(ctx, holders, all, step.wait) {
			return
		}
	}
}

// units asks the user manager for all units, again until it answers: it is busy
// with its own start.
func (r recovery) units(ctx context.Context) (m *units.Conn, all []core.Unit, err error) {
	answered := poll(ctx, askWait, func() bool {
		if m, err = units.Dial(ctx, r.runtime); err != nil {
			return false
		}
		if all, err = m.List(ctx); err != nil {
			m.Close()
		}
		return err == nil
	})
	if !answered {
		return nil, nil, err
	}
	return m, all, nil
}

// signal tells the twins to end: the first process of each container, and where
// that is not among them, all of it.
func (r recovery) signal(holders []containers.Holder, signal syscall.Signal) {
	first := map[string]bool{}
	for _, h := range holders {
		first[h.CGroup] = first[h.CGroup] || h.Init
	}
	told := map[int]bool{}
	for _, h := range holders {
		if !h.Twin || told[h.PID] || signal != syscall.SIGKILL && first[h.CGroup] && !h.Init {
			continue
		}
		told[h.PID] = true
		r.log.Warn("ending a process of an earlier life", "pid", h.PID, "name", h.Name, "signal", unix.SignalName(signal),
			"reason", fmt.Sprintf("it has %s open, which %s is going to mount", h.Source, h.Unit))
		_ = syscall.Kill(h.PID, signal) // it may be gone
	}
}

// gone waits until no twin holds anything any more; holders is what is left.
func (r recovery) gone(ctx context.Context, holders *[]containers.Holder, all []core.Unit, limit time.Duration) bool {
	return poll(ctx, limit, func() bool {
		processes, err := r.view.Processes()
		if err != nil {
			return false
		}
		*holders = r.view.Holders(processes, all)
		return !slices.ContainsFunc(*holders, func(h containers.Holder) bool { return h.Twin })
	})
}

func list(processes []containers.Process) string {
	var words []string
	for i, p := range processes {
		if i == 5 {
			words = append(words, "and more")
			break
		}
		words = append(words, fmt.Sprintf("%s (%d)", p.Name, p.PID))
	}
	return strings.Join(words, ", ")
}
