package manual

import (
	"os"
	"path/filepath"
	"testing"
)

// The committed pages are what the generator writes.
func TestFresh(t *testing.T) {
	t.Parallel()
	pages, err := Reference()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range pages {
		got, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
		if err != nil || string(got) != want {
			t.Errorf("docs/%s is not what the code says (%v); type: make manual", name, err)
		}
	}
}
