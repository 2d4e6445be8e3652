package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"keeper/internal/atomicfile"
	"keeper/internal/core"
)

const (
	// keepFor is how long an alert is tried to be sent, and its key remembered: what
	// nobody took for so long is of no use any more.
	keepFor = 7 * 24 * time.Hour
	most    = 1000
	// refusedWait is how long what a receiver does not take is left alone.
	refusedWait = time.Hour
)

// backoff is how long a channel that failed is left alone; the last holds for all that
// follow. Up to a tenth is added, so that not all hosts come at the same time.
var backoff = []time.Duration{time.Second, 5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour}

// Queue has the alerts that were not sent yet, on disk. The same alert, by its Key, goes
// out once to each channel, however often it is added; at a crash between the sending
// and the note of it, twice.
type Queue struct {
	// Told hears what became of alerts. It must not block.
	Told func(core.Entry)
	// User and Host are put into alerts that name none.
	User, Host string
	Helper     Helper
	// Commands runs those of channels; nil runs them as children of this process.
	Commands Runner

	dir     string
	changed chan struct{}

	mu       sync.Mutex
	items    []*item
	sent     map[string]time.Time // keys of what is done with, and since when
	lanes    map[string]*lane
	channels []core.Channel
	set      bool
}

// item is one alert, and how it stands with each channel that it is for.
type item struct {
	Alert core.Alert `json:"alert"`
	Added time.Time  `json:"added"`
	// To is nil until the channels are known.
	To map[string]*delivery `json:"to,omitempty"`
}

type delivery struct {
	Done  bool      `json:"done,omitempty"`
	Tries int       `json:"tries,omitempty"`
	Err   string    `json:"error,omitempty"`
	Next  time.Time `json:"next,omitzero"`
}

// lane is a channel, which sends one alert at a time.
type lane struct {
	channel core.Channel
	busy    chan struct{}
	poke    chan struct{}
	fails   int
	next    time.Time
	cancel  context.CancelFunc
}

// Open reads what is in the queue. What cannot be read is set aside, and the error says
// so; the Queue is good for use all the same.
func Open(dir string, now time.Time) (*Queue, error) {
	q := &Queue{dir: dir, changed: make(chan struct{}, 1), sent: map[string]time.Time{}, lanes: map[string]*lane{}, Told: func(core.Entry) {}}
	files, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return q, nil
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".json") {
			continue
		}
		path := filepath.Join(dir, f.Name())
		if f.Name() == sentName {
			err = errors.Join(err, load(path, &q.sent, now))
			continue
		}
		var i item
		lerr := load(path, &i, now)
		if lerr == nil && i.Alert.Key != "" {
			for name, d := range i.To {
				if d == nil { // null, of whoever edited it
					i.To[name] = &delivery{}
				}
			}
			q.items = append(q.items, &i)
		}
		err = errors.Join(err, lerr)
	}
	if q.sent == nil {
		q.sent = map[string]time.Time{}
	}
	slices.SortStableFunc(q.items, func(a, b *item) int { return a.Added.Compare(b.Added) })
	return q, err
}

const (
	sentName = "sent.json"
	maxFile  = 1 << 20
)

func readJSON(path string, v any) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return err
	case len(data) > maxFile:
		return fmt.Errorf("%s is longer than %d bytes", path, maxFile)
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%s cannot be read: %w", path, err)
	}
	return nil
}

func load(path string, v any, now time.Time) error {
	err := readJSON(path, v)
	if err == nil {
		return nil
	}
	to := path + ".damaged-" + now.UTC().Format("20060102T150405")
	if rerr := os.Rename(path, to); rerr != nil {
		return errors.Join(err, rerr)
	}
	return fmt.Errorf("%s cannot be read and was set aside as %s: %w", path, to, err)
}

func (q *Queue) path(i *item) string {
	return filepath.Join(q.dir, strings.ReplaceAll(i.Alert.Key, "/", "_")+".json")
}

// Add puts an alert into the queue, and into the journal. It is on disk when Add returns;
// if that fails it is sent all the same, as long as this process lives. One that is there
// already, or was sent, is not added again.
func (q *Queue) Add(a core.Alert) error {
	if a.User == "" {
		a.User = q.User
	}
	if a.Host == "" {
		a.Host = q.Host
	}
	added, err := q.add(a)
	if !added {
		return nil
	}
	return errors.Join(err, Journal(a)) // which may wait for journald, and holds up nobody else
}

func (q *Queue) add(a core.Alert) (bool, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	known := func(i *item) bool { return i.Alert.Key == a.Key }
	if _, done := q.sent[a.Key]; done || a.Key == "" || strings.ContainsAny(a.Key, "\x00") || slices.ContainsFunc(q.items, known) {
		return false, nil
	}
	i := &item{Alert: a, Added: time.Now()}
	if q.set {
		i.To = q.route(a)
	}
	q.items = append(q.items, i)
	q.prune(time.Now())
	return true, q.keep(i)
}

// route is whom an alert goes to.
func (q *Queue) route(a core.Alert) map[string]*delivery {
	to := map[string]*delivery{}
	for _, c := range q.channels {
		if takes(c, a) {
			to[c.Name] = &delivery{}
		}
	}
	return to
}

// keep writes an item, or removes it if it is done with, and wakes who is to send it.
func (q *Queue) keep(i *item) error {
	for name, d := range i.To {
		if l := q.lanes[name]; l != nil && !d.Done {
			poke(l.poke)
		}
	}
	if i.To == nil || i.waits() {
		return atomicfile.WriteJSON(q.path(i), i)
	}
	q.items = slices.DeleteFunc(q.items, func(o *item) bool { return o == i })
	q.sent[i.Alert.Key] = time.Now()
	for len(q.sent) > most {
		oldest := ""
		for k, at := range q.sent {
			if oldest == "" || at.Before(q.sent[oldest]) {
				oldest = k
			}
		}
		delete(q.sent, oldest)
	}
	// First that it was sent: better a file too many than an alert twice.
	err := atomicfile.WriteJSON(filepath.Join(q.dir, sentName), q.sent)
	if rerr := os.Remove(q.path(i)); rerr != nil && !errors.Is(rerr, os.ErrNotExist) {
		err = errors.Join(err, rerr)
	}
	return err
}

// waits says whether somebody did not get it yet.
func (i *item) waits() bool {
	for _, d := range i.To {
		if !d.Done {
			return true
		}
	}
	return false
}

// prune drops what is too old, or too much.
func (q *Queue) prune(now time.Time) {
	for n, i := range slices.Clone(q.items) {
		if now.Sub(i.Added) < keepFor && len(q.items)-n <= most {
			continue
		}
		var names []string
		for name, d := range i.To {
			if !d.Done {
				d.Done = true
				names = append(names, name)
			}
		}
		slices.Sort(names)
		i.To = nonNil(i.To)
		q.tell(i, "was not sent to "+strings.Join(names, ", ")+" within "+core.Span(keepFor)+", and is dropped", "")
		_ = q.keep(i)
	}
}

func nonNil(m map[string]*delivery) map[string]*delivery {
	if m == nil {
		return map[string]*delivery{}
	}
	return m
}

func (q *Queue) tell(i *item, what, why string) {
	q.Told(core.Entry{At: time.Now(), Kind: core.EntryAlert, What: "alert " + i.Alert.Key + " " + what, Why: why})
}

// Set says whom alerts go to from now on. What waits for a channel that is no more is
// dropped; a new channel gets what comes from now on; one that is set otherwise is tried
// anew at once.
func (q *Queue) Set(a core.Alerts) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.set && (len(a.Channels) == 0 && len(q.channels) == 0 || len(a.Channels) > 0 && len(a.Channels) == len(q.channels) && &a.Channels[0] == &q.channels[0]) {
		return
	}
	first, before := !q.set, q.channels
	q.channels, q.set = a.Channels, true
	if !first && reflect.DeepEqual(before, q.channels) {
		return
	}
	for _, i := range slices.Clone(q.items) {
		if i.To == nil {
			i.To = q.route(i.Alert)
		}
		for name, d := range i.To {
			n := slices.IndexFunc(q.channels, func(c core.Channel) bool { return c.Name == name })
			switch {
			case d.Done:
			case n < 0:
				d.Done = true
				q.tell(i, "does not go to "+name, "there is no such channel any more")
			case !first && !slices.ContainsFunc(before, func(c core.Channel) bool { return reflect.DeepEqual(c, q.channels[n]) }):
				d.Next = time.Time{}
			}
		}
		_ = q.keep(i)
	}
	poke(q.changed)
}

// Peek returns what waits in a queue on disk, and changes nothing: it is the daemon's.
func Peek(dir string) ([]Waiting, error) {
	q := &Queue{}
	files, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".json") || f.Name() == sentName {
			continue
		}
		var i item
		rerr := readJSON(filepath.Join(dir, f.Name()), &i)
		switch {
		case errors.Is(rerr, os.ErrNotExist): // sent meanwhile
		case rerr != nil:
			err = errors.Join(err, rerr)
		default:
			q.items = append(q.items, &i)
		}
	}
	slices.SortStableFunc(q.items, func(a, b *item) int { return a.Added.Compare(b.Added) })
	return q.Waiting(), err
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Waiting is what waits for a channel.
type Waiting struct {
	Channel string
	Count   int
	Since   time.Time
	Err     string
	Next    time.Time
}

// Waiting returns what waits, by channel.
func (q *Queue) Waiting() []Waiting {
	q.mu.Lock()
	defer q.mu.Unlock()
	by := map[string]*Waiting{}
	for _, i := range q.items {
		for name, d := range i.To {
			if d.Done {
				continue
			}
			w := by[name]
			if w == nil {
				w = &Waiting{Channel: name, Since: i.Added}
				by[name] = w
			}
			w.Count++
			if d.Err != "" {
				w.Err, w.Next = d.Err, d.Next
			}
			if l := q.lanes[name]; l != nil && l.next.After(w.Next) {
				w.Next = l.next
			}
		}
	}
	var list []Waiting
	for _, w := range by {
		list = append(list, *w)
	}
	slices.SortFunc(list, func(a, b Waiting) int { return strings.Compare(a.Channel, b.Channel) })
	return list
}
