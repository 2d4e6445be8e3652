package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"keeper/internal/control"
	"keeper/internal/history"
	"keeper/internal/standdown"
	"keeper/internal/term"
)

func pauseCommand(io term.IO) *cobra.Command {
	c := &cobra.Command{
		Use:   "pause [SERVICE...]",
		Short: "Stand down, or leave services alone",
		Long: `Without a service, pause makes keeper stand down: linger stays as it is and the
stack is not brought back. With services, keeper leaves those alone: it does not
start, restart, continue or unpause them. They are shown as before, and systemd
still restarts what dies. No container stops.

Either lasts until "keeper resume", or for a time. It is kept on disk, survives a
reboot, and holds whether the daemon runs or not.

Exit codes: 0 done, 1 it could not be written, 2 wrong use, or there is no such service.`,
		Example:           "  keeper pause --for 2h --reason \"moving the disks\"\n  keeper pause postgres --reason \"restoring a backup\"",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeServices,
	}
	d := c.Flags().Duration("for", 0, "end the pause by itself after a `TIME` (90m, 2h)")
	reason := c.Flags().String("reason", "", "why: a `TEXT` for whoever reads the status")
	c.RunE = func(c *cobra.Command, args []string) error {
		if c.Flags().Changed("for") && *d < time.Second {
			return term.Exit{Code: term.ExitUsage, Err: fmt.Errorf("--for %s: a pause lasts a second or more; leave --for out for one without end", *d)}
		}
		_, marks, err := here()
		if err != nil {
			return err
		}
		if len(args) > 0 {
			return pauseServices(c, io, marks, args, *d, *reason)
		}
		s, err := marks.Pause(time.Now(), *d, *reason)
		if err != nil {
			return err
		}
		fmt.Fprintf(io.Err, "keeper stands down: %s. To end it: keeper resume\n", s.Detail)
		return nil
	}
	return c
}

func pauseServices(c *cobra.Command, io term.IO, marks standdown.Marks, args []string, d time.Duration, reason string) error {
	st, err := getStatus(c.Context())
	if err != nil && !errors.Is(err, control.ErrUnreachable) {
		return err
	}
	units, uerr := pick(args, serviceNames(st), c.CommandPath()+" --help")
	if uerr != nil {
		return uerr
	}
	for _, unit := range units {
		h, err := marks.Hold(unit, time.Now(), d, reason)
		if err != nil {
			return err
		}
		name := list([]string{unit})
		said := ""
		if !h.Until.IsZero() {
			said = " until " + renderer{}.when(h.Until)
		}
		if h.Reason != "" {
			said += " (" + h.Reason + ")"
		}
		fmt.Fprintf(io.Err, "keeper leaves %s alone%s: it does not start, restart, continue or unpause it; systemd still restarts it should it die. To end it: keeper resume %s\n", name, said, name)
	}
	if err != nil {
		fmt.Fprintln(io.Err, "the daemon does not answer; this is on disk, and holds as soon as it runs again")
	}
	return nil
}

func resumeCommand(io term.IO) *cobra.Command {
	return &cobra.Command{
		Use:   "resume [SERVICE...]",
		Short: "End a pause, and start afresh",
		Long: `Without a service, resume ends a pause. It also forgets how often the account was
brought back of late, and takes the account's password lock as it is.

With services, it ends their pauses, and keeper starts afresh with them: also
where it had given up.

Exit codes: 0 done, 2 there is no such service, 3 keeper stands down all the same, or
refused, 4 the daemon does not answer.`,
		Example: "  keeper resume\n  keeper resume postgres",

		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeServices,
		RunE: func(c *cobra.Command, args []string) error {
			p, marks, err := here()
			if err != nil {
				return err
			}
			if len(args) > 0 {
				return resumeServices(c, io, p.Socket, marks, args)
			}
			was, err := marks.Resume()
			if err := errors.Join(err, marks.Accept(c.Context()), history.Store{Dir: p.State}.Forgive()); err != nil {
				return err
			}
			if was {
				fmt.Fprintln(io.Err, "the pause is over")
			} else {
				fmt.Fprintln(io.Err, "there was no pause")
			}
			if held, err := marks.Held(time.Now()); err == nil && len(held) > 0 {
				var names []string
				for name := range held {
					names = append(names, name)
				}
				slices.Sort(names)
				fmt.Fprintf(io.Err, "keeper still leaves %s alone; to end that: keeper resume %s\n", list(names), words(names))
			}
			if s := marks.Read(c.Context(), time.Now()); s.InForce() {
				return term.Exit{Code: term.ExitDegraded, Err: fmt.Errorf("keeper still stands down: %s", s.Detail)}
			}
			return nil
		},
	}
}

func resumeServices(c *cobra.Command, io term.IO, socket string, marks standdown.Marks, args []string) error {
	st, err := getStatus(c.Context())
	if err != nil && !errors.Is(err, control.ErrUnreachable) {
		return err
	}
	names := serviceNames(st)
	held, herr := marks.Held(time.Now())
	if herr != nil {
		return herr
	}
	// Who left may be let go of, too.
	for name := range held {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	units, uerr := pick(args, names, c.CommandPath()+" --help")
	if uerr != nil {
		return uerr
	}
	for _, unit := range units {
		name := strings.TrimSuffix(unit, ".service")
		was, rerr := marks.Release(unit)
		if rerr != nil {
			return rerr
		}
		if was {
			fmt.Fprintf(io.Err, "the pause of %s is over\n", name)
		}
		rerr = resumeOne(c.Context(), socket, unit, err)
		switch {
		case rerr == nil:
			fmt.Fprintf(io.Err, "keeper starts afresh with %s\n", name)
		case was && errors.Is(rerr, control.ErrUnreachable):
			fmt.Fprintln(io.Err, "the daemon does not answer; this is on disk, and holds as soon as it runs again")
		case was && errors.Is(rerr, control.ErrNoService):
			fmt.Fprintf(io.Err, "there is no service %s any more\n", name)
		default:
			return refused(rerr, unit, "it begins afresh anyway when it starts: systemctl --user start keeper")
		}
	}
	return nil
}

// resumeOne tells the daemon, unless that is known not to answer.
func resumeOne(ctx context.Context, socket, unit string, down error) error {
	if down != nil {
		return down
	}
	return control.Resume(ctx, socket, unit)
}

// refused is how a command ends that the daemon did not follow; alone is what to
// type without a daemon.
func refused(err error, unit, alone string) error {
	switch {
	case errors.Is(err, control.ErrUnreachable):
		return term.Exit{Code: term.ExitUnreachable, Err: fmt.Errorf("%w; %s", err, alone)}
	case errors.Is(err, control.ErrRefused):
		return term.Exit{Code: term.ExitDegraded, Err: fmt.Errorf("%s: %w", list([]string{unit}), err)}
	case errors.Is(err, control.ErrNoService):
		return term.Exit{Code: term.ExitUsage, Err: fmt.Errorf("%s: %w", list([]string{unit}), err)}
	}
	return err
}
