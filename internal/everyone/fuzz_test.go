package everyone

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// FuzzAnswer: whatever an account answers, no more than a bounded number of printable lines
// is made of it, and it is about nobody else.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{wellStatus, `{"version":1,"uid":1000,"stand_down":{"cause":"x"},"problems":[{"what":"\u001b[2J","try":"\ud800"}]}`,
		`{"version":1,"uid":1000,"findings":[{"id":"a","severity":"bad","what":"\u202e"}]}`, `{"version":1,"uid":1e3}`, `[[[[`, `{"uid":null}`, "\"\\", ``} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		printable := func(texts ...string) {
			for _, s := range texts {
				if utf8.RuneCountInString(s) > maxText || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
					t.Fatalf("%q", s)
				}
			}
		}
		if s, err := readStatus(data, app); err == nil {
			if *s.UID != 1000 || len(s.Problems) > maxProblems || len(s.Services) > maxServices {
				t.Fatalf("%+v", s)
			}
			var a Answer
			a.take(s)
			printable(a.Daemon)
			for _, p := range a.Problems {
				printable(p.What, p.Try)
			}
		} else {
			printable(err.Error())
		}
		if list, err := readFindings(data, app); err == nil {
			if list == nil || len(list) > maxFindings {
				t.Fatalf("%+v", list)
			}
			for _, v := range list {
				printable(v.ID, string(v.Severity), v.What, v.Means, v.Fix)
			}
		}
	})
}
