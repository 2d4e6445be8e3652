package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const guardText = `
[guard]
mode = "ask"
allow = ["podman stop web", 'systemctl --user stop "web one"*'] # mine
deny = [
  # the site's
  {command = "make deploy **", reason = "it goes live", safer = "make stage", name = "deploy"},
  "terraform destroy",
]
ask = []
protect = ["/srv/data", "~/notes/"]
keep = ["web", "job@1.service"]
overrides = "never"

[guard.rules]
"stack.unit" = "ask"
files.home = "deny"
data = "allow"
`

func TestGuard(t *testing.T) {
	t.Parallel()
	file := write(t, "keeper.toml", guardText)
	g, mistakes := ReadGuard(filepath.Join(t.TempDir(), "none"), file)
	if mistakes != nil {
		t.Fatal(mistakes)
	}
	want := Guard{
		Mode:    "ask",
		Rules:   map[string]string{"stack.unit": "ask", "files.home": "deny", "data": "allow"},
		Allow:   []GuardCommand{{Words: []string{"podman", "stop", "web"}}, {Words: []string{"systemctl", "--user", "stop", "web one*"}}},
		Deny:    []GuardCommand{{Words: []string{"make", "deploy", "**"}, Reason: "it goes live", Safer: "make stage", Name: "deploy"}, {Words: []string{"terraform", "destroy"}}},
		Ask:     []GuardCommand{},
		Protect: []string{"/srv/data", "~/notes/"}, Keep: []string{"web", "job@1.service"}, Overrides: "never",
	}
	from := g.From
	g.From = nil
	if !reflect.DeepEqual(g, want) {
		t.Errorf("got  %+v\nwant %+v", g, want)
	}
	if len(from) != 10 || from["mode"] != file+":3" || from["rules.data"] != file+":18" || from["deny"] != file+":5" {
		t.Errorf("from %v", from)
	}
	// It is no setting of the daemon's, and no mistake in its eyes.
	if s, mistakes := Read(file); mistakes != nil || !reflect.DeepEqual(s, Defaults()) {
		t.Errorf("Read: %+v, %v", s, mistakes)
	}
}

func TestGuardOver(t *testing.T) {
	t.Parallel()
	site := write(t, "site.toml", "[guard]\nmode = 'watch'\nallow = ['a']\nrules.data = 'ask'\nrules.stack = 'ask'")
	user := write(t, "user.toml", "guard = { allow = [], rules = { stack = 'deny' } }")
	g, mistakes := ReadGuard(site, user)
	if mistakes != nil || g.Mode != "watch" || len(g.Allow) != 0 || g.Rules["data"] != "ask" || g.Rules["stack"] != "deny" || g.From["allow"] != user+":1" {
		t.Errorf("got %+v, %v", g, mistakes)
	}
}

func TestGuardMistakes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`mode = "on"`:                                  `:2: guard.mode = "on": must be one of "enforce", "ask", "watch", "off"`,
		`mode = 1`:                                     `:2: guard.mode = 1: must be one of "enforce"`,
		`overrides = "always"`:                         `must be one of "person", "never"`,
		`allow = "podman stop web"`:                    `guard.allow = "podman stop web": must be commands`,
		`allow = [1]`:                                  `guard.allow: 1 is no string; must be commands`,
		`allow = ["podman stop web; ls"]`:              `is not the words of one program`,
		`allow = ["podman stop 'web"]`:                 `is not the words of one program`,
		`allow = ["podman stop $X"]`:                   `is not the words of one program`,
		`allow = ['podman stop web\']`:                 `is not the words of one program`,
		`allow = ["**"]`:                               `guard.allow: "**" does not say which program`,
		`allow = ["* stop"]`:                           `does not say which program`,
		`allow = ["  "]`:                               `does not say which program`,
		`allow = [""]`:                                 `is no line of text`,
		`allow = ["a\nb"]`:                             `is no line of text`,
		`allow = ["/usr/bin/podman stop web"]`:         `must begin with the bare name of the program`,
		`allow = ["A=1 podman stop web"]`:              `must begin with the bare name of the program`,
		`allow = ["podman ** web"]`:                    `has ** before its end`,
		`allow = ["podman stop [web"]`:                 `has a [ that is not closed`,
		`deny = [{reason = "x"}]`:                      `guard.deny: {…} has no command`,
		`deny = [{command = "a", resaon = "x"}]`:       `has resaon, and there is no such key; did you mean reason?`,
		`deny = [{command = "a", name = "A b"}]`:       `has a name with other letters`,
		`deny = [{command = "a", reason = 1}]`:         `has a reason that is no line of text`,
		`deny = [{command = "a", safer = "\u001b"}]`:   `has a safer that is no line of text`,
		`protect = ["data"]`:                           `guard.protect: data is none; must be absolute paths`,
		`protect = ["/"]`:                              `/ is none`,
		`protect = ["~/"]`:                             `~/ is none`,
		`protect = ["/a/../.."]`:                       `/a/../.. is none`,
		`protect = "/a"`:                               `guard.protect = "/a": must be absolute paths`,
		`keep = ["a b"]`:                               `a b is none; must be names`,
		`keep = ["web*"]`:                              `web* is none; must be names`,
		`rules.stack = "no"`:                           `guard.rules.stack = "no": must be one of "deny", "ask", "allow"`,
		`rules."stack.unti" = "ask"`:                   `guard.rules.stack.unti: there is no such rule; did you mean stack.unit?`,
		`rules.colour = "ask"`:                         `guard.rules.colour: there is no such rule; keeper guard rules lists them`,
		`rules = "ask"`:                                `guard.rules: there is no such key`,
		`modes = "ask"`:                                `guard.modes: there is no such key; did you mean mode?`,
		"mode = 'ask'\nmode = 'off'":                   `:3: guard.mode: is set already in line 2`,
		"[guard.rule]\nx = 1":                          `[guard.rule]: there is no such table; there is: [guard.rules]`,
		"[[guard.deny]]\ncommand = 'a'":                `[guard.deny]: is a list: write it as deny = [{command = "…", reason = "…"}]`,
		"[[guard.rules]]\nstack = 'ask'":               `[guard.rules]: is one table`,
		`keep = [` + strings.Repeat(`"a",`, 201) + `]`: `guard.keep: has more than 200`,
	} {
		file := write(t, "keeper.toml", "[guard]\n"+text)
		_, mistakes := ReadGuard(file)
		lines := mistakes.Lines()
		if len(lines) != 1 || !strings.HasPrefix(lines[0], file+":") || !strings.Contains(lines[0], want) || strings.ContainsAny(lines[0], "\x1b\n") {
			t.Errorf("%s:\n got %q\nwant %q", text, lines, want)
		}
		// The daemon tells of it as well.
		if _, all := Read(file); !reflect.DeepEqual(all, mistakes) {
			t.Errorf("%s: Read says %v", text, all)
		}
	}
}

// Where something is wrong, what lets commands through does not count, and what stops
// them does.
func TestGuardStrict(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ with, without string }{
		{"mode = 'off'", ""},
		{"mode = 'enforce'", "mode = 'enforce'"},
		{"overrides = 'person'", ""},
		{"overrides = 'never'", "overrides = 'never'"},
		{"allow = ['a']", ""},
		{"ask = ['a']", "ask = ['a']"},
		{"deny = ['a']", "deny = ['a']"},
		{"protect = ['/a']\nkeep = ['b']", "protect = ['/a']\nkeep = ['b']"},
		{"rules.stack = 'ask'\nrules.data = 'deny'\nrules.files = 'allow'", "rules.data = 'deny'"},
	} {
		got, mistakes := ReadGuard(write(t, "keeper.toml", "[guard]\n"+tt.with+"\n[service.web]\nport = 0"))
		want, none := ReadGuard(write(t, "keeper.toml", "[guard]\n"+tt.without))
		got.From, want.From = nil, nil
		if len(mistakes) != 1 || none != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v (%v, %v)", tt.with, got, want, mistakes, none)
		}
	}
}

func TestSiteGuard(t *testing.T) {
	t.Parallel()
	me := uint32(os.Getuid())
	text := strings.NewReplacer("[guard]\n", "", "[guard.rules]", "[rules]").Replace(guardText)
	dir := t.TempDir()
	file := filepath.Join(dir, "guard.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g, mistakes := readSiteGuard(file, me)
	if mistakes != nil || g.Mode != "ask" || g.Rules["stack.unit"] != "ask" || g.From["rules.stack.unit"] != file+":15" {
		t.Errorf("got %+v, %v", g, mistakes)
	}
	if g, mistakes := readSiteGuard(filepath.Join(dir, "none", "guard.toml"), me); mistakes != nil || g.From != nil {
		t.Errorf("none: %+v, %v", g, mistakes)
	}
	if g, mistakes := CheckGuard(file); mistakes != nil || g.Mode != "ask" {
		t.Errorf("checked: %+v, %v", g, mistakes)
	}
	for name, tt := range map[string]struct {
		file, dir os.FileMode
		owner     uint32
		want      string
	}{
		"of somebody":         {0o600, 0o700, me + 1, fmt.Sprintf("must belong to uid %d", me+1)},
		"of root":             {0o622, 0o700, 0, "must belong to root, and nobody else may write to it: chown root, chmod go-w"},
		"for the group":       {0o660, 0o700, me, "nobody else may write to it"},
		"for all":             {0o606, 0o700, me, "nobody else may write to it"},
		"a directory for all": {0o600, 0o777, me, "must be in a directory of"},
	} {
		if err := os.Chmod(file, tt.file); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, tt.dir); err != nil {
			t.Fatal(err)
		}
		if g, mistakes := readSiteGuard(file, tt.owner); len(mistakes) != 1 || !strings.Contains(mistakes[0].Error(), tt.want) || !reflect.DeepEqual(g, Guard{}) {
			t.Errorf("%s: %+v, %v", name, g, mistakes)
		}
	}
	for text, want := range map[string]string{
		"[guard]\nmode = 'ask'":            ":1: [guard]: there is no such table; there is: [rules]",
		"adopt = 'auto'":                   ":1: adopt: there is no such key; there are: rules, mode",
		"[service.web]\nport = 1":          ":1: [service.web]: there is no such table",
		"mode = 'x'":                       ":1: mode = \"x\": must be one of",
		"rules.x = 'ask'":                  ":1: rules.x: there is no such rule",
		"[[deny]]\ncommand = 'x'":          ":1: [deny]: is a list",
		"[alert.x]\nkind = 'webhook'":      ":1: [alert.x]: there is no such table",
		"deny = ['make deploy']\nmode = 3": ":2: mode = 3",
	} {
		file := write(t, "guard.toml", text)
		g, mistakes := readSiteGuard(file, me)
		if len(mistakes) != 1 || !strings.HasPrefix(mistakes[0].Error(), file+want) {
			t.Errorf("%q: %v, want %s", text, mistakes, want)
		}
		if strings.HasPrefix(text, "deny") != (len(g.Deny) == 1) {
			t.Errorf("%q: %+v", text, g)
		}
	}
}

func FuzzGuard(f *testing.F) {
	f.Add([]byte(guardText))
	f.Add([]byte("guard = {deny = [{command = 'a', a.b = 1}], rules = {x.y = 1}}"))
	f.Add([]byte("[[guard]]\n[guard.rules.x]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, root := range [][]string{nil, {guardTable}} {
			r := read("f", data, root)
			for _, m := range r.mistakes {
				if m.Rule == "" || strings.ContainsAny(m.Error(), "\x1b\n") {
					t.Errorf("mistake %q", m.Error())
				}
			}
			g := r.guard
			for _, c := range append(append(g.Allow, g.Ask...), g.Deny...) {
				if len(c.Words) == 0 || strings.Trim(c.Words[0], "*?") == "" {
					t.Errorf("a command %q", c.Words)
				}
			}
			if s := g.Strict(); s.Allow != nil || s.Mode != "" && s.Mode != GuardEnforce {
				t.Errorf("not strict: %+v", s)
			}
		}
	})
}
