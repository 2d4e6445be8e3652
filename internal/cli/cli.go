// Package cli is keeper's command line: one file a command, data on stdout,
// talk on stderr.
package cli

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"keeper/internal/paths"
	"keeper/internal/standdown"
	"keeper/internal/term"
)

// Release is the version of this build; the linker sets it.
var Release = "dev"

// Main runs the command line and returns the exit code.
func Main(ctx context.Context, args []string, io term.IO) int {
	root := newRoot(io)
	root.SetArgs(args)
	return term.Code(root.ExecuteContext(ctx), "keeper", io)
}

// Commands is the tree of commands, for the manual and its tests: nothing of it runs.
func Commands() *cobra.Command { return newRoot(term.IO{Out: io.Discard, Err: io.Discard}) }

func newRoot(io term.IO) *cobra.Command {
	c := &cobra.Command{
		Use:   "keeper",
		Short: "Keep a rootless Podman stack alive beyond its sessions",
		Long: `keeper makes a rootless Podman stack outlive its sessions. It keeps linger on,
watches logind and the user manager, and brings the stack back after
"loginctl terminate-user" and its kin.

Exit codes: 0 all well, 1 error, 2 wrong use or settings, 3 degraded, 4 daemon not reachable.`,
		Example:       "  systemctl --user enable --now keeper\n  keeper status\n  keeper doctor",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	c.SetOut(io.Out)
	c.SetErr(io.Err)
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return term.Exit{Code: term.ExitUsage, Err: fmt.Errorf("%w; see: %s --help", err, c.CommandPath())}
	})
	c.AddCommand(runCommand(io), recoverCommand(io), rearmCommand(io), socketsCommand(), statusCommand(io), metricsCommand(io), doctorCommand(io),
		adoptCommand(), guardCommand(), configCommand(io), historyCommand(io), incidentCommand(io), alertCommand(io), drillCommand(io), restartCommand(io), pauseCommand(io), resumeCommand(io), versionCommand(io), asAccountCommand())
	// Files stand in few places, and these say so.
	c.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	c.InitDefaultHelpCmd()
	c.InitDefaultCompletionCmd()
	checkArgs(c)
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return term.Exit{Code: term.ExitUsage, Err: fmt.Errorf("there is no command %q; see: keeper --help", args[0])}
		}
		return nil
	}
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	return c
}

// checkArgs makes wrong arguments of every command below c wrong use, with the
// way out.
func checkArgs(c *cobra.Command) {
	for _, sub := range c.Commands() {
		rule := sub.Args
		if rule == nil && sub.Name() != "help" {
			rule = cobra.NoArgs
		}
		sub.Args = func(c *cobra.Command, args []string) error {
			if rule == nil {
				return nil
			}
			err := rule(c, args)
			if err == nil {
				err = c.ValidateFlagGroups() // cobra's own turn comes later, and is no wrong use
			}
			if err != nil {
				return term.Exit{Code: term.ExitUsage, Err: fmt.Errorf("%w; see: %s --help", err, c.CommandPath())}
			}
			return nil
		}
		if !sub.Runnable() {
			// Its arguments are looked at only if it runs.
			sub.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
		}
		checkArgs(sub)
	}
}

func versionCommand(io term.IO) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the version",
		Long: `version prints the name and the version of this program. That of the daemon, which may
be an older one until it is started again, is in: keeper status`,
		Example: "  keeper version",
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(io.Out, "keeper", Release)
			return err
		},
	}
}

// here returns the account's places and its stand-down marks.
func here() (paths.Paths, standdown.Marks, error) {
	uid := os.Getuid()
	p, err := paths.Of(uid)
	return p, standdown.Marks{UID: uint32(uid), StateDir: p.State, MarkDir: p.Marks}, err
}
