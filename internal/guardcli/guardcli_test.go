package guardcli

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keeper/internal/term"
)

// home makes an account of its own with a kept PostgreSQL, and no agent above.
func home(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, value := range map[string]string{
		"HOME": dir, "XDG_CONFIG_HOME": "", "XDG_STATE_HOME": "", "XDG_DATA_HOME": "", "XDG_RUNTIME_DIR": filepath.Join(dir, "run"),
		"CLAUDE_CONFIG_DIR": "", "CODEX_HOME": "", "COPILOT_HOME": "", "GEMINI_CLI_HOME": "", "CLAUDECODE": "", "GEMINI_CLI": "",
		"CLAUDE_CODE_ENTRYPOINT": "", "CODEX_SANDBOX": "",
	} {
		t.Setenv(name, value)
	}
	write(t, filepath.Join(dir, ".config/containers/systemd/postgres.container"), "[Container]\nContainerName=postgres\nImage=docker.io/library/postgres:17\n")
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func run(in string, args ...string) (out, errs string, code int) {
	var o, e bytes.Buffer
	code = Main(args, strings.NewReader(in), term.IO{Out: &o, Err: &e})
	return o.String(), e.String(), code
}

func claudeEvent(t *testing.T, command string) string {
	t.Helper()
	data, err := json.Marshal(map[string]any{"hook_event_name": "PreToolUse", "tool_name": "Bash", "cwd": "/", "tool_input": map[string]string{"command": command}})
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestHook(t *testing.T) {
	home(t)
	for name, tt := range map[string]struct {
		in   string
		args []string
		want string // "", deny, ask; or an exit code in brackets
		says string
	}{
		"the incident":            {claudeEvent(t, "loginctl terminate-user flowstate"), []string{"claude"}, "deny", "session.terminate"},
		"a kept container":        {claudeEvent(t, "podman stop postgres"), []string{"claude"}, "deny", "stack.container"},
		"one of one's own":        {claudeEvent(t, "podman stop web"), []string{"claude"}, "", ""},
		"harmless":                {claudeEvent(t, "git status"), []string{"claude"}, "", ""},
		"not known":               {claudeEvent(t, "loginctl $verb flowstate"), []string{"claude"}, "ask", "guard.unknown"},
		"a file of its settings":  {`{"tool_name":"Write","cwd":"/","tool_input":{"file_path":"` + os.Getenv("HOME") + `/.claude/settings.json","content":"{}"}}`, []string{"claude"}, "deny", "keeper.hook"},
		"garbage about something": {`{"tool": "loginctl terminate-user"`, []string{"claude"}, "deny", "could not judge"},
		"garbage about nothing":   {`{"tool": "ls"`, []string{"claude"}, "", ""},
		"nothing at all":          {"", []string{"claude"}, "deny", "could not judge"},
		"no shell, and deadly":    {claudeEvent(t, "loginctl terminate-user 'flowstate"), []string{"claude"}, "deny", "guard.unreadable"},
		"no agent":                {"{}", nil, "(2)", "needs the name of an agent"},
		"an unknown agent":        {"{}", []string{"hal"}, "(2)", `no agent "hal"`},
	} {
		t.Run(name, func(t *testing.T) {
			out, errs, code := run(tt.in, append([]string{"hook"}, tt.args...)...)
			got := ""
			if code != 0 {
				got = "(" + string(rune('0'+code)) + ")"
			}
			if out != "" {
				var answer struct {
					Output struct {
						Decision string `json:"permissionDecision"`
					} `json:"hookSpecificOutput"`
				}
				if err := json.Unmarshal([]byte(out), &answer); err != nil {
					t.Fatalf("no JSON: %q", out)
				}
				got = answer.Output.Decision
			}
			if got != tt.want || !strings.Contains(out+errs, tt.says) {
				t.Errorf("got %q, want %q with %q:\n%s%s", got, tt.want, tt.says, out, errs)
			}
		})
	}
}

// full is a place that takes nothing.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// Where the answer cannot be written, exit code 2 refuses.
func TestHookCannotAnswer(t *testing.T) {
	home(t)
	var errs bytes.Buffer
	code := Main([]string{"hook", "claude"}, strings.NewReader(claudeEvent(t, "loginctl terminate-user flowstate")), term.IO{Out: full{}, Err: &errs})
	if code != 2 || !strings.Contains(errs.String(), "refused") {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
}

func TestCheck(t *testing.T) {
	home(t)
	for name, tt := range map[string]struct {
		in   string
		args []string
		code int
		says string
	}{
		"one line":        {"", []string{"check", "--", "sudo loginctl terminate-user x"}, term.ExitDeny, "session.terminate"},
		"words":           {"", []string{"check", "--", "loginctl", "terminate-user", "x"}, term.ExitDeny, "session.terminate"},
		"words with a ;":  {"", []string{"check", "--", "echo", "a; loginctl terminate-user x"}, 0, ""},
		"standard input":  {"loginctl kill-user x\n", []string{"check"}, term.ExitDeny, "session.kill"},
		"a question":      {"", []string{"check", "--", "loginctl $v x"}, term.ExitAsk, "allow-once"},
		"harmless":        {"", []string{"check", "--", "ls"}, 0, ""},
		"nothing":         {"", []string{"check"}, 2, "no command to judge"},
		"a wrong flag":    {"", []string{"check", "--nosuch"}, 2, "--help"},
		"a wrong command": {"", []string{"chek"}, 2, "no command"},
		"explained":       {"", []string{"explain", "--", "bash -c 'podman rm -f postgres'"}, 0, "bash -c › podman rm -f postgres  stack.container"},
		"rules":           {"", []string{"rules"}, 0, "session.terminate"},
		"a secret":        {"", []string{"check", "--", "PGPASSWORD=hunter2 dropdb ledger"}, term.ExitDeny, "PGPASSWORD=***"},
		"no terminal":     {"", []string{"status"}, 0, "nothing was refused"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "no terminal" {
				home(t)
			}
			out, errs, code := run(tt.in, tt.args...)
			if code != tt.code || !strings.Contains(out+errs, tt.says) || strings.Contains(out+errs, "hunter2") {
				t.Errorf("exit code %d, want %d and %q:\n%s%s", code, tt.code, tt.says, out, errs)
			}
		})
	}
}

// What is refused is counted, and shown as the last refusal.
func TestStatus(t *testing.T) {
	dir := home(t)
	write(t, filepath.Join(dir, ".claude/settings.json"), `{"permissions": {"allow": ["Bash(loginctl:*)"]}}`)
	run("", "check", "--", "loginctl terminate-user x")
	out, _, code := run("", "status")
	for _, want := range []string{"Claude Code is used here, and no guard stands before it", "Bash(loginctl:*)", "1 stopped in the last day", "by session.terminate"} {
		if code != 3 || !strings.Contains(out, want) {
			t.Errorf("exit code %d, want 3 and %q:\n%s", code, want, out)
		}
	}
}

// The guard goes into the settings and out again without a trace; through a link, the
// file behind it is written; what is not JSON is left alone.
func TestInstall(t *testing.T) {
	if os.Getuid() == 0 {
		// rootFor refuses root: what it does is looked at one level below.
		testWriter(t)
		return
	}
	testWriter(t)
	dir := home(t)
	if _, errs, code := run("", "install", "claude"); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	if _, errs, code := run("", "uninstall", "--all"); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	if _, err := os.Stat(filepath.Join(dir, ".claude/settings.json")); err == nil {
		t.Error("the file of settings that was made stays")
	}
}

func testWriter(t *testing.T) {
	dir := home(t)
	program := filepath.Join(dir, "bin/keeper-guard")
	write(t, program, "")
	before := "{\n\t\"model\": \"opus\"\n}\n"
	write(t, filepath.Join(dir, "dotfiles/claude.json"), before)
	if err := os.MkdirAll(filepath.Join(dir, ".claude"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../dotfiles/claude.json", filepath.Join(dir, ".claude/settings.json")); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	w := writer{to: term.IO{Out: &out, Err: &errs}}
	for _, step := range []func() error{
		func() error { return w.install("claude", program, false) },
		func() error { return w.install("codex", program, false) },
		func() error { return w.installShell(program, false) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "dotfiles/claude.json"))
	if err != nil || !strings.Contains(string(text), "hook claude") || !strings.Contains(string(text), `"model": "opus"`) {
		t.Errorf("the file behind the link: %s, %v", text, err)
	}
	if fi, err := os.Lstat(filepath.Join(dir, ".claude/settings.json")); err != nil || fi.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is none any more: %v", err)
	}
	n := w.wrote
	if err := w.install("claude", program, false); err != nil || w.wrote != n {
		t.Errorf("the second installation wrote %d files, %v", w.wrote-n, err)
	}
	write(t, filepath.Join(dir, ".gemini/settings.json"), "{ nonsense")
	if err := w.install("gemini", program, false); err == nil || !strings.Contains(err.Error(), "settings.json") {
		t.Errorf("a file that is no JSON: %v", err)
	}
	for _, name := range []string{"claude", "codex"} {
		if err := w.uninstall(name, false); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.uninstallShell(false); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "dotfiles/claude.json")); err != nil || string(text) != before {
		t.Errorf("the settings are not as before: %q, %v", text, err)
	}
	for _, gone := range []string{".claude/CLAUDE.md", ".codex/hooks.json", ".profile", ".bashrc", ".local/lib/keeper"} {
		if _, err := os.Lstat(filepath.Join(dir, gone)); err == nil {
			t.Errorf("%s stays", gone)
		}
	}
}

// A hook that went in while a variable moved the settings comes out without it.
func TestUninstallElsewhere(t *testing.T) {
	dir := home(t)
	program := filepath.Join(dir, "bin/keeper-guard")
	write(t, program, "")
	w := writer{to: term.IO{Out: io.Discard, Err: io.Discard}}
	t.Setenv("CLAUDE_CONFIG_DIR", filepath.Join(dir, "other"))
	if err := w.install("claude", program, false); err != nil {
		t.Fatal(err)
	}
	moved := filepath.Join(dir, "other/settings.json")
	if _, err := os.Stat(moved); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CLAUDE_CONFIG_DIR", "")
	if err := w.uninstall("claude", false); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(moved); err == nil {
		t.Error("the hook stays where it was put in")
	}
}
