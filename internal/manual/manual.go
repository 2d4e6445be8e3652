// Package manual says in man pages, completions and reference pages what the code
// knows: commands, flags, exit codes, settings, places, checks. The commands' own help
// is the source; what is not in it is not in the manual either.
package manual

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"keeper/internal/adoptcli"
	"keeper/internal/cli"
	"keeper/internal/guardcli"
)

// Commands is the tree of all commands as a user types them: that of keeper, with adopt
// and guard as the programs that keeper hands over to know them.
func Commands() *cobra.Command {
	root := cli.Commands()
	for _, c := range root.Commands() {
		if c.Name() == "adopt" || c.Name() == "guard" {
			root.RemoveCommand(c)
		}
	}
	adopt := adoptcli.Commands()
	for _, c := range adopt.Commands() {
		if c.Name() == "adopt" {
			adopt.RemoveCommand(c)
			root.AddCommand(c)
		}
	}
	root.AddCommand(guardcli.Commands())
	return root
}

// Shown are the commands that the manual has a page for, each after the one it belongs
// to: not those that nobody types, nor help, which says what the manual says.
func Shown(root *cobra.Command) []*cobra.Command {
	list := []*cobra.Command{root}
	if root.Name() == "completion" {
		return list // one page for all shells
	}
	for _, c := range sub(root) {
		list = append(list, Shown(c)...)
	}
	return list
}

// sub are the commands below one that are shown, by name.
func sub(c *cobra.Command) []*cobra.Command {
	list := slices.DeleteFunc(slices.Clone(c.Commands()), func(c *cobra.Command) bool {
		return c.Hidden || c.Name() == "help" || c.Name() == "completion" && c.Parent().HasParent()
	})
	slices.SortFunc(list, func(a, b *cobra.Command) int { return strings.Compare(a.Name(), b.Name()) })
	return list
}

// typed is what a user types for a command: keeper guard status.
func typed(c *cobra.Command) string {
	if c.HasParent() {
		return typed(c.Parent()) + " " + c.Name()
	}
	return c.Name()
}

// page is the name of a command's man page: keeper-guard-status.
func page(c *cobra.Command) string { return strings.ReplaceAll(typed(c), " ", "-") }
