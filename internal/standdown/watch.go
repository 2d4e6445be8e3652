package standdown

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/fsnotify/fsnotify"
)

// Watch calls changed whenever a pause or a mark comes or goes, and once at
// first, until the context ends. Where the directory of the marks does not
// exist, the nearest one above it is watched for its coming.
func (m Marks) Watch(ctx context.Context, changed func()) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("cannot watch for marks: %w", err)
	}
	defer w.Close()
	if err := os.MkdirAll(m.StateDir, 0o700); err != nil {
		return err
	}
	if err := w.Add(m.StateDir); err != nil {
		return fmt.Errorf("cannot watch %s: %w", m.StateDir, err)
	}
	near, err := watchNearest(w, m.MarkDir)
	if err != nil {
		return err
	}
	changed()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e, ok := <-w.Events:
			if !ok {
				return errors.New("the watch for marks ended")
			}
			if !e.Has(fsnotify.Create | fsnotify.Remove | fsnotify.Rename) {
				continue
			}
			if e.Name == m.StateDir {
				return fmt.Errorf("%s was removed", m.StateDir) // and is made again
			}
			if e.Name == m.pausePath() || e.Name == m.MarkPath() {
				changed()
			}
			if within(m.MarkDir, e.Name) || e.Name == near {
				// A directory on the way to the marks came or went.
				if near, err = watchNearest(w, m.MarkDir); err != nil {
					return err
				}
				changed()
			}
		case err, ok := <-w.Errors:
			if !ok {
				return errors.New("the watch for marks ended")
			}
			return fmt.Errorf("the watch for marks broke: %w", err)
		}
	}
}

// within says whether path is dir or a directory on the way to it.
func within(dir, path string) bool {
	for ; dir != "/" && dir != "."; dir = filepath.Dir(dir) {
		if dir == path {
			return true
		}
	}
	return false
}

// watchNearest watches dir, or the nearest directory above it that exists.
func watchNearest(w *fsnotify.Watcher, dir string) (string, error) {
	for at := dir; ; {
		err := w.Add(at)
		switch {
		case err == nil && at == dir:
			return at, nil
		case err == nil:
			// The next one down may have come before this watch was there.
			down := below(at, dir)
			if _, err := os.Stat(down); isNotExist(err) {
				return at, nil
			}
			at = down
		case !isNotExist(err) || at == filepath.Dir(at):
			return "", fmt.Errorf("cannot watch %s: %w", at, err)
		default:
			at = filepath.Dir(at)
		}
	}
}

// below is the directory that follows at on the way to dir.
func below(at, dir string) string {
	for filepath.Dir(dir) != at {
		dir = filepath.Dir(dir)
	}
	return dir
}
