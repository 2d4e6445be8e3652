package units

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// TestCommandOutside: nothing of a command is expanded, what it is told goes by descriptor
// and property, and how it ended is told apart from that it was not run.
func TestCommandOutside(t *testing.T) {
	t.Parallel()
	m := startManager(t)
	c := dial(t, m)
	cmd := Command{Description: "a page", Argv: []string{"/bin/page", "$HOME", "a b"}, Env: []string{"KEEPER_TITLE=x"}, Stdin: []byte("{}"), Within: time.Minute}
	if _, exit, err := c.RunCommand(t.Context(), cmd); err != nil || exit != 0 {
		t.Fatal(exit, err)
	}
	var name, mode string
	var props []struct {
		Name  string
		Value dbus.Variant
	}
	m.with(func() {
		if err := dbus.Store(m.transient[:3], &name, &mode, &props); err != nil {
			t.Error(err)
		}
	})
	got := map[string]dbus.Variant{}
	for _, p := range props {
		got[p.Name] = p.Value
	}
	var lines []execLine
	if err := got["ExecStart"].Store(&lines); err != nil || len(lines) != 1 || strings.Join(lines[0].Argv, "|") != "/bin/page|$$HOME|a b" {
		t.Errorf("ExecStart is %v, %v", lines, err)
	}
	if env, _ := got["Environment"].Value().([]string); len(env) != 1 || env[0] != cmd.Env[0] {
		t.Errorf("Environment is %v", got["Environment"])
	}
	if us, _ := got["TimeoutStartUSec"].Value().(uint64); us != uint64(time.Minute/time.Microsecond) {
		t.Errorf("TimeoutStartUSec is %v", got["TimeoutStartUSec"])
	}
	if level, ok := got["LogLevelMax"].Value().(int32); !ok || level >= 3 {
		t.Errorf("LogLevelMax is %v: a command that fails is an error in the journal", got["LogLevelMax"])
	}
	if !strings.HasPrefix(name, "keeper-command-") || mode != "fail" {
		t.Errorf("name %q, mode %q", name, mode)
	}

	for what, tt := range map[string]struct {
		result string
		status int32
		exit   int
		err    string
	}{
		"exits":        {"exit-code", 3, 3, ""},
		"is not there": {"exit-code", 203, 0, "could not be run"},
		"is killed":    {"signal", 9, 0, "signal"},
		"never ends":   {"timeout", 15, 0, "in time"},
	} {
		m.with(func() {
			m.results["keeper-command-"] = "failed"
			m.units["keeper-command-"] = &unit{service: map[string]any{"Result": tt.result, "ExecMainStatus": tt.status}}
		})
		_, exit, err := c.RunCommand(t.Context(), cmd)
		if exit != tt.exit || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) || errors.Is(err, ErrNotRun) {
			t.Errorf("one that %s: %d, %v", what, exit, err)
		}
	}
	// It ends with the context, and the unit with it.
	m.with(func() { m.results["keeper-command-"] = "" })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := c.RunCommand(ctx, cmd); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrNotRun) {
		t.Errorf("a command without an end: %v", err)
	}
	m.with(func() {
		if !strings.Contains(strings.Join(m.log, "\n"), "StopUnit keeper-command-") {
			t.Error("it was not stopped")
		}
		m.deny["StartTransientUnit"] = true
	})
	if _, _, err := c.RunCommand(t.Context(), cmd); !errors.Is(err, ErrNotRun) {
		t.Errorf("a manager that says no: %v", err)
	}
}
