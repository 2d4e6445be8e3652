package core_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"keeper/internal/core"
)

// BenchmarkDecideUnitSeen is the event that comes most often. The number to
// look at is x-json: how many times as long as marshalling the unit to JSON it
// takes, measured in the same run, so that it can be compared between machines.
func BenchmarkDecideUnitSeen(b *testing.B) {
	for _, n := range []int{5, 200} {
		b.Run(fmt.Sprintf("units=%d", n), func(b *testing.B) {
			now := time.Unix(1_700_000_000, 0)
			seen := core.UnitsSeen{Armed: true}
			for i := range n {
				seen.Units = append(seen.Units, core.Unit{
					Name: fmt.Sprintf("service-%d.service", i), Kind: "container", Source: "/home/alice/.config/containers/systemd/service.container",
					Active: "active", Sub: "running", Result: "success", Since: now, Invocation: "0123456789abcdef0123456789abcdef",
				})
			}
			state, _ := core.Decide(core.State{Linger: core.LingerUnknown}, seen, now)
			unit := seen.Units[n/2]
			const batch = 100
			var deciding, marshalling time.Duration
			for b.Loop() {
				begun := time.Now()
				for i := range batch {
					unit.Restarts = uint32(i)
					state, _ = core.Decide(state, core.UnitSeen{Unit: unit}, now)
				}
				decided := time.Now()
				for range batch {
					if _, err := json.Marshal(unit); err != nil {
						b.Fatal(err)
					}
				}
				deciding += decided.Sub(begun)
				marshalling += time.Since(decided)
			}
			if got := state.Units[unit.Name].Restarts; len(state.Units) != n || got != batch-1 {
				b.Fatalf("%d units, %d restarts: Decide did not do what was measured", len(state.Units), got)
			}
			b.ReportMetric(0, "ns/op") // it would count both
			b.ReportMetric(float64(deciding.Nanoseconds())/float64(b.N*batch), "ns/decide")
			b.ReportMetric(deciding.Seconds()/marshalling.Seconds(), "x-json")
		})
	}
}

// BenchmarkDecideProbed is what comes most often when many services are ill: each
// probe of each of them. UnitSeen is here again, with all of them watched.
func BenchmarkDecideProbed(b *testing.B) {
	for _, n := range []int{4, 400} {
		now := time.Unix(1_700_000_000, 0)
		seen := core.UnitsSeen{Armed: true}
		for i := range n {
			u := core.Unit{
				Name: fmt.Sprintf("service-%d.service", i), Kind: "container", Source: "/home/alice/.config/containers/systemd/service.container",
				Active: "active", Sub: "running", Result: "success", Invocation: "0123456789abcdef0123456789abcdef",
				Image: "postgres", Container: fmt.Sprintf("service-%d", i), MainPID: 1000 + i, Networks: []string{"stack"},
			}
			if i%4 != 0 {
				u.Image, u.Needs = "app", []string{fmt.Sprintf("service-%d.service", i-i%4)}
			}
			seen.Units = append(seen.Units, u)
		}
		state := core.State{Linger: core.LingerUnknown}
		for _, e := range []core.Event{core.LogindUp{}, core.StandDownSeen{}, core.SettingsSeen{Settings: core.Settings{Adopt: core.AdoptPropose}}, core.Began{Kind: core.LifeSame}, core.LingerSeen{On: true}, seen} {
			state, _ = core.Decide(state, e, now)
		}
		well := state
		for i := range n {
			well, _ = core.Decide(well, core.Probed{Unit: seen.Units[i].Name, Invocation: seen.Units[i].Invocation, Outcome: core.Outcome{Condition: core.ConditionReady}}, now)
		}
		ill := state
		for range 3 {
			now = now.Add(10 * time.Minute)
			for i := range n {
				ill, _ = core.Decide(ill, core.Probed{Unit: seen.Units[i].Name, Invocation: seen.Units[i].Invocation, Outcome: core.Outcome{Condition: core.ConditionSilent}}, now)
			}
		}
		b.Run(fmt.Sprintf("units=%d/once-all-ill", n), func(b *testing.B) { // a second later each time
			s, at := ill, now
			for b.Loop() {
				at = at.Add(time.Second)
				s, _ = core.Decide(s, core.CommandsSeen{}, at)
			}
		})
		unit := seen.Units[n/2]
		probed := func(c core.Condition) core.Event {
			return core.Probed{Unit: unit.Name, Invocation: unit.Invocation, Outcome: core.Outcome{Condition: c}}
		}
		for _, of := range []struct {
			name  string
			state core.State
			event core.Event
		}{
			{"well", state, probed(core.ConditionReady)},
			{"all-well", well, probed(core.ConditionReady)},
			{"wake-all-well", well, core.Wake{}},
			{"unit-seen-all-well", well, core.UnitSeen{Unit: unit}},
			{"failing", state, probed(core.ConditionSilent)},
			{"all-ill", ill, probed(core.ConditionSilent)},
			{"unit-seen", state, core.UnitSeen{Unit: unit}},
			{"unit-seen-all-ill", ill, core.UnitSeen{Unit: unit}},
		} {
			b.Run(fmt.Sprintf("units=%d/%s", n, of.name), func(b *testing.B) {
				b.ReportAllocs()
				s := of.state
				for b.Loop() {
					s, _ = core.Decide(s, of.event, now)
				}
			})
		}
	}
}
