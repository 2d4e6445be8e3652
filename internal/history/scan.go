package history

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"keeper/internal/atomicfile"
	"keeper/internal/core"
)

// oldName is the file of incidents and drills whose segment was removed.
const (
	oldName = "old.log"
	oldSize = 4 << 20
)

// Scan yields the entries since a time, as they were written; what happened earlier may
// come later. It returns what of the log is damaged, a line for each file. Nothing is
// changed, and no writer waits.
func (s Store) Scan(since time.Time, yield func(core.Entry) bool) (damage []string, err error) {
	return s.scan(since, nil, yield)
}

func (s Store) scan(since time.Time, want []byte, yield func(core.Entry) bool) (damage []string, err error) {
	names, err := s.segments()
	if err != nil {
		return nil, fmt.Errorf("cannot read the history: %w", err)
	}
	on := true
	for _, name := range append([]string{oldName}, names...) {
		path := filepath.Join(s.logDir(), name)
		info, serr := os.Lstat(path)
		if serr != nil || info.ModTime().Before(since) {
			continue // not there, removed meanwhile, or nothing in it is new enough
		}
		d, ferr := scanFile(path, want, func(e core.Entry) bool {
			on = e.At.Before(since) || yield(e)
			return on
		})
		if ferr != nil && !errors.Is(ferr, os.ErrNotExist) {
			d = fmt.Sprintf("%s cannot be read: %v", path, ferr)
		}
		if d != "" {
			damage = append(damage, d)
		}
		if !on {
			break
		}
	}
	return damage, nil
}

// scanFile yields the entries of a file whose lines have want in them, and says what of
// it cannot be believed.
func scanFile(path string, want []byte, yield func(core.Entry) bool) (damage string, err error) {
	f, info, err := openFile(path, os.O_RDONLY)
	if err != nil {
		return "", err
	}
	defer f.Close()
	r := lines{r: bufio.NewReaderSize(io.LimitReader(f, mostRead), 64<<10)}
	bad, places := int64(0), 0
	was := true
	spoil := func(n int) {
		if bad += int64(n); was {
			places++
		}
		was = false
	}
	waited := false
	for {
		line, n, err := r.next()
		if errors.Is(err, io.EOF) && n > 0 && !waited {
			// It may be in the middle of being written.
			waited = true
			waitForWriter(filepath.Dir(path))
			continue
		}
		if n > 0 {
			data, ok := trusted(line)
			switch {
			case n == 1 && err == nil:
				// It ends what a writer left half-way.
			case !ok || err != nil:
				spoil(n)
			case want != nil && !bytes.Contains(data, want):
				was = true
			default:
				e, ok := decode(data)
				if !ok {
					spoil(n)
					break
				}
				was = true
				if !yield(e) {
					return "", nil
				}
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
	}
	if more := info.Size() - mostRead; more > 0 {
		spoil(int(more))
	}
	if bad > 0 {
		damage = fmt.Sprintf("%s: %d bytes in %d places cannot be believed, and are left out", path, bad, places)
	}
	return damage, nil
}

// mostRead is how much of a file is read: no segment gets that long.
const mostRead = 16 << 20

// lines are those of a file.
type lines struct {
	r *bufio.Reader
	// begin is what was read of a line that goes on, n how long that is: the begin of
	// one that is too long is not kept.
	begin []byte
	n     int
}

// next returns a line without its end, good until the next call, and how long it was
// with it; no line for one that is too long. After an error, which is io.EOF for one
// that has no end, the next call goes on with the same line.
func (l *lines) next() (line []byte, n int, err error) {
	for {
		part, err := l.r.ReadSlice('\n')
		if err == nil && l.n == 0 {
			return part[:len(part)-1], len(part), nil
		}
		if l.n += len(part); l.n <= lineSize {
			l.begin = append(l.begin, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		line, n = nil, l.n
		if err != nil {
			return nil, n, err
		}
		if n <= lineSize {
			line = l.begin[:n-1]
		}
		l.begin, l.n = l.begin[:0], 0
		return line, n, nil
	}
}

// prune removes what is too old, or too much. The records of incidents and drills stay:
// they are small, and it is them that somebody looks for after a year.
func (s Store) prune(limit int64, keep string) error {
	names, err := s.segments()
	if err != nil {
		return err
	}
	sizes, total := map[string]int64{}, int64(0)
	var newest, written time.Time
	for _, name := range names {
		if info, err := os.Lstat(filepath.Join(s.logDir(), name)); err == nil && info.Mode().IsRegular() {
			sizes[name] = min(info.Size(), mostRead) // one that is longer is not of keeper's
			total += sizes[name]
			if info.ModTime().After(newest) {
				newest = info.ModTime()
			}
		}
	}
	aged := 0
	for _, name := range names {
		path := filepath.Join(s.logDir(), name)
		info, err := os.Lstat(path)
		if err != nil || name == keep || !info.Mode().IsRegular() {
			continue
		}
		// None is older than the one before it, whatever the clock said then.
		if info.ModTime().After(written) {
			written = info.ModTime()
		}
		if total <= limit {
			// A clock that is years ahead for a while must not cost all: one for each
			// segment that is begun is as many as there can be.
			if aged++; aged > 1 || newest.Sub(written) < logAge {
				break
			}
		}
		if err := s.condense(path, written); err != nil && total <= 2*limit {
			return err // it goes next time
		}
		if err := os.Remove(path); err != nil {
			return err
		}
		total -= sizes[name]
	}
	return nil
}

// condense keeps the last record of each incident and drill in a file that is to go, and
// that was written until then.
func (s Store) condense(path string, until time.Time) error {
	old := filepath.Join(s.logDir(), oldName)
	last := map[string]core.Entry{}
	var order []string
	take := func(e core.Entry) bool {
		if key := recordOf(e); key != "" && until.Sub(e.At) < logAge {
			if _, known := last[key]; !known {
				order = append(order, key)
			}
			last[key] = e
		}
		return true
	}
	for _, file := range []string{old, path} {
		if _, err := scanFile(file, nil, take); err != nil && !errors.Is(err, os.ErrNotExist) && !unusable(err) {
			return err
		}
	}
	var lines [][]byte
	size := 0
	for _, key := range slices.Backward(order) {
		line := encode(last[key], until)
		if size += len(line); size > oldSize {
			break
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		return nil
	}
	slices.Reverse(lines)
	return atomicfile.Write(old, bytes.Join(lines, nil))
}

// Incidents returns all that are known, each as it was last, the newest first.
func (s Store) Incidents() (list []core.Incident, damage []string, err error) {
	at := map[string]int{}
	damage, err = s.scan(time.Time{}, []byte(`"kind":"`+string(core.EntryIncident)+`"`), func(e core.Entry) bool {
		if e.Incident == nil || e.Incident.ID == "" {
			return true
		}
		if n, known := at[e.Incident.ID]; known {
			list[n] = *e.Incident
		} else {
			at[e.Incident.ID] = len(list)
			list = append(list, *e.Incident)
		}
		return true
	})
	slices.SortStableFunc(list, func(a, b core.Incident) int {
		if c := b.Began.Compare(a.Began); c != 0 {
			return c
		}
		return strings.Compare(b.ID, a.ID)
	})
	return list, damage, err
}

// Drills returns all that are known, each as it was last, the newest first.
func (s Store) Drills() (list []core.Drill, damage []string, err error) {
	at := map[string]int{}
	damage, err = s.scan(time.Time{}, []byte(`"kind":"`+string(core.EntryDrill)+`"`), func(e core.Entry) bool {
		if e.Drill == nil || e.Drill.ID == "" {
			return true
		}
		if n, known := at[e.Drill.ID]; known {
			list[n] = *e.Drill
		} else {
			at[e.Drill.ID] = len(list)
			list = append(list, *e.Drill)
		}
		return true
	})
	slices.SortStableFunc(list, func(a, b core.Drill) int { return b.Began.Compare(a.Began) })
	return list, damage, err
}

// Guarded yields what the command guard noted since a time.
func (s Store) Guarded(since time.Time, yield func(core.Entry) bool) (damage []string, err error) {
	return s.scan(since, []byte(`"kind":"`+string(core.EntryGuard)+`"`), func(e core.Entry) bool { return e.Guard == nil || yield(e) })
}

// mostTimeline bounds what is returned of one.
const mostTimeline = 20000

// Timeline returns what happened between two times, in that order, and whether there
// was more.
func (s Store) Timeline(from, to time.Time) (list []core.Entry, more bool, damage []string, err error) {
	damage, err = s.scan(from, nil, func(e core.Entry) bool {
		if e.At.After(to) {
			return true
		}
		if more = len(list) >= mostTimeline; more {
			return false
		}
		list = append(list, e)
		return true
	})
	slices.SortStableFunc(list, func(a, b core.Entry) int { return a.At.Compare(b.At) })
	return list, more, damage, err
}
