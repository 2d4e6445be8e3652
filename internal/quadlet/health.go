package quadlet

import (
	"encoding/json"
	"strings"
)

// HealthCommand writes the test of a health check, as images and inspecting have
// it, the way podman run --health-cmd reads it (MakeHealthCheckFromCli): a list
// in JSON is run as it is, but not with CMD in front, nor with one word; CMD and
// words are split at spaces and run; all else is given to a shell, which an image
// may not have.
func HealthCommand(test []string) string {
	words := test
	switch {
	case len(test) < 2:
	case test[0] == "CMD-SHELL":
		line := strings.Join(test[1:], " ")
		first, _, _ := strings.Cut(line, " ")
		first = strings.ToUpper(first)
		var parsed []string
		if first != "CMD" && first != "CMD-SHELL" && first != "NONE" && json.Unmarshal([]byte(line), &parsed) != nil {
			return line
		}
		return inJSON([]string{"CMD-SHELL", line})
	case test[0] == "CMD":
		words = test[1:]
	}
	if len(words) != 1 {
		return inJSON(words)
	}
	if len(strings.Fields(words[0])) == 1 && strings.TrimSpace(words[0]) == words[0] {
		return "CMD " + words[0]
	}
	return inJSON([]string{"CMD-SHELL", "exec '" + strings.ReplaceAll(words[0], "'", `'\''`) + "'"})
}

// inJSON writes words as a list, in which && stays readable.
func inJSON(words []string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(words) // of strings, into memory
	return strings.TrimSuffix(b.String(), "\n")
}
