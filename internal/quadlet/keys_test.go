package quadlet

import (
	"os"
	"strings"
	"testing"
)

// The tables must say what the generators do: for one key that it does not know,
// a generator drops the whole unit.
func TestKeys(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/keys")
	if err != nil {
		t.Fatal(err)
	}
	taken := map[string]bool{}
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) != 3 || f[0] == "#" {
			continue
		}
		taken[f[0]+" "+f[1]] = true
		if v, known := KeySince(f[0], f[1]); !known || v.String() != f[2] {
			t.Errorf("[%s] %s= is from %s on, and keeper says %s, %v", f[0], f[1], f[2], v, known)
		}
	}
	if len(taken) < 180 {
		t.Errorf("%d keys were tried", len(taken))
	}
	for _, section := range []string{"Container", "Pod", "Network", "Volume", "Build"} {
		for _, name := range KnownKeys(section) {
			if !taken[section+" "+name] {
				t.Errorf("no generator knows %s= in [%s]", name, section)
			}
		}
	}
	if v, known := KeySince("Container", "Imgae"); known {
		t.Errorf("Imgae= is known, from %s on", v)
	}
}
