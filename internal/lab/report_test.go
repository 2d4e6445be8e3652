package lab

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// golden is a small table and a run of it with one of everything.
func golden() ([]Blow, Report) {
	table := []Blow{
		{ID: "strike", Group: "user", Name: "a strike", Linger: StaysDown, User: Back, Root: Stays},
		{ID: "murder", Group: "user", Name: "a murder", Linger: StaysDown, User: StaysDown, Root: Back, Why: "nobody is left", Says: "nobody"},
		{ID: "nudge", Group: "keeper", Name: "a nudge", Linger: None, User: Stays, Root: Stays},
		{ID: "switch", Group: "host", Name: "a switch", Linger: Off, User: Off, Root: Reboots},
	}
	rows := []Row{
		{Blow: "strike", Group: "user", Name: "a strike", Mode: ModeLinger, Want: StaysDown, Got: StaysDown, Acked: 40, Failed: 900, Pass: true},
		{Blow: "strike", Group: "user", Name: "a strike", Mode: ModeUser, Want: Back, Got: Back, OutageMS: 4120, PlainMS: 4000, Ratio: 1.03, Acked: 120, Failed: 31, Pass: true},
		{Blow: "strike", Group: "user", Name: "a strike", Mode: ModeRoot, Want: Stays, Got: Stays, PlainMS: 4000, Acked: 300, Pass: true},
		{Blow: "murder", Group: "user", Name: "a murder", Mode: ModeLinger, Want: StaysDown, Got: StaysDown, Acked: 40, Failed: 7, Pass: true},
		{Blow: "murder", Group: "user", Name: "a murder", Mode: ModeUser, Want: StaysDown, Got: StaysDown, Acked: 41, Failed: 8, Pass: true},
		{
			Blow: "murder", Group: "user", Name: "a murder", Mode: ModeRoot, Want: Back, Got: Back, OutageMS: 6000, PlainMS: 4000, Ratio: 1.5,
			Acked: 99, Failed: 12, Lost: map[string]int{"redis": 2}, Why: []string{"redis lost 2 acknowledged entries\nand more lines"},
		},
		{Blow: "switch", Group: "host", Name: "a switch", Mode: ModeLinger, Want: Off, Got: Off, OutageMS: 12000, OffMS: 3210, Acked: 50, Failed: 80, Pass: true},
		{Blow: "switch", Group: "host", Name: "a switch", Mode: ModeUser, Want: Off, Why: []string{"no host: it is broken"}},
	}
	day := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	host := map[string]string{"systemd": "257.13", "podman": "5.4.2", "kernel": "6.18", "system": "Debian GNU/Linux 13 (trixie)"}
	return table, NewReport(rows, day, "keeper-lab killmatrix", "v0.2.0", host)
}

// TestReport compares the renderings with those kept in testdata; with
// KEEPER_TEST_UPDATE set it keeps the new ones.
func TestReport(t *testing.T) {
	t.Parallel()
	table, report := golden()
	data, err := report.JSON()
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{
		"report.txt": report.Text(table), "report.json": string(data), "report.md": report.Markdown(table), "table.txt": TableText(table),
	} {
		path := filepath.Join("testdata", name)
		if os.Getenv("KEEPER_TEST_UPDATE") != "" {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil || got != string(want) {
			t.Errorf("%s is not as kept: %v\n%s", name, err, got)
		}
	}
	var back Report
	if err := json.Unmarshal(data, &back); err != nil || back.Text(table) != report.Text(table) {
		t.Errorf("the JSON does not hold the report: %v", err)
	}
}

// TestReference keeps the reference true to the table: the page is the run that
// lies beside it, rendered, and the run wants what the table wants.
func TestReference(t *testing.T) {
	t.Parallel()
	const dir, again = "../../docs/reference", "make it anew: make killmatrix"
	data, err := os.ReadFile(filepath.Join(dir, "kill-matrix.json"))
	if err != nil {
		t.Fatal(err, again)
	}
	var run Report
	if err := json.Unmarshal(data, &run); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(dir, "kill-matrix.md"))
	if err != nil || run.Markdown(Blows()) != string(page) {
		t.Errorf("docs/reference/kill-matrix.md is not what the table and kill-matrix.json make: %v; %s", err, again)
	}
	for _, b := range Blows() {
		for _, m := range Modes {
			want := b.Want(m)
			row, ok := run.row(b.ID, m)
			if want != None && (!ok || row.Want != want || !row.Pass) {
				t.Errorf("%s, %s: the table wants %s, and the run has %+v; %s", b.ID, m, want, row, again)
			}
		}
	}
}

func TestReportUpdate(t *testing.T) {
	t.Parallel()
	host := map[string]string{"systemd": "257"}
	row := func(blow string, m Mode, got Outcome) Row { return Row{Blow: blow, Mode: m, Got: got} }
	old := Report{Version: reportVersion, Host: host, Rows: []Row{row("a", ModeUser, StaysDown), row("a", ModeRoot, Back)}}
	later := Report{Date: "2026-01-02", Command: "again", Keeper: "k2", Host: host, Rows: []Row{row("a", ModeUser, Back), row("b", ModeUser, Stays)}}
	got, err := old.Update(later)
	if err != nil {
		t.Fatal(err)
	}
	if r, _ := got.row("a", ModeUser); r.Got != Back || len(got.Rows) != 3 || old.Rows[0].Got != StaysDown {
		t.Errorf("got %+v of %+v", got.Rows, old.Rows)
	}
	if want := []Update{{Date: "2026-01-02", Command: "again", Keeper: "k2", Rows: 2}}; !slices.Equal(got.Updates, want) {
		t.Errorf("updates: %+v", got.Updates)
	}
	if !strings.Contains(got.Markdown(nil), "| struck again | 2 rows on 2026-01-02 with keeper k2, `again` |") {
		t.Error("the page does not say that rows were struck again")
	}
	later.Host = map[string]string{"systemd": "252"}
	if _, err := old.Update(later); err == nil {
		t.Error("rows of other hosts were taken in")
	}
}
