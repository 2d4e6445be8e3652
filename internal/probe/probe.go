// Package probe asks services how they are, and keeps the schedule of that.
//
// It says what it found and draws no conclusion. What is keeper's trouble, or the
// host's, is core.ConditionUnknown and never an illness of the service. Whatever a
// service says is hostile until parsed: every answer has a deadline and a bound, and
// what of it is shown is short and printable. Passwords are read when they are
// needed, and are in no outcome.
package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"keeper/internal/core"
)

// ErrCannotAsk says that a service could not be asked, through no fault of its own.
// What the wiring gives wraps it.
var ErrCannotAsk = errors.New("cannot ask it")

// usualTimeout is for a target that has none.
const usualTimeout = 3 * time.Second

// past is a deadline that is over.
var past = time.Unix(1, 0)

// Prober asks one service at a time how it is. The functions are the wiring's; a
// question that needs one that is missing ends as unknown.
type Prober struct {
	// Process looks at the main process before anybody is asked: stopped, frozen,
	// unknown (traced by a debugger, say), or nothing.
	Process func(mainPID int) (core.Condition, string)
	// Dial connects to the target's Port in the container's own network.
	Dial func(ctx context.Context, target core.Target) (net.Conn, error)
	// Exec runs a command in a container.
	Exec func(ctx context.Context, container string, command []string) (exit int, output string, err error)
	// PodmanHealth says what Podman's own check of the container found last, and when.
	PodmanHealth func(container string, mainPID int) (state string, failing int, last time.Time, output string, err error)

	mu sync.Mutex
	// refusals are the PostgreSQL servers that log each start-up message that they
	// refuse, by unit.
	refusals map[string]refusal
}

// Probe asks the service. It takes no longer than the target's timeout for life, and
// that once more for readiness, so that what is slow to be ready is not taken for dead.
func (p *Prober) Probe(ctx context.Context, t core.Target) core.Outcome { return p.probe(ctx, t, true) }

// probe is Probe. Unless it is to be thorough, it spares the logs of a server that is
// known not to like the question.
func (p *Prober) probe(ctx context.Context, t core.Target, thorough bool) core.Outcome {
	if t.Timeout <= 0 {
		t.Timeout = usualTimeout
	}
	begun := time.Now()
	out := p.look(ctx, t, thorough)
	out.Took = time.Since(begun)
	return out
}

func (p *Prober) look(ctx context.Context, t core.Target, thorough bool) core.Outcome {
	if t.Probe == core.ProbeNone {
		return unknown("no probe is set for it")
	}
	if p.Process != nil && t.MainPID != 0 {
		if state, detail := p.Process(t.MainPID); state != "" {
			return core.Outcome{Condition: state, Detail: printable(detail)}
		}
	}
	switch t.Probe {
	case core.ProbePostgres:
		return p.postgres(ctx, t, thorough)
	case core.ProbeRedis:
		return p.redis(ctx, t)
	case core.ProbeS3, core.ProbeHTTP:
		return p.web(ctx, t)
	case core.ProbeTCP:
		return p.ask(ctx, t, func(_ context.Context, c net.Conn) (core.Outcome, error) {
			if err := keeps(c); err != nil {
				return core.Outcome{}, err
			}
			return core.Outcome{Condition: core.ConditionAlive}, nil
		})
	case core.ProbeExec:
		return p.exec(ctx, t)
	case core.ProbePodman:
		return p.podman(t)
	case core.ProbeProcess:
		if p.Process == nil || t.MainPID == 0 {
			return unknown("its main process is not known")
		}
		return core.Outcome{Condition: core.ConditionAlive}
	}
	return unknown(fmt.Sprintf("keeper knows no probe %q", t.Probe))
}

// question asks over a connection. With an error, the outcome is what holds if the
// service had shown a sign of life before that; without such, it is empty.
type question func(ctx context.Context, c net.Conn) (core.Outcome, error)

// ask connects, asks, and makes an outcome of what goes wrong with that.
func (p *Prober) ask(ctx context.Context, t core.Target, q question) core.Outcome {
	begun := time.Now()
	ctx, cancel := context.WithDeadline(ctx, begun.Add(t.Timeout))
	defer cancel()
	c, err := p.dial(ctx, t)
	if err != nil {
		return trouble(ctx, err, false, begun, t.Timeout)
	}
	defer c.Close()
	// One deadline for all of it, however little at a time comes; and an end when
	// nobody wants to know any more.
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(past) })
	defer stop()
	out, err := q(ctx, c)
	if err == nil {
		return out
	}
	bad := trouble(ctx, err, true, begun, t.Timeout)
	if out.Condition == "" || bad.Condition == core.ConditionUnknown {
		return bad
	}
	out.Detail = printable(out.Detail + ": " + bad.Detail)
	return out
}

func (p *Prober) dial(ctx context.Context, t core.Target) (net.Conn, error) {
	switch {
	case t.Address != "":
		d := net.Dialer{KeepAlive: -1} // it does not live that long
		return d.DialContext(ctx, "tcp", t.Address)
	case t.Port == 0:
		return nil, fmt.Errorf("%w: neither an address nor a port is set for it", ErrCannotAsk)
	case p.Dial == nil:
		return nil, fmt.Errorf("%w: there is no way into its network", ErrCannotAsk)
	}
	return p.Dial(ctx, t)
}

// trouble tells whose fault an error is. Once connected, what is no system's error
// is the service's.
func trouble(ctx context.Context, err error, connected bool, begun time.Time, limit time.Duration) core.Outcome {
	var (
		errno syscall.Errno
		name  *net.DNSError
	)
	switch {
	case errors.Is(err, ErrCannotAsk), errors.As(err, &name):
		return unknown(err.Error())
	case errors.Is(ctx.Err(), context.Canceled):
		return unknown("the question was called off")
	case timedOut(err):
		// A machine that is overloaded, or was asleep, is late itself: its services
		// may have answered in time.
		if late := time.Since(begun) - limit; late > limit/2 {
			return unknown(fmt.Sprintf("this machine is too busy to tell: a limit of %v was noticed %v late", limit, late.Round(time.Millisecond)))
		}
		return core.Outcome{Condition: core.ConditionSilent, Detail: fmt.Sprintf("no answer within %v", limit)}
	case errors.Is(err, syscall.ECONNREFUSED):
		return core.Outcome{Condition: core.ConditionRefused, Detail: "nobody takes the connection"}
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return wrong("it hangs up before it has answered")
	case errors.As(err, &errno), !connected:
		return unknown(err.Error())
	}
	return wrong(err.Error())
}

func timedOut(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}

func unknown(why string) core.Outcome {
	return core.Outcome{Condition: core.ConditionUnknown, Detail: printable(why)}
}

func wrong(what string) core.Outcome {
	return core.Outcome{Condition: core.ConditionWrong, Detail: printable(what)}
}

func notReady(why string) core.Outcome {
	return core.Outcome{Condition: core.ConditionNotReady, Detail: printable(why)}
}
