package guard

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// dialect is whose SQL a text is: they differ in quotes, comments, and in what the
// client itself makes of a line.
type dialect int

const (
	plainSQL dialect = iota // in a program: no client looks at it
	psqlSQL
	mysqlSQL
	sqliteSQL
)

type sqlKind byte

const (
	sqlEnd    sqlKind = iota // of the text
	sqlBreak                 // of a statement
	sqlWord                  // a keyword or name, with its marks
	sqlQuoted                // a name in quotes
	sqlString                // a string, decoded
	sqlNumber
	sqlOp   // anything else, one operator
	sqlMeta // a command for the client: \i FILE, its text is "i FILE"
)

type sqlToken struct {
	kind sqlKind
	text string
}

// is says that it is one of these keywords.
func (t sqlToken) is(words ...string) bool {
	if t.kind != sqlWord {
		return false
	}
	for _, w := range words {
		if strings.EqualFold(t.text, w) {
			return true
		}
	}
	return false
}

func (t sqlToken) op(text string) bool { return t.kind == sqlOp && t.text == text }

// unknown says that nothing of it is known.
func (t sqlToken) unknown() bool { return t.kind == sqlWord && onlyMarks(t.text) }

// onlyMarks says that a text has marks, and besides them nothing but blanks.
func onlyMarks(text string) bool {
	return open(text) && strings.Trim(text, holeWord+taintWord+" \t\r\n;") == ""
}

// sqlLexer takes a text apart, as psql(1) does it before it sends a statement.
type sqlLexer struct {
	text string
	at   int
	of   dialect
	// vars are psql's variables: a text may name its verb by one.
	vars map[string]string
	// delimiter ends statements in mysql, which lets it be changed.
	delimiter string
	// rows says that the data of a COPY follows at the next line, endless that no row
	// ends it: it is looked for once.
	rows, endless bool
	// ahead are tokens of variables that were put in, and spliced is how much that was:
	// no more than is sane.
	ahead   []sqlToken
	spliced int
}

func (l *sqlLexer) rest() string { return l.text[l.at:] }

// upTo takes everything before the next end, and skips that.
func (l *sqlLexer) upTo(end string) string {
	rest := l.rest()
	n := strings.Index(rest, end)
	if n < 0 {
		l.at = len(l.text)
		return rest
	}
	l.at += n + len(end)
	return rest[:n]
}

// blank skips blanks and comments. PostgreSQL's nest: /* /* */ still inside */.
func (l *sqlLexer) blank() {
	for l.at < len(l.text) {
		rest := l.rest()
		switch {
		case rest[0] == '\n':
			l.at++
			if l.rows {
				l.rows = false
				l.skipRows()
			}
			if l.of == mysqlSQL {
				l.mysqlLine()
			}
		case rest[0] <= ' ':
			l.at++
		case strings.HasPrefix(rest, "--"), l.of == mysqlSQL && rest[0] == '#':
			n := strings.IndexByte(rest, '\n')
			if n < 0 {
				n = len(rest)
			}
			l.at += n
		case strings.HasPrefix(rest, "/*!") && l.of == mysqlSQL:
			// MySQL runs what stands in such a comment, from a version on.
			l.at += 3
			for l.at < len(l.text) && (l.text[l.at] >= '0' && l.text[l.at] <= '9' || l.text[l.at] == 'M') {
				l.at++
			}
		case strings.HasPrefix(rest, "*/") && l.of == mysqlSQL:
			l.at += 2
		case strings.HasPrefix(rest, "/*"):
			l.comment()
		default:
			return
		}
	}
}

func (l *sqlLexer) comment() {
	l.at += 2
	for depth := 1; depth > 0 && l.at < len(l.text); {
		switch rest := l.rest(); {
		case strings.HasPrefix(rest, "*/"):
			depth--
			l.at += 2
		case strings.HasPrefix(rest, "/*") && l.of != mysqlSQL && l.of != sqliteSQL:
			depth++
			l.at += 2
		default:
			l.at++
		}
	}
}

// skipRows goes behind the rows of COPY ... FROM STDIN, which end with a line "\.".
// Where there is no such line they are read as SQL: that is what psql does with them
// when the COPY fails.
func (l *sqlLexer) skipRows() {
	rest := l.rest()
	if strings.HasPrefix(rest, `\.`) {
		l.at += 2
		return
	}
	if l.endless {
		return
	}
	if n := strings.Index(rest, "\n\\."); n >= 0 {
		l.at += n + 3
	} else {
		l.endless = true
	}
}

// mysqlLine takes "DELIMITER //" at the start of a line, which is mysql's own.
func (l *sqlLexer) mysqlLine() {
	for {
		word, _, _ := strings.Cut(l.rest()[:min(len(l.rest()), 11)], " ")
		if !strings.EqualFold(word, "delimiter") {
			return
		}
		l.at += len(word)
		l.delimiter = strings.TrimSpace(l.upTo("\n"))
	}
}

// next is the next token.
func (l *sqlLexer) next() sqlToken {
	if len(l.ahead) > 0 {
		t := l.ahead[0]
		l.ahead = l.ahead[1:]
		return t
	}
	if l.at == 0 && l.of == mysqlSQL {
		l.mysqlLine()
	}
	l.blank()
	if l.at >= len(l.text) {
		return sqlToken{}
	}
	rest := l.rest()
	first := rest[0]
	r, size := utf8.DecodeRuneInString(rest)
	switch {
	case l.delimiter != "" && l.delimiter != ";":
		if strings.HasPrefix(rest, l.delimiter) {
			l.at += len(l.delimiter)
			return sqlToken{sqlBreak, ";"}
		}
		if first == ';' {
			l.at++
			return sqlToken{sqlOp, ";"}
		}
	case first == ';':
		l.at++
		return sqlToken{sqlBreak, ";"}
	}
	switch {
	case first == '\'':
		l.at++
		return sqlToken{sqlString, l.quoted('\'', l.of == mysqlSQL)}
	case first == '"':
		l.at++
		if l.of == mysqlSQL {
			return sqlToken{sqlString, l.quoted('"', true)}
		}
		return sqlToken{sqlQuoted, l.quoted('"', false)}
	case first == '`':
		l.at++
		return sqlToken{sqlQuoted, l.quoted('`', false)}
	case len(rest) > 1 && rest[1] == '\'' && strings.IndexByte("eEbBxXnN", first) >= 0:
		l.at += 2
		return sqlToken{sqlString, l.quoted('\'', first|0x20 == 'e' || l.of == mysqlSQL)}
	case len(rest) > 2 && first|0x20 == 'u' && rest[1] == '&' && (rest[2] == '\'' || rest[2] == '"'):
		l.at += 3
		kind := sqlString
		if rest[2] == '"' {
			kind = sqlQuoted
		}
		return sqlToken{kind, l.quoted(rest[2], false)}
	case first == '$':
		return l.dollar(rest)
	case first == '\\' && (l.of == psqlSQL || l.of == mysqlSQL):
		return l.meta()
	case first == ':' && l.of == psqlSQL:
		return l.variable(rest)
	case first >= '0' && first <= '9':
		n := 1
		for n < len(rest) && (rest[n] >= '0' && rest[n] <= '9' || rest[n] == '.') {
			n++
		}
		l.at += n
		return sqlToken{sqlNumber, rest[:n]}
	case inSQLName(r):
		return sqlToken{sqlWord, l.name()}
	}
	for _, op := range [...]string{"<>", "!=", "<=", ">=", "||", "::", ":=", "=>", "->"} {
		if strings.HasPrefix(rest, op) {
			l.at += len(op)
			return sqlToken{sqlOp, op}
		}
	}
	l.at += size
	return sqlToken{sqlOp, rest[:size]}
}

// inSQLName says whether a letter can be in a name. The marks are letters here, and so
// are the placeholders of programs, ? and @name.
func inSQLName(r rune) bool {
	return r == '_' || r == '@' || r == '?' || r == hole || r == taint || unicode.IsLetter(r)
}

func (l *sqlLexer) name() string {
	rest := l.rest()
	n := 0
	for n < len(rest) {
		r, size := utf8.DecodeRuneInString(rest[n:])
		if !inSQLName(r) && r != '$' && (r < '0' || r > '9') {
			break
		}
		n += size
	}
	l.at += n
	return rest[:n]
}

// quoted takes the rest of a quoted text. The quote is doubled to stand for itself;
// escapes says that a backslash escapes, as in E'...' and in MySQL.
func (l *sqlLexer) quoted(quote byte, escapes bool) string {
	var out strings.Builder
	for l.at < len(l.text) {
		b := l.text[l.at]
		l.at++
		switch {
		case b == quote && l.at < len(l.text) && l.text[l.at] == quote:
			out.WriteByte(quote)
			l.at++
		case b == quote:
			return out.String()
		case b == '\\' && escapes && l.at < len(l.text):
			l.escape(&out)
		default:
			out.WriteByte(b)
		}
	}
	return out.String()
}

func (l *sqlLexer) escape(out *strings.Builder) {
	b := l.text[l.at]
	digits, base := 0, 16
	switch b {
	case 'n':
		out.WriteByte('\n')
	case 't':
		out.WriteByte('\t')
	case 'r':
		out.WriteByte('\r')
	case 'x':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	case '0', '1', '2', '3', '4', '5', '6', '7':
		digits, base = 3, 8
		l.at--
	default:
		out.WriteByte(b)
	}
	l.at++
	n := 0
	for n < digits && l.at+n < len(l.text) {
		if _, err := strconv.ParseUint(l.text[l.at+n:l.at+n+1], base, 8); err != nil {
			break
		}
		n++
	}
	if n > 0 {
		code, _ := strconv.ParseUint(l.text[l.at:l.at+n], base, 32)
		out.WriteRune(rune(code)) // what is no rune becomes U+FFFD
		l.at += n
	}
}

// dollar takes $tag$ ... $tag$, or $1.
func (l *sqlLexer) dollar(rest string) sqlToken {
	n := 1
	for n < len(rest) {
		r, size := utf8.DecodeRuneInString(rest[n:])
		if r != '_' && !unicode.IsLetter(r) && (n == 1 || r < '0' || r > '9') {
			break
		}
		n += size
	}
	if n < len(rest) && rest[n] == '$' {
		l.at += n + 1
		return sqlToken{sqlString, l.upTo(rest[:n+1])}
	}
	l.at++
	for l.at < len(l.text) && l.text[l.at] >= '0' && l.text[l.at] <= '9' {
		l.at++
	}
	return sqlToken{sqlWord, l.text[len(l.text)-len(rest) : l.at]}
}

// meta takes a command of the client. It ends with the line, or where another one
// begins; \! and \copy have all of the line.
func (l *sqlLexer) meta() sqlToken {
	l.at++
	rest := l.rest()
	n := strings.IndexFunc(rest, func(r rune) bool { return !unicode.IsLetter(r) || open(string(r)) })
	if n < 0 {
		n = len(rest)
	}
	if n == 0 && rest != "" {
		_, n = utf8.DecodeRuneInString(rest)
	}
	if l.of == mysqlSQL {
		n = min(n, 1) // \G, \! and the rest have one letter there
	}
	name := rest[:n]
	l.at += n
	if name == ";" || l.of == mysqlSQL && (name == "g" || name == "G") {
		return sqlToken{sqlBreak, ";"}
	}
	if name == "" || name == `\` {
		return sqlToken{sqlBreak, ""}
	}
	line := l.rest()
	if end := strings.IndexByte(line, '\n'); end >= 0 {
		line = line[:end]
	}
	if name != "!" && name != "copy" {
		var quote byte
		for i := range len(line) {
			switch b := line[i]; {
			case quote != 0:
				if b == quote {
					quote = 0
				}
				continue
			case b == '\'' || b == '"' || b == '`':
				quote = b
				continue
			case b != '\\':
				continue
			}
			line = line[:i]
			break
		}
	}
	l.at += len(line)
	return sqlToken{sqlMeta, name + " " + strings.TrimSpace(line)}
}

// variable puts in what psql puts in for :name, :'name' and :"name".
func (l *sqlLexer) variable(rest string) sqlToken {
	for _, op := range [...]string{"::", ":="} {
		if strings.HasPrefix(rest, op) {
			l.at += 2
			return sqlToken{sqlOp, op}
		}
	}
	l.at++
	kind := sqlWord
	var name string
	switch {
	case l.at < len(l.text) && (l.text[l.at] == '\'' || l.text[l.at] == '"'):
		kind = sqlString
		if l.text[l.at] == '"' {
			kind = sqlQuoted
		}
		quote := l.text[l.at : l.at+1]
		l.at++
		name = l.upTo(quote)
	default:
		if r, _ := utf8.DecodeRuneInString(l.rest()); !inSQLName(r) {
			return sqlToken{sqlOp, ":"}
		}
		name = l.name()
	}
	value, known := l.vars[name]
	switch {
	case !known && kind == sqlWord:
		return sqlToken{sqlWord, holeWord}
	case !known:
		return sqlToken{kind, holeWord}
	case kind != sqlWord:
		return sqlToken{kind, value}
	}
	if l.spliced += len(value) + 1; l.spliced > 1<<16 {
		return sqlToken{sqlWord, holeWord}
	}
	// psql does not look for variables in what it puts in.
	in := sqlLexer{text: value, of: l.of}
	for t := in.next(); t.kind != sqlEnd; t = in.next() {
		l.ahead = append(l.ahead, t)
	}
	return l.next()
}
