package guard

import "strings"

// codeLang is a language whose one-line programs are read. They are read alike: what
// is looked for are strings, lists, names, and the calls that those stand in.
type codeLang int

const (
	langPython codeLang = iota
	langPerl
	langRuby
	langNode
	langPHP
	langLua
	langAwk
	langR
)

const (
	// maxCode is how much of one program is read, and maxCodeTokens how many tokens.
	maxCode       = 256 << 10
	maxCodeTokens = 60000
)

type codeKind byte

const (
	tName  codeKind = iota // a name, with its sigil
	tNum                   // a number
	tStr                   // a string, in parts
	tCmd                   // a string that is run: backticks, qx, %x
	tWords                 // a list of words: qw, %w
	tPunct                 // anything else
	tEnd                   // the end of a line, or a semicolon
)

// codeToken is one token. space says that a blank stands before it.
type codeToken struct {
	kind  codeKind
	text  string
	parts []codePart
	space bool
}

// codePart is a piece of a string: text, or an expression that it is filled in with.
type codePart struct {
	text string
	expr bool
}

type codeLexer struct {
	lang codeLang
	s    string
	i    int
	out  []codeToken
	// after is where the line goes on that follows the bodies of heredocs, 0 for none.
	after int
}

// lexCode returns the tokens of a program. It takes any text: what cannot be told
// apart comes as single signs.
func lexCode(lang codeLang, text string) []codeToken {
	if len(text) > maxCode {
		text = text[:maxCode]
	}
	l := &codeLexer{lang: lang, s: text, out: make([]codeToken, 0, len(text)/4+8)}
	for l.i < len(l.s) && len(l.out) < maxCodeTokens {
		at := l.i
		l.next()
		if l.i <= at {
			l.i = at + 1
		}
	}
	return l.out
}

// at returns the sign n after the present one, or 0.
func (l *codeLexer) at(n int) byte {
	if l.i+n < len(l.s) {
		return l.s[l.i+n]
	}
	return 0
}

func (l *codeLexer) emit(kind codeKind, text string, from int) {
	l.put(codeToken{kind: kind, text: text}, from)
}

func (l *codeLexer) put(t codeToken, from int) {
	t.space = from > 0 && (l.s[from-1] == ' ' || l.s[from-1] == '\t' || l.s[from-1] == '\n')
	l.out = append(l.out, t)
}

func (l *codeLexer) next() {
	c, from := l.s[l.i], l.i
	switch {
	case c == '\n':
		l.i++
		if l.after > from {
			l.i, l.after = l.after, 0
		}
		l.emit(tEnd, "\n", from)
	case c == ';':
		l.i++
		l.emit(tEnd, ";", from)
	case c == ' ' || c == '\t' || c == '\r':
		l.i++
	case c == '\\' && l.at(1) == '\n':
		l.i += 2
	case l.comment():
	case l.literal():
	case isCodeName(c) && !isDigit(c) || l.sigil():
		l.i++
		for isCodeName(l.at(0)) {
			l.i++
		}
		text := l.s[from:l.i]
		if l.lang == langRuby && (l.at(0) == '!' || l.at(0) == '?') && l.at(1) != '=' {
			l.i++
		}
		l.emit(tName, text, from)
	case isDigit(c):
		for isCodeName(l.at(0)) || l.at(0) == '.' && isDigit(l.at(1)) {
			l.i++
		}
		l.emit(tNum, strings.ReplaceAll(l.s[from:l.i], "_", ""), from)
	default:
		l.i += l.sign()
		l.emit(tPunct, l.s[from:l.i], from)
	}
}

// isCodeName says that a sign may stand in a name. All that is not ASCII may, the marks
// for what cannot be known among it.
func isCodeName(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || isDigit(c) || c >= 0x80
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// sigil says that a name with a sigil starts here: $x, @x, %x, and Perl's $_ and $0.
func (l *codeLexer) sigil() bool {
	c, d := l.at(0), l.at(1)
	switch l.lang {
	case langPerl:
		return c == '$' && (isCodeName(d) || d == '#') || (c == '@' || c == '%' && !l.afterValue()) && isCodeName(d) && !isDigit(d)
	case langPHP, langAwk, langNode:
		return c == '$' && (isCodeName(d) || l.lang == langNode)
	case langRuby:
		return (c == '$' || c == '@') && (isCodeName(d) || d == '@')
	}
	return false
}

// sign is the length of the sign that stands here.
func (l *codeLexer) sign() int {
	rest := l.s[l.i:]
	for _, s := range [...]string{"...", "<=>", "===", "!==", "**=", "||=", "&&=", "??=", "//="} {
		if strings.HasPrefix(rest, s) {
			return 3
		}
	}
	if len(rest) < 2 {
		return 1
	}
	switch rest[:2] {
	case "->", "=>", "..", "?.", "==", "!=", "<=", ">=", "+=", "-=", "*=", ".=", "&&", "||", "**", "=~", "!~", ":=", "<-", "&.", "??", "?:", "<<", ">>":
		return 2
	case "::":
		if l.lang != langPython && l.lang != langNode {
			return 2
		}
	case "//":
		return 2
	}
	return 1
}

// comment passes over a comment.
func (l *codeLexer) comment() bool {
	c, d := l.at(0), l.at(1)
	var end string
	switch {
	case c == '#' && (l.lang != langNode && l.lang != langLua || l.i == 0 && d == '!'):
		end = "\n"
	case c == '/' && d == '/' && (l.lang == langNode || l.lang == langPHP):
		end = "\n"
	case c == '/' && d == '*' && (l.lang == langNode || l.lang == langPHP):
		end = "*/"
	case c == '-' && d == '-' && l.lang == langLua:
		end = "\n"
		if strings.HasPrefix(l.s[l.i+2:], "[[") {
			end = "]]"
		}
	case c == '=' && l.lang == langRuby && strings.HasPrefix(l.s[l.i:], "=begin\n") && (l.i == 0 || l.s[l.i-1] == '\n'):
		end = "\n=end"
	case c == '<' && l.lang == langPHP && strings.HasPrefix(l.s[l.i:], "<?"):
		l.i += 2
		if strings.HasPrefix(l.s[l.i:], "php") {
			l.i += 3
		}
		return true
	default:
		return false
	}
	n := strings.Index(l.s[l.i:], end)
	switch {
	case n < 0:
		l.i = len(l.s)
	case end == "\n":
		l.i += n // the end of the line says something of its own
	default:
		l.i += n + len(end)
	}
	return true
}

// afterValue says that the last token ends a value, so that / divides and % takes the
// remainder, and neither starts something that is quoted.
func (l *codeLexer) afterValue() bool {
	if len(l.out) == 0 {
		return false
	}
	switch t := l.out[len(l.out)-1]; t.kind {
	case tPunct:
		return t.text == ")" || t.text == "]" || t.text == "}"
	case tEnd:
		return false
	case tName:
		switch t.text {
		case "return", "typeof", "case", "if", "unless", "and", "or", "not", "when", "while", "until", "split", "grep", "match", "puts", "print", "p", "join", "map", "in", "of", "await", "yield", "system", "exec", "say", "push", "require":
			return false
		}
	}
	return true
}
