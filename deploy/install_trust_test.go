package deploy

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestTerminal: what the account put in the place of a program of keeper's runs as the
// account, and must neither hold root's terminal nor give it orders.
func TestTerminal(t *testing.T) {
	t.Parallel()
	h := newHost(t, releases["ol9"])
	h.installs("--user", "app")
	h.write("home/app/.local/bin/keeper-guard", stub("keeper-guard", `printf 'guard\033[2J was here\n'; printf 'and \033]0;here\n' >&2
		[ ! -t 0 ] && [ ! -t 1 ] && [ ! -t 2 ] || : >/state/terminal`))
	r := h.run("--uninstall", "--user", "app", "--dry-run", "--replace")
	if !strings.Contains(r.out, "guard[2J was here") || strings.Contains(r.out, "\033") {
		t.Errorf("what the account printed is not shown as text: %q", r.out)
	}
	ours, theirs := pty(t)
	cmd := h.command(0, "root/keeper", "--uninstall", "--user", "app", "--dry-run", "--replace")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	err := cmd.Run()
	said := make([]byte, 4096)
	n, _ := ours.Read(said)
	if err != nil || h.has("state/terminal") {
		t.Errorf("a program of the account's had root's terminal open (%v), or %v:\n%s", h.has("state/terminal"), err, said[:n])
	}
}

// TestFailedCopy: nothing of the account's is made of a copy that failed.
func TestFailedCopy(t *testing.T) {
	t.Parallel()
	h := newHost(t, releases["ol9"])
	h.must(os.Rename(h.path("usr/bin/cp"), h.path("real/cp")))
	h.program("cp", `case $* in */pack/keeper) echo torn >"$2"; exit 1 ;; esac; exec /real/cp "$@"`)
	if r := h.run("--user", "app"); r.code == 0 || h.has("home/app/.local") {
		t.Errorf("it ended with %d:\n%s", r.code, r.out)
	}
}

// TestLinks: what was looked at is what is used, whatever becomes of a link to it.
func TestLinks(t *testing.T) {
	t.Parallel()
	h := newHost(t, releases["ol9"])
	h.packageOn("package")
	h.write("root/keeper.rpm", "")
	h.must(os.Symlink("/root/keeper.rpm", h.path("home/app/link.rpm")))
	r := h.installs("--user", "app", "--package", "/home/app/link.rpm", "--yes")
	if want := []string{"dnf --assumeyes install /root/keeper.rpm"}; !slices.Equal(r.managers(), want) {
		t.Errorf("asked for %q, want %q", r.managers(), want)
	}

	h = newHost(t, releases["ol9"])
	h.must(os.Symlink("/root/keeper/bin", h.path("home/app/bin")))
	h.must(os.Rename(h.path("usr/bin/cp"), h.path("real/cp")))
	h.program("cp", `exec /real/cp "$@"`)
	r = h.installs("--user", "app", "--binary", "/home/app/bin/keeper")
	for _, line := range r.log {
		if strings.HasPrefix(line, "cp /home/app/bin/") {
			t.Errorf("root read by way of the account's link: %s", line)
		}
	}
}

// TestAccessControlList: what one lets others write is not root's alone.
func TestAccessControlList(t *testing.T) {
	t.Parallel()
	h := newHost(t, releases["ol9"])
	// acl(5), as the kernel has it: version 2; user::rwx, user:1000:rwx, group::r-x,
	// mask::rwx, other::r-x.
	list := []byte{2, 0, 0, 0}
	for _, e := range [][3]uint32{{0x01, 7, 1<<32 - 1}, {0x02, 7, 1000}, {0x04, 5, 1<<32 - 1}, {0x10, 7, 1<<32 - 1}, {0x20, 5, 1<<32 - 1}} {
		list = binary.LittleEndian.AppendUint16(list, uint16(e[0]))
		list = binary.LittleEndian.AppendUint16(list, uint16(e[1]))
		list = binary.LittleEndian.AppendUint32(list, e[2])
	}
	if err := unix.Setxattr(h.path("root/keeper/deploy"), "system.posix_acl_access", list, 0); err != nil {
		t.Skipf("no access control lists here: %v", err)
	}
	h.refused("is not root's alone", func() result { return h.run("--user", "app") })
}

// TestCDPATH: cd goes where it is told, and nowhere else.
func TestCDPATH(t *testing.T) {
	t.Parallel()
	h := newHost(t, releases["ol9"])
	h.dirs("home/app/deploy")
	cmd := h.command(0, "root/keeper", "--user", "app", "--dry-run")
	cmd.Dir, cmd.Args[1] = "/root/keeper", "deploy/install.sh"
	cmd.Env = append(cmd.Env, "CDPATH=/home/app")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// TestLingerStays where its end would end containers.
func TestLingerStays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		owner   int
		comm    string
		lingers bool
	}{
		"containers":           {owner: 1000, comm: "conmon", lingers: true},
		"another's containers": {owner: 1001, comm: "conmon"},
		"no containers":        {owner: 1000, comm: "podman"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, releases["ol9"])
			h.installs("--user", "app")
			h.dirs("proc/77")
			h.write("proc/77/comm", c.comm+"\n")
			h.must(os.Chown(h.path("proc/77"), c.owner, c.owner))
			dry := h.installs("--uninstall", "--user", "app", "--dry-run", "--replace")
			r := h.installs("--uninstall", "--user", "app")
			const says = "linger stays on"
			if h.has("state/linger") != c.lingers || strings.Contains(r.out, says) != c.lingers || strings.Contains(dry.out, says) != c.lingers {
				t.Errorf("linger is on: %v\n%s\n%s", h.has("state/linger"), dry.out, r.out)
			}
			if h.has("home/app/.local") {
				t.Error("keeper is still there")
			}
		})
	}
}

// TestCannotRemove: what could not be removed stays noted, and can be removed later.
func TestCannotRemove(t *testing.T) {
	t.Parallel()
	h := newHost(t, releases["ol9"])
	h.installs("--user", "app")
	h.must(os.Rename(h.path("usr/bin/rm"), h.path("real/rm")))
	h.program("rm", `case $* in *.new.*) ;; */user@1000*) echo immutable >&2; exit 1 ;; esac; exec /real/rm "$@"`)
	if r := h.run("--uninstall", "--system", "--user", "app"); r.code != 1 || !h.has("etc/keeper/installed/1000") {
		t.Errorf("it ended with %d:\n%s", r.code, r.out)
	}
	h.must(os.Rename(h.path("real/rm"), h.path("usr/bin/rm")))
	h.installs("--uninstall", "--system", "--user", "app")
	if h.has("etc/systemd") || h.has("etc/keeper") {
		t.Error("root's part is still there")
	}
}

// TestPackageRemoval takes root's part out for each uid, also where two had one name.
func TestPackageRemoval(t *testing.T) {
	t.Parallel()
	h := newHost(t, releases["ol9"])
	h.packageOn("")
	h.installs("--user", "app")
	h.write("etc/keeper/users/1005", "app\n")
	sum := strings.Fields(h.read("etc/keeper/installed/1000"))[0]
	h.write("etc/keeper/installed/1005", sum+" /etc/keeper/users/1005\n")
	var script string
	for _, name := range []string{"common.sh", "preremove.sh"} {
		data, err := os.ReadFile("package/" + name)
		h.must(err)
		script += string(data)
	}
	h.write("preremove", script)
	cmd := h.command(0, "")
	cmd.Args = []string{"sh", "/preremove", "0"}
	if out, err := cmd.CombinedOutput(); err != nil || h.has("etc/keeper") || h.has("etc/systemd") {
		t.Errorf("root's part is still there: %v\n%s", err, out)
	}
}

// TestTarballsFail: half a tarball gets no check sum.
func TestTarballsFail(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script, err := os.ReadFile("package/tarballs")
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{"deploy/package/tarballs": string(script), "dist/keep": "", "bin/package/stage/a": "", "shim/tar": "#!/bin/sh\n/usr/bin/env -i /bin/tar \"$@\"\nexit 2\n"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("sh", filepath.Join(dir, "deploy/package/tarballs"), "1", "0", "amd64")
	cmd.Env = []string{"PATH=" + filepath.Join(dir, "shim") + ":/usr/bin:/bin"}
	out, err := cmd.CombinedOutput()
	if made, _ := filepath.Glob(filepath.Join(dir, "dist/*.tar.gz")); err == nil || len(made) > 0 {
		t.Errorf("tar failed, and there is %q: %v %s", made, err, out)
	}
}
