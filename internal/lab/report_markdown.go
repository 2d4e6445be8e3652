package lab

import (
	"fmt"
	"slices"
	"strings"
)

// groupTitles are the groups for people.
var groupTitles = map[string]string{
	"session":  "Sessions end",
	"user":     "At the account",
	"manager":  "By root, at the user manager",
	"runtime":  "At Podman",
	"keeper":   "At keeper itself",
	"host":     "At the host",
	"combined": "Together",
}

var modeTitles = map[Mode]string{
	ModeLinger: "with linger alone",
	ModeUser:   "with the user's units",
	ModeRoot:   "with root's part",
}

// TableText is the table for a terminal: the blows, and what must happen.
func TableText(table []Blow) string {
	var out strings.Builder
	width := 0
	for _, b := range table {
		width = max(width, len(b.ID))
	}
	for _, g := range Groups {
		of := inGroup(table, g)
		if len(of) == 0 {
			continue
		}
		fmt.Fprintf(&out, "%-*s  %-8s %-8s %-8s\n", width, g, ModeLinger, ModeUser, ModeRoot)
		for _, b := range of {
			fmt.Fprintf(&out, "  %-*s %-8s %-8s %-8s %s\n", width-1, b.ID, b.Linger, b.User, b.Root, b.Name)
		}
	}
	return out.String()
}

func inGroup(table []Blow, group string) []Blow {
	return slices.DeleteFunc(slices.Clone(table), func(b Blow) bool { return b.Group != group })
}

// Markdown renders the report as the page of the reference: every blow of the
// table, with what was seen, or, where it was not struck, what must happen.
func (r Report) Markdown(table []Blow) string {
	var out strings.Builder
	fmt.Fprintf(&out, `# The kill matrix

Every way to take a rootless stack down that keeper is measured by, each struck
for real on a booted host while a client writes to the ledger. This page is made
from the table in `+"`internal/lab/blows_*.go`"+` and not edited; to make it anew,
as root: `+"`make killmatrix`"+`.

| | |
|---|---|
| made by | `+"`%s`"+` |
| on | %s |
| keeper | %s |
| hosts | %s, systemd %s, Podman %s, kernel %s |
| result | %s |
`, r.Command, r.Date, r.Keeper, r.Host["system"], r.Host["systemd"], r.Host["podman"], r.Host["kernel"], r.summary())
	for _, u := range r.Updates {
		fmt.Fprintf(&out, "| struck again | %d rows on %s with keeper %s, `%s` |\n", u.Rows, u.Date, u.Keeper, u.Command)
	}
	out.WriteString("\n")
	out.WriteString(legend)
	for _, g := range Groups {
		of := inGroup(table, g)
		if len(of) == 0 {
			continue
		}
		fmt.Fprintf(&out, "\n## %s\n\n| blow |", groupTitles[g])
		for _, m := range Modes {
			fmt.Fprintf(&out, " %s |", modeTitles[m])
		}
		out.WriteString("\n|---|---|---|---|\n")
		for _, b := range of {
			fmt.Fprintf(&out, "| %s<br>`%s` |", b.Name, b.ID)
			for _, m := range Modes {
				fmt.Fprintf(&out, " %s |", r.markdownCell(b, m))
			}
			out.WriteString("\n")
		}
	}
	r.markdownDown(&out, table)
	r.markdownWrong(&out)
	return out.String()
}

const legend = `## How to read it

| word | what it means |
|---|---|
| stays | nothing was interrupted: the same processes, and no failed request |
| back | it went down, or a part of it, and came back by itself |
| down | it stayed down until somebody came |
| off | the machine went off in time, and the stack was back after the next boot |
| reboots | the machine rebooted in time, and the stack came back with it |
| n/a | the blow cannot be struck there |
| must be: … | not struck in this run; this is what must happen |
| **!** | not as it must be; the reason is at the end |

After "back" stands the outage, from the blow to the whole stack answering, then
in brackets its ratio to a plain ` + "`systemctl --user`" + ` stop and start of the same
stack on the same host, and how many requests failed meanwhile. "down in" is the
time from the blow to the machine being down. In no row is an acknowledged entry
lost from any of the three stores, unless it says so.
`

func (r Report) markdownCell(b Blow, m Mode) string {
	row, ok := r.row(b.ID, m)
	switch {
	case b.Want(m) == None:
		return string(None)
	case !ok:
		return "must be: " + string(b.Want(m))
	case !row.Pass:
		return row.cell() + " **!**"
	}
	return row.cell()
}

// markdownDown says why some things stay down in spite of keeper.
func (r Report) markdownDown(out *strings.Builder, table []Blow) {
	reasons := map[string][]string{}
	var order []string
	for _, b := range table {
		if b.Why == "" {
			continue
		}
		if reasons[b.Why] == nil {
			order = append(order, b.Why)
		}
		reasons[b.Why] = append(reasons[b.Why], "`"+b.ID+"`")
	}
	if len(order) == 0 {
		return
	}
	out.WriteString("\n## What stays down without root's part, and why\n\n`keeper status` or `keeper doctor` says so before it happens.\n\n")
	for _, why := range order {
		fmt.Fprintf(out, "- %s: %s.\n", strings.Join(reasons[why], ", "), why)
	}
}

// markdownWrong lists what is not as it must be.
func (r Report) markdownWrong(out *strings.Builder) {
	failed := Failed(r.Rows)
	if len(failed) == 0 {
		return
	}
	out.WriteString("\n## Not as it must be\n\n")
	for _, row := range failed {
		why := make([]string, len(row.Why))
		for i, w := range row.Why {
			why[i] = firstLines(w, 1)
		}
		fmt.Fprintf(out, "- `%s`, %s: %s.\n", row.Blow, modeTitles[row.Mode], strings.Join(why, "; "))
	}
}
