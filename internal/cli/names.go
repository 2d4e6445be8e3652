package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"keeper/internal/config"
	"keeper/internal/control"
	"keeper/internal/term"
)

// serviceNames are the units of the services that the daemon knows, or knew when
// it was last heard of.
func serviceNames(st control.Status) []string {
	var names []string
	for _, v := range st.Services {
		names = append(names, v.Name)
	}
	if names == nil {
		for _, u := range st.Units {
			if u.Runs() {
				names = append(names, u.Name)
			}
		}
	}
	return names
}

// pick returns the units that the arguments name, each once. A name that is not
// there is wrong use.
func pick(args, names []string, see string) ([]string, error) {
	var units []string
	for _, arg := range args {
		unit := strings.TrimSuffix(arg, ".service") + ".service"
		if !slices.Contains(names, unit) {
			return nil, unknown(arg, names, see)
		}
		if !slices.Contains(units, unit) {
			units = append(units, unit)
		}
	}
	return units, nil
}

// unknown is the wrong use of a name that no service has; see is what to look at
// if nobody can guess what was meant.
func unknown(arg string, names []string, see string) error {
	bare := make([]string, len(names))
	for i, n := range names {
		bare[i] = strings.TrimSuffix(n, ".service")
	}
	slices.Sort(bare)
	guess := config.Guess(strings.TrimSuffix(arg, ".service"), bare)
	if len(bare) == 0 {
		guess = "; none is known"
	}
	if !strings.HasSuffix(guess, "?") {
		guess += "; see: " + see
	}
	return term.Exit{Code: term.ExitUsage, Err: fmt.Errorf("there is no service %q%s", arg, guess)}
}

// completeServices is what the shell offers in place of a service's name.
func completeServices(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	if st, err := getStatus(c.Context()); err == nil || errors.Is(err, control.ErrUnreachable) {
		for _, n := range serviceNames(st) {
			n = strings.TrimSuffix(n, ".service")
			if !slices.Contains(args, n) {
				names = append(names, n)
			}
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// list is names for a sentence: redis, django.
func list(units []string) string {
	names := make([]string, len(units))
	for i, u := range units {
		names[i] = strings.TrimSuffix(u, ".service")
	}
	return strings.Join(names, ", ")
}

// words is names for a command line: redis django.
func words(units []string) string { return strings.ReplaceAll(list(units), ", ", " ") }
