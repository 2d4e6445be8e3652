package core

import (
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"
)

var (
	thisLife = Life{Boot: "boot-2", Started: 500 * time.Second}
	lastOne  = Life{Boot: "boot-2", Started: 20 * time.Second}
	lastBoot = Life{Boot: "boot-1", Started: 20 * time.Second}
)

// kept is what a daemon kept that saw one service of each sort.
func kept(life Life) LastLife {
	return LastLife{
		Life: life, Seen: noon.Add(-time.Minute),
		Units: []Unit{
			{Name: "db.service", Kind: "container", Active: "active", Wanted: true},
			{Name: "web.service", Kind: "container", Active: "activating"},
			{Name: "failed.service", Kind: "container", Active: "failed", Wanted: true},
			{Name: "stopped.service", Kind: "container", Active: "inactive", Wanted: true, Stopped: true},
			// The stop was asked for and not done yet.
			{Name: "stopping.service", Kind: "container", Active: "deactivating", Wanted: true, Stopped: true, Invocation: "7"},
			{Name: "data-volume.service", Kind: "volume", Active: "active", Wanted: true},
		},
	}
}

func downNames(list []Down) string {
	var names []string
	for _, d := range list {
		names = append(names, strings.TrimSuffix(d.Name, ".service"))
	}
	return strings.Join(names, " ")
}

// now is 12:00, 600 s after the boot, 100 s into this life.
func present() Now {
	return Now{Life: thisLife, At: noon, Mono: 600 * time.Second, Stopped: 480 * time.Second}
}

func TestWhatHappenedUnknown(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		last LastLife
		now  func(*Now)
	}{
		"the first daemon of all":        {LastLife{}, nil},
		"a state without a life":         {LastLife{Units: kept(lastOne).Units, Seen: noon, Ended: time.Second}, nil},
		"a life without its begin":       {kept(Life{Boot: "boot-2"}), nil},
		"another boot, without a begin":  {kept(Life{Boot: "boot-1"}), nil},
		"the boot cannot be told":        {kept(lastOne), func(n *Now) { n.Life.Boot = "" }},
		"the life cannot be told":        {kept(lastOne), func(n *Now) { n.Life.Started = 0 }},
		"nothing can be told, then both": {LastLife{}, func(n *Now) { n.Life = Life{} }},
	} {
		now := present()
		if tt.now != nil {
			tt.now(&now)
		}
		b := WhatHappened(tt.last, now)
		if b.Fresh {
			t.Errorf("%s: a life of 100 s is taken for a new one", name)
		}
		if b.Kind != LifeUnknown || b.Down != nil || b.Cause != "" || b.Clean || !b.At.Equal(noon) || b.Life != now.Life {
			t.Errorf("%s: got %+v, want nothing to be claimed", name, b)
		}
	}
}

// Where nothing is kept, a young life tells that keeper is among the first to
// start. How long the machine was up when that life began tells nothing.
func TestWhatHappenedUnknownInAYoungLife(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		started, now time.Duration
		fresh        bool
	}{
		{20 * time.Second, 25 * time.Second, true},
		{20 * time.Second, 600 * time.Second, false}, // an upgrade, long after the boot
		{500 * time.Second, 503 * time.Second, true}, // a revival, with the state destroyed
		{500 * time.Second, 500*time.Second + recent, false},
		{0, 5 * time.Second, false},
	} {
		b := WhatHappened(LastLife{}, Now{Life: Life{Boot: "b", Started: tt.started}, At: noon, Mono: tt.now})
		if b.Kind != LifeUnknown || b.Fresh != tt.fresh {
			t.Errorf("started at %v, now %v: got %s, fresh %v; want %v", tt.started, tt.now, b.Kind, b.Fresh, tt.fresh)
		}
	}
}

func TestWhatHappenedSame(t *testing.T) {
	t.Parallel()
	last := kept(thisLife)
	last.Ended, last.EndedAt = 590*time.Second, noon.Add(-10*time.Second)
	last.Owed = map[string]string{"web.service": "systemd gave up on it: exit-code"}
	b := WhatHappened(last, present())
	want := Began{Kind: LifeSame, Life: thisLife, At: noon, Ran: []string{"db.service", "data-volume.service"},
		Stops: map[string]string{"stopped.service": "", "stopping.service": "7"}, Owed: last.Owed}
	if !reflect.DeepEqual(b, want) {
		t.Errorf("got  %+v\nwant %+v", b, want)
	}

	// Rearm records and another end of user@ say nothing of a life that goes on.
	now := present()
	now.Rearms = []Rearm{{Boot: thisLife.Boot, Mono: 550 * time.Second, Done: true, Cause: "a rearm"}}
	now.Stopped = 599 * time.Second
	if got := WhatHappened(last, now); !reflect.DeepEqual(got, want) {
		t.Errorf("with a rearm: got  %+v\nwant %+v", got, want)
	}
}

// keeper is restarted while the stack is still coming back: the outage is
// counted to its end, as what it was.
func TestWhatHappenedSameWhileCounting(t *testing.T) {
	t.Parallel()
	for _, kind := range []LifeKind{LifeRevived, LifeBooted} {
		down := []Down{{Name: "db.service", Left: 480 * time.Second}}
		before := Began{Kind: kind, Life: thisLife, At: noon.Add(-2 * time.Minute), Cause: "the cause", Clean: true, Down: down}
		last := kept(thisLife)
		last.Began = &before
		b := WhatHappened(last, present())
		if b.Kind != LifeSame || b.Cause != "the cause" || !b.Clean || !b.At.Equal(before.At) || !reflect.DeepEqual(b.Down, down) {
			t.Fatalf("%s: got %+v", kind, b)
		}
		// Restarted once more.
		last.Began = &b
		b = WhatHappened(last, present())
		s := decide(State{}, b, UnitsSeen{Units: []Unit{{Name: "db.service", Kind: "container", Active: "active", Entered: 483 * time.Second}}})
		want := &Survival{At: before.At, Kind: kind, Cause: "the cause", Clean: true, Outage: 3 * time.Second,
			Services: []Outage{{Name: "db.service", Outage: 3 * time.Second}}}
		if !reflect.DeepEqual(s.Survival, want) {
			t.Errorf("%s: got  %+v\nwant %+v", kind, s.Survival, want)
		}
	}
}

func TestWhatHappenedRevived(t *testing.T) {
	t.Parallel()
	const began = 480 * time.Second
	done := Rearm{Boot: "boot-2", Mono: began + time.Second, Done: true, Cause: "logind was told to stop the user"}
	undone := done
	undone.Done = false
	killed := "the user manager died without a last act, as SIGKILL has it"
	for name, tt := range map[string]struct {
		last   func(*LastLife)
		now    func(*Now)
		cause  string
		clean  bool
		left   time.Duration
		before time.Duration // how long before noon it was
	}{
		"killed": {cause: killed, left: began, before: 120 * time.Second},
		"rearmed": {now: func(n *Now) { n.Rearms = []Rearm{done} },
			cause: "logind was told to stop the user", clean: true, left: began, before: 120 * time.Second},
		"brought back by somebody else": {now: func(n *Now) { n.Rearms = []Rearm{undone} },
			cause: "logind was told to stop the user; it was not keeper that brought it back", clean: true, left: began, before: 120 * time.Second},
		"the last of several": {now: func(n *Now) {
			early := undone
			early.Mono, early.Cause = 100*time.Second, "an earlier one"
			n.Rearms = []Rearm{early, done}
		}, cause: "logind was told to stop the user", clean: true, left: began, before: 120 * time.Second},
		"a rearm of another boot": {now: func(n *Now) {
			other := done
			other.Boot = "boot-1"
			n.Rearms = []Rearm{other}
		}, cause: killed, left: began, before: 120 * time.Second},
		"a rearm of a life before the last": {now: func(n *Now) {
			other := done
			other.Mono = 10 * time.Second
			n.Rearms = []Rearm{other}
		}, cause: killed, left: began, before: 120 * time.Second},
		"a rearm of this life, which goes on": {now: func(n *Now) {
			other := done
			other.Mono = 550 * time.Second
			n.Rearms = []Rearm{other}
		}, cause: killed, left: began, before: 120 * time.Second},

		// Where PID 1 does not know, the daemon's own end is next best, then the
		// rearm, then the moment it came back: an outage of nothing is shown
		// rather than one that is made up.
		"PID 1 does not know": {now: func(n *Now) { n.Stopped = 0; n.Rearms = []Rearm{done} },
			cause: "logind was told to stop the user", clean: true, left: began + time.Second, before: 119 * time.Second},
		"PID 1 means an earlier end": {now: func(n *Now) { n.Stopped = 19 * time.Second; n.Rearms = []Rearm{done} },
			cause: "logind was told to stop the user", clean: true, left: began + time.Second, before: 119 * time.Second},
		"the daemon was told to end": {last: func(l *LastLife) { l.Ended = 470 * time.Second }, now: func(n *Now) { n.Stopped = 0; n.Rearms = []Rearm{done} },
			cause: "logind was told to stop the user", clean: true, left: 470 * time.Second, before: 130 * time.Second},
		// Somebody stopped keeper alone, long before.
		"PID 1 knows better than the daemon": {last: func(l *LastLife) { l.Ended = 100 * time.Second },
			cause: killed, left: began, before: 120 * time.Second},
		"nobody knows": {now: func(n *Now) { n.Stopped = 0 },
			cause: killed, left: thisLife.Started, before: 100 * time.Second},
	} {
		last, now := kept(lastOne), present()
		if tt.last != nil {
			tt.last(&last)
		}
		if tt.now != nil {
			tt.now(&now)
		}
		b := WhatHappened(last, now)
		if b.Kind != LifeRevived || b.Cause != tt.cause || b.Clean != tt.clean || !b.At.Equal(noon.Add(-tt.before)) {
			t.Errorf("%s: got %s, cause %q, clean %v, %v ago; want %q, %v, %v ago",
				name, b.Kind, b.Cause, b.Clean, noon.Sub(b.At), tt.cause, tt.clean, tt.before)
		}
		// What ran, whether anything starts it by itself or not.
		if got := downNames(b.Down); got != "db web" || b.Down[0].Left != tt.left {
			t.Errorf("%s: got %+v, want db and web, gone at %v", name, b.Down, tt.left)
		}
		if b.Stops != nil || b.Owed != nil {
			t.Errorf("%s: stops and debts are of the last life: %+v", name, b)
		}
	}
}

func TestWhatHappenedBooted(t *testing.T) {
	t.Parallel()
	ended := noon.Add(-90 * time.Second)
	notDone := Rearm{At: noon.Add(-time.Minute), Boot: "boot-1", Mono: 510 * time.Second, Reason: MachineGoesDown, Cause: "a rearm"}
	rearmed := func(change func(*Rearm)) []Rearm {
		r := notDone
		change(&r)
		return []Rearm{r}
	}
	for name, tt := range map[string]struct {
		last   func(*LastLife)
		rearms []Rearm
		clean  bool
		cause  string
		ago    time.Duration
	}{
		"a reboot that was announced": {func(l *LastLife) { l.Shutdown, l.EndedAt, l.Ended = true, ended, 900*time.Second }, nil, true, "rebooted", 90 * time.Second},
		// systemctl start poweroff.target, and logind said nothing; the last act saw it.
		"the machine went down, says the last act":     {func(l *LastLife) { l.EndedAt = ended }, []Rearm{notDone}, true, "rebooted", 90 * time.Second},
		"the same, and keeper was stopped long before": {func(l *LastLife) { l.EndedAt = ended.Add(-48 * time.Hour) }, []Rearm{notDone}, true, "rebooted", time.Minute},
		"the same, with the daemon dead":               {func(*LastLife) {}, []Rearm{notDone}, true, "rebooted", time.Minute},
		"the same, and there were others":              {func(*LastLife) {}, append(rearmed(func(r *Rearm) { r.Reason = "keeper stands down: paused" }), notDone), true, "rebooted", time.Minute},
		// A person may have stopped it, days before the power cut.
		"the daemon was told to end, and no more": {func(l *LastLife) { l.EndedAt = ended }, nil, false, "without warning", time.Minute},
		"the last act of a boot before":           {func(l *LastLife) { l.EndedAt = ended }, rearmed(func(r *Rearm) { r.Boot = "boot-0" }), false, "without warning", time.Minute},
		"the last act of this boot":               {func(*LastLife) {}, rearmed(func(r *Rearm) { r.Boot = "boot-2" }), false, "without warning", time.Minute},
		"the last act brought the account back":   {func(*LastLife) {}, rearmed(func(r *Rearm) { r.Done, r.Reason = true, "its mark is taken back" }), false, "without warning", time.Minute},
		"announced, but killed too early":         {func(l *LastLife) { l.Shutdown = true }, nil, true, "rebooted", time.Minute},
		"a power cut":                             {func(*LastLife) {}, nil, false, "without warning", time.Minute},
		// The clock: an outage is never less than nothing.
		"a power cut, and the clock was set back": {func(l *LastLife) { l.Seen = noon.Add(26 * time.Hour) }, nil, false, "without warning", 0},
		"a reboot, and the clock was set back":    {func(l *LastLife) { l.Shutdown, l.EndedAt = true, noon.Add(time.Second) }, nil, true, "rebooted", 0},
		"a reboot, and the clock was set ahead":   {func(l *LastLife) { l.Shutdown, l.EndedAt = true, noon.Add(-24*time.Hour) }, nil, true, "rebooted", 24 * time.Hour},
	} {
		last := kept(lastBoot)
		tt.last(&last)
		// A boot ago, CLOCK_MONOTONIC meant something else.
		now := present()
		now.Rearms = append(tt.rearms, Rearm{Boot: "boot-1", Mono: 510 * time.Second, Cause: "a rearm"}, Rearm{Boot: "boot-2", Mono: 300 * time.Second, Cause: "a rearm"})
		b := WhatHappened(last, now)
		if b.Kind != LifeBooted || b.Clean != tt.clean || !strings.Contains(b.Cause, tt.cause) || strings.Contains(b.Cause, "rearm") || !b.At.Equal(noon.Add(-tt.ago)) {
			t.Errorf("%s: got %s, cause %q, clean %v, %v ago; want %q, %v, %v ago",
				name, b.Kind, b.Cause, b.Clean, noon.Sub(b.At), tt.cause, tt.clean, tt.ago)
		}
		// web is started by nothing at a boot.
		if got := downNames(b.Down); got != "db" || b.Down[0].Left != now.Mono-tt.ago {
			t.Errorf("%s: got %+v, want db, gone at %v", name, b.Down, now.Mono-tt.ago)
		}
		// The whole outage counts, and what came back at once is not older than its end.
		s := decide(State{}, b, UnitsSeen{Units: []Unit{{Name: "db.service", Kind: "container", Active: "active", Entered: 601 * time.Second}}})
		if s.Survival == nil || s.Survival.Outage != tt.ago+time.Second || s.Survival.Kind != LifeBooted || s.Survival.Clean != tt.clean {
			t.Errorf("%s: survival %+v, want an outage of %v", name, s.Survival, tt.ago+time.Second)
		}
	}
	b := WhatHappened(kept(lastBoot), present())
	if want := noon.Add(-time.Minute).Format(time.DateTime); !strings.Contains(b.Cause, want) {
		t.Errorf("%q does not say when the machine was last seen alive: %s", b.Cause, want)
	}
}

func TestWhatHappenedChangesNothing(t *testing.T) {
	t.Parallel()
	for _, life := range []Life{thisLife, lastOne, lastBoot, {}} {
		last := kept(life)
		last.Owed = map[string]string{"web.service": "a reason"}
		last.Began = &Began{Down: []Down{{Name: "db.service", Left: 1}}}
		want := kept(life)
		want.Owed, want.Began = maps.Clone(last.Owed), &Began{Down: []Down{{Name: "db.service", Left: 1}}}
		b := WhatHappened(last, present())
		s := decide(State{}, StandDownSeen{}, b, UnitsSeen{Units: last.Units}, UnitsSeen{}, UnitsSeen{Units: last.Units})
		_ = decide(s, Wake{}, UnitsSeen{})
		if !reflect.DeepEqual(last, want) {
			t.Errorf("%+v: what the last daemon kept was changed to %+v", life, last)
		}
	}
}
