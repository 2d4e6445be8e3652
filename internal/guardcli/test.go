package guardcli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"keeper/internal/agents"
	"keeper/internal/guardhost"
	"keeper/internal/term"
)

// hookWait is how long an agent waits for its hook.
const hookWait = 10 * time.Second

func testCommand(to term.IO) *cobra.Command {
	return &cobra.Command{
		Use:   "test [AGENT...]",
		Short: "Send a deadly command through the installed hook, and see that it is refused",
		Long: `test does for each agent what the agent does: it reads its settings, runs the hook that
is configured there, tells it of "loginctl terminate-user", and reads the answer. No
command is run. Then it does the same with "ls", which must pass. Without names it
tests whatever is installed.

Exit codes: 0 all of it holds, 3 something does not, or nothing is installed.`,
		Example:           "  keeper guard test\n  keeper guard test claude",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeAgents,
		RunE: func(c *cobra.Command, names []string) error {
			for _, name := range names {
				if err := known(name); err != nil {
					return err
				}
			}
			return runTest(c.Context(), names, to)
		},
	}
}

func runTest(ctx context.Context, names []string, to term.IO) error {
	account := guardhost.Here()
	all := names
	if len(all) == 0 {
		all = append(agents.Names(), shellName)
	}
	p := painter(term.Colours(to.Out))
	tested, failed := 0, 0
	say := func(name, where string, err error) {
		tested++
		if err != nil {
			failed++
			fmt.Fprintf(to.Out, "%s  %-8s %s: %v\n", p.paint("1;31", "FAILS"), name, where, err)
			return
		}
		fmt.Fprintf(to.Out, "%s     %-8s %s\n", p.paint("32", "ok"), name, where)
	}
	for _, name := range all {
		if name == shellName {
			own, ofHost := wrapperDir(account, false), wrapperDir(account, true)
			for _, dir := range []string{own, ofHost} {
				if exists(dir) || len(names) > 0 && dir == own && !exists(ofHost) {
					say(shellName, dir, tryShell(ctx, dir, account))
				}
			}
			continue
		}
		agent, _ := agents.Of(name)
		n := 0
		for _, system := range []bool{false, true} {
			files, err := agent.Files(account.Home, os.Getenv, system)
			if err != nil {
				continue
			}
			text, err := os.ReadFile(files.Settings)
			if err != nil {
				continue
			}
			commands, err := agent.Installed(files.Settings, text)
			if err != nil {
				n++
				say(name, files.Settings, err)
			}
			for _, command := range commands {
				n++
				say(name, files.Settings, tryHook(ctx, agent, command, account))
			}
			if len(commands) > 0 {
				// A hook that stands in the settings and is switched off there.
				for _, loose := range agent.Loose(files.Settings, text) {
					fmt.Fprintf(to.Out, "%s   %-8s %s: %s\n", p.paint("33", "note"), name, files.Settings, loose)
				}
			}
		}
		if n == 0 && len(names) > 0 {
			say(name, "its settings", fmt.Errorf("the guard is not installed; type: keeper guard install %s", name))
		}
	}
	switch {
	case tested == 0:
		return term.Exit{Code: term.ExitDegraded, Err: errors.New("the guard stands before no agent; type: keeper guard install claude (or gemini, copilot, codex, shell)")}
	case failed > 0:
		return term.Exit{Code: term.ExitDegraded}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// tryHook runs a hook as its agent does, with what must be refused and what must pass.
func tryHook(ctx context.Context, agent agents.Agent, command string, account guardhost.Account) error {
	dir := account.Home
	deadly := "loginctl terminate-user " + account.User
	refused, said, err := ask(ctx, agent, command, deadly, dir)
	if err != nil {
		return err
	}
	if !refused {
		return fmt.Errorf("%q is NOT refused: %s", deadly, or(printable(said, 300), "the hook said nothing"))
	}
	if !strings.Contains(said, "session.terminate") {
		return fmt.Errorf("%q is refused, but not by the guard's rule: %s", deadly, printable(said, 300))
	}
	refused, said, err = ask(ctx, agent, command, "ls", dir)
	if err != nil {
		return err
	}
	if refused {
		return fmt.Errorf("\"ls\" is refused as well: %s", printable(said, 300))
	}
	return nil
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func ask(ctx context.Context, agent agents.Agent, command, line, dir string) (refused bool, said string, err error) {
	ctx, cancel := context.WithTimeout(ctx, hookWait)
	defer cancel()
	sample, err := agent.Sample(line, dir)
	if err != nil {
		return false, "", err
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command)
	cmd.Dir = dir
	cmd.WaitDelay = time.Second
	cmd.Stdin = bytes.NewReader(sample)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	if ctx.Err() != nil {
		return false, "", fmt.Errorf("the hook does not answer within %s", hookWait)
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return false, "", fmt.Errorf("the hook cannot be run: %w", err)
	}
	refused, said = agent.Refused(out.Bytes(), errs.String(), cmd.ProcessState.ExitCode())
	return refused, said, nil
}

// tryShell runs the wrapper of loginctl, with a program behind it that does nothing.
func tryShell(ctx context.Context, dir string, account guardhost.Account) error {
	behind, err := os.MkdirTemp("", "keeper-guard")
	if err != nil {
		return fmt.Errorf("cannot make a directory to test in: %w", err)
	}
	defer func() { _ = os.RemoveAll(behind) }() // it is in /tmp
	for _, name := range []string{"loginctl", "systemctl"} {
		if err := os.WriteFile(filepath.Join(behind, name), []byte("#!/bin/sh\necho it ran\n"), 0o700); err != nil {
			return fmt.Errorf("cannot write a program to test with: %w", err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, hookWait)
	defer cancel()
	run := func(name string, words ...string) (string, int, error) {
		cmd := exec.CommandContext(ctx, filepath.Join(dir, name), words...)
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+behind, "CLAUDECODE=1") // so that nobody is asked
		cmd.WaitDelay = time.Second
		out, err := cmd.Output()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			return "", 0, fmt.Errorf("the wrapper cannot be run: %w", err)
		}
		return string(out), cmd.ProcessState.ExitCode(), nil
	}
	out, code, err := run("loginctl", "terminate-user", account.User)
	if err != nil {
		return err
	}
	if code != term.ExitDeny || strings.Contains(out, "it ran") {
		return fmt.Errorf("the wrapper lets \"loginctl terminate-user\" through (exit code %d)", code)
	}
	out, code, err = run("systemctl", "--user", "status")
	if err != nil {
		return err
	}
	if code != 0 || !strings.Contains(out, "it ran") {
		return fmt.Errorf("the wrapper stops \"systemctl --user status\" as well (exit code %d)", code)
	}
	return nil
}
