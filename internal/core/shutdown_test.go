package core

import (
	"testing"
)

func TestShutdownAndLinger(t *testing.T) {
	tell(t, map[string]tale{
		"told once the shutdown is called off": {steps: []step{
			{e: LogindUp{ShuttingDown: true}, want: "note:leave everything as it is | release-delay | look-linger"},
			{e: StandDownSeen{}},
			{e: LingerSeen{On: true}, want: "note:leave linger as it is"},
			{e: PrepareForShutdown{}, want: "note:look again | take-delay | look-linger"},
			{e: LingerSeen{On: true}, want: "set-linger", reason: "logind is to know"},
		}},
		"a shutdown goes with the logind that announced it": {settled: true, steps: []step{
			{e: PrepareForShutdown{Active: true}, want: "note:leave everything as it is | release-delay"},
			{e: LogindDown{Err: "logind left the bus"}, want: "note:wait for logind"},
			{e: LogindUp{Restarted: true}, want: "note:look again | take-delay | look-linger"},
			{e: LingerSeen{On: true}, want: "set-linger"},
		}},
		"a shutdown that logind announces still": {settled: true, steps: []step{
			{e: PrepareForShutdown{Active: true}, want: "note:leave everything as it is | release-delay"},
			{e: LogindDown{Err: "logind left the bus"}, want: "note:wait for logind"},
			{e: LogindUp{Restarted: true, ShuttingDown: true}, want: "note:look again | look-linger"},
			{e: LingerSeen{}, want: "note:leave linger as it is", reason: "the machine goes down"},
			{e: LingerHint{}, want: "look-linger"},
			{e: LingerSeen{}},
		}},
		"the machine goes down, and then not": {settled: true, steps: []step{
			{e: PrepareForShutdown{Active: false}},
			{e: PrepareForShutdown{Active: true}, want: "note:leave everything as it is | release-delay"},
			{e: PrepareForShutdown{Active: true}},
			{e: LingerHint{}, want: "look-linger"},
			{e: LingerSeen{}, want: "note:leave linger as it is", reason: "the machine goes down"},
			{e: PrepareForShutdown{Active: false}, want: "note:look again | take-delay | look-linger"},
			{e: LingerSeen{}, want: "set-linger"},
		}},
	})
}
