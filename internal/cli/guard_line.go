package cli

import (
	"fmt"
	"strings"

	"keeper/internal/core"
)

// guard says before whom the command guard stands, and what it refused last.
func (r renderer) guard(g core.Guard) string {
	var on, off, broken []string
	for _, a := range g.Agents {
		switch a.State {
		case core.GuardOn:
			on = append(on, a.Name)
		case core.GuardOff:
			off = append(off, a.Name)
		case core.GuardBroken:
			broken = append(broken, a.Name)
		}
	}
	var parts []string
	if len(broken) > 0 {
		parts = append(parts, r.bad("does not hold before "+list(broken))+": keeper guard test")
	}
	if len(on) > 0 {
		word := r.good("on before " + list(on))
		if g.Mode != "" && g.Mode != "enforce" {
			word = r.bad("before " + list(on) + ", in mode " + g.Mode)
		}
		parts = append(parts, word)
	}
	if len(off) > 0 {
		parts = append(parts, r.bad("not before "+list(off))+": keeper guard install "+strings.Join(off, " "))
	}
	if len(parts) == 0 {
		parts = append(parts, "not installed; see: keeper guard --help")
	}
	if l := g.Last; l != nil {
		parts = append(parts, fmt.Sprintf("%d stopped in the last day, the last %s ago: %s (%s)", g.Refused, r.ago(l.At), l.Command, l.Rule))
	}
	return strings.Join(parts, "; ")
}
