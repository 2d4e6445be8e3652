package lab

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"
)

// homeListing is every file of the account with its checksum, but for the
// checkout that is installed from, what the daemon writes as it goes, and what Podman
// makes when keeper doctor asks it.
func homeListing(t *testing.T, h *Host) string {
	t.Helper()
	out, err := h.Output(within(t, 20*time.Second), "sh", "-ec",
		`cd /home/`+User+`; find . -path ./keeper -prune -o -path ./.local/share/containers -prune -o -path ./.config/cni -prune -o -path './.local/state/keeper/*.json*' -prune -o -path './.local/state/keeper/history' -prune -o -path './.local/state/keeper/recordings' -prune -o -type f -exec sha256sum {} + -o -print | sort`)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestInstall installs, installs again, edits, and takes out: as the account,
// and as root for it.
func TestInstall(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name          string
		root          bool
		lingersBefore bool
	}{{name: "by the account"}, {name: "by root for the account, which lingers", root: true, lingersBefore: true}} {
		t.Run(c.name, func(t *testing.T) {
			h := testHost(t, Options{Name: "install"})
			ctx := within(t, 2*time.Minute)
			if c.lingersBefore {
				if err := h.Linger(ctx); err != nil {
					t.Fatal(err)
				}
			}
			// A person's own things, which must still be there at the end.
			if _, err := h.UserOutput(ctx, "sh", "-ec", `mkdir -p .local/bin .local/share .config/systemd/user
				echo mine >.local/bin/mine; echo '[Unit]' >.config/systemd/user/mine.service`); err != nil {
				t.Fatal(err)
			}
			before := homeListing(t, h)
			how := InstallOptions{Binary: testKeeper(t), Root: c.root}
			run := func() string {
				var out strings.Builder
				if err := h.Install(ctx, how, &out); err != nil {
					t.Fatal(err)
				}
				return out.String()
			}
			run()
			if _, err := keeper(ctx, h, "status"); err != nil {
				t.Errorf("not well after the installation: %v", err)
			}
			if out, err := h.UserOutput(ctx, "sh", "-c", "systemd-analyze --user verify .config/systemd/user/keeper*.service 2>&1"); err != nil || out != "" {
				t.Errorf("systemd does not like the units: %s %v", out, err)
			}
			owner, err := h.Output(ctx, "sh", "-c", "find /home/"+User+" ! -user "+User)
			if err != nil || strings.TrimSpace(owner) != "/home/"+User && strings.TrimSpace(owner) != "" {
				t.Errorf("root left files of its own in the home: %s %v", owner, err)
			}
			pid := status(t, h).Daemon.PID
			if out := run(); !strings.Contains(out, "nothing had to be changed") {
				t.Errorf("the second installation changed something:\n%s", out)
			}
			if now := status(t, h).Daemon.PID; now != pid {
				t.Error("the second installation restarted the daemon")
			}
			for _, program := range []string{"keeper-adopt", "keeper-guard"} {
				if _, err := h.UserOutput(ctx, "test", "-x", ".local/bin/"+program); err != nil {
					t.Errorf("%s is not installed: %v", program, err)
				}
			}
			refusesEdited(ctx, t, h, how)
			if !c.root {
				survivesInterruption(ctx, t, h)
				needsAll(ctx, t, h)
				keepsJournal(ctx, t, h, how)
			}

			out, err := h.Uninstall(ctx, how)
			if err != nil {
				t.Fatal(err)
			}
			await(t, 15*time.Second, "the account's manager and linger are as before", func(ctx context.Context) bool {
				return lingers(ctx, h) == c.lingersBefore && (managerState(ctx, h) == "active") == c.lingersBefore
			})
			if after := homeListing(t, h); after != before {
				t.Errorf("the home is not as before. Uninstall said:\n%s\nbefore:\n%s\nafter:\n%s", out, before, after)
			}
		})
	}
}

// TestInstallByRoot installs with root's part, for an account that lacks subordinate
// ids: a dry run first, then twice, and takes it out.
func TestInstallByRoot(t *testing.T) {
	t.Parallel()
	for _, suite := range []string{"trixie", "bookworm"} {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			h := testHost(t, Options{Name: "byroot-" + suite, Suite: suite})
			sh(t, h, "sed -i '/^"+User+":/d' /etc/subuid /etc/subgid; echo other:100000:65536 >>/etc/subgid; runuser -u "+User+" -- mkdir -p /home/"+User+"/.local/share /home/"+User+"/.config")
			// Without the checkout, what services of the host keep in /tmp, and the copies that usermod makes.
			everything := func() string {
				return homeListing(t, h) + sh(t, h, `find /etc /usr/libexec /usr/local /root /tmp /var/lib/systemd/linger \( -path /root/keeper -o -name 'systemd-private-*' -o -name 'sub?id-' \) -prune -o -type f -exec sha256sum {} + -o -print | sort`)
			}
			before := everything()
			// As docs/how-to/install.md has it: first see, then do.
			var buf bytes.Buffer
			if err := tarKeeper(&buf, testKeeper(t)); err != nil {
				t.Fatal(err)
			}
			if err := h.CopyIn(t.Context(), "root", "/root/keeper", &buf); err != nil {
				t.Fatal(err)
			}
			const script = "sh /root/keeper/deploy/install.sh --user " + User
			dry := sh(t, h, script+" --dry-run")
			for _, says := range []string{"would run: usermod --add-subuids ", "would write /home/" + User + "/.local/bin/keeper", "would run: loginctl enable-linger " + User,
				"would write /etc/systemd/system/user@1000.service.d/50-keeper.conf", "would run: keeper doctor"} {
				if !strings.Contains(dry, says) {
					t.Errorf("a dry run does not say %q:\n%s", says, dry)
				}
			}
			if now := everything(); now != before {
				t.Errorf("a dry run changed something:\n%s", difference(before, now))
			}

			out := sh(t, h, script)
			if got := sh(t, h, "grep -h ^"+User+": /etc/subuid /etc/subgid"); got != User+":165536:65536\n"+User+":165536:65536\n" {
				t.Errorf("it was given the subordinate ids %q\n%s", got, out)
			}
			for _, says := range []string{"good  root's part is in force", "good  linger is on", "To undo: " + strings.Replace(script, " --user", " --uninstall --user", 1)} {
				if !strings.Contains(out, says) {
					t.Errorf("it does not say %q:\n%s", says, out)
				}
			}
			installed := everything()
			pid := status(t, h).Daemon.PID
			out = sh(t, h, script)
			now := everything()
			if strings.Count(out, "nothing had to be changed") != 2 || now != installed || status(t, h).Daemon.PID != pid {
				t.Errorf("a second installation changed something:\n%s\n%s", out, difference(installed, now))
			}
			sh(t, h, script+" --uninstall --dry-run")
			if now := everything(); now != installed {
				t.Errorf("a dry run of the removal changed something:\n%s", difference(installed, now))
			}

			out = sh(t, h, script+" --uninstall")
			await(t, 15*time.Second, "the account's manager and linger are as before", func(ctx context.Context) bool {
				return !lingers(ctx, h) && managerState(ctx, h) != "active"
			})
			// Its containers' files belong to the subordinate ids: they stay.
			sh(t, h, "sed -i '/^"+User+":/d' /etc/subuid /etc/subgid")
			if now := everything(); now != before {
				t.Errorf("not all is as before. It said:\n%s\n%s", out, difference(before, now))
			}
		})
	}
}

// keepsJournal takes nothing out while a journal says where data is.
func keepsJournal(ctx context.Context, t *testing.T, h *Host, how InstallOptions) {
	t.Helper()
	sh := func(command string) {
		t.Helper()
		if out, err := h.UserOutput(ctx, "sh", "-ec", command); err != nil {
			t.Fatalf("%s: %v: %s", command, err, out)
		}
	}
	sh("echo '{}' >.local/state/keeper/adoption.json")
	if out, err := h.Uninstall(ctx, how); err == nil || !strings.Contains(out+err.Error(), "keeper adopt --undo") {
		t.Errorf("it was taken out in the middle of an adoption: %s %v", out, err)
	}
	sh("test -x .local/bin/keeper; systemctl --user is-active keeper; test -s .local/state/keeper/adoption.json; rm .local/state/keeper/adoption.json")
}

// survivesInterruption upgrades, with a cp that fails half-way, and again.
func survivesInterruption(ctx context.Context, t *testing.T, h *Host) {
	t.Helper()
	const upgrade = "sh keeper/deploy/install.sh"
	out, err := h.UserOutput(ctx, "sh", "-c", `mkdir /tmp/shim && printf '#!/bin/sh\nexit 1\n' >/tmp/shim/cp && chmod +x /tmp/shim/cp &&
		echo >>keeper/bin/keeper && PATH=/tmp/shim:$PATH `+upgrade)
	if err == nil {
		t.Fatalf("the upgrade was not interrupted:\n%s", out)
	}
	if out, err := h.UserOutput(ctx, "sh", "-c", upgrade); err != nil || !strings.Contains(out, "wrote /home/"+User+"/.local/bin/keeper") {
		t.Errorf("an upgrade that was interrupted cannot be finished: %s %v", out, err)
	}
	if _, err := keeper(ctx, h, "status"); err != nil {
		t.Errorf("not well after the upgrade: %v", err)
	}
}

// needsAll installs from a checkout in which keeper-adopt is missing.
func needsAll(ctx context.Context, t *testing.T, h *Host) {
	t.Helper()
	out, err := h.UserOutput(ctx, "sh", "-c", "mv keeper/bin/keeper-adopt /tmp/kept-adopt; sh keeper/deploy/install.sh 2>&1; code=$?; mv /tmp/kept-adopt keeper/bin/keeper-adopt; exit $code")
	if err == nil || !strings.Contains(out, "bin/keeper-adopt, which goes with keeper; build all with: make build") {
		t.Errorf("installed half of it: %s %v", out, err)
	}
}

// refusesEdited edits a unit, and sees that it is left alone and nothing else
// changed either.
func refusesEdited(ctx context.Context, t *testing.T, h *Host, how InstallOptions) {
	t.Helper()
	const unit = ".config/systemd/user/keeper.service"
	if _, err := h.UserOutput(ctx, "sh", "-ec", "cp "+unit+" /tmp/kept; echo '# mine' >>"+unit); err != nil {
		t.Fatal(err)
	}
	edited := homeListing(t, h)
	var out strings.Builder
	err := h.Install(ctx, how, &out)
	if err == nil || !strings.Contains(err.Error(), "keeper.service is not keeper's or was edited") {
		t.Errorf("an edited unit was not refused: %v", err)
	}
	if now := homeListing(t, h); now != edited {
		t.Error("a refused installation changed something")
	}
	if _, err := h.UserOutput(ctx, "cp", "/tmp/kept", unit); err != nil {
		t.Fatal(err)
	}
}
