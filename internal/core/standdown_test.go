package core

import (
	"testing"
	"time"
)

func TestStandDown(t *testing.T) {
	tell(t, map[string]tale{
		"told once keeper stands up": {steps: []step{
			{e: LogindUp{}, want: "take-delay | look-linger"},
			{e: StandDownSeen{paused}, want: "note:stand down"},
			{e: LingerSeen{On: true}},
			{e: StandDownSeen{}, want: "note:stand up | look-linger"},
			{e: LingerSeen{On: true}, want: "set-linger", reason: "logind is to know"},
		}},
		"stood down with linger on: nothing to say": {steps: []step{
			{e: LogindUp{}, want: "take-delay | look-linger"},
			{e: StandDownSeen{paused}, want: "note:stand down", reason: "paused by hand"},
			{e: LingerSeen{On: true}},
		}},
		"stood down with linger off: left so, and said so": {steps: []step{
			{e: LogindUp{}, want: "take-delay | look-linger"},
			{e: StandDownSeen{paused}, want: "note:stand down"},
			{e: LingerSeen{}, want: "note:leave linger off", reason: "paused by hand"},
			{after: LookEvery, e: Wake{}, want: "look-linger | look-units | look-manager"},
			{e: LingerSeen{}},
		}},
		"linger taken away while stood down": {settled: true, steps: []step{
			{e: StandDownSeen{paused}, want: "note:stand down"},
			{e: LingerHint{}, want: "look-linger"},
			{e: StandDownSeen{paused}},
			{e: LingerSeen{}, want: "note:leave linger off", reason: "paused by hand"},
			{e: LingerHint{}, want: "look-linger"},
			{e: LingerSeen{On: true}},
			{e: LingerHint{}, want: "look-linger"},
			{e: LingerSeen{}, want: "note:leave linger off"},
		}},
		"nobody can be asked whether the account is locked": {settled: true, steps: []step{
			{e: LingerHint{}, want: "look-linger"},
			{e: StandDownSeen{StandDown{Unasked: "the user manager does not run it"}}},
			{e: LingerSeen{}, want: "note:leave linger as it is", reason: "the user manager does not run it"},
			{after: retryWait, e: Wake{}, want: "look-linger"},
			{e: StandDownSeen{StandDown{Unasked: "the user manager does not run it"}}},
			{e: LingerSeen{}},
			{after: retryWait, e: Wake{}, want: "look-linger | look-manager"},
			{e: StandDownSeen{}},
			{e: LingerSeen{}, want: "set-linger", reason: "linger is still off"},
		}},
		"another cause is another decision": {settled: true, steps: []step{
			{e: StandDownSeen{paused}, want: "note:stand down"},
			{e: StandDownSeen{StandDown{Cause: CausePaused, Detail: "longer"}}},
			{e: StandDownSeen{StandDown{Cause: CauseMark, Detail: "the mark"}}, want: "note:stand down", reason: "the mark"},
		}},
		"the stand-down is lifted": {settled: true, steps: []step{
			{e: StandDownSeen{paused}, want: "note:stand down"},
			{e: LingerHint{}, want: "look-linger"},
			{e: LingerSeen{}, want: "note:leave linger off"},
			{e: StandDownSeen{}, want: "note:stand up | look-linger"},
			{e: StandDownSeen{}},
			{e: LingerSeen{}, want: "set-linger", reason: "linger is still off"},
		}},
		"a person who resumes is not made to wait": {steps: []step{
			{e: LogindUp{}, want: "take-delay | look-linger"},
			{e: StandDownSeen{}},
			{e: LingerSeen{}, want: "set-linger"},
			{e: LingerSet{Err: "timeout"}, want: "note:try to set linger again later"},
			{e: StandDownSeen{StandDown{Cause: CausePaused, Detail: "for a day", Until: noon.Add(24 * time.Hour)}}, want: "note:stand down"},
			{after: time.Second, e: StandDownSeen{}, want: "note:stand up | look-linger"},
			{e: LingerSeen{}, want: "set-linger"},
		}},
	})
}

func TestPauseEnds(t *testing.T) {
	t.Parallel()
	until := noon.Add(2 * time.Minute)
	p := StandDown{Cause: CausePaused, Detail: "two minutes", Until: until}
	y := newStory(t)
	y.play(settled()...)
	y.play(
		step{e: StandDownSeen{p}, want: "note:stand down"},
		step{e: LingerHint{}, want: "look-linger"},
		step{e: LingerSeen{}, want: "note:leave linger off"},
	)
	y.doze(until)
	y.play(
		step{after: until.Sub(y.now), e: Wake{}, want: "look-linger | look-manager"},
		step{e: StandDownSeen{}, want: "note:stand up"},
		step{e: LingerSeen{}, want: "set-linger"},
	)

	// A pause far ahead does not keep the periodic look from its time.
	y = newStory(t)
	y.play(settled()...)
	p.Until = noon.Add(time.Hour)
	y.play(step{e: StandDownSeen{p}, want: "note:stand down"})
	y.doze(noon.Add(LookEvery))
}
