package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// The account that the stack lives under, in every host.
const (
	User = "flowstate"
	UID  = 1000
)

// release is what a host can be made of: a release of Debian.
type release struct {
	suite string
	// artifact is its name in the cache.
	artifact string
	packages []string
	// options are those of mmdebstrap.
	options []string
	files   map[string]string
	// setup runs in the new root.
	setup []string
	// plain: its Podman knows no Quadlet, so the demo stack is plain services.
	plain bool
}

// The releases. Debian 13 is the generation of Oracle Linux 10: systemd 257,
// Podman 5.4. Debian 12 has the systemd of Oracle Linux 9, 252, and Podman 4.3,
// which is older than Quadlet.
var releases = []release{
	{suite: "trixie", artifact: "rootfs", packages: slices.Concat(hostPackages, rivals, rpmTools), options: noDocs, files: hostFiles,
		setup: append(slices.Clone(hostSetup), rivalsSetup...)},
	{suite: "bookworm", artifact: "bookworm", plain: true,
		packages: append(slices.Clone(hostPackages), plainPackages...),
		options:  append(slices.Clone(noDocs), plainOptions...),
		files:    merge(hostFiles, plainFiles),
		setup:    append(slices.Clone(hostSetup), plainSetup...)},
}

// findRelease returns the release of the suite; "" is the first.
func findRelease(suite string) (release, error) {
	names := make([]string, len(releases))
	for i, r := range releases {
		if suite == "" || suite == r.suite {
			return r, nil
		}
		names[i] = r.suite
	}
	return release{}, fmt.Errorf("no suite %q: a host is made of %s", suite, strings.Join(names, " or "))
}

// hostPackages is what every host has.
var hostPackages = []string{
	"systemd", "systemd-sysv", "dbus", "dbus-user-session", "libpam-systemd", "polkitd",
	"podman", "crun", "passt", "uidmap", "fuse-overlayfs", "aardvark-dns", "netavark", "nftables",
	"catatonit", "iproute2", "procps", "ca-certificates", "sudo", "curl", "login", "passwd", "util-linux",
}

// rivals are what keeper's supervision is measured against. They do nothing
// until a test starts them.
var rivals = []string{"monit"}

var rivalsSetup = []string{"systemctl disable monit.service"}

// rpmTools puts keeper's rpm onto a host: no distribution that has rpm for its own is
// within reach.
var rpmTools = []string{"rpm"}

// imagePackages is the Debian layer that the images of the stack share.
var imagePackages = []string{"ca-certificates", "netbase", "tzdata"}

// noDocs keeps out of a root file system what no test reads.
var noDocs = []string{
	"--dpkgopt=path-exclude=/usr/share/man/*",
	"--dpkgopt=path-exclude=/usr/share/doc/*",
	"--dpkgopt=path-exclude=/usr/share/locale/*",
	"--dpkgopt=path-exclude=/usr/share/info/*",
}

// hostFiles are written into the root file system of a host. The reasons are
// those of a host inside a container: device nodes, cgroup controllers and a
// network that are not there.
var hostFiles = map[string]string{
	// pasta and fuse-overlayfs open these, and nspawn does not make them.
	"/etc/tmpfiles.d/lab-devices.conf": "c! /dev/net/tun 0666 root root - 10:200\nc! /dev/fuse 0666 root root - 10:229\n",
	// No controller is available in the host's cgroup tree; Podman's default
	// pids limit would make it refuse every container. And the account may have 200
	// keys on all hosts together (kernel.keys.maxkeys), one for each container, which
	// the kernel collects minutes later only.
	"/etc/containers/containers.conf.d/50-lab.conf": "[containers]\npids_limit = 0\nkeyring = false\n",
	// Podman's own unit for waiting on the network holds Quadlets for 90 s
	// where nothing ever reaches network-online.target.
	"/etc/systemd/system/lab-online.service": "[Unit]\nDescription=The lab's network is its loopback\nWants=network-online.target\nBefore=network-online.target\n" +
		"[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n",
	"/etc/sudoers.d/lab": "Defaults !fqdn\n",
	// Nobody answers there, at once; Podman insists on a resolver.
	"/etc/resolv.conf": "nameserver 127.0.0.1\n",
	"/etc/hosts":       "127.0.0.1 localhost\n::1 localhost\n",
}

// hostSetup runs in the new root. The account has a real password, so that
// locking it is a change that can be seen.
var hostSetup = []string{
	"systemctl enable lab-online.service",
	"systemctl mask systemd-modules-load.service systemd-networkd-wait-online.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer systemd-networkd.service systemd-firstboot.service",
	"systemctl set-default multi-user.target",
	fmt.Sprintf("useradd --create-home --uid %d --shell /bin/bash %s", UID, User),
	fmt.Sprintf("echo %s:lab | chpasswd", User),
	"mkdir -p /var/log/journal",
	"rm -f /etc/hostname /etc/machine-id && touch /etc/machine-id",
	"mkdir -p /cache",
}

// ensureRootfs returns the read-only root file system that every host of the
// release stands on.
func ensureRootfs(c *cache, r release) (dir, key string, err error) {
	inputs := append([]string{r.suite}, r.packages...)
	inputs = append(inputs, r.options...)
	for _, path := range sortedKeys(r.files) {
		inputs = append(inputs, path, r.files[path])
	}
	inputs = append(inputs, r.setup...)
	key = digest(inputs...)
	dir, err = c.ensure(r.artifact, key, func(dir string) error {
		c.say("building the host's root file system: Debian %s with systemd and Podman (about a minute)", r.suite)
		args := append([]string{"--quiet", "--variant=minbase", "--include=" + strings.Join(r.packages, ",")}, r.options...)
		if err := quiet(exec.Command("mmdebstrap", append(args, r.suite, dir)...)); err != nil {
			return err
		}
		for _, path := range sortedKeys(r.files) {
			if err := writeInto(dir, path, r.files[path]); err != nil {
				return err
			}
		}
		for _, line := range r.setup {
			if err := quiet(exec.Command("chroot", dir, "/bin/sh", "-ec", line)); err != nil {
				return err
			}
		}
		return nil
	})
	return dir, key, err
}

// ensureBaseImage returns a directory with base.tar, the Debian layer of the
// stack's images.
func ensureBaseImage(c *cache) (dir, key string, err error) {
	suite := releases[0].suite
	key = digest(append(append([]string{suite}, imagePackages...), noDocs...)...)
	dir, err = c.ensure("base", key, func(dir string) error {
		c.say("building the images' Debian layer")
		args := append([]string{"--quiet", "--variant=minbase", "--include=" + strings.Join(imagePackages, ",")}, noDocs...)
		return quiet(exec.Command("mmdebstrap", append(args, suite, filepath.Join(dir, "base.tar"))...))
	})
	return dir, key, err
}

func writeInto(root, path, content string) error {
	full := filepath.Join(root, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		return err
	}
	return os.WriteFile(full, []byte(content), 0o644)
}
