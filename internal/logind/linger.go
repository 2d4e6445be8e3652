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

// UserDir is where logind keeps a file for each user it knows. The files are
// logind's own and not for reading; that one is written anew says that something
// of the user changed, of which no signal tells: User.State above all.
const UserDir = "/run/systemd/users"

// WatchFile calls touched whenever the file of this name in dir comes, goes or
// is replaced, and once at first, until the context ends. logind makes the
// directories with their first user.
func WatchFile(ctx context.Context, dir, name string, touched func()) error {
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
			if filepath.Base(e.Name) == name && e.Has(fsnotify.Create|fsnotify.Remove|fsnotify.Rename) {
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
