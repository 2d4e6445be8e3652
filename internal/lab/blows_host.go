package lab

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// restart restarts system services, and waits for them.
func restart(units string) Step { return rootMust("systemctl restart " + units) }

// fillHome fills the disk that the account's home is on, and emptyHome gives the
// room back.
var (
	fillHome  = userMust("dd if=/dev/zero of=full bs=1M status=none || :; dd if=/dev/zero of=fuller bs=4k status=none || :; ! echo more >fullest")
	emptyHome = userMust("rm -f full fuller fullest")
)

// posts sees the ledger take an entry in.
func posts(ctx context.Context, s *Scene) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_, err := s.Post(ctx, Entry{Text: "is there room"})
	return err
}

// fillState puts a full file system where the account keeps its state.
var fillState = rootMust(fmt.Sprintf(`d=/home/%[1]s/.local/state; runuser -u %[1]s -- mkdir -p $d
	kept=$(mktemp -d); cp -a $d/. $kept; mount -t tmpfs -o size=1m,uid=%[2]d,gid=%[2]d,mode=0700 lab-full $d; cp -a $kept/. $d; rm -r $kept
	dd if=/dev/zero of=$d/full bs=4k 2>/dev/null || :`, User, UID))

var emptyState = rootMust("umount --lazy /home/" + User + "/.local/state")

// shiftClock sets the clock of the machine, and arranges that it is set right
// again by the time that went by meanwhile.
func shiftClock(by time.Duration) Step {
	return func(_ context.Context, s *Scene) error {
		// Go's times carry the monotonic clock, so this difference is right
		// whatever the other clock shows.
		before := time.Now()
		s.undo = append(s.undo, func(context.Context) error { return setClock(before.Round(0).Add(time.Since(before))) })
		return setClock(before.Round(0).Add(by))
	}
}

func setClock(t time.Time) error {
	ts := unix.NsecToTimespec(t.UnixNano())
	if err := unix.ClockSettime(unix.CLOCK_REALTIME, &ts); err != nil {
		return fmt.Errorf("cannot set the clock: %w", err)
	}
	return nil
}

// What becomes of a host whose system bus was restarted.
const (
	whyDeaf  = "logind of systemd 257 never comes back to a system bus that was restarted, and nobody else starts a user manager"
	saysDeaf = "logind cannot be reached"
)

// hostBlows are struck at what the host runs for everybody.
func hostBlows() []Blow {
	const g = "host"
	return []Blow{
		{
			ID: "restart-logind", Group: g, Name: "logind restarted",
			Strike: restart("systemd-logind"),
			Linger: Stays, User: Stays, Root: Stays, Quick: true,
		},
		{
			ID: "restart-logind-terminate", Group: g, Name: "logind restarted, then terminate-user",
			Prepare: restart("systemd-logind"), Strike: terminate,
			Linger: StaysDown, User: Back, Root: Stays, Watch: watchLogind,
		},
		{
			// logind never comes back to a dbus-daemon that was restarted.
			ID: "restart-system-bus", Group: g, Name: "the system bus restarted",
			Strike: restart("dbus"), Undo: restart("systemd-logind"),
			Linger: Stays, User: Stays, Root: Stays, Tells: "logind cannot be reached", WellWithin: 60 * time.Second,
		},
		{
			ID: "restart-system-bus-stop-manager", Group: g, Name: "the system bus restarted, then root stops user@UID",
			Prepare: restart("dbus"), Strike: armored("systemctl", "stop", manager), Undo: restart("systemd-logind"),
			Linger: StaysDown, User: StaysDown, Root: Stays, Why: whyDeaf, Says: saysDeaf, Tells: saysDeaf,
		},
		{
			ID: "restart-user-bus", Group: g, Name: "the user bus restarted",
			Strike: changing("systemctl --user show --value --property=InvocationID dbus", userMust("systemctl --user restart dbus")),
			Linger: Stays, User: Stays, Root: Stays,
		},
		{
			ID: "restart-user-bus-terminate", Group: g, Name: "the user bus stopped, then terminate-user",
			Prepare: userMust("systemctl --user stop dbus.socket dbus"), Strike: terminate,
			Linger: StaysDown, User: Back, Root: Stays, Watch: watchLogind,
		},
		{
			ID: "restart-journal", Group: g, Name: "the journal restarted",
			Strike: restart("systemd-journald"),
			Linger: Stays, User: Stays, Root: Stays,
		},
		{
			ID: "restart-polkit", Group: g, Name: "polkit restarted",
			Strike: restart("polkit"),
			Linger: Stays, User: Stays, Root: Stays,
		},
		{
			ID: "polkit-kill-terminate", Group: g, Name: "polkit killed, then terminate-user",
			Prepare: changing("systemctl show --value --property=MainPID polkit", rootMust("systemctl kill --signal=KILL polkit")), Strike: terminate,
			Linger: StaysDown, User: Back, Root: Stays, Watch: watchLogind,
		},
		{
			ID: "reexec-system", Group: g, Name: "systemctl daemon-reexec",
			Strike: rootMust("systemctl daemon-reexec"),
			Linger: Stays, User: Stays, Root: Stays,
		},
		{
			ID: "reexec-user", Group: g, Name: "systemctl --user daemon-reexec",
			Strike: userMust("systemctl --user daemon-reexec"),
			Linger: Stays, User: Stays, Root: Stays,
		},
		{
			ID: "reexec-terminate", Group: g, Name: "daemon-reexec of both managers, then terminate-user",
			Prepare: steps(rootMust("systemctl daemon-reexec"), userMust("systemctl --user daemon-reexec")), Strike: terminate,
			Linger: StaysDown, User: Back, Root: Stays, Watch: watchLogind,
		},
		{
			ID: "full-state", Group: g, Name: "no room left for the daemon's state",
			Strike: fillState, Undo: emptyState,
			Linger: Stays, User: Stays, Root: Stays,
		},
		{
			ID: "full-state-terminate", Group: g, Name: "no room left for the daemon's state, then terminate-user",
			Prepare: fillState, Strike: terminate, Undo: emptyState,
			Linger: StaysDown, User: Back, Root: Stays, Watch: watchLogind,
		},
		{
			// The stores cannot write, whoever looks after them; and no container
			// starts.
			ID: "full-disk", Group: g, Name: "the disk of /home full for twenty seconds, in which a database dies",
			Strike: steps(fillHome, kill("KILL", "-o", "-x", "postgres"), after(20*time.Second), emptyHome), Undo: emptyHome,
			Probe: posts, Hits: []string{"postgres"}, May: Services, Disk: true,
			Linger: StaysDown, User: Back, Root: Back, Limit: 2 * time.Minute,
		},
		{
			ID: "full-disk-terminate", Group: g, Name: "the disk of /home full, terminate-user, room again after twenty seconds",
			Strike: steps(fillHome, rootMust("loginctl terminate-user "+User), after(20*time.Second), emptyHome), Undo: emptyHome,
			Probe: posts, Hits: []string{}, May: append([]string{"user@"}, Services...), Disk: true,
			Linger: StaysDown, User: Back, Root: Back, Limit: 2 * time.Minute,
		},
		{
			ID: "clock-forward", Group: g, Name: "the clock set a day ahead",
			Strike: shiftClock(24 * time.Hour),
			Linger: Stays, User: Stays, Root: Stays, Clock: true, Watch: watchLogind,
		},
		{
			ID: "clock-back", Group: g, Name: "the clock set a day back",
			Strike: shiftClock(-24 * time.Hour),
			Linger: Stays, User: Stays, Root: Stays, Clock: true, Watch: watchLogind,
		},
		{
			ID: "clock-forward-terminate", Group: g, Name: "the clock set a day ahead, then terminate-user",
			Strike: steps(shiftClock(24*time.Hour), terminate),
			Linger: StaysDown, User: Back, Root: Stays, Clock: true, Watch: watchLogind,
		},
		{
			ID: "clock-back-terminate", Group: g, Name: "the clock set a day back, then terminate-user",
			Strike: steps(shiftClock(-24*time.Hour), terminate),
			Linger: StaysDown, User: Back, Root: Stays, Clock: true, Watch: watchLogind,
		},
	}
}
