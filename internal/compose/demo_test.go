package compose

import (
	"path/filepath"
	"slices"
	"testing"

	"keeper/internal/quadlet"
)

// The demo stack is what the lab adopts: it must have the names of the
// Quadlets, and nothing that stops adoption.
func TestDemo(t *testing.T) {
	t.Parallel()
	p, err := Load(t.Context(), Options{Files: []string{filepath.Join("..", "..", "deploy", "demo", "compose", "compose.yaml")}})
	if err != nil {
		t.Fatal(err)
	}
	checkModel(t, p)
	if len(p.Stack.Notes) != 0 {
		t.Errorf("notes %+v, want none", p.Stack.Notes)
	}
	var names []string
	for _, c := range p.Stack.Containers {
		names = append(names, c.Unit)
		if len(c.Networks) != 1 || c.Networks[0].Unit != "stack" || len(c.Networks[0].Options) != 0 {
			t.Errorf("%s: networks %+v, want stack and no more", c.Unit, c.Networks)
		}
		if len(c.Volumes) != 1 || c.Volumes[0].Unit != c.Unit {
			t.Errorf("%s: volumes %+v, want %s", c.Unit, c.Volumes, c.Unit)
		}
		if !c.PullNever || c.Restart != "always" || c.Store != (c.Unit != "django") || c.NotifyHealthy != (c.Unit == "postgres" || c.Unit == "redis") {
			t.Errorf("%s: %+v", c.Unit, c)
		}
	}
	if want := []string{"django", "minio", "postgres", "redis"}; !slices.Equal(names, want) {
		t.Errorf("units %q, want %q", names, want)
	}
	django := p.Stack.Containers[0]
	if len(django.Needs) != 3 || !slices.Contains(django.Settings, quadlet.Setting{Flag: "publish", Value: "127.0.0.1:8000:8000"}) {
		t.Errorf("django: %+v", django)
	}
}
