package lab

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// TestPlain is the founding incident on systemd 252, where the stack is plain
// user services: without keeper it stays down, with keeper it comes back. That
// the suite boots and cuts like the other is seen on the way.
func TestPlain(t *testing.T) {
	t.Parallel()
	h := testHost(t, Options{Name: "plain", Suite: "bookworm", Stack: true})
	ctx := within(t, 4*time.Minute)
	manager := fmt.Sprintf("user@%d.service", UID)
	terminateUser := func() error { _, err := h.Output(ctx, "loginctl", "terminate-user", User); return err }

	t.Run("without keeper", func(t *testing.T) {
		if err := terminateUser(); err != nil {
			t.Fatal(err)
		}
		if err := h.WaitUserForgotten(ctx); err != nil {
			t.Fatal(err)
		}
		if err := h.Ready(ctx); err == nil {
			t.Error("the stack is up without keeper: the blow proves nothing")
		}
		if out, err := h.Output(ctx, "sh", "-ec", "loginctl disable-linger "+User+"; loginctl enable-linger "+User+"; systemctl start "+manager); err != nil {
			t.Fatal(out, err)
		}
		if err := h.WaitReady(ctx, time.Minute); err != nil {
			t.Fatal(err)
		}
	})

	install(t, h)
	for _, c := range []struct {
		name   string
		strike func() error
	}{
		{"terminate-user", terminateUser},
		{"a plain stop and start", func() error { _, err := h.PlainRestart(ctx); return err }},
		// Each blow is the first of its boot: a second one would be held.
		{"reboot", func() error { return h.Reboot(ctx) }},
		{"kill-user", func() error { _, err := h.UserOutput(ctx, "loginctl", "kill-user", User); return ignoreEnd(ctx, err) }},
		{"cut", func() error { return h.Cut(ctx) }},
		{"systemctl --user exit", func() error { _, err := h.UserOutput(ctx, "systemctl", "--user", "exit"); return ignoreEnd(ctx, err) }},
		{"cut again", func() error { return h.Cut(ctx) }},
		{"root stops user@", func() error { _, err := h.Output(ctx, "systemctl", "stop", manager); return ignoreEnd(ctx, err) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := must[map[string]string](t)(h.Invocations(ctx))
			writer := h.StartWriter(ctx)
			if err := writer.WaitAcked(ctx, 5); err != nil {
				t.Fatal(err)
			}
			outage := h.WatchReady(ctx, nil)
			begin := time.Now()
			if err := c.strike(); err != nil {
				t.Fatal(err)
			}
			bctx, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			back, err := outage.WaitBack(bctx, begin)
			if err != nil {
				t.Fatal(err)
			}
			if err := h.StaysUp(ctx, time.Second); err != nil {
				t.Error(err)
			}
			outage.Stop()
			acked, failed := writer.Stop()
			after := must[map[string]string](t)(h.Invocations(ctx))
			for _, s := range Services {
				if before[s] == after[s] {
					t.Errorf("the blow did not land: %s still has invocation %s", s, after[s])
				}
			}
			lost, err := Lost(acked, must[map[string][]int64](t)(h.Ledger(ctx)))
			if err != nil || len(lost) > 0 {
				t.Errorf("acknowledged entries were lost: %v %v", lost, err)
			}
			t.Logf("back after %.2f s; %d entries acknowledged, %d requests failed", back.Sub(begin).Seconds(), len(acked), failed)
		})
	}
}

// ignoreEnd forgets how a command ended that a blow may have hit, too.
func ignoreEnd(ctx context.Context, _ error) error { return ctx.Err() }
