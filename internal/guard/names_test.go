package guard

import "testing"

func TestNamed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		word, name string
		want       match
	}{
		{"web", "web", yes}, {"web", "db", no}, {"w*", "web", yes}, {"w" + holeWord, "web", maybe}, {taintWord, "web", yes}, {"d" + holeWord, "web", no},
		// Instances of a template.
		{"job@one.service", "job@*.service", yes}, {"job@.service", "job@*.service", yes}, {"job.service", "job@*.service", no}, {"jobs@one.service", "job@*.service", no},
		{"job@*", "job@*.service", yes}, {"job@" + holeWord + ".service", "job@*.service", maybe}, {"web@" + holeWord, "job@*.service", no},
		{"systemd-job_one", "systemd-job_*", yes}, {"systemd-web", "systemd-job_*", no},
		// Of what could not be read anything may be kept.
		{"web", "*", maybe}, {holeWord, "*", maybe},
	} {
		if got := named(tt.word, tt.name); got != tt.want {
			t.Errorf("%s for %s: got %v, want %v", shown(tt.word), tt.name, got, tt.want)
		}
	}
}

func TestPartial(t *testing.T) {
	t.Parallel()
	h := Host{UID: 1000, User: "app", Home: "/home/app", Units: []string{"*"}, Containers: []string{"*"}, Volumes: []string{"*"}, Networks: []string{"*"}, Pods: []string{"*"}, Partial: true}
	for line, want := range map[string]Decision{
		"podman stop web": Ask, "systemctl --user stop web": Ask, "podman volume rm data": Ask, "podman logs web": None, "systemctl --user status web": None, "ls": None,
	} {
		if v := Judge(line, h, Policy{}); v.Decision != want && (want != Ask || v.Decision != Deny) {
			t.Errorf("%s: %v, want %v", line, v.Decision, want)
		}
	}
}
