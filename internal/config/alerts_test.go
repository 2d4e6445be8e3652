package config

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"keeper/internal/core"
)

func TestAlerts(t *testing.T) {
	t.Parallel()
	site := write(t, "site.toml", `
[alerts]
hold = "2m"
remind = "8h"
[alert.ops]
kind = "webhook"
url = "https://example.org/hook"
[heartbeat]
url = "https://hc.example.org/ping"
`)
	user := write(t, "user.toml", `
alerts.remind = "never"
[alert.ops]
kind = "command"
command = ["/usr/local/bin/page", "me"]
least = "critical"
[alert.phone]
kind = "shoutrrr"
url_file = "/home/app/.config/keeper/ntfy"
timeout = "20s"
[alert.am]
kind = "alertmanager"
url = "http://127.0.0.1:9093"
token_credential = "am"
[heartbeat]
url_credential = "beat"
every = "5m"
`)
	s, mistakes := Read(site, user)
	if mistakes != nil {
		t.Fatal(mistakes)
	}
	for n := range s.Alerts.Channels {
		if c := s.Alerts.Channels[n]; !strings.HasPrefix(c.From["kind"], user+":") {
			t.Errorf("%s comes from %q", c.Name, c.From)
		}
		s.Alerts.Channels[n].From = nil
	}
	want := core.Alerts{Hold: 2 * time.Minute, Remind: -1,
		Channels: []core.Channel{
			{Name: "am", Kind: core.ChannelAlertmanager, URL: core.Secret{Plain: "http://127.0.0.1:9093"}, Token: core.Secret{Credential: "am"}},
			{Name: "ops", Kind: core.ChannelCommand, Command: []string{"/usr/local/bin/page", "me"}, Least: core.UrgencyCritical},
			{Name: "phone", Kind: core.ChannelShoutrrr, URL: core.Secret{File: "/home/app/.config/keeper/ntfy"}, Timeout: 20 * time.Second},
		},
		Heartbeat: core.Heartbeat{URL: core.Secret{Credential: "beat"}, Every: 5 * time.Minute},
	}
	if !reflect.DeepEqual(s.Alerts, want) {
		t.Errorf("got\n%+v\nwant\n%+v", s.Alerts, want)
	}
	// The site's alone.
	s, mistakes = Read(site, filepath.Join(t.TempDir(), "none"))
	if mistakes != nil || len(s.Alerts.Channels) != 1 || s.Alerts.Channels[0].Kind != core.ChannelWebhook || s.Alerts.Heartbeat.URL.Plain == "" || s.Alerts.Remind != 8*time.Hour {
		t.Errorf("got %+v, %v", s.Alerts, mistakes)
	}
}

func TestAlertMistakes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ text, want string }{
		"no name":             {"[alert]\nkind = \"webhook\"", `:1: [alert]: must be [alert.NAME]`},
		"too deep":            {"[alert.a.b]\nkind = \"webhook\"", `:1: [alert.a.b]: must be [alert.NAME]`},
		"no kind":             {"[alert.ops]\nurl = \"http://x\"", `:1: [alert.ops]: needs a kind`},
		"another kind":        {"[alert.ops]\nkind = \"pigeon\"", `:2: alert.ops.kind = "pigeon": must be one of`},
		"a slip":              {"[alert.ops]\nknid = \"webhook\"", `:2: alert.ops.knid: there is no such key; did you mean kind?`},
		"no address":          {"[alert.ops]\nkind = \"webhook\"", `:1: [alert.ops]: needs one of url, url_file and url_credential`},
		"two addresses":       {"[alert.ops]\nkind = \"webhook\"\nurl = \"http://x\"\nurl_file = \"/x\"", `needs one of url`},
		"no command":          {"[alert.ops]\nkind = \"command\"", `needs a command`},
		"a command by name":   {"[alert.ops]\nkind = \"command\"\ncommand = [\"page\"]", `the first with its whole path`},
		"a command and a url": {"[alert.ops]\nkind = \"command\"\ncommand = [\"/bin/x\"]\nurl = \"http://x\"", `has no use for an address`},
		"a webhook's command": {"[alert.ops]\nkind = \"webhook\"\nurl = \"http://x\"\ncommand = [\"/bin/x\"]", `has a command, and is none`},
		"a secret in the url": {"[alert.ops]\nkind = \"webhook\"\nurl = \"http://me:hidden@x\"", `:3: alert.ops.url: must be an http or https address`},
		"a secret in plain":   {"[alert.ops]\nkind = \"shoutrrr\"\nurl = \"https://ntfy.example.org/hidden\"", `put that into url_file or url_credential`},
		"shoutrrr's own url":  {"[alert.ops]\nkind = \"shoutrrr\"\nurl = \"telegram://hidden@telegram\"", `:3: alert.ops.url: must be an http or https address`},
		"two tokens":          {"[alert.ops]\nkind = \"webhook\"\nurl = \"http://x\"\ntoken_file = \"/x\"\ntoken_credential = \"x\"", `one of them`},
		"a relative file":     {"[alert.ops]\nkind = \"webhook\"\nurl_file = \"hidden\"", `:3: alert.ops.url_file: must be the absolute path`},
		"too patient":         {"[alert.ops]\nkind = \"webhook\"\nurl = \"http://x\"\ntimeout = \"2h\"", `must be a time from 1s to 1m; written as "10s"`},
		"held for ever":       {"[alerts]\nhold = \"100h\"", `:2: alerts.hold = "100h": must be a time from 10s to 1h`},
		"a number":            {"[alerts]\nhold = 60", `:2: alerts.hold = 60: must be a time`},
		"an unknown key":      {"[alerts]\nholds = \"1m\"", `:2: alerts.holds: there is no such key; did you mean alerts.hold?`},
		"no heart":            {"[heartbeat]\nevery = \"1m\"", `:1: [heartbeat]: needs one of url`},
		"two hearts":          {"[heartbeat]\nurl = \"http://x\"\nurl_file = \"/x\"", `:1: [heartbeat]: needs one of url`},
		"twice":               {"[alert.ops]\nkind = \"webhook\"\nurl = \"http://x\"\nurl = \"http://y\"", `is set already in line 3`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, mistakes := Read(write(t, "keeper.toml", tt.text))
			text := strings.Join(mistakes.Lines(), "\n")
			if !strings.Contains(text, tt.want) || strings.Contains(text, "hidden") {
				t.Errorf("got %s\nwant %s", text, tt.want)
			}
		})
	}
}
