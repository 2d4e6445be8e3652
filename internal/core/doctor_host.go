package core

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// HostFacts are what the machine and the account must give to a rootless stack. What
// is the zero value is not known, and nothing is said of it.
type HostFacts struct {
	// RedHat and Debian say which family the distribution is of: their ways of mending
	// things differ.
	RedHat, Debian bool

	CGroup  CGroupFacts
	SubIDs  SubIDFacts
	Runtime RuntimeFacts
	Podman  PodmanFacts
	Logind  LogindPolicy
	// PortFloor is net.ipv4.ip_unprivileged_port_start: the account cannot listen on
	// ports below it.
	PortFloor int
	SELinux   SELinuxFacts
	Disks     []Disk
	Journal   JournalFacts
	Clock     ClockFacts
}

// CGroupVersion is what is mounted on /sys/fs/cgroup.
type CGroupVersion string

// The versions. CGroupHybrid has version 2 beside version 1, without controllers.
const (
	CGroup2      CGroupVersion = "v2"
	CGroup1      CGroupVersion = "v1"
	CGroupHybrid CGroupVersion = "hybrid"
)

// Controllers are those that a rootless stack may use.
var Controllers = []string{"cpu", "cpuset", "io", "memory", "pids"}

// CGroupFacts are what the account has of cgroups.
type CGroupFacts struct {
	Version CGroupVersion
	// Manager says that the cgroup of the user manager could be read. Delegated are the
	// controllers it has, Offered those that the machine has.
	Manager            bool
	Delegated, Offered []string
	// Uses are the settings of services that need a controller.
	Uses []ControllerUse
}

// ControllerUse is a setting in the file of a service that needs a controller.
type ControllerUse struct {
	// File is the Quadlet file, Setting the line.
	File, Setting, Controller string
	// Fatal says that the container does not start without it; systemd's own settings
	// are passed over in silence.
	Fatal bool
}

// RuntimeFacts are about the runtime directory and the user bus in it.
type RuntimeFacts struct {
	// Want is /run/user/UID, and There says that it is one; Owner is its owner's uid.
	Want  string
	There bool
	Owner int
	// Env is $XDG_RUNTIME_DIR of whoever asks, EnvOwner the uid of its owner, or
	// negative where there is no such directory.
	Env      string
	EnvOwner int
	// BusErr is why the user bus did not answer.
	BusErr string
}

// LogindPolicy is what logind.conf(5) says that bears on rootless containers.
type LogindPolicy struct {
	Known             bool
	KillUserProcesses bool
	// KillOnly and KillExclude are lists of accounts.
	KillOnly, KillExclude []string
	RemoveIPC             bool
}

// Kills says whether logind kills what is left of a session of the account at its end.
// It is manager_shall_kill of logind-core.c, but for root.
func (p LogindPolicy) Kills(user string) bool {
	switch {
	case slices.Contains(p.KillExclude, user):
		return false
	case len(p.KillOnly) > 0:
		return slices.Contains(p.KillOnly, user)
	}
	return p.KillUserProcesses
}

// SELinuxFacts say what SELinux may forbid.
type SELinuxFacts struct {
	Enforcing bool
	Mounts    []LabelledMount
}

// LabelledMount is a path of the host that a container has mounted without having
// Podman relabel it.
type LabelledMount struct {
	// File is the Quadlet file, Path what it mounts, Type the type of its label.
	File, Path, Type string
}

// Disk is a file system that the stack writes to.
type Disk struct {
	// Path is in it; What says what for.
	Path, What string
	// Free is what the account may still write, of Size bytes.
	Free, Size uint64
	// Inodes is zero where the file system has no fixed number of them.
	FreeInodes, Inodes uint64
}

// JournalFacts say whether systemd's journal outlives a boot.
type JournalFacts struct {
	Known, Persistent bool
	// Storage is what journald.conf(5) says.
	Storage string
}

// ClockFacts say whether the clock is right.
type ClockFacts struct {
	Known, Synced bool
	// Service is what should see to it and runs, Up how long the machine has been up.
	Service string
	Up      time.Duration
}

// host says of each whether it is there.
func (d *diagnosis) host(h Health) {
	f := h.Host
	d.cgroup(h, f.CGroup)
	d.subIDs(h, f.SubIDs)
	d.runtimeDir(h, f.Runtime)
	d.podman(h, f.Podman)
	d.sessionPolicy(h, f.Logind)
	d.lowPorts(h, f.PortFloor)
	d.labels(f.SELinux)
	d.disks(f.Disks)
	d.journal(f.Journal, f.Clock.Synced)
	d.clock(f.Clock, f.Journal.Persistent)
}

func (d *diagnosis) cgroup(h Health, c CGroupFacts) {
	if c.Version == "" {
		return
	}
	if c.Version != CGroup2 {
		const argument = "systemd.unified_cgroup_hierarchy=1"
		fix := "add the kernel argument " + argument + " and reboot"
		switch {
		case h.Host.RedHat:
			fix = "as root: grubby --update-kernel=ALL --args=" + argument + " && systemctl reboot"
		case h.Host.Debian:
			fix = "as root: add " + argument + " to GRUB_CMDLINE_LINUX in /etc/default/grub, then update-grub && systemctl reboot"
		}
		d.add("cgroup", Bad, "/sys/fs/cgroup is cgroup "+string(c.Version),
			"Quadlet does not work there, rootless containers have no limits, and what belongs to a session cannot be told for certain", fix)
		return
	}
	if !c.Manager {
		return
	}
	var offered, missing []string
	for _, name := range Controllers {
		if slices.Contains(c.Offered, name) {
			offered = append(offered, name)
			if !slices.Contains(c.Delegated, name) {
				missing = append(missing, name)
			}
		}
	}
	manager := fmt.Sprintf("user@%d.service", h.UID)
	switch {
	case len(offered) == 0:
		d.add("delegation", Info, "cgroup v2, and this machine has no controller to give to "+manager+" (/sys/fs/cgroup/cgroup.controllers)",
			"containers can have no limits", "")
		return
	case len(missing) == 0:
		d.add("delegation", Good, "cgroup v2, and "+manager+" has all controllers that the machine offers: "+strings.Join(offered, ", "), "", "")
		return
	}
	s, what := Info, manager+" does not have the cgroup controllers "+strings.Join(missing, ", ")
	means := "limits of that kind do not count for containers; nothing here asks for one"
	for _, u := range c.Uses {
		if !slices.Contains(missing, u.Controller) {
			continue
		}
		s, means = Warn, u.File+" has "+u.Setting+", which needs "+u.Controller+" and does not count without it"
		if u.Fatal {
			means = u.File + " has " + u.Setting + ", which needs " + u.Controller + ": its container does not start without it"
			break
		}
	}
	d.add("delegation", s, what, means, delegate())
}

// delegate is how the account gets the controllers while all of its processes live on.
// PID 1 hands them down within seconds after its reload; a user manager looks what it has
// when it begins, and once more when it executes itself anew. Nothing of that ends
// anything: docs/explanation/delegation.md has what was measured.
func delegate() string {
	return "never end the session for this. As root: mkdir -p /etc/systemd/system/user@.service.d" +
		" && printf '[Service]\\nDelegate=" + strings.Join(Controllers, " ") + "\\n' >/etc/systemd/system/user@.service.d/50-delegate.conf" +
		" && systemctl daemon-reload. Once this finding is gone, as the account: systemctl --user daemon-reexec"
}

func (d *diagnosis) runtimeDir(h Health, r RuntimeFacts) {
	const id = "runtime-dir"
	if r.Want == "" {
		return
	}
	export := "export XDG_RUNTIME_DIR=" + r.Want
	instead := export + "; better come by ssh or machinectl shell " + h.User + "@ than by su"
	switch {
	case !r.There:
		d.add(id, Bad, r.Want+" is not there", "Podman has no place for its runtime state, and the user manager none for its sockets",
			fmt.Sprintf("as root: systemctl start user@%d", h.UID))
		return
	case r.Owner != h.UID:
		d.add(id, Bad, fmt.Sprintf("%s belongs to uid %d", r.Want, r.Owner), "Podman refuses to work in it", fmt.Sprintf("as root: chown %d %s", h.UID, r.Want))
		return
	case r.Env == "":
		d.add(id, Warn, "XDG_RUNTIME_DIR is not set in this shell", "systemctl --user and podman do not find here what runs, and Podman may begin a second state in /tmp", instead)
	case r.Env != r.Want && r.EnvOwner >= 0 && r.EnvOwner != h.UID:
		d.add(id, Warn, fmt.Sprintf("XDG_RUNTIME_DIR in this shell is %s, which is uid %d's", r.Env, r.EnvOwner),
			"that is what su leaves behind: systemctl --user and podman look in another account's directory", instead)
	case r.Env != r.Want:
		d.add(id, Warn, "XDG_RUNTIME_DIR in this shell is "+r.Env+", and not "+r.Want,
			"Podman begins a second state there, and does not see what runs", export)
	}
	if r.BusErr != "" {
		d.add("user-bus", Bad, r.Want+"/bus does not answer: "+r.BusErr,
			"Podman asks for the cgroup of each container over it: none starts", busFix(h))
		d.mend("start the user bus again", RepairStep{Run: strings.Fields(restartBus)})
		return
	}
	if r.Env == r.Want {
		d.add(id, Good, "XDG_RUNTIME_DIR is "+r.Want+", and the user bus in it answers", "", "")
	}
}

// restartBus takes along the bus itself (dbus.service has Requires=dbus.socket), which
// nobody reaches, and nothing else.
const restartBus = "systemctl --user restart dbus.socket"

func busFix(h Health) string {
	fix := restartBus
	switch {
	case h.Host.RedHat:
		fix += "; if there is no such unit, as root: dnf install dbus-daemon"
	case h.Host.Debian:
		fix += "; if there is no such unit, as root: apt install dbus-user-session"
	}
	return fix
}

func (d *diagnosis) sessionPolicy(h Health, p LogindPolicy) {
	if !p.Known {
		return
	}
	if p.Kills(h.User) {
		what := "logind kills what is left of a session at its end (KillUserProcesses=yes)"
		if slices.Contains(p.KillOnly, h.User) {
			what = "logind kills what is left of a session of " + h.User + " at its end (KillOnlyUsers=)"
		}
		spared := append(slices.Clone(p.KillExclude), h.User)
		if !slices.Contains(spared, "root") {
			spared = slices.Insert(spared, 0, "root")
		}
		d.add("kill-user-processes", Warn, what, "containers started by hand in a login session may die with it, linger or not; services do not",
			"make them Quadlet units; or "+logindConf("50-keeper-sessions.conf", "KillExcludeUsers="+strings.Join(spared, " ")))
	}
	if p.RemoveIPC {
		s, means := Info, "after the user manager ended, Podman does not see a container that outlived it; linger keeps that from happening at a logout"
		if h.LogindErr == "" && !h.Linger {
			s, means = Warn, "linger is off: with each last logout Podman's locks go, and with them the sight of a container that outlived it"
		}
		d.add("remove-ipc", s, "logind removes the account's shared memory when it believes that the user is gone (RemoveIPC=yes)", means,
			logindConf("50-keeper-ipc.conf", "RemoveIPC=no"))
	}
}

// logindConf is how root sets a line of logind.conf(5). install.sh has 50-keeper.conf.
func logindConf(name, line string) string {
	const dir = "/etc/systemd/logind.conf.d"
	return "as root: mkdir -p " + dir + " && printf '[Login]\\n" + line + "\\n' >" + dir + "/" + name + " && systemctl reload-or-restart systemd-logind"
}

func checksOfHost() []Check {
	return []Check{
		{ID: "cgroup", Looks: "what is mounted on /sys/fs/cgroup", Why: "Quadlet and limits of rootless containers need cgroup v2"},
		{ID: "delegation", Looks: "which cgroup controllers the user manager has, of those that the machine offers, and which the Quadlet files ask for", Why: "a limit whose controller is missing does not count, or its container does not start; what gives the controllers to the account need not end its session"},
		{ID: "subids", Looks: "/etc/subuid and /etc/subgid (or getsubids), newuidmap and newgidmap", Why: "rootless containers need ids of their own, 65536 of each, that no other account has"},
		{ID: "runtime-dir", Looks: "/run/user/UID, and XDG_RUNTIME_DIR of whoever asks", Why: "after su it is missing or another account's, and podman and systemctl --user look in the wrong place"},
		{ID: "user-bus", Looks: "whether the user bus answers", Why: "Podman asks for each container's cgroup over it", Fixes: true},
		{ID: "podman", Looks: "podman --version", Why: "Quadlet needs Podman 4.4, keeper adopt 4.9"},
		{ID: "podman-config", Looks: "storage.conf and containers.conf of the account and the site", Why: "with a file that it cannot read Podman starts nothing"},
		{ID: "podman-database", Looks: "whether Podman's database is SQLite or BoltDB", Why: "Podman 6 does not read BoltDB"},
		{ID: "podman-storage", Looks: "the file systems of graphroot, runroot and tmp_dir", Why: "data must outlive a boot, and runtime state must not"},
		{ID: "kill-user-processes", Looks: "KillUserProcesses, KillOnlyUsers and KillExcludeUsers of logind", Why: "what was started by hand in a session may die with it"},
		{ID: "remove-ipc", Looks: "RemoveIPC of logind", Why: "it removes Podman's locks when the user is gone"},
		{ID: "low-port", Looks: "published ports against net.ipv4.ip_unprivileged_port_start", Why: "the account may not listen below it"},
		{ID: "selinux", Looks: "where SELinux is enforcing, the labels of what Quadlet files mount without :z or :Z", Why: "a container is denied what is not labelled for it"},
		{ID: "disk", Looks: "free bytes and inodes where Podman's storage and keeper's state are", Why: "a full disk stops databases, and Podman"},
		{ID: "journal", Looks: "whether systemd's journal is kept over a boot", Why: "it tells who brought a stack down"},
		{ID: "clock", Looks: "whether the clock is synchronised, as timedatectl has it", Why: "signed requests, certificates and the times of incidents depend on it"},
	}
}
