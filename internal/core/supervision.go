package core

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Supervision is how one service is watched over: as far as somebody set it, or,
// once Supervise filled in the rest, all of it. The keys of keeper.toml are the
// JSON names, those of [X-Keeper] the Go names.
type Supervision struct {
	Probe ProbeKind `json:"probe,omitempty"`
	// Address is HOST:PORT as this host reaches it. Without it, Port is asked from
	// within the container's own network, at 127.0.0.1.
	Address string `json:"address,omitempty"`
	Port    uint16 `json:"port,omitempty"`
	// Live and Ready are paths (http, s3). Without Live any answer is a sign of
	// life. Host is the Host header, TLS says to speak it; the certificate is not
	// checked.
	Live  string `json:"live,omitempty"`
	Ready string `json:"ready,omitempty"`
	Host  string `json:"host,omitempty"`
	TLS   bool   `json:"tls,omitempty"`
	// Command is run in the container (exec): exit status 0 is well.
	Command []string `json:"command,omitempty"`
	// User, Database and a password make readiness go deeper. The password is in
	// PasswordFile, or is the systemd credential of keeper.service of that name.
	User         string `json:"user,omitempty"`
	Database     string `json:"database,omitempty"`
	PasswordFile string `json:"password_file,omitempty"`
	Credential   string `json:"credential,omitempty"`

	Interval time.Duration `json:"interval,omitempty"`
	Timeout  time.Duration `json:"timeout,omitempty"`
	// Grace is how long after a start failures do not count, unless the service
	// has answered once.
	Grace time.Duration `json:"grace,omitempty"`
	// Failures in a row make it ill, Successes in a row well again.
	Failures  int `json:"failures,omitempty"`
	Successes int `json:"successes,omitempty"`
	// Restart says what to do when it is ill.
	Restart RestartRule `json:"restart,omitempty"`
	// Restarts within Window are the budget.
	Restarts int           `json:"restarts,omitempty"`
	Window   time.Duration `json:"window,omitempty"`
	// DependsOn are services, as unit names, beside those that its unit needs.
	DependsOn []string `json:"depends_on,omitempty"`
	// Thaw is how long it may be frozen (podman pause) until keeper has it go on.
	// Negative means never, after a signal that stopped its process as well.
	Thaw time.Duration `json:"thaw,omitempty"`

	// From says where the value of each key came from: a file and its line, or how
	// keeper came to it. A key that is not here is not set.
	From map[string]string `json:"from,omitempty"`
}

// RestartRule says whether keeper restarts a service that is ill.
type RestartRule string

// The rules.
const (
	RestartIll   RestartRule = "ill"
	RestartNever RestartRule = "never"
)

// Keys are the keys of a Supervision: the name in keeper.toml, and the one in
// [X-Keeper].
var Keys = []struct{ TOML, Unit string }{
	{"probe", "Probe"}, {"address", "Address"}, {"port", "Port"}, {"live", "Live"}, {"ready", "Ready"}, {"host", "Host"},
	{"tls", "TLS"}, {"command", "Command"}, {"user", "User"}, {"database", "Database"}, {"password_file", "PasswordFile"},
	{"credential", "Credential"}, {"interval", "Interval"}, {"timeout", "Timeout"}, {"grace", "Grace"},
	{"failures", "Failures"}, {"successes", "Successes"}, {"restart", "Restart"}, {"restarts", "Restarts"},
	{"window", "Window"}, {"depends_on", "DependsOn"}, {"thaw", "Thaw"},
}

// Over returns base with what s sets in its place.
func (s Supervision) Over(base Supervision) Supervision {
	from := maps.Clone(base.From)
	if from == nil {
		from = map[string]string{}
	}
	for key, origin := range s.From {
		from[key] = origin
		switch key {
		case "probe":
			base.Probe = s.Probe
		case "address":
			base.Address = s.Address
		case "port":
			base.Port = s.Port
		case "live":
			base.Live = s.Live
		case "ready":
			base.Ready = s.Ready
		case "host":
			base.Host = s.Host
		case "tls":
			base.TLS = s.TLS
		case "command":
			base.Command = s.Command
		case "user":
			base.User = s.User
		case "database":
			base.Database = s.Database
		case "password_file":
			base.PasswordFile = s.PasswordFile
		case "credential":
			base.Credential = s.Credential
		case "interval":
			base.Interval = s.Interval
		case "timeout":
			base.Timeout = s.Timeout
		case "grace":
			base.Grace = s.Grace
		case "failures":
			base.Failures = s.Failures
		case "successes":
			base.Successes = s.Successes
		case "restart":
			base.Restart = s.Restart
		case "restarts":
			base.Restarts = s.Restarts
		case "window":
			base.Window = s.Window
		case "depends_on":
			base.DependsOn = s.DependsOn
		case "thaw":
			base.Thaw = s.Thaw
		}
	}
	// Each says the same as the other: what s says replaces both.
	for _, pair := range [][2]string{{"address", "port"}, {"password_file", "credential"}} {
		_, first := s.From[pair[0]]
		_, second := s.From[pair[1]]
		if first && !second {
			base.unset(from, pair[1])
		}
		if second && !first {
			base.unset(from, pair[0])
		}
	}
	base.From = from
	return base
}

func (s *Supervision) unset(from map[string]string, key string) {
	delete(from, key)
	switch key {
	case "address":
		s.Address = ""
	case "port":
		s.Port = 0
	case "password_file":
		s.PasswordFile = ""
	case "credential":
		s.Credential = ""
	}
}

// Where a value came from if nobody set it.
const (
	FromDefault = "default"
	fromImage   = "inferred from the image"
	fromPorts   = "inferred from the published ports"
	fromHealth  = "inferred from the health check of the container"
	fromUnit    = "inferred from the unit"
	// fromInterval: no timeout is longer than its interval.
	fromInterval = "cut to the interval"
)

// defaults hold where nobody says otherwise.
func defaults(store bool) Supervision {
	s := Supervision{
		Probe: ProbeProcess, Interval: 10 * time.Second, Timeout: 3 * time.Second, Grace: time.Minute,
		Failures: 3, Successes: 2, Restart: RestartIll, Restarts: 5, Window: time.Hour, Thaw: 5 * time.Minute,
		From: map[string]string{},
	}
	if store {
		// It may make its files, or mend them, before it listens.
		s.Grace = 5 * time.Minute
	}
	for _, key := range []string{"probe", "interval", "timeout", "grace", "failures", "successes", "restart", "restarts", "window", "thaw"} {
		s.From[key] = FromDefault
	}
	return s
}

// webPorts are those that a service is taken for a web server by.
var webPorts = []uint16{80, 3000, 5000, 8000, 8080, 8081, 8888}

// Supervise returns how the service is watched over. What its [X-Keeper] section
// says comes before the defaults of keeper.toml, and what keeper.toml says of it
// before both; what nobody says is told by its image, ports and unit.
func Supervise(u Unit, settings Settings, section Supervision) Supervision {
	name := strings.TrimSuffix(u.Name, ".service")
	said := settings.Services[name].Over(section.Over(settings.Defaults))
	s := said.Over(infer(u, said))
	if s.Timeout > s.Interval {
		// Whoever set the one need not know of the other.
		s.Timeout = s.Interval
		s.From["timeout"] = fromInterval
	}
	return s
}

// infer fills in what can be told from the unit.
func infer(u Unit, said Supervision) Supervision {
	s := defaults(IsStore(u.Image))
	set := func(key, from string) { s.From[key] = from }
	kind, port := kindOf(u)
	switch {
	case kind != "":
		s.Probe = kind
		set("probe", fromImage)
	case u.HealthCheck:
		s.Probe = ProbePodman
		set("probe", fromHealth)
	case len(u.Ports) > 0 && len(u.Inside) == len(u.Ports):
		s.Probe, port = ProbeTCP, u.Inside[0]
		if i := slices.IndexFunc(u.Inside, func(p uint16) bool { return slices.Contains(webPorts, p) }); i >= 0 {
			s.Probe, port = ProbeHTTP, u.Inside[i]
		}
		set("probe", fromPorts)
	}
	if said.Probe != "" && said.Probe != s.Probe {
		s.Probe = said.Probe
		port = usualPort(said.Probe, u)
	}
	if s.Probe == ProbePodman && IsStore(u.Image) {
		// Its check may well fail while it recovers.
		s.Restart = RestartNever
		set("restart", fromHealth)
	}
	if said.Port != 0 {
		port = said.Port
	}
	if port != 0 {
		// By the way that its users come, if there is one.
		if i := slices.Index(u.Inside, port); i >= 0 && said.Port == 0 {
			s.Address = u.Ports[i]
			set("address", fromPorts)
		} else {
			s.Port = port
			set("port", fromImage)
		}
	}
	if s.Probe == ProbeS3 {
		s.Live, s.Ready = "/minio/health/live", "/minio/health/cluster"
		set("live", fromImage)
		set("ready", fromImage)
	}
	return s
}

// kindOf tells what a service is by the name of its image, and where one of that
// kind listens.
func kindOf(u Unit) (ProbeKind, uint16) {
	switch imageName(u.Image) {
	case "postgres", "postgresql", "postgis", "pgvector", "timescaledb":
		return ProbePostgres, 5432
	case "redis", "valkey", "keydb", "dragonfly":
		return ProbeRedis, 6379
	case "minio":
		return ProbeS3, 9000
	}
	return "", 0
}

// usualPort is where a service of that kind listens, unless the unit publishes
// one port alone.
func usualPort(kind ProbeKind, u Unit) uint16 {
	port := map[ProbeKind]uint16{ProbePostgres: 5432, ProbeRedis: 6379, ProbeS3: 9000}[kind]
	switch kind {
	case ProbePostgres, ProbeRedis, ProbeS3, ProbeHTTP, ProbeTCP:
		if len(u.Inside) == 1 || port == 0 && len(u.Inside) > 0 {
			return u.Inside[0]
		}
	}
	return port
}

// asks is the question that a service is asked in its own language and at a place
// that may be the wrong ones; empty for what asks nothing of that kind.
func (s Supervision) asks() string {
	at := s.Address
	if at == "" {
		at = "port " + strconv.Itoa(int(s.Port))
	}
	switch s.Probe {
	case ProbePostgres, ProbeRedis, ProbeS3, ProbeHTTP, ProbeTCP:
		return string(s.Probe) + " at " + at
	}
	return ""
}

// guessed says that no person said what the service is, or where.
func (s Supervision) guessed() bool {
	for _, key := range []string{"probe", "port", "address"} {
		switch s.From[key] {
		case "", FromDefault, fromImage, fromPorts, fromHealth, fromUnit:
		default:
			return false
		}
	}
	return true
}

// Dependencies are the services that must be well for the service to be.
func Dependencies(u Unit, s Supervision) []string {
	deps := slices.Concat(u.Needs, s.DependsOn)
	slices.Sort(deps)
	return slices.DeleteFunc(slices.Compact(deps), func(name string) bool { return name == u.Name })
}
