package guard

import (
	"strings"
	"testing"
)

// BenchmarkJudge is what judging takes of the five milliseconds that the whole process
// has.
func BenchmarkJudge(b *testing.B) {
	script := strings.Repeat(`#!/bin/bash
set -euo pipefail
for f in internal/*/*.go; do
	gofmt -l "$f" | while read -r line; do echo "$line"; done
done
if [ -n "${CI:-}" ]; then export GOFLAGS=-mod=readonly; fi
out=$(go test ./... 2>&1 | tee /tmp/test.log) || { echo "$out"; exit 1; }
podman ps --format '{{.Names}}' | grep -q postgres && podman exec postgres psql -U postgres -c 'SELECT 1'
systemctl --user restart django
`, 20)
	for _, c := range []struct{ name, line string }{
		{"incident", "loginctl terminate-user flowstate"},
		{"harmless", "git status --short && go test ./internal/guard/ 2>&1 | tail -20"},
		{"wrapped", `sudo -n bash -c "nohup sh -c 'podman exec -i postgres psql -U postgres -c \"DROP TABLE accounts\"' &"`},
		{"script", script},
	} {
		b.Run(c.name, func(b *testing.B) {
			host := testHost()
			b.ReportAllocs()
			for b.Loop() {
				Judge(c.line, host, Policy{})
			}
		})
	}
}
