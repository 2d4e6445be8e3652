package manual

import (
	"fmt"
	"strings"
)

// variables are the environment variables that keeper goes by.
func variables() [][3]string {
	return [][3]string{
		{"HOME", "all", "where the account's files are, unless the three below say otherwise"},
		{"XDG_STATE_HOME", "all", "in place of `~/.local/state`; an absolute path, as all three"},
		{"XDG_CONFIG_HOME", "all", "in place of `~/.config`"},
		{"XDG_DATA_HOME", "all", "in place of `~/.local/share`, where Podman keeps volumes"},
		{"XDG_RUNTIME_DIR", "all", "where the sockets are; `/run/user/UID` where it is not set"},
		{"NO_COLOR", "what prints", "set to anything: no colours. There are none anyway where the output is no terminal"},
		{"TERM", "what prints", "`dumb`: no colours, and `--watch` does not redraw"},
		{"TZ", "`keeper history`, `keeper incident`", "the zone of the times that are shown"},
		{"USER", "what tells of the account", "its name, where the system does not know it"},
		{"CREDENTIALS_DIRECTORY", "the daemon", "systemd sets it: where the credentials are that settings name"},
		{"NOTIFY_SOCKET", "the daemon", "systemd sets it: where the daemon says that it is ready and alive"},
		{"WATCHDOG_USEC", "the daemon", "systemd sets it: how often the daemon must say so"},
		{"JOURNAL_STREAM", "the daemon", "systemd sets it: log lines begin with their priority, and have no time of their own"},
		{"DBUS_SYSTEM_BUS_ADDRESS", "all", "where the system bus is, if not where it always is"},
		{"COMPOSE_PROJECT_NAME", "`keeper adopt --compose`", "the project's name, as for Compose; `--project` is stronger"},
		{"COMPOSE_PROFILES", "`keeper adopt --compose`", "the profiles that are on, as for Compose; `--profile` is stronger"},
		{"COMPOSE_DISABLE_ENV_FILE", "`keeper adopt --compose`", "set to true: the `.env` beside the Compose file is not read, as for Compose"},
		{"CONTAINERS_CONF", "`keeper doctor`", "the one `containers.conf` that Podman reads, in place of all others"},
		{"CONTAINERS_STORAGE_CONF", "the guard", "Podman's `storage.conf`: where the data is that the guard protects"},
		{"PATH", "the guard", "the wrappers of `keeper guard install shell` look for the real program there"},
		{"SSH_CONNECTION", "the guard", "goes into the history beside who let a command through"},
		{"CLAUDE_CONFIG_DIR", "the guard", "where Claude Code has its settings"},
		{"GEMINI_CLI_HOME", "the guard", "where Gemini CLI has its settings"},
		{"GEMINI_CLI_SYSTEM_SETTINGS_PATH", "the guard", "where Gemini CLI has those of the host"},
		{"COPILOT_HOME", "the guard", "where GitHub Copilot CLI has its settings"},
		{"CODEX_HOME", "the guard", "where OpenAI Codex CLI has its settings"},
		{"CLAUDECODE, CLAUDE_CODE_ENTRYPOINT, GEMINI_CLI, CODEX_SANDBOX, CODEX_SANDBOX_NETWORK_DISABLED, CODEX_THREAD_ID, COPILOT_AGENT_SESSION_ID, COPILOT_CLI", "the guard", "agents set them: `keeper guard allow-once` refuses, and nobody is asked on a terminal"},
	}
}

// EnvironmentPage is docs/reference/environment.md.
func EnvironmentPage() string {
	var b strings.Builder
	b.WriteString("# Environment\n\n" + made + `
keeper has settings ([keeper.toml](settings.md)) and no environment variables of its own.
It goes by those that others have. What moves its files must be set for the user manager
as well (` + "`~/.config/environment.d`" + `), or nowhere: the daemon and the commands must look at
the same place.

| variable | who reads it | what it does |
|---|---|---|
`)
	for _, v := range variables() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", strings.ReplaceAll(v[0], ", ", "`, `"), v[1], v[2])
	}
	b.WriteString("\nA Compose file that `keeper adopt` reads may name any variable of the shell that it is typed in.\n")
	return b.String()
}
