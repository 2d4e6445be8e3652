package lab

import (
	"encoding/json"
	"fmt"
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
