package compose

import (
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
)

// A file of variables is plain only where Podman reads it as Compose does.
func TestPlain(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"":                          true,
		"A=1\nB=two words\n# c\n\n": true,
		"A=\n":                      true,
		"A.b_C=x:/y?z=%20&q\n":      true,
		"A=ünï\n":                   true,
		"A='1'\n":                   false,
		"A=\"1\"\n":                 false,
		"A=it's\n":                  false,
		"A=$B\n":                    false,
		"A=1 # c\n":                 false,
		"A=1#c\n":                   false,
		"A=1 \n":                    false,
		"A= 1\n":                    false,
		" A=1\n":                    false,
		"A =1\n":                    false,
		"export A=1\n":              false,
		"A\n":                       false,
		"A: 1\n":                    false,
		"A=1\r\n":                   false,
		"A=a\\nb\n":                 false,
		"\xef\xbb\xbfA=1\n":         false,
		"A=\xff\n":                  false,
		"1A=1\n":                    false,
		" # indented comment\n":     false,
		"A=\"one\ntwo\"\n":          false,
	} {
		if got := plain([]byte(text)); got != want {
			t.Errorf("plain(%q) = %v, want %v", text, got, want)
		}
	}
}

func TestPointOut(t *testing.T) {
	t.Parallel()
	for kv, want := range map[[2]string]bool{
		{"POSTGRES_PASSWORD", "x"}:            true,
		{"POSTGRES_PASSWORD", ""}:             false,
		{"POSTGRES_PASSWORD_FILE", "/run/x"}:  false,
		{"SECRET_KEY", "x"}:                   true,
		{"DJANGO_SECRET_KEY_BASE", "x"}:       true,
		{"API_TOKEN", "x"}:                    true,
		{"TOKEN_URL", "https://x/"}:           false,
		{"AWS_ACCESS_KEY_ID", "x"}:            true,
		{"DB_PASS", "x"}:                      true,
		{"COMPASS", "x"}:                      false,
		{"KEYBOARD", "x"}:                     false,
		{"DATABASE_URL", "postgres://db/x"}:   false,
		{"DATABASE_URL", "postgres://u:p@db"}: true,
		{"REDIS", "redis://:p@cache:6379"}:    true,
		{"MAILTO", "a@example.org"}:           false,
		{"PASSWORD_MIN_LENGTH", "8"}:          false,
	} {
		s := &service{mapper: &mapper{}}
		s.pointOut(kv[0], kv[1], "")
		if got := len(s.stack.Notes) == 1; got != want {
			t.Errorf("%s=%s pointed out: %v, want %v", kv[0], kv[1], got, want)
		}
	}
}

// The secret's value is for keeper to ask, and not in the model.
func TestVariable(t *testing.T) {
	t.Parallel()
	p := Project{env: types.Mapping{"A": "x", "E": ""}}
	for name, want := range map[string]bool{"A": true, "E": true, "B": false} {
		if _, ok := p.Variable(name); ok != want {
			t.Errorf("Variable(%s): %v, want %v", name, ok, want)
		}
	}
}
