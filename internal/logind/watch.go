package logind

import (
	"context"
	"errors"
	"fmt"

	"github.com/godbus/dbus/v5"

	"keeper/internal/core"
)

// ErrGone is returned by Watch when the connection to the bus broke.
var ErrGone = errors.New("the system bus went away")

// Watch delivers logind's signals as events until the context ends or the bus
// goes away. It begins with LogindUp, if logind is there.
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
	w := watcher{deliver: deliver}
	err := c.call(ctx, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus.GetNameOwner", busName).Store(&w.owner)
	if err != nil {
		deliver(core.LogindDown{Err: "nobody on the bus is logind"})
	} else {
		deliver(core.LogindUp{})
	}
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
}

func (w *watcher) signal(s *dbus.Signal) {
	// Match rules do not stop a signal that a peer sends to us alone.
	switch {
	case s.Sender == "org.freedesktop.DBus" && s.Name == "org.freedesktop.DBus.NameOwnerChanged":
		w.ownerChanged(s.Body)
	case w.owner != "" && s.Sender == w.owner && s.Path == objPath:
		if e := event(s); e != nil {
			w.deliver(e)
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
	w.deliver(core.LogindUp{Restarted: true})
}

// event returns nil for signals that keeper has no use for and for those that
// do not have the form that org.freedesktop.login1(5) gives them.
func event(s *dbus.Signal) core.Event {
	var id string
	var uid uint32
	var path dbus.ObjectPath
	var active bool
	switch s.Name {
	case managerIf + ".SessionNew":
		if dbus.Store(s.Body, &id, &path) == nil {
			return core.SessionNew{ID: id}
		}
	case managerIf + ".SessionRemoved":
		if dbus.Store(s.Body, &id, &path) == nil {
			return core.SessionRemoved{ID: id}
		}
	case managerIf + ".UserNew":
		if dbus.Store(s.Body, &uid, &path) == nil {
			return core.UserNew{UID: uid}
		}
	case managerIf + ".UserRemoved":
		if dbus.Store(s.Body, &uid, &path) == nil {
			return core.UserRemoved{UID: uid}
		}
	case managerIf + ".PrepareForShutdown":
		if dbus.Store(s.Body, &active) == nil {
			return core.PrepareForShutdown{Active: active}
		}
	}
	return nil
}
