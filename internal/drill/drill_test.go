package drill

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"keeper/internal/core"
)

var update = flag.Bool("update", false, "write figures.json anew from the kill table")

// table is what the tests need of docs/reference/kill-matrix.json.
type table struct {
	Date string
	Rows []struct {
		Blow, Mode, Want string
		OutageMS         int64 `json:"outage_ms"`
		Pass             bool
	}
}

func killTable(t *testing.T) table {
	t.Helper()
	data, err := os.ReadFile("../../docs/reference/kill-matrix.json")
	if err != nil {
		t.Fatal(err)
	}
	var k table
	if err := json.Unmarshal(data, &k); err != nil {
		t.Fatal(err)
	}
	return k
}

var bare, whole = core.Root{}, core.Root{Armor: true, Revive: true}

// survives is what a drill that the table says so of must come to.
var survives = map[string]core.DrillOutcome{"stays": core.DrillHeld, "back": core.DrillBack, "reboots": core.DrillBack, "off": core.DrillBack}

// Every drill is a row of the kill table that is survived, in that mode in which it may
// be struck, or names the test of the lab that shows it.
func TestDrillsAreOfTheTable(t *testing.T) {
	t.Parallel()
	k := killTable(t)
	rows := map[string]string{}
	for _, r := range k.Rows {
		if r.Pass {
			rows[r.Blow+" "+r.Mode] = r.Want
		}
	}
	for _, d := range All() {
		if d.Like == "" {
			shownByTheLab(t, d)
			continue
		}
		for m, root := range map[string]core.Root{"user": bare, "root": whole} {
			want, ok := rows[d.Like+" "+m]
			if !ok {
				t.Errorf("%s: the kill table has no row %s in mode %s that is as it must be", d.Name, d.Like, m)
				continue
			}
			if d.Revive && m == "user" {
				if want != "down" {
					t.Errorf("%s asks for root's revive, and the table says %s without", d.Name, want)
				}
				continue
			}
			if expected := d.Expected(root); survives[want] != expected {
				t.Errorf("%s, %s: %s is expected, the table says %s", d.Name, m, expected, want)
			}
		}
	}
}

func shownByTheLab(t *testing.T, d Drill) {
	t.Helper()
	if d.Shown == "" {
		t.Errorf("%s: neither the kill table nor a test shows that it is survived", d.Name)
		return
	}
	files, err := filepath.Glob("../lab/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), "\nfunc "+d.Shown+"(") {
			return
		}
	}
	t.Errorf("%s: the lab has no test %s", d.Name, d.Shown)
}

func TestFigures(t *testing.T) {
	t.Parallel()
	k := killTable(t)
	want := figures{Date: k.Date, Rows: map[string]map[string]Figure{}}
	for _, d := range All() {
		for _, r := range k.Rows {
			if r.Blow == d.Like && r.Mode != "linger" {
				if want.Rows[r.Blow] == nil {
					want.Rows[r.Blow] = map[string]Figure{}
				}
				want.Rows[r.Blow][r.Mode] = Figure{Want: r.Want, OutageMS: r.OutageMS}
			}
		}
	}
	text, err := json.MarshalIndent(want, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	if *update {
		if err := os.WriteFile("figures.json", text, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(text, figuresJSON) {
		t.Error("figures.json is not what docs/reference/kill-matrix.json says; make it anew: go test ./internal/drill -run TestFigures -update")
	}
	d, _ := Find("terminate-user")
	with, _, ok1 := d.Figure(whole)
	without, date, ok2 := d.Figure(bare)
	if !ok1 || !ok2 || with.Outage() != 0 || without.Outage() == 0 || date == "" {
		t.Errorf("terminate-user: %+v %v, %+v %v, %q", with, ok1, without, ok2, date)
	}
}

// TestTable reads the table for mistakes.
func TestTable(t *testing.T) {
	t.Parallel()
	name := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	seen := map[string]bool{}
	for _, d := range All() {
		if !name.MatchString(d.Name) || seen[d.Name] {
			t.Errorf("%q is no name, or used twice", d.Name)
		}
		seen[d.Name] = true
		if d.What == "" || d.Mends == "" || d.Interrupts == "" {
			t.Errorf("%s does not say what it does, what it interrupts or who mends it", d.Name)
		}
		if d.Service != (d.Interrupts == ScopeService) {
			t.Errorf("%s: whether it is struck at a service, and what it interrupts, contradict each other", d.Name)
		}
		if d.Root != "" {
			if d.strike != nil {
				t.Errorf("%s is root's, and would be struck", d.Name)
			}
			continue
		}
		if d.strike == nil || d.fell == nil || d.Limit == 0 || d.Watch == 0 || d.Limit <= d.Watch {
			t.Errorf("%s cannot be struck, or seen to have fallen, or has no time for it", d.Name)
		}
		if d.Interrupts != ScopeNothing && !d.Asks(bare) || d.EndsSession && !d.Asks(whole) {
			t.Errorf("%s asks nobody", d.Name)
		}
	}
	if _, ok := Find("nobody"); ok {
		t.Error("a drill that is not there was found")
	}
}
