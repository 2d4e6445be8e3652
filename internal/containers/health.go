package containers

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// healthMost is far above what Podman keeps: the last five results, of 500
// characters each, unless somebody set --health-max-log-size=0.
const healthMost = 4 << 20

// lateBy is how long after three times its usual interval a check is overdue.
const lateBy = time.Minute

// outputMost bounds what is shown of what a check said.
const outputMost = 200

// health is what Podman's own health check last found.
type health struct {
	state   string
	failing int
	last    time.Time
	every   time.Duration // between the checks that are kept, at the most; 0 if not known
	output  string
}

// PodmanHealth tells what Podman's own health check last found: starting, healthy,
// unhealthy, stopped while it was checked, stale where the next ones are overdue
// (their timer is transient, and goes with a reset or a stop of it), or nothing before
// the first; how many checks in a row failed; when the last one ended, and the last
// line that it said. Podman (4.4 to 5.8,
// healthcheck.go) writes that after each check, beside the container's userdata
// below its run root. With --health-log-destination=DIRECTORY it is elsewhere, and
// cannot be read here.
func (v View) PodmanHealth(conmon int) (state string, failing int, last time.Time, output string, err error) {
	h, err := v.health(conmon)
	if err != nil {
		err = fmt.Errorf("cannot read the container's health: %w", err)
	}
	if late := time.Since(h.last) - 3*h.every; err == nil && h.every > 0 && late > lateBy && (h.state == "healthy" || h.state == "unhealthy") {
		h.state = "stale"
	}
	return h.state, h.failing, h.last, h.output, err
}

func (v View) health(conmon int) (health, error) {
	c, ok := v.monitor(conmon)
	if !ok {
		return health{}, errors.New("its conmon is gone")
	}
	// …/overlay-containers/ID/userdata/pidfile
	userdata := filepath.Dir(c.pidFile)
	dir := filepath.Dir(userdata)
	if filepath.Base(userdata) != "userdata" || filepath.Base(dir) != c.id || !filepath.IsAbs(dir) {
		return health{}, errors.New("conmon does not say where it is")
	}
	file := filepath.Join(dir, "healthcheck.log")
	h, err := readHealth(file)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		// Podman writes it in place: it may have been half written.
		time.Sleep(20 * time.Millisecond)
		h, err = readHealth(file)
	}
	return h, err
}

func readHealth(file string) (health, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return health{}, err
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() || fi.Size() > healthMost {
		return health{}, fmt.Errorf("%s is not what Podman writes", file)
	}
	var log struct {
		Status        string
		FailingStreak int
		Log           []struct{ Start, End, Output string }
	}
	if err := json.NewDecoder(io.LimitReader(f, healthMost)).Decode(&log); err != nil {
		return health{}, fmt.Errorf("%s: %w", file, err)
	}
	h := health{failing: max(log.FailingStreak, 0)}
	switch log.Status {
	case "starting", "healthy", "unhealthy", "stopped", "":
		h.state = log.Status
	case "reset":
		// At each start, with a check or without (Podman 5.4): nothing is known.
	default:
		return health{}, fmt.Errorf("%s: the state %q is none that Podman has", file, printable(log.Status[:min(len(log.Status), 40)]))
	}
	if n := len(log.Log); n > 0 {
		last := log.Log[n-1]
		h.last, _ = time.Parse(time.RFC3339Nano, last.End) // without it the check has no time
		h.output = lastLine(last.Output)
	}
	for i := 1; i < len(log.Log); i++ {
		from, err := time.Parse(time.RFC3339Nano, log.Log[i-1].Start)
		to, err2 := time.Parse(time.RFC3339Nano, log.Log[i].Start)
		if err == nil && err2 == nil {
			h.every = max(h.every, to.Sub(from))
		}
	}
	return h, nil
}

// lastLine returns the last line with anything in it, fit for a terminal.
func lastLine(s string) string {
	s = strings.TrimSpace(s)
	s = strings.TrimSpace(s[strings.LastIndexByte(s, '\n')+1:])
	if len(s) > outputMost {
		s = s[:outputMost] + "…"
	}
	return printable(strings.ToValidUTF8(s, "?"))
}
