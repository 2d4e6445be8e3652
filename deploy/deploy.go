// Package deploy carries the files that put keeper and the demo stack on a
// host, so that a program can bring them along.
package deploy

import "embed"

// Files holds the installer and the demo stack.
//
//go:embed all:demo install.sh
var Files embed.FS
