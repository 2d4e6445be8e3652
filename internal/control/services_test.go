package control

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"keeper/internal/core"
)

// one is a status with one service, db, and a unit that it is.
func one(v core.Service) Status {
	s := well()
	v.Name = "db.service"
	if v.Desired == "" {
		v.Desired = core.DesiredRun
	}
	v.Supervision.Window, v.Supervision.Thaw = time.Hour, time.Minute
	s.Services = []core.Service{v}
	return s
}

func said(s Status) []string {
	var got []string
	for _, p := range Problems(s) {
		got = append(got, p.What+"|"+p.Try)
	}
	return got
}

func TestProblemsOfServices(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.Local)
	const look = "journalctl --user -u db -n 50"
	never := core.Supervision{Restart: core.RestartNever, From: map[string]string{"restart": "/k.toml:3"}}
	for name, tt := range map[string]struct {
		v      core.Service
		change func(s *Status)
		want   string // none: no problem
	}{
		"well":           {v: core.Service{State: core.ServiceWell}},
		"a probe failed": {v: core.Service{State: core.ServiceFailing, Failures: 1}},
		"held, and down": {v: core.Service{State: core.ServiceDown, Desired: core.DesiredHeld}, change: func(s *Status) { s.Units[0].Active = "failed" }},
		// One problem, whatever the unit says.
		"stopped by a person": {v: core.Service{State: core.ServiceStopped, Desired: core.DesiredStopped}, change: func(s *Status) {
			s.Units[0].Active, s.Units[0].Stopped = "inactive", true
		}},
		"starting": {v: core.Service{State: core.ServiceStarting, Since: at}, change: func(s *Status) { s.Units[0].Active = "activating" },
			want: "db is starting since 2026-03-01 12:00:00|systemctl --user status db"},
		"recovering": {v: core.Service{State: core.ServiceRecovering, Since: at, Detail: "the database system is starting up"},
			want: "db is recovering since 2026-03-01 12:00:00: the database system is starting up; keeper lets it be|" + look},
		"not to be asked": {v: core.Service{State: core.ServiceUnknown, Since: at, Detail: "nsenter is missing"},
			want: "db cannot be asked how it is since 2026-03-01 12:00:00: nsenter is missing; whether it is well is not known|keeper config show db"},
		"not ready": {v: core.Service{State: core.ServiceNotReady, Since: at, Detail: "HTTP 503"},
			want: "db is not ready since 2026-03-01 12:00:00: HTTP 503; keeper does not restart it for that|" + look},
		"blocked": {v: core.Service{State: core.ServiceBlocked, Since: at, Cause: "redis.service", Why: "redis is ill"},
			want: "db is blocked by redis since 2026-03-01 12:00:00|"},
		"ill": {v: core.Service{State: core.ServiceIll, Since: at, Why: "3 probes failed", Detail: "no answer within 3s", Next: at.Add(time.Minute)},
			want: "db is ill since 2026-03-01 12:00:00: 3 probes failed (no answer within 3s); keeper restarts it when that can help, not before 2026-03-01 12:01:00|" + look},
		"ill, never restarted": {v: core.Service{State: core.ServiceIll, Detail: "no answer", Supervision: never},
			want: `db is ill: no answer; keeper does not restart it (restart = "never", /k.toml:3)|` + look + "; keeper restart db"},
		"ill, while keeper stands down": {v: core.Service{State: core.ServiceIll, Detail: "no answer"}, change: func(s *Status) {
			s.StandDown = &core.StandDown{Cause: core.CausePaused, Detail: "paused"}
		}, want: "db is ill: no answer; keeper stands down|" + look},
		"ill by a guess": {v: core.Service{State: core.ServiceIll, Why: "refused", Unproven: true},
			want: "db is ill, or is not what keeper takes it for: refused; it never answered, and is not restarted until it has or somebody sets its probe or port|keeper config show db"},
		"given up": {v: core.Service{State: core.ServiceGaveUp, Since: at, Restarts: 5, Why: "it is ill again after each", Detail: "no answer"},
			want: "keeper gave up on db after 5 restarts within 1h: it is ill again after each (no answer)|" + look + "; keeper restart db"},
		"ill, and answers again": {v: core.Service{State: core.ServiceIll, Since: at, Why: "ready", Condition: core.ConditionReady, Supervision: core.Supervision{Successes: 2}},
			want: "db is ill since 2026-03-01 12:00:00: it answers again, and is well after 2 answers in a row|"},
		"given up, and answers again": {v: core.Service{State: core.ServiceGaveUp, Restarts: 2, Why: "2 restarts did not help; alive", Condition: core.ConditionAlive},
			want: "keeper gave up on db after 2 restarts within 1h: it answers again|" + look + "; keeper restart db"},
		"given up after one": {v: core.Service{State: core.ServiceGaveUp, Restarts: 1},
			want: "keeper gave up on db after 1 restart within 1h|" + look + "; keeper restart db"},
		"given up, in its own words": {v: core.Service{State: core.ServiceGaveUp, Restarts: 5, Why: "5 restarts did not help; silent"},
			want: "keeper gave up on db after 5 restarts within 1h: silent|" + look + "; keeper restart db"},
		"given up after starts": {v: core.Service{State: core.ServiceGaveUp, Why: "8 starts did not bring it back: x"},
			want: "keeper gave up on db: 8 starts did not bring it back: x|" + look + "; keeper restart db"},
		"flapping, and up": {v: core.Service{State: core.ServiceFlapping, Since: at, Why: "systemd restarted it 5 times within 10m"}, change: func(s *Status) { s.Units[0].Active = "active" },
			want: "db dies again and again: systemd restarted it 5 times within 10m; it is up again since 2026-03-01 12:00:00|" + look},
		"flapping": {v: core.Service{State: core.ServiceFlapping, Why: "systemd restarted it 5 times within 10m"}, change: func(s *Status) { s.Units[0].Active = "activating" },
			want: "db dies again and again: systemd restarted it 5 times within 10m|" + look},
		"wanted by nobody, and failed": {v: core.Service{State: core.ServiceStopped, Desired: core.DesiredAny}, change: func(s *Status) {
			s.Units[0].Active, s.Units[0].Result = "failed", "exit-code"
		}, want: "db.service is failed (running): exit-code|journalctl --user -u db -n 30; systemctl --user restart db"},
		"frozen": {v: core.Service{State: core.ServiceFrozen, Condition: core.ConditionFrozen, Since: at, Next: at.Add(time.Minute)},
			change: func(s *Status) { s.Units[0].Container = "the db" },
			want:   "db is paused (podman pause) since 2026-03-01 12:00:00; keeper unpauses it at 12:01:00|podman unpause 'the db'"},
		"stopped by a signal": {v: core.Service{State: core.ServiceFrozen, Condition: core.ConditionStopped},
			want: "db does nothing: its main process is stopped by a signal; keeper continues it once that is certain|podman kill --signal CONT systemd-db"},
		"down": {v: core.Service{State: core.ServiceDown, Since: at}, change: func(s *Status) {
			s.Units[0].Active, s.Units[0].Result = "failed", "exit-code"
		}, want: "db is down since 2026-03-01 12:00:00: exit-code|" + look + "; keeper restart db"},
		"down and owed": {v: core.Service{State: core.ServiceDown}, change: func(s *Status) {
			s.Units[0].Active, s.Owed = "inactive", map[string]string{"db.service": "it went down with redis"}
		}, want: "db is down: keeper is bringing it back: it went down with redis|systemctl --user start db"},
		"down for its own reason": {v: core.Service{State: core.ServiceDown, Why: "it went down with redis"}, change: func(s *Status) {
			s.Units[0].Active, s.Owed = "activating", map[string]string{"db.service": "it went down with redis"}
		}, want: "db is down: keeper is bringing it back: it went down with redis|systemctl --user status db"},
		"down while containers are adopted": {v: core.Service{State: core.ServiceDown}, change: func(s *Status) {
			s.Units[0].Active, s.Adoption = "inactive", core.AdoptionUnderway
		}, want: "db is down; an adoption of containers is under way, and starts its units itself|"},
		"wanted by nobody": {v: core.Service{State: core.ServiceDown, Desired: core.DesiredAny}, change: func(s *Status) { s.Units[0].Active = "inactive" },
			want: "db is down: nothing starts it by itself|systemctl --user start db"},
		"outside": {v: core.Service{State: core.ServiceDown}, change: func(s *Status) {
			s.Units[0].Active, s.Units[0].Container = "inactive", "db"
			s.Unkept = []core.Unkept{{Name: "db", ID: "1", Unit: "db.service"}}
		}},
		"being restarted": {v: core.Service{State: core.ServiceRestarting, Since: at, Detail: "no answer"},
			want: "db is being restarted by keeper since 2026-03-01 12:00:00: no answer|"},
		"credentials": {v: core.Service{State: core.ServiceWell, Condition: core.ConditionAuthRefused, Detail: "password authentication failed",
			Supervision: core.Supervision{Credential: "db-password", From: map[string]string{"credential": "/k.toml:7"}}},
			want: `db answers, and refuses the credentials that keeper has: password authentication failed; mend credential = "db-password", /k.toml:7, or set neither|keeper config show db`},
		"a password file": {v: core.Service{State: core.ServiceNotReady, Condition: core.ConditionAuthRefused, Supervision: core.Supervision{PasswordFile: "/p"}},
			want: `db answers, and refuses the credentials that keeper has; mend password_file = "/p", or set neither|keeper config show db`},
		"its settings": {v: core.Service{State: core.ServiceWell, SettingsErrors: []string{"/q/db.container:9: Probe: x", "another"}},
			want: "the [X-Keeper] section of db is not taken: /q/db.container:9: Probe: x (and 1 more)|keeper config check"},
		"hostile words": {v: core.Service{State: core.ServiceNotReady, Detail: "a\x1b[2Jb\nc\xff" + strings.Repeat("x", 1000)},
			want: "db is not ready: a [2Jb c " + strings.Repeat("x", 290) + "…; keeper does not restart it for that|" + look},
		"a state of tomorrow": {v: core.Service{State: "bewitched"}, want: "db is bewitched|" + look},
	} {
		s := one(tt.v)
		if tt.change != nil {
			tt.change(&s)
		}
		got := said(s)
		if s.StandDown != nil {
			got = got[1:]
		}
		if want := []string{tt.want}; tt.want == "" && len(got) != 0 || tt.want != "" && !slices.Equal(got, want) {
			t.Errorf("%s:\ngot  %q\nwant %q", name, got, tt.want)
		}
	}
	s := one(core.Service{State: core.ServiceFrozen, Condition: core.ConditionFrozen})
	s.Services[0].Supervision.Thaw = -1
	if got := said(s); len(got) != 1 || !strings.Contains(got[0], "keeper leaves it so") {
		t.Errorf("never thawed: %q", got)
	}
}

func TestInOrder(t *testing.T) {
	t.Parallel()
	v := func(name string, state core.ServiceState, deps ...string) core.Service {
		for i := range deps {
			deps[i] += ".service"
		}
		s := core.Service{Name: name + ".service", Desired: core.DesiredRun, State: state, Supervision: core.Supervision{DependsOn: deps}}
		if state == core.ServiceBlocked {
			s.Cause = deps[0]
		}
		return s
	}
	held := v("held", core.ServiceDown)
	held.Desired = core.DesiredHeld
	for name, tt := range map[string]struct {
		in   []core.Service
		want string
	}{
		"none":      {nil, ""},
		"well ones": {[]core.Service{v("a", core.ServiceWell), v("b", core.ServiceWell, "a"), v("c", core.ServiceWell)}, "a b c"},
		"ill before blocked before stopped before well": {[]core.Service{v("app", core.ServiceBlocked, "db"), v("cache", core.ServiceWell), held,
			v("db", core.ServiceIll), v("extra", core.ServiceStopped), v("late", core.ServiceFailing), v("web", core.ServiceIll)}, "db web app held extra late cache"},
		"each after what it depends on": {[]core.Service{v("a", core.ServiceNotReady, "b"), v("b", core.ServiceNotReady, "c"), v("c", core.ServiceIll)}, "c b a"},
		"blocked by what is blocked":    {[]core.Service{v("a", core.ServiceBlocked, "b"), v("b", core.ServiceBlocked, "c"), v("c", core.ServiceGaveUp)}, "c b a"},
		"blocked by what was stopped":   {[]core.Service{v("a", core.ServiceBlocked, "z"), v("m", core.ServiceWell), v("z", core.ServiceStopped)}, "z a m"},
		"a circle":                      {[]core.Service{v("a", core.ServiceIll, "b"), v("b", core.ServiceIll, "a")}, "b a"},
		"blocked by itself":             {[]core.Service{v("a", core.ServiceBlocked, "a"), v("b", core.ServiceBlocked, "gone")}, "a b"},
	} {
		var got []string
		for _, s := range InOrder(Status{Services: tt.in}) {
			got = append(got, short(s.Name))
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

// What its unit needs is what a service depends on, and the problems come in the
// same order.
func TestCausesBeforeSymptoms(t *testing.T) {
	t.Parallel()
	s := well()
	s.Units = []core.Unit{
		{Name: "django.service", Kind: "container", Active: "active", Needs: []string{"postgres.service"}},
		{Name: "django-volume.service", Kind: "volume", Active: "failed"},
		{Name: "postgres.service", Kind: "container", Active: "active"},
	}
	s.Services = []core.Service{
		{Name: "django.service", Desired: core.DesiredRun, State: core.ServiceBlocked, Cause: "postgres.service"},
		{Name: "postgres.service", Desired: core.DesiredRun, State: core.ServiceIll, Detail: "no answer"},
	}
	check := func(want ...string) {
		t.Helper()
		got := said(s)
		for i := range got {
			got[i], _, _ = strings.Cut(got[i], "|")
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	const ill = "postgres is ill: no answer; keeper restarts it when that can help"
	check(ill, "django is blocked by postgres", "django-volume.service is failed")
	// Something must be there to type for what a person stopped and others need.
	s.Services[1].State, s.Services[1].Desired = core.ServiceStopped, core.DesiredStopped
	check("postgres was stopped, and others need it", "django is blocked by postgres", "django-volume.service is failed")
	s.Services[1].State, s.Services[1].Desired = core.ServiceFrozen, core.DesiredHeld
	check("postgres is frozen and others need it; keeper was told to leave it alone", "django is blocked by postgres", "django-volume.service is failed")
	s.Services[0].State = core.ServiceNotReady
	check("django is not ready; keeper does not restart it for that", "django-volume.service is failed")
}

// People look up in docs/explanation/supervision.md what the status says.
func TestStatesAreDescribed(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/explanation/supervision.md")
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, k := range core.ProbeKinds {
		words = append(words, string(k))
	}
	for _, d := range []core.Desired{core.DesiredRun, core.DesiredStopped, core.DesiredHeld, core.DesiredAny} {
		words = append(words, string(d))
	}
	for _, s := range []core.ServiceState{core.ServiceWell, core.ServiceStopped, core.ServiceStarting, core.ServiceRecovering, core.ServiceFailing, core.ServiceNotReady, core.ServiceUnknown,
		core.ServiceBlocked, core.ServiceIll, core.ServiceFrozen, core.ServiceRestarting, core.ServiceDown, core.ServiceFlapping, core.ServiceGaveUp} {
		words = append(words, string(s))
	}
	for _, c := range []core.Condition{core.ConditionReady, core.ConditionAlive, core.ConditionAuthRefused, core.ConditionStarting, core.ConditionRecovering, core.ConditionLoading,
		core.ConditionStopping, core.ConditionBusy, core.ConditionNotReady, core.ConditionSilent, core.ConditionRefused, core.ConditionWrong, core.ConditionUnhealthy,
		core.ConditionStopped, core.ConditionFrozen, core.ConditionUnknown} {
		words = append(words, string(c))
	}
	for _, w := range words {
		if !strings.Contains(string(text), "`"+w+"`") {
			t.Errorf("%s is not there", w)
		}
	}
}
