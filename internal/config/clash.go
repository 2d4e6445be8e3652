package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"keeper/internal/core"
)

// Unasked are those that nothing is said to over the network, inHTTP those that are
// asked in HTTP, byLogin those that a login makes a difference to: to S3, a user and
// a password are no login.
var (
	unasked = []core.ProbeKind{core.ProbeExec, core.ProbePodman, core.ProbeProcess, core.ProbeNone}
	inHTTP  = []core.ProbeKind{core.ProbeHTTP, core.ProbeS3}
	byLogin = []core.ProbeKind{core.ProbePostgres, core.ProbeRedis, core.ProbeHTTP}
)

// onlyFor says which kinds of probes have a use for a key.
var onlyFor = map[string][]core.ProbeKind{
	"live": inHTTP, "ready": inHTTP, "host": inHTTP, "tls": inHTTP,
	"user": byLogin, "password_file": byLogin, "credential": byLogin, "database": {core.ProbePostgres}, "command": {core.ProbeExec},
}

// pairs are keys of which one says the same as the other.
var pairs = [][2]string{{"address", "port"}, {"password_file", "credential"}}

// clash is a key that does not go together with what else is set.
type clash struct{ key, rule string }

// clashes returns what of said does not go together with all that is in force.
// Only what one place sets is its mistake: whoever sets a probe need not know
// what was set for another kind elsewhere.
func clashes(said, all core.Supervision, name func(setting) string) []clash {
	var list []clash
	add := func(key, format string, args ...any) { list = append(list, clash{key, fmt.Sprintf(format, args...)}) }
	has := func(s core.Supervision, key string) bool { _, is := s.From[key]; return is }
	called := func(key string) string { return name(*find(key, tomlName)) }
	for _, pair := range pairs {
		if has(said, pair[0]) && has(said, pair[1]) {
			add(pair[1], "says the same in other words as %s (%s): keep one of them", called(pair[0]), said.From[pair[0]])
		}
	}
	if has(all, "timeout") && has(all, "interval") && all.Timeout > all.Interval {
		where, key := all.From["interval"], "timeout"
		if !has(said, key) {
			where, key = all.From["timeout"], "interval"
		}
		if has(said, key) {
			add(key, "the timeout (%s) must be no longer than the interval (%s), see %s", core.Span(all.Timeout), core.Span(all.Interval), where)
		}
	}
	if !has(all, "probe") {
		return list
	}
	probe := fmt.Sprintf("and the probe is %s (%s)", all.Probe, all.From["probe"])
	for _, key := range slices.Sorted(maps.Keys(said.From)) {
		if kinds, is := onlyFor[key]; is && !slices.Contains(kinds, all.Probe) && (key != "tls" || said.TLS) {
			words := make([]string, 0, len(kinds))
			for _, kind := range kinds {
				words = append(words, string(kind))
			}
			add(key, "is for the probe %s alone, %s", strings.Join(words, " or "), probe)
		}
		if (key == "address" || key == "port") && slices.Contains(unasked, all.Probe) {
			add(key, "is for probes that connect, %s", probe)
		}
	}
	if has(said, "probe") && all.Probe == core.ProbeExec && !has(all, "command") {
		add("probe", "needs %s, beside it: what is run in the container", called("command"))
	}
	return list
}

// clashesIn returns those of one file, now that all that came before is known.
func clashesIn(said, all core.Settings) Mistakes {
	var list Mistakes
	tell := func(s core.Supervision, table string, found []clash) {
		for _, c := range found {
			list = append(list, At(s.From[c.key], table+"."+c.key, c.rule))
		}
	}
	tell(said.Defaults, defaultsTable, clashes(said.Defaults, all.Defaults, tomlName))
	for _, name := range slices.Sorted(maps.Keys(said.Services)) {
		one := said.Services[name]
		tell(one, serviceTable+"."+name, clashes(one, all.Services[name].Over(all.Defaults), tomlName))
	}
	return list
}

// At is a mistake where a value came from.
func At(where, key, rule string) Mistake {
	i := strings.LastIndexByte(where, ':')
	line, err := strconv.Atoi(where[i+1:])
	if i < 0 || err != nil {
		return Mistake{File: where, Key: key, Rule: rule}
	}
	return Mistake{File: where[:i], Line: line, Key: key, Rule: rule}
}
