package logind

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/godbus/dbus/v5"

	"keeper/internal/core"
)

// ErrNoSession is returned for a session that is not there any more, or is none that a
// person has.
var ErrNoSession = errors.New("there is no such session")

// Sessions returns the ids of the sessions that there are (Manager.ListSessions).
func (c *Conn) Sessions(ctx context.Context) ([]string, error) {
	var list []struct {
		ID   string
		UID  uint32
		User string
		Seat string
		Path dbus.ObjectPath
	}
	if err := c.call(ctx, busName, objPath, managerIf+".ListSessions").Store(&list); err != nil {
		return nil, fmt.Errorf("cannot list the sessions: %w", err)
	}
	ids := make([]string, 0, len(list))
	for _, s := range list {
		ids = append(ids, s.ID)
	}
	return ids, nil
}

// Session asks logind about a session, with one call. What others may choose, as the
// host that somebody came from, is printable and short.
func (c *Conn) Session(ctx context.Context, id string) (core.Session, error) {
	var path dbus.ObjectPath
	if err := c.call(ctx, busName, objPath, managerIf+".GetSession", id).Store(&path); err != nil {
		var de dbus.Error
		if errors.As(err, &de) && de.Name == "org.freedesktop.login1.NoSuchSession" {
			return core.Session{}, ErrNoSession
		}
		return core.Session{}, fmt.Errorf("cannot ask logind about a session: %w", err)
	}
	var all map[string]dbus.Variant
	if err := c.call(ctx, busName, path, "org.freedesktop.DBus.Properties.GetAll", sessionIf).Store(&all); err != nil {
		var de dbus.Error
		if errors.As(err, &de) && (de.Name == "org.freedesktop.login1.NoSuchSession" || de.Name == "org.freedesktop.DBus.Error.UnknownObject") {
			return core.Session{}, ErrNoSession
		}
		return core.Session{}, fmt.Errorf("cannot ask logind about a session: %w", err)
	}
	text := func(name string) string {
		s, _ := all[name].Value().(string)
		return printable(s)
	}
	s := core.Session{ID: printable(id), User: text("Name"), Class: text("Class"), Type: text("Type"), Service: text("Service"), TTY: text("TTY"), Remote: text("RemoteHost")}
	if strings.HasPrefix(s.Class, "manager") || strings.HasPrefix(s.Class, "background") {
		return s, ErrNoSession // the user manager itself, from systemd 256 on, and cron's
	}
	var user struct {
		UID  uint32
		Path dbus.ObjectPath
	}
	if v, ok := all["User"]; ok && v.Store(&user) == nil {
		s.UID = user.UID
	}
	if us, ok := all["Timestamp"].Value().(uint64); ok && us > 0 {
		s.Since = time.UnixMicro(int64(us))
	}
	if pid, ok := all["Leader"].Value().(uint32); ok && pid > 0 {
		s.Leader = pid
		if comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err == nil {
			s.Comm = printable(strings.TrimSpace(string(comm)))
		}
	}
	return s, nil
}

// printable is text of others that a terminal can stand.
func printable(s string) string {
	const most = 100
	r := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "")))
	return string(r[:min(len(r), most)])
}
