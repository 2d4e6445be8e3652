package compose

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Bad input is one clear error each: the file, where there is one the line, the
// rule and a way out; and never more than one line.
func TestErrors(t *testing.T) {
	t.Parallel()
	const ok = "services:\n  web:\n    image: nginx\n"
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	bomb := "x-a: &a [1,1,1,1,1,1,1,1,1,1]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += fmt.Sprintf("x-%c: &%c [%s]\n", c, c, strings.Repeat(fmt.Sprintf("*%c,", c-1), 10))
	}
	tests := map[string]struct {
		files map[string]string // compose.yaml is the one that is read
		want  []string
		o     Options
	}{
		"empty":            {map[string]string{"compose.yaml": ""}, []string{"compose.yaml", "nothing in it", "services:"}, Options{}},
		"null":             {map[string]string{"compose.yaml": "# nothing\n---\n"}, []string{"compose.yaml", "nothing in it", "services:"}, Options{}},
		"a list":           {map[string]string{"compose.yaml": "- a\n"}, []string{"compose.yaml:1", "mapping", "list"}, Options{}},
		"a word":           {map[string]string{"compose.yaml": "hello\n"}, []string{"compose.yaml:1", "mapping", "single value"}, Options{}},
		"broken YAML":      {map[string]string{"compose.yaml": "services:\n  web:\n    image: [a\n    restart: b\n"}, []string{"compose.yaml:", "not YAML", "indentation"}, Options{}},
		"a tab":            {map[string]string{"compose.yaml": "services:\n\tweb: {}\n"}, []string{"compose.yaml:2", "not YAML"}, Options{}},
		"binary":           {map[string]string{"compose.yaml": "\x00\x01\x02"}, []string{"compose.yaml", "not YAML"}, Options{}},
		"key twice":        {map[string]string{"compose.yaml": "services:\n  web:\n    image: a\n    image: b\n"}, []string{"compose.yaml", "line 4", "already defined", "line 3", "strike one"}, Options{}},
		"unknown key":      {map[string]string{"compose.yaml": "services:\n  web:\n    image: a\n    imagee: b\n"}, []string{"compose.yaml:4", "services.web", "imagee", "spelling", "x-"}, Options{}},
		"unknown at top":   {map[string]string{"compose.yaml": ok + "servicess: {}\n"}, []string{"compose.yaml:4", "servicess", "spelling"}, Options{}},
		"unknown below":    {map[string]string{"compose.yaml": "services:\n  web:\n    image: a\n    healthcheck:\n      tests: b\n"}, []string{"compose.yaml:5", "services.web.healthcheck", "tests"}, Options{}},
		"wrong type":       {map[string]string{"compose.yaml": "services:\n  web:\n    image: a\n    ports: 80\n"}, []string{"compose.yaml:4", "services.web.ports"}, Options{}},
		"services a list":  {map[string]string{"compose.yaml": "services: [a]\n"}, []string{"compose.yaml:1", "services"}, Options{}},
		"service null":     {map[string]string{"compose.yaml": "services:\n  web:\n"}, []string{"compose.yaml:2", "web"}, Options{}},
		"bad duration":     {map[string]string{"compose.yaml": "services:\n  web:\n    image: a\n    stop_grace_period: soon\n"}, []string{"compose.yaml:4", "stop_grace_period"}, Options{}},
		"bad port":         {map[string]string{"compose.yaml": "services:\n  web:\n    image: a\n    ports: ['x:y']\n"}, []string{"compose.yaml", "x:y"}, Options{}},
		"bad boolean":      {map[string]string{"compose.yaml": "services:\n  web:\n    image: a\n    privileged: maybe\n"}, []string{"compose.yaml:4", "services.web.privileged"}, Options{}},
		"bad command":      {map[string]string{"compose.yaml": "services:\n  web:\n    image: a\n    command: \"echo 'open\"\n"}, []string{"compose.yaml", "command"}, Options{}},
		"no image":         {map[string]string{"compose.yaml": "services:\n  web:\n    restart: always\n"}, []string{"compose.yaml:2", "web", "image: or build:"}, Options{}},
		"no services":      {map[string]string{"compose.yaml": "networks: {a: {}}\n"}, []string{"compose.yaml", "no service in it", "services:"}, Options{}},
		"empty services":   {map[string]string{"compose.yaml": "services: {}\n"}, []string{"compose.yaml", "no service in it", "services:"}, Options{}},
		"all off":          {map[string]string{"compose.yaml": ok + "    profiles: [b, a]\n"}, []string{"compose.yaml", "profile", "--profile", "a, b"}, Options{}},
		"needs nobody":     {map[string]string{"compose.yaml": ok + "    depends_on: [db]\n"}, []string{"compose.yaml:2", `"db"`, "depends_on"}, Options{}},
		"needs one off":    {map[string]string{"compose.yaml": ok + "    depends_on: [db]\n  db:\n    image: a\n    profiles: [data]\n"}, []string{"compose.yaml:2", `"db"`, "left out", "data", "--profile"}, Options{}},
		"cycle":            {map[string]string{"compose.yaml": "services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, depends_on: [a]}\n"}, []string{"compose.yaml", "cycle", "strike one"}, Options{}},
		"itself":           {map[string]string{"compose.yaml": "services:\n  a: {image: x, network_mode: 'service:a'}\n"}, []string{"compose.yaml", "a"}, Options{}},
		"no network":       {map[string]string{"compose.yaml": ok + "    networks: [inner]\n"}, []string{"compose.yaml:2", "inner", "networks:"}, Options{}},
		"no volume":        {map[string]string{"compose.yaml": ok + "    volumes: ['data:/data']\n"}, []string{"compose.yaml:2", "data", "volumes:", "./"}, Options{}},
		"no secret":        {map[string]string{"compose.yaml": ok + "    secrets: [key]\n"}, []string{"compose.yaml:2", "key", "secrets:"}, Options{}},
		"no config":        {map[string]string{"compose.yaml": ok + "    configs: [key]\n"}, []string{"compose.yaml:2", "key", "configs:"}, Options{}},
		"both networks":    {map[string]string{"compose.yaml": ok + "    network_mode: host\n    networks: [default]\n"}, []string{"compose.yaml:2", "network_mode", "strike one"}, Options{}},
		"mounted twice":    {map[string]string{"compose.yaml": ok + "    tmpfs: [/a]\n    volumes: ['/tmp:/a']\n"}, []string{"compose.yaml", "/a", "already mounted"}, Options{}},
		"required":         {map[string]string{"compose.yaml": "services:\n  web:\n    image: a:${TAG:?say which}\n"}, []string{"compose.yaml:3", "TAG", "say which", ".env"}, Options{}},
		"bad variable":     {map[string]string{"compose.yaml": "services:\n  web:\n    image: a:${T G}\n"}, []string{"compose.yaml:3", "services.web.image", "$$"}, Options{}},
		"no env file":      {map[string]string{"compose.yaml": ok + "    env_file: a.env\n"}, []string{"a.env", "no such file", "compose.yaml:4", "services.web.env_file"}, Options{}},
		"bad env file":     {map[string]string{"compose.yaml": ok + "    env_file: a.env\n", "a.env": "A=1\nB C=2\n"}, []string{"a.env:2", "KEY=VALUE", "services.web.env_file"}, Options{}},
		"env format":       {map[string]string{"compose.yaml": ok + "    env_file: [{path: a.env, format: raw}]\n", "a.env": "A=1\n"}, []string{"a.env", "raw"}, Options{}},
		"bad .env":         {map[string]string{"compose.yaml": ok, ".env": "A='open\n"}, []string{".env", "unterminated"}, Options{}},
		"no label file":    {map[string]string{"compose.yaml": ok + "    label_file: l\n"}, []string{"/l", "no such file"}, Options{}},
		"no include":       {map[string]string{"compose.yaml": "include: [other.yaml]\n" + ok}, []string{"other.yaml", "no such file"}, Options{}},
		"remote include":   {map[string]string{"compose.yaml": "include: ['https://example.org/compose.yaml']\n" + ok}, []string{"compose.yaml:1", "example.org", "fetches nothing", "download"}, Options{}},
		"git include":      {map[string]string{"compose.yaml": "include:\n  - path: ${URL}\n" + ok}, []string{"compose.yaml:2", "oci://", "fetches nothing"}, Options{Env: []string{"URL=oci://example.org/x"}}},
		"include cycle":    {map[string]string{"compose.yaml": "include: [b.yaml]\n" + ok, "b.yaml": "include: [compose.yaml]\n"}, []string{"compose.yaml", "include cycle", "strike one"}, Options{}},
		"broken include":   {map[string]string{"compose.yaml": "include: [b.yaml]\n" + ok, "b.yaml": "services: [\n"}, []string{"b.yaml:", "not YAML"}, Options{}},
		"extends nobody":   {map[string]string{"compose.yaml": ok + "    extends: other\n"}, []string{"compose.yaml", "web", "other", "not found"}, Options{}},
		"extends cycle":    {map[string]string{"compose.yaml": "services:\n  a: {extends: b}\n  b: {extends: a}\n"}, []string{"compose.yaml", "Circular", "strike one"}, Options{}},
		"extends no file":  {map[string]string{"compose.yaml": ok + "    extends: {file: b.yaml, service: b}\n"}, []string{"b.yaml", "no such file", "compose.yaml:4", "services.web.extends"}, Options{}},
		"names collide":    {map[string]string{"compose.yaml": "services:\n  a: {image: x, container_name: c1}\n  b: {image: x, container_name: c1}\n"}, []string{"compose.yaml", "service a", "service b", "c1.service", "name"}, Options{}},
		"units collide":    {map[string]string{"compose.yaml": "services:\n  a: {image: x, container_name: db-volume, volumes: ['db:/x']}\nvolumes:\n  db: {name: db}\n"}, []string{"compose.yaml", "service a", "volume db", "db-volume.service"}, Options{}},
		"volumes collide":  {map[string]string{"compose.yaml": "services:\n  a: {image: x, volumes: ['dd:/x', 'ee:/y']}\nvolumes:\n  dd: {name: z}\n  ee: {name: z}\n"}, []string{"compose.yaml", "volume dd", "volume ee", "z-volume.service"}, Options{}},
		"bad volume name":  {map[string]string{"compose.yaml": "services:\n  a: {image: x, volumes: ['dd:/x']}\nvolumes:\n  dd: {name: 'a b%'}\n"}, []string{"compose.yaml:4", "volumes.dd", "a b%", "letters"}, Options{}},
		"bad network name": {map[string]string{"compose.yaml": ok + "    networks: [d]\nnetworks:\n  d: {name: '../x'}\n"}, []string{"compose.yaml:6", "networks.d", "../x", "letters"}, Options{}},
		"bad secret name":  {map[string]string{"compose.yaml": ok + "    secrets: [s]\nsecrets:\n  s: {external: true, name: 'a,b'}\n"}, []string{"compose.yaml:6", "a,b"}, Options{}},
		"long name":        {map[string]string{"compose.yaml": "services:\n  " + strings.Repeat("w", 220) + ": {image: x}\n"}, []string{"compose.yaml:2", "200 at most", "container_name"}, Options{}},
		"no context":       {map[string]string{"compose.yaml": "services:\n  a: {build: ./none}\n"}, []string{"compose.yaml:2", "services.a.build", "/none", "no directory"}, Options{}},
		"builds differ":    {map[string]string{"compose.yaml": "services:\n  a: {image: x, build: {context: ., target: a}}\n  b: {image: x, build: {context: ., target: b}}\n"}, []string{"compose.yaml:3", "services a and b", "localhost/x:latest"}, Options{}},
		"a zero byte":      {map[string]string{"compose.yaml": ok + "    command: [\"a\\0b\"]\n"}, []string{"compose.yaml:4", "services.web.command", "byte"}, Options{}},
		"a hidden one":     {map[string]string{"compose.yaml": ok + "    environment: {PW: \"hunter2\\0\"}\n"}, []string{"compose.yaml:4", "PW=", "byte"}, Options{}},
		"hidden in .env":   {map[string]string{"compose.yaml": ok, ".env": "A=1\nPW='hunter2\n"}, []string{".env:", "unterminated"}, Options{}},
		"hidden in a line": {map[string]string{"compose.yaml": ok, ".env": "PW hunter2!=x\n"}, []string{".env:1", "unexpected character"}, Options{}},
		"hidden by $":      {map[string]string{"compose.yaml": ok, ".env": "PW=hunter2${\n"}, []string{".env", "${NAME}"}, Options{}},
		"hidden in a key":  {map[string]string{"compose.yaml": ok + "    environment: {PW: 'hunter2${'}\n"}, []string{"compose.yaml:4", "environment.PW", "$$"}, Options{}},
		"project name":     {map[string]string{"compose.yaml": ok}, []string{"compose.yaml", `"Not Good"`, "lower-case"}, Options{Project: "Not Good"}},
		"project variable": {map[string]string{"compose.yaml": ok}, []string{"compose.yaml", "COMPOSE_PROJECT_NAME", "lower-case"}, Options{Env: []string{"COMPOSE_PROJECT_NAME=_x"}}},
		"too large":        {map[string]string{"compose.yaml": ok + strings.Repeat("#", maxFile)}, []string{"compose.yaml", "4 MiB"}, Options{}},
		"large .env":       {map[string]string{"compose.yaml": ok, ".env": strings.Repeat("#", maxFile+1)}, []string{".env", "4 MiB"}, Options{}},
		"aliases":          {map[string]string{"compose.yaml": bomb + ok}, []string{"compose.yaml", "aliases"}, Options{}},
		"alias in itself":  {map[string]string{"compose.yaml": "x-a: &a\n  b: *a\n" + ok}, []string{"compose.yaml:", "alias"}, Options{}},
		"deep":             {map[string]string{"compose.yaml": "x-a: " + strings.Repeat("[", 200) + strings.Repeat("]", 200) + "\n" + ok}, []string{"compose.yaml:1", "100 deep"}, Options{}},
		"variables":        {map[string]string{"compose.yaml": "x-a: \"" + strings.Repeat("${A:-}", 20_000) + "\"\n" + ok}, []string{"compose.yaml", "variables"}, Options{}},
		"large variable":   {map[string]string{"compose.yaml": "x-a: \"" + strings.Repeat("$A", 1000) + "\"\n" + ok}, []string{"compose.yaml", "variables"}, Options{Env: []string{"A=" + strings.Repeat("x", 100_000)}}},
		".env in itself":   {map[string]string{"compose.yaml": ok, ".env": "A0=xxxxxxxxxx\n" + many(12, "A%[1]d=$A$A\n") + "B=" + strings.Repeat("0123456789", 1000) + "\nC=" + strings.Repeat("$B", 1000) + "\nD=" + strings.Repeat("$C", 1000) + "\n"}, []string{".env", "64 MiB"}, Options{}},
		"extends bomb":     {map[string]string{"compose.yaml": "services:\n  base:\n    image: x\n    cap_add:\n" + many(5000, "      - C%d\n") + many(3000, "  s%d: {extends: base}\n")}, []string{"compose.yaml", "3000 services"}, Options{}},
		"port bomb":        {map[string]string{"compose.yaml": ok + "    ports:\n" + many(10, "    - 127.0.0.%d:1-65000:1-65000\n")}, []string{"compose.yaml", "ports"}, Options{}},
		"include chain":    {map[string]string{"compose.yaml": "include: [" + strings.TrimSuffix(many(250, "i%d.yaml,"), ",") + "]\n" + ok}, []string{"no such file"}, Options{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for file, text := range tt.files {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			o := tt.o
			o.Files = []string{filepath.Join(dir, "compose.yaml")}
			start := time.Now()
			p, err := Load(t.Context(), o)
			if err == nil {
				t.Fatalf("no error, but %+v", p.Stack)
			}
			t.Log(err)
			if d := time.Since(start); d > 10*time.Second {
				t.Errorf("it took %s", d)
			}
			wantError(t, err, dir, tt.want)
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("a password is in the error: %v", err)
			}
		})
	}
}

func wantError(t *testing.T, err error, dir string, want []string) {
	t.Helper()
	text := err.Error()
	if strings.Contains(text, "\n") {
		t.Errorf("more than one line: %q", text)
	}
	if !strings.HasPrefix(text, "cannot ") || !strings.Contains(text, dir) {
		t.Errorf("%q: want cannot …, and the file", text)
	}
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("%q: want %q in it", text, w)
		}
	}
}

// What is no file to read is refused at once: a FIFO would be waited for, and a
// device never ends.
func TestNoFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	locked := filepath.Join(dir, "locked.yaml")
	if err := os.WriteFile(locked, []byte("services: {}\n"), 0); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	tests := map[string]struct {
		file, want string
	}{
		"missing":         {filepath.Join(dir, "none.yaml"), "no such file"},
		"directory":       {dir, "is a directory"},
		"FIFO":            {fifo, "not a regular file"},
		"device":          {"/dev/zero", "not a regular file"},
		"included FIFO":   {write("i.yaml", "include: [fifo]\nservices: {a: {image: x}}\n"), "not a regular file"},
		"extended FIFO":   {write("e.yaml", "services: {a: {extends: {file: fifo, service: x}}}\n"), "not a regular file"},
		"env_file FIFO":   {write("f.yaml", "services: {a: {image: x, env_file: fifo}}\n"), "not a regular file"},
		"label_file FIFO": {write("l.yaml", "services: {a: {image: x, label_file: fifo}}\n"), "not a regular file"},
		"include's env":   {write("v.yaml", "include: [{path: f.yaml, env_file: fifo}]\nservices: {b: {image: x}}\n"), "not a regular file"},
		"standard input":  {"-", "standard input"},
	}
	if os.Geteuid() != 0 {
		tests["not mine"] = struct{ file, want string }{locked, "chmod"}
	}
	for name, tt := range tests {
		_, err := Load(t.Context(), Options{Files: []string{tt.file}})
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "cannot ") {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	if _, err := Load(t.Context(), Options{}); err == nil || !strings.Contains(err.Error(), "name one") {
		t.Errorf("no file at all: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Load(ctx, Options{Files: []string{filepath.Join("testdata", "minimal", "compose.yaml")}})
	// It may have been read before the context was looked at.
	if err != nil && !strings.Contains(err.Error(), "canceled") {
		t.Errorf("a context that is over: %v", err)
	}
}
