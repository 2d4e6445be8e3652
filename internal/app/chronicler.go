package app

import (
	"log/slog"
	"slices"
	"sync"
	"time"

	"keeper/internal/control"
	"keeper/internal/core"
)

// chronicler keeps the history and hands over the alerts, in the recorder's goroutine:
// the loop only leaves things here.
type chronicler struct {
	log *slog.Logger
	// Append writes to the history, Record begins a recording or goes on with one, and
	// Add puts an alert into the queue.
	Append func(now time.Time, entries ...core.Entry) error
	Record func(id string) (tape, error)
	Add    func(a core.Alert) error

	mu      sync.Mutex
	entries []core.Entry
	alerts  []core.Alert
	events  []recorded
	// of is the incident that a recording is made for.
	of   string
	tape tape
	// failed is why the history could not be written last time.
	failed string
}

// tape is a recording: history.Recording.
type tape interface {
	Add(at time.Time, e core.Event) error
	Close() error
}

// recorded is an event for the recording of an incident; without an event, the begin of
// one.
type recorded struct {
	of   string
	at   time.Time
	e    core.Event
	last bool
}

// mostLeft bounds what waits to be written, while the disk hangs.
const mostLeft = 5000

// take leaves what one event leads to. It returns true if that must not be lost.
func (c *chronicler) take(e core.Event, was, is core.State, decided []core.Decision, at time.Time) bool {
	list := core.Chronicle(was, is, e, decided, at)
	c.mu.Lock()
	defer c.mu.Unlock()
	urgent := false
	for _, n := range list {
		if n.Incident != nil {
			// Of many changes of one incident the last one says all.
			c.entries = slices.DeleteFunc(c.entries, func(o core.Entry) bool {
				return o.Incident != nil && o.Incident.ID == n.Incident.ID && o.What == n.What
			})
			urgent = urgent || !n.Incident.Open() || len(n.Incident.Told) != len(incidentOf(was, n.Incident.ID).Told)
		}
		urgent = urgent || n.Drill != nil
		c.entries = append(c.entries, n)
	}
	if n := len(c.entries) - mostLeft; n > 0 {
		c.entries = slices.Delete(c.entries, 0, n)
	}
	c.tapeEvent(e, was, is, at)
	return urgent
}

func incidentOf(s core.State, id string) core.Incident {
	for _, i := range s.Incidents.Open {
		if i.ID == id {
			return i
		}
	}
	return core.Incident{}
}

// tapeEvent records what happens while an incident is open.
func (c *chronicler) tapeEvent(e core.Event, was, is core.State, at time.Time) {
	open := is.Incidents.Open
	if c.of == "" {
		if len(open) == 0 {
			return
		}
		c.of = open[len(open)-1].ID
		c.events = append(c.events, recorded{of: c.of})
		for _, p := range was.Prologue() {
			c.events = append(c.events, recorded{of: c.of, at: at, e: p})
		}
	}
	if len(c.events) < mostLeft {
		c.events = append(c.events, recorded{of: c.of, at: at, e: e, last: len(open) == 0})
	}
	if len(open) == 0 {
		c.of = ""
	}
}

// alert leaves an alert.
func (c *chronicler) alert(a core.Alert) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.alerts = append(c.alerts, a)
}

// tell leaves an entry that comes from elsewhere.
func (c *chronicler) tell(e core.Entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.entries) < mostLeft {
		c.entries = append(c.entries, e)
	}
}

// flush writes what was left. The history first: an alert names an incident in it.
func (c *chronicler) flush() {
	c.mu.Lock()
	entries, alerts, events, failed := c.entries, c.alerts, c.events, c.failed
	c.entries, c.alerts, c.events = nil, nil, nil
	c.mu.Unlock()
	if len(entries) > 0 || failed != "" {
		err := c.Append(time.Now(), entries...)
		if err != nil && failed == "" {
			c.log.Error("the history cannot be written; what there is to say is kept in memory as far as there is room", "error", err)
		} else if err == nil && failed != "" {
			c.log.Info("the history is written again")
		}
		c.mu.Lock()
		c.failed = errText(err)
		c.mu.Unlock()
	}
	for _, r := range events {
		c.tapeOut(r)
	}
	for _, a := range alerts {
		if err := c.Add(a); err != nil {
			c.log.Error("an alert could not be kept on disk", "alert", a.Key, "error", err)
		}
	}
}

// problems are what a person should know of the history itself.
func (c *chronicler) problems() []control.Problem {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed == "" {
		return nil
	}
	return []control.Problem{{What: "the history cannot be written: " + c.failed, Try: "df -h ~/.local/state   # keeper keeps the newest in memory, and tries again by itself"}}
}

// tapeOut writes one event. A recording is a help for developers: where it cannot be
// made, nothing else suffers.
func (c *chronicler) tapeOut(r recorded) {
	if r.e == nil {
		tape, err := c.Record(r.of)
		if err != nil {
			c.log.Warn("an incident is not recorded", "incident", r.of, "error", err)
			return
		}
		c.tape = tape
		return
	}
	if c.tape == nil {
		return
	}
	err := c.tape.Add(r.at, r.e)
	if err != nil {
		c.log.Warn("an incident is recorded no further", "incident", r.of, "error", err)
	}
	if err != nil || r.last {
		_ = c.tape.Close()
		c.tape = nil
	}
}
