// Package host looks at what the machine and the account give to a rootless stack: files
// of /proc, /sys and /etc, file systems, and the versions of two programs. It changes
// nothing, draws no conclusion, and leaves out what it cannot find out.
package host

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"keeper/internal/core"
)

// View is a host as an account sees it.
type View struct {
	// UID and User are the account's.
	UID  int
	User string
	// Env reads the environment of whoever asks.
	Env func(string) string

	// root is where the file system begins, and the rest is the kernel's; tests have
	// their own.
	root     string
	statfs   func(path string) (unix.Statfs_t, error)
	getxattr func(path, name string) (string, error)
	clock    func() (synced bool, err error)
}

// Of is the view of the account on this machine.
func Of(uid int, user string) View {
	return View{UID: uid, User: user, Env: os.Getenv, root: "/", statfs: statfs, getxattr: getxattr, clock: clockSynced}
}

func statfs(path string) (unix.Statfs_t, error) {
	var s unix.Statfs_t
	err := ignoringEINTR(func() error { return unix.Statfs(path, &s) })
	return s, err
}

func ignoringEINTR(f func() error) error {
	for {
		if err := f(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func getxattr(path, name string) (string, error) {
	buf := make([]byte, 512)
	n, err := unix.Getxattr(path, name, buf)
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(buf[:n]), "\x00"), nil
}

// clockSynced is ntp_synced of systemd's time-util.c, which timedatectl goes by: the
// kernel's estimate of the error is below its maximum of 16 s. The flag STA_UNSYNC may be
// set to keep the kernel from the hardware clock, and says nothing.
func clockSynced() (bool, error) {
	var t unix.Timex
	if _, err := unix.Adjtimex(&t); err != nil {
		return false, err
	}
	return t.Maxerror < 16_000_000, nil
}

// at is where a path of the host is.
func (v View) at(path string) string { return filepath.Join(v.root, path) }

// mostFile bounds what is read of one file.
const mostFile = 4 << 20

// read returns the text of a regular file; of anything else, and of what is too large,
// it says that it is not there.
func (v View) read(path string) (string, bool) {
	// Somebody may have put a FIFO there, which must not be waited for.
	f, err := os.OpenFile(v.at(path), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", false
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
		return "", false
	}
	data, err := io.ReadAll(io.LimitReader(f, mostFile+1))
	if err != nil || len(data) > mostFile {
		return "", false
	}
	return string(data), true
}

// first is the text of the first of the files that is there.
func (v View) first(paths ...string) (string, bool) {
	for _, p := range paths {
		if text, ok := v.read(p); ok {
			return text, true
		}
	}
	return "", false
}

func (v View) isDir(path string) bool {
	fi, err := os.Stat(v.at(path))
	return err == nil && fi.IsDir()
}

func (v View) exists(path string) bool {
	_, err := os.Stat(v.at(path))
	return err == nil
}

// owner is the uid of the owner of a directory, or -1.
func (v View) owner(path string) int {
	fi, err := os.Stat(v.at(path))
	if err != nil || !fi.IsDir() {
		return -1
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}

// nearest is the path or the nearest directory above it that is there.
func (v View) nearest(path string) string {
	for path = filepath.Clean(path); path != "/" && path != "."; path = filepath.Dir(path) {
		if v.exists(path) {
			return path
		}
	}
	return "/"
}

// Family says whether the distribution is of Red Hat's family, or of Debian's
// (os-release(5)).
func (v View) Family() (redHat, debian bool) {
	text, _ := v.first("/etc/os-release", "/usr/lib/os-release")
	return family(text)
}

// CGroup looks at the cgroups of the user manager.
func (v View) CGroup() (c core.CGroupFacts) {
	const mount = "/sys/fs/cgroup"
	fs, err := v.statfs(v.at(mount))
	if err != nil {
		return c
	}
	switch fs.Type {
	case unix.CGROUP2_SUPER_MAGIC:
		c.Version = core.CGroup2
	case unix.TMPFS_MAGIC, unix.CGROUP_SUPER_MAGIC:
		c.Version = core.CGroup1
		if u, err := v.statfs(v.at(mount + "/unified")); err == nil && u.Type == unix.CGROUP2_SUPER_MAGIC {
			c.Version = core.CGroupHybrid
		}
		return c
	default:
		return c
	}
	uid := strconv.Itoa(v.UID)
	text, ok := v.read(mount + "/user.slice/user-" + uid + ".slice/user@" + uid + ".service/cgroup.controllers")
	// The root of the hierarchy, and so what PID 1 can give.
	offered, okToo := v.read(mount + "/cgroup.controllers")
	c.Manager = ok && okToo
	c.Delegated, c.Offered = controllers(text), controllers(offered)
	return c
}

// Runtime looks at the account's runtime directory, and at what XDG_RUNTIME_DIR says.
func (v View) Runtime() core.RuntimeFacts {
	r := core.RuntimeFacts{Want: "/run/user/" + strconv.Itoa(v.UID), Env: v.Env("XDG_RUNTIME_DIR"), EnvOwner: -1}
	r.There = v.isDir(r.Want)
	r.Owner = v.owner(r.Want)
	if filepath.IsAbs(r.Env) {
		// With a slash too many at its end it is the same.
		r.Env = filepath.Clean(r.Env)
		r.EnvOwner = v.owner(r.Env)
	}
	r.Env = printable(r.Env)
	return r
}

// PortFloor is net.ipv4.ip_unprivileged_port_start, or zero.
func (v View) PortFloor() int {
	text, _ := v.read("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || n < 0 || n > 1<<16 {
		return 0
	}
	return n
}

// Enforcing says whether SELinux is.
func (v View) Enforcing() bool {
	text, _ := v.read("/sys/fs/selinux/enforce")
	return strings.TrimSpace(text) == "1"
}

// Label is the type of the SELinux label of a path, or nothing; nothing for a socket,
// whose label does not decide who may connect to it.
func (v View) Label(path string) string {
	if fi, err := os.Stat(v.at(path)); err == nil && fi.Mode()&os.ModeSocket != 0 {
		return ""
	}
	text, err := v.getxattr(v.at(path), "security.selinux")
	if err != nil {
		return ""
	}
	return printable(labelType(text))
}

// Room is a directory and what it is for.
type Room struct{ Path, What string }

// Disks are the file systems that the directories are on, each once.
func (v View) Disks(rooms ...Room) []core.Disk {
	var list []core.Disk
	seen := map[uint64]int{}
	for _, r := range rooms {
		there := v.at(v.nearest(r.Path))
		fi, err := os.Stat(there)
		if err != nil {
			continue
		}
		st, ok := fi.Sys().(*syscall.Stat_t)
		if !ok {
			continue
		}
		if n, again := seen[st.Dev]; again {
			if !strings.Contains(list[n].What, r.What) {
				list[n].What += " and " + r.What
			}
			continue
		}
		fs, err := v.statfs(there)
		if err != nil {
			continue
		}
		seen[st.Dev] = len(list)
		list = append(list, disk(r, fs))
	}
	return list
}

// disk counts as df(1) does: what is kept for root is nobody's.
func disk(r Room, fs unix.Statfs_t) core.Disk {
	unit := uint64(max(fs.Frsize, 1))
	return core.Disk{Path: r.Path, What: r.What,
		Free: fs.Bavail * unit, Size: (fs.Blocks - min(fs.Bfree, fs.Blocks) + fs.Bavail) * unit,
		FreeInodes: fs.Ffree, Inodes: fs.Files}
}

// kind is the kind of the file system that a directory is on, or will be.
func (v View) kind(path string) string {
	fs, err := v.statfs(v.at(v.nearest(path)))
	if err != nil {
		return ""
	}
	switch fs.Type {
	case unix.TMPFS_MAGIC, unix.RAMFS_MAGIC:
		return core.KindTmpfs
	case unix.NFS_SUPER_MAGIC:
		return core.KindNFS
	}
	return core.KindOther
}

// journaldDirs are where journald.conf(5) has its files, the first before the others.
var journaldDirs = []string{"/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd"}

// Journal looks where systemd's journal is kept.
func (v View) Journal() (j core.JournalFacts) {
	if j.Known = v.isDir("/run/systemd/journal"); !j.Known {
		return j
	}
	j.Storage = "auto"
	var files []string
	for _, dir := range journaldDirs {
		if path := dir + "/journald.conf"; v.exists(path) {
			files = append(files, path)
			break
		}
	}
	for _, path := range append(files, v.dropIns("journald.conf.d", journaldDirs)...) {
		text, _ := v.read(path)
		if s, ok := storageOf(text); ok {
			j.Storage = s
		}
	}
	j.Persistent = j.Storage == "persistent" || j.Storage == "auto" && v.isDir("/var/log/journal")
	return j
}

// dropIns are the files *.conf of the directories of this name, sorted by their own
// names; of several with one name the first counts.
func (v View) dropIns(name string, dirs []string) []string {
	byName := map[string]string{}
	for _, dir := range dirs {
		entries, err := os.ReadDir(v.at(filepath.Join(dir, name)))
		if err != nil {
			continue
		}
		for _, e := range entries {
			if _, masked := byName[e.Name()]; !masked && filepath.Ext(e.Name()) == ".conf" {
				byName[e.Name()] = filepath.Join(dir, name, e.Name())
			}
		}
	}
	var names []string
	for n := range byName {
		names = append(names, n)
	}
	slices.Sort(names)
	list := make([]string, len(names))
	for n, file := range names {
		list[n] = byName[file]
	}
	return list
}

// Clock looks whether the clock is synchronised, and by what.
func (v View) Clock() (c core.ClockFacts) {
	synced, err := v.clock()
	if err != nil {
		return c
	}
	c.Known, c.Synced = true, synced
	// Their runtime directories (RuntimeDirectory= of the units).
	switch {
	case v.isDir("/run/chrony"):
		c.Service = "chronyd"
	case v.isDir("/run/systemd/timesync"):
		c.Service = "systemd-timesyncd"
	}
	text, _ := v.read("/proc/uptime")
	first, _, _ := strings.Cut(text, " ")
	if s, err := strconv.ParseFloat(first, 64); err == nil && s >= 0 && s < 1e9 {
		c.Up = time.Duration(s * float64(time.Second))
	}
	return c
}
