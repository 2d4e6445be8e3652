package manual

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"keeper/internal/adoptcli"
	"keeper/internal/cli"
	"keeper/internal/control"
	"keeper/internal/core"
	"keeper/internal/guardcli"
	"keeper/internal/history"
	"keeper/internal/term"
)

// This program is all three of keeper's, beside one another as they are installed.
func TestMain(m *testing.M) {
	to := term.IO{Out: os.Stdout, Err: os.Stderr}
	testscript.Main(m, map[string]func(){
		"keeper":       func() { os.Exit(cli.Main(context.Background(), os.Args[1:], to)) },
		"keeper-adopt": func() { os.Exit(adoptcli.Main(context.Background(), os.Args[1:], to)) },
		"keeper-guard": func() { os.Exit(guardcli.Main(os.Args[1:], os.Stdin, to)) },
	})
}

// completing is what bash does when somebody presses TAB: it sets the words and calls the
// function that the script registered. bash-completion's _init_completion is stood in for
// where it is not there.
const completing = `
if [ -r /usr/share/bash-completion/bash_completion ]; then
	. /usr/share/bash-completion/bash_completion
else
	_get_comp_words_by_ref() {
		cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=("${COMP_WORDS[@]}") cword=$COMP_CWORD
	}
fi
compopt() { :; }
. "$1"
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_TYPE=9
COMP_POINT=${#COMP_LINE}
$(complete -p keeper | sed 's/.* -F \([^ ]*\) .*/\1/')
printf '%s\n' "${COMPREPLY[@]}"
`

// What a person gets who presses TAB in bash: commands, flags, services, drills,
// incidents, channels, agents, containers.
func TestCompletion(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("there is no bash here")
	}
	home := t.TempDir()
	scripts, err := Completions()
	if err != nil {
		t.Fatal(err)
	}
	if err := Write(home, scripts); err != nil {
		t.Fatal(err)
	}
	// The daemon is not there: what was heard of it last will do.
	st := control.Status{Version: control.WireVersion, Services: []core.Service{{Name: "postgres.service"}, {Name: "redis.service"}}, Unkept: []core.Unkept{{Name: "web"}, {Name: "worker"}}}
	state := filepath.Join(home, ".local", "state", "keeper")
	keep(t, state, st)
	settings := "[alert.ops]\nkind = \"webhook\"\nurl = \"http://127.0.0.1:1/\"\n"
	if err := Write(filepath.Join(home, ".config", "keeper"), map[string]string{"keeper.toml": settings}); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"keeper stat":                   "status",
		"keeper status --wat":           "--watch",
		"keeper restart ":               "postgres redis",
		"keeper restart postgres ":      "redis",
		"keeper pause r":                "redis",
		"keeper resume po":              "postgres",
		"keeper config show re":         "redis",
		"keeper config show redis ":     "",
		"keeper drill run keeper-k":     "keeper-kill",
		"keeper drill run x --serv":     "--service",
		"keeper drill run x --service ": "postgres redis",
		"keeper incident 2026":          "20260105-173002",
		"keeper alert test ":            "ops",
		"keeper adopt --und":            "--undo",
		"keeper adopt w":                "web worker",
		"keeper adopt web w":            "worker",
		"keeper guard uninst":           "uninstall",
		"keeper guard install cla":      "claude",
		"keeper guard install claude s": "shell",
		"keeper guard install --dry":    "--dry-run",
		"keeper guard test co":          "codex copilot",
		"keeper metrics ":               "",
	} {
		got := tab(t, home, line)
		if !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%s: %q, want %s", line, got, want)
		}
	}
}

// tab returns what bash offers.
func tab(t *testing.T, home, line string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	words := strings.Split(line, " ")
	cmd := exec.CommandContext(ctx, "bash", append([]string{"-c", completing, "bash", filepath.Join(home, "bash", "keeper")}, words...)...)
	cmd.Dir = home
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_RUNTIME_DIR=" + filepath.Join(home, "run"), "LC_ALL=C.UTF-8"}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	var list []string
	for reply := range strings.Lines(string(out)) {
		// A word may have what it means behind it.
		if word, _, _ := strings.Cut(strings.TrimSpace(reply), " "); word != "" {
			list = append(list, word)
		}
	}
	slices.Sort(list)
	return list
}

// keep leaves a status and an incident, as the daemon does.
func keep(t *testing.T, dir string, st control.Status) {
	t.Helper()
	text, err := json.Marshal(st)
	if err != nil {
		t.Fatal(err)
	}
	store := history.Store{Dir: dir}
	if err := store.Save(history.State{Status: text}); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 5, 17, 30, 2, 0, time.UTC)
	if err := store.Note(core.Entry{At: at, Kind: core.EntryIncident, Incident: &core.Incident{ID: "20260105-173002", Began: at, Opened: at, Closed: at}}); err != nil {
		t.Fatal(err)
	}
}
