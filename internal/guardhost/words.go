package guardhost

import (
	"strconv"
	"strings"
	"unicode"
)

// names are what specifiers of systemd.unit(5) stand for.
type names struct {
	uid                 int
	user, home, runtime string
	// unit is that of the service, without .service.
	unit string
}

// expand puts in what specifiers stand for. It is not ok where one is not known.
func (n names) expand(value string) (string, bool) {
	if strings.Contains(value, "${") { // systemd puts in what the unit's environment has
		return value, false
	}
	if !strings.ContainsRune(value, '%') {
		return value, true
	}
	prefix, instance, template := strings.Cut(n.unit, "@")
	if template && instance == "" {
		instance = "*"
	}
	unit := n.unit
	if template {
		unit = prefix + "@" + instance
	}
	var b strings.Builder
	for i := 0; i < len(value); i++ {
		if value[i] != '%' {
			b.WriteByte(value[i])
			continue
		}
		if i++; i == len(value) {
			return value, false
		}
		switch value[i] {
		case '%':
			b.WriteByte('%')
		case 'n':
			b.WriteString(unit + ".service")
		case 'N':
			b.WriteString(unit)
		case 'p', 'P':
			b.WriteString(prefix)
		case 'i', 'I':
			b.WriteString(instance)
		case 'h':
			b.WriteString(n.home)
		case 'u':
			b.WriteString(n.user)
		case 'U':
			b.WriteString(strconv.Itoa(n.uid))
		case 't':
			b.WriteString(n.runtime)
		default:
			return value, false
		}
	}
	return b.String(), true
}

// unquoted is a value without the pair of quotes around it.
func unquoted(s string) string {
	if n := len(s); n >= 2 && (s[0] == '"' || s[0] == '\'') && s[n-1] == s[0] {
		return s[1 : n-1]
	}
	return s
}

// volume reads [SOURCE:]INSIDE[:OPTIONS] (podman-run(1), --volume).
func volume(value string) mounted {
	parts := strings.Split(value, ":")
	switch len(parts) {
	case 1:
		return mounted{inside: parts[0]}
	case 2:
		return mounted{source: parts[0], inside: parts[1]}
	}
	return mounted{parts[0], parts[1], hasWord(parts[2], "ro")}
}

func hasWord(list, word string) bool {
	for one := range strings.SplitSeq(list, ",") {
		if one == word {
			return true
		}
	}
	return false
}

// mountOf reads type=volume,source=…,destination=… (podman-run(1), --mount).
func mountOf(value string) mounted {
	var m mounted
	kind := "volume"
	for one := range strings.SplitSeq(value, ",") {
		key, v, found := strings.Cut(one, "=")
		switch strings.ToLower(key) {
		case "type":
			kind = v
		case "source", "src":
			m.source = v
		case "target", "destination", "dst":
			m.inside = v
		case "ro", "readonly":
			m.readOnly = !found || v == "true"
		}
	}
	switch kind {
	case "bind", "volume", "glob":
		return m
	}
	return mounted{}
}

// ports reads [[IP:][HOST]:]INSIDE[/PROTOCOL] (podman-run(1), --publish), and returns
// the first and the last port of this host, or zeros where that is nobody's choice.
func ports(value string) (from, to int) {
	value, _, _ = strings.Cut(value, "/")
	at := strings.LastIndexByte(value, ':')
	if at < 0 {
		return 0, 0
	}
	host := value[:at]
	host = host[strings.LastIndexByte(host, ':')+1:]
	first, last, ranged := strings.Cut(host, "-")
	if !ranged {
		last = first
	}
	a, errA := strconv.ParseUint(first, 10, 16)
	b, errB := strconv.ParseUint(last, 10, 16)
	if errA != nil || errB != nil || a == 0 || b < a {
		return 0, 0
	}
	return int(a), int(b)
}

// isName is what Podman takes for a name (define.NameRegex); * is an instance's.
func isName(s string) bool {
	return s != "" && len(s) <= 255 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-*") == "" && s[0] != '-' && s[0] != '.'
}

// isUnit is what systemd takes for one (unit_name_is_valid).
func isUnit(s string) bool {
	return s != ".service" && len(s) <= 255 && strings.Trim(s, `abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\@*`) == ""
}

// plain says that a path can be shown, and has nothing in it that the guard takes for
// something else.
func plain(s string) bool {
	return s != "" && len(s) <= mostPath && strings.IndexFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) < 0
}

// printable is a line that moves no cursor.
func printable(s string) string {
	const most = 300
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
