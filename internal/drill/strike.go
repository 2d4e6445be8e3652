package drill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"keeper/internal/containers"
)

// Target is what is struck at.
type Target struct {
	User, Socket, Runtime string
	// Daemon is the daemon's process, Unit the service that is struck at, if one is.
	Daemon int
	Unit   string

	view containers.View
}

// Here is the target that an account is, without what is struck at.
func Here(uid int, user, runtime, storage string) Target {
	return Target{User: user, Runtime: runtime, view: containers.Open(uid, user, runtime, storage)}
}

// Blow is a strike that fell.
type Blow struct {
	// Undo takes it back, where that can be done.
	Undo func() error
	// Mended says whether what was struck is there again, where no status tells that;
	// Thing is its name.
	Mended func() bool
	Thing  string
}

type strike func(ctx context.Context, t Target) (Blow, error)

// Strike strikes.
func (d Drill) Strike(ctx context.Context, t Target) (Blow, error) {
	if d.strike == nil {
		return Blow{}, fmt.Errorf("%s is root's to strike", d.Name)
	}
	b, err := d.strike(ctx, t)
	if err != nil {
		return b, fmt.Errorf("cannot strike %s: %w", d.Name, err)
	}
	return b, nil
}

func killDaemon(_ context.Context, t Target) (Blow, error) {
	return Blow{}, signal(t.Daemon, unix.SIGKILL)
}

func stopDaemon(_ context.Context, t Target) (Blow, error) {
	return Blow{Undo: func() error {
		if err := signal(t.Daemon, unix.SIGCONT); !errors.Is(err, unix.ESRCH) {
			return err
		}
		return nil // systemd ended it
	}}, signal(t.Daemon, unix.SIGSTOP)
}

// signal never reaches more than one process: kill(2) takes 0 and negative numbers for
// many.
func signal(pid int, s unix.Signal) error {
	if pid < 2 {
		return fmt.Errorf("the process is not known (%d)", pid)
	}
	return unix.Kill(pid, s)
}

func removeSocket(_ context.Context, t Target) (Blow, error) {
	return Blow{}, os.Remove(t.Socket)
}

func disableLinger(ctx context.Context, t Target) (Blow, error) {
	return Blow{}, run(ctx, "loginctl", "disable-linger", t.User)
}

func terminateUser(ctx context.Context, t Target) (Blow, error) {
	return Blow{}, run(ctx, "loginctl", "terminate-user", t.User)
}

func exitManager(ctx context.Context, _ Target) (Blow, error) {
	return Blow{}, run(ctx, "systemctl", "--user", "exit")
}

// runLimit bounds a command: none of them waits for what it leads to.
const runLimit = 20 * time.Second

func run(ctx context.Context, argv ...string) error {
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, bytes.TrimSpace(out[:min(len(out), 500)]))
	}
	return nil
}

// SessionOpen says whether the account has a session open, as logind counts them: the
// user manager's own is none.
func SessionOpen(ctx context.Context, user string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	out, err := exec.CommandContext(ctx, "loginctl", "show-user", "--property=State", "--value", user).Output()
	if err != nil {
		return false, fmt.Errorf("cannot tell whether %s has a session open: loginctl: %w", user, err)
	}
	state := strings.TrimSpace(string(out))
	return state == "active" || state == "online", nil
}

// helper is a process that Podman keeps for the networks of all containers.
type helper struct {
	name string
	// file has its process id, below $XDG_RUNTIME_DIR; comms are what proc_pid_comm(5)
	// may begin with.
	file  string
	comms []string
}

var (
	aardvark = helper{"aardvark-dns", "containers/networks/aardvark-dns/aardvark.pid", []string{"aardvark-dns"}}
	pasta    = helper{"pasta", "containers/networks/rootless-netns/rootless-netns-conn.pid", []string{"pasta", "slirp4netns"}}
)

// pid is that of the living process, or 0.
func (h helper) pid(t Target) int {
	data, err := os.ReadFile(filepath.Join(t.Runtime, h.file))
	if err != nil || len(data) > 20 {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || pid < 2 {
		return 0
	}
	comm, err := os.ReadFile(filepath.Join(t.view.Proc, strconv.Itoa(pid), "comm"))
	if err != nil {
		return 0
	}
	for _, c := range h.comms {
		if strings.HasPrefix(string(comm), c) {
			return pid
		}
	}
	return 0
}

func killHelper(h helper) strike {
	return func(_ context.Context, t Target) (Blow, error) {
		pid := h.pid(t)
		if pid == 0 {
			return Blow{}, fmt.Errorf("no %s runs here: no container is on a network that needs one", h.name)
		}
		if err := signal(pid, unix.SIGKILL); err != nil {
			return Blow{}, fmt.Errorf("%s, process %d: %w", h.name, pid, err)
		}
		return Blow{Thing: h.name, Mended: func() bool { now := h.pid(t); return now != 0 && now != pid }}, nil
	}
}

// conmon is the monitor of the service's container.
func conmon(t Target) (int, error) {
	list, err := t.view.Processes()
	if err != nil {
		return 0, err
	}
	found := 0
	for _, p := range list {
		switch {
		case p.Role != containers.Conmon || p.Unit != t.Unit:
		case found != 0:
			return 0, fmt.Errorf("%s has more than one container", t.Unit)
		default:
			found = p.PID
		}
	}
	if found == 0 {
		return 0, fmt.Errorf("the container of %s cannot be found", t.Unit)
	}
	return found, nil
}

func killConmon(_ context.Context, t Target) (Blow, error) {
	pid, err := conmon(t)
	if err != nil {
		return Blow{}, err
	}
	return Blow{}, signal(pid, unix.SIGKILL)
}

func killMain(_ context.Context, t Target) (Blow, error) {
	_, pid, err := mainProcess(t)
	if err != nil {
		return Blow{}, err
	}
	return Blow{}, signal(pid, unix.SIGKILL)
}

func mainProcess(t Target) (monitor, pid int, err error) {
	if monitor, err = conmon(t); err != nil {
		return 0, 0, err
	}
	pid, ok := t.view.MainOf(t.Unit, monitor)
	if !ok {
		return 0, 0, fmt.Errorf("the main process of %s cannot be found", t.Unit)
	}
	return monitor, pid, nil
}

func stopMain(_ context.Context, t Target) (Blow, error) {
	monitor, pid, err := mainProcess(t)
	if err != nil {
		return Blow{}, err
	}
	return Blow{Undo: func() error {
		if now, _, err := mainProcess(t); err != nil || now != monitor {
			return nil // it lives another life
		}
		return t.view.ContinueOf(t.Unit, monitor)
	}}, signal(pid, unix.SIGSTOP)
}
