package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"keeper/internal/standdown"
	"keeper/internal/units"
)

// keeper.service has NoNewPrivileges= and a filter of system calls
// (docs/reference/sandbox.md). What has to be without is run by the user manager, in a
// unit of its own: programs that are set-uid (chage, passwd), and those that a person
// set as an alert's channel, which may be anything.

// outside runs a command there. It dials anew: this must not depend on what else keeper
// has to say to the manager.
func outside(ctx context.Context, runtime string, c units.Command) (output string, exit int, err error) {
	if at, ok := ctx.Deadline(); ok {
		c.Within = time.Until(at)
	}
	conn, err := units.Dial(ctx, runtime)
	if err != nil {
		return "", 0, fmt.Errorf("%w: %w", units.ErrNotRun, err)
	}
	defer conn.Close()
	return conn.RunCommand(ctx, c)
}

// accountWait is how long a question about the account may take: the manager may be busy
// starting everything.
const accountWait = 5 * time.Second

// askOutside is standdown.Marks.Outside.
func askOutside(runtime string) func(ctx context.Context, argv []string) (string, error) {
	return lastKnown(func(ctx context.Context, argv []string) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, accountWait)
		defer cancel()
		out, exit, err := outside(ctx, runtime, units.Command{
			Description: "keeper asks about the account: " + argv[0],
			Argv:        argv, Env: []string{"LC_ALL=C"}, Within: accountWait,
		})
		if err == nil && exit != 0 {
			err = exitStatus(exit)
		}
		return out, err
	})
}

// exitStatus is that of a program that ran and failed.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// lastKnown answers what was answered last where nobody could be asked: an account that
// was locked or has expired is not well again because its manager hangs or is on its way
// out. It says so with standdown.ErrNotAsked.
func lastKnown(ask func(context.Context, []string) (string, error)) func(context.Context, []string) (string, error) {
	var mu sync.Mutex
	last := map[string]string{}
	return func(ctx context.Context, argv []string) (string, error) {
		out, err := ask(ctx, argv)
		mu.Lock()
		defer mu.Unlock()
		key, ran := strings.Join(argv, "\x00"), new(exitStatus)
		switch known := last[key]; {
		case err == nil:
			last[key] = out
		case errors.As(err, ran):
			delete(last, key)
		default:
			return known, fmt.Errorf("%w: %w", standdown.ErrNotAsked, err)
		}
		return out, err
	}
}

// alertOutside is alert.Runner. Where the user manager does not run it, it is run here
// after all: what tells of a manager that hangs must not need the manager.
func alertOutside(runtime string) func(ctx context.Context, argv, env []string, stdin []byte) (said string, ran bool, err error) {
	return func(ctx context.Context, argv, env []string, stdin []byte) (string, bool, error) {
		out, exit, err := outside(ctx, runtime, units.Command{Description: "keeper tells of an alert", Argv: argv, Env: env, Stdin: stdin})
		switch {
		case errors.Is(err, units.ErrNotRun):
			return "", false, err
		case err == nil && exit != 0:
			err = exitStatus(exit)
		}
		return strings.TrimSpace(out), true, err
	}
}
