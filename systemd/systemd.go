// Package systemd carries the units that keeper ships.
package systemd

import "embed"

// Files holds the user units and drop-ins, and below system/ root's part.
//
//go:embed *.service *.conf system
var Files embed.FS
