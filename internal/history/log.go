package history

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"keeper/internal/core"
)

// The log is a directory of segments, each a file of lines: a checksum, a space, and an
// entry as JSON. A file that only grows, line by line, loses at a power cut what was
// not written yet and nothing else; damage costs the lines that it hits.
const (
	segmentSize = 1 << 20
	// logSize and logAge bound all segments together: the oldest go first.
	logSize = 32 << 20
	logAge  = 400 * 24 * time.Hour
	// mostLeft is how many entries are kept in memory while the disk takes none, and
	// mostLeftBytes how long they may be in all.
	mostLeft      = 1000
	mostLeftBytes = 2 << 20

	segmentSuffix = ".log"
)

func (s Store) logDir() string { return filepath.Join(s.Dir, "history") }

// Log writes to the history. Several processes may have one open.
type Log struct {
	store Store

	mu   sync.Mutex
	file *os.File
	name string
	// fresh says that what is open must not be written to any more.
	fresh bool
	// left are entries that could not be written, since when and for what reason, and
	// lost how many more there were.
	left  []leftLine
	lost  int
	since time.Time
	why   string
	limit int64 // of all segments
	size  int64 // of one
	wait  time.Duration
	// put writes to the file; tests have it fail.
	put func(f *os.File, data []byte) (int, error)
}

// leftLine is an entry that waits to be written.
type leftLine struct {
	data      []byte
	record    string // the incident or drill that it has all of: a later one says the same
	important bool
	sync      bool
}

// log is one whose writes wait so long for others.
func (s Store) log(wait time.Duration) *Log {
	return &Log{store: s, limit: logSize, size: segmentSize, wait: wait, put: (*os.File).Write}
}

// Note writes one entry, for a process that ends at once: it does not look whether the
// log is damaged, and waits for no other writer for long.
func (s Store) Note(e core.Entry) error {
	l := s.log(200 * time.Millisecond)
	err := l.Append(e.At, e)
	if l.file != nil {
		err = errors.Join(err, l.file.Close())
	}
	return err
}

// OpenLog opens the log for writing. Where the newest segment is damaged, it is left as
// it is, and another one begun that says so. An error does not keep the Log from being
// used: it tries again at each Append.
func (s Store) OpenLog(now time.Time) (*Log, error) {
	l := s.log(2 * time.Second)
	names, err := s.segments()
	if err != nil || len(names) == 0 {
		return l, err
	}
	last := filepath.Join(s.logDir(), names[len(names)-1])
	damage, err := scanFile(last, nil, func(core.Entry) bool { return true })
	if err != nil {
		damage = err.Error()
		if !unusable(err) {
			return l, err
		}
	}
	if damage == "" {
		return l, nil
	}
	l.fresh, l.name = true, names[len(names)-1]
	return l, l.Append(now, core.Entry{At: now, Kind: core.EntryTrouble, What: "the history is damaged; a new file was begun", Why: damage})
}

// Append writes entries. If it fails, they are kept in memory, as far as there is room,
// and written with the next Append that succeeds; an Append of nothing tries just that.
// Entries of incidents, drills and alerts are on the disk when it returns, as far as the
// disk tells the truth, and with them all before; the rest is left to the kernel, which
// writes it within half a minute. It takes as long as the disk does.
func (l *Log) Append(now time.Time, entries ...core.Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	fresh := make([]leftLine, 0, len(entries))
	for _, e := range entries {
		fresh = append(fresh, leftLine{encode(e, now), recordOf(e), important(e), synced(e)})
	}
	all := l.left
	if len(l.left)+l.lost > 0 {
		e := core.Entry{At: now, Kind: core.EntryTrouble, Why: l.why, What: fmt.Sprintf(
			"the history could not be written from %s to %s; %d entries were lost", l.since.Format(time.DateTime), now.Format(time.DateTime), l.lost)}
		all = append(slices.Clip(all), leftLine{data: encode(e, now), important: true, sync: true})
	}
	all = append(slices.Clip(all), fresh...)
	if len(all) == 0 {
		return nil
	}
	after, err := l.write(now, all)
	if err == nil {
		l.left, l.lost, l.why = nil, 0, ""
		return after
	}
	err = fmt.Errorf("cannot write the history in %s: %w", l.store.logDir(), err)
	if l.why == "" {
		l.since, l.why = now, err.Error()
	}
	l.left = append(l.left, fresh...)
	l.bound()
	return err
}

// bound drops what is too much of what is left: first the records that a later one
// makes needless, which is no loss, then the chatter, then the oldest.
func (l *Log) bound() {
	bytes := 0
	last := map[string]int{}
	for i, e := range l.left {
		bytes += len(e.data)
		last[e.record] = i
	}
	drop := func(loss int, which func(i int, e leftLine) bool) {
		kept := make([]leftLine, 0, len(l.left))
		for i, e := range l.left {
			over := len(kept)+len(l.left)-i > mostLeft || bytes > mostLeftBytes
			if over && which(i, e) {
				bytes -= len(e.data)
				l.lost += loss
				continue
			}
			kept = append(kept, e)
		}
		l.left = kept
	}
	drop(0, func(i int, e leftLine) bool { return e.record != "" && last[e.record] != i })
	drop(1, func(_ int, e leftLine) bool { return !e.important })
	drop(1, func(int, leftLine) bool { return true })
}

// synced entries are on the disk before anything else goes on. A command that was refused
// does not run: that can wait, and whoever asked for it need not.
func synced(e core.Entry) bool {
	return important(e) && (e.Guard == nil || e.Guard.Decision != "deny")
}

// important entries are the last to be dropped.
func important(e core.Entry) bool {
	switch e.Kind {
	case core.EntryIncident, core.EntryDrill, core.EntryAlert, core.EntryTrouble, core.EntryGuard:
		return true
	}
	return false
}

// Close tries once more to write what is left, and closes the log.
func (l *Log) Close() error {
	err := l.Append(time.Now())
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		err = errors.Join(err, l.file.Close())
		l.file = nil
	}
	return err
}

// write writes all of the lines or nothing. What went wrong although they were written
// is after.
func (l *Log) write(now time.Time, lines []leftLine) (after, err error) {
	var buf bytes.Buffer
	sync := false
	for _, line := range lines {
		buf.Write(line.data)
		sync = sync || line.sync
	}
	unlock, err := l.store.lock(l.wait)
	if err != nil {
		return nil, err
	}
	defer func() { unlock() }()
	begun, err := l.open()
	if err != nil {
		return nil, err
	}
	if err := l.appendAll(buf.Bytes()); err != nil {
		return nil, err
	}
	if begun {
		if after = l.store.prune(l.limit, l.name); after != nil {
			after = fmt.Errorf("cannot remove what is old from %s: %w", l.store.logDir(), after)
		}
	}
	if sync {
		// Without the lock: on a slow disk this takes seconds, and others are in a hurry.
		unlock()
		unlock = func() {}
		if serr := unix.Fdatasync(int(l.file.Fd())); serr != nil {
			after = errors.Join(after, fmt.Errorf("the history was written to %s and may not survive a power cut: %w", l.file.Name(), serr))
		}
	}
	return after, nil
}

// appendAll writes to the end of the file, and takes back what was written of it if
// not all could be.
func (l *Log) appendAll(data []byte) error {
	info, err := l.file.Stat()
	if err != nil {
		return err
	}
	end := info.Size()
	if end > 0 {
		var b [1]byte
		if _, err := l.file.ReadAt(b[:], end-1); err != nil {
			return err
		}
		if b[0] != '\n' {
			// A writer was killed half-way: its half must not spoil the line that follows.
			data = append([]byte{'\n'}, data...)
		}
	}
	n, err := l.put(l.file, data)
	if err == nil && n < len(data) {
		err = fmt.Errorf("%s took %d of %d bytes", l.file.Name(), n, len(data))
	}
	if err != nil && n > 0 {
		err = errors.Join(err, l.file.Truncate(end))
	}
	return err
}

// lock is held by whoever writes.
func (s Store) lock(wait time.Duration) (unlock func(), err error) {
	if err := os.MkdirAll(s.logDir(), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(s.logDir(), "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := flock(f, unix.LOCK_EX, wait); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// waitForWriter waits until nobody is in the middle of a write, but not for long.
func waitForWriter(dir string) {
	f, err := os.Open(filepath.Join(dir, "lock"))
	if err != nil {
		return
	}
	_ = flock(f, unix.LOCK_SH, 200*time.Millisecond)
	_ = f.Close()
}

// flock waits for the lock, as long as one write of somebody else takes, and not for
// ever.
func flock(f *os.File, how int, wait time.Duration) error {
	for end := time.Now().Add(wait); ; time.Sleep(5 * time.Millisecond) {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		switch {
		case !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR):
			return err
		case time.Now().After(end):
			return fmt.Errorf("another process has locked %s for %s", f.Name(), wait)
		}
	}
}

// open sees to it that the newest segment is open and has room, and says whether it was
// begun just now. The caller has the lock.
func (l *Log) open() (begun bool, err error) {
	dir := l.store.logDir()
	names, err := l.store.segments()
	if err != nil {
		return false, err
	}
	last := ""
	if len(names) > 0 {
		last = names[len(names)-1]
	}
	if last != "" && (!l.fresh || last != l.name) {
		f, info, err := openFile(filepath.Join(dir, last), os.O_RDWR|os.O_APPEND)
		switch {
		case err == nil && info.Size() < l.size:
			l.use(f, last)
			return false, nil
		case err == nil:
			err = f.Close()
		case unusable(err):
			err = nil // whatever that is, it is in nobody's way where it is
		}
		if err != nil {
			return false, err
		}
	}
	n, _ := strconv.ParseUint(strings.TrimSuffix(last, segmentSuffix), 10, 64)
	last = fmt.Sprintf("%010d%s", n+1, segmentSuffix)
	f, err := os.OpenFile(filepath.Join(dir, last), os.O_RDWR|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return false, err
	}
	l.use(f, last)
	syncDir(dir)
	syncDir(l.store.Dir)
	return true, nil
}

// use takes this file in place of the one that was open: that may have been removed, or
// another put in its place.
func (l *Log) use(f *os.File, name string) {
	if l.file != nil {
		_ = l.file.Close()
	}
	l.file, l.name, l.fresh = f, name, false
}

// errNoFile says that something has the name of a segment and is none.
var errNoFile = errors.New("it is no file")

// openFile opens a file that is there. A pipe in its place would keep whoever opens it
// waiting for ever, and a link may lead anywhere.
func openFile(path string, flags int) (*os.File, os.FileInfo, error) {
	f, err := os.OpenFile(path, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("cannot use %s: %w", path, errNoFile)
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}

// unusable says whether what is there can never be written to, whatever the disk does.
func unusable(err error) bool {
	for _, e := range []error{errNoFile, os.ErrPermission, unix.ELOOP, unix.EISDIR, unix.ENXIO} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// syncDir has a new file be there after a power cut as well. Where that cannot be had,
// a power cut may cost the newest file.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}

// segments are the names of the segments, the oldest first.
func (s Store) segments() ([]string, error) {
	files, err := os.ReadDir(s.logDir())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, f := range files {
		n := f.Name()
		if _, nerr := strconv.ParseUint(strings.TrimSuffix(n, segmentSuffix), 10, 64); nerr == nil && strings.HasSuffix(n, segmentSuffix) && len(n) == 10+len(segmentSuffix) && n[0] != '9' { // nobody counts that far
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return names, err
}
