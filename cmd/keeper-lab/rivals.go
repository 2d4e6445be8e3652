package main

import (
	"os"
	"time"

	"github.com/spf13/cobra"

	"keeper/internal/lab"
)

func rivals() *cobra.Command {
	c := &cobra.Command{
		Use: "rivals", Short: "Compare keeper with monit and with Podman's own health checks", Args: cobra.NoArgs,
		Long: "rivals makes a service hang again and again, and measures how soon each of them ends\n" +
			"it and has it answer again; then what it costs each to watch services that are well.\n" +
			"All of it is done on one host, one after the other. Nothing else should run.",
	}
	flags := c.Flags()
	blows := flags.Int("blows", 20, "how often a service hangs with each; 0 leaves that out")
	interval := flags.Duration("interval", 2*time.Second, "how often it is asked")
	counts := flags.IntSlice("services", []int{4, 400}, "the numbers of services to measure the cost with; 0 leaves that out")
	window := flags.Duration("window", 2*time.Minute, "how long the cost is measured")
	podmanMost := flags.Int("podman-most", 40, "the most services to measure Podman's health checks with: each check is a process of its own")
	binary := flags.String("binary", "", "the program to install (default: keeper beside keeper-lab)")
	names := flags.StringSlice("rival", nil, "only these: podman, monit, keeper")
	c.RunE = func(c *cobra.Command, _ []string) error {
		chosen, err := lab.ParseRivals(*names)
		if err != nil {
			return err
		}
		return lab.CompareRivals(c.Context(), lab.RivalOptions{
			Rivals: chosen, Blows: *blows, Interval: *interval, Counts: *counts, Window: *window, PodmanMost: *podmanMost,
			Binary: *binary, Out: os.Stdout, Say: say(),
		})
	}
	return c
}
