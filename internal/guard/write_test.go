package guard

import (
	"strings"
	"testing"
)

func TestJudgeWrite(t *testing.T) {
	t.Parallel()
	q := "/home/flowstate/.config/containers/systemd/"
	for p, want := range map[string]string{
		q + "postgres.container":                      "files.quadlet-edit!",
		"../.config/containers/systemd/pgdata.volume": "files.quadlet-edit!",
		q + "new.container":                           "none",
		q + "*.container":                             "none", // a name, and no pattern
		"~/.claude/settings.json":                     "keeper.hook!",
		"/home/flowstate/.config/keeper/keeper.toml":  "keeper.settings!",
		"/home/flowstate/.local/share/containers/x":   "files.storage!",
		"/home/flowstate/link/postgres.container":     "files.quadlet-edit!",
		"q":                 "files.quadlet-edit!",
		"src/[id]/page.tsx": "none",
		"/home/flowstate/app/.claude/settings.json":    "none",
		"/proc/self/root/home/flowstate/.claude/x.md":  "none",
		"/proc/self/cwd/../.claude/settings.json":      "keeper.hook!",
		"/home/flowstate/app/../.claude/settings.json": "keeper.hook!",
		"": "none",
	} {
		v := JudgeWrite("Write", []string{"/tmp/x", p}, lossHost(), Policy{})
		if got := heard(&judge{findings: v.Findings}); got != want {
			t.Errorf("%s: got %s, want %s", p, got, want)
		}
		for _, f := range v.Findings {
			if !strings.HasPrefix(f.Command, "Write /tmp/x ") {
				t.Errorf("%s: shown as %q", p, f.Command)
			}
		}
	}
}
