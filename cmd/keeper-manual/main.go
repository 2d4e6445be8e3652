// Command keeper-manual writes keeper's man pages, completions and reference pages from
// the commands themselves. It is for whoever builds keeper, and is not installed.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"keeper/internal/manual"
	"keeper/internal/term"
)

func main() {
	to := term.IO{Out: os.Stdout, Err: os.Stderr}
	var man, completions, docs string
	c := &cobra.Command{
		Use:   "keeper-manual",
		Short: "Write keeper's man pages, completions and reference pages",
		Example: `  keeper-manual --man share/man --completions share/completions
  keeper-manual --docs docs`,
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	c.Flags().StringVar(&man, "man", "", "write the man pages to `DIR`/man1 and DIR/man5; SOURCE_DATE_EPOCH dates them")
	c.Flags().StringVar(&completions, "completions", "", "write the completions to `DIR`/bash, DIR/zsh and DIR/fish")
	c.Flags().StringVar(&docs, "docs", "", "write the generated pages in `DIR`/reference anew")
	c.RunE = func(*cobra.Command, []string) error {
		if man == "" && completions == "" && docs == "" {
			return term.Exit{Code: term.ExitUsage, Err: errors.New("nothing to do: say --man, --completions or --docs; see --help")}
		}
		return write(man, completions, docs)
	}
	os.Exit(term.Code(c.Execute(), "keeper-manual", to))
}

func write(man, completions, docs string) error {
	if man != "" {
		date, err := manual.Date(os.Getenv("SOURCE_DATE_EPOCH"))
		if err != nil {
			return err
		}
		pages, err := manual.ManPages(date)
		if err := errors.Join(err, manual.Write(man, pages)); err != nil {
			return fmt.Errorf("cannot write the man pages: %w", err)
		}
	}
	if completions != "" {
		scripts, err := manual.Completions()
		if err := errors.Join(err, manual.Write(completions, scripts)); err != nil {
			return fmt.Errorf("cannot write the completions: %w", err)
		}
	}
	if docs != "" {
		pages, err := manual.Reference()
		if err := errors.Join(err, manual.Write(docs, pages)); err != nil {
			return fmt.Errorf("cannot write the reference: %w", err)
		}
	}
	return nil
}
