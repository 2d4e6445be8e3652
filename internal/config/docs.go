package config

import (
	"fmt"
	"strings"
)

// Tables are those of docs/reference/settings.md, by the marks that they stand between.
func Tables() map[string]string {
	return map[string]string{"keys of keeper.toml": docKeys(), "keys of a channel": docChannel(), "keys of a service": docSettings(), "keys of the guard": docGuard()}
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
