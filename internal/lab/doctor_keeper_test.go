package lab

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestDoctorKeeper provokes what keeper doctor finds about keeper itself, logind, polkit and
// the guard, and is not for --fix to mend, sees it, mends it as it says, and sees it gone.
// What --fix mends is TestDoctorStack's, "drift" is TestAdopt's.
func TestDoctorKeeper(t *testing.T) {
	t.Parallel()
	h := testHost(t, Options{Name: "doctor-keeper", Images: true})
	install(t, h)
	p := patient{h}
	const (
		state = "/home/" + User + "/.local/state/keeper/"
		conf  = "/home/" + User + "/.config/keeper/"
	)

	t.Run("stand-down", func(t *testing.T) {
		p.account(t, ".local/bin/keeper pause --reason 'a test'")
		f := p.one(t, "stand-down", "bad", "keeper stands down")
		p.account(t, ".local/bin/"+f.Fix)
		p.gone(t, "stand-down")
		p.root(t, fmt.Sprintf("mkdir -p /etc/keeper/stand-down && touch /etc/keeper/stand-down/%d", UID))
		f = p.one(t, "stand-down", "bad", "keeper stands down")
		p.root(t, rootsCommand(f.Fix))
		p.gone(t, "stand-down")
	})
	t.Run("polkit", func(t *testing.T) {
		p.root(t, `printf 'polkit.addRule(function(a) { if (a.id == "org.freedesktop.login1.set-self-linger") return polkit.Result.NO; });\n' >/etc/polkit-1/rules.d/10-no.rules`)
		await(t, 10*time.Second, "polkit has read its rules", func(context.Context) bool { return len(p.ask(t, "polkit")) > 0 })
		p.one(t, "polkit", "bad", "does not let the account set its own linger")
		p.root(t, "rm /etc/polkit-1/rules.d/10-no.rules")
		await(t, 10*time.Second, "polkit has read its rules", func(context.Context) bool { return len(p.ask(t, "polkit")) == 0 })
	})
	t.Run("logind", func(t *testing.T) {
		p.root(t, "systemctl mask --runtime --now systemd-logind")
		p.one(t, "logind", "bad", "logind")
		p.root(t, "systemctl unmask --runtime systemd-logind && systemctl start systemd-logind")
		p.gone(t, "logind")
	})
	t.Run("manager", func(t *testing.T) {
		p.root(t, fmt.Sprintf("mkdir -p /etc/keeper/stand-down && touch /etc/keeper/stand-down/%d && systemctl stop user@%d", UID, UID))
		f := p.one(t, "manager", "bad", "user manager")
		p.root(t, fmt.Sprintf("rm /etc/keeper/stand-down/%d; %s", UID, rootsCommand(f.Fix)))
		p.gone(t, "manager")
	})
	t.Run("budget", func(t *testing.T) {
		// As so many revivals within minutes leave it.
		p.account(t, `set -- $(cat /proc/uptime); boot=$(cat /proc/sys/kernel/random/boot_id)
one="{\"at\":\"$(date -u +%FT%TZ)\",\"boot\":\"$boot\",\"mono\":${1%.*}000000000,\"done\":true,\"cause\":\"\",\"reason\":\"\"}"
[ ! -e `+state+`rearm.json ] || mv `+state+`rearm.json `+state+`before
printf '[%s,%s,%s,%s,%s,%s,%s,%s,%s,%s]\n' "$one" "$one" "$one" "$one" "$one" "$one" "$one" "$one" "$one" "$one" >`+state+`rearm.json`)
		p.one(t, "budget", "bad", "it stays down")
		p.account(t, "[ ! -e "+state+"before ] && rm "+state+"rearm.json || mv "+state+"before "+state+"rearm.json")
		p.gone(t, "budget")
	})
	t.Run("delay", func(t *testing.T) {
		p.account(t, "systemctl --user stop keeper")
		f := p.one(t, "delay", "info", "no delay inhibitor")
		p.account(t, f.Fix)
		await(t, 10*time.Second, "the daemon has its inhibitor", func(context.Context) bool { return len(p.ask(t, "delay")) == 0 })
	})
	t.Run("settings", func(t *testing.T) {
		p.account(t, "mkdir -p "+conf+" && echo 'adopt = \"perhaps\"' >"+conf+"keeper.toml")
		p.one(t, "settings", "warn", "keeper.toml")
		p.account(t, "rm "+conf+"keeper.toml")
		p.gone(t, "settings")
	})
	t.Run("adoption", func(t *testing.T) {
		p.account(t, "touch "+state+"adoption.json")
		p.one(t, "adoption", "warn", "interrupted")
		p.account(t, "rm "+state+"adoption.json")
		p.gone(t, "adoption")
	})
	t.Run("guard", func(t *testing.T) {
		const claude = "/home/" + User + "/.claude/settings.json"
		p.account(t, `mkdir -p .claude && echo '{"permissions":{"allow":["Bash(loginctl:*)"]}}' >`+claude)
		p.one(t, "guard-loose", "warn", "loginctl")
		p.one(t, "guard", "warn", "no guard stands before it")
		p.account(t, `sed -i 's/"Bash(loginctl:\*)"//' `+claude+` && .local/bin/keeper guard install claude`)
		p.gone(t, "guard-loose")
		p.gone(t, "guard")
		p.root(t, "mkdir -p /etc/keeper && echo 'mode = \"perhaps\"' >/etc/keeper/guard.toml")
		p.one(t, "guard-settings", "warn", "guard.toml")
		p.root(t, "rm /etc/keeper/guard.toml")
		p.gone(t, "guard-settings")
	})
	t.Run("containers", func(t *testing.T) {
		const image = "docker.io/library/debian:trixie-slim"
		// A network of its own has Podman start helpers, in a scope of theirs.
		p.account(t, `mkdir -p .config/containers/systemd && podman network create own >/dev/null && printf '[Container]\nImage=`+image+`\nExec=sleep infinity\nNetwork=own\nStopTimeout=1\n[Install]\nWantedBy=default.target\n' >.config/containers/systemd/kept.container
systemctl --user daemon-reload; systemctl --user start kept`)
		p.account(t, "rm -r .config/systemd/user/*.scope.d && systemctl --user daemon-reload")
		if got := p.ask(t, "helper-order"); len(got) == 0 {
			t.Error("helper-order: nothing is said of scopes that stop before the containers")
		}
		install(t, h)
		p.gone(t, "helper-order")
		// Podman leaves a container there that has no cgroup of its own.
		var out bytes.Buffer
		_ = h.Run(within(t, time.Minute), Exec{User: User, Login: true, Stdout: &out}, "sh", "-c", // 3 is what it exits with
			"podman run -d --name loose --cgroups=disabled "+image+" sleep infinity >&2; .local/bin/keeper doctor")
		if !strings.Contains(out.String(), ", of a container, is in the login session") {
			t.Errorf("in-session: nothing is said of it: %s", out.String())
		}
		p.account(t, "podman rm --force --time 0 loose")
		p.gone(t, "in-session")
	})
	t.Run("root", func(t *testing.T) {
		p.one(t, "root", "info", "root's part is not installed")
		if err := h.Install(t.Context(), InstallOptions{Binary: testKeeper(t), System: true}, t.Output()); err != nil {
			t.Fatal(err)
		}
		p.gone(t, "root")
		// As somebody's own drop-in leaves it.
		dropIn := fmt.Sprintf("/etc/systemd/system/user@%d.service.d/60-site.conf", UID)
		p.root(t, "printf '[Service]\\nExecStopPost=\\n' >"+dropIn+" && systemctl daemon-reload")
		p.one(t, "root", "warn", "the revive is not")
		p.root(t, "rm "+dropIn+" && systemctl daemon-reload")
		p.gone(t, "root")
	})
	t.Run("time before a shutdown", func(t *testing.T) {
		p.account(t, `cd .config/containers/systemd; printf '[Container]\nImage=localhost/redis\nNetwork=shop\n' >cache.container
printf '[Container]\nImage=localhost/shop\nNetwork=shop\nStopTimeout=8\n[Service]\nTimeoutStopSec=12\n' >shop.container; systemctl --user daemon-reload`)
		p.one(t, "order", "warn", "shop is not ordered after cache")
		f := p.one(t, "delay", "warn", "keeper may need 12s before a shutdown, and logind grants 5s")
		p.root(t, "cd /root/keeper; "+rootsCommand(f.Fix))
		p.gone(t, "delay")
		p.account(t, ".local/bin/keeper doctor --fix --yes >/dev/null || [ $? -eq 3 ]")
		p.gone(t, "order")
	})
}
