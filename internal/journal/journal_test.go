package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fake is an asker whose journalctl is a script.
func fake(t *testing.T, script string) asker {
	t.Helper()
	dir := t.TempDir()
	a := asker{program: filepath.Join(dir, "journalctl"), uid: 1000, name: names,
		stores: []string{filepath.Join(dir, "var"), filepath.Join(dir, "run")}, machine: filepath.Join(dir, "machine-id")}
	if err := os.WriteFile(a.program, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(a.machine, []byte("0123\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return a
}

// keep makes a journal file in one of the stores.
func (a asker) keep(t *testing.T, store int, mode os.FileMode) {
	t.Helper()
	dir := filepath.Join(a.stores[store], "0123")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "system.journal"), nil, mode); err != nil {
		t.Fatal(err)
	}
}

const sudoLine = `{"__REALTIME_TIMESTAMP":"1795593012168000","_UID":"1000","_EXE":"/usr/bin/sudo","MESSAGE":"COMMAND=x"}`

func TestCommands(t *testing.T) {
	t.Parallel()
	a := fake(t, `[ "$LC_ALL" = C ] && [ -z "$HOME" ] && printf '%s\n' "$@" >$0.args && cat <<'END'
`+sudoLine+`
END
`)
	a.keep(t, 1, 0o644)
	list, err := a.commands(t.Context(), time.Unix(1795593010, 500), time.Unix(1795593020, 250_000_000))
	if err != nil || len(list) != 1 || list[0].User != "flowstate" {
		t.Fatalf("%+v %v", list, err)
	}
	args, err := os.ReadFile(a.program + ".args")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"--since=@1795593010.000000\n", "--until=@1795593020.250000\n", "--lines=200\n", "--output=json\n", "+\n_UID=0\n_COMM=systemd-logind\n+\n", "_PID=1\nUNIT=user@1000.service\n"} {
		if !strings.Contains(string(args), want) {
			t.Errorf("not asked for %q: %s", want, args)
		}
	}
}

// What the account may see counts, with the reason why there may be more.
func TestWhatMayNotBeRead(t *testing.T) {
	t.Parallel()
	a := fake(t, "cat <<'END'\n"+sudoLine+"\nEND\n")
	list, err := a.commands(t.Context(), time.Now(), time.Now())
	if !errors.Is(err, ErrNone) || len(list) != 1 {
		t.Errorf("no journal: %v %v", list, err)
	}
	if os.Getuid() == 0 {
		t.Skip("root may read everything")
	}
	a.keep(t, 0, 0)
	list, err = a.commands(t.Context(), time.Now(), time.Now())
	var denied *DeniedError
	if !errors.As(err, &denied) || !strings.Contains(err.Error(), "usermod -aG systemd-journal flowstate") || len(list) != 1 {
		t.Errorf("got %v, %v", list, err)
	}
	a.keep(t, 1, 0o644) // one that may be read is enough
	if _, err := a.commands(t.Context(), time.Now(), time.Now()); err != nil {
		t.Error(err)
	}
}

func TestJournalctlMisbehaves(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script, says string
	}{
		"fails":        {`printf '\033[31mno such thing' >&2; exit 3`, "exit status 3: ?[31mno such thing"},
		"floods":       {"yes '" + sudoLine + "'", "too long"},
		"floods by it": {`yes bad >&2`, "cannot read the journal"},
		"is missing":   {"", "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := fake(t, c.script)
			a.keep(t, 0, 0o644)
			if c.script == "" {
				a.program += ".missing"
			}
			list, err := a.commands(t.Context(), time.Now(), time.Now())
			if err == nil || !strings.Contains(err.Error(), c.says) || len(list) > maxLines {
				t.Errorf("%d lines, %v, want %q", len(list), err, c.says)
			}
		})
	}
	t.Run("hangs", func(t *testing.T) {
		t.Parallel()
		a := fake(t, "echo '"+sudoLine+"'; exec sleep 60")
		a.keep(t, 0, 0o644)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		list, err := a.commands(ctx, time.Now(), time.Now())
		if err == nil || !strings.Contains(err.Error(), "did not end") || len(list) != 1 {
			t.Errorf("%v %v", list, err)
		}
	})
}

// TestLiveCommands prints what is found on a host, for the lab.
func TestLiveCommands(t *testing.T) {
	since := os.Getenv("KEEPER_JOURNAL_SINCE")
	if since == "" {
		t.Skip("for the lab alone (TestJournalCommands)")
	}
	from, err := time.Parse(time.RFC3339Nano, since)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	list, err := Commands(t.Context(), from, begin.Add(time.Second))
	fmt.Printf("took %s\nerror: %v\n", time.Since(begin), err)
	for _, l := range said(list) {
		fmt.Println(l)
	}
}
