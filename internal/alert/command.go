package alert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"

	"keeper/internal/core"
)

// killWait is how long a command may take to end once it is told to.
const killWait = time.Second

// runCommand runs a command with the alert as JSON on its standard input, and what people
// want to know in KEEPER_*. It ends with the context, and all that it started.
func runCommand(ctx context.Context, argv []string, a core.Alert, run Runner) (string, error) {
	if len(argv) == 0 {
		return "", refused{error: errors.New("there is no command")}
	}
	begin := time.Now()
	env := []string{"KEEPER_KIND=" + string(a.Kind), "KEEPER_INCIDENT=" + plain(a.Incident), "KEEPER_KEY=" + plain(a.Key), "KEEPER_URGENCY=" + string(a.Urgency),
		"KEEPER_TITLE=" + plain(a.Title), "KEEPER_SUBJECT=" + plain(subject(a)), "KEEPER_TEXT=" + lines(a.Text),
		"KEEPER_OUTAGE_MS=" + strconv.FormatInt(a.OutageMS, 10), "KEEPER_DRILL=" + plain(a.Drill), "KEEPER_HOST=" + plain(a.Host), "KEEPER_USER=" + plain(a.User)}
	var said string
	var ran bool
	var err error
	if run != nil {
		said, ran, err = run(ctx, argv, env, webhookBody(a))
	}
	if !ran && ctx.Err() == nil {
		said, err = runHere(ctx, argv, env, webhookBody(a))
	}
	switch {
	case ctx.Err() != nil:
		return "", fmt.Errorf("it did not end in time: %w", ctx.Err())
	case err != nil:
		return "", fmt.Errorf("%w%s", err, after(": ", line(said)))
	}
	return fmt.Sprintf("exit 0 in %d ms", time.Since(begin).Milliseconds()), nil
}

// runHere runs a command as a child of this process.
func runHere(ctx context.Context, argv, env []string, stdin []byte) (string, error) {
	var out tail
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin = bytes.NewReader(stdin)
	cmd.Stdout, cmd.Stderr = &out, &out
	// What systemd gave the daemon is the daemon's.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains([]string{"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "CREDENTIALS_DIRECTORY"}, name)
	})
	cmd.Env = append(cmd.Env, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = killWait
	err := cmd.Run()
	if cmd.Process != nil && ctx.Err() != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it started, and did not end
	}
	return out.String(), err
}

// lines is text without what an environment (NUL) or systemd (other control characters)
// does not take.
func lines(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

func plain(s string) string { return line(s) }

func after(sep, s string) string {
	if s == "" {
		return ""
	}
	return sep + s
}

// tail keeps the last bytes that are written to it.
type tail struct{ kept []byte }

const tailSize = 1 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if n := len(t.kept); n > tailSize {
		t.kept = slices.Clone(t.kept[n-tailSize:])
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.kept) }
