package app

import "keeper/internal/netns"

// socketsFD is where the daemon put the socket of its helper.
const socketsFD = 3

// Sockets is the helper that the daemon runs inside Podman's user namespace.
func Sockets() error { return netns.Serve(socketsFD) }
