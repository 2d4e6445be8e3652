package lab

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// SoakOptions say how often a stack is brought back in a row, and where.
type SoakOptions struct {
	// Revivals is how often it is taken down: by terminate-user in ModeUser, by
	// SIGKILL of the user manager in ModeRoot. There terminate-user falls as
	// often before, and takes nothing down.
	Revivals int
	Mode     Mode
	// Binary is the keeper program; if empty, the one beside this program.
	Binary string
	// Name is the host's.
	Name string
	// Say receives progress.
	Say func(format string, args ...any)
}

// SoakReport is what a row of revivals left behind.
type SoakReport struct {
	Before, After Footprint
	// Worst is the longest outage.
	Worst time.Duration
	// Left is what is there after and was not before, or has grown.
	Left []string
}

// Soak boots a host, takes the stack down again and again, and compares what
// the account has on the host before and after: processes, mounts, files, units
// and the daemon's own memory and descriptors. It returns an error if the stack
// once did not come back, or an acknowledged entry was lost.
func Soak(ctx context.Context, o SoakOptions) (SoakReport, error) {
	var err error
	if o.Binary, err = Program(o.Binary); err != nil {
		return SoakReport{}, err
	}
	b, err := bootBench(ctx, Options{Name: o.Name, Say: o.Say}, o.Mode, o.Binary)
	if err != nil {
		return SoakReport{}, err
	}
	report, err := b.soak(ctx, o.Revivals, o.Say)
	return report, errors.Join(err, b.Down())
}

func (b *bench) soak(ctx context.Context, revivals int, say func(string, ...any)) (SoakReport, error) {
	var r SoakReport
	if b.mode == ModeLinger {
		return r, errors.New("with linger alone nothing comes back: there is no row of revivals to look at")
	}
	// One revival first: it leaves what every revival leaves once.
	if _, err := b.once(ctx, b.fatal()); err != nil {
		return r, err
	}
	var err error
	if r.Before, err = b.footprint(ctx); err != nil {
		return r, err
	}
	var acked []int64
	for i := 1; i <= revivals; i++ {
		if b.mode == ModeRoot {
			if err := b.swallowed(ctx); err != nil {
				return r, fmt.Errorf("terminate-user %d of %d: %w", i, revivals, err)
			}
		}
		took, err := b.once(ctx, b.fatal())
		if err != nil {
			return r, fmt.Errorf("revival %d of %d: %w", i, revivals, err)
		}
		r.Worst = max(r.Worst, took)
		n, err := b.Post(ctx, Entry{Text: fmt.Sprintf("after revival %d", i)})
		if err != nil {
			return r, fmt.Errorf("after revival %d: %w", i, err)
		}
		acked = append(acked, n)
		if i%10 == 0 {
			say("%d of %d revivals; the longest outage was %.1f s", i, revivals, r.Worst.Seconds())
		}
	}
	if r.After, err = b.footprint(ctx); err != nil {
		return r, err
	}
	r.Left = r.After.more(r.Before)
	held, err := b.Ledger(ctx)
	if err != nil {
		return r, err
	}
	lost, err := Lost(acked, held)
	if err == nil && len(lost) > 0 {
		err = fmt.Errorf("acknowledged entries were lost: %v", lost)
	}
	return r, err
}

// fatal is the blow that the mode's revival is for.
func (b *bench) fatal() Step {
	if b.mode == ModeRoot {
		return asRoot("systemctl", "kill", "--signal=KILL", manager)
	}
	return terminate
}

// once takes the stack down and waits until it is back and well.
func (b *bench) once(ctx context.Context, blow Step) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := b.tidy(ctx); err != nil {
		return 0, err
	}
	o := b.WatchReady(ctx, nil)
	defer o.Stop()
	at := time.Now()
	if err := blow(ctx, &Scene{Host: b.Host, Mode: b.mode}); err != nil {
		return 0, err
	}
	back, err := o.WaitBack(ctx, at)
	if err != nil {
		return 0, fmt.Errorf("%w\n%s", err, b.diagnosis(ctx))
	}
	return back.Sub(at), b.well(ctx, 30*time.Second)
}

// swallowed strikes terminate-user, which root's part makes harmless.
func (b *bench) swallowed(ctx context.Context) error {
	before, err := b.Invocations(ctx)
	if err != nil {
		return err
	}
	if err := terminate(ctx, &Scene{Host: b.Host, Mode: b.mode}); err != nil {
		return err
	}
	if err := b.well(ctx, 20*time.Second); err != nil {
		return err
	}
	after, err := b.Invocations(ctx)
	if err != nil {
		return err
	}
	for name, id := range before {
		if after[name] != id {
			return fmt.Errorf("%s was not left alone", name)
		}
	}
	return nil
}

// String is the report for people.
func (r SoakReport) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "longest outage %.1f s\n", r.Worst.Seconds())
	fmt.Fprintf(&out, "%-32s %10s %10s\n", "", "before", "after")
	for _, l := range r.Before.lines(r.After) {
		fmt.Fprintf(&out, "%-32s %10d %10d\n", l.name, l.before, l.after)
	}
	if len(r.Left) == 0 {
		out.WriteString("nothing is left over\n")
	}
	for _, l := range r.Left {
		fmt.Fprintf(&out, "left over: %s\n", l)
	}
	return out.String()
}
