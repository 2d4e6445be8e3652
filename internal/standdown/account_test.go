package standdown

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keeper/internal/core"
)

func TestAccount(t *testing.T) {
	t.Parallel()
	broken := errors.New("no such program")
	tests := map[string]struct {
		// seen says that a usable password was there when keeper looked before.
		seen   bool
		change func(h *host)
		want   core.Cause
	}{
		"healthy":                          {true, func(h *host) {}, ""},
		"removed":                          {false, func(h *host) { h.getent, h.getentErr = "", exited(t, 2) }, core.CauseRemoved},
		"getent fails in another way":      {true, func(h *host) { h.getent, h.getentErr = "", exited(t, 1) }, ""},
		"there is no getent":               {true, func(h *host) { h.getent, h.getentErr = "", broken }, ""},
		"getent says nothing":              {true, func(h *host) { h.getent = "" }, ""},
		"getent says rubbish":              {true, func(h *host) { h.getent = ":\n:" }, ""},
		"expired":                          {false, func(h *host) { h.chage = "Account expires\t\t: Feb 28, 2026\n" }, core.CauseExpired},
		"expires today":                    {false, func(h *host) { h.chage = "Account expires\t\t: Mar 01, 2026\n" }, core.CauseExpired},
		"expires tomorrow":                 {false, func(h *host) { h.chage = "Account expires\t\t: Mar 02, 2026\n" }, ""},
		"the password expired, not it":     {false, func(h *host) { h.chage = "Password expires : Jan 01, 2020\nAccount expires : never\n" }, ""},
		"chage speaks another language":    {false, func(h *host) { h.chage = "Konto läuft ab : 01. Jan 2020\n" }, ""},
		"chage gives no date":              {false, func(h *host) { h.chage = "Account expires : soon\n" }, ""},
		"chage says nothing":               {false, func(h *host) { h.chage = "" }, ""},
		"chage fails":                      {false, func(h *host) { h.chage, h.chageErr = "Account expires : Jan 01, 2020\n", broken }, ""},
		"locked, as Debian says":           {true, func(h *host) { h.passwd = "app L 2026-01-01 0 99999 7 -1\n" }, core.CauseLocked},
		"locked, as RHEL says":             {true, func(h *host) { h.passwd = "app LK 2026-01-01 0 99999 7 -1 (Password locked.)\n" }, core.CauseLocked},
		"never had a password":             {false, func(h *host) { h.passwd = "app LK 2026-01-01\n" }, ""},
		"usable, as RHEL says":             {true, func(h *host) { h.passwd = "app PS 2026-01-01\n" }, ""},
		"no password at all":               {true, func(h *host) { h.passwd = "app NP 2026-01-01\n" }, ""},
		"passwd fails":                     {true, func(h *host) { h.passwd, h.pwdErr = "app L", broken }, ""},
		"passwd says nothing":              {true, func(h *host) { h.passwd = "" }, ""},
		"passwd says the name and no more": {true, func(h *host) { h.passwd = "app" }, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := healthy()
			m := marks(t, h)
			if tt.seen {
				m.Read(t.Context(), noon)
			}
			tt.change(h)
			s := m.Read(t.Context(), noon)
			if s.Cause != tt.want || s.InForce() && s.Detail == "" {
				t.Errorf("got %+v, want the cause %q", s, tt.want)
			}
		})
	}
}

func TestExpiresAtMidnight(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	const aging = "Account expires : Mar 02, 2026\n"
	if expired(aging, day.Add(-1)) || !expired(aging, day) {
		t.Error("the account must expire with the first moment of the day, and no sooner")
	}
}

func TestRemember(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(h *host)
		want   bool
	}{
		"P":                  {func(h *host) {}, true},
		"PS":                 {func(h *host) { h.passwd = "app PS 2026-01-01" }, true},
		"L":                  {func(h *host) { h.passwd = "app L 2026-01-01" }, false},
		"LK":                 {func(h *host) { h.passwd = "app LK 2026-01-01" }, false},
		"NP":                 {func(h *host) { h.passwd = "app NP 2026-01-01" }, false},
		"passwd fails":       {func(h *host) { h.pwdErr = errors.New("no") }, false},
		"nobody knows it":    {func(h *host) { h.getent, h.getentErr = "", errors.New("no") }, false},
		"it has no name yet": {func(h *host) { h.getent = "" }, false},
	}
	for name, tt := range tests {
		h := healthy()
		tt.change(h)
		m := marks(t, h)
		m.Read(t.Context(), noon)
		if got := m.hadPassword(); got != tt.want {
			t.Errorf("%s: remembers a usable password: %v, want %v", name, got, tt.want)
		}
	}
}

// A lock that a person accepted is no reason any more, until there was a
// usable password again.
func TestAccept(t *testing.T) {
	t.Parallel()
	const locked = "app L 2026-01-01"
	h := healthy()
	usable := h.passwd
	m := marks(t, h)
	if err := m.Accept(t.Context()); err != nil {
		t.Errorf("with nothing to accept: %v", err)
	}
	want := func(passwd string, cause core.Cause) {
		t.Helper()
		h.passwd = passwd
		m.Read(t.Context(), noon)
		if s := m.Read(t.Context(), noon); s.Cause != cause {
			t.Errorf("got %+v, want the cause %q", s, cause)
		}
	}
	want(usable, "")
	want(locked, core.CauseLocked)
	if err := m.Accept(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(locked, "")
	want(usable, "")
	want(locked, core.CauseLocked)
}

// The real programs, on whatever host this is.
func TestRealPrograms(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("getent"); err != nil {
		t.Skip("there is no getent here")
	}
	// The uid before the one that means none is given to nobody.
	m := Marks{UID: math.MaxUint32 - 1, StateDir: t.TempDir(), MarkDir: t.TempDir()}
	if s := m.Read(t.Context(), time.Now()); s.Cause != core.CauseRemoved {
		t.Errorf("an account that there is not: %+v", s)
	}
	m.UID = uint32(os.Getuid())
	if s := m.Read(t.Context(), time.Now()); s.InForce() {
		t.Errorf("the account that runs this test: %+v", s)
	}
}

// Where nobody can be asked what was said last holds, and that is said.
func TestNotAsked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		chage, passwd string // what they said last
		want          core.Cause
	}{
		"nothing is known":    {},
		"well at that time":   {chage: "Account expires\t: never\n", passwd: "app P 2026-01-01\n"},
		"locked at that time": {passwd: "app L 2026-01-01\n", want: core.CauseLocked},
		"expired before that": {chage: "Account expires\t: Jan 01, 2001\n", want: core.CauseExpired},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := marks(t, healthy())
			put(t, m.passwordPath(), "")
			m.Outside = func(_ context.Context, argv []string) (string, error) {
				said := map[string]string{"chage": c.chage, "passwd": c.passwd}[filepath.Base(argv[0])]
				return said, fmt.Errorf("%w: the manager hangs", ErrNotAsked)
			}
			got := m.Read(t.Context(), noon)
			if got.Cause != c.want || c.want == "" && !strings.Contains(got.Unasked, "hangs") {
				t.Errorf("got %+v, want %q", got, c.want)
			}
		})
	}
}
