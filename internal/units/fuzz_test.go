package units

import (
	"net"
	"testing"
	"time"

	"keeper/internal/core"
)

// FuzzProperties takes what the manager says of a unit, or what does not fit what it
// should say.
func FuzzProperties(f *testing.F) {
	f.Add("Job", uint32(7), uint64(1), "podman", "run", "--name=x")
	f.Add("TimeoutStopUSec", uint32(0), ^uint64(0), "", "", "")
	f.Add("ExecStart", uint32(0), uint64(1)<<63, "/usr/bin/podman", "pod", "create")
	f.Fuzz(func(t *testing.T, key string, n uint32, us uint64, a, b, c string) {
		argv := []string{a, b, c}
		for _, value := range []any{nil, n, us, a, argv, []any{n, a}, [][]any{{a, argv}, {}, {a}, {a, n}}, map[string]any{a: b}} {
			p := map[string]any{"Type": a, "MainPID": n, "TimeoutStopUSec": us, "After": argv, key: value}
			u := core.Unit{Name: "x.service"}
			fillUnit(&u, p)
			fillService(&u, p)
			if u.StopLimit < 0 || u.StopLimit > 24*time.Hour || u.MainPID < 0 {
				t.Errorf("%s=%v: stop limit %v, main process %d", key, value, u.StopLimit, u.MainPID)
			}
			for _, port := range u.Ports {
				if _, _, err := net.SplitHostPort(port); err != nil {
					t.Errorf("%q publishes %q: %v", argv, port, err)
				}
			}
			if id, path := jobOf(p); id == 0 && u.Job {
				t.Errorf("%s=%v: a job without an id, %s", key, value, path)
			}
			_, _, _ = enabled(p), realtime(p, key), monotonic(p, key)
		}
	})
}
