package core

import (
	"testing"
	"time"
)

func TestDrift(t *testing.T) {
	db := func(life string) UnitSeen {
		return UnitSeen{Unit{Name: "db.service", Kind: "container", Active: "active", Invocation: life}}
	}
	begin := append(adopting(AdoptPropose), step{e: sees()}, step{e: db("1")})
	then := func(steps ...step) tale {
		return tale{steps: append(append([]step{}, begin...), steps...)}
	}
	found := DriftSeen{Drift: []Drift{{Unit: "db.service"}}, Stamps: map[string]string{"/c.yaml": "1"}}
	tell(t, map[string]tale{
		"a while after the stack came up, and after each change": then(
			step{after: driftSettle, e: Wake{}, want: "look-drift"},
			step{e: db("2")},
			step{after: driftSettle, e: Wake{}},
			step{e: found},
			step{after: driftSettle, e: Wake{}, want: "look-drift"},
			step{e: found},
			step{after: time.Minute, e: Wake{}, want: "look-manager"},
		),
		"not while keeper stands down": then(
			step{e: StandDownSeen{paused}, want: "note:stand down"},
			step{after: time.Minute, e: Wake{}, want: "look-manager"},
			step{e: StandDownSeen{}, want: "note:stand up"},
			step{after: driftSettle, e: Wake{}, want: "look-containers | look-drift"},
		),
		"not while the machine goes down": then(
			step{e: PrepareForShutdown{Active: true}, want: "note:leave everything as it is | release-delay"},
			step{after: driftSettle, e: Wake{}},
			step{e: PrepareForShutdown{}, want: "note:look again | take-delay"},
			step{after: driftSettle, e: Wake{}, want: "look-containers | look-drift"},
		),
		// They may be on a file system that hangs.
		"one look at the files at a time": then(
			step{after: driftSettle, e: Wake{}, want: "look-drift"},
			step{e: found},
			step{after: LookEvery, e: Wake{}, want: "look-units | look-adoption | look-sources | look-manager | look-containers"},
			step{e: AdoptionSeen{}}, step{e: sees()},
			step{after: LookEvery, e: Wake{}, want: "look-units | look-adoption | look-helpers | look-manager | look-containers"},
		),
		"not while the user manager starts up": then(
			step{e: UnitsSeen{Armed: true, Starting: true, Units: []Unit{db("1").Unit}}},
			step{after: driftSettle, e: Wake{}},
			step{e: UnitsSeen{Armed: true, Units: []Unit{db("1").Unit}}},
			step{after: driftSettle, e: Wake{}, want: "look-drift"},
		),
		"not where there is no unit": {steps: append(adopting(AdoptPropose), step{e: sees()}, step{after: time.Minute, e: Wake{}, want: "look-manager"})},
		"not when it is off":         {steps: append(adopting(AdoptOff), step{e: db("1")}, step{after: time.Minute, e: Wake{}, want: "look-manager"})},
		"when a file changed that a unit came from": then(
			step{after: driftSettle, e: Wake{}, want: "look-drift"},
			step{e: found},
			step{after: LookEvery, e: Wake{}, want: "look-units | look-adoption | look-sources | look-manager | look-containers"},
			step{e: SourcesSeen{Stamps: map[string]string{"/c.yaml": "1"}}},
			step{after: time.Minute, e: sees()},
			step{e: SourcesSeen{Stamps: map[string]string{"/c.yaml": "2"}}},
			step{after: driftSettle, e: Wake{}, want: "look-helpers | look-manager | look-drift"},
		),
	})
}

// A service that restarts all the time is compared every five minutes, after a
// while.
func TestDriftBacksOff(t *testing.T) {
	t.Parallel()
	y := newStory(t)
	y.play(adopting(AdoptPropose)...)
	y.play(step{e: sees()})
	var at []time.Duration
	for i := range 3600 {
		y.now = y.now.Add(time.Second)
		u := Unit{Name: "db.service", Kind: "container", Active: "active", Invocation: string(rune('a' + i%26))}
		for _, e := range []Event{UnitSeen{u}, Wake{}} {
			var actions []Action
			y.s, actions = Decide(y.s, e, y.now)
			for _, a := range actions {
				if a.Kind == LookDrift {
					at = append(at, y.now.Sub(noon))
					y.s, _ = Decide(y.s, DriftSeen{}, y.now)
				}
			}
		}
	}
	if len(at) < 10 || len(at) > 18 {
		t.Fatalf("compared %d times in an hour: %v", len(at), at)
	}
	for i := 1; i < len(at); i++ {
		if gap := at[i] - at[i-1]; gap < driftGap || i > 8 && gap < LookEvery {
			t.Errorf("the gap before number %d is %v", i, gap)
		}
	}
}

func TestDriftFails(t *testing.T) {
	t.Parallel()
	y := newStory(t)
	y.play(adopting(AdoptPropose)...)
	y.play(step{e: DriftSeen{Drift: []Drift{{Unit: "db.service"}}, Errs: []string{"one image is not there"}}},
		step{e: DriftSeen{Err: "there is no keeper-adopt"}})
	if len(y.s.Drift) != 1 || len(y.s.DriftErrs) != 1 || y.s.DriftErrs[0] != "there is no keeper-adopt" {
		t.Errorf("got %+v, %v", y.s.Drift, y.s.DriftErrs)
	}
	y.play(step{e: SettingsSeen{Settings: Settings{Adopt: AdoptOff}}, want: "note:take the new settings"})
	if y.s.Drift != nil || y.s.DriftErrs != nil {
		t.Error("off, and yet there is drift")
	}
}

func TestDriftString(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]Drift{
		"db: Memory is 512m in the unit, and the running container has 1g":    {Unit: "db.service", Against: "container", Field: "Memory", UnitSays: "512m", OtherSays: "1g"},
		"db: Image is a in the unit, and the Compose file has b":              {Unit: "db.service", Against: "compose", Field: "Image", UnitSays: "a", OtherSays: "b"},
		"db: Memory is nothing in the unit, and the running container has 1g": {Unit: "db.service", Against: "container", Field: "Memory", OtherSays: "1g"},
	} {
		if got := d.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
