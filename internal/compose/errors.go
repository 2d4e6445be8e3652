package compose

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

var (
	validating = regexp.MustCompile(`^validating (.+?): (.*)$`)
	keyPath    = regexp.MustCompile(`\b(?:services|networks|volumes|secrets|configs|include|jobs|models)((?:\.[A-Za-z0-9_-]+|\[\d+\]|\.\[\])+)`)
	serviceOf  = regexp.MustCompile("(?i)service (?:\"([^\"]+)\"|([A-Za-z0-9._-]+))")
	topKey     = regexp.MustCompile(`^(services|networks|volumes|secrets|configs|include|name)\b`)
	decoding   = regexp.MustCompile(`'(services|networks|volumes|secrets|configs)\[([A-Za-z0-9._-]+)\]((?:\.[A-Za-z0-9_]+)*)[^']*' `)
	unknownKey = regexp.MustCompile(`^(\S+) false schema$`)
	additional = regexp.MustCompile(`additional properties '([^']+)'`)
	undefined  = regexp.MustCompile(`service "([^"]+)" depends on undefined service "([^"]+)"`)
)

// ways are the ways out, by what compose-go says.
var ways = []struct{ says, try string }{
	{"is no key that Compose knows", "mend the spelling of the key, or where it stands; keys of your own begin with x-"},
	{"depends on undefined service", "add the service, or strike it from depends_on"},
	{"undefined network", "declare it under networks: at the top, with external: true if others look after it"},
	{"undefined volume", "declare it under volumes: at the top; a path begins with / or ./"},
	{"undefined secret", "declare it under secrets: at the top"},
	{"undefined build secret", "declare it under secrets: at the top"},
	{"undefined config", "declare it under configs: at the top"},
	{"neither an image nor a build context", "give it image: or build:"},
	{"dependency cycle", "strike one of the dependencies"},
	{"include cycle", "strike one of the includes"},
	{"Circular reference", "strike one of the extends"},
	{"cycle detected", "strike one of the references"},
	{"required variable", "set it in the environment, or in .env beside the first file"},
	{"invalid interpolation format", "a $ that is meant as such is written $$"},
	{"already defined at line", "strike one of the two"},
	{"already mounted as", "strike one of the two"},
	{"must declare either `file` or `environment`", "say where it comes from, or external: true for one that is in Podman"},
	{"mutually exclusive", "strike one of the two"},
	{"mutualy exclusive", "strike one of the two"},
	{"can't set distinct values", "strike one of the two"},
	{"not found", "mend the name, or add it"},
	{"which is left out", "turn one on with --profile NAME, or do without by required: false in depends_on"},
	{"invalid boolean", "true or false"},
	{"invalid command line string", "close its quotes as for a shell, or write it as a list"},
	{"invalid duration", "durations are written 1m30s, 500ms, …"},
	{"must be a", "the Compose specification shows how it is written"},
}

// explain makes one line of what compose-go found: the file, the place, the
// rule and a way out.
func (s *scanner) explain(err error) error {
	text := strings.Join(strings.Fields(err.Error()), " ")
	text = strings.TrimSuffix(text, ": invalid compose project")
	at := ""
	if m := validating.FindStringSubmatch(text); m != nil {
		at, text = m[1], m[2]
	}
	// What stands there may be a password.
	text, _, _ = strings.Cut(text, " You may need to escape")
	text = strings.TrimPrefix(text, "decoding failed due to the following error(s): ")
	text = decoding.ReplaceAllString(text, "$1.$2$3: ")
	// The schema's two ways to say the same.
	if m := unknownKey.FindStringSubmatch(text); m != nil {
		text = m[1] + " is no key that Compose knows"
	} else if m := additional.FindStringSubmatch(text); m != nil {
		where := strings.TrimSpace(text[:strings.Index(text, "additional")])
		text = strings.TrimPrefix(where+"."+m[1], ".") + " is no key that Compose knows"
	}
	if m := keyPath.FindString(text); m != "" {
		at = s.place(strings.Split(m, ".")...)
	} else if m := serviceOf.FindStringSubmatch(text); m != nil {
		at = s.place("services", m[1]+m[2])
	} else if m := topKey.FindString(text); m != "" {
		at = s.place(m)
	} else if key, ok := strings.CutSuffix(text, " is no key that Compose knows"); ok {
		at = s.place(key)
	}
	if at == "" && len(s.order) > 0 {
		at = s.order[0]
	}
	for _, w := range ways {
		if strings.Contains(text, w.says) {
			return &loadError{fmt.Sprintf("cannot read %s: %s; %s", at, text, w.try), err}
		}
	}
	return &loadError{fmt.Sprintf("cannot read %s: %s; the Compose specification shows how it is written", at, text), err}
}

// loadError is compose-go's error in keeper's words.
type loadError struct {
	text string
	err  error
}

func (e *loadError) Error() string { return e.text }
func (e *loadError) Unwrap() error { return e.err }

// offByProfile says so where a service only looks undefined.
func (s *scanner) offByProfile(err error, profiles []string) error {
	m := undefined.FindStringSubmatch(err.Error())
	if m == nil {
		return err
	}
	for _, d := range s.docs {
		needed := child(child(d.root, "services"), m[2])
		if needed == nil {
			continue
		}
		var names []string
		for _, n := range list(child(needed, "profiles")) {
			names = append(names, scalar(n))
		}
		on := "no profile is on"
		if len(profiles) > 0 {
			on = "on are: " + strings.Join(profiles, ", ")
		}
		return fmt.Errorf("service %q needs the service %q, which is left out: it has the profiles %s, and %s",
			m[1], m[2], strings.Join(names, ", "), on)
	}
	return err
}

// nothingOn is the error for a project without a service.
func (s *scanner) nothingOn(p *types.Project) error {
	if len(p.DisabledServices) == 0 {
		return fmt.Errorf("cannot read the Compose file %s: there is no service in it; \"services:\" needs at least one", s.order[0])
	}
	var profiles []string
	for _, service := range p.DisabledServices {
		profiles = append(profiles, service.Profiles...)
	}
	slices.Sort(profiles)
	return fmt.Errorf("cannot read the Compose file %s: every service in it is left out by its profile; turn one on with --profile NAME (%s)",
		s.order[0], strings.Join(slices.Compact(profiles), ", "))
}
