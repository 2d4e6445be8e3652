// Package config reads keeper.toml, the site's, then the account's own, whose keys
// win, and the [X-Keeper] sections of Quadlet files. It is strict: what it does not know is a mistake, and all mistakes
// are told at once. It never writes, and never waits for a file that is none.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"keeper/internal/core"
)

// maxSize bounds what is read of a keeper.toml, and maxUnit of a Quadlet file. The
// library takes the square of what stands in one table: half a second for a
// keeper.toml of this size, and far more than that for one of a mebibyte.
const (
	maxSize = 256 << 10
	maxUnit = 1 << 20
)

// maxMistakes bounds how many are told of one file.
const maxMistakes = 20

// Mistake is one thing that is wrong in a file of settings.
type Mistake struct {
	File string `json:"file"`
	// Line is 0 where the mistake is the file itself.
	Line int `json:"line,omitempty"`
	// Key and Value are as the file has them; empty where there is none.
	Key   string `json:"key,omitempty"`
	Value string `json:"value,omitempty"`
	// Rule is what is broken.
	Rule string `json:"rule"`
}

// Error is the mistake as a person reads it: file, line, key, value, rule.
func (m Mistake) Error() string {
	var b strings.Builder
	b.WriteString(m.File)
	if m.Line > 0 {
		fmt.Fprintf(&b, ":%d", m.Line)
	}
	b.WriteString(": ")
	switch {
	case m.Key != "" && m.Value != "":
		fmt.Fprintf(&b, "%s = %s: ", m.Key, m.Value)
	case m.Key != "":
		fmt.Fprintf(&b, "%s: ", m.Key)
	}
	b.WriteString(m.Rule)
	return b.String()
}

// Mistakes are all that is wrong.
type Mistakes []Mistake

// Error has a mistake a line.
func (m Mistakes) Error() string { return strings.Join(m.Lines(), "\n") }

// Lines returns each mistake as a line.
func (m Mistakes) Lines() []string {
	lines := make([]string, 0, len(m))
	for _, one := range m {
		lines = append(lines, one.Error())
	}
	return lines
}

func (m Mistakes) sort() {
	slices.SortStableFunc(m, func(a, b Mistake) int { return cmp.Compare(a.Line, b.Line) })
}

// bounded leaves out what nobody would read.
func (m Mistakes) bounded(file string) Mistakes {
	if n := len(m) - maxMistakes; n > 0 {
		return append(m[:maxMistakes:maxMistakes], Mistake{File: file, Rule: fmt.Sprintf("has %d more mistakes", n)})
	}
	return m
}

// Defaults are the settings where nobody sets anything.
func Defaults() core.Settings { return core.Settings{Adopt: core.AdoptPropose} }

// Read reads the files in their order: a key of a later one wins. A file that is
// not there is fine. If anything is wrong in any of them, the settings are the
// defaults, and the mistakes say why: half of what somebody meant is nothing
// that anybody meant.
func Read(files ...string) (core.Settings, Mistakes) {
	s := Defaults()
	var all Mistakes
	for _, file := range files {
		data, err := load(file, maxSize)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			all = append(all, Mistake{File: file, Rule: err.Error()})
			continue
		}
		said, mistakes := parse(file, data)
		s = over(said, s)
		mistakes = append(mistakes, clashesIn(said, s)...)
		mistakes.sort()
		all = append(all, mistakes.bounded(file)...)
	}
	if len(all) > 0 {
		return Defaults(), all
	}
	return s, nil
}

// over returns base with what said sets in its place.
func over(said, base core.Settings) core.Settings {
	if said.Adopt != "" {
		base.Adopt = said.Adopt
	}
	if said.Metrics.Listen != "" {
		base.Metrics.Listen = said.Metrics.Listen
	}
	if said.Metrics.Textfile != "" {
		base.Metrics.Textfile = said.Metrics.Textfile
	}
	if len(said.Defaults.From) > 0 {
		base.Defaults = said.Defaults.Over(base.Defaults)
	}
	base.Alerts = overAlerts(said, base)
	for key, where := range said.From {
		if base.From == nil {
			base.From = map[string]string{}
		}
		base.From[key] = where
	}
	for name, one := range said.Services {
		if base.Services == nil {
			base.Services = map[string]core.Supervision{}
		}
		base.Services[name] = one.Over(base.Services[name])
	}
	return base
}

// load reads a file, if it is a regular one of a bearable size.
func load(file string, most int64) ([]byte, error) {
	data, _, err := loadOf(file, most, nil)
	return data, err
}

// loadOf is load, and tells when the file was changed. It must be of that owner, if there
// is one given, and nobody else may write to it, or put another in its place. It does
// without os.File, which would have the runtime poll each: the command guard reads
// hundreds of files before a command may run.
func loadOf(file string, most int64, owner *uint32) (data []byte, changed time.Time, err error) {
	// Without O_NONBLOCK, a FIFO would be waited for until somebody writes.
	fd, err := again(func() (int, error) {
		return syscall.Open(file, syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, changed, err
	case err != nil:
		return nil, changed, fmt.Errorf("cannot be read: %w; make it readable or remove it", err)
	}
	defer func() { _ = syscall.Close(fd) }()
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		return nil, changed, fmt.Errorf("cannot be read: %w", err)
	}
	changed = time.Unix(st.Mtim.Unix())
	switch {
	case st.Mode&syscall.S_IFMT == syscall.S_IFCHR && st.Rdev == devNull:
		return nil, changed, errNull
	case st.Mode&syscall.S_IFMT != syscall.S_IFREG:
		return nil, changed, errors.New("must be a regular file")
	}
	if owner != nil {
		if err := solelyOf(file, *owner, st); err != nil {
			return nil, changed, err
		}
	}
	if st.Size > most {
		return nil, changed, fmt.Errorf("must be no larger than %d bytes", most)
	}
	data, err = readAll(fd, st.Size, most)
	return data, changed, err
}

// readAll reads to the end, which is most probably after size bytes.
func readAll(fd int, size, most int64) ([]byte, error) {
	// Room for one byte more shows the end at once, and a file that grows.
	data := make([]byte, 0, size+1)
	for {
		n, err := again(func() (int, error) { return syscall.Read(fd, data[len(data):cap(data)]) })
		switch {
		case err != nil:
			return nil, fmt.Errorf("cannot be read: %w", err)
		case n <= 0:
			return data, nil
		}
		data = data[:len(data)+n]
		switch {
		case int64(len(data)) > most:
			return nil, fmt.Errorf("must be no larger than %d bytes", most)
		case int64(len(data)) == size:
			return data, nil
		case len(data) == cap(data):
			data = slices.Grow(data, 512)
		}
	}
}

// devNull is the number of /dev/null, 1:3, on every Linux.
const devNull = 1<<8 | 3

// errNull is about a file that leads to /dev/null.
var errNull = errors.New("must be a regular file")

// solelyOf says what is wrong with a file that only its owner may have a say in.
func solelyOf(file string, owner uint32, st syscall.Stat_t) error {
	who := "root"
	if owner != 0 {
		who = fmt.Sprintf("uid %d", owner)
	}
	const others = syscall.S_IWGRP | syscall.S_IWOTH
	if st.Uid != owner || st.Mode&others != 0 {
		return fmt.Errorf("must belong to %s, and nobody else may write to it: chown %s, chmod go-w", who, who)
	}
	dir := filepath.Dir(file)
	if err := syscall.Stat(dir, &st); err != nil {
		return fmt.Errorf("cannot be believed, for nothing is known of %s: %w", dir, err)
	}
	if st.Uid != owner || st.Mode&others != 0 {
		return fmt.Errorf("must be in a directory of %s's that nobody else may write to: chown %s, chmod go-w %s", who, who, dir)
	}
	return nil
}

// again calls f until no signal interrupts it.
func again(f func() (int, error)) (int, error) {
	for {
		if n, err := f(); err != syscall.EINTR { //nolint:errorlint // nobody wraps it
			return n, err
		}
	}
}
