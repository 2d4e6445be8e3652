package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"keeper/internal/config"
	"keeper/internal/core"
	"keeper/internal/term"
)

// configVersion is the version of the JSON of keeper config.
const configVersion = 1

func configCommand(io term.IO) *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Check the settings, and show what is in force",
		Long: `config reads the settings: keeper.toml, guard.toml, and the [X-Keeper] sections of
Quadlet files. It changes none of them. keeper works without any.`,
		Example: "  keeper config check\n  keeper config show",
	}
	c.AddCommand(configCheckCommand(io), configShowCommand(io))
	return c
}

func configCheckCommand(io term.IO) *cobra.Command {
	c := &cobra.Command{
		Use:   "check [FILE...]",
		Short: "Report every mistake in the settings",
		Long: `check reads keeper.toml, the site's and the account's, the guard.toml of the site, and
the [X-Keeper] section of every Quadlet file of the account, and prints each mistake:
file, line, key, value and the rule that is broken. It needs no daemon and changes
nothing. With FILE, that one is read in place of keeper.toml; Quadlet files alone
(.container, .pod, .kube) are read by themselves, with their drop-ins, and so is a
guard.toml.

What is merely odd is said on stderr.

Exit codes: 0 nothing is wrong, 2 there are mistakes.`,
		Example: "  keeper config check\n  keeper config check ./keeper.toml",
		Args:    cobra.ArbitraryArgs,

		ValidArgsFunction: completeFiles,
	}
	asJSON := c.Flags().Bool("json", false, "print JSON (version 1)")
	c.RunE = func(_ *cobra.Command, args []string) error {
		found, err := checkConfig(args)
		if err != nil {
			return err
		}
		return found.print(io, *asJSON)
	}
	return c
}

// checked is what `keeper config check` found.
type checked struct {
	mistakes, warnings config.Mistakes
	// files are those of keeper.toml and guard.toml that there are; of quadlets, sections have an
	// [X-Keeper].
	files              []string
	quadlets, sections int
}

// checkConfig reads what is to be checked.
func checkConfig(args []string) (checked, error) {
	var found checked
	p, _, err := here()
	if err != nil {
		return found, err
	}
	var given []string
	files := []string{p.SiteSettings, p.Settings, p.SiteGuard}
	isUnit := func(file string) bool { return slices.Contains(config.Extensions, filepath.Ext(file)) }
	for _, file := range args {
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			found.mistakes = append(found.mistakes, config.Mistake{File: file, Rule: "there is no such file"})
		} else if isUnit(file) {
			given = append(given, file)
		}
	}
	quadlets := config.FindQuadlets(p.Quadlets[:]...)
	known := quadlets.Units()
	units := known
	if len(args) > 0 {
		files = slices.DeleteFunc(slices.Clone(args), isUnit)
	}
	if len(args) > 0 && len(files) == 0 {
		quadlets.Files = given
		units = quadlets.Units()
	}
	for _, file := range files {
		if _, err := os.Stat(file); err == nil {
			found.files = append(found.files, file)
		}
	}
	isGuard := func(file string) bool { return filepath.Base(file) == filepath.Base(p.SiteGuard) }
	settings, mistakes := config.Read(slices.DeleteFunc(slices.Clone(files), isGuard)...)
	found.mistakes = append(found.mistakes, mistakes...)
	for _, file := range files {
		if isGuard(file) && slices.Contains(found.files, file) {
			read := config.CheckGuard
			if file == p.SiteGuard {
				read = config.ReadSiteGuard
			}
			_, mistakes := read(file)
			found.mistakes = append(found.mistakes, mistakes...)
		}
	}
	for _, u := range units {
		found.quadlets++
		if u.Section.From != nil || len(u.Mistakes) > 0 {
			found.sections++
		}
		// A drop-in for all of them has its mistakes once.
		for _, m := range u.Mistakes {
			if !slices.Contains(found.mistakes, m) {
				found.mistakes = append(found.mistakes, m)
			}
		}
	}
	found.warnings = oddities(settings, known, units)
	return found, nil
}

// oddities are what is no mistake, and yet hardly meant.
func oddities(settings core.Settings, known, units []config.Unit) config.Mistakes {
	var list config.Mistakes
	names := make([]string, 0, len(known))
	for _, u := range slices.Concat(known, units) {
		names = append(names, strings.TrimSuffix(u.Name, ".service"))
	}
	slices.Sort(names)
	names = slices.Compact(names)
	is := func(name string) bool { return slices.Contains(names, strings.TrimSuffix(name, ".service")) }
	needs := func(s core.Supervision) {
		for _, name := range s.DependsOn {
			if !is(name) {
				list = append(list, config.At(s.From["depends_on"], "depends_on", fmt.Sprintf("no Quadlet file is found of %s%s", name, config.Guess(strings.TrimSuffix(name, ".service"), names))))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(settings.Services)) {
		s := settings.Services[name]
		if !is(name) {
			// Where the table begins is not kept: its first key will do.
			where := slices.MinFunc(slices.Collect(maps.Values(s.From)), func(a, b string) int {
				return config.At(a, "", "").Line - config.At(b, "", "").Line
			})
			list = append(list, config.At(where, "[service."+name+"]", "no Quadlet file is found of that service"+config.Guess(name, names)))
		}
		needs(s)
	}
	for _, u := range units {
		needs(u.Section)
		s := settings.Services[strings.TrimSuffix(u.Name, ".service")].Over(u.Section.Over(settings.Defaults))
		if _, is := s.From["interval"]; is && s.Timeout > s.Interval {
			list = append(list, config.At(s.From["timeout"], "timeout", fmt.Sprintf("is cut to the interval of %s, which is %s (%s)", u.Name, core.Span(s.Interval), s.From["interval"])))
		}
	}
	return list
}

func (f checked) print(io term.IO, asJSON bool) error {
	if asJSON {
		out := struct {
			Version  int             `json:"version"`
			Mistakes config.Mistakes `json:"mistakes"`
			Warnings config.Mistakes `json:"warnings"`
			Files    []string        `json:"files"`
		}{configVersion, f.mistakes, f.warnings, f.files}
		// Empty lists are lists.
		out.Mistakes, out.Warnings, out.Files = append(config.Mistakes{}, f.mistakes...), append(config.Mistakes{}, f.warnings...), append([]string{}, f.files...)
		if err := printJSON(io.Out, out); err != nil {
			return err
		}
	} else {
		for _, m := range f.mistakes {
			if _, err := fmt.Fprintln(io.Out, m.Error()); err != nil {
				return err
			}
		}
		for _, m := range f.warnings {
			fmt.Fprintf(io.Err, "odd: %s\n", m.Error())
		}
	}
	if n := len(f.mistakes); n > 0 {
		exit := term.Exit{Code: term.ExitUsage}
		if !asJSON {
			exit.Err = fmt.Errorf("wrong settings: %s", counted(n, "mistake"))
		}
		return exit
	}
	if !asJSON {
		what := "there is no keeper.toml"
		if len(f.files) > 0 {
			what = strings.Join(f.files, ", ")
		}
		fmt.Fprintf(io.Err, "nothing is wrong: %s; %s, %d with an [X-Keeper] section\n", what, counted(f.quadlets, "Quadlet file"), f.sections)
	}
	return nil
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func printJSON(w interface{ Write([]byte) (int, error) }, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
