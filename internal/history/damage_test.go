package history

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"keeper/internal/core"
)

// FuzzDamage has several segments, one of which is hit: the others are untouched, and the
// log goes on.
func FuzzDamage(f *testing.F) {
	f.Add(uint8(1), uint16(100), uint16(50), []byte("noise\n"))
	f.Add(uint8(2), uint16(0), uint16(0), []byte{})
	f.Add(uint8(0), uint16(700), uint16(1000), bytes.Repeat([]byte{0}, 300))
	f.Fuzz(func(t *testing.T, which uint8, at, gone uint16, put []byte) {
		s := store(t)
		l := openLog(t, s)
		l.size = 500
		for n := range 20 {
			add(t, l, said(n))
		}
		names, _ := s.segments()
		hit := filepath.Join(s.logDir(), names[int(which)%len(names)])
		data, err := os.ReadFile(hit)
		if err != nil {
			t.Fatal(err)
		}
		from := int(at) % (len(data) + 1)
		to := min(len(data), from+int(gone))
		spoiled := slices.Concat(data[:from], put, data[to:])
		if err := os.WriteFile(hit, spoiled, 0o600); err != nil {
			t.Fatal(err)
		}
		// A line is whole if its bytes and the line feed before it are.
		want := map[string]bool{}
		for _, name := range names {
			path := filepath.Join(s.logDir(), name)
			content, _ := os.ReadFile(path)
			if path != hit {
				for line := range bytes.Lines(content) {
					want[string(line)] = true
				}
			}
		}
		pos := 0
		for line := range bytes.Lines(data) {
			end := pos + len(line)
			if end <= from || pos > to {
				want[string(line)] = true
			}
			pos = end
		}
		got := map[string]bool{}
		if _, err := s.Scan(time.Time{}, func(e core.Entry) bool { got[string(encode(e, noon))] = true; return true }); err != nil {
			t.Fatal(err)
		}
		for line := range want {
			if !got[line] {
				t.Fatalf("%q is lost", line)
			}
		}
		for round := range 2 {
			l := openLog(t, s)
			add(t, l, said(100+round))
		}
		what, _ := scanned(t, s)
		if !slices.Contains(what, "entry 100") || !slices.Contains(what, "entry 101") {
			t.Fatalf("what was written afterwards is lost: %q", what)
		}
		troubles := 0
		for _, w := range what {
			if strings.Contains(w, "is damaged") {
				troubles++
			}
		}
		if troubles > 1 {
			t.Fatalf("the same damage is told %d times", troubles)
		}
	})
}
