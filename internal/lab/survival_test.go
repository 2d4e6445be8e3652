package lab

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestKillTable strikes the quick part of the kill table on hosts of all three
// modes: on one with keeper the stack must come back, or never go, with nothing
// lost; on the one with linger alone the same blow must leave it as the table
// says. A blow that leaves the control up would prove nothing.
func TestKillTable(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var rows []Row
	// When all modes are through.
	t.Cleanup(func() {
		failed := len(Failed(rows))
		compareOff(rows)
		if len(Failed(rows)) > failed {
			t.Errorf("with keeper the machine goes down later than with linger alone: %+v", Failed(rows))
		}
	})
	for _, m := range Modes {
		t.Run(string(m), func(t *testing.T) {
			t.Parallel()
			h := testHost(t, Options{Name: "table-" + string(m), Stack: true})
			b := &bench{Host: h, mode: m, binary: testKeeper(t)}
			if m != ModeLinger {
				if err := h.Install(t.Context(), m.install(b.binary), t.Output()); err != nil {
					t.Fatal(err)
				}
			}
			for _, blow := range Blows() {
				if blow.Quick && blow.Want(m) != None {
					t.Run(blow.ID, func(t *testing.T) {
						row := b.strike(t.Context(), blow)
						judged(t, row)
						mu.Lock()
						defer mu.Unlock()
						rows = append(rows, row)
					})
				}
			}
		})
	}
}

// judged is the test of a row.
func judged(t *testing.T, row Row) {
	t.Helper()
	for _, why := range row.Why {
		t.Error(why)
	}
	if row.Pass {
		t.Logf("%s; %d entries acknowledged, %d requests failed, none lost", row.cell(), row.Acked, row.Failed)
	}
}

// TestTable reads the table for mistakes, and for a quick part that covers all.
func TestTable(t *testing.T) {
	t.Parallel()
	id := regexp.MustCompile(`^[a-z]+(-[a-z0-9]+)*$`)
	wants := []Outcome{Stays, Back, StaysDown, Off, Reboots, None}
	seen := map[string]bool{}
	quick := map[string]bool{}
	for _, b := range Blows() {
		if !id.MatchString(b.ID) || seen[b.ID] {
			t.Errorf("%q is no id, or used twice", b.ID)
		}
		seen[b.ID] = true
		if b.Name == "" || b.Strike == nil || !slices.Contains(Groups, b.Group) {
			t.Errorf("%s has no name, strikes nothing, or is of an unknown group", b.ID)
		}
		for _, m := range Modes {
			want := b.Want(m)
			switch {
			case !slices.Contains(wants, want):
				t.Errorf("%s, %s: %q is no outcome", b.ID, m, want)
			case m != ModeLinger && want == StaysDown && (b.Why == "" || b.Says == ""):
				t.Errorf("%s stays down in mode %s: the table must say why, and what keeper says about it", b.ID, m)
			case m != ModeLinger && want == None:
				t.Errorf("%s is not struck in mode %s", b.ID, m)
			}
			if b.Quick && want != None {
				quick[b.Group+" "+string(m)] = true
			}
		}
		if b.Quick && b.Clock {
			t.Errorf("%s would set the clock in make test", b.ID)
		}
	}
	for _, g := range Groups {
		for _, m := range Modes {
			if !quick[g+" "+string(m)] && (g != "keeper" || m != ModeLinger) {
				t.Errorf("make test strikes no blow of the group %s in mode %s", g, m)
			}
		}
	}
}

func TestPick(t *testing.T) {
	t.Parallel()
	table := []Blow{{ID: "a", Group: "user"}, {ID: "b", Group: "user"}, {ID: "c", Group: "host"}}
	for _, c := range []struct {
		ids, groups []string
		want        string
	}{
		{want: "abc"},
		{ids: []string{"c", "a"}, want: "ac"},
		{groups: []string{"user"}, want: "ab"},
		{ids: []string{"a", "c"}, groups: []string{"host"}, want: "c"},
	} {
		got, err := Pick(table, c.ids, c.groups)
		names := ""
		for _, b := range got {
			names += b.ID
		}
		if err != nil || names != c.want {
			t.Errorf("%v %v: %q %v, want %q", c.ids, c.groups, names, err, c.want)
		}
	}
	if _, err := Pick(table, []string{"d"}, nil); err == nil {
		t.Error("a blow that is not there was picked")
	}
	if _, err := Pick(table, nil, []string{"users"}); err == nil {
		t.Error("a group that is not there was picked")
	}
	if _, err := ParseModes([]string{"Root"}); err == nil {
		t.Error("a mode that is not there was taken")
	}
}

// survives strikes the founding blow on a host with keeper as it is without
// root, and sees the stack come back with nothing lost.
func survives(t *testing.T, h *Host) {
	t.Helper()
	table, err := Pick(Blows(), []string{"terminate-user-root"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	judged(t, (&bench{Host: h, mode: ModeUser, binary: testKeeper(t)}).strike(t.Context(), table[0]))
}

func install(t *testing.T, h *Host) {
	t.Helper()
	if err := h.Install(t.Context(), InstallOptions{Binary: testKeeper(t)}, t.Output()); err != nil {
		t.Fatal(err)
	}
}

// keeper runs keeper on the host as the account.
func keeper(ctx context.Context, h *Host, args ...string) (string, error) {
	return h.Keeper(ctx, args...)
}

// awaitDown waits for the end of the user manager.
func awaitDown(t *testing.T, h *Host) {
	t.Helper()
	await(t, 30*time.Second, "the user manager ends", func(ctx context.Context) bool {
		s := h.ManagerState(ctx)
		return s != "active" && s != "deactivating"
	})
}

// assertDownFor watches the user manager stay down.
func assertDownFor(t *testing.T, h *Host, d time.Duration) {
	t.Helper()
	ctx := within(t, d+30*time.Second)
	for end := time.Now().Add(d); time.Now().Before(end); {
		if s := h.ManagerState(ctx); s != "inactive" && s != "failed" {
			t.Fatalf("the user manager is %s again", s)
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
}

func managerState(ctx context.Context, h *Host) string { return h.ManagerState(ctx) }

// revive brings the account back as root would, for the next test.
func revive(t *testing.T, h *Host) {
	t.Helper()
	ctx := within(t, time.Minute)
	script := fmt.Sprintf("systemctl reset-failed %[1]s 2>/dev/null; loginctl disable-linger %[2]s; loginctl enable-linger %[2]s; systemctl start %[1]s", manager, User)
	if _, err := h.Output(ctx, "sh", "-c", script); err != nil {
		t.Fatal(err)
	}
	if err := h.WaitReady(ctx, time.Minute); err != nil {
		t.Fatalf("%v\n%s", err, diagnosis(h))
	}
}

func diagnosis(h *Host) string { return h.diagnosis(context.Background()) }
