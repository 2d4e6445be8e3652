package agents

import (
	"encoding/json"
	"path/filepath"
	"strings"
)

// copilotHook is an entry of an event.
type copilotHook struct {
	Type    string `json:"type"`
	Bash    string `json:"bash"`
	Timeout int    `json:"timeoutSec"`
}

// copilotAnswer is what preToolUse may say.
type copilotAnswer struct {
	Decision string `json:"permissionDecision"`
	Reason   string `json:"permissionDecisionReason,omitempty"`
}

// copilotInput is what comes before a tool. The arguments are documented as "unknown",
// and have been seen as a string with JSON in it, and as an object.
type copilotInput struct {
	Session   string `json:"sessionId"`
	Timestamp int64  `json:"timestamp"`
	Dir       string `json:"cwd"`
	Tool      string `json:"toolName"`
	Args      string `json:"toolArgs"`
}

// copilot is GitHub Copilot CLI, as its hooks reference has it
// (docs.github.com/en/copilot/reference/hooks-reference): exit 0 with a decision in
// JSON; any other exit code refuses, with a reason of its own; a hook that timed out
// lets the tool run. Where nobody is there to answer, "ask" is a refusal. Versions of
// early 2026 took notice of "deny" alone.
func copilot() Agent {
	return Agent{
		Name: "copilot", Title: "GitHub Copilot CLI",
		event: "preToolUse", flat: true, asks: true, closed: true,
		hook: func(command string) any {
			// Without a matcher: what the tools are called differs between versions.
			return copilotHook{Type: "command", Bash: command, Timeout: 10} // seconds
		},
		say: func(decision, reason string) any { return copilotAnswer{decision, reason} },
		hear: func(stdout, stderr string, code int) (bool, string) {
			if code != 0 {
				return true, stderr
			}
			var out copilotAnswer
			if json.Unmarshal([]byte(stdout), &out) != nil {
				return false, ""
			}
			return out.Decision == deny, out.Reason
		},
		files: func(home string, getenv func(string) string, system bool) (Files, error) {
			if system {
				return Files{
					Settings: "/etc/github-copilot/policy.d/" + Program + ".json",
					Note:     "GitHub Copilot CLI reads a policy file only if it is root's and nobody else may write to it",
				}, nil
			}
			dir := at(getenv, "COPILOT_HOME", filepath.Join(home, ".copilot"))
			return Files{
				Settings: filepath.Join(dir, "hooks", Program+".json"),
				Memory:   filepath.Join(dir, "copilot-instructions.md"),
				Watch:    []string{filepath.Join(dir, "settings.json"), filepath.Join(dir, "permissions-config.json")},
			}, nil
		},
		send: func(line, dir string) any {
			args, _ := encode(commandInput{line}, "", "") // a string: it can be encoded
			return copilotInput{Session: TestSession, Dir: dir, Tool: "bash", Args: string(args)}
		},
		loose: func(_ string, text []byte) []string {
			root, err := scan(text, true)
			if err != nil {
				return nil
			}
			var list []string
			if root.get("disableAllHooks").is("true") {
				list = append(list, "disableAllHooks is true: no hook runs, the guard neither")
			}
			locations := root.get("locations")
			if locations == nil || locations.kind != '{' {
				return list
			}
			for _, place := range locations.items {
				for _, approval := range place.value.get("tool_approvals").list() {
					for _, id := range approval.get("commandIdentifiers").texts() {
						if wide("bash("+strings.TrimSuffix(id, ":*")+")", "bash") {
							list = append(list, "tool_approvals has "+clean(id, 80)+": it runs without a word to you")
						}
					}
				}
			}
			return list
		},
	}
}
