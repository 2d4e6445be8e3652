package alert

import (
	"net/url"
	"strings"
	"unicode"

	"keeper/internal/core"
	"keeper/internal/secret"
)

// read returns the text of a secret, or nothing if none is set.
func read(s core.Secret) (string, error) {
	text, err := s.Plain, error(nil)
	switch {
	case s.File != "":
		text, err = secret.File(s.File, "secret")
	case s.Credential != "":
		text, err = secret.Credential(s.Credential, "secret")
	}
	return strings.TrimSpace(text), err
}

// redact takes secrets out of what a library or somebody at the other end says: the
// words themselves, and the parts of an address.
func redact(s string, secrets ...string) string {
	for _, word := range secrets {
		if word == "" {
			continue
		}
		s = strings.ReplaceAll(s, word, "…")
		u, err := url.Parse(word)
		if err != nil {
			continue
		}
		parts := []string{u.RequestURI(), u.Path, u.RawPath, u.EscapedPath(), u.RawQuery, u.User.String(), u.User.Username(), u.Fragment}
		if u.Scheme != "http" && u.Scheme != "https" {
			parts = append(parts, u.Host) // slack://TOKEN@…, ntfy://TOPIC
		}
		if password, ok := u.User.Password(); ok {
			parts = append(parts, password)
		}
		for _, values := range u.Query() {
			parts = append(parts, values...)
		}
		parts = append(parts, strings.Split(u.Path, "/")...)
		for _, p := range parts {
			if len(p) >= 4 {
				s = strings.ReplaceAll(s, p, "…")
			}
		}
	}
	return line(s)
}

// line makes one short line of text that somebody else wrote.
func line(s string) string {
	const most = 300
	r := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s))
	if len(r) > most {
		r = append(r[:most], '…')
	}
	return strings.TrimSpace(string(r))
}
