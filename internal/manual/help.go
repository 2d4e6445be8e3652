package manual

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"keeper/internal/term"
)

// block is a paragraph of a help text, or lines that are shown as they are.
type block struct {
	asIs  bool
	lines []string
}

// blocks takes a help text apart: what is indented is as it is.
func blocks(text string) []block {
	var list []block
	begin := true
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \n")
		if line == "" {
			begin = true
			continue
		}
		asIs := strings.HasPrefix(line, "  ")
		switch {
		case begin && asIs && len(list) > 0 && list[len(list)-1].asIs:
			list[len(list)-1].lines = append(list[len(list)-1].lines, "", line) // a gap within
		case begin || asIs != list[len(list)-1].asIs:
			list = append(list, block{asIs: asIs, lines: []string{line}})
		default:
			list[len(list)-1].lines = append(list[len(list)-1].lines, line)
		}
		begin = false
	}
	for _, b := range list {
		if b.asIs {
			outdent(b.lines)
		}
	}
	return list
}

// outdent takes away the blanks that all lines begin with.
func outdent(lines []string) {
	least := -1
	for _, l := range lines {
		if n := len(l) - len(strings.TrimLeft(l, " ")); l != "" && (least < 0 || n < least) {
			least = n
		}
	}
	for i, l := range lines {
		if l != "" {
			lines[i] = l[least:]
		}
	}
}

// exit is an exit code of a command, and what it means there.
type exit struct {
	code  int
	means string
}

// exitsBegin is how the paragraph of a help text begins that says the exit codes.
const exitsBegin = "Exit codes: "

var exitCode = regexp.MustCompile(`(?:^|[,;] (?:or )?)(\d+) `)

// told is what the help of a command says.
type told struct {
	text []block
	// exits are its exit codes, by number; lead is what is said before them.
	exits []exit
	lead  string
}

// help takes the long help of a command apart. Codes that it is silent about mean what
// they mean in general.
func help(c *cobra.Command) told {
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	var t told
	for _, b := range blocks(text) {
		if b.asIs || !strings.HasPrefix(b.lines[0], exitsBegin) {
			t.text = append(t.text, b)
			continue
		}
		said := strings.TrimSuffix(strings.TrimPrefix(strings.Join(b.lines, " "), exitsBegin), ".")
		at := exitCode.FindAllStringSubmatchIndex(said, -1)
		for i, m := range at {
			end := len(said)
			if i+1 < len(at) {
				end = at[i+1][0]
			}
			n, _ := strconv.Atoi(said[m[2]:m[3]]) // digits
			t.exits = append(t.exits, exit{n, said[m[1]:end]})
		}
		if len(at) > 0 {
			t.lead = said[:at[0][0]]
		}
	}
	for _, code := range []int{term.ExitOK, term.ExitError, term.ExitUsage} {
		if t.lead == "" && !slices.ContainsFunc(t.exits, func(e exit) bool { return e.code == code }) {
			t.exits = append(t.exits, exit{code, means(code)})
		}
	}
	slices.SortFunc(t.exits, func(a, b exit) int { return a.code - b.code })
	return t
}

// means is what an exit code means in general.
func means(code int) string {
	for _, c := range term.Codes {
		if c.Code == code {
			return c.Means
		}
	}
	return ""
}

// flag is a flag as it is shown.
type flag struct {
	// name is --output, short -o or empty, value FILE or empty.
	name, short, value string
	usage, initial     string
}

// flags are those of a command, by name; all have --help, which is not among them.
func flags(c *cobra.Command) []flag {
	var list []flag
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		known := flag{name: "--" + f.Name, value: valueName(value), usage: usage, initial: initial(f)}
		if f.Shorthand != "" {
			known.short = "-" + f.Shorthand
		}
		list = append(list, known)
	})
	return list
}

// valueName is what stands for a value: pflag names the type where the usage does not.
func valueName(value string) string {
	switch value {
	case "string", "strings", "stringArray":
		return "TEXT"
	case "duration":
		return "TIME"
	case "int":
		return "N"
	}
	return strings.ToUpper(value)
}

// initial is the value that a flag has where it is not given, unless that is nothing.
func initial(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "false", "[]", "0s":
		return ""
	}
	if f.Value.Type() != "duration" {
		return f.DefValue
	}
	s := f.DefValue // 2m0s, 1h0m0s
	for _, nothing := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, nothing) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// synopsis are the words of a command line: the command, its flags, its arguments. A
// command that says its flags in Use has them as it says them.
func synopsis(c *cobra.Command) []string {
	_, args, _ := strings.Cut(c.Use, " ")
	words := []string{typed(c)}
	if !strings.Contains(args, "[--") {
		for _, f := range flags(c) {
			name := f.name
			if f.short != "" {
				name = f.short
			}
			if f.value != "" {
				name += " " + f.value
			}
			words = append(words, "["+name+"]")
		}
	}
	if len(sub(c)) > 0 && args == "" {
		args = "COMMAND"
		if c.Runnable() && len(words) > 1 {
			args = "[COMMAND]"
		}
	}
	if args != "" {
		words = append(words, args)
	}
	return words
}
