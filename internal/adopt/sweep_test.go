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
	"testing/synctest"
	"time"

	"keeper/internal/podman"
	"keeper/internal/quadlet"
)

// scenario is an adoption in which something goes wrong.
type scenario struct {
	name    string
	build   func(w *world)
	request Request
	// data is what each container has at a target, before and after.
	data map[string]string // "db /data": "db /data"
	// same says whether everything is as it was, where that is not to the letter.
	same func(w *world, before string) error
	// keeps says that something of the old is left on success.
	keeps bool
	// delays are the calls that may take effect after their caller left.
	delays []string
}

func scenarios() []scenario {
	return []scenario{
		{
			name: "several", request: Request{Names: []string{"db", "cache", "web", "job"}, Secrets: true},
			build: func(w *world) {
				db := w.container("db", "docker.io/library/postgres:17", ":/var/lib/postgresql/data")
				db.RestartPolicy, db.Restart = "always", "always"
				password(db, "POSTGRES_PASSWORD", "hunter2")
				cache := w.container("cache", "docker.io/library/redis:8", "cachedata:/data")
				cache.RestartPolicy, cache.Restart, cache.RestartMost = "on-failure", "on-failure", 5
				web := w.container("web", "localhost/ledger:latest")
				web.Needs = append(web.Needs, need("db"), need("cache"))
				web.RestartPolicy, web.Restart = "unless-stopped", "always"
				job := w.container("job", "localhost/ledger:latest", ":/spool")
				job.RestartPolicy, job.Restart = "always", "always"
				w.halt(job)
				w.put(filepath.Join(w.dir, "quadlets", "mine.container"), "[Container]\nImage=localhost/mine\n")
			},
			data:   map[string]string{"db /var/lib/postgresql/data": "db /var/lib/postgresql/data", "cache /data": "cache /data"},
			keeps:  true, // job, which does not run
			delays: []string{"stop "},
		},
		{
			name: "removed on stop", request: Request{Names: []string{"db"}},
			build: func(w *world) {
				db := w.container("db", "docker.io/library/postgres:17", ":/data")
				db.AutoRemove, db.CreateCommand = true, []string{"podman", "run", "--rm", "-it", "--name", "db", "-v", "/data", "docker.io/library/postgres:17"}
			},
			data: map[string]string{"db /data": "db /data"},
			same: func(w *world, _ string) error {
				db := w.named("db")
				if db == nil || !db.Running || db.SystemdUnit != "" {
					return errors.New("db does not run as it did")
				}
				if got := w.dataOf(db, "/data"); got != "db /data" {
					return fmt.Errorf("db runs with %s", got)
				}
				for v := range w.volumes {
					if w.user(v) == "" {
						return fmt.Errorf("the volume %s is left, and nobody's", v)
					}
				}
				return nil
			},
			delays: []string{"stop "},
		},
		{
			name: "of podman generate systemd", request: Request{Names: []string{"db"}},
			build: func(w *world) {
				w.container("db", "docker.io/library/postgres:17", ":/data")
				w.generated("container-db.service", "db", "ExecStart=/usr/bin/podman start db")
			},
			data:   map[string]string{"db /data": "db /data"},
			delays: []string{"down ", "stop "},
		},
		{
			name: "of podman generate systemd --new", request: Request{Names: []string{"db"}},
			build: func(w *world) {
				db := w.container("db", "docker.io/library/postgres:17", "pgdata:/data")
				l := w.generated("container-db.service", "db", "ExecStart=/usr/bin/podman run --cidfile=%t/%n.ctr-id --replace -d --name db -v pgdata:/data docker.io/library/postgres:17")
				anew := *db
				l.anew = &anew
			},
			data: map[string]string{"db /data": "db /data"},
			same: func(w *world, _ string) error {
				db := w.named("db")
				if db == nil || !db.Running || w.dataOf(db, "/data") != "db /data" || !w.legacy["container-db.service"].active || !w.legacy["container-db.service"].enabled {
					return fmt.Errorf("db is not as it was: %+v", w.legacy["container-db.service"])
				}
				return nil
			},
			delays: []string{"down "},
		},
		{
			name: "kept afterwards", request: Request{Names: []string{"db"}, KeepOld: true},
			build: func(w *world) {
				w.container("db", "docker.io/library/postgres:17", ":/data")
				w.noRestart = true
			},
			data:  map[string]string{"db /data": "db /data"},
			keeps: true,
		},
		{
			name: "one volume of two", request: Request{Names: []string{"db", "backup"}},
			build: func(w *world) {
				db := w.container("db", "docker.io/library/postgres:17", ":/data")
				backup := w.container("backup", "localhost/backup:latest")
				w.sharing(backup, db)
			},
			data: map[string]string{"db /data": "db /data", "backup /data": "db /data"},
		},
		{
			name: "pod", request: Request{Names: []string{"shop"}},
			build: func(w *world) {
				w.survey.Pods = []podman.Pod{{Pod: quadlet.Pod{Unit: "shop", Name: "shop"}, ID: "pod1"}}
				for _, b := range []*box{w.container("db", "docker.io/library/postgres:17", ":/data"), w.container("web", "localhost/web")} {
					b.Pod, b.PodID, w.pods["pod1"] = "shop", "pod1", "running"
				}
			},
			data: map[string]string{"db /data": "db /data"},
		},
	}
}

// plan plans, outside of the bubble.
func (s scenario) plan(t *testing.T) (*world, Plan) {
	t.Helper()
	w := newWorld(t)
	s.build(w)
	w.read()
	p, err := w.adopter(nil).Plan(t.Context(), s.request)
	if err != nil {
		t.Fatal(err)
	}
	if stops := p.Stops(); len(stops) > 0 {
		t.Fatalf("the plan is stopped: %v", stops)
	}
	return w, p
}

// isBack checks that everything is as it was.
func (s scenario) isBack(w *world, before string) error {
	if w.interrupted() {
		return errors.New("there is still a journal")
	}
	if s.same != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		return s.same(w, before)
	}
	if now := w.picture(); now != before {
		return fmt.Errorf("it is not as it was: %s", difference(before, now))
	}
	return nil
}

// difference is what two pictures do not have in common.
func difference(before, now string) string {
	was, is := strings.Split(before, "\n"), strings.Split(now, "\n")
	var out strings.Builder
	for _, l := range was {
		if !slices.Contains(is, l) {
			out.WriteString("\n  gone: " + l)
		}
	}
	for _, l := range is {
		if !slices.Contains(was, l) {
			out.WriteString("\n  new: " + l)
		}
	}
	return out.String()
}

// isForward checks that the plan is in force.
// That which was in the way of nobody any more may be left, where removing it
// failed.
func (s scenario) isForward(w *world, p Plan, unremoved bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.interrupted() {
		return errors.New("there is still a journal")
	}
	for _, i := range p.Items {
		u := w.units[i.Unit+".service"]
		switch {
		case u == nil || !u.there:
			return fmt.Errorf("there is no unit %s", i.Unit)
		case i.Do != Write && u.Active != "active":
			return fmt.Errorf("%s is %s", i.Unit, u.Active)
		}
	}
	for where, data := range s.data {
		name, target, _ := strings.Cut(where, " ")
		b := w.named(name)
		if b == nil {
			return fmt.Errorf("there is no container %s", name)
		}
		if got := w.dataOf(b, target); got != data {
			return fmt.Errorf("%s has %s at %s", name, got, target)
		}
	}
	for _, l := range w.legacy {
		if l.active || l.enabled {
			return errors.New("the old unit is still there to start it")
		}
	}
	for _, b := range w.containers {
		if strings.Contains(b.Name, "-before-keeper") && (b.Running || !s.keeps && !unremoved || !w.noRestart && b.RestartPolicy != "" && b.RestartPolicy != "no") {
			return fmt.Errorf("%s is left (running %v, restart %s)", b.Name, b.Running, b.RestartPolicy)
		}
	}
	if len(w.pods) > 0 && !unremoved {
		return fmt.Errorf("the old pod is left: %v", w.pods)
	}
	for n, v := range w.volumes {
		if v.Anonymous && w.user(n) == "" && !unremoved {
			return fmt.Errorf("the anonymous volume %s is left", n)
		}
	}
	return nil
}

// life runs one life of the program, in a bubble, to its end.
func life(t *testing.T, f *faults, do func(ctx context.Context) error) error {
	t.Helper()
	var err error
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		f.cancel = cancel
		err = do(ctx)
		time.Sleep(5 * time.Second) // for what is delayed
	})
	return err
}

// TestEachCallFails has each call of an adoption fail, one at a time: it goes on
// to the end in spite of it, or everything is as it was.
func TestEachCallFails(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios() {
		for _, mode := range []fault{before, after, cancelled, cancelledLate, delayed} {
			t.Run(s.name+"/"+string(mode), func(t *testing.T) {
				t.Parallel()
				failed := 0
				for k := 1; ; k++ {
					w, p := s.plan(t)
					was := w.picture()
					f := &faults{at: map[int]fault{k: mode}}
					if mode == delayed {
						f.at = nil
						f.onlyDelay(k, s.delays)
					}
					err := life(t, f, func(ctx context.Context) error { _, err := w.adopter(f).Apply(ctx, p); return err })
					if f.fired == 0 {
						if err != nil {
							t.Fatalf("it fails of itself: %v", err)
						}
						break
					}
					what := fmt.Sprintf("call %d (%s) %s", k, f.hit, mode)
					w.sound(t, what)
					if err == nil {
						if err := s.isForward(w, p, f.removing()); err != nil {
							t.Errorf("%s, and Apply was content, but %v", what, err)
						}
						continue
					}
					failed++
					named := errInjected
					if mode == cancelled || mode == cancelledLate || mode == delayed {
						named = context.Canceled
					}
					if !errors.Is(err, named) || !strings.Contains(err.Error(), "as it was before") {
						t.Errorf("%s: %v", what, err)
					}
					if mode != before && strings.HasPrefix(f.hit, "create secret ") {
						// Podman did make it, and keeper cannot know: it may be somebody else's.
						delete(w.secrets, strings.TrimPrefix(f.hit, "create secret "))
					}
					if err := s.isBack(w, was); err != nil {
						t.Errorf("%s: %v", what, err)
					}
					if t.Failed() && k > 200 {
						t.Fatal("too many")
					}
				}
				if failed == 0 && (mode != delayed || len(s.delays) > 0) {
					t.Error("nothing ever failed")
				}
			})
		}
	}
}

// TestEachCallIsTheLast ends the program at each call of an adoption. The next
// one finds the journal: everything is as it was, or the plan is in force.
func TestEachCallIsTheLast(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios() {
		for _, mode := range []fault{crashed, crashedLate} {
			for _, back := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/back=%v", s.name, mode, back), func(t *testing.T) {
					t.Parallel()
					forwards, backs := 0, 0
					for k := 1; ; k++ {
						c := s.crash(t, k, mode, back, nil)
						if !c.fired {
							break
						}
						what := fmt.Sprintf("call %d (%s) %s, then Settle(%v)", k, c.hit, mode, back)
						c.w.sound(t, what)
						if c.err != nil {
							t.Errorf("%s: %v", what, c.err)
							continue
						}
						isBack, isForward := s.isBack(c.w, c.was), s.isForward(c.w, c.p, false)
						switch {
						case c.forward && isForward != nil:
							t.Errorf("%s goes forward, and %v", what, isForward)
						case isBack != nil && isForward != nil:
							t.Errorf("%s: neither back (%v) nor forward (%v)", what, isBack, isForward)
						case isForward == nil:
							forwards++
						default:
							backs++
						}
					}
					if backs == 0 || !back && forwards == 0 {
						t.Errorf("%d times forward, %d times back", forwards, backs)
					}
				})
			}
		}
	}
}

// crash is what became of a life that ended, and of the one after it.
type crash struct {
	w              *world
	p              Plan
	was, hit       string
	fired, forward bool
	calls          int
	err            error
}

// crash ends a life at a call, and has the next one settle. Then, with faults for
// that one, a third.
func (s scenario) crash(t *testing.T, k int, mode fault, back bool, second *faults) crash {
	t.Helper()
	w, p := s.plan(t)
	return s.crashIn(t, w, p, k, mode, back, second)
}

func (s scenario) crashIn(t *testing.T, w *world, p Plan, k int, mode fault, back bool, second *faults) crash {
	t.Helper()
	c := crash{w: w, p: p, was: w.picture()}
	synctest.Test(t, func(t *testing.T) {
		f := &faults{at: map[int]fault{k: mode}, dead: make(chan struct{}), cancel: func() {}}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = w.adopter(f).Apply(t.Context(), p)
		}()
		ended := false
		for !ended && !f.hasDied() {
			select {
			case <-done:
				ended = true
			case <-time.After(10 * time.Millisecond):
			}
		}
		synctest.Wait()
		if c.fired = !ended; !c.fired {
			return
		}
		c.hit = f.hit
		// What ends with a process: its locks.
		if err := os.Remove(filepath.Join(w.dir, "state", lockName)); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
		if second == nil {
			second = &faults{}
		}
		second.cancel = func() {}
		c.forward, c.err = w.adopter(second).Settle(t.Context(), back)
		c.calls = second.count()
		if second.fired > 0 && c.err != nil {
			c.forward, c.err = w.adopter(nil).Settle(t.Context(), back)
		}
		// The dead do not change anything any more.
		picture := w.picture()
		files := w.keepFiles()
		close(f.dead)
		<-done
		files()
		if now := w.picture(); now != picture {
			t.Errorf("the dead have changed something: %s", difference(picture, now))
		}
	})
	return c
}

// keepFiles returns a function that puts the files and the journal back as they
// are now.
func (w *world) keepFiles() func() {
	copies := map[string][]byte{}
	each := func(f func(path string)) {
		for _, dir := range []string{"quadlets", "state"} {
			_ = filepath.WalkDir(filepath.Join(w.dir, dir), func(path string, e os.DirEntry, err error) error {
				if err == nil && !e.IsDir() {
					f(path)
				}
				return nil
			})
		}
	}
	each(func(path string) { copies[path], _ = os.ReadFile(path) })
	return func() {
		each(func(path string) {
			if _, ok := copies[path]; !ok {
				_ = os.Remove(path)
			}
		})
		for path, data := range copies {
			_ = os.MkdirAll(filepath.Dir(path), 0o700)
			if now, err := os.ReadFile(path); err != nil || string(now) != string(data) {
				_ = os.WriteFile(path, data, 0o600)
			}
		}
	}
}

// removing says that it happened while the old containers were taken away.
func (f *faults) removing() bool {
	return slices.ContainsFunc([]string{"remove ", "inspect volume "}, func(p string) bool { return strings.HasPrefix(f.hit, p) })
}

func (f *faults) hasDied() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.died
}

// onlyDelay delays the k-th of the calls of some kinds.
func (f *faults) onlyDelay(k int, kinds []string) {
	n := 0
	f.choose = func(call string) fault {
		if !slices.ContainsFunc(kinds, func(p string) bool { return strings.HasPrefix(call, p) }) {
			return ""
		}
		if n++; n == k {
			return delayed
		}
		return ""
	}
}
