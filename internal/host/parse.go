package host

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"keeper/internal/core"
)

// family reads os-release(5).
func family(text string) (redHat, debian bool) {
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || key != "ID" && key != "ID_LIKE" {
			continue
		}
		for _, id := range strings.Fields(strings.Trim(value, `"'`)) {
			switch id {
			case "rhel", "fedora", "centos", "ol", "rocky", "almalinux":
				redHat = true
			case "debian", "ubuntu":
				debian = true
			}
		}
	}
	return redHat, debian
}

// controllers reads a file cgroup.controllers; of those that keeper does not know it
// takes none.
func controllers(text string) (list []string) {
	fields := strings.Fields(text)
	for _, name := range core.Controllers {
		for _, f := range fields {
			if f == name {
				list = append(list, name)
				break
			}
		}
	}
	return list
}

// labelType is the third part of a label, user:role:type:level.
func labelType(label string) string {
	parts := strings.SplitN(label, ":", 4)
	if len(parts) < 3 {
		return ""
	}
	return parts[2]
}

// storageOf is what a file of journald.conf(5) says last.
func storageOf(text string) (value string, ok bool) {
	section := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '[':
			section = strings.Trim(line, "[]")
		case section == "Journal":
			key, v, _ := strings.Cut(line, "=")
			if strings.TrimSpace(key) != "Storage" {
				continue
			}
			switch v = strings.TrimSpace(v); v {
			case "volatile", "persistent", "auto", "none": // others are passed over
				value, ok = v, true
			}
		}
	}
	return value, ok
}

// mostIDs is one more than the highest id there is.
const mostIDs = 1 << 32

// subIDs reads a file of subuid(5): the lines NAME:FIRST:COUNT of the account, by its name
// or uid, and those of others. Lines that are none are passed over, as shadow does.
func subIDs(text, user string, uid int) (own, others []core.IDRange) {
	for line := range strings.Lines(text) {
		parts := strings.Split(strings.TrimSpace(line), ":")
		if len(parts) != 3 || parts[0] == "" || parts[0][0] == '#' {
			continue
		}
		r, ok := idRange(parts[0], parts[1], parts[2])
		switch {
		case !ok:
		case parts[0] == user || parts[0] == strconv.Itoa(uid):
			own = append(own, r)
		default:
			others = append(others, r)
		}
	}
	return own, others
}

// getSubIDs reads what getsubids(1) prints: lines "0: NAME FIRST COUNT".
func getSubIDs(text string) (own []core.IDRange) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) != 4 || !strings.HasSuffix(f[0], ":") {
			continue
		}
		if r, ok := idRange(f[1], f[2], f[3]); ok {
			own = append(own, r)
		}
	}
	return own
}

func idRange(owner, start, count string) (core.IDRange, bool) {
	s, err1 := strconv.ParseUint(start, 10, 32)
	n, err2 := strconv.ParseUint(count, 10, 32)
	if err1 != nil || err2 != nil || n == 0 || s+n > mostIDs {
		return core.IDRange{}, false
	}
	return core.IDRange{Owner: printable(owner), Start: s, Count: n}, true
}

// subIDSource is what nsswitch.conf(5) says of subid: files, or the name of a service.
func subIDSource(text string) string {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		value, ok := strings.CutPrefix(strings.TrimSpace(line), "subid:")
		if f := strings.Fields(value); ok && len(f) > 0 {
			return f[0] // libsubid takes one
		}
	}
	return "files"
}

// podmanVersion is the version in what podman --version prints.
func podmanVersion(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	version, ok := strings.CutPrefix(line, "podman version ")
	if !ok {
		return ""
	}
	return printable(strings.TrimSpace(version))
}

// mostShown bounds what is shown of foreign text.
const mostShown = 200

// printable makes foreign text fit to be shown on one line of a terminal.
func printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			r = '?'
		}
		if b.Len() > mostShown {
			return b.String() + "…"
		}
		b.WriteRune(r)
	}
	return b.String()
}
