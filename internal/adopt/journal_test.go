package adopt

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestLock is about two keepers that adopt at once.
func TestLock(t *testing.T) {
	t.Parallel()
	w, p := several().plan(t)
	was := w.picture()
	release, err := lock(t.Context(), w.places().State)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	synctest.Test(t, func(t *testing.T) {
		f := &faults{}
		a := w.adopter(f)
		begin := time.Now()
		_, err1 := a.Apply(t.Context(), p)
		_, err2 := a.Settle(t.Context(), false)
		_, err3 := a.Write(t.Context(), []string{"db"})
		for _, err := range []error{err1, err2, err3} {
			if err == nil || err.Error() != "another keeper adopts at this moment: wait for it to end" {
				t.Errorf("it says %v", err)
			}
		}
		if took := time.Since(begin); took != 3*lockLimit {
			t.Errorf("it took %s", took)
		}
		if len(f.calls) > 0 {
			t.Errorf("it did %v", f.calls)
		}
	})
	if now := w.picture(); now != was {
		t.Error(difference(was, now))
	}
}

// TestBadJournal is about journals that cannot be read: nothing is done.
func TestBadJournal(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ text, want string }{
		"damaged":             {`{"version": 1, "olds": [`, "cannot be read: unexpected end of JSON input"},
		"empty":               {"", "cannot be read: unexpected end of JSON input"},
		"of a later keeper":   {`{"version": 2}`, "it is of version 2; this keeper knows 1"},
		"of something else":   {`[]`, "cannot be read: json: cannot unmarshal"},
		"larger than can be":  {strings.Repeat(" ", mostFile+1), "is larger than 1024 KiB"},
		"no file":             {"/", "is no regular file"},
		"of types of its own": {`{"version": 1, "olds": "none"}`, "cannot be read: json: cannot unmarshal"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, p := several().plan(t)
			was := w.picture()
			path := filepath.Join(w.dir, "state", journalName)
			if tt.text == "/" {
				if err := os.MkdirAll(path, 0o700); err != nil {
					t.Fatal(err)
				}
			} else {
				w.put(path, tt.text)
			}
			f := &faults{}
			a := w.adopter(f)
			_, err1 := a.Apply(t.Context(), p)
			_, err2 := a.Settle(t.Context(), true)
			_, err3 := a.Write(t.Context(), []string{"db"})
			_, err4 := Interrupted(w.places().State)
			for _, err := range []error{err1, err2, err3, err4} {
				if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
					t.Errorf("it says %v", err)
				}
			}
			if len(f.calls) > 0 {
				t.Errorf("it did %v", f.calls)
			}
			if now := w.picture(); now != was {
				t.Error(difference(was, now))
			}
		})
	}
}
