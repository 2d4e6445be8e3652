package core

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// entriesOf are the entries of one event, a line each.
func entriesOf(was, is State, e Event, decided []Decision) []string {
	var lines []string
	for _, n := range Chronicle(was, is, e, decided, noon) {
		line := string(n.Kind) + ": " + n.What
		if n.Pulse != "" {
			line += " [" + string(n.Pulse) + "]"
		}
		if n.Why != "" {
			line += " (" + n.Why + ")"
		}
		if n.Blow {
			line += " BLOW"
		}
		lines = append(lines, line)
	}
	return lines
}

func TestChronicle(t *testing.T) {
	t.Parallel()
	up := map[string]Unit{"db.service": {Name: "db.service", Kind: "container", Active: "active", Sub: "running", Invocation: "1"}}
	died := map[string]Unit{"db.service": {Name: "db.service", Kind: "container", Active: "failed", Sub: "failed", Result: "signal", Invocation: "1"}}
	ssh := Session{ID: "5", UID: 1000, User: "flowstate", Service: "sshd", Remote: "192.0.2.7", TTY: "pts/0", Leader: 4711, Comm: "sshd", Since: noon.Add(-time.Second)}
	old := ssh
	old.Since = noon.Add(-time.Hour)
	watched := func(c Condition) State {
		return State{Units: up, watches: map[string]*watch{"db.service": {outcome: Outcome{Condition: c, Detail: "a detail"}}}}
	}
	incident := Incident{ID: "i", Cause: "db is ill", Root: "db.service", Hold: time.Minute, Began: noon.Add(-time.Minute)}
	mended, closed := incident, incident
	mended.Mended = noon
	closed.Mended, closed.Closed = noon, noon.Add(time.Minute)
	open := func(i Incident) State { return State{Incidents: Incidents{Open: []Incident{i}}} }
	drill := Drill{ID: "d", Name: "kill", Service: "db.service"}
	over := drill
	over.Ended, over.Outcome, over.Why = noon, DrillBack, "after 2 s"
	for name, tt := range map[string]struct {
		was, is State
		e       Event
		decided []Decision
		want    []string
	}{
		"nothing":                {e: Wake{}},
		"a decision":             {e: Wake{}, decided: []Decision{{What: "set linger", Reason: "linger was off"}}, want: []string{"decision: set linger (linger was off)"}},
		"a session":              {e: SessionSeen{ssh}, want: []string{"session: session 5 of flowstate was opened (by sshd, from 192.0.2.7, on pts/0, process 4711 sshd)"}},
		"one that was there":     {e: SessionSeen{old}},
		"one that is known":      {was: State{sessions: map[string]Session{"5": ssh}}, e: SessionSeen{ssh}},
		"it goes":                {was: State{sessions: map[string]Session{"5": ssh}}, e: SessionRemoved{"5"}, want: []string{"session: session 5 of flowstate was removed (by sshd, from 192.0.2.7, on pts/0, process 4711 sshd)"}},
		"an unknown one goes":    {e: SessionRemoved{"6"}},
		"linger goes":            {was: State{Linger: LingerOn}, e: LingerSeen{}, want: []string{"signal: linger was taken away BLOW"}},
		"linger stays off":       {was: State{Linger: LingerOff}, e: LingerSeen{}},
		"it is not known":        {was: State{Linger: LingerOn}, e: LingerSeen{Err: "no answer"}},
		"a shutdown":             {e: PrepareForShutdown{Active: true}, want: []string{"signal: the machine goes down (logind announced it) BLOW"}},
		"called off":             {was: State{ShuttingDown: true}, e: PrepareForShutdown{}, want: []string{"signal: the shutdown was called off"}},
		"the end":                {e: ManagerEnds{Cause: "somebody"}, want: []string{"signal: the user manager stops, and keeper with it (somebody) BLOW"}},
		"logind goes":            {was: State{LogindUp: true}, e: LogindDown{Err: "gone"}, want: []string{"signal: logind went away (gone) BLOW"}},
		"logind is still gone":   {e: LogindDown{Err: "gone"}},
		"a stop":                 {e: StopAsked{Name: "db.service"}, want: []string{"unit: somebody asked for db to be stopped BLOW"}},
		"the first look":         {is: State{Units: up}, e: UnitsSeen{}},
		"a death":                {was: State{Units: up}, is: State{Units: died}, e: UnitSeen{}, want: []string{"unit: db is failed [down] (signal)"}},
		"the same again":         {was: State{Units: died}, is: State{Units: died}, e: UnitSeen{}},
		"a unit is gone":         {was: State{Units: up}, is: State{Units: map[string]Unit{}}, e: UnitsSeen{}, want: []string{"unit: db has no unit any more"}},
		"a probe":                {was: watched(ConditionReady), is: watched(ConditionSilent), e: Probed{}, want: []string{"probe: db is silent [ill] (a detail)"}},
		"a probe as before":      {was: watched(ConditionSilent), is: watched(ConditionSilent), e: Probed{}},
		"commands":               {e: CommandsSeen{Commands: []Command{{Source: "sudo", User: "root", Text: "loginctl terminate-user flowstate"}}}, want: []string{"command: loginctl terminate-user flowstate (root by sudo)"}},
		"no commands":            {e: CommandsSeen{Err: "not readable"}, want: []string{"command: who typed what cannot be told from the journal (not readable)"}},
		"an incident":            {is: open(incident), e: Wake{}, want: []string{"incident: incident i is open (db is ill)"}},
		"as before":              {was: open(incident), is: open(incident), e: Wake{}},
		"mended":                 {was: open(incident), is: open(mended), e: Wake{}, want: []string{"incident: incident i is mended after 1m (db is ill)"}},
		"over":                   {was: open(mended), is: State{Incidents: Incidents{Closed: []Incident{closed}}}, e: Wake{}, want: []string{"incident: incident i is over: all was well for 1m (db is ill)"}},
		"a drill":                {is: State{Incidents: Incidents{Drill: &drill}}, e: DrillAsked{}, want: []string{"drill: the drill kill begins"}},
		"the end of one":         {was: State{Incidents: Incidents{Drill: &drill}}, is: State{Incidents: Incidents{Drill: &over}}, e: DrillAsked{}, want: []string{"drill: the drill kill ends: back (after 2 s)"}},
		"one from the last life": {is: State{Incidents: Incidents{Drill: &drill}}, e: Began{Kind: LifeSame}, want: []string{"keeper: keeper began again, in the same life of the user manager"}},
		"a revival":              {e: Began{Kind: LifeRevived, Cause: "killed"}, want: []string{"keeper: keeper began in a new life: killed"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := entriesOf(tt.was, tt.is, tt.e, tt.decided); !slices.Equal(got, tt.want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(tt.want, "\n  "))
			}
		})
	}
}

// A recording that begins in the middle leads to the same decisions as the whole.
func TestPrologue(t *testing.T) {
	t.Parallel()
	db := service("db", "active")
	db.Image, db.Invocation, db.MainPID, db.Ports = "docker.io/library/postgres:17", "1", 7, []string{"127.0.0.1:5432"}
	web := service("web", "active")
	web.Invocation, web.MainPID, web.Ports, web.Needs = "1", 8, []string{"127.0.0.1:80"}, []string{"db.service"}
	probed := func(unit string, c Condition) Event {
		return Probed{Unit: unit, Invocation: "1", Outcome: Outcome{Condition: c}}
	}
	gone := db
	gone.Active, gone.Sub, gone.Result = "failed", "failed", "start-limit-hit"
	life := []Event{
		Began{Kind: LifeSame}, SettingsSeen{Settings: Settings{Adopt: AdoptPropose}}, AdoptionSeen{}, HeldSeen{}, LogindUp{}, StandDownSeen{},
		LingerSeen{On: true}, LingerSet{}, UnitsSeen{Units: []Unit{db, web}, Armed: true, First: true}, ContainersSeen{},
		probed("db.service", ConditionReady), probed("web.service", ConditionReady),
		probed("db.service", ConditionSilent), probed("web.service", ConditionNotReady), probed("db.service", ConditionSilent), probed("db.service", ConditionSilent),
		Examined{Unit: "db.service", Outcomes: map[string]Outcome{"db.service": {Condition: ConditionSilent}}},
		Remedied{Kind: RestartUnits, Units: []string{"db.service"}},
		probed("db.service", ConditionReady), probed("db.service", ConditionReady), probed("web.service", ConditionReady),
		UnitSeen{gone}, UnitsStarted{Units: []string{"db.service"}}, UnitSeen{db}, StopAsked{Name: "web.service"}, UnitSeen{service("web", "inactive")},
		ManagerEnds{Cause: "somebody"},
	}
	decide := func(s State, events []Event, from time.Time) (State, []string) {
		var decided []string
		for n, e := range events {
			var actions []Action
			s, actions = Decide(s, e, from.Add(time.Duration(n)*3*time.Second))
			for _, a := range actions {
				if a.Decided() {
					decided = append(decided, fmt.Sprintf("%d %s: %s", n, a.What, a.Reason))
				}
			}
		}
		return s, decided
	}
	// Before, the daemon is not settled; and in the middle of an illness nobody begins to
	// record: it is what opens an incident, and the recording begins before that.
	const begin, ill, well = 11, 15, 20
	_, all := decide(State{Linger: LingerUnknown}, life, noon)
	for cut := begin; cut < len(life); cut++ {
		if cut > ill && cut < well {
			continue
		}
		s, before := decide(State{Linger: LingerUnknown}, life[:cut], noon)
		at := noon.Add(time.Duration(cut) * 3 * time.Second)
		replayed := State{Linger: LingerUnknown}
		for _, e := range s.Prologue() {
			replayed, _ = Decide(replayed, e, at)
		}
		_, got := decide(replayed, life[cut:], at)
		for n := range got {
			var k int
			var rest string
			_, _ = fmt.Sscanf(got[n], "%d", &k)
			rest = strings.TrimPrefix(got[n], fmt.Sprint(k))
			got[n] = fmt.Sprint(k+cut) + rest
		}
		if want := all[len(before):]; !slices.Equal(got, want) {
			t.Errorf("cut before event %d, %T:\n  %s\nwant\n  %s", cut, life[cut], strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		}
	}
	if len(all) < 5 {
		t.Errorf("too little was decided to prove anything: %q", all)
	}
}
