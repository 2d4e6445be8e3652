package secret

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFile(t *testing.T) {
	t.Parallel()
	put := func(content string, mode os.FileMode) string {
		path := filepath.Join(t.TempDir(), "s")
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if s, err := File(put("word\r\n", 0o640), "password"); err != nil || s != "word" {
		t.Errorf("got %q, %v", s, err)
	}
	for name, tt := range map[string]struct{ path, want string }{
		"everybody's": {put("word", 0o644), "the password in"},
		"empty":       {put("\n", 0o600), "there is no password in"},
		"too long":    {put(strings.Repeat("x", most+1), 0o600), "longer than"},
		"a directory": {t.TempDir(), "no regular file"},
		"none":        {"/nonexistent", "cannot read the password"},
	} {
		if _, err := File(tt.path, "password"); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCredential(t *testing.T) {
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	if _, err := Credential("a", "secret"); err == nil || !strings.Contains(err.Error(), "LoadCredential=a:FILE") {
		t.Errorf("without any: %v", err)
	}
	dir := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("word"), 0o400); err != nil {
		t.Fatal(err)
	}
	if s, err := Credential("a", "secret"); err != nil || s != "word" {
		t.Errorf("got %q, %v", s, err)
	}
	if _, err := Credential("../a", "secret"); err == nil {
		t.Error("a path was taken for a name")
	}
}
