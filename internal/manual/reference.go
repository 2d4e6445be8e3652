package manual

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"keeper/docs"
	"keeper/internal/core"
	"keeper/internal/term"
)

// made says on each page where it comes from.
const made = "<!-- Made by make manual from the code: change that. -->\n"

// Reference are the generated pages, by their path below docs/.
func Reference() (map[string]string, error) {
	settings, err := Settings(docs.Settings)
	if err != nil {
		return nil, err
	}
	return map[string]string{
		"reference/commands.md":    CommandsPage(),
		"reference/exit-codes.md":  ExitCodesPage(),
		"reference/files.md":       FilesPage(),
		"reference/environment.md": EnvironmentPage(),
		"reference/doctor.md":      DoctorPage(),
		"reference/settings.md":    settings,
	}, nil
}

// CommandsPage is docs/reference/commands.md.
func CommandsPage() string {
	var b strings.Builder
	b.WriteString("# Commands\n\n" + made + `
What ` + "`--help`" + ` and the man pages say. Data goes to standard output, talk to standard
error. The JSON has a version; fields are added to it, and none changes its meaning within
a version.

| command | what it does |
|---|---|
`)
	list := Shown(Commands())
	for _, c := range list[1:] {
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", typed(c), anchor(typed(c)), cell(c.Short))
	}
	for _, c := range list {
		b.WriteString("\n" + chapter(c))
	}
	return b.String()
}

// chapter is what the page has of one command.
func chapter(c *cobra.Command) string {
	var b strings.Builder
	said := help(c)
	fmt.Fprintf(&b, "## %s\n\n", typed(c))
	fmt.Fprintf(&b, "%s.\n\n    %s\n", prose(c.Short), wrapped(synopsis(c)))
	for _, t := range said.text {
		b.WriteString("\n")
		for _, line := range t.lines {
			switch {
			case line == "":
				b.WriteString("\n")
			case t.asIs:
				b.WriteString("    " + line + "\n")
			default:
				b.WriteString(prose(line) + "\n")
			}
		}
	}
	if list := flags(c); len(list) > 0 {
		b.WriteString("\n| flag | what it does | default |\n|---|---|---|\n")
		for _, f := range list {
			name := "`" + f.name
			if f.short != "" {
				name = "`" + f.short + "`, " + name
			}
			if f.value != "" {
				name += " " + f.value
			}
			fmt.Fprintf(&b, "| %s` | %s | %s |\n", name, cell(f.usage), f.initial)
		}
	}
	if c.Example != "" {
		b.WriteString("\nFor example:\n\n")
		for _, e := range blocks(c.Example) {
			for _, line := range e.lines {
				b.WriteString("    " + line + "\n")
			}
		}
	}
	b.WriteString("\nExit codes: " + exits(said) + ".\n")
	return b.String()
}

// exits are exit codes in a line.
func exits(said told) string {
	var list []string
	if said.lead != "" {
		list = append(list, prose(strings.TrimRight(said.lead, ",; ")))
	}
	for _, e := range said.exits {
		list = append(list, fmt.Sprintf("**%d** %s", e.code, prose(e.means)))
	}
	return strings.Join(list, "; ")
}

// wrapped is a synopsis in lines of a bearable length.
func wrapped(words []string) string {
	const width = 86
	lines := []string{words[0]}
	for _, w := range words[1:] {
		if last := len(lines) - 1; len(lines[last])+1+len(w) <= width {
			lines[last] += " " + w
		} else {
			lines = append(lines, strings.Repeat(" ", len(words[0])+1)+w)
		}
	}
	return strings.Join(lines, "\n    ")
}

// ExitCodesPage is docs/reference/exit-codes.md.
func ExitCodesPage() string {
	var b strings.Builder
	b.WriteString("# Exit codes\n\n" + made + "\n| code | meaning |\n|---|---|\n")
	for _, c := range term.Codes {
		fmt.Fprintf(&b, "| %d | %s |\n", c.Code, cell(c.Means))
	}
	b.WriteString("\nA command that a signal ends has the shell's code for that, 128 and the number of the\nsignal. What a code means for a command, where that is more than the above:\n\n| command | exit codes |\n|---|---|\n")
	for _, c := range Shown(Commands()) {
		if strings.Contains(c.Long, exitsBegin) {
			fmt.Fprintf(&b, "| [`%s`](commands.md#%s) | %s |\n", typed(c), anchor(typed(c)), exits(help(c)))
		}
	}
	return b.String()
}

// DoctorPage is docs/reference/doctor.md.
func DoctorPage() string {
	var b strings.Builder
	b.WriteString("# What keeper doctor looks at\n\n" + made + `
Each finding has an id, which ` + "`keeper doctor --json`" + ` prints, a severity, what it means,
and what to type. ` + "`good`" + ` is in force, ` + "`info`" + ` is worth knowing, ` + "`warn`" + ` and ` + "`bad`" + ` are to be
mended.

| id | what is looked at | why | ` + "`--fix`" + ` mends it |
|---|---|---|---|
`)
	for _, c := range core.Checks() {
		fixes := ""
		if c.Fixes {
			fixes = "yes"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", c.ID, cell(c.Looks), cell(c.Why), fixes)
	}
	return b.String()
}
