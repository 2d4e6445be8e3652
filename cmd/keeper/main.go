// Command keeper keeps a rootless Podman stack alive beyond its sessions.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"keeper/internal/cli"
	"keeper/internal/term"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Main(ctx, os.Args[1:], term.IO{Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}
