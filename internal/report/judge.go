package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"keeper/internal/core"
)

// mostSaid bounds each list of sentences.
const mostSaid = 12

// judge says what held and what did not, what is wrong still, and the figures. Each
// sentence rests on something that the history has.
func (r *Report) judge(i core.Incident, g gathered) {
	r.figures(i, g)
	r.judgeServices(i)
	r.judgeKeeper(g)
	r.judgeAlerts(g)
	if i.Wrong() {
		r.wrong(i)
	}
	r.toDo(i)
	r.unknown(i, g)
	r.nearest(i)
	r.Held, r.NotHeld = bounded(r.Held), bounded(r.NotHeld)
	r.Wrong = bounded(r.Wrong)
}

func bounded(list []string) []string {
	if len(list) > mostSaid {
		list = append(list[:mostSaid:mostSaid], fmt.Sprintf("and %d more", len(list)-mostSaid))
	}
	return list
}

func (r *Report) figures(i core.Incident, g gathered) {
	figure := func(name string, d time.Duration, note string) {
		r.Figures = append(r.Figures, Figure{Name: name, MS: max(0, d.Milliseconds()), Note: note})
	}
	note := "from the begin until all was well"
	if i.Wrong() {
		note = "so far"
	}
	figure("outage", time.Duration(min(r.OutageMS, int64(1<<62)/int64(time.Millisecond)))*time.Millisecond, note)
	figure("noticed", i.Opened.Sub(i.Began), "from the begin until it counted as an incident")
	for _, e := range g.decisions {
		if acts(e.Action) {
			figure("decided", e.At.Sub(i.Began), "from the begin until keeper first did something about it")
			break
		}
	}
	for _, a := range r.Alerts {
		if !a.Arrived.IsZero() {
			figure("told", a.Arrived.Sub(r.Began), "from the begin until the first alert had arrived")
			break
		}
	}
	first := time.Time{}
	for _, s := range r.Services {
		if !s.Back.IsZero() && (first.IsZero() || s.Back.Before(first)) {
			first = s.Back
		}
	}
	if len(r.Services) > 1 && !first.IsZero() {
		figure("first back", first.Sub(r.Began), "from the begin until the first service was up again to stay")
	}
}

// acts says whether a decision does something about what is wrong.
func acts(k core.Kind) bool {
	switch k {
	case core.SetLinger, core.StartUnits, core.RestartUnits, core.ContinueUnit, core.ThawUnit, core.MendNetwork, core.RenewRuntime, core.WakeManager:
		return true
	}
	return false
}

func (r *Report) judgeServices(i core.Incident) {
	var away, back []Service
	for _, s := range r.Services {
		if s.From.IsZero() && s.OutageMS <= 0 {
			continue
		}
		away = append(away, s)
		if s.pulse() == core.PulseUp {
			back = append(back, s)
		}
	}
	if len(away) == 0 {
		if i.Kind != core.IncidentProtection || len(r.Services) > 0 {
			return
		}
		r.Held = append(r.Held, "no service was hit")
		return
	}
	worst := slices.MaxFunc(away, func(a, b Service) int { return cmp.Compare(a.OutageMS, b.OutageMS) })
	what := count(len(away), "service was", "services were") + " not well: " + short(worst.Name) + " for " + span(worst.OutageMS)
	if len(away) > 1 {
		what = count(len(away), "service was", "services were") + " not well, " + short(worst.Name) + " the longest: " + span(worst.OutageMS)
	}
	r.NotHeld = append(r.NotHeld, what)
	if times := slices.MaxFunc(away, func(a, b Service) int { return cmp.Compare(a.Times, b.Times) }); times.Times > 1 {
		r.NotHeld = append(r.NotHeld, fmt.Sprintf("%s did not stay well: %d times it was not", short(times.Name), times.Times))
	}
	if len(back) == 0 {
		return
	}
	last := slices.MaxFunc(back, func(a, b Service) int { return a.Back.Compare(b.Back) })
	what = fmt.Sprintf("%s is up again, %s after the begin", short(last.Name), spanOf(last.Back.Sub(r.Began)))
	if len(away) > 1 {
		what = fmt.Sprintf("%d of %d services are up again, %s the last, %s after the begin", len(back), len(away), short(last.Name), spanOf(last.Back.Sub(r.Began)))
	}
	r.Held = append(r.Held, what)
}

// judgeKeeper goes by what keeper decided.
func (r *Report) judgeKeeper(g gathered) {
	if !g.reborn.IsZero() {
		r.Held = append(r.Held, fmt.Sprintf("the user manager came back, and keeper with it, %s after the begin", spanOf(g.reborn.Sub(r.Began))))
	}
	said := map[string]int{}
	say := func(list *[]string, s string) {
		if said[s]++; said[s] == 1 {
			*list = append(*list, s)
		}
	}
	for _, e := range g.decisions {
		what := clean(e.What)
		because := ""
		if why := clean(e.Why); why != "" {
			because = " (" + why + ")"
		}
		switch {
		case strings.HasPrefix(what, "the last act did not"):
			say(&r.NotHeld, what+because)
		case strings.HasPrefix(what, "the last act"):
			say(&r.Held, what+because)
		case strings.HasPrefix(what, "give up"):
			say(&r.NotHeld, "keeper decided to "+what+because)
		case acts(e.Action) && r.helped(e.Units):
			say(&r.Held, "keeper decided to "+what+because)
		case acts(e.Action):
			say(&r.NotHeld, "keeper decided to "+what+because+", and not all of it is up")
		}
	}
	for _, list := range [][]string{r.Held, r.NotHeld} {
		for n, s := range list {
			if said[s] > 1 {
				list[n] = fmt.Sprintf("%s (%d times)", s, said[s])
			}
		}
	}
}

// helped says that of the units that keeper did something about none is not up still.
func (r *Report) helped(units []string) bool {
	return !slices.ContainsFunc(r.Services, func(s Service) bool { return s.pulse() != core.PulseUp && slices.Contains(units, s.Name) })
}

func (r *Report) judgeAlerts(g gathered) {
	for _, a := range r.Alerts {
		if a.Arrived.IsZero() {
			continue
		}
		s := fmt.Sprintf("the first alert arrived %s after the begin", spanOf(a.Arrived.Sub(r.Began)))
		switch {
		case r.Kind == core.IncidentSession && !g.reborn.IsZero() && a.Arrived.Before(g.reborn):
			s += ", before the user manager was gone"
		case r.Mended.IsZero():
		case a.Arrived.Before(r.Mended):
			s += ", while it lasted"
		}
		r.Held = append(r.Held, s)
		break
	}
	for _, a := range r.Alerts {
		for _, l := range a.Results {
			if strings.HasPrefix(l.What, "could not be sent") || strings.HasPrefix(l.What, "was not sent") {
				s := fmt.Sprintf("alert %d (%s) %s", a.N, a.Kind, l.What)
				if l.Why != "" {
					s += ": " + l.Why
				}
				if at := a.arrivedAfter(l); !at.IsZero() {
					s += "; it arrived there at " + clock(at)
				}
				r.NotHeld = append(r.NotHeld, s)
			}
		}
	}
}

// arrivedAfter is when a channel took the alert that it had not taken before.
func (a Alert) arrivedAfter(failed Line) time.Time {
	rest, _ := strings.CutPrefix(failed.What, "could not be sent to ")
	name, _, found := strings.Cut(rest, ", and waits")
	if !found {
		return time.Time{}
	}
	for _, l := range a.Results {
		if to, ok := strings.CutPrefix(l.What, "was sent to "); ok && l.At.After(failed.At) && (to == name || strings.HasPrefix(to, name+", at the ")) {
			return l.At
		}
	}
	return time.Time{}
}

// wrong lists what lasts.
func (r *Report) wrong(i core.Incident) {
	said := map[string]bool{}
	for n, s := range r.Symptoms {
		if i.Symptoms[n].To.IsZero() {
			r.Wrong = append(r.Wrong, s.sentence())
			said[s.Unit] = true
		}
	}
	for _, s := range r.Services {
		if p := s.pulse(); p != core.PulseUp && !said[s.Name] {
			r.Wrong = append(r.Wrong, short(s.Name)+" is "+string(p))
		}
	}
}

// sentence is what was wrong, for a person.
func (s Symptom) sentence() string {
	what := s.What
	if s.Unit != "" {
		what = short(s.Unit) + " is " + what
	}
	if s.Cause != "" && s.Cause != s.Unit && !strings.Contains(s.What, "blocked by") {
		what += ", because of " + short(s.Cause)
	}
	return what
}

func (r *Report) toDo(i core.Incident) {
	add := func(s string) {
		if !slices.Contains(r.ToDo, s) {
			r.ToDo = append(r.ToDo, s)
		}
	}
	if i.Wrong() {
		add("keeper status   # how it is now")
		if i.Kind == core.IncidentService && typable(r.Root) {
			add("journalctl --user -u " + r.Root + " -n 50   # what it says")
		}
		for n, s := range r.Symptoms {
			if i.Symptoms[n].To.IsZero() && strings.HasPrefix(s.What, "given up") && typable(s.Unit) && len(r.ToDo) < 6 {
				add("keeper restart " + short(s.Unit) + "   # keeper tries no more; once the cause is gone")
			}
		}
	}
	switch i.Kind {
	case core.IncidentSession:
		add("keeper doctor   # what would make terminate-user leave the stack running, if it is not in force")
	case core.IncidentProtection:
		add("keeper doctor   # what is not in force, and what to type")
	case core.IncidentMachine, core.IncidentService:
	}
}

// typable says whether a name is one that may be put into a command as it is.
func typable(unit string) bool {
	return unit != "" && !strings.HasPrefix(unit, "-") && strings.Trim(unit, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_.@-") == ""
}

func (r *Report) unknown(i core.Incident, g gathered) {
	add := func(format string, args ...any) { r.Unknown = append(r.Unknown, fmt.Sprintf(format, args...)) }
	if len(r.Timeline) == 0 {
		add("what happened in that time: the history has nothing of it any more")
	}
	if !r.Seen.IsZero() {
		add("how it went on: the daemon does not answer; systemctl --user status keeper")
	}
	// What hangs by itself was not typed by anybody.
	asked := slices.ContainsFunc(r.Timeline, func(l Line) bool { return l.Blow })
	switch {
	case g.deaf != "":
		add("who typed it: %s", g.deaf)
	case len(r.Commands) == 0 && (i.Kind != core.IncidentService || asked):
		add("who or what caused it: the history has no command that the journal told of")
	}
	for _, a := range r.Alerts {
		if len(a.Results) == 0 {
			add("what became of alert %d (%s): no channel took or refused it; keeper alert test tells which there are", a.N, a.Kind)
		}
	}
	if i.Omitted > 0 {
		add("%s", count(i.Omitted, "more thing that was wrong", "more things that were wrong")+": too many to keep")
	}
}

// nearest is what was typed last before it. It need not be the cause, and nobody says so.
func (r *Report) nearest(i core.Incident) {
	const slack = time.Second // what is told of may be written after it was done
	for _, c := range r.Commands {
		if c.User != "" && !c.At.IsZero() && !c.At.After(i.Began.Add(slack)) {
			r.Nearest = &c
		}
	}
}
