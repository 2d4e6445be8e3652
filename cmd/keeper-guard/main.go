// Command keeper-guard is what `keeper guard` runs, and what an agent runs before each
// of its commands: it starts in milliseconds, and links neither Podman nor the daemon.
package main

import (
	"os"

	"keeper/internal/guardcli"
	"keeper/internal/term"
)

func main() {
	os.Exit(guardcli.Main(os.Args[1:], os.Stdin, term.IO{Out: os.Stdout, Err: os.Stderr}))
}
