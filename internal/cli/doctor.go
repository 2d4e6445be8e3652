package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"keeper/internal/app"
	"keeper/internal/core"
	"keeper/internal/term"
)

// doctorVersion is the version of doctor's JSON.
const doctorVersion = 1

func doctorCommand(io term.IO) *cobra.Command {
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say whether this stack would survive, with proof",
		Long: `doctor looks at all that the survival of the stack rests on, and says of each
thing whether it is in force, what it means if it is not, and what to type. It
needs no daemon and changes nothing. It exits with 3 if something is to be mended.`,
	}
	asJSON := c.Flags().Bool("json", false, "print JSON (version 1)")
	c.RunE = func(c *cobra.Command, _ []string) error {
		patience := time.AfterFunc(time.Second, func() { fmt.Fprintln(io.Err, "looking at the stack …") })
		health, err := app.Examine(c.Context())
		patience.Stop()
		if err != nil {
			return err
		}
		findings := core.Diagnose(health)
		if *asJSON {
			enc := json.NewEncoder(io.Out)
			enc.SetIndent("", "  ")
			err = enc.Encode(struct {
				Version  int            `json:"version"`
				User     string         `json:"user"`
				UID      int            `json:"uid"`
				Findings []core.Finding `json:"findings"`
			}{doctorVersion, health.User, health.UID, findings})
		} else {
			_, err = fmt.Fprint(io.Out, renderer{paint: term.Colours(io.Out)}.findings(findings))
		}
		if err == nil && core.Sick(findings) {
			err = term.Exit{Code: term.ExitDegraded}
		}
		return err
	}
	return c
}

// findings lists what is to be mended last, where the eye is.
func (r renderer) findings(list []core.Finding) string {
	var b strings.Builder
	for _, s := range []core.Severity{core.Good, core.Info, core.Warn, core.Bad} {
		for _, f := range list {
			if f.Severity != s {
				continue
			}
			fmt.Fprintf(&b, "%s  %s\n", r.severity(s), f.What)
			if f.Means != "" {
				fmt.Fprintf(&b, "      %s\n", f.Means)
			}
			if f.Fix != "" {
				fmt.Fprintf(&b, "      type: %s\n", f.Fix)
			}
		}
	}
	return b.String()
}

func (r renderer) severity(s core.Severity) string {
	word := fmt.Sprintf("%-4s", s)
	switch s {
	case core.Good:
		return r.good(word)
	case core.Bad:
		return r.bad(word)
	case core.Warn:
		return r.colour("33", word)
	}
	return word
}
