package probe

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxDetail is how many bytes of what somebody says are shown.
const maxDetail = 200

// printable makes one short line of a text that anybody may have written.
func printable(text string) string {
	var b strings.Builder
	space := false
	for _, r := range text {
		if unicode.IsSpace(r) {
			space = true
			continue
		}
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			r = '?'
		}
		if b.Len()+utf8.RuneLen(r)+1 > maxDetail {
			return b.String() + "…"
		}
		if space && b.Len() > 0 {
			b.WriteByte(' ')
		}
		space = false
		b.WriteRune(r)
	}
	return b.String()
}

// head is the beginning of a text.
func head(text string) string {
	return printable(text[:min(len(text), maxDetail/2)])
}

// tail is the end of a text: there a program says why it failed.
func tail(text string) string {
	text = strings.TrimSpace(text)
	if len(text) > maxDetail/2 {
		text = text[len(text)-maxDetail/2:]
		for text != "" && !utf8.RuneStart(text[0]) {
			text = text[1:]
		}
		text = "…" + text
	}
	return printable(text)
}
