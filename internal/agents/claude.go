package agents

import (
	"encoding/json"
	"path/filepath"
	"strings"
)

// group is an entry of an event, in Claude Code, Gemini CLI and Codex: which tools it
// is for, and what to run.
type group struct {
	Matcher string    `json:"matcher,omitempty"`
	Hooks   []handler `json:"hooks"`
}

// handler is what to run.
type handler struct {
	Name    string `json:"name,omitempty"`
	Type    string `json:"type"`
	Command string `json:"command"`
	Timeout int    `json:"timeout"`
}

// preToolUse is the answer of a PreToolUse hook.
type preToolUse struct {
	Output struct {
		Event    string `json:"hookEventName"`
		Decision string `json:"permissionDecision"`
		Reason   string `json:"permissionDecisionReason,omitempty"`
	} `json:"hookSpecificOutput"`
}

func permission(decision, reason string) any {
	var out preToolUse
	out.Output.Event, out.Output.Decision, out.Output.Reason = "PreToolUse", decision, reason
	return out
}

// toolInput is what Claude Code, Gemini CLI and Codex send before a tool.
type toolInput struct {
	Session    string `json:"session_id"`
	Transcript string `json:"transcript_path"`
	Dir        string `json:"cwd"`
	Mode       string `json:"permission_mode,omitempty"`
	Event      string `json:"hook_event_name"`
	Tool       string `json:"tool_name"`
	Input      any    `json:"tool_input"`
}

type commandInput struct {
	Command string `json:"command"`
}

// claude is Claude Code, as its hooks reference has it (code.claude.com/docs/en/hooks):
// exit 0 with a decision in JSON; exit 2 refuses whatever the JSON says, with standard
// error as the reason; any other exit without JSON, and a hook that timed out, let the
// tool run.
func claude() Agent {
	return Agent{
		Name: "claude", Title: "Claude Code",
		event: "PreToolUse", asks: true,
		hook: func(command string) any {
			return group{
				// Monitor and PowerShell take command lines as Bash does. MultiEdit is
				// that of versions before 2.0.
				Matcher: "Bash|PowerShell|Monitor|Write|Edit|MultiEdit|NotebookEdit",
				Hooks:   []handler{{Type: "command", Command: command, Timeout: 10}}, // seconds
			}
		},
		say: permission,
		hear: func(stdout, stderr string, code int) (bool, string) {
			var out preToolUse
			said := strings.HasPrefix(stdout, "{") && json.Unmarshal([]byte(stdout), &out) == nil
			switch {
			case said && out.Output.Decision == deny:
				return true, out.Output.Reason
			case code == 2:
				return true, stderr
			case said:
				return false, out.Output.Reason
			}
			return false, stderr
		},
		files: func(home string, getenv func(string) string, system bool) (Files, error) {
			if system {
				// Managed settings cannot be overridden, and disableAllHooks elsewhere does
				// not reach them.
				return Files{Settings: "/etc/claude-code/managed-settings.json", Memory: "/etc/claude-code/CLAUDE.md"}, nil
			}
			dir := at(getenv, "CLAUDE_CONFIG_DIR", filepath.Join(home, ".claude"))
			return Files{
				Settings: filepath.Join(dir, "settings.json"),
				Memory:   filepath.Join(dir, "CLAUDE.md"),
			}, nil
		},
		send: func(line, dir string) any {
			return toolInput{Session: TestSession, Dir: dir, Mode: "default", Event: "PreToolUse", Tool: "Bash", Input: commandInput{line}}
		},
		loose: func(_ string, text []byte) []string {
			root, err := scan(text, false)
			if err != nil {
				return nil
			}
			var list []string
			if root.get("disableAllHooks").is("true") {
				list = append(list, "disableAllHooks is true: no hook runs, the guard neither")
			}
			if mode := root.get("permissions", "defaultMode").text(); mode == "bypassPermissions" {
				list = append(list, "permissions.defaultMode is bypassPermissions: nobody is asked about anything but by a hook")
			}
			for _, rule := range root.get("permissions", "allow").texts() {
				if wide(rule, "Bash", "Monitor", "PowerShell") {
					list = append(list, "permissions.allow has "+clean(rule, 80)+": it runs without a word to you")
				}
			}
			return list
		},
	}
}

// wide says that a rule lets a shell run anything, or anything of a program that can
// end a session.
func wide(rule string, tools ...string) bool {
	tool, inner, narrowed := strings.Cut(strings.TrimSpace(rule), "(")
	found := false
	for _, t := range tools {
		found = found || t == tool
	}
	if !found {
		return false
	}
	if !narrowed {
		return true
	}
	inner = strings.TrimSuffix(inner, ")")
	inner = strings.TrimRight(inner, ":* ")
	switch inner {
	case "", "loginctl", "busctl", "gdbus", "dbus-send", "systemctl", "systemctl --user", "podman", "docker",
		"sudo", "su", "doas", "bash", "sh", "bash -c", "sh -c", "env", "xargs", "eval", "ssh", "rm", "rm -rf", "kill", "pkill":
		return true
	}
	for _, start := range []string{"loginctl terminate", "loginctl kill", "loginctl disable", "busctl call"} {
		if strings.HasPrefix(inner, start) {
			return true
		}
	}
	return false
}
