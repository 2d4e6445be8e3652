package core

import (
	"testing"
	"time"
)

func TestHelpers(t *testing.T) {
	dead := HelpersSeen{Dead: []string{"pasta"}}
	both := HelpersSeen{Dead: []string{"pasta", "aardvark-dns"}}
	look := step{after: helperSettle, e: Wake{}, want: "look-helpers"}
	tell(t, map[string]tale{
		"a hint is looked at in a moment": {steps: after(runs("db"),
			step{e: HelperHint{}},
			step{after: helperSettle / 2, e: HelperHint{}},
			step{after: helperSettle/2 - 1, e: Wake{}},
			step{after: 1, e: Wake{}, want: "look-helpers"},
			step{e: HelpersSeen{}},
			step{after: 2 * helperSettle, e: Wake{}},
		)},
		"dead, and still dead": {steps: after(runs("db"),
			step{e: HelperHint{}}, look,
			step{e: dead}, look,
			step{e: dead, want: "mend-network", reason: "pasta died"},
			step{e: NetworkMended{}}, look,
			step{e: HelpersSeen{}},
		)},
		// The last container of a network takes them along, before its traces.
		"dead for a moment": {steps: after(runs("db"),
			step{e: HelperHint{}}, look,
			step{e: dead}, look,
			step{e: HelpersSeen{}},
			step{e: HelperHint{}}, look,
			step{e: dead}, look,
			step{e: dead, want: "mend-network"},
		)},
		"another one died meanwhile": {steps: after(runs("db"),
			step{e: dead}, look,
			step{e: both}, look,
			step{e: both, want: "mend-network", reason: "pasta and aardvark-dns died"},
		)},
		"one mending at a time": {steps: after(runs("db"),
			step{e: dead}, look,
			step{e: dead, want: "mend-network"},
			step{e: HelperHint{}}, look,
			step{e: dead},
			step{e: both},
			step{after: time.Minute, e: Wake{}, want: "look-manager"},
			step{e: NetworkMended{}},
		)},
		"a mending that failed": {steps: after(runs("db"),
			step{e: dead}, look,
			step{e: dead, want: "mend-network"},
			step{e: NetworkMended{Err: "timeout"}, want: "note:try to mend the networks again later", reason: "timeout"},
			look,
			step{e: dead},
			// Hints make it no faster.
			step{e: HelperHint{}}, look,
			step{e: dead},
			step{after: mendWait, e: Wake{}, want: "look-helpers"},
			step{e: dead, want: "mend-network"},
			// It is said once.
			step{e: NetworkMended{Err: "timeout"}},
			look,
			step{e: HelpersSeen{}},
			// Another case, months later.
			step{e: dead}, look,
			step{e: dead, want: "mend-network"},
			step{e: NetworkMended{Err: "timeout"}, want: "note:try to mend the networks again later"},
		)},
		"not while keeper stands down": {steps: after(runs("db"),
			step{e: StandDownSeen{paused}, want: "note:stand down"},
			step{e: dead}, look,
			step{e: dead},
			step{e: StandDownSeen{}, want: "note:stand up | look-linger"},
			step{e: LingerSeen{On: true}},
			step{after: LookEvery, e: Wake{}, want: "look-linger | look-units | look-manager"}, look,
			step{e: dead, want: "mend-network"},
		)},
		"not while the machine goes down": {steps: after(runs("db"),
			step{e: PrepareForShutdown{Active: true}, want: "note:leave everything as it is | release-delay"},
			step{e: dead}, look,
			step{e: dead},
		)},
		"not before the marks were seen": {steps: []step{
			{e: list(service("db", "active"))},
			{e: dead}, look,
			{e: dead},
		}},
		"not while the user manager is away": {steps: after(runs("db"),
			step{e: ManagerDown{Err: "gone"}, want: "note:wait for the user manager"},
			step{e: dead}, look,
			step{e: dead},
		)},
	})
}

// Podman says that all is well, and a helper stays dead: its traces are wrong,
// or it dies at once. Podman is not run in a tight loop for that.
func TestHelpersThatStayDead(t *testing.T) {
	t.Parallel()
	for name, outcome := range map[string]NetworkMended{"mended, it says": {}, "failed": {Err: "no"}} {
		y := newStory(t)
		y.play(runs("db")...)
		var queue []Event
		mends, decided := 0, 0
		queue = append(queue, HelperHint{})
		for y.now.Before(noon.Add(time.Hour)) {
			var e Event = Wake{}
			if len(queue) > 0 {
				e, queue = queue[0], queue[1:]
			} else {
				y.now = y.s.Next
			}
			var actions []Action
			y.s, actions = Decide(y.s, e, y.now)
			for _, a := range actions {
				if a.Decided() {
					decided++
				}
				switch a.Kind {
				case LookHelpers:
					queue = append(queue, HelpersSeen{Dead: []string{"pasta"}})
				case MendNetwork:
					// The mending itself makes and ends scopes.
					queue = append(queue, HelperHint{}, outcome, HelperHint{})
					if mends++; mends > 100 {
						t.Fatalf("%s: mended in a tight loop: %d times by %v", name, mends, y.now.Sub(noon))
					}
				case LookLinger:
					queue = append(queue, LingerSeen{On: true})
				}
			}
		}
		if mends < 10 || mends > 25 || decided > 3 {
			t.Errorf("%s: mended %d times in an hour, with %d decisions", name, mends, decided)
		}
	}
}

func TestManagerStopped(t *testing.T) {
	tell(t, map[string]tale{
		"all is well": {steps: after(runs("db"),
			step{after: managerEvery - 1, e: Wake{}},
			step{after: 1, e: Wake{}, want: "look-manager"},
			step{e: ManagerSeen{}},
			step{after: managerEvery, e: Wake{}, want: "look-manager"},
		)},
		"stopped, and continued": {steps: after(runs("db"),
			step{after: managerEvery, e: Wake{}, want: "look-manager"},
			step{e: ManagerSeen{Stopped: true}, want: "wake-manager", reason: "somebody stopped it"},
			step{e: ManagerWoken{}},
			step{after: time.Second, e: Wake{}, want: "look-manager"},
			step{e: ManagerSeen{}},
		)},
		"it cannot be continued": {steps: after(runs("db"),
			step{after: managerEvery, e: Wake{}, want: "look-manager"},
			step{e: ManagerSeen{Stopped: true}, want: "wake-manager"},
			step{e: ManagerWoken{Err: "operation not permitted"}, want: "note:leave the user manager as it is", reason: "not permitted"},
			step{after: time.Second, e: Wake{}, want: "look-manager"},
			step{e: ManagerSeen{Stopped: true}, want: "wake-manager"},
			step{e: ManagerWoken{Err: "operation not permitted"}},
		)},
		"not while keeper stands down": {steps: after(runs("db"),
			step{e: StandDownSeen{paused}, want: "note:stand down"},
			step{after: managerEvery, e: Wake{}, want: "look-manager"},
			step{e: ManagerSeen{Stopped: true}},
			step{after: managerEvery, e: Wake{}, want: "look-manager"},
		)},
		"not before the marks were seen": {steps: []step{
			{e: LogindUp{}, want: "take-delay | look-linger"},
			{after: managerEvery, e: Wake{}, want: "look-manager"},
			{e: ManagerSeen{Stopped: true}},
			{e: StandDownSeen{}},
			{after: managerEvery, e: Wake{}, want: "look-manager"},
			{e: ManagerSeen{Stopped: true}, want: "wake-manager"},
		}},
	})
}

// A manager that is stopped again and again, or cannot be continued, is one
// decision and a look each second.
func TestManagerThatStaysStopped(t *testing.T) {
	t.Parallel()
	y := newStory(t)
	y.play(runs("db")...)
	decided, wakes := 0, 0
	for y.now.Before(noon.Add(10 * time.Minute)) {
		y.now = y.s.Next
		for _, e := range []Event{Wake{}, ManagerSeen{Stopped: true}, ManagerWoken{Err: "no"}} {
			var actions []Action
			y.s, actions = Decide(y.s, e, y.now)
			for _, a := range actions {
				if a.Decided() {
					decided++
				}
				if a.Kind == WakeManager {
					wakes++
				}
			}
		}
	}
	if decided > 3 || wakes > 700 || wakes < 100 {
		t.Errorf("in ten minutes: %d times, with %d decisions", wakes, decided)
	}
}
