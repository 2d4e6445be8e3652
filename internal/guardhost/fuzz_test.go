package guardhost

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"keeper/internal/paths"
)

// FuzzPass reads a pass, whatever is in its file: only one for this very line, that is
// good still and not for longer than one may be granted, lets the line run.
func FuzzPass(f *testing.F) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	const line = "loginctl terminate-user app"
	f.Add([]byte(`{"line":"loginctl terminate-user app","expires":"2026-03-01T12:05:00Z","by":"x"}`))
	f.Add([]byte(`{"line":"loginctl terminate-user app","expires":"2036-03-01T12:05:00Z"}`))
	f.Add([]byte(`{"Line":"loginctl terminate-user app ","Expires":"2026-03-01T12:05:00Z"}`))
	f.Add([]byte(`null`))
	dir := f.TempDir()
	a := Account{UID: os.Getuid(), Paths: paths.Paths{Runtime: dir, State: dir}}
	if err := os.MkdirAll(a.passesDir(), 0o700); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		path := a.passPath(line)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := a.readPass(path)
		good := err == nil && p.Line == line && now.Before(p.Expires) && p.Expires.Sub(now) <= longestPass
		for _, q := range a.passes(now) {
			if !now.Before(q.Expires) || q.Expires.Sub(now) > longestPass {
				t.Errorf("%q is a pass: %+v", data, q)
			}
		}
		if err := a.Use(line, "agent", now); (err == nil) != good {
			t.Errorf("%q lets it run: %v; it is %+v", data, err, p)
		}
		if _, err := os.Lstat(filepath.Join(a.passesDir(), filepath.Base(path))); err == nil {
			t.Errorf("%q can be used twice", data)
		}
	})
}
