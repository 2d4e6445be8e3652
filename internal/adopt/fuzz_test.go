package adopt

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// FuzzJournal reads the journal of an adoption that was interrupted: one that is taken is
// taken whole, for what it names is put back.
func FuzzJournal(f *testing.F) {
	f.Add([]byte(`{"version":1,"started":"2026-03-01T12:00:00Z","Olds":[{"ID":"a","Name":"db","Group":-1}],"files":[{"Path":"/x","After":"1"}]}`))
	f.Add([]byte(`{"version":2}`))
	f.Add([]byte(`{"version":1,"moves":[{}],"start":[[],["a"]]}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, journalName), data, 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := loadJournal(dir)
		if (j == nil) == (err == nil) {
			t.Fatalf("%q is read as %v, %v", data, j, err)
		}
		if err != nil {
			return
		}
		if j.Version != journalVersion || !json.Valid(data) {
			t.Errorf("%q is taken", data)
		}
		if err := j.save(); err != nil {
			t.Fatal(err)
		}
		again, err := loadJournal(dir)
		if err != nil || !same(j, again) {
			t.Errorf("%q is %+v, and once written %+v, %v", data, j, again, err)
		}
	})
}

// same compares what is written: a list that is empty is as none.
func same(a, b *journal) bool {
	x, xerr := json.Marshal(a)
	y, yerr := json.Marshal(b)
	return xerr == nil && yerr == nil && reflect.DeepEqual(x, y)
}

// FuzzDryRun takes the output of Podman's generator apart.
func FuzzDryRun(f *testing.F) {
	f.Add("---db.service---\n[Unit]\n---../../x.service---\n[Service]\n", `quadlet-generator[1]: converting "db.container": unsupported key 'X'`)
	f.Add("------\n---.service---", "Warning: x\n\x00")
	f.Fuzz(func(t *testing.T, stdout, stderr string) {
		d := dryRun{made: map[string]bool{}, text: map[string]string{}}
		d.read(stdout, stderr, "/tmp/x")
		n := 0
		for name := range d.made {
			if strings.Contains(name, "/") || !strings.HasSuffix(name, ".service") {
				t.Errorf("%q makes %q", stdout, name)
			}
			n += len(d.text[name])
		}
		if n > len(stdout) {
			t.Errorf("of %d bytes it made %d", len(stdout), n)
		}
		_ = d.about("db.container")
	})
}
