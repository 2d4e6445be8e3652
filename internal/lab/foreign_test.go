package lab

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tree makes a directory with these empty files, and an os-release of the id.
func tree(t *testing.T, id string, paths ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, p := range append(paths, "etc/os-release") {
		if err := writeInto(dir, p, "NAME=x\nID="+id+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// complete is a path for each need.
func complete() []string {
	var paths []string
	for _, n := range foreignNeeds {
		paths = append(paths, strings.ReplaceAll(n.paths[0], "*", "64"))
	}
	return paths
}

func TestForeignNeeds(t *testing.T) {
	whole := complete()
	without := func(words ...string) []string {
		var paths []string
		for _, p := range whole {
			keep := true
			for _, w := range words {
				keep = keep && !strings.Contains(p, w)
			}
			if keep {
				paths = append(paths, p)
			}
		}
		return paths
	}
	for _, c := range []struct {
		name  string
		dir   string
		stack bool
		says  []string // nothing if it is fit
	}{
		{name: "whole", dir: tree(t, `"ol"`, whole...)},
		{name: "whole, with the stack", dir: tree(t, `"ol"`, append(without(), "usr/libexec/podman/quadlet")...), stack: true},
		{name: "no Quadlet", dir: tree(t, "debian", whole...), stack: true, says: []string{"Podman 4.4 or later", "--stack"}},
		{name: "a bare Oracle Linux", dir: tree(t, `"ol"`, without("polkit", "podman", "pam_systemd", "newuidmap", "useradd")...),
			says: []string{"lacks what a host needs: systemd-pam, polkit, podman, shadow-utils;", "dnf --assumeyes install systemd-pam polkit podman shadow-utils"}},
		{name: "a bare Debian", dir: tree(t, "debian", without("polkit", "podman", "pam_systemd", "dbus.socket")...),
			says: []string{"apt-get --yes install dbus-user-session libpam-systemd polkitd podman"}},
		{name: "no systemd", dir: tree(t, "fedora", without("systemd/systemd")...), says: []string{"lacks what a host needs: systemd;"}},
		{name: "something else", dir: t.TempDir(), says: []string{"no root file system", "os-release"}},
		{name: "nothing", dir: filepath.Join(t.TempDir(), "not there"), says: []string{"no such directory"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := newForeign(c.dir, c.stack)
			if len(c.says) == 0 && (err != nil || s.Rootfs != c.dir || !s.Foreign) {
				t.Errorf("%+v %v", s, err)
			}
			for _, want := range c.says {
				if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), c.dir) {
					t.Errorf("%v does not say %q", err, want)
				}
			}
		})
	}
	if _, err := newForeign(tree(t, "debian", whole...)+"/a:b", false); err == nil {
		t.Error("a path that overlayfs cannot take was taken")
	}
}

// TestForeign boots a root file system that knows nothing of the lab, with a
// disk in its fstab that no host has, and a unit that fails.
func TestForeign(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("boots a host: not in short mode")
	}
	if err := ensureTools(t.Logf); err != nil && !required("lab") {
		t.Skip(err)
	}
	dir := strangers(t, "")
	before := listing(t, dir)
	h := testHost(t, Options{Name: "foreign", Rootfs: dir})
	ctx := within(t, time.Minute)
	failed := must[string](t)(h.Failed(ctx))
	if h.Suite != dir || !strings.HasPrefix(failed, "fails.service") || strings.Contains(failed, "\n") {
		t.Errorf("suite %s, failed: %s", h.Suite, failed)
	}
	out, err := h.Output(ctx, "sh", "-ec", "id -u "+User+"; stat -c %U /home/"+User+"; grep "+User+" /etc/subuid; passwd -S "+User+" | cut -d' ' -f2; test ! -e /dev/sda")
	if err != nil || out != "1000\n"+User+"\n"+User+":100000:65536\nP\n" {
		t.Errorf("the account: %q %v", out, err)
	}
	if err := h.Linger(ctx); err != nil {
		t.Error(err)
	}
	runsCommands(ctx, t, h)
	opensSession(ctx, t, h)
	if err := h.Cut(ctx); err != nil {
		t.Error(err)
	}
	if after := listing(t, dir); after != before {
		t.Error("the directory was written to")
	}

	taken := strangers(t, "somebody:x:1000:1000::/:/bin/sh")
	_, err = Up(ctx, Options{Name: h.Name + "-2", Rootfs: taken, Tied: true})
	if err == nil || !strings.Contains(err.Error(), "uid 1000 is that of somebody") {
		t.Errorf("a uid that is taken: %v", err)
	}
	if left := must[string](t)(hostDir(h.Name + "-2")); exists(left) {
		t.Errorf("%s is left", left)
	}
	if _, err := Up(ctx, Options{Name: h.Name + "-2", Rootfs: dir, Suite: "trixie", Tied: true}); err == nil {
		t.Error("a host was made of two things")
	}
}

// strangers is the lab's own root file system without the account and the
// lab's files, and with that line in its passwd. All but /etc is hard links.
func strangers(t *testing.T, with string) string {
	t.Helper()
	base := must[string](t)(cacheDir())
	rootfs, _, err := ensureRootfs(&cache{dir: base, say: t.Logf}, releases[0])
	if err != nil {
		t.Fatal(err)
	}
	// The next build sweeps it away if this process does not live to.
	tmp := must[string](t)(os.MkdirTemp(base, releases[0].artifact+"-foreign.tmp"))
	t.Cleanup(func() {
		if err := os.RemoveAll(tmp); err != nil {
			t.Error(err)
		}
	})
	dir := filepath.Join(tmp, "root")
	script := `cp -al "$1" "$2"; cd "$2"; rm -r etc home; cp -a "$1/etc" etc
		for f in passwd shadow group gshadow subuid subgid; do sed -i "/^$3:/d" etc/$f; done
		rm -f etc/tmpfiles.d/lab-* etc/containers/containers.conf.d/* etc/systemd/system/lab-* etc/systemd/system/*/lab-* etc/resolv.conf
		find etc/systemd/system -lname /dev/null -delete
		[ -z "$4" ] || echo "$4" >>etc/passwd
		echo "/dev/sda / ext4 defaults 0 1" >etc/fstab
		printf '[Service]\nType=oneshot\nExecStart=/bin/false\n' >etc/systemd/system/fails.service
		ln -s ../fails.service etc/systemd/system/multi-user.target.wants/`
	if err := quiet(exec.CommandContext(context.Background(), "sh", "-ec", script, "strangers", rootfs, dir, User, with)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// listing is every file of the directory with what a write to it changes.
func listing(t *testing.T, dir string) string {
	t.Helper()
	out, err := exec.Command("find", dir, "-printf", `%p %m %u %s %T@\n`).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
