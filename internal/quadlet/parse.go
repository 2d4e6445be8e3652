package quadlet

import (
	"fmt"
	"strings"
)

// Line is a key and its value, as they stand in a unit file.
type Line struct {
	Section, Key, Value string
	// Number is the line's, from 1.
	Number int
}

// Parse reads a unit file as systemd.syntax(7) has it: sections, keys, comments,
// and lines that go on after a backslash. What is no such thing is an error
// that names the line.
func Parse(text string) ([]Line, error) {
	var lines []Line
	section, pending, at := "", "", 0
	for i, l := range strings.Split(text, "\n") {
		l = strings.TrimSuffix(l, "\r")
		trimmed := strings.TrimSpace(l)
		if comment := strings.HasPrefix(trimmed, "#") || strings.HasPrefix(trimmed, ";"); comment || pending == "" && trimmed == "" {
			continue
		}
		if pending == "" {
			at = i + 1
		}
		if before, goesOn := strings.CutSuffix(l, `\`); goesOn {
			pending += before + " "
			continue
		}
		trimmed = strings.TrimSpace(pending + l)
		pending = ""
		if strings.HasPrefix(trimmed, "[") && strings.HasSuffix(trimmed, "]") {
			section = trimmed[1 : len(trimmed)-1]
			continue
		}
		key, value, ok := strings.Cut(trimmed, "=")
		switch {
		case !ok:
			return nil, fmt.Errorf("line %d is neither a [Section] nor Key=value: %s", at, shorten(trimmed))
		case section == "":
			return nil, fmt.Errorf("line %d stands before the first [Section]: %s", at, shorten(trimmed))
		}
		lines = append(lines, Line{section, strings.TrimSpace(key), strings.TrimSpace(value), at})
	}
	if pending != "" {
		return nil, fmt.Errorf("line %d ends with a backslash, and nothing follows", at)
	}
	return lines, nil
}

// single says that of several values of a key the last one counts.
func single(section, name string) bool {
	keys, _ := table(section)
	for _, k := range keys {
		if k.name == name {
			return !k.many
		}
	}
	switch name {
	case "Requires", "Wants", "After", "WantedBy", "Network", "Volume", "PodmanArgs", "Mount":
		return false
	}
	return true
}

// subject is what a value is about: two lines of the same subject contradict
// each other, whatever they say.
func subject(l Line) string {
	key, v := l.Key, strings.Trim(l.Value, `"`)
	switch l.Key {
	case "Environment", "Label", "Annotation", "Sysctl", "BuildArg", "Options":
		v, _, _ = strings.Cut(v, "=")
	case "Tmpfs": // at one place there can be one mount
		key = "Volume"
		v, _, _ = strings.Cut(v, ":")
	case "Ulimit", "AddHost":
		v, _, _ = strings.Cut(v, ":")
		v, _, _ = strings.Cut(v, "=")
	case "Volume", "AddDevice":
		if f := strings.Split(v, ":"); len(f) > 1 && strings.HasPrefix(f[1], "/") {
			v = f[1]
		}
	case "Network":
		v, _, _ = strings.Cut(v, ":")
	case "Secret":
		v, _, _ = strings.Cut(v, ",")
	case "PublishPort":
		v = v[strings.LastIndexByte(v, ':')+1:]
	case "PodmanArgs":
		v, _, _ = strings.Cut(v, "=")
		v, _, _ = strings.Cut(v, " ")
	}
	return l.Section + "\n" + key + "\n" + v
}

// apart takes a line apart that says several things, as a person may write it:
// Environment=A=1 "B=2 3".
func apart(l Line) []Line {
	switch l.Key {
	case "Environment", "Label", "Annotation", "Sysctl", "BuildArg", "Options", "PodmanArgs":
	default:
		return []Line{l}
	}
	list := []Line{l}
	var word strings.Builder
	var quote rune
	end := func() {
		if word.Len() > 0 {
			list = append(list, Line{Section: l.Section, Key: l.Key, Value: word.String()})
		}
		word.Reset()
	}
	for _, r := range l.Value {
		switch {
		case quote == 0 && (r == '"' || r == '\''):
			quote = r
		case r == quote:
			quote = 0
		case quote == 0 && (r == ' ' || r == '\t'):
			end()
		default:
			word.WriteRune(r)
		}
	}
	end()
	return list
}

// Additions is what a file would say and one that a person edited does not. They
// belong in a drop-in. Others are the lines that the person's file says
// differently: the person has the last word.
func Additions(want, have string) (dropin string, others []Line, err error) {
	wanted, err := Parse(want)
	if err != nil {
		return "", nil, err
	}
	present, err := Parse(have)
	if err != nil {
		return "", nil, err
	}
	values, subjects := map[Line]bool{}, map[string]bool{}
	for _, l := range present {
		l.Number = 0
		values[l] = true
		for _, one := range apart(l) {
			subjects[subject(one)] = true
		}
		if single(l.Section, l.Key) {
			subjects[l.Section+"\n"+l.Key] = true
		}
	}
	var b strings.Builder
	section := ""
	for _, l := range wanted {
		l.Number = 0
		switch {
		case values[l]:
			continue
		case l.Section == "Unit" && l.Key == "Description":
			continue // theirs says it as well
		case subjects[subject(l)], single(l.Section, l.Key) && subjects[l.Section+"\n"+l.Key]:
			others = append(others, l)
			continue
		}
		if l.Section != section {
			section = l.Section
			fmt.Fprintf(&b, "\n[%s]\n", section)
		}
		fmt.Fprintf(&b, "%s=%s\n", l.Key, l.Value)
	}
	return b.String(), others, nil
}

// Dropin makes a file of what is to be added to a unit that a person wrote.
func Dropin(unit, additions string, s Source) File {
	return File{Name: unit + ".d/50-keeper.conf", Content: withHeader(additions, s, additions), Source: s}
}

// Dropins says whether the host's Podman reads drop-ins of Quadlet files.
func Dropins(h Host) bool { return !h.Podman.Before(dropinsSince) }
