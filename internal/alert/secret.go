package alert

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unicode"

	"keeper/internal/core"
)

// maxSecret is how long an address or a token may be.
const maxSecret = 4 << 10

// read returns the text of a secret, or nothing if none is set. It is read each time:
// it may be changed while keeper runs, and is not to lie about in its memory.
func read(s core.Secret) (string, error) {
	switch {
	case s.File != "":
		return readFile(s.File)
	case s.Credential != "":
		dir := os.Getenv("CREDENTIALS_DIRECTORY") // systemd.exec(5), CREDENTIALS
		if dir == "" {
			return "", fmt.Errorf("keeper.service has no credential %q: add LoadCredential=%s:FILE to it, and restart it", s.Credential, s.Credential)
		}
		if s.Credential != filepath.Base(s.Credential) || strings.HasPrefix(s.Credential, ".") {
			return "", fmt.Errorf("%q cannot be the name of a credential", s.Credential)
		}
		return readFile(filepath.Join(dir, s.Credential))
	}
	return s.Plain, nil
}

func readFile(path string) (string, error) {
	// Not to wait for somebody at the other end of a FIFO.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", fmt.Errorf("cannot read the secret: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", fmt.Errorf("cannot read the secret: %w", err)
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("the secret in %s is not read: that is no regular file", path)
	case info.Mode().Perm()&0o004 != 0:
		return "", fmt.Errorf("the secret in %s is not used: anybody may read that file (chmod o= %s)", path, path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", fmt.Errorf("cannot read the secret: %w", err)
	}
	if len(text) > maxSecret {
		return "", fmt.Errorf("the secret in %s is not used: it is longer than %d bytes", path, maxSecret)
	}
	if word := strings.TrimSpace(string(text)); word != "" {
		return word, nil
	}
	return "", errors.New("there is nothing in " + path)
}

// redact takes secrets out of what a library or somebody at the other end says: the
// words themselves, and the parts of an address.
func redact(s string, secrets ...string) string {
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		s = strings.ReplaceAll(s, secret, "…")
		u, err := url.Parse(secret)
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
