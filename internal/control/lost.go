package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fsnotify/fsnotify"
)

// Lost returns when the socket at the path was removed or renamed, so that
// nobody can find it any more, or the context ends. An error says that it
// cannot be watched.
func Lost(ctx context.Context, path string) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("cannot watch %s: %w", path, err)
	}
	defer w.Close()
	dir := filepath.Dir(path)
	err = w.Add(dir)
	if err == nil {
		_, err = os.Lstat(path) // it may have gone before it was watched
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("cannot watch %s: %w", path, err)
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e, ok := <-w.Events:
			if !ok {
				return errors.New("the watch of the socket ended")
			}
			if (e.Name == path || e.Name == dir) && e.Has(fsnotify.Remove|fsnotify.Rename) {
				return nil
			}
		case err, ok := <-w.Errors:
			if !ok {
				return errors.New("the watch of the socket ended")
			}
			return fmt.Errorf("the watch of %s broke: %w", path, err)
		}
	}
}
