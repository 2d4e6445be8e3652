package manual

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/cpuguy83/go-md2man/v2/md2man"

	"keeper/docs"
	"keeper/internal/config"
)

// tableEnd is the mark after a table that the code writes; before it stands one with the
// table's name.
const tableEnd = "<!-- end -->"

// Settings is docs/reference/settings.md with the tables that the code has.
func Settings(text string) (string, error) {
	for name, table := range config.Tables() {
		begin := "<!-- " + name + " -->\n"
		before, rest, found := strings.Cut(text, begin)
		_, after, ended := strings.Cut(rest, tableEnd)
		if !found || !ended {
			return "", fmt.Errorf("settings.md has no place for the %s: there must be a line %q, and %q after it", name, strings.TrimSpace(begin), tableEnd)
		}
		text = before + begin + table + tableEnd + after
	}
	return text, nil
}

// SettingsMan is keeper.toml(5): the page on settings, made for man.
func SettingsMan(date string) (string, error) {
	text, err := Settings(docs.Settings)
	if err != nil {
		return "", err
	}
	_, text, _ = strings.Cut(text, "\n") // its title
	var b strings.Builder
	fmt.Fprintf(&b, "%% \"KEEPER.TOML\" \"5\" \"%s\" \"keeper\" \"keeper manual\"\n", date)
	b.WriteString("# NAME\nkeeper.toml, guard.toml - the settings of keeper\n\n# SYNOPSIS\n")
	b.WriteString("*/etc/keeper/keeper.toml*, *~/.config/keeper/keeper.toml*, */etc/keeper/guard.toml*\n\n# DESCRIPTION\n")
	b.WriteString(forMan(text))
	b.WriteString("\n# SEE ALSO\n**keeper**(1), **keeper-config**(1), **keeper-guard**(1), **podman-systemd.unit**(5), **systemd.syntax**(7)\n")
	page := ascii(string(md2man.Render([]byte(b.String()))))
	// As in the other pages: no hyphens and no blanks that the text does not have.
	page = strings.Replace(page, "\n.SH NAME\n", "\n.nh\n.ad l\n.SH NAME\n", 1)
	return ".\\\" Made by keeper-manual from docs/reference/settings.md.\n" + page, nil
}

var link = regexp.MustCompile(`\[([^\]]*)\]\(([^)]*)\)`)

// forMan makes Markdown with tables and links into such that can be read on a terminal:
// tables become lists, for man has no room for five columns.
func forMan(text string) string {
	var b strings.Builder
	var head []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "<!--") {
			continue
		}
		if title, is := strings.CutPrefix(line, "## "); is {
			line = "# " + strings.ToUpper(strings.ReplaceAll(title, "`", ""))
		}
		if !strings.HasPrefix(line, "|") {
			head = nil
			if !strings.HasPrefix(line, "    ") {
				line = link.ReplaceAllStringFunc(line, place)
			}
			b.WriteString(line + "\n")
			continue
		}
		cells := row(line)
		switch {
		case head == nil:
			head = cells
		case strings.Trim(line, "|-: ") != "":
			b.WriteString(item(head, cells))
		}
	}
	return b.String()
}

// place is a link in words.
func place(l string) string {
	m := link.FindStringSubmatch(l)
	path := strings.TrimPrefix(m[2], "../")
	switch {
	case strings.Contains(m[2], "://") || m[1] == m[2]:
	case !strings.HasPrefix(m[2], "../"):
		path = "reference/" + path
		fallthrough
	default:
		path = "docs/" + path
	}
	if strings.HasSuffix(m[1], ".md") {
		return path
	}
	return m[1] + " (" + path + ")"
}

// row are the cells of a line of a table.
func row(line string) []string {
	cells := strings.Split(strings.Trim(line, "|"), "|")
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	return cells
}

// item is a row of a table as an item of a definition list: the names, what it means, and
// then its value and what holds without it.
func item(head, cells []string) string {
	var names, rest []string
	meaning := ""
	for i, c := range cells {
		switch {
		case c == "" || i >= len(head):
		case head[i] == "meaning":
			meaning = sentence(c)
		case head[i] == "value":
			rest = append(rest, "Value: "+c+".")
		case head[i] == "default":
			rest = append(rest, "Default: "+c+".")
		case i == 0 || head[i] == "X-Keeper":
			names = append(names, c)
		default:
			rest = append(rest, sentence(c))
		}
	}
	text := strings.Join(append([]string{meaning}, rest...), " ")
	return "\n" + strings.Join(names, ", ") + "\n:   " + strings.TrimSpace(text) + "\n"
}
