package core

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	// titleMost is what a phone shows of a title, causeMost what the text has of a
	// cause, in characters.
	titleMost = 120
	causeMost = 500
	// toldServices is how many services an alert goes into.
	toldServices = 20
	toldTime     = "2006-01-02 15:04:05 -0700"
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
		Drill: i.Drill, Began: i.Began, Root: i.Root, OutageMS: i.outageTold(t).Milliseconds(),
	}
	for _, s := range i.Services {
		a.Services = append(a.Services, s.Name)
	}
	if t.Kind == AlertClosed {
		a.Mended = i.Mended
	}
	a.Title = title(i, t)
	if i.Drill != "" {
		a.Title = "drill: " + a.Title
	}
	a.Title = cut(a.Title, titleMost)
	a.Text = text(i, t)
	return a
}

// outageTold is the outage as it was when it was told of.
func (i Incident) outageTold(t Telling) time.Duration {
	if t.Kind == AlertClosed {
		return i.Outage(t.At)
	}
	return max(0, t.At.Sub(i.Began))
}

// title is the line that is read first, and on a phone alone.
func title(i Incident, t Telling) string {
	after := told(i.outageTold(t))
	life := i.Kind == IncidentSession || i.Kind == IncidentMachine
	switch {
	case t.Kind == AlertClosed && i.Kind == IncidentProtection:
		return inForce(i.Root) + " again, after " + after
	case t.Kind == AlertClosed && life:
		return fmt.Sprintf("the stack is back, after %s: %s", after, i.Cause)
	case t.Kind == AlertClosed:
		return well(i, t)
	case t.Kind == AlertReminder && i.Kind == IncidentProtection:
		return "still so after " + after + ": " + i.Cause
	case t.Kind == AlertReminder:
		return "still not well after " + after + ": " + wrongNow(i)
	case life && i.Kind == IncidentMachine && i.Urgency == UrgencyWarning:
		return "the stack goes down with the machine: " + i.Cause
	case life:
		return "the stack is down: " + i.Cause
	case len(i.Services) > 1:
		return withOthers(i, i.Cause)
	}
	return i.Cause
}

// well says that what an incident of services is about is well.
func well(i Incident, t Telling) string {
	root, times := short(i.Root), 1
	outage := i.outageTold(t)
	for _, s := range i.Services {
		times = max(times, s.Times)
	}
	if times > 1 { // it was up for most of the time
		outage = 0
		for _, s := range i.Services {
			outage = max(outage, s.OutageBy(i.Mended))
		}
		return withOthers(i, fmt.Sprintf("%s is well again, was away %d times for %s in all", root, times, told(outage)))
	}
	return withOthers(i, fmt.Sprintf("%s is well again, after %s", root, told(outage)))
}

// withOthers adds to a title whom else the incident hit; of the rest so much is left
// out that this has room.
func withOthers(i Incident, what string) string {
	others := 0
	name := ""
	for _, s := range i.Services {
		if s.Name != i.Root {
			others++
			name = cmp.Or(name, short(s.Name))
		}
	}
	with := ""
	switch {
	case others == 1:
		with = " (and " + cut(name, titleMost/3) + ")"
	case others > 1:
		with = fmt.Sprintf(" (and %d others)", others)
	}
	return cut(what, titleMost-len("drill: ")-utf8.RuneCountInString(with)) + with
}

// wrongNow is what is wrong still, the root before all others.
func wrongNow(i Incident) string {
	var first *Symptom
	var others int
	for n, s := range i.Symptoms {
		switch {
		case !s.To.IsZero():
			continue
		case first == nil:
			first = &i.Symptoms[n]
			continue
		case s.Key == i.Root:
			first = &i.Symptoms[n]
		}
		others++
	}
	if first == nil {
		return i.Cause
	}
	what := first.sentence()
	if others > 0 {
		return fmt.Sprintf("%s (and %d more)", cut(what, titleMost-60), others)
	}
	return what
}

// sentence is what was wrong, for a person.
func (s Symptom) sentence() string {
	if s.Unit == "" {
		return s.What
	}
	return short(s.Unit) + " is " + s.What
}

// inForce says that what an incident of the protection was about is as it should be.
func inForce(root string) string {
	switch root {
	case rootLinger:
		return "linger is on"
	case rootArm:
		return "keeper-session.service is active"
	case rootLogind:
		return "logind can be reached"
	case rootManager:
		return "the user manager can be reached"
	}
	if file, ok := strings.CutPrefix(root, rootLost); ok {
		return file + " is in order"
	}
	return root + " is in order"
}

// told is a time as people say it.
func told(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d < time.Hour:
		return Span(d.Round(time.Second))
	}
	return Span(d.Round(time.Minute))
}

// cut shortens a text to so many characters, and puts it on one line.
func cut(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	runes := []rune(s)[:most-1]
	return strings.TrimRight(string(runes), " :,;(") + "…"
}

// text is all that a person needs to begin: what, since when, who was hit, and what to
// type.
func text(i Incident, t Telling) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("%s", cut(i.Cause, causeMost))
	if t.Kind == AlertClosed {
		line("from %s until %s, %s", i.Began.Format(toldTime), i.Mended.Format(toldTime), told(i.outageTold(t)))
	} else {
		ago := ""
		if d := i.outageTold(t); d >= time.Second {
			ago = ", " + told(d) + " ago"
		}
		line("since %s%s", i.Began.Format(toldTime), ago)
	}
	for n, s := range i.Services {
		if n == toldServices {
			line("  and %d more services", len(i.Services)-n)
			break
		}
		line("  %s %s", short(s.Name), fate(i, s, t))
	}
	if i.Returns > 1 {
		line("It came back %d times within a day, so it counts as over only once all was well for %s.", i.Returns, Span(i.Hold))
	}
	for _, s := range toType(i, t) {
		line("%s", s)
	}
	return b.String()
}

// fate is what became of a service.
func fate(i Incident, s Affected, t Telling) string {
	pulse := pulseOf([]Affected{s}, s.Name)
	away := told(s.OutageBy(t.At))
	switch {
	case pulse == PulseUp && s.Times > 1:
		return fmt.Sprintf("was away %d times, for %s in all", s.Times, away)
	case pulse == PulseUp:
		return "was away for " + away
	}
	what := "is " + string(pulse)
	if d := t.At.Sub(s.since()); d >= time.Second {
		what += ", for " + told(d)
	}
	if s.Times > 1 {
		what += fmt.Sprintf(" (%d times, %s in all)", s.Times, away)
	}
	for _, sym := range slices.Backward(i.Symptoms) {
		if sym.Key == s.Name {
			if sym.Cause != "" {
				what += ", because of " + short(sym.Cause)
			}
			break
		}
	}
	return what
}

// toType are the commands that help.
func toType(i Incident, t Telling) []string {
	all := "To see all of it: keeper incident " + i.ID
	if t.Kind == AlertClosed {
		return []string{all}
	}
	var list []string
	switch {
	case i.Kind == IncidentProtection && i.Root == rootLinger:
		list = []string{"To set it: loginctl enable-linger $USER"}
	case i.Kind == IncidentProtection && i.Root == rootArm:
		list = []string{"To start it: systemctl --user enable --now keeper-session.service"}
	case i.Kind == IncidentProtection:
		list = []string{"To see what can be done: keeper doctor"}
	case i.Kind == IncidentService && slices.ContainsFunc(i.Symptoms, func(s Symptom) bool {
		return s.Key == i.Root && s.To.IsZero() && strings.HasPrefix(s.What, givenUp)
	}):
		list = []string{"keeper tries no more. Once the cause is gone: keeper restart " + short(i.Root)}
	}
	if i.Kind == IncidentService {
		list = append(list, "What it says: journalctl --user -u "+i.Root+" -n 50")
	}
	return append(list, "How it is now: keeper status", all)
}
