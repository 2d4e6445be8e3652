package control

import (
	"strings"
	"testing"

	"keeper/internal/core"
)

func well() Status {
	return Status{User: "app", UID: 1000, Linger: Linger{State: core.LingerOn}, Rearm: Rearm{Armed: true},
		Units: []core.Unit{
			{Name: "db.service", Kind: "container", Active: "active", Sub: "running", Result: "success"},
			{Name: "data-volume.service", Kind: "volume", Active: "active", Sub: "exited"},
		}}
}

func TestProblems(t *testing.T) {
	type words struct{ what, try string }
	unit := func(active, sub, result string) func(s *Status) {
		return func(s *Status) {
			s.Units[0].Active, s.Units[0].Sub, s.Units[0].Result = active, sub, result
		}
	}
	standDown := func(cause core.Cause) func(s *Status) {
		return func(s *Status) {
			s.StandDown = &core.StandDown{Cause: cause, Detail: "the detail"}
			s.Rearm = Rearm{WhyNot: "keeper stands down: the detail"}
		}
	}
	tests := map[string]struct {
		change func(s *Status)
		want   []words
	}{
		"well":    {func(*Status) {}, nil},
		"empty":   {func(s *Status) { s.Units = nil }, nil},
		"paused":  {standDown(core.CausePaused), []words{{"keeper stands down: the detail", "keeper resume"}}},
		"locked":  {standDown(core.CauseLocked), []words{{"keeper stands down: the detail", "keeper resume"}}},
		"marked":  {standDown(core.CauseMark), []words{{"keeper stands down: the detail", "as root: rm /etc/keeper/stand-down/1000"}}},
		"expired": {standDown(core.CauseExpired), []words{{"keeper stands down: the detail", "as root: chage -l app"}}},
		"removed": {standDown(core.CauseRemoved), []words{{"keeper stands down: the detail", ""}}},
		"linger is off": {func(s *Status) { s.Linger.State = core.LingerOff },
			[]words{{"linger is off", "loginctl enable-linger app"}}},
		"linger cannot be set": {func(s *Status) { s.Linger = Linger{State: core.LingerOff, Error: "not authorized"} },
			[]words{{"(not authorized)", "loginctl enable-linger app"}}},
		"linger is unknown": {func(s *Status) { s.Linger.State = core.LingerUnknown },
			[]words{{"linger is unknown", "loginctl"}}},
		"not armed": {func(s *Status) { s.Rearm = Rearm{WhyNot: "the unit is not enabled", Try: "the way out"} },
			[]words{{"would not come back from terminate-user: the unit is not enabled", "the way out"}}},
		"not armed, and nothing to type": {func(s *Status) { s.Rearm = Rearm{WhyNot: "the manager is away"} },
			[]words{{"would not come back from terminate-user: the manager is away", ""}}},
		"a unit failed": {unit("failed", "failed", "exit-code"),
			[]words{{"db.service is failed: exit-code", "journalctl --user -u db -n 30; systemctl --user restart db"}}},
		"a unit is stopped": {unit("inactive", "dead", "success"),
			[]words{{"db.service is inactive", "systemctl --user start db"}}},
		"a name that a shell would take apart": {func(s *Status) { s.Units[0].Name, s.Units[0].Active = `my\x2ddb.service`, "inactive" },
			[]words{{`my\x2ddb.service is inactive`, `systemctl --user start 'my\x2ddb'`}}},
		"a unit never gets up": {unit("activating", "auto-restart", "exit-code"),
			[]words{{"db.service is activating (auto-restart): exit-code", "systemctl --user status db"}}},
		"a unit hit its start limit": {unit("failed", "failed", "start-limit-hit"),
			[]words{{"start-limit-hit", "restart db"}}},
		"a one-shot that is done, or at it": {func(s *Status) {
			s.Units[0].OneShot = true
			s.Units[1] = s.Units[0]
			s.Units[0].Active, s.Units[0].Sub = "inactive", "dead"
			s.Units[1].Active, s.Units[1].Sub = "activating", "start"
		}, nil},
		"a one-shot that failed": {func(s *Status) {
			s.Units[0].OneShot, s.Units[0].Active, s.Units[0].Sub, s.Units[0].Result = true, "failed", "failed", "exit-code"
		}, []words{{"db.service is failed: exit-code", "restart db"}}},
		"a volume could not be made": {func(s *Status) { s.Units[1].Active, s.Units[1].Sub = "failed", "failed" },
			[]words{{"data-volume.service is failed", "restart data-volume"}}},
		"causes before symptoms": {func(s *Status) {
			standDown(core.CausePaused)(s)
			s.Linger.State = core.LingerOff
			unit("inactive", "dead", "")(s)
		}, []words{{"stands down", "keeper resume"}, {"linger is off", "loginctl"}, {"db.service", "start db"}}},
	}
	for name, tt := range tests {
		s := well()
		tt.change(&s)
		got := Problems(s)
		if got == nil {
			t.Errorf("%s: nil, which is null on the wire", name)
		}
		if len(got) != len(tt.want) {
			t.Errorf("%s: got %+v, want %d problems", name, got, len(tt.want))
			continue
		}
		for i, w := range tt.want {
			if !strings.Contains(got[i].What, w.what) || !strings.Contains(got[i].Try, w.try) || (w.try == "") != (got[i].Try == "") {
				t.Errorf("%s: problem %d is %+v, want %+v", name, i, got[i], w)
			}
		}
	}
}

// StoodDown is the problem that Problems begins with.
func TestStoodDown(t *testing.T) {
	t.Parallel()
	s := well()
	s.StandDown = &core.StandDown{Cause: core.CauseMark, Detail: "the mark is there"}
	want := Problem{What: "keeper stands down: the mark is there", Try: "as root: rm /etc/keeper/stand-down/1000"}
	if got := StoodDown(s); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := Problems(s); len(got) != 1 || got[0] != want {
		t.Errorf("Problems says %+v, want %+v alone", got, want)
	}
}
