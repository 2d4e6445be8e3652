package podman

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the expected models anew")

const fixtures = "testdata/inspect"

// Each fixture is what a real Podman 5.4.2 answered about the containers that
// create.sh made, and has its model beside it.
func TestModels(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(fixtures, "*.json"))
	if err != nil || len(files) < 26 {
		t.Fatalf("%d fixtures, error %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			f, err := readFacts(data)
			if err != nil {
				t.Fatal(err)
			}
			got := readable(t, survey(f))
			golden := strings.TrimSuffix(file, ".json") + ".model"
			if *update {
				if err := os.WriteFile(golden, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("the model of %s changed (-update to accept):\n%s", file, difference(string(want), string(got)))
			}
			// The order in which Podman answers must not matter: it goes through maps.
			shuffled, err := readFacts(data)
			if err != nil {
				t.Fatal(err)
			}
			turnAround(shuffled)
			if again := readable(t, survey(shuffled)); !bytes.Equal(got, again) {
				t.Errorf("another order makes another model:\n%s", difference(string(got), string(again)))
			}
		})
	}
}

func turnAround(f *facts) {
	slices.Reverse(f.Containers)
	slices.Reverse(f.Networks)
	slices.Reverse(f.Volumes)
	slices.Reverse(f.Pods)
	for _, c := range f.Containers {
		slices.Reverse(c.Config.Env)
		slices.Reverse(c.Mounts)
		slices.Reverse(c.Dependencies)
		slices.Reverse(c.HostConfig.CapAdd)
		slices.Reverse(c.HostConfig.CapDrop)
		for _, hosts := range c.HostConfig.PortBindings {
			slices.Reverse(hosts)
		}
	}
}

// readable is a survey as JSON, without what is empty.
func readable(t *testing.T, s Survey) []byte {
	t.Helper()
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(data, &tree); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(prune("", tree)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func prune(key string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if e = prune(k, e); e == nil {
				delete(v, k)
			} else {
				v[k] = e
			}
		}
		// A setting reads best as one would type it.
		if f, ok := v["Flag"]; ok && key == "" {
			value, _ := v["Value"].(string)
			return f.(string) + "=" + value
		}
		if len(v) == 0 {
			return nil
		}
	case []any:
		for i := range v {
			v[i] = prune("", v[i])
		}
		// No entrypoint is another thing than the image's.
		if len(v) == 0 && key != "Entrypoint" {
			return nil
		}
	case string:
		if v == "" && key != "" {
			return nil
		}
	case float64:
		if v == 0 {
			return nil
		}
	case bool:
		if !v {
			return nil
		}
	}
	return v
}

// difference shows the lines that are in one of them alone.
func difference(want, got string) string {
	var b strings.Builder
	a, c := strings.Split(want, "\n"), strings.Split(got, "\n")
	for _, l := range a {
		if !slices.Contains(c, l) {
			b.WriteString("- " + l + "\n")
		}
	}
	for _, l := range c {
		if !slices.Contains(a, l) {
			b.WriteString("+ " + l + "\n")
		}
	}
	return b.String()
}

func TestReadDump(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join(fixtures, "pod.json"))
	if err != nil {
		t.Fatal(err)
	}
	stack, err := ReadDump(data)
	if err != nil {
		t.Fatal(err)
	}
	if len(stack.Pods) != 1 || len(stack.Containers) != 2 || len(stack.Networks) != 1 || len(stack.Volumes) != 2 {
		t.Errorf("%d pods, %d containers, %d networks, %d volumes", len(stack.Pods), len(stack.Containers), len(stack.Networks), len(stack.Volumes))
	}
	for _, broken := range []string{"", "null x", `{"Containers":[null]}`, `{"Containers":[{"Id":"a","Name":"b"}]}`} {
		if _, err := ReadDump([]byte(broken)); err == nil {
			t.Errorf("%q was read", broken)
		}
	}
}
