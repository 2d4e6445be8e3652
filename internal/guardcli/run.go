package guardcli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"keeper/internal/atomicfile"
	"keeper/internal/guard"
	"keeper/internal/guardhost"
	"keeper/internal/term"
)

// wrapped are the programs that the shell's belt has a wrapper for.
func wrapped() []string {
	return []string{"loginctl", "systemctl", "busctl", "podman", "podman-compose", "docker", "shutdown", "reboot", "poweroff", "pkill", "killall"}
}

// wrapperDir is the directory of the wrappers, which goes to the front of PATH.
func wrapperDir(account guardhost.Account, system bool) string {
	if system {
		return "/usr/local/lib/keeper/guard"
	}
	return filepath.Join(account.Home, ".local", "lib", "keeper", "guard")
}

// The marks of the block in a shell's profile.
const (
	beginBlock = "# keeper guard: begin"
	endBlock   = "# keeper guard: end"
)

func profiles(account guardhost.Account, system bool) []string {
	if system {
		return []string{"/etc/profile.d/keeper-guard.sh"}
	}
	return []string{filepath.Join(account.Home, ".profile"), filepath.Join(account.Home, ".bashrc")}
}

// installShell writes the wrappers, and has the profiles put them first in PATH.
func (w *writer) installShell(program string, system bool) error {
	if strings.ContainsAny(program, "'\n") {
		return fmt.Errorf("cannot write wrappers that run %q: its path has a quote in it", program)
	}
	account := guardhost.Here()
	dir := wrapperDir(account, system)
	for _, name := range wrapped() {
		text := "#!/bin/sh\n# keeper guard: judges the command, then runs the real " + name + ".\nexec '" + program + "' run " + name + " \"$@\"\n"
		if err := w.script(filepath.Join(dir, name), text); err != nil {
			return err
		}
	}
	block := beginBlock + "\n# Wrappers for programs that can end the stack come first in PATH.\ncase \":$PATH:\" in\n*:'" + dir + "':*) ;;\n*) PATH='" + dir + "':$PATH ;;\nesac\n" + endBlock + "\n"
	for _, profile := range profiles(account, system) {
		if err := w.edit(profile, "the wrappers first in PATH", func(before []byte) ([]byte, bool, error) {
			base, _, err := withoutBlock(profile, before)
			if err != nil {
				return nil, false, err
			}
			// At the begin: a .bashrc returns early where nobody types.
			after := append([]byte(block), base...)
			return after, string(after) != string(before), nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// script writes a wrapper, unless something else is there.
func (w *writer) script(path, text string) error {
	before, err := os.ReadFile(path)
	if err == nil && string(before) == text && executable(path) {
		return nil
	}
	if err == nil && !strings.Contains(string(before), "# keeper guard:") {
		return fmt.Errorf("%s is not keeper's, and is left alone; move it away and try again", path)
	}
	w.wrote++
	if w.dry {
		fmt.Fprintf(w.to.Out, "would write %s: the wrapper\n", path)
		return nil
	}
	if err = os.MkdirAll(filepath.Dir(path), dirMode()); err == nil {
		err = atomicfile.Replace(path, []byte(text), 0o755)
	}
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	fmt.Fprintf(w.to.Out, "wrote %s: the wrapper\n", path)
	return nil
}

func executable(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0
}

func (w *writer) uninstallShell(system bool) error {
	account := guardhost.Here()
	for _, profile := range profiles(account, system) {
		if err := w.edit(profile, "without the wrappers", func(before []byte) ([]byte, bool, error) { return withoutBlock(profile, before) }); err != nil {
			return err
		}
	}
	dir := wrapperDir(account, system)
	for _, name := range wrapped() {
		path := filepath.Join(dir, name)
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), "# keeper guard:") {
			continue
		}
		w.wrote++
		if w.dry {
			fmt.Fprintf(w.to.Out, "would remove %s\n", path)
			continue
		}
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("cannot remove %s: %w", path, err)
		}
	}
	if !w.dry {
		// Those that are empty now were made for the wrappers.
		if os.Remove(dir) == nil {
			_ = os.Remove(filepath.Dir(dir)) // others may have something in it
		}
	}
	return nil
}

// withoutBlock is the text of a profile without the block.
func withoutBlock(file string, text []byte) ([]byte, bool, error) {
	s := string(text)
	from := strings.Index(s, beginBlock+"\n")
	if from < 0 {
		return text, false, nil
	}
	n := strings.Index(s[from:], endBlock+"\n")
	if n < 0 {
		return nil, false, fmt.Errorf("%s has the line %q without its end; mend it by hand, nothing was changed", file, beginBlock)
	}
	return []byte(s[:from] + s[from+n+len(endBlock)+1:]), true, nil
}

// runCommand is what a wrapper runs.
func runCommand(to term.IO) *cobra.Command {
	return &cobra.Command{
		Use:   "run PROGRAM [WORD...]",
		Short: "Judge a command, then run it: what the shell's wrappers do",
		Long: `run judges a program with its words, and becomes that program if nothing is to be
said against it. Where a person is to be asked, it asks on the terminal, if there is
one and no agent is above it. keeper guard install shell writes the wrappers; nobody
types it.

Exit codes: that of the program, once it runs; before, 1 an error, 11 refused, 126 the
program cannot be run, 127 there is none.`,
		Example:            "  keeper guard run systemctl --user status",
		DisableFlagParsing: true,
		Args:               cobra.MinimumNArgs(1),
		RunE:               func(_ *cobra.Command, args []string) error { return runWrapped(args, to) },
	}
}

func runWrapped(args []string, to term.IO) error {
	account := guardhost.Here()
	program, err := realProgram(args[0], account)
	if err != nil {
		return term.Exit{Code: term.ExitNoProgram, Err: err}
	}
	dir, _ := os.Getwd() // not known is what the guard takes it for
	host, policy, mistakes := account.Load(dir, time.Now())
	j := judged{guard.Quote(append([]string{filepath.Base(args[0])}, args[1:]...)), guard.Verdict{}, mistakes}
	j.verdict = guard.Judge(j.line, host, policy)
	if j.verdict.Passed != "" {
		if err := account.Use(j.line, shellName, time.Now()); err != nil {
			return fmt.Errorf("somebody else has used the permission for this command just now: %w", err)
		}
	}
	keep(to, account, j, shellName, dir)
	if j.verdict.Decision >= guard.Ask {
		complain(to, mistakes)
		fmt.Fprint(to.Err, brief(j, term.Colours(to.Err)))
		if j.verdict.Decision == guard.Deny || !asked(args[0]) {
			return term.Exit{Code: term.ExitDeny}
		}
	}
	err = syscall.Exec(program, append([]string{args[0]}, args[1:]...), os.Environ())
	return term.Exit{Code: term.ExitNotRun, Err: fmt.Errorf("cannot run %s: %w", program, err)}
}

// asked asks the person at the terminal.
func asked(program string) bool {
	if underAgent() != "" {
		return false
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer tty.Close()
	fmt.Fprintf(tty, "Run %s all the same? Type yes: ", program)
	line, err := bufio.NewReader(io.LimitReader(tty, 100)).ReadString('\n')
	return err == nil && strings.TrimSpace(line) == "yes"
}

// firstBytes are those of a file by which a wrapper is known.
func firstBytes(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	head := make([]byte, 200)
	n, err := io.ReadFull(f, head)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = nil
	}
	return string(head[:n]), err
}

// realProgram is the program behind a wrapper: the first in PATH that is none.
func realProgram(name string, account guardhost.Account) (string, error) {
	if !slices.Contains(wrapped(), name) {
		return "", fmt.Errorf("there is no wrapper for %q; there are: %s", name, strings.Join(wrapped(), ", "))
	}
	skip := []string{wrapperDir(account, false), wrapperDir(account, true)}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if !filepath.IsAbs(dir) || slices.Contains(skip, filepath.Clean(dir)) {
			continue
		}
		path := filepath.Join(dir, name)
		// A wrapper of another home is one as well.
		if head, err := firstBytes(path); err != nil || !executable(path) || strings.Contains(head, "# keeper guard:") {
			continue
		}
		if target, err := filepath.EvalSymlinks(path); err == nil && slices.Contains(skip, filepath.Dir(target)) {
			continue
		}
		return path, nil
	}
	return "", errors.New(name + ": command not found")
}
