package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"keeper/internal/control"
	"keeper/internal/core"
	"keeper/internal/history"
	"keeper/internal/term"
)

// historyVersion is that of keeper history --json.
const historyVersion = 1

func historyCommand(to term.IO) *cobra.Command {
	c := &cobra.Command{
		Use:   "history",
		Short: "List incidents and drills, or all that happened",
		Long: `history lists the incidents and drills, the newest first, from the disk and without
the daemon. With --all it prints every line that keeper noted, in the order of time:
sessions, signals, units, probes, decisions, alerts, verdicts of the command guard.

Damage is told on standard error.

Exit codes: 0 it was shown, 1 the history cannot be read, 2 wrong use.`,
		Example: "  keeper history\n  keeper history --all --since 2h\n  keeper history --since 2026-01-05 --json",
		Args:    cobra.NoArgs,
	}
	asJSON := c.Flags().Bool("json", false, "print JSON (version 1); with --all a line for each entry")
	all := c.Flags().Bool("all", false, "every entry, and not incidents and drills alone")
	drills := c.Flags().Bool("drills", false, "the drills alone, without incidents")
	since := c.Flags().String("since", "", "from a `TIME` on: 2h, 7d, 2026-01-05 or \"2026-01-05 17:30\"")
	most := c.Flags().IntP("number", "n", 20, "show the newest `N`; 0 is all")
	c.MarkFlagsMutuallyExclusive("all", "drills")
	c.RunE = func(c *cobra.Command, _ []string) error {
		from, err := parseSince(*since, time.Now())
		if err != nil {
			return term.Exit{Code: term.ExitUsage, Err: err}
		}
		if *most < 0 {
			return term.Exit{Code: term.ExitUsage, Err: fmt.Errorf("-n %d: must not be negative", *most)}
		}
		p, _, err := here()
		if err != nil {
			return err
		}
		store := history.Store{Dir: p.State}
		if *all {
			return printEntries(to, store, from, *most, *asJSON)
		}
		return printIncidents(to, store, listing{from: from, most: *most, asJSON: *asJSON, drills: *drills, dead: func() bool {
			_, err := control.Get(c.Context(), p.Socket)
			return errors.Is(err, control.ErrUnreachable)
		}})
	}
	return c
}

// parseSince reads a time as people write it; the zero time is the begin of all.
func parseSince(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	var days int
	if n, err := fmt.Sscanf(text, "%dd", &days); err == nil && n == 1 && fmt.Sprintf("%dd", days) == text && days >= 0 {
		return now.AddDate(0, 0, -days), nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("--since %q: must be a time ago such as 2h or 7d, or a time such as 2026-01-05 or \"2026-01-05 17:30\"", text)
}

func printEntries(to term.IO, store history.Store, from time.Time, most int, asJSON bool) error {
	var list []core.Entry
	damage, err := store.Scan(from, func(e core.Entry) bool {
		list = append(list, e)
		if most > 0 && len(list) > 2*most+1000 { // the newest are wanted, and they come last
			list = slices.Delete(list, 0, len(list)-most-1000)
		}
		return true
	})
	if err != nil {
		return err
	}
	tellDamage(to, damage)
	slices.SortStableFunc(list, func(a, b core.Entry) int { return a.At.Compare(b.At) })
	if most > 0 && len(list) > most {
		list = list[len(list)-most:]
	}
	if len(list) == 0 {
		fmt.Fprintln(to.Err, "The history has nothing of that time.")
	}
	for _, e := range list {
		if asJSON {
			if err := printLine(to.Out, e); err != nil {
				return err
			}
			continue
		}
		mark := " "
		if e.Blow {
			mark = "!"
		}
		if _, err := fmt.Fprintf(to.Out, "%s %s %-8s %s%s\n", e.At.Local().Format("2006-01-02 15:04:05.000"), mark, control.Line(string(e.Kind)),
			control.Line(e.What), after(": ", control.Line(e.Why))); err != nil {
			return err
		}
	}
	return nil
}

// printLine prints JSON on a line.
func printLine(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) }

// happening is an incident or a drill, as it is listed.
type happening struct {
	ID       string            `json:"id"`
	At       time.Time         `json:"at"`
	Kind     core.IncidentKind `json:"kind,omitempty"`
	Urgency  core.Urgency      `json:"urgency,omitempty"`
	State    string            `json:"state"`
	Cause    string            `json:"cause"`
	OutageMS int64             `json:"outage_ms"`
	Services []string          `json:"services,omitempty"`
	Drill    string            `json:"drill,omitempty"`
	Outcome  core.DrillOutcome `json:"outcome,omitempty"`
	// Stale says that the daemon does not answer: it is not known how it went on.
	Stale bool `json:"stale,omitempty"`
}

// listing is what is to be listed; dead says whether the daemon does not answer.
type listing struct {
	from   time.Time
	most   int
	asJSON bool
	drills bool
	dead   func() bool
}

func printIncidents(to term.IO, store history.Store, l listing) error {
	now := time.Now()
	incidents, damage, err := store.Incidents()
	if err != nil {
		return err
	}
	drills, more, err := store.Drills()
	if err != nil {
		return err
	}
	damage = merged(damage, more)
	tellDamage(to, damage)
	if l.drills {
		incidents = nil
	}
	stale := slices.ContainsFunc(incidents, core.Incident.Open) && l.dead()
	if stale {
		fmt.Fprintln(to.Err, "the daemon does not answer: what is open here was so when it was last heard of")
	}
	list := []happening{}
	for _, i := range incidents {
		h := happening{ID: i.ID, At: i.Began, Kind: i.Kind, Urgency: i.Urgency, State: "open", Cause: i.Cause, OutageMS: i.Outage(now).Milliseconds(), Drill: i.Drill}
		if stale && i.Open() {
			h.Stale, h.OutageMS = true, i.Outage(i.Opened).Milliseconds()
		}
		switch {
		case !i.Open():
			h.State = "over"
		case !i.Wrong():
			h.State = "mended"
		}
		for _, s := range i.Services {
			h.Services = append(h.Services, s.Name)
		}
		list = append(list, h)
	}
	for _, d := range drills {
		h := happening{ID: d.ID, At: d.Began, State: "over", Drill: d.Name, Outcome: d.Outcome, OutageMS: d.Outage.Milliseconds(), Cause: cmp.Or(d.Why, "it was struck by its owner")}
		if d.Ended.IsZero() {
			h.State = "open"
		}
		if d.Service != "" {
			h.Services = []string{d.Service}
		}
		list = append(list, h)
	}
	list = slices.DeleteFunc(list, func(h happening) bool { return h.At.Before(l.from) && h.State == "over" })
	slices.SortStableFunc(list, func(a, b happening) int { return b.At.Compare(a.At) })
	left := 0
	if l.most > 0 && len(list) > l.most {
		left, list = len(list)-l.most, list[:l.most]
	}
	if l.asJSON {
		return printJSON(to.Out, struct {
			Version int         `json:"version"`
			List    []happening `json:"history"`
			More    int         `json:"more"`
			Damage  []string    `json:"damage,omitempty"`
		}{historyVersion, list, left, damage})
	}
	if len(list) == 0 {
		what := "no incident and no drill"
		if l.drills {
			what = "no drill"
		}
		if !l.from.IsZero() {
			what += " since " + l.from.Format(time.DateTime)
		}
		fmt.Fprintln(to.Err, "The history has "+what+". To see all that keeper noted: keeper history --all")
		return nil
	}
	if err := printHappenings(to.Out, list); err != nil {
		return err
	}
	if left > 0 {
		fmt.Fprintf(to.Err, "and %d more: -n 0\n", left)
	}
	return nil
}

func printHappenings(w io.Writer, list []happening) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tBEGAN\tLASTED\tSTATE\tSERVICES\tCAUSE")
	for _, h := range list {
		what := control.Line(h.Cause)
		switch {
		case h.Outcome != "" || h.Drill != "" && h.Kind == "":
			what = "drill " + control.Line(h.Drill) + after(", ", string(h.Outcome)) + ": " + what
		case h.Drill != "":
			what = "(drill " + control.Line(h.Drill) + ") " + what
		}
		var names []string
		for _, s := range h.Services {
			names = append(names, strings.TrimSuffix(control.Line(s), ".service"))
		}
		if len(names) > 4 {
			names = append(names[:3], fmt.Sprintf("%d more", len(names)-3))
		}
		lasted := (time.Duration(h.OutageMS) * time.Millisecond).Round(10 * time.Millisecond)
		if lasted >= time.Minute {
			lasted = lasted.Round(time.Second)
		}
		howLong := core.Span(lasted)
		if h.Stale {
			howLong = "?"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", control.Line(h.ID), h.At.Local().Format(time.DateTime), howLong, h.State, cmp.Or(strings.Join(names, ","), "-"), what)
	}
	return t.Flush()
}
