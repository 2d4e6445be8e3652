// Command keeper-lab boots real Linux hosts to try keeper on.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"keeper/internal/lab"
)

func main() {
	lab.Hook()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := root().ExecuteContext(ctx)
	stop()
	os.Exit(report(err))
}

// report prints the error and returns the exit status: that of the command
// that ran inside a host, where one did.
func report(err error) int {
	var inner commandFailed
	switch {
	case err == nil:
		return 0
	case errors.As(err, &inner):
		return inner.status
	}
	fmt.Fprintln(os.Stderr, "keeper-lab:", err)
	return 1
}

// commandFailed is the exit status of a command inside a host. What there was
// to say about it, the command said.
type commandFailed struct{ status int }

func (e commandFailed) Error() string { return fmt.Sprintf("exit status %d", e.status) }

func root() *cobra.Command {
	c := &cobra.Command{
		Use:           "keeper-lab",
		Short:         "Boot real Linux hosts to try keeper on",
		Long:          "keeper-lab boots Debian hosts, or a root file system that you bring, with systemd and\nrootless Podman on this machine, as root, each in a container of its own. They share\nnothing but the kernel and a read-only root.",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	c.AddCommand(up(), execute(), install(), logs(), reboot(), cut(), on(), down(), list(), demo(), killmatrix(), rivals())
	return c
}

// nameFlag adds --name.
func nameFlag(c *cobra.Command) *string {
	return c.Flags().String("name", "lab", "name of the host")
}

// say prints progress with the time since the program started.
func say() func(string, ...any) {
	start := time.Now()
	return func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "%6.1fs  %s\n", time.Since(start).Seconds(), fmt.Sprintf(format, args...))
	}
}

func up() *cobra.Command {
	c := &cobra.Command{
		Use: "up", Short: "Boot a host", Args: cobra.NoArgs,
		Long: "Boots a host with the account flowstate (uid 1000) and leaves it running, until it is\ntaken down. One that does not come up stays, too, to be looked at: keeper-lab logs.",
		Example: `  keeper-lab up --stack
  keeper-lab up --name old --suite bookworm --stack
  keeper-lab up --name ol9 --rootfs ./ol9`,
	}
	name := nameFlag(c)
	rootfs := c.Flags().String("rootfs", "", "root file system to make the host of instead: a directory, such as an unpacked image; it is not written to")
	suite := c.Flags().String("suite", "", "what the host is made of: trixie (systemd 257, Podman 5.4; the default) or bookworm (systemd 252; the demo stack is plain user services)")
	stack := c.Flags().Bool("stack", false, "also start the demo stack and wait until it answers")
	images := c.Flags().Bool("images", false, "also put the demo stack's images there, without starting it")
	c.RunE = func(c *cobra.Command, _ []string) error {
		say := say()
		h, err := lab.Up(c.Context(), lab.Options{Name: *name, Suite: *suite, Rootfs: *rootfs, Stack: *stack, Images: *images, Say: say})
		if err == nil {
			say("host %s is up", h.Name)
			if failed, err := h.Failed(c.Context()); err == nil && failed != "" {
				say("degraded; these units failed:\n%s", failed)
			}
		}
		return err
	}
	return c
}

func execute() *cobra.Command {
	c := &cobra.Command{Use: "exec -- COMMAND…", Short: "Run a command inside a host", Args: cobra.MinimumNArgs(1)}
	name := nameFlag(c)
	user := c.Flags().String("user", "", "account to run as (default root)")
	login := c.Flags().Bool("login", false, "run in a login session of its own")
	c.RunE = func(c *cobra.Command, args []string) error {
		h, err := lab.Find(*name)
		if err != nil {
			return err
		}
		e := lab.Exec{User: *user, Login: *login, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
		return asInside(h.Run(c.Context(), e, args...))
	}
	return c
}

// asInside makes the exit status of a command inside a host this program's.
func asInside(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return commandFailed{exitStatus(exit)}
	}
	return err
}

func install() *cobra.Command {
	c := &cobra.Command{Use: "install", Short: "Install keeper on a host as a user would", Args: cobra.NoArgs}
	name := nameFlag(c)
	var o lab.InstallOptions
	c.Flags().BoolVar(&o.System, "system", false, "as root, with root's part")
	c.Flags().BoolVar(&o.NoArmor, "no-armor", false, "with --system: leave the armor out")
	c.Flags().BoolVar(&o.Root, "root", false, "as root for the account, without root's part")
	c.Flags().StringVar(&o.Binary, "binary", "", "the program to install (default: keeper beside keeper-lab)")
	c.RunE = func(c *cobra.Command, _ []string) error {
		h, err := lab.Find(*name)
		if err != nil {
			return err
		}
		return h.Install(c.Context(), o, os.Stdout)
	}
	return c
}

// exitStatus is what a shell makes of it: a signal counts from 128.
func exitStatus(e *exec.ExitError) int {
	if ws, ok := e.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return e.ExitCode()
}

func down() *cobra.Command {
	c := &cobra.Command{Use: "down", Short: "End a host and remove all of it", Args: cobra.NoArgs}
	name := nameFlag(c)
	c.RunE = func(*cobra.Command, []string) error { return lab.Down(*name) }
	return c
}

func demo() *cobra.Command {
	c := &cobra.Command{Use: "demo", Short: "Show the founding incident and what follows", Args: cobra.NoArgs}
	without := c.Flags().Bool("without-keeper", false, "strike with linger alone")
	binary := c.Flags().String("binary", "", "the program to install (default: keeper beside keeper-lab)")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return lab.Demo(c.Context(), lab.DemoOptions{WithoutKeeper: *without, Binary: *binary, Out: os.Stdout})
	}
	return c
}

func list() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "Show the hosts there are", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			hosts, err := lab.List()
			if err != nil {
				return err
			}
			if len(hosts) == 0 {
				fmt.Fprintln(os.Stderr, "no host is there; boot one with: keeper-lab up")
				return nil
			}
			w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "NAME\tSUITE\tSTATE")
			for _, h := range hosts {
				fmt.Fprintf(w, "%s\t%s\t%s\n", h.Name, h.Suite, h.State())
			}
			return w.Flush()
		}}
}
