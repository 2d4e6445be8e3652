package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestStandDown takes away, one by one, what makes keeper bring the stack back:
// each time the blow that it survives elsewhere must leave the stack down.
func TestStandDown(t *testing.T) {
	t.Parallel()
	h := testHost(t, Options{Name: "standdown", Stack: true})
	install(t, h)
	mark := fmt.Sprintf("/etc/keeper/stand-down/%d", UID)
	for _, c := range []struct {
		name     string
		down, up string // run by root
		// says is in keeper status before the blow. Nothing tells the daemon of a
		// change to the account.
		says         string
		needsManager bool // up does
	}{
		{name: "pause", down: asAccount("keeper pause --reason maintenance"), up: asAccount("keeper resume"), says: "maintenance"},
		{name: "the administrator's mark", down: "mkdir -p /etc/keeper/stand-down && touch " + mark, up: "rm -r /etc/keeper", says: mark},
		{name: "locked account", down: "usermod --lock " + User, up: "usermod --unlock " + User},
		{name: "expired account", down: "usermod --expiredate 2001-01-01 " + User, up: "usermod --expiredate '' " + User},
		{name: "keeper disabled", down: asAccount("systemctl --user disable --now keeper"), up: asAccount("systemctl --user enable --now keeper"), needsManager: true, says: "does not answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := within(t, 2*time.Minute)
			if out, err := h.Output(ctx, "sh", "-ec", c.down); err != nil {
				t.Fatal(out, err)
			}
			strike := terminate
			if c.says == "" {
				// What is to follow a lock: keeper looks at the account anew.
				strike = asRoot("loginctl", "disable-linger", User)
			} else {
				await(t, 5*time.Second, "keeper status says "+c.says, func(ctx context.Context) bool {
					out, err := keeper(ctx, h, "status")
					return err != nil && strings.Contains(out, c.says)
				})
			}
			if err := strike(ctx, &Scene{Host: h}); err != nil {
				t.Fatal(err)
			}
			awaitDown(t, h)
			if err := h.WaitUserForgotten(ctx); err != nil {
				t.Fatal(err)
			}
			if err := h.Ready(ctx); err == nil {
				t.Error("the stack came back though keeper was to stand down")
			}
			if c.needsManager {
				revive(t, h)
			}
			if out, err := h.Output(ctx, "sh", "-ec", c.up); err != nil {
				t.Fatal(out, err)
			}
			if !c.needsManager {
				revive(t, h)
			}
			await(t, 30*time.Second, "keeper status says that all is well", func(ctx context.Context) bool {
				_, err := keeper(ctx, h, "status")
				return err == nil
			})
			survives(t, h)
		})
	}
}

// asAccount is a shell line by which root runs a line as the account.
func asAccount(line string) string {
	return fmt.Sprintf("runuser -u %[1]s -- env -C /home/%[1]s HOME=/home/%[1]s XDG_RUNTIME_DIR=/run/user/%[2]d PATH=/home/%[1]s/.local/bin:$PATH %[3]s", User, UID, line)
}

// TestMachineGoesDown: a machine that goes down is neither held up nor turned
// back.
func TestMachineGoesDown(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"systemctl poweroff", "systemctl start --no-block poweroff.target", "busctl call org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager PowerOff b false"} {
		t.Run(line, func(t *testing.T) {
			h := testHost(t, Options{Name: fmt.Sprintf("poweroff-%d", len(line))})
			if err := h.Linger(t.Context()); err != nil {
				t.Fatal(err)
			}
			install(t, h)
			begin := time.Now()
			_, _ = h.Output(t.Context(), "sh", "-c", line)
			if err := h.WaitOff(within(t, 30*time.Second)); err != nil {
				t.Fatal(err)
			}
			t.Logf("off after %.1f s", time.Since(begin).Seconds())
			record, err := os.ReadFile(filepath.Join(h.dir, "home", User, ".local/state/keeper/rearm.json"))
			if err != nil || !strings.Contains(string(record), `"reason": "the machine goes down"`) {
				t.Errorf("rearm was not asked, or decided something else: %s %v", record, err)
			}
		})
	}
}
