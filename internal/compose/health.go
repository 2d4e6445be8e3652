package compose

import (
	"fmt"
	"strconv"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"keeper/internal/quadlet"
)

// podmanStop is what Podman waits before it kills, and Compose as well.
const podmanStop = 10 * time.Second

// The defaults of a health check: Podman's and Compose's are the same.
const (
	healthInterval = 30 * time.Second
	healthTimeout  = 30 * time.Second
	healthRetries  = 3
)

func timeOf(d *types.Duration) time.Duration {
	if d == nil {
		return 0
	}
	return time.Duration(*d)
}

func (s *service) health() {
	h := s.in.HealthCheck
	awaited := s.healthy[s.in.Name]
	switch {
	case h == nil:
	case h.Disable || len(h.Test) > 0 && h.Test[0] == "NONE":
		s.set("no-healthcheck", "true")
		if awaited {
			s.halt("healthcheck", "", fmt.Sprintf("others wait until %s is healthy, and its health check is switched off", s.in.Name), "a health check for it, or service_started in depends_on of the others")
		}
		return
	case len(h.Test) > 1:
		s.set("health-cmd", quadlet.HealthCommand(h.Test))
		s.healthTimes(h)
		s.c.NotifyHealthy = awaited
		if awaited && s.c.OneShot {
			s.hint("healthcheck", fmt.Sprintf("others wait until %s has completed; that it is healthy before is not waited for", s.in.Name), "")
			s.c.NotifyHealthy = false
		}
		return
	case h.Interval != nil || h.Timeout != nil || h.Retries != nil || h.StartPeriod != nil:
		s.lose("healthcheck", fmt.Sprintf("podman run takes the times of %s's health check only along with its command", s.in.Name), "test: as in the image")
	}
	if awaited {
		s.c.NotifyHealthy = true
		s.halt("healthcheck", "image-health",
			fmt.Sprintf("others wait until %s is healthy, and the file has no health check for it: without one in its image it does not start", s.in.Name),
			"a healthcheck: for "+s.in.Name+" in the file; podman image inspect -f '{{.HealthCheck}}' "+s.c.Image+" shows the image's")
	}
}

func (s *service) healthTimes(h *types.HealthCheckConfig) {
	s.c.Health = quadlet.Health{Interval: healthInterval, Timeout: healthTimeout, Retries: healthRetries}
	take := func(flag string, d *types.Duration, to *time.Duration) {
		if d == nil || timeOf(d) <= 0 { // 0 is the default's sign
			return
		}
		if timeOf(d) != *to {
			s.set(flag, timeOf(d).String())
		}
		*to = timeOf(d)
	}
	if t := timeOf(h.Timeout); t > 0 && t < time.Second {
		second := types.Duration(time.Second)
		h.Timeout = &second
		s.hint("healthcheck.timeout", fmt.Sprintf("the health check of %s gets a second, in place of %s: Podman takes no less", s.in.Name, t), "")
	}
	take("health-interval", h.Interval, &s.c.Health.Interval)
	take("health-timeout", h.Timeout, &s.c.Health.Timeout)
	take("health-start-period", h.StartPeriod, &s.c.Health.StartPeriod)
	if h.Retries != nil && *h.Retries > 0 {
		s.c.Health.Retries = int(min(*h.Retries, 1<<20))
		if s.c.Health.Retries != healthRetries {
			s.set("health-retries", strconv.Itoa(s.c.Health.Retries))
		}
	}
}
