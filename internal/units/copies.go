package units

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"keeper/internal/atomicfile"
	"keeper/internal/core"
)

// Copies keeps a copy of each Quadlet file that a running service was made
// from. A file that is deleted or emptied changes nothing at once; at the next
// start of the user manager its service would be missing.
type Copies struct{ Dir string }

// sourceMost is far above the size of any Quadlet file.
const sourceMost = 1 << 20

// Keep copies what is new, and returns the files that are lost: there is a copy,
// and the file is gone or empty. The copy of a service that was stopped goes: if
// its file goes as well, that is on purpose.
func (c Copies) Keep(units []core.Unit) ([]core.LostFile, error) {
	var all error
	for _, u := range units {
		switch {
		case !u.Runs() || u.Stale:
		case u.Active == "active":
			all = errors.Join(all, c.keep(u.Source))
		case u.Active == "inactive":
			if err := os.Remove(c.path(u.Source)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				all = errors.Join(all, err)
			}
		}
	}
	lost, err := c.Lost()
	return lost, errors.Join(all, err)
}

func (c Copies) path(source string) string { return filepath.Join(c.Dir, url.PathEscape(source)) }

func (c Copies) keep(source string) error {
	data, _ := read(source)
	if len(data) == 0 {
		return nil // gone or emptied: that is what the copy is for
	}
	if old, err := read(c.path(source)); err == nil && bytes.Equal(old, data) {
		return nil
	}
	if err := atomicfile.Write(c.path(source), data); err != nil {
		return fmt.Errorf("cannot keep a copy of %s: %w", source, err)
	}
	return nil
}

// Lost returns the files that there is a copy of, and that are gone or empty.
func (c Copies) Lost() ([]core.LostFile, error) {
	entries, err := os.ReadDir(c.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot look for lost Quadlet files: %w", err)
	}
	var lost []core.LostFile
	for _, e := range entries {
		source, err := url.PathUnescape(e.Name())
		if err != nil || !filepath.IsAbs(source) || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		fi, err := os.Stat(source)
		switch {
		case err == nil && fi.Size() > 0, err != nil && !errors.Is(err, fs.ErrNotExist):
		default:
			lost = append(lost, core.LostFile{Source: source, Copy: c.path(source)})
		}
	}
	return lost, nil
}

// read reads a file of a size that a Quadlet file may have.
func read(path string) ([]byte, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() || fi.Size() > sourceMost {
		return nil, fmt.Errorf("%s is no Quadlet file", path)
	}
	return os.ReadFile(path)
}
