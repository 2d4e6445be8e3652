package agents

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"keeper/internal/guard"
)

func TestParse(t *testing.T) {
	t.Parallel()
	patch := "*** Begin Patch\n*** Update File: a/b.txt\n@@\n+x\n*** Add File: /etc/new\n+*** Delete File of nothing\n*** Delete File: old\n*** Update File: from\n*** Move to: to\n*** End Patch\n"
	quoted, _ := json.Marshal(patch)
	patched := Event{Tool: "apply_patch", Dir: "/w", Session: "s", Paths: []string{"/w/a/b.txt", "/etc/new", "/w/from", "/w/to"}, Removed: []string{"/w/old", "/w/from"}}
	common := `"session_id":"s","transcript_path":"/t","cwd":"/w","permission_mode":"default","hook_event_name":"PreToolUse","tool_use_id":"toolu_1",`
	for name, tt := range map[string]struct {
		agent, in string
		want      Event
	}{
		"Bash":                 {"claude", `{` + common + `"tool_name":"Bash","tool_input":{"command":"loginctl terminate-user flowstate","description":"d","timeout":120000}}`, Event{Tool: "Bash", Command: "loginctl terminate-user flowstate", Dir: "/w", Session: "s"}},
		"Monitor":              {"claude", `{` + common + `"tool_name":"Monitor","tool_input":{"command":"tail -f x"}}`, Event{Tool: "Monitor", Command: "tail -f x", Dir: "/w", Session: "s"}},
		"Monitor of a socket":  {"claude", `{` + common + `"tool_name":"Monitor","tool_input":{"ws":{"url":"wss://x"}}}`, Event{Tool: "Monitor", Dir: "/w", Session: "s", Other: true}},
		"Write":                {"claude", `{` + common + `"tool_name":"Write","tool_input":{"file_path":"/w/a","content":"rm -rf /"}}`, Event{Tool: "Write", Paths: []string{"/w/a"}, Dir: "/w", Session: "s"}},
		"MultiEdit":            {"claude", `{` + common + `"tool_name":"MultiEdit","tool_input":{"file_path":"a","edits":[]}}`, Event{Tool: "MultiEdit", Paths: []string{"/w/a"}, Dir: "/w", Session: "s"}},
		"NotebookEdit":         {"claude", `{` + common + `"tool_name":"NotebookEdit","tool_input":{"notebook_path":"/w/n.ipynb"}}`, Event{Tool: "NotebookEdit", Paths: []string{"/w/n.ipynb"}, Dir: "/w", Session: "s"}},
		"Read":                 {"claude", `{` + common + `"tool_name":"Read","tool_input":{"file_path":"/w/a"}}`, Event{Tool: "Read", Dir: "/w", Session: "s", Other: true}},
		"an MCP shell":         {"claude", `{` + common + `"tool_name":"mcp__sh__run","tool_input":{"command":"reboot"}}`, Event{Tool: "mcp__sh__run", Command: "reboot", Dir: "/w", Session: "s"}},
		"another event":        {"claude", `{"hook_event_name":"PostToolUse","tool_name":"Bash","tool_input":{"command":"reboot"}}`, Event{Tool: "Bash", Other: true}},
		"two commands":         {"claude", `{` + common + `"tool_name":"Bash","tool_input":{"command":"reboot","Command":"ls","cmd":"true"}}`, Event{Tool: "Bash", Command: "reboot\ntrue", Dir: "/w", Session: "s"}},
		"the last of two":      {"claude", `{` + common + `"tool_name":"Bash","tool_input":{"command":"ls","command":"reboot"}}`, Event{Tool: "Bash", Command: "reboot", Dir: "/w", Session: "s"}},
		"run_shell_command":    {"gemini", `{"session_id":"s","cwd":"/w","hook_event_name":"BeforeTool","timestamp":"2026-01-05T17:30:00Z","tool_name":"run_shell_command","tool_input":{"command":"ls","dir_path":"sub"}}`, Event{Tool: "run_shell_command", Command: "ls", Dir: "/w/sub", Session: "s"}},
		"write_file":           {"gemini", `{"cwd":"/w","hook_event_name":"BeforeTool","tool_name":"write_file","tool_input":{"file_path":"../a","content":""}}`, Event{Tool: "write_file", Paths: []string{"/a"}, Dir: "/w"}},
		"replace":              {"gemini", `{"cwd":"/w","tool_name":"replace","tool_input":{"file_path":"~/a"}}`, Event{Tool: "replace", Paths: []string{"~/a"}, Dir: "/w"}},
		"a string of JSON":     {"copilot", `{"sessionId":"s","timestamp":1704614600000,"cwd":"/w","toolName":"bash","toolArgs":"{\"command\":\"rm -rf dist\",\"description\":\"d\"}"}`, Event{Tool: "bash", Command: "rm -rf dist", Dir: "/w", Session: "s"}},
		"an object":            {"copilot", `{"sessionId":"s","cwd":"/w","toolName":"bash","toolArgs":{"command":"ls"}}`, Event{Tool: "bash", Command: "ls", Dir: "/w", Session: "s"}},
		"as Claude has it":     {"copilot", `{` + common + `"tool_name":"Bash","tool_input":{"command":"ls"}}`, Event{Tool: "Bash", Command: "ls", Dir: "/w", Session: "s"}},
		"typed into a shell":   {"copilot", `{"cwd":"/w","toolName":"write_bash","toolArgs":"{\"shellId\":\"1\",\"input\":\"reboot{enter}\"}"}`, Event{Tool: "write_bash", Command: "reboot{enter}", Dir: "/w"}},
		"create":               {"copilot", `{"cwd":"/w","toolName":"create","toolArgs":"{\"path\":\"/w/a\",\"file_text\":\"x\"}"}`, Event{Tool: "create", Paths: []string{"/w/a"}, Dir: "/w"}},
		"an editor that views": {"copilot", `{"cwd":"/w","toolName":"str_replace_editor","toolArgs":{"command":"view","path":"/w/a"}}`, Event{Tool: "str_replace_editor", Dir: "/w", Other: true}},
		"an editor that edits": {"copilot", `{"cwd":"/w","toolName":"str_replace_editor","toolArgs":{"command":"str_replace","path":"/w/a"}}`, Event{Tool: "str_replace_editor", Paths: []string{"/w/a"}, Dir: "/w"}},
		"a script in argv":     {"codex", `{` + common + `"tool_name":"shell","tool_input":{"command":["bash","-lc","cd x && reboot"],"workdir":"/v"}}`, Event{Tool: "shell", Command: "cd x && reboot", Dir: "/v", Session: "s"}},
		"argv":                 {"codex", `{` + common + `"tool_name":"shell","tool_input":{"command":["loginctl","terminate-user","a b","$(x)"]}}`, Event{Tool: "shell", Command: `loginctl terminate-user 'a b' '$(x)'`, Dir: "/w", Session: "s"}},
		"argv of a shell":      {"codex", `{` + common + `"tool_name":"shell","tool_input":{"command":["bash","-c","$0 x","reboot"]}}`, Event{Tool: "shell", Command: `bash -c '$0 x' reboot`, Dir: "/w", Session: "s"}},
		"exec_command":         {"codex", `{` + common + `"tool_name":"exec_command","tool_input":{"cmd":"ls"}}`, Event{Tool: "exec_command", Command: "ls", Dir: "/w", Session: "s"}},
		"apply_patch":          {"codex", `{` + common + `"tool_name":"apply_patch","tool_input":{"command":` + string(quoted) + `}}`, patched},
		"a bare patch":         {"codex", `{` + common + `"tool_name":"apply_patch","tool_input":` + string(quoted) + `}`, patched},
		"a patch in argv":      {"codex", `{` + common + `"tool_name":"apply_patch","tool_input":{"command":["apply_patch",` + string(quoted) + `]}}`, patched},
		"no patch":             {"codex", `{` + common + `"tool_name":"apply_patch","tool_input":{"command":"x"}}`, Event{Tool: "apply_patch", Dir: "/w", Session: "s", Other: true}},
		"free form":            {"codex", `{` + common + `"tool_name":"exec","tool_input":"await tools.x()"}`, Event{Tool: "exec", Dir: "/w", Session: "s", Other: true}},
		"no input":             {"copilot", `{"toolName":"list_bash","toolArgs":null}`, Event{Tool: "list_bash", Other: true}},
		"a plan":               {"codex", `{` + common + `"tool_name":"update_plan","tool_input":{"plan":[]}}`, Event{Tool: "update_plan", Dir: "/w", Session: "s", Other: true}},
	} {
		got, err := must(t, tt.agent).Parse([]byte(tt.in))
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %v\n got %+v\nwant %+v", name, err, got, tt.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		``:                                       "no JSON object",
		`[]`:                                     "no JSON object",
		`null`:                                   "tool_name is missing",
		`{}`:                                     "tool_name is missing",
		`{"tool_name":1}`:                        "tool_name is missing",
		`{"tool_name":"Bash"}`:                   "tool_input of \"Bash\" is missing",
		`{"tool_name":"Bash","tool_input":null}`: "command is missing",
		`{"tool_name":"Bash","tool_input":{}}`:   "command is missing",
		`{"tool_name":"Bash","tool_input":{"Command":"ls"}}`:               "command is missing",
		`{"tool_name":"Bash","tool_input":{"command":7}}`:                  "neither a string nor a list",
		`{"tool_name":"Bash","tool_input":{"command":["a",1]}}`:            "neither a string nor a list",
		`{"tool_name":"Bash","tool_input":{"command":["a\u0000"]}}`:        "argument 0",
		`{"tool_name":"Bash","tool_input":"ls"}`:                           "no JSON object",
		`{"tool_name":"Write","tool_input":{"content":"x"}}`:               "file_path is missing",
		`{"tool_name":"Bash\u001b[2J"}`:                                    `"Bash\x1b[2J"`,
		`{"tool_name":"` + strings.Repeat("x", 500) + `","tool_input":{}}`: "tool_name is 500 bytes long",
		`{"a":` + strings.Repeat("[", 20000):                               "no JSON object",
	} {
		if ev, err := must(t, "claude").Parse([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v, %+v; want %q", in, err, ev, want)
		}
	}
	if _, err := must(t, "claude").Parse(make([]byte, MaxInput+1)); err == nil || !strings.Contains(err.Error(), "the most is") {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	for _, a := range All() {
		text, err := a.Sample("loginctl terminate-user flowstate", "/w")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"tool_name":"apply_patch","tool_input":"*** Move to: x"}`))
	f.Add([]byte(`{"toolName":"shell","toolArgs":{"command":["sh","-c"],"workdir":".."}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, a := range All() {
			ev, err := a.Parse(text)
			if err != nil {
				if !strings.HasPrefix(err.Error(), "cannot understand what "+a.Title) {
					t.Errorf("%v", err)
				}
				continue
			}
			if ev.Tool == "" && !ev.Other || ev.Other == (ev.Command != "" || len(ev.Paths)+len(ev.Removed) > 0) && ev.Tool != "Bash" {
				t.Errorf("%q: %+v", text, ev)
			}
		}
	})
}

func verdict(t *testing.T, d guard.Decision) guard.Verdict {
	t.Helper()
	v := guard.Verdict{Decision: d}
	r, found := guard.RuleOf("session.terminate")
	if !found {
		t.Fatal("there is no session.terminate any more")
	}
	r.Decision = d
	if d >= guard.Ask {
		v.Findings = []guard.Finding{{Rule: r, Command: "loginctl terminate-user flowstate", Through: []string{"sudo", "bash -c"}, Detail: "flowstate is this account", Unsure: d == guard.Ask}}
	}
	return v
}

// What each agent is told of each decision, and what it makes of it.
func TestAnswer(t *testing.T) {
	t.Parallel()
	ev := Event{Tool: "Bash", Command: "sudo bash -c 'loginctl terminate-user flowstate'"}
	passed := guard.Verdict{Decision: guard.Allow, Passed: "ulrich at pts/3"}
	for _, tt := range []struct {
		agent string
		v     guard.Verdict
		want  []string // parts of the answer: none for silence
		holds bool     // the agent refuses
	}{
		{"claude", verdict(t, guard.None), nil, false},
		{"claude", verdict(t, guard.Allow), nil, false},
		{"claude", passed, []string{`{"hookSpecificOutput":{"hookEventName":"PreToolUse","permissionDecision":"allow","permissionDecisionReason":"keeper guard: ulrich at pts/3 let this pass, once"}}`}, false},
		{"claude", verdict(t, guard.Ask), []string{`"permissionDecision":"ask"`, "leaves this to a person", "not known before it runs"}, false},
		{"claude", verdict(t, guard.Deny), []string{`"hookEventName":"PreToolUse"`, `"permissionDecision":"deny"`, "loginctl terminate-user flowstate (in sudo, bash -c)", "[session.terminate]", "Instead: ", "daemon-reload", "allow-once"}, true},
		{"gemini", verdict(t, guard.None), nil, false},
		{"gemini", passed, nil, false},
		{"gemini", verdict(t, guard.Ask), []string{`{"decision":"deny","reason":"keeper guard leaves this`, "cannot ask", "keeper guard allow-once -- sudo bash -c 'loginctl"}, true},
		{"gemini", verdict(t, guard.Deny), []string{`{"decision":"deny","reason":"keeper guard refuses this.`, "[session.terminate]"}, true},
		{"copilot", verdict(t, guard.Allow), nil, false},
		{"copilot", passed, []string{`{"permissionDecision":"allow","permissionDecisionReason":`}, false},
		{"copilot", verdict(t, guard.Ask), []string{`{"permissionDecision":"ask","permissionDecisionReason":`}, false},
		{"copilot", verdict(t, guard.Deny), []string{`{"permissionDecision":"deny","permissionDecisionReason":`}, true},
		{"codex", passed, nil, false},
		{"codex", verdict(t, guard.Ask), []string{`"permissionDecision":"deny"`, "cannot ask", "allow-once"}, true},
		{"codex", verdict(t, guard.Deny), []string{`{"hookSpecificOutput":{"hookEventName":"PreToolUse","permissionDecision":"deny"`}, true},
	} {
		a := must(t, tt.agent)
		stdout, stderr, code := a.Answer(tt.v, ev)
		if code != 0 || stderr != "" || (len(stdout) == 0) != (tt.want == nil) {
			t.Errorf("%s, %v: %d, %q, %s", tt.agent, tt.v.Decision, code, stderr, stdout)
		}
		for _, want := range tt.want {
			if !strings.Contains(string(stdout), want) {
				t.Errorf("%s, %v: %s\nis without %s", tt.agent, tt.v.Decision, stdout, want)
			}
		}
		if len(stdout) > 0 && !json.Valid(stdout) {
			t.Errorf("%s, %v: no JSON: %s", tt.agent, tt.v.Decision, stdout)
		}
		refused, reason := a.Refused(stdout, stderr, code)
		if refused != tt.holds || refused && !strings.Contains(reason, "keeper guard") {
			t.Errorf("%s, %v: refused %v: %q", tt.agent, tt.v.Decision, refused, reason)
		}
	}
}

func TestFailure(t *testing.T) {
	t.Parallel()
	for _, a := range All() {
		stdout, stderr, code := a.Failure("it took longer than 2 s\x1b[2J")
		if refused, reason := a.Refused(stdout, stderr, code); !refused || !strings.Contains(reason, "longer than 2 s?[2J") || !strings.Contains(reason, "keeper doctor") {
			t.Errorf("%s: refused %v: %q", a.Name, refused, reason)
		}
	}
}

// What the agents make of answers that are not ours.
func TestRefused(t *testing.T) {
	t.Parallel()
	const deny = `{"hookSpecificOutput":{"hookEventName":"PreToolUse","permissionDecision":"deny","permissionDecisionReason":"no"}}`
	for _, tt := range []struct {
		agent, stdout, stderr string
		code                  int
		want                  bool
		reason                string
	}{
		{"claude", "", "why", 2, true, "why"},
		{"claude", deny, "why", 2, true, "no"},
		{"claude", deny, "", 1, true, "no"},
		{"claude", "", "sh: not found", 127, false, "sh: not found"},
		{"claude", "deny", "", 0, false, ""},
		{"gemini", "", "why", 2, true, "why"},
		{"gemini", "", "sh: not found", 127, true, "sh: not found"},
		{"gemini", "", "why", 1, false, "why"},
		{"gemini", `{"decision":"block","reason":"no"}`, "", 0, true, "no"},
		{"gemini", `{"decision":"allow"}`, "", 2, false, ""},
		{"copilot", `{"permissionDecision":"allow"}`, "why", 2, true, "why"},
		{"copilot", "", "", 137, true, ""},
		{"copilot", deny, "", 0, false, ""}, // that of another agent
		{"codex", "", "why", 2, true, "why"},
		{"codex", "", "", 2, false, ""},
		{"codex", deny, "", 1, false, ""},
		{"codex", deny, "", 0, true, "no"},
		{"codex", strings.Replace(deny, `"no"`, `" "`, 1), "", 0, false, ""},
		{"codex", strings.Replace(deny, `"hookEventName"`, `"more":1,"hookEventName"`, 1), "", 0, false, ""},
		{"codex", strings.Replace(deny, `"deny"`, `"ask"`, 1), "", 0, false, ""},
	} {
		if refused, reason := must(t, tt.agent).Refused([]byte(tt.stdout), tt.stderr, tt.code); refused != tt.want || reason != tt.reason {
			t.Errorf("%s: %q, %q, %d: %v, %q", tt.agent, tt.stdout, tt.stderr, tt.code, refused, reason)
		}
	}
}

func TestReason(t *testing.T) {
	t.Parallel()
	v := verdict(t, guard.Deny)
	v.Failed = "line 1: a quote is not closed"
	f := v.Findings[0]
	f.Command = "psql -c '" + strings.Repeat("x", 5000) + "'\x1b]0;\n"
	f.Decision = guard.None
	v.Findings = append(v.Findings, f) // of no weight
	f.Decision = guard.Deny
	v.Findings = append(v.Findings, f, f, f, f)
	got := Reason(v)
	for _, want := range []string{"keeper guard refuses this.", "could not read the line: line 1", "flowstate is this account", "\n- and 2 more", "…", "in another way"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s\nis without %q", got, want)
		}
	}
	if strings.ContainsRune(got, '\x1b') || len(got) > 4000 {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}

// What is sent in a test is what is understood.
func TestSample(t *testing.T) {
	t.Parallel()
	const line = `echo "ä <&>" && loginctl terminate-user flowstate`
	for _, a := range All() {
		text, err := a.Sample(line, "/srv/app")
		if err != nil {
			t.Fatal(err)
		}
		ev, err := a.Parse(text)
		if err != nil || ev.Command != line || ev.Dir != "/srv/app" || ev.Other || ev.Session == "" {
			t.Errorf("%s: %v, %+v\n%s", a.Name, err, ev, text)
		}
	}
}
