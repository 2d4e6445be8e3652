package lab

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// SoakOptions say how often in a row a stack is struck, and where.
type SoakOptions struct {
	// Revivals is how often each blow of the mode falls: terminate-user in
	// ModeUser; in ModeRoot terminate-user, which the armor makes harmless, and
	// then SIGKILL of the user manager.
	Revivals int
	Mode     Mode
	// Binary is the keeper program; if empty, the one beside this program.
	Binary string
	// Name is the host's.
	Name string
	// Say receives progress; nil is quiet.
	Say func(format string, args ...any)
}

// SoakReport is what came of it, a phase for each blow of the mode.
type SoakReport []SoakPhase

// SoakPhase is one blow struck again and again, and what that left behind.
type SoakPhase struct {
	// Name says what was struck, and Rounds how often.
	Name   string
	Rounds int
	// OneLife: the daemon and the stack lived through all of it. Otherwise each
	// round was a revival, and what the daemon uses is of two fresh processes.
	OneLife       bool
	Before, After Footprint
	// Worst is the longest outage.
	Worst time.Duration
	// Left is what is there after and was not before, or has grown.
	Left []string
}

// Soak boots a host, strikes it again and again, and compares what is on the host
// before and after. Between the rounds it forgets how often the account was
// brought back, which is limited, and tidies up nothing. It returns an error if
// a blow did not land, the stack once was not as it must be after it, or an
// acknowledged entry was lost.
func Soak(ctx context.Context, o SoakOptions) (SoakReport, error) {
	if o.Mode == ModeLinger {
		return nil, errors.New("with linger alone nothing comes back: there is no row of revivals to look at")
	}
	var err error
	if o.Binary, err = Program(o.Binary); err != nil {
		return nil, err
	}
	b, err := bootBench(ctx, Options{Name: o.Name, Say: o.Say}, o.Mode, o.Binary)
	if err != nil {
		return nil, err
	}
	s := soak{bench: b, say: o.Say}
	report, err := s.run(ctx, o.Revivals, o.Revivals)
	return report, errors.Join(err, b.Down())
}

// soak is a host that is struck again and again.
type soak struct {
	*bench
	say func(format string, args ...any)
	// acked are the entries that were acknowledged.
	acked []int64
}

// run does the phases of the mode. armored is how often a blow falls that the
// stack lives through, and revivals how often one that it does not.
func (s *soak) run(ctx context.Context, armored, revivals int) (SoakReport, error) {
	phases := []SoakPhase{{Name: "terminate-user", Rounds: revivals}}
	strike := []func(context.Context) (time.Duration, error){s.terminated}
	if s.mode == ModeRoot {
		phases = []SoakPhase{
			{Name: "terminate-user, with the armor on", Rounds: armored, OneLife: true},
			{Name: "SIGKILL of the user manager", Rounds: revivals},
		}
		strike = []func(context.Context) (time.Duration, error){s.swallowed, s.killed}
	}
	for i := range phases {
		if err := s.phase(ctx, &phases[i], strike[i]); err != nil {
			return phases[:i+1], fmt.Errorf("%s: %w", phases[i].Name, err)
		}
	}
	held, err := s.Ledger(ctx)
	if err != nil {
		return phases, err
	}
	lost, err := Lost(s.acked, held)
	if err == nil && len(lost) > 0 {
		err = fmt.Errorf("acknowledged entries were lost: %v", lost)
	}
	return phases, err
}

// phase strikes so many rounds, between two footprints.
func (s *soak) phase(ctx context.Context, p *SoakPhase, strike func(context.Context) (time.Duration, error)) error {
	// One round first: it leaves what every round leaves once.
	if _, err := s.round(ctx, strike); err != nil {
		return err
	}
	lives, err := s.lives(ctx)
	if err != nil {
		return err
	}
	if p.Before, err = s.steadyFootprint(ctx); err != nil {
		return err
	}
	for i := 1; i <= p.Rounds; i++ {
		took, err := s.round(ctx, strike)
		if err != nil {
			return fmt.Errorf("round %d of %d: %w", i, p.Rounds, err)
		}
		p.Worst = max(p.Worst, took)
		if i%10 == 0 && s.say != nil {
			s.say("%s: %d of %d; the longest outage was %.1f s", p.Name, i, p.Rounds, p.Worst.Seconds())
		}
	}
	if p.After, p.Left, err = s.leftOver(ctx, p.Before); err != nil || !p.OneLife {
		return err
	}
	now, err := s.lives(ctx)
	if err == nil && !maps.Equal(now, lives) {
		err = fmt.Errorf("not all lived through it: the invocations were %v and are %v", lives, now)
	}
	return err
}

// round is one blow, after which all must be well and the ledger be written.
func (s *soak) round(ctx context.Context, strike func(context.Context) (time.Duration, error)) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	took, err := strike(ctx)
	if err != nil {
		return 0, fmt.Errorf("%w\n%s", err, s.diagnosis(ctx))
	}
	// keeper sets linger at most five times a minute, and logind takes the user
	// for one on the way out until it has.
	if err := s.well(ctx, 75*time.Second); err != nil {
		return 0, err
	}
	n, err := s.Post(ctx, Entry{Text: "soak"})
	s.acked = append(s.acked, n)
	return took, err
}

// swallowed strikes terminate-user at an open session, and only that ends.
func (s *soak) swallowed(ctx context.Context) (time.Duration, error) {
	return 0, s.endsSession(ctx, terminate)
}

// terminated strikes terminate-user at an open session, and all goes with it.
func (s *soak) terminated(ctx context.Context) (time.Duration, error) {
	if _, err := s.Keeper(ctx, "resume"); err != nil { // the budget of rearms
		return 0, err
	}
	if err := s.settle(ctx); err != nil {
		return 0, err
	}
	return s.outage(ctx, func(ctx context.Context) error { return s.endsSession(ctx, terminate) })
}

// killed kills the user manager.
func (s *soak) killed(ctx context.Context) (time.Duration, error) {
	// What the revive waits by: it counts the revivals of the last ten minutes.
	if _, err := s.Output(ctx, "rm", "-f", "/run/keeper/revive/"+strconv.Itoa(UID)); err != nil {
		return 0, err
	}
	return s.outage(ctx, func(ctx context.Context) error {
		_, err := s.Output(ctx, "systemctl", "kill", "--kill-whom=main", "--signal=KILL", manager)
		return err
	})
}

// endsSession opens a session, strikes, and waits until logind no longer knows
// the session, which proves that the blow landed.
func (s *soak) endsSession(ctx context.Context, blow Step) error {
	session, err := s.OpenSession(ctx)
	if err != nil {
		return err
	}
	if _, err := s.Output(ctx, "loginctl", "show-session", session.ID); err != nil {
		return err
	}
	if err := blow(ctx, &Scene{Host: s.Host, Mode: s.mode}); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err = until(limited, func(ctx context.Context) bool {
		known, err := s.Output(ctx, "loginctl", "list-sessions", "--no-legend")
		return err == nil && !slices.Contains(strings.Fields(known), session.ID)
	})
	if err != nil {
		return fmt.Errorf("logind still knows session %s: %w", session.ID, err)
	}
	return session.Close(ctx) // the lab's end of it
}

// outage returns how long the stack was away for a blow, which it must have been.
func (s *soak) outage(ctx context.Context, blow func(context.Context) error) (time.Duration, error) {
	o := s.WatchReady(ctx, nil)
	defer o.Stop()
	at := time.Now()
	if err := blow(ctx); err != nil {
		return 0, err
	}
	back, err := o.WaitBack(ctx, at)
	return back.Sub(at), err
}

// lives returns the invocations of the stack, the user manager and the daemon,
// with the daemon's process.
func (s *soak) lives(ctx context.Context) (map[string]string, error) {
	ids, err := s.Invocations(ctx)
	if err != nil {
		return nil, err
	}
	out, err := s.UserOutput(ctx, "systemctl", "--user", "show", "--value", "--property=InvocationID,MainPID", "keeper.service")
	ids["keeper"] = strings.Join(strings.Fields(out), " ")
	return ids, err
}

// Left is what is left over of all phases.
func (r SoakReport) Left() []string {
	var list []string
	for _, p := range r {
		list = append(list, p.Left...)
	}
	return list
}

// String is the report for people.
func (r SoakReport) String() string {
	var out strings.Builder
	for _, p := range r {
		fmt.Fprintf(&out, "%s, %d times: ", p.Name, p.Rounds)
		daemon := "daemon"
		if p.OneLife {
			out.WriteString("the daemon and the stack lived on\n")
		} else {
			fmt.Fprintf(&out, "longest outage %.1f s\n", p.Worst.Seconds())
			daemon = "fresh daemon"
		}
		fmt.Fprintf(&out, "%-36s %10s %10s\n", "", "before", "after")
		for _, l := range p.Before.lines(p.After, daemon) {
			fmt.Fprintf(&out, "%-36s %10d %10d\n", l.name, l.before, l.after)
		}
		if len(p.Left) == 0 {
			out.WriteString("nothing is left over\n")
		}
		for _, l := range p.Left {
			fmt.Fprintf(&out, "left over: %s\n", l)
		}
	}
	return out.String()
}
