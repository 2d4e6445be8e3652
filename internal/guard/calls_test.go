package guard

import (
	"strings"
	"testing"
)

// stackHost is a host with the stack of the incident.
func stackHost() Host {
	return Host{
		UID: 1000, User: "flowstate", Home: "/home/flowstate", Dir: "/home/flowstate/project", Runtime: "/run/user/1000",
		Units:      []string{"postgres.service", "redis.service", "minio.service", "django.service"},
		Containers: []string{"postgres", "redis", "minio", "django"},
		Volumes:    []string{"ledger-pgdata", "ledger-redis", "ledger-minio"},
		Networks:   []string{"ledger"},
		Pods:       []string{"ledgerpod"},
		Ports:      []int{5432, 8000, 9000},
	}
}

// want is a program with its words, and what the rules say of it: "" for nothing,
// "rule.id" or "rule.id?" where it is not sure, several with blanks between them. In
// the words "…" stands for what is not known, "‼" for what came of a listing; ” keep
// blanks together.
type want struct{ line, rules string }

func testCall(line string) *call {
	var words []string
	line = strings.NewReplacer("…", holeWord, "‼", taintWord).Replace(line)
	word, quoted, started := "", false, false
	for _, r := range line {
		switch {
		case r == '\'':
			quoted, started = !quoted, true
		case r == ' ' && !quoted:
			if started {
				words = append(words, word)
			}
			word, started = "", false
		default:
			word, started = word+string(r), true
		}
	}
	if started {
		words = append(words, word)
	}
	return &call{name: base(words[0]), args: words[1:]}
}

func judged(h Host, c *call) []Finding {
	j := newJudge(h, Policy{})
	j.sessions(c)
	j.stack(c)
	j.keeperRules(c)
	return j.findings
}

func ids(list []Finding) string {
	var out []string
	for _, f := range list {
		id := f.ID
		if f.Unsure {
			id += "?"
		}
		if len(out) == 0 || out[len(out)-1] != id {
			out = append(out, id)
		}
	}
	return strings.Join(out, " ")
}

func testWants(t *testing.T, list []want) {
	t.Helper()
	for _, w := range list {
		if got := ids(judged(stackHost(), testCall(w.line))); got != w.rules {
			t.Errorf("%s: %q, want %q", w.line, got, w.rules)
		}
	}
}
