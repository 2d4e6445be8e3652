package agents

import (
	"encoding/json"
	"path/filepath"
)

// decision is the answer of Gemini CLI's BeforeTool.
type decision struct {
	Decision string `json:"decision"`
	Reason   string `json:"reason,omitempty"`
}

// gemini is Gemini CLI, as its hooks reference has it (geminicli.com/docs/hooks): exit
// 0 with a decision in JSON; exit 2 refuses, with standard error as the reason. Its
// source (packages/core/src/hooks/hookRunner.ts) looks at the JSON first, of standard
// output or else of standard error, whatever the exit code; takes any code but 0 and 1
// without JSON for a refusal; a hook that a signal ended for success; and a hook that
// timed out for an error that stops nothing. "ask" is in the source alone.
func gemini() Agent {
	return Agent{
		Name: "gemini", Title: "Gemini CLI",
		event: "BeforeTool", comments: true,
		hook: func(command string) any {
			return group{
				Matcher: "run_shell_command|write_file|replace",                                        // a regular expression
				Hooks:   []handler{{Name: Program, Type: "command", Command: command, Timeout: 10000}}, // milliseconds
			}
		},
		say: func(d, reason string) any {
			if d == allow {
				return nil // it means no more than silence: its own permissions hold
			}
			return decision{deny, reason}
		},
		hear: func(stdout, stderr string, code int) (bool, string) {
			text := stdout
			if text == "" {
				text = stderr
			}
			var out decision
			if json.Unmarshal([]byte(text), &out) == nil {
				return out.Decision == deny || out.Decision == "block", out.Reason
			}
			return code != 0 && code != 1 && text != "", text
		},
		files: func(home string, getenv func(string) string, system bool) (Files, error) {
			if system {
				return Files{Settings: at(getenv, "GEMINI_CLI_SYSTEM_SETTINGS_PATH", "/etc/gemini-cli/settings.json")}, nil
			}
			dir := filepath.Join(at(getenv, "GEMINI_CLI_HOME", home), ".gemini")
			return Files{
				Settings: filepath.Join(dir, "settings.json"),
				Memory:   filepath.Join(dir, "GEMINI.md"),
			}, nil
		},
		send: func(line, dir string) any {
			return toolInput{Session: TestSession, Dir: dir, Event: "BeforeTool", Tool: "run_shell_command", Input: commandInput{line}}
		},
		loose: func(_ string, text []byte) []string {
			root, err := scan(text, true)
			if err != nil {
				return nil
			}
			var list []string
			for _, name := range []string{"hooksConfig", "hooks"} { // the latter in older versions
				if root.get(name, "enabled").is("false") {
					list = append(list, name+".enabled is false: no hook runs, the guard neither")
				}
				for _, off := range root.get(name, "disabled").texts() {
					if off == Program {
						list = append(list, name+".disabled has "+Program+": the guard does not run")
					}
				}
			}
			for _, rule := range append(root.get("tools", "allowed").texts(), root.get("allowedTools").texts()...) {
				if wide(rule, "run_shell_command", "ShellTool") {
					list = append(list, "tools.allowed has "+clean(rule, 80)+": it runs without a word to you")
				}
			}
			return list
		},
	}
}
