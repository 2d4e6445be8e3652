package alert

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
)

// FuzzQueue opens a queue whose files are whatever a crash or somebody left there.
func FuzzQueue(f *testing.F) {
	f.Add([]byte(`{"alert":{"key":"a/1","title":"x"},"added":"2026-03-01T12:00:00Z","to":{"ops":{"tries":-1,"error":"\u001b[2J"}}}`), []byte(`{"b/1":"2026-03-01T12:00:00Z"}`))
	f.Add([]byte(`{"alert":{"key":"../../x"},"to":{"ops":null}}`), []byte(`null`))
	f.Add([]byte(`[`), []byte(`{"a/1":7}`))
	f.Fuzz(func(t *testing.T, one, sent []byte) {
		dir := t.TempDir()
		for name, data := range map[string][]byte{"a_1.json": one, sentName: sent} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		q, err := Open(dir, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
		if q == nil {
			t.Fatalf("nothing is sent any more: %v", err)
		}
		for _, i := range q.items {
			if filepath.Dir(q.path(i)) != dir {
				t.Errorf("%q is kept in %s", one, q.path(i))
			}
		}
		_ = q.Waiting()
		// Whatever was there, what comes is sent.
		before := len(q.items)
		a := of("fuzz", 1)
		if added, err := q.add(a); err != nil || !added && before == len(q.items) && !has(q, a.Key) {
			t.Errorf("%q, %q: an alert was not taken: %v", one, sent, err)
		}
	})
}

func has(q *Queue, key string) bool {
	for _, i := range q.items {
		if i.Alert.Key == key {
			return true
		}
	}
	_, sent := q.sent[key]
	return sent
}

// FuzzSaid shows what a receiver answered, or a command printed.
func FuzzSaid(f *testing.F) {
	f.Add("no such topic token-s3cret\x1b[2J", "https://example.org/?token-s3cret", "token-s3cret")
	f.Add(strings.Repeat("é", 400), "x", "")
	f.Fuzz(func(t *testing.T, said, address, token string) {
		got := line(said)
		if len([]rune(got)) > 301 || strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q is shown as %q", said, got)
		}
		if len(token) >= 8 && strings.Contains(redact(said, address, token), token) {
			t.Errorf("the token %q is in what is shown of %q", token, said)
		}
		for _, r := range lines(said) {
			if unicode.IsControl(r) && r != '\n' && r != '\t' {
				t.Errorf("an environment has %q", r)
			}
		}
	})
}
