package app

import (
	"os"
	"path/filepath"
	"testing"

	"keeper/internal/core"
	"keeper/internal/logind"
)

func TestRevives(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		mode os.FileMode // of the helper; 0 where there is none
		user string      // "-" where nobody is recorded
		want bool
	}{
		"in force":                 {0o755, "app\n", true},
		"without an end of line":   {0o755, "app", true},
		"no helper":                {0, "app\n", false},
		"a helper of no program":   {0o644, "app\n", false},
		"nobody is recorded":       {0o755, "-", false},
		"the uid went to another":  {0o755, "bob\n", false},
		"a name that only begins":  {0o755, "app2\n", false},
		"an empty record":          {0o755, "", false},
		"more than one in a line":  {0o755, "app bob\n", false},
		"more than one, line each": {0o755, "app\nbob\n", false},
	} {
		dir := t.TempDir()
		helper, user := filepath.Join(dir, "revive"), filepath.Join(dir, "1000")
		if tt.mode != 0 {
			if err := os.WriteFile(helper, nil, tt.mode); err != nil {
				t.Fatal(err)
			}
		}
		if tt.user != "-" {
			if err := os.WriteFile(user, []byte(tt.user), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := revives(helper, user, "app"); got != tt.want {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}

// PID 1's word alone is no revive: this uid has none on any machine.
func TestRootInForce(t *testing.T) {
	t.Parallel()
	const nobody = 1<<32 - 2
	for _, tt := range []struct {
		life logind.Manager
		want core.Root
	}{
		{logind.Manager{}, core.Root{}},
		{logind.Manager{Armor: true}, core.Root{Armor: true}},
		{logind.Manager{Armor: true, Revive: true}, core.Root{Armor: true}},
	} {
		if got := rootInForce(tt.life, nobody, "app"); got != tt.want {
			t.Errorf("%+v: got %+v, want %+v", tt.life, got, tt.want)
		}
	}
}
