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

// notes say which variable is not set, and where. unit says which unit a
// service has, and whether it is on.
func (u *unset) notes(s *scanner, unit func(service string) (string, bool)) []quadlet.Note {
	var notes []quadlet.Note
	found := s.where(u.texts)
	for _, text := range slices.Sorted(maps.Keys(u.texts)) {
		names := slices.Sorted(maps.Keys(u.texts[text]))
		places := found[text]
		if len(places) == 0 {
			places = []placed{{nil, s.order[0]}}
		}
		for _, p := range places {
			name := ""
			if len(p.path) > 0 && strings.HasPrefix(p.path[0], "x-") {
				continue // where an alias uses it, that is a place of its own
			}
			if len(p.path) > 1 && p.path[0] == "services" {
				var on bool
				if name, on = unit(p.path[1]); !on {
					continue
				}
			}
			for _, v := range names {
				notes = append(notes, unsetNote(name, v, strings.TrimSuffix(fmt.Sprintf("%s: %s", p.at, strings.Join(p.path, ".")), ": ")))
			}
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
