package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
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
	// lineSize bounds a line: what is longer is not of keeper's.
	lineSize = 4 << 20
	// mostLeft is how many entries are kept in memory while the disk takes none.
	mostLeft = 1000

	segmentSuffix = ".log"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

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
	left  []core.Entry
	lost  int
	since time.Time
	why   string
	limit int64 // of all segments
	size  int64 // of one
}

// OpenLog opens the log for writing. Where the newest segment is damaged, it is left as
// it is, and another one begun that says so. An error does not keep the Log from being
// used: it tries again at each Append.
func (s Store) OpenLog(now time.Time) (*Log, error) {
	l := &Log{store: s, limit: logSize, size: segmentSize}
	names, err := s.segments()
	if err != nil || len(names) == 0 {
		return l, err
	}
	last := filepath.Join(s.logDir(), names[len(names)-1])
	damage, err := scanFile(last, nil, func(core.Entry) bool { return true })
	if err != nil {
		return l, err
	}
	if damage == "" {
		return l, nil
	}
	l.fresh, l.name = true, names[len(names)-1]
	return l, l.Append(now, core.Entry{At: now, Kind: core.EntryTrouble, What: "the history is damaged; a new file was begun", Why: damage})
}

// Append writes entries. If it fails, they are kept in memory, as far as there is room,
// and written with the next Append that succeeds; an Append of nothing tries just that.
// Entries of incidents, drills and alerts are on the disk when it returns, and with
// them all before.
func (l *Log) Append(now time.Time, entries ...core.Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := entries
	if len(l.left)+l.lost > 0 {
		all = append(slices.Clone(l.left), core.Entry{At: now, Kind: core.EntryTrouble, Why: l.why, What: fmt.Sprintf(
			"the history could not be written from %s to %s; %d entries were lost", l.since.Format(time.DateTime), now.Format(time.DateTime), l.lost)})
		all = append(all, entries...)
	}
	if len(all) == 0 {
		return nil
	}
	err := l.write(now, all)
	if err == nil {
		l.left, l.lost, l.why = nil, 0, ""
		return nil
	}
	err = fmt.Errorf("cannot write the history in %s: %w", l.store.logDir(), err)
	if l.why == "" {
		l.since, l.why = now, err.Error()
	}
	l.leave(entries)
	return err
}

// leave keeps entries for later: where there are too many, the chatter goes first, then
// the oldest.
func (l *Log) leave(entries []core.Entry) {
	l.left = append(l.left, entries...)
	if len(l.left) <= mostLeft {
		return
	}
	before := len(l.left)
	over := before - mostLeft
	l.left = slices.DeleteFunc(l.left, func(e core.Entry) bool {
		if over > 0 && !important(e) {
			over--
			return true
		}
		return false
	})
	l.left = l.left[max(0, len(l.left)-mostLeft):]
	l.lost += before - len(l.left)
}

// important entries are on the disk before anything else goes on.
func important(e core.Entry) bool {
	switch e.Kind {
	case core.EntryIncident, core.EntryDrill, core.EntryAlert, core.EntryTrouble, core.EntryGuard:
		return true
	}
	return false
}

// Close closes the log.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}

func (l *Log) write(now time.Time, entries []core.Entry) error {
	var buf bytes.Buffer
	sync := false
	for _, e := range entries {
		line, err := encode(e)
		if err != nil {
			return err
		}
		buf.Write(line)
		sync = sync || important(e)
	}
	unlock, err := l.store.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := l.open(now); err != nil {
		return err
	}
	end, err := l.file.Seek(0, 2)
	if err != nil {
		return err
	}
	if _, err := l.file.Write(buf.Bytes()); err != nil {
		// Half a line must not spoil the one that follows.
		if terr := l.file.Truncate(end); terr != nil {
			l.fresh = true
		}
		return err
	}
	if sync {
		return unix.Fdatasync(int(l.file.Fd()))
	}
	return nil
}

// encode makes a line of an entry.
func encode(e core.Entry) ([]byte, error) {
	data, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	line := make([]byte, 0, len(data)+10)
	line = fmt.Appendf(line, "%08x ", crc32.Checksum(data, castagnoli))
	return append(append(line, data...), '\n'), nil
}

// decode is the entry in a line, if that is to be believed.
func decode(line []byte) (core.Entry, bool) {
	data, ok := trusted(line)
	var e core.Entry
	return e, ok && json.Unmarshal(data, &e) == nil
}

// trusted is what a line has behind its checksum, if that is right.
func trusted(line []byte) ([]byte, bool) {
	if len(line) < 10 || line[8] != ' ' {
		return nil, false
	}
	sum, err := strconv.ParseUint(string(line[:8]), 16, 32)
	return line[9:], err == nil && uint32(sum) == crc32.Checksum(line[9:], castagnoli)
}

// lock is held by whoever writes.
func (s Store) lock() (unlock func(), err error) {
	if err := os.MkdirAll(s.logDir(), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(s.logDir(), "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := flock(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// flock waits for the lock, as long as one write of somebody else takes, and not for
// ever.
func flock(f *os.File) error {
	for end := time.Now().Add(2 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) || time.Now().After(end) {
			return err
		}
	}
}

// open sees to it that the newest segment is open and has room. The caller has the lock.
func (l *Log) open(now time.Time) error {
	names, err := l.store.segments()
	if err != nil {
		return err
	}
	last := ""
	if len(names) > 0 {
		last = names[len(names)-1]
	}
	full := last == "" || l.fresh && last == l.name
	if !full {
		info, err := os.Stat(filepath.Join(l.store.logDir(), last))
		if err != nil {
			return err
		}
		full = info.Size() >= l.size
	}
	if !full && l.file != nil && l.name == last {
		return nil
	}
	flags := os.O_RDWR | os.O_APPEND
	if full {
		n, _ := strconv.ParseUint(strings.TrimSuffix(last, segmentSuffix), 10, 64)
		last = fmt.Sprintf("%010d%s", n+1, segmentSuffix)
		flags |= os.O_CREATE | os.O_EXCL
	}
	f, err := os.OpenFile(filepath.Join(l.store.logDir(), last), flags, 0o600)
	if err != nil {
		return err
	}
	if l.file != nil {
		_ = l.file.Close()
	}
	l.file, l.name, l.fresh = f, last, false
	if full {
		syncDir(l.store.logDir())
		return l.store.prune(now, l.limit, last)
	}
	return nil
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
		if _, nerr := strconv.ParseUint(strings.TrimSuffix(n, segmentSuffix), 10, 64); nerr == nil && strings.HasSuffix(n, segmentSuffix) && len(n) == 10+len(segmentSuffix) {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return names, err
}
