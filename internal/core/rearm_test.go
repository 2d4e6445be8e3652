package core

import (
	"strings"
	"testing"
	"time"
)

// terminated is what `loginctl terminate-user` looks like from within, long
// after the last start.
func terminated() RearmFacts {
	return RearmFacts{
		ManagerState: "stopping", SystemState: "running", UserKnown: true, UserState: "closing",
		Now: 2 * time.Hour, Started: time.Hour, Interval: 10 * time.Second,
	}
}

func earlierRearms(n int, now, each time.Duration) []time.Duration {
	var times []time.Duration
	for i := range n {
		times = append(times, now-time.Duration(i+1)*each)
	}
	return times
}

func TestPlanRearm(t *testing.T) {
	tests := map[string]struct {
		facts  func(f *RearmFacts)
		act    bool
		tell   bool
		hold   time.Duration
		reason string
	}{
		"terminate-user": {func(f *RearmFacts) {}, true, true, 0, "logind was told to stop the user: its mark is taken back and a start queued"},
		"terminate-user with a session that is still open": {func(f *RearmFacts) { f.Sessions = []string{"4"} },
			true, true, 0, "logind was told to stop the user"},
		"systemctl --user exit": {func(f *RearmFacts) { f.UserState = "lingering" },
			true, true, 0, "the user manager was stopped: its mark is taken back and a start queued"},
		"the same with a session open: logind would start nothing": {
			func(f *RearmFacts) { f.UserState, f.Sessions = "active", []string{"4", "5"} },
			false, false, 0, "behind logind's back, and session 4 is open"},
		"the unit alone is stopped": {func(f *RearmFacts) { f.ManagerState = "running" },
			false, false, 0, "the user manager is running"},
		"the unit alone is stopped in a degraded manager": {func(f *RearmFacts) { f.ManagerState = "degraded" },
			false, false, 0, "the user manager is degraded"},
		// Telling is only safe where the manager is known to be going.
		"the manager does not answer": {func(f *RearmFacts) { f.ManagerState, f.UserState = "", "lingering" },
			true, false, 0, "cannot be told"},
		"the manager does not answer as logind stops the user": {func(f *RearmFacts) { f.ManagerState = "" },
			true, false, 0, "cannot be told"},
		"the manager does not answer, and a session is open": {
			func(f *RearmFacts) { f.ManagerState, f.UserState, f.Sessions = "", "active", []string{"4"} },
			false, false, 0, "session 4 is open"},
		"logind does not answer": {func(f *RearmFacts) { f.UserKnown, f.UserState = false, "" },
			true, false, 0, "cannot be told"},
		"logind breaks off half way": {func(f *RearmFacts) { f.UserKnown = false },
			true, false, 0, "cannot be told"},
		"logind breaks off half way, and a session is open": {
			func(f *RearmFacts) { f.UserKnown, f.UserState, f.Sessions = false, "active", []string{"4"} },
			false, false, 0, "session 4 is open"},
		"neither answers": {func(f *RearmFacts) { f.UserKnown, f.UserState, f.ManagerState = false, "", "" },
			true, false, 0, "cannot be told"},
		"logind does not answer, and it is held": {
			func(f *RearmFacts) { f.UserKnown, f.UserState, f.Started = false, "", f.Now-4*time.Second },
			true, false, 6*time.Second + holdMargin, "cannot be told"},
		"logind does not answer, but the unit alone is stopped": {
			func(f *RearmFacts) { f.UserKnown, f.UserState, f.ManagerState = false, "", "running" },
			false, false, 0, "the user manager is running"},
		"logind does not answer, and the machine goes down": {
			func(f *RearmFacts) { f.UserKnown, f.UserState, f.SystemState = false, "", "stopping" },
			false, false, 0, "the machine goes down"},
		"logind does not answer, and keeper stands down": {
			func(f *RearmFacts) { f.UserKnown, f.UserState, f.StandDown = false, "", paused },
			false, false, 0, "paused by hand"},
		"the machine goes down, says PID 1": {func(f *RearmFacts) { f.SystemState = "stopping" },
			false, false, 0, "the machine goes down"},
		"the machine goes down, says logind": {func(f *RearmFacts) { f.PreparingForShutdown = true },
			false, false, 0, "the machine goes down"},
		"logind says so and PID 1 says nothing": {func(f *RearmFacts) { f.PreparingForShutdown, f.SystemState = true, "" },
			false, false, 0, "the machine goes down"},
		"the state of the system is unknown": {func(f *RearmFacts) { f.SystemState = "" },
			false, false, 0, "cannot tell whether the machine goes down"},
		"somebody went to the rescue target": {func(f *RearmFacts) { f.SystemState = "rescue" },
			false, false, 0, "the system is in state rescue"},
		"the system is in maintenance": {func(f *RearmFacts) { f.SystemState = "maintenance" },
			false, false, 0, "the system is in state maintenance"},
		"the system is in a state that keeper does not know": {func(f *RearmFacts) { f.SystemState = "offline" },
			false, false, 0, "the system is in state offline"},
		"a session is open in maintenance": {
			func(f *RearmFacts) { f.UserState, f.Sessions, f.SystemState = "active", []string{"4"}, "maintenance" },
			false, false, 0, "the system is in state maintenance"},
		"the system is initializing": {func(f *RearmFacts) { f.SystemState = "initializing" },
			true, true, 0, ""},
		"the system is degraded, as many are": {func(f *RearmFacts) { f.SystemState = "degraded" },
			true, true, 0, ""},
		"the system is starting": {func(f *RearmFacts) { f.SystemState = "starting" },
			true, true, 0, ""},
		"stood down": {func(f *RearmFacts) { f.StandDown = StandDown{Cause: CauseMark, Detail: "the mark is there"} },
			false, false, 0, "the mark is there"},
		"stood down in a machine that goes down": {func(f *RearmFacts) { f.StandDown, f.SystemState = paused, "stopping" },
			false, false, 0, "the machine goes down"},
		"a session is open, but it is forbidden anyway": {
			func(f *RearmFacts) { f.UserState, f.Sessions, f.StandDown = "active", []string{"4"}, paused },
			false, false, 0, "paused by hand"},
		"a session is open, but the machine goes down": {
			func(f *RearmFacts) { f.UserState, f.Sessions, f.SystemState = "active", []string{"4"}, "stopping" },
			false, false, 0, "the machine goes down"},
		"within the budget": {func(f *RearmFacts) { f.Earlier = earlierRearms(RearmBudget-1, f.Now, time.Minute) },
			true, true, 0, ""},
		"over the budget": {func(f *RearmFacts) { f.Earlier = earlierRearms(RearmBudget, f.Now, time.Minute-1) },
			false, false, 0, "died 11 times within 10m0s"},
		"the oldest has just left the window": {func(f *RearmFacts) { f.Earlier = earlierRearms(RearmBudget, f.Now, time.Minute) },
			true, true, 0, ""},
		"many, but long ago": {func(f *RearmFacts) { f.Earlier = earlierRearms(50, f.Now-RearmWindow, time.Second) },
			true, true, 0, ""},
		"a short life is held until the start limit has passed": {func(f *RearmFacts) { f.Started = f.Now - 4*time.Second },
			true, true, 6*time.Second + holdMargin, ""},
		"logind knows no such user": {func(f *RearmFacts) { f.UserState = "" },
			true, true, 0, "a start queued"},
		"a session open of a user whose state is empty": {
			func(f *RearmFacts) { f.UserState, f.Sessions = "", []string{"4"} },
			false, false, 0, "session 4 is open"},
		"stopped behind logind's back as the user comes": {func(f *RearmFacts) { f.UserState = "opening" },
			true, true, 0, "a start queued"},
		"held, and told afterwards": {
			func(f *RearmFacts) { f.Started, f.UserState = f.Now-4*time.Second, "lingering" },
			true, true, 6*time.Second + holdMargin, ""},
		"the first life cost one start only": {
			func(f *RearmFacts) { f.Started, f.FirstLife = f.Now-4*time.Second, true },
			true, true, 0, ""},
		"a life of exactly the interval": {func(f *RearmFacts) { f.Started = f.Now - 10*time.Second },
			true, true, 0, ""},
		"no start limit": {func(f *RearmFacts) { f.Started, f.Interval = f.Now-time.Second, 0 },
			true, true, 0, ""},
		"the last start is unknown": {func(f *RearmFacts) { f.Started, f.Now = 0, 4*time.Second },
			true, true, 0, ""},
		"nothing is held that is not done": {
			func(f *RearmFacts) { f.Started, f.SystemState = f.Now-4*time.Second, "stopping" },
			false, false, 0, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := terminated()
			tt.facts(&f)
			p := PlanRearm(f)
			if p.Act != tt.act || p.Tell != tt.tell || p.Hold != tt.hold {
				t.Errorf("got %+v, want act %v, tell %v, hold %v", p, tt.act, tt.tell, tt.hold)
			}
			// A wait is worth it only where the session may end, or somebody may
			// answer after all.
			want := strings.Contains(tt.reason, "is open") || strings.Contains(tt.reason, "cannot be told")
			if p.Blocked != want {
				t.Errorf("got %+v, want blocked %v", p, want)
			}
			if p.Reason == "" || p.Cause == "" || !strings.Contains(p.Reason, tt.reason) {
				t.Errorf("the reason %q (cause %q) does not say %q", p.Reason, p.Cause, tt.reason)
			}
		})
	}
}

// After a hold the facts are gathered anew, and then it must not hold again.
func TestPlanRearmHoldsOnce(t *testing.T) {
	t.Parallel()
	f := terminated()
	for age := time.Duration(1); age < 12*time.Second; age += 137 * time.Millisecond {
		f.Started = f.Now - age
		p := PlanRearm(f)
		later := f
		later.Now += p.Hold
		if again := PlanRearm(later); again.Hold != 0 {
			t.Fatalf("a life of %v is held for %v and then for %v more", age, p.Hold, again.Hold)
		}
	}
}

func TestWhyNotArmed(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(s *State)
		want   string
	}{
		"armed":                {func(s *State) {}, ""},
		"stood down":           {func(s *State) { s.StandDown = paused }, "keeper stands down: paused by hand"},
		"stood down and more":  {func(s *State) { s.StandDown, s.ManagerUp, s.Armed = paused, false, false }, "keeper stands down"},
		"no manager":           {func(s *State) { s.ManagerUp, s.ManagerErr = false, "no socket" }, "no socket"},
		"no session unit":      {func(s *State) { s.Armed = false }, "keeper-session.service"},
		"no logind":            {func(s *State) { s.LogindUp = false }, "logind"},
		"denied":               {func(s *State) { s.Denied, s.SetErr = true, "no" }, "polkit"},
		"linger cannot be set": {func(s *State) { s.SetErr = "cannot set linger" }, "cannot set linger"},
		"linger is not seen":   {func(s *State) { s.LookErr = "cannot see linger" }, "cannot see linger"},
		"neither set nor seen": {func(s *State) { s.SetErr, s.LookErr = "cannot set", "cannot see" }, "cannot set"},
	}
	for name, tt := range tests {
		s := State{Linger: LingerOn, LogindUp: true, ManagerUp: true, Armed: true}
		tt.change(&s)
		got := s.WhyNotArmed()
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q, want something like %q", name, got, tt.want)
		}
	}
}

func TestHowToArm(t *testing.T) {
	t.Parallel()
	const enable, polkit = "systemctl --user enable --now keeper-session", "org.freedesktop.login1.set-self-linger"
	tests := map[string]struct {
		change func(s *State)
		want   string
	}{
		"armed":      {func(s *State) {}, ""},
		"stood down": {func(s *State) { s.StandDown, s.Armed = paused, false }, ""},
		// Nothing that is typed at a manager that is away would help.
		"no manager":               {func(s *State) { s.ManagerUp, s.Armed = false, false }, ""},
		"no session unit":          {func(s *State) { s.Armed = false }, enable},
		"nor a logind":             {func(s *State) { s.Armed, s.LogindUp = false, false }, enable},
		"no logind":                {func(s *State) { s.LogindUp = false }, "as root: systemctl restart systemd-logind"},
		"no logind, and it denied": {func(s *State) { s.LogindUp, s.Denied = false, true }, "systemd-logind"},
		"denied":                   {func(s *State) { s.Denied, s.SetErr = true, "no" }, polkit},
		"linger cannot be set":     {func(s *State) { s.SetErr = "cannot set linger" }, ""},
		"linger is not seen":       {func(s *State) { s.LookErr = "cannot see linger" }, ""},
	}
	for name, tt := range tests {
		s := State{Linger: LingerOn, LogindUp: true, ManagerUp: true, Armed: true}
		tt.change(&s)
		got := s.HowToArm()
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q, want something like %q", name, got, tt.want)
		}
		if got != "" && s.WhyNotArmed() == "" {
			t.Errorf("%s: type %q, though nothing is wrong", name, got)
		}
	}
}
