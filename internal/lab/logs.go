package lab

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// LogOptions say what Logs shows.
type LogOptions struct {
	// User shows the journal of the account's own services, not the host's.
	User bool
	// Follow goes on until the context ends, or the host does.
	Follow bool
	// Args are more arguments for journalctl; if there are none, the present
	// boot is shown.
	Args []string
}

// Logs writes the host's journal to out. A host without a first process, as one
// that is off, has no journal that could be asked: its console is written.
func (h *Host) Logs(ctx context.Context, o LogOptions, out, errs io.Writer) error {
	if h.State() != StateUp {
		fmt.Fprintf(errs, "host %s is %s; this is its console:\n", h.Name, h.State())
		console, err := h.console()
		if err == nil {
			_, err = io.WriteString(out, console)
		}
		return err
	}
	argv := []string{"journalctl", "--no-pager"}
	e := Exec{Stdout: out, Stderr: errs}
	if o.User {
		e.User = User
		argv = append(argv, "--user")
	}
	if o.Follow {
		argv = append(argv, "--follow")
	}
	if len(o.Args) == 0 {
		argv = append(argv, "--boot")
	}
	err := h.Run(ctx, e, append(argv, o.Args...)...)
	if o.Follow && (ctx.Err() != nil || h.State() != StateUp) {
		err = nil // that is how following ends
	}
	return err
}

// console returns what the host and nspawn printed, all boots of it.
func (h *Host) console() (string, error) {
	data, err := os.ReadFile(filepath.Join(h.dir, "console.log"))
	if err != nil {
		return "", fmt.Errorf("host %s has printed nothing: %w", h.Name, err)
	}
	return strings.ReplaceAll(string(data), "\r", ""), nil
}
