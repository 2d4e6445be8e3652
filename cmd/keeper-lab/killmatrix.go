package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"keeper/internal/lab"
)

type matrixFlags struct {
	blows, groups, modes []string
	jobs, plain          int
	revivals             int
	list, clock, update  bool
	binary, prefix       string
	json, markdown       string
}

func killmatrix() *cobra.Command {
	var f matrixFlags
	c := &cobra.Command{
		Use:   "killmatrix",
		Short: "Strike the kill table and print what became of the stack",
		Long: "killmatrix strikes every blow of the kill table on fresh hosts, with linger alone,\n" +
			"with keeper as a user installs it, and with root's part, and compares what\n" +
			"becomes of the stack with what must. It exits with 1 if a row is not as it must be.",
		Args: cobra.NoArgs,
	}
	flags := c.Flags()
	flags.StringSliceVar(&f.blows, "blow", nil, "only these blows (ids, by comma)")
	flags.StringSliceVar(&f.groups, "group", nil, "only these groups: "+strings.Join(lab.Groups, ", "))
	flags.StringSliceVar(&f.modes, "mode", nil, "only these modes: linger, user, root")
	flags.IntVar(&f.jobs, "jobs", 2, "hosts side by side")
	flags.IntVar(&f.plain, "plain", 3, "plain stops and starts measured on each host; 0 leaves the ratios out")
	flags.IntVar(&f.revivals, "revivals", 0, "instead: strike so many times in a row what the stack is brought back after, and with root's part what it lives through, and tell what is left over")
	flags.BoolVar(&f.list, "list", false, "print the table and what must happen, and strike nothing")
	flags.BoolVar(&f.clock, "clock", false, "also strike, at the end, the blows that set the clock, which is that of this machine: only where no other host is up")
	flags.StringVar(&f.binary, "binary", "", "the program to install (default: keeper beside keeper-lab)")
	flags.StringVar(&f.prefix, "name", "kill", "beginning of the hosts' names")
	flags.StringVar(&f.json, "json", "", "write the report to this file as JSON")
	flags.BoolVar(&f.update, "update", false, "put the rows into the report of --json, in the place of those of the same blow and mode")
	flags.StringVar(&f.markdown, "markdown", "", "write the report to this file as Markdown")
	c.RunE = func(c *cobra.Command, _ []string) error { return f.run(c.Context()) }
	return c
}

func (f matrixFlags) run(ctx context.Context) error {
	blows, err := lab.Pick(lab.Blows(), f.blows, f.groups)
	if err != nil {
		return err
	}
	modes, err := lab.ParseModes(f.modes)
	if err != nil {
		return err
	}
	if f.update && f.json == "" {
		return errors.New("--update needs --json FILE: the report that is brought up to date")
	}
	if f.list {
		fmt.Print(lab.TableText(blows))
		return nil
	}
	program, err := lab.Program(f.binary)
	if err != nil {
		return err
	}
	release, err := lab.Release(ctx, program)
	if err != nil {
		return fmt.Errorf("%s does not say what it is: %w", program, err)
	}
	say := say()
	if f.revivals > 0 {
		return f.soak(ctx, modes, program, say)
	}
	if err := f.probe(); err != nil {
		return err
	}
	say("looking what the hosts are made of")
	host, err := lab.Versions(ctx, f.prefix)
	if err != nil {
		return err
	}
	rows, err := lab.Matrix(ctx, lab.MatrixOptions{
		Blows: blows, Modes: modes, Jobs: f.jobs, Plain: f.plain, Clock: f.clock,
		Binary: program, Prefix: f.prefix, Say: say,
	})
	// What was struck before somebody interrupted it is shown all the same.
	report := lab.NewReport(rows, time.Now(), strings.Join(append([]string{"keeper-lab"}, os.Args[1:]...), " "), release, host)
	fmt.Print(report.Text(blows))
	if f.update {
		old, oerr := lab.ReadReport(f.json)
		if oerr == nil {
			report, oerr = old.Update(report)
		}
		if oerr != nil {
			return errors.Join(err, oerr)
		}
	}
	err = errors.Join(err, f.write(report))
	if err == nil && len(lab.Failed(rows)) > 0 {
		err = commandFailed{status: 1}
	}
	return err
}

// soak strikes each mode in which the stack comes back so many times in a row.
func (f matrixFlags) soak(ctx context.Context, modes []lab.Mode, program string, say func(string, ...any)) error {
	var all error
	left := 0
	for _, m := range modes {
		if m == lab.ModeLinger {
			continue
		}
		say("%d rounds in a row, mode %s", f.revivals, m)
		o := lab.SoakOptions{Revivals: f.revivals, Mode: m, Binary: program, Name: f.prefix + "-soak-" + string(m), Say: say}
		r, err := lab.Soak(ctx, o)
		if err != nil {
			all = errors.Join(all, fmt.Errorf("mode %s: %w", m, err))
			continue
		}
		fmt.Printf("mode %s\n%s\n", m, r)
		left += len(r.Left())
	}
	if all == nil && left > 0 {
		all = commandFailed{status: 1}
	}
	return all
}

// probe sees that the files that were asked for can be written, and read where
// that is asked for, which is better known before an hour of work than after it.
func (f matrixFlags) probe() error {
	for _, name := range []string{f.json, f.markdown} {
		if name == "" {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		file, err := os.CreateTemp(filepath.Dir(name), ".keeper-lab")
		if err != nil {
			return err
		}
		if err := errors.Join(file.Close(), os.Remove(file.Name())); err != nil {
			return err
		}
	}
	if f.update {
		_, err := lab.ReadReport(f.json)
		return err
	}
	return nil
}

// write writes the files that were asked for.
func (f matrixFlags) write(report lab.Report) error {
	if f.json != "" {
		data, err := report.JSON()
		if err == nil {
			err = os.WriteFile(f.json, data, 0o644)
		}
		if err != nil {
			return err
		}
	}
	if f.markdown != "" {
		return os.WriteFile(f.markdown, []byte(report.Markdown(lab.Blows())), 0o644)
	}
	return nil
}
