package everyone

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"keeper/internal/control"
)

var app = Account{Name: "app", UID: 1000, GID: 1000, Home: "/home/app", Lingers: true}

func idSays(out string) Host {
	return Host{run: func(context.Context, string, ...string) (string, error) { return out, nil }}
}

const wellStatus = `{"version":1,"user":"app","uid":1000,"well":true,"daemon":{"release":"1.2"},"problems":[],"services":[` +
	`{"name":"db.service","desired":"run","state":"well"},{"name":"web.service","desired":"run","state":"ill"},{"name":"x.service","desired":"held","state":"down"}]}`

func TestAnswers(t *testing.T) {
	t.Parallel()
	said := func(code int, out string) reply { return reply{code: code, out: []byte(out)} }
	status := func(more string) string { return `{"version":1,"uid":1000` + more + `}` }
	for name, tt := range map[string]struct {
		status, doctor reply
		asksDoctor     bool
		want           Answer
	}{
		"well": {status: said(0, wellStatus), want: Answer{State: Well, Services: 2, ServicesWell: 1, Daemon: "1.2"}},
		"ill": {status: said(3, status(`,"problems":[{"what":"db \u001b[2J\u202eis down","try":"look\nhere"}]`)),
			want: Answer{State: Ill, Problems: []control.Problem{{What: "db  [2J is down", Try: "look here"}}}},
		"stands down":    {status: said(3, status(`,"stand_down":{"cause":"paused","detail":"x"}`)), want: Answer{State: StoodDown}},
		"silent":         {status: said(4, status(`,"stale":true,"well":true`)), want: Answer{State: Silent}},
		"not kept":       {status: said(4, status(`,"stale":true,"not_kept":true,"problems":[{"what":"no daemon"}]`)), asksDoctor: true, want: Answer{State: NotKept}},
		"not asked":      {status: reply{err: errors.New("it did not answer within 10s")}, want: Answer{State: Unknown, Error: "it did not answer within 10s"}},
		"an error":       {status: reply{code: 1, complaint: []byte("a\nkeeper: no \x1b[31mhome\n")}, want: Answer{State: Unknown, Error: "keeper: no  [31mhome"}},
		"no words":       {status: reply{code: 2, out: []byte(wellStatus)}, want: Answer{State: Unknown, Error: "keeper status --json ended with exit code 2, and said nothing"}},
		"of another":     {status: said(0, `{"version":1,"uid":1001,"well":true}`), want: Answer{State: Unknown, Error: "its answer is about another account"}},
		"of nobody":      {status: said(0, `{"version":1,"well":true}`), want: Answer{State: Unknown, Error: "its answer is about another account"}},
		"of the future":  {status: said(0, `{"version":2,"uid":1000,"well":true}`), want: Answer{State: Unknown, Error: "its answer is of version 2, and this keeper reads 1"}},
		"no JSON":        {status: said(0, "all is well\x1b"), want: Answer{State: Unknown, Error: "its answer cannot be read: invalid character 'a' looking for beginning of value"}},
		"two":            {status: said(0, wellStatus+wellStatus), want: Answer{State: Unknown, Error: "its answer cannot be read: there is more behind it"}},
		"deep":           {status: said(0, `{"x":`+strings.Repeat("[", 100)), want: Answer{State: Unknown, Error: "its answer is too deep, or has too many values"}},
		"many":           {status: said(0, `{"version":1,"uid":1000,"units":[`+strings.Repeat("{},", 250_000)+`{}]}`), want: Answer{State: Unknown, Error: "its answer is too deep, or has too many values"}},
		"many services":  {status: said(0, status(`,"services":[`+strings.Repeat("{},", 3_000)+`{}]`)), want: Answer{State: Unknown, Error: "it claims to have 3001 services"}},
		"brackets, text": {status: said(0, status(`,"well":true,"units":"`+strings.Repeat(`[{\"`, 100)+`"`)), want: Answer{State: Well}},
		"its doctor": {status: said(0, status(`,"well":true`)), asksDoctor: true,
			doctor: said(3, `{"version":1,"uid":1000,"findings":[{"id":"a","severity":"good","what":"x"},{"id":"linger","severity":"bad","what":"no\u009blinger","means":"m","fix":"f","repair":{"what":"x"}}]}`),
			want:   Answer{State: Well, Examined: true, Findings: []Finding{{ID: "linger", Severity: "bad", What: "no linger", Means: "m", Fix: "f"}}}},
		"its doctor finds nothing": {status: said(0, status(`,"well":true`)), asksDoctor: true, doctor: said(0, `{"version":1,"uid":1000,"findings":[]}`), want: Answer{State: Well, Examined: true, Findings: []Finding{}}},
		"its doctor is mute":       {status: said(0, status(`,"well":true`)), asksDoctor: true, doctor: said(0, `{"version":1,"uid":1000}`), want: Answer{State: Unknown, Error: "its doctor found nothing at all, not even what is well"}},
		"its doctor hangs":         {status: said(0, status(`,"well":true`)), asksDoctor: true, doctor: reply{err: errors.New("late")}, want: Answer{State: Unknown, Error: "late"}},
		"its doctor invents":       {status: said(0, status(`,"well":true`)), asksDoctor: true, doctor: said(0, `{"version":1,"uid":1000,"findings":[{"severity":"awful\u0007"}]}`), want: Answer{State: Unknown, Error: `a finding of its doctor is "awful"`}},
	} {
		tt.want.User, tt.want.UID, tt.want.Lingers = app.Name, app.UID, true
		k := Asker{Host: idSays("1000 27\n"), Doctor: tt.asksDoctor}
		k.put = func(_ context.Context, a Account, groups []uint32, limit time.Duration, args ...string) reply {
			if !reflect.DeepEqual(groups, []uint32{1000, 27}) || a != app {
				t.Errorf("%s: asked %+v with %v", name, a, groups)
			}
			switch strings.Join(args, " ") {
			case "status --json":
				if limit == StatusLimit {
					return tt.status
				}
			case "doctor --json":
				if limit == DoctorLimit && tt.want.State != NotKept {
					return tt.doctor
				}
			}
			t.Errorf("%s: asked %q for %s", name, args, limit)
			return reply{}
		}
		got := k.All(t.Context(), []Account{app})[0]
		if len(got.Problems) == 0 {
			got.Problems = nil
		}
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", name, got, tt.want)
		}
	}
}

// Many are asked four at a time, each of them, and answer in their order.
func TestMany(t *testing.T) {
	t.Parallel()
	var list []Account
	for n := range 500 {
		list = append(list, Account{Name: fmt.Sprint("app", n), UID: uint32(1000 + n)})
	}
	list[7].Err = "it is gone"
	var now, most atomic.Int32
	told := 0
	k := Asker{Host: idSays("5"), Told: func(int) { told++ }}
	k.put = func(_ context.Context, a Account, _ []uint32, _ time.Duration, _ ...string) reply {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		defer now.Add(-1)
		time.Sleep(100 * time.Microsecond)
		return reply{out: fmt.Appendf(nil, `{"version":1,"uid":%d,"well":true}`, a.UID)}
	}
	for n, a := range k.All(t.Context(), list) {
		want := Well
		if n == 7 {
			want = Unknown
		}
		if a.User != list[n].Name || a.State != want {
			t.Errorf("%d: %+v", n, a)
		}
	}
	if most.Load() > abreast || told != 500 {
		t.Errorf("%d at a time, told %d times", most.Load(), told)
	}
	if got := (Asker{}).All(t.Context(), nil); len(got) != 0 {
		t.Error(got)
	}
	for _, out := range []string{"4 five", "-1"} {
		if a := (Asker{Host: idSays(out)}).All(t.Context(), []Account{app})[0]; a.State != Unknown || !strings.Contains(a.Error, "id -G says") {
			t.Errorf("%+v", a)
		}
	}
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	h := Host{Linger: t.TempDir(), CGroups: t.TempDir()}
	for _, name := range []string{"app", "db", "gone", "root", "toor", "-option", "a:b", "12", ".hidden", "es\x1bc", "far"} {
		if err := os.WriteFile(filepath.Join(h.Linger, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(h.Linger, "dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"user.slice/user-1005.slice/user@1005.service/app.slice/keeper.service", "systemd/user.slice/user-1006.slice/user@1006.service/keeper.service",
		"user.slice/user-1000.slice/user@1000.service/app.slice/keeper.service", "user.slice/user-1007.slice/user@1007.service/app.slice/other.service"} {
		if err := os.MkdirAll(filepath.Join(h.CGroups, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	missing := exec.Command("sh", "-c", "exit 2").Run()
	h.run = func(_ context.Context, name string, args ...string) (string, error) {
		if got := name + " " + strings.Join(args, " "); got != "getent passwd -- app db far gone root toor 1000 1005 1006" {
			t.Errorf("asked %q", got)
		}
		return "app:x:1000:100:App:/home/app:/bin/sh\nroot:x:0:0::/root:/bin/sh\ntoor:x:0:0::/root:/bin/sh\ndb:x:999:999::relative:/bin/false\n" +
			"far:x:4294967295:1::/x:/bin/sh\nloud:x:1005:1005::/home/loud:/bin/sh\napp:x:1000:100:App:/home/app:/bin/sh\nbroken line\n", missing
	}
	list, err := h.Accounts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range list {
		got = append(got, fmt.Sprint(a.Name, " ", a.UID, " ", a.GID, " ", a.Home, " ", a.Lingers, " ", a.Err))
	}
	want := []string{"db 999 999 relative true its home is not an absolute path", "app 1000 100 /home/app true ", "loud 1005 1005 /home/loud false ",
		"far 0 0  true there is no such account; if it is gone for good: rm " + h.Linger + "/far", "gone 0 0  true there is no such account; if it is gone for good: rm " + h.Linger + "/gone"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	h.run = func(context.Context, string, ...string) (string, error) { return "", errors.New("no answer") }
	if _, err := h.Accounts(t.Context()); err == nil || !strings.Contains(err.Error(), "no answer") {
		t.Errorf("getent fails: %v", err)
	}
	if list, err := (Host{Linger: h.Linger + "/none", CGroups: h.Linger}).Accounts(t.Context()); err != nil || len(list) > 0 {
		t.Errorf("nobody: %v, %v", list, err)
	}
	if _, err := (Host{Linger: filepath.Join(h.Linger, "app")}).Accounts(t.Context()); err == nil {
		t.Error("a file in place of the directory is taken")
	}
}

// A stack of as many services as are believed fits into an answer, as long as 400 real
// ones were (1.75 KB and 57 values each).
func TestLargeStack(t *testing.T) {
	t.Parallel()
	one := `{"desired":"up","state":"well","name":"` + strings.Repeat("x", 1400) + `","more":[` + strings.TrimSuffix(strings.Repeat("0,", 50), ",") + `]},`
	all := `{"version":1,"user":"app","uid":1000,"well":true,"services":[` + strings.TrimSuffix(strings.Repeat(one, maxServices), ",") + `]}`
	if s, err := readStatus([]byte(all), Account{Name: "app", UID: 1000}); err != nil || len(s.Services) != maxServices {
		t.Errorf("%d bytes: %v", len(all), err)
	}
}
