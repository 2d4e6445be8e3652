package units

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"keeper/internal/core"
)

// patience bounds what is waited for and must come.
const patience = 20 * time.Second

func dial(t *testing.T, m *manager) *Conn {
	t.Helper()
	c, err := Dial(t.Context(), m.runtime)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

const generated = "/run/user/1000/systemd/generator/"

// quadlet makes a unit as Quadlet does.
func (m *manager) quadlet(name, source string) {
	m.put(name, map[string]any{"SourcePath": source})
	m.with(func() { m.files = append(m.files, generated+name) })
}

func names(list []core.Unit) string {
	var s []string
	for _, u := range list {
		s = append(s, u.Kind+" "+u.Name)
	}
	return strings.Join(s, ", ")
}

func TestGet(t *testing.T) {
	t.Parallel()
	m := startManager(t)
	c := dial(t, m)
	m.quadlet("redis.service", "/home/a/.config/containers/systemd/redis.container")
	m.put("redis.service", map[string]any{
		"ActiveState": "activating", "SubState": "start",
		"StateChangeTimestamp": uint64(1_700_000_000_000_001), "ActiveEnterTimestampMonotonic": uint64(5_000_001),
		"InvocationID": []byte{0, 1, 0xfe},
	})
	m.with(func() {
		m.units[unitPath("redis.service")].service = map[string]any{"Result": "exit-code", "NRestarts": uint32(3)}
	})
	u, ok, err := c.Get(t.Context(), "redis.service")
	want := core.Unit{
		Name: "redis.service", Kind: "container", Source: "/home/a/.config/containers/systemd/redis.container",
		Active: "activating", Sub: "start", Result: "exit-code", Restarts: 3, Invocation: "0001fe",
		Since: time.UnixMicro(1_700_000_000_000_001), Entered: 5*time.Second + time.Microsecond,
	}
	if err != nil || !ok || !reflect.DeepEqual(u, want) {
		t.Errorf("got %+v, %v, %v\nwant %+v", u, ok, err, want)
	}

	// systemd says "never" with 0, and an invocation that was none is empty.
	m.put("redis.service", map[string]any{
		"StateChangeTimestamp": uint64(0), "ActiveEnterTimestampMonotonic": uint64(0), "InvocationID": []byte{},
	})
	u, _, err = c.Get(t.Context(), "redis.service")
	if err != nil || !u.Since.IsZero() || u.Entered != 0 || u.Invocation != "" {
		t.Errorf("a unit that never ran: %+v, %v", u, err)
	}
	// Names with characters that an object path cannot have.
	m.quadlet(`my-app@blue_1.service`, "/home/a/.config/containers/systemd/my-app@.container")
	if u, ok, err := c.Get(t.Context(), `my-app@blue_1.service`); err != nil || !ok || u.Name != `my-app@blue_1.service` {
		t.Errorf("an instance: %+v, %v, %v", u, ok, err)
	}
	if _, ok, err := c.Get(t.Context(), "nothing.service"); ok || err != nil {
		t.Errorf("a unit that does not exist: %v, %v", ok, err)
	}
	m.with(func() { m.deny["GetAll"] = true })
	if _, ok, err := c.Get(t.Context(), "redis.service"); ok || err == nil || !strings.Contains(err.Error(), "redis.service") {
		t.Errorf("a manager that says no: %v, %v", ok, err)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	m := startManager(t)
	c := dial(t, m)
	if list, err := c.List(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("nothing generated: got %v, %v", list, err)
	}
	const dir = "/home/a/.config/containers/systemd/"
	for _, u := range []struct{ name, source string }{
		{"redis.service", dir + "redis.container"},
		{"stack-network.service", dir + "stack.network"},
		{"data-volume.service", dir + "data.volume"},
		{"web-pod.service", dir + "web.pod"},
		{"play.service", dir + "play.kube"},
		{"base-image.service", dir + "base.image"},
		{"mine-build.service", dir + "mine.build"},
		{"model-artifact.service", dir + "model.artifact"},
		{"worker@.service", dir + "worker@.container"}, // a template
		{"worker@1.service", dir + "worker@.container"},
		{"app-foo@autostart.service", "/etc/xdg/autostart/foo.desktop"}, // another generator's
		{"bare.service", ""},
		{"container.service", "/home/a/container"},
		{"gone.service", dir + "gone.container"},
		{"masked.service", dir + "masked.container"},
		{"broken.service", dir + "broken.container"},
	} {
		m.quadlet(u.name, u.source)
	}
	m.put("gone.service", map[string]any{"LoadState": "not-found"})
	m.put("masked.service", map[string]any{"LoadState": "masked"})
	m.put("broken.service", map[string]any{"LoadState": "bad-setting"})

	list, err := c.List(t.Context())
	want := "container redis.service, network stack-network.service, volume data-volume.service, pod web-pod.service, " +
		"kube play.service, image base-image.service, build mine-build.service, artifact model-artifact.service, " +
		"container worker@1.service"
	if got := names(list); err != nil || got != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
	for _, member := range []string{"GetAll", "ListUnitFilesByPatterns"} {
		m.with(func() { m.deny = map[string]bool{member: true} })
		if list, err := c.List(t.Context()); err == nil || list != nil {
			t.Errorf("%s is refused: got %s, %v; want an error, and no half list", member, names(list), err)
		}
	}
}

func TestSessionUnit(t *testing.T) {
	t.Parallel()
	m := startManager(t)
	c := dial(t, m)
	if active, enabled, err := c.SessionUnit(t.Context()); active || !enabled || err != nil {
		t.Errorf("not installed: %v, %v, %v", active, enabled, err)
	}
	if got := c.Look(t.Context()); got.Err != "" || got.Armed {
		t.Errorf("not installed: Look says %+v", got)
	}
	for _, tt := range []struct {
		active, file  string
		runs, enabled bool
	}{
		{"active", "enabled", true, true},
		{"active", "enabled-runtime", true, true},
		{"active", "static", true, true},
		{"active", "generated", true, true},
		{"active", "disabled", true, false},
		{"active", "masked", true, false},
		{"active", "masked-runtime", true, false},
		{"inactive", "disabled", false, false},
		// Nobody disabled it.
		{"active", "", true, true},
		{"inactive", "", false, true},
		{"active", "linked", true, true},
		{"active", "indirect", true, true},
		{"active", "bad", true, true},
		{"inactive", "enabled", false, true},
		{"deactivating", "enabled", false, true},
		{"failed", "enabled", false, true},
	} {
		m.put(Session, map[string]any{"ActiveState": tt.active, "UnitFileState": tt.file})
		active, enabled, err := c.SessionUnit(t.Context())
		if active != tt.runs || enabled != tt.enabled || err != nil {
			t.Errorf("%s, %s: got %v, %v, %v; want %v, %v", tt.active, tt.file, active, enabled, err, tt.runs, tt.enabled)
		}
		if got := c.Look(t.Context()); got.Err != "" || got.Armed != (tt.runs && tt.enabled) {
			t.Errorf("%s, %s: Look says %+v", tt.active, tt.file, got)
		}
	}
	m.with(func() { m.deny["GetAll"] = true })
	if _, _, err := c.SessionUnit(t.Context()); err == nil {
		t.Error("a manager that says no: no error")
	}
	if got := c.Look(t.Context()); got.Err == "" {
		t.Errorf("a manager that says no: Look says %+v", got)
	}
}

func TestState(t *testing.T) {
	t.Parallel()
	m := startManager(t)
	c := dial(t, m)
	for _, want := range []string{"running", "degraded", "stopping"} {
		m.with(func() { m.state = want })
		if got, err := c.State(t.Context()); err != nil || got != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
	m.with(func() { m.deny["Get"] = true })
	if got, err := c.State(t.Context()); err == nil || got != "" {
		t.Errorf("a manager that says no: %q, %v", got, err)
	}
	m.close()
	if got, err := c.State(t.Context()); err == nil || got != "" {
		t.Errorf("a manager that is gone: %q, %v", got, err)
	}
}

// bounded runs f and sees that it failed when its deadline was over: neither
// before, for then something else was wrong, nor much later.
func bounded(t *testing.T, what string, f func() error) {
	t.Helper()
	begun := time.Now()
	err := f()
	if err == nil {
		t.Errorf("%s: no error", what)
	}
	if took := time.Since(begun); took < CallTimeout-100*time.Millisecond || took > 2*CallTimeout+5*time.Second {
		t.Errorf("%s: it took %s, want about %s (%v)", what, took, CallTimeout, err)
	}
}

// However far a manager goes before it falls silent, nobody waits for it long.
func TestSilentManager(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		mute string
		ask  func(ctx context.Context, c *Conn) error // nil: Dial fails
	}{
		{"in the handshake", "AUTH", nil},
		{"right after the handshake", "AddMatch", nil},
		{"to the subscription", "Subscribe", func(ctx context.Context, c *Conn) error {
			return c.Watch(ctx, func(core.Event) {})
		}},
		{"to the first look", "GetAll", func(ctx context.Context, c *Conn) error {
			return c.Watch(ctx, func(core.Event) {})
		}},
		{"to a list", "ListUnitFilesByPatterns", func(ctx context.Context, c *Conn) error {
			_, err := c.List(ctx)
			return err
		}},
		{"to a question", "Get", func(ctx context.Context, c *Conn) error {
			_, err := c.State(ctx)
			return err
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := startManager(t)
			m.quadlet("redis.service", "/x/redis.container")
			m.with(func() { m.mute[tt.mute] = true })
			if tt.ask == nil {
				bounded(t, "Dial", func() error {
					c, err := Dial(t.Context(), m.runtime)
					if err == nil {
						c.Close()
					}
					return err
				})
				return
			}
			c := dial(t, m)
			bounded(t, "the call", func() error { return tt.ask(t.Context(), c) })
		})
	}
}

func TestDialToNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	dead := filepath.Join(dir, "dead")
	if err := os.MkdirAll(filepath.Join(dead, "systemd"), 0o700); err != nil {
		t.Fatal(err)
	}
	// A socket that nobody listens on any more.
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dead, "systemd", "private"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	for _, runtime := range []string{filepath.Join(dir, "none"), dead, ""} {
		begun := time.Now()
		c, err := Dial(t.Context(), runtime)
		if err == nil {
			c.Close()
			t.Fatalf("%q: no error", runtime)
		}
		if !strings.HasPrefix(err.Error(), "cannot reach the user manager: ") {
			t.Errorf("%q: %q does not say what could not be done", runtime, err)
		}
		if took := time.Since(begun); took >= CallTimeout {
			t.Errorf("%q: it took %s to find that out", runtime, took)
		}
	}
}

func TestTheConnectionEndsWithItsContext(t *testing.T) {
	t.Parallel()
	m := startManager(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c, err := Dial(ctx, m.runtime)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.State(t.Context()); err != nil {
		t.Fatal(err)
	}
	cancel()
	begun := time.Now()
	// The connection hears of it in a moment; a call that is quicker is answered.
	for err = nil; err == nil && time.Since(begun) < patience; {
		_, err = c.State(t.Context())
	}
	if err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v after %s, want an error at once", err, time.Since(begun))
	}
}
