package lab

import (
	"fmt"
	"time"
)

// terminate is the founding blow, struck by root.
var terminate = asRoot(terminateUser...)

var terminateUser = []string{"loginctl", "terminate-user", User}

// What no process without root can do, and what keeper says about it.
const (
	whyKilled  = "SIGKILL leaves nobody to ask logind for a new start"
	saysKilled = "SIGKILL of the user manager"
	whySession = "logind believes that a user with a session open is up, and without root nobody can make it think otherwise"
	saysOpen   = "with a login session open"
)

// smallTarget is a unit to isolate that wants nothing of the stack.
var smallTarget = userMust(`mkdir -p .config/systemd/user
	printf '[Unit]\nRequires=basic.target\nAfter=basic.target\nAllowIsolate=yes\n' >.config/systemd/user/lab-small.target
	systemctl --user daemon-reload`)

// userBlows are struck at the account, through logind or its user manager.
func userBlows() []Blow {
	const g = "user"
	return []Blow{
		{
			ID: "terminate-user", Group: g, Name: "loginctl terminate-user, typed in a session of the account",
			Prepare: logIn(1), Strike: ending(typed("loginctl terminate-user " + User)),
			Linger: StaysDown, User: Back, Root: Stays, Watch: watchLogind, Orderly: true, Quick: true,
		},
		{
			ID: "terminate-user-root", Group: g, Name: "loginctl terminate-user by root",
			Strike: terminate,
			Linger: StaysDown, User: Back, Root: Stays, Watch: watchLogind, Orderly: true,
		},
		{
			ID: "terminate-user-dbus", Group: g, Name: "TerminateUser by D-Bus",
			Strike: asUser("busctl", "call", "org.freedesktop.login1", "/org/freedesktop/login1",
				"org.freedesktop.login1.Manager", "TerminateUser", "u", fmt.Sprint(UID)),
			Linger: StaysDown, User: Back, Root: Stays, Watch: watchLogind, Orderly: true, Quick: true,
		},
		{
			ID: "terminate-user-sessions", Group: g, Name: "loginctl terminate-user with three sessions open",
			Prepare: logIn(3), Strike: ending(terminate),
			Linger: StaysDown, User: Back, Root: Stays, Watch: watchLogind, Orderly: true,
		},
		{
			ID: "kill-user", Group: g, Name: "loginctl kill-user (SIGTERM)",
			Strike: asUser("loginctl", "kill-user", User),
			Linger: StaysDown, User: Back, Root: Back, Quick: true,
		},
		{
			ID: "kill-user-session", Group: g, Name: "loginctl kill-user with a session open",
			Prepare: logIn(1), Strike: asUser("loginctl", "kill-user", User),
			Linger: StaysDown, User: Back, Root: Back,
		},
		{
			ID: "kill-user-kill", Group: g, Name: "loginctl kill-user -s KILL",
			Strike: asUser("loginctl", "kill-user", "--signal=KILL", User),
			Linger: StaysDown, User: StaysDown, Root: Back, Why: whyKilled, Says: saysKilled,
		},
		{
			ID: "disable-linger", Group: g, Name: "loginctl disable-linger with no session open",
			Strike: asUser("loginctl", "disable-linger", User),
			Linger: StaysDown, User: Back, Root: Stays, Watch: watchLogind,
		},
		{
			ID: "disable-linger-logout", Group: g, Name: "loginctl disable-linger, then logout",
			Prepare: logIn(1), Strike: steps(asUser("loginctl", "disable-linger", User), logOut),
			Linger: StaysDown, User: Stays, Root: Stays, Watch: watchLogind, Quick: true,
		},
		{
			ID: "disable-linger-terminate", Group: g, Name: "loginctl disable-linger, then terminate-user",
			Strike: steps(asRoot("loginctl", "disable-linger", User), terminate),
			Linger: StaysDown, User: Back, Root: Stays, Watch: watchLogind,
		},
		{
			ID: "user-exit", Group: g, Name: "systemctl --user exit",
			Strike: asUser("systemctl", "--user", "exit"),
			Linger: StaysDown, User: Back, Root: Back, Orderly: true, Quick: true,
		},
		{
			ID: "user-exit-left-behind", Group: g, Name: "systemctl --user exit after a logout that left a process behind",
			Prepare: leftBehind, Strike: asUser("systemctl", "--user", "exit"), Undo: asRoot("pkill", "-KILL", "-u", User, "-x", "sleep"),
			Linger: StaysDown, User: Back, Root: Back,
		},
		{
			ID: "user-exit-session", Group: g, Name: "systemctl --user exit with another session open",
			Prepare: logIn(1), Strike: asUser("systemctl", "--user", "exit"),
			Linger: StaysDown, User: StaysDown, Root: Back, Why: whySession, Says: saysOpen, Quick: true,
		},
		{
			ID: "user-isolate", Group: g, Name: "systemctl --user isolate of a small target",
			Prepare: smallTarget, Strike: asUser("systemctl", "--user", "isolate", "lab-small.target"),
			Undo:   asUser("sh", "-c", "rm -f .config/systemd/user/lab-small.target; systemctl --user start default.target; systemctl --user daemon-reload"),
			Linger: StaysDown, User: Back, Root: Back, Hits: Services,
		},
		{
			ID: "kill-all", Group: g, Name: "kill -9 -1 as the account",
			Strike: asRoot("setpriv", fmt.Sprintf("--reuid=%d", UID), fmt.Sprintf("--regid=%d", UID), "--clear-groups", "sh", "-c", "kill -9 -1"),
			Linger: StaysDown, User: StaysDown, Root: Back, Why: whyKilled, Says: saysKilled, Limit: 90 * time.Second, Quick: true,
		},
	}
}
