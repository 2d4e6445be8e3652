package core

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// flap has the services go down for d every p.
func (w *town) flap(names []string, p, d, long time.Duration) {
	for end := w.now.Add(long); w.now.Before(end); {
		at := w.now
		w.dies(names...)
		w.pass(d)
		w.risen(names...)
		w.pass(at.Add(p).Sub(w.now))
	}
}

const week = 7 * 24 * time.Hour

// A service that flaps all week, in whatever way, leads to a handful of alerts.
func TestWeekOfFlapping(t *testing.T) {
	t.Parallel()
	type way struct{ p, d time.Duration }
	var ways []way
	for _, p := range []time.Duration{10, 20, 30, 60, 65, 70, 90, 120, 300, 600, 1000, 1800, 3600, 7200, 10800, 14400, 21600, 28800} {
		p *= time.Second
		for _, d := range []time.Duration{6 * time.Second, p / 4, p / 2} {
			if d >= 6*time.Second && (d <= p/2 || p == 10*time.Second) && (d == 6*time.Second || d != p/4 || p > time.Minute) {
				ways = append(ways, way{p, d})
			}
		}
	}
	for _, y := range ways {
		t.Run(fmt.Sprintf("%v every %v", y.d, y.p), func(t *testing.T) {
			t.Parallel()
			long := week
			if y.p < 5*time.Minute && y.p != 70*time.Second && os.Getenv("KEEPER_TEST_LONG") == "" {
				long /= 7 // after that, nothing new comes
			}
			w := begin(t, "redis", "db")
			w.flap([]string{"redis"}, y.p, y.d, long)
			if n := len(w.alerts); n > 16 || n < 2 {
				t.Errorf("%d alerts:\n%s", n, w.heard())
			}
			n := len(w.alerts)
			w.pass(25 * time.Hour)
			if len(w.s.Incidents.Open) > 0 {
				t.Errorf("it is open still:\n%s", w.heard())
			}
			t.Logf("TABLE | %v | %v | %d | %d |", y.p, y.d, n, len(w.opened))
		})
	}
}

func TestWeekOfManyFlapping(t *testing.T) {
	t.Parallel()
	names := []string{"a", "b", "c", "d", "e", "f"}
	for _, p := range []time.Duration{30 * time.Second, 90 * time.Second, 5 * time.Minute, time.Hour, 8 * time.Hour} {
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			long := week
			if p < time.Hour && os.Getenv("KEEPER_TEST_LONG") == "" {
				long /= 7
			}
			w := begin(t, names...)
			w.flap(names, p, 10*time.Second, long)
			if n := len(w.alerts); n > 16 {
				t.Errorf("%d alerts, together:\n%s", n, w.heard())
			}
			t.Logf("TABLE | %v | together | %d | %d |", p, len(w.alerts), len(w.opened))
			// Each on its own, a little apart.
			w = begin(t, names...)
			gap := max(p/20, 11*time.Second)
			period := max(p, 10*gap+15*time.Second)
			for end := w.now.Add(long); w.now.Before(end); {
				at := w.now
				for n, name := range names {
					w.pass(at.Add(time.Duration(n) * gap).Sub(w.now))
					w.dies(name)
					w.pass(10 * time.Second)
					w.risen(name)
				}
				w.pass(at.Add(period).Sub(w.now))
			}
			if n := len(w.alerts); n > 16*len(names) {
				t.Errorf("%d alerts, apart:\n%s", n, w.heard())
			}
			t.Logf("TABLE | %v | apart | %d | %d |", period, len(w.alerts), len(w.opened))
		})
	}
}

// Whatever flaps, or is away for days: that another service is not well is told of, and
// soon.
func TestFlappingHidesNobody(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]func(w *town, at time.Duration){
		"flapping fast":   func(w *town, at time.Duration) { w.flap([]string{"redis"}, 10*time.Second, 6*time.Second, at) },
		"flapping":        func(w *town, at time.Duration) { w.flap([]string{"redis"}, 90*time.Second, 20*time.Second, at) },
		"flapping slowly": func(w *town, at time.Duration) { w.flap([]string{"redis"}, 20*time.Minute, time.Minute, at) },
		"given up for days": func(w *town, at time.Duration) {
			w.houses["redis.service"].stuck = true
			w.goes("redis.service", "failed", "failed")
			w.pass(2*24*time.Hour + at)
		},
		"the session died": func(w *town, at time.Duration) {
			w.houses["redis.service"].stuck = true
			w.blow(false, true, LifeRevived, 10*time.Second, map[string]time.Duration{"minio": 12 * time.Second, "postgres": 13 * time.Second, "web": 13 * time.Second})
			w.goes("redis.service", "failed", "failed")
			w.pass(max(at, 2*time.Minute))
		},
		"sessions die all day": func(w *town, at time.Duration) {
			for range 6 {
				w.blow(false, true, LifeRevived, 10*time.Second, map[string]time.Duration{"minio": 12 * time.Second, "postgres": 13 * time.Second, "web": 13 * time.Second, "redis": 13 * time.Second})
				w.pass(max(at, 2*time.Minute))
			}
		},
		"linger is off": func(w *town, at time.Duration) { w.linger = false; w.tell(LingerHint{}); w.pass(at) },
	} {
		for _, at := range []time.Duration{time.Minute, 3 * time.Minute, 11 * time.Minute, 71 * time.Minute, 9 * time.Hour} {
			for _, how := range []string{"dies", "hangs", "and web is blocked"} {
				t.Run(fmt.Sprintf("%s, at %v one %s", name, at, how), func(t *testing.T) {
					t.Parallel()
					w := begin(t, "redis", "postgres", "minio", "web:postgres")
					if strings.HasPrefix(how, "and") { // and web has been part of it once
						w.dies("redis", "web")
						w.pass(7 * time.Second)
						w.risen("redis", "web")
						w.pass(20 * time.Second)
					}
					first(w, at)
					certain := downPatience
					if how == "dies" {
						w.dies("postgres")
					} else {
						w.hangs("postgres")
						certain = 30 * time.Second
					}
					begun := w.now
					w.pass(certain + tellAfter + time.Second)
					for _, a := range w.alerts {
						if a.Root == "postgres.service" && a.Kind == AlertOpened && !a.At.Before(begun) {
							return
						}
					}
					t.Errorf("nobody was told:\n%s\n%+v", w.heard(), w.s.Incidents.Open)
				})
			}
		}
	}
}

// It flapped, and goes down for good while the incident is held open.
func TestFlappingThenDown(t *testing.T) {
	t.Parallel()
	for _, p := range []time.Duration{15 * time.Second, 2 * time.Minute, time.Hour} {
		w := begin(t, "redis")
		w.flap([]string{"redis"}, p, 7*time.Second, 30*time.Hour)
		n := len(w.alerts)
		w.dies("redis")
		w.pass(lastsLong + time.Minute)
		if len(w.alerts) != n+1 || w.alerts[n].Kind != AlertReminder || !strings.Contains(w.alerts[n].Title, "redis is down") {
			t.Errorf("%v: nobody was told:\n%s", p, w.heard())
		}
		w.pass(24 * time.Hour)
		if len(w.alerts) > n+4 {
			t.Errorf("%v: told too often:\n%s", p, w.heard())
		}
	}
}
