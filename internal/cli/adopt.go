package cli

import (
	"fmt"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"keeper/internal/app"
	"keeper/internal/paths"
)

// adoptCommand becomes keeper-adopt, which knows the flags: that program links
// what reads containers and Compose files, and this one starts in milliseconds.
func adoptCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "adopt [NAME...]",
		Short: "Write Quadlet units for containers and Compose files",
		Long: `adopt shows the Quadlet units that containers without one would get, and puts
them in force with --apply. "keeper adopt --help" has all of it. The work is done
by the program keeper-adopt, which is installed beside keeper.`,
		Example:            "  keeper adopt\n  keeper adopt --all --apply",
		DisableFlagParsing: true,
		Args:               cobra.ArbitraryArgs,
		ValidArgsFunction:  completeAdopt,
		RunE: func(_ *cobra.Command, args []string) error {
			program, err := app.HelperProgram()
			if err != nil {
				return fmt.Errorf("cannot adopt: %w", err)
			}
			err = syscall.Exec(program, append([]string{paths.Helper, "adopt"}, args...), os.Environ())
			return fmt.Errorf("cannot run %s: %w", program, err)
		},
	}
}
