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
		info, serr := os.Stat(path)
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
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 64<<10)
	bad, places := int64(0), 0
	was := true
	spoil := func(n int) {
		if bad += int64(n); was {
			places++
		}
		was = false
	}
	for {
		line, n, err := readLine(r)
		if n > 0 {
			data, ok := trusted(line)
			switch {
			case !ok:
				spoil(n)
			case want != nil && !bytes.Contains(data, want):
				was = true
			default:
				e, ok := decode(line)
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
	if bad > 0 {
		damage = fmt.Sprintf("%s: %d bytes in %d places cannot be believed, and are left out", path, bad, places)
	}
	return damage, nil
}

// readLine returns a line without its end, and how long it was with it; no line for one
// that is too long, or that has no end.
func readLine(r *bufio.Reader) (line []byte, n int, err error) {
	for {
		part, err := r.ReadSlice('\n')
		n += len(part)
		if n <= lineSize {
			line = append(line, part...)
		} else {
			line = nil
		}
		switch {
		case err == nil && line != nil:
			return line[:len(line)-1], n, nil
		case err == nil:
			return nil, n, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, n, err
		}
	}
}

// prune removes what is too old, or too much. The records of incidents and drills stay:
// they are small, and it is them that somebody looks for after a year.
func (s Store) prune(now time.Time, limit int64, keep string) error {
	names, err := s.segments()
	if err != nil {
		return err
	}
	total := int64(0)
	slices.Reverse(names)
	for _, name := range names {
		path := filepath.Join(s.logDir(), name)
		info, err := os.Stat(path)
		if err != nil {
			continue
		}
		if total += info.Size(); name == keep || total <= limit && now.Sub(info.ModTime()) < logAge {
			continue
		}
		if err := s.condense(path, now); err != nil {
			return err
		}
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

// condense keeps the last record of each incident and drill in a file that is to go.
func (s Store) condense(path string, now time.Time) error {
	old := filepath.Join(s.logDir(), oldName)
	last := map[string]core.Entry{}
	var order []string
	take := func(e core.Entry) bool {
		key := ""
		switch {
		case e.Incident != nil:
			key = "i" + e.Incident.ID
		case e.Drill != nil:
			key = "d" + e.Drill.ID
		}
		if key != "" && now.Sub(e.At) < logAge {
			if _, known := last[key]; !known {
				order = append(order, key)
			}
			last[key] = e
		}
		return true
	}
	for _, file := range []string{old, path} {
		if _, err := scanFile(file, nil, take); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	var lines [][]byte
	size := 0
	for _, key := range slices.Backward(order) {
		line, err := encode(last[key])
		if err != nil {
			return err
		}
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
