package config

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"keeper/internal/core"
)

func TestSaid(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	source, dropin := filepath.Join(dir, "web.container"), filepath.Join(dir, "web.container.d", "50-x.conf")
	for file, text := range map[string]string{
		source: `[Unit]
Environment=NOT=read
[Container]
Environment=FORGOTTEN=1
Environment=
Environment=A=1 "B=2 3"
PodmanArgs=--env=C=4 -e D=5 --env E --hostname=web
EnvironmentFile=web.env
EnvironmentFile=-%h/other.env
EnvironmentFile=/etc/%i.env
PublishPort=80
PublishPort=127.0.0.1:8000-8002:80-82
PublishPort=[::1]:53:53/udp
PublishPort=0.0.0.0::70
PublishPort=70000:1
Volume=/data/
Volume=web.volume:/more
Volume=/srv:/srv:ro
[Service]
Environment=F=6
ServiceName=no
`,
		dropin: "[Container]\nEnvironment=G=7\nServiceName=front\nPublishPort=9:9/TCP\n",
	} {
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := FindQuadlets(dir).Said(source, "/home/a")
	port := func(host string, first, last int, protocol string) core.PublishedPort {
		return core.PublishedPort{Unit: "front.service", File: source, Host: host, First: first, Last: last, Protocol: protocol}
	}
	want := Said{
		Unit: "front.service",
		Variables: []Variable{
			{source, "A", "1"}, {source, "B", "2 3"}, {source, "C", "4"}, {source, "D", "5"}, {source, "F", "6"}, {dropin, "G", "7"},
		},
		EnvFiles: []string{filepath.Join(dir, "web.env"), "/home/a/other.env"},
		Ports:    []core.PublishedPort{port("127.0.0.1", 8000, 8002, "tcp"), port("::1", 53, 53, "udp"), port("", 9, 9, "tcp")},
		Bare:     []string{"/data"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

func TestEnvVariables(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(file, []byte("# A=0\nA=1 2\n\nB\n C=3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, want := EnvVariables(file), []Variable{{file, "A", "1 2"}, {file, "C", "3"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := EnvVariables(file + ".none"); got != nil {
		t.Errorf("got %+v of nothing", got)
	}
}
