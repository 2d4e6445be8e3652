package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"keeper/internal/app"
	"keeper/internal/control"
	"keeper/internal/core"
	"keeper/internal/term"
)

func doctorCommand(to term.IO) *cobra.Command {
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say whether this stack would survive, with proof",
		Long: `doctor looks at all that the survival of the stack rests on, and says of each
thing whether it is in force, what it means if it is not, and what to type. It
needs no daemon and changes nothing.

With --fix it mends what the account itself can mend, says first what it would do,
and asks. It writes files of its own beside those of others, changes no file that a
person wrote, and stops nothing. What root or a person has to do stays listed. While
keeper stands down it starts nothing.

With --all-users root has the doctor look at every account of this host that lingers,
or whose user manager runs keeper, and sees what is to be mended.

Exit codes: 0 nothing is to be mended, 3 something is, 1 a repair failed or an account
could not be asked, 2 wrong use or nobody agreed.`,
		Example: "  keeper doctor\n  keeper doctor --fix\n  keeper doctor --fix --yes --json\n  keeper doctor --all-users",
	}
	asJSON := c.Flags().Bool("json", false, "print JSON (version 1)")
	fix := c.Flags().Bool("fix", false, "mend what the account itself can mend")
	yes := c.Flags().Bool("yes", false, "with --fix: do not ask")
	all := c.Flags().Bool("all-users", false, "as root: all accounts of this host")
	c.MarkFlagsMutuallyExclusive("all-users", "fix")
	c.RunE = func(c *cobra.Command, _ []string) error {
		d := doctor{to: to, in: os.Stdin, asJSON: *asJSON, look: look, mend: app.Mend}
		switch {
		case *yes && !*fix:
			return term.Exit{Code: term.ExitUsage, Err: errors.New("--yes goes with --fix; see: keeper doctor --help")}
		case *all:
			return newAllUsers(to, true, *asJSON).run(c.Context())
		case getuid() == 0:
			return term.Exit{Code: term.ExitUsage, Err: errors.New("root has no stack of its own to look at; all accounts: keeper doctor --all-users; one: runuser -l NAME -s /bin/sh -c 'keeper doctor'")}
		case *fix:
			return d.fix(c.Context(), *yes)
		}
		return d.tell(c.Context())
	}
	return c
}

// getuid is who runs this; tests, which may be run by root, say somebody else.
var getuid = os.Getuid

// doctor looks, and mends.
type doctor struct {
	to     term.IO
	in     *os.File
	asJSON bool
	look   func(context.Context) (examined, error)
	mend   func(context.Context, []core.Finding, func(string)) ([]app.Mended, error)
}

// examined is what the doctor found.
type examined struct {
	Version  int            `json:"version"`
	User     string         `json:"user"`
	UID      int            `json:"uid"`
	Findings []core.Finding `json:"findings"`
	// Repairs are what --fix did before that.
	Repairs []app.Mended `json:"repairs,omitempty"`

	standsDown bool
}

func look(ctx context.Context) (examined, error) {
	h, err := app.Examine(ctx)
	if err != nil {
		return examined{}, err
	}
	return examined{Version: core.DoctorVersion, User: h.User, UID: h.UID, Findings: core.Diagnose(h), standsDown: h.StandDown.InForce()}, nil
}

// seen looks, and says so where that takes its time.
func (d doctor) seen(ctx context.Context) (examined, error) {
	patience := time.AfterFunc(time.Second, func() { fmt.Fprintln(d.to.Err, "looking at the stack …") })
	defer patience.Stop()
	return d.look(ctx)
}

// tell is keeper doctor without --fix.
func (d doctor) tell(ctx context.Context) error {
	e, err := d.seen(ctx)
	if err != nil {
		return err
	}
	if err := d.print(e, d.renderer().findings(e.Findings)+summary(e.Findings)); err != nil {
		return err
	}
	return sick(e)
}

// fix is keeper doctor --fix.
func (d doctor) fix(ctx context.Context, yes bool) error {
	e, err := d.seen(ctx)
	if err != nil {
		return err
	}
	now, later := core.Mendable(e.Findings, e.standsDown)
	plan := d.to.Out
	if d.asJSON {
		plan = d.to.Err // the JSON is what comes of it
	} else {
		fmt.Fprint(plan, d.renderer().findings(e.Findings)+summary(e.Findings))
	}
	for _, what := range whats(later) {
		fmt.Fprintf(plan, "\nnot while keeper stands down, for it starts something: %s\n", what)
	}
	if len(now) == 0 {
		if d.asJSON {
			err = d.print(e, "")
		} else {
			_, err = fmt.Fprint(plan, "\nThere is nothing for keeper doctor --fix to do.\n")
		}
		if err != nil {
			return err
		}
		return sick(e)
	}
	fmt.Fprint(plan, proposal(now))
	if err := d.agreed(ctx, yes); err != nil {
		return err
	}
	done, err := d.mend(ctx, now, func(s string) { fmt.Fprintf(d.to.Err, "%s …\n", s) })
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return errors.New("interrupted; what was done holds, and keeper doctor shows what is left")
	}
	if e, err = d.seen(ctx); err != nil {
		return err
	}
	e.Repairs = done
	if err := d.print(e, d.renderer().mended(e)); err != nil {
		return err
	}
	for _, r := range done {
		if r.Error != "" {
			return term.Exit{Code: term.ExitError}
		}
	}
	return sick(e)
}

// agreed is nil where a person agrees.
func (d doctor) agreed(ctx context.Context, yes bool) error {
	if yes {
		return nil
	}
	if !canAsk(d.to, d.in) {
		return term.Exit{Code: term.ExitUsage, Err: errors.New("this is no terminal to agree to that on, and nothing was done; to do it without being asked, add: --yes")}
	}
	switch strings.ToLower(ask(ctx, d.to, d.in, "Do this? [y/N] ")) {
	case "y", "yes":
		return nil
	}
	return term.Exit{Code: term.ExitUsage, Err: errors.New("nothing was done: nobody agreed")}
}

func (d doctor) renderer() renderer { return renderer{paint: term.Colours(d.to.Out)} }

func (d doctor) print(e examined, text string) error {
	if !d.asJSON {
		_, err := fmt.Fprint(d.to.Out, text)
		return err
	}
	enc := json.NewEncoder(d.to.Out)
	enc.SetIndent("", "  ")
	return enc.Encode(e)
}

// sick is how the command ends.
func sick(e examined) error {
	if core.Sick(e.Findings) {
		return term.Exit{Code: term.ExitDegraded}
	}
	return nil
}

// summary is the last line.
func summary(list []core.Finding) string {
	all, own := 0, 0
	for _, f := range list {
		if f.Severity != core.Warn && f.Severity != core.Bad {
			continue
		}
		all++
		if f.Repair != nil {
			own++
		}
	}
	things := fmt.Sprintf("%d things to mend", all)
	if all == 1 {
		things = "1 thing to mend"
	}
	switch {
	case all == 0:
		return "nothing to mend\n"
	case own == 0:
		return things + "\n"
	case own == all:
		return things + ", by: keeper doctor --fix\n"
	}
	return fmt.Sprintf("%s, %d of them by: keeper doctor --fix\n", things, own)
}

// whats are what the repairs are for, each once: several findings may have one cause.
func whats(list []core.Finding) []string {
	var lines []string
	for _, f := range list {
		if what := control.Line(f.Repair.What); !slices.Contains(lines, what) {
			lines = append(lines, what)
		}
	}
	return lines
}

// proposal says what is going to be done: what for, and each step once.
func proposal(list []core.Finding) string {
	var b strings.Builder
	b.WriteString("\nwould be done:\n")
	for _, what := range whats(list) {
		fmt.Fprintf(&b, "  - %s\n", what)
	}
	for _, s := range core.Merge(list) {
		switch {
		case s.Copy != "":
			fmt.Fprintf(&b, "\n  cp %s %s\n", quoted(s.Copy), quoted(s.Write))
		case s.Write != "":
			fmt.Fprintf(&b, "\n  write %s:\n", quoted(s.Write))
			for l := range strings.Lines(s.Text) {
				fmt.Fprintf(&b, "    %s\n", printable(l))
			}
		default:
			words := make([]string, len(s.Run))
			for n, w := range s.Run {
				words[n] = quoted(w)
			}
			fmt.Fprintf(&b, "\n  run: %s\n", strings.Join(words, " "))
		}
	}
	b.WriteString("\n")
	return b.String()
}

// quoted is a word as one would type it. All of it is shown, however long.
func quoted(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=@%+,"
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(printable(s), "'", `'\''`) + "'"
}

// printable is a line of a file, with what a terminal would obey as its number.
func printable(line string) string {
	line = strings.TrimSuffix(line, "\n")
	var b strings.Builder
	for _, r := range line {
		if r == '\t' || unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "<%#x>", r)
		}
	}
	return b.String()
}

// mended says what was done, and what is left.
func (r renderer) mended(e examined) string {
	var b strings.Builder
	said := map[string]bool{}
	for _, m := range e.Repairs {
		if said[m.What+m.Error] {
			continue
		}
		said[m.What+m.Error] = true
		if m.Error == "" {
			fmt.Fprintf(&b, "%s  %s\n", r.good("done"), control.Line(m.What))
		} else {
			fmt.Fprintf(&b, "%s  %s\n      %s\n", r.bad("failed"), control.Line(m.What), printable(m.Error))
		}
	}
	b.WriteString("\n")
	if !core.Sick(e.Findings) {
		b.WriteString(r.good("all mended") + "\n")
		return b.String()
	}
	b.WriteString("what is left:\n")
	var left []core.Finding
	for _, f := range e.Findings {
		if f.Severity == core.Warn || f.Severity == core.Bad {
			left = append(left, f)
		}
	}
	return b.String() + r.findings(left) + summary(left)
}

// findings lists what is to be mended last, where the eye is.
func (r renderer) findings(list []core.Finding) string {
	var b strings.Builder
	for _, s := range []core.Severity{core.Good, core.Info, core.Warn, core.Bad} {
		for _, f := range list {
			if f.Severity != s {
				continue
			}
			fmt.Fprintf(&b, "%s  %s\n", r.severity(s), printable(f.What))
			if f.Means != "" {
				fmt.Fprintf(&b, "      %s\n", printable(f.Means))
			}
			if f.Fix != "" {
				fmt.Fprintf(&b, "      type: %s\n", printable(f.Fix))
			}
			if f.Repair != nil {
				fmt.Fprintf(&b, "      keeper doctor --fix mends this\n")
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
