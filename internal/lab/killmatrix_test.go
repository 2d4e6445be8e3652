package lab

import (
	"fmt"
	"slices"
	"testing"
)

// TestLots: each blow is dealt out once for each mode in which it can be
// struck, those that set the clock apart from the others, and those that fill a
// disk to hosts that have a small one.
func TestLots(t *testing.T) {
	t.Parallel()
	var table []Blow
	for i := range 2*perHost + 1 {
		table = append(table, Blow{ID: fmt.Sprintf("b-%d", i), Linger: StaysDown, User: Back, Root: Stays})
	}
	table[0].Linger = None
	table[1].Clock = true
	table[2].Disk = true
	seen := map[string]int{}
	for _, clock := range []bool{false, true} {
		for _, l := range lots(MatrixOptions{Blows: table, Modes: Modes}, clock) {
			if len(l.blows) == 0 || len(l.blows) > perHost {
				t.Errorf("a host is to take %d blows", len(l.blows))
			}
			for _, b := range l.blows {
				seen[string(l.mode)+" "+b.ID]++
				if b.Clock != clock || b.Disk != (l.disk > 0) {
					t.Errorf("%s is dealt to a host with clock %v and disk %d", b.ID, clock, l.disk)
				}
			}
		}
	}
	if want := len(table)*len(Modes) - 1; len(seen) != want || seen["linger b-0"] != 0 {
		t.Errorf("%d dealt out, want %d", len(seen), want)
	}
	for what, n := range seen {
		if n != 1 {
			t.Errorf("%s is dealt out %d times", what, n)
		}
	}
}

func TestRowsAreInTheOrderOfTheTable(t *testing.T) {
	t.Parallel()
	table := []Blow{{ID: "a"}, {ID: "b"}}
	rows := []Row{{Blow: "b", Mode: ModeUser}, {Blow: "a", Mode: ModeRoot}, {Blow: "b", Mode: ModeLinger}, {Blow: "a", Mode: ModeLinger}}
	sortRows(rows, table)
	got := ""
	for _, r := range rows {
		got += r.Blow + string(r.Mode) + " "
	}
	if got != "alinger aroot blinger buser " {
		t.Error(got)
	}
}

// TestTooSlow: only a row with nothing but its ratio wrong is struck again.
func TestTooSlow(t *testing.T) {
	t.Parallel()
	slow := Row{Why: []string{"ratio 1.20 to a plain stop and start of 4.00 s"}}
	worse := Row{Why: append(slices.Clone(slow.Why), "redis lost 1 acknowledged entries")}
	other := Row{Why: []string{"back, and must be: stays"}}
	if !slow.tooSlow() || worse.tooSlow() || other.tooSlow() || (&Row{Pass: true}).tooSlow() {
		t.Errorf("%v %v %v", slow.tooSlow(), worse.tooSlow(), other.tooSlow())
	}
}

// TestHeldUp: with keeper a machine goes down as fast as without, but for what
// logind grants.
func TestHeldUp(t *testing.T) {
	t.Parallel()
	off := func(m Mode, ms int64) Row {
		return Row{Blow: "a", Mode: m, Want: Off, Got: Off, OffMS: ms, GrantMS: 5000, Pass: true}
	}
	rows := []Row{off(ModeLinger, 2000), off(ModeUser, 10000), off(ModeRoot, 10001)}
	compareOff(rows)
	if !rows[0].Pass || !rows[1].Pass || rows[2].Pass || len(rows[2].Why) != 1 {
		t.Errorf("%+v", rows)
	}
	rows = []Row{off(ModeUser, 90000)}
	if compareOff(rows); !rows[0].Pass {
		t.Error("there was nothing to compare with")
	}
}
