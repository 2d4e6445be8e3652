package engine

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"keeper/internal/core"
)

// services are n services, each after four on a store of its own, and all of them
// well.
func services(n int, now time.Time) core.UnitsSeen {
	seen := core.UnitsSeen{Armed: true, First: true}
	for i := range n {
		u := core.Unit{
			Name: fmt.Sprintf("service-%d.service", i), Kind: "container", Source: fmt.Sprintf("/home/alice/.config/containers/systemd/service-%d.container", i),
			Active: "active", Sub: "running", Result: "success", Since: now.Add(-time.Hour), Entered: time.Hour, Wanted: true,
			Invocation: fmt.Sprintf("%032x", i), Container: fmt.Sprintf("service-%d", i), MainPID: 1000 + i, Image: "localhost/app:latest",
			Ports: []string{fmt.Sprintf("127.0.0.1:%d", 20000+i)}, Inside: []uint16{8000},
		}
		if store := i - i%4; store != i {
			needs := seen.Units[store].Name
			u.After, u.Needs = []string{needs}, []string{needs}
		} else {
			u.Image, u.Ports, u.Inside = "docker.io/library/postgres:17", nil, nil
		}
		seen.Units = append(seen.Units, u)
	}
	return seen
}

// begin is what the daemon is told at its start.
func begin(n int, now time.Time) []core.Event {
	return []core.Event{
		core.Began{Kind: core.LifeSame}, core.SettingsSeen{Settings: core.Settings{Adopt: core.AdoptPropose}}, core.AdoptionSeen{},
		core.LogindUp{}, core.StandDownSeen{}, core.LingerSeen{On: true}, core.HeldSeen{}, services(n, now), core.ContainersSeen{},
	}
}

// mix is event i of a host on which much goes on: half of the events are
// outcomes of probes, a fifth are changes of units, and the others are hints,
// the timer, and now and then a stop that somebody asks for and takes back. Each
// service fails once and is well twice, which never makes it ill.
func mix(i int, units []core.Unit) core.Event {
	u := units[i/10%len(units)]
	switch i % 10 {
	case 0:
		return core.Probed{Unit: u.Name, Invocation: u.Invocation, Outcome: core.Outcome{Condition: core.ConditionSilent, Detail: "no answer within 3s"}}
	case 1, 2, 3, 4:
		return core.Probed{Unit: u.Name, Invocation: u.Invocation, Outcome: core.Outcome{Condition: core.ConditionReady}}
	case 5, 6:
		// Not its restarts: hundreds a second would make it flap, and core remember
		// each of them.
		u.Job = i%2 == 0
		return core.UnitSeen{Unit: u}
	case 7:
		if i/10%2 == 0 {
			return core.StopAsked{Name: u.Name, Job: uint32(i)}
		}
		return core.LingerHint{}
	case 8:
		if i/10%2 == 0 {
			return core.StopUndone{Name: u.Name, Invocation: u.Invocation}
		}
		return core.ContainerHint{}
	}
	return core.Wake{}
}

var sizes = []int{4, 400}

// BenchmarkDecideMix is core.Decide alone: so long does the loop take for one
// event.
func BenchmarkDecideMix(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("units=%d", n), func(b *testing.B) {
			now := time.Unix(1_700_000_000, 0)
			s := core.State{Linger: core.LingerUnknown}
			for _, e := range begin(n, now) {
				s, _ = core.Decide(s, e, now)
			}
			units := services(n, now).Units
			i, restarts := 0, 0
			b.ReportAllocs()
			for b.Loop() {
				now = now.Add(time.Millisecond)
				var actions []core.Action
				s, actions = core.Decide(s, mix(i, units), now)
				for _, a := range actions {
					if a.Kind == core.RestartUnits {
						restarts++
					}
				}
				i++
			}
			if len(s.Units) != n || restarts > 0 {
				b.Fatalf("%d units, %d restarts: something else was measured", len(s.Units), restarts)
			}
		})
	}
}

// BenchmarkDecideKinds is the same for one kind of event each, to tell which of
// them costs what.
func BenchmarkDecideKinds(b *testing.B) {
	for _, n := range sizes {
		for i, name := range map[int]string{0: "Probed", 5: "UnitSeen", 9: "Wake", 17: "LingerHint"} {
			b.Run(fmt.Sprintf("units=%d/%s", n, name), func(b *testing.B) {
				now := time.Unix(1_700_000_000, 0)
				s := core.State{Linger: core.LingerUnknown}
				for _, e := range begin(n, now) {
					s, _ = core.Decide(s, e, now)
				}
				e := mix(i, services(n, now).Units)
				for b.Loop() {
					_, _ = core.Decide(s, e, now)
				}
			})
		}
	}
}

// rate is how many events a second the daemon is to keep up with.
const rate = 1000

// BenchmarkMailbox sends rate events a second into a running engine and measures
// how long each is on its way from Deliver to the Recorder; the same again
// through a channel and an empty function, which is what the machine, its timers
// and its scheduler take. x-empty is the ratio of the 99th percentiles: the median
// of the empty one is a microsecond or a fraction of it, and differs fourfold from
// run to run. One op is one event,
// so -benchtime 5000x is 5 seconds.
func BenchmarkMailbox(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("units=%d", n), func(b *testing.B) {
			now := time.Now()
			units := services(n, now).Units
			empty := make(chan core.Event, mailboxSize)
			done := make(chan time.Time, 1)
			go func() {
				for range empty {
					done <- time.Now()
				}
			}()
			defer close(empty)
			base := paced(b.N, func(i int) time.Duration {
				e := mix(i, units)
				sent := time.Now()
				empty <- e
				return (<-done).Sub(sent)
			})

			e, _ := house()
			e.Units = fakeUnits{look: func(context.Context) core.UnitsSeen { return services(n, now) },
				start: func(context.Context, []string) error { return nil }, stop: func(context.Context, []string) error { return nil },
				restart: func(context.Context, []string, bool) error { return nil }}
			recorded := make(chan time.Time, 1<<16)
			var armed chan time.Time // nil until the measurement begins
			arm := make(chan chan time.Time, 1)
			e.Recorder = fakeRecorder{func(core.State, []core.Decision) {
				select {
				case armed = <-arm:
				default:
				}
				select {
				case armed <- time.Now():
				default:
				}
			}}
			ctx, cancel := context.WithCancel(b.Context())
			ended := make(chan struct{})
			go func() { defer close(ended); e.Run(ctx) }()
			for _, ev := range begin(n, now) {
				e.Deliver(ctx, ev)
			}
			for s, err := e.State(ctx); len(s.Units) != n; s, err = e.State(ctx) {
				if err != nil {
					b.Fatal(err)
				}
			}
			arm <- recorded
			b.ResetTimer()
			took := paced(b.N, func(i int) time.Duration {
				for len(recorded) > 0 {
					<-recorded // of what the engine's own workers and timer made
				}
				sent := time.Now()
				e.Deliver(ctx, mix(i, units))
				// The first that begins after the event was sent may be the answer of
				// a worker; then the event is right behind it, and this is a little
				// too good. The 99th percentile does not mind.
				for {
					if at := <-recorded; at.After(sent) {
						return at.Sub(sent)
					}
				}
			})
			b.StopTimer()
			cancel()
			<-ended
			b.ReportMetric(0, "ns/op") // it would be the rate
			for name, p := range map[string]float64{"p50": 0.5, "p99": 0.99} {
				b.ReportMetric(float64(quantile(took, p).Nanoseconds())/1000, name+"-us")
				b.ReportMetric(float64(quantile(base, p).Nanoseconds())/1000, name+"-empty-us")
			}
			b.ReportMetric(quantile(took, 0.99).Seconds()/quantile(base, 0.99).Seconds(), "x-empty")
		})
	}
}

// paced calls send n times, rate times a second, however long each takes.
func paced(n int, send func(i int) time.Duration) []time.Duration {
	took := make([]time.Duration, n)
	begun := time.Now()
	for i := range n {
		time.Sleep(time.Until(begun.Add(time.Duration(i) * time.Second / rate)))
		took[i] = send(i)
	}
	slices.Sort(took)
	return took
}

func quantile(sorted []time.Duration, p float64) time.Duration {
	return sorted[min(int(p*float64(len(sorted))), len(sorted)-1)]
}
