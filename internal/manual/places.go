package manual

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// Place is a file or directory of keeper's, or one that keeper reads.
type Place struct {
	Path, What string
	// Who writes it; Mode is that of what keeper makes.
	Who, Mode string
	// Gone says what comes of it when it is removed.
	Gone string
	// Of are the commands whose pages name it; those of keeper(1) name it anyway.
	Of []string
}

// The parts that Places come in.
type part struct {
	title, intro string
	places       []Place
}

func parts() []part {
	return []part{
		{"Settings", "Written by people, and by nobody else, but for units.", []Place{
			{"/etc/keeper/keeper.toml", "the settings for all accounts; see keeper.toml(5)", "root", "", "the defaults hold, or what the account's own file says", []string{"run", "config", "alert"}},
			{"~/.config/keeper/keeper.toml", "the settings of the account; see keeper.toml(5)", "the account", "", "those of the host hold, or the defaults, from the moment that it is gone", []string{"run", "config", "alert", "guard"}},
			{"/etc/keeper/guard.toml", "what the command guard does for all accounts, which no account weakens; see keeper.toml(5)", "root", "", "the account's `[guard]` holds, or the defaults", []string{"config", "guard"}},
			{"/etc/keeper/stand-down/UID", "the administrator's mark: keeper stands down for that account", "root", "", "keeper acts again", []string{"run", "rearm", "pause", "resume", "status", "doctor"}},
			{"~/.config/containers/systemd/", "the Quadlet files of the account, with their `[X-Keeper]` sections; /etc/containers/systemd/users/ and $XDG_RUNTIME_DIR/containers/systemd/ are read as well", "the account, and `keeper adopt`", "0600", "the status says so, and where keeper has a copy of a file that a running service was made from", []string{"adopt", "config check", "run", "doctor"}},
			{"~/.config/systemd/user/UNIT.d/50-keeper-*.conf", "drop-ins that mend what the doctor found; those of Quadlet files are below ~/.config/containers/systemd/FILE.d/", "`keeper doctor --fix`", "0644", "after `systemctl --user daemon-reload`, the doctor finds again what they mended", []string{"doctor"}},
			{"~/.local/share/containers/storage/", "Podman's images and volumes; keeper reads where volumes are", "Podman", "", "this is the data: keeper has no copy of it", nil},
		}},
		{"The account's state", "Below `~/.local/state/keeper/`, mode 0700. Files are replaced in one step, but for the history and the recordings, which grow line by line. One that cannot be read is set aside as `*.damaged-TIME`, and told of.", []Place{
			{"~/.local/state/keeper/state.json", "survivals, decisions, the last status, the units seen last", "the daemon", "0600", "the daemon writes it again; what it decided before is in the history, and what the status remembers is not shown any more", []string{"run", "status"}},
			{"~/.local/state/keeper/rearm.json", "what each `keeper rearm` did; its budget is counted from it", "`keeper rearm`; removed by `keeper resume`", "0600", "the budget begins anew, and the next daemon cannot say why the user manager ended", []string{"rearm", "resume"}},
			{"~/.local/state/keeper/quadlets/", "a copy of the Quadlet file of each running service", "the daemon", "0600", "it is made again; a file that was lost before has no copy then", nil},
			{"~/.local/state/keeper/pause.json", "the pause", "`keeper pause`; removed by `keeper resume`", "0600", "the pause is over", []string{"pause", "resume", "rearm"}},
			{"~/.local/state/keeper/held/SERVICE.service.json", "the pause of a service", "`keeper pause SERVICE`; removed by `keeper resume SERVICE`", "0600", "its pause is over", []string{"pause", "resume"}},
			{"~/.local/state/keeper/password-seen", "empty: the account once had a usable password, so that one that is locked later is told from one that never had any", "whoever looks at the account; removed by `keeper resume` while it is locked", "0600", "it is made again when a usable password is seen", []string{"resume"}},
			{"~/.local/state/keeper/adoption.json", "the journal of an adoption that is not finished", "`keeper adopt`; removed at its end", "0600", "**do not**: it alone knows where the data of the containers is. To end the adoption: `keeper adopt --undo`", []string{"adopt"}},
			{"~/.local/state/keeper/adoption.lock", "locked by whoever is at an adoption (flock(2))", "`keeper adopt`", "0600", "it is made again; while an adoption is under way a second one could begin", []string{"adopt"}},
			{"~/.local/state/keeper/history/NUMBER.log", "the log of entries, a line each: a checksum and JSON; the next file is begun at 1 MiB", "the daemon, and whoever else has something to say, under the lock", "0600", "its entries are gone; keeper goes on with a new file", []string{"history", "incident"}},
			{"~/.local/state/keeper/history/old.log", "the last records of incidents and drills whose file was removed", "the same, under the lock", "0600", "these records are gone", []string{"history", "incident"}},
			{"~/.local/state/keeper/history/lock", "locked by whoever appends to the history (flock(2))", "the same", "0600", "it is made again", nil},
			{"~/.local/state/keeper/recordings/ID.jsonl", "the events of the newest incidents, for a replay", "the daemon", "0600", "these incidents cannot be replayed; their reports stay", nil},
			{"~/.local/state/keeper/alerts/", "alerts that were not sent yet, and the keys of those that were", "the daemon", "0600", "they are not sent", []string{"alert"}},
			{"~/.local/state/keeper/guard/AGENT", "empty: its time is when the guard last judged for that agent", "the guard", "0600", "it is made again at the next command", []string{"guard status"}},
			{"~/.local/state/keeper/guard-installed.json", "which files of agents the guard was put into", "`keeper guard install`, `keeper guard uninstall`", "0600", "`keeper guard uninstall` looks where the agents' settings are by now, and nowhere else", []string{"guard install", "guard uninstall"}},
			{"~/.local/state/keeper/installed", "what `install.sh` put there, with checksums", "`install.sh`", "0644", "`install.sh --uninstall` has nothing to go by: run `install.sh` once more before", nil},
			{"~/.local/state/keeper/linger-was-off", "empty: `install.sh --uninstall` is to take linger off", "`install.sh`", "0644", "linger stays on when keeper is taken out", nil},
		}},
		{"While the account is up", "Below `$XDG_RUNTIME_DIR`, which is `/run/user/UID`: gone with the user manager.", []Place{
			{"$XDG_RUNTIME_DIR/keeper/keeper.sock", "the daemon's socket; it answers the account and root", "the daemon", "0600", "the commands say that the daemon does not answer; the daemon makes it again", []string{"run", "status", "restart", "metrics"}},
			{"$XDG_RUNTIME_DIR/keeper/guard/", "commands that a person let through once", "`keeper guard allow-once`; removed by use", "0600", "they are not let through", []string{"guard allow-once"}},
			{"$XDG_RUNTIME_DIR/systemd/private", "the user manager's own socket, by which keeper speaks to it", "systemd", "", "keeper waits for it, and says so", nil},
		}},
		{"Programs and units", "Put there by a package, or by `install.sh` into the account's home.", []Place{
			{"/usr/bin/keeper", "the daemon and the command line; without a package ~/.local/bin/keeper", "the package, or `install.sh`", "0755", "nothing brings the account back any more; the stack runs on", []string{"run"}},
			{"/usr/libexec/keeper/keeper-adopt", "what `keeper adopt` runs, and the daemon to compare containers with their units; without a package ~/.local/bin/keeper-adopt", "the package, or `install.sh`", "0755", "`keeper adopt` says so, and nothing is compared", []string{"adopt"}},
			{"/usr/libexec/keeper/keeper-guard", "what `keeper guard` runs, and what agents run before each command; without a package ~/.local/bin/keeper-guard", "the package, or `install.sh`", "0755", "agents that the guard stands before refuse to run commands, or run them unjudged (docs/reference/guard-agents.md)", []string{"guard"}},
			{"/usr/lib/systemd/user/keeper.service", "the unit of the daemon; without a package ~/.config/systemd/user/keeper.service", "the package, or `install.sh`", "0644", "the daemon is not started any more", []string{"run"}},
			{"/usr/lib/systemd/user/keeper-session.service", "the first and the last act of the user manager; without a package ~/.config/systemd/user/keeper-session.service", "the package, or `install.sh`", "0644", "the account is not brought back", []string{"recover", "rearm"}},
			{"/usr/lib/systemd/user/{podman-pause-,rootless-netns-,run-}.scope.d/50-keeper.conf", "the order in which Podman's helpers end; without a package below ~/.config/systemd/user/", "the package, or `install.sh`", "0644", "at the end of the user manager containers lose their network before they have stopped", nil},
			{"/usr/lib/systemd/user-preset/50-keeper.preset", "that no account has keeper enabled unless it asks", "the package", "0644", "`systemctl --user preset` may enable keeper", nil},
			{"/usr/libexec/keeper/install.sh", "the installer", "the package", "0755", "accounts and root's part are set up and taken out by another copy of it", nil},
			{"/usr/share/keeper/systemd/system/", "what the installer makes root's part of an account of", "the package", "0644", "the installer of the package cannot put root's part in", nil},
		}},
		{"Root's part", "Put there by `install.sh` as root. [root.md](../explanation/root.md) says what it does.", []Place{
			{"/usr/libexec/keeper/revive", "brings a user manager back", "the package, or `install.sh`", "0755", "nothing is brought back by root's part", nil},
			{"/etc/systemd/system/keeper-revive@.service", "runs it; from a package below /usr/lib/systemd/system/", "the package, or `install.sh`", "0644", "the same", nil},
			{"/etc/systemd/system/user@UID.service.d/50-keeper.conf", "has user@UID.service call it when it ends, and refuse to be stopped by hand", "`install.sh`", "0644", "after `systemctl daemon-reload`, the account is as without root's part", nil},
			{"/etc/systemd/system/user-runtime-dir@UID.service.d/50-keeper.conf", "the armor: terminate-user leaves the services running", "`install.sh`", "0644", "after `systemctl daemon-reload`, terminate-user stops the services, and they are brought back", nil},
			{"/etc/systemd/logind.conf.d/50-keeper.conf", "how long logind waits before a shutdown, where `--shutdown-delay` raised it", "`install.sh`", "0644", "logind waits as long as it did before", nil},
			{"/etc/keeper/users/UID", "the name of an account that root's part is installed for", "`install.sh`", "0644", "that account is not brought back by root's part", nil},
			{"/etc/keeper/installed/", "what `install.sh` put there as root, with checksums", "`install.sh`", "0644", "`install.sh --uninstall` has nothing to go by: run `install.sh` once more before", nil},
			{"/run/keeper/revive/UID", "how often the user manager was brought back of late", "revive", "0644", "the count begins anew", nil},
			{"/var/lib/systemd/linger/USER", "logind's own mark that the account lingers; keeper watches it", "logind", "", "keeper has logind make it again", nil},
		}},
	}
}

// Places are all there are.
func Places() []Place {
	var list []Place
	for _, p := range parts() {
		list = append(list, p.places...)
	}
	return list
}

// placesOf are those that the page of a command names: those of the command, and of
// what it belongs to.
func placesOf(c *cobra.Command) []Place {
	if !c.HasParent() {
		return Places()
	}
	return slices.DeleteFunc(Places(), func(p Place) bool {
		return !slices.ContainsFunc(p.Of, func(of string) bool { return strings.HasPrefix(typed(c)+" ", "keeper "+of+" ") })
	})
}

// FilesPage is docs/reference/files.md.
func FilesPage() string {
	var b strings.Builder
	b.WriteString("# Files\n\n" + made + `
All that keeper reads and writes, by whom it is written, and what comes of it when it is
removed. ` + "`XDG_STATE_HOME`, `XDG_CONFIG_HOME` and `XDG_DATA_HOME`" + ` move what is below
` + "`~/.local/state`, `~/.config` and `~/.local/share`" + ` ([environment](environment.md)). To
take all of it out: ` + "`install.sh --uninstall`" + `, or the package manager.
`)
	for _, p := range parts() {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| path | what | written by | mode | when it is removed |\n|---|---|---|---|---|\n", p.title, p.intro)
		for _, f := range p.places {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", f.Path, cell(f.What), f.Who, f.Mode, f.Gone)
		}
	}
	return b.String()
}
