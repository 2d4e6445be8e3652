package lab

import (
	"fmt"
	"time"
)

// userCgroup is the account's part of the cgroup tree.
var userCgroup = fmt.Sprintf("/sys/fs/cgroup/user.slice/user-%d.slice", UID)

// signalManager sends a signal to the process of the user manager alone.
func signalManager(signal string) Step {
	return rootMust("kill -" + signal + ` "$(systemctl show --property=MainPID --value ` + manager + `)"`)
}

// managerBlows are struck by root at what PID 1 holds for the account.
func managerBlows() []Blow {
	const g = "manager"
	slice := fmt.Sprintf("user-%d.slice", UID)
	runtimeDirUnit := fmt.Sprintf("user-runtime-dir@%d.service", UID)
	return []Blow{
		{
			ID: "stop-manager", Group: g, Name: "root stops user@UID",
			Strike: armored("systemctl", "stop", manager),
			Linger: StaysDown, User: Back, Root: Stays, Orderly: true, Quick: true,
		},
		{
			ID: "stop-manager-session", Group: g, Name: "root stops user@UID with a session open",
			Prepare: logIn(1), Strike: armored("systemctl", "stop", manager),
			Linger: StaysDown, User: StaysDown, Root: Stays, Why: whySession, Says: saysOpen,
		},
		{
			ID: "restart-manager", Group: g, Name: "root restarts user@UID",
			Strike: armored("systemctl", "restart", manager),
			Linger: Back, User: Back, Root: Stays, Orderly: true,
		},
		{
			ID: "stop-slice", Group: g, Name: "root stops user-UID.slice",
			Strike: asRoot("systemctl", "stop", slice),
			Linger: StaysDown, User: Back, Root: Back, Quick: true,
		},
		{
			ID: "restart-slice", Group: g, Name: "root restarts user-UID.slice",
			Strike: asRoot("systemctl", "restart", slice),
			Linger: Back, User: Back, Root: Back,
		},
		{
			ID: "restart-runtime-dir", Group: g, Name: "root restarts user-runtime-dir@UID",
			Strike: armored("systemctl", "restart", runtimeDirUnit),
			Linger: Back, User: Back, Root: Stays,
		},
		{
			ID: "stop-runtime-dir", Group: g, Name: "root stops user-runtime-dir@UID",
			Strike: armored("systemctl", "stop", runtimeDirUnit),
			Linger: StaysDown, User: Back, Root: Stays,
		},
		{
			ID: "manager-kill", Group: g, Name: "SIGKILL of user@UID with all in it",
			Strike: asRoot("systemctl", "kill", "--signal=KILL", manager),
			Linger: StaysDown, User: StaysDown, Root: Back, Why: whyKilled, Says: saysKilled, Limit: 90 * time.Second, Quick: true,
		},
		{
			ID: "manager-kill-main", Group: g, Name: "SIGKILL of the user manager's process alone",
			Strike: signalManager("KILL"),
			Linger: StaysDown, User: StaysDown, Root: Back, Why: whyKilled, Says: saysKilled, Limit: 90 * time.Second,
		},
		{
			ID: "manager-stop-signal", Group: g, Name: "SIGSTOP of the user manager's process",
			Strike: signalManager("STOP"), Undo: signalManager("CONT"),
			Linger: StaysDown, User: Back, Root: Back, Probe: managerAnswers, Hits: []string{}, Quiet: true,
			Limit: 90 * time.Second, WellWithin: 30 * time.Second,
		},
		{
			ID: "cgroup-kill-manager", Group: g, Name: "the cgroup of user@UID killed",
			Strike: rootMust("echo 1 >" + userCgroup + "/" + manager + "/cgroup.kill"),
			Linger: StaysDown, User: StaysDown, Root: Back, Why: whyKilled, Says: saysKilled, Limit: 90 * time.Second,
		},
		{
			ID: "cgroup-kill-slice", Group: g, Name: "the cgroup of user-UID.slice killed",
			Prepare: logIn(1), Strike: rootMust("echo 1 >" + userCgroup + "/cgroup.kill"),
			Linger: StaysDown, User: StaysDown, Root: Back, Why: whyKilled, Says: saysKilled, Limit: 90 * time.Second,
		},
	}
}
