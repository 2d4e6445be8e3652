package lab

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// restart restarts system services, and waits for them.
func restart(units string) Step { return rootMust("systemctl restart " + units) }

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
			ID: "restart-user-bus", Group: g, Name: "the user bus restarted",
			Strike: asUser("systemctl", "--user", "restart", "dbus"),
			Linger: Stays, User: Stays, Root: Stays,
		},
		{
			ID: "restart-user-bus-terminate", Group: g, Name: "the user bus stopped, then terminate-user",
			Prepare: asUser("systemctl", "--user", "stop", "dbus"), Strike: terminate,
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
			Prepare: asRoot("systemctl", "kill", "--signal=KILL", "polkit"), Strike: terminate,
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
			ID: "full-disk", Group: g, Name: "the disk full",
			Strike: fillState, Undo: emptyState,
			Linger: Stays, User: Stays, Root: Stays,
		},
		{
			ID: "full-disk-terminate", Group: g, Name: "the disk full, then terminate-user",
			Prepare: fillState, Strike: terminate, Undo: emptyState,
			Linger: StaysDown, User: Back, Root: Stays, Watch: watchLogind,
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
