package guardcli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"keeper/internal/agents"
	"keeper/internal/atomicfile"
	"keeper/internal/guardhost"
	"keeper/internal/term"
)

// shellName is what the shell's belt is called among the agents.
const shellName = "shell"

func installCommand(to term.IO) *cobra.Command {
	c := &cobra.Command{
		Use:   "install AGENT... [--system] [--dry-run]",
		Short: "Put the guard before an agent's commands",
		Long: `install puts the guard's hook into the settings of an agent: claude, gemini, copilot
or codex; and the rules of conduct, between marks, into the file of instructions that
it reads (CLAUDE.md, AGENTS.md, GEMINI.md). Nothing else in these files changes.
"shell" installs wrappers for loginctl, systemctl, podman and a few more, for people
and for agents without hooks.

With --system, as root, the settings are those of the whole host, which no account can
change. uninstall takes out exactly what install put in.`,
		Example: "  keeper guard install claude --dry-run\n  keeper guard install claude shell",
		Args:    cobra.MinimumNArgs(1),

		DisableFlagsInUseLine: true,
		ValidArgsFunction:     completeAgents,
	}
	system := c.Flags().Bool("system", false, "as root: for all accounts of this host")
	dry := c.Flags().Bool("dry-run", false, "say what would be written, and write nothing")
	c.RunE = func(_ *cobra.Command, names []string) error {
		for _, name := range names {
			if err := known(name); err != nil {
				return err
			}
		}
		program, err := self(*system)
		if err != nil {
			return err
		}
		w := writer{to: to, dry: *dry}
		for _, name := range names {
			if name == shellName {
				err = w.installShell(program, *system)
			} else {
				err = w.install(name, program, *system)
			}
			if err != nil {
				return err
			}
		}
		if w.wrote == 0 {
			fmt.Fprintln(to.Err, "keeper guard: nothing had to be changed")
		} else if !*dry {
			fmt.Fprintf(to.Err, "keeper guard: done; see that it works: keeper guard test. To undo: keeper guard uninstall %s%s\n",
				strings.Join(names, " "), map[bool]string{true: " --system"}[*system])
		}
		return nil
	}
	return c
}

// completeAgents are the agents, and the shell, that are not named yet.
func completeAgents(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	names := slices.DeleteFunc(append(agents.Names(), shellName), func(n string) bool { return slices.Contains(args, n) })
	return names, cobra.ShellCompDirectiveNoFileComp
}

func uninstallCommand(to term.IO) *cobra.Command {
	c := &cobra.Command{
		Use:   "uninstall AGENT...|--all [--system] [--dry-run]",
		Short: "Take the guard out of an agent's settings",
		Long: `uninstall takes out what install put in, and nothing else: the hook, the rules of
conduct, the wrappers of "shell". --all is every agent and the shell.`,
		Example: "  keeper guard uninstall claude\n  keeper guard uninstall --all",
		Args:    cobra.ArbitraryArgs,

		DisableFlagsInUseLine: true,
		ValidArgsFunction:     completeAgents,
	}
	all := c.Flags().Bool("all", false, "every agent, and the shell")
	system := c.Flags().Bool("system", false, "as root: of all accounts of this host")
	dry := c.Flags().Bool("dry-run", false, "say what would be written, and write nothing")
	c.RunE = func(_ *cobra.Command, names []string) error {
		switch {
		case *all && len(names) > 0, !*all && len(names) == 0:
			return usage(errors.New("name the agents, or say --all; see: keeper guard uninstall --help"))
		case *all:
			names = append(agents.Names(), shellName)
		}
		if err := rootFor(*system); err != nil {
			return err
		}
		w := writer{to: to, dry: *dry}
		for _, name := range names {
			if err := known(name); err != nil {
				return err
			}
		}
		var errs []error
		for _, name := range names {
			if name == shellName {
				errs = append(errs, w.uninstallShell(*system))
			} else {
				errs = append(errs, w.uninstall(name, *system))
			}
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
		if w.wrote == 0 && !*all {
			fmt.Fprintln(to.Err, "keeper guard: there was nothing to take out")
		}
		return nil
	}
	return c
}

func known(name string) error {
	if _, ok := agents.Of(name); !ok && name != shellName {
		return usage(fmt.Errorf("there is no agent %q; there are: %s, and shell", name, strings.Join(agents.Names(), ", ")))
	}
	return nil
}

func rootFor(system bool) error {
	if system && os.Geteuid() != 0 {
		return errors.New("the settings of the whole host are root's: type it with sudo, or leave out --system")
	}
	if system {
		syscall.Umask(0o022) // every account reads what root says
	}
	if !system && os.Geteuid() == 0 {
		return errors.New("the guard is for an account that runs containers, not for root: type it as that account, or with --system for all of them")
	}
	return nil
}

// self is the path of this program for the settings. Where root writes them, nobody
// else may be able to put another program in its place.
func self(system bool) (string, error) {
	if err := rootFor(system); err != nil {
		return "", err
	}
	exe, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("cannot tell where keeper-guard is: %w", err)
	}
	if !system {
		return exe, nil
	}
	for dir := exe; ; dir = filepath.Dir(dir) {
		fi, err := os.Stat(dir)
		if err != nil {
			return "", fmt.Errorf("cannot look at %s: %w", dir, err)
		}
		if st, ok := fi.Sys().(*syscall.Stat_t); !ok || st.Uid != 0 || fi.Mode().Perm()&0o022 != 0 && fi.Mode()&fs.ModeSticky == 0 {
			return "", fmt.Errorf("%s is not root's alone, and the settings of the whole host must not run what others can replace; type: install -m 0755 %s /usr/local/bin/ && /usr/local/bin/keeper-guard install ... --system", dir, exe)
		}
		if dir == "/" {
			return exe, nil
		}
	}
}

// writer writes files of an agent, and says so.
type writer struct {
	to    term.IO
	dry   bool
	wrote int
}

// edit puts the text that change makes of a file in its place, in one step. Through a
// link, the file that it leads to is written. A file that has nothing left is removed.
func (w *writer) edit(path, what string, change func(before []byte) (after []byte, changed bool, err error)) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	mode := fs.FileMode(0o600)
	before, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("cannot read %s: %w", path, err)
	default:
		fi, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("cannot look at %s: %w", path, err)
		}
		mode = fi.Mode().Perm()
	}
	after, changed, err := change(before)
	if err != nil || !changed {
		return err
	}
	w.wrote++
	if w.dry {
		fmt.Fprintf(w.to.Out, "would write %s: %s\n", path, what)
		return nil
	}
	if len(after) == 0 {
		err = os.Remove(path)
	} else {
		if os.Geteuid() == 0 {
			mode |= 0o044 // every account reads what root says
		}
		if err = os.MkdirAll(filepath.Dir(path), dirMode()); err == nil {
			err = atomicfile.Replace(path, after, mode)
		}
	}
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	fmt.Fprintf(w.to.Out, "wrote %s: %s\n", path, what)
	return nil
}

func dirMode() fs.FileMode {
	if os.Geteuid() == 0 {
		return 0o755
	}
	return 0o700
}

func (w *writer) install(name, program string, system bool) error {
	agent, _ := agents.Of(name)
	command, err := agent.Command(program)
	if err != nil {
		return err
	}
	files, err := agent.Files(guardhost.Here().Home, os.Getenv, system)
	if err != nil {
		return err
	}
	if !system && !w.dry {
		if err := remember(name, files); err != nil {
			return err
		}
	}
	if err := w.edit(files.Settings, "the guard before "+agent.Title, func(before []byte) ([]byte, bool, error) {
		return agent.Merge(files.Settings, before, command)
	}); err != nil {
		return err
	}
	if files.Memory != "" {
		if err := w.edit(files.Memory, "the rules of conduct", agents.MergeRules); err != nil {
			return fmt.Errorf("%s: %w", files.Memory, err)
		}
	}
	if files.Note != "" {
		fmt.Fprintln(w.to.Err, "keeper guard:", files.Note)
	}
	return nil
}

func (w *writer) uninstall(name string, system bool) error {
	agent, _ := agents.Of(name)
	files, err := agent.Files(guardhost.Here().Home, os.Getenv, system)
	if err != nil {
		return nil //nolint:nilerr // where nothing can be installed there is nothing to take out
	}
	places := []agents.Files{files}
	if !system {
		places = append(places, remembered(name)...)
	}
	for _, files := range places {
		if err := w.takeOut(agent, files); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) takeOut(agent agents.Agent, files agents.Files) error {
	if err := w.edit(files.Settings, "without the guard", func(before []byte) ([]byte, bool, error) {
		return agent.Remove(files.Settings, before)
	}); err != nil {
		return err
	}
	if files.Memory == "" {
		return nil
	}
	if err := w.edit(files.Memory, "without the rules of conduct", agents.RemoveRules); err != nil {
		return fmt.Errorf("%s: %w", files.Memory, err)
	}
	return nil
}

// installedFile notes which files of agents the guard was put into: a variable that moves
// an agent's settings may have another value when it is taken out.
func installedFile() string {
	return filepath.Join(guardhost.Here().Paths.State, "guard-installed.json")
}

type installedIn struct {
	Agent    string `json:"agent"`
	Settings string `json:"settings"`
	Memory   string `json:"memory,omitempty"`
}

func noted() []installedIn {
	var list []installedIn
	// What cannot be read is as if nothing were noted: the usual places are looked at.
	if text, err := os.ReadFile(installedFile()); err != nil || json.Unmarshal(text, &list) != nil {
		return nil
	}
	return list
}

func remember(name string, files agents.Files) error {
	one := installedIn{name, files.Settings, files.Memory}
	list := noted()
	if slices.Contains(list, one) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(installedFile()), 0o700); err != nil {
		return fmt.Errorf("cannot note where the guard is put in: %w", err)
	}
	if err := atomicfile.WriteJSON(installedFile(), append(list, one)); err != nil {
		return fmt.Errorf("cannot note where the guard is put in: %w", err)
	}
	return nil
}

func remembered(name string) (list []agents.Files) {
	for _, one := range noted() {
		if one.Agent == name {
			list = append(list, agents.Files{Settings: one.Settings, Memory: one.Memory})
		}
	}
	return list
}
