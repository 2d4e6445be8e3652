package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"keeper/internal/control"
	"keeper/internal/term"
)

func metricsCommand(io term.IO) *cobra.Command {
	return &cobra.Command{
		Use:   "metrics",
		Short: "Print the daemon's metrics (OpenMetrics)",
		Long: `metrics prints what the daemon answers on its socket to GET /metrics. To have
Prometheus scrape it, set listen or textfile in the table [metrics] of keeper.toml.

Exit codes: 0 they were printed, 4 the daemon does not answer.`,
		Example: "  keeper metrics",
		RunE: func(c *cobra.Command, _ []string) error {
			p, _, err := here()
			if err != nil {
				return err
			}
			text, err := control.Metrics(c.Context(), p.Socket)
			switch {
			case errors.Is(err, control.ErrUnreachable):
				return term.Exit{Code: term.ExitUnreachable, Err: err}
			case err != nil:
				return err
			}
			_, err = io.Out.Write(text)
			return err
		},
	}
}
