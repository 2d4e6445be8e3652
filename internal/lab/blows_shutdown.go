package lab

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// login1 calls a method of logind's manager, as root.
func login1(args ...string) Step {
	return asRoot(append([]string{"busctl", "call", "org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager"}, args...)...)
}

// cancelled begins a reboot and makes it fail once logind has told everybody:
// a delay inhibitor of the lab's holds it up until its target is masked.
var cancelled = steps(
	rootMust("systemd-run --quiet --collect --unit=lab-inhibit systemd-inhibit --what=shutdown --mode=delay --who=lab --why=test sleep 30"),
	rootMust("until systemd-inhibit --list | grep -q lab; do sleep 0.05; done"),
	login1("Reboot", "b", "false"),
	rootMust("systemctl mask --runtime --quiet reboot.target"),
)

// keepHome lets a soft reboot find /home again: nspawn mounted it, and no unit
// of the host would.
var keepHome = rootMust(`mkdir -p /run/lab-home /run/systemd/system/local-fs.target.requires
	mountpoint -q /run/lab-home || mount --bind /home /run/lab-home
	cd /run/systemd/system
	printf '[Unit]\nDefaultDependencies=no\n[Mount]\nWhat=/home\nWhere=/run/lab-home\nOptions=bind\n' >'run-lab\x2dhome.mount'
	printf '[Unit]\nDefaultDependencies=no\nBefore=local-fs.target umount.target\nConflicts=umount.target\n[Mount]\nWhat=/run/lab-home\nWhere=/home\nOptions=bind\n' >home.mount
	ln -sf ../home.mount local-fs.target.requires/
	systemctl daemon-reload`)

// softReboot restarts everything above the kernel, and waits until it is up.
func softReboot(ctx context.Context, s *Scene) error {
	before, err := softReboots(ctx, s)
	if err != nil {
		return err
	}
	_, _ = s.Output(ctx, "systemctl", "soft-reboot")
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := until(ctx, func(ctx context.Context) bool {
		now, err := softReboots(ctx, s)
		return err == nil && now != before
	}); err != nil {
		return fmt.Errorf("the soft reboot does not come to its end: %w", err)
	}
	return nil
}

func softReboots(ctx context.Context, s *Scene) (string, error) {
	out, err := s.Output(ctx, "sh", "-c", "test \"$(systemctl is-system-running)\" = running && systemctl show --property=SoftRebootsCount --value")
	return strings.TrimSpace(out), err
}

// cut cuts the power, and gives it back.
func cut(ctx context.Context, s *Scene) error { return s.Cut(ctx) }

// shutdownBlows mean to stop the machine, and must stop it.
func shutdownBlows() []Blow {
	const g = "host"
	return []Blow{
		{
			ID: "reboot", Group: g, Name: "systemctl reboot",
			Strike: asRoot("systemctl", "reboot"),
			Linger: Reboots, User: Reboots, Root: Reboots,
		},
		{
			ID: "reboot-session", Group: g, Name: "systemctl reboot with sessions open",
			Prepare: logIn(2), Strike: asRoot("systemctl", "reboot"),
			Linger: Reboots, User: Reboots, Root: Reboots,
		},
		{
			ID: "poweroff", Group: g, Name: "systemctl poweroff",
			Strike: asRoot("systemctl", "poweroff"),
			Linger: Off, User: Off, Root: Off,
		},
		{
			ID: "poweroff-logind", Group: g, Name: "poweroff through logind (D-Bus)",
			Strike: login1("PowerOff", "b", "false"),
			Linger: Off, User: Off, Root: Off, Quick: true,
		},
		{
			ID: "poweroff-target", Group: g, Name: "systemctl start poweroff.target",
			Strike: asRoot("systemctl", "start", "--no-block", "poweroff.target"),
			Linger: Off, User: Off, Root: Off,
		},
		{
			ID: "poweroff-force", Group: g, Name: "systemctl poweroff --force",
			Strike: asRoot("systemctl", "poweroff", "--force"),
			Linger: Off, User: Off, Root: Off,
		},
		{
			ID: "poweroff-force-force", Group: g, Name: "systemctl poweroff --force --force",
			Strike: asRoot("systemctl", "poweroff", "--force", "--force"),
			Linger: Off, User: Off, Root: Off,
		},
		{
			ID: "soft-reboot", Group: g, Name: "systemctl soft-reboot",
			Prepare: keepHome, Strike: softReboot,
			Linger: StaysDown, User: StaysDown, Root: Back, Limit: 90 * time.Second,
			Why:  "logind of systemd 257 forgets who lingers in a soft reboot, and nothing of the account runs to remind it",
			Says: "soft-reboot",
		},
		{
			ID: "shutdown-cancelled", Group: g, Name: "shutdown +1, then shutdown -c",
			Strike: steps(rootMust("shutdown +1"), after(2*time.Second), rootMust("shutdown -c")),
			Linger: Stays, User: Stays, Root: Stays,
		},
		{
			ID: "shutdown-failed", Group: g, Name: "a reboot that fails when all have been told",
			Strike: cancelled, Undo: rootMust("systemctl unmask --runtime --quiet reboot.target; systemctl stop lab-inhibit"),
			Linger: Stays, User: Stays, Root: Stays, Watch: 15 * time.Second,
		},
		{
			ID: "power-cut", Group: g, Name: "power cut",
			Strike: cut,
			Linger: Reboots, User: Reboots, Root: Reboots, Quick: true,
		},
	}
}
