package quadlet

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// style is how Podman's generator reads the values of a key
// (pkg/systemd/parser): it differs, and so does what can be said.
type style int

const (
	// raw values are taken as they stand (Lookup, LookupAll).
	raw style = iota
	// strv values are split at spaces; quotes count, backslashes do not
	// (LookupAllStrv).
	strv
	// args values are split at spaces; quotes and C escapes count
	// (LookupAllArgs, LookupAllKeyVal).
	args
)

// expand protects a value from systemd, which reads what the generator makes of
// it: % begins a specifier (systemd.unit(5)), $ a variable (systemd.service(5)).
func expand(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "%", "%%"), "$", "$$")
}

// say writes a value in the style of its key; ok is false if it cannot be said
// so. It is expected to be expanded.
func say(value string, s style) (text string, ok bool) {
	if NoWord(value) || !plain(value) && s != args {
		return "", false
	}
	switch s {
	case raw:
		// Newer generators take away a pair of quotes around it.
		if strings.ContainsAny(value[:1], `"' `) || strings.ContainsAny(value[len(value)-1:], `"' \`) {
			return "", false
		}
		return value, true
	case strv:
		if !strings.ContainsAny(value, ` "'\`) {
			return value, true
		}
		if strings.ContainsAny(value, `"\`) {
			return "", false
		}
		return `"` + value + `"`, true
	}
	return word(value), true
}

// NoWord says that a value cannot be a word of its own: the generator ends Exec=
// at an empty one, and takes the quotes off a semicolon, which alone separates
// commands (systemd.service(5)). As part of a longer word, such as an entrypoint
// in JSON, both can be said.
func NoWord(value string) bool { return value == "" || value == ";" }

// plain says that the value has nothing that would end a line or be trimmed.
func plain(value string) bool {
	return strings.IndexFunc(value, func(r rune) bool {
		return unicode.IsControl(r) || r != ' ' && unicode.IsSpace(r)
	}) < 0
}

// word writes one word the way systemd and Podman's generator split command
// lines: quoted if need be, with C escapes.
func word(value string) string {
	if strings.IndexFunc(value, escaped) < 0 && value != "" {
		return value
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range value {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r < 0x80 && unicode.IsControl(r):
			fmt.Fprintf(&b, `\x%02x`, r)
		case !strings.ContainsRune(" '", r) && escaped(r):
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// escaped says that a character keeps a word from standing as it is.
func escaped(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune(`"'\`, r)
}

// words writes several words.
func words(list []string) string {
	out := make([]string, len(list))
	for i, w := range list {
		out[i] = word(expand(w))
	}
	return strings.Join(out, " ")
}

// sayable tells why a value can be in no unit file at all, or nothing.
func sayable(value string) string {
	switch {
	case strings.ContainsRune(value, 0):
		return "it has a NUL byte in it"
	case !utf8.ValidString(value):
		return "it is not UTF-8, and systemd reads nothing else"
	case len(value) > mostValue:
		return fmt.Sprintf("it is longer than %d KiB", mostValue>>10)
	}
	return ""
}

// mostValue keeps a line below what systemd reads (LONG_LINE_MAX, 1 MiB), and
// one argument below what the kernel takes (MAX_ARG_STRLEN, 128 KiB).
const mostValue = 100 << 10

// oneLine keeps a text on the line that it is put on.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError || r != ' ' && unicode.IsSpace(r) {
			return ' '
		}
		return r
	}, s)
}
