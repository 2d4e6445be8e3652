package logind

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/godbus/dbus/v5"
)

// FuzzText makes what logind says of a session fit to be shown: the names of hosts and
// processes in it are whatever somebody chose.
func FuzzText(f *testing.F) {
	f.Add("10.0.0.1", []byte("sshd\n"))
	f.Add("\x1b]0;x\a"+strings.Repeat("é", 200), []byte(strings.Repeat("\xff", 300)))
	dir := f.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "7"), 0o700); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, host string, name []byte) {
		if err := os.WriteFile(filepath.Join(dir, "7", "comm"), name, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, got := range []string{text(map[string]dbus.Variant{"RemoteHost": dbus.MakeVariant(host)}, "RemoteHost"), comm(dir, 7)} {
			if len(got) > maxField || strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%q, %q: %d bytes, %q", host, name, len(got), got)
			}
		}
	})
}
