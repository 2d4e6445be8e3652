package lab

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

// rootListing is all that root's part could leave behind.
func rootListing(t *testing.T, h *Host) string {
	t.Helper()
	files := sh(t, h, `find /etc /usr/libexec /usr/lib/systemd /usr/local /run/keeper /run/systemd/system /root -path /root/keeper -prune -o -printf '%p %M %u %g\n' 2>/dev/null | sort || :`)
	units := sh(t, h, "systemctl show --property=Id,DropInPaths,RefuseManualStop,StartLimitIntervalUSec,ExecStopPost "+userManager+" "+runtimeDir+
		"; systemctl list-units --all --plain --no-legend '*keeper*'")
	return files + units
}

// TestReviveStandsDown gives, one by one, the reasons to leave the user manager
// where it is, and takes them back. The host has no stack: it is about user@.
func TestReviveStandsDown(t *testing.T) {
	t.Parallel()
	h := testHost(t, Options{Name: "guards"})
	ctx := t.Context()
	if err := h.Linger(ctx); err != nil {
		t.Fatal(err)
	}
	before := rootListing(t, h)
	installRoot(t, h, rootHow(t))
	mark := fmt.Sprintf("/etc/keeper/stand-down/%d", UID)
	name := fmt.Sprintf("/etc/keeper/users/%d", UID)
	const state = "/home/" + User + "/.local/state/keeper"
	for _, c := range []struct {
		name     string
		down, up string
		says     string // in the journal
		late     bool   // up needs the user manager
	}{
		{name: "the mark", down: "mkdir /etc/keeper/stand-down; touch " + mark, up: "rm -r /etc/keeper/stand-down", says: "put the mark " + mark},
		{name: "the mark, dangling", down: "mkdir /etc/keeper/stand-down; ln -s /nowhere " + mark, up: "rm -r /etc/keeper/stand-down", says: "put the mark " + mark},
		{name: "another name", down: "cp -p " + name + " /root/name; echo somebody >" + name, up: "mv /root/name " + name, says: "was installed for somebody"},
		{name: "no name", down: "mv " + name + " /root/name", up: "mv /root/name " + name, says: "does not say whose it is"},
		{name: "renamed", down: "cp -p /etc/passwd /root/passwd; sed -i s/^" + User + ":/other:/ /etc/passwd", up: "mv /root/passwd /etc/passwd", says: "is other's now"},
		// The hook of a unit whose user is gone cannot run: OnFailure= does.
		{name: "removed", down: "cp -p /etc/passwd /root/passwd; sed -i /^" + User + ":/d /etc/passwd", up: "mv /root/passwd /etc/passwd", says: "there is no account with this uid"},
		{name: "locked", down: "usermod --lock " + User, up: "usermod --unlock " + User, says: "is locked"},
		{name: "expired", down: "usermod --expiredate 2001-01-01 " + User, up: "usermod --expiredate '' " + User, says: "has expired"},
		{name: "paused", down: asAccount("keeper pause"), up: asAccount("keeper resume"), says: "paused keeper"},
		{name: "paused for a while", down: asAccount("keeper pause --for 1h"), up: asAccount("keeper resume"), says: "paused keeper"},
		{name: "a pause that cannot be read", down: asAccount("sh -c 'echo {>.local/state/keeper/pause.json'"), up: asAccount("keeper resume"), says: "paused keeper"},
		{name: "disabled", down: asAccount("systemctl --user disable keeper"), up: asAccount("systemctl --user enable --now keeper"), says: "disabled keeper", late: true},
		{name: "masked", down: asAccount("sh -c 'mv .config/systemd/user/keeper-session.service . && ln -s /dev/null .config/systemd/user/keeper-session.service'"),
			up: asAccount("mv keeper-session.service .config/systemd/user/"), says: "disabled keeper"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := within(t, time.Minute)
			sh(t, h, "rm -f "+backoffFile)
			sh(t, h, c.down)
			strikeManager(t, h)
			refused := awaitJournal(t, h, fmt.Sprintf("keeper: user@%d is not brought back: ", UID))
			if !strings.Contains(refused, c.says) {
				t.Errorf("the journal says %q, not %q", refused, c.says)
			}
			assertDownFor(t, h, 500*time.Millisecond)
			if !c.late {
				sh(t, h, c.up)
			}
			sh(t, h, "systemctl start "+userManager)
			if c.late {
				sh(t, h, c.up)
			}
			life := invocation(ctx, h)
			strikeManager(t, h)
			awaitNewLife(t, h, life)
		})
	}

	// These keep it from acting for a while at most.
	for _, c := range []struct {
		name       string
		begin, end string
		says       string
		holds      bool // until its end
	}{
		{name: "a pause that has ended", begin: asAccount("sh -c 'echo \"{\\\"until\\\": \\\"2001-01-01T01:00:00+01:00\\\"}\" >.local/state/keeper/pause.json'"), end: asAccount("keeper resume"), says: "is brought back"},
		{name: "no password at all", begin: "getent shadow " + User + " | cut -d: -f2 >/root/hash; usermod --password '!' " + User,
			end: "usermod --password \"$(cat /root/hash)\" " + User + "; rm /root/hash", says: "is brought back"},
		// fuse-overlayfs is a file system of which a process must answer.
		{name: "a home that hangs", begin: "mkdir /tmp/lower; fuse-overlayfs -o allow_other,lowerdir=/tmp/lower " + state + "; kill -STOP $(pgrep -x fuse-overlayfs)",
			end: "kill -CONT $(pgrep -x fuse-overlayfs); umount --lazy " + state + "; rmdir /tmp/lower", says: "cannot be told"},
		{name: "a directory that is away", begin: "cp -p /etc/passwd /etc/nsswitch.conf /root; sed -i /^" + User + ":/d /etc/passwd; sed -i 's/^passwd:.*/passwd: files sss/' /etc/nsswitch.conf",
			end: "mv /root/passwd /root/nsswitch.conf /etc", says: "whose uid that is cannot be told", holds: true},
		{name: "systemd executed anew", begin: "(for i in 1 2 3 4 5 6 7 8 9 10; do systemctl daemon-reexec; done) >/dev/null 2>&1 &", end: ":", says: "is brought back"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sh(t, h, "rm -f "+backoffFile)
			life := invocation(t.Context(), h)
			sh(t, h, c.begin)
			strikeManager(t, h)
			if c.holds {
				awaitJournal(t, h, c.says)
				sh(t, h, c.end)
			}
			took := awaitNewLife(t, h, life)
			awaitJournal(t, h, c.says)
			if !c.holds {
				sh(t, h, c.end)
			}
			t.Logf("back after %.2f s", took.Seconds())
		})
	}

	t.Run("backoff", func(t *testing.T) {
		sh(t, h, "rm -f "+backoffFile)
		var waits []string
		for i := range 6 {
			life := invocation(t.Context(), h)
			strikeManager(t, h)
			awaitNewLife(t, h, life)
			if i >= 3 {
				_, rest, _ := strings.Cut(awaitJournal(t, h, "ended again"), "brought back in ")
				wait, _, _ := strings.Cut(rest, ";")
				waits = append(waits, wait)
			}
		}
		if got := strings.Join(waits, ", "); got != "2 s, 4 s, 8 s" {
			t.Errorf("the waits are %s", got)
		}
		// A life of ten minutes, and it begins anew.
		sh(t, h, fmt.Sprintf(`read -r up _ </proc/uptime; echo "9 $((${up%%.*} - 601))" >%s`, backoffFile))
		life := invocation(t.Context(), h)
		strikeManager(t, h)
		t.Logf("back after %.2f s", awaitNewLife(t, h, life).Seconds())
		if out := sh(t, h, "cat "+backoffFile); !strings.HasPrefix(out, "1 ") {
			t.Errorf("it did not begin anew: %s", out)
		}
	})

	t.Run("rescue mode", func(t *testing.T) {
		waiting(t, h)
		begin := time.Now()
		if _, err := h.Output(within(t, 20*time.Second), "systemctl", "rescue"); err != nil {
			t.Fatal(err)
		}
		t.Logf("systemctl rescue took %.2f s", time.Since(begin).Seconds())
		assertDownFor(t, h, 2*time.Second)
		sh(t, h, "systemctl default; systemctl start "+userManager)
	})

	t.Run("installation", func(t *testing.T) { reinstalls(t, h) })
	t.Run("kept down", func(t *testing.T) { keptDown(t, h) })
	t.Run("several accounts", func(t *testing.T) { accounts(t, h) })
	t.Run("uninstallation", func(t *testing.T) {
		// The armor swallows a terminate-user, and logind still means it.
		sh(t, h, "systemctl --user -M "+User+"@ stop keeper keeper-session; loginctl terminate-user "+User)
		how := rootHow(t)
		if out, err := h.Uninstall(t.Context(), InstallOptions{System: true}); err != nil || !strings.Contains(out, "root's part is removed") {
			t.Fatal(out, err)
		}
		if after := rootListing(t, h); after != before {
			t.Errorf("it left a trace:\n%s", difference(before, after))
		}
		await(t, 5*time.Second, "logind means the user to stay", func(ctx context.Context) bool {
			out, _ := h.Output(ctx, "loginctl", "show-user", User, "--property=State", "--value")
			return strings.TrimSpace(out) == "lingering"
		})
		installRoot(t, h, how)
		out, err := h.Uninstall(t.Context(), InstallOptions{Root: true})
		if err != nil {
			t.Fatal(err)
		}
		if after := rootListing(t, h); after != before {
			t.Errorf("it left a trace. It said:\n%s\n%s", out, difference(before, after))
		}
		oldCommandsWork(t, h)
	})
}

// strikeManager kills the user manager with all of its processes.
func strikeManager(t *testing.T, h *Host) {
	t.Helper()
	// Not even that systemd answers is certain here.
	sh(t, h, "date +%s.%N >/run/struck; until systemctl kill -s KILL "+userManager+" 2>/dev/null; do :; done")
}

// awaitJournal returns the first line that root's part wrote since the strike
// and that contains what.
func awaitJournal(t *testing.T, h *Host, what string) string {
	t.Helper()
	var found string
	await(t, 15*time.Second, "the journal says "+what, func(ctx context.Context) bool {
		out, _ := h.Output(ctx, "sh", "-c", fmt.Sprintf("journalctl --no-pager -o cat -u keeper-revive@%d --since=@$(cat /run/struck)", UID))
		for _, line := range strings.Split(out, "\n") {
			if strings.Contains(line, what) {
				found = line
				return true
			}
		}
		return false
	})
	return found
}

// waiting leaves the host with a user manager that is dead and a helper that
// waits for minutes.
func waiting(t *testing.T, h *Host) {
	t.Helper()
	sh(t, h, fmt.Sprintf(`mkdir -p /run/keeper/revive; read -r up _ </proc/uptime; echo "12 ${up%%.*}" >%s`, backoffFile))
	strikeManager(t, h)
	awaitJournal(t, h, "is brought back in 300 s")
}

// reinstalls installs again, stopped half-way, over an edited file, and with
// the armor off and on.
func reinstalls(t *testing.T, h *Host) {
	const again = "cd /root/keeper && sh deploy/install.sh --user " + User + " --system"
	armed := func() string {
		return strings.Join(strings.Fields(sh(t, h, "systemctl show --property=RefuseManualStop --value "+userManager+" "+runtimeDir)), " ")
	}
	life := invocation(t.Context(), h)
	if out := sh(t, h, again); strings.Count(out, "nothing had to be changed") != 2 {
		t.Errorf("a second installation changed something:\n%s", out)
	}
	// Stopped half-way: the first file cannot be put in its place.
	const shim = "printf '#!/bin/sh\\nexit 1\\n' >/tmp/mv; chmod +x /tmp/mv; mount --bind /tmp/mv /usr/bin/mv; trap 'umount /usr/bin/mv; rm /tmp/mv' EXIT; "
	if out, err := h.Output(t.Context(), "sh", "-c", shim+again+" --no-armor"); err == nil {
		t.Errorf("it was not interrupted:\n%s", out)
	}
	if sh(t, h, again+" --no-armor"); armed() != "no no" {
		t.Errorf("the armor is on: %s", armed())
	}
	if sh(t, h, again); armed() != "yes yes" {
		t.Errorf("the armor is off: %s", armed())
	}
	edited := fmt.Sprintf("/etc/systemd/system/%s.d/50-keeper.conf", userManager)
	sh(t, h, "echo '# mine' >>"+edited)
	if out, err := h.Output(t.Context(), "sh", "-c", again+" --no-armor"); err == nil || !strings.Contains(out, edited+" is not keeper's or was edited") || armed() != "yes yes" {
		t.Errorf("an edited drop-in was not left alone: %v %s", err, out)
	}
	sh(t, h, again+" --replace")
	if out, err := h.Output(t.Context(), "sh", "-c", "cp -r /root/keeper /tmp/keeper; chown -R "+User+" /tmp/keeper/systemd; sh /tmp/keeper/deploy/install.sh --system --user "+User); err == nil || !strings.Contains(out, "not root's alone") {
		t.Errorf("what the account can write was installed for root: %v %s", err, out)
	}
	sh(t, h, "rm -r /tmp/keeper")
	if now := invocation(t.Context(), h); now != life {
		t.Error("the installation restarted the user manager")
	}
}

// accounts: what is shared goes with the last, and an account is removed for
// good, with root's part taken out before it or after it.
func accounts(t *testing.T, h *Host) {
	const install = "sh deploy/install.sh --system --user "
	end := func(name string, uid int) string {
		return fmt.Sprintf(`mkdir -p /etc/keeper/stand-down; touch /etc/keeper/stand-down/%[2]d; loginctl disable-linger %[1]s; loginctl terminate-user %[1]s || :
			until userdel --remove %[1]s 2>/dev/null; do sleep 0.1; done
			rm -r /etc/keeper/stand-down; `, name, uid)
	}
	sh(t, h, "cd /root/keeper; useradd --create-home --uid 1001 second; useradd --create-home --uid 1002 third; "+install+"second; "+install+"third; "+
		"sh deploy/install.sh --uninstall --system --user "+User+`
		test -x /usr/libexec/keeper/revive; test -e /etc/keeper/users/1001; ! test -e /etc/keeper/users/1000; `+install+User)
	sh(t, h, "cd /root/keeper; sh deploy/install.sh --uninstall --system --user second; "+end("second", 1001))
	// The armor holds against terminate-user, so the slice is stopped.
	sh(t, h, "cd /root/keeper; mkdir /etc/keeper/stand-down; touch /etc/keeper/stand-down/1002; systemctl stop user-1002.slice; "+end("third", 1002)+"sh deploy/install.sh --uninstall --user third")
	sh(t, h, "test -x /usr/libexec/keeper/revive; test -e /etc/keeper/users/1000; ! test -e /etc/keeper/users/1001; ! test -e /etc/keeper/users/1002")
}

// keptDown is what docs/how-to/standing-down.md says of an account with the armor.
func keptDown(t *testing.T, h *Host) {
	ctx := within(t, time.Minute)
	sh(t, h, fmt.Sprintf("mkdir /etc/keeper/stand-down; touch /etc/keeper/stand-down/%d; loginctl disable-linger %s; systemctl stop %s", UID, User, userSlice))
	if err := h.WaitUserForgotten(ctx); err != nil {
		t.Error(err)
	}
	assertDownFor(t, h, time.Second)
	sh(t, h, "rm -r /etc/keeper/stand-down; loginctl enable-linger "+User+"; systemctl start "+userManager)
}

// oldCommandsWork: stopping means stopped again, with everything out.
func oldCommandsWork(t *testing.T, h *Host) {
	ctx := within(t, time.Minute)
	sh(t, h, "loginctl enable-linger "+User+"; systemctl start "+userManager+"; systemctl stop "+userManager)
	assertDownFor(t, h, 2*time.Second)
	sh(t, h, "systemctl start "+userManager+"; loginctl terminate-user "+User)
	awaitDown(t, h)
	if err := h.WaitUserForgotten(ctx); err != nil {
		t.Error(err)
	}
}

// difference are the lines that only one of the two has.
func difference(before, after string) string {
	var d strings.Builder
	for sign, pair := range map[string][2]string{"-": {before, after}, "+": {after, before}} {
		for _, line := range strings.Split(pair[0], "\n") {
			if !strings.Contains(pair[1], line) {
				fmt.Fprintln(&d, sign, line)
			}
		}
	}
	return d.String()
}

// TestReviveAndShutdown: a machine that goes down does so at once, whatever
// root's part is about to do.
func TestReviveAndShutdown(t *testing.T) {
	t.Parallel()
	justKilled := "systemctl kill -s KILL " + userManager + "; "
	// The user manager fails to stop in time: OnFailure= is called as well.
	stuck := "printf '[Service]\\nTimeoutStopSec=2\\n' >/etc/systemd/system/" + userManager + ".d/90-stuck.conf; systemctl daemon-reload; " +
		asAccount(`systemd-run --user --property=KillMode=process sh -c 'trap "" TERM; while :; do sleep 1; done'`) + "; "
	for _, c := range []struct {
		name, first, line string
		waits, reboots    bool
	}{
		{name: "poweroff while it waits", line: "systemctl poweroff", waits: true},
		{name: "poweroff, the manager just killed", line: justKilled + "systemctl poweroff"},
		{name: "poweroff.target while it waits", line: "systemctl start --no-block poweroff.target", waits: true},
		{name: "poweroff.target, the manager just killed", line: justKilled + "systemctl start --no-block poweroff.target"},
		{name: "poweroff.target, the manager does not stop", first: stuck, line: "systemctl start --no-block poweroff.target"},
		{name: "reboot while it waits", line: "systemctl reboot", waits: true, reboots: true},
		{name: "reboot, the manager just killed", line: justKilled + "systemctl reboot", reboots: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := testHost(t, Options{Name: "down"})
			installRoot(t, h, rootHow(t))
			leader := fmt.Sprintf("/proc/%d", h.Leader)
			if c.waits {
				waiting(t, h)
			}
			sh(t, h, ": ; "+c.first)
			begin := time.Now()
			_, _ = h.Output(t.Context(), "sh", "-c", c.line)
			await(t, 8*time.Second, "the machine is down", func(context.Context) bool { return !exists(leader) })
			t.Logf("down after %.1f s", time.Since(begin).Seconds())
			if c.reboots {
				if err := h.waitRunning(t.Context()); err != nil {
					t.Fatal(err)
				}
				await(t, 10*time.Second, "the user manager starts at boot", func(ctx context.Context) bool {
					return managerState(ctx, h) == "active"
				})
			}
		})
	}
}
