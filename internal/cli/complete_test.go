package cli

import (
	"slices"
	"testing"

	"github.com/spf13/cobra"
)

// What another program prints is taken whole, or not at all.
func TestParseCompletions(t *testing.T) {
	t.Parallel()
	for out, want := range map[string][]string{
		"claude\ncodex\tOpenAI's\n:4\n": {"claude", "codex\tOpenAI's"},
		":4\n":                          {},
		"":                              nil,
		"keeper: it went wrong\n":       nil,
		"claude\n:four\n":               nil,
	} {
		got, directive := parseCompletions([]byte(out))
		if !slices.Equal(got, want) || (directive == cobra.ShellCompDirectiveError) != (want == nil) {
			t.Errorf("%q: %q, %d", out, got, directive)
		}
	}
}
