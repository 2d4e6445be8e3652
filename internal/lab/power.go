package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// bootLimit is how long a host may take from its first process to "running",
// and rebootLimit how long to go down besides: user@ may stop for two minutes.
const (
	bootLimit   = 90 * time.Second
	rebootLimit = 3*time.Minute + bootLimit
)

// The states of a host, as State returns them.
const (
	StateUp  = "up"
	StateOff = "off"
	// StateBooting: between two boots, or before the first process of one.
	StateBooting = "booting"
	StateGone    = "gone"
)

var (
	errDegraded = errors.New("booted degraded")
	errOff      = errors.New("is off")
	errGone     = errors.New("is gone: its supervisor ended")
)

// State says whether the host is up, booting, off or gone.
func (h *Host) State() string {
	s, err := h.look()
	switch {
	case errors.Is(err, errGone):
		return StateGone
	case s.Off:
		return StateOff
	case s.Leader == 0:
		return StateBooting
	}
	return StateUp
}

// look reads the spec of a host that is there, on or off.
func (h *Host) look() (spec, error) {
	s, err := readSpec(h.dir)
	if err != nil || !locked(h.dir) {
		return spec{}, fmt.Errorf("host %s %w", h.Name, errGone)
	}
	return s, nil
}

// leader is the host's PID 1 of now, which no reboot has made old.
func (h *Host) leader() (int, error) {
	s, err := readSpec(h.dir)
	switch {
	case err != nil:
		return 0, fmt.Errorf("host %s %w", h.Name, errGone)
	case s.Off:
		return 0, fmt.Errorf("host %s %w; boot it with: keeper-lab on --name %s", h.Name, errOff, h.Name)
	case s.Leader == 0:
		return 0, fmt.Errorf("host %s has no first process yet", h.Name)
	}
	return s.Leader, nil
}

// BootID returns the id of the host's present boot.
func (h *Host) BootID(context.Context) (string, error) {
	leader, err := h.leader()
	if err != nil {
		return "", err
	}
	// Through the host's own /proc, where nspawn puts an id for each boot.
	id, err := os.ReadFile(fmt.Sprintf("/proc/%d/root/proc/sys/kernel/random/boot_id", leader))
	if err != nil {
		return "", fmt.Errorf("host %s tells no boot id: %w", h.Name, err)
	}
	return strings.TrimSpace(string(id)), nil
}

// Reboot reboots the host from inside, in order, and returns when it runs
// again.
func (h *Host) Reboot(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, rebootLimit)
	defer cancel()
	id, err := h.BootID(ctx)
	if err != nil {
		return err
	}
	// The command may well go down with the host.
	_, cmdErr := h.Output(ctx, "systemctl", "reboot")
	if err := h.WaitRebooted(ctx, id); err != nil {
		return errors.Join(err, cmdErr)
	}
	return nil
}

// WaitRebooted waits until the host runs in another boot than that of the id.
// A host that goes off instead is an error at once. A soft-reboot is no other
// boot: the id stays.
func (h *Host) WaitRebooted(ctx context.Context, bootID string) error {
	for {
		s, err := h.look()
		if err != nil {
			return err
		}
		if s.Off {
			return fmt.Errorf("host %s %w, instead of rebooting", h.Name, errOff)
		}
		if id, err := h.BootID(ctx); err == nil && id != bootID {
			return h.waitRunning(ctx)
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("host %s did not reboot: %w", h.Name, err)
		}
	}
}

// Cut cuts the power and returns when the host runs again, on the same disk:
// every process of it is killed at once, and what is in its memory alone is
// gone. What the host wrote is not: the page cache is this machine's.
func (h *Host) Cut(ctx context.Context) error {
	for {
		s, err := h.look()
		if err != nil {
			return err
		}
		if s.Off {
			return h.PowerOn(ctx)
		}
		// Again and again: the host may be between two boots of a reboot.
		err = os.WriteFile(filepath.Join(h.cgroup, "cgroup.kill"), []byte("1"), 0)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("cannot cut the power of host %s: %w", h.Name, err)
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return fmt.Errorf("host %s does not end: %w", h.Name, err)
		}
	}
}

// WaitOff waits until the host has powered off. PowerOn boots it again.
func (h *Host) WaitOff(ctx context.Context) error {
	for {
		s, err := h.look()
		if err != nil || s.Off {
			return err
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return fmt.Errorf("host %s is not off: %w", h.Name, err)
		}
	}
}

// PowerOn boots a host that is off, on the same disk, and returns when it runs.
func (h *Host) PowerOn(ctx context.Context) error {
	s, err := h.look()
	if err != nil {
		return err
	}
	if !s.Off {
		return fmt.Errorf("host %s is not off", h.Name)
	}
	boots := s.Boots
	if err := syscall.Kill(s.Supervisor, powerOn); err != nil {
		return fmt.Errorf("cannot tell the supervisor of host %s to boot it: %w", h.Name, err)
	}
	for s.Boots == boots {
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return fmt.Errorf("host %s does not begin to boot: %w", h.Name, err)
		}
		if s, err = h.look(); err != nil {
			return err
		}
	}
	return h.waitRunning(ctx)
}

// waitRunning waits until the host has booted, and notes its leader. A host
// that is degraded has not: the failed units are in the error, and the end of
// its console.
func (h *Host) waitRunning(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, bootLimit)
	defer cancel()
	for {
		err := h.checkRunning(ctx)
		if err == nil {
			return nil
		}
		var cut error
		if !errors.Is(err, errDegraded) && !errors.Is(err, errOff) && !errors.Is(err, errGone) {
			if cut = pause(ctx, 50*time.Millisecond); cut == nil {
				continue
			}
		}
		console, _ := h.console()
		said, _ := os.ReadFile(filepath.Join(h.dir, "supervisor.log"))
		return fmt.Errorf("host %s did not come up: %w\n%s", h.Name, errors.Join(cut, err), tail(console+string(said), 30))
	}
}

func (h *Host) checkRunning(ctx context.Context) error {
	s, err := h.look()
	if err != nil {
		return err
	}
	if s.Off {
		return fmt.Errorf("it %w", errOff)
	}
	if s.Leader == 0 {
		return errors.New("not started yet")
	}
	h.Leader = s.Leader
	out, err := h.Output(ctx, "systemctl", "is-system-running", "--wait")
	switch state := strings.TrimSpace(out); state {
	case "running":
		return nil
	case "degraded":
		if s.Foreign {
			return nil
		}
		failed, _ := h.Failed(ctx)
		return fmt.Errorf("it %w: %s", errDegraded, failed)
	default:
		return fmt.Errorf("system is %q: %w", state, err)
	}
}

// Failed returns what systemd lists as failed, a unit a line.
func (h *Host) Failed(ctx context.Context) (string, error) {
	out, err := h.Output(ctx, "systemctl", "--failed", "--no-legend", "--plain", "--full")
	return strings.TrimSpace(out), err
}
