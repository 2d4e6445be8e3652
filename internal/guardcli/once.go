package guardcli

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"keeper/internal/agents"
	"keeper/internal/guard"
	"keeper/internal/term"
)

// How long a permission lasts: until it is used, and not longer.
const (
	passFor = 10 * time.Minute
	passMax = time.Hour
)

func allowCommand(to term.IO) *cobra.Command {
	c := &cobra.Command{
		Use:   "allow-once [--for TIME] -- COMMAND",
		Short: "Let one command pass, once: asks a person, on a terminal",
		Long: `allow-once shows what a command would do, and has a person at a terminal confirm it.
Then exactly this command line is let through once, within ten minutes. It asks on
/dev/tty and takes no answer from anywhere else; it refuses where an agent runs it. It
is in the history who let what pass, and when it was used.

Exit codes: 0 it may be used, 1 nobody confirmed it, or an agent runs this, 2 wrong use.`,
		Example: "  keeper guard allow-once -- 'podman rm -f old-db'",
		Args:    cobra.MinimumNArgs(1),

		DisableFlagsInUseLine: true,
	}
	wait := c.Flags().Duration("for", passFor, "how long it may be used: a `TIME` of at most 1h")
	c.RunE = func(_ *cobra.Command, args []string) error {
		if *wait <= 0 || *wait > passMax {
			return usage(fmt.Errorf("--for %s: give a time of at most %s", *wait, passMax))
		}
		if agent := underAgent(); agent != "" {
			return fmt.Errorf("this runs under %s, and an agent cannot let itself through: a person types it in a terminal of their own", agent)
		}
		j, account, err := judgeHere(args, strings.NewReader(""), "")
		if err != nil {
			return err
		}
		complain(to, j.mistakes)
		if j.verdict.Decision < guard.Ask {
			fmt.Fprintln(to.Err, "keeper guard: the guard does not stop this command; there is nothing to let through")
			return nil
		}
		tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
		if err != nil {
			return fmt.Errorf("there is no terminal to ask a person on: %w; type it in one", err)
		}
		defer tty.Close()
		if err := confirm(tty, j, *wait); err != nil {
			return err
		}
		if err := account.Grant(j.line, *wait, person(), time.Now()); err != nil {
			return err
		}
		fmt.Fprintf(to.Err, "keeper guard: exactly this command passes once, within %s\n", *wait)
		return nil
	}
	return c
}

// person is who sits there, for the history.
func person() string {
	name := "uid " + strconv.Itoa(os.Getuid())
	if u := os.Getenv("USER"); u != "" {
		name = u
	}
	if terminal, err := os.Readlink("/proc/self/fd/0"); err == nil && strings.HasPrefix(terminal, "/dev/") {
		name += " on " + terminal
	}
	if from, _, ok := strings.Cut(os.Getenv("SSH_CONNECTION"), " "); ok {
		name += " from " + from
	}
	return name
}

// confirm has a person type what no program knows beforehand.
func confirm(tty io.ReadWriter, j judged, wait time.Duration) error {
	number, err := rand.Int(rand.Reader, big.NewInt(9000))
	if err != nil {
		return fmt.Errorf("cannot make a number to confirm with: %w", err)
	}
	code := strconv.FormatInt(number.Int64()+1000, 10)
	fmt.Fprint(tty, explained(j, true))
	fmt.Fprintf(tty, "\nIt would pass once, within %s. To let it pass, type %s: ", wait, code)
	line, err := bufio.NewReader(io.LimitReader(tty, 100)).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != code {
		return errors.New("not confirmed; nothing is let through")
	}
	return nil
}

// underAgent is the agent that this process runs under, or "": by what agents set in
// the environment, and by the names of the processes above. It is a hint and no proof:
// who can write into the account can forge what this writes.
func underAgent() string {
	for name, agent := range map[string]string{
		"CLAUDECODE": "Claude Code", "CLAUDE_CODE_ENTRYPOINT": "Claude Code", "GEMINI_CLI": "Gemini CLI",
		"CODEX_SANDBOX": "Codex", "CODEX_SANDBOX_NETWORK_DISABLED": "Codex", "CODEX_THREAD_ID": "Codex", "COPILOT_AGENT_SESSION_ID": "Copilot CLI", "COPILOT_CLI": "Copilot CLI",
	} {
		if os.Getenv(name) != "" {
			return agent
		}
	}
	pid := os.Getppid()
	for range 64 {
		if pid <= 1 {
			break
		}
		comm, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm"))
		if err != nil {
			break
		}
		name := strings.TrimSpace(string(comm))
		if a, ok := agents.Of(name); ok {
			return a.Title
		}
		stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		if err != nil {
			break
		}
		// The name may have anything in it; what comes after its bracket is
		// "state ppid" (proc_pid_stat(5)).
		_, rest, ok := cutLast(string(stat), ")")
		fields := strings.Fields(rest)
		if !ok || len(fields) < 2 {
			break
		}
		if pid, err = strconv.Atoi(fields[1]); err != nil {
			break
		}
	}
	return ""
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
