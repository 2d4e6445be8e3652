package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"keeper/internal/core"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRead(t *testing.T) {
	t.Parallel()
	gone := filepath.Join(t.TempDir(), "none", "keeper.toml")
	for name, tt := range map[string]struct {
		site, user string
		want       core.Adopt
	}{
		"nothing is set":      {want: core.AdoptPropose},
		"the site sets it":    {site: `adopt = "off"`, want: core.AdoptOff},
		"the user sets it":    {user: "# mine\n\nadopt = 'auto' # all", want: core.AdoptAuto},
		"the user wins":       {site: `adopt = "off"`, user: `"adopt" = """auto"""`, want: core.AdoptAuto},
		"an empty file":       {site: `adopt = "auto"`, user: "\n", want: core.AdoptAuto},
		"with a carriage ret": {user: "adopt = \"off\"\r\n", want: core.AdoptOff},
	} {
		site, user := gone, gone
		if tt.site != "" {
			site = write(t, "site.toml", tt.site)
		}
		if tt.user != "" {
			user = write(t, "user.toml", tt.user)
		}
		got, mistakes := Read(site, user)
		if got.Adopt != tt.want || mistakes != nil {
			t.Errorf("%s: got %q, %v; want %q", name, got.Adopt, mistakes, tt.want)
		}
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		text string
		want []string // each mistake from the line on, in order
	}{
		"a word":             {"\nadopt = \"always\"", []string{`:2: adopt = "always": must be one of "propose", "auto", "off"`}},
		"a number":           {"adopt = 1", []string{`:1: adopt = 1: must be one of`}},
		"a truth":            {"adopt = true", []string{`:1: adopt = true: must be one of`}},
		"a list":             {"adopt = ['auto']", []string{`:1: adopt = […]: must be one of`}},
		"a slip":             {"adpot = \"auto\"", []string{`:1: adpot: there is no such key; did you mean adopt?`}},
		"unknown":            {"colour = \"red\"", []string{`:1: colour: there is no such key; there are: adopt`}},
		"an unknown table":   {"[alarm]\nto = 'x'\nfrom = 'y'", []string{`:1: [alarm]: there is no such table`}},
		"tables in a list":   {"[[alarm]]\nto = 'x'", []string{`:1: [alarm]: there is no such table`}},
		"an inline table":    {"adopt = { mode = 'auto' }", []string{`:1: adopt.mode: there is no such key`}},
		"twice":              {"adopt = 'auto'\nadopt = 'off'", []string{`:2: adopt: is set already in line 1`}},
		"all at once":        {"adopt = 'x'\nfoo = 1\n\n[bar]\nadopt = 2", []string{`:1: adopt = "x"`, `:2: foo: there is`, `:4: [bar]: there is`}},
		"no TOML":            {"foo = 1\nadopt = \n", []string{`:1: foo: there is`, `:2: is no TOML: `}},
		"no TOML in between": {"adopt = auto", []string{`:1: is no TOML: `}},
		"control characters": {"\"a\\u001b[2Jb\" = 1", []string{`:1: a?[2Jb: there is no such key`}},
		"a bare one":         {"\x1b = 1", []string{`:1: is no TOML: `}},
		"in what is unknown": {"[x]\n\"\\u001b[2J\" = 1\n\"\\u001b[2J\" = 2", []string{`:1: [x]: there is`, `:3: ?[2J: is no TOML: `}},
		"an endless key":     {strings.Repeat("x", 500) + " = 1", []string{`…: there is no such key`}},
		"an endless value":   {"adopt = '" + strings.Repeat("x", 500) + "'", []string{`…: must be one of`}},
	} {
		file := write(t, "keeper.toml", tt.text)
		got, mistakes := Read(file)
		if !reflect.DeepEqual(got, Defaults()) {
			t.Errorf("%s: the settings are %+v", name, got)
		}
		lines := mistakes.Lines()
		if len(lines) != len(tt.want) {
			t.Errorf("%s: got %q, want %q", name, lines, tt.want)
			continue
		}
		for i, line := range lines {
			if rest, ok := strings.CutPrefix(line, file); !ok || !strings.Contains(rest, tt.want[i]) {
				t.Errorf("%s: got %q, want %q", name, line, tt.want[i])
			}
			if strings.ContainsAny(line, "\x1b\n") {
				t.Errorf("%s: %q would move a cursor", name, line)
			}
			if len(line) > len(file)+200 {
				t.Errorf("%s: the mistake is %d bytes long", name, len(line))
			}
		}
	}
}

// Whatever the file is, somebody can read what is said of it.
func TestMistakesWithoutEnd(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, "x%d = 1\n", i)
	}
	_, mistakes := Read(write(t, "keeper.toml", b.String()))
	if n := len(mistakes); n != maxMistakes+1 || !strings.HasSuffix(mistakes[n-1].Error(), ": has 980 more mistakes") {
		t.Errorf("got %d: %v", n, mistakes[n-1])
	}
}

// A mistake in one file is a mistake of all: nothing of the other counts.
func TestMistakeInOne(t *testing.T) {
	t.Parallel()
	site, user := write(t, "site.toml", "adopt = 'nonsense'"), write(t, "user.toml", "adopt = 'auto'\nx = 1")
	got, mistakes := Read(site, user)
	if !reflect.DeepEqual(got, Defaults()) || len(mistakes) != 2 || mistakes[0].File != site || mistakes[1].File != user {
		t.Errorf("got %+v, %v", got, mistakes)
	}
}

func TestFilesThatAreNone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	large := write(t, "large.toml", "# "+strings.Repeat("x", maxSize))
	loop := filepath.Join(dir, "loop")
	if err := os.Symlink(loop, loop); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		dir:   "must be a regular file",
		fifo:  "must be a regular file",
		large: "must be no larger than 262144 bytes",
		loop:  "cannot be read",
	} {
		if _, mistakes := Read(file); len(mistakes) != 1 || mistakes[0].File != file || !strings.Contains(mistakes[0].Rule, want) {
			t.Errorf("%s: got %v, want %q", file, mistakes, want)
		}
	}
	if os.Geteuid() != 0 {
		secret := write(t, "secret.toml", "adopt = 'auto'")
		if err := os.Chmod(secret, 0); err != nil {
			t.Fatal(err)
		}
		if _, mistakes := Read(secret); len(mistakes) != 1 || !strings.Contains(mistakes[0].Rule, "permission denied; make it readable") {
			t.Errorf("unreadable: got %v", mistakes)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"adopt = 'auto'", "adopt = { a.b = 1 }", "[a]\n[[b.c]]\nd = [1, {e = 2}]", "\"\" = 1", "a.b.c = 1979-05-27"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		said, mistakes := parse("f", data)
		for _, m := range append(mistakes, clashesIn(said, over(said, Defaults()))...) {
			if m.Rule == "" || strings.ContainsAny(m.Error(), "\x1b\n") {
				t.Errorf("mistake %q", m.Error())
			}
		}
	})
}

// About the largest file there may be is read to its end, with the right lines.
func TestLargeFiles(t *testing.T) {
	t.Parallel()
	var unknown, services strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&unknown, "x%d = 1\n", i)
	}
	for i := range 5_000 {
		fmt.Fprintf(&services, "[service.s%d]\nport = 1\ninterval = '5s'\n", i)
	}
	if _, mistakes := Read(write(t, "unknown.toml", unknown.String())); len(mistakes) != maxMistakes+1 {
		t.Errorf("got %d mistakes", len(mistakes))
	}
	s, mistakes := Read(write(t, "services.toml", services.String()))
	if last := s.Services["s4999"]; mistakes != nil || len(s.Services) != 5_000 || !strings.HasSuffix(last.From["interval"], ":15000") {
		t.Errorf("got %d services, the last %+v, %v", len(s.Services), last, mistakes)
	}
}
