package cli

import (
	"io/fs"
	"regexp"
	"testing"
	"time"

	"keeper/systemd"
)

// What keeper gives up by itself systemd need not kill: the unit would be failed,
// and there would be no last act.
func TestLimitsAreBelowThoseOfTheUnit(t *testing.T) {
	t.Parallel()
	unit, err := fs.ReadFile(systemd.Files, "keeper-session.service")
	if err != nil {
		t.Fatal(err)
	}
	for key, limit := range map[string]time.Duration{"TimeoutStartSec": recoverLimit, "TimeoutStopSec": rearmLimit} {
		m := regexp.MustCompile(`(?m)^` + key + `=(\d+)$`).FindSubmatch(unit)
		if m == nil {
			t.Errorf("keeper-session.service has no %s in seconds", key)
			continue
		}
		if most, err := time.ParseDuration(string(m[1]) + "s"); err != nil || limit >= most {
			t.Errorf("%s is %s, and keeper takes up to %s", key, most, limit)
		}
	}
}
