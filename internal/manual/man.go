package manual

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// Man is the page of a command in section 1, in the language of man(7). date is for its
// footer, and may be empty.
func Man(c *cobra.Command, date string) string {
	var r roff
	r.title(page(c), 1, date)
	r.section("NAME")
	r.text(page(c) + ` - ` + lower(c.Short))
	r.section("SYNOPSIS")
	r.synopsis(synopsis(c))
	said := help(c)
	r.section("DESCRIPTION")
	r.blocks(said.text)
	if list := sub(c); len(list) > 0 && c.Name() != "completion" {
		r.section("COMMANDS")
		for _, s := range list {
			r.term(bold(typed(s)))
			r.text(s.Short + ". See " + page(s) + "(1).")
		}
	}
	r.section("OPTIONS")
	for _, f := range flags(c) {
		name := bold(f.name)
		if f.short != "" {
			name = bold(f.short) + ", " + name
		}
		if f.value != "" {
			name += " " + italic(f.value)
		}
		r.term(name)
		usage := f.usage
		if f.initial != "" {
			usage += " (default: " + f.initial + ")"
		}
		r.text(sentence(usage))
	}
	r.term(bold("-h") + ", " + bold("--help"))
	r.text("Show the help of this command.")
	r.section("EXIT STATUS")
	if said.lead != "" {
		r.text(sentence(said.lead))
	}
	for _, e := range said.exits {
		r.term(bold(fmt.Sprint(e.code)))
		r.text(sentence(e.means))
	}
	if c.Example != "" {
		r.section("EXAMPLES")
		r.blocks(blocks(c.Example))
	}
	if list := placesOf(c); len(list) > 0 {
		r.section("FILES")
		for _, p := range list {
			r.term(path(p.Path))
			r.text(sentence(strings.ReplaceAll(p.What, "`", "")))
		}
	}
	r.section("SEE ALSO")
	r.seeAlso(related(c))
	return r.String()
}

// related are the pages that a page points to.
func related(c *cobra.Command) []string {
	var list []string
	add := func(name string) {
		if name != page(c)+"(1)" {
			list = append(list, name)
		}
	}
	if c.HasParent() {
		add(page(c.Parent()) + "(1)")
	}
	for _, s := range sub(c) {
		if c.Name() != "completion" {
			add(page(s) + "(1)")
		}
	}
	if c.HasParent() && c.Parent().HasParent() {
		for _, s := range sub(c.Parent()) {
			add(page(s) + "(1)")
		}
	}
	return append(list, "keeper.toml(5)")
}

// lower is a sentence as man's NAME has it, and its like: without a capital, unless the
// first word has more than one.
func lower(s string) string {
	if len(s) > 1 && s[1] >= 'A' && s[1] <= 'Z' {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// sentence begins with a capital and ends with a full stop, unless it begins with what is
// typed so.
func sentence(s string) string {
	first, _, _ := strings.Cut(s, " ")
	if s == "" {
		return ""
	}
	if strings.Trim(first, "abcdefghijklmnopqrstuvwxyz,;:") == "" {
		s = strings.ToUpper(s[:1]) + s[1:]
	}
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}
