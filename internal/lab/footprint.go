package lab

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Footprint is what there is on a host.
type Footprint struct {
	// Things counts each kind of thing by a name that is the same in every life
	// of the stack: ids and numbers are taken out of it.
	Things map[string]int
	// RSS is the daemon's resident memory in KiB and Anon its anonymous part,
	// FDs is how many descriptors it has open, Threads how many threads it has.
	RSS, Anon, FDs, Threads int
}

// What the daemon may differ by: its memory in KiB, between two collections of
// its garbage, and the pages of its program that were read since; threads come
// and go with the runtime's.
const (
	rssSlack    = 4096
	anonSlack   = 2048
	threadSlack = 4
)

// thingsOf are the commands that list things, a line each. Each lists something
// on every host: a command that lists nothing is broken. None is Podman's, which
// makes itself a scope to run in.
var thingsOf = map[string]string{
	// All but the looking itself. The workers of these two servers come and go
	// with their clients.
	"process": `ps -eo pid=,ppid=,comm= | awk -v me=$$ '{ pid = $1; parent[pid] = $2; $1 = $2 = ""; name[pid] = $0 }
		END { for (p in name) if (p != me && parent[p] != me && !(name[p] ~ /^ *(postgres|gunicorn)$/ && name[p] == name[parent[p]])) print name[p] }'`,
	// Those of the host and of Podman's own mount namespace. The others, of which
	// there must not be more, begin as copies of it, with what was there just then.
	"mount": `pause=$(cat /run/user/1000/libpod/tmp/pause.pid) || exit 0; for p in self $pause; do awk '{ print $5, $(NF-2) }' /proc/$p/mountinfo; done
		readlink /proc/[0-9]*/ns/mnt | sort -u | sed 's/.*/namespace/'`,
	// Sessions, users, inhibitors and transient units have files there, too.
	"/run": "find /run -xdev",
	// Without Podman's socket: keeper-adopt starts it, to compare what runs with its
	// units, a few seconds after the stack is up.
	"/run/user":     "find /run/user | grep -v '/podman\\(/podman.sock\\)\\?$'",
	"/tmp":          "find /tmp /var/tmp -xdev | sed 's/[.]service-[A-Za-z0-9]*/.service-X/'",
	"/dev/shm":      "find /dev/shm /dev/mqueue",
	"/etc, /var":    "find /etc /var/lib /var/spool -xdev",
	"cgroup":        "find /sys/fs/cgroup -type d",
	"unit":          "systemctl list-units --all --plain --no-legend" + unitAndFailure,
	"unit, account": fmt.Sprintf("runuser -u %s -- env XDG_RUNTIME_DIR=/run/user/%d systemctl --user list-units --all --plain --no-legend | grep -v '^podman[.]so\\|^podman[.]se'", User, UID) + unitAndFailure,
	// The half of a write that was cut short goes with a write a minute later.
	"home": "find /home -path '*/containers/storage' -prune -o -name '.*.json.*' -mmin -3 -o -print",
	// Without what is in volumes and layers. The names of links to layers are
	// made up anew for each container.
	"storage": "find /home/" + User + `/.local/share/containers/storage -path '*/_data/*' -prune -o -path '*/diff/*' -prune -o -print |
		sed 's|/overlay/l/[A-Z0-9]*$|/overlay/l/LINK|'`,
}

// unitAndFailure takes from a list of units what they are called and which failed:
// that one rests which ran is no leftover.
const unitAndFailure = ` | awk '{ print $1, $3 == "failed" ? "failed" : "" }'`

var (
	hexID  = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{8,}`)
	number = regexp.MustCompile(`[0-9]+`)
)

// nameOf takes out of a line what is different in every life.
func nameOf(line string) string {
	return number.ReplaceAllString(hexID.ReplaceAllString(strings.TrimSpace(line), "ID"), "N")
}

// footprint looks at what there is.
func (b *bench) footprint(ctx context.Context) (Footprint, error) {
	f := Footprint{Things: map[string]int{}}
	for kind, line := range thingsOf {
		// What goes while it is looked at is no failure.
		out, err := b.Output(ctx, "sh", "-c", "exec 2>/dev/null; "+line+"; true")
		if err == nil && strings.TrimSpace(out) == "" {
			err = fmt.Errorf("nothing is listed by %s", line)
		}
		if err != nil {
			return f, fmt.Errorf("cannot count %s: %w", kind, err)
		}
		for l := range strings.Lines(out) {
			f.Things[kind+": "+nameOf(l)]++
		}
	}
	out, err := b.UserOutput(ctx, "sh", "-ec", `pid=$(systemctl --user show --property=MainPID --value keeper.service)
		awk '/^VmRSS|^RssAnon|^Threads/ { print $2 }' /proc/$pid/status; ls /proc/$pid/fd | wc -l`)
	if err != nil {
		return f, err
	}
	if _, err := fmt.Sscan(out, &f.RSS, &f.Anon, &f.Threads, &f.FDs); err != nil {
		return f, fmt.Errorf("cannot read what the daemon uses: %w: %q", err, out)
	}
	return f, nil
}

// steadyFootprint waits until nothing comes and goes any more: what is about to
// go must not stand for what comes later.
func (b *bench) steadyFootprint(ctx context.Context) (Footprint, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	last, err := b.footprint(ctx)
	for err == nil {
		if err = pause(ctx, 2*time.Second); err != nil {
			return last, fmt.Errorf("things come and go on host %s: %w", b.Name, err)
		}
		var now Footprint
		if now, err = b.footprint(ctx); err == nil && maps.Equal(now.Things, last.Things) {
			return now, nil
		}
		last = now
	}
	return last, err
}

// leftOver returns what there is, and what of it is beyond an earlier footprint
// and does not go within half a minute.
func (b *bench) leftOver(ctx context.Context, before Footprint) (Footprint, []string, error) {
	for end := time.Now().Add(30 * time.Second); ; {
		now, err := b.footprint(ctx)
		if err != nil {
			return now, nil, err
		}
		left := now.more(before)
		if len(left) == 0 || time.Now().After(end) {
			return now, left, nil
		}
		if err := pause(ctx, time.Second); err != nil {
			return now, left, err
		}
	}
}

// more lists what f has beyond an earlier footprint.
func (f Footprint) more(before Footprint) []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(f.Things)) {
		if n := f.Things[name] - before.Things[name]; n > 0 {
			list = append(list, strconv.Itoa(n)+" × "+name)
		}
	}
	grown := func(now, before, slack int, what string) {
		if now > before+slack {
			list = append(list, fmt.Sprintf("%d %s of the daemon", now-before, what))
		}
	}
	grown(f.RSS, before.RSS, rssSlack, "KiB of memory")
	grown(f.Anon, before.Anon, anonSlack, "KiB of anonymous memory")
	grown(f.FDs, before.FDs, 0, "descriptors")
	grown(f.Threads, before.Threads, threadSlack, "threads")
	return list
}

// footprintLine is a line of the comparison.
type footprintLine struct {
	name          string
	before, after int
}

// lines compares two footprints, kind by kind. daemon is what the daemon is
// called.
func (f Footprint) lines(after Footprint, daemon string) []footprintLine {
	sum := func(of Footprint, kind string) int {
		n := 0
		for name, count := range of.Things {
			if strings.HasPrefix(name, kind+": ") {
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
		footprintLine{daemon + ": resident memory, KiB", f.RSS, after.RSS},
		footprintLine{daemon + ": anonymous memory, KiB", f.Anon, after.Anon},
		footprintLine{daemon + ": descriptors", f.FDs, after.FDs},
		footprintLine{daemon + ": threads", f.Threads, after.Threads})
}
