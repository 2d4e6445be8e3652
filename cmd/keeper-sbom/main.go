// Command keeper-sbom writes down of what keeper's programs are made, by what the
// linker put into them: a bill of materials (CycloneDX 1.5), and the licenses of
// all modules. It is for whoever builds keeper, and is not installed.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"keeper/internal/term"
)

func main() {
	var version, bom, licenses string
	c := &cobra.Command{
		Use:           "keeper-sbom [--bom FILE] [--licenses FILE] PROGRAM...",
		Short:         "Write down of what programs in Go are made",
		Args:          cobra.MinimumNArgs(1),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	c.Flags().StringVar(&bom, "bom", "", "write the bill of materials there; SOURCE_DATE_EPOCH dates it")
	c.Flags().StringVar(&version, "of-version", "dev", "the version of keeper that it is of")
	c.Flags().StringVar(&licenses, "licenses", "", "write the licenses there, from Go's module cache")
	c.RunE = func(_ *cobra.Command, programs []string) error {
		made, err := read(programs)
		if err != nil {
			return err
		}
		if bom != "" {
			data, err := made.bom(version, os.Getenv("SOURCE_DATE_EPOCH"))
			if err == nil {
				err = os.WriteFile(bom, data, 0o644)
			}
			if err != nil {
				return fmt.Errorf("cannot write the bill of materials: %w", err)
			}
		}
		if licenses != "" {
			data, err := made.licenses(c.Context())
			if err == nil {
				err = os.WriteFile(licenses, data, 0o644)
			}
			if err != nil {
				return fmt.Errorf("cannot write the licenses: %w", err)
			}
		}
		return nil
	}
	to := term.IO{Out: os.Stdout, Err: os.Stderr}
	os.Exit(term.Code(c.ExecuteContext(context.Background()), "keeper-sbom", to))
}
