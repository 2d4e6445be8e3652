package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"keeper/internal/core"
)

// key is a key that keeper.toml may have.
type key struct {
	// name is the whole name: table.key.
	name string
	// rule says what the value must be, and set takes it if it is that.
	rule string
	set  func(s *core.Settings, v *unstable.Node) bool
}

// keys are all there are.
var keys = []key{
	oneOf("adopt", func(s *core.Settings) *core.Adopt { return &s.Adopt }, core.AdoptPropose, core.AdoptAuto, core.AdoptOff),
}

// oneOf is a key whose value is one of some words.
func oneOf[T ~string](name string, field func(*core.Settings) *T, words ...T) key {
	quoted := make([]string, 0, len(words))
	for _, w := range words {
		quoted = append(quoted, strconv.Quote(string(w)))
	}
	return key{
		name: name, rule: "must be one of " + strings.Join(quoted, ", "),
		set: func(s *core.Settings, v *unstable.Node) bool {
			word := T(v.Data)
			if v.Kind != unstable.String || !slices.Contains(words, word) {
				return false
			}
			*field(s) = word
			return true
		},
	}
}

// parse takes what the file says into the settings and returns what is wrong
// with it.
func parse(file string, data []byte, s *core.Settings) Mistakes {
	r := reader{file: file, settings: s, seen: map[string]int{}}
	r.p.Reset(data)
	for r.p.NextExpression() {
		e := r.p.Expression()
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			r.header(e)
		case unstable.KeyValue:
			r.keyValue(r.table, e)
		}
	}
	// The parser reads an expression at a time. What only the whole of a document
	// can break is told by the library itself.
	var whole map[string]any
	var de *toml.DecodeError
	if err := toml.Unmarshal(data, &whole); errors.As(err, &de) {
		line, _ := de.Position()
		if !slices.ContainsFunc(r.mistakes, func(m Mistake) bool { return m.Line == line }) {
			r.wrong(line, strings.Join(de.Key(), "."), "", noTOML(de))
		}
	} else if err != nil {
		r.wrong(0, "", "", noTOML(err))
	}
	slices.SortStableFunc(r.mistakes, func(a, b Mistake) int { return a.Line - b.Line })
	return r.mistakes
}

// noTOML is what the library says, which may quote the file as it is.
func noTOML(err error) string {
	const most = 200
	r := []rune("is no TOML: " + printable(strings.TrimPrefix(err.Error(), "toml: ")))
	return string(r[:min(len(r), most)])
}

// reader walks through one file.
type reader struct {
	p        unstable.Parser
	file     string
	settings *core.Settings
	mistakes Mistakes
	// table is the one that is open, unknown that it is none of keeper's: then
	// that is said once, and not of each key in it.
	table   []string
	unknown bool
	// seen has the line of each key.
	seen map[string]int
}

func (r *reader) line(at *unstable.Node) int { return r.p.Shape(at.Raw).Start.Line }

func (r *reader) wrong(line int, key, value, rule string) {
	r.mistakes = append(r.mistakes, Mistake{File: r.file, Line: line, Key: short(printable(key)), Value: value, Rule: rule})
}

// header opens a table.
func (r *reader) header(e *unstable.Node) {
	names, line := r.names(e.Key())
	r.table = names
	name := strings.Join(names, ".")
	r.unknown = !slices.ContainsFunc(keys, func(k key) bool { return strings.HasPrefix(k.name, name+".") })
	if r.unknown {
		r.wrong(line, "["+name+"]", "", "there is no such table"+meant(name, tables()))
	}
}

// names returns the parts of a key, and its line.
func (r *reader) names(it unstable.Iterator) (names []string, line int) {
	for it.Next() {
		n := it.Node()
		if line == 0 {
			line = r.line(n)
		}
		names = append(names, printable(string(n.Data)))
	}
	return names, line
}

func (r *reader) keyValue(table []string, e *unstable.Node) {
	if r.unknown {
		return
	}
	names, line := r.names(e.Key())
	names = slices.Concat(table, names)
	v := e.Value()
	if v.Kind == unstable.InlineTable {
		for it := v.Children(); it.Next(); {
			r.keyValue(names, it.Node())
		}
		return
	}
	name := strings.Join(names, ".")
	if before, twice := r.seen[name]; twice {
		r.wrong(line, name, "", fmt.Sprintf("is set already in line %d", before))
		return
	}
	r.seen[name] = line
	i := slices.IndexFunc(keys, func(k key) bool { return k.name == name })
	if i < 0 {
		r.wrong(line, name, "", "there is no such key"+meant(name, keyNames()))
		return
	}
	if !keys[i].set(r.settings, v) {
		r.wrong(line, name, shown(v), keys[i].rule)
	}
}

// shown is a value as a person would write it, shortened.
func shown(v *unstable.Node) string {
	switch v.Kind {
	case unstable.Array:
		return "[…]"
	case unstable.String:
		return short(strconv.Quote(string(v.Data)))
	}
	return short(printable(string(v.Data)))
}

func short(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// printable keeps a file from moving the cursor of a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

func keyNames() []string {
	var names []string
	for _, k := range keys {
		names = append(names, k.name)
	}
	return names
}

func tables() []string {
	var names []string
	for _, k := range keys {
		if i := strings.LastIndexByte(k.name, '.'); i >= 0 && !slices.Contains(names, k.name[:i]) {
			names = append(names, k.name[:i])
		}
	}
	return names
}

// meant guesses which of the names somebody meant.
func meant(name string, names []string) string {
	best, least := "", 3 // two slips at the most
	for _, n := range names {
		if d := distance(name, n); d < least && d < len(n) {
			best, least = n, d
		}
	}
	switch {
	case best != "":
		return "; did you mean " + best + "?"
	case len(names) > 0:
		return "; there are: " + strings.Join(names, ", ")
	}
	return ""
}

// distance is how many letters differ (Levenshtein).
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	if len(x) > 100 {
		return len(x) // nobody meant that, and it costs its square
	}
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := range x {
		diagonal := row[0]
		row[0] = i + 1
		for j := range y {
			cost := diagonal
			if x[i] != y[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(y)]
}
