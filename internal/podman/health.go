package podman

import (
	"strconv"
	"time"

	"keeper/internal/quadlet"
)

// Podman's defaults of a health check (podman-run(1)).
const (
	healthInterval = 30 * time.Second
	healthTimeout  = 30 * time.Second
	healthRetries  = 3
)

// check is a health check.
type check struct {
	test                           []string
	startPeriod, interval, timeout time.Duration
	retries                        int
}

func (c check) none() bool { return len(c.test) == 0 || len(c.test) == 1 && c.test[0] == "NONE" }

// filled has Podman's defaults where an image says nothing.
func (c check) filled() check {
	if c.interval == 0 {
		c.interval = healthInterval
	}
	if c.timeout == 0 {
		c.timeout = healthTimeout
	}
	if c.retries == 0 {
		c.retries = healthRetries
	}
	return c
}

func (m *maker) health() {
	var have, image check
	if h := m.d.Config.Healthcheck; h != nil {
		have = check{h.Test, h.StartPeriod, h.Interval, h.Timeout, h.Retries}
	}
	if h := m.image.HealthCheck; h != nil {
		image = check{h.Test, h.StartPeriod, h.Interval, h.Timeout, h.Retries}
	}
	switch {
	case have.none():
		if !image.none() {
			m.set("no-healthcheck", "true")
		}
		return
	case !have.same(image):
		m.set("health-cmd", quadlet.HealthCommand(have.test))
		switch have.interval {
		case 0:
			m.set("health-interval", "disable") // nothing but a person runs it
		case healthInterval:
		default:
			m.set("health-interval", have.interval.String())
		}
		if have.timeout != 0 && have.timeout != healthTimeout {
			m.set("health-timeout", have.timeout.String())
		}
		if have.retries != 0 && have.retries != healthRetries {
			m.set("health-retries", strconv.Itoa(have.retries))
		}
		if have.startPeriod != 0 {
			m.set("health-start-period", have.startPeriod.String())
		}
	}
	effective := have.filled()
	if !have.same(image) {
		effective.interval = have.interval
	}
	m.out.Health = quadlet.Health{StartPeriod: effective.startPeriod, Interval: effective.interval, Timeout: effective.timeout, Retries: effective.retries}
	c := m.d.Config
	if a := c.HealthcheckOnFailureAction; a != "" && a != "none" {
		m.set("health-on-failure", a)
	}
	if d := c.HealthLogDestination; d != "" && d != "local" {
		m.set("health-log-destination", d)
	}
	// Podman before 5.3 has no such thing and says 0.
	if n := c.HealthMaxLogCount; n != 0 && n != 5 {
		m.set("health-max-log-count", strconv.FormatUint(uint64(n), 10))
	}
	if n := c.HealthMaxLogSize; n != 0 && n != 500 {
		m.set("health-max-log-size", strconv.FormatUint(uint64(n), 10))
	}
	m.startup()
}

func (m *maker) startup() {
	s := m.d.Config.StartupHealthCheck
	if s == nil || len(s.Test) == 0 {
		return
	}
	m.set("health-startup-cmd", quadlet.HealthCommand(s.Test))
	if s.Interval != 0 && s.Interval != healthInterval {
		m.set("health-startup-interval", s.Interval.String())
	}
	if s.Timeout != 0 && s.Timeout != healthTimeout {
		m.set("health-startup-timeout", s.Timeout.String())
	}
	if s.Retries != 0 {
		m.set("health-startup-retries", strconv.Itoa(s.Retries))
	}
	if s.Successes != 0 {
		m.set("health-startup-success", strconv.Itoa(s.Successes))
	}
}

func (c check) same(other check) bool {
	if other.none() || len(c.test) != len(other.test) {
		return false
	}
	for i := range c.test {
		if c.test[i] != other.test[i] {
			return false
		}
	}
	a, b := c.filled(), other.filled()
	return a.startPeriod == b.startPeriod && a.interval == b.interval && a.timeout == b.timeout && a.retries == b.retries
}
