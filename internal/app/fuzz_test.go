package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
)

func crooked(list ...string) string {
	for _, s := range list {
		if len([]rune(s)) > 301 || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
			return s
		}
	}
	return ""
}

// FuzzHelper reads what keeper-adopt prints: there are names of containers, files and
// Podman's words in it.
func FuzzHelper(f *testing.F) {
	f.Add([]byte(`{"version":1,"written":[{"unit":"db\u001b.service","file":"x"}],"refused":[{"name":"x","reason":"\n","try":"y"}]}`))
	f.Add([]byte(`{"version":1,"drift":[{"unit":"\u0007"}],"watch":["x","/nowhere"],"errors":["\u001b[2J"]}`))
	f.Add([]byte(`{"version":2}`))
	f.Add([]byte(`null`))
	dir := f.TempDir()
	said, program := filepath.Join(dir, "said"), filepath.Join(dir, "helper")
	if err := os.WriteFile(program, []byte("#!/bin/sh\nexec cat "+said+"\n"), 0o700); err != nil {
		f.Fatal(err)
	}
	a := adopter{func() (string, error) { return program, nil }}
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(said, data, 0o600); err != nil {
			t.Fatal(err)
		}
		ctx := context.Background()
		wrote := a.Write(ctx, nil)
		for _, w := range wrote.Written {
			if s := crooked(w.Unit, w.File); s != "" {
				t.Errorf("%q has %q", data, s)
			}
		}
		for _, r := range wrote.Refused {
			if s := crooked(r.Reason, r.Try); s != "" {
				t.Errorf("%q has %q", data, s)
			}
		}
		seen := a.Drift(ctx)
		if len(seen.Drift) > maxDrift || len(seen.Errs) > maxDrift || len(seen.Stamps) > maxDrift {
			t.Errorf("%d, %d, %d", len(seen.Drift), len(seen.Errs), len(seen.Stamps))
		}
		for _, d := range seen.Drift {
			if s := crooked(d.Unit, d.Against, d.Field, d.UnitSays, d.OtherSays, d.Try); s != "" {
				t.Errorf("%q has %q", data, s)
			}
		}
		if s := crooked(seen.Errs...); s != "" {
			t.Errorf("%q has %q", data, s)
		}
	})
}

// FuzzStalled reads /proc/pressure.
func FuzzStalled(f *testing.F) {
	f.Add("some avg10=1.00\nfull avg10=51.20 avg60=0.00 avg300=0.00 total=1\n", uint16(0))
	f.Add("full avg10=NaN", uint16(7512))
	f.Fuzz(func(t *testing.T, text string, part uint16) {
		_ = stalled(text)
		want := float64(part) / 100
		if got := stalled(fmt.Sprintf("some avg10=99.00\nfull avg10=%.2f avg60=1.00\n", want)); got != want {
			t.Errorf("%.2f is read as %v", want, got)
		}
	})
}
