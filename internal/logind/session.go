package logind

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/godbus/dbus/v5"

	"keeper/internal/core"
)

// maxWaiting is how many sessions wait to be looked at; of a machine where more
// come at once the rest is left out. maxField bounds each of what logind says: a name
// of a host, for one, is whatever a client of PAM's says it is.
const (
	maxWaiting = 64
	maxField   = 128
)

// looker looks at sessions, one after the other, beside the reader of the signals.
type looker struct {
	conn    *Conn
	deliver func(core.Event)
	waiting chan dbus.ObjectPath
	// listed says that the sessions there are were asked for.
	listed bool
	// proc is /proc.
	proc string
}

func newLooker(c *Conn, deliver func(core.Event)) *looker {
	return &looker{conn: c, deliver: deliver, waiting: make(chan dbus.ObjectPath, maxWaiting), proc: "/proc"}
}

// all in the queue stands for the sessions there are.
const all dbus.ObjectPath = ""

// list has those looked at that are there when logind is met first. One that comes
// meanwhile may be told twice, which is as good as once.
func (l *looker) list() {
	if !l.listed {
		l.listed = true
		l.look(all)
	}
}

// look has a session looked at, unless too many wait.
func (l *looker) look(path dbus.ObjectPath) {
	select {
	case l.waiting <- path:
	default:
	}
}

// run looks until the context ends. What cannot be looked at any more was short, and is
// no matter.
func (l *looker) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case path := <-l.waiting:
			paths := []dbus.ObjectPath{path}
			if path == all {
				paths = l.conn.sessions(ctx)
			}
			for _, p := range paths {
				l.one(ctx, p)
			}
		}
	}
}

func (l *looker) one(ctx context.Context, path dbus.ObjectPath) {
	s, err := l.conn.session(ctx, path)
	if err != nil || strings.HasPrefix(s.Class, "manager") || strings.HasPrefix(s.Class, "background") {
		return
	}
	s.Comm = comm(l.proc, s.Leader)
	l.deliver(core.SessionSeen{Session: s})
}

// sessions are the objects of the sessions there are, as many as may wait.
func (c *Conn) sessions(ctx context.Context) []dbus.ObjectPath {
	var rows []struct {
		ID   string
		UID  uint32
		User string
		Seat string
		Path dbus.ObjectPath
	}
	if c.call(ctx, busName, objPath, managerIf+".ListSessions").Store(&rows) != nil {
		return nil
	}
	var list []dbus.ObjectPath
	for _, r := range rows[:min(len(rows), maxWaiting)] {
		list = append(list, r.Path)
	}
	return list
}

var errNoSession = errors.New("no session of org.freedesktop.login1(5)")

// session asks logind about one, in one call.
func (c *Conn) session(ctx context.Context, path dbus.ObjectPath) (core.Session, error) {
	var got map[string]dbus.Variant
	if err := c.call(ctx, busName, path, "org.freedesktop.DBus.Properties.GetAll", sessionIf).Store(&got); err != nil {
		return core.Session{}, fmt.Errorf("cannot ask logind about a session: %w", err)
	}
	var user struct {
		UID  uint32
		Path dbus.ObjectPath
	}
	if v, ok := got["User"]; !ok || v.Store(&user) != nil {
		return core.Session{}, errNoSession
	}
	s := core.Session{
		ID: text(got, "Id"), UID: user.UID, User: text(got, "Name"), Class: text(got, "Class"), Type: text(got, "Type"),
		Service: text(got, "Service"), TTY: text(got, "TTY"), Remote: text(got, "RemoteHost"),
	}
	if s.ID == "" {
		return core.Session{}, errNoSession
	}
	if remote, ok := got["Remote"].Value().(bool); ok && remote && s.Remote == "" {
		s.Remote = "unknown host"
	}
	s.Leader, _ = got["Leader"].Value().(uint32)
	if us, ok := got["Timestamp"].Value().(uint64); ok && us > 0 && us < 1<<60 {
		s.Since = time.UnixMicro(int64(us)).UTC()
	}
	return s, nil
}

// text is a property that is text, made fit to be shown.
func text(from map[string]dbus.Variant, name string) string {
	s, _ := from[name].Value().(string)
	return printable(s)
}

// comm is the name of a process, or nothing.
func comm(proc string, pid uint32) string {
	if pid == 0 {
		return ""
	}
	f, err := os.Open(fmt.Sprintf("%s/%d/comm", proc, pid))
	if err != nil {
		return ""
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxField))
	if err != nil {
		return ""
	}
	return printable(strings.TrimSuffix(string(b), "\n"))
}

// printable keeps a text short, and from moving the cursor of a terminal.
func printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			r = '?'
		}
		if b.Len()+utf8.RuneLen(r)+len("…") > maxField {
			return b.String() + "…"
		}
		b.WriteRune(r)
	}
	return b.String()
}
