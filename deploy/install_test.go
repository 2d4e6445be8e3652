package deploy

import (
	"slices"
	"strings"
	"testing"
)

// releases are what distributions say of themselves in os-release.
var releases = map[string]string{
	"ol8":      "NAME=\"Oracle Linux Server\"\nVERSION=\"8.10\"\nID=\"ol\"\nID_LIKE=\"fedora\"\nVARIANT_ID=\"server\"\nVERSION_ID=\"8.10\"\nPRETTY_NAME=\"Oracle Linux Server 8.10\"\n",
	"ol9":      "NAME=\"Oracle Linux Server\"\nVERSION=\"9.6\"\nID=\"ol\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"9.6\"\nPRETTY_NAME=\"Oracle Linux Server 9.6\"\n",
	"ol10":     "NAME=\"Oracle Linux Server\"\nVERSION=\"10.0\"\nID=\"ol\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"10.0\"\nPRETTY_NAME=\"Oracle Linux Server 10.0\"\n",
	"rhel8":    "NAME=\"Red Hat Enterprise Linux\"\nVERSION=\"8.10 (Ootpa)\"\nID=\"rhel\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"8.10\"\nPRETTY_NAME=\"Red Hat Enterprise Linux 8.10 (Ootpa)\"\n",
	"rhel9":    "NAME=\"Red Hat Enterprise Linux\"\nVERSION=\"9.6 (Plow)\"\nID=\"rhel\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"9.6\"\nPRETTY_NAME=\"Red Hat Enterprise Linux 9.6 (Plow)\"\n",
	"rocky9":   "NAME=\"Rocky Linux\"\nVERSION=\"9.5 (Blue Onyx)\"\nID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.5\"\nPRETTY_NAME=\"Rocky Linux 9.5 (Blue Onyx)\"\n",
	"alma10":   "NAME=\"AlmaLinux\"\nVERSION=\"10.0 (Purple Lion)\"\nID=\"almalinux\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"10.0\"\nPRETTY_NAME=\"AlmaLinux 10.0 (Purple Lion)\"\n",
	"centos10": "NAME=\"CentOS Stream\"\nVERSION=\"10 (Coughlan)\"\nID=\"centos\"\nID_LIKE=\"rhel fedora\"\nVERSION_ID=\"10\"\nPRETTY_NAME=\"CentOS Stream 10 (Coughlan)\"\n",
	"fedora42": "NAME=\"Fedora Linux\"\nVERSION=\"42 (Server Edition)\"\nID=fedora\nVERSION_ID=42\nPRETTY_NAME=\"Fedora Linux 42 (Server Edition)\"\n",
	"debian12": "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nVERSION=\"12 (bookworm)\"\nID=debian\n",
	"debian13": "PRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"13\"\nVERSION=\"13 (trixie)\"\nID=debian\n",
	"ubuntu24": "PRETTY_NAME=\"Ubuntu 24.04.2 LTS\"\nNAME=\"Ubuntu\"\nVERSION_ID=\"24.04\"\nID=ubuntu\nID_LIKE=debian\n",
	"mint":     "PRETTY_NAME=\"Linux Mint 22\"\nVERSION_ID=\"22\"\nID=linuxmint\nID_LIKE=\"ubuntu debian\"\n",
	"unknown":  "PRETTY_NAME=\"Plan $(touch /oops) `touch /oops`\"\nID=plan9\nVERSION_ID=4\n",
}

// everything is all that can be missing.
var everything = []string{
	"usr/bin/podman", "usr/bin/pasta", "usr/bin/newuidmap", "usr/bin/restorecon", "usr/bin/dbus-daemon",
	"usr/lib/polkit-1/polkitd", "usr/lib/systemd/user/dbus.socket", "usr/lib64/security/pam_systemd.so",
}

const (
	rpms = "shadow-utils polkit dbus-daemon systemd-pam policycoreutils"
	debs = "uidmap polkitd dbus-user-session dbus libpam-systemd policycoreutils"
	apt  = "apt-get --yes install "
)

// TestDistributions installs on each, where everything is missing: what is asked of
// dnf and apt-get, and that a dry run, a run without leave and a second run change
// nothing.
func TestDistributions(t *testing.T) {
	for name, want := range map[string][]string{
		"ol8":      {"dnf --assumeyes module install container-tools:ol8", "dnf --assumeyes install slirp4netns " + rpms},
		"rhel8":    {"dnf --assumeyes module install container-tools:rhel8", "dnf --assumeyes install slirp4netns " + rpms},
		"ol9":      {"dnf --assumeyes install container-tools passt " + rpms},
		"ol10":     {"dnf --assumeyes install container-tools passt " + rpms},
		"rhel9":    {"dnf --assumeyes install container-tools passt " + rpms},
		"rocky9":   {"dnf --assumeyes install container-tools passt " + rpms},
		"alma10":   {"dnf --assumeyes install container-tools passt " + rpms},
		"centos10": {"dnf --assumeyes install container-tools passt " + rpms},
		"fedora42": {"dnf --assumeyes install podman passt " + rpms},
		"debian12": {apt + "podman slirp4netns " + debs},
		"debian13": {apt + "podman passt " + debs},
		"ubuntu24": {apt + "podman slirp4netns " + debs},
		"mint":     {apt + "podman passt " + debs},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, releases[name], everything...)
			h.refused("Run this again with --yes, or type:", func() result { return h.run("--user", "app") })
			before := h.tree()
			dry := h.installs("--user", "app", "--dry-run")
			for _, line := range want {
				if !strings.Contains(dry.out, "would run: "+strings.Replace(line, "apt-get", "env DEBIAN_FRONTEND=noninteractive apt-get", 1)+"\n") {
					t.Errorf("a dry run does not say: %s\n%s", line, dry.out)
				}
			}
			for _, file := range []string{"/home/app/.local/bin/keeper", "/etc/systemd/system/user@1000.service.d/50-keeper.conf"} {
				if !strings.Contains(dry.out, "would write "+file+"\n") {
					t.Errorf("a dry run does not say that it would write %s:\n%s", file, dry.out)
				}
			}
			if h.tree() != before || len(dry.changes()) > 0 {
				t.Errorf("a dry run changed something: %q", dry.changes())
			}

			r := h.installs("--user", "app", "--yes")
			if got := r.managers(); !slices.Equal(got, want) {
				t.Errorf("asked for\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			// Nothing comes before what the rest needs.
			if first := slices.IndexFunc(r.changes(), func(line string) bool { return line == want[0] }); first != 0 {
				t.Errorf("before that was done: %q", r.changes()[:max(first, 0)])
			}
			for _, says := range []string{"doctor was here", "doctor found what is to be mended", "set linger", "gave app the subordinate ids", "To undo: sh /root/keeper/deploy/install.sh --uninstall --user app"} {
				if !strings.Contains(r.out, says) {
					t.Errorf("it does not say %q:\n%s", says, r.out)
				}
			}
			for _, line := range []string{"usermod --add-subuids 100000-165535 --add-subgids 100000-165535 app", "loginctl enable-linger app",
				"systemctl --user enable --quiet keeper.service", "systemctl --user start keeper-session.service keeper.service",
				"systemctl enable --quiet keeper-revive@1000.service", "keeper doctor",
				"restorecon /home/app/.local/bin/keeper", "restorecon /etc/systemd/system/user@1000.service.d", "restorecon /etc/keeper/users/1000"} {
				if !slices.Contains(r.log, line) {
					t.Errorf("%s was not run, but\n%s", line, strings.Join(r.log, "\n"))
				}
			}

			if !slices.Contains([]string{"ol8", "ol9", "ol10", "debian13"}, name) {
				return // from here on all are the same
			}
			before = h.tree()
			again := h.installs("--user", "app")
			if changed := again.changes(); len(changed) > 0 || h.tree() != before {
				t.Errorf("a second run changed something: %q\n%s", changed, again.out)
			}
			if strings.Count(again.out, "nothing had to be changed") != 2 {
				t.Errorf("a second run does not say that nothing had to be changed:\n%s", again.out)
			}

			dry = h.installs("--uninstall", "--user", "app", "--dry-run")
			if h.tree() != before || len(dry.changes()) > 0 {
				t.Errorf("a dry run of the removal changed something: %q", dry.changes())
			}
			h.installs("--uninstall", "--user", "app")
			for _, gone := range []string{"home/app/.local", "home/app/.config", "etc/keeper", "etc/systemd", "usr/libexec", "state/linger", "state/enabled", "state/revive"} {
				if h.has(gone) {
					t.Errorf("%s is still there", gone)
				}
			}
		})
	}
}

// TestOnlyWhatIsMissing asks for one package, and for none.
func TestOnlyWhatIsMissing(t *testing.T) {
	t.Parallel()
	h := newHost(t, releases["ol9"], "usr/bin/newuidmap", "usr/bin/restorecon")
	if r := h.installs("--user", "app", "--yes"); !slices.Equal(r.managers(), []string{"dnf --assumeyes install shadow-utils policycoreutils"}) {
		t.Errorf("asked for %q", r.managers())
	}
	// Without SELinux nothing of it is wanted.
	h = newHost(t, releases["debian13"], "sys/fs/selinux/enforce", "usr/bin/restorecon")
	if r := h.installs("--user", "app"); len(r.managers()) > 0 {
		t.Errorf("asked for %q", r.managers())
	}
}

// TestStaleLists: apt-get is tried again with fresh lists.
func TestStaleLists(t *testing.T) {
	t.Parallel()
	h := newHost(t, releases["debian13"], "usr/bin/podman")
	h.write("stale", "")
	want := []string{apt + "podman", "apt-get --quiet=2 update", apt + "podman"}
	if r := h.run("--user", "app", "--yes"); !slices.Equal(r.managers(), want) {
		t.Errorf("asked for %q\n%s", r.managers(), r.out)
	}
}

// TestFailedPackages: nothing of keeper is put onto half a host.
func TestFailedPackages(t *testing.T) {
	t.Parallel()
	h := newHost(t, releases["ol9"], "usr/bin/podman")
	h.program("dnf", "exit 1")
	r := h.run("--user", "app", "--yes")
	if r.code != 1 || !strings.Contains(r.out, "nothing of keeper is installed yet") || h.has("home/app/.local") {
		t.Errorf("it ended with %d:\n%s", r.code, r.out)
	}
	h.program("dnf", ":")
	if r := h.run("--user", "app", "--yes"); r.code != 1 || !strings.Contains(r.out, "still missing after that: Podman") {
		t.Errorf("it ended with %d:\n%s", r.code, r.out)
	}
}

// TestCgroupV1: nothing is changed, and the way out is that of the distribution.
func TestCgroupV1(t *testing.T) {
	t.Parallel()
	for name, says := range map[string]string{
		"ol8":      `grubby --update-kernel=ALL --args="systemd.unified_cgroup_hierarchy=1"` + "\n  reboot\n",
		"debian12": "GRUB_CMDLINE_LINUX in /etc/default/grub; update-grub\n  reboot\n",
		"unknown":  "give the kernel the argument systemd.unified_cgroup_hierarchy=1\n",
	} {
		h := newHost(t, releases[name], everything...)
		h.write("cgroup", "tmpfs\n")
		for _, args := range [][]string{{"--user", "app", "--yes"}, {"--user", "app", "--yes", "--dry-run"}, {"--user", "app", "--no-root", "--yes"}} {
			h.refused(says, func() result { return h.run(args...) })
		}
		h.refused(says, func() result { return h.runAs(1000, "root/keeper") })
	}
}

// TestUnknown goes on where all is there, and else names it. What os-release says is
// read, and never run.
func TestUnknown(t *testing.T) {
	t.Parallel()
	h := newHost(t, releases["unknown"], "usr/bin/podman", "usr/lib/systemd/user/dbus.socket")
	h.refused("missing here: Podman, the user bus. Install that by the means of your distribution", func() result { return h.run("--user", "app", "--yes") })
	h = newHost(t, releases["unknown"])
	r := h.installs("--user", "app")
	if !strings.Contains(r.out, "which this script does not know") || !h.has("home/app/.local/bin/keeper") || h.has("oops") {
		t.Errorf("it did not go on:\n%s", r.out)
	}
	h = newHost(t, strings.Replace(releases["ol8"], `VERSION_ID="8.10"`, `VERSION_ID="7.9"`, 1), "usr/bin/podman")
	h.refused("does not know", func() result { return h.run("--user", "app", "--yes") })
}

// TestNoRoot leaves root's part out.
func TestNoRoot(t *testing.T) {
	t.Parallel()
	h := newHost(t, releases["ol9"])
	h.installs("--user", "app", "--no-root")
	if h.has("etc/keeper") || h.has("etc/systemd") || h.has("usr/libexec/keeper") {
		t.Error("root's part is there")
	}
	h.installs("--user", "app", "--system")
	if !h.has("etc/keeper/users/1000") {
		t.Error("root's part is not there")
	}
	h.installs("--uninstall", "--user", "app", "--no-root")
	if h.has("home/app/.local") || !h.has("etc/keeper/users/1000") {
		t.Error("not the account's part alone was taken out")
	}
}

// TestAccount installs as the account, which gets what root would type.
func TestAccount(t *testing.T) {
	t.Parallel()
	h := newHost(t, releases["ol8"], everything...)
	h.refused("As root:\n  dnf --assumeyes module install container-tools:ol8\n  dnf --assumeyes install slirp4netns", func() result { return h.runAs(1000, "root/keeper") })
	h = newHost(t, releases["ol10"])
	r := h.runAs(1000, "root/keeper")
	if r.code != 0 || !h.has("home/app/.local/bin/keeper") || h.has("etc/keeper") || !strings.Contains(r.out, "doctor was here") {
		t.Errorf("it ended with %d:\n%s", r.code, r.out)
	}
	before := h.tree()
	if r := h.runAs(1000, "root/keeper"); r.code != 0 || len(r.changes()) > 0 || h.tree() != before {
		t.Errorf("a second run changed something: %d %q\n%s", r.code, r.changes(), r.out)
	}
}
