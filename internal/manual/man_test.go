package manual

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func manPages(t *testing.T, date string) map[string]string {
	t.Helper()
	pages, err := ManPages(date)
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// Every command has a page with what a page has, and the same source makes the same.
func TestManPages(t *testing.T) {
	t.Parallel()
	pages := manPages(t, "")
	for _, want := range []string{"man1/keeper.1", "man1/keeper-adopt.1", "man1/keeper-guard.1", "man1/keeper-guard-hook.1", "man1/keeper-drill-run.1", "man5/keeper.toml.5"} {
		if pages[want] == "" {
			t.Errorf("there is no %s", want)
		}
	}
	for name, text := range pages {
		switch {
		case text == ".so man5/keeper.toml.5\n":
			continue
		case strings.HasPrefix(name, "man1/"):
			sections(t, name, text, "NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "SEE ALSO")
		default:
			sections(t, name, text, "NAME", "SYNOPSIS", "DESCRIPTION", "IN KEEPER.TOML", "OF A SERVICE", "SEE ALSO")
		}
		if i := strings.IndexFunc(text, func(r rune) bool { return r > 0x7e }); i >= 0 {
			t.Errorf("%s: %q is no ASCII", name, text[max(0, i-10):i+4])
		}
	}
	if !maps.Equal(pages, manPages(t, "")) {
		t.Error("a second run makes other pages")
	}
	if dated := manPages(t, "2026-01-05")["man1/keeper.1"]; !strings.Contains(dated, `"2026-01-05"`) {
		t.Error("the date is not in the page")
	}
}

func sections(t *testing.T, name, text string, want ...string) {
	t.Helper()
	at := 0
	for _, s := range want {
		i := strings.Index(text[at:], "\n.SH "+s+"\n")
		if i < 0 {
			t.Errorf("%s has no section %s, or not there", name, s)
			return
		}
		at += i
	}
}

// Pages that a page points to are there.
func TestSeeAlso(t *testing.T) {
	t.Parallel()
	pages := manPages(t, "")
	ref := regexp.MustCompile(`\\fB([a-z\\.-]+)\\fR\(([15])\)`)
	for name, text := range pages {
		for _, m := range ref.FindAllStringSubmatch(text, -1) {
			to := strings.ReplaceAll(m[1], `\`, "")
			if strings.HasPrefix(to, "keeper") && pages["man"+m[2]+"/"+to+"."+m[2]] == "" {
				t.Errorf("%s points to %s(%s), which is not there", name, to, m[2])
			}
		}
	}
}

func TestEscape(t *testing.T) {
	t.Parallel()
	var r roff
	r.text(`.TH is 'no' macro: C:\x -- a^b ~ › ` + "`")
	r.text("'quoted'")
	want := `\&.TH is \(aqno\(aq macro: C:\ex \-\- a\(hab \(ti \[u203A] \(ga` + "\n" + `\(aqquoted\(aq` + "\n"
	if got := r.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestDate(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": "", "0": "1970-01-01", "1767634202": "2026-01-05"} {
		if got, err := Date(in); got != want || err != nil {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	if _, err := Date("yesterday"); err == nil {
		t.Error("yesterday is a time")
	}
}

// What reads pages has nothing to say against them, where it is there.
func TestLint(t *testing.T) {
	t.Parallel()
	linters := map[string][]string{
		"groff":  {"-ww", "-Tutf8", "-man", "-t", "-z"},
		"mandoc": {"-Tlint", "-Wwarning"},
	}
	pages := manPages(t, "2026-01-05")
	dir := t.TempDir()
	if err := Write(dir, pages); err != nil {
		t.Fatal(err)
	}
	found := 0
	for program, args := range linters {
		if _, err := exec.LookPath(program); err != nil {
			continue
		}
		if out, err := exec.Command(program, "--version").CombinedOutput(); program == "groff" && err != nil {
			t.Logf("groff does not run: %s", out)
			continue
		}
		found++
		for _, name := range slices.Sorted(maps.Keys(pages)) {
			if strings.HasPrefix(pages[name], ".so ") {
				continue
			}
			out, _ := exec.Command(program, append(slices.Clone(args), filepath.Join(dir, name))...).CombinedOutput()
			if len(out) > 0 {
				t.Errorf("%s says of %s:\n%s", program, name, out)
			}
		}
	}
	if found == 0 && os.Getenv("KEEPER_TEST_REQUIRE") != "" {
		t.Fatal("neither groff nor mandoc is here; type: make setup")
	}
	if found == 0 {
		t.Skip("neither groff nor mandoc is here")
	}
}

// Write makes what is missing, and says what it could not write.
func TestWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := Write(dir, map[string]string{"a/b": "x"}); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "a", "b")); string(data) != "x" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
	if err := Write(filepath.Join(dir, "a", "b"), map[string]string{"c": "x"}); err == nil || !strings.Contains(err.Error(), filepath.Join("b", "c")) {
		t.Errorf("%v", err)
	}
}
