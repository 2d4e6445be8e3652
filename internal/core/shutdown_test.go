package core

import (
	"reflect"
	"testing"
	"time"
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

// store and app share a network; nothing orders the one before the other.
func store(name, active string) Unit {
	return with(service(name, active), func(u *Unit) { u.Image, u.Networks = "docker.io/library/postgres:17", []string{"stack"} })
}

func app(name, active string, after ...string) Unit {
	return with(service(name, active), func(u *Unit) {
		u.Image, u.Networks, u.After = "localhost/"+name, []string{"stack"}, after
	})
}

func TestShutdown(t *testing.T) {
	stop := step{e: PrepareForShutdown{Active: true}, want: "stop-units", reason: "nothing orders it before its stores"}
	stack := after(settled(), step{e: DelayTaken{Grant: 5 * time.Second}},
		step{e: list(store("db", "active"), app("web", "active"), app("ordered", "active", "db.service"))})
	with := func(more ...step) []step { return after(append([]step{}, stack...), more...) }
	tell(t, map[string]tale{
		"what is not ordered stops first": {steps: with(stop,
			step{e: UnitsStopped{Units: []string{"web.service"}}, want: "release-delay"},
		)},
		"nothing is stopped while keeper stands down": {steps: with(
			step{e: StandDownSeen{paused}, want: "note:stand down"},
			step{e: PrepareForShutdown{Active: true}, want: "note:leave everything as it is | release-delay"},
			step{e: PrepareForShutdown{}, want: "note:look again | take-delay | look-linger"},
		)},
		"not all stopped in time": {steps: with(stop,
			step{e: UnitsStopped{Units: []string{"web.service"}, Err: "1 of 1 units did not stop in time"},
				want: "note:let the machine go down | release-delay"},
		)},
		"what keeper stops is nobody's word": {steps: with(stop,
			step{e: StopAsked{Name: "web.service"}},
			step{e: UnitSeen{app("web", "deactivating")}},
			step{e: UnitSeen{app("web", "inactive")}},
			step{e: UnitsStopped{}, want: "release-delay"},
			step{e: PrepareForShutdown{}, want: "note:look again | take-delay | look-linger | start-units", reason: "called off"},
		)},
		"called off while it stops": {steps: with(stop,
			step{e: UnitSeen{app("web", "deactivating")}},
			step{e: PrepareForShutdown{}, want: "note:look again | take-delay | look-linger"},
			// That delay is for the next one.
			step{e: UnitsStopped{}},
			step{e: UnitSeen{app("web", "inactive")}, want: "start-units", reason: "keeper stopped it for a shutdown that was called off"},
		)},
		"called off before the stop was seen": {steps: with(stop,
			step{e: PrepareForShutdown{}, want: "note:look again | take-delay | look-linger"},
			step{e: UnitSeen{busy(app("web", "active"))}},
			step{e: UnitsStopped{}},
			step{e: UnitSeen{app("web", "deactivating")}},
			step{e: UnitSeen{app("web", "inactive")}, want: "start-units"},
		)},
		"called off, and nothing had stopped": {steps: with(stop,
			step{e: UnitsStopped{Err: "timeout"}, want: "note:let the machine go down | release-delay"},
			step{e: PrepareForShutdown{}, want: "note:look again | take-delay | look-linger"},
			step{e: UnitSeen{app("web", "active")}},
		)},
		"called off, and keeper stands down by then": {steps: with(stop,
			step{e: StandDownSeen{paused}, want: "note:stand down"},
			step{e: UnitSeen{app("web", "inactive")}},
			step{e: UnitsStopped{}, want: "release-delay"},
			step{e: PrepareForShutdown{}, want: "note:look again | take-delay | look-linger"},
			step{e: StandDownSeen{}, want: "note:stand up | start-units"},
		)},
		"called off, and announced again": {steps: with(stop,
			step{e: UnitsStopped{}, want: "release-delay"},
			step{e: PrepareForShutdown{}, want: "note:look again | take-delay | look-linger"},
			step{e: DelayTaken{Grant: time.Second}},
			stop,
		)},
		"the order is true: nothing to do": {steps: after(settled(),
			step{e: list(store("db", "active"), app("web", "active", "db.service"))},
			step{e: PrepareForShutdown{Active: true}, want: "note:leave everything as it is | release-delay"},
		)},
		"what does not run need not stop": {steps: after(settled(),
			step{e: list(store("db", "active"), app("web", "failed"), app("api", "activating"))},
			step{e: PrepareForShutdown{Active: true}, want: "note:leave everything as it is | release-delay"},
		)},
		"no delay to be had": {steps: after(settled(),
			step{e: DelayTaken{Err: "denied"}, want: "note:go without a delay of shutdowns", reason: "denied"},
			step{e: DelayTaken{Err: "denied"}},
			step{e: DelayTaken{Grant: time.Second}},
			step{e: DelayTaken{Err: "denied"}, want: "note:go without a delay of shutdowns"},
		)},
		"no delay to be had: it is asked for again now and then": {steps: after(settled(),
			step{e: DelayTaken{Err: "timeout"}, want: "note:go without a delay of shutdowns"},
			step{after: LookEvery, e: Wake{}, want: "look-linger | look-units | take-delay | look-manager", reason: "nothing tells"},
			step{e: LingerSeen{On: true}}, step{e: ManagerSeen{}},
			step{e: DelayTaken{Err: "timeout"}},
			step{after: LookEvery, e: Wake{}, want: "look-linger | look-units | take-delay | look-helpers | look-manager"},
			step{e: LingerSeen{On: true}}, step{e: ManagerSeen{}},
			step{e: DelayTaken{Grant: time.Second}},
			step{after: LookEvery, e: Wake{}, want: "look-linger | look-units | look-manager"},
		)},
		"no delay to be had, and nobody to ask": {steps: after(settled(),
			step{e: DelayTaken{Err: "timeout"}, want: "note:go without a delay of shutdowns"},
			step{e: LogindDown{Err: "gone"}, want: "note:wait for logind"},
			step{after: LookEvery, e: Wake{}, want: "look-units | look-manager"},
		)},
		"no delay to be had, and none needed any more": {steps: after(settled(),
			step{e: DelayTaken{Err: "timeout"}, want: "note:go without a delay of shutdowns"},
			step{e: PrepareForShutdown{Active: true}, want: "note:leave everything as it is | release-delay"},
			step{after: LookEvery, e: Wake{}, want: "look-linger | look-units | look-manager"},
		)},
		"the delay came too late": {steps: []step{
			{e: StandDownSeen{}},
			{e: LogindUp{}, want: "take-delay | look-linger"},
			{e: PrepareForShutdown{Active: true}, want: "note:leave everything as it is | release-delay"},
			{e: DelayTaken{Grant: time.Second}, want: "release-delay"},
		}},
		"the delay came while services stop": {steps: with(stop,
			step{e: DelayTaken{Grant: time.Second}},
			step{e: UnitsStopped{}, want: "release-delay"},
		)},
		"woken up: signals may have been missed": {steps: after(settled(),
			step{after: time.Second, e: PrepareForSleep{Active: true}},
			step{after: time.Second, e: PrepareForSleep{}},
			step{e: Wake{}, want: "look-linger | look-units"},
		)},
	})
}

// Stopping has to be over before logind's patience is.
func TestShutdownLimit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		taken DelayTaken
		want  time.Duration
	}{
		{DelayTaken{Grant: 5 * time.Second}, 4500 * time.Millisecond},
		{DelayTaken{Grant: 30 * time.Second}, 29500 * time.Millisecond},
		{DelayTaken{Grant: 600 * time.Millisecond}, 500 * time.Millisecond},
		{DelayTaken{Err: "denied"}, 500 * time.Millisecond},
	} {
		s := decide(State{}, LogindUp{}, tt.taken, list(store("db", "active"), app("web", "active"), app("api", "active")))
		if s.DelayGrant != tt.taken.Grant || s.DelayErr != tt.taken.Err {
			t.Errorf("%+v: the state has %v, %q", tt.taken, s.DelayGrant, s.DelayErr)
		}
		_, actions := Decide(s, PrepareForShutdown{Active: true}, noon)
		want := []string{"api.service", "web.service"}
		if len(actions) != 1 || actions[0].Limit != tt.want || !reflect.DeepEqual(actions[0].Units, want) || actions[0].What != "stop api, web first" {
			t.Errorf("%+v: got %+v, want %v stopped within %v", tt.taken, actions, want, tt.want)
		}
	}
}

func TestGaps(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		units []Unit
		want  []Gap
	}{
		"nothing": {},
		"one":     {[]Unit{store("db", "active"), app("web", "active")}, []Gap{{"web.service", "db.service"}}},
		"ordered": {[]Unit{store("db", "active"), app("web", "active", "db.service")}, nil},
		"ordered after another": {[]Unit{store("db", "active"), store("cache", "active"), app("web", "active", "db.service")},
			[]Gap{{"web.service", "cache.service"}}},
		"two by two, sorted": {[]Unit{store("db", "active"), store("cache", "active"), app("web", "active"), app("api", "active")},
			[]Gap{{"api.service", "cache.service"}, {"api.service", "db.service"}, {"web.service", "cache.service"}, {"web.service", "db.service"}}},
		"another network": {[]Unit{store("db", "active"), with(app("web", "active"), func(u *Unit) { u.Networks = []string{"other"} })}, nil},
		"one network in common": {[]Unit{store("db", "active"), with(app("web", "active"), func(u *Unit) { u.Networks = []string{"other", "stack"} })},
			[]Gap{{"web.service", "db.service"}}},
		"no network":                           {[]Unit{with(store("db", "active"), func(u *Unit) { u.Networks = nil }), with(app("web", "active"), func(u *Unit) { u.Networks = nil })}, nil},
		"stores know nothing of one another":   {[]Unit{store("db", "active"), store("cache", "active")}, nil},
		"a store's volume is no application":   {[]Unit{store("db", "active"), with(app("data", "active"), func(u *Unit) { u.Kind = "volume" })}, nil},
		"an image unit of a store is no store": {[]Unit{with(store("db", "active"), func(u *Unit) { u.Kind = "image" }), app("web", "active")}, nil},
	} {
		units := map[string]Unit{}
		for _, u := range tt.units {
			units[u.Name] = u
		}
		if got := Gaps(units); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
	if got, want := (Gap{"web.service", "db.service"}).String(), "web is not ordered after db"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestShutdownNeed(t *testing.T) {
	t.Parallel()
	slow := func(u Unit, limit time.Duration) Unit { return with(u, func(u *Unit) { u.StopLimit = limit }) }
	units := map[string]Unit{"db.service": slow(store("db", "active"), time.Minute), "ordered.service": slow(app("ordered", "active", "db.service"), time.Hour)}
	if got := ShutdownNeed(units); got != 0 {
		t.Errorf("with the order true: %v, want nothing", got)
	}
	// They stop side by side.
	units["web.service"], units["api.service"] = slow(app("web", "active"), 15*time.Second), slow(app("api", "active"), 10*time.Second)
	if got := ShutdownNeed(units); got != 15*time.Second {
		t.Errorf("got %v, want 15s", got)
	}
}

func TestIsStore(t *testing.T) {
	t.Parallel()
	for image, want := range map[string]bool{
		"docker.io/library/postgres:17":        true,
		"docker.io/library/postgres":           true,
		"postgres":                             true,
		"quay.io/minio/minio@sha256:0123":      true,
		"localhost:5000/redis:8.0@sha256:0123": true,
		"localhost:5000/valkey":                true,
		"docker.io/bitnami/postgresql:16":      true,
		"docker.io/pgvector/pgvector:pg17":     true,
		"docker.io/prom/postgres-exporter:1":   false,
		"docker.io/library/postgres/exporter":  false,
		"localhost/django":                     false,
		"localhost:5000":                       false,
		"docker.io/library/nginx:postgres":     false,
		"docker.io/library/nginx@sha256:redis": false,
		"":                                     false,
		"/":                                    false,
		":":                                    false,
		"@":                                    false,
	} {
		if got := IsStore(image); got != want {
			t.Errorf("%q: got %v, want %v", image, got, want)
		}
	}
}
