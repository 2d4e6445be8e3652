package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

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
			return nil, term.Exit{Code: term.ExitUsage, Err: fmt.Errorf("%w; see: %s --help", unknown(arg, names), see)}
		}
		if !slices.Contains(units, unit) {
			units = append(units, unit)
		}
	}
	return units, nil
}

// unknown says that there is no such service, and what there is.
func unknown(arg string, names []string) error {
	if len(names) == 0 {
		return fmt.Errorf("there is no service %q; none is known", arg)
	}
	guess, best := "", 3 // more is another word
	var list []string
	for _, n := range names {
		n = strings.TrimSuffix(n, ".service")
		list = append(list, n)
		d := distance(strings.ToLower(strings.TrimSuffix(arg, ".service")), strings.ToLower(n))
		if d < best && d < len(n) {
			guess, best = n, d
		}
	}
	slices.Sort(list)
	there := strings.Join(list, ", ")
	if guess != "" {
		return fmt.Errorf("there is no service %q; did you mean %s? There are: %s", arg, guess, there)
	}
	return fmt.Errorf("there is no service %q; there are: %s", arg, there)
}

// distance is how many letters must be put in, left out or replaced to make one
// word of the other (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost++
			}
			before = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
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
