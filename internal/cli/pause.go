package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"keeper/internal/history"
	"keeper/internal/term"
)

func pauseCommand(io term.IO) *cobra.Command {
	c := &cobra.Command{
		Use:   "pause",
		Short: "Stand down: keep linger as it is and do not bring the stack back",
		Long: `pause makes keeper stand down until "keeper resume", or for a time. It is kept
on disk, survives a reboot, and holds whether the daemon runs or not.`,
		Example: "  keeper pause --for 2h --reason \"moving the disks\"",
	}
	d := c.Flags().Duration("for", 0, "end the pause by itself after this long (90m, 2h)")
	reason := c.Flags().String("reason", "", "why, for whoever reads the status")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if c.Flags().Changed("for") && *d < time.Second {
			return term.Exit{Code: term.ExitUsage, Err: fmt.Errorf("--for %s: a pause lasts a second or more; leave --for out for one without end", *d)}
		}
		_, marks, err := here()
		if err != nil {
			return err
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

func resumeCommand(io term.IO) *cobra.Command {
	return &cobra.Command{
		Use:   "resume",
		Short: "End a pause, and start afresh",
		Long: `resume ends a pause. It also forgets how often the account was brought back of
late, and takes the account's password lock as it is.`,
		RunE: func(c *cobra.Command, _ []string) error {
			p, marks, err := here()
			if err != nil {
				return err
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
			if s := marks.Read(c.Context(), time.Now()); s.InForce() {
				return term.Exit{Code: term.ExitDegraded, Err: fmt.Errorf("keeper still stands down: %s", s.Detail)}
			}
			return nil
		},
	}
}
