package deploy

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// programs are what the script runs of a host, as it is; all else are stubs.
var programs = []string{
	"sh", "id", "cat", "cut", "sort", "head", "tail", "tr", "mkdir", "rm", "sync", "rmdir", "mv", "cp", "chmod", "ln",
	"readlink", "dirname", "basename", "touch", "mktemp", "cmp", "sha256sum", "sleep", "env", "timeout", "find",
	"grep", "sed", "tar", "gzip", "setsid", "setpriv", "stat", "cmp", "ls",
}

// stubs note in /log what they are asked, and do as much of it as the script looks at.
var stubs = map[string]string{
	// What is installed is there from then on.
	"dnf": `for p; do case $p in
	module | container-tools | podman) new podman ;;
	passt) new pasta ;;
	slirp4netns) new slirp4netns ;;
	shadow-utils | uidmap) new newuidmap ;;
	policycoreutils) new restorecon "echo restorecon \$* >>/log" ;;
	polkit | polkitd) file /usr/lib/polkit-1/polkitd ;;
	dbus-daemon | dbus) new dbus-daemon; case $0 in */dnf) file /usr/lib/systemd/user/dbus.socket ;; esac ;;
	dbus-user-session) file /usr/lib/systemd/user/dbus.socket ;;
	systemd-pam) file /usr/lib64/security/pam_systemd.so ;;
	libpam-systemd) file /usr/lib/x86_64-linux-gnu/security/pam_systemd.so ;;
	*.rpm | *.deb) cp -R /package/. / ;;
	esac; done`,
	"apt-get": `[ "$1" != --quiet=2 ] || { rm /stale; exit; }; [ ! -e /stale ] || exit 100; exec /usr/bin/dnf-as-apt "$@"`,
	// Both managers, as far as the script asks them.
	"systemctl": `case $* in
	*is-enabled*keeper-revive*) [ -e /state/revive ] ;;
	*is-enabled*) [ -e /state/enabled ] ;;
	*is-active*) [ -e /state/active ] ;;
	*"enable --quiet keeper-revive"*) : >/state/revive ;;
	*"disable --quiet keeper-revive"*) rm -f /state/revive ;;
	*" disable "*) rm -f /state/enabled /state/active ;;
	*"--user enable"*) : >/state/enabled ;;
	*"--user start"*) : >/state/active ;;
	*MainPID*) echo 0 ;;
	*NeedDaemonReload*) echo no ;;
	*ExecStopPost*) cat /etc/systemd/system/user@1000.service.d/50-keeper.conf 2>/dev/null ;;
	*RefuseManualStop*) grep -q ^RefuseManualStop=yes /etc/systemd/system/user@1000.service.d/50-keeper.conf 2>/dev/null && echo yes || echo no ;;
	esac`,
	"loginctl": `case $1 in
	enable-linger) : >/state/linger ;;
	disable-linger) rm /state/linger ;;
	show-user) [ -e /state/linger ] && echo yes || echo no ;;
	esac`,
	"busctl": `echo t 5000000`,
	"usermod": `while [ $# -gt 1 ]; do case $1 in
	--add-subuids) echo "app:${2%-*}:65536" >>/etc/subuid ;;
	--add-subgids) echo "app:${2%-*}:65536" >>/etc/subgid ;;
	esac; shift; done`,
	"getent":  `grep "^$2:" /etc/passwd`,
	"stat":    `[ "$1" != -fc ] || exec cat /cgroup; exec /real/stat "$@"`,
	"runuser": `shift 3; exec setpriv --reuid 1000 --regid 1000 --clear-groups -- "$@"`,
}

// quiet are the stubs that change nothing, and are not noted.
var quiet = []string{"getent", "stat", "busctl", "go"}

// host is a small root file system that the script runs in.
type host struct {
	t    *testing.T
	root string
}

// newHost makes one that carries an os-release, has cgroup v2 and all the
// distribution's programs that the script wants, unless they are named.
func newHost(t *testing.T, release string, missing ...string) *host {
	t.Helper()
	h := &host{t, filepath.Join(t.TempDir(), "root")}
	h.dirs("usr/bin", "usr/lib/systemd/user", "usr/lib/polkit-1", "usr/lib64/security", "etc", "dev", "tmp", "real", "state",
		"sys/fs/selinux", "var/lib", "root/keeper/bin", "root/keeper/deploy", "home/app")
	for link, to := range map[string]string{"bin": "usr/bin", "sbin": "usr/bin", "usr/sbin": "bin"} {
		h.must(os.Symlink(to, h.path(link)))
	}
	if err := syscall.Mknod(h.path("dev/null"), syscall.S_IFCHR|0o666, 1<<8|3); err != nil {
		h.cannot("no device can be made: %v", err)
	}
	h.must(os.Chmod(h.path("dev/null"), 0o666))
	for name, data := range system(t) {
		h.dirs(filepath.Dir(name))
		h.must(os.WriteFile(h.path(name), data, 0o755))
	}
	h.must(os.Rename(h.path("usr/bin/stat"), h.path("real/stat")))
	for name, does := range stubs {
		h.program(name, does)
	}
	h.program("dnf-as-apt", stubs["dnf"])
	for _, name := range []string{"podman", "pasta", "newuidmap", "restorecon", "dbus-daemon"} {
		h.program(name, "")
	}
	h.write("usr/lib/polkit-1/polkitd", "")
	h.write("usr/lib/systemd/user/dbus.socket", "")
	h.write("usr/lib64/security/pam_systemd.so", "")
	h.write("sys/fs/selinux/enforce", "1")
	for _, path := range missing {
		h.must(os.Remove(h.path(path)))
	}

	h.write("etc/os-release", release)
	h.write("etc/passwd", "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n")
	h.write("etc/group", "root:x:0:\napp:x:1000:\n")
	h.write("cgroup", "cgroup2fs\n")
	h.write("log", "")
	h.must(os.Chmod(h.path("log"), 0o666))
	h.must(os.Chmod(h.path("state"), 0o777))
	h.must(os.Chmod(h.path("tmp"), os.ModeSticky|0o777))
	h.must(os.Chown(h.path("home/app"), 1000, 1000))
	h.keeper("root/keeper")
	return h
}

// keeper puts a checkout with programs there.
func (h *host) keeper(dir string) {
	h.t.Helper()
	h.dirs(dir+"/bin", dir+"/deploy")
	for _, name := range []string{"keeper", "keeper-adopt", "keeper-guard"} {
		h.write(dir+"/bin/"+name, stub(name, `[ "$1" != doctor ] || { echo "doctor was here"; exit 3; }`))
		h.must(os.Chmod(h.path(dir+"/bin/"+name), 0o755))
	}
	script, err := Files.ReadFile("install.sh")
	h.must(err)
	h.write(dir+"/deploy/install.sh", string(script))
	h.must(os.CopyFS(h.path(dir+"/systemd"), os.DirFS("../systemd")))
}

func (h *host) path(name string) string { return filepath.Join(h.root, name) }

func (h *host) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) dirs(names ...string) {
	for _, name := range names {
		h.must(os.MkdirAll(h.path(name), 0o755))
	}
}

func (h *host) write(name, text string) {
	h.t.Helper()
	h.must(os.WriteFile(h.path(name), []byte(text), 0o644))
}

func (h *host) read(name string) string {
	h.t.Helper()
	data, err := os.ReadFile(h.path(name))
	h.must(err)
	return string(data)
}

func (h *host) has(name string) bool {
	_, err := os.Lstat(h.path(name))
	return err == nil
}

// program makes a stub in /usr/bin.
func (h *host) program(name, does string) {
	h.write("usr/bin/"+name, stub(name, does))
	h.must(os.Chmod(h.path("usr/bin/"+name), 0o755))
}

func stub(name, does string) string {
	note := `[ ! -w /log ] || echo "` + name + ` $*" >>/log`
	if slices.Contains(quiet, name) || name == "dnf-as-apt" {
		note = ":"
	}
	return "#!/bin/sh\n" + note + "\nnew() { printf '#!/bin/sh\\n%s\\n' \"${2-:}\" >/usr/bin/$1; chmod +x /usr/bin/$1; }\n" +
		"file() { mkdir -p \"$(dirname $1)\"; : >$1; }\n" + does + "\n"
}

// cannot skips, unless the lab must be there.
func (h *host) cannot(format string, args ...any) { cannot(h.t, format, args...) }

func cannot(t *testing.T, format string, args ...any) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("KEEPER_TEST_REQUIRE"), ","), "lab") {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// system is the content of each program and library, by its path.
func system(t *testing.T) map[string][]byte {
	t.Helper()
	if os.Getuid() != 0 {
		cannot(t, "only root may change the root directory")
	}
	files, err := systemFiles()
	if err != nil {
		cannot(t, "%v", err)
	}
	return files
}

var systemFiles = sync.OnceValues(func() (map[string][]byte, error) {
	library := regexp.MustCompile(`(/\S+) \(0x`)
	files := map[string][]byte{}
	for _, name := range programs {
		path, err := exec.LookPath(name)
		if err != nil {
			return nil, err
		}
		if files["usr/bin/"+name], err = os.ReadFile(path); err != nil {
			return nil, err
		}
		out, err := exec.Command("ldd", path).Output()
		if err != nil {
			return nil, fmt.Errorf("ldd %s: %w", path, err)
		}
		for _, m := range library.FindAllStringSubmatch(string(out), -1) {
			if files[m[1]] != nil {
				continue
			}
			if files[m[1]], err = os.ReadFile(m[1]); err != nil {
				return nil, err
			}
		}
	}
	return files, nil
})

// result is what a run said, and how it ended.
type result struct {
	out  string
	code int
	// log is what the stubs were asked meanwhile.
	log []string
}

// run runs the script, as root.
func (h *host) run(args ...string) result { return h.runAs(0, "root/keeper", args...) }

func (h *host) runAs(uid uint32, dir string, args ...string) result {
	h.t.Helper()
	h.write("log", "")
	cmd := h.command(uid, dir, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if cmd.ProcessState == nil {
		h.cannot("the root directory cannot be changed: %v", err)
	}
	return result{out.String(), cmd.ProcessState.ExitCode(), strings.Split(strings.TrimSuffix(h.read("log"), "\n"), "\n")}
}

func (h *host) command(uid uint32, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(h.t.Context(), "/usr/bin/sh", append([]string{"/" + dir + "/deploy/install.sh"}, args...)...)
	cmd.Path = "/usr/bin/sh"
	cmd.Err = nil
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=/home/app", "LANG=C.UTF-8"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: h.root}
	if uid != 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: uid}
	}
	return cmd
}

// managers are the lines that were for dnf and apt-get.
func (r result) managers() []string {
	return slices.DeleteFunc(slices.Clone(r.log), func(line string) bool {
		return !strings.HasPrefix(line, "dnf ") && !strings.HasPrefix(line, "apt-get ")
	})
}

// changes are the lines that change something.
func (r result) changes() []string {
	asks := regexp.MustCompile(`^$|^runuser|^loginctl show|^systemctl (--user )?(--quiet is-|show)|^keeper doctor|^keeper-guard uninstall .*--dry-run`)
	return slices.DeleteFunc(slices.Clone(r.log), asks.MatchString)
}

// tree is every file with its mode, owner and content, but for the log.
func (h *host) tree() string {
	h.t.Helper()
	var b strings.Builder
	h.must(filepath.WalkDir(h.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == h.path("log") {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		var sum string
		switch {
		case info.Mode().IsRegular():
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			sum = fmt.Sprintf("%x", sha256.Sum256(data))
		case info.Mode()&fs.ModeSymlink != 0:
			sum, _ = os.Readlink(path)
		}
		st, _ := info.Sys().(*syscall.Stat_t)
		fmt.Fprintln(&b, strings.TrimPrefix(path, h.root), info.Mode(), st.Uid, sum)
		return nil
	}))
	return b.String()
}

// refused runs the script, which must end with 1, say so, and change nothing.
func (h *host) refused(why string, run func() result) {
	h.t.Helper()
	before := h.tree()
	r := run()
	if r.code != 1 || !strings.Contains(r.out, why) {
		h.t.Errorf("it ended with %d and did not say %q:\n%s", r.code, why, r.out)
	}
	if changed := r.changes(); len(changed) > 0 || h.tree() != before {
		h.t.Errorf("it was refused and changed something: %q\n%s", changed, r.out)
	}
}

// installs runs the script, which must end well.
func (h *host) installs(args ...string) result {
	h.t.Helper()
	r := h.run(args...)
	if r.code != 0 {
		h.t.Fatalf("it ended with %d:\n%s\n%s", r.code, r.out, strings.Join(r.log, "\n"))
	}
	return r
}
