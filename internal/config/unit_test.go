package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"keeper/internal/core"
)

func TestReadUnit(t *testing.T) {
	t.Parallel()
	file := write(t, "web.container", `# mine
[Container]
Image=docker.io/library/web
Probe = not mine \
[X-Keeper]
nor this
[X-Keeper]
; a comment
Probe=http
  Port = 8000
Live=/livez
Ready=/readyz
Host=app.example.org
TLS=yes
Interval=1min 30s
Timeout=500ms
Grace=0
Failures=5
Successes=1
Restart=never
Restarts=2
Window=1h 30min
DependsOn=postgres \
# in between
  redis.service
DependsOn=minio
Thaw=infinity
[Service]
Interval=1s
[X-Keeper]
Failures=6
`)
	got, mistakes := ReadUnit(file)
	if mistakes != nil {
		t.Fatal(mistakes)
	}
	for key, line := range map[string]string{"probe": "9", "port": "10", "failures": "31", "depends_on": "26", "thaw": "27"} {
		if got.From[key] != file+":"+line {
			t.Errorf("%s is from %s, want line %s", key, got.From[key], line)
		}
	}
	if len(got.From) != 16 {
		t.Errorf("set are %v", got.From)
	}
	got.From = nil
	want := core.Supervision{Probe: core.ProbeHTTP, Port: 8000, Live: "/livez", Ready: "/readyz", Host: "app.example.org", TLS: true,
		Interval: 90 * time.Second, Timeout: 500 * time.Millisecond, Failures: 6, Successes: 1, Restart: core.RestartNever, Restarts: 2,
		Window: 90 * time.Minute, DependsOn: []string{"postgres.service", "redis.service", "minio.service"}, Thaw: -1}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// As systemd has it, the continuation above swallows the header behind it; and a
// file without the section is one that says nothing.
func TestReadUnitSaysNothing(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty": "", "another section": "[Container]\nProbe=redis\n", "an empty section": "[X-Keeper]\n", "no line end": "[X-Keeper]",
		"swallowed": "[Unit]\nDescription=a \\\n[X-Keeper]\nProbe=nonsense\n", "a comment": "[X-Keeper]\n#Probe=a\n ;Probe=b\n",
		"taken back": "[X-Keeper]\nProbe=redis\nProbe=\nDependsOn=a\nDependsOn=\n", "before all sections": "Probe=redis\n",
		"somebody else's": "nonsense\n[X-Other]\nfoo\n=\n[\n",
	} {
		if got, mistakes := ReadUnit(write(t, "a.container", text)); mistakes != nil || !reflect.DeepEqual(got, core.Supervision{}) {
			t.Errorf("%s: got %+v, %v", name, got, mistakes)
		}
	}
	if got, mistakes := ReadUnit(filepath.Join(t.TempDir(), "none")); mistakes != nil || !reflect.DeepEqual(got, core.Supervision{}) {
		t.Errorf("no file: got %+v, %v", got, mistakes)
	}
	if got, mistakes := ReadUnit(); mistakes != nil || !reflect.DeepEqual(got, core.Supervision{}) {
		t.Errorf("no files: got %+v, %v", got, mistakes)
	}
}

func TestUnitMistakes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"Probe=Redis":                  {`:2: Probe = Redis: must be one of "postgres"`},
		"Probe=\"redis\"":              {`:2: Probe = "redis": must be one of`},
		"probe=redis":                  {`:2: probe: there is no such key; did you mean Probe?`},
		"PROBE=redis":                  {`did you mean Probe?`},
		"password_file=/a":             {`did you mean PasswordFile?`},
		"Colour=red":                   {`:2: Colour: there is no such key; there are: Probe, Address`},
		"Port=80 # web":                {`:2: Port = 80 # web: must be a port`},
		"Port=0x50":                    {`must be a port`},
		"Port=99999999999":             {`must be a port`},
		"Port=+1":                      {`must be a port`},
		"TLS=maybe":                    {`:2: TLS = maybe: must be true or false`},
		"Interval=10 parsecs":          {`:2: Interval = 10 parsecs: must be a time from 1s to 1h: more often is a load, less often no watch; written as 10s or 1min 30s`},
		"Interval=infinity":            {`must be a time from 1s to 1h`},
		"Interval=-10":                 {`must be a time`},
		"Interval=1.2.3":               {`must be a time`},
		"Interval=s":                   {`must be a time`},
		"Interval=99999999999999years": {`must be a time`},
		"Thaw=2d":                      {`must be a time from 0s to 24h, or never`},
		"Command='a":                   {`:2: Command: must be a command and its arguments, in all no longer than 4096; written as pg_isready -q`},
		`Command=a \q`:                 {`:2: Command: must be`},
		`Command="" b`:                 {`:2: Command: must be`},
		"User='me'":                    {`:2: User = 'me': must be a name`},
		"PasswordFile=hunter2":         {`:2: PasswordFile: must be the absolute path`},
		"PasswordFile=%h/hunter2":      {`:2: PasswordFile: must be the absolute path`},
		"Credential=a/hunter2":         {`:2: Credential: must be the bare name`},
		"hunter2":                      {`:2: is neither a [Section] nor Key=value`},
		"DependsOn=a.container":        {`:2: DependsOn = a.container: must be names of services`},
		"Host=\x1b[2J":                 {`:2: Host = ?[2J: must be a plain host name`},
		"User=\xff":                    {":2: User = \ufffd: must be a name"},
		"Failures=\\\n0":               {`:2: Failures = 0: must be a number`},
		"[X-keeper]\nProbe=redis":      {`:2: [X-keeper]: there is no such section; did you mean [X-Keeper]?`},
		"[XKeeper]":                    {`did you mean [X-Keeper]?`},
		"[X-Keper]":                    {`did you mean [X-Keeper]?`},
		"Probe=a\nPort=b\nfoo=c":       {":2: ", ":3: ", ":4: "},
		// A value that is taken back was wrong all the same.
		"Probe=a\nProbe=redis":                 {":2: "},
		"Address=a:1\nPort=1":                  {`:3: Port: says the same in other words as Address (FILE:2): keep one of them`},
		"Address=a:1\nPort=1\nAddress=":        nil,
		"Credential=a\nPasswordFile=/a":        {`:2: Credential: says the same in other words as PasswordFile`},
		"Probe=exec":                           {`:2: Probe: needs Command, beside it`},
		"Probe=exec\nCommand=a":                nil,
		"Probe=redis\nLive=/":                  {`:3: Live: is for the probe http or s3 alone, and the probe is redis (FILE:2)`},
		"Timeout=20\nInterval=10":              {`:2: Timeout: the timeout (20s) must be no longer than the interval (10s), see FILE:3`},
		"Timeout=20":                           nil, // the interval may be anything
		"Probe=redis\r\nPort=1\r":              nil,
		"Probe=redis\nPort=1\n[X-Keeper]\nP=1": {`:5: P: there is no such key`},
	} {
		if !strings.HasPrefix(text, "[") {
			text = "[X-Keeper]\n" + text
		} else {
			text = "\n" + text
		}
		file := write(t, "a.container", text)
		got, mistakes := ReadUnit(file)
		if len(mistakes) > 0 && !reflect.DeepEqual(got, core.Supervision{}) {
			t.Errorf("%q: something of it counts: %+v", text, got)
		}
		compare(t, text, file, mistakes, want)
		if said := mistakes.Error(); strings.ContainsRune(said, '\x1b') {
			t.Errorf("%q would move a cursor", said)
		}
	}
}

// Drop-ins add, replace and take back; a mistake in one is one of all.
func TestReadUnitAndDropins(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var files []string
	for name, text := range map[string]string{
		"1": "[X-Keeper]\nProbe=postgres\nUser=a\nDependsOn=a b\nAddress=x:1\n", "2": "[X-Keeper]\nUser=b\nDependsOn=c\nAddress=\nPort=7\n", "3": "[X-Keeper]\nUser=\n",
	} {
		place(t, filepath.Join(dir, name), text)
	}
	for _, name := range []string{"1", "2", "3", "4"} {
		files = append(files, filepath.Join(dir, name))
	}
	got, mistakes := ReadUnit(files...)
	if mistakes != nil || got.User != "" || got.Address != "" || got.Port != 7 || !reflect.DeepEqual(got.DependsOn, []string{"a.service", "b.service", "c.service"}) ||
		got.From["depends_on"] != files[1]+":3" || len(got.From) != 3 {
		t.Errorf("got %+v, %v", got, mistakes)
	}
	place(t, files[3], "[X-Keeper]\nfoo=bar\n")
	if got, mistakes := ReadUnit(files...); len(mistakes) != 1 || mistakes[0].File != files[3] || got.From != nil {
		t.Errorf("got %+v, %v", got, mistakes)
	}
}

func place(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestUnitFilesThatAreNone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fifo, masked, large := filepath.Join(dir, "fifo"), filepath.Join(dir, "masked"), filepath.Join(dir, "large")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(os.DevNull, masked); err != nil {
		t.Fatal(err)
	}
	place(t, large, strings.Repeat("#\n", maxUnit))
	for file, want := range map[string]string{fifo: "must be a regular file", dir: "must be a regular file", large: "must be no larger than", masked: ""} {
		_, mistakes := ReadUnit(file)
		if said := mistakes.Error(); (said == "") != (want == "") || !strings.Contains(said, want) {
			t.Errorf("%s: got %q, want %q", file, said, want)
		}
	}
	// A file that is one line, and one that is one list: neither takes its square.
	begun := time.Now()
	for text, want := range map[string]int{strings.Repeat("\\\n", maxUnit/2): 0, "[X-Keeper]\n" + strings.Repeat("DependsOn=a\n", maxUnit/13): maxMistakes + 1} {
		if _, mistakes := ReadUnit(write(t, "a.container", text)); len(mistakes) != want {
			t.Errorf("%.20q: got %d mistakes, want %d", text, len(mistakes), want)
		}
	}
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
	var b strings.Builder
	b.WriteString("[X-Keeper]\n")
	for range 50_000 {
		b.WriteString("Nonsense=1\n")
	}
	if _, mistakes := ReadUnit(write(t, "a.container", b.String())); len(mistakes) != maxMistakes+1 {
		t.Errorf("got %d mistakes", len(mistakes))
	}
}

func TestTimespan(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"10": 10 * time.Second, "10s": 10 * time.Second, "10 s": 10 * time.Second, "2min": 2 * time.Minute, "1min 30s": 90 * time.Second, "1min30s": 90 * time.Second,
		"500ms": 500 * time.Millisecond, "1.5s": 1500 * time.Millisecond, "1h 2m 3sec": time.Hour + 2*time.Minute + 3*time.Second, "1 hour": time.Hour, "0": 0,
		"1d": 24 * time.Hour, "2 weeks": 14 * 24 * time.Hour, "50us": 50 * time.Microsecond, "infinity": forever, "1M": 2629800 * time.Second, "5 5": 10 * time.Second,
	} {
		if got, ok := timespan(text); !ok || got != want {
			t.Errorf("%q: got %s, %t; want %s", text, got, ok, want)
		}
	}
	for _, text := range []string{"", " ", "s", "10x", "-1", "+1", "1,5s", ".", "1..2", "Infinity", "10S", "1e3", "99999999999y", "0x10"} {
		if got, ok := timespan(text); ok {
			t.Errorf("%q: got %s", text, got)
		}
	}
}

func TestSplit(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		`a`: {"a"}, `a  b	c`: {"a", "b", "c"}, `"a b" 'c "d"'`: {"a b", `c "d"`}, `a"b c"d`: {"ab cd"}, `"" ''`: {"", ""}, ``: nil, ` `: nil,
		`a\ b`: nil, `"a\"b"`: {`a"b`}, `\x41\101\u00e4\U0001F600\s\t`: {"AAä😀 \t"}, `a\\b`: {`a\b`}, `'it\'s'`: {"it's"},
		`sh -c "redis-cli ping | grep PONG"`: {"sh", "-c", "redis-cli ping | grep PONG"},
	} {
		got, ok := split(text)
		if (text == `a\ b`) == ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %q, %t; want %q", text, got, ok, want)
		}
	}
	for _, text := range []string{`"a`, `'a"`, `a\`, `\q`, `\x4`, `\xzz`, `\x00`, `\777`, `\u12`, `\ud800`, `\U00110000`, "\xff"} {
		if got, ok := split(text); ok {
			t.Errorf("%q: got %q", text, got)
		}
	}
}

func TestBoolean(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"1": true, "yes": true, "Y": true, "TRUE": true, "t": true, "on": true, "0": false, "No": false, "n": false, "false": false, "F": false, "off": false} {
		if is, ok := boolean(text); !ok || is != want {
			t.Errorf("%s: got %t, %t", text, is, ok)
		}
	}
	for _, text := range []string{"", "2", "yess", "ja"} {
		if is, ok := boolean(text); is || ok {
			t.Errorf("%s: got %t, %t", text, is, ok)
		}
	}
}

func FuzzReadUnit(f *testing.F) {
	for _, text := range []string{
		"[X-Keeper]\nProbe=redis\nPort=1\n", "[X-Keeper]\nCommand=\"a\\x41\nInterval=1h 3ms\n", "[X-Keeper]\nProbe=\\\n#\n;x\n\\\\\n", "[x-keeper]\n=\n[\n]", "[X-Keeper]\nDependsOn=a b\nDependsOn=\nThaw=infinity",
	} {
		f.Add([]byte(text))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		file := filepath.Join(dir, "f.container")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, mistakes := ReadUnit(file)
		for _, m := range mistakes {
			if m.Rule == "" || strings.ContainsAny(m.Error(), "\x1b\n") || len(m.Error()) > len(file)+500 {
				t.Errorf("mistake %q", m.Error())
			}
		}
		if len(mistakes) > 0 && s.From != nil {
			t.Errorf("something counts: %+v", s)
		}
		// What was taken is within its bounds, whatever it was written as.
		for key := range s.From {
			switch {
			case s.Interval != 0 && (s.Interval < time.Second || s.Interval > time.Hour), s.Timeout < 0 || s.Timeout > time.Minute, s.Grace < 0 || s.Grace > time.Hour,
				s.Thaw < -1 || s.Thaw > 24*time.Hour, s.Failures < 0 || s.Failures > 100, key == "command" && len(s.Command) == 0:
				t.Errorf("taken was %+v", s)
			}
		}
	})
}
