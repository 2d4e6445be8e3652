package adopt

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"keeper/internal/compose"
)

const composeFile = `name: shop
services:
  db:
    image: docker.io/library/postgres:17
    restart: always
    volumes: [data:/data]
  web:
    image: localhost/ledger:latest
    restart: always
    depends_on: [db]
volumes:
  data: {}
`

// TestUpdate changes a Compose file whose units run. Units that need one that is
// started anew go down with it, and are up again afterwards.
func TestUpdate(t *testing.T) {
	t.Parallel()
	build := func(t *testing.T) (*world, Plan, string) {
		w := newWorld(t)
		for _, i := range []string{"docker.io/library/postgres:17", "docker.io/library/postgres:18", "localhost/ledger:latest"} {
			w.survey.Images[i] = "sha256:" + i
		}
		file := filepath.Join(w.dir, "shop", "compose.yaml")
		w.put(file, composeFile)
		req := Request{Compose: compose.Options{Files: []string{file}}}
		first, err := w.adopter(nil).Plan(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := apply(t, w, nil, first); err != nil {
			t.Fatal(err)
		}
		for i, u := range w.units {
			if u.Active != "active" {
				t.Fatalf("%s is %s", i, u.Active)
			}
		}
		again, err := w.adopter(nil).Plan(t.Context(), req)
		if err != nil || again.Changed() {
			t.Fatalf("there is something to do: %+v, %v", again.Items, err)
		}
		w.put(file, strings.Replace(composeFile, "postgres:17", "postgres:18", 1))
		p, err := w.adopter(nil).Plan(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		return w, p, w.picture()
	}
	alive := func(w *world, image string) error {
		for _, n := range slices.Sorted(func(yield func(string) bool) {
			for n := range w.units {
				if !yield(n) {
					return
				}
			}
		}) {
			if w.units[n].Active != "active" {
				return fmt.Errorf("%s is %s", n, w.units[n].Active)
			}
		}
		for _, b := range w.containers {
			if strings.Contains(b.Image, "postgres") && (!b.Running || b.Image != image) {
				return fmt.Errorf("%s runs %s", b.Name, b.Image)
			}
		}
		return nil
	}
	t.Run("forward", func(t *testing.T) {
		t.Parallel()
		w, p, _ := build(t)
		var does []Action
		for _, i := range p.Items {
			does = append(does, i.Do)
		}
		if !slices.Equal(does, []Action{Update, Keep}) {
			t.Errorf("it is to %v", does)
		}
		if _, err := apply(t, w, nil, p); err != nil {
			t.Fatal(err)
		}
		w.sound(t, "update")
		if err := alive(w, "docker.io/library/postgres:18"); err != nil {
			t.Error(err)
		}
	})
	for _, mode := range []fault{before, after, cancelled} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			failed := 0
			for k := 1; ; k++ {
				w, p, was := build(t)
				f := &faults{at: map[int]fault{k: mode}}
				_, err := apply(t, w, f, p)
				if f.fired == 0 {
					break
				}
				what := fmt.Sprintf("call %d (%s) %s", k, f.hit, mode)
				w.sound(t, what)
				image := "docker.io/library/postgres:18"
				if err != nil {
					failed++
					image = "docker.io/library/postgres:17"
					if now := stripIDs(w.picture()); now != stripIDs(was) || w.interrupted() {
						t.Errorf("%s: %s", what, difference(stripIDs(was), now))
					}
				}
				if err := alive(w, image); err != nil {
					t.Errorf("%s: %v", what, err)
				}
			}
			if failed == 0 {
				t.Error("nothing failed")
			}
		})
	}
	for _, back := range []bool{false, true} {
		t.Run(fmt.Sprintf("crash, back=%v", back), func(t *testing.T) {
			t.Parallel()
			for k := 1; ; k++ {
				w, p, _ := build(t)
				s := scenario{build: func(*world) {}}
				c := s.crashIn(t, w, p, k, crashed, back, nil)
				if !c.fired {
					break
				}
				what := fmt.Sprintf("call %d (%s) is the last", k, c.hit)
				w.sound(t, what)
				if c.err != nil {
					t.Errorf("%s: %v", what, c.err)
				}
				old, fresh := alive(w, "docker.io/library/postgres:17"), alive(w, "docker.io/library/postgres:18")
				text := fmt.Sprint(w.files())
				switch {
				case w.interrupted():
					t.Errorf("%s: there is still a journal", what)
				case old == nil && strings.Contains(text, "Image=docker.io/library/postgres:17"):
				case fresh == nil && strings.Contains(text, "Image=docker.io/library/postgres:18"):
				default:
					t.Errorf("%s: neither old (%v) nor new (%v)", what, old, fresh)
				}
			}
		})
	}
}

// stripIDs leaves out what changes with every start of a container.
func stripIDs(picture string) string {
	var out []string
	for l := range strings.Lines(picture) {
		if words := strings.Fields(l); words[0] == "container" {
			words[2] = ""
			l = strings.Join(words, " ")
		}
		out = append(out, strings.TrimSpace(l))
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}
