// Package units talks to the account's own service manager, as
// org.freedesktop.systemd1(5) has it, over the manager's private socket: that
// one works with the user bus dead, and to the end of the manager's life.
package units

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	sd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"

	"keeper/internal/core"
)

// CallTimeout is the deadline of each call.
const CallTimeout = 2 * time.Second

// Session is the unit that carries `keeper rearm`.
const Session = "keeper-session.service"

// Conn is a connection to the user manager. It is not made again when it
// breaks: whoever holds it dials anew.
type Conn struct {
	// Copies, if its Dir is set, is kept up to date by every Look; what goes
	// wrong there is told to Failed.
	Copies Copies
	Failed func(error)

	sd     *sd.Conn
	sig    *dbus.Conn
	cancel context.CancelFunc
}

// Dial connects to the manager whose runtime directory ($XDG_RUNTIME_DIR) is
// given. The connection ends with the context.
func Dial(ctx context.Context, runtimeDir string) (*Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	timer := time.AfterFunc(CallTimeout, cancel)
	dial := func() (*dbus.Conn, error) { return dialPrivate(ctx, runtimeDir) }
	c := &Conn{cancel: cancel}
	var err error
	if c.sig, err = dial(); err == nil {
		c.sd, err = sd.NewConnection(dial)
	}
	if !timer.Stop() && err == nil {
		err = context.DeadlineExceeded
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("cannot reach the user manager: %w", err)
	}
	return c, nil
}

func dialPrivate(ctx context.Context, runtimeDir string) (*dbus.Conn, error) {
	bus, err := dbus.Dial("unix:path="+dbus.EscapeBusAddressValue(filepath.Join(runtimeDir, "systemd", "private")),
		dbus.WithContext(ctx), dbus.WithSignalHandler(dbus.NewSequentialSignalHandler()))
	if err != nil {
		return nil, err
	}
	// The peer is the manager itself, not a bus: there is no Hello.
	if err := bus.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Getuid()))}); err != nil {
		_ = bus.Close()
		return nil, err
	}
	return bus, nil
}

// Close ends the connection.
func (c *Conn) Close() {
	c.cancel()
	if c.sd != nil {
		c.sd.Close()
	}
	if c.sig != nil {
		_ = c.sig.Close()
	}
}

// State is the manager's SystemState: running, degraded, stopping, …
func (c *Conn) State(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	p, err := c.sd.SystemStateContext(ctx)
	if err != nil {
		return "", fmt.Errorf("cannot read the user manager's state: %w", err)
	}
	s, _ := p.Value.Value().(string)
	return s, nil
}

// Unit returns the properties of the Unit interface of the named unit, which
// need not be loaded.
func (c *Conn) properties(ctx context.Context, name string) (map[string]any, error) {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	p, err := c.sd.GetUnitPropertiesContext(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("cannot read the properties of %s: %w", name, err)
	}
	return p, nil
}

// SessionUnit tells whether keeper-session.service is active, and whether it
// is enabled (UnitFileState).
func (c *Conn) SessionUnit(ctx context.Context) (active, isEnabled bool, err error) {
	p, err := c.properties(ctx, Session)
	if err != nil {
		return false, false, err
	}
	return text(p, "ActiveState") == "active", enabled(p), nil
}

// enabled also holds where it cannot be read: only a person's word disables.
func enabled(p map[string]any) bool {
	switch text(p, "UnitFileState") {
	case "disabled", "masked", "masked-runtime":
		return false
	}
	return true
}

// List returns every unit that Quadlet made, running or not.
func (c *Conn) List(ctx context.Context) ([]core.Unit, error) {
	return c.list(ctx, func(core.Unit, map[string]any, map[string]any) {})
}

// list shows each unit to see, with the properties of its interfaces Unit and Service.
func (c *Conn) list(ctx context.Context, see func(u core.Unit, p, s map[string]any)) ([]core.Unit, error) {
	lctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	files, err := c.sd.ListUnitFilesByPatternsContext(lctx, []string{"generated"}, []string{"*.service"})
	if err != nil {
		return nil, fmt.Errorf("cannot list the generated units: %w", err)
	}
	var list []core.Unit
	after, needs, stops := map[string][]string{}, map[string][]string{}, map[string][]string{}
	for _, f := range files {
		name := path.Base(f.Path)
		if strings.HasSuffix(name, "@.service") {
			continue // a template; its instances are units of their own
		}
		u, p, s, ok, err := c.get(ctx, name)
		if unitsOwn(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if ok {
			see(u, p, s)
			list = append(list, u)
			after[name], needs[name], stops[name] = u.After, u.Needs, u.StopsWith
		}
	}
	for i := range list {
		u := &list[i]
		u.After, u.Needs, u.StopsWith = reach(after, u.Name), reach(needs, u.Name), reach(stops, u.Name)
	}
	return list, nil
}

// reach follows a relation from unit to unit, among the units of the map.
func reach(after map[string][]string, name string) []string {
	seen := map[string]bool{name: true}
	var all []string
	for next := []string{name}; len(next) > 0; next = next[1:] {
		for _, a := range after[next[0]] {
			if _, ours := after[a]; ours && !seen[a] {
				seen[a] = true
				all = append(all, a)
				next = append(next, a)
			}
		}
	}
	slices.Sort(all)
	return all
}

// unitsOwn says that the error is about this one unit: it has gone, or cannot
// be loaded.
func unitsOwn(err error) bool {
	var de dbus.Error
	return errors.As(err, &de) &&
		(strings.HasPrefix(de.Name, "org.freedesktop.systemd1.") || de.Name == "org.freedesktop.DBus.Error.UnknownObject")
}

// kinds are the types of Quadlet files.
var kinds = map[string]bool{
	"container": true, "pod": true, "kube": true, "volume": true, "network": true,
	"image": true, "build": true, "artifact": true,
}

// Get returns the unit; ok is false if Quadlet did not make it.
func (c *Conn) Get(ctx context.Context, name string) (u core.Unit, ok bool, err error) {
	u, _, _, ok, err = c.get(ctx, name)
	return u, ok, err
}

func (c *Conn) get(ctx context.Context, name string) (u core.Unit, p, s map[string]any, ok bool, err error) {
	if p, err = c.properties(ctx, name); err != nil {
		return u, nil, nil, false, err
	}
	source := text(p, "SourcePath")
	kind := strings.TrimPrefix(path.Ext(source), ".")
	if !kinds[kind] || text(p, "LoadState") != "loaded" {
		return u, nil, nil, false, nil
	}
	u = core.Unit{
		Name: name, Kind: kind, Source: source,
		Active: text(p, "ActiveState"), Sub: text(p, "SubState"),
		Since:   realtime(p, "StateChangeTimestamp"),
		Entered: monotonic(p, "ActiveEnterTimestampMonotonic"),
	}
	fillUnit(&u, p)
	if id, _ := p["InvocationID"].([]byte); len(id) > 0 {
		u.Invocation = fmt.Sprintf("%x", id)
	}
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	if s, err = c.sd.GetUnitTypePropertiesContext(ctx, name, "Service"); err != nil {
		return u, nil, nil, false, fmt.Errorf("cannot read the properties of %s: %w", name, err)
	}
	u.Result = text(s, "Result")
	u.Restarts, _ = s["NRestarts"].(uint32)
	fillService(&u, s)
	return u, p, s, true, nil
}

func text(p map[string]any, key string) string {
	s, _ := p[key].(string)
	return s
}

// realtime reads a time in µs since 1970; systemd says "never" with 0.
func realtime(p map[string]any, key string) time.Time {
	us, _ := p[key].(uint64)
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(us))
}

func monotonic(p map[string]any, key string) time.Duration {
	us, _ := p[key].(uint64)
	return time.Duration(us) * time.Microsecond
}
