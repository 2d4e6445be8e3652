package quadlet

import (
	"fmt"
	"strconv"
	"strings"
)

// Version is a version of Podman's, as far as Quadlet's keys depend on it.
type Version struct{ Major, Minor int }

// ParseVersion reads 5.4.2, 5.4, 4.9.4-rhel or v5.0.0-dev.
func ParseVersion(s string) (Version, error) {
	major, rest, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(s), "v"), ".")
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end >= 0 {
		rest = rest[:end]
	}
	a, err1 := strconv.Atoi(major)
	b, err2 := strconv.Atoi(rest)
	if !ok || err1 != nil || err2 != nil || a < 0 {
		return Version{}, fmt.Errorf("%q is no version of Podman's", s)
	}
	return Version{a, b}, nil
}

// Before says whether v is older than w.
func (v Version) Before(w Version) bool {
	return v.Major < w.Major || v.Major == w.Major && v.Minor < w.Minor
}

func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

// Oldest is the oldest Podman that keeper writes units for: that of Oracle
// Linux 8.
var Oldest = Version{4, 9}
