package standdown

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"keeper/internal/dirwatch"
)

// Watch calls changed whenever a pause or a mark comes, goes or is written, and
// once at first, until the context ends. The directory of the marks need not be
// there yet.
func (m Marks) Watch(ctx context.Context, changed func()) error {
	if err := os.MkdirAll(m.StateDir, 0o700); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	var both sync.WaitGroup
	defer both.Wait()
	defer stop()
	// changed is called from here alone: of two at once, the one that looked
	// first might tell last.
	touched, ended := make(chan string), make(chan error, 2)
	for _, file := range []string{m.pausePath(), m.MarkPath()} {
		dir := filepath.Dir(file)
		both.Go(func() {
			ended <- dirwatch.Dir(ctx, dir, func(name string) {
				path := filepath.Join(dir, name)
				if path != file && path != dir {
					return
				}
				select {
				case touched <- path:
				case <-ctx.Done():
				}
			})
		})
	}
	for begun := 0; ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-ended:
			return err
		case path := <-touched:
			if path == m.StateDir {
				if _, err := os.Stat(path); isNotExist(err) {
					return fmt.Errorf("%s was removed", path) // and is made again
				}
			}
			// Each watch begins by telling of its directory.
			if begun++; begun > 1 {
				changed()
			}
		}
	}
}
