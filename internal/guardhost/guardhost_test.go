package guardhost

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"keeper/internal/config"
	"keeper/internal/guard"
)

var noon = time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)

// newHome is a made-up account whose files lie in a directory of the test's.
func newHome(t testing.TB, env map[string]string) Account {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	vars := map[string]string{"HOME": dir, "XDG_RUNTIME_DIR": filepath.Join(dir, "run")}
	for k, v := range env {
		vars[k] = v
	}
	a := account(os.Getuid(), fmt.Sprintf("root:x:99999:0::/root:/bin/sh\napp:x:%d:1000:,,,:%s:/bin/sh\n", os.Getuid(), dir), "/opt/keeper/keeper-guard", func(name string) string { return vars[name] })
	a.siteGuard = config.CheckGuard
	a.Paths.SiteGuard = filepath.Join(dir, "etc", "guard.toml")
	a.Paths.SiteSettings = filepath.Join(dir, "etc", "keeper.toml")
	a.Paths.Quadlets[2], a.Paths.Quadlets[3] = filepath.Join(dir, "etc", "users"), filepath.Join(dir, "etc", "users", "1000")
	put(t, a.Paths.SiteGuard, "")
	return a
}

func put(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (a Account) quadlet(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(a.Paths.Quadlets[1], name)
	put(t, path, text)
	return path
}

// The settings know the very rules that the guard has.
func TestRules(t *testing.T) {
	t.Parallel()
	var ids []string
	for _, r := range guard.Rules() {
		ids = append(ids, r.ID)
	}
	known := config.GuardRules()
	slices.Sort(ids)
	slices.Sort(known)
	if !slices.Equal(ids, known) {
		t.Errorf("the guard has %v, settings may name %v", ids, known)
	}
}

func TestStack(t *testing.T) {
	t.Parallel()
	a := newHome(t, nil)
	a.quadlet(t, "postgres.container", `[Container]
Image=docker.io/library/postgres:17
ContainerName=ledger-db
Volume=pgdata.volume:/var/lib/postgresql/data:Z
Volume=%h/backups:/backups
Volume=/etc/localtime:/etc/localtime:ro
PublishPort=127.0.0.1:5432:5432
PublishPort=5440-5442:5440-5442/tcp
`)
	a.quadlet(t, "stack/web.container", `[Container]
Image=localhost/ledger:latest
Volume=./src:/app
Volume=plain:/cache
Volume=/anonymous
Mount=type=bind,source=/srv/conf,destination=/conf,ro
Mount=type=tmpfs,destination=/tmp
PublishPort=8000
PublishPort=[::1]:8001:8000
ServiceName=%broken
`)
	a.quadlet(t, "web.container.d/10.conf", "[Container]\nServiceName=front\nContainerName=\"\"\n")
	a.quadlet(t, "job@.container", "[Container]\nImage=x\n")
	a.quadlet(t, "job@one.container", "[Container]\nImage=x\n")
	a.quadlet(t, "pgdata.volume", "[Volume]\n")
	a.quadlet(t, "cache.volume", "[Volume]\nVolumeName=the-cache\n")
	a.quadlet(t, "back.network", "[Network]\n")
	a.quadlet(t, "front.network", "[Network]\nNetworkName=front\n")
	a.quadlet(t, "apps.pod", "[Pod]\nPublishPort=0.0.0.0:9000:9000\n")
	a.quadlet(t, "img.image", "[Image]\nImage=x\n")
	kube := a.quadlet(t, "k.kube", "[Kube]\nYaml=k.yaml\nPublishPort=7000:7000\n")
	h, p, mistakes := a.Load("", noon)
	if len(mistakes) > 0 || h.Partial {
		t.Fatal(mistakes)
	}
	for _, tt := range []struct {
		what      string
		got, want any
	}{
		{"units", h.Units, []string{"apps-pod.service", "back-network.service", "cache-volume.service", "front-network.service", "front.service", "job@*.service", "job@one.service",
			"k.service", "pgdata-volume.service", "postgres.service"}},
		{"containers", h.Containers, []string{"ledger-db", "systemd-apps-infra", "systemd-front", "systemd-job_*", "systemd-job_one"}},
		{"volumes", h.Volumes, []string{"plain", "systemd-pgdata", "the-cache"}},
		{"networks", h.Networks, []string{"front", "systemd-back"}},
		{"pods", h.Pods, []string{"systemd-apps"}},
		{"ports", h.Ports, []int{5432, 5440, 5441, 5442, 7000, 8001, 9000}},
		{"mounts", h.Mounts["ledger-db"], []guard.Mount{{Source: "systemd-pgdata", Inside: "/var/lib/postgresql/data"}, {Source: a.Home + "/backups", Inside: "/backups"}, {Source: "/etc/localtime", Inside: "/etc/localtime"}}},
		{"mounts of web", h.Mounts["systemd-front"], []guard.Mount{{Source: a.Paths.Quadlets[1] + "/stack/src", Inside: "/app"}, {Source: "plain", Inside: "/cache"}, {Source: "/srv/conf", Inside: "/conf"}}},
		{"account", []any{h.UID, h.User, h.Home, h.Runtime, h.Now}, []any{os.Getuid(), "app", a.Home, a.Home + "/run", noon}},
		{"settings", p, guard.Policy{Site: settings(config.Guard{}), User: settings(config.Guard{})}},
	} {
		if !reflect.DeepEqual(tt.got, tt.want) {
			t.Errorf("%s:\n got %v\nwant %v", tt.what, tt.got, tt.want)
		}
	}
	for path, want := range map[string]guard.Place{
		kube: {Rule: "files.quadlet", Written: true, What: "Quadlet of k.service"},
		filepath.Join(filepath.Dir(kube), "k.yaml"): {Rule: "files.quadlet", Written: true, What: "Quadlet of k.service"},
		a.Paths.Quadlets[1] + "/pgdata.volume":      {Rule: "files.quadlet", Written: true, What: "Quadlet of pgdata-volume.service"},
		a.Paths.Quadlets[1]:                         {Rule: "files.quadlet", Written: true, Within: true, What: "Quadlets"},
		a.Paths.Quadlets[0]:                         {Rule: "files.quadlet", Written: true, Within: true, What: "Quadlets"},
		a.Home + "/backups":                         {Rule: "files.storage", Written: true, Within: true, What: "data of postgres.service"},
		a.Paths.Quadlets[1] + "/stack/src":          {Rule: "files.storage", What: "data of front.service"},
		a.Home + "/.local/share/containers/storage": {Rule: "files.storage", Written: true, Within: true, What: "Podman's storage"},
		a.Home:                                 {Rule: "files.home", What: "the home of app"},
		"/mnt":                                 {Rule: "files.home", What: "a directory of the system"},
		a.Home + "/run":                        {Rule: "files.runtime", What: "the runtime directory of the account"},
		a.Home + "/run/libpod":                 {Rule: "files.runtime", Within: true, What: "what the stack runs on"},
		a.Home + "/run/keeper/guard":           {Rule: "keeper.guard", Written: true, Within: true, What: "what a person let through"},
		a.Home + "/.local/state/keeper":        {Rule: "keeper.files", Written: true, Within: true, What: "keeper's state"},
		a.Home + "/.config/keeper/keeper.toml": {Rule: "keeper.settings", Written: true, What: "the settings of keeper and the guard"},
		a.Home + "/etc":                        {Rule: "keeper.files", Written: true, Within: true, What: "root's settings of keeper"},
		a.Home + "/.config/systemd/user/keeper.service": {Rule: "keeper.files", Written: true, Within: true, What: "a unit of keeper's"},
		"/opt/keeper/keeper-guard":                      {Rule: "keeper.files", Written: true, What: "a program of keeper's"},
		"/var/lib/systemd/linger":                       {Rule: "session.linger", Written: true, Within: true, What: "logind's marks of who lingers"},
		a.Home + "/.claude/settings.json":               {Rule: "keeper.hook", Written: true, What: "settings of an agent"},
		"/etc/claude-code":                              {Rule: "keeper.hook", Written: true, Within: true, What: "settings of agents"},
	} {
		want.Path = path
		if !slices.Contains(h.Places, want) {
			t.Errorf("%+v is not guarded, but %v", want, at(h.Places, path))
		}
	}
	if got := at(h.Places, "/etc/localtime"); got != nil {
		t.Errorf("guarded: %v", got)
	}
	if got := at(h.Places, "/srv/conf"); got != nil {
		t.Errorf("guarded: %v", got)
	}
}

func at(places []guard.Place, path string) (list []guard.Place) {
	for _, p := range places {
		if p.Path == path {
			list = append(list, p)
		}
	}
	return list
}

// What ran from a file that is gone, or that was changed since, is kept as well.
func TestCopies(t *testing.T) {
	t.Parallel()
	a := newHome(t, nil)
	copyOf := func(source, text string, when time.Time) {
		path := filepath.Join(a.Paths.Copies, url.PathEscape(source))
		put(t, path, text)
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
	}
	web := a.quadlet(t, "web.container", "[Container]\nContainerName=new\n")
	same := a.quadlet(t, "same.container", "[Container]\n")
	gone := filepath.Join(a.Paths.Quadlets[1], "gone.container")
	now := time.Now()
	for _, path := range []string{web, same} {
		if err := os.Chtimes(path, now, now); err != nil {
			t.Fatal(err)
		}
	}
	copyOf(web, "[Container]\nContainerName=old\n", now.Add(-time.Hour))
	copyOf(same, "[Container]\nContainerName=unread\n", now.Add(time.Hour))
	copyOf(gone, "[Container]\nVolume=lost.volume:/data\n", now.Add(-time.Hour))
	put(t, filepath.Join(a.Paths.Copies, ".half.123"), "")
	put(t, filepath.Join(a.Paths.Copies, "nonsense"), "")
	h, _, mistakes := a.Load("", noon)
	if want := []string{"new", "old", "systemd-gone", "systemd-same"}; !slices.Equal(h.Containers, want) || len(mistakes) > 0 {
		t.Errorf("got %v, %v; want %v", h.Containers, mistakes, want)
	}
	if want := []string{"gone.service", "same.service", "web.service"}; !slices.Equal(h.Units, want) {
		t.Errorf("got %v; want %v", h.Units, want)
	}
	if want := []string{"systemd-lost"}; !slices.Equal(h.Volumes, want) {
		t.Errorf("got %v; want %v", h.Volumes, want)
	}
}

// What cannot be read makes the guard stricter, and is told.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		make func(t *testing.T, a Account)
		want string
	}{
		"a FIFO": {func(t *testing.T, a Account) {
			a.quadlet(t, "x.container", "")
			fifo := filepath.Join(a.Paths.Quadlets[1], "fifo.container")
			if err := syscall.Mkfifo(fifo, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "fifo.container must be a regular file"},
		"a directory in its place": {func(t *testing.T, a Account) { put(t, a.Paths.Quadlets[1], "") }, "cannot look for Quadlet files in"},
		"a link in a circle": {func(t *testing.T, a Account) {
			put(t, filepath.Join(filepath.Dir(a.Paths.Quadlets[1]), "x"), "")
			if err := os.Symlink("systemd", a.Paths.Quadlets[1]); err != nil {
				t.Fatal(err)
			}
		}, "cannot look for Quadlet files in"},
		"a huge one": {func(t *testing.T, a Account) { a.quadlet(t, "x.container", strings.Repeat("#", 2<<20)) }, "must be no larger than"},
		"huge all together": {func(t *testing.T, a Account) {
			for i := range 12 {
				a.quadlet(t, fmt.Sprintf("x%d.container", i), strings.Repeat("#", 1<<20))
			}
		}, "are larger than"},
		"a name of another kind":  {func(t *testing.T, a Account) { a.quadlet(t, "x.container", "[Container]\nContainerName=%H-x\n") }, "ContainerName=%H-x cannot be made out"},
		"a name of the machine's": {func(t *testing.T, a Account) { a.quadlet(t, "x.container", "[Container]\nContainerName=${NAME}\n") }, "cannot be made out"},
		"a name with a star":      {func(t *testing.T, a Account) { a.quadlet(t, "x.container", "[Container]\nContainerName=*\n") }, "cannot be made out"},
		"a name with a mark": {func(t *testing.T, a Account) {
			a.quadlet(t, "x.container", "[Container]\nContainerName=\uE000\x1b[2J\n")
		}, "ContainerName=??[2J cannot be made out"},
		"a unit with a star":      {func(t *testing.T, a Account) { a.quadlet(t, "x.container", "[Container]\nServiceName=*\n") }, "is no name of a unit"},
		"a volume of the machine": {func(t *testing.T, a Account) { a.quadlet(t, "x.container", "[Container]\nVolume=%H:/data\n") }, "the volume %H cannot be made out"},
		"volumes without end": {func(t *testing.T, a Account) {
			a.quadlet(t, "x.container", "[Container]\n"+strings.Repeat("Volume=a:/b\n", 300))
		}, "more than 200"},
		"ports without end": {func(t *testing.T, a Account) {
			a.quadlet(t, "x.container", "[Container]\nPublishPort=1-65535:1-65535\n")
		}, "more than 4000 published ports"},
		"copies that are none": {func(t *testing.T, a Account) { put(t, a.Paths.Copies, "") }, ""},
	} {
		a := newHome(t, nil)
		tt.make(t, a)
		h, _, mistakes := a.Load("", noon)
		if tt.want == "" {
			if h.Partial || len(mistakes) > 0 {
				t.Errorf("%s: %v", name, mistakes)
			}
			continue
		}
		if !h.Partial || len(mistakes) != 1 || !strings.Contains(mistakes[0], tt.want) || strings.ContainsAny(mistakes[0], "\x1b\n") {
			t.Errorf("%s: partial %v, %q, want %q", name, h.Partial, mistakes, tt.want)
		}
		for _, list := range [][]string{h.Units, h.Containers, h.Volumes, h.Networks, h.Pods} {
			if !slices.Contains(list, "*") {
				t.Errorf("%s: %v", name, list)
			}
		}
		if !slices.Contains(h.Units, "x.service") && strings.HasPrefix(tt.want, "x") {
			t.Errorf("%s: %v", name, h.Units)
		}
	}
	if os.Getuid() != 0 {
		a := newHome(t, nil)
		file := a.quadlet(t, "secret.container", "")
		if err := os.Chmod(file, 0); err != nil {
			t.Fatal(err)
		}
		if h, _, mistakes := a.Load("", noon); !h.Partial || len(mistakes) != 1 || !slices.Contains(h.Units, "secret.service") || !slices.Contains(h.Containers, "systemd-secret") {
			t.Errorf("got %v, %v", h.Units, mistakes)
		}
	}
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	a := newHome(t, nil)
	put(t, a.Paths.SiteGuard, "overrides = 'never'\nkeep = ['shared']\nrules.stack = 'ask'")
	put(t, a.Paths.SiteSettings, "[guard]\nmode = 'watch'\nallow = ['a']")
	put(t, a.Paths.Settings, "[guard]\nmode = 'ask'\nprotect = ['~/x', '/srv/y/']\nkeep = ['job.service']\nask = [{command = 'b *', name = 'n', reason = 'r', safer = 's'}]")
	h, p, mistakes := a.Load("", noon)
	want := guard.Policy{
		Site: guard.Settings{NoOverrides: true, Keep: []string{"shared"}, Rules: map[string]guard.Decision{"stack": guard.Ask}, Allow: []guard.Pattern{}, Ask: []guard.Pattern{}, Deny: []guard.Pattern{}},
		User: guard.Settings{Mode: guard.AskOnly, Allow: []guard.Pattern{{Words: []string{"a"}}}, Ask: []guard.Pattern{{Words: []string{"b", "*"}, Name: "n", Reason: "r", Safer: "s"}},
			Deny: []guard.Pattern{}, Protect: []string{"~/x", "/srv/y/"}, Keep: []string{"job.service"}},
	}
	if !reflect.DeepEqual(p, want) || mistakes != nil {
		t.Errorf("got  %+v, %v\nwant %+v", p, mistakes, want)
	}
	if !slices.Equal(h.Units, []string{"shared.service", "job.service"}) || !slices.Equal(h.Containers, []string{"shared"}) {
		t.Errorf("kept: %v, %v", h.Units, h.Containers)
	}
	for _, path := range []string{a.Home + "/x", "/srv/y"} {
		if got := at(h.Places, path); !reflect.DeepEqual(got, []guard.Place{{Path: path, Rule: "files.protected", Within: true, Written: true, What: "protected by the settings"}}) {
			t.Errorf("%s: %v", path, got)
		}
	}
	// With a mistake of root's, the account lets nothing through, and nobody else.
	put(t, a.Paths.SiteGuard, "mode = 'enforced'")
	_, p, mistakes = a.Load("", noon)
	if !p.Site.NoOverrides || p.User.Mode != "" || p.User.Allow == nil || len(p.User.Allow) != 0 || len(p.User.Ask) != 1 || len(mistakes) != 1 || !strings.Contains(mistakes[0], "guard.toml:1: mode") {
		t.Errorf("got %+v, %v", p, mistakes)
	}
	// And so with one of its own.
	put(t, a.Paths.SiteGuard, "")
	put(t, a.Paths.Settings, "[guard]\nmode = 'off'\nx = 1")
	if _, p, mistakes = a.Load("", noon); p.User.Mode != "" || len(p.User.Allow) != 0 || len(mistakes) != 1 {
		t.Errorf("got %+v, %v", p, mistakes)
	}
}

func TestPlacesOfAgents(t *testing.T) {
	t.Parallel()
	a := newHome(t, map[string]string{"CLAUDE_CONFIG_DIR": "/c", "CODEX_HOME": "relative"})
	h, _, _ := a.Load(a.Home+"/work/ledger", noon)
	for path, want := range map[string]bool{
		a.Home + "/work/ledger/.claude/settings.json":   true,
		a.Home + "/work/.claude/settings.local.json":    true,
		a.Home + "/work/.github/hooks":                  true,
		a.Home + "/.github/hooks":                       false,
		filepath.Dir(a.Home) + "/.claude/settings.json": false,
		"/c/settings.json":                              true,
		"relative/config.toml":                          false,
	} {
		if got := slices.ContainsFunc(h.Places, func(p guard.Place) bool { return p.Path == path && p.Rule == "keeper.hook" }); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
	// A directory outside of the home, and one that never ends.
	for _, dir := range []string{"/srv/work", "relative", strings.Repeat("/a", 2000)} {
		h, _, _ := a.Load(dir, noon)
		if len(h.Places) > 500 {
			t.Errorf("%.20s: %d places", dir, len(h.Places))
		}
	}
}

// Links: what they lead to is guarded as well.
func TestPlacesBehindLinks(t *testing.T) {
	t.Parallel()
	a := newHome(t, nil)
	real := filepath.Join(a.Home, "dotfiles", "web.container")
	put(t, real, "[Container]\nVolume=%h/data:/data\n")
	if err := os.MkdirAll(a.Paths.Quadlets[1], 0o700); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{a.Paths.Quadlets[1] + "/web.container": real, a.Home + "/data": a.Home + "/disk/data", a.Home + "/.claude": "dotfiles/claude"} {
		if err := os.Symlink(to, from); err != nil {
			t.Fatal(err)
		}
	}
	put(t, a.Home+"/.config/containers/storage.conf", "[storage]\n# graphroot = \"/no\"\ngraphroot = \"$HOME/disk/storage\" # mine\n")
	h, _, mistakes := a.Load("", noon)
	if len(mistakes) > 0 {
		t.Error(mistakes)
	}
	for path, rule := range map[string]string{
		real: "files.quadlet", a.Paths.Quadlets[1] + "/web.container": "files.quadlet", a.Home + "/data": "files.storage", a.Home + "/disk/data": "files.storage",
		a.Home + "/dotfiles/claude/settings.json": "keeper.hook", a.Home + "/disk/storage": "files.storage", a.Home + "/.local/share/containers/storage": "files.storage",
	} {
		if got := at(h.Places, path); len(got) != 1 || got[0].Rule != rule {
			t.Errorf("%s: %v", path, got)
		}
	}
	if got := at(h.Places, "/no"); got != nil {
		t.Errorf("guarded: %v", got)
	}
}

func TestAccount(t *testing.T) {
	t.Parallel()
	none := func(string) string { return "" }
	a := account(1000, "app:x:1000:1000::/home/app:/bin/sh\n", "/usr/bin/keeper-guard", none)
	if a.User != "app" || a.Home != "/home/app" || a.Paths.State != "/home/app/.local/state/keeper" || a.Programs != "/usr/bin" || a.also != nil || a.wrong != nil {
		t.Errorf("by its line: %+v", a)
	}
	// Whatever the environment says, what is in the account's own home is kept.
	a = account(1000, "app:x:1000:1000::/home/app:/bin/sh\n", "", func(name string) string { return map[string]string{"HOME": "/tmp/x/", "USER": "root"}[name] })
	if a.User != "app" || a.Home != "/tmp/x" || !slices.Equal(a.also, []string{"/home/app/.config/containers/systemd"}) {
		t.Errorf("another home: %+v", a)
	}
	a = account(1000, "", "", none)
	if len(a.wrong) != 1 {
		t.Errorf("no home: %+v", a)
	}
	a.Load("/srv", noon)
}
