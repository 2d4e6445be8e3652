package lab

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// Report is a run of the kill table.
type Report struct {
	Version int `json:"version"`
	// Date is the day of the run, and Command what made it.
	Date    string `json:"date"`
	Command string `json:"command"`
	// Keeper is the release that was tried; Host names what the hosts are made of.
	Keeper string            `json:"keeper"`
	Host   map[string]string `json:"host"`
	Rows   []Row             `json:"rows"`
	// Updates are later runs whose rows took the place of rows of this one.
	Updates []Update `json:"updates,omitempty"`
}

// Update is a later run of a part of the table.
type Update struct {
	Date    string `json:"date"`
	Command string `json:"command"`
	Keeper  string `json:"keeper"`
	Rows    int    `json:"rows"`
}

// reportVersion grows when a field changes its meaning or goes.
const reportVersion = 1

// NewReport makes the report of a run.
func NewReport(rows []Row, day time.Time, command, keeper string, host map[string]string) Report {
	return Report{Version: reportVersion, Date: day.Format(time.DateOnly), Command: command, Keeper: keeper, Host: host, Rows: rows}
}

// JSON renders the report for programs.
func (r Report) JSON() ([]byte, error) {
	data, err := json.MarshalIndent(r, "", "  ")
	return append(data, '\n'), err
}

// Update puts the rows of a later run in the place of those of the same blow and
// mode, or after all, and says so. Both runs must be of the same hosts.
func (r Report) Update(later Report) (Report, error) {
	if !maps.Equal(r.Host, later.Host) {
		return r, fmt.Errorf("the report is of other hosts (%v, and these are %v): make it anew as a whole", r.Host, later.Host)
	}
	r.Rows = slices.Clone(r.Rows)
	for _, row := range later.Rows {
		i := slices.IndexFunc(r.Rows, func(old Row) bool { return old.Blow == row.Blow && old.Mode == row.Mode })
		if i < 0 {
			r.Rows = append(r.Rows, row)
			continue
		}
		r.Rows[i] = row
	}
	r.Updates = append(slices.Clip(r.Updates), Update{Date: later.Date, Command: later.Command, Keeper: later.Keeper, Rows: len(later.Rows)})
	return r, nil
}

// ReadReport reads what JSON rendered.
func ReadReport(path string) (Report, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Report{}, err
	}
	var r Report
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("%s is no report: %w", path, err)
	}
	if r.Version != reportVersion {
		return r, fmt.Errorf("%s is of version %d, and this program makes %d", path, r.Version, reportVersion)
	}
	return r, nil
}

// row finds the row of a blow in a mode.
func (r Report) row(id string, m Mode) (Row, bool) {
	i := slices.IndexFunc(r.Rows, func(row Row) bool { return row.Blow == id && row.Mode == m })
	if i < 0 {
		return Row{}, false
	}
	return r.Rows[i], true
}

// line is a row as progress.
func (r Row) line() string {
	verdict := "as it must be"
	if !r.Pass {
		verdict = "WRONG: " + firstLines(strings.Join(r.Why, "; "), 1)
	}
	return fmt.Sprintf("%-6s  %-32s %s; %s", r.Mode, r.Blow, r.cell(), verdict)
}

// cell is what is in the table for a row.
func (r Row) cell() string {
	got := string(r.Got)
	if got == "" {
		got = "not struck"
	}
	parts := []string{got}
	if r.OffMS > 0 {
		parts = append(parts, "down in "+seconds(r.OffMS))
	}
	if r.OutageMS > 0 && r.Got == Back {
		out := seconds(r.OutageMS)
		if r.Ratio > 0 {
			out += fmt.Sprintf(" (%.2f)", r.Ratio)
		}
		parts = append(parts, out)
	}
	if r.Failed > 0 && r.Got != StaysDown && r.Got != Off && r.Got != Reboots {
		parts = append(parts, fmt.Sprintf("%d failed", r.Failed))
	}
	if lost := r.lost(); lost > 0 {
		parts = append(parts, fmt.Sprintf("%d LOST", lost))
	}
	return strings.Join(parts, ", ")
}

func (r Row) lost() int {
	n := 0
	for _, lost := range r.Lost {
		n += lost
	}
	return n
}

// Text renders the report for a terminal: a line for each blow, a column for
// each mode, and what is wrong below.
func (r Report) Text(table []Blow) string {
	var out strings.Builder
	widths := map[Mode]int{}
	cell := func(b Blow, m Mode) string {
		row, ok := r.row(b.ID, m)
		switch {
		case b.Want(m) == None:
			return string(None)
		case !ok:
			return "-"
		case !row.Pass:
			return row.cell() + " !"
		}
		return row.cell()
	}
	struck := slices.DeleteFunc(slices.Clone(table), func(b Blow) bool {
		return !slices.ContainsFunc(r.Rows, func(row Row) bool { return row.Blow == b.ID })
	})
	first := len("BLOW")
	for _, b := range struck {
		first = max(first, len(b.ID))
		for _, m := range Modes {
			widths[m] = max(widths[m], len(cell(b, m)), len(m))
		}
	}
	line := func(id string, of func(m Mode) string) {
		text := fmt.Sprintf("%-*s", first, id)
		for _, m := range Modes {
			text += fmt.Sprintf("  %-*s", widths[m], of(m))
		}
		out.WriteString(strings.TrimRight(text, " ") + "\n")
	}
	line("BLOW", func(m Mode) string { return strings.ToUpper(string(m)) })
	for _, b := range struck {
		line(b.ID, func(m Mode) string { return cell(b, m) })
	}
	out.WriteString("\n" + r.summary() + "\n")
	for _, row := range Failed(r.Rows) {
		fmt.Fprintf(&out, "\n%s, %s: %s\n", row.Blow, row.Mode, strings.Join(row.Why, "\n  "))
	}
	return out.String()
}

// summary is the whole in a sentence.
func (r Report) summary() string {
	acked, lost := 0, 0
	for _, row := range r.Rows {
		acked += row.Acked
		lost += row.lost()
	}
	return fmt.Sprintf("%d of %d rows as they must be; %d of %d acknowledged entries lost",
		len(r.Rows)-len(Failed(r.Rows)), len(r.Rows), lost, acked)
}

// seconds is a time for people.
func seconds(ms int64) string {
	return fmt.Sprintf("%.1f s", (time.Duration(ms) * time.Millisecond).Seconds())
}
