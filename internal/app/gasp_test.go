package app

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"keeper/internal/core"
	"keeper/internal/history"
)

func TestGasp(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fact gaspFact
		hang bool // the recorder never hears of it
		want []string
		took time.Duration
	}{
		"only keeper ends":     {},
		"the user manager":     {fact: gaspFact{stops: true, cause: "somebody"}, want: []string{"deliver somebody", "keep", "flush"}, took: gaspMost},
		"the machine":          {fact: gaspFact{stops: true, machine: true, cause: "down"}, want: []string{"deliver down", "keep", "flush"}, took: gaspMost},
		"a loop that is stuck": {fact: gaspFact{stops: true, cause: "x"}, hang: true, want: []string{"deliver x"}, took: gaspMost},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var did []string
				recorded := make(chan struct{})
				g := gasp{log: slog.New(slog.DiscardHandler), recorded: recorded,
					why: func(context.Context) gaspFact { return tt.fact },
					deliver: func(e core.Event) {
						m := e.(core.ManagerEnds)
						if m.Machine != tt.fact.machine {
							t.Errorf("%+v", m)
						}
						did = append(did, "deliver "+m.Cause)
						if !tt.hang {
							close(recorded)
						}
					},
					keep:  func(context.Context) { did = append(did, "keep") },
					flush: func(ctx context.Context) { did = append(did, "flush"); <-ctx.Done() }, // a receiver that is slow
				}
				begin := time.Now()
				g.run(t.Context())
				if took := time.Since(begin); took != tt.took {
					t.Errorf("it took %v", took)
				}
				if !slices.Equal(did, tt.want) {
					t.Errorf("it did %q, want %q", did, tt.want)
				}
			})
		})
	}
}

// The state is on disk before the alert of it is queued, and the history before that; what
// could not be written is no reason to tell nobody.
func TestAlertsComeLast(t *testing.T) {
	t.Parallel()
	var did []string
	c := chronicler{log: slog.New(slog.DiscardHandler),
		Append: func(_ time.Time, entries ...core.Entry) error {
			did = append(did, "history")
			return errors.New("no room")
		},
		Record: func(string) (tape, error) { return nil, errors.New("no room") },
		Add:    func(a core.Alert) error { did = append(did, "alert "+a.Key); return nil },
	}
	open := core.State{Incidents: core.Incidents{Open: []core.Incident{{ID: "a", Told: []core.Telling{{Kind: core.AlertOpened}}}}}}
	if !c.take(core.Wake{}, core.State{}, open, nil, time.Now()) {
		t.Error("an incident that somebody is to be told of may wait")
	}
	c.alert(core.Alert{Key: "a/1"})
	c.flush()
	if !slices.Equal(did, []string{"history", "alert a/1"}) {
		t.Errorf("it did %q", did)
	}
	if p := c.problems(); len(p) != 1 {
		t.Errorf("problems: %+v", p)
	}
	c.Append = func(time.Time, ...core.Entry) error { return nil }
	c.flush()
	if p := c.problems(); len(p) != 0 {
		t.Errorf("there is room again: %+v", p)
	}
}

// Changes of an incident that nobody is told of are one line, however many they are.
func TestChangesAreGathered(t *testing.T) {
	t.Parallel()
	var written []core.Entry
	c := chronicler{log: slog.New(slog.DiscardHandler), Record: func(string) (tape, error) { return nil, errors.New("none") },
		Append: func(_ time.Time, entries ...core.Entry) error { written = append(written, entries...); return nil }}
	was := core.State{Incidents: core.Incidents{Open: []core.Incident{{ID: "a"}}}}
	for n := range 50 {
		is := core.State{Incidents: core.Incidents{Open: []core.Incident{{ID: "a", Omitted: n + 1}}}}
		c.take(core.Wake{}, was, is, nil, time.Now())
		was = is
	}
	c.flush()
	if len(written) != 1 || written[0].Incident.Omitted != 50 {
		t.Errorf("%d lines: %+v", len(written), written)
	}
}

// The state was lost: what the history has open is gone on with, and closed one day.
func TestOpenIncidents(t *testing.T) {
	t.Parallel()
	store := history.Store{Dir: t.TempDir()}
	now := time.Now()
	l, err := store.OpenLog(now)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, i := range []core.Incident{
		{ID: "a", Began: now.Add(-2 * time.Hour), Opened: now.Add(-2 * time.Hour)}, {ID: "b", Began: now.Add(-time.Hour), Opened: now.Add(-time.Hour)},
		{ID: "closed", Began: now, Opened: now, Closed: now}, {ID: "old", Began: now.AddDate(0, -1, 0), Opened: now.AddDate(0, -1, 0)},
	} {
		if err := l.Append(now, core.Entry{At: now, Kind: core.EntryIncident, Incident: &i}); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, i := range openIncidents(store, now, slog.New(slog.DiscardHandler)) {
		got = append(got, i.ID)
	}
	if !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("got %q", got)
	}
}
