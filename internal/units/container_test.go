package units

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"keeper/internal/core"
)

// read is what of a unit a command line says.
func readLine(argv ...string) core.Unit {
	var u core.Unit
	readPodman(&u, argv)
	return u
}

func words(line string) []string { return strings.Fields(line) }

// Lines that Quadlet writes, as of Podman 4.9, 5.4 and 5.8, and what people add
// with PodmanArgs= and GlobalArgs=.
func TestReadPodman(t *testing.T) {
	t.Parallel()
	const image = "docker.io/library/postgres:17"
	for name, tt := range map[string]struct {
		line string
		want core.Unit
	}{
		"5.4": {"/usr/bin/podman run --name postgres --replace --rm --cgroups=split --network stack --sdnotify=conmon -d " +
			"-v pgdata:/var/lib/postgresql/data --publish 127.0.0.1:5432:5432 --env POSTGRES_PASSWORD=x " + image + " postgres -p 1:2 -v a:/b",
			core.Unit{Image: image, Container: "postgres", Ports: []string{"127.0.0.1:5432"}, Inside: []uint16{5432}, Networks: []string{"stack"},
				Mounts: []core.Mount{{Source: "pgdata", Target: "/var/lib/postgresql/data"}}}},
		"4.9": {"/usr/bin/podman run --name=systemd-db --cidfile=/run/user/1000/db.cid --replace --rm --cgroups=split --network=systemd-stack " +
			"--sdnotify=conmon -d --security-opt=no-new-privileges --read-only --read-only-tmpfs=false -v systemd-pgdata:/data:Z --publish 5432:5432 " + image,
			core.Unit{Image: image, Container: "systemd-db", Ports: []string{"127.0.0.1:5432"}, Inside: []uint16{5432}, Networks: []string{"systemd-stack"},
				Mounts: []core.Mount{{Source: "systemd-pgdata", Target: "/data"}}}},
		"every switch that stands alone": {"podman run --rm --rmi --replace -d --detach --init --read-only --read-only-tmpfs -t --tty -i --interactive --privileged " +
			"--no-healthcheck --no-hosts --no-hostname -q --quiet --oom-kill-disable -P --publish-all --env-host --http-proxy --tls-verify " +
			"--disable-content-trust --passwd --sig-proxy --unsetenv-all " + image + " -v a:/b", core.Unit{Image: image}},
		"letters in a row":             {"podman run -dit -p80:8080 -vdata:/data -dp 81:8080 -e A=B " + image, core.Unit{Image: image, Ports: []string{"127.0.0.1:80", "127.0.0.1:81"}, Inside: []uint16{8080, 8080}, Mounts: []core.Mount{{Source: "data", Target: "/data"}}}},
		"with global options":          {"podman --module=/etc/x.conf --log-level debug --syslog run --rm " + image, core.Unit{Image: image}},
		"with the image behind dashes": {"podman run --rm -- " + image + " -p 1:2", core.Unit{Image: image}},
		"with its values joined":       {"podman run --volume=data:/data --publish=80:8080 --net=stack --mount=type=bind,src=/a,dst=/b " + image, core.Unit{Image: image, Ports: []string{"127.0.0.1:80"}, Inside: []uint16{8080}, Networks: []string{"stack"}, Mounts: []core.Mount{{Source: "data", Target: "/data"}, {Source: "/a", Target: "/b"}}}},
		"a pod":                        {"/usr/bin/podman pod create --infra-conmon-pidfile=/run/user/1000/web-pod.pid --exit-policy=stop --replace --publish 8080:80 --network stack --infra-name web-infra --name web -v data:/data", core.Unit{Container: "web", Ports: []string{"127.0.0.1:8080"}, Inside: []uint16{80}, Networks: []string{"stack"}, Mounts: []core.Mount{{Source: "data", Target: "/data"}}}},
		"a pod with an identifier":     {"podman pod create --infra=true --share-parent --infra --replace --pod-id-file=/x -p 8080:80", core.Unit{Ports: []string{"127.0.0.1:8080"}, Inside: []uint16{80}}},
		"another command":              {"podman rm -v -f -i --cidfile=/x run", core.Unit{}},
		"another command of pods":      {"podman pod start --pod-id-file=/x create", core.Unit{}},
		"a network":                    {"podman network create --ignore stack", core.Unit{}},
		"no image":                     {"podman run --rm --name", core.Unit{}},
		"nothing more":                 {"podman run", core.Unit{}},
		"no pod":                       {"podman pod", core.Unit{}},
		"no command":                   {"podman", core.Unit{}},
		"nothing but an option":        {"podman --log-level", core.Unit{}},
		"somebody else's":              {"/usr/bin/true", core.Unit{}},
		"the shell of a person":        {"/bin/sh -c podman", core.Unit{}},
	} {
		if got := readLine(words(tt.line)...); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", name, got, tt.want)
		}
	}
	if got := readLine(); !reflect.DeepEqual(got, core.Unit{}) {
		t.Errorf("of nothing: %+v", got)
	}
}

func TestReadPorts(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"8080:80":             "127.0.0.1:8080",
		"8080:80/tcp":         "127.0.0.1:8080",
		"127.0.0.1:8080:80":   "127.0.0.1:8080",
		"0.0.0.0:8080:80":     "127.0.0.1:8080",
		"192.168.7.1:8080:80": "192.168.7.1:8080",
		"[::1]:8080:80":       "[::1]:8080",
		"[::]:8080:80":        "[::1]:8080",
		"[fe80::1]:8080:80":   "[fe80::1]:8080",
		// Nobody can say who answers there, or with what.
		"8080:80/udp":         "",
		"8080:80/sctp":        "",
		"80":                  "",
		"80/tcp":              "",
		":80":                 "",
		"0:80":                "",
		"127.0.0.1::80":       "",
		"[::1]::80":           "",
		"8080-8082:80-82":     "",
		"127.0.0.1:1-2:80-81": "",
		"":                    "",
		":":                   "",
		"::":                  "",
		"/":                   "",
	} {
		got := strings.Join(readLine("podman", "run", "-p", value, "image").Ports, " ")
		if got != want {
			t.Errorf("%q: got %q, want %q", value, got, want)
		}
	}
}

// The port in the container goes with each address.
func TestReadPortsInside(t *testing.T) {
	t.Parallel()
	u := readLine(words("podman run -p 80 -p 8080:80 -p 53:53/udp -p [::1]:8443:443/tcp -p 1:70000 -p 2:x image")...)
	if got := fmt.Sprint(u.Ports, u.Inside); got != "[127.0.0.1:8080 [::1]:8443 127.0.0.1:1 127.0.0.1:2] [80 443 0 0]" {
		t.Error(got)
	}
}

func TestReadHealthCheck(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]bool{
		"podman run image":                                              false,
		"podman run --health-cmd ping image":                            true,
		"podman run --health-cmd=ping --health-interval 5s image":       true,
		"podman run --health-cmd none image":                            false,
		"podman run --health-cmd= image":                                false,
		"podman run --health-cmd ping --no-healthcheck image":           false,
		"podman run --no-healthcheck --health-cmd ping image":           false,
		"podman run --no-healthcheck=false --health-cmd ping image":     true,
		"podman run --health-on-failure kill image":                     false,
		"podman run image --health-cmd ping":                            false,
		"podman pod create --health-cmd ping":                           true,
		"podman run --health-cmd ping":                                  true, // no image: nothing that would start
		"podman run --health-cmd none --health-cmd ping -d image image": true,
	} {
		if got := readLine(words(line)...).HealthCheck; got != want {
			t.Errorf("%s: %v", line, got)
		}
	}
}

func TestReadMounts(t *testing.T) {
	t.Parallel()
	for flag, tt := range map[string]map[string]*core.Mount{
		"-v": {
			"data:/data":           {Source: "data", Target: "/data"},
			"data:/data:ro":        {Source: "data", Target: "/data", ReadOnly: true},
			"data:/data:Z,ro,U":    {Source: "data", Target: "/data", ReadOnly: true},
			"data:/data:rw,z":      {Source: "data", Target: "/data"},
			"/srv/data:/data":      {Source: "/srv/data", Target: "/data"},
			"/srv/data/:/data/":    {Source: "/srv/data", Target: "/data"}, // mountinfo has no slash at the end
			"/srv//x/../data:/d/.": {Source: "/srv/data", Target: "/d"},
			"/data":                nil, // without a name nobody else has it
			"":                     nil,
			":":                    nil,
			"data:":                nil,
			":/data":               nil,
		},
		"--mount": {
			"type=bind,source=/a,target=/b":             {Source: "/a", Target: "/b"},
			"type=bind,src=/a/,dst=/b/":                 {Source: "/a", Target: "/b"},
			"type=volume,source=data,destination=/b,ro": {Source: "data", Target: "/b", ReadOnly: true},
			"source=data,target=/b,readonly=true":       {Source: "data", Target: "/b", ReadOnly: true},
			"source=data,target=/b,ro=false":            {Source: "data", Target: "/b"},
			"type=tmpfs,destination=/tmp":               nil,
			"type=volume,source=data":                   nil,
			"":                                          nil,
			",,=,":                                      nil,
		},
	} {
		for value, want := range tt {
			got := readLine("podman", "run", flag, value, "image").Mounts
			if want == nil && len(got) != 0 || want != nil && (len(got) != 1 || got[0] != *want) {
				t.Errorf("%s %q: got %+v, want %+v", flag, value, got, want)
			}
		}
	}
}

// Gaps in the order are looked for between services that share a network. What
// is no network's name is nobody's to share.
func TestReadNetworks(t *testing.T) {
	t.Parallel()
	for value, want := range map[string][]string{
		"stack":                 {"stack"},
		"stack:ip=10.0.0.2":     {"stack"},
		"stack:ip=1.2.3.4,mac=": {"stack"},
		"stack,other":           {"stack", "other"},
		"host":                  {"host"},
		"none":                  nil,
		"private":               nil,
		"pasta":                 nil,
		"pasta:-T,5432":         nil,
		"slirp4netns:mtu=1":     nil,
		"container:web":         nil,
		"ns:/run/netns/x":       nil,
		"":                      nil,
	} {
		if got := readLine("podman", "run", "--network", value, "image").Networks; !slices.Equal(got, want) {
			t.Errorf("%q: got %v, want %v", value, got, want)
		}
	}
}

// execRow is one of Service.ExecStart: (sasbttttuii).
type execRow struct {
	Path                                   string
	Argv                                   []string
	Ignore                                 bool
	Started, StartedMono, Ended, EndedMono uint64
	PID                                    uint32
	Code, Status                           int32
}

func commandLine(line string) execRow {
	return execRow{Path: words(line)[0], Argv: words(line)}
}

// jobRow is Unit.Job: (uo).
type jobRow struct {
	ID   uint32
	Path string
}

func TestGetReadsTheContainer(t *testing.T) {
	t.Parallel()
	m := startManager(t)
	c := dial(t, m)
	m.quadlet("web-pod.service", "/q/web.pod")
	m.put("web-pod.service", map[string]any{"WantedBy": []string{"default.target"}, "After": []string{"basic.target", "db.service"}, "Job": jobRow{7, "/job/7"}})
	service := map[string]any{
		"Result": "success", "NRestarts": uint32(0), "TimeoutStopUSec": uint64(70_000_000), "MainPID": uint32(4711),
		"ExecStartPre": []execRow{commandLine("podman pod create --publish 8080:80 --network stack --name web")},
		"ExecStart":    []execRow{commandLine("podman pod start web")},
	}
	m.with(func() { m.units[unitPath("web-pod.service")].service = service })
	u, ok, err := c.Get(t.Context(), "web-pod.service")
	if err != nil || !ok || !u.Wanted || !u.Job || !slices.Equal(u.After, []string{"basic.target", "db.service"}) ||
		u.StopLimit != 70*time.Second || u.MainPID != 4711 || !slices.Equal(u.Ports, []string{"127.0.0.1:8080"}) || !slices.Equal(u.Networks, []string{"stack"}) {
		t.Errorf("got %+v, %v, %v", u, ok, err)
	}

	for _, key := range []string{"WantedBy", "RequiredBy", "UpheldBy"} {
		for _, by := range [][]string{{}, {"default.target"}} {
			m.put("web-pod.service", map[string]any{"WantedBy": []string{}, "RequiredBy": []string{}, "UpheldBy": []string{}})
			m.put("web-pod.service", map[string]any{key: by, "Job": jobRow{0, "/"}})
			if u, _, err := c.Get(t.Context(), "web-pod.service"); err != nil || u.Wanted != (len(by) > 0) || u.Job {
				t.Errorf("%s=%v: got %+v, %v", key, by, u, err)
			}
		}
	}
	// TimeoutStopSec=infinity.
	m.with(func() { service["TimeoutStopUSec"] = uint64(1<<64 - 1) })
	if u, _, err := c.Get(t.Context(), "web-pod.service"); err != nil || u.StopLimit != 24*time.Hour {
		t.Errorf("a stop without a limit: %v, %v", u.StopLimit, err)
	}
	// A manager of another release, or none at all.
	m.put("web-pod.service", map[string]any{"Job": "rubbish", "After": "rubbish", "WantedBy": uint32(1)})
	m.with(func() {
		service["ExecStart"], service["ExecStartPre"], service["TimeoutStopUSec"] = "rubbish", []string{"rubbish"}, "rubbish"
	})
	if u, ok, err := c.Get(t.Context(), "web-pod.service"); err != nil || !ok || u.Job || u.After != nil || u.StopLimit != 0 {
		t.Errorf("what cannot be read is left out: %+v, %v, %v", u, ok, err)
	}
}

// What a unit cannot be without is gathered from three relations, and what it
// dies with is one of them.
func TestGetReadsWhatItNeeds(t *testing.T) {
	t.Parallel()
	m := startManager(t)
	c := dial(t, m)
	m.quadlet("web.service", "/q/web.container")
	m.put("web.service", map[string]any{"Requires": []string{"db.service"}, "BindsTo": []string{"pod.service"}, "Wants": []string{"cache.service"}})
	u, ok, err := c.Get(t.Context(), "web.service")
	if err != nil || !ok || strings.Join(u.Needs, " ") != "db.service pod.service cache.service" || strings.Join(u.BoundTo, " ") != "pod.service" {
		t.Errorf("needs %v, bound to %v, %v, %v", u.Needs, u.BoundTo, ok, err)
	}
	m.put("web.service", map[string]any{"Requisite": []string{"vol.service"}, "PartOf": []string{"stack.service"}, "StopPropagatedFrom": []string{"x.service"}})
	u, _, err = c.Get(t.Context(), "web.service")
	if err != nil || strings.Join(u.StopsWith, " ") != "db.service vol.service pod.service stack.service x.service" {
		t.Errorf("stops with %v, %v", u.StopsWith, err)
	}
	for _, tt := range []struct {
		kind    string
		stays   bool
		oneShot bool
	}{{"oneshot", false, true}, {"oneshot", true, false}, {"notify", false, false}, {"", false, false}} {
		m.with(func() {
			m.units[unitPath("web.service")].service = map[string]any{"Type": tt.kind, "RemainAfterExit": tt.stays}
		})
		if u, _, err := c.Get(t.Context(), "web.service"); err != nil || u.OneShot != tt.oneShot || u.Runs() == tt.oneShot {
			t.Errorf("%+v: got %+v, %v", tt, u, err)
		}
	}
}

// Order goes by way of other services, and around circles.
func TestListFollowsTheOrder(t *testing.T) {
	t.Parallel()
	m := startManager(t)
	c := dial(t, m)
	for name, after := range map[string][]string{
		"nginx.service":         {"web.service", "network-online.target", "gone.service"},
		"web.service":           {"db.service", "cache.service", "basic.target"},
		"db.service":            {"stack-network.service"},
		"cache.service":         {"web.service"}, // systemd breaks circles, and keeper must not hang in them
		"stack-network.service": {},
	} {
		m.quadlet(name, "/q/"+name+".container")
		m.put(name, map[string]any{"After": after, "Wants": after, "PartOf": after})
	}
	list, err := c.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"nginx.service":         "cache.service db.service stack-network.service web.service",
		"web.service":           "cache.service db.service stack-network.service",
		"db.service":            "stack-network.service",
		"cache.service":         "db.service stack-network.service web.service",
		"stack-network.service": "",
	}
	for _, u := range list {
		if got := strings.Join(u.After, " "); got != want[u.Name] {
			t.Errorf("%s: got %q, want %q", u.Name, got, want[u.Name])
		}
		if got := strings.Join(u.Needs, " "); got != want[u.Name] {
			t.Errorf("%s: needs %q, want %q", u.Name, got, want[u.Name])
		}
		if got := strings.Join(u.StopsWith, " "); got != want[u.Name] {
			t.Errorf("%s: stops with %q, want %q", u.Name, got, want[u.Name])
		}
	}
	if len(list) != len(want) {
		t.Errorf("got %s", names(list))
	}
}

// Whatever a person writes into PodmanArgs=, the daemon must live, and say
// nothing that cannot be.
func FuzzReadPodman(f *testing.F) {
	for _, line := range []string{
		"podman run --name=x -v a:/b:ro -p 1:2 --network n:ip=1 --mount type=bind,src=/a,dst=/b image cmd",
		"podman pod create -p [::1]:1:2 -v a:/b --infra", "podman run -dit -- image", "podman run -", "podman run --", "podman --x run -vp", "podman run --=",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		u := readLine(strings.Split(line, " ")...)
		for _, m := range u.Mounts {
			if m.Source == "" || m.Target == "" {
				t.Errorf("%q: a mount of nothing or nowhere: %+v", line, m)
			}
		}
		if len(u.Inside) != len(u.Ports) {
			t.Errorf("%q: %v and %v", line, u.Ports, u.Inside)
		}
		for _, p := range u.Ports {
			if i := strings.LastIndexByte(p, ':'); i < 1 || i == len(p)-1 || strings.ContainsAny(p[i+1:], "-:/") {
				t.Errorf("%q: the address %q", line, p)
			}
		}
		if slices.Contains(u.Networks, "") || strings.HasPrefix(u.Image, "-") && !strings.Contains(line, "-- ") {
			t.Errorf("%q: got %+v", line, u)
		}
	})
}
