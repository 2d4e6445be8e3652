package redact

import (
	"strings"
	"testing"
)

func TestCommand(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"/usr/bin/loginctl terminate-user flowstate":             "/usr/bin/loginctl terminate-user flowstate",
		"psql postgres://app:hidden@db/app":                      "psql postgres://app:…@db/app",
		"PGPASSWORD=hidden psql -U app":                          "PGPASSWORD=… psql -U app",
		"mysqldump -u root -phidden app":                         "mysqldump -u root -p… app",
		"redis-cli -h x -a hidden FLUSHALL":                      "redis-cli -h x -a … FLUSHALL",
		"curl -u me:hidden https://x":                            "curl -u me:… https://x",
		"curl -H 'Authorization: Bearer hiddenhidden' https://x": "curl -H 'Authorization: … …' https://x",
		"tool --password hidden --verbose":                       "tool --password … --verbose",
		"tool --api-key=hidden run":                              "tool --api-key=… run",
		`tool --token "hidden words" run`:                        "tool --token … run",
		"podman ps -a":                                           "podman ps -a",
		"systemctl --user restart postgres":                      "systemctl --user restart postgres",
		"cp -p a b":                                              "cp -p a b",
	} {
		got := Command(in)
		if strings.Contains(got, "hidden") {
			t.Errorf("%q: the secret is in %q", in, got)
		}
		if !strings.Contains(in, "Authorization") && got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzCommand(f *testing.F) {
	f.Add("curl -u a:b https://c:d@e --password x PASSWORD=y")
	f.Fuzz(func(t *testing.T, s string) {
		once := Command(s)
		if len(once) > 4*len(s)+16 {
			t.Errorf("it grew from %d to %d", len(s), len(once))
		}
	})
}
