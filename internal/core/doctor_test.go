package core

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// healthy is a host on which nothing is to be mended.
func healthy() Health {
	own := OwnUnit{Active: true, Enabled: true, Ordered: true, Program: "/home/app/.local/bin/keeper"}
	return Health{
		User: "app", UID: 1000, Installer: "deploy/install.sh",
		Linger: true, UserState: "active", MayLinger: true, Root: Root{Armor: true, Revive: true},
		DelayHeld: true, DelayGrant: 5 * time.Second,
		Session: own, Daemon: own,
		Units:    []Unit{store("db", "active"), app("web", "active", "db.service")},
		Leftover: true, Living: 2, Locks: true,
	}
}

// found are the findings as "severity id".
func found(list []Finding) []string {
	var words []string
	for _, f := range list {
		words = append(words, fmt.Sprint(f.Severity, " ", f.ID))
	}
	return words
}

func TestDiagnoseHealthy(t *testing.T) {
	t.Parallel()
	list := Diagnose(healthy())
	want := []string{"good stand-down", "good linger", "good polkit", "good rearm", "good daemon", "good root", "good runtime", "good order", "good delay"}
	if got := found(list); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if Sick(list) {
		t.Error("that is sick")
	}
	for _, f := range list {
		if f.What == "" || f.Means != "" || f.Fix != "" {
			t.Errorf("what is well says what it is and no more: %+v", f)
		}
	}
}

func TestDiagnose(t *testing.T) {
	t.Parallel()
	const enable = "systemctl --user enable --now keeper"
	standDown := func(cause Cause) func(h *Health) {
		return func(h *Health) { h.StandDown = StandDown{Cause: cause, Detail: "the detail"} }
	}
	for name, tt := range map[string]struct {
		change func(h *Health)
		// want are the findings that are not good, each with a part of what it
		// says, of what that means, and of what is to be typed; "-" for nothing.
		want [][4]string
	}{
		"paused":  {standDown(CausePaused), [][4]string{{"bad stand-down", "stands down: the detail", "nothing is brought back", "keeper resume"}}},
		"locked":  {standDown(CauseLocked), [][4]string{{"bad stand-down", "the detail", "", "keeper resume"}}},
		"marked":  {standDown(CauseMark), [][4]string{{"bad stand-down", "the detail", "", "as root: rm /etc/keeper/stand-down/1000"}}},
		"expired": {standDown(CauseExpired), [][4]string{{"bad stand-down", "the detail", "", "as root: chage -l app"}}},
		"removed": {standDown(CauseRemoved), [][4]string{{"bad stand-down", "the detail", "", "-"}}},

		"linger is off":      {func(h *Health) { h.Linger = false }, [][4]string{{"bad linger", "is off", "last session", "loginctl enable-linger app"}}},
		"logind is closing":  {func(h *Health) { h.UserState = "closing" }, [][4]string{{"warn closing", "closing", "armor", "loginctl enable-linger app"}}},
		"polkit says no":     {func(h *Health) { h.MayLinger = false }, [][4]string{{"bad polkit", "set-self-linger", "root's part", "polkit-1/rules.d"}}},
		"polkit says naught": {func(h *Health) { h.PolkitErr = "timeout" }, [][4]string{{"bad polkit", "timeout", "linger", "systemctl status polkit"}}},
		// What follows from logind's silence is not said once more.
		"logind is away": {func(h *Health) {
			h.LogindErr, h.Linger, h.MayLinger, h.Root, h.DelayHeld = "no bus", false, false, Root{}, false
		},
			[][4]string{{"bad logind", "no bus", "", "as root: systemctl restart systemd-logind"}}},

		"the program is gone":     {func(h *Health) { h.Session.Missing, h.Session.Active = true, false }, [][4]string{{"bad rearm", "/home/app/.local/bin/keeper, which is not there", "terminate-user", "install keeper again"}}},
		"the session is disabled": {func(h *Health) { h.Session.Enabled = false }, [][4]string{{"bad rearm", "not enabled and active", "terminate-user", enable}}},
		"the session is stopped":  {func(h *Health) { h.Session.Active = false }, [][4]string{{"bad rearm", "not enabled and active", "", enable}}},
		"the session is stale":    {func(h *Health) { h.Session.Stale = true }, [][4]string{{"warn rearm", "changed on disk", "as the file was before", "daemon-reload"}}},
		"the session has no order": {func(h *Health) { h.Session.Ordered = false },
			[][4]string{{"bad rearm", "basic.target and shutdown.target", "too early", "keeper-session"}}},
		"something stops after it": {func(h *Health) { h.Early = []string{"db.service", "web.service"} },
			[][4]string{{"warn rearm", "db.service, web.service stop after it", "DefaultDependencies=no", "-"}}},
		"the budget is used": {func(h *Health) { h.Rearms = RearmBudget },
			[][4]string{{"bad budget", "10 times within 10m0s", "stays down", "keeper resume"}}},
		"the budget is not used":  {func(h *Health) { h.Rearms = RearmBudget - 1 }, nil},
		"helpers stop early":      {func(h *Health) { h.Loose = []string{"a.scope", "b.scope"} }, [][4]string{{"warn helper-order", "a.scope stops before", "network", "install keeper again"}, {"warn helper-order", "b.scope stops before", "network", "install keeper again"}}},
		"the daemon is disabled":  {func(h *Health) { h.Daemon.Enabled, h.Daemon.Active = false, false }, [][4]string{{"warn daemon", "not enabled", "linger", enable}}},
		"the daemon does not run": {func(h *Health) { h.Daemon.Active = false }, [][4]string{{"warn daemon", "does not run", "linger", "systemctl --user start keeper"}}},
		"the manager is away": {func(h *Health) { h.ManagerErr, h.Session, h.Daemon, h.Units = "no socket", OwnUnit{}, OwnUnit{}, nil },
			[][4]string{{"bad manager", "no socket", "nothing", "systemctl start user@1000"}}},

		"no root's part": {func(h *Health) { h.Root = Root{} }, [][4]string{{"info root", "not installed", OutOfReach, "sh deploy/install.sh --user app"}}},
		"no armor":       {func(h *Health) { h.Root.Armor = false }, [][4]string{{"info root", "the armor is not", "terminate-user is an outage", "sh deploy/install.sh --user app"}}},
		"no revive":      {func(h *Health) { h.Root.Revive = false }, [][4]string{{"warn root", "the revive is not", OutOfReach, "sh deploy/install.sh --user app"}}},

		"a stale runtime":          {func(h *Health) { h.Living = 0 }, [][4]string{{"warn runtime", "nothing of the containers lives", "invalid internal status", "keeper recover"}}},
		"no runtime and no locks":  {func(h *Health) { h.Leftover, h.Living, h.Locks = false, 0, false }, nil},
		"the locks are gone":       {func(h *Health) { h.Locks = false }, [][4]string{{"warn runtime", "libpod_rootless_lock_1000", "may not see", "restart the stack"}}},
		"/proc cannot be read":     {func(h *Health) { h.ContainersErr = "denied"; h.Dead = []string{"pasta"} }, [][4]string{{"warn runtime", "denied", "is stale", "-"}}},
		"network helpers are dead": {func(h *Health) { h.Dead = []string{"pasta", "aardvark-dns"} }, [][4]string{{"warn network", "pasta and aardvark-dns should run", "by name", "podman network reload --all"}}},
		"containers in sessions": {func(h *Health) { h.InSession = []SessionProcess{{7, "redis", "3"}, {8, "conmon", "c4"}} },
			[][4]string{{"warn in-session", "redis (7), of a container, is in the login session 3", "dies with that session", "Quadlet"}, {"warn in-session", "conmon (8)", "", "Quadlet"}}},

		"the order is missing": {func(h *Health) {
			h.Units = []Unit{with(app("web", "active"), func(u *Unit) { u.Source, u.StopLimit = "/q/web.container", 4*time.Second }), store("db", "active")}
		}, [][4]string{{"warn order", "web is not ordered after db", "store may end first", "in /q/web.container, under [Unit]: After=db.service and Requires=db.service"}}},
		"and there is no time": {func(h *Health) {
			h.Units = []Unit{with(app("web", "active"), func(u *Unit) { u.StopLimit = 10500 * time.Millisecond }), store("db", "active")}
		}, [][4]string{{"warn order", "", "", ""}, {"warn delay", "10.5s before a shutdown, and logind grants 5s", "may lose its store", "--shutdown-delay 11"}}},
		"nor ever enough": {func(h *Health) {
			h.Units = []Unit{with(app("web", "active"), func(u *Unit) { u.StopLimit = 90 * time.Second }), store("db", "active")}
		}, [][4]string{{"warn order", "", "", ""}, {"warn delay", "1m30s", "may lose its store", "--shutdown-delay 30"}}},
		"and hardly any": {func(h *Health) {
			h.DelayGrant = time.Second
			h.Units = []Unit{with(app("web", "active"), func(u *Unit) { u.StopLimit = 2 * time.Second }), store("db", "active")}
		}, [][4]string{{"warn order", "", "", ""}, {"warn delay", "2s", "may lose its store", "--shutdown-delay 6"}}},
		"no delay": {func(h *Health) { h.DelayHeld = false }, [][4]string{{"info delay", "holds no delay inhibitor", "shutdown", "restart keeper"}}},

		"a file is lost": {func(h *Health) { h.Lost = []LostFile{{"/q/my web.container", "/c/web.container"}} },
			[][4]string{{"bad lost", "/q/my web.container was deleted or emptied", "not start again", "cp '/c/web.container' '/q/my web.container' && systemctl --user daemon-reload"}}},
		"files cannot be compared": {func(h *Health) { h.LostErr = "cannot look for lost Quadlet files: x" },
			[][4]string{{"warn lost", "cannot look for lost Quadlet files: x", "deleted or emptied", "-"}}},
		"nothing starts it": {func(h *Health) { h.Units[0].Wanted, h.Units[0].Source = false, "/q/db.container" },
			[][4]string{{"warn wanted", "db.service is not started by anything", "after a boot", "in /q/db.container: [Install] WantedBy=default.target"}}},
		"a timer starts it":      {func(h *Health) { h.Units[1].Wanted, h.Units[1].OneShot = false, true }, nil},
		"a volume needs no wish": {func(h *Health) { h.Units = append(h.Units, Unit{Name: "data-volume.service", Kind: "volume"}) }, nil},
	} {
		h := healthy()
		tt.change(&h)
		list := Diagnose(h)
		var bad []Finding
		worst := false
		for _, f := range list {
			if f.Severity != Good {
				bad = append(bad, f)
			}
			worst = worst || f.Severity == Warn || f.Severity == Bad
		}
		if Sick(list) != worst {
			t.Errorf("%s: sick %v, want %v", name, Sick(list), worst)
		}
		if len(bad) != len(tt.want) {
			t.Errorf("%s: got %v, want %v", name, bad, tt.want)
			continue
		}
		for i, w := range tt.want {
			f := bad[i]
			if found([]Finding{f})[0] != w[0] || !says(f.What, w[1]) || !says(f.Means, w[2]) || !says(f.Fix, w[3]) {
				t.Errorf("%s: got %+v, want %v", name, f, w)
			}
		}
	}
}

func says(text, want string) bool {
	if want == "-" {
		return text == ""
	}
	return strings.Contains(text, want)
}

// Without any services there is no order to praise.
func TestDiagnoseOfAnEmptyHost(t *testing.T) {
	t.Parallel()
	h := healthy()
	h.Units, h.Leftover, h.Living, h.Locks = []Unit{{Name: "data-volume.service", Kind: "volume"}}, false, 0, false
	if got := found(Diagnose(h)); slices.Contains(got, "good order") || Sick(Diagnose(h)) {
		t.Errorf("got %v", got)
	}
	// Nothing can be asked at all: each is said once, and nothing is praised.
	h = Health{User: "app", UID: 1000, LogindErr: "no bus", ManagerErr: "no socket", ContainersErr: "no /proc"}
	want := []string{"good stand-down", "bad logind", "bad manager", "warn runtime"}
	if got := found(Diagnose(h)); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestDiagnoseChangesNothing(t *testing.T) {
	t.Parallel()
	h := healthy()
	h.Lost, h.Early = []LostFile{{"/b", "/c"}}, []string{"z", "a"}
	Diagnose(h)
	want := healthy()
	want.Lost, want.Early = []LostFile{{"/b", "/c"}}, []string{"z", "a"}
	if !reflect.DeepEqual(h, want) {
		t.Errorf("it was changed to %+v", h)
	}
}

func TestSick(t *testing.T) {
	t.Parallel()
	for s, want := range map[Severity]bool{Good: false, Info: false, Warn: true, Bad: true} {
		if got := Sick([]Finding{{Severity: Good}, {Severity: s}, {Severity: Info}}); got != want {
			t.Errorf("%s: %v, want %v", s, got, want)
		}
	}
	if Sick(nil) {
		t.Error("nothing is sick")
	}
}
