package guard

import "strings"

// filled returns the length of what a string is filled in with at this place, and its
// expression; 0 where there is nothing.
func (l *codeLexer) filled(fill fills) (n int, expr string) {
	c, d := l.at(0), l.at(1)
	switch {
	case fill == fillsBraces && c == '{' && d != '{':
		return l.braces(0)
	case fill == fillsDollar && c == '$' && d == '{',
		fill == fillsHash && c == '#' && d == '{':
		return l.braces(1)
	case fill == fillsSigil && l.lang == langPHP && c == '{' && d == '$':
		return l.braces(0)
	case fill == fillsSigil && c == '$' && d == '{':
		n, expr = l.braces(1)
		return n, "$" + expr
	case fill == fillsSigil && c == '@' && d == '{' && l.lang == langPerl:
		return l.braces(1)
	case fill == fillsSigil && (c == '$' || c == '@' && l.lang == langPerl) && isCodeName(d):
		n = l.variable()
		return n, l.s[l.i : l.i+n]
	}
	return 0, ""
}

// braces returns the length up to a closing brace, and what is in the braces.
func (l *codeLexer) braces(skip int) (int, string) {
	depth := 0
	for n := skip; l.i+n < len(l.s) && n < 4096; n++ {
		switch l.s[l.i+n] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return n + 1, l.s[l.i+skip+1 : l.i+n]
			}
		case '\n':
			if skip == 0 {
				return 0, ""
			}
		}
	}
	return 0, ""
}

// variable returns the length of $x, $x{y}, $x[0] and $x->{y} in a string.
func (l *codeLexer) variable() int {
	n := 1
	for isCodeName(l.at(n)) {
		n++
	}
	for {
		at := n
		if l.at(at) == '-' && l.at(at+1) == '>' && (l.at(at+2) == '{' || l.at(at+2) == '[') {
			at += 2
		}
		c := l.at(at)
		if c != '[' && (c != '{' || l.lang == langPHP) {
			return n
		}
		end := strings.IndexByte(l.s[l.i+at:], closerOf(c))
		if end < 0 || end > 64 || strings.ContainsAny(l.s[l.i+at+1:l.i+at+end], " \n[{(") {
			return n
		}
		n = at + end + 1
	}
}
