package core

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// filled sets every field of a Supervision to something.
func filled(t *testing.T) Supervision {
	t.Helper()
	var s Supervision
	v := reflect.ValueOf(&s).Elem()
	for i := range v.NumField() {
		f := v.Field(i)
		switch f.Interface().(type) {
		case map[string]string:
			continue // From
		case []string:
			f.Set(reflect.ValueOf([]string{"x"}))
		case time.Duration, int:
			f.SetInt(7)
		case uint16:
			f.SetUint(7)
		case bool:
			f.SetBool(true)
		default:
			if f.Kind() != reflect.String {
				t.Fatalf("what is a %s?", f.Type())
			}
			f.SetString("x")
		}
	}
	return s
}

// Every field has a key, by its name in keeper.toml and in [X-Keeper], and Over
// knows it.
func TestEveryKey(t *testing.T) {
	full, typ := filled(t), reflect.TypeFor[Supervision]()
	if typ.NumField() != len(Keys)+1 {
		t.Errorf("%d fields beside From, and %d keys", typ.NumField()-1, len(Keys))
	}
	for _, key := range Keys {
		field, ok := typ.FieldByName(key.Unit)
		if tag, _, _ := strings.Cut(field.Tag.Get("json"), ","); !ok || tag != key.TOML {
			t.Errorf("%s: no such field, or it is %q in JSON", key.Unit, tag)
			continue
		}
		full.From = map[string]string{key.TOML: "file:1"}
		over := full.Over(Supervision{})
		for i := range typ.NumField() {
			if name := typ.Field(i).Name; name != "From" {
				if set := !reflect.ValueOf(over).Field(i).IsZero(); set != (name == key.Unit) {
					t.Errorf("with %s set, is %s? %v", key.Unit, name, set)
				}
			}
		}
		if !reflect.DeepEqual(over.From, full.From) {
			t.Errorf("%s comes from %v", key.Unit, over.From)
		}
		// What is set to nothing is set.
		if under := (Supervision{From: full.From}).Over(full); !reflect.ValueOf(under).FieldByName(key.Unit).IsZero() {
			t.Errorf("%s cannot be set to nothing", key.Unit)
		}
	}
}

func TestOverLeavesItsInput(t *testing.T) {
	base := Supervision{Port: 1, Host: "a", From: map[string]string{"port": "base", "host": "base"}}
	s := Supervision{Port: 2, Host: "b", From: map[string]string{"port": "over"}}
	got := s.Over(base)
	if want := (Supervision{Port: 2, Host: "a", From: map[string]string{"port": "over", "host": "base"}}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if base.From["port"] != "base" || len(s.From) != 1 {
		t.Error("the input was changed")
	}
}

func TestInference(t *testing.T) {
	t.Parallel()
	publishing := func(image string, ports ...uint16) Unit {
		u := Unit{Name: "x.service", Kind: "container", Image: image}
		for _, p := range ports {
			u.Ports, u.Inside = append(u.Ports, "127.0.0.1:1"+string(rune('0'+p%10))), append(u.Inside, p)
		}
		return u
	}
	checked := func(u Unit) Unit { u.HealthCheck = true; return u }
	key := func(k string, s Supervision) Supervision { s.From = map[string]string{k: "keeper.toml:3"}; return s }
	for _, tt := range []struct {
		name    string
		u       Unit
		said    Supervision
		probe   ProbeKind
		address string
		port    uint16
		grace   time.Duration
		from    string // of the probe
		restart RestartRule
	}{
		{"postgres", publishing("docker.io/library/postgres:17"), Supervision{}, ProbePostgres, "", 5432, 5 * time.Minute, fromImage, RestartIll},
		{"postgres by digest", publishing("quay.io/x/postgis@sha256:0"), Supervision{}, ProbePostgres, "", 5432, 5 * time.Minute, fromImage, RestartIll},
		{"postgres, published", publishing("postgres", 5432), Supervision{}, ProbePostgres, "127.0.0.1:12", 0, 5 * time.Minute, fromImage, RestartIll},
		{"postgres, with a health check", checked(publishing("postgres")), Supervision{}, ProbePostgres, "", 5432, 5 * time.Minute, fromImage, RestartIll},
		{"valkey", publishing("valkey/valkey:8"), Supervision{}, ProbeRedis, "", 6379, 5 * time.Minute, fromImage, RestartIll},
		{"minio, which publishes its console alone", publishing("quay.io/minio/minio:latest", 9001), Supervision{}, ProbeS3, "", 9000, 5 * time.Minute, fromImage, RestartIll},
		{"minio", publishing("quay.io/minio/minio:latest", 9001, 9000), Supervision{}, ProbeS3, "127.0.0.1:10", 0, 5 * time.Minute, fromImage, RestartIll},
		{"web", publishing("localhost/ledger", 8000), Supervision{}, ProbeHTTP, "127.0.0.1:10", 0, time.Minute, fromPorts, RestartIll},
		{"web among others", publishing("localhost/ledger", 22, 8081), Supervision{}, ProbeHTTP, "127.0.0.1:11", 0, time.Minute, fromPorts, RestartIll},
		{"some port", publishing("localhost/x", 2525), Supervision{}, ProbeTCP, "127.0.0.1:15", 0, time.Minute, fromPorts, RestartIll},
		{"a health check", checked(publishing("localhost/x", 8000)), Supervision{}, ProbePodman, "", 0, time.Minute, fromHealth, RestartIll},
		{"a health check of a store", checked(publishing("mysql")), Supervision{}, ProbePodman, "", 0, 5 * time.Minute, fromHealth, RestartNever},
		{"nothing", publishing("localhost/x"), Supervision{}, ProbeProcess, "", 0, time.Minute, FromDefault, RestartIll},
		{"a pod that publishes", Unit{Kind: "pod", Ports: []string{"127.0.0.1:18"}, Inside: []uint16{80}}, Supervision{}, ProbeHTTP, "127.0.0.1:18", 0, time.Minute, fromPorts, RestartIll},
		{"ports that nobody knows the inside of", Unit{Ports: []string{"127.0.0.1:18"}}, Supervision{}, ProbeProcess, "", 0, time.Minute, FromDefault, RestartIll},

		{"told to be none", publishing("postgres", 5432), key("probe", Supervision{Probe: ProbeNone}), ProbeNone, "", 0, 5 * time.Minute, "keeper.toml:3", RestartIll},
		{"told to be redis", publishing("localhost/x"), key("probe", Supervision{Probe: ProbeRedis}), ProbeRedis, "", 6379, time.Minute, "keeper.toml:3", RestartIll},
		{"told to be redis, on its one port", publishing("localhost/x", 7000), key("probe", Supervision{Probe: ProbeRedis}), ProbeRedis, "127.0.0.1:10", 0, time.Minute, "keeper.toml:3", RestartIll},
		{"told to be http, on the first port", publishing("localhost/x", 7003, 7004), key("probe", Supervision{Probe: ProbeHTTP}), ProbeHTTP, "127.0.0.1:13", 0, time.Minute, "keeper.toml:3", RestartIll},
		{"a port of its own", publishing("postgres", 5432), key("port", Supervision{Port: 5433}), ProbePostgres, "", 5433, 5 * time.Minute, fromImage, RestartIll},
		{"an address of its own", publishing("postgres", 5432), key("address", Supervision{Address: "[::1]:5"}), ProbePostgres, "[::1]:5", 0, 5 * time.Minute, fromImage, RestartIll},
		{"a store that is to be asked otherwise", checked(publishing("mysql", 3306)), key("probe", Supervision{Probe: ProbeTCP}), ProbeTCP, "127.0.0.1:16", 0, 5 * time.Minute, "keeper.toml:3", RestartIll},
		{"a store that Podman is to be asked about", checked(publishing("postgres")), key("probe", Supervision{Probe: ProbePodman}), ProbePodman, "", 0, 5 * time.Minute, "keeper.toml:3", RestartNever},
		{"and to be restarted all the same", checked(publishing("mysql")), key("restart", Supervision{Restart: RestartIll}), ProbePodman, "", 0, 5 * time.Minute, fromHealth, RestartIll},
	} {
		got := Supervise(tt.u, Settings{}, tt.said)
		if got.Probe != tt.probe || got.Address != tt.address || got.Port != tt.port || got.Grace != tt.grace || got.From["probe"] != tt.from || got.Restart != tt.restart {
			t.Errorf("%s: %s at %q and %d with %v, %s, restart %s", tt.name, got.Probe, got.Address, got.Port, got.Grace, got.From["probe"], got.Restart)
		}
		if got.Interval == 0 || got.Timeout == 0 || got.Failures == 0 || got.Successes == 0 || got.Restarts == 0 || got.Window == 0 || got.Thaw == 0 {
			t.Errorf("%s: not all is set: %+v", tt.name, got)
		}
		if (got.Live != "") != (tt.probe == ProbeS3) {
			t.Errorf("%s: live is %q", tt.name, got.Live)
		}
		v := reflect.ValueOf(got)
		for _, k := range Keys {
			if set := !v.FieldByName(k.Unit).IsZero(); set && got.From[k.TOML] == "" {
				t.Errorf("%s: nobody knows where %s comes from", tt.name, k.TOML)
			}
		}
	}
}

// keeper.toml about the service comes before its section, and that before the
// defaults of keeper.toml.
func TestPrecedence(t *testing.T) {
	t.Parallel()
	says := func(from string, failures, successes int, grace time.Duration) Supervision {
		s := Supervision{Failures: failures, Successes: successes, Grace: grace, From: map[string]string{}}
		for key, set := range map[string]bool{"failures": failures > 0, "successes": successes > 0, "grace": grace > 0} {
			if set {
				s.From[key] = from
			}
		}
		return s
	}
	settings := Settings{Defaults: says("defaults", 4, 5, 6), Services: map[string]Supervision{"x": says("service", 14, 0, 0)}}
	got := Supervise(Unit{Name: "x.service", Kind: "container"}, settings, says("section", 24, 25, 0))
	if got.Failures != 14 || got.Successes != 25 || got.Grace != 6 ||
		got.From["failures"] != "service" || got.From["successes"] != "section" || got.From["grace"] != "defaults" || got.From["interval"] != FromDefault {
		t.Errorf("got %+v", got)
	}
	if other := Supervise(Unit{Name: "y.service", Kind: "container"}, settings, Supervision{}); other.Failures != 4 {
		t.Errorf("another service: %+v", other)
	}
}

func TestDependenciesOf(t *testing.T) {
	t.Parallel()
	u := Unit{Name: "web.service", Needs: []string{"db.service", "data-volume.service"}}
	got := Dependencies(u, Supervision{DependsOn: []string{"web.service", "cache.service", "db.service"}})
	if want := []string{"cache.service", "data-volume.service", "db.service"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if !slices.Equal(u.Needs, []string{"db.service", "data-volume.service"}) {
		t.Error("the unit was changed")
	}
}

// TestPlan: what is to be probed is told when it changes, and only then.
func TestPlan(t *testing.T) {
	t.Parallel()
	volume := with(svc("data", "active"), func(u *Unit) { u.Kind = "volume" })
	once := with(svc("backup", "active"), func(u *Unit) { u.OneShot = true })
	db, web := svc("db", "active"), svc("web", "active")
	section := func(s Supervision) UnitsSeen {
		e := list(db, web, volume, once)
		e.Sections = map[string]Supervision{"web.service": s}
		return e
	}
	key := func(at, k string, s Supervision) Supervision { s.From = map[string]string{k: at}; return s }
	y := newStory(t)
	const same = "as before"
	for i, st := range []struct {
		e    Event
		want string
	}{
		{StandDownSeen{}, same},
		{list(web, volume, once, db), "db 1 7 3|web 1 7 3"},
		{list(db, web, volume, once), same},
		{shows("db", ConditionSilent), same},
		{UnitSeen{db}, same},
		{UnitSeen{with(db, func(u *Unit) { u.MainPID = 8 })}, "db 1 8 3|web 1 7 3"},
		{UnitSeen{life("2", db)}, "db 2 7 3|web 1 7 3"},
		{UnitSeen{svc("db", "deactivating")}, "web 1 7 3"},
		{UnitSeen{svc("db", "failed")}, same},
		{UnitSeen{life("3", svc("db", "activating"))}, same},
		{UnitSeen{db}, "db 1 7 3|web 1 7 3"},
		{section(key("a:1", "failures", Supervision{Failures: 5})), "db 1 7 3|web 1 7 5"},
		{section(key("a:1", "failures", Supervision{Failures: 5})), same},
		{section(key("a:2", "failures", Supervision{Failures: 5})), same}, // only its line is another
		{UnitsSeen{Armed: true, Units: []Unit{db, web}, SectionErrs: map[string][]string{"web.service": {"a:2: no"}}}, same},
		{UnitsSeen{Err: "no"}, same},
		{SettingsSeen{Settings: Settings{Adopt: AdoptPropose, Defaults: key("b:1", "failures", Supervision{Failures: 9})}}, "db 1 7 9|web 1 7 5"},
		{SettingsSeen{Errs: []string{"no"}, Settings: Settings{Adopt: AdoptOff}}, same},
		{SettingsSeen{Settings: Settings{Adopt: AdoptPropose, Services: map[string]Supervision{"db": key("b:1", "probe", Supervision{Probe: ProbeNone})}}}, "web 1 7 5"},
		{HeldSeen{map[string]Hold{"web.service": {}}}, same},
		{list(db), ""},
		{ManagerDown{"gone"}, same},
	} {
		var actions []Action
		y.s, actions = Decide(y.s, st.e, y.now)
		got := same
		for j, a := range actions {
			if a.Kind != SetProbes {
				continue
			}
			if got != same || j > 0 {
				t.Errorf("step %d: it is told twice, or after %v", i, actions)
			}
			var words []string
			for _, p := range a.Targets {
				if p.Container != short(p.Unit) {
					t.Errorf("step %d: the container of %s is %q", i, p.Unit, p.Container)
				}
				words = append(words, strings.Join([]string{short(p.Unit), p.Invocation, string(rune('0' + p.MainPID)), string(rune('0' + p.Failures))}, " "))
			}
			got = strings.Join(words, "|")
		}
		if got != st.want {
			t.Errorf("step %d, %T: the plan is %q, want %q", i, st.e, got, st.want)
		}
	}
}

// A section with a mistake leaves what was in force, and settings that change let
// a service start afresh.
func TestSections(t *testing.T) {
	web := svc("web", "active")
	seen := func(failures int, errs ...string) UnitsSeen {
		e := list(web)
		if failures > 0 {
			e.Sections = map[string]Supervision{"web.service": {Failures: failures, From: map[string]string{"failures": "f:1"}}}
		}
		if len(errs) > 0 {
			e.SectionErrs = map[string][]string{"web.service": errs}
		}
		return e
	}
	bad := "note:go on with the settings of web before"
	ill := []step{tick("web", ConditionSilent, "note:call web ill | examine")}
	begin := chain(settled(), one(0, seen(1), ""), one(0, shows("web", ConditionReady), ""))
	tell(t, map[string]tale{
		"it holds":                 {steps: chain(begin, ill)},
		"a mistake keeps it":       {steps: chain(begin, one(0, seen(0, "no"), bad), one(0, seen(0, "no"), ""), ill)},
		"whatever came with it":    {steps: chain(begin, one(0, seen(3, "no"), bad), ill)},
		"another mistake":          {steps: chain(begin, one(0, seen(0, "no"), bad), one(0, seen(0, "neither"), bad))},
		"the same mistake anew":    {steps: chain(begin, one(0, seen(0, "no"), bad), one(0, seen(1), ""), one(0, seen(0, "no"), bad))},
		"it went":                  {steps: chain(begin, one(0, seen(0), ""), one(0, shows("web", ConditionSilent), ""))},
		"a mistake from the start": {steps: chain(settled(), one(0, seen(1, "no"), bad), one(0, shows("web", ConditionReady), ""), one(0, shows("web", ConditionSilent), ""))},
		"it changes while ill":     {steps: chain(begin, ill, one(0, seen(2), ""), one(0, examined("web", "web", ConditionSilent), ""), []step{tick("web", ConditionSilent, ""), tick("web", ConditionSilent, "note:call web ill | examine")})},
	})
	s := decide(State{}, seen(1), seen(0, "no"))
	if got := s.Services(noon)[0]; !slices.Equal(got.SettingsErrors, []string{"no"}) || got.Threshold != 1 {
		t.Errorf("shown as %+v", got)
	}
}
