package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"keeper/internal/core"
)

// key is a key that keeper.toml may have beside those of services.
type key struct {
	// name is the whole name: table.key.
	name string
	// rule says what the value must be, and put takes it if it is that.
	rule string
	put  func(s *core.Settings, text string) bool
	// initial and means are for docs/reference/settings.md.
	initial, means string
	// secret: nobody is to see what was written there by mistake.
	secret bool
}

// keys are all there are. Their values are strings.
var keys = append([]key{
	{"adopt", "must be one of " + quoted(adoptWords), func(s *core.Settings, text string) bool {
		s.Adopt = core.Adopt(text)
		return slices.Contains(adoptWords, s.Adopt)
	}, "propose", "what is done about containers without a unit: say so, write the unit, or not even look", false},
	{"metrics.listen", `must be a loopback address and a port, such as "127.0.0.1:9742": nobody is asked who he is there`, func(s *core.Settings, text string) bool {
		s.Metrics.Listen = text
		return isLoopback(text)
	}, "", "where the metrics are to be had beside keeper's socket", false},
	{"metrics.textfile", `must be an absolute path that ends in .prom: node_exporter reads no other file`, func(s *core.Settings, text string) bool {
		s.Metrics.Textfile = text
		return isTextfile(text)
	}, "", "a file that the metrics are written to for node_exporter", false},
}, alertKeys...)

var adoptWords = []core.Adopt{core.AdoptPropose, core.AdoptAuto, core.AdoptOff}

// The tables of keeper.toml.
const (
	defaultsTable = "defaults"
	serviceTable  = "service"
	metricsTable  = "metrics"
)

// tables are those that there is one of.
var tables = []string{defaultsTable, metricsTable, alertsTable, heartbeatTable}

// parse returns what the file says, and what is wrong with it.
func parse(file string, data []byte) (core.Settings, Mistakes) {
	r := read(file, data, nil)
	return r.settings, r.mistakes
}

// read walks through a file, whose tables are all in the one named by root.
func read(file string, data []byte, root []string) *reader {
	r := &reader{file: file, root: root, table: root, seen: map[string]int{}, named: map[string]string{}, channelAt: map[string]int{}}
	for i, c := range data {
		if c == '\n' {
			r.ends = append(r.ends, i)
		}
	}
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
	r.wholeChannels()
	r.mistakes.sort()
	return r
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
	settings core.Settings
	guard    Guard
	mistakes Mistakes
	// root is the table that all of the file is in: keeper.toml has none.
	root []string
	// table is the one that is open, unknown that it is none of keeper's: then
	// that is said once, and not of each key in it.
	table   []string
	unknown bool
	// seen has the line of each key, named the service of each name, or nothing
	// where it is none.
	seen  map[string]int
	named map[string]string
	// channelAt is where the table of each channel begins, and that of the heartbeat.
	channelAt map[string]int
	// ends are the offsets of the ends of lines.
	ends []int
}

// line is where a node is. The parser's own Shape counts from the begin of the
// file each time: a large one would take minutes.
func (r *reader) line(at *unstable.Node) int {
	before, _ := slices.BinarySearch(r.ends, int(at.Raw.Offset))
	return before + 1
}

func (r *reader) wrong(line int, key, value, rule string) {
	r.mistakes = append(r.mistakes, Mistake{File: r.file, Line: line, Key: short(printable(key)), Value: value, Rule: rule})
}

// meant guesses, as long as anybody will read it.
func (r *reader) meant(name string, among []string) string {
	if len(r.mistakes) > maxMistakes {
		return ""
	}
	return meant(name, among)
}

// header opens a table.
func (r *reader) header(e *unstable.Node) {
	names, line := r.names(e.Key())
	names = slices.Concat(r.root, names)
	r.table, r.unknown = names, true
	name := strings.Join(names, ".")
	switch {
	case names[0] == guardTable:
		r.unknown = !r.guardHeader(names, line, e.Kind == unstable.ArrayTable)
	case names[0] != serviceTable && names[0] != alertTable && !slices.Contains(tables, name):
		guess := r.meant(name, append(slices.Clone(tables), guardTable, alertTable+".NAME", serviceTable+".NAME"))
		if distance(names[0], serviceTable) <= 2 {
			guess = "; did you mean " + serviceTable + ".NAME?"
		}
		r.wrong(line, "["+name+"]", "", "there is no such table"+guess)
	case e.Kind == unstable.ArrayTable:
		r.wrong(line, "["+name+"]", "", "is one table, and not one of a list: write it in single brackets")
	case names[0] == alertTable && (len(names) != 2 || !isName(names[1]) || len(names[1]) > 100):
		r.wrong(line, "["+name+"]", "", "must be [alert.NAME], with a name for the channel")
	case names[0] == alertTable:
		r.channel(names[1])
		r.channelAt[names[1]], r.unknown = line, false
	case name == heartbeatTable:
		r.channelAt[heartbeatTable], r.unknown = line, false
	case names[0] == serviceTable && len(names) > 1:
		_, ok := r.service(names[1:], line)
		r.unknown = !ok
	default:
		r.unknown = false
	}
}

// service returns the name of the service that the rest of a table's name is, and
// says once if it is none. Without quotes, TOML takes redis.service apart.
func (r *reader) service(parts []string, line int) (name string, ok bool) {
	written := strings.Join(parts, ".")
	name, known := r.named[written]
	if !known {
		var why string
		if name, why = service(written); why != "" {
			r.wrong(line, "["+serviceTable+"."+written+"]", "", why)
		}
		r.named[written] = name
	}
	return name, name != ""
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
	last := len(names) - 1
	switch {
	case names[0] == guardTable && last > 0:
		r.ofGuard(names, line, v)
	case names[0] == serviceTable && last >= 2:
		r.ofService(names, line, v)
	case names[0] == serviceTable:
		r.wrong(line, strings.Join(names, "."), "", "belongs into a table of its service: [service.NAME]")
	case names[0] == alertTable && last == 2:
		if len(r.table) == 0 { // alert.ops.kind = … without a header
			r.channelAt[names[1]] = line
		}
		r.ofChannel(names, line, v)
	case names[0] == alertTable:
		r.wrong(line, strings.Join(names, "."), "", "belongs into a table of its channel: [alert.NAME]")
	case names[0] == defaultsTable && last == 1:
		r.ofDefaults(names, line, v)
	default:
		r.ofAll(names, line, v)
	}
}

// twice notes that the key is set, and says so if it was already.
func (r *reader) twice(name, shown string, line int) bool {
	before, twice := r.seen[name]
	if twice {
		r.wrong(line, shown, "", fmt.Sprintf("is set already in line %d", before))
	} else {
		r.seen[name] = line
	}
	return twice
}

// ofAll takes a key that is of no service.
func (r *reader) ofAll(names []string, line int, v *unstable.Node) {
	name := strings.Join(names, ".")
	if r.twice(name, name, line) {
		return
	}
	i := slices.IndexFunc(keys, func(k key) bool { return k.name == name })
	switch {
	case i < 0 && find(name, tomlName) != nil:
		r.wrong(line, name, "", "stands in no table: put it into [defaults] or [service.NAME]")
	case i < 0:
		var known []string
		for _, k := range keys {
			if table, _, found := strings.Cut(k.name, "."); !found && last(names) || found && table == names[0] {
				known = append(known, k.name)
			}
		}
		r.wrong(line, name, "", "there is no such key"+r.meant(name, known))
	case v.Kind != unstable.String || !keys[i].put(&r.settings, string(v.Data)):
		seen := shown(v)
		if keys[i].secret {
			seen = ""
		}
		r.wrong(line, name, seen, keys[i].rule)
	default:
		if r.settings.From == nil {
			r.settings.From = map[string]string{}
		}
		r.settings.From[name] = from(r.file, line)
	}
}

// last says that the name is in no table.
func last(names []string) bool { return len(names) == 1 || !slices.Contains(tables, names[0]) }

func (r *reader) ofDefaults(names []string, line int, v *unstable.Node) {
	shown := strings.Join(names, ".")
	if r.twice(shown, shown, line) {
		return
	}
	k := find(names[1], tomlName)
	switch {
	case k == nil:
		r.wrong(line, shown, "", "there is no such key"+r.meant(names[1], settingNames(func(s setting) bool { return s.shared }, tomlName)))
	case !k.shared:
		r.wrong(line, shown, "", "is not for all services: put it into [service.NAME]")
	default:
		r.take(&r.settings.Defaults, k, shown, line, v)
	}
}

func (r *reader) ofService(names []string, line int, v *unstable.Node) {
	last := len(names) - 1
	name, ok := r.service(names[1:last], line)
	if !ok {
		return
	}
	shown := strings.Join(names, ".")
	if r.twice(serviceTable+"."+name+"/"+names[last], shown, line) {
		return
	}
	k := find(names[last], tomlName)
	if k == nil {
		r.wrong(line, shown, "", "there is no such key"+r.meant(names[last], settingNames(func(setting) bool { return true }, tomlName)))
		return
	}
	s := r.settings.Services[name]
	r.take(&s, k, shown, line, v)
	if r.settings.Services == nil {
		r.settings.Services = map[string]core.Supervision{}
	}
	r.settings.Services[name] = s
}

// take sets the key of a service.
func (r *reader) take(s *core.Supervision, k *setting, name string, line int, v *unstable.Node) {
	value := valueOf(k, v)
	if value == nil || !k.put(s, value) {
		seen := shown(v)
		if k.secret {
			seen = ""
		}
		r.wrong(line, name, seen, k.rule+tomlForm(k))
		return
	}
	if s.From == nil {
		s.From = map[string]string{}
	}
	s.From[k.toml] = from(r.file, line)
}

// from is where a value came from.
func from(file string, line int) string { return fmt.Sprintf("%s:%d", file, line) }

// valueOf returns the value in the form of the setting, or nil if it is not.
func valueOf(k *setting, v *unstable.Node) any {
	text := string(v.Data)
	switch k.form {
	case word:
		if v.Kind == unstable.String {
			return text
		}
	case number:
		if n, err := strconv.ParseInt(text, 0, 64); v.Kind == unstable.Integer && err == nil {
			return n
		}
	case truth:
		if v.Kind == unstable.Bool {
			return text == "true"
		}
	case span:
		if v.Kind != unstable.String {
			return nil
		}
		if text == core.Never {
			return forever
		}
		// Signs are none of people's: -1ns would be "never".
		if d, err := time.ParseDuration(text); err == nil && !strings.ContainsAny(text, "+-") {
			return d
		}
	case argv, names:
		if v.Kind != unstable.Array {
			return nil
		}
		list := []string{}
		for it := v.Children(); it.Next(); {
			one := it.Node()
			if one.Kind == unstable.Comment {
				continue
			}
			if one.Kind != unstable.String {
				return nil
			}
			list = append(list, string(one.Data))
		}
		return list
	}
	return nil
}

// tomlForm says how such a value is written.
func tomlForm(k *setting) string {
	switch k.form {
	case span:
		return `; written as "10s" or "1m30s"`
	case argv:
		return `; written as ["pg_isready", "-q"]`
	case names:
		return `; written as ["postgres", "redis"]`
	}
	return ""
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

// settingNames are the names of some of the settings.
func settingNames(which func(setting) bool, of func(setting) string) []string {
	var list []string
	for _, k := range settings {
		if which(k) {
			list = append(list, of(k))
		}
	}
	return list
}

// Guess is meant, for names that are no keys: what a person may have meant, to
// be put behind what is wrong.
func Guess(name string, names []string) string {
	const few = 12
	guess := meant(name, names)
	if len(names) > few && !strings.HasSuffix(guess, "?") {
		return ""
	}
	return guess
}

// meant guesses which of the names somebody meant.
func meant(name string, names []string) string {
	best, least := "", 3 // two slips at the most
	for _, n := range names {
		if sameLetters(n, name) {
			return "; did you mean " + n + "?"
		}
		d := distance(name, n)
		if d == 2 && anagram(name, n) {
			d = 1 // two letters changed places
		}
		if d < least && d < len(n) {
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

// sameLetters: password_file and PasswordFile are the same but for the place that
// they are written in.
func sameLetters(a, b string) bool {
	bare := func(s string) string { return strings.NewReplacer("_", "", "-", "").Replace(s) }
	return len(b) < 100 && strings.EqualFold(bare(a), bare(b))
}

func anagram(a, b string) bool {
	x, y := []byte(a), []byte(b)
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
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
