// Package systemd carries the units that keeper ships.
package systemd

import "embed"

// Files holds the user units and drop-ins.
//
//go:embed *.service *.conf
var Files embed.FS
