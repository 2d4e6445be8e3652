package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"keeper/internal/config"
	"keeper/internal/core"
	"keeper/internal/paths"
)

func TestControllerUses(t *testing.T) {
	t.Parallel()
	got := controllerUses("/q/a.container",
		[]config.UnitLine{{Key: "Image", Value: "x"}, {Key: "PodmanArgs", Value: `--cpus=2 -c 5 "--memory 1g" --network none`}, {Key: "PidsLimit", Value: "5"}, {Key: "Memory", Value: ""}},
		[]config.UnitLine{{Key: "AllowedCPUs", Value: "0"}, {Key: "IOWeight", Value: ""}, {Key: "Restart", Value: "always"}})
	var lines []string
	for _, u := range got {
		lines = append(lines, fmt.Sprint(u.File, " ", u.Setting, " ", u.Controller, " ", u.Fatal))
	}
	want := []string{
		"/q/a.container PodmanArgs=--cpus cpu true", "/q/a.container PodmanArgs=-c cpu true", "/q/a.container PodmanArgs=--memory memory true",
		"/q/a.container PidsLimit= pids true", "/q/a.container AllowedCPUs= cpuset false",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got %q, want %q", lines, want)
	}
	for name, controller := range serviceControllers {
		if !slices.Contains(core.Controllers, controller) {
			t.Errorf("%s needs %s, which is no controller", name, controller)
		}
	}
}

func TestUnlabelledMounts(t *testing.T) {
	t.Parallel()
	one := func(key, value string) []config.UnitLine { return []config.UnitLine{{Key: key, Value: value}} }
	for _, tt := range []struct {
		lines []config.UnitLine
		want  []string
	}{
		{one("Volume", "/srv/db:/data"), []string{"/srv/db"}},
		{one("Volume", "/srv/db/:/data:ro"), []string{"/srv/db"}},
		{one("Volume", "/srv/db:/data:ro,Z"), nil},
		{one("Volume", "/srv/db:/data:z"), nil},
		{one("Volume", "/srv/db:/data:O"), nil},
		{one("Volume", "%h/db:/data"), []string{"/home/app/db"}},
		{one("Volume", "%t/podman/podman.sock:/s"), []string{"/run/user/1000/podman/podman.sock"}},
		{one("Volume", "%E/db:/data"), nil}, // it cannot tell
		{one("Volume", "./conf:/conf"), []string{"/q/conf"}},
		{one("Volume", "data.volume:/data"), nil},
		{one("Volume", "data:/data"), nil},
		{one("Volume", "/data"), nil},
		{one("Mount", "type=bind,source=/srv/db,target=/data"), []string{"/srv/db"}},
		{one("Mount", "type=bind,src=/srv/db,target=/data,relabel=private"), nil},
		{one("Mount", "type=volume,source=/srv/db,target=/data"), nil},
		{append(one("Volume", "/srv/db:/data"), config.UnitLine{Key: "SecurityLabelDisable", Value: "true"}), nil},
		{append(one("Volume", "/srv/db:/data"), config.UnitLine{Key: "PodmanArgs", Value: "--security-opt label=disable"}), nil},
	} {
		if got := unlabelledMounts("/q/a.container", tt.lines, "/home/app", "/run/user/1000"); !slices.Equal(got, tt.want) {
			t.Errorf("%v: got %q, want %q", tt.lines, got, tt.want)
		}
	}
}

// What drop-ins say counts as well.
func TestReadQuadletsAsk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.container":           "[Container]\nImage=x\nVolume=/srv/a:/a\n",
		"a.container.d/10.conf": "[Service]\nCPUQuota=20%\n[Container]\nVolume=/srv/b:/b\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	source := filepath.Join(dir, "a.container")
	got := readQuadletsAsk(paths.Paths{Quadlets: [4]string{dir}}, "/home/app")
	if want := []core.ControllerUse{{File: source, Setting: "CPUQuota=", Controller: "cpu"}}; !slices.Equal(got.uses, want) {
		t.Errorf("got %+v", got.uses)
	}
	if want := []core.LabelledMount{{File: source, Path: "/srv/a"}, {File: source, Path: "/srv/b"}}; !slices.Equal(got.mounts, want) {
		t.Errorf("got %+v", got.mounts)
	}
}

// What hangs is not waited for, and keeps nothing else back.
func TestWaitEnds(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	defer close(hang)
	slow := begin(func() int { <-hang; return 1 })
	end, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	for range 2 { // one end is there for all
		if got := wait(end, slow); got != 0 {
			t.Errorf("got %d", got)
		}
	}
	for range 100 {
		done := make(chan int, 1)
		done <- 2
		if got := wait(end, done); got != 2 {
			t.Fatalf("an answer that is there counts after the end, too: got %d", got)
		}
	}
	if got := wait(t.Context(), begin(func() int { return 2 })); got != 2 {
		t.Errorf("got %d", got)
	}
}

func FuzzUnlabelledMounts(f *testing.F) {
	f.Add("/srv/db:/data:ro,Z", "type=bind,source=/srv,relabel=shared", "--cpus=2 -m 1g")
	f.Add("%h/x:%%:", "type=bind,src=./x", "\"--memory\"")
	f.Fuzz(func(t *testing.T, volume, mount, args string) {
		lines := []config.UnitLine{{Key: "Volume", Value: volume}, {Key: "Mount", Value: mount}}
		for _, path := range unlabelledMounts("/q/a.container", lines, "/home/app", "/run/user/1000") {
			if !filepath.IsAbs(path) || path != filepath.Clean(path) {
				t.Errorf("%q is no path", path)
			}
		}
		for _, u := range controllerUses("/q/a.container", []config.UnitLine{{Key: "PodmanArgs", Value: args}}, nil) {
			if !slices.Contains(core.Controllers, u.Controller) {
				t.Errorf("%+v", u)
			}
		}
	})
}

// A bus that cannot be reached is not called the system's.
func TestAskUserBus(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bus"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := askUserBus(t.Context(), dir); err == nil || strings.Contains(err.Error(), "system bus") {
		t.Errorf("got %v", err)
	}
}
