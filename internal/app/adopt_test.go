package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"keeper/internal/core"
	"keeper/internal/paths"
)

// says is a keeper-adopt that is a shell script.
func says(t *testing.T, script string) adopter {
	t.Helper()
	file := filepath.Join(t.TempDir(), paths.Helper)
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	return adopter{func() (string, error) { return file, nil }}
}

func TestAdopterWrites(t *testing.T) {
	t.Parallel()
	a := says(t, `[ "$*" = "write --json -- db web" ] || exit 9
cat <<'X'
{"version":1,"written":[{"container":"db","unit":"db.service","file":"/q/db.container"}],"refused":[{"container":"web","reason":"a\u001b[2Jb\nc","try":"podman commit"}]}
X
exit 3`)
	got := a.Write(t.Context(), []string{"db", "web"})
	if got.Err != "" || len(got.Written) != 1 || got.Written[0].File != "/q/db.container" ||
		len(got.Refused) != 1 || got.Refused[0].Reason != "a [2Jb c" || got.Refused[0].Try != "podman commit" {
		t.Errorf("got %+v", got)
	}
}

// Whatever the program does, there is one sentence about it.
func TestAdopterFails(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ script, want string }{
		"says why":          {"echo one >&2; echo 'no socket' >&2; exit 1", "keeper-adopt write: exit status 1: no socket"},
		"says nothing":      {"exit 1", "keeper-adopt write: exit status 1"},
		"says nonsense":     {"echo '<html>'", "cannot read what keeper-adopt write says: invalid character"},
		"says too much":     {"head -c 2000000 /dev/zero", "it says more than 1048576 bytes"},
		"is of another age": {`echo '{"version":2}'`, "keeper-adopt speaks version 2, and keeper 1"},
		"is killed":         {`echo '{"version":1}'; kill -9 $$`, "signal: killed"},
	} {
		if got := says(t, tt.script).Write(t.Context(), []string{"db"}); !strings.Contains(got.Err, tt.want) || strings.Contains(got.Err, "\n") {
			t.Errorf("%s: got %q, want %q", name, got.Err, tt.want)
		}
	}
	gone := adopter{func() (string, error) { return "", errors.New("there is no keeper-adopt") }}
	if got := gone.Drift(t.Context()); got.Err != "there is no keeper-adopt" {
		t.Errorf("got %q", got.Err)
	}
	if err := gone.Undo(t.Context()); err == nil {
		t.Error("undone by nobody")
	}
}

// What hangs, and does not listen, ends with the time it has, and what it
// started ends with it.
func TestAdopterHangs(t *testing.T) {
	t.Parallel()
	note := filepath.Join(t.TempDir(), "pid")
	a := says(t, fmt.Sprintf(`trap '' TERM; (trap '' TERM; exec sleep 600) & echo $! >%s.new; mv %s.new %s; wait; sleep 600`, note, note, note))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Undo(ctx) }()
	var pid int
	if !poll(t.Context(), patience, func() bool {
		data, err := os.ReadFile(note)
		if err == nil {
			_, err = fmt.Sscan(string(data), &pid)
		}
		return err == nil
	}) {
		t.Fatal("it did not begin")
	}
	cancel()
	begun := time.Now()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
	if took := time.Since(begun); took > adoptWait+patience/2 {
		t.Errorf("it took %v", took)
	}
	if !gone(t.Context(), []int{pid}, patience) {
		t.Error("what it started lives on")
	}
}

func TestAdopterDrift(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old, fresh := filepath.Join(dir, "old.yaml"), filepath.Join(dir, "fresh.yaml")
	for _, f := range []string{old, fresh} {
		if err := os.WriteFile(f, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	hour := time.Now().Add(-time.Hour)
	if err := os.Chtimes(old, hour, hour); err != nil {
		t.Fatal(err)
	}
	a := says(t, fmt.Sprintf(`cat <<'X'
{"version":1,"drift":[{"unit":"db.service","against":"container","field":"Memory","unit_says":"1\u0007","other_says":"2","try":"x"}],
"watch":["%s","%s","%s/none","relative"],"errors":["no\nsocket"]}
X`, old, fresh, dir))
	got := a.Drift(t.Context())
	if got.Err != "" || len(got.Drift) != 1 || got.Drift[0].UnitSays != "1" || got.Drift[0].OtherSays != "2" || len(got.Errs) != 1 || got.Errs[0] != "no socket" {
		t.Errorf("got %+v", got)
	}
	now := files{}.Stamps(got.Stamps)
	if len(now) != 3 || got.Stamps[old] != now[old] || got.Stamps[dir+"/none"] != "none" || got.Stamps[fresh] == now[fresh] {
		t.Errorf("stamps %v, now %v; what was written at that moment must be looked at again", got.Stamps, now)
	}
}

// The daemon's own watchdog and cgroup are not for the program.
func TestAdopterEnvironment(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "/run/x")
	t.Setenv("INVOCATION_ID", "1")
	t.Setenv("KEEPER_TEST_KEPT", "yes")
	a := says(t, `[ -z "$NOTIFY_SOCKET$INVOCATION_ID" ] && [ "$KEEPER_TEST_KEPT" = yes ]`)
	if err := a.Undo(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAdoption(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := files{paths.Paths{Journal: filepath.Join(dir, "adoption.json"), JournalLock: filepath.Join(dir, "adoption.lock")}}
	is := func(what string, want core.Adoption) {
		t.Helper()
		if got := f.Adoption(); got != want {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
	}
	lock, err := os.Create(f.p.JournalLock)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	is("no journal yet", core.AdoptionNone)
	if err := os.WriteFile(f.p.Journal, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	is("somebody is at it", core.AdoptionUnderway)
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	is("nobody is", core.AdoptionInterrupted)
	is("and looking at it changes nothing", core.AdoptionInterrupted)
	if err := os.Remove(f.p.JournalLock); err != nil {
		t.Fatal(err)
	}
	is("without a lock", core.AdoptionInterrupted)
}

func TestWatchSettings(t *testing.T) {
	dir := t.TempDir()
	p := paths.Paths{SiteSettings: filepath.Join(dir, "etc", "keeper.toml"), Settings: filepath.Join(dir, "config", "keeper", "keeper.toml")}
	seen, looks := make(chan core.SettingsSeen, 100), make(chan struct{}, 100)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		watchSettings(ctx, p, func(ev core.Event) {
			if s, ok := ev.(core.SettingsSeen); ok {
				seen <- s
			} else if ev == (core.LingerHint{}) {
				looks <- struct{}{}
			}
		}, slog.New(slog.DiscardHandler))
	}()
	defer func() { cancel(); <-ended }()
	wait := func(what string, want core.Adopt, mistakes int) {
		t.Helper()
		limit := time.After(patience)
		for {
			select {
			case s := <-seen:
				if s.Settings.Adopt == want && len(s.Errs) == mistakes {
					return
				}
			case <-limit:
				t.Fatalf("%s was not noticed", what)
			}
		}
	}
	write := func(file, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	wait("the begin", core.AdoptPropose, 0)
	write(p.Settings, "adopt = 'auto'")
	wait("the account's file", core.AdoptAuto, 0)
	write(p.Settings, "adopt = 'perhaps'\nx = 1")
	wait("two mistakes", core.AdoptPropose, 2)
	if err := os.Remove(p.Settings); err != nil {
		t.Fatal(err)
	}
	write(p.SiteSettings, "adopt = 'off'")
	wait("the site's file", core.AdoptOff, 0)
	for len(seen) > 0 {
		<-seen
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	wait("SIGHUP", core.AdoptOff, 0)
	select {
	case <-looks:
	case <-time.After(patience):
		t.Error("at the SIGHUP logind and PID 1 were not looked at")
	}
}

func TestRunsOutside(t *testing.T) {
	t.Parallel()
	outside := runsOutside([]core.Unit{
		{Name: "db.service", Kind: "container", Container: "db", Active: "inactive"},
		{Name: "web.service", Kind: "container", Container: "web", Active: "failed", Needs: []string{"db.service"}},
		{Name: "x.service", Kind: "container", Container: "x", Active: "failed"},
	}, []core.Unkept{{Name: "db"}})
	for name, want := range map[string]string{"db.service": "db.service db", "web.service": "db.service db", "x.service": " ", "y.service": " "} {
		if unit, container := outside(name); unit+" "+container != want {
			t.Errorf("%s: got %q %q", name, unit, container)
		}
	}
}
