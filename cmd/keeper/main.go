// Command keeper keeps a rootless Podman stack alive beyond its sessions.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"keeper/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Main(ctx, os.Args[1:], cli.IO{Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}
