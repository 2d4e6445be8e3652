package guardcli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"keeper/internal/guard"
	"keeper/internal/guardhost"
	"keeper/internal/term"
)

// maxStdin bounds a line that is read from standard input.
const maxStdin = 1 << 20

// lineFrom is the command line that a person or a program asks about: one argument is
// a line of shell, several are the words of one command, and none is what standard
// input has.
func lineFrom(args []string, in io.Reader) (string, error) {
	switch len(args) {
	case 0:
		text, err := io.ReadAll(io.LimitReader(in, maxStdin+1))
		if err != nil {
			return "", fmt.Errorf("cannot read the command from standard input: %w", err)
		}
		if len(text) > maxStdin {
			return "", usage(fmt.Errorf("the command on standard input is longer than %d KiB", maxStdin>>10))
		}
		return strings.TrimSuffix(string(text), "\n"), nil
	case 1:
		return args[0], nil
	}
	return guard.Quote(args), nil
}

// judged is a verdict with what it was given of.
type judged struct {
	line     string
	verdict  guard.Verdict
	mistakes []string
}

func judgeHere(args []string, in io.Reader, dir string) (judged, guardhost.Account, error) {
	line, err := lineFrom(args, in)
	account := guardhost.Here()
	if err != nil {
		return judged{}, account, err
	}
	if strings.TrimSpace(line) == "" {
		return judged{}, account, usage(errors.New("there is no command to judge; type: keeper guard check -- COMMAND"))
	}
	if dir == "" {
		dir, _ = os.Getwd() // not known is what the guard takes it for
	}
	host, policy, mistakes := account.Load(dir, time.Now())
	return judged{line, guard.Judge(line, host, policy), mistakes}, account, nil
}

func checkCommand(in io.Reader, to term.IO) *cobra.Command {
	c := &cobra.Command{
		Use:   "check [--dir DIR] [--json] -- COMMAND",
		Short: "Judge a command, and say so by the exit code",
		Long: `check judges a command and does not run it. One argument is a line of shell, several
are the words of one command; without any, the line is read from standard input.

It is for agents and programs that the guard has no hook for. What it says goes to
standard error; the verdict is kept in the history. A command that a person let through
once is let through by it, once.

Exit codes: 0 the command may run, 10 a person is to be asked, 11 it is refused.`,
		Example: "  keeper guard check -- 'loginctl terminate-user app'\n  keeper guard check --dir /srv/app --json -- podman compose down",
		Args:    cobra.ArbitraryArgs,

		DisableFlagsInUseLine: true,
	}
	dir := c.Flags().String("dir", "", "the working directory of the command: `DIR`, by default this one")
	_ = c.MarkFlagDirname("dir") // the flag is there
	asJSON := c.Flags().Bool("json", false, "print JSON (version 1)")
	c.RunE = func(_ *cobra.Command, args []string) error {
		j, account, err := judgeHere(args, in, *dir)
		if err != nil {
			return err
		}
		if j.verdict.Passed != "" {
			if err := account.Use(j.line, "check", time.Now()); err != nil {
				return fmt.Errorf("somebody else has used the permission for this command just now: %w", err)
			}
		}
		keep(to, account, j, "check", *dir)
		complain(to, j.mistakes)
		if *asJSON {
			if err := printJSON(to.Out, verdictJSON(j)); err != nil {
				return err
			}
		} else {
			fmt.Fprint(to.Err, brief(j, term.Colours(to.Err)))
		}
		switch j.verdict.Decision {
		case guard.Deny:
			return term.Exit{Code: term.ExitDeny}
		case guard.Ask:
			return term.Exit{Code: term.ExitAsk}
		}
		return nil
	}
	return c
}

// keep notes a verdict. Where that fails it is said, if there was one.
func keep(to term.IO, account guardhost.Account, j judged, agent, dir string) {
	if err := account.Note(j.verdict, j.line, agent, dir, time.Now()); err != nil && j.verdict.Decision != guard.None {
		fmt.Fprintf(to.Err, "keeper guard: the verdict could not be kept: %v\n", err)
	}
}

func complain(to term.IO, mistakes []string) {
	for _, m := range mistakes {
		fmt.Fprintln(to.Err, "keeper guard:", m)
	}
}

// verdictJSON is a verdict for machines.
func verdictJSON(j judged) any {
	return struct {
		Version  int           `json:"version"`
		Line     string        `json:"line"`
		Verdict  guard.Verdict `json:"verdict"`
		Steps    []guard.Step  `json:"steps"`
		Mistakes []string      `json:"mistakes,omitempty"`
	}{1, j.line, j.verdict, j.verdict.Steps, j.mistakes}
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

func explainCommand(in io.Reader, to term.IO) *cobra.Command {
	c := &cobra.Command{
		Use:   "explain [--dir DIR] [--json] -- COMMAND",
		Short: "Show how a command is read, and what comes of it",
		Long: `explain shows every program that a command would run, the rules that it runs into,
why they are there, what to do instead, and who changed a decision. It runs nothing
and keeps nothing.`,
		Example: "  keeper guard explain -- 'sudo bash -c \"loginctl terminate-user app\"'",
		Args:    cobra.ArbitraryArgs,

		DisableFlagsInUseLine: true,
	}
	dir := c.Flags().String("dir", "", "the working directory of the command: `DIR`, by default this one")
	_ = c.MarkFlagDirname("dir") // the flag is there
	asJSON := c.Flags().Bool("json", false, "print JSON (version 1)")
	c.RunE = func(_ *cobra.Command, args []string) error {
		j, _, err := judgeHere(args, in, *dir)
		if err != nil {
			return err
		}
		complain(to, j.mistakes)
		if *asJSON {
			return printJSON(to.Out, verdictJSON(j))
		}
		_, err = io.WriteString(to.Out, explained(j, term.Colours(to.Out)))
		return err
	}
	return c
}

func rulesCommand(to term.IO) *cobra.Command {
	c := &cobra.Command{
		Use:   "rules",
		Short: "List what is guarded, and what happens to it here",
		Long: `rules lists every rule with its id, by which the settings name it, and what the
settings of this host and account make of it.`,
		Example: "  keeper guard rules",
	}
	asJSON := c.Flags().Bool("json", false, "print JSON (version 1)")
	c.RunE = func(*cobra.Command, []string) error {
		_, policy, mistakes := guardhost.Here().Load("", time.Now())
		complain(to, mistakes)
		if *asJSON {
			return printJSON(to.Out, struct {
				Version int          `json:"version"`
				Rules   []guard.Rule `json:"rules"`
			}{1, policy.Rules()})
		}
		_, err := io.WriteString(to.Out, ruleList(policy.Rules(), term.Colours(to.Out)))
		return err
	}
	return c
}
