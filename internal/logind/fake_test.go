package logind

import (
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"
)

const (
	fakeUser   = dbus.ObjectPath("/org/freedesktop/login1/user/_1000")
	fakeUnit   = dbus.ObjectPath("/org/freedesktop/systemd1/unit/user_401000_2eservice")
	fakeDir    = dbus.ObjectPath("/org/freedesktop/systemd1/unit/user_2druntime_2ddir_401000_2eservice")
	fakeRevive = dbus.ObjectPath("/org/freedesktop/systemd1/unit/keeper_2drevive_401000_2eservice")
)

// sessionRow is one of User.Sessions: (so).
type sessionRow struct {
	ID   string
	Path dbus.ObjectPath
}

// listedSession is one of ListSessions: (susso).
type listedSession struct {
	ID   string
	UID  uint32
	User string
	Seat string
	Path dbus.ObjectPath
}

// fake is org.freedesktop.login1 or org.freedesktop.systemd1 on a bus: methods
// are function fields, properties are values.
type fake struct {
	conn *dbus.Conn

	mu sync.Mutex
	// Change these through answer.
	setLinger func(uid uint32, on, interactive bool) *dbus.Error
	terminate func(uid uint32) *dbus.Error
	getUser   func(uid uint32) (dbus.ObjectPath, *dbus.Error)
	getUnit   func(name string) (dbus.ObjectPath, *dbus.Error)
	loadUnit  func(name string) (dbus.ObjectPath, *dbus.Error)
	inhibit   func(what, who, why, mode string) (dbus.UnixFD, *dbus.Error)
	sessions  func() ([]listedSession, *dbus.Error)

	props map[dbus.ObjectPath]map[string]any // "interface.Name" -> value
}

// fakeLogind owns the name of logind and knows user 1000.
func fakeLogind(t *testing.T, b *bus) *fake {
	t.Helper()
	f := &fake{conn: b.peer(t), props: map[dbus.ObjectPath]map[string]any{}}
	f.setLinger = func(uint32, bool, bool) *dbus.Error { return nil }
	f.terminate = func(uint32) *dbus.Error { return nil }
	f.inhibit = func(string, string, string, string) (dbus.UnixFD, *dbus.Error) {
		return 0, dbus.NewError("org.freedesktop.DBus.Error.NotSupported", []any{"no inhibitors here"})
	}
	f.sessions = func() ([]listedSession, *dbus.Error) { return nil, nil }
	f.getUser = func(uid uint32) (dbus.ObjectPath, *dbus.Error) {
		if uid != 1000 {
			return "", dbus.NewError("org.freedesktop.login1.NoSuchUser", []any{"no such user"})
		}
		return fakeUser, nil
	}
	f.export(t, map[string]any{
		"SetUserLinger": func(uid uint32, on, interactive bool) *dbus.Error { return read(f, &f.setLinger)(uid, on, interactive) },
		"TerminateUser": func(uid uint32) *dbus.Error { return read(f, &f.terminate)(uid) },
		"Inhibit": func(what, who, why, mode string) (dbus.UnixFD, *dbus.Error) {
			return read(f, &f.inhibit)(what, who, why, mode)
		},
		"ListSessions": func() ([]listedSession, *dbus.Error) { return read(f, &f.sessions)() },
		"GetUser":      func(uid uint32) (dbus.ObjectPath, *dbus.Error) { return read(f, &f.getUser)(uid) },
	}, objPath, managerIf)
	f.set(objPath, managerIf, "PreparingForShutdown", false)
	f.set(objPath, managerIf, "InhibitDelayMaxUSec", uint64(5_000_000))
	own(t, f.conn, busName)
	return f
}

// fakePID1 owns the name of systemd and knows user@1000.service, its runtime
// directory and the unit of root's part that revives it.
func fakePID1(t *testing.T, b *bus) *fake {
	t.Helper()
	f := &fake{conn: b.peer(t), props: map[dbus.ObjectPath]map[string]any{}}
	f.getUnit = func(name string) (dbus.ObjectPath, *dbus.Error) {
		if name != "user@1000.service" {
			return "", dbus.NewError("org.freedesktop.systemd1.NoSuchUnit", []any{"Unit " + name + " not loaded."})
		}
		return fakeUnit, nil
	}
	f.loadUnit = func(name string) (dbus.ObjectPath, *dbus.Error) {
		switch name {
		case "user-runtime-dir@1000.service":
			return fakeDir, nil
		case "keeper-revive@1000.service":
			return fakeRevive, nil
		}
		return "", dbus.NewError("org.freedesktop.systemd1.NoSuchUnit", []any{"Unit " + name + " not found."})
	}
	f.export(t, map[string]any{
		"LoadUnit": func(name string) (dbus.ObjectPath, *dbus.Error) { return read(f, &f.loadUnit)(name) },
		"GetUnit":  func(name string) (dbus.ObjectPath, *dbus.Error) { return read(f, &f.getUnit)(name) },
	}, pid1Path, pid1Name+".Manager")
	f.set(pid1Path, pid1Name+".Manager", "SystemState", "running")
	f.set(fakeRevive, pid1Name+".Unit", "LoadState", "loaded")
	own(t, f.conn, pid1Name)
	return f
}

// answer changes what the fake answers from now on.
func (f *fake) answer(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func read[T any](f *fake, field *T) T {
	f.mu.Lock()
	defer f.mu.Unlock()
	return *field
}

func (f *fake) export(t *testing.T, methods map[string]any, path dbus.ObjectPath, iface string) {
	t.Helper()
	if err := f.conn.ExportMethodTable(methods, path, iface); err != nil {
		t.Fatal(err)
	}
}

// set gives an object a property, and the object the means to be asked.
func (f *fake) set(path dbus.ObjectPath, iface, name string, v any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.props[path] == nil {
		f.props[path] = map[string]any{}
		get := func(iface, name string) (dbus.Variant, *dbus.Error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			v, ok := f.props[path][iface+"."+name]
			if !ok {
				return dbus.Variant{}, dbus.NewError("org.freedesktop.DBus.Error.UnknownProperty", []any{name})
			}
			return dbus.MakeVariant(v), nil
		}
		getAll := func(iface string) (map[string]dbus.Variant, *dbus.Error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			all := map[string]dbus.Variant{}
			for name, v := range f.props[path] {
				if short, ok := strings.CutPrefix(name, iface+"."); ok {
					all[short] = dbus.MakeVariant(v)
				}
			}
			return all, nil
		}
		if err := f.conn.ExportMethodTable(map[string]any{"Get": get, "GetAll": getAll}, path, "org.freedesktop.DBus.Properties"); err != nil {
			panic(err) // only an invalid path
		}
	}
	f.props[path][iface+"."+name] = v
}

// fail makes an object answer with the error, whatever property it is asked for.
func (f *fake) fail(t *testing.T, path dbus.ObjectPath, name string) {
	t.Helper()
	f.export(t, map[string]any{
		"Get": func(string, string) (dbus.Variant, *dbus.Error) {
			return dbus.Variant{}, dbus.NewError(name, []any{"no"})
		},
	}, path, "org.freedesktop.DBus.Properties")
}

// emit broadcasts a signal of the manager.
func (f *fake) emit(t *testing.T, member string, body ...any) {
	t.Helper()
	if err := f.conn.Emit(objPath, managerIf+"."+member, body...); err != nil {
		t.Fatal(err)
	}
}
