package containers

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fsnotify/fsnotify"
)

// Watch calls touched whenever a container may have come, started or gone, and
// once at first, until the context ends. Podman keeps a directory for each below
// $XDG_RUNTIME_DIR/containers/overlay-containers, from its making to its
// removal; conmon writes its process id into that at each start, and at the end a
// file into $XDG_RUNTIME_DIR/libpod/tmp/exits. None of these directories need be
// there, and all of them may go and come back.
func (v View) Watch(ctx context.Context, touched func()) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("cannot watch for containers: %w", err)
	}
	defer w.Close()
	if err := v.follow(w); err != nil {
		return err
	}
	touched() // what came before the watch was there
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e, ok := <-w.Events:
			if !ok {
				return errors.New("the watch for containers ended")
			}
			if e.Name == v.Runtime && e.Has(fsnotify.Remove|fsnotify.Rename) {
				return fmt.Errorf("%s was removed", v.Runtime)
			}
			if !e.Has(fsnotify.Create|fsnotify.Remove|fsnotify.Rename) || !v.tells(e.Name) {
				continue
			}
			if err := v.follow(w); err != nil {
				return err
			}
			touched()
		case err, ok := <-w.Errors:
			if !ok {
				return errors.New("the watch for containers ended")
			}
			return fmt.Errorf("the watch for containers broke: %w", err)
		}
	}
}

// tells says whether a change of the path may say anything about containers.
func (v View) tells(path string) bool {
	rel, err := filepath.Rel(v.Runtime, path)
	if err != nil {
		return false
	}
	parts := strings.Split(rel, "/")
	if parts[0] == exits[0] {
		n := min(len(parts), len(exits))
		return slices.Equal(parts[:n], exits[:n]) && (len(parts) <= len(exits) || containerID.MatchString(parts[n]))
	}
	switch {
	case parts[0] != "containers":
		return false
	case len(parts) > 1 && !strings.HasSuffix(parts[1], storeDir):
		return false
	case len(parts) > 2 && !containerID.MatchString(parts[2]):
		return false
	case len(parts) > 3 && parts[3] != userdata:
		return false
	case len(parts) > 4:
		return parts[4] == "conmon.pid" || parts[4] == "pidfile"
	}
	return true
}

// exits is where conmon notes that a container ended.
var exits = []string{"libpod", "tmp", "exits"}

const (
	// storeDir ends the name of the directory of the containers; what comes before
	// is the storage driver: overlay, vfs, …
	storeDir = "-containers"
	userdata = "userdata"
)

// follow watches the directories that are there. What is watched already stays
// so. One that goes while this looks has told so.
func (v View) follow(w *fsnotify.Watcher) error {
	if err := w.Add(v.Runtime); err != nil {
		return fmt.Errorf("cannot watch %s: %w", v.Runtime, err)
	}
	for n := range exits {
		if err := add(w, filepath.Join(append([]string{v.Runtime}, exits[:n+1]...)...)); err != nil {
			return err
		}
	}
	top := filepath.Join(v.Runtime, "containers")
	if err := add(w, top); err != nil {
		return err
	}
	for _, store := range entries(top, func(name string) bool { return strings.HasSuffix(name, storeDir) }) {
		if err := add(w, store); err != nil {
			return err
		}
		for _, dir := range entries(store, containerID.MatchString) {
			data := filepath.Join(dir, userdata)
			if _, err := os.Lstat(data); err != nil {
				data = dir // it is about to come
			}
			if err := add(w, data); err != nil {
				return err
			}
		}
	}
	return nil
}

func entries(dir string, want func(string) bool) []string {
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil // it is not there, or not any more
	}
	var paths []string
	for _, e := range list {
		if e.IsDir() && want(e.Name()) {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths
}

func add(w *fsnotify.Watcher, dir string) error {
	if err := w.Add(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot watch %s: %w", dir, err)
	}
	return nil
}
