package adopt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// several is the scenario with a bit of everything.
func several() scenario { return scenarios()[0] }

// apply carries a plan out in a bubble.
func apply(t *testing.T, w *world, f *faults, p Plan) (Result, error) {
	t.Helper()
	if f == nil {
		f = &faults{}
	}
	var res Result
	err := life(t, f, func(ctx context.Context) (err error) { res, err = w.adopter(f).Apply(ctx, p); return err })
	return res, err
}

// settle has a new life settle, in a bubble.
func settle(t *testing.T, w *world, back bool) (forward bool, err error) {
	t.Helper()
	f := &faults{}
	err = life(t, f, func(ctx context.Context) (err error) { forward, err = w.adopter(f).Settle(ctx, back); return err })
	return forward, err
}

func TestOrder(t *testing.T) {
	t.Parallel()
	w, p := several().plan(t)
	mine, _ := os.ReadFile(filepath.Join(w.dir, "quadlets", "mine.container"))
	f := &faults{}
	res, err := apply(t, w, f, p)
	if err != nil || !res.Done {
		t.Fatal(err)
	}
	w.sound(t, "Apply")
	if err := several().isForward(w, p, false); err != nil {
		t.Error(err)
	}
	for _, order := range [][]string{
		// What can fail comes before anything is stopped; who needs others is stopped
		// first, and started last.
		{"create secret", "stop web", "stop db", "rename db", "reload", "up db.service", "up web.service", "remove web-before", "remove db-before"},
		{"create volume", "prime volume", "stop web", "stop cache", "rename cache", "reload", "up cache.service", "up web.service", "remove cache-before"},
		{"update job", "rename job"},
	} {
		for i := 1; i < len(order); i++ {
			a, b := f.index(order[i-1]), f.index(order[i])
			if a < 0 || b < a {
				t.Errorf("%q is call %d, %q is call %d", order[i-1], a, order[i], b)
			}
		}
	}
	if last, stop := f.last("exchange"), f.index("stop db"); last < stop {
		t.Errorf("the data of db moves at %d, and it is stopped at %d", last, stop)
	}
	if last, first := max(f.last("stop "), f.last("exchange")), f.index("up "); last > first {
		t.Errorf("something is started at %d, and the last thing stopped at %d", first, last)
	}
	if n := strings.Count(strings.Join(f.calls, "\n")+"\n", "reload\n"); n != 1 {
		t.Errorf("%d reloads", n)
	}
	if slices.ContainsFunc(f.calls, func(c string) bool { return strings.HasPrefix(c, "up job") || c == "remove job-before-keeper" }) {
		t.Error("what did not run is started, or gone")
	}
	if !slices.Equal(res.Kept, []string{"job-before-keeper"}) || len(res.Started) != 3 || len(res.Written) != len(p.Files) || len(res.Away) != 3 {
		t.Errorf("the result is %+v", res)
	}
	for name, text := range w.files() {
		if name == "quadlets/mine.container" {
			if !strings.HasSuffix(text, " "+string(mine)) {
				t.Error("a person's file was changed")
			}
		} else if !strings.HasPrefix(text, "-rw------- ") {
			t.Errorf("%s: %.10s", name, text)
		}
	}
}

// TestTwice applies twice: the second time there is nothing to do, and nothing is
// called but to look.
func TestTwice(t *testing.T) {
	t.Parallel()
	s := several()
	w, p := s.plan(t)
	if _, err := apply(t, w, nil, p); err != nil {
		t.Fatal(err)
	}
	was := w.picture()
	for _, req := range []Request{{Names: []string{"db", "cache", "web"}}, {Names: []string{"db"}, Secrets: true}, {All: true}} {
		again, err := w.adopter(nil).Plan(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if again.Changed() {
			t.Errorf("%+v: there is something to do: %+v", req, again.Items)
		}
		f := &faults{}
		res, err := apply(t, w, f, again)
		if err != nil || !res.Done || len(f.calls) > 0 {
			t.Errorf("%+v: %v, %v", req, f.calls, err)
		}
	}
	if now := w.picture(); now != was {
		t.Error(difference(was, now))
	}
}

// TestUndoFails has two calls fail: one of the adoption, and one of what puts
// everything back. The journal then stays, and a later try succeeds.
func TestUndoFails(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			kept := 0
			for k := 1; ; k++ {
				var fired bool
				for j := 1; ; j++ {
					w, p := s.plan(t)
					was := w.picture()
					f := &faults{at: map[int]fault{k: before, k + j: before}}
					_, err := apply(t, w, f, p)
					fired = f.fired > 0
					if f.fired < 2 {
						break
					}
					what := fmt.Sprintf("calls %d and %d (%s) fail", k, k+j, f.hit)
					if w.interrupted() {
						kept++
						if err == nil || !strings.Contains(err.Error(), "keeper adopt --undo") {
							t.Errorf("%s: there is a journal, and nothing is said of it: %v", what, err)
						}
						if _, err := w.adopter(nil).Apply(t.Context(), p); err == nil || !strings.Contains(err.Error(), "--undo") {
							t.Errorf("%s: another adoption is begun: %v", what, err)
						}
						if _, err := settle(t, w, true); err != nil {
							t.Errorf("%s: %v", what, err)
						}
					}
					w.sound(t, what)
					isBack, isForward := s.isBack(w, was), s.isForward(w, p, true)
					if isBack != nil && isForward != nil {
						t.Errorf("%s: neither back (%v) nor forward (%v)", what, isBack, isForward)
					}
				}
				if !fired {
					break
				}
			}
			if kept == 0 {
				t.Error("there was never a journal left")
			}
		})
	}
}

// TestSettlingFails ends a life at a call, has one call of the next fail, and
// then another try succeed.
func TestSettlingFails(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios() {
		for _, back := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/back=%v", s.name, back), func(t *testing.T) {
				t.Parallel()
				for k := 1; ; k++ {
					var fired bool
					for j := 1; ; j++ {
						second := &faults{at: map[int]fault{j: before}}
						c := s.crash(t, k, crashed, back, second)
						fired = c.fired
						what := fmt.Sprintf("call %d is the last; settling, call %d (%s) fails", k, j, second.hit)
						if !c.fired || second.fired == 0 {
							break
						}
						c.w.sound(t, what)
						if c.err != nil {
							t.Errorf("%s: %v", what, c.err)
						}
						isBack, isForward := s.isBack(c.w, c.was), s.isForward(c.w, c.p, true)
						if isBack != nil && isForward != nil {
							t.Errorf("%s: neither back (%v) nor forward (%v)", what, isBack, isForward)
						}
					}
					if !fired {
						break
					}
				}
			})
		}
	}
}

// TestUnitFails has units that do not work as they should.
func TestUnitFails(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		set  func(w *world)
		want string
	}{
		"a store that had to be killed":  {func(w *world) { w.killed["db"] = true }, "was killed: a data store is not taken over like that"},
		"a unit that does not start":     {func(w *world) { w.fails["web.service"] = true }, "journalctl --user -u web.service"},
		"one that ends within the proof": {func(w *world) { w.dies["cache.service"] = true }, "cache.service did not stay up"},
		"a stranger on the volume":       {func(w *world) { w.foreign = []string{"cachedata"} }, "two servers on one volume would ruin it"},
		"one that is masked":             {func(w *world) { w.masked["db.service"] = true }, "systemd did not load db.service (masked)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, p := several().plan(t)
			was := w.picture()
			tt.set(w)
			_, err := apply(t, w, nil, p)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("it says %v", err)
			}
			w.sound(t, name)
			if err := several().isBack(w, was); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestNobodyAnswers is about a unit that is up, and does not answer on its port.
func TestNobodyAnswers(t *testing.T) {
	t.Parallel()
	w, p := several().plan(t)
	was := w.picture()
	f := &faults{every: func(call string) error {
		if strings.HasPrefix(call, "up cache") {
			w.units["cache.service"].Ports = []string{"127.0.0.1:6379"}
		}
		if strings.HasPrefix(call, "dial ") {
			return errors.New("connection refused")
		}
		return nil
	}}
	_, err := apply(t, w, f, p)
	if err == nil || !strings.Contains(err.Error(), "nobody answers at 127.0.0.1:6379: connection refused") {
		t.Errorf("it says %v", err)
	}
	if err := several().isBack(w, was); err != nil {
		t.Error(err)
	}
}

// TestDiskFails takes directories away before each call: what was to be written
// there cannot be.
func TestDiskFails(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"state", "quadlets"} {
		t.Run(dir, func(t *testing.T) {
			t.Parallel()
			failed, later := 0, 0
			for k := 1; ; k++ {
				w, p := several().plan(t)
				was := w.picture()
				at, aside := filepath.Join(w.dir, dir), filepath.Join(w.dir, "aside")
				n, fired := 0, false
				f := &faults{every: func(string) error {
					if n++; n == k {
						fired = true
						if err := errors.Join(os.Rename(at, aside), os.WriteFile(at, nil, 0o600)); err != nil {
							t.Error(err)
						}
					}
					return nil
				}}
				_, err := apply(t, w, f, p)
				if !fired {
					break
				}
				if err := errors.Join(os.Remove(at), os.Rename(aside, at)); err != nil {
					t.Fatal(err)
				}
				what := fmt.Sprintf("without %s from call %d (%s) on", dir, k, f.calls[k-1])
				if err != nil {
					failed++
				}
				if w.interrupted() {
					later++
					if err == nil {
						t.Errorf("%s: a journal, and no error", what)
					}
					if _, err := settle(t, w, true); err != nil {
						t.Errorf("%s: %v", what, err)
					}
				}
				w.sound(t, what)
				w.adopter(nil).unstage() // what is in a directory that is away cannot be removed
				isBack, isForward := several().isBack(w, was), several().isForward(w, p, true)
				if isBack != nil && isForward != nil {
					t.Errorf("%s: neither back (%v) nor forward (%v)", what, isBack, isForward)
				}
			}
			if failed == 0 || later == 0 {
				t.Errorf("%d failed, %d were put back later", failed, later)
			}
		})
	}
}
