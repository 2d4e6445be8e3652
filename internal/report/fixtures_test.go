package report

import (
	"fmt"
	"strings"
	"time"

	"keeper/internal/core"
)

// cet is the zone of the fixtures, wherever the tests run.
var cet = time.FixedZone("CET", 3600)

// founded is when the user manager of the founding incident was told to stop.
var founded = time.Date(2026, 1, 5, 17, 30, 2, 118e6, cet)

func facts(now time.Time) Facts {
	return Facts{User: "flowstate", Host: "prod-1", Release: "0.5.0", Now: now}
}

func sec(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// fixture is an incident, what is around it, and what else a report needs.
type fixture struct {
	incident core.Incident
	entries  []core.Entry
	facts    Facts
}

func fixtures() map[string]fixture {
	return map[string]fixture{"founding": founding(), "hung": hung(), "open": open()}
}

// founding is shared/seed-incident.md, as it goes with keeper.
func founding() fixture {
	t := founded
	at := func(s float64) time.Time { return t.Add(sec(s)) }
	i := core.Incident{
		ID: "20260105-163002", Kind: core.IncidentSession, Root: "session", Urgency: core.UrgencyCritical, Cause: "logind was told to stop the user",
		Began: t, Opened: at(0.004), Mended: at(14.241), Closed: at(74.241), Hold: time.Minute,
		Told: []core.Telling{{Kind: core.AlertOpened, At: at(0.004)}, {Kind: core.AlertClosed, At: at(74.241)}},
	}
	backs := map[string]float64{"django": 14.241, "minio": 9.713, "postgres": 10.402, "redis": 8.951}
	for _, n := range []string{"django", "minio", "postgres", "redis"} {
		unit := n + ".service"
		i.Symptoms = append(i.Symptoms, core.Symptom{Key: unit, Unit: unit, What: "stopped with the user manager", From: t, To: at(backs[n])})
		i.Services = append(i.Services, core.Affected{Name: unit, Outage: sec(backs[n]), Times: 1,
			Stretches: []core.Stretch{{Pulse: core.PulseDown, From: t}, {Pulse: core.PulseUp, From: at(backs[n])}}})
	}
	s := core.Session{ID: "42", UID: 1000, User: "flowstate", Service: "sshd", Remote: "10.0.0.7", TTY: "pts/1", Leader: 4242, Comm: "claude", Since: at(-52.1)}
	open, mended, closed := i, i, i
	open.Mended, open.Closed, mended.Closed = time.Time{}, time.Time{}, time.Time{}
	e := []core.Entry{
		{At: s.Since, Kind: core.EntrySession, What: "session 42 of flowstate was opened", Why: "by sshd, from 10.0.0.7, on pts/1, process 4242 claude", Session: &s},
		{At: at(-0.212), Kind: core.EntryCommand, What: "/usr/bin/loginctl terminate-user flowstate", Why: "flowstate by sudo",
			Command: &core.Command{At: at(-0.212), Source: "sudo", User: "flowstate", Text: "/usr/bin/loginctl terminate-user flowstate"}},
		{At: at(0), Kind: core.EntrySignal, What: "the user manager stops, and keeper with it", Why: "logind was told to stop the user", Blow: true},
		{At: at(0.004), Kind: core.EntryIncident, What: "incident 20260105-163002 is open", Why: i.Cause, Incident: &open},
		{At: at(0.391), Kind: core.EntryAlert, What: "alert 20260105-163002/1 was sent to phone", Why: "200 OK"},
		{At: at(0.402), Kind: core.EntryAlert, What: "alert 20260105-163002/1 could not be sent to mail, and waits", Why: "the user manager stops"},
		{At: at(2.85), Kind: core.EntryDecision, What: "the last act asked logind to bring the account back", Why: "the user manager stops, and the machine does not", Action: core.SetLinger},
		{At: at(6.02), Kind: core.EntryKeeper, What: "keeper began in a new life: logind was told to stop the user"},
		{At: at(6.021), Kind: core.EntryDecision, What: "count the stack back in", Why: "logind was told to stop the user; 4 services ran", Action: core.Note},
		{At: at(6.05), Kind: core.EntryUnit, Unit: "django.service", Pulse: core.PulseDown, What: "django is inactive (dead)"},
		{At: at(6.05), Kind: core.EntryUnit, Unit: "redis.service", Pulse: core.PulseDown, What: "redis is activating (start)"},
		{At: at(6.05), Kind: core.EntryUnit, Unit: "postgres.service", Pulse: core.PulseDown, What: "postgres is activating (start)"},
		{At: at(6.09), Kind: core.EntryDecision, What: "set linger", Why: "logind must learn that the user is to stay", Action: core.SetLinger},
		{At: at(7.4), Kind: core.EntryAlert, What: "alert 20260105-163002/1 was sent to mail, at the 2. try", Why: "250 queued"},
		{At: at(8.951), Kind: core.EntryUnit, Unit: "redis.service", Pulse: core.PulseUp, What: "redis is active (running)"},
		{At: at(9.713), Kind: core.EntryUnit, Unit: "minio.service", Pulse: core.PulseUp, What: "minio is active (running)"},
		{At: at(10.1), Kind: core.EntryProbe, Unit: "postgres.service", Pulse: core.PulseIll, What: "postgres is recovering", Why: "57P03 the database system is starting up"},
		{At: at(10.402), Kind: core.EntryProbe, Unit: "postgres.service", Pulse: core.PulseUp, What: "postgres is ready"},
		{At: at(10.5), Kind: core.EntryDecision, What: "start django", Why: "it ran before, and systemd did not start it", Action: core.StartUnits, Units: []string{"django.service"}, Unit: "django.service"},
		{At: at(13.1), Kind: core.EntryUnit, Unit: "django.service", Pulse: core.PulseUp, What: "django is active (running)"},
		{At: at(14.241), Kind: core.EntryProbe, Unit: "django.service", Pulse: core.PulseUp, What: "django is ready", Why: "200 OK"},
		{At: at(14.241), Kind: core.EntryIncident, What: "incident 20260105-163002 is mended after 14s", Why: i.Cause, Incident: &mended},
		{At: at(74.241), Kind: core.EntryIncident, What: "incident 20260105-163002 is over: all was well for 1m", Why: i.Cause, Incident: &closed},
		{At: at(74.602), Kind: core.EntryAlert, What: "alert 20260105-163002/2 was sent to phone", Why: "200 OK"},
		{At: at(75.113), Kind: core.EntryAlert, What: "alert 20260105-163002/2 was sent to mail", Why: "250 queued"},
		// Of somebody else.
		{At: at(30), Kind: core.EntryAlert, What: "alert 20260105-163002-2/1 was sent to phone"},
	}
	return fixture{i, e, facts(t.Add(time.Hour))}
}

// hung is a PostgreSQL that did not answer and was restarted, with Django behind it.
func hung() fixture {
	t := time.Date(2026, 3, 1, 3, 5, 10, 0, cet)
	at := func(s float64) time.Time { return t.Add(sec(s)) }
	stretches := func(list ...core.Stretch) []core.Stretch { return list }
	i := core.Incident{
		ID: "20260301-020510", Kind: core.IncidentService, Root: "postgres.service", Urgency: core.UrgencyCritical, Cause: "postgres is ill: silent: no answer",
		Began: t, Opened: at(30), Mended: at(68.3), Closed: at(128.3), Hold: time.Minute, Returns: 1,
		Symptoms: []core.Symptom{
			{Key: "postgres.service", Unit: "postgres.service", What: "ill: silent: no answer", From: t, To: at(61.2)},
			{Key: "django.service", Unit: "django.service", What: "blocked by postgres: silent: no answer", Cause: "postgres.service", From: at(4), To: at(68.3)},
		},
		Services: []core.Affected{
			{Name: "django.service", Outage: sec(64.3), Times: 1, Stretches: stretches(core.Stretch{Pulse: core.PulseIll, From: at(4)}, core.Stretch{Pulse: core.PulseUp, From: at(68.3)})},
			{Name: "postgres.service", Outage: sec(61.2), Times: 1, Stretches: stretches(core.Stretch{Pulse: core.PulseIll, From: t},
				core.Stretch{Pulse: core.PulseDown, From: at(31.4)}, core.Stretch{Pulse: core.PulseIll, From: at(41.9)}, core.Stretch{Pulse: core.PulseUp, From: at(61.2)})},
		},
		Told: []core.Telling{{Kind: core.AlertOpened, At: at(30)}, {Kind: core.AlertClosed, At: at(128.3)}},
	}
	e := []core.Entry{
		{At: t, Kind: core.EntryProbe, Unit: "postgres.service", Pulse: core.PulseIll, What: "postgres is silent", Why: "no answer"},
		{At: at(4), Kind: core.EntryProbe, Unit: "django.service", Pulse: core.PulseIll, What: "django is not-ready", Why: "503"},
		{At: at(30), Kind: core.EntryIncident, What: "incident 20260301-020510 is open", Why: i.Cause, Incident: &i},
		{At: at(30.2), Kind: core.EntryDecision, What: "restart postgres", Why: "ill for 30s: silent: no answer", Action: core.RestartUnits, Units: []string{"postgres.service"}},
		{At: at(30.9), Kind: core.EntryAlert, What: "alert 20260301-020510/1 could not be sent to phone, and waits", Why: "503 Service Unavailable"},
		{At: at(31.4), Kind: core.EntryUnit, Unit: "postgres.service", Pulse: core.PulseDown, What: "postgres is deactivating (stop-sigterm)"},
		{At: at(41.9), Kind: core.EntryUnit, Unit: "postgres.service", Pulse: core.PulseIll, What: "postgres is active (running)"},
		{At: at(42.5), Kind: core.EntryProbe, Unit: "postgres.service", Pulse: core.PulseIll, What: "postgres is recovering", Why: "57P03 the database system is in recovery mode"},
		{At: at(61.2), Kind: core.EntryProbe, Unit: "postgres.service", Pulse: core.PulseUp, What: "postgres is ready"},
		{At: at(68.3), Kind: core.EntryProbe, Unit: "django.service", Pulse: core.PulseUp, What: "django is ready", Why: "200 OK"},
		{At: at(128.3), Kind: core.EntryIncident, What: "incident 20260301-020510 is over: all was well for 1m", Why: i.Cause, Incident: &i},
		{At: at(190), Kind: core.EntryAlert, What: "alert 20260301-020510/1 was sent to phone, at the 5. try", Why: "200 OK"},
	}
	return fixture{i, e, facts(at(7200))}
}

// open is a Redis that keeper gave up on.
func open() fixture {
	t := time.Date(2026, 3, 1, 12, 5, 0, 0, cet)
	at := func(s float64) time.Time { return t.Add(sec(s)) }
	i := core.Incident{
		ID: "20260301-110500", Kind: core.IncidentService, Root: "redis.service", Urgency: core.UrgencyCritical, Cause: "redis is down: systemd gave up on it: exit-code",
		Began: t, Opened: at(15), Hold: time.Minute, Told: []core.Telling{{Kind: core.AlertOpened, At: at(15)}},
		Symptoms: []core.Symptom{
			{Key: "redis.service", Unit: "redis.service", What: "given up: 12 starts did not bring it back: systemd gave up on it: exit-code", From: t},
			{Key: "django.service", Unit: "django.service", What: "not ready: 503", Cause: "redis.service", From: at(6)},
		},
		Services: []core.Affected{
			{Name: "django.service", Times: 1, Stretches: []core.Stretch{{Pulse: core.PulseIll, From: at(6)}}},
			{Name: "redis.service", Outage: sec(9), Times: 3, Stretches: []core.Stretch{{Pulse: core.PulseDown, From: t}, {Pulse: core.PulseUp, From: at(4)},
				{Pulse: core.PulseDown, From: at(5)}, {Pulse: core.PulseUp, From: at(10)}, {Pulse: core.PulseDown, From: at(10.2)}}},
		},
	}
	e := []core.Entry{
		{At: at(-30), Kind: core.EntryDecision, What: "take the new settings", Why: "keeper.toml changed"},
		{At: t, Kind: core.EntryUnit, Unit: "redis.service", Pulse: core.PulseDown, What: "redis is failed", Why: "exit-code"},
		{At: at(2), Kind: core.EntryDecision, What: "start redis", Why: "systemd gave up on it: exit-code", Action: core.StartUnits, Units: []string{"redis.service"}},
		{At: at(15), Kind: core.EntryIncident, What: "incident 20260301-110500 is open", Why: i.Cause, Incident: &i},
		{At: at(20), Kind: core.EntryDecision, What: "start redis", Why: "systemd gave up on it: exit-code", Action: core.StartUnits, Units: []string{"redis.service"}},
		{At: at(700), Kind: core.EntryDecision, What: "give up on redis", Why: "12 starts did not bring it back; it is tried once an hour", Action: core.Note},
	}
	return fixture{i, e, facts(at(780))}
}

// nasty is what must not reach anybody as it is.
const nasty = "<script>alert(1)</script>\x1b[2J\r\n\u202Egnol\u202C\x00\xff|[x](http://evil)`\" onload=\"x"

// hostile is an open incident of 400 services with 5000 entries, in which everything is
// as it should not be.
func hostile() fixture {
	t := time.Date(2026, 6, 1, 12, 0, 0, 0, cet)
	i := core.Incident{
		ID: "20260601-100000", Kind: core.IncidentService, Root: "evil;rm -rf.service", Urgency: core.UrgencyCritical, Cause: "all is ill: " + nasty + strings.Repeat("x", 10000),
		Began: t, Opened: t.Add(-time.Hour), Hold: -time.Minute, Returns: 7, Drill: nasty, Omitted: 3, Told: []core.Telling{{Kind: core.AlertOpened, At: t}, {Kind: "\x1b]0;", At: time.Time{}}},
	}
	for n := range 400 {
		name := fmt.Sprintf("svc-%03d.service", n)
		if n == 7 {
			name = strings.Repeat("long-", 2000) + ".service"
		}
		if n == 8 {
			name = nasty + ".service"
		}
		a := core.Affected{Name: name, Outage: time.Duration(n) * time.Second, Times: n % 9}
		for k := range n % 9 {
			pulse := []core.Pulse{core.PulseDown, core.PulseIll, core.PulseUp, "\x1b[31m"}[k%4]
			a.Stretches = append(a.Stretches, core.Stretch{Pulse: pulse, From: t.Add(time.Duration((k*37+n)%100-10) * time.Second)})
		}
		i.Services = append(i.Services, a)
		i.Symptoms = append(i.Symptoms, core.Symptom{Key: name, Unit: name, What: "given up: " + nasty, From: t.Add(time.Duration(n) * time.Millisecond), Cause: i.Root})
	}
	kinds := []core.EntryKind{core.EntryUnit, core.EntryProbe, core.EntryDecision, core.EntrySession, core.EntryCommand, core.EntrySignal, core.EntryAlert, "\x1b[5m<b>"}
	var entries []core.Entry
	for n := range 5000 {
		e := core.Entry{At: t.Add(time.Duration((n*7919)%180000-60000) * time.Millisecond), Kind: kinds[n%len(kinds)], What: fmt.Sprintf("entry %d %s", n, nasty), Why: nasty, Blow: n%97 == 0, Action: core.StartUnits}
		switch n % 500 {
		case 1:
			e.At = time.Time{}
		case 2:
			e.At = time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -12*3600))
		case 3:
			e.At = t.AddDate(-30, 0, 0) // a clock that jumped
		}
		if e.Kind == core.EntryCommand && n%3 == 0 {
			e.Command = &core.Command{At: e.At, Source: nasty, User: nasty, Text: nasty + strings.Repeat("y", 10000)}
		}
		if e.Kind == core.EntryAlert {
			e.What = fmt.Sprintf("alert %s/%d was sent to %s", i.ID, n%3, nasty)
		}
		if e.Kind == core.EntrySession && n%5 == 0 {
			e.Session = &core.Session{ID: fmt.Sprint(n), User: nasty, Since: e.At}
		}
		entries = append(entries, e)
	}
	f := facts(t.Add(95 * time.Second))
	f.Damage, f.More = []string{"/x/00000001.log: 17 bytes in 2 places cannot be believed" + nasty}, true
	return fixture{i, entries, f}
}
