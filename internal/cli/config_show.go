package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"keeper/internal/config"
	"keeper/internal/control"
	"keeper/internal/core"
	"keeper/internal/paths"
	"keeper/internal/term"
)

func configShowCommand(to term.IO) *cobra.Command {
	c := &cobra.Command{
		Use:   "show [SERVICE]",
		Short: "Show the settings in force, and where each came from",
		Long: `show prints what the daemon goes by: what was set, with file and line, and what it
found out or takes by default. With SERVICE, that of this service alone. Without
the daemon it shows what the files say. Of passwords it knows the file or the
credential, and nothing else.

Exit codes: 0 it was shown, 2 there is no such service, 4 the daemon does not answer.`,
		Example: "  keeper config show\n  keeper config show postgres",
		Args:    cobra.MaximumNArgs(1),
	}
	c.ValidArgsFunction = func(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return completeServices(c, args, begun)
	}
	asJSON := c.Flags().Bool("json", false, "print JSON (version 1)")
	c.RunE = func(c *cobra.Command, args []string) error {
		p, _, err := here()
		if err != nil {
			return err
		}
		st, err := control.Get(c.Context(), p.Socket)
		away := errors.Is(err, control.ErrUnreachable)
		if err != nil && !away {
			return err
		}
		force := inForce{Version: configVersion, Settings: st.Settings}
		for _, s := range st.Services {
			force.Services = append(force.Services, serviceInForce{s.Name, s.Supervision, s.SettingsErrors})
		}
		if away {
			force = asWritten(p)
		}
		force.Guard = guardInForce(p)
		if len(args) > 0 {
			if err := force.only(args[0]); err != nil {
				return err
			}
		}
		if away {
			fmt.Fprintln(to.Err, "The keeper daemon does not answer: this is what the files say; what it would infer is not here.")
		}
		if err := force.print(to, *asJSON); err != nil {
			return err
		}
		if away {
			return term.Exit{Code: term.ExitUnreachable}
		}
		return nil
	}
	return c
}

// inForce are settings and where they came from.
type inForce struct {
	Version int `json:"version"`
	// Stale: the daemon does not answer, and this is what the files say.
	Stale    bool             `json:"stale"`
	Settings control.Settings `json:"settings"`
	Services []serviceInForce `json:"services"`
	// Guard is read anew for every command: the daemon has no part in it.
	Guard *guardSettings `json:"guard,omitempty"`
}

// guardSettings are those of the command guard. What Site says, User does not weaken.
type guardSettings struct {
	Site   config.Guard `json:"site"`
	User   config.Guard `json:"user"`
	Errors []string     `json:"errors,omitempty"`
}

func guardInForce(p paths.Paths) *guardSettings {
	site, wrong := config.ReadSiteGuard(p.SiteGuard)
	user, mistakes := config.ReadGuard(p.SiteSettings, p.Settings)
	if len(wrong) > 0 {
		user = user.Strict()
	}
	return &guardSettings{site, user, append(wrong, mistakes...).Lines()}
}

type serviceInForce struct {
	Name        string           `json:"name"`
	Supervision core.Supervision `json:"supervision"`
	Errors      []string         `json:"settings_errors,omitempty"`
}

// asWritten is what the files say.
func asWritten(p paths.Paths) inForce {
	settings, mistakes := config.Read(p.SiteSettings, p.Settings)
	force := inForce{Version: configVersion, Stale: true, Settings: control.Settings{Settings: settings, Errors: mistakes.Lines()}}
	for _, u := range config.FindQuadlets(p.Quadlets[:]...).Units() {
		said := settings.Services[strings.TrimSuffix(u.Name, ".service")].Over(u.Section.Over(settings.Defaults))
		force.Services = append(force.Services, serviceInForce{u.Name, said, u.Mistakes.Lines()})
	}
	return force
}

// only leaves one service.
func (f *inForce) only(name string) error {
	bare := strings.TrimSuffix(name, ".service")
	i := slices.IndexFunc(f.Services, func(s serviceInForce) bool { return s.Name == bare+".service" })
	if i < 0 {
		names := make([]string, 0, len(f.Services))
		for _, s := range f.Services {
			names = append(names, s.Name)
		}
		return unknown(name, names, "keeper status")
	}
	f.Services = f.Services[i : i+1]
	f.Settings.Settings, f.Guard = core.Settings{}, nil
	return nil
}

func (f inForce) print(to term.IO, asJSON bool) error {
	if asJSON {
		if f.Services == nil {
			f.Services = []serviceInForce{}
		}
		return printJSON(to.Out, f)
	}
	for _, e := range f.Settings.Errors {
		fmt.Fprintf(to.Err, "wrong, and so not in force: %s\n", e)
	}
	if f.Guard != nil {
		for _, e := range f.Guard.Errors {
			// Of keeper.toml that was said already, unless the daemon knows better.
			if !slices.Contains(f.Settings.Errors, e) {
				fmt.Fprintf(to.Err, "wrong, and so nothing that makes the guard milder is in force: %s\n", e)
			}
		}
	}
	for _, s := range f.Services {
		for _, e := range s.Errors {
			fmt.Fprintf(to.Err, "wrong, and so nothing of its section is in force: %s\n", e)
		}
	}
	var b strings.Builder
	f.text(&b)
	_, err := io.WriteString(to.Out, b.String())
	return err
}

// text is a table of all, and one for each service.
func (f inForce) text(b *strings.Builder) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	row := func(key, value, from string) { fmt.Fprintf(t, "%s\t%s\t%s\n", key, value, plain(from)) }
	title := func(s string) {
		_ = t.Flush() // into memory
		if b.Len() > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(b, "%s\n", s)
	}
	head := func() { row("KEY", "VALUE", "FROM") }
	rows := func(s core.Supervision) {
		if len(s.From) == 0 {
			fmt.Fprintln(t, "nothing is set")
			return
		}
		head()
		for _, k := range core.Keys {
			if from, set := s.From[k.TOML]; set {
				row(k.TOML, value(s, k.TOML), from)
			}
		}
	}
	if s := f.Settings; s.Adopt != "" {
		title("keeper")
		head()
		for _, one := range [][2]string{{"adopt", string(s.Adopt)}, {"metrics.listen", s.Metrics.Listen}, {"metrics.textfile", s.Metrics.Textfile}} {
			from, set := s.From[one[0]]
			if !set {
				from = core.FromDefault
			}
			if one[1] != "" {
				row(one[0], plain(one[1]), from)
			}
		}
		for _, one := range [][2]string{{"alerts.hold", spanOr(s.Alerts.Hold, "1m")}, {"alerts.remind", spanOr(s.Alerts.Remind, "4h")},
			{"heartbeat", whereIs(s.Alerts.Heartbeat.URL)}, {"heartbeat.every", spanOr(s.Alerts.Heartbeat.Every, "1m")}} {
			from, set := s.From[one[0]]
			if one[0] == "heartbeat" {
				from, set = s.From["heartbeat.url"]+s.From["heartbeat.url_file"]+s.From["heartbeat.url_credential"], one[1] != ""
			}
			if set {
				row(one[0], plain(one[1]), from)
			}
		}
		for _, c := range s.Alerts.Channels {
			title("channel " + plain(c.Name))
			head()
			for _, one := range [][3]string{{"kind", string(c.Kind), c.From["kind"]}, {"url", whereIs(c.URL), c.From["url"] + c.From["url_file"] + c.From["url_credential"]},
				{"token", whereIs(c.Token), c.From["token_file"] + c.From["token_credential"]}, {"command", listed(c.Command), c.From["command"]},
				{"timeout", spanOr(c.Timeout, "10s"), cmp.Or(c.From["timeout"], core.FromDefault)}, {"least", string(c.Least), c.From["least"]}} {
				if one[1] != "" && one[2] != "" {
					row(one[0], plain(one[1]), one[2])
				}
			}
		}
		if len(s.Defaults.From) > 0 {
			title("defaults")
			rows(s.Defaults)
		}
	}
	if f.Guard != nil {
		for _, g := range []struct {
			name string
			config.Guard
		}{{"guard of the site", f.Guard.Site}, {"guard", f.Guard.User}} {
			if len(g.From) > 0 {
				title(g.name)
				head()
				for _, one := range guardRows(g.Guard) {
					row(one[0], plain(one[1]), g.From[one[0]])
				}
			}
		}
	}
	for _, s := range f.Services {
		title(strings.TrimSuffix(s.Name, ".service"))
		rows(s.Supervision)
	}
	_ = t.Flush()
}

// guardRows are the keys that are set, and their values.
func guardRows(g config.Guard) [][2]string {
	commands := func(list []config.GuardCommand) string {
		lines := make([]string, 0, len(list))
		for _, c := range list {
			lines = append(lines, strings.Join(c.Words, " "))
		}
		return listed(lines)
	}
	rows := [][2]string{{"mode", g.Mode}, {"deny", commands(g.Deny)}, {"ask", commands(g.Ask)}, {"allow", commands(g.Allow)},
		{"protect", listed(g.Protect)}, {"keep", listed(g.Keep)}, {"overrides", g.Overrides}}
	for _, id := range slices.Sorted(maps.Keys(g.Rules)) {
		rows = append(rows, [2]string{"rules." + id, g.Rules[id]})
	}
	return slices.DeleteFunc(rows, func(row [2]string) bool { return g.From[row[0]] == "" })
}

// spanOr is a time, or what holds where none is set.
func spanOr(d time.Duration, initial string) string {
	switch {
	case d < 0:
		return core.Never
	case d == 0:
		return initial
	}
	return core.Span(d)
}

// whereIs tells where an address or a token is.
func whereIs(s core.Secret) string {
	switch {
	case s.File != "":
		return "in " + s.File
	case s.Credential != "":
		return "in the credential " + s.Credential
	}
	return s.Plain
}

// value is what a key of a service is set to, as keeper.toml would have it.
func value(s core.Supervision, key string) string {
	switch key {
	case "probe":
		return plain(string(s.Probe))
	case "address":
		return plain(s.Address)
	case "port":
		return strconv.Itoa(int(s.Port))
	case "live":
		return plain(s.Live)
	case "ready":
		return plain(s.Ready)
	case "host":
		return plain(s.Host)
	case "tls":
		return strconv.FormatBool(s.TLS)
	case "command":
		return listed(s.Command)
	case "user":
		return plain(s.User)
	case "database":
		return plain(s.Database)
	case "password_file":
		return plain(s.PasswordFile)
	case "credential":
		return plain(s.Credential)
	case "interval":
		return core.Span(s.Interval)
	case "timeout":
		return core.Span(s.Timeout)
	case "grace":
		return core.Span(s.Grace)
	case "failures":
		return strconv.Itoa(s.Failures)
	case "successes":
		return strconv.Itoa(s.Successes)
	case "restart":
		return plain(string(s.Restart))
	case "restarts":
		return strconv.Itoa(s.Restarts)
	case "window":
		return core.Span(s.Window)
	case "depends_on":
		return listed(s.DependsOn)
	case "thaw":
		if s.Thaw < 0 {
			return core.Never
		}
		return core.Span(s.Thaw)
	}
	return ""
}

func listed(words []string) string {
	quoted := make([]string, 0, len(words))
	for _, w := range words {
		quoted = append(quoted, strconv.Quote(w))
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// plain quotes what would move a cursor, or a column.
func plain(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) >= 0 {
		return strconv.Quote(s)
	}
	return s
}
