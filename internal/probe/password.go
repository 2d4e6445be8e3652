package probe

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"keeper/internal/core"
)

// maxPassword is how long a password may be.
const maxPassword = 4 << 10

// password returns the password that is set for a service, or nothing if none is.
// It is read each time: it may be changed while keeper runs, and is not to lie about
// in its memory.
func password(s core.Supervision) (string, error) {
	switch {
	case s.PasswordFile != "":
		return readPassword(s.PasswordFile)
	case s.Credential != "":
		dir := os.Getenv("CREDENTIALS_DIRECTORY") // systemd.exec(5), CREDENTIALS
		if dir == "" {
			return "", fmt.Errorf("keeper.service has no credential %q: add LoadCredential=%s:FILE to it, and restart it", s.Credential, s.Credential)
		}
		if s.Credential != filepath.Base(s.Credential) || strings.HasPrefix(s.Credential, ".") {
			return "", fmt.Errorf("%q cannot be the name of a credential", s.Credential)
		}
		return readPassword(filepath.Join(dir, s.Credential))
	}
	return "", nil
}

func readPassword(path string) (string, error) {
	// Not to wait for somebody at the other end of a FIFO.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", fmt.Errorf("cannot read the password: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", fmt.Errorf("cannot read the password: %w", err)
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("the password in %s is not read: that is no regular file", path)
	case info.Mode().Perm()&0o004 != 0:
		return "", fmt.Errorf("the password in %s is not used: anybody may read that file (chmod o= %s)", path, path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxPassword+1))
	if err != nil {
		return "", fmt.Errorf("cannot read the password: %w", err)
	}
	if len(text) > maxPassword {
		return "", fmt.Errorf("the password in %s is not used: it is longer than %d bytes", path, maxPassword)
	}
	if word := strings.TrimRight(string(text), "\r\n"); word != "" {
		return word, nil
	}
	return "", errors.New("there is no password in " + path)
}

// withoutPassword is for a service whose password cannot be had. Whether it lives
// can be told without; how ready it is cannot.
func withoutPassword(plain core.Outcome, err error) core.Outcome {
	if plain.Condition.Ready() {
		return unknown(err.Error())
	}
	return plain
}
