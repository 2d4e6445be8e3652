package lab

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// lasting is a command that ends when it is told to.
const lasting = `sh -c 'trap "exit 0" TERM; while :; do sleep 0.1; done'`

const debian = "docker.io/library/debian:trixie-slim"

// TestAdoptKinds adopts containers of other kinds than the stack has, and asks
// for what cannot be done.
func TestAdoptKinds(t *testing.T) {
	t.Parallel()
	h := adoptHost(t, "kinds")
	ctx := within(t, 5*time.Minute)
	apply := func(t *testing.T, names ...string) adoption {
		t.Helper()
		a, err := adoptJSON(t, h, append(names, "--apply")...)
		if err != nil {
			t.Fatalf("%v: %+v", err, a.Stops)
		}
		return a
	}
	refused := func(t *testing.T, want string, args ...string) {
		t.Helper()
		files, containers := unitFiles(t, h), containersOf(t, h)
		out, err := keeper(ctx, h, append([]string{"adopt"}, args...)...)
		if err == nil || !strings.Contains(out, want) {
			t.Errorf("%v: want %q in:\n%s", err, want, out)
		}
		if unitFiles(t, h) != files || containersOf(t, h) != containers {
			t.Errorf("something changed though it was refused")
		}
	}

	t.Run("a pod", func(t *testing.T) {
		onHost(t, h, `podman network create podnet >/dev/null; podman volume create poddata >/dev/null
			podman pod create --name web --network podnet --publish 127.0.0.1:8088:8088 >/dev/null
			podman run -d --pull never --pod web --name web-app --volume poddata:/data `+debian+` sh -c 'echo kept >>/data/x; trap "exit 0" TERM; while :; do sleep 0.1; done'
			podman run -d --pull never --pod web --name web-side `+debian+` `+lasting)
		apply(t, "web")
		out := onHost(t, h, `podman ps --filter pod=systemd-web --format '{{.Names}}' | sort; podman pod ps --format '{{.Name}}'; podman exec web-side hostname; podman exec web-app cat /data/x; podman port systemd-web-infra 2>/dev/null || podman pod inspect systemd-web --format '{{.InfraConfig.PortBindings}}'`)
		for _, want := range []string{"web-app\nweb-side\n", "\nweb\n", "kept", "8088"} {
			if !strings.Contains(out, want) {
				t.Errorf("want %q in:\n%s", want, out)
			}
		}
		if strings.Contains(out, "before-keeper") || strings.Count(out, "kept") != 2 {
			t.Errorf("want the old pod gone and both starts in the volume:\n%s", out)
		}
	})

	t.Run("units of podman generate systemd", func(t *testing.T) {
		onHost(t, h, `mkdir -p .config/systemd/user
			podman create --pull never --name old `+debian+` `+lasting+` >/dev/null
			podman generate systemd --name old >.config/systemd/user/container-old.service 2>/dev/null
			podman create --pull never --name fresh --volume /data `+debian+` sh -c 'echo kept >>/data/x; trap "exit 0" TERM; while :; do sleep 0.1; done' >/dev/null
			podman generate systemd --new --name fresh >.config/systemd/user/container-fresh.service 2>/dev/null
			podman rm fresh >/dev/null
			systemctl --user daemon-reload; systemctl --user enable --now container-old container-fresh 2>/dev/null`)
		refused(t, "--accept rm", "fresh", "--apply")
		apply(t, "old", "fresh", "--accept", "rm")
		out := onHost(t, h, `systemctl --user is-active old fresh; systemctl --user is-enabled container-old container-fresh || true; systemctl --user is-active container-old container-fresh || true; podman exec fresh cat /data/x`)
		if want := "active\nactive\ndisabled\ndisabled\ninactive\ninactive\nkept\nkept\n"; out != want {
			t.Errorf("got\n%swant\n%s", out, want)
		}
	})

	t.Run("removed when it stops", func(t *testing.T) {
		onHost(t, h, `podman run -d --rm --pull never --name thrown --volume /data `+debian+` sh -c 'echo kept >>/data/x; trap "exit 0" TERM; while :; do sleep 0.1; done'`)
		apply(t, "thrown")
		if out := onHost(t, h, "podman exec thrown cat /data/x"); out != "kept\nkept\n" {
			t.Errorf("the data: %q", out)
		}
	})

	// The values mean something to a shell, to systemd, or to Podman's generator.
	// What counts is what the process has.
	t.Run("hostile values", func(t *testing.T) {
		onHost(t, h, `podman run -d --pull never --name hostile --env 'A=two  words' --env 'B=100% %n %%' --env 'C=$HOME ${X} $$' --env 'D="q" '"'s'"'' --env $'E=one\ntwo\tthree' --env 'F=größe 雪' --env 'G=\n\\' --env 'H=' --env 'I=# x ; y' --hostname hostile --label 'l=a "b" %i $c' \
			`+debian+` sh -c 'trap "exit 0" TERM; while :; do sleep 0.1; done' 'arg $1 %h' '"quoted"' 'back\slash' '' 'end' >/dev/null`)
		look := `podman exec hostile sh -c 'tr "\0" "|" </proc/1/cmdline; echo; tr "\0" "|" </proc/1/environ | tr "|" "\n" | grep -v -e ^HOSTNAME -e ^PODMAN -e ^container= -e ^PATH -e ^HOME -e ^TERM | sort'; podman inspect hostile --format '{{index .Config.Labels "l"}}'`
		before := onHost(t, h, look)
		apply(t, "hostile")
		if after := onHost(t, h, look); after != before {
			t.Errorf("it was\n%s\nand is\n%s", before, after)
		}
	})

	t.Run("passwords become secrets", func(t *testing.T) {
		onHost(t, h, `podman run -d --pull never --name pw --env DB_PASSWORD=tops3cret `+debian+` `+lasting)
		out, err := keeper(ctx, h, "adopt", "pw")
		if err != nil || !strings.Contains(out, "DB_PASSWORD") || strings.Contains(out, "tops3cret") {
			t.Errorf("%v: %s", err, out)
		}
		apply(t, "pw", "--secrets")
		if out := onHost(t, h, `podman exec pw sh -c 'echo $DB_PASSWORD'; ! grep -r tops3cret .config/containers .local/state/keeper`); out != "tops3cret\n" {
			t.Errorf("got %q", out)
		}
	})

	t.Run("written outside of its volumes", func(t *testing.T) {
		onHost(t, h, `podman run -d --pull never --name layer `+debian+` sh -c 'echo precious >/srv/file; trap "exit 0" TERM; while :; do sleep 0.1; done'`)
		refused(t, "/srv/file", "layer", "--apply")
		apply(t, "layer", "--accept", "layer", "--keep-old")
		if out := onHost(t, h, "podman cp layer-before-keeper:/srv/file - | tar -xO; podman rm layer-before-keeper >/dev/null"); out != "precious\n" {
			t.Errorf("the old container was not kept: %q", out)
		}
	})

	t.Run("edited by a person", func(t *testing.T) {
		onHost(t, h, `sed -i 's/^Exec=.*/Exec=sleep infinity/' .config/containers/systemd/layer.container; sha256sum .config/containers/systemd/layer.container >sum
			podman stop -t 0 layer >/dev/null; systemctl --user stop layer; podman run -d --replace --pull never --name layer --label team=a `+debian+` `+lasting)
		out, err := keeper(ctx, h, "adopt", "layer", "--apply")
		if err != nil {
			t.Errorf("%v: %s", err, out)
		}
		out = onHost(t, h, `sha256sum -c sum; cat .config/containers/systemd/layer.container.d/50-keeper.conf; podman inspect layer --format '{{.Config.Cmd}} {{.Config.Labels.team}}'`)
		for _, want := range []string{"layer.container: OK", "Label=team=a", "[sleep infinity] a"} {
			if !strings.Contains(out, want) {
				t.Errorf("want %q in:\n%s", want, out)
			}
		}
	})

	t.Run("what cannot be done", func(t *testing.T) {
		refused(t, `there is no container or pod "nobody"`, "nobody", "--apply")
		refused(t, "either --all, or names", "--all", "x", "--apply")
		onHost(t, h, `mkdir -p bad; cd bad
			printf 'services:\n  a:\n    image: [\n' >broken.yaml
			printf 'services:\n  a:\n    imgae: x\n' >unknown.yaml
			printf 'services:\n  a:\n    image: docker.io/library/nowhere:1\n' >missing.yaml
			printf 'services:\n  a:\n    image: `+debian+`\n    container_name: pw\n' >taken.yaml
			printf 'services:\n  a:\n    image: `+debian+`\n    container_name: porter\n    ports: ["127.0.0.1:8088:80"]\n' >port.yaml`)
		refused(t, "broken.yaml:", "--compose", "bad/broken.yaml", "--apply")
		refused(t, "imgae", "--compose", "bad/unknown.yaml", "--apply")
		refused(t, "nowhere:1 is not on this host", "--compose", "bad/missing.yaml", "--apply")
		refused(t, "pw.container was made of the container pw", "--compose", "bad/taken.yaml", "--apply")
		refused(t, "8088:80 is already bound", "--compose", "bad/port.yaml", "--apply")
		refused(t, "no.yaml", "--compose", "bad/no.yaml", "--apply")
		// A socket that talks nonsense, and none at all.
		onHost(t, h, `systemctl --user mask --now podman.socket podman.service 2>/dev/null; rm -f /run/user/$(id -u)/podman/podman.sock`)
		refused2 := func(want string) {
			t.Helper()
			if out, err := keeper(ctx, h, "adopt"); err == nil || !strings.Contains(out, want) {
				t.Errorf("%v: want %q in:\n%s", err, want, out)
			}
		}
		refused2("systemctl --user enable --now podman.socket")
		onHost(t, h, `systemctl --user unmask podman.socket podman.service 2>/dev/null; systemctl --user start podman.socket`)
	})

	t.Run("why a unit is not loaded", func(t *testing.T) {
		onHost(t, h, `cd .config/containers/systemd
			printf '[Container]\nImage=x\nHealthCommand=y\n' >typo.container
			printf '[Container]\nImage=x\nNetwork=none.network\n' >refers.container
			printf '[Container]\nImage=x\nAppArmor=y\n' >newer.container
			printf '[Container]\nImage='"$HOME"'/x\n' >unread.container`)
		out, err := keeper(ctx, h, "adopt", "--check")
		if err == nil {
			t.Error("all is said to be loaded")
		}
		for _, want := range []string{"is it HealthCmd=?", "line 3", "none.network, and there is no such file", "AppArmor= in [Container], line 3 needs Podman 5.8", "systemctl --user daemon-reload", "loaded      /home/" + User + "/.config/containers/systemd/pw.container"} {
			if !strings.Contains(out, want) {
				t.Errorf("want %q in:\n%s", want, out)
			}
		}
		onHost(t, h, "cd .config/containers/systemd; rm typo.container refers.container newer.container unread.container")
	})
}

// TestAdoptGolden has the host's own generator read the units of all examples.
func TestAdoptGolden(t *testing.T) {
	t.Parallel()
	h := testHost(t, Options{Name: "golden"})
	ctx := within(t, 3*time.Minute)
	if err := h.Linger(ctx); err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, pattern := range []string{"../podman/testdata/inspect/*.units", "../compose/testdata/*/units.golden"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) < 40 {
		t.Fatalf("only %d examples", len(files))
	}
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	want := map[string]bool{}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		a := txtar.Parse(data)
		stopped := map[string]bool{}
		for line := range strings.Lines(string(a.Comment)) {
			if unit, ok := strings.CutPrefix(line, "stop: "); ok {
				unit, _, _ = strings.Cut(unit, ",")
				stopped[unit] = true
			}
		}
		dir := strings.NewReplacer("../", "", "/", "-", ".", "").Replace(strings.TrimSuffix(filepath.ToSlash(path), filepath.Ext(path)))
		for _, f := range a.Files {
			if err := w.WriteHeader(&tar.Header{Name: dir + "/" + f.Name, Mode: 0o644, Size: int64(len(f.Data))}); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(f.Data); err != nil {
				t.Fatal(err)
			}
			if base, kind, _ := cutKind(f.Name); !stopped[base] {
				want[dir+"/"+serviceOf(base, kind)] = true
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := h.CopyIn(ctx, User, "/home/"+User+"/golden", &buf); err != nil {
		t.Fatal(err)
	}
	// The generator prints ---NAME--- before each unit.
	out := onHost(t, h, `cd golden; for d in *; do
		QUADLET_UNIT_DIRS=$PWD/$d /usr/libexec/podman/quadlet -dryrun -user 2>$d.err | sed -n "s|^---\(.*\)---$|made $d \1|p"
		sed -n "s|^.*converting \"\([^\"]*\)\": \(.*\)$|refused $d \1 \2|p" $d.err
	done`)
	made := map[string]bool{}
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) >= 3 && f[0] == "made" {
			made[f[1]+"/"+filepath.Base(f[2])] = true
			continue
		}
		if base, kind, ok := cutKind(f[2]); !ok || want[f[1]+"/"+serviceOf(base, kind)] {
			t.Error(strings.TrimSpace(line))
		}
	}
	for unit := range want {
		if !made[unit] {
			t.Errorf("the host's generator makes no %s", unit)
		}
	}
	t.Logf("%d units of %d examples", len(made), len(files))
}

func cutKind(name string) (base, kind string, ok bool) {
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return "", "", false
	}
	return name[:i], name[i+1:], true
}

func serviceOf(base, kind string) string {
	if kind == "container" {
		return base + ".service"
	}
	return base + "-" + kind + ".service"
}

// TestAdoptMany adopts a hundred containers, and leaves no process of Podman's
// behind.
func TestAdoptMany(t *testing.T) {
	t.Parallel()
	h := adoptHost(t, "many")
	onHost(t, h, `for i in $(seq 100); do podman run -d --pull never --init --network none --name many$i `+debian+` sleep infinity >/dev/null; done`)
	begin := time.Now()
	out := onHost(t, h, `.local/bin/keeper adopt --json 2>/dev/null`)
	planned := time.Since(begin)
	var a adoption
	if err := json.Unmarshal([]byte(out), &a); err != nil || len(a.Items) != 100 {
		t.Fatalf("%v, %d items", err, len(a.Items))
	}
	begin = time.Now()
	if a, err := adoptJSON(t, h, "--all", "--apply"); err != nil {
		t.Fatalf("%v: %+v", err, a.Stops)
	}
	t.Logf("planned in %s, adopted in %s", planned.Round(time.Millisecond), time.Since(begin).Round(time.Millisecond))
	if n := strings.TrimSpace(onHost(t, h, `podman ps -q | wc -l; systemctl --user list-units 'many*.service' --state=active --no-legend | wc -l`)); n != "100\n100" {
		t.Errorf("running, and units that are active: %s", n)
	}
	await(t, 15*time.Second, "no process of Podman's is left", func(ctx context.Context) bool {
		_, err := h.UserOutput(ctx, "pgrep", "-x", "-u", User, "podman")
		return err != nil
	})
}
