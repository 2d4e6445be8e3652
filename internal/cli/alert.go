package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"keeper/internal/alert"
	"keeper/internal/app"
	"keeper/internal/config"
	"keeper/internal/control"
	"keeper/internal/core"
	"keeper/internal/paths"
	"keeper/internal/term"
)

// alertVersion is that of the JSON of keeper alert.
const alertVersion = 1

// howToSet is where to begin.
const howToSet = `put [alert.NAME] into ~/.config/keeper/keeper.toml, for example:
    [alert.ops]
    kind = "webhook"
    url = "https://example.org/hook"`

func alertCommand(to term.IO) *cobra.Command {
	c := &cobra.Command{
		Use:   "alert",
		Short: "Show who is told of incidents, and what waits to be sent",
		Long: `alert lists the channels that are set in keeper.toml, and the alerts that one of them
did not take yet. It needs no daemon, and sends nothing.`,
		Example: "  keeper alert\n  keeper alert test",
	}
	asJSON := c.Flags().Bool("json", false, "print JSON (version 1)")
	c.RunE = func(*cobra.Command, []string) error { return printAlerts(to, *asJSON) }
	c.AddCommand(alertTestCommand(to))
	return c
}

// channelRow is a channel as it is listed.
type channelRow struct {
	Name    string           `json:"name"`
	Kind    core.ChannelKind `json:"kind"`
	Where   string           `json:"where"`
	Waiting int              `json:"waiting"`
	Since   time.Time        `json:"since,omitzero"`
	Err     string           `json:"error,omitempty"`
}

func printAlerts(to term.IO, asJSON bool) error {
	p, s, err := alertSettings()
	if err != nil {
		return err
	}
	waiting, werr := alert.Peek(filepath.Join(p.State, paths.AlertsName))
	if werr != nil {
		fmt.Fprintf(to.Err, "damaged: %v\n", werr)
	}
	rows := []channelRow{}
	for _, ch := range s.Channels {
		r := channelRow{Name: ch.Name, Kind: ch.Kind, Where: whereIs(ch.URL)}
		if ch.Kind == core.ChannelCommand {
			r.Where = listed(ch.Command)
		}
		if n := slices.IndexFunc(waiting, func(w alert.Waiting) bool { return w.Channel == ch.Name }); n >= 0 {
			r.Waiting, r.Since, r.Err = waiting[n].Count, waiting[n].Since, waiting[n].Err
		}
		rows = append(rows, r)
	}
	if asJSON {
		return printJSON(to.Out, struct {
			Version   int          `json:"version"`
			Channels  []channelRow `json:"channels"`
			Heartbeat string       `json:"heartbeat,omitempty"`
		}{alertVersion, rows, whereIs(s.Heartbeat.URL)})
	}
	if len(rows) == 0 {
		fmt.Fprintf(to.Err, "Nobody is told of incidents but the journal. To change that, %s\n", howToSet)
	} else {
		t := tabwriter.NewWriter(to.Out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(t, "CHANNEL\tKIND\tWAITING\tWHERE\tLAST ERROR")
		for _, r := range rows {
			fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\n", control.Line(r.Name), r.Kind, r.Waiting, control.Line(r.Where), control.Line(r.Err))
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	if !s.Heartbeat.URL.IsZero() {
		fmt.Fprintf(to.Out, "heartbeat: %s, every %s\n", control.Line(whereIs(s.Heartbeat.URL)), spanOr(s.Heartbeat.Every, "1m"))
	}
	return nil
}

// alertSettings are those of the files: whoever sets a channel wants to try it at once.
func alertSettings() (paths.Paths, core.Alerts, error) {
	p, _, err := here()
	if err != nil {
		return p, core.Alerts{}, err
	}
	s, mistakes := config.Read(p.SiteSettings, p.Settings)
	if len(mistakes) > 0 {
		return p, core.Alerts{}, term.Exit{Code: term.ExitUsage, Err: fmt.Errorf("%w\nto see all mistakes: keeper config check", mistakes)}
	}
	return p, s.Alerts, nil
}

func alertTestCommand(to term.IO) *cobra.Command {
	c := &cobra.Command{
		Use:   "test [CHANNEL…]",
		Short: "Send a test by each channel, and say what it answered",
		Long: `test sends an alert marked as a test by each channel of keeper.toml, or by those that
are named, at once and beside the queue. It needs no daemon. What is a credential of
keeper.service can be read by that service alone: run the test there,

    systemd-run --user -P -p LoadCredential=NAME:FILE keeper alert test

Exit codes: 0 all took it, 1 one did not, 2 there is no channel, or none of that name.`,
		Example: "  keeper alert test\n  keeper alert test ops",
		Args:    cobra.ArbitraryArgs,
	}
	c.ValidArgsFunction = completeChannels
	asJSON := c.Flags().Bool("json", false, "print JSON (version 1)")
	c.RunE = func(c *cobra.Command, args []string) error {
		_, s, err := alertSettings()
		if err != nil {
			return err
		}
		channels, err := pickChannels(s.Channels, args)
		if err != nil {
			return term.Exit{Code: term.ExitUsage, Err: err}
		}
		now := time.Now()
		a := core.Alert{Key: fmt.Sprintf("test-%d/1", now.UnixNano()), Kind: core.AlertTest, At: now, Incident: "test", Urgency: core.UrgencyCritical,
			Title: "this is a test: nothing is wrong", Text: "Somebody typed: keeper alert test\n", Began: now, Root: "test", User: userName()}
		a.Host, _ = os.Hostname()
		wait := time.AfterFunc(time.Second, func() { fmt.Fprintf(to.Err, "waiting for answers …\n") })
		answers := alert.Test(c.Context(), channels, a, app.Shout)
		wait.Stop()
		if *asJSON {
			err = printJSON(to.Out, struct {
				Version int            `json:"version"`
				Answers []alert.Answer `json:"answers"`
			}{alertVersion, answers})
		} else {
			err = printAnswers(to, answers)
		}
		if err != nil {
			return err
		}
		if slices.ContainsFunc(answers, func(a alert.Answer) bool { return a.Err != "" }) {
			return term.Exit{Code: term.ExitError}
		}
		return nil
	}
	return c
}

func pickChannels(all []core.Channel, names []string) ([]core.Channel, error) {
	if len(all) == 0 {
		return nil, errors.New("no channel is set: " + howToSet)
	}
	if len(names) == 0 {
		return all, nil
	}
	var list []core.Channel
	known := make([]string, 0, len(all))
	for _, c := range all {
		known = append(known, c.Name)
		if slices.Contains(names, c.Name) {
			list = append(list, c)
		}
	}
	for _, n := range names {
		if !slices.Contains(known, n) {
			return nil, fmt.Errorf("there is no channel %q%s", n, config.Guess(n, known))
		}
	}
	return list, nil
}

func printAnswers(to term.IO, answers []alert.Answer) error {
	paint := term.Colours(to.Out)
	t := tabwriter.NewWriter(to.Out, 0, 4, 2, ' ', 0)
	for _, a := range answers {
		said := term.Paint(paint, "32", "took it") + ": " + control.Line(a.Said)
		if a.Err != "" {
			said = term.Paint(paint, "1;31", "did not take it") + ": " + control.Line(a.Err)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", control.Line(a.Channel), a.Kind, strings.TrimSpace(said))
	}
	return t.Flush()
}
