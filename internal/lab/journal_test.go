package lab

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestJournalCommands has the user manager stopped by root through sudo and by the account
// in a session, and sees what internal/journal finds of that, with the account in the
// group systemd-journal and without.
func TestJournalCommands(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "journal.test")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", program, "keeper/internal/journal")
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, suite := range []string{"trixie", "bookworm"} {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			h := testHost(t, Options{Name: "journal-" + suite, Suite: suite})
			journalCommands(t, h, program)
		})
	}
}

func journalCommands(t *testing.T, h *Host, program string) {
	ctx := within(t, 3*time.Minute)
	if err := h.Linger(ctx); err != nil {
		t.Fatal(err)
	}
	if err := h.copyFile(ctx, program, "/home/"+User+"/journal.test"); err != nil {
		t.Fatal(err)
	}
	sh(t, h, "useradd --create-home boss; echo 'boss ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/boss; echo '"+User+" ALL=(ALL) NOPASSWD: ALL' >>/etc/sudoers.d/boss; chmod 440 /etc/sudoers.d/boss")
	begin := time.Now().Add(-time.Second).UTC().Format(time.RFC3339Nano)
	// The account is asked as a login of its own has it: with the groups of now.
	ask := func() string {
		sh(t, h, "journalctl --sync")
		return sh(t, h, "cd /tmp; exec runuser -u "+User+" -- env KEEPER_JOURNAL_SINCE="+begin+" /home/"+User+"/journal.test -test.run TestLiveCommands")
	}
	terminate := "loginctl terminate-user " + User
	s := must[*Session](t)(h.OpenSession(ctx))
	if err := s.Type("logger -t sudo 'root : TTY=pts/9 ; PWD=/ ; USER=root ; COMMAND=/usr/bin/forged'; sudo -n /bin/true --password=hunter2; " + terminate); err != nil {
		t.Fatal(err)
	}
	await(t, 30*time.Second, "the session ends", func(ctx context.Context) bool {
		out, err := h.Output(ctx, "loginctl", "show-session", s.ID)
		return err != nil || strings.Contains(out, "State=closing")
	})
	sh(t, h, "systemctl start "+userManager+"; su - boss -c 'sudo -n "+terminate+"'")

	without := ask()
	for _, want := range []string{"usermod -aG systemd-journal " + User, "sudo " + User + ": PWD="} {
		if !strings.Contains(without, want) {
			t.Errorf("without the group, %q is not found:\n%s", want, without)
		}
	}
	if strings.Contains(without, "sudo boss: ") {
		t.Errorf("the account sees the journal of others without the group:\n%s", without)
	}
	sh(t, h, "usermod -aG systemd-journal "+User)
	with := ask()
	for _, want := range []string{
		"error: <nil>",
		"sudo boss: PWD=/home/boss ; USER=root ; COMMAND=/usr/bin/" + terminate,
		"sudo " + User + ": PWD=", "--password=***",
		"systemd : Stopping " + userManager,
		"systemd-logind " + User + ": Removed session " + s.ID,
	} {
		if !strings.Contains(with, want) {
			t.Errorf("%q is not found:\n%s", want, with)
		}
	}
	for _, never := range []string{"forged", "hunter2"} {
		if strings.Contains(with+without, never) {
			t.Errorf("%q is shown:\n%s", never, with)
		}
	}
	t.Log(with)
}
