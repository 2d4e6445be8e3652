package compose

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/schema"
	"github.com/compose-spec/compose-go/v2/tree"
	"github.com/compose-spec/compose-go/v2/types"

	"keeper/internal/quadlet"
)

// known says whether the lists have a path, or one above it.
func known(path string) bool {
	r := rules()
	for _, key := range strings.Split(path, ".") {
		next := r.kids[key]
		if next == nil {
			next = r.kids["*"]
		}
		if next == nil {
			return false
		}
		if next.said || next.lost {
			return true
		}
		r = next
	}
	return true // something below it is in the lists
}

// What compose-go's schema allows must be said or lost, by name: a new version
// of it with a new key fails here, and whoever brings it in decides.
func TestEveryKey(t *testing.T) {
	t.Parallel()
	paths := schema.AttributePaths()
	if len(paths) < 500 {
		t.Fatalf("the schema has %d paths, which cannot be all", len(paths))
	}
	for _, p := range paths {
		path := string(p)
		if strings.HasPrefix(path, "jobs") || strings.HasPrefix(path, "include") {
			continue
		}
		if !known(path) {
			t.Errorf("%s is neither said nor lost", path)
		}
	}
	for _, path := range append(slices.Clone(said), keys(lost)...) {
		if !slices.Contains(paths, tree.Path(path)) {
			t.Errorf("%s is in a list, and the schema does not have it", path)
		}
	}
	for _, path := range said {
		if _, both := lost[path]; both {
			t.Errorf("%s is both said and lost", path)
		}
	}
}

// The same by the types: what compose-go reads into a service.
func TestEveryField(t *testing.T) {
	t.Parallel()
	// Not of the specification: read from nowhere, or from keys that the schema
	// refuses.
	none := strings.Fields("name dockerfile log_driver log_opt net volume_driver #extensions")
	n := 0
	var visit func(typ reflect.Type)
	visit = func(typ reflect.Type) {
		for i := range typ.NumField() {
			f := typ.Field(i)
			tag, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if f.Anonymous && strings.Contains(options, "inline") {
				visit(f.Type)
				continue
			}
			if tag == "-" || tag == "" || slices.Contains(none, tag) {
				continue
			}
			n++
			if !known("services.*." + tag) {
				t.Errorf("types.ServiceConfig.%s (%s) is neither said nor lost", f.Name, tag)
			}
		}
	}
	visit(reflect.TypeFor[types.ServiceConfig]())
	if n < 90 {
		t.Errorf("%d fields, which cannot be all", n)
	}
}

// A key that neither list has is lost, and said so: nothing goes in silence.
func TestNewKey(t *testing.T) {
	t.Parallel()
	fields := lostFields(map[string]any{
		"services": map[string]any{
			"web": map[string]any{
				"image": "x", "brand_new": "y", "x-own": "z", "tty": true, "empty_new": "", "false_new": false,
				"healthcheck": map[string]any{"test": "x", "moon": "full"},
				"develop":     map[string]any{"watch": []any{}},
			},
			"off": map[string]any{"brand_new": 1},
		},
		"networks": map[string]any{"n": map[string]any{"brand_new": []any{1}}},
		"newtop":   "x",
	})
	notes := lostNotes(fields, func(s string) (string, bool) { return "p-" + s, s == "web" })
	var got []string
	for _, n := range notes {
		got = append(got, n.Unit+" "+n.Field)
		if n.Level != quadlet.Lost || n.Try == "" && n.Field != "develop" {
			t.Errorf("%+v", n)
		}
	}
	want := []string{" brand_new", " newtop", "p-web brand_new", "p-web develop", "p-web healthcheck.moon"}
	if !slices.Equal(got, want) {
		t.Errorf("notes about %q, want %q", got, want)
	}
}

func keys(m map[string]way) []string {
	var list []string
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}
