package guard

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// escapes is what a backslash does in a string.
type escapes byte

const (
	escapesAll    escapes = iota // \n, \x6c, \u006c, ...
	escapesQuotes                // only \\ and the quote: Perl's, Ruby's and PHP's '...'
	escapesNone                  // a raw string
)

// fills is how a string is filled in.
type fills byte

const (
	fillsNone   fills = iota
	fillsBraces       // f"{x}" of Python
	fillsDollar       // `${x}` of JavaScript
	fillsHash         // "#{x}" of Ruby
	fillsSigil        // "$x" of Perl and PHP
)

// literal takes a string that starts here, of any kind that the language has.
func (l *codeLexer) literal() bool {
	c, from := l.at(0), l.i
	switch l.lang {
	case langPython:
		return l.pythonString()
	case langNode:
		switch {
		case c == '`':
			return l.string(tStr, from, 1, "`", escapesAll, fillsDollar, true)
		case c == '/' && !l.afterValue():
			return l.pattern(from, 1, '/')
		}
	case langPerl, langRuby, langPHP:
		switch {
		case c == '`':
			return l.string(tCmd, from, 1, "`", escapesAll, l.fill(), true)
		case c == '/' && l.lang != langPHP && !l.afterValue():
			return l.pattern(from, 1, '/')
		case c == '"':
			return l.string(tStr, from, 1, `"`, escapesAll, l.fill(), true)
		case c == '\'':
			return l.string(tStr, from, 1, "'", escapesQuotes, fillsNone, true)
		case c == '<':
			return l.heredoc() || l.lang == langPerl && l.perlGlob()
		case l.lang == langPerl && strings.IndexByte("qmsyt", c) >= 0:
			return l.perlQuote()
		case l.lang == langRuby && c == '%' && !l.afterValue():
			return l.rubyPercent()
		case l.lang == langRuby && c == ':' && isCodeName(l.at(1)) && !isDigit(l.at(1)) && (l.i == 0 || l.s[l.i-1] != ':'):
			l.i++
			for isCodeName(l.at(0)) {
				l.i++
			}
			l.put(codeToken{kind: tStr, parts: []codePart{{text: l.s[from+1 : l.i]}}}, from)
			return true
		}
	case langLua:
		if c == '[' && l.at(1) == '[' {
			return l.string(tStr, from, 2, "]]", escapesNone, fillsNone, true)
		}
	case langAwk:
		switch {
		case c == '/' && !l.afterValue():
			return l.pattern(from, 1, '/')
		case c == '\'':
			return false
		}
	}
	if c == '"' || c == '\'' {
		return l.string(tStr, from, 1, string(c), escapesAll, fillsNone, l.lang == langR)
	}
	return false
}

func (l *codeLexer) fill() fills {
	if l.lang == langRuby {
		return fillsHash
	}
	return fillsSigil
}

// pythonString takes '..', "..", ”'..”', with its prefix.
func (l *codeLexer) pythonString() bool {
	from, n := l.i, 0
	for n < 3 && strings.IndexByte("rRbBuUfFtT", l.at(n)) >= 0 && l.at(n) != 0 {
		n++
	}
	q := l.at(n)
	if q != '"' && q != '\'' {
		return false
	}
	prefix, esc, fill := l.s[l.i:l.i+n], escapesAll, fillsNone
	if strings.ContainsAny(prefix, "rR") {
		esc = escapesNone
	}
	if strings.ContainsAny(prefix, "fFtT") {
		fill = fillsBraces
	}
	if l.at(n+1) == q && l.at(n+2) == q {
		return l.string(tStr, from, n+3, strings.Repeat(string(q), 3), esc, fill, true)
	}
	return l.string(tStr, from, n+1, string(q), esc, fill, false)
}

// perlGlob takes <*.c>, the files of a pattern; <F> reads a line.
func (l *codeLexer) perlGlob() bool {
	end := strings.IndexByte(l.s[l.i:], '>')
	if end < 2 {
		return false
	}
	text := l.s[l.i+1 : l.i+end]
	if strings.ContainsAny(text, " =<\n;") || !strings.ContainsAny(text, "/*") {
		return false
	}
	return l.string(tStr, l.i, 1, ">", escapesAll, fillsSigil, false)
}

// perlQuote takes q(), qq{}, qw//, qx(), and passes over m//, s///, tr///.
func (l *codeLexer) perlQuote() bool {
	if len(l.out) > 0 {
		if t := l.out[len(l.out)-1]; t.kind == tPunct && (t.text == "->" || t.text == "{" && l.braced()) {
			return false
		}
	}
	if l.i > 0 && isCodeName(l.s[l.i-1]) {
		return false
	}
	from, n := l.i, 0
	for isCodeName(l.at(n)) {
		n++
	}
	word := l.s[l.i : l.i+n]
	switch word {
	case "q", "qq", "qw", "qx", "qr", "m", "s", "tr", "y":
	default:
		return false
	}
	gap := n
	for l.at(gap) == ' ' {
		gap++
	}
	d := l.at(gap)
	if d == 0 || isCodeName(d) || strings.IndexByte("=,;)>\n\t ", d) >= 0 || gap > n && strings.IndexByte(`{([</'"|!`, d) < 0 {
		return false
	}
	switch word {
	case "q":
		return l.delimited(tStr, from, gap, d, escapesQuotes, fillsNone)
	case "qq":
		return l.delimited(tStr, from, gap, d, escapesAll, fillsSigil)
	case "qw":
		return l.delimited(tWords, from, gap, d, escapesQuotes, fillsNone)
	case "qx":
		return l.delimited(tCmd, from, gap, d, escapesAll, fillsSigil)
	case "m", "qr":
		return l.pattern(from, gap+1, closerOf(d))
	}
	// s, tr and y have two parts; the second of s///e is code, which is not looked at.
	l.pass(gap+1, closerOf(d))
	if closerOf(d) != d {
		for l.at(0) == ' ' || l.at(0) == '\n' {
			l.i++
		}
		l.i++
	}
	l.pass(0, closerOf(l.s[min(max(l.i-1, 0), len(l.s)-1)]))
	l.put(codeToken{kind: tStr}, from)
	return true
}

// braced says that a word in braces is a key: {s}, {y}.
func (l *codeLexer) braced() bool {
	n := 0
	for isCodeName(l.at(n)) {
		n++
	}
	return l.at(n) == '}'
}

// rubyPercent takes %w[], %q(), %(), %x().
func (l *codeLexer) rubyPercent() bool {
	from, kind, d := l.i, l.at(1), l.at(2)
	if strings.IndexByte("([{<|!/", kind) >= 0 && kind != 0 {
		return l.delimited(tStr, from, 1, kind, escapesAll, fillsHash)
	}
	if d == 0 || isCodeName(d) || d == ' ' || d == '\n' {
		return false
	}
	switch kind {
	case 'w', 'i', 'W', 'I':
		return l.delimited(tWords, from, 2, d, escapesQuotes, fillsNone)
	case 'q', 's':
		return l.delimited(tStr, from, 2, d, escapesQuotes, fillsNone)
	case 'Q':
		return l.delimited(tStr, from, 2, d, escapesAll, fillsHash)
	case 'x':
		return l.delimited(tCmd, from, 2, d, escapesAll, fillsHash)
	case 'r':
		return l.pattern(from, 3, closerOf(d))
	}
	return false
}

func closerOf(c byte) byte {
	switch c {
	case '(':
		return ')'
	case '[':
		return ']'
	case '{':
		return '}'
	case '<':
		return '>'
	}
	return c
}

func (l *codeLexer) delimited(kind codeKind, from, skip int, d byte, esc escapes, fill fills) bool {
	return l.string(kind, from, skip+1, string(closerOf(d)), esc, fill, true)
}

// pattern passes over a regular expression, which says nothing here.
func (l *codeLexer) pattern(from, skip int, end byte) bool {
	l.pass(skip, end)
	for isCodeName(l.at(0)) { // its flags
		l.i++
	}
	l.put(codeToken{kind: tStr}, from)
	return true
}

// pass goes to what follows an end, over what is in between.
func (l *codeLexer) pass(skip int, end byte) {
	l.i = min(l.i+skip, len(l.s))
	class := false
	for depth := 0; l.i < len(l.s); l.i++ {
		switch c := l.s[l.i]; {
		case c == '\\':
			l.i++
		case c == '\n' && end == '/':
			return
		case c == '[' && end == '/':
			class = true
		case c == ']' && class:
			class = false
		case c == end && !class:
			if depth == 0 {
				l.i++
				return
			}
			depth--
		case closerOf(c) == end && c != end:
			depth++
		}
	}
	l.i = len(l.s)
}

// heredoc takes <<"EOF", <<~EOF, <<<EOF: its text starts at the next line.
func (l *codeLexer) heredoc() bool {
	from, i, open := l.i, l.i+2, "<<"
	if l.lang == langPHP {
		i, open = l.i+3, "<<<"
	}
	if !strings.HasPrefix(l.s[l.i:], open) || i >= len(l.s) {
		return false
	}
	indented := l.lang == langPHP
	if l.s[i] == '~' || l.s[i] == '-' {
		i, indented = i+1, true
	}
	fill, quote := l.fill(), byte(0)
	if i < len(l.s) && (l.s[i] == '"' || l.s[i] == '\'') {
		quote = l.s[i]
		i++
	}
	start := i
	for i < len(l.s) && isCodeName(l.s[i]) {
		i++
	}
	mark := l.s[start:i]
	if mark == "" || quote == 0 && (mark[0] < 'A' || mark[0] > 'Z') {
		return false
	}
	if quote != 0 {
		i++
	}
	if quote == '\'' {
		fill = fillsNone
	}
	body := l.after
	if body == 0 {
		n := strings.IndexByte(l.s[min(i, len(l.s)):], '\n')
		if n < 0 {
			return false
		}
		body = i + n + 1
	}
	end, after := len(l.s), len(l.s)
	for at := body; at < len(l.s); {
		line, _, _ := strings.Cut(l.s[at:], "\n")
		text := line
		if indented {
			text = strings.TrimSpace(line)
		}
		if strings.TrimRight(text, ";,)") == mark {
			end, after = at, min(at+len(line)+1, len(l.s))
			break
		}
		at += len(line) + 1
	}
	sub := &codeLexer{lang: l.lang, s: l.s[min(body, end):end]}
	esc := escapesAll
	if quote == '\'' {
		esc = escapesNone
	}
	l.i, l.after = min(i, len(l.s)), after
	l.put(codeToken{kind: tStr, parts: sub.parts("\x00", esc, fill, true)}, from)
	return true
}

// string takes a string, from after its opening quote.
func (l *codeLexer) string(kind codeKind, from, skip int, end string, esc escapes, fill fills, lines bool) bool {
	l.i = min(l.i+skip, len(l.s))
	l.put(codeToken{kind: kind, parts: l.parts(end, esc, fill, lines)}, from)
	return true
}

// parts reads a string up to its end, and passes over that.
func (l *codeLexer) parts(end string, esc escapes, fill fills, lines bool) []codePart {
	var out []codePart
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			out = append(out, codePart{text: b.String()})
			b.Reset()
		}
	}
	for depth := 0; l.i < len(l.s); {
		c := l.s[l.i]
		if n, expr := l.filled(fill); n > 0 {
			flush()
			out = append(out, codePart{text: expr, expr: true})
			l.i += n
			continue
		}
		switch {
		case depth == 0 && strings.HasPrefix(l.s[l.i:], end):
			l.i += len(end)
			flush()
			return out
		case c == '\n' && !lines:
			flush() // it has no end: what it is cut at cannot do much harm
			return out
		case c == '\\' && esc == escapesNone && l.i+1 < len(l.s) && l.lang == langPython:
			b.WriteString(l.s[l.i : l.i+2])
			l.i += 2
			continue
		case c == '\\' && esc == escapesQuotes && l.i+1 < len(l.s):
			if d := l.s[l.i+1]; d != '\\' && string(d) != end {
				b.WriteByte('\\')
			}
			b.WriteByte(l.s[l.i+1])
			l.i += 2
			continue
		case c == '\\' && esc == escapesAll:
			l.escape(&b)
			continue
		case fill == fillsBraces && (c == '{' || c == '}') && l.at(1) == c:
			l.i++
		case len(end) == 1 && closerOf(c) == end[0] && c != end[0]:
			depth++
		case len(end) == 1 && c == end[0]:
			depth--
		}
		b.WriteByte(c)
		l.i++
	}
	flush()
	return out
}

// escape decodes what a backslash starts.
func (l *codeLexer) escape(b *strings.Builder) {
	c := l.at(1)
	l.i = min(l.i+2, len(l.s))
	number := func(digits string, base, most int) {
		n := 0
		for n < len(digits) && n < most && strings.IndexByte("0123456789abcdefABCDEF"[:baseDigits(base)], digits[n]) >= 0 {
			n++
		}
		v, err := strconv.ParseUint(digits[:n], base, 32)
		if err != nil || v > utf8.MaxRune {
			return
		}
		b.WriteRune(rune(v))
		l.i += n
	}
	rest := l.s[l.i:]
	switch c {
	case 0, '\n':
	case 'n', 'r':
		b.WriteByte('\n')
	case 't':
		b.WriteByte('\t')
	case 'a', 'b', 'f', 'v':
	case 'x', 'u', 'U', 'N':
		if strings.HasPrefix(rest, "{") {
			l.i++
			number(rest[1:], 16, 8)
			if l.at(0) == '}' {
				l.i++
			}
			return
		}
		number(rest, 16, map[byte]int{'x': 2, 'u': 4, 'U': 8}[c])
	case '0', '1', '2', '3', '4', '5', '6', '7':
		l.i--
		if l.lang == langLua {
			number(l.s[l.i:], 10, 3)
			return
		}
		number(l.s[l.i:], 8, 3)
	default:
		if l.lang == langLua && isDigit(c) {
			l.i--
			number(l.s[l.i:], 10, 3)
			return
		}
		if l.lang == langPython && strings.IndexByte(`\'"`, c) < 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
}

func baseDigits(base int) int {
	if base == 16 {
		return 22
	}
	return base
}
