package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"keeper/internal/atomicfile"
	"keeper/internal/control"
	"keeper/internal/core"
	"keeper/internal/history"
	"keeper/internal/report"
	"keeper/internal/term"
)

func incidentCommand(to term.IO) *cobra.Command {
	c := &cobra.Command{
		Use:   "incident [ID]",
		Short: "Tell all of an incident: cause, outage, timeline, what held",
		Long: `incident tells what happened, from the history and without the daemon: the cause,
how long each service was away, what keeper decided and why, who was logged in, which
commands the journal has, and who was told when. Without ID it is the newest incident.

ID is that of "keeper history", the begin of one, or "last". Times are in the zone of
this shell (TZ).

Exit codes: 0 it was shown, 1 the history cannot be read, 2 there is no such incident.`,
		Example: "  keeper incident\n  keeper incident 20260105-173002 --html -o incident.html\n  keeper incident --md > post-mortem.md",
		Args:    cobra.MaximumNArgs(1),
	}
	asJSON := c.Flags().Bool("json", false, "print JSON (version 1)")
	asMD := c.Flags().Bool("md", false, "print a post-mortem in Markdown")
	asHTML := c.Flags().Bool("html", false, "print one self-contained page, with the timeline drawn")
	file := c.Flags().StringP("output", "o", "", "write to a `FILE`, which must not be there yet")
	force := c.Flags().Bool("force", false, "with -o: replace a file that is there")
	c.MarkFlagsMutuallyExclusive("json", "md", "html")
	_ = c.MarkFlagFilename("output") // the flag is there
	c.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return incidentIDs(), cobra.ShellCompDirectiveNoFileComp
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		if _, _, onTerminal := term.Size(to.Out); onTerminal && *asHTML && *file == "" {
			return term.Exit{Code: term.ExitUsage, Err: errors.New("a page is nothing for a terminal: use -o FILE, or redirect it")}
		}
		if *force && *file == "" {
			return term.Exit{Code: term.ExitUsage, Err: errors.New("--force is for -o FILE")}
		}
		id := ""
		if len(args) > 0 {
			id = args[0]
		}
		r, err := readReport(c.Context(), to, id)
		if err != nil {
			return err
		}
		out := to.Out
		var text strings.Builder
		if *file != "" {
			if _, err := os.Lstat(*file); err == nil && !*force {
				return term.Exit{Code: term.ExitUsage, Err: fmt.Errorf("%s is there already: another name, or --force", *file)}
			} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			out = &text
		}
		switch {
		case *asJSON:
			err = printJSON(out, r)
		case *asMD:
			err = r.Markdown(out)
		case *asHTML:
			err = r.HTML(out)
		default:
			paint := term.Colours(out)
			err = r.Text(out, func(mood, s string) string {
				return term.Paint(paint, map[string]string{"good": "32", "bad": "1;31"}[mood], s)
			})
		}
		if err != nil || *file == "" {
			return err
		}
		if err := atomicfile.Replace(*file, []byte(text.String()), 0o600); err != nil {
			return fmt.Errorf("cannot write %s: %w", *file, err)
		}
		if abs, aerr := filepath.Abs(*file); aerr == nil {
			*file = abs
		}
		fmt.Fprintf(to.Err, "wrote %s\n", *file)
		return nil
	}
	return c
}

// incidentIDs are for completion.
func incidentIDs() []string {
	p, _, err := here()
	if err != nil {
		return nil
	}
	list, _, _ := history.Store{Dir: p.State}.Incidents()
	ids := make([]string, 0, len(list))
	for _, i := range list {
		ids = append(ids, i.ID)
	}
	return ids
}

// readReport puts the report of an incident together; an empty ID is the newest.
func readReport(ctx context.Context, to term.IO, id string) (report.Report, error) {
	p, _, err := here()
	if err != nil {
		return report.Report{}, err
	}
	store := history.Store{Dir: p.State}
	list, damage, err := store.Incidents()
	if err != nil {
		return report.Report{}, err
	}
	i, err := findIncident(list, id)
	if err != nil {
		tellDamage(to, damage)
		return report.Report{}, term.Exit{Code: term.ExitUsage, Err: err}
	}
	f := report.Facts{User: userName(), Release: Release, Now: time.Now()}
	f.Host, _ = os.Hostname()
	until := f.Now
	if !i.Open() {
		until = i.Closed.Add(report.After)
	}
	entries, more, hurt, err := store.Timeline(i.Began.Add(-report.Before), until)
	if err != nil {
		return report.Report{}, err
	}
	f.More, f.Damage = more, merged(damage, hurt)
	late, err := lateAlerts(store, i, until)
	if err != nil {
		return report.Report{}, err
	}
	if i.Open() {
		if _, err := control.Get(ctx, p.Socket); errors.Is(err, control.ErrUnreachable) {
			f.Seen = i.Opened
			for _, e := range entries {
				if e.At.After(f.Seen) {
					f.Seen = e.At
				}
			}
		}
	}
	return report.New(i, append(entries, late...), f), nil
}

// merged are two lists of damage, without what both have.
func merged(a, b []string) []string {
	for _, d := range b {
		if !slices.Contains(a, d) {
			a = append(a, d)
		}
	}
	return a
}

// lateFor is how long after an incident an alert about it may still arrive.
const lateFor = 7 * 24 * time.Hour

// lateAlerts are what became of alerts after the time that a report is about: a
// receiver may have been away for longer.
func lateAlerts(store history.Store, i core.Incident, after time.Time) (list []core.Entry, err error) {
	if i.Open() || len(i.Told) == 0 {
		return nil, nil
	}
	const most = 200
	_, err = store.Scan(after, func(e core.Entry) bool {
		if e.Kind == core.EntryAlert && e.At.After(after) && strings.HasPrefix(e.What, "alert "+i.ID+"/") {
			list = append(list, e)
		}
		return len(list) < most && e.At.Before(after.Add(lateFor))
	})
	return list, err
}

// userName is that of the account.
func userName() string {
	if u, err := user.LookupId(strconv.Itoa(os.Getuid())); err == nil {
		return u.Username
	}
	return os.Getenv("USER")
}

func tellDamage(to term.IO, damage []string) {
	for _, d := range damage {
		fmt.Fprintf(to.Err, "damaged: %s\n", d)
	}
}

// findIncident returns the one that is meant.
func findIncident(list []core.Incident, id string) (core.Incident, error) {
	if len(list) == 0 {
		return core.Incident{}, errors.New("the history has no incident")
	}
	if id == "" || id == "last" {
		return list[0], nil
	}
	var found []core.Incident
	for _, i := range list {
		switch {
		case i.ID == id:
			return i, nil
		case strings.HasPrefix(i.ID, id):
			found = append(found, i)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return core.Incident{}, fmt.Errorf("%q is the begin of more than one incident: %s", id, someIDs(found))
	}
	near := slices.Clone(list)
	slices.SortStableFunc(near, func(a, b core.Incident) int { return cmp.Compare(common(b.ID, id), common(a.ID, id)) })
	return core.Incident{}, fmt.Errorf("there is no incident %q: it must be an ID of keeper history, the begin of one, or last; there are %s", id, someIDs(near))
}

// someIDs names a few.
func someIDs(list []core.Incident) string {
	const most = 5
	var ids []string
	for _, i := range list[:min(most, len(list))] {
		ids = append(ids, control.Line(i.ID))
	}
	if n := len(list) - most; n > 0 {
		ids = append(ids, fmt.Sprintf("and %d more", n))
	}
	return strings.Join(ids, ", ")
}

// common is how many bytes two names have in common from the begin on.
func common(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}
