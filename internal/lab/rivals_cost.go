package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
)

// weighInterval is how often each service is asked where the cost is measured.
const weighInterval = 10 * time.Second

// accountCgroup is that of all that the account's user manager runs.
var accountCgroup = fmt.Sprintf("/sys/fs/cgroup/user.slice/user-%[1]d.slice/user@%[1]d.service", UID)

// weight is what watching costs.
type weight struct {
	// own is the CPU time of the rival's unit, all that of everything the account
	// runs, in the window; rss and pss are in KiB.
	own, all time.Duration
	rss, pss int
}

// weighRivals measures what it costs to watch n services that are well.
func weighRivals(ctx context.Context, h *Host, o RivalOptions, n int) error {
	w := watched{name: "tiny", interval: weighInterval}
	for i := range n {
		w.ports = append(w.ports, 10000+i)
	}
	o.Say("starting %d services", n)
	if err := h.startTiny(ctx, w, false); err != nil {
		return err
	}
	weights := map[Rival]weight{}
	podman := min(n, o.PodmanMost)
	// Nothing watches, at first: what the services cost themselves is taken off.
	idle, err := h.weigh(ctx, o.Window, "")
	if err != nil {
		return err
	}
	podmanIdle := idle
	for _, r := range o.Rivals {
		if r == RivalPodman {
			continue // its services are other ones
		}
		o.Say("%s watches %d services for %s", r, n, o.Window)
		if err := r.begin(ctx, h, w, o.Binary); err != nil {
			return fmt.Errorf("%s: %w", r, err)
		}
		// Until what it does at its start is over.
		if err := pause(ctx, 45*time.Second); err != nil {
			return err
		}
		got, err := h.weigh(ctx, o.Window, string(r)+".service")
		if err != nil {
			return err
		}
		weights[r] = got
		if r == RivalKeeper {
			if err := h.allWatched(ctx, w); err != nil {
				return err
			}
		}
		if err := r.end(ctx, h); err != nil {
			return err
		}
	}
	for _, r := range o.Rivals {
		if r != RivalPodman {
			continue
		}
		o.Say("podman's health timers watch %d services for %s", podman, o.Window)
		if podman < n {
			less := w
			less.ports = w.ports[podman:]
			if err := h.stopTiny(ctx, less); err != nil {
				return err
			}
			w.ports = w.ports[:podman]
			if podmanIdle, err = h.weigh(ctx, o.Window, ""); err != nil {
				return err
			}
		}
		if err := h.startTiny(ctx, w, true); err != nil {
			return err
		}
		if err := pause(ctx, 45*time.Second); err != nil {
			return err
		}
		if weights[r], err = h.weigh(ctx, o.Window, ""); err != nil {
			return err
		}
	}
	if err := h.stopTiny(ctx, w); err != nil {
		return err
	}
	fmt.Fprintf(o.Out, "\nThe cost of watching %d services that are well, each asked every %s, measured over %s. CPU in seconds an hour: that of its own unit, and what all that the account runs takes more than with nobody watching (%.0f):\n\n",
		n, weighInterval, o.Window, hourly(idle.all, o.Window))
	t := tabwriter.NewWriter(o.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\tservices\tCPU s/h, own\tCPU s/h, all in all\tRSS MiB\tPSS MiB")
	for _, r := range o.Rivals {
		got, base, count, own := weights[r], idle, n, "-"
		memory := "-\t-"
		if r == RivalPodman {
			base, count = podmanIdle, podman
		} else {
			own = fmt.Sprintf("%.1f", hourly(got.own, o.Window))
			memory = fmt.Sprintf("%.1f\t%.1f", float64(got.rss)/1024, float64(got.pss)/1024)
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%.1f\t%s\n", r, count, own, hourly(got.all-base.all, o.Window), memory)
	}
	return t.Flush()
}

// hourly is CPU time of the window as seconds an hour.
func hourly(cpu, window time.Duration) float64 {
	return cpu.Seconds() / window.Hours()
}

// weigh measures for so long. unit is the rival's own, if it has one.
func (h *Host) weigh(ctx context.Context, window time.Duration, unit string) (weight, error) {
	read := func() (w weight, err error) {
		script := `usage() { awk '/^usage_usec/ { print $2 }' "$1/cpu.stat"; }
usage ` + accountCgroup + "\n"
		if unit != "" {
			script += `account() { runuser -u ` + User + ` -- env XDG_RUNTIME_DIR=` + fmt.Sprintf("/run/user/%d", UID) + ` "$@"; }
usage "/sys/fs/cgroup$(account systemctl --user show --value --property=ControlGroup ` + unit + `)"
awk '/^Rss/ { print $2 } /^Pss:/ { print $2 }' /proc/$(account systemctl --user show --value --property=MainPID ` + unit + `)/smaps_rollup
`
		}
		out, err := h.Output(ctx, "sh", "-ec", script)
		if err != nil {
			return w, err
		}
		var all, own int64
		into := []any{&all, &own, &w.rss, &w.pss}
		if unit == "" {
			into = into[:1]
		}
		if _, err := fmt.Sscan(out, into...); err != nil {
			return w, fmt.Errorf("cannot read what %q uses: %w: %q", unit, err, out)
		}
		w.all, w.own = time.Duration(all)*time.Microsecond, time.Duration(own)*time.Microsecond
		return w, nil
	}
	before, err := read()
	if err != nil {
		return before, err
	}
	if err := pause(ctx, window); err != nil {
		return before, err
	}
	after, err := read()
	after.all -= before.all
	after.own -= before.own
	return after, err
}

// startTiny starts a container for each port, on the host's own network, with
// Podman's health checks or without.
func (h *Host) startTiny(ctx context.Context, w watched, health bool) error {
	var script strings.Builder
	script.WriteString("mkdir -p .config/containers/systemd\n")
	var units []string
	for _, port := range w.ports {
		name := fmt.Sprintf("%s-%d", w.name, port)
		container := fmt.Sprintf("Network=host\nExec=perl /srv/server.pl %d\n", port)
		if health {
			container += healthKeys(w.interval, port)
		}
		unit := serverUnit(name, container, fmt.Sprintf("Probe=http\nAddress=127.0.0.1:%d\nLive=/\n", port))
		fmt.Fprintf(&script, "cat >.config/containers/systemd/%s.container <<'UNIT'\n%sUNIT\n", name, unit)
		units = append(units, name)
	}
	script.WriteString("systemctl --user daemon-reload\n")
	if err := h.Run(ctx, Exec{User: User, Stdin: strings.NewReader(script.String())}, "sh", "-e"); err != nil {
		return err
	}
	// Two at a time. Where Podman fails on a busy machine, systemd tries again.
	list := strings.Join(units, "\n")
	_ = h.Run(ctx, Exec{User: User, Stdin: strings.NewReader(list)}, "xargs", "-P2", "-n1", "systemctl", "--user", "restart")
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	for {
		out, err := h.UserOutput(ctx, "systemctl", "--user", "list-units", "--plain", "--no-legend", "--state=running", w.name+"-*.service")
		if n := strings.Count(out, "\n"); err == nil && n >= len(units) {
			return nil
		} else if perr := pause(ctx, 5*time.Second); perr != nil {
			return fmt.Errorf("%d of %d services run: %w", n, len(units), perr)
		}
		_ = h.Run(ctx, Exec{User: User, Stdin: strings.NewReader(list)}, "xargs", "-P2", "-n20", "systemctl", "--user", "start")
	}
}

// stopTiny takes them away.
func (h *Host) stopTiny(ctx context.Context, w watched) error {
	var units, files []string
	for _, port := range w.ports {
		units = append(units, fmt.Sprintf("%s-%d", w.name, port))
		files = append(files, fmt.Sprintf(".config/containers/systemd/%s-%d.container", w.name, port))
	}
	e := Exec{User: User, Stdin: strings.NewReader(strings.Join(units, "\n"))}
	if err := h.Run(ctx, e, "xargs", "-P4", "-n20", "systemctl", "--user", "stop"); err != nil {
		return err
	}
	return h.userScript(ctx, "rm "+strings.Join(files, " ")+"; systemctl --user daemon-reload")
}

// allWatched sees that keeper has all of them, and has them well: a watch that
// does not take place costs nothing.
func (h *Host) allWatched(ctx context.Context, w watched) error {
	out, err := h.Keeper(ctx, "status", "--json")
	var st struct {
		Services []struct{ Name, State string }
	}
	if jerr := json.Unmarshal([]byte(out), &st); jerr != nil {
		return errors.Join(err, jerr)
	}
	well := 0
	for _, s := range st.Services {
		if strings.HasPrefix(s.Name, w.name+"-") && s.State == "well" {
			well++
		}
	}
	if well != len(w.ports) {
		return fmt.Errorf("keeper has %d of %d services as well", well, len(w.ports))
	}
	return nil
}
