package guardcli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"keeper/internal/agents"
	"keeper/internal/core"
	"keeper/internal/guardhost"
	"keeper/internal/term"
)

func statusCommand(to term.IO) *cobra.Command {
	c := &cobra.Command{
		Use:   "status",
		Short: "Show before whom the guard stands, and what it refused",
		Long: `status shows each agent that is used here, whether the guard stands before it, when
it last judged, and what it refused. It looks at the settings; keeper guard test proves
that they work.

Exit codes: 0 nothing is to be mended, 3 something is.`,
		Example: "  keeper guard status",
	}
	asJSON := c.Flags().Bool("json", false, "print JSON (version 1)")
	c.RunE = func(*cobra.Command, []string) error {
		account := guardhost.Here()
		now := time.Now()
		g, err := look(account, now)
		if err != nil {
			return err
		}
		if *asJSON {
			err = printJSON(to.Out, struct {
				Version int        `json:"version"`
				Guard   core.Guard `json:"guard"`
			}{1, g})
		} else {
			_, err = fmt.Fprint(to.Out, statusText(g, now, term.Colours(to.Out)))
		}
		if err != nil {
			return err
		}
		for _, a := range g.Agents {
			if a.State == core.GuardBroken || a.State == core.GuardOff {
				return term.Exit{Code: term.ExitDegraded}
			}
		}
		if len(g.Mistakes) > 0 {
			return term.Exit{Code: term.ExitDegraded}
		}
		return nil
	}
	return c
}

// look is how the guard stands.
func look(account guardhost.Account, now time.Time) (core.Guard, error) {
	_, policy, mistakes := account.Load("", now)
	g := core.Guard{Mode: string(policy.Mode()), Mistakes: mistakes}
	sum, err := account.Summary(now)
	if err != nil {
		return g, fmt.Errorf("cannot read what the guard did: %w", err)
	}
	g.Refused = sum.Refused + sum.Asked
	if l := sum.Last; l != nil {
		g.Last = &core.GuardVerdict{At: l.At, Agent: l.Agent, Rule: l.Rule, Command: l.Line}
	}
	judged := map[string]time.Time{}
	for _, j := range sum.Judged {
		judged[j.Agent] = j.At
	}
	for _, a := range agents.All() {
		seat := lookAt(a, account)
		seat.Judged = judged[a.Name]
		g.Agents = append(g.Agents, seat)
	}
	for _, system := range []bool{true, false} {
		dir := wrapperDir(account, system)
		if !exists(dir) {
			continue
		}
		seat := core.GuardedAgent{Name: shellName, Title: "the shell", State: core.GuardOn, Where: dir, Judged: judged[shellName]}
		if why := wrappersBroken(dir); why != "" {
			seat.State, seat.Why = core.GuardBroken, why
		}
		g.Agents = append(g.Agents, seat)
	}
	return g, nil
}

// lookAt is how the guard stands before one agent: in root's settings, or in the
// account's.
func lookAt(a agents.Agent, account guardhost.Account) core.GuardedAgent {
	seat := core.GuardedAgent{Name: a.Name, Title: a.Title, State: core.GuardAbsent}
	for _, system := range []bool{true, false} {
		files, err := a.Files(account.Home, os.Getenv, system)
		if err != nil {
			continue
		}
		if !system && used(files) && seat.State == core.GuardAbsent {
			seat.State = core.GuardOff
		}
		for i, file := range append([]string{files.Settings}, files.Watch...) {
			text, err := os.ReadFile(file)
			if err != nil {
				continue
			}
			seat.Loose = append(seat.Loose, a.Loose(file, text)...)
			if i > 0 || seat.State == core.GuardOn {
				continue
			}
			commands, err := a.Installed(file, text)
			switch {
			case err != nil:
				seat.State, seat.Where, seat.Why = core.GuardBroken, file, err.Error()
			case len(commands) > 0:
				seat.State, seat.Where, seat.Why = core.GuardOn, file, ""
				if why := programBroken(commands[0]); why != "" {
					seat.State, seat.Why = core.GuardBroken, why
				}
			}
		}
	}
	return seat
}

// used says that an agent has left its directory in the home.
func used(files agents.Files) bool {
	dir := filepath.Dir(files.Settings)
	if filepath.Base(dir) == "hooks" {
		dir = filepath.Dir(dir) // ~/.copilot/hooks/keeper-guard.json
	}
	return exists(dir)
}

// programBroken says why the program of a hook's command line cannot be run, "" if it
// can.
func programBroken(command string) string {
	_, rest, ok := strings.Cut(command, `"`)
	program, _, closed := strings.Cut(rest, `"`)
	if !ok || !closed {
		return "its command line is not as keeper writes it: " + printable(command, 100)
	}
	fi, err := os.Stat(program)
	if err != nil || !fi.Mode().IsRegular() || fi.Mode()&0o111 == 0 {
		return "there is no program " + printable(program, 200)
	}
	return ""
}

func wrappersBroken(dir string) string {
	for _, name := range wrapped() {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !executable(filepath.Join(dir, name)) {
			return "there is no wrapper for " + name
		}
		_, rest, _ := strings.Cut(string(text), "exec '")
		program, _, _ := strings.Cut(rest, "'")
		if !exists(program) {
			return "there is no program " + printable(program, 200)
		}
	}
	for _, d := range filepath.SplitList(os.Getenv("PATH")) {
		if d == dir {
			return ""
		}
		if d == "/usr/bin" || d == "/bin" || d == "/usr/sbin" {
			break
		}
	}
	return "it does not come first in the PATH of this shell: log in anew"
}

// statusText is the status for a person.
func statusText(g core.Guard, now time.Time, colours bool) string {
	var b strings.Builder
	p := painter(colours)
	n := 0
	for _, a := range g.Agents {
		if a.State == core.GuardAbsent {
			continue
		}
		n++
		switch a.State {
		case core.GuardOn:
			fmt.Fprintf(&b, "%s      %s", p.paint("32", "on"), a.Title)
			if a.Judged.IsZero() {
				b.WriteString("; it was not asked yet")
			} else {
				fmt.Fprintf(&b, "; last asked %s ago", core.Span(now.Sub(a.Judged)))
			}
			fmt.Fprintf(&b, "\n          %s\n", a.Where)
		case core.GuardBroken:
			fmt.Fprintf(&b, "%s  %s: %s\n          %s\n          type: keeper guard install %s && keeper guard test\n", p.paint("1;31", "broken"), a.Title, a.Why, a.Where, a.Name)
		case core.GuardOff:
			fmt.Fprintf(&b, "%s     %s is used here, and no guard stands before it\n          type: keeper guard install %s\n", p.paint("1;31", "off"), a.Title, a.Name)
		}
		for _, l := range a.Loose {
			fmt.Fprintf(&b, "          %s %s\n", p.paint("33", "note:"), l)
		}
	}
	if n == 0 {
		b.WriteString("No agent has left settings in this home, and the guard stands before none.\n  type: keeper guard install claude (or gemini, copilot, codex, shell)\n")
	}
	b.WriteByte('\n')
	if g.Mode != "enforce" {
		fmt.Fprintf(&b, "mode %s: ", p.paint("1;33", g.Mode))
		switch g.Mode {
		case "ask":
			b.WriteString("what would be refused is asked about\n")
		case "watch":
			b.WriteString("everything passes, and is noted\n")
		default:
			b.WriteString("the guard says nothing\n")
		}
	}
	if g.Last == nil {
		b.WriteString("nothing was refused in the last week\n")
	} else {
		by := ""
		if g.Last.Agent != "" {
			by = " of " + g.Last.Agent
		}
		fmt.Fprintf(&b, "%d stopped in the last day; the last refusal%s was %s ago:\n  %s\n  by %s; see: keeper guard explain -- COMMAND, keeper history\n", g.Refused, by, core.Span(now.Sub(g.Last.At)), printable(g.Last.Command, 300), g.Last.Rule)
	}
	for _, m := range g.Mistakes {
		fmt.Fprintf(&b, "%s %s\n", p.paint("1;31", "!"), printable(m, 300))
	}
	return b.String()
}
