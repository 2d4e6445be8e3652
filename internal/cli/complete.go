package cli

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"keeper/internal/app"
	"keeper/internal/control"
	"keeper/internal/paths"
)

// completeWait is how long another program may take to say what may stand there: a
// person waits with a finger on the key.
const completeWait = 2 * time.Second

// maxComplete bounds what is taken of its answer.
const maxComplete = 64 << 10

// completeBy asks a program of keeper's what may stand next on the command line that it
// would be given: the words, and the begin of another. Where it cannot say, nothing is
// offered.
func completeBy(ctx context.Context, program string, words []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	file, err := app.Beside(program)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	if ctx == nil { // cobra has none where it completes by itself
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, completeWait)
	defer cancel()
	cmd := exec.CommandContext(ctx, file, slices.Concat([]string{cobra.ShellCompRequestCmd}, words, []string{toComplete})...)
	cmd.WaitDelay = completeWait
	out, err := cmd.Output()
	if err != nil || len(out) > maxComplete {
		return nil, cobra.ShellCompDirectiveError
	}
	return parseCompletions(out)
}

// parseCompletions reads what cobra's __complete prints: a line for each, then ":N" with
// the directive.
func parseCompletions(out []byte) ([]string, cobra.ShellCompDirective) {
	lines := strings.Split(string(bytes.TrimSpace(out)), "\n")
	last := len(lines) - 1
	number, is := strings.CutPrefix(lines[last], ":")
	n, err := strconv.Atoi(number)
	if !is || err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return lines[:last], cobra.ShellCompDirective(n)
}

// completeAdopt is keeper-adopt's flags, and the containers that have no unit.
func completeAdopt(c *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	list, directive := completeBy(c.Context(), paths.Helper, append([]string{"adopt"}, args...), toComplete)
	if directive != cobra.ShellCompDirectiveNoFileComp || strings.HasPrefix(toComplete, "-") || slices.Contains(args, "--compose") {
		return list, directive
	}
	st, err := getStatus(c.Context())
	if err != nil && !errors.Is(err, control.ErrUnreachable) {
		return list, directive
	}
	for _, u := range st.Unkept {
		if !slices.Contains(args, u.Name) {
			list = append(list, u.Name)
		}
	}
	return list, directive
}

// completeGuard is what keeper-guard knows.
func completeGuard(c *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	return completeBy(c.Context(), paths.Guard, args, toComplete)
}

// completeChannels are the names of the alert channels in the settings.
func completeChannels(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	if _, s, err := alertSettings(); err == nil {
		for _, ch := range s.Channels {
			if !slices.Contains(args, ch.Name) {
				names = append(names, ch.Name)
			}
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeFiles is for commands whose arguments are files.
func completeFiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}
