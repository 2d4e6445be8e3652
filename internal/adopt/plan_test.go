package adopt

import (
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"keeper/internal/compose"
	"keeper/internal/core"
	"keeper/internal/podman"
	"keeper/internal/quadlet"
)

// planOf plans, and must succeed.
func planOf(t *testing.T, w *world, req Request) Plan {
	t.Helper()
	w.read()
	p, err := w.adopter(nil).Plan(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// noteOf finds a note by what it says.
func noteOf(p Plan, text string) (quadlet.Note, bool) {
	var found quadlet.Note
	ok := false
	p.EachNote(func(n quadlet.Note) {
		if strings.Contains(n.Text, text) {
			found, ok = n, true
		}
	})
	return found, ok
}

// stopped checks that the plan is stopped by one thing, and says what to do.
func stopped(t *testing.T, p Plan, text string, times ...int) {
	t.Helper()
	stops := p.Stops()
	if len(stops) != max(1, len(times)*2) || !strings.Contains(stops[0].Text, text) || stops[0].Try == "" {
		t.Errorf("it is stopped by %+v, want %q", stops, text)
	}
}

func (p Plan) file(name string) string {
	for _, f := range p.Files {
		if strings.HasSuffix(f.Path, "/"+name) {
			return f.Content
		}
	}
	return ""
}

func does(p Plan) string {
	var list []string
	for _, i := range p.Items {
		list = append(list, i.Container+" "+string(i.Do))
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func TestSelection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.container("web", "localhost/web")
	db := w.container("db", "docker.io/library/postgres:17")
	again := w.container("again", "localhost/x")
	again.RestartPolicy = "unless-stopped"
	w.halt(again)
	w.halt(w.container("leftover", "localhost/x"))
	job := w.container("job", "localhost/x")
	job.AutoRemove, job.CreateCommand = true, []string{"podman", "run", "--rm", "localhost/x"}
	for _, n := range []string{"pod-a", "pod-b"} {
		w.container(n, "localhost/x").PodID = "pod1"
	}
	infra := w.container("infra", "localhost/pause")
	infra.PodID, infra.Infra = "pod1", true
	w.survey.Pods = []podman.Pod{{Pod: quadlet.Pod{Unit: "pod", Name: "pod"}, ID: "pod1"}}
	for _, c := range w.containers {
		if c.PodID != "" {
			c.Pod = "pod"
		}
	}
	for _, tt := range []struct {
		req  Request
		want string
	}{
		{Request{Names: []string{"web"}}, "web adopt"},
		{Request{Names: []string{db.ID[:12], "web"}}, "db adopt, web adopt"},
		{Request{Names: []string{"leftover"}}, "leftover write"},
		{Request{Names: []string{"pod"}}, "pod-a adopt, pod-b adopt"},
		{Request{Names: []string{"pod-b"}}, "pod-a adopt, pod-b adopt"},
		{Request{All: true}, "again write, db adopt, job leave, leftover leave, pod-a adopt, pod-b adopt, web adopt"},
		{Request{}, "again write, db adopt, job leave, leftover leave, pod-a adopt, pod-b adopt, web adopt"},
		{Request{All: true, Untouched: true}, "again write, db write, job leave, leftover leave, pod-a write, pod-b write, web write"},
		{Request{Names: []string{"job"}}, "job adopt"},
	} {
		if got := does(planOf(t, w, tt.req)); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.req, got, tt.want)
		}
	}
	for name, want := range map[string]string{
		"wbe":       `there is no container or pod "wbe"; there are: again, db, job, leftover, pod-a, pod-b, web`,
		db.ID[:11]:  "there is no container",
		"infra-pod": "there is no container",
	} {
		if _, err := w.adopter(nil).Plan(t.Context(), Request{Names: []string{"web", name}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := newWorld(t).adopter(nil).Plan(t.Context(), Request{Names: []string{"x"}}); err == nil || err.Error() != `there is no container "x": this account has none at all` {
		t.Errorf("without any: %v", err)
	}
	if p := planOf(t, w, Request{Names: []string{"leftover"}}); strings.Contains(p.file("leftover.container"), "[Install]") {
		t.Error("what does not run is started at boot")
	} else if _, ok := noteOf(p, "neither now nor at boot"); !ok {
		t.Error("that it is not started is not said")
	}
	if p := planOf(t, w, Request{Names: []string{"web"}}); !strings.Contains(p.file("web.container"), "WantedBy=default.target") || !strings.Contains(p.file("web.container"), "Restart=always") {
		t.Errorf("what runs is not started at boot:\n%s", p.file("web.container"))
	}
}

func TestKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(filepath.Join(w.places().Quadlets, "db.container"), "[Container]\nImage=x\nContainerName=db\n")
	w.container("db", "localhost/x").SystemdUnit = "db.service"
	p := planOf(t, w, Request{Names: []string{"db"}})
	if does(p) != "db keep" || p.Changed() || len(p.Files)+len(p.Moves)+len(p.Stops()) > 0 {
		t.Errorf("%s, %+v", does(p), p)
	}
}

func TestAnonymousVolumes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.volume("db-data", false)
	w.put(filepath.Join(w.places().Quadlets, "db-data-2.volume"), "[Volume]\nVolumeName=other\n")
	db := w.container("db", "docker.io/library/postgres:17", "conf:/etc/x", ":/var/lib/data/", ":/srv/a b")
	db.Volumes[1].Options = []string{"Z", "noexec"}
	p := planOf(t, w, Request{Names: []string{"db"}})
	unit := p.file("db.container")
	for _, want := range []string{"Volume=conf.volume:/etc/x\n", "Volume=db-data-2-2.volume:/var/lib/data/:Z,noexec\n", "Volume=db-a-b.volume:/srv/a b\n"} {
		if !strings.Contains(unit, want) {
			t.Errorf("%s is not in\n%s", want, unit)
		}
	}
	// The name of the volume is free, that of the unit was not.
	if v := p.file("db-data-2-2.volume"); !strings.Contains(v, "VolumeName=db-data-2\n") {
		t.Errorf("the volume is\n%s", v)
	}
	if len(p.Moves) != 2 || p.Moves[0].From != db.Anonymous[0].Volume || p.Moves[0].To != "db-data-2" || p.Moves[1].To != "db-a-b" {
		t.Errorf("%+v", p.Moves)
	}
	if n, ok := noteOf(p, "which a unit's stop would remove: it becomes the volume db-a-b"); !ok || n.Level != quadlet.Hint {
		t.Errorf("it is not said: %+v", p.Items[0].Notes)
	}
	stopped(t, planOf(t, w, Request{Names: []string{"db"}, Untouched: true, Accept: []string{"volume"}}), "has to become a named one while the container is stopped", 2)
	db.Anonymous[0].Driver = "nfs"
	stopped(t, planOf(t, w, Request{Names: []string{"db"}}), "is of the driver nfs")
}

func TestSharedAnonymousVolume(t *testing.T) {
	t.Parallel()
	w, p := scenarios()[5].plan(t)
	if len(p.Moves) != 1 || !strings.Contains(p.file("backup.container"), "Volume=db-data.volume:/data\n") || !strings.Contains(p.file("db.container"), "Volume=db-data.volume:/data\n") {
		t.Errorf("%+v\n%s", p.Moves, p.file("backup.container"))
	}
	_ = w
}

// TestComposeVolume is about data that would not be in the volume of a Compose
// file.
func TestComposeVolume(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file := filepath.Join(w.dir, "shop", "compose.yaml")
	w.put(file, composeFile)
	w.survey.Images["localhost/ledger:latest"] = "sha256:1"
	db := w.container("shop-db-1", "docker.io/library/postgres:17", ":/data")
	db.ComposeProject, db.ComposeService = "shop", "db"
	req := Request{Names: []string{"db"}, Compose: compose.Options{Files: []string{file}}}
	p := planOf(t, w, req)
	if len(p.Moves) != 1 || p.Moves[0].To != "shop_data" || len(p.Stops()) > 0 {
		t.Errorf("%+v, %+v", p.Moves, p.Stops())
	}
	w.volume("shop_data", false)
	p = planOf(t, w, req)
	stopped(t, p, "in an anonymous volume, and the unit would mount the volume shop_data, which exists already: the data would not be in it")
	if s := p.Stops(); len(s) > 0 && (s[0].Accept != "volume" || !strings.Contains(s[0].Try, "--accept volume")) {
		t.Errorf("it does not say how to go on: %+v", s[0])
	}
	for _, word := range []string{"volume", "all"} {
		req.Accept = []string{word}
		if p := planOf(t, w, req); len(p.Stops()) > 0 || len(p.Moves) > 0 {
			t.Errorf("--accept %s: %+v", word, p.Stops())
		}
	}
	req.Accept = []string{"layer"}
	if len(planOf(t, w, req).Stops()) != 1 {
		t.Error("another word lets it go on")
	}
	req.Names = []string{"dbb"}
	if _, err := w.adopter(nil).Plan(t.Context(), req); err == nil || err.Error() != `the Compose file has no service "dbb" that is on; it has: db, web` {
		t.Errorf("%v", err)
	}
}

func TestNeeds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	on := func(b *box, network string, needs ...string) {
		b.Networks = []quadlet.NetworkUse{{Name: network}}
		for _, n := range needs {
			b.Needs = append(b.Needs, need(n))
		}
	}
	w.survey.Networks = []quadlet.Network{{Unit: "inner", Name: "inner"}, {Unit: "outer", Name: "outer"}}
	on(w.container("db", "docker.io/library/postgres:17"), "inner")
	// A store that needs the application, in some odd way: no cycle.
	on(w.container("cache", "docker.io/library/redis:8"), "inner", "web")
	on(w.container("web", "localhost/web"), "inner")
	on(w.container("api", "localhost/api"), "inner", "db", "gone")
	on(w.container("nginx", "localhost/nginx"), "outer")
	on(w.container("on-host", "localhost/x"), "host")
	on(w.container("host-db", "docker.io/library/mariadb:11"), "host")
	p := planOf(t, w, Request{All: true})
	got := map[string]string{}
	for _, s := range p.stack.Containers {
		var list []string
		for _, n := range s.Needs {
			kind := "needs "
			if n.Weak {
				kind = "likes "
			}
			list = append(list, kind+n.Unit)
		}
		slices.Sort(list)
		got[s.Unit] = strings.Join(list, ", ")
	}
	for unit, want := range map[string]string{
		"db": "", "cache": "needs web", "web": "likes db", "api": "likes cache, needs db", "nginx": "", "on-host": "", "host-db": "",
	} {
		if got[unit] != want {
			t.Errorf("%s %s, want %s", unit, got[unit], want)
		}
	}
	if n, ok := noteOf(p, "api needs gone, which has no unit"); !ok || n.Level != quadlet.Lost {
		t.Error("a need that is lost is not said")
	}
	for _, want := range []string{"Wants=db.service\nAfter=db.service\n", "# db keeps data and is on the same network"} {
		if !strings.Contains(p.file("web.container"), want) {
			t.Errorf("%s is not in\n%s", want, p.file("web.container"))
		}
	}
	groups := (&run{plan: p}).groups()
	at := func(u string) int {
		return slices.IndexFunc(groups, func(g []string) bool { return slices.Contains(g, u+".service") })
	}
	if at("db") >= at("web") || at("web") >= at("cache") || at("cache") >= at("api") || len(slices.Concat(groups...)) != 7 {
		t.Errorf("%v", groups)
	}
}

// TestInTheWay is what stops a plan.
func TestInTheWay(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	port := l.Addr().(*net.TCPAddr).Port
	for name, tt := range map[string]struct {
		set    func(w *world, db *box)
		req    Request
		want   string
		accept string
	}{
		"written outside its volumes": {set: func(w *world, _ *box) {
			w.changes["db"] = podman.Changes{Added: 2, Changed: 1, Bytes: 5 << 20, Paths: []string{"/a", "/b", "/c"}}
		}, want: "it has written outside its volumes, and that goes with the container: 3 files (5120 KiB in its layer), such as /a, /b, /c", accept: "layer"},
		"gone when it stops, by nobody knows what":    {set: func(_ *world, db *box) { db.AutoRemove, db.CreateCommand = true, nil }, want: "Podman does not know by which command it was made", accept: "rm"},
		"an image without a name, which it still has": {set: func(w *world, db *box) { w.survey.Images, db.Image = nil, db.ImageID }, want: ""},
		"bind mount": {set: func(w *world, db *box) {
			db.Volumes = append(db.Volumes, quadlet.VolumeUse{Source: filepath.Join(w.dir, "gone"), Target: "/x"})
		}, want: "which it mounts at /x, is not there: nothing would start"},
		"port": {set: func(w *world, db *box) {
			w.halt(db)
			db.Settings = append(db.Settings, quadlet.Setting{Flag: "publish", Value: fmt.Sprintf("127.0.0.1:%d:5432", port)})
		}, want: "is already bound by another program"},
		"unit of another file": {set: func(w *world, _ *box) {
			w.units["db.service"] = &unit{Unit: core.Unit{Name: "db.service", Active: "inactive", Source: "/etc/containers/systemd/users/other.kube"}, there: true}
		}, want: "the unit db.service is taken: /etc/containers/systemd/users/other.kube makes it"},
		"a unit of the person's own": {set: func(w *world, _ *box) {
			w.put(filepath.Join(w.places().UserUnits, "db.service"), "[Service]\nExecStart=/bin/true\n")
		}, want: "db.service, which goes before what is generated"},
		"a service that runs it": {set: func(w *world, db *box) {
			w.owners = map[string]string{db.ID: "mine.service"}
		}, want: "mine.service runs it, and would start it again beside the unit"},
		"two that make one service": {set: func(w *world, _ *box) {
			w.put(filepath.Join(w.places().Quadlets, "other.container"), "[Container]\nImage=x\nServiceName=db\n")
		}, want: "both make db"},
		"directory that is a file": {set: func(w *world, _ *box) { w.put(w.places().Quadlets, "") }, want: "units cannot be written"},
		"directory below a file":   {set: func(w *world, _ *box) { w.put(filepath.Dir(w.places().Quadlets)+"/q", "") }, want: "units cannot be written: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			db := w.container("db", "docker.io/library/postgres:17")
			tt.set(w, db)
			a := w.adopter(nil)
			if name == "directory below a file" {
				a.Places.Quadlets = w.dir + "/q/containers/systemd"
			}
			if name != "unit of another file" {
				w.read()
			}
			plan := func(req Request) Plan {
				p, err := a.Plan(t.Context(), req)
				if err != nil {
					t.Fatal(err)
				}
				return p
			}
			p := plan(Request{Names: []string{"db"}})
			if tt.want == "" {
				if len(p.Stops()) > 0 {
					t.Errorf("%+v", p.Stops())
				}
				return
			}
			stopped(t, p, tt.want)
			if _, err := a.Apply(t.Context(), p); err == nil || !strings.HasPrefix(err.Error(), "nothing was changed: ") {
				t.Errorf("it is applied: %v", err)
			}
			if tt.accept != "" {
				if p := plan(Request{Names: []string{"db"}, Accept: []string{tt.accept}}); len(p.Stops()) > 0 {
					t.Errorf("--accept %s: %+v", tt.accept, p.Stops())
				}
			}
		})
	}
}

func TestComposeInTheWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file := filepath.Join(w.dir, "shop", "compose.yaml")
	w.put(file, composeFile)
	w.survey.Images["localhost/ledger:latest"] = "sha256:1"
	req := Request{Compose: compose.Options{Files: []string{file}}}
	p := planOf(t, w, req)
	stopped(t, p, "the image docker.io/library/postgres:17 is not on this host")
	w.survey.Images["docker.io/library/postgres:17"] = "sha256:2"
	if p := planOf(t, w, req); len(p.Stops()) > 0 || does(p) != "shop-db create, shop-web create" {
		t.Errorf("%s: %+v", does(p), p.Stops())
	}
}

func TestHostsThatCannot(t *testing.T) {
	t.Parallel()
	for want, set := range map[string]func(w *world){
		"this host has Podman 4.8.3; keeper writes units for 4.9 and later": func(w *world) { w.survey.Version, w.survey.Release = quadlet.Version{Major: 4, Minor: 8}, "4.8.3" },
		"this host runs cgroup v1": func(w *world) { w.survey.CGroups = "v1" },
	} {
		w := newWorld(t)
		w.container("db", "x")
		set(w)
		if _, err := w.adopter(nil).Plan(t.Context(), Request{All: true}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("it says %v, want %s", err, want)
		}
	}
}
