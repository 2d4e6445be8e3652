package lab

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// fakeDaemon listens where a daemon of keeper's would, and answers each question with what
// the shell's word for it is: a lie, or a flood.
const fakeDaemon = `use IO::Socket::UNIX; my ($path, $what) = @ARGV;
my $l = IO::Socket::UNIX->new(Type => SOCK_STREAM(), Local => $path, Listen => 5) or die; $SIG{PIPE} = "IGNORE"; $SIG{CHLD} = "IGNORE";
while (my $c = $l->accept) { next if fork; $c->autoflush(1); sysread($c, my $q, 4096); print $c "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";
  if ($what eq "flood") { while (print $c "[" x 65536) {} }
  else { print $c qq({"version":1,"user":"flowstate","uid":1000,"well":true,"problems":[{"what":"\\u001b[31mall is lost"}]}); }
  exit; }`

// TestEveryone: root asks all accounts of a host, of whom one is well, one's daemon is
// stopped, two have something else in its place, and one has none. It hears of each within
// the time for one, and each is asked by a process of its own.
func TestEveryone(t *testing.T) {
	t.Parallel()
	h := testHost(t, Options{Name: "everyone"})
	ctx := within(t, 2*time.Minute)
	if err := h.Install(ctx, InstallOptions{Binary: testKeeper(t)}, os.Stderr); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"keeper", "keeper-guard", "keeper-adopt"} {
		f, err := os.Open(filepath.Join(filepath.Dir(testKeeper(t)), name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := h.Run(ctx, Exec{Stdin: f}, "sh", "-ec", "cat >/usr/local/bin/"+name+"; chmod 0755 /usr/local/bin/"+name); err != nil {
			t.Fatal(err)
		}
	}
	sh(t, h, `for u in stopped flood forger plain; do useradd -m -s /bin/bash $u; loginctl enable-linger $u; done
		touch /var/lib/systemd/linger/nobody-knows
		as() { u=$1; shift; systemd-run --quiet --uid=$u --setenv=HOME=/home/$u --setenv=XDG_RUNTIME_DIR=/run/user/$(id -u $u) --unit=fake-$u "$@"; }
		for u in stopped flood forger; do
			while ! runuser -u $u -- mkdir -p /run/user/$(id -u $u)/keeper; do sleep 0.1; done
		done
		as stopped /usr/local/bin/keeper run
		while ! [ -S /run/user/$(id -u stopped)/keeper/keeper.sock ] || ! [ -s /home/stopped/.local/state/keeper/state.json ]; do sleep 0.1; done
		systemctl kill -s STOP fake-stopped`)
	for _, who := range []string{"flood", "forger"} {
		if out, err := h.Output(ctx, "sh", "-ec", `systemd-run --quiet --uid=`+who+` --unit=fake-`+who+` perl -e "$1" /run/user/$(id -u `+who+`)/keeper/keeper.sock `+who, "sh", fakeDaemon); err != nil {
			t.Fatal(err, out)
		}
	}
	await(t, 20*time.Second, "keeper runs, and so do the others", func(c context.Context) bool {
		_, err := h.Output(c, "sh", "-ec", "systemctl --user -M flowstate@ is-active keeper; [ -S /run/user/$(id -u flood)/keeper/keeper.sock ]; [ -S /run/user/$(id -u forger)/keeper/keeper.sock ]")
		return err == nil
	})

	t.Run("status", func(t *testing.T) {
		begun := time.Now()
		// Beside it: whose is the process that asks the daemon that does not answer?
		out := sh(t, h, `set +e; id -u stopped; exec 7</etc/shadow; keeper status --all-users --json >/tmp/json 2>/tmp/errs & p=$!
			n=0; while [ -z "$(pgrep -u stopped -f '^keeper status --json')" ] && [ $n -lt 100 ]; do sleep 0.05; n=$((n+1)); done
			grep -h -E '^(Uid|Gid|CapEff):' /proc/$(pgrep -u stopped -f '^keeper status --json')/status | tr -s '\t\n' ' '
			ls -l /proc/$(pgrep -u stopped -f '^keeper status --json')/fd | grep -c /etc/shadow
			wait $p; echo code $?; pgrep -c -f '^keeper status'; true`)
		if took := time.Since(begun); took > 20*time.Second {
			t.Errorf("it took %s", took)
		}
		// Its uid, its gid, no capability, nothing open of root's; all ended with the command.
		uid, child, _ := strings.Cut(strings.Join(strings.Fields(out), " "), " ")
		if want := strings.ReplaceAll("Uid: U U U U Gid: U U U U CapEff: 0000000000000000 0 code 1 0", " U", " "+uid); child != want {
			t.Errorf("the child, and how it ended: got %q, want %q", child, want)
		}
		var answer struct {
			Version  int
			Accounts []struct{ User, State, Error, Daemon string }
		}
		if err := json.Unmarshal([]byte(sh(t, h, "cat /tmp/json")), &answer); err != nil || answer.Version != 1 {
			t.Fatal(err, answer)
		}
		states := map[string]string{"flowstate": "well", "stopped": "no daemon", "flood": "unknown", "forger": "unknown", "plain": "not kept", "nobody-knows": "unknown"}
		for _, a := range answer.Accounts {
			if states[a.User] != a.State {
				t.Errorf("%s is %q (%s), want %q", a.User, a.State, a.Error, states[a.User])
			}
			if a.User == "forger" && a.Error != "its answer is about another account" {
				t.Errorf("the forger: %s", a.Error)
			}
			delete(states, a.User)
		}
		if len(states) > 0 {
			t.Errorf("not told of: %v", states)
		}
	})

	t.Run("table", func(t *testing.T) {
		out, _ := h.Output(within(t, 30*time.Second), "keeper", "status", "--all-users")
		if strings.Contains(out, "\x1b") || !strings.Contains(out, "flowstate") || strings.Contains(out, "all is lost") {
			t.Errorf("%q", out)
		}
	})

	t.Run("doctor", func(t *testing.T) {
		sh(t, h, `rm /var/lib/systemd/linger/nobody-knows
			for u in stopped flood forger; do systemctl kill -s KILL fake-$u; done
			while systemctl --quiet is-active fake-stopped; do sleep 0.05; done # it would set linger again
			for u in stopped flood forger; do loginctl disable-linger $u; done`)
		type finding struct{ ID, Severity, What string }
		var all struct {
			Accounts []struct {
				User, State string
				Examined    bool
				Findings    []finding
			}
		}
		out := sh(t, h, "keeper doctor --all-users --json 2>/dev/null || :")
		if err := json.Unmarshal([]byte(out), &all); err != nil || len(all.Accounts) != 2 {
			t.Fatal(err, out)
		}
		a, plain := all.Accounts[0], all.Accounts[1]
		if a.User != User || !a.Examined || plain.User != "plain" || plain.Examined || plain.State != "not kept" {
			t.Fatal(out)
		}
		// The child finds what the account's own doctor finds.
		own := must[string](t)(h.UserOutput(within(t, 60*time.Second), "sh", "-c", ".local/bin/keeper doctor --json 2>/dev/null || :"))
		var its struct{ Findings []finding }
		if err := json.Unmarshal([]byte(own), &its); err != nil {
			t.Fatal(err, own)
		}
		its.Findings = slices.DeleteFunc(its.Findings, func(f finding) bool { return f.Severity != "warn" && f.Severity != "bad" })
		if !slices.Equal(a.Findings, its.Findings) {
			t.Errorf("root's child found %q, its own doctor %q", a.Findings, its.Findings)
		}
	})

	t.Run("refusals", func(t *testing.T) {
		out, err := h.Output(within(t, 20*time.Second), "sh", "-c", "chmod 0775 /usr/local/bin/keeper; keeper status --all-users; r=$?; chmod 0755 /usr/local/bin/keeper; exit $r")
		if err == nil || !strings.Contains(out, "can be written by others") {
			t.Errorf("a program that others can write: %v %s", err, out)
		}
		if out, err = keeper(within(t, 20*time.Second), h, "status", "--all-users"); err == nil || !strings.Contains(out, "only root may") {
			t.Errorf("an account asks: %v %s", err, out)
		}
		if out, err = h.Output(within(t, 20*time.Second), "keeper", "doctor"); err == nil || !strings.Contains(out, "root has no stack of its own") {
			t.Errorf("root asks for itself: %v %s", err, out)
		}
	})
}
