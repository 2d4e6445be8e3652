// Package compile has the library of Podman's own generator read unit files.
package compile

import (
	_ "github.com/containers/podman/v5/pkg/systemd/parser"  // the first tenant comes next
	_ "github.com/containers/podman/v5/pkg/systemd/quadlet" // the first tenant comes next
)
