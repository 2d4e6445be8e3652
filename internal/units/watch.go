package units

import (
	"context"
	"errors"
	"fmt"
	"strings"
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

// relistGap is the time between two looks at everything: somebody may have the
// manager reload in a loop.
const relistGap = 250 * time.Millisecond

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
	w := watch{c: c, deliver: deliver, quick: map[uint32]bool{}, stops: map[uint32]bool{}}
	if p, err := c.properties(ctx, defaultTarget); err == nil {
		w.seeTarget(p)
	}
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
			if w.note(ctx, s) && !armed {
				timer.Reset(w.wait())
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
	// whole has the whole After, Needs and StopsWith of each, which one unit alone
	// does not tell; bound are those that systemd stops it with when they die.
	whole     map[string]core.Unit
	bound     map[string][]string
	isolation time.Time // when a stop was last seen to be part of one
	// targetUp is what was seen of the default target, targetLeft when it was seen
	// to be down after that, and lookTarget that it changed.
	targetUp, lookTarget bool
	targetLeft           time.Time
	// quick are the jobs that were gone before they could be asked, stops those to
	// stop that are not done.
	quick, stops map[uint32]bool
	relist       bool
	listed       time.Time // when everything was looked at last
}

// wait is how long to gather signals before the next look.
func (w *watch) wait() time.Duration {
	if !w.relist {
		return settle
	}
	return max(settle, relistGap-time.Since(w.listed))
}

// note takes a signal in and says whether anything is to be looked at.
func (w *watch) note(ctx context.Context, s *dbus.Signal) bool {
	switch s.Name {
	case managerIf + ".JobNew":
		w.job(ctx, s.Body)
	case managerIf + ".JobRemoved":
		w.jobDone(ctx, s.Body)
	case managerIf + ".UnitNew":
		if strings.HasPrefix(scope(s.Body), "libpod-") {
			w.deliver(core.ContainerHint{})
		}
	case managerIf + ".UnitRemoved":
		// Podman's network helpers live in scopes of their own, and so do containers
		// that no service has.
		switch name := scope(s.Body); {
		case strings.HasPrefix(name, "libpod-"):
			w.deliver(core.ContainerHint{})
			w.deliver(core.HelperHint{})
		case name != "":
			w.deliver(core.HelperHint{})
		}
	case "org.freedesktop.DBus.Properties.PropertiesChanged":
		if s.Path == w.session {
			w.relist = true
			return true
		}
		if s.Path == unitPath(defaultTarget) {
			w.lookTarget = true
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
	case managerIf + ".UnitFilesChanged", managerIf + ".StartupFinished":
		w.relist = true
		return true
	}
	return false
}

// scope is the name of the scope that a signal is about (UnitNew, UnitRemoved),
// or empty.
func scope(body []any) string {
	var name string
	var path dbus.ObjectPath
	if dbus.Store(body, &name, &path) != nil || !strings.HasSuffix(name, ".scope") {
		return ""
	}
	return name
}

// job tells of a stop job for one of the units, unless the whole user manager
// stops. The job may be done before it can be asked; systemd's own stopping of
// what ended has no job at all.
func (w *watch) job(ctx context.Context, body []any) {
	var id uint32
	var path dbus.ObjectPath
	var unit string
	if dbus.Store(body, &id, &path, &unit) != nil || w.known[unitPath(unit)] == "" {
		return
	}
	switch w.jobType(ctx, path) {
	case "stop":
		w.stops[id] = true
		w.stopAsked(ctx, unit, id)
	case "":
		w.quick[id] = true
	}
}

// jobDone looks at the jobs that were done before anybody could ask what they
// were: one that leaves a unit down was a stop. A stop that was canceled may have
// left it as it was.
func (w *watch) jobDone(ctx context.Context, body []any) {
	var id uint32
	var path dbus.ObjectPath
	var unit, result string
	if dbus.Store(body, &id, &path, &unit, &result) != nil || !w.quick[id] && !w.stops[id] {
		return
	}
	if w.stops[id] {
		delete(w.stops, id)
		if result == "canceled" {
			w.stopUndone(ctx, unit)
		}
		return
	}
	delete(w.quick, id)
	if result != "done" {
		return
	}
	u, ok, err := w.c.Get(ctx, unit)
	if err == nil && ok && u.Runs() && (u.Active == "inactive" || u.Active == "failed") {
		w.stopAsked(ctx, unit, id)
	}
}

// stopAsked tells of a stop, unless the user manager stops as a whole. Before
// that it tells how those are that systemd would stop the unit with: a change of
// theirs waits for others, and a stop does not.
func (w *watch) stopAsked(ctx context.Context, unit string, job uint32) {
	if state, err := w.c.State(ctx); err != nil || state == "stopping" {
		return
	}
	for _, name := range w.bound[unit] {
		if u, ok, err := w.get(ctx, name); err == nil && ok {
			w.deliver(core.UnitSeen{Unit: u})
		}
	}
	w.deliver(core.StopAsked{Name: unit, Isolated: w.isolated(ctx), Job: job})
}

// stopUndone tells of a stop that was canceled, if the unit runs on and nothing
// else is to stop it.
func (w *watch) stopUndone(ctx context.Context, unit string) {
	p, err := w.c.properties(ctx, unit)
	if err != nil || !goesOn(text(p, "ActiveState")) {
		return
	}
	if id, path := jobOf(p); id != 0 && w.jobType(ctx, path) == "stop" {
		return
	}
	if u, ok, err := w.get(ctx, unit); err == nil && ok && goesOn(u.Active) {
		w.deliver(core.StopUndone{Name: unit, Invocation: u.Invocation})
	}
}

// goesOn says whether a unit in that state has not begun to stop.
func goesOn(active string) bool {
	return active == "active" || active == "reloading" || active == "activating"
}

// inherit tells of the job that the unit had before this watch began, if it is to
// stop it.
func (w *watch) inherit(ctx context.Context, unit string) {
	p, err := w.c.properties(ctx, unit)
	if err != nil {
		return // it is gone
	}
	if id, path := jobOf(p); id != 0 && w.jobType(ctx, path) == "stop" {
		w.stops[id] = true
		w.stopAsked(ctx, unit, id)
	}
}

// jobType is start, stop, …, or empty if the job is done.
func (w *watch) jobType(ctx context.Context, path dbus.ObjectPath) string {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	var kind dbus.Variant
	err := w.c.sig.Object("org.freedesktop.systemd1", path).
		CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, "org.freedesktop.systemd1.Job", "JobType").Store(&kind)
	if err != nil {
		return ""
	}
	s, _ := kind.Value().(string)
	return s
}

// isolatedFor is how long after the default target was seen to have gone a stop
// still counts as part of what ended that.
const isolatedFor = 5 * time.Second

// isolated says whether the default target just went or is about to go:
// systemctl isolate stops all that another target does not want.
func (w *watch) isolated(ctx context.Context) bool {
	// The first that is brought back brings the target back, while the jobs of the
	// others may not have been looked at.
	if time.Since(w.isolation) < isolatedFor {
		return true
	}
	gone, again := w.targetGoes(ctx)
	if again {
		gone, _ = w.targetGoes(ctx)
	}
	if gone {
		w.isolation = time.Now()
	}
	return gone
}

// targetGoes looks at the default target; again says that its job was done
// before it could be asked what it was, so that the target is to be looked at
// anew. The manager forgets a target that is down, and when that was: what counts
// is that it was seen up.
func (w *watch) targetGoes(ctx context.Context) (gone, again bool) {
	p, err := w.c.properties(ctx, defaultTarget)
	if err != nil {
		return false, false
	}
	if id, path := jobOf(p); id != 0 {
		kind := w.jobType(ctx, path)
		return kind == "stop", kind == ""
	}
	w.seeTarget(p)
	return !w.targetUp && time.Since(w.targetLeft) < isolatedFor, false
}

// seeTarget notes whether the default target is up, and when it was seen to have
// gone.
func (w *watch) seeTarget(p map[string]any) {
	up := text(p, "ActiveState") == "active"
	if w.targetUp && !up {
		w.targetLeft = time.Now()
	}
	w.targetUp = up
}

func (w *watch) look(ctx context.Context) error {
	if w.lookTarget || w.relist {
		w.lookTarget = false
		if p, err := w.c.properties(ctx, defaultTarget); err == nil {
			w.seeTarget(p)
		}
	}
	if w.relist {
		return w.all(ctx)
	}
	for name := range w.changed {
		u, ok, err := w.get(ctx, name)
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

// get looks at one unit that was there at the last look at all.
func (w *watch) get(ctx context.Context, name string) (core.Unit, bool, error) {
	u, ok, err := w.c.Get(ctx, name)
	all := w.whole[name]
	u.After, u.Needs, u.StopsWith = all.After, all.Needs, all.StopsWith
	return u, ok, err
}

func (w *watch) all(ctx context.Context) error {
	e := w.c.Look(ctx)
	if e.Err != "" {
		return errors.New(e.Err)
	}
	e.First = w.listed.IsZero()
	w.relist, w.listed = false, time.Now()
	w.changed = map[string]bool{}
	w.known = make(map[dbus.ObjectPath]string, len(e.Units))
	w.whole = make(map[string]core.Unit, len(e.Units))
	w.bound = map[string][]string{}
	for _, u := range e.Units {
		w.known[unitPath(u.Name)] = u.Name
		w.whole[u.Name] = core.Unit{After: u.After, Needs: u.Needs, StopsWith: u.StopsWith}
	}
	for _, u := range e.Units {
		for _, name := range u.BoundTo {
			if _, ours := w.whole[name]; ours {
				w.bound[u.Name] = append(w.bound[u.Name], name)
			}
		}
	}
	w.session = unitPath(Session)
	w.deliver(e)
	for _, u := range e.Units {
		if e.First && u.Job {
			w.inherit(ctx, u.Name)
		}
	}
	return nil
}

// Look looks at everything at once.
func (c *Conn) Look(ctx context.Context) core.UnitsSeen {
	e := c.look(ctx)
	if e.Err == "" && c.Copies.Dir != "" {
		var err error
		if e.Lost, err = c.Copies.Keep(e.Units); err != nil {
			c.Failed(err)
		}
	}
	return e
}

func (c *Conn) look(ctx context.Context) core.UnitsSeen {
	list, err := c.List(ctx)
	if err != nil {
		return core.UnitsSeen{Err: err.Error()}
	}
	armed, enabled, err := c.SessionUnit(ctx)
	if err != nil {
		return core.UnitsSeen{Err: err.Error()}
	}
	state, err := c.State(ctx)
	if err != nil {
		return core.UnitsSeen{Err: err.Error()}
	}
	return core.UnitsSeen{Units: list, Armed: armed && enabled, Starting: state == "starting" || state == "initializing"}
}

func unitPath(name string) dbus.ObjectPath {
	return dbus.ObjectPath("/org/freedesktop/systemd1/unit/" + sd.PathBusEscape(name))
}
