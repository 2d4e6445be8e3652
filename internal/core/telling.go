package core

import (
	"fmt"
	"strings"
	"time"
)

// send hands one of the alerts about an incident over. The same one may be handed over
// again: its key is the same.
func (d *decider) send(i Incident, n int) {
	a := alertOf(i, n)
	d.actions = append(d.actions, Action{Kind: SendAlert, What: "tell of incident " + i.ID, Reason: a.Title, Alert: &a})
}

// alertOf is the n-th alert about an incident.
func alertOf(i Incident, n int) Alert {
	t := i.Told[n]
	a := Alert{
		Key: fmt.Sprintf("%s/%d", i.ID, n+1), Kind: t.Kind, At: t.At, Incident: i.ID, About: i.Kind, Urgency: i.Urgency,
		Drill: i.Drill, Began: i.Began, Root: i.Root, OutageMS: i.Outage(t.At).Milliseconds(),
	}
	for _, s := range i.Services {
		a.Services = append(a.Services, s.Name)
	}
	if t.Kind == AlertClosed {
		a.Mended = i.Mended
	}
	a.Title = title(i, t)
	if i.Drill != "" {
		a.Title = "Drill: " + a.Title
	}
	a.Text = text(i, t)
	return a
}

func title(i Incident, t Telling) string {
	what := subject(i)
	outage := told(i.Outage(t.At))
	switch {
	case t.Kind == AlertClosed && i.Kind == IncidentProtection:
		return "as it should be again after " + outage + ": " + i.Cause
	case t.Kind == AlertClosed:
		return what + " well again; the outage was " + outage
	case t.Kind == AlertReminder && i.Kind == IncidentProtection:
		return "still so after " + outage + ": " + i.Cause
	case t.Kind == AlertReminder:
		return what + " still not well after " + outage + ": " + i.Cause
	case i.Kind == IncidentSession || i.Kind == IncidentMachine:
		return "the stack is down: " + i.Cause
	}
	return i.Cause
}

// subject is what an incident is about, with the verb.
func subject(i Incident) string {
	switch {
	case i.Kind != IncidentService:
		return "the stack is"
	case len(i.Services) == 2:
		return short(i.Root) + " and another are"
	case len(i.Services) > 2:
		return fmt.Sprintf("%s and %d others are", short(i.Root), len(i.Services)-1)
	}
	return short(i.Root) + " is"
}

// told is a time as people say it.
func told(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d < time.Hour:
		return d.Round(time.Second).String()
	}
	return Span(d.Round(time.Minute))
}

// toldServices is how many services an alert goes into.
const toldServices = 20

func text(i Incident, t Telling) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("%s", i.Cause)
	line("since %s", i.Began.Format("2006-01-02 15:04:05 -0700"))
	if t.Kind == AlertClosed {
		line("until %s, for %s", i.Mended.Format("2006-01-02 15:04:05 -0700"), told(i.Outage(t.At)))
	}
	for n, s := range i.Services {
		if n == toldServices {
			line("  and %d more services", len(i.Services)-n)
			break
		}
		was := "was away for"
		if k := len(s.Stretches); k > 0 && s.Stretches[k-1].Pulse != PulseUp && t.Kind != AlertClosed {
			was = "is " + string(s.Stretches[k-1].Pulse) + ", for"
		}
		line("  %s %s %s", short(s.Name), was, told(s.OutageBy(t.At)))
	}
	if i.Returns > 1 {
		line("It was wrong %d times before, so it counts as over only after %s of health.", i.Returns, Span(i.Hold))
	}
	line("To see all: keeper incident %s", i.ID)
	return b.String()
}
