package lab

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// stateDir is where keeper keeps its state.
const stateDir = "/home/" + User + "/.local/state/keeper"

// upgrade installs another keeper over the one that runs.
func upgrade(ctx context.Context, s *Scene) error {
	dir, err := os.MkdirTemp("", "keeper-lab")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	program, err := os.ReadFile(s.Binary)
	if err != nil {
		return err
	}
	o := s.Mode.install(filepath.Join(dir, "keeper"))
	// What is behind the end makes it another file each time, and the same program.
	if err := os.WriteFile(o.Binary, fmt.Append(program, time.Now().UnixNano()), 0o755); err != nil {
		return err
	}
	return s.Install(ctx, o, io.Discard)
}

// keeperBlows are struck at keeper itself. The stack must not notice; and what
// takes the stack down must find keeper able to bring it back all the same.
func keeperBlows() []Blow {
	const g = "keeper"
	return []Blow{
		{
			ID: "keeper-kill", Group: g, Name: "SIGKILL of the daemon",
			Strike: killKeeper("KILL"),
			Linger: None, User: Stays, Root: Stays,
		},
		{
			ID: "keeper-stop-signal", Group: g, Name: "SIGSTOP of the daemon",
			Strike: killKeeper("STOP"),
			Linger: None, User: Stays, Root: Stays, WellWithin: 90 * time.Second,
		},
		{
			ID: "keeper-start-limit", Group: g, Name: "the daemon restarted twenty times in a row",
			Strike: changing(ofKeeper("InvocationID"), userMust("for i in $(seq 20); do systemctl --user restart keeper.service; done")),
			Linger: None, User: Stays, Root: Stays,
		},
		{
			ID: "keeper-socket-removed", Group: g, Name: "the daemon's socket removed",
			Strike: userMust(`rm "$XDG_RUNTIME_DIR/keeper/keeper.sock"`),
			Linger: None, User: Stays, Root: Stays, Quick: true,
		},
		{
			ID: "keeper-upgrade", Group: g, Name: "another version installed while it runs",
			Strike: changing(ofKeeper("InvocationID"), upgrade),
			Linger: None, User: Stays, Root: Stays,
		},
		{
			ID: "keeper-kill-terminate", Group: g, Name: "SIGKILL of the daemon, then terminate-user",
			Arm: killKeeper("KILL"), Strike: terminate,
			Linger: StaysDown, User: Back, Root: Stays, Watch: watchLogind, Quick: true,
		},
		{
			ID: "keeper-stop-signal-terminate", Group: g, Name: "SIGSTOP of the daemon, then terminate-user",
			Arm: killKeeper("STOP"), Strike: terminate,
			Linger: StaysDown, User: Back, Root: Stays, Watch: watchLogind, WellWithin: 90 * time.Second,
		},
		{
			ID: "keeper-stopped-terminate", Group: g, Name: "the daemon stopped, then terminate-user",
			Arm: userMust("systemctl --user stop keeper.service"), Strike: terminate,
			// Whoever stops the daemon finds it stopped where nothing else died.
			Undo:   asUser("systemctl", "--user", "start", "keeper.service"),
			Linger: StaysDown, User: Back, Root: Stays, Watch: watchLogind, Tells: "does not answer",
		},
		{
			ID: "keeper-socket-removed-terminate", Group: g, Name: "the daemon's socket removed, then terminate-user",
			Arm: userMust(`rm "$XDG_RUNTIME_DIR/keeper/keeper.sock"`), Strike: terminate,
			Linger: StaysDown, User: Back, Root: Stays, Watch: watchLogind,
		},
		{
			ID: "keeper-upgrade-terminate", Group: g, Name: "another version installed, then terminate-user",
			Arm: changing(ofKeeper("InvocationID"), upgrade), Strike: terminate,
			Linger: StaysDown, User: Back, Root: Stays, Watch: watchLogind,
		},
		{
			// With it goes the record of what install.sh wrote.
			ID: "keeper-state-destroyed", Group: g, Name: "the daemon's state destroyed, then terminate-user",
			Arm: rootMust("rm -rf " + stateDir + "/*"), Strike: terminate,
			Linger: StaysDown, User: Back, Root: Stays, Watch: watchLogind,
		},
		{
			ID: "keeper-state-cut", Group: g, Name: "the daemon's state cut short, then terminate-user",
			Arm: rootMust("cd " + stateDir + `; for f in *.json; do truncate -s "$(($(stat -c %s "$f") / 2))" "$f"; done`), Strike: terminate,
			Linger: StaysDown, User: Back, Root: Stays, Watch: watchLogind,
		},
	}
}
