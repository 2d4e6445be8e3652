package core

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// soundStack sets facts of a stack of which nothing is to be said.
func soundStack(h *Health) {
	h.Stack = StackFacts{
		UserUnits: "/h/systemd/user", Quadlets: "/h/containers/systemd", Dropins: true, ManagerStop: 2 * time.Minute,
		Terms: map[string]Terms{},
	}
	for i := range h.Units {
		h.Units[i].StopLimit, h.Units[i].Source = 90*time.Second, "/h/containers/systemd/"+short(h.Units[i].Name)+".container"
		h.Stack.Terms[h.Units[i].Name] = Terms{Restart: "always", RestartWait: 5 * time.Second, StartLimit: 5, StartWindow: 10 * time.Second, Grace: 10 * time.Second}
	}
}

func TestStack(t *testing.T) {
	t.Parallel()
	port := func(unit, host string, first, last int) PublishedPort {
		return PublishedPort{Unit: unit, File: "/q/" + unit, Host: host, First: first, Last: last, Protocol: "tcp"}
	}
	terms := func(h *Health, unit string, change func(*Terms)) {
		x := h.Stack.Terms[unit]
		change(&x)
		h.Stack.Terms[unit] = x
	}
	const reload = "systemctl --user daemon-reload"
	for name, tt := range map[string]struct {
		change func(h *Health)
		// want are the findings that are not good: severity and id, and parts of what
		// it says, of what that means, and of the fix; then of the repair's steps.
		want [][5]string
	}{
		"sound": {func(*Health) {}, nil},

		"a typo": {func(h *Health) {
			h.Stack.Files = []QuadletFile{{File: "/q/web.container", Unit: "web.service", Why: "no such key", Try: "mend it"}}
		}, [][5]string{{"bad not-loaded", "web.container is not loaded: no such key", "no unit is made of it", "mend it (/q/web.container), then: " + reload, "-"}}},
		"a typo in a volume": {func(h *Health) {
			h.Stack.Files = []QuadletFile{{File: "/q/d.volume", Unit: "d-volume.service", Why: "no such key", Try: "mend it"}}
		}, [][5]string{{"warn not-loaded", "d.volume is not loaded", "", "", "-"}}},
		"not read yet": {func(h *Health) {
			h.Stack.Files = []QuadletFile{{File: "/q/web.container", Unit: "web.service", Why: "not read", Try: reload, Reload: true}}
		}, [][5]string{{"warn not-loaded", "is not loaded: not read", "no unit is made of it", reload, reload}}},
		"changed": {func(h *Health) {
			h.Stack.Files = []QuadletFile{{File: "/q/web.container", Unit: "web.service", Loaded: true, Why: "changed", Try: reload, Reload: true}}
			h.Drift = []Drift{{Unit: "web.service", Against: "container", Field: "file"}, {Unit: "web.service", Against: "container", Field: "image"}}
		}, [][5]string{{"warn not-loaded", "not in force as it stands: changed", "as the file was before", reload, reload}, {"warn drift", "image", "", "", "-"}}},
		"nobody says": {func(h *Health) { h.Stack.FilesErr = "no program" }, [][5]string{{"info not-loaded", "no program", "-", "--check", "-"}}},

		"an anonymous volume": {func(h *Health) {
			h.Stack.Anonymous = []AnonymousVolume{{Unit: "db.service", Container: "pg", Target: "/var/lib/x", Volume: "f00"}}
		}, [][5]string{{"bad anonymous-volume", "db: /var/lib/x is in an anonymous volume", "rm -v", "podman volume export f00 | podman volume import pg-var-lib-x - ; then in /h/containers/systemd/db.container, under [Container]: Volume=pg-var-lib-x:/var/lib/x", "-"}}},
		"one that does not run": {func(h *Health) { h.Stack.Anonymous = []AnonymousVolume{{Unit: "no.service", Target: "/d"}} },
			[][5]string{{"bad anonymous-volume", "no: /d is in", "", "in no.service, under [Container]: Volume=no-d:/d", "-"}}},
		"one without a unit": {func(h *Health) { h.Stack.Anonymous = []AnonymousVolume{{Container: "pg", Target: "/d", Volume: "f00"}} },
			[][5]string{{"warn anonymous-volume", "pg has no unit", "lost with the container", "keeper adopt pg", "-"}}},
		"an emptyDir": {func(h *Health) {
			h.Units[0].Kind = "kube"
			h.Stack.Anonymous = []AnonymousVolume{{Unit: "db.service", Container: "pg", Target: "/d", Volume: "f00"}}
		}, [][5]string{{"info anonymous-volume", "/d of pg", "emptyDir", "-", "-"}}},

		"no restart": {func(h *Health) { terms(h, "db.service", func(x *Terms) { x.Restart = "no" }) },
			[][5]string{{"warn restart-policy", "db.service has Restart=no", "leaves it down", "Restart=always, or on-failure", "/h/systemd/user/db.service.d/50-keeper-restart.conf [Service] Restart=on-failure"}}},
		"no restart, and it has ended": {func(h *Health) {
			h.Units[0].Active = "inactive"
			terms(h, "db.service", func(x *Terms) { x.Restart = "no" })
		}, nil},
		"no restart, and it has failed": {func(h *Health) {
			h.Units[0].Active = "failed"
			terms(h, "db.service", func(x *Terms) { x.Restart = "on-abnormal" })
		}, [][5]string{{"warn restart-policy", "Restart=on-abnormal", "", "", "Restart=on-failure"}}},
		"a task": {func(h *Health) {
			h.Units[0].OneShot = true
			terms(h, "db.service", func(x *Terms) { x.Restart = "no" })
		}, nil},
		"on failure":           {func(h *Health) { terms(h, "db.service", func(x *Terms) { x.Restart = "on-failure" }) }, nil},
		"a limit":              {func(h *Health) { terms(h, "db.service", func(x *Terms) { x.RestartWait = 100 * time.Millisecond }) }, [][5]string{{"info start-limit", "gives up on db after some starts in a row (5 within 10s)", "keeper ends that", "-", "-"}}},
		"a limit without end":  {func(h *Health) { terms(h, "db.service", func(x *Terms) { x.RestartWait, x.StartWindow = 0, 0 }) }, nil},
		"nothing of its terms": {func(h *Health) { h.Stack.Terms = nil }, nil},

		"a short stop": {func(h *Health) { h.Units[0].StopLimit = 10 * time.Second },
			[][5]string{{"warn stop-timeout", "db: its container may take 10s to stop (StopTimeout=), and systemd kills it after 10s", "killed", "TimeoutStopSec=25", "/h/systemd/user/db.service.d/50-keeper-stop.conf [Service] TimeoutStopSec=25"}}},
		"a stop beyond the manager's": {func(h *Health) { terms(h, "db.service", func(x *Terms) { x.Grace = 110 * time.Second }) },
			[][5]string{{"warn stop-timeout", "1m50s", "", "TimeoutStopSec=125", "-"}}},
		"no limit known": {func(h *Health) {
			h.Stack.ManagerStop = 0
			terms(h, "db.service", func(x *Terms) { x.Grace = 110 * time.Second })
		}, [][5]string{{"warn stop-timeout", "", "", "", "TimeoutStopSec=125"}}},
		"a unit beyond its manager": {func(h *Health) { h.Units[0].StopLimit = 2 * time.Minute },
			[][5]string{{"warn stop-manager", "db may take 2m to stop (TimeoutStopSec=), and its user manager 2m", "killed", "systemctl edit user@1000.service, [Service] TimeoutStopSec=135", "-"}}},
		"a chain": {func(h *Health) {
			for _, unit := range []string{"db.service", "web.service"} {
				terms(h, unit, func(x *Terms) { x.Grace = 60 * time.Second })
			}
		}, [][5]string{{"warn stop-chain", "web, db stop one after the other, which may take 2m, and their user manager has 2m", "store", "TimeoutStopSec=135", "-"}}},
		"side by side": {func(h *Health) {
			h.Units[1].After, h.Units[1].Networks = nil, nil
			for _, unit := range []string{"db.service", "web.service"} {
				terms(h, unit, func(x *Terms) { x.Grace = 60 * time.Second })
			}
		}, nil},
		"a circle": {func(h *Health) { h.Units[0].After = []string{"web.service"} }, nil},

		"a password": {func(h *Health) {
			h.Stack.Exposed = []ExposedSecret{{Unit: "db.service", File: "/q/db.container", Keys: []string{"PGPASSWORD", "TOKEN"}}}
		}, [][5]string{{"warn secret", "db: passwords stand in plain text in /q/db.container (PGPASSWORD, TOKEN)", "podman inspect", "Secret=NAME,type=env,target=PGPASSWORD", "-"}}},
		"a password for all": {func(h *Health) {
			h.Stack.Exposed = []ExposedSecret{{Unit: "db.service", File: "/q/db.env", Keys: []string{"TOKEN"}, Apart: true, Readable: true}}
		}, [][5]string{{"warn secret", "a password stands in plain text in /q/db.env (TOKEN), which every account", "whoever reads the file has it", "chmod go= '/q/db.env'; podman secret", "-"}}},
		"a password of root's for all": {func(h *Health) {
			h.Stack.Exposed = []ExposedSecret{{Unit: "db.service", File: "/etc/q/db.container", Keys: []string{"TOKEN"}, Readable: true, Foreign: true}}
		}, [][5]string{{"warn secret", "which every account", "", "podman secret create", "-"}}},

		"one port twice": {func(h *Health) {
			h.Stack.Ports = []PublishedPort{port("db.service", "", 80, 80), port("web.service", "127.0.0.1", 79, 82), port("web.service", "", 80, 80)}
		}, [][5]string{{"bad port-conflict", "db and web both publish port 80/tcp", "second fails", "another PublishPort= in /q/db.service or /q/web.service", "-"}}},
		"one port in turns": {func(h *Health) {
			h.Units[0].Wanted = false
			h.Stack.Terms["db.service"] = Terms{Triggered: true, Restart: "always", StartLimit: 0}
			h.Stack.Ports = []PublishedPort{port("db.service", "", 80, 80), port("web.service", "0.0.0.0", 80, 80)}
		}, [][5]string{{"info port-conflict", "", "at a time", "", "-"}}},
		"other ports": {func(h *Health) {
			udp := port("web.service", "", 80, 80)
			udp.Protocol = "udp"
			h.Stack.Ports = []PublishedPort{port("db.service", "10.0.0.1", 80, 80), port("web.service", "127.0.0.1", 80, 80), port("web.service", "::", 80, 80), udp, port("web.service", "10.0.0.1", 81, 90)}
		}, nil},

		"always, and down": {func(h *Health) { h.Stack.Policies = []RestartPolicy{{"a", "always", false}} },
			[][5]string{{"warn not-running", "a is to run (--restart=always), and does not", "nobody", "keeper adopt a; or podman start a", "-"}}},
		"always, by nobody": {func(h *Health) {
			h.Unkept, h.Stack.Policies = []Unkept{{Name: "a", ID: "1"}}, []RestartPolicy{{"a", "always", true}}
		},
			[][5]string{{"warn without-unit", "nothing carries out its --restart=always", "does not come back", "keeper adopt a; or systemctl --user enable podman-restart.service", "-"}}},
		"always, by podman-restart": {func(h *Health) {
			h.Unkept, h.Stack.Policies, h.Stack.RestartUnit = []Unkept{{Name: "a", ID: "1"}}, []RestartPolicy{{"a", "always", true}}, true
		}, [][5]string{{"info without-unit", "podman-restart.service starts it", "no order", "keeper adopt a", "-"}}},
		"unless stopped": {func(h *Health) {
			h.Unkept, h.Stack.Policies, h.Stack.RestartUnit = []Unkept{{Name: "a", ID: "1"}}, []RestartPolicy{{"a", "unless-stopped", true}}, true
		}, [][5]string{{"warn without-unit", "--restart=unless-stopped", "", "", "-"}}},
		"a timer's": {func(h *Health) {
			h.Units[0].Wanted = false
			terms(h, "db.service", func(x *Terms) { x.Triggered = true })
		}, nil},
	} {
		h := healthy()
		soundStack(&h)
		tt.change(&h)
		var bad []Finding
		for _, f := range Diagnose(h) {
			if f.Severity != Good {
				bad = append(bad, f)
			}
		}
		if len(bad) != len(tt.want) {
			t.Errorf("%s: got %+v, want %v", name, bad, tt.want)
			continue
		}
		for i, w := range tt.want {
			f := bad[i]
			if found([]Finding{f})[0] != w[0] || !says(f.What, w[1]) || !says(f.Means, w[2]) || !says(f.Fix, w[3]) || !says(steps(f), w[4]) {
				t.Errorf("%s: got %+v, steps %q; want %v", name, f, steps(f), w)
			}
		}
	}
}

// steps are what a repair does, in one line; nothing for none.
func steps(f Finding) string {
	if f.Repair == nil {
		return ""
	}
	words := []string{}
	for _, s := range f.Repair.Steps {
		words = append(words, s.Write, strings.TrimPrefix(strings.ReplaceAll(s.Text, "\n", " "), RepairMark+" "), s.Copy)
		words = append(words, s.Run...)
	}
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " ")
}

// All that is loaded is worth a word of praise.
func TestStackLoaded(t *testing.T) {
	t.Parallel()
	h := healthy()
	soundStack(&h)
	h.Stack.Files = []QuadletFile{{File: "/q/web.container", Unit: "web.service", Loaded: true}}
	if got := found(Diagnose(h)); !slices.Contains(got, "good not-loaded") {
		t.Errorf("got %v", got)
	}
}

// TestRepairs is about what the account itself can mend of what keeper rests on, and what
// it must not.
func TestRepairs(t *testing.T) {
	t.Parallel()
	const reload, start = "systemctl --user daemon-reload", "systemctl --user enable --now keeper"
	disorder := func(h *Health) {
		h.Units = []Unit{with(app("web", "active"), func(u *Unit) { u.Source = "/q/web.container" }), store("db", "active")}
		soundStack(h)
	}
	for name, tt := range map[string]struct {
		change   func(h *Health)
		id, want string
	}{
		"linger":                  {func(h *Health) { h.Linger = false }, "linger", "loginctl enable-linger app"},
		"linger, and nobody may":  {func(h *Health) { h.Linger, h.MayLinger = false, false }, "linger", ""},
		"linger, standing down":   {func(h *Health) { h.Linger, h.StandDown.Cause = false, CausePaused }, "linger", ""},
		"standing down":           {func(h *Health) { h.StandDown.Cause = CausePaused }, "stand-down", ""},
		"closing":                 {func(h *Health) { h.UserState = "closing" }, "closing", "loginctl enable-linger app"},
		"the session is stopped":  {func(h *Health) { h.Session.Active = false }, "rearm", start},
		"the session is stale":    {func(h *Health) { h.Session.Stale = true }, "rearm", reload},
		"the program is gone":     {func(h *Health) { h.Session.Missing = true }, "rearm", ""},
		"the daemon is disabled":  {func(h *Health) { h.Daemon.Enabled = false }, "daemon", start},
		"the daemon does not run": {func(h *Health) { h.Daemon.Active = false }, "daemon", start},
		"a stale runtime":         {func(h *Health) { h.Living = 0 }, "runtime", "keeper recover"},
		"the locks are gone":      {func(h *Health) { h.Locks = false }, "runtime", ""},
		"helpers are dead":        {func(h *Health) { h.Dead = []string{"pasta"} }, "network", "systemd-run --user --wait podman network reload --all"},
		"a file is lost":          {func(h *Health) { h.Lost = []LostFile{{"/q/web.container", "/c/web"}} }, "lost", "/q/web.container /c/web " + reload},
		"an adoption":             {func(h *Health) { h.Adoption = AdoptionInterrupted }, "adoption", ""},
		"no unit":                 {func(h *Health) { h.Unkept = []Unkept{{Name: "a", ID: "1"}} }, "without-unit", ""},

		"not wanted":                  {func(h *Health) { h.Units[0].Wanted = false }, "wanted", "/h/containers/systemd/db.container.d/50-keeper-wanted.conf [Install] WantedBy=default.target  " + reload},
		"not wanted, with an old one": {func(h *Health) { h.Units[0].Wanted, h.Stack.Dropins = false, false }, "wanted", ""},
		"not wanted, for its port is another's": {func(h *Health) {
			h.Units[0].Wanted = false
			h.Stack.Ports = []PublishedPort{{Unit: "db.service", First: 80, Last: 80, Protocol: "tcp"}, {Unit: "db2.service", First: 80, Last: 80, Protocol: "tcp"}}
		}, "wanted", ""},
		"an instance is not wanted": {func(h *Health) { h.Units[0].Wanted, h.Units[0].Name = false, "db@1.service" }, "wanted", ""},
		"a link's name is what counts": {func(h *Health) {
			h.Units[0].Wanted, h.Units[0].Source = false, "/srv/x.container"
			h.Stack.Files = []QuadletFile{{File: "/h/q/db.container", Unit: "db.service", Loaded: true}}
		}, "wanted", "/h/containers/systemd/db.container.d/50-keeper-wanted.conf [Install] WantedBy=default.target  " + reload},

		"no order": {disorder, "order", "/h/systemd/user/web.service.d/50-keeper-order-db.conf [Unit] After=db.service Requires=db.service  " + reload},
		"no order, and one in a circle": {func(h *Health) {
			disorder(h)
			h.Units[1].After = []string{"web.service"}
		}, "order", ""},
	} {
		h := healthy()
		soundStack(&h)
		tt.change(&h)
		list := Diagnose(h)
		i := slices.IndexFunc(list, func(f Finding) bool { return f.ID == tt.id && f.Severity != Good })
		if i < 0 {
			t.Errorf("%s: it is not found: %v", name, found(list))
			continue
		}
		if got := steps(list[i]); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
		if r := list[i].Repair; r != nil && r.What == "" {
			t.Errorf("%s: it does not say what it does", name)
		}
	}
}
