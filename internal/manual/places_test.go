package manual

import (
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"keeper/internal/paths"
)

// known says whether a place is among those of the page, or within one of them.
func known(path string) bool {
	return slices.ContainsFunc(Places(), func(p Place) bool {
		return p.Path == path || strings.HasPrefix(p.Path, strings.TrimSuffix(path, "/")+"/") || strings.HasSuffix(p.Path, "/") && strings.HasPrefix(path+"/", p.Path) ||
			strings.Contains(p.What, path)
	})
}

// What the code calls a place is on the page of files.
func TestPathsArePlaces(t *testing.T) {
	t.Parallel()
	p, err := paths.In(1000, func(name string) string { return map[string]string{"HOME": "/home/app"}[name] })
	if err != nil {
		t.Fatal(err)
	}
	readable := strings.NewReplacer("/home/app", "~", "/run/user/1000", "$XDG_RUNTIME_DIR", "/1000", "")
	n := 0
	var each func(v reflect.Value)
	each = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.String:
			n++
			if path := readable.Replace(v.String()); !known(path) {
				t.Errorf("%s is not in places.go", path)
			}
		case reflect.Struct:
			for i := range v.NumField() {
				each(v.Field(i))
			}
		case reflect.Array:
			for i := range v.Len() {
				each(v.Index(i))
			}
		}
	}
	each(reflect.ValueOf(p))
	if n < 10 {
		t.Errorf("only %d places were looked at", n)
	}
}

// What install.sh writes is on the page of files, with its mode.
func TestInstalledFilesArePlaces(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "install.sh"))
	if err != nil {
		t.Fatal(err)
	}
	readable := strings.NewReplacer("$units_of_root", "/etc/systemd/system", "$units/$scope", "~/.config/systemd/user/{podman-pause-,rootless-netns-,run-}",
		"$units", "~/.config/systemd/user", "$bindir", "~/.local/bin", "$etc", "/etc/keeper", "$helper", "/usr/libexec/keeper/revive",
		"$logind", "/etc/systemd/logind.conf.d/50-keeper.conf", "$unit$uid", "user@UID", "$uid", "UID")
	put := regexp.MustCompile(`"\$1" (0[0-7]+) "[^"]+" "([^"]+)"`).FindAllStringSubmatch(string(text), -1)
	if len(put) < 8 {
		t.Errorf("only %d files are found in install.sh", len(put))
	}
	for _, m := range put {
		path := readable.Replace(m[2])
		i := slices.IndexFunc(Places(), func(p Place) bool {
			dir := strings.Contains(p.What, "without a package below ~/.config/systemd/user/") && filepath.Base(p.Path) == filepath.Base(path)
			return p.Path == path || strings.Contains(p.What, path) || dir
		})
		if i < 0 {
			t.Errorf("install.sh writes %s, which is not in places.go", path)
		} else if mode := Places()[i].Mode; mode != m[1] {
			t.Errorf("%s has mode %s in install.sh, and %s in places.go", path, m[1], mode)
		}
	}
}

// Each place is there once, and says all.
func TestPlaces(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, p := range Places() {
		if seen[p.Path] || p.What == "" || p.Who == "" || p.Gone == "" {
			t.Errorf("%s is there twice, or does not say what it is, who writes it, or what comes of its removal", p.Path)
		}
		seen[p.Path] = true
		for _, of := range p.Of {
			if !slices.ContainsFunc(Shown(Commands()), func(c *cobra.Command) bool { return typed(c) == "keeper "+of }) {
				t.Errorf("%s is said to be of keeper %s, which is no command", p.Path, of)
			}
		}
	}
}

var reads = regexp.MustCompile(`(?i)(?:getenv|LookupEnv|\benv)\("([A-Z][A-Z_]+)"\)|env\["([A-Z][A-Z_]+)"\]`)

// What the programs read of the environment is on its page.
func TestVariables(t *testing.T) {
	t.Parallel()
	var listed []string
	for _, v := range variables() {
		listed = append(listed, strings.Split(v[0], ", ")...)
	}
	found := 0
	for _, room := range []string{"internal", "cmd/keeper", "cmd/keeper-adopt", "cmd/keeper-guard"} {
		err := filepath.WalkDir(filepath.Join("..", "..", room), func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && slices.Contains([]string{"lab", "manual", "testdata"}, d.Name()):
				return fs.SkipDir
			case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			text, err := os.ReadFile(path)
			for _, m := range reads.FindAllStringSubmatch(string(text), -1) {
				found++
				if name := m[1] + m[2]; !slices.Contains(listed, name) {
					t.Errorf("%s reads %s, which is not in environment.go", path, name)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if found < 15 {
		t.Errorf("only %d places are found that read the environment", found)
	}
}
