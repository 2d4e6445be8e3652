package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// bench is a host of a mode, on which one blow after the other is struck.
type bench struct {
	*Host
	mode   Mode
	binary string
	// plain is the median time of a plain stop and start of the stack, here.
	plain time.Duration
}

// install is how keeper is put on a host of the mode.
func (m Mode) install(binary string) InstallOptions {
	return InstallOptions{Binary: binary, System: m == ModeRoot}
}

// bootBench boots a host for the mode, with the stack running.
func bootBench(ctx context.Context, o Options, m Mode, binary string) (*bench, error) {
	o.Stack, o.Tied = true, true
	h, err := Up(ctx, o)
	if err != nil {
		return nil, err
	}
	if m != ModeLinger {
		if err := h.Install(ctx, m.install(binary), io.Discard); err != nil {
			return nil, errors.Join(err, h.Down())
		}
	}
	return &bench{Host: h, mode: m, binary: binary}, nil
}

// measure takes the median of n plain stops and starts.
func (b *bench) measure(ctx context.Context, n int) error {
	var took []time.Duration
	for range n {
		t, err := b.PlainRestart(ctx)
		if err != nil {
			return err
		}
		took = append(took, t)
	}
	slices.Sort(took)
	b.plain = took[len(took)/2]
	return nil
}

// Keeper runs keeper as the account, and returns what it printed: the account's own,
// or if there is none, that of a package.
func (h *Host) Keeper(ctx context.Context, args ...string) (string, error) {
	return h.UserOutput(ctx, append([]string{"sh", "-c", `PATH=.local/bin:$PATH exec keeper "$@"`, "keeper"}, args...)...)
}

// heal makes the host as it was before the last blow, as far as it is not, and
// returns an error if that cannot be done.
func (b *bench) heal(ctx context.Context) error {
	if err := b.tidy(ctx); err != nil {
		return err
	}
	first := b.well(ctx, 5*time.Second)
	if first == nil {
		return nil
	}
	if err := b.revive(ctx); err != nil {
		return fmt.Errorf("%w; at first: %w", err, first)
	}
	return b.well(ctx, 30*time.Second)
}

// tidy ends what blows and those who struck them left behind, and has keeper
// forget how often the account was brought back: the table needs more revivals
// than either budget allows.
func (b *bench) tidy(ctx context.Context) error {
	if b.State() == StateOff {
		if err := b.PowerOn(ctx); err != nil {
			return err
		}
	}
	script := `loginctl list-sessions --no-legend | while read -r id uid _; do
		[ "$uid" != ` + strconv.Itoa(UID) + ` ] || [ "$(loginctl show-session --property=Class --value "$id")" = manager ] || loginctl terminate-session "$id"
	done
	pkill -KILL -u ` + User + ` -x sleep
	rm -f /run/keeper/revive/` + strconv.Itoa(UID) + `
	systemctl reset-failed`
	_, _ = b.Output(ctx, "sh", "-c", script)
	if b.mode == ModeLinger {
		return nil
	}
	_, err := b.Keeper(ctx, "resume")
	return err
}

// well waits until nothing is wrong: the stack answers, systemd knows of no
// failure, and keeper says so too.
func (b *bench) well(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var last error
	if until(ctx, func(ctx context.Context) bool {
		last = b.look(ctx)
		return last == nil
	}) != nil {
		return fmt.Errorf("host %s (%s) is not well: %w", b.Name, b.mode, last)
	}
	return nil
}

// look looks for something wrong.
func (b *bench) look(ctx context.Context) error {
	if err := b.Ready(ctx); err != nil {
		return err
	}
	out, err := b.UserOutput(ctx, "systemctl", "--user", "is-system-running")
	if err != nil {
		failed, _ := b.UserOutput(ctx, "systemctl", "--user", "--failed", "--no-legend", "--plain")
		return fmt.Errorf("user manager: %s %s", strings.TrimSpace(out), failed)
	}
	out, err = b.Output(ctx, "loginctl", "show-user", "--property=Linger", "--property=State", "--value", User)
	if state := strings.Join(strings.Fields(out), " "); err != nil || state != "yes lingering" && state != "lingering yes" {
		return fmt.Errorf("logind has %s as %q: %w", User, state, err)
	}
	if b.mode == ModeLinger {
		return nil
	}
	if out, err = b.Keeper(ctx, "status"); err != nil {
		return fmt.Errorf("keeper status: %s", firstLines(out, 6))
	}
	return nil
}

// revive brings the stack back as root would.
func (b *bench) revive(ctx context.Context) error {
	script := "systemctl reset-failed " + manager + " 2>/dev/null; loginctl disable-linger " + User + "; loginctl enable-linger " + User + "; systemctl start " + manager
	// A blow may have left the manager up and the stack dead: then there is
	// nothing to start, and a reboot is what is left.
	if _, err := b.Output(ctx, "sh", "-c", script); err == nil && b.tidy(ctx) == nil && b.well(ctx, 15*time.Second) == nil {
		return nil
	}
	if err := b.Reboot(ctx); err != nil {
		return err
	}
	return b.WaitReady(ctx, time.Minute)
}

// settle waits until the user manager's life is longer than its start limit
// counts. keeper holds the stop of a shorter one, which is not what a blow is
// to be measured by.
func (b *bench) settle(ctx context.Context) error {
	if b.mode != ModeUser {
		return nil
	}
	out, err := b.Output(ctx, "systemctl", "show", "--property=InactiveExitTimestampMonotonic", "--value", manager)
	if err != nil {
		return err
	}
	began, err := strconv.ParseInt(strings.TrimSpace(out), 10, 64)
	if err != nil {
		return err
	}
	var now unix.Timespec // of the one kernel that all hosts share
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return err
	}
	age := time.Duration(now.Nano()) - time.Duration(began)*time.Microsecond
	return pause(ctx, max(0, 10500*time.Millisecond-age))
}
