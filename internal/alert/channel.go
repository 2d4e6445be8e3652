// Package alert tells people: by webhooks, commands, Alertmanager and whatever the
// shoutrrr library knows. What cannot be sent waits in a queue on disk. Nothing here
// decides what a person is to be told, nor ever waits for anybody but in its own
// goroutines.
package alert

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"keeper/internal/core"
)

// sendTimeout bounds one try, if nothing else is set.
const sendTimeout = 10 * time.Second

// refused is the error of a receiver that does not take this alert: to send it again at
// once is of no use. after, if any, is when it wants to be asked again.
type refused struct {
	error
	after time.Duration
}

func (r refused) Unwrap() error { return r.error }

// Helper runs the program that has the library for ntfy, mail and the rest: request on
// its standard input, answer on its standard output.
type Helper func(ctx context.Context, request []byte) ([]byte, error)

// Runner runs a command with these variables, and the text as its standard input, and
// returns what it printed. Where it did not run it, it may be run in another way.
type Runner func(ctx context.Context, argv, env []string, stdin []byte) (said string, ran bool, err error)

// send sends one alert by one channel, and returns what the receiver said. Neither that
// nor the error has a secret in it.
func send(ctx context.Context, c core.Channel, a core.Alert, helper Helper, run Runner) (said string, err error) {
	timeout := c.Timeout
	if timeout == 0 {
		timeout = sendTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if c.Kind == core.ChannelCommand {
		return runCommand(ctx, c.Command, a, run)
	}
	address, err := read(c.URL)
	if err != nil {
		return "", err
	}
	token, err := read(c.Token)
	if err != nil {
		return "", err
	}
	switch c.Kind {
	case core.ChannelWebhook:
		said, err = post(ctx, address, token, a.Key, webhookBody(a))
	case core.ChannelAlertmanager:
		said, err = post(ctx, strings.TrimRight(address, "/")+"/api/v2/alerts", token, a.Key, alertmanagerBody(a, time.Now()))
	case core.ChannelShoutrrr:
		said, err = shout(ctx, address, a, helper)
	default:
		return "", fmt.Errorf("%q is no kind of channel", c.Kind)
	}
	if err != nil {
		var r refused
		after := time.Duration(-1)
		if errors.As(err, &r) {
			after = r.after
		}
		// A new error: the old one has the address in it, which may be a secret.
		err = errors.New(redact(err.Error(), address, token))
		if after >= 0 {
			err = refused{err, after}
		}
	}
	return redact(said, address, token), err
}

// subject is the title of a message for people.
func subject(a core.Alert) string {
	where := strings.Trim(a.User+"@"+a.Host, "@")
	if where == "" {
		return "keeper: " + a.Title
	}
	return "keeper " + where + ": " + a.Title
}

// takes says whether a channel is for an alert.
func takes(c core.Channel, a core.Alert) bool {
	return a.Kind == core.AlertTest || c.Least != core.UrgencyCritical || a.Urgency == core.UrgencyCritical
}
