// Package docs carries the page that keeper.toml(5) is made of.
package docs

import _ "embed"

// Settings is reference/settings.md.
//
//go:embed reference/settings.md
var Settings string
