package cli

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"keeper/internal/control"
	"keeper/internal/core"
	"keeper/internal/drill"
	"keeper/internal/term"
)

// What interrupts anything is not struck where nobody can be asked, unless --yes was
// typed; what ends the session says so.
func TestAgreed(t *testing.T) {
	t.Parallel()
	st := control.Status{User: "alice", Services: []core.Service{{Name: "web.service"}}}
	armored := st
	armored.Root.Armor = true
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for name, tt := range map[string]struct {
		drill   string
		st      control.Status
		yes, ok bool
		says    string
	}{
		"harmless":                 {drill: "keeper-kill", st: st, ok: true},
		"a service":                {drill: "container-kill", st: st, says: "interrupts web"},
		"a service, and yes":       {drill: "container-kill", st: st, yes: true, ok: true, says: "interrupts web"},
		"the network":              {drill: "pasta-kill", st: st, says: "containers cannot open"},
		"the stack":                {drill: "terminate-user", st: st, says: "whole stack (web)"},
		"the stack, and yes":       {drill: "terminate-user", st: st, yes: true, ok: true, says: "this one as well; afterwards: keeper drill list"},
		"the sessions, with armor": {drill: "terminate-user", st: armored, says: "The stack goes on"},
	} {
		d, err := pickDrill(tt.drill)
		if err != nil {
			t.Fatal(err)
		}
		var talk bytes.Buffer
		err = agreed(t.Context(), term.IO{Err: &talk}, null, d, tt.st, "web.service", tt.yes)
		said := talk.String()
		if err != nil {
			said += err.Error()
			if code := term.Code(err, "keeper", term.IO{Err: &talk}); code != term.ExitUsage || !strings.Contains(said, "--yes") {
				t.Errorf("%s: exit code %d: %s", name, code, said)
			}
		}
		if (err == nil) != tt.ok || !strings.Contains(said, tt.says) || tt.says == "" && said != "" {
			t.Errorf("%s: %v, %q", name, err, said)
		}
	}
}

func TestDrillLines(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 10, 20, 12, 0, 0, 0, time.Local)
	at := time.Date(2026, 10, 12, 9, 10, 0, 0, time.Local)
	past := []core.Drill{
		{ID: "3", Name: "container-kill", Service: "web.service", Began: at, Ended: at, Outage: 9 * time.Second, Outcome: core.DrillBack},
		{ID: "2", Name: "container-kill", Service: "redis.service", Began: at, Ended: at, Outage: 2100 * time.Millisecond, Outcome: core.DrillBack},
		{ID: "1", Name: "container-kill", Service: "redis.service", Began: at, Ended: at, Outage: time.Second, Outcome: core.DrillBack},
	}
	last, ok := lastDrill(past, "container-kill", "redis.service")
	if _, other := lastDrill(past, "keeper-kill", ""); !ok || other || last.ID != "2" {
		t.Fatalf("%+v %v %v", last, ok, other)
	}
	before := control.DrillOf(last)
	r := drillReport{Drill: control.Drill{Name: "container-kill", OutageMS: 2300, Outcome: core.DrillBack, Why: "all was back by itself"},
		Expected: core.DrillBack, AsExpected: true, Last: &before, TableMS: 8100}
	if got, want := r.line(now), "container-kill: back after 2.3 s, all was back by itself; last time (12 Oct 2026) back after 2.1 s; in the lab 8.1 s"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	r = drillReport{Drill: control.Drill{Name: "keeper-kill", Outcome: core.DrillFailed, Why: "it is gone"}, Expected: core.DrillHeld}
	if got := r.line(now); !strings.Contains(got, "the first of its kind here\nit must be held") {
		t.Errorf("%q", got)
	}
	rows := drillRows(control.Status{User: "alice", UID: 7, Root: core.Root{Armor: true, Revive: true}}, past)
	text := renderDrills(rows, now)
	for _, want := range []string{"last: 12 Oct 2026, at web: back after 9.0 s", "as root: systemctl kill --signal=KILL user@7.service", "interrupts nothing; must be held"} {
		if !strings.Contains(text, want) {
			t.Errorf("the list does not say %q:\n%s", want, text)
		}
	}
	for _, l := range []struct {
		d    control.Drill
		want string
	}{
		{control.Drill{Began: now, Until: now.Add(time.Minute)}, "20 Oct 12:00: under way"},
		{control.Drill{Began: at, Until: at}, "12 Oct 2026: nobody saw its end"},
		{control.Drill{Began: at, Ended: at, Outcome: core.DrillFailed, OutageMS: 120000, Why: "gone"}, "12 Oct 2026: failed after 120.0 s (gone)"},
	} {
		if got := lastLine(l.d, now); got != l.want {
			t.Errorf("%q, want %q", got, l.want)
		}
	}
}

// What the shell offers is what may be struck.
func TestStrikable(t *testing.T) {
	t.Parallel()
	for _, name := range strikable() {
		if d, ok := drill.Find(name); !ok || d.Root != "" {
			t.Errorf("%s is offered", name)
		}
	}
}
