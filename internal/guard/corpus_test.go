package guard

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// testCase is one case of the corpus: testdata/corpus/README.md has the format.
type testCase struct {
	where    string // file:line
	verdicts []Decision
	rules    []string // none for "-"
	command  string
}

// deadly says that the line must not run unasked.
func (s testCase) deadly() bool { return !slices.Contains(s.verdicts, None) }

// The least that the corpus must have.
const (
	leastLines    = 600
	leastDeadly   = 300
	leastHarmless = 300
	// mostStopped is the share of harmless lines, in percent, that may be asked about
	// or refused.
	mostStopped = 1
)

func readCorpus(t testing.TB) []testCase {
	t.Helper()
	files, err := filepath.Glob("testdata/corpus/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	var all []testCase
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			where := filepath.Base(file) + ":" + strconv.Itoa(i+1)
			switch {
			case line == "" || line[0] == '#':
			case line == ">" || strings.HasPrefix(line, "> "):
				if len(all) == 0 {
					t.Fatalf("%s: nothing to go on with", where)
				}
				all[len(all)-1].command += "\n" + strings.TrimPrefix(line[1:], " ")
			default:
				all = append(all, readSample(t, where, line))
			}
		}
	}
	return all
}

func readSample(t testing.TB, where, line string) testCase {
	t.Helper()
	verdict, rest, ok1 := strings.Cut(line, "\t")
	rules, command, ok2 := strings.Cut(rest, "\t")
	if !ok1 || !ok2 || command == "" {
		t.Fatalf("%s: want VERDICT<TAB>RULE<TAB>COMMAND, got %q", where, line)
	}
	s := testCase{where: where, command: command}
	for _, word := range strings.Split(verdict, "|") {
		d, ok := ParseDecision(word)
		if !ok || d == Allow {
			t.Fatalf("%s: %q is no verdict", where, word)
		}
		s.verdicts = append(s.verdicts, d)
	}
	if slices.Contains(s.verdicts, None) != (rules == "-") || s.verdicts[0] == None && len(s.verdicts) > 1 {
		t.Fatalf("%s: verdict %s does not go with rule %s", where, verdict, rules)
	}
	if rules == "-" {
		return s
	}
	for _, id := range strings.Split(rules, "|") {
		if _, ok := RuleOf(id); !ok {
			t.Fatalf("%s: there is no rule %s", where, id)
		}
		s.rules = append(s.rules, id)
	}
	return s
}

// hits are the ids of the findings that made the verdict.
func hits(v Verdict) []string {
	var ids []string
	for _, f := range v.Findings {
		if f.Decision == v.Decision && !slices.Contains(ids, f.ID) {
			ids = append(ids, f.ID)
		}
	}
	return ids
}

// TestCorpus holds the guard to its law: no deadly line passes, and the work of the day
// is not in its way.
func TestCorpus(t *testing.T) {
	host := testHost()
	var deadly, harmless, passed, stopped int
	hit := map[string]bool{}
	seen := map[string]string{}
	for _, s := range readCorpus(t) {
		if first, ok := seen[s.command]; ok {
			t.Errorf("%s: %q is in %s already", s.where, s.command, first)
		}
		seen[s.command] = s.where

		v := Judge(s.command, host, Policy{})
		ids := hits(v)
		for _, id := range ids {
			hit[id] = hit[id] || slices.Contains(s.rules, id)
		}
		switch {
		case s.deadly():
			deadly++
			if v.Decision < Ask {
				passed++
				t.Errorf("%s: deadly, and let through (%s, want %s): %q", s.where, v.Decision, s.rules, s.command)
				continue
			}
		default:
			harmless++
			if v.Decision >= Ask {
				stopped++
			}
		}
		if !slices.Contains(s.verdicts, v.Decision) {
			t.Errorf("%s: %s by %s, want %s by %s: %q", s.where, v.Decision, ids, s.verdicts, s.rules, s.command)
			continue
		}
		if s.deadly() && !slices.ContainsFunc(ids, func(id string) bool { return slices.Contains(s.rules, id) }) {
			t.Errorf("%s: by %s, want one of %s: %q", s.where, ids, s.rules, s.command)
		}
	}
	t.Logf("%d lines, %d deadly (%d let through), %d harmless (%d stopped)", deadly+harmless, deadly, passed, harmless, stopped)

	if deadly+harmless < leastLines || deadly < leastDeadly || harmless < leastHarmless {
		t.Errorf("the corpus has %d lines, %d deadly and %d harmless; want at least %d, %d and %d", deadly+harmless, deadly, harmless, leastLines, leastDeadly, leastHarmless)
	}
	if passed > 0 {
		t.Errorf("%d deadly lines were let through", passed)
	}
	if stopped*100 > harmless*mostStopped {
		t.Errorf("%d of %d harmless lines were stopped, more than %d %%", stopped, harmless, mostStopped)
	}
	for _, r := range Rules() {
		if r.Class != Custom && !hit[r.ID] {
			t.Errorf("no line of the corpus runs into %s", r.ID)
		}
	}
}
