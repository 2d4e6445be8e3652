package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"time"

	"keeper/internal/containers"
	"keeper/internal/core"
	"keeper/internal/netns"
	"keeper/internal/probe"
)

// prober is engine.Prober: the schedule of the probes, and the sockets by which
// they reach into containers.
type prober struct {
	*probe.Scheduler
	pool   *netns.Pool
	places *containers.Places
}

func newProber(view containers.View) prober {
	pool := netns.New(func(k netns.Key) (int, bool) { return view.MainOf(k.Unit, k.Conmon) })
	places := &containers.Places{View: view}
	p := &probe.Prober{
		Process: places.Condition,
		Dial: func(ctx context.Context, t core.Target) (net.Conn, error) {
			c, err := pool.Dial(ctx, key(t), t.Port)
			if errors.Is(err, netns.ErrCannotAsk) {
				err = fmt.Errorf("%w: %w", probe.ErrCannotAsk, err)
			}
			return c, err
		},
		Exec: runIn,
		PodmanHealth: func(_ string, conmon int) (string, int, time.Time, string, error) {
			return view.PodmanHealth(conmon)
		},
	}
	return prober{Scheduler: probe.NewScheduler(p), pool: pool, places: places}
}

func key(t core.Target) netns.Key {
	return netns.Key{Conmon: t.MainPID, Unit: t.Unit, Invocation: t.Invocation}
}

// Set is engine.Prober. Sockets are kept only for what is asked within its own
// network.
func (p prober) Set(targets []core.Target) {
	var keys []netns.Key
	conmons := map[int]bool{}
	for _, t := range targets {
		conmons[t.MainPID] = true
		if t.Address == "" && t.Port != 0 {
			keys = append(keys, key(t))
		}
	}
	p.pool.Keep(keys)
	p.places.Keep(conmons)
	p.Scheduler.Set(targets)
}

// How `podman exec` ends if not the command itself has: podman-exec(1).
const (
	podmanFailed = 125
	notRunnable  = 126
	notFound     = 127
)

// inContainer runs `podman exec`. systemd-run(1) ends with 1 when it is itself that
// failed, or the unit took too long: with that the command must not end.
const (
	inContainer = `podman exec "$@"; s=$?; [ $s -ne 1 ] || s=124; exit $s`
	insteadOf1  = 124
	runFailed   = 1
)

// runIn runs a command in a container by `podman exec`, in a transient unit: a
// podman of keeper's own might leave its pause process there. systemd-run(1) waits
// for it and has its output and its status; the unit ends with the deadline.
func runIn(ctx context.Context, container string, command []string) (exit int, output string, err error) {
	left := 5 * time.Second
	if at, ok := ctx.Deadline(); ok {
		left = time.Until(at)
	}
	args := []string{
		"--user", "--wait", "--pipe", "--collect", "--quiet", fmt.Sprintf("--property=RuntimeMaxSec=%dms", max(left.Milliseconds(), 1)),
		"--",
	}
	for _, arg := range append([]string{"/bin/sh", "-c", inContainer, "sh", container}, command...) {
		// The manager would put variables of this host's in ("$$" is a single "$":
		// systemd.service(5), "Command lines").
		args = append(args, strings.ReplaceAll(arg, "$", "$$"))
	}
	cmd := exec.CommandContext(ctx, "systemd-run", args...)
	cmd.WaitDelay = time.Second
	var said tailWriter
	cmd.Stdout, cmd.Stderr = &said, &said
	err = cmd.Run()
	var ended *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return 0, "", ctx.Err()
	case err == nil:
		return 0, said.String(), nil
	case !errors.As(err, &ended) || ended.ExitCode() < 0:
		return 0, "", fmt.Errorf("cannot run %s in %s: %w", command[0], container, err)
	}
	switch code := ended.ExitCode(); code {
	case insteadOf1:
		return 1, said.String(), nil
	case runFailed, podmanFailed, notRunnable, notFound:
		return 0, "", fmt.Errorf("cannot run %s in %s: %s", command[0], container, strings.TrimSpace(said.String()))
	default:
		return code, said.String(), nil
	}
}

// tailWriter keeps the end of what is written to it.
type tailWriter struct{ kept []byte }

const tailSize = 4 << 10

func (t *tailWriter) Write(b []byte) (int, error) {
	t.kept = append(t.kept, b...)
	if n := len(t.kept) - tailSize; n > 0 {
		t.kept = append(t.kept[:0], t.kept[n:]...)
	}
	return len(b), nil
}

func (t *tailWriter) String() string { return string(t.kept) }
