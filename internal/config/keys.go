package config

import (
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"keeper/internal/core"
)

// form is what the value of a setting looks like.
type form int

const (
	word   form = iota // a string
	number             // a whole number
	truth              // true or false
	span               // a time
	argv               // a command, as its words
	names              // services
)

// setting is a key of a service, in [defaults] and [service.NAME] of keeper.toml
// and in [X-Keeper] of a Quadlet file.
type setting struct {
	// toml and unit are its names there and there.
	toml, unit string
	form       form
	// rule says what the value must be, in words that hold for both files.
	rule string
	// put takes the value, of the type of its form, unless it breaks the rule.
	put func(s *core.Supervision, v any) bool
	// shared: it makes sense for all services, and may stand in [defaults].
	shared bool
	// secret: nobody is to see what was written there by mistake.
	secret bool
	// initial and means are for docs/reference/settings.md: what holds where nobody sets it,
	// and what it is.
	initial, means string
}

// settings are all there are, in the order of core.Keys.
var settings = named([]setting{
	{toml: "probe", rule: "must be one of " + quoted(core.ProbeKinds), put: choice(func(s *core.Supervision) *core.ProbeKind { return &s.Probe }, core.ProbeKinds...),
		initial: "by image, ports and health check", means: "how the service is asked how it is"},
	{toml: "address", rule: "must be HOST:PORT, with a port from 1 to 65535", put: text(func(s *core.Supervision) *string { return &s.Address }, isAddress),
		initial: "the published port", means: "where this host reaches it; not together with `port`"},
	{toml: "port", form: number, rule: "must be a port, from 1 to 65535", put: func(s *core.Supervision, v any) bool {
		n := v.(int64)
		s.Port = uint16(n)
		return n >= 1 && n <= 65535
	}, initial: "by the probe", means: "where it listens inside its own network, at 127.0.0.1; not together with `address`"},
	{toml: "live", rule: `must be a path that begins with "/", without spaces`, put: text(func(s *core.Supervision) *string { return &s.Live }, isURLPath),
		initial: "s3: /minio/health/live", means: "the path whose answer below 500 is a sign of life (http, s3); without it, any answer is"},
	{toml: "ready", rule: `must be a path that begins with "/", without spaces`, put: text(func(s *core.Supervision) *string { return &s.Ready }, isURLPath),
		initial: "s3: /minio/health/cluster", means: "the path that tells whether it can be used (http, s3); nothing is restarted by it"},
	{toml: "host", rule: "must be a plain host name, without a port", put: text(func(s *core.Supervision) *string { return &s.Host }, isHost),
		initial: "the address", means: "the Host header (http, s3): Django refuses what is not in its ALLOWED_HOSTS"},
	{toml: "tls", form: truth, rule: "must be true or false", put: func(s *core.Supervision, v any) bool {
		s.TLS = v.(bool)
		return true
	}, initial: "false", means: "speak TLS (http, s3); the certificate is not checked"},
	{toml: "command", form: argv, rule: "must be a command and its arguments, in all no longer than 4096", put: func(s *core.Supervision, v any) bool {
		s.Command = v.([]string)
		return len(s.Command) > 0 && len(strings.Join(s.Command, " ")) <= most && s.Command[0] != "" && !slices.ContainsFunc(s.Command, func(w string) bool { return strings.ContainsRune(w, 0) })
	}, means: "what is run in the container (exec); exit status 0 is well"},
	{toml: "user", rule: "must be a name", put: text(func(s *core.Supervision) *string { return &s.User }, isName),
		means: "whom to log in as (postgres, redis; http: Basic, for `ready` alone), so that readiness goes deeper"},
	{toml: "database", rule: "must be a name", put: text(func(s *core.Supervision) *string { return &s.Database }, isName),
		initial: "that of the user", means: "the database to ask (postgres)"},
	{toml: "password_file", rule: "must be the absolute path of a file; the password itself has no place here", put: text(func(s *core.Supervision) *string { return &s.PasswordFile }, isFile), secret: true,
		means: "the file with the password (postgres, redis, http), readable by the account and not by everybody; not together with `credential`"},
	{toml: "credential", rule: "must be the bare name of a systemd credential of keeper.service, without a slash", put: text(func(s *core.Supervision) *string { return &s.Credential }, isCredential), secret: true,
		means: "the systemd credential of keeper.service with the password (postgres, redis, http)"},
	between("interval", time.Second, time.Hour, ": more often is a load, less often no watch", false, func(s *core.Supervision) *time.Duration { return &s.Interval },
		"10s", "how often it is asked"),
	between("timeout", 100*time.Millisecond, time.Minute, ", and no longer than the interval", false, func(s *core.Supervision) *time.Duration { return &s.Timeout },
		"3s, cut to the interval", "how long an answer may take"),
	between("grace", 0, time.Hour, ": after that a start is no longer one", false, func(s *core.Supervision) *time.Duration { return &s.Grace },
		"1m; data stores 5m", "how long after a start failures do not count, unless it has answered once"),
	count("failures", 1, 100, func(s *core.Supervision) *int { return &s.Failures }, "3", "how many failures in a row make it ill"),
	count("successes", 1, 100, func(s *core.Supervision) *int { return &s.Successes }, "2", "how many answers in a row make it well again"),
	{toml: "restart", rule: "must be one of " + quoted([]core.RestartRule{core.RestartIll, core.RestartNever}), shared: true,
		put:     choice(func(s *core.Supervision) *core.RestartRule { return &s.Restart }, core.RestartIll, core.RestartNever),
		initial: "ill; never for a data store asked by its own health check", means: "`ill`: restart it when it is; `never`: say so and leave it"},
	count("restarts", 0, 100, func(s *core.Supervision) *int { return &s.Restarts }, "5", "how often keeper restarts it within the window, before it gives up and says so"),
	between("window", time.Minute, 24*time.Hour, ": a budget of less is none, and of more is never given back", false, func(s *core.Supervision) *time.Duration { return &s.Window },
		"1h", "the time that `restarts` are counted in"),
	{toml: "depends_on", form: names, rule: "must be names of services, with or without .service, and no more than 100", put: func(s *core.Supervision, v any) bool {
		s.DependsOn = nil
		if len(v.([]string)) > 100 {
			return false
		}
		for _, name := range v.([]string) {
			bare, wrong := service(name)
			if wrong != "" {
				return false
			}
			s.DependsOn = append(s.DependsOn, bare+".service")
		}
		return true
	}, initial: "what its unit needs", means: "services, besides those that its unit needs, without which it cannot be well"},
	between("thaw", 0, 24*time.Hour, ", or never", true, func(s *core.Supervision) *time.Duration { return &s.Thaw },
		"5m", "how long it may be frozen (`podman pause`) until keeper has it go on; `never` (in a Quadlet also `infinity`) leaves that to you, and a process that a signal stopped as well"),
})

// named puts the names that core has for [X-Keeper] beside those of keeper.toml.
func named(list []setting) []setting {
	for i := range list {
		for _, k := range core.Keys {
			if k.TOML == list[i].toml {
				list[i].unit = k.Unit
			}
		}
	}
	return list
}

// between is a setting that is a time. A negative one is "never".
func between(name string, least, most time.Duration, why string, never bool, field func(*core.Supervision) *time.Duration, initial, means string) setting {
	return setting{
		toml: name, form: span, shared: true, initial: initial, means: means,
		rule: fmt.Sprintf("must be a time from %s to %s%s", core.Span(least), core.Span(most), why),
		put: func(s *core.Supervision, v any) bool {
			d := v.(time.Duration)
			*field(s) = d
			return d >= least && d <= most || never && d == forever
		},
	}
}

// forever is the time that is written never, or infinity.
const forever = time.Duration(-1)

// count is a setting that is a number.
func count(name string, least, most int, field func(*core.Supervision) *int, initial, means string) setting {
	return setting{
		toml: name, form: number, shared: true, initial: initial, means: means,
		rule: fmt.Sprintf("must be a number from %d to %d", least, most),
		put: func(s *core.Supervision, v any) bool {
			n := v.(int64)
			*field(s) = int(n)
			return n >= int64(least) && n <= int64(most)
		},
	}
}

// choice is one of some words.
func choice[T ~string](field func(*core.Supervision) *T, words ...T) func(*core.Supervision, any) bool {
	return func(s *core.Supervision, v any) bool {
		*field(s) = T(v.(string))
		return slices.Contains(words, *field(s))
	}
}

// text is a string that is good for something.
func text(field func(*core.Supervision) *string, good func(string) bool) func(*core.Supervision, any) bool {
	return func(s *core.Supervision, v any) bool {
		*field(s) = v.(string)
		return good(v.(string))
	}
}

func quoted[T ~string](words []T) string {
	list := make([]string, 0, len(words))
	for _, w := range words {
		list = append(list, strconv.Quote(string(w)))
	}
	return strings.Join(list, ", ")
}

// most bounds names and paths: no system takes longer ones.
const most = 4096

// clean says that a value is of a bearable length, and cannot be mistaken for
// two, nor move a cursor.
func clean(s string) bool {
	return s != "" && len(s) <= most && strings.IndexFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) < 0
}

// isName leaves out quotes: in a unit file they would be part of the name, and
// nobody means that.
func isName(s string) bool {
	return clean(s) && len(s) <= 255 && s == strings.TrimSpace(s) && !strings.ContainsAny(s, `"'`)
}

func isURLPath(s string) bool {
	return clean(s) && s[0] == '/' && strings.IndexFunc(s, unicode.IsSpace) < 0 && !strings.ContainsRune(s, '#')
}

func isFile(s string) bool { return clean(s) && filepath.IsAbs(s) && !strings.HasSuffix(s, "/") }

// isCredential is what systemd takes for the name of a credential
// (credential_name_valid): a file name without colons.
func isCredential(s string) bool {
	return clean(s) && len(s) <= 255 && s != "." && s != ".." && !strings.ContainsAny(s, "/: \"'")
}

func isHost(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.IndexFunc(label, func(r rune) bool {
				return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
			}) >= 0 {
			return false
		}
	}
	return true
}

func isAddress(s string) bool {
	host, port, err := net.SplitHostPort(s)
	return err == nil && (isHost(host) || net.ParseIP(host) != nil) && isPort(port)
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0 && s[0] != '+'
}

// isLoopback: what is served there is for this host alone.
func isLoopback(s string) bool {
	host, _, err := net.SplitHostPort(s)
	ip := net.ParseIP(host)
	return err == nil && isAddress(s) && (host == "localhost" || ip != nil && ip.IsLoopback())
}

func isTextfile(s string) bool {
	return isFile(s) && strings.HasSuffix(s, ".prom") && filepath.Base(s) != ".prom"
}

// service returns the name of a service without .service, or what is wrong with
// it.
func service(name string) (bare, wrong string) {
	bare = strings.TrimSuffix(name, ".service")
	for _, ext := range Extensions {
		if base, is := strings.CutSuffix(bare, ext); is {
			return "", "is the name of a file; the service of " + base + ext + " is " + strings.TrimSuffix(unitOf(bare), ".service")
		}
	}
	// unit_name_is_valid: letters, digits, and :-_.\@, no longer than 255.
	if bare == "" || len(bare) > 255-len(".service") || strings.IndexFunc(bare, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(`:-_.\@`, r)
	}) >= 0 {
		return "", "is no name of a service: there are letters, digits and :-_.\\@ in one"
	}
	return bare, ""
}

// find returns the setting that has the name, by either of them.
func find(name string, of func(setting) string) *setting {
	for i := range settings {
		if of(settings[i]) == name {
			return &settings[i]
		}
	}
	return nil
}

func tomlName(s setting) string { return s.toml }
func unitName(s setting) string { return s.unit }
