package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"keeper/internal/control"
	"keeper/internal/core"
	"keeper/internal/report"
)

const (
	// alertsTo are the settings of the tests of incidents: whom to tell, and times as
	// short as they may be.
	alertsTo = `[alerts]
hold = "10s"
[alert.ops]
kind = "webhook"
url = "http://` + receiverAddr + hookPath + `"
timeout = "2s"
`
	alsoTo = `[alert.manager]
kind = "alertmanager"
url = "http://` + receiverAddr + `/manager"
timeout = "2s"
[heartbeat]
url = "http://` + receiverAddr + beatPath + `"
every = "10s"
`
	beatEvery = 10 * time.Second
	// closing is how long the end of an incident may take to be told of: the hold, and
	// what there is to do.
	closing = 30 * time.Second
	// near is how far the times in a report may be from what was seen from outside.
	near = 1500 * time.Millisecond

	// breakRedis leaves Redis unable to start, and ends it.
	breakRedis = `d=$home/.config/systemd/user/redis.service.d; account mkdir -p $d
printf '[Service]\nExecStartPre=/bin/false\n' >$d/10-broken.conf; account systemctl --user daemon-reload; kill -KILL $(server redis)`
	mendRedis = `rm $home/.config/systemd/user/redis.service.d/10-broken.conf; account systemctl --user daemon-reload
account systemctl --user reset-failed redis django; account systemctl --user start redis django`
)

// TestIncident is about what is told and kept of incidents: on one host, from the
// founding incident to a history that is full of noise. That a blow of its kind stays
// without an alert, and without a stack, where there is no keeper, TestLogout shows.
func TestIncident(t *testing.T) {
	t.Parallel()
	h := testHost(t, Options{Name: "incident", Stack: true})
	r := receive(t, h)
	install(t, h)
	configure(t, h, shortTimes+alertsTo+alsoTo)
	await(t, 20*time.Second, "keeper has taken the settings, and all is well", func(ctx context.Context) bool {
		_, err := keeper(ctx, h, "status")
		return err == nil && len(status(t, h).Settings.Alerts.Channels) == 2
	})
	for _, c := range []struct {
		name string
		test func(t *testing.T, h *Host, r *receiver)
	}{
		{"the founding incident", foundingIncident},
		{"the receiver is slow and fails, and then takes them", receiverIll},
		{"alerts wait through the end of the user manager and a reboot", alertsWait},
		{"the power fails", powerFails},
		{"no room for the history", noRoom},
		{"the history is cut short and full of noise", historyDamaged},
	} {
		t.Run(c.name, func(t *testing.T) {
			allWell(t, h)
			c.test(t, h, r)
			r.once(t)
			neverPanics(t, h)
		})
		if t.Failed() {
			return // what follows stands on it
		}
	}
}

// neverPanics looks for the traces of a panic in the journal of all boots.
func neverPanics(t *testing.T, h *Host) {
	t.Helper()
	if out := sh(t, h, "journalctl --sync; journalctl --output=cat -t keeper | grep -E '^(panic:|goroutine [0-9]+ )' || :"); out != "" {
		t.Errorf("keeper panicked:\n%s", out)
	}
}

// quietIncidents waits until no incident is open.
func quietIncidents(t *testing.T, h *Host) {
	t.Helper()
	await(t, closing, "no incident is open", func(context.Context) bool { return len(status(t, h).Incidents) == 0 })
}

// incident is keeper incident --json.
func incident(t *testing.T, h *Host, id string) report.Report {
	t.Helper()
	out, err := keeper(within(t, 10*time.Second), h, "incident", "--json", id)
	var r report.Report
	if jerr := json.Unmarshal([]byte(out), &r); err != nil || jerr != nil {
		t.Fatalf("keeper incident --json %s: %v %v\n%s", id, err, jerr, out)
	}
	return r
}

// edges are the times at which /readyz ceased to answer, and answered again.
type edges struct {
	mu        sync.Mutex
	down, ups []time.Time
}

func (e *edges) show(ready bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if ready {
		e.ups = append(e.ups, time.Now())
	} else {
		e.down = append(e.down, time.Now())
	}
}

// of returns when the journal first said so of a unit, since then.
func of(events []UnitEvent, unit, what string, since time.Time) time.Time {
	for _, e := range events {
		if e.Unit == unit && e.What == what && e.At.After(since) {
			return e.At
		}
	}
	return time.Time{}
}

func foundingIncident(t *testing.T, h *Host, r *receiver) {
	ctx := within(t, 2*time.Minute)
	journal := must[*Journal](t)(h.FollowJournal(ctx, nil))
	var seen edges
	outage := h.WatchReady(ctx, seen.show)
	session := must[*Session](t)(h.OpenSession(ctx))
	blow := time.Now()
	if err := session.Type("loginctl terminate-user " + User); err != nil {
		t.Fatal(err)
	}
	back, err := outage.WaitBack(ctx, blow)
	if err != nil {
		t.Fatalf("%v\n%s", err, diagnosis(h))
	}
	told := r.told(t, closing, blow, "session", core.AlertOpened, core.AlertClosed)
	outage.Stop()
	events := journal.Stop()
	if all := r.taken(hookPath, blow); len(all) != 2 {
		t.Errorf("%d alerts for one incident:\n%s", len(all), r.tell(blow))
	}
	end := of(events, manager, "ended", blow)
	t.Logf("the alert arrived %.2f s after the blow; the user manager had ended after %.2f s, the stack was back after %.2f s; the other alert came after %.2f s",
		told[0].at.Sub(blow).Seconds(), end.Sub(blow).Seconds(), back.Sub(blow).Seconds(), told[1].at.Sub(blow).Seconds())
	if told[0].at.Sub(blow) > 10*time.Second {
		t.Errorf("the alert arrived only %s after the blow", told[0].at.Sub(blow))
	}
	id := told[0].alert.Incident
	i := incident(t, h, id)
	seen.mu.Lock()
	down := seen.down[0]
	seen.mu.Unlock()
	close := func(what string, got, want time.Time) {
		t.Helper()
		if d := got.Sub(want); d.Abs() > near || want.IsZero() {
			t.Errorf("%s: %s, and from outside it was %s (%+.2f s)", what, got.Format("15:04:05.000"), want.Format("15:04:05.000"), d.Seconds())
		} else {
			t.Logf("%s: %+.2f s from what was seen outside", what, d.Seconds())
		}
	}
	if i.Kind != core.IncidentSession || i.Urgency != core.UrgencyCritical || i.State != report.StateOver {
		t.Errorf("it is told as %s, %s, %s", i.Kind, i.Urgency, i.State)
	}
	close("it began", i.Began, down)
	close("it was mended", i.Mended, back)
	if d := time.Duration(i.OutageMS)*time.Millisecond - back.Sub(down); d.Abs() > 2*near || told[1].alert.OutageMS != i.OutageMS {
		t.Errorf("the outage was %.2f s; the report says %d ms, the alert %d ms", back.Sub(down).Seconds(), i.OutageMS, told[1].alert.OutageMS)
	}
	servicesOf(t, i, events, blow, close)
	storyOf(t, i, session.ID)
	renders(t, h, id)
	managerHeard(t, r, blow)
	if n := strings.TrimSpace(sh(t, h, "journalctl --sync; journalctl --output=cat KEEPER_INCIDENT="+id+" | wc -l")); n != "2" {
		t.Errorf("the journal has %s alerts of it", n)
	}
	if t.Failed() {
		out, _ := keeper(ctx, h, "incident", id)
		t.Logf("keeper incident:\n%s", out)
	}
}

// servicesOf compares the stretches of each service with what the journal says of its
// unit.
func servicesOf(t *testing.T, i report.Report, events []UnitEvent, blow time.Time, close func(what string, got, want time.Time)) {
	t.Helper()
	names := map[string]report.Service{}
	for _, s := range i.Services {
		names[s.Name] = s
	}
	for _, name := range Services {
		unit := name + ".service"
		s, there := names[unit]
		if n := len(s.Stretches); !there || n < 2 || s.Stretches[0].Pulse == core.PulseUp || s.Stretches[n-1].Pulse != core.PulseUp || s.OutageMS == 0 {
			t.Errorf("%s is told of as %+v", unit, s)
			continue
		}
		close(name+" went", s.Stretches[0].From, of(events, unit, "stopping", blow))
		close(name+" came back", s.Stretches[len(s.Stretches)-1].From, of(events, unit, "started", blow))
	}
	if len(i.Services) != len(Services) {
		t.Errorf("%d services were hit: %+v", len(i.Services), i.Services)
	}
}

// storyOf looks for what the timeline must have.
func storyOf(t *testing.T, i report.Report, session string) {
	t.Helper()
	var all strings.Builder
	kinds := map[core.EntryKind]int{}
	blows := 0
	for _, l := range i.Timeline {
		fmt.Fprintf(&all, "%+8.2f %-8s %s: %s\n", float64(l.MS)/1000, l.Kind, l.What, l.Why)
		kinds[l.Kind]++
		if l.Blow {
			blows++
		}
	}
	for _, want := range []string{
		"session " + session + " of " + User + " was opened",
		"session " + session + " of " + User + " was removed",
		"the user manager stops",
		"keeper began in a new life",
	} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("the timeline does not have %q", want)
		}
	}
	for _, k := range []core.EntryKind{core.EntryUnit, core.EntryDecision, core.EntryAlert, core.EntryIncident} {
		if kinds[k] == 0 {
			t.Errorf("the timeline has nothing of the kind %s", k)
		}
	}
	if blows == 0 {
		t.Error("the timeline has no blow")
	}
	if t.Failed() {
		t.Logf("the timeline:\n%s", all.String())
	}
}

// elsewhere is what would make a page load something.
var elsewhere = regexp.MustCompile(`(?i)(src|href|action)\s*=\s*["']?\s*(https?:|//)|url\(\s*["']?\s*(https?:|//)|@import`)

// renders has an incident told in all forms, with the daemon and without.
func renders(t *testing.T, h *Host, id string) {
	t.Helper()
	ctx := within(t, time.Minute)
	forms := func() map[string]string {
		all := map[string]string{}
		for _, form := range []string{"--html", "--md", "--json", ""} {
			all[form] = must[string](t)(keeper(ctx, h, slices.DeleteFunc([]string{"incident", id, form}, func(s string) bool { return s == "" })...))
		}
		all["history"] = must[string](t)(keeper(ctx, h, "history"))
		return all
	}
	look := func(all map[string]string) {
		t.Helper()
		for form, out := range all {
			if !strings.Contains(out, id) || form != "--json" && form != "history" && !strings.Contains(out, "postgres") {
				t.Errorf("%q does not tell of %s:\n%s", form, id, out)
			}
		}
		page := all["--html"]
		if n := strings.Count(page, "<html"); n != 1 || !strings.HasSuffix(strings.TrimSpace(page), "</html>") {
			t.Errorf("it is no page: %d times <html", n)
		}
		if found := elsewhere.FindString(page); found != "" {
			t.Errorf("the page is not all by itself: %q", found)
		}
	}
	look(forms())
	if _, err := h.UserOutput(ctx, "systemctl", "--user", "stop", "keeper"); err != nil {
		t.Fatal(err)
	}
	look(forms())
	if _, err := h.UserOutput(ctx, "systemctl", "--user", "start", "keeper"); err != nil {
		t.Fatal(err)
	}
	t.Logf("the page has %d bytes", len(forms()["--html"]))
}

// managerHeard sees that Alertmanager could tell that both calls are about one alert,
// and that it is over.
func managerHeard(t *testing.T, r *receiver, since time.Time) {
	t.Helper()
	type posted struct {
		Labels map[string]string `json:"labels"`
		EndsAt time.Time         `json:"endsAt"`
	}
	var heard []posted
	await(t, 10*time.Second, "Alertmanager is told twice", func(context.Context) bool { return len(r.taken(managerPath, since)) == 2 })
	for _, c := range r.taken(managerPath, since) {
		var list []posted
		if err := json.NewDecoder(bytes.NewReader(c.body)).Decode(&list); err != nil || len(list) != 1 {
			t.Fatalf("%v: %s", err, c.body)
		}
		heard = append(heard, list[0])
	}
	if fmt.Sprint(heard[0].Labels) != fmt.Sprint(heard[1].Labels) || !heard[0].EndsAt.After(time.Now()) || heard[1].EndsAt.After(time.Now()) {
		t.Errorf("Alertmanager was told %+v", heard)
	}
}

// receiverIll has an incident while nobody takes alerts: supervision goes on, and the
// alerts wait. The dead man's switch is on the same receiver.
func receiverIll(t *testing.T, h *Host, r *receiver) {
	quietIncidents(t, h)
	await(t, 2*beatEvery, "the heart beats while all is well", func(context.Context) bool { return len(r.taken(beatPath, time.Now().Add(-beatEvery))) > 0 })
	r.set(t, slow)
	begin := time.Now()
	struck(t, h, breakRedis)
	await(t, 30*time.Second, "keeper tries to tell of it", func(context.Context) bool { return len(status(t, h).Incidents) > 0 && len(r.all(hookPath, begin)) > 0 })
	stopped := stoppedServer("minio")
	struck(t, h, stopped.strike)
	took := await(t, notHelped, "minio goes on", func(ctx context.Context) bool { return !holds(ctx, h, stopped.ill) })
	t.Logf("while the receiver was slow, a service that was stopped went on after %.1f s", took.Seconds())
	r.set(t, fails)
	await(t, 30*time.Second, "status says that alerts wait, and why", func(ctx context.Context) bool {
		out, _ := keeper(ctx, h, "status")
		return strings.Contains(out, "does not take alerts") && strings.Contains(out, "500")
	})
	if n := len(r.taken(hookPath, begin)); n != 0 {
		t.Errorf("%d alerts were taken by a receiver that takes none", n)
	}
	struck(t, h, mendRedis)
	if err := h.WaitReady(within(t, time.Minute), time.Minute); err != nil {
		t.Fatalf("%v\n%s", err, said(t, h, begin))
	}
	r.set(t, takes)
	open := time.Now()
	told := r.told(t, 90*time.Second, begin, "redis.service", core.AlertOpened, core.AlertClosed)
	i := incident(t, h, told[0].alert.Incident)
	// Those that were asked for before it was known are on their way.
	if beats := r.all(beatPath, begin.Add(2*time.Second)); len(beats) > 0 && beats[0].at.Before(i.Mended) {
		t.Errorf("the heart beat at %s, while something was wrong since %s", beats[0].at.Format("15:04:05.0"), i.Began.Format("15:04:05.0"))
	}
	await(t, 2*beatEvery, "the heart beats again", func(context.Context) bool { return len(r.taken(beatPath, i.Mended)) > 0 })
	if !slices.ContainsFunc(i.Services, func(s report.Service) bool { return s.Name == "redis.service" && s.OutageMS > 5000 }) {
		t.Errorf("the services: %+v", i.Services)
	}
	t.Logf("it was mended after %.1f s; the alert arrived %.1f s after the receiver took any", i.Mended.Sub(begin).Seconds(), told[0].at.Sub(open).Seconds())
}

// alertsWait closes the receiver before the user manager ends, and opens it after a
// reboot.
func alertsWait(t *testing.T, h *Host, r *receiver) {
	quietIncidents(t, h)
	ctx := within(t, 4*time.Minute)
	r.set(t, closed)
	begin := time.Now()
	outage := h.WatchReady(ctx, nil)
	if _, err := h.Output(ctx, "loginctl", "terminate-user", User); err != nil {
		t.Fatal(err)
	}
	if _, err := outage.WaitBack(ctx, begin); err != nil {
		t.Fatalf("%v\n%s", err, diagnosis(h))
	}
	outage.Stop()
	await(t, closing, "the incident is over, and its alerts wait", func(context.Context) bool {
		st := status(t, h)
		return len(st.Incidents) == 0 && slices.ContainsFunc(st.Alerts, func(a control.WaitingAlerts) bool { return a.Channel == "ops" && a.Count == 2 })
	})
	if err := h.Reboot(ctx); err != nil {
		t.Fatal(err)
	}
	booted := time.Now()
	if err := h.WaitReady(ctx, time.Minute); err != nil {
		t.Fatalf("%v\n%s", err, diagnosis(h))
	}
	r.set(t, takes)
	open := time.Now()
	session := r.told(t, 90*time.Second, begin, "session", core.AlertOpened, core.AlertClosed)
	machine := r.told(t, closing, begin, "machine", core.AlertOpened, core.AlertClosed)
	if all := r.taken(hookPath, begin); len(all) != 4 || all[0].alert.Incident != session[0].alert.Incident {
		t.Errorf("of two incidents there arrived:\n%s", r.tell(begin))
	}
	if !session[0].alert.At.Before(booted) || !session[1].alert.At.Before(booted) {
		t.Error("the alerts of the first incident are not older than the reboot: they did not wait")
	}
	if u := machine[0].alert.Urgency; u != core.UrgencyWarning {
		t.Errorf("a reboot that somebody asked for is %s", u)
	}
	t.Logf("the first arrived %.1f s after the receiver was there again", session[0].at.Sub(open).Seconds())
}

func powerFails(t *testing.T, h *Host, r *receiver) {
	quietIncidents(t, h)
	ctx := within(t, 3*time.Minute)
	begin := time.Now()
	if err := h.Cut(ctx); err != nil {
		t.Fatal(err)
	}
	if err := h.WaitReady(ctx, time.Minute); err != nil {
		t.Fatalf("%v\n%s", err, diagnosis(h))
	}
	back := time.Now()
	told := r.told(t, time.Minute, begin, "machine", core.AlertOpened, core.AlertClosed)
	if all := r.taken(hookPath, begin); len(all) != 2 {
		t.Errorf("%d alerts for one power cut:\n%s", len(all), r.tell(begin))
	}
	i := incident(t, h, told[0].alert.Incident)
	if i.Urgency != core.UrgencyCritical || len(i.Services) != len(Services) {
		t.Errorf("it is %s, and hit %+v", i.Urgency, i.Services)
	}
	// What ran when is known by the minute at worst, but never after the cut.
	if i.Began.After(begin.Add(near)) || begin.Sub(i.Began) > core.LookEvery+near {
		t.Errorf("the power failed at %s, and it is said to have begun at %s", begin.Format("15:04:05.0"), i.Began.Format("15:04:05.0"))
	}
	if d := i.Mended.Sub(back); d.Abs() > 3*near {
		t.Errorf("all answered at %s, and it is said to be mended at %s", back.Format("15:04:05.0"), i.Mended.Format("15:04:05.0"))
	}
	t.Logf("told %.1f s after the cut, the stack was back after %.1f s; it is said to have begun %.1f s before", told[0].at.Sub(begin).Seconds(), back.Sub(begin).Seconds(), begin.Sub(i.Began).Seconds())
}
