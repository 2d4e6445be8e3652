package lab

import (
	"context"
	"fmt"
	"time"
)

// half and eight are the distances of a second blow.
const (
	half  = 500 * time.Millisecond
	eight = 8 * time.Second
)

// stubborn adds a service that ignores SIGTERM, with Podman's usual patience.
var stubborn = userMust(`printf '[Container]\nContainerName=stubborn\nImage=docker.io/library/redis:8\nPull=never\nNetwork=none\nEntrypoint=sh\nExec=-c '"'"'trap "" TERM; while :; do sleep 1; done'"'"'\n[Install]\nWantedBy=default.target\n' >.config/containers/systemd/stubborn.container
	systemctl --user daemon-reload
	systemctl --user start stubborn`)

var notStubborn = userMust("rm .config/containers/systemd/stubborn.container; systemctl --user stop stubborn; systemctl --user daemon-reload")

// whileStarting strikes a second time when the user manager is there again and
// the stack is not. Where the first blow left it up or down, that is all.
func whileStarting(blow Step) Step {
	return func(ctx context.Context, s *Scene) error {
		if err := blow(ctx, s); err != nil {
			return err
		}
		wctx, cancel := context.WithTimeout(ctx, 15*time.Second)
		defer cancel()
		err := managerIs("inactive", "failed", "activating", "deactivating")(wctx, s)
		if err == nil {
			err = managerIs("active")(wctx, s)
		}
		s.sure = s.Want == Back
		if err == nil {
			return blow(ctx, s)
		}
		if s.sure {
			return fmt.Errorf("the second blow was not struck: %w", err)
		}
		return ctx.Err()
	}
}

// atBoot reboots and strikes as soon as the user manager is there.
func atBoot(blow Step) Step {
	return func(ctx context.Context, s *Scene) error {
		if err := s.Reboot(ctx); err != nil {
			return err
		}
		if err := managerIs("active")(ctx, s); err != nil {
			return err
		}
		return blow(ctx, s)
	}
}

// combinedBlows fall together.
func combinedBlows() []Blow {
	const g = "combined"
	kill := []string{"systemctl", "kill", "--signal=KILL", manager}
	killManager := asRoot(kill...)
	return []Blow{
		{
			ID: "terminate-twice-half", Group: g, Name: "terminate-user twice, half a second apart",
			Strike: terminate, Times: 2, Apart: half,
			Linger: StaysDown, User: Back, Root: Stays, Watch: watchLogind, Quick: true,
		},
		{
			ID: "terminate-twice-eight", Group: g, Name: "terminate-user twice, eight seconds apart",
			Strike: terminate, Times: 2, Apart: eight,
			Linger: StaysDown, User: Back, Root: Stays, Watch: watchLogind,
		},
		{
			ID: "terminate-three", Group: g, Name: "terminate-user three times, half a second apart",
			Strike: terminate, Times: 3, Apart: half,
			Linger: StaysDown, User: Back, Root: Stays, Watch: watchLogind,
		},
		{
			ID: "kill-user-twice-half", Group: g, Name: "kill-user twice, half a second apart",
			Strike: asUser("loginctl", "kill-user", User), Times: 2, Apart: half,
			Linger: StaysDown, User: Back, Root: Back,
		},
		{
			ID: "kill-manager-twice-half", Group: g, Name: "SIGKILL of user@UID twice, half a second apart",
			Strike: killManager, Times: 2, Apart: half,
			Linger: StaysDown, User: StaysDown, Root: Back, Why: whyKilled, Says: saysKilled, Limit: 90 * time.Second,
		},
		{
			ID: "kill-manager-twice-eight", Group: g, Name: "SIGKILL of user@UID twice, eight seconds apart",
			Strike: killManager, Times: 2, Apart: eight,
			Linger: StaysDown, User: StaysDown, Root: Back, Why: whyKilled, Says: saysKilled, Limit: 90 * time.Second,
		},
		{
			ID: "terminate-starting", Group: g, Name: "terminate-user while the stack starts after terminate-user",
			Strike: whileStarting(terminate),
			Linger: StaysDown, User: Back, Root: Stays, Watch: watchLogind,
		},
		{
			ID: "kill-manager-starting", Group: g, Name: "SIGKILL of user@UID while the stack starts after SIGKILL",
			Strike: whileStarting(killManager),
			Linger: StaysDown, User: StaysDown, Root: Back, Why: whyKilled, Says: saysKilled, Limit: 90 * time.Second, Quick: true,
		},
		{
			ID: "terminate-boot", Group: g, Name: "terminate-user while the machine boots",
			Strike: atBoot(surely(terminateUser...)),
			Linger: StaysDown, User: Reboots, Root: Reboots, Limit: 90 * time.Second,
		},
		{
			ID: "terminate-shutdown", Group: g, Name: "terminate-user while the machine reboots",
			Strike: steps(surely("systemctl", "reboot"), after(half), late(terminateUser...)),
			Linger: Reboots, User: Reboots, Root: Reboots,
		},
		{
			ID: "terminate-then-reboot", Group: g, Name: "reboot while the stack stops for terminate-user",
			Strike: steps(surely(terminateUser...), after(half), asRoot("systemctl", "reboot")),
			Linger: Reboots, User: Reboots, Root: Reboots,
		},
		{
			ID: "kill-manager-shutdown", Group: g, Name: "SIGKILL of user@UID while the machine goes off",
			Strike: steps(surely("systemctl", "poweroff"), after(half), late(kill...)),
			Linger: Off, User: Off, Root: Off,
		},
		{
			ID: "kill-manager-then-poweroff", Group: g, Name: "poweroff half a second after SIGKILL of user@UID",
			Strike: steps(surely(kill...), after(half), asRoot("systemctl", "poweroff")),
			Linger: Off, User: Off, Root: Off,
		},
		{
			ID: "stubborn-terminate", Group: g, Name: "terminate-user with a container that ignores SIGTERM",
			Prepare: stubborn, Strike: terminate, Undo: notStubborn, Patience: 10 * time.Second,
			Linger: StaysDown, User: Back, Root: Stays, Watch: watchLogind,
		},
		{
			ID: "stubborn-poweroff", Group: g, Name: "poweroff with a container that ignores SIGTERM",
			Prepare: stubborn, Strike: login1("PowerOff", "b", "false"), Undo: notStubborn, Patience: 10 * time.Second,
			Linger: Off, User: Off, Root: Off,
		},
	}
}
