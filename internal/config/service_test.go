package config

import (
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"keeper/internal/core"
)

// Both files know all keys that core has, by the names that it gives them.
func TestSettingsAreWhole(t *testing.T) {
	t.Parallel()
	if len(settings) != len(core.Keys) {
		t.Errorf("there are %d settings and %d keys", len(settings), len(core.Keys))
	}
	for i, k := range core.Keys {
		if s := settings[i]; s.toml != k.TOML || s.unit != k.Unit || s.rule == "" || s.means == "" {
			t.Errorf("%s: got %+v", k.TOML, s)
		}
	}
}

// everything sets all keys that go together; the others are in the tables below.
const everything = `
adopt = "off"
[metrics]
listen = "[::1]:9742"
textfile = "/var/lib/node_exporter/keeper.prom"
[defaults]
interval = "30s"
timeout = "1.5s"
grace = "0s"
failures = 4
successes = 1
restart = "never"
restarts = 0
window = "2h"
thaw = "never"
[service.web]
probe = "http"
port = 8_000
live = "/livez"
ready = "/readyz?deep=1"
host = "app.example.org"
tls = true
interval = "1m30s"
depends_on = ["postgres", # the store
  "redis.service"]
[service.db.service]
probe = "postgres"
address = "127.0.0.1:5432"
user = "keeper"
database = "app"
password_file = "/run/secrets/db"
thaw = "0s"
[service."stack-job@1"]
probe = 'exec'
command = ["sh", "-c", "exit 0"]
[service]
cache = { probe = "redis", credential = "redis-password" }
inline.timeout = "100ms"
`

func TestReadServices(t *testing.T) {
	t.Parallel()
	file := write(t, "keeper.toml", everything)
	got, mistakes := Read(file)
	if mistakes != nil {
		t.Fatal(mistakes)
	}
	froms := func(s core.Supervision) core.Supervision {
		for key, where := range s.From {
			if rest, ok := strings.CutPrefix(where, file+":"); !ok || rest == "0" {
				t.Errorf("%s is from %q", key, where)
			}
		}
		s.From = nil
		return s
	}
	if got.From["adopt"] != file+":2" || got.From["metrics.listen"] != file+":4" || got.Defaults.From["thaw"] != file+":15" ||
		got.Services["web"].From["depends_on"] != file+":24" || got.Services["cache"].From["credential"] != file+":37" {
		t.Errorf("got %v, %v, %v", got.From, got.Defaults.From, got.Services)
	}
	if got.Metrics != (core.Metrics{Listen: "[::1]:9742", Textfile: "/var/lib/node_exporter/keeper.prom"}) {
		t.Errorf("got %+v", got.Metrics)
	}
	if d, want := froms(got.Defaults), (core.Supervision{Interval: 30 * time.Second, Timeout: 1500 * time.Millisecond, Failures: 4, Successes: 1,
		Restart: core.RestartNever, Window: 2 * time.Hour, Thaw: -1}); !reflect.DeepEqual(d, want) {
		t.Errorf("got %+v", d)
	}
	want := map[string]core.Supervision{
		"web": {Probe: core.ProbeHTTP, Port: 8000, Live: "/livez", Ready: "/readyz?deep=1", Host: "app.example.org", TLS: true, Interval: 90 * time.Second,
			DependsOn: []string{"postgres.service", "redis.service"}},
		"db":          {Probe: core.ProbePostgres, Address: "127.0.0.1:5432", User: "keeper", Database: "app", PasswordFile: "/run/secrets/db"},
		"stack-job@1": {Probe: core.ProbeExec, Command: []string{"sh", "-c", "exit 0"}},
		"cache":       {Probe: core.ProbeRedis, Credential: "redis-password"},
		"inline":      {Timeout: 100 * time.Millisecond},
	}
	if names := slices.Sorted(maps.Keys(got.Services)); !slices.Equal(names, slices.Sorted(maps.Keys(want))) {
		t.Errorf("got %q", names)
	}
	for name, w := range want {
		if s := froms(got.Services[name]); !reflect.DeepEqual(s, w) {
			t.Errorf("%s: got %+v, want %+v", name, s, w)
		}
	}
	if _, set := got.Services["db"].From["thaw"]; !set {
		t.Error("a thaw of nothing is none")
	}
}

// A key of the account's file wins, and the others of the site's stay.
func TestServicesOfTwoFiles(t *testing.T) {
	t.Parallel()
	site := write(t, "site.toml", "[defaults]\ninterval = '20s'\nfailures = 7\n[service.x]\nprobe = 'http'\nhost = 'a'\naddress = 'b:1'\n[service.y]\nport = 1\n[metrics]\nlisten = '127.0.0.1:1'")
	user := write(t, "user.toml", "[defaults]\ninterval = '5s'\n[service.x]\nprobe = 'redis'\nport = 3\n[metrics]\ntextfile = '/a.prom'")
	got, mistakes := Read(site, user)
	x := got.Services["x"]
	switch {
	case mistakes != nil:
		t.Error(mistakes)
	case got.Defaults.Interval != 5*time.Second || got.Defaults.Failures != 7 || got.Defaults.From["interval"] != user+":2" || got.Defaults.From["failures"] != site+":3":
		t.Errorf("got %+v", got.Defaults)
	case x.Probe != core.ProbeRedis || x.Port != 3 || x.Address != "" || x.Host != "a":
		t.Errorf("got %+v", x)
	case got.Services["y"].Port != 1 || got.Metrics.Listen == "" || got.Metrics.Textfile == "" || len(got.From) != 2:
		t.Errorf("got %+v", got)
	}
}

func TestServiceMistakes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		// Each key, out of its bounds and of another type.
		"probe = 'mysql'":               {`:2: service.x.probe = "mysql": must be one of "postgres", "redis"`},
		"probe = 1":                     {`:2: service.x.probe = 1: must be one of`},
		"address = '127.0.0.1'":         {`:2: service.x.address = "127.0.0.1": must be HOST:PORT`},
		"address = ':80'":               {`address = ":80": must be HOST:PORT`},
		"address = 'a b:80'":            {`must be HOST:PORT`},
		"address = 'a:0'":               {`must be HOST:PORT`},
		"address = 'a:+1'":              {`must be HOST:PORT`},
		"address = 'a:http'":            {`must be HOST:PORT`},
		"port = 0":                      {`service.x.port = 0: must be a port, from 1 to 65535`},
		"port = 65536":                  {`must be a port`},
		"port = -1":                     {`must be a port`},
		"port = 99999999999999999999":   {`must be a port`},
		"port = '80'":                   {`service.x.port = "80": must be a port`},
		"live = 'livez'":                {`service.x.live = "livez": must be a path that begins with "/"`},
		"ready = '/a b'":                {`must be a path`},
		"ready = '/a#b'":                {`must be a path`},
		"ready = ''":                    {`must be a path`},
		`live = "/a\r\nX: 1"`:           {`must be a path`},
		"host = 'a:80'":                 {`service.x.host = "a:80": must be a plain host name`},
		"host = 'http://a'":             {`must be a plain host name`},
		"host = '-a'":                   {`must be a plain host name`},
		`host = "a\r\nX: 1"`:            {`must be a plain host name`},
		"tls = 'yes'":                   {`service.x.tls = "yes": must be true or false`},
		"command = 'pg_isready'":        {`service.x.command = "pg_isready": must be a command and its arguments, in all no longer than 4096; written as ["pg_isready", "-q"]`},
		"command = []":                  {`must be a command`},
		"command = ['']":                {`must be a command`},
		"command = ['a', 1]":            {`must be a command`},
		`command = ["a\u0000"]`:         {`must be a command`},
		"user = ''":                     {`must be a name`},
		`user = "a\nb"`:                 {`must be a name`},
		"database = 7":                  {`must be a name`},
		"password_file = 'hunter2'":     {`:2: service.x.password_file: must be the absolute path of a file; the password itself has no place here`},
		"password_file = '/a/'":         {`must be the absolute path of a file`},
		"credential = '/hunter2'":       {`:2: service.x.credential: must be the bare name of a systemd credential`},
		"credential = '..'":             {`must be the bare name`},
		"interval = '999ms'":            {`must be a time from 1s to 1h`},
		"interval = '61m'":              {`must be a time from 1s to 1h`},
		"interval = 10":                 {`service.x.interval = 10: must be a time from 1s to 1h: more often is a load, less often no watch; written as "10s" or "1m30s"`},
		"interval = '10'":               {`must be a time`},
		"interval = 'never'":            {`must be a time`},
		"interval = '-10s'":             {`must be a time`},
		"timeout = '99ms'":              {`must be a time from 100ms to 1m`},
		"timeout = '61s'":               {`must be a time from 100ms to 1m`},
		"grace = '-1s'":                 {`must be a time from 0s to 1h`},
		"grace = '-1ns'":                {`must be a time from 0s to 1h`},
		"grace = '2h'":                  {`must be a time from 0s to 1h`},
		"failures = 0":                  {`must be a number from 1 to 100`},
		"failures = 101":                {`must be a number from 1 to 100`},
		"failures = 1.5":                {`service.x.failures = 1.5: must be a number`},
		"successes = 0":                 {`must be a number from 1 to 100`},
		"restart = 'always'":            {`must be one of "ill", "never"`},
		"restarts = -1":                 {`must be a number from 0 to 100`},
		"restarts = 101":                {`must be a number from 0 to 100`},
		"window = '59s'":                {`must be a time from 1m to 24h`},
		"window = '25h'":                {`must be a time from 1m to 24h`},
		"depends_on = 'db'":             {`must be names of services`},
		"depends_on = ['a b']":          {`must be names of services`},
		"depends_on = ['db.container']": {`must be names of services`},
		"depends_on = [['db']]":         {`must be names of services`},
		"depends_on = [" + strings.Repeat("'a',", 101) + "]": {`and no more than 100`},
		"command = ['" + strings.Repeat("a", 4097) + "']":    {`must be a command`},
		"thaw = '25h'":                             {`must be a time from 0s to 24h, or never`},
		"thaw = 'infinity'":                        {`must be a time from 0s to 24h, or never`},
		"thaw = '-1ns'":                            {`must be a time`},
		"Probe = 'redis'":                          {`service.x.Probe: there is no such key; did you mean probe?`},
		"PasswordFile = '/a'":                      {`did you mean password_file?`},
		"prot = 1":                                 {`did you mean port?`},
		"colour = 1":                               {`there is no such key; there are: probe, address`},
		"port = 1\nport = 2":                       {`:3: service.x.port: is set already in line 2`},
		"[service.'x.service']\nprobe = 'none'":    nil,
		"port = 1\n[service.'x.service']\nport= 2": {`:4: service.x.service.port: is set already in line 2`},

		// What does not go together.
		"port = 1\naddress = 'a:1'":                             {`:2: service.x.port: says the same in other words as address (FILE:3): keep one of them`},
		"credential = 'a'\npassword_file = '/a'":                {`:2: service.x.credential: says the same in other words as password_file`},
		"timeout = '20s'\ninterval = '10s'":                     {`:2: service.x.timeout: the timeout (20s) must be no longer than the interval (10s), see FILE:3`},
		"interval = '1s'\n[defaults]\ntimeout = '2s'":           {`:2: service.x.interval: the timeout (2s) must be no longer than the interval (1s), see FILE:4`},
		"[defaults]\ninterval = '1s'\ntimeout = '2s'":           {`:4: defaults.timeout: the timeout (2s) must be`},
		"port = 1\n[defaults]\ninterval = '1s'\ntimeout = '2s'": {`:5: defaults.timeout`},
		"probe = 'exec'":                   {`:2: service.x.probe: needs command, beside it`},
		"probe = 'redis'\ncommand = ['a']": {`:3: service.x.command: is for the probe exec alone, and the probe is redis (FILE:2)`},
		"probe = 'tcp'\nlive = '/'\nready = '/'\nhost = 'a'\ntls = true": {
			`:3: service.x.live: is for the probe http or s3 alone, and the probe is tcp`, `:4: service.x.ready`, `:5: service.x.host`, `:6: service.x.tls`},
		"probe = 'tcp'\ntls = false":                    nil,
		"probe = 's3'\nuser = 'a'":                      {`:3: service.x.user: is for the probe postgres or redis or http alone`},
		"probe = 'http'\nuser = 'a'\ncredential = 'b'":  nil,
		"probe = 'redis'\ndatabase = 'a'":               {`:3: service.x.database: is for the probe postgres alone`},
		"probe = 'podman'\nport = 1":                    {`:3: service.x.port: is for probes that connect`},
		"probe = 'none'\naddress = 'a:1'":               {`:3: service.x.address: is for probes that connect`},
		"live = '/'\nuser = 'a'\ncommand = ['a']":       nil, // the probe is inferred
		"probe = 'process'\ninterval = '1s'":            nil, // the timeout is cut by itself
		"probe = 'x'\nport = 0\nfoo = 1\ngrace = 'two'": {`:2: `, `:3: `, `:4: `, `:5: `},

		// Tables.
		"[service.'a b']\nprobe = 1":          {`:2: [service.a b]: is no name of a service`},
		"[service.'a/b']\n[service.'c/d']":    {`:2: `, `:3: `},
		"[service.'']\nport = 0":              {`:2: [service.]: is no name`},
		"[service.'db.container']\nport = 0":  {`:2: [service.db.container]: is the name of a file; the service of db.container is db`},
		"[service.'db.pod']":                  {`the service of db.pod is db-pod`},
		"[[service.y]]\nport = 0":             {`:2: [service.y]: is one table, and not one of a list`},
		"[[defaults]]":                        {`:2: [defaults]: is one table`},
		"[service]\nport = 1":                 {`:3: service.port: belongs into a table of its service: [service.NAME]`},
		"[services.y]\nport = 0":              {`:2: [services.y]: there is no such table; did you mean`},
		"[default]\nport = 0":                 {`:2: [default]: there is no such table; did you mean defaults?`},
		"[defaults.y]\nport = 0":              {`:2: [defaults.y]: there is no such table`},
		"[defaults]\nprobe = 'redis'":         {`:3: defaults.probe: is not for all services: put it into [service.NAME]`},
		"[defaults]\nintervall = '1s'":        {`:3: defaults.intervall: there is no such key; did you mean interval?`},
		"[metrics]\nlisten = '0.0.0.0:1'":     {`:3: metrics.listen = "0.0.0.0:1": must be a loopback address and a port`},
		"[metrics]\nlisten = '10.0.0.1:1'":    {`must be a loopback address`},
		"[metrics]\nlisten = ':9742'":         {`must be a loopback address`},
		"[metrics]\nlisten = '127.0.0.1:0'":   {`must be a loopback address`},
		"[metrics]\nlisten = 9742":            {`must be a loopback address`},
		"[metrics]\nlisten = 'localhost:1'":   nil,
		"[metrics]\ntextfile = 'a.prom'":      {`:3: metrics.textfile = "a.prom": must be an absolute path that ends in .prom`},
		"[metrics]\ntextfile = '/a/.prom'":    {`must be an absolute path`},
		"[metrics]\ntextfile = '/a.txt'":      {`must be an absolute path`},
		"[metrics]\nlistn = '127.0.0.1:1'":    {`:3: metrics.listn: there is no such key; did you mean metrics.listen?`},
		"[service.y]\n[service.y]\nport = 70": {`:3: service.y: is no TOML: `},
	} {
		if !strings.HasPrefix(text, "[") {
			text = "[service.x]\n" + text
		} else {
			text = "\n" + text
		}
		file := write(t, "keeper.toml", text)
		got, mistakes := Read(file)
		if len(mistakes) > 0 && !reflect.DeepEqual(got, Defaults()) {
			t.Errorf("%q: something of it counts: %+v", text, got)
		}
		compare(t, text, file, mistakes, want)
	}
	// Outside of any table.
	file := write(t, "keeper.toml", "interval = '5s'\nservice = 1\nmetrics = 2\nservice.x = 3\n")
	_, mistakes := Read(file)
	compare(t, "outside", file, mistakes, []string{
		":1: interval: stands in no table: put it into [defaults] or [service.NAME]", ":2: service: belongs into a table", ":3: metrics: there is no such key", ":4: service.x: belongs into a table",
	})
}

// compare wants these mistakes, in order; FILE is the file.
func compare(t *testing.T, name, file string, got Mistakes, want []string) {
	t.Helper()
	lines := got.Lines()
	if len(lines) != len(want) {
		t.Errorf("%q: got %q, want %q", name, lines, want)
		return
	}
	for i, line := range lines {
		if rest, ok := strings.CutPrefix(line, file); !ok || !strings.Contains(rest, strings.ReplaceAll(want[i], "FILE", file)) {
			t.Errorf("%q: got %q, want %q", name, line, want[i])
		}
		if strings.Contains(line, "hunter2") {
			t.Errorf("%q tells the password", line)
		}
	}
}

// The account cannot mend what is the site's: a setting for another probe than
// the account's is no mistake of either.
func TestOtherFilesSettingsAreNoMistake(t *testing.T) {
	t.Parallel()
	site := write(t, "site.toml", "[service.x]\nprobe = 's3'\nlive = '/'\ntimeout = '10s'")
	user := write(t, "user.toml", "[service.x]\nprobe = 'redis'")
	if _, mistakes := Read(site, user); mistakes != nil {
		t.Error(mistakes)
	}
	// But what it adds must fit.
	user = write(t, "user.toml", "[service.x]\nuser = 'a'\ninterval = '5s'")
	_, mistakes := Read(site, user)
	compare(t, "added", user, mistakes, []string{":2: service.x.user: is for the probe postgres or redis or http alone, and the probe is s3 (" + site + ":2)", ":3: service.x.interval: the timeout (10s)"})
}

func TestAt(t *testing.T) {
	t.Parallel()
	for where, want := range map[string]Mistake{
		"/a/b:7":   {File: "/a/b", Line: 7},
		"/a:b:12":  {File: "/a:b", Line: 12},
		"default":  {File: "default"},
		"/a/b:c":   {File: "/a/b:c"},
		"":         {},
		"relative": {File: "relative"},
	} {
		if got := At(where, "", ""); got != want {
			t.Errorf("%s: got %+v", where, got)
		}
	}
	if got := filepath.Base(At("/x/y:1", "k", "r").File); got != "y" {
		t.Error(got)
	}
}
