package main

import (
	"os"

	"github.com/spf13/cobra"

	"keeper/internal/lab"
)

func logs() *cobra.Command {
	c := &cobra.Command{
		Use:   "logs [-- JOURNALCTL-ARGUMENT…]",
		Short: "Show a host's journal, or its console if it is off",
		Example: `  keeper-lab logs
  keeper-lab logs --user --follow
  keeper-lab logs -- --unit=systemd-logind --lines=50`,
	}
	name := nameFlag(c)
	var o lab.LogOptions
	c.Flags().BoolVar(&o.User, "user", false, "the journal of the account's own services")
	c.Flags().BoolVarP(&o.Follow, "follow", "f", false, "go on with what comes")
	c.RunE = func(c *cobra.Command, args []string) error {
		h, err := lab.Find(*name)
		if err != nil {
			return err
		}
		o.Args = args
		return asInside(h.Logs(c.Context(), o, os.Stdout, os.Stderr))
	}
	return c
}
