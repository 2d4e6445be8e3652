package app

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"keeper/internal/standdown"
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
		fails, asked  bool
	}{
		{"passwd", "", hangs, "", true, false}, // nothing was ever known
		{"passwd", "app L", nil, "app L", false, true},
		{"chage", "", hangs, "", true, false},
		{"passwd", "", hangs, "app L", true, false},
		{"passwd", "", context.DeadlineExceeded, "app L", true, false},
		{"passwd", "app P", nil, "app P", false, true},
		{"passwd", "", exitStatus(1), "", true, true}, // it ran, and does not know
		{"passwd", "", hangs, "", true, false},
	} {
		out, err = tt.says, tt.err
		if got, err := ask(t.Context(), []string{tt.program, "-S", "app"}); got != tt.want || (err != nil) != tt.fails || errors.Is(err, standdown.ErrNotAsked) == tt.asked {
			t.Errorf("%d: %s says %q, %v; got %q, %v", n, tt.program, tt.says, tt.err, got, err)
		}
	}
}
