package lab

import "time"

// watchLogind is how long the stack is watched where logind may still act: it
// forgets a user 10 s after the last of it (UserStopDelaySec).
const watchLogind = 13 * time.Second

// killProcesses has logind kill what a session leaves behind.
var killProcesses = rootMust("mkdir -p /etc/systemd/logind.conf.d; " +
	"printf '[Login]\\nKillUserProcesses=yes\\n' >/etc/systemd/logind.conf.d/50-lab.conf; systemctl restart systemd-logind")

var leaveProcesses = rootMust("rm -f /etc/systemd/logind.conf.d/50-lab.conf; systemctl restart systemd-logind")

// sessionBlows end sessions. With linger none of them reaches the stack; they
// are the proof that keeper does no harm.
func sessionBlows() []Blow {
	const g = "session"
	return []Blow{
		{
			ID: "logout", Group: g, Name: "logout of the last session",
			Prepare: logIn(1), Strike: ending(logOut),
			Linger: Stays, User: Stays, Root: Stays, Watch: watchLogind,
		},
		{
			ID: "logout-kill-processes", Group: g, Name: "logout of the last session, KillUserProcesses=yes",
			Prepare: steps(killProcesses, logIn(1)), Strike: ending(logOut), Undo: leaveProcesses,
			Linger: Stays, User: Stays, Root: Stays, Watch: watchLogind,
		},
		{
			ID: "logout-kill-processes-container", Group: g, Name: "the same, with a container started by hand in the session",
			Prepare: steps(killProcesses, logIn(1), byHand), Strike: ending(logOut), Undo: steps(withoutByHand, leaveProcesses),
			Linger: Stays, User: Stays, Root: Stays, Watch: watchLogind,
		},
		{
			ID: "logout-container", Group: g, Name: "logout of the last session, with a container started by hand in it that goes on",
			Prepare: steps(logIn(1), byHand), Strike: steps(ending(logOut), byHandRuns), Undo: withoutByHand,
			Linger: Stays, User: Stays, Root: Stays, Watch: watchLogind,
		},
		{
			ID: "dropped-connection", Group: g, Name: "dropped connection: the session's leader killed",
			Prepare: logIn(1), Strike: ending(drop),
			Linger: Stays, User: Stays, Root: Stays, Watch: watchLogind,
		},
		{
			ID: "dropped-connection-container", Group: g, Name: "the same, with a container started by hand in the session",
			Prepare: steps(logIn(1), byHand), Strike: ending(drop), Undo: withoutByHand,
			Linger: Stays, User: Stays, Root: Stays, Watch: watchLogind,
		},
		{
			ID: "terminate-session", Group: g, Name: "loginctl terminate-session",
			Prepare: logIn(1), Strike: ending(onSession("terminate-session")),
			Linger: Stays, User: Stays, Root: Stays, Watch: watchLogind, Quick: true,
		},
		{
			ID: "terminate-session-container", Group: g, Name: "the same, with a container started by hand in the session",
			Prepare: steps(logIn(1), byHand), Strike: ending(onSession("terminate-session")), Undo: withoutByHand,
			Linger: Stays, User: Stays, Root: Stays, Watch: watchLogind,
		},
		{
			ID: "kill-session", Group: g, Name: "loginctl kill-session",
			Prepare: logIn(1), Strike: ending(onSession("kill-session")),
			Linger: Stays, User: Stays, Root: Stays, Watch: watchLogind,
		},
		{
			ID: "kill-session-container", Group: g, Name: "the same, with a container started by hand in the session",
			Prepare: steps(logIn(1), byHand), Strike: ending(onSession("kill-session")), Undo: withoutByHand,
			Linger: Stays, User: Stays, Root: Stays, Watch: watchLogind,
		},
		{
			ID: "kill-session-kill", Group: g, Name: "loginctl kill-session -s KILL, with a container started by hand in the session",
			Prepare: steps(logIn(1), byHand), Strike: ending(onSession("kill-session", "--signal=KILL")), Undo: withoutByHand,
			Linger: Stays, User: Stays, Root: Stays, Watch: watchLogind,
		},
	}
}
