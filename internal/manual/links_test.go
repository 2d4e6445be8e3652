package manual

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
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
		t.Fatal("there is no " + index)
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
