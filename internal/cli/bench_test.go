package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"keeper/internal/control"
	"keeper/internal/core"
)

// BenchmarkStatus renders a status with 200 units. The number to look at is
// x-json: how many times as long as marshalling the same status to JSON it
// takes, measured in the same run, so that it can be compared between machines.
func BenchmarkStatus(b *testing.B) {
	now := time.Unix(1_700_000_000, 0)
	st := control.Status{Version: 1, At: now, User: "alice", UID: 1000, Linger: control.Linger{State: core.LingerOn, Since: now},
		Daemon: control.Daemon{Release: "1.2.3", PID: 42, Since: now}, Rearm: control.Rearm{Armed: true}}
	for i := range 200 {
		st.Units = append(st.Units, core.Unit{
			Name: fmt.Sprintf("service-%d.service", i), Kind: "container", Source: fmt.Sprintf("/home/alice/.config/containers/systemd/service-%d.container", i),
			Active: "active", Sub: "running", Result: "success", Since: now.Add(-time.Duration(i) * time.Hour), Restarts: uint32(i),
			Invocation: "0123456789abcdef0123456789abcdef",
		})
	}
	st.Problems = control.Problems(st)
	r := renderer{now: now}
	const batch = 10
	var rendering, marshalling time.Duration
	for b.Loop() {
		begun := time.Now()
		for range batch {
			var out strings.Builder
			r.status(&out, st)
			if out.Len() == 0 {
				b.Fatal("nothing was rendered")
			}
		}
		rendered := time.Now()
		for range batch {
			if _, err := json.Marshal(st); err != nil {
				b.Fatal(err)
			}
		}
		rendering += rendered.Sub(begun)
		marshalling += time.Since(rendered)
	}
	b.ReportMetric(0, "ns/op") // it would count both
	b.ReportMetric(float64(rendering.Nanoseconds())/float64(b.N*batch), "ns/render")
	b.ReportMetric(rendering.Seconds()/marshalling.Seconds(), "x-json")
}
