package agents

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
)

// codex is OpenAI Codex CLI, as its hooks page has it (developers.openai.com/codex/hooks)
// and, where that is silent, its source (codex-rs/hooks/src). Exit 0 with a refusal in
// JSON and a reason in it; exit 2 with a reason on standard error. All else lets the
// tool run: "allow" and "ask", which it has no use for, a field that it does not know,
// another exit code, a hook that timed out.
func codex() Agent {
	return Agent{
		Name: "codex", Title: "OpenAI Codex CLI",
		event: "PreToolUse",
		hook: func(command string) any {
			// Without a matcher: what the tools are called differs between versions.
			return group{Hooks: []handler{{Type: "command", Command: command, Timeout: 10}}} // seconds
		},
		say: func(decision, reason string) any {
			if decision != deny {
				return nil
			}
			return permission(deny, reason)
		},
		hear: func(stdout, stderr string, code int) (bool, string) {
			if code == 2 {
				return stderr != "", stderr
			}
			var out preToolUse
			dec := json.NewDecoder(strings.NewReader(stdout))
			dec.DisallowUnknownFields()
			if code != 0 || dec.Decode(&out) != nil || out.Output.Decision != deny || strings.TrimSpace(out.Output.Reason) == "" {
				return false, ""
			}
			return true, out.Output.Reason
		},
		files: func(home string, getenv func(string) string, system bool) (Files, error) {
			if system {
				// The hooks of this directory are managed ones: trusted, and not to be
				// switched off.
				return Files{Settings: "/etc/codex/hooks.json", Watch: []string{"/etc/codex/config.toml"}}, nil
			}
			dir := at(getenv, "CODEX_HOME", filepath.Join(home, ".codex"))
			return Files{
				Settings: filepath.Join(dir, "hooks.json"),
				Memory:   filepath.Join(dir, "AGENTS.md"),
				Watch:    []string{filepath.Join(dir, "config.toml")},
				Note:     "Codex runs a new or changed hook only after a person has looked at it: start codex, type /hooks, and trust it",
			}, nil
		},
		send: func(line, dir string) any {
			return toolInput{Session: TestSession, Dir: dir, Mode: "default", Event: "PreToolUse", Tool: "Bash", Input: commandInput{line}}
		},
		loose: func(file string, text []byte) []string {
			if filepath.Ext(file) != ".toml" {
				return nil
			}
			return looseTOML(file, text)
		},
	}
}

// looseTOML looks for a few plain keys, line by line: it warns, and decides nothing.
func looseTOML(file string, text []byte) []string {
	var list []string
	table := ""
	for line := range bytes.Lines(text) {
		line, _, _ := strings.Cut(string(line), "#")
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			table = strings.Trim(line, "[] ")
			continue
		}
		key, value, _ := strings.Cut(line, "=")
		key, value = strings.TrimSpace(key), strings.Trim(strings.TrimSpace(value), `"'`)
		if table != "" {
			key = table + "." + key
		}
		switch {
		case (key == "features.hooks" || key == "features.codex_hooks") && value == "false":
			list = append(list, key+" is false: no hook runs, the guard neither")
		case key == "approval_policy" && value == "never":
			list = append(list, "approval_policy is never: nobody is asked about anything")
		case key == "sandbox_mode" && value == "danger-full-access":
			list = append(list, "sandbox_mode is danger-full-access: nothing holds a command back but the guard")
		}
	}
	if !strings.HasPrefix(file, "/etc/") && !bytes.Contains(text, []byte("hooks.json:pre_tool_use:")) {
		list = append(list, "no hook of hooks.json has been trusted yet: start codex and type /hooks")
	}
	return list
}
