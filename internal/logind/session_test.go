package logind

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"keeper/internal/core"
)

// userRow is Session.User: (uo).
type userRow struct {
	UID  uint32
	Path dbus.ObjectPath
}

func sessionPath(id string) dbus.ObjectPath {
	return dbus.ObjectPath("/org/freedesktop/login1/session/_" + id)
}

// session gives the fake a session, with these of its properties changed.
func (f *fake) session(id string, change map[string]any) {
	props := map[string]any{
		"Id": id, "User": userRow{1000, fakeUser}, "Name": "flowstate", "Class": "user", "Type": "tty", "Service": "sshd",
		"TTY": "pts/0", "Remote": true, "RemoteHost": "192.0.2.7", "Leader": uint32(os.Getpid()), "Timestamp": uint64(1_795_593_012_168_000),
	}
	maps.Copy(props, change)
	for name, v := range props {
		f.set(sessionPath(id), sessionIf, name, v)
	}
}

func seen(t *testing.T, w *watched) core.Session {
	t.Helper()
	e, ok := await(t, w.events, "SessionSeen").(core.SessionSeen)
	if !ok {
		t.Fatalf("got %#v", e)
	}
	return e.Session
}

func TestSessionsAreSeen(t *testing.T) {
	t.Parallel()
	b := startBus(t)
	f := fakeLogind(t, b)
	f.session("1", nil)
	f.session("2", map[string]any{"Class": "manager"})
	f.session("3", map[string]any{"Class": "background-light"})
	f.session("4", map[string]any{"Class": "manager-early"})
	f.answer(func() {
		f.sessions = func() ([]listedSession, *dbus.Error) {
			var list []listedSession
			for _, id := range []string{"2", "3", "4", "gone", "1"} {
				list = append(list, listedSession{id, 1000, "flowstate", "", sessionPath(id)})
			}
			return list, nil
		}
	})
	w := watchBus(t, t.Context(), b)
	w.expect(t, core.LogindUp{})
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	want := core.Session{ID: "1", UID: 1000, User: "flowstate", Class: "user", Type: "tty", Service: "sshd", TTY: "pts/0", Remote: "192.0.2.7",
		Leader: uint32(os.Getpid()), Comm: strings.TrimSpace(string(comm)), Since: time.UnixMicro(1_795_593_012_168_000).UTC()}
	if got := seen(t, w); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}

	// A new one, after one that is gone again.
	f.session("7", map[string]any{"Remote": false, "RemoteHost": "", "Service": "su"})
	f.emit(t, "SessionNew", "6", sessionPath("6"))
	w.expect(t, core.SessionNew{ID: "6"})
	f.emit(t, "SessionNew", "7", sessionPath("7"))
	w.expect(t, core.SessionNew{ID: "7"})
	if got := seen(t, w); got.ID != "7" || got.Service != "su" || got.Remote != "" {
		t.Errorf("got %+v", got)
	}
	// Whoever is not logind has nothing looked at.
	liar := b.peer(t)
	unicast(t, liar, w.name, objPath, managerIf, "SessionNew", "7", sessionPath("7"))
	w.nothingElse(t, f)
}

func TestSessionsAreHostile(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change map[string]any
		want   func(core.Session) bool // nil: not told
	}{
		"a host that moves the cursor": {map[string]any{"RemoteHost": "a\x1b[2J\nb"}, func(s core.Session) bool { return s.Remote == "a?[2J?b" }},
		"a long host": {map[string]any{"RemoteHost": strings.Repeat("ä", 5000)},
			func(s core.Session) bool { return len(s.Remote) <= maxField && strings.HasSuffix(s.Remote, "…") }},
		"a host without a name":  {map[string]any{"RemoteHost": ""}, func(s core.Session) bool { return s.Remote == "unknown host" }},
		"no process":             {map[string]any{"Leader": uint32(1 << 31)}, func(s core.Session) bool { return s.Comm == "" && s.Leader == 1<<31 }},
		"values of another type": {map[string]any{"Leader": "1", "Timestamp": "now", "TTY": uint32(7)}, func(s core.Session) bool { return s.Leader == 0 && s.Since.IsZero() && s.TTY == "" }},
		"a time without end":     {map[string]any{"Timestamp": ^uint64(0)}, func(s core.Session) bool { return s.Since.IsZero() }},
		"no user":                {map[string]any{"User": "root"}, nil},
		"no id":                  {map[string]any{"Id": ""}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBus(t)
			f := fakeLogind(t, b)
			f.session("5", c.change)
			s, err := b.dial(t).session(t.Context(), sessionPath("5"))
			if c.want == nil && err == nil || c.want != nil && err != nil {
				t.Fatalf("%+v, %v", s, err)
			}
			if c.want != nil {
				s.Comm = comm("/proc", s.Leader)
				if !c.want(s) {
					t.Errorf("got %q", fmt.Sprintf("%+v", s))
				}
			}
		})
	}
}

func TestComm(t *testing.T) {
	t.Parallel()
	proc := t.TempDir()
	if err := os.Mkdir(filepath.Join(proc, "9"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(proc, "9", "comm"), []byte("a\x1bb\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for pid, want := range map[uint32]string{9: "a?b", 8: "", 0: ""} {
		if got := comm(proc, pid); got != want {
			t.Errorf("%d: %q, want %q", pid, got, want)
		}
	}
}

// A logind that takes its time over a session holds up no signal, and is asked one
// thing at a time; of very many sessions most are left out.
func TestLookingHoldsNothingUp(t *testing.T) {
	t.Parallel()
	b := startBus(t)
	f := fakeLogind(t, b)
	release := make(chan struct{})
	free := sync.OnceFunc(func() { close(release) })
	defer free()
	var mu sync.Mutex
	asked, at, most := 0, 0, 0
	const many = 4 * maxWaiting
	for i := range many {
		f.export(t, map[string]any{"GetAll": func(string) (map[string]dbus.Variant, *dbus.Error) {
			mu.Lock()
			asked++
			at++
			most = max(most, at)
			mu.Unlock()
			<-release
			mu.Lock()
			at--
			mu.Unlock()
			return map[string]dbus.Variant{"Id": dbus.MakeVariant(fmt.Sprint(i)), "User": dbus.MakeVariant(userRow{1000, fakeUser})}, nil
		}}, sessionPath(fmt.Sprint(i)), "org.freedesktop.DBus.Properties")
	}
	w := watchBus(t, t.Context(), b)
	w.expect(t, core.LogindUp{})
	for i := range many {
		f.emit(t, "SessionNew", fmt.Sprint(i), sessionPath(fmt.Sprint(i)))
	}
	for i := range many {
		w.expect(t, core.SessionNew{ID: fmt.Sprint(i)}) // no SessionSeen before release
	}
	free()
	told := 0
	f.emit(t, "UserNew", uint32(1), somePath)
	for last := false; !last; {
		// The first is being looked at, and as many wait.
		switch e := await(t, w.events, "SessionSeen").(type) {
		case core.SessionSeen:
			told++
			last = told == maxWaiting
		case core.UserNew:
		default:
			t.Fatalf("got %#v", e)
		}
	}
	w.atMostOneMore(t, f)
	mu.Lock()
	defer mu.Unlock()
	if most != 1 || asked > maxWaiting+2 {
		t.Errorf("%d questions, %d at a time", asked, most)
	}
}

// atMostOneMore is for the end, where one more session may be told of: whether the first
// had left the queue when the others came is chance.
func (w *watched) atMostOneMore(t *testing.T, f *fake) {
	t.Helper()
	f.emit(t, "UserRemoved", uint32(1), somePath)
	for range 4 {
		e := await(t, w.events, "UserRemoved")
		if _, ok := e.(core.UserRemoved); ok {
			return
		}
	}
	t.Fatal("too many sessions were told of")
}
