package standdown

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"keeper/internal/core"
)

func unprintable(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// FuzzAccount reads what getent, chage and passwd print.
func FuzzAccount(f *testing.F) {
	f.Add("app:x:1000:1000::/home/app:/bin/sh\n", "Account expires\t\t: Jan 01, 2026\n", "app P 2026-01-01 0 99999 7 -1\n")
	f.Add("app\x1b[2J:x", "Account expires : never", "app LK 2026-01-01")
	f.Add("", ":\n:", " \n ")
	f.Fuzz(func(t *testing.T, getent, chage, passwd string) {
		m := marks(t, healthy())
		m.Run = func(_ context.Context, name string, _ ...string) (string, error) {
			return map[string]string{"getent": getent, "chage": chage, "passwd": passwd}[name], nil
		}
		s := m.account(t.Context(), noon)
		switch s.Cause {
		case "":
		case core.CauseExpired:
			if !strings.Contains(chage, "Account expires") {
				t.Errorf("%q says that it has expired", chage)
			}
		case core.CauseLocked:
			// Nobody saw a usable password before.
			t.Errorf("%q says that it was locked", passwd)
		default:
			t.Errorf("it is %s", s.Cause)
		}
		if unprintable(s.Detail) || s.InForce() != (s.Detail != "") {
			t.Errorf("got %+v", s)
		}
	})
}

// FuzzHeld reads a hold, whatever is in its file.
func FuzzHeld(f *testing.F) {
	f.Add([]byte(`{"at":"2026-03-01T12:00:00Z","until":"2026-03-01T13:00:00Z","reason":"x"}`))
	f.Add([]byte(`{"at":"2026-03-01T12:00:00Z","reason":"\u001b[2J` + strings.Repeat("x", 300) + `"}`))
	f.Add([]byte(`{"until":"0001-01-01T00:00:00Z"}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m := marks(t, healthy())
		if err := os.MkdirAll(m.heldDir(), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(m.heldDir(), "db.json"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		held, err := m.Held(noon)
		if err != nil {
			t.Fatal(err)
		}
		h, ok := held["db.service"]
		if !ok {
			// The only one that does not hold is one that says when it ended.
			read, err := readHold(filepath.Join(m.heldDir(), "db.json"))
			if err != nil || read.Until.IsZero() || noon.Before(read.Until) {
				t.Errorf("%q holds nothing: %+v, %v", data, read, err)
			}
			return
		}
		if unprintable(h.Reason) || len([]rune(h.Reason)) > maxReason || !h.Until.IsZero() && h.Until.Before(noon.Add(-time.Nanosecond)) {
			t.Errorf("%q is %+v", data, h)
		}
	})
}
