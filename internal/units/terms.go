package units

import (
	"context"
	"slices"
	"strconv"
	"time"

	"keeper/internal/core"
)

// stopGrace is how long Podman waits for a container that says nothing else
// (stop_timeout of containers.conf(5)).
const stopGrace = 10 * time.Second

// terms are on what terms the user manager starts the service again, and stops it.
func terms(p, s map[string]any) core.Terms {
	triggers, _ := p["TriggeredBy"].([]string)
	burst, _ := p["StartLimitBurst"].(uint32)
	t := core.Terms{
		Restart: text(s, "Restart"), RestartWait: span(s, "RestartUSec"),
		StartLimit: int(burst), StartWindow: span(p, "StartLimitIntervalUSec"),
		Triggered: len(triggers) > 0,
	}
	lines, _ := s["ExecStart"].([][]any)
	for _, line := range lines {
		if len(line) > 1 {
			argv, _ := line[1].([]string)
			if args, create, ok := command(argv); ok && !create {
				t.Grace = grace(args)
			}
		}
	}
	return t
}

// span reads a time in µs; one that never ends reads as the highest number there is.
func span(p map[string]any, key string) time.Duration {
	us, _ := p[key].(uint64)
	return time.Duration(min(us, uint64(24*time.Hour/time.Microsecond))) * time.Microsecond
}

// grace reads --stop-timeout of podman run; what follows the image is the
// container's own.
func grace(args []string) time.Duration {
	found := stopGrace
	for i := 0; i < len(args) && args[i] != "--" && len(args[i]) > 1 && args[i][0] == '-'; i++ {
		name, value, joined := option(args[i])
		if !joined && !slices.Contains(flags, name) && i+1 < len(args) {
			i++
			value = args[i]
		}
		if n, err := strconv.ParseUint(value, 10, 31); name == "--stop-timeout" && err == nil {
			found = time.Duration(n) * time.Second
		}
	}
	return found
}

// EnabledFile says whether the unit starts with the manager by an [Install] section of
// its own; of one that is not there, no.
func (c *Conn) EnabledFile(ctx context.Context, name string) (bool, error) {
	p, err := c.properties(ctx, name)
	return text(p, "UnitFileState") == "enabled", err
}
