package lab

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// What systemd says of a unit, by the MESSAGE_ID that systemd.journal-fields(7)
// and the message catalog give each message.
var unitMessages = map[string]string{
	"7d4958e842da4a758f6c1cdc7b36dcc5": "starting",
	"39f53479d3a045ac8e11786248231fbf": "started",
	"de5b426a63be47a7b6ac3eaac82e2f6f": "stopping",
	"9d1aaa27d60140bd96365438aad20286": "stopped",
	"7ad2d189f7e94e70a38c781354912448": "ended",
}

// UnitEvent is one line of the journal about a unit.
type UnitEvent struct {
	At   time.Time
	Unit string
	What string
}

// Journal follows what the journal of the host says of units from now on.
type Journal struct {
	stop context.CancelFunc
	done chan struct{}

	mu     sync.Mutex
	events []UnitEvent
}

// FollowJournal starts following. show is called with each event, if not nil.
func (h *Host) FollowJournal(ctx context.Context, show func(UnitEvent)) (*Journal, error) {
	ctx, cancel := context.WithCancel(ctx)
	r, w := io.Pipe()
	cmd, err := h.start(ctx, Exec{Stdout: w}, "journalctl", "--follow", "--lines=0", "--output=json",
		"--output-fields=MESSAGE_ID,UNIT,USER_UNIT")
	if err != nil {
		cancel()
		return nil, err
	}
	j := &Journal{stop: cancel, done: make(chan struct{})}
	go func() { _ = cmd.Wait(); w.Close() }()
	go func() {
		defer close(j.done)
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			e, ok := parseEvent(lines.Bytes())
			if !ok {
				continue
			}
			j.mu.Lock()
			j.events = append(j.events, e)
			j.mu.Unlock()
			if show != nil {
				show(e)
			}
		}
	}()
	return j, nil
}

func parseEvent(line []byte) (UnitEvent, bool) {
	var f struct {
		At        string `json:"__REALTIME_TIMESTAMP"`
		MessageID string `json:"MESSAGE_ID"`
		Unit      string `json:"UNIT"`
		UserUnit  string `json:"USER_UNIT"`
	}
	if json.Unmarshal(line, &f) != nil || unitMessages[f.MessageID] == "" {
		return UnitEvent{}, false
	}
	us, err := strconv.ParseInt(f.At, 10, 64)
	if err != nil {
		return UnitEvent{}, false
	}
	return UnitEvent{At: time.UnixMicro(us), Unit: f.Unit + f.UserUnit, What: unitMessages[f.MessageID]}, true
}

// Stop ends the following and returns what was seen.
func (j *Journal) Stop() []UnitEvent {
	j.stop()
	<-j.done
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.events)
}

// ManagerGap returns the time between the end of the user manager and its new
// start.
func ManagerGap(events []UnitEvent) (time.Duration, error) {
	manager := fmt.Sprintf("user@%d.service", UID)
	var ended time.Time
	for _, e := range events {
		switch {
		case e.Unit != manager:
		case e.What == "ended":
			ended = e.At
		case e.What == "starting" && !ended.IsZero():
			return e.At.Sub(ended), nil
		}
	}
	return 0, fmt.Errorf("the journal shows no end and new start of %s", manager)
}

// Outage watches /readyz from the outside.
type Outage struct {
	stop context.CancelFunc
	done chan struct{}

	mu sync.Mutex
	// lastFailed and back are when it last did not answer, and when it
	// answered first after that.
	lastFailed, back time.Time
}

// WatchReady asks /readyz again and again. show is called when it ceases to
// answer and when it answers again, if not nil.
func (h *Host) WatchReady(ctx context.Context, show func(ready bool)) *Outage {
	return watch(ctx, h.readyNow, show)
}

// readyNow asks /readyz, which has a second to answer.
func (h *Host) readyNow(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return h.Ready(ctx)
}

// watch asks again and again whether all is well.
func watch(ctx context.Context, well func(context.Context) error, show func(ready bool)) *Outage {
	ctx, cancel := context.WithCancel(ctx)
	o := &Outage{stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(o.done)
		ready := true
		for ctx.Err() == nil {
			err := well(ctx)
			if ctx.Err() != nil {
				return
			}
			o.saw(err == nil)
			if now := err == nil; now != ready {
				ready = now
				if show != nil {
					show(ready)
				}
			}
			if pause(ctx, 20*time.Millisecond) != nil {
				return
			}
		}
	}()
	return o
}

func (o *Outage) saw(ready bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case !ready:
		o.lastFailed, o.back = time.Now(), time.Time{}
	case o.back.IsZero():
		o.back = time.Now()
	}
}

// Landed says whether something failed since then.
func (o *Outage) Landed(since time.Time) bool {
	_, landed := o.Seen(since)
	return landed
}

// Seen returns whether something failed since then, and since when all is well
// again; the zero time if it is not.
func (o *Outage) Seen(since time.Time) (back time.Time, landed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.back, o.lastFailed.After(since)
}

// WaitBack waits until /readyz has failed after a blow and answers again, and
// returns when that was.
func (o *Outage) WaitBack(ctx context.Context, blow time.Time) (time.Time, error) {
	for {
		o.mu.Lock()
		back, landed := o.back, o.lastFailed.After(blow)
		o.mu.Unlock()
		if landed && !back.IsZero() {
			return back, nil
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			if !landed {
				return back, errors.New("the blow did not land: /readyz answered all the time")
			}
			return back, fmt.Errorf("the stack is not back %s after the blow", time.Since(blow).Round(time.Second))
		}
	}
}

// Stop ends the watch.
func (o *Outage) Stop() {
	o.stop()
	<-o.done
}

// Invocations returns the invocation id of each service of the stack, and of
// the user manager: a new id is a new life.
func (h *Host) Invocations(ctx context.Context) (map[string]string, error) {
	ids := map[string]string{}
	out, err := h.Output(ctx, "systemctl", "show", "--value", "--property=InvocationID", fmt.Sprintf("user@%d.service", UID))
	if err != nil {
		return nil, err
	}
	ids["user@"] = strings.TrimSpace(out)
	for _, s := range Services {
		out, err := h.UserOutput(ctx, "systemctl", "--user", "show", "--value", "--property=InvocationID,ActiveState", s+".service")
		if err != nil {
			return nil, err
		}
		ids[s] = strings.Join(strings.Fields(out), " ")
	}
	return ids, nil
}

// PlainRestart stops and starts every unit of the stack by systemctl, and
// returns how long it was until the stack answered again.
func (h *Host) PlainRestart(ctx context.Context) (time.Duration, error) {
	units := "django redis postgres minio"
	if !h.plain {
		units += " django-volume redis-volume postgres-volume minio-volume stack-network"
	}
	start := time.Now()
	for _, verb := range []string{"stop", "start"} {
		if _, err := h.UserOutput(ctx, append([]string{"systemctl", "--user", verb}, strings.Fields(units)...)...); err != nil {
			return 0, err
		}
	}
	if err := h.WaitReady(ctx, time.Minute); err != nil {
		return 0, err
	}
	return time.Since(start), nil
}

// StaysUp checks that the stack goes on answering, in the same life, for d.
func (h *Host) StaysUp(ctx context.Context, d time.Duration) error {
	before, err := h.Invocations(ctx)
	if err != nil {
		return err
	}
	for end := time.Now().Add(d); time.Now().Before(end); {
		if err := h.Ready(ctx); err != nil {
			return fmt.Errorf("the stack came back and went again: %w", err)
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	after, err := h.Invocations(ctx)
	if err != nil {
		return err
	}
	for name, id := range before {
		if after[name] != id {
			return fmt.Errorf("%s did not stay: its invocation was %s and is %s", name, id, after[name])
		}
	}
	return nil
}

// WaitUserForgotten waits until logind knows the account no more: from then on
// nothing starts it again (UserRemoved comes 10 s after the manager's end).
func (h *Host) WaitUserForgotten(ctx context.Context) error {
	for {
		out, err := h.Output(ctx, "loginctl", "list-users", "--no-legend")
		if err == nil && !strings.Contains(out, User) {
			return nil
		}
		if perr := pause(ctx, 100*time.Millisecond); perr != nil {
			return fmt.Errorf("logind still knows %s: %w: %s", User, perr, out)
		}
	}
}
