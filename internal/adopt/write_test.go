package adopt

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"keeper/internal/quadlet"
)

// TestWrite writes units for the next start: files, and nothing else.
func TestWrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.container("web", "localhost/web", "conf:/etc/web")
	w.container("db", "docker.io/library/postgres:17", ":/data")
	was := w.picture()
	f := &faults{}
	out, err := w.adopter(f).Write(t.Context(), []string{"web", "db", "nobody"})
	if err != nil {
		t.Fatal(err)
	}
	w.sound(t, "Write")
	if len(out.Written) != 1 || out.Written[0] != (Done{"web", "web.service", filepath.Join(w.places().Quadlets, "web.container")}) {
		t.Errorf("written: %+v", out.Written)
	}
	if len(out.Refused) != 2 || out.Refused[0].Container != "db" || !strings.Contains(out.Refused[0].Reason, "has to become a named one") || out.Refused[0].Try != "keeper adopt db" || !strings.Contains(out.Refused[1].Reason, "there is no container") {
		t.Errorf("refused: %+v", out.Refused)
	}
	for _, c := range f.calls {
		if !slices.ContainsFunc([]string{"survey", "list units", "list processes", "diff ", "reload"}, func(p string) bool { return strings.HasPrefix(c, p) }) {
			t.Errorf("it does %s", c)
		}
	}
	if f.calls[len(f.calls)-1] != "reload" {
		t.Errorf("systemd does not know of it: %v", f.calls)
	}
	for _, l := range strings.Split(difference(was, w.picture()), "\n") {
		if l != "" && !strings.HasPrefix(l, `  new: file quadlets/web.container "-rw-------`) && !strings.HasPrefix(l, `  new: file quadlets/conf.volume "-rw-------`) {
			t.Errorf("more than files: %.100s", l)
		}
	}
	if unit := w.files()["quadlets/web.container"]; !strings.Contains(unit, "WantedBy=default.target") {
		t.Errorf("it is not started at boot: %s", unit)
	}
	again, err := w.adopter(nil).Write(t.Context(), []string{"web"})
	if err != nil || len(again.Written) != 1 {
		t.Errorf("again: %+v, %v", again, err)
	}
}

// TestWriteHalf has one of several files fail: what was written is taken back.
func TestWriteHalf(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.container("web", "localhost/web", "conf:/etc/web")
	b.Networks = []quadlet.NetworkUse{{Name: "lan"}}
	w.survey.Networks = []quadlet.Network{{Unit: "lan", Name: "lan"}}
	if _, err := w.adopter(nil).Write(t.Context(), []string{"web"}); err != nil {
		t.Fatal(err)
	}
	// One file is there and unchanged, one is to be changed, the last cannot be
	// written: something is in the way of the staged one.
	q := w.places().Quadlets
	if err := os.Remove(filepath.Join(q, "web.container")); err != nil {
		t.Fatal(err)
	}
	w.survey.Networks[0].Settings = []quadlet.Setting{{Flag: "internal", Value: "true"}}
	w.volumes["conf"].Settings = []quadlet.Setting{{Flag: "label", Value: "a=b"}}
	if err := os.MkdirAll(filepath.Join(staged(filepath.Join(q, "web.container")), "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	was := w.picture()
	f := &faults{}
	out, err := w.adopter(f).Write(t.Context(), []string{"web"})
	if err != nil || len(out.Written) > 0 || len(out.Refused) != 1 || !strings.Contains(out.Refused[0].Reason, "cannot write "+filepath.Join(q, "web.container")) {
		t.Errorf("%+v, %v", out, err)
	}
	if now := w.picture(); now != was {
		t.Error(difference(was, now))
	}
	if f.index("reload") >= 0 {
		t.Error("it reloads for nothing")
	}
}

// TestWriteFails has each call fail.
func TestWriteFails(t *testing.T) {
	t.Parallel()
	for k := 1; ; k++ {
		w := newWorld(t)
		w.container("web", "localhost/web")
		was := w.picture()
		f := &faults{at: map[int]fault{k: before}}
		out, err := w.adopter(f).Write(context.Background(), []string{"web"})
		if f.fired == 0 {
			if k < 4 {
				t.Errorf("only %d calls", k)
			}
			return
		}
		switch {
		case f.hit == "reload" && err == nil:
			t.Error("it is not said that the reload failed")
		case f.hit != "reload" && (len(out.Refused) != 1 || !strings.Contains(out.Refused[0].Reason, errInjected.Error()) || w.picture() != was):
			t.Errorf("%s fails: %+v", f.hit, out)
		}
	}
}
