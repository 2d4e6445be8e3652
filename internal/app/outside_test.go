package app

import (
	"context"
	"fmt"
	"testing"

	"keeper/internal/units"
)

// An account that was locked is not well again because the user manager hangs.
func TestLastKnown(t *testing.T) {
	t.Parallel()
	var out string
	var err error
	ask := lastKnown(func(context.Context, []string) (string, error) { return out, err })
	hangs := fmt.Errorf("%w: it hangs", units.ErrNotRun)
	for n, tt := range []struct {
		program, says string
		err           error
		want          string
		fails         bool
	}{
		{"passwd", "", hangs, "", true}, // nothing was ever known
		{"passwd", "app L", nil, "app L", false},
		{"chage", "", hangs, "", true},
		{"passwd", "", hangs, "app L", false},
		{"passwd", "", context.DeadlineExceeded, "app L", false},
		{"passwd", "app P", nil, "app P", false},
		{"passwd", "", exitStatus(1), "", true}, // it ran, and does not know
		{"passwd", "", hangs, "", true},
	} {
		out, err = tt.says, tt.err
		if got, err := ask(t.Context(), []string{tt.program, "-S", "app"}); got != tt.want || (err != nil) != tt.fails {
			t.Errorf("%d: %s says %q, %v; got %q, %v", n, tt.program, tt.says, tt.err, got, err)
		}
	}
}
