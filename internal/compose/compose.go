// Package compose reads Compose files.
package compose

import (
	_ "github.com/compose-spec/compose-go/v2/cli"   // the first tenant comes next
	_ "github.com/compose-spec/compose-go/v2/types" // the first tenant comes next
)
