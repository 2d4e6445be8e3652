package cli

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"keeper/internal/control"
	"keeper/internal/core"
)

// services shows the services, causes before symptoms, and of the other units
// those that something is wrong with. A daemon that knows no services, or did
// not before it died, has units only.
func (r renderer) services(b *strings.Builder, st control.Status) {
	switch {
	case len(st.Units) == 0 && len(st.Services) == 0:
		b.WriteString("\nno units made by Quadlet (~/.config/containers/systemd)\n")
		return
	case len(st.Services) == 0:
		r.units(b, st.Units)
		return
	}
	rows := []string{"SERVICE\tKIND\tDESIRED\tSTATE\tPROBE\tFAILURES\tRESTARTS\tSINCE"}
	services := control.InOrder(st)
	for _, v := range services {
		rows = append(rows, fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%d/%d\t%d/%d\t%s", strings.TrimSuffix(v.Name, ".service"),
			orDash(v.Kind), orDash(v.Desired), orDash(v.State), orDash(v.Condition), v.Failures, v.Threshold, v.Restarts, v.Budget, r.ago(v.Since)))
	}
	b.WriteString("\n")
	r.table(b, rows, func(i int) bool { return control.InTrouble(services[i]) })
	r.held(b, services)
	if units := control.UnitsInTrouble(st); len(units) > 0 {
		r.units(b, units)
	}
}

// orDash is s, or what stands for nothing in a table.
func orDash[S ~string](s S) S {
	if s == "" {
		return "-"
	}
	return s
}

// table aligns the rows, and paints those below the first one that are bad.
func (r renderer) table(b *strings.Builder, rows []string, bad func(i int) bool) {
	var aligned strings.Builder
	t := tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, row)
	}
	_ = t.Flush() // into memory
	i := -1
	for row := range strings.Lines(aligned.String()) {
		row = strings.TrimSuffix(row, "\n")
		if i >= 0 && bad(i) {
			row = r.bad(row)
		}
		b.WriteString(row + "\n")
		i++
	}
}

func (r renderer) units(b *strings.Builder, units []core.Unit) {
	rows := []string{"UNIT\tKIND\tSTATE\tSINCE\tRESTARTS"}
	for _, u := range units {
		state := u.Active
		if u.Sub != "" && u.Sub != u.Active {
			state += " (" + u.Sub + ")"
		}
		rows = append(rows, fmt.Sprintf("%s\t%s\t%s\t%s\t%d", strings.TrimSuffix(u.Name, ".service"), u.Kind, state, r.ago(u.Since), u.Restarts))
	}
	b.WriteString("\n")
	r.table(b, rows, func(int) bool { return false })
}

// held lists what a person told keeper to leave alone.
func (r renderer) held(b *strings.Builder, services []core.Service) {
	if !slices.ContainsFunc(services, func(v core.Service) bool { return v.Hold != nil }) {
		return
	}
	b.WriteString("\npaused\n")
	for _, v := range services {
		if v.Hold == nil {
			continue
		}
		name := strings.TrimSuffix(v.Name, ".service")
		fmt.Fprintf(b, "  %s%s\n    to end it: keeper resume %s\n", name, r.hold(*v.Hold), name)
	}
}

// hold says since when, until when and why.
func (r renderer) hold(h core.Hold) string {
	s := ""
	if !h.At.IsZero() {
		s += " since " + r.when(h.At)
	}
	if !h.Until.IsZero() {
		s += " until " + r.when(h.Until)
	}
	return s + after(": ", h.Reason)
}
