package podman

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// unitName makes a name fit for a unit file. The names of containers always
// are; those of networks, and whatever else comes through the API, need not be.
func unitName(name string) string {
	const most = 200 // systemd allows 255 with the suffix, and Quadlet adds -volume and the like
	fit := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-', r == '.':
			return r
		}
		return '-'
	}, name)
	// A leading dot hides the file, a leading dash looks like an option.
	fit = strings.TrimLeft(fit, ".-")
	if fit == name && fit != "" && len(fit) <= most {
		return fit
	}
	if fit == "" {
		fit = "unnamed"
	}
	// Two names that differ in what was replaced must not meet in one file.
	sum := sha256.Sum256([]byte(name))
	return strings.TrimRight(fit[:min(len(fit), most)], "-.") + "-" + hex.EncodeToString(sum[:3])
}
