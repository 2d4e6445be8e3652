package podman

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containers/podman/v5/libpod/define"

	"keeper/internal/quadlet"
)

func TestParseCommand(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]map[string][]string{
		"podman run -dit -p8080:80 -p=81:81 --rm -v a:/b:Z --volume=c:/d image --secret x -v no:/no": {
			"detach": {"true"}, "interactive": {"true"}, "tty": {"true"}, "publish": {"8080:80", "81:81"}, "rm": {"true"}, "volume": {"a:/b:Z", "c:/d"},
		},
		"/usr/bin/podman --log-level debug container create --read-only-tmpfs=false --init -- image -v x": {"read-only-tmpfs": {"false"}, "init": {"true"}},
		"podman pod create --network a:ip=1.2.3.4 --infra=false --share net":                              {"network": {"a:ip=1.2.3.4"}, "infra": {"false"}, "share": {"net"}},
		"podman create --tls-verify --env":                                                                {"tls-verify": {"true"}, "env": {""}},
		"podman create -":                                                                                 {},
	} {
		c := parseCommand(strings.Fields(line))
		if !c.known || !maps.EqualFunc(c.options, want, slices.Equal) {
			t.Errorf("%s\n got %v\nwant %v", line, c.options, want)
		}
	}
	for _, none := range [][]string{nil, {"podman"}, {"conmon", "x"}} {
		if c := parseCommand(none); c.known {
			t.Errorf("%v is a command line", none)
		}
	}
}

func TestUnitName(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 300)
	seen := map[string]string{}
	for _, name := range []string{"web", "my_db-1.2", "a/b", "a b", "a-b", "a@b", ".hidden", "-flag", "žluť", "", "..", "../../etc", long, long + "b", "a\nb"} {
		unit := unitName(name)
		if other, ok := seen[unit]; ok {
			t.Errorf("%q and %q are both %q", name, other, unit)
		}
		seen[unit] = name
		if unit == "" || len(unit) > 210 || strings.ContainsAny(unit, "/ @\n%") || strings.HasPrefix(unit, ".") || strings.HasPrefix(unit, "-") {
			t.Errorf("%.50q becomes %q", name, unit)
		}
	}
	if unitName("my_db-1.2") != "my_db-1.2" {
		t.Error("a name that fits was changed")
	}
}

func TestCount(t *testing.T) {
	t.Parallel()
	list := []change{
		{"/etc", 0}, {"/etc/hosts", 0}, {"/run", 0}, {"/run/x.pid", 1}, {"/srv", 0}, {"/srv/app", 0}, {"/srv/app/__pycache__", 1}, {"/srv/app/__pycache__/a.pyc", 1},
		{"/data", 1}, {"/var", 0}, {"/var/lib", 0}, {"/var/lib/pg", 1}, {"/var/lib/pg/data", 1}, {"/var/lib/pg/data/base", 1}, {"/tmp/x", 1}, {"/proc", 1},
	}
	if got := count(slices.Clone(list), []string{"/data", "/var/lib/pg/data"}); got.Added+got.Changed+got.Deleted != 0 {
		t.Errorf("noise is counted: %+v", got)
	}
	if got := count([]change{{"/etc", 0}}, nil); got.Changed != 0 {
		t.Error("Podman's own files in /etc are counted")
	}
	list = append(list, change{"/srv/app/upload", 1}, change{"/srv/app/upload/a.jpg", 1}, change{"/etc/passwd", 0}, change{"/etc/motd", 2}, change{"/database", 1}, change{"/usr/lib.d", 0}, change{"/usr/lib.d-x", 1}, change{"/usr/lib.d/f", 1})
	got := count(list, []string{"/data", "/var/lib/pg/data"})
	want := []string{"/database", "/etc/motd", "/etc/passwd", "/srv/app/upload", "/srv/app/upload/a.jpg", "/usr/lib.d-x", "/usr/lib.d/f"}
	if got.Added != 5 || got.Changed != 1 || got.Deleted != 1 || !slices.Equal(got.Paths, want) {
		t.Errorf("%+v", got)
	}
	var many []change
	for _, r := range "abcdefghijklmnop" {
		many = append(many, change{"/" + string(r), 1})
	}
	slices.Reverse(many)
	if got := count(many, nil); len(got.Paths) != 10 || got.Paths[0] != "/a" || got.Added != 16 {
		t.Errorf("%+v", got)
	}
	// Looking for the children of each among all the others took minutes.
	many = nil
	for i := range 200_000 {
		many = append(many, change{fmt.Sprintf("/srv/%d", i), 1})
	}
	begin := time.Now()
	if got := count(many, nil); got.Added != 200_000 || time.Since(begin) > 20*time.Second {
		t.Errorf("%d in %s", got.Added, time.Since(begin))
	}
}

func TestIPRange(t *testing.T) {
	t.Parallel()
	for _, r := range [][3]string{
		{"10.66.0.129", "10.66.0.255", "10.66.0.128/25"},
		{"10.0.0.1", "10.0.0.255", "10.0.0.0/24"},
		{"10.0.0.5", "10.0.0.9", "10.0.0.5-10.0.0.9"},
		{"10.0.0.129", "10.0.0.200", "10.0.0.129-10.0.0.200"},
		{"fd00::1", "fd00::ffff", "fd00::/112"},
		{"0.0.0.0", "0.0.0.3", "0.0.0.0-0.0.0.3"},
	} {
		if got := ipRange(net.ParseIP(r[0]), net.ParseIP(r[1])); got != r[2] {
			t.Errorf("%s to %s is %s, want %s", r[0], r[1], got, r[2])
		}
	}
	if got := ipRange(nil, net.ParseIP("10.0.0.1")); got != "" {
		t.Errorf("half a range is %q", got)
	}
}

func TestPublish(t *testing.T) {
	t.Parallel()
	ports := publishedPorts(map[string][]define.InspectHostPort{
		"80/tcp": {{HostIP: "0.0.0.0", HostPort: "8080"}}, "81": {{HostPort: "8081"}}, "53/udp": {{HostIP: "::1", HostPort: "53"}}, "9/sctp": nil,
	})
	var got []string
	for _, p := range ports {
		got = append(got, p.value(commandLine{}))
	}
	if want := []string{"[::1]:53:53/udp", "8080:80", "8081:81"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	asked := parseCommand([]string{"podman", "run", "-p", "0.0.0.0:8080:80", "-p", "81", "x"})
	if v := ports[1].value(asked); v != "0.0.0.0:8080:80" {
		t.Errorf("IPv4 alone was asked for: %s", v)
	}
	if ports[1].random(asked) || !ports[2].random(asked) {
		t.Error("random is the port that was not named")
	}
}

func TestMounts(t *testing.T) {
	t.Parallel()
	// A colon and a comma can be said in --mount alone.
	got := bindMount(define.InspectMount{Type: "bind", Source: `/a:b,c "d"`, Destination: "/x"}, []string{"Z", "ro"})
	if want := `type=bind,"source=/a:b,c ""d""",destination=/x,ro=true,relabel=private`; got != want {
		t.Errorf("%s", got)
	}
	if f := parseFields(got); f["source"] != `/a:b,c "d"` || f["relabel"] != "private" {
		t.Errorf("%v", f)
	}
}

// Podman 4 tells an entrypoint as one string, and the signal as a number.
func TestPodman4(t *testing.T) {
	t.Parallel()
	f, err := readFacts([]byte(`{"Release":"4.9.4-rhel","Names":{"localhost/x":"i1"},
		"Images":[{"Id":"i1","Config":{"Entrypoint":["/bin/sh","-c","a b"],"Cmd":["c"],"StopSignal":"SIGINT"}}],
		"Containers":[{"Id":"0123456789abcdef","Name":"x","Image":"i1","ImageName":"localhost/x","State":{"Status":"running","Running":true},
			"Config":{"Hostname":"0123456789ab","Entrypoint":"/bin/sh -c a b","Cmd":["c"],"StopSignal":2,"StopTimeout":10},
			"HostConfig":{"NetworkMode":"slirp4netns"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	f.Network = "slirp4netns"
	c := survey(f).Containers[0]
	if c.Entrypoint != nil || c.Command != nil || len(c.Settings) != 0 || len(c.Networks) != 0 {
		t.Errorf("%+v", c.Container)
	}
	f.Containers[0].Config.Entrypoint = []string{"/other", "x", "y"}
	f.Containers[0].Config.CreateCommand = []string{"podman", "run", "--entrypoint", `["/other","x y"]`, "localhost/x", "c"}
	if got := survey(f).Containers[0].Entrypoint; !slices.Equal(got, []string{"/other", "x y"}) {
		t.Errorf("%q", got)
	}
}

// A secret must never get into a note.
func TestNotesKeepSecrets(t *testing.T) {
	t.Parallel()
	f := &facts{Containers: []*define.InspectContainerData{{
		ID: "0123456789abcdef", Name: "x", State: &define.InspectContainerState{},
		Config: &define.InspectContainerConfig{Env: []string{"DB_PASSWORD=hunter2", "URL=redis://u:hunter2@h"}}, HostConfig: &define.InspectContainerHostConfig{},
	}}}
	if err := whole(f.Containers[0]); err != nil {
		t.Fatal(err)
	}
	var fields []string
	for _, n := range survey(f).Containers[0].Notes {
		fields = append(fields, n.Field)
		if strings.Contains(n.Text+n.Try, "hunter2") {
			t.Errorf("%+v", n)
		}
	}
	if !slices.Contains(fields, "env.DB_PASSWORD") || !slices.Contains(fields, "env.URL") {
		t.Errorf("%q", fields)
	}
}

// What z or Z there was is lost once a container was started, and without a
// command line nothing tells: on a host with SELinux that has to be said.
func TestLostRelabel(t *testing.T) {
	t.Parallel()
	d := &define.InspectContainerData{
		ID: "0123456789abcdef", Name: "x", State: &define.InspectContainerState{Status: "running"},
		Config: &define.InspectContainerConfig{}, HostConfig: &define.InspectContainerHostConfig{},
		Mounts: []define.InspectMount{{Type: "bind", Source: "/srv/x", Destination: "/x", RW: true, Options: []string{"rbind"}, Propagation: "rprivate"}},
	}
	if err := whole(d); err != nil {
		t.Fatal(err)
	}
	said := func(selinux bool) bool {
		c := survey(&facts{Containers: []*define.InspectContainerData{d}, SELinux: selinux}).Containers[0]
		return slices.ContainsFunc(c.Notes, func(n quadlet.Note) bool { return n.Field == "volume" && strings.Contains(n.Text, "/srv/x") })
	}
	if !said(true) || said(false) {
		t.Error("it is said where SELinux is on, and there alone")
	}
	d.Config.CreateCommand = []string{"podman", "run", "-v", "/srv/x:/x:Z", "image"}
	c := survey(&facts{Containers: []*define.InspectContainerData{d}, SELinux: true}).Containers[0]
	if said(true) || !slices.Equal(c.Volumes[0].Options, []string{"Z"}) {
		t.Errorf("%+v", c.Volumes)
	}
}

func TestComposeDeps(t *testing.T) {
	t.Parallel()
	f := new(facts)
	for _, c := range [][3]string{{"shop-db-1", "shop", "db"}, {"shop-web-1", "shop", "web"}, {"other-db-1", "other", "db"}} {
		labels := map[string]string{"com.docker.compose.project": c[1], "com.docker.compose.service": c[2]}
		if c[2] == "web" {
			labels["com.docker.compose.depends_on"] = "db:service_healthy:false,gone:service_started:true"
		}
		d := &define.InspectContainerData{
			ID: c[0], Name: c[0], State: &define.InspectContainerState{},
			Config: &define.InspectContainerConfig{Labels: labels, StopTimeout: 10}, HostConfig: &define.InspectContainerHostConfig{},
		}
		if err := whole(d); err != nil {
			t.Fatal(err)
		}
		f.Containers = append(f.Containers, d)
	}
	for _, c := range survey(f).Containers {
		want := []string(nil)
		if c.Name == "shop-web-1" {
			want = []string{"shop-db-1"}
		}
		if !slices.Equal(c.Deps, want) || len(c.Needs) != len(want) || len(c.Settings) != 0 {
			t.Errorf("%s depends on %v, settings %v", c.Name, c.Deps, c.Settings)
		}
	}
}

// Whatever a socket sends, it makes a model or an error.
func FuzzModel(f *testing.F) {
	files, err := filepath.Glob(filepath.Join(fixtures, "*.json"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"Containers":[{"Id":"a","Name":"b","Config":{},"HostConfig":{"NetworkMode":"bridge"},"State":{},"NetworkSettings":{"Networks":{"x":null}}}],"Networks":[{"name":"n","subnets":[{}],"routes":[{}]}],"Pods":[{}],"Volumes":[{}],"Images":[{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := readFacts(data)
		if err != nil {
			return
		}
		for _, c := range survey(got).Containers {
			if c.Unit == "" || strings.ContainsAny(c.Unit, "/\x00\n ") {
				t.Errorf("unit %q", c.Unit)
			}
		}
	})
}
