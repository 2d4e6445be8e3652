package app

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"keeper/internal/containers"
	"keeper/internal/core"
	"keeper/internal/logind"
	"keeper/internal/units"
)

// Returned by an edge whose connection is being made again.
var (
	errNoLogind  = errors.New("not connected to logind at the moment")
	errNoManager = errors.New("not connected to the user manager at the moment")
)

// A link that breaks is made again after retryFirst, then later and later.
const (
	retryFirst = 100 * time.Millisecond
	retryMost  = 10 * time.Second
)

// keepUp runs connect again and again until the context ends. connect returns
// when the connection broke, and says whether it had been a good one. failed
// hears of the first failure in a row.
func keepUp(ctx context.Context, connect func() (bool, error), failed func(error)) {
	wait := retryFirst
	told := false
	for ctx.Err() == nil {
		good, err := connect()
		if good {
			wait, told = retryFirst, false
		}
		if ctx.Err() != nil {
			return
		}
		if !told {
			failed(err)
			told = true
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
		wait = min(2*wait, retryMost)
	}
}

// link holds whatever connection there is at the moment.
type link[C any] struct {
	mu   sync.Mutex
	conn *C
}

func (l *link[C]) set(c *C) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn = c
}

// held returns the connection, or the error if there is none.
func (l *link[C]) held(none error) (*C, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil {
		return nil, none
	}
	return l.conn, nil
}

// logindLink is the engine's view of logind.
type logindLink struct {
	uid  uint32
	user string
	// root is what was last known of root's part. Only Linger uses it, of which
	// one runs at a time.
	root core.Root
	link[logind.Conn]
}

// run connects, watches and delivers until the context ends.
func (l *logindLink) run(ctx context.Context, deliver func(core.Event)) {
	keepUp(ctx, func() (bool, error) {
		c, err := logind.Dial(ctx, "")
		if err != nil {
			return false, err
		}
		defer c.Close()
		l.set(c)
		defer l.set(nil)
		up := false
		err = c.Watch(ctx, func(ev core.Event) {
			if _, ok := ev.(core.LogindUp); ok {
				up = true
			}
			deliver(ev)
		})
		return up, err
	}, func(err error) { deliver(core.LogindDown{Err: err.Error()}) })
}

func (l *logindLink) get() (*logind.Conn, error) { return l.held(errNoLogind) }

// SetLinger is engine.Linger.
func (l *logindLink) SetLinger(ctx context.Context) (denied bool, err error) {
	c, err := l.get()
	if err != nil {
		return false, err
	}
	err = c.SetLinger(ctx, l.uid, true)
	return errors.Is(err, logind.ErrDenied), err
}

// Linger is engine.Linger.
func (l *logindLink) Linger(ctx context.Context) core.LingerSeen {
	c, err := l.get()
	if err != nil {
		return core.LingerSeen{Err: err.Error()}
	}
	u, err := c.User(ctx, l.uid)
	if err != nil {
		return core.LingerSeen{Err: err.Error()}
	}
	seen := core.LingerSeen{On: u.Linger, Unknown: u.State == "", Root: l.root}
	if life, err := c.Manager(ctx, l.uid); err == nil {
		seen.Root = rootInForce(life, l.uid, l.user)
		l.root = seen.Root
		// Without armor the stop is real, and the last act sees to it.
		seen.Closing = u.State == "closing" && life.Armor && life.Active == "active"
	}
	return seen
}

// unitsLink is the engine's view of the user manager.
type unitsLink struct {
	runtime string
	view    containers.View
	copies  units.Copies
	read    *sections
	log     *slog.Logger
	link[units.Conn]
}

func (l *unitsLink) run(ctx context.Context, deliver func(core.Event)) {
	keepUp(ctx, func() (bool, error) {
		c, err := units.Dial(ctx, l.runtime)
		if err != nil {
			return false, err
		}
		defer c.Close()
		c.Copies, c.Failed = l.copies, func(err error) { l.log.Error("no copy of a Quadlet file", "error", err) }
		l.set(c)
		defer l.set(nil)
		up := false
		err = c.Watch(ctx, func(ev core.Event) {
			up = true
			if seen, is := ev.(core.UnitsSeen); is {
				ev = l.read.fill(seen)
			}
			deliver(ev)
		})
		return up, err
	}, func(err error) { deliver(core.ManagerDown{Err: err.Error()}) })
}

func (l *unitsLink) get() (*units.Conn, error) { return l.held(errNoManager) }

// Look is engine.Units.
func (l *unitsLink) Look(ctx context.Context) core.UnitsSeen {
	c, err := l.get()
	if err != nil {
		return core.UnitsSeen{Err: err.Error()}
	}
	return l.read.fill(c.Look(ctx))
}
