package manual

import (
	"strings"
	"unicode"
)

// prose is plain text of a help as Markdown: what has a meaning there loses it.
func prose(s string) string {
	return strings.NewReplacer(`\`, `\\`, "<", `\<`, "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "`", "\\`").Replace(s)
}

// cell is text as a cell of a table. It may have code in it, between backquotes.
func cell(s string) string {
	parts := strings.Split(s, "`")
	for i := range parts {
		if i%2 == 0 {
			parts[i] = prose(parts[i])
		}
		parts[i] = strings.ReplaceAll(parts[i], "|", `\|`)
	}
	return strings.Join(parts, "`")
}

// anchor is what GitHub makes of a heading for links: small letters, figures, - and _;
// a blank is a -, and all else goes.
func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_', unicode.IsMark(r):
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}
