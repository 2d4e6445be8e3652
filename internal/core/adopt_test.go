package core

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// hand is a container that was started by hand at noon.
func hand(name, id string) Unkept { return Unkept{Name: name, ID: id, Since: noon} }

func sees(list ...Unkept) ContainersSeen { return ContainersSeen{Unkept: list} }

// adopting is a daemon with nothing but settings and a user manager.
func adopting(mode Adopt) []step {
	return []step{
		{e: StandDownSeen{}},
		{e: Began{Kind: LifeSame}},
		{e: SettingsSeen{Settings: Settings{Adopt: mode}}, want: looksAt(mode)},
		{e: UnitsSeen{Armed: true}},
	}
}

func looksAt(mode Adopt) string {
	if mode == AdoptOff {
		return ""
	}
	return "look-containers"
}

const (
	dbRuns   = "note:db runs without a unit"
	writesDB = "write-units"
)

func TestPropose(t *testing.T) {
	throwaway := hand("once", "2")
	throwaway.Throwaway = true
	tell(t, map[string]tale{
		"noted once, when it is there to stay": {steps: append(adopting(AdoptPropose),
			step{e: sees(hand("db", "1"))},
			step{after: time.Second, e: Wake{}, want: "look-containers"},
			step{e: sees(hand("db", "1"))},
			step{after: 2 * time.Second, e: Wake{}, want: dbRuns + " | look-containers", reason: ""},
			step{e: sees(hand("db", "1"))},
			step{after: LookEvery, e: Wake{}, want: "look-units | look-adoption | look-manager | look-containers"},
			step{e: sees()},
			step{e: ContainerHint{}},
			step{after: time.Second, e: Wake{}, want: "look-helpers | look-containers"},
			step{e: sees(hand("db", "1"))},
		)},
		"another of the same name": {steps: append(adopting(AdoptPropose),
			step{after: time.Minute, e: sees(hand("db", "1")), want: dbRuns},
			step{after: time.Minute, e: sees(hand("db", "3")), want: dbRuns},
		)},
		"many at once": {steps: append(adopting(AdoptPropose),
			step{after: time.Minute, e: sees(hand("a", "1"), hand("b", "2"), hand("c", "3"), hand("d", "4"), hand("e", "5"), hand("f", "6")),
				want: "note:a, b, c, d, e and 1 more run without a unit", reason: "keeper adopt --all"},
		)},
		"one after the other": {steps: append(adopting(AdoptPropose),
			step{after: 4 * time.Second, e: sees(hand("a", "1"), Unkept{Name: "b", ID: "2", Since: noon.Add(2 * time.Second)})},
			step{after: 2 * time.Second, e: Wake{}, want: "note:a, b run without a unit | look-containers"},
		)},
		"one that starts again and again holds nobody up": {steps: append(adopting(AdoptPropose),
			step{after: 4 * time.Second, e: sees(hand("a", "1"), Unkept{Name: "b", ID: "2", Since: noon.Add(3 * time.Second)})},
			step{after: proposeGather - 4*time.Second, e: sees(hand("a", "1"), Unkept{Name: "b", ID: "2", Since: noon.Add(9 * time.Second)}), want: "note:a runs without a unit | look-containers"},
		)},
		"what is thrown away is nobody's matter": {steps: append(adopting(AdoptPropose), step{after: time.Minute, e: sees(throwaway)})},
		"not while keeper stands down": {steps: append(adopting(AdoptPropose),
			step{e: StandDownSeen{paused}, want: "note:stand down"},
			step{after: time.Minute, e: sees(hand("db", "1"))},
			step{e: ContainerHint{}},
			step{after: time.Second, e: Wake{}, want: "look-manager | look-containers"},
			step{e: sees(hand("db", "1"))},
			step{e: StandDownSeen{}, want: "note:stand up | " + dbRuns},
		)},
		"nothing is looked at while the machine goes down": {steps: append(adopting(AdoptPropose),
			step{e: sees()},
			step{e: PrepareForShutdown{Active: true}, want: "note:leave everything as it is | release-delay"},
			step{e: ContainerHint{}},
			step{after: time.Second, e: Wake{}},
			step{e: PrepareForShutdown{}, want: "note:look again | take-delay"},
			step{after: time.Second, e: Wake{}, want: "look-containers"},
		)},
		"off": {steps: append(adopting(AdoptOff),
			step{e: ContainerHint{}},
			step{after: time.Minute, e: Wake{}, want: "look-manager"},
			step{e: ManagerSeen{}},
			step{e: sees(hand("db", "1"))}, // asked for before
		)},
		"a look that fails": {steps: append(adopting(AdoptPropose),
			step{after: time.Minute, e: ContainersSeen{Err: "no /proc"}, want: "note:go without a look at the containers", reason: "no /proc"},
			step{e: ContainersSeen{Err: "no /proc"}},
			step{e: sees()},
			step{e: ContainersSeen{Err: "no /proc"}, want: "note:go without a look at the containers"},
		)},
	})
}

// Hints in any number make one look, and a hint that comes while one is under
// way makes another.
func TestLooksAtContainers(t *testing.T) {
	t.Parallel()
	y := newStory(t)
	y.play(adopting(AdoptPropose)...)
	y.play(step{e: sees()}, step{e: ContainerHint{}}, step{e: ContainerHint{}})
	if wait := y.s.Next.Sub(y.now); wait != containerWait {
		t.Fatalf("the look comes after %v", wait)
	}
	y.play(step{after: containerWait, e: Wake{}, want: "look-containers"},
		step{e: ContainerHint{}},
		step{after: containerWait, e: Wake{}}, // one at a time
		step{e: sees()},
		step{after: containerWait, e: Wake{}, want: "look-containers"}, step{e: sees()})
	looks := 0
	for end := y.now.Add(time.Minute); y.now.Before(end); {
		y.now = y.now.Add(y.s.Next.Sub(y.now))
		for _, e := range []Event{Wake{}, sees()} {
			var actions []Action
			y.s, actions = Decide(y.s, e, y.now)
			if slices.ContainsFunc(actions, func(a Action) bool { return a.Kind == LookContainers }) {
				looks++
			}
		}
	}
	if looks < 2 || looks > 4 {
		t.Errorf("%d looks within the minute after a hint, want some until all is quiet, and none after", looks)
	}
}

func TestUnkeptSince(t *testing.T) {
	t.Parallel()
	y := newStory(t)
	y.play(adopting(AdoptPropose)...)
	y.play(step{after: time.Minute, e: sees(hand("db", "1")), want: dbRuns})
	later := hand("db", "1")
	later.Since = noon.Add(10 * time.Millisecond)
	y.play(step{e: sees(later)})
	if got := y.s.UnkeptNow()[0].Since; got != noon {
		t.Errorf("what jitters was taken for news: %v", got)
	}
	later.Since = noon.Add(30 * time.Second)
	y.play(step{e: sees(later)})
	if got := y.s.UnkeptNow()[0].Since; got != later.Since {
		t.Errorf("a restart was missed: %v", got)
	}
}

func TestWritesUnits(t *testing.T) {
	throwaway := hand("once", "2")
	throwaway.Throwaway = true
	written := UnitsWritten{Written: []Written{{Container: "db", Unit: "db.service", File: "/q/db.container"}}}
	tell(t, map[string]tale{
		"once it is there to stay": {steps: append(adopting(AdoptAuto),
			step{e: sees(hand("db", "1"), throwaway)},
			step{after: time.Second, e: Wake{}, want: "look-containers"},
			step{after: 3 * time.Second, e: sees(hand("db", "1"), throwaway)},
			step{after: 26 * time.Second, e: Wake{}, want: "look-manager | " + writesDB, reason: "adopt ="},
			step{e: sees(hand("db", "1"), hand("web", "3"))},
			step{e: written, want: writesDB}, // and now web
			step{e: UnitsWritten{Refused: []Refusal{{Container: "web", Reason: "it is written to"}}}, want: "note:leave web without a unit", reason: "written to"},
			step{e: Wake{}},
			step{after: time.Second, e: Wake{}, want: "look-containers"},
			step{e: sees(hand("db", "1"), hand("web", "3"))},
			step{after: time.Second, e: sees(hand("db", "1"), hand("web", "4")), want: writesDB},
		)},
		"later and later where that fails": {steps: append(adopting(AdoptAuto),
			step{after: writeSettle, e: sees(hand("db", "1")), want: writesDB},
			step{e: UnitsWritten{Err: "no such program"}, want: "note:try to write units again later", reason: "no such program"},
			step{e: sees(hand("db", "1"))},
			step{after: time.Minute, e: Wake{}, want: "look-manager | " + writesDB},
			step{e: UnitsWritten{Err: "no such program"}},
			step{after: time.Minute, e: sees(hand("db", "1"))},
			step{after: time.Minute, e: sees(hand("db", "1")), want: writesDB},
			step{e: written},
		)},
		"not while keeper stands down": {steps: append(adopting(AdoptAuto),
			step{e: StandDownSeen{paused}, want: "note:stand down"},
			step{after: time.Minute, e: sees(hand("db", "1"))},
			step{e: StandDownSeen{}, want: "note:stand up | " + writesDB},
		)},
		"not beside an adoption": {steps: append(adopting(AdoptAuto),
			step{e: AdoptionSeen{Adoption: AdoptionUnderway}, want: "note:start nothing for now"},
			step{after: time.Minute, e: sees(hand("db", "1"))},
			step{e: AdoptionSeen{}, want: writesDB},
		)},
		"not while the user manager starts up": {steps: append(adopting(AdoptAuto),
			step{e: UnitsSeen{Armed: true, Starting: true}},
			step{after: time.Minute, e: sees(hand("db", "1"))},
			step{e: UnitsSeen{Armed: true}, want: writesDB},
		)},
		"not where there is a unit": {steps: append(adopting(AdoptAuto),
			step{e: UnitsSeen{Armed: true, Units: []Unit{{Name: "db.service", Kind: "container", Active: "inactive", Container: "db"}}}},
			step{after: time.Minute, e: sees(hand("db", "1")), want: "look-drift"},
		)},
		"what says nothing of a container is no success": {steps: append(adopting(AdoptAuto),
			step{after: time.Minute, e: sees(hand("db", "1")), want: writesDB},
			step{e: UnitsWritten{Written: []Written{{Container: "other"}}}, want: "note:leave db without a unit", reason: "did not say why"},
		)},
	})
}

// Somebody may be at it, and would find it replaced.
func TestTerminalsAreProposed(t *testing.T) {
	shell := hand("shell", "1")
	shell.Terminal = true
	tell(t, map[string]tale{"proposed once": {steps: append(adopting(AdoptAuto),
		step{after: time.Minute, e: sees(shell), want: "note:shell runs without a unit"},
		step{e: sees(shell)},
		step{e: sees(shell, hand("db", "2")), want: writesDB},
	)}})
}

// The timer is set for the moment at which a container is old enough.
func TestWritesInTime(t *testing.T) {
	t.Parallel()
	y := newStory(t)
	y.play(adopting(AdoptAuto)...)
	y.play(step{e: sees(hand("db", "1"))}, step{after: 5 * time.Second, e: Wake{}, want: "look-containers"}, step{e: sees(hand("db", "1"))})
	y.doze(noon.Add(writeSettle))
}

// A hundred at once would not be done within the time there is.
func TestWritesSomeAtATime(t *testing.T) {
	t.Parallel()
	y := newStory(t)
	y.play(adopting(AdoptAuto)...)
	var list []Unkept
	for i := range 25 {
		list = append(list, hand(fmt.Sprintf("c%02d", i), fmt.Sprint(i)))
	}
	y.now = y.now.Add(time.Minute)
	var e Event = sees(list...)
	asked := map[string]int{}
	for range 3 {
		var actions []Action
		y.s, actions = Decide(y.s, e, y.now)
		if len(actions) != 1 || actions[0].Kind != WriteUnits || len(actions[0].Units) > writeMost {
			t.Fatalf("got %+v", actions)
		}
		var done UnitsWritten
		for _, name := range actions[0].Units {
			asked[name]++
			done.Written = append(done.Written, Written{name, name + ".service", "/q/" + name})
		}
		e = done
	}
	y.play(step{e: e})
	for name, n := range asked {
		if n != 1 {
			t.Errorf("%s was asked for %d times", name, n)
		}
	}
	if len(asked) != len(list) {
		t.Errorf("%d were asked for", len(asked))
	}
}

// What was written and is not there is told, and not written over and over.
func TestWrittenUnitIsGone(t *testing.T) {
	t.Parallel()
	down := UnitsSeen{Armed: true, Units: []Unit{{Name: "db.service", Kind: "container", Active: "inactive", Container: "db"}}}
	begin := append(adopting(AdoptAuto), step{after: time.Minute, e: sees(hand("db", "1")), want: writesDB},
		step{e: UnitsWritten{Written: []Written{{"db", "db.service", "/q/db.container"}}}},
		step{e: UnitsSeen{Armed: true}}, // a look that began before
		step{after: time.Second, e: Wake{}, want: "look-manager | look-containers"}, step{e: sees(hand("db", "1"))})
	then := func(steps ...step) State {
		y := newStory(t)
		y.play(append(append([]step{}, begin...), steps...)...)
		return y.s
	}
	gone := step{after: writtenSure, e: UnitsSeen{Armed: true}, want: "note:leave db without a unit", reason: "somebody removed /q/db.container"}
	for name, tt := range map[string]struct {
		s    State
		want string
	}{
		"at first":          {then(), ""},
		"while it is there": {then(step{after: writtenSure, e: down, want: "look-drift"}), ""},
		"never taken":       {then(gone), "systemd does not have it"},
		"removed":           {then(step{e: down}, gone, step{after: time.Minute, e: UnitsSeen{Armed: true}}), "systemd does not have it"},
		"while it starts":   {then(step{after: writtenSure, e: UnitsSeen{Armed: true, Starting: true}}), ""},
	} {
		u := tt.s.UnkeptNow()[0]
		if (u.Refused != "") != (tt.want != "") || !strings.Contains(u.Refused, tt.want) || (u.Unit == "") != (tt.want != "") {
			t.Errorf("%s: got %+v", name, u)
		}
	}
}

// What could not be written is no trouble any more once nothing is to be.
func TestAdoptErrEnds(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]Event{
		"the container ended":  sees(),
		"it is another's task": SettingsSeen{Settings: Settings{Adopt: AdoptPropose}},
		"off":                  SettingsSeen{Settings: Settings{Adopt: AdoptOff}},
		"a unit came":          UnitsSeen{Armed: true, Units: []Unit{{Name: "db.service", Kind: "container", Active: "active", Container: "db"}}},
	} {
		y := newStory(t)
		y.play(adopting(AdoptAuto)...)
		y.play(step{after: time.Minute, e: sees(hand("db", "1")), want: writesDB},
			step{e: UnitsWritten{Err: "no such program"}, want: "note:try to write units again later"},
			step{e: sees(hand("db", "1"))})
		if y.s.AdoptErr == "" {
			t.Fatal("no error")
		}
		if y.s, _ = Decide(y.s, e, y.now); y.s.AdoptErr != "" {
			t.Errorf("%s, and yet: %s", name, y.s.AdoptErr)
		}
	}
}

// Whoever changes the settings may have mended what stood in the way.
func TestSettingsForgetRefusals(t *testing.T) {
	t.Parallel()
	y := newStory(t)
	y.play(adopting(AdoptAuto)...)
	y.play(step{after: time.Minute, e: sees(hand("db", "1")), want: writesDB},
		step{e: UnitsWritten{Refused: []Refusal{{"db", "the disk is full", ""}}}, want: "note:leave db without a unit"},
		step{e: SettingsSeen{Settings: Settings{Adopt: AdoptPropose}}, want: "note:take the new settings | " + dbRuns + " | look-containers"},
		step{e: SettingsSeen{Settings: Settings{Adopt: AdoptAuto}}, want: "note:take the new settings | " + writesDB})
}

func TestUnkeptNow(t *testing.T) {
	t.Parallel()
	y := newStory(t)
	y.play(adopting(AdoptAuto)...)
	y.play(step{after: time.Minute, e: sees(hand("db", "1"), hand("web", "2"), hand("x", "3")), want: writesDB},
		step{e: UnitsWritten{Written: []Written{{"db", "db.service", "/q/db.container"}}, Refused: []Refusal{{"web", "no", "podman commit"}}}, want: "note:leave web without a unit | note:leave x without a unit"})
	list := y.s.UnkeptNow()
	if len(list) != 3 || list[0].Unit != "db.service" || list[0].File != "/q/db.container" || list[1].Refused != "no" || list[1].Try != "podman commit" {
		t.Errorf("got %+v", list)
	}
	unit := Unit{Name: "db.service", Kind: "container", Active: "inactive", Container: "db", Source: "/q/own.container"}
	y.play(step{e: UnitSeen{unit}})
	if got := y.s.UnkeptNow()[0]; got.File != "/q/own.container" {
		t.Errorf("the unit that there is was not found: %+v", got)
	}
	// Where the cgroups cannot tell, the unit does.
	unit.Active = "active"
	y.play(step{e: UnitSeen{unit}})
	if got := y.s.UnkeptNow(); len(got) != 2 {
		t.Errorf("the unit runs, and yet: %+v", got)
	}
	y.play(step{e: SettingsSeen{Settings: Settings{Adopt: AdoptOff}}, want: "note:take the new settings"})
	if got := y.s.UnkeptNow(); len(got) != 0 {
		t.Errorf("off, and yet: %+v", got)
	}
}

// Two units may have one name for their containers. The answer is the same each
// time, and neither is started.
func TestUnitsOfOneContainer(t *testing.T) {
	t.Parallel()
	unit := func(name, active string) Unit {
		return Unit{Name: name, Kind: "container", Active: active, Container: "db"}
	}
	for range 50 { // maps have no order
		s := State{Unkept: []Unkept{hand("db", "1")}, Units: map[string]Unit{}}
		for _, u := range []Unit{unit("b.service", "inactive"), unit("a.service", "failed"), unit("c.service", "inactive")} {
			s.Units[u.Name] = u
		}
		if got := s.UnkeptNow(); len(got) != 1 || got[0].Unit != "a.service" {
			t.Fatalf("got %+v", got)
		}
		if got := Outside(s.Units, s.Unkept); len(got) != 3 {
			t.Fatalf("outside are %v", got)
		}
		s.Units["c.service"] = unit("c.service", "active")
		if got := s.UnkeptNow(); len(got) != 0 {
			t.Fatalf("a unit runs, and yet: %+v", got)
		}
		if got := Outside(s.Units, s.Unkept); len(got) != 0 {
			t.Fatalf("a unit runs, and outside are %v", got)
		}
	}
}

// A unit that is down while its container runs without it is not brought back:
// that would replace what runs. Nor is what would pull it in.
func TestOutsideIsNotStarted(t *testing.T) {
	t.Parallel()
	db := Unit{Name: "db.service", Kind: "container", Active: "active", Container: "db", Wanted: true, Invocation: "1"}
	web := Unit{Name: "web.service", Kind: "container", Active: "active", Container: "web", Needs: []string{"db.service"}, Wanted: true, Invocation: "1"}
	failed := func(u Unit) UnitSeen {
		u.Active, u.Sub = "failed", "failed"
		return UnitSeen{u}
	}
	y := newStory(t)
	y.play(adopting(AdoptPropose)...)
	y.play(step{e: UnitsSeen{Armed: true, Units: []Unit{db, web}}}, step{e: sees(hand("db", "1"))},
		step{e: failed(db)}, step{e: failed(web)})
	if owed := y.s.OwedNow(); len(owed) != 1 || !strings.Contains(owed["web.service"], "whose container runs without it") {
		t.Errorf("owed are %v", owed)
	}
	// Once it has ended, its unit is not keeper's to start; what needs it is, and
	// says so.
	y.play(step{e: sees(), want: "start-units", reason: "systemd gave up on it"})
}

// Before anybody has looked, nothing is started that might replace what runs.
func TestLooksBeforeBringingBack(t *testing.T) {
	t.Parallel()
	y := newStory(t)
	y.play(step{e: StandDownSeen{}}, step{e: Began{Kind: LifeBooted, Cause: "a boot"}, want: "note:count the stack back in"},
		step{e: SettingsSeen{Settings: Settings{Adopt: AdoptPropose}}, want: "look-containers"},
		step{e: UnitsSeen{Armed: true, Units: []Unit{{Name: "db.service", Kind: "container", Active: "inactive", Wanted: true, Container: "db"}}}},
		step{e: sees(), want: "start-units"})
}

func TestOnlyFor(t *testing.T) {
	t.Parallel()
	units := map[string]Unit{}
	for _, u := range []Unit{
		{Name: "db.service", Kind: "container", Active: "inactive", Container: "db", Needs: []string{"data.service", "net.service", "pod.service"}},
		{Name: "web.service", Kind: "container", Active: "active", Container: "web", Needs: []string{"net.service"}},
		{Name: "data.service", Kind: "volume", Active: "inactive"},
		{Name: "pod.service", Kind: "pod", Active: "inactive", Needs: []string{"net.service"}},
		{Name: "net.service", Kind: "network", Active: "failed"},
		{Name: "stray.service", Kind: "volume", Active: "inactive"},
		{Name: "up.service", Kind: "volume", Active: "active"},
	} {
		units[u.Name] = u
	}
	outside := Outside(units, []Unkept{hand("db", "1"), hand("web", "2"), hand("other", "3")})
	if fmt.Sprint(outside) != "map[db.service:db]" {
		t.Fatalf("outside are %v", outside)
	}
	for name, want := range map[string]bool{"data.service": true, "pod.service": true, "net.service": false, "stray.service": false, "up.service": false, "db.service": false} {
		if got := OnlyFor(units[name], units, outside); got != want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestSettings(t *testing.T) {
	wrong := SettingsSeen{Settings: Settings{Adopt: AdoptPropose}, Errs: []string{"line 1", "line 2"}}
	tell(t, map[string]tale{
		"wrong at the start": {steps: []step{
			{e: wrong, want: "note:go on with the settings before | look-containers"},
			{e: wrong},
			{e: SettingsSeen{Settings: Settings{Adopt: AdoptOff}}, want: "note:take the new settings", reason: `"off" now, and was "propose"`},
			{e: wrong, want: "note:go on with the settings before", reason: "line 1; line 2"},
		}},
	})
	y := newStory(t)
	y.play(step{e: SettingsSeen{Settings: Settings{Adopt: AdoptOff}}}, step{e: wrong, want: "note:go on with the settings before"})
	if y.s.Settings.Adopt != AdoptOff || len(y.s.SettingsErrs) != 2 {
		t.Errorf("bad settings were taken: %+v", y.s)
	}
	y.play(step{e: SettingsSeen{Settings: Settings{Adopt: AdoptOff}}})
	if len(y.s.SettingsErrs) != 0 {
		t.Error("mended settings are still wrong")
	}
}

func TestAdoption(t *testing.T) {
	down := UnitsSeen{Armed: true, Units: []Unit{{Name: "db.service", Kind: "container", Active: "failed", Sub: "failed", Wanted: true}}}
	up := UnitsSeen{Armed: true, Units: []Unit{{Name: "db.service", Kind: "container", Active: "active"}}}
	interrupted := AdoptionSeen{Adoption: AdoptionInterrupted}
	sure := []step{{e: interrupted}, {after: adoptionSure, e: Wake{}, want: "look-adoption"}}
	begin := append(adopting(AdoptOff), sure...)
	then := func(steps ...step) tale { return tale{steps: append(append([]step{}, begin...), steps...)} }
	tell(t, map[string]tale{
		"one that was interrupted is undone once, before anything is brought back": then(
			step{e: up}, step{e: down},
			step{e: interrupted, want: "undo-adoption"},
			step{e: AdoptionUndone{}, want: "look-adoption | start-units"},
		),
		"what cannot be undone is a person's": then(
			step{e: interrupted, want: "undo-adoption"},
			step{e: AdoptionUndone{Err: "no"}, want: "note:leave the interrupted adoption to a person | look-adoption"},
			step{e: interrupted},
			step{after: adoptionEvery, e: Wake{}, want: "look-adoption"},
			step{e: interrupted},
			step{e: up}, step{e: down, want: "start-units"},
		),
		"one that had just ended":     then(step{e: AdoptionSeen{}}, step{e: interrupted}, step{after: adoptionEvery, e: Wake{}, want: "look-adoption"}, step{e: interrupted}),
		"one that had just begun":     then(step{e: AdoptionSeen{Adoption: AdoptionUnderway}, want: "note:start nothing for now"}, step{e: interrupted}),
		"one that was not there then": {steps: append(adopting(AdoptOff), step{e: AdoptionSeen{}}, step{e: interrupted}, step{after: adoptionEvery, e: Wake{}, want: "look-adoption"}, step{e: interrupted})},
		"hints do not make it sure": {steps: append(adopting(AdoptOff), step{e: interrupted}, step{e: AdoptionHint{}, want: "look-adoption"}, step{e: interrupted},
			step{after: adoptionSure, e: Wake{}, want: "look-adoption"}, step{e: interrupted, want: "undo-adoption"})},
		"nothing is brought back beside one that is under way": {steps: append(adopting(AdoptOff),
			step{e: up},
			step{e: AdoptionHint{}, want: "look-adoption"},
			step{e: AdoptionHint{}},
			step{e: AdoptionSeen{Adoption: AdoptionUnderway}, want: "note:start nothing for now | look-adoption"},
			step{e: AdoptionSeen{Adoption: AdoptionUnderway}},
			step{e: down},
			step{e: AdoptionSeen{}, want: "start-units"},
		)},
		"not undone while keeper stands down": then(
			step{e: StandDownSeen{paused}, want: "note:stand down"},
			step{e: interrupted},
			step{e: StandDownSeen{}, want: "note:stand up | undo-adoption"},
		),
	})
}
