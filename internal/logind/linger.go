package logind

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/fsnotify/fsnotify"
)

// LingerDir is where logind keeps a file for each user that lingers. No signal
// tells of a change, so the directory is watched.
const LingerDir = "/var/lib/systemd/linger"

// WatchLinger calls touched whenever the user's file in dir comes or goes,
// until the context ends. logind makes the directory with the first user that
// lingers, so it must be called after linger was set once.
func WatchLinger(ctx context.Context, dir, user string, touched func()) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("cannot watch %s: %w", dir, err)
	}
	defer w.Close()
	if err := w.Add(dir); err != nil {
		return fmt.Errorf("cannot watch %s: %w", dir, err)
	}
	// It may have changed before the watch was there.
	touched()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e, ok := <-w.Events:
			if !ok {
				return fmt.Errorf("the watch of %s ended", dir)
			}
			if e.Name == dir && e.Has(fsnotify.Remove|fsnotify.Rename) {
				return fmt.Errorf("%s was removed", dir)
			}
			if filepath.Base(e.Name) == user && e.Has(fsnotify.Create|fsnotify.Remove|fsnotify.Rename) {
				touched()
			}
		case err, ok := <-w.Errors:
			if !ok {
				return fmt.Errorf("the watch of %s ended", dir)
			}
			return fmt.Errorf("the watch of %s broke: %w", dir, err)
		}
	}
}
