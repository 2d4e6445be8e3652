package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"keeper/internal/control"
	"keeper/internal/core"
	"keeper/internal/drill"
	"keeper/internal/paths"
	"keeper/internal/term"
)

func drillRunCommand(to term.IO) *cobra.Command {
	c := &cobra.Command{
		Use:   "run NAME",
		Short: "Strike, watch until all is as before, and keep the result",
		Long: `run strikes once, shows the clock until all is as before, and keeps the result in the
history. What was struck is away from the blow on, anything else from when systemd or
keeper saw it, until keeper finds it well again.

It refuses where not all is well to begin with, or nothing would bring the stack back.
What interrupts anything asks first; without a terminal that needs --yes. Interrupting
run takes the blow back where that can be done.

Exit codes: 0 it went as it must, 1 it did not, 2 wrong use or refused, 4 the daemon
does not answer.`,
		Example: "  keeper drill run keeper-kill\n  keeper drill run container-kill --service redis\n  keeper drill run terminate-user --yes --json",
		Args:    cobra.ExactArgs(1),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return strikable(), cobra.ShellCompDirectiveNoFileComp
		},
	}
	service := c.Flags().String("service", "", "strike at this `SERVICE`")
	yes := c.Flags().Bool("yes", false, "do not ask")
	asJSON := c.Flags().Bool("json", false, "print the result as JSON (version 1)")
	_ = c.RegisterFlagCompletionFunc("service", completeServices) // the flag is there
	c.RunE = func(c *cobra.Command, args []string) error {
		d, err := pickDrill(args[0])
		if err != nil {
			return err
		}
		p, _, err := here()
		if err != nil {
			return err
		}
		st, err := control.Get(c.Context(), p.Socket)
		if err != nil {
			return notTold(err)
		}
		unit, err := pickTarget(d, *service, st)
		if err != nil {
			return err
		}
		if err := mayStrike(c.Context(), d, st, unit); err != nil {
			return err
		}
		if err := agreed(c.Context(), to, os.Stdin, d, st, unit, *yes); err != nil {
			return err
		}
		return runDrill(c.Context(), to, p, d, st, unit, *asJSON)
	}
	return c
}

// strikable are the names of those that the account may strike.
func strikable() []string {
	var names []string
	for _, d := range drill.All() {
		if d.Root == "" {
			names = append(names, d.Name)
		}
	}
	slices.Sort(names)
	return names
}

func pickDrill(name string) (drill.Drill, error) {
	d, ok := drill.Find(name)
	switch {
	case !ok:
		return d, term.Exit{Code: term.ExitUsage, Err: fmt.Errorf("there is no drill %q; see: keeper drill list", name)}
	case d.Root != "":
		return d, term.Exit{Code: term.ExitUsage, Err: fmt.Errorf("%s is root's to strike, and keeper never acts as root; what to type: keeper drill list", name)}
	}
	return d, nil
}

// pickTarget is the unit that the drill is struck at, if it is at one.
func pickTarget(d drill.Drill, service string, st control.Status) (string, error) {
	switch {
	case !d.Service && service != "":
		return "", term.Exit{Code: term.ExitUsage, Err: fmt.Errorf("%s is not struck at a service; leave --service out", d.Name)}
	case d.Service && service == "":
		return "", term.Exit{Code: term.ExitUsage, Err: fmt.Errorf("%s is struck at a service: --service %s", d.Name, strings.ReplaceAll(list(serviceNames(st)), ", ", "|"))}
	case !d.Service:
		return "", nil
	}
	units, err := pick([]string{service}, serviceNames(st), "keeper status")
	if err != nil {
		return "", err
	}
	return units[0], nil
}

// asRoot is why root strikes nothing.
var asRoot = control.Problem{What: "a drill is struck as the account that keeper looks after, and never as root", Try: "log in as that account"}

// mayStrike is nil where nothing speaks against it.
func mayStrike(ctx context.Context, d drill.Drill, st control.Status, unit string) error {
	open := false
	if d.Session {
		var err error
		if open, err = drill.SessionOpen(ctx, st.User); err != nil {
			return term.Exit{Code: term.ExitUsage, Err: fmt.Errorf("%s is not struck: %w", d.Name, err)}
		}
	}
	reasons := d.Refusals(st, unit, open)
	if os.Getuid() == 0 {
		reasons = append(reasons, asRoot)
	}
	if len(reasons) == 0 {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s is not struck:", d.Name)
	for _, r := range reasons {
		b.WriteString("\n  " + r.What)
		if r.Try != "" {
			b.WriteString("\n    type: " + r.Try)
		}
	}
	return term.Exit{Code: term.ExitUsage, Err: errors.New(b.String())}
}

// agreed is nil where nothing is interrupted or a person agrees to it.
func agreed(ctx context.Context, to term.IO, in *os.File, d drill.Drill, st control.Status, unit string, yes bool) error {
	if !d.Asks(st.Root) {
		return nil
	}
	what := question(d, st, unit)
	if yes {
		fmt.Fprintln(to.Err, what)
		return nil
	}
	if !canAsk(to, in) {
		return term.Exit{Code: term.ExitUsage, Err: fmt.Errorf("%s\nthis is no terminal to agree to that on; to strike without being asked: --yes", what)}
	}
	if ask(ctx, to, in, what+"\nStrike? Type yes: ") == "yes" {
		return nil
	}
	return term.Exit{Code: term.ExitUsage, Err: fmt.Errorf("%s is not struck: nobody agreed", d.Name)}
}

// question says what is about to happen.
func question(d drill.Drill, st control.Status, unit string) string {
	s := d.What
	switch hits := d.Hits(st.Root); hits {
	case drill.ScopeStack:
		s += fmt.Sprintf(". It interrupts the whole stack (%s) and every other user service of %s", list(serviceNames(st)), st.User)
	case drill.ScopeService:
		s += fmt.Sprintf(". It interrupts %s, and what cannot do without it", list([]string{unit}))
	case drill.ScopeNetwork:
		s += ". For some seconds containers cannot open new connections that way; what is open stays"
	default:
		s += ". The stack goes on"
	}
	if d.EndsSession {
		s += fmt.Sprintf(".\nEvery login session of %s ends, this one as well; afterwards: keeper drill list", st.User)
	}
	return s + "."
}

// notTold is how the command ends where the daemon cannot be asked, or says no.
func notTold(err error) error {
	switch {
	case errors.Is(err, control.ErrUnreachable) && os.Getuid() == 0:
		return term.Exit{Code: term.ExitUnreachable, Err: fmt.Errorf("%w; %s: %s", err, asRoot.What, asRoot.Try)}
	case errors.Is(err, control.ErrUnreachable):
		return term.Exit{Code: term.ExitUnreachable, Err: fmt.Errorf("%w; type: systemctl --user status keeper", err)}
	case errors.Is(err, control.ErrRefused):
		return term.Exit{Code: term.ExitUsage, Err: err}
	}
	return err
}

func runDrill(ctx context.Context, to term.IO, p paths.Paths, d drill.Drill, st control.Status, unit string, asJSON bool) error {
	past, err := pastDrills(to, p)
	if err != nil {
		return err
	}
	clock := newClock(to.Err)
	target := drill.Here(os.Getuid(), st.User, p.Runtime, p.Storage)
	target.Socket, target.Daemon, target.Unit = p.Socket, st.Daemon.PID, unit
	run := drill.Run{Drill: d, Target: target, Daemon: drillDaemon{p.Socket}, Said: clock.said}
	if clock.over {
		run.Tick = clock.tick
	}
	res, err := run.Do(ctx, st)
	clock.end()
	switch {
	case errors.Is(err, drill.ErrCut):
		return fmt.Errorf("%w; see: keeper drill list, keeper status", err)
	case err != nil && res.Drill.Outcome == "" || res.Drill.Outcome == core.DrillUnknown:
		return notTold(err)
	}
	r := drillReport{Version: drillVersion, Drill: control.DrillOf(res.Drill), Expected: res.Expected, AsExpected: res.AsExpected(),
		Away: append([]control.Outage{}, res.Services...), Moments: res.Moments}
	if last, ok := lastDrill(past, d.Name, unit); ok {
		w := control.DrillOf(last)
		r.Last = &w
	}
	if f, _, ok := d.Figure(st.Root); ok {
		r.TableMS = f.OutageMS
	}
	if perr := r.print(to, asJSON, time.Now()); perr != nil {
		return perr
	}
	if err != nil {
		fmt.Fprintf(to.Err, "the history does not have this result: %v\n", err)
	}
	if !r.AsExpected {
		return term.Exit{Code: term.ExitError}
	}
	return nil
}

// clock shows the moments of a drill, a line each, and on a terminal the time that runs
// below them.
type clock struct {
	w     io.Writer
	over  bool
	shown bool
}

func newClock(w io.Writer) *clock {
	_, _, over := term.Size(w)
	return &clock{w: w, over: over}
}

func (c *clock) said(m drill.Moment) {
	c.end()
	fmt.Fprintf(c.w, "%8s  %s\n", seconds(m.AfterMS), control.Line(m.What))
}

func (c *clock) tick(after time.Duration, waits string) {
	width, _, ok := term.Size(c.w)
	if !ok {
		return
	}
	line := fmt.Sprintf("%8s  %s", seconds(after.Milliseconds()), control.Line(waits))
	fmt.Fprint(c.w, "\r"+wrap(line, max(1, width-1))[0]+clearToEOL)
	c.shown = true
}

// end takes the running line away.
func (c *clock) end() {
	if c.shown {
		fmt.Fprint(c.w, "\r"+clearToEOL)
	}
	c.shown = false
}
