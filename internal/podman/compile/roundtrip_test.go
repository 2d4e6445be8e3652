package compile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/containers/podman/v5/pkg/systemd/parser"

	"keeper/internal/podman/compile"
	"keeper/internal/quadlet"
)

// command is a command line of podman run as systemd would run it.
type command struct {
	options map[string][]string
	image   string
	args    []string
}

// alone are the options that the generator itself writes without a value.
var alone = []string{"--replace", "--rm", "-d", "--init", "--read-only", "--read-only-tmpfs", "--env-host", "--http-proxy", "--privileged", "--tty", "--interactive"}

// read takes the ExecStart= of a unit apart as systemd does: words, then
// specifiers and variables.
func read(t *testing.T, unit string) command {
	t.Helper()
	f := parser.NewUnitFile()
	if err := f.Parse(unit); err != nil {
		t.Fatalf("the unit cannot be read: %v\n%s", err, unit)
	}
	words, ok, err := f.LookupLastArgs("Service", "ExecStart")
	if err != nil || !ok || len(words) < 3 || words[1] != "run" {
		t.Fatalf("no podman run in the unit: %v %q\n%s", err, words, unit)
	}
	if i := slices.Index(words, ";"); i > 0 {
		t.Fatalf("systemd begins another command at word %d of %q", i, words)
	}
	for i, w := range words {
		if strings.Contains(w, "%") || strings.Contains(w, "$") {
			w = strings.ReplaceAll(strings.ReplaceAll(w, "%%", "%"), "$$", "$")
		}
		words[i] = w
	}
	c := command{options: map[string][]string{}}
	for i := 2; i < len(words); i++ {
		w := words[i]
		if !strings.HasPrefix(w, "-") {
			c.image, c.args = w, words[i+1:]
			break
		}
		name, value, joined := strings.Cut(w, "=")
		switch {
		case slices.Contains(alone, name) && !joined:
			value = "true"
		case !joined:
			i++
			value = words[i]
		}
		name = strings.TrimLeft(name, "-")
		if name == "v" {
			name = "volume"
		}
		c.options[name] = append(c.options[name], value)
	}
	return c
}

// roundTrip writes a container, has the library compile it and reads the command
// line. ok is false if the writer said that it cannot be written.
func roundTrip(t *testing.T, c quadlet.Container, v quadlet.Version) (got command, ok bool) {
	t.Helper()
	files, notes := quadlet.Render(quadlet.Stack{Containers: []quadlet.Container{c}}, quadlet.Host{Podman: v})
	for _, n := range notes {
		if n.Level == quadlet.Stop {
			return command{}, false
		}
	}
	if len(files) != 1 {
		t.Fatalf("%d files for one container", len(files))
	}
	if o := quadlet.ReadOrigin(files[0].Content); !o.Ours || o.Edited {
		t.Fatalf("keeper does not know its own file: %+v\n%s", o, files[0].Content)
	}
	units, problems := compile.Compile([]compile.File{{Name: files[0].Name, Content: files[0].Content}})
	if len(problems) > 0 || len(units) != 1 {
		t.Fatalf("the library does not take it: %v\n%s", problems, files[0].Content)
	}
	return read(t, units[0].Text), true
}

var versions = []quadlet.Version{{Major: 4, Minor: 9}, {Major: 5, Minor: 0}, {Major: 5, Minor: 2}, {Major: 5, Minor: 4}, {Major: 5, Minor: 8}}

// hostile are values that mean something to a shell, to systemd, or to the
// generator.
var hostile = []string{
	"plain", "two words", " leading", "trailing ", "a\tb", "line one\nline two", "ends with \\", "back\\slash", `"quoted"`, `'single'`,
	`half "quote`, `half 'quote`, "100%", "%n %h %%", "$HOME ${HOME} $$", "# not a comment", "; nor this", "[Service]", "a=b=c", "größe ☃ 雪",
	"\u00a0no-break", "\u2028line separator", "\a\b\v\f\r", "\x7f\x01", "{\"json\": [1, \"two\"]}", "--help", "-", ",", ":", "a:b:c", "~", "*", "\\n", "\\x41", "`id`", "$(id)", "\ufeff", "\u0085",
}

func TestHostileValues(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		for _, h := range hostile {
			c := quadlet.Container{
				Unit: "web", Name: "web", Image: "localhost/web:1",
				Entrypoint: []string{"/bin/entry", h},
				Command:    []string{"serve", h, "end"},
				Settings: []quadlet.Setting{
					{Flag: "env", Value: "VALUE=" + h}, {Flag: "label", Value: "label=" + h}, {Flag: "annotation", Value: "a/b=" + h},
					{Flag: "health-cmd", Value: h}, {Flag: "secret", Value: "s,target=" + h}, {Flag: "log-opt", Value: "tag=" + h},
					{Flag: "sysctl", Value: "net.x=" + h}, {Flag: "add-host", Value: "host:" + h}, {Flag: "hostname", Value: h}, {Flag: "workdir", Value: "/" + h},
					{Flag: "device", Value: "/dev/" + h}, {Flag: "new-option", Value: h},
				},
			}
			got, ok := roundTrip(t, c, v)
			if !ok {
				t.Errorf("%s: %q cannot be written", v, h)
				continue
			}
			if want := []string{"serve", h, "end"}; !slices.Equal(got.args, want) {
				t.Errorf("%s: the command is %q, want %q", v, got.args, want)
			}
			if got.image != c.Image {
				t.Errorf("%s: %q: the image is %q", v, h, got.image)
			}
			for _, s := range c.Settings {
				if !slices.Equal(got.options[s.Flag], []string{s.Value}) {
					t.Errorf("%s: --%s is %q, want %q", v, s.Flag, got.options[s.Flag], s.Value)
				}
			}
		}
	}
}

func TestUnsayable(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]quadlet.Container{
		"NUL":             {Settings: []quadlet.Setting{{Flag: "env", Value: "A=\x00"}}},
		"not UTF-8":       {Settings: []quadlet.Setting{{Flag: "env", Value: "A=\xff"}}},
		"too long":        {Settings: []quadlet.Setting{{Flag: "env", Value: "A=" + strings.Repeat("x", 200<<10)}}},
		"empty argument":  {Command: []string{"a", "", "b"}},
		"command, binary": {Command: []string{"\xff"}},
		"volume, binary":  {Volumes: []quadlet.VolumeUse{{Source: "/a\xff", Target: "/b"}}},
	} {
		c.Unit, c.Name, c.Image = "web", "web", "localhost/web:1"
		if got, ok := roundTrip(t, c, quadlet.Version{Major: 5, Minor: 4}); ok {
			t.Errorf("%s: no note, and the command line %+v", name, got)
		}
	}
}

// An entrypoint can hold the arguments that Exec= cannot: an empty one, and a
// semicolon, at which systemd would begin another command.
func TestArgumentsThatAreNoWords(t *testing.T) {
	t.Parallel()
	for _, odd := range []string{"", ";"} {
		c := quadlet.Container{
			Unit: "web", Name: "web", Image: "i", Entrypoint: []string{"/e"}, Command: []string{"a", odd, "b"},
			Settings: []quadlet.Setting{{Flag: "health-cmd", Value: ";"}},
		}
		got, ok := roundTrip(t, c, quadlet.Version{Major: 5, Minor: 4})
		if want := fmt.Sprintf(`["/e","a",%q,"b"]`, odd); !ok || len(got.args) != 0 || got.options["entrypoint"][0] != want {
			t.Errorf("%q: got %v %+v", odd, ok, got)
		}
		if h := got.options["health-cmd"]; !slices.Equal(h, []string{";"}) {
			t.Errorf("--health-cmd is %q", h)
		}
		c.Entrypoint = nil
		if got, ok := roundTrip(t, c, quadlet.Version{Major: 5, Minor: 4}); ok {
			t.Errorf("%q: no note, and the command line %+v", odd, got)
		}
	}
}

func TestVolumes(t *testing.T) {
	t.Parallel()
	uses := []quadlet.VolumeUse{
		{Source: "/srv/a b", Target: "/a", Options: []string{"Z", "ro"}},
		{Source: "/srv/100%", Target: "/b"},
		{Source: "data", Target: "/c d", Options: []string{"U"}},
		{Source: "/with:colon", Target: "/e", Options: []string{"z", "ro"}},
		{Source: "/with,comma:and\"quote", Target: "/f"},
		{Source: "/line\nbreak", Target: "/g"},
		{Target: "/anonymous"},
	}
	got, ok := roundTrip(t, quadlet.Container{Unit: "w", Name: "w", Image: "i", Volumes: uses}, quadlet.Version{Major: 5, Minor: 4})
	if !ok {
		t.Fatal("cannot be written")
	}
	want := []string{"/srv/a b:/a:Z,ro", "/srv/100%:/b", "data:/c d:U", "/anonymous", "/line\nbreak:/g"}
	if v := got.options["volume"]; !slices.Equal(v, want) {
		t.Errorf("--volume is %q, want %q", v, want)
	}
	want = []string{"type=bind,source=/with:colon,target=/e,relabel=shared,ro", `type=bind,"source=/with,comma:and""quote",target=/f`}
	if v := got.options["mount"]; !slices.Equal(v, want) {
		t.Errorf("--mount is %q, want %q", v, want)
	}
}

// Every key that keeper writes must be one that the newest generator knows: a
// misspelt one makes no unit.
func TestEveryKeyIsKnown(t *testing.T) {
	t.Parallel()
	for _, section := range []string{"Container", "Pod", "Network", "Volume", "Build"} {
		for _, name := range quadlet.KnownKeys(section) {
			file := compile.File{Name: "x." + strings.ToLower(section), Content: fmt.Sprintf("[%s]\nImage=i\n%s=x\n", section, name)}
			_, problems := compile.Compile([]compile.File{file})
			for _, p := range problems {
				if strings.Contains(p.Text, "unsupported key '"+name+"'") {
					t.Errorf("[%s]: %s", section, p.Text)
				}
			}
		}
	}
}

func FuzzWriter(f *testing.F) {
	for i, h := range hostile {
		f.Add(h, hostile[(i+7)%len(hostile)], "/"+h, uint8(i))
	}
	f.Fuzz(func(t *testing.T, value, argument, path string, version uint8) {
		key, _, _ := strings.Cut(value, "=")
		c := quadlet.Container{
			Unit: "web", Name: "web", Image: "localhost/web:1", Description: value,
			Command: []string{"run", argument, "end"}, NotifyHealthy: version%2 == 0, Store: version%3 == 0,
			Needs:    []quadlet.Need{{Unit: "db", Why: value, Weak: version%5 == 0}},
			Volumes:  []quadlet.VolumeUse{{Source: "/srv/" + path, Target: "/t"}},
			Settings: []quadlet.Setting{{Flag: "env", Value: "K=" + value}, {Flag: "label", Value: "l=" + key}, {Flag: "health-cmd", Value: "x" + argument}, {Flag: "device", Value: "/dev/" + path}, {Flag: "user", Value: "1:" + key}},
		}
		got, ok := roundTrip(t, c, versions[int(version)%len(versions)])
		if !ok {
			return
		}
		if !slices.Equal(got.args, c.Command) {
			t.Errorf("the command is %q, want %q", got.args, c.Command)
		}
		for _, s := range c.Settings {
			if want := []string{s.Value}; !slices.Equal(got.options[s.Flag], want) {
				t.Errorf("--%s is %q, want %q", s.Flag, got.options[s.Flag], want)
			}
		}
		mounts := got.options["volume"]
		for _, m := range got.options["mount"] {
			mounts = append(mounts, strings.ReplaceAll(m, `""`, `"`)) // CSV
		}
		if len(mounts) != 1 || !strings.Contains(mounts[0], "/srv/"+path) && !strings.Contains(mounts[0], "/srv/"+strings.ReplaceAll(path, `""`, `"`)) {
			t.Errorf("the mount is %q, want one of %q", mounts, "/srv/"+path)
		}
	})
}
