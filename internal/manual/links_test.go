package manual

import (
	"cmp"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"keeper/internal/adoptcli"
	"keeper/internal/guardcli"
)

// document is a Markdown file, taken apart as far as these tests need it.
type document struct {
	path    string // from the root of the repository
	anchors map[string]bool
	links   []located
	// code are the lines of code blocks, and each code within text.
	code []located
}

// located is a piece of a document and its line.
type located struct {
	line int
	text string
	// prompted: it is a line of a block in which a prompt stands before commands.
	prompted, within bool
}

var (
	heading    = regexp.MustCompile(`^#{1,6} +(.*?) *#*$`)
	inline     = regexp.MustCompile("`+[^`]+`+")
	linked     = regexp.MustCompile(`\]\(<?([^)<> ]+)>?(?: "[^"]*")?\)`)
	named      = regexp.MustCompile(`<a (?:id|name)="([^"]+)"`)
	ofList     = regexp.MustCompile(`^ *(?:[-*+]|\d+[.)]) +`)
	commentary = regexp.MustCompile(`(?s)<!--.*?-->`)
)

// read takes a Markdown text apart.
func read(path, text string) document {
	d := document{path: path, anchors: map[string]bool{}}
	text = commentary.ReplaceAllStringFunc(text, func(c string) string { return strings.Repeat("\n", strings.Count(c, "\n")) })
	var block, para []located
	fence := ""
	blank, list := true, false
	endBlock := func() {
		prompted := slices.ContainsFunc(block, func(l located) bool { return strings.HasPrefix(l.text, "$ ") })
		for _, l := range block {
			l.prompted = prompted
			d.code = append(d.code, l)
		}
		block = nil
	}
	endPara := func() {
		d.paragraph(para)
		para = nil
	}
	for i, line := range strings.Split(text, "\n") {
		bare := strings.TrimSpace(line)
		switch {
		case fence != "":
			if strings.HasPrefix(bare, fence) {
				fence = ""
				endBlock()
			} else {
				block = append(block, located{line: i + 1, text: bare})
			}
			continue
		case strings.HasPrefix(bare, "```"), strings.HasPrefix(bare, "~~~"):
			endPara()
			fence = bare[:3]
			continue
		case bare == "":
			endPara()
			blank = true
			continue
		case strings.HasPrefix(line, "    ") && (blank && !list || block != nil), strings.HasPrefix(line, "        ") && blank:
			block = append(block, located{line: i + 1, text: bare})
			blank = false
			continue
		}
		endBlock()
		if m := heading.FindStringSubmatch(line); m != nil {
			endPara()
			d.head(m[1])
		}
		if strings.HasPrefix(bare, "|") || ofList.MatchString(line) {
			endPara()
		}
		list = ofList.MatchString(line) || list && (strings.HasPrefix(line, " ") || !blank)
		para = append(para, located{line: i + 1, text: bare})
		blank = false
	}
	endBlock()
	endPara()
	return d
}

// head notes the anchor that GitHub makes of a heading: of the text that is seen, and
// with a number where there is one already.
func (d *document) head(text string) {
	text = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(text, "$1")
	name := anchor(strings.NewReplacer("`", "", "**", "").Replace(text))
	for n := 0; ; n++ {
		try := name
		if n > 0 {
			try = fmt.Sprintf("%s-%d", name, n)
		}
		if !d.anchors[try] {
			d.anchors[try] = true
			return
		}
	}
}

// paragraph finds links and code in text, which may go on in the next line.
func (d *document) paragraph(lines []located) {
	if len(lines) == 0 {
		return
	}
	var text strings.Builder
	for _, l := range lines {
		text.WriteString(l.text + "\n")
	}
	at := func(i int) int { return lines[0].line + strings.Count(text.String()[:i], "\n") }
	for _, m := range inline.FindAllStringIndex(text.String(), -1) {
		code := strings.Trim(text.String()[m[0]:m[1]], "` ")
		d.code = append(d.code, located{line: at(m[0]), text: strings.ReplaceAll(code, "\n", " "), within: true})
	}
	// Blanks keep the places of what follows.
	plain := inline.ReplaceAllStringFunc(text.String(), func(c string) string {
		return strings.Map(func(r rune) rune {
			if r == '\n' {
				return r
			}
			return '`'
		}, c)
	})
	for _, m := range linked.FindAllStringSubmatchIndex(plain, -1) {
		d.links = append(d.links, located{line: at(m[0]), text: text.String()[m[2]:m[3]]})
	}
	for _, m := range named.FindAllStringSubmatch(plain, -1) {
		d.anchors[m[1]] = true
	}
}

// documents are all Markdown files of the repository.
func documents(t *testing.T) map[string]document {
	t.Helper()
	root := filepath.Join("..", "..")
	all := map[string]document{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "bin" || d.Name() == "dist"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".md"):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		all[name] = read(name, string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 15 || all["README.md"].path == "" {
		t.Fatalf("only %d documents are found", len(all))
	}
	return all
}

// Every link within the repository leads to a file, and to a heading in it.
func TestLinks(t *testing.T) {
	t.Parallel()
	all := documents(t)
	links := 0
	for _, d := range all {
		for _, l := range d.links {
			links++
			if wrong := d.follow(l.text, all); wrong != "" {
				t.Errorf("%s:%d: (%s): %s", d.path, l.line, l.text, wrong)
			}
		}
	}
	if links < 50 {
		t.Errorf("only %d links are found", links)
	}
}

// target is the file that a link of a document leads to, and the anchor in it.
func (d document) target(link string) (path, fragment string, outside bool) {
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "" || u.Host != "" {
		return "", "", err == nil
	}
	if u.Path == "" {
		return d.path, u.Fragment, false
	}
	return filepath.Join(filepath.Dir(d.path), u.Path), u.Fragment, false
}

func (d document) follow(link string, all map[string]document) string {
	path, fragment, outside := d.target(link)
	if outside {
		return ""
	}
	if path == "" || strings.HasPrefix(path, "..") {
		return "it does not lead to a place in the repository"
	}
	if _, err := os.Stat(filepath.Join("..", "..", path)); err != nil && all[path].path == "" {
		return "there is no " + path
	}
	if fragment != "" && !all[path].anchors[fragment] {
		return fmt.Sprintf("%s has no heading #%s", path, fragment)
	}
	return ""
}

// Every page can be reached from the index of the documentation.
func TestReachable(t *testing.T) {
	t.Parallel()
	const index = "docs/README.md"
	all := documents(t)
	if all[index].path == "" {
		t.Skip("there is no " + index + " yet")
	}
	reached := map[string]bool{}
	var walk func(path string)
	walk = func(path string) {
		if reached[path] {
			return
		}
		reached[path] = true
		for _, l := range all[path].links {
			if to, _, outside := all[path].target(l.text); !outside && all[to].path != "" && strings.HasPrefix(to, "docs/") {
				walk(to)
			}
		}
	}
	walk(index)
	for path := range all {
		if strings.HasPrefix(path, "docs/") && !reached[path] {
			t.Errorf("%s cannot be reached from %s", path, index)
		}
	}
}

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
			if is && before && len(command) > i+1 {
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
	if list := commandLines(located{text: "keeper stands down", prompted: true}); list != nil {
		t.Errorf("what is printed is taken for a command: %v", list)
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	d := read("docs/a.md", "# One `two`\n\n[x](b.md#y), `keeper\nstatus`\nand `[no](link)`\n\n## One two\n\n    $ keeper x\n    said\n\n1. in a list:\n\n   ```sh\n   keeper y\n   ```\n\n| [c](#one-two-1) |\n")
	if !d.anchors["one-two"] || !d.anchors["one-two-1"] {
		t.Errorf("%v", d.anchors)
	}
	var links, code []string
	for _, l := range d.links {
		links = append(links, fmt.Sprint(l.line, l.text))
	}
	for _, l := range d.code {
		code = append(code, fmt.Sprint(l.line, l.text, l.prompted))
	}
	if !slices.Equal(links, []string{"3b.md#y", "18#one-two-1"}) {
		t.Errorf("%q", links)
	}
	if !slices.Equal(code, []string{"1twofalse", "3keeper statusfalse", "5[no](link)false", "9$ keeper xtrue", "10saidtrue", "15keeper yfalse"}) {
		t.Errorf("%q", code)
	}
	all := map[string]document{"docs/a.md": d}
	for link, wrong := range map[string]string{"#one-two": "", "#three": "no heading", "https://example.org/x#y": "", "no.md": "there is no docs/no.md", "../../x": "does not lead", "../README.md": ""} {
		if said := d.follow(link, all); (said == "") != (wrong == "") || !strings.Contains(said, wrong) {
			t.Errorf("%s: %q, want %q", link, said, wrong)
		}
	}
	for text, want := range map[string]string{"When it counts": "when-it-counts", "Why `keeper` is: a_b - c!": "why-keeper-is-a_b---c", "Über 3 x": "über-3-x"} {
		if got := anchor(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
