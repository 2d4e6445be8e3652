// Package secret reads passwords, tokens and addresses that nobody else may see, from
// files and from systemd credentials. They are read each time: they may be changed while
// keeper runs, and are not to lie about in its memory.
package secret

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// most is how long a secret may be.
const most = 4 << 10

// File returns what is in a file, without the end of its line. One that everybody may
// read is refused. what is what it is called in errors: the password.
func File(path, what string) (string, error) {
	// Not to wait for somebody at the other end of a FIFO.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", fmt.Errorf("cannot read the %s: %w", what, err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", fmt.Errorf("cannot read the %s: %w", what, err)
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("the %s in %s is not read: that is no regular file", what, path)
	case info.Mode().Perm()&0o004 != 0:
		return "", fmt.Errorf("the %s in %s is not used: anybody may read that file (chmod o= %s)", what, path, path)
	}
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return "", fmt.Errorf("cannot read the %s: %w", what, err)
	}
	if len(text) > most {
		return "", fmt.Errorf("the %s in %s is not used: it is longer than %d bytes", what, path, most)
	}
	if word := strings.TrimRight(string(text), "\r\n"); word != "" {
		return word, nil
	}
	return "", errors.New("there is no " + what + " in " + path)
}

// Credential returns a systemd credential of keeper.service (systemd.exec(5), CREDENTIALS).
func Credential(name, what string) (string, error) {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return "", fmt.Errorf("keeper.service has no credential %q: add LoadCredential=%s:FILE to it, and restart it", name, name)
	}
	if name != filepath.Base(name) || strings.HasPrefix(name, ".") {
		return "", fmt.Errorf("%q cannot be the name of a credential", name)
	}
	return File(filepath.Join(dir, name), what)
}
