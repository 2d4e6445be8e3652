package app

import (
	"os"
	"path/filepath"
	"testing"
)

func TestStrain(t *testing.T) {
	t.Parallel()
	some := "some avg10=99.00 avg60=99.00 avg300=99.00 total=1\n"
	for name, tt := range map[string]struct{ io, memory, want string }{
		"none":             {"some avg10=3.00 avg60=0.00 avg300=0.00 total=1\nfull avg10=2.00 avg60=0.00 avg300=0.00 total=1\n", "", ""},
		"some tasks wait":  {some + "full avg10=49.99 avg60=80.00 avg300=80.00 total=1\n", "", ""},
		"the disks":        {some + "full avg10=73.21 avg60=0.00 avg300=0.00 total=1\n", "", "all that runs on this machine waited for its disks 73 % of the last ten seconds"},
		"the memory":       {some, some + "full avg10=50.00 avg60=0.00 avg300=0.00 total=1\n", "all that runs on this machine waited for its memory 50 % of the last ten seconds"},
		"what is no such":  {"full\nfull avg10=x\n", "\x00full avg10=90", ""},
		"a kernel without": {"", "", ""},
	} {
		dir := t.TempDir()
		for file, data := range map[string]string{"io": tt.io, "memory": tt.memory} {
			if data == "" {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, file), []byte(data), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := strain(dir); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}
