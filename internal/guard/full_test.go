package guard

import (
	"fmt"
	"strings"
	"testing"
)

// What the settings allow must not hide what comes behind it, however much it is.
func TestManyFindings(t *testing.T) {
	var line strings.Builder
	for i := range 3 * maxFound {
		fmt.Fprintf(&line, "podman volume rm scratch-%d\n", i)
	}
	line.WriteString("loginctl terminate-user flowstate\n")
	p := Policy{User: Settings{Allow: []Pattern{{Words: []string{"podman", "volume", "rm", "scratch-*"}}}}}
	if v := Judge(line.String(), testHost(), p); v.Decision != Deny {
		t.Errorf("%s: %d findings", v.Decision, len(v.Findings))
	}
	if v := Judge("podman volume rm scratch-1", testHost(), p); v.Decision != Allow {
		t.Errorf("what is allowed is %s", v.Decision)
	}
}

// A line that is too much to be gone through is asked about, whatever it is: a shell
// would run it.
func TestTooMuchIsAskedAbout(t *testing.T) {
	line := "for a in {1..64}; do for b in {1..64}; do for c in {1..64}; do x=$c; done; done; done"
	if v := Judge(line, testHost(), Policy{}); v.Decision != Ask || v.Failed == "" {
		t.Errorf("%s, failed %q", v.Decision, v.Failed)
	}
	if v := Judge("echo it's nothing", testHost(), Policy{}); v.Decision != None {
		t.Errorf("what no shell runs is %s", v.Decision)
	}
}
