package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// runs is systemd-run(1) as far as it goes here: it fails with 1, and puts variables
// of the host in.
const runs = `#!/bin/sh
[ -z "$FAILS" ] || { echo "Failed to connect to bus" >&2; exit 1; }
while [ "$1" != -- ]; do shift; done
shift
for a; do
	shift
	set -- "$@" "$(printf '%s' "$a" | sed 's/\$\$/%/g; s/\$[A-Za-z@?{][a-z}]*/HOST/g; s/%/$/g')"
done
exec "$@"
`

func TestRunIn(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"systemd-run": runs, "podman": "#!/bin/sh\nshift 2\nexec \"$@\"\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	for script, want := range map[string]int{"exit 0": 0, "exit 1": 1, "exit 2": 2, "x=in; echo ${x}side; exit 3": 3} {
		exit, output, err := runIn(t.Context(), "web", []string{"sh", "-c", script})
		if err != nil || exit != want || strings.Contains(script, "echo") && output != "inside\n" {
			t.Errorf("%s: %d, %q, %v", script, exit, output, err)
		}
	}
	// What is not the service's fault.
	for _, script := range []string{"exit 125", "exit 126", "exit 127"} {
		if exit, _, err := runIn(t.Context(), "web", []string{"sh", "-c", script}); err == nil {
			t.Errorf("%s: %d", script, exit)
		}
	}
	t.Setenv("FAILS", "yes")
	if exit, _, err := runIn(t.Context(), "web", []string{"true"}); err == nil || !strings.Contains(err.Error(), "connect to bus") {
		t.Errorf("the user manager cannot be reached: %d, %v", exit, err)
	}
}
