// Package metrics says in numbers what keeper knows: in OpenMetrics, or in the
// text format of Prometheus before it, on keeper's socket, on a loopback port or
// in a file. It never looks for itself: what it tells is a Snapshot.
//
// It writes the text itself. github.com/prometheus/client_golang, measured at
// v1.25.0, would add 2.3 MB to the program, 2.2 MB to what the daemon occupies
// and 0.7 ms to each start of it, the last act's included. The tests have the
// text read by Prometheus's own parser.
package metrics

import (
	"maps"
	"runtime"
	"sync"
	"time"

	"keeper/internal/control"
	"keeper/internal/core"
)

// Snapshot is all that the metrics are made of.
type Snapshot struct {
	Status control.Status
	// Survived is how many ends the stack came back from, ever; the status has the
	// last ones only.
	Survived uint64
	// Services have what was counted of the services of the status, by name.
	Services map[string]Service
	// Decisions are counted by kind since Began.
	Decisions map[core.Kind]uint64
	Began     time.Time
	// Go is what the program was built with.
	Go string
	// Process is left out where it is zero.
	Process Process
}

// Service is what was counted of one service since Began.
type Service struct {
	Began    time.Time
	Probes   uint64
	Took     time.Duration // the last probe
	Restarts uint64        // by keeper
}

// Counts counts what the daemon does. Its methods may be called from anywhere,
// and never wait for long.
type Counts struct {
	mu        sync.Mutex
	began     time.Time
	services  map[string]Service
	decisions map[core.Kind]uint64
}

// NewCounts returns counts that begin now.
func NewCounts() *Counts {
	return &Counts{began: time.Now(), services: map[string]Service{}, decisions: map[core.Kind]uint64{}}
}

// Probed counts a probe of the service, and how long it took.
func (c *Counts) Probed(unit string, took time.Duration) {
	c.count(unit, func(s *Service) { s.Probes, s.Took = s.Probes+1, took })
}

// Restarted counts restarts by keeper.
func (c *Counts) Restarted(units ...string) {
	for _, unit := range units {
		c.count(unit, func(s *Service) { s.Restarts++ })
	}
}

// Decided counts a decision.
func (c *Counts) Decided(kind core.Kind) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.decisions[kind]++
}

func (c *Counts) count(unit string, add func(*Service)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.services[unit]
	if !ok {
		s.Began = time.Now()
	}
	add(&s)
	c.services[unit] = s
}

// Snapshot joins the status with what was counted. What is not in the status is
// forgotten: units come and go, and the daemon stays for months.
func (c *Counts) Snapshot(st control.Status, survived uint64) Snapshot {
	p, err := ReadProcess()
	if err != nil {
		p = Process{} // the rest is worth having without it
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := make(map[string]Service, len(st.Services))
	for _, s := range st.Services {
		counted, ok := c.services[s.Name]
		if !ok {
			counted.Began = time.Now()
		}
		kept[s.Name] = counted
	}
	c.services = kept
	return Snapshot{
		Status: st, Survived: survived, Services: maps.Clone(kept), Decisions: maps.Clone(c.decisions), Began: c.began,
		Go: runtime.Version(), Process: p,
	}
}
