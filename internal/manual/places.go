package manual

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// Place is a file or directory that keeper reads or writes.
type Place struct {
	Path, What string
	// Who writes it; Mode is that of a file that keeper makes.
	Who, Mode string
	// Gone says what happens where it is removed.
	Gone string
	// Of are the commands whose pages name it.
	Of []string
}

// Places are all there are, outside of Podman's own.
func Places() []Place {
	return []Place{
		{Path: "~/.config/keeper/keeper.toml", What: "the settings of the account; see keeper.toml(5)", Who: "people"},
	}
}

// placesOf are those that the page of a command names.
func placesOf(c *cobra.Command) []Place {
	return slices.DeleteFunc(Places(), func(p Place) bool {
		return len(p.Of) > 0 && c.HasParent() && !slices.ContainsFunc(p.Of, func(of string) bool {
			return strings.HasPrefix(typed(c)+" ", "keeper "+of+" ")
		})
	})
}
