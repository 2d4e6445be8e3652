package lab

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// foreign is a root file system that somebody else made: a directory that is
// booted below an overlay and never written to.
type foreign struct{ dir string }

// need is something that a host cannot do without: one of the paths, and the
// package that has it on RHEL's family and on Debian's.
type need struct {
	paths    []string
	rpm, deb string
}

// foreignNeeds are the needs of systemd, of an account that lingers, of rootless
// Podman, and of the shell scripts that the lab and the installer run.
var foreignNeeds = []need{
	{[]string{"usr/lib/systemd/systemd", "lib/systemd/systemd"}, "systemd", "systemd"},
	{[]string{"usr/bin/dbus-broker-launch", "usr/bin/dbus-daemon"}, "dbus", "dbus"},
	{[]string{"usr/lib/systemd/user/dbus.socket"}, "dbus-common", "dbus-user-session"},
	{[]string{"usr/lib*/security/pam_systemd.so", "usr/lib/*/security/pam_systemd.so", "lib/*/security/pam_systemd.so"}, "systemd-pam", "libpam-systemd"},
	{[]string{"usr/lib/polkit-1/polkitd", "usr/libexec/polkitd"}, "polkit", "polkitd"},
	{[]string{"usr/bin/podman"}, "podman", "podman"},
	{[]string{"usr/bin/newuidmap"}, "shadow-utils", "uidmap"},
	{[]string{"usr/sbin/useradd"}, "shadow-utils", "passwd"},
	{[]string{"usr/bin/passwd"}, "passwd", "passwd"},
	{[]string{"usr/sbin/runuser", "sbin/runuser"}, "util-linux", "util-linux"},
	{[]string{"usr/bin/bash", "bin/bash"}, "bash", "bash"},
	{[]string{"usr/bin/tar", "bin/tar"}, "tar", "tar"},
	{[]string{"usr/bin/cmp"}, "diffutils", "diffutils"},
	{[]string{"usr/bin/pgrep"}, "procps-ng", "procps"},
}

// quadlets is where Podman has its generator, from 4.4 on.
var quadlets = []string{"usr/libexec/podman/quadlet", "usr/lib/podman/quadlet", "usr/lib/systemd/user-generators/podman-user-generator"}

// newForeign checks that the directory can become a host, with the demo stack's
// containers on it if that is wanted.
func newForeign(dir string, stack bool) (spec, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return spec{}, err
	}
	f := foreign{dir: dir}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return spec{}, fmt.Errorf("root file system %s: there is no such directory", dir)
	}
	switch {
	case strings.ContainsAny(dir, `,:\`):
		return spec{}, fmt.Errorf("root file system %s: overlayfs takes no path with a comma, colon or backslash; rename it", dir)
	case !f.has("etc/os-release", "usr/lib/os-release"):
		return spec{}, fmt.Errorf("%s is no root file system: it has no etc/os-release; unpack the whole image there", dir)
	}
	if err := f.lacks(); err != nil {
		return spec{}, err
	}
	if stack && !f.has(quadlets...) {
		return spec{}, fmt.Errorf("root file system %s: its Podman knows no Quadlet, which the demo stack is made of; install Podman 4.4 or later there, or leave out --stack", dir)
	}
	return spec{Suite: dir, Rootfs: dir, Foreign: true}, nil
}

// lacks names all packages that have to be installed into the directory.
func (f foreign) lacks() error {
	debian := f.debian()
	var missing []string
	for _, n := range foreignNeeds {
		pkg := n.rpm
		if debian {
			pkg = n.deb
		}
		if !f.has(n.paths...) && !slices.Contains(missing, pkg) {
			missing = append(missing, pkg)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	install := "dnf --assumeyes install"
	if debian {
		install = "apt-get --yes install"
	}
	return fmt.Errorf("root file system %s lacks what a host needs: %s; install that in the image it comes from, or there: chroot %s %s %s",
		f.dir, strings.Join(missing, ", "), f.dir, install, strings.Join(missing, " "))
}

// has says whether one of the paths is there; they are patterns.
func (f foreign) has(paths ...string) bool {
	for _, p := range paths {
		if found, err := filepath.Glob(filepath.Join(f.dir, p)); err == nil && len(found) > 0 {
			return true
		}
	}
	return false
}

// debian says whether the packages have Debian's names.
func (f foreign) debian() bool {
	for _, p := range []string{"etc/os-release", "usr/lib/os-release"} {
		data, err := os.ReadFile(filepath.Join(f.dir, p))
		if err != nil {
			continue
		}
		for _, line := range strings.Split(string(data), "\n") {
			key, value, _ := strings.Cut(line, "=")
			if (key == "ID" || key == "ID_LIKE") && strings.Contains(value, "debian") {
				return true
			}
		}
		return false
	}
	return false
}

// prepareScript puts what the directory lacks into the host's upper layer: the
// lab's files from standard input, then what runs in the merged root.
const prepareScript = `dir=$1 rootfs=$2; shift 2
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$rootfs,upperdir=$dir/upper,workdir=$dir/work" "$dir/root"
cd "$dir/root"
mkdir -p dev proc sys run tmp home
mount --bind "$dir/home" home
mount --rbind /dev dev
mount -t proc proc proc
tar -xf - --no-same-owner
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . /bin/sh -ec "$@"`

// foreignSetup makes the account, and the rest that hostSetup does for a root
// file system that the lab builds itself.
const foreignSetup = `user=$1 uid=$2
if entry=$(getent passwd "$user"); then
	entry=${entry#*:*:}
	[ "${entry%%:*}" = "$uid" ] || { echo "its account $user has uid ${entry%%:*} and must have $uid" >&2; exit 1; }
elif entry=$(getent passwd "$uid"); then
	echo "its uid $uid is that of ${entry%%:*} and must be free for $user" >&2
	exit 1
else
	useradd --create-home --uid "$uid" --shell /bin/bash "$user"
fi
if [ ! -d "/home/$user" ]; then
	mkdir -m 700 "/home/$user"
	chown "$user:" "/home/$user"
fi
echo "$user:lab" | chpasswd
# The images of the demo stack are stored under these ids.
for file in /etc/subuid /etc/subgid; do
	touch "$file"
	sed -i "/^$user:/d" "$file"
	echo "$user:100000:65536" >>"$file"
done
systemctl --quiet enable lab-online.service
# No modules, no devices and no network that one could wait for.
systemctl --quiet mask systemd-modules-load.service systemd-networkd-wait-online.service NetworkManager-wait-online.service \
	systemd-firstboot.service kdump.service auditd.service dnf-makecache.timer apt-daily.timer apt-daily-upgrade.timer fstrim.timer
systemctl --quiet set-default multi-user.target
: >/etc/fstab
rm -f /etc/hostname /etc/machine-id
: >/etc/machine-id
mkdir -p /var/log/journal`

// prepareForeign makes a host of its root file system, in its upper layer. The
// host's home is there already, with the account's in it or not.
func prepareForeign(ctx context.Context, dir string, s spec) error {
	var files bytes.Buffer
	t := tar.NewWriter(&files)
	for _, path := range sortedKeys(hostFiles) {
		content := []byte(hostFiles[path])
		if err := t.WriteHeader(&tar.Header{Name: strings.TrimPrefix(path, "/"), Mode: 0o644, Size: int64(len(content))}); err != nil {
			return err
		}
		if _, err := t.Write(content); err != nil {
			return err
		}
	}
	if err := t.Close(); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-ec", prepareScript, "prepare", dir, s.Rootfs, foreignSetup, "setup", User, fmt.Sprint(UID))
	cmd.Stdin = &files
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot make a host of %s: %w: %s", s.Rootfs, err, strings.TrimSpace(tail(string(out), 20)))
	}
	return nil
}
