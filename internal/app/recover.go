package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"time"

	"keeper/internal/containers"
	"keeper/internal/core"
	"keeper/internal/paths"
	"keeper/internal/units"
)

// Limits of `keeper recover`, which holds up the user manager's start: together
// below the start timeout of user@.service, 90 s.
const (
	// goneWait is for what dies together with the user manager to be gone, and
	// cleanupWait for a conmon to clean up after a container that was ended.
	goneWait    = time.Second
	cleanupWait = 5 * time.Second
	// politeWait is for a process to follow SIGTERM, killWait to be gone after
	// SIGKILL.
	politeWait = 30 * time.Second
	killWait   = 10 * time.Second
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
	r := recovery{view: openView(uid, p), runtime: p.Runtime, log: log}
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
			log.Error("cannot tell whether a volume is still held", "error", err)
		}
		if ended {
			if processes, err = r.settle(ctx, cleanupWait); err != nil {
				return err
			}
		}
	}
	if len(processes) > 0 {
		log.Info("Podman's runtime state is left as it is", "reason", "of the account's containers there lives "+list(processes))
		return nil
	}
	return clearStale(r.view, log)
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
	return containers.Open(uid, name, p.Runtime)
}

type recovery struct {
	view    containers.View
	runtime string
	log     *slog.Logger
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

// freeVolumes ends the processes that hold what a unit is going to mount, and
// says whether there were any. A unit whose holder cannot be ended is held back.
func (r recovery) freeVolumes(ctx context.Context, processes []containers.Process) (bool, error) {
	m, err := units.Dial(ctx, r.runtime)
	if err != nil {
		return false, err
	}
	defer m.Close()
	all, err := m.List(ctx)
	if err != nil {
		return false, err
	}
	all = notRunning(all)
	holders := r.view.Holders(processes, all)
	if len(holders) == 0 {
		return false, nil
	}
	for _, h := range holders {
		if h.Init {
			r.log.Warn("ending a process of an earlier life", "pid", h.PID, "name", h.Name,
				"reason", fmt.Sprintf("it has %s open, which %s is going to mount", h.Source, h.Unit))
			_ = syscall.Kill(h.PID, syscall.SIGTERM) // it may be gone
		}
	}
	if r.gone(ctx, &holders, all, politeWait) {
		return true, nil
	}
	for _, h := range holders {
		_ = syscall.Kill(h.PID, syscall.SIGKILL)
	}
	if r.gone(ctx, &holders, all, killWait) {
		return true, nil
	}
	held := map[string]bool{}
	for _, h := range holders {
		if !held[h.Unit] {
			held[h.Unit] = true
			r.log.Error("holding back "+h.Unit, "reason", fmt.Sprintf("process %d (%s) of an earlier life has %s open and does not die", h.PID, h.Name, h.Source))
			if err := m.Cancel(ctx, h.Unit); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// gone waits until nobody holds anything any more; holders is what is left.
func (r recovery) gone(ctx context.Context, holders *[]containers.Holder, all []core.Unit, limit time.Duration) bool {
	return poll(ctx, limit, func() bool {
		processes, err := r.view.Processes()
		if err != nil {
			return false
		}
		*holders = r.view.Holders(processes, all)
		return len(*holders) == 0
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
