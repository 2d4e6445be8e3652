// Package config reads keeper.toml.
package config

import _ "github.com/pelletier/go-toml/v2" // the first tenant comes next
