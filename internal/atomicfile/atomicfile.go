// Package atomicfile writes small files so that a reader, a crash or a power
// cut finds the old content or the new and nothing between.
package atomicfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// WriteJSON writes v to the file, readable by its owner only. The directory is
// made if it is missing.
func WriteJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return Write(path, append(data, '\n'))
}

// Write replaces the content of the file, readable by its owner only. The
// directory is made if it is missing.
func Write(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return Replace(path, data, 0o600)
}

// Replace replaces the file, in a directory that is there, by one with this
// content and mode. A symbolic link is replaced, and not followed.
func Replace(path string, data []byte, mode os.FileMode) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(data)
	if err == nil && mode != 0o600 { // as it was made
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	sweep(path)
	d, derr := os.Open(dir)
	if derr != nil {
		return nil // written; only its survival of a power cut is less sure
	}
	_ = d.Sync()
	return d.Close()
}

// halfAge is how old the half of a write is when nobody is at it any more.
const halfAge = time.Minute

// sweep removes what writers of the file left that were killed half-way. What
// it cannot remove harms nobody.
func sweep(path string) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return
	}
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), "."+filepath.Base(path)+".")
		if !ok || strings.Trim(rest, "0123456789") != "" {
			continue
		}
		if fi, err := e.Info(); err == nil && time.Since(fi.ModTime()) > halfAge {
			_ = os.Remove(filepath.Join(filepath.Dir(path), e.Name()))
		}
	}
}
