package internal_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestParsers compares the fuzz targets there are with those that docs/reference/parsers.md
// names, each as the room, a dot, and the function.
func TestParsers(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/reference/parsers.md")
	if err != nil {
		t.Fatal(err)
	}
	var named []string
	for _, m := range regexp.MustCompile("`([a-z/]+\\.Fuzz[A-Za-z0-9]+)`").FindAllStringSubmatch(string(page), -1) {
		named = append(named, m[1])
	}
	if len(named) < 40 {
		t.Fatalf("only %d targets are found in the table", len(named))
	}
	target := regexp.MustCompile(`(?m)^func (Fuzz\w+)\(f \*testing\.F\)`)
	var there []string
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range target.FindAllStringSubmatch(string(text), -1) {
			there = append(there, filepath.ToSlash(filepath.Dir(path))+"."+m[1])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range there {
		if !slices.Contains(named, name) {
			t.Errorf("docs/reference/parsers.md does not name %s", name)
		}
	}
	for _, name := range named {
		if !slices.Contains(there, name) {
			t.Errorf("docs/reference/parsers.md names %s, which is not there", name)
		}
	}
}

// TestThreatModel looks for each test that the threat model names as the proof of a
// promise.
func TestThreatModel(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/explanation/threat-model.md")
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	fn := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range fn.FindAllStringSubmatch(string(text), -1) {
			there[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile("`(?:[a-z]+\\.)?((?:Test|Fuzz)[A-Z]\\w+)`").FindAllStringSubmatch(string(page), -1)
	if len(names) < 20 {
		t.Fatalf("only %d tests are found in it", len(names))
	}
	for _, m := range names {
		if !there[m[1]] {
			t.Errorf("docs/explanation/threat-model.md names %s, which is not there", m[1])
		}
	}
}
