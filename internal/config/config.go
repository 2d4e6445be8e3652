// Package config reads keeper.toml, the site's, then the account's own, whose keys
// win, and the [X-Keeper] sections of Quadlet files. It is strict: what it does not know is a mistake, and all mistakes
// are told at once. It never writes, and never waits for a file that is none.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

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
	// Without O_NONBLOCK, a FIFO would be waited for until somebody writes.
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("cannot be read: %w; make it readable or remove it", pe.Err)
		}
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	if !fi.Mode().IsRegular() {
		return nil, errors.New("must be a regular file")
	}
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot be read: %w", err)
	case int64(len(data)) > most:
		return nil, fmt.Errorf("must be no larger than %d bytes", most)
	}
	return data, nil
}
