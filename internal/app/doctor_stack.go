package app

import (
	"context"

	"keeper/internal/core"
	"keeper/internal/paths"
)

// examineStack looks at what the services' files and units say. Of h it goes by the units
// and the containers, which were looked at before.
func examineStack(context.Context, paths.Paths, core.Health) core.StackFacts {
	return core.StackFacts{}
}
