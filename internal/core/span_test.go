package core

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestSpan(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0s", 10 * time.Second: "10s", 100 * time.Millisecond: "100ms", time.Minute: "1m", 90 * time.Second: "1m30s",
		10 * time.Minute: "10m", time.Hour: "1h", 20 * time.Hour: "20h", time.Hour + time.Second: "1h0m1s", 61 * time.Minute: "1h1m", 70 * time.Minute: "1h10m",
	} {
		got := Span(d)
		if back, err := time.ParseDuration(got); got != want || err != nil || back != d {
			t.Errorf("%s: got %q, which is %s, %v", d, got, back, err)
		}
	}
}

func TestSupervisionJSON(t *testing.T) {
	t.Parallel()
	full := Supervision{
		Probe: ProbeExec, Address: "127.0.0.1:1", Port: 1, Live: "/l", Ready: "/r", Host: "h", TLS: true, Command: []string{"a", "b c"},
		User: "u", Database: "d", PasswordFile: "/p", Credential: "c", Interval: 10 * time.Second, Timeout: 1500 * time.Millisecond,
		Grace: 5 * time.Minute, Failures: 3, Successes: 2, Restart: RestartNever, Restarts: 5, Window: time.Hour,
		DependsOn: []string{"x.service"}, Thaw: -1, From: map[string]string{"thaw": "f:1"},
	}
	// The list must be whole: a field that is not in it would not be tried.
	for i := range reflect.TypeFor[Supervision]().NumField() {
		if reflect.ValueOf(full).Field(i).IsZero() {
			t.Errorf("%s is not tried", reflect.TypeFor[Supervision]().Field(i).Name)
		}
	}
	for name, tt := range map[string]struct {
		s    Supervision
		want string
	}{
		"nothing":          {Supervision{}, `{}`},
		"all":              {full, `"thaw":"never"`},
		"spans":            {full, `"interval":"10s","timeout":"1.5s","grace":"5m","window":"1h"`},
		"none, and set so": {Supervision{From: map[string]string{"grace": "f:1", "thaw": "f:2"}}, `"grace":"0s","thaw":"0s"`},
	} {
		data, err := json.Marshal(tt.s)
		if err != nil || !strings.Contains(string(data), tt.want) {
			t.Errorf("%s: got %s, %v; want %s", name, data, err, tt.want)
		}
		var back Supervision
		if err := json.Unmarshal(data, &back); err != nil || !reflect.DeepEqual(back, tt.s) {
			t.Errorf("%s: it came back as %+v, %v", name, back, err)
		}
	}
	// Inside of others it is the same.
	data, err := json.Marshal(Settings{Defaults: full, Services: map[string]Supervision{"x": full}})
	if n := strings.Count(string(data), `"interval":"10s"`); err != nil || n != 2 {
		t.Errorf("got %s, %v", data, err)
	}
	for _, text := range []string{`{"interval": "soon"}`, `{"interval": 5}`, `{"window": "never"}`} {
		s := full
		if err := json.Unmarshal([]byte(text), &s); err == nil || !reflect.DeepEqual(s, full) {
			t.Errorf("%s: got %+v, %v", text, s, err)
		}
	}
}
