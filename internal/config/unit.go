package config

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	"keeper/internal/core"
)

// xKeeper is the section of Quadlet files that is keeper's. systemd and Podman
// leave alone what begins with X-.
const xKeeper = "X-Keeper"

// unitLine is a line of a unit file.
type unitLine struct {
	section, key, value string
	number              int
	// header: it opens the section. loose: it is neither that nor Key=value.
	header, loose bool
}

// unitLines reads a unit file as systemd does (systemd.syntax(7), and
// config_parse in conf-parser.c): comments, also between lines that go on after a
// backslash, and the rest as it comes.
func unitLines(text string) []unitLine {
	list := make([]unitLine, 0, min(strings.Count(text, "\n")+1, 100))
	section, begun := "", 0
	var pending strings.Builder // of what goes on; a file may be one line
	end := func(l string) {
		switch l = strings.TrimSpace(l); {
		case l == "":
		case l[0] == '[' && l[len(l)-1] == ']':
			section = l[1 : len(l)-1]
			list = append(list, unitLine{section: section, number: begun, header: true})
		default:
			key, value, found := strings.Cut(l, "=")
			list = append(list, unitLine{section: section, key: strings.TrimSpace(key), value: strings.TrimSpace(value), number: begun, loose: !found})
		}
	}
	number := 0
	for l := range strings.Lines(text) {
		number++
		l = strings.TrimLeft(strings.TrimRight(l, "\r\n"), " \t\r")
		if l != "" && (l[0] == '#' || l[0] == ';') {
			continue
		}
		if pending.Len() == 0 {
			begun = number
		}
		// An even number of backslashes is as many of them, and no escape.
		if bare := strings.TrimRight(l, `\`); (len(l)-len(bare))%2 == 1 {
			pending.WriteString(l[:len(l)-1])
			pending.WriteByte(' ')
			continue
		}
		if pending.Len() == 0 {
			end(l)
			continue
		}
		pending.WriteString(l)
		end(pending.String())
		pending.Reset()
	}
	end(pending.String())
	return list
}

// UnitLine is a line Key=value of a unit file.
type UnitLine struct{ Key, Value string }

// UnitLines returns the lines of a section of a Quadlet file, or of a drop-in of one.
// What says nothing is left out. It tells when the file was changed.
func UnitLines(file, section string) (list []UnitLine, size int, changed time.Time, err error) {
	data, changed, err := loadUnit(file)
	for _, l := range unitLines(string(data)) {
		if !l.header && !l.loose && l.section == section {
			list = append(list, UnitLine{l.key, l.value})
		}
	}
	return list, len(data), changed, err
}

// ReadUnit reads the [X-Keeper] sections of a Quadlet file and its drop-ins, in
// this order: of a key that is set twice, the last one counts, DependsOn= adds
// up, and an empty value forgets what was set before. If anything is wrong in
// any of them, nothing of them counts. A file that is not there is fine.
func ReadUnit(files ...string) (core.Supervision, Mistakes) {
	r := unitReader{set: map[string]unitSet{}}
	for _, file := range files {
		data, _, err := loadUnit(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		r.file, r.mistakes = file, nil
		if err != nil {
			r.wrong(0, "", "", err.Error())
		} else {
			r.read(string(data))
		}
		r.all = append(r.all, r.mistakes.bounded(file)...)
	}
	var s core.Supervision
	for key, one := range r.set {
		if s.From == nil {
			s.From = map[string]string{}
		}
		find(key, tomlName).put(&s, one.value)
		s.From[key] = one.from
	}
	// All of them are one section, as for systemd.
	for _, c := range clashes(s, s, unitName) {
		r.all = append(r.all, At(s.From[c.key], find(c.key, tomlName).unit, c.rule))
	}
	if len(r.all) > 0 {
		return core.Supervision{}, r.all
	}
	return s, nil
}

// loadUnit is load, but for what is masked: systemd takes a link to /dev/null for
// an empty file.
func loadUnit(file string) (data []byte, changed time.Time, err error) {
	data, changed, err = loadOf(file, maxUnit, nil)
	if errors.Is(err, errNull) {
		return nil, changed, nil
	}
	return data, changed, err
}

// unitReader walks through the files of one unit.
type unitReader struct {
	file          string
	set           map[string]unitSet
	mistakes, all Mistakes
}

// unitSet is what a key was set to, and where.
type unitSet struct {
	value any
	from  string
}

func (r *unitReader) wrong(line int, key, value, rule string) {
	r.mistakes = append(r.mistakes, Mistake{File: r.file, Line: line, Key: short(printable(key)), Value: short(printable(value)), Rule: rule})
}

func (r *unitReader) read(text string) {
	for _, l := range unitLines(text) {
		switch {
		case l.header && l.section != xKeeper:
			if near(l.section) {
				r.wrong(l.number, "["+l.section+"]", "", "there is no such section; did you mean ["+xKeeper+"]?")
			}
		case l.section != xKeeper || l.header:
		case l.loose:
			// What stands there may be anything, a password as well.
			r.wrong(l.number, "", "", "is neither a [Section] nor Key=value")
		default:
			r.take(l)
		}
	}
}

// near says that somebody meant [X-Keeper].
func near(section string) bool {
	return sameLetters(section, xKeeper) || len(section) < 20 && distance(section, xKeeper) <= 2
}

func (r *unitReader) take(l unitLine) {
	k := find(l.key, unitName)
	if k == nil {
		guess := ""
		if len(r.mistakes) <= maxMistakes {
			guess = meant(l.key, settingNames(func(setting) bool { return true }, unitName))
		}
		r.wrong(l.number, l.key, "", "there is no such key"+guess)
		return
	}
	if l.value == "" {
		delete(r.set, k.toml)
		return
	}
	value, why := unitValue(k, l.value)
	if before, is := r.set[k.toml]; is && why == "" && k.form == names {
		value = slices.Concat(before.value.([]string), value.([]string))
	}
	if why == "" && !k.put(&core.Supervision{}, value) {
		why = k.rule
	}
	if why != "" {
		seen := l.value
		if k.secret || k.form == argv {
			seen = ""
		}
		r.wrong(l.number, l.key, seen, why+unitForm(k))
		return
	}
	r.set[k.toml] = unitSet{value, from(r.file, l.number)}
}

// unitForm says how such a value is written.
func unitForm(k *setting) string {
	switch k.form {
	case span:
		return "; written as 10s or 1min 30s"
	case argv:
		return "; written as pg_isready -q"
	case names:
		return "; written as postgres.service redis.service"
	}
	return ""
}
