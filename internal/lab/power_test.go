package lab

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// TestPower ends boots of a host in every way, and sees what is left of it in
// the next one.
func TestPower(t *testing.T) {
	t.Parallel()
	h := testHost(t, Options{Name: "power"})
	ctx := within(t, 2*time.Minute)
	id := must[string](t)(h.BootID(ctx))
	if _, err := h.Output(ctx, "sh", "-ec", "echo kept >/etc/kept; echo kept >/home/kept; echo volatile >/run/volatile"); err != nil {
		t.Fatal(err)
	}
	// anew sees that the host runs, on the same disk, with nothing in memory.
	anew := func(t *testing.T) {
		t.Helper()
		now := must[string](t)(h.BootID(ctx))
		if now == id {
			t.Error("the boot has the id of the one before")
		}
		id = now
		inside, err := h.Output(ctx, "sh", "-ec", "cat /proc/sys/kernel/random/boot_id /etc/kept /home/kept; test ! -e /run/volatile; echo volatile >/run/volatile")
		if err != nil || inside != id+"\nkept\nkept\n" {
			t.Errorf("%q %v", inside, err)
		}
		if leader, err := h.leader(); err != nil || leader != h.Leader || h.State() != StateUp {
			t.Errorf("state %s, leader %d, found %d: %v", h.State(), h.Leader, leader, err)
		}
	}
	off := func(t *testing.T) {
		t.Helper()
		_, _ = h.Output(ctx, "systemctl", "poweroff")
		if err := h.WaitOff(ctx); err != nil {
			t.Fatal(err)
		}
	}

	t.Run("reboot", func(t *testing.T) {
		if err := h.Reboot(ctx); err != nil {
			t.Fatal(err)
		}
		anew(t)
	})
	t.Run("a reboot of its own", func(t *testing.T) {
		_, _ = h.Output(ctx, "systemctl", "reboot", "--force")
		if err := h.WaitRebooted(ctx, id); err != nil {
			t.Fatal(err)
		}
		anew(t)
	})
	t.Run("logs", func(t *testing.T) {
		if out := logs(ctx, t, h, LogOptions{Args: []string{"--list-boots"}}); strings.Count(out, "\n") < 3 {
			t.Errorf("the journal does not reach back over the reboots: %s", out)
		}
		if out := logs(ctx, t, h, LogOptions{}); !strings.Contains(out, "multi-user.target") {
			t.Errorf("the journal of this boot: %s", out)
		}
		if err := h.Linger(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := h.UserOutput(ctx, "systemd-run", "--user", "--wait", "--quiet", "echo", "said by the account"); err != nil {
			t.Fatal(err)
		}
		if out := logs(ctx, t, h, LogOptions{User: true}); !strings.Contains(out, "said by the account") {
			t.Errorf("the journal of the account: %s", out)
		}
	})
	t.Run("cut", func(t *testing.T) {
		for range 3 {
			if err := h.Cut(ctx); err != nil {
				t.Fatal(err)
			}
			anew(t)
		}
	})
	t.Run("cut while it reboots", func(t *testing.T) {
		_, _ = h.Output(ctx, "systemctl", "reboot")
		if err := h.Cut(ctx); err != nil {
			t.Fatal(err)
		}
		anew(t)
	})
	t.Run("off and on", func(t *testing.T) {
		if err := h.PowerOn(ctx); err == nil {
			t.Error("a host that is up was powered on")
		}
		off(t)
		if _, err := h.Output(ctx, "true"); !errors.Is(err, errOff) || !strings.Contains(err.Error(), "keeper-lab on --name "+h.Name) {
			t.Errorf("a command on a host that is off: %v", err)
		}
		if err := h.WaitRebooted(ctx, id); !errors.Is(err, errOff) {
			t.Errorf("waiting for a reboot of a host that is off: %v", err)
		}
		if out := logs(ctx, t, h, LogOptions{}); !strings.Contains(out, "console") || !strings.Contains(out, "Powering off.") {
			t.Errorf("the logs of a host that is off: %s", out)
		}
		if f, err := Find(h.Name); err != nil || f.State() != StateOff {
			t.Errorf("the host is not found as off: %v", err)
		}
		if err := h.PowerOn(ctx); err != nil {
			t.Fatal(err)
		}
		anew(t)
	})
	t.Run("the power fails while it is off", func(t *testing.T) {
		off(t)
		if err := h.Cut(ctx); err != nil {
			t.Fatal(err)
		}
		anew(t)
	})
	t.Run("off, then down", func(t *testing.T) {
		off(t)
		// As when the process that holds the lease ends.
		if err := h.lease.Close(); err != nil {
			t.Fatal(err)
		}
		await(t, 20*time.Second, "the host is gone", func(context.Context) bool { return !exists(h.dir) })
		assertNoTrace(t, h)
		if err := h.WaitOff(ctx); !errors.Is(err, errGone) {
			t.Errorf("waiting for a host that is gone: %v", err)
		}
	})
}

func logs(ctx context.Context, t *testing.T, h *Host, o LogOptions) string {
	t.Helper()
	var out strings.Builder
	if err := h.Logs(ctx, o, &out, &out); err != nil {
		t.Error(err)
	}
	return out.String()
}
