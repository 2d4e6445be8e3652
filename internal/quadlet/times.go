package quadlet

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Times of a unit. A data store gets the time for a checkpoint, and all of them
// end before the user manager does after 2 minutes (TimeoutStopSec= of
// user@.service).
const (
	podmanStop = 10 * time.Second
	storeStop  = 60 * time.Second
	stopMargin = 15 * time.Second
	managerEnd = 2 * time.Minute
)

// patient leaves out that a data store is to be killed at once: it is given time
// (see stop).
func (r *renderer) patient(list []Setting) []Setting {
	return slices.DeleteFunc(slices.Clone(list), func(s Setting) bool {
		if s.Flag != "stop-timeout" {
			return false
		}
		r.note(Hint, "StopTimeout", "it is to be killed after "+s.Value+" s; a data store gets a minute to write what it has", "")
		return true
	})
}

// stop writes how long the container has to end, and the unit with it.
func (r *renderer) stop(body, service *section, c *Container) (rest []Setting) {
	t := c.StopTimeout
	if c.Store && t < storeStop {
		t = storeStop
	}
	if t == 0 || t == podmanStop {
		return nil
	}
	if t+stopMargin > managerEnd {
		r.note(Hint, "StopTimeout", fmt.Sprintf("it may take %s to stop, and the user manager ends after 2 minutes whatever still runs", t),
			"as root: TimeoutStopSec= in a drop-in of user@.service")
	}
	if r.host.Podman.Before(stopTimeoutSince) {
		rest = append(rest, Setting{"stop-timeout", seconds(t)})
	} else {
		body.set("StopTimeout", seconds(t))
	}
	service.set("TimeoutStopSec", seconds(t+stopMargin))
	return rest
}

func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

// Start limits: by systemd's own, 5 starts in 10 s, a database that is slow to
// find its disk is given up before anybody has noticed.
const (
	limitInterval = 300
	limitBurst    = 60
	restartPause  = 1
)

func (r *renderer) service(unit, service *section, c Container) {
	for _, argv := range c.Before {
		service.set("ExecStartPre", words(argv))
	}
	switch {
	case c.OneShot:
		service.lines = append([]string{"Type=oneshot", "RemainAfterExit=yes"}, service.lines...)
	case c.Restart != "" && c.Restart != "no":
		burst := limitBurst
		if c.RestartMost > 0 {
			burst = c.RestartMost + 1
			r.note(Hint, "Restart", fmt.Sprintf("systemd counts restarts within a time: %d within %d s, not %d in all", c.RestartMost, limitInterval, c.RestartMost), "")
		}
		restarts(unit, service, c.Restart, burst)
	}
	if c.NotifyHealthy && !r.host.Podman.Before(healthySince) {
		service.set("TimeoutStartSec", seconds(healthyWithin(c.Health)))
	}
}

func restarts(unit, service *section, word string, burst int) {
	unit.set("StartLimitIntervalSec", strconv.Itoa(limitInterval))
	unit.set("StartLimitBurst", strconv.Itoa(burst))
	service.lines = append([]string{"Restart=" + word, "RestartSec=" + strconv.Itoa(restartPause)}, service.lines...)
}

// healthyWithin is how long it may take until a health check passes: the start
// period, all the tries, and the time to create the container.
func healthyWithin(h Health) time.Duration {
	interval, timeout, retries := h.Interval, h.Timeout, h.Retries
	if interval == 0 {
		interval = 30 * time.Second // podman-run(1)
	}
	if timeout == 0 {
		timeout = 30 * time.Second
	}
	if retries == 0 {
		retries = 3
	}
	const most = time.Hour
	t := min(h.StartPeriod, most) + time.Duration(min(retries, 100))*min(interval+timeout, most) + 30*time.Second
	return min(max(t, 90*time.Second), most).Round(time.Second)
}
