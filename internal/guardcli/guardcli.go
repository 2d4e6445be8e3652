// Package guardcli is the command line of keeper-guard: the hook that agents run, and
// what a person asks of the guard. One file a command.
package guardcli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"keeper/internal/agents"
	"keeper/internal/term"
)

// Release is the version of this build; the linker sets it.
var Release = "dev"

// Main runs the command line and returns the exit code.
func Main(args []string, in io.Reader, to term.IO) int {
	// Before everything else: it runs before each command of an agent.
	if len(args) > 0 && args[0] == "hook" && !slices.Contains(args, "--help") {
		return hook(args[1:], in, to)
	}
	root := newRoot(in, to)
	root.SetArgs(args)
	return term.Code(root.ExecuteContext(context.Background()), "keeper guard", to)
}

// Commands is the tree of commands, for the manual and its tests: nothing of it runs.
func Commands() *cobra.Command {
	return newRoot(strings.NewReader(""), term.IO{Out: io.Discard, Err: io.Discard})
}

func newRoot(in io.Reader, to term.IO) *cobra.Command {
	c := &cobra.Command{
		Use:   "guard",
		Short: "Stand between AI agents and the commands that end a stack",
		Long: `guard judges shell commands before they run. Those that end a session, the machine,
the stack or its data are refused, with the reason and a safer way; where it depends
on something that cannot be known, a person is asked. All else passes without a word.

It is a belt, and no wall: docs/how-to/guard.md says what it cannot do.

Exit codes: 0 all well, 1 error, 2 wrong use or settings, 3 something is to be mended,
10 a person is to be asked (check), 11 refused (check, and the wrappers of "shell").`,
		Example: `  keeper guard install claude       # put it before an agent's commands
  keeper guard test                 # send a deadly command through what is installed
  keeper guard status               # is it on, and what did it refuse?
  keeper guard explain -- 'podman rm -f db'`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "keeper guard"},
	}
	c.SetIn(in)
	c.SetOut(to.Out)
	c.SetErr(to.Err)
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage(fmt.Errorf("%w; see: %s --help", err, c.CommandPath()))
	})
	// keeper completes: it asks this program by __complete.
	c.CompletionOptions.DisableDefaultCmd = true
	c.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	c.AddCommand(hookCommand(), checkCommand(in, to), explainCommand(in, to), rulesCommand(to), statusCommand(to), testCommand(to),
		installCommand(to), uninstallCommand(to), allowCommand(to), runCommand(to), versionCommand(to))
	c.Args = func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usage(fmt.Errorf("there is no command %q; see: keeper guard --help", args[0]))
		}
		return nil
	}
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	for _, sub := range c.Commands() {
		rule := sub.Args
		sub.Args = func(c *cobra.Command, args []string) error {
			if rule == nil {
				rule = cobra.NoArgs
			}
			if err := rule(c, args); err != nil {
				return usage(fmt.Errorf("%w; see: %s --help", err, c.CommandPath()))
			}
			return nil
		}
	}
	return c
}

func usage(err error) error { return term.Exit{Code: term.ExitUsage, Err: err} }

func versionCommand(to term.IO) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Show the version of keeper-guard",
		Long:    "version prints the name and the version of this program, which is that of keeper.",
		Example: "  keeper guard version",
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(to.Out, "keeper-guard", Release)
			return err
		},
	}
}

// hookCommand is there for the help; Main runs the hook itself.
func hookCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "hook claude|gemini|copilot|codex",
		Short: "What an agent runs before each of its commands",
		Long: `hook reads what the agent is about to do on standard input, in the agent's own JSON,
and answers as its documentation asks (docs/reference/guard-agents.md). keeper guard
install puts it into the agent's settings; nobody types it.

Exit codes: what the agent's documentation asks for; 2 refuses, to every agent.`,
		Example:   `  echo '{"tool_name":"Bash","tool_input":{"command":"ls"}}' | keeper-guard hook claude`,
		Args:      cobra.ExactArgs(1),
		ValidArgs: agents.Names(),
		RunE:      func(*cobra.Command, []string) error { return nil },
	}
}
