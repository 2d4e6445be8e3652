package config

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// unitValue returns what a value of a unit file is, in the form of the setting,
// or why it is not.
func unitValue(k *setting, text string) (v any, wrong string) {
	ok := false
	switch k.form {
	case word:
		v, ok = text, utf8.ValidString(text)
	case number:
		n, err := strconv.ParseUint(text, 10, 31)
		v, ok = int64(n), err == nil
	case truth:
		v, ok = boolean(text)
	case span:
		v, ok = timespan(text)
	case argv:
		v, ok = split(text)
	case names:
		v, ok = strings.Fields(text), true
	}
	if !ok {
		return nil, k.rule
	}
	return v, ""
}

// boolean is systemd's parse_boolean.
func boolean(s string) (is, ok bool) {
	s = strings.ToLower(s)
	is = slices.Contains([]string{"1", "yes", "y", "true", "t", "on"}, s)
	return is, is || slices.Contains([]string{"0", "no", "n", "false", "f", "off"}, s)
}

// units of a time span (systemd.time(7)).
var spanUnits = map[string]time.Duration{
	"usec": time.Microsecond, "us": time.Microsecond, "μs": time.Microsecond, "µs": time.Microsecond,
	"msec": time.Millisecond, "ms": time.Millisecond,
	"seconds": time.Second, "second": time.Second, "sec": time.Second, "s": time.Second, "": time.Second,
	"minutes": time.Minute, "minute": time.Minute, "min": time.Minute, "m": time.Minute,
	"hours": time.Hour, "hour": time.Hour, "hr": time.Hour, "h": time.Hour,
	"days": 24 * time.Hour, "day": 24 * time.Hour, "d": 24 * time.Hour,
	"weeks": 7 * 24 * time.Hour, "week": 7 * 24 * time.Hour, "w": 7 * 24 * time.Hour,
	// A month is 30.44 days and a year 365.25, as systemd has it.
	"months": 2629800 * time.Second, "month": 2629800 * time.Second, "M": 2629800 * time.Second,
	"years": 31557600 * time.Second, "year": 31557600 * time.Second, "y": 31557600 * time.Second,
}

// timespan is a span of systemd.time(7): 10s, 1min 30s, 500ms; a bare number is
// seconds. Infinity, and never, is forever.
func timespan(s string) (time.Duration, bool) {
	if s == "infinity" || s == "never" {
		return forever, true
	}
	var sum float64
	some := false
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		digits := s[:len(s)-len(strings.TrimLeft(s, "0123456789."))]
		n, err := strconv.ParseFloat(digits, 64)
		if err != nil {
			return 0, false
		}
		s = strings.TrimSpace(s[len(digits):])
		i := strings.IndexAny(s, "0123456789. \t")
		if i < 0 {
			i = len(s)
		}
		unit, known := spanUnits[s[:i]]
		if !known {
			return 0, false
		}
		s = s[i:]
		some = true
		if sum += n * float64(unit); sum > math.MaxInt64/2 {
			return 0, false
		}
	}
	return time.Duration(math.Round(sum)), some
}

// split takes a command line apart as systemd does (systemd.service(5), "Command
// lines"): at spaces, with quotes and C escapes.
func split(s string) (words []string, ok bool) {
	var word strings.Builder
	var quote byte
	inside := false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\':
			if i+1 == len(s) {
				return nil, false
			}
			n := unescape(&word, s[i+1:])
			if n == 0 {
				return nil, false
			}
			i += n
			inside = true
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, inside = c, true
		case quote == 0 && (c == ' ' || c == '\t'):
			if inside {
				words = append(words, word.String())
			}
			word.Reset()
			inside = false
		default:
			word.WriteByte(c)
			inside = true
		}
	}
	if inside {
		words = append(words, word.String())
	}
	return words, quote == 0 && utf8.ValidString(s)
}

// plainEscapes are those of one letter (systemd.syntax(7), "Quoting").
var plainEscapes = map[byte]byte{
	'a': '\a', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v', '\\': '\\', '"': '"', '\'': '\'', 's': ' ',
}

// unescape writes what s, after a backslash, stands for, and returns how much of
// s that is: nothing if it is no escape.
func unescape(b *strings.Builder, s string) int {
	if c, is := plainEscapes[s[0]]; is {
		b.WriteByte(c)
		return 1
	}
	digits, base, from := 3, 8, 0
	switch s[0] {
	case 'x':
		digits, base, from = 2, 16, 1
	case 'u':
		digits, base, from = 4, 16, 1
	case 'U':
		digits, base, from = 8, 16, 1
	}
	if len(s) < from+digits {
		return 0
	}
	n, err := strconv.ParseUint(s[from:from+digits], base, 32)
	if err != nil || n == 0 {
		return 0
	}
	if digits < 4 {
		if n > math.MaxUint8 {
			return 0
		}
		b.WriteByte(byte(n))
	} else {
		if n > utf8.MaxRune || !utf8.ValidRune(rune(n)) {
			return 0
		}
		b.WriteRune(rune(n))
	}
	return from + digits
}
