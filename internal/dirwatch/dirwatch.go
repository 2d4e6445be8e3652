// Package dirwatch tells of what happens in a directory that need not be there
// yet. What it tells is a hint: the truth is what is looked at then.
package dirwatch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/fsnotify/fsnotify"
)

// Dir calls touched with the name of whatever in dir comes, goes, is replaced or
// written, and with an empty name at first and when dir itself comes or goes,
// until the context ends. While dir is not there, the nearest directory above it
// is watched for its coming.
func Dir(ctx context.Context, dir string, touched func(name string)) error {
	dir = filepath.Clean(dir)
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("cannot watch %s: %w", dir, err)
	}
	defer w.Close()
	at, err := nearest(w, dir)
	if err != nil {
		return err
	}
	touched("") // it may have changed before the watch was there
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e, ok := <-w.Events:
			if !ok {
				return fmt.Errorf("the watch of %s ended", dir)
			}
			name := filepath.Clean(e.Name)
			switch {
			case at == dir && filepath.Dir(name) == dir:
				touched(filepath.Base(name))
			case name == at && e.Has(fsnotify.Remove|fsnotify.Rename), at != dir && name == below(at, dir):
				_ = w.Remove(at) // it is gone, or not the nearest any more
				if at, err = nearest(w, dir); err != nil {
					return err
				}
				touched("")
			}
		case err, ok := <-w.Errors:
			if !ok {
				return fmt.Errorf("the watch of %s ended", dir)
			}
			return fmt.Errorf("the watch of %s broke: %w", dir, err)
		}
	}
}

// nearest watches dir, or the nearest directory above it that is there.
func nearest(w *fsnotify.Watcher, dir string) (string, error) {
	for at := dir; ; {
		err := w.Add(at)
		switch {
		case err == nil && at == dir:
			return at, nil
		case err == nil:
			// The next one down may have come before this watch was there.
			down := below(at, dir)
			if _, err := os.Stat(down); err != nil {
				return at, nil
			}
			_ = w.Remove(at)
			at = down
		case !notThere(err) || at == filepath.Dir(at):
			return "", fmt.Errorf("cannot watch %s: %w", at, err)
		default:
			at = filepath.Dir(at)
		}
	}
}

// notThere also holds where a file is in the way: once that is gone, the
// directory may come.
func notThere(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// below is the directory that follows at on the way to dir.
func below(at, dir string) string {
	for filepath.Dir(dir) != at {
		dir = filepath.Dir(dir)
	}
	return dir
}
