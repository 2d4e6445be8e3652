package secret

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzFile reads a file that is meant to hold a secret: what is wrong with it is told
// without the secret.
func FuzzFile(f *testing.F) {
	f.Add([]byte("hunter2hunter2\n"))
	f.Add([]byte(strings.Repeat("x", most+2)))
	f.Add([]byte("\r\n"))
	f.Add([]byte{})
	path := filepath.Join(f.TempDir(), "word")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		word, err := File(path, "password")
		switch {
		case err == nil && (word == "" || len(word) > most || strings.HasSuffix(word, "\n") || !strings.HasPrefix(string(data), word)):
			t.Errorf("%q is read as %q", data, word)
		case err != nil && word != "":
			t.Errorf("%q: %q beside %v", data, word, err)
		case err != nil && len(data) > 20 && strings.Contains(err.Error(), string(data[:20])):
			t.Errorf("the secret is in %q", err)
		}
	})
}
