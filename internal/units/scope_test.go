package units

import (
	"context"
	"fmt"
	"testing"

	"github.com/godbus/dbus/v5"

	"keeper/internal/core"
)

// The scopes of containers tell of these, all scopes of Podman's helpers.
func TestScopesAreHints(t *testing.T) {
	t.Parallel()
	path := dbus.ObjectPath("/org/freedesktop/systemd1/unit/x")
	for _, tt := range []struct {
		signal string
		body   []any
		want   string
	}{
		{"UnitNew", []any{"libpod-0a.scope", path}, "[core.ContainerHint]"},
		{"UnitNew", []any{"podman-12.scope", path}, "[]"},
		{"UnitNew", []any{"libpod-0a.service", path}, "[]"},
		{"UnitNew", []any{"libpod-0a.scope"}, "[]"},
		{"UnitRemoved", []any{"libpod-0a.scope", path}, "[core.ContainerHint core.HelperHint]"},
		{"UnitRemoved", []any{"rootless-netns-1.scope", path}, "[core.HelperHint]"},
		{"UnitRemoved", []any{"db.service", path}, "[]"},
		{"UnitRemoved", []any{7, path}, "[]"},
	} {
		told := []string{}
		w := watch{deliver: func(e core.Event) { told = append(told, fmt.Sprintf("%T", e)) }}
		if w.note(context.Background(), &dbus.Signal{Name: managerIf + "." + tt.signal, Body: tt.body}) {
			t.Errorf("%s %v: something is to be looked at", tt.signal, tt.body)
		}
		if got := fmt.Sprint(told); got != tt.want {
			t.Errorf("%s %v: told %s, want %s", tt.signal, tt.body, got, tt.want)
		}
	}
}
