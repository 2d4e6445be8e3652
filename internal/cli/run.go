package cli

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"keeper/internal/app"
	"keeper/internal/term"
)

func runCommand(io term.IO) *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Run the daemon (keeper.service does this)",
		Long: `run is the daemon. It keeps linger on, brings back what ran, asks the services how
they are, tells people of incidents and answers the other commands, until SIGTERM ends
it. It stops no container at its end. keeper.service runs it and feeds its watchdog.`,
		Example: "  systemctl --user enable --now keeper\n  journalctl --user -u keeper -f",
		RunE: func(c *cobra.Command, _ []string) error {
			return app.Run(c.Context(), Release, journal(io.Err))
		},
	}
}

func recoverCommand(io term.IO) *cobra.Command {
	return &cobra.Command{
		Use:   "recover",
		Short: "Clear what a dead life left behind (keeper-session.service does this)",
		Long: `The first act of the user manager, before anything of the user starts. recover
ends what still holds a volume that a unit is going to mount, and clears the
runtime state that Podman would stumble over, if nothing of the account's
containers lives any more. Beside a stack that runs it does nothing.`,
		Example: "  systemctl --user status keeper-session",
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(c.Context(), recoverLimit)
			defer cancel()
			return app.Recover(ctx, journal(io.Err))
		},
	}
}

// recoverLimit is below TimeoutStartSec of keeper-session.service: past that there
// would be no last act.
const recoverLimit = 55 * time.Second

// rearmLimit is below TimeoutStopSec of keeper-session.service.
const rearmLimit = 40 * time.Second

func rearmCommand(io term.IO) *cobra.Command {
	return &cobra.Command{
		Use:   "rearm",
		Short: "Ask logind to bring the account back (keeper-session.service does this)",
		Long: `The last act of the user manager. When the manager is being stopped and the
machine is not, rearm asks logind to start it again. It does nothing where
somebody told keeper to stand down, and nothing when run by hand.`,
		Example: "  systemctl --user status keeper-session",
		RunE: func(c *cobra.Command, _ []string) error {
			// What kills the account's processes must not stop the rescue half
			// way: systemd ends it at TimeoutStopSec if need be.
			signal.Ignore(syscall.SIGTERM, syscall.SIGHUP)
			ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Context()), rearmLimit)
			defer cancel()
			return app.Rearm(ctx, journal(io.Err))
		},
	}
}

func socketsCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "sockets",
		Short:  "Make sockets in the containers' networks (the daemon does this)",
		Hidden: true,
		RunE:   func(*cobra.Command, []string) error { return app.Sockets() },
	}
}

// journal is a log for the journal: systemd reads the level from the prefix
// (sd-daemon(3)) and adds the time itself.
func journal(w io.Writer) *slog.Logger {
	opts := &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
			return slog.Attr{}
		}
		return a
	}}
	if os.Getenv("JOURNAL_STREAM") == "" {
		return slog.New(slog.NewTextHandler(w, nil))
	}
	return slog.New(&prefixed{w: w, opts: opts})
}
