package lab

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Footprint is what the account has on a host.
type Footprint struct {
	// Things counts each kind of thing by a name that is the same in every life
	// of the stack: ids and numbers are taken out of it.
	Things map[string]int
	// RSS is the daemon's resident memory in KiB, FDs how many descriptors it
	// has open, Threads how many threads it has.
	RSS, FDs, Threads int
}

// rssSlack is what the daemon's resident memory may differ by, in KiB, between
// two starts of the same program; threads come and go with the runtime's.
const (
	rssSlack    = 4096
	threadSlack = 4
)

// thingsOf are the commands that list things, a line each.
var thingsOf = map[string]string{
	// The account's own, and those of the containers, which have its subordinate
	// ids. Workers of a server come and go with its clients: they are named like
	// their parent.
	"process": `ps -eo pid=,ppid=,uid=,comm= | awk '{ pid = $1; parent[pid] = $2; uid[pid] = $3; $1 = $2 = $3 = ""; name[pid] = $0 }
		END { for (p in name) if (name[p] != name[parent[p]] && (uid[p] >= ` + strconv.Itoa(UID) + ` && uid[p] < 65000 || uid[p] >= 100000)) print name[p] }'`,
	"mount":   `awk '{ print $5, $(NF-2) }' /proc/self/mountinfo`,
	"runtime": fmt.Sprintf("find /run/user/%d -xdev", UID),
	"storage": "find /home/" + User + "/.local/share/containers/storage -maxdepth 2 -not -path '*/overlay/l/*'",
	// The half of a write that was cut short goes with a write a minute later.
	"state":  "find /home/" + User + "/.local/state -not '(' -name '.*.json.*' -mmin -3 ')'",
	"tmp":    "find /tmp /var/tmp -maxdepth 1 -user " + User,
	"shm":    "find /dev/shm /dev/mqueue",
	"linger": "find /var/lib/systemd/linger /run/systemd/users /run/systemd/sessions /run/systemd/inhibit -type f",
	"unit":   "systemctl list-units --all --plain --no-legend | awk '{ print $1 }'",
	"cgroup": "find /sys/fs/cgroup/user.slice -type d",
	"root":   "find /run/keeper /etc/keeper 2>/dev/null",
}

var (
	hexID  = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{8,}`)
	number = regexp.MustCompile(`[0-9]+`)
)

// nameOf takes out of a line what is different in every life.
func nameOf(line string) string {
	return number.ReplaceAllString(hexID.ReplaceAllString(strings.TrimSpace(line), "ID"), "N")
}

// footprint looks at what the account has.
func (b *bench) footprint(ctx context.Context) (Footprint, error) {
	f := Footprint{Things: map[string]int{}}
	// Sessions and the looking itself must be over: systemd forgets their units
	// a moment later.
	if err := b.well(ctx, usualWell); err != nil {
		return f, err
	}
	for kind, line := range thingsOf {
		out, err := b.Output(ctx, "sh", "-c", line)
		if err != nil && kind != "root" {
			return f, fmt.Errorf("cannot count: %s: %w", kind, err)
		}
		for l := range strings.Lines(out) {
			f.Things[kind+" "+nameOf(l)]++
		}
	}
	out, err := b.UserOutput(ctx, "sh", "-ec", `pid=$(systemctl --user show --property=MainPID --value keeper.service)
		awk '/^VmRSS|^Threads/ { print $2 }' /proc/$pid/status; ls /proc/$pid/fd | wc -l`)
	if err != nil {
		return f, err
	}
	if _, err := fmt.Sscan(out, &f.RSS, &f.Threads, &f.FDs); err != nil {
		return f, fmt.Errorf("cannot read what the daemon uses: %w: %q", err, out)
	}
	return f, nil
}

// more lists what f has beyond an earlier footprint.
func (f Footprint) more(before Footprint) []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(f.Things)) {
		if n := f.Things[name] - before.Things[name]; n > 0 {
			list = append(list, fmt.Sprintf("%d × %s", n, name))
		}
	}
	if f.RSS > before.RSS+rssSlack {
		list = append(list, fmt.Sprintf("%d KiB of the daemon's memory", f.RSS-before.RSS))
	}
	if f.FDs > before.FDs {
		list = append(list, fmt.Sprintf("%d descriptors of the daemon", f.FDs-before.FDs))
	}
	if f.Threads > before.Threads+threadSlack {
		list = append(list, fmt.Sprintf("%d threads of the daemon", f.Threads-before.Threads))
	}
	return list
}

// footprintLine is a line of the comparison.
type footprintLine struct {
	name          string
	before, after int
}

// lines compares two footprints, kind by kind.
func (f Footprint) lines(after Footprint) []footprintLine {
	sum := func(of Footprint, kind string) int {
		n := 0
		for name, count := range of.Things {
			if strings.HasPrefix(name, kind+" ") {
				n += count
			}
		}
		return n
	}
	var list []footprintLine
	for _, kind := range slices.Sorted(maps.Keys(thingsOf)) {
		list = append(list, footprintLine{kind, sum(f, kind), sum(after, kind)})
	}
	return append(list,
		footprintLine{"daemon: resident memory, KiB", f.RSS, after.RSS},
		footprintLine{"daemon: descriptors", f.FDs, after.FDs},
		footprintLine{"daemon: threads", f.Threads, after.Threads})
}
