package compose

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzLoad feeds what may stand in a Compose file, and in the .env beside it:
// an error, or a model that holds together, and never a panic.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/*/compose*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, []byte("A=1\nB=$A\n"))
	}
	f.Add([]byte("x: &a [*a]\nservices: {a: {<<: *a}}\n"), []byte("A='"))
	f.Add([]byte("services: {a: {image: '${A:-${B:?x}}', ports: ['1-9:1-9/udp', '[::1]::5']}}"), []byte("export B=\"x\\n\""))
	f.Fuzz(func(t *testing.T, data, env []byte) {
		if len(data) > 1<<14 || len(env) > 1<<10 {
			t.Skip("bounded")
		}
		dir := t.TempDir()
		file := filepath.Join(dir, "compose.yaml")
		for path, text := range map[string][]byte{file: data, filepath.Join(dir, ".env"): env} {
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		p, err := Load(t.Context(), Options{Files: []string{file}, Project: "fuzz", Env: caller})
		if err != nil {
			if strings.Contains(err.Error(), "cannot cope") {
				t.Fatal(err)
			}
			wantError(t, err, "", nil)
			return
		}
		checkModel(t, p)
	})
}
