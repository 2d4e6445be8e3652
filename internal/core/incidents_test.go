package core

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

var stack = []string{"postgres", "redis", "minio", "django:minio,postgres,redis"}

// What opens an incident, which one, and what does not.
func TestIncidents(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		play func(w *town)
		want string
	}{
		"all is well":           {func(w *town) {}, ""},
		"a short death":         {func(w *town) { w.dies("redis"); w.pass(4 * time.Second); w.risen("redis") }, ""},
		"a death":               {func(w *town) { w.dies("redis"); w.pass(6 * time.Second); w.risen("redis") }, "opened redis | closed redis"},
		"a hang":                {func(w *town) { w.hangs("redis"); w.pass(2 * time.Minute); w.heals("redis") }, "opened redis | closed redis"},
		"one probe that failed": {func(w *town) { w.hangs("redis"); w.pass(10 * time.Second); w.heals("redis") }, ""},
		"postgres hangs, and django is blocked": {func(w *town) {
			w.hangs("postgres")
			w.pass(2 * time.Minute)
			w.heals("postgres")
		}, "opened postgres | closed postgres"},
		"django is noticed first": {func(w *town) {
			w.hangs("django")
			w.pass(45 * time.Second)
			w.hangs("postgres")
			w.pass(3 * time.Minute)
			w.heals("postgres", "django")
		}, "opened django | closed postgres"},
		"postgres is down for two minutes": {func(w *town) { w.dies("postgres"); w.pass(2 * time.Minute); w.risen("postgres") }, "opened postgres | closed postgres"},
		"all by one blow": {func(w *town) {
			w.dies("postgres", "redis", "minio", "django")
			w.pass(time.Minute)
			w.risen("postgres", "redis", "minio", "django")
		}, "opened minio | closed minio"},
		"two ten minutes apart": {func(w *town) {
			w.dies("redis")
			w.pass(time.Minute)
			w.risen("redis")
			w.pass(9 * time.Minute)
			w.dies("minio")
			w.pass(time.Minute)
			w.risen("minio")
		}, "opened redis | closed redis | opened minio | closed minio"},
		"it stays so": {func(w *town) {
			w.houses["redis.service"].stuck = true
			w.goes("redis.service", "failed", "failed")
			w.pass(30 * time.Hour)
			w.houses["redis.service"].stuck = false
			w.pass(time.Hour)
		}, "opened redis | reminder redis | reminder redis | reminder redis | closed redis"},
		"a person stops it": {func(w *town) {
			w.tell(StopAsked{Name: "redis.service", Job: 1})
			w.goes("redis.service", "deactivating", "stop")
			w.pass(time.Second)
			w.goes("redis.service", "inactive", "dead")
			w.pass(time.Hour)
		}, ""},
		"a person stops what others need": {func(w *town) {
			w.tell(StopAsked{Name: "postgres.service", Job: 1})
			w.goes("postgres.service", "inactive", "dead")
			w.pass(20 * time.Minute)
		}, ""},
		"a person holds it": {func(w *town) {
			w.tell(HeldSeen{map[string]Hold{"redis.service": {At: w.now}}})
			w.dies("redis")
			w.pass(time.Hour)
			w.risen("redis")
			w.pass(time.Minute)
			w.tell(HeldSeen{})
		}, ""},
		"what was held is ill still": {func(w *town) {
			w.tell(HeldSeen{map[string]Hold{"redis.service": {At: w.now}}})
			w.hangs("redis")
			w.pass(time.Hour)
			w.tell(HeldSeen{})
			w.pass(time.Minute)
			if i := w.incident("redis"); w.now.Sub(i.Began) > 2*time.Minute {
				w.t.Errorf("it began %v ago, while a person had it in his hands", w.now.Sub(i.Began))
			}
			w.heals("redis")
		}, "opened redis | closed redis"},
		"keeper stands down": {func(w *town) {
			w.tell(StandDownSeen{paused})
			w.dies("redis")
			w.pass(time.Hour)
			w.risen("redis")
			w.pass(time.Minute)
			w.tell(StandDownSeen{})
		}, ""},
		"an adoption is under way": {func(w *town) {
			w.tell(AdoptionSeen{Adoption: AdoptionUnderway})
			w.dies("redis")
			w.pass(2 * time.Minute)
			w.risen("redis")
			w.pass(time.Minute)
			w.tell(AdoptionSeen{})
		}, ""},
		"the machine goes down": {func(w *town) {
			w.tell(PrepareForShutdown{Active: true})
			w.goes("redis.service", "failed", "failed")
			w.pass(time.Minute)
		}, ""},
		"the user manager starts": {func(w *town) {
			l := w.list().(UnitsSeen)
			l.Starting = true
			l.Units[0].Active, l.Units[0].Sub = "inactive", "dead"
			w.tell(l)
			w.now = w.now.Add(time.Minute)
			w.tell(Wake{})
			w.tell(w.list())
		}, ""},
		"it goes on through a start": {func(w *town) {
			w.dies("redis")
			w.pass(20 * time.Second)
			h := w.houses["redis.service"]
			h.unit.Active, h.unit.Sub = "activating", "start"
			w.tell(UnitSeen{h.unit})
			w.pass(5 * time.Minute)
			if i := w.only(); !i.Wrong() || !i.Open() {
				w.t.Errorf("it is over: %+v", i)
			}
			w.risen("redis")
		}, "opened redis | closed redis"},
		"a start that never ends": {func(w *town) {
			w.goes("redis.service", "activating", "start")
			w.pass(slowPatience + time.Minute)
			w.risen("redis")
		}, "opened redis | closed redis"},
		"it fails every other time": {func(w *town) {
			for n := range 200 {
				w.houses["redis.service"].says = []Condition{ConditionSilent, ConditionNotReady}[n%2]
				w.pass(10 * time.Second)
			}
			w.heals("redis")
		}, "opened redis | closed redis"},
		"it is about to fail again": {func(w *town) { // when the hold would be over
			w.dies("redis")
			w.pass(20 * time.Second)
			w.risen("redis")
			w.pass(50 * time.Second)
			w.hangs("redis")
			w.pass(2 * time.Minute)
			w.heals("redis")
		}, "opened redis | closed redis"},
		"linger is off": {func(w *town) {
			w.linger = false
			w.tell(LingerHint{})
			w.pass(2 * time.Minute)
			w.linger = true
			w.tell(LingerHint{})
		}, "opened linger | closed linger"},
		"many files are lost at once": {func(w *town) {
			l := w.list().(UnitsSeen)
			for n := range 50 {
				l.Lost = append(l.Lost, LostFile{Source: fmt.Sprintf("/home/a/%02d.container", n)})
			}
			w.tell(l)
			w.now = w.now.Add(time.Minute)
			w.tell(Wake{})
			w.now = w.now.Add(time.Minute)
			w.tell(Wake{})
			w.tell(w.list())
		}, "opened lost /home/a/00.container | closed lost /home/a/00.container"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := begin(t, stack...)
			tt.play(w)
			w.pass(5 * time.Minute)
			w.want(tt.want)
		})
	}
}

// Whoever is hit is in the incident, with what it comes from and how long it was away.
func TestIncidentOfACause(t *testing.T) {
	t.Parallel()
	w := begin(t, stack...)
	w.hangs("postgres")
	w.pass(2 * time.Minute)
	w.heals("postgres")
	w.pass(5 * time.Minute)
	i := w.only()
	if i.Root != "postgres.service" || len(i.Services) != 2 || i.Omitted != 0 || !strings.Contains(i.Cause, "postgres is ill: silent") {
		t.Errorf("it is about %s: %+v", i.Root, i)
	}
	for _, s := range i.Symptoms {
		if want := map[string]string{"django.service": "postgres.service"}[s.Key]; s.Cause != want {
			t.Errorf("%s comes from %q, want %q", s.Key, s.Cause, want)
		}
	}
	// The first probe that failed, and the first that did not.
	if at := noon.Add(5*time.Minute + 10*time.Second); !i.Began.Equal(at) || i.Outage(w.now) != 2*time.Minute {
		t.Errorf("began %v, outage %v", i.Began, i.Outage(w.now))
	}
	if w.looks > 2 {
		t.Errorf("the journal was read %d times", w.looks)
	}
}

// blow ends the user manager, and begins a new life; each service is back so long after
// the end.
func (w *town) blow(machine, announced bool, kind LifeKind, gap time.Duration, back map[string]time.Duration) {
	at, left := w.now, w.mono()
	if announced {
		w.tell(ManagerEnds{Cause: "logind was told to stop the user", Machine: machine})
		w.goes("redis.service", "deactivating", "stop")
	}
	kept := w.s.Incidents
	b := Began{Kind: kind, At: at, Cause: "logind was told to stop the user", Clean: announced, Incidents: kept}
	for _, name := range w.names {
		b.Down = append(b.Down, Down{Name: name, Left: left})
		h := w.houses[name]
		h.life++
		h.unit.Active, h.unit.Sub, h.unit.Result, h.unit.Invocation, h.unit.Entered = "activating", "start", "success", fmt.Sprint(h.life), 0
	}
	w.now = w.now.Add(gap)
	w.start(b)
	var names []string
	for name := range back {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return int(back[a] - back[b]) })
	for _, name := range names {
		w.pass(at.Add(back[name]).Sub(w.now))
		h := w.houses[name+".service"]
		h.unit.Active, h.unit.Sub, h.unit.Entered = "active", "running", left+back[name]
		w.tell(UnitSeen{h.unit})
	}
}

var backs = map[string]time.Duration{"postgres": 12 * time.Second, "redis": 11 * time.Second, "minio": 13 * time.Second, "django": 21 * time.Second}

func TestFoundingIncident(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		machine, announced bool
		kind               LifeKind
		root               string
	}{
		"terminate-user":   {false, true, LifeRevived, "session"},
		"SIGKILL":          {false, false, LifeRevived, "session"},
		"a clean reboot":   {true, true, LifeBooted, "machine"},
		"a power cut":      {false, false, LifeBooted, "machine"},
		"session, machine": {false, true, LifeBooted, "session"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := begin(t, stack...)
			at := w.now
			w.blow(tt.machine, tt.announced, tt.kind, 10*time.Second, backs)
			if n := len(w.alerts); n != 1 || tt.announced && !w.alerts[0].At.Equal(at) {
				t.Errorf("told too late: %s", w.heard())
			}
			w.pass(5 * time.Minute)
			w.want("opened " + tt.root + " | closed " + tt.root)
			i := w.only()
			if string(i.Kind) != tt.root || !i.Began.Equal(at) || i.Outage(w.now) != 21*time.Second || len(i.Services) != 4 || len(i.Symptoms) != 4 {
				t.Errorf("%s, began +%v, outage %v: %+v", i.Kind, i.Began.Sub(at), i.Outage(w.now), i)
			}
			for _, s := range i.Services {
				if s.Outage != backs[short(s.Name)] || s.Times != 1 || !s.Stretches[0].From.Equal(at) || s.Stretches[0].Pulse != PulseDown {
					t.Errorf("%+v, want %v", s, backs[short(s.Name)])
				}
			}
			if urgent := i.Urgency == UrgencyCritical; urgent == (tt.root == "machine" && tt.announced) {
				t.Errorf("it is %s", i.Urgency)
			}
		})
	}
}

func TestLives(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		play func(w *town)
		want string
	}{
		"a second death before the first is mended": {func(w *town) {
			w.blow(false, true, LifeRevived, 10*time.Second, map[string]time.Duration{"redis": 11 * time.Second})
			w.pass(5 * time.Second)
			w.blow(false, true, LifeRevived, 10*time.Second, backs)
		}, "opened session | closed session"},
		"a second death while it is held open": {func(w *town) {
			w.blow(false, true, LifeRevived, 10*time.Second, backs)
			w.pass(30 * time.Second)
			w.blow(false, false, LifeRevived, 10*time.Second, backs)
		}, "opened session | closed session"},
		"a second death later": {func(w *town) {
			w.blow(false, true, LifeRevived, 10*time.Second, backs)
			w.pass(5 * time.Minute)
			w.blow(false, true, LifeRevived, 10*time.Second, backs)
		}, "opened session | closed session | opened session | closed session"},
		"one does not come back": {func(w *town) {
			w.houses["redis.service"].stuck = true
			w.blow(false, true, LifeRevived, 10*time.Second, map[string]time.Duration{"postgres": 12 * time.Second, "minio": 13 * time.Second, "django": 14 * time.Second})
			w.goes("redis.service", "failed", "failed")
			w.pass(2 * time.Hour)
			// Another death is another incident.
			w.dies("minio")
			w.pass(20 * time.Second)
			w.risen("minio")
			w.pass(2 * time.Minute)
			w.houses["redis.service"].stuck = false
			w.pass(2 * time.Hour)
		}, "opened session | opened minio | closed minio | closed session"},
		"one dies again just after": {func(w *town) {
			w.blow(false, true, LifeRevived, 10*time.Second, backs)
			w.pass(20 * time.Second)
			w.dies("redis")
			w.pass(20 * time.Second)
			w.risen("redis")
		}, "opened session | closed session"},
		"root's armor catches it": {func(w *town) {
			w.tell(SessionRemoved{ID: "3"})
			w.tell(UserRemoved{UID: 1000})
			w.pass(time.Minute)
		}, ""},
		"keeper is paused": {func(w *town) {
			w.tell(StandDownSeen{paused})
			w.tell(ManagerEnds{Cause: "logind was told to stop the user"})
			w.now = w.now.Add(time.Minute)
			w.s, w.mine = State{}, map[string]bool{}
			w.tell(Began{Kind: LifeRevived, At: w.now, Cause: "x", Down: []Down{{Name: "redis.service", Left: time.Second}}})
			w.tell(StandDownSeen{paused})
			w.tell(SettingsSeen{Settings: Settings{Adopt: AdoptOff}})
			w.tell(LogindUp{})
			w.tell(w.list())
			w.pass(time.Minute)
			w.tell(StandDownSeen{})
		}, ""},
		"the daemon that was to tell died first": {func(w *town) {
			w.start(Began{Kind: LifeSame, Was: LifeRevived, At: w.now, Cause: "SIGKILL", Down: []Down{{Name: "redis.service"}}})
		}, "opened session | closed session"},
		"its own restart while something is wrong": {func(w *town) {
			w.houses["redis.service"].stuck = true
			w.goes("redis.service", "failed", "failed")
			w.hangs("minio")
			w.pass(time.Minute)
			if i := w.s.Incidents.Open; len(i) == 0 {
				w.t.Errorf("nothing is open")
			}
			for range 5 {
				w.again()
				for _, i := range w.s.Incidents.Open {
					if !i.Wrong() {
						w.t.Errorf("it is mended, as the new daemon has not looked yet: %+v", i)
					}
				}
				w.pass(90 * time.Second)
			}
			w.houses["redis.service"].stuck = false
			w.heals("minio")
			w.pass(time.Hour)
		}, "opened redis | opened minio | closed redis | closed minio"},
		"its own restart before anybody was told": {func(w *town) {
			w.dies("redis")
			w.pass(7 * time.Second)
			w.again()
			w.pass(time.Minute)
			w.risen("redis")
		}, "opened redis | closed redis"},
		"its own restart while linger is off": {func(w *town) {
			w.linger = false
			w.tell(LingerHint{})
			w.pass(time.Minute)
			kept := w.s.Incidents
			w.s, w.mine = State{}, map[string]bool{}
			for _, h := range w.houses {
				h.tell = 3
			}
			w.tell(Began{Kind: LifeSame, Incidents: kept})
			w.tell(StandDownSeen{})
			w.tell(w.list())
			w.pass(time.Hour) // logind does not answer
			if i := w.only(); !i.Wrong() {
				w.t.Errorf("nobody knows yet: %+v", i)
			}
			w.linger = true
			w.tell(LogindUp{})
		}, "opened linger | closed linger"},
		"the clock is set back": {func(w *town) {
			w.dies("redis")
			w.pass(30 * time.Second)
			w.now = w.now.Add(-5 * time.Hour)
			w.again()
			w.pass(30 * time.Second)
			w.risen("redis")
			w.pass(30 * time.Second)
			w.jump(-3 * time.Hour)
			w.pass(3 * time.Minute)
		}, "opened redis | closed redis"},
		"the clock is set back before anybody was told": {func(w *town) {
			w.dies("redis")
			w.pass(7 * time.Second)
			w.jump(-5 * time.Hour)
			w.pass(time.Minute)
			w.risen("redis")
		}, "opened redis | closed redis"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := begin(t, stack...)
			tt.play(w)
			w.pass(5 * time.Minute)
			w.want(tt.want)
		})
	}
}

// The clock is set back, and something begins in the same second again.
func TestIncidentIDsAreNotUsedTwice(t *testing.T) {
	t.Parallel()
	w := begin(t, stack...)
	at := w.now
	for range 40 {
		w.now = at
		w.again()
		w.dies("redis")
		w.pass(20 * time.Second)
		w.risen("redis")
		w.pass(25 * time.Hour)
	}
	if len(w.opened) < 30 || len(w.opened) != len(w.closed) {
		t.Errorf("%d were opened, %d closed", len(w.opened), len(w.closed))
	}
}

// An alert may not have left with the daemon before: it is handed over again, as long as
// anybody wants to know.
func TestAlertsAreHandedOverAgain(t *testing.T) {
	t.Parallel()
	w := begin(t, stack...)
	w.dies("redis")
	w.pass(30 * time.Second)
	w.risen("redis")
	w.pass(5 * time.Minute)
	w.dies("minio")
	w.pass(30 * time.Second)
	w.again()
	for _, a := range w.alerts {
		if !w.mine[a.Key] {
			t.Errorf("%s was not handed over again", a.Key)
		}
	}
	if len(w.mine) != 3 {
		t.Errorf("these were: %v", w.mine)
	}
	w.pass(25 * time.Hour)
	w.again()
	if !w.mine[w.alerts[len(w.alerts)-1].Key] || w.mine[w.alerts[0].Key] {
		t.Errorf("these were, a day later: %v of %v", w.mine, w.heard())
	}
}

// Drills are no reason to be told later when it is none.
func TestDrillsAreNotCounted(t *testing.T) {
	t.Parallel()
	w := begin(t, stack...)
	for range 4 {
		w.tell(DrillAsked{Drill{ID: "d", Name: "kill", Began: w.now, Until: w.now.Add(time.Minute)}})
		w.dies("redis")
		w.pass(20 * time.Second)
		w.risen("redis")
		w.pass(5 * time.Minute)
	}
	w.want("opened redis | closed redis | opened redis | closed redis | opened redis | closed redis | opened redis | closed redis")
}

func TestDrills(t *testing.T) {
	t.Parallel()
	drill := func(w *town, name string) Drill {
		return Drill{ID: "d1", Name: name, Began: w.now, Until: w.now.Add(10 * time.Minute)}
	}
	for name, tt := range map[string]struct {
		play    func(w *town)
		outcome DrillOutcome
		drill   string
	}{
		"its owner ends it": {func(w *town) {
			d := drill(w, "kill")
			w.tell(DrillAsked{d})
			w.dies("redis")
			w.pass(20 * time.Second)
			w.risen("redis")
			w.pass(30 * time.Second)
			if !w.s.drillOn() {
				w.t.Error("it was ended before its owner did")
			}
			d.Ended, d.Outcome = w.now, DrillBack
			w.tell(DrillAsked{d})
		}, DrillBack, "kill"},
		"it is over before it counts": {func(w *town) {
			d := drill(w, "kill")
			w.tell(DrillAsked{d})
			w.dies("redis")
			w.pass(3 * time.Second)
			d.Ended, d.Outcome = w.now, DrillFailed
			w.tell(DrillAsked{d})
			w.pass(5 * time.Second)
			w.risen("redis")
		}, DrillFailed, "kill"},
		"terminate-user": {func(w *town) {
			w.tell(DrillAsked{drill(w, "terminate-user")})
			w.pass(time.Second)
			w.blow(false, true, LifeRevived, 10*time.Second, backs)
		}, DrillBack, "terminate-user"},
		"SIGKILL": {func(w *town) {
			w.tell(DrillAsked{drill(w, "kill-manager")})
			w.pass(time.Second)
			w.blow(false, false, LifeRevived, 10*time.Second, backs)
		}, DrillBack, "kill-manager"},
		"its owner died, and all was well": {func(w *town) { w.tell(DrillAsked{drill(w, "kill")}) }, DrillUnknown, ""},
		"its owner died, and all is back": {func(w *town) {
			w.tell(DrillAsked{drill(w, "kill")})
			w.dies("redis")
			w.pass(20 * time.Second)
			w.risen("redis")
		}, DrillBack, "kill"},
		"its owner died, and it is away still": {func(w *town) {
			w.tell(DrillAsked{drill(w, "kill")})
			w.houses["redis.service"].stuck = true
			w.goes("redis.service", "failed", "failed")
		}, DrillFailed, "kill"},
		"it says no end": {func(w *town) {
			w.tell(DrillAsked{Drill{ID: "d1", Name: "kill", Began: w.now}})
			w.pass(25 * time.Hour)
		}, DrillUnknown, ""},
		"another is begun": {func(w *town) {
			w.tell(DrillAsked{drill(w, "kill")})
			d := drill(w, "hang")
			d.ID = "d2"
			w.tell(DrillAsked{d})
			d.ID, d.Ended, d.Outcome = "d1", w.now, DrillBack
			w.tell(DrillAsked{d}) // that one is over
		}, DrillUnknown, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := begin(t, stack...)
			tt.play(w)
			w.pass(15 * time.Minute)
			d := w.s.Incidents.Drill
			if d == nil || d.Ended.IsZero() || d.Outcome != tt.outcome {
				t.Errorf("the drill is %+v", d)
			}
			for _, a := range w.alerts {
				if a.Drill != tt.drill || !strings.HasPrefix(a.Title, "drill: ") {
					t.Errorf("not told as a drill: %+v", a)
				}
			}
			if (len(w.alerts) > 0) != (tt.drill != "") {
				t.Errorf("there were %d alerts", len(w.alerts))
			}
		})
	}
}

// An incident stays of a bearable size, whatever happens, and so does all that is
// remembered.
func TestIncidentBounds(t *testing.T) {
	t.Parallel()
	var names []string
	for n := range 400 {
		names = append(names, fmt.Sprintf("a-service-with-a-name-%03d", n))
	}
	w := begin(t, names...)
	most := 0
	for n := range 12 {
		w.dies(names...)
		w.pass(20 * time.Second)
		w.risen(names...)
		w.pass(time.Duration(20+10*n) * time.Second)
		for _, i := range w.s.Incidents.Open {
			data, err := json.Marshal(i)
			if err != nil {
				t.Fatal(err)
			}
			most = max(most, len(data))
			for _, s := range i.Services {
				if s.Times == 0 {
					t.Errorf("%s was not hit", s.Name)
				}
			}
		}
	}
	w.pass(time.Hour)
	if len(w.alerts) > 8 {
		t.Errorf("%d alerts:\n%s", len(w.alerts), w.heard())
	}
	t.Logf("an incident of 400 services had %d bytes at most", most)
	if most > 220_000 || most < 50_000 {
		t.Errorf("an incident of 400 services has %d bytes", most)
	}
	if i := w.incident("a-service-with-a-name-000"); len(i.Services) != 400 {
		t.Errorf("it hit %d services", len(i.Services))
	}
}

// So many are open that there is no room: what else is wrong is added to one of them,
// once, and nothing is lost. One that is mended for long makes room.
func TestTooManyIncidents(t *testing.T) {
	t.Parallel()
	var names []string
	for n := range 30 {
		names = append(names, fmt.Sprintf("s%02d", n))
	}
	w := begin(t, names...)
	for _, name := range names {
		w.dies(name)
		w.pass(time.Minute)
	}
	symptoms := 0
	for _, i := range w.s.Incidents.Open {
		symptoms += len(i.Symptoms)
		if i.Omitted > 0 {
			t.Errorf("something was left out: %+v", i)
		}
	}
	if len(w.s.Incidents.Open) != mostIncidents || symptoms != 30 || len(w.opened) != mostIncidents {
		t.Errorf("%d are open with %d symptoms, %d were told of", len(w.s.Incidents.Open), symptoms, len(w.opened))
	}
	w.risen(names...)
	w.pass(5 * time.Minute)
	if len(w.closed) != mostIncidents || len(w.s.Incidents.Open) > 0 {
		t.Errorf("%d were closed", len(w.closed))
	}
	// Held open for a day, all of them.
	for n := range mostIncidents {
		root := fmt.Sprintf("s%02d.service", n)
		w.s.Incidents.Recent[root] = Recent{Returns: 4, Last: w.now}
		w.dies(names[n])
		w.pass(time.Minute)
		w.risen(names[n])
	}
	w.pass(2 * time.Hour)
	was := len(w.alerts)
	w.dies("s29")
	w.pass(time.Minute)
	if len(w.alerts) != was+2 || w.alerts[was].Kind != AlertClosed || w.alerts[was+1].Root != "s29.service" {
		t.Errorf("nobody was told of s29:\n%s", w.heard())
	}
}
