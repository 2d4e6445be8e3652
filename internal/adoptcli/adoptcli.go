// Package adoptcli is the command line of keeper-adopt: data on stdout, talk on
// stderr.
package adoptcli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"keeper/internal/adopt"
	"keeper/internal/containers"
	"keeper/internal/paths"
	"keeper/internal/podman"
	"keeper/internal/probe"
	"keeper/internal/term"
	"keeper/internal/units"
)

// Release is the version of this build; the linker sets it.
var Release = "dev"

// Main runs the command line and returns the exit code.
func Main(ctx context.Context, args []string, to term.IO) int {
	root := newRoot(to)
	root.SetArgs(args)
	return term.Code(root.ExecuteContext(ctx), "keeper", to)
}

// Commands is the tree of commands, for the manual and its tests: nothing of it runs.
func Commands() *cobra.Command { return newRoot(term.IO{Out: io.Discard, Err: io.Discard}) }

func newRoot(to term.IO) *cobra.Command {
	root := &cobra.Command{
		Use: "keeper-adopt", Short: "What keeper adopt runs", SilenceErrors: true, SilenceUsage: true, Version: Release,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetOut(to.Out)
	root.SetErr(to.Err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	root.AddCommand(adoptCommand(to), writeCommand(to), driftCommand(to), settleCommand(to), exchangeCommand(), sendCommand(to))
	return root
}

func usage(err error) error {
	return term.Exit{Code: term.ExitUsage, Err: fmt.Errorf("%w; see: keeper adopt --help", err)}
}

// printJSON writes what programs read.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// open connects to all that adoption needs. Close what it returns.
func open(ctx context.Context, to term.IO) (*adopt.Adopter, func(), error) {
	a, closeUnits, err := openUnits(ctx, to)
	if err != nil {
		return nil, nil, err
	}
	client, err := dial(ctx, a.Units, socketOf(a))
	if err != nil {
		closeUnits()
		return nil, nil, err
	}
	a.Podman = client
	return a, func() { client.Close(); closeUnits() }, nil
}

// dial connects to Podman's service, and starts its socket where nobody listens:
// that costs no process until somebody connects. It is not stopped again, for
// another keeper-adopt may be using it by then.
func dial(ctx context.Context, manager adopt.Units, socket string) (*podman.Client, error) {
	client, err := podman.Dial(ctx, socket)
	// Nobody listens at one that an earlier life left behind.
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED) {
		return client, err
	}
	if l, lerr := manager.Loaded(ctx, "podman.socket"); lerr != nil || l.State != "loaded" {
		return nil, err // it says what to type
	}
	if serr := manager.StartAndWait(ctx, "podman.socket"); serr != nil {
		return nil, errors.Join(err, serr)
	}
	return podman.Dial(ctx, socket)
}

// socketOf is the socket of podman.socket(5): below $XDG_RUNTIME_DIR, as keeper's
// own.
func socketOf(a *adopt.Adopter) string {
	return filepath.Join(filepath.Dir(a.Places.Scratch), "podman", "podman.sock")
}

// openUnits connects to the user manager alone.
func openUnits(ctx context.Context, to term.IO) (*adopt.Adopter, func(), error) {
	uid := os.Getuid()
	if uid == 0 {
		return nil, nil, errors.New("keeper adopt is for an account that runs containers, not for root; type it as that account")
	}
	p, err := paths.Of(uid)
	if err != nil {
		return nil, nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, nil, fmt.Errorf("cannot tell where keeper-adopt is: %w", err)
	}
	config, err := os.UserConfigDir()
	if err != nil {
		return nil, nil, fmt.Errorf("cannot tell where units belong: %w", err)
	}
	conn, err := units.Dial(ctx, p.Runtime)
	if err != nil {
		return nil, nil, err
	}
	name := ""
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		name = u.Username
	}
	begin := time.Now()
	a := &adopt.Adopter{
		Units: conn, Processes: containers.Open(uid, name, p.Runtime, p.Storage), Answers: probe.TCP,
		Places: adopt.Places{
			Quadlets: filepath.Join(config, "containers", "systemd"),
			Others: []string{
				filepath.Join(p.Runtime, "containers", "systemd"),
				filepath.Join("/etc/containers/systemd/users", strconv.Itoa(uid)), "/etc/containers/systemd/users",
			},
			UserUnits: filepath.Join(config, "systemd", "user"),
			State:     p.State, Scratch: filepath.Join(p.Runtime, "keeper"), Copies: p.Copies,
			Generator: adopt.FindGenerator(), Self: self,
		},
		Say: func(format string, args ...any) {
			fmt.Fprintf(to.Err, "%6.1fs  %s\n", time.Since(begin).Seconds(), fmt.Sprintf(format, args...))
		},
	}
	return a, conn.Close, nil
}

func writeCommand(to term.IO) *cobra.Command {
	c := &cobra.Command{
		Use: "write NAME...", Short: "Write units for the next start of running containers (the daemon does this)",
		Args: cobra.MinimumNArgs(1), Hidden: true,
	}
	asJSON := c.Flags().Bool("json", false, "print JSON (version 1)")
	c.RunE = func(c *cobra.Command, names []string) error {
		a, done, err := open(c.Context(), to)
		if err != nil {
			return err
		}
		defer done()
		out, err := a.Write(c.Context(), names)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(to.Out, out)
		}
		for _, w := range out.Written {
			fmt.Fprintf(to.Out, "%s: %s, in force from the next start\n", w.Container, w.File)
		}
		for _, r := range out.Refused {
			fmt.Fprintf(to.Err, "%s: %s; type: %s\n", r.Container, r.Reason, r.Try)
		}
		if len(out.Refused) > 0 {
			return term.Exit{Code: term.ExitDegraded}
		}
		return nil
	}
	return c
}

func driftCommand(to term.IO) *cobra.Command {
	c := &cobra.Command{Use: "drift", Short: "Say where containers and units differ (the daemon and doctor do this)", Args: cobra.NoArgs, Hidden: true}
	asJSON := c.Flags().Bool("json", false, "print JSON (version 1)")
	c.RunE = func(c *cobra.Command, _ []string) error {
		a, done, err := open(c.Context(), to)
		if err != nil {
			if *asJSON {
				return printJSON(to.Out, adopt.DriftReport{Version: 1, Drift: []adopt.Drift{}, Watch: []string{}, Errors: []string{err.Error()}})
			}
			return err
		}
		defer done()
		report := a.Drift(c.Context())
		if *asJSON {
			return printJSON(to.Out, report)
		}
		for _, d := range report.Drift {
			fmt.Fprintf(to.Out, "%s, %s: the unit says %s, the %s %s\n", d.Unit, d.Field, or(d.UnitSays), d.Against, or(d.OtherSays))
		}
		for _, e := range report.Errors {
			fmt.Fprintln(to.Err, e)
		}
		return nil
	}
	return c
}

func or(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

func settleCommand(to term.IO) *cobra.Command {
	c := &cobra.Command{Use: "settle", Short: "End an adoption that was interrupted (the daemon does this)", Args: cobra.NoArgs, Hidden: true}
	c.RunE = func(c *cobra.Command, _ []string) error { return settle(c.Context(), to, false) }
	return c
}

func settle(ctx context.Context, to term.IO, back bool) error {
	a, done, err := open(ctx, to)
	if err != nil {
		return err
	}
	defer done()
	interrupted, err := adopt.Interrupted(a.Places.State)
	if err != nil {
		return err
	}
	if !interrupted {
		fmt.Fprintln(to.Err, "no adoption was interrupted: there is nothing to undo")
		return nil
	}
	forward, err := a.Settle(ctx, back)
	if err != nil {
		return err
	}
	if forward {
		fmt.Fprintln(to.Err, "the units came up: the adoption is complete")
	} else {
		fmt.Fprintln(to.Err, "everything is as it was before the adoption")
	}
	return nil
}

// exchangeCommand runs inside podman unshare.
func exchangeCommand() *cobra.Command {
	return &cobra.Command{
		Use: "exchange DIRECTORY DIRECTORY", Short: "Exchange the data of two volumes (keeper runs this inside podman unshare)",
		Args: cobra.ExactArgs(2), Hidden: true,
		RunE: func(_ *cobra.Command, args []string) error { return exchange(args[0], args[1]) },
	}
}

// exchange has two directories change places (RENAME_EXCHANGE of rename(2)), and
// makes sure that this outlives a power cut.
func exchange(one, other string) error {
	for _, path := range []string{one, other} {
		if !filepath.IsAbs(path) || filepath.Base(path) != "_data" || strings.Contains(path, "..") {
			return usage(fmt.Errorf("%s is not the data of a volume", path))
		}
	}
	if err := unix.Renameat2(unix.AT_FDCWD, one, unix.AT_FDCWD, other, unix.RENAME_EXCHANGE); err != nil {
		return fmt.Errorf("cannot exchange %s and %s: %w", one, other, err)
	}
	for _, path := range []string{one, other} {
		d, err := os.Open(filepath.Dir(path))
		if err == nil {
			err = errors.Join(d.Sync(), d.Close())
		}
		if err != nil {
			return fmt.Errorf("%s and %s are exchanged, but not safely on disk: %w", one, other, err)
		}
	}
	return nil
}
