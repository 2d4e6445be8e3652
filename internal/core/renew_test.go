package core

import (
	"testing"
	"time"
)

// The runtime state of Podman's was removed under what runs.
func TestRenew(t *testing.T) {
	orphaned := HelpersSeen{Orphaned: true}
	look := step{after: helperSettle, e: Wake{}, want: "look-helpers"}
	down := list(service("db", "inactive"))
	up := list(service("db", "active"))
	tell(t, map[string]tale{
		"seen twice, stopped, and started again": {steps: after(runs("db"),
			step{e: HelperHint{}}, look,
			step{e: orphaned}, look,
			step{e: orphaned, want: "renew-runtime", reason: "their ports are dead"},
			// The stop is keeper's own, and nothing is started while it lasts.
			step{e: StopAsked{Name: "db.service"}},
			step{e: down},
			step{e: RuntimeRenewed{}, want: "start-units"},
			step{e: UnitsStarted{Units: []string{"db.service"}}},
			step{e: up},
			look,
			step{e: HelpersSeen{}},
		)},
		"seen for a moment": {steps: after(runs("db"),
			step{e: orphaned}, look,
			step{e: HelpersSeen{}},
			step{e: orphaned}, look,
			step{e: orphaned, want: "renew-runtime"},
		)},
		"it does not help: later and later": {steps: after(runs("db"),
			step{e: orphaned}, look,
			step{e: orphaned, want: "renew-runtime"},
			step{e: RuntimeRenewed{Err: "no"}, want: "note:leave Podman's runtime state to a person"}, look,
			step{e: orphaned},
			step{after: time.Minute, e: Wake{}, want: "look-helpers | look-manager"},
			step{e: orphaned, want: "renew-runtime"},
		)},
		"refused, and a person stops it": {steps: after(runs("db"),
			step{e: orphaned}, look,
			step{e: orphaned, want: "renew-runtime"},
			step{e: RuntimeRenewed{Units: []string{"db.service"}, Err: "no"}, want: "note:leave Podman's runtime state to a person"}, look,
			step{e: StopAsked{Name: "db.service"}},
			step{e: down, want: "look-units"},
		)},
		"not while keeper stands down": {steps: after(runs("db"),
			step{e: StandDownSeen{StandDown{Cause: CausePaused, Detail: "for a while"}}, want: "note:stand down"},
			step{e: orphaned},
			step{e: orphaned},
		)},
		"nothing runs": {steps: after(runs(),
			step{e: orphaned}, look,
			step{e: orphaned},
		)},
	})
}
