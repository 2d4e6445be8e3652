// Command keeper-adopt is what `keeper adopt` runs: all that links Podman's
// bindings and reads Compose files, apart from the daemon.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"keeper/internal/adoptcli"
	"keeper/internal/term"
)

func main() {
	// A terminal that goes away must not end an adoption half-way.
	signal.Ignore(syscall.SIGHUP)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := adoptcli.Main(ctx, os.Args[1:], term.IO{Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}
