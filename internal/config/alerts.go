package config

import (
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/pelletier/go-toml/v2/unstable"

	"keeper/internal/core"
)

// The tables of alerts.
const (
	alertsTable    = "alerts"
	alertTable     = "alert"
	heartbeatTable = "heartbeat"
)

// channelKey is a key of [alert.NAME].
type channelKey struct {
	name, rule string
	form       form
	put        func(c *core.Channel, v any) bool
	// secret: nobody is to see what was written there by mistake.
	secret bool
	means  string
}

const (
	urlRule  = "must be an http or https address without a name and password in it: those have their place in url_file or url_credential"
	fileRule = "must be the absolute path of a file; the secret itself has no place here"
	credRule = "must be the bare name of a systemd credential of keeper.service, without a slash"
)

var channelKinds = []core.ChannelKind{core.ChannelWebhook, core.ChannelCommand, core.ChannelAlertmanager, core.ChannelShoutrrr}

var urgencies = []core.Urgency{core.UrgencyCritical, core.UrgencyWarning}

var channelKeys = []channelKey{
	{name: "kind", rule: "must be one of " + quoted(channelKinds), put: func(c *core.Channel, v any) bool {
		c.Kind = core.ChannelKind(v.(string))
		return slices.Contains(channelKinds, c.Kind)
	}, means: "how people are told: a POST of JSON, a command, Alertmanager's API, or whatever shoutrrr knows (ntfy, Slack, Telegram, e-mail, …)"},
	{name: "url", rule: urlRule, secret: true, put: func(c *core.Channel, v any) bool { c.URL.Plain = v.(string); return isPlainURL(c.URL.Plain) },
		means: "where to (webhook, alertmanager); for shoutrrr it is a secret: url_file or url_credential"},
	{name: "url_file", rule: fileRule, secret: true, put: func(c *core.Channel, v any) bool { c.URL.File = v.(string); return isFile(c.URL.File) },
		means: "a file with the address, readable by the account and not by everybody"},
	{name: "url_credential", rule: credRule, secret: true, put: func(c *core.Channel, v any) bool {
		c.URL.Credential = v.(string)
		return isCredential(c.URL.Credential)
	}, means: "the systemd credential of keeper.service with the address"},
	{name: "token_file", rule: fileRule, secret: true, put: func(c *core.Channel, v any) bool { c.Token.File = v.(string); return isFile(c.Token.File) },
		means: "a file with what goes along as Authorization: Bearer (webhook, alertmanager)"},
	{name: "token_credential", rule: credRule, secret: true, put: func(c *core.Channel, v any) bool {
		c.Token.Credential = v.(string)
		return isCredential(c.Token.Credential)
	}, means: "the same as a systemd credential"},
	{name: "command", form: argv, rule: "must be a command and its arguments, in all no longer than 4096, the first with its whole path", put: func(c *core.Channel, v any) bool {
		c.Command = v.([]string)
		return len(c.Command) > 0 && filepath.IsAbs(c.Command[0]) && len(strings.Join(c.Command, " ")) <= most && !strings.ContainsRune(strings.Join(c.Command, ""), 0)
	}, means: "what is run (command), with the alert as JSON on its standard input; exit status 0: it was taken"},
	{name: "timeout", form: span, rule: "must be a time from 1s to 1m", put: func(c *core.Channel, v any) bool {
		c.Timeout = v.(time.Duration)
		return c.Timeout >= time.Second && c.Timeout <= time.Minute
	}, means: "how long one try may take; 10s where it is not set"},
	{name: "least", rule: "must be one of " + quoted(urgencies), put: func(c *core.Channel, v any) bool {
		c.Least = core.Urgency(v.(string))
		return slices.Contains(urgencies, c.Least)
	}, means: "`critical`: it is not told of warnings"},
}

// alertKeys are those beside the channels.
var alertKeys = []key{
	{name: "alerts.hold", rule: `must be a time from 10s to 1h, written as "1m"`, initial: "1m", means: "how long all must be well before an incident is over",
		put: spanKey(func(s *core.Settings) *time.Duration { return &s.Alerts.Hold }, 10*time.Second, time.Hour)},
	{name: "alerts.remind", rule: `must be a time from 10m to 168h, written as "4h", or "never"`, initial: "4h", means: "when somebody is told again of an incident that lasts; each time after twice as long",
		put: func(s *core.Settings, text string) bool {
			if text == core.Never {
				s.Alerts.Remind = -1
				return true
			}
			return spanKey(func(s *core.Settings) *time.Duration { return &s.Alerts.Remind }, 10*time.Minute, 168*time.Hour)(s, text)
		}},
	{name: "heartbeat.url", rule: urlRule, secret: true, means: "a dead man's switch that is called for as long as all is well",
		put: func(s *core.Settings, text string) bool {
			s.Alerts.Heartbeat.URL.Plain = text
			return isPlainURL(text)
		}},
	{name: "heartbeat.url_file", rule: fileRule, secret: true, means: "a file with its address, readable by the account and not by everybody",
		put: func(s *core.Settings, text string) bool { s.Alerts.Heartbeat.URL.File = text; return isFile(text) }},
	{name: "heartbeat.url_credential", rule: credRule, secret: true, means: "the systemd credential of keeper.service with its address",
		put: func(s *core.Settings, text string) bool {
			s.Alerts.Heartbeat.URL.Credential = text
			return isCredential(text)
		}},
	{name: "heartbeat.every", rule: `must be a time from 10s to 24h, written as "1m"`, initial: "1m", means: "the time between two calls",
		put: spanKey(func(s *core.Settings) *time.Duration { return &s.Alerts.Heartbeat.Every }, 10*time.Second, 24*time.Hour)},
}

func spanKey(at func(s *core.Settings) *time.Duration, least, most time.Duration) func(s *core.Settings, text string) bool {
	return func(s *core.Settings, text string) bool {
		d, err := time.ParseDuration(text)
		*at(s) = d
		return err == nil && d >= least && d <= most
	}
}

// isPlainURL: one that anybody may see.
func isPlainURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil && len(text) <= most && !strings.ContainsFunc(text, unicode.IsSpace)
}

// ofChannel takes a key of [alert.NAME].
func (r *reader) ofChannel(names []string, line int, v *unstable.Node) {
	name := strings.Join(names, ".")
	if r.twice(name, name, line) {
		return
	}
	n := slices.IndexFunc(channelKeys, func(k channelKey) bool { return k.name == names[2] })
	if n < 0 {
		var known []string
		for _, k := range channelKeys {
			known = append(known, k.name)
		}
		r.wrong(line, name, "", "there is no such key"+r.meant(names[2], known))
		return
	}
	k := channelKeys[n]
	c := r.channel(names[1])
	value := valueOf(&setting{form: k.form}, v)
	if value == nil || !k.put(c, value) {
		seen := shown(v)
		if k.secret {
			seen = ""
		}
		r.wrong(line, name, seen, k.rule+tomlForm(&setting{form: k.form}))
		return
	}
	c.From[k.name] = from(r.file, line)
}

// channel is the one of that name, which is made if need be.
func (r *reader) channel(name string) *core.Channel {
	list := &r.settings.Alerts.Channels
	n := slices.IndexFunc(*list, func(c core.Channel) bool { return c.Name == name })
	if n < 0 {
		*list = append(*list, core.Channel{Name: name, From: map[string]string{}})
		n = len(*list) - 1
	}
	return &(*list)[n]
}

// wholeChannels says what is missing in the channels of a file, or too much. lines are
// where their tables begin.
func (r *reader) wholeChannels() {
	for _, c := range r.settings.Alerts.Channels {
		wrong := func(rule string) { r.wrong(r.channelAt[c.Name], "["+alertTable+"."+c.Name+"]", "", rule) }
		places := 0
		for _, k := range []string{"url", "url_file", "url_credential"} {
			if c.From[k] != "" {
				places++
			}
		}
		_, f := c.From["token_file"]
		_, t := c.From["token_credential"]
		if r.spoilt(c.Name) {
			continue // that was said already
		}
		switch {
		case c.Kind == "":
			wrong("needs a kind, one of " + quoted(channelKinds))
		case c.Kind == core.ChannelCommand && len(c.Command) == 0:
			wrong(`needs a command, written as ["/usr/local/bin/page", "me"]`)
		case c.Kind == core.ChannelCommand && (places > 0 || f || t):
			wrong("is a command, and has no use for an address or a token")
		case c.Kind != core.ChannelCommand && len(c.Command) > 0:
			wrong("has a command, and is none: kind = \"command\"")
		case c.Kind != core.ChannelCommand && places != 1:
			wrong("needs one of url, url_file and url_credential")
		case c.Kind == core.ChannelShoutrrr && c.From["url"] != "":
			wrong("has its secret in the address: put that into url_file or url_credential")
		case c.Kind == core.ChannelShoutrrr && (f || t):
			wrong("has its secret in the address, and no use for a token")
		case f && t:
			wrong("has both token_file and token_credential: one of them")
		}
	}
	places := 0
	for _, k := range []string{"heartbeat.url", "heartbeat.url_file", "heartbeat.url_credential"} {
		if r.settings.From[k] != "" {
			places++
		}
	}
	_, every := r.settings.From["heartbeat.every"]
	if places > 1 || places == 0 && every && !r.spoilt(heartbeatTable) {
		r.wrong(r.channelAt[heartbeatTable], "["+heartbeatTable+"]", "", "needs one of url, url_file and url_credential")
	}
}

// spoilt says that something in that table was wrong already.
func (r *reader) spoilt(name string) bool {
	return slices.ContainsFunc(r.mistakes, func(m Mistake) bool {
		return strings.HasPrefix(m.Key, alertTable+"."+name+".") || strings.HasPrefix(m.Key, name+".")
	})
}

// overAlerts returns base with what said sets in its place. A channel of the same name
// takes the other's place as a whole, and so does a heartbeat.
func overAlerts(said, base core.Settings) core.Alerts {
	a := base.Alerts
	if said.From["alerts.hold"] != "" {
		a.Hold = said.Alerts.Hold
	}
	if said.From["alerts.remind"] != "" {
		a.Remind = said.Alerts.Remind
	}
	if !said.Alerts.Heartbeat.URL.IsZero() {
		a.Heartbeat = said.Alerts.Heartbeat
	}
	a.Channels = slices.Clone(a.Channels)
	for _, c := range said.Alerts.Channels {
		if n := slices.IndexFunc(a.Channels, func(o core.Channel) bool { return o.Name == c.Name }); n >= 0 {
			a.Channels[n] = c
		} else {
			a.Channels = append(a.Channels, c)
		}
	}
	slices.SortFunc(a.Channels, func(x, y core.Channel) int { return strings.Compare(x.Name, y.Name) })
	return a
}
