package compose

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/template"

	"keeper/internal/quadlet"
)

// unset remembers the variables that a file uses and nobody set. Compose goes
// on with nothing in their place, and says so on standard error alone; an empty
// password, or a volume at /, is no small matter.
type unset struct {
	// texts are the values that the variables stand in, as they are written.
	texts map[string]map[string]bool
}

// substitute is compose-go's own, with an eye on what is looked up.
func (u *unset) substitute(text string, lookup template.Mapping) (string, error) {
	return template.Substitute(text, func(name string) (string, bool) {
		value, ok := lookup(name)
		if ok || !plainly(text, name) {
			return value, ok
		}
		if u.texts == nil {
			u.texts = map[string]map[string]bool{}
		}
		if u.texts[text] == nil {
			u.texts[text] = map[string]bool{}
		}
		u.texts[text][name] = true
		return "", true // it would only be logged
	})
}

var reference = regexp.MustCompile(`(?i)\$(?:\$|([_a-z][_a-z0-9]*)|\{([_a-z][_a-z0-9]*)\})`)

// plainly says whether a text has $NAME or ${NAME}, without a default.
func plainly(text, name string) bool {
	for _, m := range reference.FindAllStringSubmatch(text, -1) {
		if m[1] == name || m[2] == name {
			return true
		}
	}
	return false
}

// notes say which variable is not set, and where. on says whether a service is,
// and which unit it has.
func (u *unset) notes(s *scanner, unit func(service string) (string, bool)) []quadlet.Note {
	var notes []quadlet.Note
	for _, text := range slices.Sorted(maps.Keys(u.texts)) {
		names := slices.Sorted(maps.Keys(u.texts[text]))
		found := false
		s.where(text, func(path []string, at string) bool {
			found = true
			name := ""
			if len(path) > 1 && path[0] == "services" {
				var on bool
				if name, on = unit(path[1]); !on {
					return true
				}
			}
			for _, v := range names {
				notes = append(notes, unsetNote(name, v, fmt.Sprintf("%s: %s", at, strings.Join(path, "."))))
			}
			return true
		})
		if found {
			continue
		}
		for _, v := range names {
			notes = append(notes, unsetNote("", v, s.order[0]))
		}
	}
	return notes
}

func unsetNote(unit, name, at string) quadlet.Note {
	return quadlet.Note{
		Unit: unit, Field: "${" + name + "}", Level: quadlet.Stop,
		Text:   fmt.Sprintf("the variable %s is not set, and nothing would stand in its place (%s)", name, at),
		Try:    fmt.Sprintf("set it in .env beside the first file, or write ${%s:-} where nothing is meant", name),
		Accept: "unset-variables",
	}
}
