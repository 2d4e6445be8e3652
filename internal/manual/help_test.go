package manual

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"keeper/internal/term"
)

// ours are the commands whose help keeper has written itself.
func ours() []*cobra.Command {
	return slices.DeleteFunc(Shown(Commands()), func(c *cobra.Command) bool { return c.Name() == "completion" })
}

// Every command says what it is, what it does and does not do, and shows it.
func TestHelp(t *testing.T) {
	t.Parallel()
	list := ours()
	for _, want := range []string{"keeper", "keeper adopt", "keeper guard", "keeper guard allow-once", "keeper drill run"} {
		if !slices.ContainsFunc(list, func(c *cobra.Command) bool { return typed(c) == want }) {
			t.Errorf("%s is not among the %d commands", want, len(list))
		}
	}
	for _, c := range list {
		if c.Short == "" || strings.ToUpper(c.Short[:1]) != c.Short[:1] || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: Short is %q: it begins with a capital, and ends without a full stop", typed(c), c.Short)
		}
		if c.Long == "" || c.Example == "" {
			t.Errorf("%s has no Long or no Example", typed(c))
		}
		for line := range strings.Lines(c.Long + "\n" + c.Example) {
			if len(strings.TrimSpace(line)) > 95 {
				t.Errorf("%s: a line is longer than 95: %s", typed(c), line)
			}
		}
		for line := range strings.Lines(c.Example) {
			if !strings.HasPrefix(line, "  ") {
				t.Errorf("%s: lines of an Example begin with two blanks: %q", typed(c), line)
			}
		}
	}
}

// What is said of exit codes can be read by a program, and is about codes that there are.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	known := map[int]bool{}
	for _, c := range term.Codes {
		if known[c.Code] || c.Means == "" {
			t.Errorf("%d is there twice, or means nothing", c.Code)
		}
		known[c.Code] = true
	}
	for _, c := range ours() {
		said := help(c)
		if strings.Contains(strings.ToLower(c.Long), "exit code") != strings.Contains(c.Long, "\n\n"+exitsBegin) {
			t.Errorf("%s: exit codes have a paragraph of their own that begins with %q", typed(c), exitsBegin)
		}
		for _, e := range said.exits {
			if !known[e.code] || e.means == "" {
				t.Errorf("%s: exit code %d, %q, is none of internal/term", typed(c), e.code, e.means)
			}
		}
	}
}

func TestHelpTakenApart(t *testing.T) {
	t.Parallel()
	said := help(&cobra.Command{Long: `do does.
And more.

  as it is
    so

  still

Exit codes: 0 done, or nothing to do; 1 error, and nothing
was changed, 3 late, or 11 refused.`})
	if len(said.text) != 2 || said.text[0].asIs || len(said.text[0].lines) != 2 || !said.text[1].asIs ||
		!slices.Equal(said.text[1].lines, []string{"as it is", "  so", "", "still"}) {
		t.Errorf("%+v", said.text)
	}
	want := []exit{{0, "done, or nothing to do"}, {1, "error, and nothing was changed"}, {2, means(2)}, {3, "late"}, {11, "refused"}}
	if !slices.Equal(said.exits, want) {
		t.Errorf("%+v", said.exits)
	}
	if said := help(&cobra.Command{Long: "x\n\nExit codes: those of the program; 1 an error."}); said.lead != "those of the program" || len(said.exits) != 1 {
		t.Errorf("%+v", said)
	}
}

// Flags are described alike.
func TestFlags(t *testing.T) {
	t.Parallel()
	for _, c := range ours() {
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			value, usage := pflag.UnquoteUsage(f)
			switch {
			case f.Hidden || f.Name == "help":
			case usage == "" || strings.HasSuffix(usage, "."), usage[0] >= 'A' && usage[0] <= 'Z':
				t.Errorf("%s --%s: %q: it begins small, and ends without a full stop", typed(c), f.Name, usage)
			case slices.Contains([]string{"string", "strings", "stringArray", "duration", "int"}, value):
				t.Errorf("%s --%s: the value has no name: put one between backquotes into %q", typed(c), f.Name, usage)
			case f.Name == "json" && !strings.Contains(usage, "(version 1)"):
				t.Errorf("%s --json does not say its version", typed(c))
			}
		})
	}
}
