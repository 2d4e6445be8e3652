package guardhost

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"keeper/internal/core"
	"keeper/internal/guard"
)

func (a Account) entries(t *testing.T) (list []core.Entry) {
	t.Helper()
	damage, err := a.store().Scan(time.Time{}, func(e core.Entry) bool {
		list = append(list, e)
		return true
	})
	if err != nil || len(damage) > 0 {
		t.Fatal(damage, err)
	}
	return list
}

func TestNote(t *testing.T) {
	t.Parallel()
	rule, _ := guard.RuleOf("session.terminate")
	found := []guard.Finding{{Rule: rule, Command: "loginctl terminate-user app"}}
	for name, tt := range map[string]struct {
		v                      guard.Verdict
		line, agent, dir       string
		what, why, kept, rules string
	}{
		"refused": {v: guard.Verdict{Decision: guard.Deny, Findings: found}, line: "PGPASSWORD=hunter2 sudo loginctl terminate-user app", agent: "claude", dir: "/work",
			what: "the guard refused: loginctl terminate-user app", why: "session.terminate: " + rule.Reason + "; claude in /work", kept: "PGPASSWORD=*** sudo loginctl terminate-user app"},
		"asked":   {v: guard.Verdict{Decision: guard.Ask, Findings: found}, line: "x", what: "the guard asked about: loginctl terminate-user app", why: "session.terminate: " + rule.Reason, kept: "x"},
		"watched": {v: guard.Verdict{Decision: guard.Allow, Watched: guard.Deny, Findings: found}, line: "x", dir: "/work", what: "the guard only watches, and let through: ", why: "session.terminate: " + rule.Reason + "; in /work", kept: "x"},
		"passed":  {v: guard.Verdict{Decision: guard.Allow, Passed: "jo", Findings: found}, line: "x", agent: "codex", what: "the guard let through: ", why: "session.terminate: jo let it pass, once; codex", kept: "x"},
		"settled": {v: guard.Verdict{Decision: guard.Allow, Findings: []guard.Finding{{Rule: rule, Command: "y", Settled: "the site's settings"}}}, line: "x", what: "the guard let through: y", why: "session.terminate: the site's settings", kept: "x"},
		"failed":  {v: guard.Verdict{Decision: guard.Deny, Failed: "it is no shell"}, line: "a\x1b[2J\nb", what: "the guard refused: a?[2J b", why: "it is no shell", kept: "a?[2J b"},
		"long":    {v: guard.Verdict{Decision: guard.Deny}, line: "mysql --password=" + strings.Repeat("secret", 100_000), agent: "UPPER/../x", what: "the guard refused: mysql --password=***", why: "other", kept: "mysql --password=***…"},
	} {
		a := newHome(t, nil)
		if err := a.Note(tt.v, tt.line, tt.agent, tt.dir, noon); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		list := a.entries(t)
		if len(list) != 1 {
			t.Fatalf("%s: %+v", name, list)
		}
		e := list[0]
		if e.Kind != core.EntryGuard || !e.At.Equal(noon) || !strings.HasPrefix(e.What, tt.what) || e.Why != tt.why || e.Guard == nil || e.Guard.Line != tt.kept || e.Guard.Decision != tt.v.Decision.String() || e.Guard.Dir != tt.dir {
			t.Errorf("%s: %+v %+v", name, e, e.Guard)
		}
		if name == "watched" && e.Guard.Watched != "deny" {
			t.Errorf("watched %q", e.Guard.Watched)
		}
		if len(e.What) > 400 || strings.Contains(e.What+e.Why+e.Guard.Line, "hunter2") || strings.Contains(e.What+e.Guard.Line, "secretsecret") {
			t.Errorf("%s: %s", name, e.What)
		}
	}
}

// What nobody objects to is not in the history, but that the guard is on is known.
func TestNoteNone(t *testing.T) {
	t.Parallel()
	a := newHome(t, nil)
	for i, agent := range []string{"claude", "codex", "claude", ""} {
		if err := a.Note(guard.Verdict{}, "ls", agent, "/", noon.Add(time.Duration(i)*time.Minute)); err != nil {
			t.Error(err)
		}
	}
	if list := a.entries(t); list != nil {
		t.Errorf("got %v", list)
	}
	s, err := a.Summary(noon)
	if want := []LastJudged{{"claude", noon.Add(2 * time.Minute)}, {"codex", noon.Add(time.Minute)}}; err != nil || !slices.EqualFunc(s.Judged, want, func(a, b LastJudged) bool { return a.Agent == b.Agent && a.At.Equal(b.At) }) {
		t.Errorf("got %+v, %v", s, err)
	}
}

// What cannot be written is told.
func TestNoteFails(t *testing.T) {
	t.Parallel()
	a := newHome(t, nil)
	put(t, a.Paths.State, "in the way")
	err := a.Note(guard.Verdict{Decision: guard.Deny}, "x", "claude", "", noon)
	if err == nil || !strings.Contains(err.Error(), "cannot note in") || !strings.Contains(err.Error(), "the verdict is not in the history") {
		t.Errorf("got %v", err)
	}
	if _, err := a.Summary(noon); err == nil {
		t.Error("a summary of what cannot be read")
	}
	if err := a.Grant("ls", time.Minute, "jo", noon); err == nil || len(a.passes(noon)) > 0 {
		t.Errorf("a pass without a trace: %v, %v", err, a.passes(noon))
	}
}

// The daemon and several agents write at the same time.
func TestNoteTogether(t *testing.T) {
	t.Parallel()
	a := newHome(t, nil)
	l, err := a.store().OpenLog(noon)
	if err != nil {
		t.Fatal(err)
	}
	const each = 40
	var all sync.WaitGroup
	for n := range 3 {
		all.Go(func() {
			for i := range each {
				if err := a.Note(guard.Verdict{Decision: guard.Deny}, fmt.Sprint(n, i), "claude", "", noon); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range each {
		if err := l.Append(noon, core.Entry{At: noon, Kind: core.EntryUnit, What: "x"}); err != nil {
			t.Error(err)
		}
	}
	all.Wait()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if n := len(a.entries(t)); n != 4*each {
		t.Errorf("%d entries of %d", n, 4*each)
	}
}

func TestSummary(t *testing.T) {
	t.Parallel()
	a := newHome(t, nil)
	if s, err := a.Summary(noon); err != nil || s.Last != nil || s.Judged != nil {
		t.Errorf("of nothing: %+v, %v", s, err)
	}
	note := func(d guard.Decision, line string, ago time.Duration) {
		v := guard.Verdict{Decision: d, Findings: []guard.Finding{{Rule: guard.Rule{ID: "data.drop"}, Command: line}}}
		if err := a.Note(v, line, "claude", "", noon.Add(-ago)); err != nil {
			t.Fatal(err)
		}
	}
	note(guard.Deny, "ancient", 8*24*time.Hour)
	note(guard.Deny, "old", 25*time.Hour)
	note(guard.Deny, "new", time.Hour)
	note(guard.Deny, "newer", time.Minute)
	note(guard.Deny, "before", 2*time.Minute)
	note(guard.Ask, "asked", time.Minute)
	note(guard.Ask, "asked long ago", 25*time.Hour)
	note(guard.Allow, "passed", time.Minute)
	if err := a.Grant("rm", time.Minute, "jo", noon); err != nil {
		t.Fatal(err)
	}
	s, err := a.Summary(noon)
	if err != nil || s.Refused != 3 || s.Asked != 1 || s.Passed != 1 || s.Last == nil || s.Last.Line != "newer" || s.Last.Rule != "data.drop" || s.Last.Agent != "claude" || !s.Last.At.Equal(noon.Add(-time.Minute)) || s.Damage != nil {
		t.Errorf("got %+v, %+v, %v", s, s.Last, err)
	}
}

func TestPasses(t *testing.T) {
	t.Parallel()
	a := newHome(t, nil)
	const line = "podman volume rm scratch"
	if err := a.Use(line, "claude", noon); !errors.Is(err, ErrNoPass) {
		t.Errorf("without one: %v", err)
	}
	if err := a.Grant(line, 5*time.Minute, "jo on pts/0", noon); err != nil {
		t.Fatal(err)
	}
	want := guard.Pass{Line: line, Expires: noon.Add(5 * time.Minute), By: "jo on pts/0"}
	if _, p, _ := a.Load("", noon); !slices.Equal(p.Passes, []guard.Pass{want}) {
		t.Errorf("got %+v", p.Passes)
	}
	if got := a.passes(noon.Add(5 * time.Minute)); got != nil {
		t.Errorf("expired: %+v", got)
	}
	if err := a.Use(line+" ", "claude", noon); !errors.Is(err, ErrNoPass) {
		t.Errorf("another line: %v", err)
	}
	if err := a.Use(line, "claude", noon.Add(time.Minute)); err != nil {
		t.Error(err)
	}
	if err := a.Use(line, "claude", noon.Add(time.Minute)); !errors.Is(err, ErrNoPass) {
		t.Errorf("twice: %v", err)
	}
	// One that expired is none, and gone.
	if err := a.Grant(line, time.Minute, "jo", noon); err != nil {
		t.Fatal(err)
	}
	if err := a.Use(line, "claude", noon.Add(time.Minute)); !errors.Is(err, ErrNoPass) {
		t.Errorf("expired: %v", err)
	}
	if files, err := os.ReadDir(a.passesDir()); err != nil || len(files) > 0 {
		t.Errorf("left: %v, %v", files, err)
	}
	var got []string
	for _, e := range a.entries(t) {
		got = append(got, e.What+" ("+e.Why+")")
	}
	if want := []string{
		"a pass was refused: " + line + " (it was used already; claude)",
		"a pass was granted: " + line + " (until 12:05:00; jo on pts/0)",
		"a pass was refused: " + line + "  (it was used already; claude)",
		"a pass was used: " + line + " (jo on pts/0 let it pass; claude)",
		"a pass was refused: " + line + " (it was used already; claude)",
		"a pass was granted: " + line + " (until 12:01:00; jo)",
		"a pass was refused: " + line + " (it is good no more; claude)",
	}; !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Of many that want it at the same time, one gets it.
func TestUseRaces(t *testing.T) {
	t.Parallel()
	a := newHome(t, nil)
	for range 20 {
		if err := a.Grant("x", time.Minute, "jo", noon); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var all sync.WaitGroup
		got := 0
		for range 8 {
			all.Go(func() {
				switch err := a.Use("x", "claude", noon); {
				case err == nil:
					mu.Lock()
					got++
					mu.Unlock()
				case !errors.Is(err, ErrNoPass):
					t.Error(err)
				}
			})
		}
		all.Wait()
		if got != 1 {
			t.Fatalf("%d got it", got)
		}
	}
}

func TestForgedPasses(t *testing.T) {
	t.Parallel()
	a := newHome(t, nil)
	dir := a.passesDir()
	pass := func(name, text string, mode os.FileMode) {
		put(t, filepath.Join(dir, name), text)
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	good := `{"line":"a","expires":"2026-01-05T12:01:00Z","by":"jo"}`
	pass("good"+passSuffix, good, 0o600)
	pass("for-all"+passSuffix, strings.Replace(good, `"a"`, `"b"`, 1), 0o644)
	pass("for-ever"+passSuffix, `{"line":"c","expires":"2027-01-05T12:01:00Z","by":"jo"}`, 0o600)
	pass("torn"+passSuffix, `{"line":"d","expi`, 0o600)
	pass("another", strings.Replace(good, `"a"`, `"e"`, 1), 0o600)
	pass("target", strings.Replace(good, `"a"`, `"f"`, 1), 0o600)
	if err := os.Symlink("target", filepath.Join(dir, "link"+passSuffix)); err != nil {
		t.Fatal(err)
	}
	if got := a.passes(noon); len(got) != 1 || got[0].Line != "a" {
		t.Errorf("got %+v", got)
	}
	// One that lies under another line's name is no pass of that.
	if err := os.Rename(filepath.Join(dir, "good"+passSuffix), a.passPath("rm -rf /")); err != nil {
		t.Fatal(err)
	}
	if err := a.Use("rm -rf /", "claude", noon); !errors.Is(err, ErrNoPass) {
		t.Errorf("got %v", err)
	}
}

func TestGrantRefused(t *testing.T) {
	t.Parallel()
	a := newHome(t, nil)
	for name, tt := range map[string]struct {
		line   string
		within time.Duration
	}{"nothing": {" ", time.Minute}, "too much": {strings.Repeat("x", mostPass+1), time.Minute}, "no time": {"x", 0}, "too long": {"x", 2 * time.Hour}} {
		if err := a.Grant(tt.line, tt.within, "jo", noon); err == nil || len(a.passes(noon)) > 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range mostPasses {
		if err := a.Grant(fmt.Sprint("x", i), time.Minute, "jo", noon); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Grant("one more", time.Minute, "jo", noon); err == nil {
		t.Error("passes without end")
	}
	if err := a.Grant("later", time.Minute, "jo", noon.Add(time.Minute)); err != nil {
		t.Errorf("those that expired are in the way: %v", err)
	}
	put(t, a.Paths.SiteGuard, "overrides = 'never'")
	if err := a.Grant("x", time.Minute, "jo", noon); !errors.Is(err, ErrForbidden) {
		t.Errorf("forbidden: %v", err)
	}
	if _, p, _ := a.Load("", noon.Add(time.Minute)); p.Passes != nil {
		t.Errorf("forbidden, and there: %v", p.Passes)
	}
	// Root's settings are broken: they may have said never.
	put(t, a.Paths.SiteGuard, "overrides = 'nevr'")
	if err := a.Grant("x", time.Minute, "jo", noon); !errors.Is(err, ErrForbidden) {
		t.Errorf("broken: %v", err)
	}
	list := a.entries(t)
	if last := list[len(list)-1]; last.What != "a pass was refused: x" {
		t.Errorf("noted: %+v", last)
	}
}
