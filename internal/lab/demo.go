package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// DemoOptions say what the demonstration shows.
type DemoOptions struct {
	// WithoutKeeper strikes the same blow with linger alone.
	WithoutKeeper bool
	// Binary is the keeper program; if empty, the one beside this program.
	Binary string
	Out    io.Writer
}

// Demo strikes the founding incident on a fresh host and shows what follows. It
// returns an error if what followed is not what is promised.
func Demo(ctx context.Context, o DemoOptions) error {
	d := &demo{DemoOptions: o, begin: time.Now()}
	d.title("A host: Debian 13, systemd, rootless Podman")
	name := "demo"
	if o.WithoutKeeper {
		name = "demo-without"
	}
	h, err := Up(ctx, Options{Name: name, Images: true, Tied: true, Say: d.say})
	if err != nil {
		return err
	}
	d.h = h
	return errors.Join(d.run(ctx), h.Down())
}

type demo struct {
	DemoOptions
	h     *Host
	begin time.Time

	mu   sync.Mutex
	blow time.Time
}

// title begins a part.
func (d *demo) title(s string) {
	fmt.Fprintf(d.Out, "\n== %s\n", s)
}

// say prints a line with the time since the beginning, or since the blow.
func (d *demo) say(format string, args ...any) {
	d.sayAt(time.Now(), format, args...)
}

func (d *demo) sayAt(at time.Time, format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	clock := fmt.Sprintf("%7.2fs", at.Sub(d.begin).Seconds())
	if !d.blow.IsZero() {
		clock = fmt.Sprintf("%+7.2fs", at.Sub(d.blow).Seconds())
	}
	fmt.Fprintf(d.Out, "%s  %s\n", clock, fmt.Sprintf(format, args...))
}

func (d *demo) run(ctx context.Context) error {
	if !d.WithoutKeeper {
		d.title("Install keeper as the user " + User + " would")
		if err := d.h.Install(ctx, InstallOptions{Binary: d.Binary}, d.Out); err != nil {
			return err
		}
	}
	d.title("Start the stack")
	if err := d.h.DeployStack(ctx, d.say); err != nil {
		return err
	}
	d.say("PostgreSQL, Redis, MinIO and Django answer")
	if err := d.status(ctx); err != nil {
		return err
	}
	d.title("For comparison: a plain stop and start of the same units by systemctl --user")
	var plain []time.Duration
	for range 3 {
		t, err := d.h.PlainRestart(ctx)
		if err != nil {
			return err
		}
		plain = append(plain, t)
		d.say("stopped, started and answering again after %.2f s", t.Seconds())
	}
	slices.Sort(plain)
	return d.strike(ctx, plain[1])
}

func (d *demo) status(ctx context.Context) error {
	if d.WithoutKeeper {
		out, err := d.h.Output(ctx, "loginctl", "user-status", "--no-pager", "--lines=0", User)
		d.title("There is linger, and nothing else")
		fmt.Fprintln(d.Out, firstLines(out, 4))
		return err
	}
	d.title("keeper status")
	// A service counts as well once keeper has asked it.
	limited, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	_ = until(limited, func(ctx context.Context) bool {
		_, err := d.h.UserOutput(ctx, ".local/bin/keeper", "status")
		return err == nil
	}) // if it does not come to that, the status says why
	return d.h.Run(ctx, Exec{User: User, Stdout: d.Out, Stderr: d.Out}, ".local/bin/keeper", "status")
}

// strike is the incident: somebody in a login session of the account types
// loginctl terminate-user, while a client writes to the ledger.
func (d *demo) strike(ctx context.Context, plain time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	writer := d.h.StartWriter(ctx)
	if err := writer.WaitAcked(ctx, 20); err != nil {
		return err
	}
	d.title("The blow: in a login session of " + User + ", while a client writes to the ledger:\n   $ loginctl terminate-user " + User)
	journal, err := d.h.FollowJournal(ctx, d.show)
	if err != nil {
		return err
	}
	ready := d.h.WatchReady(ctx, func(r bool) {
		if r {
			d.say("/readyz answers 200")
		} else {
			d.say("/readyz does not answer")
		}
	})
	session, err := d.h.OpenSession(ctx)
	if err != nil {
		return err
	}
	d.mu.Lock()
	d.blow = time.Now()
	d.mu.Unlock()
	if err := session.Type("loginctl terminate-user " + User); err != nil {
		return err
	}
	if d.WithoutKeeper {
		err := d.staysDown(ctx, ready)
		writer.Stop()
		journal.Stop()
		return err
	}
	back, err := ready.WaitBack(ctx, d.blow)
	if err != nil {
		return fmt.Errorf("the stack did not survive: %w", err)
	}
	outage := back.Sub(d.blow)
	d.title("Back. Does it stay?")
	if err := d.h.StaysUp(ctx, 3*time.Second); err != nil {
		return err
	}
	d.say("the same processes, answering for 3 s more")
	ready.Stop()
	gap, gapErr := ManagerGap(journal.Stop())
	acked, failed := writer.Stop()
	if err := d.ledger(ctx, acked, failed); err != nil {
		return err
	}
	d.title("Figures")
	fmt.Fprintf(d.Out, "outage, from the blow to /readyz answering:     %6.2f s\n", outage.Seconds())
	fmt.Fprintf(d.Out, "plain stop and start of the same units, median: %6.2f s\n", plain.Seconds())
	fmt.Fprintf(d.Out, "ratio:                                          %6.2f\n", outage.Seconds()/plain.Seconds())
	if gapErr == nil {
		fmt.Fprintf(d.Out, "user manager gone, by the journal:              %6.1f ms\n", float64(gap.Microseconds())/1000)
	}
	if err := errors.Join(gapErr, d.status(ctx), d.incident(ctx)); err != nil {
		return err
	}
	d.title("The stack survived loginctl terminate-user")
	return nil
}

// incident shows the account that keeper has of it, and leaves the page of it on this
// machine, for a browser.
func (d *demo) incident(ctx context.Context) error {
	d.title("keeper incident")
	if err := d.h.Run(ctx, Exec{User: User, Stdout: d.Out, Stderr: d.Out}, ".local/bin/keeper", "incident"); err != nil {
		return err
	}
	var page, complaint bytes.Buffer
	if err := d.h.Run(ctx, Exec{User: User, Stdout: &page, Stderr: &complaint}, ".local/bin/keeper", "incident", "--html"); err != nil {
		return fmt.Errorf("keeper incident --html: %w: %s", err, tail(complaint.String(), 5))
	}
	file, err := os.CreateTemp("", "keeper-incident-*.html")
	if err != nil {
		return err
	}
	_, err = file.Write(page.Bytes())
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("cannot write the page to %s: %w", file.Name(), err)
	}
	fmt.Fprintf(d.Out, "\nthe same as a page: %s\n", file.Name())
	return nil
}

// show prints what the journal says of the stack's units and the manager.
func (d *demo) show(e UnitEvent) {
	name := strings.TrimSuffix(e.Unit, ".service")
	if !slices.Contains(Services, name) && !strings.HasPrefix(name, "user@") && name != "keeper-session" {
		return
	}
	// The journal comes in gulps; its own times are the true ones.
	d.sayAt(e.At, "%-15s %s", name, e.What)
}

func (d *demo) staysDown(ctx context.Context, ready *Outage) error {
	if err := d.h.WaitUserForgotten(ctx); err != nil {
		return err
	}
	ready.Stop()
	d.say("logind has forgotten the user")
	if err := d.h.Ready(ctx); err == nil {
		return errors.New("the stack answers: this was not to be expected with linger alone")
	}
	out, _ := d.h.Output(ctx, "loginctl", "user-status", User)
	d.title("Down for good, with linger on: only a login, a reboot or root brings it back")
	fmt.Fprintln(d.Out, strings.TrimSpace(out))
	return nil
}

// ledger proves that every acknowledged entry is in each store.
func (d *demo) ledger(ctx context.Context, acked []int64, failed int) error {
	held, err := d.h.Ledger(ctx)
	if err != nil {
		return err
	}
	lost, err := Lost(acked, held)
	if err != nil {
		return err
	}
	d.title("The ledger")
	fmt.Fprintf(d.Out, "%d entries acknowledged, %d requests failed meanwhile\n", len(acked), failed)
	for _, store := range []string{"postgres", "redis", "minio"} {
		fmt.Fprintf(d.Out, "%-9s holds %d, lost %d\n", store, len(held[store]), len(lost[store]))
	}
	if len(lost) > 0 {
		return fmt.Errorf("acknowledged entries were lost: %v", lost)
	}
	return nil
}

func firstLines(s string, n int) string {
	lines := strings.SplitN(s, "\n", n+1)
	return strings.Join(lines[:min(n, len(lines))], "\n")
}
