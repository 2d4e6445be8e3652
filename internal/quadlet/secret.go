package quadlet

import (
	"regexp"
	"strings"
)

var (
	secretKey = regexp.MustCompile(`(?i)(passw|passphrase|secret|token|credential|api_?key|access_?key|private_?key|encryption_?key|signing_?key|(^|_)(pass|pwd|pw|dsn|salt|jwt)(_|$))`)
	notSecret = regexp.MustCompile(`(?i)(_file|_path|_ttl|_expiry|_expires?|_lifetime|_length|_min|_max|_enabled|_policy|_timeout|_seconds|_minutes|_hours|_days|_algorithm|_name|_url|_uri|_host|_id|_type)$`)
	// A password in a URL may have a / in it that should not be there: what looks
	// like a port is no number then.
	secretURL = regexp.MustCompile(`://[^/?#@\s\[]*:([^/?#@\s]+@|[0-9]*[^0-9/?#@\s][^@\s]*@)`)
)

// LooksSecret says whether a variable seems to hold a password, by its name, or
// by a password in a URL.
func LooksSecret(key, value string) bool {
	byName := secretKey.MatchString(key) && (!notSecret.MatchString(key) || strings.HasSuffix(strings.ToUpper(key), "ACCESS_KEY_ID"))
	return value != "" && (byName || secretURL.MatchString(value))
}

// Masked is a unit file as it may be shown: what looks like a password in an
// environment is replaced. A line with one among several variables shows none.
func Masked(content string) string {
	var b strings.Builder
	for line := range strings.Lines(content) {
		b.WriteString(masked(line))
	}
	return b.String()
}

// assignment is a variable and its value, up to the next one.
var assignment = regexp.MustCompile(`([A-Za-z_][A-Za-z0-9_.-]*)=("(?:[^"\\]|\\.)*"|\S*)`)

func masked(line string) string {
	body := strings.TrimLeft(line, " +-\t")
	head := line[:len(line)-len(body)]
	prefix := ""
	for _, p := range []string{"Environment=", "PodmanArgs=--env=", `PodmanArgs="--env=`} {
		if strings.HasPrefix(body, p) {
			prefix = p
		}
	}
	if prefix == "" {
		return line
	}
	rest := strings.Trim(strings.TrimSpace(body[len(prefix):]), `"`)
	if key, value, _ := strings.Cut(rest, "="); LooksSecret(key, value) {
		return head + prefix + key + "=…\n"
	}
	for _, m := range assignment.FindAllStringSubmatch(rest, -1) {
		if LooksSecret(m[1], m[2]) {
			return head + prefix + "…\n"
		}
	}
	return line
}
