package core

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var update = flag.Bool("update", false, "write what is said now as what is to be said")

// What a person reads at three in the morning: testdata/alerts has it.
func TestWhatAlertsSay(t *testing.T) {
	t.Parallel()
	for name, play := range map[string]func(w *town){
		"founding-incident": func(w *town) { w.blow(false, true, LifeRevived, 10*time.Second, backs); w.pass(5 * time.Minute) },
		"clean-reboot":      func(w *town) { w.blow(true, true, LifeBooted, 10*time.Second, backs); w.pass(5 * time.Minute) },
		"postgres-hangs":    func(w *town) { w.hangs("postgres"); w.pass(2 * time.Minute); w.heals("postgres"); w.pass(time.Hour) },
		"django-blocked":    func(w *town) { w.hangs("django"); w.pass(time.Minute); w.heals("django"); w.pass(time.Hour) },
		"given-up": func(w *town) {
			w.houses["redis.service"].stuck = true
			w.goes("redis.service", "failed", "failed")
			w.pass(13 * time.Hour)
			w.houses["redis.service"].stuck = false
			w.pass(2 * time.Hour)
		},
		"all-by-one-blow": func(w *town) {
			w.dies("redis", "postgres", "minio", "django")
			w.pass(5 * time.Hour)
			w.risen("redis", "postgres", "minio", "django")
			w.pass(time.Hour)
		},
		"flapping": func(w *town) {
			w.flap([]string{"redis"}, 3*time.Minute, 20*time.Second, 5*time.Hour)
			w.pass(time.Hour)
		},
		"linger-off": func(w *town) {
			w.linger = false
			w.tell(LingerHint{})
			w.pass(5 * time.Hour)
			w.linger = true
			w.tell(LingerHint{})
			w.pass(10 * time.Minute)
		},
		"drill": func(w *town) {
			w.tell(DrillAsked{Drill{ID: "d", Name: "terminate-user", Began: w.now, Until: w.now.Add(time.Minute)}})
			w.blow(false, true, LifeRevived, 10*time.Second, backs)
			w.pass(5 * time.Minute)
		},
		"file-lost": func(w *town) {
			e := w.list().(UnitsSeen)
			e.Lost = []LostFile{{Source: "/home/flowstate/.config/containers/systemd/postgres.container"}}
			w.tell(e)
			for range 10 {
				w.now = w.now.Add(time.Minute / 2)
				w.tell(Wake{})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := begin(t, stack...)
			play(w)
			var b strings.Builder
			for _, a := range w.alerts {
				fmt.Fprintf(&b, "%s %s %s\n%s\n\n%s\n", a.Kind, a.Urgency, a.At.Format(time.TimeOnly), a.Title, a.Text)
			}
			path := filepath.Join("testdata", "alerts", name+".txt")
			if *update {
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil || string(want) != b.String() {
				t.Errorf("got\n%s\nwant\n%s\n%v (go test -update writes it)", b.String(), want, err)
			}
		})
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, want string }{
		{"", ""}, {"short", "short"}, {"exactly ten", "exactly t…"}, {"ä\nö", "ä ö"}, {"äöüäöüäöüäöü", "äöüäöüäöü…"}, {"one, two, three", "one, two…"},
	} {
		if got := cut(tt.in, 10); got != tt.want || utf8.RuneCountInString(got) > 10 {
			t.Errorf("%q: got %q, want %q", tt.in, got, tt.want)
		}
	}
}

// Whatever a container says of itself, a title is a line of a bearable length, and says
// how many were hit.
func TestTitlesAreShort(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("long ", 500)
	for _, kind := range []IncidentKind{IncidentService, IncidentSession, IncidentMachine, IncidentProtection} {
		for _, telling := range []AlertKind{AlertOpened, AlertReminder, AlertClosed} {
			i := Incident{ID: "i", Kind: kind, Root: strings.Repeat("r", 300) + ".service", Cause: "it is " + long + "\nx", Began: noon, Mended: noon, Drill: "d",
				Symptoms: []Symptom{{Key: "a", Unit: "a.service", What: long, From: noon}, {Key: "b", What: long, From: noon}}, Told: []Telling{{Kind: telling, At: noon}}}
			for _, name := range []string{"a", "b", "c"} {
				i.Services = append(i.Services, Affected{Name: name + ".service", Times: 1, Stretches: []Stretch{{Pulse: PulseUp, From: noon}}})
			}
			a := alertOf(i, 0)
			if n := utf8.RuneCountInString(a.Title); n > titleMost || strings.Contains(a.Title, "\n") {
				t.Errorf("%s %s: %d characters: %q", kind, telling, n, a.Title)
			}
			if kind == IncidentService && telling == AlertOpened && !strings.HasSuffix(a.Title, "(and 3 others)") {
				t.Errorf("it does not say how many: %q", a.Title)
			}
			if len(a.Text) > 3000 {
				t.Errorf("the text has %d bytes", len(a.Text))
			}
		}
	}
}
