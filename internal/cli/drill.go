package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"keeper/internal/control"
	"keeper/internal/core"
	"keeper/internal/drill"
	"keeper/internal/history"
	"keeper/internal/paths"
	"keeper/internal/term"
)

// drillVersion is that of keeper drill list --json and keeper drill run --json.
const drillVersion = 1

func drillCommand(to term.IO) *cobra.Command {
	c := &cobra.Command{
		Use:   "drill",
		Short: "Strike at this host on purpose, and see whether it holds",
		Long: `drill is a fire drill: it takes away, on this host, what keeper and systemd are there
to bring back, watches how long that takes, and keeps the result. Nothing of it loses
data. What interrupts services asks first; what needs root is only shown.`,
		Example: "  keeper drill list\n  keeper drill run keeper-kill\n  keeper drill run container-kill --service redis",
	}
	c.AddCommand(drillListCommand(to), drillRunCommand(to))
	return c
}

func drillListCommand(to term.IO) *cobra.Command {
	c := &cobra.Command{
		Use:   "list",
		Short: "List the drills, and what came of them last",
		Long: `list shows what can be struck at this host, what that interrupts, what must come of it
here, and what came of it last. "held": nothing was away; "back": something was, and
came back by itself. What root strikes is shown with what to type; what came of it is
in: keeper history.

The daemon is asked for what is in force of root's part; without it, the last it said
counts.`,
		Example: "  keeper drill list\n  keeper drill list --json",
	}
	asJSON := c.Flags().Bool("json", false, "print JSON (version 1)")
	c.RunE = func(c *cobra.Command, _ []string) error {
		p, _, err := here()
		if err != nil {
			return err
		}
		st, err := getStatus(c.Context())
		if err != nil && !errors.Is(err, control.ErrUnreachable) {
			return err
		}
		past, err := pastDrills(to, p)
		if err != nil {
			return err
		}
		rows := drillRows(st, past)
		if *asJSON {
			return printJSON(to.Out, struct {
				Version int        `json:"version"`
				Drills  []drillRow `json:"drills"`
			}{drillVersion, rows})
		}
		_, err = fmt.Fprint(to.Out, renderDrills(rows, time.Now()))
		return err
	}
	return c
}

// pastDrills are those that the history knows, the newest first.
func pastDrills(to term.IO, p paths.Paths) ([]core.Drill, error) {
	list, damage, err := history.Store{Dir: p.State}.Drills()
	if err != nil {
		return nil, fmt.Errorf("cannot tell what came of earlier drills: %w", err)
	}
	tellDamage(to, damage)
	return list, nil
}

// drillRow is a drill as it is listed.
type drillRow struct {
	Name       string            `json:"name"`
	What       string            `json:"what"`
	Mends      string            `json:"mends"`
	Interrupts drill.Scope       `json:"interrupts"`
	Asks       bool              `json:"asks"`
	Service    bool              `json:"service"`
	Expected   core.DrillOutcome `json:"expected"`
	// Type is what root types; without it, the account strikes.
	Type string `json:"type,omitempty"`
	// Needs is what nothing survives it without, here.
	Needs string `json:"needs,omitempty"`
	// TableMS is the outage in the kill table, on the lab's host.
	TableMS int64          `json:"table_outage_ms,omitempty"`
	Last    *control.Drill `json:"last,omitempty"`
}

func drillRows(st control.Status, past []core.Drill) []drillRow {
	rows := []drillRow{}
	for _, d := range drill.All() {
		r := drillRow{Name: d.Name, What: d.What, Mends: d.Mends, Interrupts: d.Hits(st.Root), Asks: d.Asks(st.Root), Service: d.Service,
			Expected: d.Expected(st.Root), Type: strings.NewReplacer("USER", st.User, "UID", fmt.Sprint(st.UID)).Replace(d.Root)}
		if f, _, ok := d.Figure(st.Root); ok {
			r.TableMS = f.OutageMS
		}
		if d.Revive && !st.Root.Revive {
			r.Needs = "root's revive: sh " + paths.Installer() + " --user " + st.User
		}
		if last, ok := lastDrill(past, d.Name, ""); ok {
			w := control.DrillOf(last)
			r.Last = &w
		}
		rows = append(rows, r)
	}
	return rows
}

// lastDrill is the newest one of that name and, if one is given, of that service.
func lastDrill(past []core.Drill, name, unit string) (core.Drill, bool) {
	for _, d := range past {
		if d.Name == name && (unit == "" || d.Service == unit) {
			return d, true
		}
	}
	return core.Drill{}, false
}

func renderDrills(rows []drillRow, now time.Time) string {
	var b strings.Builder
	for _, root := range []bool{false, true} {
		head := "you strike: keeper drill run NAME"
		if root {
			head = "\nroot strikes; what came of it is in: keeper history"
		}
		b.WriteString(head + "\n")
		for _, r := range rows {
			if (r.Type != "") == root {
				r.render(&b, now)
			}
		}
	}
	return b.String()
}

func (r drillRow) render(b *strings.Builder, now time.Time) {
	name := r.Name
	if r.Service {
		name += " --service S"
	}
	fmt.Fprintf(b, "\n  %s\n    %s; %s\n", name, r.What, r.Mends)
	if r.Needs != "" {
		fmt.Fprintf(b, "    not here: nothing comes back from it without %s\n", r.Needs)
		return
	}
	fmt.Fprintf(b, "    interrupts %s; must be %s%s\n", r.Interrupts, r.Expected, inTable(r.TableMS))
	switch {
	case r.Type != "":
		fmt.Fprintf(b, "    as root: %s\n", r.Type)
	case r.Last == nil:
		b.WriteString("    last: never\n")
	default:
		fmt.Fprintf(b, "    last: %s\n", lastLine(*r.Last, now))
	}
}

func inTable(ms int64) string {
	if ms == 0 {
		return ""
	}
	return fmt.Sprintf(" (in the lab after %s)", seconds(ms))
}

func seconds(ms int64) string { return fmt.Sprintf("%.1f s", float64(ms)/1000) }

func lastLine(d control.Drill, now time.Time) string {
	s := ago(d.Began, now)
	if d.Service != "" {
		s += ", at " + strings.TrimSuffix(control.Line(d.Service), ".service")
	}
	if d.Ended.IsZero() {
		if now.Before(d.Until) {
			return s + ": under way"
		}
		return s + ": nobody saw its end"
	}
	s += ": " + string(d.Outcome)
	if d.OutageMS > 0 {
		s += " after " + seconds(d.OutageMS)
	}
	if d.Outcome == core.DrillFailed || d.Outcome == core.DrillUnknown {
		s += " (" + control.Line(d.Why) + ")"
	}
	return s
}

// ago is a day as people say it: with the time where it is not long past.
func ago(t, now time.Time) string {
	t = t.Local()
	if now.Sub(t) < 7*24*time.Hour {
		return t.Format("2 Jan 15:04")
	}
	return t.Format("2 Jan 2006")
}

// drillDaemon is drill.Daemon over the socket.
type drillDaemon struct{ socket string }

func (d drillDaemon) Watch(ctx context.Context, seen func(control.Status) error) error {
	return control.Watch(ctx, d.socket, seen)
}

func (d drillDaemon) Tell(ctx context.Context, dr core.Drill) error {
	return control.TellDrill(ctx, d.socket, dr)
}

// drillReport is what keeper drill run --json prints.
type drillReport struct {
	Version    int               `json:"version"`
	Drill      control.Drill     `json:"drill"`
	Expected   core.DrillOutcome `json:"expected"`
	AsExpected bool              `json:"as_expected"`
	// Away are the services, and what else was struck, that were.
	Away    []control.Outage `json:"away"`
	Moments []drill.Moment   `json:"moments"`
	// Last is the drill of this name, and service, before; TableMS the outage in the
	// kill table.
	Last    *control.Drill `json:"last,omitempty"`
	TableMS int64          `json:"table_outage_ms,omitempty"`
}

func (r drillReport) print(to term.IO, asJSON bool, now time.Time) error {
	if asJSON {
		enc := json.NewEncoder(to.Out)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	_, err := fmt.Fprintln(to.Out, r.line(now))
	return err
}

// line says what came of it, and what came of it elsewhen.
func (r drillReport) line(now time.Time) string {
	s := r.Drill.Name + ": " + string(r.Drill.Outcome)
	if r.Drill.OutageMS > 0 {
		s += " after " + seconds(r.Drill.OutageMS)
	}
	s += ", " + control.Line(r.Drill.Why)
	switch {
	case r.Last == nil:
		s += "; the first of its kind here"
	case r.Last.OutageMS > 0:
		s += fmt.Sprintf("; last time (%s) %s after %s", ago(r.Last.Began, now), r.Last.Outcome, seconds(r.Last.OutageMS))
	default:
		s += fmt.Sprintf("; last time (%s) %s", ago(r.Last.Began, now), r.Last.Outcome)
	}
	if r.TableMS > 0 {
		s += fmt.Sprintf("; in the lab %s", seconds(r.TableMS))
	}
	if !r.AsExpected {
		s += fmt.Sprintf("\nit must be %s; look at: keeper status, keeper history --all --since 10m", r.Expected)
	}
	return s
}
