// Package logind talks to systemd-logind over the system bus, as
// org.freedesktop.login1(5) has it. It believes signals from the owner of
// org.freedesktop.login1 and from nobody else: any peer on the bus may send a
// signal that looks right.
package logind

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"
)

const (
	busName   = "org.freedesktop.login1"
	objPath   = dbus.ObjectPath("/org/freedesktop/login1")
	managerIf = "org.freedesktop.login1.Manager"
	userIf    = "org.freedesktop.login1.User"
	sessionIf = "org.freedesktop.login1.Session"

	pid1Name = "org.freedesktop.systemd1"
	pid1Path = dbus.ObjectPath("/org/freedesktop/systemd1")
)

// CallTimeout is the deadline of each call.
const CallTimeout = 2 * time.Second

// ErrDenied is returned where polkit does not let the account do it.
var ErrDenied = errors.New("polkit does not allow it")

// Conn is a connection to the system bus. It is not made again when it breaks:
// whoever holds it dials anew.
type Conn struct {
	bus     *dbus.Conn
	signals chan *dbus.Signal
	cancel  context.CancelFunc
}

// Dial connects to the bus at the address; an empty address means the system
// bus. The connection ends with the context.
func Dial(ctx context.Context, address string) (*Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	// A bus that accepts and says nothing must not hang the handshake.
	timer := time.AfterFunc(CallTimeout, cancel)
	c := &Conn{signals: make(chan *dbus.Signal, 128), cancel: cancel}
	var err error
	opts := []dbus.ConnOption{
		dbus.WithContext(ctx),
		// The default handler loses the order of signals when its channel fills.
		dbus.WithSignalHandler(dbus.NewSequentialSignalHandler()),
	}
	if address == "" {
		c.bus, err = dbus.SystemBusPrivate(opts...)
	} else {
		c.bus, err = dbus.Dial(address, opts...)
	}
	if err == nil {
		err = c.hello()
	}
	if !timer.Stop() && err == nil {
		err = context.DeadlineExceeded
	}
	if err != nil {
		cancel()
		if c.bus != nil {
			_ = c.bus.Close()
		}
		return nil, fmt.Errorf("cannot reach the system bus: %w", err)
	}
	return c, nil
}

func (c *Conn) hello() error {
	if err := c.bus.Auth(nil); err != nil {
		return err
	}
	return c.bus.Hello()
}

// Close ends the connection.
func (c *Conn) Close() {
	c.cancel()
	_ = c.bus.Close()
}

func (c *Conn) call(ctx context.Context, dest string, path dbus.ObjectPath, method string, args ...any) *dbus.Call {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	return c.bus.Object(dest, path).CallWithContext(ctx, method, 0, args...)
}

// property reads one property into v, a pointer.
func (c *Conn) property(ctx context.Context, dest string, path dbus.ObjectPath, iface, name string, v any) error {
	var got dbus.Variant
	err := c.call(ctx, dest, path, "org.freedesktop.DBus.Properties.Get", iface, name).Store(&got)
	if err == nil {
		err = got.Store(v)
	}
	if err != nil {
		return fmt.Errorf("cannot read %s of %s: %w", name, dest, err)
	}
	return nil
}

// SetLinger is Manager.SetUserLinger without interaction. The error is
// ErrDenied where polkit says no.
func (c *Conn) SetLinger(ctx context.Context, uid uint32, on bool) error {
	err := c.call(ctx, busName, objPath, managerIf+".SetUserLinger", uid, on, false).Err
	if err == nil {
		return nil
	}
	return fmt.Errorf("logind did not set linger: %w", denied(err))
}

// denied makes what polkit says known as ErrDenied.
func denied(err error) error {
	var de dbus.Error
	if errors.As(err, &de) {
		switch de.Name {
		case "org.freedesktop.DBus.Error.AccessDenied", "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired":
			return fmt.Errorf("%w: %w", ErrDenied, err)
		}
	}
	return err
}

// TerminateUser is Manager.TerminateUser: it ends the user's sessions and stops
// the user manager. logind lets an account do it to itself.
func (c *Conn) TerminateUser(ctx context.Context, uid uint32) error {
	if err := c.call(ctx, busName, objPath, managerIf+".TerminateUser", uid).Err; err != nil {
		return fmt.Errorf("logind did not stop user %d: %w", uid, err)
	}
	return nil
}

// User is what logind knows of a user.
type User struct {
	// State is User.State: active, online, lingering, opening, closing, or
	// empty where logind does not know the user.
	State  string
	Linger bool
	// Sessions are the ids of the open sessions that keep the user in logind's
	// books: all but those that are closing or of class manager or
	// background-light.
	Sessions []string
}

// User asks logind about the user.
func (c *Conn) User(ctx context.Context, uid uint32) (User, error) {
	var u User
	var path dbus.ObjectPath
	err := c.call(ctx, busName, objPath, managerIf+".GetUser", uid).Store(&path)
	var de dbus.Error
	if errors.As(err, &de) && de.Name == "org.freedesktop.login1.NoSuchUser" {
		return u, nil
	}
	if err != nil {
		return u, fmt.Errorf("cannot ask logind about user %d: %w", uid, err)
	}
	if err := c.property(ctx, busName, path, userIf, "State", &u.State); err != nil {
		return u, err
	}
	if err := c.property(ctx, busName, path, userIf, "Linger", &u.Linger); err != nil {
		return u, err
	}
	var sessions []struct {
		ID   string
		Path dbus.ObjectPath
	}
	if err := c.property(ctx, busName, path, userIf, "Sessions", &sessions); err != nil {
		return u, err
	}
	for _, s := range sessions {
		var class, state string
		err := c.property(ctx, busName, s.Path, sessionIf, "Class", &class)
		if err == nil {
			err = c.property(ctx, busName, s.Path, sessionIf, "State", &state)
		}
		if errors.As(err, &de) && (de.Name == "org.freedesktop.login1.NoSuchSession" || de.Name == "org.freedesktop.DBus.Error.UnknownObject") {
			continue // it ended meanwhile
		}
		// One whose class cannot be had counts as open: it may be a person's.
		switch {
		case class == "manager" || class == "manager-early" || class == "background-light":
		case state == "closing":
		default:
			u.Sessions = append(u.Sessions, s.ID)
		}
	}
	return u, nil
}

// PreparingForShutdown is the Manager's property of this name.
func (c *Conn) PreparingForShutdown(ctx context.Context) (bool, error) {
	var v bool
	err := c.property(ctx, busName, objPath, managerIf, "PreparingForShutdown", &v)
	return v, err
}

// Delay is a delay inhibitor: logind waits for it, for as long as its
// InhibitDelayMaxSec says, before the machine goes down.
type Delay struct {
	// The lock is the open file; whoever loses the last reference to it loses
	// the lock.
	file *os.File
	// Grant is how long logind waits.
	Grant time.Duration
}

// inhibitor is the name that keeper's inhibitor goes by.
const inhibitor = "keeper"

// TakeDelay takes a delay inhibitor for shutdowns (Manager.Inhibit). The error is
// ErrDenied where polkit says no.
func (c *Conn) TakeDelay(ctx context.Context, why string) (*Delay, error) {
	var fd dbus.UnixFD
	if err := c.call(ctx, busName, objPath, managerIf+".Inhibit", "shutdown", inhibitor, why, "delay").Store(&fd); err != nil {
		return nil, fmt.Errorf("cannot take a delay inhibitor: %w", denied(err))
	}
	unix.CloseOnExec(int(fd))
	d := &Delay{file: os.NewFile(uintptr(fd), "inhibitor")}
	var us uint64
	if err := c.property(ctx, busName, objPath, managerIf, "InhibitDelayMaxUSec", &us); err != nil {
		return nil, errors.Join(err, d.Release())
	}
	d.Grant = micros(us)
	return d, nil
}

// Release lets the machine go down.
func (d *Delay) Release() error { return d.file.Close() }

// SystemState is PID 1's SystemState: running, degraded, stopping, …
func (c *Conn) SystemState(ctx context.Context) (string, error) {
	var v string
	err := c.property(ctx, pid1Name, pid1Path, pid1Name+".Manager", "SystemState", &v)
	return v, err
}

// Manager is what PID 1 says of user@UID.service. Times are on CLOCK_MONOTONIC.
type Manager struct {
	// Started is when its present life began, Stopping when the stop of that
	// life did; zero where PID 1 did not order one.
	Started, Stopping time.Duration
	// First says that it had no life before in this boot.
	First bool
	// Interval is the interval of its start limit.
	Interval time.Duration
	// Left is when it last ceased to be active, in whichever life.
	Left time.Duration
	// Active is its ActiveState.
	Active string
	// Armor says that root's part refuses to stop it by hand (RefuseManualStop),
	// here and on user-runtime-dir@UID.service. Revive says that root's part has
	// it started again (ExecStopPost).
	Armor, Revive bool
}

// Manager asks PID 1 about user@UID.service.
func (c *Conn) Manager(ctx context.Context, uid uint32) (Manager, error) {
	var path dbus.ObjectPath
	unit := fmt.Sprintf("user@%d.service", uid)
	if err := c.call(ctx, pid1Name, pid1Path, pid1Name+".Manager.GetUnit", unit).Store(&path); err != nil {
		return Manager{}, fmt.Errorf("cannot ask PID 1 about %s: %w", unit, err)
	}
	var started, stopping, ended, interval uint64
	for name, v := range map[string]*uint64{
		"InactiveExitTimestampMonotonic":  &started,
		"ActiveExitTimestampMonotonic":    &stopping,
		"InactiveEnterTimestampMonotonic": &ended,
		"StartLimitIntervalUSec":          &interval,
	} {
		if err := c.property(ctx, pid1Name, path, pid1Name+".Unit", name, v); err != nil {
			return Manager{}, err
		}
	}
	// An interval without end reads as the highest number there is.
	const hour = uint64(time.Hour / time.Microsecond)
	m := Manager{Started: micros(started), First: ended == 0, Interval: micros(min(interval, hour)), Left: micros(stopping)}
	if stopping > started {
		m.Stopping = micros(stopping)
	}
	if err := c.property(ctx, pid1Name, path, pid1Name+".Unit", "ActiveState", &m.Active); err != nil {
		return m, err
	}
	err := c.rootsPart(ctx, uid, path, &m)
	return m, err // m is read after the call, which fills it in
}

// StopLimit is how long PID 1 gives user@UID.service to stop (TimeoutStopUSec).
func (c *Conn) StopLimit(ctx context.Context, uid uint32) (time.Duration, error) {
	var path dbus.ObjectPath
	unit := fmt.Sprintf("user@%d.service", uid)
	if err := c.call(ctx, pid1Name, pid1Path, pid1Name+".Manager.GetUnit", unit).Store(&path); err != nil {
		return 0, fmt.Errorf("cannot ask PID 1 about %s: %w", unit, err)
	}
	var us uint64
	if err := c.property(ctx, pid1Name, path, pid1Name+".Service", "TimeoutStopUSec", &us); err != nil {
		return 0, err
	}
	// A limit that never comes reads as the highest number there is.
	return micros(min(us, uint64(24*time.Hour/time.Microsecond))), nil
}

// ReviveUnit is the unit that root's part starts when the user manager ended.
const ReviveUnit = "keeper-revive@"

// rootsPart fills in what PID 1 has in force of root's part.
func (c *Conn) rootsPart(ctx context.Context, uid uint32, manager dbus.ObjectPath, m *Manager) error {
	if err := c.property(ctx, pid1Name, manager, pid1Name+".Unit", "RefuseManualStop", &m.Armor); err != nil {
		return err
	}
	// a(sasbttttuii): the path, the arguments, and how it went.
	var post []struct {
		Path                                   string
		Argv                                   []string
		Ignore                                 bool
		Started, StartedMono, Ended, EndedMono uint64
		PID                                    uint32
		Code, Status                           int32
	}
	if err := c.property(ctx, pid1Name, manager, pid1Name+".Service", "ExecStopPost", &post); err != nil {
		return err
	}
	for _, p := range post {
		m.Revive = m.Revive || slices.ContainsFunc(p.Argv, func(a string) bool { return strings.HasPrefix(a, ReviveUnit) })
	}
	if m.Revive {
		var state string
		if err := c.unitProperty(ctx, fmt.Sprintf("%s%d.service", ReviveUnit, uid), "LoadState", &state); err != nil {
			return err
		}
		m.Revive = state == "loaded"
	}
	if m.Armor {
		return c.unitProperty(ctx, fmt.Sprintf("user-runtime-dir@%d.service", uid), "RefuseManualStop", &m.Armor)
	}
	return nil
}

// unitProperty reads a property of a unit of PID 1's, which need not be loaded.
func (c *Conn) unitProperty(ctx context.Context, unit, name string, v any) error {
	var path dbus.ObjectPath
	if err := c.call(ctx, pid1Name, pid1Path, pid1Name+".Manager.LoadUnit", unit).Store(&path); err != nil {
		return fmt.Errorf("cannot ask PID 1 about %s: %w", unit, err)
	}
	return c.property(ctx, pid1Name, path, pid1Name+".Unit", name, v)
}

func micros(us uint64) time.Duration { return time.Duration(us) * time.Microsecond }
