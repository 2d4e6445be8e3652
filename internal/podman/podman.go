// Package podman is the only importer of the Podman bindings.
package podman

import _ "github.com/containers/podman/v5/pkg/bindings/containers" // the first tenant comes next
