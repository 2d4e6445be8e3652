package guard

import (
	"path"
	"strings"
	"testing"
)

// recorder is what notes what the code of a call would have judged.
type recorder struct{ lines []string }

func (r *recorder) nested(c *call, text, _ string) {
	r.lines = append(r.lines, inPlace(c)+"sh "+shown(text))
}

func (r *recorder) nestedArgs(c *call, argv []string, _ string) {
	r.lines = append(r.lines, inPlace(c)+"run "+shown(strings.Join(argv, " ")))
}

func (r *recorder) guessed(c *call, text, via string) { r.nested(c, text, via) }

func (r *recorder) textOf(c *call, name string) (string, bool) {
	return codeHost.Read(path.Join(c.dir, name))
}

func (r *recorder) exported(name string) (string, bool) {
	return "loginctl terminate-user flowstate", name == "SHELL_SAID"
}

func (r *recorder) sqlText(_ *call, text string) { r.lines = append(r.lines, "sql "+shown(text)) }

func (r *recorder) find(_ *call, id string, sure match, _ string) {
	if sure != no {
		r.lines = append(r.lines, map[match]string{yes: "", maybe: "maybe "}[sure]+"find "+id)
	}
}

// inPlace says in which directory something would run, where it is another one.
func inPlace(c *call) string {
	s := ""
	if c.dir != "/srv/app" {
		s = "[" + c.dir + "] "
	}
	if c.place.kind != here {
		s += "(" + shown(c.place.name) + ") "
	}
	return s
}

var codeHost = Host{
	UID: 1000, User: "flowstate", Home: "/home/flowstate", Runtime: "/run/user/1000",
	Read: func(path string) (string, bool) {
		text, ok := map[string]string{
			"/srv/app/kill.py":   "import os\nos.system('loginctl terminate-user flowstate')\n",
			"/srv/app/wipe.sed":  "1e loginctl terminate-user flowstate\n",
			"/srv/app/kill.awk":  `BEGIN { system("loginctl terminate-user flowstate") }`,
			"/srv/app/kill.js":   `require("child_process").execSync("loginctl terminate-user flowstate")`,
			"/srv/app/cron":      "0 3 * * * loginctl terminate-user flowstate\n",
			"/srv/app/manage.py": "import sys\nfrom django.core.management import execute_from_command_line\nexecute_from_command_line(sys.argv)\n",
			"/srv/app/ok.py":     "import json, sys\nprint(json.dumps(sys.argv))\n",
		}[path]
		return text, ok
	},
}

// recorded is all that the code of a call would have judged.
func recorded(c *call) []string {
	r, spent := &recorder{}, 0
	(&codeWork{do: r, host: &codeHost, spent: &spent}).call(c)
	return r.lines
}

// codeCall is a call of a program. A last word that starts with "< " is what it reads.
func codeCall(words ...string) *call {
	c := &call{name: words[0], args: words[1:], dir: "/srv/app"}
	if n := len(c.args) - 1; n >= 0 && strings.HasPrefix(c.args[n], "< ") {
		c.stdin, c.fed, c.args = c.args[n][2:], true, c.args[:n]
	}
	return c
}

type codeCase struct {
	words []string
	want  string
}

func py(code, want string) codeCase { return codeCase{[]string{"python3", "-c", code}, want} }
func js(code, want string) codeCase { return codeCase{[]string{"node", "-e", code}, want} }
func pl(code, want string) codeCase { return codeCase{[]string{"perl", "-e", code}, want} }
func rb(code, want string) codeCase { return codeCase{[]string{"ruby", "-e", code}, want} }
func ph(code, want string) codeCase { return codeCase{[]string{"php", "-r", code}, want} }
func in(want string, words ...string) codeCase {
	return codeCase{words, want}
}

const (
	shTerm  = "sh loginctl terminate-user flowstate"
	runTerm = "run loginctl terminate-user flowstate"
)

func TestWhatCodeRunsIsFound(t *testing.T) {
	for _, table := range [][]codeCase{pythonCases, nodeCases, otherCases, toolCases} {
		for _, tc := range table {
			got := recorded(codeCall(tc.words...))
			found := false
			for _, g := range got {
				found = found || g == tc.want
			}
			if !found {
				t.Errorf("%q:\n want %q\n  got %q", tc.words, tc.want, got)
			}
		}
	}
	if n := len(pythonCases) + len(nodeCases) + len(otherCases) + len(toolCases); n < 120 {
		t.Errorf("only %d", n)
	}
}

// bites says that a line that was recorded would do harm.
func bites(line string) bool {
	kind, rest, _ := strings.Cut(line, " ")
	if kind == "find" || kind == "maybe" || kind == "sql" {
		return true
	}
	for _, l := range strings.FieldsFunc(rest, func(r rune) bool { return strings.ContainsRune("\n;&|", r) }) {
		words := strings.Fields(strings.ReplaceAll(l, "'", ""))
		if len(words) == 0 {
			continue
		}
		switch base(words[0]) {
		case "loginctl", "systemctl", "podman", "reboot", "shutdown", "poweroff", "pkill", "killall", "kill", "redis-cli", "dropdb", "keeper":
			return true
		case "rm", "mv", ">", ">>", "truncate", "rmdir", "chmod", "cp":
			if last := words[len(words)-1]; !strings.HasPrefix(last, "/tmp/") && strings.HasPrefix(last, "/") || strings.HasPrefix(last, "…") || last == "*" {
				return true
			}
		}
	}
	return false
}

func TestHarmlessCodeIsLeftAlone(t *testing.T) {
	for _, words := range harmlessCode {
		for _, g := range recorded(codeCall(words...)) {
			if bites(g) {
				t.Errorf("%q: %q", words, g)
			}
		}
	}
	if len(harmlessCode) < 80 {
		t.Errorf("only %d", len(harmlessCode))
	}
}
