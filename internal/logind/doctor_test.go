package logind

import (
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"keeper/internal/core"
)

// subject is what polkit is asked about: (sa{sv}).
type subject struct {
	Kind    string
	Details map[string]dbus.Variant
}

// verdict is what polkit says: (bba{ss}).
type verdict struct {
	Authorized, Challenge bool
	Details               map[string]string
}

func TestMayLinger(t *testing.T) {
	t.Parallel()
	b := startBus(t)
	c := b.dial(t)
	if may, err := c.MayLinger(t.Context()); may || err == nil || !strings.Contains(err.Error(), "cannot ask polkit") {
		t.Errorf("no polkit: %v, %v", may, err)
	}
	f := &fake{conn: b.peer(t)}
	var say verdict
	var fail *dbus.Error
	f.export(t, map[string]any{
		"CheckAuthorization": func(s subject, action string, details map[string]string, flags uint32, cancel string) (verdict, *dbus.Error) {
			// Flags: nobody is asked for a password.
			if s.Kind != "system-bus-name" || s.Details["name"].Value() != c.bus.Names()[0] ||
				action != "org.freedesktop.login1.set-self-linger" || len(details) != 0 || flags != 0 || cancel != "" {
				t.Errorf("asked about %+v, %s, %v, %d, %q", s, action, details, flags, cancel)
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			return say, fail
		},
	}, "/org/freedesktop/PolicyKit1/Authority", "org.freedesktop.PolicyKit1.Authority")
	own(t, f.conn, "org.freedesktop.PolicyKit1")
	for _, tt := range []struct {
		authorized, challenge, want bool
	}{{true, false, true}, {false, false, false}, {false, true, false}} {
		f.answer(func() { say = verdict{tt.authorized, tt.challenge, map[string]string{"polkit.retains": "1"}} })
		if may, err := c.MayLinger(t.Context()); err != nil || may != tt.want {
			t.Errorf("%+v: got %v, %v", tt, may, err)
		}
	}
	f.answer(func() {
		say, fail = verdict{Authorized: true}, dbus.NewError("org.freedesktop.PolicyKit1.Error.Failed", []any{"no"})
	})
	if may, err := c.MayLinger(t.Context()); may || err == nil {
		t.Errorf("polkit fails: %v, %v", may, err)
	}
}

// inhibitorRow is one of ListInhibitors: (ssssuu).
type inhibitorRow struct {
	What, Who, Why, Mode string
	UID, PID             uint32
}

func TestDelayHeld(t *testing.T) {
	t.Parallel()
	b := startBus(t)
	f := fakeLogind(t, b)
	c := b.dial(t)
	if held, _, err := c.DelayHeld(t.Context()); held || err == nil || !strings.Contains(err.Error(), "inhibitors") {
		t.Errorf("a logind that cannot tell: %v, %v", held, err)
	}
	list := []inhibitorRow{}
	f.export(t, map[string]any{"ListInhibitors": func() ([]inhibitorRow, *dbus.Error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		return list, nil
	}}, objPath, managerIf)
	me := uint32(os.Getuid())
	ours := inhibitorRow{"shutdown", "keeper", "why", "delay", me, 7}
	change := func(change func(i *inhibitorRow)) []inhibitorRow {
		i := ours
		change(&i)
		return []inhibitorRow{i}
	}
	for name, tt := range map[string]struct {
		list []inhibitorRow
		want bool
	}{
		"none":                  {[]inhibitorRow{}, false},
		"ours":                  {[]inhibitorRow{ours}, true},
		"ours among others":     {append(change(func(i *inhibitorRow) { i.Who = "NetworkManager" }), ours), true},
		"somebody else's":       {change(func(i *inhibitorRow) { i.Who = "NetworkManager" }), false},
		"another account's":     {change(func(i *inhibitorRow) { i.UID++ }), false},
		"of sleep":              {change(func(i *inhibitorRow) { i.What = "sleep" }), false},
		"one that only weakens": {change(func(i *inhibitorRow) { i.Mode = "delay-weak" }), false},
		"one that blocks":       {change(func(i *inhibitorRow) { i.Mode = "block" }), false},
	} {
		f.answer(func() { list = tt.list })
		f.set(objPath, managerIf, "InhibitDelayMaxUSec", uint64(7_500_000))
		if held, grant, err := c.DelayHeld(t.Context()); err != nil || held != tt.want || grant != 7500*time.Millisecond {
			t.Errorf("%s: got %v, %v, %v; want %v", name, held, grant, err, tt.want)
		}
	}
	f.set(objPath, managerIf, "InhibitDelayMaxUSec", "rubbish")
	if held, _, err := c.DelayHeld(t.Context()); held || err == nil {
		t.Errorf("InhibitDelayMaxUSec is a string: %v, %v", held, err)
	}
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	b := startBus(t)
	c := b.dial(t)
	if _, err := c.Policy(t.Context()); err == nil || !strings.Contains(err.Error(), "cannot ask logind for its settings") {
		t.Errorf("no logind: %v", err)
	}
	f := fakeLogind(t, b)
	// One that says nothing of it is not known to spare anybody.
	if p, err := c.Policy(t.Context()); err != nil || p.Known {
		t.Errorf("an old logind: %+v, %v", p, err)
	}
	for name, v := range map[string]any{"KillUserProcesses": true, "RemoveIPC": true, "KillOnlyUsers": []string{"app"}, "KillExcludeUsers": []string{"root", "db"}} {
		f.set(objPath, managerIf, name, v)
	}
	p, err := c.Policy(t.Context())
	want := core.LogindPolicy{Known: true, KillUserProcesses: true, RemoveIPC: true, KillOnly: []string{"app"}, KillExclude: []string{"root", "db"}}
	if err != nil || !reflect.DeepEqual(p, want) {
		t.Errorf("got %+v, %v", p, err)
	}
	f.set(objPath, managerIf, "KillUserProcesses", "yes")
	if p, err := c.Policy(t.Context()); err != nil || p.Known {
		t.Errorf("nonsense: %+v, %v", p, err)
	}
}
