package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Row is what one blow did in one mode.
type Row struct {
	Blow  string `json:"blow"`
	Group string `json:"group"`
	Name  string `json:"name"`
	Mode  Mode   `json:"mode"`

	Want Outcome `json:"want"`
	// Got is what was seen; empty if the blow could not be struck.
	Got Outcome `json:"got"`
	// OutageMS is from the blow to the whole stack answering again, and OffMS to
	// the machine being down, in milliseconds.
	OutageMS int64 `json:"outage_ms,omitempty"`
	OffMS    int64 `json:"off_ms,omitempty"`
	// GrantMS is how long logind lets a shutdown be delayed.
	GrantMS int64 `json:"grant_ms,omitempty"`
	// PlainMS is a plain stop and start of the same stack on the same host, and
	// Ratio what part of it the outage was.
	PlainMS int64   `json:"plain_ms,omitempty"`
	Ratio   float64 `json:"ratio,omitempty"`
	// Acked are the entries that were acknowledged, Failed the requests that
	// were not, Lost the acknowledged entries that a store does not hold.
	Acked  int            `json:"acked"`
	Failed int            `json:"failed"`
	Lost   map[string]int `json:"lost,omitempty"`

	Pass bool `json:"pass"`
	// Why says what was not as it must be.
	Why []string `json:"why,omitempty"`
}

const (
	// rowLimit bounds one strike with all that belongs to it.
	rowLimit = 6 * time.Minute
	// usualWatch, usualLimit and usualWell stand for the zeros of a Blow. keeper asks
	// a service again after ten seconds that was not ready when it was asked.
	usualWatch = 5 * time.Second
	usualLimit = time.Minute
	usualWell  = 25 * time.Second
	// lateWatch is how long a blow that must do something may take to.
	lateWatch = 15 * time.Second
	// downWatch is how long a stack that must stay down, under a user manager
	// that is up, is watched.
	downWatch = 20 * time.Second
	// downFor is how long the user manager is seen down before it counts as gone
	// for good: longer than any revival took. forgotten is how long it may take
	// besides until logind has forgotten the user, where it is about to.
	downFor   = 8 * time.Second
	forgotten = 7 * time.Second
	// orderly is the ratio that an orderly stop and new start may have.
	orderly = 1.10
)

// fail notes something that is not as it must be.
func (r *Row) fail(format string, args ...any) {
	r.Why = append(r.Why, fmt.Sprintf(format, args...))
}

// tooSlow says whether nothing but the ratio is wrong.
func (r *Row) tooSlow() bool {
	return !r.Pass && len(r.Why) == 1 && strings.HasPrefix(r.Why[0], "ratio ")
}

// strike strikes one blow, watches what becomes of it, and says whether that is
// what must be. It never returns without putting right what the blow set up.
func (b *bench) strike(ctx context.Context, blow Blow) Row {
	row := Row{Blow: blow.ID, Group: blow.Group, Name: blow.Name, Mode: b.mode, Want: blow.Want(b.mode), PlainMS: b.plain.Milliseconds()}
	ctx, cancel := context.WithTimeout(ctx, rowLimit)
	defer cancel()
	t := &trial{bench: b, blow: blow, row: &row, scene: &Scene{Host: b.Host, Mode: b.mode, Want: row.Want, Binary: b.binary}}
	err := t.run(ctx)
	if undone := t.undo(ctx); undone != nil {
		err = errors.Join(err, fmt.Errorf("what the blow set up could not be undone: %w", undone))
	}
	if err != nil {
		row.fail("%v", err)
	}
	row.Pass = len(row.Why) == 0
	return row
}

// trial is one strike.
type trial struct {
	*bench
	blow  Blow
	row   *Row
	scene *Scene

	boot   string
	writer *Writer
	outage *Outage
	// at is when the last of the blow fell.
	at time.Time
}

func (t *trial) run(ctx context.Context) error {
	if err := t.heal(ctx); err != nil {
		return err
	}
	if err := t.settle(ctx); err != nil {
		return err
	}
	for _, step := range t.before() {
		if step == nil {
			continue
		}
		if err := step(ctx, t.scene); err != nil {
			return fmt.Errorf("cannot prepare the blow: %w", err)
		}
	}
	t.announced(ctx)
	lives, err := t.Invocations(ctx)
	if err != nil {
		return err
	}
	if t.boot, err = t.BootID(ctx); err != nil {
		return err
	}
	if t.row.Want == Off || t.row.Want == Reboots {
		grant, err := t.grant(ctx)
		if err != nil {
			return err
		}
		t.row.GrantMS = grant.Milliseconds()
	}
	t.writer = t.StartWriter(ctx)
	defer t.writer.Stop()
	if err := t.writer.WaitAcked(ctx, 5); err != nil {
		return err
	}
	t.outage = watch(ctx, t.blow.whole(t.scene), nil)
	defer t.outage.Stop()
	t.at, err = t.blow.land(ctx, t.scene)
	if err != nil {
		return fmt.Errorf("the blow could not be struck: %w", err)
	}
	if err := t.observe(ctx); err != nil {
		return err
	}
	return t.judge(ctx, lives)
}

func (t *trial) before() []Step {
	if t.mode == ModeLinger {
		return []Step{t.blow.Prepare}
	}
	return []Step{t.blow.Prepare, t.blow.Arm}
}

// announced checks that keeper said beforehand what it cannot survive.
func (t *trial) announced(ctx context.Context) {
	if t.mode == ModeLinger || t.row.Want != StaysDown {
		return
	}
	status, _ := t.Keeper(ctx, "status")
	doctor, _ := t.Keeper(ctx, "doctor")
	if !strings.Contains(status+doctor, t.blow.Says) {
		t.row.fail("neither keeper status nor keeper doctor said beforehand that it would stay down (%q)", t.blow.Says)
	}
}

// observe watches until it is clear what became of the stack.
func (t *trial) observe(ctx context.Context) error {
	quiet := or(t.blow.Watch, usualWatch)
	limit := or(t.blow.Limit, usualLimit) + t.blow.Patience
	switch t.row.Want {
	case Stays:
	case Off, Reboots:
		quiet, limit = t.offLimit(), t.offLimit()
	case StaysDown:
		quiet, limit = max(quiet, lateWatch), downWatch
	default:
		quiet = max(quiet, lateWatch)
	}
	var gone goneWatch
	for {
		if t.left(ctx) {
			return t.observeBoot(ctx)
		}
		back, landed := t.outage.Seen(t.at)
		since := time.Since(t.at)
		switch {
		case landed && !back.IsZero() && t.row.Want == Stays && since < quiet:
			// What is slow for a second on a busy machine is not gone: judge says.
		case landed && !back.IsZero():
			if t.StaysUp(ctx, 3*time.Second) != nil || t.left(ctx) {
				break // it went again
			}
			if later, _ := t.outage.Seen(t.at); later.Equal(back) {
				t.row.Got, t.row.OutageMS = Back, back.Sub(t.at).Milliseconds()
				return nil
			}
		case !landed && since > quiet:
			t.row.Got = Stays
			return nil
		case landed && (since > limit && !gone.pending() || gone.forGood(ctx, t.Host)):
			t.row.Got = StaysDown
			return nil
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("nothing was clear %s after the blow: %w", time.Since(t.at).Round(time.Second), err)
		}
	}
}

// left says whether the host is no longer in the boot that the blow was struck in.
func (t *trial) left(ctx context.Context) bool {
	if t.State() != StateUp {
		return true
	}
	id, err := t.BootID(ctx)
	return err == nil && id != t.boot
}

// observeBoot follows a machine that goes down until the stack is back.
func (t *trial) observeBoot(ctx context.Context) error {
	if err := until(ctx, func(context.Context) bool { return t.State() != StateBooting }); err != nil {
		return err
	}
	s, err := t.Host.look()
	if err != nil {
		return err
	}
	t.row.OffMS = s.Ended.Sub(t.at.Round(0)).Milliseconds()
	t.row.Got = Reboots
	if t.State() == StateOff {
		t.row.Got = Off
		if err := t.PowerOn(ctx); err != nil {
			return err
		}
	} else if err := t.WaitRebooted(ctx, t.boot); err != nil {
		return err
	}
	if ready := t.WaitReady(ctx, usualLimit) == nil; !ready {
		t.row.Got = StaysDown
		return nil
	}
	t.row.OutageMS = time.Since(t.at).Milliseconds()
	return t.StaysUp(ctx, 3*time.Second)
}

// offLimit is how long the machine may take to go down: a stop of the stack,
// what logind grants those who ask for a delay, and a margin for the rest.
func (t *trial) offLimit() time.Duration {
	return or(t.plain, 6*time.Second) + time.Duration(t.row.GrantMS)*time.Millisecond + t.blow.Patience + 10*time.Second
}

// grant is how long logind lets a shutdown be delayed.
func (h *Host) grant(ctx context.Context) (time.Duration, error) {
	out, err := h.Output(ctx, "busctl", "get-property", "org.freedesktop.login1", "/org/freedesktop/login1",
		"org.freedesktop.login1.Manager", "InhibitDelayMaxUSec")
	if err != nil {
		return 0, err
	}
	var usec int64
	if _, err := fmt.Sscanf(out, "t %d", &usec); err != nil {
		return 0, fmt.Errorf("cannot read how long a shutdown may be delayed: %w: %q", err, out)
	}
	return time.Duration(usec) * time.Microsecond, nil
}

// undo takes back what the blow set up, whatever came.
func (t *trial) undo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	var errs []error
	for _, f := range slices.Backward(t.scene.undo) {
		errs = append(errs, f(ctx))
	}
	if t.blow.Undo != nil {
		errs = append(errs, t.blow.Undo(ctx, t.scene))
	}
	return errors.Join(errs...)
}

// diagnosis is what one would look at first.
func (h *Host) diagnosis(ctx context.Context) string {
	// It is wanted most where the time is up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	// Each look of the lab at the host leaves lines there that tell nothing.
	out, _ := h.Output(ctx, "sh", "-c", "loginctl user-status --no-pager --lines=0 "+User+" | head -6; "+
		"journalctl --no-pager -n 300 -o short-precise | grep -v -F -e 'runuser[' -e 'podman[' | tail -n 50 | cut -c1-200")
	return out
}

// goneWatch sees when the user manager is gone for good.
type goneWatch struct {
	looked, since time.Time
}

// pending says that the user manager was seen down, and not yet for long.
func (g *goneWatch) pending() bool { return !g.since.IsZero() }

// forGood says whether the user manager has been down for downFor. Where
// logind knows that the user is to go, it should have forgotten it as well.
func (g *goneWatch) forGood(ctx context.Context, h *Host) bool {
	if time.Since(g.looked) < 200*time.Millisecond {
		return false
	}
	g.looked = time.Now()
	if s := h.ManagerState(ctx); s != "inactive" && s != "failed" {
		g.since = time.Time{}
		return false
	}
	if g.since.IsZero() {
		g.since = g.looked
	}
	switch down := g.looked.Sub(g.since); {
	case down < downFor:
		return false
	case down > downFor+forgotten:
		return true // a process that a session left behind keeps the user
	}
	out, err := h.Output(ctx, "loginctl", "show-user", "--property=State", "--value", User)
	return err != nil || strings.TrimSpace(out) != "closing"
}

// or is the first if it is there, and the second otherwise.
func or(d, usual time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return usual
}
