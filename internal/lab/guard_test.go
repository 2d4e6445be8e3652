package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"keeper/internal/core"
	"keeper/internal/report"
)

// incidentCommand is what the agent of the founding incident typed.
const incidentCommand = "loginctl terminate-user " + User

// agentHooks are the hooks of Claude Code's settings, as its documentation has them.
type agentHooks struct {
	Hooks struct {
		PreToolUse []struct {
			Matcher string `json:"matcher"`
			Hooks   []struct {
				Type    string `json:"type"`
				Command string `json:"command"`
			} `json:"hooks"`
		} `json:"PreToolUse"`
	} `json:"hooks"`
}

// agentTypes does what the agent does with a command: it reads its settings, those of
// the host first, has each hook for Bash judge, and runs the command in a login session
// unless one refuses. It returns whether it ran, and why not.
func agentTypes(t *testing.T, h *Host, command string) (ran bool, why string) {
	t.Helper()
	ctx := within(t, time.Minute)
	event, err := json.Marshal(map[string]any{
		"session_id": "lab", "cwd": "/home/" + User, "hook_event_name": "PreToolUse", "tool_name": "Bash",
		"tool_input": map[string]any{"command": command, "description": "reload the session"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"/etc/claude-code/managed-settings.json", "/home/" + User + "/.claude/settings.json"} {
		text, err := h.UserOutput(ctx, "cat", file)
		if err != nil {
			continue // there is none
		}
		var settings agentHooks
		if err := json.Unmarshal([]byte(text), &settings); err != nil {
			t.Fatalf("%s: %v\n%s", file, err, text)
		}
		for _, group := range settings.Hooks.PreToolUse {
			if !strings.Contains("|"+group.Matcher+"|", "|Bash|") {
				continue
			}
			for _, hook := range group.Hooks {
				if refused, reason := runHook(ctx, t, h, hook.Command, event); refused {
					return false, reason
				}
			}
		}
	}
	session := must[*Session](t)(h.OpenSession(ctx))
	if err := session.Type(command); err != nil {
		t.Fatal(err)
	}
	return true, ""
}

// runHook runs a hook by the contract: exit code 2 refuses, and so does a decision in
// JSON; all else lets it run.
func runHook(ctx context.Context, t *testing.T, h *Host, command string, event []byte) (refused bool, reason string) {
	t.Helper()
	var out, errs bytes.Buffer
	err := h.Run(ctx, Exec{User: User, Login: true, Stdin: bytes.NewReader(event), Stdout: &out, Stderr: &errs}, "sh", "-c", command)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() == 2:
		return true, errs.String()
	case err != nil && !errors.As(err, &exit):
		t.Fatalf("the hook cannot be run: %v", err)
	}
	var answer struct {
		Output struct {
			Event    string `json:"hookEventName"`
			Decision string `json:"permissionDecision"`
			Reason   string `json:"permissionDecisionReason"`
		} `json:"hookSpecificOutput"`
	}
	if json.Unmarshal(out.Bytes(), &answer) == nil && answer.Output.Event == "PreToolUse" {
		return answer.Output.Decision == "deny", answer.Output.Reason
	}
	return false, ""
}

// guard runs keeper guard as the account, and returns all that it says and its exit code.
func guard(t *testing.T, h *Host, args ...string) (string, int) {
	t.Helper()
	var out bytes.Buffer
	err := h.Run(within(t, 30*time.Second), Exec{User: User, Login: true, Stdout: &out, Stderr: &out},
		append([]string{".local/bin/keeper", "guard"}, args...)...)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("keeper guard %s: %v", strings.Join(args, " "), err)
	}
	if exit != nil {
		return out.String(), exit.ExitCode()
	}
	return out.String(), 0
}

// TestGuard has an agent type what ended the stack of the founding incident: with the
// hook it is refused, and nothing of the stack notices; with the hook taken away it
// runs, and the stack is down, which is the control, and comes back by the layers below.
func TestGuard(t *testing.T) {
	t.Parallel()
	h := testHost(t, Options{Name: "guard", Stack: true})
	install(t, h)
	allWell(t, h)
	for _, c := range []struct {
		name string
		test func(t *testing.T, h *Host)
	}{
		{"the hook refuses the command of the incident", hookRefuses},
		{"what is refused is told of", refusalIsTold},
		{"a person lets a command pass once", personAllows},
		{"the wrappers of the shell", shellBelt},
		{"root's settings hold against the account's", rootsGuard},
		{"without the hook the stack is lost, and comes back", withoutHook},
	} {
		t.Run(c.name, func(t *testing.T) {
			allWell(t, h)
			c.test(t, h)
		})
		if t.Failed() {
			return // what follows stands on it
		}
	}
}

func hookRefuses(t *testing.T, h *Host) {
	onHost(t, h, `mkdir -p .claude; printf '%s\n' '{' '  "model": "opus",' '  "permissions": {"allow": ["Bash(ls:*)"]}' '}' >.claude/settings.json`)
	if out, code := guard(t, h, "status"); code != 3 || !strings.Contains(out, "keeper guard install claude") {
		t.Errorf("nobody is told that the agent has no guard (exit code %d):\n%s", code, out)
	}
	settings := onHost(t, h, "cat .claude/settings.json")
	if out, code := guard(t, h, "install", "claude"); code != 0 {
		t.Fatalf("keeper guard install claude: exit code %d\n%s", code, out)
	}
	if out, code := guard(t, h, "test"); code != 0 || !strings.Contains(out, "claude") {
		t.Errorf("keeper guard test: exit code %d\n%s", code, out)
	}
	before := lives(t, h, "postgres", "redis", "minio", "django")
	manager := managerLife(within(t, 10*time.Second), h)
	for _, command := range []string{
		incidentCommand, "sudo " + incidentCommand, `bash -c "loginctl terminate-user $USER"`,
		"systemctl --user stop postgres", "podman rm -f $(podman ps -q)", "podman exec postgres psql -U ledger -c 'DROP TABLE ledger_entry'",
		"rm -rf ~/.config/containers/systemd", "podman volume rm postgres",
	} {
		if ran, why := agentTypes(t, h, command); ran || !strings.Contains(why, "keeper guard") {
			t.Fatalf("the agent could run %q: %s", command, why)
		}
	}
	for _, command := range []string{"loginctl list-sessions", "systemctl --user status postgres", "podman ps", "rm -rf /tmp/nothing"} {
		if ran, why := agentTypes(t, h, command); !ran {
			t.Errorf("the agent could not run %q: %s", command, why)
		}
	}
	unchanged(t, h, before)
	if now := managerLife(within(t, 10*time.Second), h); now != manager {
		t.Error("the user manager is another one")
	}
	if out, code := guard(t, h, "uninstall", "claude"); code != 0 {
		t.Fatalf("keeper guard uninstall claude: exit code %d\n%s", code, out)
	}
	if after := onHost(t, h, "cat .claude/settings.json; test ! -e .claude/CLAUDE.md"); after != settings {
		t.Errorf("the settings are not as before:\n%s\nbefore:\n%s", after, settings)
	}
	if out, code := guard(t, h, "install", "claude"); code != 0 {
		t.Fatalf("keeper guard install claude, again: exit code %d\n%s", code, out)
	}
}

func refusalIsTold(t *testing.T, h *Host) {
	if ran, _ := agentTypes(t, h, "PGPASSWORD=hunter2 "+incidentCommand); ran {
		t.Fatal("the agent could run it")
	}
	ctx := within(t, 20*time.Second)
	out := must[string](t)(keeper(ctx, h, "history"))
	if !strings.Contains(out, "the guard refused: "+incidentCommand) || !strings.Contains(out, "session.terminate") || strings.Contains(out, "hunter2") {
		t.Errorf("the history does not tell of the refusal, or of too much:\n%s", out)
	}
	out = must[string](t)(keeper(ctx, h, "status"))
	if !strings.Contains(out, "guard   on before claude") || !strings.Contains(out, "session.terminate") {
		t.Errorf("keeper status does not tell of the guard:\n%s", out)
	}
	out, _ = keeper(ctx, h, "doctor")
	if !strings.Contains(out, "the guard stands before Claude Code") {
		t.Errorf("keeper doctor does not tell of the guard:\n%s", out)
	}
	onHost(t, h, "mv .local/bin/keeper-guard .local/bin/away")
	if ran, why := agentTypes(t, h, incidentCommand); ran || !strings.Contains(why, "keeper-guard did not judge this") {
		t.Errorf("without the program of the hook the command runs, or nobody says why not: %s", why)
	}
	onHost(t, h, "mv .local/bin/away .local/bin/keeper-guard")
}

func personAllows(t *testing.T, h *Host) {
	const command = "podman volume rm old-data"
	onHost(t, h, "podman volume create old-data")
	if out, code := guard(t, h, "allow-once", "--", command); code == 0 || !strings.Contains(out, "terminal") {
		t.Errorf("without a terminal it is allowed (exit code %d): %s", code, out)
	}
	typeCode := func(env string) string {
		// script(1) has a terminal for it; what it shows there has the number to type.
		return onHost(t, h, `mkfifo answer; exec 3<>answer
`+env+` script -qefc ".local/bin/keeper guard allow-once -- '`+command+`'" /dev/null <&3 >shown 2>&1 & pid=$!
for i in $(seq 100); do
	code=$(sed -n 's/.*to let it pass, type \([0-9]*\):.*/\1/Ip' shown | tail -n1); [ -z "$code" ] || { echo "$code" >&3; break; }
	kill -0 $pid 2>/dev/null || break; sleep 0.05
done
wait $pid && echo granted || echo not granted; cat shown; rm -f answer shown`)
	}
	if out := typeCode("CLAUDECODE=1"); !strings.Contains(out, "not granted") || !strings.Contains(out, "Claude Code") {
		t.Errorf("an agent can let itself through:\n%s", out)
	}
	if out := typeCode(""); !strings.HasPrefix(out, "granted") {
		t.Fatalf("a person cannot let it through:\n%s", out)
	}
	if out, code := guard(t, h, "check", "--", command); code != 0 {
		t.Errorf("it is not let through: exit code %d\n%s", code, out)
	}
	if out, code := guard(t, h, "check", "--", command); code != 11 && code != 10 {
		t.Errorf("it is let through twice: exit code %d\n%s", code, out)
	}
	out := must[string](t)(keeper(within(t, 10*time.Second), h, "history"))
	if !strings.Contains(out, "a pass was granted: "+command) || !strings.Contains(out, "a pass was used: "+command) {
		t.Errorf("the history does not tell of the pass:\n%s", out)
	}
}

func shellBelt(t *testing.T, h *Host) {
	before := lives(t, h, "postgres", "redis", "minio", "django")
	profile := onHost(t, h, "cat .profile .bashrc 2>/dev/null || :")
	if out, code := guard(t, h, "install", "shell"); code != 0 {
		t.Fatalf("keeper guard install shell: exit code %d\n%s", code, out)
	}
	if out, code := guard(t, h, "test", "shell"); code != 0 {
		t.Errorf("keeper guard test shell: exit code %d\n%s", code, out)
	}
	for command, want := range map[string]string{
		incidentCommand + " 2>&1; echo code=$?":                             "code=11",
		"podman stop postgres 2>&1; echo code=$?":                           "code=11",
		"systemctl --user is-active postgres; echo code=$?":                 "active\ncode=0",
		"podman ps --format '{{.Names}}' | grep -x postgres; echo code=$?":  "postgres\ncode=0",
		"/usr/bin/loginctl --version >/dev/null && echo past the wrapper\n": "past the wrapper",
	} {
		out := onHost(t, h, "bash -lc "+shellQuote(command))
		if !strings.Contains(out, want) {
			t.Errorf("%s: want %q, got\n%s", command, want, out)
		}
	}
	unchanged(t, h, before)
	if out, code := guard(t, h, "uninstall", "shell"); code != 0 {
		t.Fatalf("keeper guard uninstall shell: exit code %d\n%s", code, out)
	}
	if after := onHost(t, h, "cat .profile .bashrc 2>/dev/null || :; test ! -e .local/lib/keeper"); after != profile {
		t.Errorf("the profiles are not as before:\n%s", after)
	}
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func rootsGuard(t *testing.T, h *Host) {
	defer sh(t, h, "rm -rf /etc/claude-code /usr/local/bin/keeper-guard /etc/keeper/guard.toml; rmdir /etc/keeper 2>/dev/null || :")
	out := sh(t, h, "/home/"+User+"/.local/bin/keeper-guard install claude --system 2>&1 || echo refused")
	if !strings.Contains(out, "refused") || !strings.Contains(out, "root's alone") {
		t.Errorf("root's settings may run what the account can replace:\n%s", out)
	}
	sh(t, h, `install -m 0755 /home/`+User+`/.local/bin/keeper-guard /usr/local/bin/
/usr/local/bin/keeper-guard install claude --system 2>&1
mkdir -p /etc/keeper; printf 'mode = "enforce"\n[rules]\n"session" = "deny"\n' >/etc/keeper/guard.toml`)
	// The account takes its own part off, and its settings have the guard off.
	if out, code := guard(t, h, "uninstall", "claude"); code != 0 {
		t.Fatalf("keeper guard uninstall claude: exit code %d\n%s", code, out)
	}
	onHost(t, h, `mkdir -p .config/keeper; [ ! -e .config/keeper/keeper.toml ] || mv .config/keeper/keeper.toml kept.toml
printf '[guard]\nmode = "off"\n[guard.rules]\n"session.terminate" = "allow"\n' >.config/keeper/keeper.toml`)
	defer onHost(t, h, `rm .config/keeper/keeper.toml; [ ! -e kept.toml ] || mv kept.toml .config/keeper/keeper.toml`)
	if ran, why := agentTypes(t, h, incidentCommand); ran || !strings.Contains(why, "session.terminate") {
		t.Errorf("the account's settings weaken root's: %s", why)
	}
}

func withoutHook(t *testing.T, h *Host) {
	if out, code := guard(t, h, "uninstall", "--all"); code != 0 {
		t.Fatalf("keeper guard uninstall --all: exit code %d\n%s", code, out)
	}
	manager := managerLife(within(t, 10*time.Second), h)
	ctx := within(t, 2*time.Minute)
	var seen edges
	outage := h.WatchReady(ctx, seen.show)
	blow := time.Now()
	// Shortly before, it was tried through a check, and refused.
	if _, code := guard(t, h, "check", "--", incidentCommand); code != 11 {
		t.Errorf("the check does not refuse it: exit code %d", code)
	}
	if ran, why := agentTypes(t, h, incidentCommand); !ran {
		t.Fatalf("it is refused without the hook: %s", why)
	}
	back, err := outage.WaitBack(ctx, blow)
	if err != nil {
		t.Fatalf("%v\n%s", err, diagnosis(h))
	}
	outage.Stop()
	if managerLife(ctx, h) == manager {
		t.Error("the user manager is the same: the blow did not strike")
	}
	t.Logf("without the hook the stack was away, and back %.2f s after the blow", back.Sub(blow).Seconds())
	var last report.Report
	await(t, closing, "the incident is told of", func(context.Context) bool {
		last = incident(t, h, "last")
		return last.Kind == core.IncidentSession && !last.Mended.IsZero()
	})
	told := false
	for _, l := range last.Timeline {
		told = told || l.Kind == core.EntryGuard && strings.Contains(l.What, incidentCommand)
	}
	if !told {
		t.Errorf("the timeline of the incident has no verdict of the guard: %+v", last.Timeline)
	}
}
