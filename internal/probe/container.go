package probe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"keeper/internal/core"
)

// exec asks by a command in the container.
func (p *Prober) exec(ctx context.Context, t core.Target) core.Outcome {
	if p.Exec == nil || len(t.Command) == 0 {
		return unknown("no command can be run in it")
	}
	begun := time.Now()
	ctx, cancel := context.WithDeadline(ctx, begun.Add(t.Timeout))
	defer cancel()
	exit, output, err := p.Exec(ctx, t.Container, t.Command)
	switch {
	case err == nil && exit == 0:
		return core.Outcome{Condition: core.ConditionReady}
	case err == nil:
		return unhealthy(fmt.Sprintf("%s: exit status %d", t.Command[0], exit), output)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		// Podman, conmon and the runtime are between keeper and the command: whose
		// fault it is cannot be told.
		return unknown(fmt.Sprintf("%s did not end within %v", t.Command[0], t.Timeout))
	}
	return unknown(err.Error())
}

// podman asks for what Podman's own health check said last.
func (p *Prober) podman(t core.Target) core.Outcome {
	if p.PodmanHealth == nil {
		return unknown("what Podman's check says cannot be read")
	}
	state, failing, last, output, err := p.PodmanHealth(t.Container, t.MainPID)
	if err != nil {
		return unknown(err.Error())
	}
	switch state {
	case "healthy":
		return core.Outcome{Condition: core.ConditionReady}
	case "unhealthy":
		return unhealthy(fmt.Sprintf("Podman's check failed %d times", failing), output)
	case "starting":
		return core.Outcome{Condition: core.ConditionStarting}
	case "stale":
		return unknown("Podman's check ran last " + ago(last) + ": is its timer there?")
	case "", "missing":
		return unknown("Podman has no check of it")
	}
	return unknown(fmt.Sprintf("Podman calls it %q", state))
}

func ago(at time.Time) string {
	if at.IsZero() {
		return "never"
	}
	return time.Since(at).Round(time.Second).String() + " ago"
}

func unhealthy(what, output string) core.Outcome {
	if output = tail(output); output != "" {
		what += ": " + output
	}
	return core.Outcome{Condition: core.ConditionUnhealthy, Detail: printable(what)}
}
