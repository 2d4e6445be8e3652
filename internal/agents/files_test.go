package agents

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

func TestFiles(t *testing.T) {
	t.Parallel()
	env := map[string]string{"CLAUDE_CONFIG_DIR": "/c/claude", "GEMINI_CLI_HOME": "/c/gemini", "GEMINI_CLI_SYSTEM_SETTINGS_PATH": "/c/sys.json", "COPILOT_HOME": "/c/copilot", "CODEX_HOME": "/c/codex/"}
	relative := map[string]string{"CLAUDE_CONFIG_DIR": "c", "GEMINI_CLI_HOME": "c", "GEMINI_CLI_SYSTEM_SETTINGS_PATH": "c", "COPILOT_HOME": "c", "CODEX_HOME": "c"}
	for _, tt := range []struct {
		agent            string
		env              map[string]string
		system           bool
		settings, memory string
	}{
		{"claude", nil, false, "/home/x/.claude/settings.json", "/home/x/.claude/CLAUDE.md"},
		{"claude", env, false, "/c/claude/settings.json", "/c/claude/CLAUDE.md"},
		{"claude", relative, false, "/home/x/.claude/settings.json", "/home/x/.claude/CLAUDE.md"},
		{"claude", env, true, "/etc/claude-code/managed-settings.json", "/etc/claude-code/CLAUDE.md"},
		{"gemini", nil, false, "/home/x/.gemini/settings.json", "/home/x/.gemini/GEMINI.md"},
		{"gemini", env, false, "/c/gemini/.gemini/settings.json", "/c/gemini/.gemini/GEMINI.md"},
		{"gemini", nil, true, "/etc/gemini-cli/settings.json", ""},
		{"gemini", env, true, "/c/sys.json", ""},
		{"copilot", nil, false, "/home/x/.copilot/hooks/keeper-guard.json", "/home/x/.copilot/copilot-instructions.md"},
		{"copilot", env, false, "/c/copilot/hooks/keeper-guard.json", "/c/copilot/copilot-instructions.md"},
		{"copilot", nil, true, "/etc/github-copilot/policy.d/keeper-guard.json", ""},
		{"codex", nil, false, "/home/x/.codex/hooks.json", "/home/x/.codex/AGENTS.md"},
		{"codex", env, false, "/c/codex/hooks.json", "/c/codex/AGENTS.md"},
		{"codex", relative, true, "/etc/codex/hooks.json", ""},
	} {
		got, err := must(t, tt.agent).Files("/home/x", func(name string) string { return tt.env[name] }, tt.system)
		if err != nil || got.Settings != tt.settings || got.Memory != tt.memory {
			t.Errorf("%s, system %v: %v, %+v", tt.agent, tt.system, err, got)
		}
	}
	for _, a := range All() {
		if _, err := a.Files("", func(string) string { return "" }, false); err == nil {
			t.Errorf("%s: files without a home", a.Name)
		}
	}
	names := []string{}
	for _, a := range All() {
		names = append(names, a.Name)
	}
	if !reflect.DeepEqual(names, Names()) {
		t.Error(names)
	}
	if _, ok := Of("emacs"); ok {
		t.Error("an agent that nobody knows")
	}
}

func TestLoose(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		agent, file, text string
		want              []string // what each line begins with
	}{
		{"claude", "settings.json", `{"permissions":{"allow":["Bash(go test:*)","Bash(loginctl list-sessions)x","Read"],"defaultMode":"acceptEdits"},"disableAllHooks":false}`, nil},
		{"claude", "settings.json", `{"permissions":{"allow":["Bash(*)","Bash","Bash(loginctl:*)","Bash(busctl *)","Bash(sudo:*)","Monitor"],"defaultMode":"bypassPermissions"},"disableAllHooks":true}`,
			[]string{"disableAllHooks is true", "permissions.defaultMode", "permissions.allow has Bash(*)", "permissions.allow has Bash:", "permissions.allow has Bash(loginctl:*)", "permissions.allow has Bash(busctl *)", "permissions.allow has Bash(sudo:*)", "permissions.allow has Monitor"}},
		{"claude", "settings.json", `no`, nil},
		{"gemini", "settings.json", `{"tools":{"allowed":["run_shell_command(git)"]},"hooksConfig":{"enabled":true}} // fine`, nil},
		{"gemini", "settings.json", `{"tools":{"allowed":["run_shell_command","ShellTool(loginctl)"]},"hooksConfig":{"enabled":false,"disabled":["keeper-guard"]}}`,
			[]string{"hooksConfig.enabled is false", "hooksConfig.disabled has keeper-guard", "tools.allowed has run_shell_command:", "tools.allowed has ShellTool(loginctl)"}},
		{"copilot", "settings.json", `{"disableAllHooks":true}`, []string{"disableAllHooks is true"}},
		{"copilot", "permissions-config.json", `{"locations":{"/w":{"tool_approvals":[{"kind":"write"},{"kind":"commands","commandIdentifiers":["git:*","loginctl:*"]}]},"/v":1}}`, []string{"tool_approvals has loginctl:*"}},
		{"codex", "/home/x/.codex/config.toml", "model = \"m\"\n[hooks.state.\"/home/x/.codex/hooks.json:pre_tool_use:0:0\"]\ntrusted_hash = \"sha256:1\"\n", nil},
		{"codex", "/home/x/.codex/config.toml", "approval_policy = \"never\" # bold\nsandbox_mode='danger-full-access'\n[features]\nhooks = false\n",
			[]string{"approval_policy is never", "sandbox_mode is danger-full-access", "features.hooks is false", "no hook of hooks.json has been trusted"}},
		{"codex", "/etc/codex/config.toml", "[profiles.x]\napproval_policy = \"never\"\n", nil},
		{"codex", "hooks.json", `{"hooks":{}}`, nil},
	} {
		got := must(t, tt.agent).Loose(tt.file, []byte(tt.text))
		ok := len(got) == len(tt.want)
		for i := 0; ok && i < len(got); i++ {
			ok = strings.HasPrefix(got[i], tt.want[i])
		}
		if !ok {
			t.Errorf("%s, %s:\n got %q\nwant %q", tt.agent, tt.text, got, tt.want)
		}
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]string{
		"no file": "", "a line": "# Rules\n", "no last newline": "# Rules", "blank": "\n", "CRLF": "# Rules\r\nNone.\r\n", "a lone CR": "x\r",
	} {
		after, changed, err := MergeRules([]byte(before))
		if err != nil || !changed || !HasRules(after) || HasRules([]byte(before)) || !strings.HasPrefix(string(after), before) {
			t.Errorf("%s: changed %v, %v: %q", name, changed, err, after)
		}
		if again, changed, err := MergeRules(after); err != nil || changed || !bytes.Equal(again, after) {
			t.Errorf("%s, twice: changed %v, %v", name, changed, err)
		}
		back, changed, err := RemoveRules(after)
		if err != nil || !changed || string(back) != before {
			t.Errorf("%s, removed: changed %v, %v: %q", name, changed, err, back)
		}
		if same, changed, err := RemoveRules([]byte(before)); err != nil || changed || string(same) != before {
			t.Errorf("%s, removed where there are none: changed %v, %v: %q", name, changed, err, same)
		}
		// What somebody wrote below stays, and rules of another version make room.
		old := strings.Replace(string(after)+"More.\n", "Never end a session", "Never sing", 1)
		if HasRules([]byte(old)) {
			t.Errorf("%s: old rules for new", name)
		}
		renewed, changed, err := MergeRules([]byte(old))
		if err != nil || !changed || string(renewed) != string(after)+"More.\n" {
			t.Errorf("%s, renewed: changed %v, %v: %q", name, changed, err, renewed)
		}
		if back, _, err := RemoveRules(renewed); err != nil || string(back) != before+"More.\n" {
			t.Errorf("%s, removed from between: %v: %q", name, err, back)
		}
	}
	for _, broken := range []string{"x\n" + beginMark + "\n", endMark + "\n", endMark + "\n" + beginMark} {
		if after, changed, err := MergeRules([]byte(broken)); err == nil || changed {
			t.Errorf("%q became %q", broken, after)
		}
		if after, changed, err := RemoveRules([]byte(broken)); err == nil || changed {
			t.Errorf("%q became %q", broken, after)
		}
	}
	// In the middle of a line they are somebody's prose.
	if _, changed, err := RemoveRules([]byte("the marks are " + beginMark + " and\n" + endMark + "!\n")); err != nil || changed {
		t.Error(changed, err)
	}
	for _, want := range []string{"loginctl terminate-*", "daemon-reload", "rm -rf", "git push --force", "allow-once", "keeper status", "keeper incident"} {
		if !strings.Contains(rules, want) {
			t.Errorf("the rules do not have %q", want)
		}
	}
}

func FuzzRules(f *testing.F) {
	f.Add([]byte("a\r\nb"))
	f.Add([]byte(rules + "\r\n"))
	f.Fuzz(func(t *testing.T, before []byte) {
		if from, to, _, err := block(before); err != nil || from < to {
			return
		}
		after, _, err := MergeRules(before)
		if err != nil {
			t.Fatal(err)
		}
		if back, _, err := RemoveRules(after); err != nil || !bytes.Equal(back, before) {
			t.Errorf("%q became %q, and then %q: %v", before, after, back, err)
		}
	})
}
