package alert

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"time"

	"keeper/internal/core"
)

// Run sends what waits until the context ends: each channel by itself, so that one which
// is slow or dead delays no other.
func (q *Queue) Run(ctx context.Context) {
	var workers sync.WaitGroup
	defer workers.Wait()
	for {
		q.mu.Lock()
		for name, l := range q.lanes {
			if !q.has(l.channel) {
				l.cancel()
				delete(q.lanes, name)
			}
		}
		for _, c := range q.channels {
			if q.lanes[c.Name] != nil {
				continue
			}
			lctx, cancel := context.WithCancel(ctx)
			l := &lane{channel: c, busy: make(chan struct{}, 1), poke: make(chan struct{}, 1), cancel: cancel}
			q.lanes[c.Name] = l
			workers.Go(func() { q.work(lctx, l) })
		}
		q.mu.Unlock()
		select {
		case <-ctx.Done():
			q.mu.Lock()
			for _, l := range q.lanes {
				l.cancel()
			}
			q.mu.Unlock()
			return
		case <-q.changed:
		}
	}
}

func (q *Queue) has(c core.Channel) bool {
	for _, o := range q.channels {
		if reflect.DeepEqual(o, c) {
			return true
		}
	}
	return false
}

// work sends what waits for one channel.
func (q *Queue) work(ctx context.Context, l *lane) {
	for ctx.Err() == nil {
		i, wait := q.next(l, time.Now(), nil)
		if i != nil {
			q.deliver(ctx, l, i)
			continue
		}
		pause(ctx, wait, l.poke)
	}
}

// pause waits until the context ends, somebody pokes, or the time is up; 0 is for ever.
func pause(ctx context.Context, wait time.Duration, poked <-chan struct{}) {
	var timer <-chan time.Time
	if wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-ctx.Done():
	case <-poked:
	case <-timer:
	}
}

// next returns what is to be sent by a channel now, or how long it has to wait; 0 where
// nothing does. In a rush nothing waits, and what was tried in it is not tried again. Of
// one incident, what came first is sent first.
func (q *Queue) next(l *lane, now time.Time, rush map[*item]bool) (*item, time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var wait time.Duration
	later := func(at time.Time) bool {
		d := at.Sub(now)
		if rush != nil || at.IsZero() || d <= 0 {
			return false
		}
		// A clock that was set back must not make it wait for years.
		d = min(d, refusedWait+refusedWait/10)
		if wait == 0 || d < wait {
			wait = d
		}
		return true
	}
	blocked := map[string]bool{}
	for _, i := range q.items {
		d := i.To[l.channel.Name]
		if d == nil || d.Done || blocked[i.Alert.Incident] {
			continue
		}
		if later(l.next) {
			return nil, wait
		}
		if rush[i] || later(d.Next) {
			blocked[i.Alert.Incident] = true
			continue
		}
		return i, 0
	}
	return nil, wait
}

// deliver tries to send one alert, and notes what came of it.
func (q *Queue) deliver(ctx context.Context, l *lane, i *item) {
	select {
	case l.busy <- struct{}{}:
	case <-ctx.Done():
		return
	}
	defer func() { <-l.busy }()
	q.mu.Lock()
	d := i.To[l.channel.Name]
	done := d == nil || d.Done
	q.mu.Unlock()
	if done { // somebody else did it meanwhile
		return
	}
	said, err := send(ctx, l.channel, i.Alert, q.Helper, q.Commands)
	q.mu.Lock()
	defer q.mu.Unlock()
	if d.Done {
		return
	}
	d.Tries++
	now := time.Now()
	if err == nil {
		d.Done = true
		l.fails, l.next = 0, time.Time{}
		tries := ""
		if d.Tries > 1 {
			tries = fmt.Sprintf(", at the %d. try", d.Tries)
		}
		q.tell(i, "was sent to "+l.channel.Name+tries, said)
		if kerr := q.keep(i); kerr != nil {
			q.tell(i, "could not be noted as sent: it may go out again", kerr.Error())
		}
		return
	}
	if ctx.Err() != nil && !errors.Is(err, context.DeadlineExceeded) {
		return // keeper ends, and that is nobody's fault
	}
	var r refused
	if errors.As(err, &r) {
		d.Next = now.Add(spread(refusedWait))
		if r.after > 0 {
			d.Next = now.Add(r.after)
		}
	} else {
		l.next = now.Add(spread(backoff[min(l.fails, len(backoff)-1)]))
		l.fails++ // the channel is in trouble, and not this alert
	}
	text := err.Error()
	if d.Err == "" {
		q.tell(i, "could not be sent to "+l.channel.Name+", and waits", text)
	}
	if changed := d.Err != text; changed {
		d.Err = text
		_ = q.keep(i)
	}
}

func spread(d time.Duration) time.Duration { return d + rand.N(d/10+1) } //nolint:gosec // nobody gains by guessing it

// Flush tries all that waits, once and at once, until that is done or the context ends.
func (q *Queue) Flush(ctx context.Context) {
	q.mu.Lock()
	var lanes []*lane
	for _, l := range q.lanes {
		lanes = append(lanes, l)
	}
	q.mu.Unlock()
	var all sync.WaitGroup
	for _, l := range lanes {
		all.Go(func() {
			tried := map[*item]bool{}
			for ctx.Err() == nil {
				i, _ := q.next(l, time.Now(), tried)
				if i == nil {
					return
				}
				tried[i] = true
				q.deliver(ctx, l, i)
			}
		})
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// heartbeatEvery is the time between two heartbeats, if nothing else is set.
const heartbeatEvery = time.Minute

// Beat calls the dead man's switch again and again, for as long as all is well. settings
// returns those in force, and changes tells of a change of these.
func Beat(ctx context.Context, settings func() core.Heartbeat, well func(context.Context) bool, failed func(error), changes <-chan struct{}) {
	bad := false
	for ctx.Err() == nil {
		h, every := settings(), time.Duration(0)
		if !h.URL.IsZero() {
			if every = h.Every; every == 0 {
				every = heartbeatEvery
			}
			if well(ctx) {
				err := beat(ctx, h)
				if err != nil && !bad && ctx.Err() == nil {
					failed(err)
				}
				bad = err != nil
			}
		}
		pause(ctx, every, changes)
	}
}

func beat(ctx context.Context, h core.Heartbeat) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	address, err := read(h.URL)
	if err != nil {
		return err
	}
	_, err = post(ctx, address, "", "", []byte("{}"))
	if err != nil {
		return errors.New("the heartbeat was not taken: " + redact(err.Error(), address))
	}
	return nil
}

// Answer is what a channel said to a test.
type Answer struct {
	Channel string           `json:"channel"`
	Kind    core.ChannelKind `json:"kind"`
	Said    string           `json:"said,omitempty"`
	Err     string           `json:"error,omitempty"`
	TookMS  int64            `json:"took_ms"`
}

// Test sends a test by each channel, at once and beside any queue.
func Test(ctx context.Context, channels []core.Channel, a core.Alert, helper Helper) []Answer {
	list := make([]Answer, len(channels))
	var all sync.WaitGroup
	for n, c := range channels {
		all.Go(func() {
			begin := time.Now()
			said, err := send(ctx, c, a, helper, nil)
			list[n] = Answer{Channel: c.Name, Kind: c.Kind, Said: said, TookMS: time.Since(begin).Milliseconds()}
			if err != nil {
				list[n].Err = err.Error()
			}
		})
	}
	all.Wait()
	return list
}
