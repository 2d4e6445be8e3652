package lab

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// manager is the unit of the account's user manager.
var manager = fmt.Sprintf("user@%d.service", UID)

// asRoot and asUser strike by a command. Where the stack must stay, the command
// has to succeed: nothing else shows that the blow fell. Elsewhere what it exits
// with means nothing, for the blow may well hit the command, too.
func asRoot(argv ...string) Step {
	return func(ctx context.Context, s *Scene) error {
		_, err := s.Output(ctx, argv...)
		return s.fell(ctx, err)
	}
}

func asUser(argv ...string) Step {
	return func(ctx context.Context, s *Scene) error {
		_, err := s.UserOutput(ctx, argv...)
		return s.fell(ctx, err)
	}
}

func (s *Scene) fell(ctx context.Context, err error) error {
	if s.Want == Stays || s.sure {
		return err
	}
	return ctx.Err()
}

// surely strikes by a command that has to succeed, whatever becomes of the stack:
// one that another blow comes before or after, so that the outcome does not tell
// whether both fell.
func surely(argv ...string) Step {
	return func(ctx context.Context, s *Scene) error {
		_, err := s.Output(ctx, argv...)
		return err
	}
}

// late strikes a machine that is going down, by a command that has to succeed if
// it does not come too late.
func late(argv ...string) Step {
	return func(ctx context.Context, s *Scene) error {
		_, err := s.Output(ctx, argv...)
		if out, _ := s.Output(ctx, "systemctl", "is-system-running"); strings.TrimSpace(out) != "running" {
			return ctx.Err()
		}
		return err
	}
}

// armored is a job of PID 1 for a unit that root's armor covers: there it is
// refused, and the refusal shows that it was asked for.
func armored(argv ...string) Step {
	return func(ctx context.Context, s *Scene) error {
		out, err := s.Output(ctx, argv...)
		if s.Mode == ModeRoot && (err == nil || !strings.Contains(out, "refuse")) {
			return fmt.Errorf("%s was not refused: %s", strings.Join(argv, " "), out)
		}
		return ctx.Err()
	}
}

// changing does a step and waits until a line of shell, which the account runs,
// prints something else than before: so the step is known to have happened.
func changing(line string, step Step) Step {
	return func(ctx context.Context, s *Scene) error {
		look := func(ctx context.Context) string {
			out, err := s.UserOutput(ctx, "sh", "-c", line)
			if err != nil {
				return "" // nothing can be seen just now
			}
			return out
		}
		before := look(ctx)
		if before == "" {
			return fmt.Errorf("%q prints nothing before the blow", line)
		}
		if err := step(ctx, s); err != nil {
			return err
		}
		wctx, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		if err := until(wctx, func(ctx context.Context) bool { now := look(ctx); return now != "" && now != before }); err != nil {
			return fmt.Errorf("the blow did not fall: %q prints as before: %s", line, strings.TrimSpace(before))
		}
		return nil
	}
}

// rootMust and userMust run a line of shell that has to succeed.
func rootMust(line string) Step {
	return func(ctx context.Context, s *Scene) error {
		_, err := s.Output(ctx, "sh", "-ec", line)
		return err
	}
}

func userMust(line string) Step {
	return func(ctx context.Context, s *Scene) error {
		_, err := s.UserOutput(ctx, "sh", "-ec", line)
		return err
	}
}

// steps does one after the other.
func steps(list ...Step) Step {
	return func(ctx context.Context, s *Scene) error {
		for _, step := range list {
			if err := step(ctx, s); err != nil {
				return err
			}
		}
		return nil
	}
}

// after waits, as a part of a blow in which the time matters.
func after(d time.Duration) Step {
	return func(ctx context.Context, _ *Scene) error { return pause(ctx, d) }
}

// logIn opens login sessions that last until somebody ends them.
func logIn(n int) Step {
	return func(ctx context.Context, s *Scene) error {
		for range n {
			session, err := s.OpenSession(ctx)
			if err != nil {
				return err
			}
			s.sessions = append(s.sessions, session)
		}
		return nil
	}
}

// typed types a line in the first session.
func typed(line string) Step {
	return func(_ context.Context, s *Scene) error { return s.sessions[0].Type(line) }
}

// logOut ends every session as its person would.
func logOut(ctx context.Context, s *Scene) error {
	for _, session := range s.sessions {
		if err := session.Close(ctx); err != nil {
			return err
		}
	}
	return nil
}

// onSession runs loginctl with the first session's id as the last argument.
func onSession(args ...string) Step {
	return func(ctx context.Context, s *Scene) error {
		return asRoot(append(append([]string{"loginctl"}, args...), s.sessions[0].ID)...)(ctx, s)
	}
}

// ending does a step and waits until every session has ended: logind has
// forgotten it, or keeps it for what was left behind in it.
func ending(step Step) Step {
	return func(ctx context.Context, s *Scene) error {
		if err := step(ctx, s); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		for _, session := range s.sessions {
			err := until(ctx, func(ctx context.Context) bool {
				out, err := s.Output(ctx, "sh", "-c", "loginctl show-session --property=State --value "+session.ID+" 2>&1")
				state := strings.TrimSpace(out)
				return err == nil && state == "closing" || err != nil && strings.Contains(out, "No session")
			})
			if err != nil {
				return fmt.Errorf("the blow did not fall: session %s goes on", session.ID)
			}
		}
		return nil
	}
}

// drop kills the process that leads the first session, as a connection that
// breaks does to sshd's.
func drop(ctx context.Context, s *Scene) error {
	out, err := s.Output(ctx, "loginctl", "show-session", "--property=Leader", "--value", s.sessions[0].ID)
	if err != nil {
		return err
	}
	return rootMust("kill -KILL "+strings.TrimSpace(out))(ctx, s)
}

// leftBehind logs in and out and leaves a process in the session, which then
// reads closing for as long as that lives, and so does the user.
func leftBehind(ctx context.Context, s *Scene) error {
	session, err := s.OpenSession(ctx)
	if err != nil {
		return err
	}
	if err := session.Type("setsid sleep 600 >/dev/null 2>&1 </dev/null &"); err != nil {
		return err
	}
	err = until(ctx, func(ctx context.Context) bool {
		_, err := s.Output(ctx, "pgrep", "-u", User, "-x", "sleep")
		return err == nil
	})
	if err != nil {
		return err
	}
	return session.Close(ctx)
}

// byHand starts a container in the first session, as a person does who has no
// Quadlet for it.
func byHand(ctx context.Context, s *Scene) error {
	const run = "podman run --detach --rm --name byhand --network none --entrypoint sleep docker.io/library/redis:8 600"
	if err := s.sessions[0].Type(run + " >/dev/null 2>&1"); err != nil {
		return err
	}
	return until(ctx, func(ctx context.Context) bool {
		return byHandRuns(ctx, s) == nil
	})
}

// byHandRuns sees that container run.
func byHandRuns(ctx context.Context, s *Scene) error {
	out, err := s.UserOutput(ctx, "podman", "container", "inspect", "--format", "{{.State.Running}}", "byhand")
	if err == nil && strings.TrimSpace(out) != "true" {
		err = fmt.Errorf("the container started by hand does not run: %s", out)
	}
	return err
}

var withoutByHand = asUser("podman", "rm", "--force", "--time", "0", "byhand")

// ofKeeper is a line of shell that prints a property of the daemon's unit.
func ofKeeper(property string) string {
	return "systemctl --user show --value --property=" + property + " keeper.service"
}

// killKeeper sends the daemon a signal, and waits until that has struck.
func killKeeper(signal string) Step {
	line := ofKeeper("MainPID")
	if signal == "STOP" {
		line = `grep "^State:.T" /proc/$(` + line + `)/status || echo runs`
	}
	return changing(line, userMust("systemctl --user kill --signal="+signal+" keeper.service"))
}

// kill sends a signal to the processes that match pgrep's arguments, of which
// there must be one at least: a blow at nobody proves nothing.
func kill(signal string, match ...string) Step {
	return func(ctx context.Context, s *Scene) error {
		_, err := s.Output(ctx, append([]string{"pkill", "--signal", signal}, match...)...)
		return err
	}
}

// until waits for a condition, as long as the context lasts.
func until(ctx context.Context, holds func(context.Context) bool) error {
	for !holds(ctx) {
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// managerIs waits until the user manager's unit is in one of the states.
func managerIs(states ...string) Step {
	return func(ctx context.Context, s *Scene) error {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		err := until(ctx, func(ctx context.Context) bool {
			now := s.ManagerState(ctx)
			for _, state := range states {
				if now == state {
					return true
				}
			}
			return false
		})
		if err != nil {
			return fmt.Errorf("%s does not become %s: %w", manager, strings.Join(states, " or "), err)
		}
		return nil
	}
}

// ManagerState is the ActiveState of the account's user manager, as PID 1 has
// it; empty if PID 1 does not answer.
func (h *Host) ManagerState(ctx context.Context) string {
	out, _ := h.Output(ctx, "systemctl", "show", "--value", "--property=ActiveState", manager)
	return strings.TrimSpace(out)
}

// managerAnswers asks the user manager something.
func managerAnswers(ctx context.Context, s *Scene) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_, err := s.UserOutput(ctx, "systemctl", "--user", "show-environment")
	return err
}

// namesResolve asks for a name from within a container.
func namesResolve(ctx context.Context, s *Scene) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, err := s.UserOutput(ctx, "podman", "exec", "django", "getent", "hosts", "postgres")
	return err
}

// outside is an address of the host that containers reach through pasta alone.
const outside = "192.0.2.1"

// openOutside gives the host that address, with somebody who listens there.
func openOutside(ctx context.Context, s *Scene) error {
	if _, err := s.Output(ctx, "ip", "address", "replace", outside+"/32", "dev", "lo"); err != nil {
		return err
	}
	l, err := s.listen(ctx, "tcp", outside+":7")
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	s.undo = append(s.undo, func(context.Context) error { return l.Close() })
	return outsideReached(ctx, s)
}

// outsideReached connects to the outside from within a container.
func outsideReached(ctx context.Context, s *Scene) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, err := s.UserOutput(ctx, "podman", "exec", "django", "python3", "-c",
		"import socket; socket.create_connection(('"+outside+"', 7), 2)")
	return err
}
