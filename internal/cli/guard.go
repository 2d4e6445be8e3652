package cli

import (
	"fmt"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"keeper/internal/app"
	"keeper/internal/paths"
)

// guardCommand becomes keeper-guard, which knows the commands: an agent's hook runs that
// program before every command, and so it has nothing in it that it does not need.
func guardCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "guard [COMMAND...]",
		Short: "Stand between AI agents and the commands that end a stack",
		Long: `guard judges shell commands before they run: those that end a session, the
machine, the stack or its data are refused, with the reason and a safer way. "keeper
guard --help" has all of it. The work is done by the program keeper-guard, which is
installed beside keeper.`,
		Example:            "  keeper guard install claude\n  keeper guard status",
		DisableFlagParsing: true,
		Args:               cobra.ArbitraryArgs,
		ValidArgsFunction:  completeGuard,
		RunE: func(_ *cobra.Command, args []string) error {
			program, err := app.Beside(paths.Guard)
			if err != nil {
				return fmt.Errorf("cannot guard: %w", err)
			}
			err = syscall.Exec(program, append([]string{paths.Guard}, args...), os.Environ())
			return fmt.Errorf("cannot run %s: %w", program, err)
		},
	}
}
