package cli

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"keeper/internal/control"
	"keeper/internal/core"
)

// shownUnkept is how many containers without a unit, and differences, the text
// has.
const shownUnkept = 10

// unkept lists the containers that run without a unit.
func (r renderer) unkept(b *strings.Builder, list []core.Unkept) {
	if len(list) == 0 {
		return
	}
	b.WriteString("\nwithout a unit\n")
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for i, u := range list {
		if i == shownUnkept {
			break
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\n", u.Name, strings.TrimPrefix(r.since(u.Since), ", "), what(u))
	}
	_ = t.Flush() // into memory
	more(b, len(list))
}

// what says how it stands with the container, and what to type.
func what(u core.Unkept) string {
	switch {
	case u.Unit != "":
		return "its unit is in force from the next start; to restart it into that now: keeper adopt --apply " + u.Name
	case u.Throwaway:
		return "it is thrown away when it ends (--rm); to keep it: keeper adopt " + u.Name
	case u.Refused != "":
		return "no unit was written: " + u.Refused + after("; type: ", u.Try)
	case u.Terminal:
		return "somebody may be at it (-t, -i), so no unit is written by itself; type: keeper adopt " + u.Name
	}
	return "type: keeper adopt " + u.Name
}

// drift lists where things differ from their units.
func (r renderer) drift(b *strings.Builder, st control.Status) {
	if len(st.Drift) == 0 {
		return
	}
	b.WriteString("\ndiffers from its unit\n")
	for i, d := range st.Drift {
		if i == shownUnkept {
			break
		}
		fmt.Fprintf(b, "  %s\n", d)
		if d.Try != "" {
			fmt.Fprintf(b, "    type: %s\n", d.Try)
		}
	}
	more(b, len(st.Drift))
}

func more(b *strings.Builder, n int) {
	if n > shownUnkept {
		fmt.Fprintf(b, "  and %d more: keeper status --json\n", n-shownUnkept)
	}
}
