package manual

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"keeper/internal/adoptcli"
	"keeper/internal/guardcli"
)

// Every keeper command in the documentation is one, with flags that it has.
func TestCommandLines(t *testing.T) {
	t.Parallel()
	known := programs()
	lines := 0
	for _, d := range documents(t) {
		for _, c := range d.code {
			for _, words := range commandLines(c) {
				lines++
				if wrong := tryLine(known, words); wrong != "" {
					t.Errorf("%s:%d: %s: %s", d.path, c.line, strings.Join(words, " "), wrong)
				}
			}
		}
	}
	if lines < 100 {
		t.Errorf("only %d command lines are found", lines)
	}
}

// programs are keeper's, and what they know.
func programs() map[string]*cobra.Command {
	return map[string]*cobra.Command{"keeper": Commands(), "keeper-guard": guardcli.Commands(), "keeper-adopt": adoptcli.Commands()}
}

// commandLines are the commands of keeper's in a piece of code, as words.
func commandLines(c located) [][]string {
	text := c.text
	if rest, is := strings.CutPrefix(text, "$ "); is {
		text = rest
	} else if c.prompted {
		return nil // what a command prints
	}
	var list [][]string
	for _, command := range split(text) {
		for len(command) > 0 && (command[0] == "sudo" || command[0] == "!" || command[0] == "exec" || strings.Contains(command[0], "=")) {
			command = command[1:]
		}
		// systemd-run … keeper alert test; runuser -u app -- keeper status
		for i, w := range command {
			is := slices.Contains([]string{"keeper", "keeper-guard", "keeper-adopt"}, filepath.Base(w))
			before := i == 0 || command[i-1] == "--" || command[0] == "systemd-run"
			if is && before && len(command) > i+1 && !strings.HasSuffix(command[i+1], ":") { // keeper guard: is how it begins to talk
				list = append(list, append([]string{filepath.Base(w)}, command[i+1:]...))
				break
			}
		}
	}
	return list
}

// split makes words of a line, and commands of the words, as a shell does; quoted text is
// one word, and what follows # is none.
func split(line string) [][]string {
	var all [][]string
	var words []string
	var word strings.Builder
	var quote rune
	some := false
	endWord := func() {
		if some || word.Len() > 0 {
			words = append(words, word.String())
		}
		word.Reset()
		some = false
	}
	end := func() {
		endWord()
		if len(words) > 0 {
			all = append(all, words)
		}
		words = nil
	}
	for i, r := range line {
		switch {
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				word.WriteRune(r)
			}
		case r == '"' || r == '\'':
			quote, some = r, true
		case r == '#' && (i == 0 || line[i-1] == ' '):
			end()
			return all
		case r == ' ':
			endWord()
		case r == '>' && strings.HasPrefix(line[i:], "> "), r == '<' && strings.HasPrefix(line[i:], "< "):
			word.WriteString(line[i : i+1]) // and the file, which is passed over
		case strings.ContainsRune(";|&()", r) && !strings.HasSuffix(word.String(), "…"):
			if r == '|' && word.Len() > 0 { // a|b are alternatives
				word.WriteRune(r)
				continue
			}
			end()
		default:
			word.WriteRune(r)
		}
	}
	end()
	return all
}

// placeholder says whether a word stands for others: NAME, <name>, SERVICE..., …
func placeholder(w string) bool {
	return w == "…" || w == "..." || strings.HasPrefix(w, "<") || strings.HasPrefix(w, "$") || w != "" && strings.ToUpper(w) == w && strings.ContainsAny(w, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
}

// tryLine says what is wrong with a command line.
func tryLine(known map[string]*cobra.Command, words []string) string {
	c := known[words[0]]
	for i := 1; i < len(words); i++ {
		w := strings.Trim(words[i], "[]")
		next := child(c, w)
		switch {
		case w == "--" || c.DisableFlagParsing:
			return ""
		case w == ">" || w == "<":
			i++ // its file
		case w == "" || placeholder(w):
		case strings.HasPrefix(w, "-"):
			name, _, _ := strings.Cut(w, "=")
			f := flagOf(c, name)
			if f == nil {
				return fmt.Sprintf("%s has no flag %s", typed(c), name)
			}
			if f.NoOptDefVal == "" && !strings.Contains(w, "=") {
				i++ // its value
			}
		case next != nil:
			c = next
		case len(sub(c)) > 0 && !takesArgs(c):
			return fmt.Sprintf("%s has no command %q", typed(c), w)
		case !takesArgs(c):
			return fmt.Sprintf("%s takes no %q", typed(c), w)
		}
	}
	return ""
}

// takesArgs says whether a command takes words that are no commands.
func takesArgs(c *cobra.Command) bool {
	return len(sub(c)) == 0 && c.Args != nil && c.Args(c, []string{"x"}) == nil || c.Name() == "completion"
}

func child(c *cobra.Command, name string) *cobra.Command {
	for _, s := range c.Commands() {
		if s.Name() == name {
			return s
		}
	}
	return nil
}

func flagOf(c *cobra.Command, name string) *pflag.Flag {
	if name == "--help" || name == "-h" {
		return &pflag.Flag{NoOptDefVal: "true"}
	}
	if long, is := strings.CutPrefix(name, "--"); is {
		return cmp.Or(c.LocalFlags().Lookup(long), c.InheritedFlags().Lookup(long))
	}
	if len(name) == 2 {
		return cmp.Or(c.LocalFlags().ShorthandLookup(name[1:]), c.InheritedFlags().ShorthandLookup(name[1:]))
	}
	return nil
}

// The examples of the help are commands, too.
func TestExamples(t *testing.T) {
	t.Parallel()
	known := programs()
	for _, c := range ours() {
		for line := range strings.Lines(c.Example) {
			for _, words := range commandLines(located{text: strings.TrimSpace(line)}) {
				if wrong := tryLine(known, words); wrong != "" {
					t.Errorf("%s: %s: %s", typed(c), line, wrong)
				}
			}
		}
	}
}

// The tests above must be able to say no.
func TestTryLine(t *testing.T) {
	t.Parallel()
	known := programs()
	for line, wrong := range map[string]string{
		"keeper status --json": "",
		"keeper stats":         "no command",
		"keeper status --jsn":  "no flag",
		"keeper status web":    "takes no",
		"keeper drill run keeper-kill --service redis --yes": "",
		"keeper drill strike":                                "no command",
		"keeper restart django":                              "",
		"keeper config chek":                                 "no command",
		"sudo -u app -- keeper status --wath":                "no flag",
		"keeper history -n 0 --all":                          "",
		"keeper history -x":                                  "no flag",
		"keeper guard check --dir /x -- rm --nonsense":       "",
		"keeper guard instal claude":                         "no command",
		"keeper-guard hook claude":                           "",
		"keeper-guard hok claude":                            "no command",
		"keeper pause X [--for 2h] [--reason TEXT]":          "",
		"keeper pause X [--four 2h]":                         "no flag",
		"keeper NAME --any":                                  "no flag",
		"keeper …":                                           "",
		"XDG_STATE_HOME=/x keeper status --no":               "no flag",
		"true && keeper statsu":                              "no command",
		"/usr/bin/keeper statsu # why":                       "no command",
		"keeper status # --nonsense":                         "",
	} {
		said, found := "", false
		for _, words := range commandLines(located{text: line}) {
			said, found = tryLine(known, words), true
		}
		if !found || (said == "") != (wrong == "") || !strings.Contains(said, wrong) {
			t.Errorf("%s: %q, %v; want %q", line, said, found, wrong)
		}
	}
	for _, said := range []located{{text: "keeper stands down", prompted: true}, {text: "keeper install: done"}} {
		if list := commandLines(said); list != nil {
			t.Errorf("what is printed is taken for a command: %v", list)
		}
	}
}
