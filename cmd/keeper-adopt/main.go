// Command keeper-adopt is what `keeper adopt` runs: all that links Podman's
// bindings and reads Compose files, apart from the daemon.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/sirupsen/logrus"

	"keeper/internal/adoptcli"
	"keeper/internal/term"
)

func main() {
	// The libraries of Podman and Compose log what keeper says itself, or nobody
	// needs to know.
	logrus.SetOutput(io.Discard)
	// A terminal that goes away must not end an adoption half-way.
	signal.Ignore(syscall.SIGHUP)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := adoptcli.Main(ctx, os.Args[1:], term.IO{Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}
