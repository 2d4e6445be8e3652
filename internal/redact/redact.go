// Package redact takes out of command lines what looks like a secret, before they are
// kept or shown. It is pure. It errs on the side of taking too much.
package redact

import "regexp"

// mark is what stands in the place of a secret.
const mark = "…"

const words = `(?:pass(?:word|wd|phrase)?|pwd|token|secret|credentials?|api[-_]?key|access[-_]?key|private[-_]?key|auth)`

var rules = []struct {
	re  *regexp.Regexp
	put string
}{
	// Authorization: Bearer …
	{regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}`), "${1} " + mark},
	// scheme://user:password@host
	{regexp.MustCompile(`(://[^\s/:@"']*):[^\s@"'/]+@`), "${1}:" + mark + "@"},
	// PGPASSWORD=…, --password=…, token: …
	{regexp.MustCompile(`(?i)([\w-]*` + words + `[\w-]*\s*[=:]\s*)("[^"]*"?|'[^']*'?|[^\s"';&|]+)`), "${1}" + mark},
	// --password …
	{regexp.MustCompile(`(?i)(\s--?[\w-]*` + words + `[\w-]*\s+)("[^"]*"?|'[^']*'?|[^\s"';&|-][^\s"';&|]*)`), "${1}" + mark},
	// mysql -pSECRET, redis-cli -a SECRET, curl -u user:SECRET
	{regexp.MustCompile(`((?:mysql|mariadb)[\w-]*\s(?:[^|;&]*\s)?-p)[^\s|;&]+`), "${1}" + mark},
	{regexp.MustCompile(`(redis-cli\s(?:[^|;&]*\s)?-a\s+)[^\s|;&]+`), "${1}" + mark},
	{regexp.MustCompile(`((?:curl|wget)\s(?:[^|;&]*\s)?(?:-u|--user)\s+[^\s:|;&]*:)[^\s|;&]+`), "${1}" + mark},
}

// Command returns a command line without what looks like a secret.
func Command(s string) string {
	for _, r := range rules {
		s = r.re.ReplaceAllString(s, r.put)
	}
	return s
}
