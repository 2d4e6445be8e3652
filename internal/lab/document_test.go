package lab

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A document of the docs whose commands can be run. Its fenced blocks named console
// hold lines that a person types, "$ " as the account and "# " as root, each followed
// by what it prints. In that, … stands for anything in a line, and a line of … alone
// for any lines, or none. Blanks count as one, and empty lines not at all.
//
// A comment in the line above a block says what the words around it say to the reader:
//
//	<!-- not run: REASON -->             it cannot be run on a lab's host
//	<!-- run: exit 3 -->                 the last command exits with that
//	<!-- run: exit 0 or 3 -->            the last command exits with either
//	<!-- run: ends the session -->       the last command does so
//	<!-- run: again, until it is so -->  repeat it: what it shows takes a moment
type document struct {
	lines  []string
	blocks []block
}

type block struct {
	line     int
	commands []command
	notRun   string
	exits    []int
	ends     bool
	again    bool
}

type command struct {
	root  bool
	text  string
	shown []string
	// first and end are the lines of the document that shown is in.
	first, end int
}

// plainFences are the languages of blocks that are there to be read, such as files.
var plainFences = map[string]bool{"text": true, "toml": true, "ini": true}

// parseDocument refuses whatever a reader would take for a command and no test
// would run.
func parseDocument(text string) (document, error) {
	d := document{lines: strings.Split(text, "\n")}
	for i := 0; i < len(d.lines); i++ {
		line := d.lines[i]
		language, fence := strings.CutPrefix(line, "```")
		switch {
		case !fence && strings.HasPrefix(line, "    ") && strings.TrimSpace(line) != "":
			return d, fmt.Errorf("line %d: an indented block, which nobody runs: use a fenced one", i+1)
		case !fence:
			continue
		case language != "console" && !plainFences[language]:
			return d, fmt.Errorf("line %d: a block of %q: name it console, or text, toml or ini where nothing is to be typed", i+1, language)
		}
		end := i + 1
		for end < len(d.lines) && d.lines[end] != "```" {
			end++
		}
		if end == len(d.lines) {
			return d, fmt.Errorf("line %d: the block does not end", i+1)
		}
		if language == "console" {
			b := block{line: i + 1}
			if i > 0 {
				if err := b.directive(d.lines[i-1]); err != nil {
					return d, fmt.Errorf("line %d: %w", i, err)
				}
			}
			if err := b.read(d.lines, i+1, end); err != nil {
				return d, err
			}
			d.blocks = append(d.blocks, b)
		}
		i = end
	}
	return d, nil
}

func (b *block) directive(line string) error {
	comment, ok := strings.CutPrefix(line, "<!--")
	if !ok {
		return nil
	}
	comment, ok = strings.CutSuffix(comment, "-->")
	comment = strings.TrimSpace(comment)
	if !ok {
		return fmt.Errorf("the comment above a block has to end in its line")
	}
	if reason, ok := strings.CutPrefix(comment, "not run:"); ok {
		if b.notRun = strings.TrimSpace(reason); b.notRun == "" {
			return fmt.Errorf("not run, without a reason")
		}
		return nil
	}
	how, ok := strings.CutPrefix(comment, "run:")
	if !ok {
		return fmt.Errorf("unknown comment above a block: %s", comment)
	}
	switch how = strings.TrimSpace(how); {
	case how == "ends the session":
		b.ends = true
	case how == "again, until it is so":
		b.again = true
	case strings.HasPrefix(how, "exit "):
		for code := range strings.SplitSeq(how[len("exit "):], " or ") {
			n, err := strconv.Atoi(code)
			if err != nil || n < 0 || n > 255 {
				return fmt.Errorf("no exit code: %s", how)
			}
			b.exits = append(b.exits, n)
		}
	default:
		return fmt.Errorf("unknown way to run a block: %s", how)
	}
	return nil
}

func (b *block) read(lines []string, first, end int) error {
	for i := first; i < end; i++ {
		line := lines[i]
		text, account := strings.CutPrefix(line, "$ ")
		if !account {
			var root bool
			if text, root = strings.CutPrefix(line, "# "); !root {
				if len(b.commands) == 0 {
					return fmt.Errorf("line %d: a block of the console begins with a command", i+1)
				}
				c := &b.commands[len(b.commands)-1]
				c.shown, c.end = append(c.shown, line), i+1
				continue
			}
		}
		for strings.HasSuffix(text, `\`) && i+1 < end {
			i++
			text += "\n" + lines[i]
		}
		b.commands = append(b.commands, command{root: !account, text: text, first: i + 1, end: i + 1})
	}
	if len(b.commands) == 0 {
		return fmt.Errorf("line %d: a block of the console without a command", first)
	}
	return nil
}

// squeeze takes out empty lines, and makes one blank of several.
func squeeze(lines []string) []string {
	var kept []string
	for _, l := range lines {
		if l = strings.Join(strings.Fields(l), " "); l != "" {
			kept = append(kept, l)
		}
	}
	return kept
}

// pattern is what a shown line stands for.
func pattern(shown string) string {
	if shown == "…" {
		return `(?:.*\n)*`
	}
	return strings.ReplaceAll(regexp.QuoteMeta(shown), "…", ".*") + `\n`
}

// differs says how what was printed is not what the document shows, "" if it is.
func differs(shown, printed []string) string {
	shown, printed = squeeze(shown), squeeze(printed)
	var all strings.Builder
	for _, s := range shown {
		all.WriteString(pattern(s))
	}
	text := ""
	if len(printed) > 0 {
		text = strings.Join(printed, "\n") + "\n"
	}
	if regexp.MustCompile(`^` + all.String() + `$`).MatchString(text) {
		return ""
	}
	for _, s := range shown {
		if s != "…" && !regexp.MustCompile(`(?m)^`+pattern(s)).MatchString(text) {
			return "not printed: " + s
		}
	}
	for _, p := range printed {
		if keptAs(shown, p) == "" {
			return "not shown: " + p
		}
	}
	return "all lines are there, but not in this order or not as often"
}

// keptAs is the shown line that a printed one is an instance of.
func keptAs(shown []string, printed string) string {
	printed = strings.Join(strings.Fields(printed), " ") + "\n"
	for _, s := range shown {
		s = strings.TrimRight(s, " ")
		if t := strings.Join(strings.Fields(s), " "); t != "" && t != "…" && regexp.MustCompile(`^`+pattern(t)+`$`).MatchString(printed) {
			return s
		}
	}
	return ""
}

// update has the document show what was printed, with the … of lines that still hold.
func (d *document) update(printed map[*command][]string) string {
	lines := d.lines
	for b := len(d.blocks) - 1; b >= 0; b-- {
		for i := len(d.blocks[b].commands) - 1; i >= 0; i-- {
			c := &d.blocks[b].commands[i]
			now, ran := printed[c]
			if !ran || differs(c.shown, now) == "" {
				continue
			}
			var anew []string
			for _, p := range now {
				if kept := keptAs(c.shown, p); kept != "" {
					p = kept
				}
				anew = append(anew, p)
			}
			lines = append(append(append([]string{}, lines[:c.first]...), anew...), lines[c.end:]...)
		}
	}
	return strings.Join(lines, "\n")
}

func TestDocumentIsRead(t *testing.T) {
	t.Parallel()
	d, err := parseDocument("# Title\n\n```console\n$ one \\\n  two\nout\n\n# three\n```\n" +
		"<!-- not run: no network -->\n```console\n# dnf install x\n```\n<!-- run: exit 3 or 0 -->\n```console\n$ four\n```\n" +
		"<!-- run: ends the session -->\n```console\n$ five\n```\n<!-- run: again, until it is so -->\n```console\n$ six\n```\n```toml\na = 1\n```\n")
	if err != nil {
		t.Fatal(err)
	}
	if len(d.blocks) != 5 {
		t.Fatalf("%d blocks: %+v", len(d.blocks), d.blocks)
	}
	first := d.blocks[0].commands
	if len(first) != 2 || first[0].text != "one \\\n  two" || first[0].root || strings.Join(first[0].shown, "|") != "out|" || !first[1].root || first[1].text != "three" {
		t.Errorf("the first block: %+v", first)
	}
	if b := d.blocks; b[1].notRun != "no network" || !slices.Equal(b[2].exits, []int{3, 0}) || !b[3].ends || !b[4].again {
		t.Errorf("the comments: %+v", b[1:])
	}
	for _, bad := range []string{
		"```sh\nls\n```\n", "```\nls\n```\n", "    ls\n", "```console\nls\n```\n", "```console\n```\n", "```console\n$ ls\n",
		"<!-- not run: -->\n```console\n$ ls\n```\n", "<!-- run: twice -->\n```console\n$ ls\n```\n",
		"<!-- run: exit three -->\n```console\n$ ls\n```\n", "<!-- perhaps -->\n```console\n$ ls\n```\n", "<!-- run: exit 3\n```console\n$ ls\n```\n",
	} {
		if _, err := parseDocument(bad); err == nil {
			t.Errorf("no error: %q", bad)
		}
	}
}

func TestDocumentIsCompared(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		shown, printed, want string
	}{
		{"", "", ""},
		{"", "out", "not shown: out"},
		{"out", "", "not printed: out"},
		{"pid …, up", "pid 12, up", ""},
		{"pid …, up", "pid 12, down", "not printed: pid …, up"},
		{"a  b\n\nc", "a b\nc\n\n", ""},
		{"a\n…\nd", "a\nb\nc\nd", ""},
		{"a\n…", "a", ""},
		{"…", "", ""},
		{"a\n…\nd", "a\nb\nc", "not printed: d"},
		{"a\nb", "b\na", "all lines are there, but not in this order or not as often"},
		{"a.c", "abc", "not printed: a.c"},
	} {
		if got := differs(strings.Split(c.shown, "\n"), strings.Split(c.printed, "\n")); got != c.want {
			t.Errorf("%q against %q: %q, want %q", c.shown, c.printed, got, c.want)
		}
	}
}

func TestDocumentIsUpdated(t *testing.T) {
	t.Parallel()
	d, err := parseDocument("before\n```console\n$ one\nold\npid …\n$ two\n$ three\nkept …\n```\nafter\n")
	if err != nil {
		t.Fatal(err)
	}
	c := d.blocks[0].commands
	got := d.update(map[*command][]string{&c[0]: {"new", "pid 7", "more"}, &c[1]: {"word"}, &c[2]: {"kept 9"}})
	if want := "before\n```console\n$ one\nnew\npid …\nmore\n$ two\nword\n$ three\nkept …\n```\nafter\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
