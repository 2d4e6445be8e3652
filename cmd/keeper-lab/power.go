package main

import (
	"context"

	"github.com/spf13/cobra"

	"keeper/internal/lab"
)

func reboot() *cobra.Command {
	return power("reboot", "Reboot a host in order, from inside", "host %s has rebooted", (*lab.Host).Reboot)
}

func cut() *cobra.Command {
	return power("cut", "Cut a host's power, and boot it again on the same disk", "host %s is up again", (*lab.Host).Cut)
}

func on() *cobra.Command {
	return power("on", "Boot a host that is off, on the same disk", "host %s is up again", (*lab.Host).PowerOn)
}

// power makes a command that ends one boot of a host, or begins one.
func power(use, short, done string, act func(*lab.Host, context.Context) error) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs}
	name := nameFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		say := say()
		h, err := lab.Find(*name)
		if err == nil {
			err = act(h, c.Context())
		}
		if err == nil {
			say(done, h.Name)
		}
		return err
	}
	return c
}
