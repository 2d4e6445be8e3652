package logind

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/godbus/dbus/v5"

	"keeper/internal/core"
)

// ErrGone is returned by Watch when the connection to the bus broke.
var ErrGone = errors.New("the system bus went away")

// Watch delivers logind's signals as events until the context ends or the bus
// goes away. It begins with LogindUp, if logind is there. What there is to say of a
// session follows its SessionNew, whenever logind answers, as SessionSeen; deliver may
// be called for that while it runs.
func (c *Conn) Watch(ctx context.Context, deliver func(core.Event)) error {
	rules := [][]dbus.MatchOption{
		{dbus.WithMatchSender(busName), dbus.WithMatchObjectPath(objPath), dbus.WithMatchInterface(managerIf)},
		{dbus.WithMatchSender("org.freedesktop.DBus"), dbus.WithMatchInterface("org.freedesktop.DBus"),
			dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, busName)},
	}
	c.bus.Signal(c.signals)
	for _, r := range rules {
		tctx, cancel := context.WithTimeout(ctx, CallTimeout)
		err := c.bus.AddMatchSignalContext(tctx, r...)
		cancel()
		if err != nil {
			return fmt.Errorf("cannot subscribe to logind's signals: %w", err)
		}
	}
	// After the subscription, so that no change of owner falls between.
	look := newLooker(c, deliver)
	w := watcher{deliver: deliver, look: look.look}
	w.up = func(restarted bool) core.Event {
		if down, err := c.PreparingForShutdown(ctx); err == nil {
			w.down = down
		}
		look.list()
		return core.LogindUp{Restarted: restarted, ShuttingDown: w.down}
	}
	err := c.call(ctx, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus.GetNameOwner", busName).Store(&w.owner)
	if err != nil {
		deliver(core.LogindDown{Err: "nobody on the bus is logind"})
	} else {
		deliver(w.up(false))
	}
	lctx, cancel := context.WithCancel(ctx)
	var looking sync.WaitGroup
	looking.Go(func() { look.run(lctx) })
	defer looking.Wait()
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.bus.Context().Done():
			return ErrGone
		case s, ok := <-c.signals:
			if !ok {
				return ErrGone
			}
			w.signal(s)
		}
	}
}

// watcher turns signals into events.
type watcher struct {
	owner   string
	deliver func(core.Event)
	up      func(restarted bool) core.Event
	look    func(session dbus.ObjectPath)
	// down is what is known of a shutdown, where logind does not answer.
	down bool
}

func (w *watcher) signal(s *dbus.Signal) {
	// Match rules do not stop a signal that a peer sends to us alone.
	switch {
	case s.Sender == "org.freedesktop.DBus" && s.Name == "org.freedesktop.DBus.NameOwnerChanged":
		w.ownerChanged(s.Body)
	case w.owner != "" && s.Sender == w.owner && s.Path == objPath:
		e := event(s)
		if p, ok := e.(core.PrepareForShutdown); ok {
			w.down = p.Active
		}
		if e != nil {
			w.deliver(e)
		}
		if _, ok := e.(core.SessionNew); ok {
			w.look(s.Body[1].(dbus.ObjectPath))
		}
	}
}

func (w *watcher) ownerChanged(body []any) {
	var name, before, after string
	if dbus.Store(body, &name, &before, &after) != nil || name != busName || after == w.owner {
		return
	}
	w.owner = after
	if after == "" {
		w.deliver(core.LogindDown{Err: "logind left the bus"})
		return
	}
	w.deliver(w.up(true))
}

// event returns nil for signals that keeper has no use for and for those that
// do not have the form that org.freedesktop.login1(5) gives them.
func event(s *dbus.Signal) core.Event {
	switch s.Name + " " + dbus.SignatureOf(s.Body...).String() {
	case managerIf + ".SessionNew so":
		return core.SessionNew{ID: s.Body[0].(string)}
	case managerIf + ".SessionRemoved so":
		return core.SessionRemoved{ID: s.Body[0].(string)}
	case managerIf + ".UserNew uo":
		return core.UserNew{UID: s.Body[0].(uint32)}
	case managerIf + ".UserRemoved uo":
		return core.UserRemoved{UID: s.Body[0].(uint32)}
	case managerIf + ".PrepareForShutdown b":
		return core.PrepareForShutdown{Active: s.Body[0].(bool)}
	case managerIf + ".PrepareForSleep b":
		return core.PrepareForSleep{Active: s.Body[0].(bool)}
	}
	return nil
}
