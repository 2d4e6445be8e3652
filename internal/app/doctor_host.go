package app

import (
	"context"

	"keeper/internal/core"
	"keeper/internal/paths"
)

// examineHost looks at what the machine and the account give.
func examineHost(context.Context, paths.Paths) core.HostFacts { return core.HostFacts{} }
