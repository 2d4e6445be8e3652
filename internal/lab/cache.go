// Package lab boots real Linux hosts on a development machine, as root, to try
// keeper on: Debian with systemd, logind and rootless Podman, and the demo
// stack in it.
package lab

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// cache holds what is expensive to make, one directory an artifact, named
// NAME-KEY where KEY is a digest of everything the artifact was made from. An
// artifact is built under a temporary name and renamed when it is whole, so a
// directory that has its final name can be trusted.
type cache struct {
	dir string
	say func(format string, args ...any)
}

// cacheDir returns ${XDG_CACHE_HOME:-~/.cache}/keeper-lab.
func cacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("cannot find a cache directory: %w (set XDG_CACHE_HOME)", err)
	}
	return filepath.Join(base, "keeper-lab"), nil
}

// digest is the key of an artifact: each input is counted with its length, so
// that no two lists of inputs run into one.
func digest(inputs ...string) string {
	h := sha256.New()
	for _, in := range inputs {
		fmt.Fprintf(h, "%d\n%s", len(in), in)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// digestFS is the digest of every file below root in fsys.
func digestFS(fsys fs.FS, root string) (string, error) {
	var inputs []string
	err := fs.WalkDir(fsys, root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(fsys, path)
		inputs = append(inputs, path, string(data))
		return err
	})
	return digest(inputs...), err
}

// ensure returns the directory of the artifact, building it first if it is not
// there. Two processes that want the same one wait for each other. The build
// gets an empty directory that only root can enter.
func (c *cache) ensure(name, key string, build func(dir string) error) (string, error) {
	final := filepath.Join(c.dir, name+"-"+key)
	if exists(final) {
		return final, nil
	}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return "", fmt.Errorf("cannot make the cache: %w", err)
	}
	lock, err := lockFile(filepath.Join(c.dir, name+".lock"), true)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if exists(final) {
		return final, nil
	}
	if err := c.sweep(name, final); err != nil {
		return "", err
	}
	// A name that no build had before: what a killed one started may still be
	// writing to its own.
	tmp, err := os.MkdirTemp(c.dir, name+"-"+key+".tmp")
	if err == nil {
		err = os.Chmod(tmp, 0o755)
	}
	if err != nil {
		return "", fmt.Errorf("cannot make a place to build %s in: %w", name, err)
	}
	if err := build(tmp); err != nil {
		return "", errors.Join(fmt.Errorf("cannot build %s: %w", name, err), os.RemoveAll(tmp))
	}
	if err := os.Rename(tmp, final); err != nil {
		return "", fmt.Errorf("cannot put %s in the cache: %w", name, err)
	}
	return final, nil
}

// sweep removes what earlier builds of the artifact left: halves always, and
// whole ones of another key while no host runs that could stand on them.
func (c *cache) sweep(name, keep string) error {
	entries, err := filepath.Glob(filepath.Join(c.dir, name+"-*"))
	if err != nil {
		return err
	}
	hosts, err := List()
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e == keep || (!strings.Contains(filepath.Base(e), ".tmp") && len(hosts) > 0) {
			continue
		}
		if err := os.RemoveAll(e); err != nil {
			return fmt.Errorf("cannot clear the cache: %w", err)
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// errLocked says that another process holds the lock.
var errLocked = errors.New("locked by another process")

// lockFile takes an exclusive lock on the file, which it makes if need be. The
// kernel drops the lock with the last descriptor, so a crash cannot leave one.
func lockFile(path string, wait bool) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	how := unix.LOCK_EX
	if !wait {
		how |= unix.LOCK_NB
	}
	for {
		err = unix.Flock(int(f.Fd()), how)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w", path, errLocked)
		}
		return nil, fmt.Errorf("cannot lock %s: %w", path, err)
	}
	return f, nil
}
