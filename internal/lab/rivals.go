package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Rival is something that watches over services and restarts those that are ill.
type Rival string

// The rivals. Podman's is HealthOnFailure=kill, with Restart=always for the rest.
const (
	RivalPodman Rival = "podman"
	RivalMonit  Rival = "monit"
	RivalKeeper Rival = "keeper"
)

// Rivals are all of them. keeper comes last: it is installed when the others are
// through.
var Rivals = []Rival{RivalPodman, RivalMonit, RivalKeeper}

// ParseRivals returns the rivals of that name, all of them for none.
func ParseRivals(names []string) ([]Rival, error) {
	var chosen []Rival
	for _, n := range names {
		if !slices.Contains(Rivals, Rival(n)) {
			return nil, fmt.Errorf("there is no rival %q; the rivals are podman, monit and keeper", n)
		}
		chosen = append(chosen, Rival(n))
	}
	if len(chosen) == 0 {
		return Rivals, nil
	}
	return chosen, nil
}

// RivalOptions say how the rivals are compared.
type RivalOptions struct {
	Rivals []Rival
	// Blows is how often a service is made to hang with each; 0 leaves that out.
	Blows int
	// Interval is how often all of them ask in that race.
	Interval time.Duration
	// Counts are the numbers of services that the cost of watching is measured
	// with, Window how long it is measured.
	Counts []int
	Window time.Duration
	// PodmanMost is the most services that Podman's health checks are measured
	// with: each check is a process, and a machine has only so many cores.
	PodmanMost int
	// Binary is the keeper program; if empty, the one beside this program.
	Binary string
	Out    io.Writer
	Say    func(format string, args ...any)
}

// hangServer is a web server that answers no more once there is a file hang beside
// it: it takes connections, and answers none. A restart helps if there is a file
// once, too.
const hangServer = `use strict; use IO::Socket::INET;
my $s = IO::Socket::INET->new(LocalPort => shift, Listen => 64, ReuseAddr => 1) or die $!;
$SIG{TERM} = sub { exit 0 };
if (-e "/srv/once") { unlink "/srv/once", "/srv/hang" }
while (1) {
	sleep 1 while -e "/srv/hang";
	my $c = $s->accept or next;
	while (my $l = <$c>) { last if $l =~ /^\r?$/ }
	print $c "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nok\n";
	close $c;
}
`

// askServer is a health check of it, to be run in its container. In a unit a
// dollar is written twice.
func askServer(port int) string {
	return fmt.Sprintf(`perl -MIO::Socket::INET -e '$$SIG{ALRM}=sub{exit 1};alarm 1;my $$c=IO::Socket::INET->new("127.0.0.1:%d") or exit 1;print $$c "GET / HTTP/1.0\r\n\r\n";exit(<$$c> =~ / 200 / ? 0 : 1)'`, port)
}

// healthKeys are Podman's own supervision, for the [Container] section.
func healthKeys(interval time.Duration, port int) string {
	return fmt.Sprintf("HealthCmd=%s\nHealthInterval=%s\nHealthTimeout=1s\nHealthRetries=3\nHealthOnFailure=kill\n", askServer(port), interval)
}

// serverUnit is the Quadlet of such a server.
func serverUnit(name, container, xkeeper string) string {
	return fmt.Sprintf(`[Unit]
Description=A server that can be made to hang
[Container]
ContainerName=%[1]s
Image=docker.io/library/debian:trixie-slim
Pull=never
Volume=%%h/server:/srv
StopTimeout=2
%[2]s[Service]
Restart=always
RestartSec=1s
TimeoutStartSec=600
[Install]
WantedBy=default.target
[X-Keeper]
%[3]s`, name, container, xkeeper)
}

// putFile writes a file of the account, by its name below the home directory.
func (h *Host) putFile(ctx context.Context, name, text string) error {
	return h.Run(ctx, Exec{User: User, Stdin: strings.NewReader(text)}, "sh", "-ec", `mkdir -p "$(dirname "$1")"; cat >"$1.new"; mv "$1.new" "$1"`, "put", name)
}

// userScript runs a script as the account.
func (h *Host) userScript(ctx context.Context, script string) error {
	_, err := h.UserOutput(ctx, "sh", "-ec", script)
	return err
}

// CompareRivals measures keeper and its rivals on the same host, one after the
// other, and prints what came of it.
func CompareRivals(ctx context.Context, o RivalOptions) error {
	h, err := Up(ctx, Options{Name: fmt.Sprintf("rivals-%d", os.Getpid()), Images: true, Tied: true, Say: o.Say})
	if err != nil {
		return err
	}
	return errors.Join(compareRivals(ctx, h, o), h.Down())
}

func compareRivals(ctx context.Context, h *Host, o RivalOptions) error {
	if _, err := h.Output(ctx, "loginctl", "enable-linger", User); err != nil {
		return err
	}
	if err := h.WaitUserManager(ctx); err != nil {
		return err
	}
	// The kernel gives an account 200 keys (kernel.keys.maxkeys), on all hosts of the
	// lab together, and a container takes one.
	if _, err := h.Output(ctx, "sh", "-ec", `printf '[containers]\nkeyring = false\n' >/etc/containers/containers.conf.d/60-rivals.conf`); err != nil {
		return err
	}
	if err := h.putFile(ctx, "server/server.pl", hangServer); err != nil {
		return err
	}
	if o.Blows > 0 {
		if err := raceRivals(ctx, h, o); err != nil {
			return err
		}
	}
	for _, n := range o.Counts {
		if n == 0 {
			continue
		}
		if err := weighRivals(ctx, h, o, n); err != nil {
			return err
		}
	}
	return nil
}

// watched is what the rivals are to watch: servers on these ports of the host, the
// unit NAME-PORT each.
type watched struct {
	name     string
	ports    []int
	interval time.Duration
}

// begin sets the rival on, and end off again.
func (r Rival) begin(ctx context.Context, h *Host, w watched, binary string) error {
	switch r {
	case RivalMonit:
		if err := h.putFile(ctx, ".monitrc", monitrc(w)); err != nil {
			return err
		}
		return h.userScript(ctx, "chmod 600 .monitrc; systemd-run --user --quiet --unit=monit monit -I -c $HOME/.monitrc; sleep 1; systemctl --user is-active monit")
	case RivalKeeper:
		settings := fmt.Sprintf("[defaults]\ninterval = %q\ntimeout = \"1s\"\nfailures = 3\nrestarts = 100\n", w.interval)
		if err := h.putFile(ctx, ".config/keeper/keeper.toml", settings); err != nil {
			return err
		}
		if _, err := h.Output(ctx, "test", "-e", "/home/"+User+"/.local/bin/keeper"); err != nil {
			return h.Install(ctx, InstallOptions{Binary: binary}, io.Discard)
		}
		return h.userScript(ctx, "systemctl --user start keeper")
	}
	return nil
}

func (r Rival) end(ctx context.Context, h *Host) error {
	switch r {
	case RivalMonit:
		return h.userScript(ctx, "systemctl --user stop monit")
	case RivalKeeper:
		return h.userScript(ctx, "systemctl --user stop keeper")
	}
	return nil
}

// monitrc has monit ask each server and restart its unit. monit runs programs
// with no environment of its own.
func monitrc(w watched) string {
	var b strings.Builder
	fmt.Fprintf(&b, "set daemon %d\nset log /home/%[2]s/.monit.log\nset pidfile /home/%[2]s/.monit.pid\nset idfile /home/%[2]s/.monit.id\nset statefile /home/%[2]s/.monit.state\n", int(w.interval.Seconds()), User)
	for _, port := range w.ports {
		systemctl := fmt.Sprintf(`"/usr/bin/env XDG_RUNTIME_DIR=/run/user/%d /usr/bin/systemctl --user`, UID)
		unit := fmt.Sprintf(`%s-%d"`, w.name, port)
		fmt.Fprintf(&b, "check host %s-%d with address 127.0.0.1\n  start program = %s start %s\n  stop program = %s stop %s\n  restart program = %s restart %s\n"+
			"  if failed port %d protocol http with timeout 1 seconds for 3 cycles then restart\n", w.name, port, systemctl, unit, systemctl, unit, systemctl, unit, port)
	}
	return b.String()
}

// raceRivals makes a server hang with each rival, and measures when it ended the
// hung process and when the service answered again.
func raceRivals(ctx context.Context, h *Host, o RivalOptions) error {
	w := watched{name: "deaf", ports: []int{7001}, interval: o.Interval}
	found, back := map[Rival][]time.Duration{}, map[Rival][]time.Duration{}
	for _, r := range o.Rivals {
		container := "PublishPort=127.0.0.1:7001:7000\nExec=perl /srv/server.pl 7000\n"
		if r == RivalPodman {
			container += healthKeys(o.Interval, 7000)
		}
		if err := h.putFile(ctx, ".config/containers/systemd/deaf-7001.container", serverUnit("deaf-7001", container, "Probe=http\nLive=/\n")); err != nil {
			return err
		}
		if err := h.userScript(ctx, "systemctl --user daemon-reload; systemctl --user restart deaf-7001"); err != nil {
			return err
		}
		if err := r.begin(ctx, h, w, o.Binary); err != nil {
			return fmt.Errorf("%s: %w", r, err)
		}
		for i := range o.Blows {
			// Past what it counts before the service is well again, and at
			// another moment of its round each time.
			if err := pause(ctx, 4*o.Interval+o.Interval*time.Duration(i)/time.Duration(o.Blows)); err != nil {
				return err
			}
			f, b, err := h.hang(ctx)
			if err != nil {
				return fmt.Errorf("%s, blow %d: %w", r, i+1, err)
			}
			o.Say("%s: ended after %.2f s, answers after %.2f s", r, f.Seconds(), b.Seconds())
			found[r], back[r] = append(found[r], f), append(back[r], b)
			if r == RivalKeeper {
				// Its budget is not what is measured.
				if _, err := h.Keeper(ctx, "resume", "deaf-7001"); err != nil {
					return err
				}
			}
		}
		if err := r.end(ctx, h); err != nil {
			return err
		}
	}
	if err := h.userScript(ctx, "systemctl --user stop deaf-7001; rm .config/containers/systemd/deaf-7001.container; systemctl --user daemon-reload"); err != nil {
		return err
	}
	fmt.Fprintf(o.Out, "\nA service that hangs, %d times with each, asked every %s with 1 s to answer, restarted after 3 failures in a row; seconds from the hang:\n\n", o.Blows, o.Interval)
	return raceTable(o.Out, o.Rivals, found, back)
}

// raceTable prints the times and, where keeper ran, the medians against its.
func raceTable(out io.Writer, rivals []Rival, found, back map[Rival][]time.Duration) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "until\t\tmin\tmedian\tp90\tmax\tmedian against keeper's")
	for _, part := range []struct {
		name  string
		times map[Rival][]time.Duration
	}{{"the hung process is ended", found}, {"the service answers again", back}} {
		for _, r := range rivals {
			d := part.times[r]
			ratio := "-"
			if k := part.times[RivalKeeper]; len(k) > 0 && len(d) > 0 {
				ratio = fmt.Sprintf("%.2f", quantile(d, 0.5).Seconds()/quantile(k, 0.5).Seconds())
			}
			fmt.Fprintf(t, "%s\t%s\t%.2f\t%.2f\t%.2f\t%.2f\t%s\n", part.name, r,
				quantile(d, 0).Seconds(), quantile(d, 0.5).Seconds(), quantile(d, 0.9).Seconds(), quantile(d, 1).Seconds(), ratio)
		}
	}
	return t.Flush()
}

// quantile is the least of the times that so large a part of them is no longer
// than; that of nothing is 0.
func quantile(times []time.Duration, part float64) time.Duration {
	if len(times) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(times))
	i := int(part*float64(len(sorted)) + 0.999999)
	return sorted[min(max(i-1, 0), len(sorted)-1)]
}

// hang makes the server hang, and returns how long it was until its process was
// gone and until it answered again.
func (h *Host) hang(ctx context.Context) (gone, back time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	out, err := h.Output(ctx, "sh", "-ec", `pgrep -f '^perl /srv/server.pl 7000$'; cd /home/`+User+`/server; : >once; : >hang`)
	if err != nil {
		return 0, 0, err
	}
	leader, err := h.leader()
	if err != nil {
		return 0, 0, err
	}
	// What it sees of its own processes, this machine sees by its root.
	process := fmt.Sprintf("/proc/%d/root/proc/%s", leader, strings.TrimSpace(out))
	if !exists(process) {
		return 0, 0, fmt.Errorf("no process %s", process)
	}
	begin := time.Now()
	// It takes one more connection, and hangs from then on.
	_ = h.get(ctx, "http://127.0.0.1:7001/")
	for exists(process) {
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return 0, 0, fmt.Errorf("the hung process is not ended: %w", err)
		}
	}
	gone = time.Since(begin)
	for h.get(ctx, "http://127.0.0.1:7001/") != nil {
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return 0, 0, fmt.Errorf("the service does not answer again: %w", err)
		}
	}
	return gone, time.Since(begin), nil
}

// get asks for a page from within the host, which has half a second to come.
func (h *Host) get(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := h.HTTP().Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}
