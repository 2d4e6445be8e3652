package config

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables of docs/reference/settings.md anew")

// The tables in docs/reference/settings.md are those of the code.
func TestDocs(t *testing.T) {
	t.Parallel()
	file := filepath.Join("..", "..", "docs", "reference", "settings.md")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for name, table := range map[string]string{"keys of keeper.toml": docKeys(), "keys of a channel": docChannel(), "keys of a service": docSettings(), "keys of the guard": docGuard()} {
		begin, end := "<!-- "+name+" -->\n", "<!-- end -->"
		before, rest, found := strings.Cut(text, begin)
		_, after, ended := strings.Cut(rest, end)
		if !found || !ended {
			t.Fatalf("there is no place for the %s", name)
		}
		text = before + begin + table + end + after
	}
	switch {
	case text == string(data):
	case *update:
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s does not have what the code has; go test ./internal/config -run TestDocs -update", file)
	}
}

func docKeys() string {
	var b strings.Builder
	b.WriteString("| key | value | default | meaning |\n|---|---|---|---|\n")
	for _, k := range keys {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", k.name, docRule(k.rule), k.initial, k.means)
	}
	return b.String()
}

func docChannel() string {
	var b strings.Builder
	b.WriteString("| key | value | meaning |\n|---|---|---|\n")
	for _, k := range channelKeys {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.name, docRule(k.rule), k.means)
	}
	return b.String()
}

func docGuard() string {
	var b strings.Builder
	b.WriteString("| key | value | default | meaning |\n|---|---|---|---|\n")
	for _, k := range guardKeys {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", k.name, docRule(k.rule), k.initial, k.means)
	}
	fmt.Fprintf(&b, "| `rules.\"ID\"`, `rules.CLASS` | %s | that of the rule | %s |\n", docRule(ruleRule), ruleMeans)
	return b.String()
}

func docSettings() string {
	var b strings.Builder
	b.WriteString("| keeper.toml | X-Keeper | value | default | meaning |\n|---|---|---|---|---|\n")
	for _, k := range settings {
		star := ""
		if k.shared {
			star = " *"
		}
		fmt.Fprintf(&b, "| `%s`%s | `%s` | %s | %s | %s |\n", k.toml, star, k.unit, docRule(k.rule), k.initial, k.means)
	}
	return b.String()
}

// docRule is a rule as a description.
func docRule(rule string) string {
	return strings.ReplaceAll(strings.TrimPrefix(rule, "must be "), `"`, "`")
}
