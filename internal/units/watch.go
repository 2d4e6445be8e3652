package units

import (
	"context"
	"errors"
	"fmt"
	"time"

	sd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"

	"keeper/internal/core"
)

// ErrGone is returned by Watch when the user manager closed the connection.
var ErrGone = errors.New("the user manager went away")

// settle is how long signals are gathered before the units are looked at: a
// start is a dozen signals.
const settle = 20 * time.Millisecond

const managerIf = "org.freedesktop.systemd1.Manager"

// Watch delivers the state of every Quadlet-made unit: all of them at first
// and after a reload, then each as it changes, until the context ends or the
// manager goes away. The manager's signals only say what to look at.
func (c *Conn) Watch(ctx context.Context, deliver func(core.Event)) error {
	ch := make(chan *dbus.Signal, 256)
	c.sig.Signal(ch)
	tctx, cancel := context.WithTimeout(ctx, CallTimeout)
	err := c.sig.Object("org.freedesktop.systemd1", "/org/freedesktop/systemd1").
		CallWithContext(tctx, managerIf+".Subscribe", 0).Err
	cancel()
	if err != nil {
		return fmt.Errorf("cannot subscribe to the user manager's signals: %w", err)
	}
	w := watch{c: c, deliver: deliver}
	if err := w.all(ctx); err != nil {
		return err
	}
	// Armed by the first signal and not again before it fired: a stream of
	// signals must not put the look off for ever.
	timer := time.NewTimer(settle)
	timer.Stop()
	armed := false
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.sig.Context().Done():
			return ErrGone
		case s, ok := <-ch:
			if !ok {
				return ErrGone
			}
			if w.note(s) && !armed {
				timer.Reset(settle)
				armed = true
			}
		case <-timer.C:
			armed = false
			if err := w.look(ctx); err != nil {
				return err
			}
		}
	}
}

// watch knows which units Quadlet made, and which of them changed.
type watch struct {
	c       *Conn
	deliver func(core.Event)
	known   map[dbus.ObjectPath]string
	changed map[string]bool
	session dbus.ObjectPath
	relist  bool
}

// note takes a signal in and says whether anything is to be looked at.
func (w *watch) note(s *dbus.Signal) bool {
	switch s.Name {
	case "org.freedesktop.DBus.Properties.PropertiesChanged":
		if s.Path == w.session {
			w.relist = true
			return true
		}
		if name, ok := w.known[s.Path]; ok {
			w.changed[name] = true
			return true
		}
	case managerIf + ".Reloading":
		var begins bool
		if dbus.Store(s.Body, &begins) == nil && !begins {
			w.relist = true
			return true
		}
	case managerIf + ".UnitFilesChanged":
		w.relist = true
		return true
	}
	return false
}

func (w *watch) look(ctx context.Context) error {
	if w.relist {
		return w.all(ctx)
	}
	for name := range w.changed {
		u, ok, err := w.c.Get(ctx, name)
		if err != nil && !unitsOwn(err) {
			return err
		}
		if err != nil || !ok {
			return w.all(ctx)
		}
		delete(w.changed, name)
		w.deliver(core.UnitSeen{Unit: u})
	}
	return nil
}

func (w *watch) all(ctx context.Context) error {
	e := w.c.Look(ctx)
	if e.Err != "" {
		return errors.New(e.Err)
	}
	w.relist = false
	w.changed = map[string]bool{}
	w.known = make(map[dbus.ObjectPath]string, len(e.Units))
	for _, u := range e.Units {
		w.known[unitPath(u.Name)] = u.Name
	}
	w.session = unitPath(Session)
	w.deliver(e)
	return nil
}

// Look looks at everything at once.
func (c *Conn) Look(ctx context.Context) core.UnitsSeen {
	list, err := c.List(ctx)
	if err != nil {
		return core.UnitsSeen{Err: err.Error()}
	}
	armed, enabled, err := c.SessionUnit(ctx)
	if err != nil {
		return core.UnitsSeen{Err: err.Error()}
	}
	return core.UnitsSeen{Units: list, Armed: armed && enabled}
}

func unitPath(name string) dbus.ObjectPath {
	return dbus.ObjectPath("/org/freedesktop/systemd1/unit/" + sd.PathBusEscape(name))
}
