package metrics

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"keeper/internal/atomicfile"
)

// How often the file is written: at most every fileGap, and after fileEvery in
// any case. Its time of change, which node_exporter exposes, says that keeper
// lives.
const (
	fileGap   = 15 * time.Second
	fileEvery = 5 * time.Minute
)

// File is a file for node_exporter's textfile collector.
type File struct {
	path    string
	key     [sha256.Size]byte
	at      time.Time
	written fs.FileInfo
}

// checkFile says what is wrong with the path of such a file.
func checkFile(path string) error {
	// The collector reads files of this name only.
	if !filepath.IsAbs(path) || !strings.HasSuffix(path, ".prom") {
		return fmt.Errorf("cannot write the metrics to %q: it must be an absolute path that ends in .prom", path)
	}
	return nil
}

// KeepFile writes the file when something changed, and now and then though
// nothing did, until the context ends; then it removes it, because what a daemon
// that was stopped last saw would be read as the present for ever. After a crash
// it stays, and its age tells. failed hears of what goes wrong, once for each
// trouble, and of nil once nothing does any more.
func KeepFile(ctx context.Context, path string, source Source, changed <-chan struct{}, failed func(error)) {
	f := File{path: path}
	told := ""
	tell := func(err error) {
		now := ""
		if err != nil {
			now = err.Error()
		}
		if now != told && ctx.Err() == nil {
			failed(err)
		}
		told = now
	}
	for ctx.Err() == nil {
		tell(f.update(ctx, source))
		if !sleep(ctx, fileGap) {
			break
		}
		t := time.NewTimer(fileEvery - fileGap)
		select {
		case <-ctx.Done():
		case <-t.C:
		case <-changed:
		}
		t.Stop()
	}
	if err := f.remove(); err != nil {
		failed(err)
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func (f *File) update(ctx context.Context, source Source) error {
	sctx, cancel := context.WithTimeout(ctx, sourceLimit)
	defer cancel()
	s, err := source(sctx)
	if err != nil {
		return fmt.Errorf("cannot write the metrics to %s: %w", f.path, err)
	}
	return f.write(s, time.Now())
}

// write writes the file, if there is a reason to.
func (f *File) write(s Snapshot, now time.Time) error {
	// node_exporter has process_… metrics of its own, and refuses two of one name.
	s.Process = Process{}
	// What changes with every probe is no reason to write.
	lasting := s
	lasting.Services = nil
	sum := sha256.New()
	_ = Write(sum, lasting, Plain) // a hash takes all
	key := [sha256.Size]byte(sum.Sum(nil))
	if key == f.key && now.Sub(f.at) < fileEvery && f.there() {
		return nil
	}
	if err := checkFile(f.path); err != nil {
		return err
	}
	if fi, err := os.Stat(filepath.Dir(f.path)); err != nil || !fi.IsDir() {
		return fmt.Errorf("cannot write the metrics to %s: its directory must be there, and be node_exporter's --collector.textfile.directory", f.path)
	}
	fi, err := os.Lstat(f.path)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("cannot write the metrics: %w", err)
	case err == nil && !fi.Mode().IsRegular():
		// Were it replaced in between, the rename would replace it, and not what it
		// points to.
		return fmt.Errorf("cannot write the metrics to %s: it is there and is no regular file; remove it or set another path", f.path)
	}
	// node_exporter runs as somebody else.
	if err := atomicfile.Replace(f.path, Text(s, Plain), 0o644); err != nil {
		return fmt.Errorf("cannot write the metrics to %s: %w", f.path, err)
	}
	f.key, f.at = key, now
	f.written, err = os.Lstat(f.path)
	return err
}

// there says whether the file is the one that was written.
func (f *File) there() bool {
	fi, err := os.Lstat(f.path)
	return err == nil && f.written != nil && os.SameFile(fi, f.written)
}

// remove removes the file, if it is the one that was written.
func (f *File) remove() error {
	if !f.there() {
		return nil
	}
	if err := os.Remove(f.path); err != nil {
		return fmt.Errorf("cannot remove the metrics of a daemon that ends: %w", err)
	}
	return nil
}
