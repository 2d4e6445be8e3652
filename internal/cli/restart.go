package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"keeper/internal/control"
	"keeper/internal/core"
	"keeper/internal/term"
)

func restartCommand(io term.IO) *cobra.Command {
	c := &cobra.Command{
		Use:   "restart SERVICE...",
		Short: "Have keeper restart services, and wait until they are well",
		Long: `restart has keeper restart services, also where it had given up on them, and waits
until they are well again. What it does is on stderr. Interrupting it ends the
waiting and not the restart.

Exit codes: 0 they are well, 2 there is no such service, 3 keeper refused, gave up,
or they are not well in time, 4 the daemon does not answer.`,
		Example:           "  keeper restart django",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: completeServices,
	}
	limit := c.Flags().Duration("timeout", 2*time.Minute, "wait for no longer than a `TIME`")
	noWait := c.Flags().Bool("no-wait", false, "do not wait")
	c.RunE = func(c *cobra.Command, args []string) error {
		if *limit < time.Second {
			return term.Exit{Code: term.ExitUsage, Err: fmt.Errorf("--timeout %s: it is a second or more; to wait for nothing: --no-wait", *limit)}
		}
		p, _, err := here()
		if err != nil {
			return err
		}
		var asked []string
		for _, arg := range args {
			asked = append(asked, strings.TrimSuffix(arg, ".service"))
		}
		alone := "without it: systemctl --user restart " + strings.Join(asked, " ")
		st, err := control.Get(c.Context(), p.Socket)
		if err != nil {
			return refused(err, "", alone)
		}
		units, err := pick(args, serviceNames(st), c.CommandPath()+" --help")
		if err != nil {
			return err
		}
		for _, unit := range units {
			if err := control.Restart(c.Context(), p.Socket, unit); err != nil {
				return refused(err, unit, alone)
			}
		}
		if *noWait {
			fmt.Fprintf(io.Err, "keeper restarts %s; to see how: keeper status --watch\n", list(units))
			return nil
		}
		ctx, cancel := context.WithTimeout(c.Context(), *limit)
		defer cancel()
		_, _, onTerminal := term.Size(io.Err)
		r := newRestarts(units, st, &teller{w: io.Err, over: onTerminal}, time.Now())
		err = r.follow(ctx)
		if ctx.Err() != nil && c.Context().Err() == nil && errors.Is(err, context.DeadlineExceeded) {
			return r.late(*limit)
		}
		if c.Context().Err() != nil {
			return fmt.Errorf("not waited for; keeper goes on with %s", list(units))
		}
		return err
	}
	return c
}

// restarts is the wait for services that keeper was asked to restart.
type restarts struct {
	waits []*wait
	tell  *teller
	begun time.Time
	// gone is why the daemon does not answer at the moment.
	gone error
}

// wait is that for one service.
type wait struct {
	unit, name string
	// before is the life, and first the state, in which it was asked for.
	before string
	first  core.ServiceState
	// moved says that something has come of it: from then on what is seen is after
	// the restart, or about it.
	moved bool
	now   core.Service
	done  bool
}

func newRestarts(units []string, st control.Status, tell *teller, now time.Time) *restarts {
	r := &restarts{tell: tell, begun: now}
	for _, unit := range units {
		v, u := find(st, unit)
		r.waits = append(r.waits, &wait{unit: unit, name: strings.TrimSuffix(unit, ".service"), before: u.Invocation, first: v.State, now: v})
	}
	return r
}

// find returns what a status says of a service.
func find(st control.Status, unit string) (core.Service, core.Unit) {
	var v core.Service
	var u core.Unit
	if i := slices.IndexFunc(st.Services, func(v core.Service) bool { return v.Name == unit }); i >= 0 {
		v = st.Services[i]
	}
	if i := slices.IndexFunc(st.Units, func(u core.Unit) bool { return u.Name == unit }); i >= 0 {
		u = st.Units[i]
	}
	return v, u
}

// errDone ends the following.
var errDone = errors.New("done")

// follow returns when all are well, or one will not be.
func (r *restarts) follow(ctx context.Context) error {
	defer r.tell.end()
	err := follow(ctx, func(s seen) error {
		r.gone = s.err
		if s.status.Stale {
			r.tell.say("the daemon does not answer; waiting for it")
			return nil
		}
		return r.see(s.status, time.Now())
	})
	if errors.Is(err, errDone) {
		return nil
	}
	return err
}

// see takes a status in.
func (r *restarts) see(st control.Status, now time.Time) error {
	var said []string
	all := true
	for _, w := range r.waits {
		if err := w.see(st); err != nil {
			return err
		}
		all = all && w.done
		said = append(said, w.name+" is "+w.words())
	}
	line := strings.Join(said, ", ")
	if all {
		r.tell.end()
		fmt.Fprintf(r.tell.w, "%s, after %.1fs\n", line, now.Sub(r.begun).Seconds())
		return errDone
	}
	r.tell.say(line)
	return nil
}

func (w *wait) see(st control.Status) error {
	v, u := find(st, w.unit)
	if v.Name == "" {
		return term.Exit{Code: term.ExitDegraded, Err: fmt.Errorf("%s is no service any more; see: keeper status", w.name)}
	}
	w.now = v
	again := u.Invocation != w.before
	w.moved = w.moved || again || v.State != w.first
	// Only a new life can be well again: what is seen may be from before.
	w.done = again && v.State == core.ServiceWell
	switch {
	case !w.moved || w.done:
	case v.State == core.ServiceGaveUp:
		return w.failed("keeper gave up on it")
	case v.State == core.ServiceStopped:
		return w.failed("somebody stopped it")
	case again && v.State == core.ServiceUnknown:
		return w.failed("it cannot be asked how it is")
	case again && u.Active == "failed":
		return w.failed("it failed (" + cmp.Or(u.Result, "systemd does not say why") + ")")
	}
	return nil
}

// words say how it is.
func (w *wait) words() string {
	s := string(w.now.State)
	if !w.moved {
		s = "to be restarted"
	}
	if why := cmp.Or(w.now.Why, w.now.Detail); why != "" && w.moved && !w.done {
		s += " (" + why + ")"
	}
	return s
}

func (w *wait) failed(what string) error {
	return term.Exit{Code: term.ExitDegraded, Err: fmt.Errorf("%s is not well: %s%s; look at: journalctl --user -u %s -n 50, keeper status",
		w.name, what, after(": ", cmp.Or(w.now.Why, w.now.Detail)), w.name)}
}

// late is how it ends when the time is over.
func (r *restarts) late(limit time.Duration) error {
	if r.gone != nil { // whatever was seen last is no answer
		return term.Exit{Code: term.ExitUnreachable, Err: fmt.Errorf("%w, and whether the restart is done is not known; see: keeper status", r.gone)}
	}
	for _, w := range r.waits {
		if !w.done {
			return w.failed(fmt.Sprintf("after %s it is %s", core.Span(limit), cmp.Or(string(w.now.State), "unknown")))
		}
	}
	return nil
}

// teller tells of progress: on a terminal in one line that changes, elsewhere a
// line for each change.
type teller struct {
	w    io.Writer
	over bool
	last *string
}

func (t *teller) say(line string) {
	if t.last != nil && *t.last == line {
		return
	}
	t.last = &line
	if !t.over {
		fmt.Fprintln(t.w, line)
		return
	}
	width, _, ok := term.Size(t.w)
	if !ok {
		width = 80
	}
	fmt.Fprint(t.w, "\r"+wrap(line, max(1, width-1))[0]+clearToEOL)
}

// end takes the line away.
func (t *teller) end() {
	if t.over && t.last != nil {
		fmt.Fprint(t.w, "\r"+clearToEOL)
	}
	t.last = nil
}
