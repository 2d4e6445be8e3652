// Package redact takes out of a command line, or of a line of a log, what looks like
// a password, a token or a key. It computes, and does nothing else.
//
// It looks at names, not at values: --password=X, PGPASSWORD=X, "token": "X",
// Authorization: Bearer X, scheme://user:X@host, mysql -pX, and the few tokens that
// say by their first letters what they are. Rather too much is taken out than too
// little, and still a secret that is named like none stays. A value with spaces that
// somebody wrote without its quotes, as sudo does, loses its first word only.
package redact

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// mask takes the place of a secret. It is cut where the secret is shorter, so that
// a line never grows.
const mask = "***"

// String returns the line without its secrets. It is never longer than the line, and
// the same again when it is given what it returned.
func String(line string) string {
	var b strings.Builder
	b.Grow(len(line))
	s := scanner{}
	for len(line) > 0 {
		if n := spaces(line); n > 0 {
			b.WriteString(line[:n])
			line = line[n:]
			continue
		}
		kept, secret := s.word(line)
		b.WriteString(kept)
		rest := line[secret.from:]
		b.WriteString(masked(rest[:secret.len]))
		line = rest[secret.len:]
	}
	return b.String()
}

// part is a piece of a line.
type part struct{ from, len int }

// scanner goes through a line word by word.
type scanner struct {
	// next says that the next word is a secret, of is what kind of program has the
	// words from here on.
	next bool
	of   tool
	// authorization: a word such as Bearer may come before the secret.
	scheme bool
	// pair says that the next word is NAME:PASSWORD.
	pair bool
}

// word looks at the word that the line begins with: what of it is kept, and which
// part of the line after that is a secret. What is neither comes again.
func (s *scanner) word(line string) (kept string, secret part) {
	end := strings.IndexFunc(line, unicode.IsSpace)
	if end < 0 {
		end = len(line)
	}
	word := line[:end]
	bare := strings.Trim(word, `"'`)
	switch {
	case s.next && s.scheme && schemes[strings.ToLower(bare)]:
		s.scheme = false
		return word, part{from: end}
	case s.next:
		s.next, s.scheme = false, false
		return "", part{len: value(line)}
	case s.pair:
		s.pair = false
		if at := strings.IndexByte(word, ':'); at >= 0 {
			return word[:at+1], part{from: at + 1, len: end - at - 1}
		}
	}
	if at, n, after := named(line, end); n > 0 {
		return hidden(word[:at]), part{from: at, len: n}
	} else if after {
		s.next, s.scheme = true, true
		return hidden(word), part{from: end}
	}
	if schemes[strings.ToLower(bare)] && strings.EqualFold(bare, "bearer") {
		s.next = true
		return word, part{from: end}
	}
	if strings.HasPrefix(bare, "-") {
		if flagNames(bare) {
			s.next = follows(line[end:])
			return word, part{from: end}
		}
		if at := s.flag(word, line[end:]); at > 0 {
			return word[:at], part{from: at, len: end - at}
		}
	} else {
		s.of.is(bare)
	}
	return hidden(word), part{from: end}
}

// follows says whether something comes that is no flag.
func follows(rest string) bool {
	rest = strings.TrimLeftFunc(rest, unicode.IsSpace)
	return rest != "" && rest[0] != '-'
}

// named finds the first NAME=SECRET or NAME:SECRET in the first word of the line.
// after says that the secret is the next word.
func named(line string, end int) (at, n int, after bool) {
	for i := range end {
		if line[i] != '=' && line[i] != ':' {
			continue
		}
		name := strings.TrimRight(line[:i], `"'`)
		from := strings.LastIndexFunc(name, func(r rune) bool { return !inName(r) })
		if from >= 0 {
			_, size := utf8.DecodeRuneInString(name[from:])
			from += size
		} else {
			from = 0
		}
		name = name[from:]
		if !secretive(name) || strings.HasPrefix(line[i:], "://") {
			continue
		}
		if i+1 == end {
			// NAME= and nothing is an empty value.
			return 0, 0, line[i] == ':'
		}
		return i + 1, value(line[i+1:]), false
	}
	return 0, 0, false
}

func inName(r rune) bool {
	return r == '-' || r == '_' || r == '.' || r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

// value is how long the value is that the line begins with: to the next space, or
// from a quote to its end and then to the next space.
func value(line string) int {
	from := 0
	if q := line[0]; q == '"' || q == '\'' {
		from = len(line)
		for i := 1; i < len(line); i++ {
			if line[i] == '\\' {
				i++
			} else if line[i] == q {
				from = i + 1
				break
			}
		}
	}
	if n := strings.IndexFunc(line[from:], unicode.IsSpace); n >= 0 {
		return from + n
	}
	return len(line)
}

// flagNames says whether the flag's own name says that a secret follows.
func flagNames(flag string) bool {
	name := strings.TrimLeft(flag, "-")
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool { return !inName(r) }) && secretive(name)
}

// Parts of names whose value is a secret, without - and _; what may be a word of its
// own only, as PASS in DB_PASS; and how the names of what merely leads to one end.
var (
	within  = []string{"password", "passwd", "passphrase", "secret", "token", "credential", "apikey", "accesskey", "privatekey", "authorization", "connectionstring"}
	alone   = map[string]bool{"pass": true, "pwd": true, "pw": true, "auth": true, "cookie": true}
	leading = []string{"file", "stdin", "path", "dir", "fd", "env", "command", "cmd", "program", "prompt", "id"}
)

// secretive says whether what has this name is a secret.
func secretive(name string) bool {
	if name == "PWD" || name == "OLDPWD" {
		return false // directories, which sudo writes into each of its lines
	}
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return r == '-' || r == '_' || r == '.' })
	if len(words) == 0 {
		return false
	}
	last := words[len(words)-1]
	for _, l := range leading {
		if last == l {
			return false
		}
	}
	for _, w := range words {
		if alone[w] {
			return true
		}
	}
	joined := strings.Join(words, "")
	if strings.HasSuffix(joined, "pass") {
		return true // requirepass, SSHPASS
	}
	for _, w := range within {
		if strings.Contains(joined, w) {
			return true
		}
	}
	return false
}

var schemes = map[string]bool{"bearer": true, "basic": true, "token": true, "digest": true, "negotiate": true}

func spaces(line string) int {
	n := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsSpace(r) })
	if n < 0 {
		return len(line)
	}
	return n
}

func masked(secret string) string { return mask[:min(len(mask), len(secret))] }
