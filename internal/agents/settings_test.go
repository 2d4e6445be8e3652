package agents

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

func must(t *testing.T, name string) Agent {
	t.Helper()
	a, ok := Of(name)
	if !ok {
		t.Fatalf("there is no agent %q", name)
	}
	return a
}

func line(t *testing.T, a Agent, program string) string {
	t.Helper()
	command, err := a.Command(program)
	if err != nil {
		t.Fatal(err)
	}
	return command
}

const guardAt = "/usr/libexec/keeper/keeper-guard"

// What is in testdata comes in as it is, and goes out as somebody has looked at it.
func TestMerge(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/merge/*.before")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			name, _, _ := strings.Cut(filepath.Base(file), "-")
			a := must(t, name)
			before, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			command := line(t, a, guardAt)
			after, changed, err := a.Merge("settings.json", before, command)
			if err != nil || !changed {
				t.Fatalf("changed %v, %v", changed, err)
			}
			golden := strings.TrimSuffix(file, "before") + "after"
			if *update {
				if err := os.WriteFile(golden, after, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(after, want) {
				t.Errorf("got:\n%s\nwant:\n%s", after, want)
			}
			if again, changed, err := a.Merge("settings.json", after, command); err != nil || changed || !bytes.Equal(again, after) {
				t.Errorf("the second time: changed %v, %v\n%s", changed, err, again)
			}
			if commands, err := a.Installed("settings.json", after); err != nil || !reflect.DeepEqual(commands, []string{command}) {
				t.Errorf("installed: %q, %v", commands, err)
			}
			// Another path takes the place of the old one, wherever it was.
			moved, changed, err := a.Merge("settings.json", after, line(t, a, "/opt/keeper-guard"))
			if err != nil || !changed {
				t.Errorf("moved: changed %v, %v", changed, err)
			}
			if commands, err := a.Installed("settings.json", moved); err != nil || len(commands) != 1 || !strings.Contains(commands[0], "/opt/") {
				t.Errorf("moved: %q, %v", commands, err)
			}
			for _, text := range [][]byte{after, moved} {
				if back, changed, err := a.Remove("settings.json", text); err != nil || !changed || !bytes.Equal(back, before) {
					t.Errorf("removed: changed %v, %v\n%q\nwant\n%q", changed, err, back, before)
				}
			}
			if back, changed, err := a.Remove("settings.json", before); err != nil || changed || !bytes.Equal(back, before) {
				t.Errorf("removed where there is none: changed %v, %v", changed, err)
			}
		})
	}
}

// An agent writes its settings anew now and then, and a person adds to them.
func TestRemoveAfterChanges(t *testing.T) {
	t.Parallel()
	a := must(t, "claude")
	command := line(t, a, guardAt)
	own, _ := encode(a.hook(command), "", "")
	other := `{"matcher":"Bash","hooks":[{"type":"command","command":"other"}]}`
	quoted, _ := json.Marshal(command)
	for name, tt := range map[string]struct{ before, after string }{
		"first of two":      {`{"hooks":{"PreToolUse":[` + string(own) + `, ` + other + `]}}`, `{"hooks":{"PreToolUse":[ ` + other + `]}}`},
		"last of two":       {`{"hooks":{"PreToolUse":[` + other + `, ` + string(own) + `]}}`, `{"hooks":{"PreToolUse":[` + other + `]}}`},
		"in a common group": {`{"hooks":{"PreToolUse":[{"hooks":[{"command":"x"},{"command":` + string(quoted) + `}]}]}}`, `{"hooks":{"PreToolUse":[{"hooks":[{"command":"x"}]}]}}`},
		"twice":             {`{"hooks":{"PreToolUse":[` + string(own) + `,` + string(own) + `]},"a":1}`, `{"hooks":{"PreToolUse":[]},"a":1}`},
		"of another agent":  {`{"hooks":{"PreToolUse":[{"hooks":[{"command":"/bin/keeper-guard hook codex"}]}]}}`, `{"hooks":{"PreToolUse":[{"hooks":[{"command":"/bin/keeper-guard hook codex"}]}]}}`},
	} {
		if got, _, err := a.Remove("f", []byte(tt.before)); err != nil || string(got) != tt.after {
			t.Errorf("%s: %v\n%s\nwant\n%s", name, err, got, tt.after)
		}
	}
	// With a member more, and as JSON.stringify has it, the block still goes as a whole.
	after, _, err := a.Merge("f", []byte(`{"a":1}`), command)
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(after, &v); err != nil {
		t.Fatal(err)
	}
	v["z"] = true
	pretty, _ := encode(struct {
		A     any `json:"a"`
		Hooks any `json:"hooks"`
		Z     any `json:"z"`
	}{1, map[string]any{"PreToolUse": []any{a.hook(command)}}, true}, "", "  ")
	if got, _, err := a.Remove("f", pretty); err != nil || string(got) != "{\n  \"a\": 1,\n  \"z\": true\n}" {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestMergeRefuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ agent, before, want string }{
		"no JSON":            {"claude", "{\n  \"a\": 1,\n}\n", "line 3: a name in quotes"},
		"comments":           {"claude", "{\n// no\n}", "line 2: a name in quotes"},
		"cut off":            {"claude", `{"a": "b`, "line 1: a string without an end"},
		"words":              {"codex", "model = 1\n", "line 1: no value"},
		"a list":             {"claude", "[]", "it is no object"},
		"two values":         {"copilot", "{}\n{}", "line 2: something after the end"},
		"other hooks":        {"claude", `{"hooks": []}`, "hooks is no object there"},
		"other event":        {"gemini", `{"hooks": {"BeforeTool": {}}}`, "hooks.BeforeTool is no list there"},
		"open comment":       {"gemini", "{}\n/* x", "line 2: a comment without an end"},
		"a string over ends": {"claude", "{\"a\": \"b\nc\"}", "line 1: a string without an end"},
		"deep":               {"claude", strings.Repeat("[", 200), "nested too deeply"},
		"large":              {"claude", strings.Repeat(" ", maxSettings) + "{}", "the most is"},
	} {
		a := must(t, tt.agent)
		after, changed, err := a.Merge("/home/x/settings.json", []byte(tt.before), line(t, a, guardAt))
		if err == nil || changed || after != nil {
			t.Errorf("%s: changed %v, %v:\n%s", name, changed, err, after)
			continue
		}
		for _, want := range []string{tt.want, "/home/x/settings.json", "by hand", "nothing was changed"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v\nwithout %q", name, err, want)
			}
		}
	}
	if _, _, err := must(t, "claude").Merge("f", nil, "/bin/true"); err == nil {
		t.Error("a hook that is none of ours went in")
	}
}

func TestCommand(t *testing.T) {
	t.Parallel()
	for _, a := range All() {
		command := line(t, a, "/opt/with blank/keeper-guard")
		if !a.ours(command) || !strings.HasPrefix(command, `"/opt/with blank/keeper-guard" hook `+a.Name) {
			t.Errorf("%s: %s", a.Name, command)
		}
		for _, program := range []string{"keeper-guard", "/opt/$HOME/keeper-guard", "/a\"b/keeper-guard", "/a\nb/keeper-guard", "/a`b`/keeper-guard", `/a\b/keeper-guard`} {
			if command, err := a.Command(program); err == nil {
				t.Errorf("%s: %q became %q", a.Name, program, command)
			}
		}
		for _, foreign := range Names() {
			if other := must(t, foreign); foreign != a.Name && other.ours(command) {
				t.Errorf("%s takes the hook of %s for its own", foreign, a.Name)
			}
		}
	}
	if must(t, "claude").ours("/bin/keeper-guard hook claudette") {
		t.Error("a name that only begins alike")
	}
}

// FuzzScan: what this reads is JSON, and what JSON there is it reads.
func FuzzScan(f *testing.F) {
	for _, seed := range []string{`{}`, `[1,-2.5e3,"a\"\u00e4",true,null,{"b":[]}]`, "{\"a\" :\t1 ,\r\n\"b\":{} }", `{"a":1,}`, `01`, `"\x"`, "\"\xff\"", `tru`, `[1 2]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		_, err := scan(src, false)
		if bytes.HasPrefix(src, []byte("\xef\xbb\xbf")) || strings.Contains(string(src), "[[[[[[[[[[") || strings.Count(string(src), "{") > maxDepth {
			return
		}
		if valid := json.Valid(src); valid != (err == nil) && (valid == false || !strings.Contains(err.Error(), "a string that is none")) {
			t.Errorf("%q: %v, and json.Valid says %v", src, err, valid)
		}
	})
}

// FuzzMerge: nothing else changes, and it can be taken out again to the byte.
func FuzzMerge(f *testing.F) {
	files, _ := filepath.Glob("testdata/merge/*")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, seed := range []string{`{"hooks":{}}`, "{\n  \"hooks\": {\n  }\n}\n", `{"hooks":{"PreToolUse":[]}}`, "{\n  \"hooks\": {\n    \"PreToolUse\": [\n    ]\n  }\n}\n", `{"hooks":{},"hooks":{"PreToolUse":[ ]}}`, "\xef\xbb\xbf{ }", `{"\u0068ooks":{ }}`,
		"{\n    \"a\":1}", "{\"a\":1 // x  \n}", "{/**/}", "{\"hooks\":{\"PreToolUse\":[1,{}, {\"hooks\":1}]}}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, before []byte) {
		for _, a := range All() {
			command, err := a.Command(guardAt)
			if err != nil {
				t.Fatal(err)
			}
			if commands, err := a.Installed("f", before); err != nil || len(commands) > 0 || blankText(before) {
				continue
			}
			after, changed, err := a.Merge("f", before, command)
			if err != nil {
				continue
			}
			if !changed {
				t.Fatalf("%s: %q: unchanged", a.Name, before)
			}
			root, err := scan(after, a.comments)
			if err != nil {
				t.Fatalf("%s: %q became %q: %v", a.Name, before, after, err)
			}
			if commands, _ := a.Installed("f", after); len(commands) != 1 || commands[0] != command {
				t.Fatalf("%s: %q became %q, which runs %q", a.Name, before, after, commands)
			}
			if back, _, err := a.Remove("f", after); err != nil || !bytes.Equal(back, before) {
				t.Fatalf("%s: %q became %q, and then %q: %v", a.Name, before, after, back, err)
			}
			if again, changed, err := a.Merge("f", after, command); err != nil || changed || !bytes.Equal(again, after) {
				t.Fatalf("%s: %q, merged twice, is %q: %v", a.Name, before, again, err)
			}
			// The rest means what it did.
			was, _ := scan(before, a.comments)
			old, now := meaning(was), meaning(root)
			list, _ := now.(map[string]any)["hooks"].(map[string]any)[a.event].([]any)
			now.(map[string]any)["hooks"].(map[string]any)[a.event] = list[:len(list)-1]
			fill(old.(map[string]any), a.event)
			if !reflect.DeepEqual(old, now) {
				t.Fatalf("%s: %q became %q", a.Name, before, after)
			}
		}
	})
}

// fill has the containers that a hook needs.
func fill(v map[string]any, event string) {
	hooks, _ := v["hooks"].(map[string]any)
	if hooks == nil {
		hooks = map[string]any{}
	}
	if hooks[event] == nil {
		hooks[event] = []any{}
	}
	v["hooks"] = hooks
}

// meaning is a node without where it stands.
func meaning(n *node) any {
	switch n.kind {
	case '{':
		m := map[string]any{}
		for _, it := range n.items {
			m[it.key] = meaning(it.value)
		}
		return m
	case '[':
		l := []any{}
		for _, it := range n.items {
			l = append(l, meaning(it.value))
		}
		return l
	case '"':
		return n.text()
	}
	return json.Number(n.src[n.start:n.end])
}
