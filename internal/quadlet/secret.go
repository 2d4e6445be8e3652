package quadlet

import (
	"net/url"
	"regexp"
	"strings"
)

var (
	secretKey = regexp.MustCompile(`(?i)(passw|passphrase|secret|token|credential|api_?key|access_?key|private_?key|encryption_?key|signing_?key|(^|_)(pass|pwd|pw|dsn|salt|jwt)(_|$))`)
	notSecret = regexp.MustCompile(`(?i)(_file|_path|_ttl|_expiry|_expires?|_lifetime|_length|_min|_max|_enabled|_policy|_timeout|_name|_url|_uri|_host|_id|_type)$`)
)

// LooksSecret says whether a variable seems to hold a password, by its name, or
// by a password in a URL.
func LooksSecret(key, value string) bool {
	byName := secretKey.MatchString(key) && (!notSecret.MatchString(key) || strings.HasSuffix(strings.ToUpper(key), "ACCESS_KEY_ID"))
	switch {
	case value == "":
		return false
	case byName:
		return true
	case !strings.Contains(value, "://"), !strings.Contains(value, "@"):
		return false
	}
	u, err := url.Parse(value)
	if err != nil {
		// What cannot be taken apart may well hold a password with a % in it.
		return true
	}
	_, has := u.User.Password()
	return has
}
