package core

import (
	"testing"
	"time"
)

func TestLogind(t *testing.T) {
	tell(t, map[string]tale{
		"logind goes and comes back": {settled: true, steps: []step{
			{e: LogindDown{Err: "the bus went away"}, want: "note:wait for logind", reason: "the bus went away"},
			{e: LingerHint{}},
			{after: LookEvery, e: Wake{}, want: "look-units | look-manager"},
			{e: LogindUp{Restarted: true}, want: "note:look again | take-delay | look-linger"},
			{e: LingerSeen{On: true}, want: "set-linger", reason: "logind is to know"},
		}},
		"logind goes while it is asked": {settled: true, steps: []step{
			{e: LingerHint{}, want: "look-linger"},
			{e: LingerSeen{}, want: "set-linger"},
			{e: LingerHint{}, want: "look-linger"},
			{e: LogindDown{}, want: "note:wait for logind"},
			{e: LogindUp{}, want: "take-delay"},
			{e: LingerSeen{Err: "the bus went away"}},
			{e: LingerSet{Err: "the bus went away"}, want: "note:try to set linger again later | look-linger"},
			{e: LingerSeen{}},
			{after: retryWait, e: Wake{}, want: "look-linger"},
			{e: LingerSeen{}, want: "set-linger"},
		}},
		"logind goes during a look, and is back before that fails": {settled: true, steps: []step{
			{e: LingerHint{}, want: "look-linger"},
			{e: LogindDown{}, want: "note:wait for logind"},
			{e: LogindUp{}, want: "take-delay"},
			{e: LingerSeen{Err: "the bus went away"}, want: "look-linger"},
			{e: LingerSeen{}, want: "set-linger"},
		}},
		"a set of an earlier logind is under way: none runs beside it": {settled: true, steps: []step{
			{e: LingerHint{}, want: "look-linger"},
			{e: LingerSeen{}, want: "set-linger"}, // it hangs
			{e: LogindDown{}, want: "note:wait for logind"},
			{e: LogindUp{}, want: "take-delay | look-linger"},
			{e: LingerSeen{}},
			{e: LingerHint{}, want: "look-linger"},
			{e: LingerSeen{}},
			{e: LingerSet{}, want: "look-linger"},
			// The one there was told nothing of it.
			{e: LingerSeen{On: true}, want: "set-linger", reason: "logind is to know"},
			{e: LingerSet{}},
			{e: LingerHint{}, want: "look-linger"},
			{e: LingerSeen{On: true}},
		}},
		"a new logind is not made to wait for what another refused": {steps: []step{
			{e: LogindUp{}, want: "take-delay | look-linger"},
			{e: StandDownSeen{}},
			{e: LingerSeen{}, want: "set-linger"},
			{e: LingerSet{Err: "timeout"}, want: "note:try to set linger again later"},
			{e: LogindDown{}, want: "note:wait for logind"},
			{after: time.Second, e: LogindUp{Restarted: true}, want: "note:look again | take-delay | look-linger"},
			{e: LingerSeen{}, want: "set-linger"},
		}},
		"linger seen late, with logind gone": {settled: true, steps: []step{
			{e: LingerHint{}, want: "look-linger"},
			{e: LogindDown{}, want: "note:wait for logind"},
			{e: LingerSeen{}},
		}},
	})
}
