package cli

import (
	"testing"

	"keeper/internal/core"
)

// The worst stands last, where the eye is; what is alike keeps its order.
func TestFindings(t *testing.T) {
	t.Parallel()
	list := []core.Finding{
		{ID: "a", Severity: core.Bad, What: "first bad", Means: "that hurts", Fix: "mend it"},
		{ID: "b", Severity: core.Good, What: "first good"},
		{ID: "c", Severity: core.Warn, What: "a warning", Means: "not all is lost"},
		{ID: "d", Severity: core.Bad, What: "second bad", Fix: "mend that, too"},
		{ID: "e", Severity: core.Info, What: "to be known"},
		{ID: "f", Severity: core.Good, What: "second good"},
	}
	const want = `good  first good
good  second good
info  to be known
warn  a warning
      not all is lost
bad   first bad
      that hurts
      type: mend it
bad   second bad
      type: mend that, too
`
	if got := (renderer{}).findings(list); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got := (renderer{}).findings(nil); got != "" {
		t.Errorf("of nothing: %q", got)
	}
}
