package standdown

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keeper/internal/core"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// host is what the programs say of the account 1000, which is called app.
type host struct {
	getent, chage, passwd       string
	getentErr, chageErr, pwdErr error
	asked                       []string
}

func healthy() *host {
	return &host{
		getent: "app:x:1000:1000:App:/home/app:/bin/bash\n",
		chage:  "Last password change\t\t\t: Jan 01, 2026\nAccount expires\t\t\t\t: never\n",
		passwd: "app P 2026-01-01 0 99999 7 -1\n",
	}
}

func (h *host) run(_ context.Context, name string, args ...string) (string, error) {
	line := name + " " + strings.Join(args, " ")
	h.asked = append(h.asked, line)
	switch line {
	case "getent passwd 1000":
		return h.getent, h.getentErr
	case "chage -l app":
		return h.chage, h.chageErr
	case "passwd -S app":
		return h.passwd, h.pwdErr
	}
	return "", fmt.Errorf("the test knows no %q", line)
}

// marks looks at a host, and at directories that do not exist yet.
func marks(t *testing.T, h *host) Marks {
	dir := t.TempDir()
	return Marks{UID: 1000, StateDir: filepath.Join(dir, "state"), MarkDir: filepath.Join(dir, "etc", "keeper", "stand-down"), Run: h.run}
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// exited is a real *exec.ExitError.
func exited(t *testing.T, code int) error {
	t.Helper()
	err := exec.CommandContext(t.Context(), "sh", "-c", fmt.Sprintf("exit %d", code)).Run()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != code {
		t.Fatalf("sh did not exit with %d: %v", code, err)
	}
	return err
}

func TestMark(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		make func(m Marks) error
		want core.Cause
	}{
		"none":                      {func(Marks) error { return nil }, ""},
		"an empty file":             {func(m Marks) error { return os.WriteFile(m.MarkPath(), nil, 0o600) }, core.CauseMark},
		"a directory":               {func(m Marks) error { return os.Mkdir(m.MarkPath(), 0o700) }, core.CauseMark},
		"a link to nowhere":         {func(m Marks) error { return os.Symlink("/nowhere", m.MarkPath()) }, core.CauseMark},
		"another account's":         {func(m Marks) error { return os.WriteFile(m.MarkPath()+"1", nil, 0o600) }, ""},
		"a file in the way":         {func(m Marks) error { return errors.Join(os.Remove(m.MarkDir), os.WriteFile(m.MarkDir, nil, 0o600)) }, ""},
		"a path that is a loop":     {func(m Marks) error { return loop(m.MarkDir) }, core.CauseMark},
		"no directory for it":       {func(m Marks) error { return os.Remove(m.MarkDir) }, ""},
		"a directory that is empty": {func(m Marks) error { return nil }, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := marks(t, healthy())
			if err := os.MkdirAll(m.MarkDir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := tt.make(m); err != nil {
				t.Fatal(err)
			}
			s := m.Read(t.Context(), noon)
			if s.Cause != tt.want {
				t.Errorf("got %+v, want the cause %q", s, tt.want)
			}
			if s.InForce() && !strings.Contains(s.Detail, m.MarkPath()) {
				t.Errorf("%q does not say where the mark is", s.Detail)
			}
		})
	}
}

// loop makes the directory something that cannot be read, by root neither.
func loop(dir string) error {
	if err := os.Remove(dir); err != nil {
		return err
	}
	return os.Symlink(filepath.Base(dir), dir)
}

func TestPause(t *testing.T) {
	t.Parallel()
	m := marks(t, healthy())
	s, err := m.Pause(noon, 0, "moving the disks")
	if err != nil || s.Cause != core.CausePaused || !s.Until.IsZero() || !strings.Contains(s.Detail, "moving the disks") {
		t.Fatalf("Pause: %+v, %v", s, err)
	}
	for _, later := range []time.Duration{0, time.Hour, 24 * 365 * time.Hour} {
		if got := m.Read(t.Context(), noon.Add(later)); got != s {
			t.Errorf("after %v: %+v, want %+v", later, got, s)
		}
	}
	if info, err := os.Stat(m.pausePath()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("pause file: %v, %v", info, err)
	}

	// A second one replaces the first.
	if _, err := m.Pause(noon, time.Hour, ""); err != nil {
		t.Fatal(err)
	}
	until := noon.Add(time.Hour)
	for now, want := range map[time.Time]core.Cause{
		noon: core.CausePaused, until.Add(-1): core.CausePaused, until: "", until.Add(time.Hour): "",
	} {
		s := m.Read(t.Context(), now)
		if s.Cause != want {
			t.Errorf("at %v: %+v, want the cause %q", now, s, want)
		}
		if s.InForce() && (!s.Until.Equal(until) || !strings.Contains(s.Detail, "until")) {
			t.Errorf("it does not say that it ends at %v: %+v", until, s)
		}
	}

	for _, want := range []bool{true, false} {
		if was, err := m.Resume(); err != nil || was != want {
			t.Errorf("Resume: %v, %v, want %v", was, err, want)
		}
	}
	if s := m.Read(t.Context(), noon); s.InForce() {
		t.Errorf("after Resume: %+v", s)
	}
}

// The shortest pause that the command line allows is in force when it begins.
func TestShortestPause(t *testing.T) {
	t.Parallel()
	m := marks(t, healthy())
	for ms := range 10 {
		now := noon.Add(time.Duration(ms*100+99) * time.Millisecond)
		if s, err := m.Pause(now, time.Second, ""); err != nil || !s.InForce() {
			t.Errorf("at %v: %+v, %v", now, s, err)
		}
	}
}

func TestPauseCannotBeKept(t *testing.T) {
	t.Parallel()
	m := marks(t, healthy())
	put(t, m.StateDir, "a file where the directory should be")
	if s, err := m.Pause(noon, 0, ""); err == nil || s.InForce() {
		t.Errorf("got %+v, %v: a pause that is not kept is none", s, err)
	}
	if s := m.Read(t.Context(), noon); s.InForce() {
		t.Errorf("nobody paused, and yet %+v", s)
	}
	if was, err := m.Resume(); err != nil || was {
		t.Errorf("Resume: %v, %v, want that there was none", was, err)
	}
}

func TestDamagedPauseHolds(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"", "{", "null}", `"soon"`, `{"until":"tomorrow"}`, `{"since":3}`, "\x00"} {
		m := marks(t, healthy())
		put(t, m.pausePath(), content)
		s := m.Read(t.Context(), noon)
		if s.Cause != core.CausePaused || !strings.Contains(s.Detail, "keeper resume") {
			t.Errorf("%q: got %+v, want a pause, and how to end it", content, s)
		}
		if was, err := m.Resume(); err != nil || !was || m.Read(t.Context(), noon).InForce() {
			t.Errorf("%q: cannot be ended: %v, %v", content, was, err)
		}
	}
	m := marks(t, healthy())
	put(t, filepath.Join(m.pausePath(), "inside"), "")
	if s := m.Read(t.Context(), noon); s.Cause != core.CausePaused {
		t.Errorf("a directory: got %+v, want a pause", s)
	}
	if _, err := m.Resume(); err == nil {
		t.Error("a directory with something inside was removed")
	}
}

func TestStrongestFirst(t *testing.T) {
	t.Parallel()
	h := healthy()
	m := marks(t, h)
	m.Read(t.Context(), noon)
	if _, err := m.Pause(noon, 0, ""); err != nil {
		t.Fatal(err)
	}
	want := func(cause core.Cause) {
		t.Helper()
		if s := m.Read(t.Context(), noon); s.Cause != cause {
			t.Errorf("got %+v, want the cause %q", s, cause)
		}
	}
	want(core.CausePaused)
	h.passwd = "app L 2026-01-01"
	want(core.CauseLocked)
	h.chage = "Account expires : Jan 01, 2026\n"
	want(core.CauseExpired)
	h.getent, h.getentErr = "", exited(t, 2)
	want(core.CauseRemoved)
	put(t, m.MarkPath(), "")
	h.asked = nil
	want(core.CauseMark)
	if h.asked != nil {
		t.Errorf("the mark was there, and yet it asked %q", h.asked)
	}
}

// FuzzPause reads whatever a crash, a full disk or an editor left behind.
func FuzzPause(f *testing.F) {
	f.Add([]byte(`{"since":"2026-03-01T12:00:00Z","until":"2026-03-01T13:00:00Z","reason":"x"}`))
	f.Add([]byte(`{"since":"2026-03-01T12:00:00Z","until":"2026-03-01T11:00:00+01:00"}`))
	f.Add([]byte(`{"until":"9999-12-31T23:59:59-23:59"}`))
	f.Add([]byte(`{"until":null}`))
	f.Add([]byte(`{"reason":"` + "\\u0000" + `"}`))
	f.Add([]byte(`null`))
	f.Add([]byte(``))
	f.Add([]byte(`{"until":"2026-03-01T1`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m := marks(t, healthy())
		put(t, m.pausePath(), string(data))
		s := m.Read(t.Context(), noon)
		if s.Cause != "" && s.Cause != core.CausePaused || s.InForce() != (s.Detail != "") {
			t.Fatalf("got %+v", s)
		}
		// The only pause that does not hold is one that says when it ended.
		var p pauseFile
		over := json.Unmarshal(data, &p) == nil && !p.Until.IsZero() && !p.Until.After(noon)
		if s.InForce() == over {
			t.Fatalf("over is %v, and Read says %+v", over, s)
		}
		if !s.Until.IsZero() && !s.Until.After(noon) {
			t.Fatalf("in force until %v, which is past", s.Until)
		}
		if was, err := m.Resume(); err != nil || !was {
			t.Fatalf("Resume: %v, %v", was, err)
		}
	})
}
