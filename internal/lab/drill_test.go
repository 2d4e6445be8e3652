package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"keeper/internal/control"
	"keeper/internal/core"
)

// drillResult is what keeper drill run --json prints.
type drillResult struct {
	Drill      control.Drill
	Expected   core.DrillOutcome
	AsExpected bool `json:"as_expected"`
	Away       []control.Outage
}

// drillListed is a line of keeper drill list --json.
type drillListed struct {
	Name, Type, Needs string
	Service, Asks     bool
	Expected          core.DrillOutcome
	Last              *control.Drill
}

// TestDrill strikes every drill that the account may strike, as its owner would, on a
// host as it is without root's part and on one with it. That the same blow leaves the
// stack down, or changes it for good, without keeper is what the column "with linger
// alone" of the kill table says (TestKillTable, make killmatrix), and for SIGSTOP
// TestSuperviseControl.
func TestDrill(t *testing.T) {
	t.Parallel()
	for _, m := range []Mode{ModeUser, ModeRoot} {
		t.Run(string(m), func(t *testing.T) {
			t.Parallel()
			h := testHost(t, Options{Name: "drill-" + string(m), Stack: true})
			if err := h.Install(t.Context(), m.install(testKeeper(t)), t.Output()); err != nil {
				t.Fatal(err)
			}
			configure(t, h, shortTimes+"[alerts]\nhold = \"10s\"\n")
			await(t, 20*time.Second, "keeper has taken the settings", func(context.Context) bool {
				return service(t, h, "django").Supervision.Timeout == time.Second
			})
			// logind takes a user without a session for gone when linger goes.
			session := must[*Session](t)(h.OpenSession(t.Context()))
			t.Cleanup(func() { _ = session.Close(context.Background()) })
			for _, d := range drills(t, h) {
				if d.Type == "" {
					t.Run(d.Name, func(t *testing.T) { drilled(t, h, d) })
				}
			}
			t.Run("terminate-user from a session", func(t *testing.T) { drilledFromSession(t, h, m) })
		})
	}
}

// drills are those of the host, as it lists them.
func drills(t *testing.T, h *Host) []drillListed {
	t.Helper()
	out, err := keeper(within(t, 10*time.Second), h, "drill", "list", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var l struct{ Drills []drillListed }
	if err := json.Unmarshal([]byte(out), &l); err != nil || len(l.Drills) < 10 {
		t.Fatalf("%v: %s", err, out)
	}
	return l.Drills
}

// runDrill runs keeper drill run, and returns what it printed, what it said, and its
// exit code.
func runDrill(t *testing.T, h *Host, args ...string) (out, said string, code int) {
	t.Helper()
	var o, e bytes.Buffer
	argv := append([]string{".local/bin/keeper", "drill", "run"}, args...)
	err := h.Run(within(t, 6*time.Minute), Exec{User: User, Stdout: &o, Stderr: &e}, argv...)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v\n%s", err, e.String())
	}
	if exit != nil {
		code = exit.ExitCode()
	}
	return o.String(), e.String(), code
}

// drilled strikes one, and sees what comes of it.
func drilled(t *testing.T, h *Host, d drillListed) {
	t.Helper()
	rested(t, h)
	args := []string{d.Name, "--json"}
	hit := ""
	if d.Service {
		hit = "redis"
		args = append(args, "--service", hit)
	}
	if d.Asks {
		// There is no terminal, so nobody can agree.
		if _, said, code := runDrill(t, h, args...); code != 2 {
			t.Fatalf("not asked for: exit code %d: %s", code, said)
		}
		args = append(args, "--yes")
	}
	if d.Needs != "" {
		if _, said, code := runDrill(t, h, args...); code != 2 || !strings.Contains(said, "revive") {
			t.Fatalf("exit code %d: %s", code, said)
		}
		return
	}
	before := lives(t, h, Services...)
	out, said, code := runDrill(t, h, args...)
	t.Log("\n" + said)
	var r drillResult
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("exit code %d, %v: %s%s", code, err, out, said)
	}
	if code != 0 || !r.AsExpected || r.Drill.Outcome != d.Expected || r.Expected != d.Expected {
		t.Errorf("exit code %d, %s, want %s: %s", code, r.Drill.Outcome, d.Expected, out)
	}
	if back := r.Drill.Outcome == core.DrillBack; back != (r.Drill.OutageMS > 0) {
		t.Errorf("%s after %d ms", r.Drill.Outcome, r.Drill.OutageMS)
	}
	await(t, 20*time.Second, "the drill is over, and the stack is whole", func(ctx context.Context) bool {
		return holds(ctx, h, "curl -sf -m 5 http://127.0.0.1:8000/readyz")
	})
	kept(t, h, r)
	switch {
	case r.Drill.Outcome == core.DrillHeld:
		unchanged(t, h, before)
	case hit != "":
		if !slices.ContainsFunc(r.Away, func(o control.Outage) bool { return o.Name == hit+".service" }) {
			t.Errorf("%s was struck, and was not away: %+v", hit, r.Away)
		}
		// What needs redis may go with it; nothing else may.
		unchanged(t, h, map[string]life{"postgres": before["postgres"], "minio": before["minio"]})
	}
}

// drilledFromSession strikes the drill that ends the session it is typed in. Nobody but
// the daemon sees its end.
func drilledFromSession(t *testing.T, h *Host, m Mode) {
	t.Helper()
	rested(t, h)
	s := must[*Session](t)(h.OpenSession(t.Context()))
	begun := time.Now()
	if err := s.Type(".local/bin/keeper drill run terminate-user --yes"); err != nil {
		t.Fatal(err)
	}
	var last control.Drill
	await(t, 2*time.Minute, "the history has the result", func(context.Context) bool {
		for _, d := range drills(t, h) {
			if d.Name == "terminate-user" && d.Last != nil {
				last = *d.Last
			}
		}
		return last.Began.After(begun.Add(-time.Second)) && !last.Ended.IsZero()
	})
	t.Logf("%+v", last)
	want := core.DrillBack
	if m == ModeRoot {
		want = core.DrillUnknown // nothing shows the daemon that the blow fell
	}
	if last.Outcome != want || (want == core.DrillBack) != (last.OutageMS > 0) {
		t.Errorf("%s after %d ms, want %s: %s", last.Outcome, last.OutageMS, want, last.Why)
	}
	allWell(t, h)
}

// rested waits until nothing of an earlier drill is left.
func rested(t *testing.T, h *Host) {
	t.Helper()
	allWell(t, h)
	await(t, 2*time.Minute, "no incident is open, and no drill", func(context.Context) bool {
		st := status(t, h)
		return st.Well && len(st.Incidents) == 0 && (st.Drill == nil || !st.Drill.Ended.IsZero())
	})
}

// kept sees the result in the history.
func kept(t *testing.T, h *Host, r drillResult) {
	t.Helper()
	var last *control.Drill
	await(t, 10*time.Second, fmt.Sprintf("the list has the result of %s", r.Drill.ID), func(context.Context) bool {
		all := drills(t, h)
		i := slices.IndexFunc(all, func(d drillListed) bool { return d.Name == r.Drill.Name })
		last = all[i].Last
		return last != nil && last.ID == r.Drill.ID && !last.Ended.IsZero()
	})
	if last.Outcome != r.Drill.Outcome || last.OutageMS != r.Drill.OutageMS || last.Service != r.Drill.Service {
		t.Errorf("kept is %+v, said was %+v", *last, r.Drill)
	}
}
