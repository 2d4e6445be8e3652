package quadlet

import (
	"regexp"
	"strings"
)

var (
	secretKey = regexp.MustCompile(`(?i)(passw|passphrase|secret|token|credential|api_?key|access_?key|private_?key|encryption_?key|signing_?key|(^|_)(pass|pwd|pw|dsn|salt|jwt)(_|$))`)
	notSecret = regexp.MustCompile(`(?i)(_file|_path|_ttl|_expiry|_expires?|_lifetime|_length|_min|_max|_enabled|_policy|_timeout|_name|_url|_uri|_host|_id|_type)$`)
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
